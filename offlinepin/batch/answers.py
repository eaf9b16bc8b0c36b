"""The columns that a batch adds to its table, filled row by row or all at once, and made into Arrow arrays."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from offlinepin.batch.columns import pick
from offlinepin.batch.single import Refusal
from offlinepin.engine.clock import EPOCH
from offlinepin.engine.profile import Profile
from offlinepin.pin import AccessPin

I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
NOTICES: Final = ("must_be_used_by", "rounded", "clock_change", "supersedes")
"""The notices of :mod:`offlinepin.pin`, in the order in which they are given; notice i is bit i of a row's ``notices``."""
_NOTICE_TEXTS: Final = [" ".join(name for i, name in enumerate(NOTICES) if bits >> i & 1) for bits in range(1, 1 << len(NOTICES))]
_TAKEN: Final = ("kind", "starts_at", "ends_at", "variant")
_LABEL: Final = pa.dictionary(pa.int16(), pa.string())


def result_fields(schema: pa.Schema) -> list[pa.Field]:
    """The fields that are added to a table of this schema: what the input has already is ``granted_…`` in the result."""
    where = schema.field("starts_at").type.tz
    moment = pa.timestamp("us", where)
    types = {"code": pa.string(), "kind": _LABEL, "starts_at": moment, "ends_at": moment, "use_by": moment, "variant": pa.int64()}
    types |= {"notice": _LABEL, "error": pa.string(), "error_text": pa.string()}
    return [
        pa.field(f"granted_{name}" if name in _TAKEN and name in schema.names else name, type_, nullable=True)
        for name, type_ in types.items()
    ]


def refusal_arrays(refusals: dict[int, Refusal], n: int) -> list[pa.Array]:
    """The columns ``error`` and ``error_text``."""
    if not refusals:
        return [_no_texts(n)] * 2
    rows = np.fromiter(refusals, np.int64, len(refusals))
    places = np.zeros(n, np.int32)
    places[rows] = np.arange(len(rows), dtype=np.int32)
    served = np.ones(n, np.bool_)
    served[rows] = False
    index = pa.array(places, mask=served)
    return [pa.array([getattr(r, part) for r in refusals.values()], pa.string()).take(index) for part in ("code", "text")]


@lru_cache(4)
def _no_texts(n: int) -> pa.Array:
    return pa.nulls(n, pa.string())


def label_array(codes: npt.NDArray[Any], names: Sequence[str], missing: Mask | None) -> pa.Array:
    """A dictionary array of few texts."""
    indices = pa.Array.from_buffers(pa.int16(), len(codes), [_bits(missing), pa.py_buffer(np.ascontiguousarray(codes, np.int16))])
    return pa.DictionaryArray.from_arrays(indices, pa.array(names, pa.string()))


def _bits(missing: Mask | None) -> pa.Buffer | None:
    """A validity bitmap."""
    return None if missing is None else pa.py_buffer(np.packbits(~missing, bitorder="little"))


def text_array(table: npt.NDArray[np.uint8], lengths: npt.NDArray[np.int32] | None, missing: Mask | None) -> pa.Array:
    """Texts of at most as many bytes as the table is wide; all are as wide where there are no lengths."""
    n, width = table.shape
    if lengths is None:
        offsets = np.arange(0, (n + 1) * width, width, dtype=np.int32) if width else np.zeros(n + 1, np.int32)
        data = table.reshape(-1)
    else:
        offsets = np.zeros(n + 1, np.int32)
        np.cumsum(lengths, out=offsets[1:])
        data = table[np.arange(width) < lengths[:, None]]
    return pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(data), _bits(missing))


def _zeros(shape: tuple[int, ...], dtype: type[np.generic]) -> npt.NDArray[Any]:
    """A column of zeros that takes no memory, and cannot be written to."""
    return np.ndarray(shape, dtype, bytes(8), strides=(0,) * len(shape))


def _moments(seconds: I64, missing: Mask | None, type_: pa.DataType) -> pa.Array:
    return pa.Array.from_buffers(type_, len(seconds), [_bits(missing), pa.py_buffer(seconds * 1_000_000)])


