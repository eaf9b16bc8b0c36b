"""How the endpoints describe themselves in the OpenAPI document: parameters, answers and every refusal that they know."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from offlinepin.server.answers import Ok, Refused
from offlinepin.server.reading import IN_QUERY
from offlinepin.server.routes import ROUTES, Route

_REFUSALS: Final = {
    400: "A parameter is missing, unknown or wrong, or the device cannot do what is asked",
    401: "The key is missing, unknown, revoked, or another workspace's",
    404: "There is no such thing in the key's workspace",
    405: "The path does not answer this verb",
    409: "It contradicts what is there",
    413: "The body is too large",
    429: "The device is written to too often; Retry-After says when to come back",
    500: "The server failed",
    503: "The store cannot be used now",
}
_REQUEST_ID: Final = {"seam-request-id": {"description": "names the request in the server's log", "schema": {"type": "string"}}}
_COMPONENT: Final = "#/components/schemas/{model}"
SECURITY: Final = {"api_key": {"type": "http", "scheme": "bearer", "description": "An API key: offlinepin api-key new"}}


def _responses(answer: type[BaseModel], *refused: int) -> dict[int | str, dict[str, Any]]:
    good: dict[int | str, dict[str, Any]] = {200: _response(answer, "Done")}
    return good | {status: _response(Refused, _REFUSALS[status]) for status in refused}


def _response(model: type[BaseModel], words: str) -> dict[str, Any]:
    schema = {"$ref": _COMPONENT.format(model=model.__name__)}
    return {"description": words, "headers": _REQUEST_ID, "content": {"application/json": {"schema": schema}}}


HEALTH: Final[dict[str, Any]] = {
    "methods": ["GET"],
    "summary": "Whether the server can serve",
    "operation_id": "get_health",
    "responses": _responses(Ok, 405, 500, 503),
    "response_model": None,
}


def document(app: FastAPI) -> dict[str, Any]:
    """The whole document, made once."""
    if not app.openapi_schema:
        made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        described: set[type[BaseModel]] = {route.asks for route in ROUTES} | {route.answers for route in ROUTES} | {Ok, Refused}
        models = sorted(described, key=lambda model: model.__name__)
        _, schemas = models_json_schema([(model, "validation") for model in models], ref_template=_COMPONENT)
        made["components"] = {"schemas": schemas["$defs"], "securitySchemes": SECURITY}
        app.openapi_schema = made
    return app.openapi_schema


def operation(route: Route, verb: str) -> dict[str, Any]:
    """What FastAPI is told of one verb of one path."""
    asked = route.asks.model_json_schema(ref_template=_COMPONENT)
    reference = {"$ref": _COMPONENT.format(model=route.asks.__name__)}
    extra: dict[str, Any] = {"security": [{"api_key": []}]}
    if verb in IN_QUERY:
        extra["parameters"] = _query(asked)
    else:
        extra["requestBody"] = {"required": bool(asked.get("required")), "content": {"application/json": {"schema": reference}}}
    return {
        "operation_id": f"{verb.lower()}{route.path.replace('/', '_')}",
        "summary": (route.asks.__doc__ or "").strip(),
        "tags": [route.path.split("/")[1]],
        "responses": _responses(route.answers, *_REFUSALS),
        "openapi_extra": extra,
        "response_model": None,
    }


def _query(asked: dict[str, Any]) -> list[dict[str, Any]]:
    required = asked.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _not_null(schema), "style": "form", "explode": True}
        for name, schema in asked.get("properties", {}).items()
    ]


def _not_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query cannot say null: it leaves the name out."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    return schema if len(kinds) != 1 else {**{k: v for k, v in schema.items() if k not in ("anyOf", "default")}, **kinds[0]}
