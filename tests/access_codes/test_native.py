"""Native access codes on a connected lock: their life from unset to gone, and every fault that can be in its way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from offlinepin.access_codes import AccessCodes, Caution, Device, Fault, NativeCode, Store
from offlinepin.access_codes.code_errors import ERRORS
from offlinepin.access_codes.connections import MAKERS_WARNINGS, MakersWarning
from offlinepin.access_codes.errors import (
    AccessCodeNotFoundError,
    CapabilityError,
    CodeLengthError,
    DeviceNotFoundError,
    DuplicateCodeError,
    InvalidInputError,
    NotChangeableError,
)
from offlinepin.access_codes.lifecycle import FAILED_AFTER, LATE, LEASE, run_step
from offlinepin.access_codes.models import AccessCode
from offlinepin.errors import EndBeforeStartError, EndInPastError
from offlinepin.keys import MasterKey

Opens = Callable[[str, str | None, datetime], bool]
_HOUR = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)


def _events(codes: AccessCodes, made: AccessCode) -> list[str]:
    return [event.event_type.removeprefix("access_code.") for event in reversed(codes.get_timeline(made.access_code_id))]


def _errors(code: AccessCode) -> list[str]:
    return [error.error_code for error in code.errors]


def _warnings(code: AccessCode) -> list[str]:
    return [warning.warning_code for warning in code.warnings]


# --- the life of a code ---------------------------------------------------------------------------------------------


def test_an_ongoing_code_goes_to_the_lock_and_stays_there(codes: AccessCodes, connected: Device, opens: Opens, now: datetime) -> None:
    made = codes.create(connected.device_id, name="Ann", code="4821", now=now)
    assert (made.status, made.type) == ("setting", "ongoing")
    assert made.starts_at is None
    assert made.ends_at is None
    assert [m.mutation_code for m in made.pending_mutations] == ["creating"]
    assert not opens(connected.device_id, "4821", now)
    assert codes.tick(now) == 1
    found = codes.get(made.access_code_id)
    assert found.status == "set"
    assert found.pending_mutations == ()
    assert opens(connected.device_id, "4821", now + timedelta(days=500))
    assert _events(codes, made) == ["created", "set_on_device"]
    assert codes.tick(now + _HOUR) == 0


def test_a_time_bound_code_goes_to_a_lock_that_schedules_72_hours_ahead(
    codes: AccessCodes, connected: Device, opens: Opens, now: datetime
) -> None:
    starts_at, ends_at = now + timedelta(days=5), now + timedelta(days=6)
    made = codes.create(connected.device_id, code="4821", starts_at=starts_at, ends_at=ends_at, now=now)
    assert (made.status, made.type) == ("unset", "time_bound")
    (deferred,) = made.pending_mutations
    assert deferred.mutation_code == "deferring_creation"
    assert deferred.scheduled_at == starts_at - timedelta(hours=72)
    assert "goes to the device at 2026-07-03T12:00:00.123456Z" in codes.explain(made.access_code_id).reasons[0]
    codes.tick(starts_at - timedelta(hours=73))
    assert codes.get(made.access_code_id).status == "unset"
    codes.tick(starts_at - timedelta(hours=72))
    found = codes.get(made.access_code_id)
    assert found.status == "set"
    assert found.is_scheduled_on_device
    assert not opens(connected.device_id, "4821", starts_at - _MINUTE)
    assert opens(connected.device_id, "4821", starts_at)
    assert not opens(connected.device_id, "4821", ends_at)
    codes.tick(ends_at)
    with pytest.raises(AccessCodeNotFoundError):
        codes.get(made.access_code_id)
    assert _events(codes, made) == ["created", "scheduled_on_device", "set_on_device", "removed_from_device", "deleted"]
    assert codes.simulator(connected.device_id).codes(ends_at) == ()


def test_a_lock_that_keeps_no_time_frames_gets_the_code_at_its_start(
    codes: AccessCodes, connected: Device, opens: Opens, now: datetime
) -> None:
    codes.simulator(connected.device_id).configure(schedules=False, now=now)
    made = codes.create(connected.device_id, code="4821", starts_at=now + _HOUR, ends_at=now + 3 * _HOUR, now=now)
    codes.tick(now + _HOUR - _MINUTE)
    assert not opens(connected.device_id, "4821", now + _HOUR - _MINUTE)
    codes.tick(now + _HOUR)
    assert opens(connected.device_id, "4821", now + _HOUR)
    codes.tick(now + 3 * _HOUR)
    assert not opens(connected.device_id, "4821", now + 3 * _HOUR)
    assert _events(codes, made) == ["created", "set_on_device", "removed_from_device", "deleted"]


def test_native_scheduling_can_be_declined(codes: AccessCodes, connected: Device, now: datetime) -> None:
    frame: dict[str, Any] = {"starts_at": now + _HOUR, "ends_at": now + 2 * _HOUR, "now": now}
    assert codes.create(connected.device_id, prefer_native_scheduling=False, **frame).status == "unset"
    assert codes.create(connected.device_id, **frame).status == "setting"


def test_sync_puts_the_code_on_the_lock_at_once(codes: AccessCodes, connected: Device, now: datetime) -> None:
    made = codes.create(connected.device_id, sync=True, now=now)
    assert made.status == "set"
    codes.update(made.access_code_id, code="7391", sync=True, now=now)
    assert codes.get(made.access_code_id).pending_mutations == ()
    codes.delete(made.access_code_id, sync=True, now=now)
    with pytest.raises(AccessCodeNotFoundError):
        codes.get(made.access_code_id)


def test_deleting_takes_the_code_from_the_lock(codes: AccessCodes, connected: Device, opens: Opens, now: datetime) -> None:
    made = codes.create(connected.device_id, code="4821", sync=True, now=now)
    assert codes.delete(made.access_code_id, now=now).status == "success"
    left = codes.get(made.access_code_id)
    assert left.status == "removing"
    assert _warnings(left) == ["being_deleted"]
    assert [m.mutation_code for m in left.pending_mutations] == ["deleting"]
    codes.tick(now)
    assert not opens(connected.device_id, "4821", now)
    with pytest.raises(AccessCodeNotFoundError):
        codes.get(made.access_code_id)
    with pytest.raises(AccessCodeNotFoundError):
        codes.delete(made.access_code_id, now=now)


def test_a_code_that_was_never_on_its_way_is_gone_at_once(codes: AccessCodes, connected: Device, now: datetime) -> None:
    made = codes.create(connected.device_id, starts_at=now + timedelta(days=9), ends_at=now + timedelta(days=10), now=now)
    codes.delete(made.access_code_id, now=now)
    assert _events(codes, made) == ["created", "deleted"]


# --- codes and lengths ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["abc", "123", "1234567890123", "12 34", "１２３４", ""])
def test_a_code_is_4_to_12_digits(codes: AccessCodes, connected: Device, now: datetime, code: str) -> None:
    with pytest.raises(InvalidInputError):
        codes.create(connected.device_id, code=code, now=now)
    assert codes.list(device_id=connected.device_id).items == ()


def test_a_device_takes_the_lengths_that_were_reported(codes: AccessCodes, connected: Device, now: datetime) -> None:
    codes.report_device_constraints(connected.device_id, min_code_length=6, max_code_length=7, now=now)
    with pytest.raises(CodeLengthError):
        codes.create(connected.device_id, code="4821", now=now)
    assert len(codes.create(connected.device_id, preferred_code_length=7, now=now).code or "") == 7
    assert len(codes.create(connected.device_id, preferred_code_length=12, now=now).code or "") == 7
    assert len(codes.generate_code(connected.device_id, now=now).code) == 6


def test_one_code_holds_for_two_people_at_different_times_only(codes: AccessCodes, connected: Device, now: datetime) -> None:
    first = codes.create(connected.device_id, code="4821", starts_at=now, ends_at=now + _HOUR, now=now)
    for start, end in ((now, now + _HOUR), (now - _HOUR, now + _MINUTE), (now + _MINUTE, now + 2 * _MINUTE)):
        with pytest.raises(DuplicateCodeError, match=first.access_code_id):
            codes.create(connected.device_id, code="4821", starts_at=start, ends_at=end, now=now)
    with pytest.raises(DuplicateCodeError):
        codes.create(connected.device_id, code="4821", now=now)
    codes.create(connected.device_id, code="4821", starts_at=now + _HOUR, ends_at=now + 2 * _HOUR, now=now)
    assert codes.get(device_id=connected.device_id, code="4821").access_code_id == first.access_code_id


def test_a_deleted_code_s_digits_are_free_again(codes: AccessCodes, connected: Device, now: datetime) -> None:
    made = codes.create(connected.device_id, code="4821", sync=True, now=now)
    codes.delete(made.access_code_id, now=now)
    with pytest.raises(DuplicateCodeError):  # it still opens
        codes.create(connected.device_id, code="4821", now=now)
    codes.tick(now)
    codes.create(connected.device_id, code="4821", now=now)


def test_a_generated_code_is_free_and_none_that_people_try_first(codes: AccessCodes, connected: Device, now: datetime) -> None:
    codes.report_device_constraints(connected.device_id, supported_code_lengths=[4], now=now)
    drawn = {codes.generate_code(connected.device_id, now=now).code for _ in range(200)}
    assert len(drawn) > 150
    assert not drawn & {"1111", "1234", "4321", "0000", "9876"}
    assert codes.list(device_id=connected.device_id).items == ()


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"starts_at": datetime(2026, 7, 2, tzinfo=UTC)}, InvalidInputError),
        ({"ends_at": datetime(2026, 7, 1, tzinfo=UTC)}, EndInPastError),
        ({"starts_at": datetime(2026, 7, 3, tzinfo=UTC), "ends_at": datetime(2026, 7, 2, tzinfo=UTC)}, EndBeforeStartError),
        ({"is_one_time_use": True}, InvalidInputError),
        ({"max_time_rounding": "1day"}, InvalidInputError),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    codes: AccessCodes, connected: Device, now: datetime, change: dict[str, Any], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        codes.create(connected.device_id, **{**change, "now": now})
    assert codes.list(device_id=connected.device_id).items == ()
    assert codes.list_events().items == ()


# --- changes --------------------------------------------------------------------------------------------------------


def test_a_change_is_pending_until_the_lock_has_it(codes: AccessCodes, connected: Device, opens: Opens, now: datetime) -> None:
    made = codes.create(connected.device_id, name="Ann", code="4821", sync=True, now=now)
    codes.update(made.access_code_id, name="Bob", code="7391", starts_at=now, ends_at=now + _HOUR, now=now)
    found = codes.get(made.access_code_id)
    assert [m.mutation_code for m in found.pending_mutations] == ["updating_code", "updating_name", "updating_time_frame"]
    assert (found.name, found.code, found.ends_at, found.type) == ("Bob", "7391", now + _HOUR, "time_bound")
    assert opens(connected.device_id, "4821", now)
    codes.tick(now)
    assert not opens(connected.device_id, "4821", now)
    assert opens(connected.device_id, "7391", now)
    assert not opens(connected.device_id, "7391", now + _HOUR)
    told = _events(codes, made)
    assert {"changed", "code_changed", "name_changed", "time_frame_changed"} <= set(told)


def test_a_code_can_become_ongoing_and_time_bound_again(codes: AccessCodes, connected: Device, now: datetime) -> None:
    made = codes.create(connected.device_id, starts_at=now, ends_at=now + _HOUR, sync=True, now=now)
    codes.update(made.access_code_id, type="ongoing", now=now)
    codes.tick(now)
    codes.tick(now + 5 * _HOUR)
    assert codes.get(made.access_code_id).type == "ongoing"
    with pytest.raises(InvalidInputError):
        codes.update(made.access_code_id, type="time_bound", now=now)
    with pytest.raises(InvalidInputError):
        codes.update(made.access_code_id, type="ongoing", ends_at=now + _HOUR, now=now)
    codes.update(made.access_code_id, ends_at=now + 9 * _HOUR, now=now + 6 * _HOUR)
    codes.tick(now + 9 * _HOUR)
    with pytest.raises(AccessCodeNotFoundError):
        codes.get(made.access_code_id)


def test_nothing_changes_where_nothing_is_said(codes: AccessCodes, connected: Device, now: datetime) -> None:
    made = codes.create(connected.device_id, name="Ann", sync=True, now=now)
    before = _events(codes, made)
    codes.update(made.access_code_id, now=now + _HOUR)
    assert codes.get(made.access_code_id) == made
    assert _events(codes, made) == before


def test_a_code_of_the_future_is_changed_before_it_goes_to_the_lock(codes: AccessCodes, connected: Device, now: datetime) -> None:
    starts_at = now + timedelta(days=9)
    made = codes.create(connected.device_id, starts_at=starts_at, ends_at=starts_at + _HOUR, now=now)
    codes.update(made.access_code_id, starts_at=now + _HOUR, ends_at=now + 2 * _HOUR, now=now)
    assert codes.get(made.access_code_id).status == "setting"
    codes.tick(now)
    assert codes.get(made.access_code_id).status == "set"


def test_a_code_whose_start_moves_away_leaves_a_lock_that_keeps_no_time_frames(
    codes: AccessCodes, connected: Device, opens: Opens, now: datetime
) -> None:
    codes.simulator(connected.device_id).configure(schedules=False, now=now)
    made = codes.create(connected.device_id, code="4821", starts_at=now, ends_at=now + _HOUR, sync=True, now=now)
    assert opens(connected.device_id, "4821", now)
    codes.update(made.access_code_id, starts_at=now + timedelta(days=1), ends_at=now + timedelta(days=2), now=now)
    codes.tick(now)
    assert not opens(connected.device_id, "4821", now)
    assert codes.get(made.access_code_id).status == "unset"
    codes.tick(now + timedelta(days=1))
    assert opens(connected.device_id, "4821", now + timedelta(days=1))


def test_a_change_to_another_s_digits_is_prevented_and_told(codes: AccessCodes, connected: Device, now: datetime) -> None:
    codes.create(connected.device_id, code="4821", now=now)
    made = codes.create(connected.device_id, code="7391", sync=True, now=now)
    attempt = codes.update(made.access_code_id, code="4821", now=now)
    assert attempt.status == "error"
    assert attempt.error is not None
    assert attempt.error.type == "duplicate_code_on_device"
    found = codes.get(made.access_code_id)
    assert found.code == "7391"
    assert _errors(found) == ["duplicate_code_attempt_prevented"]
    codes.update(made.access_code_id, code="5555", now=now)
    assert _errors(codes.get(made.access_code_id)) == []


def test_a_code_that_is_being_deleted_is_changed_no_more(codes: AccessCodes, connected: Device, now: datetime) -> None:
    made = codes.create(connected.device_id, sync=True, now=now)
    codes.delete(made.access_code_id, now=now)
    with pytest.raises(NotChangeableError):
        codes.update(made.access_code_id, name="Bob", now=now)


def test_a_device_id_that_is_not_the_code_s_is_refused(codes: AccessCodes, connected: Device, igloo: Device, now: datetime) -> None:
    made = codes.create(connected.device_id, now=now)
    with pytest.raises(AccessCodeNotFoundError):
        codes.update(made.access_code_id, device_id=igloo.device_id, name="Bob", now=now)
    with pytest.raises(AccessCodeNotFoundError):
        codes.delete(made.access_code_id, device_id=igloo.device_id, now=now)


# --- faults ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "error_code"),
    [
        (Fault.OFFLINE, "device_offline"),
        (Fault.DISCONNECTED, "device_disconnected"),
        (Fault.HUB_DISCONNECTED, "hub_disconnected"),
        (Fault.ACCOUNT_DISCONNECTED, "account_disconnected"),
        (Fault.NO_SPACE, "no_space_for_access_code_on_device"),
        (Fault.DUPLICATE, "duplicate_code_on_device"),
        (Fault.REMOVED, "device_removed"),
        (Fault.FAILING, "failed_to_set_on_device"),
    ],
)
def test_a_fault_is_an_error_then_a_delay_then_a_failure_and_passes_when_it_is_mended(
    codes: AccessCodes, connected: Device, run: Callable[..., None], now: datetime, fault: Fault, error_code: str
) -> None:
    lock = codes.simulator(connected.device_id)
    lock.set_fault(fault, now)
    made = codes.create(connected.device_id, now=now)
    codes.tick(now)
    found = codes.get(made.access_code_id)
    assert found.status == "setting"
    assert _errors(found) == [error_code]
    assert "tried 1 time" in codes.explain(made.access_code_id).reasons[0]
    run(codes, now, now + LATE + 5 * _MINUTE)
    late = codes.get(made.access_code_id)
    assert "delay_in_setting_on_device" in _warnings(late)
    assert _events(codes, made).count("delay_in_setting_on_device") == 1
    run(codes, now + LATE, now + _HOUR)
    failed = codes.get(made.access_code_id)
    assert "failed_to_set_on_device" in _errors(failed)
    assert error_code in _errors(failed)
    assert _events(codes, made).count("failed_to_set_on_device") == 1
    lock.set_fault(None, now)
    run(codes, now + _HOUR, now + 3 * _HOUR, 10 * _MINUTE)
    mended = codes.get(made.access_code_id)
    assert mended.status == "set"
    assert mended.errors == ()
    assert mended.warnings == ()


def test_pauses_between_tries_grow(codes: AccessCodes, connected: Device, now: datetime) -> None:
    codes.simulator(connected.device_id).set_fault(Fault.OFFLINE, now)
    made = codes.create(connected.device_id, now=now)
    moment, pauses = now, []
    for _ in range(FAILED_AFTER + 5):
        codes.tick(moment)
        due = codes.explain(made.access_code_id).next_step_at
        assert due is not None
        pauses.append(due - moment)
        moment = due
    assert pauses == sorted(pauses)
    assert pauses[0] == _MINUTE
    assert pauses[-1] == _HOUR


@pytest.mark.parametrize("error_code", sorted(ERRORS))
def test_a_connection_can_meet_every_error_of_the_description(
    codes: AccessCodes, connected: Device, now: datetime, error_code: str
) -> None:
    codes.simulator(connected.device_id).set_fault(error_code, now)
    made = codes.create(connected.device_id, now=now)
    codes.tick(now)
    assert _errors(codes.get(made.access_code_id)) == [error_code]


@pytest.mark.parametrize("warning_code", MAKERS_WARNINGS)
def test_a_connection_can_raise_every_warning_of_a_maker(
    codes: AccessCodes, connected: Device, now: datetime, warning_code: MakersWarning
) -> None:
    lock = codes.simulator(connected.device_id)
    lock.set_warnings(warning_code, now=now)
    made = codes.create(connected.device_id, sync=True, now=now)
    assert (made.status, _warnings(made)) == ("set", [warning_code])
    codes.look_at(connected.device_id, now=now + _HOUR)
    assert codes.get(made.access_code_id).warnings == made.warnings  # as old as it is
    lock.set_warnings(now=now)
    codes.look_at(connected.device_id, now=now + 2 * _HOUR)
    assert codes.get(made.access_code_id).warnings == ()


def test_a_warning_of_a_maker_comes_later_too_and_stands_beside_our_own(codes: AccessCodes, connected: Device, now: datetime) -> None:
    lock = codes.simulator(connected.device_id)
    made = codes.create(connected.device_id, use_backup_access_code_pool=True, sync=True, now=now)
    found = codes.simulate_unmanaged(connected.device_id, "Owner", "2580", now=now)
    codes.tick(now)
    codes.pull_backup_access_code(made.access_code_id, now=now)
    lock.set_warnings("ultraloq_access_code_disabled", "third_party_integration_detected", now=now)
    codes.look_at(connected.device_id, now=now + _HOUR)
    makers = ["ultraloq_access_code_disabled", "third_party_integration_detected"]
    assert _warnings(codes.get(made.access_code_id)) == ["using_backup_access_code", *makers]
    assert [w.warning_code for w in codes.get_unmanaged(found.access_code_id).warnings] == makers
    assert any("ultraloq_access_code_disabled" in reason for reason in codes.explain(made.access_code_id).reasons)
    codes.delete(made.access_code_id, sync=True, now=now + _HOUR)
    with pytest.raises(InvalidInputError, match="being_deleted"):
        lock.set_warnings("being_deleted")  # type: ignore[arg-type]


def test_a_slow_lock_is_late_and_no_failure(codes: AccessCodes, connected: Device, run: Callable[..., None], now: datetime) -> None:
    codes.simulator(connected.device_id).set_fault(Fault.SLOW, now)
    made = codes.create(connected.device_id, now=now)
    run(codes, now, now + LATE + 6 * _MINUTE)
    found = codes.get(made.access_code_id)
    assert found.errors == ()
    assert sorted(_warnings(found)) == ["august_device_programming_delay", "delay_in_setting_on_device"]
    run(codes, now + LATE, now + 2 * _HOUR)
    assert codes.get(made.access_code_id).status == "set"
    assert codes.get(made.access_code_id).warnings == ()
    assert "failed_to_set_on_device" not in _events(codes, made)


def test_a_code_that_cannot_be_removed_is_tried_on_and_told(
    codes: AccessCodes, connected: Device, run: Callable[..., None], now: datetime
) -> None:
    lock = codes.simulator(connected.device_id)
    made = codes.create(connected.device_id, sync=True, now=now)
    lock.set_fault(Fault.FAILING, now)
    codes.delete(made.access_code_id, now=now)
    run(codes, now, now + _HOUR)
    stuck = codes.get(made.access_code_id)
    assert stuck.status == "removing"
    assert _errors(stuck) == ["failed_to_remove_from_device"]
    assert "delay_in_removing_from_device" in _warnings(stuck)
    told = _events(codes, made)
    assert told.count("delay_in_removing_from_device") == 1
    assert told.count("failed_to_remove_from_device") == 1
    lock.set_fault(None, now)
    run(codes, now + _HOUR, now + 3 * _HOUR, 10 * _MINUTE)
    with pytest.raises(AccessCodeNotFoundError):
        codes.get(made.access_code_id)


def test_a_lock_that_was_removed_keeps_no_code_from_going(codes: AccessCodes, connected: Device, now: datetime) -> None:
    made = codes.create(connected.device_id, sync=True, now=now)
    codes.simulator(connected.device_id).set_fault(Fault.REMOVED, now)
    codes.delete(made.access_code_id, now=now)
    codes.tick(now)
    with pytest.raises(AccessCodeNotFoundError):
        codes.get(made.access_code_id)


def test_a_code_that_never_came_to_the_lock_is_over_with_its_time(
    codes: AccessCodes, connected: Device, run: Callable[..., None], now: datetime
) -> None:
    lock = codes.simulator(connected.device_id)
    lock.set_fault(Fault.NO_SPACE, now)
    made = codes.create(connected.device_id, starts_at=now, ends_at=now + _HOUR, now=now)
    run(codes, now, now + 3 * _HOUR, 5 * _MINUTE)
    with pytest.raises(AccessCodeNotFoundError):
        codes.get(made.access_code_id)


def test_a_full_lock_says_so(codes: AccessCodes, connected: Device, now: datetime) -> None:
    codes.simulator(connected.device_id).configure(capacity=2, now=now)
    made = [codes.create(connected.device_id, now=now) for _ in range(3)]
    codes.tick(now)
    found = [_errors(codes.get(one.access_code_id)) for one in made]
    assert sorted(found) == [[], [], ["no_space_for_access_code_on_device"]]
    assert codes.get_device(connected.device_id).properties.max_active_codes_supported == 2


def test_a_device_that_cannot_be_reached_is_refused_where_that_is_asked(codes: AccessCodes, connected: Device, now: datetime) -> None:
    codes.simulator(connected.device_id).set_fault(Fault.OFFLINE, now)
    with pytest.raises(CapabilityError, match="device_offline"):
        codes.create(connected.device_id, attempt_for_offline_device=False, now=now)
    device = codes.get_device(connected.device_id)
    assert device.can_program_online_access_codes is False
    assert [e.error_code for e in device.errors] == ["device_offline"]
    assert not device.properties.online


# --- changes at the lock --------------------------------------------------------------------------------------------


def test_a_code_that_was_changed_at_the_lock_is_told_and_never_overwritten(codes: AccessCodes, connected: Device, now: datetime) -> None:
    made = codes.create(connected.device_id, code="4821", sync=True, now=now)
    codes.simulator(connected.device_id).modify_outside(made.access_code_id, "9990", now)
    codes.tick(now + _HOUR)
    codes.tick(now + 2 * _HOUR)
    found = codes.get(made.access_code_id)
    assert found.status == "unknown"
    assert found.code == "4821"
    assert _errors(found) == ["code_modified_external_to_seam"]
    assert _events(codes, made).count("modified_external_to_seam") == 1
    assert codes.explain(made.access_code_id).reasons[0] == "What is on the device is not what was set there."
    codes.update(made.access_code_id, code="7391", now=now + 2 * _HOUR)
    codes.tick(now + 2 * _HOUR)
    assert codes.get(made.access_code_id).status == "set"
    assert codes.get(made.access_code_id).errors == ()


def test_a_code_that_was_changed_back_at_the_lock_is_set_again(codes: AccessCodes, connected: Device, now: datetime) -> None:
    made = codes.create(connected.device_id, code="4821", sync=True, now=now)
    lock = codes.simulator(connected.device_id)
    lock.modify_outside(made.access_code_id, "9990", now)
    codes.look_at(connected.device_id, now=now + _HOUR)
    lock.modify_outside(made.access_code_id, "4821", now)
    codes.look_at(connected.device_id, now=now + _HOUR)
    assert codes.get(made.access_code_id).status == "set"
    assert codes.get(made.access_code_id).errors == ()


def test_a_change_at_the_lock_is_taken_over_where_that_is_allowed(codes: AccessCodes, connected: Device, now: datetime) -> None:
    made = codes.create(connected.device_id, code="4821", is_external_modification_allowed=True, sync=True, now=now)
    assert made.is_external_modification_allowed
    codes.simulator(connected.device_id).modify_outside(made.access_code_id, "9990", now)
    codes.look_at(connected.device_id, now=now + _HOUR)
    found = codes.get(made.access_code_id)
    assert (found.code, found.status) == ("9990", "set")
    assert _warnings(found) == ["code_modified_external_to_seam", "external_modification_in_effect"]
    assert {"modified_external_to_seam", "changed", "code_changed"} <= set(_events(codes, made))
    assert codes.get(device_id=connected.device_id, code="9990").access_code_id == made.access_code_id


def test_a_code_that_was_removed_at_the_lock_is_told(codes: AccessCodes, connected: Device, now: datetime) -> None:
    made = codes.create(connected.device_id, sync=True, now=now)
    codes.simulator(connected.device_id).erase_outside(made.access_code_id, now)
    codes.tick(now + _HOUR)
    codes.tick(now + 2 * _HOUR)
    found = codes.get(made.access_code_id)
    assert found.status == "unset"
    assert _errors(found) == ["code_modified_external_to_seam"]
    assert _events(codes, made).count("deleted_external_to_seam") == 1


def test_what_was_done_a_moment_ago_is_not_taken_for_a_change_at_the_lock(codes: AccessCodes, connected: Device, now: datetime) -> None:
    """A worker's look may have come before another worker's step."""
    kept = codes.create(connected.device_id, sync=True, now=now)
    lock = codes.simulator(connected.device_id)
    lock.erase_outside(kept.access_code_id, now)
    codes.look_at(connected.device_id, now=now + _MINUTE)
    assert codes.get(kept.access_code_id).status == "set"
    codes.look_at(connected.device_id, now=now + LEASE)
    assert codes.get(kept.access_code_id).status == "unset"


def test_a_code_that_just_went_is_not_found_again(tmp_path: Any, keys: MasterKey, now: datetime) -> None:
    lock = _Flaky()
    store = Store.open(tmp_path / "own.db", keys, {"mine": lambda _: lock})
    codes = AccessCodes(store, store.create_workspace("own", now=now))
    device = codes.register_device("Own", None, connection="mine", now=now)
    made = codes.create(device.device_id, sync=True, now=now)
    before = dict(lock.kept)
    codes.delete(made.access_code_id, sync=True, now=now + _HOUR)
    lock.kept = before  # what another worker read a moment before
    codes.look_at(device.device_id, now=now + _HOUR)
    assert codes.list_unmanaged(device.device_id).items == ()
    codes.look_at(device.device_id, now=now + _HOUR + LEASE)
    assert len(codes.list_unmanaged(device.device_id).items) == 1  # it is there in earnest
    store.close()


@pytest.mark.parametrize("change", ["erased", "modified"])
def test_a_code_that_strayed_is_put_back_when_it_is_updated_to_what_it_was(
    codes: AccessCodes, connected: Device, opens: Opens, now: datetime, change: str
) -> None:
    made = codes.create(connected.device_id, code="4821", sync=True, now=now)
    lock = codes.simulator(connected.device_id)
    if change == "erased":
        lock.erase_outside(made.access_code_id, now)
    else:
        lock.modify_outside(made.access_code_id, "1357", now)
    codes.look_at(connected.device_id, now=now + _HOUR)
    assert _errors(codes.get(made.access_code_id)) == ["code_modified_external_to_seam"]
    codes.update(made.access_code_id, code="4821", now=now + _HOUR)
    assert (codes.get(made.access_code_id).status, codes.get(made.access_code_id).errors) == ("setting", ())
    codes.tick(now + _HOUR)
    assert codes.get(made.access_code_id).status == "set"
    assert opens(connected.device_id, "4821", now + _HOUR)
    assert not opens(connected.device_id, "1357", now + _HOUR)


def test_a_removed_device_is_told_nothing_more(codes: AccessCodes, connected: Device, now: datetime) -> None:
    made = codes.create(connected.device_id, code="4821", use_backup_access_code_pool=True, sync=True, now=now)
    codes.tick(now)
    lock = codes.simulator(connected.device_id)
    before = lock.codes(now)
    codes.remove_device(connected.device_id, now=now)
    assert codes.explain(made.access_code_id).reasons[0].startswith("Its device was removed")
    for call in (
        lambda: codes.update(made.access_code_id, code="7391", now=now),
        lambda: codes.update(made.access_code_id, name="Ann", now=now),
        lambda: codes.pull_backup_access_code(made.access_code_id, now=now),
    ):
        with pytest.raises(DeviceNotFoundError):
            call()
    codes.delete(made.access_code_id, now=now)
    with pytest.raises(AccessCodeNotFoundError):
        codes.get(made.access_code_id)
    codes.tick(now + _HOUR)
    assert lock.codes(now) == before


# --- several workers, kills, other connections ------------------------------------------------------------------------


def test_a_step_is_taken_by_one_worker(codes: AccessCodes, store: Store, connected: Device, now: datetime) -> None:
    made = codes.create(connected.device_id, now=now)
    assert run_step(store, made.access_code_id, now)
    assert not run_step(store, made.access_code_id, now)


class _Flaky:
    """A connection of somebody else's."""

    schedules, code_lengths, capacity = False, (6,), None

    def __init__(self) -> None:
        self.kept: dict[str, NativeCode] = {}
        self.raises: Exception | None = None
        self.cautions: tuple[Caution, ...] = ()

    def problem(self) -> str | None:
        return None

    def program(self, code: NativeCode, now: datetime) -> tuple[Caution, ...]:  # noqa: ARG002
        self.kept[code.reference] = code
        if self.raises:
            raise self.raises
        return self.cautions

    def remove(self, reference: str, now: datetime) -> None:  # noqa: ARG002
        self.kept.pop(reference, None)

    def codes(self, now: datetime) -> tuple[NativeCode, ...]:  # noqa: ARG002
        if self.raises:
            raise self.raises
        return tuple(replace(code, warnings=self.cautions) for code in self.kept.values())


