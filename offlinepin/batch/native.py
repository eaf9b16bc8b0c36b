"""The C kernel as a :class:`~offlinepin.batch.kernel.Kernel`: checks, pointers, and one call a column with the GIL released."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from offlinepin.batch import kernel as k
from offlinepin.batch._native import ffi, lib
from offlinepin.engine.token import key_bytes


@cache
def _kernels() -> dict[str, Any]:
    """The widths that the processor has and that pass their self-test, fastest first."""
    found = {}
    place = 0
    while (pointer := lib.opin_kernel_at(place)) != ffi.NULL:
        if lib.opin_kernel_sound(pointer):
            found[ffi.string(pointer.name).decode()] = pointer
        place += 1
    return found


def names() -> tuple[str, ...]:
    """The widths of the C kernel on this machine, fastest first."""
    return tuple(_kernels())


_C_TYPES: Final = {np.dtype(name): f"{name}_t[]" for name in ("uint8", "uint32", "uint64", "int64")}


def _pointer(array: npt.NDArray[Any]) -> Any:
    return ffi.from_buffer(_C_TYPES[array.dtype], array)


def _bytes(data: bytes) -> Any:
    return ffi.from_buffer("uint8_t[]", data)


class NativeKernel:
    """One lane width of the C kernel."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._c = _kernels()[name]

    def midstates(self, keys: k.Keys) -> k.States:
        """See :meth:`Kernel.midstates`."""
        k.check_table(keys, np.uint8, 32, "keys")
        states = np.empty((len(keys), 16), np.uint32)
        self._c.midstates(_pointer(keys), len(keys), _pointer(states))
        return states

    def derive_tokens(self, master: bytes, ids: k.Texts, generations: k.U32) -> k.Keys:
        """See :meth:`Kernel.derive_tokens`."""
        n = len(ids)
        k.check_ids(ids)
        k.check_column(generations, np.uint32, n, "generations")
        tokens = np.empty((n, 32), np.uint8)
        state = self._master(master)
        self._c.derive_tokens(_pointer(state), _texts(ids), _pointer(generations), n, _pointer(tokens))
        return tokens

    def window_keys(self, tokens: k.States, index: k.U32 | None, digest: bytes, families: k.U8, windows: k.U32) -> k.Keys:
        """See :meth:`Kernel.window_keys`."""
        n = len(windows)
        k.check_states(tokens, index, n)
        k.check_column(windows, np.uint32, n, "windows")
        k.check_column(families, np.uint8, n, "families")
        k.check_digest(digest)
        keys = np.empty((n, 32), np.uint8)
        self._c.window_keys(_states(tokens, index), _bytes(digest), _pointer(families), _pointer(windows), n, _pointer(keys))
        return keys

    def seal(self, keys: k.States, index: k.U32 | None, payloads: k.U64, shape: k.Shape) -> k.U64:
        """See :meth:`Kernel.seal`."""
        return self._permute(self._c.seal, keys, index, payloads, shape)

    def open(self, keys: k.States, index: k.U32 | None, numbers: k.U64, shape: k.Shape) -> k.U64:
        """See :meth:`Kernel.open`."""
        return self._permute(self._c.open, keys, index, numbers, shape)

    def seal_tokens(self, rows: k.TokenRows, payloads: k.U64, shape: k.Shape) -> k.U64:
        """See :meth:`Kernel.seal_tokens`."""
        return self._permute_tokens(self._c.seal_tokens, rows, payloads, shape)

    def open_tokens(self, rows: k.TokenRows, numbers: k.U64, shape: k.Shape) -> k.U64:
        """See :meth:`Kernel.open_tokens`."""
        return self._permute_tokens(self._c.open_tokens, rows, numbers, shape)

    def format(self, numbers: k.U64, shape: k.Shape, out: k.Texts8 | None = None) -> k.Texts8:
        """See :meth:`Kernel.format`."""
        n = len(numbers)
        k.check_numbers(numbers, n, shape)
        table = k.code_table(out, n, shape)
        self._c.format(_pointer(numbers), n, _shape(shape), table.shape[1], _pointer(table))
        return table

    def parse(self, typed: k.Texts, shape: k.Shape) -> tuple[k.U64, npt.NDArray[np.bool_]]:
        """See :meth:`Kernel.parse`."""
        n = len(typed)
        numbers, known = np.empty(n, np.uint64), np.empty(n, np.uint8)
        k.check_numbers(numbers[:0], 0, shape)
        lib.opin_parse(_texts(typed), n, _shape(shape), _pointer(numbers), _pointer(known))
        return numbers, known.view(np.bool_)

    def seal_rows(self, requests: k.Requests, shape: k.Shape, out: k.Texts8 | None = None) -> k.Texts8:
        """See :meth:`Kernel.seal_rows`."""
        n = k.check_requests(requests, shape)
        table = k.code_table(out, n, shape)
        rows = ffi.new("opin_requests *")
        kept = self._master(requests.master)
        rows.master, rows.digest = _pointer(kept), _bytes(requests.digest)
        rows.ids, rows.generations = _texts(requests.ids)[0], _pointer(requests.generations)
        rows.windows, rows.payloads, rows.family = _pointer(requests.windows), _pointer(requests.payloads), requests.family
        self._c.seal_rows(rows, n, _shape(shape), table.shape[1], _pointer(table))
        return table

    def _master(self, master: bytes) -> k.States:
        return self.midstates(np.frombuffer(key_bytes(master, "a master key"), np.uint8).reshape(1, 32))

    def _permute(self, function: Any, keys: k.States, index: k.U32 | None, numbers: k.U64, shape: k.Shape) -> k.U64:
        n = len(numbers)
        k.check_states(keys, index, n)
        k.check_numbers(numbers, n, shape)
        result = np.empty(n, np.uint64)
        function(_states(keys, index), _pointer(numbers), n, *shape.halves, _pointer(result))
        return result

    def _permute_tokens(self, function: Any, rows: k.TokenRows, numbers: k.U64, shape: k.Shape) -> k.U64:
        n = len(numbers)
        k.check_token_rows(rows, n)
        k.check_numbers(numbers, n, shape)
        result = np.empty(n, np.uint64)
        tokens = ffi.new("opin_tokens *")
        tokens.tokens, tokens.windows, tokens.family = _pointer(rows.tokens), _pointer(rows.windows), rows.family
        tokens.index, tokens.digest = ffi.NULL if rows.index is None else _pointer(rows.index), _bytes(rows.digest)
        function(tokens, _pointer(numbers), n, *shape.halves, _pointer(result))
        return result


# The structs below point into arrays, which their callers hold until the kernel has returned.


def _texts(texts: k.Texts) -> Any:
    return ffi.new("opin_texts *", {"blob": _pointer(texts.blob), "offsets": _pointer(texts.offsets)})


def _states(states: k.States, index: k.U32 | None) -> Any:
    return ffi.new("opin_states *", {"words": _pointer(states), "index": ffi.NULL if index is None else _pointer(index)})


def _shape(shape: k.Shape) -> Any:
    low, high = shape.halves
    u = shape.length // 2
    members = {"radix": shape.radix, "u": u, "v": shape.length - u, "low": low, "high": high, "prefix_bytes": len(shape.prefix)}
    text = {"prefix": _prefix(shape.prefix), "alphabet": shape.alphabet.encode("ascii")}
    return ffi.new("opin_shape *", members | text)


@cache
def _prefix(prefix: str) -> Any:
    """The bytes of a prefix at an address that stays."""
    return _bytes(prefix.encode("ascii"))
