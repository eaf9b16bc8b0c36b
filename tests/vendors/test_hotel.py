"""A hotel's room: the first use of a newer code ends the older ones, whatever their kind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from offlinepin_hotel import vendor

from offlinepin import AccessPin, Issuer, Lock, MasterKey, Reason
from offlinepin.errors import ExhaustedError, InvalidTimeRangeError, StayError, TooLongError, VendorError
from offlinepin.lock.layout import Layout
from offlinepin.security import profile_odds, require_safe

KEYS = MasterKey.from_bytes(bytes(range(32)))
HOUR, DAY, SECOND = timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)
DATE = datetime(2027, 7, 5, tzinfo=UTC)
NOW = DATE - DAY
OPENED, SUPERSEDED = Reason.OPENED, Reason.SUPERSEDED


def issuer() -> Issuer:
    return Issuer(KEYS, vendor(time_zone="UTC"))


def room(of: Issuer) -> Lock:
    return Lock(of.provision("room 12"))


def stay(of: Issuer, first: int, nights: int, **options: AccessPin | None) -> AccessPin:
    """A stay from 15:00 on a day to 11:00."""
    begins = DATE + first * DAY
    return of.issue("room 12", begins + 15 * HOUR, begins + nights * DAY + 11 * HOUR, now=NOW, **options)  # type: ignore[arg-type]


def day_use(of: Issuer, day: int) -> AccessPin:
    return of.issue("room 12", DATE + day * DAY + 9 * HOUR, DATE + day * DAY + 17 * HOUR, now=NOW)


@pytest.mark.parametrize("digits", [6, 7, 8])
def test_a_guess_is_rarer_than_1_in_3000(digits: int) -> None:
    profile = vendor(digits=digits).profile
    require_safe(profile)
    assert profile.families[0].total_length == digits
    assert min(odds.one_in for odds in profile_odds(profile)) > 3000
    assert Layout(profile).fixed <= 256


@given(st.integers(0, 20), st.integers(1, 30), st.integers(1, 20), st.integers(1, 30))
def test_a_newer_code_ends_the_older_one_on_its_first_use_and_not_before(first: int, nights: int, later: int, more: int) -> None:
    of = issuer()
    older, newer = stay(of, first, nights), stay(of, first + later, more)
    lock = room(of)
    arrives = newer.starts_at
    assert lock.enter(older.code, older.starts_at).reason is OPENED
    still = OPENED if older.ends_at is not None and arrives < older.ends_at else Reason.EXPIRED
    assert lock.enter(older.code, arrives).reason in ((still,) if still is OPENED else (still, Reason.UNKNOWN))
    assert lock.enter(newer.code, arrives).reason is OPENED
    lock.cut_power()
    assert lock.enter(older.code, arrives).reason in ((SUPERSEDED,) if still is OPENED else (SUPERSEDED, Reason.UNKNOWN))
    assert lock.enter(newer.code, arrives).reason is OPENED


def test_a_newer_code_ends_older_ones_of_every_kind() -> None:
    of = issuer()
    long, day, next_stay = stay(of, 0, 5), day_use(of, 1), stay(of, 1, 2)
    lock = room(of)
    assert lock.enter(long.code, DATE + 20 * HOUR).reason is OPENED
    assert lock.enter(day.code, DATE + DAY + 9 * HOUR).reason is OPENED
    assert lock.enter(long.code, DATE + DAY + 10 * HOUR).reason is SUPERSEDED
    assert lock.enter(next_stay.code, DATE + DAY + 16 * HOUR).reason is OPENED
    assert lock.enter(day.code, DATE + DAY + 16 * HOUR).reason is SUPERSEDED
    assert lock.enter(long.code, DATE + DAY + 16 * HOUR).reason is SUPERSEDED


def test_an_older_code_never_ends_a_newer_one() -> None:
    of = issuer()
    older, newer = stay(of, 0, 5), stay(of, 1, 5)
    lock = room(of)
    assert lock.enter(newer.code, newer.starts_at).reason is OPENED
    assert lock.enter(older.code, newer.starts_at).reason is SUPERSEDED
    assert lock.enter(newer.code, newer.starts_at).reason is OPENED


def test_a_second_code_for_a_stay_ends_the_first_when_it_was_issued_to() -> None:
    of = issuer()
    lost = stay(of, 0, 3)
    found = stay(of, 0, 3, supersedes=lost)
    extended = stay(of, 0, 6, supersedes=found)
    lock = room(of)
    pins = [lost, found, extended]
    for n, pin in enumerate(pins):
        assert lock.enter(pin.code, pin.starts_at + n * HOUR).reason is OPENED
        assert [lock.enter(p.code, pin.starts_at + n * HOUR).reason for p in pins[:n]] == [SUPERSEDED] * n
    with pytest.raises(ExhaustedError):
        stay(of, 0, 6, supersedes=stay(of, 0, 6, supersedes=extended))
    with pytest.raises(StayError, match="starts later"):
        stay(of, -0, 1, supersedes=stay(of, 1, 1))


def test_a_stay_holds_from_check_in_to_check_out_and_must_be_used_within_a_day() -> None:
    of = issuer()
    tolerance = of.profile.lock.tolerance * SECOND
    pin = stay(of, 0, 3)
    assert pin.use_by == pin.starts_at + DAY
    assert pin.ends_at is not None
    for moment, reason in (
        (pin.starts_at - tolerance - SECOND, Reason.TOO_EARLY),
        (pin.starts_at - tolerance, OPENED),
        (pin.use_by - SECOND, OPENED),
        (pin.use_by, Reason.LAPSED),
    ):
        assert room(of).enter(pin.code, moment).reason is reason
    lock = room(of)
    assert lock.enter(pin.code, pin.starts_at).reason is OPENED
    assert lock.enter(pin.code, pin.ends_at + tolerance - SECOND).reason is OPENED
    assert lock.enter(pin.code, pin.ends_at + tolerance).reason is Reason.EXPIRED


def test_day_use_is_of_one_day_and_its_hours() -> None:
    of = issuer()
    pin = day_use(of, 0)
    assert (pin.kind, pin.starts_at, pin.ends_at) == ("day-use", DATE + 9 * HOUR, DATE + 17 * HOUR)
    assert room(of).enter(pin.code, DATE + 17 * HOUR - SECOND).reason is OPENED
    assert room(of).enter(pin.code, DATE + 18 * HOUR).reason is Reason.EXPIRED


@given(st.integers(-60, 60), st.integers(-60, 60))
def test_times_within_an_hour_get_the_hotels(early: int, late: int) -> None:
    begins, ends = DATE + 15 * HOUR, DATE + 2 * DAY + 11 * HOUR
    pin = issuer().issue("room 12", begins + early * HOUR / 60, ends + late * HOUR / 60, now=NOW)
    assert (pin.kind, pin.starts_at, pin.ends_at) == ("stay", begins, ends)


def test_other_times_and_longer_stays_are_refused() -> None:
    with pytest.raises(InvalidTimeRangeError, match="its times are from 15:00 to 11:00"):
        issuer().issue("room 12", DATE + 13 * HOUR, DATE + DAY + 11 * HOUR, now=NOW)
    with pytest.raises((TooLongError, InvalidTimeRangeError), match="stay"):
        stay(issuer(), 0, 31)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"check_in": 10}, "not 11 and 10"),
        ({"check_in": 24}, "not 11 and 24"),
        ({"day_use": (17, 9)}, "not from 17 to 9"),
        ({"digits": 5}, "not 5"),
    ],
)
def test_options_that_no_hotel_has_are_refused(options: dict[str, int], says: str) -> None:
    with pytest.raises(VendorError, match=says):
        vendor(**options)  # type: ignore[arg-type]
