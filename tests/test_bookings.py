"""Calendars as platforms export them: what is a stay, what is none, and that a broken entry costs no other."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar as Document
from icalendar import Event

from offlinepin import bookings
from offlinepin.errors import CalendarError, UnknownTimeZoneError

BERLIN = ZoneInfo("Europe/Berlin")
EXAMPLE = Path(__file__).parents[1] / "examples" / "bookings.ics"

AIRBNB = r"""
SUMMARY:Reserved
DESCRIPTION:Reservation URL: https://www.airbnb.com/hosting/reservations/de
 tails/HMABCDEFGH\nPhone Number (Last 4 Digits): 1234
"""


def calendar(*entries: str) -> bytes:
    """A calendar of entries that are given without their frame; line ends as RFC 5545 wants them."""
    body = "".join(f"BEGIN:VEVENT\n{entry.strip(chr(10))}\nEND:VEVENT\n" for entry in entries)
    return f"BEGIN:VCALENDAR\nVERSION:2.0\n{body}END:VCALENDAR\n".replace("\n", "\r\n").encode()


def entry(*lines: str, uid: str = "a", start: str = ";VALUE=DATE:20270701", end: str | None = ";VALUE=DATE:20270703") -> str:
    return "\n".join([f"UID:{uid}", f"DTSTART{start}", *([f"DTEND{end}"] if end is not None else []), *lines])


def read(*entries: str, closed_is_stay: bool = False) -> bookings.Calendar:
    return bookings.read(calendar(*entries), time_zone="Europe/Berlin", closed_is_stay=closed_is_stay)


def only(*entries: str) -> bookings.Stay:
    found = read(*entries)
    assert not found.errors
    assert not found.skipped
    (stay,) = found.stays
    return stay


def error_code(*lines: str, **options: str | None) -> str:
    found = read(entry(*lines, **options))  # type: ignore[arg-type]
    assert not found.stays
    (broken,) = found.errors
    assert (broken.entry, broken.line) == ("a", 3)
    return broken.error.code


NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=60).map(str.strip).filter(bool)
STAYS = st.lists(
    st.tuples(NAMES, st.dates(date(2026, 1, 1), date(2027, 12, 1)), st.integers(1, 400)),
    max_size=6,
)


def exported(stays: list[tuple[str, date, int]]) -> list[bytes]:
    """Entries as icalendar itself writes and folds them."""
    made = []
    for i, (name, first, nights) in enumerate(stays):
        event = Event()
        event.add("uid", f"uid-{i}")
        event.add("dtstart", first)
        event.add("dtend", first + timedelta(days=nights))
        event.add("summary", f"Reserved - {name}")
        made.append(event.to_ical())
    return made


def framed(entries: list[bytes]) -> bytes:
    return b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n" + b"".join(entries) + b"END:VCALENDAR\r\n"


@given(STAYS)
@settings(max_examples=60, deadline=None)
def test_every_exported_stay_is_read_back_with_its_name_and_dates(stays: list[tuple[str, date, int]]) -> None:
    found = bookings.read(framed(exported(stays)), time_zone="Europe/Berlin")
    assert not found.errors
    assert not found.skipped
    assert [(s.uid, s.name, s.starts_at, s.ends_at) for s in found.stays] == [
        (
            f"uid-{i}",
            name,
            datetime.combine(first, time(15), BERLIN),
            datetime.combine(first + timedelta(days=nights), time(11), BERLIN),
        )
        for i, (name, first, nights) in enumerate(stays)
    ]


BROKEN = st.sampled_from(
    [
        b"BEGIN:VEVENT\r\nUID:bad\r\nDTSTART;VALUE=DATE:20271399\r\nEND:VEVENT\r\n",
        b"BEGIN:VEVENT\r\nUID:bad\r\nDTSTART;VALUE=DATE:20270101\r\nDTEND 20270105\r\nEND:VEVENT\r\n",
        b"BEGIN:VEVENT\r\nUID:bad\r\nDTSTART;VALUE=DATE:20270101\r\nSUMMARY:\xff\xfe\r\nEND:VEVENT\r\n",
        b"BEGIN:VEVENT\r\nUID:bad\r\nDTSTART;VALUE=DATE:20270101\r\n",
        b"BEGIN:VEVENT\r\nUID:bad\r\nBEGIN:VALARM\r\nEND:VEVENT\r\n",
        b"BEGIN:VEVENT\r\nEND:VEVENT\r\n",
        b"BEGIN:VEVENT\r\n\x00\x01garbage\r\nEND:VEVENT\r\n",
    ]
)


@given(STAYS, BROKEN, st.data())
@settings(max_examples=80, deadline=None)
def test_a_broken_entry_costs_no_other_and_is_named(stays: list[tuple[str, date, int]], broken: bytes, data: st.DataObject) -> None:
    entries = exported(stays)
    place = data.draw(st.integers(0, len(entries)))
    good = bookings.read(framed(entries), time_zone="UTC")
    found = bookings.read(framed([*entries[:place], broken, *entries[place:]]), time_zone="UTC")
    assert [(s.uid, s.name, s.starts_at, s.ends_at) for s in found.stays] == [(s.uid, s.name, s.starts_at, s.ends_at) for s in good.stays]
    (error,) = found.errors
    assert error.entry in ("bad", f"entry {place + 1}")
    assert error.line == 3 + sum(e.count(b"\r\n") for e in entries[:place])


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_what_is_no_calendar_is_refused_as_a_whole(content: bytes) -> None:
    with pytest.raises(CalendarError):
        bookings.read(b"<html>" + content, time_zone="UTC")


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_no_content_of_a_calendar_raises(content: bytes) -> None:
    found = bookings.read(b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n" + content + b"\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", time_zone="UTC")
    assert len(found.stays) + len(found.skipped) + len(found.errors) >= 1


@pytest.mark.parametrize("content", [b"", b"\r\n \r\n", "", b"BEGIN:VEVENT\r\nEND:VEVENT\r\n", "UID:1"])
def test_an_empty_or_unframed_file_is_no_calendar(content: bytes | str) -> None:
    with pytest.raises(CalendarError):
        bookings.read(content, time_zone="UTC")


def test_a_calendar_without_entries_has_no_stays() -> None:
    assert bookings.read("\ufeffBEGIN:VCALENDAR\nEND:VCALENDAR\n", time_zone="UTC") == bookings.Calendar((), (), ())


def test_a_calendar_that_breaks_off_says_so_and_keeps_what_it_has() -> None:
    whole = calendar(entry("SUMMARY:Reserved - A"), entry("SUMMARY:Reserved - B", uid="b"))
    found = bookings.read(whole[: whole.index(b"UID:b") + 5], time_zone="UTC")
    assert [s.name for s in found.stays] == ["A"]
    assert [(e.entry, e.error.code) for e in found.errors] == [("b", "invalid_calendar"), ("the calendar", "invalid_calendar")]


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        (AIRBNB, "HMABCDEFGH"),
        ("SUMMARY:Reserved", "Reserved"),
        ("SUMMARY:Reserved - Zoë Ångström", "Zoë Ångström"),
        ("SUMMARY:CLOSED - Jean Dupont", "Jean Dupont"),
        ("SUMMARY:Müller\\, Anna", "Müller, Anna"),
        ("SUMMARY:Evil\\n\x1b[31mred", "Evil [31mred"),
        ("X-NOTHING:1", "(no name)"),
    ],
)
def test_a_stay_is_called_by_the_name_that_its_platform_tells(lines: str, name: str) -> None:
    assert only(entry(lines.strip("\n"))).name == name


@pytest.mark.parametrize(
    ("lines", "word"),
    [
        ("SUMMARY:Airbnb (Not available)", "blocks"),
        ("SUMMARY:Blocked", "blocks"),
        ("SUMMARY:CLOSED - Not available", "alike"),
        ("SUMMARY:CLOSED", "alike"),
        ("SUMMARY:Reserved - A\nSTATUS:CANCELLED", "cancelled"),
        ("SUMMARY:Reserved - A\nTRANSP:TRANSPARENT", "TRANSPARENT"),
    ],
)
def test_blocked_cancelled_and_transparent_entries_are_no_stays(lines: str, word: str) -> None:
    found = read(entry(lines))
    assert not found.stays
    assert not found.errors
    (skipped,) = found.skipped
    assert (skipped.entry, skipped.line) == ("a", 3)
    assert word in skipped.why


def test_closed_dates_are_stays_only_where_the_caller_says_so() -> None:
    closed = entry("SUMMARY:CLOSED - Not available")
    assert not read(closed).stays
    assert [s.name for s in read(closed, closed_is_stay=True).stays] == ["CLOSED - Not available"]


def test_the_check_out_day_is_dtend_and_the_times_are_those_of_the_wall_across_both_clock_changes() -> None:
    spring = only(entry(start=";VALUE=DATE:20270327", end=";VALUE=DATE:20270329"))
    autumn = only(entry(start=";VALUE=DATE:20271030", end=";VALUE=DATE:20271101"))
    assert spring.starts_at.isoformat() == "2027-03-27T15:00:00+01:00"
    assert spring.ends_at.isoformat() == "2027-03-29T11:00:00+02:00"
    assert autumn.starts_at.isoformat() == "2027-10-30T15:00:00+02:00"
    assert autumn.ends_at.isoformat() == "2027-11-01T11:00:00+01:00"


@pytest.mark.parametrize(
    ("start", "end", "more", "nights"),
    [
        (";VALUE=DATE:20270701", None, "SUMMARY:x", 1),
        (":20270701", None, "SUMMARY:x", 1),
        (";VALUE=DATE:20270701", None, "DURATION:P5D", 5),
        (";VALUE=DATE:20270701", None, "DURATION:P2W", 14),
    ],
)
def test_an_all_day_stay_without_dtend_lasts_its_duration_or_one_night(start: str, end: str | None, more: str, nights: int) -> None:
    stay = only(entry(more, start=start, end=end))
    assert (stay.ends_at.date() - stay.starts_at.date()).days == nights


@pytest.mark.parametrize(
    ("start", "end", "starts_at", "ends_at"),
    [
        (":20270701T140000Z", ":20270702T080000Z", "2027-07-01T14:00:00+00:00", "2027-07-02T08:00:00+00:00"),
        (":20270701T140000", ":20270702T080000", "2027-07-01T14:00:00+02:00", "2027-07-02T08:00:00+02:00"),
        (
            ";TZID=America/New_York:20270701T140000",
            ";TZID=Asia/Tokyo:20270702T080000",
            "2027-07-01T14:00:00-04:00",
            "2027-07-02T08:00:00+09:00",
        ),
    ],
)
def test_an_entry_with_times_keeps_them_and_floating_ones_are_in_the_given_zone(start: str, end: str, starts_at: str, ends_at: str) -> None:
    stay = only(entry(start=start, end=end))
    assert (stay.starts_at.isoformat(), stay.ends_at.isoformat()) == (starts_at, ends_at)


@pytest.mark.parametrize(("duration", "ends_at"), [("P1D", "2027-03-28T14:00:00+02:00"), ("PT30H", "2027-03-28T19:00:00+00:00")])
def test_days_of_a_duration_are_nominal_and_hours_exact(duration: str, ends_at: str) -> None:
    stay = only(entry(f"DURATION:{duration}", start=";TZID=Europe/Berlin:20270327T140000", end=None))
    assert stay.ends_at.isoformat() == ends_at


def test_a_zone_that_only_the_calendar_defines_is_used() -> None:
    zone = (
        "BEGIN:VTIMEZONE\nTZID:House time\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0330\nTZOFFSETTO:+0330\n"
        "END:STANDARD\nEND:VTIMEZONE\n"
    )
    content = calendar(entry(start=";TZID=House time:20270701T140000", end=";TZID=House time:20270702T140000")).decode()
    with_zone = content.replace("VERSION:2.0\r\n", "VERSION:2.0\r\n" + zone.replace("\n", "\r\n"))
    (stay,) = bookings.read(with_zone, time_zone="UTC").stays
    assert stay.starts_at.astimezone(UTC) == datetime(2027, 7, 1, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("lines", "options", "code"),
    [
        (["RRULE:FREQ=WEEKLY"], {}, "invalid_calendar"),
        (["RDATE;VALUE=DATE:20270801"], {}, "invalid_calendar"),
        (["RECURRENCE-ID;VALUE=DATE:20270701"], {}, "invalid_calendar"),
        (["SUMMARY:one", "SUMMARY:two"], {}, "invalid_calendar"),
        (["DTSTART;VALUE=DATE:20270702"], {}, "invalid_calendar"),
        (["DURATION:P1D"], {}, "invalid_calendar"),
        (["DURATION:banana"], {"end": None}, "invalid_calendar"),
        (["DURATION:20270109"], {"end": None}, "invalid_calendar"),
        (["UID:b"], {}, "invalid_calendar"),
        (["DURATION:PT36H"], {"end": None}, "invalid_calendar"),
        (["DURATION:P9999999D"], {"end": None}, "time_out_of_range"),
        ([], {"start": ":20270701T120000Z", "end": None}, "invalid_calendar"),
        ([], {"start": ":20270701T120000Z"}, "invalid_calendar"),
        ([], {"end": ":20270703T120000Z"}, "invalid_calendar"),
        ([], {"start": ";VALUE=PERIOD:20270701T000000Z/P1D"}, "invalid_calendar"),
        ([], {"end": ";VALUE=DATE:20270701"}, "end_before_start"),
        ([], {"end": ";VALUE=DATE:20270601"}, "end_before_start"),
        ([], {"start": ":20270701T120000Z", "end": ":20270701T120000Z"}, "end_before_start"),
        ([], {"start": ";TZID=Middle/Earth:20270701T120000", "end": ":20270702T120000Z"}, "unknown_time_zone"),
        ([], {"start": ":20270328T023000", "end": ":20270329T120000"}, "nonexistent_time"),
        ([], {"start": ":20271031T023000", "end": ":20271101T120000"}, "ambiguous_time"),
    ],
)
def test_an_entry_that_cannot_be_meant_is_an_error_with_a_stable_code(lines: list[str], options: dict[str, str | None], code: str) -> None:
    assert error_code(*lines, **options) == code


@pytest.mark.parametrize(
    ("check_in", "first", "code"), [(time(2, 30), "20270328", "nonexistent_time"), (time(2, 30), "20271031", "ambiguous_time")]
)
def test_a_check_in_time_that_the_zone_skips_or_repeats_is_that_entrys_error(check_in: time, first: str, code: str) -> None:
    content = calendar(entry(start=f";VALUE=DATE:{first}", end=None), entry(uid="b"))
    found = bookings.read(content, time_zone="Europe/Berlin", check_in=check_in)
    assert [e.error.code for e in found.errors] == [code]
    assert [s.uid for s in found.stays] == ["b"]


def test_an_entry_that_comes_twice_is_one_stay_and_one_uid_with_two_times_is_an_error() -> None:
    found = read(entry("SUMMARY:A"), entry("SUMMARY:A"), entry("SUMMARY:A", end=";VALUE=DATE:20270709"))
    assert len(found.stays) == 1
    assert [s.line for s in found.skipped] == [9]
    assert [e.line for e in found.errors] == [15]


def test_an_entry_without_a_uid_is_known_by_its_dates_and_name() -> None:
    nameless = entry("SUMMARY:Reserved - A").replace("UID:a\n", "")
    assert only(nameless).uid == only(nameless).uid == "2027-07-01T15:00:00+02:00/2027-07-03T11:00:00+02:00/A"


def test_an_unknown_zone_of_the_caller_is_refused_before_anything_is_read() -> None:
    with pytest.raises(UnknownTimeZoneError):
        bookings.read(calendar(entry()), time_zone="Europe/Atlantis")


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(CalendarError, match=r"nowhere\.ics"):
        bookings.load(tmp_path / "nowhere.ics", time_zone="UTC")


def test_the_example_holds_the_three_platforms_forms_and_both_clock_changes() -> None:
    found = bookings.load(EXAMPLE, time_zone="Europe/Berlin")
    assert not found.errors
    assert len(found.stays) >= 12
    assert len(found.skipped) == 4
    shifts = [s for s in found.stays if s.starts_at.utcoffset() != s.ends_at.utcoffset()]
    assert {(s.starts_at.year, s.starts_at.month) for s in shifts} >= {(2027, 3), (2027, 10)}
    assert any(a.starts_at < b.ends_at and b.starts_at < a.ends_at for a in found.stays for b in found.stays if a is not b)
    assert max(s.ends_at - s.starts_at for s in found.stays) > timedelta(days=31)
    assert Document.from_ical(EXAMPLE.read_bytes()).get("VERSION") == "2.0"
