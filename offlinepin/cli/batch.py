"""``batch``: a code for every row of a file, and how far it is while it runs."""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from offlinepin.cli import options
from offlinepin.cli.show import note, plainly
from offlinepin.errors import RequestError

if TYPE_CHECKING:
    from offlinepin.batch.formats import FileFormat
    from offlinepin.batch.stream import Job, Progress, Summary

_LINE_EVERY: Final = 10.0  # seconds, where there is no terminal
_TIDIED: Final = 8  # chunks, after which the system gets the memory back that nothing uses
_KINDS: Final = "parquet, csv, arrow or jsonl"


@plainly
def batch(
    source: Annotated[Path, typer.Argument(metavar="IN", help="The table: Parquet, CSV, Arrow IPC or JSON lines.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The result's file, written only when all is there.")],
    refused: Annotated[Path | None, typer.Option("--refused", help="A file for the refused rows alone; they stand in OUT too.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was cut off. OUT comes out the same to the byte.")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, help="Threads at work; the result is the same for any number. Default: all cores.")
    ] = None,
    rounding: Annotated[
        str | None, typer.Option("--rounding", help="How far each end may be moved, 1h or 1d. Default: the vendor's usual limit.")
    ] = None,
    vendor: options.VendorName = None,
    key_file: options.KeyFile = None,
    ledger: options.LedgerFile = None,
    no_ledger: Annotated[
        bool,
        typer.Option("--no-ledger", help="Much faster: equal requests get different codes within this run, but not beside earlier ones."),
    ] = False,
    time_zone: options.Zone = None,
    now: options.Now = None,
    allow_weak: options.AllowWeak = False,
    from_format: Annotated[str | None, typer.Option("--from", help=f"IN's format, {_KINDS}. Default: by its name's ending.")] = None,
    to_format: Annotated[str | None, typer.Option("--to", help=f"The format of OUT and the refused rows, {_KINDS}.")] = None,
) -> None:
    """Make a code for every row of a file, of any size.

    Columns: device_id, starts_at, ends_at, and if wanted kind, one_time, variant, level, time_zone, generation. Each row gets its code,
    its true times, and what its receiver must know, or an error and its text. Times need a zone or an offset.

    Exit status: 0 done, though rows may be refused (the summary counts them by their error), 2 the file could not be served.

    Example: offlinepin batch bookings.parquet codes.parquet --vendor igloo --key-file my.key --refused refused.csv

    Example: offlinepin batch bookings.csv codes.csv --vendor igloo --key-file my.key --resume
    """
    _need_packages()
    from offlinepin.batch.stream import Job

    job = Job(
        source=source,
        target=target,
        refused=refused,
        kinds=(_kind(from_format), _kind(to_format), _kind(to_format)),
        keys=options.master_key(key_file),
        vendor=options.find_vendor(vendor),
        ledger=_ledger(ledger, no_ledger, key_file),
        time_zone=time_zone,
        now=None if now is None else options.moment(now, "--now", time_zone),
        rounding=rounding,
        allow_weak=allow_weak,
        jobs=jobs or _cores(),
        resume=resume,
    )
    for line in _run(job):
        typer.echo(line)


def _need_packages() -> None:
    try:
        import offlinepin.batch.stream  # noqa: F401  (only looks whether it can be had)
    except ModuleNotFoundError as cause:
        raise RequestError(f"batches need the package {cause.name}; install it with: pip install 'offlinepin[batch]'") from None


def _run(job: Job) -> Iterator[str]:
    """Do it, and say how it went."""
    import pyarrow as pa

    from offlinepin.batch.stream import run

    pa.set_memory_pool(pa.system_memory_pool())  # gives back what it does not use, which the usual one keeps
    began, chunks = time.monotonic(), itertools.count(1)
    with _watching(sys.stderr.isatty(), job.source.name) as watch:

        def served(progress: Progress) -> None:
            watch(progress)
            if next(chunks) % _TIDIED == 0:
                pa.default_memory_pool().release_unused()

        done = run(job, served)
    yield from _summary(done, time.monotonic() - began)


def _kind(name: str | None) -> FileFormat | None:
    if name is None:
        return None
    from offlinepin.batch.formats import FileFormat

    try:
        return FileFormat(name)
    except ValueError:
        raise RequestError(f"a file's format is {_KINDS}, not {name!r}") from None


def _ledger(ledger: Path | None, no_ledger: bool, key_file: Path | None) -> Path | None:
    if not no_ledger:
        return ledger or (Path("offlinepin.ledger") if key_file is None else key_file.with_name(key_file.name + ".ledger"))
    if ledger is not None:
        raise RequestError("give --ledger or --no-ledger, not both")
    return None


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _watching(terminal: bool, name: str) -> Iterator[Callable[[Progress], None]]:
    """A progress bar with rate and time left; where there is no terminal, a line now and then."""
    if not terminal:
        yield _lines(time.monotonic)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    began = time.monotonic()
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=1.0, rate="")

        def watch(progress: Progress) -> None:
            rate = _rate(progress.rows / max(1e-9, time.monotonic() - began))
            bar.update(task, completed=progress.part, rate=rate)

        yield watch


def _lines(clock: Callable[[], float]) -> Callable[[Progress], None]:
    began = last = clock()

    def watch(progress: Progress) -> None:
        nonlocal last
        moment = clock()
        if moment - last < _LINE_EVERY:
            return
        last, spent = moment, moment - began
        left = spent / max(1e-9, progress.part) * (1 - progress.part)
        note(f"{progress.rows:,} rows, {progress.part:.0%}, {_rate(progress.rows / spent)}, {left:.0f} s left")

    return watch


def _rate(rows_per_second: float) -> str:
    return f"{rows_per_second:,.0f} rows/s"


def _summary(done: Summary, seconds: float) -> Iterator[str]:
    before = f", {done.before:,} of them before" if done.before else ""
    rate = _rate((done.rows - done.before) / max(1e-9, seconds))
    yield f"{done.rows - done.refused:,} served, {done.refused:,} refused{before}; {seconds:.1f} s, {rate}"
    for code, count in done.errors.items():
        yield f"  {count:>12,} {code}"
