"""How often each device may be written to: so many creates, updates and deletes in any minute, counted by this process."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from types import MappingProxyType

from offlinepin.server.envelope import ApiError

MINUTE = timedelta(minutes=1)
DEFAULTS: Mapping[str, int] = MappingProxyType({"create": 10, "update": 10, "delete": 20})


@dataclass(slots=True)
class Limits:
    """``per_minute`` names each action's limit for one device; 0 means no limit. Safe between threads."""

    per_minute: Mapping[str, int] = field(default_factory=lambda: DEFAULTS)
    _taken: dict[tuple[str, str, str], deque[datetime]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def take(self, action: str, workspace_id: str, device_ids: Iterable[str], now: datetime) -> None:
        """Count one ``action`` on each device, or count none and raise the 429 that says when to try again."""
        devices = sorted(set(device_ids))
        limit = self.per_minute.get(action, 0)
        if not limit:
            return
        with self._lock:
            for device_id in devices:
                taken = self._taken.setdefault((action, workspace_id, device_id), deque())
                while taken and not now - MINUTE < taken[0] <= now:
                    taken.popleft()
                if len(taken) >= limit:
                    raise _too_many(action, device_id, limit, taken[0] + MINUTE - now)
            for device_id in devices:
                self._taken[action, workspace_id, device_id].append(now)
            if len(self._taken) > 10_000:
                self._forget(now)

    def __len__(self) -> int:
        """How many devices' actions are remembered."""
        return len(self._taken)

    def _forget(self, now: datetime) -> None:
        """Drop the devices that nobody wrote to within the minute: the table must not grow with every device ever seen."""
        self._taken = {key: taken for key, taken in self._taken.items() if taken and taken[-1] > now - MINUTE}


def _too_many(action: str, device_id: str, limit: int, wait: timedelta) -> ApiError:
    seconds = max(1, math.ceil(wait.total_seconds()))
    return ApiError(
        429,
        "too_many_requests",
        f"device {device_id} takes {limit} {action} requests a minute; try again in {seconds} s",
        data={"device_id": device_id, "limit": limit},
        headers={"retry-after": str(seconds)},
    )
