"""Stays: a guest's code and its successors. An override, an extension, an early check-in and a cancellation are each a new code of the same
level, and its first use at the door ends the codes before it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict

from offlinepin import AccessPin, Issuer
from offlinepin.engine.clock import check_moment
from offlinepin.engine.profile import Action
from offlinepin.errors import LevelError, StayError
from offlinepin_oracode.levels import DEFAULT_LEVELS, UserLevel

_DAY = timedelta(days=1)


class StayMetadata(BaseModel):
    """What an access-code resource shows of a stay (``dormakaba_oracode_metadata``)."""

    model_config = ConfigDict(frozen=True)

    stay_id: int
    user_level_id: str
    user_level_name: str | None
    site_name: str
    is_cancellable: bool
    is_extendable: bool
    is_early_checkin_able: bool
    is_overridable: bool


@dataclass(frozen=True, slots=True)
class Stay:
    """A stay as it stands now. Its methods are those of :class:`Stays`, which return the stay as it stands then.

    Attributes:
        stay_id: a number that stays the same through all its codes.
        level: the user level that serves it.
        pin: its newest code.
        site_name: for its metadata.
        is_cancelled: whether ``pin`` is the code that ends it and belongs to nobody.
    """

    stay_id: int
    level: UserLevel
    pin: AccessPin
    site_name: str = ""
    is_cancelled: bool = False

    @property
    def is_overridable(self) -> bool:
        """Whether another code can follow and end this one: the last variant is not spent, and the stay is not cancelled.

        Codes of staff, maintenance and master levels are several people's, so that none of them ends another.
        """
        shared = self.level.is_in_hours_only or self.level.is_master
        return not self.is_cancelled and not shared and self.pin.variant < self.level.overrides - 1

    @property
    def is_extendable(self) -> bool:
        """Whether its end can move: its level's codes have an end and open more than once."""
        return self.is_overridable and self.pin.ends_at is not None and not self.pin.one_time

    @property
    def is_early_checkin_able(self) -> bool:
        """Whether its start can move ahead: its level has the privilege."""
        return not self.is_cancelled and "early_check_in" in self.level.privileges

    @property
    def metadata(self) -> StayMetadata:
        """The stay as an access-code resource shows it."""
        return StayMetadata(
            stay_id=self.stay_id,
            user_level_id=self.level.id,
            user_level_name=self.level.name,
            site_name=self.site_name,
            is_cancellable=self.is_overridable,
            is_extendable=self.is_extendable,
            is_early_checkin_able=self.is_early_checkin_able,
            is_overridable=self.is_overridable,
        )


class Stays:
    """Opens and changes stays at the doors of one issuer.

    Args:
        issuer: one whose vendor is :func:`offlinepin_oracode.vendor` with the same levels.
        levels: the levels of its doors.
        site_name: for the metadata.

    Raises:
        LevelError: the issuer's profile has no such level.
    """

    def __init__(self, issuer: Issuer, levels: Iterable[UserLevel] = DEFAULT_LEVELS, site_name: str = "") -> None:
        self._issuer = issuer
        self._levels = {level.name: level for level in levels}
        self._site_name = site_name
        there = {family.name for family in issuer.profile.families if family.kinds[0].action is Action.UNLOCK}
        if missing := set(self._levels) - there:
            raise LevelError(f"the issuer's profile {issuer.profile.name!r} has no level {', '.join(sorted(missing))}")
        if unknown := there - set(self._levels):  # a stay could fall to one of them
            raise LevelError(f"the issuer's profile {issuer.profile.name!r} has more levels: give {', '.join(sorted(unknown))}, too")

    def open(self, device_id: str, starts_at: datetime, ends_at: datetime | None, **options: Any) -> Stay:
        """A new stay. ``options`` are those of :meth:`offlinepin.Issuer.issue`: level, time_zone, request_id, now and so on.

        Raises:
            InvalidTimeRangeError: no level fits; the message names each and how far off it is.
        """
        pin = self._issuer.issue(device_id, starts_at, ends_at, **options)
        first = f"{pin.device_id}/{pin.generation}/{pin.family}/{pin.start_slot}/{pin.duration}/{pin.variant}"
        stay_id = int.from_bytes(hashlib.sha256(first.encode()).digest()[:4], "big") >> 1
        return Stay(stay_id, self._levels[pin.family], pin, self._site_name)

    def override(self, stay: Stay, **options: Any) -> Stay:
        """A new code for the same dates. The first use of it ends the code before it."""
        return self._next(stay, "overridden", stay.is_overridable, stay.pin.starts_at, stay.pin.ends_at, options)

    def extend(self, stay: Stay, ends_at: datetime, **options: Any) -> Stay:
        """A code with a later end, which supersedes the one before it."""
        check_moment(ends_at, "the end")
        if stay.pin.ends_at is not None and ends_at <= stay.pin.ends_at:
            raise StayError(f"a stay is extended to a time after its end {stay.pin.ends_at.isoformat()}, not to {ends_at.isoformat()}")
        return self._next(stay, "extended", stay.is_extendable, stay.pin.starts_at, ends_at, options)

    def early_check_in(self, stay: Stay, starts_at: datetime, **options: Any) -> Stay:
        """A code that holds from the level's check-in time on or before ``starts_at``.

        It starts earlier than the code before it, so it cannot supersede that one: both open in the time they share, until the first
        use of the later one ends the earlier one.
        """
        starts_at = check_moment(starts_at, "the start").astimezone(stay.pin.starts_at.tzinfo)  # days on the wall, not 24 hours each
        if starts_at >= stay.pin.starts_at:
            raise StayError(f"an early check-in is before {stay.pin.starts_at.isoformat()}, not at {starts_at.isoformat()}")
        days = -((starts_at - stay.pin.starts_at) // _DAY)
        earlier = stay.pin.starts_at - days * _DAY
        return self._next(stay, "checked in early", stay.is_early_checkin_able, earlier, stay.pin.ends_at, options, supersede=False)

    def cancel(self, stay: Stay, **options: Any) -> Stay:
        """End a stay: the code returned is for nobody's use but to be typed once at the door, which ends the stay's codes."""
        changed = self._next(stay, "cancelled", stay.is_overridable, stay.pin.starts_at, stay.pin.ends_at, options)
        return replace(changed, is_cancelled=True)

    def _next(
        self,
        stay: Stay,
        what: str,
        allowed: bool,
        starts_at: datetime,
        ends_at: datetime | None,
        options: dict[str, Any],
        supersede: bool = True,
    ) -> Stay:
        if not allowed:
            why = "it is cancelled" if stay.is_cancelled else "its level does not allow it, or its last override is spent"
            raise StayError(f"stay {stay.stay_id} (level {stay.level.name!r}) cannot be {what}: {why}")
        pin = self._issuer.issue(
            stay.pin.device_id,
            starts_at.astimezone(UTC),  # a code's own times are certain, also in a repeated hour
            ends_at and ends_at.astimezone(UTC),
            level=stay.level.name,
            one_time=stay.pin.one_time,
            generation=stay.pin.generation,
            supersedes=stay.pin if supersede else None,
            **options,
        )
        return replace(stay, pin=pin)
