"""Builds the extension module ``offlinepin.batch._loops`` with cffi in API mode (limited ABI). Without it, :mod:`offlinepin.batch.loops`
has none, and numpy or Python loops instead."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from cffi import FFI

_HERE = "offlinepin/batch"

ffi = FFI()
ffi.cdef(re.sub(r"^(#|extern\b).*", "", Path(_HERE, "_loops.h").read_text("utf-8"), flags=re.M))  # all but the preprocessor's lines
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
