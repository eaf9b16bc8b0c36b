"""What a lock's clock shows and what it means: aware datetimes at the edge, integer seconds inside.
A ``utc`` clock counts from 1970; a ``civil`` clock is wall time in the lock's zone, read as if it were UTC (format 1, sections 4 and 5)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from offlinepin.errors import (
    AmbiguousTimeError,
    NaiveDatetimeError,
    NonexistentTimeError,
    RequestError,
    TimeOutOfRangeError,
    TimeZoneRequiredError,
    UnknownTimeZoneError,
)

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH: Final = EPOCH.replace(tzinfo=None)
_SECOND: Final = timedelta(seconds=1)
_NEAR: Final = timedelta(days=3)
_TICK: Final = timedelta.resolution
_STEP: Final = timedelta(days=6)  # shorter than any pause between two changes of a zone's offset since 1970: 6 d 23 h, Brazil, 2000


def zone(name: str) -> tzinfo:
    """A zone by its IANA name, ``UTC``, or a fixed offset such as ``+02:00``. ``UnknownTimeZoneError`` for anything else."""
    if not isinstance(name, str):
        raise UnknownTimeZoneError(f"a time zone is given by its name, such as Europe/Berlin, UTC, or +02:00, not as {name!r}")
    if name in ("UTC", "Z"):
        return UTC
    offset = re.fullmatch(r"([+-])(\d\d):?([0-5]\d)", name)
    if offset and int(offset[2]) < 24:
        return timezone(int(offset[1] + "1") * timedelta(hours=int(offset[2]), minutes=int(offset[3])))
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UnknownTimeZoneError(f"{name!r} is no time zone; give an IANA name such as Europe/Berlin, UTC, or +02:00") from None


def check_aware(moment: datetime, what: str) -> datetime:
    """Refuse a datetime without a zone, which names no instant, with ``NaiveDatetimeError``; ``RequestError`` for what is no datetime."""
    if not isinstance(moment, datetime):
        raise RequestError(f"{what} is a datetime with a time zone, not {moment!r}; datetime.fromisoformat makes one of a text")
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise NaiveDatetimeError(f"{what} {moment.isoformat()} has no time zone; give one, as in {moment.isoformat()}+00:00")
    return moment


def check_moment(moment: datetime, what: str) -> datetime:
    """Refuse a datetime that names no single instant.

    Raises:
        NaiveDatetimeError: it has no zone.
        TimeOutOfRangeError: it is beyond the years 1 to 9999 in UTC.
        NonexistentTimeError: its local time is skipped by its zone.
        AmbiguousTimeError: its local time happens twice and ``fold`` is 0, which is also what a caller leaves unsaid. Give the
            moment in UTC or with a fixed offset, or set ``fold=1`` for the second.
    """
    check_aware(moment, what)
    try:
        moment.astimezone(UTC)
    except OverflowError:
        raise TimeOutOfRangeError(f"{what} {moment.isoformat()} is beyond the years 1 to 9999 in UTC") from None
    if not isinstance(moment.tzinfo, timezone):
        first, second = moment.replace(fold=0).utcoffset(), moment.replace(fold=1).utcoffset()
        if first != second and first is not None and second is not None:
            _refuse(moment, what, first, second)
    return moment


def _refuse(moment: datetime, what: str, first: timedelta, second: timedelta) -> None:
    wall = moment.replace(tzinfo=None, fold=0)
    if first < second:
        raise NonexistentTimeError(
            f"{what} {wall.isoformat()} does not exist in {moment.tzinfo}: the clocks go forward by {second - first} over it"
        )
    if moment.fold == 0:
        both = " or ".join(wall.replace(tzinfo=timezone(offset)).isoformat() for offset in (first, second))
        raise AmbiguousTimeError(f"{what} {wall.isoformat()} happens twice in {moment.tzinfo}; say which: {both}")


def local(day: date, at: time, where: tzinfo, what: str) -> datetime:
    """The moment of a wall-clock time on a day in a zone; refused if it happens never or twice."""
    return check_moment(datetime.combine(day, at, where), what)


def length_in_words(seconds: int) -> str:
    """A length of time in the largest units that express it exactly: ``3 d 2 h``."""
    parts = []
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts) or "0 s"


def _in(where: tzinfo | None, moment: datetime) -> datetime:
    try:
        return moment.astimezone(where)
    except OverflowError:
        raise TimeOutOfRangeError(f"{moment.isoformat()} is beyond the years 1 to 9999 in {where}") from None


@dataclass(frozen=True, slots=True)
class Change:
    """A zone's clocks change at ``at`` (UTC): the reading before and after, in seconds of the civil clock."""

    at: datetime
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class LockClock:
    """The clock of one lock: its mode and, for ``civil``, its zone.

    Raises:
        TimeZoneRequiredError: a civil clock without a zone.
    """

    mode: Literal["utc", "civil"]
    where: tzinfo | None = None

    def __post_init__(self) -> None:
        if self.mode == "civil" and self.where is None:
            raise TimeZoneRequiredError("this lock keeps civil time, so its time zone must be given, such as Europe/Berlin")

    def reading(self, moment: datetime) -> int:
        """The whole seconds that the clock shows at a moment."""
        if self.mode == "utc":
            return (moment - EPOCH) // _SECOND
        return (_in(self.where, moment).replace(tzinfo=None) - _NAIVE_EPOCH) // _SECOND

    def span(self, start: datetime, end: datetime | None) -> tuple[int, int | None]:
        """The smallest [from, to) of readings that covers every moment of [start, end), a repeated hour included."""
        low = self.reading(start)
        if end is None:
            return low, None
        final = end - _TICK
        high = self.reading(final) + 1
        for change in self._changes_near(start, final) if self.mode == "civil" else ():
            if change.after < change.before:
                low, high = min(low, change.after), max(high, change.before)
        return low, high

    def _changes_near(self, start: datetime, end: datetime) -> list[Change]:
        """The changes that can repeat a reading of either end: no clock goes back by more than a day."""
        if end - start <= 2 * _NEAR:
            return self.changes(start, end)
        return [*self.changes(start, start + _NEAR), *self.changes(end - _NEAR, end)]

    def first(self, seconds: int) -> datetime:
        """The earliest moment at which the clock shows ``seconds`` or more: when a code that starts then begins to open."""
        return self._moment(seconds, 0)

    def last(self, seconds: int) -> datetime:
        """The latest moment at which the clock reaches ``seconds``: when a code that ends then stops opening for good."""
        return self._moment(seconds, 1)

    def _moment(self, seconds: int, fold: int) -> datetime:
        try:
            if self.mode == "utc":
                return (EPOCH + timedelta(seconds=seconds)).astimezone(self.where or UTC)
            wall = _NAIVE_EPOCH + timedelta(seconds=seconds)
            either = sorted(wall.replace(tzinfo=self.where, fold=f).astimezone(UTC) for f in (0, 1))
            moment = either[fold]
            if either[0] != either[1] and self.reading(either[0]) != seconds:  # skipped: the clock jumps over it
                moment = self._change(either[0], either[1]).at
            elif fold and self.reading(moment - _SECOND) >= seconds:  # the clocks go back to just here: it was reached for good before
                moment = either[0]
            return moment.astimezone(self.where)
        except (OverflowError, ValueError):
            raise TimeOutOfRangeError(f"{seconds} s on the lock's clock is beyond the years 1970 to 9999") from None

    def changes(self, start: datetime, end: datetime) -> list[Change]:
        """The changes of the zone's clocks after ``start`` and up to ``end``; empty without a zone."""
        found: list[Change] = []
        if self.where is None or isinstance(self.where, timezone):
            return found
        low, end = _in(UTC, start), _in(UTC, end)
        while low < end:
            high = min(end, low + _STEP) if low.year < 9999 else end
            if self._offset(low) != self._offset(high):
                found.append(self._change(low, high))
            low = high
        return found

    def _offset(self, moment: datetime) -> timedelta:
        return _in(self.where, moment).utcoffset() or timedelta()

    def _change(self, low: datetime, high: datetime) -> Change:
        """The one change in (low, high], to the second, by bisection. Clocks change on whole seconds."""
        low, high = low.replace(microsecond=0), high.replace(microsecond=0)
        before = self._offset(low)
        while high - low > _SECOND:
            middle = low + (high - low) // _SECOND // 2 * _SECOND
            low, high = (middle, high) if self._offset(middle) == before else (low, middle)
        base = (low + _SECOND - EPOCH) // _SECOND
        return Change(low + _SECOND, base + before // _SECOND, base + self._offset(low + _SECOND) // _SECOND)
