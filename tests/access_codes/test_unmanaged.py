"""Codes that somebody put on a lock by other means: found, managed, deleted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from offlinepin.access_codes import AccessCodes, Device, attempts
from offlinepin.access_codes.errors import AccessCodeNotFoundError, CapabilityError, CodeLengthError, InvalidInputError, NotChangeableError
from offlinepin.access_codes.models import ActionError
from offlinepin.access_codes.simulated import WORDS
from offlinepin.lock.decide import Reason

Opens = Callable[[str, str | None, datetime], bool]
_HOUR = timedelta(hours=1)


def test_a_code_that_is_found_on_a_lock_is_unmanaged(codes: AccessCodes, connected: Device, now: datetime) -> None:
    codes.tick(now)
    codes.simulator(connected.device_id).add_outside("Owner", "2580", now)
    codes.tick(now + _HOUR)
    (found,) = codes.list_unmanaged(connected.device_id).items
    assert (found.name, found.code, found.is_managed, found.status) == ("Owner", "2580", False, "set")
    assert codes.get_unmanaged(found.access_code_id) == found
    assert codes.get_unmanaged(device_id=connected.device_id, code="2580") == found
    assert codes.list_unmanaged(connected.device_id, search="own").items == (found,)
    assert codes.list_unmanaged(connected.device_id, search="nobody").items == ()
    assert codes.list(device_id=connected.device_id).items == ()
    with pytest.raises(AccessCodeNotFoundError):
        codes.get(found.access_code_id)
    codes.tick(now + 2 * _HOUR)
    assert len(codes.list_unmanaged(connected.device_id).items) == 1  # found once


def test_an_unmanaged_code_goes_when_it_goes_from_the_lock(codes: AccessCodes, connected: Device, now: datetime) -> None:
    reference = codes.simulator(connected.device_id).add_outside("Owner", "2580", now)
    codes.look_at(connected.device_id, now=now)
    codes.simulator(connected.device_id).erase_outside(reference, now)
    codes.look_at(connected.device_id, now=now)
    assert codes.list_unmanaged(connected.device_id).items == ()
    assert [e.event_type for e in codes.list_events().items] == ["access_code.unmanaged.created", "access_code.unmanaged.removed"]


def test_a_simulated_code_opens_and_can_be_managed(codes: AccessCodes, connected: Device, opens: Opens, now: datetime) -> None:
    found = codes.simulate_unmanaged(connected.device_id, "Owner", "2580", now=now)
    assert opens(connected.device_id, "2580", now)
    codes.convert_to_managed(found.access_code_id, is_external_modification_allowed=True, now=now)
    managed = codes.get(found.access_code_id)
    assert managed.is_managed
    assert managed.is_external_modification_allowed
    codes.look_at(connected.device_id, now=now)
    assert codes.get(found.access_code_id).status == "set"  # it is known under the lock's own name
    codes.update(found.access_code_id, code="7391", sync=True, now=now)
    assert opens(connected.device_id, "7391", now)
    assert not opens(connected.device_id, "2580", now)
    codes.delete(found.access_code_id, sync=True, now=now)
    assert not opens(connected.device_id, "7391", now)


def test_a_code_that_another_has_is_managed_by_force_only(codes: AccessCodes, connected: Device, now: datetime) -> None:
    mine = codes.create(connected.device_id, code="2580", starts_at=now + _HOUR, ends_at=now + 2 * _HOUR, now=now)
    found = codes.simulate_unmanaged(connected.device_id, "Owner", "2580", now=now)
    with pytest.raises(NotChangeableError, match="force"):
        codes.convert_to_managed(found.access_code_id, now=now)
    assert [e.error_code for e in codes.get_unmanaged(found.access_code_id).errors] == ["duplicate_code_on_device"]
    assert codes.list_events(event_type="access_code.unmanaged.failed_to_convert_to_managed").items != ()
    codes.convert_to_managed(found.access_code_id, force=True, now=now)
    assert codes.get(found.access_code_id).errors == ()
    with pytest.raises(AccessCodeNotFoundError):
        codes.get(mine.access_code_id)


def test_a_new_code_must_not_double_an_unmanaged_one(codes: AccessCodes, connected: Device, now: datetime) -> None:
    codes.simulate_unmanaged(connected.device_id, "Owner", "2580", now=now)
    with pytest.raises(Exception, match="has this code"):
        codes.create(connected.device_id, code="2580", now=now)


def test_an_unmanaged_code_can_be_deleted(codes: AccessCodes, connected: Device, opens: Opens, now: datetime) -> None:
    found = codes.simulate_unmanaged(connected.device_id, "Owner", "2580", now=now)
    assert codes.delete_unmanaged(found.access_code_id, now=now).status == "success"
    assert not opens(connected.device_id, "2580", now)
    with pytest.raises(AccessCodeNotFoundError):
        codes.get_unmanaged(found.access_code_id)


def test_a_managed_code_can_be_let_go(codes: AccessCodes, connected: Device, opens: Opens, now: datetime) -> None:
    made = codes.create(connected.device_id, code="4821", sync=True, now=now)
    codes.update(made.access_code_id, is_managed=False, now=now)
    assert codes.get_unmanaged(made.access_code_id).code == "4821"
    codes.tick(now + _HOUR)
    assert codes.get_unmanaged(made.access_code_id).status == "set"
    assert opens(connected.device_id, "4821", now)
    waiting = codes.create(connected.device_id, now=now)
    with pytest.raises(InvalidInputError):
        codes.update(waiting.access_code_id, is_managed=False, now=now)


def test_only_a_simulated_lock_is_simulated(codes: AccessCodes, igloo: Device, connected: Device, now: datetime) -> None:
    with pytest.raises(CapabilityError):
        codes.simulate_unmanaged(igloo.device_id, "Owner", "2580", now=now)
    with pytest.raises(CodeLengthError):
        codes.simulate_unmanaged(connected.device_id, "Owner", "123456789", now=now)


def test_the_keypad_says_why_it_does_not_open(codes: AccessCodes, igloo: Device, connected: Device, now: datetime) -> None:
    attempt = codes.simulate_keypad_code_entry(igloo.device_id, "1", now=now)
    assert (attempt.action_type, attempt.status, attempt.result) == ("SIMULATE_KEYPAD_CODE_ENTRY", "error", None)
    assert attempt.error == ActionError(type="malformed", message="The lock knows no codes of this form.")
    errors = [codes.simulate_keypad_code_entry(igloo.device_id, f"00000000{i}", now=now).error for i in range(6)]
    assert [error.type for error in errors if error] == ["unknown"] * 5 + ["throttled"]
    other = codes.simulate_keypad_code_entry(connected.device_id, "4821", now=now)
    assert other.error is not None
    assert other.error.type == "unknown"
    assert codes.get_action_attempt(attempt.action_attempt_id) == attempt
    assert set(WORDS) == set(Reason) - {Reason.OPENED}


def test_the_keypad_says_what_a_service_code_did(codes: AccessCodes, igloo: Device, now: datetime) -> None:
    made = codes.create(igloo.device_id, is_offline_access_code=True, now=now)
    revoke = codes.delete(made.access_code_id, now=now).result
    assert revoke is not None
    attempt = codes.simulate_keypad_code_entry(igloo.device_id, revoke["revoke_code"]["code"], now=now)
    assert (attempt.status, attempt.result, attempt.error) == ("success", {"opened": False, "action": "revoke"}, None)


def test_a_managed_code_may_push_aside_every_other_with_its_digits(codes: AccessCodes, connected: Device, now: datetime) -> None:
    day = timedelta(days=1)
    others = [codes.create(connected.device_id, code="4711", starts_at=now + n * day, ends_at=now + (n + 1) * day, now=now) for n in (1, 3)]
    found, twin = (codes.simulate_unmanaged(connected.device_id, name, "4711", now=now) for name in ("Owner", "Cleaner"))
    with pytest.raises(NotChangeableError):
        codes.convert_to_managed(found.access_code_id, now=now)
    codes.convert_to_managed(found.access_code_id, force=True, now=now)
    assert codes.get(found.access_code_id).is_managed
    for other in others:
        with pytest.raises(AccessCodeNotFoundError):
            codes.get(other.access_code_id)
    codes.convert_to_managed(twin.access_code_id, force=True, now=now)
    assert codes.get(twin.access_code_id).is_managed


def test_a_code_that_makes_way_for_another_unmanaged_one_stays_on_its_lock(codes: AccessCodes, connected: Device, now: datetime) -> None:
    first, second = (codes.simulate_unmanaged(connected.device_id, name, "4711", now=now) for name in ("Owner", "Cleaner"))
    codes.convert_to_managed(second.access_code_id, force=True, now=now)
    codes.look_at(connected.device_id, now=now + _HOUR)
    assert codes.list_unmanaged(connected.device_id).items == (codes.get_unmanaged(first.access_code_id),)


def test_codes_of_one_name_are_kept_apart(codes: AccessCodes, connected: Device, now: datetime) -> None:
    first, second = (codes.simulate_unmanaged(connected.device_id, name, code, now=now) for name, code in (("a", "1111"), ("b", "2222")))
    codes.delete_unmanaged(first.access_code_id, now=now)
    third = codes.simulate_unmanaged(connected.device_id, "b", "3333", now=now)
    assert third.code == "3333"
    codes.delete_unmanaged(third.access_code_id, now=now)
    assert [there.code for there in codes.simulator(connected.device_id).codes(now)] == [second.code]


def test_who_stands_at_an_unreachable_lock_can_add_a_code_there(codes: AccessCodes, connected: Device, opens: Opens, now: datetime) -> None:
    codes.simulator(connected.device_id).set_fault("offline", now)
    codes.simulate_unmanaged(connected.device_id, "Owner", "2580", now=now)
    assert opens(connected.device_id, "2580", now)


def test_an_unmanaged_code_of_a_removed_device_is_deleted_without_its_lock(codes: AccessCodes, connected: Device, now: datetime) -> None:
    found = codes.simulate_unmanaged(connected.device_id, "Owner", "2580", now=now)
    lock = codes.simulator(connected.device_id)
    codes.remove_device(connected.device_id, now=now)
    codes.delete_unmanaged(found.access_code_id, now=now)
    with pytest.raises(AccessCodeNotFoundError):
        codes.get_unmanaged(found.access_code_id)
    assert len(lock.codes(now)) == 1


def test_a_code_that_is_being_deleted_is_not_managed_any_more(codes: AccessCodes, connected: Device, now: datetime) -> None:
    found = codes.simulate_unmanaged(connected.device_id, "Owner", "2580", now=now)
    codes.simulator(connected.device_id).set_fault("offline", now)
    codes.delete_unmanaged(found.access_code_id, now=now)
    with pytest.raises(NotChangeableError):
        codes.convert_to_managed(found.access_code_id, now=now)


def test_what_a_lock_did_and_what_is_told_of_it_are_kept_together(
    codes: AccessCodes, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill between the two would leave a lock that opened and an access code that nobody knows to be over."""
    device = codes.register_device("Front door", "igloo", connection="simulated", now=now)
    made = codes.create(device.device_id, is_offline_access_code=True, starts_at=now, ends_at=now + 2 * _HOUR, now=now)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    lock = codes.simulator(device.device_id)
    before = lock._read()
    with monkeypatch.context() as patched:
        patched.setattr(attempts, "succeeded", killed)
        with pytest.raises(KeyboardInterrupt):
            codes.simulate_keypad_code_entry(device.device_id, made.code or "", now=now + _HOUR)
    assert lock._read() == before
    codes.simulate_keypad_code_entry(device.device_id, made.code or "", now=now + _HOUR)
    assert lock._read() != before
