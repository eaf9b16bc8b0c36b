"""What every command shares in printing: tables, lines, and errors as one line each."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import ParamSpec, TypeVar

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from offlinepin.errors import OfflinepinError

P = ParamSpec("P")
R = TypeVar("R")

FAILED = 2


def plainly(command: Callable[P, R]) -> Callable[P, R]:
    """A command whose refusals are one line on stderr, ``error [code]: message``, and exit status 2."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except OfflinepinError as error:
            complain(error)
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            about = "" if error.filename is None else f": {error.filename}"
            typer.echo(f"error [file]: {error.strerror}{about}", err=True)
        raise typer.Exit(FAILED)

    return run


def complain(error: OfflinepinError, about: str = "") -> None:
    """Print an error as one line on stderr."""
    typer.echo(f"error [{error.code}]: {about}{' '.join(str(error).splitlines())}", err=True)


def note(text: str) -> None:
    """Print a remark on stderr, so that stdout stays what it is."""
    typer.echo(text, err=True)


def table(*columns: str) -> Table:
    """An empty table; a column whose name ends in ``>`` is right-aligned, one in ``!`` is never broken."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        made.add_column(name.rstrip(">!"), justify="right" if name.endswith(">") else "left", no_wrap=name.endswith("!"))
    return made


def fill(into: Table, rows: Iterable[Iterable[str]]) -> Table:
    """The table with rows; cells are text and never markup, whatever a guest is called."""
    for row in rows:
        into.add_row(*(Text(cell) for cell in row))
    return into


def show(*parts: Table | str) -> None:
    """Print tables and lines."""
    console = Console(highlight=False, markup=False, emoji=False)
    for part in parts:
        if isinstance(part, str):
            typer.echo(part)
        else:
            console.print(part)


def when(moment: datetime | None) -> str:
    """A time in ISO 8601 with its offset, to the minute where it has no seconds."""
    if moment is None:
        return "no end"
    return moment.isoformat(timespec="seconds" if moment.second else "minutes")


def read_line() -> str:
    """One line of stdin without its line end, and nothing else taken away."""
    return sys.stdin.readline().rstrip("\r\n")
