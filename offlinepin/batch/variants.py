"""The places (device, generation, kind, start and duration) that a batch's rows take variants from: by a hash, and grouped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows by their place.

    Attributes:
        hashes: of the places, distinct and rising.
        sizes: how many rows each place has.
        firsts: where in ``rows`` each place begins.
        rows: all rows, place by place, and of one place in their order.
        group: for each of ``rows``, its place's index.
        rank: for each of ``rows``, how many rows of its place come before.
    """

    hashes: U64
    sizes: I64
    firsts: I64
    rows: I64
    group: I64
    rank: I64

    @classmethod
    def of(cls, hashes: U64) -> Groups:
        """The groups of rows whose places have these hashes."""
        n = len(hashes)
        rows = _order(hashes)
        ordered = hashes[rows]
        new = np.ones(n, np.bool_)
        np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
        first = np.flatnonzero(new)
        if len(first) == n:
            return cls(ordered, np.ones(n, np.int64), first, rows, first, np.zeros(n, np.int64))
        sizes = np.diff(first, append=n)
        return cls(ordered[first], sizes, first, rows, np.cumsum(new) - 1, np.arange(n) - np.repeat(first, sizes))

    def spread(self, of_place: Mask) -> Mask:
        """What holds of places, for each row."""
        of_row = np.empty(len(self.rows), np.bool_)
        of_row[self.rows] = of_place[self.group]
        return of_row


def _order(hashes: U64) -> I64:
    """The order of hashes, equal ones as they come. Up to 65,536 are sorted with their index in place of the last 16 bits, which is many
    times faster than a stable sort; in the rare case that this tells two hashes apart wrongly, a stable sort is done."""
    n = len(hashes)
    if n <= 1 << 16:
        sixteen = np.uint64(16)
        keys = np.sort((hashes >> sixteen << sixteen) | np.arange(n, dtype=np.uint64))
        rows = (keys & np.uint64(0xFFFF)).astype(np.int64)
        alike = np.flatnonzero(keys[1:] >> sixteen == keys[:-1] >> sixteen)
        if not len(alike) or bool((hashes[rows[alike]] == hashes[rows[alike + 1]]).all()):
            return rows
    return np.argsort(hashes, kind="stable")


def place_hashes(devices: U64, kinds: npt.NDArray[np.int16], starts: I64, durations: I64) -> U64:
    """64 bits for each place: a mixture (that of splitmix64) of 64 bits of its device and generation, and the rest of it. Never 0."""
    mixed = devices + starts.view(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed += (durations.view(np.uint64) << np.uint64(16)) + kinds.astype(np.uint64)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return np.maximum(mixed, np.uint64(1), out=mixed)
