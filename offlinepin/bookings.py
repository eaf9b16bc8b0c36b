"""Stays out of the calendars that Airbnb, Vrbo and Booking.com export (RFC 5545). Every entry is read by itself, so that a broken one
costs no other: a calendar gives its stays, what it holds that is no stay, and what could not be read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from offlinepin.engine.clock import check_moment, local, zone
from offlinepin.errors import CalendarError, EndBeforeStartError, OfflinepinError, TimeOutOfRangeError, UnknownTimeZoneError

if TYPE_CHECKING:
    from icalendar import Component, Event

_DAY: Final = timedelta(days=1)
_MARK: Final = re.compile(rb"(BEGIN|END):(\S+)\s*", re.IGNORECASE)
_BLOCKED: Final = re.compile(r"(airbnb )?\(?(not available|unavailable)\)?|blocked( - .*)?", re.IGNORECASE)
_CLOSED: Final = re.compile(r"closed(?: - (.+))?", re.IGNORECASE)
_NAMED: Final = re.compile(r"reserved - (.+)", re.IGNORECASE)
_AIRBNB_URL: Final = re.compile(r"airbnb\.[a-z.]+/\S*?/details/([A-Z0-9]+)")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Stay:
    """A stay.

    Attributes:
        uid: the entry's UID; for an entry without one, its dates and name. It stays the same from one export to the next.
        line: where the entry begins in the file, from 1.
        name: the guest's name if the export tells it, otherwise the reservation's number, otherwise the entry's summary.
        starts_at, ends_at: check-in and check-out, aware.
    """

    uid: str
    line: int
    name: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Skipped:
    """An entry that is no stay: its UID (or ``entry 3``), line and summary, and why it is none."""

    entry: str
    line: int
    summary: str
    why: str


@dataclass(frozen=True, slots=True)
class Broken:
    """An entry that could not be read: its UID (or ``entry 3``), line, and the error."""

    entry: str
    line: int
    error: OfflinepinError


@dataclass(frozen=True, slots=True)
class Calendar:
    """What a calendar holds, each part in the file's order."""

    stays: tuple[Stay, ...]
    skipped: tuple[Skipped, ...]
    errors: tuple[Broken, ...]


@dataclass(frozen=True, slots=True)
class _Rules:
    check_in: time
    check_out: time
    where: tzinfo
    closed_is_stay: bool


@dataclass(frozen=True, slots=True)
class _Entry:
    """The lines of one VEVENT, folds undone. ``problem`` says what is wrong with its frame."""

    ordinal: int
    line: int
    lines: list[bytes] = field(default_factory=list)
    problem: str = ""

    @property
    def name(self) -> str:
        """The UID as it is written, which can be told even where the rest cannot be read; without one, the entry's place."""
        uids = (line[4:] for line in self.lines if line[:4].upper() == b"UID:")
        return _line(next(uids, b"").decode(errors="replace")) or f"entry {self.ordinal}"


def load(path: str | Path, **options: Any) -> Calendar:
    """:func:`read` a file. ``CalendarError`` if it cannot be opened; ``options`` are those of :func:`read`."""
    try:
        content = Path(path).read_bytes()
    except OSError as cause:
        raise CalendarError(f"the calendar {str(path)!r} cannot be read: {cause.strerror}") from None
    return read(content, **options)


def read(
    content: str | bytes,
    *,
    time_zone: str,
    check_in: time = time(15),
    check_out: time = time(11),
    closed_is_stay: bool = False,
) -> Calendar:
    """Read an exported calendar.

    All-day entries last from ``check_in`` on their first day to ``check_out`` on their DTEND (or for one night without it); entries with
    times keep them. Blocked days, cancelled and transparent entries are no stays. Recurring entries are errors.

    Args:
        content: the calendar.
        time_zone: of the check-in and check-out times and of times without a zone: an IANA name, ``UTC``, or an offset.
        check_in, check_out: times of day on the wall.
        closed_is_stay: Booking.com writes ``CLOSED - Not available`` for reservations and for closed dates alike. They are taken as
            closed dates unless this is true.

    Raises:
        CalendarError: the content is no calendar at all, or the package that reads calendars is missing.
        UnknownTimeZoneError: the zone is unknown.
    """
    if find_spec("icalendar") is None:
        raise CalendarError("calendars are read with the package icalendar; install it with: pip install 'offlinepin[cli]'")
    if content.lstrip()[:1] in ("", b""):
        raise CalendarError("the calendar is empty; it must begin with BEGIN:VCALENDAR")
    rules = _Rules(check_in, check_out, zone(time_zone), closed_is_stay)
    entries, zones, frame = _split(content.encode() if isinstance(content, str) else content)
    stays: dict[str, Stay] = {}
    skipped: list[Skipped] = []
    errors: list[Broken] = []
    for entry in entries:
        name = entry.name
        try:
            found = _read(_parse(entry, zones), name, entry, rules)
        except OfflinepinError as error:
            errors.append(Broken(name, entry.line, error))
            continue
        if isinstance(found, Skipped):
            skipped.append(found)
        elif (before := stays.get(found.uid)) is None:
            stays[found.uid] = found
        elif (before.starts_at, before.ends_at) == (found.starts_at, found.ends_at):
            skipped.append(Skipped(name, entry.line, found.name, f"it repeats the entry of line {before.line}"))
        else:
            errors.append(Broken(name, entry.line, CalendarError(f"its UID is that of line {before.line}, with other dates")))
    if frame:
        errors.append(Broken("the calendar", frame, CalendarError("it breaks off without END:VCALENDAR; entries may be missing")))
    return Calendar(tuple(stays.values()), tuple(skipped), tuple(errors))


