"""What the C lock costs on the smallest part, counted on the emulator, keeps within its limits; a limit that is broken is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from offlinepin.firmware.emulator import CodeSize
from offlinepin.firmware.measure import Cost, broken, lines, measure

COST = Cost(
    part="cortex-m0plus",
    code=CodeSize(6_400, 40, 900),
    plain=CodeSize(6_000, 40, 500),
    parts=CodeSize(9_000, 40, 900),
    gcc=(7_100, 8_200),
    state=782,
    stack=700,
    wrong=700_000,
    opening=1_700_000,
    service=500_000,
    power_up=250_000,
    search=1_200_000_000,
)


def test_the_lock_on_a_cortex_m0plus_keeps_within_its_limits(firmware: Path, tmp_path: Path) -> None:
    cost = measure("cortex-m0plus", firmware, tmp_path, openings=1)
    assert not list(broken(cost))
    assert 0 < cost.wrong < cost.opening
    assert f"{cost.stack:,}" in "\n".join(lines([cost]))
    assert cost.plain.core < cost.code.core < cost.parts.core


@pytest.mark.parametrize(
    ("worse", "what"),
    [
        ({"plain": CodeSize(6_144, 1, 0)}, "bytes of code without service codes"),
        ({"code": CodeSize(20_000, 0, 0)}, "bytes of code with all service codes"),
        ({"stack": 2_000}, "bytes of memory and stack"),
        ({"wrong": 2_000_000, "search": 3_000_000_000}, "instructions of a wrong entry"),
        ({"search": 10_000_000}, "searching takes 14 times"),
    ],
)
def test_a_limit_that_is_broken_is_named(worse: dict[str, object], what: str) -> None:
    assert not list(broken(COST))
    (found,) = broken(replace(COST, **worse))  # type: ignore[arg-type]
    assert what in found


def test_gcc_is_shown_where_it_is_there() -> None:
    assert "gcc: code and table" in "\n".join(lines([COST]))
    assert "gcc" not in "\n".join(lines([COST, replace(COST, gcc=None)]))
