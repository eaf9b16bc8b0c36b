"""Rows by their device, in parts of which each holds all rows of its devices: so each part can count variants by itself."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from offlinepin.batch.columns import numbers_of, texts_of

I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]


def part_of_rows(ids: pa.Array, parts: int) -> I64:
    """Which of the parts each device id belongs to: by its text alone, in any type of text. A null belongs to part 0."""
    if pa.types.is_null(ids.type):
        return np.zeros(len(ids), np.int64)
    if pa.types.is_dictionary(ids.type):
        if not len(ids.dictionary):
            return np.zeros(len(ids), np.int64)
        rows = numbers_of(pc.fill_null(ids.indices.cast(pa.int64()), 0), np.int64)
        found: I64 = part_of_rows(ids.dictionary, parts)[rows]
    else:
        found = (_mixed(ids) * np.uint64(parts) >> np.uint64(32)).view(np.int64)
    if ids.null_count:
        found[ids.is_null().to_numpy(zero_copy_only=False)] = 0
    return found


def _mixed(ids: pa.Array) -> U64:
    """32 bits of the first and last 8 bytes of each text: enough to share out the work evenly, where ids differ there."""
    texts = texts_of(ids)
    blob, offsets = texts.blob[texts.offsets[0] : texts.offsets[-1]], texts.offsets - texts.offsets[0]
    data = np.concatenate([np.zeros(8, np.uint8), blob, np.zeros(8, np.uint8)])
    words: U64 = np.ndarray((len(data) - 7,), np.uint64, data, strides=(1,))  # 8 bytes from each place on
    first: U64 = words[offsets[:-1] + 8]
    last: U64 = words[offsets[1:]]
    lengths = np.diff(offsets)
    if lengths.min(initial=8) < 8:  # what stands beside a short text is not its own
        beside = (8 * np.clip(8 - lengths, 0, 7)).astype(np.uint64)
        first, last = first << beside, last >> beside
        first[lengths == 0] = last[lengths == 0] = 0
    first *= np.uint64(0x9E3779B97F4A7C15)
    first += last
    first *= np.uint64(0xBF58476D1CE4E5B9)
    first >>= np.uint64(32)
    return first
