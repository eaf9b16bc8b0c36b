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


def decide(profile: Profile, token: DeviceToken, state: State, now: int | None, uptime: int, typed: str) -> tuple[Decision, State]:
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

    Returns:
        The decision and the state after it. An accepted ``rotate`` code's state belongs to ``token.next()``.
    """
    refusal, charged = admit(profile, token, state, now, uptime, typed)
    if refusal is not None:
        return refusal, charged
    decision, judged = judge(profile, token, charged, now, typed)
    return decision, settle(state, judged) if decision.opened else judged


def admit(profile: Profile, token: DeviceToken, state: State, now: int | None, uptime: int, typed: str) -> tuple[Decision | None, State]:
    """Steps 1 to 4: refuse without a charge, or charge one failure. The state returned is to be committed before anything is deciphered."""
    since = state.charged_at if state.charged_at is not None and state.charged_at <= uptime else 0
    elapsed = uptime - since
    lockout = profile.lock.lockout
    wait = lockout.wait(state.failures) - elapsed
    if wait > 0:
        return Decision(Reason.THROTTLED, wait=wait), state
    claimed = claim(profile, typed)
    if claimed is None:
        return Decision(Reason.MALFORMED), state
    if now is None and not profile.families[claimed[0]].sets_clock:
        return Decision(Reason.CLOCK_LOST), state
    if state.refused is not None and hmac.compare_digest(state.refused, token.tag(typed)):
        return None, state
    left = max(0, state.failures - elapsed // lockout.leak)
    return None, replace(state, failures=left + 1, charged_at=uptime)


def judge(profile: Profile, token: DeviceToken, state: State, now: int | None, typed: str) -> tuple[Decision, State]:
    """Steps 5 to 7 up to the bolt: decipher, give a reason, and if it is ``opened`` make the marks. ``state`` is the charged one."""
    t = state.floor if now is None else max(now, state.floor)
    tag = token.tag(typed)
    tidy = state.forget(profile, t)
    best = Decision(Reason.UNKNOWN)
    known: Remembered | None = None
    for grant, held in _readings(profile, token, state, t, typed, tag):
        reason = _reason(profile, tidy, grant, held, t)
        if _RANK[reason] < _RANK[best.reason]:
            best, known = Decision(reason, grant), held
    if best.grant is None or not best.opened:
        return best, replace(state, refused=tag)
    _, kind = best.grant.of(profile)
    return replace(best, action=kind.action), _use(profile, tidy, best.grant, known, tag, t)


def settle(before: State, after: State) -> State:
    """Step 7's end: the charge of step 4 is given back, and no more. ``before`` is the state that :func:`admit` got."""
    return replace(after, failures=before.failures, charged_at=before.charged_at)


def _readings(
    profile: Profile, token: DeviceToken, state: State, t: int, typed: str, tag: bytes
) -> Iterator[tuple[Grant, Remembered | None]]:
    """Every reading of a text, the remembered one first. Does the same work whatever was typed: all windows, all tags."""
    claimed = claim(profile, typed)
    assert claimed is not None  # admit() lets no other text through
    index, number = claimed
    known = None
    for held in state.remembered:
        if hmac.compare_digest(held.tag, tag):
            known = held
    windows = set(_windows(profile, state, index, t))
    deciphered = [open_under(profile, token, index, window, number) for window in sorted(windows)]
    if known is not None:
        yield known.grant, known
    for grant in deciphered:
        if grant is not None and (known is None or grant != known.grant):
            yield grant, None


def _windows(profile: Profile, state: State, index: int, t: int) -> Iterator[int]:
    """The windows to try: those of a fresh code, and for a family that revokes those of the codes remembered."""
    family = profile.families[index]
    tolerance = profile.lock.tolerance
    if any(kind.action is Action.REVOKE for kind in family.kinds):
        for held in state.remembered:
            yield held.grant.start // family.window
        for kind in family.kinds:
            if kind.action is Action.REVOKE:
                yield from candidate_windows(profile.families[profile.revocable(kind)[0]], t, t, tolerance)
    yield from candidate_windows(family, t, t, tolerance)


def _reason(profile: Profile, state: State, grant: Grant, held: Remembered | None, t: int) -> Reason:
    """The reason for one reading, in the page's order."""
    _, kind = grant.of(profile)
    times = life(profile, grant)
    tolerance = profile.lock.tolerance
    newest = state.superseded_below(kind.supersedes) if kind.supersedes else None
    if grant in state.revoked or (kind.action in (Action.UNLOCK, Action.PASSAGE) and times.starts < state.cleared):
        return Reason.REVOKED
    if newest is not None and (times.starts, grant.variant) < newest:
        return Reason.SUPERSEDED
    if grant in state.marks:
        return Reason.USED
    if kind.action is Action.SET_CLOCK:
        return Reason.OPENED if times.starts > state.floor else Reason.EXPIRED
    if kind.action is Action.REVOKE:
        return Reason.OPENED
    if t < times.starts - tolerance:
        return Reason.TOO_EARLY
    if held is None and times.use_by is not None and t >= times.use_by:
        return Reason.LAPSED
    ends = held.ends if held is not None else times.ends
    if ends is not None and t >= ends + tolerance:
        return Reason.EXPIRED
    if not kind.open_at(t):
        return Reason.OUTSIDE_HOURS
    if held is None and kind.remembers(grant.duration) and len(state.remembered) >= profile.lock.capacity:
        return Reason.FULL
    return Reason.OPENED


def _use(profile: Profile, state: State, grant: Grant, held: Remembered | None, tag: bytes, t: int) -> State:
    """The state after a code was accepted, its charge not yet given back."""
    _, kind = grant.of(profile)
    times = life(profile, grant)
    if is_time_bound(kind.action):
        state = replace(state, floor=t)
    if kind.uses and is_time_bound(kind.action):
        state = replace(state, marks=state.marks | {grant})
    if held is None and kind.remembers(grant.duration):
        ends = [end for end in (times.ends, t + kind.linger if kind.linger else None) if end is not None]
        state = replace(state, remembered=(*state.remembered, Remembered(tag, grant, min(ends, default=None))))
    if kind.supersedes:
        group = kind.supersedes
        newest = max((times.starts, grant.variant), state.superseded_below(group) or (0, 0))
        state = replace(state, supersede=(*(s for s in state.supersede if s[0] != group), (group, *newest)))
    return _act(profile, state, grant, times.starts, t)


def _act(profile: Profile, state: State, grant: Grant, starts: int, t: int) -> State:
    """What an accepted code does to the lock beyond the bolt (format 1, section 10)."""
    _, kind = grant.of(profile)
    match kind.action:
        case Action.PASSAGE:
            return replace(state, passage=not state.passage)
        case Action.CLEAR:
            return replace(state, cleared=max(state.cleared, starts))
        case Action.SET_CLOCK:
            return replace(state, floor=starts)
        case Action.ROTATE:
            return State(generation=state.generation + 1, floor=t, failures=state.failures, charged_at=state.charged_at)
        case Action.REVOKE:
            family, about = profile.revocable(kind)
            target = replace(grant, family=family, kind=about)
            return replace(state, revoked=state.revoked | {target}).forget(profile, t)
        case _:
            return state
