"""``vectors check`` and ``vectors make``: known answers for whoever implements the format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from offlinepin import vectors as known
from offlinepin.cli import options
from offlinepin.cli.show import note, plainly
from offlinepin.vendor import discover

group = typer.Typer(help="Check and make files of known answers.", no_args_is_help=True)

_SHOWN = 20


@group.command("check")
@plainly
def check(path: Annotated[Path, typer.Argument(help="A file of the shape of format-1.json.", metavar="FILE")]) -> None:
    """Recompute every stage of every case and compare: digest, token, window, offset, payload, window key, code, and back from the code.

    Exit status: 0 all passed, 1 a stage differs (the first one of each case is named), 2 the file cannot be used.

    Example: offlinepin vectors check format-1.json
    """
    outcome = known.check(known.Vectors.load(path))
    failed = len(outcome.differences)
    for difference in outcome.differences[:_SHOWN]:
        note(str(difference))
    if failed > _SHOWN:
        note(f"… and {failed - _SHOWN} more")
    typer.echo(f"{outcome.passed} passed, {failed} failed")
    raise typer.Exit(1 if failed else 0)


@group.command("make")
@plainly
def make(
    vendor: Annotated[
        list[str] | None,
        typer.Option("--vendor", "--profile", help="A vendor's name or a profile document's path; repeatable. Default: all installed."),
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="Cases for each profile.")] = 24,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed makes the same file.")] = 0,
) -> None:
    """Print known answers for vendors or profile documents, the same ones for the same seed. The keys in them are for tests only.

    Example: offlinepin vectors make --vendor igloo --count 100 > igloo.json
    """
    profiles = [options.find_vendor(name).profile for name in vendor or discover()]
    typer.echo(known.make(profiles, count, seed).json_text(), nl=False)
