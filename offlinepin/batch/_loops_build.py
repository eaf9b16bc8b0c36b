"""Builds the extension module ``offlinepin.batch._loops`` with cffi in API mode (limited ABI). Without it, :mod:`offlinepin.batch.loops`
has none, and numpy or Python loops instead."""

from __future__ import annotations

import sys
from pathlib import Path

from cffi import FFI

_HERE = "offlinepin/batch"

ffi = FFI()
ffi.cdef("""
typedef struct {
    int64_t slot, window, opens, closes, activation, limit, alone, last;
    double per_slot, per_window;
    const int32_t *from, *to, *index;
    uint64_t base, durations, variants;
    const int64_t *reaches;
    size_t reach_count;
    int16_t number;
    uint8_t nearest, shares_grid, supersedes;
} opin_kind;
void opin_fit(const opin_kind *kinds, size_t count, const int64_t *low, const int64_t *high, size_t n, int64_t present, int16_t *numbers,
              int64_t *starts, int64_t *durations);
typedef struct {
    int64_t *starts, *ends, *use_by;
    uint8_t *no_end, *no_rule, *supersedes;
    uint32_t *own, *oldest, *newest;
    uint64_t *payloads;
} opin_lives;
void opin_live(const opin_kind *kinds, const int16_t *numbers, const int64_t *starts, const int64_t *durations, size_t n,
               const opin_lives *lives);
uint32_t opin_texts_once(const uint8_t *blob, const int64_t *offsets, size_t n, uint32_t *places, unsigned bits, int64_t *first,
                         uint32_t *index);
uint32_t opin_pairs(const uint32_t *devices, const uint32_t *windows, size_t n, uint32_t low, size_t width, uint32_t *places,
                    uint32_t *distinct_devices, uint32_t *distinct_windows, uint32_t *index);
void opin_place_hashes(const uint64_t *devices, const int16_t *numbers, const int64_t *starts, const int64_t *durations, size_t n,
                       uint64_t *hashes);
typedef struct {
    uint64_t *cells;
    size_t room, size, most;
} opin_tally_part;
size_t opin_tally_count(opin_tally_part *parts, const uint64_t *hashes, size_t n, uint8_t *before);
void opin_tally_put(opin_tally_part *part, const uint64_t *cells, size_t n);
""")
ffi.set_source(
    "offlinepin.batch._loops",
    '#include "_loops.h"',
    sources=[f"{_HERE}/_loops_{part}.c" for part in ("match", "share", "tally")],
    depends=[f"{_HERE}/_loops.h"],
    include_dirs=[_HERE],
    extra_compile_args=[] if sys.platform == "win32" else ["-O3", "-g0"],
    optional=True,
)

if __name__ == "__main__":  # for development, from the root of the tree
    ffi.compile(tmpdir=str(Path.cwd()), verbose=True)
