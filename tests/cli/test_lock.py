"""``offlinepin lock``: a lock on the terminal whose file survives whatever happens to the session, and a script's every line."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from offlinepin_oracode import UserLevel
from offlinepin_oracode import vendor as oracode
from typer.testing import CliRunner

from offlinepin import Issuer, MasterKey, Profile, Provisioning
from offlinepin.cli.app import app
from offlinepin.cli.lockwords import WORDS, obey
from offlinepin.engine.codec import seal
from offlinepin.engine.payload import Grant
from offlinepin.engine.token import KEY_BYTES
from offlinepin.errors import StateError
from offlinepin.lock.flash import WORD
from offlinepin.lock.session import Session, wear_of_an_opening
from offlinepin.lock.statefile import Kept, StateFile

OFFLINEPIN = Path(sys.executable).with_name("offlinepin")
EXAMPLE = Path(__file__).parents[2] / "examples" / "lock.txt"
KEY = MasterKey(bytes(range(32)))
NOW = "2027-07-01T15:00+02:00"
START = datetime.fromisoformat(NOW)
FIRST = ("--provision", "igloo.json", "--now", NOW)


def issuer(vendor: str = "igloo") -> Issuer:
    return Issuer(KEY, vendor)


def provisioning(vendor: str = "igloo") -> Provisioning:
    return issuer(vendor).provision("d", time_zone="Europe/Berlin")


def stay_code(hours: int = 72) -> str:
    return issuer().issue("d", START, START + timedelta(hours=hours), now=START).code


def one_time_code() -> str:
    return issuer().issue("d", START, one_time=True, now=START).code


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the documents of an igloo lock and of an Oracode door in it."""
    for name in ("OFFLINEPIN_MASTER_KEY", "OFFLINEPIN_KEY_FILE", "OFFLINEPIN_PASSPHRASE", "OFFLINEPIN_VENDOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    KEY.save("my.key")
    for vendor in ("igloo", "oracode"):
        provisioning(vendor).save(f"{vendor}.json")
    return tmp_path


def run(*args: str, script: Iterable[str] | bytes = ()) -> tuple[int, list[str], str]:
    """Status, lines of stdout, and stderr of a session with the file ``door.lock``."""
    given = script if isinstance(script, bytes) else "".join(f"{line}\n" for line in script).encode()
    done = CliRunner().invoke(app, ["lock", "--state", "door.lock", *args], input=given)
    return done.exit_code, done.stdout.splitlines(), done.stderr


def said(*lines: str, session: Session | None = None) -> list[str]:
    """What a lock without a terminal says to lines."""
    session = Session.new(provisioning(), START) if session is None else session
    return [part.text for line in lines for part in obey(session, line) or []]


def left(session: Session) -> Session:
    """The lock as a later session finds it."""
    return Session(Kept.model_validate_json(session.kept().model_dump_json()))


# --- scripts ------------------------------------------------------------------------------------------------------


def test_the_example_says_what_stands_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OFFLINEPIN_MASTER_KEY", bytes(range(32)).hex())
    first = ("--vendor", "igloo", "--device", "front-door", "--zone", "Europe/Berlin", "--now", "2027-07-01T12:00+02:00")
    status, out, err = run(*first, "--script", str(EXAMPLE))
    assert (status, err) == (0, "")
    assert out == [line[3:] for line in EXAMPLE.read_text().splitlines() if line.startswith(";= ")]
    assert {line.split()[0] for line in out} > {"opened", "used", "unknown", "throttled", "too_early", "revoked", "clock_lost"}


def test_stdin_and_a_script_file_say_the_same_each_time() -> None:
    Path("script.txt").write_text(f"; a stay\n\n{stay_code()}#\nshow\nquit\nnonsense\n")
    answers = []
    for feed in ((), (), ("--script", "script.txt")):
        Path("door.lock").unlink(missing_ok=True)
        answers.append(run(*FIRST, *feed, script=Path("script.txt").read_bytes()))
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0] == 0


def test_a_lock_goes_on_from_its_file_alone_at_the_time_at_which_it_was_left() -> None:
    code = one_time_code()
    assert run(*FIRST, script=[f"{code}#", "wait 1h 30min"])[1][-1].startswith("time     2027-07-01T16:30+02:00")
    status, out, _ = run(script=[f"{code}#"])
    assert status == 0
    assert out[3].startswith("time     2027-07-01T16:30+02:00")
    assert out[4].startswith("used ")
    assert run("--now", "2027-07-01T15:00Z")[1][3].startswith("time     2027-07-01T17:00+02:00")


