"""How safe a profile is: the codes that a lock would open for at its worst instant, and the odds of a blind guess.
A guess opens with probability M / N, whatever the cipher; so these numbers are the security (format 1, section 1)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from offlinepin.engine.payload import Grant, is_time_bound, life, most_windows
from offlinepin.engine.profile import DAY, Action, Family, Kind, Lockout, Profile
from offlinepin.errors import WeakProfileError

WORST_ODDS: Final = 1 / 1000
_WEEK: Final = 7 * DAY


@dataclass(frozen=True, slots=True)
class FamilyOdds:
    """The odds of one family of codes.

    Attributes:
        family: its name.
        live: M at the worst instant: codes never typed before that the lock would open for, all kinds together.
        by_kind: the same instant's codes, by kind.
        remembered: how many more a lock can owe to its memory (codes first used in time that go on past their use-by time).
        codes: N = r^n.
    """

    family: str
    live: int
    by_kind: dict[str, int]
    remembered: int
    codes: int

    @property
    def odds(self) -> float:
        """The probability that a guess opens, at worst: (live + remembered) / codes."""
        return min(1.0, (self.live + self.remembered) / self.codes)

    @property
    def one_in(self) -> float:
        """How many guesses an opening takes on average."""
        return self.codes / (self.live + self.remembered) if self.live + self.remembered else math.inf


def family_odds(profile: Profile, family: Family, tolerance: int | None = None) -> FamilyOdds:
    """The exact odds of one family of a profile.

    Args:
        tolerance: clock tolerance in seconds to reckon with, instead of the profile's own.
    """
    tolerance = profile.lock.tolerance if tolerance is None else tolerance
    index = profile.families.index(family)
    spans = [list(_spans(profile, index, k, tolerance)) for k in range(len(family.kinds))]
    worst: dict[str, int] = {}
    for t in _instants(family, spans):
        counts = {kind.name: _live(profile, family, kind, spans[k], t, tolerance) for k, kind in enumerate(family.kinds)}
        if not worst or sum(counts.values()) > sum(worst.values()):
            worst = counts
    remembers = any(kind.remembers(d) for kind in family.kinds for r in kind.ranges for d in (r[0], r[-1]))
    return FamilyOdds(family.name, sum(worst.values()), worst, profile.lock.capacity if remembers else 0, profile.radix**family.length)


def profile_odds(profile: Profile, tolerance: int | None = None) -> list[FamilyOdds]:
    """:func:`family_odds` of every family, in the profile's order."""
    return [family_odds(profile, family, tolerance) for family in profile.families]


