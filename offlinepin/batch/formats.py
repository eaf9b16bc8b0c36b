"""The four kinds of file that batches are read from and written to: how one is read as record batches of one size, and how a record
batch becomes bytes that can be added to a file. Both are the same every time, so that a run can go on where it was."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from offlinepin.batch.columns import ROWS
from offlinepin.batch.footers import MAGIC, Piece
from offlinepin.errors import BatchError

CHUNK: Final = ROWS
"""Rows that are read, served and written together; in a Parquet file they are a row group."""
_BLOCK: Final = 1 << 23
_TEXTS: Final = ("device_id", "kind", "level", "time_zone")
_MOMENTS: Final = ("starts_at", "ends_at")
_WHOLES: Final = {"one_time": pa.bool_(), "variant": pa.int64(), "generation": pa.int64()}
_FOOTED: Final = b"ARROW1"


class FileFormat(StrEnum):
    """A kind of file."""

    PARQUET = "parquet"
    CSV = "csv"
    ARROW = "arrow"
    JSONL = "jsonl"


_ENDINGS: Final = {
    ".parquet": FileFormat.PARQUET,
    ".pq": FileFormat.PARQUET,
    ".csv": FileFormat.CSV,
    ".arrow": FileFormat.ARROW,
    ".feather": FileFormat.ARROW,
    ".ipc": FileFormat.ARROW,
    ".jsonl": FileFormat.JSONL,
    ".ndjson": FileFormat.JSONL,
}


def format_of(path: Path, chosen: FileFormat | None = None) -> FileFormat:
    """The format of a file: the one chosen, or by its name's ending. ``BatchError`` if that says nothing."""
    found = chosen or _ENDINGS.get(path.suffix.lower())
    if found is None:
        raise BatchError(f"the name {path.name!r} does not say what kind of file it is; let it end in {', '.join(_ENDINGS)}, or say so")
    return found


# --- reading ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Source:
    """A file that is being read.

    Attributes:
        schema: of its rows.
        rows: how many there are, if the file says so.
        part: how much of it was read, 0 to 1; it runs ahead of what was handed out.
    """

    schema: pa.Schema
    rows: int | None
    part: Callable[[], float]
    _batches: Callable[[], Iterator[pa.RecordBatch]] = field(repr=False)
    _reading: str

    def chunks(self) -> Iterator[pa.RecordBatch]:
        """All rows, :data:`CHUNK` at a time. ``BatchError`` if they cannot be read."""
        with refused_as(self._reading):
            yield from even((_sound(batch, self.schema) for batch in self._batches()), CHUNK)


@contextmanager
def open_source(path: Path, kind: FileFormat) -> Iterator[Source]:
    """A file's rows. ``BatchError`` if it cannot be read as its format; ``OSError`` if it cannot be opened."""
    size = path.stat().st_size
    with path.open("rb"):
        pass  # says why it cannot be opened in the system's own words
    words = f"{path} cannot be read as {kind.value}"
    with pa.OSFile(str(path)) as file:
        with refused_as(words):
            source = _opened(path, kind, file, lambda: file.tell() / max(1, size), words)
        yield source


def _opened(path: Path, kind: FileFormat, file: Any, part: Callable[[], float], words: str) -> Source:
    if kind is FileFormat.PARQUET:
        opened = pq.ParquetFile(file, buffer_size=1 << 20, pre_buffer=False)
        batches = lambda: opened.iter_batches(CHUNK, use_threads=False)  # noqa: E731
        return Source(_viewless(opened.schema_arrow), opened.metadata.num_rows, part, batches, words)
    if kind is FileFormat.ARROW:
        footed = file.read(len(_FOOTED)) == _FOOTED
        file.seek(0)
        if footed:
            table = _Footed(pa.ipc.open_file(file))
            return Source(_viewless(table.reader.schema), None, table.part, table.batches, words)
        reader = pa.ipc.open_stream(file)
        return Source(_viewless(reader.schema), None, part, lambda: iter(reader), words)
    text = _open_csv(path, file) if kind is FileFormat.CSV else _open_json(file)
    return Source(_timed(text.schema), None, part, lambda: (_with_times(batch, words) for batch in text), words)


@contextmanager
def refused_as(words: str) -> Iterator[None]:
    """Arrow's refusals as ``BatchError``, with words for what could not be done. The system's errors stay what they are."""
    try:
        yield
    except BatchError:
        raise
    except (pa.ArrowException, UnicodeDecodeError) as cause:
        raise BatchError(f"{words}: {_line(cause)}") from None
    except OSError as cause:
        if cause.errno is not None:
            raise
        raise BatchError(f"{words}: {_line(cause)}") from None


def _line(cause: Exception) -> str:
    return (str(cause).splitlines() or [type(cause).__name__])[0]