SCRIPT = [line for line in EXAMPLE.read_text().splitlines() if line and not line.startswith(";")]


@settings(max_examples=12)
@given(st.integers(0, len(SCRIPT)))
def test_a_session_that_ends_is_a_power_cut_and_nothing_more(at: int) -> None:
    made = issuer().provision("front-door", time_zone="Europe/Berlin")
    cut = Session.new(made, START - timedelta(hours=3))
    parted = Session.new(made, START - timedelta(hours=3))
    assert said(*SCRIPT[:at], session=cut) == said(*SCRIPT[:at], session=parted)
    said("cut", session=cut)
    parted = left(parted)
    rest = [line for line in SCRIPT[at:] if not line.startswith("rot")]  # where the journal stands may differ by a torn word
    assert said(*rest, "show", session=cut) == said(*rest, "show", session=parted)


# --- the words ----------------------------------------------------------------------------------------------------


def test_every_word_is_in_the_help_and_does_something() -> None:
    session = Session.new(provisioning(), START - timedelta(days=1))
    lines = said("help", session=session)
    assert len(lines) == len(WORDS) + 2
    for name, word in WORDS.items():
        assert any(line.startswith(word.usage) for line in lines)
        example = word.usage.split(" | ")[0].replace("123#", "1#")
        answer = obey(session, example)
        assert answer is None if name == "quit" else answer is not None and (answer or name == "audit")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10min", 600), ("3h", 10_800), ("2d", 172_800), ("1w", 604_800), ("1h 30min", 5400), ("1 h", 3600)]
)
def test_time_passes_by_wait_and_at(text: str, seconds: int) -> None:
    session = Session.new(provisioning(), START)
    said(f"wait {text}", session=session)
    assert session.at == START + timedelta(seconds=seconds)
    said("at 2028-01-01T00:00", session=session)
    assert session.at == datetime(2027, 12, 31, 23, tzinfo=UTC)


def test_the_clock_is_moved_lost_and_set_and_the_lock_goes_by_it() -> None:
    code = f"{stay_code()}#"
    early = said("clock -1h", code)
    assert early[0] == "time     2027-07-01T15:00+02:00, the clock shows 2027-07-01T12:00:00Z, 1 h behind"
    assert early[1].startswith("too_early access/hourly, variant 0, from 2027-07-01T15:00+02:00 until 2027-07-04T15:00+02:00;")
    assert said("clock lose", code)[1] == "clock_lost the bolt stays"
    assert said("clock lose", "clock set", code)[2].startswith("opened ")
    assert said("drift 100", "wait 10d")[1].endswith("T13:01:26Z, 1 min 26 s ahead")
    assert said("drift -3.5")[0] == "clock    runs 3.5 ppm slow"


def test_a_change_of_temperature_does_not_find_a_lost_clock() -> None:
    assert said("clock lose", "drift 40", "wait 1h")[-1].endswith("the clock is lost")


def test_a_cut_at_any_flash_write_never_opens_a_one_time_code_twice() -> None:
    code = f"{one_time_code()}#"
    for writes in count():
        session = Session.new(provisioning(), START)
        first, second = said(f"cut after {writes}", code, session=session)[1], said(code, session=session)[0]
        if first.startswith("opened"):
            break
        assert first.startswith("power    gone at a flash write, and back; the bolt had")
        assert second.startswith("used" if "the bolt had moved" in first else ("opened", "used"))
    assert writes > 8


def test_a_cut_to_come_is_off_once_the_power_went_otherwise() -> None:
    session = Session.new(provisioning(), START)
    said("cut after 0", "cut", session=session)
    assert said(f"{stay_code()}#", session=session)[0].startswith("opened")
    said("cut after 0", session=session)
    assert said(f"{stay_code()}#", session=left(session))[0].startswith("opened")


def test_keys_after_a_power_cut_in_the_same_line_are_not_pressed() -> None:
    session = Session.new(provisioning(), START)
    assert len(said("cut after 0", f"{stay_code()}#{stay_code()}#", session=session)) == 2
    assert len(said(f"{stay_code()}#{stay_code()}#", session=session)) == 2


