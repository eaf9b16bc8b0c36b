"""The request shape of the maker's API: ``variance``, ``startDate``, ``endDate``, ``accessName`` in, ``pin`` and ``pinId`` out."""

from __future__ import annotations

import re
import uuid
from datetime import datetime
from typing import Final

from pydantic import BaseModel, Field

from offlinepin import AccessPin, Issuer
from offlinepin.errors import RequestError, VariantError

_DATE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:00:00[+-]\d\d:\d\d")
_NAMESPACE: Final = uuid.UUID("6f9d1c1e-2f0b-5d3e-9a37-1c54c4f7a1b0")


class AlgoPin(BaseModel):
    """The answer to an algoPIN request."""

    pin: str = Field(repr=False)
    pinId: str
    accessName: str
    access: AccessPin


class AlgoPinApi:
    """Serves requests as igloohome's API takes them.

    The same device, kind, start, end and variance always give the same PIN, as the maker promises. Leave the variance out and the
    ledger gives the next free one, so that no two guests ever share a PIN.

    Args:
        issuer: one of an igloo-style vendor.
    """

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer

    def hourly(
        self, device_id: str, *, startDate: str, endDate: str, accessName: str, variance: int | None = None, now: datetime | None = None
    ) -> AlgoPin:
        """A PIN for 1 to 672 whole hours. ``variance`` is 1 to 3, and not a length of time."""
        return self._issue(device_id, "hourly", startDate, endDate, accessName, variance, now)

    def daily(
        self, device_id: str, *, startDate: str, endDate: str, accessName: str, variance: int | None = None, now: datetime | None = None
    ) -> AlgoPin:
        """A PIN for 29 to 367 days, with start and end at the same time of day. ``variance`` is 1 to 3."""
        return self._issue(device_id, "daily", startDate, endDate, accessName, variance, now)

    def onetime(
        self, device_id: str, *, startDate: str, accessName: str, variance: int | None = None, now: datetime | None = None
    ) -> AlgoPin:
        """A PIN that opens once within 24 hours of the start. ``variance`` is 1 to 5."""
        return self._issue(device_id, "onetime", startDate, None, accessName, variance, now)

    def permanent(
        self, device_id: str, *, startDate: str, accessName: str, variance: int | None = None, now: datetime | None = None
    ) -> AlgoPin:
        """A PIN without an end, first used within 24 hours of the start. ``variance`` is 1 to 3."""
        return self._issue(device_id, "permanent", startDate, None, accessName, variance, now)

    def _issue(
        self, device_id: str, kind: str, start: str, end: str | None, name: str, variance: int | None, now: datetime | None
    ) -> AlgoPin:
        if not 1 <= len(name) <= 60:
            raise RequestError(f"accessName must be 1 to 60 characters, not {len(name)}")
        starts_at, ends_at = _date("startDate", start), None if end is None else _date("endDate", end)
        profile = self._issuer.profile
        variants = profile.families[0].kinds[profile.kind_index(0, kind)].variants
        if variance is not None and not 1 <= variance <= variants:
            raise VariantError(f"the variance of kind {kind!r} is 1 to {variants}, not {variance}; it is no length of time")
        # Whole days from one time of day to the same are an hour more when the clocks go back in between: the day after holds that hour.
        over_change = ends_at is not None and starts_at.time() == ends_at.time() and starts_at.utcoffset() != ends_at.utcoffset()
        pin = self._issuer.issue(
            device_id,
            starts_at,
            ends_at,
            kind=kind,
            max_time_rounding="1d" if kind == "daily" and over_change else None,
            variant=None if variance is None else variance - 1,
            request_id=None
            if variance is None
            else f"algopin {kind} {starts_at.timestamp():.0f} {ends_at and ends_at.timestamp()} {variance}",
            now=now,
        )
        identity = f"{pin.device_id}/{pin.generation}/{pin.kind}/{pin.start_slot}/{pin.duration}/{pin.variant}"
        return AlgoPin(pin=pin.code, pinId=str(uuid.uuid5(_NAMESPACE, identity)), accessName=name, access=pin)


def _date(member: str, text: str) -> datetime:
    if not _DATE.fullmatch(text):
        raise RequestError(f"{member} must be written as YYYY-MM-DDTHH:00:00±hh:mm, not {text!r}")
    try:
        return datetime.fromisoformat(text)
    except ValueError as cause:
        raise RequestError(f"{member} {text!r} is no date: {cause}") from None
