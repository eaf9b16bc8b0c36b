"""Whole files of codes, in flat memory: read, served on all cores, and written under the target's name only when all is there. A run that
was cut off goes on where it was, and its file is the same to the byte."""

from __future__ import annotations

import errno
import os
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import IO, Final

import pyarrow as pa

from offlinepin.batch.crew import Crew, Served
from offlinepin.batch.formats import CHUNK, Encoder, FileFormat, Source, format_of, open_source
from offlinepin.batch.generate import Generator
from offlinepin.batch.record import Asked, Done, Record, Written, named
from offlinepin.batch.runledger import RunLedger
from offlinepin.batch.taking import Counts
from offlinepin.engine.clock import check_aware
from offlinepin.errors import BatchError, RequestError
from offlinepin.keys import MasterKey
from offlinepin.matching import parse_rounding
from offlinepin.vendor import Vendor

_CHECKED_ID: Final = "offlinepin batch"  # the device whose check value says which key a run had
_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Job:
    """A file to be served.

    Attributes:
        source, target: the table's file and the result's. The target is written only when all is there.
        refused: a file for the refused rows alone, which stand in the result too.
        kinds: the formats of the three, where their names' endings do not say.
        keys, vendor, allow_weak: as for :class:`Issuer`.
        ledger: the SQLite file that remembers which codes were handed out. Without one, variants are counted in this run only.
        time_zone: for rows that name none themselves.
        now: the present, for all rows.
        rounding: as for :meth:`Issuer.issue`.
        jobs: threads, 1 or more. The result does not depend on it.
        resume: go on with a run that was cut off, if there is one; it keeps its own present.
    """

    source: Path
    target: Path
    keys: MasterKey = field(repr=False)
    vendor: Vendor
    refused: Path | None = None
    kinds: tuple[FileFormat | None, FileFormat | None, FileFormat | None] = (None, None, None)
    ledger: Path | None = None
    time_zone: str | None = None
    now: datetime | None = None
    rounding: str | None = None
    allow_weak: bool = False
    jobs: int = 1
    resume: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: rows in the files, how many the table has (if it says so), and the part of it that is done, 0 to 1."""

    rows: int
    total: int | None
    part: float


@dataclass(frozen=True, slots=True)
class Summary:
    """How a run ended: all its rows, the refused ones by their error's code, and how many a run before had done."""

    rows: int
    errors: dict[str, int]
    before: int

    @property
    def refused(self) -> int:
        """The refused rows."""
        return sum(self.errors.values())


def run(job: Job, watch: Callable[[Progress], None], *, record_every: float = _SECONDS) -> Summary:
    """Make a code for every row of a file; see :func:`offlinepin.batch.generate` for the columns.

    Args:
        job: what is to be done.
        watch: is told how far it is, from time to time.
        record_every: seconds between two records of how far the files are sound.

    Raises:
        BatchError: the table cannot be read, or lacks a column, or a column has the wrong type. Nothing is left behind.
        RequestError: the job makes no sense, or ``resume`` goes on with another run than it was.
        OSError: a file cannot be opened or written, or the disk is full. ``resume`` can go on then.
    """
    kinds = _checked(job)
    with ExitStack() as stack:
        source = stack.enter_context(open_source(job.source, kinds[0]))
        schema = _result_schema(job, source.schema)
        outputs = [_Output(path, Encoder(kind, schema)) for path, kind in zip(_targets(job), kinds[1:], strict=False)]
        record = stack.enter_context(closing(Record(outputs[0].part)))
        asked, done = _begun(job, kinds, record, [output.part for output in outputs])
        if not done.ended:
            try:
                with _opened(outputs, done):
                    _serve(job, asked, source, schema, outputs, record, done, watch, record_every)
            except BaseException as cause:
                if record.empty or isinstance(cause, BatchError):  # there is nothing to go on with, or no use in it
                    for output in outputs:
                        output.part.unlink(missing_ok=True)
                    record.remove()
                    _forget(job, asked)
                raise
        for output in outputs:
            output.settle()
        _forget(job, asked)
        record.remove()
        return Summary(done.rows, dict(done.errors.most_common()), done.before)


