"""A lock on the bench: the issuer that gives it codes, the plain model beside it, and the checks after everything that is done to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from offlinepin.engine.clock import LockClock, check_aware
from offlinepin.engine.payload import Grant
from offlinepin.engine.profile import Profile
from offlinepin.errors import StateError
from offlinepin.issuer import Issuer
from offlinepin.keys import MasterKey
from offlinepin.lock.decide import Reason
from offlinepin.lock.flash import PowerCutError
from offlinepin.pin import AccessPin, ServiceCode
from offlinepin.testing.adapter import DoorUnderTest, LockFactory, LockUnderTest
from offlinepin.testing.choosing import T
from offlinepin.testing.clocks import ModelClock
from offlinepin.testing.model import Rules
from offlinepin.testing.worlds import Outcome, World
from offlinepin.vendor import Vendor, resolve

DEVICE: Final = "bench"
USUAL_ZONE: Final = "Europe/Berlin"  # of a civil lock whose vendor does not say
_SLACK: Final = 2  # seconds by which a clock may round otherwise than the model's


class Fault(StrEnum):
    """What a wrong lock does."""

    OPENED_TWICE = "single-use codes opened twice"
    OUTSIDE_TIME = "opened outside their time"
    REFUSED = "good codes refused without cause"
    UNUSABLE = "locks left unusable"
    OTHER = "other answers that the model does not give"


class WrongLockError(AssertionError):
    """The lock did what the format does not allow. ``fault`` says which law it broke."""

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(f"{fault}: {message}")
        self.fault = fault


class LockStoppedError(Exception):
    """The lock's flash failed, and it does what the format asks for then: it stops for good. No fault, but the end of the session."""


@dataclass(slots=True)
class Counts:
    """What happened on a bench."""

    entries: int = 0
    cuts: int = 0
    openings: int = 0
    writes: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


