"""A lock's own clock: drift, temperature steps, being set, being lost, and both clock modes with and without daylight saving rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offlinepin.engine.clock import LockClock
from offlinepin.errors import NaiveDatetimeError
from offlinepin.lock.timekeeping import DoorClock

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2027, 1, 15, 8, tzinfo=UTC)
CLOCKS = {"utc": LockClock("utc"), "berlin": LockClock("civil", BERLIN), "los angeles": LockClock("civil", ZoneInfo("America/Los_Angeles"))}
PPM = st.integers(-500, 500)
SPANS = st.integers(0, 500 * 86_400).map(lambda seconds: timedelta(seconds=seconds))


@pytest.mark.parametrize("name", CLOCKS)
@given(span=SPANS)
def test_a_perfect_clock_shows_what_the_clock_of_its_mode_shows(name: str, span: timedelta) -> None:
    clock = DoorClock(CLOCKS[name], START)
    assert clock.reading(START + span) == CLOCKS[name].reading(START + span)


@given(PPM, SPANS)
def test_a_clock_drifts_by_its_parts_per_million(ppm: int, span: timedelta) -> None:
    clock = DoorClock(CLOCKS["utc"], START, drift_ppm=ppm)
    shown = clock.reading(START + span)
    assert shown is not None
    off = shown - CLOCKS["utc"].reading(START + span)
    assert abs(off - span.total_seconds() * ppm / 1e6) <= 1


def test_twenty_parts_per_million_are_about_five_minutes_in_half_a_year() -> None:
    clock = DoorClock(CLOCKS["utc"], START, drift_ppm=-20)
    half_a_year = START + timedelta(days=180)
    assert clock.reading(half_a_year) == CLOCKS["utc"].reading(half_a_year) - 312  # 180 · 86,400 · 20 / 1,000,000 = 311.04 s, cut off


@given(st.lists(st.tuples(st.integers(-300, 300), st.integers(0, 90)), max_size=12))
def test_temperature_steps_add_up(steps: list[tuple[int, int]]) -> None:
    clock = DoorClock(CLOCKS["utc"], START)
    at, off = START, 0.0
    for ppm, days in steps:
        clock.drift(ppm, at)
        at += timedelta(days=days)
        off += days * 86_400 * ppm / 1e6
        shown = clock.reading(at)
        assert shown is not None
        assert abs(shown - CLOCKS["utc"].reading(at) - off) <= 1


@given(PPM, SPANS, st.integers(-86_400, 86_400))
def test_a_clock_set_back_or_ahead_by_hand_is_off_by_that(ppm: int, span: timedelta, by: int) -> None:
    clock, twin = (DoorClock(CLOCKS["utc"], START, drift_ppm=ppm) for _ in range(2))
    at = START + span
    before = twin.reading(at)
    clock.shift(timedelta(seconds=by), at)
    assert before is not None
    assert clock.reading(at) == before + by
    clock.correct(at)
    assert clock.reading(at) == CLOCKS["utc"].reading(at)


@given(PPM, SPANS)
def test_a_lost_clock_shows_nothing_until_it_is_set(ppm: int, span: timedelta) -> None:
    clock = DoorClock(CLOCKS["utc"], START, drift_ppm=ppm)
    clock.lose()
    assert clock.reading(START + span) is None
    clock.correct(START + span)
    assert clock.reading(START + span) == CLOCKS["utc"].reading(START + span)
    clock.lose()
    clock.set_reading(1_234_567, START + span)
    assert clock.reading(START + span) == 1_234_567


def test_a_temperature_step_does_not_bring_back_a_lost_clock() -> None:
    clock = DoorClock(CLOCKS["utc"], START)
    clock.lose()
    clock.drift(30, START + timedelta(days=1))
    assert clock.reading(START + timedelta(days=2)) is None


def test_moving_a_lost_clock_by_some_minutes_does_not_bring_it_back() -> None:
    """Whoever moves it does not say what it should show."""
    clock = DoorClock(CLOCKS["utc"], START)
    clock.lose()
    clock.shift(timedelta(minutes=5), START + timedelta(days=1))
    assert clock.reading(START + timedelta(days=2)) is None


@pytest.mark.parametrize("name", CLOCKS)
@given(span=SPANS, seconds=st.integers(1_000_000_000, 4_000_000_000), ppm=PPM)
def test_a_clock_set_to_a_reading_shows_it(name: str, span: timedelta, seconds: int, ppm: int) -> None:
    """A reading that daylight saving skips is the hour after it."""
    clock = DoorClock(CLOCKS[name], START, drift_ppm=ppm)
    at = START + span
    clock.set_reading(seconds, at)
    shown = clock.reading(at)
    assert shown is not None
    assert shown == seconds or (name != "utc" and 0 < shown - seconds <= 3600)
    assert shown == seconds or CLOCKS[name].reading(CLOCKS[name].first(seconds)) == shown


@given(SPANS, st.integers(0, 10_000_000))
def test_a_clock_set_by_a_code_goes_on_from_there(span: timedelta, later: int) -> None:
    clock = DoorClock(CLOCKS["utc"], START)
    at = START + span
    clock.set_reading(2_000_000_000, at)
    assert clock.reading(at + timedelta(seconds=later)) == 2_000_000_000 + later


SPRING = datetime(2027, 3, 28, 1, tzinfo=UTC)  # 02:00 becomes 03:00 in Berlin
AUTUMN = datetime(2027, 10, 31, 1, tzinfo=UTC)  # 03:00 becomes 02:00


def wall(clock: DoorClock, at: datetime) -> datetime:
    """What is on the lock's display."""
    shown = clock.reading(at)
    assert shown is not None
    return datetime.fromtimestamp(shown, UTC).replace(tzinfo=None)


