# ruff: noqa: DTZ001 - wall times without a zone are what this is about
"""A lock's clock against the zones' own rules: what it shows, when it shows it, and what no caller can mean."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offlinepin.engine.clock import Change, LockClock, check_aware, check_moment, length_in_words, local, zone
from offlinepin.errors import (
    AmbiguousTimeError,
    NaiveDatetimeError,
    NonexistentTimeError,
    TimeOutOfRangeError,
    TimeZoneRequiredError,
    UnknownTimeZoneError,
)

ZONES = [
    "UTC",
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "America/Santiago",
    "America/St_Johns",
    "Australia/Lord_Howe",  # half an hour
    "Asia/Kathmandu",
    "Africa/Casablanca",  # back for Ramadan
    "Pacific/Apia",  # skipped a whole day
    "Antarctica/Troll",  # two hours
    "+05:45",
    "-11:00",
]
# around changes: Berlin, New York, Lord Howe, Santiago, Casablanca in 2026 and 2027, Apia's lost day in 2011
NEAR = [
    datetime(2026, 3, 29, 1),
    datetime(2026, 10, 25, 1),
    datetime(2026, 3, 8, 7),
    datetime(2026, 11, 1, 6),
    datetime(2026, 4, 4, 15),
    datetime(2026, 10, 3, 15, 30),
    datetime(2026, 4, 5, 3),
    datetime(2026, 9, 6, 4),
    datetime(2026, 2, 15, 2),
    datetime(2026, 3, 22, 2),
    datetime(2011, 12, 30, 10),
]
EPOCH = datetime(1970, 1, 1)
SECOND = timedelta(seconds=1)

clocks = st.sampled_from(ZONES).map(lambda name: LockClock("civil", zone(name)))
moments = (
    st.builds(lambda near, off: near + timedelta(seconds=off), st.sampled_from(NEAR), st.integers(-100_000, 100_000))
    | st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1))
).map(lambda m: m.replace(microsecond=0, tzinfo=UTC))


def _shown(clock: LockClock, moment: datetime) -> int:
    """What a wall clock shows, by the zone's own conversion."""
    return (moment.astimezone(clock.where).replace(tzinfo=None, microsecond=0) - EPOCH) // SECOND


# --- what it shows ------------------------------------------------------------------------------------------------


@given(clocks, moments, st.integers(0, 999_999))
def test_a_civil_clock_shows_the_wall_time_and_a_utc_clock_the_time_since_1970(clock: LockClock, moment: datetime, micro: int) -> None:
    moment = moment.replace(microsecond=micro)
    assert clock.reading(moment) == _shown(clock, moment)
    for where in (None, clock.where):
        assert LockClock("utc", where).reading(moment.astimezone(clock.where)) == int(moment.replace(microsecond=0).timestamp())


def test_a_civil_clock_needs_its_zone() -> None:
    with pytest.raises(TimeZoneRequiredError):
        LockClock("civil")


@given(clocks, moments)
def test_first_is_the_earliest_moment_that_shows_so_much(clock: LockClock, moment: datetime) -> None:
    seconds = clock.reading(moment)
    first = clock.first(seconds).astimezone(UTC)
    assert first <= moment
    assert clock.reading(first) >= seconds
    assert clock.reading(first - SECOND) < seconds
    for hours in range(1, 30):
        assert clock.reading(first - timedelta(hours=hours)) < seconds


@given(clocks, moments)
def test_last_is_when_the_clock_has_passed_a_reading_for_good(clock: LockClock, moment: datetime) -> None:
    seconds = clock.reading(moment)
    last = clock.last(seconds).astimezone(UTC)
    assert clock.reading(last - SECOND) < seconds
    for ahead in [timedelta(minutes=m) for m in range(0, 30 * 60, 10)]:
        assert clock.reading(last + ahead) >= seconds


@given(clocks, moments, st.integers(-100_000, 100_000))
def test_readings_that_are_never_shown_have_their_moments_too(clock: LockClock, moment: datetime, off: int) -> None:
    seconds = clock.reading(moment) + off
    assert clock.first(seconds).utcoffset() == clock.first(seconds).astimezone(UTC).astimezone(clock.where).utcoffset()
    first, last = (of(seconds).astimezone(UTC) for of in (clock.first, clock.last))
    assert first <= last
    assert clock.reading(first - SECOND) < seconds <= clock.reading(first)
    assert clock.reading(last - SECOND) < seconds <= clock.reading(last)


