"""What the model knows of a lock: the conditions that it may be in, and what may come of an entry."""

from __future__ import annotations

from dataclasses import dataclass

from offlinepin.engine.payload import Grant
from offlinepin.lock.decide import Reason
from offlinepin.testing.clocks import ModelClock


@dataclass(frozen=True, slots=True)
class Known:
    """A text that the lock remembers, the grant that it stands for, and its end in seconds."""

    text: str
    grant: Grant
    ends: int | None


@dataclass(frozen=True, slots=True)
class World:
    """One condition that a lock may be in. After a cut of the power there are several, until an answer tells which one it was.

    Attributes:
        clock: what its clock shows.
        charged_at: uptime of the last charge, or of the power-up.
        refused: the text refused last, since power-up.
        used: single-use codes that opened.
        known: codes that opened and are remembered.
        newest: group, start and variant of the newest superseding code of each group.
        dead_before: from the latest ``clear``.
        personal: a guest's own code.
        follow: the grant that opened last, and the uptime until which a follow-up counts.
    """

    clock: ModelClock
    generation: int = 0
    floor: int = 0
    failures: int = 0
    charged_at: int = 0
    refused: str | None = None
    used: frozenset[Grant] = frozenset()
    known: frozenset[Known] = frozenset()
    newest: frozenset[tuple[str, int, int]] = frozenset()
    revoked: frozenset[Grant] = frozenset()
    dead_before: int = 0
    passage: bool = False
    personal: Known | None = None
    follow: tuple[Grant, int] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What may come of an entry.

    Attributes:
        reason: the lock's answer.
        after: its condition then.
        grant: what opened.
        moves: whether the bolt moves.
        without_bolt, with_bolt: its condition if the power goes on the way, before and after the instant at which the bolt moves.
    """

    reason: Reason
    after: World
    grant: Grant | None = None
    moves: bool = False
    without_bolt: tuple[World, ...] = ()
    with_bolt: tuple[World, ...] = ()


@dataclass(frozen=True, slots=True)
class Times:
    """When a grant holds, in seconds of the lock's clock."""

    starts: int
    ends: int | None
    use_by: int | None
