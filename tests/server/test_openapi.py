"""The OpenAPI document against the server that it describes: whatever it allows or forbids is asked, and no answer may be undocumented."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from offlinepin.server.reading import IN_QUERY
from offlinepin.server.routes import ROUTES

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory, start_server: Callable[..., Any]) -> Iterator[Any]:
    """A server with doors in it, for all of this module's tests."""
    with start_server(tmp_path_factory.mktemp("openapi") / "codes.db") as served:
        yield served, _furnish(served)


def _furnish(served: Any) -> dict[str, str]:
    return {
        "igloo": served.codes.register_device("Front door", "igloo", connection="simulated", now=served.clock()).device_id,
        "oracode": served.codes.register_device("Room 12", "oracode", connection="simulated", now=served.clock()).device_id,
        "native": served.codes.register_device("Side door", None, connection="simulated", now=served.clock()).device_id,
    }


@pytest.fixture(scope="module")
def api(furnished: Any) -> Any:
    """The document as the server gives it."""
    served, _ = furnished
    return schemathesis.openapi.from_url(f"{served.endpoint}/openapi.json")


@pytest.fixture(scope="module")
def real(furnished: Any) -> Callable[[str], str | None]:
    """Ids of things that are there, for every other request: ids made up at random would only ever be unknown."""
    served, devices = furnished
    turn = itertools.count()
    doors = itertools.cycle(devices.values())

    def code() -> str:
        return str(served.codes.create(devices["native"], use_backup_access_code_pool=True, now=served.clock()).access_code_id)

    def give(name: str) -> str | None:
        if next(turn) % 2:
            return None
        if name == "access_code_id":
            return code()
        return next(doors) if name == "device_id" else None

    return give


@pytest.mark.parametrize(("path", "verb"), [*((route.path, verb) for route in ROUTES for verb in route.verbs), ("/health", "GET")])
def test_no_answer_is_undocumented(path: str, verb: str, api: Any, furnished: Any, real: Callable[[str], str | None]) -> None:
    served, _ = furnished

    @given(st.one_of([api[path][verb].as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode]))
    @settings(max_examples=12, suppress_health_check=list(HealthCheck))
    def ask(case: schemathesis.Case[Any]) -> None:
        assert case.meta is not None
        body = case.meta.components.get(ParameterLocation.BODY)
        is_wrong = body is not None and body.mode is schemathesis.GenerationMode.NEGATIVE
        case.headers.clear()  # no header is a parameter here, and what is no HTTP at all never comes as far as this application
        assume(len(str(case.query)) < 5000)  # a longer address is cut off before the application sees it
        sent: Any = case.query if verb in IN_QUERY else case.body
        if isinstance(sent, dict) and not is_wrong:
            for name in ("device_id", "access_code_id"):
                known = real(name) if name in sent else None
                sent |= {name: known} if known else {}
        # Beside a wrong body only: an empty value in a query says null, as SDKs write it, where the same in a body would be wrong.
        checks = [check for check in CHECKS if is_wrong or check is not negative_data_rejection]
        case.call_and_validate(headers={"authorization": f"Bearer {served.key}"}, checks=checks)

    ask()


def test_every_verb_of_every_path_is_described(api: Any) -> None:
    described = {(path, verb.upper()) for path, verbs in api.raw_schema["paths"].items() for verb in verbs}
    assert described == {(route.path, verb) for route in ROUTES for verb in route.verbs} | {("/health", "GET")}


def test_every_path_answers_post(api: Any) -> None:
    assert all("POST" in route.verbs for route in ROUTES)
    assert len({route.path for route in ROUTES}) == len(ROUTES) == len(api.raw_schema["paths"]) - 1
