"""The harness has teeth: each of these wrong locks is caught within a bounded number of entries, and the right one passes the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from unittest.mock import patch

import pytest

from offlinepin.engine import payload
from offlinepin.engine.payload import Grant, Life
from offlinepin.engine.profile import Action, Profile
from offlinepin.engine.token import DeviceToken
from offlinepin.lock import decide, door, journal
from offlinepin.lock.decide import Decision, admit, judge, settle
from offlinepin.lock.door import Door
from offlinepin.lock.state import State
from offlinepin.provisioning import Provisioning
from offlinepin.testing import campaign
from offlinepin.testing.adapter import DoorUnderTest, LockFactory, LockUnderTest, tight_door
from offlinepin.testing.bench import Fault

SEED = 7


class BoltBeforeCommit(Door):
    """Opens, and makes the mark afterwards."""

    def _decide(self, text: str, at: datetime) -> Decision:
        now, uptime, masked = self.clock.reading(at), self.uptime(at), self.keypad.policy.masking
        before = self.state
        refusal, charged = admit(self.profile, self.token, before, now, uptime, text, masked=masked)
        if refusal is not None:
            return refusal
        self._commit(charged, self.token)
        decision, judged = judge(self.profile, self.token, charged, now, text, masked=masked)
        if not decision.opened:
            self.state = judged
            return decision
        token = self.token.next() if decision.action is Action.ROTATE else self.token
        if decision.bolt_moves:
            self._act(decision, at)
        self._commit(judged, token)
        if not decision.bolt_moves:
            self._act(decision, at)
        self._commit(settle(before, judged), token)
        return decision


class ForgetsMarks(Door):
    """Keeps its marks in RAM."""

    def power_up(self, at: datetime) -> None:
        super().power_up(at)
        self.state = replace(self.state, marks=frozenset())


class ForgetsRemembered(Door):
    """Keeps the codes that it remembers in RAM."""

    def power_up(self, at: datetime) -> None:
        super().power_up(at)
        self.state = replace(self.state, remembered=())


class ForgetsLockout(Door):
    """Keeps its failures in RAM."""

    def power_up(self, at: datetime) -> None:
        super().power_up(at)
        self.state = replace(self.state, failures=0)


class ForgetsFloor(Door):
    """Lets its clock be set back: keeps no floor."""

    def _commit(self, state: State, token: DeviceToken) -> None:
        super()._commit(replace(state, floor=0), token)


class RotatesInPlace(Door):
    """Forgets the old generation's state but goes on with the old key."""

    def _commit(self, state: State, token: DeviceToken) -> None:
        if token.generation > self.token.generation:
            state, token = replace(state, generation=self.token.generation), self.token
        super()._commit(state, token)


class TornCommit(Door):
    """Commits the floor and the marks one after the other."""

    def _commit(self, state: State, token: DeviceToken) -> None:
        if state.marks != self.state.marks and token is self.token:
            super()._commit(replace(state, marks=self.state.marks), token)
            self.bolt_moves += 1
            super()._commit(state, token)
            self.bolt_moves -= 1
        else:
            super()._commit(state, token)


def _success_resets(before: State, after: State) -> State:
    return replace(after, failures=0, charged_at=before.charged_at)


def _refund_too_much(before: State, after: State) -> State:
    return replace(after, failures=max(0, before.failures - 1), charged_at=before.charged_at)


def _no_refund(before: State, after: State) -> State:
    del before
    return after


def _ends_a_second_late(profile: Profile, grant: Grant) -> Life:
    times = payload.life(profile, grant)
    return replace(times, ends=None if times.ends is None else times.ends + 1)


def _starts_a_second_late(profile: Profile, grant: Grant) -> Life:
    times = payload.life(profile, grant)
    return replace(times, starts=times.starts + 1)


def _lapses_a_second_late(profile: Profile, grant: Grant) -> Life:
    times = payload.life(profile, grant)
    return replace(times, use_by=None if times.use_by is None else times.use_by + 1)


def _tolerance_twice(provisioning: Provisioning, at: datetime, follows_dst: bool) -> LockUnderTest:
    profile = provisioning.profile
    policy = profile.lock.model_copy(update={"tolerance": 2 * profile.lock.tolerance})
    wrong = profile.model_copy(update={"lock": policy})
    return DoorUnderTest(
        Provisioning(provisioning.device_id, provisioning.token, wrong, provisioning.time_zone, provisioning.keypad), at, follows_dst
    )


