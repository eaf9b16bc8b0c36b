"""Webhooks: signed as the receivers' own libraries check, tried again, and no event lost."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from offlinepin.access_codes import AccessCodes, Device, Store, webhooks
from offlinepin.access_codes.errors import InvalidInputError, WebhookNotFoundError
from offlinepin.access_codes.webhooks import LEASE, PAUSES, post, sign

_HOUR = timedelta(hours=1)


class _Receiver:
    """An endpoint that answers as it is told, and keeps what it got."""

    def __init__(self) -> None:
        self.got: list[tuple[str, Mapping[str, str], bytes]] = []
        self.answer: int | BaseException = 200

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        self.got.append((url, headers, body))
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    def types(self) -> list[str]:
        return [json.loads(body)["event_type"].removeprefix("access_code.") for _, _, body in self.got]


@pytest.fixture
def receiver() -> _Receiver:
    """An endpoint in memory."""
    return _Receiver()


def test_every_event_is_sent_once_in_its_order(codes: AccessCodes, igloo: Device, receiver: _Receiver, now: datetime) -> None:
    codes.create(igloo.device_id, is_offline_access_code=True, now=now)
    codes.create_webhook("https://example.org/hook", now=now)
    assert codes.deliver_webhooks(now, receiver) == 0  # what happened before is none of its business
    made = codes.create(igloo.device_id, name="Ann", is_offline_access_code=True, now=now)
    assert codes.deliver_webhooks(now, receiver) == 3
    assert receiver.types() == ["created", "scheduled_on_device", "set_on_device"]
    url, headers, body = receiver.got[2]
    assert url == "https://example.org/hook"
    assert headers["webhook-id"] == json.loads(body)["event_id"]
    assert json.loads(body)["code"] == made.code
    assert json.loads(body)["occurred_at"] == "2026-07-01T12:00:00.123456Z"
    assert codes.deliver_webhooks(now + _HOUR, receiver) == 0


@pytest.mark.parametrize("library", ["standardwebhooks", "svix"])
def test_the_receivers_own_libraries_accept_the_signature(codes: AccessCodes, igloo: Device, receiver: _Receiver, library: str) -> None:
    webhooks = pytest.importorskip(f"{library}.webhooks")
    present = datetime.now(UTC)  # the libraries look at the clock on the wall
    hook = codes.create_webhook("https://example.org/hook", now=present)
    codes.create(igloo.device_id, is_offline_access_code=True, now=present)
    codes.deliver_webhooks(present, receiver)
    _, headers, body = receiver.got[0]
    assert webhooks.Webhook(hook.secret).verify(body.decode(), dict(headers))["event_type"] == "access_code.created"
    with pytest.raises(webhooks.WebhookVerificationError):
        webhooks.Webhook(hook.secret).verify(body.decode() + " ", dict(headers))
    assert hook.secret not in repr(hook)


def test_the_signature_is_the_specification_s_known_answer() -> None:
    """From the Standard Webhooks specification's reference libraries' own test."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signature = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_what_is_not_taken_is_sent_again_after_growing_pauses(
    codes: AccessCodes, igloo: Device, receiver: _Receiver, now: datetime
) -> None:
    hook = codes.create_webhook("https://example.org/hook", event_types=["access_code.created"], now=now)
    codes.create(igloo.device_id, is_offline_access_code=True, now=now)
    moment = now
    for attempt, pause in enumerate(PAUSES, 1):
        receiver.answer = ConnectionRefusedError() if attempt % 2 else 500
        assert codes.deliver_webhooks(moment, receiver) == 0
        (delivery,) = codes.list_deliveries(hook.webhook_id)
        assert (delivery.attempts, delivery.next_try_at) == (attempt, moment + pause)
        assert delivery.problem == ("no answer: ConnectionRefusedError" if attempt % 2 else "it answered 500")
        assert codes.deliver_webhooks(moment + pause - timedelta(seconds=1), receiver) == 0
        assert len(receiver.got) == attempt
        moment += pause
    receiver.answer = 204
    assert codes.deliver_webhooks(moment, receiver) == 1
    (delivery,) = codes.list_deliveries(hook.webhook_id)
    assert (delivery.delivered_at, delivery.next_try_at, delivery.problem) == (moment, None, None)


def test_after_the_last_try_it_is_given_up_and_told(codes: AccessCodes, igloo: Device, receiver: _Receiver, now: datetime) -> None:
    hook = codes.create_webhook("https://example.org/hook", event_types=["access_code.created"], now=now)
    codes.create(igloo.device_id, is_offline_access_code=True, now=now)
    receiver.answer = 410
    moment = now
    for pause in (*PAUSES, timedelta()):
        codes.deliver_webhooks(moment, receiver)
        moment += pause
    (delivery,) = codes.list_deliveries(hook.webhook_id)
    assert (delivery.next_try_at, delivery.delivered_at, delivery.problem) == (None, None, "it answered 410")
    assert codes.deliver_webhooks(moment + timedelta(days=9), receiver) == 0


def test_a_kill_between_sending_and_noting_loses_nothing(codes: AccessCodes, igloo: Device, receiver: _Receiver, now: datetime) -> None:
    codes.create_webhook("https://example.org/hook", event_types=["access_code.created"], now=now)
    codes.create(igloo.device_id, is_offline_access_code=True, now=now)
    receiver.answer = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        codes.deliver_webhooks(now, receiver)
    receiver.answer = 200
    assert codes.deliver_webhooks(now, receiver) == 0  # somebody may still be at it
    assert codes.deliver_webhooks(now + LEASE, receiver) == 1
    assert receiver.got[0][1]["webhook-id"] == receiver.got[1][1]["webhook-id"]


