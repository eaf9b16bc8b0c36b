"""Makes the ASGI application: the table of endpoints behind the door, and beside it health, metrics and the work in the background."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from offlinepin.access_codes.errors import StoreError
from offlinepin.access_codes.store import Store
from offlinepin.server import description
from offlinepin.server.door import Door
from offlinepin.server.envelope import ApiError
from offlinepin.server.reading import receive
from offlinepin.server.routes import ROUTES, Route
from offlinepin.server.settings import Settings
from offlinepin.server.ticking import WORK, keep_working
from offlinepin.server.watching import Metrics, Watch

Endpoint = Callable[[Request], Awaitable[Response]]
_VERBS = {route.path: route.verbs for route in ROUTES}


def create_app(store: Store, settings: Settings | None = None) -> FastAPI:
    """The application that serves the workspaces of ``store``. It does not close the store."""
    settings = settings or Settings()
    metrics = Metrics()
    limiter = CapacityLimiter(settings.threads)
    app = FastAPI(
        title="offlinepin",
        version=version("offlinepin"),
        description="Access codes, offline ones included, as today's SDKs speak of them.",
        lifespan=partial(_lifespan, store, settings, metrics),
        redoc_url=None,
    )
    app.add_middleware(Watch, metrics=metrics)
    app.add_exception_handler(HTTPException, _refused_by_framework)
    door = Door(store, settings)
    for route in ROUTES:
        for verb in route.verbs:
            app.add_api_route(route.path, _endpoint(route, door, limiter), methods=[verb], **description.operation(route, verb))
    app.openapi = partial(description.document, app)  # type: ignore[method-assign]
    app.add_api_route("/health", _health(store, limiter), **description.HEALTH)
    app.add_api_route("/metrics", _metrics(metrics), include_in_schema=False)
    return app


@asynccontextmanager
async def _lifespan(store: Store, settings: Settings, metrics: Metrics, _app: FastAPI) -> AsyncIterator[None]:
    stop = asyncio.Event()
    tasks = [asyncio.create_task(keep_working(name, store, settings, metrics, stop)) for name in WORK]
    yield
    stop.set()
    await asyncio.gather(*tasks)


def _endpoint(route: Route, door: Door, limiter: CapacityLimiter) -> Endpoint:
    async def answer(request: Request) -> Response:
        try:
            sent = await receive(request)
            body = await to_thread.run_sync(door.serve, route, request, sent, limiter=limiter)
            return Response(body, media_type="application/json")
        except ApiError as error:
            request.state.error = error.kind
            return error.answer()

    return answer


def _health(store: Store, limiter: CapacityLimiter) -> Endpoint:
    async def health(_: Request) -> Response:
        try:
            await to_thread.run_sync(store.ping, limiter=limiter)
        except StoreError:
            return ApiError(503, "store_unusable", "the store cannot be used").answer()
        return Response('{"ok":true}', media_type="application/json")

    return health


def _metrics(metrics: Metrics) -> Endpoint:
    async def page(_: Request) -> Response:
        return Response(metrics.page(), media_type="text/plain; version=0.0.4")

    return page


async def _refused_by_framework(request: Request, error: Exception) -> Response:
    """An unknown path, or a verb that a path does not answer."""
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        allowed = ", ".join(_VERBS.get(request.url.path, ("GET",)))
        return ApiError(405, "method_not_allowed", f"This path answers {allowed}", headers={"allow": allowed}).answer()
    kind = "route_not_found" if error.status_code == 404 else "refused"
    return ApiError(error.status_code, kind, "There is no such path; see /openapi.json").answer()
