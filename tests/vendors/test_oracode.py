"""Oracode-style doors: times of day, levels and how requests match them, prefixes and zones, and stays with the lock's own reasons."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from offlinepin_oracode import DEFAULT_LEVELS, Stay, Stays, TimeOfDay, UserLevel, vendor
from pydantic import ValidationError

from offlinepin import AccessPin, Issuer, Lock, MasterKey, MemoryLedger, Reason
from offlinepin.errors import (
    ExhaustedError,
    FamilyOverlapError,
    InvalidTimeRangeError,
    LevelError,
    NaiveDatetimeError,
    OfflinepinError,
    StayError,
    TimeZoneRequiredError,
    TooLongError,
    UnknownKindError,
)
from offlinepin.pin import Rounded

KEYS = MasterKey.from_bytes(bytes(range(32)))
BERLIN = ZoneInfo("Europe/Berlin")
HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
NOW = datetime(2027, 7, 1, 12, tzinfo=BERLIN)
START, END = datetime(2027, 7, 2, 15, tzinfo=BERLIN), datetime(2027, 7, 5, 11, tzinfo=BERLIN)
HERE: dict[str, Any] = {"time_zone": "Europe/Berlin", "now": NOW}


def level(name: str = "Guest", prefix: str = "1", check_in: str = "15:00:00", check_out: str = "11:00:00", **flags: Any) -> UserLevel:
    return UserLevel(id=name.lower(), name=name, prefix=prefix, check_in_time=check_in, check_out_time=check_out, **flags)


@pytest.fixture
def issuer() -> Issuer:
    return Issuer(KEYS, "oracode")


@pytest.fixture
def stays(issuer: Issuer) -> Stays:
    return Stays(issuer, site_name="Hotel")


@pytest.fixture
def lock(issuer: Issuer) -> Lock:
    return Lock(issuer.provision("door", time_zone="Europe/Berlin"))


def issue(issuer: Issuer, start: datetime = START, end: datetime | None = END, **options: Any) -> AccessPin:
    return issuer.issue("door", start, end, **{**HERE, **options})


# --- times of day -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "at", "zone"),
    [
        ("07:00:00", time(7), None),
        ("07:30", time(7, 30), None),
        ("23:59:59", time(23, 59, 59), None),
        ("07:00:00[America/Los_Angeles]", time(7), "America/Los_Angeles"),
        ("07:00:00Z", time(7), "UTC"),
        ("07:00:00-08:00", time(7), "-08:00"),
        ("07:00:00-08:00[America/Los_Angeles]", time(7), "America/Los_Angeles"),
        ("07:00:00-07:00[America/Los_Angeles]", time(7), "America/Los_Angeles"),
        ("07:00:00Z[Europe/London]", time(7), "Europe/London"),
        ("07:00:00[UTC]", time(7), "UTC"),
    ],
)
def test_a_time_of_day_is_read_in_every_form(text: str, at: time, zone: str | None) -> None:
    found = TimeOfDay.parse(text)
    assert (found.at, found.zone) == (at, zone)
    assert found.seconds == at.hour * 3600 + at.minute * 60 + at.second


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7:00:00",
        "24:00:00",
        "07:60:00",
        "07:00:61",
        "07:00:00 ",
        "07:00:00\n",
        "07:00:00[]",
        "07:00:00[Mars/Base]",
        "07:00:00[America/Los_Angeles",
        "07:00:00+99:00",
        "07:00:00+02:00[America/Los_Angeles]",
        "07:00:00Z[America/Los_Angeles]",
        "07:00:00[America/Los_Angeles]-08:00",
        "2027-07-01T07:00:00",
        "０７:00:00",
        "seven",
    ],
)
def test_another_text_is_refused_with_what_it_was(text: str) -> None:
    with pytest.raises(LevelError) as refusal:
        TimeOfDay.parse(text)
    assert repr(text) in str(refusal.value)
    assert refusal.value.code == "invalid_level"
    with pytest.raises(LevelError):
        level(check_in=text)


@given(st.times().map(lambda t: t.replace(microsecond=0)), st.sampled_from(["", "Z", "+05:30", "[Asia/Tokyo]", "+09:00[Asia/Tokyo]"]))
def test_a_time_of_day_keeps_its_seconds(at: time, tail: str) -> None:
    assert TimeOfDay.parse(at.isoformat() + tail).at == at


# --- setting levels up --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("digits", [8, 9])
def test_a_code_has_8_or_9_digits_its_prefix_included(digits: int) -> None:
    prefix = "1" * (digits - 7)
    issuer = Issuer(KEYS, vendor([level(prefix=prefix)], digits))
    pin = issue(issuer)
    assert (len(pin.code), pin.code[: digits - 7]) == (digits, prefix)
    lock = Lock(issuer.provision("door", time_zone="Europe/Berlin"))
    assert lock.enter(pin.code, START).opened


def test_levels_that_make_no_sense_are_refused() -> None:
    for digits in (7, 10):
        with pytest.raises(LevelError, match=f"8 or 9 digits, prefix included, not {digits}"):
            vendor(digits=digits)
    with pytest.raises(LevelError, match="at least one user level"):
        vendor([])
    with pytest.raises(LevelError, match=r"'Crew' opens in its hours only, so 15:00:00 must be before 11:00:00"):
        vendor([level("Crew", is_in_hours_only=True)])
    with pytest.raises(OfflinepinError, match="'Guest' is used twice"):
        vendor([level(), level(prefix="2")])


@pytest.mark.parametrize(("one", "other"), [("1", "1"), ("1", "12"), ("123", "1")])
def test_a_prefix_must_not_claim_another_levels_codes(one: str, other: str) -> None:
    with pytest.raises(FamilyOverlapError, match=f"'B' .prefix '{other}', .* could claim the same typed text as 'A' .prefix '{one}'"):
        vendor([level("A", one), level("B", other)])


@pytest.mark.parametrize(
    "changes", [{"prefix": ""}, {"prefix": "12345"}, {"prefix": "1a"}, {"prefix": "１"}, {"prefix": "1\n"}, {"overrides": 0}]
)
def test_a_level_of_the_wrong_shape_is_refused_by_member(changes: dict[str, Any]) -> None:
    with pytest.raises((ValidationError, LevelError), match=next(iter(changes))):
        UserLevel(**{"id": "g", "name": "G", "prefix": "1", **changes})


def test_a_level_name_that_no_profile_can_hold_is_refused_as_a_level() -> None:
    with pytest.raises(LevelError, match="Gäste"):
        vendor([level("Gäste")])


def test_levels_that_name_two_zones_are_refused_and_one_zone_is_the_doors() -> None:
    here, there = "15:00:00[Europe/Berlin]", "11:00:00[Asia/Tokyo]"
    with pytest.raises(LevelError, match="share its zone, but they name Asia/Tokyo, Europe/Berlin"):
        vendor([level(check_in=here, check_out=there)])
    made = vendor([level(check_in=here), level("B", "2", check_out=here)])
    assert made.time_zone == "Europe/Berlin"
    issuer = Issuer(KEYS, made)
    assert issuer.issue("door", START, END, now=NOW).starts_at == START
    assert issuer.provision("door").time_zone == "Europe/Berlin"


def test_a_door_without_a_zone_asks_for_it(issuer: Issuer) -> None:
    with pytest.raises(TimeZoneRequiredError, match="such as Europe/Berlin"):
        issuer.issue("door", START, END, now=NOW)


# --- matching -----------------------------------------------------------------------------------------------------


@given(st.integers(0, 300), st.integers(1, 31), st.integers(-60, 60), st.integers(-60, 60))
@settings(max_examples=60, deadline=None)
def test_a_request_within_an_hour_gets_the_levels_times_and_is_told_the_difference(day: int, nights: int, early: int, late: int) -> None:
    check_in, check_out = (t.replace(tzinfo=UTC) + day * DAY for t in (START, START + nights * DAY - 4 * HOUR))
    issuer = Issuer(KEYS, "oracode")
    start, end = check_in + early * MINUTE, check_out + late * MINUTE
    pin = issuer.issue("door", start, end, level="Guest", time_zone="UTC", now=NOW)
    assert (pin.starts_at, pin.ends_at) == (check_in, check_out)
    told = [(n.starts_early, n.ends_late) for n in pin.notices if isinstance(n, Rounded)]
    assert told == ([(early * MINUTE, -late * MINUTE)] if early or late else [])
    assert pin.code.startswith("1")


def test_a_request_that_no_level_fits_is_told_each_level_and_how_far_off_it_is(issuer: Issuer) -> None:
    with pytest.raises(InvalidTimeRangeError) as refusal:
        issue(issuer, START - 2 * HOUR, END)
    message = str(refusal.value)
    assert "Guest: its times are from 15:00 to 11:00, the start is 2 h off and the end 0 s; at most 1 h is allowed" in message
    assert "Guest 24 h: it would begin 13 h early" in message
    assert "Long stay: its times are from 15:00 to 11:00" in message
    assert "Staff" not in message
    assert refusal.value.code == "invalid_time_range"


def test_a_24_hour_level_rounds_to_whole_days_where_a_day_is_allowed(issuer: Issuer) -> None:
    start, end = START + 3 * HOUR, END + 3 * HOUR
    pin = issue(issuer, start, end, max_time_rounding="1d")
    assert pin.family == "Guest 24 h"
    assert (pin.starts_at, pin.ends_at) == (datetime(2027, 7, 2, tzinfo=BERLIN), datetime(2027, 7, 6, tzinfo=BERLIN))
    with pytest.raises(InvalidTimeRangeError):
        issue(issuer, start, end)


def test_a_day_of_rounding_widens_no_level_with_fixed_times(issuer: Issuer) -> None:
    with pytest.raises(InvalidTimeRangeError, match="at most 1 h is allowed"):
        issue(issuer, START - 2 * HOUR, END, level="Guest", max_time_rounding="1d")


def test_a_day_level_begins_and_ends_on_one_day() -> None:
    issuer = Issuer(KEYS, vendor([level("Day", "1", "08:00:00", "18:00:00")]))
    start = datetime(2027, 7, 2, 8, tzinfo=BERLIN)
    pin = issue(issuer, start + 30 * MINUTE, start + 10 * HOUR)
    assert (pin.starts_at, pin.ends_at, pin.duration) == (start, start + 10 * HOUR, 1)
    assert issue(issuer, start, start + 34 * HOUR).duration == 2


def test_a_biweekly_level_goes_in_steps_of_two_weeks_up_to_62(issuer: Issuer) -> None:
    for weeks in (2, 4, 62):
        pin = issue(issuer, START, datetime.combine((START + weeks * 7 * DAY).date(), time(11), BERLIN), level="Long stay")
        assert pin.duration == weeks * 7
    with pytest.raises(InvalidTimeRangeError, match="the end 7 d"):
        issue(issuer, START, START + 21 * DAY - 4 * HOUR, level="Long stay")


def test_a_stay_that_is_too_long_for_every_level_is_called_so(issuer: Issuer) -> None:
    with pytest.raises(TooLongError, match="31"):
        issue(issuer, START, START + 32 * DAY - 4 * HOUR, level="Guest")


def test_a_one_shot_code_opens_once(issuer: Issuer, lock: Lock) -> None:
    pin = issue(issuer, START, START + 2 * HOUR, one_time=True, max_time_rounding="1d")
    assert (pin.family, pin.kind, pin.one_time) == ("One-shot", "one-shot", True)
    assert [lock.enter(pin.code, START).reason for _ in range(2)] == [Reason.OPENED, Reason.USED]


def test_naming_a_one_shot_level_for_a_reusable_code_says_what_to_ask_for(issuer: Issuer) -> None:
    with pytest.raises(UnknownKindError, match=r"one-shot .one-time."):
        issue(issuer, START, END, level="One-shot", max_time_rounding="1d")


def test_a_master_code_needs_its_level_and_has_no_end(issuer: Issuer, lock: Lock) -> None:
    midnight = datetime(2027, 7, 2, tzinfo=BERLIN)
    pin = issue(issuer, midnight, None, level="Master")
    assert (pin.ends_at, pin.use_by) == (None, midnight + 14 * DAY)
    with pytest.raises(OfflinepinError):
        issue(issuer, midnight, None)
    assert lock.enter(pin.code, midnight + 14 * DAY - MINUTE).opened
    assert lock.enter(pin.code, midnight + 3000 * DAY).opened
    assert Lock(issuer.provision("door", time_zone="Europe/Berlin")).enter(pin.code, midnight + 14 * DAY).reason is not Reason.OPENED


def test_a_master_code_can_be_asked_for_at_any_time_of_day(issuer: Issuer) -> None:
    pin = issue(issuer, START, None, level="Master", max_time_rounding="1d")
    assert pin.starts_at <= START
    assert pin.ends_at is None


@pytest.mark.parametrize(("name", "opens", "closes"), [("Staff", 7, 19), ("Maintenance", 9, 17)])
def test_a_staff_code_needs_its_level_and_opens_in_its_hours_only(issuer: Issuer, lock: Lock, name: str, opens: int, closes: int) -> None:
    first = datetime(2027, 7, 2, tzinfo=BERLIN)
    start, end = first + opens * HOUR, first + 2 * DAY + closes * HOUR
    assert issue(issuer, start, end, max_time_rounding="1d").family == "Guest 24 h"
    pin = issue(issuer, start, end, level=name, max_time_rounding="1d")
    for day in range(3):
        for hour in range(24):
            reason = lock.enter(pin.code, first + day * DAY + hour * HOUR).reason
            inside = opens <= hour < closes
            assert (reason is Reason.OPENED) == inside
            assert inside or reason in (Reason.OUTSIDE_HOURS, Reason.TOO_EARLY, Reason.EXPIRED)


@pytest.mark.parametrize(("name", "opens", "closes"), [("Staff", 7, 19), ("Maintenance", 9, 17)])
def test_a_staff_request_at_the_levels_own_times_fits_without_rounding(issuer: Issuer, name: str, opens: int, closes: int) -> None:
    """vendors.md: each end of the request within one hour of the level's time."""
    start, end = (datetime(2027, 7, day, hour, tzinfo=BERLIN) for day, hour in ((2, opens), (3, closes)))
    assert issue(issuer, start, end, level=name).family == name