def test_an_endpoint_gets_its_workspace_s_events_of_its_types_only(
    codes: AccessCodes, store: Store, connected: Device, receiver: _Receiver, now: datetime
) -> None:
    other = AccessCodes(store, store.create_workspace("other", now=now))
    other.create_webhook("https://example.org/other", now=now)
    hook = codes.create_webhook("https://example.org/mine", event_types=["access_code.deleted"], now=now)
    made = codes.create(connected.device_id, sync=True, now=now)
    codes.delete(made.access_code_id, sync=True, now=now)
    codes.deliver_webhooks(now, receiver)
    assert [(url, kind) for (url, _, _), kind in zip(receiver.got, receiver.types(), strict=True)] == [
        ("https://example.org/mine", "deleted")
    ]
    for call in (other.delete_webhook, other.list_deliveries):
        with pytest.raises(WebhookNotFoundError):
            call(hook.webhook_id)
    assert [w.webhook_id for w in codes.list_webhooks()] == [hook.webhook_id]


def test_a_removed_endpoint_gets_nothing_more(codes: AccessCodes, igloo: Device, receiver: _Receiver, now: datetime) -> None:
    hook = codes.create_webhook("https://example.org/hook", now=now)
    codes.create(igloo.device_id, is_offline_access_code=True, now=now)
    receiver.answer = 500
    codes.deliver_webhooks(now, receiver)
    codes.delete_webhook(hook.webhook_id, now=now)
    sent = len(receiver.got)
    codes.create(igloo.device_id, is_offline_access_code=True, now=now)
    codes.deliver_webhooks(now + timedelta(days=1), receiver)
    assert len(receiver.got) == sent
    assert codes.list_webhooks() == ()


@pytest.mark.parametrize("url", ["ftp://example.org", "example.org/hook", "https://", "file:///etc/passwd", ""])
def test_an_endpoint_is_an_http_url(codes: AccessCodes, url: str) -> None:
    with pytest.raises(InvalidInputError):
        codes.create_webhook(url)
    with pytest.raises(InvalidInputError):
        codes.create_webhook("https://example.org", event_types=["access_code.exploded"])


@pytest.fixture
def endpoint() -> Iterator[tuple[str, list[tuple[str, bytes]], Callable[[int], None]]]:
    """A real HTTP endpoint on loopback: its address, what it got, and how it shall answer."""
    got: list[tuple[str, bytes]] = []
    answer = [200]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append((self.headers["webhook-signature"], body))
            self.send_response(answer[0])
            self.send_header("location", "/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", got, lambda status: answer.__setitem__(0, status)
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_real_endpoint_gets_it_over_http_and_a_redirection_is_not_followed(
    codes: AccessCodes, igloo: Device, endpoint: tuple[str, list[tuple[str, bytes]], Callable[[int], None]], now: datetime
) -> None:
    url, got, answers = endpoint
    hook = codes.create_webhook(url, event_types=["access_code.created"], now=now)
    codes.create(igloo.device_id, is_offline_access_code=True, now=now)
    for status in (302, 503):
        answers(status)
        assert codes.deliver_webhooks(now + len(got) * timedelta(minutes=5)) == 0
        assert codes.list_deliveries(hook.webhook_id)[0].problem == f"it answered {status}"
    answers(200)
    assert codes.deliver_webhooks(now + _HOUR) == 1
    assert len(got) == 3
    assert got[0][0].startswith("v1,")


def test_an_endpoint_that_nobody_answers_at_is_tried_again(codes: AccessCodes, igloo: Device, now: datetime) -> None:
    hook = codes.create_webhook("http://127.0.0.1:1/hook", event_types=["access_code.created"], now=now)
    codes.create(igloo.device_id, is_offline_access_code=True, now=now)
    assert codes.deliver_webhooks(now) == 0
    assert (codes.list_deliveries(hook.webhook_id)[0].problem or "").startswith("no answer")


@pytest.mark.parametrize(
    "url", ["ftp://a", "a.org", "http://", "http://[::1", "http://a:99999/", "http://a:0/", "http://a b/", "http://a/ü", "http://a/\n"]
)
def test_what_cannot_be_posted_to_is_no_endpoint(codes: AccessCodes, now: datetime, url: str) -> None:
    with pytest.raises(InvalidInputError, match="url: an endpoint is"):
        codes.create_webhook(url, now=now)


def test_an_address_that_nothing_can_be_sent_to_keeps_no_other_from_its_events(
    codes: AccessCodes, igloo: Device, receiver: _Receiver, now: datetime
) -> None:
    nowhere = codes.create_webhook("http://no..where/", now=now)  # a name that cannot be looked up: UnicodeError
    codes.create_webhook("https://example.org/hook", now=now)
    codes.create(igloo.device_id, is_offline_access_code=True, now=now)

    def send(url: str, headers: Mapping[str, str], body: bytes) -> int:
        return post(url, headers, body) if "no..where" in url else receiver(url, headers, body)

    assert codes.deliver_webhooks(now, send) == 3
    assert receiver.types() == ["created", "scheduled_on_device", "set_on_device"]
    assert {delivery.attempts for delivery in codes.list_deliveries(nowhere.webhook_id)} == {1}


def test_a_call_that_took_long_leaves_the_rest_to_the_next(
    codes: AccessCodes, igloo: Device, receiver: _Receiver, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "_PATIENCE", 0.0)
    codes.create_webhook("https://example.org/hook", now=now)
    codes.create(igloo.device_id, is_offline_access_code=True, now=now)
    for number in range(3):
        moment = now + number * _HOUR
        assert codes.deliver_webhooks(moment, receiver) == 1
        assert receiver.got[-1][1]["webhook-timestamp"] == str(int(moment.timestamp()))
    assert receiver.types() == ["created", "scheduled_on_device", "set_on_device"]
