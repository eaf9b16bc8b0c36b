"""The options that commands share, and what their values mean: keys, vendors, ledgers, and times."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Annotated, Final

import typer

from offlinepin.cli.show import note
from offlinepin.engine.clock import check_moment, zone
from offlinepin.engine.profile import Profile
from offlinepin.errors import KeyMaterialError, NaiveDatetimeError, RequestError, UnwrapError, VendorError
from offlinepin.issuer import Issuer
from offlinepin.keys import ENVIRONMENT_VARIABLE, MasterKey
from offlinepin.ledger import Place, RequestKey, SqliteLedger, Taken
from offlinepin.provisioning import Provisioning
from offlinepin.vendor import Vendor, discover, load, resolve

PASSPHRASE_VARIABLE: Final = "OFFLINEPIN_PASSPHRASE"  # noqa: S105  (its name, not its value)
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d", re.ASCII)

KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key-file",
        envvar="OFFLINEPIN_KEY_FILE",
        help=f"The master key's file. Without one, the key is taken from the environment variable {ENVIRONMENT_VARIABLE}. "
        f"The passphrase of a wrapped key comes from {PASSPHRASE_VARIABLE} or is asked for.",
    ),
]
VendorName = Annotated[
    str | None,
    typer.Option(
        "--vendor", "--profile", envvar="OFFLINEPIN_VENDOR", help="An installed vendor's name, or the path of a profile document (JSON)."
    ),
]
LedgerFile = Annotated[
    Path | None,
    typer.Option(
        "--ledger",
        help="The SQLite file that remembers which codes were handed out, so that none is handed out twice. "
        "Default: the key file's name with .ledger added, or ./offlinepin.ledger for a key from the environment.",
    ),
]
Now = Annotated[str | None, typer.Option("--now", help="The present, in ISO 8601 (2027-07-01T15:00+02:00). Default: the system's clock.")]
Zone = Annotated[
    str | None,
    typer.Option(
        "--zone", help="The lock's time zone: an IANA name (Europe/Berlin), UTC, or an offset. Times without an offset are in it."
    ),
]
Generation = Annotated[
    int | None,
    typer.Option(
        "--generation", min=0, help="The generation of the lock's token: how often it was rotated. Default: what the ledger knows."
    ),
]
AllowWeak = Annotated[bool, typer.Option("--allow-weak", help="Go on even where a blind guess opens more often than once in 1,000.")]


def moment(text: str, option: str, time_zone: str | None) -> datetime:
    """A time in ISO 8601, with an offset or in ``time_zone``; refused if the zone skips or repeats it."""
    try:
        if not _TIME.match(text):  # a bare date is no time, though datetime would take it for midnight
            raise ValueError
        parsed = datetime.fromisoformat(text)
    except ValueError:
        form = "write 2027-07-01T15:00+02:00, or 2027-07-01T15:00 with --zone"
        raise RequestError(f"{option} {text!r} is no time in ISO 8601; {form}") from None
    if parsed.tzinfo is None:
        if time_zone is None:
            raise NaiveDatetimeError(f"{option} {text!r} names no instant; add its offset, as in {text}+02:00, or give --zone")
        parsed = parsed.replace(tzinfo=zone(time_zone))
    return check_moment(parsed, option)


def present(text: str | None, time_zone: str | None) -> datetime:
    """The value of ``--now``."""
    return datetime.now(UTC) if text is None else moment(text, "--now", time_zone)


def time_of_day(text: str, option: str) -> time:
    """A time of day such as ``15:00``."""
    try:
        found = time.fromisoformat(text)
    except ValueError:
        raise RequestError(f"{option} {text!r} is no time of day; write 15:00") from None
    if found.tzinfo is not None:
        raise RequestError(f"{option} {text!r} is a time of day on the wall and takes no offset; give --zone")
    return found


def find_vendor(name: str | None) -> Vendor:
    """The vendor of a name or of a profile document's path."""
    if name is None:
        raise VendorError(f"no vendor is given; give --vendor with one of {', '.join(discover())}, or the path of a profile document")
    if name in discover():
        return load(name)
    path = Path(name)
    if not path.exists() and path.suffix != ".json" and path.name == name:
        return load(name)  # it names the vendors there are
    return resolve(Profile.load(path))


