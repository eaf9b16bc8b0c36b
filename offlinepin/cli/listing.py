"""``vendors`` and ``profile``: what there is to choose from, and its rules."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated

import typer

from offlinepin.cli import options
from offlinepin.cli.show import FAILED, complain, fill, plainly, show, table
from offlinepin.engine.profile import Family, Kind
from offlinepin.errors import VendorError
from offlinepin.vendor import discover, load

ProfileName = Annotated[str, typer.Argument(help="An installed vendor's name, or the path of a profile document (JSON).")]


@plainly
def vendors() -> None:
    """List the installed vendors.

    Example: offlinepin vendors
    """
    rows = []
    failed = False
    for name in discover():
        try:
            vendor = load(name)
        except VendorError as error:
            complain(error)
            failed = True
            continue
        rows.append((name, vendor.title, vendor.profile.clock, ", ".join(f.name for f in vendor.profile.families)))
    show(fill(table("Name!", "Title", "Clock!", "Families"), rows))
    if failed:
        raise typer.Exit(FAILED)


@plainly
def profile(
    name: ProfileName,
    json: Annotated[bool, typer.Option("--json", help="Print the profile document itself.")] = False,
) -> None:
    """Show the rules of a vendor or of a profile document: what its codes can be.

    Example: offlinepin profile igloo

    Example: offlinepin profile igloo --json > mine.json
    """
    found = options.find_vendor(name).profile
    if json:
        typer.echo(found.json_text(), nl=False)
        return
    show(f"{found.name}: {found.clock} clock, keys {found.alphabet}, digest {found.digest.hex()}")
    for family in found.families:
        rows = ((k.name, k.action.value, k.describe_durations(), str(k.variants), _rules(k)) for k in family.kinds)
        show(_family_title(family), fill(table("Kind!", "Action!", "Durations", "Variants>", "Rules"), rows))
    policy, lockout = found.lock, found.lock.lockout
    show(
        f"Lock: tolerance {policy.tolerance} s; remembers {policy.capacity} codes; {lockout.free} wrong entries are free, then waits of "
        f"{lockout.delay} s growing by {lockout.growth} up to {lockout.cap} s; one is forgiven every {lockout.leak} s."
    )


def _family_title(family: Family) -> str:
    prefix = f"prefix {family.prefix}, " if family.prefix else ""
    return f"{family.name}: {prefix}{family.length} sealed symbols, durations in slots of {timedelta(seconds=family.slot)}"


def _rules(kind: Kind) -> str:
    return "; ".join(_rule_words(kind)) or "-"


def _rule_words(kind: Kind) -> Iterator[str]:
    if kind.uses:
        yield "opens once"
    if kind.activation:
        yield f"first use within {kind.activation} slots"
    if kind.linger:
        yield f"ends {kind.linger} s after first use"
    if kind.opens or kind.closes:
        yield f"start {_shift(kind.opens)}, end {_shift(kind.closes)} on the slot"
    if kind.hours != (0, 86_400):
        yield f"from {_clock(kind.hours[0])} to {_clock(kind.hours[1])}"
    if kind.weekdays != 127:
        yield "on " + " ".join(day for bit, day in enumerate(("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")) if kind.weekdays >> bit & 1)
    if kind.supersedes:
        yield f"supersedes earlier of {kind.supersedes}"


def _shift(seconds: int) -> str:
    return f"{'-' if seconds < 0 else '+'}{_clock(abs(seconds))}"


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds % 3600 // 60:02d}"
