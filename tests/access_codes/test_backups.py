"""Backup codes: a pool that is kept ready on the device, and one of it that stands in for an access code."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from offlinepin.access_codes import AccessCodes, Device, Fault
from offlinepin.access_codes.creation import POOL
from offlinepin.access_codes.errors import AccessCodeNotFoundError, NoBackupError, NotChangeableError

Opens = Callable[[str, str | None, datetime], bool]
_HOUR = timedelta(hours=1)


def test_a_backup_is_on_the_lock_before_it_is_needed_and_stands_in(
    codes: AccessCodes, connected: Device, opens: Opens, now: datetime
) -> None:
    made = codes.create(connected.device_id, name="Ann", use_backup_access_code_pool=True, starts_at=now, ends_at=now + 9 * _HOUR, now=now)
    assert not made.is_backup_access_code_available
    codes.tick(now)
    assert codes.get(made.access_code_id).is_backup_access_code_available
    assert len(codes.simulator(connected.device_id).codes(now)) == 1 + POOL
    assert len(codes.list(device_id=connected.device_id).items) == 1  # the pool is nobody's access code

    codes.simulator(connected.device_id).set_fault(Fault.OFFLINE, now)  # that is what a pool is for
    pulled = codes.pull_backup_access_code(made.access_code_id, now=now + _HOUR)
    backup = pulled.backup_access_code
    assert backup.is_backup
    assert (backup.name, backup.ends_at) == ("Ann", now + 9 * _HOUR)
    assert pulled.access_code.pulled_backup_access_code_id == backup.access_code_id
    assert not pulled.access_code.is_backup_access_code_available
    assert [w.warning_code for w in pulled.access_code.warnings] == ["using_backup_access_code"]
    assert opens(connected.device_id, backup.code, now + _HOUR)
    assert codes.pull_backup_access_code(made.access_code_id, now=now + _HOUR) == pulled

    codes.simulator(connected.device_id).set_fault(None, now)
    codes.tick(now + 2 * _HOUR)
    assert len(codes.simulator(connected.device_id).codes(now)) == 2 + POOL  # the pool is full again
    codes.tick(now + 9 * _HOUR)
    assert not opens(connected.device_id, backup.code, now + 9 * _HOUR)
    with pytest.raises(AccessCodeNotFoundError):
        codes.get(backup.access_code_id)


def test_pulling_is_told(codes: AccessCodes, connected: Device, now: datetime) -> None:
    made = codes.create(connected.device_id, use_backup_access_code_pool=True, now=now)
    codes.tick(now)
    backup = codes.pull_backup_access_code(made.access_code_id, now=now).backup_access_code
    (event,) = codes.list_events(event_type="access_code.backup_access_code_pulled").items
    assert event.access_code_id == made.access_code_id
    assert event.model_dump()["backup_access_code_id"] == backup.access_code_id


def test_two_access_codes_never_get_one_backup(codes: AccessCodes, connected: Device, now: datetime) -> None:
    made = [codes.create(connected.device_id, use_backup_access_code_pool=True, now=now) for _ in range(POOL)]
    codes.tick(now)
    pulled = [codes.pull_backup_access_code(one.access_code_id, now=now).backup_access_code.access_code_id for one in made]
    assert len(set(pulled)) == POOL


def test_an_empty_pool_is_an_error_until_it_is_filled(codes: AccessCodes, connected: Device, now: datetime) -> None:
    made = codes.create(connected.device_id, use_backup_access_code_pool=True, now=now)
    with pytest.raises(NoBackupError):
        codes.pull_backup_access_code(made.access_code_id, now=now)
    assert [e.error_code for e in codes.get(made.access_code_id).errors] == ["empty_backup_access_code_pool"]
    codes.tick(now)
    assert codes.get(made.access_code_id).errors == ()
    codes.pull_backup_access_code(made.access_code_id, now=now)


def test_without_a_pool_there_is_no_backup(codes: AccessCodes, connected: Device, igloo: Device, now: datetime) -> None:
    for made in (codes.create(connected.device_id, now=now), codes.create(igloo.device_id, is_offline_access_code=True, now=now)):
        with pytest.raises(NotChangeableError):
            codes.pull_backup_access_code(made.access_code_id, now=now)


def test_a_deleted_access_code_takes_its_backup_along(codes: AccessCodes, connected: Device, opens: Opens, now: datetime) -> None:
    made = codes.create(connected.device_id, use_backup_access_code_pool=True, now=now)
    codes.tick(now)
    backup = codes.pull_backup_access_code(made.access_code_id, now=now).backup_access_code
    codes.delete(made.access_code_id, now=now)
    codes.tick(now)
    assert not opens(connected.device_id, backup.code, now)
    assert not opens(connected.device_id, made.code, now)


def test_another_backup_can_be_pulled_when_the_first_is_gone(codes: AccessCodes, connected: Device, now: datetime) -> None:
    made = codes.create(connected.device_id, use_backup_access_code_pool=True, now=now)
    codes.tick(now)
    first = codes.pull_backup_access_code(made.access_code_id, now=now).backup_access_code
    codes.delete(first.access_code_id, sync=True, now=now)
    pulled = codes.pull_backup_access_code(made.access_code_id, now=now)
    assert pulled.backup_access_code.code != first.code
    assert pulled.access_code.pulled_backup_access_code_id == pulled.backup_access_code.access_code_id
    assert [w.warning_code for w in pulled.access_code.warnings] == ["using_backup_access_code"]


def test_backups_that_somebody_changed_or_removed_at_the_lock_go_there_again(codes: AccessCodes, connected: Device, now: datetime) -> None:
    made = codes.create(connected.device_id, use_backup_access_code_pool=True, now=now)
    codes.tick(now)
    lock = codes.simulator(connected.device_id)
    first, *others = [there for there in lock.codes(now) if there.reference != made.access_code_id]
    lock.modify_outside(first.reference, "0815", now)
    for other in others:
        lock.erase_outside(other.reference, now)
    before = {first.code, *(other.code for other in others)}
    codes.tick(now + _HOUR)
    codes.tick(now + _HOUR)
    assert {there.code for there in lock.codes(now) if there.reference != made.access_code_id} == before
    assert codes.pull_backup_access_code(made.access_code_id, now=now + _HOUR).backup_access_code.code in before


def test_a_backup_does_not_open_before_the_start_of_the_code_that_it_stands_in_for(
    codes: AccessCodes, connected: Device, opens: Opens, now: datetime
) -> None:
    codes.simulator(connected.device_id).configure(schedules=False, now=now)
    starts_at, ends_at = now + 5 * _HOUR, now + 9 * _HOUR
    made = codes.create(connected.device_id, use_backup_access_code_pool=True, starts_at=starts_at, ends_at=ends_at, now=now)
    codes.tick(now)
    backup = codes.pull_backup_access_code(made.access_code_id, now=now).backup_access_code
    for moment, expected in ((now, False), (now + 4 * _HOUR, False), (starts_at, True), (ends_at, False)):
        codes.tick(moment)
        assert opens(connected.device_id, backup.code, moment) == expected