def test_an_entry_may_be_typed_over_several_lines_and_in_groups() -> None:
    code = stay_code()
    answers = said(code[:4], f"{code[4:]}#", f"{code[:3]}-{code[3:6]} {code[6:]} #", "12*", f"keys {code}#")
    assert answers[0] == "typing   # ends the entry"
    assert [answer.split()[0] for answer in answers[1:]] == ["opened"] * 3


def test_throttling_says_how_long_and_show_agrees() -> None:
    session = Session.new(provisioning(), START)
    said(*(f"{n:09}#" for n in range(1, 6)), "wait 10s", session=session)
    assert said("000000009#", session=session) == ["throttled wait 4 min 50 s; the bolt stays"]
    assert "failures 5, locked for 4 min 50 s" in said("show", session=session)
    said("wait 4min 50s", session=session)
    assert "failures 5" in said("show", session=session)
    assert said(f"{stay_code()}#", session=session)[0].startswith("opened")


def test_show_tells_what_the_lock_knows() -> None:
    made = issuer()
    stay = made.issue("d", START, START + timedelta(days=3), now=START)
    other = made.issue("d", START, START + timedelta(days=2), now=START)
    codes = [stay.code, one_time_code(), made.revoke(other).code]
    session = Session.new(provisioning(), START)
    shown = said(*(f"{code}#" for code in codes), "cut after 9", "show", session=session)[4:]
    assert shown[0].startswith("lock     d, igloo-9, generation 0, check value ")
    assert shown[4:] == [
        "power    on for 0 s; the bolt has moved 2 times",
        "power    goes after 9 more flash writes",
        "failures 0",
        "floor    2027-07-01T15:00+02:00",
        "codes    1 of 199 remembered",
        "         access/hourly, variant 0, until 2027-07-04T15:00+02:00",
        "marks    1 of 120",
        "         access/onetime, variant 0, from 2027-07-01T15:00+02:00 until 2027-07-02T15:00+02:00",
        "revoked  1",
        "         access/hourly, variant 0, from 2027-07-01T15:00+02:00 until 2027-07-03T15:00+02:00",
        "passage  off",
    ]


def test_a_rotated_lock_shows_the_check_value_that_its_issuer_expects() -> None:
    code = issuer().rotate("d", time_zone="Europe/Berlin", now=START)
    session = Session.new(provisioning(), START)
    assert said(f"{code.code}#", session=session)[0].endswith(f"generation 1, check value {code.check_value}")
    assert f"generation 1, check value {code.check_value}" in said("show", session=left(session))[0]


def test_a_civil_door_shows_wall_time_and_utc_and_its_follow_ups() -> None:
    level = UserLevel(
        id="guest",
        name="Guest",
        prefix="1",
        check_in_time="15:00:00",
        check_out_time="11:00:00",
        privileges=frozenset({"passage_mode", "personal_code"}),
    )
    made = Issuer(KEY, oracode(levels=[level]))
    pin = made.issue("d", START, START + timedelta(days=3, hours=-4), time_zone="Europe/Berlin", now=START)
    session = Session.new(made.provision("d", time_zone="Europe/Berlin"), START + timedelta(hours=1))
    opened = said(f"{pin.code}#", "2#", session=session)
    assert opened[0].startswith("opened   Guest/stay")
    assert "from 2027-07-01T15:00+02:00 (2027-07-01T13:00Z) until 2027-07-04T11:00+02:00 (2027-07-04T09:00Z)" in opened[0]
    assert opened[1] == "followed passage is on"
    assert said("show", session=session)[-1] == "passage  on"
    answers = said(f"{pin.code}#", "3#", f"{pin.code}#", "246810#", "246810#", "show", session=session)
    assert answers[1] == "followed passage is off"
    assert answers[3] == "followed the personal code is chosen"
    assert answers[4].startswith("opened   Guest/stay")
    assert "newest   of Guest: from 2027-07-01T15:00+02:00 (2027-07-01T13:00Z), variant 0" in answers
    assert answers[-2].startswith("personal Guest/stay")


