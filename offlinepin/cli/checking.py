"""``check``: type a code at a simulated lock and see what it says."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from offlinepin.cli import options
from offlinepin.cli.show import plainly, read_line, show, when
from offlinepin.engine.clock import LockClock, zone
from offlinepin.engine.codec import ungrouped
from offlinepin.engine.payload import Grant, life
from offlinepin.errors import RequestError
from offlinepin.lock.simulator import Lock
from offlinepin.provisioning import Provisioning


@plainly
def check(
    code: Annotated[str | None, typer.Argument(help="The code. Left out or -, it is read from stdin, which no process list shows.")] = None,
    provision: Annotated[Path | None, typer.Option("--provision", help="The lock's provisioning document.")] = None,
    device: Annotated[str | None, typer.Option("--device", help="The lock's device id, instead of a document.")] = None,
    vendor: options.VendorName = None,
    key_file: options.KeyFile = None,
    time_zone: options.Zone = None,
    ledger: options.LedgerFile = None,
    generation: options.Generation = None,
    now: options.Now = None,
    allow_weak: options.AllowWeak = False,
) -> None:
    """Check a code as a lock would that has never seen one: no code used, none wrong, none superseded.

    Prints the lock's reason and, where the code reads as one, what it permits. Exit status: 0 opened, 1 refused, 2 error.

    Example: echo 123 456 789 | offlinepin check --provision front-door.json --now 2027-07-01T16:00+02:00

    Example: offlinepin check --device front-door --vendor igloo --key-file master.key
    """
    if (provision is None) == (device is None):
        raise RequestError("give the lock as --provision FILE, or as --device with --vendor and a key")
    made = options.provisioned(provision, device, vendor, key_file, time_zone, ledger, generation, allow_weak)
    assert made is not None  # one of the two is given
    at = options.present(now, time_zone or made.time_zone)
    typed = ungrouped(made.profile, read_line() if code in (None, "-") else code or "")
    decision = Lock(made).enter(typed, now=at)
    show(decision.reason.value)
    if decision.grant is not None:
        _print_grant(made, decision.grant, at, time_zone)
    raise typer.Exit(0 if decision.opened else 1)


def _print_grant(made: Provisioning, grant: Grant, at: datetime, time_zone: str | None) -> None:
    family, kind = grant.of(made.profile)
    held = life(made.profile, grant)
    clock = made.clock
    if clock.mode == "utc" and (time_zone or clock.where is None):
        clock = LockClock("utc", zone(time_zone) if time_zone else at.tzinfo)
    show(f"kind     {family.name}/{kind.name}, variant {grant.variant}{', opens once' if kind.uses else ''}")
    show(f"opens    {when(clock.first(held.starts))}")
    show(f"until    {when(None if held.ends is None else clock.last(held.ends))}")
    if held.use_by is not None:
        show(f"use by   {when(clock.last(held.use_by))}")
