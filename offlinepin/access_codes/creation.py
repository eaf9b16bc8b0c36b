"""Creating access codes: one, several that share a code, and the backups of a device. A repeated request creates nothing twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from sqlalchemy import select

from offlinepin.access_codes import native, offline
from offlinepin.access_codes.errors import (
    CapabilityError,
    CodeLengthError,
    DuplicateCodeError,
    InvalidInputError,
    NotShareableError,
    RequestConflictError,
)
from offlinepin.access_codes.schema import CodeRow, DeviceRow, RequestRow, new_code
from offlinepin.access_codes.work import Work
from offlinepin.engine.clock import check_moment
from offlinepin.matching import parse_rounding

POOL: Final = 3
"""How many backup codes a device that uses them keeps ready."""
REPEATS: Final = timedelta(hours=24)
"""How long the same create_multiple is taken for a repetition where it has no request id."""
_LONGEST_NAME: Final = 256


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked of a new access code; see :meth:`offlinepin.access_codes.AccessCodes.create`."""

    name: str | None = None
    code: str | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    is_offline_access_code: bool = False
    is_one_time_use: bool = False
    max_time_rounding: str | None = None
    preferred_code_length: int | None = None
    prefer_native_scheduling: bool = True
    use_backup_access_code_pool: bool = False
    is_external_modification_allowed: bool = False
    common_code_key: str | None = None
    attempt_for_offline_device: bool = True
    user_level: str | None = None

    def check(self) -> None:
        """Refuse what makes no sense on any device."""
        for field, moment in (("starts_at", self.starts_at), ("ends_at", self.ends_at)):
            if moment is not None:
                check_moment(moment, field)
        if self.name is not None and not 1 <= len(self.name) <= _LONGEST_NAME:
            raise InvalidInputError("name", f"a name is 1 to {_LONGEST_NAME} characters, not {len(self.name)}")
        if self.max_time_rounding is not None:
            parse_rounding(self.max_time_rounding)
        if self.preferred_code_length is not None and not 4 <= self.preferred_code_length <= 12:
            raise InvalidInputError("preferred_code_length", f"a code has 4 to 12 digits, not {self.preferred_code_length}")
        if self.is_offline_access_code and self.code is not None:
            raise InvalidInputError("code", "an offline access code's code derives from its device's token and cannot be chosen")
        if self.is_offline_access_code and self.use_backup_access_code_pool:
            raise InvalidInputError(
                "use_backup_access_code_pool", "backup codes are put on a lock by its connection; offline codes have none"
            )
        for field in ("is_one_time_use", "max_time_rounding", "user_level"):
            if getattr(self, field) and not self.is_offline_access_code:
                raise InvalidInputError(field, "only an offline access code has it; set is_offline_access_code=true")

    def text(self) -> str:
        """The same text for the same question."""
        parts = [
            value.isoformat() if isinstance(value, datetime) else repr(value) for value in (getattr(self, name) for name in self.__slots__)
        ]
        return "|".join(parts)


def create(work: Work, device: DeviceRow, ask: Ask) -> CodeRow:
    """A new access code of a device."""
    row = new_code(
        access_code_id=str(uuid4()),
        workspace_id=device.workspace_id,
        device_id=device.device_id,
        name=ask.name,
        common_code_key=ask.common_code_key,
        created_at=work.now,
        status="unset",
        uses_backup_pool=ask.use_backup_access_code_pool,
        is_external_modification_allowed=ask.is_external_modification_allowed,
        is_offline=ask.is_offline_access_code,
        is_one_time_use=ask.is_one_time_use,
        prefers_native_scheduling=ask.prefer_native_scheduling,
    )
    if ask.is_offline_access_code:
        _create_offline(work, device, row, ask)
    else:
        _create_native(work, device, row, ask)
    return row


def _create_offline(work: Work, device: DeviceRow, row: CodeRow, ask: Ask) -> None:
    if device.product_id is None:
        raise CapabilityError(f"device {device.device_id!r} cannot program offline access codes: it was registered without a vendor")
    wish = offline.Wish(
        starts_at=ask.starts_at or work.now,
        ends_at=ask.ends_at,
        one_time=ask.is_one_time_use,
        max_time_rounding=ask.max_time_rounding,
        user_level=ask.user_level,
    )
    if ask.ends_at is not None:
        native.check_frame(work.now, ask.starts_at, ask.ends_at)
    offline.start(work, device, row, wish)


def _create_native(work: Work, device: DeviceRow, row: CodeRow, ask: Ask) -> None:
    connection = native.need_connection(work.store, device)
    native.check_frame(work.now, ask.starts_at, ask.ends_at)
    if not ask.attempt_for_offline_device and (problem := connection.problem()):
        raise CapabilityError(f"device {device.device_id!r} cannot be reached now ({problem}), and attempt_for_offline_device is false")
    starts_at = work.now if ask.ends_at is not None and ask.starts_at is None else ask.starts_at
    native.set_frame(work, device, row, starts_at, ask.ends_at)
    lengths = native.lengths_of(device, connection)
    if ask.code is None:
        code = native.draw(work, [device], lengths, row.holds_from, row.holds_until, ask.preferred_code_length)
    else:
        code = native.check_code(ask.code, lengths)
        native.claim_free(work, device, code, row)
    work.set_code(row, code)
    native.plan(work, row, connection)
    work.claim(row)
    work.event(row, "access_code.created")
    if ask.use_backup_access_code_pool:
        fill_pool(work, device)


