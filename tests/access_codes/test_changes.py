"""Changes that come before the lock was told of the one before, and what a lock without time frames must never open for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from offlinepin.access_codes import AccessCodes, Device

Opens = Callable[[str, str | None, datetime], bool]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def _mutations(codes: AccessCodes, access_code_id: str) -> list[str]:
    return [mutation.mutation_code for mutation in codes.get(access_code_id).pending_mutations]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(
    ticks=st.booleans(),
    erased=st.booleans(),
    starts=st.lists(st.integers(0, 5), min_size=1, max_size=3),
    minutes=st.integers(0, 6 * 24 * 60),
)
@example(ticks=True, erased=True, starts=[0], minutes=0)  # asked for again, as it was
def test_a_lock_without_time_frames_opens_in_the_latest_time_frame_only(
    codes: AccessCodes, now: datetime, opens: Opens, ticks: bool, erased: bool, starts: list[int], minutes: int
) -> None:
    device = codes.register_device("Shed", None, connection="simulated", now=now)
    lock = codes.simulator(device.device_id)
    lock.configure(schedules=False, now=now)
    made = codes.create(device.device_id, starts_at=now, ends_at=now + HOUR, now=now)
    if ticks:
        codes.tick(now)
    if erased:
        lock.erase_outside(made.access_code_id, now)
        codes.look_at(device.device_id, now=now + timedelta(minutes=20))
    later = now + timedelta(minutes=21)
    for start in starts:
        codes.update(made.access_code_id, starts_at=now + start * DAY, ends_at=now + start * DAY + HOUR, now=later)
    typed_at = later + timedelta(minutes=minutes)
    for moment in (later, later + timedelta(seconds=1), typed_at):
        codes.tick(moment)
    latest = now + starts[-1] * DAY
    assert opens(device.device_id, made.code, typed_at) == (latest <= typed_at < latest + HOUR)


def test_changes_that_wait_together_are_all_pending(codes: AccessCodes, connected: Device, now: datetime) -> None:
    made = codes.create(connected.device_id, name="Ann", now=now)
    codes.tick(now)
    codes.update(made.access_code_id, name="Bob", now=now)
    codes.update(made.access_code_id, code="4711", now=now)
    codes.update(made.access_code_id, name="Eve", now=now)
    code, name = codes.get(made.access_code_id).pending_mutations
    assert (code.mutation_code, name.mutation_code) == ("updating_code", "updating_name")
    assert name.model_dump(by_alias=True)["from"] == {"name": "Ann"}  # what the lock has
    codes.update(made.access_code_id, name="Ann", now=now)
    assert _mutations(codes, made.access_code_id) == ["updating_code"]
    codes.tick(now)
    assert _mutations(codes, made.access_code_id) == []


def test_a_code_that_no_lock_has_yet_is_being_created_whatever_is_changed(codes: AccessCodes, connected: Device, now: datetime) -> None:
    made = codes.create(connected.device_id, name="Ann", now=now)
    codes.update(made.access_code_id, name="Bob", code="4711", now=now)
    assert _mutations(codes, made.access_code_id) == ["creating"]


def test_a_deferred_code_is_being_set_once_its_time_has_come(codes: AccessCodes, connected: Device, now: datetime) -> None:
    made = codes.create(connected.device_id, starts_at=now + 5 * DAY, ends_at=now + 6 * DAY, now=now)
    assert (made.status, _mutations(codes, made.access_code_id)) == ("unset", ["deferring_creation"])
    codes.simulator(connected.device_id).set_fault("offline", now)
    codes.tick(now + 2 * DAY)
    assert (codes.get(made.access_code_id).status, _mutations(codes, made.access_code_id)) == ("setting", ["creating"])


@pytest.mark.parametrize("length", [None, DAY])
def test_a_new_name_does_not_bring_back_what_was_removed_at_the_lock(
    codes: AccessCodes, connected: Device, now: datetime, opens: Opens, length: timedelta | None
) -> None:
    made = codes.create(connected.device_id, name="Ann", now=now, ends_at=None if length is None else now + length)
    codes.tick(now)
    codes.simulator(connected.device_id).erase_outside(made.access_code_id, now)
    later = now + timedelta(minutes=20)
    codes.look_at(connected.device_id, now=later)
    codes.update(made.access_code_id, name="Bob", now=later)
    codes.tick(later)
    assert not opens(connected.device_id, made.code, later)
    assert (codes.get(made.access_code_id).name, codes.get(made.access_code_id).status) == ("Bob", "unset")
    codes.update(made.access_code_id, code=made.code or "", now=later)  # to say its digits again is to want it back
    codes.tick(later)
    assert opens(connected.device_id, made.code, later)


def test_an_ongoing_code_is_on_no_schedule(codes: AccessCodes, connected: Device, now: datetime) -> None:
    made = codes.create(connected.device_id, starts_at=now + HOUR, ends_at=now + 2 * HOUR, now=now)
    codes.tick(now)
    assert codes.get(made.access_code_id).is_scheduled_on_device
    codes.update(made.access_code_id, type="ongoing", now=now)
    codes.tick(now)
    assert not codes.get(made.access_code_id).is_scheduled_on_device


@pytest.mark.parametrize("name", ["Ann", None])
def test_the_name_that_the_lock_shows_is_told_where_it_is_another(
    codes: AccessCodes, connected: Device, now: datetime, name: str | None
) -> None:
    made = codes.create(connected.device_id, name=name, now=now)
    assert made.appearance is None  # the lock shows nothing yet
    codes.tick(now)
    appearance = codes.get(made.access_code_id).appearance
    (there,) = codes.simulator(connected.device_id).codes(now)
    assert (name if appearance is None else appearance.name) == there.name
    assert (appearance is None) == (there.name == name)


def test_a_code_that_was_removed_at_the_lock_is_not_said_to_go_there_at_its_end(
    codes: AccessCodes, connected: Device, now: datetime
) -> None:
    made = codes.create(connected.device_id, starts_at=now + HOUR, ends_at=now + 9 * DAY, now=now)
    codes.tick(now)
    codes.simulator(connected.device_id).erase_outside(made.access_code_id, now)
    codes.look_at(connected.device_id, now=now + HOUR)
    assert codes.explain(made.access_code_id).reasons[0] == "It is not on the device."
    assert not codes.get(made.access_code_id).is_scheduled_on_device
