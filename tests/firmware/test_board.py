"""The C lock by itself, without the simulated one beside it: it keeps what the plain model of :mod:`offlinepin.testing` allows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest

from offlinepin.firmware.board import BoardLock, Machine
from offlinepin.firmware.build import Builder
from offlinepin.firmware.emulator import EmulatedMachine
from offlinepin.firmware.host import HostMachine
from offlinepin.lock.door import Door
from offlinepin.lock.timekeeping import DoorClock
from offlinepin.provisioning import Provisioning
from offlinepin.testing.adapter import LockFactory, WeakFlash
from offlinepin.testing.campaign import run


def factory(builder: Builder, machine: Callable[[Path], Machine]) -> LockFactory:
    """Makes C locks; each product is built once."""
    built: dict[str, Path] = {}

    def make(provisioning: Provisioning, at: datetime, follows_dst: bool) -> BoardLock:
        key = provisioning.profile.json_text() + provisioning.keypad.model_dump_json()
        if key not in built:
            built[key] = builder.build(provisioning, f"alone-{len(built)}")
        flash = WeakFlash(Door(provisioning, at).flash.page_size)
        clock = DoorClock(provisioning.clock, at, follows_dst=follows_dst)
        return BoardLock(provisioning, at, partial(machine, built[key]), flash, clock)

    return make


@pytest.mark.parametrize(("part", "entries"), [("host", 1500), ("cortex-m0plus", 80)])
def test_the_c_lock_alone_keeps_the_plain_model(part: str, entries: int, host: Builder, part_builder: Callable[[str], Builder]) -> None:
    made = factory(host, HostMachine) if part == "host" else factory(part_builder(part), EmulatedMachine)
    result = run(entries, 17, vendors=["standard", "igloo", "oracode", "generated"], factories=[made])
    assert not result.findings, result.findings[0].message
    assert result.cuts > entries // 20
