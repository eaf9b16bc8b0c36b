"""Webhooks: every event goes to the workspace's endpoints at least once, signed as Standard Webhooks asks. The outbox is in the store:
an event waits there from the transaction that it was written in until an endpoint has taken it, also across a kill."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.client import HTTPException
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from uuid import uuid4

from pydantic import Field
from sqlalchemy import insert, select, update

from offlinepin.access_codes.base import Moment, Resource
from offlinepin.access_codes.calls import Calls
from offlinepin.access_codes.errors import InvalidInputError, WebhookNotFoundError
from offlinepin.access_codes.events import EVENTS
from offlinepin.access_codes.schema import DeliveryRow, EndpointRow, EventRow
from offlinepin.access_codes.work import Work

if TYPE_CHECKING:
    from offlinepin.access_codes.store import Store

PAUSES: Final = tuple(
    timedelta(seconds=seconds) for seconds in (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
)
"""Between two tries, as the specification proposes; after the last the delivery is given up, and its endpoint shows why."""
LEASE: Final = timedelta(seconds=60)
_TIMEOUT: Final = 15.0
_BATCH: Final = 500
_PATIENCE: Final = 30.0
"""Seconds after which the rest waits for the next call. A call's present is one moment, and receivers refuse a message of long ago."""
_SECRET: Final = "whsec_"  # noqa: S105 - the prefix of one

Sender = Callable[[str, Mapping[str, str], bytes], int]
"""Posts a body to a URL with these headers and returns the HTTP status. Raises ``OSError`` where there was no answer."""


class Webhook(Resource):
    """An endpoint. ``secret`` is what it checks signatures with. An empty ``event_types`` is all of them."""

    webhook_id: str
    url: str
    secret: str = Field(repr=False)
    event_types: tuple[str, ...]
    created_at: Moment


class Delivery(Resource):
    """An event on its way to an endpoint. ``next_try_at`` is ``None`` when it was delivered or given up."""

    webhook_id: str
    event_id: str
    attempts: int
    delivered_at: Moment | None
    next_try_at: Moment | None
    problem: str | None


class WebhookCalls(Calls):
    """The calls about webhooks."""

    def create_webhook(self, url: str, *, event_types: Iterable[str] = (), now: datetime | None = None) -> Webhook:
        """A new endpoint for the events from now on. ``InvalidInputError`` for no http(s) URL, or an unknown event type."""
        _check_url(url)
        wanted = tuple(dict.fromkeys(event_types))
        for name in wanted:
            if name not in EVENTS:
                raise InvalidInputError("event_types", f"{name!r} is no event type; there are {', '.join(EVENTS)}")
        endpoint_id = str(uuid4())

        def add(work: Work) -> Webhook:
            _fan_out(work)  # what happened before is none of its business
            row = EndpointRow(
                endpoint_id=endpoint_id,
                workspace_id=self.workspace_id,
                url=url,
                secret=work.store.vault.seal(secrets.token_bytes(32), f"webhook/{endpoint_id}"),
                event_types=wanted,
                created_at=work.now,
            )
            work.session.add(row)
            return _view(work, row)

        return self._write(add, now)

    def list_webhooks(self) -> tuple[Webhook, ...]:
        """The workspace's endpoints, oldest first."""
        wanted = select(EndpointRow).where(EndpointRow.workspace_id == self.workspace_id, EndpointRow.removed_at.is_(None))
        return self._read(
            lambda work: tuple(
                _view(work, row) for row in work.session.scalars(wanted.order_by(EndpointRow.created_at, EndpointRow.endpoint_id))
            )
        )

    def delete_webhook(self, webhook_id: str, *, now: datetime | None = None) -> None:
        """Remove an endpoint; what is on its way there is dropped."""

        def remove(work: Work) -> None:
            self._endpoint(work, webhook_id).removed_at = work.now
            dropped = update(DeliveryRow).where(DeliveryRow.endpoint_id == webhook_id, DeliveryRow.delivered_at.is_(None))
            work.session.execute(dropped.values(due_at=None, problem="the endpoint was removed"))

        self._write(remove, now)

    def list_deliveries(self, webhook_id: str, *, limit: int = 100) -> tuple[Delivery, ...]:
        """The latest deliveries to an endpoint, newest first."""

        def find(work: Work) -> tuple[Delivery, ...]:
            self._endpoint(work, webhook_id)
            wanted = select(DeliveryRow).where(DeliveryRow.endpoint_id == webhook_id).order_by(DeliveryRow.delivery_id.desc())
            return tuple(
                Delivery(
                    webhook_id=row.endpoint_id,
                    event_id=row.event_id,
                    attempts=row.attempts,
                    delivered_at=row.delivered_at,
                    next_try_at=row.due_at,
                    problem=row.problem,
                )
                for row in work.session.scalars(wanted.limit(limit))
            )

        return self._read(find)

    def _endpoint(self, work: Work, webhook_id: str) -> EndpointRow:
        row = work.session.get(EndpointRow, webhook_id)
        if row is None or row.workspace_id != self.workspace_id or row.removed_at is not None:
            raise WebhookNotFoundError(f"there is no webhook {webhook_id!r} in this workspace")
        return row


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and url.isascii() and url.isprintable()
    except ValueError:  # brackets that do not match, a port above 65535
        is_one = False
    if not is_one or " " in url:
        raise InvalidInputError("url", "an endpoint is an http or https URL in ASCII, such as https://example.org/hook")


