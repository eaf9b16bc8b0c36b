"""Round trips from a request to the lock's reason, for every vendor, in zones of every sort and over both changes of their clocks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offlinepin import AccessPin, Issuer, Lock, MasterKey, Reason
from offlinepin.engine.payload import candidate_windows
from offlinepin.errors import RequestError
from offlinepin.lock.decide import decide
from offlinepin.lock.state import State
from offlinepin.pin import ClockChange, MustBeUsedBy, Rounded
from offlinepin.vendor import discover, load

KEYS = MasterKey.from_bytes(bytes(range(32)))
HOUR, DAY, SECOND = timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)
NOW = datetime(2027, 1, 1, tzinfo=UTC)
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Casablanca", "UTC"]
# The clocks of these zones change on these days of 2027, as the IANA data has it; a stay over any of them is worth more than one elsewhere.
CHANGES = ["2027-02-07", "2027-03-14", "2027-03-28", "2027-04-04", "2027-10-03", "2027-10-31", "2027-11-07", "2027-07-01"]


@dataclass(frozen=True)
class Asked:
    """A request: its times, the lock's zone, and whether each end may move by a day."""

    vendor: str
    zone: str
    start: datetime
    end: datetime
    level: str | None
    rounding: str | None
    one_time: bool


@st.composite
def requests(draw: st.DrawFn) -> Asked:
    """A request near a day on which some zone's clocks change."""
    vendor, zone = draw(st.sampled_from(["igloo", "oracode", "standard"])), draw(st.sampled_from(ZONES))
    day = datetime.fromisoformat(draw(st.sampled_from(CHANGES))).date() + draw(st.integers(-3, 1)) * DAY
    where, nights = ZoneInfo(zone), draw(st.integers(1, 28))

    def at(days: int, clock: time, minutes: int) -> datetime:
        return (datetime.combine(day + days * DAY, clock, where).astimezone(UTC) + timedelta(minutes=minutes)).astimezone(UTC)

    off = st.integers(-59, 59)
    if vendor == "oracode":
        level = draw(st.sampled_from(["Guest", "Guest 24 h"]))
        check_in, check_out = (time(15), time(11)) if level == "Guest" else (time(0), time(0))
        early, late = (draw(off), draw(off)) if level == "Guest" else (draw(st.integers(0, 59)), -draw(st.integers(0, 59)))
        return Asked(vendor, zone, at(0, check_in, early), at(nights, check_out, late), level, None, False)
    start = at(0, time(draw(st.integers(0, 23))), draw(off))
    length = draw(st.integers(1, 26 * 24)) * HOUR + timedelta(minutes=draw(off)) / 2
    one_time = draw(st.booleans()) and length <= DAY
    rounding = None if vendor == "standard" else "1d" if one_time else draw(st.sampled_from(["1d", None]))
    return Asked(vendor, zone, start, start + length, None, rounding, one_time)


def served(asked: Asked) -> tuple[AccessPin, Issuer]:
    issuer = Issuer(KEYS, asked.vendor)
    options = {"level": asked.level, "max_time_rounding": asked.rounding, "one_time": asked.one_time}
    return issuer.issue("door", asked.start, asked.end, time_zone=asked.zone, now=NOW, **options), issuer  # type: ignore[arg-type]


def fresh(issuer: Issuer, asked: Asked) -> Lock:
    return Lock(issuer.provision("door", time_zone=asked.zone))


def moments(start: datetime, end: datetime) -> list[datetime]:
    """Moments of [start, end), its ends and those next to a clock change included."""
    span = end - start
    found = {start + span * n / 7 for n in range(7)} | {end - SECOND}
    for day in CHANGES:
        change = datetime.fromisoformat(day).replace(tzinfo=UTC)
        found |= {change + timedelta(minutes=m) for m in range(-720, 1440, 90)}
    return sorted(m for m in found if start <= m < end)


def still_tried(lock: Lock, pin: AccessPin, moment: datetime) -> bool:
    """Whether the lock still deciphers under the code's window then; if not, all that it can say is ``unknown``."""
    rules = lock.provisioning.profile
    index = rules.family_index(pin.family)
    reading = lock.provisioning.clock.reading(moment)
    return pin.start_slot // rules.families[index].window in candidate_windows(
        rules.families[index], reading, reading, rules.lock.tolerance
    )


