"""Requests to grants: what is chosen is the nearest that covers, never further off than allowed, and every refusal says what would do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offlinepin.engine.clock import LockClock
from offlinepin.engine.payload import life
from offlinepin.engine.profile import Profile
from offlinepin.errors import (
    AmbiguousTimeError,
    EndBeforeStartError,
    EndInPastError,
    EndRequiredError,
    InvalidTimeRangeError,
    NaiveDatetimeError,
    NonexistentTimeError,
    RequestError,
    TimeOutOfRangeError,
    TooLongError,
    UnknownKindError,
)
from offlinepin.matching import Fit, Request, match, parse_rounding
from offlinepin.vendor import Rounding, Vendor

NOW = datetime(2027, 7, 1, 12, tzinfo=UTC)
HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
CLOCK = LockClock("utc")
BERLIN = ZoneInfo("Europe/Berlin")


def kind(name: str, durations: list[list[int]], **changes: Any) -> dict[str, Any]:
    plain = {"action": "unlock", "variants": 2, "activation": 0, "uses": 0, "linger": 0, "opens": 0, "closes": 0}
    return {"name": name, "durations": durations, **plain, "hours": [0, 86_400], "weekdays": 127, "supersedes": "", **changes}


def family(name: str, prefix: str, kinds: list[dict[str, Any]], slot: int = 3600) -> dict[str, Any]:
    return {"name": name, "prefix": prefix, "length": 8, "slot": slot, "window": 64, "kinds": kinds}


def vendor(families: list[dict[str, Any]], rounding: Rounding | None = None, clock: str = "utc", **changes: Any) -> Vendor:
    lock = {"tolerance": 0, "capacity": 8, "lockout": {"free": 3, "delay": 60, "growth": 2, "cap": 600, "leak": 900}}
    document = {"offlinepin": 1, "name": "p", "alphabet": "0123456789", "clock": clock, "families": families, "lock": lock}
    return Vendor("maker", Profile.parse(document), rounding or Rounding(), **changes)


HOURS = [
    kind("short", [[1, 1, 6], [12, 12, 4]], activation=8),
    kind("long", [[72, 24, 5]], activation=8),
    kind("once", [[4, 0, 1]], uses=1),
    kind("forever", [[0, 0, 1]], activation=8),
]
PLAIN = vendor([family("access", "", HOURS)])
NIGHTS = [kind("stay", [[1, 1, 7]], opens=15 * 3600, closes=11 * 3600)]
DAYS = [kind("day", [[1, 1, 7]], opens=8 * 3600, closes=-6 * 3600)]
LEVELS = vendor(
    [family("Guest", "1", NIGHTS, 86_400), family("Day", "2", DAYS, 86_400), family("Crew", "3", NIGHTS, 86_400)],
    Rounding(usual=HOUR, most=HOUR, nearest=True),
    only_by_level=frozenset({"Crew"}),
)


def ask(start: datetime, end: datetime | None = None, of: Vendor = PLAIN, now: datetime = NOW, **options: Any) -> Fit:
    request = Request(start, end, **options)
    request.check(now)
    return match(of, CLOCK, request, now)


def times(fit: Fit, of: Vendor = PLAIN) -> tuple[datetime, datetime | None]:
    held = life(of.profile, fit.grant)
    return CLOCK.first(held.starts), None if held.ends is None else CLOCK.first(held.ends)


# --- outward ------------------------------------------------------------------------------------------------------

starts = st.integers(0, 10**6).map(lambda m: NOW + m * MINUTE)
lengths = st.integers(1, 200 * 60).map(lambda m: m * MINUTE)


def every_fit(start: datetime, end: datetime) -> list[tuple[str, timedelta]]:
    """By brute force: each kind and duration that covers a request from the last slot before its start, and its excess."""
    slot = start.replace(minute=0)
    found = []
    for k in PLAIN.profile.families[0].kinds:
        for r in () if k.uses else k.ranges:
            for duration in r:
                if duration and slot + duration * HOUR >= end:
                    found.append((k.name, (start - slot) + (slot + duration * HOUR - end)))
    return found


@given(starts, lengths)
@settings(max_examples=150)
def test_a_grant_covers_its_request_and_no_other_would_change_it_less(start: datetime, length: timedelta) -> None:
    possible = every_fit(start, start + length)
    try:
        fit = ask(start, start + length)
    except TooLongError:
        assert not possible
        return
    begins, ends = times(fit)
    assert ends is not None
    assert begins <= start < start + length <= ends
    assert (start - begins, ends - start - length) == (timedelta(seconds=fit.before), timedelta(seconds=fit.after))
    assert timedelta(seconds=fit.excess) == min(excess for _, excess in possible)
    assert fit.grant.variant == 0


@given(starts, lengths, st.integers(0, 30 * 60).map(lambda m: m * MINUTE))
@settings(max_examples=150)
def test_no_end_is_moved_further_than_the_limit(start: datetime, length: timedelta, limit: timedelta) -> None:
    slot = start.replace(minute=0)
    servable = any(start - slot <= limit and excess - (start - slot) <= limit for _, excess in every_fit(start, start + length))
    if not servable:
        with pytest.raises((InvalidTimeRangeError, TooLongError), match="at most"):
            ask(start, start + length, max_time_rounding=limit)
        return
    fit = ask(start, start + length, max_time_rounding=limit)
    begins, ends = times(fit)
    assert ends is not None
    assert begins <= start
    assert ends >= start + length
    assert max(start - begins, ends - start - length) <= limit


def test_a_refusal_for_rounding_names_both_neighbours_and_the_limit() -> None:
    with pytest.raises(InvalidTimeRangeError) as refusal:
        ask(NOW, NOW + 50 * HOUR, max_time_rounding=HOUR)
    assert str(refusal.value) == (
        "no kind of vendor 'maker' fits 2027-07-01T12:00:00+00:00 to 2027-07-03T14:00:00+00:00: short: at most 48 hours (2 d); "
        "long: the next longer 3 d, which would end 22 h late; at most 1 h is allowed; forever: only without an end"
    )
    with pytest.raises(InvalidTimeRangeError, match=r"the next shorter is 1 d and the next longer 1 d 12 h, which would end 6 h late"):
        ask(NOW, NOW + 30 * HOUR, max_time_rounding=HOUR, kind="short")


def test_a_refusal_for_a_start_between_slots_says_how_early_it_would_begin() -> None:
    with pytest.raises(InvalidTimeRangeError, match="it would begin 30 min early; at most 10 min is allowed"):
        ask(NOW + 30 * MINUTE, NOW + HOUR, kind="short", max_time_rounding=10 * MINUTE)


def test_a_refusal_never_offers_one_neighbour_twice() -> None:
    with pytest.raises(InvalidTimeRangeError) as refusal:
        ask(NOW, NOW + 12 * HOUR - 30 * MINUTE, kind="short", max_time_rounding=10 * MINUTE)
    assert "the next shorter is 6 h and the next longer 12 h, which would end 30 min late" in str(refusal.value)


def test_a_negative_rounding_is_refused_by_name() -> None:
    with pytest.raises(RequestError, match=r"-1|negative") as refusal:
        ask(NOW, NOW + HOUR + MINUTE, max_time_rounding=-HOUR)
    assert refusal.value.code == "invalid_request"


# --- without an end, one-time, by kind and level ------------------------------------------------------------------


def test_no_end_takes_the_endless_kind_and_a_one_time_request_the_only_duration() -> None:
    assert ask(NOW).grant.duration == 0
    once = ask(NOW, one_time=True)
    assert (once.grant.kind, once.grant.duration) == (2, 4)
    assert ask(NOW, NOW + 4 * HOUR).grant.kind == 0, "a reusable request gets no one-time kind"
    assert ask(NOW, NOW + 3 * HOUR, kind="once").grant.kind == 2


def test_a_kind_that_needs_an_end_says_which_durations_it_has() -> None:
    with pytest.raises(
        EndRequiredError, match=r"an end is required here: short: it needs an end; its durations in hours are 1 to 6, 12 to 48"
    ):
        ask(NOW, kind="short")


def test_only_a_missing_end_is_answered_by_asking_for_one() -> None:
    """A request without an end whose start is off is refused for its start."""
    levels = vendor([family("M", "9", [kind("m", [[0, 0, 1]], activation=5)], 86_400)], Rounding(HOUR, HOUR, nearest=True))
    with pytest.raises(InvalidTimeRangeError):
        ask(NOW + 2 * HOUR, of=levels)


def test_an_end_for_a_kind_without_ends_is_not_called_too_long() -> None:
    with pytest.raises(InvalidTimeRangeError, match="only without an end"):
        ask(NOW, NOW + HOUR, kind="forever")


def test_a_request_longer_than_every_kind_is_too_long_and_says_the_most() -> None:
    with pytest.raises(TooLongError) as refusal:
        ask(NOW, NOW + 169 * HOUR)
    assert "short: at most 48 hours (2 d); long: at most 168 hours (7 d)" in str(refusal.value)
    assert "2027-07-01T12:00:00+00:00 to 2027-07-08T13:00:00+00:00" in str(refusal.value)


def test_an_unknown_kind_or_level_names_those_there_are() -> None:
    with pytest.raises(UnknownKindError, match=r"no kind 'weekly'; it has short, long, once \(one-time\), forever"):
        ask(NOW, NOW + HOUR, kind="weekly")
    with pytest.raises(UnknownKindError, match=r"'Boss'.*Guest, Day, Crew"):
        ask(NOW, NOW + HOUR, of=LEVELS, level="Boss")
    with pytest.raises(UnknownKindError, match="no kind 'short' that is one-time; it has"):
        ask(NOW, NOW + HOUR, kind="short", one_time=True)


def test_a_level_without_one_time_codes_says_which_levels_have_what() -> None:
    with pytest.raises(UnknownKindError, match="no one-time kind") as refusal:
        ask(NOW, NOW + HOUR, of=LEVELS, one_time=True)
    assert "Guest" in str(refusal.value), "the levels are named, not only their kinds"


def test_a_level_that_serves_by_name_only_serves_no_other_request() -> None:
    start = datetime(2027, 7, 2, 15, tzinfo=UTC)
    end = start + 20 * HOUR
    assert ask(start, end, of=LEVELS).grant.family == 0
    assert ask(start, end, of=LEVELS, level="Crew").grant.family == 2


# --- nearest ------------------------------------------------------------------------------------------------------


@given(st.integers(0, 400), st.integers(-90, 90), st.integers(1, 6), st.integers(-90, 90))
@settings(max_examples=200)
def test_a_level_with_fixed_times_serves_what_is_within_its_limit_and_nothing_else(day: int, early: int, nights: int, late: int) -> None:
    check_in = datetime(2027, 7, 2, 15, tzinfo=UTC) + day * DAY
    check_out = datetime(2027, 7, 2, 11, tzinfo=UTC) + (day + nights) * DAY
    start, end = check_in + early * MINUTE, check_out + late * MINUTE
    if max(abs(early), abs(late)) > 60:
        with pytest.raises(
            InvalidTimeRangeError, match=r"Guest: its times are from 15:00 to 11:00.*Day: its times are from 08:00 to 18:00"
        ):
            ask(start, end, of=LEVELS)
    else:
        fit = ask(start, end, of=LEVELS)
        assert times(fit, LEVELS) == (check_in, check_out)
        assert (fit.before, fit.after) == (early * 60, -late * 60)
        assert fit.excess == 60 * (abs(early) + abs(late))


def test_a_refused_level_says_how_far_off_each_end_is() -> None:
    start = datetime(2027, 7, 2, 13, tzinfo=UTC)
    with pytest.raises(InvalidTimeRangeError) as refusal:
        ask(start, start + 22 * HOUR + 30 * MINUTE, of=LEVELS, level="Guest")
    assert "the start is 2 h off and the end 30 min; at most 1 h is allowed" in str(refusal.value)


def test_a_stay_longer_than_a_level_allows_says_what_it_allows() -> None:
    start = datetime(2027, 7, 2, 15, tzinfo=UTC)
    with pytest.raises(TooLongError, match="at most 7 days"):
        ask(start, start + 8 * DAY - 4 * HOUR, of=LEVELS, level="Guest")


def test_the_shortest_stay_is_taken_where_the_end_is_nearer_than_it() -> None:
    start = datetime(2027, 7, 2, 15, tzinfo=UTC)
    fit = ask(start, start + 19 * HOUR + 30 * MINUTE, of=LEVELS)
    assert (fit.grant.duration, fit.after) == (1, 1800)


# --- a late start -------------------------------------------------------------------------------------------------


def test_a_start_so_long_ago_that_the_code_would_have_lapsed_is_served_from_now_on() -> None:
    fit = ask(NOW - 9 * HOUR, NOW + 3 * HOUR)
    assert times(fit) == (NOW, NOW + 3 * HOUR)
    assert times(ask(NOW - 7 * HOUR, NOW + 5 * HOUR))[0] == NOW - 7 * HOUR, "one that has not lapsed keeps its start"
    assert times(ask(NOW - 300 * DAY)) == (NOW, None)


def test_a_late_start_is_served_from_now_on_by_whichever_kind_fits_the_rest() -> None:
    """84 hours fit ``long`` only, and the 46 that are left fit ``short`` only."""
    fit = ask(NOW - 38 * HOUR, NOW + 46 * HOUR, max_time_rounding=2 * HOUR + 12 * HOUR)
    assert times(fit) == (NOW, NOW + 48 * HOUR)


def test_a_code_that_would_be_over_already_is_refused() -> None:
    """A one-time code of three days ago needs no end to be over."""
    with pytest.raises(EndInPastError):
        ask(NOW - 3 * DAY, one_time=True)
    end = datetime(2027, 7, 2, 11, 50, tzinfo=UTC)
    with pytest.raises(EndInPastError):  # the level's end is 11:00
        ask(datetime(2027, 7, 1, 15, tzinfo=UTC), end, of=LEVELS, now=end - 10 * MINUTE)


# --- requests that are none ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end", "error", "words"),
    [
        (NOW.replace(tzinfo=None), None, NaiveDatetimeError, r"the start 2027-07-01T12:00:00 has no time zone; give one"),
        (NOW, NOW.replace(tzinfo=None), NaiveDatetimeError, r"the end 2027-07-01T12:00:00 has no time zone"),
        (NOW, NOW, EndBeforeStartError, r"the end 2027-07-01T12:00:00\+00:00 must be later than the start 2027-07-01T12:00:00\+00:00"),
        (NOW, NOW - HOUR, EndBeforeStartError, "must be later"),
        (NOW - 2 * HOUR, NOW - HOUR, EndInPastError, r"the end 2027-07-01T11:00:00\+00:00 is over already; it is 2027-07-01T12:00"),
        (NOW - 2 * HOUR, NOW, EndInPastError, "is over already"),
        (datetime(2028, 3, 26, 2, 30, tzinfo=BERLIN), None, NonexistentTimeError, "the start 2028-03-26T02:30:00 does not exist"),
        (NOW, datetime(2028, 3, 26, 2, 30, tzinfo=BERLIN), NonexistentTimeError, "the end 2028-03-26T02:30:00 does not exist"),
        (datetime(2027, 10, 31, 2, 30, tzinfo=BERLIN), None, AmbiguousTimeError, r"T02:30:00\+02:00 or 2027-10-31T02:30:00\+01:00"),
    ],
)
def test_times_that_make_no_request_are_refused(start: datetime, end: datetime | None, error: type[RequestError], words: str) -> None:
    with pytest.raises(error, match=words):
        Request(start, end).check(NOW)


def test_the_second_of_two_equal_local_times_is_later_than_the_first() -> None:
    """02:50 comes first, then the clocks go back, then 02:30."""
    now = datetime(2027, 10, 31, 2, 50, tzinfo=BERLIN)
    Request(now - DAY, datetime(2027, 10, 31, 2, 30, fold=1, tzinfo=BERLIN)).check(now)


def test_a_start_before_1970_on_the_locks_clock_is_refused() -> None:
    with pytest.raises(TimeOutOfRangeError, match="1969-12-31T23:00:00"):
        ask(datetime(1969, 12, 31, 23, tzinfo=UTC), NOW + HOUR)


@pytest.mark.parametrize(("text", "value"), [("1hour", HOUR), ("1h", HOUR), ("1day", DAY), ("1d", DAY)])
def test_a_rounding_is_read_as_access_code_apis_write_it(text: str, value: timedelta) -> None:
    assert parse_rounding(text) == value


@pytest.mark.parametrize("text", ["", "2h", "1H", "hour", "1 h"])
def test_another_rounding_text_is_refused_with_those_there_are(text: str) -> None:
    with pytest.raises(RequestError, match="1hour, 1h, 1day, 1d, not"):
        parse_rounding(text)


@given(st.none() | st.integers(0, 100), st.none() | st.integers(0, 100), st.none() | st.integers(0, 100))
def test_the_most_that_a_vendor_rounds_caps_the_usual_and_the_asked_limit(usual: int | None, most: int | None, asked: int | None) -> None:
    def hours(n: int | None) -> timedelta | None:
        return None if n is None else n * HOUR

    limit = Rounding(hours(usual), hours(most)).limit(hours(asked))
    wanted = usual if asked is None else asked
    assert limit == hours(most if wanted is None else wanted if most is None else min(wanted, most))


# --- a civil clock ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
@given(st.integers(0, 370 * 24 * 4), st.integers(1, 160 * 4))
@settings(max_examples=60, deadline=None)
def test_on_a_civil_clock_every_moment_of_a_request_is_covered(where: str, start: int, length: int) -> None:
    clock = LockClock("civil", ZoneInfo(where))
    civil = replace(PLAIN, profile=vendor([family("access", "", HOURS)], clock="civil").profile)
    begin = NOW + start * 15 * MINUTE
    end = begin + length * 15 * MINUTE
    fit = match(civil, clock, Request(begin, end), NOW)
    held = life(civil.profile, fit.grant)
    assert held.ends is not None
    moment = begin
    while moment < end:
        assert held.starts <= clock.reading(moment) < held.ends
        moment += 15 * MINUTE
