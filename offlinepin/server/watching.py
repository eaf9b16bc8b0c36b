"""What can be seen of a running server: each answer's ``seam-request-id``, one line of JSON for each request, and Prometheus metrics.
None of them holds a query, a body, a key or a code."""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from offlinepin.server.envelope import ApiError

LOG: Final = logging.getLogger("offlinepin.server")
BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class JsonLines(logging.Formatter):
    """A record as one line of JSON; ``extra={"fields": {…}}`` adds members. An exception's words are left out: they may hold a code."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"at": at, "level": record.levelname.lower(), "event": record.getMessage(), **getattr(record, "fields", {})}
        if record.exc_info and record.exc_info[0]:
            line["exception"] = record.exc_info[0].__name__
            line["at_code"] = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(record.exc_info[2])[-8:]]
        return json.dumps(line)


def log_as_json(level: int = logging.INFO) -> None:
    """Send this server's and uvicorn's log to stderr as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name in ("offlinepin", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)


class Metrics:
    """The counters of one server, under a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("offlinepin_requests", "Requests answered", ["path", "verb", "status"], registry=self.registry)
        self.seconds = Histogram("offlinepin_request_seconds", "Time to the answer", ["path"], buckets=BUCKETS, registry=self.registry)
        self.work = Counter("offlinepin_work", "Steps and deliveries made in the background", ["kind"], registry=self.registry)
        self.failures = Counter("offlinepin_work_failures", "Looks at what is due that failed", ["kind"], registry=self.registry)

    def page(self) -> bytes:
        """The page that Prometheus reads."""
        return generate_latest(self.registry)


class Watch:
    """The outermost layer: names each request, counts and logs it, and answers what nobody foresaw with a plain 500."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = str(uuid4())
        state: MutableMapping[str, Any] = scope.setdefault("state", {})
        status = 0
        began = time.perf_counter()

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"seam-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, named)
        except Exception:
            LOG.error("unforeseen", exc_info=True, extra={"fields": {"request_id": request_id}})
            if not status:
                await unforeseen().answer()(scope, receive, named)
        finally:
            self._record(scope, request_id, state, status or 499, time.perf_counter() - began)

    def _record(self, scope: Scope, request_id: str, state: MutableMapping[str, Any], status: int, seconds: float) -> None:
        path = getattr(scope.get("route"), "path", "(none)")  # the table's path: what was typed into the address may be anything
        self._metrics.requests.labels(path, scope["method"] if path != "(none)" else "(any)", status).inc()
        self._metrics.seconds.labels(path).observe(seconds)
        fields = {
            "request_id": request_id,
            "verb": scope["method"],
            "path": path,
            "status": status,
            "ms": round(seconds * 1000, 2),
            "workspace_id": state.get("workspace_id"),
            "error": state.get("error"),
        }
        LOG.info("request", extra={"fields": fields})


def unforeseen() -> ApiError:
    """The answer to what nobody foresaw. It says nothing of the cause, which is in the log."""
    return ApiError(500, "internal_server_error", "The server failed; its log names the cause under this seam-request-id.")
