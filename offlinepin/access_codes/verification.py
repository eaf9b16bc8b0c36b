"""Looking at what is on connected locks: codes that somebody changed or removed there, and codes that this system did not put there."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from sqlalchemy import select

from offlinepin.access_codes.code_errors import error
from offlinepin.access_codes.code_warnings import warning
from offlinepin.access_codes.connections import NativeCode, warned
from offlinepin.access_codes.lifecycle import LEASE, forget, reference_of
from offlinepin.access_codes.native import connection_of, need_connection, plan
from offlinepin.access_codes.schema import CodeRow, DeviceRow
from offlinepin.access_codes.work import Work

if TYPE_CHECKING:
    from offlinepin.access_codes.store import Store

EVERY: Final = timedelta(minutes=10)
"""How often a connected lock is looked at."""
_OUTSIDE: Final = ("code_modified_external_to_seam", "conflicting_external_modification")


def look_at_due(store: Store, now: datetime | None = None) -> int:
    """Look at every connected lock whose turn it is; returns how many that were."""
    moment = store.moment(now)
    rows = store.read(
        lambda work: work.session.scalars(
            select(DeviceRow).where(DeviceRow.verify_at <= moment, DeviceRow.removed_at.is_(None)).order_by(DeviceRow.verify_at)
        ).all(),
        moment,
    )
    for row in rows:
        look_at(store, row, moment)
    return len(rows)


def look_at(store: Store, device: DeviceRow, now: datetime) -> None:
    """Compare what is on a lock with what should be there. One that cannot be reached is looked at another time."""
    found = None
    try:
        connection = connection_of(store, device)
        if connection is not None:
            found = {code.reference: code for code in connection.codes(now)}
    except Exception:  # noqa: S110 - whatever a connection throws, it must not keep the other locks from being looked at
        pass

    def compare(work: Work) -> None:
        row = work.session.get(DeviceRow, device.device_id, with_for_update=True)
        if row is None:
            return
        row.verify_at = work.now + EVERY
        if found is not None:
            _compare(work, row, found)

    store.write(compare, now)


def _compare(work: Work, device: DeviceRow, found: dict[str, NativeCode]) -> None:
    rows = work.session.scalars(
        select(CodeRow)
        .where(
            CodeRow.device_id == device.device_id,
            CodeRow.workspace_id == device.workspace_id,  # what the workspace before has there is as strange as what anybody put there
            CodeRow.deleted_at.is_(None),
            CodeRow.is_offline.is_(False),
        )
        .with_for_update()
    )
    known = {}
    for row in rows:
        known[reference_of(row)] = row
        there = found.get(reference_of(row))
        if there is not None:
            row.warnings = warned(row.warnings, there.warnings, work.now)
        if not row.is_managed:
            if there is None:
                forget(work, row)
        elif row.status in ("set", "unknown") and row.step not in ("program", "withdraw") and not _is_fresh(work, row.told_at):
            _judge(work, row, there)
    for reference, code in found.items():
        gone = None if reference in known else work.session.get(CodeRow, reference)
        if reference not in known and (gone is None or not _is_fresh(work, gone.deleted_at)):
            adopt(work, device, code)


def _is_fresh(work: Work, moment: datetime | None) -> bool:
    """Whether something was done so lately that the look at the lock may have come before it."""
    return moment is not None and work.now - moment < LEASE


def _judge(work: Work, row: CodeRow, there: NativeCode | None) -> None:
    """One managed code that should be on the lock as it is kept here."""
    if there is not None and there.code == work.shown_code(row):
        if row.status == "unknown":
            row.status = "set"
            row.errors = tuple(e for e in row.errors if e.error_code not in _OUTSIDE)
        return
    if row.status == "unknown" and there is not None:
        return  # it was told already
    if there is None:
        work.event(row, "access_code.deleted_external_to_seam")
        row.errors = (error("code_modified_external_to_seam", work.now, "The code was removed at the lock after it was set there."),)
        row.status, row.told_at, row.is_scheduled = "unset", None, False
        _refill(work, row)
        return
    work.event(row, "access_code.modified_external_to_seam")
    if not row.is_external_modification_allowed:
        row.errors = (error("code_modified_external_to_seam", work.now),)
        row.status = "unknown"
        _refill(work, row)
        return
    before = work.shown_code(row)
    work.set_code(row, there.code)
    if work.claimant(work.device_of(row), there.code, row.holds_from, row.holds_until, beside=row) is None:
        work.claim(row)
    kept = tuple(w for w in row.warnings if w.warning_code not in (*_OUTSIDE, "external_modification_in_effect"))
    row.warnings = (*kept, warning("code_modified_external_to_seam", work.now), warning("external_modification_in_effect", work.now))
    work.event(row, "access_code.changed", changed_properties=[{"property": "code", "from": before, "to": there.code}])
    values = {"from": {"code": before}, "to": {"code": there.code}}
    work.event(row, "access_code.code_changed", description="The code was changed at the lock.", **values)


def _refill(work: Work, row: CodeRow) -> None:
    """Put a backup that was changed or removed at the lock there again: nobody knows it yet, and its pool would be short of it for ever."""
    if row.backup_place is not None:
        plan(work, row, need_connection(work.store, work.device_of(row)))


def adopt(work: Work, device: DeviceRow, code: NativeCode) -> CodeRow:
    """Keep a code that was found on a lock as an unmanaged one."""
    row = CodeRow(
        access_code_id=str(uuid4()),
        workspace_id=device.workspace_id,
        device_id=device.device_id,
        is_managed=False,
        name=code.name,
        created_at=work.now,
        starts_at=code.starts_at,
        ends_at=code.ends_at,
        holds_from=code.starts_at,
        holds_until=code.ends_at,
        status="set",
        warnings=warned((), code.warnings, work.now),
        is_offline=False,
        reference=code.reference,
    )
    work.session.add(row)
    work.set_code(row, code.code)
    if work.claimant(device, code.code, row.holds_from, row.holds_until) is None:  # a lock can hold what we would refuse
        work.claim(row)
    work.event(row, "access_code.unmanaged.created")
    return row
