"""The lock under test, as the harness sees it: keys, power, clock, bolt and what it shows. A :class:`DoorUnderTest` puts the simulated
lock there; another adapter can put a firmware there, on a bench or in an emulator."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final, Protocol, Self
from unittest.mock import patch

from offlinepin.engine.codec import open_under
from offlinepin.engine.payload import Grant
from offlinepin.engine.profile import Profile
from offlinepin.engine.token import KEY_BYTES, DeviceToken
from offlinepin.lock import decide as lock_decide
from offlinepin.lock.decide import Reason
from offlinepin.lock.door import Door
from offlinepin.lock.flash import WORD, Flash, PowerCutError
from offlinepin.lock.layout import Layout
from offlinepin.lock.timekeeping import DoorClock
from offlinepin.provisioning import Provisioning

_TIGHT: Final = 96  # bytes of a page beside the image: a snapshot's head and check value, and room for a short change


class LockUnderTest(Protocol):
    """A lock that the harness can work. Moments are true moments, aware, and never go back.

    Every method but those of the power may be called only while the lock has power. :class:`PowerCutError` out of :meth:`press` or
    :meth:`power_up` says that the power went as :meth:`arm` had asked for; anything else that is raised makes the lock unusable.
    """

    @property
    def bolt_moves(self) -> int:
        """How often the bolt was driven, ever."""
        ...

    @property
    def check_value(self) -> str:
        """What the lock shows of its token: 8 hexadecimal digits."""
        ...

    @property
    def writes(self) -> int:
        """How many words were written to its flash, ever; 0 if that is not known."""
        ...

    @property
    def state_bytes(self) -> int:
        """The size of the image of its state; 0 if that is not known."""
        ...

    def reading(self, at: datetime) -> int | None:
        """What its clock shows, in seconds (``utc`` or ``civil`` as the profile says); ``None`` when it is lost."""
        ...

    def press(self, keys: str, at: datetime) -> list[Reason]:
        """Press keys one after the other, all within the same second; the answer to every entry that they end."""
        ...

    def arm(self, writes: int | None, silently: bool = False) -> None:
        """Let the power go at the write or erase after the next ``writes``; ``None`` lets it on. ``silently``: instead, that one write
        is lost and the power stays on, as a part that wears out does."""
        ...

    def power_up(self, at: datetime) -> None:
        """The power comes back, after a cut or without one."""
        ...

    def correct_clock(self, at: datetime) -> None:
        """A visit sets the clock right."""
        ...

    def shift_clock(self, by: timedelta, at: datetime) -> None:
        """The clock is set ahead or back by hand."""
        ...

    def drift_clock(self, ppm: float, at: datetime) -> None:
        """From now on it runs so many parts per million fast."""
        ...

    def lose_clock(self) -> None:
        """It shows nothing from now on."""
        ...

    def twin(self, at: datetime) -> Self | None:
        """Another lock with the same memory and clock that has just been powered up; ``None`` if that cannot be made."""
        ...


LockFactory = Callable[[Provisioning, datetime, bool], LockUnderTest]
"""Makes a lock: what is loaded into it, the true moment at which it is switched on, and whether its clock follows daylight saving time."""


class WeakFlash(Flash):
    """A flash part of which one write can be lost without a word: a cell that has had its time."""

    lose_after: int | None = None

    def write(self, at: int, word: bytes) -> None:
        """See :meth:`Flash.write`."""
        if self.lose_after is not None:
            self.lose_after -= 1
            if self.lose_after < 0:
                self.lose_after = None
                word = self.read(at, WORD)
        super().write(at, word)

    def copy(self) -> WeakFlash:
        """A part in the same condition."""
        plain = super().copy()
        twin = WeakFlash(self.page_size, self.pages)
        twin.__dict__.update(plain.__dict__)
        return twin


class DoorUnderTest:
    """The simulated lock under test.

    Args:
        provisioning, at, follows_dst: see :data:`LockFactory`.
        door: the class of the lock; a mutant in tests of the harness.
        flash: the part that holds its state.
        clock: its clock.
    """

    def __init__(
        self,
        provisioning: Provisioning,
        at: datetime,
        follows_dst: bool = True,
        *,
        door: type[Door] = Door,
        flash: Flash | None = None,
        clock: DoorClock | None = None,
    ) -> None:
        self._provisioning, self._door_class = provisioning, door
        if clock is None:
            clock = DoorClock(provisioning.clock, at, follows_dst=follows_dst)
        self._flash = flash = WeakFlash(Door(provisioning, at).flash.page_size) if flash is None else flash
        self.door = door(provisioning, at, flash=flash, clock=clock)

    @property
    def bolt_moves(self) -> int:
        """See :class:`LockUnderTest`."""
        return self.door.bolt_moves

    @property
    def check_value(self) -> str:
        """See :class:`LockUnderTest`."""
        return self.door.token.check_value

    @property
    def writes(self) -> int:
        """See :class:`LockUnderTest`."""
        return self._flash.words

    @property
    def state_bytes(self) -> int:
        """See :class:`LockUnderTest`."""
        return self.door.layout.size

    def reading(self, at: datetime) -> int | None:
        """See :class:`LockUnderTest`."""
        return self.door.clock.reading(at)

    def press(self, keys: str, at: datetime) -> list[Reason]:
        """See :class:`LockUnderTest`."""
        return [decision.reason for decision in self.door.press(keys, at)]

    def arm(self, writes: int | None, silently: bool = False) -> None:
        """See :class:`LockUnderTest`."""
        if not silently:
            self._flash.cut_after = writes
        elif isinstance(self._flash, WeakFlash):
            self._flash.lose_after = writes

    def power_up(self, at: datetime) -> None:
        """See :class:`LockUnderTest`."""
        self.door.power_up(at)

    def correct_clock(self, at: datetime) -> None:
        """See :class:`LockUnderTest`."""
        self.door.clock.correct(at)

    def shift_clock(self, by: timedelta, at: datetime) -> None:
        """See :class:`LockUnderTest`."""
        self.door.clock.shift(by, at)

    def drift_clock(self, ppm: float, at: datetime) -> None:
        """See :class:`LockUnderTest`."""
        self.door.clock.drift(ppm, at)

    def lose_clock(self) -> None:
        """See :class:`LockUnderTest`."""
        self.door.clock.lose()

    def twin(self, at: datetime) -> Self:
        """See :class:`LockUnderTest`."""
        flash = self._flash.copy()
        flash.cut_after = None
        return type(self)(self._provisioning, at, door=self._door_class, flash=flash, clock=copy.copy(self.door.clock))


def tight_door(provisioning: Provisioning, at: datetime, follows_dst: bool = True, *, door: type[Door] = Door) -> DoorUnderTest:
    """The simulated lock with the smallest part that its state fits into, so that most commits write a whole snapshot."""
    size = Layout(provisioning.profile).size + KEY_BYTES
    return DoorUnderTest(provisioning, at, follows_dst, door=door, flash=WeakFlash(-(-size // WORD) * WORD + _TIGHT))


@contextmanager
def counted_windows() -> Iterator[Counter[int]]:
    """Counts how many windows the simulated lock deciphers, by the index of the family, while it is open."""
    counts: Counter[int] = Counter()

    def counted(profile: Profile, token: DeviceToken, family_index: int, window: int, number: int) -> Grant | None:
        counts[family_index] += 1
        return open_under(profile, token, family_index, window, number)

    with patch.object(lock_decide, "open_under", counted):
        yield counts


__all__ = ["DoorUnderTest", "LockFactory", "LockUnderTest", "PowerCutError", "WeakFlash", "counted_windows", "tight_door"]
