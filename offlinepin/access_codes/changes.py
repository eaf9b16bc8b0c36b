"""Updating and deleting access codes, and pulling a backup."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Literal

from sqlalchemy import select

from offlinepin.access_codes import lifecycle, native, offline
from offlinepin.access_codes.base import wire_time
from offlinepin.access_codes.code_errors import error
from offlinepin.access_codes.code_warnings import warning
from offlinepin.access_codes.creation import fill_pool
from offlinepin.access_codes.errors import InvalidInputError, NoBackupError, NotChangeableError
from offlinepin.access_codes.models import (
    CodeValue,
    CreatingMutation,
    NameValue,
    PendingMutation,
    TimeFrameValue,
    UpdatingCodeMutation,
    UpdatingNameMutation,
    UpdatingTimeFrameMutation,
)
from offlinepin.access_codes.schema import CodeRow
from offlinepin.access_codes.work import Work
from offlinepin.engine.clock import check_moment


class Unset(Enum):
    """What a caller left unsaid, told apart from ``None``."""

    UNSET = "unset"


UNSET = Unset.UNSET
_CLEARED = (
    "duplicate_code_attempt_prevented",
    "duplicate_code_on_device",
    "code_modified_external_to_seam",
    "failed_to_set_on_device",
    "no_space_for_access_code_on_device",
)


@dataclass(frozen=True, slots=True)
class Update:
    """What shall change; what is :data:`UNSET` stays."""

    name: str | Unset | None = UNSET
    code: str | Unset = UNSET
    starts_at: datetime | Unset | None = UNSET
    ends_at: datetime | Unset | None = UNSET
    type: Literal["ongoing", "time_bound"] | None = None
    is_external_modification_allowed: bool | None = None

    def frame(self, row: CodeRow) -> tuple[datetime | None, datetime | None]:
        """The time frame that the access code shall have."""
        if self.type == "ongoing":
            if isinstance(self.ends_at, datetime) or isinstance(self.starts_at, datetime):
                raise InvalidInputError("type", "an ongoing access code has neither start nor end; leave starts_at and ends_at out")
            return None, None
        starts_at = row.starts_at if isinstance(self.starts_at, Unset) else self.starts_at
        ends_at = row.ends_at if isinstance(self.ends_at, Unset) else self.ends_at
        if self.type == "time_bound" and ends_at is None:
            raise InvalidInputError("ends_at", "a time-bound access code needs an end")
        return starts_at, ends_at

    @property
    def has_frame(self) -> bool:
        """Whether a time frame is given, be it the one that the access code has."""
        return self.type is not None or not (isinstance(self.starts_at, Unset) and isinstance(self.ends_at, Unset))

    def check(self) -> None:
        """Refuse what makes no sense for any access code."""
        for field, moment in (("starts_at", self.starts_at), ("ends_at", self.ends_at)):
            if isinstance(moment, datetime):
                check_moment(moment, field)
        if isinstance(self.name, str) and not 1 <= len(self.name) <= 256:
            raise InvalidInputError("name", f"a name is 1 to 256 characters, not {len(self.name)}")


def update(work: Work, row: CodeRow, wanted: Update) -> None:
    """Change an access code. What the device must be told is pending, and due now."""
    if row.status == "removing":
        raise NotChangeableError("the access code is being deleted")
    work.device(row.workspace_id, row.device_id)  # one that was removed, or is another workspace's now, gets nothing more
    starts_at, ends_at = wanted.frame(row)
    moves = (starts_at, ends_at) != (row.starts_at, row.ends_at)
    code = None if isinstance(wanted.code, Unset) else wanted.code
    if row.is_offline and code is not None:
        raise InvalidInputError("code", "an offline access code's code derives from its device's token and cannot be chosen")
    before = _shown(work, row)
    if row.is_offline and moves:
        if ends_at is not None:
            native.check_frame(work.now, starts_at or work.now, ends_at)
        offline.change(work, row, starts_at, ends_at)
    if not isinstance(wanted.name, Unset):
        row.name = wanted.name
    if wanted.is_external_modification_allowed is not None:
        row.is_external_modification_allowed = wanted.is_external_modification_allowed
    if not row.is_offline:
        is_asked_for = moves or (wanted.has_frame and _has_strayed(row))
        _update_native(work, row, code, (starts_at, ends_at) if is_asked_for else None, before)
    _tell(work, row, before)


def _update_native(
    work: Work, row: CodeRow, code: str | None, frame: tuple[datetime | None, datetime | None] | None, before: dict[str, Any]
) -> None:
    device = work.device_of(row)
    connection = native.need_connection(work.store, device)
    if frame is not None:
        native.check_frame(work.now, *frame)
        starts_at = work.now if frame[0] is None and frame[1] is not None else frame[0]
        native.set_frame(work, device, row, starts_at, frame[1])
    if code is not None:
        native.check_code(code, native.lengths_of(device, connection))
    if code is not None or frame is not None:
        digits = code or work.shown_code(row)
        assert digits is not None  # native codes have theirs from the beginning
        native.claim_free(work, device, digits, row)
        work.set_code(row, digits)
        work.claim(row)
        row.errors = tuple(e for e in row.errors if e.error_code not in _CLEARED)
    strayed = _has_strayed(row)
    asked_for = code is not None or frame is not None  # who only renames a code that somebody removed at the lock does not want it back
    if not (asked_for if strayed else _shown(work, row) != before):
        return
    if lifecycle.is_untouched(row) or (strayed and row.status == "unset"):
        native.plan(work, row, connection)
        return
    work.set_mutations(row, *_pending(work, row, before))
    lifecycle.tell_anew(work, row, connection)
    if row.status == "unknown":
        row.status = "setting"


def _has_strayed(row: CodeRow) -> bool:
    """Whether the device has not got it, and nothing is under way that would change that."""
    return row.status in ("unset", "unknown") and row.step in (None, "expire")


def _shown(work: Work, row: CodeRow) -> dict[str, Any]:
    return {"code": work.shown_code(row), "name": row.name, "starts_at": row.starts_at, "ends_at": row.ends_at}


def _pending(work: Work, row: CodeRow, before: dict[str, Any]) -> list[PendingMutation]:
    """What the device is to be told, from what it has: a change before this one may still be on its way there."""
    found: list[PendingMutation] = []
    now, code = work.now, work.shown_code(row)
    for earlier in work.mutations(row):
        if isinstance(earlier, CreatingMutation):
            return [earlier]
        if isinstance(earlier, UpdatingCodeMutation | UpdatingNameMutation | UpdatingTimeFrameMutation):
            before = {**before, **earlier.before.model_dump()}
    if code != before["code"]:
        old, new = CodeValue(code=before["code"]), CodeValue(code=code)
        found.append(
            UpdatingCodeMutation.model_validate({"message": "The code is being changed.", "created_at": now, "from": old, "to": new})
        )
    if row.name != before["name"]:
        name, other = NameValue(name=before["name"]), NameValue(name=row.name)
        found.append(
            UpdatingNameMutation.model_validate({"message": "The name is being changed.", "created_at": now, "from": name, "to": other})
        )
    if (row.starts_at, row.ends_at) != (before["starts_at"], before["ends_at"]):
        was = TimeFrameValue(starts_at=before["starts_at"], ends_at=before["ends_at"])
        will = TimeFrameValue(starts_at=row.starts_at, ends_at=row.ends_at)
        found.append(
            UpdatingTimeFrameMutation.model_validate(
                {"message": "The time frame is being changed.", "created_at": now, "from": was, "to": will}
            )
        )
    return found


def _tell(work: Work, row: CodeRow, before: dict[str, Any]) -> None:
    """The events of a change: one for all of it, and one for each part."""
    words = {"code": "The code was changed.", "name": "The name was changed.", "time_frame": "The time frame was changed."}
    after = _shown(work, row)
    if before == after:
        return
    changed = [{"property": m, "from": _text(before[m]), "to": _text(after[m])} for m in before if before[m] != after[m]]
    work.event(row, "access_code.changed", changed_properties=changed)
    for part, members in (("code", ("code",)), ("name", ("name",)), ("time_frame", ("starts_at", "ends_at"))):
        if any(before[m] != after[m] for m in members):
            values = {"from": {m: _text(before[m]) for m in members}, "to": {m: _text(after[m]) for m in members}}
            work.event(row, f"access_code.{part}_changed", description=words[part], **values)


def _text(value: Any) -> str | None:
    return wire_time(value) if isinstance(value, datetime) else value


def prevent(work: Work, row: CodeRow, message: str) -> None:
    """Note at an access code that a change of it was refused, since it would have doubled another's digits."""
    others = tuple(e for e in row.errors if e.error_code != "duplicate_code_attempt_prevented")
    row.errors = (*others, error("duplicate_code_attempt_prevented", work.now, f"A change of this access code was prevented: {message}."))


