"""The threads that serve a table's chunks. The work is done outside Python's lock, so that threads use all cores; chunks take their turns
only where variants are counted, so that these come out the same however many threads there are. No key leaves the process."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from offlinepin.batch.formats import CHUNK, Encoded, Encoder, refused_as
from offlinepin.batch.generate import Generator
from offlinepin.batch.requests import COLUMNS
from offlinepin.batch.runledger import RunLedger
from offlinepin.batch.turns import T, Work, Workers, alone


@dataclass(frozen=True, slots=True)
class Served:
    """What became of a chunk: how many rows it has, how many are refused with which error, and the bytes for each file."""

    rows: int
    errors: Counter[str]
    files: list[tuple[int, Encoded]] = field(repr=False)


class Crew:
    """Serves chunks.

    Args:
        generators: one for each chunk that may be under way at once, which count variants together. Each has seen the table's schema.
        ledger: is told the number of a chunk before its rows are served; then nothing runs beside anything else, as next to all of the
            work is the ledger's.
        schema: of the result.
        result: makes the result's bytes.
        refused: makes those of the refused rows' own file, if there is one.
        jobs: threads.
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
        self._ledger, self._schema = ledger, schema
        self._result, self._refused, self._jobs = result, refused, jobs
        self._idle = deque(generators)

    @contextmanager
    def serve(self, chunks: Iterable[tuple[int, pa.RecordBatch]], again: int) -> Iterator[Iterator[Served]]:
        """The outcomes of numbered chunks in their order. Those numbered below ``again`` are only gone over, to count the variants that
        they took. No thread outlives the context."""
        works = (self._work(number, chunk, number < again) for number, chunk in chunks)
        if self._jobs == 1:
            yield filter(None, map(alone, works))
            return
        with Workers[Served | None](self._jobs) as workers:
            yield filter(None, _beside(workers, works, len(self._idle)))

    def _work(self, number: int, chunk: pa.RecordBatch, again: bool) -> Work[Served | None]:
        if self._ledger is not None:
            self._ledger.begin(number)
        some = chunk.select([column.name for column in COLUMNS if column.name in chunk.schema.names])
        generator = self._idle.popleft()
        with refused_as(f"rows {number * CHUNK} to {number * CHUNK + chunk.num_rows - 1}, counted from 0, cannot be served or written"):
            try:
                added = yield from generator.work(some)
            finally:
                self._idle.append(generator)
            return None if again else self._finished(chunk, added)

    def _finished(self, chunk: pa.RecordBatch, added: list[pa.Array]) -> Served:
        whole = pa.RecordBatch.from_arrays([*chunk.columns, *added], schema=self._schema)
        errors = whole.column("error")
        files = [(whole.num_rows, self._result.encode(whole))]
        if self._refused is not None:
            some = whole.filter(errors.is_valid())
            files.append((some.num_rows, self._refused.encode(some)))
        return Served(whole.num_rows, _counted(errors), files)


def _beside(workers: Workers[T], works: Iterable[Work[T]], most: int) -> Iterator[T]:
    """What comes of each work in turn, where so many are under way at most."""
    for work in works:
        workers.add(work)
        if len(workers) == most:
            yield workers.first()
    while len(workers):
        yield workers.first()


def _counted(errors: pa.Array) -> Counter[str]:
    if errors.null_count == len(errors):
        return Counter()
    return Counter({each["values"]: each["counts"] for each in pc.value_counts(errors.drop_null()).to_pylist()})
