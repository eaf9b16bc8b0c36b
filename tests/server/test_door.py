"""The wire: keys, verbs, envelopes, limits, and what can be seen of a running server, asked without any SDK."""

from __future__ import annotations

import io
import json
import logging
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from offlinepin.server.reading import LARGEST_BODY
from offlinepin.server.routes import ROUTES
from offlinepin.server.watching import JsonLines


@pytest.fixture
def http(served: Any) -> Iterator[httpx.Client]:
    """A plain client with a key."""
    with httpx.Client(base_url=served.endpoint, headers={"authorization": f"Bearer {served.key}"}) as client:
        yield client


@pytest.fixture
def device_id(served: Any) -> str:
    """A connected door."""
    return str(served.codes.register_device("Side door", None, connection="simulated", now=served.clock()).device_id)


def error(answer: httpx.Response) -> dict[str, Any]:
    """The error of a refusal, whose envelope must be right."""
    body = answer.json()
    assert (set(body), body["ok"]) == ({"error", "ok"}, False)
    assert {"type", "message"} <= set(body["error"]) <= {"type", "message", "data", "validation_errors"}
    UUID(answer.headers["seam-request-id"])
    return dict(body["error"])


# --- keys ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [None, "", "Bearer", "Basic {key}", "{key}", "Bearer seam_nobody", "Bearer seam_at1_x", "Bearer {key}x"])
def test_no_other_key_opens_anything(http: httpx.Client, served: Any, sent: str | None) -> None:
    del http.headers["authorization"]
    headers = {} if sent is None else {"authorization": sent.format(key=served.key)}
    for route in ROUTES:
        for verb in route.verbs:
            answer = http.request(verb, route.path, headers=headers)
            assert (answer.status_code, error(answer)["type"]) == (401, "unauthorized"), route.path


def test_a_revoked_key_opens_nothing(http: httpx.Client, served: Any) -> None:
    assert http.get("/devices/list").status_code == 200
    (known,) = served.store.api_keys()
    served.store.revoke_api_key(known.shown)
    assert http.get("/devices/list").status_code == 401


def test_a_key_serves_its_own_workspace_only(http: httpx.Client, served: Any) -> None:
    other, _ = served.another_workspace()
    assert http.get("/devices/list", headers={"seam-workspace": served.workspace_id}).status_code == 200
    assert http.get("/devices/list", headers={"seam-workspace": other}).status_code == 401


# --- verbs --------------------------------------------------------------------------------------------------------


def test_every_verb_of_a_path_reads_the_same(http: httpx.Client) -> None:
    nobody = {"access_code_id": str(uuid4()), "device_id": str(uuid4()), "event_id": str(uuid4()), "action_attempt_id": str(uuid4())}
    for route in ROUTES:
        asked = {name: value for name, value in nobody.items() if name in route.asks.model_fields}
        answers = []
        for verb in route.verbs:
            where = {"params": {**asked, "_strict": "true"}} if verb in ("GET", "DELETE") else {"json": asked}
            answers.append(http.request(verb, route.path, **where))  # type: ignore[arg-type]
        assert len({answer.status_code for answer in answers}) == 1, route.path
        assert len({json.dumps({**answer.json(), "pagination": None}) for answer in answers}) == 1, route.path


def test_an_unknown_path_and_an_unknown_verb_are_refused_in_the_envelope(http: httpx.Client) -> None:
    nowhere, wrong = http.get("/access_codes/made_up"), http.delete("/access_codes/get")
    assert (nowhere.status_code, error(nowhere)["type"]) == (404, "route_not_found")
    assert (wrong.status_code, error(wrong)["type"]) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "GET, POST"


# --- parameters ---------------------------------------------------------------------------------------------------


def test_what_is_missing_is_named_as_sdks_expect_it(http: httpx.Client) -> None:
    for answer in (
        http.post("/access_codes/create", json={}),
        http.post("/access_codes/create"),
        http.request("DELETE", "/access_codes/delete"),
    ):
        assert answer.status_code == 400
    assert error(http.post("/access_codes/create"))["validation_errors"] == {"_errors": [], "device_id": {"_errors": ["Required"]}}


