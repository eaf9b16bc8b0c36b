"""What TTLock promises of its fourteen passcode types, from the request to the lock's reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from offlinepin_ttlock import vendor

from offlinepin import Issuer, Lock, MasterKey, Reason, Vendor
from offlinepin.errors import ExhaustedError, InvalidTimeRangeError, TooLongError, UnknownTimeZoneError, VendorError
from offlinepin.lock.layout import Layout
from offlinepin.pin import Rounded
from offlinepin.security import profile_odds, require_safe

KEYS = MasterKey.from_bytes(bytes(range(32)))
HOUR, DAY, SECOND = timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)
MONDAY = datetime(2027, 7, 5, tzinfo=UTC)
NOW = MONDAY - 30 * DAY
OPENED, OUTSIDE = Reason.OPENED, Reason.OUTSIDE_HOURS
WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
CYCLES = {"weekend": {5, 6}, "daily": set(range(7)), "workday": set(range(5)), **{name: {i} for i, name in enumerate(WEEKDAYS)}}


@cache
def product(hours: tuple[int, int] = (8, 18)) -> Vendor:
    return vendor(hours, "UTC")


def issuer(hours: tuple[int, int] = (8, 18)) -> Issuer:
    """An issuer whose ledger is empty. How safe its codes are is tested once, and need not be reckoned for each."""
    return Issuer(KEYS, product(hours), allow_weak=True)


def door(of: Issuer) -> Lock:
    return Lock(of.provision("door"))


def test_there_is_a_kind_for_each_of_the_makers_types_but_erase() -> None:
    kinds = {kind.name for family in vendor().profile.families[:3] for kind in family.kinds}
    assert kinds == {"onetime", "permanent", "period", *CYCLES}
    assert len(kinds) == 14 - 1


def test_codes_have_6_to_9_digits_and_a_guess_is_rarer_than_1_in_2000() -> None:
    profile = vendor().profile
    require_safe(profile)
    assert [family.total_length for family in profile.families[:3]] == [6, 7, 9]
    assert min(odds.one_in for odds in profile_odds(profile)) > 2000
    assert Layout(profile).fixed <= 256


@given(
    st.sampled_from(sorted(CYCLES)),
    st.integers(0, 167),
    st.integers(0, 7 * 86_400 - 1),
    st.sampled_from([(8, 18), (0, 24), (23, 24), (0, 1)]),
)
@settings(max_examples=200)
def test_a_cyclic_code_first_opens_in_its_days_and_hours_and_at_no_other_time(
    kind: str, start: int, after: int, hours: tuple[int, int]
) -> None:
    first, last = hours
    of = issuer(hours)
    begins = MONDAY + start * HOUR
    moment = begins + after * SECOND
    pin = of.issue("door", begins, kind=kind, now=NOW)
    expected = OPENED if moment.weekday() in CYCLES[kind] and first <= moment.hour < last else OUTSIDE
    reason = door(of).enter(pin.code, moment).reason
    # Seven digits are few: a text can have a second reading whose time is over, and its reason then comes first.
    assert reason is expected or (expected is OUTSIDE and reason is Reason.LAPSED)


def test_a_weekend_code_is_refused_on_monday_and_opens_again_at_the_next_weekend() -> None:
    of = issuer()
    pin = of.issue("door", MONDAY + 5 * DAY, kind="weekend", now=NOW)
    lock = door(of)
    noon = MONDAY + 12 * HOUR
    assert lock.enter(pin.code, noon + 4 * DAY).reason is Reason.TOO_EARLY
    for week, days in ((0, (5, 6)), (1, (5, 6)), (60, (6,))):
        for day in days:
            assert lock.enter(pin.code, noon + (7 * week + day) * DAY).reason is OPENED
        assert lock.enter(pin.code, noon + (7 * week + 7) * DAY).reason is OUTSIDE


def test_a_cyclic_code_that_is_not_used_for_a_week_never_opens() -> None:
    of = issuer()
    pin = of.issue("door", MONDAY, kind="daily", now=NOW)
    assert pin.use_by == MONDAY + 7 * DAY
    assert door(of).enter(pin.code, MONDAY + 7 * DAY + 9 * HOUR).reason is Reason.LAPSED


@given(st.sampled_from(["2027-03-29", "2027-07-01", "2027-11-01"]))
def test_the_hours_are_those_of_the_wall_in_summer_and_in_winter(day: str) -> None:
    of = Issuer(KEYS, vendor(time_zone="Europe/Berlin"))
    at = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo("Europe/Berlin"))
    pin = of.issue("door", at, kind="daily", now=MONDAY - 300 * DAY)
    lock = door(of)
    assert [lock.enter(pin.code, at.replace(hour=h, minute=m)).reason for h, m in ((7, 59), (8, 0), (17, 59))] == [OUTSIDE, OPENED, OPENED]
    assert lock.enter(pin.code, at.replace(hour=18)).reason is OUTSIDE


def test_a_one_time_code_holds_6_hours_and_opens_once() -> None:
    of = issuer()
    start = MONDAY + 9 * HOUR
    pin = of.issue("door", start, one_time=True, now=NOW)
    assert (pin.kind, pin.ends_at) == ("onetime", start + 6 * HOUR)
    tolerance = of.profile.lock.tolerance * SECOND
    assert door(of).enter(pin.code, start + 6 * HOUR + tolerance).reason is Reason.EXPIRED
    lock = door(of)
    assert lock.enter(pin.code, start + 6 * HOUR - SECOND).reason is OPENED
    lock.cut_power()
    assert lock.enter(pin.code, start + 6 * HOUR - SECOND).reason is Reason.USED


def test_permanent_and_period_codes_lapse_after_24_hours_unless_they_were_used() -> None:
    of = issuer()
    permanent = of.issue("door", MONDAY, now=NOW)
    period = of.issue("door", MONDAY, MONDAY + 30 * DAY, now=NOW)
    assert (permanent.kind, period.kind) == ("permanent", "period")
    for pin, last in ((permanent, MONDAY + 900 * DAY), (period, MONDAY + 30 * DAY - SECOND)):
        assert pin.use_by == MONDAY + DAY
        assert door(of).enter(pin.code, MONDAY + DAY).reason is Reason.LAPSED
        lock = door(of)
        assert lock.enter(pin.code, MONDAY + DAY - SECOND).reason is OPENED
        lock.cut_power()
        assert lock.enter(pin.code, last).reason is OPENED
    assert lock.enter(period.code, MONDAY + 30 * DAY + HOUR).reason is Reason.EXPIRED


@given(st.integers(1, 8784))
@settings(max_examples=200)
def test_a_period_is_any_number_of_hours_up_to_a_year_or_is_refused_because_it_could_be_mistaken(hours: int) -> None:
    try:
        pin = issuer().issue("door", MONDAY, MONDAY + hours * HOUR, now=NOW)
    except ExhaustedError:
        assert hours > 31 * 24
        return
    assert (pin.kind, pin.duration, pin.starts_at, pin.ends_at) == ("period", hours, MONDAY, MONDAY + hours * HOUR)


def test_fewer_than_one_period_in_50_is_refused_because_it_could_be_mistaken() -> None:
    """Over all lengths alike it is 1 in 200: one code of a year reads as another with 2 · 8784 · 8784 / 10^9, and both must."""
    of, refused = issuer(), 0
    for hours in range(8, 8785, 8):
        try:
            of.issue("door", MONDAY, MONDAY + hours * HOUR, now=NOW)
        except ExhaustedError:
            refused += 1
    assert refused < 1098 / 50


def test_a_period_of_more_than_a_year_is_refused() -> None:
    with pytest.raises(TooLongError, match="8784 hours"):
        issuer().issue("door", MONDAY, MONDAY + 8785 * HOUR, now=NOW)


def test_times_are_whole_hours_rounded_outward() -> None:
    pin = issuer().issue("door", MONDAY + timedelta(hours=19, minutes=20), MONDAY + timedelta(hours=21, minutes=10), now=NOW)
    assert (pin.starts_at, pin.ends_at) == (MONDAY + 19 * HOUR, MONDAY + 22 * HOUR)
    assert [(n.starts_early, n.ends_late) for n in pin.notices if isinstance(n, Rounded)] == [(20 * 60 * SECOND, 50 * 60 * SECOND)]


def test_two_codes_of_a_lock_share_start_and_end_and_no_third() -> None:
    of = issuer()
    assert len({of.issue("door", MONDAY, MONDAY + DAY, now=NOW).code for _ in range(2)}) == 2
    with pytest.raises(ExhaustedError):
        of.issue("door", MONDAY, MONDAY + DAY, now=NOW)
    of.issue("other", MONDAY, MONDAY + DAY, now=NOW)


def test_a_one_time_code_has_no_other_length_than_6_hours() -> None:
    with pytest.raises(InvalidTimeRangeError, match="would end 4 h late"):
        issuer().issue("door", MONDAY, MONDAY + 2 * HOUR, one_time=True, now=NOW)


def test_the_erase_code_kills_every_code_and_later_ones_open() -> None:
    of = issuer()
    start = MONDAY + 9 * HOUR
    kinds = ("onetime", "permanent", "daily", "monday")
    pins = [of.issue("door", start, kind=kind, now=NOW) for kind in kinds] + [of.issue("door", start, start + DAY, now=NOW)]
    used, unused = door(of), door(of)
    for pin in pins[1:]:
        assert used.enter(pin.code, start).reason is OPENED
    erase = of.clear("door", now=start + HOUR)
    later = of.issue("door", start + HOUR, start + 9 * HOUR, now=start + HOUR)
    for lock in (used, unused):
        assert lock.enter(erase.code, start + HOUR).reason is OPENED
        assert lock.enter(later.code, start + HOUR).reason is OPENED
        for n, pin in enumerate(pins):  # ten minutes between them, so that the keypad does not lock
            assert lock.enter(pin.code, start + 2 * HOUR + n * timedelta(minutes=10)).reason is Reason.REVOKED


@pytest.mark.parametrize("hours", [(22, 6), (8, 8), (-1, 8), (8, 25)])
def test_hours_that_are_none_of_one_day_are_refused(hours: tuple[int, int]) -> None:
    with pytest.raises(VendorError, match=f"not from {hours[0]} to {hours[1]}"):
        vendor(hours)


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(UnknownTimeZoneError):
        Issuer(KEYS, vendor(time_zone="Nowhere")).issue("door", MONDAY, now=NOW)
