"""Service codes from the issuer to the lock, for every vendor: revoke, clear, rotate and set_clock, also in civil zones."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offlinepin import AccessPin, Issuer, MasterKey, Profile, Vendor
from offlinepin.errors import RequestError, TimeZoneRequiredError, TokenOutOfStepError, UnknownKindError
from offlinepin.ledger import MemoryLedger, SqliteLedger
from offlinepin.lock.decide import Decision, Reason
from offlinepin.lock.door import Door
from offlinepin.lock.state import MAX_REVOKED
from offlinepin.pin import ServiceCode
from offlinepin.vendor import load

ZONE = "America/Los_Angeles"
HERE = ZoneInfo(ZONE)
NOW = datetime(2027, 7, 1, 16, 20, tzinfo=HERE)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
KEYS = MasterKey(bytes(range(32)))
VENDORS = ("igloo", "standard", "oracode")


class Site:
    """An issuer of one vendor and a lock of its."""

    def __init__(self, name: str, zone: str = ZONE, at: datetime = NOW) -> None:
        self.name, self.zone = name, zone
        self.issuer = Issuer(KEYS, civil_standard() if name == "civil standard" else name)
        self.tolerance = timedelta(seconds=self.issuer.profile.lock.tolerance)
        self.door = self.new_door(at)

    def new_door(self, at: datetime = NOW, device: str = "door") -> Door:
        return Door(self.issuer.provision(device, time_zone=self.zone), at)

    def stay(self, after: int = 0, days: int = 3, device: str = "door", generation: int | None = None) -> AccessPin:
        """A stay that begins ``after`` days after NOW, at a time that the vendor serves."""
        start = NOW.replace(minute=0) + after * DAY
        start, end, level = (
            (start.replace(hour=15), (start + days * DAY).replace(hour=11), "Guest")
            if self.name == "oracode"
            else (start, start + days * DAY, None)
        )
        return self.issuer.issue(device, start, end, level=level, time_zone=self.zone, generation=generation, now=NOW)

    def remembered(self) -> AccessPin:
        """A code that the lock remembers for longer than a window."""
        start = NOW.replace(minute=0)
        if self.name == "oracode":
            return self.issuer.issue("door", start.replace(hour=0), level="Master", time_zone=self.zone, now=NOW)
        return self.issuer.issue("door", start, start + 90 * DAY, time_zone=self.zone, now=NOW)

    def timed(self, action: str, now: datetime = NOW) -> ServiceCode:
        make: dict[str, Callable[..., ServiceCode]] = {
            "clear": self.issuer.clear,
            "rotate": self.issuer.rotate,
            "set_clock": self.issuer.set_clock,
        }
        return make[action]("door", time_zone=self.zone, now=now)

    def enter(self, code: AccessPin | ServiceCode, at: datetime = NOW) -> Decision:
        return self.door.enter(code.code, at)


def civil_standard() -> Vendor:
    """The standard product with a wall clock."""
    document = json.loads(load("standard").profile.json_text())
    return Vendor("civil standard", Profile.parse({**document, "clock": "civil"}))


@pytest.fixture(params=VENDORS)
def site(request: pytest.FixtureRequest) -> Site:
    return Site(request.param)


# --- revoke --------------------------------------------------------------------------------------------------------


def test_a_fresh_code_that_was_revoked_never_opens_and_others_do(site: Site) -> None:
    lost, other = site.stay(), site.stay()
    decision = site.enter(site.issuer.revoke(lost))
    assert (decision.reason, decision.action) == (Reason.OPENED, "revoke")
    assert site.door.bolt_moves == 0
    assert site.enter(lost).reason is Reason.REVOKED
    assert site.enter(other).opened
    site.door.power_up(NOW)
    assert site.enter(lost, NOW + HOUR).reason in (Reason.REVOKED, Reason.SUPERSEDED)  # the other may be of its group


def test_a_code_in_use_that_was_revoked_opens_no_more(site: Site) -> None:
    lost = site.stay()
    assert site.enter(lost).opened
    assert site.enter(site.issuer.revoke(lost), NOW + HOUR).opened
    assert site.enter(lost, NOW + HOUR).reason is Reason.REVOKED
    site.door.power_up(NOW + DAY)
    assert site.enter(lost, NOW + DAY).reason is Reason.REVOKED


def test_a_remembered_code_is_revoked_even_when_its_start_is_windows_ago(site: Site) -> None:
    lost = site.remembered()
    assert site.enter(lost).opened
    late = NOW + 80 * DAY
    assert site.enter(lost, late).opened
    assert site.enter(site.issuer.revoke(lost), late).action == "revoke"
    assert site.enter(lost, late).reason is Reason.REVOKED
    assert len(site.door.state.revoked) == 1
    site.door.power_up(late)
    assert site.enter(lost, late + HOUR).reason is Reason.REVOKED


def test_every_kind_that_opens_can_be_revoked() -> None:
    site = Site("oracode")
    long_stay = site.issuer.issue(
        "door", NOW.replace(hour=15, minute=0), NOW.replace(hour=11, minute=0) + 28 * DAY, level="Long stay", time_zone=ZONE, now=NOW
    )
    one_shot = site.issuer.issue(
        "door", NOW.replace(hour=0, minute=0), NOW.replace(hour=0, minute=0) + DAY, level="One-shot", one_time=True, time_zone=ZONE, now=NOW
    )
    for pin in (long_stay, one_shot):
        assert site.enter(site.issuer.revoke(pin)).action == "revoke"
        assert site.enter(pin).reason is Reason.REVOKED


def test_a_revocation_of_a_code_that_is_out_of_reach_changes_nothing(site: Site) -> None:
    old, far = site.stay(), site.stay(after=700)
    late = NOW + 200 * DAY
    for pin in (old, far):
        assert site.enter(site.issuer.revoke(pin), late).reason is Reason.UNKNOWN
    assert site.door.state.revoked == frozenset()


def test_a_revocation_is_for_one_lock_and_one_generation(site: Site) -> None:
    here, there, later = site.stay(), site.stay(device="other"), site.stay(after=1, generation=1)
    for pin in (there, later):
        assert site.enter(site.issuer.revoke(pin)).reason is Reason.UNKNOWN
    assert site.door.state.revoked == frozenset()
    assert site.enter(here).opened


def test_a_revocation_may_be_typed_twice_and_without_haste(site: Site) -> None:
    lost = site.stay()
    code = site.issuer.revoke(lost)
    assert (code.starts_at, code.ends_at) == (None, None)
    assert [site.enter(code, NOW + hours * HOUR).opened for hours in (0, 1, 20)] == [True] * 3
    assert len(site.door.state.revoked) == 1


def test_a_ninth_revocation_is_refused_as_full_until_there_is_room(site: Site) -> None:
    start = NOW.replace(minute=0)
    pins = [
        site.stay(after=-n, days=n + 3)
        if site.name == "oracode"
        else site.issuer.issue("door", start - n * HOUR, start + (20 - n) * HOUR, now=NOW)
        for n in range(MAX_REVOKED + 2)
    ]
    for pin in pins[:MAX_REVOKED]:
        assert site.enter(site.issuer.revoke(pin)).opened
    words = site.door.flash.words
    assert site.enter(site.issuer.revoke(pins[MAX_REVOKED])).reason is Reason.FULL
    assert site.door.flash.words > words
    assert site.enter(pins[MAX_REVOKED]).opened
    assert site.enter(site.issuer.revoke(pins[0])).opened  # one of the eight again
    assert all(site.enter(pin, NOW + 9 * HOUR).reason is Reason.REVOKED for pin in pins[:3])
    late = NOW + 40 * DAY
    after = site.issuer.issue("door", *_times(site, late), level="Guest" if site.name == "oracode" else None, time_zone=ZONE, now=NOW)
    another = site.issuer.issue("door", *_times(site, late), level="Guest" if site.name == "oracode" else None, time_zone=ZONE, now=NOW)
    assert site.enter(after, late).opened
    assert site.enter(site.issuer.revoke(another), late).opened


def _times(site: Site, at: datetime) -> tuple[datetime, datetime]:
    start = at.replace(minute=0)
    return (start.replace(hour=15), start.replace(hour=11) + 2 * DAY) if site.name == "oracode" else (start, start + 6 * HOUR)


# --- clear ---------------------------------------------------------------------------------------------------------


def test_a_clear_code_kills_what_started_before_and_nothing_else(site: Site) -> None:
    used, unused = site.stay(after=-1), site.stay(after=-1)
    assert site.enter(used).opened
    at = NOW + DAY
    code = site.timed("clear", at)
    assert site.enter(code, at).action == "clear"
    assert site.door.bolt_moves == 1
    for pin in (used, unused):
        assert site.enter(pin, at).reason is Reason.REVOKED
    assert site.enter(site.stay(after=1), at).opened
    site.door.power_up(at)
    assert site.enter(used, at).reason is Reason.REVOKED
    assert site.enter(code, at).opened  # again: nothing new
    assert site.enter(site.stay(after=1), at).opened


@pytest.mark.parametrize("action", ["clear", "rotate"])
def test_a_timed_service_code_works_in_its_time_only(site: Site, action: str) -> None:
    code = site.timed(action)
    assert code.starts_at is not None
    assert code.ends_at is not None
    assert code.starts_at <= NOW < code.ends_at
    for at, reason in (
        (code.starts_at - site.tolerance - SECOND, Reason.TOO_EARLY),
        (code.starts_at - site.tolerance, Reason.OPENED),
        (NOW, Reason.OPENED),
        (code.ends_at + site.tolerance - SECOND, Reason.OPENED),
        (code.ends_at + site.tolerance, Reason.EXPIRED),
    ):
        assert site.new_door(at).enter(code.code, at).reason is reason


@pytest.mark.parametrize("action", ["clear", "rotate"])
@given(minutes=st.integers(0, 24 * 60))
@settings(max_examples=20)
def test_a_timed_service_code_can_be_typed_for_a_day(action: str, minutes: int) -> None:
    """Up to the slot in which it was made, of an hour or of a day."""
    for name in VENDORS:
        now = NOW + minutes * MINUTE
        code = Site(name, at=now).timed(action, now)
        assert code.ends_at is not None
        assert code.ends_at - now >= 23 * HOUR


# --- rotate --------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["memory", "sqlite"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> MemoryLedger | SqliteLedger:
    return MemoryLedger() if request.param == "memory" else SqliteLedger(tmp_path / "ledger.db")


@pytest.mark.parametrize("name", VENDORS)
def test_a_rotation_ends_all_old_codes_and_confirming_it_begins_new_ones(name: str, ledger: MemoryLedger | SqliteLedger) -> None:
    site = Site(name)
    site.issuer = Issuer(KEYS, name, ledger)
    used, unused = site.stay(), site.stay()
    revoked = site.issuer.revoke(unused)
    assert site.enter(used).opened
    code = site.timed("rotate")
    before = site.door.token.check_value
    assert code.check_value != before
    assert site.enter(code).action == "rotate"
    assert site.door.token.check_value == code.check_value
    for old in (used, unused, revoked, code):
        site.door.power_up(NOW)
        assert site.enter(old, NOW).reason is Reason.UNKNOWN
    assert site.door.state.failures == 4
    assert ledger.generation("door") == 0
    assert site.issuer.confirm("door", f" {code.check_value.upper()} ") == 1
    assert ledger.generation("door") == 1
    fresh = site.stay()
    assert fresh.generation == 1
    assert site.enter(fresh).opened
    assert site.enter(site.issuer.revoke(fresh)).opened
    assert site.issuer.confirm("door", code.check_value) == 1
    with pytest.raises(TokenOutOfStepError, match="none of the generations 1 to 17 of device 'door'"):
        site.issuer.confirm("door", before)
    assert ledger.generation("other") == 0
    again = site.timed("rotate", NOW + HOUR)
    assert site.enter(again, NOW + HOUR).opened
    site.door.power_up(NOW + HOUR)
    assert site.door.token.check_value == again.check_value
    assert site.issuer.confirm("door", again.check_value) == 2


def test_a_lock_that_is_some_generations_ahead_is_found_and_one_too_far_ahead_is_not(ledger: MemoryLedger | SqliteLedger) -> None:
    issuer = Issuer(KEYS, "standard", ledger)
    values = [issuer.provision("door", generation=g).token.check_value for g in range(23)]
    for wrong in (values[17], "00000000", "", "nonsense"):
        with pytest.raises(TokenOutOfStepError, match="check value"):
            issuer.confirm("door", wrong)
    assert ledger.generation("door") == 0
    with pytest.raises(TokenOutOfStepError):
        issuer.confirm("door", values[4], ahead=3)
    assert issuer.confirm("door", values[4], ahead=4) == 4
    assert issuer.confirm("door", values[20]) == 20
    assert issuer.provision("door").token.generation == 20
    with pytest.raises(TokenOutOfStepError):
        issuer.confirm("door", values[19])


def test_the_generation_is_known_to_every_issuer_on_the_ledger_s_file(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    first, second = (Issuer(KEYS, "igloo", SqliteLedger(path)) for _ in range(2))
    first.confirm("door", first.rotate("door", now=NOW).check_value)
    assert second.rotate("door", now=NOW).check_value == first.provision("door", generation=2).token.check_value


# --- set_clock -----------------------------------------------------------------------------------------------------


def off_by(site: Site, at: datetime) -> float:
    """How far the lock's clock is off, in seconds."""
    shown = site.door.clock.reading(at)
    assert shown is not None
    return abs(shown - site.issuer.provision("door", time_zone=site.zone).clock.reading(at))