def _split(content: bytes) -> tuple[list[_Entry], bytes, int]:
    """The entries, the VTIMEZONE blocks that can be read, and the last line's number if the calendar breaks off (0 if it is whole)."""
    lines = list(_unfold(content.removeprefix(b"\xef\xbb\xbf")))
    body = iter([(number, line) for number, line in lines if line.strip()])
    _, first = next(body)
    if first.strip().upper() != b"BEGIN:VCALENDAR":
        shown = first[:12].decode(errors="replace")  # and no more of it: a wrong file may be a key
        raise CalendarError(f"this is no calendar: it begins with {shown!r}, not with BEGIN:VCALENDAR")
    entries: list[_Entry] = []
    zones: list[bytes] = []
    current: _Entry | None = None
    in_zone = whole = False
    for number, line in body:
        mark = _MARK.fullmatch(line)
        word = b":".join(mark.groups()).upper() if mark else b""
        in_zone |= word == b"BEGIN:VTIMEZONE"
        if current is not None and word in (b"BEGIN:VEVENT", b"END:VCALENDAR"):
            entries[-1] = _Entry(current.ordinal, current.line, current.lines, "it has no END:VEVENT")
            current = None
        if word == b"BEGIN:VEVENT":
            current = _Entry(len(entries) + 1, number)
            entries.append(current)
        elif word == b"END:VEVENT":
            if current is None:
                entries.append(_Entry(len(entries) + 1, number, problem="it has no BEGIN:VEVENT"))
            current = None
        elif current is not None:
            current.lines.append(line)
        elif in_zone:
            zones.append(line)
        in_zone &= word != b"END:VTIMEZONE"
        whole |= word == b"END:VCALENDAR"
    if current is not None:
        entries[-1] = _Entry(current.ordinal, current.line, current.lines, "it has no END:VEVENT")
    return entries, b"".join(line + b"\r\n" for line in zones), 0 if whole else lines[-1][0]


