"""What only grows is dropped when its time is over, a bit at each tick, and never an event that a webhook waits for."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from offlinepin.access_codes import AccessCodes, Device, Retention, Store, retention
from offlinepin.access_codes.errors import AccessCodeNotFoundError, InvalidInputError, RequestConflictError
from offlinepin.access_codes.schema import CodeRow
from offlinepin.keys import MasterKey

_DAY = timedelta(days=1)


def _purged(store: Store, now: datetime) -> int:
    """How much went, until nothing more did."""
    total = 0
    while gone := retention.purge(store, now):
        total += gone
    return total


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    has_webhook=st.booleans(),
    story=st.lists(st.tuples(st.integers(0, 200), st.sampled_from([200, 500, None])), max_size=5),
)
def test_exactly_the_events_go_that_are_old_and_that_no_webhook_waits_for(
    store: Store, now: datetime, has_webhook: bool, story: list[tuple[int, int | None]]
) -> None:
    """A webhook answers 200 or 500, or is not asked at all (``None``), after each code."""
    begin = now - 201 * _DAY
    codes = AccessCodes(store, store.create_workspace("house", now=begin))
    igloo = codes.register_device("Door", "igloo", now=begin).device_id
    codes.deliver_webhooks(begin)
    webhook = codes.create_webhook("https://example.org/hook", now=begin).webhook_id if has_webhook else None
    for number, (days, answer) in enumerate(sorted(story, key=lambda one: -one[0])):
        moment = now - days * _DAY
        ends = moment + timedelta(hours=1 + number)
        codes.create(igloo, is_offline_access_code=True, starts_at=moment, ends_at=ends, now=moment)
        if answer is not None:
            codes.deliver_webhooks(moment, lambda *_, answer=answer: answer)
    before = codes.list_events(limit=1000).items
    deliveries = {} if webhook is None else {d.event_id: d for d in codes.list_deliveries(webhook, limit=1000)}

    def waits(event_id: str) -> bool:
        return webhook is not None and (event_id not in deliveries or deliveries[event_id].next_try_at is not None)

    _purged(store, now)
    kept = [event for event in before if now - event.occurred_at <= 90 * _DAY or waits(event.event_id)]
    assert list(codes.list_events(limit=1000).items) == kept
    if webhook is not None:
        left = {d.event_id for d in codes.list_deliveries(webhook, limit=1000)}
        assert left == deliveries.keys() & {event.event_id for event in kept}
    sent = codes.deliver_webhooks(now, lambda *_: 200)
    assert sent == sum(waits(event.event_id) for event in kept)


def test_a_webhook_that_gave_up_or_went_keeps_no_event_back(codes: AccessCodes, store: Store, igloo: Device, now: datetime) -> None:
    webhook = codes.create_webhook("https://example.org/hook", now=now).webhook_id
    codes.create(igloo.device_id, is_offline_access_code=True, now=now)
    codes.deliver_webhooks(now, lambda *_: 500)
    assert _purged(store, now + 91 * _DAY) == 1  # the attempt
    assert len(codes.list_events().items) == 3
    codes.delete_webhook(webhook, now=now)
    assert _purged(store, now + 91 * _DAY) == 3
    assert codes.list_events().items == ()


def test_a_request_is_known_for_a_day_and_then_is_a_new_one(codes: AccessCodes, igloo: Device, now: datetime) -> None:
    def ask(at: datetime) -> str:
        return codes.create(igloo.device_id, is_offline_access_code=True, starts_at=now, request_id="booking-1", now=at).access_code_id

    first = ask(now)
    codes.tick(now + _DAY)
    assert ask(now + _DAY) == first
    with pytest.raises(RequestConflictError):
        codes.create(igloo.device_id, request_id="booking-1", now=now + _DAY)
    codes.tick(now + _DAY + timedelta(seconds=1))
    assert ask(now + _DAY + timedelta(seconds=1)) != first


def test_a_group_is_known_for_a_day_and_its_codes_stay(codes: AccessCodes, connected: Device, now: datetime) -> None:
    (first,) = codes.create_multiple([connected.device_id], name="Ann", now=now)
    codes.tick(now + 2 * _DAY)
    (second,) = codes.create_multiple([connected.device_id], name="Ann", now=now + 2 * _DAY)
    assert {code.access_code_id for code in codes.list().items} == {first.access_code_id, second.access_code_id}


def test_a_store_keeps_as_long_as_it_was_told_and_drops_in_small_steps(
    where: str, keys: MasterKey, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_STEP", 20)
    store = Store.open(where, keys, keep=Retention(requests=_DAY, events=2 * _DAY, attempts=3 * _DAY))
    codes = AccessCodes(store, store.create_workspace("house", now=now))
    door = codes.register_device("Door", None, connection="simulated", now=now).device_id
    code = codes.create(door, now=now)
    for number in range(20):
        codes.simulate_keypad_code_entry(door, f"{number:04}", now=now)
    codes.update(code.access_code_id, name="Ann", now=now)
    told = len(codes.list_events().items)
    assert retention.purge(store, now + 2 * _DAY + timedelta(seconds=1)) == told > 0
    assert codes.list_events().items == ()
    assert len(codes.list_action_attempts(limit=1000).items) == 20 + 2
    assert retention.purge(store, now + 4 * _DAY) == 20
    assert len(codes.list_action_attempts(limit=1000).items) == 2
    assert retention.purge(store, now + 4 * _DAY) == 2
    assert codes.get(code.access_code_id).name == "Ann"
    assert codes.get_timeline(code.access_code_id) == ()
    store.close()


@pytest.mark.parametrize("name", ["requests", "events", "attempts"])
def test_nothing_is_kept_for_no_time(name: str) -> None:
    with pytest.raises(InvalidInputError, match=name):
        Retention(**{name: timedelta()})


def test_a_deleted_access_code_goes_when_nothing_shows_it_any_more(where: str, keys: MasterKey, now: datetime) -> None:
    store = Store.open(where, keys, keep=Retention(events=2 * _DAY, attempts=3 * _DAY))
    codes = AccessCodes(store, store.create_workspace("house", now=now))
    door = codes.register_device("Door", None, connection="simulated", now=now).device_id
    gone, kept = (codes.create(door, use_backup_access_code_pool=True, now=now).access_code_id for _ in range(2))
    codes.tick(now)
    codes.pull_backup_access_code(gone, now=now)
    codes.delete(gone, now=now)
    codes.tick(now)

    def rows() -> set[str]:
        return set(store.read(lambda work: work.session.scalars(select(CodeRow.access_code_id)).all()))

    before = rows()
    _purged(store, now + 3 * _DAY)
    assert rows() == before
    (attempt,) = [one for one in codes.list_action_attempts().items if (one.result or {}).get("access_code") == codes.get(kept)]
    assert attempt.action_type == "CREATE_ACCESS_CODE"
    _purged(store, now + 3 * _DAY + timedelta(seconds=1))
    assert len(before - rows()) == 2  # and its backup
    assert kept in rows()
    store.close()


def test_a_deleted_access_code_stays_while_a_webhook_waits_for_its_events(
    codes: AccessCodes, store: Store, connected: Device, now: datetime
) -> None:
    codes.create_webhook("https://example.org/hook", now=now)
    made = codes.create(connected.device_id, sync=True, now=now)
    codes.delete(made.access_code_id, sync=True, now=now)
    later = now + 91 * _DAY
    _purged(store, later)
    assert len(codes.get_timeline(made.access_code_id)) == 4
    codes.deliver_webhooks(later, lambda *_: 200)
    _purged(store, later)
    _purged(store, later)
    with pytest.raises(AccessCodeNotFoundError):
        codes.get_timeline(made.access_code_id)
    assert store.read(lambda work: work.session.scalars(select(CodeRow)).all()) == []
