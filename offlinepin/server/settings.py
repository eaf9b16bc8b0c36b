"""What a running server can be told: where its limits are, how often it works through what is due, and what the present is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from offlinepin.server.limits import DEFAULTS


def system_clock() -> datetime:
    """The present."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Settings:
    """How a server runs.

    Attributes:
        clock: the present, aware. Tests move it.
        per_minute: requests per device and minute, by action (``create``, ``update``, ``delete``); 0 is no limit.
        tick_seconds: the pause between two looks at what is due; 0 looks never (another process does).
        threads: requests that are worked on at one time. Over SQLite one transaction serves those that wait to write, up to so many.
    """

    clock: Callable[[], datetime] = system_clock
    per_minute: Mapping[str, int] = field(default_factory=lambda: DEFAULTS)
    tick_seconds: float = 1.0
    threads: int = 8
