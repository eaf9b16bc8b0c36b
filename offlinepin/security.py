"""How safe a profile is: the codes that a lock would open for at its worst instant, and the odds of a blind guess.
A guess opens with probability M / N, whatever the cipher; so these numbers are the security (format 1, section 1)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from offlinepin.engine.payload import Grant, is_time_bound, life, most_windows
from offlinepin.engine.profile import DAY, Family, Kind, Profile
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
        return self.codes / (self.live + self.remembered)


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
        counts = {kind.name: _live(family, kind, spans[k], t, tolerance) for k, kind in enumerate(family.kinds)}
        if not worst or sum(counts.values()) > sum(worst.values()):
            worst = counts
    remembers = any(kind.remembers(d) for kind in family.kinds for r in kind.ranges for d in (r[0], r[-1]))
    return FamilyOdds(family.name, sum(worst.values()), worst, profile.lock.capacity if remembers else 0, profile.radix**family.length)


def profile_odds(profile: Profile, tolerance: int | None = None) -> list[FamilyOdds]:
    """:func:`family_odds` of every family, in the profile's order."""
    return [family_odds(profile, family, tolerance) for family in profile.families]


def _live(family: Family, kind: Kind, spans: list[tuple[int, int]], t: int, tolerance: int) -> int:
    """How many fresh codes of one kind a lock accepts at t. A kind without a time rule accepts every code of every window tried."""
    if not is_time_bound(kind.action):
        return most_windows(family, tolerance) * family.window * kind.size_per_slot
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
            enough = family.length
            while profile.radix**enough * WORST_ODDS < live:
                enough += 1
            raise WeakProfileError(
                f"profile {profile.name!r}, family {family.name!r}: {live} of {found.codes} codes can be live at once, so a guess opens "
                f"with 1 in {found.one_in:.0f}; at least 1 in 1000 is required. {enough} sealed symbols instead of {family.length} "
                "would do, or fewer variants or durations; or allow it with allow_weak=True"
            )
