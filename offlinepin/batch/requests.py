"""A record batch of requests as columns, and the rows that one calculation can serve together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from offlinepin.batch.columns import (
    Column,
    Integers,
    Labels,
    Mask,
    Moments,
    Names,
    column_of,
    moment,
    secret,
    text,
    truth,
    valid_of,
    whole,
)
from offlinepin.batch.single import MAX_GENERATION, RowRequest

I64 = npt.NDArray[np.int64]
COLUMNS: Final[tuple[Column, ...]] = (
    text("device_id", required=True),
    moment("starts_at", required=True, nullable=False),
    moment("ends_at", required=True),
    text("kind"),
    truth("one_time"),
    whole("variant"),
    secret("token"),
    whole("generation"),
    text("level"),
    text("time_zone"),
)


@dataclass(frozen=True, slots=True)
class Rows:
    """The columns of one record batch; ``None`` for those that are missing or empty."""

    count: int
    ids: Any = field(repr=False)
    names: Names
    starts: Moments
    ends: Moments
    one_time: Mask | None
    kind: Labels | None
    level: Labels | None
    time_zone: Labels | None
    variant: Integers | None
    generation: Integers | None
    token: Any = field(repr=False)

    @classmethod
    def of(cls, batch: pa.RecordBatch, columns: Sequence[Column], *, shared: bool) -> Rows:
        """Those of the columns of a batch whose schema was checked; ``shared`` for device ids that are to be had once each."""
        names = {column.name for column in columns}
        found = {column.name: column_of(batch, column.name) if column.name in names else None for column in COLUMNS}
        ids = batch.column(batch.schema.get_field_index("device_id"))
        ids = ids.cast(pa.string()) if pa.types.is_null(ids.type) else ids
        one_time = found["one_time"]
        return cls(
            count=batch.num_rows,
            ids=ids,
            names=Names.of(ids, shared=shared),
            starts=Moments.of(found["starts_at"], batch.num_rows),
            ends=Moments.of(found["ends_at"], batch.num_rows),
            one_time=None if one_time is None else one_time.fill_null(False).to_numpy(zero_copy_only=False),
            kind=Labels.of(found["kind"]),
            level=Labels.of(found["level"]),
            time_zone=Labels.of(found["time_zone"]),
            variant=Integers.of(found["variant"]),
            generation=Integers.of(found["generation"]),
            token=found["token"],
        )

    def row(self, i: int) -> RowRequest:
        """One row, for the single path."""
        return RowRequest(
            device_id=self.ids[i].as_py(),
            starts=microseconds(self.starts, i, up=False),
            ends=microseconds(self.ends, i, up=True),
            one_time=self.one_time is not None and bool(self.one_time[i]),
            kind=_text(self.kind, i),
            level=_text(self.level, i),
            variant=_whole(self.variant, i),
            time_zone=_text(self.time_zone, i),
            generation=_whole(self.generation, i),
            token=None if self.token is None else self.token[i].as_py(),
        )

    def plain(self, now: int) -> Mask:
        """Which rows have nothing about them that the single path would refuse before it looks for a kind. ``now`` in microseconds."""
        coarse = min(self.starts.per_second, self.ends.per_second)
        good: Mask = self.ends.ceil(coarse) > self.starts.floor(coarse)
        good &= self.ends.ceil(1_000_000) > now // max(1, 1_000_000 // self.ends.per_second)
        if self.ends.valid is not None:
            good |= ~self.ends.valid
        if self.starts.valid is not None:
            good &= self.starts.valid
        return good & self.have_tokens()

    def have_tokens(self) -> Mask:
        """Which rows have a device id, and a generation and token if they bring one, that can be used."""
        good = np.ones(self.count, np.bool_) if self.names.sound is None else self.names.sound.copy()
        if self.generation is not None:
            fine = (self.generation.values >= 0) & (self.generation.values <= MAX_GENERATION)
            good &= fine if self.generation.valid is None else fine | ~self.generation.valid
        if self.token is not None:
            good &= _has_32_bytes(self.token)
        return good

    def groups(self) -> Iterator[tuple[Group, I64 | None]]:
        """The rows that differ in times and device only; ``None`` where that is all of them."""
        keys = np.broadcast_to(np.int64(0), self.count)
        names: list[tuple[str | None, ...]] = []
        for labels in (self.time_zone, self.kind, self.level):
            names.append((None,) if labels is None else (*labels.names, None))
            if labels is not None:
                size = len(labels.names) + 1
                keys = keys * size + np.where(labels.codes < 0, size - 1, labels.codes)
        for flag in (self.one_time, self.ends.valid):
            if flag is not None:
                keys = keys * 2 + flag
        for rest, rows in grouped(keys):
            once = ends = 0
            if self.ends.valid is not None:
                rest, ends = divmod(rest, 2)
            if self.one_time is not None:
                rest, once = divmod(rest, 2)
            rest, level = divmod(rest, len(names[2]))
            zone, kind = divmod(rest, len(names[1]))
            yield Group(names[0][zone], names[1][kind], names[2][level], bool(once), self.ends.valid is None or bool(ends)), rows


@dataclass(frozen=True, slots=True)
class Group:
    """What the rows of a group have in common."""

    time_zone: str | None
    kind: str | None
    level: str | None
    one_time: bool
    has_end: bool


def grouped(keys: npt.NDArray[np.signedinteger[Any]]) -> Iterator[tuple[int, I64 | None]]:
    """Each distinct key and its rows, in their order; ``None`` where that is all of them."""
    if not len(keys):
        return
    if keys.strides == (0,) or bool((keys == keys[0]).all()):
        yield int(keys[0]), None
        return
    low, high = int(keys.min()), int(keys.max())
    small = (keys - low).astype(np.uint16) if high - low < 1 << 16 else keys - low  # 16 bits are sorted without comparisons
    order = np.argsort(small, kind="stable")
    ordered = small[order]
    edges = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    for rows in np.split(order, edges):
        yield int(keys[rows[0]]), rows


def _text(column: Labels | None, row: int) -> str | None:
    return None if column is None else column.at(row)


def _whole(column: Integers | None, row: int) -> int | None:
    return None if column is None else column.at(row)


def microseconds(moments: Moments, row: int, *, up: bool) -> int | None:
    """One row's microseconds since 1970, rounded up or down; ``None`` where it has none."""
    units = moments.at(row)
    if units is None:
        return None
    return -(-units * 1_000_000 // moments.per_second) if up else units * 1_000_000 // moments.per_second


def _has_32_bytes(array: Any) -> Mask:
    if pa.types.is_fixed_size_binary(array.type):
        fits = np.full(len(array), array.type.byte_width == 32)
    else:
        fits = array.cast(pa.large_binary()).fill_null(b"").to_numpy(zero_copy_only=False)
        fits = np.fromiter((len(value) == 32 for value in fits), np.bool_, len(array))
    valid = valid_of(array)
    return fits if valid is None else fits | ~valid