def _s(text: str) -> int:
    return (datetime.fromisoformat(text) - EPOCH) // SECOND


@pytest.mark.parametrize(
    ("where", "shown", "first", "last"),
    [
        ("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:00", "2026-03-29T01:00"),  # skipped: the jump
        ("Europe/Berlin", "2026-03-29T02:00", "2026-03-29T01:00", "2026-03-29T01:00"),
        ("Europe/Berlin", "2026-03-29T03:00", "2026-03-29T01:00", "2026-03-29T01:00"),
        ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30", "2026-10-25T01:30"),  # twice
        ("Europe/Berlin", "2026-10-25T02:00", "2026-10-25T00:00", "2026-10-25T00:00"),  # never below it again
        ("Europe/Berlin", "2026-10-25T03:00", "2026-10-25T02:00", "2026-10-25T02:00"),
        ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30", "2026-10-03T15:30"),
        ("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45", "2026-04-04T15:15"),
        ("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00", "2011-12-30T10:00"),
        ("Asia/Kathmandu", "2026-07-01T00:00", "2026-06-30T18:15", "2026-06-30T18:15"),
    ],
)
def test_moments_of_readings_at_changes(where: str, shown: str, first: str, last: str) -> None:
    clock = LockClock("civil", zone(where))
    assert clock.first(_s(shown)).astimezone(UTC).replace(tzinfo=None) == datetime.fromisoformat(first)
    assert clock.last(_s(shown)).astimezone(UTC).replace(tzinfo=None) == datetime.fromisoformat(last)
    assert clock.first(_s(shown)).tzinfo is clock.where


# --- spans --------------------------------------------------------------------------------------------------------


@given(clocks, moments, st.integers(1, 200_000), st.integers(0, 999_999))
@settings(max_examples=200)
def test_a_span_covers_every_moment_and_is_the_smallest_that_does(clock: LockClock, start: datetime, seconds: int, micro: int) -> None:
    end = start + timedelta(seconds=seconds, microseconds=micro)
    low, high = clock.span(start, end)
    whole = [start + timedelta(seconds=s) for s in range(0, seconds + 1, 60)]
    edges = [m for change in clock.changes(start, end) for m in (change.at - SECOND, change.at) if start <= m < end]
    shown = [clock.reading(m) for m in (*whole, *edges, end - timedelta(microseconds=1)) if m < end]
    assert (low, high) == (min(shown), max(shown) + 1)
    assert clock.span(start, None) == (clock.reading(start), None)


@pytest.mark.parametrize(
    ("start", "end", "low", "high"),
    [
        ("2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T02:30", "2026-10-25T03:00"),  # up to the change: what it shows then is over
        ("2026-10-25T00:30", "2026-10-25T01:01", "2026-10-25T02:00", "2026-10-25T03:00"),
        ("2026-10-25T01:00", "2026-10-25T01:30", "2026-10-25T02:00", "2026-10-25T02:30"),
        ("2026-03-29T00:30", "2026-03-29T01:00", "2026-03-29T01:30", "2026-03-29T02:00"),
        ("2026-03-29T00:30", "2026-03-29T01:01", "2026-03-29T01:30", "2026-03-29T03:01"),
    ],
)
def test_spans_up_to_and_over_a_change_in_berlin(start: str, end: str, low: str, high: str) -> None:
    clock = LockClock("civil", zone("Europe/Berlin"))
    at, until = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (start, end))
    assert clock.span(at, until) == (_s(low), _s(high))


@given(moments, st.integers(1, 10**9), st.integers(0, 999_999))
def test_a_utc_span_is_its_ends(start: datetime, seconds: int, micro: int) -> None:
    clock = LockClock("utc", zone("Europe/Berlin"))
    end = start + timedelta(seconds=seconds, microseconds=micro)
    assert clock.span(start, end) == (int(start.timestamp()), int(start.timestamp()) + seconds + bool(micro))


# --- changes ------------------------------------------------------------------------------------------------------


