"""What a lock keeps between entries, as an immutable value: replay memory, remembered codes, failures and the time floor."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from offlinepin.engine.payload import Grant, life
from offlinepin.engine.profile import Profile


@dataclass(frozen=True, slots=True)
class Remembered:
    """A code that was used in time and goes on being valid: its tag, its grant, and its end in seconds of the lock's clock."""

    tag: bytes = field(repr=False)
    grant: Grant
    ends: int | None


@dataclass(frozen=True, slots=True)
class State:
    """A lock's memory (format 1, section 9).

    Attributes:
        generation: of the token that all of this belongs to.
        floor: the latest time at which a code opened; the lock never acts as if it were earlier.
        failures: how many wrong entries are held against it.
        charged_at: the uptime of the last charge; ``None`` after a power cut, which counts as power-up.
        refused: the tag of the text refused last; ``None`` after a power cut.
        marks: single-use codes that were used.
        remembered: see :class:`Remembered`.
        supersede: for each group, the start in seconds and the variant of the newest code used.
        revoked: codes that a ``revoke`` code killed.
        cleared: unlock and passage codes that start before this are dead.
        passage: whether a passage code holds the door open.
    """

    generation: int = 0
    floor: int = 0
    failures: int = 0
    charged_at: int | None = None
    refused: bytes | None = field(default=None, repr=False)
    marks: frozenset[Grant] = frozenset()
    remembered: tuple[Remembered, ...] = ()
    supersede: tuple[tuple[str, int, int], ...] = ()
    revoked: frozenset[Grant] = frozenset()
    cleared: int = 0
    passage: bool = False

    def after_power_cut(self) -> State:
        """What is left when the power was gone: all but the uptime of the last charge and the text refused last."""
        return replace(self, charged_at=None, refused=None)

    def superseded_below(self, group: str) -> tuple[int, int] | None:
        """The (start, variant) below which a group's codes are dead."""
        for name, start, variant in self.supersede:
            if name == group:
                return start, variant
        return None

    def forget(self, profile: Profile, t: int) -> State:
        """This state without what cannot matter from t on: ended codes' marks, tags and revocations."""
        tolerance = profile.lock.tolerance
        return replace(
            self,
            marks=frozenset(g for g in self.marks if life(profile, g).fresh_until(tolerance) > t),
            remembered=tuple(r for r in self.remembered if r.ends is None or r.ends + tolerance > t),
            revoked=frozenset(g for g in self.revoked if (end := life(profile, g).ends) is None or end + tolerance > t),
        )
