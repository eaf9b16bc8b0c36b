"""Times of day as Oracode's users write them: ``07:00:00[America/Los_Angeles]``, ``07:00:00Z``, ``07:00:00-08:00``, or with both."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from offlinepin.engine.clock import zone
from offlinepin.errors import LevelError, UnknownTimeZoneError

_FORM = re.compile(r"(\d\d):(\d\d)(?::(\d\d))?(Z|[+-]\d\d:\d\d)?(?:\[([^\]]+)\])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class TimeOfDay:
    """A time on the wall of a door, and the door's zone if the text names one (an IANA name, ``UTC``, or an offset)."""

    at: time
    zone: str | None = None

    @property
    def seconds(self) -> int:
        """Seconds since midnight."""
        return self.at.hour * 3600 + self.at.minute * 60 + self.at.second

    @classmethod
    def parse(cls, text: str) -> TimeOfDay:
        """Read a time of day. ``LevelError`` if it is none, or if its offset is never the offset of its zone."""
        found = _FORM.fullmatch(text)
        try:
            if not found:
                raise ValueError("it is written as HH:MM:SS, with Z, an offset such as -08:00, or a zone such as [Europe/Berlin] behind it")
            at = time(int(found[1]), int(found[2]), int(found[3] or 0))
        except ValueError as cause:
            raise LevelError(f"{text!r} is no time of day: {cause}") from None
        offset, name = found[4], found[5]
        try:
            if name and offset and not _is_offset_of(offset, name):
                raise LevelError(f"{text!r}: {offset} is never the offset of {name}")
            if name or offset:
                zone(name or offset)
        except UnknownTimeZoneError as cause:
            raise LevelError(f"{text!r}: {cause}") from None
        return cls(at, name or ("UTC" if offset == "Z" else offset))


def _is_offset_of(offset: str, name: str) -> bool:
    """Whether a zone has this offset at some time of the present rules (looked at week by week through one year)."""
    wanted = zone(offset).utcoffset(None)
    place = zone(name)
    return any((datetime(2026, 1, 1, tzinfo=UTC) + timedelta(weeks=w)).astimezone(place).utcoffset() == wanted for w in range(53))
