"""What a batch kernel does: whole columns through token derivation, window keys, cipher and text, in numpy arrays.
:mod:`.kernels` chooses among those that do it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, Self

import numpy as np
import numpy.typing as npt

from offlinepin.engine.cipher import halves
from offlinepin.engine.profile import Profile
from offlinepin.errors import DeviceIdError

DEVICE_ID_BYTES: Final = 64

U8 = npt.NDArray[np.uint8]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
Keys = U8
"""Keys of 32 bytes: shape (n, 32). Secret."""
States = U32
"""HMAC states of keys after their key block, the inner hash's 8 words and the outer's: shape (n, 16). Secret."""
Texts8 = U8
"""Codes of one length: shape (n, stride), ASCII."""


@dataclass(frozen=True, slots=True)
class Texts:
    """A column of UTF-8 texts as Arrow lays it out: text i is ``blob[offsets[i]:offsets[i + 1]]``. Made by :meth:`wrap` or :meth:`of`."""

    blob: U8 = field(repr=False)
    offsets: npt.NDArray[np.int64] = field(repr=False)

    @classmethod
    def wrap(cls, blob: Any, offsets: npt.NDArray[np.int32] | npt.NDArray[np.int64]) -> Self:
        """A view of a buffer and its n + 1 offsets, which may begin anywhere (a slice). ``ValueError`` if they leave the buffer."""
        view = np.frombuffer(blob, np.uint8)
        wide = np.ascontiguousarray(offsets, np.int64)
        if wide.ndim != 1 or not len(wide):
            raise ValueError(f"offsets of n texts are one dimension of n + 1 integers, not of shape {wide.shape}")
        if wide[0] < 0 or wide[-1] > len(view) or (wide[1:] < wide[:-1]).any():
            raise ValueError(f"offsets must rise from 0 or more to at most {len(view)}, the length of the buffer")
        return cls(view, wide)

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """The column of some strings."""
        encoded = [text.encode() for text in texts]
        return cls.wrap(b"".join(encoded), np.cumsum([0, *map(len, encoded)], dtype=np.int64))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Bytes of each text."""
        return np.diff(self.offsets)


@dataclass(frozen=True, slots=True)
class Shape:
    """How the codes of one family look: ``length`` sealed symbols of ``alphabet`` after ``prefix`` (format 1, section 4)."""

    alphabet: str
    length: int
    prefix: str = ""

    @classmethod
    def of(cls, profile: Profile, family: int) -> Self:
        """The shape of a profile's family, by its index."""
        return cls(profile.alphabet, profile.families[family].length, profile.families[family].prefix)

    @property
    def radix(self) -> int:
        """r: the number of symbols, 2 to 16."""
        return len(self.alphabet)

    @property
    def halves(self) -> tuple[int, int]:
        """``(r^u, r^v)``, each below 2^32."""
        return halves(self.radix, self.length)

    @property
    def space(self) -> int:
        """r^n: how many codes there are."""
        return int(self.radix**self.length)

    @property
    def total_length(self) -> int:
        """Symbols of a code, prefix included."""
        return len(self.prefix) + self.length


@dataclass(frozen=True, slots=True)
class Requests:
    """Rows to seal, each for a device of its own, in one family.

    Attributes:
        master: the master key, 32 bytes.
        ids: device ids, 1 to 64 bytes each.
        generations: each token's generation.
        digest: the profile's, 16 bytes.
        family: the family's index.
        windows: window numbers.
        payloads: below the shape's space.
    """

    master: bytes = field(repr=False)
    ids: Texts
    generations: U32
    digest: bytes
    family: int
    windows: U32
    payloads: U64


@dataclass(frozen=True, slots=True)
class TokenRows:
    """Rows of one family, each with a device's token and a window.

    Attributes:
        tokens: 32 bytes each.
        index: which of the tokens each row has; ``None``: row i has token i.
        digest: the profile's, 16 bytes.
        family: the family's index.
        windows: window numbers.
    """

    tokens: Keys = field(repr=False)
    index: U32 | None
    digest: bytes
    family: int
    windows: U32


class Kernel(Protocol):
    """One implementation. Arrays are C-contiguous and of exactly the dtype named; a row that breaks a range is a ``ValueError``
    for the whole call. ``index`` gives the state that each row takes, or ``None``: row i takes state i. Safe in threads."""

    name: str

    def midstates(self, keys: Keys) -> States:
        """The HMAC states of keys: four compressions a key."""
        ...

    def derive_tokens(self, master: bytes, ids: Texts, generations: U32) -> Keys:
        """Device tokens at their generations. ``DeviceIdError`` if an id has not 1 to 64 bytes."""
        ...

    def window_keys(self, tokens: States, index: U32 | None, digest: bytes, families: U8, windows: U32) -> Keys:
        """Window keys from the states of tokens."""
        ...

    def seal(self, keys: States, index: U32 | None, payloads: U64, shape: Shape) -> U64:
        """Payloads enciphered under the states of window keys: 20 compressions a row."""
        ...

    def open(self, keys: States, index: U32 | None, numbers: U64, shape: Shape) -> U64:
        """The inverse of :meth:`seal`."""
        ...

    def seal_tokens(self, rows: TokenRows, payloads: U64, shape: Shape) -> U64:
        """Payloads enciphered under each row's own window key, in one step from its token: 26 compressions a row."""
        ...

    def open_tokens(self, rows: TokenRows, numbers: U64, shape: Shape) -> U64:
        """The inverse of :meth:`seal_tokens`."""
        ...

    def format(self, numbers: U64, shape: Shape, out: Texts8 | None = None) -> Texts8:
        """Numbers as codes, written to the first columns of ``out`` if given, which may be wider than a code."""
        ...

    def parse(self, typed: Texts, shape: Shape) -> tuple[U64, npt.NDArray[np.bool_]]:
        """The number that each text spells, and whether it is a code of this shape at all (0 where it is not)."""
        ...

    def seal_rows(self, requests: Requests, shape: Shape, out: Texts8 | None = None) -> Texts8:
        """Codes, all steps in one: 28 compressions a row where an id has at most 36 bytes and generation 0."""
        ...