@pytest.mark.parametrize(("more", "clock"), [((), "the clock is right"), (("--no-dst",), "2027-10-31T12:00:00, 1 h ahead")])
def test_a_civil_clock_may_not_know_when_the_clocks_change(more: tuple[str, ...], clock: str) -> None:
    line = "at 2027-10-31T11:00"
    out = run("--provision", "oracode.json", "--now", NOW, *more, script=[line])[1]
    assert out[-1].startswith("time     2027-10-31T11:00+01:00 (2027-10-31T10:00Z), ")
    assert out[-1].endswith(clock)
    assert run()[1][-1] == out[-1]


def test_a_lock_with_a_passage_kind_says_whether_it_stays_open(document: dict[str, object]) -> None:
    made = Issuer(KEY, Profile.parse(json.dumps(document).replace('"unlock"', '"passage"'))).provision("d")
    code = seal(made.profile, made.token, Grant(0, 0, int(START.timestamp()) // 3600, 48, 0))
    session = Session.new(made, START)
    answers = said(f"{code}#", f"{code}#", session=session)
    assert answers[0].endswith("from 2027-07-01T13:00Z until 2027-07-03T13:00Z; the bolt moves, passage is on")
    assert answers[1].endswith("the bolt moves, passage is off")


def test_the_audit_log_outlives_a_session_but_no_battery_change() -> None:
    session = Session.new(provisioning(), START)
    said("123456789#", "1#", session=session)
    session = left(session)
    said(f"{stay_code()}#", session=session)
    entries = [json.loads(line) for line in said("audit", session=session)]
    assert [entry["reason"] for entry in entries] == ["unknown", "malformed", "opened"]
    said("battery", session=session)
    assert said("audit", session=session) == []


def test_the_wear_of_an_opening_is_what_openings_cost() -> None:
    """Measured on one opening's records; a month of openings comes to the same."""
    session = Session.new(provisioning(), START)
    code = f"{stay_code(672)}#"
    said(code, session=session)
    assert session.door is not None
    words, erases = wear_of_an_opening(session.door)
    before = session.flash.words, sum(session.flash.wear)
    for _ in range(400):
        said("wait 1h", code, session=session)
    assert session.bolt_moves == 401
    assert (session.flash.words - before[0]) / 400 == pytest.approx(words, rel=0.15)
    assert (sum(session.flash.wear) - before[1]) / 400 == pytest.approx(erases, rel=0.2)


def test_a_part_lasts_half_as_long_at_twice_the_openings() -> None:
    years = [float(said(f"wear {n}")[2].split()[1].replace(",", "")) for n in (20, 40)]
    assert years[0] == pytest.approx(2 * years[1], rel=0.02)
    assert said("wear")[2] == said("wear 20")[2]


# --- a lock that is beyond use ------------------------------------------------------------------------------------


def test_a_lock_whose_state_is_lost_says_so_and_its_file_still_opens() -> None:
    dead = "dead     the lock's state is lost; it must be provisioned again"
    status, out, err = run(*FIRST, script=["rot 0x10 0", "cut", f"{stay_code()}#", "wait 1h", "wear", "show"])
    assert (status, err) == (0, "")
    assert out[5:8] == ["power    off and on", dead, dead]
    assert dead in run(script=["12#"])[1]


def test_a_damaged_lock_without_a_clock_comes_back_when_its_clock_is_set() -> None:
    session = Session.new(provisioning(), START)
    said(f"{stay_code()}#", "wait 1min", f"{stay_code()}#", session=session)
    assert session.door is not None
    place = 12 + -(-(session.door.layout.size + KEY_BYTES) // WORD) * WORD + WORD  # the first change behind the snapshot
    answers = said(f"rot {place} 3", "battery", "12#", "clock set", "cut", session=session)
    assert answers[2] == answers[4] == "dead     the lock's state is damaged and its clock is lost; it must be provisioned again"
    assert answers[-1].startswith("state    damaged: ")
    assert said(f"{stay_code()}#", session=session)[0].startswith("revoked")


# --- lines that make no sense -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "code", "right"),
    [
        ("wiat 3h", "invalid_request", "wait, at, clock"),
        ("wait", "invalid_request", "wait 3h"),
        ("wait 3", "invalid_request", "wait 3h"),
        ("wait -3h", "invalid_request", "wait 3h"),
        ("wait 3 parsecs", "invalid_request", "s, min, h, d, w"),
        ("wait 999999999w", "invalid_request", "2240"),
        ("wait 20000w", "invalid_request", "2240"),
        ("at 2027-07-01T14:59+02:00", "invalid_request", "only goes forward"),
        ("at noon", "invalid_request", "2027-07-01T15:00+02:00"),
        ("at 2027-10-31T02:30", "ambiguous_time", "+01:00"),
        ("at 2028-03-26T02:30", "nonexistent_time", "does not exist"),
        ("clock", "invalid_request", "clock +10min"),
        ("clock 10min", "invalid_request", "clock +10min"),
        ("clock -4000w", "invalid_request", "1970"),
        ("drift nan", "invalid_request", "drift 40"),
        ("drift 1000000", "invalid_request", "100000"),
        ("cut after", "invalid_request", "cut after 3"),
        ("cut after -1", "invalid_request", "cut after 3"),
        ("battery now", "invalid_request", "nothing more"),
        ("rot 12", "invalid_request", "rot 0x40 7"),
        ("rot 0x4000 0", "invalid_request", "16383"),
        ("rot 0 8", "invalid_request", "0 to 7"),
        ("show all", "invalid_request", "nothing more"),
        ("audit 1", "invalid_request", "nothing more"),
        ("wear often", "invalid_request", "wear 50"),
        ("keys", "invalid_request", "neither keys"),
        ("help me", "invalid_request", "nothing more"),
        ("quit now", "invalid_request", "nothing more"),
        ("12345678a#", "invalid_code", "#*0123456789"),
        ("１２３#", "invalid_request", "#*0123456789"),
        ("12  34#", "invalid_code", "#*0123456789"),
        (b"12\xff", "invalid_request", "UTF-8"),
    ],
)
def test_a_line_that_makes_no_sense_is_named_and_the_lines_before_it_count(line: str | bytes, code: str, right: str) -> None:
    good = [f"{one_time_code()}#", "wait 0s"]
    raw = line if isinstance(line, bytes) else line.encode()
    status, out, err = run(*FIRST, script="\n".join(["; comment", *good, ""]).encode() + raw + b"\nwait 1h\n")
    assert status == 2
    assert err.startswith(f"error [{code}]: line 4: ")
    assert err.count("\n") == 1
    assert right in err
    assert len(out) == 6
    kept = Session(StateFile(Path("door.lock")).load() or pytest.fail("the file is gone"))
    assert kept.at == START
    assert said(good[0], session=kept)[0].startswith("used")


def test_a_clock_that_is_lost_cannot_be_moved() -> None:
    assert run(*FIRST, script=["clock lose", "clock +1h"])[2].startswith("error [invalid_request]: line 2: the lock's clock is lost")


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ((), "invalid_request"),
        (("--provision", "igloo.json", "--device", "d"), "invalid_request"),
        (("--device", "d", "--key-file", "my.key"), "unknown_vendor"),
        (("--device", "d", "--vendor", "oracode", "--key-file", "my.key"), "time_zone_required"),
        (("--provision", "my.key"), "invalid_provisioning"),
        (("--provision", "igloo.json", "--now", "2027-07-01"), "invalid_request"),
        (("--provision", "igloo.json", "--now", "1969-07-01T15:00Z"), "invalid_request"),
        (("--provision", "igloo.json", "--now", "2240-01-01T00:00Z"), "invalid_request"),
    ],
)
def test_a_lock_that_is_not_described_leaves_no_file(args: tuple[str, ...], code: str) -> None:
    status, out, err = run(*args, script=["show"])
    assert (status, out) == (2, [])
    assert err.startswith(f"error [{code}]: ")
    assert not Path("door.lock").exists()


