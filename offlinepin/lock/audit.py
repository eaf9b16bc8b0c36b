"""The lock's own log: the latest entries with their reasons and what they read as, never the codes."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from offlinepin.engine.payload import life
from offlinepin.engine.profile import Profile
from offlinepin.lock.decide import Decision


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One entry at the keypad.

    Attributes:
        time: what the lock's clock showed, in seconds; ``None`` when it was lost.
        reason: the lock's reason.
        kind: ``<family>.<kind>`` of what the text read as; ``None`` where it read as nothing.
        start: when that grant starts, in seconds of the lock's clock.
    """

    time: int | None
    reason: str
    kind: str | None
    start: int | None


class AuditLog:
    """A ring of the latest ``size`` entries. It is in the lock's RAM with the battery behind it, not in flash."""

    def __init__(self, entries: Iterable[AuditEntry] = (), size: int = 64) -> None:
        self._entries = deque(entries, maxlen=size)

    def add(self, profile: Profile, time: int | None, decision: Decision) -> None:
        """Log a decision."""
        kind = start = None
        if decision.grant is not None:
            family, of = decision.grant.of(profile)
            kind, start = f"{family.name}.{of.name}", life(profile, decision.grant).starts
        self._entries.append(AuditEntry(time, str(decision.reason), kind, start))

    def entries(self) -> list[AuditEntry]:
        """The entries, oldest first."""
        return list(self._entries)

    def json_lines(self) -> str:
        """The entries as JSON lines, oldest first."""
        return "".join(json.dumps(asdict(entry)) + "\n" for entry in self._entries)
