"""Builds the extension module ``offlinepin.batch._tally`` with cffi in API mode (limited ABI). Without it, :mod:`offlinepin.batch.tally`
loops in Python."""

from __future__ import annotations

import sys
from pathlib import Path

from cffi import FFI

_HERE = "offlinepin/batch"

ffi = FFI()
ffi.cdef("""
size_t opin_tally_add(uint64_t *hashes, uint8_t *counts, size_t room, const uint64_t *added, const uint8_t *more, size_t n,
                      uint8_t *before);
size_t opin_tally_put(uint64_t *hashes, uint8_t *counts, size_t room, const uint64_t *added, const uint8_t *values, size_t n);
""")
ffi.set_source(
    "offlinepin.batch._tally",
    '#include "_tally_loops.h"',
    sources=[f"{_HERE}/_tally_loops.c"],
    depends=[f"{_HERE}/_tally_loops.h"],
    include_dirs=[_HERE],
    extra_compile_args=[] if sys.platform == "win32" else ["-O3"],
    optional=True,
)

if __name__ == "__main__":  # for development, from the root of the tree
    ffi.compile(tmpdir=str(Path.cwd()), verbose=True)
