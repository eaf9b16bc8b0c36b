"""What a caller does wrong on the first try is told in the library's own words: what was wrong, with which value, what would be right."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from offlinepin import Issuer, Lock, MasterKey, OfflinepinError, Profile, bookings

KEYS: Any = MasterKey(b"\xab" * 32)
START = datetime(2027, 7, 1, 15, tzinfo=UTC)
END = START + timedelta(days=3)


def ask(starts_at: Any = START, ends_at: Any = END, **options: Any) -> object:
    return Issuer(KEYS, "igloo").issue("d", starts_at, ends_at, **{"now": START, **options})


@pytest.mark.parametrize(
    ("call", "code", "told"),
    [
        (lambda: ask("2027-07-01T15:00Z"), "invalid_request", "the start is a datetime with a time zone, not '2027-07-01T15:00Z'"),
        (lambda: ask(ends_at="2027-07-04"), "invalid_request", "the end is a datetime with a time zone, not '2027-07-04'"),
        (lambda: ask(date(2027, 7, 1)), "invalid_request", "not datetime.date(2027, 7, 1)"),
        (lambda: ask(ends_at=timedelta(days=3)), "invalid_request", "not datetime.timedelta(days=3)"),
        (lambda: ask(now=0), "invalid_request", "the present is a datetime with a time zone, not 0"),
        (lambda: ask(max_time_rounding=3600), "invalid_request", "a timedelta of 0 or more, or 1h or 1d, not 3600"),
        (lambda: ask(time_zone=ZoneInfo("Europe/Berlin")), "unknown_time_zone", "given by its name, such as Europe/Berlin"),
        (lambda: ask(level="service"), "unknown_kind", "it has none to ask for"),
        (lambda: Issuer(b"\xab" * 32, "igloo"), "invalid_key", "not of type bytes"),  # type: ignore[arg-type]
        (lambda: Issuer(KEYS, "igloo", "codes.ledger"), "ledger_unusable", "not of type str"),  # type: ignore[arg-type]
        (lambda: Lock("door.json"), "invalid_provisioning", "Issuer.provision makes, not of type str"),  # type: ignore[arg-type]
        (lambda: Lock(Issuer(KEYS, "igloo").provision("d")).enter(12345678), "invalid_code", "not of type int"),  # type: ignore[arg-type]
        (lambda: Profile.load("nowhere.json"), "invalid_profile", "'nowhere.json' cannot be read: No such file"),
        (lambda: bookings.read((b"\xab" * 32).hex(), time_zone="UTC"), "invalid_calendar", "begins with 'abababababab',"),
    ],
)
def test_a_wrong_value_is_an_error_of_the_library_that_names_it(call: Callable[[], object], code: str, told: str) -> None:
    with pytest.raises(OfflinepinError) as caught:
        call()
    assert caught.value.code == code
    assert told in str(caught.value)