def fill_pool(work: Work, device: DeviceRow) -> None:
    """Give a device the backup codes that it lacks. A place in the pool is unique, so that two workers fill it once."""
    wanted = select(CodeRow.backup_place).where(CodeRow.device_id == device.device_id, CodeRow.backup_place.is_not(None))
    held = set(work.session.scalars(wanted))
    connection = native.need_connection(work.store, device)
    for place in range(POOL):
        if place in held:
            continue
        row = new_code(
            access_code_id=str(uuid4()),
            workspace_id=device.workspace_id,
            device_id=device.device_id,
            name=f"Backup {place + 1}",
            created_at=work.now,
            status="unset",
            is_backup=True,
            backup_place=place,
            is_offline=False,
        )
        work.set_code(row, native.draw(work, [device], native.lengths_of(device, connection), None, None))
        native.plan(work, row, connection)
        work.claim(row)
        work.event(row, "access_code.created")


# --- several ------------------------------------------------------------------------------------------------------


def create_multiple(work: Work, devices: Sequence[DeviceRow], ask: Ask, *, random_where_needed: bool) -> list[CodeRow]:
    """One access code for each device, with a common code where the devices can share one.

    Raises:
        NotShareableError: they cannot, and ``random_where_needed`` is ``False``. Nothing is created.
    """
    shared = replace(ask, common_code_key=ask.common_code_key or str(uuid4()))
    if ask.is_offline_access_code:
        if len(devices) > 1 and not random_where_needed:
            raise NotShareableError("offline access codes derive from each device's own token, so no two devices share one")
        return [create(work, device, shared) for device in devices]
    code = ask.code or _common(work, devices, ask, random_where_needed)
    rows = []
    for device in devices:
        try:
            rows.append(create(work, device, replace(shared, code=code)))
        except (DuplicateCodeError, CodeLengthError) as cause:
            if not random_where_needed:
                raise NotShareableError(f"the devices cannot share one code: {cause.message}") from cause
            rows.append(create(work, device, replace(shared, code=None)))
    return rows


def _common(work: Work, devices: Sequence[DeviceRow], ask: Ask, random_where_needed: bool) -> str | None:
    """Digits that are free on all the devices; ``None`` where there are none and each may have its own."""
    native.check_frame(work.now, ask.starts_at, ask.ends_at)
    lengths = [set(native.lengths_of(device, native.need_connection(work.store, device))) for device in devices]
    try:
        return native.draw(work, devices, sorted(set.intersection(*lengths)), ask.starts_at, ask.ends_at, ask.preferred_code_length)
    except (DuplicateCodeError, CodeLengthError) as cause:
        if random_where_needed:
            return None
        raise NotShareableError(f"the devices cannot share one code: {cause.message}") from cause


# --- repetitions --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Repeat:
    """By what a repetition is known: the caller's request id, or what was asked."""

    request_id: str
    asked: bytes
    is_given: bool


def repeat_of(work: Work, request_id: str | None, asked: str) -> Repeat:
    """How to know a repetition of a call. ``InvalidInputError`` for an id that is no name for one."""
    if request_id is not None and not 1 <= len(request_id) <= _LONGEST_NAME:
        raise InvalidInputError("request_id", f"a request id is 1 to {_LONGEST_NAME} characters, not {len(request_id)}")
    digest = work.store.vault.digest(asked)
    return Repeat(request_id or f"asked/{digest.hex()}", digest, request_id is not None)


def served_before(work: Work, workspace_id: str, repeat: Repeat) -> list[CodeRow] | None:
    """What the same call created before, while all of that is still there; ``None`` for a new one.

    Raises:
        RequestConflictError: the request id was used for something else.
    """
    kept = work.session.get(RequestRow, (workspace_id, repeat.request_id), with_for_update=True)
    if kept is None:
        return None
    if kept.asked != repeat.asked:
        raise RequestConflictError(f"request id {repeat.request_id!r} was used before for another request; use a new one")
    rows = [work.session.get(CodeRow, access_code_id) for access_code_id in kept.access_code_ids]
    alive = [row for row in rows if row is not None and row.deleted_at is None]
    if len(alive) == len(rows) and (repeat.is_given or work.now - kept.created_at < REPEATS):
        return alive
    if repeat.is_given:
        raise RequestConflictError(f"what request id {repeat.request_id!r} created was deleted since; use a new one")
    work.session.delete(kept)
    work.session.flush()
    return None


def keep_request(work: Work, workspace_id: str, repeat: Repeat, rows: Sequence[CodeRow]) -> None:
    """Remember what a call created, in the same transaction. Of two at once, the second is refused and served anew."""
    work.session.add(
        RequestRow(
            workspace_id=workspace_id,
            request_id=repeat.request_id,
            asked=repeat.asked,
            access_code_ids=tuple(row.access_code_id for row in rows),
            created_at=work.now,
        )
    )
