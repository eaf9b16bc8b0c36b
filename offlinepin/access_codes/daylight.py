"""The hour of safety for a lock of unknown zone: a schedule that crosses a change of the clocks in any zone that the lock may be in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from offlinepin.engine.clock import LockClock, zone

_HOUR = timedelta(hours=1)
_RULES = timedelta(days=80 * 365)
"""So long a look finds every change there is: the tables of zones end in 2037, and from then on each year is like the last."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A time frame, and whether an hour was added to it."""

    starts_at: datetime | None
    ends_at: datetime | None
    is_widened: bool = False


def widened(zones: Iterable[str], starts_at: datetime | None, ends_at: datetime | None) -> Frame:
    """The time frame with an hour added at its end where the clocks of one of the zones go forward in it, at its start where they go back.

    Only a frame with both ends is a schedule that can be off.
    """
    if starts_at is None or ends_at is None:
        return Frame(starts_at, ends_at)
    start, end = starts_at.astimezone(UTC), min(ends_at.astimezone(UTC), starts_at.astimezone(UTC) + _RULES)
    changes = [c for name in zones for c in LockClock("civil", zone(name)).changes(start, end)]
    forward = any(change.after > change.before for change in changes)
    back = any(change.after < change.before for change in changes)
    return Frame(starts_at - _HOUR if back else starts_at, ends_at + _HOUR if forward else ends_at, bool(changes))
