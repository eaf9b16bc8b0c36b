"""Drives the Python SDK from outside: calls come in as JSON lines, what the SDK gave or raised goes out as JSON lines.

Run with the SDK's version on PYTHONPATH. A line is ``{"endpoint": …, "key": …, "call": "access_codes.get", "params": {…},
"pages": false}``; with ``pages`` the SDK's paginator fetches all of them.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import sys
from importlib.metadata import version
from typing import Any

import seam as installed


def plain(value: Any) -> Any:
    """The SDK's objects as JSON."""
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def called(endpoint: str, key: str, call: str, params: dict[str, Any], pages: bool) -> dict[str, Any]:
    """What the SDK gave, or the error that it raised."""
    try:
        seam: Any = installed.Seam(api_key=key, endpoint=endpoint)  # type: ignore[attr-defined]
        method: Any = functools.reduce(getattr, call.split("."), seam)
        given = seam.create_paginator(method, params).flatten_to_list() if pages else method(**params)
        return {"result": plain(given)}
    except Exception as error:
        known = {name: plain(getattr(error, name, None)) for name in ("code", "status_code", "request_id", "data")}
        problems = plain(getattr(error, "_validation_errors", None))
        return {"raised": type(error).__name__, "message": str(error), "validation_errors": problems, **known}


def main() -> None:
    """Answer each line of stdin with one line of stdout."""
    print(json.dumps({"sdk": version("seam")}), flush=True)
    for line in sys.stdin:
        print(json.dumps(called(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
