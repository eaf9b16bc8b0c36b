"""From columns of requests to columns of grants: :func:`offlinepin.matching.match` for many rows at once, with the same arithmetic.
Rows that it would refuse, or serve from a later start, are left to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from offlinepin.batch import loops
from offlinepin.engine.clock import EPOCH
from offlinepin.engine.payload import Grant, reach
from offlinepin.engine.profile import Action, Family, Kind, Profile
from offlinepin.matching import Request, begins, choices_of, closes, first_slot, limit_seconds, needed_slots
from offlinepin.vendor import Rounding, Vendor

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_LARGEST: Final = 2**40
"""Times in seconds beyond this (35,000 years) are left to single requests, whose integers have no end."""
_LAST_WINDOW: Final = 2**32 - 1
_LONGEST: Final = 2**20
"""So are kinds that last more slots: there is a table of all durations up to the longest."""


class KindTable:
    """One kind of a profile, with its durations as sorted arrays.

    Attributes:
        number: counts the kinds of all families, in the profile's order.
    """

    def __init__(self, number: int, blank: Grant, profile: Profile) -> None:
        self.number = number
        self.blank = blank
        self.family, self.kind = blank.of(profile)
        self._tolerance = profile.lock.tolerance

    @cached_property
    def listed(self) -> I64:
        """All durations, by their payload index."""
        return np.array([d for r in self.kind.ranges for d in r], np.int64)

    @cached_property
    def _sorted(self) -> tuple[I64, I64]:
        """All durations, rising, and the payload index of each."""
        order = np.argsort(self.listed, kind="stable")
        return self.listed[order], order.astype(np.int64)

    @cached_property
    def ending_from(self) -> I32:
        """For each number of slots up to the longest duration, the shortest duration with an end that is as long; then -1."""
        return np.append(self._ending, -1)[np.searchsorted(self._ending, self._slots)].astype(np.int32)

    @cached_property
    def ending_to(self) -> I32:
        """For each number of slots up to one more than the longest duration, the longest duration with an end that is no longer, or -1."""
        return np.append(-1, self._ending)[np.searchsorted(self._ending, self._slots, "right")].astype(np.int32)

    @cached_property
    def index(self) -> I32:
        """For each number of slots up to the longest duration, the payload index of the shortest duration that is as long."""
        durations, index = self._sorted
        return index[np.searchsorted(durations, self._slots[:-1])].astype(np.int32)

    @cached_property
    def reaches(self) -> I64:
        """For each distinct reach of the family's kinds (:func:`offlinepin.engine.payload.reach`), a row of slots that say where codes
        start that could be valid while one of this kind is: the first after its start, the last after its end, and, of one without an
        end, the last after its start."""
        slot, opens, closes, tolerance = self.family.slot, self.kind.opens, self.kind.closes, self._tolerance
        lapse = self.kind.activation * slot + opens
        return np.array(
            [
                ((opens - tolerance - earliest) // slot + 1, (closes + tolerance + latest) // slot, (lapse + tolerance + latest) // slot)
                for earliest, latest in sorted({reach(self.family, kind, tolerance) for kind in self.family.kinds})
            ],
            np.int64,
        )

    @property
    def alone(self) -> int:
        """The duration where no end is asked for, -1 if there is none."""
        return 0 if self.kind.endless else self.kind.duration_at(0) if self.kind.duration_count == 1 else -1

    @property
    def _ending(self) -> I64:
        durations, _ = self._sorted
        return durations[durations > 0]

    @property
    def _slots(self) -> I64:
        durations, _ = self._sorted
        return np.arange(int(durations[-1]) + 2)

    @cached_property
    def is_small(self) -> bool:
        """Whether all times of its family can be reckoned with in 64 bits, and the durations be listed."""
        return self._tolerance < _LARGEST and all(_is_small(self.family, kind) for kind in self.family.kinds)

    def shortest_from(self, slots: I64) -> I64:
        """See :meth:`Kind.shortest_from`; -1 where there is none."""
        return self.ending_from[np.clip(slots, 0, len(self.ending_from) - 1)].astype(np.int64)

    def longest_to(self, slots: I64) -> I64:
        """See :meth:`Kind.longest_to`; -1 where there is none."""
        return np.where(slots < 0, -1, self.ending_to[np.clip(slots, 0, len(self.ending_to) - 1)])

    def lapses(self, durations: I64) -> Mask:
        """See :meth:`Kind.lapses`."""
        activation = self.kind.activation
        return ((durations == 0) | (durations > activation)) if activation else np.zeros(len(durations), np.bool_)


def _is_small(family: Family, kind: Kind) -> bool:
    longest = max(r[-1] for r in kind.ranges)
    slots = (longest + 1, kind.activation, family.window)
    return longest < _LONGEST and all(n * family.slot < _LARGEST for n in slots) and max(abs(kind.opens), abs(kind.closes)) < _LARGEST


def kind_tables(profile: Profile) -> list[KindTable]:
    """Every kind of a profile."""
    blanks = [Grant(f, k, 0, 0, 0) for f, family in enumerate(profile.families) for k in range(len(family.kinds))]
    return [KindTable(number, blank, profile) for number, blank in enumerate(blanks)]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What rows have in common: the choice of a kind, and how far their times may be moved."""

    one_time: bool
    kind: str | None
    level: str | None
    max_time_rounding: timedelta | None

    def tables(self, vendor: Vendor, tables: list[KindTable]) -> Iterator[KindTable]:
        """The kinds to choose from."""
        request = Request(EPOCH, one_time=self.one_time, kind=self.kind, level=self.level)
        wanted = [(blank.family, blank.kind) for blank, _, _ in choices_of(vendor, request)]
        return (table for table in tables if (table.blank.family, table.blank.kind) in wanted)