# --- before -------------------------------------------------------------------------------------------------------


def _checked(job: Job) -> tuple[FileFormat, ...]:
    if job.jobs < 1:
        raise RequestError(f"there must be 1 job or more, not {job.jobs}")
    if job.now is not None:
        check_aware(job.now, "the present")
    paths = [job.source, *_targets(job)]
    for path in paths[1:]:
        if not path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path.parent))
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if len({path.resolve() for path in paths}) < len(paths):
        raise RequestError("the table, the result and the refused rows must be different files")
    return tuple(format_of(path, kind) for path, kind in zip(paths, job.kinds, strict=False))


def _targets(job: Job) -> list[Path]:
    return [job.target] if job.refused is None else [job.target, job.refused]


def _result_schema(job: Job, schema: pa.Schema) -> pa.Schema:
    """The result's schema; refuses a table or a job before anything is written."""
    added = _generator(job, job.now or datetime.now(UTC), None).check(schema)
    return pa.schema([*schema, *added], schema.metadata)


def _generator(job: Job, now: datetime, ledger: RunLedger | None, counts: Counts | None = None) -> Generator:
    rounding = None if job.rounding is None else parse_rounding(job.rounding)
    return Generator(job.keys, job.vendor, ledger, job.time_zone, now, rounding, allow_weak=job.allow_weak, counts=counts)


def _begun(job: Job, kinds: tuple[FileFormat, ...], record: Record, parts: list[Path]) -> tuple[Asked, Done]:
    """The run that is to go on, or a new one."""
    found = job.source.stat()
    options = {
        "zone": job.time_zone or "",
        "rounding": job.rounding or "",
        "ledger": "" if job.ledger is None else str(job.ledger.resolve()),
        "refused": "" if job.refused is None else str(job.refused.resolve()),
        "chunk": str(CHUNK),
    }
    asked = Asked(
        run=secrets.token_hex(8),
        source=(str(job.source.resolve()), found.st_size, found.st_mtime_ns),
        kinds=tuple(kind.value for kind in kinds),
        keys=job.keys.token(_CHECKED_ID).check_value,
        profile=job.vendor.profile.digest.hex(),
        options=tuple(options.items()),
        now=(job.now or datetime.now(UTC)).isoformat(),
    )
    before = record.read()
    if before is None or not job.resume:
        if before is not None:
            _forget(job, before[0])
        record.begin(asked)
        return asked, Done(0, Counter(), [])
    earlier, done = before
    different = earlier.difference(asked)
    if different is None and job.now is not None and job.now != datetime.fromisoformat(earlier.now):
        different = f"the present ({earlier.now})"
    if different is not None:
        raise RequestError(f"the run that was cut off had other settings: {different} is not the same; start over without --resume")
    whole = all(part.exists() and part.stat().st_size >= each.size for part, each in zip(parts, done.files, strict=False))
    if not done.ended and not whole:
        raise RequestError(f"the unfinished file {parts[0]} is not there as its record says; start over without --resume")
    return earlier, done


def _forget(job: Job, asked: Asked) -> None:
    """The ledger need not know any more how a run went."""
    if job.ledger is not None and job.ledger.exists():
        with closing(RunLedger(job.ledger, asked.run)) as ledger:
            ledger.forget()


# --- the run itself -----------------------------------------------------------------------------------------------