# --- deleting -----------------------------------------------------------------------------------------------------


def delete(work: Work, row: CodeRow) -> dict[str, Any]:
    """Delete an access code, and the backup that stands in for it; returns what the action attempt tells."""
    result: dict[str, Any] = {}
    for one in lifecycle.siblings(work, row):
        told = _delete(work, one)
        if one is row:
            result = told
    return result


def _delete(work: Work, row: CodeRow) -> dict[str, Any]:
    over = row.ends_at is not None and row.ends_at <= work.now and not work.earlier_pins(row)
    if row.is_offline and (row.is_waiting or row.pin is None or row.status == "unset"):
        lifecycle.forget(work, row)
    elif row.is_offline and over:
        work.event(row, "access_code.removed_from_device", code=work.shown_code(row))
        lifecycle.forget(work, row)
    elif row.is_offline:
        revokes = [one.model_dump(mode="json", include={"code", "grouped", "starts_at", "ends_at"}) for one in offline.remove(work, row)]
        if revokes:
            told = {"revoke_code": revokes[0], "message": "Type this code at the lock; until then the access code can still open it."}
            if len(revokes) == 1:
                return told
            text = "Type revoke_code and all earlier_revoke_codes at the lock; until then codes of the access code can still open it."
            return {**told, "earlier_revoke_codes": revokes[1:], "message": text}
        return {"message": "The lock cannot be told to forget the code."}
    elif lifecycle.is_untouched(row) or work.device_of(row).removed_at is not None:
        lifecycle.forget(work, row)
    else:
        lifecycle.start_removing(work, row)
    return {}


