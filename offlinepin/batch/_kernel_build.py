"""Builds the extension module ``offlinepin.batch._native`` from the C kernel, with cffi in API mode (limited ABI). Without a C compiler
the build goes on without it, and batches run on :mod:`offlinepin.batch.pure`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from cffi import FFI

_HERE = "offlinepin/batch"
_SHARED = "firmware/src"
SOURCES = tuple(f"{_HERE}/_kernel{part}.c" for part in ("", "_plain", "_four", "_avx2", "_avx512", "_sha"))
HEADERS = (
    f"{_HERE}/_kernel.h",
    f"{_HERE}/_kernel_rows.h",
    *(f"{_SHARED}/opin_{part}.h" for part in ("lane", "sha256", "sha256_x86", "kdf", "cipher")),
)

ffi = FFI()
ffi.cdef(re.sub(r"^(#|extern\b).*", "", Path(_HERE, "_kernel.h").read_text("utf-8"), flags=re.M))  # all but the preprocessor's lines
ffi.set_source(
    "offlinepin.batch._native",
    '#include "_kernel.h"',
    sources=list(SOURCES),
    depends=list(HEADERS),
    include_dirs=[_HERE, _SHARED],
    extra_compile_args=[] if sys.platform == "win32" else ["-O3", "-g0"],
    optional=True,
)

if __name__ == "__main__":  # for development, from the root of the tree
    ffi.compile(tmpdir=str(Path.cwd()), verbose=True)