# --- what every kernel checks before it touches memory ------------------------------------------------------------


def check_column(column: npt.NDArray[Any], dtype: type[np.generic], n: int, what: str) -> None:
    """Refuse an array that is not n contiguous elements of the dtype with ``ValueError``."""
    if column.dtype != dtype or column.shape != (n,) or not column.flags.c_contiguous:
        raise ValueError(f"{what} must be {n} contiguous {dtype.__name__}, not {column.dtype} of shape {column.shape}")


def check_table(table: npt.NDArray[Any], dtype: type[np.generic], width: int, what: str) -> None:
    """Refuse an array that is not contiguous rows of ``width`` elements with ``ValueError``."""
    if table.dtype != dtype or table.ndim != 2 or table.shape[1] != width or not table.flags.c_contiguous:
        raise ValueError(f"{what} must be contiguous rows of {width} {dtype.__name__}, not {table.dtype} of shape {table.shape}")


def check_states(states: States, index: U32 | None, n: int) -> None:
    """Refuse states that do not give each of n rows one."""
    check_table(states, np.uint32, 16, "states")
    check_index(index, len(states), n, "states")


def check_index(index: U32 | None, there: int, n: int, what: str) -> None:
    """Refuse an index that does not give each of n rows one of as many things as there are."""
    if index is None:
        if there != n:
            raise ValueError(f"{n} rows need {n} {what} or an index, not {there} {what}")
        return
    check_column(index, np.uint32, n, "an index")
    if n and int(index.max()) >= there:
        raise ValueError(f"the index goes up to {index.max()}, but there are {there} {what}")


def check_token_rows(rows: TokenRows, n: int) -> None:
    """Refuse columns that are not of n rows or out of range."""
    check_table(rows.tokens, np.uint8, 32, "tokens")
    check_index(rows.index, len(rows.tokens), n, "tokens")
    check_column(rows.windows, np.uint32, n, "windows")
    check_digest(rows.digest)
    check_family(rows.family)


def check_numbers(numbers: U64, n: int, shape: Shape) -> None:
    """Refuse numbers that are no code of the shape, and shapes beyond format 1."""
    check_column(numbers, np.uint64, n, "numbers")
    if not 2 <= shape.radix <= 16 or shape.length < 1 or shape.length > 62 or shape.halves[1] >= 2**32:
        raise ValueError(f"{shape.radix} symbols and length {shape.length} are no shape of format 1")
    if n and int(numbers.max()) >= shape.space:
        raise ValueError(f"{numbers.max()} is not below {shape.radix}^{shape.length}")


def check_ids(ids: Texts) -> None:
    """Refuse ids that are not 1 to 64 bytes long."""
    lengths = ids.lengths
    if len(lengths) and not (lengths.min() >= 1 and lengths.max() <= DEVICE_ID_BYTES):
        row = int(np.argmax((lengths < 1) | (lengths > DEVICE_ID_BYTES)))
        raise DeviceIdError(f"a device id must be 1 to {DEVICE_ID_BYTES} bytes of UTF-8; that of row {row} has {lengths[row]}")


def check_digest(digest: bytes) -> None:
    """Refuse a profile digest that is not 16 bytes."""
    if len(digest) != 16:
        raise ValueError(f"a profile's digest has 16 bytes, not {len(digest)}")


def check_requests(requests: Requests, shape: Shape) -> int:
    """Refuse columns of different lengths or out of range; returns the number of rows."""
    n = len(requests.ids)
    check_ids(requests.ids)
    check_column(requests.generations, np.uint32, n, "generations")
    check_column(requests.windows, np.uint32, n, "windows")
    check_numbers(requests.payloads, n, shape)
    check_digest(requests.digest)
    check_family(requests.family)
    return n


def check_family(family: int) -> None:
    """Refuse what is no index of a family."""
    if not 0 <= family <= 255:
        raise ValueError(f"a family's index is 0 to 255, not {family}")


def code_table(out: Texts8 | None, n: int, shape: Shape) -> Texts8:
    """``out`` if its rows can hold n codes, a new table if it is ``None``, else a ``ValueError``."""
    if out is None:
        return np.empty((n, shape.total_length), np.uint8)
    if out.ndim != 2 or len(out) != n or out.shape[1] < shape.total_length or not out.flags.writeable:
        raise ValueError(f"codes need {n} writable rows of at least {shape.total_length} bytes, not shape {out.shape}")
    check_table(out, np.uint8, out.shape[1], "codes")
    return out
