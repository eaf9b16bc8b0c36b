"""The calls about codes that this system did not put on their lock, and the simulation of a lock and its keypad."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from offlinepin.access_codes import attempts, lifecycle, native, offline, verification, views
from offlinepin.access_codes.calls import Calls, page
from offlinepin.access_codes.code_errors import error
from offlinepin.access_codes.errors import AccessCodeNotFoundError, CapabilityError, InvalidInputError, NotChangeableError
from offlinepin.access_codes.models import ActionAttempt, Page, UnmanagedAccessCode
from offlinepin.access_codes.schema import CodeRow, DeviceRow
from offlinepin.access_codes.simulated import WORDS, Entry, SimulatedConnection
from offlinepin.access_codes.work import Work
from offlinepin.engine.payload import Grant
from offlinepin.engine.profile import Action


class UnmanagedCalls(Calls):
    """The calls about unmanaged codes, and the simulation."""

    def get_unmanaged(
        self, access_code_id: str | None = None, *, device_id: str | None = None, code: str | None = None
    ) -> UnmanagedAccessCode:
        """An unmanaged code by its id, or by its device and digits."""

        def find(work: Work) -> UnmanagedAccessCode:
            row = self._find(work, access_code_id, device_id, code, managed=False)
            return views.unmanaged(work, row)

        return self._read(find)

    def _find(self, work: Work, access_code_id: str | None, device_id: str | None, code: str | None, *, managed: bool) -> CodeRow:
        """A code by its id, or by its device and digits: of several in turn the one that comes first and is not over."""
        if access_code_id is not None:
            return work.code(self.workspace_id, access_code_id, managed=managed)
        if device_id is None or code is None:
            raise InvalidInputError("access_code_id", "give access_code_id, or both device_id and code")
        wanted = select(CodeRow).where(
            CodeRow.workspace_id == self.workspace_id,
            CodeRow.device_id == device_id,
            CodeRow.code_index == work.store.vault.index(self.workspace_id, code),
            CodeRow.is_managed.is_(managed),
            CodeRow.deleted_at.is_(None),
        )
        row = work.session.scalars(wanted.order_by(CodeRow.starts_at, CodeRow.created_at)).first()
        if row is None:
            raise AccessCodeNotFoundError(f"device {device_id!r} has no {'' if managed else 'unmanaged '}access code with this code")
        return row

    def list_unmanaged(
        self, device_id: str, *, search: str | None = None, limit: int = 500, page_cursor: str | None = None
    ) -> Page[UnmanagedAccessCode]:
        """The unmanaged codes of a device, oldest first."""
        wanted = select(CodeRow).where(
            CodeRow.workspace_id == self.workspace_id,
            CodeRow.device_id == device_id,
            CodeRow.is_managed.is_(False),
            CodeRow.deleted_at.is_(None),
        )

        def find(work: Work) -> Page[UnmanagedAccessCode]:
            work.device(self.workspace_id, device_id)
            narrowed = wanted
            if search:
                index = work.store.vault.index(self.workspace_id, search)
                narrowed = wanted.where(CodeRow.name.icontains(search, autoescape=True) | (CodeRow.code_index == index))
            rows, cursor = page(work, narrowed, CodeRow.created_at, CodeRow.access_code_id, limit, page_cursor)
            return Page(items=tuple(views.unmanaged(work, row) for row in rows), next_page_cursor=cursor)

        return self._read(find)

    def convert_to_managed(
        self, access_code_id: str, *, force: bool = False, is_external_modification_allowed: bool = False, now: datetime | None = None
    ) -> None:
        """Manage a code that was found on a lock.

        Args:
            force: do so even where another access code of the device has these digits at an overlapping time; that one is deleted.
        """

        def convert(work: Work) -> bool:
            row = work.code(self.workspace_id, access_code_id, managed=False, change=True)
            digits = work.shown_code(row)
            other = work.claimant(work.device_of(row), digits or "", row.holds_from, row.holds_until, beside=row)
            if other is not None and not force:
                row.errors = (error("duplicate_code_on_device", work.now),)
                work.event(row, "access_code.unmanaged.failed_to_convert_to_managed", access_code_errors=row.errors)
                return False
            if other is not None:
                lifecycle.forget(work, work.code(self.workspace_id, other, change=True))
            row.is_managed, row.errors = True, ()
            row.is_external_modification_allowed = is_external_modification_allowed
            work.claim(row)
            if row.holds_until is not None:
                row.step, row.due_at, row.step_since = "expire", row.holds_until, row.holds_until
            work.event(row, "access_code.unmanaged.converted_to_managed")
            return True

        if not self._write(convert, now):
            raise NotChangeableError(
                f"access code {access_code_id!r} cannot be managed: another of its device has this code; use force=true"
            )

    def delete_unmanaged(self, access_code_id: str, *, now: datetime | None = None) -> ActionAttempt:
        """Take an unmanaged code from its lock."""

        def remove(work: Work) -> ActionAttempt:
            row = work.code(self.workspace_id, access_code_id, managed=False, change=True)
            native.need_connection(work.store, work.device_of(row))
            lifecycle.start_removing(work, row)
            return attempts.succeeded(work, attempts.DELETE, row, {})

        attempt = self._write(remove, now)
        lifecycle.run_step(self.store, access_code_id, self.store.moment(now))
        return attempt

    # --- simulation -------------------------------------------------------------------------------------------------

    def simulate_unmanaged(self, device_id: str, name: str, code: str, *, now: datetime | None = None) -> UnmanagedAccessCode:
        """Somebody adds a code at the simulated lock of a device."""
        device = self._read(lambda work: work.device(self.workspace_id, device_id))
        if device.connection != "simulated":
            raise CapabilityError(f"device {device_id!r} has no simulated connection")
        connection = SimulatedConnection(self.store, device_id)
        native.check_code(code, native.lengths_of(device, connection))
        reference = connection.add_outside(name, code, now)
        found = next(there for there in connection.codes(self.store.moment(now)) if there.reference == reference)

        def keep(work: Work) -> UnmanagedAccessCode:
            return views.unmanaged(work, verification.adopt(work, work.device(self.workspace_id, device_id), found))

        return self._write(keep, now)

    def simulate_keypad_code_entry(self, device_id: str, code: str, *, now: datetime | None = None) -> ActionAttempt:
        """Type a code at the simulated lock of a device, native or offline.

        The attempt of an accepted code is a success; ``result`` is ``{"opened": bool, "action": str}``, the action ``unlock`` or what a
        service code did. Of any other it is an error, whose type is the lock's own reason, as ``too_early`` or ``unknown``. What the lock
        did is taken as reported: a revoke code ends the access code that it is of, and the first use of a code that supersedes others ends
        those.
        """
        device = self._read(lambda work: work.device(self.workspace_id, device_id))
        if device.connection not in (None, "simulated"):
            raise CapabilityError(f"device {device_id!r} is reached by {device.connection!r}, so it has no simulated keypad")
        entry = SimulatedConnection(self.store, device_id).enter(code, now)

        def report(work: Work) -> ActionAttempt:
            typed_at = work.device(self.workspace_id, device_id)
            if entry.action is None:
                return attempts.failed(work, attempts.KEYPAD, typed_at, entry.reason, WORDS[entry.reason])
            if entry.grant is not None:
                self._reported(work, typed_at, entry, entry.grant)
            return attempts.succeeded(work, attempts.KEYPAD, typed_at, {"opened": entry.opened, "action": entry.action})

        return self._write(report, now)

    def _reported(self, work: Work, device: DeviceRow, entry: Entry, grant: Grant) -> None:
        wanted = select(CodeRow).where(CodeRow.device_id == device.device_id, CodeRow.is_offline, CodeRow.deleted_at.is_(None))
        product = work.product(device)
        assert product is not None  # it read an offline code
        revoked = None
        if entry.action is Action.REVOKE:
            _, kind = grant.of(product.vendor.profile)
            f, k = product.vendor.profile.revocable(kind)
            revoked = Grant(f, k, grant.start, grant.duration, grant.variant)
        for row in work.session.scalars(wanted.with_for_update()):
            if revoked is not None and offline.is_of(work, row, device, revoked):
                work.event(row, "access_code.removed_from_device", code=work.shown_code(row))
                lifecycle.forget(work, row)
            elif entry.opened and row.status == "set" and offline.is_ended_by(work, row, device, grant):
                row.status, row.is_scheduled = "unset", False
                row.errors = (error("replaced_by_newer_access_code", work.now),)
                work.event(row, "access_code.removed_from_device", code=work.shown_code(row))
