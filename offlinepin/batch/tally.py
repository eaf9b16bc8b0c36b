"""How many variants each place was given: a compact table by a hash of the place, with its loops in C where the extension was built."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

try:
    from offlinepin.batch._tally import ffi, lib
except ImportError:  # installed without a C compiler, or without cffi
    lib = None

__all__ = ["EXACT", "Tally", "lib"]

U8 = npt.NDArray[np.uint8]
U64 = npt.NDArray[np.uint64]
_PARTS_BITS: Final = 4
_FULL: Final = 0.85
_ROOMY: Final = 0.65


EXACT: Final = 255
"""The count of a place whose variants are kept elsewhere; nothing is added to it."""


class Tally:
    """Counts of up to 254 by 64-bit hash, in about 12 bytes a place. Of twenty million places, two are taken for one with a probability
    of 1 in 100,000; then a variant may be passed over, but none is given twice."""

    def __init__(self) -> None:
        self._parts = [_Part() for _ in range(1 << _PARTS_BITS)]  # each grows by itself, so that little is held twice at once

    def expect(self, places: int) -> None:
        """Make room for so many more places, so that none need be moved."""
        for part in self._parts:
            part.expect(places // len(self._parts) * 33 // 32)

    def __len__(self) -> int:
        return sum(part.size for part in self._parts)

    @property
    def nbytes(self) -> int:
        """Bytes that the table takes."""
        return sum(part.nbytes for part in self._parts)

    def add(self, hashes: U64, more: U8) -> U8:
        """Add to the counts of hashes, which rise and of which none is 0. Returns the counts before."""
        before = np.zeros(len(hashes), np.uint8)
        for part, rows in self._slices(hashes):
            part.add(hashes[rows], more[rows], before[rows])
        return before

    def put(self, hashes: U64, counts: U8) -> None:
        """Set the counts of hashes, which rise."""
        for part, rows in self._slices(hashes):
            part.put(hashes[rows], counts[rows])

    def _slices(self, hashes: U64) -> Iterator[tuple[_Part, slice]]:
        leading = np.arange(1, len(self._parts), dtype=np.uint64) << np.uint64(64 - _PARTS_BITS)
        edges = np.searchsorted(hashes, leading).tolist()
        for part, start, stop in zip(self._parts, [0, *edges], [*edges, len(hashes)], strict=True):
            if start < stop:
                yield part, slice(start, stop)


class _Part:
    """The hashes that share their leading bits, in one table with open addressing."""

    def __init__(self) -> None:
        self.size = 0
        self._hashes: U64 = np.zeros(64, np.uint64)
        self._counts: U8 = np.zeros(64, np.uint8)

    @property
    def nbytes(self) -> int:
        """Bytes that the table takes."""
        return self._hashes.nbytes + self._counts.nbytes

    def expect(self, places: int) -> None:
        """Make room for so many more hashes."""
        size = self.size + places
        if size > _FULL * len(self._hashes):
            self._resize(int(size / (_ROOMY if self.size else _FULL)) + 64)

    def _resize(self, room: int) -> None:
        held = np.flatnonzero(self._hashes)
        hashes, counts = self._hashes[held], self._counts[held]
        self._hashes, self._counts, self.size = np.zeros(room, np.uint64), np.zeros(room, np.uint8), 0
        self._put(hashes, counts)

    def add(self, added: U64, more: U8, before: U8) -> None:
        """Adds to the counts of hashes, and writes what they were."""
        self.expect(len(added))
        if lib is None:
            for i, place in enumerate(self._places(added)):
                before[i] = held = int(self._counts[place])  # 0 where there is no hash yet
                self.size += not self._hashes[place]
                self._hashes[place] = added[i]
                self._counts[place] = held if held == EXACT else min(held + int(more[i]), EXACT - 1)
            return
        room = len(self._hashes)
        self.size += lib.opin_tally_add(_u64(self._hashes), _u8(self._counts), room, _u64(added), _u8(more), len(added), _u8(before))

    def put(self, added: U64, values: U8) -> None:
        """Sets the counts of hashes."""
        self.expect(len(added))
        self._put(added, values)

    def _put(self, added: U64, values: U8) -> None:
        if lib is None:
            for place, hash_, value in zip(self._places(added), added, values, strict=False):
                self.size += not self._hashes[place]
                self._hashes[place], self._counts[place] = hash_, value
            return
        room = len(self._hashes)
        self.size += lib.opin_tally_put(_u64(self._hashes), _u8(self._counts), room, _u64(added), _u8(values), len(added))

    def _places(self, sought: U64) -> Iterator[int]:
        """Where each hash stands or belongs; see ``_tally_loops.c``."""
        room = len(self._hashes)
        for hash_ in sought.tolist():
            place = ((hash_ << _PARTS_BITS & 2**64 - 1) >> 32) * room >> 32
            while (held := int(self._hashes[place])) != hash_ and held:
                place = place + 1 if place + 1 < room else 0
            yield place


def _u64(array: U64) -> object:
    return ffi.from_buffer("uint64_t[]", array)


def _u8(array: U8) -> object:
    return ffi.from_buffer("uint8_t[]", array)