@pytest.mark.parametrize("change", [SPRING, AUTUMN])
def test_a_civil_clock_with_rules_changes_with_its_zone(change: datetime) -> None:
    clock = DoorClock(CLOCKS["berlin"], START)
    for at in (change - timedelta(seconds=1), change, change + timedelta(hours=5)):
        assert wall(clock, at) == at.astimezone(BERLIN).replace(tzinfo=None)


def test_a_civil_clock_without_rules_keeps_the_offset_it_was_set_with() -> None:
    clock = DoorClock(CLOCKS["berlin"], START, follows_dst=False)
    for at in (SPRING - timedelta(seconds=1), SPRING, AUTUMN - timedelta(days=60), AUTUMN):
        assert wall(clock, at) == (at + timedelta(hours=1)).replace(tzinfo=None)
    summer = SPRING + timedelta(days=90)
    clock.correct(summer)  # a visit sets it by the wrist-watch
    for at in (summer, AUTUMN, AUTUMN + timedelta(days=60)):
        assert wall(clock, at) == (at + timedelta(hours=2)).replace(tzinfo=None)


def test_a_clock_without_rules_set_by_a_code_takes_the_offset_of_that_reading() -> None:
    clock = DoorClock(CLOCKS["berlin"], START, follows_dst=False)
    summer = datetime(2027, 7, 1, 10, tzinfo=UTC)
    clock.set_reading(CLOCKS["berlin"].reading(summer), summer)
    assert wall(clock, summer) == datetime(2027, 7, 1, 12)  # noqa: DTZ001 - the lock's display
    winter = datetime(2027, 12, 1, 10, tzinfo=UTC)
    assert wall(clock, winter) == datetime(2027, 12, 1, 12)  # noqa: DTZ001 - the lock's display


def test_neither_a_temperature_step_nor_a_shift_teaches_a_clock_the_rules_of_its_zone() -> None:
    summer = datetime(2027, 7, 1, 10, tzinfo=UTC)
    for by in (timedelta(), timedelta(minutes=3)):
        clock = DoorClock(CLOCKS["berlin"], START, follows_dst=False)
        before = wall(clock, summer)
        if by:
            clock.shift(by, summer)
        else:
            clock.drift(5, summer)
        assert wall(clock, summer) == before + by


@given(st.integers(-7200, 7200), PPM)
def test_a_civil_clock_drifts_across_a_change_of_its_zone(around: int, ppm: int) -> None:
    clock = DoorClock(CLOCKS["berlin"], SPRING - timedelta(days=100), drift_ppm=ppm)
    at = SPRING + timedelta(seconds=around)
    believed = at + timedelta(seconds=(at - (SPRING - timedelta(days=100))).total_seconds() * ppm / 1e6)
    shown, meant = clock.reading(at), CLOCKS["berlin"].reading(believed)
    assert shown is not None
    assert abs(shown - meant) <= 1 or abs(shown - meant) in (3599, 3600, 3601)


def test_a_moment_without_a_zone_is_refused() -> None:
    clock = DoorClock(CLOCKS["utc"], START)
    naive = START.replace(tzinfo=None)
    for use in (clock.reading, clock.correct, lambda at: clock.set_reading(5, at), lambda at: DoorClock(CLOCKS["utc"], at)):
        with pytest.raises(NaiveDatetimeError, match="the moment"):
            use(naive)


def test_any_zone_may_name_the_moment() -> None:
    clock = DoorClock(CLOCKS["utc"], START.astimezone(BERLIN), drift_ppm=100)
    at = SPRING + timedelta(days=3)
    assert clock.reading(at) == clock.reading(at.astimezone(BERLIN)) == clock.reading(at.astimezone(ZoneInfo("Asia/Kolkata")))


@pytest.mark.parametrize("follows_dst", [True, False])
def test_a_clock_that_is_written_down_and_resumed_shows_the_same(follows_dst: bool) -> None:
    civil = LockClock("civil", ZoneInfo("Europe/Berlin"))
    winter, summer = datetime(2027, 1, 10, tzinfo=UTC), datetime(2027, 7, 10, tzinfo=UTC)
    clock = DoorClock(civil, winter, drift_ppm=20, follows_dst=follows_dst)
    clock.drift(5, summer)
    again = DoorClock.resume(civil, clock.setting)
    assert again.setting == clock.setting
    for moment in (summer, summer + timedelta(days=200)):
        assert again.reading(moment) == clock.reading(moment)
    clock.lose()
    assert DoorClock.resume(civil, clock.setting).reading(summer) is None
