"""A door with the lock in C, for a session at the terminal: worked as the simulated door is, and speaking of its state as that does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from offlinepin.engine.token import KEY_BYTES, DeviceToken
from offlinepin.errors import StateError
from offlinepin.firmware.board import BoardLock, Machine
from offlinepin.firmware.build import Builder, Toolchain, sources
from offlinepin.firmware.emulator import EmulatedMachine
from offlinepin.firmware.host import HostMachine
from offlinepin.lock.audit import AuditLog
from offlinepin.lock.decide import Decision
from offlinepin.lock.flash import Flash
from offlinepin.lock.journal import Condition, Journal
from offlinepin.lock.layout import Layout
from offlinepin.lock.state import State
from offlinepin.lock.timekeeping import DoorClock
from offlinepin.provisioning import Provisioning

HOST: Final = "host"


class FirmwareDoor:
    """An :class:`offlinepin.lock.anydoor.AnyDoor` with the C lock in it.

    Args:
        provisioning: token, profile, zone and keypad.
        at: the true moment at which it is switched on.
        flash: the part that holds its state.
        clock: its clock.
        machine: makes what runs the lock.

    Attributes:
        condition: how its flash was when the power came, as the simulated lock reads it; the C lock does not tell.

    Raises:
        StateError: the flash is too small, or what it holds is beyond use: the lock must be provisioned again.
    """

    def __init__(self, provisioning: Provisioning, at: datetime, flash: Flash, clock: DoorClock, machine: Callable[[], Machine]) -> None:
        self.profile, self.layout, self.audit = provisioning.profile, Layout(provisioning.profile), AuditLog()
        self.flash, self.clock = flash, clock
        self._up_since = at.astimezone(UTC)
        found = _found(flash, self.layout)
        self.condition = found.condition
        try:
            self._lock = BoardLock(provisioning, at, machine, flash, clock)
        except StateError:
            if found.condition is Condition.DAMAGED and found.image:
                raise StateError("the lock's state is damaged and its clock is lost; it must be provisioned again") from None
            raise

    @property
    def bolt_moves(self) -> int:
        """How often the bolt was driven since power-up."""
        return self._lock.bolt_moves

    @property
    def state(self) -> State:
        """Its memory, read from the machine's."""
        state = self.layout.decode(self._lock.image[: self.layout.size])
        return replace(state, charged_at=self._lock.machine.charged_at())

    @property
    def token(self) -> DeviceToken:
        """Its secret, read from the machine's memory."""
        return DeviceToken(self._lock.image[self.layout.size :], self.state.generation)

    def uptime(self, at: datetime) -> int:
        """Whole seconds since the power came."""
        return max(0, int((at.astimezone(UTC) - self._up_since).total_seconds()))

    def press(self, keys: str, at: datetime) -> list[Decision]:
        """See :class:`offlinepin.lock.anydoor.AnyDoor`."""
        decisions = []
        self._lock.machine.show(0, self.flash.read(0, self.flash.page_size * self.flash.pages))  # it may have aged since
        for key in keys:
            moves = self.bolt_moves
            for decision in self._lock.decisions(key, at):
                decisions.append(decision)
                if self.bolt_moves > moves or not decision.bolt_moves:  # a follow-up is no decision of its own
                    self.audit.add(self.profile, self.clock.reading(at), decision)
        return decisions


class FirmwareDoors:
    """Makes doors with the C lock of one product in them: a :data:`offlinepin.lock.anydoor.MakeDoor`. It is built for the first one.

    Args:
        runner: an emulated part (a key of :data:`offlinepin.firmware.emulator.CPUS`), or :data:`HOST`.
        into: a folder for what is made.

    Raises:
        BuildError: the sources are not here, or cannot be built.
    """

    def __init__(self, runner: str, into: Path) -> None:
        firmware, self._runner, self._built = sources(), runner, into / "door.lock"
        toolchain = Toolchain.host() if runner == HOST else Toolchain.part(runner, firmware)
        self._builder = Builder(firmware, toolchain, into)

    def __call__(self, provisioning: Provisioning, at: datetime, flash: Flash, clock: DoorClock) -> FirmwareDoor:
        """A door that is switched on."""
        if not self._built.exists():
            self._builder.build(provisioning, self._built.stem)
        return FirmwareDoor(provisioning, at, flash, clock, self._machine)

    def _machine(self) -> Machine:
        return HostMachine(self._built) if self._runner == HOST else EmulatedMachine(self._built, self._runner)


def _found(flash: Flash, layout: Layout) -> Journal:
    """A flash part as the simulated lock reads it, and what is on it stays as it is."""
    copy = flash.copy()
    copy.cut_after = None
    return Journal(copy, layout.size + KEY_BYTES)
