"""The answer to a request: what it shows, what it hides, what its notices say, and that it survives a trip as JSON."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from offlinepin import AccessPin, Issuer, MasterKey
from offlinepin.pin import ClockChange, MustBeUsedBy, Rounded, Supersedes

NOW = datetime(2027, 7, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BERLIN = ZoneInfo("Europe/Berlin")


def pin(**changes: Any) -> AccessPin:
    """A PIN with every notice there is."""
    notices = (
        Rounded(starts_early=timedelta(minutes=30), ends_late=-HOUR),
        MustBeUsedBy(use_by=NOW + DAY),
        ClockChange(at=NOW, shift=-HOUR),
        Supersedes(group="guest"),
    )
    values: dict[str, Any] = {
        "code": "012345678",
        "device_id": "door",
        "generation": 2,
        "vendor": "v",
        "family": "f",
        "kind": "k",
        "variant": 1,
        "starts_at": NOW,
        "ends_at": NOW + 3 * DAY,
        "use_by": NOW + DAY,
        "one_time": False,
        "start_slot": 5,
        "duration": 72,
        "notices": notices,
    }
    return AccessPin(**{**values, **changes})


def test_neither_repr_nor_str_shows_the_code_in_any_form() -> None:
    shown = repr(pin()) + str(pin())
    assert "012345678" not in shown
    assert "012 345 678" not in shown
    assert "door" in shown, "but they say whose it is"


def test_the_grouped_form_is_the_code_in_threes() -> None:
    assert pin().grouped == "012 345 678"
    assert pin(code="0123456789").grouped == "012 345 67 89"
    assert pin(code="01234567").grouped == "012 345 67"


def test_a_pin_survives_a_trip_as_json() -> None:
    assert AccessPin.model_validate_json(pin().model_dump_json()) == pin()


def test_a_pin_survives_a_trip_as_json_without_its_computed_members() -> None:
    assert AccessPin.model_validate_json(pin().model_dump_json(round_trip=True)) == pin()


@given(st.sampled_from(["igloo", "standard"]), st.integers(0, 672), st.integers(1, 600), st.sampled_from([UTC, BERLIN, timezone(HOUR)]))
def test_an_issued_pin_survives_a_trip_as_json(vendor: str, start: int, hours: int, where: timezone | ZoneInfo) -> None:
    starts = NOW + start * HOUR
    made = Issuer(MasterKey.from_bytes(bytes(32)), vendor).issue("d", starts.astimezone(where), starts + hours * HOUR, now=NOW)
    assert AccessPin.model_validate_json(made.model_dump_json()) == made


def test_a_pin_survives_pickling_and_its_json_has_what_a_caller_shows() -> None:
    assert pickle.loads(pickle.dumps(pin())) == pin()  # noqa: S301
    shown = pin().model_dump(mode="json")
    assert shown["grouped"] == "012 345 678"
    assert all(notice["message"] for notice in shown["notices"])


def test_a_pin_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        pin().code = "1"  # type: ignore[misc]


def test_notices_say_in_words_what_they_mean() -> None:
    rounded = Rounded(starts_early=timedelta(minutes=30), ends_late=HOUR)
    assert "0:30" in rounded.message or "30 min" in rounded.message
    assert "before" in rounded.message
    assert "after" in rounded.message
    less = Rounded(starts_early=timedelta(), ends_late=-HOUR)
    assert "begins" not in less.message, "what is unchanged is not mentioned"
    assert "late" not in less.message
    assert "2027-07-02 12:00 UTC" in MustBeUsedBy(use_by=NOW + DAY).message
    assert "back" in ClockChange(at=NOW, shift=-HOUR).message
    assert "forward" in ClockChange(at=NOW, shift=HOUR).message
    assert "'guest'" in Supersedes(group="guest").message


@given(st.integers(-100, 100), st.integers(-100, 100))
def test_a_rounded_notice_tells_the_direction_of_each_end(early: int, late: int) -> None:
    message = Rounded(starts_early=early * HOUR, ends_late=late * HOUR).message
    assert ("begins" in message) == (early != 0)
    assert ("ends" in message) == (late != 0)