def _unfold(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Content lines with their numbers. Folds are undone on bytes, since one may fall inside a character (RFC 5545, section 3.1)."""
    number, held = 0, b""
    for n, line in enumerate(re.split(rb"\r\n|\n|\r", content), 1):
        if number and line[:1] in (b" ", b"\t"):
            held += line[1:]
            continue
        if number:
            yield number, held
        number, held = n, line
    yield number, held


def _parse(entry: _Entry, zones: bytes) -> Event:
    """One entry by itself, with the calendar's zones if they help. ``CalendarError`` if any line of it is broken."""
    from icalendar import Calendar as Document
    from icalendar import Event

    if entry.problem:
        raise CalendarError(entry.problem)
    try:
        text = b"\r\n".join([b"BEGIN:VEVENT", *entry.lines, b"END:VEVENT", b""]).decode()
    except UnicodeDecodeError as cause:
        raise CalendarError(f"it is not UTF-8: {cause.reason} {cause.object[cause.start : cause.start + 4]!r}") from None
    try:
        event = Event.from_ical(text)
        if zones and "TZID" in text and not _knows_its_zones(event):
            event = Document.from_ical(b"BEGIN:VCALENDAR\r\n" + zones + text.encode() + b"END:VCALENDAR\r\n").walk("VEVENT")[0]
    except Exception as cause:  # whatever the parser trips over in a stranger's file is that entry's error
        raise CalendarError(f"it cannot be read: {_line(str(cause))}") from None
    assert isinstance(event, Event)
    for name, problem in event.errors:
        raise CalendarError(f"{name or 'a line'} cannot be read: {_line(str(problem))}")
    return event


def _knows_its_zones(event: Component) -> bool:
    """Whether the time zone database knows the zones that an entry names, so that the calendar's own rules are not needed."""
    values = (event.get(name) for name in ("DTSTART", "DTEND"))
    return all(getattr(value, "dt", None) is None or getattr(value.dt, "tzinfo", None) is not None for value in values)


def _read(event: Event, entry: str, source: _Entry, rules: _Rules) -> Stay | Skipped:
    summary = _text(event, "SUMMARY")
    why = _no_stay(event, summary, rules)
    if why:
        return Skipped(entry, source.line, summary, why)
    for name in ("RRULE", "RDATE", "RECURRENCE-ID"):
        if name in event:
            raise CalendarError(f"it recurs ({name}); a stay happens once, so give each its own entry")
    starts_at, ends_at = _times(event, rules)
    name = _name(event, summary)
    uid = _text(event, "UID") or f"{starts_at.isoformat()}/{ends_at.isoformat()}/{name}"
    return Stay(uid, source.line, name, starts_at, ends_at)


def _no_stay(event: Event, summary: str, rules: _Rules) -> str:
    """Why an entry is no stay; empty for a stay."""
    if _text(event, "STATUS").upper() == "CANCELLED":
        return "it is cancelled"
    if _text(event, "TRANSP").upper() == "TRANSPARENT":
        return "it takes up no time (TRANSP:TRANSPARENT)"
    if _BLOCKED.fullmatch(summary):
        return "it blocks dates"
    closed = _CLOSED.fullmatch(summary)
    if closed and (closed[1] or "not available").lower() == "not available" and not rules.closed_is_stay:
        return "Booking.com writes this for reservations and for closed dates alike; it is taken as closed dates unless told otherwise"
    return ""


def _name(event: Event, summary: str) -> str:
    for form in (_NAMED, _CLOSED):
        found = form.fullmatch(summary)
        if found and found[1] and found[1].lower() != "not available":
            return found[1].strip()
    reservation = _AIRBNB_URL.search(_text(event, "DESCRIPTION"))
    return reservation[1] if reservation else summary or "(no name)"


def _times(event: Event, rules: _Rules) -> tuple[datetime, datetime]:
    """Check-in and check-out of an entry."""
    try:
        return _span(event, rules, *(_value(event, name) for name in ("DTSTART", "DTEND", "DURATION")))
    except OverflowError:
        raise TimeOutOfRangeError("it ends after the year 9999") from None


def _span(event: Event, rules: _Rules, first: Any, last: Any, length: Any) -> tuple[datetime, datetime]:
    if first is None:
        raise CalendarError("it has no DTSTART")
    if last is not None and length is not None:
        raise CalendarError("it has both DTEND and DURATION")
    if length is not None and not isinstance(length, timedelta):
        raise CalendarError("its DURATION is no length of time")
    if isinstance(first, datetime):
        return _timed(event, first, last, length, rules)
    if not isinstance(first, date) or isinstance(last, datetime) or (last is not None and not isinstance(last, date)):
        raise CalendarError("DTSTART and DTEND must both be dates or both be times")
    nights = _DAY if length is None else length
    if nights % _DAY:
        raise CalendarError(f"an all-day entry lasts whole days, not {nights}")
    last = first + nights if last is None else last
    if last <= first:
        raise EndBeforeStartError(f"its check-out day {last} must be later than its check-in day {first}")
    return local(first, rules.check_in, rules.where, "the check-in"), local(last, rules.check_out, rules.where, "the check-out")


def _timed(event: Event, first: datetime, last: Any, length: timedelta | None, rules: _Rules) -> tuple[datetime, datetime]:
    starts_at = _moment(event, "DTSTART", first, rules)
    if isinstance(last, datetime):
        ends_at = _moment(event, "DTEND", last, rules)
    elif last is not None:
        raise CalendarError("DTSTART and DTEND must both be dates or both be times")
    elif length is None:
        raise CalendarError("it has a time of day but no end (DTEND or DURATION)")
    elif length % _DAY:
        ends_at = starts_at.astimezone(UTC) + length
    else:  # days are nominal: the same time of day, whatever the clocks did (RFC 5545, section 3.3.6)
        ends_at = check_moment(starts_at + length, "the end")
    if ends_at <= starts_at:
        raise EndBeforeStartError(f"its end {ends_at.isoformat()} must be later than its start {starts_at.isoformat()}")
    return starts_at, ends_at


def _moment(event: Event, name: str, moment: datetime, rules: _Rules) -> datetime:
    if moment.tzinfo is None:
        named = event[name].params.get("TZID")
        if named:
            raise UnknownTimeZoneError(f"{name} is in zone {named!r}, which neither the time zone database nor the calendar knows")
        moment = moment.replace(tzinfo=rules.where)
    return check_moment(moment, name)


def _value(event: Event, name: str) -> Any:
    """A property's date, time or length; ``None`` without it."""
    try:
        value = event.get(name)
        if isinstance(value, list):
            raise CalendarError(f"{name} is given {len(value)} times")
        return None if value is None else value.dt
    except ValueError as cause:  # icalendar from 7 on tells of a broken property when it is asked for it
        raise CalendarError(f"{name} cannot be read: {_line(str(cause))}") from None


def _text(event: Event, name: str) -> str:
    """A property's text on one line, without control characters, which could rule the terminal that it is shown on."""
    value = event.get(name, "")
    if isinstance(value, list):
        raise CalendarError(f"{name} is given {len(value)} times")
    return _line(str(value))


def _line(text: str) -> str:
    return _CONTROL.sub(" ", text).strip()
