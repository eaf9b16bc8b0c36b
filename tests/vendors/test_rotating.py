"""One code for each slot: the same for everybody in it, and refused in the next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from offlinepin_rotating import SLOTS, code_at, vendor

from offlinepin import Issuer, Lock, MasterKey, Reason
from offlinepin.errors import ExhaustedError, TooLongError, VendorError
from offlinepin.lock.layout import Layout
from offlinepin.security import family_odds, require_safe

KEYS = MasterKey.from_bytes(bytes(range(32)))
MINUTE, HOUR, DAY, SECOND = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)
START = datetime(2027, 7, 5, 8, tzinfo=UTC)
TOLERANCE = 5 * MINUTE
NOW = START - 30 * DAY

moments = st.integers(0, 300 * 86_400).map(lambda s: START + s * SECOND)


def door(of: Issuer) -> Lock:
    return Lock(of.provision("door"))


@pytest.mark.parametrize("minutes", SLOTS)
@pytest.mark.parametrize("digits", [4, 6, 8])
def test_at_most_two_codes_are_live_at_once(minutes: int, digits: int) -> None:
    profile = vendor(minutes, digits=digits).profile
    require_safe(profile)
    assert family_odds(profile, profile.families[0]).one_in == 10**digits / 2
    assert Layout(profile).size <= 256
    assert profile.lock.tolerance * SECOND == TOLERANCE


@given(st.sampled_from(SLOTS), st.integers(0, 1439), moments)
def test_the_code_of_a_slot_opens_in_all_of_it_and_neither_before_nor_after(minutes: int, rollover: int, at: datetime) -> None:
    of = Issuer(KEYS, vendor(minutes, rollover))
    pin = code_at(of, "door", at, now=NOW)
    assert pin.ends_at == pin.starts_at + minutes * MINUTE
    assert pin.starts_at <= at < pin.ends_at
    assert not pin.notices
    lock = door(of)
    for moment in (pin.starts_at, at, pin.ends_at - SECOND):
        assert lock.enter(pin.code, moment).reason is Reason.OPENED
    assert lock.enter(pin.code, pin.ends_at + TOLERANCE).reason in (Reason.EXPIRED, Reason.UNKNOWN)
    assert door(of).enter(pin.code, pin.starts_at - TOLERANCE - SECOND).reason in (Reason.TOO_EARLY, Reason.UNKNOWN)


def test_the_code_of_one_slot_is_refused_in_the_next_and_in_the_one_before() -> None:
    of = Issuer(KEYS, vendor(240))
    first, second = (code_at(of, "door", START + n * 4 * HOUR, now=NOW) for n in range(2))
    assert first.code != second.code
    lock = door(of)
    assert lock.enter(second.code, START + HOUR).reason is Reason.TOO_EARLY
    assert lock.enter(first.code, START + HOUR).reason is Reason.OPENED
    assert lock.enter(first.code, START + 5 * HOUR).reason is Reason.EXPIRED
    assert lock.enter(second.code, START + 5 * HOUR).reason is Reason.OPENED


@given(st.sampled_from(SLOTS), moments)
def test_everybody_who_asks_within_a_slot_gets_the_same_code(minutes: int, at: datetime) -> None:
    of = Issuer(KEYS, vendor(minutes))
    pin = code_at(of, "door", at, now=NOW)
    for other in (pin.starts_at, pin.starts_at + minutes * MINUTE - SECOND, at):
        assert code_at(of, "door", other, now=NOW) == pin
    with pytest.raises(ExhaustedError):
        of.issue("door", pin.starts_at, pin.ends_at, now=NOW)


@given(st.integers(0, 1439), moments)
def test_a_slot_of_a_day_begins_at_the_rollover_and_one_of_a_week_on_monday_at_it(rollover: int, at: datetime) -> None:
    day = code_at(Issuer(KEYS, vendor(1440, rollover)), "door", at, now=NOW).starts_at
    week = code_at(Issuer(KEYS, vendor(10_080, rollover)), "door", at, now=NOW).starts_at
    for begins in (day, week):
        assert begins.hour * 60 + begins.minute == rollover
    assert week.weekday() == 0


def test_a_request_gets_the_whole_slot_and_may_not_cross_into_the_next() -> None:
    of = Issuer(KEYS, vendor(240))
    pin = of.issue("door", START + HOUR, START + 2 * HOUR, now=NOW)
    assert (pin.starts_at, pin.ends_at) == (START, START + 4 * HOUR)
    with pytest.raises(TooLongError):
        of.issue("door", START + 3 * HOUR, START + 5 * HOUR, now=NOW)


def test_a_present_code_is_ended_by_revoke_and_by_rotate_and_a_past_one_by_clear() -> None:
    of = Issuer(KEYS, vendor(240))
    pin = code_at(of, "door", START, now=NOW)
    for service in (of.revoke(pin), of.rotate("door", now=START + HOUR)):
        lock = door(of)
        assert lock.enter(service.code, START + HOUR).reason is Reason.OPENED
        assert lock.enter(pin.code, START + 2 * HOUR).reason in (Reason.REVOKED, Reason.UNKNOWN)
    lock = door(of)
    assert lock.enter(of.clear("door", now=START + HOUR).code, START + HOUR).reason is Reason.OPENED
    assert lock.enter(pin.code, START + 2 * HOUR).reason is Reason.OPENED
    assert lock.enter(of.clear("door", now=START + 4 * HOUR).code, START + 4 * HOUR).reason is Reason.OPENED
    assert lock.enter(pin.code, START + 4 * HOUR).reason is Reason.REVOKED


@pytest.mark.parametrize("options", [{"minutes": 45}, {"minutes": 0}, {"rollover": 1440}, {"rollover": -1}, {"digits": 3}, {"digits": 9}])
def test_options_that_the_product_does_not_have_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(VendorError, match=f"not {next(iter(options.values()))}$"):
        vendor(**options)