@dataclass(frozen=True, slots=True)
class Fits:
    """How rows are served: the kind's number, -1 where the single path must say; start and duration in its slots."""

    kinds: npt.NDArray[np.int16]
    starts: I64
    durations: I64

    @classmethod
    def none(cls, n: int) -> Self:
        """Those of rows that none serves yet."""
        return cls(np.full(n, -1, np.int16), np.zeros(n, np.int64), np.zeros(n, np.int64))


def fit_rows(vendor: Vendor, tables: list[KindTable], wanted: Wanted, low: I64, high: I64 | None, present: int) -> Fits:
    """The best fit of each row for the readings [low, high), or without an end; ``present`` is the reading now."""
    n = len(low)
    choices = list(wanted.tables(vendor, tables))
    if not all(table.is_small for table in choices):
        return Fits.none(n)
    if loops.lib is None:
        return _fit_rows(vendor, choices, wanted, low, high, present)
    fits = Fits(np.empty(n, np.int16), np.empty(n, np.int64), np.empty(n, np.int64))
    kinds = c_kinds(choices, [vendor.rounding_of(table.family) for table in choices], wanted.max_time_rounding)
    ends = loops.ffi.NULL if high is None else loops.pointer(high)
    out = (loops.pointer(fits.kinds), loops.pointer(fits.starts), loops.pointer(fits.durations))
    loops.lib.opin_fit(kinds, len(choices), loops.pointer(low), ends, n, present, *out)
    return fits


def c_kinds(tables: list[KindTable], roundings: list[Rounding], requested: timedelta | None) -> Any:
    """An array of ``opin_kind``, with pointers into the tables; zeros for a kind that is not small or never granted."""
    made = loops.ffi.new("opin_kind[]", len(tables))
    before = None
    for one, table, rounding in zip(made, tables, roundings, strict=True):
        if not table.is_small or table.kind.action not in (Action.UNLOCK, Action.PASSAGE):
            continue
        family, kind, limit = table.family, table.kind, limit_seconds(rounding, requested)
        one.slot, one.window, one.opens, one.closes, one.activation = family.slot, family.window, kind.opens, kind.closes, kind.activation
        one.per_slot, one.per_window = 1 / family.slot, 1 / family.window
        one.limit, one.alone, one.last = -1 if limit is None else limit, table.alone, len(table.ending_from) - 1
        setattr(one, "from", loops.pointer(table.ending_from))
        one.to, one.index = loops.pointer(table.ending_to), loops.pointer(table.index)
        one.base, one.durations, one.variants = family.bases[table.blank.kind], kind.duration_count, kind.variants
        one.reaches, one.reach_count = loops.pointer(table.reaches), len(table.reaches)
        one.number, one.nearest, one.supersedes = table.number, rounding.nearest, bool(kind.supersedes)
        grid = (family.slot, kind.opens, kind.closes, rounding.nearest)
        one.shares_grid, before = grid == before, grid
    return made