def _sound(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch, in which every offset lies within its buffer and every text is UTF-8; Arrow's readers look at neither."""
    batch.validate(full=True)
    return batch if batch.schema == schema else batch.cast(schema)


def _viewless(schema: pa.Schema) -> pa.Schema:
    """The schema without views, as Polars writes them: Arrow can neither filter them nor write them as CSV."""
    plain = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
    return pa.schema([each.with_type(plain.get(each.type, each.type)) for each in schema], schema.metadata)


class _Footed:
    """An Arrow file with a table of contents, which is read by its places and says how many batches it has."""

    def __init__(self, reader: Any) -> None:
        self.reader, self._read = reader, 0

    def part(self) -> float:
        """How much of it was read."""
        return self._read / max(1, int(self.reader.num_record_batches))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Its batches."""
        for i in range(self.reader.num_record_batches):
            self._read = i + 1
            yield self.reader.get_batch(i)


def _open_csv(path: Path, file: Any) -> Any:
    """Columns of a request have their types, and all others are text, so that nothing is guessed from the first rows."""
    with pa.OSFile(str(path)) as again:
        names = pa.csv.open_csv(again, read_options=pa.csv.ReadOptions(block_size=_BLOCK, use_threads=False)).schema.names
    types = {name: _WHOLES.get(name, pa.string()) for name in names}
    return pa.csv.open_csv(
        file,
        read_options=pa.csv.ReadOptions(block_size=_BLOCK, use_threads=False),
        convert_options=pa.csv.ConvertOptions(column_types=types, null_values=[""], strings_can_be_null=True),
    )


def _open_json(file: Any) -> Any:
    types = {**dict.fromkeys((*_TEXTS, *_MOMENTS), pa.string()), **_WHOLES}
    block = file.read(_BLOCK)
    file.seek(0)
    known = [(name, type_) for name, type_ in types.items() if f'"{name}"'.encode() in block]  # a column that is not there stays away
    return pa.json.open_json(
        file,
        read_options=pa.json.ReadOptions(block_size=_BLOCK, use_threads=False),
        parse_options=pa.json.ParseOptions(explicit_schema=pa.schema(known)),
    )


def _timed(schema: pa.Schema) -> pa.Schema:
    """The schema of a text file's rows once their times are read."""
    for place, name in enumerate(schema.names):
        if name in _MOMENTS:
            schema = schema.set(place, pa.field(name, pa.timestamp("us", "UTC")))
    return schema


def _with_times(batch: pa.RecordBatch, words: str) -> pa.RecordBatch:
    columns = []
    for name, array in zip(batch.schema.names, batch.columns, strict=True):
        if name in _MOMENTS:
            try:
                array = array.cast(pa.timestamp("us", "UTC"))
            except pa.ArrowInvalid as cause:
                where = "write it as 2027-07-01T15:00+02:00, with its offset"
                raise BatchError(f"{words}: column {name!r}: {_line(cause).split(' as a scalar')[0]}; {where}") from None
        columns.append(array)
    return pa.RecordBatch.from_arrays(columns, schema=_timed(batch.schema))


def even(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of ``rows`` each, but for the last."""
    held: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        start = 0
        while batch.num_rows - start >= rows - count:
            piece = batch.slice(start, rows - count)
            start += rows - count
            yield pa.concat_batches([*held, piece]) if held else piece
            held, count = [], 0
        if start < batch.num_rows:
            held.append(batch.slice(start))
            count += batch.num_rows - start
    if held:
        yield pa.concat_batches(held)


# --- writing ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Encoded:
    """Record batches as bytes to be added to a file; of a Parquet file, with what its footer must say of them."""

    data: memoryview
    piece: Piece | None = field(default=None, repr=False)


class Encoder:
    """Makes record batches of one schema into a file's bytes: :meth:`start`, then what :meth:`encode` gives, then :meth:`end`.

    Raises:
        BatchError: the format cannot hold a column.
    """

    def __init__(self, kind: FileFormat, schema: pa.Schema) -> None:
        self.kind = kind
        self.schema = schema
        for each in schema:
            if kind is FileFormat.JSONL and schema.names.count(each.name) > 1:
                raise BatchError(f"a JSON object cannot hold two columns {each.name!r}; rename one, or write another format")
            if kind is FileFormat.CSV and pa.types.is_nested(each.type):
                raise BatchError(f"a CSV file cannot hold column {each.name!r} ({each.type}); leave it out, or write Parquet")
        if kind is not FileFormat.PARQUET:
            self.schema = pa.schema([each.with_type(_plain(each.type, kind)) for each in schema], schema.metadata)
        self._start = self._end = b""
        with refused_as(f"a file of kind {kind.value} cannot hold the columns"):
            match kind:
                case FileFormat.PARQUET:
                    self._start, self._options = MAGIC, _parquet_options(schema)
                    self._empty = Piece.of(self._parquet_bytes(schema.empty_table()))
                case FileFormat.ARROW:
                    whole = self._ipc_bytes(None)
                    self._start, self._end = whole[:-8], whole[-8:]
                case FileFormat.CSV:
                    self._start = self._csv_bytes(self.schema.empty_table(), header=True)

    def start(self) -> bytes:
        """The first bytes of the file."""
        return self._start

    def encode(self, batch: pa.RecordBatch) -> Encoded:
        """A record batch's bytes."""
        if self.kind is FileFormat.PARQUET:
            piece = Piece.of(self._parquet_bytes(pa.Table.from_batches([batch])))
            return Encoded(piece.pages, piece)
        plain = pa.RecordBatch.from_arrays(
            [_plainly(a, t) for a, t in zip(batch.columns, self.schema.types, strict=True)], schema=self.schema
        )
        if self.kind is FileFormat.ARROW:
            return Encoded(memoryview(self._ipc_bytes(plain))[len(self._start) : -len(self._end)])
        if self.kind is FileFormat.CSV:
            return Encoded(memoryview(self._csv_bytes(pa.Table.from_batches([plain]), header=False)))
        return Encoded(memoryview(_lines(plain)))

    def end(self, groups: list[bytes], rows: int) -> bytes:
        """The last bytes of the file: ``groups`` are those of :meth:`Piece.moved` for all pieces."""
        if self.kind is FileFormat.PARQUET:
            return self._empty.closed(groups, rows)
        return self._end

    def finish(self, written: Path) -> Path:
        """The file that is wanted, of the one that holds :meth:`start` to :meth:`end`: an Arrow file has a table of contents besides."""
        if self.kind is not FileFormat.ARROW:
            return written
        finished = written.with_name(written.name + ".file")
        with pa.memory_map(str(written)) as source, pa.OSFile(str(finished), "wb") as sink:
            reader = pa.ipc.open_stream(source)
            with pa.ipc.new_file(sink, reader.schema) as writer:
                for batch in reader:
                    writer.write_batch(batch)
        return finished

    def _parquet_bytes(self, table: pa.Table) -> memoryview:
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, row_group_size=max(1, table.num_rows), **self._options)
        return memoryview(sink.getvalue())

    def _ipc_bytes(self, batch: pa.RecordBatch | None) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.schema) as writer:
            if batch is not None:
                writer.write_batch(batch)
        found: bytes = sink.getvalue().to_pybytes()
        return found

    @staticmethod
    def _csv_bytes(table: pa.Table, *, header: bool) -> bytes:
        sink = io.BytesIO()
        pa.csv.write_csv(table, sink, pa.csv.WriteOptions(include_header=header))
        return sink.getvalue()


