"""How many variants each place was given: a compact table by a hash of the place, with its loops in C where the extension was built."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from offlinepin.batch import loops

U8 = npt.NDArray[np.uint8]
U64 = npt.NDArray[np.uint64]
_PARTS_BITS: Final = 4
_COUNT: Final = 0xFF
_HASH: Final = 2**64 - 1 - _COUNT
_FULL: Final = 0.75
_ROOMY: Final = 0.65
_SPARSE: Final = 0.5
"""How full the table may be, how full it is when it has grown, and how full it gets where all places are expected at once: searches are
shorter then."""
_MANY: Final = 1 << 22
"""Places for which that would be too much memory."""
_MOST: Final = 1 << 25
"""Places beyond which nothing is made beforehand: a file of so many rows may have few places, or say anything of itself."""

EXACT: Final = 255
"""The count of a place whose variants are kept elsewhere; nothing is added to it."""


class Tally:
    """Counts of up to 254 by 64-bit hash, in 11 to 17 bytes a place. Of twenty million places, two are taken for one with a probability
    of 1 in 5,000; then a variant may be passed over, but none is given twice."""

    def __init__(self) -> None:
        self._parts = [_Part() for _ in range(1 << _PARTS_BITS)]  # each grows by itself, so that little is held twice at once

    def expect(self, places: int) -> None:
        """Make room for so many more places, so that none need be moved, unless they are too many to be counted on."""
        if not 0 < places <= _MOST:
            return
        each = places // len(self._parts) * 33 // 32 + 64  # no part gets all that many more than others
        if len(self):
            for part in self._parts:
                part.expect(each)
            return
        room = int(each / (_SPARSE if places < _MANY else _FULL))
        cells = np.zeros(room * len(self._parts), np.uint64)  # all at once, as a system has large pages for large blocks
        for i, part in enumerate(self._parts):
            part.cells = cells[i * room : (i + 1) * room]

    def __len__(self) -> int:
        return sum(part.size for part in self._parts)

    @staticmethod
    def told(hashes: U64) -> U64:
        """The part of each hash by which the table tells places apart."""
        return hashes >> np.uint64(_COUNT.bit_length() - _PARTS_BITS)

    @property
    def nbytes(self) -> int:
        """Bytes that the table takes."""
        return sum(part.cells.nbytes for part in self._parts)

    def count(self, hashes: U64) -> U8:
        """Count one more of each hash, none of which is 0, one after the other. Returns what each one's count was when it came."""
        before, done = np.empty(len(hashes), np.uint8), 0
        while (done := done + self._count(hashes[done:], before[done:])) < len(hashes):
            part = self._parts[int(hashes[done]) >> 64 - _PARTS_BITS]
            part.expect(part.size // 8 + 256)
        return before

    def _count(self, hashes: U64, before: U8) -> int:
        """Counts hashes until a part is full. Returns how many."""
        if loops.lib is not None:
            parts = loops.ffi.new("opin_tally_part[]", [part.c_members() for part in self._parts])
            done = int(loops.lib.opin_tally_count(parts, loops.pointer(hashes), len(hashes), loops.pointer(before)))
            for part, counted in zip(self._parts, parts, strict=True):
                part.size = counted.size
            return done
        for i, hash_ in enumerate(hashes.tolist()):
            part = self._parts[hash_ >> 64 - _PARTS_BITS]
            fresh = hash_ << _PARTS_BITS & _HASH
            place = part.place(fresh)
            if not part.cells[place]:
                if part.size >= part.most:
                    return i
                part.cells[place], part.size = fresh, part.size + 1
            cell = int(part.cells[place])
            before[i] = held = cell & _COUNT
            part.cells[place] = cell + (held < EXACT - 1)
        return len(hashes)

    def put(self, hashes: U64, counts: U8) -> None:
        """Set the counts of hashes to 1 or more."""
        cells = hashes << np.uint64(_PARTS_BITS) & np.uint64(_HASH) | counts
        leading = hashes >> np.uint64(64 - _PARTS_BITS)
        for number in np.unique(leading).tolist():
            some = cells[leading == number]
            self._parts[number].expect(len(some))
            self._parts[number].put(some)


class _Part:
    """The hashes that share their leading bits, in one table with open addressing; see ``_loops.h``."""

    def __init__(self) -> None:
        self.size = 0
        self.cells: U64 = np.zeros(64, np.uint64)

    @property
    def most(self) -> int:
        """How many hashes it may hold."""
        return int(_FULL * len(self.cells))

    def c_members(self) -> tuple[object, ...]:
        """The members of an ``opin_tally_part``."""
        return loops.pointer(self.cells), len(self.cells), self.size, self.most

    def expect(self, places: int) -> None:
        """Make room for so many more hashes."""
        size = self.size + places
        if size > self.most:
            held = self.cells[self.cells != 0]
            # written at once, as a page that is read first is mapped twice, and the second time all threads have to stop for it
            self.cells = np.full(int(size / (_ROOMY if self.size else _FULL)) + 64, 0, np.uint64)
            self.size = 0
            self.put(held)

    def put(self, cells: U64) -> None:
        """Sets cells, for which there is room."""
        if loops.lib is not None:
            part = loops.ffi.new("opin_tally_part *", self.c_members())
            loops.lib.opin_tally_put(part, loops.pointer(cells), len(cells))
            self.size = part.size
            return
        for cell in cells.tolist():
            place = self.place(cell)
            self.size += not self.cells[place]
            self.cells[place] = cell

    def place(self, cell: int) -> int:
        """Where the cell of this one's hash stands or belongs."""
        room = len(self.cells)
        place = (cell >> 32) * room >> 32
        while (held := int(self.cells[place])) and (held ^ cell) & _HASH:
            place = place + 1 if place + 1 < room else 0
        return place
