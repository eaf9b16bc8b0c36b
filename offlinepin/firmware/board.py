"""The test board: the C lock with a simulated flash part, clock and bolt around it, worked as the simulated lock is."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final, Protocol, Self

from offlinepin.engine.payload import Grant
from offlinepin.engine.profile import Action
from offlinepin.errors import StateError
from offlinepin.lock.decide import Decision, Reason
from offlinepin.lock.flash import WORD, Flash
from offlinepin.lock.layout import Layout
from offlinepin.lock.timekeeping import DoorClock
from offlinepin.provisioning import Provisioning

_REASONS: Final = tuple(Reason)
_ACTIONS: Final = tuple(Action)
_TROUBLES: Final = (
    "",
    "the state does not read back as it was written; the flash is worn out",
    "the lock's state is lost; it must be provisioned again",
)
READING_BYTES: Final = 28


class Question(IntEnum):
    """What the lock asks the board: ``board_question`` of ``firmware/board/board.h``."""

    PROGRAM = 0
    ERASE = 1
    NOW = 2
    NOW_UPPER = 3
    SET_CLOCK = 4
    UPTIME = 5
    BOLT = 6


Ask = Callable[[int, int, int], int]


@dataclass(frozen=True, slots=True)
class Opened:
    """What a code reads as under one window; ``kind`` counts through all families, ``duration`` is its index, and all but the first two
    mean nothing when the payload is none."""

    family: int
    payload: int
    kind: int
    start: int
    duration: int
    variant: int
    is_payload: bool

    @classmethod
    def of(cls, answer: int, reading: bytes) -> Opened | None:
        """From what ``board_open`` gives."""
        words = [int.from_bytes(reading[i : i + 4], "little") for i in range(0, READING_BYTES, 4)]
        family, upper, lower, kind, start, duration, variant = words
        return cls(family, upper << 32 | lower, kind, start, duration, variant, answer == 2) if answer else None


class Machine(Protocol):
    """Something that runs the C lock: a library on this machine, or an emulated part. An exception out of ``ask`` stops it there, and
    comes out of the call that was running."""

    def power_up(self, flash: Flash, token: bytes, generation: int, ask: Ask) -> int:
        """Run ``board_power_up``; the lock's status."""
        ...

    def press(self, key: str) -> tuple[int, ...] | None:
        """Run ``board_press``; the eight words of an answer, if the key ended an entry."""
        ...

    def status(self) -> int:
        """The lock's status."""
        ...

    def check_value(self) -> int:
        """What the lock shows of its token."""
        ...

    def charged_at(self) -> int:
        """The uptime of the last charge."""
        ...

    def step(self, token: bytes, following: int) -> bytes:
        """Run ``board_step``: the token of generation ``following``."""
        ...

    def open_code(self, token: bytes, code: str, window: int) -> Opened | None:
        """Run ``board_open``: what a code reads as under one window; ``None`` if no family claims it."""
        ...

    def image(self, size: int) -> bytes:
        """The first bytes of the lock's memory."""
        ...

    def show(self, at: int, data: bytes) -> None:
        """The flash part's content changed."""
        ...


