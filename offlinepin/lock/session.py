"""A door that can be left and come back to, simulated or with the lock in C: its true time, what is done to it, and everything of it
that a file keeps. Coming back is the power coming back, just as after a cut."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from offlinepin.engine.token import KEY_BYTES
from offlinepin.errors import InvalidCodeError, RequestError, StateError
from offlinepin.lock.anydoor import AnyDoor, MakeDoor, simulated
from offlinepin.lock.audit import AuditLog
from offlinepin.lock.decide import Decision, admit
from offlinepin.lock.door import END_PASSAGE, SET_PASSAGE, Door
from offlinepin.lock.flash import WORD, Flash, PowerCutError
from offlinepin.lock.journal import Journal
from offlinepin.lock.keypad import Entry, Keypad
from offlinepin.lock.statefile import Kept, KeptFlash
from offlinepin.lock.timekeeping import DoorClock
from offlinepin.provisioning import Provisioning

EARLIEST: Final = datetime(1970, 1, 2, tzinfo=UTC)
LATEST: Final = datetime(2240, 1, 1, tzinfo=UTC)  # the state's bytes hold starts before the year 2242
FASTEST: Final = 100_000  # ppm
_TRIED: Final = 4  # openings by which wear is measured; the smallest part takes them behind one snapshot


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one entry at the keypad.

    Attributes:
        decision: the lock's; ``None`` when the power went on the way.
        moved: whether the bolt moved.
        follow_up: what the entry did as a follow-up to the code before it, whose decision this is then; empty if it was none.
    """

    decision: Decision | None
    moved: bool
    follow_up: str = ""


class Session:
    """A door with its power, its clock and the true time.

    Args:
        kept: what an earlier session left, or :meth:`new`. Each kind of door goes on with what any other left.
        ticks: the system's steady clock in seconds, for a door whose time runs on with it.
        make: switches the door on; the simulated one by default.

    Attributes:
        provisioning: what was loaded into it.
        door: the lock; ``None`` when it could not start.
        trouble: why it could not start; empty when it could.
    """

    def __init__(self, kept: Kept, *, ticks: Callable[[], float] = time.monotonic, make: MakeDoor = simulated) -> None:
        self.provisioning = Provisioning.from_json(kept.provisioning)
        self.clock = DoorClock.resume(self.provisioning.clock, kept.clock)
        self._document = kept.provisioning
        self._at, self._runs = kept.at.astimezone(UTC), kept.runs
        self._ticks, self._since, self._make = ticks, ticks(), make
        self._log: AuditLog = AuditLog(kept.audit)
        self._moves = kept.bolt_moves
        self.flash = _part(kept.flash)
        self.door: AnyDoor | None = None
        self.power_up()

    @classmethod
    def new(
        cls, provisioning: Provisioning, at: datetime, *, runs: bool = False, follows_dst: bool = True, make: MakeDoor = simulated
    ) -> Session:
        """A door that is switched on for the first time, its clock set right at ``at``."""
        clock = DoorClock(provisioning.clock, _in_range(at), follows_dst=follows_dst)
        part = Flash(Door(provisioning, at).flash.page_size)
        make(provisioning, at, part, clock)
        document, flash = provisioning.to_json(), _kept_part(part)
        return cls(Kept(provisioning=document, flash=flash, clock=clock.setting, at=at, runs=runs, bolt_moves=0, audit=()), make=make)

    def kept(self) -> Kept:
        """What outlives a power cut."""
        return Kept(
            provisioning=self._document,
            flash=_kept_part(self.flash),
            clock=self.clock.setting,
            at=self.at,
            runs=self._runs,
            bolt_moves=self.bolt_moves,
            audit=tuple(self._log.entries()),
        )

    @property
    def at(self) -> datetime:
        """The true time, in UTC."""
        return self._at + timedelta(seconds=self._ticks() - self._since) if self._runs else self._at

    @property
    def bolt_moves(self) -> int:
        """How often the bolt was driven, in all sessions."""
        return self._moves + (self.door.bolt_moves if self.door is not None else 0)

    # --- time ---

    def move_to(self, moment: datetime, *, runs: bool | None = None) -> None:
        """Let the true time be ``moment``, which must not be past. ``runs`` says whether it goes on with the system's clock."""
        now = self.at
        if moment < now:
            there = now.astimezone(moment.tzinfo).isoformat()
            raise RequestError(f"the time is {there} already and only goes forward, not back to {moment.isoformat()}")
        self._at, self._since = _in_range(moment).astimezone(UTC), self._ticks()
        self._runs = self._runs if runs is None else runs

    def wait(self, seconds: int) -> None:
        """Let time pass."""
        _later(self.at, seconds)
        self._at += timedelta(seconds=seconds)

    def catch_up(self, present: datetime) -> None:
        """Let it be ``present`` at least, as for a lock that was left alone until then."""
        self._at += max(timedelta(), _in_range(present) - self.at)

    def shift_clock(self, seconds: int) -> None:
        """Set the lock's clock ahead or back (negative)."""
        setting = self.clock.setting
        if setting.lost:
            raise RequestError("the lock's clock is lost and cannot be moved; clock set sets it right")
        at = self.at
        _later(setting.to + (at - setting.at) * (1 + setting.drift_ppm * 1e-6), seconds)
        self.clock.shift(timedelta(seconds=seconds), at)

    def drift(self, ppm: float) -> None:
        """Let the lock's clock run ``ppm`` parts per million fast from now on."""
        if not -FASTEST <= ppm <= FASTEST:
            raise RequestError(f"a drift is -{FASTEST} to {FASTEST} ppm, not {ppm:g}")
        self.clock.drift(ppm, self.at)

    # --- power ---

    def power_up(self) -> None:
        """The power goes, if it was on, and comes back. A cut that was to come is off."""
        self._moves = self.bolt_moves
        self._keypad = Keypad(self.provisioning.keypad, self.provisioning.profile)
        self.door, self.trouble = None, ""
        self.flash.cut_after = None
        try:
            self.door = self._make(self.provisioning, self.at, self.flash, self.clock)
        except StateError as cause:
            self.trouble = str(cause)
        else:
            self.door.audit = self._log

    def change_battery(self) -> None:
        """No power for long: the clock and the log are lost as well."""
        self.clock.lose()
        self._log = AuditLog()
        self.power_up()

    # --- keys and flash ---

    @property
    def keys(self) -> str:
        """The keys of its keypad."""
        profile, policy = self.provisioning.profile, self.provisioning.keypad
        return "".join(sorted({*profile.alphabet, policy.enter, policy.clear}.union(*(family.prefix for family in profile.families))))

    def press(self, keys: str) -> list[Outcome]:
        """Press keys; what came of each entry that they end. The keys after a power cut are not pressed.

        Raises:
            InvalidCodeError: one of them is no key of this keypad; none is pressed then.
        """
        for key in keys:
            if key not in self.keys:
                raise InvalidCodeError(f"{key!r} is no key of this keypad; its keys are {self.keys}")
        outcomes: list[Outcome] = []
        if (door := self.door) is None:
            return outcomes
        for key in keys:
            moves, at = self.bolt_moves, self.at
            entry = self._keypad.press(key, door.uptime(at))
            try:
                decisions = door.press(key, at)
            except PowerCutError:
                self.power_up()
                return [*outcomes, Outcome(None, self.bolt_moves > moves)]
            moved = self.bolt_moves > moves
            for decision in decisions:
                follow_up = _follow_up(entry, door) if decision.bolt_moves and not moved else ""
                outcomes.append(Outcome(decision, moved, follow_up))
        return outcomes

    def rot(self, address: int, bit: int) -> None:
        """Flip a bit of the flash part."""
        size = self.flash.page_size * self.flash.pages
        if not 0 <= address < size or not 0 <= bit < 8:
            raise RequestError(f"an address is 0 to {size - 1} and a bit 0 to 7, not {address} and {bit}")
        self.flash.rot(address, bit)

    def locked_for(self) -> int:
        """Seconds until the lock takes entries again; 0 if it does."""
        if self.door is None:
            return 0
        door, at = self.door, self.at
        refusal, _ = admit(door.profile, door.token, door.state, door.clock.reading(at), door.uptime(at), "")
        return refusal.wait if refusal is not None else 0

    def audit_lines(self) -> str:
        """The lock's log as JSON lines."""
        return self._log.json_lines()


