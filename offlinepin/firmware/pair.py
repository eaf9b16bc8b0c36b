"""Two locks as one: everything is done to the simulated lock and to the C lock, and after every step they must be equal in answers, bolt,
state and flash. ``python -m offlinepin.firmware.pair --steps 50000`` runs the campaign of ``offlinepin.testing`` with them."""

from __future__ import annotations

import argparse
import copy
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Self, TypeVar

from offlinepin.errors import StateError
from offlinepin.firmware.board import BoardLock, Machine
from offlinepin.firmware.build import Builder, Toolchain, sources
from offlinepin.firmware.host import HostMachine
from offlinepin.lock.decide import Decision, Reason
from offlinepin.lock.door import Door
from offlinepin.lock.flash import WORD, Flash, PowerCutError
from offlinepin.lock.layout import Layout
from offlinepin.lock.timekeeping import DoorClock
from offlinepin.provisioning import Provisioning
from offlinepin.testing.adapter import WeakFlash
from offlinepin.testing.campaign import run

T = TypeVar("T")
_TIGHT: Final = 112  # bytes of a page beside the image: most commits are snapshots then


class DifferenceError(AssertionError):
    """The C lock did something else than the simulated lock."""


class PairUnderTest:
    """The simulated lock and the C lock, as one ``LockUnderTest``.

    Args:
        provisioning, at, follows_dst: as of ``LockFactory``.
        machine: makes what runs the C lock.
        steps: counts what is done, by name.
        flash: the part that holds the state; each gets a copy.
        clock: the clock; each gets a copy.
    """

    def __init__(
        self,
        provisioning: Provisioning,
        at: datetime,
        follows_dst: bool,
        machine: Callable[[], Machine],
        steps: Counter[str],
        flash: Flash | None = None,
        clock: DoorClock | None = None,
    ) -> None:
        clock = DoorClock(provisioning.clock, at, follows_dst=follows_dst) if clock is None else clock
        flash = WeakFlash(Door(provisioning, at).flash.page_size) if flash is None else flash
        other = flash.copy()
        self._provisioning, self._machine, self._steps = provisioning, machine, steps
        self.door = Door(provisioning, at, flash=flash, clock=copy.copy(clock))
        self.board = BoardLock(provisioning, at, machine, other, copy.copy(clock))
        self._compare("power_up")

    @property
    def bolt_moves(self) -> int:
        """How often the bolt was driven."""
        return self.door.bolt_moves

    @property
    def check_value(self) -> str:
        """What both show of their token."""
        if self.board.check_value != self.door.token.check_value:
            raise DifferenceError(f"check value {self.board.check_value}, not {self.door.token.check_value}")
        return self.board.check_value

    @property
    def writes(self) -> int:
        """How many words were written to the flash of one."""
        return self.board.writes

    @property
    def state_bytes(self) -> int:
        """The size of the state."""
        return self.board.state_bytes

    def reading(self, at: datetime) -> int | None:
        """What both clocks show."""
        shown = self.door.clock.reading(at)
        if shown != self.board.reading(at):
            raise DifferenceError(f"the clock shows {self.board.reading(at)}, not {shown}")
        return shown

    def press(self, keys: str, at: datetime) -> list[Reason]:
        """Press keys on both."""
        return [decision.reason for decision in self.decisions(keys, at)]

    def decisions(self, keys: str, at: datetime) -> list[Decision]:
        """Press keys on both; the decisions."""
        return self._both("press", lambda: self.door.press(keys, at), lambda: self.board.decisions(keys, at))

    def arm(self, writes: int | None, silently: bool = False) -> None:
        """Let the power of both go at the same write."""
        if silently:
            for flash in (self.door.flash, self.board.flash):
                if isinstance(flash, WeakFlash):
                    flash.lose_after = writes
        else:
            self.door.flash.cut_after = self.board.flash.cut_after = writes

    def power_up(self, at: datetime) -> None:
        """The power comes back to both."""
        self._both("power_up", lambda: self.door.power_up(at), lambda: self.board.power_up(at))

    def correct_clock(self, at: datetime) -> None:
        """A visit."""
        self._clocks(lambda clock: clock.correct(at))

    def shift_clock(self, by: timedelta, at: datetime) -> None:
        """Somebody sets the clock."""
        self._clocks(lambda clock: clock.shift(by, at))

    def drift_clock(self, ppm: float, at: datetime) -> None:
        """From now on it runs so many parts per million fast."""
        self._clocks(lambda clock: clock.drift(ppm, at))

    def lose_clock(self) -> None:
        """It shows nothing from now on."""
        self._clocks(DoorClock.lose)

    def twin(self, at: datetime) -> Self:
        """Another pair in the same condition."""
        flash = self.door.flash.copy()
        flash.cut_after = None
        return type(self)(self._provisioning, at, True, self._machine, self._steps, flash, self.door.clock)

    def _clocks(self, change: Callable[[DoorClock], None]) -> None:
        change(self.door.clock)
        change(self.board.clock)

    def _both(self, what: str, one: Callable[[], T], other: Callable[[], T]) -> T:
        expected, found = _outcome(one), _outcome(other)
        if expected != found and not (isinstance(expected, Exception) and type(expected) is type(found)):
            raise DifferenceError(f"{what}: {found!r}, not {expected!r}")
        self._compare(what, is_on=not isinstance(expected, Exception))
        if isinstance(expected, Exception):
            raise expected
        return expected

    def _compare(self, what: str, is_on: bool = True) -> None:
        self._steps[what] += 1
        door, board = self.door, self.board
        if door.bolt_moves != board.bolt_moves:
            raise DifferenceError(f"{what}: the bolt moved {board.bolt_moves} times, not {door.bolt_moves}")
        size = door.flash.page_size * door.flash.pages
        ours, theirs = door.flash.read(0, size), board.flash.read(0, size)
        if ours != theirs:
            at = next(i for i in range(size) if ours[i] != theirs[i]) // WORD * WORD
            raise DifferenceError(f"{what}: flash at {at} is {theirs[at : at + 32].hex()}, not {ours[at : at + 32].hex()}")
        if is_on:
            image = door.layout.encode(door.state) + door.token.export()
            if board.image != image:
                at = next(i for i in range(len(image)) if image[i] != board.image[i])
                raise DifferenceError(f"{what}: state at {at} is {board.image[at : at + 16].hex()}, not {image[at : at + 16].hex()}")


