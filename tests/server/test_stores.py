"""Many clients at one time, over SQLite and PostgreSQL, through two servers on one store: nothing is handed out twice, nothing is lost."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import pytest

CLIENTS = 8
WINDOW = {"starts_at": "2027-07-01T15:00:00Z", "ends_at": "2027-07-01T18:00:00Z"}


@pytest.fixture(params=["sqlite", "postgresql"])
def twins(request: pytest.FixtureRequest, tmp_path: Path, start_server: Callable[..., Any]) -> Iterator[Any]:
    """Two servers on one store, as two workers would be, and a way to ask them in turn."""
    where = tmp_path / "codes.db" if request.param == "sqlite" else request.getfixturevalue("postgresql")
    with start_server(where) as first, start_server(where) as second:
        endpoints = cycle([first.endpoint, second.endpoint])

        def ask(verb: str, path: str, **params: Any) -> httpx.Response:
            return httpx.request(verb, next(endpoints) + path, headers={"authorization": f"Bearer {first.key}"}, timeout=60, **params)

        def at_once(count: int, *asked: Any, **params: Any) -> list[httpx.Response]:
            with ThreadPoolExecutor(CLIENTS) as pool:
                return [answer.result() for answer in [pool.submit(ask, *asked, **params) for _ in range(count)]]

        yield first, ask, at_once


def _door(served: Any, vendor: str | None) -> str:
    return str(served.codes.register_device("Door", vendor, connection="simulated", now=served.clock()).device_id)


def test_variants_are_handed_out_once_each_and_then_refused(twins: Any) -> None:
    served, _, at_once = twins
    igloo = _door(served, "igloo")
    answers = at_once(12, "POST", "/access_codes/create", json={"device_id": igloo, "is_offline_access_code": True, **WINDOW})
    assert Counter(answer.status_code for answer in answers) == {200: 3, 400: 9}
    assert len({answer.json()["access_code"]["code"] for answer in answers if answer.status_code == 200}) == 3


def test_one_code_opens_for_one_guest_at_a_time(twins: Any) -> None:
    served, _, at_once = twins
    door = _door(served, None)
    answers = at_once(8, "POST", "/access_codes/create", json={"device_id": door, "code": "4711", **WINDOW})
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 7}


def test_a_put_that_is_repeated_at_one_time_is_done_once(twins: Any) -> None:
    served, ask, at_once = twins
    doors = [_door(served, None) for _ in range(2)]
    answers = at_once(8, "PUT", "/access_codes/create_multiple", json={"device_ids": doors, "name": "Ada", **WINDOW})
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert len(ask("GET", "/access_codes/list", params={"device_id": doors[0]}).json()["access_codes"]) == 1


def test_each_code_has_its_event_and_each_event_its_code(twins: Any) -> None:
    served, ask, at_once = twins
    door = _door(served, None)
    answers = at_once(40, "POST", "/access_codes/create", json={"device_id": door, **WINDOW})
    made = [answer.json()["access_code"] for answer in answers]
    assert len({code["code"] for code in made}) == 40
    events = ask("GET", "/events/list", params={"device_id": door, "event_type": "access_code.created"}).json()["events"]
    assert sorted(event["access_code_id"] for event in events) == sorted(code["access_code_id"] for code in made)


def test_what_a_database_cannot_keep_or_reckon_with_is_refused_and_is_no_failure(twins: Any) -> None:
    served, ask, _ = twins
    door = _door(served, None)
    cursor = base64.urlsafe_b64encode(b'[1,"\\u0000"]').decode()
    long_ago = {"starts_at": "0001-01-01T00:00:00Z", "ends_at": "2028-01-01T00:00:00Z"}
    for path, asked in (
        ("/access_codes/create", {"device_id": door, "name": "a\0b"}),
        ("/access_codes/create", {"device_id": door, "common_code_key": "a\0b"}),
        ("/access_codes/create", {"device_id": door, **long_ago}),
        ("/access_codes/create_multiple", {"device_ids": [door], **long_ago}),
        ("/access_codes/list", {"search": "a\0b"}),
        ("/access_codes/list", {"device_id": door, "page_cursor": cursor}),
        ("/devices/get", {"name": "a\0b"}),
        ("/devices/list", {"search": "a\0b"}),
        ("/action_attempts/list", {"page_cursor": cursor}),
        ("/events/list", {"page_cursor": cursor}),
        ("/events/get", {"event_type": "a\0b"}),
    ):
        answer = ask("POST", path, json=asked)
        assert answer.status_code == 400, (path, asked, answer.text)
    assert ask("POST", "/access_codes/list", json={"device_id": door}).json()["access_codes"] == []
