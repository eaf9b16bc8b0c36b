"""The access-code resource as a library: one object per workspace, whose methods are the resource's calls. The clock is a parameter."""

from __future__ import annotations

from builtins import list as list_of
from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select

from offlinepin.access_codes import attempts, changes, explain, lifecycle, native, retention, verification, views
from offlinepin.access_codes.attempts import AttemptCalls
from offlinepin.access_codes.calls import page
from offlinepin.access_codes.changes import UNSET, Unset, Update
from offlinepin.access_codes.code_errors import error
from offlinepin.access_codes.creation import Ask, create, create_multiple, keep_request, repeat_of, served_before
from offlinepin.access_codes.devices import DeviceCalls
from offlinepin.access_codes.errors import AccessCodeNotFoundError, DuplicateCodeError, InvalidInputError, NoBackupError
from offlinepin.access_codes.events_calls import EventCalls
from offlinepin.access_codes.models import AccessCode, ActionAttempt, Explanation, GeneratedCode, Page, PulledBackup
from offlinepin.access_codes.schema import CodeRow
from offlinepin.access_codes.unmanaged import UnmanagedCalls
from offlinepin.access_codes.webhooks import Sender, WebhookCalls, deliver_due, post
from offlinepin.access_codes.work import Work

Rounding = Literal["1hour", "1h", "1day", "1d"]
_OPTIONS = frozenset(field.name for field in fields(Ask)) - {"common_code_key"}


