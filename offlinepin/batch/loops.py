"""The C loops over columns (``_loops.h``) with numpy arrays, where the extension was built; :data:`lib` is ``None`` elsewhere. What stands
in for each is beside its caller."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

try:
    from offlinepin.batch._loops import ffi, lib
except ImportError:  # installed without a C compiler, or without cffi
    ffi = lib = None

__all__ = ["ffi", "lib", "pointer"]

_C_TYPES: Final = {np.dtype(name): f"{name}_t[]" for name in ("uint8", "int16", "int32", "uint32", "int64", "uint64")} | {
    np.dtype(np.bool_): "uint8_t[]"
}


def pointer(array: npt.NDArray[Any]) -> Any:
    """The address of a contiguous array, which lives as long as what is returned."""
    return ffi.from_buffer(_C_TYPES[array.dtype], array)
