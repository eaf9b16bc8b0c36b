"""The calls about events."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select

from offlinepin.access_codes import views
from offlinepin.access_codes.calls import Calls, check_limit, decode_cursor, encode_cursor
from offlinepin.access_codes.errors import EventNotFoundError, InvalidInputError
from offlinepin.access_codes.events import EVENTS, Event
from offlinepin.access_codes.models import Page
from offlinepin.access_codes.schema import EventRow
from offlinepin.access_codes.work import Work
from offlinepin.engine.clock import check_aware


class EventCalls(Calls):
    """The calls about events."""

    def list_events(
        self,
        *,
        since: datetime | None = None,
        between: tuple[datetime, datetime] | None = None,
        event_type: str | None = None,
        event_types: Iterable[str] | None = None,
        access_code_id: str | None = None,
        access_code_ids: Iterable[str] | None = None,
        device_id: str | None = None,
        device_ids: Iterable[str] | None = None,
        event_ids: Iterable[str] | None = None,
        limit: int = 500,
        offset: int = 0,
        page_cursor: str | None = None,
    ) -> Page[Event]:
        """Events, in the order in which they were written down.

        Args:
            since: from then on, inclusive; or
            between: from the first moment on, inclusive, to the second, exclusive.
            event_type, event_types, access_code_id, access_code_ids, device_id, device_ids, event_ids: only these.
            limit: 1 to 1000.
            offset: so many are left out first, for who cannot send a cursor.
            page_cursor: of the page before, with the same filters. Events that are written meanwhile move nothing.
        """
        check_limit(limit)
        if offset < 0:
            raise InvalidInputError("offset", f"an offset is 0 or more, not {offset}")
        wanted = select(EventRow).where(EventRow.workspace_id == self.workspace_id)
        if page_cursor is not None:
            wanted = wanted.where(EventRow.sequence > decode_cursor(page_cursor)[0])
        if between is not None:
            wanted = wanted.where(EventRow.occurred_at >= _aware(between[0]), EventRow.occurred_at < _aware(between[1]))
        if since is not None:
            wanted = wanted.where(EventRow.occurred_at >= _aware(since))
        for column, one, many in (
            (EventRow.event_type, event_type, event_types),
            (EventRow.access_code_id, access_code_id, access_code_ids),
            (EventRow.device_id, device_id, device_ids),
            (EventRow.event_id, None, event_ids),
        ):
            if one is not None or many is not None:
                values = [*([one] if one is not None else []), *(many or ())]
                if column is EventRow.event_type:
                    _check_types(values)
                wanted = wanted.where(column.in_(values))

        def find(work: Work) -> Page[Event]:
            rows = work.session.scalars(wanted.order_by(EventRow.sequence).offset(offset or None).limit(limit + 1)).all()
            cursor = encode_cursor(rows[limit - 1].sequence, "") if len(rows) > limit else None
            return Page(items=tuple(views.event(work, row) for row in rows[:limit]), next_page_cursor=cursor)

        return self._read(find)

    def get_event(self, event_id: str | None = None, *, device_id: str | None = None, event_type: str | None = None) -> Event:
        """An event by its id, or the latest of a device, of a type, or of both. ``EventNotFoundError`` if there is none."""
        if event_id is None and device_id is None and event_type is None:
            raise InvalidInputError("event_id", "give event_id, device_id or event_type")
        wanted = select(EventRow).where(EventRow.workspace_id == self.workspace_id).order_by(EventRow.sequence.desc())
        if event_id is not None:
            wanted = wanted.where(EventRow.event_id == event_id)
        if device_id is not None:
            wanted = wanted.where(EventRow.device_id == device_id)
        if event_type is not None:
            wanted = wanted.where(EventRow.event_type.in_(_check_types([event_type])))

        def find(work: Work) -> Event:
            row = work.session.scalars(wanted.limit(1)).first()
            if row is None:
                raise EventNotFoundError(f"there is no {'such event' if event_id is None else f'event {event_id!r}'} in this workspace")
            return views.event(work, row)

        return self._read(find)

    def get_timeline(
        self,
        access_code_id: str,
        *,
        limit: int = 100,
        before: datetime | None = None,
        after: datetime | None = None,
        event_types: Iterable[str] | None = None,
    ) -> tuple[Event, ...]:
        """What happened to an access code, newest first; also of one that is deleted."""
        check_limit(limit)
        wanted = select(EventRow).where(EventRow.workspace_id == self.workspace_id, EventRow.access_code_id == access_code_id)
        if before is not None:
            wanted = wanted.where(EventRow.occurred_at < _aware(before))
        if after is not None:
            wanted = wanted.where(EventRow.occurred_at > _aware(after))
        if event_types is not None:
            wanted = wanted.where(EventRow.event_type.in_(_check_types(list(event_types))))

        def find(work: Work) -> tuple[Event, ...]:
            self._known(work, access_code_id)
            return tuple(views.event(work, row) for row in work.session.scalars(wanted.order_by(EventRow.sequence.desc()).limit(limit)))

        return self._read(find)

    def _known(self, work: Work, access_code_id: str) -> None:
        seen = select(EventRow.sequence).where(EventRow.workspace_id == self.workspace_id, EventRow.access_code_id == access_code_id)
        if work.session.scalars(seen.limit(1)).first() is None:
            work.code(self.workspace_id, access_code_id)  # raises


def _aware(moment: datetime) -> datetime:
    return check_aware(moment, "the time")


def _check_types(names: list[str]) -> list[str]:
    for name in names:
        if name not in EVENTS:
            raise InvalidInputError("event_types", f"{name!r} is no event type; there are {', '.join(EVENTS)}")
    return names
