"""``offlinepin check``: the lock's own reason, the exit status that follows it, and stdin as a place for codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from offlinepin import Issuer, MasterKey, Provisioning
from offlinepin.cli.app import app

OFFLINEPIN = Path(sys.executable).with_name("offlinepin")
NOW = "2027-01-01T00:00Z"


@pytest.fixture
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a key, an igloo lock's document and an Oracode door's in it."""
    for name in ("OFFLINEPIN_MASTER_KEY", "OFFLINEPIN_KEY_FILE", "OFFLINEPIN_PASSPHRASE", "OFFLINEPIN_VENDOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    key = MasterKey(bytes(range(32)))
    key.save("my.key")
    Issuer(key, "igloo").provision("d").save("igloo.json")
    Issuer(key, "oracode").provision("d", time_zone="Europe/Berlin").save("oracode.json")
    return tmp_path


def run(*args: str, stdin: str = "") -> tuple[int, str, str]:
    done = CliRunner().invoke(app, list(args), input=stdin)
    return done.exit_code, done.stdout, done.stderr


def code(vendor: str = "igloo", *more: str) -> str:
    times = ("--start", "2027-07-01T15:00", "--end", "2027-07-04T11:00", "--zone", "Europe/Berlin", "--request-id", "r")
    out = run("issue", "--key-file", "my.key", "--device", "d", "--vendor", vendor, "--now", NOW, *times, *more, "--json")[1]
    return str(json.loads(out)["grouped"])


@pytest.mark.usefixtures("door")
@pytest.mark.parametrize("vendor", ["igloo", "oracode"])
@pytest.mark.parametrize(
    ("now", "reason", "status"),
    [
        ("2027-07-01T14:00+02:00", "too_early", 1),
        ("2027-07-01T15:00+02:00", "opened", 0),
        ("2027-07-04T12:00+02:00", "expired", 1),
    ],
)
def test_the_reason_is_the_locks_and_the_status_says_whether_it_opened(vendor: str, now: str, reason: str, status: int) -> None:
    if (vendor, reason) == ("igloo", "expired"):
        reason = "lapsed"  # a lock that has never seen the code by then takes it no more
    found, out, err = run("check", code(vendor), "--provision", f"{vendor}.json", "--now", now)
    assert (found, err) == (status, "")
    assert out.splitlines()[0] == reason
    assert "until    2027-07-04T1" in out


@pytest.mark.usefixtures("door")
def test_a_document_and_a_key_give_the_same_answer_and_the_grant_is_shown() -> None:
    shown = run("check", code(), "--provision", "igloo.json", "--now", "2027-07-02T14:59+02:00")
    assert shown[1].splitlines() == [
        "opened",
        "kind     access/hourly, variant 0",
        "opens    2027-07-01T15:00+02:00",
        "until    2027-07-04T11:00+02:00",
        "use by   2027-07-02T15:00+02:00",
    ]
    keyed = ("--device", "d", "--vendor", "igloo", "--key-file", "my.key")
    assert run("check", code(), *keyed, "--now", "2027-07-02T14:59+02:00") == shown
    assert run("check", code(), *keyed, "--now", "2027-07-02T12:59Z", "--zone", "Europe/Berlin") == shown


@pytest.mark.usefixtures("door")
@pytest.mark.parametrize("place", [[], ["-"]])
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_code_is_read_from_stdin(place: list[str], end: str) -> None:
    args = ("check", *place, "--provision", "igloo.json", "--now", "2027-07-01T15:00+02:00")
    assert run(*args, stdin=code() + end)[0] == 0


@pytest.mark.usefixtures("door")
def test_another_generation_or_device_or_vendor_knows_nothing_of_a_code() -> None:
    now = ("--now", "2027-07-01T15:00+02:00", "--key-file", "my.key")
    for other in (["--device", "e", "--vendor", "igloo"], ["--device", "d", "--vendor", "igloo", "--generation", "1"]):
        assert run("check", code(), *other, *now)[:2] == (1, "unknown\n")
    assert run("check", "12", "--device", "d", "--vendor", "igloo", *now)[:2] == (1, "malformed\n")


@pytest.mark.usefixtures("door")
@pytest.mark.parametrize("separator", [" ", "-", ""])
def test_single_spaces_and_hyphens_between_groups_are_accepted(separator: str) -> None:
    typed = code().replace(" ", separator)
    assert run("check", typed, "--provision", "igloo.json", "--now", "2027-07-01T15:00+02:00")[0] == 0


@pytest.mark.usefixtures("door")
@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        "123  456 789",
        " 123 456 789",
        "123 456 789 ",
        "１２３４５６７８９",
        "123_456_789",
        "123\u00a0456\u00a0789",
        "12345678a",
        "123\t456\t789",
    ],
)
def test_a_code_with_anything_else_in_it_is_an_error_and_no_refusal(typed: str) -> None:
    status, out, err = run("check", "--provision", "igloo.json", "--now", NOW, stdin=typed + "\n")
    assert (status, out) == (2, "")
    assert err.startswith("error [invalid_code]: ")
    assert err.count("\n") == 1