@pytest.mark.parametrize(
    ("wrong", "at"),
    [
        ({"code": "abc"}, "code"),
        ({"code": "123"}, "code"),
        ({"code": "1234\n"}, "code"),
        ({"code": 4711}, "code"),
        ({"name": ""}, "name"),
        ({"starts_at": "2027-07-01T15:00:00"}, "starts_at"),
        ({"starts_at": "tomorrow"}, "starts_at"),
        ({"starts_at": 1814454000}, "starts_at"),
        ({"ends_at": "0001-01-01T00:00:00+23:59"}, "ends_at"),
        ({"is_one_time_use": "yes"}, "is_one_time_use"),
        ({"preferred_code_length": 3}, "preferred_code_length"),
        ({"preferred_code_length": 4.5}, "preferred_code_length"),
        ({"max_time_rounding": "1week"}, "max_time_rounding"),
        ({"device_id": "door"}, "device_id"),
        ({"device_id": None}, "device_id"),
    ],
)
def test_a_wrong_value_is_pointed_at_and_changes_nothing(http: httpx.Client, device_id: str, wrong: dict[str, Any], at: str) -> None:
    answer = http.post("/access_codes/create", json={"device_id": device_id, **wrong})
    found = error(answer)
    assert (answer.status_code, found["type"]) == (400, "invalid_input")
    assert found["validation_errors"][at]["_errors"]
    assert http.get("/access_codes/list", params={"device_id": device_id}).json()["access_codes"] == []


@pytest.mark.parametrize(
    "window",
    [
        {"starts_at": "2027-07-02T15:00:00Z", "ends_at": "2027-07-02T14:00:00Z"},
        {"starts_at": "2027-07-02T15:00:00Z", "ends_at": "2027-07-02T15:00:00Z"},
        {"starts_at": "2027-06-01T15:00:00Z", "ends_at": "2027-06-02T15:00:00Z"},
        {"ends_at": "2027-06-02T15:00:00Z"},
    ],
)
def test_a_window_that_is_reversed_empty_or_past_is_refused(http: httpx.Client, device_id: str, window: dict[str, str]) -> None:
    answer = http.post("/access_codes/create", json={"device_id": device_id, **window})
    assert answer.status_code == 400
    assert error(answer)["message"]
    assert http.get("/access_codes/list", params={"device_id": device_id}).json()["access_codes"] == []


def test_a_code_can_be_changed_and_not_be_taken_away(http: httpx.Client, device_id: str) -> None:
    made = http.post("/access_codes/create", json={"device_id": device_id, "code": "4711"}).json()["access_code"]
    answer = http.patch("/access_codes/update", json={"access_code_id": made["access_code_id"], "code": None})
    assert (answer.status_code, error(answer)["validation_errors"]["code"]["_errors"]) == (
        400,
        ["A code can be changed and not be taken away; leave it out"],
    )


def test_a_name_may_be_as_long_as_the_device_says(http: httpx.Client, device_id: str) -> None:
    (rule,) = http.get("/devices/get", params={"device_id": device_id}).json()["device"]["properties"]["code_constraints"]
    assert rule["constraint_type"] == "name_length"
    answers = [http.post("/access_codes/create", json={"device_id": device_id, "name": "n" * (rule["max_length"] + n)}) for n in (0, 1)]
    assert [answer.status_code for answer in answers] == [200, 400]


def test_an_unknown_name_is_refused_and_not_left_out(http: httpx.Client, device_id: str) -> None:
    answer = http.post("/access_codes/create", json={"device_id": device_id, "is_offline_acess_code": True})
    assert error(answer)["validation_errors"]["_errors"] == ["Unrecognized key(s) in object: 'is_offline_acess_code'"]


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"null", b"\xff", b"{}{}", b'{"device_id": NaN}', b"[" * 10_000])
def test_a_body_that_is_no_object_is_refused(http: httpx.Client, body: bytes) -> None:
    answer = http.post("/access_codes/create", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, error(answer)["type"]) == (400, "invalid_input")


def test_a_body_that_is_too_large_is_refused(http: httpx.Client) -> None:
    answer = http.post("/access_codes/create", content=b" " * (LARGEST_BODY + 1))
    assert (answer.status_code, error(answer)["type"]) == (413, "payload_too_large")


