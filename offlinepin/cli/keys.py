"""``key new`` and ``provision``: the two commands that write secrets, each into a new file that only its owner may read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from offlinepin.cli import options
from offlinepin.cli.show import note, plainly
from offlinepin.engine.clock import zone
from offlinepin.errors import ProvisioningError
from offlinepin.keys import MasterKey

group = typer.Typer(help="Make master keys.", no_args_is_help=True)


@group.callback()
def _group() -> None:
    """Make master keys."""


@group.command("new")
@plainly
def new(
    path: Annotated[Path, typer.Argument(help="The new file. It is never written over another.", metavar="FILE")],
    passphrase: Annotated[
        bool,
        typer.Option("--passphrase", help=f"Wrap the key under a passphrase, from {options.PASSPHRASE_VARIABLE} or asked for."),
    ] = False,
) -> None:
    """Make a master key: 32 random bytes in a new file that only you may read.

    Every lock's token comes from it. Who has it can make a code for every lock; without it, no new code can be made.

    Example: offlinepin key new master.key --passphrase
    """
    secret = options.passphrase(confirm=True) if passphrase else None
    MasterKey.generate().save(path, passphrase=secret)
    note(f"A new master key is in {path}{', wrapped' if secret else ''}. Keep a copy in a safe place.")


@plainly
def provision(
    device: Annotated[str, typer.Argument(help="The lock's device id, 1 to 64 bytes.")],
    vendor: options.VendorName = None,
    key_file: options.KeyFile = None,
    time_zone: options.Zone = None,
    ledger: options.LedgerFile = None,
    generation: options.Generation = None,
    output: Annotated[Path | None, typer.Option("--output", help="A new file for the document. Default: stdout.")] = None,
    allow_weak: options.AllowWeak = False,
) -> None:
    """Write what is loaded into a lock once: its token, its profile and its zone, as JSON. The document is secret.

    Example: offlinepin provision front-door --vendor igloo --key-file master.key --output front-door.json
    """
    if time_zone is not None:
        zone(time_zone)
    with options.opened(key_file, vendor, ledger, allow_weak) as issuer:
        made = issuer.provision(device, time_zone=time_zone, generation=generation)
    if output is None:
        typer.echo(made.to_json(), nl=False)
    else:
        _write(output, made.to_json())
    where = "" if output is None else f" in {output}"
    note(f"The document{where} holds the secret token of {device!r} (check value {made.token.check_value}): keep it as you keep a key.")


def _write(path: Path, document: str) -> None:
    """Write a new file that only its owner may read. A secret is never written over another file, which others may read."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as cause:
        raise ProvisioningError(f"the provisioning file {str(path)!r} cannot be made: {cause.strerror}") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(document)
