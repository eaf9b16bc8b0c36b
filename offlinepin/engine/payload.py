"""Grants and payloads (format 1, sections 5 and 6): what a code permits, as one small integer of one window, and the times it means."""

from __future__ import annotations

from dataclasses import dataclass

from offlinepin.engine.profile import Action, Family, Kind, Profile
from offlinepin.errors import TimeOutOfRangeError, VariantError


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """What one code permits: family and kind by index, start and duration in the family's slots, and the variant."""

    family: int
    kind: int
    start: int
    duration: int
    variant: int

    def of(self, profile: Profile) -> tuple[Family, Kind]:
        """The family and the kind themselves."""
        family = profile.families[self.family]
        return family, family.kinds[self.kind]


def encode(family: Family, grant: Grant) -> tuple[int, int]:
    """``(window, payload)`` of a grant.

    Raises:
        TimeOutOfRangeError: the start is negative or beyond window 2^32 − 1.
        UnknownKindError: the kind does not have that duration.
        VariantError: the kind does not have that variant.
    """
    kind = family.kinds[grant.kind]
    window, offset = divmod(grant.start, family.window)
    if not 0 <= window < 2**32:
        raise TimeOutOfRangeError(f"a start at slot {grant.start} of {family.slot} s lies outside windows 0 to 2^32 - 1")
    if not 0 <= grant.variant < kind.variants:
        raise VariantError(f"kind {kind.name!r} has the variants 0 to {kind.variants - 1}, not {grant.variant}")
    index = offset * kind.duration_count + kind.duration_index(grant.duration)
    return window, family.bases[grant.kind] + index * kind.variants + grant.variant


def decode(family: Family, family_index: int, window: int, payload: int) -> Grant | None:
    """The grant that a payload means in a window, or ``None`` if it means none."""
    for k, kind in enumerate(family.kinds):
        if payload < family.bases[k + 1]:
            index, variant = divmod(payload - family.bases[k], kind.variants)
            offset, duration = divmod(index, kind.duration_count)
            return Grant(family_index, k, window * family.window + offset, kind.duration_at(duration), variant)
    return None


@dataclass(frozen=True, slots=True)
class Life:
    """When a grant holds, in seconds of the profile's clock. ``ends`` is ``None`` when it has no end; ``use_by`` is the time by
    which it must first be used, ``None`` when there is no such rule for it."""

    starts: int
    ends: int | None
    use_by: int | None

    def fresh_until(self, tolerance: int) -> int:
        """The first second at which a lock refuses this grant if it has not remembered it. ``tolerance`` widens the end only."""
        if self.use_by is not None:
            return self.use_by
        assert self.ends is not None  # a kind without an end has an activation rule
        return self.ends + tolerance


def life(profile: Profile, grant: Grant) -> Life:
    """The times that a grant means (format 1, section 5)."""
    family, kind = grant.of(profile)
    starts = grant.start * family.slot + kind.opens
    return Life(
        starts,
        (grant.start + grant.duration) * family.slot + kind.closes if grant.duration else None,
        starts + kind.activation * family.slot if kind.lapses(grant.duration) else None,
    )


def reach(family: Family, kind: Kind, tolerance: int) -> tuple[int, int]:
    """``(earliest, latest)`` in seconds: at t a kind has fresh codes in just the slots that begin in (t − earliest, t + latest]."""
    lasting = kind.longest_to(kind.activation) if kind.activation else max(r[-1] for r in kind.ranges)
    ends = [lasting * family.slot + kind.closes + tolerance] if lasting else []
    if any(kind.lapses(r[-1]) for r in kind.ranges) or kind.endless:
        ends.append(kind.opens + kind.activation * family.slot)
    return max(ends), tolerance - kind.opens


def candidate_windows(family: Family, first: int, last: int, tolerance: int) -> range:
    """Every window that holds a start from which a fresh code could be valid at some t in [first, last] (format 1, section 9)."""
    if family.sets_clock:
        window = first // (family.slot * family.window)
        return range(window, last // (family.slot * family.window) + 2)
    reaches = [reach(family, kind, tolerance) for kind in family.kinds]
    slots = [s for e, n in reaches if (s := range(max(0, (first - e) // family.slot + 1), (last + n) // family.slot + 1))]
    if not slots:
        return range(0)
    oldest, newest = min(s[0] for s in slots), max(s[-1] for s in slots)
    return range(oldest // family.window, min(newest // family.window, 2**32 - 1) + 1)


def most_windows(family: Family, tolerance: int) -> int:
    """An upper bound of how many windows :func:`candidate_windows` names at one instant: what an entry can cost a lock."""
    if family.sets_clock:
        return 2
    reaches = [reach(family, kind, tolerance) for kind in family.kinds]
    earliest, latest = max(e for e, _ in reaches), max(n for _, n in reaches)
    starts = (earliest + latest - 1) // family.slot + 1
    return (starts + family.window - 2) // family.window + 1


def is_time_bound(action: Action) -> bool:
    """Whether a code of this action must be typed in its time. A revocation may come at any time, a clock code when none is known."""
    return action not in (Action.REVOKE, Action.SET_CLOCK)
