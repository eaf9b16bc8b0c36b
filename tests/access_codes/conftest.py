"""A store, a workspace, and one moment, for the tests of the access-code resource."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from offlinepin.access_codes import AccessCodes, Device, Store
from offlinepin.keys import MasterKey

NOW = datetime(2026, 7, 1, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    """The present, in every test."""
    return NOW


@pytest.fixture(scope="session")
def keys() -> MasterKey:
    """One master key."""
    return MasterKey(bytes(range(32)))


@pytest.fixture
def where(tmp_path: Path) -> str:
    """Where the test's store is: a file, or the PostgreSQL database that OFFLINEPIN_TEST_POSTGRESQL names, emptied."""
    url = os.environ.get("OFFLINEPIN_TEST_POSTGRESQL")
    if url is None:
        return str(tmp_path / "codes.db")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return url


@pytest.fixture
def store(where: str, keys: MasterKey) -> Iterator[Store]:
    """A store of its own."""
    opened = Store.open(where, keys)
    yield opened
    opened.close()


@pytest.fixture
def codes(store: Store) -> AccessCodes:
    """The calls of a workspace."""
    return AccessCodes(store, store.create_workspace("house", now=NOW))


@pytest.fixture
def igloo(codes: AccessCodes) -> Device:
    """A lock with offline codes that is never reached."""
    return codes.register_device("Front door", "igloo", now=NOW)


@pytest.fixture
def connected(codes: AccessCodes) -> Device:
    """A connected lock without offline codes."""
    return codes.register_device("Garage", None, connection="simulated", now=NOW)


@pytest.fixture
def opens(codes: AccessCodes) -> Callable[[str, str | None, datetime], bool]:
    """Whether a code, typed at the simulated lock of a device, opens it at a moment."""

    def typed(device_id: str, code: str | None, at: datetime) -> bool:
        assert code is not None
        result = codes.simulate_keypad_code_entry(device_id, code, now=at).result
        return result is not None and bool(result["opened"])

    return typed


@pytest.fixture
def run() -> Callable[..., None]:
    """Lets time go by: a tick every ``step`` from one moment to another."""

    def ticks(codes: AccessCodes, start: datetime, end: datetime, step: timedelta = timedelta(minutes=1)) -> None:
        moment = start
        while moment <= end:
            codes.tick(moment)
            moment += step

    return ticks