def _outcome(do: Callable[[], T]) -> T | PowerCutError | StateError:
    try:
        return do()
    except (PowerCutError, StateError) as stopped:
        return stopped


class PairFactory:
    """Makes pairs for a bench: builds the C lock of each product once.

    Args:
        builder: builds it.
        machine: makes what runs a build.
        is_tight: whether the flash is as small as can be.

    Attributes:
        steps: what was done to all pairs, by name.
    """

    def __init__(self, builder: Builder, machine: Callable[[Path], Machine], is_tight: bool = False) -> None:
        self._builder, self._machine, self._is_tight = builder, machine, is_tight
        self._built: dict[str, Path] = {}
        self.steps: Counter[str] = Counter()

    def __call__(self, provisioning: Provisioning, at: datetime, follows_dst: bool) -> PairUnderTest:
        """A pair that is switched on."""
        key = provisioning.profile.json_text() + provisioning.keypad.model_dump_json()
        if key not in self._built:
            self._built[key] = self._builder.build(provisioning, f"product-{len(self._built)}{'-tight' * self._is_tight}")
        made = self._built[key]
        flash = None
        if self._is_tight:
            flash = WeakFlash(-(-(Layout(provisioning.profile).size + 32) // WORD) * WORD + _TIGHT)
        return PairUnderTest(provisioning, at, follows_dst, lambda: self._machine(made), self.steps, flash)


def main() -> int:
    """The command. Exit status 1 if there was a difference."""
    parser = argparse.ArgumentParser(prog="python -m offlinepin.firmware.pair", description=__doc__)
    parser.add_argument("--steps", type=int, default=50_000, help="how many entries are typed at both (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed does the same (default %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as into:
        parts = Builder(sources(), Toolchain.host(), Path(into) / "parts")
        whole = replace(parts, into=Path(into) / "whole", whole=True)
        factories = [PairFactory(parts, HostMachine), PairFactory(whole, HostMachine), PairFactory(parts, HostMachine, is_tight=True)]
        result = run(options.steps, options.seed, factories=[*factories[:1] * 3, *factories[1:2] * 2, factories[2]])
    steps = sum((factory.steps for factory in factories), Counter())
    print(f"{sum(steps.values()):,} steps at both locks, {result.cuts:,} power cuts: {len(result.findings)} differences")
    for finding in result.findings[:10]:
        print(finding)
    return 1 if result.findings else 0


if __name__ == "__main__":
    sys.exit(main())
