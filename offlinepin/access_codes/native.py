"""Native access codes: digits that a connected lock keeps in its own memory. Which are free, which a device takes, when they go there."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

from offlinepin.access_codes.code_warnings import AccessCodeWarning, warning
from offlinepin.access_codes.connections import Connection
from offlinepin.access_codes.daylight import widened
from offlinepin.access_codes.errors import CapabilityError, CodeLengthError, DuplicateCodeError, InvalidInputError
from offlinepin.access_codes.models import CreatingMutation, DeferringCreationMutation
from offlinepin.access_codes.offline import DST_WARNING
from offlinepin.access_codes.schema import CodeRow, DeviceRow
from offlinepin.access_codes.simulated import SimulatedConnection
from offlinepin.access_codes.store import Store
from offlinepin.access_codes.work import Work
from offlinepin.errors import EndBeforeStartError, EndInPastError, TimeOutOfRangeError

AHEAD: Final = timedelta(hours=72)
"""How long before its start a code goes to a lock that keeps time frames by itself."""
_DRAWS: Final = 64
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)


def connection_of(store: Store, device: DeviceRow) -> Connection | None:
    """The way to a device; ``None`` for one that has offline codes only."""
    if device.connection is None:
        return None
    if device.connection == "simulated":
        return SimulatedConnection(store, device.device_id)
    if device.connection not in store.connections:
        raise CapabilityError(
            f"no connection {device.connection!r} was given to the store, which device {device.device_id!r} is reached by"
        )
    return store.connections[device.connection](device.device_id)


def need_connection(store: Store, device: DeviceRow) -> Connection:
    """The way to a device. ``CapabilityError`` for one that has offline codes only."""
    connection = connection_of(store, device)
    if connection is None:
        raise CapabilityError(
            f"device {device.device_id!r} cannot program online access codes; ask for an offline one with is_offline_access_code=true"
        )
    return connection


def lengths_of(device: DeviceRow, connection: Connection) -> tuple[int, ...]:
    """The lengths that a device takes: those reported, or the connection's."""
    return device.code_lengths or connection.code_lengths


def check_frame(now: datetime, starts_at: datetime | None, ends_at: datetime | None) -> None:
    """Refuse a time frame that makes no sense.

    Raises:
        InvalidInputError: a start without an end.
        TimeOutOfRangeError: a start before 1970.
        EndBeforeStartError, EndInPastError: what they say.
    """
    if starts_at is not None and starts_at < _EARLIEST:
        raise TimeOutOfRangeError(f"the start {starts_at.isoformat()} is before 1970")
    if ends_at is None:
        if starts_at is not None:
            raise InvalidInputError("ends_at", "a time-bound code has an end, too; for an ongoing code leave both times out")
        return
    if starts_at is not None and ends_at <= starts_at:
        raise EndBeforeStartError(f"the end {ends_at.isoformat()} must be later than the start {starts_at.isoformat()}")
    if ends_at <= now:
        raise EndInPastError(f"the end {ends_at.isoformat()} is over already; it is {now.isoformat()}")


def check_code(code: str, lengths: Sequence[int]) -> str:
    """Refuse a code that the device cannot take.

    Raises:
        InvalidInputError: it is not 4 to 12 digits.
        CodeLengthError: the device does not take that length.
    """
    if not re.fullmatch("[0-9]{4,12}", code):
        raise InvalidInputError("code", "a code is 4 to 12 digits")
    if len(code) not in lengths:
        raise CodeLengthError(f"the device takes codes of {', '.join(map(str, lengths))} digits, not of {len(code)}")
    return code


def claim_free(work: Work, device: DeviceRow, code: str, row: CodeRow) -> None:
    """Refuse digits that another access code of the device has at an overlapping time: ``DuplicateCodeError``."""
    other = work.claimant(device, code, row.holds_from, row.holds_until, beside=row)
    if other is not None:
        raise DuplicateCodeError(f"access code {other} of device {device.device_id!r} has this code at an overlapping time")


def draw(
    work: Work,
    devices: Sequence[DeviceRow],
    lengths: Sequence[int],
    starts_at: datetime | None,
    ends_at: datetime | None,
    preferred: int | None = None,
) -> str:
    """Digits that are free on all the devices, hard to guess, and of the preferred length where that may be.

    Raises:
        CodeLengthError: the devices have no length in common.
        DuplicateCodeError: no free code was found.
    """
    if not lengths:
        raise CodeLengthError("the devices take no length in common")
    length = min(lengths, key=lambda n: (abs(n - (preferred or min(lengths))), n))
    for _ in range(_DRAWS):
        code = f"{secrets.randbelow(10**length):0{length}d}"
        if not _is_weak(code) and not any(work.claimant(device, code, starts_at, ends_at) for device in devices):
            return code
    raise DuplicateCodeError(f"no free code of {length} digits was found in {_DRAWS} draws; the device has too many codes for that length")


def _is_weak(code: str) -> bool:
    """Whether digits are what people try first: one digit repeated, or counted up or down."""
    steps = {(int(b) - int(a)) % 10 for a, b in pairwise(code)}
    return len(steps) == 1 and steps <= {0, 1, 9}


def set_frame(work: Work, device: DeviceRow, row: CodeRow, starts_at: datetime | None, ends_at: datetime | None) -> None:
    """Give a native code its time frame, with an hour of safety where the device's zone is unknown and the clocks change in it."""
    zones = () if device.time_zone is not None else device.plausible_time_zones
    frame = widened(zones, starts_at, ends_at)
    row.starts_at, row.ends_at = starts_at, ends_at
    row.holds_from, row.holds_until = frame.starts_at, frame.ends_at
    others = tuple(w for w in row.warnings if w.warning_code != DST_WARNING)
    added: tuple[AccessCodeWarning, ...] = (warning(DST_WARNING, work.now),) if frame.is_widened else ()
    row.warnings = (*others, *added)


def plan(work: Work, row: CodeRow, connection: Connection) -> None:
    """Decide when a code that is not on its device goes there: 72 hours ahead where the lock keeps time frames, else at its start."""
    ahead = AHEAD if connection.schedules and row.prefers_native_scheduling else timedelta()
    due = work.now if row.holds_from is None else max(work.now, row.holds_from - ahead)
    row.step, row.due_at, row.step_since, row.attempts = "program", due, due, 0
    if due > work.now:
        row.status = "unset"
        text = "The code will be put on the device in time."
        work.set_mutations(row, DeferringCreationMutation(message=text, created_at=work.now, scheduled_at=due))
    else:
        row.status = "setting"
        work.set_mutations(row, CreatingMutation(message="The code is being put on the device.", created_at=work.now))
