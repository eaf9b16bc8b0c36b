"""``offlinepin issue --calendar``: every stay that can be served is served, the same way each time, and the rest is named."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from offlinepin import MasterKey
from offlinepin.cli.app import app

EXAMPLE = Path(__file__).parents[2] / "examples" / "bookings.ics"
NOW = "2026-01-01T00:00Z"

STAY = "BEGIN:VEVENT\nUID:{uid}\nDTSTART;VALUE=DATE:{start}\nDTEND;VALUE=DATE:{end}\nSUMMARY:{summary}\nEND:VEVENT\n"


def event(uid: str, start: str = "20270701", end: str = "20270704", summary: str = "Reserved - Ann") -> str:
    return STAY.format(uid=uid, start=start, end=end, summary=summary)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a key in it."""
    for name in ("OFFLINEPIN_MASTER_KEY", "OFFLINEPIN_KEY_FILE", "OFFLINEPIN_PASSPHRASE", "OFFLINEPIN_VENDOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    MasterKey(bytes(range(32))).save(tmp_path / "my.key")
    return tmp_path


def issue(
    calendar: str | Path, *args: str, vendor: str = "igloo", zone: str | None = "Europe/Berlin", now: str = NOW, width: int = 80
) -> tuple[int, str, str]:
    if isinstance(calendar, str):
        Path("stays.ics").write_text(f"BEGIN:VCALENDAR\n{calendar}END:VCALENDAR\n", encoding="utf-8")
        calendar = Path("stays.ics")
    where = [] if zone is None else ["--zone", zone]
    command = ["issue", "--key-file", "my.key", "--device", "d", "--vendor", vendor, "--now", now, "--calendar", str(calendar)]
    done = CliRunner().invoke(app, [*command, *where, *args], env={"COLUMNS": str(width)})
    return done.exit_code, done.stdout, re.sub(r"A new ledger begins .*\n", "", done.stderr)


def served(calendar: str | Path, *args: str, vendor: str = "igloo", now: str = NOW) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(issue(calendar, *args, "--json", vendor=vendor, now=now)[1])
    return document


@pytest.mark.usefixtures("folder")
def test_every_stay_of_the_example_is_served_at_an_igloo_lock_and_at_an_oracode_door() -> None:
    for vendor in ("igloo", "oracode"):
        status, out, err = issue(EXAMPLE, "--rounding", "1d", "--json", vendor=vendor)
        document = json.loads(out)
        assert (status, err) == (0, "")
        assert len(document["served"]) == 15
        assert len(document["skipped"]) == 4
        assert len({row["pin"]["code"] for row in document["served"]}) == 15
        Path("my.key.ledger").unlink()


@pytest.mark.usefixtures("folder")
def test_a_calendar_read_again_gives_the_same_codes() -> None:
    first = issue(EXAMPLE, "--rounding", "1d")
    assert first[0] == 0
    assert issue(EXAMPLE, "--rounding", "1d") == first


@pytest.mark.usefixtures("folder")
def test_two_stays_of_the_same_dates_never_share_a_code_and_the_one_too_many_is_named() -> None:
    status, out, err = issue("".join(event(uid) for uid in "abcd"), "--json")
    document = json.loads(out)
    assert status == 2
    assert len({row["pin"]["code"] for row in document["served"]}) == 3
    assert [(f["entry"], f["error"]) for f in document["failed"]] == [("d", "exhausted")]
    assert err.startswith("error [exhausted]: Ann (line 20): ")


@pytest.mark.usefixtures("folder")
def test_a_booking_whose_dates_changed_gets_a_code_for_the_new_ones_and_says_so() -> None:
    (before,) = served(event("a"))["served"]
    (after,) = served(event("a", end="20270706"))["served"]
    assert before["pin"]["code"] != after["pin"]["code"]
    assert after["pin"]["ends_at"] == "2027-07-06T11:00:00+02:00"
    assert (before["remark"], after["remark"][:13]) == ("", "dates changed")
    assert served(event("a", end="20270706"))["served"] == [after]
    assert served(event("a"))["served"] == [before]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]])
def test_what_cannot_be_served_is_named_the_rest_is_served_and_the_status_is_2(form: list[str]) -> None:
    broken = "BEGIN:VEVENT\nUID:broken\nDTSTART;VALUE=DATE:20271399\nEND:VEVENT\n"
    calendar = broken + event("long", "20270101", "20280401", "Reserved - Bo") + event("fine") + event("gone", "20250101", "20250102")
    status, out, err = issue(calendar, *form)
    assert status == 2
    assert "Ann" in out
    first, second = err.splitlines()
    assert first.startswith("error [invalid_calendar]: broken (line 2): ")
    assert second.startswith("error [too_long]: Bo (line 6): ")


