"""``lock``: a lock on the terminal. Keys and a few words are typed at it or come from a script, and its file keeps it in between."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from offlinepin.cli import options
from offlinepin.cli.lockwords import Said, about, obey
from offlinepin.cli.show import FAILED, complain, plainly, show
from offlinepin.errors import OfflinepinError, ProvisioningError, RequestError
from offlinepin.lock.anydoor import MakeDoor, simulated
from offlinepin.lock.session import Session
from offlinepin.lock.statefile import StateFile
from offlinepin.provisioning import Provisioning


class Runner(StrEnum):
    """What runs the lock in C."""

    CORTEX_M0PLUS = "cortex-m0plus"
    CORTEX_M4 = "cortex-m4"
    HOST = "host"


_STYLES = {"opened": "bold green", "followed": "green", "power": "yellow", "dead": "bold red"}


@plainly
def lock(
    state: Annotated[
        Path, typer.Option("--state", help="The lock's file, made at the first start. It holds the lock's token: keep it secret.")
    ],
    script: Annotated[Path | None, typer.Option("--script", help="Take the lines of this file, instead of stdin's.")] = None,
    provision: Annotated[Path | None, typer.Option("--provision", help="First start: the lock's provisioning document.")] = None,
    device: Annotated[str | None, typer.Option("--device", help="First start: the lock's device id, instead of a document.")] = None,
    vendor: options.VendorName = None,
    key_file: options.KeyFile = None,
    time_zone: options.Zone = None,
    ledger: options.LedgerFile = None,
    generation: options.Generation = None,
    now: Annotated[
        str | None,
        typer.Option(
            "--now",
            help="The true time, in ISO 8601. From then on it moves when the script moves it, and only then. Without it, the time of a "
            "new lock runs with the system's clock, and a lock that has a time of its own goes on where it was left.",
        ),
    ] = None,
    dst: Annotated[bool, typer.Option("--dst/--no-dst", help="First start: whether a civil clock knows when the clocks change.")] = True,
    allow_weak: options.AllowWeak = False,
    firmware: Annotated[
        bool, typer.Option("--firmware", help="The lock in C instead of the simulated one. Each goes on from the file that the other left.")
    ] = False,
    runner: Annotated[
        Runner, typer.Option("--on", help="With --firmware: the emulated part that runs it, or this machine.")
    ] = Runner.CORTEX_M0PLUS,
) -> None:
    """Work a lock: type codes, let time pass, move its clock, cut its power. Its file keeps it for the next time.

    A line is keys as they are typed (123456789#; # is the enter key and * the clear key of most locks, and spaces between groups are no
    keys), or a word: wait, at, clock, drift, cut, battery, rot, show, audit, wear, keys, help, quit. The word help explains them. A line
    that begins with ; is a comment. Starting a session is switching the power on.

    Exit status: 0, whatever the lock said; 2 for a line that makes no sense, after which the lock is as the lines before it left it.

    Example: offlinepin lock --device front-door --vendor igloo --key-file master.key --state front.lock

    Example: offlinepin lock --state front.lock --now 2027-07-01T15:00+02:00 < script.txt

    Example: offlinepin lock --state front.lock --firmware --on cortex-m4
    """
    file = StateFile(state)
    made = options.provisioned(provision, device, vendor, key_file, time_zone, ledger, generation, allow_weak)
    with _doors(runner if firmware else None) as make:
        session = _begin(file, made, now, time_zone, dst, make)
        file.save(session.kept())
        if script is None and sys.stdin.isatty():
            _talk(file, session)
        else:
            _read(file, session, script)


@contextmanager
def _doors(runner: Runner | None) -> Iterator[MakeDoor]:
    """What switches the door on: the simulated lock, or the lock in C, built into a folder that is gone in the end."""
    if runner is None:
        yield simulated
        return
    try:
        from offlinepin.firmware.door import FirmwareDoors
    except ModuleNotFoundError as cause:
        raise RequestError(f"--firmware needs the package {cause.name}; install it with: pip install 'offlinepin[firmware]'") from None
    with tempfile.TemporaryDirectory(prefix="offlinepin-lock-") as folder:
        yield FirmwareDoors(runner, Path(folder))


def _read(file: StateFile, session: Session, script: Path | None) -> None:
    """Take the lines of a script, or of stdin, until quit or their end."""
    show(*(said.text for said in about(session)))
    for number, line in enumerate(script.read_bytes().splitlines() if script is not None else sys.stdin.buffer, 1):
        try:
            said = obey(session, _decoded(line))
            file.save(session.kept())
        except OfflinepinError as error:
            complain(error, f"line {number}: ")
            raise typer.Exit(FAILED) from None
        if said is None:
            return
        show(*(part.text for part in said))


def _begin(file: StateFile, made: Provisioning | None, now: str | None, time_zone: str | None, dst: bool, make: MakeDoor) -> Session:
    """The lock of the file, or a new one where there is no file."""
    kept = file.load()
    if kept is None:
        if made is None:
            raise RequestError(
                f"there is no file {str(file.path)!r} yet; give its lock as --provision FILE, or as --device with --vendor and a key"
            )
        return Session.new(made, options.present(now, time_zone or made.time_zone), runs=now is None, follows_dst=dst, make=make)
    if made is not None and made.to_json() != kept.provisioning:
        raise ProvisioningError(
            f"the lock in {str(file.path)!r} was provisioned otherwise than these options say; leave them out to go on with it, "
            "or name a new file with --state"
        )
    session = Session(kept, make=make)
    if now is not None:
        session.move_to(options.moment(now, "--now", time_zone or session.provisioning.time_zone), runs=False)
    elif kept.runs:
        session.catch_up(options.present(None, None))
    return session


def _decoded(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise RequestError("the line is not UTF-8; a script is text in UTF-8") from None


# --- at a terminal ------------------------------------------------------------------------------------------------


def _talk(file: StateFile, session: Session) -> None:
    """Take lines from a terminal until quit, or the end of input."""
    console = Console(highlight=False, markup=False, emoji=False)
    _display(console, about(session), session.provisioning.device_id)
    console.print("help lists what can be typed, quit leaves; the lock stays in its file", style="dim")
    for line in _lines(console, session):
        try:
            said = obey(session, line)
            file.save(session.kept())
        except OfflinepinError as error:
            complain(error)
            continue
        if said is None:
            return
        is_table = line.split()[:1] in (["show"], ["help"], ["wear"])
        _display(console, said, line.strip() if is_table else "")


def _lines(console: Console, session: Session) -> Iterator[str]:
    while True:
        reading = session.clock.reading(session.at)
        shown = "--:--" if reading is None else f"{timedelta(seconds=reading % 86_400 // 60 * 60)}"[:-3].zfill(5)
        try:
            yield console.input(Text(f"{shown} > ", style="bold cyan"))
        except EOFError:
            console.print()
            return
        except KeyboardInterrupt:  # the line is dropped, as the clear key drops an entry
            console.print()


def _display(console: Console, said: list[Said], title: str) -> None:
    text = Text("\n").join(Text(part.text, style=_STYLES.get(part.tone, "")) for part in said)
    if said:
        console.print(Panel(text, title=title, title_align="left", expand=False) if title else text)
