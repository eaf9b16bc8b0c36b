"""The device tokens of a batch's rows, and 64 bits for each by which variants are counted."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from offlinepin.batch.columns import Mask, Names, at, pick, texts_of
from offlinepin.batch.kernel import Kernel
from offlinepin.batch.requests import Rows
from offlinepin.batch.sealing import Devices, pairs_of
from offlinepin.engine.token import KEY_BYTES
from offlinepin.errors import DeviceIdError, KeyMaterialError
from offlinepin.keys import MasterKey, TokenSource
from offlinepin.ledger import Ledger

U8 = npt.NDArray[np.uint8]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
_HASH_KEY: Final = secrets.token_bytes(KEY_BYTES)  # one for all threads, which count variants together


@dataclass(frozen=True, slots=True)
class Known:
    """The devices of some rows.

    Attributes:
        devices: their tokens.
        hashes: 64 bits of each row's device and generation, the same for the same.
        generations: of each row's token.
        failed: rows whose token cannot be had; ``None`` if all can.
    """

    devices: Devices
    hashes: U64 = field(repr=False)
    generations: U32
    failed: Mask | None


class TokenMaker:
    """Gets tokens: from a master key in the kernel, from another source one by one, or from a column.

    Args:
        kernel: does the work.
        keys: as for :class:`offlinepin.issuer.Issuer`.
        ledger: says what generation a device is in, where a row does not.
        own: whether rows may bring tokens of their own.
    """

    def __init__(self, kernel: Kernel, keys: TokenSource, ledger: Ledger | None, *, own: bool) -> None:
        self._kernel, self._keys, self._ledger = kernel, keys, ledger
        self._master = keys.export() if type(keys) is MasterKey and not own else None

    @property
    def shares(self) -> bool:
        """Whether every device must be looked at once by itself, so that its ids are wanted once each."""
        return self._master is None or self._ledger is not None

    def of(self, rows: Rows, chosen: I64 | None) -> Known:
        """The devices of the chosen rows, all of which have sound ids; ``None`` for all rows."""
        names = rows.names if chosen is None and rows.names.is_plain(rows.count) else rows.names.take(_all(rows, chosen))
        generations = self._generations(rows, chosen, names)
        if self._master is not None:
            return self._derived(self._master, names, generations)
        return self._asked(rows, chosen, names, generations)

    def _generations(self, rows: Rows, chosen: I64 | None, names: Names) -> U32:
        n = rows.count if chosen is None else len(chosen)
        if self._ledger is None and rows.generation is None:
            return _all_zero(n)
        found = np.zeros(n, np.int64)
        if self._ledger is not None:
            assert names.of_row is not None  # as `shares` asked for
            found = np.array([self._ledger.generation(name) for name in names.values.to_pylist()] or [0], np.int64)[names.of_row]
        own = self._own(rows, chosen)
        if own is not None:
            found[own] = 0
        if rows.generation is not None:
            given = at(rows.generation.values, chosen)
            found = given if rows.generation.valid is None else np.where(at(rows.generation.valid, chosen), given, found)
        return found.astype(np.uint32)

    def _derived(self, master: bytes, names: Names, generations: U32) -> Known:
        """Tokens of a master key: 32 uniform bytes that name device and generation, so that 8 of them serve as its hash."""
        values, of_row, generation = names.values, names.of_row, generations
        if of_row is not None and not _is_all_zero(generations):
            device, generation, of_row = pairs_of(of_row, generations)
            values = values.take(pa.array(device))
        elif of_row is not None:
            generation = _all_zero(len(values))
        tokens = self._kernel.derive_tokens(master, texts_of(values), np.ascontiguousarray(generation))
        hashes = np.ascontiguousarray(tokens.view(np.uint64)[:, 0])
        return Known(Devices(tokens, of_row), hashes if of_row is None else pick(hashes, of_row), generations, None)

    def _asked(self, rows: Rows, chosen: I64 | None, names: Names, generations: U32) -> Known:
        """Tokens from a source, and from the rows themselves."""
        assert names.of_row is not None  # as `shares` asked for
        n = len(names.of_row)
        own = self._own(rows, chosen)
        asking = np.ones(n, np.bool_) if own is None else ~own
        device, generation, index = pairs_of(names.of_row, generations)
        wanted = np.zeros(len(device), np.bool_)
        wanted[index[asking]] = True
        tokens, failed = np.zeros((len(device), KEY_BYTES), np.uint8), np.zeros(len(device), np.bool_)
        for i in np.flatnonzero(wanted).tolist():
            try:
                token = self._keys.token(names.values[int(device[i])].as_py(), int(generation[i]))
            except (DeviceIdError, KeyMaterialError):
                failed[i] = True
            else:
                tokens[i] = np.frombuffer(token.export(), np.uint8)
        hashes = self._kernel.derive_tokens(_HASH_KEY, texts_of(names.values), np.zeros(len(names.values), np.uint32))
        mixed = hashes.view(np.uint64)[:, 0][names.of_row] ^ (generations.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
        lost = failed[index] & asking
        if own is None:
            return Known(Devices(tokens, index), mixed, generations, lost if lost.any() else None)
        each = tokens[index]
        given = rows.token if chosen is None else rows.token.take(pa.array(chosen))
        for i in np.flatnonzero(own).tolist():
            each[i] = np.frombuffer(given[i].as_py(), np.uint8)
        return Known(Devices(each, None), mixed, generations, lost if lost.any() else None)

    @staticmethod
    def _own(rows: Rows, chosen: I64 | None) -> Mask | None:
        """Which rows bring their own token."""
        if rows.token is None:
            return None
        own: Mask = rows.token.is_valid().to_numpy(zero_copy_only=False)
        return own if chosen is None else own[chosen]


def _all(rows: Rows, chosen: I64 | None) -> I64:
    return np.arange(rows.count) if chosen is None else chosen


def _all_zero(n: int) -> U32:
    """Zeros that take no memory."""
    return np.broadcast_to(np.zeros((), np.uint32), n)


def _is_all_zero(numbers: U32) -> bool:
    return numbers.strides == (0,)
