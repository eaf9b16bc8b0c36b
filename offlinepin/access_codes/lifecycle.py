"""The steps of an access code's life: assign, program, expire, withdraw, remove. Each is taken when it is due, by whichever worker comes
first; what a lock is told is told outside of any transaction, and only the worker that holds the step writes down what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import ColumnElement, or_, select

from offlinepin.access_codes import offline
from offlinepin.access_codes.code_errors import ERRORS, error
from offlinepin.access_codes.code_warnings import warning
from offlinepin.access_codes.connections import MAKERS_WARNINGS, Caution, Connection, NativeCode, warned
from offlinepin.access_codes.errors import CapabilityError, ConnectionFault
from offlinepin.access_codes.models import CreatingMutation, DeletingMutation
from offlinepin.access_codes.native import connection_of, plan
from offlinepin.access_codes.schema import CodeRow
from offlinepin.access_codes.work import Work

if TYPE_CHECKING:
    from offlinepin.access_codes.store import Store

LEASE: Final = timedelta(seconds=120)
"""How long a worker may take for a step; then another takes it again."""
FIRST_PAUSE: Final = timedelta(seconds=60)
LONGEST_PAUSE: Final = timedelta(hours=1)
LATE: Final = timedelta(minutes=10)
"""From here on a step that is under way is a delay, which is warned of."""
FAILED_AFTER: Final = 5
"""So many faults in a row are a failure; the step is tried on all the same."""
_PATIENCE: Final = LEASE.total_seconds() / 2
"""Seconds after which the rest waits for the next call. A call's present is one moment, and the leases that it takes begin there."""
NAMELESS: Final = "Access code"
"""What a lock shows for an access code without a name."""
_BATCH: Final = 200
_SET_WARNINGS: Final = ("delay_in_setting_on_device", "code_modified_external_to_seam", "august_device_programming_delay")
_GONE: Final = "device_removed"


@dataclass(frozen=True, slots=True)
class _Task:
    """Something to tell a lock, and the lease under which it is told."""

    access_code_id: str
    step: str
    lease: datetime
    connection: Connection | None
    code: NativeCode


def run_due(store: Store, now: datetime | None = None) -> int:
    """Take every step that is due, in all workspaces; returns how many were taken."""
    moment, began = store.moment(now), time.monotonic()
    taken = 0
    while True:
        ids, done = store.read(lambda work: _due(work, moment), moment), 0
        for access_code_id in ids:
            done += run_step(store, access_code_id, moment)
            if time.monotonic() - began >= _PATIENCE:
                return taken + done
        taken += done
        if not done or len(ids) < _BATCH:
            return taken


def _due(work: Work, now: datetime) -> list[str]:
    wanted = select(CodeRow.access_code_id).where(CodeRow.due_at <= now, CodeRow.deleted_at.is_(None), _is_free(now))
    return list(work.session.scalars(wanted.order_by(CodeRow.due_at).limit(_BATCH)))


def _is_free(now: datetime) -> ColumnElement[bool]:
    """Whether nobody is telling the lock: two who told it at once could be heard in either order."""
    return or_(CodeRow.leased_until.is_(None), CodeRow.leased_until <= now)


def run_step(store: Store, access_code_id: str, now: datetime | None = None) -> bool:
    """Take the next step of an access code, if it is due and nobody else is at it."""
    moment = store.moment(now)
    found = store.write(lambda work: _begin(work, access_code_id), moment)
    if not isinstance(found, _Task):
        return found
    told = _told(found, moment)

    def note(work: Work, row: CodeRow) -> None:
        if isinstance(told, ConnectionFault):
            _failed(work, row, told)
        elif found.step == "program":
            _programmed(work, row, told)
        elif found.step == "withdraw":
            _withdrawn(work, row)
        else:
            _removed(work, row)

    store.write(lambda work: _finish(work, found, lambda row: note(work, row)), moment)
    return True


def _told(task: _Task, now: datetime) -> ConnectionFault | tuple[Caution, ...]:
    """Tell the lock; returns what it warns of, or the fault that was met. What a connection throws besides must not stop the codes of
    other locks."""
    try:
        if task.connection is None:
            return ConnectionFault("provider_issue", "The store was not given the connection that the device is reached by.")
        if task.step == "program":
            return tuple(task.connection.program(task.code, now) or ())  # not every connection is typed
        task.connection.remove(task.code.reference, now)
    except ConnectionFault as cause:
        return cause
    except Exception as cause:
        return ConnectionFault("provider_issue", f"The connection failed with {type(cause).__name__}.")
    return ()