def test_a_lock_that_is_there_is_not_made_into_another_one() -> None:
    assert run(*FIRST)[0] == 0
    before = Path("door.lock").read_bytes()
    assert run("--provision", "igloo.json")[0] == 0
    keyed = ("--device", "d", "--vendor", "igloo", "--key-file", "my.key")
    assert run(*keyed, "--zone", "Europe/Berlin")[0] == 0
    for args in (("--provision", "oracode.json"), keyed, ("--provision", "igloo.json", "--now", "2027-07-01T12:59Z")):
        status, out, err = run(*args)
        assert (status, out) == (2, [])
        assert err.startswith(("error [invalid_provisioning]: ", "error [invalid_request]: "))
    assert Path("door.lock").read_bytes() == before


def test_a_script_that_is_not_there_is_one_line() -> None:
    status, _, err = run(*FIRST, "--script", "nowhere.txt")
    assert (status, err) == (2, "error [file]: No such file or directory: nowhere.txt\n")


# --- the file -----------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(st.floats(0, 1, exclude_max=True), st.integers(1, 255), st.booleans())
def test_a_file_with_any_byte_changed_or_its_end_missing_is_refused(place: float, change: int, is_cut: bool) -> None:
    kept = Session.new(provisioning(), START).kept()
    path = Path("changed.lock")
    path.unlink(missing_ok=True)
    StateFile(path).save(kept)
    data = bytearray(path.read_bytes())
    assert StateFile(path).load() == kept
    at = int(place * len(data))
    data[at] ^= change
    path.write_bytes(data[:at] if is_cut else data)
    with pytest.raises(StateError, match=r"changed\.lock"):
        StateFile(path).load()


