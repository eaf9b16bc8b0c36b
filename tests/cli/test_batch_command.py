"""``offlinepin batch``: files in and out by the options that every command has, its summary, and every bad input's one line."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from offlinepin import MasterKey
from offlinepin.cli import batch as command
from offlinepin.cli.app import app

pytest.importorskip("pyarrow", reason="the extra `batch` is not installed")

from offlinepin.batch.stream import Progress

ROWS = """device_id,starts_at,ends_at,guest
front,2027-07-01T15:00+02:00,2027-07-01T18:00+02:00,Ann
front,2027-07-01T15:00+02:00,2027-07-01T18:00+02:00,"Bob, Jr."
back,2027-07-02T15:00+02:00,2027-07-01T18:00+02:00,Cid
,2027-07-01T15:00+02:00,2027-07-01T18:00+02:00,Dee
"""
NOW = "2027-01-01T00:00Z"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a key and a table, and none of the user's environment."""
    for name in ("OFFLINEPIN_MASTER_KEY", "OFFLINEPIN_KEY_FILE", "OFFLINEPIN_PASSPHRASE", "OFFLINEPIN_VENDOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    MasterKey(bytes(range(32))).save(tmp_path / "my.key")
    (tmp_path / "in.csv").write_text(ROWS)
    return tmp_path


def batch(*args: str, vendor: str = "igloo") -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["batch", "--key-file", "my.key", "--vendor", vendor, "--now", NOW, *args])
    return done.exit_code, done.stdout, done.stderr


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_row_gets_its_code_or_its_error_and_the_summary_counts_both(folder: Path) -> None:
    status, out, err = batch("in.csv", "out.csv", "--refused", "refused.csv")
    assert (status, err) == (0, "")
    first, *counts = out.splitlines()
    assert first.startswith("2 served, 2 refused; ")
    assert sorted(line.split() for line in counts) == [["1", "end_before_start"], ["1", "invalid_device_id"]]
    made = rows(folder / "out.csv")
    assert [row["guest"] for row in made] == ["Ann", "Bob, Jr.", "Cid", "Dee"]
    assert [row["variant"] for row in made] == ["0", "1", "", ""]
    assert made[0]["granted_starts_at"] == "2027-07-01T13:00:00Z"
    assert len({row["code"] for row in made[:2]}) == 2
    assert rows(folder / "refused.csv") == made[2:]
    assert made[3]["error_text"].startswith("device_id is missing")


def test_codes_are_those_of_issue_and_the_two_share_a_ledger(folder: Path) -> None:
    assert batch("in.csv", "out.csv")[0] == 0
    asked = ["issue", "--key-file", "my.key", "--vendor", "igloo", "--now", NOW, "--device", "front", "--json"]
    times = ["--start", "2027-07-01T15:00+02:00", "--end", "2027-07-01T18:00+02:00"]
    pin = json.loads(CliRunner().invoke(app, [*asked, *times]).stdout)
    made = rows(folder / "out.csv")
    assert (pin["kind"], pin["variant"]) == (made[0]["kind"], 2)
    assert pin["code"] not in {row["code"] for row in made}
    other = json.loads(CliRunner().invoke(app, [*asked, *times, "--ledger", "other.ledger"]).stdout)
    assert (other["code"], other["variant"]) == (made[0]["code"], 0)
    assert batch("in.csv", "again.csv", "--no-ledger")[0] == 0
    assert (folder / "again.csv").read_bytes() == (folder / "out.csv").read_bytes()


@pytest.mark.parametrize("name", ["out.parquet", "out.arrow", "out.jsonl", "out.csv"])
def test_the_format_follows_the_name_or_the_option(name: str, folder: Path) -> None:
    kind = {"parquet": "parquet", "arrow": "arrow", "jsonl": "jsonl", "csv": "csv"}[name.split(".")[1]]
    assert batch("in.csv", name, "--no-ledger", "--jobs", "1")[0] == 0
    (folder / "in").write_text(ROWS)
    assert batch("in", "out", "--from", "csv", "--to", kind, "--no-ledger", "--jobs", "3")[0] == 0
    assert (folder / "out").read_bytes() == (folder / name).read_bytes()