def _begin(work: Work, access_code_id: str) -> _Task | bool:
    """Take a step that needs no lock at once, or take the lease of one that does. ``False`` if there is nothing to do."""
    row = work.session.get(CodeRow, access_code_id, with_for_update=True)
    if row is None or row.deleted_at is not None or row.due_at is None or row.due_at > work.now:
        return False
    if row.leased_until is not None and row.leased_until > work.now:
        return False
    if row.step == "assign":
        if row.ends_at is not None and row.ends_at <= work.now:
            forget(work, row)
            return True
        return offline.assign(work, row)
    if row.is_offline:  # its end
        earlier = work.earlier_pins(row)
        if earlier and row.status != "unset":
            offline.linger(work, row, earlier)
            return True
        if row.status != "unset":  # which the lock did away with before
            work.event(row, "access_code.removed_from_device", code=work.shown_code(row))
        forget(work, row)
        return True
    device = work.device_of(row)
    if device.removed_at is not None:  # since the step was planned
        lose(work, row)
        return True
    if row.step == "program" and device.workspace_id != row.workspace_id:
        leave(work, row, "unknown")
        return True
    over = row.holds_until is not None and row.holds_until <= work.now
    if row.step == "expire" or (row.step == "program" and over):
        start_removing(work, row)
    elif row.status == "unset":
        row.status = "setting"
        work.set_mutations(row, CreatingMutation(message="The code is being put on the device.", created_at=work.now))
    assert row.step is not None
    row.due_at = row.leased_until = work.now + LEASE
    try:
        connection = connection_of(work.store, device)
    except CapabilityError:
        connection = None
    return _Task(row.access_code_id, row.step, row.due_at, connection, _native(work, row, connection))


def _native(work: Work, row: CodeRow, connection: Connection | None) -> NativeCode:
    keeps = connection is not None and connection.schedules
    code = work.shown_code(row)
    assert code is not None  # native codes have theirs from the beginning
    return NativeCode(
        reference_of(row),
        code,
        row.name or NAMELESS,
        row.holds_from if keeps else None,
        row.holds_until if keeps else None,
    )


def _finish(work: Work, task: _Task, then: Callable[[CodeRow], None]) -> None:
    """Write down what came of a step, unless the access code was changed meanwhile or another worker took over."""
    row = work.session.get(CodeRow, task.access_code_id, with_for_update=True)
    if row is None or row.deleted_at is not None or row.leased_until != task.lease:
        return
    row.leased_until = None
    if (row.step, row.due_at) == (task.step, task.lease):
        then(row)


def _programmed(work: Work, row: CodeRow, cautions: tuple[Caution, ...]) -> None:
    code = work.shown_code(row)
    ahead = row.holds_from is not None and row.holds_from > work.now
    if ahead and not row.is_scheduled:
        work.event(row, "access_code.scheduled_on_device", code=code)
    row.status, row.attempts, row.told_at = "set", 0, work.now
    row.is_scheduled = row.holds_until is not None and (ahead or row.is_scheduled)
    row.errors = ()
    row.warnings = warned((w for w in row.warnings if w.warning_code not in _SET_WARNINGS), cautions, work.now)
    work.set_mutations(row)
    work.event(row, "access_code.set_on_device", code=code)
    row.step, row.due_at, row.step_since = (
        ("expire", row.holds_until, row.holds_until) if row.holds_until is not None else (None, None, None)
    )
    if row.is_backup and row.backup_place is not None:
        _pool_is_filled(work, row)


def _pool_is_filled(work: Work, backup: CodeRow) -> None:
    """Access codes that lacked a backup have one now."""
    for row in work.session.scalars(select(CodeRow).where(CodeRow.device_id == backup.device_id, CodeRow.uses_backup_pool)):
        row.errors = tuple(e for e in row.errors if e.error_code != "empty_backup_access_code_pool")


def _withdrawn(work: Work, row: CodeRow) -> None:
    """Taken from a lock that keeps no time frames, to go there again at its new start."""
    if row.told_at is not None:
        work.event(row, "access_code.removed_from_device", code=work.shown_code(row))
    connection = connection_of(work.store, work.device_of(row))
    assert connection is not None
    row.is_scheduled, row.told_at = False, None
    plan(work, row, connection)


def _removed(work: Work, row: CodeRow) -> None:
    work.event(row, "access_code.removed_from_device", code=work.shown_code(row))
    forget(work, row)


