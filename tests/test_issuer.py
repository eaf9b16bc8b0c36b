"""The issuer: a variant is handed out once, a request id means one thing, a look-alike is skipped, and a refusal changes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offlinepin import (
    AccessPin,
    DeviceToken,
    ImportedTokens,
    Issuer,
    Lock,
    MasterKey,
    MemoryLedger,
    Profile,
    Provisioning,
    Reason,
    SqliteLedger,
)
from offlinepin.engine.codec import open_under, seal
from offlinepin.engine.payload import Grant, life
from offlinepin.errors import (
    ExhaustedError,
    OfflinepinError,
    RequestIdConflictError,
    StayError,
    TokenOutOfStepError,
    UnknownKindError,
    VariantError,
    VariantTakenError,
    WeakProfileError,
)
from offlinepin.pin import ClockChange, MustBeUsedBy, Rounded, Supersedes

NOW = datetime(2027, 7, 1, 12, tzinfo=UTC)
HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
BERLIN = ZoneInfo("Europe/Berlin")
KEYS = MasterKey.from_bytes(bytes(range(32)))


def kind(name: str, durations: list[list[int]], **changes: Any) -> dict[str, Any]:
    plain = {"action": "unlock", "variants": 3, "activation": 0, "uses": 0, "linger": 0, "opens": 0, "closes": 0}
    return {"name": name, "durations": durations, **plain, "hours": [0, 86_400], "weekdays": 127, "supersedes": "", **changes}


def profile(kinds: list[dict[str, Any]], length: int = 9, window: int = 64, clock: str = "utc", slot: int = 3600) -> Profile:
    lock = {"tolerance": 60, "capacity": 8, "lockout": {"free": 3, "delay": 60, "growth": 2, "cap": 600, "leak": 900}}
    family = {"name": "access", "prefix": "", "length": length, "slot": slot, "window": window, "kinds": kinds}
    return Profile.parse({"offlinepin": 1, "name": "p", "alphabet": "0123456789", "clock": clock, "families": [family], "lock": lock})


GUESTS = profile([kind("guest", [[1, 1, 60]], supersedes="room"), kind("crew", [[1, 1, 60]], supersedes="crew"), kind("free", [[1, 1, 9]])])


class Spy(MemoryLedger):
    """The ledger in memory, which tells what it holds."""

    @property
    def held(self) -> tuple[int, int]:
        return sum(map(len, self._taken.values())), len(self._requests)


@pytest.fixture
def ledger() -> Spy:
    return Spy()


@pytest.fixture
def igloo(ledger: Spy) -> Issuer:
    return Issuer(KEYS, "igloo", ledger)


# --- variants -----------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 2), st.integers(1, 3), st.booleans()), max_size=40))
@settings(max_examples=30, deadline=None)
def test_no_code_is_ever_handed_out_twice(requests: list[tuple[str, int, int, bool]]) -> None:
    issuer, codes, counts = Issuer(KEYS, "igloo"), set[tuple[str, str]](), dict[Any, int]()
    for device, start, hours, once in requests:
        place = (device, start, None if once else hours)
        try:
            pin = issuer.issue(device, NOW + start * HOUR, None if once else NOW + (start + hours) * HOUR, one_time=once, now=NOW)
        except ExhaustedError:
            assert counts[place] == (5 if once else 3)
            continue
        assert (device, pin.code) not in codes
        codes.add((device, pin.code))
        counts[place] = counts.get(place, 0) + 1
        assert pin.variant == counts[place] - 1


def test_when_every_variant_is_spent_the_answer_is_an_error_and_never_a_repeat(igloo: Issuer, ledger: Spy) -> None:
    variants = [igloo.issue("door", NOW, NOW + HOUR, now=NOW).variant for _ in range(3)]
    assert variants == [0, 1, 2]
    with pytest.raises(ExhaustedError, match=r"all 3 variants.*'hourly'.*'door'.*change the start or the end") as refusal:
        igloo.issue("door", NOW, NOW + HOUR, now=NOW)
    assert refusal.value.code == "exhausted"
    assert ledger.held == (3, 0)
    assert igloo.issue("door", NOW, NOW + 2 * HOUR, now=NOW).variant == 0
    assert igloo.issue("other", NOW, NOW + HOUR, now=NOW).variant == 0
    assert igloo.issue("door", NOW, NOW + HOUR, generation=1, now=NOW).variant == 0


def test_an_exhausted_error_names_the_time_as_a_person_writes_it(igloo: Issuer) -> None:
    for _ in range(3):
        igloo.issue("door", NOW, NOW + HOUR, now=NOW)
    with pytest.raises(ExhaustedError, match="2027-07-01"):
        igloo.issue("door", NOW, NOW + HOUR, now=NOW)


def test_a_variant_of_ones_own_choice_is_given_once(igloo: Issuer, ledger: Spy) -> None:
    assert igloo.issue("door", NOW, NOW + HOUR, variant=1, now=NOW).variant == 1
    with pytest.raises(VariantTakenError, match=r"variant 1 of kind 'hourly'.*ask for another") as refusal:
        igloo.issue("door", NOW, NOW + HOUR, variant=1, now=NOW)
    assert refusal.value.code == "variant_taken"
    assert [igloo.issue("door", NOW, NOW + HOUR, now=NOW).variant for _ in range(2)] == [0, 2]
    assert ledger.held == (3, 0)


@pytest.mark.parametrize("variant", [-1, 3, 24])
def test_a_variant_outside_the_range_is_refused_with_the_range(igloo: Issuer, ledger: Spy, variant: int) -> None:
    with pytest.raises(VariantError, match=rf"kind 'hourly' has the variants 0 to 2, not {variant}"):
        igloo.issue("door", NOW, NOW + HOUR, variant=variant, now=NOW)
    assert ledger.held == (0, 0)


def test_two_issuers_with_one_file_never_repeat(tmp_path: Path) -> None:
    issuers = [Issuer(KEYS, "igloo", SqliteLedger(tmp_path / "ledger.sqlite")) for _ in range(2)]
    codes = [issuers[n % 2].issue("door", NOW, NOW + HOUR, now=NOW).code for n in range(3)]
    assert len(set(codes)) == 3
    for issuer in issuers:
        with pytest.raises(ExhaustedError):
            issuer.issue("door", NOW, NOW + HOUR, now=NOW)


# --- request ids --------------------------------------------------------------------------------------------------


def _memory(_: Path) -> MemoryLedger | SqliteLedger:
    return MemoryLedger()


def _sqlite(path: Path) -> MemoryLedger | SqliteLedger:
    return SqliteLedger(path / "ledger.sqlite")


@pytest.mark.parametrize("make", [_memory, _sqlite])
def test_the_same_request_id_gives_the_same_code_also_later(make: Callable[[Path], MemoryLedger | SqliteLedger], tmp_path: Path) -> None:
    issuer = Issuer(KEYS, "igloo", make(tmp_path))
    first = issuer.issue("door", NOW, NOW + 9 * DAY, request_id="r", now=NOW)
    for later in (timedelta(), HOUR, 3 * DAY, 9 * DAY - MINUTE):
        again = issuer.issue("door", NOW.astimezone(BERLIN), NOW + 9 * DAY, request_id="r", now=NOW + later)
        assert (again.code, again.variant, again.starts_at) == (first.code, first.variant, first.starts_at)
    assert issuer.issue("door", NOW, NOW + 9 * DAY, request_id="s", now=NOW).variant == 1
    assert issuer.issue("other", NOW, NOW + 9 * DAY, request_id="r", now=NOW).variant == 0, "an id is the device's own"


@pytest.mark.parametrize(
    "changes",
    [
        {"ends_at": NOW + 2 * HOUR},
        {"starts_at": NOW + 30 * MINUTE},
        {"kind": "hourly"},
        {"level": "access"},
        {"variant": 0},
        {"one_time": True, "ends_at": NOW + DAY},
    ],
)
def test_a_request_id_for_another_request_is_refused_and_takes_nothing(igloo: Issuer, ledger: Spy, changes: dict[str, Any]) -> None:
    asked: dict[str, Any] = {"starts_at": NOW, "ends_at": NOW + HOUR, "request_id": "r", "now": NOW}
    igloo.issue("door", **asked)
    with pytest.raises(RequestIdConflictError, match=r"'r' of device 'door' was used before") as refusal:
        igloo.issue("door", **{**asked, **changes})
    assert refusal.value.code == "request_id_conflict"
    assert ledger.held == (1, 1)


def test_an_answer_by_request_id_opens_the_lock_of_the_generation_that_it_names(igloo: Issuer) -> None:
    """Whatever the second call says of the generation, code and generation of an answer belong together."""
    igloo.issue("door", NOW, NOW + HOUR, request_id="r", now=NOW)
    try:
        again = igloo.issue("door", NOW, NOW + HOUR, request_id="r", generation=1, now=NOW)
    except RequestIdConflictError:
        return
    assert Lock(igloo.provision("door", generation=again.generation)).enter(again.code, NOW).opened


def test_a_request_id_in_another_zone_of_a_civil_lock_is_another_request() -> None:
    issuer = Issuer(KEYS, profile([kind("k", [[1, 1, 40]])], clock="civil"))
    asked: dict[str, Any] = {"starts_at": NOW, "ends_at": NOW + HOUR, "request_id": "r", "now": NOW}
    issuer.issue("door", time_zone="Europe/Berlin", **asked)
    with pytest.raises(RequestIdConflictError):
        issuer.issue("door", time_zone="Asia/Tokyo", **asked)


def test_a_refused_request_leaves_its_id_free(igloo: Issuer) -> None:
    with pytest.raises(OfflinepinError):
        igloo.issue("door", NOW, NOW + 28 * DAY + HOUR, request_id="r", now=NOW)
    assert igloo.issue("door", NOW, NOW + HOUR, request_id="r", now=NOW).variant == 0


# --- bad input ----------------------------------------------------------------------------------------------------

BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"starts_at": NOW.replace(tzinfo=None)}, "naive_datetime", "the start 2027-07-01T12:00:00 has no time zone"),
    ({"ends_at": NOW.replace(tzinfo=None)}, "naive_datetime", "the end 2027-07-01T12:00:00 has no time zone"),
    ({"now": NOW.replace(tzinfo=None)}, "naive_datetime", "the present 2027-07-01T12:00:00 has no time zone"),
    ({"ends_at": NOW - HOUR}, "end_before_start", "the end 2027-07-01T11:00:00+00:00 must be later than the start 2027-07-01T12"),
    ({"ends_at": NOW}, "end_before_start", "must be later"),
    (
        {"starts_at": NOW - DAY, "ends_at": NOW - HOUR},
        "end_in_past",
        "the end 2027-07-01T11:00:00+00:00 is over already; it is 2027-07-01T12",
    ),
    ({"ends_at": NOW + 368 * DAY}, "too_long", "daily: at most 8808 hours (367 d)"),
    ({"ends_at": NOW + 673 * HOUR}, "invalid_time_range", "hourly: at most 672 hours (28 d); daily: the next longer 29 d"),
    ({"ends_at": None, "kind": "hourly"}, "end_required", "1 to 672"),
    ({"kind": "weekly"}, "unknown_kind", "it has hourly, daily, onetime (one-time), permanent"),
    ({"level": "Guest"}, "unknown_kind", "'Guest'; it has access"),
    ({"time_zone": "Mars/Olympus"}, "unknown_time_zone", "'Mars/Olympus' is no time zone; give an IANA name such as Europe/Berlin"),
    ({"time_zone": "../etc/passwd"}, "unknown_time_zone", "is no time zone"),
    ({"ends_at": datetime(2028, 3, 26, 2, 30, tzinfo=BERLIN)}, "nonexistent_time", "the clocks go forward by 1:00:00"),
    ({"ends_at": datetime(2027, 10, 31, 2, 30, tzinfo=BERLIN)}, "ambiguous_time", "say which"),
    ({"variant": 3}, "invalid_variant", "0 to 2, not 3"),
    ({"max_time_rounding": "2h"}, "invalid_request", "1hour, 1h, 1day, 1d, not '2h'"),
    ({"max_time_rounding": -HOUR, "ends_at": NOW + HOUR}, "invalid_request", "rounding"),
    ({"device_id": ""}, "invalid_device_id", "1 to 64 bytes"),
    ({"device_id": "é" * 33}, "invalid_device_id", "has 66"),
    ({"starts_at": datetime(1969, 12, 31, tzinfo=UTC), "ends_at": NOW + HOUR}, "time_out_of_range", "1969-12-31"),
    ({"starts_at": datetime(9999, 12, 31, 20, tzinfo=UTC), "ends_at": None}, "time_out_of_range", "9999"),
    ({"generation": -1}, "invalid_key", "-1"),
]


@pytest.mark.parametrize(("changes", "code", "words"), BAD, ids=[f"{code}-{n}" for n, (_, code, _) in enumerate(BAD)])
def test_bad_input_gives_one_clear_error_and_changes_nothing(
    igloo: Issuer, ledger: Spy, changes: dict[str, Any], code: str, words: str
) -> None:
    asked: dict[str, Any] = {"device_id": "door", "starts_at": NOW, "ends_at": NOW + HOUR, "now": NOW, "request_id": "r", **changes}
    with pytest.raises(OfflinepinError) as refusal:
        igloo.issue(**asked)
    assert refusal.value.code == code
    assert words in str(refusal.value)
    assert refusal.value.message == str(refusal.value)
    assert ledger.held == (0, 0)


def test_a_civil_lock_needs_its_zone(ledger: Spy) -> None:
    issuer = Issuer(KEYS, profile([kind("k", [[1, 1, 40]])], clock="civil"), ledger)
    with pytest.raises(OfflinepinError, match="its time zone must be given, such as Europe/Berlin") as refusal:
        issuer.issue("door", NOW, NOW + HOUR, now=NOW)
    assert refusal.value.code == "time_zone_required"
    assert ledger.held == (0, 0)


def test_a_weak_profile_is_refused_unless_it_is_allowed() -> None:
    weak = profile([kind("k", [[1, 1, 40]])], length=4)
    with pytest.raises(
        WeakProfileError, match=r"a guess opens with 1 in \d+; at least 1 in 1000 is required. \d sealed symbols instead of 4"
    ):
        Issuer(KEYS, weak)
    assert Issuer(KEYS, weak, allow_weak=True).issue("door", NOW, NOW + HOUR, now=NOW).code


def test_an_unknown_vendor_is_refused_with_those_installed() -> None:
    with pytest.raises(OfflinepinError, match=r"no vendor 'yale' is installed; there are .*igloo") as refusal:
        Issuer(KEYS, "yale")
    assert refusal.value.code == "unknown_vendor"


def test_a_ledger_that_fails_hands_out_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    issuer = Issuer(KEYS, "igloo", SqliteLedger(path, timeout=0))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(OfflinepinError, match="no code was handed out") as refusal:
        issuer.issue("door", NOW, NOW + HOUR, now=NOW)
    assert refusal.value.code == "ledger_unusable"
    other.execute("ROLLBACK")
    other.close()
    assert issuer.issue("door", NOW, NOW + HOUR, now=NOW).variant == 0


# --- look-alikes --------------------------------------------------------------------------------------------------

SMALL = profile([kind("k", [[1, 1, 12]], variants=8)], length=4, window=16)
TOKEN = DeviceToken(bytes(32))


def look_alikes(rules: Profile, token: DeviceToken, grant: Grant) -> list[Grant]:
    """By brute force: the other readings of a grant's code, in any window near, that a lock would open for in the grant's life."""
    number, own = int(seal(rules, token, grant)), life(rules, grant)
    family, tolerance = rules.families[0], rules.lock.tolerance
    assert own.ends is not None
    window = grant.start // family.window
    readings = [open_under(rules, token, 0, w, number) for w in range(window - 3, window + 4) if w != window]
    found = []
    for other in (r for r in readings if r is not None):
        held = life(rules, other)
        if held.starts - tolerance < own.ends + tolerance and own.starts - tolerance < held.fresh_until(tolerance):
            found.append(other)
    return found


def test_a_code_with_a_second_valid_reading_is_skipped_and_only_such_a_code() -> None:
    issuer = Issuer(ImportedTokens({"door": TOKEN}), SMALL, allow_weak=True)
    skipped = 0
    for start in range(504_000, 504_032):
        begins = datetime.fromtimestamp(start * 3600, UTC)
        for duration in range(1, 13):
            clean = [v for v in range(8) if not look_alikes(SMALL, TOKEN, Grant(0, 0, start, duration, v))]
            given_out = []
            while True:
                try:
                    given_out.append(issuer.issue("door", begins, begins + duration * HOUR, now=begins).variant)
                except ExhaustedError:
                    break
            assert given_out == clean
            skipped += 8 - len(clean)
    assert skipped > 10, "the search has found some"


def test_a_skipped_code_would_indeed_have_opened_as_another() -> None:
    for start in range(504_000, 504_064):
        for variant in range(8):
            grant = Grant(0, 0, start, 12, variant)
            for other in look_alikes(SMALL, TOKEN, grant):
                held = life(SMALL, other)
                lock = Lock(Provisioning("door", TOKEN, SMALL))
                decision = lock.enter(seal(SMALL, TOKEN, grant), datetime.fromtimestamp(held.starts, UTC))
                assert decision.reason is Reason.OPENED
                return
    raise AssertionError("no look-alike found")


def test_a_variant_asked_for_that_is_a_look_alike_is_refused(ledger: Spy) -> None:
    issuer = Issuer(ImportedTokens({"door": TOKEN}), SMALL, ledger, allow_weak=True)
    places = ((s, d, v) for s in range(504_000, 504_064) for d in (12, 11) for v in range(8))
    start, duration, variant = next(p for p in places if look_alikes(SMALL, TOKEN, Grant(0, 0, *p)))
    begins = datetime.fromtimestamp(start * 3600, UTC)
    with pytest.raises(VariantTakenError, match="or reads as another code; ask for another"):
        issuer.issue("door", begins, begins + duration * HOUR, variant=variant, now=begins)
    assert ledger.held == (0, 0)


# --- superseding --------------------------------------------------------------------------------------------------


@pytest.fixture
def guests(ledger: Spy) -> Issuer:
    return Issuer(KEYS, GUESTS, ledger)


def issue(issuer: Issuer, start: int, hours: int, **options: Any) -> AccessPin:
    return issuer.issue("door", NOW + start * HOUR, NOW + (start + hours) * HOUR, **{"kind": "guest", "now": NOW, **options})


def test_a_code_that_supersedes_another_ends_it_on_first_use(guests: Issuer) -> None:
    lock = Lock(guests.provision("door"))
    old = issue(guests, 0, 20, variant=1)
    same, longer, later = issue(guests, 0, 20, supersedes=old), issue(guests, 0, 30, supersedes=old), issue(guests, 1, 20, supersedes=old)
    assert (same.variant, longer.variant, later.variant) == (2, 2, 0)
    assert lock.enter(old.code, NOW + HOUR).reason is Reason.OPENED
    for new in (longer, later):
        assert lock.enter(new.code, NOW + HOUR).reason is Reason.OPENED
        assert lock.enter(old.code, NOW + HOUR).reason is Reason.SUPERSEDED


def test_a_code_that_cannot_supersede_another_is_refused(guests: Issuer, ledger: Spy) -> None:
    old = issue(guests, 2, 20)
    with pytest.raises(StayError, match="cannot supersede one that starts later"):
        issue(guests, 0, 20, supersedes=old)
    for other in ("crew", "free"):
        with pytest.raises(StayError, match=f"kind '{other}' supersedes no code of kind 'guest': they share no group") as refusal:
            issue(guests, 2, 9, kind=other, supersedes=old)
    assert refusal.value.code == "stay_not_changeable"
    assert ledger.held == (1, 0)


def test_a_code_of_another_lock_or_generation_cannot_be_superseded(guests: Issuer, ledger: Spy) -> None:
    old = issue(guests, 0, 20)
    with pytest.raises(StayError, match="door"):
        guests.issue("other", NOW, NOW + 20 * HOUR, kind="guest", supersedes=old, now=NOW)
    with pytest.raises(StayError, match="generation"):
        issue(guests, 0, 20, supersedes=old, generation=1)
    assert ledger.held == (1, 0)


def test_when_no_later_variant_is_left_nothing_is_called_taken_that_nobody_asked_for(guests: Issuer) -> None:
    last, before = issue(guests, 0, 20, variant=2), issue(guests, 0, 20, variant=1)
    for old in (last, before):
        with pytest.raises(ExhaustedError):
            issue(guests, 0, 20, supersedes=old)


def test_an_exhausted_superseder_does_not_claim_that_all_variants_are_spent(guests: Issuer) -> None:
    last = issue(guests, 0, 20, variant=2)
    with pytest.raises(ExhaustedError) as refusal:
        issue(guests, 0, 20, supersedes=last)
    assert "all 3 variants" not in str(refusal.value), "two are free; they come before the one to supersede"


# --- service codes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vendor", ["igloo", "standard"])
def test_a_revoked_code_opens_no_more_and_the_others_do(vendor: str) -> None:
    issuer = Issuer(KEYS, vendor)
    lock = Lock(issuer.provision("door"))
    gone, kept = (issuer.issue("door", NOW, NOW + 3 * DAY, now=NOW) for _ in range(2))
    code = issuer.revoke(gone)
    assert (code.action, code.starts_at, code.ends_at) == ("revoke", None, None)
    assert lock.enter(gone.code, NOW).opened
    assert lock.enter(code.code, NOW).opened
    assert lock.enter(gone.code, NOW).reason is Reason.REVOKED
    assert lock.enter(kept.code, NOW).opened
    assert code.code not in repr(code)
    assert code.grouped.replace(" ", "") == code.code


def test_a_clear_code_ends_what_has_begun_before_its_slot_and_can_be_typed_for_a_day(igloo: Issuer) -> None:
    lock = Lock(igloo.provision("door"))
    before, after = (igloo.issue("door", NOW + n * HOUR, NOW + 9 * HOUR, now=NOW) for n in (0, 1))
    code = igloo.clear("door", now=NOW + HOUR)
    assert (code.starts_at, code.ends_at) == (NOW + HOUR, NOW + 2 * HOUR + DAY)  # a day from anywhere in its slot
    assert lock.enter(code.code, NOW + HOUR).opened
    assert lock.enter(before.code, NOW + HOUR).reason is Reason.REVOKED
    assert lock.enter(after.code, NOW + HOUR).opened
    late = igloo.clear("door", now=NOW + HOUR)
    assert not Lock(igloo.provision("door")).enter(late.code, NOW + 2 * HOUR + DAY).opened


def test_after_a_rotation_the_issuer_follows_the_lock_by_its_check_value(igloo: Issuer) -> None:
    lock = Lock(igloo.provision("door"))
    old = igloo.issue("door", NOW, NOW + HOUR, now=NOW)
    rotate = igloo.rotate("door", now=NOW)
    assert lock.enter(rotate.code, NOW).opened
    assert lock.check_value == rotate.check_value
    assert igloo.confirm("door", f" {lock.check_value.upper()} ") == 1
    new = igloo.issue("door", NOW, NOW + HOUR, now=NOW)
    assert (new.generation, new.variant) == (1, 0)
    assert lock.enter(old.code, NOW).reason is not Reason.OPENED
    assert lock.enter(new.code, NOW).opened
    assert igloo.confirm("door", lock.check_value) == 1, "said again, it changes nothing"


def test_a_check_value_of_no_generation_near_is_refused_and_steps_nothing(igloo: Issuer, ledger: Spy) -> None:
    for wrong in ("00000000", KEYS.token("door", 17).check_value, KEYS.token("other").check_value):
        with pytest.raises(TokenOutOfStepError, match=rf"'{wrong}' belongs to none of the generations 0 to 16 of device 'door'"):
            igloo.confirm("door", wrong)
    assert ledger.generation("door") == 0
    assert igloo.confirm("door", KEYS.token("door", 16).check_value) == 16


def test_a_request_id_from_before_a_rotation_still_names_a_code_and_generation_that_belong_together(igloo: Issuer) -> None:
    first = igloo.issue("door", NOW, NOW + HOUR, request_id="r", now=NOW)
    igloo.confirm("door", KEYS.token("door", 1).check_value)
    again = igloo.issue("door", NOW, NOW + HOUR, request_id="r", now=NOW)
    assert Lock(igloo.provision("door", generation=again.generation)).enter(again.code, NOW).opened
    assert (again.generation, again.code) == (first.generation, first.code)


@given(st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_a_set_clock_code_is_of_now_to_the_nearest_five_minutes(seconds: int) -> None:
    issuer = Issuer(KEYS, "igloo")
    lock, now = Lock(issuer.provision("door")), NOW + timedelta(seconds=seconds)
    code = issuer.set_clock("door", now=now)
    assert lock.enter(code.code, now, clock_lost=True).opened
    assert abs(lock.state.floor - now.timestamp()) <= 150
    assert lock.enter(code.code, now, clock_lost=True).reason is Reason.EXPIRED


def test_a_profile_without_service_codes_says_so(guests: Issuer) -> None:
    for make in (guests.clear, guests.rotate, guests.set_clock):
        with pytest.raises(UnknownKindError, match=r"profile 'p' has no (clear|rotate|set_clock) code"):
            make("door", now=NOW)
    with pytest.raises(UnknownKindError, match=r"has no revoke code for 'access.guest'"):
        guests.revoke(issue(guests, 0, 20))


# --- what the answer says -----------------------------------------------------------------------------------------


def test_an_answer_has_every_fact_of_its_code(igloo: Issuer) -> None:
    pin = igloo.issue("door", NOW + 30 * MINUTE, NOW + 40 * HOUR, now=NOW)
    assert (pin.vendor, pin.family, pin.kind, pin.variant, pin.generation) == ("igloo", "access", "hourly", 0, 0)
    assert (pin.starts_at, pin.ends_at, pin.use_by) == (NOW, NOW + 40 * HOUR, NOW + DAY)
    assert (pin.start_slot * 3600, pin.duration, pin.one_time) == (int(NOW.timestamp()), 40, False)
    assert pin.notices == (MustBeUsedBy(use_by=NOW + DAY), Rounded(starts_early=30 * MINUTE, ends_late=timedelta()))
    assert igloo.issue("door", NOW, NOW + DAY, now=NOW).notices == ()
    assert igloo.issue("door", NOW, NOW + DAY, now=NOW, one_time=True).one_time


def test_times_are_in_the_locks_zone_or_else_in_the_requests(igloo: Issuer) -> None:
    start = NOW.astimezone(BERLIN)
    assert igloo.issue("door", start, start + HOUR, now=NOW).starts_at.tzinfo == BERLIN
    assert str(igloo.issue("door", start, start + HOUR, time_zone="Asia/Tokyo", now=NOW).starts_at) == "2027-07-01 21:00:00+09:00"


def test_what_is_rounded_is_told_in_true_time_across_a_clock_change() -> None:
    """From 04:00 on the wall back to 00:00 UTC are three hours, though the wall shows two."""
    issuer = Issuer(KEYS, profile([kind("k", [[1, 1, 40]])], slot=86_400))
    start = datetime(2027, 10, 31, 4, tzinfo=BERLIN)
    pin = issuer.issue("door", start, datetime(2027, 11, 3, 1, tzinfo=BERLIN), now=NOW)
    assert pin.starts_at.astimezone(UTC) == datetime(2027, 10, 31, tzinfo=UTC)
    assert pin.notices == (Rounded(starts_early=3 * HOUR, ends_late=timedelta()),)


def test_a_civil_code_ends_when_the_lock_says_so_at_a_clock_change() -> None:
    """02:00 comes twice; the code that ends there is refused from the first time on, and no hour is promised beyond it."""
    issuer = Issuer(KEYS, profile([kind("k", [[1, 1, 40]])], clock="civil"))
    end = datetime(2027, 10, 31, 0, tzinfo=UTC)  # 02:00 in Berlin, the first
    pin = issuer.issue("door", end - 5 * HOUR, end, time_zone="Europe/Berlin", now=NOW)
    lock = Lock(issuer.provision("door", time_zone="Europe/Berlin"))
    assert lock.enter(pin.code, end + 30 * MINUTE).reason is Reason.EXPIRED
    assert pin.ends_at is not None
    assert pin.ends_at.astimezone(UTC) == end
    assert not any(isinstance(n, Rounded) for n in pin.notices)


@pytest.mark.parametrize(("at", "shift"), [(datetime(2028, 3, 26, 1, tzinfo=UTC), HOUR), (datetime(2027, 10, 31, 1, tzinfo=UTC), -HOUR)])
def test_a_clock_change_in_a_civil_codes_life_is_told(at: datetime, shift: timedelta) -> None:
    issuer = Issuer(KEYS, profile([kind("k", [[1, 1, 40]])], clock="civil"))
    for start, told in ((at - 5 * HOUR, True), (at + 5 * HOUR, False), (at - 25 * HOUR, False)):
        pin = issuer.issue("door", start, start + 8 * HOUR, time_zone="Europe/Berlin", now=NOW)
        changes = [n for n in pin.notices if isinstance(n, ClockChange)]
        assert [(n.at.astimezone(UTC), n.shift) for n in changes] == ([(at, shift)] if told else [])


def test_a_code_that_supersedes_says_so(guests: Issuer) -> None:
    assert Supersedes(group="room") in issue(guests, 0, 20).notices


def test_a_late_start_begins_now_and_says_so(igloo: Issuer) -> None:
    pin = igloo.issue("door", NOW - 3 * DAY, NOW + 2 * DAY, now=NOW + 10 * MINUTE)
    assert (pin.starts_at, pin.ends_at, pin.use_by) == (NOW, NOW + 2 * DAY, NOW + DAY)
    assert Rounded(starts_early=-3 * DAY, ends_late=timedelta()) in pin.notices
    assert Lock(igloo.provision("door")).enter(pin.code, NOW + 10 * MINUTE).opened


def test_an_issuer_says_no_secret_and_provisions_the_token_that_it_issues_with(igloo: Issuer) -> None:
    door = igloo.provision("door", time_zone="Europe/Berlin", generation=2)
    assert (door.device_id, door.token.generation, door.time_zone) == ("door", 2, "Europe/Berlin")
    assert door.token.check_value == KEYS.token("door", 2).check_value
    assert KEYS.token("door").export().hex() not in repr(vars(igloo))


def test_tokens_are_cached_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("offlinepin.issuer._CACHED_TOKENS", 3)
    issuer = Issuer(KEYS, "standard")
    codes = [issuer.issue(f"door {n}", NOW, NOW + HOUR, now=NOW).code for n in range(8)]
    assert [Issuer(KEYS, "standard").issue(f"door {n}", NOW, NOW + HOUR, now=NOW).code for n in range(8)] == codes
    assert len(issuer._tokens) <= 3
