"""The lock's decision on a typed text, as a pure function (format 1, section 9, with the service codes' effects of section 10).
It takes a state and returns another; nothing is changed in place, and the same input gives the same answer in every implementation."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from offlinepin.engine.codec import claim, open_under
from offlinepin.engine.payload import Grant, candidate_windows, is_time_bound, life
from offlinepin.engine.profile import Action, Profile
from offlinepin.engine.token import DeviceToken
from offlinepin.keypad import PERSONAL_LENGTH
from offlinepin.lock.state import Remembered, State


class Reason(StrEnum):
    """Why a lock opened or did not: the closed list. Where a text has several readings, ``opened`` wins, then the order here."""

    OPENED = "opened"
    THROTTLED = "throttled"
    MALFORMED = "malformed"
    CLOCK_LOST = "clock_lost"
    REVOKED = "revoked"
    SUPERSEDED = "superseded"
    USED = "used"
    TOO_EARLY = "too_early"
    LAPSED = "lapsed"
    EXPIRED = "expired"
    OUTSIDE_HOURS = "outside_hours"
    FULL = "full"
    UNKNOWN = "unknown"


_RANK = {reason: rank for rank, reason in enumerate(Reason)}


@dataclass(frozen=True, slots=True)
class Decision:
    """What a lock decided.

    Attributes:
        reason: ``opened`` also for a service code that was accepted.
        grant: what the text reads as; ``None`` where it reads as nothing or was not read.
        action: what the lock does, when it was accepted.
        wait: seconds of uptime until the lock accepts entries again, when ``throttled``.
    """

    reason: Reason
    grant: Grant | None = None
    action: Action | None = None
    wait: int = 0

    @property
    def opened(self) -> bool:
        """Whether the code was accepted."""
        return self.reason is Reason.OPENED

    @property
    def bolt_moves(self) -> bool:
        """Whether the door can be opened now: an accepted unlock or passage code, not a service code."""
        return self.action in (Action.UNLOCK, Action.PASSAGE)


def decide(
    profile: Profile, token: DeviceToken, state: State, now: int | None, uptime: int, typed: str, *, masked: bool = False
) -> tuple[Decision, State]:
    """Decide on one entry.

    A lock that can lose its power goes through the same steps one by one: :func:`admit`, commit, :func:`judge`, commit and read
    back, move the bolt, :func:`settle`, commit.

    Args:
        profile: the lock's rules.
        token: its secret, of the generation of ``state``.
        state: its memory.
        now: what its clock shows, in seconds (``utc`` or ``civil`` as the profile says); ``None`` when the clock is lost.
        uptime: whole seconds since power-up; nobody can set it.
        typed: the keys pressed, prefix included and nothing else.
        masked: whether the end of what was typed counts, so that masking digits may come before a code.

    Returns:
        The decision and the state after it. An accepted ``rotate`` code's state belongs to ``token.next()``.
    """
    refusal, charged = admit(profile, token, state, now, uptime, typed, masked=masked)
    if refusal is not None:
        return refusal, charged
    decision, judged = judge(profile, token, charged, now, typed, masked=masked)
    return decision, settle(state, judged) if decision.opened else judged


def admit(
    profile: Profile, token: DeviceToken, state: State, now: int | None, uptime: int, typed: str, *, masked: bool = False
) -> tuple[Decision | None, State]:
    """Steps 1 to 4: refuse without a charge, or charge one failure. The state returned is to be committed before anything is deciphered."""
    since = state.charged_at if state.charged_at is not None and state.charged_at <= uptime else 0
    elapsed = uptime - since
    lockout = profile.lock.lockout
    wait = lockout.wait(state.failures) - elapsed
    if wait > 0:
        return Decision(Reason.THROTTLED, wait=wait), state
    claimed = _claims(profile, state, typed, masked)
    if not claimed:
        return Decision(Reason.MALFORMED), state
    if now is None and not any(c.number is not None and profile.families[c.family].sets_clock for c in claimed):
        return Decision(Reason.CLOCK_LOST), state
    if state.refused is not None and hmac.compare_digest(state.refused, token.tag(typed)):
        return None, state
    left = max(0, state.failures - elapsed // lockout.leak)
    return None, replace(state, failures=left + 1, charged_at=uptime)


def judge(
    profile: Profile, token: DeviceToken, state: State, now: int | None, typed: str, *, masked: bool = False
) -> tuple[Decision, State]:
    """Steps 5 to 7 up to the bolt: decipher, give a reason, and if it is ``opened`` make the marks. ``state`` is the charged one."""
    t = state.floor if now is None else max(now, state.floor)
    # What has ended behind t may be forgotten only by a code that moves the floor there: the others work when the clock is wrong, too.
    behind_t, behind_floor = state.forget(profile, t), state.forget(profile, state.floor)
    best = Decision(Reason.UNKNOWN)
    chosen: _Reading | None = None
    for reading in _readings(profile, token, state, t, _claims(profile, state, typed, masked)):
        if now is None and not is_clock_code(profile, reading.grant):
            continue
        reason = _reason(profile, behind_t if _moves_floor(profile, reading) else behind_floor, reading, t)
        if _RANK[reason] < _RANK[best.reason]:
            best, chosen = Decision(reason, reading.grant), reading
    if chosen is None or not best.opened:
        return best, replace(state, refused=token.tag(typed))
    _, kind = chosen.grant.of(profile)
    used = _use(profile, state, chosen, t)
    return replace(best, action=kind.action), used.forget(profile, used.floor)


def settle(before: State, after: State) -> State:
    """Step 7's end: the charge of step 4 is given back, and no more. ``before`` is the state that :func:`admit` got."""
    return replace(after, failures=before.failures, charged_at=before.charged_at)


