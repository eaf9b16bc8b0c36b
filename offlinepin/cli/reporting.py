"""``report``: how safe a product is, as text, JSON or a page."""

from __future__ import annotations

import shutil
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from offlinepin.cli import options
from offlinepin.cli.listing import ProfileName
from offlinepin.cli.show import plainly
from offlinepin.report import plot as draw
from offlinepin.report import report as compute


class Format(StrEnum):
    """The forms that a report can be had in."""

    TEXT = "text"
    JSON = "json"
    HTML = "html"


@plainly
def report(
    name: ProfileName,
    length: Annotated[int | None, typer.Option("--length", min=1, help="What if codes had this many sealed symbols?")] = None,
    tolerance: Annotated[int | None, typer.Option("--tolerance", min=0, help="What if the clock tolerance were this many seconds?")] = None,
    form: Annotated[Format, typer.Option("--format", help="Text for a terminal, JSON, or one self-contained page.")] = Format.TEXT,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw the chance over time, too: a PNG, and an SVG beside it.")] = None,
) -> None:
    """Say how safe a vendor's or a profile document's codes are: live codes, the odds of a guess, and the chance of a hit over time.

    Example: offlinepin report igloo

    Example: offlinepin report oracode --length 7 --format html > oracode.html
    """
    made = compute(options.find_vendor(name), length=length, tolerance=tolerance)
    if plot is not None:
        draw(made, plot)
    match form:
        case Format.TEXT:
            typer.echo(made.text(max(72, min(100, shutil.get_terminal_size().columns))))
        case Format.JSON:
            typer.echo(made.json())
        case Format.HTML:
            typer.echo(made.html())
