"""What NetCode promises: whole hours or whole days, 15 minutes of grace, a clock that knows no daylight saving, and blocked codes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from offlinepin_netcode import vendor

from offlinepin import Issuer, Lock, MasterKey, Reason
from offlinepin.errors import InvalidTimeRangeError, RequestError, TooLongError, UnknownTimeZoneError, VendorError
from offlinepin.lock.layout import Layout
from offlinepin.pin import ClockChange
from offlinepin.security import profile_odds, require_safe

KEYS = MasterKey.from_bytes(bytes(range(32)))
HOUR, DAY, SECOND, GRACE = timedelta(hours=1), timedelta(days=1), timedelta(seconds=1), timedelta(minutes=15)
MIDNIGHT = datetime(2027, 7, 5, tzinfo=UTC)
NOW = MIDNIGHT - DAY


def issuer(**options: bool) -> Issuer:
    return Issuer(KEYS, vendor("+00:00", **options))


def door(of: Issuer) -> Lock:
    return Lock(of.provision("door"))


def test_codes_have_7_digits_and_a_guess_is_rarer_than_1_in_3000() -> None:
    for block_previous in (False, True):
        profile = vendor(block_previous=block_previous).profile
        require_safe(profile)
        assert [family.total_length for family in profile.families[:2]] == [7, 7]
        assert min(odds.one_in for odds in profile_odds(profile)) > 3000
        assert Layout(profile).fixed <= 256


@given(st.integers(0, 23), st.integers(1, 12), st.booleans())
def test_an_hour_code_starts_on_the_hour_and_holds_with_15_minutes_of_grace(start: int, hours: int, once: bool) -> None:
    of = issuer()
    begins, ends = MIDNIGHT + start * HOUR, MIDNIGHT + (start + hours) * HOUR
    pin = of.issue("door", begins, ends, one_time=once, now=NOW)
    assert (pin.family, pin.code[0], pin.starts_at, pin.ends_at) == ("hours", "1", begins, ends)
    for moment in (begins - GRACE, begins, ends - SECOND, ends + GRACE - SECOND):
        assert door(of).enter(pin.code, moment).reason is Reason.OPENED
    assert door(of).enter(pin.code, begins - GRACE - SECOND).reason in (Reason.TOO_EARLY, Reason.UNKNOWN)
    assert door(of).enter(pin.code, ends + GRACE).reason in (Reason.EXPIRED, Reason.UNKNOWN)
    lock = door(of)
    assert [lock.enter(pin.code, begins).reason for _ in range(2)] == [Reason.OPENED, Reason.USED if once else Reason.OPENED]


@given(st.integers(1, 7), st.booleans())
def test_a_day_code_starts_at_midnight_and_holds_whole_days(days: int, once: bool) -> None:
    of = issuer()
    ends = MIDNIGHT + days * DAY
    pin = of.issue("door", MIDNIGHT, ends, one_time=once, now=NOW)
    assert (pin.family, pin.code[0], pin.starts_at, pin.ends_at) == ("days", "2", MIDNIGHT, ends)
    assert door(of).enter(pin.code, ends + GRACE - SECOND).reason is Reason.OPENED
    assert door(of).enter(pin.code, ends + GRACE).reason is Reason.EXPIRED
    lock = door(of)
    assert [lock.enter(pin.code, MIDNIGHT).reason for _ in range(2)] == [Reason.OPENED, Reason.USED if once else Reason.OPENED]


def test_between_12_hours_and_a_day_nothing_fits_unless_a_day_of_rounding_is_allowed() -> None:
    start = MIDNIGHT + 10 * HOUR
    with pytest.raises(InvalidTimeRangeError, match=r"hours: at most 12 hours.*days: .* at most 1 h is allowed"):
        issuer().issue("door", start, start + 13 * HOUR, now=NOW)
    pin = issuer().issue("door", start, start + 13 * HOUR, max_time_rounding="1d", now=NOW)
    assert (pin.starts_at, pin.ends_at) == (MIDNIGHT, MIDNIGHT + DAY)


def test_more_than_seven_days_are_refused() -> None:
    with pytest.raises(TooLongError, match="7 days"):
        issuer().issue("door", MIDNIGHT, MIDNIGHT + 8 * DAY, now=NOW)
    with pytest.raises(RequestError):
        issuer().issue("door", MIDNIGHT, now=NOW)


def test_the_locks_clock_keeps_its_offset_through_the_summer() -> None:
    of = Issuer(KEYS, vendor("+01:00"))
    berlin = ZoneInfo("Europe/Berlin")
    day = datetime(2027, 3, 28, 1, tzinfo=berlin)  # the clocks on the wall go forward at 02:00, the lock's do not
    pin = of.issue("door", day, day.astimezone(UTC) + 5 * HOUR, now=day - DAY)
    assert not any(isinstance(notice, ClockChange) for notice in pin.notices)
    assert pin.duration == 5
    lock = door(of)
    assert lock.enter(pin.code, day.replace(hour=6, minute=59)).reason is Reason.OPENED
    summer = datetime(2027, 7, 5, 1, tzinfo=berlin)
    pin = of.issue("door", summer, summer + 2 * DAY, now=NOW - DAY)  # the lock's midnight is one o'clock on the wall
    assert (pin.family, pin.starts_at, pin.ends_at) == ("days", summer, summer + 2 * DAY)


@pytest.mark.parametrize("name", ["Europe/Berlin", "America/New_York"])
def test_a_zone_with_daylight_saving_is_refused(name: str) -> None:
    with pytest.raises(VendorError, match=f"fixed offset such as .*, not '{name}'"):
        vendor(name)


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(UnknownTimeZoneError):
        vendor("+1")


def test_where_the_previous_code_is_blocked_a_newer_one_ends_it_on_its_first_use() -> None:
    of, plain = issuer(block_previous=True), issuer()
    times = [(MIDNIGHT, MIDNIGHT + 2 * DAY), (MIDNIGHT + HOUR, MIDNIGHT + 9 * HOUR)]
    older, newer = (of.issue("door", *t, now=NOW) for t in times)
    lock = door(of)
    assert lock.enter(older.code, MIDNIGHT + HOUR).reason is Reason.OPENED
    assert lock.enter(newer.code, MIDNIGHT + HOUR).reason is Reason.OPENED
    lock.cut_power()
    assert lock.enter(older.code, MIDNIGHT + 2 * HOUR).reason is Reason.SUPERSEDED
    assert lock.enter(newer.code, MIDNIGHT + 2 * HOUR).reason is Reason.OPENED
    free = door(plain)
    codes = [plain.issue("door", *t, now=NOW).code for t in times]
    assert [free.enter(code, MIDNIGHT + 2 * HOUR).reason for code in (*codes, codes[0])] == [Reason.OPENED] * 3
