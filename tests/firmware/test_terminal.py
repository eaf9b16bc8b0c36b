"""The C lock at the terminal: whatever is typed at it and done to it, it says what the simulated lock says, and leaves the same file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain, repeat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from offlinepin_oracode import UserLevel
from offlinepin_oracode import vendor as oracode
from typer.testing import CliRunner

from offlinepin import Issuer, MasterKey, Provisioning
from offlinepin.cli.app import app
from offlinepin.cli.lockwords import about, obey
from offlinepin.errors import OfflinepinError
from offlinepin.firmware import build
from offlinepin.firmware.door import HOST, FirmwareDoors
from offlinepin.lock.anydoor import MakeDoor, simulated
from offlinepin.lock.session import Session

EXAMPLE = Path(__file__).parents[2] / "examples" / "lock.txt"
KEY = MasterKey(bytes(range(32)))
START = datetime(2027, 7, 1, 13, tzinfo=UTC)
ZONE = "Europe/Berlin"
Pair = tuple[Session, Session]


@pytest.fixture(scope="module")
def in_c(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Provisioning, str], MakeDoor]:
    """Doors with the C lock of a product in them; each product is built once for each runner."""
    made: dict[tuple[str, str], MakeDoor] = {}

    def doors(provisioning: Provisioning, runner: str = HOST) -> MakeDoor:
        key = provisioning.profile.json_text() + provisioning.keypad.model_dump_json(), runner
        if key not in made:
            made[key] = FirmwareDoors(runner, tmp_path_factory.mktemp(runner))
        return made[key]

    return doors


def pair(provisioning: Provisioning, make: MakeDoor, at: datetime = START) -> Pair:
    """A simulated lock and a C lock, both new."""
    return Session.new(provisioning, at), Session.new(provisioning, at, make=make)


def says(session: Session, line: str) -> list[str]:
    """What the lock says to a line, and what is left of it in its file."""
    try:
        said = obey(session, line) or []
    except OfflinepinError as refusal:
        return [f"{refusal.code}: {refusal}"]
    return [f"{part.tone}: {part.text}" for part in (*said, *about(session))]


def compare(pair: Pair, line: str) -> None:
    simulated_lock, c_lock = pair
    assert says(c_lock, line) == says(simulated_lock, line), line
    assert c_lock.kept() == simulated_lock.kept(), line


# --- a script -----------------------------------------------------------------------------------------------------

LINES = EXAMPLE.read_text().splitlines()


@pytest.mark.parametrize("runner", ["cortex-m0plus", "cortex-m4", HOST])
def test_the_example_says_the_same_at_the_c_lock(runner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OFFLINEPIN_MASTER_KEY", bytes(range(32)).hex())
    first = ("--vendor", "igloo", "--device", "front-door", "--zone", ZONE, "--now", "2027-07-01T12:00+02:00")
    files = [tmp_path / name for name in ("simulated", "c")]
    answers = [
        CliRunner().invoke(app, ["lock", *first, "--state", str(file), "--script", str(EXAMPLE), *more])
        for file, more in zip(files, ((), ("--firmware", "--on", runner)), strict=True)
    ]
    assert [answer.exit_code for answer in answers] == [0, 0]
    said = [answer.stdout.splitlines() for answer in answers]
    assert said[1] == said[0] == [line[3:] for line in LINES if line.startswith(";= ")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_each_kind_of_lock_goes_on_where_the_other_was_left(in_c: Callable[..., MakeDoor]) -> None:
    made = Issuer(KEY, "igloo").provision("front-door", time_zone=ZONE)
    at = START - timedelta(hours=3)
    alone, in_turn = Session.new(made, at), Session.new(made, at)
    doors = chain.from_iterable(repeat((in_c(made), simulated)))
    for number, line in enumerate(line for line in LINES if line and not line.startswith(";")):
        if number % 3 == 0:
            alone, in_turn = Session(alone.kept()), Session(in_turn.kept(), make=next(doors))
        compare((alone, in_turn), line)


# --- sessions -----------------------------------------------------------------------------------------------------


def _guests() -> Issuer:
    """A product whose codes may be followed by a personal code, and by passage commands."""
    may = frozenset({"passage_mode", "personal_code"})
    clock = {"check_in_time": "15:00:00", "check_out_time": "11:00:00"}
    return Issuer(KEY, oracode(levels=[UserLevel(id="guest", name="Guest", prefix="1", privileges=may, **clock)]))


ISSUERS: dict[str, Callable[[], Issuer]] = {
    "oracode": _guests,
    **{name: partial(Issuer, KEY, name) for name in ("igloo", "standard", "hotel")},
}


def _codes(issuer: Issuer) -> list[str]:
    """Codes that have begun, will begin, open once, and do something to the lock."""
    found = []
    for start, hours, once in ((0, 68, False), (0, 48, True), (24, 20, False), (-48, 44, False), (2, 30, True)):
        begins = START + timedelta(hours=start)
        try:
            pin = issuer.issue("d", begins, begins + timedelta(hours=hours), one_time=once, time_zone=ZONE, now=min(begins, START))
        except OfflinepinError:
            continue  # this product has no such code
        found.append(pin.code)
    return found


WORDS = [
    "wait 3s", "wait 11s", "wait 31s", "wait 6min", "wait 3h", "wait 26h", "clock +10min", "clock -1h", "clock lose", "clock set",
    "drift 100", "cut", "cut after 0", "cut after 2", "cut after 4", "cut after 9", "battery", "show", "audit", "wear",
    "at 2027-07-02T09:00",
]  # fmt: skip
TAILS = ["2#", "3#", "246810#", "135791#", "1*", "12345#", "123456789#", "923456789#", "0" * 70 + "#", "##"]


@pytest.mark.parametrize("name", ISSUERS)
def test_a_session_of_any_kind_says_the_same_at_the_c_lock(name: str, in_c: Callable[..., MakeDoor]) -> None:
    issuer = ISSUERS[name]()
    made = issuer.provision("d", time_zone=ZONE)
    codes = [f"{code}#" for code in _codes(issuer)]
    assert codes
    make = in_c(made)
    typed = st.sampled_from(codes) | st.sampled_from(TAILS)
    rot = st.tuples(st.integers(0, 4000), st.integers(0, 7)).map(lambda place: f"rot {place[0]} {place[1]}")
    line = typed | st.sampled_from(WORDS) | st.tuples(st.sampled_from(codes), st.sampled_from(TAILS)).map("".join)

    @settings(max_examples=10)
    @given(st.lists(line, min_size=5, max_size=40), st.lists(rot, max_size=2), st.lists(line, max_size=10))
    def check(lines: list[str], aged: list[str], after: list[str]) -> None:
        both = pair(made, make)
        for done in (*lines, *aged, *(["cut"] if aged else []), *after):
            compare(both, done)

    check()


# --- troubles -----------------------------------------------------------------------------------------------------


def _lost(session: Session) -> Iterator[str]:
    """Lines after which nothing of a lock's memory can be read."""
    size = session.flash.page_size * session.flash.pages
    yield from (f"rot {at} 3" for at in range(16, size, session.flash.page_size))


