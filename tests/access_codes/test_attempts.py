"""Action attempts: what became of each call can be asked for later, by its workspace only."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from offlinepin.access_codes import AccessCodes, Device, Store
from offlinepin.access_codes.attempts import creation
from offlinepin.access_codes.errors import ActionAttemptNotFoundError, DeviceNotFoundError, InvalidInputError

_HOUR = timedelta(hours=1)


def test_a_creation_s_attempt_shows_the_access_code_as_it_is(codes: AccessCodes, connected: Device, now: datetime) -> None:
    made = codes.create(connected.device_id, name="Ann", now=now)
    attempt = creation(made)
    assert (attempt.action_type, attempt.status, attempt.error) == ("CREATE_ACCESS_CODE", "success", None)
    assert codes.get_action_attempt(attempt.action_attempt_id) == attempt
    codes.tick(now)
    later = codes.get_action_attempt(attempt.action_attempt_id)
    assert later.result == {"access_code": codes.get(made.access_code_id)}
    assert later.model_dump(mode="json")["result"]["access_code"]["status"] == "set"


def test_a_repeated_request_has_the_attempt_of_the_first(codes: AccessCodes, connected: Device, now: datetime) -> None:
    first, again = (creation(codes.create(connected.device_id, request_id="booking-1", now=now)) for _ in range(2))
    assert first == again
    assert len(codes.list_action_attempts().items) == 1


def test_an_update_s_attempt_shows_the_access_code_and_a_refused_one_why(codes: AccessCodes, connected: Device, now: datetime) -> None:
    one, two = (codes.create(connected.device_id, code=code, now=now) for code in ("4821", "7391"))
    changed = codes.update(one.access_code_id, name="Ann", now=now)
    assert changed.result == {"access_code": codes.get(one.access_code_id)}
    assert changed.result["access_code"].name == "Ann"
    refused = codes.update(one.access_code_id, code="7391", now=now)
    assert (refused.status, refused.result) == ("error", None)
    assert refused.error is not None
    assert refused.error.type == "duplicate_code_on_device"
    assert two.access_code_id in refused.error.message
    for attempt in (changed, refused):
        known = codes.get_action_attempt(attempt.action_attempt_id)
        assert (known.status, known.error) == (attempt.status, attempt.error)


def test_a_code_that_is_let_go_or_deleted_is_shown_as_it_is(codes: AccessCodes, connected: Device, now: datetime) -> None:
    made = codes.create(connected.device_id, sync=True, now=now)
    let_go = codes.update(made.access_code_id, is_managed=False, now=now)
    assert let_go.result == {"access_code": codes.get_unmanaged(made.access_code_id)}
    gone = codes.delete_unmanaged(made.access_code_id, now=now)
    assert (gone.action_type, gone.status, gone.result) == ("DELETE_ACCESS_CODE", "success", {})
    assert codes.get_action_attempt(creation(made).action_attempt_id).status == "success"


def test_attempts_are_listed_in_their_order_by_id_and_by_device(
    codes: AccessCodes, connected: Device, igloo: Device, now: datetime
) -> None:
    made = [codes.create(connected.device_id, now=now + minute * timedelta(minutes=1)) for minute in range(5)]
    codes.create(igloo.device_id, is_offline_access_code=True, now=now)
    entry = codes.simulate_keypad_code_entry(igloo.device_id, "1", now=now + _HOUR)
    ids = [creation(code).action_attempt_id for code in made]
    listed, cursor = [], None
    while True:
        page = codes.list_action_attempts(device_id=connected.device_id, limit=2, page_cursor=cursor)
        listed += [attempt.action_attempt_id for attempt in page.items]
        cursor = page.next_page_cursor
        if cursor is None:
            break
    assert listed == ids
    assert [a.action_attempt_id for a in codes.list_action_attempts(action_attempt_ids=ids[1:3]).items] == ids[1:3]
    assert codes.list_action_attempts(device_id=igloo.device_id).items[-1] == entry
    assert len(codes.list_action_attempts().items) == 7


def test_attempts_are_their_workspace_s_only(codes: AccessCodes, store: Store, connected: Device, now: datetime) -> None:
    attempt = creation(codes.create(connected.device_id, now=now))
    other = AccessCodes(store, store.create_workspace("other", now=now))
    assert other.list_action_attempts(action_attempt_ids=[attempt.action_attempt_id]).items == ()
    with pytest.raises(ActionAttemptNotFoundError):
        other.get_action_attempt(attempt.action_attempt_id)
    with pytest.raises(DeviceNotFoundError):
        other.list_action_attempts(device_id=connected.device_id)
    with pytest.raises(InvalidInputError):
        codes.list_action_attempts(limit=0)
    assert "4821" not in repr(codes.update(codes.create(connected.device_id, code="4821", now=now).access_code_id, name="x", now=now))
