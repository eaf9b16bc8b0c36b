"""The C lock is the simulated lock: random sessions at both with the same keys, clocks, power cuts and failing cells give the same answers,
the same state and the same flash, byte for byte, after every step."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from offlinepin.engine.token import KEY_BYTES
from offlinepin.errors import StateError
from offlinepin.firmware.board import BoardLock
from offlinepin.firmware.build import PARTS, Builder
from offlinepin.firmware.emulator import EmulatedMachine
from offlinepin.firmware.host import HostMachine
from offlinepin.firmware.pair import DifferenceError, PairFactory, PairUnderTest, main
from offlinepin.lock.door import Door
from offlinepin.lock.flash import WORD, Flash
from offlinepin.lock.layout import Layout
from offlinepin.provisioning import Provisioning
from offlinepin.testing.campaign import run

STEPS = 1_000  # `make firmware` takes 50,000
AT = datetime(2027, 6, 15, 9, tzinfo=UTC)


@pytest.mark.parametrize("is_tight", [False, True])
def test_the_c_lock_does_what_the_simulated_lock_does(host: Builder, is_tight: bool) -> None:
    factory = PairFactory(host, HostMachine, is_tight)
    result = run(STEPS, 20 + is_tight, factories=[factory], per_session=60)
    assert not result.findings, result.findings[0].message
    assert sum(factory.steps.values()) >= STEPS
    assert result.cuts > STEPS / 20
    assert is_tight or len(result.reasons) >= 11  # of 13; a tight one spends its entries on sweeps


def test_a_lock_made_for_one_product_does_what_the_simulated_lock_does(host_whole: Builder) -> None:
    """Every vendor's lock and generated ones, each compiled with its own table, without what its product cannot use."""
    result = run(STEPS, 9, factories=[PairFactory(host_whole, HostMachine)], per_session=40)
    assert not result.findings, result.findings[0].message


@pytest.mark.parametrize("part", PARTS)
def test_an_emulated_lock_does_what_the_simulated_lock_does(part_builder: Callable[[str], Builder], part: str) -> None:
    factory = PairFactory(part_builder(part), lambda program: EmulatedMachine(program, part))
    result = run(100, 5, ["standard", "generated", "igloo"], factories=[factory], per_session=50)
    assert not result.findings, result.findings[0].message
    assert result.cuts


def test_both_locks_find_the_same_damage_in_an_aged_flash(host: Builder, provisioned: Callable[[str], Provisioning]) -> None:
    """A bit flips anywhere in what is written: both go on with the same state, or both give up."""
    made = provisioned("standard")
    library = host.build(made, "aged")
    pair = PairUnderTest(made, AT, True, partial(HostMachine, library), PairFactory(host, HostMachine).steps)
    pair.press("123456789#", AT)
    pair.press("223456789#", AT)
    flash = pair.door.flash
    written = len(flash.read(0, flash.page_size).rstrip(b"\xff"))
    for at in range(0, written, 13):
        aged = flash.copy()
        aged.rot(at, at % 8)
        both_end(made, library, aged)


def both_end(made: Provisioning, library: Path, flash: Flash) -> None:
    """Both locks come up on a flash part, or both refuse it; a difference raises."""

    def end(start: Callable[[Flash], object]) -> bytes:
        part = flash.copy()
        try:
            start(part)
        except StateError:
            return b""
        return part.read(0, part.page_size * part.pages)

    ours = end(lambda part: Door(made, AT, flash=part))
    theirs = end(lambda part: BoardLock(made, AT, partial(HostMachine, library), part))
    if ours != theirs:
        raise DifferenceError("one lock took what the other refused, or they wrote different things")


def test_a_wrong_byte_anywhere_is_noticed(host: Builder, provisioned: Callable[[str], Provisioning]) -> None:
    """What the comparison is worth: a bit of the C lock's flash that differs ends the session."""
    made = provisioned("standard")
    library = host.build(made, "noticed")
    pair = PairUnderTest(made, AT, True, partial(HostMachine, library), PairFactory(host, HostMachine).steps)
    pair.board.flash.rot(pair.board.flash.page_size * 2 - 1, 0)
    with pytest.raises(DifferenceError, match="flash at"):
        pair.press("123456789#", AT)


def test_a_part_that_is_too_small_is_refused_by_both(host: Builder, provisioned: Callable[[str], Provisioning]) -> None:
    made = provisioned("rotating")
    library = host.build(made, "small")
    size = Layout(made.profile).size + KEY_BYTES
    enough = -(-size // WORD) * WORD + 16 + 64
    BoardLock(made, AT, partial(HostMachine, library), Flash(enough))
    Door(made, AT, flash=Flash(enough))
    for lock in (lambda part: Door(made, AT, flash=part), lambda part: BoardLock(made, AT, partial(HostMachine, library), part)):
        with pytest.raises(StateError):
            lock(Flash(enough - WORD))


def test_the_command_counts_the_differences(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["pair", "--steps", "50", "--seed", "4"])
    assert main() == 0
    assert "power cuts: 0 differences" in capsys.readouterr().out