# --- stays --------------------------------------------------------------------------------------------------------


def changes(stays: Stays, stay: Stay) -> list[Callable[[], Stay]]:
    """Every change that a later code makes."""
    return [lambda: stays.override(stay, **HERE), lambda: stays.cancel(stay, **HERE), lambda: stays.extend(stay, END + DAY, **HERE)]


def test_a_stay_has_one_id_through_all_its_codes_and_it_comes_back_with_the_request_id(stays: Stays) -> None:
    first = stays.open("door", START, END, request_id="booking 1", **HERE)
    again = stays.open("door", START, END, request_id="booking 1", **HERE)
    other = stays.open("door", START, END, request_id="booking 2", **HERE)
    assert (again.stay_id, again.pin) == (first.stay_id, first.pin)
    assert other.stay_id != first.stay_id
    assert 0 <= first.stay_id < 2**31
    changed = stays.override(first, **HERE)
    assert changed.stay_id == stays.extend(changed, END + DAY, **HERE).stay_id == first.stay_id
    assert Stays(Issuer(KEYS, "oracode")).open("door", START, END, **HERE).stay_id == first.stay_id


def test_a_stay_shows_its_metadata(stays: Stays) -> None:
    shown = stays.open("door", START, END, **HERE).metadata
    assert (shown.user_level_id, shown.user_level_name, shown.site_name) == ("guest", "Guest", "Hotel")
    assert shown.is_cancellable
    assert shown.is_extendable
    assert shown.is_early_checkin_able
    assert shown.is_overridable
    once = stays.open("door", START, START + HOUR, one_time=True, max_time_rounding="1d", **HERE).metadata
    assert not once.is_extendable
    assert not once.is_early_checkin_able