def is_clock_code(profile: Profile, grant: Grant) -> bool:
    """Whether a grant is one of the clock family, which works without a clock."""
    return profile.families[grant.family].sets_clock


def choose_personal(profile: Profile, token: DeviceToken, state: State, grant: Grant, typed: str) -> State:
    """The state after the holder of ``grant``, whose code has just opened, chose a personal code of 6 symbols that no family claims.

    It stands in for the code until that ends; the code itself goes on working, and an earlier personal code does not. A single-use code
    is spent by then, so nothing stands in for it.
    """
    _, kind = grant.of(profile)
    if kind.uses or len(typed) != PERSONAL_LENGTH or claim(profile, typed) is not None or any(c not in profile.alphabet for c in typed):
        return state
    ends = next((r.ends for r in state.remembered if r.grant == grant), life(profile, grant).ends)
    return replace(state, personal=Remembered(token.tag(typed), grant, ends))


@dataclass(frozen=True, slots=True)
class _Claim:
    """A text that may be a code: its family and number, or for a personal code no number."""

    text: str
    family: int = 0
    number: int | None = None


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a text means; ``held`` if the lock knows it from memory; ``tag`` by which it would be remembered."""

    grant: Grant
    held: Remembered | None
    tag: bytes


def _claims(profile: Profile, state: State, typed: str, masked: bool) -> list[_Claim]:
    """The codes that a text may be: one at most, or with masking one for each length that it can end in."""
    lengths = sorted({family.total_length for family in profile.families}, reverse=True) if masked else [len(typed)]
    texts = [typed[len(typed) - length :] for length in lengths if length <= len(typed)]
    found = [_Claim(text, *claimed) for text in texts if (claimed := claim(profile, text)) is not None]
    if not found and state.personal is not None and len(typed) == PERSONAL_LENGTH:
        found.append(_Claim(typed))
    return found


def _readings(profile: Profile, token: DeviceToken, state: State, t: int, claimed: list[_Claim]) -> Iterator[_Reading]:
    """Every reading, the remembered ones first. Does the same work whatever was typed: all windows, all tags."""
    for text in claimed:
        tag = token.tag(text.text)
        known = None
        for held in state.remembered if text.number is not None else (state.personal,):
            if held is not None and hmac.compare_digest(held.tag, tag):
                known = held
        if known is not None:
            yield _Reading(known.grant, known, tag)
        if text.number is None:
            continue
        windows = sorted(set(_windows(profile, state, text.family, t)))
        for grant in [open_under(profile, token, text.family, window, text.number) for window in windows]:
            if grant is not None and (known is None or grant != known.grant):
                yield _Reading(grant, None, tag)


def _windows(profile: Profile, state: State, index: int, t: int) -> Iterator[int]:
    """The windows to try: those of a fresh code, and for a family that revokes those of the codes remembered."""
    family = profile.families[index]
    tolerance = profile.lock.tolerance
    for kind in family.kinds:
        if kind.action is Action.REVOKE:
            about, _ = profile.revocable(kind)
            yield from candidate_windows(profile.families[about], t, t, tolerance)
            yield from (held.grant.start // family.window for held in state.remembered if held.grant.family == about)
    at = state.floor if family.sets_clock else t  # a clock that needs to be set may show anything
    yield from candidate_windows(family, at, at, tolerance)


def _moves_floor(profile: Profile, reading: _Reading) -> bool:
    """Whether the lock learns from a code what time it is at least: it opened, so its time has come and is not over.

    A remembered code without an end opens under any clock, and a service code without a time rule, too: those say nothing.
    """
    _, kind = reading.grant.of(profile)
    return is_time_bound(kind.action) and (reading.held is None or reading.grant.duration > 0)


def _reason(profile: Profile, state: State, reading: _Reading, t: int) -> Reason:
    """The reason for one reading, in the page's order."""
    grant, held = reading.grant, reading.held
    _, kind = grant.of(profile)
    times = life(profile, grant)
    tolerance = profile.lock.tolerance
    if grant in state.revoked or state.is_cleared(profile, grant):
        return Reason.REVOKED
    if state.is_superseded(profile, grant):
        return Reason.SUPERSEDED
    if grant in state.marks:
        return Reason.USED
    if kind.action is Action.SET_CLOCK:
        return Reason.OPENED if times.starts > state.floor else Reason.EXPIRED
    if kind.action is Action.REVOKE:
        return Reason.OPENED if state.can_revoke(_target(profile, grant)) else Reason.FULL
    if t < times.starts - tolerance:
        return Reason.TOO_EARLY
    if held is None and times.use_by is not None and t >= times.use_by:
        return Reason.LAPSED
    ends = held.ends if held is not None else times.ends
    if ends is not None and t >= ends + tolerance:
        return Reason.EXPIRED
    if not kind.open_at(t):
        return Reason.OUTSIDE_HOURS
    if held is None and kind.remembers(grant.duration):
        left = _supersede(profile, state, grant).forget(profile, state.floor).remembered  # what it ends makes room for it
        if len(left) >= profile.lock.capacity:
            return Reason.FULL
    return Reason.OPENED