def _view(work: Work, row: EndpointRow) -> Webhook:
    secret = work.store.vault.open(row.secret, f"webhook/{row.endpoint_id}")
    return Webhook(
        webhook_id=row.endpoint_id,
        url=row.url,
        secret=_SECRET + base64.b64encode(secret).decode(),
        event_types=row.event_types,
        created_at=row.created_at,
    )


def sign(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The signature of a message (Standard Webhooks, symmetric): ``v1,`` and the base64 of HMAC-SHA-256 over id, time and body."""
    signed = hmac.new(secret, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


# --- sending --------------------------------------------------------------------------------------------------------


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        """A signed event goes to the endpoint that was named, and nowhere else."""


_OPENER: Final = urllib.request.build_opener(_NoRedirects)


def post(url: str, headers: Mapping[str, str], body: bytes) -> int:
    """Post a body; the HTTP status. ``OSError`` where there was no answer within 15 seconds."""
    request = urllib.request.Request(url, body, dict(headers), method="POST")  # noqa: S310 - http or https: it was looked at
    try:
        with _OPENER.open(request, timeout=_TIMEOUT) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as cause:
        with cause:
            return cause.code
    except HTTPException as cause:
        raise OSError(f"no HTTP answer: {type(cause).__name__}") from cause


@dataclass(frozen=True, slots=True)
class _Parcel:
    """What is sent, and the lease under which it is."""

    delivery_id: int
    lease: datetime
    url: str
    headers: Mapping[str, str]
    body: bytes


def deliver_due(store: Store, now: datetime | None = None, send: Sender = post) -> int:
    """Send every event whose turn it is to its endpoints, in all workspaces; returns how many were delivered. For a background task,
    in any number of workers. An endpoint can get an event twice, with the same ``webhook-id``, and never none."""
    moment = store.moment(now)
    while store.write(_fan_out, moment) == _BATCH:
        pass
    wanted = select(DeliveryRow.delivery_id).where(DeliveryRow.due_at <= moment).order_by(DeliveryRow.delivery_id).limit(_BATCH)
    delivered, began = 0, time.monotonic()
    for delivery_id in store.read(lambda work: list(work.session.scalars(wanted)), moment):
        parcel = store.write(lambda work, ident=delivery_id: _pack(work, ident), moment)  # type: ignore[misc]
        if parcel is not None:
            delivered += _deliver(store, parcel, moment, send)
        if time.monotonic() - began >= _PATIENCE:
            break
    return delivered


def _fan_out(work: Work) -> int:
    """Give each endpoint its delivery of each new event; returns how many events there were."""
    new = select(EventRow.sequence, EventRow.event_id, EventRow.workspace_id, EventRow.event_type).where(~EventRow.is_dispatched)
    rows = work.session.execute(new.order_by(EventRow.sequence).limit(_BATCH).with_for_update(skip_locked=True)).all()
    if not rows:
        return 0
    places = {row.workspace_id for row in rows}
    found = work.session.scalars(select(EndpointRow).where(EndpointRow.workspace_id.in_(places), EndpointRow.removed_at.is_(None))).all()
    work.session.execute(update(EventRow).where(EventRow.sequence.in_([row.sequence for row in rows])).values(is_dispatched=True))
    deliveries = [
        {"endpoint_id": endpoint.endpoint_id, "event_id": row.event_id, "due_at": work.now}
        for row in rows
        for endpoint in found
        if endpoint.workspace_id == row.workspace_id and (not endpoint.event_types or row.event_type in endpoint.event_types)
    ]
    if deliveries:
        work.session.execute(insert(DeliveryRow), deliveries)
    return len(rows)


def _pack(work: Work, delivery_id: int) -> _Parcel | None:
    """Take a delivery's lease; ``None`` where another worker has it."""
    row = work.session.get(DeliveryRow, delivery_id, with_for_update=True)
    if row is None or row.due_at is None or row.due_at > work.now:
        return None
    endpoint = work.session.get(EndpointRow, row.endpoint_id)
    event = work.session.scalars(select(EventRow).where(EventRow.event_id == row.event_id)).one()
    assert endpoint is not None  # a foreign key
    row.due_at = work.now + LEASE
    body = work.store.vault.open(event.payload, f"event/{event.event_id}")
    timestamp = int(work.now.timestamp())
    signature = sign(work.store.vault.open(endpoint.secret, f"webhook/{endpoint.endpoint_id}"), event.event_id, timestamp, body)
    headers = {"content-type": "application/json", "user-agent": "offlinepin"}
    for name, value in (("id", event.event_id), ("timestamp", str(timestamp)), ("signature", signature)):
        headers[f"webhook-{name}"] = headers[f"svix-{name}"] = value
    return _Parcel(delivery_id, row.due_at, endpoint.url, headers, body)


def _deliver(store: Store, parcel: _Parcel, now: datetime, send: Sender) -> bool:
    try:
        status = send(parcel.url, parcel.headers, parcel.body)
        problem = None if 200 <= status < 300 else f"it answered {status}"
    except Exception as cause:  # whatever one address brings about, it must not keep the others from getting theirs
        problem = f"no answer: {type(cause).__name__}"

    def note(work: Work) -> None:
        row = work.session.get(DeliveryRow, parcel.delivery_id, with_for_update=True)
        if row is None or row.due_at != parcel.lease:
            return
        row.attempts += 1
        row.problem = problem
        if problem is None:
            row.delivered_at, row.due_at = work.now, None
        else:
            row.due_at = work.now + PAUSES[row.attempts - 1] if row.attempts <= len(PAUSES) else None

    store.write(note, now)
    return problem is None
