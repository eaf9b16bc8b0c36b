"""Several access codes: a common code, repetitions, lists, pages, searches, and workspaces that do not see one another."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from offlinepin.access_codes import AccessCodes, Device, Store
from offlinepin.access_codes.errors import (
    AccessCodeNotFoundError,
    ActionAttemptNotFoundError,
    DeviceNotFoundError,
    EventNotFoundError,
    InvalidInputError,
    NotFoundError,
    NotShareableError,
    RequestConflictError,
    WorkspaceError,
)

_HOUR = timedelta(hours=1)


@pytest.fixture
def doors(codes: AccessCodes, now: datetime) -> list[Device]:
    """Three connected locks."""
    return [codes.register_device(f"Door {i}", None, connection="simulated", now=now) for i in range(3)]


def _ids(doors: list[Device]) -> list[str]:
    return [door.device_id for door in doors]


# --- a common code --------------------------------------------------------------------------------------------------


def test_a_group_shares_one_code_and_one_key(codes: AccessCodes, doors: list[Device], now: datetime) -> None:
    made = codes.create_multiple(_ids(doors), name="Cleaner", now=now)
    assert [one.device_id for one in made] == _ids(doors)
    assert len({one.code for one in made}) == 1
    assert len({one.common_code_key for one in made}) == 1
    assert made[0].common_code_key is not None
    assert set(codes.list(common_code_key=made[0].common_code_key).items) == set(made)


def test_a_group_is_created_whole_or_not_at_all(codes: AccessCodes, doors: list[Device], now: datetime) -> None:
    codes.create(doors[2].device_id, code="4821", now=now)
    with pytest.raises(NotShareableError):
        codes.create_multiple(_ids(doors), code="4821", now=now)
    with pytest.raises(DeviceNotFoundError):
        codes.create_multiple([*_ids(doors), "0b4e2a34-0000-4000-8000-000000000000"], now=now)
    assert len(codes.list().items) == 1


def test_devices_that_cannot_share_a_code_get_their_own_where_that_is_asked(codes: AccessCodes, doors: list[Device], now: datetime) -> None:
    codes.create(doors[2].device_id, code="4821", now=now)
    made = codes.create_multiple(_ids(doors), code="4821", behavior_when_code_cannot_be_shared="create_random_code", now=now)
    assert [one.code == "4821" for one in made] == [True, True, False]
    codes.report_device_constraints(doors[0].device_id, supported_code_lengths=[4], now=now)
    codes.report_device_constraints(doors[1].device_id, supported_code_lengths=[6], now=now)
    with pytest.raises(NotShareableError):
        codes.create_multiple(_ids(doors), name="no common length", now=now)
    own = codes.create_multiple(_ids(doors), name="own", behavior_when_code_cannot_be_shared="create_random_code", now=now)
    assert [len(one.code or "") for one in own[:2]] == [4, 6]


def test_offline_codes_are_each_lock_s_own(codes: AccessCodes, now: datetime) -> None:
    locks = [codes.register_device(f"Lock {i}", "igloo", now=now).device_id for i in range(2)]
    ask: dict[str, Any] = {"is_offline_access_code": True, "starts_at": now, "ends_at": now + _HOUR, "now": now}
    with pytest.raises(NotShareableError):
        codes.create_multiple(locks, **ask)
    made = codes.create_multiple(locks, behavior_when_code_cannot_be_shared="create_random_code", **ask)
    assert len({one.code for one in made}) == 2
    assert len({one.common_code_key for one in made}) == 1


def test_the_same_group_again_creates_nothing_twice(codes: AccessCodes, doors: list[Device], now: datetime) -> None:
    ask: dict[str, Any] = {"name": "Cleaner", "starts_at": now, "ends_at": now + 9 * _HOUR}
    made = codes.create_multiple(_ids(doors), **ask, now=now)
    assert codes.create_multiple(_ids(doors), **ask, now=now + timedelta(seconds=20)) == made
    assert len(codes.list().items) == 3
    assert len(codes.create_multiple(_ids(doors), **{**ask, "name": "Other"}, now=now)) == 3
    assert len(codes.list().items) == 6


def test_a_group_that_was_deleted_is_created_anew(codes: AccessCodes, doors: list[Device], now: datetime) -> None:
    made = codes.create_multiple(_ids(doors), name="Cleaner", now=now)
    for one in made:
        codes.delete(one.access_code_id, sync=True, now=now)
    again = codes.create_multiple(_ids(doors), name="Cleaner", now=now)
    assert {one.access_code_id for one in again}.isdisjoint(one.access_code_id for one in made)


def test_a_day_later_the_same_group_is_another(codes: AccessCodes, doors: list[Device], now: datetime) -> None:
    made = codes.create_multiple(_ids(doors), name="Cleaner", now=now)
    later = codes.create_multiple(_ids(doors), name="Cleaner", now=now + timedelta(hours=25))
    assert made[0].access_code_id != later[0].access_code_id


def test_a_request_id_gives_one_access_code_for_ever(codes: AccessCodes, igloo: Device, now: datetime) -> None:
    ask: dict[str, Any] = {"is_offline_access_code": True, "starts_at": now, "ends_at": now + 200 * _HOUR, "request_id": "booking-7"}
    made = codes.create(igloo.device_id, **ask, now=now)
    assert codes.create(igloo.device_id, **ask, now=now + 100 * _HOUR) == made
    with pytest.raises(RequestConflictError):
        codes.create(igloo.device_id, **{**ask, "ends_at": now + 2 * _HOUR}, now=now)
    codes.delete(made.access_code_id, now=now)
    codes.report_removed(made.access_code_id, now=now)
    with pytest.raises(RequestConflictError, match="deleted"):
        codes.create(igloo.device_id, **ask, now=now)


def test_a_group_is_changed_whole_or_not_at_all(codes: AccessCodes, doors: list[Device], now: datetime) -> None:
    frame: dict[str, Any] = {"starts_at": now + _HOUR, "ends_at": now + 2 * _HOUR}
    made = codes.create_multiple(_ids(doors), code="4821", **frame, now=now)
    key = made[0].common_code_key
    assert key is not None
    codes.update_multiple(key, name="Ann", ends_at=now + 3 * _HOUR, now=now)
    assert {(one.name, one.ends_at) for one in codes.list(common_code_key=key).items} == {("Ann", now + 3 * _HOUR)}
    codes.create(doors[2].device_id, code="4821", starts_at=now + 5 * _HOUR, ends_at=now + 6 * _HOUR, now=now)
    with pytest.raises(Exception, match="has this code"):
        codes.update_multiple(key, ends_at=now + 9 * _HOUR, now=now)
    assert {one.ends_at for one in codes.list(common_code_key=key).items} == {now + 3 * _HOUR}
    with pytest.raises(AccessCodeNotFoundError):
        codes.update_multiple("no-such-key", name="Ann", now=now)


def test_what_makes_no_sense_is_refused(codes: AccessCodes, doors: list[Device], now: datetime) -> None:
    with pytest.raises(InvalidInputError):
        codes.create_multiple([], now=now)
    with pytest.raises(InvalidInputError):
        codes.create_multiple(_ids(doors), behavior_when_code_cannot_be_shared="panic", now=now)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="colour"):
        codes.create_multiple(_ids(doors), colour="red", now=now)
    assert codes.list().items == ()


# --- lists ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
def test_pages_hold_every_access_code_once_in_its_order(codes: AccessCodes, connected: Device, now: datetime, limit: int) -> None:
    made = [codes.create(connected.device_id, now=now + timedelta(microseconds=i // 2)).access_code_id for i in range(7)]
    seen: list[str] = []
    cursor = None
    while True:
        found = codes.list(device_id=connected.device_id, limit=limit, page_cursor=cursor)
        seen += [one.access_code_id for one in found.items]
        if len(seen) == 3:  # what is added meanwhile moves nothing
            codes.delete(seen[0], now=now)
        assert found.has_next_page == (found.next_page_cursor is not None)
        cursor = found.next_page_cursor
        if cursor is None:
            break
    assert sorted(seen) == sorted(made)
    assert len(set(seen)) == 7


@pytest.mark.parametrize("cursor", ["", "x", "é", "W10=", "WzEsMl0=", "WyJhIiwgMV0="])
def test_a_cursor_that_no_page_gave_is_refused(codes: AccessCodes, cursor: str) -> None:
    with pytest.raises(InvalidInputError):
        codes.list(page_cursor=cursor)


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_limit_is_1_to_1000(codes: AccessCodes, limit: int) -> None:
    with pytest.raises(InvalidInputError):
        codes.list(limit=limit)


def test_access_codes_are_found_by_what_is_known_of_them(codes: AccessCodes, doors: list[Device], now: datetime) -> None:
    ann = codes.create(doors[0].device_id, name="Ann 100%", code="4821", now=now)
    bob = codes.create(doors[1].device_id, name="Bob", code="7391", now=now)
    assert codes.list(search="ann").items == (ann,)
    assert codes.list(search="100%").items == (ann,)
    assert codes.list(search="%").items == (ann,)
    assert codes.list(search="7391").items == (bob,)
    assert codes.list(search="739").items == ()
    assert codes.list(search=bob.access_code_id).items == (bob,)
    assert codes.list(code="4821").items == (ann,)
    assert codes.list(device_id=doors[1].device_id).items == (bob,)
    assert codes.list(access_code_ids=[bob.access_code_id, "no"]).items == (bob,)
    assert codes.get(device_id=doors[0].device_id, code="4821") == ann
    with pytest.raises(InvalidInputError):
        codes.get()
    with pytest.raises(DeviceNotFoundError):
        codes.list(device_id="no")


# --- workspaces -----------------------------------------------------------------------------------------------------


def _foreign_calls(other: AccessCodes, device_id: str, code_id: str, event_id: str, attempt_id: str, key: str) -> list[Callable[[], Any]]:
    return [
        lambda: other.get(code_id),
        lambda: other.get(device_id=device_id, code="4821"),
        lambda: other.list(device_id=device_id),
        lambda: other.update(code_id, name="mine"),
        lambda: other.update_multiple(key, name="mine"),
        lambda: other.delete(code_id),
        lambda: other.report_removed(code_id),
        lambda: other.create(device_id),
        lambda: other.create_multiple([device_id]),
        lambda: other.generate_code(device_id),
        lambda: other.pull_backup_access_code(code_id),
        lambda: other.report_device_constraints(device_id, supported_code_lengths=[4]),
        lambda: other.report_provider_metadata(device_id, "Europe/Berlin"),
        lambda: other.get_timeline(code_id),
        lambda: other.explain(code_id),
        lambda: other.get_unmanaged(code_id),
        lambda: other.list_unmanaged(device_id),
        lambda: other.convert_to_managed(code_id),
        lambda: other.delete_unmanaged(code_id),
        lambda: other.simulate_unmanaged(device_id, "x", "5555"),
        lambda: other.simulate_keypad_code_entry(device_id, "4821"),
        lambda: other.get_device(device_id),
        lambda: other.get_device(name="Garage"),
        lambda: other.remove_device(device_id),
        lambda: other.provision(device_id),
        lambda: other.simulator(device_id),
        lambda: other.get_event(event_id),
        lambda: other.get_action_attempt(attempt_id),
        lambda: other.list_action_attempts(device_id=device_id),
    ]


def test_nothing_of_a_workspace_is_seen_or_touched_from_another(codes: AccessCodes, store: Store, connected: Device, now: datetime) -> None:
    other = AccessCodes(store, store.create_workspace("other", now=now))
    made = codes.create(connected.device_id, code="4821", common_code_key="key", sync=True, now=now)
    attempt = codes.simulate_keypad_code_entry(connected.device_id, "4821", now=now)
    told = codes.list_events().items
    for call in _foreign_calls(other, connected.device_id, made.access_code_id, told[0].event_id, attempt.action_attempt_id, "key"):
        with pytest.raises(NotFoundError):
            call()
    assert other.list().items == ()
    assert other.list(access_code_ids=[made.access_code_id], search="4821", code="4821").items == ()
    assert other.list_devices().items == ()
    assert other.list_events(access_code_id=made.access_code_id).items == ()
    assert codes.get(made.access_code_id) == made
    assert codes.list_events().items == told
    for kind in (EventNotFoundError, ActionAttemptNotFoundError):
        assert issubclass(kind, NotFoundError)
    with pytest.raises(WorkspaceError):
        AccessCodes(store, "no-such-workspace")


def test_a_device_that_goes_to_another_workspace_leaves_its_codes_readable(
    codes: AccessCodes, store: Store, connected: Device, now: datetime
) -> None:
    other = AccessCodes(store, store.create_workspace("other", now=now))
    made = codes.create(connected.device_id, sync=True, now=now)
    with pytest.raises(WorkspaceError):
        codes.transfer_device(connected.device_id, "nowhere", now=now)
    codes.transfer_device(connected.device_id, other.workspace_id, now=now)
    assert [w.warning_code for w in codes.get(made.access_code_id).warnings] == ["management_transferred"]
    assert other.get_device(connected.device_id).workspace_id == other.workspace_id
    assert other.list(device_id=connected.device_id).items == ()
    with pytest.raises(DeviceNotFoundError):
        codes.create(connected.device_id, now=now)
    before = other.simulator(connected.device_id).codes(now)
    for change in ({"name": "mine"}, {"code": "7391"}, {"ends_at": now + timedelta(days=1)}):
        with pytest.raises(DeviceNotFoundError):
            codes.update(made.access_code_id, now=now, **change)
    codes.tick(now + timedelta(hours=1))
    assert other.simulator(connected.device_id).codes(now) == before


@pytest.mark.parametrize("schedules", [True, False])
def test_what_is_on_a_device_that_went_to_another_workspace_goes_from_it_at_its_end(
    codes: AccessCodes, store: Store, connected: Device, now: datetime, schedules: bool
) -> None:
    other = AccessCodes(store, store.create_workspace("other", now=now))
    lock = codes.simulator(connected.device_id)
    lock.configure(schedules=schedules, now=now)
    end = now + timedelta(hours=3)
    made = codes.create(connected.device_id, starts_at=now, ends_at=end, sync=True, now=now)
    changed = codes.create(connected.device_id, starts_at=now, ends_at=end, sync=True, now=now)
    codes.update(changed.access_code_id, name="Bob", now=now)
    codes.transfer_device(connected.device_id, other.workspace_id, now=now)
    codes.tick(now + timedelta(hours=1))
    assert len(other.list_unmanaged(connected.device_id).items) == 2  # its new owner sees what is there
    codes.tick(end)
    codes.tick(end + timedelta(hours=1))
    assert lock.codes(end) == ()
    assert other.list_unmanaged(connected.device_id).items == ()
    for gone in (made, changed):
        with pytest.raises(AccessCodeNotFoundError):
            codes.get(gone.access_code_id)


def test_what_was_on_its_way_to_a_device_that_went_to_another_workspace_settles(
    codes: AccessCodes, store: Store, connected: Device, now: datetime
) -> None:
    other = AccessCodes(store, store.create_workspace("other", now=now))
    begun = codes.create(connected.device_id, now=now)
    waiting = codes.create(connected.device_id, starts_at=now + timedelta(days=9), ends_at=now + timedelta(days=10), now=now)
    codes.transfer_device(connected.device_id, other.workspace_id, now=now)
    codes.tick(now + timedelta(days=9))
    assert other.simulator(connected.device_id).codes(now) == ()
    for made, status in ((begun, "unknown"), (waiting, "unset")):
        shown = codes.get(made.access_code_id)
        assert (shown.status, shown.pending_mutations) == (status, ())