def test_old_names_mean_what_their_new_ones_mean(http: httpx.Client, served: Any) -> None:
    igloo = served.codes.register_device("Front door", "igloo", now=served.clock()).device_id
    window = {"starts_at": "2027-07-01T15:00:00Z", "ends_at": "2027-07-01T18:00:00Z"}
    made = http.post("/access_codes/create", json={"device_id": igloo, "use_offline_access_code": True, **window}).json()
    assert made["access_code"]["is_offline_access_code"] is True


def test_a_list_in_a_query_repeats_its_name(http: httpx.Client, device_id: str) -> None:
    made = [http.post("/access_codes/create", json={"device_id": device_id}).json()["access_code"]["access_code_id"] for _ in range(3)]
    found = http.get("/access_codes/list", params={"access_code_ids": made[:2], "_strict": "true"}).json()["access_codes"]
    assert {code["access_code_id"] for code in found} == set(made[:2])
    assert http.get("/access_codes/list", params={"device_id": [device_id, device_id]}).status_code == 400


def test_the_next_page_s_address_gives_the_next_page(http: httpx.Client, device_id: str) -> None:
    made = [http.post("/access_codes/create", json={"device_id": device_id}).json()["access_code"]["access_code_id"] for _ in range(3)]
    first = http.post("/access_codes/list", json={"device_id": device_id, "limit": 2}).json()
    assert first["pagination"]["has_next_page"] is True
    last = http.get(first["pagination"]["next_page_url"]).json()
    assert last["pagination"] == {"has_next_page": False, "next_page_cursor": None, "next_page_url": None}
    assert {code["access_code_id"] for code in first["access_codes"] + last["access_codes"]} == set(made)
    assert http.get("/access_codes/list", params={"device_id": device_id, "page_cursor": "made up"}).status_code == 400


def test_the_next_page_s_address_keeps_the_filters_of_events_and_attempts(http: httpx.Client, device_id: str) -> None:
    for _ in range(3):
        http.post("/access_codes/create", json={"device_id": device_id})
    for path, name, of in (("/events/list", "events", "event_id"), ("/action_attempts/list", "action_attempts", "action_attempt_id")):
        asked: dict[str, Any] = {"device_id": device_id, "limit": 2}
        if name == "events":
            asked |= {"between": ["2027-07-01T00:00:00Z", "2027-07-02T00:00:00+02:00"], "event_types": ["access_code.created"]}
        first = http.post(path, json=asked).json()
        last = http.get(first["pagination"]["next_page_url"]).json()
        assert [len(first[name]), len(last[name])] == [2, 1]
        assert len({entry[of] for entry in first[name] + last[name]}) == 3
        assert last["pagination"]["has_next_page"] is False


def test_a_creation_answers_with_its_attempt_also_when_it_is_repeated(http: httpx.Client, device_id: str) -> None:
    ask = {"url": "/access_codes/create", "json": {"device_id": device_id, "sync": True}, "headers": {"idempotency-key": "booking-1"}}
    first, again = (http.post(**ask).json() for _ in range(2))  # type: ignore[arg-type]
    assert set(first) == {"access_code", "action_attempt", "ok"}
    attempt = first["action_attempt"]
    assert set(attempt) == {"action_attempt_id", "action_type", "status", "result", "error"}
    assert attempt["result"] == {"access_code": first["access_code"]}
    assert first["access_code"]["status"] == "set"
    assert again["action_attempt"] == attempt
    assert http.get("/action_attempts/get", params={"action_attempt_id": attempt["action_attempt_id"]}).json()["action_attempt"] == attempt


def test_an_update_answers_with_the_changed_code_and_a_deletion_with_what_kills_it(http: httpx.Client, served: Any) -> None:
    igloo = served.codes.register_device("Front door", "igloo", now=served.clock()).device_id
    made = http.post("/access_codes/create", json={"device_id": igloo, "is_offline_access_code": True}).json()["access_code"]
    one = {"access_code_id": made["access_code_id"]}
    changed = http.patch("/access_codes/update", json={**one, "name": "Ada"}).json()["action_attempt"]
    assert changed["result"]["access_code"] == {**made, "name": "Ada"}
    deleted = http.delete("/access_codes/delete", params=one).json()["action_attempt"]
    assert deleted["result"]["revoke_code"]["code"].isdecimal()


# --- once ---------------------------------------------------------------------------------------------------------