@pytest.mark.parametrize("used", [False, True])
def test_an_override_ends_the_code_before_it_on_first_use_and_not_sooner(stays: Stays, lock: Lock, used: bool) -> None:
    stay = stays.open("door", START, END, **HERE)
    new = stays.override(stay, **HERE)
    assert (new.pin.starts_at, new.pin.ends_at, new.pin.variant) == (START, END, 1)
    assert lock.enter(new.pin.code, START - DAY).reason is Reason.TOO_EARLY
    if used:
        assert lock.enter(stay.pin.code, START).reason is Reason.OPENED
    assert lock.enter(new.pin.code, START + HOUR).reason is Reason.OPENED
    assert lock.enter(stay.pin.code, START + HOUR).reason is Reason.SUPERSEDED
    assert lock.enter(new.pin.code, END - MINUTE).reason is Reason.OPENED


def test_a_stay_can_be_overridden_until_its_last_variant_is_spent(stays: Stays) -> None:
    stay = stays.open("door", START, END, **HERE)
    for variant in (1, 2, 3):
        assert stay.is_overridable
        stay = stays.override(stay, **HERE)
        assert stay.pin.variant == variant
    assert not stay.is_overridable
    assert not stay.metadata.is_cancellable
    for change in changes(stays, stay):
        with pytest.raises(StayError, match=rf"stay {stay.stay_id} .level 'Guest'. cannot be .*its last override is spent"):
            change()