def _believes_what_it_wrote(self: journal._Bank, image: bytes, sequence: int) -> bool:
    del self, image, sequence
    return True


@dataclass(frozen=True)
class Mutant:
    """A wrong lock: how it is made or what is patched, and the law that it breaks first (``None``: any)."""

    name: str
    locks: Sequence[LockFactory] = campaign.LOCKS
    patched: Callable[[], AbstractContextManager[object]] = nullcontext
    fault: Fault | None = None


def _made_of(kind: type[Door]) -> Sequence[LockFactory]:
    def usual(provisioning: Provisioning, at: datetime, follows_dst: bool) -> LockUnderTest:
        return DoorUnderTest(provisioning, at, follows_dst, door=kind)

    def tight(provisioning: Provisioning, at: datetime, follows_dst: bool) -> LockUnderTest:
        return tight_door(provisioning, at, follows_dst, door=kind)

    return [*[usual] * 7, tight]


@contextmanager
def _clear_forgets_marks() -> Iterator[None]:
    """A lock that takes ``clear`` for a fresh start and empties its replay memory, without a new key."""
    act = decide._act

    def fresh(profile: Profile, state: State, grant: Grant, starts: int, t: int) -> State:
        acted = act(profile, state, grant, starts, t)
        return replace(acted, marks=frozenset(), remembered=()) if grant.of(profile)[1].action is Action.CLEAR else acted

    with patch.object(decide, "_act", fresh):
        yield


@contextmanager
def _capacity_grows() -> Iterator[None]:
    """A lock that forgets the oldest remembered code to make room."""
    use = decide._use

    def greedy(profile: Profile, state: State, reading: decide._Reading, t: int) -> State:
        full = len(state.remembered) >= profile.lock.capacity > 0
        return use(profile, replace(state, remembered=state.remembered[1:]) if full else state, reading, t)

    with patch.object(decide, "_use", greedy):
        yield


MUTANTS = [
    Mutant("mark after opening", _made_of(BoltBeforeCommit)),
    Mutant("bolt between two commits", _made_of(TornCommit)),
    Mutant("marks forgotten at a power cut", _made_of(ForgetsMarks)),
    Mutant("remembered codes forgotten at a power cut", _made_of(ForgetsRemembered)),
    Mutant("lockout forgotten at a power cut", _made_of(ForgetsLockout)),
    Mutant("floor not kept", _made_of(ForgetsFloor)),
    Mutant("replay memory cleared without a new key", patched=_clear_forgets_marks),
    Mutant("rotate without a new key", _made_of(RotatesInPlace)),
    Mutant("success resets the counter", patched=lambda: patch.object(door, "settle", _success_resets)),
    Mutant("refund more than its own charge", patched=lambda: patch.object(door, "settle", _refund_too_much)),
    Mutant("no refund", patched=lambda: patch.object(door, "settle", _no_refund)),
    Mutant("off by one at the end", patched=lambda: patch.object(decide, "life", _ends_a_second_late)),
    Mutant("off by one at the start", patched=lambda: patch.object(decide, "life", _starts_a_second_late)),
    Mutant("off by one at the activation", patched=lambda: patch.object(decide, "life", _lapses_a_second_late)),
    Mutant("tolerance applied twice", [_tolerance_twice] * 8),
    Mutant("no read-back", patched=lambda: patch.object(journal._Bank, "keeps", _believes_what_it_wrote)),
    Mutant("room made by forgetting a code", patched=_capacity_grows),
]
BOUND = 4_000  # entries within which each must be caught
PRODUCTS = ["generated", "generated", "standard"]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_wrong_lock_is_caught(mutant: Mutant) -> None:
    with mutant.patched():
        result = campaign.run(BOUND, SEED, PRODUCTS, factories=mutant.locks, per_session=150, stop_at_first=True)
    assert result.findings, f"{mutant.name}: {result.entries} entries found nothing"
    if mutant.fault is not None:
        assert mutant.fault in {finding.fault for finding in result.findings}


def test_the_right_lock_passes_the_same_sessions() -> None:
    result = campaign.run(BOUND, SEED, PRODUCTS, per_session=150)
    assert result.findings == []
    assert result.entries >= BOUND * 0.7