@pytest.mark.parametrize("off", [-400 * DAY, -HOUR, -5 * MINUTE, 7 * MINUTE, HOUR, 400 * DAY, 73 * 365 * DAY, None])
def test_a_clock_code_sets_a_clock_that_is_wrong_or_lost(site: Site, off: timedelta | None) -> None:
    if off is None:
        site.door.clock.lose()
    else:
        site.door.clock.shift(off, NOW)
    code = site.timed("set_clock")
    assert (code.starts_at, code.ends_at) == (None, None)
    decision = site.enter(code)
    assert (decision.reason, decision.action) == (Reason.OPENED, "set_clock")
    assert site.door.bolt_moves == 0
    assert off_by(site, NOW) <= 150
    assert site.enter(site.stay()).opened


def test_a_clock_code_works_once_and_an_older_one_never_again(site: Site) -> None:
    older, code, newer = (site.timed("set_clock", NOW + n * HOUR) for n in (-1, 0, 1))
    assert site.enter(code).opened
    for old in (code, older):
        site.door.clock.lose()
        assert site.enter(old).reason is Reason.EXPIRED
        assert site.door.clock.reading(NOW) is None
    site.door.power_up(NOW)
    assert site.enter(code).reason is Reason.EXPIRED
    assert site.enter(newer, NOW + HOUR).opened
    assert off_by(site, NOW + HOUR) <= 150


