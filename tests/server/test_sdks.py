"""Today's SDKs and an older one, unchanged, against a running server: what they create opens the simulated lock in its time, only then."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

SET = 200


@pytest.fixture
def opens(sdk: Any, served: Any, sdk_error: Any) -> Any:
    """Types a code at a device's lock, at a time if one is given; says whether it opened."""

    def typed(device_id: str, code: str, at: str | None = None) -> bool:
        if at is not None:
            served.clock.now = datetime.fromisoformat(at)
        said = "opened"
        try:
            assert sdk("locks.simulate.keypad_code_entry", device_id=device_id, code=code)["status"] == "success"
        except sdk_error as error:
            said = error.raised
        assert said in ("opened", "SeamActionAttemptFailedError")
        return said == "opened"

    return typed


@pytest.fixture
def post(served: Any) -> Any:
    """Asks without an SDK, for what SDKs leave out of an answer."""

    def asked(path: str, **params: Any) -> Any:
        answer = httpx.post(served.endpoint + path, json=params, headers={"authorization": f"Bearer {served.key}"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    return asked


@pytest.fixture
def igloo(served: Any) -> str:
    """A door with an igloo-style lock."""
    device = served.codes.register_device("Front door", "igloo", connection="simulated", now=served.clock())
    return str(device.device_id)


@pytest.fixture
def oracode(served: Any) -> str:
    """A hotel room with an Oracode-style lock."""
    device = served.codes.register_device("Room 12", "oracode", time_zone="Europe/Berlin", connection="simulated", now=served.clock())
    return str(device.device_id)


@pytest.fixture
def native(served: Any) -> list[str]:
    """Three connected doors without offline codes."""
    devices = [served.codes.register_device(f"Side door {n}", None, connection="simulated", now=served.clock()) for n in range(3)]
    return [device.device_id for device in devices]


def offline(sdk: Any, device_id: str, starts_at: str, ends_at: str | None = None, **more: Any) -> Any:
    """An offline code of a window."""
    window = {"starts_at": starts_at, **({"ends_at": ends_at} if ends_at else {})}
    return sdk("access_codes.create", device_id=device_id, is_offline_access_code=True, name="Ada", **window, **more)


# --- offline codes ------------------------------------------------------------------------------------------------


def test_an_hourly_code_opens_in_its_hours_and_in_no_other(sdk: Any, igloo: str, opens: Any) -> None:
    made = offline(sdk, igloo, "2027-07-01T15:00:00Z", "2027-07-02T10:00:00Z")
    assert (made["is_offline_access_code"], made["is_one_time_use"], made["type"]) == (True, False, "time_bound")
    assert made["code"].isdecimal()
    assert len(made["code"]) == 9
    assert not opens(igloo, made["code"], "2027-07-01T14:00:00Z")
    assert opens(igloo, made["code"], "2027-07-01T15:30:00Z")
    assert opens(igloo, made["code"], "2027-07-02T09:45:00Z")
    assert not opens(igloo, made["code"], "2027-07-02T11:00:00Z")


def test_a_daily_code_opens_for_its_days_and_warns_of_its_first_use(sdk: Any, igloo: str, opens: Any) -> None:
    made = offline(sdk, igloo, "2027-07-01T15:00:00Z", "2027-08-05T15:00:00Z", max_time_rounding="1d")
    assert [warning["warning_code"] for warning in made["warnings"]] == ["igloo_algopin_must_be_used_within_24_hours"]
    assert opens(igloo, made["code"], "2027-07-01T16:00:00Z")
    assert opens(igloo, made["code"], "2027-08-05T14:30:00Z")
    assert not opens(igloo, made["code"], "2027-08-05T16:00:00Z")


def test_a_one_time_code_opens_once(sdk: Any, igloo: str, opens: Any) -> None:
    made = offline(sdk, igloo, "2027-07-01T15:00:00Z", "2027-07-02T15:00:00Z", is_one_time_use=True)
    assert made["is_one_time_use"] is True
    assert opens(igloo, made["code"], "2027-07-01T16:00:00Z")
    assert not opens(igloo, made["code"], "2027-07-01T16:05:00Z")


def test_a_stay_has_its_levels_times_and_metadata(sdk: Any, oracode: str, opens: Any) -> None:
    made = offline(sdk, oracode, "2027-07-01T16:00:00+02:00", "2027-07-04T11:00:00+02:00")
    metadata = made["dormakaba_oracode_metadata"]
    assert isinstance(metadata["stay_id"], int | float)
    assert {"user_level_id", "user_level_name", "site_name", "is_cancellable", "is_extendable"} <= set(metadata)
    starts, ends = (datetime.fromisoformat(made[name]) for name in ("starts_at", "ends_at"))
    assert not opens(oracode, made["code"], "2027-07-01T00:00:00+02:00")
    assert opens(oracode, made["code"], "2027-07-02T12:00:00+02:00")
    assert not opens(oracode, made["code"], "2027-07-05T12:00:00+02:00")
    assert starts < datetime(2027, 7, 2, tzinfo=UTC) < ends


def test_codes_of_one_window_differ_until_none_is_left(sdk: Any, igloo: str, sdk_error: Any) -> None:
    made = [offline(sdk, igloo, "2027-07-01T15:00:00Z", "2027-07-01T18:00:00Z")["code"] for _ in range(3)]
    assert len(set(made)) == 3
    with pytest.raises(sdk_error) as refused:
        offline(sdk, igloo, "2027-07-01T15:00:00Z", "2027-07-01T18:00:00Z")
    assert refused.value.status == 400
    assert len(sdk("access_codes.list", device_id=igloo)) == 3


# --- native codes -------------------------------------------------------------------------------------------------


def test_an_ongoing_code_of_ones_own_is_set_works_and_is_gone_when_deleted(
    sdk: Any, native: list[str], served: Any, opens: Any, sdk_error: Any
) -> None:
    made = sdk("access_codes.create", device_id=native[0], code="4711", name="Ada")
    assert (made["type"], made["starts_at"], made["ends_at"]) == ("ongoing", None, None)
    served.tick(seconds=1)
    assert sdk("access_codes.get", access_code_id=made["access_code_id"])["status"] == "set"
    assert opens(native[0], "4711")
    assert not opens(native[0], "4712")
    assert not opens(native[1], "4711")
    sdk("access_codes.delete", access_code_id=made["access_code_id"])
    served.tick(seconds=1)
    served.tick(minutes=1)
    assert not opens(native[0], "4711")
    with pytest.raises(sdk_error) as gone:
        sdk("access_codes.get", access_code_id=made["access_code_id"])
    assert (gone.value.status, gone.value.code) == (404, "access_code_not_found")


def test_a_time_bound_code_is_set_in_time_and_removed_after_its_end(sdk: Any, native: list[str], served: Any, opens: Any) -> None:
    made = sdk("access_codes.create", device_id=native[0], starts_at="2027-07-01T15:00:00Z", ends_at="2027-07-01T18:00:00Z")
    served.tick(seconds=1)
    assert not opens(native[0], made["code"], "2027-07-01T14:59:00Z")
    served.tick()
    assert opens(native[0], made["code"], "2027-07-01T15:01:00Z")
    served.tick()
    assert not opens(native[0], made["code"], "2027-07-01T18:01:00Z")


def test_what_is_updated_is_what_opens(sdk: Any, native: list[str], served: Any, opens: Any) -> None:
    made = sdk("access_codes.create", device_id=native[0], code="4711", name="Ada")
    served.tick(seconds=1)
    sdk("access_codes.update", access_code_id=made["access_code_id"], code="4712", name="Ada L.")
    served.tick(seconds=1)
    changed = sdk("access_codes.get", access_code_id=made["access_code_id"])
    assert (changed["code"], changed["name"]) == ("4712", "Ada L.")
    assert opens(native[0], "4712")
    assert not opens(native[0], "4711")


def test_several_doors_share_one_code_and_change_together(sdk: Any, native: list[str], served: Any, opens: Any) -> None:
    made = sdk(
        "access_codes.create_multiple", device_ids=native, name="Ada", starts_at="2027-07-01T10:00:00Z", ends_at="2027-07-03T10:00:00Z"
    )
    assert len({code["code"] for code in made}) == 1
    assert {code["device_id"] for code in made} == set(native)
    (key,) = {code["common_code_key"] for code in made}
    served.tick(seconds=1)
    sdk("access_codes.update_multiple", common_code_key=key, name="Ada L.")
    served.tick(hours=2)
    assert {code["name"] for device_id in native for code in sdk("access_codes.list", device_id=device_id)} == {"Ada L."}
    assert all(opens(device_id, made[0]["code"]) for device_id in native)


def test_a_repeated_create_multiple_creates_nothing_twice(sdk: Any, native: list[str]) -> None:
    asked = {"device_ids": native, "name": "Ada", "starts_at": "2027-07-01T10:00:00Z", "ends_at": "2027-07-03T10:00:00Z"}
    first, again = (sdk("access_codes.create_multiple", **asked) for _ in range(2))
    assert first == again
    assert len(sdk("access_codes.list", device_id=native[0])) == 1


def test_a_backup_stands_in_for_a_code(sdk: Any, native: list[str], served: Any, opens: Any) -> None:
    asked = {"starts_at": "2027-07-01T10:00:00Z", "ends_at": "2027-07-03T10:00:00Z", "use_backup_access_code_pool": True}
    made = sdk("access_codes.create", device_id=native[0], **asked)
    for _ in range(3):
        served.tick(seconds=1)
    served.tick(hours=2)
    assert sdk("access_codes.get", access_code_id=made["access_code_id"])["is_backup_access_code_available"] is True
    sdk("access_codes.pull_backup_access_code", access_code_id=made["access_code_id"])
    served.tick(seconds=1)
    replaced = sdk("access_codes.get", access_code_id=made["access_code_id"])
    backup = sdk("access_codes.get", access_code_id=replaced["pulled_backup_access_code_id"])
    assert backup["is_backup"] is True
    assert "using_backup_access_code" in [warning["warning_code"] for warning in replaced["warnings"]]
    assert opens(native[0], backup["code"])


def test_a_generated_code_is_free_on_its_device(sdk: Any, native: list[str]) -> None:
    made = sdk("access_codes.generate_code", device_id=native[0])
    assert made["device_id"] == native[0]
    assert sdk("access_codes.create", device_id=native[0], code=made["code"])["code"] == made["code"]


def test_a_code_that_somebody_made_at_the_lock_can_be_taken_over(sdk: Any, native: list[str], served: Any) -> None:
    found = sdk("access_codes.simulate.create_unmanaged_access_code", device_id=native[0], name="Cleaner", code="8080")
    assert (found["is_managed"], found["status"]) == (False, "set")
    if sdk.name != "python-2.2.0":  # it does not read it
        assert found["display_status"] == "Ready"
    assert [code["code"] for code in sdk("access_codes.unmanaged.list", device_id=native[0])] == ["8080"]
    assert sdk("access_codes.unmanaged.get", access_code_id=found["access_code_id"])["name"] == "Cleaner"
    sdk("access_codes.unmanaged.convert_to_managed", access_code_id=found["access_code_id"])
    served.tick(seconds=1)
    assert sdk("access_codes.unmanaged.list", device_id=native[0]) == []
    assert [code["name"] for code in sdk("access_codes.list", device_id=native[0])] == ["Cleaner"]


# --- finding things -----------------------------------------------------------------------------------------------


def test_all_pages_together_are_the_whole_list(sdk: Any, native: list[str]) -> None:
    made = {sdk("access_codes.create", device_id=native[0], code=f"{4711 + n}")["access_code_id"] for n in range(5)}
    paged = [code["access_code_id"] for code in sdk("access_codes.list", pages=True, device_id=native[0], limit=2)]
    assert len(paged) == 5
    assert set(paged) == made
    assert len(sdk("access_codes.list", device_id=native[0], limit=2)) == 2


def test_a_code_is_found_by_its_id_its_digits_and_its_name(sdk: Any, native: list[str]) -> None:
    made = sdk("access_codes.create", device_id=native[0], code="4711", name="Ada Lovelace")
    sdk("access_codes.create", device_id=native[1], code="4712", name="Charles Babbage")
    assert sdk("access_codes.get", access_code_id=made["access_code_id"]) == made
    assert sdk("access_codes.get", device_id=native[0], code="4711") == made
    assert sdk("access_codes.list", search="Lovelace") == [made]
    assert sdk("access_codes.list", access_code_ids=[made["access_code_id"]]) == [made]
    assert sdk("access_codes.list", customer_key="nobody") == []


def test_devices_say_what_their_profile_allows(sdk: Any, igloo: str, native: list[str]) -> None:
    door = sdk("devices.get", device_id=igloo)
    assert door["can_program_offline_access_codes"] is True
    assert door["properties"]["offline_time_frame_options"]
    assert {device["device_id"] for device in sdk("devices.list", limit=100)} == {igloo, *native}
    assert sdk("locks.get", device_id=igloo) == door
    assert {device["device_id"] for device in sdk("locks.list")} == {igloo, *native}
    sdk("devices.report_provider_metadata", devices=[{"device_id": igloo, "time_zone": "Europe/Berlin"}])


def test_each_change_leaves_its_event(sdk: Any, native: list[str], served: Any) -> None:
    since = served.clock().isoformat()
    made = sdk("access_codes.create", device_id=native[0], code="4711")
    served.tick(seconds=1)
    sdk("access_codes.delete", access_code_id=made["access_code_id"])
    served.tick(seconds=1)
    events = sdk("events.list", since=since, access_code_id=made["access_code_id"])
    kinds = [event["event_type"] for event in events]
    for kind in ("created", "set_on_device", "removed_from_device", "deleted"):
        assert f"access_code.{kind}" in kinds
    assert sdk("events.get", event_id=events[0]["event_id"]) == events[0]


def test_pages_of_events_go_on_where_the_last_ended(sdk: Any, native: list[str]) -> None:
    for _ in range(7):
        sdk("access_codes.create", device_id=native[0])
    told = [event["event_id"] for event in sdk("events.list", device_id=native[0])]
    paged = [sdk("events.list", device_id=native[0], limit=3, unstable_offset=start) for start in range(0, 9, 3)]
    assert [len(page) for page in paged] == [3, 3, 1]
    assert [event["event_id"] for page in paged for event in page] == told


def test_a_changes_event_says_what_was_and_what_is(sdk: Any, native: list[str]) -> None:
    made = sdk("access_codes.create", device_id=native[0], code="4711")
    sdk("access_codes.update", access_code_id=made["access_code_id"], code="4712")
    event = sdk("events.get", device_id=native[0], event_type="access_code.code_changed")
    assert event["access_code_id"] == made["access_code_id"]
    if sdk.name != "python-2.2.0":  # it does not read them
        assert (event["from_" if sdk.name == "python" else "from"], event["to"]) == ({"code": "4711"}, {"code": "4712"})


def test_action_attempts_are_found_again_and_are_done(sdk: Any, served: Any, native: list[str], post: Any) -> None:
    told = post("/access_codes/create", device_id=native[0], code="4711")
    made, creation = told["access_code"], told["action_attempt"]
    served.tick(seconds=1)
    kept = sdk("action_attempts.get", action_attempt_id=creation["action_attempt_id"])
    assert (kept["action_type"], kept["status"], kept["error"]) == ("CREATE_ACCESS_CODE", "success", None)
    if sdk.name != "python-2.2.0":  # it drops it
        assert kept["result"]["access_code"]["access_code_id"] == made["access_code_id"]
        assert kept["result"]["access_code"]["status"] == "set"
    attempts = [creation]
    attempts.append(post("/access_codes/update", access_code_id=made["access_code_id"], name="Ada")["action_attempt"])
    attempts.append(post("/access_codes/delete", access_code_id=made["access_code_id"])["action_attempt"])
    ids = [attempt["action_attempt_id"] for attempt in attempts]
    listed = sdk("action_attempts.list", device_id=native[0])
    assert sorted(attempt["action_attempt_id"] for attempt in listed) == sorted(ids)
    assert {attempt["action_type"] for attempt in listed} == {f"{verb}_ACCESS_CODE" for verb in ("CREATE", "UPDATE", "DELETE")}
    assert {attempt["action_attempt_id"] for attempt in sdk("action_attempts.list", action_attempt_ids=ids[:2])} == set(ids[:2])
    paged = sdk("action_attempts.list", pages=True, device_id=native[0], limit=2)
    assert sorted(attempt["action_attempt_id"] for attempt in paged) == sorted(ids)


def test_a_lock_that_does_not_open_says_why(sdk: Any, igloo: str, sdk_error: Any) -> None:
    with pytest.raises(sdk_error, match="does not know the code") as refused:
        sdk("locks.simulate.keypad_code_entry", device_id=igloo, code="123456789")
    assert refused.value.raised == "SeamActionAttemptFailedError"
    (kept,) = sdk("action_attempts.list", device_id=igloo)
    assert (kept["status"], kept["result"], kept["error"]["type"]) == ("error", None, "unknown")


def test_a_workspace_s_locks_are_of_one_account(sdk: Any, native: list[str]) -> None:
    account = sdk("devices.get", device_id=native[0])["connected_account_id"]
    assert len(sdk("devices.list", connected_account_id=account, limit=100)) == len(native)
    assert sdk("devices.list", connected_account_id=str(uuid4())) == []
    assert sdk("devices.list", customer_key="nobody") == []
    sdk("access_codes.create", device_id=native[0])
    assert len(sdk("events.list", connected_account_id=account)) == 1
    assert sdk("events.list", connected_account_id=str(uuid4())) == []


def test_a_device_can_say_which_lengths_it_takes(sdk: Any, native: list[str], sdk_error: Any) -> None:
    sdk("access_codes.report_device_constraints", device_id=native[0], supported_code_lengths=[6])
    assert len(sdk("access_codes.create", device_id=native[0])["code"]) == 6
    with pytest.raises(sdk_error) as refused:
        sdk("access_codes.create", device_id=native[0], code="4711")
    assert refused.value.status == 400


# --- refusals -----------------------------------------------------------------------------------------------------


def test_a_wrong_parameter_is_pointed_at(sdk: Any, native: list[str], sdk_error: Any) -> None:
    with pytest.raises(sdk_error) as refused:
        sdk("access_codes.create", device_id=native[0], code="abc")
    assert (refused.value.raised, refused.value.status) == ("SeamHttpInvalidInputError", 400)
    assert UUID(refused.value.request_id)
    if sdk.name != "python-2.2.0":  # it drops them
        assert refused.value.validation_errors["code"]["_errors"]


def test_what_belongs_to_others_is_not_there(sdk: Any, native: list[str], served: Any, sdk_error: Any) -> None:
    _, theirs = served.another_workspace()
    made = sdk("access_codes.create", device_id=native[0], code="4711")
    for call, params in (
        ("access_codes.get", {"access_code_id": made["access_code_id"]}),
        ("access_codes.update", {"access_code_id": made["access_code_id"], "name": "Eve"}),
        ("access_codes.delete", {"access_code_id": made["access_code_id"]}),
        ("access_codes.create", {"device_id": native[0]}),
        ("devices.get", {"device_id": native[0]}),
        ("devices.get", {"device_id": str(uuid4())}),
    ):
        with pytest.raises(sdk_error) as refused:
            sdk(call, key=theirs, **params)
        assert refused.value.status == 404, call
    assert sdk("devices.list", key=theirs, limit=10) == []
    assert sdk("access_codes.get", access_code_id=made["access_code_id"]) == made


def test_an_unknown_key_opens_nothing(sdk: Any, sdk_error: Any) -> None:
    with pytest.raises(sdk_error) as refused:
        sdk("devices.list", key="seam_nobody")
    assert (refused.value.raised, refused.value.status) == ("SeamHttpUnauthorizedError", 401)
