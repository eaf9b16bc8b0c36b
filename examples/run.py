"""What ``make run`` shows: codes for a real booking calendar at two doors, and what each lock says before, at and after their time.

Exits with 1 if a code fails to open in its time or opens outside it.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from offlinepin import AccessPin, Issuer, Lock, MasterKey, Reason, bookings

CALENDAR = Path(__file__).with_name("bookings.ics")
ZONE = "Europe/Berlin"
NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PROBES = ("before", "at start", "near end", "after")


@dataclass(frozen=True, slots=True)
class Code:
    """One code at one door, and what the lock said each time that it was typed."""

    door: str
    stay: bookings.Stay
    pin: AccessPin
    said: dict[str, Reason]

    @property
    def times(self) -> tuple[datetime, ...]:
        """When it is typed, for each of ``PROBES``: an hour before its start, at its start, an hour before its end, an hour after it."""
        assert self.pin.ends_at is not None  # a stay has an end
        return self.pin.starts_at - HOUR, self.pin.starts_at, self.pin.ends_at - HOUR, self.pin.ends_at + HOUR


def main() -> int:
    """Issue, type, print; 0 if every lock kept to every time."""
    calendar = bookings.load(CALENDAR, time_zone=ZONE)
    keys = MasterKey.generate()
    doors = {"igloo": Issuer(keys, "igloo"), "oracode": Issuer(keys, "oracode")}
    codes = [code for name, issuer in doors.items() for code in serve(name, issuer, calendar.stays)]
    wrong: list[str] = []
    for name, issuer in doors.items():
        wrong += walk(Lock(issuer.provision(name, time_zone=ZONE)), [code for code in codes if code.door == name])
    show(calendar, codes)
    for line in wrong:
        print(f"WRONG: {line}", file=sys.stderr)
    return 1 if wrong or calendar.errors else 0


def serve(door: str, issuer: Issuer, stays: Iterable[bookings.Stay]) -> list[Code]:
    """A code for every stay. The igloo lock has no 42 days less four hours, so rounding by up to a day is allowed there."""
    rounding = "1d" if door == "igloo" else None
    pins = (
        issuer.issue(door, s.starts_at, s.ends_at, max_time_rounding=rounding, time_zone=ZONE, request_id=s.uid, now=NOW) for s in stays
    )
    return [Code(door, stay, pin, {}) for stay, pin in zip(stays, pins, strict=True)]


def walk(lock: Lock, codes: list[Code]) -> list[str]:
    """Type every code at one lock, in the order of time, and return what the lock got wrong.

    The lock counts every entry that it refuses, these too. Nothing is done about that: its uptime runs with the clock, wrong entries are
    forgiven one in four hours, and guests come days apart, so it is never throttled; were it, the table would say so.
    """
    wrong = []
    visits = sorted(((at, i, probe) for i, code in enumerate(codes) for probe, at in zip(PROBES, code.times, strict=True)))
    newest: dict[str, datetime] = {}
    for at, i, probe in visits:
        code = codes[i]
        reason = code.said[probe] = lock.enter(code.pin.code, now=at).reason
        inside = probe in PROBES[1:3]
        group = next((notice.group for notice in code.pin.notices if notice.code == "supersedes"), "")
        superseded = bool(group) and code.pin.starts_at < newest.get(group, code.pin.starts_at)
        if (reason is Reason.OPENED) is not (inside and not superseded):
            wrong.append(f"{code.door}, {code.stay.name}: {probe} the lock said {reason}")
        if reason is Reason.OPENED and group:
            newest[group] = max(code.pin.starts_at, newest.get(group, code.pin.starts_at))
    return wrong


def show(calendar: bookings.Calendar, codes: list[Code]) -> None:
    """The table, and the totals below it."""
    table = Table(title=f"Times of {ZONE}", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("Door", "Guest", "Stay", "Code", *PROBES):
        table.add_column(name, no_wrap=True, max_width=15 if name == "Guest" else None)
    for code in codes:
        nights = (code.stay.ends_at.date() - code.stay.starts_at.date()).days
        dates = f"{code.stay.starts_at:%Y-%m-%d} {nights:>2}n"
        said = [Text(code.said[probe].value, style="green" if code.said[probe] is Reason.OPENED else "") for probe in PROBES]
        table.add_row(code.door, Text(code.stay.name), dates, code.pin.grouped, *said)
    console = Console(highlight=False, markup=False, emoji=False)
    console.width = max(console.width, 100)
    console.print(table)
    for code in codes:
        for notice in code.pin.notices:
            if notice.code == "rounded":
                print(f"{code.door}, {code.stay.name}: {notice.message}")
    for skipped in calendar.skipped:
        print(f"no stay: {skipped.summary}: {skipped.why}")
    for broken in calendar.errors:
        print(f"cannot be read: {broken.entry} (line {broken.line}): {broken.error}")
    totals = Counter(reason.value for code in codes for reason in code.said.values())
    print(f"\n{len(codes)} codes typed {sum(totals.values())} times: " + ", ".join(f"{n} {reason}" for reason, n in totals.most_common()))


if __name__ == "__main__":
    sys.exit(main())
