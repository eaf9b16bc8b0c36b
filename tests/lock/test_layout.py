"""The state's bytes: what is decoded is what was encoded, for states that real entries reach and for states made up; bounds; refusals."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from offlinepin.engine.codec import seal
from offlinepin.engine.payload import Grant, life
from offlinepin.engine.profile import Profile
from offlinepin.engine.token import DeviceToken
from offlinepin.errors import OfflinepinError, ProfileError, StateError
from offlinepin.lock.decide import choose_personal, decide
from offlinepin.lock.flash import Flash
from offlinepin.lock.journal import Journal
from offlinepin.lock.layout import ENTRY, FIXED_LIMIT, VERSION, Layout
from offlinepin.lock.state import MAX_REVOKED, Remembered, State
from offlinepin.service import with_service_codes
from offlinepin.vendor import load

HOUR, DAY = 3600, 86_400
NOW = 1_800_000_000
QUARTER = 900
TOKEN = DeviceToken(bytes(range(32)))
VENDORS = ("igloo", "standard", "oracode")
VENDOR = {name: load(name).profile for name in VENDORS}


def kind(name: str, durations: list[list[int]], **changes: Any) -> dict[str, Any]:
    plain = {"action": "unlock", "variants": 1, "activation": 0, "uses": 0, "linger": 0, "opens": 0, "closes": 0}
    return {"name": name, "durations": durations, **plain, "hours": [0, DAY], "weekdays": 127, "supersedes": "", **changes}


def profile(
    *kinds: dict[str, Any], slot: int = HOUR, tolerance: int = 600, capacity: int = 3, length: int = 9, service: bool = False
) -> Profile:
    document = {
        "offlinepin": 1,
        "name": "made-up",
        "alphabet": "0123456789",
        "clock": "utc",
        "families": [{"name": "access", "prefix": "", "length": length, "slot": slot, "window": 16, "kinds": list(kinds)}],
        "lock": {
            "tolerance": tolerance,
            "capacity": capacity,
            "lockout": {"free": 5, "delay": 30, "growth": 2, "cap": 3600, "leak": 14400},
        },
    }
    return Profile.parse(with_service_codes(document) if service else document)


def kept(rules: Profile, state: State) -> State:
    """What a power cut leaves of a state in flash: nothing volatile, and nothing that cannot matter any more."""
    return state.forget(rules, state.floor).after_power_cut()


def check(layout: Layout, state: State) -> None:
    """The law of the layout."""
    image = layout.encode(state)
    assert len(image) == layout.size
    assert layout.decode(image) == kept(layout.profile, state)


def laid_out(rules: Profile) -> Layout:
    """The layout of a profile; those that do not fit are refused for a reason and are not looked at."""
    try:
        return Layout(rules)
    except ProfileError:
        assume(False)
        raise


def grants(rules: Profile, t: int) -> st.SearchStrategy[Grant]:
    """Grants that start within some slots of t."""
    places = [(f, k) for f, family in enumerate(rules.families) for k in range(len(family.kinds)) if not family.sets_clock]

    def of(place: tuple[int, int]) -> st.SearchStrategy[Grant]:
        family = rules.families[place[0]]
        here = family.kinds[place[1]]
        durations = st.integers(0, here.duration_count - 1).map(here.duration_at)
        starts = st.integers(-12, 3).map(lambda n: t // family.slot + n)
        return st.builds(Grant, st.just(place[0]), st.just(place[1]), starts, durations, st.integers(0, here.variants - 1))

    return st.sampled_from(places).flatmap(of)


def entries(data: st.DataObject, layout: Layout, count: int, step: int) -> None:
    """Type codes at a lock, with its law checked after every entry."""
    rules, token = layout.profile, TOKEN
    state, t, uptime = State(), NOW, 0
    for _ in range(count):
        t += step * data.draw(st.integers(-1, 6))
        uptime += 20 * rules.lock.lockout.leak
        grant = data.draw(grants(rules, t))
        decision, state = decide(rules, token, state, data.draw(st.sampled_from([t, t, t, t, None])), uptime, seal(rules, token, grant))
        if decision.action == "rotate":
            token = token.next()
        if decision.bolt_moves and decision.grant is not None and data.draw(st.booleans()):
            state = choose_personal(rules, token, state, decision.grant, data.draw(st.text(rules.alphabet, min_size=6, max_size=6)))
        check(layout, state)


@given(st.data(), st.from_type(Profile))
@settings(max_examples=150)
def test_a_state_that_entries_reach_is_read_back_on_any_profile(data: st.DataObject, rules: Profile) -> None:
    entries(data, laid_out(rules), 8, QUARTER)


@pytest.mark.parametrize("name", VENDORS)
@given(data=st.data())
@settings(max_examples=15)
def test_a_state_that_entries_reach_is_read_back_for_every_vendor(name: str, data: st.DataObject) -> None:
    entries(data, Layout(VENDOR[name]), 10, HOUR)


def live_marks(rules: Profile, candidates: list[Grant], state: State) -> frozenset[Grant]:
    """The candidates that can be marks: single-use codes that began at the floor, not superseded, each group's newest only."""
    tolerance = rules.lock.tolerance
    marks = set()
    for grant in candidates:
        _, of = grant.of(rules)
        times = life(rules, grant)
        newest = state.superseded_below(of.supersedes) if of.supersedes else None
        if of.uses and times.starts - tolerance <= state.floor < times.fresh_until(tolerance):
            if newest is None and of.supersedes:
                continue
            if newest is None or (times.starts, grant.variant) == newest:
                marks.add(grant)
    return frozenset(marks)


