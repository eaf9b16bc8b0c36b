"""``offlinepin issue`` for one code: the answer in its three forms, the ledger's memory, and every bad input's one line."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from datetime import datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from offlinepin import Issuer, MasterKey
from offlinepin.cli.app import app

KEY = bytes(range(32))
NOW = "2027-01-01T00:00Z"
TIMES = ("--start", "2027-07-01T15:00+02:00", "--end", "2027-07-04T11:00+02:00")
EXAMPLE = Path(__file__).parents[1] / "vectors" / "format-1.json"

Result = tuple[int, str, str]


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A key file in a folder of its own, and none of the user's environment."""
    for name in ("OFFLINEPIN_MASTER_KEY", "OFFLINEPIN_KEY_FILE", "OFFLINEPIN_PASSPHRASE", "OFFLINEPIN_VENDOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "my.key"
    MasterKey(KEY).save(path)
    return path


def issue(key: Path, *args: str, vendor: str = "igloo", now: str = NOW) -> Result:
    done = CliRunner().invoke(app, ["issue", "--key-file", str(key), "--device", "d", "--vendor", vendor, "--now", now, *args])
    return done.exit_code, done.stdout, re.sub(r"A new ledger begins .*\n", "", done.stderr)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_code_is_the_library_s_own_and_is_shown_with_its_true_times(key: Path) -> None:
    status, out, err = issue(key, *TIMES, "--json")
    assert (status, err) == (0, "")
    answer = json.loads(out)
    start, end, now = (datetime.fromisoformat(text) for text in (TIMES[1], TIMES[3], NOW))
    pin = Issuer(MasterKey(KEY), "igloo").issue("d", start, end, now=now)
    assert answer == pin.model_dump(mode="json")
    assert (answer["starts_at"], answer["ends_at"]) == ("2027-07-01T15:00:00+02:00", "2027-07-04T11:00:00+02:00")
    assert [n["code"] for n in answer["notices"]] == ["must_be_used_by"]


def test_the_text_form_shows_the_grouped_code_its_times_and_its_notices(key: Path) -> None:
    status, out, _ = issue(key, *TIMES)
    lines = out.splitlines()
    assert status == 0
    assert len(lines[0]) == 11
    assert lines[0].replace(" ", "").isdigit()
    assert "opens    2027-07-01T15:00+02:00" in lines
    assert "until    2027-07-04T11:00+02:00" in lines
    assert "use by   2027-07-02T15:00+02:00" in lines
    assert any(line.startswith("note     The code must be used") for line in lines)


def test_the_csv_form_has_one_line_for_the_code_and_keeps_its_leading_zeros(key: Path) -> None:
    status, out, _ = issue(key, *TIMES, "--csv")
    (row,) = csv.DictReader(io.StringIO(out))
    assert status == 0
    assert len(row["code"]) == 9
    assert (row["starts_at"], row["use_by"], row["one_time"], row["error"]) == (
        "2027-07-01T15:00:00+02:00",
        "2027-07-02T15:00:00+02:00",
        "false",
        "",
    )


def test_local_times_with_a_zone_are_the_same_as_times_with_their_offset(key: Path) -> None:
    _, with_offset, _ = issue(key, *TIMES, "--zone", "Europe/Berlin", "--request-id", "r", "--json")
    local = ("--start", "2027-07-01T15:00", "--end", "2027-07-04T11:00")
    assert issue(key, *local, "--zone", "Europe/Berlin", "--request-id", "r", "--json") == (0, with_offset, "")


def test_runs_in_a_row_never_repeat_a_variant_and_say_so_when_none_is_left(key: Path) -> None:
    codes = [json.loads(issue(key, *TIMES, "--json")[1])["code"] for _ in range(3)]
    assert len(set(codes)) == 3
    status, out, err = issue(key, *TIMES)
    assert (status, out) == (2, "")
    assert err.startswith("error [exhausted]: ")
    assert (key.parent / "my.key.ledger").exists()


def test_the_same_request_id_gives_the_same_code_and_another_request_under_it_is_refused(key: Path) -> None:
    first = issue(key, *TIMES, "--request-id", "r1")
    assert first == issue(key, *TIMES, "--request-id", "r1")
    other = ("--start", TIMES[1], "--end", "2027-07-05T11:00+02:00")
    assert issue(key, *other, "--request-id", "r1")[2].startswith("error [request_id_conflict]: ")


def test_one_time_kind_level_variant_and_rounding_reach_the_issuer(key: Path) -> None:
    once = json.loads(issue(key, "--start", TIMES[1], "--one-time", "--json")[1])
    assert (once["kind"], once["one_time"]) == ("onetime", True)
    daily = ("--start", "2027-07-01T15:00Z", "--end", "2027-07-31T11:00Z", "--kind", "daily")
    assert issue(key, *daily)[2].startswith("error [invalid_time_range]: ")
    rounded = json.loads(issue(key, *daily, "--rounding", "1d", "--variant", "2", "--json")[1])
    assert (rounded["kind"], rounded["variant"], rounded["ends_at"]) == ("daily", 2, "2027-07-31T15:00:00Z")
    staff = ("--start", "2027-07-01T07:00", "--end", "2027-07-02T19:00", "--zone", "Europe/Berlin", "--rounding", "1d")
    assert json.loads(issue(key, *staff, "--level", "Staff", "--json", vendor="oracode")[1])["family"] == "Staff"


def test_a_profile_document_serves_as_a_vendor(key: Path) -> None:
    document = key.parent / "mine.json"
    document.write_text(json.dumps(json.loads(EXAMPLE.read_text())["sets"][0]["profile"]))
    answer = json.loads(issue(key, *TIMES, "--json", vendor=str(document))[1])
    assert answer["vendor"] == "example-9"


@pytest.mark.parametrize("weak", [False, True])
def test_a_weak_profile_is_used_only_where_the_caller_says_so(key: Path, weak: bool) -> None:
    profile = json.loads(EXAMPLE.read_text())["sets"][0]["profile"]
    profile["families"][0] |= {"length": 6, "window": 100}
    document = key.parent / "weak.json"
    document.write_text(json.dumps(profile))
    status, out, err = issue(key, *TIMES, *(["--allow-weak"] if weak else []), vendor=str(document))
    assert (status, bool(out), err.startswith("error [weak_profile]: ")) == ((0, True, False) if weak else (2, False, True))


def test_the_key_may_come_from_the_environment_and_its_ledger_lies_in_the_folder(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = issue(key, *TIMES)
    monkeypatch.setenv("OFFLINEPIN_MASTER_KEY", KEY.hex())
    done = CliRunner().invoke(app, ["issue", "--device", "d", "--vendor", "igloo", "--now", NOW, *TIMES])
    assert (done.exit_code, done.stdout) == expected[:2]
    assert done.stderr == "A new ledger begins in 'offlinepin.ledger'. Keep it with the key: it knows which codes were handed out.\n"
    assert Path("offlinepin.ledger").exists()


def test_a_ledger_that_is_there_is_gone_on_with_in_silence(key: Path) -> None:
    for is_new in (True, False):
        done = CliRunner().invoke(app, ["issue", "--key-file", str(key), "--device", "d", "--vendor", "igloo", "--now", NOW, *TIMES])
        assert ("ledger" in done.stderr) is is_new


@pytest.mark.parametrize("place", [".", ""])
def test_a_folder_is_no_key_file(key: Path, place: str) -> None:
    status, out, err = issue(Path(place), *TIMES)
    assert (status, out) == (2, "")
    assert err == "error [invalid_key]: the key file '.' cannot be read: Is a directory\n"
    assert list(key.parent.iterdir()) == [key]


@pytest.mark.skipif(os.name != "posix", reason="files have no owner's mode")
@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o604, 0o644, 0o660])
def test_a_key_that_others_can_get_at_is_used_and_told_unless_it_is_wrapped(key: Path, mode: int) -> None:
    wrapped = key.parent / "wrapped.key"
    wrapped.write_text(MasterKey(KEY).wrap(passphrase="correct horse", n=2**10))
    for path in (key, wrapped):
        path.chmod(mode)
        done = CliRunner().invoke(
            app, ["provision", "d", "--vendor", "igloo", "--key-file", str(path)], env={"OFFLINEPIN_PASSPHRASE": "correct horse"}
        )
        assert done.exit_code == 0
        assert ("chmod 600" in done.stderr) is (path is key and mode not in (0o600, 0o400))


