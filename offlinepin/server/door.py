"""Who may come in: the bearer key leads to its workspace and to no other. And what a refusal of the service looks like from outside."""

from __future__ import annotations

from fastapi import Request

from offlinepin.access_codes.errors import ApiKeyError, InvalidInputError, http_status
from offlinepin.access_codes.service import AccessCodes
from offlinepin.access_codes.store import Store
from offlinepin.errors import OfflinepinError
from offlinepin.server.envelope import ApiError, invalid_input
from offlinepin.server.limits import Limits
from offlinepin.server.reading import Sent
from offlinepin.server.routes import Call, Route
from offlinepin.server.settings import Settings
from offlinepin.server.watching import LOG

_FOREIGN_KINDS = {
    "seam_at": "a personal access token",
    "seam_cst": "a client session token",
    "seam_pk": "a publishable key",
    "ey": "a JWT",
}


class Door:
    """Serves requests that carry a key of the store's."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._clock = settings.clock
        self._limits = Limits(settings.per_minute)
        self._services: dict[str, AccessCodes] = {}

    def serve(self, route: Route, request: Request, sent: Sent) -> bytes:
        """The answer as JSON. Raises ApiError for every refusal. Who has no key learns nothing else."""
        try:
            workspace_id = self._workspace(request)
            request.state.workspace_id = workspace_id
            asked = sent.read(route.asks)
            call = Call(
                self._codes(workspace_id), asked, self._clock(), str(request.url.replace(query="")), request.headers.get("idempotency-key")
            )
            if route.counts:
                self._limits.take(route.counts, workspace_id, call.devices, call.now)
            return route.serve(call).model_dump_json(by_alias=True).encode()
        except OfflinepinError as error:
            raise refusal(error) from error

    def _codes(self, workspace_id: str) -> AccessCodes:
        if workspace_id not in self._services:
            self._services[workspace_id] = AccessCodes(self._store, workspace_id)
        return self._services[workspace_id]

    def _workspace(self, request: Request) -> str:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise _unauthorized("Send the header Authorization: Bearer seam_…")
        for prefix, kind in _FOREIGN_KINDS.items():
            if key.startswith(prefix):
                raise _unauthorized(f"This is {kind}; an API key is needed")
        workspace_id = self._store.workspace_of_key(key)
        if request.headers.get("seam-workspace", workspace_id) != workspace_id:
            raise _unauthorized("The key belongs to another workspace than seam-workspace names")
        return workspace_id


def _unauthorized(message: str) -> ApiError:
    return ApiError(401, "unauthorized", message, headers={"www-authenticate": "Bearer"})


def refusal(error: OfflinepinError) -> ApiError:
    """The envelope of an error of the library."""
    status = http_status(error)
    if isinstance(error, ApiKeyError):
        return _unauthorized("The API key is unknown or revoked")
    if isinstance(error, InvalidInputError):
        return invalid_input([((error.field,), error.problem)])
    if status == 503:
        LOG.error("store unusable", exc_info=error)
        return ApiError(503, error.code, "The store cannot be used now; nothing was changed")
    if status >= 500:
        raise error  # a fault of ours: the outermost layer logs it and says no more
    return ApiError(status, error.code, error.message)
