"""The state machine over the simulated lock, and over a wrong one."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from offlinepin.lock import door
from offlinepin.lock.state import State
from offlinepin.provisioning import Provisioning
from offlinepin.testing.adapter import DoorUnderTest
from offlinepin.testing.bench import WrongLockError
from offlinepin.testing.machine import LockMachine
from offlinepin.vendor import load

SETTINGS = settings(
    max_examples=20, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

TestLockMachine = LockMachine.TestCase
TestLockMachine.settings = SETTINGS


class Careless(door.Door):
    """Keeps its failures in RAM."""

    def power_up(self, at: datetime) -> None:
        super().power_up(at)
        self.state = State(generation=self.state.generation, floor=self.state.floor)


def _careless(provisioning: Provisioning, at: datetime, follows_dst: bool) -> DoorUnderTest:
    return DoorUnderTest(provisioning, at, follows_dst, door=Careless)


class CarelessMachine(LockMachine):
    factory = staticmethod(_careless)
    vendor = load("standard")


def test_the_machine_finds_a_lock_that_forgets_at_a_power_cut() -> None:
    with pytest.raises(WrongLockError):
        run_state_machine_as_test(
            CarelessMachine, settings=settings(SETTINGS, max_examples=200, derandomize=True, database=None, phases=[Phase.generate])
        )
