"""From a request to its model: a query for GET and DELETE, a JSON body for the others. Both are judged by the same model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar, get_args, get_origin
from urllib.parse import parse_qsl

from fastapi import Request
from pydantic import BaseModel, ValidationError

from offlinepin.server.envelope import ApiError, from_pydantic, invalid_input

LARGEST_BODY = 1 << 20  # bytes; create_multiple over 20,000 devices fits
IN_QUERY = frozenset({"GET", "DELETE"})
_STRICT = "_strict"  # what SDKs add to a query; here every request is read strictly

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Sent:
    """A request's parameters as they came, not looked at yet: the query, or the body."""

    query: str | None
    body: bytes = field(default=b"", repr=False)

    def read(self, model: type[Model]) -> Model:
        """The parameters as ``model``. Raises ApiError, 400, for what does not fit."""
        try:
            if self.query is not None:
                return model.model_validate(_query(self.query, model))
            return model.model_validate_json(self.body or b"{}", strict=True)
        except ValidationError as error:
            raise from_pydantic(error) from None


async def receive(request: Request) -> Sent:
    """What was sent. Raises ApiError, 413, for a body that is too large."""
    if request.method in IN_QUERY:
        return Sent(request.url.query)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BODY:
            raise ApiError(413, "payload_too_large", f"a request's body has at most {LARGEST_BODY} bytes")
    return Sent(None, bytes(body))


def _query(query: str, model: type[BaseModel]) -> dict[str, Any]:
    """A name with an empty value is null, or a list of nothing; a list repeats its name."""
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        values.setdefault(name, []).append(value)
    values.pop(_STRICT, None)
    return {name: _value(name, found, model) for name, found in values.items()}


def _value(name: str, found: list[str], model: type[BaseModel]) -> Any:
    if name in model.model_fields and _holds_list(model.model_fields[name].annotation):
        return [] if found == [""] else found
    if len(found) > 1:
        raise invalid_input([((name,), "Expected one value, and it is given more than once")])
    return found[0] or None


def _holds_list(annotation: Any) -> bool:
    return get_origin(annotation) is list or any(_holds_list(inner) for inner in get_args(annotation))