def wear_of_an_opening(door: AnyDoor) -> tuple[float, float]:
    """Flash words and page erases that an opening by a known code costs on average: measured on a blank part, snapshots shared out."""
    flash = Flash(door.flash.page_size, door.flash.pages)
    journal = Journal(flash, door.layout.size + KEY_BYTES)
    state, token = door.state, door.token.export()
    journal.commit(door.layout.encode(state) + token)
    snapshot = flash.words
    for _ in range(_TRIED):
        charged = replace(state, failures=state.failures + 1)
        judged = replace(charged, floor=charged.floor + 3600)
        state = replace(judged, failures=state.failures)
        for step in (charged, judged, state):
            journal.commit(door.layout.encode(step) + token)
    words = (flash.words - snapshot) / _TRIED
    bank_pages = flash.pages // 2
    openings = (bank_pages * flash.page_size // WORD - snapshot) / words  # that a bank takes
    return words + snapshot / openings, bank_pages / openings


def _follow_up(entry: Entry | None, door: AnyDoor) -> str:
    if entry is not None and entry.text in (SET_PASSAGE, END_PASSAGE):
        return f"passage is {'on' if door.state.passage else 'off'}"
    return "the personal code is chosen"


def _kept_part(flash: Flash) -> KeptFlash:
    cells = flash.read(0, flash.page_size * flash.pages).hex()
    return KeptFlash(page_size=flash.page_size, cells=cells, wear=tuple(flash.wear), words=flash.words)


def _part(kept: KeptFlash) -> Flash:
    """A flash part with what was kept of it. What the next torn write leaves depends on its history only."""
    cells = bytes.fromhex(kept.cells)
    flash = Flash(kept.page_size, len(kept.wear), seed=kept.words + sum(kept.wear))
    for at in range(0, len(cells), WORD):
        flash.write(at, cells[at : at + WORD])
    flash.wear, flash.words = list(kept.wear), kept.words
    return flash


def _in_range(moment: datetime) -> datetime:
    if not EARLIEST <= moment < LATEST:
        raise RequestError(f"a time is {EARLIEST:%Y-%m-%d} to {LATEST:%Y-%m-%d}, not {moment.isoformat()}")
    return moment


def _later(moment: datetime, seconds: int) -> datetime:
    try:
        return _in_range(moment + timedelta(seconds=seconds))
    except OverflowError:
        raise RequestError(f"{seconds} s from {moment.isoformat()} is beyond the years {EARLIEST:%Y} to {LATEST:%Y}") from None
