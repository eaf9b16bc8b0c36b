"""Tables in and out: any source of Arrow data as record batches, its columns checked once, and Arrow buffers as numpy arrays without
a copy. The rows' own problems are not looked for here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from offlinepin.batch import loops
from offlinepin.batch.kernel import Texts
from offlinepin.errors import BatchError

ROWS: Final = 65_536
"""Rows that are worked on at once: few enough for a processor's cache, and their numbers fit 16 bits."""

I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
T = TypeVar("T", bound=np.generic)
_UNITS: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


# --- which columns there must be ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    """A column that is looked for: its name, what it must hold in words, the test of its type, and whether it may be missing."""

    name: str
    holds: str
    fits: Callable[[pa.DataType], bool]
    required: bool = False
    nullable: bool = True


def _is_text(found: pa.DataType) -> bool:
    return any(test(found) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)) or (
        pa.types.is_dictionary(found) and _is_text(found.value_type)
    )


def _is_secret(found: pa.DataType) -> bool:
    tests = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)
    return any(test(found) for test in tests)


def text(name: str, *, required: bool = False) -> Column:
    """A column of text: string, large string, string view or a dictionary of them."""
    return Column(name, "text (string, large_string or a dictionary of them)", _is_text, required)


def moment(name: str, *, required: bool = False, nullable: bool = True) -> Column:
    """A column of timestamps with a zone, in any unit."""
    return Column(name, "timestamps with a time zone", pa.types.is_timestamp, required, nullable)


def whole(name: str, *, required: bool = False) -> Column:
    """A column of integers of any width."""
    return Column(name, "integers", pa.types.is_integer, required)


def truth(name: str) -> Column:
    """A column of booleans."""
    return Column(name, "booleans", pa.types.is_boolean)


def secret(name: str, *, required: bool = False) -> Column:
    """A column of bytes."""
    return Column(name, "binary", _is_secret, required)


def check_schema(schema: pa.Schema, columns: Sequence[Column], results: Sequence[str]) -> None:
    """Refuse a table whose columns are not as they must be, or that has a result's name already.

    Raises:
        BatchError: says which column, what it holds and what it should hold.
    """
    for column in columns:
        places = schema.get_all_field_indices(column.name)
        if len(places) > 1:
            raise BatchError(f"the table has {len(places)} columns {column.name!r}; it must have one")
        if not places:
            if column.required:
                raise BatchError(f"the table has no column {column.name!r} ({column.holds}); it has {', '.join(schema.names) or 'none'}")
            continue
        found = schema.field(places[0]).type
        if pa.types.is_null(found) and column.nullable:
            continue
        if not column.fits(found):
            raise BatchError(f"column {column.name!r} must hold {column.holds}, not {found}")
        if pa.types.is_timestamp(found) and found.tz is None:
            raise BatchError(f"column {column.name!r} holds timestamps without a time zone ({found}), which name no instant; give them one")
    for name in results:
        if name in schema.names:
            raise BatchError(f"the table has a column {name!r} already, and the result needs that name; rename it")


# --- sources ------------------------------------------------------------------------------------------------------


