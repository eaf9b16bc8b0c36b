"""Events: what happened, in its order, in the transaction of the change, and seen by its workspace only."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from offlinepin.access_codes import AccessCodes, Device, Fault
from offlinepin.access_codes.errors import ActionAttemptNotFoundError, EventNotFoundError, InvalidInputError, ResourceError
from offlinepin.errors import RequestError

_HOUR = timedelta(hours=1)


def test_events_are_listed_in_the_order_in_which_they_happened(codes: AccessCodes, igloo: Device, now: datetime) -> None:
    made = codes.create(igloo.device_id, is_offline_access_code=True, starts_at=now, ends_at=now + _HOUR, now=now)
    codes.delete(made.access_code_id, now=now + timedelta(minutes=1))
    codes.tick(now + 2 * _HOUR)
    told = codes.list_events().items
    assert [e.event_type for e in told] == [
        "access_code.created",
        "access_code.scheduled_on_device",
        "access_code.set_on_device",
        "access_code.removed_from_device",
        "access_code.deleted",
    ]
    assert all((e.access_code_id, e.device_id, e.workspace_id) == (made.access_code_id, igloo.device_id, codes.workspace_id) for e in told)
    assert codes.get_event(told[0].event_id) == told[0]
    assert codes.get_timeline(made.access_code_id) == tuple(reversed(told))


def test_events_are_found_by_time_type_and_what_they_are_about(codes: AccessCodes, igloo: Device, connected: Device, now: datetime) -> None:
    one = codes.create(igloo.device_id, is_offline_access_code=True, now=now)
    two = codes.create(connected.device_id, now=now + _HOUR)
    assert {e.access_code_id for e in codes.list_events(since=now + _HOUR).items} == {two.access_code_id}
    assert {e.access_code_id for e in codes.list_events(between=(now, now + _HOUR)).items} == {one.access_code_id}
    assert {e.access_code_id for e in codes.list_events(device_id=igloo.device_id).items} == {one.access_code_id}
    assert {e.access_code_id for e in codes.list_events(device_ids=[connected.device_id]).items} == {two.access_code_id}
    assert len(codes.list_events(event_type="access_code.created").items) == 2
    assert len(codes.list_events(event_types=["access_code.created", "access_code.set_on_device"]).items) == 3
    assert len(codes.list_events(access_code_ids=[one.access_code_id, two.access_code_id], limit=2).items) == 2
    first = codes.list_events().items[0]
    assert codes.list_events(event_ids=[first.event_id]).items == (first,)
    assert codes.get_timeline(one.access_code_id, event_types=["access_code.set_on_device"], limit=5)[0].event_type.endswith(
        "set_on_device"
    )
    assert codes.get_timeline(one.access_code_id, before=now) == ()
    assert codes.get_timeline(one.access_code_id, after=now) == ()


def test_what_makes_no_sense_is_refused(codes: AccessCodes) -> None:
    with pytest.raises(InvalidInputError):
        codes.list_events(event_type="access_code.exploded")
    with pytest.raises(InvalidInputError):
        codes.list_events(limit=0)
    with pytest.raises(RequestError):
        codes.list_events(since=datetime(2026, 7, 1))  # noqa: DTZ001 - naive on purpose
    with pytest.raises(EventNotFoundError):
        codes.get_event("no")
    with pytest.raises(ActionAttemptNotFoundError):
        codes.get_action_attempt("no")


_calls = st.lists(
    st.tuples(st.sampled_from(["create", "offline", "update", "delete", "tick", "type"]), st.integers(0, 5), st.integers(1, 9)), max_size=8
)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=_calls)
def test_every_access_code_s_story_is_told_from_created_to_deleted(codes: AccessCodes, now: datetime, calls: list[Any]) -> None:
    """Whatever is done: the first event is ``created``, an access code is there exactly until ``deleted``, and refusals tell nothing."""
    device = codes.register_device("door", "hotel", time_zone="UTC", connection="simulated", now=now)
    ids: list[str] = []
    moment = now
    for what, which, hours in calls:
        moment += timedelta(minutes=7)
        before = len(codes.list_events(device_id=device.device_id).items)
        try:
            if what in ("create", "offline"):
                frame = {"starts_at": moment, "ends_at": moment + hours * _HOUR}
                if what == "offline":
                    frame = {
                        "starts_at": datetime(2026, 7, 1, 15, tzinfo=now.tzinfo),
                        "ends_at": datetime(2026, 7, 1 + hours, 11, tzinfo=now.tzinfo),
                    }
                ids.append(codes.create(device.device_id, is_offline_access_code=what == "offline", **frame, now=moment).access_code_id)
            elif what == "tick":
                moment += (hours - 1) * _HOUR
                codes.tick(moment)
            elif ids and what == "update":
                codes.update(ids[which % len(ids)], name=f"n{hours}", now=moment)
            elif ids and what == "delete":
                codes.delete(ids[which % len(ids)], now=moment)
        except (ResourceError, RequestError):
            assert len(codes.list_events(device_id=device.device_id).items) == before
    there = {one.access_code_id for one in codes.list(device_id=device.device_id).items}
    for ident in ids:
        story = [e.event_type.removeprefix("access_code.") for e in reversed(codes.get_timeline(ident))]
        assert story[0] == "created"
        assert (story[-1] == "deleted") == (ident not in there)
        assert story.count("deleted") <= 1


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(1, 7), between=st.integers(0, 3))
def test_pages_hold_every_event_once_in_its_order_also_while_others_are_written(
    codes: AccessCodes, now: datetime, limit: int, between: int
) -> None:
    door = codes.register_device("door", None, connection="simulated", now=now).device_id
    other = codes.register_device("other door", None, connection="simulated", now=now).device_id
    for _ in range(9):
        codes.create(door, now=now)
    told = codes.list_events(device_id=door).items
    paged: list[Any] = []
    cursor = None
    while True:
        page = codes.list_events(device_id=door, limit=limit, page_cursor=cursor)
        paged += page.items
        for _ in range(between):
            codes.create(other, now=now)
        if not page.has_next_page:
            break
        cursor = page.next_page_cursor
    assert tuple(paged) == told
    skipped = [e for start in range(0, len(told), limit) for e in codes.list_events(device_id=door, limit=limit, offset=start).items]
    assert tuple(skipped) == told


@pytest.mark.parametrize("cursor", ["", "made up", "WzEsMl0=", "\udcff", "WzkyMjMzNzIwMzY4NTQ3NzU4MDgsIiJd", "WzksIiJd\n"])
def test_a_cursor_that_no_page_gave_is_refused(codes: AccessCodes, cursor: str) -> None:
    for find in (codes.list_events, codes.list_devices, codes.list_action_attempts):
        with pytest.raises(InvalidInputError, match="page_cursor"):
            find(page_cursor=cursor)
    with pytest.raises(InvalidInputError, match="offset"):
        codes.list_events(offset=-1)


def test_the_latest_event_of_a_device_and_of_a_type_is_found(codes: AccessCodes, igloo: Device, connected: Device, now: datetime) -> None:
    codes.create(igloo.device_id, is_offline_access_code=True, now=now)
    codes.create(connected.device_id, now=now)
    told = codes.list_events().items
    assert codes.get_event(device_id=igloo.device_id) == [e for e in told if e.device_id == igloo.device_id][-1]
    assert codes.get_event(event_type="access_code.created") == [e for e in told if e.event_type == "access_code.created"][-1]
    found = codes.get_event(device_id=igloo.device_id, event_type="access_code.created")
    assert (found.device_id, found.event_type) == (igloo.device_id, "access_code.created")
    with pytest.raises(EventNotFoundError, match="no such event"):
        codes.get_event(device_id=connected.device_id, event_type="access_code.deleted")
    with pytest.raises(InvalidInputError):
        codes.get_event()


def test_a_change_is_told_with_what_was_and_what_is(codes: AccessCodes, connected: Device, now: datetime) -> None:
    made = codes.create(connected.device_id, name="Ann", code="4821", now=now)
    codes.update(made.access_code_id, name=None, code="7391", now=now)
    told = {e.event_type.removeprefix("access_code."): json.loads(e.model_dump_json()) for e in codes.list_events().items}
    assert told["changed"]["changed_properties"] == [
        {"property": "code", "from": "4821", "to": "7391"},
        {"property": "name", "from": "Ann", "to": None},
    ]
    assert (told["name_changed"]["from"], told["name_changed"]["to"]) == ({"name": "Ann"}, {"name": None})
    assert (told["code_changed"]["from"], told["code_changed"]["to"]) == ({"code": "4821"}, {"code": "7391"})
    assert told["code_changed"]["description"] == "The code was changed."
    assert "time_frame_changed" not in told
    assert not any("4821" in repr(e) for e in codes.list_events().items)


def test_a_failure_s_event_tells_whose_error_it_is(codes: AccessCodes, connected: Device, now: datetime, run: Any) -> None:
    lock = codes.simulator(connected.device_id)
    for fault, where in ((Fault.OFFLINE, "device_errors"), (Fault.ACCOUNT_DISCONNECTED, "connected_account_errors")):
        lock.set_fault(fault, now)
        made = codes.create(connected.device_id, now=now)
        run(codes, now, now + _HOUR)
        (told,) = codes.list_events(access_code_id=made.access_code_id, event_type="access_code.failed_to_set_on_device").items
        written = json.loads(told.model_dump_json())
        names = ("device_errors", "connected_account_errors", "device_warnings", "connected_account_warnings")
        assert {name for name in names if written[name]} == {where}
        assert written[where][0] in written["access_code_errors"]
