"""From grants to drafts, for whole columns: when each code holds, in which window and with which payload, but for its variant."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from offlinepin.batch import loops
from offlinepin.batch.matching import Fits, KindTable, Lives, c_kinds, life_rows
from offlinepin.batch.requests import grouped
from offlinepin.engine.payload import reach
from offlinepin.engine.profile import Family, Profile
from offlinepin.vendor import Rounding

U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_LAST_WINDOW = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Drafts(Lives):
    """The lives of rows' grants, and where their codes lie. Of a row without a grant all is 0, and it has no window to look at.

    Attributes:
        supersedes: whether its kind belongs to a group.
        own: the code's window.
        oldest, newest: all windows that a lock could try while the code is alive; ``oldest`` is greater where there is none.
        payloads: of variant 0; those of the other variants follow it.
    """

    supersedes: Mask
    own: U32
    oldest: U32
    newest: U32
    payloads: U64

    @property
    def several(self) -> Mask:
        """Where there may be another window to look at than the own one."""
        several: Mask = (self.oldest != self.newest) | (self.own != self.oldest)
        return several

    def beyond(self, low: int, high: int) -> Mask | bool:
        """Which rows have times that lie outside some readings."""
        if self.starts.min() >= low and max(column.max() for column in (self.starts, self.ends, self.use_by)) <= high:
            return False
        last = np.maximum(np.where(self.no_end, low, self.ends), np.where(self.no_rule, low, self.use_by))
        beyond: Mask = (self.starts < low) | (self.starts > high) | (last > high)
        return beyond

    def of_rows(self, rows: I64 | None) -> Drafts:
        """The drafts of some rows; ``None`` for all."""
        return self if rows is None else Drafts(*(getattr(self, column.name)[rows] for column in fields(self)))


class Drafter:
    """Makes drafts for one profile, whose kinds ``tables`` lists by their number."""

    def __init__(self, profile: Profile, tables: list[KindTable]) -> None:
        self._tolerance, self._tables = profile.lock.tolerance, tables
        self._small = np.array([table.is_small for table in tables])
        self._kinds = None if loops.lib is None else c_kinds(tables, [Rounding()] * len(tables), None)

    def drafts(self, fits: Fits) -> tuple[Drafts, Mask]:
        """The drafts of grants, and which rows have a grant but no draft, so that the single path must serve them."""
        kinds, odd = fits.kinds, np.zeros(len(fits.kinds), np.bool_)
        if not self._small.all():
            odd = (kinds >= 0) & ~self._small[kinds]
            kinds = np.where(odd, np.int16(-1), kinds)
        made = _columns(len(kinds))
        if self._kinds is None:
            self._fill(made, kinds, fits.starts, fits.durations)
        else:
            columns = {column.name: loops.pointer(getattr(made, column.name)) for column in fields(made)}
            rows = (loops.pointer(kinds), loops.pointer(fits.starts), loops.pointer(fits.durations))
            loops.lib.opin_live(self._kinds, *rows, len(kinds), loops.ffi.new("opin_lives *", columns))
        return made, odd

    def _fill(self, made: Drafts, kinds: npt.NDArray[np.int16], starts: I64, durations: I64) -> None:
        """:meth:`drafts` where there is no C."""
        for column in fields(made):
            getattr(made, column.name)[:] = column.name == "oldest"
        for number, rows in grouped(kinds):
            if number < 0:
                continue
            table, these = self._tables[number], slice(None) if rows is None else rows
            family, start, duration = table.family, starts[these], durations[these]
            lives = life_rows(family, table.kind, table.lapses(duration), start, duration)
            for column in fields(lives):
                getattr(made, column.name)[these] = getattr(lives, column.name)
            over = np.where(lives.no_end, lives.use_by, lives.ends)
            oldest, newest = windows_at(family, self._tolerance, lives.starts - self._tolerance, over + self._tolerance)
            none = (oldest > newest) | (oldest > _LAST_WINDOW)
            made.oldest[these], made.newest[these] = np.where(none, 1, oldest), np.where(none, 0, newest)
            made.supersedes[these] = bool(table.kind.supersedes)
            made.own[these], made.payloads[these] = _payloads(table, start, duration)


def _columns(n: int) -> Drafts:
    """Drafts of n rows in which nothing is written yet."""
    starts, ends, use_by = (np.empty(n, np.int64) for _ in range(3))
    no_end, no_rule, supersedes = (np.empty(n, np.bool_) for _ in range(3))
    own, oldest, newest = (np.empty(n, np.uint32) for _ in range(3))
    return Drafts(starts, ends, use_by, no_end, no_rule, supersedes, own, oldest, newest, np.empty(n, np.uint64))


def _payloads(table: KindTable, start: I64, duration: I64) -> tuple[U32, U64]:
    """Window and payload of grants with variant 0; see :func:`offlinepin.engine.payload.encode`."""
    family, kind = table.family, table.kind
    windows = start // family.window
    index = (start - windows * family.window).astype(np.uint64) * np.uint64(kind.duration_count)
    index += table.index[duration].astype(np.uint64)
    return windows.astype(np.uint32), np.uint64(family.bases[table.blank.kind]) + index * np.uint64(kind.variants)


def windows_at(family: Family, tolerance: int, first: I64, last: I64) -> tuple[I64, I64]:
    """The first and last of :func:`offlinepin.engine.payload.candidate_windows`, for a family that does not set clocks."""
    reaches = sorted({reach(family, kind, tolerance) for kind in family.kinds})
    oldest, newest = np.full_like(first, np.iinfo(np.int64).max), np.full_like(first, -1)
    for earliest, latest in reaches:
        low, high = np.maximum((first - earliest) // family.slot + 1, 0), (last + latest) // family.slot
        some = low <= high
        np.minimum(oldest, low, out=oldest, where=some)
        np.maximum(newest, high, out=newest, where=some)
    return oldest // family.window, np.minimum(newest // family.window, _LAST_WINDOW)
