"""From rows to what users see."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import select

from offlinepin.access_codes.events import Event, event_from_json
from offlinepin.access_codes.lifecycle import NAMELESS
from offlinepin.access_codes.models import (
    AccessCode,
    AccessCodeStatus,
    AccessCodeType,
    Appearance,
    UnmanagedAccessCode,
)
from offlinepin.access_codes.offline import oracode_metadata
from offlinepin.access_codes.schema import CodeRow, EventRow
from offlinepin.access_codes.work import Work

_WORDS: Final = {
    "setting": "On its way to the lock",
    "set": "Ready",
    "unset": "Not on the lock",
    "removing": "Being removed",
    "unknown": "Unknown: the code at the lock is not the one that was set",
}


def access_code(work: Work, row: CodeRow) -> AccessCode:
    """An access code."""
    return access_codes(work, [row])[0]


def access_codes(work: Work, rows: Iterable[CodeRow]) -> tuple[AccessCode, ...]:
    """Access codes; what they share is asked once."""
    rows = list(rows)
    pooled = {row.device_id for row in rows if row.uses_backup_pool}
    filled: set[str] = set()
    if pooled:
        free = select(CodeRow.device_id).where(
            CodeRow.device_id.in_(pooled), CodeRow.backup_place.is_not(None), CodeRow.status == "set", CodeRow.deleted_at.is_(None)
        )
        filled = set(work.session.scalars(free))
    return tuple(_access_code(work, row, row.uses_backup_pool and row.device_id in filled) for row in rows)


def _access_code(work: Work, row: CodeRow, has_backup: bool) -> AccessCode:
    return AccessCode.model_construct(
        access_code_id=row.access_code_id,
        code=work.shown_code(row),
        common_code_key=row.common_code_key,
        created_at=row.created_at,
        device_id=row.device_id,
        dormakaba_oracode_metadata=oracode_metadata(work, row, work.device_of(row)) if row.stay_id is not None else None,
        ends_at=row.ends_at,
        errors=row.errors,
        pending_mutations=work.mutations(row),
        is_backup=row.is_backup,
        is_backup_access_code_available=has_backup and row.pulled_backup_id is None,
        is_external_modification_allowed=row.is_external_modification_allowed,
        is_managed=True,
        is_offline_access_code=row.is_offline,
        is_one_time_use=row.is_one_time_use,
        is_scheduled_on_device=row.is_scheduled,
        is_waiting_for_code_assignment=row.is_waiting,
        name=row.name,
        pulled_backup_access_code_id=row.pulled_backup_id,
        starts_at=row.starts_at,
        status=AccessCodeStatus(row.status),
        type=_type(row),
        warnings=row.warnings,
        workspace_id=row.workspace_id,
        appearance=Appearance(name=NAMELESS) if row.name is None and row.told_at is not None else None,
        display_status=_WORDS[row.status],
    )


def _type(row: CodeRow) -> AccessCodeType:
    return AccessCodeType.ONGOING if row.ends_at is None else AccessCodeType.TIME_BOUND


def unmanaged(work: Work, row: CodeRow) -> UnmanagedAccessCode:
    """A code that this system did not put on its device."""
    return UnmanagedAccessCode(
        access_code_id=row.access_code_id,
        code=work.shown_code(row),
        created_at=row.created_at,
        device_id=row.device_id,
        ends_at=row.ends_at,
        errors=row.errors,
        name=row.name,
        starts_at=row.starts_at,
        status="set" if row.status == "set" else "unset",
        type=_type(row),
        warnings=row.warnings,
        workspace_id=row.workspace_id,
        display_status=_WORDS[row.status],
    )


def event(work: Work, row: EventRow) -> Event:
    """An event."""
    return event_from_json(work.store.vault.open(row.payload, f"event/{row.event_id}"))
