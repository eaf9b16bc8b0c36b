"""What Tuya promises of its offline passwords, from the request to the lock's reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from offlinepin_tuya import vendor

from offlinepin import Issuer, Lock, MasterKey, Reason, Vendor
from offlinepin.errors import ExhaustedError, InvalidTimeRangeError, TooLongError
from offlinepin.lock.layout import Layout
from offlinepin.security import profile_odds, require_safe

KEYS = MasterKey.from_bytes(bytes(range(32)))
MINUTE, HOUR, DAY, SECOND = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)
START = datetime(2027, 7, 5, 9, tzinfo=UTC)
NOW = START - DAY
TOLERANCE = MINUTE


@cache
def product() -> Vendor:
    return vendor()


def issuer() -> Issuer:
    """An issuer whose ledger is empty. How safe its codes are is tested once, and need not be reckoned for each."""
    return Issuer(KEYS, product(), allow_weak=True)


def door(of: Issuer) -> Lock:
    return Lock(of.provision("door"))


def test_codes_have_10_digits_and_6_and_a_guess_is_rarer_than_1_in_3000() -> None:
    profile = vendor().profile
    require_safe(profile)
    assert [family.total_length for family in profile.families[:2]] == [10, 6]
    assert min(odds.one_in for odds in profile_odds(profile)) > 3000
    assert Layout(profile).fixed <= 256
    assert profile.lock.tolerance * SECOND == TOLERANCE


@given(st.integers(0, 10**6))
def test_a_dynamic_password_opens_for_its_five_minutes_any_number_of_times_and_not_beyond(second: int) -> None:
    of = issuer()
    asked = START + second * SECOND
    pin = of.issue("door", asked, level="dynamic", now=asked)
    assert pin.ends_at == pin.starts_at + 5 * MINUTE
    assert pin.starts_at <= asked < pin.ends_at
    lock = door(of)
    for moment in (pin.starts_at, asked, asked, pin.ends_at - SECOND):
        assert lock.enter(pin.code, moment).reason is Reason.OPENED
    assert lock.enter(pin.code, pin.ends_at + TOLERANCE).reason in (Reason.EXPIRED, Reason.UNKNOWN)
    assert door(of).enter(pin.code, pin.starts_at - TOLERANCE - SECOND).reason in (Reason.TOO_EARLY, Reason.UNKNOWN)


def test_the_dynamic_password_is_refused_in_the_next_five_minutes_and_everybody_gets_the_same() -> None:
    of = issuer()
    codes = {of.issue("door", START, level="dynamic", request_id="09:00", now=START).code for _ in range(3)}
    assert len(codes) == 1
    assert door(of).enter(codes.pop(), START + 5 * MINUTE + TOLERANCE).reason is Reason.EXPIRED


def test_a_dynamic_password_is_served_only_where_it_is_asked_for() -> None:
    pin = issuer().issue("door", START, START + 5 * MINUTE, now=NOW)
    assert (pin.kind, pin.ends_at) == ("period", START + HOUR)


def test_a_period_password_lapses_after_24_hours_unless_it_was_used() -> None:
    of = issuer()
    pin = of.issue("door", START, START + 30 * DAY, now=NOW)
    assert pin.use_by == START + DAY
    assert door(of).enter(pin.code, START + DAY).reason is Reason.LAPSED
    lock = door(of)
    assert lock.enter(pin.code, START + DAY - SECOND).reason is Reason.OPENED
    lock.cut_power()
    assert lock.enter(pin.code, START + 30 * DAY - SECOND).reason is Reason.OPENED
    assert lock.enter(pin.code, START + 30 * DAY + TOLERANCE).reason is Reason.EXPIRED


def test_a_one_time_password_holds_6_hours_and_opens_once() -> None:
    of = issuer()
    pin = of.issue("door", START + 10 * MINUTE, one_time=True, now=NOW)
    assert (pin.starts_at, pin.ends_at) == (START, START + 6 * HOUR)
    assert door(of).enter(pin.code, START + 6 * HOUR + TOLERANCE).reason is Reason.EXPIRED
    lock = door(of)
    assert [lock.enter(pin.code, START + 5 * HOUR).reason for _ in range(2)] == [Reason.OPENED, Reason.USED]


@pytest.mark.parametrize(("end", "one_time"), [(None, True), (START + 3 * HOUR, False)])
def test_there_are_10_passwords_of_a_kind_for_one_hour_and_no_eleventh(end: datetime | None, one_time: bool) -> None:
    of = issuer()
    lock = door(of)
    codes = [of.issue("door", START, end, one_time=one_time, now=NOW).code for _ in range(10)]
    assert len(set(codes)) == 10
    assert {lock.enter(code, START).reason for code in codes} == {Reason.OPENED}
    with pytest.raises(ExhaustedError, match="all 10 variants"):
        of.issue("door", START, end, one_time=one_time, now=NOW)
    of.issue("door", START + HOUR, end, one_time=one_time, now=NOW)


def test_clear_one_ends_one_password_and_no_other() -> None:
    of = issuer()
    gone, kept = (of.issue("door", START, START + 30 * DAY, now=NOW) for _ in range(2))
    lock = door(of)
    assert lock.enter(gone.code, START).reason is Reason.OPENED
    assert lock.enter(kept.code, START).reason is Reason.OPENED
    assert lock.enter(of.revoke(gone).code, START + 20 * DAY).reason is Reason.OPENED
    assert lock.enter(gone.code, START + 20 * DAY).reason is Reason.REVOKED
    assert lock.enter(kept.code, START + 20 * DAY).reason is Reason.OPENED


def test_clear_one_ends_a_dynamic_password_too() -> None:
    of = issuer()
    pin = of.issue("door", START, level="dynamic", now=START)
    lock = door(of)
    assert lock.enter(of.revoke(pin).code, START).reason is Reason.OPENED
    assert lock.enter(pin.code, START).reason is Reason.REVOKED


def test_clear_all_ends_every_password_and_can_be_typed_for_24_hours() -> None:
    of = issuer()
    pins = [of.issue("door", START, START + 30 * DAY, now=NOW), of.issue("door", START, one_time=True, now=NOW)]
    at = START + HOUR + 30 * MINUTE
    clear = of.clear("door", now=at)
    assert (clear.starts_at, clear.ends_at) == (START + HOUR, START + 26 * HOUR)  # 24 hours from anywhere in its slot
    assert door(of).enter(clear.code, START + 26 * HOUR + TOLERANCE).reason is Reason.EXPIRED
    lock = door(of)
    assert lock.enter(clear.code, at).reason is Reason.OPENED
    assert {lock.enter(pin.code, at).reason for pin in pins} == {Reason.REVOKED}


def test_what_no_kind_holds_is_refused() -> None:
    with pytest.raises(TooLongError):
        issuer().issue("door", START, START + 367 * DAY, now=NOW)
    with pytest.raises(InvalidTimeRangeError):
        issuer().issue("door", START, START + HOUR, one_time=True, now=NOW)