class AccessCodes(DeviceCalls, UnmanagedCalls, EventCalls, AttemptCalls, WebhookCalls):
    """The calls of one workspace. Thread-safe, and cheap to make.

    Args:
        store: ``Store.open("codes.db", keys)``, or ``Store.open("postgresql+psycopg://…", keys)``.
        workspace_id: the workspace; ``store.create_workspace(name)`` gives its id. What is in others is invisible here.

    Every call raises an error of :mod:`offlinepin.access_codes.errors` or a :class:`offlinepin.errors.RequestError`, and changes nothing
    then; ``errors.http_status(error)`` says which HTTP status goes with it. ``now`` is the present, aware; the system's clock by default.
    """

    def create(
        self,
        device_id: str,
        *,
        name: str | None = None,
        code: str | None = None,
        starts_at: datetime | None = None,
        ends_at: datetime | None = None,
        is_offline_access_code: bool = False,
        is_one_time_use: bool = False,
        max_time_rounding: Rounding | None = None,
        preferred_code_length: int | None = None,
        prefer_native_scheduling: bool = True,
        use_backup_access_code_pool: bool = False,
        is_external_modification_allowed: bool = False,
        common_code_key: str | None = None,
        attempt_for_offline_device: bool = True,
        user_level: str | None = None,
        request_id: str | None = None,
        sync: bool = False,
        now: datetime | None = None,
    ) -> AccessCode:
        """A new access code.

        Args:
            name: 1 to 256 characters.
            code: 4 to 12 digits, for a native code; drawn where it is left out. An offline code's cannot be chosen.
            starts_at, ends_at: both for a time-bound code, neither for an ongoing one. An offline code starts now by default; without an
                end it gets what its kind means by that. Its times are rounded as the vendor rounds, and the answer tells the true ones.
            is_one_time_use, max_time_rounding, user_level: for an offline code: opens once; how far each end may be moved; which level.
            preferred_code_length: for a drawn code, where the device takes that length.
            prefer_native_scheduling: put it on the lock 72 h ahead, where the lock keeps time frames by itself.
            use_backup_access_code_pool: keep backups ready on the device.
            is_external_modification_allowed: a change at the lock is taken over, and no error.
            common_code_key: a key of a group of codes, as create_multiple gives.
            attempt_for_offline_device: ``False`` refuses a device that cannot be reached now.
            request_id: the same id gives the same access code again, and never a second one.
            sync: try to put it on the lock at once, where that is due.
        """
        ask = Ask(
            name,
            code,
            starts_at,
            ends_at,
            is_offline_access_code,
            is_one_time_use,
            max_time_rounding,
            preferred_code_length,
            prefer_native_scheduling,
            use_backup_access_code_pool,
            is_external_modification_allowed,
            common_code_key,
            attempt_for_offline_device,
            user_level,
        )
        made = self._create(device_id, ask, request_id, now)
        return self._after(made, sync, now)

    def create_multiple(
        self,
        device_ids: Sequence[str],
        *,
        behavior_when_code_cannot_be_shared: Literal["throw", "create_random_code"] = "throw",
        common_code_key: str | None = None,
        request_id: str | None = None,
        now: datetime | None = None,
        **options: Any,
    ) -> tuple[AccessCode, ...]:
        """One access code for each device, all or none; native ones share a code. The same call again, within 24 hours and while its
        access codes are there, gives those and creates nothing. ``options`` are those of :meth:`create` that several can have.

        Raises:
            NotShareableError: the devices cannot share one code. ``create_random_code`` gives each its own then, where it must.
        """
        unknown = sorted(set(options) - _OPTIONS)
        if unknown:
            raise InvalidInputError(unknown[0], f"create_multiple takes {', '.join(sorted(_OPTIONS))}")
        ids = list_of(dict.fromkeys(device_ids))
        if not ids:
            raise InvalidInputError("device_ids", "at least one device")
        if behavior_when_code_cannot_be_shared not in ("throw", "create_random_code"):
            raise InvalidInputError("behavior_when_code_cannot_be_shared", "throw or create_random_code")
        ask = Ask(common_code_key=common_code_key, **options)
        ask.check()
        asked = f"create_multiple|{','.join(sorted(ids))}|{behavior_when_code_cannot_be_shared}|{ask.text()}"

        def make(work: Work) -> tuple[AccessCode, ...]:
            repeat = repeat_of(work, request_id, asked)
            rows = served_before(work, self.workspace_id, repeat)
            if rows is None:
                devices = [work.device(self.workspace_id, device_id) for device_id in ids]
                rows = create_multiple(work, devices, ask, random_where_needed=behavior_when_code_cannot_be_shared == "create_random_code")
                keep_request(work, self.workspace_id, repeat, rows)
            return views.access_codes(work, rows)

        return self._write(make, now)

    def get(self, access_code_id: str | None = None, *, device_id: str | None = None, code: str | None = None) -> AccessCode:
        """An access code by its id, or by its device and digits. ``AccessCodeNotFoundError`` if there is none."""
        return self._read(lambda work: views.access_code(work, self._find(work, access_code_id, device_id, code, managed=True)))

    def list(
        self,
        *,
        device_id: str | None = None,
        access_code_ids: Iterable[str] | None = None,
        search: str | None = None,
        code: str | None = None,
        common_code_key: str | None = None,
        limit: int = 500,
        page_cursor: str | None = None,
    ) -> Page[AccessCode]:
        """Access codes, oldest first, without the backups that nothing has pulled.

        Args:
            device_id, access_code_ids, code, common_code_key: only these.
            search: in names, or a whole code or id.
            limit: 1 to 1000.
            page_cursor: of the page before, with the same filters.
        """
        wanted = select(CodeRow).where(
            CodeRow.workspace_id == self.workspace_id,
            CodeRow.is_managed,
            CodeRow.deleted_at.is_(None),
            CodeRow.backup_place.is_(None),
        )
        if device_id is not None:
            wanted = wanted.where(CodeRow.device_id == device_id)
        if access_code_ids is not None:
            wanted = wanted.where(CodeRow.access_code_id.in_(list_of(access_code_ids)))
        if common_code_key is not None:
            wanted = wanted.where(CodeRow.common_code_key == common_code_key)
        if code is not None:
            wanted = wanted.where(CodeRow.code_index == self.store.vault.index(self.workspace_id, code))
        if search:
            index = self.store.vault.index(self.workspace_id, search)
            by_name = CodeRow.name.icontains(search, autoescape=True)
            wanted = wanted.where(by_name | (CodeRow.code_index == index) | (CodeRow.access_code_id == search))

        def find(work: Work) -> Page[AccessCode]:
            if device_id is not None:
                work.device(self.workspace_id, device_id)
            rows, cursor = page(work, wanted, CodeRow.created_at, CodeRow.access_code_id, limit, page_cursor)
            return Page(items=views.access_codes(work, rows), next_page_cursor=cursor)

        return self._read(find)

    def update(
        self,
        access_code_id: str,
        *,
        device_id: str | None = None,
        name: str | Unset | None = UNSET,
        code: str | Unset = UNSET,
        starts_at: datetime | Unset | None = UNSET,
        ends_at: datetime | Unset | None = UNSET,
        type: Literal["ongoing", "time_bound"] | None = None,
        is_external_modification_allowed: bool | None = None,
        is_managed: bool | None = None,
        sync: bool = False,
        now: datetime | None = None,
    ) -> ActionAttempt:
        """Change an access code; what is :data:`UNSET` stays. An offline code gets another time frame where its kind can be superseded.

        Digits that another access code of the device has are refused: the attempt's status is ``error`` then, and the access code shows
        ``duplicate_code_attempt_prevented``. ``is_managed=False`` leaves the code on the lock and manages it no longer.
        """
        wanted = Update(name, code, starts_at, ends_at, type, is_external_modification_allowed)
        wanted.check()

        def change(work: Work) -> ActionAttempt:
            row = self._of_device(work, access_code_id, device_id)
            if is_managed is False:
                _let_go(row)
            else:
                changes.update(work, row, wanted)
            return attempts.succeeded(work, attempts.UPDATE, row, {})

        try:
            attempt = self._write(change, now)
        except DuplicateCodeError as cause:
            kind, message = cause.code, cause.message
            attempt = self._write(lambda work: self._prevented(work, access_code_id, kind, message), now)
        if sync:
            lifecycle.run_step(self.store, access_code_id, self.store.moment(now))
        return attempt

    def update_multiple(
        self,
        common_code_key: str,
        *,
        name: str | Unset | None = UNSET,
        starts_at: datetime | Unset | None = UNSET,
        ends_at: datetime | Unset | None = UNSET,
        now: datetime | None = None,
    ) -> None:
        """Change all access codes of a group, all or none. ``AccessCodeNotFoundError`` if it has none."""
        wanted = Update(name, UNSET, starts_at, ends_at)
        wanted.check()

        def change(work: Work) -> None:
            every = select(CodeRow).where(
                CodeRow.workspace_id == self.workspace_id,
                CodeRow.common_code_key == common_code_key,
                CodeRow.is_managed,
                CodeRow.deleted_at.is_(None),
            )
            rows = work.session.scalars(every.order_by(CodeRow.access_code_id).with_for_update()).all()
            if not rows:
                raise AccessCodeNotFoundError(f"no access code of this workspace has the common_code_key {common_code_key!r}")
            for row in rows:
                changes.update(work, row, wanted)

        self._write(change, now)

    def delete(
        self, access_code_id: str, *, device_id: str | None = None, sync: bool = False, now: datetime | None = None
    ) -> ActionAttempt:
        """Delete an access code. A native one is taken from its lock. An offline one stays ``removing`` until :meth:`report_removed` or its
        end; the attempt's ``result["revoke_code"]`` kills it at the lock, where the profile has such codes."""

        def remove(work: Work) -> ActionAttempt:
            row = self._of_device(work, access_code_id, device_id)
            return attempts.succeeded(work, attempts.DELETE, row, changes.delete(work, row))

        attempt = self._write(remove, now)
        if sync:
            lifecycle.run_step(self.store, access_code_id, self.store.moment(now))
        return attempt

    def report_removed(self, access_code_id: str, *, now: datetime | None = None) -> None:
        """Somebody typed all revoke codes of a deleted offline code at its lock: the access code is gone."""

        def forget(work: Work) -> None:
            row = work.code(self.workspace_id, access_code_id, change=True)
            if not row.is_offline or row.status != "removing":
                raise InvalidInputError("access_code_id", "only an offline access code that is being deleted can be reported removed")
            work.event(row, "access_code.removed_from_device", code=work.shown_code(row))
            lifecycle.forget(work, row)

        self._write(forget, now)

    def generate_code(self, device_id: str, *, now: datetime | None = None) -> GeneratedCode:
        """Digits that are free on a connected device. Nothing is kept of them."""

        def make(work: Work) -> GeneratedCode:
            device = work.device(self.workspace_id, device_id)
            lengths = native.lengths_of(device, native.need_connection(self.store, device))
            return GeneratedCode(device_id=device_id, code=native.draw(work, [device], lengths, self.store.moment(now), None))

        return self._read(make)

    def pull_backup_access_code(self, access_code_id: str, *, now: datetime | None = None) -> PulledBackup:
        """Let a backup, which is on the device already, stand in for an access code. Asked again, it is the same one.

        Raises:
            NoBackupError: none is free; the access code shows ``empty_backup_access_code_pool`` until there is one.
        """

        def pull(work: Work) -> PulledBackup:
            row = work.code(self.workspace_id, access_code_id, change=True)
            backup = changes.pull_backup(work, row)
            work.session.flush()
            return PulledBackup(access_code=views.access_code(work, row), backup_access_code=views.access_code(work, backup))

        def note(work: Work) -> None:
            row = work.code(self.workspace_id, access_code_id, change=True)
            others = tuple(e for e in row.errors if e.error_code != "empty_backup_access_code_pool")
            row.errors = (*others, error("empty_backup_access_code_pool", work.now))

        try:
            return self._write(pull, now)
        except NoBackupError:
            self._write(note, now)
            raise

    def explain(self, access_code_id: str) -> Explanation:
        """Why an access code's status is what it is, and when it goes on by itself."""
        return self._read(lambda work: explain.explain(work, work.code(self.workspace_id, access_code_id)))

    def tick(self, now: datetime | None = None) -> int:
        """Take every step that is due, in all workspaces of the store, look at the locks whose turn it is, and drop what is older than
        the store keeps it. For a background task, in any number of workers. Returns how many steps were taken."""
        taken = lifecycle.run_due(self.store, now)
        verification.look_at_due(self.store, now)
        retention.purge(self.store, now)
        return taken

    def deliver_webhooks(self, now: datetime | None = None, send: Sender = post) -> int:
        """Send every event whose turn it is to its endpoints, in all workspaces of the store; returns how many were delivered. For a
        background task of its own, since an endpoint can take its time."""
        return deliver_due(self.store, now, send)

    # --- parts ------------------------------------------------------------------------------------------------------

    def _create(self, device_id: str, ask: Ask, request_id: str | None, now: datetime | None) -> AccessCode:
        ask.check()

        def make(work: Work) -> AccessCode:
            repeat = None if request_id is None else repeat_of(work, request_id, f"create|{device_id}|{ask.text()}")
            before = None if repeat is None else served_before(work, self.workspace_id, repeat)
            if before is not None:
                return views.access_code(work, before[0])
            row = create(work, work.device(self.workspace_id, device_id), ask)
            attempts.created(work, row)
            if repeat is not None:
                keep_request(work, self.workspace_id, repeat, [row])
            return views.access_code(work, row)

        return self._write(make, now)

    def _after(self, made: AccessCode, sync: bool, now: datetime | None) -> AccessCode:
        if not sync or not lifecycle.run_step(self.store, made.access_code_id, self.store.moment(now)):
            return made
        return self.get(made.access_code_id)

    def _of_device(self, work: Work, access_code_id: str, device_id: str | None) -> CodeRow:
        row = work.code(self.workspace_id, access_code_id, change=True)
        if device_id is not None and row.device_id != device_id:
            raise AccessCodeNotFoundError(f"access code {access_code_id!r} is none of device {device_id!r}")
        return row

    def _prevented(self, work: Work, access_code_id: str, kind: str, message: str) -> ActionAttempt:
        row = work.code(self.workspace_id, access_code_id, change=True)
        changes.prevent(work, row, message)
        return attempts.failed(work, attempts.UPDATE, row, kind, message)


def _let_go(row: CodeRow) -> None:
    if row.is_offline or row.status != "set":
        raise InvalidInputError("is_managed", "only a native access code that is on its device can become unmanaged")
    row.is_managed, row.reference = False, lifecycle.reference_of(row)
    row.step = row.due_at = None