def test_a_wrapped_key_is_opened_by_the_passphrase_of_the_environment_and_by_no_other(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = issue(key, *TIMES, "--request-id", "r", "--ledger", "shared.ledger")
    wrapped = key.parent / "wrapped.key"
    wrapped.write_text(MasterKey(KEY).wrap(passphrase="correct horse", n=2**10))
    assert "OFFLINEPIN_PASSPHRASE" in issue(wrapped, *TIMES)[2]
    monkeypatch.setenv("OFFLINEPIN_PASSPHRASE", "wrong")
    status, out, err = issue(wrapped, *TIMES)
    assert (status, out) == (2, "")
    assert err.startswith("error [unwrap_failed]: ")
    monkeypatch.setenv("OFFLINEPIN_PASSPHRASE", "correct horse")
    assert issue(wrapped, *TIMES, "--request-id", "r", "--ledger", "shared.ledger") == expected


BAD: list[tuple[str, list[str]]] = [
    ("naive_datetime", ["--start", "2027-07-01T15:00", "--end", TIMES[3]]),
    ("naive_datetime", ["--start", TIMES[1], "--end", "2027-07-04 11:00"]),
    ("invalid_request", ["--start", "2027-07-01", "--end", TIMES[3]]),
    ("invalid_request", ["--start", "next Monday", "--end", TIMES[3]]),
    ("invalid_request", ["--start", "２０２７-07-01T15:00Z", "--end", TIMES[3]]),
    ("invalid_request", ["--start", "2027-02-30T15:00Z", "--end", TIMES[3]]),
    ("invalid_request", []),
    ("invalid_request", [*TIMES, "--json", "--csv"]),
    ("invalid_request", [*TIMES, "--rounding", "2h"]),
    ("end_before_start", ["--start", TIMES[3], "--end", TIMES[1]]),
    ("end_before_start", ["--start", TIMES[1], "--end", TIMES[1]]),
    ("end_in_past", [*TIMES, "--now", "2027-07-04T11:00+02:00"]),
    ("too_long", ["--start", "2027-07-01T15:00Z", "--end", "2028-07-30T15:00Z", "--kind", "daily"]),
    ("invalid_time_range", ["--start", "2027-07-01T15:00Z", "--end", "2027-07-29T16:00Z"]),
    ("end_required", ["--start", TIMES[1], "--kind", "hourly"]),
    ("unknown_time_zone", [*TIMES, "--zone", "Europe/Atlantis"]),
    ("nonexistent_time", ["--start", "2027-03-28T02:30", "--end", TIMES[3], "--zone", "Europe/Berlin"]),
    ("ambiguous_time", ["--start", "2027-10-31T02:30", "--end", "2027-11-01T11:00", "--zone", "Europe/Berlin"]),
    ("unknown_kind", [*TIMES, "--kind", "weekly"]),
    ("unknown_kind", [*TIMES, "--level", "Guest"]),
    ("invalid_variant", [*TIMES, "--variant", "3"]),
    ("invalid_variant", [*TIMES, "--variant", "-1"]),
    ("invalid_device_id", [*TIMES, "--device", ""]),
    ("invalid_device_id", [*TIMES, "--device", "ü" * 33]),
    ("unknown_vendor", [*TIMES, "--vendor", "nobody"]),
    ("invalid_profile", [*TIMES, "--vendor", "nowhere.json"]),
    ("invalid_profile", [*TIMES, "--vendor", "my.key"]),
    ("time_zone_required", [*TIMES, "--vendor", "oracode"]),
    ("time_out_of_range", ["--start", "1969-12-31T15:00Z", "--end", TIMES[3]]),
    ("time_out_of_range", ["--start", "9999-12-31T00:00Z", "--end", "9999-12-31T23:59Z"]),
    ("invalid_key", [*TIMES, "--key-file", "nowhere.key"]),
    ("invalid_key", [*TIMES, "--key-file", "short.key"]),
    ("ledger_unusable", [*TIMES, "--ledger", "my.key"]),
    ("ledger_unusable", [*TIMES, "--ledger", "no/such/folder/ledger"]),
    ("file", [*TIMES, "--vendor", "x" * 300]),
]


@pytest.mark.parametrize(("code", "args"), BAD)
def test_a_bad_request_is_one_line_with_a_stable_code_and_changes_nothing(key: Path, code: str, args: list[str]) -> None:
    (key.parent / "short.key").write_text("00" * 31)
    before = files(key.parent)
    status, out, err = issue(key, *args)
    assert (status, out) == (2, "")
    assert err.startswith(f"error [{code}]: ")
    assert err.count("\n") == 1
    assert KEY.hex() not in err
    assert files(key.parent) == before


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("0001-01-01T00:00+14:00", "0001-01-03T00:00Z"),
        ("9999-12-29T15:00-10:00", "9999-12-31T23:30-10:00"),
    ],
)
def test_times_at_the_edges_of_the_calendar_are_refused_on_a_civil_clock(key: Path, start: str, end: str) -> None:
    now = "0001-01-02T00:00Z" if start[0] == "0" else NOW
    status, _, err = issue(key, "--start", start, "--end", end, "--zone", "Asia/Tokyo", vendor="oracode", now=now)
    assert (status, err.split(":")[0]) == (2, "error [time_out_of_range]")


def test_without_a_key_the_error_says_how_to_get_one(key: Path) -> None:
    done = CliRunner().invoke(app, ["issue", "--device", "d", "--vendor", "igloo", *TIMES])
    assert key.exists()
    assert done.exit_code == 2
    assert "offlinepin key new" in done.stderr


@pytest.mark.parametrize(
    "args", [["issue"], ["issue", "--device"], ["issue", "--device", "d", "--variant", "x"], ["nothing"], ["check", "1", "2"]]
)
def test_a_usage_error_exits_with_2(args: list[str]) -> None:
    assert CliRunner().invoke(app, args).exit_code == 2
