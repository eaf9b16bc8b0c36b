"""A whole lock, simulated: keypad, clock, flash, decision and bolt, with every instant at which its power can go.
The order of its steps is the firmware's: charge, commit, judge, commit and read back, bolt, give back the charge, commit."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from offlinepin.engine.profile import Action
from offlinepin.engine.token import KEY_BYTES, DeviceToken
from offlinepin.errors import StateError
from offlinepin.lock.audit import AuditLog
from offlinepin.lock.decide import Decision, Reason, admit, choose_personal, is_clock_code, judge, settle
from offlinepin.lock.flash import Flash, PowerCutError
from offlinepin.lock.journal import Condition, Journal
from offlinepin.lock.keypad import Entry, Keypad
from offlinepin.lock.layout import Layout
from offlinepin.lock.state import State
from offlinepin.lock.timekeeping import DoorClock
from offlinepin.provisioning import Provisioning

SET_PASSAGE, END_PASSAGE = "2", "3"


class Door:
    """A lock that keeps its state in flash and survives a power cut at any instant.

    Args:
        provisioning: token, profile, zone and keypad.
        at: the true moment at which it is switched on, with its clock set right.
        flash: the part that holds its state; a new one by default. A part with a state in it is gone on with.
        clock: its clock; a perfect one by default.

    Attributes:
        bolt_moves: how often the bolt was driven.
        condition: what was found in flash when the power came.

    Raises:
        StateError: the flash is too small, or what it holds is beyond use: the lock must be provisioned again.
    """

    def __init__(self, provisioning: Provisioning, at: datetime, *, flash: Flash | None = None, clock: DoorClock | None = None) -> None:
        self.profile = provisioning.profile
        self.layout = Layout(self.profile)
        self.clock = DoorClock(provisioning.clock, at) if clock is None else clock
        self.audit = AuditLog()
        self.bolt_moves = 0
        self.keypad = Keypad(provisioning.keypad, self.profile)
        self._size = self.layout.size + KEY_BYTES
        self.flash = Flash(_page_size(self._size)) if flash is None else flash
        self._provisioned = provisioning.token
        self.power_up(at)

    def power_up(self, at: datetime) -> None:
        """The power comes (back): read the state from flash, and start the uptime."""
        self.token = self._provisioned
        self._up_since = at.astimezone(UTC)  # one zone's times differ by what its wall clocks show
        self._followed: tuple[Decision, int] | None = None
        self.keypad.discard()
        self._journal = Journal(self.flash, self._size)
        self.condition = self._journal.condition
        if self.condition is Condition.EMPTY:
            self.state = State(generation=self.token.generation)
            self._commit(self.state, self.token)
            return
        if not self._journal.image:
            raise StateError("the lock's state is lost; it must be provisioned again")
        self.state = self.layout.decode(self._journal.image[: self.layout.size])
        self.token = DeviceToken(self._journal.image[self.layout.size :], self.state.generation)
        if self.condition is Condition.DAMAGED:
            self._distrust(at)

    def _distrust(self, at: datetime) -> None:
        """The latest changes may be lost, so no code that may have been used already is trusted: every code that has begun is dead."""
        shown = self.clock.reading(at)
        if shown is None:
            raise StateError("the lock's state is damaged and its clock is lost; it must be provisioned again")
        begun = max(shown, self.state.floor) + self.profile.lock.tolerance + 1
        cleared = replace(self.state, cleared=max(self.state.cleared, begun), passage=False)
        self.state = cleared.forget(self.profile, cleared.floor)  # as flash does
        self._commit(self.state, self.token)

    def uptime(self, at: datetime) -> int:
        """Whole seconds since the power came."""
        return max(0, int((at.astimezone(UTC) - self._up_since).total_seconds()))

    def press(self, keys: str, at: datetime) -> list[Decision]:
        """Press keys one after the other; a decision for every entry that they end.

        Raises:
            PowerCutError: the flash lost its power on the way. :meth:`power_up` brings the lock back.
        """
        decisions = []
        for key in keys:
            entry = self.keypad.press(key, self.uptime(at))
            if entry is not None:
                decisions.append(self._take(entry, at))
        return decisions

    def enter(self, code: str, at: datetime) -> Decision:
        """Type a code and the enter key."""
        decisions = self.press(code + self.keypad.policy.enter, at)
        return decisions[-1] if decisions else Decision(Reason.MALFORMED)

    def _take(self, entry: Entry, at: datetime) -> Decision:
        followed, self._followed = self._followed, None
        if followed is not None and self.uptime(at) <= followed[1] and self._follow_up(followed[0], entry.text):
            return followed[0]
        decision = self._decide(entry.text, at)
        self.audit.add(self.profile, self.clock.reading(at), decision)
        if decision.bolt_moves:
            self._followed = decision, self.uptime(at) + self.keypad.policy.timeout
        return decision

    def _decide(self, text: str, at: datetime) -> Decision:
        """One entry through all of its steps. Whatever is thrown on the way leaves the lock without power."""
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
        self._commit(judged, token)
        self._act(decision, at)
        self._commit(settle(before, judged), token)
        return decision

    def _act(self, decision: Decision, at: datetime) -> None:
        if decision.bolt_moves:
            self.bolt_moves += 1
        if decision.grant is not None and is_clock_code(self.profile, decision.grant):
            self.clock.set_reading(self.state.floor, at)

    def _follow_up(self, decision: Decision, text: str) -> bool:
        """What may be typed after a code that opened: a personal code, or a passage command. Whether the text was one."""
        assert decision.grant is not None
        family, _ = decision.grant.of(self.profile)
        state = self.state
        if family.name in self.keypad.policy.passage and text in (SET_PASSAGE, END_PASSAGE):
            state = replace(state, passage=text == SET_PASSAGE)
        elif family.name in self.keypad.policy.personal:
            state = choose_personal(self.profile, self.token, state, decision.grant, text)
        if state is self.state:
            return False
        self._commit(state, self.token)
        return True

    def _commit(self, state: State, token: DeviceToken) -> None:
        """Keep a state and its token in flash, read back; only then is it the lock's state."""
        self._journal.commit(self.layout.encode(state) + token.export())
        self.state, self.token = state, token


def _page_size(image: int) -> int:
    """The smallest usual page that holds an image twice over."""
    size = 1024
    while size < 2 * image:
        size *= 2
    return size


__all__ = ["Door", "PowerCutError"]
