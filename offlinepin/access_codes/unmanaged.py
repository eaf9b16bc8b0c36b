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
from offlinepin.access_codes.simulated import WORDS, Entry, SimulatedConnection, add_outside, enter
from offlinepin.access_codes.work import Work
from offlinepin.engine.payload import Grant
from offlinepin.engine.profile import Action, Profile
from offlinepin.pin import AccessPin


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
            if row.status == "removing":
                raise NotChangeableError("the access code is being deleted")
            digits = work.shown_code(row)
            device = work.device_of(row)
            while (other := work.claimant(device, digits or "", row.holds_from, row.holds_until, beside=row)) is not None:
                if force:
                    self._make_way(work, other)
                    continue
                row.errors = (error("duplicate_code_on_device", work.now),)
                work.event(row, "access_code.unmanaged.failed_to_convert_to_managed", access_code_errors=row.errors)
                return False
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

    @staticmethod
    def _make_way(work: Work, access_code_id: str) -> None:
        """Another access code of the device, managed or not, gives its digits free."""
        other = work.session.get(CodeRow, access_code_id, with_for_update=True)
        assert other is not None  # a foreign key
        if other.is_managed:
            lifecycle.forget(work, other)
        else:
            work.release(other)

    def delete_unmanaged(self, access_code_id: str, *, now: datetime | None = None) -> ActionAttempt:
        """Take an unmanaged code from its lock."""

        def remove(work: Work) -> ActionAttempt:
            row = work.code(self.workspace_id, access_code_id, managed=False, change=True)
            device = work.device_of(row)
            native.need_connection(work.store, device)
            if device.removed_at is None:
                lifecycle.start_removing(work, row)
            else:
                lifecycle.forget(work, row)
            return attempts.succeeded(work, attempts.DELETE, row, {})

        attempt = self._write(remove, now)
        lifecycle.run_step(self.store, access_code_id, self.store.moment(now))
        return attempt

    # --- simulation -------------------------------------------------------------------------------------------------

    def simulate_unmanaged(self, device_id: str, name: str, code: str, *, now: datetime | None = None) -> UnmanagedAccessCode:
        """Somebody adds a code at the simulated lock of a device."""
        lengths = self._read(lambda work: self._lengths(work, device_id))
        native.check_code(code, lengths)

        def keep(work: Work) -> UnmanagedAccessCode:
            device = work.device(self.workspace_id, device_id)
            return views.unmanaged(work, verification.adopt(work, device, add_outside(work, device_id, name, code)))

        return self._write(keep, now)

    def _lengths(self, work: Work, device_id: str) -> tuple[int, ...]:
        device = work.device(self.workspace_id, device_id)
        if device.connection != "simulated":
            raise CapabilityError(f"device {device_id!r} has no simulated connection")
        return native.lengths_of(device, SimulatedConnection(self.store, device_id))

    def simulate_keypad_code_entry(self, device_id: str, code: str, *, now: datetime | None = None) -> ActionAttempt:
        """Type a code at the simulated lock of a device, native or offline.

        The attempt of an accepted code is a success; ``result`` is ``{"opened": bool, "action": str}``, the action ``unlock`` or what a
        service code did. Of any other it is an error, whose type is the lock's own reason, as ``too_early`` or ``unknown``. What the lock
        did is taken as reported: a revoke code ends the access code that it is of, its use one that opens once, and the first use of a code
        that supersedes others those.
        """

        def report(work: Work) -> ActionAttempt:
            typed_at = work.device(self.workspace_id, device_id)
            if typed_at.connection not in (None, "simulated"):
                raise CapabilityError(f"device {device_id!r} is reached by {typed_at.connection!r}, so it has no simulated keypad")
            entry = enter(work, device_id, code)
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
        profile, revoked = product.vendor.profile, None
        if entry.action is Action.REVOKE:
            _, kind = grant.of(profile)
            f, k = profile.revocable(kind)
            revoked = Grant(f, k, grant.start, grant.duration, grant.variant)
        for row in work.session.scalars(wanted.with_for_update()):
            pin = work.pin(row)
            if pin is None or row.status == "unset":
                continue
            pins = (*work.earlier_pins(row), pin)
            ends = {one: _end(entry, profile, one, grant, revoked) for one in pins}
            left = [one for one in pins if ends[one] is None]
            if ends[pin] is None:
                if len(left) < len(pins):
                    work.set_earlier_pins(row, left[:-1])
            elif left:
                offline.fall_back(work, row, left)
            else:
                _is_over(work, row, ends[pin])


def _end(entry: Entry, profile: Profile, pin: AccessPin, grant: Grant, revoked: Grant | None) -> str | None:
    """What ended a code at the lock; ``None`` for one that opens as before."""
    if revoked is not None and offline.is_of(pin, profile, revoked):
        return "revoked"
    if entry.opened and offline.is_ended_by(pin, profile, grant):
        return "replaced"
    return "used" if entry.opened and pin.one_time and offline.is_of(pin, profile, grant) else None


def _is_over(work: Work, row: CodeRow, end: str | None) -> None:
    """The lock has done away with all codes of an offline access code."""
    work.event(row, "access_code.removed_from_device", code=work.shown_code(row))
    if end == "revoked" or row.status == "removing":
        lifecycle.forget(work, row)
        return
    row.status, row.is_scheduled = "unset", False
    if end == "replaced":
        row.errors = (error("replaced_by_newer_access_code", work.now),)