@pytest.mark.usefixtures("folder")
def test_a_stay_that_is_over_needs_no_code_and_is_no_failure() -> None:
    status, out, _ = issue(event("a") + event("b", "20270801", "20270803"), "--json", now="2027-07-04T11:00+02:00")
    document = json.loads(out)
    assert status == 0
    assert [s["why"] for s in document["skipped"]] == ["it is over"]
    assert [row["uid"] for row in document["served"]] == ["b"]


@pytest.mark.usefixtures("folder")
def test_check_in_check_out_zone_and_closed_is_stay_reach_the_calendar() -> None:
    document = served(event("a", summary="CLOSED - Not available"), "--check-in", "16:00", "--check-out", "10:00", "--closed-is-stay")
    (row,) = document["served"]
    assert (row["pin"]["starts_at"], row["pin"]["ends_at"]) == ("2027-07-01T16:00:00+02:00", "2027-07-04T10:00:00+02:00")


@pytest.mark.usefixtures("folder")
def test_the_csv_form_has_a_line_for_each_stay_and_each_failure() -> None:
    status, out, _ = issue(event("a", summary='Reserved - Zoë\\, "Z"') + event("b", "20270704", "20270701"), "--csv")
    good, bad = csv.DictReader(io.StringIO(out))
    assert status == 2
    assert (good["uid"], good["name"], len(good["code"]), good["error"]) == ("a", 'Zoë, "Z"', 9, "")
    assert (bad["uid"], bad["code"]) == ("b", "")
    assert bad["error"].startswith("[end_before_start] ")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("width", [80, 100])
def test_the_table_keeps_to_its_width_and_shows_every_code_and_time_unbroken(width: int) -> None:
    _, out, _ = issue(EXAMPLE, "--rounding", "1d", vendor="oracode", width=width)
    table = out[: out.index("no stay:")]
    assert max(map(len, table.splitlines())) <= width
    assert len(re.findall(r"\b\d{3} \d{3} \d{3}\b", table)) == 15
    assert len(re.findall(r"(?:opens |until ) \d{4}-\d\d-\d\dT\d\d:\d\d\+0[12]:00", table)) == 30
    assert table.count("clocks change") == 4
    assert "15 served, 0 not served, 4 no stays" in out


@pytest.mark.usefixtures("folder")
def test_a_guests_name_is_shown_as_it_is_and_cannot_rule_the_terminal() -> None:
    _, out, _ = issue(event("a", summary="Reserved - [bold]:key:\x1b[2J"))
    assert "[bold]:key: [2J" in re.sub(r"\s+", " ", out)
    assert "\x1b" not in out


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("code", "args"),
    [
        ("invalid_request", ["--start", "2027-07-01T15:00Z"]),
        ("invalid_request", ["--end", "2027-07-01T15:00Z"]),
        ("invalid_request", ["--request-id", "r"]),
        ("invalid_request", ["--variant", "1"]),
        ("invalid_request", ["--check-in", "25:00"]),
        ("invalid_request", ["--check-out", "11:00Z"]),
        ("invalid_calendar", ["--calendar", "nowhere.ics"]),
        ("invalid_calendar", ["--calendar", "my.key"]),
        ("unknown_time_zone", ["--zone", "Europe/Atlantis"]),
    ],
)
def test_options_that_make_no_sense_with_a_calendar_are_refused_and_change_nothing(code: str, args: list[str]) -> None:
    status, out, err = issue(event("a"), *args)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"error [{code}]: ")
    assert sorted(path.name for path in Path().iterdir()) == ["my.key", "stays.ics"]


@pytest.mark.usefixtures("folder")
def test_a_calendar_needs_a_zone() -> None:
    assert issue(event("a"), zone=None)[2].startswith("error [time_zone_required]: ")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("check_in", "code"), [("02:30", "nonexistent_time"), ("15:00", "")])
def test_a_check_in_time_that_the_zone_skips_costs_only_its_own_stay(check_in: str, code: str) -> None:
    document = served(event("a", "20270328", "20270330") + event("b"), "--check-in", check_in)
    assert [f["error"] for f in document["failed"]] == ([code] if code else [])
    assert [row["uid"] for row in document["served"]] == (["b"] if code else ["a", "b"])