@st.composite
def states(draw: st.DrawFn, rules: Profile) -> State:
    """A state such as a lock could be in, made up from parts."""
    floor = draw(st.integers(NOW, NOW + 40 * DAY))
    drawn = draw(st.lists(grants(rules, floor), max_size=12, unique=True))
    tag = st.binary(min_size=8, max_size=8).filter(any)
    newest: dict[str, tuple[int, int]] = {}
    for grant in drawn:
        _, of = grant.of(rules)
        if of.supersedes:
            newest[of.supersedes] = max((life(rules, grant).starts, grant.variant), newest.get(of.supersedes, (0, 0)))
    remembered: list[Remembered] = []
    for grant in drawn:
        _, of = grant.of(rules)
        times = life(rules, grant)
        if of.remembers(grant.duration) and len(remembered) < rules.lock.capacity:
            first_use = draw(st.integers(times.starts - rules.lock.tolerance, times.fresh_until(rules.lock.tolerance) - 1))
            ends = [e for e in (times.ends, first_use + of.linger if of.linger else None) if e is not None]
            remembered.append(Remembered(draw(tag), grant, min(ends, default=None)))
    loose = [grant for grant in drawn if all(r.grant != grant for r in remembered)]
    revoked = draw(st.lists(st.sampled_from(loose), max_size=MAX_REVOKED)) if loose else []
    revoked += [r.grant for r in remembered if draw(st.booleans())]
    personal = draw(st.sampled_from([None, *remembered]))
    state = State(
        generation=draw(st.integers(0, 2**32 - 1)),
        floor=floor,
        failures=draw(st.integers(0, 0xFFFF)),
        charged_at=draw(st.none() | st.integers(0, 2**40)),
        refused=draw(st.none() | tag),
        remembered=tuple(remembered),
        supersede=tuple(sorted((group, *place) for group, place in newest.items())),
        revoked=frozenset(revoked),
        cleared=draw(st.integers(0, NOW)),
        passage=draw(st.booleans()),
        personal=None if personal is None else replace(personal, tag=draw(tag)),
    )
    return replace(state, marks=live_marks(rules, drawn, state))


@given(st.data(), st.from_type(Profile))
@settings(max_examples=150)
def test_a_state_made_up_is_read_back_on_any_profile(data: st.DataObject, rules: Profile) -> None:
    layout = laid_out(rules)
    check(layout, data.draw(states(rules)))


@pytest.mark.parametrize("name", VENDORS)
@given(data=st.data())
@settings(max_examples=40)
def test_a_state_made_up_is_read_back_for_every_vendor(name: str, data: st.DataObject) -> None:
    check(Layout(VENDOR[name]), data.draw(states(VENDOR[name])))


@pytest.mark.parametrize("name", VENDORS)
def test_a_state_is_within_the_bounds_of_every_vendor(name: str) -> None:
    rules = VENDOR[name]
    layout = Layout(rules)
    assert layout.fixed <= FIXED_LIMIT == 256
    assert layout.size == layout.fixed + ENTRY * rules.lock.capacity <= 256 + 16 * rules.lock.capacity
    assert len(layout.encode(State())) == layout.size


@given(st.from_type(Profile))
@settings(max_examples=50)
def test_a_layout_follows_from_the_profile_alone_and_is_within_the_bounds(rules: Profile) -> None:
    layout = laid_out(rules)
    assert layout.fixed <= 256
    assert layout.size == Layout(rules).size <= 256 + 16 * rules.lock.capacity