@pytest.mark.parametrize("content", ["", "no lock", "offlinepin-lock 2 " + "0" * 64 + "\n{}", "offlinepin-lock 1 " + "0" * 64 + "\n{}"])
def test_a_damaged_or_foreign_file_is_one_clear_error_and_never_written_over(content: str) -> None:
    Path("door.lock").write_text(content)
    for args in (FIRST, ()):
        status, out, err = run(*args, script=["show"])
        assert (status, out) == (2, [])
        assert err.startswith("error [invalid_state]: ")
        assert err.count("\n") == 1
        assert "'door.lock'" in err
    assert Path("door.lock").read_text() == content


def test_a_file_with_a_right_check_value_but_strange_members_is_refused() -> None:
    body = b'{"provisioning": 1}'
    Path("door.lock").write_bytes(f"offlinepin-lock 1 {hashlib.sha256(body).hexdigest()}\n".encode() + body)
    assert "malformed: member provisioning" in run()[2]


def test_a_folder_is_no_state_file_and_a_file_in_no_folder_cannot_be_made() -> None:
    Path("door.lock").mkdir()
    assert run(*FIRST)[2].startswith("error [invalid_state]: the state file 'door.lock' cannot be read: ")
    done = CliRunner().invoke(app, ["lock", "--state", "nowhere/door.lock", *FIRST])
    assert done.exit_code == 2
    assert done.stderr.startswith("error [invalid_state]: the state file 'nowhere/door.lock' cannot be written: ")


def test_the_file_is_its_owners_alone_and_a_link_stays_one(folder: Path) -> None:
    (folder / "real").mkdir()
    Path("door.lock").symlink_to("real/door.lock")
    (folder / "real" / ".door.lock.offlinepin-new").write_text("left by a session that was killed")
    assert run(*FIRST, script=["wait 1h"])[0] == 0
    assert Path("door.lock").is_symlink()
    assert [path.name for path in (folder / "real").iterdir()] == ["door.lock"]
    assert (folder / "real" / "door.lock").stat().st_mode & 0o777 == 0o600


def test_two_sessions_at_one_file_do_not_undo_each_other() -> None:
    first = StateFile(Path("door.lock"))
    first.save(Session.new(provisioning(), START).kept())
    second = StateFile(Path("door.lock"))
    kept = second.load()
    assert kept is not None
    session = Session(kept)
    said(f"{one_time_code()}#", session=session)
    second.save(session.kept())
    before = Path("door.lock").read_bytes()
    with pytest.raises(StateError, match="another program has written"):
        first.save(kept)
    fresh = StateFile(Path("door.lock"))
    with pytest.raises(StateError, match="another program has written"):
        fresh.save(kept)  # it has not even been read
    assert Path("door.lock").read_bytes() == before


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_key_file_taken_for_a_script_is_not_shown(wrapped: bool) -> None:
    key = MasterKey(b"\xab" * 32)
    text = key.wrap(passphrase="correct horse", n=2**10) if wrapped else key.export().hex()
    status, _, err = run(*FIRST, script=text.encode())
    assert status == 2
    assert text[:12] in err
    assert text[:13] not in err


def test_no_secret_is_printed() -> None:
    code, made = stay_code(), provisioning()
    session = Session.new(made, START)
    shown = "\n".join(said(f"{code}#", f"{code[:-1]}#", "show", "audit", "wear", session=session)) + repr(session.kept())
    assert code not in shown
    assert made.token.export().hex() not in shown


