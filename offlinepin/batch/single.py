"""Rows that take the single path: what :class:`offlinepin.issuer.Issuer` says of one request, its rules and errors unchanged."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from offlinepin.engine.clock import EPOCH
from offlinepin.engine.token import DeviceToken
from offlinepin.errors import (
    DeviceIdError,
    KeyMaterialError,
    OfflinepinError,
    RequestError,
    TimeOutOfRangeError,
)
from offlinepin.issuer import Issuer
from offlinepin.keys import ImportedTokens, MasterKey, TokenSource
from offlinepin.ledger import Ledger, MemoryLedger, Place, Taken
from offlinepin.pin import AccessPin
from offlinepin.vendor import Vendor

MAX_GENERATION = 65_535
"""A larger generation in a table is taken for a mistake: each step to it costs a derivation."""
_ID_CHECK = MasterKey(bytes(32))  # its tokens are of no use; it refuses an id that is too short or too long


@dataclass(frozen=True, slots=True)
class RowRequest:
    """One row's request. Times are microseconds since 1970, the start rounded down and the end up."""

    device_id: str | None
    starts: int | None
    ends: int | None
    one_time: bool = False
    kind: str | None = None
    level: str | None = None
    variant: int | None = None
    time_zone: str | None = None
    generation: int | None = None
    token: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row is not served."""

    code: str
    text: str

    @classmethod
    def of(cls, cause: OfflinepinError) -> Refusal:
        """The refusal that an error means."""
        return cls(cause.code, cause.message)


class _FoundError(Exception):
    """Ends a request at the point where its variant would be taken."""

    def __init__(self, place: Place) -> None:
        self.place = place


class _Asking(MemoryLedger):
    """A ledger that only hears for which place a variant would be taken, or in which every variant is handed out."""

    def __init__(self, ledger: Ledger | None, *, exhausted: bool) -> None:
        super().__init__()
        self._ledger, self._is_exhausted = ledger, exhausted

    def take(self, place: Place, *_: object) -> Taken | None:
        """See :meth:`Ledger.take`."""
        if self._is_exhausted:
            return None
        raise _FoundError(place)

    def generation(self, device_id: str) -> int:
        """See :meth:`Ledger.generation`."""
        return 0 if self._ledger is None else self._ledger.generation(device_id)


class SinglePath:
    """Issues one row at a time, with the arguments that all rows share.

    Args:
        keys, vendor: as for :class:`Issuer`.
        ledger: the ledger of earlier codes, if there is one.
        now, max_time_rounding: as for :meth:`Issuer.issue`.
        time_zone: for rows that name none.
    """

    def __init__(
        self,
        keys: TokenSource,
        vendor: Vendor,
        ledger: Ledger | None,
        now: datetime,
        max_time_rounding: timedelta | None,
        time_zone: str | None,
    ) -> None:
        self._keys, self._vendor = keys, vendor
        self._now, self._max_time_rounding, self._time_zone = now, max_time_rounding, time_zone
        self._asking, self._exhausted = _Asking(ledger, exhausted=False), _Asking(ledger, exhausted=True)

    def place(self, row: RowRequest) -> Place | Refusal:
        """Where a row's variant would be taken from, or why it cannot be served."""
        try:
            self._issue(row, self._asking)
        except _FoundError as found:
            return found.place
        except (RequestError, DeviceIdError, KeyMaterialError) as cause:
            return Refusal.of(cause)
        raise AssertionError("a request takes a variant or fails")

    def exhausted(self, row: RowRequest) -> Refusal:
        """Why a row cannot be served whose place has no variant left."""
        found = self.issue(row, self._exhausted)
        assert isinstance(found, Refusal)
        return found

    def issue(self, row: RowRequest, ledger: Ledger) -> AccessPin | Refusal:
        """A row's code, with a variant of the ledger, or why it cannot be served."""
        try:
            return self._issue(row, ledger)
        except (RequestError, DeviceIdError, KeyMaterialError) as cause:
            return Refusal.of(cause)

    def _issue(self, row: RowRequest, ledger: Ledger) -> AccessPin:
        if row.starts is None:
            raise RequestError("starts_at is missing; it must be a time")
        device_id, keys, generation = token_source(row, self._keys)
        return Issuer(keys, self._vendor, ledger, allow_weak=True).issue(
            device_id,
            moment_of(row.starts, "start"),
            None if row.ends is None else moment_of(row.ends, "end"),
            one_time=row.one_time,
            kind=row.kind,
            level=row.level,
            variant=row.variant,
            max_time_rounding=self._max_time_rounding,
            time_zone=row.time_zone or self._time_zone,
            generation=generation,
            now=self._now,
        )


def token_source(row: RowRequest, keys: TokenSource) -> tuple[str, TokenSource, int | None]:
    """A row's device id, where its token comes from, and its generation if that is said.

    Raises:
        DeviceIdError, KeyMaterialError: a row cannot have such an id, generation or token.
    """
    if row.generation is not None and not 0 <= row.generation <= MAX_GENERATION:
        raise KeyMaterialError(f"a generation in a table is 0 to {MAX_GENERATION}, not {row.generation}")
    if row.device_id is None:
        raise DeviceIdError("device_id is missing; it must be 1 to 64 bytes of UTF-8")
    if row.token is None:
        return row.device_id, keys, row.generation
    _ID_CHECK.token(row.device_id)
    generation = row.generation or 0
    return row.device_id, ImportedTokens({row.device_id: DeviceToken(row.token, generation)}), generation


def moment_of(microseconds: int, what: str) -> datetime:
    """The moment so many microseconds after 1970. ``TimeOutOfRangeError`` beyond the years that a datetime has."""
    try:
        return EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        seconds = microseconds // 1_000_000
        raise TimeOutOfRangeError(f"the {what}, {seconds} seconds from 1970, is beyond the years 1 to 9999") from None