def test_a_request_with_a_key_of_its_own_is_served_once(http: httpx.Client, device_id: str) -> None:
    ask = {"url": "/access_codes/create", "json": {"device_id": device_id}, "headers": {"idempotency-key": "booking-1"}}
    first, again = http.post(**ask), http.post(**ask)  # type: ignore[arg-type]
    assert first.json() == again.json()
    assert http.post("/access_codes/create", json={"device_id": device_id}, headers={"idempotency-key": "booking-2"}).json() != first.json()
    other = http.post("/access_codes/create", json={"device_id": device_id, "name": "Eve"}, headers={"idempotency-key": "booking-1"})
    assert other.status_code in (400, 409)


@pytest.mark.parametrize("key", ["", "k" * 257, "k" * 5000])
@pytest.mark.parametrize("path", ["/access_codes/create", "/access_codes/create_multiple"])
def test_a_request_s_own_key_is_a_name_of_reasonable_length(http: httpx.Client, device_id: str, path: str, key: str) -> None:
    asked = {"device_id": device_id} if path.endswith("create") else {"device_ids": [device_id]}
    answer = http.post(path, json=asked, headers={"idempotency-key": key})
    assert (answer.status_code, error(answer)["type"]) == (400, "invalid_input")
    assert http.get("/access_codes/list", params={"device_id": device_id}).json()["access_codes"] == []


def test_what_was_deleted_can_be_put_again(http: httpx.Client, served: Any, device_id: str) -> None:
    asked = {"device_ids": [device_id], "name": "Ada"}
    first = http.put("/access_codes/create_multiple", json=asked).json()["access_codes"][0]["access_code_id"]
    served.tick(seconds=1)
    http.request("DELETE", "/access_codes/delete", params={"access_code_id": first})
    served.tick(seconds=1)
    again = http.put("/access_codes/create_multiple", json=asked).json()["access_codes"][0]["access_code_id"]
    assert again != first
    assert http.get("/access_codes/get", params={"access_code_id": again}).status_code == 200


# --- limits -------------------------------------------------------------------------------------------------------


def test_a_device_is_written_to_so_often_in_a_minute_and_no_more(serve: Any) -> None:
    served = serve(per_minute={"create": 2, "update": 1, "delete": 1})
    device_id = served.codes.register_device("Side door", None, connection="simulated", now=served.clock()).device_id
    with httpx.Client(base_url=served.endpoint, headers={"authorization": f"Bearer {served.key}"}) as http:
        made = [http.post("/access_codes/create", json={"device_id": device_id}) for _ in range(3)]
        assert [answer.status_code for answer in made] == [200, 200, 429]
        assert error(made[2])["type"] == "too_many_requests"
        first, second = (answer.json()["access_code"]["access_code_id"] for answer in made[:2])
        assert http.put("/access_codes/create_multiple", json={"device_ids": [device_id]}).status_code == 429
        changes = [http.patch("/access_codes/update", json={"access_code_id": first, "name": name}).status_code for name in "ab"]
        assert changes == [200, 429]
        deletions = [
            http.request("DELETE", "/access_codes/delete", params={"access_code_id": code}).status_code for code in (first, second)
        ]
        assert deletions == [200, 429]
        served.clock.forward(seconds=int(made[2].headers["retry-after"]))
        assert http.post("/access_codes/create", json={"device_id": device_id}).status_code == 200


# --- what can be seen ---------------------------------------------------------------------------------------------


def test_health_needs_no_key(served: Any) -> None:
    answer = httpx.get(f"{served.endpoint}/health")
    assert (answer.status_code, answer.json()) == (200, {"ok": True})


def test_each_answer_has_a_name_of_its_own(http: httpx.Client) -> None:
    names = [http.get(path).headers["seam-request-id"] for path in ("/health", "/health", "/devices/list", "/nowhere", "/access_codes/get")]
    assert len({UUID(name) for name in names}) == 5


def test_metrics_count_requests_by_path_verb_and_status(http: httpx.Client) -> None:
    http.get("/devices/list")
    http.get("/devices/list")
    http.get("/no/4711/where")
    page = http.get("/metrics").text
    assert 'offlinepin_requests_total{path="/devices/list",status="200",verb="GET"} 2.0' in page
    assert 'path="(none)",status="404"' in page
    assert "4711" not in page