def test_an_extension_ends_later_and_supersedes(stays: Stays, lock: Lock) -> None:
    stay = stays.open("door", START, END, **HERE)
    lock.enter(stay.pin.code, START)
    longer = stays.extend(stay, END + 2 * DAY, **HERE)
    assert (longer.pin.starts_at, longer.pin.ends_at, longer.pin.variant) == (START, END + 2 * DAY, 1)
    assert lock.enter(longer.pin.code, END + DAY).reason is Reason.OPENED
    assert lock.enter(stay.pin.code, END + DAY).reason is Reason.SUPERSEDED
    for end in (longer.pin.ends_at, END):
        assert end is not None
        with pytest.raises(StayError, match="extended to a time after its end 2027-07-07T11:00"):
            stays.extend(longer, end, **HERE)
    with pytest.raises((InvalidTimeRangeError, TooLongError)):
        stays.extend(longer, END + 40 * DAY, **HERE)


def test_an_early_check_in_is_a_code_from_the_levels_time_on_an_earlier_day(stays: Stays, lock: Lock) -> None:
    stay = stays.open("door", START, END, **HERE)
    early = stays.early_check_in(stay, START - 5 * HOUR, **HERE)
    assert (early.pin.starts_at, early.pin.ends_at) == (START - DAY, END)
    assert stays.early_check_in(stay, START - DAY, **HERE).pin.starts_at == START - DAY
    assert lock.enter(stay.pin.code, START - 5 * HOUR).reason is Reason.TOO_EARLY
    assert lock.enter(early.pin.code, START - 5 * HOUR).reason is Reason.OPENED
    assert lock.enter(early.pin.code, START + HOUR).reason is Reason.OPENED
    with pytest.raises(StayError, match="an early check-in is before 2027-07-02T15:00"):
        stays.early_check_in(stay, START, **HERE)


