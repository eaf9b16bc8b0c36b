"""The work in the background: each access code that is due makes its next step, and each event goes to the webhooks that wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Final

from anyio import to_thread

from offlinepin.access_codes.service import AccessCodes
from offlinepin.access_codes.store import Store
from offlinepin.server.settings import Settings
from offlinepin.server.watching import LOG, Metrics

Work = Callable[[AccessCodes, datetime], int]
WORK: Final[dict[str, Work]] = {"steps": AccessCodes.tick, "webhooks": AccessCodes.deliver_webhooks}


async def keep_working(name: str, store: Store, settings: Settings, metrics: Metrics, stop: asyncio.Event) -> None:
    """Do one kind of work, over and over, until told to stop. One that fails is logged and tried again; one under way is finished first."""
    while settings.tick_seconds and not stop.is_set():
        try:
            metrics.work.labels(name).inc(await to_thread.run_sync(_once, WORK[name], store, settings.clock()))
        except Exception:
            metrics.failures.labels(name).inc()
            LOG.error(f"{name} failed", exc_info=True)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), settings.tick_seconds)


def _once(work: Work, store: Store, now: datetime) -> int:
    workspaces = store.workspaces()
    return work(AccessCodes(store, workspaces[0].workspace_id), now) if workspaces else 0  # it looks at all of them
