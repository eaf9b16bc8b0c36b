"""The fuzz targets, a bounded run: neither what is typed, nor what the flash holds, nor any product's table leads the lock astray; and
a lock that does go astray is found."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from offlinepin.errors import BuildError
from offlinepin.firmware import fuzzing
from offlinepin.firmware.fuzzing import TARGETS, Fuzzer, clang

RUNS = {"typed": 150, "flash": 2000, "table": 10_000}

pytestmark = pytest.mark.skipif(clang() is None and shutil.which("gcc") is None, reason="needs clang's libFuzzer, or gcc")


@pytest.fixture(scope="module")
def guided(firmware: Path, tmp_path_factory: pytest.TempPathFactory) -> Fuzzer:
    """The best that this machine has: libFuzzer, or else gcc."""
    return Fuzzer(firmware, tmp_path_factory.mktemp("fuzz"))


@pytest.mark.parametrize("target", TARGETS)
def test_no_input_leads_the_lock_astray(target: str, guided: Fuzzer) -> None:
    ran = guided.run(target, runs=RUNS[target])
    assert ran.failure == ""
    assert ran.executions >= RUNS[target]
    assert (ran.covered > 100) == guided.is_guided


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc's sanitizer libraries")
def test_gcc_runs_the_same_targets(firmware: Path, tmp_path: Path) -> None:
    fuzzer = Fuzzer(firmware, tmp_path, is_guided=False)
    for target in TARGETS:
        ran = fuzzer.run(target, runs=40)
        assert (ran.failure, ran.executions > 40) == ("", True), target


COMMIT = "    opin_commit(lock);\n    if (lock->status != OPIN_WORKS) {\n        return;\n    }\n"
MARK = "void opin_mark(const opin_lock *lock, const opin_code *code) {\n"
NEVER = "    if (code->grant.variant < 9) {\n        return;\n    }\n"
ASTRAY = {
    "the bolt moves before the mark is kept": ("typed", "door.c", f"{COMMIT}    if (decision->action", "    if (decision->action"),
    "no mark is made": ("typed", "memory.c", MARK, MARK + NEVER),
    "any bytes are a state": ("flash", "door.c", "(OPIN_IMAGE(lock)[0] != OPIN_VERSION ||", "(OPIN_IMAGE(lock)[0] == 77 &&"),
}


def astray(firmware: Path, into: Path, file: str, old: str, new: str) -> Path:
    """A copy of the C sources with a fault."""
    wrong = into / "firmware"
    shutil.copytree(firmware, wrong)
    source = wrong / "src" / file
    text = source.read_text()
    assert text.count(old) == 1
    source.write_text(text.replace(old, new))
    return wrong


@pytest.mark.parametrize("fault", ASTRAY)
def test_a_lock_that_goes_astray_is_found(fault: str, firmware: Path, tmp_path: Path) -> None:
    target, *change = ASTRAY[fault]
    wrong = astray(firmware, tmp_path, *change)
    assert "it must be true that" in Fuzzer(wrong, tmp_path).run(target, runs=4 * RUNS[target]).failure


@pytest.mark.skipif(clang() is None, reason="needs clang's libFuzzer")
def test_the_command_counts_what_it_ran_and_keeps_the_input_that_shows_a_fault(
    firmware: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = astray(firmware, tmp_path, "payload.c", "payload >= family->payloads", "payload > family->payloads")
    monkeypatch.setattr(fuzzing, "sources", lambda: wrong)
    monkeypatch.setattr(sys, "argv", ["fuzzing", "--seconds", "30", "--inputs", str(tmp_path / "inputs")])
    monkeypatch.setattr(fuzzing, "TARGETS", {"table": TARGETS["table"]})
    assert fuzzing.main() == 1
    said = capsys.readouterr()
    assert re.match(r"table +0 executions, 0 edges covered, 0 inputs kept: FAILED", said.out)
    assert "it must be true that is_one == (payload < f->payloads)" in said.err
    (found,) = (tmp_path / "inputs").glob("table-crash-*")
    with monkeypatch.context() as right:
        right.setattr(fuzzing, "sources", lambda: firmware)
        right.setattr(sys, "argv", ["fuzzing", "--seconds", "1", "--inputs", str(tmp_path / "inputs")])
        found.rename(tmp_path / "inputs" / "table-inputs" / "found")
        assert fuzzing.main() == 0
    assert re.match(r"table +[0-9,]+ executions, [0-9,]+ edges covered, [0-9,]+ inputs kept: nothing found", capsys.readouterr().out)


def test_without_a_compiler_it_says_what_would_be_right(firmware: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match=r"clang with libFuzzer .* or gcc"):
        Fuzzer(firmware, tmp_path)
