"""Variants for a batch's grants, and their codes: by a tally of this call's own, or by a ledger of earlier codes. Either way a place's
rows get its variants in their order, and no code that could be read as another is given out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol

import numpy as np
import numpy.typing as npt

from offlinepin.batch.answers import Answers
from offlinepin.batch.columns import Mask, at, pick
from offlinepin.batch.devices import Known
from offlinepin.batch.drafts import Drafts
from offlinepin.batch.matching import KindTable
from offlinepin.batch.requests import Rows, grouped
from offlinepin.batch.sealing import Sealer
from offlinepin.batch.single import Refusal, SinglePath
from offlinepin.batch.tally import EXACT, Tally
from offlinepin.batch.turns import Step, Work
from offlinepin.batch.variants import first_of_each, of_the_same_place, place_hashes
from offlinepin.ledger import Ledger, MemoryLedger, Place

I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]
U64 = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Grants:
    """The rows of a batch that have a grant: ``chosen`` of ``rows`` (``None``: all), with their devices, and the kind's number, start and
    duration in slots of each."""

    rows: Rows
    chosen: I64 | None
    known: Known = field(repr=False)
    kinds: npt.NDArray[np.int16]
    starts: I64
    durations: I64

    def __len__(self) -> int:
        return len(self.kinds)

    def of(self, some: I64) -> Grants:
        """Some of the grants."""
        known = Known(self.known.devices.of(some), self.known.hashes[some], self.known.generations[some], None)
        return Grants(self.rows, self.rows_of(some), known, self.kinds[some], self.starts[some], self.durations[some])

    def row(self, i: int) -> int:
        """A grant's row in the batch."""
        return i if self.chosen is None else int(self.chosen[i])

    def rows_of(self, grants: I64 | None) -> I64 | None:
        """The rows of some grants; ``None`` for all rows."""
        return grants if self.chosen is None else at(self.chosen, grants)

    def place(self, i: int, tables: list[KindTable]) -> Place:
        """What a grant's variant is taken from."""
        table = tables[int(self.kinds[i])]
        device_id = self.rows.ids[self.row(i)].as_py()
        generation = int(self.known.generations[i])
        return Place(device_id, generation, table.family.name, table.kind.name, int(self.starts[i]), int(self.durations[i]))

    def hashes(self) -> U64:
        """64 bits for each grant's place."""
        return place_hashes(self.known.hashes, self.kinds, self.starts, self.durations)

    def wanted(self) -> tuple[Mask, I64] | None:
        """Which rows ask for a variant of their own choice, and for which."""
        asked = self.rows.variant
        if asked is None:
            return None
        valid = np.ones(self.rows.count, np.bool_) if asked.valid is None else asked.valid
        return at(valid, self.chosen), at(asked.values, self.chosen)


class Taker(Protocol):
    """Gives a batch's grants their variants."""

    def expect(self, rows: int) -> None:
        """There will be so many rows."""
        ...

    def take(self, grants: Grants, drafts: Drafts, odd: Mask, answers: Answers) -> Work[None]:
        """Serve or refuse every grant. ``odd`` ones have times that only the single path can tell."""
        ...