@pytest.mark.usefixtures("door")
@pytest.mark.parametrize(
    ("expected", "args"),
    [
        ("invalid_request", []),
        ("invalid_request", ["--provision", "igloo.json", "--device", "d"]),
        ("invalid_provisioning", ["--provision", "nowhere.json"]),
        ("invalid_provisioning", ["--provision", "my.key"]),
        ("invalid_provisioning", ["--provision", "binary.json"]),
        ("invalid_provisioning", ["--provision", "changed.json"]),
        ("unknown_vendor", ["--device", "d", "--key-file", "my.key"]),
        ("time_zone_required", ["--device", "d", "--vendor", "oracode", "--key-file", "my.key"]),
        ("naive_datetime", ["--provision", "igloo.json", "--now", "2027-07-01T15:00"]),
    ],
)
def test_a_lock_that_is_not_described_is_one_line_with_a_stable_code(expected: str, args: list[str]) -> None:
    Path("binary.json").write_bytes(b"\xff\x00\xfe")
    document = json.loads(Path("igloo.json").read_text())
    Path("changed.json").write_text(json.dumps(document | {"check_value": "00000000"}))
    status, out, err = run("check", "123456789", *args)
    assert (status, out) == (2, "")
    assert err.startswith(f"error [{expected}]: ")
    assert err.count("\n") == 1
    assert document["token"] not in err


@pytest.mark.usefixtures("door")
def test_a_civil_lock_reads_a_present_without_offset_in_its_own_zone() -> None:
    assert run("check", code("oracode"), "--provision", "oracode.json", "--now", "2027-07-01T15:00")[0] == 0


def test_issue_piped_into_check_opens_as_processes_of_their_own(door: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OFFLINEPIN_")} | {"HOME": str(door / "empty")}
    command = ["issue", "--key-file", "my.key", "--device", "d", "--vendor", "igloo", "--start", "2027-07-01T15:00Z", "--one-time"]
    issued = subprocess.run([OFFLINEPIN, *command, "--now", NOW], cwd=door, env=environment, capture_output=True, text=True, check=True)
    checked = subprocess.run(
        [OFFLINEPIN, "check", "--provision", "igloo.json", "--now", "2027-07-02T14:59Z"],
        cwd=door,
        env=environment,
        input=issued.stdout.splitlines()[0] + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert checked.stdout.startswith("opened\n")
    assert "opens once" in checked.stdout


def test_the_document_that_provision_writes_is_the_librarys(door: Path) -> None:
    args = ("provision", "d", "--vendor", "oracode", "--key-file", "my.key", "--zone", "Europe/Berlin")
    status, out, err = run(*args)
    assert status == 0
    assert out == Path("oracode.json").read_text()
    assert "secret" in err
    assert json.loads(out)["token"] not in err
    assert run(*args, "--output", "new.json")[:2] == (0, "")
    assert Path("new.json").read_text() == out
    assert (door / "new.json").stat().st_mode & 0o777 == 0o600
    assert Provisioning.load("new.json").time_zone == "Europe/Berlin"


@pytest.mark.usefixtures("door")
def test_provision_never_writes_over_a_file() -> None:
    before = Path("my.key").read_text()
    status, out, err = run("provision", "d", "--vendor", "igloo", "--key-file", "my.key", "--output", "my.key")
    assert (status, out) == (2, "")
    assert err.startswith("error [invalid_provisioning]: ")
    assert Path("my.key").read_text() == before


@pytest.mark.usefixtures("door")
@pytest.mark.parametrize(
    ("expected", "args"),
    [
        ("unknown_time_zone", ["--vendor", "igloo", "--zone", "Mars/Base"]),
        ("time_zone_required", ["--vendor", "oracode"]),
        ("unknown_vendor", []),
    ],
)
def test_provision_refuses_what_would_make_no_lock(expected: str, args: list[str]) -> None:
    status, out, err = run("provision", "d", "--key-file", "my.key", *args)
    assert (status, out) == (2, "")
    assert err.startswith(f"error [{expected}]: ")