def test_a_connection_of_one_s_own_is_told_what_to_keep(tmp_path: Any, keys: MasterKey, now: datetime) -> None:
    lock = _Flaky()
    store = Store.open(tmp_path / "own.db", keys, {"mine": lambda _: lock})
    codes = AccessCodes(store, store.create_workspace("own", now=now))
    device = codes.register_device("Own", None, connection="mine", now=now)
    assert device.properties.supported_code_lengths == (6,)
    made = codes.create(device.device_id, name="Ann", now=now)
    lock.raises = RuntimeError("secret 123456")
    codes.tick(now)
    found = codes.get(made.access_code_id)
    assert _errors(found) == ["provider_issue"]
    assert "RuntimeError" in found.errors[0].message
    assert "123456" not in found.errors[0].message
    lock.raises = None
    codes.tick(now + _HOUR)
    assert codes.get(made.access_code_id).status == "set"
    assert [(kept.name, kept.code) for kept in lock.kept.values()] == [("Ann", made.code)]
    assert made.code is not None
    assert made.code not in repr(lock.kept)
    with pytest.raises(CapabilityError):
        codes.simulate_keypad_code_entry(device.device_id, made.code or "", now=now)
    store.close()

    bare = Store.open(tmp_path / "own.db", keys)
    other = AccessCodes(bare, codes.workspace_id)
    other.delete(made.access_code_id, now=now)
    other.tick(now + _HOUR)  # a store that does not know the connection says so, and goes on
    assert _errors(other.get(made.access_code_id)) == ["provider_issue"]
    bare.close()