def test_a_lock_whose_memory_is_lost_or_damaged_says_the_same_words(in_c: Callable[..., MakeDoor]) -> None:
    made = Issuer(KEY, "igloo").provision("d", time_zone=ZONE)
    both = pair(made, in_c(made))
    for line in (*_lost(both[0]), "cut", "show", "123456789#"):
        compare(both, line)
    assert both[1].trouble == "the lock's state is lost; it must be provisioned again"

    both = pair(made, in_c(made))
    for line in ("123456789#", "223456789#"):
        compare(both, line)
    end = len(both[0].flash.read(0, both[0].flash.page_size * both[0].flash.pages).rstrip(b"\xff"))
    for line in (f"rot {end - 5} 1", "clock lose", "cut", "show", "clock set", "cut", "show"):
        compare(both, line)


@pytest.mark.parametrize("place", range(16, 600, 73))
def test_a_bit_that_flips_while_the_power_is_on_leads_to_the_same_words(place: int, in_c: Callable[..., MakeDoor]) -> None:
    """Not to the same file: the C lock finds what to write by reading its flash, the simulated lock remembers what it wrote."""
    made = Issuer(KEY, "igloo").provision("d", time_zone=ZONE)
    both = pair(made, in_c(made))
    for line in ("123456789#", f"rot {place} {place % 8}", "223456789#", "323456789#", "cut", "show", "423456789#", "cut", "show"):
        assert says(both[1], line) == says(both[0], line), line


def test_without_the_sources_or_the_emulator_one_line_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Issuer(KEY, "igloo").provision("d", time_zone=ZONE).save(tmp_path / "door.json")
    monkeypatch.chdir(tmp_path)
    command = ["lock", "--provision", "door.json", "--state", "door.lock", "--firmware"]
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(build, "__file__", str(tmp_path / "site-packages" / "offlinepin" / "firmware" / "build.py"))
        done = CliRunner().invoke(app, command)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "checkout of offlinepin" in done.stderr
    assert done.stderr.count("\n") == 1
    for module in ("door", "emulator"):
        monkeypatch.delitem(sys.modules, f"offlinepin.firmware.{module}")
    monkeypatch.setitem(sys.modules, "unicorn", None)
    done = CliRunner().invoke(app, command)
    assert (done.exit_code, done.stdout) == (2, "")
    assert (
        done.stderr
        == "error [invalid_request]: --firmware needs the package unicorn; install it with: pip install 'offlinepin[firmware]'\n"
    )
    assert not Path("door.lock").exists()