class Answers:
    """The answers to the rows of one record batch. A row is either served or refused; until then it is neither.

    Attributes:
        kinds, variants, starts, ends, use_by, notices: of the rows served; times in seconds since 1970.
        no_end, no_rule: where ``ends`` and ``use_by`` mean nothing.
        codes, lengths: the codes, one a row, and their lengths.
        served: the rows served.
        refusals: by row.
    """

    def __init__(self, profile: Profile, n: int) -> None:
        self._names = [(family.name, kind.name) for family in profile.families for kind in family.kinds]
        width = max(family.total_length for family in profile.families)
        self.kinds, self.codes, self.lengths = _zeros((n,), np.int16), _zeros((n, width), np.uint8), _zeros((n,), np.int32)
        self.variants, self.starts, self.ends, self.use_by = (_zeros((n,), np.int64) for _ in range(4))
        self.notices, self.no_end, self.no_rule, self.served = (_zeros((n,), dtype) for dtype in (np.uint8, np.bool_, np.bool_, np.bool_))
        self.refusals: dict[int, Refusal] = {}

    def set(self, rows: I64 | int | None, **columns: Any) -> None:
        """Members of some rows by their names; ``None`` for all, whose arrays are kept as they are."""
        for name, values in columns.items():
            if rows is None:
                setattr(self, name, values)
                continue
            if not getattr(self, name).flags.writeable:
                setattr(self, name, getattr(self, name).copy())
            getattr(self, name)[rows] = values

    def write(self, rows: I64 | None, codes: npt.NDArray[np.uint8]) -> None:
        """The codes of some rows, all of one length; ``None`` for all."""
        lengths = np.full(len(codes), codes.shape[1], np.int32)
        if rows is not None:
            codes = np.pad(codes, ((0, 0), (0, self.codes.shape[1] - codes.shape[1])))
        self.set(rows, codes=codes, lengths=lengths, served=np.ones(len(codes), np.bool_))

    def refuse(self, row: int, refusal: Refusal) -> None:
        """A row cannot be served."""
        self.refusals[row] = refusal
        self.set(row, served=False)

    def serve(self, row: int, pin: AccessPin) -> None:
        """A row was served by the single path."""
        self.write(np.array([row]), np.frombuffer(pin.code.encode(), np.uint8).reshape(1, -1))
        moments = {"starts": pin.starts_at, "ends": pin.ends_at, "use_by": pin.use_by}
        seconds = {name: 0 if moment is None else (moment - EPOCH).total_seconds() for name, moment in moments.items()}
        self.set(row, **seconds, no_end=pin.ends_at is None, no_rule=pin.use_by is None)
        self.set(row, kinds=self._names.index((pin.family, pin.kind)), variants=pin.variant)
        self.set(row, notices=sum({1 << NOTICES.index(notice.code) for notice in pin.notices}))

    def arrays(self, fields: Sequence[pa.Field]) -> list[pa.Array]:
        """The arrays of :func:`result_fields`."""
        n = len(self.kinds)
        missing = None if self.served.all() else ~self.served
        names = list(dict.fromkeys(name for _, name in self._names))
        numbers = np.array([names.index(name) for _, name in self._names], np.int16)
        most = int(self.kinds.max(initial=0))
        # A kind's label has its number up to the first name that recurs.
        kinds = self.kinds if numbers[most] == most else pick(numbers, self.kinds)
        moment = fields[2].type
        lengths = np.where(self.served, self.lengths, 0).astype(np.int32) if missing is not None else self.lengths
        width = int(lengths.max(initial=0))
        one_width = bool((lengths == width).all())
        return [
            text_array(self.codes[:, :width] if one_width else self.codes, None if one_width else lengths, missing),
            label_array(kinds, names, missing),
            _moments(self.starts, missing, moment),
            _moments(self.ends, _or(missing, self.no_end), moment),
            _moments(self.use_by, _or(missing, self.no_rule), moment),
            pa.array(self.variants, mask=missing),
            label_array(np.maximum(self.notices, 1) - 1, _NOTICE_TEXTS, _or(missing, self.notices == 0)),
            *refusal_arrays(self.refusals, n),
        ]


def _or(missing: Mask | None, more: Mask) -> Mask | None:
    if not more.any():
        return missing
    return more if missing is None else missing | more