def test_what_a_connection_warns_of_is_shown_in_its_own_words(tmp_path: Any, keys: MasterKey, now: datetime) -> None:
    lock = _Flaky()
    store = Store.open(tmp_path / "own.db", keys, {"mine": lambda _: lock})
    codes = AccessCodes(store, store.create_workspace("own", now=now))
    device = codes.register_device("Own", None, connection="mine", now=now)
    lock.cautions = (Caution("kwikset_unable_to_confirm_code", "Ask the owner."), Caution("of_tomorrow", "News."))  # type: ignore[arg-type]
    made = codes.create(device.device_id, sync=True, now=now)
    told = [(w.warning_code, w.message) for w in made.warnings]
    assert told == [("kwikset_unable_to_confirm_code", "Ask the owner."), ("unknown_issue_with_access_code", "News.")]
    lock.cautions = (Caution("kwikset_unable_to_confirm_code"),)
    codes.look_at(device.device_id, now=now + _HOUR)
    (left,) = codes.get(made.access_code_id).warnings
    assert (left.message, left.created_at) == ("Unable to confirm that the access code is set on Kwikset device.", now + _HOUR)
    store.close()


def test_a_lock_that_breaks_when_it_is_looked_at_keeps_no_other_from_it(tmp_path: Any, keys: MasterKey, now: datetime) -> None:
    lock = _Flaky()
    lock.raises = OSError("no route")
    store = Store.open(tmp_path / "own.db", keys, {"mine": lambda _: lock})
    codes = AccessCodes(store, store.create_workspace("own", now=now))
    codes.register_device("Own", None, connection="mine", now=now)
    other = codes.register_device("Other", None, connection="simulated", now=now)
    codes.simulator(other.device_id).add_outside("Owner", "2580", now)
    codes.tick(now + _HOUR)
    assert len(codes.list_unmanaged(other.device_id).items) == 1
    store.close()


def test_a_step_that_was_killed_is_taken_again_after_its_lease(tmp_path: Any, keys: MasterKey, now: datetime) -> None:
    lock = _Flaky()
    store = Store.open(tmp_path / "own.db", keys, {"mine": lambda _: lock})
    codes = AccessCodes(store, store.create_workspace("own", now=now))
    device = codes.register_device("Own", None, connection="mine", now=now)
    made = codes.create(device.device_id, now=now)
    lock.raises = KeyboardInterrupt()  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        codes.tick(now)
    lock.raises = None
    assert codes.tick(now) == 0
    assert codes.tick(now + LEASE) == 1
    assert codes.get(made.access_code_id).status == "set"
    assert len(lock.kept) == 1
    store.close()
