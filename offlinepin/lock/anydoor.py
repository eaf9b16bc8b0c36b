"""What a session at a lock needs of the door, whoever made it: the simulated one, or one with the lock in C."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from offlinepin.engine.profile import Profile
from offlinepin.engine.token import DeviceToken
from offlinepin.lock.audit import AuditLog
from offlinepin.lock.decide import Decision
from offlinepin.lock.door import Door
from offlinepin.lock.flash import Flash
from offlinepin.lock.journal import Condition
from offlinepin.lock.layout import Layout
from offlinepin.lock.state import State
from offlinepin.lock.timekeeping import DoorClock
from offlinepin.provisioning import Provisioning


class AnyDoor(Protocol):
    """A whole lock that has power. Moments are true moments, aware.

    Attributes:
        audit: where it logs its decisions. Whoever holds the door may give it another log.
    """

    audit: AuditLog

    @property
    def profile(self) -> Profile:
        """Its rules."""
        ...

    @property
    def layout(self) -> Layout:
        """How its state lies in bytes."""
        ...

    @property
    def flash(self) -> Flash:
        """The part that holds its state."""
        ...

    @property
    def clock(self) -> DoorClock:
        """Its clock."""
        ...

    @property
    def condition(self) -> Condition:
        """What was found in flash when the power came."""
        ...

    @property
    def state(self) -> State:
        """Its memory, with what it knows since power-up of when it was charged last."""
        ...

    @property
    def token(self) -> DeviceToken:
        """Its secret, of the generation that it is at."""
        ...

    @property
    def bolt_moves(self) -> int:
        """How often the bolt was driven since power-up."""
        ...

    def uptime(self, at: datetime) -> int:
        """Whole seconds since power-up."""
        ...

    def press(self, keys: str, at: datetime) -> list[Decision]:
        """Press keys one after the other; a decision for every entry that they end. That of a follow-up is the decision on the code
        before it, and the bolt does not move.

        Raises:
            PowerCutError: the flash lost its power on the way; this door is dead.
        """
        ...


MakeDoor = Callable[[Provisioning, datetime, Flash, DoorClock], AnyDoor]
"""Switches a door on: what was loaded into it, the true moment, its flash part and its clock. Raises ``StateError`` if it cannot start."""


def simulated(provisioning: Provisioning, at: datetime, flash: Flash, clock: DoorClock) -> Door:
    """The simulated door, as a :data:`MakeDoor`."""
    return Door(provisioning, at, flash=flash, clock=clock)