def test_an_early_check_in_of_one_day_is_one_day_also_over_a_clock_change(stays: Stays) -> None:
    start = datetime(2027, 10, 31, 15, tzinfo=BERLIN)
    stay = stays.open("door", start, datetime(2027, 11, 3, 11, tzinfo=BERLIN), **HERE)
    eve = datetime(2027, 10, 30, 15, tzinfo=BERLIN)
    for asked in (eve, eve.astimezone(UTC)):
        assert stays.early_check_in(stay, asked, **HERE).pin.starts_at == eve


def test_a_level_without_the_privilege_has_no_early_check_in(issuer: Issuer) -> None:
    stays = Stays(issuer)
    stay = stays.open("door", datetime(2027, 7, 2, tzinfo=BERLIN), datetime(2027, 7, 5, tzinfo=BERLIN), level="Guest 24 h", **HERE)
    with pytest.raises(StayError, match="its level does not allow it"):
        stays.early_check_in(stay, datetime(2027, 7, 1, 14, tzinfo=BERLIN), **HERE)


@pytest.mark.parametrize("used", [False, True])
def test_cancelling_ends_the_stays_codes_at_the_door(stays: Stays, lock: Lock, used: bool) -> None:
    stay = stays.open("door", START, END, **HERE)
    if used:
        lock.enter(stay.pin.code, START)
    over = stays.cancel(stay, **HERE)
    assert over.is_cancelled
    assert lock.enter(over.pin.code, START + HOUR).reason is Reason.OPENED
    assert lock.enter(stay.pin.code, START + HOUR).reason is Reason.SUPERSEDED
    shown = over.metadata
    assert not any((shown.is_cancellable, shown.is_extendable, shown.is_early_checkin_able, shown.is_overridable))
    for change in changes(stays, over):
        with pytest.raises(StayError, match="it is cancelled"):
            change()