def _parquet_options(schema: pa.Schema) -> dict[str, Any]:
    """How each column is written. Labels and times repeat, so they are written once each. A code is random digits, which nothing makes
    smaller but to leave out that all have one length; compressing them takes as long as writing all other columns of text."""
    repeated = (pa.types.is_dictionary, pa.types.is_timestamp, pa.types.is_integer)
    sink = pa.BufferOutputStream()
    pq.write_table(schema.empty_table(), sink)
    leaves = pq.ParquetFile(pa.BufferReader(sink.getvalue())).schema
    paths = [leaves.column(i).path for i in range(len(leaves))]
    return {
        "use_dictionary": [each.name for each in schema if any(test(each.type) for test in repeated)],
        "write_statistics": [e.name for e in schema if e.name not in ("code", "error_text") and not pa.types.is_dictionary(e.type)],
        "compression": {path: "NONE" if path == "code" else "SNAPPY" for path in paths},
        "column_encoding": {"code": "DELTA_LENGTH_BYTE_ARRAY"},
    }


def _plain(found: pa.DataType, kind: FileFormat) -> pa.DataType:
    """The type by which a format holds another: no dictionaries, which could differ from one batch to the next, and in text files times
    and bytes as text."""
    if pa.types.is_dictionary(found):
        return _plain(found.value_type, kind)
    if kind is not FileFormat.ARROW and (pa.types.is_temporal(found) or _is_bytes(found)):
        return pa.string()
    return found


def _is_bytes(found: pa.DataType) -> bool:
    tests = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
    return any(test(found) for test in tests)


def _plainly(array: pa.Array, to: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if array.type == to:  # take leaves zeros where nulls are, and not whatever stood there before
        return array.take(pa.array(np.arange(len(array)))) if array.null_count else array
    if _is_bytes(array.type):
        return pa.array([None if value is None else value.hex() for value in array.to_pylist()], pa.string())
    if pa.types.is_timestamp(array.type):
        return _time_texts(array)
    return array.cast(to)


def _time_texts(array: pa.Array) -> pa.Array:
    """Times in ISO 8601, with parts of seconds where there are any."""
    with suppress(pa.ArrowInvalid):
        array = array.cast(pa.timestamp("s", array.type.tz))
    if array.type.tz in ("UTC", "Etc/UTC"):  # Arrow is slow to write a time with its offset
        plain = pc.replace_substring(array.cast(pa.timestamp(array.type.unit)).cast(pa.string()), " ", "T", max_replacements=1)
        return pc.binary_join_element_wise(plain, "Z", "")
    each = array.dictionary_encode()  # so that each is written once
    texts = pc.replace_substring(each.dictionary.cast(pa.string()), " ", "T", max_replacements=1)
    return texts.take(each.indices)


def _lines(batch: pa.RecordBatch) -> bytes:
    """One JSON object a line."""
    names = batch.schema.names
    columns = [column.to_pylist() for column in batch.columns]
    dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode
    return "".join(f"{dump(dict(zip(names, row, strict=True)))}\n" for row in zip(*columns, strict=True)).encode()