def test_every_flipped_bit_is_noticed() -> None:
    layout = Layout(VENDOR["oracode"])
    image = bytearray(layout.encode(State(floor=NOW, failures=3, generation=2)))
    for at in range(len(image)):
        for bit in range(8):
            image[at] ^= 1 << bit
            with pytest.raises(StateError, match="check value"):
                layout.decode(bytes(image))
            image[at] ^= 1 << bit
    assert layout.decode(bytes(image)).floor == NOW


def test_another_version_and_another_size_are_refused() -> None:
    layout = Layout(VENDOR["standard"])
    body = layout.encode(State())[:-4]
    assert body[0] == VERSION == 1
    newer = b"\x02" + body[1:]
    with pytest.raises(StateError, match="version is 2, this library reads 1"):
        layout.decode(newer + zlib.crc32(newer).to_bytes(4, "big"))
    for wrong in (b"", body, body + bytes(5)):
        with pytest.raises(StateError, match=f"{layout.size} bytes, not {len(wrong)}"):
            layout.decode(wrong)


def test_secrets_that_are_volatile_are_not_in_the_image() -> None:
    layout = Layout(VENDOR["standard"])
    assert layout.encode(State(refused=b"\xabcdefgh", charged_at=123_456_789)) == layout.encode(State())


@given(st.integers(0, 2**32), st.integers(0, 2**20))
def test_failures_beyond_two_bytes_stay_at_the_most(failures: int, floor: int) -> None:
    layout = Layout(VENDOR["standard"])
    assert layout.decode(layout.encode(State(failures=failures, floor=floor))).failures == min(failures, 65_535)


def test_a_profile_with_too_many_single_use_codes_is_refused_for_that() -> None:
    rules = profile(kind("once", [[1, 1, 24]], uses=1, variants=4))
    with pytest.raises(ProfileError, match=r"needs \d+ bytes beside its remembered codes, at most 256.*single-use codes alone need \d+"):
        Layout(rules)


def test_a_profile_whose_codesare_too_wide_is_refused_for_that() -> None:
    wide = kind("wide", [[1, 1, 65_536]], variants=2**17)
    rules = profile(wide, slot=1, length=18)
    with pytest.raises(ProfileError, match=r"a remembered code needs \d+ bits, at most 64"):
        Layout(rules)