def master_key(key_file: Path | None) -> MasterKey:
    """The master key from a file or from the environment."""
    if key_file is None and not os.environ.get(ENVIRONMENT_VARIABLE):
        raise KeyMaterialError(f"no key is given; give --key-file (offlinepin key new makes one), or set {ENVIRONMENT_VARIABLE}")

    def read(passphrase: str | None) -> MasterKey:
        if key_file is None:
            return MasterKey.from_env(passphrase=passphrase)
        return MasterKey.from_file(key_file, passphrase=passphrase)

    try:
        found = read(None)
    except UnwrapError:
        return read(passphrase())
    if key_file is not None and os.name == "posix" and key_file.stat().st_mode & 0o077:
        note(f"Other users of this machine can get at the key file {str(key_file)!r}; chmod 600 makes it yours alone.")
    return found


def passphrase(confirm: bool = False) -> str:
    """The passphrase of the environment, or one that is typed at the terminal. ``UnwrapError`` where there is neither."""
    given = os.environ.get(PASSPHRASE_VARIABLE)
    if not given and not sys.stdin.isatty():
        raise UnwrapError(f"the key's passphrase is missing; give it in {PASSPHRASE_VARIABLE}, or at a terminal")
    return given or str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True))


class LateLedger:
    """An SQLite ledger that is made when the first code is handed out: a refused request leaves no file behind."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ledger: SqliteLedger | None = None

    def _open(self) -> SqliteLedger:
        if self._ledger is None:
            is_new = not self._path.exists()
            self._ledger = SqliteLedger(self._path)
            if is_new:
                note(f"A new ledger begins in {str(self._path)!r}. Keep it with the key: it knows which codes were handed out.")
        return self._ledger

    def recall(self, request: RequestKey) -> Taken | None:
        """See :meth:`Ledger.recall`."""
        return self._open().recall(request) if self._path.exists() else None

    def take(self, place: Place, variants: range, usable: Callable[[int], bool], request: RequestKey | None) -> Taken | None:
        """See :meth:`Ledger.take`."""
        return self._open().take(place, variants, usable, request)

    def take_many(self, places: Sequence[Place], variants: Sequence[range], usable: Callable[[int, int], bool]) -> list[Taken | None]:
        """See :meth:`Ledger.take_many`."""
        return self._open().take_many(places, variants, usable)

    def generation(self, device_id: str) -> int:
        """See :meth:`Ledger.generation`."""
        return self._open().generation(device_id) if self._path.exists() else 0

    def step(self, device_id: str, generation: int) -> None:
        """See :meth:`Ledger.step`."""
        self._open().step(device_id, generation)

    def close(self) -> None:
        """Close the file if it was opened."""
        if self._ledger is not None:
            self._ledger.close()


@contextmanager
def opened(key_file: Path | None, vendor: str | None, ledger: Path | None, allow_weak: bool) -> Iterator[Issuer]:
    """The issuer that the options describe; its ledger is closed in the end."""
    if ledger is None:
        ledger = Path("offlinepin.ledger" if key_file is None else f"{key_file}.ledger")
    found = find_vendor(vendor)
    with closing(LateLedger(ledger)) as book:
        yield Issuer(master_key(key_file), found, book, allow_weak=allow_weak)


def provisioned(
    provision: Path | None,
    device: str | None,
    vendor: str | None,
    key_file: Path | None,
    time_zone: str | None,
    ledger: Path | None,
    generation: int | None,
    allow_weak: bool,
) -> Provisioning | None:
    """The lock that the options describe: by its document, or by its device id, vendor and key. ``None`` if they describe none."""
    if provision is not None and device is not None:
        raise RequestError("give the lock as --provision FILE or as --device with --vendor and a key, not both")
    if provision is not None:
        return Provisioning.load(provision)
    if device is None:
        return None
    with opened(key_file, vendor, ledger, allow_weak) as issuer:
        return issuer.provision(device, time_zone=time_zone, generation=generation)
