"""How long the store keeps what only grows: served requests, events with their deliveries, action attempts, deleted access codes. Never an
event that a webhook still waits for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import ColumnElement, Select, and_, delete, exists, or_, select, tuple_

from offlinepin.access_codes.errors import InvalidInputError
from offlinepin.access_codes.schema import AttemptRow, CodeRow, DeliveryRow, EndpointRow, EventRow, RequestRow, WorkspaceRow
from offlinepin.access_codes.work import Work

if TYPE_CHECKING:
    from offlinepin.access_codes.store import Store

_STEP: Final = 500
"""So many rows of each kind go at one tick: whoever writes in between must not wait long."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a store keeps what nothing needs any more. Devices and variants are kept for ever; access codes until they are deleted, and
    then for the longer time of ``events`` and ``attempts``, which show them.

    Attributes:
        requests: by which a repeated call is known; later the same request id makes a new access code.
        events: with their deliveries. One that a webhook waits for is kept until it is delivered or given up.
        attempts: the action attempts.

    Raises:
        InvalidInputError: one of them is not longer than nothing.
    """

    requests: timedelta = timedelta(hours=24)
    events: timedelta = timedelta(days=90)
    attempts: timedelta = timedelta(days=90)

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) <= timedelta():
                raise InvalidInputError(name, f"what happened is kept for a while, not for {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class _Over:
    """The rows whose time is over: the keys of each kind."""

    requests: tuple[tuple[str, str], ...]
    events: tuple[str, ...]
    attempts: tuple[str, ...]
    codes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.requests) + len(self.events) + len(self.attempts) + len(self.codes)


def purge(store: Store, now: datetime | None = None) -> int:
    """Drop some of what is older than the store keeps it, in all workspaces; returns how much that was. For the tick, again and again."""
    moment = store.moment(now)
    over = store.read(lambda work: _over(work, store.keep), moment)
    if over:
        store.write(lambda work: _drop(work, over, store.keep), moment)
    return len(over)


def _over(work: Work, keep: Retention) -> _Over:
    requests = select(RequestRow.workspace_id, RequestRow.request_id).where(RequestRow.created_at < work.now - keep.requests)
    events = _of_all(select(EventRow.event_id), EventRow).where(EventRow.occurred_at < work.now - keep.events, ~_is_awaited())
    attempts = _of_all(select(AttemptRow.action_attempt_id), AttemptRow).where(AttemptRow.created_at < work.now - keep.attempts)
    codes = select(CodeRow.access_code_id).where(
        CodeRow.deleted_at < work.now - max(keep.events, keep.attempts),
        ~exists().where(EventRow.access_code_id == CodeRow.access_code_id),
    )
    return _Over(
        tuple((workspace_id, request_id) for workspace_id, request_id in work.session.execute(requests.limit(_STEP))),
        tuple(work.session.scalars(events.limit(_STEP))),
        tuple(work.session.scalars(attempts.limit(_STEP))),
        tuple(work.session.scalars(codes.limit(_STEP))),
    )


def _of_all(wanted: Select[tuple[str]], kind: type[EventRow] | type[AttemptRow]) -> Select[tuple[str]]:
    """Asked workspace by workspace, as the tables' indexes begin."""
    return wanted.where(kind.workspace_id.in_(select(WorkspaceRow.workspace_id)))


def _is_awaited() -> ColumnElement[bool]:
    """Whether a webhook is still to get an event, or may be: it was not looked at yet, and there are webhooks."""
    of_workspace = EndpointRow.workspace_id == EventRow.workspace_id
    its_delivery = and_(DeliveryRow.endpoint_id == EndpointRow.endpoint_id, DeliveryRow.event_id == EventRow.event_id)
    on_its_way = exists().where(of_workspace, its_delivery, DeliveryRow.due_at.is_not(None))
    return or_(on_its_way, and_(~EventRow.is_dispatched, exists().where(of_workspace, EndpointRow.removed_at.is_(None))))


def _drop(work: Work, over: _Over, keep: Retention) -> None:
    """Drop rows; each is judged again, for it may have changed since it was looked at."""
    session = work.session
    if over.requests:
        known = tuple_(RequestRow.workspace_id, RequestRow.request_id).in_(over.requests)
        session.execute(delete(RequestRow).where(known, RequestRow.created_at < work.now - keep.requests))
    if over.attempts:
        session.execute(delete(AttemptRow).where(AttemptRow.action_attempt_id.in_(over.attempts)))
    if over.codes:
        session.execute(delete(CodeRow).where(CodeRow.access_code_id.in_(over.codes)))
    if over.events:
        session.execute(delete(EventRow).where(EventRow.event_id.in_(over.events), ~_is_awaited()))
        left = select(EventRow.event_id).where(EventRow.event_id.in_(over.events))
        of_gone = DeliveryRow.event_id.in_(over.events) & DeliveryRow.event_id.not_in(left)
        session.execute(delete(DeliveryRow).where(DeliveryRow.endpoint_id.in_(select(EndpointRow.endpoint_id)), of_gone))
