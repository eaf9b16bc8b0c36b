"""What a connected lock must do for native codes. Vendors' clouds and hubs are connections of others; the simulated lock is one here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, Protocol, get_args

from offlinepin.access_codes.code_warnings import AccessCodeWarning, warning

MakersWarning = Literal[
    "august_device_programming_delay",
    "august_lock_temporarily_offline",
    "code_rotates_periodically",
    "kwikset_unable_to_confirm_code",
    "schlage_creation_outage",
    "schlage_detected_duplicate",
    "smartthings_failed_to_set_access_code",
    "third_party_integration_detected",
    "ultraloq_access_code_disabled",
    "unknown_issue_with_access_code",
]
"""The warnings that only the maker's side can know of. The others follow from an access code's life, and this system gives them."""
MAKERS_WARNINGS: Final[tuple[MakersWarning, ...]] = get_args(MakersWarning)


@dataclass(frozen=True, slots=True)
class Caution:
    """What the maker's side warns of at a code; the code works all the same.

    Attributes:
        warning_code: the warning's. One that has no variant is shown as ``unknown_issue_with_access_code``.
        message: what the maker says; the warning's own words by default.
    """

    warning_code: MakersWarning
    message: str = ""


def warned(warnings: Iterable[AccessCodeWarning], cautions: Iterable[Caution], now: datetime) -> tuple[AccessCodeWarning, ...]:
    """An access code's warnings, with those of the maker as they are now. One that was there before keeps its date."""
    kept = tuple(warnings)
    own = [one for one in kept if one.warning_code not in MAKERS_WARNINGS]
    told: dict[str, AccessCodeWarning] = {}
    for caution in cautions:
        known = caution.warning_code in MAKERS_WARNINGS
        made = warning(caution.warning_code if known else "unknown_issue_with_access_code", now, caution.message or None)
        before = (one for one in kept if (one.warning_code, one.message) == (made.warning_code, made.message))
        told[made.warning_code] = next(before, made)
    return (*own, *told.values())


@dataclass(frozen=True, slots=True)
class NativeCode:
    """A code as a lock holds it.

    Attributes:
        reference: the access code's id for a code that this system put there; otherwise a name that the lock tells it by.
        code: the digits.
        name: as the lock shows it.
        starts_at, ends_at: its time frame, for a lock that schedules by itself; ``None`` opens always.
        warnings: what the maker's side warns of at this code, where the lock tells of it.
    """

    reference: str
    code: str = field(repr=False)
    name: str
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    warnings: tuple[Caution, ...] = ()


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

    def program(self, code: NativeCode, now: datetime) -> tuple[Caution, ...]:
        """Put a code on the lock, or change the one with its reference; what the maker's side warns of at it, nothing as a rule."""
        ...

    def remove(self, reference: str, now: datetime) -> None:
        """Take a code from the lock. One that is not there is no fault."""
        ...

    def codes(self, now: datetime) -> tuple[NativeCode, ...]:
        """The codes that are on the lock, with what the maker's side warns of at each now."""
        ...


ConnectionFactory = Callable[[str], Connection]
"""Makes the connection of a device from its id."""