def test_a_naive_time_is_refused_by_every_change_of_a_stay(stays: Stays) -> None:
    stay = stays.open("door", START, END, **HERE)
    with pytest.raises(NaiveDatetimeError):
        stays.extend(stay, (END + DAY).replace(tzinfo=None), **HERE)
    with pytest.raises(NaiveDatetimeError):
        stays.early_check_in(stay, (START - DAY).replace(tzinfo=None), **HERE)


def test_a_stay_that_begins_in_the_repeated_hour_can_be_overridden(stays: Stays) -> None:
    """In the Azores the clocks go back from 01:00 to 00:00, so that a 24-hour level's midnight comes twice."""
    azores = ZoneInfo("Atlantic/Azores")
    here: dict[str, Any] = {"time_zone": "Atlantic/Azores", "now": NOW, "level": "Guest 24 h"}
    begin, end = datetime(2027, 10, 31, 0, tzinfo=azores, fold=1), datetime(2027, 11, 2, tzinfo=azores)
    stay = stays.open("door", begin, end, **here)
    del here["level"]
    new = stays.override(stay, **here)
    assert (new.pin.start_slot, new.pin.duration, new.pin.variant) == (stay.pin.start_slot, stay.pin.duration, 1)


def test_a_request_id_makes_a_change_of_a_stay_idempotent(stays: Stays) -> None:
    stay = stays.open("door", START, END, **HERE)
    first = stays.override(stay, request_id="o", **HERE)
    assert stays.override(stay, request_id="o", **HERE).pin == first.pin


def test_stays_know_every_level_that_their_door_can_give() -> None:
    ledger = MemoryLedger()
    issuer = Issuer(KEYS, "oracode", ledger)
    with pytest.raises(LevelError, match="no level Suite"):
        Stays(issuer, [*DEFAULT_LEVELS, level("Suite", "8")])
    midnight = datetime(2027, 7, 2, tzinfo=BERLIN)
    with pytest.raises(LevelError):  # at the latest when a stay would fall to a level that the stays do not know
        Stays(issuer, DEFAULT_LEVELS[:1]).open("door", midnight, midnight + DAY, level="Guest 24 h", **HERE)


def test_an_override_whose_variants_other_stays_took_is_exhausted_and_never_a_repeat(stays: Stays) -> None:
    made: list[Stay] = [stays.open("door", START, END, level="Guest", **HERE) for _ in range(4)]
    assert made[0].is_overridable
    with pytest.raises((ExhaustedError, StayError)):
        stays.override(made[0], **HERE)
    assert len({stay.pin.code for stay in made}) == 4
