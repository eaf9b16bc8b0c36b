"""Hypothesis strategies for everything that a lock and its issuer meet: products, grants, requests, clock histories, keypad sessions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from hypothesis import strategies as st

from offlinepin.engine.clock import LockClock, zone
from offlinepin.engine.payload import Grant
from offlinepin.engine.profile import Profile
from offlinepin.lock.timekeeping import DoorClock
from offlinepin.matching import Request
from offlinepin.testing.choosing import DrawChooser
from offlinepin.testing.profiles import ZONES, small_profile, small_vendor
from offlinepin.vendor import Vendor

EARLIEST: Final = datetime(2026, 1, 1, tzinfo=UTC)
_YEARS: Final = 20


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    """A small valid profile: one to three families, service codes where its alphabet has room for them."""
    return small_profile(DrawChooser(draw))


@st.composite
def vendors(draw: st.DrawFn) -> Vendor:
    """A vendor of a small profile, with a time zone and a keypad."""
    return small_vendor(DrawChooser(draw))


def zones() -> st.SearchStrategy[tzinfo]:
    """A time zone: with daylight saving time, without, or a fixed offset."""
    return st.sampled_from(ZONES).map(zone)


def moments(earliest: datetime = EARLIEST, years: int = _YEARS) -> st.SearchStrategy[datetime]:
    """An aware moment in UTC, to the second; half of them within two days of a change of some zone's clocks."""
    end = earliest + timedelta(days=365 * years)
    clocks = [LockClock("civil", zone(name)) for name in ZONES]
    changes = sorted({change.at for clock in clocks for change in clock.changes(earliest, end)})
    near = st.builds(lambda at, by: at + timedelta(seconds=by), st.sampled_from(changes), st.integers(-172_800, 172_800))
    return near | st.integers(0, int((end - earliest).total_seconds())).map(lambda s: earliest + timedelta(seconds=s))


@st.composite
def grants(draw: st.DrawFn, profile: Profile, near: int | None = None) -> Grant:
    """A grant of any kind of a profile.

    Args:
        profile: its profile.
        near: seconds of the lock's clock, around which it starts; any time from 1990 to 2050 by default.
    """
    family = draw(st.integers(0, len(profile.families) - 1))
    kind = draw(st.integers(0, len(profile.families[family].kinds) - 1))
    about = profile.families[family].kinds[kind]
    slot = profile.families[family].slot
    seconds = draw(st.integers(631_152_000, 2_524_608_000)) if near is None else near
    start = max(0, (seconds - about.opens) // slot + draw(st.integers(-9, 9)))
    duration = about.duration_at(draw(st.integers(0, about.duration_count - 1)))
    return Grant(family, kind, start, duration, draw(st.integers(0, about.variants - 1)))


@st.composite
def requests(draw: st.DrawFn, at: st.SearchStrategy[datetime] | None = None) -> Request:
    """A request of one second to two years, now and then without an end or for one use, its times in any zone.

    A time that its zone skips or has twice is in it: an issuer must refuse it or take it, never fall over it.
    """
    starts_at = draw(moments() if at is None else at).astimezone(draw(zones()))
    seconds = draw(st.none() | st.integers(1, 86_400) | st.integers(1, 730).map(lambda days: days * 86_400))
    ends_at = None if seconds is None else (starts_at.astimezone(UTC) + timedelta(seconds=seconds)).astimezone(draw(zones()))
    return Request(starts_at, ends_at, one_time=draw(st.booleans()))


@dataclass(frozen=True, slots=True)
class ClockEvent:
    """Something that happens to a clock. Seconds of true time after the event before.

    Attributes:
        after: seconds since the event before.
        drift_ppm, shift: from here it runs so fast; somebody sets it ahead by so many seconds.
        is_lost, is_corrected: a battery change; a visit.
    """

    after: int
    drift_ppm: int | None = None
    shift: int | None = None
    is_lost: bool = False
    is_corrected: bool = False

    def happen(self, clock: DoorClock, at: datetime) -> datetime:
        """Let it happen to a clock, the event before having been at ``at``. The moment of this one."""
        at += timedelta(seconds=self.after)
        if self.drift_ppm is not None:
            clock.drift(self.drift_ppm, at)
        if self.shift is not None:
            clock.shift(timedelta(seconds=self.shift), at)
        if self.is_lost:
            clock.lose()
        if self.is_corrected:
            clock.correct(at)
        return at


def clock_histories(max_size: int = 12) -> st.SearchStrategy[list[ClockEvent]]:
    """What happens to a lock's clock over weeks: temperature steps, hands that set it, battery changes, visits."""
    after = st.integers(0, 7 * 86_400)
    event = st.one_of(
        st.builds(ClockEvent, after, drift_ppm=st.integers(-200, 200)),
        st.builds(ClockEvent, after, shift=st.integers(-86_400, 86_400)),
        st.builds(ClockEvent, after, is_lost=st.just(True)),
        st.builds(ClockEvent, after, is_corrected=st.just(True)),
    )
    return st.lists(event, max_size=max_size)


@dataclass(frozen=True, slots=True)
class Press:
    """A key, and the seconds before it."""

    key: str
    after: int = 0


@st.composite
def keypad_sessions(draw: st.DrawFn, vendor: Vendor, codes: st.SearchStrategy[str] | None = None) -> list[Press]:
    """Keys as people press them: codes, wrong keys, clear and enter, long pauses.

    Args:
        vendor: whose keypad it is.
        codes: whole codes to be mixed in.
    """
    keypad = vendor.keypad
    keys = sorted({*vendor.profile.alphabet, *(c for family in vendor.profile.families for c in family.prefix)})
    key = st.sampled_from([*keys, keypad.enter, keypad.clear])
    pieces = st.text(key, min_size=1, max_size=6) if codes is None else st.text(key, min_size=1, max_size=6) | codes
    presses: list[Press] = []
    for piece in draw(st.lists(pieces, max_size=8)):
        pause = draw(st.just(0) | st.integers(1, 2 * keypad.timeout))
        presses += [Press(c, pause if i == 0 else draw(st.integers(0, 1))) for i, c in enumerate(piece)]
        if draw(st.booleans()):
            presses.append(Press(keypad.enter))
    return presses