def test_the_log_names_requests_and_holds_no_code_and_no_key(http: httpx.Client, served: Any, device_id: str) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("offlinepin.server")
    logger.addHandler(handler)
    before = logger.level
    logger.setLevel(logging.INFO)
    try:
        made = http.post("/access_codes/create", json={"device_id": device_id, "code": "47114711"})
        http.get("/access_codes/get", params={"device_id": device_id, "code": "47114711"})
        http.post("/locks/simulate/keypad_code_entry", json={"device_id": device_id, "code": "47114711"})
        http.post("/access_codes/create", json={"device_id": device_id, "code": "47114711"})
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert lines[0]["path"] == "/access_codes/create"
    assert lines[0]["request_id"] == made.headers["seam-request-id"]
    assert (lines[0]["status"], lines[0]["workspace_id"]) == (200, served.workspace_id)
    assert lines[-1]["error"]
    assert len(lines) == 4
    assert "47114711" not in stream.getvalue()
    assert served.key not in stream.getvalue()


def test_an_unforeseen_failure_is_a_plain_500_and_its_words_are_kept(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    served = serve()

    def broken(_: str) -> str:
        raise RuntimeError("the code is 47114711")

    monkeypatch.setattr(served.store, "workspace_of_key", broken)
    answer = httpx.get(f"{served.endpoint}/devices/list", headers={"authorization": f"Bearer {served.key}"})
    assert (answer.status_code, error(answer)["type"]) == (500, "internal_server_error")
    assert "4711" not in answer.text


# --- the work in the background -----------------------------------------------------------------------------------


def test_what_is_due_happens_by_itself(serve: Any) -> None:
    served = serve(tick_seconds=0.01)
    device_id = served.codes.register_device("Side door", None, connection="simulated", now=served.clock()).device_id
    made = served.codes.create(device_id, code="4711", now=served.clock())
    served.clock.forward(seconds=1)
    for _ in range(1000):
        if served.codes.get(made.access_code_id).status == "set":
            break
        time.sleep(0.01)
    else:
        pytest.fail("the code was never set")
    assert 'offlinepin_work_total{kind="steps"} 0.0' not in httpx.get(f"{served.endpoint}/metrics").text


# --- what a refusal says, and what it leaves ------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["update", "delete", "pull_backup_access_code"])
def test_an_unknown_access_code_is_called_one(http: httpx.Client, path: str) -> None:
    ident = str(uuid4())
    answer = http.post(f"/access_codes/{path}", json={"access_code_id": ident})
    assert (answer.status_code, error(answer)["message"]) == (404, f"there is no access code '{ident}' in this workspace")


def test_null_is_as_good_as_nothing_beside_an_old_name(http: httpx.Client, served: Any) -> None:
    igloo = served.codes.register_device("Front door", "igloo", now=served.clock()).device_id
    asked = {"device_id": igloo, "use_offline_access_code": True, "is_offline_access_code": None}
    assert http.post("/access_codes/create", json=asked).json()["access_code"]["is_offline_access_code"] is True


def test_zones_are_reported_for_all_devices_or_for_none(http: httpx.Client, served: Any, device_id: str) -> None:
    other = served.codes.register_device("Back door", None, connection="simulated", now=served.clock()).device_id
    zones = [{"device_id": device_id, "time_zone": "Europe/Berlin"}, {"device_id": other, "time_zone": "Mars/Phobos"}]
    answer = http.post("/devices/report_provider_metadata", json={"devices": zones})
    assert answer.status_code == 400
    assert served.codes.get_device(device_id).location.time_zone is None


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"code": "12"}, "code: Expected 4 to 12 digits"),
        ({"code": "1234\n"}, "code: Expected 4 to 12 digits"),
        ({"name": "a\0b"}, "name: Expected a text without the character NUL"),
        ({"common_code_key": "\0"}, "common_code_key: Expected a text without the character NUL"),
    ],
)
def test_a_refusal_says_in_words_what_would_be_right(http: httpx.Client, device_id: str, wrong: dict[str, str], words: str) -> None:
    answer = http.post("/access_codes/create", json={"device_id": device_id, **wrong})
    assert (answer.status_code, error(answer)["message"]) == (400, words)