class _Writer:
    """Seals grants and writes the codes."""

    def __init__(self, sealer: Sealer, tables: list[KindTable], single: SinglePath) -> None:
        self.sealer, self.tables, self.single = sealer, tables, single
        self.families = np.array([table.blank.family for table in tables], np.int16)
        self.limits = np.array([table.kind.variants for table in tables], np.int64)
        self.few_limits = np.minimum(self.limits, EXACT).astype(np.uint8)

    def seal(self, grants: Grants, drafts: Drafts, some: I64 | None, variants: I64) -> tuple[U64, Mask]:
        """The numbers of some grants with these variants, and whether each can be read in its own way only."""
        kinds = at(grants.kinds, some)
        numbers, good = np.empty(len(kinds), np.uint64), np.empty(len(kinds), np.bool_)
        for family, index in self._by_family(kinds):
            these = some if index is None else index if some is None else some[index]
            mine, devices = drafts.of_rows(these), grants.known.devices.of(these)
            sealed = self.sealer.seal(devices, family, mine.own, mine.payloads + at(variants, index).view(np.uint64))
            fine = self.sealer.unambiguous(devices, family, mine, sealed)
            if index is None:
                return sealed, fine
            numbers[index], good[index] = sealed, fine
        return numbers, good

    def write(self, grants: Grants, some: I64 | None, variants: I64, numbers: U64, answers: Answers) -> None:
        """Some grants are served with these variants and sealed numbers."""
        kinds = at(grants.kinds, some)
        rows = grants.rows_of(some)
        answers.set(rows, kinds=kinds, variants=variants)
        for family, index in self._by_family(kinds):
            answers.write(at(rows, index) if rows is not None else index, self.sealer.texts(at(numbers, index), family))

    def are_left(self, counts: U8, kinds: npt.NDArray[np.int16]) -> Mask:
        """Whether kinds have more variants than counted, up to :data:`EXACT`."""
        if len(kinds) and counts.max() < self.few_limits[kinds.min() : kinds.max() + 1].min():
            return np.ones(len(kinds), np.bool_)
        left: Mask = counts < pick(self.few_limits, kinds)
        return left

    def _by_family(self, kinds: npt.NDArray[np.int16]) -> Iterator[tuple[int, I64 | None]]:
        """The families of kinds and the rows of each; ``None`` where that is all of them."""
        if len(kinds) and self.families[kinds.min()] == self.families[kinds.max()]:
            return iter([(int(self.families[kinds[0]]), None)])
        return grouped(pick(self.families, kinds))

    def issue(self, grants: Grants, some: I64, ledger: Ledger, answers: Answers) -> None:
        """Some grants take the single path, in their order."""
        for i in some.tolist():
            row = grants.row(i)
            found = self.single.issue(grants.rows.row(row), ledger)
            if isinstance(found, Refusal):
                answers.refuse(row, found)
            else:
                answers.serve(row, found)

    def exhausted(self, grants: Grants, some: I64, answers: Answers) -> None:
        """Some grants have no variant left."""
        for i in some.tolist():
            answers.refuse(grants.row(i), self.single.exhausted(grants.rows.row(grants.row(i))))


class Counts:
    """What was given out so far, in one run: a tally of most places, and the others exactly. Threads may share it, ``beside`` of them."""

    def __init__(self, beside: int = 1) -> None:
        self.tally, self.exact = Tally(), MemoryLedger()
        self._lock, self._settled = Lock(), 0
        self._moved: deque[tuple[int, U64]] = deque(maxlen=beside)

    def count(self, hashes: U64) -> tuple[U8, int]:
        """See :meth:`Tally.count`; and a mark of this moment."""
        with self._lock:
            return self.tally.count(hashes), self._settled

    def move(self, hashes: U64) -> None:
        """These places are kept exactly from now on."""
        with self._lock:
            self.tally.put(hashes, np.full(len(hashes), EXACT, np.uint8))
            self._moved.append((self._settled, hashes))
            self._settled += 1

    def moved_since(self, mark: int, hashes: U64) -> Mask | None:
        """Which of these places were moved after a mark; ``None`` if none were at all."""
        with self._lock:
            moved = [each for number, each in self._moved if number >= mark]
        return np.isin(Tally.told(hashes), Tally.told(np.concatenate(moved))) if moved else None


class ByTally:
    """Takes each place's variants in turn. Where that is not all there is to it, because a row asks for a certain variant or one had to
    be passed over, the place is kept in a ledger from then on. Batches that run beside each other count
    before they know that of an earlier one; so each looks again in the end, and comes to what it would have come to after it."""

    def __init__(self, sealer: Sealer, tables: list[KindTable], single: SinglePath, counts: Counts) -> None:
        self._writer = _Writer(sealer, tables, single)
        self._counts, self._exactly = counts, ByLedger(sealer, tables, single, counts.exact)

    def expect(self, rows: int) -> None:
        """See :meth:`Taker.expect`."""
        self._counts.tally.expect(rows)

    def take(self, grants: Grants, drafts: Drafts, odd: Mask, answers: Answers) -> Work[None]:
        """See :meth:`Taker.take`."""
        writer = self._writer
        hashes = grants.hashes()
        yield Step.IN_TURN
        before, mark = self._counts.count(hashes)
        yield Step.ANY_TIME
        unusual = before >= EXACT - 1
        unusual |= odd
        wanted = grants.wanted()
        if wanted is not None:
            unusual |= wanted[0]
        unusual = of_the_same_place(hashes, unusual)
        left = writer.are_left(before, grants.kinds)
        some = _where(left & ~unusual)
        variants = before.astype(np.int64)
        numbers, good = writer.seal(grants, drafts, some, at(variants, some))
        writer.write(grants, some, at(variants, some), numbers, answers)
        if not good.all():
            unusual[_some(some, len(grants))[~good]] = True
            unusual = of_the_same_place(hashes, unusual)
        yield Step.IN_TURN
        moved = self._counts.moved_since(mark, hashes)
        if moved is not None:
            unusual |= moved
        if unusual.any():  # what was written for them is written over
            rows = np.flatnonzero(unusual)
            self._settle(grants, hashes, rows, variants if moved is None else np.where(moved, EXACT, variants))
            self._exactly.serve(grants.of(rows), drafts.of_rows(rows), odd[rows], answers)
        yield Step.ANY_TIME
        left |= unusual
        if not left.all():
            writer.exhausted(grants, np.flatnonzero(~left), answers)

    def _settle(self, grants: Grants, hashes: U64, rows: I64, before: I64) -> None:
        """Keep the places of some grants exactly from now on: what was given out there so far goes into the ledger."""
        for i in first_of_each(hashes, rows).tolist():
            if (count := int(before[i])) < EXACT:
                place = grants.place(i, self._writer.tables)
                for _ in range(count):
                    self._counts.exact.take(place, range(count), lambda _: True, None)
        self._counts.move(hashes[rows])