def test_no_clock_code_leads_back_before_a_code_that_opened(site: Site) -> None:
    site.door.clock.shift(5 * HOUR, NOW)
    assert site.enter(site.stay()).opened  # so the lock takes it for evening
    assert site.enter(site.timed("set_clock")).reason is Reason.EXPIRED
    at = NOW + 5 * HOUR + 10 * MINUTE
    assert site.enter(site.timed("set_clock", at), at).opened


def test_ordinary_codes_and_other_service_codes_never_move_the_clock(site: Site) -> None:
    site.door.clock.shift(13 * MINUTE, NOW)
    for code in (site.stay(), site.issuer.revoke(site.stay()), site.timed("clear"), site.timed("rotate")):
        before = site.door.clock.reading(NOW)
        assert site.enter(code).opened
        assert site.door.clock.reading(NOW) == before


def test_a_wrong_clock_code_is_charged_and_does_nothing(site: Site) -> None:
    site.door.clock.lose()
    code = site.timed("set_clock").code
    assert site.door.enter(code[:-1] + str((int(code[-1]) + 1) % 10), NOW).reason is Reason.UNKNOWN
    assert site.door.state.failures == 1
    assert site.door.clock.reading(NOW) is None


# --- civil time ----------------------------------------------------------------------------------------------------