def test_what_is_wrong_is_one_line_and_leaves_nothing(folder: Path) -> None:
    (folder / "naive.csv").write_text("device_id,starts_at,ends_at\nd,2027-07-01T15:00,\n")
    (folder / "short.csv").write_text("device_id,starts_at\nd,2027-07-01T15:00Z\n")
    (folder / "no.parquet").write_text("no")
    before = {path.name for path in folder.iterdir()}
    cases: list[tuple[list[str], str]] = [
        (["missing.csv", "out.csv"], "error [file]: No such file or directory: missing.csv"),
        (["in.csv", "nowhere/out.csv"], "error [file]: No such file or directory: nowhere"),
        (["naive.csv", "out.csv"], "error [invalid_table]: naive.csv cannot be read as csv: column 'starts_at'"),
        (["short.csv", "out.csv"], "error [invalid_table]: the table has no column 'ends_at'"),
        (["no.parquet", "out.csv"], "error [invalid_table]: no.parquet cannot be read as parquet"),
        (["in.csv", "out.xls"], "error [invalid_table]: the name 'out.xls' does not say"),
        (["in.csv", "in.csv"], "error [invalid_request]: the table, the result"),
        (["in.csv", "out.csv", "--to", "xls"], "error [invalid_request]: a file's format is"),
        (["in.csv", "out.csv", "--rounding", "2h"], "error [invalid_request]: the largest rounding"),
        (["in.csv", "out.csv", "--now", "2027-07-01T15:00"], "error [naive_datetime]: --now"),
        (["in.csv", "out.csv", "--ledger", "x", "--no-ledger"], "error [invalid_request]: give --ledger or --no-ledger"),
        (["in.csv", "out.csv", "--ledger", "in.csv"], "error [ledger_unusable]"),
    ]
    for args, words in cases:
        status, out, err = batch(*args)
        assert (status, out) == (2, ""), args
        assert err.startswith(words), err
        assert err.count("\n") == 1
    assert {path.name for path in folder.iterdir()} == before


def test_a_rounding_a_zone_and_a_weak_product_mean_what_they_mean_elsewhere(folder: Path) -> None:
    (folder / "odd.csv").write_text("device_id,starts_at,ends_at\nd,2027-07-01T15:20Z,2027-07-03T09:00Z\n")
    assert batch("odd.csv", "out.csv", "--no-ledger", vendor="oracode")[1].splitlines()[1].split() == ["1", "time_zone_required"]
    status, out, _ = batch("odd.csv", "out.csv", "--no-ledger", "--zone", "Europe/Berlin", "--rounding", "1d", vendor="oracode")
    assert (status, out.splitlines()[0].split(";")[0]) == (0, "1 served, 0 refused")


@pytest.mark.usefixtures("folder")
def test_a_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "offlinepin.batch.stream", None)
    monkeypatch.delattr("offlinepin.batch.stream", raising=False)
    status, _, err = batch("in.csv", "out.csv")
    assert (status, err.count("\n")) == (2, 1)
    assert "offlinepin[batch]" in err


def test_without_a_terminal_progress_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    moments = iter([0.0, 1.0, 11.0, 12.0, 22.0])
    watch = command._lines(lambda: next(moments))
    for rows_done in (100, 1100, 1200, 2200):
        watch(Progress(rows_done, 4400, rows_done / 4400))
    assert capsys.readouterr().err.splitlines() == ["1,100 rows, 25%, 100 rows/s, 33 s left", "2,200 rows, 50%, 100 rows/s, 22 s left"]


def test_at_a_terminal_progress_is_a_bar_with_its_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    from rich.console import Console

    written = io.StringIO()
    monkeypatch.setenv("TERM", "xterm")

    def console(**_: Any) -> Console:
        return Console(file=written, force_terminal=True, width=100)

    monkeypatch.setattr(command, "Console", console)
    with command._watching(True, "in.csv") as watch:
        watch(Progress(500, 1000, 0.5))
    assert "in.csv" in written.getvalue()
    assert "50%" in written.getvalue()
    assert "rows/s" in written.getvalue()
