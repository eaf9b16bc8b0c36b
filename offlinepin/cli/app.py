"""The commands and their order in the help."""

from __future__ import annotations

from typing import Annotated

import typer

from offlinepin import __version__
from offlinepin.cli import batch, checking, firmware, issuing, keys, listing, lock, reporting, serve, vectors

app = typer.Typer(
    name="offlinepin",
    help="Door codes that a lock checks without a network: make keys, issue codes, check them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a traceback with local variables could show a key
    rich_markup_mode="rich",
)


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)] = False,
) -> None:
    del version  # printed by then


app.add_typer(keys.group, name="key")
app.command("vendors")(listing.vendors)
app.command("profile")(listing.profile)
app.command("report")(reporting.report)
app.command("provision")(keys.provision)
app.command("issue")(issuing.issue)
app.command("check")(checking.check)
app.command("batch")(batch.batch)
app.command("lock")(lock.lock)
app.command("serve")(serve.serve)
app.add_typer(serve.group, name="api-key")
app.add_typer(vectors.group, name="vectors")
app.add_typer(firmware.group, name="firmware")