def open_source(source: Any) -> pa.Table | pa.RecordBatchReader:
    """A table or a reader of record batches, from anything that hands out Arrow data. ``BatchError`` for anything else."""
    if isinstance(source, pa.Table | pa.RecordBatchReader):
        return source
    if isinstance(source, pa.RecordBatch):
        return pa.Table.from_batches([source])
    if hasattr(source, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(source).read_all()
    if hasattr(source, "__arrow_c_array__"):
        return pa.Table.from_batches([pa.record_batch(source)])
    raise BatchError(f"a table must be Arrow data (pyarrow, Polars, pandas, DuckDB, …), not a {type(source).__name__}")


def in_batches(table: pa.Table) -> Iterator[pa.RecordBatch]:
    """A table's rows, at most :data:`ROWS` at once. Many small chunks are joined first."""
    chunks = max((column.num_chunks for column in table.columns), default=1)
    if chunks > 1 and table.num_rows < chunks * ROWS // 2:
        table = table.combine_chunks()
    yield from table.to_batches(max_chunksize=ROWS)


def split(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """A record batch in parts of at most :data:`ROWS`."""
    for start in range(0, max(1, batch.num_rows), ROWS):
        yield batch.slice(start, ROWS)


def transform(
    source: Any,
    check: Callable[[pa.Schema], list[pa.Field]],
    work: Callable[[pa.RecordBatch], list[pa.Array]],
    expect: Callable[[int], None] = lambda _: None,
) -> pa.Table | pa.RecordBatchReader:
    """The source's rows with the columns that ``work`` adds: a table for a table, a reader for a reader.

    Args:
        source: see :func:`open_source`.
        check: refuses a schema, or returns the fields to add.
        work: the added columns of one record batch, in row order. It is called for one after the other.
        expect: is told how many rows there will be, where that is known.
    """
    opened = open_source(source)
    added = check(opened.schema)
    if isinstance(opened, pa.RecordBatchReader):
        whole_schema = pa.schema([*opened.schema, *added], opened.schema.metadata)
        parts = (pa.RecordBatch.from_arrays([*part.columns, *work(part)], schema=whole_schema) for batch in opened for part in split(batch))
        return pa.RecordBatchReader.from_batches(whole_schema, parts)
    expect(opened.num_rows)
    made = [work(part) for part in in_batches(opened)]
    for place, each in enumerate(added):
        opened = opened.append_column(each, pa.chunked_array([arrays[place] for arrays in made], each.type))
    return opened


def at(column: npt.NDArray[T], rows: I64 | None) -> npt.NDArray[T]:
    """A column at some rows; the column itself where ``rows`` is ``None``, all of them."""
    return column if rows is None else column[rows]


def pick(table: npt.NDArray[T], places: npt.NDArray[np.integer[Any]]) -> npt.NDArray[T]:
    """``table[places]``, whose places numpy takes much faster in its own width."""
    return table.take(places.astype(np.intp))


# --- columns of one record batch ----------------------------------------------------------------------------------


def column_of(batch: pa.RecordBatch, name: str) -> pa.Array | None:
    """A column by its name; ``None`` if it is missing or holds nulls only."""
    place = batch.schema.get_field_index(name)
    if place < 0:
        return None
    array = batch.column(place)
    return None if array.null_count == len(array) else array


def numbers_of(array: pa.Array, dtype: type[np.generic]) -> npt.NDArray[Any]:
    """The values of a fixed-width array, without a copy. What stands where it is null is not said."""
    data = array.buffers()[1]
    if data is None:
        return np.zeros(len(array), dtype)
    return np.frombuffer(data, dtype, len(array), array.offset * np.dtype(dtype).itemsize)


def valid_of(array: pa.Array) -> Mask | None:
    """Where an array has values; ``None`` if everywhere."""
    if array.null_count == 0:
        return None
    valid: Mask = array.is_valid().to_numpy(zero_copy_only=False)
    return valid


@dataclass(frozen=True, slots=True)
class Moments:
    """A column of instants: ``units`` counts ``per_second`` since 1970, and ``valid`` says where there is one."""

    units: I64
    per_second: int
    valid: Mask | None

    @classmethod
    def of(cls, array: pa.Array | None, n: int) -> Moments:
        """The column of an array of timestamps; all null for ``None``."""
        if array is None:
            return cls(np.zeros(n, np.int64), 1, np.zeros(n, np.bool_))
        return cls(numbers_of(array, np.int64), _UNITS[array.type.unit], valid_of(array))

    def floor(self, per_second: int) -> I64:
        """The last whole unit of ``per_second`` that is not later; a finer unit is left as it is."""
        return self.units if per_second >= self.per_second else self.units // (self.per_second // per_second)

    def ceil(self, per_second: int) -> I64:
        """The first whole unit of ``per_second`` that is not earlier; a finer unit is left as it is."""
        return self.units if per_second >= self.per_second else -(-self.units // (self.per_second // per_second))

    def at(self, row: int) -> int | None:
        """The units of one row; ``None`` where it has none."""
        return int(self.units[row]) if self.valid is None or self.valid[row] else None


@dataclass(frozen=True, slots=True)
class Labels:
    """A column of few different texts: ``names[codes[i]]``, and -1 for none."""

    codes: npt.NDArray[np.int32]
    names: tuple[str, ...]

    @classmethod
    def of(cls, array: pa.Array | None) -> Labels | None:
        """The column of an array of text; ``None`` where there is nothing in it."""
        if array is None:
            return None
        found = array if pa.types.is_dictionary(array.type) else pc.dictionary_encode(array)
        codes = pc.fill_null(found.indices.cast(pa.int32()), -1)
        names = found.dictionary.to_pylist()
        numbers = numbers_of(codes, np.int32)
        if None in names:  # a null may also stand in the dictionary
            numbers = np.where(np.array([*(name is None for name in names), False])[numbers], -1, numbers).astype(np.int32)
        return cls(numbers, tuple(name or "" for name in names))

    def at(self, row: int) -> str | None:
        """The text of one row."""
        code = int(self.codes[row])
        return None if code < 0 else self.names[code]


@dataclass(frozen=True, slots=True)
class Integers:
    """A column of integers, and where it has them."""

    values: I64
    valid: Mask | None

    @classmethod
    def of(cls, array: pa.Array | None) -> Integers | None:
        """The column of an array of integers; what exceeds 63 bits becomes the largest that does not."""
        if array is None:
            return None
        valid = valid_of(array)
        if array.type == pa.uint64():
            return cls(np.minimum(numbers_of(array, np.uint64), np.uint64(2**63 - 1)).astype(np.int64), valid)
        return cls(numbers_of(array.cast(pa.int64()), np.int64), valid)

    def at(self, row: int) -> int | None:
        """The number of one row."""
        return int(self.values[row]) if self.valid is None or self.valid[row] else None


def texts_of(array: pa.Array) -> Texts:
    """The texts of an array of strings, views of its buffers. A null is what its offsets say, usually empty."""
    if pa.types.is_string_view(array.type):
        array = array.cast(pa.large_string())
    _, offsets, data = array.buffers()
    if offsets is None:
        return Texts.of([])
    wide = pa.types.is_large_string(array.type)
    edges: npt.NDArray[Any] = np.frombuffer(offsets, np.int64 if wide else np.int32, len(array) + 1, array.offset * (8 if wide else 4))
    return Texts.wrap(data or b"", edges)


@dataclass(frozen=True, slots=True)
class Names:
    """A column of device ids: row i has ``values[of_row[i]]``, or ``values[i]`` where ``of_row`` is ``None``; ``sound`` says which rows
    have an id of 1 to 64 bytes at all, ``None`` that all have."""

    values: Any = field(repr=False)
    of_row: npt.NDArray[np.uint32] | None
    sound: Mask | None

    @classmethod
    def of(cls, array: pa.Array, *, shared: bool = False) -> Names:
        """The ids of an array of text, each once if it is a dictionary, if ``shared``, or if a sample has many ids twice."""
        valid = valid_of(array)
        if pa.types.is_string_view(array.type):
            array = array.cast(pa.large_string())
        if not pa.types.is_dictionary(array.type) and (shared or _repeats(array)):
            if loops.lib is not None and valid is None:
                return cls._once(array)
            array = pc.dictionary_encode(array)
        if not pa.types.is_dictionary(array.type):
            return cls(array, None, _both(valid, _sized(texts_of(array))))
        values, indices = array.dictionary, pc.fill_null(array.indices, 0) if array.indices.null_count else array.indices
        rows = numbers_of(indices, indices.type.to_pandas_dtype()).astype(np.uint32)
        if not len(values):  # all rows are null
            return cls(pa.array([""]), rows, np.zeros(len(rows), np.bool_))
        if pa.types.is_string_view(values.type):
            values = values.cast(pa.large_string())
        sized = _both(valid_of(values), _sized(texts_of(values)))
        return cls(values, rows, _both(valid, None if sized is None else sized[rows]))

    @classmethod
    def _once(cls, array: pa.Array) -> Names:
        """The ids of an array without nulls, each once, in the order in which they come."""
        texts = texts_of(array)
        n, bits = len(texts), max(1, len(texts).bit_length())
        first, rows = np.empty(n, np.int64), np.empty(n, np.uint32)
        column = loops.pointer(texts.blob), loops.pointer(texts.offsets)
        count = loops.lib.opin_texts_once(
            *column, n, loops.pointer(np.zeros(1 << bits, np.uint32)), bits, loops.pointer(first), loops.pointer(rows)
        )
        values = array.take(pa.array(first[:count]))
        sized = _sized(texts_of(values))
        return cls(values, rows, None if sized is None else sized[rows])

    def is_plain(self, count: int) -> bool:
        """Whether all of so many rows have sound ids, and there are no more ids than rows."""
        return self.sound is None and len(self.values) <= count

    def take(self, rows: I64) -> Names:
        """The ids of some rows, all of which are sound; of a dictionary, only what they use."""
        if self.of_row is None:
            return Names(self.values.take(pa.array(rows)), None, None)
        used, index = np.unique(self.of_row[rows], return_inverse=True)
        return Names(self.values.take(pa.array(used)), index.astype(np.uint32), None)

    def at(self, row: int) -> str | None:
        """The id of one row; ``None`` where there is none."""
        if self.sound is not None and not self.sound[row] and self.of_row is not None and not self.values[int(self.of_row[row])].is_valid:
            return None
        found: str | None = self.values[row if self.of_row is None else int(self.of_row[row])].as_py()
        return found


def _repeats(array: pa.Array, sample: int = 1024) -> bool:
    if len(array) < 4 * sample:
        return len(array) > 64 and len(pc.unique(array)) * 2 < len(array)
    some = pc.take(array, pa.array(np.arange(0, len(array), len(array) // sample)))
    return len(pc.unique(some)) * 2 < len(some)


def _sized(texts: Texts) -> Mask | None:
    lengths = texts.lengths
    if not len(lengths) or (lengths.min() >= 1 and lengths.max() <= 64):
        return None
    sized: Mask = (lengths >= 1) & (lengths <= 64)
    return sized


def _both(a: Mask | None, b: Mask | None) -> Mask | None:
    if a is None or b is None:
        return b if a is None else a
    return a & b
