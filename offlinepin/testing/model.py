"""What a lock may answer, said a second time straight from the words of format 1, section 9 and 10, and from nothing of the lock's own
code: one possible condition of a lock, and everything that may come of an entry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from offlinepin.engine.codec import from_symbols, open_under
from offlinepin.engine.payload import Grant
from offlinepin.engine.profile import Action, Kind, Profile
from offlinepin.engine.token import DeviceToken
from offlinepin.keypad import KeypadPolicy
from offlinepin.lock.decide import Reason
from offlinepin.testing.worlds import Known, Outcome, Times, World

REVOCATIONS: Final = 8
_PERSONAL_KEYS: Final = 6
_KEPT: Final = 1000
ORDER: Final = (  # of section 9, step 6
    Reason.OPENED,
    Reason.REVOKED,
    Reason.SUPERSEDED,
    Reason.USED,
    Reason.TOO_EARLY,
    Reason.LAPSED,
    Reason.EXPIRED,
    Reason.OUTSIDE_HOURS,
    Reason.FULL,
    Reason.UNKNOWN,
)
_RANK: Final = {reason: rank for rank, reason in enumerate(ORDER)}


@dataclass(frozen=True, slots=True)
class _Reading:
    grant: Grant
    text: str
    held: Known | None = None
    certain: bool = True


class Rules:
    """The page's rules for one product.

    Args:
        profile: its profile.
        keypad: how its keypad is worked.
        token: of the lock, at the generation in which it was provisioned.
    """

    def __init__(self, profile: Profile, keypad: KeypadPolicy, token: DeviceToken) -> None:
        self.profile = profile
        self.keypad = keypad
        self._tokens = {token.generation: token}
        self._longest: dict[tuple[int, int], int] = {}
        self._opened_under: dict[tuple[int, int, int, int], Grant | None] = {}

    def token(self, generation: int) -> DeviceToken:
        """The token of a generation."""
        if generation not in self._tokens:
            self._tokens[generation] = self.token(generation - 1).next()
        return self._tokens[generation]

    def times(self, grant: Grant) -> Times:
        """Section 5: a grant starts at ``s·slot + opens`` and ends at ``(s + duration)·slot + closes``."""
        family, kind = grant.of(self.profile)
        starts = grant.start * family.slot + kind.opens
        ends = (grant.start + grant.duration) * family.slot + kind.closes if grant.duration else None
        return Times(starts, ends, starts + kind.activation * family.slot if _must_be_used_early(kind, grant.duration) else None)

    def wait(self, world: World, uptime: int) -> int:
        """Seconds of uptime for which the lock is still locked; 0 or less when it is not."""
        lockout = self.profile.lock.lockout
        over = world.failures - lockout.free
        delay = min(lockout.cap, lockout.delay * lockout.growth ** (min(over, 64) - 1)) if over > 0 else 0
        return delay - (uptime - world.charged_at)

    def power_up(self, world: World) -> World:
        """The power was gone: the uptime starts anew, the text refused last is forgotten, and so is what ended behind the floor."""
        return replace(
            world,
            charged_at=0,
            refused=None,
            follow=None,
            used=frozenset(g for g in world.used if not self._is_over(world, g, world.floor)),
            known=frozenset(k for k in world.known if self._matters(world, k, world.floor)),
        )

    def distrust(self, world: World, shown: int | None) -> World:
        """What a lock does that finds its flash damaged: every code that may have been used already is dead."""
        t = max(shown or 0, world.floor)
        return replace(world, dead_before=max(world.dead_before, t + self.profile.lock.tolerance + 1), passage=False)

    def outcomes(self, world: World, now: int | None, uptime: int, at: datetime, text: str) -> Iterator[Outcome]:
        """All that may come of a text typed in a world, when the lock's clock shows ``now``."""
        follow, world = world.follow, replace(world, follow=None)
        if follow is not None and uptime <= follow[1]:
            changed = self._follow_up(world, follow[0], text)
            if changed is not None:
                yield Outcome(Reason.OPENED, changed, without_bolt=(world, changed))
                return
        if self.wait(world, uptime) > 0:
            yield Outcome(Reason.THROTTLED, world, without_bolt=(world,))
            return
        claims = self._claims(text) if len(text) <= self.keypad.max_keys else []
        t = world.floor if now is None else max(now, world.floor)
        own = world.personal if not claims and len(text) == _PERSONAL_KEYS else None
        if not claims and (own is None or self._has_ended(own, t)):
            yield Outcome(Reason.MALFORMED, world, without_bolt=(world,))
        if not claims and own is None:
            return
        if now is None and not any(self.profile.families[family].sets_clock for family, _, _ in claims):
            yield Outcome(Reason.CLOCK_LOST, world, without_bolt=(world,))
            return
        charged = world if text == world.refused else self._charge(world, uptime)
        readings = list(self._readings(world, claims, t)) if own is None else []
        if own is not None and own.text == text:
            readings = [_Reading(own.grant, text, own)]
        if now is None:
            readings = [r for r in readings if self._kind(r.grant).action is Action.SET_CLOCK]
        yield from self._judge(world, charged, readings, t, uptime, at, text)

    def _judge(
        self, world: World, charged: World, readings: list[_Reading], t: int, uptime: int, at: datetime, text: str
    ) -> Iterator[Outcome]:
        """The best of the readings' reasons; where a reading or its reason is not certain, each answer that may be the best."""
        found = [(reading, set(self._reasons(world, reading, t))) for reading in readings]
        worst = min((max(_RANK[r] for r in reasons) for reading, reasons in found if reading.certain), default=_RANK[Reason.UNKNOWN])
        possible = {r for _, reasons in found for r in reasons if _RANK[r] <= worst}
        if worst == _RANK[Reason.UNKNOWN]:
            possible.add(Reason.UNKNOWN)
        for reason in possible - {Reason.OPENED}:
            yield Outcome(reason, replace(charged, refused=text), without_bolt=(world, charged))
        for reading, reasons in found:
            if Reason.OPENED in reasons:
                yield self._opened(world, charged, reading, t, uptime, at)

    def _opened(self, world: World, charged: World, reading: _Reading, t: int, uptime: int, at: datetime) -> Outcome:
        """Step 7: the marks, then the bolt (or the clock), then the charge is given back, and no more."""
        kind = self._kind(reading.grant)
        marked = self._use(charged, reading, t)
        acted = marked
        moves = kind.action in (Action.UNLOCK, Action.PASSAGE)
        if kind.action is Action.SET_CLOCK:
            acted = replace(marked, clock=marked.clock.set_reading(self.times(reading.grant).starts, at))
        final = replace(acted, failures=world.failures, charged_at=world.charged_at)
        if moves:
            after = replace(final, follow=(reading.grant, uptime + self.keypad.timeout))
            return Outcome(Reason.OPENED, after, reading.grant, True, (world, charged, marked), (marked, final))
        return Outcome(Reason.OPENED, final, reading.grant, False, (world, charged, marked, acted, final))

    def _charge(self, world: World, uptime: int) -> World:
        leaked = (uptime - world.charged_at) // self.profile.lock.lockout.leak
        return replace(world, failures=max(0, world.failures - leaked) + 1, charged_at=uptime)

    def _kind(self, grant: Grant) -> Kind:
        return grant.of(self.profile)[1]

    def _claims(self, text: str) -> list[tuple[int, int, str]]:
        """Family, number and text of each code that an entry may be: the whole of it, or with masking also its end."""
        found = []
        for index, family in enumerate(self.profile.families):
            end = text[-family.total_length :]
            if len(end) == family.total_length and (self.keypad.masking or end == text) and end.startswith(family.prefix):
                number = from_symbols(end[len(family.prefix) :], self.profile.alphabet)
                if number is not None:
                    found.append((index, number, end))
        return found

    def _readings(self, world: World, claims: list[tuple[int, int, str]], t: int) -> Iterator[_Reading]:
        token = self.token(world.generation)
        for family, number, text in claims:
            known = next((k for k in world.known if k.text == text), None)
            is_kept = known is not None and self._matters(world, known, t)
            if known is not None:
                yield _Reading(known.grant, text, known, certain=is_kept)
            certain, maybe = self._windows(world, family, t)
            for window in sorted(certain | maybe):
                grant = self._open_under(token, family, window, number)
                if grant is not None and not (known is not None and is_kept and grant == known.grant):
                    is_held = known is not None and grant == known.grant
                    yield _Reading(grant, text, None, certain=window in certain and not is_held)

    def _open_under(self, token: DeviceToken, family: int, window: int, number: int) -> Grant | None:
        """What a number means under a window; the latest answers are kept, since every world asks the same."""
        place = token.generation, family, window, number
        if place not in self._opened_under:
            if len(self._opened_under) > _KEPT:
                self._opened_under.clear()
            self._opened_under[place] = open_under(self.profile, token, family, window, number)
        return self._opened_under[place]

    def _windows(self, world: World, index: int, t: int) -> tuple[set[int], set[int]]:
        """The windows that the lock must try, and those beside them that it may."""
        family = self.profile.families[index]
        if family.sets_clock:
            first = world.floor // (family.slot * family.window)
            return {first, first + 1}, set()
        must: set[int] = set()
        may: set[int] = set()
        for k, kind in enumerate(family.kinds):
            if kind.action is Action.REVOKE:
                about, _ = self.profile.revocable(kind)
                must |= self._fresh_windows(about, t)
                for known in world.known:
                    if known.grant.family == about:
                        (must if self._matters(world, known, t) else may).add(known.grant.start // family.window)
            else:
                must |= self._kind_windows(index, k, t)
        near = {w + step for w in {*must, t // family.slot // family.window} for step in (-1, 0, 1) if w + step >= 0}
        return must, (may | near) - must

    def _fresh_windows(self, index: int, t: int) -> set[int]:
        return {w for k in range(len(self.profile.families[index].kinds)) for w in self._kind_windows(index, k, t)}

    def _kind_windows(self, index: int, k: int, t: int) -> set[int]:
        """The windows that hold a start from which a code of a kind that is not remembered is valid at t."""
        family, tolerance = self.profile.families[index], self.profile.lock.tolerance
        kind = family.kinds[k]
        if (index, k) not in self._longest:
            self._longest[index, k] = max(self._fresh_end(Grant(index, k, 0, d, 0)) for r in kind.ranges for d in r)
        oldest = max(0, (t - self._longest[index, k]) // family.slot + 1)
        newest = (t + tolerance - kind.opens) // family.slot
        return set(range(oldest // family.window, newest // family.window + 1)) if oldest <= newest else set()

    def _fresh_end(self, grant: Grant) -> int:
        """When a code that is not remembered stops opening."""
        times = self.times(grant)
        if times.use_by is not None:
            return times.use_by
        assert times.ends is not None  # without an end there is an activation rule
        return times.ends + self.profile.lock.tolerance

    def _has_ended(self, known: Known, t: int) -> bool:
        return known.ends is not None and t >= known.ends + self.profile.lock.tolerance

    def _matters(self, world: World, known: Known, t: int) -> bool:
        """Whether a remembered code must be kept: until it could not open even if it were forgotten, or is dead for good."""
        is_over = self._has_ended(known, t) and t >= self._fresh_end(known.grant)
        return not (is_over or self._is_cleared(world, known.grant) or self._is_superseded(world, known.grant))

    def _is_cleared(self, world: World, grant: Grant) -> bool:
        return self._kind(grant).action in (Action.UNLOCK, Action.PASSAGE) and self.times(grant).starts < world.dead_before

    def _is_superseded(self, world: World, grant: Grant) -> bool:
        group = self._kind(grant).supersedes
        newest = next(((start, variant) for name, start, variant in world.newest if name == group), None)
        return newest is not None and (self.times(grant).starts, grant.variant) < newest

    def _is_over(self, world: World, grant: Grant, t: int) -> bool:
        """Whether a code cannot open any more from t on, whatever is kept of it."""
        is_held = any(k.grant == grant and self._matters(world, k, t) for k in world.known)
        return not is_held and t >= self._fresh_end(grant)

    def _reasons(self, world: World, reading: _Reading, t: int) -> Iterator[Reason]:
        """Step 6: the first reason that applies. Where what is remembered of a code may be dropped, since it is over, also the next."""
        grant, kind = reading.grant, self._kind(reading.grant)
        is_over = self._is_over(world, grant, t)
        if kind.action is Action.SET_CLOCK:
            yield Reason.OPENED if self.times(grant).starts > world.floor else Reason.EXPIRED
            return
        if kind.action is Action.REVOKE:
            yield from self._room_for_revocation(world, self._about(grant), t)
            return
        if self._is_cleared(world, grant):
            yield Reason.REVOKED
            return
        for applies, reason, certain in (
            (grant in world.revoked, Reason.REVOKED, not (is_over or self._is_superseded(world, grant))),
            (self._is_superseded(world, grant), Reason.SUPERSEDED, True),
            (grant in world.used, Reason.USED, not is_over),
        ):
            if applies:
                yield reason
                if certain:
                    return
        yield self._reason_of_time(world, reading, t)

    def _reason_of_time(self, world: World, reading: _Reading, t: int) -> Reason:
        kind, times, tolerance = self._kind(reading.grant), self.times(reading.grant), self.profile.lock.tolerance
        ends = times.ends if reading.held is None else reading.held.ends
        if t < times.starts - tolerance:
            return Reason.TOO_EARLY
        if reading.held is None and times.use_by is not None and t >= times.use_by:
            return Reason.LAPSED
        if ends is not None and t >= ends + tolerance:
            return Reason.EXPIRED
        day, second = divmod(t, 86_400)
        if not (kind.hours[0] <= second < kind.hours[1] and kind.weekdays >> (day + 3) % 7 & 1):  # 1970-01-01 was a Thursday
            return Reason.OUTSIDE_HOURS
        if reading.held is None and _must_be_remembered(kind, reading.grant.duration):
            after = self._supersede(world, reading.grant)
            remembered = [known for known in world.known if self._matters(after, known, t)]
            if len(remembered) >= self.profile.lock.capacity:
                return Reason.FULL
        return Reason.OPENED

    def _room_for_revocation(self, world: World, target: Grant, t: int) -> Iterator[Reason]:
        """There are eight places for codes that are not remembered. A lock that does not move its floor may not forget any."""
        held = {known.grant for known in world.known if self._matters(world, known, t)}
        loose = world.revoked - held
        dead = {grant for grant in loose if self._is_cleared(world, grant) or self._is_superseded(world, grant)}
        least = sum(not self._is_over(world, grant, t) for grant in loose - dead)
        if target in held or target in world.revoked or least < REVOCATIONS:
            yield Reason.OPENED
        if target not in held and len(loose) >= REVOCATIONS:
            yield Reason.FULL

    def _about(self, grant: Grant) -> Grant:
        """The code that a revoke code kills."""
        family, kind = self.profile.revocable(self._kind(grant))
        return replace(grant, family=family, kind=kind)

    def _use(self, world: World, reading: _Reading, t: int) -> World:
        """What a lock keeps of a code that opened."""
        grant, kind, times = reading.grant, self._kind(reading.grant), self.times(reading.grant)
        match kind.action:
            case Action.ROTATE:
                return World(world.clock, world.generation + 1, t, world.failures, world.charged_at)
            case Action.SET_CLOCK:
                return replace(world, floor=times.starts)
            case Action.REVOKE:
                return replace(world, revoked=world.revoked | {self._about(grant)})
            case Action.CLEAR:
                world = replace(world, dead_before=max(world.dead_before, times.starts), passage=False)
            case Action.PASSAGE:
                world = replace(world, passage=not world.passage)
        if reading.held is None or grant.duration:  # a remembered code without an end opens under any clock, and says nothing of it
            world = replace(world, floor=t)
        if kind.uses:
            world = replace(world, used=world.used | {grant})
        if reading.held is None and _must_be_remembered(kind, grant.duration):
            ends = [end for end in (times.ends, t + kind.linger if kind.linger else None) if end is not None]
            stale = {known for known in world.known if known.text == reading.text}
            world = replace(world, known=world.known - stale | {Known(reading.text, grant, min(ends, default=None))})
        return self._supersede(world, grant)

    def _supersede(self, world: World, grant: Grant) -> World:
        """A code of a group was used: the older ones are dead."""
        group = self._kind(grant).supersedes
        if not group:
            return world
        mine = {entry for entry in world.newest if entry[0] == group}
        return replace(world, newest=world.newest - mine | {max({*mine, (group, self.times(grant).starts, grant.variant)})})

    def _follow_up(self, world: World, grant: Grant, text: str) -> World | None:
        """``2`` or ``3`` after a code whose family has the privilege, or six symbols of a guest's own; ``None`` if it is neither."""
        name = self.profile.families[grant.family].name
        if name in self.keypad.passage and text in ("2", "3"):
            return replace(world, passage=text == "2")
        is_free = len(text) == _PERSONAL_KEYS and all(c in self.profile.alphabet for c in text) and not self._claims(text)
        if name in self.keypad.personal and is_free and not self._kind(grant).uses:
            held = next((known for known in world.known if known.grant == grant), None)
            return replace(world, personal=Known(text, grant, self.times(grant).ends if held is None else held.ends))
        return None


def _must_be_used_early(kind: Kind, duration: int) -> bool:
    """The activation rule is about the durations that are longer than it."""
    return kind.activation > 0 and (duration == 0 or duration > kind.activation)


def _must_be_remembered(kind: Kind, duration: int) -> bool:
    """A single-use code leaves its mark instead, and service codes are never remembered."""
    return kind.action in (Action.UNLOCK, Action.PASSAGE) and kind.uses == 0 and (kind.linger > 0 or _must_be_used_early(kind, duration))
