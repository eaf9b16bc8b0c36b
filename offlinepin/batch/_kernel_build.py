"""Builds the extension module ``offlinepin.batch._native`` from the C kernel, with cffi in API mode (limited ABI). Without a C compiler
the build goes on without it, and batches run on :mod:`offlinepin.batch.pure`."""

from __future__ import annotations

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
ffi.cdef("""
typedef struct {
    uint32_t radix, u, v;
    uint32_t low, high;
    uint32_t prefix_bytes;
    const uint8_t *prefix;
    uint8_t alphabet[16];
} opin_shape;
typedef struct {
    const uint8_t *blob;
    const int64_t *offsets;
} opin_texts;
typedef struct {
    const uint32_t *words;
    const uint32_t *index;
} opin_states;
typedef struct {
    const uint8_t *tokens;
    const uint32_t *index;
    const uint8_t *digest;
    const uint32_t *windows;
    uint32_t family;
} opin_tokens;
typedef struct {
    const uint32_t *master;
    opin_texts ids;
    const uint32_t *generations;
    const uint8_t *digest;
    const uint32_t *windows;
    const uint64_t *payloads;
    uint32_t family;
} opin_requests;
typedef struct {
    const char *name;
    void (*midstates)(const uint8_t *, size_t, uint32_t *);
    void (*derive_tokens)(const uint32_t *, const opin_texts *, const uint32_t *, size_t, uint8_t *);
    void (*window_keys)(const opin_states *, const uint8_t *, const uint8_t *, const uint32_t *, size_t, uint8_t *);
    void (*seal)(const opin_states *, const uint64_t *, size_t, uint32_t, uint32_t, uint64_t *);
    void (*open)(const opin_states *, const uint64_t *, size_t, uint32_t, uint32_t, uint64_t *);
    void (*seal_tokens)(const opin_tokens *, const uint64_t *, size_t, uint32_t, uint32_t, uint64_t *);
    void (*open_tokens)(const opin_tokens *, const uint64_t *, size_t, uint32_t, uint32_t, uint64_t *);
    void (*format)(const uint64_t *, size_t, const opin_shape *, size_t, uint8_t *);
    void (*seal_rows)(const opin_requests *, size_t, const opin_shape *, size_t, uint8_t *);
} opin_kernel;
const opin_kernel *opin_kernel_at(unsigned place);
int opin_kernel_sound(const opin_kernel *kernel);
void opin_parse(const opin_texts *typed, size_t n, const opin_shape *shape, uint64_t *numbers, uint8_t *known);
""")
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