class ByLedger:
    """Takes variants from a ledger: those of a batch in one transaction."""

    def __init__(self, sealer: Sealer, tables: list[KindTable], single: SinglePath, ledger: Ledger) -> None:
        self._writer, self._ledger = _Writer(sealer, tables, single), ledger

    def expect(self, rows: int) -> None:
        """See :meth:`Taker.expect`."""

    def take(self, grants: Grants, drafts: Drafts, odd: Mask, answers: Answers) -> Work[None]:
        """See :meth:`Taker.take`."""
        yield Step.IN_TURN
        self.serve(grants, drafts, odd, answers)
        yield Step.ANY_TIME

    def serve(self, grants: Grants, drafts: Drafts, odd: Mask, answers: Answers) -> None:
        """Serve or refuse every grant, now."""
        writer, n = self._writer, len(grants)
        hashes = grants.hashes()
        limits = writer.limits[grants.kinds]
        guessed = Tally().count(hashes).astype(np.int64)
        ranges = [range(limit) for limit in limits.tolist()]
        usual = ~of_the_same_place(hashes, odd)
        wanted = grants.wanted()
        if wanted is not None:
            for i in np.flatnonzero(wanted[0]).tolist():
                chosen = int(wanted[1][i])
                if 0 <= chosen < limits[i]:
                    ranges[i], guessed[i] = range(chosen, chosen + 1), chosen
                else:
                    usual[i] = False
        guessed = np.minimum(guessed, limits - 1)
        some = _where(usual)
        numbers, good = writer.seal(grants, drafts, some, at(guessed, some))
        rows = _some(some, n)
        taken = self._taken(grants, drafts, rows, ranges, guessed[rows], good)
        other = np.flatnonzero((taken >= 0) & (taken != guessed[rows]))
        if len(other):
            numbers[other], _ = writer.seal(grants, drafts, rows[other], taken[other])
        served = taken >= 0
        writer.write(grants, _where(served) if some is None else rows[served], taken[served], numbers[served], answers)
        writer.exhausted(grants, rows[~served], answers)
        writer.issue(grants, np.flatnonzero(~usual), self._ledger, answers)

    def _taken(self, grants: Grants, drafts: Drafts, rows: I64, ranges: list[range], guessed: I64, good: Mask) -> I64:
        """The ledger's variants for some grants; -1 where it has none."""
        known, several = dict(enumerate(guessed.tolist())), drafts.several[rows]

        def usable(i: int, variant: int) -> bool:
            if variant == known[i]:
                return bool(good[i])
            return not several[i] or bool(self._writer.seal(grants, drafts, rows[i : i + 1], np.array([variant]))[1][0])

        places = [grants.place(i, self._writer.tables) for i in rows.tolist()]
        taken = self._ledger.take_many(places, [ranges[i] for i in rows.tolist()], usable)
        return np.array([-1 if each is None else each.variant for each in taken], np.int64)


def _where(mask: Mask) -> I64 | None:
    """The indices where a mask holds; ``None`` where it does everywhere."""
    return None if mask.all() else np.flatnonzero(mask)


def _some(indices: I64 | None, n: int) -> I64:
    return np.arange(n) if indices is None else indices
