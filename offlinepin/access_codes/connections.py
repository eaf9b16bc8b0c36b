"""What a connected lock must do for native codes. Vendors' clouds and hubs are connections of others; the simulated lock is one here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class NativeCode:
    """A code as a lock holds it.

    Attributes:
        reference: the access code's id for a code that this system put there; otherwise a name that the lock tells it by.
        code: the digits.
        name: as the lock shows it.
        starts_at, ends_at: its time frame, for a lock that schedules by itself; ``None`` opens always.
    """

    reference: str
    code: str = field(repr=False)
    name: str
    starts_at: datetime | None = None
    ends_at: datetime | None = None


class Connection(Protocol):
    """A way to a lock. Every method may raise a :class:`offlinepin.access_codes.errors.ConnectionFault` with the error that it met.

    A method may be called again with the same argument, after a fault or after a kill: the second call must change nothing.
    """

    @property
    def schedules(self) -> bool:
        """Whether the lock itself keeps a code's time frame."""
        ...

    @property
    def code_lengths(self) -> tuple[int, ...]:
        """The lengths that codes can have."""
        ...

    @property
    def capacity(self) -> int | None:
        """How many codes the lock holds; ``None`` is any number."""
        ...

    def problem(self) -> str | None:
        """What is wrong with the way to the lock now, as ``device_offline``; ``None`` if nothing is known to be."""
        ...

    def program(self, code: NativeCode, now: datetime) -> None:
        """Put a code on the lock, or change the one with its reference."""
        ...

    def remove(self, reference: str, now: datetime) -> None:
        """Take a code from the lock. One that is not there is no fault."""
        ...

    def codes(self, now: datetime) -> tuple[NativeCode, ...]:
        """The codes that are on the lock."""
        ...


ConnectionFactory = Callable[[str], Connection]
"""Makes the connection of a device from its id."""