BERLIN = ZoneInfo("Europe/Berlin")
CHANGES = {"spring": datetime(2027, 3, 28, 1, tzinfo=UTC), "autumn": datetime(2027, 10, 31, 1, tzinfo=UTC)}
AROUND = (-1500, -70, -40, -3, -1, 0, 1, 3, 17, 40, 58, 63, 130, 1500)  # minutes


@pytest.mark.parametrize("minutes", AROUND)
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["oracode", "civil standard"])
def test_a_clear_code_of_a_civil_lock_works_around_a_change_of_its_zone(name: str, change: str, minutes: int) -> None:
    now = CHANGES[change] + minutes * MINUTE
    site = Site(name, "Europe/Berlin", now)
    code = site.timed("clear", now)
    assert code.starts_at is not None
    assert code.ends_at is not None
    assert code.starts_at <= now < code.ends_at
    assert site.enter(code, now).opened
    clock, tolerance = site.issuer.provision("door", time_zone=site.zone).clock, site.issuer.profile.lock.tolerance
    for at, opens in (
        (clock.first(clock.reading(code.starts_at) - tolerance).astimezone(UTC) - SECOND, False),
        (code.ends_at.astimezone(UTC) - SECOND, True),
        (clock.last(clock.reading(code.ends_at) + tolerance), False),
    ):
        assert site.new_door(at).enter(code.code, at).opened is opens


