"""What all calls of a workspace share: its store, paging, and the cursors of lists."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from offlinepin.access_codes.errors import InvalidInputError, WorkspaceError
from offlinepin.access_codes.schema import WorkspaceRow, from_micros, micros
from offlinepin.access_codes.store import Store
from offlinepin.access_codes.work import Work

T = TypeVar("T")
MOST: Final = 1000
_CURSOR: TypeAdapter[tuple[int, str]] = TypeAdapter(tuple[int, str])


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
        made, after = decode_cursor(cursor)
        wanted = wanted.where(tuple_(when, ident) > (_moment(made), after))
    rows = work.session.scalars(wanted.order_by(when, ident).limit(limit + 1)).all()
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], encode_cursor(micros(getattr(last, when.key)), getattr(last, ident.key))


def encode_cursor(place: int, ident: str) -> str:
    """The cursor of the page after the entry at this place."""
    return base64.urlsafe_b64encode(_CURSOR.dump_json((place, ident))).decode()


def decode_cursor(cursor: str) -> tuple[int, str]:
    """Undo :func:`encode_cursor`. ``InvalidInputError`` for what is no cursor."""
    try:
        place, ident = _CURSOR.validate_json(base64.b64decode(cursor.encode(), altchars=b"-_", validate=True))
    except (binascii.Error, ValidationError, UnicodeEncodeError):
        raise _no_cursor() from None
    if abs(place) >= 2**63 or "\0" in ident:  # what no database takes
        raise _no_cursor()
    return place, ident


def _moment(place: int) -> datetime:
    try:
        return from_micros(place)
    except OverflowError:
        raise _no_cursor() from None


def _no_cursor() -> InvalidInputError:
    return InvalidInputError("page_cursor", "it is no cursor that a page gave")
