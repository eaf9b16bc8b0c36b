"""The columns that a batch adds to its table, filled row by row or all at once, and made into Arrow arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from offlinepin.batch.matching import Lives
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
        return [pa.nulls(n, pa.string()), pa.nulls(n, pa.string())]
    rows = np.fromiter(refusals, np.int64, len(refusals))
    places = np.zeros(n, np.int32)
    places[rows] = np.arange(len(rows), dtype=np.int32)
    served = np.ones(n, np.bool_)
    served[rows] = False
    index = pa.array(places, mask=served)
    return [pa.array([getattr(r, part) for r in refusals.values()], pa.string()).take(index) for part in ("code", "text")]


def label_array(codes: npt.NDArray[Any], names: Sequence[str], missing: Mask | None) -> pa.Array:
    """A dictionary array of few texts."""
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int16), mask=missing), pa.array(names, pa.string()))


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
    bits = None if missing is None else pa.py_buffer(np.packbits(~missing, bitorder="little"))
    return pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(data), bits)


def _moments(seconds: I64, missing: Mask | None, type_: pa.DataType) -> pa.Array:
    bits = None if missing is None else pa.py_buffer(np.packbits(~missing, bitorder="little"))
    return pa.Array.from_buffers(type_, len(seconds), [bits, pa.py_buffer(seconds * 1_000_000)])


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
        self.kinds = np.zeros(n, np.int16)
        self.variants, self.starts, self.ends, self.use_by = (np.zeros(n, np.int64) for _ in range(4))
        self.notices = np.zeros(n, np.uint8)
        self.no_end, self.no_rule, self.served = np.zeros(n, np.bool_), np.zeros(n, np.bool_), np.zeros(n, np.bool_)
        self.codes, self.lengths = np.full((n, width), ord("0"), np.uint8), np.zeros(n, np.int32)
        self.refusals: dict[int, Refusal] = {}

    def time(self, rows: I64 | None, starts: I64, ends: I64, use_by: I64, lives: Lives, notices: npt.NDArray[np.uint8]) -> None:
        """The times and notices of some rows; ``None`` for all."""
        columns = {"starts": starts, "ends": ends, "use_by": use_by, "no_end": lives.no_end, "no_rule": lives.no_rule, "notices": notices}
        for name, values in columns.items():
            if rows is None:
                setattr(self, name, values)
            else:
                getattr(self, name)[rows] = values

    def refuse(self, row: int, refusal: Refusal) -> None:
        """A row cannot be served."""
        self.refusals[row] = refusal
        self.served[row] = False

    def serve(self, row: int, pin: AccessPin) -> None:
        """A row was served by the single path."""
        self.served[row] = True
        self.kinds[row] = self._names.index((pin.family, pin.kind))
        self.variants[row] = pin.variant
        code = pin.code.encode()
        self.codes[row, : len(code)], self.lengths[row] = np.frombuffer(code, np.uint8), len(code)
        self.starts[row] = (pin.starts_at - EPOCH).total_seconds()
        self.no_end[row], self.no_rule[row] = pin.ends_at is None, pin.use_by is None
        self.ends[row] = 0 if pin.ends_at is None else (pin.ends_at - EPOCH).total_seconds()
        self.use_by[row] = 0 if pin.use_by is None else (pin.use_by - EPOCH).total_seconds()
        self.notices[row] = sum({1 << NOTICES.index(notice.code) for notice in pin.notices})

    def arrays(self, fields: Sequence[pa.Field]) -> list[pa.Array]:
        """The arrays of :func:`result_fields`."""
        n = len(self.kinds)
        missing = None if self.served.all() else ~self.served
        names = list(dict.fromkeys(name for _, name in self._names))
        numbers = np.array([names.index(name) for _, name in self._names], np.int16)
        moment = fields[2].type
        lengths = np.where(self.served, self.lengths, 0).astype(np.int32) if missing is not None else self.lengths
        width = int(lengths.max(initial=0))
        one_width = bool((lengths == width).all())
        return [
            text_array(self.codes[:, :width] if one_width else self.codes, None if one_width else lengths, missing),
            label_array(numbers[self.kinds], names, missing),
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
