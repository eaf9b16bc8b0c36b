"""The places (device, generation, kind, start and duration) that a batch's rows take variants from, by a hash."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from offlinepin.batch import loops

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def place_hashes(devices: U64, kinds: npt.NDArray[np.int16], starts: I64, durations: I64) -> U64:
    """64 bits for each place: a mixture (that of splitmix64) of 64 bits of its device and generation, and the rest of it. Never 0."""
    if loops.lib is not None:
        hashes = np.empty(len(devices), np.uint64)
        loops.lib.opin_place_hashes(
            loops.pointer(devices),
            loops.pointer(kinds),
            loops.pointer(starts),
            loops.pointer(durations),
            len(devices),
            loops.pointer(hashes),
        )
        return hashes
    mixed = devices + starts.view(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed += (durations.view(np.uint64) << np.uint64(16)) + kinds.astype(np.uint64)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return np.maximum(mixed, np.uint64(1), out=mixed)


def of_the_same_place(hashes: U64, some: Mask) -> Mask:
    """The rows whose place is that of one of some rows."""
    return some if not some.any() else np.isin(hashes, hashes[some])


def first_of_each(hashes: U64, rows: I64) -> I64:
    """Of some rows, in rising order, the first of each place."""
    return np.sort(rows[np.unique(hashes[rows], return_index=True)[1]])
