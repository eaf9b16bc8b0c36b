"""The search for timing leaks finds one that is there. That the C lock has none is asked of the emulated parts, by instructions."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from offlinepin.firmware.timing import LEAK, main, welch_t


def test_a_planted_leak_is_found(firmware: Path, tmp_path: Path) -> None:
    assert welch_t(firmware, tmp_path, 10_000, planted=True) > LEAK


def test_the_command_says_both_figures_and_judges_by_them(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["timing", "--measurements", "3000"])
    status = main()
    found = re.fullmatch(
        r"opening a code, 3,000 measurements: t = ([0-9.]+), a leak from 4\.5 on; with a planted leak: t = ([0-9]+)\n",
        capsys.readouterr().out,
    )
    assert found is not None
    assert status == (0 if float(found[1]) < LEAK < float(found[2]) else 1)
