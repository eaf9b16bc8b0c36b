"""Variants for a batch's grants, and their codes: by a tally of this call's own, or by a ledger of earlier codes. Either way a place's
rows get its variants in their order, and no code that could be read as another is given out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from offlinepin.batch.answers import Answers
from offlinepin.batch.columns import Mask, at
from offlinepin.batch.devices import Known
from offlinepin.batch.matching import KindTable
from offlinepin.batch.requests import Rows, grouped
from offlinepin.batch.sealing import Sealer, Windows, payload_rows
from offlinepin.batch.single import Refusal, SinglePath
from offlinepin.batch.tally import EXACT, Tally
from offlinepin.batch.variants import Groups, place_hashes
from offlinepin.ledger import Ledger, MemoryLedger, Place

I64 = npt.NDArray[np.int64]
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

    def take(self, grants: Grants, windows: Windows, odd: Mask, answers: Answers) -> None:
        """Serve or refuse every grant. ``odd`` ones have times that only the single path can tell."""
        ...


class _Writer:
    """Seals grants and writes the codes."""

    def __init__(self, sealer: Sealer, tables: list[KindTable], single: SinglePath) -> None:
        self.sealer, self.tables, self.single = sealer, tables, single
        self.families = np.array([table.blank.family for table in tables], np.int16)
        self.limits = np.array([table.kind.variants for table in tables], np.int64)

    def seal(self, grants: Grants, windows: Windows, some: I64 | None, variants: I64) -> tuple[U64, Mask]:
        """The numbers of some grants with these variants, and whether each can be read in its own way only."""
        kinds = at(grants.kinds, some)
        numbers, good = np.zeros(len(kinds), np.uint64), np.ones(len(kinds), np.bool_)
        for number, index in grouped(kinds):
            table, rest = self.tables[number], slice(None) if index is None else index
            these = some if index is None else index if some is None else some[index]
            window, payloads = payload_rows(table, at(grants.starts, these), at(grants.durations, these), at(variants, index))
            devices = grants.known.devices.of(these)
            sealed = self.sealer.seal(devices, table.blank.family, window, payloads)
            numbers[rest] = sealed
            look = windows.of_rows(these)
            several = np.flatnonzero(look.several)
            if len(several):
                fine = np.ones(len(sealed), np.bool_)
                fine[several] = self.sealer.unambiguous(devices.of(several), table.blank.family, look.of_rows(several), sealed[several])
                good[rest] = fine
        return numbers, good

    def write(self, grants: Grants, some: I64 | None, variants: I64, numbers: U64, answers: Answers) -> None:
        """Some grants are served with these variants and sealed numbers."""
        kinds = at(grants.kinds, some)
        rows = grants.rows_of(some)
        if rows is None:
            answers.kinds, answers.variants = kinds, variants
            answers.served[:] = True
        else:
            answers.served[rows], answers.kinds[rows], answers.variants[rows] = True, kinds, variants
        for family, index in grouped(self.families[kinds]):
            length = self.sealer.length(family)
            if rows is None and index is None:
                self.sealer.write(numbers, family, answers.codes)
                answers.lengths[:] = length
                continue
            these = index if rows is None else at(rows, index)
            text = np.empty((len(kinds) if index is None else len(index), length), np.uint8)
            self.sealer.write(at(numbers, index), family, text)
            answers.codes[these, :length], answers.lengths[these] = text, length

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


class ByTally:
    """Takes each place's variants in turn. Where that is not all there is to it, because a row asks for a certain variant or one had to
    be passed over, the place is kept exactly from then on, and its rows take the single path."""

    def __init__(self, sealer: Sealer, tables: list[KindTable], single: SinglePath) -> None:
        self._writer = _Writer(sealer, tables, single)
        self._tally, self._exact = Tally(), MemoryLedger()

    def expect(self, rows: int) -> None:
        """See :meth:`Taker.expect`."""
        self._tally.expect(rows)

    def take(self, grants: Grants, windows: Windows, odd: Mask, answers: Answers) -> None:
        """See :meth:`Taker.take`."""
        writer = self._writer
        groups = Groups.of(grants.hashes())
        base = self._tally.add(groups.hashes, np.minimum(groups.sizes, EXACT - 1).astype(np.uint8)).astype(np.int64)
        unusual = base + groups.sizes >= EXACT
        wanted = grants.wanted()
        for flag in (odd, None if wanted is None else wanted[0]):
            if flag is not None and flag.any():
                unusual[groups.group[flag[groups.rows]]] = True
        variants = np.empty(len(grants), np.int64)
        variants[groups.rows] = base[groups.group] + groups.rank
        limits = writer.limits[grants.kinds]
        left = variants < limits
        some = _where(left & ~groups.spread(unusual)) if unusual.any() else _where(left)
        numbers, good = writer.seal(grants, windows, some, at(variants, some))
        if not good.all():
            bad = _some(some, len(grants))[~good]
            flag = np.zeros(len(grants), np.bool_)
            flag[bad] = True
            unusual[groups.group[flag[groups.rows]]] = True
            kept = ~groups.spread(unusual)[_some(some, len(grants))]
            some, numbers = _some(some, len(grants))[kept], numbers[kept]
        writer.write(grants, some, at(variants, some), numbers, answers)
        if unusual.any():
            self._keep(grants, groups, np.flatnonzero(unusual & (base < EXACT)), base)
            spread = groups.spread(unusual)
            writer.issue(grants, np.flatnonzero(spread), self._exact, answers)
            self._tally.put(groups.hashes[unusual], np.full(int(unusual.sum()), EXACT, np.uint8))
            left |= spread
        if not left.all():
            writer.exhausted(grants, np.flatnonzero(~left), answers)

    def _keep(self, grants: Grants, groups: Groups, some: I64, base: I64) -> None:
        """Keep some places exactly from now on: what was given out there so far goes into the ledger."""
        for group in some.tolist():
            count = int(base[group])
            if count:
                place = grants.place(int(groups.rows[groups.firsts[group]]), self._writer.tables)
                for _ in range(count):
                    self._exact.take(place, range(count), lambda _: True, None)


class ByLedger:
    """Takes variants from a ledger: those of a batch in one transaction."""

    def __init__(self, sealer: Sealer, tables: list[KindTable], single: SinglePath, ledger: Ledger) -> None:
        self._writer, self._ledger = _Writer(sealer, tables, single), ledger

    def expect(self, rows: int) -> None:
        """See :meth:`Taker.expect`."""

    def take(self, grants: Grants, windows: Windows, odd: Mask, answers: Answers) -> None:
        """See :meth:`Taker.take`."""
        writer, n = self._writer, len(grants)
        groups = Groups.of(grants.hashes())
        limits = writer.limits[grants.kinds]
        guessed = np.empty(n, np.int64)
        guessed[groups.rows] = groups.rank
        ranges = [range(limit) for limit in limits.tolist()]
        usual = np.ones(n, np.bool_)
        if odd.any():
            unusual = np.zeros(len(groups.hashes), np.bool_)
            unusual[groups.group[odd[groups.rows]]] = True
            usual = ~groups.spread(unusual)
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
        numbers, good = writer.seal(grants, windows, some, at(guessed, some))
        rows = _some(some, n)
        taken = self._taken(grants, windows, rows, ranges, guessed[rows], good)
        other = np.flatnonzero((taken >= 0) & (taken != guessed[rows]))
        if len(other):
            numbers[other], _ = writer.seal(grants, windows, rows[other], taken[other])
        served = taken >= 0
        writer.write(grants, _where(served) if some is None else rows[served], taken[served], numbers[served], answers)
        writer.exhausted(grants, rows[~served], answers)
        writer.issue(grants, np.flatnonzero(~usual), self._ledger, answers)

    def _taken(self, grants: Grants, windows: Windows, rows: I64, ranges: list[range], guessed: I64, good: Mask) -> I64:
        """The ledger's variants for some grants; -1 where it has none."""
        known, several = dict(enumerate(guessed.tolist())), windows.several[rows]

        def usable(i: int, variant: int) -> bool:
            if variant == known[i]:
                return bool(good[i])
            return not several[i] or bool(self._writer.seal(grants, windows, rows[i : i + 1], np.array([variant]))[1][0])

        places = [grants.place(i, self._writer.tables) for i in rows.tolist()]
        taken = self._ledger.take_many(places, [ranges[i] for i in rows.tolist()], usable)
        return np.array([-1 if each is None else each.variant for each in taken], np.int64)


def _where(mask: Mask) -> I64 | None:
    """The indices where a mask holds; ``None`` where it does everywhere."""
    return None if mask.all() else np.flatnonzero(mask)


def _some(indices: I64 | None, n: int) -> I64:
    return np.arange(n) if indices is None else indices