@pytest.mark.parametrize("minutes", AROUND)
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["oracode", "civil standard", "standard"])
def test_a_clock_code_is_right_before_and_after_a_change_of_the_zone_or_is_not_given(name: str, change: str, minutes: int) -> None:
    """In the hour that comes twice a reading does not say which of the two it is, so a code for it may be refused."""
    now = CHANGES[change] + minutes * MINUTE
    site = Site(name, "Europe/Berlin", now)
    site.door.clock.lose()
    try:
        code = site.timed("set_clock", now)
    except RequestError:
        assert change == "autumn"
        assert -63 <= minutes < 63
        return
    assert site.enter(code, now).opened
    assert off_by(site, now + 3 * HOUR) <= 150
    assert off_by(site, now + 60 * DAY) <= 150


def test_a_civil_lock_s_zone_must_be_known_for_codes_that_have_a_time() -> None:
    issuer = Issuer(KEYS, "oracode")
    for make in (issuer.clear, issuer.rotate, issuer.set_clock):
        with pytest.raises(TimeZoneRequiredError):
            make("door", now=NOW)
    site = Site("oracode")
    site.issuer.revoke(site.stay())


# --- what cannot be given ------------------------------------------------------------------------------------------


def test_a_profile_without_service_codes_says_so(document: dict[str, object]) -> None:
    issuer = Issuer(KEYS, Profile.parse(document))
    pin = issuer.issue("door", NOW.replace(minute=0), NOW.replace(minute=0) + HOUR, now=NOW)
    for action, make in (("clear", issuer.clear), ("rotate", issuer.rotate), ("set_clock", issuer.set_clock)):
        with pytest.raises(UnknownKindError, match=f"profile 'example-9' has no {action} code$"):
            make("door", now=NOW)
    with pytest.raises(UnknownKindError, match=r"has no revoke code for 'access\.hourly'"):
        issuer.revoke(pin)


def test_a_service_code_is_not_shown_by_repr(site: Site) -> None:
    for code in (site.timed("clear"), site.timed("rotate"), site.timed("set_clock"), site.issuer.revoke(site.stay())):
        assert code.code not in repr(code)
        assert code.grouped not in repr(code)
        assert code.grouped.replace(" ", "") == code.code
        assert code.device_id == "door"
