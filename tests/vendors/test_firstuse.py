"""Codes that end hours after their first use, also after a power cut, and at the end of the showing hours at the latest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from offlinepin_firstuse import vendor

from offlinepin import Issuer, Lock, MasterKey, Reason
from offlinepin.errors import ExhaustedError, TooLongError, VendorError
from offlinepin.lock.door import Door
from offlinepin.lock.layout import Layout
from offlinepin.security import family_odds, require_safe

KEYS = MasterKey.from_bytes(bytes(range(32)))
MINUTE, HOUR, DAY, SECOND = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)
DATE = datetime(2027, 7, 5, tzinfo=UTC)
NOW = DATE - DAY
OPENED, EXPIRED, OUTSIDE = Reason.OPENED, Reason.EXPIRED, Reason.OUTSIDE_HOURS


def issuer(hours: int = 1) -> Issuer:
    return Issuer(KEYS, vendor(hours, time_zone="UTC"))


def box(of: Issuer) -> Lock:
    return Lock(of.provision("box"))


@pytest.mark.parametrize(("digits", "one_in"), [(5, 4167), (6, 41_667), (7, 416_667)])
def test_eight_codes_and_sixteen_remembered_ones_are_live_at_once(digits: int, one_in: int) -> None:
    profile = vendor(digits=digits).profile
    require_safe(profile)
    odds = family_odds(profile, profile.families[0])
    assert (odds.live, odds.remembered, round(odds.one_in)) == (8, 16, one_in)
    assert Layout(profile).size <= 256 + 16 * 16


@given(st.sampled_from([1, 2]), st.integers(8 * 3600, 22 * 3600 - 1), st.booleans())
def test_a_code_ends_its_hours_after_its_first_use_and_survives_power_cuts_until_then(hours: int, used: int, cut: bool) -> None:
    of = issuer(hours)
    pin = of.issue("box", DATE, now=NOW)
    lock = box(of)
    first, close = DATE + used * SECOND, DATE + 22 * HOUR
    assert lock.enter(pin.code, first).reason is OPENED
    if cut:
        lock.cut_power()
    ends = min(first + hours * HOUR, close)
    assert lock.enter(pin.code, ends - SECOND).reason is OPENED
    if cut:
        lock.cut_power()
    assert lock.enter(pin.code, ends).reason is (EXPIRED if ends < close or first + hours * HOUR == close else OUTSIDE)
    assert lock.enter(pin.code, close - SECOND).reason is (EXPIRED if ends < close else OPENED)


def test_later_uses_do_not_move_the_end() -> None:
    of = issuer()
    pin = of.issue("box", DATE, now=NOW)
    lock = box(of)
    for minutes in (0, 20, 40, 59):
        assert lock.enter(pin.code, DATE + 10 * HOUR + minutes * MINUTE).reason is OPENED
    assert lock.enter(pin.code, DATE + 11 * HOUR).reason is EXPIRED


def test_a_code_that_has_ended_stays_ended_when_others_are_used_after_it() -> None:
    of = issuer()
    pins = [of.issue("box", DATE, now=NOW) for _ in range(8)]
    lock = box(of)
    assert lock.enter(pins[0].code, DATE + 10 * HOUR).reason is OPENED
    for n, pin in enumerate(pins[1:], 11):  # one visitor an hour, from eleven o'clock on
        assert lock.enter(pin.code, DATE + n * HOUR).reason is OPENED
        assert lock.enter(pins[0].code, DATE + n * HOUR + MINUTE).reason is EXPIRED


def test_a_code_ends_after_its_hours_in_a_lock_that_keeps_its_state_in_flash() -> None:
    of = issuer(2)
    pin, other = (of.issue("box", DATE, now=NOW) for _ in range(2))
    door = Door(of.provision("box"), DATE)
    assert door.enter(pin.code, DATE + 10 * HOUR).reason is OPENED
    door.power_up(DATE + 11 * HOUR)
    assert door.enter(pin.code, DATE + 12 * HOUR - SECOND).reason is OPENED
    door.power_up(DATE + 12 * HOUR - SECOND)
    assert door.enter(pin.code, DATE + 12 * HOUR).reason is EXPIRED
    assert door.enter(other.code, DATE + 13 * HOUR).reason is OPENED
    door.power_up(DATE + 13 * HOUR)
    assert door.enter(pin.code, DATE + 14 * HOUR).reason is EXPIRED


def test_a_code_is_of_one_date_and_of_the_showing_hours() -> None:
    of = Issuer(KEYS, vendor(showing=(9, 18), time_zone="UTC"))
    pin = of.issue("box", DATE + 12 * HOUR, DATE + 13 * HOUR, now=NOW)
    assert (pin.starts_at, pin.ends_at) == (DATE, DATE + DAY)
    for after, reason in (
        (-DAY + 10 * HOUR, Reason.TOO_EARLY),
        (9 * HOUR - SECOND, OUTSIDE),
        (9 * HOUR, OPENED),
        (18 * HOUR - SECOND, OPENED),
        (18 * HOUR, OUTSIDE),
        (DAY + 9 * HOUR, EXPIRED),
    ):
        assert box(of).enter(pin.code, DATE + after).reason is reason


def test_a_request_over_two_dates_is_refused() -> None:
    with pytest.raises(TooLongError):
        issuer().issue("box", DATE, DATE + 25 * HOUR, now=NOW)


def test_eight_visitors_of_a_day_have_codes_of_their_own_and_a_ninth_has_none() -> None:
    of = issuer()
    codes = [of.issue("box", DATE, now=NOW).code for _ in range(8)]
    assert len(set(codes)) == 8
    with pytest.raises(ExhaustedError):
        of.issue("box", DATE, now=NOW)


@pytest.mark.parametrize("day", ["2027-03-28", "2027-10-31"])
def test_the_date_and_the_hours_are_those_of_the_wall_over_both_changes_of_the_clocks(day: str) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    of = Issuer(KEYS, vendor(time_zone="Europe/Berlin"))
    date = datetime.fromisoformat(day).replace(tzinfo=berlin)
    pin = of.issue("box", date, now=date - DAY)
    assert box(of).enter(pin.code, date.replace(hour=7, minute=59)).reason is OUTSIDE
    assert box(of).enter(pin.code, date.replace(hour=8)).reason is OPENED
    assert box(of).enter(pin.code, date.replace(hour=22)).reason is OUTSIDE


@pytest.mark.parametrize(
    ("options", "says"),
    [({"hours": 3}, "not 3"), ({"digits": 4}, "not 4"), ({"digits": 8}, "not 8"), ({"showing": (20, 2)}, "not from 20 to 2")],
)
def test_options_that_the_products_do_not_have_are_refused(options: dict[str, int], says: str) -> None:
    with pytest.raises(VendorError, match=says):
        vendor(**options)  # type: ignore[arg-type]