# --- backups ------------------------------------------------------------------------------------------------------


def pull_backup(work: Work, row: CodeRow) -> CodeRow:
    """The backup that now stands in for an access code; the same one when it is asked for again.

    Raises:
        NotChangeableError: it uses no pool, or is being deleted.
        NoBackupError: no backup is on the device and free.
    """
    pulled = None if row.pulled_backup_id is None else work.session.get(CodeRow, row.pulled_backup_id)
    if pulled is not None and pulled.deleted_at is None:
        return pulled
    if not row.uses_backup_pool or row.is_backup:
        raise NotChangeableError("the access code was created without use_backup_access_code_pool")
    if row.status == "removing":
        raise NotChangeableError("the access code is being deleted")
    device = work.device(row.workspace_id, row.device_id)
    free = select(CodeRow).where(
        CodeRow.device_id == row.device_id, CodeRow.backup_place.is_not(None), CodeRow.status == "set", CodeRow.deleted_at.is_(None)
    )
    backup = work.session.scalars(free.order_by(CodeRow.backup_place).limit(1).with_for_update(skip_locked=True)).first()
    if backup is None:
        raise NoBackupError(f"device {row.device_id!r} has no free backup code on it yet")
    before = _shown(work, backup)
    backup.backup_place, backup.name, backup.common_code_key = None, row.name, row.common_code_key
    native.set_frame(work, device, backup, row.starts_at, row.ends_at)
    work.claim(backup)
    work.set_mutations(backup, *_pending(work, backup, before))
    lifecycle.tell_anew(work, backup, native.need_connection(work.store, device))
    row.pulled_backup_id = backup.access_code_id
    others = tuple(w for w in row.warnings if w.warning_code != "using_backup_access_code")
    row.warnings = (*others, warning("using_backup_access_code", work.now))
    row.errors = tuple(e for e in row.errors if e.error_code != "empty_backup_access_code_pool")
    work.event(row, "access_code.backup_access_code_pulled", backup_access_code_id=backup.access_code_id)
    work.session.flush()
    fill_pool(work, device)
    return backup
