"""Parquet files from row groups that were encoded apart: each comes as a small file of its own, whose pages are copied as they are and
whose footer (Thrift's compact protocol, as in the Parquet format's ``parquet.thrift``) is moved to where they stand now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from offlinepin.errors import BatchError

MAGIC: Final = b"PAR1"
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
_NUM_ROWS, _ROW_GROUPS = 3, 4  # of FileMetaData
_COLUMNS, _GROUP_OFFSET, _ORDINAL = 1, 5, 7  # of RowGroup
_CHUNK_OFFSET, _CHUNK_META, _OFFSET_INDEX, _COLUMN_INDEX = 2, 3, 4, 6  # of ColumnChunk
_DATA_PAGE, _INDEX_PAGE, _DICTIONARY_PAGE, _BLOOM_FILTER = 9, 10, 11, 14  # of ColumnMetaData


@dataclass(frozen=True, slots=True)
class Items:
    """A Thrift list: the type of its elements, and they."""

    kind: int
    values: list[Value]


Fields: TypeAlias = dict[int, tuple[int, "Value"]]
"""A Thrift struct: type and value by field number, in the order of the numbers."""
Value: TypeAlias = "int | bytes | Items | Fields"


@dataclass(frozen=True, slots=True)
class Piece:
    """A Parquet file taken apart: its pages, its row groups as they stand in a footer, and the footer."""

    pages: memoryview
    groups: list[Value]
    footer: Fields
    rows: int

    @classmethod
    def of(cls, data: bytes | memoryview) -> Piece:
        """Take a file apart. ``BatchError`` if it is none."""
        view = memoryview(data)
        if len(view) < 12 or bytes(view[:4]) != MAGIC or bytes(view[-4:]) != MAGIC:
            raise BatchError("a piece of a Parquet file does not begin and end as one")
        size = int.from_bytes(view[-8:-4], "little")
        footer = parse(bytes(view[len(view) - 8 - size : -8]))
        groups, (_, rows) = footer[_ROW_GROUPS][1], footer[_NUM_ROWS]
        assert isinstance(groups, Items)  # as the format has it
        assert isinstance(rows, int)
        return cls(view[4 : len(view) - 8 - size], groups.values, footer, rows)

    def moved(self, to: int, first: int) -> list[bytes]:
        """Its row groups as bytes of a footer, where its pages stand ``to`` bytes into a file that has ``first`` row groups before."""
        return [_encoded(_moved(group, to - len(MAGIC), first + i)) for i, group in enumerate(self.groups)]

    def closed(self, groups: list[bytes], rows: int) -> bytes:
        """The end of a file: a footer like its own, with these row groups instead."""
        out = bytearray()
        before = 0
        for number, (kind, value) in self.footer.items():
            if number == _ROW_GROUPS:
                _head(out, before, number, _LIST)
                _list_head(out, _STRUCT, len(groups))
                for group in groups:
                    out += group
            else:
                _field(out, before, number, kind, rows if number == _NUM_ROWS else value)
            before = number
        out.append(0)
        return bytes(out) + len(out).to_bytes(4, "little") + MAGIC


def _moved(group: Value, by: int, ordinal: int) -> Fields:
    """A row group whose pages stand ``by`` bytes further on."""
    moved = _shifted(group, by, _GROUP_OFFSET)
    if _ORDINAL in moved:
        moved[_ORDINAL] = _I16, ordinal
    columns = moved[_COLUMNS][1]
    assert isinstance(columns, Items)  # as the format has it
    chunks: list[Value] = []
    for column in columns.values:
        chunk = _shifted(column, by, _CHUNK_OFFSET, _OFFSET_INDEX, _COLUMN_INDEX)
        if _CHUNK_META in chunk:
            meta = _shifted(chunk[_CHUNK_META][1], by, _DATA_PAGE, _INDEX_PAGE, _DICTIONARY_PAGE, _BLOOM_FILTER)
            chunk[_CHUNK_META] = _STRUCT, meta
        chunks.append(chunk)
    moved[_COLUMNS] = _LIST, Items(columns.kind, chunks)
    return moved


def _shifted(struct: Value, by: int, *numbers: int) -> Fields:
    assert isinstance(struct, dict)  # as the format has it
    changed = dict(struct)
    for number in numbers:
        kind, value = changed.get(number, (0, 0))
        if isinstance(value, int) and value:  # 0 stands for none
            changed[number] = kind, value + by
    return changed


# --- Thrift's compact protocol ------------------------------------------------------------------------------------


def parse(data: bytes) -> Fields:
    """A struct."""
    return _Reader(data).struct()


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def _take(self, count: int) -> bytes:
        self._at += count
        return self._data[self._at - count : self._at]

    def struct(self) -> Fields:
        fields: Fields = {}
        number = 0
        while head := self._byte():
            kind = head & 0x0F
            number = number + (head >> 4) if head >> 4 else _unzigzag(self._varint())
            fields[number] = kind, (0 if kind in (_TRUE, _FALSE) else self._value(kind))
        return fields

    def _value(self, kind: int) -> Value:
        match kind:
            case 1 | 2 | 3:
                return self._byte()
            case 4 | 5 | 6:
                return _unzigzag(self._varint())
            case 7:
                return self._take(8)
            case 8:
                return self._take(self._varint())
            case 9 | 10:
                head = self._byte()
                count = head >> 4 if head >> 4 < 15 else self._varint()
                return Items(head & 0x0F, [self._value(head & 0x0F) for _ in range(count)])
            case 12:
                return self.struct()
        raise BatchError(f"a Parquet footer holds a value of type {kind}, which the format does not use")


def _unzigzag(value: int) -> int:
    return value >> 1 ^ -(value & 1)


def _varint(out: bytearray, value: int) -> None:
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def _signed(out: bytearray, value: int) -> None:
    _varint(out, value << 1 if value >= 0 else (-value << 1) - 1)


def _head(out: bytearray, before: int, number: int, kind: int) -> None:
    if 0 < number - before < 16:
        out.append(number - before << 4 | kind)
    else:
        out.append(kind)
        _signed(out, number)


def _list_head(out: bytearray, kind: int, count: int) -> None:
    if count < 15:
        out.append(count << 4 | kind)
    else:
        out.append(0xF0 | kind)
        _varint(out, count)


def _field(out: bytearray, before: int, number: int, kind: int, value: Value) -> None:
    _head(out, before, number, kind)
    if kind not in (_TRUE, _FALSE):
        _put(out, kind, value)


def _put(out: bytearray, kind: int, value: Value) -> None:
    if isinstance(value, Items):
        _list_head(out, value.kind, len(value.values))
        for each in value.values:
            _put(out, value.kind, each)
    elif isinstance(value, dict):
        out += _encoded(value)
    elif isinstance(value, bytes):
        if kind == _BINARY:
            _varint(out, len(value))
        out += value
    elif kind in (_TRUE, _FALSE, _BYTE):
        out.append(value)
    else:
        _signed(out, value)


def _encoded(struct: Fields) -> bytes:
    out = bytearray()
    before = 0
    for number, (kind, value) in struct.items():
        _field(out, before, number, kind, value)
        before = number
    out.append(0)
    return bytes(out)
