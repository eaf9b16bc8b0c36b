"""The lock's decision: a situation for every reason of the closed list, the floor, the lockout against a model, and the service codes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offlinepin.engine.cipher import Round
from offlinepin.engine.codec import claim, open_under, seal
from offlinepin.engine.payload import Grant, life, most_windows
from offlinepin.engine.profile import Action, Lockout, Profile
from offlinepin.engine.token import DeviceToken
from offlinepin.lock.decide import Decision, Reason, admit, choose_personal, decide, judge, settle
from offlinepin.lock.state import State
from offlinepin.vendor import load

HOUR, DAY = 3600, 86_400
NOW = 1_800_000_000  # Friday 2027-01-15, 08:00:00 UTC, the beginning of slot 500,000 of an hour
SLOT = NOW // HOUR
TOLERANCE = 60
TOKEN = DeviceToken(bytes(range(32)))
LOCKOUT: dict[str, int] = {"free": 3, "delay": 30, "growth": 2, "cap": 300, "leak": 1000}


def kind(name: str, durations: list[list[int]], **changes: Any) -> dict[str, Any]:
    """A kind's document with the plainest rules."""
    plain = {"action": "unlock", "variants": 1, "activation": 0, "uses": 0, "linger": 0, "opens": 0, "closes": 0}
    return {"name": name, "durations": durations, **plain, "hours": [0, DAY], "weekdays": 127, "supersedes": "", **changes}


def profile(capacity: int = 3, lockout: dict[str, int] | None = None, length: int = 7) -> Profile:
    """A profile with a kind for every rule, and every service code in families of 12 symbols."""
    stay: dict[str, Any] = {"durations": [[1, 1, 12]], "variants": 2}
    once: dict[str, Any] = {"durations": [[2, 0, 1]], "variants": 3}
    access = [
        kind("stay", activation=3, **stay),
        kind("once", uses=1, **once),
        kind("linger", [[6, 0, 1]], linger=1800, variants=3),
        kind("office", [[120, 0, 1]], hours=[9 * HOUR, 17 * HOUR], weekdays=0b11111),
        kind("guest", [[2, 2, 3]], variants=3, supersedes="room"),
        kind("endless", [[0, 0, 1]], variants=5, activation=2),
    ]
    service = [
        kind("clear", [[1, 0, 1]], action="clear"),
        kind("rotate", [[1, 0, 1]], action="rotate"),
        kind("passage", [[4, 0, 1]], action="passage"),
        kind("access.stay", action="revoke", **stay),
        kind("access.once", action="revoke", **once),
        kind("access.endless", [[0, 0, 1]], action="revoke", variants=5, activation=2),
    ]
    clock = [kind("set", [[1, 0, 1]], action="set_clock")]
    return Profile.parse(
        {
            "offlinepin": 1,
            "name": "every-rule",
            "alphabet": "0123456789",
            "clock": "utc",
            "families": [
                {"name": "access", "prefix": "", "length": length, "slot": HOUR, "window": 48, "kinds": access},
                {"name": "service", "prefix": "*", "length": 12, "slot": HOUR, "window": 48, "kinds": service},
                {"name": "clock", "prefix": "#", "length": 12, "slot": 300, "window": 2**22, "kinds": clock},
            ],
            "lock": {"tolerance": TOLERANCE, "capacity": capacity, "lockout": lockout or {**LOCKOUT, "free": 1000}},
        }
    )


EVERY = profile()


class CountingToken(DeviceToken):
    """A token that counts how often a window's round function is asked for: the decipher calls of an entry."""

    __slots__ = ("calls",)

    def __init__(self, secret: bytes, generation: int = 0) -> None:
        super().__init__(secret, generation)
        self.calls = 0

    def window_round(self, digest: bytes, family: int, window: int) -> Round:
        self.calls += 1
        return super().window_round(digest, family, window)


