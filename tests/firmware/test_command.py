"""``offlinepin firmware tables``: from a document to a table, with nothing secret in it."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from offlinepin import Issuer, MasterKey
from offlinepin.cli.app import app
from offlinepin.firmware.tables import tables
from offlinepin.vendor import load


def run(*args: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["firmware", "tables", *args])
    return done.exit_code, done.stdout, done.stderr


def test_a_vendors_table_has_its_profile_and_its_keypad() -> None:
    vendor = load("ttlock")
    assert run("ttlock") == (0, tables(vendor.profile, vendor.keypad), "")


def test_a_profile_document_gives_the_table_of_its_product(tmp_path: Path) -> None:
    profile = load("rotating").profile
    path = tmp_path / "mine.json"
    path.write_text(profile.json_text())
    assert run(str(path)) == (0, tables(profile), "")


def test_a_provisioning_gives_the_same_table_and_none_of_its_secret(tmp_path: Path) -> None:
    issuer = Issuer(MasterKey(bytes(range(32))), "igloo", allow_weak=True)
    made = issuer.provision("front-door")
    path = tmp_path / "door.json"
    made.save(path)
    status, out, _ = run("--provision", str(path))
    assert (status, out) == (0, run("igloo")[1])
    token = made.token.export()
    assert token.hex()[:16] not in out
    assert ", ".join(f"0x{byte:02x}" for byte in token[:8]) not in out


def test_one_product_must_be_named(tmp_path: Path) -> None:
    assert run()[0] == 2
    assert run("igloo", "--provision", str(tmp_path / "x.json"))[0] == 2


def test_a_missing_document_is_one_line_on_stderr() -> None:
    status, out, err = run("missing.json")
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