class BoardLock:
    """The C lock on the test board: a ``LockUnderTest`` of :mod:`offlinepin.testing`.

    Args:
        provisioning: token, profile, zone and keypad.
        at: the true moment at which it is switched on.
        machine: makes what runs it.
        flash: the part that holds its state.
        clock: its clock; a perfect one by default.
    """

    def __init__(
        self, provisioning: Provisioning, at: datetime, machine: Callable[[], Machine], flash: Flash, clock: DoorClock | None = None
    ) -> None:
        self.profile, self.flash, self.bolt_moves = provisioning.profile, flash, 0
        self.clock = DoorClock(provisioning.clock, at) if clock is None else clock
        self.layout = Layout(self.profile)
        self.machine = machine()
        self._make, self._provisioning = machine, provisioning
        self._kinds = [(f, k) for f, family in enumerate(self.profile.families) for k in range(len(family.kinds))]
        self.power_up(at)

    @property
    def check_value(self) -> str:
        """What it shows of its token: 8 hexadecimal digits."""
        return f"{self.machine.check_value():08x}"

    @property
    def writes(self) -> int:
        """How many words were written to its flash."""
        return self.flash.words

    @property
    def state_bytes(self) -> int:
        """The size of its state."""
        return self.layout.size

    @property
    def image(self) -> bytes:
        """Its state and token, as they lie in its memory."""
        return self.machine.image(self.layout.size + 32)

    def reading(self, at: datetime) -> int | None:
        """What its clock shows."""
        return self.clock.reading(at)

    def power_up(self, at: datetime) -> None:
        """The power comes. ``StateError`` if the lock finds its state beyond use."""
        self._at = self._up_since = at
        token = self._provisioning.token
        self._check(self.machine.power_up(self.flash, token.export(), token.generation, self._ask))

    def press(self, keys: str, at: datetime) -> list[Reason]:
        """Press keys; the answer to every entry that they end."""
        return [decision.reason for decision in self.decisions(keys, at)]

    def decisions(self, keys: str, at: datetime) -> list[Decision]:
        """Press keys; the decision on every entry that they end."""
        self._at = at
        found = []
        for key in keys:
            answer = self.machine.press(key)
            if answer is not None:
                found.append(self._decision(answer))
            self._check(self.machine.status())
        return found

    def correct_clock(self, at: datetime) -> None:
        """A visit sets the clock right."""
        self.clock.correct(at)

    def shift_clock(self, by: timedelta, at: datetime) -> None:
        """The clock is set ahead or back by hand."""
        self.clock.shift(by, at)

    def drift_clock(self, ppm: float, at: datetime) -> None:
        """From now on it runs so many parts per million fast."""
        self.clock.drift(ppm, at)

    def lose_clock(self) -> None:
        """It shows nothing from now on."""
        self.clock.lose()

    def arm(self, writes: int | None, silently: bool = False) -> None:
        """Let the power go after so many more writes, or (a part that can do so) lose the one after them."""
        if not silently:
            self.flash.cut_after = writes
        elif hasattr(self.flash, "lose_after"):
            self.flash.lose_after = writes

    def twin(self, at: datetime) -> Self:
        """Another lock with the same memory and clock that has just been powered up."""
        flash = self.flash.copy()
        flash.cut_after = None
        return type(self)(self._provisioning, at, self._make, flash, copy.copy(self.clock))

    def _check(self, status: int) -> None:
        if status:
            raise StateError(_TROUBLES[status])

    def _decision(self, words: tuple[int, ...]) -> Decision:
        reason, action, wait, has_grant, kind, start, duration, variant = words
        grant = None
        if has_grant:
            f, k = self._kinds[kind]
            grant = Grant(f, k, start, self.profile.families[f].kinds[k].duration_at(duration), variant)
        return Decision(_REASONS[reason], grant, _ACTIONS[action] if reason == 0 else None, wait)

    def _ask(self, question: int, first: int, second: int) -> int:
        """The board's answer."""
        match Question(question):
            case Question.PROGRAM:
                self._change(first, WORD, lambda: self.flash.write(first, second.to_bytes(WORD, "big")))
            case Question.ERASE:
                self._change(first * self.flash.page_size, self.flash.page_size, lambda: self.flash.erase(first))
            case Question.NOW:
                return self._now() & 0xFFFF_FFFF
            case Question.NOW_UPPER:
                return self._now() >> 32 & 0xFFFF_FFFF
            case Question.SET_CLOCK:
                self.clock.set_reading(second << 32 | first, self._at)
            case Question.UPTIME:
                return max(0, int((self._at - self._up_since).total_seconds()))
            case Question.BOLT:
                self.bolt_moves += 1
        return 1

    def _now(self) -> int:
        shown = self.clock.reading(self._at)
        return -1 if shown is None else shown

    def _change(self, at: int, length: int, change: Callable[[], None]) -> None:
        try:
            change()
        finally:
            self.machine.show(at, self.flash.read(at, length))
