"""``firmware tables``: a product's table for the C lock."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from offlinepin.cli import options
from offlinepin.cli.show import plainly
from offlinepin.firmware.tables import tables as made
from offlinepin.provisioning import Provisioning

group = typer.Typer(help="What a lock maker needs for the C lock.", no_args_is_help=True)


@group.command("tables")
@plainly
def tables(
    product: Annotated[
        str | None, typer.Argument(help="A profile document's path, or a vendor's name, whose keypad goes along.", metavar="PROFILE")
    ] = None,
    provision: Annotated[
        Path | None, typer.Option("--provision", help="A lock's provisioning document instead; no secret of it is shown.")
    ] = None,
) -> None:
    """Print the C source of a product's table: its profile and its keypad as constant data. It holds no secret.

    Example: offlinepin firmware tables door-9.json > profile.c

    Example: offlinepin firmware tables igloo > profile.c
    """
    if (product is None) == (provision is None):
        raise typer.BadParameter("give a profile or a vendor, or --provision FILE")
    if provision is not None:
        loaded = Provisioning.load(provision)
        text = made(loaded.profile, loaded.keypad)
    else:
        assert product is not None  # one of the two is given
        vendor = options.find_vendor(product)
        text = made(vendor.profile, vendor.keypad)
    typer.echo(text, nl=False)
