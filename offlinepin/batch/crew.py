"""The threads that serve a table's chunks. The work is done outside Python's lock, so that threads use all cores; chunks take their turns
where variants are counted, so that these come out the same however many threads there are. No key leaves the process."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue

import pyarrow as pa
import pyarrow.compute as pc

from offlinepin.batch.formats import Encoded, Encoder
from offlinepin.batch.generate import Generator
from offlinepin.batch.requests import COLUMNS
from offlinepin.batch.runledger import RunLedger
from offlinepin.batch.turns import ALONE, Turn, Turns


@dataclass(frozen=True, slots=True)
class Served:
    """What became of a chunk: how many rows it has, how many are refused with which error, and the bytes for each file."""

    rows: int
    errors: Counter[str]
    files: list[tuple[int, Encoded]] = field(repr=False)


class Crew:
    """Serves chunks.

    Args:
        generators: one for each thread that may serve rows, which count variants together. Each has seen the table's schema.
        ledger: is told the number of a chunk before its rows are served; then there is one generator.
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
        self._ledger, self._schema = ledger, schema
        self._result, self._refused, self._jobs = result, refused, jobs
        self._servers = len(generators)
        self._idle: SimpleQueue[Generator] = SimpleQueue()
        for each in generators:
            self._idle.put(each)
        self._counting, self._settling = Turns(), Turns()

    def serve(self, chunks: Iterable[tuple[int, pa.RecordBatch]], again: int) -> Iterator[Served]:
        """The outcomes of numbered chunks in their order. Those numbered below ``again`` are only gone over, to count the variants that
        they took."""
        if self._jobs == 1:
            for number, chunk in chunks:
                added = self._added(number, chunk)
                if number >= again:
                    yield self._finished(chunk, added)
            return
        servers = ThreadPoolExecutor(self._servers)
        finishers = servers if self._ledger is None else ThreadPoolExecutor(self._jobs - 1)
        try:
            yield from self._beside(servers, finishers, chunks, again)
        finally:
            for pool in (servers, finishers):
                pool.shutdown(cancel_futures=True)

    def _beside(
        self, servers: ThreadPoolExecutor, finishers: ThreadPoolExecutor, chunks: Iterable[tuple[int, pa.RecordBatch]], again: int
    ) -> Iterator[Served]:
        """One chunk more is under way than there are threads, so that none has to wait for the next one to be read."""
        under_way: deque[Future[Served | None]] = deque()
        for number, chunk in chunks:
            if servers is finishers:
                under_way.append(servers.submit(self._served, number, chunk, number < again))
            else:
                under_way.append(finishers.submit(self._after, servers.submit(self._added, number, chunk), chunk))
            while len(under_way) > self._jobs:
                yield from _found(under_way.popleft())
        while under_way:
            yield from _found(under_way.popleft())
        if self._ledger is not None:
            servers.submit(self._ledger.close).result()  # its connection belongs to that thread

    def _served(self, number: int, chunk: pa.RecordBatch, again: bool) -> Served | None:
        added = self._added(number, chunk)
        return None if again else self._finished(chunk, added)

    def _after(self, added: Future[list[pa.Array]], chunk: pa.RecordBatch) -> Served:
        return self._finished(chunk, added.result())

    def _added(self, number: int, chunk: pa.RecordBatch) -> list[pa.Array]:
        """The added columns of a chunk."""
        if self._ledger is not None:
            self._ledger.begin(number)
        turns = (self._counting, self._settling) if self._servers > 1 else ()
        generator = self._idle.get()
        try:
            some = chunk.select([column.name for column in COLUMNS if column.name in chunk.schema.names])
            added = generator.batch(some, Turn(*(each.of(number) for each in turns)) if turns else ALONE)
            for each in turns:
                each.through(number)
        except BaseException:
            for each in turns:
                each.fail(number)
            raise
        finally:
            self._idle.put(generator)
        return added

    def _finished(self, chunk: pa.RecordBatch, added: list[pa.Array]) -> Served:
        whole = pa.RecordBatch.from_arrays([*chunk.columns, *added], schema=self._schema)
        errors = whole.column("error")
        files = [(whole.num_rows, self._result.encode(whole))]
        if self._refused is not None:
            some = whole.filter(errors.is_valid())
            files.append((some.num_rows, self._refused.encode(some)))
        return Served(whole.num_rows, _counted(errors), files)


def _found(future: Future[Served | None]) -> Iterator[Served]:
    served = future.result()
    if served is not None:
        yield served


def _counted(errors: pa.Array) -> Counter[str]:
    if errors.null_count == len(errors):
        return Counter()
    return Counter({each["values"]: each["counts"] for each in pc.value_counts(errors.drop_null()).to_pylist()})