@given(requests())
@settings(max_examples=80, deadline=None)
def test_a_code_opens_at_every_moment_of_its_time_and_at_none_outside(asked: Asked) -> None:
    pin, issuer = served(asked)
    tolerance = issuer.profile.lock.tolerance * SECOND
    begins, ends = pin.starts_at.astimezone(UTC), (pin.ends_at or NOW).astimezone(UTC)
    last_first_use = ends if pin.use_by is None else pin.use_by.astimezone(UTC)
    for moment in moments(begins, last_first_use):
        assert fresh(issuer, asked).enter(pin.code, moment).reason is Reason.OPENED
    outside = [(begins - tolerance - SECOND, Reason.TOO_EARLY), (ends + tolerance, Reason.EXPIRED)]
    if pin.use_by is not None:
        outside = [outside[0], (last_first_use, Reason.LAPSED)]
    for moment, reason in outside:
        lock = fresh(issuer, asked)
        assert lock.enter(pin.code, moment).reason is (reason if still_tried(lock, pin, moment) else Reason.UNKNOWN)
    if pin.one_time:
        lock = fresh(issuer, asked)
        assert [lock.enter(pin.code, begins).reason for _ in range(2)] == [Reason.OPENED, Reason.USED]
        return
    used = fresh(issuer, asked)
    for moment in moments(begins, ends):
        assert used.enter(pin.code, moment).reason is Reason.OPENED
    assert used.enter(pin.code, ends + tolerance).reason in (Reason.EXPIRED, Reason.UNKNOWN)


@given(requests())
@settings(max_examples=80, deadline=None)
def test_a_code_covers_its_request_or_differs_from_it_within_the_limit_and_says_by_how_much(asked: Asked) -> None:
    pin, issuer = served(asked)
    assert pin.ends_at is not None
    early = asked.start - pin.starts_at.astimezone(UTC)
    late = pin.ends_at.astimezone(UTC) - asked.end
    limit = issuer.vendor.rounding_of(issuer.profile.families[issuer.profile.family_index(pin.family)])
    allowed = limit.limit(DAY if asked.rounding else None)
    if not limit.nearest:
        assert early >= timedelta()
        assert late >= timedelta()
    if allowed is not None and not any(isinstance(n, ClockChange) for n in pin.notices):
        assert max(abs(early), abs(late)) <= allowed
    rounded = [(n.starts_early, n.ends_late) for n in pin.notices if isinstance(n, Rounded)]
    assert rounded == ([(early, late)] if early or late else [])
    assert [n.use_by for n in pin.notices if isinstance(n, MustBeUsedBy)] == ([pin.use_by] if pin.use_by else [])


@given(requests())
@settings(max_examples=60, deadline=None)
def test_a_civil_lock_tells_every_clock_change_of_its_codes_life_and_a_utc_lock_none(asked: Asked) -> None:
    pin, issuer = served(asked)
    assert pin.ends_at is not None
    told = [(n.at.astimezone(UTC), n.shift) for n in pin.notices if isinstance(n, ClockChange)]
    if issuer.profile.clock == "utc":
        assert told == []
        return
    where, found = ZoneInfo(asked.zone), []
    moment = pin.starts_at.astimezone(UTC)
    while moment < pin.ends_at.astimezone(UTC):
        before, after = (m.astimezone(where).utcoffset() or timedelta() for m in (moment, moment + HOUR / 2))
        if before != after:
            found.append((moment + HOUR / 2, after - before))
        moment += HOUR / 2
    assert [shift for _, shift in told] == [shift for _, shift in found]
    assert all(abs(a - b) < HOUR for (a, _), (b, _) in zip(told, found, strict=True))


@given(st.sampled_from(["igloo", "oracode", "standard"]), st.integers(0, 10**9 - 1), st.integers(0, 5 * 10**9), st.integers(0, 10**6))
@settings(max_examples=100, deadline=None)
def test_a_decision_is_pure_and_changes_nothing_in_place(vendor: str, number: int, now: int, uptime: int) -> None:
    rules, token, state = load(vendor).profile, KEYS.token("door"), State()
    first = decide(rules, token, state, now, uptime, f"{number:09d}")
    assert decide(rules, token, state, now, uptime, f"{number:09d}") == first
    assert state == State()


@pytest.mark.parametrize("vendor", ["igloo", "oracode", "standard"])
def test_each_vendor_is_found_by_its_entry_point_and_has_a_title(vendor: str) -> None:
    assert vendor in discover()
    made = load(vendor)
    assert made.name == vendor
    assert made.title


@pytest.mark.parametrize("vendor", ["igloo", "oracode", "standard"])
def test_each_vendor_refuses_what_none_can_serve(vendor: str) -> None:
    issuer = Issuer(KEYS, vendor)
    start = datetime(2027, 7, 1, 12, tzinfo=UTC)
    for end in (start - HOUR, start, start + 700 * DAY):
        with pytest.raises(RequestError):
            issuer.issue("door", start, end, time_zone="Europe/Berlin", now=NOW)