class _Output:
    """A file in the making, beside its final place."""

    def __init__(self, path: Path, encoder: Encoder) -> None:
        self.path, self.encoder = path, encoder
        self.part = path.with_name(f".{path.name}.part")
        self.groups: list[bytes] = []
        self._recorded = 0
        self.rows = 0
        self._file: IO[bytes] | None = None

    def open(self, before: Written | None) -> None:
        """Begin, or go on where it was."""
        with named(self.part):
            self._file = self.part.open("wb" if before is None else "r+b")
        if before is None:
            self.write(self.encoder.start())
        else:
            self._file.truncate(before.size)
            self._file.seek(before.size)
            self.rows, self.groups = before.rows, list(before.groups)
            self._recorded = len(self.groups)

    @property
    def file(self) -> IO[bytes]:
        """The open file."""
        assert self._file is not None  # it was opened
        return self._file

    def write(self, data: bytes | memoryview) -> None:
        """Add bytes."""
        with named(self.part):
            self.file.write(data)

    def sound(self) -> Written:
        """All that was written, on disk."""
        with named(self.part):
            self.file.flush()
            os.fsync(self.file.fileno())
        new, self._recorded = tuple(self.groups[self._recorded :]), len(self.groups)
        return Written(self.file.tell(), self.rows, new)

    def close(self) -> None:
        """Close the file. What could not be written is no matter any more: its record says how far it is sound."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None

    def settle(self) -> None:
        """Give the whole file its name."""
        if not self.part.exists():
            return  # an earlier run did so before it was cut off
        with named(self.part):
            finished = self.encoder.finish(self.part)
            if finished != self.part:
                with finished.open("rb") as file:
                    os.fsync(file.fileno())
            finished.replace(self.path)
            self.part.unlink(missing_ok=True)
            _sync_folder(self.path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _opened(outputs: list[_Output], done: Done) -> Iterator[None]:
    try:
        for place, output in enumerate(outputs):
            output.open(done.files[place] if done.files else None)
        yield
    finally:
        for output in outputs:
            output.close()


def _serve(
    job: Job,
    asked: Asked,
    source: Source,
    schema: pa.Schema,
    outputs: list[_Output],
    record: Record,
    done: Done,
    watch: Callable[[Progress], None],
    every: float,
) -> None:
    """Serve what is left of the table."""
    chunks: Iterator[tuple[int, pa.RecordBatch]] = enumerate(source.chunks())
    first = list(islice(chunks, 1))  # a table that cannot be read leaves no ledger behind
    chunks = chain(first, chunks)
    with ExitStack() as stack:
        ledger = None
        if job.ledger is not None:
            ledger = stack.enter_context(closing(RunLedger(job.ledger, asked.run)))
            record.empty = False  # what it hands out from now on, it would hand out again only to a run of this name
        jobs = 1 if ledger is not None else job.jobs
        beside = 1 if jobs == 1 else jobs + 1  # so that no thread has to wait for the next chunk to be read
        now, counts = datetime.fromisoformat(asked.now), Counts(beside)
        generators = [_generator(job, now, ledger, counts) for _ in range(beside)]
        for generator in generators:
            generator.check(source.schema)
        generators[0].expect(source.rows or 0)  # they count together
        again = done.chunks
        if ledger is not None:  # it remembers what was taken, so that nothing has to be gone over again
            chunks, again = ((number, chunk) for number, chunk in chunks if number >= done.chunks), 0
        crew = Crew(generators, ledger, schema, outputs[0].encoder, outputs[1].encoder if len(outputs) > 1 else None, jobs)
        with crew.serve(chunks, again) as served:
            _write(served, source, outputs, record, done, watch, every)
    for output in outputs:
        output.write(output.encoder.end(output.groups, output.rows))
    record.add(done.chunks, Counter(), [output.sound() for output in outputs], ended=True)
    done.ended = True


def _write(
    served: Iterator[Served],
    source: Source,
    outputs: list[_Output],
    record: Record,
    done: Done,
    watch: Callable[[Progress], None],
    every: float,
) -> None:
    """Write what is served, and keep the record."""
    fresh: Counter[str] = Counter()
    recorded = time.monotonic()
    for each in served:
        for output, (rows, encoded) in zip(outputs, each.files, strict=True):
            if not rows:
                continue
            if encoded.piece is not None:
                output.groups += encoded.piece.moved(output.file.tell(), len(output.groups))
            output.write(encoded.data)
            output.rows += rows
        done.chunks += 1
        fresh += each.errors
        done.errors += each.errors
        if time.monotonic() - recorded >= every:
            record.add(done.chunks, fresh, [output.sound() for output in outputs])
            fresh, recorded = Counter(), time.monotonic()
        rows = outputs[0].rows
        watch(Progress(rows, source.rows, rows / source.rows if source.rows else source.part()))
    if fresh:
        record.add(done.chunks, fresh, [output.sound() for output in outputs])
    done.rows = outputs[0].rows