@given(st.sampled_from(ZONES), st.sampled_from(NEAR), st.integers(0, 40_000))
@settings(max_examples=10)
def test_changes_are_those_that_a_scan_minute_by_minute_finds(name: str, near: datetime, minutes: int) -> None:
    clock = LockClock("civil", zone(name))
    start = near.replace(tzinfo=UTC) - timedelta(minutes=minutes)
    end = start + timedelta(days=31)
    found = []
    for before, after in pairwise(start + timedelta(minutes=m) for m in range(31 * 1440 + 1)):
        old, new = (m.astimezone(clock.where).utcoffset() for m in (before, after))
        if old != new:
            assert old is not None
            assert new is not None
            found.append(Change(after, _shown(clock, after) - (new - old) // SECOND, _shown(clock, after)))
    assert clock.changes(start, end) == found


def test_summer_times_of_a_single_week_are_found_wherever_one_begins_to_look() -> None:
    """Boa Vista put its clocks forward on 8 October 2000 and back on the 15th: the shortest pause in the zones since 1970."""
    clock = LockClock("civil", zone("America/Boa_Vista"))
    for hours in range(24 * 8):
        start = datetime(2000, 9, 30, tzinfo=UTC) + timedelta(hours=hours)
        assert [c.after - c.before for c in clock.changes(start, start + timedelta(days=30))] == [3600, -3600]


@pytest.mark.parametrize("where", [None, UTC, timezone(timedelta(hours=2))])
def test_a_clock_without_rules_never_changes(where: tzinfo | None) -> None:
    assert LockClock("utc", where).changes(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)) == []


# --- what callers can mean ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "wall", "says"),
    [
        ("Europe/Berlin", "2026-03-29T02:00:00", "does not exist in Europe/Berlin: the clocks go forward by 1:00:00"),
        ("Europe/Berlin", "2026-03-29T02:59:59", "does not exist"),
        ("Australia/Lord_Howe", "2026-10-04T02:15:00", "forward by 0:30:00"),
        ("Pacific/Apia", "2011-12-30T12:00:00", "does not exist"),
    ],
)
def test_a_local_time_that_is_skipped_is_refused_with_either_fold(where: str, wall: str, says: str) -> None:
    for fold in (0, 1):
        moment = datetime.fromisoformat(wall).replace(tzinfo=zone(where), fold=fold)
        with pytest.raises(NonexistentTimeError, match=re.escape(says)) as caught:
            check_moment(moment, "the start")
        assert wall in str(caught.value)


@pytest.mark.parametrize(
    ("where", "wall", "either"),
    [
        ("Europe/Berlin", "2026-10-25T02:30:00", "2026-10-25T02:30:00+02:00 or 2026-10-25T02:30:00+01:00"),
        ("America/New_York", "2026-11-01T01:00:00", "2026-11-01T01:00:00-04:00 or 2026-11-01T01:00:00-05:00"),
        ("Australia/Lord_Howe", "2026-04-05T01:45:00", "2026-04-05T01:45:00+11:00 or 2026-04-05T01:45:00+10:30"),
    ],
)
def test_a_local_time_that_happens_twice_is_refused_unless_the_second_is_meant(where: str, wall: str, either: str) -> None:
    moment = datetime.fromisoformat(wall).replace(tzinfo=zone(where))
    with pytest.raises(AmbiguousTimeError, match=re.escape(either)):
        check_moment(moment, "the end")
    second = moment.replace(fold=1)
    assert check_moment(second, "the end") is second
    for text in either.split(" or "):  # what the message proposes is accepted
        assert check_moment(datetime.fromisoformat(text), "the end").isoformat() == text


@given(clocks, moments)
def test_a_moment_is_accepted_unless_its_wall_time_is_skipped_or_the_first_of_two(clock: LockClock, moment: datetime) -> None:
    there = moment.astimezone(clock.where)
    again = there.replace(fold=1 - there.fold)
    if again.astimezone(UTC) == moment or there.fold == 1:
        assert check_moment(there, "x") is there
    else:
        with pytest.raises(AmbiguousTimeError):
            check_moment(there, "x")
    assert check_moment(moment, "x") is moment


def test_a_naive_datetime_is_refused_and_its_remedy_named() -> None:
    for check in (check_aware, check_moment):
        with pytest.raises(
            NaiveDatetimeError, match=re.escape("the start 2026-07-01T15:00:00 has no time zone; give one, as in 2026-07-01T15:00:00+00:00")
        ):
            check(datetime(2026, 7, 1, 15), "the start")


