"""What a lock keeps between entries, as an immutable value: replay memory, remembered codes, failures and the time floor."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from offlinepin.engine.payload import Grant, life
from offlinepin.engine.profile import Action, Profile

MAX_REVOKED: Final = 8  # revocations of codes that the lock does not remember; a further one is refused as full


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
        personal: the personal code that a guest chose last, standing in for the code that the guest was given.
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
    personal: Remembered | None = None

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
        """This state without what cannot matter from t on: ended codes' marks, tags and revocations, and tags of codes that a clear
        code or a newer code of their group killed for good."""
        tolerance = profile.lock.tolerance
        remembered = tuple(r for r in self.remembered if self._matters(profile, r, t))
        held = {r.grant for r in remembered}
        return replace(
            self,
            marks=frozenset(g for g in self.marks if life(profile, g).fresh_until(tolerance) > t and not self.is_superseded(profile, g)),
            remembered=remembered,
            personal=self.personal if self.personal and (self.personal.ends is None or self.personal.ends + tolerance > t) else None,
            revoked=frozenset(
                g
                for g in self.revoked
                if g in held
                or not (self.is_cleared(profile, g) or self.is_superseded(profile, g) or life(profile, g).fresh_until(tolerance) <= t)
            ),
        )

    def _matters(self, profile: Profile, held: Remembered, t: int) -> bool:
        """Whether a remembered code could still open, or would open anew if it were forgotten (one that lingers ends before its grant)."""
        if self.is_cleared(profile, held.grant) or self.is_superseded(profile, held.grant):
            return False
        tolerance = profile.lock.tolerance
        return held.ends is None or max(held.ends + tolerance, life(profile, held.grant).fresh_until(tolerance)) > t

    def is_cleared(self, profile: Profile, grant: Grant) -> bool:
        """Whether a clear code killed this code."""
        _, kind = grant.of(profile)
        return kind.action in (Action.UNLOCK, Action.PASSAGE) and life(profile, grant).starts < self.cleared

    def is_superseded(self, profile: Profile, grant: Grant) -> bool:
        """Whether a newer code of the grant's group was used."""
        _, kind = grant.of(profile)
        newest = self.superseded_below(kind.supersedes) if kind.supersedes else None
        return newest is not None and (life(profile, grant).starts, grant.variant) < newest

    def can_revoke(self, grant: Grant) -> bool:
        """Whether a revocation of this grant fits: it is there already, or of a code remembered, or there is room."""
        held = {r.grant for r in self.remembered}
        return grant in self.revoked or grant in held or len(self.revoked - held) < MAX_REVOKED
