"""A lock's clock for whole columns: what :class:`offlinepin.engine.clock.LockClock` says of one moment, by a table of its changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from offlinepin.engine.clock import EPOCH, LockClock

I64 = npt.NDArray[np.int64]
_FIRST: Final = datetime(1969, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2150, 1, 1, tzinfo=UTC)
_MARGIN: Final = timedelta(days=800)
_FOREVER: Final = (
    int((datetime(1970, 1, 3, tzinfo=UTC) - EPOCH).total_seconds()),
    int((datetime(9999, 1, 1, tzinfo=UTC) - EPOCH).total_seconds()),
)


def _seconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class ClockTable:
    """A lock's clock between two moments.

    Attributes:
        covers: the first and last second since 1970 for which the table holds.
        at: the seconds since 1970 at which the zone's clocks change, rising.
        offsets: reading minus seconds since 1970, before the first change and after each.
    """

    covers: tuple[int, int]
    at: I64
    offsets: I64

    @classmethod
    def of(cls, clock: LockClock, low: int, high: int) -> ClockTable:
        """The table of a clock for the seconds ``low`` to ``high`` and two years around them, at most from 1970 to 2150."""
        if clock.mode == "utc":
            return cls(_FOREVER, np.zeros(0, np.int64), np.zeros(1, np.int64))
        first = max(_FIRST, _clamped(low) - _MARGIN)
        last = max(first, min(_LAST, _clamped(high) + _MARGIN))
        changes = clock.changes(first, last)
        at = np.array([_seconds(change.at) for change in changes], np.int64)
        offsets = [clock.reading(first) - _seconds(first), *(change.after - _seconds(change.at) for change in changes)]
        return cls((_seconds(first) + 86_400 * 2, _seconds(last) - 86_400 * 2), at, np.array(offsets, np.int64))

    @property
    def changing(self) -> bool:
        """Whether the clock changes at all."""
        return len(self.at) > 0

    def reading(self, seconds: I64) -> I64:
        """What the clock shows; see :meth:`LockClock.reading`."""
        if not self.changing:
            return _shifted(seconds, int(self.offsets[0]))
        shown: I64 = seconds + self.offsets[np.searchsorted(self.at, seconds, "right")]
        return shown

    def span(self, low: I64, high: I64) -> tuple[I64, I64]:
        """See :meth:`LockClock.span`, for starts as the whole seconds not later, and ends as the whole seconds not earlier."""
        if not self.changing:
            return self.reading(low), self.reading(high)
        before, after = np.searchsorted(self.at, low, "right"), np.searchsorted(self.at, high - 1, "right")
        first, last = low + self.offsets[before], high + self.offsets[after]
        rows = np.flatnonzero(before < after)
        place, stop = before[rows], after[rows]
        while len(rows):
            back = self.offsets[place + 1] < self.offsets[place]
            repeated, change = rows[back], place[back]
            first[repeated] = np.minimum(first[repeated], self.at[change] + self.offsets[change + 1])
            last[repeated] = np.maximum(last[repeated], self.at[change] + self.offsets[change])
            place = place + 1
            more = place < stop
            rows, place, stop = rows[more], place[more], stop[more]
        return first, last

    def first(self, reading: I64) -> I64:
        """The earliest second at which the clock shows a reading or more; see :meth:`LockClock.first`."""
        if not self.changing:
            return _shifted(reading, -int(self.offsets[0]))
        place = np.searchsorted(self.at + self.offsets[:-1], reading, "right")
        moments: I64 = reading - self.offsets[place]
        first: I64 = np.where(place > 0, np.maximum(moments, self.at[place - 1]), moments)
        return first

    def last(self, reading: I64) -> I64:
        """The latest second at which the clock reaches a reading; see :meth:`LockClock.last`."""
        if not self.changing:
            return _shifted(reading, -int(self.offsets[0]))
        # At "left": where the clocks go back to just here, the reading was below it for the last time before.
        place = np.searchsorted(self.at + self.offsets[1:], reading, "left")
        moments: I64 = reading - self.offsets[place]
        last: I64 = np.where(place < len(self.at), np.minimum(moments, self.at[np.minimum(place, len(self.at) - 1)]), moments)
        return last

    def changes(self, start: I64, end: I64) -> npt.NDArray[np.bool_]:
        """Whether the clocks change after ``start`` and up to ``end``."""
        return np.searchsorted(self.at, start, "right") < np.searchsorted(self.at, end, "right")


def _shifted(seconds: I64, by: int) -> I64:
    return seconds + by if by else seconds


def _clamped(seconds: int) -> datetime:
    low, high = _seconds(_FIRST), _seconds(_LAST)
    return EPOCH + timedelta(seconds=min(max(seconds, low), high))


class ClockTables:
    """The tables of a few clocks, made when they are needed and widened when later rows lie outside."""

    def __init__(self) -> None:
        self._tables: dict[LockClock, ClockTable] = {}

    def of(self, clock: LockClock, low: int, high: int) -> ClockTable:
        """A table of the clock that covers ``low`` to ``high``, as far as tables go."""
        known = self._tables.get(clock)
        if known is not None:
            if known.covers[0] <= low and high <= known.covers[1]:
                return known
            low, high = min(low, known.covers[0]), max(high, known.covers[1])
            wider = ClockTable.of(clock, low, high)
            if wider.covers == known.covers:
                return known
        else:
            wider = ClockTable.of(clock, low, high)
        self._tables[clock] = wider
        return wider
