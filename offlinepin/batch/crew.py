"""The threads that serve a table's chunks: each device's rows always on the same one, in their order, so that variants come out the same
however many there are. The work is done outside Python's lock, so that threads use all cores; no key leaves the process."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from offlinepin.batch.columns import split
from offlinepin.batch.formats import Encoded, Encoder
from offlinepin.batch.generate import Generator
from offlinepin.batch.parting import merged, rows_of_parts
from offlinepin.batch.requests import COLUMNS
from offlinepin.batch.runledger import RunLedger

I64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Served:
    """What became of a chunk: how many rows it has, how many are refused with which error, and the bytes for each file."""

    rows: int
    errors: Counter[str]
    files: list[tuple[int, Encoded]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Split:
    """A chunk whose parts are being served; ``None`` for the whole of it."""

    number: int
    chunk: pa.RecordBatch
    rows: list[I64] | None
    added: list[Future[list[pa.Array]]]


class Crew:
    """Serves chunks.

    Args:
        generators: one for each part of the devices, each of which has seen the table's schema.
        ledger: is told the number of a chunk before its rows are served.
        schema: of the result.
        result: makes the result's bytes.
        refused: makes those of the refused rows' own file, if there is one.
        jobs: threads. With one, nothing runs beside anything else.
    """

    def __init__(
        self,
        generators: Sequence[Generator],
        ledger: RunLedger | None,
        schema: pa.Schema,
        result: Encoder,
        refused: Encoder | None,
        jobs: int,
    ) -> None:
        self._generators, self._ledger, self._schema = generators, ledger, schema
        self._result, self._refused, self._jobs = result, refused, jobs

    def serve(self, chunks: Iterable[tuple[int, pa.RecordBatch]], again: int) -> Iterator[Served]:
        """The outcomes of numbered chunks in their order. Those numbered below ``again`` are only gone over, to count the variants that
        they took."""
        if self._jobs == 1:
            for number, chunk in chunks:
                added = [self._part(0, number, chunk, None)]
                if number >= again:
                    yield self._finished(chunk, None, added)
            return
        lanes = [ThreadPoolExecutor(1) for _ in range(self._jobs)]
        try:
            yield from self._beside(lanes, chunks, again)
        finally:
            for lane in lanes:
                lane.shutdown(cancel_futures=True)

    def _beside(self, lanes: list[ThreadPoolExecutor], chunks: Iterable[tuple[int, pa.RecordBatch]], again: int) -> Iterator[Served]:
        """A lane does its tasks in their order. What a chunk's parts come to is put together after the next chunk's parts were handed
        out, so that no lane waits for another."""
        parts = len(self._generators)
        split: deque[_Split] = deque()
        finished: deque[Future[Served | None]] = deque()

        def finish() -> None:
            each = split.popleft()
            finished.append(lanes[each.number % len(lanes)].submit(self._gathered, each, each.number < again))

        for number, chunk in chunks:
            rows = None if parts == 1 else rows_of_parts(chunk.column("device_id"), parts)
            added = [lanes[p].submit(self._part, p, number, chunk, None if rows is None else rows[p]) for p in range(parts)]
            split.append(_Split(number, chunk, rows, added))
            if len(split) > 1:
                finish()
            while len(finished) > len(lanes):
                yield from _found(finished.popleft())
        while split:
            finish()
        while finished:
            yield from _found(finished.popleft())
        if self._ledger is not None:
            lanes[0].submit(self._ledger.close).result()  # its connection belongs to that thread

    def _part(self, part: int, number: int, chunk: pa.RecordBatch, rows: I64 | None) -> list[pa.Array]:
        """The added columns of one part's rows."""
        if self._ledger is not None:
            self._ledger.begin(number)
        some = chunk.select([column.name for column in COLUMNS if column.name in chunk.schema.names])
        if rows is not None:
            some = some.take(pa.array(rows))
        made = [self._generators[part].batch(each) for each in split(some)]
        return made[0] if len(made) == 1 else [pa.concat_arrays(arrays) for arrays in zip(*made, strict=True)]

    def _gathered(self, each: _Split, again: bool) -> Served | None:
        added = [future.result() for future in each.added]
        return None if again else self._finished(each.chunk, each.rows, added)

    def _finished(self, chunk: pa.RecordBatch, rows: list[I64] | None, added: list[list[pa.Array]]) -> Served:
        columns = added[0] if rows is None else merged(added, rows)
        whole = pa.RecordBatch.from_arrays([*chunk.columns, *columns], schema=self._schema)
        errors = whole.column("error")
        files = [(whole.num_rows, self._result.encode(whole))]
        if self._refused is not None:
            some = whole.filter(errors.is_valid())
            files.append((some.num_rows, self._refused.encode(some)))
        return Served(whole.num_rows, _counted(errors), files)


def _found(future: Future[Any]) -> Iterator[Served]:
    served = future.result()
    if served is not None:
        yield served


def _counted(errors: pa.Array) -> Counter[str]:
    if errors.null_count == len(errors):
        return Counter()
    return Counter({each["values"]: each["counts"] for each in pc.value_counts(errors.drop_null()).to_pylist()})