def _failed(work: Work, row: CodeRow, fault: ConnectionFault) -> None:
    """A fault: the error that it is, a warning and an event once it is late, a failure after so many; and another try after a pause."""
    removing = row.status == "removing"
    if removing and fault.error_code == _GONE:
        _removed(work, row)
        return
    row.attempts += 1
    way = "removing_from" if removing else "setting_on"
    said = fault.message if fault.message != fault.error_code else ""
    if fault.is_pending and fault.error_code in MAKERS_WARNINGS:
        row.warnings = warned(row.warnings, [Caution(fault.error_code, said)], work.now)
    if not fault.is_pending:
        known = fault.error_code if fault.error_code in ERRORS else "provider_issue"
        kept = next((e for e in row.errors if e.error_code == known), None)
        others = tuple(e for e in row.errors if e.error_code.startswith("failed_to_") and e.error_code != known)
        row.errors = (*others, kept or error(known, work.now, said or None))
    late = row.step_since is not None and work.now - row.step_since >= LATE
    if late and not any(w.warning_code == f"delay_in_{way}_device" for w in row.warnings):
        row.warnings = (*row.warnings, warning(f"delay_in_{way}_device", work.now))
        work.event(row, f"access_code.delay_in_{way}_device", access_code_errors=row.errors, access_code_warnings=row.warnings)
    if row.attempts == FAILED_AFTER and not fault.is_pending:
        name = "failed_to_remove_from_device" if removing else "failed_to_set_on_device"
        if not any(e.error_code == name for e in row.errors):
            row.errors = (*row.errors, error(name, work.now))
        work.event(row, f"access_code.{name}", access_code_errors=row.errors, access_code_warnings=row.warnings)
    row.due_at = work.now + min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(row.attempts - 1, 10))


# --- what changes and calls use -----------------------------------------------------------------------------------


def start_removing(work: Work, row: CodeRow) -> None:
    """A native code that is, or may be, on its lock goes from there now."""
    if row.status == "removing":
        return
    row.status, row.step, row.due_at, row.step_since, row.attempts = "removing", "remove", work.now, work.now, 0
    row.errors = ()
    row.warnings = (*(w for w in row.warnings if w.warning_code not in _SET_WARNINGS), warning("being_deleted", work.now))
    work.set_mutations(row, DeletingMutation(message="The code is being taken from the device.", created_at=work.now))


def tell_anew(work: Work, row: CodeRow, connection: Connection) -> None:
    """A lock has, or may have, something of an access code that is not as it should be any more. It is told now; one that keeps no time
    frames must not open before a start that is to come, so it is told to forget the code until then."""
    early = not connection.schedules and row.holds_from is not None and row.holds_from > work.now
    row.step, row.due_at, row.step_since, row.attempts = "withdraw" if early else "program", work.now, work.now, 0


def forget(work: Work, row: CodeRow) -> None:
    """The access code is gone: its digits are free, and nobody sees it any more. Its events stay."""
    work.release(row)
    row.deleted_at, row.step, row.due_at, row.backup_place, row.is_waiting = work.now, None, None, None, False
    work.event(row, "access_code.deleted" if row.is_managed else "access_code.unmanaged.removed")


def lose(work: Work, row: CodeRow) -> None:
    """The device of an access code was removed. An offline code goes on to its end, for its lock needs no way to it."""
    if row.status == "removing" and not row.is_offline:
        forget(work, row)
        return
    row.errors = (*row.errors, error(_GONE, work.now))
    if not row.is_offline:
        leave(work, row, "unknown")


def leave(work: Work, row: CodeRow, status: str) -> None:
    """Nothing more is told to the lock of a native access code."""
    row.step = row.due_at = None
    row.status = status
    work.set_mutations(row)


def reference_of(row: CodeRow) -> str:
    """What the lock tells a code by: its id, or its own name for a code that was found on it."""
    return row.reference or row.access_code_id


def is_untouched(row: CodeRow) -> bool:
    """Whether a native code has never been on its way to a lock."""
    return row.status == "unset" and row.step == "program" and row.attempts == 0 and not row.is_scheduled


def siblings(work: Work, row: CodeRow) -> list[CodeRow]:
    """An access code and, where one stands in for it, its backup."""
    wanted = select(CodeRow).where(
        or_(CodeRow.access_code_id == row.access_code_id, CodeRow.access_code_id == row.pulled_backup_id), CodeRow.deleted_at.is_(None)
    )
    return list(work.session.scalars(wanted.with_for_update()))