# --- time ---------------------------------------------------------------------------------------------------------


def test_the_time_of_a_lock_without_now_runs_with_the_systems_clock() -> None:
    now = 100.0
    session = Session(Session.new(provisioning(), START).kept().model_copy(update={"runs": True}), ticks=lambda: now)
    now += 30
    assert session.at == START + timedelta(seconds=30)
    session.wait(3600)
    now += 60
    assert session.at == START + timedelta(seconds=3690)
    session.catch_up(START)
    assert session.at == START + timedelta(seconds=3690)
    session.catch_up(START + timedelta(days=1))
    session.move_to(START + timedelta(days=2), runs=False)
    now += 60
    assert session.at == START + timedelta(days=2)


def test_without_now_a_new_lock_has_the_systems_time_and_an_old_one_never_goes_back() -> None:
    before = datetime.now(UTC)
    assert run("--provision", "igloo.json", script=["wait 2w"])[0] == 0
    kept = StateFile(Path("door.lock")).load()
    assert kept is not None
    assert kept.runs
    assert before <= kept.at - timedelta(weeks=2) <= datetime.now(UTC)
    assert run()[0] == 0
    later = StateFile(Path("door.lock")).load()
    assert later is not None
    assert later.at >= kept.at
    assert run("--now", (later.at + timedelta(days=1)).isoformat())[0] == 0
    still = StateFile(Path("door.lock")).load()
    assert still is not None
    assert (still.runs, still.at) == (False, later.at + timedelta(days=1))


# --- processes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lines", [1, 7])
def test_a_session_killed_in_the_middle_leaves_a_lock_that_knows_all_that_it_said(lines: int) -> None:
    script = f"{one_time_code()}#\n" + "wait 1s\n" * 5000
    Path("script.txt").write_text(script)
    command = [str(OFFLINEPIN), "lock", "--state", "door.lock", *FIRST, "--script", "script.txt"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        heard = [process.stdout.readline() for _ in range(4 + lines)]
        process.send_signal(signal.SIGKILL)
        heard += process.stdout.readlines()
    assert process.returncode == -signal.SIGKILL
    assert heard[4].startswith("opened")
    kept = StateFile(Path("door.lock")).load()
    assert kept is not None
    waited = int((kept.at - START).total_seconds())
    assert len([line for line in heard[5:] if line.endswith("\n")]) <= waited < 5000
    assert run(script=[f"{one_time_code()}#"])[1][4].startswith("used")


@pytest.mark.parametrize("leave", ["quit", "end of input"])
def test_at_a_terminal_the_lock_prompts_and_a_wrong_line_does_not_end_it(leave: str) -> None:
    assert run(*FIRST)[0] == 0
    master, slave = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100", "NO_COLOR": "1"}
    process = subprocess.Popen(
        [OFFLINEPIN, "lock", "--state", "door.lock"], stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
    )
    os.close(slave)
    heard = ""

    def until(text: str, nudge: Callable[[], None] = lambda: None) -> None:
        nonlocal heard
        deadline = time.monotonic() + 60
        while text not in heard:
            assert time.monotonic() < deadline, f"waited for {text!r}, heard {heard!r}"
            if select.select([master], [], [], 0.5)[0]:
                heard += os.read(master, 4096).decode()
            else:
                nudge()
        heard = heard.partition(text)[2]

    def interrupt() -> None:
        process.send_signal(signal.SIGINT)

    until("13:00 >")
    for line, answer in [
        (f"{stay_code()}#", "opened   access/hourly"),
        (None, "13:00 >"),
        ("nonsense", "error [invalid_request]: 'nonsense' is neither keys"),
        ("show", "passage  off"),
        ("clock lose", "the clock is lost"),
        ("", "--:-- >"),
    ]:
        if line is None:  # what Ctrl-C sends: the line is dropped, and the session goes on
            until("13:00 >")
            until(answer, interrupt)
        else:
            os.write(master, f"{line}\n".encode())
            until(answer)
    os.write(master, b"quit\n" if leave == "quit" else b"\x04")
    assert process.wait(60) == 0
    os.close(master)
    assert "bolt has moved once" in "".join(run(script=["show"])[1])
