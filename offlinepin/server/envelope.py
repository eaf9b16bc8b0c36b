"""What a refused request answers: ``{"error": {"type", "message", …}, "ok": false}``, and how a wrong parameter is pointed at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from fastapi.responses import JSONResponse
from pydantic import ValidationError

from offlinepin.server.fields import IN_WORDS

Path: TypeAlias = tuple[str | int, ...]


class ApiError(Exception):
    """A request that is answered with an error envelope.

    ``status`` is the HTTP status (4xx or 5xx), ``kind`` the envelope's stable ``type``, ``message`` a sentence for people, ``data`` what a
    program may need, ``headers`` more headers of the answer.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        *,
        data: Mapping[str, object] | None = None,
        validation_errors: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.kind = kind
        self.message = message
        self.data = data
        self.validation_errors = validation_errors
        self.headers = headers
        super().__init__(message)

    def answer(self) -> JSONResponse:
        """The envelope, ready to be sent."""
        error: dict[str, object] = {"type": self.kind, "message": self.message}
        if self.data is not None:
            error["data"] = self.data
        if self.validation_errors is not None:
            error["validation_errors"] = self.validation_errors
        return JSONResponse({"error": error, "ok": False}, self.status, headers=self.headers)


def invalid_input(problems: Iterable[tuple[Path, str]]) -> ApiError:
    """The 400 for parameters that are missing, unknown, or not what they should be; each problem is where it is and what it is."""
    found = list(problems)
    message = "; ".join(f"{'.'.join(str(part) for part in path)}: {text}" if path else text for path, text in found)
    return ApiError(400, "invalid_input", message, validation_errors=_tree(found))


def from_pydantic(error: ValidationError) -> ApiError:
    """The same, from what pydantic found. No value that was sent is repeated: it may be a code."""
    return invalid_input(_problem(found) for found in error.errors(include_url=False, include_input=False))


def _problem(found: Mapping[str, Any]) -> tuple[Path, str]:
    path: Path = found["loc"]
    match found["type"]:
        case "missing":
            return path, "Required"
        case "extra_forbidden":
            return path[:-1], f"Unrecognized key(s) in object: '{path[-1]}'"
        case "string_pattern_mismatch":
            return path, IN_WORDS[found["ctx"]["pattern"]]
        case "value_error":
            return path, str(found["ctx"]["error"])
        case _:
            return path, str(found["msg"])


def _tree(problems: Iterable[tuple[Path, str]]) -> dict[str, Any]:
    """Problems as a tree: under each name its own ``_errors``, and beside them those of what is inside it."""
    root: dict[str, Any] = {"_errors": []}
    for path, text in problems:
        node = root
        for part in path:
            node = node.setdefault(str(part), {"_errors": []})
        node["_errors"].append(text)
    return root