def test_a_superseding_kind_with_variants_that_do_not_fit_is_refused_or_its_state_is_read_back() -> None:
    rules = profile(kind("guest", [[1, 0, 1]], variants=2**24 + 1, supersedes="room"), slot=DAY, length=18)
    try:
        layout = Layout(rules)
    except ProfileError:
        return
    check(layout, State(floor=NOW, supersede=(("room", NOW // DAY * DAY, 2**24),)))


@pytest.mark.parametrize("opens", [-QUARTER, 0, QUARTER])
@pytest.mark.parametrize("tolerance", [0, 600, 2 * HOUR])
def test_marks_are_told_apart_all_around_their_ring(opens: int, tolerance: int) -> None:
    rules = profile(kind("once", [[2, 0, 1], [5, 0, 1]], uses=1, variants=2, opens=opens, closes=QUARTER), slot=1800, tolerance=tolerance)
    layout = Layout(rules)
    state, most = State(), 0
    first = NOW // 1800
    for slot in range(first, first + 60):
        for duration in (2, 5):
            for variant in range(2):
                code = seal(rules, TOKEN, Grant(0, 0, slot, duration, variant))
                now = life(rules, Grant(0, 0, slot, duration, variant)).starts - tolerance * variant
                decision, state = decide(rules, TOKEN, state, now, 0, code)
                assert decision.opened
                check(layout, state)
                most = max(most, len(state.marks))
    assert layout.marks // 2 < most <= layout.marks


@pytest.mark.parametrize("duration", range(1, 11))
def test_a_mark_lives_in_its_ring_whatever_its_duration(duration: int) -> None:
    """The longest-lived code is one of exactly the activation rule's length: it does not lapse, and lives until its end and tolerance."""
    rules = profile(kind("once", [[1, 1, 10]], uses=1, activation=5, closes=QUARTER), slot=QUARTER, tolerance=8 * QUARTER, length=7)
    layout = Layout(rules)
    start = NOW // QUARTER
    grant = Grant(0, 0, start, duration, 0)
    _, used = decide(rules, TOKEN, State(), NOW, 0, seal(rules, TOKEN, grant))
    assert used.marks == {grant}
    for later in range(NOW, life(rules, grant).fresh_until(rules.lock.tolerance), QUARTER):
        check(layout, replace(used, floor=later))


@pytest.mark.parametrize("duration", range(1, 13))
@pytest.mark.parametrize("closes", [0, DAY])
def test_the_end_that_lingering_gives_is_kept_whatever_the_duration(duration: int, closes: int) -> None:
    rules = profile(kind("linger", [[1, 1, 12]], activation=6, linger=7 * QUARTER, closes=closes), slot=QUARTER, tolerance=300, length=7)
    layout = Layout(rules)
    grant = Grant(0, 0, NOW // QUARTER, duration, 0)
    times = life(rules, grant)
    for first_use in range(times.starts - 300, times.fresh_until(300), 150):
        _, state = decide(rules, TOKEN, State(), first_use, 0, seal(rules, TOKEN, grant))
        assert [held.grant for held in state.remembered] == [grant]
        assert times.ends is not None
        assert state.remembered[0].ends == min(times.ends, first_use + 7 * QUARTER)
        check(layout, state)


def test_a_remembered_code_is_kept_with_whether_it_is_revoked() -> None:
    rules = VENDOR["igloo"]
    layout = Layout(rules)
    grant = Grant(0, 0, NOW // HOUR, 72, 1)
    held = Remembered(b"12345678", grant, life(rules, grant).ends)
    for revoked in (frozenset[Grant](), frozenset({grant})):
        check(layout, State(floor=NOW, remembered=(held,), revoked=revoked))
        check(layout, State(floor=NOW, remembered=(held,), personal=replace(held, tag=b"abcdefgh"), revoked=revoked))


def test_revocations_fill_their_places_and_not_one_more() -> None:
    rules = VENDOR["standard"]
    layout = Layout(rules)
    eight = frozenset(Grant(0, 0, NOW // HOUR, 24, variant) for variant in range(2)) | {
        Grant(0, 0, NOW // HOUR - back, 24, 0) for back in range(1, 7)
    }
    assert len(eight) == MAX_REVOKED
    check(layout, State(floor=NOW, revoked=eight))
    with pytest.raises(StateError, match="9 revocations and 0 remembered"):
        layout.encode(State(floor=NOW, revoked=eight | {Grant(0, 0, NOW // HOUR - 7, 24, 0)}))


def test_more_remembered_codes_than_the_capacity_are_refused() -> None:
    rules = profile(kind("stay", [[48, 0, 1]], activation=24), capacity=2)
    layout = Layout(rules)
    held = [Remembered(bytes([i] * 8), Grant(0, 0, NOW // HOUR - i, 48, 0), NOW + (48 - i) * HOUR) for i in range(1, 4)]
    check(layout, State(floor=NOW, remembered=tuple(held[:2])))
    with pytest.raises(StateError, match="0 revocations and 3 remembered codes, more than fit"):
        layout.encode(State(floor=NOW, remembered=tuple(held)))


def test_each_group_keeps_its_newest_code() -> None:
    rules = profile(
        kind("a", [[1, 0, 1]], variants=200, supersedes="rooms"), kind("b", [[2, 0, 1]], uses=1, supersedes="pool"), kind("c", [[1, 0, 1]])
    )
    layout = Layout(rules)
    for supersede in ((), (("rooms", NOW, 199),), (("pool", NOW, 0), ("rooms", NOW - HOUR, 7))):
        check(layout, State(floor=NOW, supersede=supersede))
    used = State(floor=NOW, supersede=(("pool", NOW, 0),), marks=frozenset({Grant(0, 1, NOW // HOUR, 2, 0)}))
    assert kept(rules, used).marks
    check(layout, used)


@pytest.mark.parametrize("capacity", [0, 1, 64, 4096, 5000])
def test_a_profile_of_any_capacity_gives_a_lock_or_a_reason(capacity: int) -> None:
    """The journal writes places as two bytes."""
    rules = profile(kind("stay", [[48, 0, 1]], activation=24), capacity=capacity)
    try:
        layout = Layout(rules)
        flash = Flash(2**18)
        journal = Journal(flash, layout.size)
        journal.commit(layout.encode(State()))
        codes = [Grant(0, 0, NOW // HOUR - i % 30, 48, 0) for i in range(capacity)]
        held = tuple(Remembered(bytes([7] * 8), g, life(rules, g).ends) for g in codes)
        full = layout.encode(State(floor=NOW, remembered=held))
        journal.commit(full)
    except OfflinepinError:
        return
    assert Journal(flash, layout.size).image == full
