"""What all calls of a workspace share: its store, paging, and the cursors of lists."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from offlinepin.access_codes.errors import InvalidInputError, WorkspaceError
from offlinepin.access_codes.models import ActionAttempt
from offlinepin.access_codes.schema import AttemptRow, WorkspaceRow, from_micros, micros
from offlinepin.access_codes.store import Store
from offlinepin.access_codes.work import Work

T = TypeVar("T")
MOST: Final = 1000
_CURSOR: TypeAdapter[tuple[int, str]] = TypeAdapter(tuple[int, str])
_PAYLOAD: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


class Calls:
    """The calls of one workspace.

    Args:
        store: where everything is kept.
        workspace_id: the workspace.

    Raises:
        WorkspaceError: there is no such workspace.
    """

    def __init__(self, store: Store, workspace_id: str) -> None:
        self.store = store
        self.workspace_id = workspace_id
        if store.read(lambda work: work.session.get(WorkspaceRow, workspace_id)) is None:
            raise WorkspaceError(f"there is no workspace {workspace_id!r}")

    def _write(self, call: Callable[[Work], T], now: datetime | None) -> T:
        return self.store.write(call, now)

    def _read(self, call: Callable[[Work], T]) -> T:
        return self.store.read(call)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(workspace_id={self.workspace_id!r})"


def attempted(work: Work, workspace_id: str, action: str, access_code_id: str | None, result: dict[str, Any]) -> ActionAttempt:
    """Keep what became of an action: a success. Its result can hold a code, so it is sealed."""
    return _keep(work, workspace_id, action, access_code_id, "success", {"result": result, "error": None})


def refused(work: Work, workspace_id: str, action: str, access_code_id: str | None, kind: str, message: str) -> ActionAttempt:
    """Keep what became of an action: an error."""
    return _keep(work, workspace_id, action, access_code_id, "error", {"result": None, "error": {"type": kind, "message": message}})


def _keep(work: Work, workspace_id: str, action: str, access_code_id: str | None, status: str, payload: dict[str, Any]) -> ActionAttempt:
    attempt_id = str(uuid4())
    work.session.add(
        AttemptRow(
            action_attempt_id=attempt_id,
            workspace_id=workspace_id,
            access_code_id=access_code_id,
            action_type=action,
            status=status,
            payload=work.store.vault.seal(_PAYLOAD.dump_json(payload), f"attempt/{attempt_id}"),
            created_at=work.now,
        )
    )
    return ActionAttempt.model_validate({"action_attempt_id": attempt_id, "action_type": action, "status": status, **payload})


# --- pages --------------------------------------------------------------------------------------------------------


def check_limit(limit: int) -> int:
    """Refuse a page size that makes no sense."""
    if not 1 <= limit <= MOST:
        raise InvalidInputError("limit", f"a page has 1 to {MOST} entries, not {limit}")
    return limit


def page(
    work: Work,
    wanted: Select[Any],
    when: InstrumentedAttribute[datetime],
    ident: InstrumentedAttribute[str],
    limit: int,
    cursor: str | None,
) -> tuple[Sequence[Any], str | None]:
    """A page of rows in the order of their making, and the cursor of the next. Rows that are added meanwhile move nothing."""
    check_limit(limit)
    if cursor is not None:
        made, after = _decode(cursor)
        wanted = wanted.where(tuple_(when, ident) > (made, after))
    rows = work.session.scalars(wanted.order_by(when, ident).limit(limit + 1)).all()
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], _encode(getattr(last, when.key), getattr(last, ident.key))


def _encode(moment: datetime, ident: str) -> str:
    return base64.urlsafe_b64encode(_CURSOR.dump_json((micros(moment), ident))).decode()


def _decode(cursor: str) -> tuple[Any, str]:
    try:
        made, ident = _CURSOR.validate_json(base64.b64decode(cursor.encode(), altchars=b"-_", validate=True))
        return from_micros(made), ident
    except (binascii.Error, ValidationError, UnicodeEncodeError, OverflowError):
        raise InvalidInputError("page_cursor", "it is no cursor that a page gave") from None