def _use(profile: Profile, state: State, reading: _Reading, t: int) -> State:
    """The state after a code was accepted, its charge not yet given back."""
    grant = reading.grant
    _, kind = grant.of(profile)
    times = life(profile, grant)
    if _moves_floor(profile, reading):
        state = replace(state, floor=t)
    if kind.uses and is_time_bound(kind.action):
        state = replace(state, marks=state.marks | {grant})
    if reading.held is None and kind.remembers(grant.duration):
        ends = [end for end in (times.ends, t + kind.linger if kind.linger else None) if end is not None]
        state = replace(state, remembered=(*state.remembered, Remembered(reading.tag, grant, min(ends, default=None))))
    return _act(profile, _supersede(profile, state, grant), grant, times.starts, t)


def _supersede(profile: Profile, state: State, grant: Grant) -> State:
    """The state after a code was used that kills the older ones of its group, if it has one."""
    _, kind = grant.of(profile)
    if not kind.supersedes:
        return state
    group = kind.supersedes
    newest = max((life(profile, grant).starts, grant.variant), state.superseded_below(group) or (0, 0))
    others = [s for s in state.supersede if s[0] != group]
    return replace(state, supersede=tuple(sorted([*others, (group, *newest)])))


def _act(profile: Profile, state: State, grant: Grant, starts: int, t: int) -> State:
    """What an accepted code does to the lock beyond the bolt (format 1, section 10)."""
    _, kind = grant.of(profile)
    match kind.action:
        case Action.PASSAGE:
            return replace(state, passage=not state.passage)
        case Action.CLEAR:
            return replace(state, cleared=max(state.cleared, starts), passage=False)
        case Action.SET_CLOCK:
            return replace(state, floor=starts)
        case Action.ROTATE:
            return State(generation=state.generation + 1, floor=t, failures=state.failures, charged_at=state.charged_at)
        case Action.REVOKE:
            return replace(state, revoked=state.revoked | {_target(profile, grant)})
        case _:
            return state


def _target(profile: Profile, grant: Grant) -> Grant:
    """The code that a revoke code is about: the same start, duration and variant, of the family and kind that it is named after."""
    _, kind = grant.of(profile)
    family, about = profile.revocable(kind)
    return replace(grant, family=family, kind=about)