class Bench:
    """One lock under test.

    Args:
        vendor: the product, or a plug-in's name.
        at: the true moment at which it begins, aware.
        factory: makes the lock.
        key: 32 bytes from which its codes come.
        follows_dst: whether its clock follows daylight saving time.

    Attributes:
        at: the true moment.
        pins, services: the codes that were issued for it.
        worlds: the conditions that it may be in.
        typed: what was typed, latest last.
        log: what was done, in words.
    """

    def __init__(
        self,
        vendor: str | Vendor | Profile,
        at: datetime,
        factory: LockFactory = DoorUnderTest,
        key: bytes = bytes(32),
        follows_dst: bool = True,
    ) -> None:
        vendor, at = resolve(vendor), check_aware(at, "the moment")
        if vendor.profile.clock == "civil" and vendor.time_zone is None:
            vendor = replace(vendor, time_zone=USUAL_ZONE)
        self.vendor, self.profile, self.at = vendor, vendor.profile, at
        self.issuer = Issuer(MasterKey(key), vendor, allow_weak=True)
        provisioning = self.issuer.provision(DEVICE)
        self.keypad = provisioning.keypad
        self.rules = Rules(self.profile, self.keypad, provisioning.token)
        self.clock: LockClock = provisioning.clock
        where = UTC if self.profile.clock == "utc" or self.clock.where is None else self.clock.where
        self.worlds = {World(ModelClock(where, at, at.astimezone(UTC), follows_dst=follows_dst))}
        self.pins: list[AccessPin] = []
        self.services: list[ServiceCode] = []
        self.typed: list[str] = []
        self.log: list[str] = []
        self.counts = Counts()
        self._moved: Counter[tuple[int, Grant]] = Counter()
        self._up_since = at
        self._is_weak = False
        self.lock: LockUnderTest = self._working("it was switched on", lambda: factory(provisioning, at, follows_dst))
        self._check_size()

    @property
    def uptime(self) -> int:
        """Whole seconds since the power came."""
        return int((self.at - self._up_since).total_seconds())

    @property
    def shown(self) -> int | None:
        """What the lock's clock shows."""
        return self.lock.reading(self.at)

    @property
    def time(self) -> int:
        """The time by which the lock decides: its clock, and never before its floor."""
        floor = max(world.floor for world in self.worlds)
        return max(self.shown or 0, floor)

    @property
    def wait(self) -> int:
        """Seconds until the lock certainly takes entries again."""
        return max(0, *(self.rules.wait(world, self.uptime) for world in self.worlds))

    def note(self, what: str) -> None:
        """Write down what is being done."""
        self.log.append(f"{self.at:%Y-%m-%d %H:%M:%S} {what}")

    def pass_time(self, seconds: int) -> None:
        """Let time go by."""
        self.note(f"wait {seconds} s")
        self.at += timedelta(seconds=seconds)

    def grant(self, pin: AccessPin) -> Grant:
        """What a code permits."""
        family = self.profile.family_index(pin.family)
        return Grant(family, self.profile.kind_index(family, pin.kind), pin.start_slot, pin.duration, pin.variant)

    def enter(self, text: str, before: str = "") -> Reason | None:
        """Type a text, check the answer, and give it; ``None`` if the power went meanwhile. ``before`` is typed and then discarded."""
        self.typed.append(text)
        self.counts.entries += 1
        self._look_at_clock()
        shown, moves = self.shown, self.lock.bolt_moves
        outcomes = [(world, o) for world in self.worlds for o in self.rules.outcomes(world, shown, self.uptime, self.at, text)]
        self.note(f"type {text} ({shown} s on the clock, uptime {self.uptime} s)")
        keys = (before + self.keypad.clear if before else "") + text + self.keypad.enter
        try:
            reason = self._working("a code was typed", lambda: self._press(keys))
        except PowerCutError:
            reason = None
        moved = self.lock.bolt_moves - moves
        self.log[-1] += f": {reason or 'the power went'}{', the bolt moved' if moved else ''}"
        self.counts.openings += moved
        if reason is None:
            self._check_cut(text, moved, [o for _, o in outcomes])
        else:
            self._check_answer(text, reason, moved, [o for _, o in outcomes])
        return reason

    def begin(self, text: str) -> None:
        """Type a text without the enter key; the keypad forgets it after its time-out."""
        self.note(f"begin to type {text}")
        self._working("keys were pressed", lambda: self.lock.press(text, self.at))
        self.pass_time(self.keypad.timeout + 1)

    def cut_power(self, writes: int | None = None) -> None:
        """The power goes and comes back, and with ``writes`` it goes again after so many writes of the power-up, if there are as many."""
        self.note("cut the power")
        self.counts.cuts += 1
        self.lock.arm(writes)
        self._power_up()

    def arm(self, writes: int, silently: bool = False) -> None:
        """Let the power go at a write to come, or let that write be lost ``silently``."""
        self.note(f"{'a write is lost' if silently else 'the power goes'} after {writes} more")
        self._is_weak = self._is_weak or silently
        self.lock.arm(writes, silently)

    def set_clock_right(self) -> None:
        """A visit."""
        self.note("a visit sets the clock right")
        self.lock.correct_clock(self.at)
        self._clocks(lambda clock: clock.correct(self.at))

    def shift_clock(self, seconds: int) -> None:
        """Somebody sets the clock ahead or back."""
        self.note(f"shift the clock by {seconds} s")
        self.lock.shift_clock(timedelta(seconds=seconds), self.at)
        self._clocks(lambda clock: clock.shift(timedelta(seconds=seconds), self.at))

    def drift_clock(self, ppm: int) -> None:
        """A temperature step."""
        self.note(f"the clock runs {ppm} ppm fast")
        self.lock.drift_clock(ppm, self.at)
        self._clocks(lambda clock: clock.drift(ppm, self.at))

    def change_battery(self, keeps_clock: bool) -> None:
        """The battery is changed, and the clock may be lost."""
        self.note(f"change the battery, the clock is {'kept' if keeps_clock else 'lost'}")
        if not keeps_clock:
            self.lock.lose_clock()
            self._clocks(ModelClock.lose)
        self.lock.arm(None)
        self._power_up()

    def confirm(self) -> None:
        """The issuer learns the lock's generation from its check value."""
        self.issuer.confirm(DEVICE, self.lock.check_value)

    def sweep(self, text: str, closely: int = 1 << 30, stride: int = 7) -> int:
        """Type a text at twins of the lock, with the power cut at each write in turn, and type it again. How many cuts there were.

        After the first ``closely`` writes, only one in ``stride`` is tried: a snapshot of a large state has a thousand.
        """
        self.note(f"sweep {text}")
        cuts = at = 0
        while True:
            twin = self._twin()
            if twin is None:
                return cuts
            twin.pass_time(twin.wait)  # it has just been powered up, and a lockout begins anew
            twin.arm(at)
            before = twin.counts.cuts
            twin.enter(text)
            if twin.counts.cuts == before:
                return cuts
            twin.enter(text)
            twin.pass_time(twin.wait)
            twin.enter(text)
            cuts += 1
            at += 1 if at < closely else stride

    def _twin(self) -> Bench | None:
        twin = self._working("its memory was copied", lambda: self.lock.twin(self.at))
        if twin is None:
            return None
        bench = object.__new__(Bench)
        bench.__dict__.update(self.__dict__)
        bench.lock, bench._up_since, bench._moved = twin, self.at, Counter(self._moved)
        bench.typed, bench.log = list(self.typed), list(self.log)
        bench.worlds = {self.rules.power_up(world) for world in self.worlds}
        return bench

    def _press(self, keys: str) -> Reason:
        answers = self.lock.press(keys, self.at)
        if len(answers) != 1:
            raise WrongLockError(Fault.OTHER, f"one entry was typed and {len(answers)} answers came")
        return answers[0]

    def _check_answer(self, text: str, reason: Reason, moved: int, outcomes: list[Outcome]) -> None:
        self.counts.reasons[reason] += 1
        agreed = [o for o in outcomes if o.reason is reason and o.moves == bool(moved)]
        if not agreed or moved > 1:
            raise self._wrong(text, reason, moved, outcomes)
        self._count_moves(moved, agreed)
        self._narrow({o.after for o in agreed})
        self._check_pin(text, moved, agreed)

    def _check_cut(self, text: str, moved: int, outcomes: list[Outcome]) -> None:
        self.counts.cuts += 1
        agreed = [o for o in outcomes if not moved or o.moves]
        if not agreed or moved > 1:
            raise self._wrong(text, Reason.OPENED, moved, outcomes)
        self._count_moves(moved, agreed)
        self.worlds = {world for o in agreed for world in (o.with_bolt if moved else o.without_bolt)}
        self._power_up()
        self._check_pin(text, moved, agreed)

    def _count_moves(self, moved: int, agreed: list[Outcome]) -> None:
        if not moved:
            return
        generations = {world.generation for world in self.worlds}
        grants = {o.grant for o in agreed if o.grant is not None}
        if len(generations) == len(grants) == 1:
            self._moved[generations.pop(), grants.pop()] += 1

    def _check_pin(self, text: str, moved: int, agreed: list[Outcome]) -> None:
        """The two laws that matter most, from what was issued alone."""
        for pin in self.pins if moved else ():
            grant = self.grant(pin)
            if not text.endswith(pin.code) or any(o.grant != grant for o in agreed):
                continue
            if pin.one_time and self._moved[pin.generation, grant] > 1:
                raise WrongLockError(Fault.OPENED_TWICE, f"{pin.kind} code {text}")
            if not self._is_in_time(grant):
                raise WrongLockError(Fault.OUTSIDE_TIME, f"{pin.kind} code {text}")

    def _wrong(self, text: str, reason: Reason, moved: int, outcomes: list[Outcome]) -> WrongLockError:
        """Which law an answer breaks that the model does not give."""
        allowed = sorted({f"{o.reason}{' and the bolt' if o.moves else ''}" for o in outcomes})
        message = f"{text} gave {reason}{' and the bolt' if moved else ''}, the model allows {', '.join(allowed) or 'nothing'}"
        if not moved and {o.reason for o in outcomes} == {Reason.OPENED}:
            return WrongLockError(Fault.REFUSED, message)
        for pin in self.pins if moved else ():
            if text.endswith(pin.code):
                grant = self.grant(pin)
                if pin.one_time and any(grant in world.used for world in self.worlds):
                    return WrongLockError(Fault.OPENED_TWICE, message)
                if not self._is_in_time(grant):
                    return WrongLockError(Fault.OUTSIDE_TIME, message)
        return WrongLockError(Fault.OTHER, message)

    def _is_in_time(self, grant: Grant) -> bool:
        """Whether the lock's time is within a code's, give or take the tolerance."""
        times, tolerance = self.rules.times(grant), self.profile.lock.tolerance
        return times.starts - tolerance <= self.time and (times.ends is None or self.time < times.ends + tolerance)

    def _working(self, when: str, action: Callable[[], T], *, is_power_up: bool = False) -> T:
        """Do something with the lock. Whatever it raises but a cut of the power says that it is unusable."""
        try:
            return action()
        except (PowerCutError, WrongLockError):
            raise
        except StateError as cause:
            if self._is_weak and is_power_up and self.shown is None:
                raise LockStoppedError from cause
            if self._is_weak and not is_power_up:
                raise PowerCutError("the lock found that its flash fails, and stopped") from cause
            raise WrongLockError(Fault.UNUSABLE, f"when {when}: {cause!r}") from cause
        except Exception as cause:
            raise WrongLockError(Fault.UNUSABLE, f"when {when}: {cause!r}") from cause

    def _power_up(self) -> None:
        while True:
            try:
                self._working("the power came back", lambda: self.lock.power_up(self.at), is_power_up=True)
                break
            except PowerCutError:
                self.counts.cuts += 1
        self._up_since = self.at
        worlds = {self.rules.power_up(world) for world in self.worlds}
        if self._is_weak:
            worlds |= {self.rules.distrust(world, self.shown) for world in worlds}
        self._narrow(worlds)
        self._check_size()

    def _narrow(self, worlds: set[World]) -> None:
        """Of the worlds that may be, keep those of which the lock shows the generation."""
        shown = self.lock.check_value
        self.worlds = {world for world in worlds if self.rules.token(world.generation).check_value == shown}
        if not self.worlds:
            generations = sorted({world.generation for world in worlds})
            raise WrongLockError(Fault.OTHER, f"its check value is {shown}, of none of the generations {generations}")
        self._look_at_clock()

    def _look_at_clock(self) -> None:
        shown = self.shown
        agreed = set()
        for world in self.worlds:
            expected = world.clock.reading(self.at)
            if expected == shown or (expected is not None and shown is not None and abs(expected - shown) <= _SLACK):
                agreed.add(world)
        if not agreed:
            expected_all = [world.clock.reading(self.at) for world in self.worlds]
            raise WrongLockError(Fault.OTHER, f"its clock shows {shown}, the model expects {expected_all}")
        self.worlds = agreed

    def _clocks(self, change: Callable[[ModelClock], ModelClock]) -> None:
        self.worlds = {replace(world, clock=change(world.clock)) for world in self.worlds}
        self._look_at_clock()

    def _check_size(self) -> None:
        limit = 256 + 16 * self.profile.lock.capacity
        if self.lock.state_bytes > limit:
            raise WrongLockError(Fault.OTHER, f"its state has {self.lock.state_bytes} bytes, at most {limit} are allowed")
