"""The search for timing leaks finds one that is there. That the C lock has none is asked of the emulated parts, by instructions."""

from __future__ import annotations

from pathlib import Path

from offlinepin.firmware.timing import LEAK, welch_t


def test_a_planted_leak_is_found(firmware: Path, tmp_path: Path) -> None:
    assert welch_t(firmware, tmp_path, 10_000, planted=True) > LEAK
