"""The simulated lock: datetimes to readings, uptime, power cuts, and the token that it steps when told to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offlinepin import DeviceToken, Issuer, Lock, MasterKey, Profile, Provisioning, Reason
from offlinepin.errors import NaiveDatetimeError
from offlinepin.lock.state import State

NOW = datetime(2027, 7, 1, 12, tzinfo=UTC)
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
BERLIN = ZoneInfo("Europe/Berlin")
KEYS = MasterKey.from_bytes(bytes(range(32)))


def issuer_and_lock(vendor: str = "igloo", **options: Any) -> tuple[Issuer, Lock]:
    issuer = Issuer(KEYS, vendor)
    return issuer, Lock(issuer.provision("door", **options))


def rotating() -> Provisioning:
    plain = {"durations": [[2, 0, 1]], "variants": 1, "activation": 0, "uses": 0, "linger": 0, "opens": 0, "closes": 0}
    rest = {"hours": [0, 86_400], "weekdays": 127, "supersedes": ""}
    kinds = [{"name": "stay", "action": "unlock", **plain, **rest}, {"name": "rotate", "action": "rotate", **plain, **rest}]
    family = {"name": "a", "prefix": "", "length": 9, "slot": 3600, "window": 48, "kinds": kinds}
    lock = {"tolerance": 0, "capacity": 1, "lockout": {"free": 3, "delay": 60, "growth": 2, "cap": 600, "leak": 900}}
    document = {"offlinepin": 1, "name": "p", "alphabet": "0123456789", "clock": "utc", "families": [family], "lock": lock}
    return Provisioning("door", DeviceToken(bytes(32)), Profile.parse(document))


def test_a_lock_opens_for_a_code_typed_in_groups_with_spaces_or_hyphens() -> None:
    issuer, lock = issuer_and_lock()
    pin = issuer.issue("door", NOW, NOW + HOUR, now=NOW)
    for typed in (pin.code, pin.grouped, pin.grouped.replace(" ", "-")):
        assert lock.enter(typed, NOW).reason is Reason.OPENED


@pytest.mark.parametrize("typed", ["", " ", "12a456789", "１２３４５６７８９", "123  456 789", "123_456_789", "+123456789"])
def test_a_text_with_other_characters_is_malformed_and_not_charged(typed: str) -> None:
    _, lock = issuer_and_lock()
    assert lock.enter(typed, NOW).reason is Reason.MALFORMED
    assert lock.state == State()


def test_a_naive_present_is_refused_and_changes_nothing() -> None:
    _, lock = issuer_and_lock()
    with pytest.raises(NaiveDatetimeError, match="2027-07-01T12:00:00"):
        lock.enter("123456789", NOW.replace(tzinfo=None))
    assert lock.state == State()


def test_a_lock_takes_the_systems_clock_when_none_is_given() -> None:
    issuer, lock = issuer_and_lock()
    now = datetime.now(UTC)
    pin = issuer.issue("door", now - HOUR, now + 2 * HOUR)
    assert lock.enter(pin.code).opened


def test_a_lock_with_its_clock_lost_says_so() -> None:
    issuer, lock = issuer_and_lock()
    pin = issuer.issue("door", NOW, NOW + HOUR, now=NOW)
    assert lock.enter(pin.code, NOW, clock_lost=True).reason is Reason.CLOCK_LOST
    assert lock.enter(pin.code, NOW).reason is Reason.OPENED


def wrong_entries(lock: Lock, now: datetime, count: int = 5) -> None:
    for n in range(count):
        assert lock.enter(f"{n}00000000", now).reason not in (Reason.OPENED, Reason.THROTTLED)


def test_uptime_advances_with_the_present() -> None:
    _, lock = issuer_and_lock()
    wrong_entries(lock, NOW)
    assert lock.enter("999999999", NOW + 299 * SECOND).reason is Reason.THROTTLED
    assert lock.enter("999999999", NOW + 300 * SECOND).reason is not Reason.THROTTLED


def test_uptime_advances_by_true_seconds_across_a_clock_change() -> None:
    """01:59:50 to 03:00:10 on the wall is 20 seconds on the day the clocks go forward."""
    _, lock = issuer_and_lock(time_zone="Europe/Berlin")
    wrong_entries(lock, datetime(2027, 3, 28, 1, 59, 50, tzinfo=BERLIN))
    decision = lock.enter("999999999", datetime(2027, 3, 28, 3, 0, 10, tzinfo=BERLIN))
    assert (decision.reason, decision.wait) == (Reason.THROTTLED, 280)


@given(st.lists(st.integers(1, 1999), min_size=1, max_size=30))
@settings(max_examples=30, deadline=None)
def test_uptime_loses_nothing_to_fractions_of_seconds(steps: list[int]) -> None:
    _, lock = issuer_and_lock()
    wrong_entries(lock, NOW)
    now = NOW
    for step in steps:
        now += timedelta(milliseconds=step)
        decision = lock.enter("999999999", now)
    assert decision.wait == 300 - (now - NOW) // SECOND


def test_a_clock_set_back_does_not_turn_the_uptime_back() -> None:
    _, lock = issuer_and_lock()
    wrong_entries(lock, NOW)
    assert lock.enter("999999999", NOW - HOUR).wait == 300
    assert lock.enter("999999999", NOW - HOUR + MINUTE).wait == 240


def test_an_uptime_that_is_given_is_used() -> None:
    _, lock = issuer_and_lock()
    wrong_entries(lock, NOW)
    assert lock.enter("999999999", NOW, uptime=299).wait == 1
    assert lock.enter("999999999", NOW, uptime=300).reason is not Reason.THROTTLED


def test_a_power_cut_keeps_failures_and_starts_the_wait_anew() -> None:
    _, lock = issuer_and_lock()
    wrong_entries(lock, NOW)
    lock.cut_power()
    assert lock.state.failures == 5
    assert lock.enter("999999999", NOW + HOUR).wait == 300
    assert lock.enter("999999999", NOW + HOUR + 300 * SECOND).reason is not Reason.THROTTLED


def test_a_rotate_code_steps_the_locks_token() -> None:
    provisioning = rotating()
    issuer = Issuer(_Tokens(), provisioning.profile, allow_weak=True)
    lock = Lock(provisioning)
    before = issuer.issue("door", NOW, NOW + HOUR, kind="stay", now=NOW)
    rotate = issuer.rotate("door", now=NOW)
    after = issuer.issue("door", NOW, NOW + HOUR, kind="stay", generation=1, now=NOW)
    assert lock.enter(after.code, NOW).reason is Reason.UNKNOWN
    assert lock.enter(before.code, NOW).opened
    assert lock.enter(rotate.code, NOW).opened
    assert (lock.token.generation, lock.state.generation) == (1, 1)
    assert lock.check_value == provisioning.token.next().check_value
    assert lock.enter(before.code, NOW).reason is Reason.UNKNOWN
    assert lock.enter(after.code, NOW).opened


class _Tokens:
    """A source whose only token is the one of :func:`rotating`."""

    def token(self, device_id: str, generation: int = 0) -> DeviceToken:  # noqa: ARG002
        found = DeviceToken(bytes(32))
        for _ in range(generation):
            found = found.next()
        return found


def test_a_lock_starts_in_the_generation_of_its_token() -> None:
    issuer = Issuer(KEYS, "igloo")
    lock = Lock(issuer.provision("door", generation=3))
    assert lock.state.generation == 3
    pin = issuer.issue("door", NOW, NOW + HOUR, generation=3, now=NOW)
    assert pin.generation == 3
    assert lock.enter(pin.code, NOW).opened
