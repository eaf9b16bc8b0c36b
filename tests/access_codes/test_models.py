"""The resource's models: every name of the description has a variant, and the JSON is the description's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from offlinepin.access_codes.base import wire_time
from offlinepin.access_codes.code_errors import ERRORS, AccessCodeError, error
from offlinepin.access_codes.code_warnings import WARNINGS, AccessCodeWarning, warning
from offlinepin.access_codes.events import EVENTS, Event, event_from, event_from_json
from offlinepin.access_codes.models import AccessCode, AccessCodeStatus, AccessCodeType, PendingMutation

_NEWER_ERRORS = {
    "provider_issue",
    "conflicting_external_modification",
    "access_code_inactive",
    "code_constraints_violated",
    "failed_to_issue",
    "failed_to_update",
    "failed_to_delete",
}
_NEWER_WARNINGS = {
    "code_rotates_periodically",
    "time_frame_adjusted_for_unknown_time_zone",
    "external_modification_in_effect",
    "delay_in_issuing",
    "unknown_issue_with_access_code",
}
_moments = st.datetimes(
    datetime(1971, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.integers(-12, 14).map(lambda h: timezone(timedelta(hours=h))),
)


@pytest.fixture(scope="session")
def seed(vectors: Callable[[str], Any]) -> Any:
    """The names of the description, and its example."""
    return vectors("seed-names.json")


def test_the_description_s_example_is_read_and_written_back_member_for_member(seed: Any) -> None:
    text = json.dumps(seed["example"])
    code = AccessCode.model_validate_json(text)
    written = code.model_dump_json()
    assert json.loads(written) == seed["example"]
    assert list(json.loads(written)) == list(seed["example"])  # in its order, too
    assert json.loads(json.dumps(code.model_dump(mode="json"))) == seed["example"]


def test_the_access_code_has_every_property_of_the_description_and_no_more_but_the_newer_ones(seed: Any) -> None:
    assert set(AccessCode.model_fields) - set(seed["properties"]) == {"appearance", "display_status"}
    assert set(seed["properties"]) <= set(AccessCode.model_fields)


def test_status_and_type_are_the_description_s(seed: Any) -> None:
    assert [str(status) for status in AccessCodeStatus] == seed["statuses"]
    assert {str(kind) for kind in AccessCodeType} == set(seed["types"])


def test_every_error_of_the_description_is_a_typed_variant(seed: Any) -> None:
    assert set(ERRORS) == set(seed["errors"]) | _NEWER_ERRORS
    adapter: TypeAdapter[AccessCodeError] = TypeAdapter(AccessCodeError)
    for name, kind in ERRORS.items():
        made = error(name, datetime(2026, 7, 1, tzinfo=UTC))
        assert type(made) is kind
        assert made.message
        read = adapter.validate_json(made.model_dump_json())
        assert type(read) is kind
        assert read == made
        marks = [mark for mark in made.model_dump() if mark.startswith("is_")]
        assert len(marks) == 1  # of the access code, its device, or its account


def test_every_warning_of_the_description_is_a_typed_variant(seed: Any) -> None:
    assert set(WARNINGS) == set(seed["warnings"]) | _NEWER_WARNINGS
    adapter: TypeAdapter[AccessCodeWarning] = TypeAdapter(AccessCodeWarning)
    for name, kind in WARNINGS.items():
        made = warning(name, datetime(2026, 7, 1, tzinfo=UTC))
        assert type(adapter.validate_json(made.model_dump_json())) is kind


def test_every_event_of_the_description_is_a_typed_variant(seed: Any) -> None:
    assert set(seed["events"]) <= set(EVENTS)
    assert all(name.startswith("access_code.") for name in EVENTS)
    members = {
        "event_id": "e",
        "workspace_id": "w",
        "created_at": datetime(2026, 7, 1, tzinfo=UTC),
        "occurred_at": datetime(2026, 7, 1, tzinfo=UTC),
        "access_code_id": "a",
        "device_id": "d",
        "connected_account_id": "c",
        "code": "1234",
        "backup_access_code_id": "b",
        "description": "The code was changed.",
        "from": {"code": "1234"},
        "to": {"code": "12345"},
        "changed_properties": [{"property": "code", "from": "1234", "to": "12345"}],
    }
    for name, kind in EVENTS.items():
        made = event_from({**members, "event_type": name})
        assert type(made) is kind
        assert event_from_json(made.model_dump_json(by_alias=True).encode()) == made
        assert "1234" not in repr(made)


@pytest.mark.parametrize("union", [AccessCodeError, AccessCodeWarning, Event, PendingMutation])
def test_an_unknown_variant_is_refused(union: Any) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(union)
    for member in ("error_code", "warning_code", "event_type", "mutation_code"):
        with pytest.raises(ValidationError):
            adapter.validate_python({member: "no_such_code", "message": "m", "created_at": datetime(2026, 7, 1, tzinfo=UTC)})


@given(moment=_moments)
def test_a_moment_is_written_in_utc_with_six_digits_and_read_back_as_it_was(moment: datetime) -> None:
    text = wire_time(moment)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", text)
    assert datetime.fromisoformat(text) == moment
    made = error("device_offline", moment)
    assert json.loads(made.model_dump_json())["created_at"] == text


def test_a_pending_mutation_is_written_with_from_and_to() -> None:
    adapter: TypeAdapter[PendingMutation] = TypeAdapter(PendingMutation)
    moment = datetime(2026, 7, 1, tzinfo=UTC)
    members = {
        "mutation_code": "updating_name",
        "message": "m",
        "created_at": wire_time(moment),
        "from": {"name": "a"},
        "to": {"name": None},
    }
    mutation = adapter.validate_python(members)
    assert json.loads(adapter.dump_json(mutation)) == members
    assert mutation.model_dump(mode="json") == members


def test_a_naive_moment_is_refused() -> None:
    with pytest.raises(ValidationError):
        error("device_offline", datetime(2026, 7, 1))  # noqa: DTZ001 - naive on purpose