def test_a_day_and_a_time_make_a_moment_unless_it_never_comes() -> None:
    berlin = zone("Europe/Berlin")
    assert local(date(2026, 7, 1), time(15), berlin, "the start").isoformat() == "2026-07-01T15:00:00+02:00"
    with pytest.raises(NonexistentTimeError):
        local(date(2026, 3, 29), time(2, 30), berlin, "the start")
    with pytest.raises(AmbiguousTimeError):
        local(date(2026, 10, 25), time(2, 30), berlin, "the start")
    assert local(date(2026, 10, 25), time(2, 30, fold=1), berlin, "the end").utcoffset() == timedelta(hours=1)


@pytest.mark.parametrize(
    ("name", "offset"),
    [("UTC", 0), ("Z", 0), ("+02:00", 7200), ("-0330", -12_600), ("+00:00", 0), ("-23:59", -86_340), ("Asia/Kathmandu", 20_700)],
)
def test_a_zone_is_an_iana_name_utc_or_an_offset(name: str, offset: int) -> None:
    assert datetime(2026, 7, 1, tzinfo=zone(name)).utcoffset() == timedelta(seconds=offset)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Europe",
        "Mars/Olympus",
        "../etc/passwd",
        "/etc/passwd",
        "+24:00",
        "+2",
        "+02:60",
        "02:00",
        "Europe/Berlin\0",
        "é",
        "\ud800",
        "x" * 5000,
    ],
)
def test_any_other_zone_is_unknown(name: str) -> None:
    with pytest.raises(UnknownTimeZoneError, match="IANA name"):
        zone(name)


# --- the ends of time ---------------------------------------------------------------------------------------------


def test_times_beyond_the_year_9999_have_no_moment() -> None:
    for clock in (LockClock("utc"), LockClock("utc", zone("Asia/Kathmandu")), LockClock("civil", zone("America/New_York"))):
        for seconds in (253_402_300_800, 2**60, 2**200):
            for of in (clock.first, clock.last):
                with pytest.raises(TimeOutOfRangeError, match=str(seconds)):
                    of(seconds)


@pytest.mark.parametrize("where", ["Europe/Berlin", "America/New_York", "Pacific/Apia", "+14:00", "UTC"])
def test_the_last_moment_of_all_is_read_or_refused_as_out_of_range(where: str) -> None:
    clock = LockClock("civil", zone(where))
    start = datetime(9999, 7, 1, tzinfo=UTC)
    for tz in (UTC, zone("America/New_York"), zone("Asia/Kathmandu")):
        end = datetime.max.replace(tzinfo=tz)
        for read in (clock.reading, partial(clock.span, start), partial(clock.changes, start)):
            with suppress(TimeOutOfRangeError):
                read(end)


def test_moments_before_1970_read_as_negative() -> None:
    moment = datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert LockClock("utc").reading(moment) == -1
    assert LockClock("civil", zone("+01:00")).reading(moment) == 3599
    assert LockClock("utc").first(-1) == moment


@given(st.integers(0, 10**9))
def test_a_length_in_words_adds_up_and_uses_the_largest_units(seconds: int) -> None:
    parts = [part.split(" ") for part in re.findall(r"\d+ [a-z]+", length_in_words(seconds))]
    sizes = {"d": 86_400, "h": 3600, "min": 60, "s": 1}
    assert sum(int(count) * sizes[unit] for count, unit in parts) == seconds
    assert all(int(count) * sizes[unit] < 10**9 + 1 and (unit == "d" or int(count) < (24 if unit == "h" else 60)) for count, unit in parts)
    assert length_in_words(93_784) == "1 d 2 h 3 min 4 s"
    assert length_in_words(0) == "0 s"


@pytest.mark.parametrize("microseconds", [0, 1, 999_999, 1_000_000, 1_000_001, 1_999_999])
def test_a_change_just_before_the_end_is_found_and_looked_for_no_longer(microseconds: int) -> None:
    change = datetime(2027, 3, 28, 1, tzinfo=UTC)
    clock = LockClock("civil", zone("Europe/Berlin"))
    end = change + timedelta(microseconds=microseconds)
    low, high = clock.span(change - timedelta(hours=9), end)
    last = clock.reading(end - timedelta(microseconds=1))
    assert (low, high) == (clock.reading(change - timedelta(hours=9)), last + 1)