class Door:
    """A profile, a token and a state; every entry also shows that ``decide`` is a pure function."""

    def __init__(self, rules: Profile = EVERY, token: DeviceToken = TOKEN) -> None:
        self.profile, self.token = rules, token
        self.state = State()
        self.uptime = 0

    def grant(self, name: str, start: int = SLOT, duration: int | None = None, variant: int = 0) -> Grant:
        """A grant of a kind by its name, by default with the kind's first duration, starting NOW."""
        for f, family in enumerate(self.profile.families):
            for k, candidate in enumerate(family.kinds):
                if candidate.name == name:
                    return Grant(f, k, start, candidate.duration_at(0) if duration is None else duration, variant)
        raise AssertionError(name)

    def code(self, name: str, start: int = SLOT, duration: int | None = None, variant: int = 0) -> str:
        return seal(self.profile, self.token, self.grant(name, start, duration, variant))

    def clock_code(self, seconds: int) -> str:
        return self.code("set", seconds // 300)

    def enter(self, typed: str, now: int | None = NOW) -> Decision:
        before = replace(self.state)
        decision, after = decide(self.profile, self.token, self.state, now, self.uptime, typed)
        assert decide(self.profile, self.token, self.state, now, self.uptime, typed) == (decision, after)
        assert self.state == before
        if decision.action is Action.ROTATE:
            self.token = self.token.next()
        self.state = after
        return decision

    def reason(self, typed: str, now: int | None = NOW) -> Reason:
        return self.enter(typed, now).reason


def wrong_codes(count: int, now: int = NOW) -> list[str]:
    """Texts of the access family that read as nothing at ``now``."""
    candidates = (f"{n * 7919 % 10**7:07d}" for n in range(1, 10**4))
    found = [text for text in candidates if decide(EVERY, TOKEN, State(), now, 0, text)[0].reason is Reason.UNKNOWN]
    return found[:count]


WRONG = wrong_codes(8)


# --- a code is refused outside its time, for every reason of the list ---------------------------------------------


def test_a_code_opens_from_its_start_to_its_end_and_not_before_or_after() -> None:
    code = Door().code("stay", duration=2)
    for second, reason in (
        (NOW - TOLERANCE - 1, Reason.TOO_EARLY),
        (NOW - TOLERANCE, Reason.OPENED),
        (NOW, Reason.OPENED),
        (NOW + 2 * HOUR + TOLERANCE - 1, Reason.OPENED),
        (NOW + 2 * HOUR + TOLERANCE, Reason.EXPIRED),
    ):
        assert Door().reason(code, second) is reason


def test_a_decision_names_its_grant_and_its_action() -> None:
    door = Door()
    assert door.enter(door.code("stay")) == Decision(Reason.OPENED, door.grant("stay"), Action.UNLOCK)
    early = door.enter(door.code("once", SLOT + 1, variant=2))
    assert early == Decision(Reason.TOO_EARLY, door.grant("once", SLOT + 1, variant=2))
    assert not early.opened
    assert not early.bolt_moves


def test_a_code_longer_than_its_activation_lapses_unused_and_not_once_used() -> None:
    door = Door()
    long, use_by = door.code("stay", duration=9), NOW + 3 * HOUR
    assert Door().reason(long, use_by - 1) is Reason.OPENED
    assert Door().reason(long, use_by) is Reason.LAPSED
    assert door.reason(long, use_by - 1) is Reason.OPENED
    assert door.reason(long, use_by) is Reason.OPENED
    assert door.reason(long, NOW + 9 * HOUR + TOLERANCE - 1) is Reason.OPENED
    assert door.reason(long, NOW + 9 * HOUR + TOLERANCE) is Reason.EXPIRED


def test_a_code_no_longer_than_its_activation_never_lapses_and_is_not_remembered() -> None:
    door = Door()
    assert door.reason(door.code("stay", duration=3), NOW + 3 * HOUR - 1) is Reason.OPENED
    assert door.state.remembered == ()


def test_a_single_use_code_opens_once_also_after_other_codes() -> None:
    door = Door()
    code = door.code("once", variant=1)
    assert door.reason(code) is Reason.OPENED
    assert door.reason(code) is Reason.USED
    assert door.reason(door.code("once", variant=2), NOW + HOUR) is Reason.OPENED
    assert door.reason(code, NOW + HOUR) is Reason.USED
    assert door.reason(code, NOW + 2 * HOUR + TOLERANCE - 1) is Reason.USED


@given(st.lists(st.tuples(st.sampled_from(["once", "linger", "stay"]), st.integers(0, 2), st.integers(-2, 9)), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_a_spent_code_never_opens_again_whatever_opens_after_it(entries: list[tuple[str, int, int]]) -> None:
    """Single-use codes open once; lingering ones for 1,800 s after their first use, however the lock tidies its memory."""
    door, first = Door(profile(capacity=32)), dict[str, int]()
    now = NOW
    for name, variant, hours in entries:
        now += abs(hours) * 600
        code = door.code(name, variant=variant % 2, duration=2 if name == "stay" else None)
        if door.reason(code, now) is not Reason.OPENED:
            continue
        if name == "once":
            assert code not in first
        elif name == "linger":
            assert now < first.get(code, now) + 1800 + TOLERANCE
        first.setdefault(code, now)


def test_a_lingering_code_ends_after_its_first_use() -> None:
    door = Door()
    code = door.code("linger")
    assert door.reason(code, NOW + HOUR) is Reason.OPENED
    assert door.reason(code, NOW + HOUR + 1800 + TOLERANCE - 1) is Reason.OPENED
    assert door.reason(code, NOW + HOUR + 1800 + TOLERANCE) is Reason.EXPIRED


def test_a_lingering_code_stays_ended_when_another_code_opens_after_it() -> None:
    door = Door()
    code = door.code("linger")
    assert door.reason(code, NOW) is Reason.OPENED
    assert door.reason(door.code("stay", duration=3), NOW + HOUR) is Reason.OPENED
    assert door.reason(code, NOW + HOUR) is Reason.EXPIRED


def test_a_lingering_code_first_used_late_ends_at_its_end() -> None:
    door = Door()
    code = door.code("linger")
    assert door.reason(code, NOW + 6 * HOUR - 1) is Reason.OPENED
    assert door.reason(code, NOW + 6 * HOUR + TOLERANCE) is Reason.EXPIRED


@given(st.integers(0, 7 * DAY - 1))
@settings(max_examples=60, deadline=None)
def test_a_code_opens_in_its_hours_on_its_weekdays_only(second: int) -> None:
    monday = NOW - 4 * DAY - 8 * HOUR
    now = monday + second
    in_hours = second // DAY < 5 and 9 * HOUR <= second % DAY < 17 * HOUR
    start = (now // HOUR) - 60
    assert Door().reason(Door().code("office", start), now) is (Reason.OPENED if in_hours else Reason.OUTSIDE_HOURS)


def test_the_first_use_of_a_newer_code_ends_the_older_ones_of_its_group() -> None:
    door = Door()
    old, same, later = door.code("guest", SLOT - 1), door.code("guest", variant=0, duration=4), door.code("guest", variant=1)
    assert door.reason(old) is Reason.OPENED
    assert door.reason(same) is Reason.OPENED
    assert door.reason(old) is Reason.SUPERSEDED
    assert door.reason(later) is Reason.OPENED
    assert door.reason(same) is Reason.SUPERSEDED
    assert door.reason(later) is Reason.OPENED
    assert door.reason(door.code("guest", duration=6, variant=1)) is Reason.OPENED
    assert door.reason(door.code("stay", SLOT - 1)) is Reason.OPENED, "a code outside the group lives on"


def test_a_refused_newer_code_supersedes_nothing() -> None:
    door = Door()
    old, new = door.code("guest"), door.code("guest", SLOT + 1, variant=2)
    assert door.reason(new) is Reason.TOO_EARLY
    assert door.reason(old) is Reason.OPENED


def test_a_lock_with_a_full_memory_says_so_until_something_can_be_forgotten() -> None:
    door = Door(profile(capacity=1))
    first, second = door.code("stay", duration=4), door.code("stay", duration=5)
    assert door.reason(first) is Reason.OPENED
    assert door.reason(second) is Reason.FULL
    assert door.reason(first) is Reason.OPENED, "what is remembered goes on"
    assert door.reason(door.code("stay", duration=3)) is Reason.OPENED, "what need not be remembered opens"
    later = door.code("stay", SLOT + 4, duration=5)
    assert door.reason(later, NOW + 4 * HOUR + TOLERANCE - 1) is Reason.FULL
    assert door.reason(later, NOW + 4 * HOUR + TOLERANCE) is Reason.OPENED


def test_a_lock_full_of_cleared_codes_can_forget_them() -> None:
    """Format 1, section 9: ``full`` means that nothing can be forgotten; a cleared code is dead for good."""
    door = Door(profile(capacity=1))
    assert door.reason(door.code("endless")) is Reason.OPENED
    assert door.reason(door.code("clear", SLOT + 1), NOW + HOUR) is Reason.OPENED
    assert door.reason(door.code("endless", SLOT + 1), NOW + HOUR) is Reason.OPENED


def test_a_full_lock_admits_the_code_that_ends_the_one_it_remembers() -> None:
    """Format 1, section 9: ``full`` means that nothing can be forgotten; what a newer code of its group kills can be."""
    rules = profile(capacity=1).model_dump(mode="json")
    guest = next(k for k in rules["families"][0]["kinds"] if k["name"] == "guest")
    guest["activation"] = 1
    door = Door(Profile.parse(rules))
    first = door.code("guest", duration=4)
    assert door.reason(first) is Reason.OPENED
    assert door.reason(door.code("guest", duration=6)) is Reason.FULL, "of the same start and variant, so it ends nothing"
    assert door.reason(door.code("stay", duration=5)) is Reason.FULL, "of no group"
    assert door.reason(door.code("guest", duration=4, variant=1)) is Reason.OPENED
    assert door.reason(first) is Reason.SUPERSEDED


def test_a_text_that_no_code_is_is_unknown() -> None:
    assert {Door().reason(text) for text in WRONG} == {Reason.UNKNOWN}
    assert Door().enter(WRONG[0]).grant is None


@given(st.text("0123456789*#x", max_size=15).filter(lambda text: claim(EVERY, text) is None))
@settings(max_examples=60)
def test_a_text_that_no_family_claims_is_malformed_and_changes_nothing(text: str) -> None:
    door = Door()
    door.enter(WRONG[0])
    before = door.state
    assert door.enter(text) == Decision(Reason.MALFORMED)
    assert door.state is before


@pytest.mark.parametrize("text", ["", "１２３４５６７", "123456x", "12 34567", "123456", "12345678", "#", "*", "1" * 12])
def test_malformed_texts(text: str) -> None:
    assert Door().reason(text) is Reason.MALFORMED


def test_a_lock_that_lost_its_clock_says_so_and_charges_nothing() -> None:
    door = Door()
    for code in (door.code("stay"), WRONG[0], door.code("clear")):
        assert door.enter(code, None) == Decision(Reason.CLOCK_LOST)
    assert door.state == State()


def test_an_endless_code_must_be_used_in_time_and_then_has_no_end() -> None:
    door = Door()
    code = door.code("endless")
    assert Door().reason(code, NOW + 2 * HOUR) is Reason.LAPSED
    assert door.reason(code, NOW + 2 * HOUR - 1) is Reason.OPENED
    assert door.reason(code, NOW + 40 * 365 * DAY) is Reason.OPENED


# --- the order of reasons, and several readings -------------------------------------------------------------------


def test_reasons_come_in_the_order_of_the_page() -> None:
    order = [Reason.REVOKED, Reason.SUPERSEDED, Reason.USED, Reason.TOO_EARLY, Reason.LAPSED, Reason.EXPIRED]
    listed = list(Reason)
    assert [r for r in listed if r in order] == order
    assert listed[0] is Reason.OPENED
    assert listed[-3:] == [Reason.OUTSIDE_HOURS, Reason.FULL, Reason.UNKNOWN]
    assert len(listed) == 13


def test_an_earlier_reason_hides_a_later_one() -> None:
    door = Door()
    used = door.grant("once")
    door.state = State(marks=frozenset({used}), revoked=frozenset({used}))
    assert door.reason(door.code("once")) is Reason.REVOKED
    door.state = State(marks=frozenset({used}))
    assert door.reason(door.code("once"), NOW - HOUR) is Reason.USED
    guest = door.code("guest", SLOT + 1)
    door.state = State(supersede=(("room", NOW + 2 * HOUR, 0),))
    assert door.reason(guest) is Reason.SUPERSEDED
    assert door.reason(door.code("stay", SLOT - 5, duration=4)) is Reason.LAPSED, "and not expired"
    office = door.code("office", SLOT + 1)
    assert door.reason(office) is Reason.TOO_EARLY, "and not outside its hours"


def _two_readings(first: Reason, second: Reason) -> tuple[Door, str]:
    """A lock at an instant of two windows, and a text that alone would get one reason in each."""
    rules = profile(length=4)
    slot = 48 * 10417 + 1  # one slot after a new window begins: codes of the window before still hold
    now = slot * HOUR
    for n in range(10_000):
        typed = f"{n:04d}"
        door = Door(rules)
        grants = [g for g in (_read(door, typed, w) for w in (10416, 10417)) if g is not None]
        if len(grants) == 2 and {_reason_of(door, g, now) for g in grants} == {first, second}:
            return door, typed
    raise AssertionError(f"no text with {first} and {second}")


def _read(door: Door, typed: str, window: int) -> Grant | None:
    return open_under(door.profile, door.token, 0, window, int(typed))


def _reason_of(door: Door, grant: Grant, now: int) -> Reason:
    times = life(door.profile, grant)
    if now < times.starts - TOLERANCE:
        return Reason.TOO_EARLY
    if now < times.fresh_until(TOLERANCE):
        return Reason.OPENED if grant.of(door.profile)[1].open_at(now) else Reason.OUTSIDE_HOURS
    return Reason.LAPSED if times.use_by is not None else Reason.EXPIRED


@pytest.mark.parametrize(
    ("best", "other"), [(Reason.OPENED, Reason.TOO_EARLY), (Reason.OPENED, Reason.EXPIRED), (Reason.TOO_EARLY, Reason.EXPIRED)]
)
def test_a_text_with_two_readings_takes_the_best(best: Reason, other: Reason) -> None:
    door, typed = _two_readings(best, other)
    assert door.reason(typed, (48 * 10417 + 1) * HOUR) is best


# --- the floor ----------------------------------------------------------------------------------------------------


def test_a_clock_set_back_does_not_reopen_an_expired_code_after_a_later_one_opened() -> None:
    door = Door()
    old, new = door.code("stay", duration=1), door.code("stay", SLOT + 2, duration=1)
    assert door.reason(new, NOW + 2 * HOUR) is Reason.OPENED
    assert door.state.floor == NOW + 2 * HOUR
    assert door.reason(old, NOW) is Reason.EXPIRED
    assert door.reason(new, NOW) is Reason.OPENED, "the lock acts as if it were the floor"


@given(st.lists(st.tuples(st.sampled_from([*WRONG, "", "x"]), st.integers(NOW, 2**36)), max_size=8))
@settings(max_examples=40, deadline=None)
def test_wrong_entries_and_a_clock_that_runs_ahead_do_not_move_the_floor(entries: list[tuple[str, int]]) -> None:
    door = Door()
    door.enter(door.code("once"))
    kept = door.state
    for typed, now in entries:
        if not door.enter(typed, now).opened:
            assert door.state.floor == NOW
            assert (door.state.marks, door.state.remembered) == (kept.marks, kept.remembered)
    assert door.reason(door.code("once")) is Reason.USED


def test_a_refused_entry_forgets_nothing_while_the_clock_is_ahead() -> None:
    door = Door()
    stay, once = door.code("stay", duration=9), door.code("once")
    assert door.reason(stay) is Reason.OPENED
    assert door.reason(once) is Reason.OPENED
    assert door.reason(stay, NOW + 30 * DAY) is Reason.EXPIRED
    assert door.reason(once, NOW) is Reason.USED
    assert door.reason(stay, NOW + 5 * HOUR) is Reason.OPENED


# --- purity and equal work ----------------------------------------------------------------------------------------


@given(
    st.sampled_from(["right", "wrong", "remembered", "used", "early"]), st.integers(0, 48 * HOUR), st.lists(st.integers(0, 4), max_size=3)
)
@settings(max_examples=50, deadline=None)
def test_the_work_of_an_entry_does_not_depend_on_what_is_typed(what: str, shift: int, endless: list[int]) -> None:
    token = CountingToken(bytes(range(32)))
    door, now = Door(profile(capacity=9), token), NOW + shift
    slot = now // HOUR
    once, stay = door.code("once", slot), door.code("stay", slot, duration=12)
    for variant in endless:
        door.enter(door.code("endless", slot, variant=variant), now)
    door.enter(once, now)
    door.enter(stay, now)
    texts = {"right": door.code("stay", slot, duration=1), "wrong": WRONG[0], "remembered": stay, "used": once}
    texts["early"] = door.code("stay", slot + 1)
    counts = []
    for typed in (texts[what], "0000000"):
        token.calls = 0
        decide(door.profile, token, door.state, now, 0, typed)
        counts.append(token.calls)
    assert counts[0] == counts[1] <= most_windows(door.profile.families[0], TOLERANCE)


@given(st.sampled_from(["igloo", "oracode", "standard"]), st.integers(0, 2**34), st.data())
@settings(max_examples=100, deadline=None)
def test_an_entry_tries_at_most_three_windows_for_every_vendor(vendor: str, now: int, data: st.DataObject) -> None:
    rules = load(vendor).profile
    family = data.draw(st.sampled_from(rules.families))
    token = CountingToken(bytes(32))
    typed = family.prefix + data.draw(st.text("0123456789", min_size=family.length, max_size=family.length))
    decide(rules, token, State(), now, 0, typed)
    assert token.calls <= 3


def test_the_steps_of_a_lock_that_can_lose_power_make_up_the_decision() -> None:
    door = Door()
    for typed in (door.code("stay", duration=9), WRONG[0], door.code("rotate")):
        refusal, charged = admit(EVERY, TOKEN, door.state, NOW, 5, typed)
        assert refusal is None
        assert charged.failures == door.state.failures + 1, "charged before anything is deciphered"
        decision, judged = judge(EVERY, TOKEN, charged, NOW, typed)
        after = settle(door.state, judged) if decision.opened else judged
        assert (decision, after) == decide(EVERY, TOKEN, door.state, NOW, 5, typed)


# --- lockout ------------------------------------------------------------------------------------------------------


class LockoutModel:
    """Section 9's lockout, written down once more: the wait counts from the last charge, a success gives back its own charge."""

    def __init__(self) -> None:
        self.failures, self.charged_at, self.refused, self.uptime = 0, 0, "", 0

    def wait(self) -> int:
        over = self.failures - LOCKOUT["free"]
        full = min(LOCKOUT["cap"], LOCKOUT["delay"] * LOCKOUT["growth"] ** (over - 1)) if over > 0 else 0
        return max(0, full - (self.uptime - self.charged_at))

    def type(self, text: str, reason: Reason) -> Reason:
        """What the lock must say of a text that it would judge as ``reason``."""
        if self.wait():
            return Reason.THROTTLED
        if reason in (Reason.OPENED, Reason.MALFORMED, Reason.CLOCK_LOST):
            return reason
        if text != self.refused:
            leaked = (self.uptime - self.charged_at) // LOCKOUT["leak"]
            self.failures, self.charged_at, self.refused = max(0, self.failures - leaked) + 1, self.uptime, text
        return reason

    def cut(self) -> None:
        self.uptime = self.charged_at = 0
        self.refused = ""


THROTTLING = profile(lockout=LOCKOUT)
STEPS = st.one_of(
    st.sampled_from([("type", text) for text in WRONG]),
    st.sampled_from([("right", ""), ("once", ""), ("malformed", ""), ("lost", ""), ("again", ""), ("cut", "")]),
    st.sampled_from([10, 29, 30, 31, 59, 60, 120, 299, 300, 999, 1000, 1001, 5000]).map(lambda s: ("wait", str(s))),
)


@given(st.lists(STEPS, min_size=5, max_size=40))
@settings(max_examples=150, deadline=None)
def test_the_lockout_follows_its_model_over_any_session(steps: list[tuple[str, str]]) -> None:
    door, model = Door(THROTTLING), LockoutModel()
    right, once, last, spent = door.code("stay", duration=9), door.code("once"), WRONG[0], False
    for what, text in steps:
        if what == "wait":
            door.uptime += int(text)
            model.uptime += int(text)
            continue
        if what == "cut":
            door.state, door.uptime = door.state.after_power_cut(), 0
            model.cut()
            continue
        typed = {"type": text, "right": right, "once": once, "malformed": "99", "lost": WRONG[1], "again": last}[what]
        judged = {typed: Reason.UNKNOWN, right: Reason.OPENED, once: Reason.USED if spent else Reason.OPENED}[typed]
        judged = {"malformed": Reason.MALFORMED, "lost": Reason.CLOCK_LOST}.get(what, judged)
        wait = model.wait()
        decision = door.enter(typed, None if what == "lost" else NOW)
        assert decision.reason is model.type(typed, judged)
        assert decision.wait == wait
        assert door.state.failures == model.failures
        spent |= typed == once and decision.opened
        last = typed if what == "type" else last


def test_more_failures_than_are_free_lock_the_lock_and_a_right_code_too() -> None:
    door = Door(THROTTLING)
    for text in WRONG[:4]:
        assert door.reason(text) is Reason.UNKNOWN
    before = door.state
    assert door.enter(door.code("stay")) == Decision(Reason.THROTTLED, wait=30)
    assert door.state is before, "nothing is charged"
    door.uptime = 29
    assert door.enter("") == Decision(Reason.THROTTLED, wait=1), "throttled comes before malformed"
    door.uptime = 30
    assert door.reason(door.code("stay")) is Reason.OPENED
    assert door.state.failures == 4, "a success never wipes older failures"


def test_a_throttled_lock_computes_nothing() -> None:
    token = CountingToken(bytes(range(32)))
    door = Door(THROTTLING, token)
    for text in WRONG[:4]:
        door.enter(text)
    token.calls = 0
    assert door.reason(WRONG[5]) is Reason.THROTTLED
    assert token.calls == 0


def test_a_power_cut_starts_the_wait_again_in_full() -> None:
    door = Door(THROTTLING)
    for text in WRONG[:4]:
        door.enter(text)
    door.uptime = 29
    door.state, door.uptime = door.state.after_power_cut(), 0
    assert door.enter(WRONG[0]) == Decision(Reason.THROTTLED, wait=30)


def test_an_uptime_that_began_anew_unnoticed_counts_from_power_up() -> None:
    door = Door(THROTTLING)
    door.uptime = 1000
    for text in WRONG[:4]:
        door.enter(text)
    door.uptime = 12
    assert door.enter(WRONG[5]) == Decision(Reason.THROTTLED, wait=18)


def test_the_text_refused_last_is_judged_again_without_a_charge() -> None:
    door = Door(THROTTLING)
    early = door.code("stay", SLOT + 1)
    assert door.reason(early) is Reason.TOO_EARLY
    assert door.reason(early) is Reason.TOO_EARLY
    assert door.state.failures == 1
    assert door.reason(early, NOW + HOUR) is Reason.OPENED
    assert door.state.failures == 1, "the earlier charge stays"


@given(st.integers(0, 40))
def test_the_wait_grows_to_its_cap(failures: int) -> None:
    wait = Lockout(**LOCKOUT).wait(failures)
    over = failures - 3
    assert wait == (min(300, 30 * 2 ** (over - 1)) if over > 0 else 0)


# --- service codes (section 10) -----------------------------------------------------------------------------------


def test_a_service_code_is_accepted_and_moves_no_bolt() -> None:
    for name in ("clear", "rotate", "access.stay"):
        decision = Door().enter(Door().code(name))
        assert decision.opened
        assert not decision.bolt_moves
    assert Door().enter(Door().code("passage")).bolt_moves


def test_a_clear_code_kills_every_code_that_starts_before_it_and_no_other() -> None:
    door = Door()
    early, long, late = door.code("stay", SLOT - 1, duration=3), door.code("stay", SLOT - 2, duration=9), door.code("stay", duration=3)
    passage = door.code("passage", SLOT - 1)
    assert door.reason(long) is Reason.OPENED
    assert door.reason(door.code("clear")) is Reason.OPENED
    assert [door.reason(code) for code in (early, long, passage, late)] == [Reason.REVOKED, Reason.REVOKED, Reason.REVOKED, Reason.OPENED]
    assert door.reason(door.code("clear", SLOT - 1, duration=1), NOW) is Reason.OPENED, "a service code is not cleared"
    assert door.reason(early) is Reason.REVOKED, "an older clear code does not undo a newer"


def test_a_clear_code_obeys_its_time() -> None:
    assert Door().reason(Door().code("clear", SLOT + 1)) is Reason.TOO_EARLY
    assert Door().reason(Door().code("clear"), NOW + HOUR + TOLERANCE) is Reason.EXPIRED


def test_a_passage_code_holds_the_door_open_until_the_next() -> None:
    door = Door()
    code = door.code("passage")
    assert door.enter(code).action is Action.PASSAGE
    assert door.state.passage
    assert door.reason(door.code("stay")) is Reason.OPENED
    assert door.state.passage
    assert door.reason(code) is Reason.OPENED
    assert not door.state.passage


@pytest.mark.parametrize("name", ["stay", "once", "endless"])
def test_a_revoke_code_kills_the_one_code_that_it_names(name: str) -> None:
    door = Door()
    code, other = door.code(name), door.code(name, variant=1)
    assert door.reason(door.code(f"access.{name}")) is Reason.OPENED
    assert door.reason(code) is Reason.REVOKED
    assert door.reason(other) is Reason.OPENED


def test_a_revoke_code_works_on_a_remembered_code_whose_window_is_long_gone() -> None:
    door = Door()
    code, later = door.code("endless"), NOW + 300 * DAY
    revoke = door.code("access.endless")
    assert door.reason(revoke, later) is Reason.UNKNOWN, "without the memory no window leads to it"
    assert door.reason(code) is Reason.OPENED
    assert door.reason(code, later) is Reason.OPENED
    assert door.reason(revoke, later) is Reason.OPENED
    assert door.reason(code, later) is Reason.REVOKED


def test_a_revoke_code_knows_no_time_and_does_not_move_the_floor() -> None:
    door = Door()
    assert door.reason(door.code("access.stay", SLOT + 1), NOW - 5 * HOUR) is Reason.OPENED
    assert door.state.floor == 0
    assert door.reason(door.code("stay", SLOT + 1), NOW + HOUR) is Reason.REVOKED


def test_a_revocation_is_dropped_when_its_code_has_ended() -> None:
    door = Door()
    door.enter(door.code("access.stay"))
    assert door.state.revoked == {door.grant("stay")}
    door.enter(door.code("once", SLOT + 2), NOW + 2 * HOUR)
    assert not door.state.revoked


def test_a_revoke_code_typed_while_the_clock_is_ahead_forgets_nothing() -> None:
    """Marks are dropped once their code has ended behind the *floor*, which a revoke code does not move."""
    door = Door()
    once = door.code("once")
    assert door.reason(once) is Reason.OPENED
    assert door.reason(door.code("access.stay", SLOT + 12), NOW + 12 * HOUR) is Reason.OPENED
    assert door.reason(once, NOW + 60) is Reason.USED


def test_a_revocation_made_while_the_clock_is_ahead_holds_when_it_is_right_again() -> None:
    door = Door()
    assert door.reason(door.code("access.stay"), NOW + 12 * HOUR) is Reason.OPENED
    assert door.reason(door.code("stay")) is Reason.REVOKED


def test_a_rotate_code_steps_the_token_and_forgets_the_old_generation() -> None:
    door = Door()
    stay, once, old = door.code("stay", duration=9), door.code("once"), door.code("stay", duration=2)
    door.enter(stay)
    door.enter(once)
    door.enter(WRONG[0])
    rotate = door.code("rotate")
    assert door.enter(rotate).action is Action.ROTATE
    assert door.state == State(generation=1, floor=NOW, failures=1, charged_at=0)
    assert door.token.check_value == TOKEN.next().check_value
    assert {door.reason(code) for code in (stay, once, old, rotate)} == {Reason.UNKNOWN}
    assert door.reason(door.code("stay")) is Reason.OPENED, "codes of the new generation open"


def test_a_set_clock_code_works_once_and_with_the_clock_lost() -> None:
    door = Door()
    code = door.clock_code(NOW)
    assert door.enter(code, None) == Decision(Reason.OPENED, door.grant("set", NOW // 300), Action.SET_CLOCK)
    assert door.state.floor == NOW
    assert door.reason(code, None) is Reason.EXPIRED
    assert door.reason(door.clock_code(NOW - 300), None) is Reason.EXPIRED
    assert door.reason(door.clock_code(NOW + 300), None) is Reason.OPENED


def test_a_set_clock_code_works_on_a_lock_whose_clock_shows_nonsense() -> None:
    """Its windows are the floor's and the next, so a clock in another century does not matter (section 10)."""
    for nonsense in (0, NOW + 80 * 365 * DAY):
        door = Door()
        door.enter(door.code("stay"))
        assert door.reason(door.clock_code(NOW + HOUR), nonsense) is Reason.OPENED
        assert door.state.floor == NOW + HOUR


def test_a_set_clock_code_forgets_no_used_code_when_the_clock_was_ahead() -> None:
    door = Door()
    once, stay = door.code("once"), door.code("stay", duration=12)
    door.enter(once)
    door.enter(stay)
    assert door.reason(door.clock_code(NOW + 300), NOW + 30 * DAY) is Reason.OPENED
    assert door.reason(once, NOW + 600) is Reason.USED
    assert door.reason(stay, NOW + 5 * HOUR) is Reason.OPENED


def test_a_wrong_text_of_the_clock_family_is_charged_also_with_the_clock_lost() -> None:
    door = Door()
    assert door.reason("#" + "0" * 12, None) is Reason.UNKNOWN
    assert door.state.failures == 1


# --- masking digits and personal codes ----------------------------------------------------------------------------


@given(st.text("0123456789", max_size=8), st.sampled_from(["stay", "clear"]))
@settings(max_examples=40, deadline=None)
def test_with_masking_the_end_of_what_was_typed_counts(mask: str, name: str) -> None:
    door = Door()
    code = door.code(name)
    decision, _ = decide(EVERY, TOKEN, State(), NOW, 0, mask + code, masked=True)
    assert decision.reason is Reason.OPENED
    plain, _ = decide(EVERY, TOKEN, State(), NOW, 0, mask + code)
    assert plain.opened == (not mask)


def test_without_a_clock_a_masked_text_can_only_be_a_clock_code() -> None:
    door = Door()
    assert decide(EVERY, TOKEN, State(), None, 0, "12" + door.clock_code(NOW), masked=True)[0].reason is Reason.OPENED
    assert decide(EVERY, TOKEN, State(), None, 0, "12" + door.code("stay"), masked=True)[0].reason is Reason.CLOCK_LOST
    lost, _ = decide(EVERY, TOKEN, State(), None, 0, "#0000" + door.code("stay"), masked=True)
    assert not lost.opened


def test_a_personal_code_stands_in_for_the_code_that_it_was_chosen_with_until_that_ends() -> None:
    door = Door()
    stay = door.code("stay", duration=9)
    assert door.reason("246810") is Reason.MALFORMED
    door.enter(stay)
    for refused in ("24681", "2468100", "24681x"):
        assert choose_personal(EVERY, TOKEN, door.state, door.grant("stay", duration=9), refused) is door.state
    door.state = choose_personal(EVERY, TOKEN, door.state, door.grant("stay", duration=9), "135790")
    door.state = choose_personal(EVERY, TOKEN, door.state, door.grant("stay", duration=9), "246810")
    assert door.reason("135790") is Reason.UNKNOWN, "only the last personal code holds"
    assert door.reason("246810", NOW + 8 * HOUR) is Reason.OPENED
    assert door.reason(stay, NOW + 8 * HOUR) is Reason.OPENED, "the code itself keeps working"
    assert door.reason("246810", NOW + 9 * HOUR + TOLERANCE) is not Reason.OPENED


# --- state --------------------------------------------------------------------------------------------------------


def test_a_power_cut_keeps_everything_but_the_uptime_and_the_text_refused_last() -> None:
    door = Door()
    for typed in (door.code("once"), door.code("stay", duration=9), door.code("guest"), WRONG[0]):
        door.enter(typed)
    after = door.state.after_power_cut()
    assert (after.charged_at, after.refused) == (None, None)
    assert replace(after, charged_at=door.state.charged_at, refused=door.state.refused) == door.state


def test_a_state_shows_no_tag() -> None:
    door = Door()
    door.enter(door.code("stay", duration=9))
    door.enter(WRONG[0])
    assert "tag" not in repr(door.state)
    assert "refused" not in repr(door.state)


@given(st.integers(0, 30 * HOUR))
@settings(max_examples=40, deadline=None)
def test_memory_is_kept_exactly_while_it_matters(shift: int) -> None:
    """What a lock forgets at t it would refuse at t anyway, for another reason."""
    door = Door()
    for name in ("once", "stay"):
        door.enter(door.code(name, duration=None if name == "once" else 9))
    t = NOW + shift
    kept = door.state.forget(EVERY, t)
    for grant in door.state.marks - kept.marks:
        assert life(EVERY, grant).fresh_until(TOLERANCE) <= t
    assert bool(kept.remembered) == (t < NOW + 9 * HOUR + TOLERANCE)
    assert bool(kept.marks) == (t < NOW + 2 * HOUR + TOLERANCE)