def _fit_rows(vendor: Vendor, tables: list[KindTable], wanted: Wanted, low: I64, high: I64 | None, present: int) -> Fits:
    """:func:`fit_rows` where there is no C."""
    n, earliest = len(low), int(low.min())
    kinds, starts, durations = np.full(n, -1, np.int16), np.zeros(n, np.int64), np.zeros(n, np.int64)
    least, single = np.full(n, np.iinfo(np.int64).max), np.zeros(n, np.bool_)
    for table in tables:
        found = _fit(vendor, table, wanted, low, high, present, earliest, single)
        better = found.served & (found.excess < least)
        kinds = np.where(better, np.int16(table.number), kinds)
        starts, durations = np.where(better, found.start, starts), np.where(better, found.duration, durations)
        least = np.where(better, found.excess, least)
    kinds[single] = -1
    return Fits(kinds, starts, durations)


@dataclass(frozen=True, slots=True)
class _Fit:
    """How one kind serves rows, and whether it does; see :class:`offlinepin.matching.Fit`."""

    start: I64
    duration: I64
    excess: I64
    served: Mask


def _fit(vendor: Vendor, table: KindTable, wanted: Wanted, low: I64, high: I64 | None, present: int, earliest: int, single: Mask) -> _Fit:
    """The fits of one kind. Marks in ``single`` the rows that it would refuse outright or try again from the present.

    ``earliest`` is the least of ``low``: it says of most tables that there are no such rows, without a look at each.
    """
    family, kind = table.family, table.kind
    rounding = vendor.rounding_of(family)
    limit = limit_seconds(rounding, wanted.max_time_rounding)
    start = first_slot(family, kind, low, rounding.nearest)
    single |= (start < 0) | (start // family.window > _LAST_WINDOW)
    duration = _duration(table, start, high, rounding.nearest)
    served = duration >= 0
    before = low - begins(family, kind, start)
    ends = closes(family, kind, start, duration)
    after = np.zeros_like(before) if high is None else ends - high
    if kind.endless:
        after[duration == 0] = 0
    if rounding.nearest:
        before, after = np.abs(before), np.abs(after)
    if limit is not None:
        served &= (before <= limit) & (after <= limit)  # neither is negative where the kind has a duration
    served &= (ends > present) | (duration == 0) if kind.endless else ends > present
    if kind.activation and earliest + (kind.activation - 1) * family.slot <= present:  # a slot may begin before
        use_by = np.where(served, begins(family, kind, start), low) + kind.activation * family.slot
        single |= (use_by <= present) & (~served | table.lapses(duration))
    return _Fit(start, duration, before + after, served)


def _duration(table: KindTable, start: I64, high: I64 | None, nearest: bool) -> I64:
    """See the function of this name in :mod:`offlinepin.matching`; -1 where there is none."""
    family, kind = table.family, table.kind
    if high is None:
        return np.full(len(start), table.alone)
    needed = needed_slots(family, kind, start, high)
    up = table.shortest_from(needed)
    if not nearest:
        return up
    down = table.longest_to(needed - 1)
    over = closes(family, kind, start, up) - high
    under = high - closes(family, kind, start, down)
    return np.where((up >= 0) & ((down < 0) | (over <= under)), up, down)


@dataclass(frozen=True, slots=True)
class Lives:
    """When grants hold, in readings; see :class:`offlinepin.engine.payload.Life`. ``no_end`` and ``no_rule`` say where ``ends`` and
    ``use_by`` mean nothing."""

    starts: I64
    ends: I64
    use_by: I64
    no_end: Mask
    no_rule: Mask


def life_rows(family: Family, kind: Kind, lapses: Mask, start: I64, duration: I64) -> Lives:
    """See :func:`offlinepin.engine.payload.life`; ``lapses`` is :meth:`KindTable.lapses`."""
    starts = begins(family, kind, start)
    return Lives(starts, closes(family, kind, start, duration), starts + kind.activation * family.slot, duration == 0, ~lapses)
