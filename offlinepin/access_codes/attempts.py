"""Action attempts: what became of a call, kept in the transaction of its change, and the calls that show them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, cast
from uuid import UUID, uuid4, uuid5

from pydantic import TypeAdapter
from sqlalchemy import Table, insert, select

from offlinepin.access_codes import views
from offlinepin.access_codes.calls import Calls, page
from offlinepin.access_codes.errors import ActionAttemptNotFoundError
from offlinepin.access_codes.models import AccessCode, ActionAttempt, Page
from offlinepin.access_codes.schema import AttemptRow, CodeRow, DeviceRow
from offlinepin.access_codes.work import Work

CREATE: Final = "CREATE_ACCESS_CODE"
UPDATE: Final = "UPDATE_ACCESS_CODE"
DELETE: Final = "DELETE_ACCESS_CODE"
KEYPAD: Final = "SIMULATE_KEYPAD_CODE_ENTRY"
_SHOW_THEIR_CODE: Final = (CREATE, UPDATE)
_NEW: Final = insert(cast(Table, AttemptRow.__table__))
_PAYLOAD: Final[TypeAdapter[dict[str, Any]]] = TypeAdapter(dict[str, Any])


class AttemptCalls(Calls):
    """The calls about action attempts."""

    def get_action_attempt(self, action_attempt_id: str) -> ActionAttempt:
        """What became of an action. ``ActionAttemptNotFoundError`` if there is none."""

        def find(work: Work) -> ActionAttempt:
            row = work.session.get(AttemptRow, action_attempt_id)
            if row is None or row.workspace_id != self.workspace_id:
                raise ActionAttemptNotFoundError(f"there is no action attempt {action_attempt_id!r} in this workspace")
            return _shown(work, [row])[0]

        return self._read(find)

    def list_action_attempts(
        self,
        *,
        action_attempt_ids: Iterable[str] | None = None,
        device_id: str | None = None,
        limit: int = 500,
        page_cursor: str | None = None,
    ) -> Page[ActionAttempt]:
        """What became of actions, oldest first.

        Args:
            action_attempt_ids, device_id: only these.
            limit: 1 to 1000.
            page_cursor: of the page before, with the same filters.
        """
        wanted = select(AttemptRow).where(AttemptRow.workspace_id == self.workspace_id)
        if action_attempt_ids is not None:
            wanted = wanted.where(AttemptRow.action_attempt_id.in_(list(action_attempt_ids)))
        if device_id is not None:
            wanted = wanted.where(AttemptRow.device_id == device_id)

        def find(work: Work) -> Page[ActionAttempt]:
            if device_id is not None:
                work.device(self.workspace_id, device_id)
            rows, cursor = page(work, wanted, AttemptRow.created_at, AttemptRow.action_attempt_id, limit, page_cursor)
            return Page(items=_shown(work, rows), next_page_cursor=cursor)

        return self._read(find)


# --- keeping --------------------------------------------------------------------------------------------------------


def creation(code: AccessCode) -> ActionAttempt:
    """The attempt that created an access code. Its id follows from the access code's: a repeated request tells the same one."""
    return ActionAttempt(
        action_attempt_id=_creation_id(code.access_code_id),
        action_type=CREATE,
        status="success",
        result={"access_code": code},
        error=None,
    )


def created(work: Work, row: CodeRow) -> None:
    """Keep the attempt that created an access code."""
    _keep(work, CREATE, row, _creation_id(row.access_code_id), "success", {"result": {}, "error": None})


def succeeded(work: Work, action: str, subject: CodeRow | DeviceRow, result: dict[str, Any]) -> ActionAttempt:
    """Keep what became of an action: a success. Its result can hold a code, so it is sealed."""
    return _told(work, action, subject, "success", {"result": result, "error": None})


def failed(work: Work, action: str, subject: CodeRow | DeviceRow, kind: str, message: str) -> ActionAttempt:
    """Keep what became of an action: an error, with its stable kind and a sentence for people."""
    return _told(work, action, subject, "error", {"result": None, "error": {"type": kind, "message": message}})


def _creation_id(access_code_id: str) -> str:
    return str(uuid5(UUID(access_code_id), "creation"))


def _told(work: Work, action: str, subject: CodeRow | DeviceRow, status: str, payload: dict[str, Any]) -> ActionAttempt:
    attempt_id = str(uuid4())
    _keep(work, action, subject, attempt_id, status, payload)
    code = subject if isinstance(subject, CodeRow) else None
    return _attempt(work, attempt_id, action, status, payload, code)


def _keep(work: Work, action: str, subject: CodeRow | DeviceRow, attempt_id: str, status: str, payload: dict[str, Any]) -> None:
    members = {
        "action_attempt_id": attempt_id,
        "workspace_id": subject.workspace_id,
        "device_id": subject.device_id,
        "access_code_id": subject.access_code_id if isinstance(subject, CodeRow) else None,
        "action_type": action,
        "status": status,
        "payload": work.store.vault.seal(_PAYLOAD.dump_json(payload), f"attempt/{attempt_id}"),
        "created_at": work.now,
    }
    work.connection.execute(_NEW, members)


# --- showing --------------------------------------------------------------------------------------------------------


def _shown(work: Work, rows: Sequence[AttemptRow]) -> tuple[ActionAttempt, ...]:
    wanted = {row.access_code_id for row in rows if row.action_type in _SHOW_THEIR_CODE}
    codes = {code.access_code_id: code for code in work.session.scalars(select(CodeRow).where(CodeRow.access_code_id.in_(wanted)))}
    return tuple(
        _attempt(
            work,
            row.action_attempt_id,
            row.action_type,
            row.status,
            _PAYLOAD.validate_json(work.store.vault.open(row.payload, f"attempt/{row.action_attempt_id}")),
            codes.get(row.access_code_id or ""),
        )
        for row in rows
    )


def _attempt(work: Work, attempt_id: str, action: str, status: str, payload: dict[str, Any], code: CodeRow | None) -> ActionAttempt:
    """An attempt; one that made or changed an access code shows it as it is now."""
    result = payload["result"]
    if result is not None and code is not None and action in _SHOW_THEIR_CODE:
        result = {**result, "access_code": views.access_code(work, code) if code.is_managed else views.unmanaged(work, code)}
    return ActionAttempt.model_validate(
        {"action_attempt_id": attempt_id, "action_type": action, "status": status, "result": result, "error": payload["error"]}
    )