def _live(profile: Profile, family: Family, kind: Kind, spans: list[tuple[int, int]], t: int, tolerance: int) -> int:
    """How many fresh codes of one kind a lock accepts at t. A kind without a time rule accepts every code of every window tried."""
    if not is_time_bound(kind.action):
        windows = most_windows(family, tolerance)
        if kind.action is Action.REVOKE:  # format 1, section 10: those of the code's family, and those of all remembered codes
            about = profile.families[profile.revocable(kind)[0]]
            windows = max(windows, most_windows(about, tolerance)) + profile.lock.capacity
        return windows * family.window * kind.size_per_slot
    if not kind.open_at(t):
        return 0
    return kind.variants * sum((t - low) // family.slot - (t - high) // family.slot for low, high in spans)


def _spans(profile: Profile, family_index: int, kind_index: int, tolerance: int) -> Iterator[tuple[int, int]]:
    """[from, to) in seconds after the start of its slot in which a fresh code is accepted, one for each duration of a kind."""
    kind = profile.families[family_index].kinds[kind_index]
    for r in kind.ranges:
        for duration in r:
            held = life(profile, Grant(family_index, kind_index, 0, duration, 0))
            yield held.starts - tolerance, held.fresh_until(tolerance)


def _instants(family: Family, spans: list[list[tuple[int, int]]]) -> Iterator[int]:
    """Instants among which the worst is: the count only rises when a start begins to count, or when a kind's hours begin.

    Slots and weekdays together repeat after lcm(slot, week). Within that, an instant matters where the phase of a start meets the
    hours of a kind: every residue is reached, so it is enough to look at each phase within each stretch of hours.
    """
    phases = sorted({low % family.slot for of_kind in spans for low, _ in of_kind})
    if all(_always(kind) for kind in family.kinds):
        yield from phases
        return
    period = math.lcm(family.slot, _WEEK)
    step = math.gcd(family.slot, _WEEK)
    edges = sorted({day * DAY + s for day in range(7) for kind in family.kinds for s in kind.hours if s < DAY} | {0})
    for begin in edges:
        for turn in range(0, period, _WEEK):
            yield begin + turn
        for phase in phases:  # the first moment at or after the edge, modulo the week, that has this phase in some week
            at = begin + (phase - begin) % step
            yield next(at + turn for turn in range(0, period, _WEEK) if (at + turn) % family.slot == phase)


def _always(kind: Kind) -> bool:
    return kind.hours == (0, DAY) and kind.weekdays == 127


def require_safe(profile: Profile) -> None:
    """Refuse a profile with a family whose odds are worse than 1 in 1,000.

    Raises:
        WeakProfileError: it names the family, its odds and the length that would do.
    """
    for family in profile.families:
        found = family_odds(profile, family)
        if found.odds > WORST_ODDS:
            live = found.live + found.remembered
            enough = length_needed(profile.radix, live, WORST_ODDS)
            raise WeakProfileError(
                f"profile {profile.name!r}, family {family.name!r}: {live} of {found.codes} codes can be live at once, so a guess opens "
                f"with 1 in {found.one_in:.0f}; at least 1 in 1000 is required. {enough} sealed symbols instead of {family.length} "
                "would do, or fewer variants or durations; or allow it with allow_weak=True"
            )


# --- one entry, and entries over time -------------------------------------------------------------------------------


def entry_odds(families: Iterable[tuple[Family, FamilyOdds]], masking: bool) -> float:
    """The probability that one entry opens, for someone who chooses best what to type.

    Without masking an entry belongs to one family, and the best choice is the family with the worst odds. With masking the end of an
    entry counts, so that one entry is a guess at a code of every length there is: the odds of the lengths add up (a bound from above,
    which is reached but for entries that hit twice, and for prefixes that exclude one another).
    """
    best: dict[int, float] = {}
    for family, found in families:
        best[family.total_length] = max(best.get(family.total_length, 0.0), found.odds)
    return min(1.0, sum(best.values()) if masking else max(best.values(), default=0.0))


def most_guesses(lockout: Lockout, seconds: int) -> int | None:
    """The most entries that a lockout lets anyone make who stands at the door for a span of time, however they are spaced.

    After ``free`` + 1 entries at once, each further one costs the wait that the failures before it bring about, or the leak of one
    failure where that is quicker: whoever can wait for the leak never climbs higher. No power cut makes it more, since a cut only
    starts a wait or a leak again.

    Args:
        lockout: the profile's policy. The lock has been left alone for so long before that it holds no failure.
        seconds: the span, its first second included and its end not.

    Returns:
        The number; ``None`` where the lockout never makes anyone wait.
    """
    first = lockout.wait(lockout.free + 1)
    if seconds <= 0:
        return 0
    if first == 0:
        return None
    left = seconds - 1
    if lockout.free == 0 and first > lockout.leak:  # no level at which nothing but the leak need be waited for
        return 1 + left // first
    steady = min(first if lockout.growth == 1 else lockout.cap, lockout.leak)
    guesses = lockout.free + 1
    while (cost := min(lockout.wait(guesses), steady)) < steady and cost <= left:  # each of them a failure more
        left -= cost
        guesses += 1
    return guesses + left // cost


def hit_chance(odds: float, guesses: int) -> float:
    """The probability that at least one of ``guesses`` guesses opens: 1 − (1 − odds)^guesses, without loss where it is small."""
    return -math.expm1(guesses * math.log1p(-odds)) if odds < 1 else float(guesses > 0)


def length_needed(radix: int, codes: int, odds: float) -> int:
    """The fewest sealed symbols with which ``codes`` live codes give a guess a probability of at most ``odds``."""
    length = 1
    while codes > odds * radix**length:
        length += 1
    return length


def odds_allowed(chance: float, guesses: int) -> float:
    """The probability of one guess at which ``guesses`` guesses open with ``chance``: the inverse of :func:`hit_chance`."""
    return -math.expm1(math.log1p(-chance) / guesses)


def retyping_odds(family: Family, found: FamilyOdds, seconds: int) -> float:
    """The probability that one refused text, typed again and again, opens within a span once codes that begin later are counted.

    A lock judges the text that it refused last without a charge (format 1, section 9), so no lockout slows this down. It is a bound:
    every code whose slot begins in the span is taken to be live at some instant.
    """
    begins = sum(kind.size_per_slot for kind in family.kinds if is_time_bound(kind.action)) * (seconds // family.slot + 1)
    return min(1.0, found.odds + begins / found.codes)
