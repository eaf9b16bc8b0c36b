"""Devices: what they can do follows from their profile and their connection; tokens, zones and constraints."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offlinepin.access_codes import AccessCodes, Device, Fault, Store
from offlinepin.access_codes.capabilities import duration, time_frame_options
from offlinepin.access_codes.daylight import widened
from offlinepin.access_codes.errors import AccessCodeNotFoundError, CapabilityError, DeviceNotFoundError, InvalidInputError
from offlinepin.access_codes.work import Work
from offlinepin.engine.profile import Profile
from offlinepin.engine.token import DeviceToken
from offlinepin.errors import UnknownTimeZoneError, VendorError
from offlinepin.keys import MasterKey
from offlinepin.vendor import Vendor, load

_HOUR = timedelta(hours=1)


# --- what a device can do -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "marked", "unmarked"),
    [
        (Fault.OFFLINE, "is_device_error", "is_connected_account_error"),
        (Fault.ACCOUNT_DISCONNECTED, "is_connected_account_error", "is_device_error"),
    ],
)
def test_an_error_tells_whether_the_device_or_its_account_is_at_fault(
    codes: AccessCodes, connected: Device, now: datetime, fault: Fault, marked: str, unmarked: str
) -> None:
    codes.simulator(connected.device_id).set_fault(fault, now)
    (error,) = codes.get_device(connected.device_id).model_dump()["errors"]
    assert error[marked] is True
    assert unmarked not in error


def test_an_igloo_lock_shows_its_three_time_frames(igloo: Device) -> None:
    options = {option.display_name: option for option in igloo.properties.offline_time_frame_options}
    hourly, daily, once = options["Hourly"], options["Daily"], options["Onetime"]
    assert (hourly.min_duration, hourly.max_duration, hourly.matching_start_end_time) == ("PT1H", "P28D", False)
    assert (daily.min_duration, daily.max_duration, daily.matching_start_end_time) == ("P29D", "P367D", True)
    assert once.is_one_time_use
    assert options["Permanent"].max_duration is None
    assert hourly.start_date_recurrence_rule == "FREQ=HOURLY;BYMINUTE=0;BYSECOND=0"
    assert igloo.properties.supported_code_lengths == (9,)
    assert igloo.properties.igloohome_metadata is not None
    assert igloo.properties.dormakaba_oracode_metadata is None


def test_an_oracode_door_shows_its_user_levels(codes: AccessCodes, now: datetime) -> None:
    door = codes.register_device("Room 12", "oracode", time_zone="Europe/Berlin", now=now)
    metadata = door.properties.dormakaba_oracode_metadata
    assert metadata is not None
    assert metadata.iana_timezone == "Europe/Berlin"
    slots = {slot.name: slot for slot in metadata.predefined_time_slots}
    assert (slots["Guest"].check_in_time, slots["Guest"].check_out_time, slots["Guest"].prefix) == ("15:00:00", "11:00:00", "1")
    assert slots["Guest"].dormakaba_oracode_user_level_id == "guest"
    assert slots["Guest 24 h"].is_24_hour
    assert slots["Long stay"].is_biweekly_mode
    assert slots["One-shot"].is_one_shot
    assert slots["Master"].is_master
    assert (slots["Staff"].check_in_time, slots["Staff"].check_out_time, slots["Staff"].is_24_hour) == ("07:00:00", "19:00:00", False)
    marks = ("is_24_hour", "is_biweekly_mode", "is_one_shot", "is_master")
    assert not any(getattr(slots["Guest"], mark) for mark in marks)
    options = {option.display_name: option for option in door.properties.offline_time_frame_options}
    assert [(pair.start_time, pair.end_time) for pair in options["Guest"].time_pairs] == [("15:00", "11:00")]
    assert options["Guest"].time_zone == "Europe/Berlin"
    assert "Staff" not in options  # only by its name


def test_levels_can_be_given_as_json(codes: AccessCodes, now: datetime) -> None:
    level = {"id": "7", "name": "Suite", "prefix": "8", "check_in_time": "16:00:00", "check_out_time": "10:00:00"}
    door = codes.register_device("Suite", "oracode", options={"levels": [level], "digits": 8}, time_zone="UTC", now=now)
    metadata = door.properties.dormakaba_oracode_metadata
    assert metadata is not None
    (slot,) = metadata.predefined_time_slots
    assert (slot.name, slot.prefix, slot.check_in_time, slot.dormakaba_oracode_user_level_id) == ("Suite", "8", "16:00:00", "7")


@given(profile=st.from_type(Profile), time_zone=st.sampled_from([None, "Europe/Berlin"]))
def test_every_profile_has_an_option_for_each_kind_that_opens(profile: Profile, time_zone: str | None) -> None:
    options = time_frame_options(Vendor(profile.name, profile), time_zone)
    assert len(options) == sum(kind.action == "unlock" for family in profile.families for kind in family.kinds)
    assert all(option.time_zone is None for option in options)  # these profiles keep UTC
    for option in options:
        assert option.start_date_recurrence_rule.startswith("FREQ=")


@pytest.mark.parametrize("name", ["firstuse", "hotel", "igloo", "netcode", "oracode", "rotating", "standard", "ttlock", "tuya"])
def test_every_vendor_s_options_are_computed(name: str) -> None:
    options = time_frame_options(load(name), "Europe/Berlin")
    assert options
    assert len({option.display_name for option in options}) == len(options)
    for option in options:
        assert option.min_duration is None or option.min_duration.startswith("P")


@given(seconds=st.integers(0, 10**9))
def test_a_duration_is_iso_8601_of_the_same_length(seconds: int) -> None:
    text = duration(seconds)
    days, _, clock = text.removeprefix("P").partition("T")
    total = int(days[:-1]) * 86_400 if days else 0
    number = ""
    for sign in clock:
        if sign.isdigit():
            number += sign
        else:
            total, number = total + int(number) * {"H": 3600, "M": 60, "S": 1}[sign], ""
    assert total == seconds


def test_a_capability_is_true_false_or_left_out(igloo: Device, connected: Device) -> None:
    written = json.loads(igloo.model_dump_json())
    assert written["can_program_offline_access_codes"] is True
    assert "can_program_online_access_codes" not in written
    assert [c["constraint_type"] for c in written["properties"]["code_constraints"]] == ["name_length", "cannot_specify_pin_code"]
    written = json.loads(connected.model_dump_json())
    assert written["can_program_online_access_codes"] is True
    assert "can_program_offline_access_codes" not in written
    assert written["properties"]["max_active_codes_supported"] == 250


# --- registering ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"vendor": "nobody"}, VendorError),
        ({"options": {"digits": 3}}, VendorError),
        ({"options": {"colour": "red"}}, VendorError),
        ({"vendor": None}, InvalidInputError),
        ({"name": ""}, InvalidInputError),
        ({"time_zone": "Mars/Olympus"}, UnknownTimeZoneError),
        ({"plausible_time_zones": ["Mars/Olympus"]}, UnknownTimeZoneError),
        ({"connection": "carrier pigeon"}, InvalidInputError),
        ({"device_id": "front-door"}, InvalidInputError),
    ],
)
def test_a_device_that_makes_no_sense_is_refused(
    codes: AccessCodes, now: datetime, change: dict[str, Any], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        codes.register_device(**{"name": "Front door", "vendor": "igloo", "now": now, **change})
    assert codes.list_devices().items == ()


def test_a_device_has_the_token_of_its_id(codes: AccessCodes, keys: MasterKey, now: datetime) -> None:
    ident = "0B4E2A34-0000-4000-8000-00000000000A"
    device = codes.register_device("Front door", "igloo", device_id=ident, now=now)
    assert device.device_id == ident.lower()
    assert codes.provision(device.device_id).token.export() == keys.token(ident.lower()).export()
    with pytest.raises(InvalidInputError, match="registered already"):
        codes.register_device("Front door", "igloo", device_id=ident, now=now)


def test_an_imported_token_is_the_lock_s(codes: AccessCodes, store: Store, now: datetime) -> None:
    token = DeviceToken(bytes(range(32)), generation=2)
    device = codes.register_device("Front door", "igloo", token=token, now=now)
    store.tokens.clear()
    loaded = codes.provision(device.device_id).token
    assert (loaded.export(), loaded.generation) == (token.export(), 2)
    made = codes.create(device.device_id, is_offline_access_code=True, now=now)
    result = codes.simulate_keypad_code_entry(device.device_id, made.code or "", now=now).result
    assert result == {"opened": True, "action": "unlock"}
    with pytest.raises(InvalidInputError, match="its token already"):
        codes.import_token(device.device_id, token, now=now)


def test_devices_are_listed_and_found(codes: AccessCodes, igloo: Device, connected: Device) -> None:
    assert {one.device_id for one in codes.list_devices().items} == {igloo.device_id, connected.device_id}
    assert codes.get_device(name="Garage") == connected
    assert codes.list_devices(search="front").items == (igloo,)
    assert codes.list_devices(device_type="igloo_lock").items == (igloo,)
    assert codes.list_devices(device_types=["igloo_lock", "simulated_lock"], limit=1).has_next_page
    assert codes.list_devices(manufacturer="igloo").items == (igloo,)
    assert codes.list_devices(device_type="igloo_lock", manufacturer="tuya").items == ()
    assert codes.list_devices(device_ids=[connected.device_id]).items == (connected,)
    with pytest.raises(DeviceNotFoundError):
        codes.get_device(name="Nobody's")
    with pytest.raises(InvalidInputError):
        codes.get_device()
    with pytest.raises(InvalidInputError):
        codes.provision(connected.device_id)


def test_a_removed_device_s_codes_say_so(codes: AccessCodes, igloo: Device, connected: Device, now: datetime) -> None:
    native = codes.create(connected.device_id, sync=True, now=now)
    offline = codes.create(igloo.device_id, is_offline_access_code=True, now=now)
    for device in (igloo, connected):
        codes.remove_device(device.device_id, now=now)
        with pytest.raises(DeviceNotFoundError):
            codes.get_device(device.device_id)
    for made in (native, offline):
        assert [e.error_code for e in codes.get(made.access_code_id).errors] == ["device_removed"]
    assert codes.get(native.access_code_id).status == "unknown"
    assert codes.tick(now + timedelta(days=1)) == 0


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"supported_code_lengths": []},
        {"supported_code_lengths": [3]},
        {"supported_code_lengths": [21]},
        {"supported_code_lengths": [4], "min_code_length": 4, "max_code_length": 5},
        {"min_code_length": 4},
        {"min_code_length": 6, "max_code_length": 5},
        {"min_code_length": 3, "max_code_length": 5},
    ],
)
def test_constraints_that_make_no_sense_are_refused(codes: AccessCodes, connected: Device, given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        codes.report_device_constraints(connected.device_id, **given)
    assert codes.get_device(connected.device_id) == connected


def test_reported_lengths_are_shown(codes: AccessCodes, connected: Device) -> None:
    codes.report_device_constraints(connected.device_id, supported_code_lengths=[8, 6, 6])
    assert codes.get_device(connected.device_id).properties.supported_code_lengths == (6, 8)


def test_the_length_of_offline_codes_is_the_profile_s(codes: AccessCodes, igloo: Device) -> None:
    with pytest.raises(CapabilityError):
        codes.report_device_constraints(igloo.device_id, supported_code_lengths=[6])
    assert codes.get_device(igloo.device_id).properties.supported_code_lengths == (9,)


# --- zones ----------------------------------------------------------------------------------------------------------

_AUTUMN = datetime(2026, 11, 1, 5, tzinfo=UTC)  # Denver's clocks go back at 08:00 UTC on this day, Phoenix' never
_SPRING = datetime(2027, 3, 14, 5, tzinfo=UTC)  # and forward at 09:00 UTC on this one
_EITHER = ("America/Phoenix", "America/Denver")


def test_an_hour_is_added_on_the_side_of_the_change() -> None:
    back = widened(_EITHER, _AUTUMN, _AUTUMN + 6 * _HOUR)
    assert (back.starts_at, back.ends_at, back.is_widened) == (_AUTUMN - _HOUR, _AUTUMN + 6 * _HOUR, True)
    forward = widened(_EITHER, _SPRING, _SPRING + 6 * _HOUR)
    assert (forward.starts_at, forward.ends_at, forward.is_widened) == (_SPRING, _SPRING + 7 * _HOUR, True)
    assert not widened(_EITHER, _AUTUMN + 6 * _HOUR, _AUTUMN + 9 * _HOUR).is_widened
    assert not widened(_EITHER[:1], _AUTUMN, _SPRING + 6 * _HOUR).is_widened
    assert not widened(_EITHER, None, None).is_widened
    both = widened(_EITHER, _AUTUMN, _SPRING + 6 * _HOUR)
    assert (both.starts_at, both.ends_at) == (_AUTUMN - _HOUR, _SPRING + 7 * _HOUR)


def test_a_reported_zone_takes_the_hour_back(codes: AccessCodes, now: datetime) -> None:
    lock = codes.register_device("Gate", None, connection="simulated", plausible_time_zones=_EITHER, now=now)
    made = codes.create(lock.device_id, code="4821", starts_at=_AUTUMN, ends_at=_AUTUMN + 6 * _HOUR, now=now)
    assert [w.warning_code for w in made.warnings] == ["schlage_access_code_ambiguous_timezone_dst_risk"]
    assert (made.starts_at, made.ends_at) == (_AUTUMN, _AUTUMN + 6 * _HOUR)
    codes.tick(_AUTUMN - 2 * _HOUR)
    door = codes.simulator(lock.device_id)
    assert door.codes(now)[0].starts_at == _AUTUMN - _HOUR
    codes.report_provider_metadata(lock.device_id, "America/Denver", now=_AUTUMN - 2 * _HOUR)
    codes.tick(_AUTUMN - 2 * _HOUR)
    assert codes.get(made.access_code_id).warnings == ()
    assert door.codes(now)[0].starts_at == _AUTUMN
    assert codes.get_device(lock.device_id).location.time_zone == "America/Denver"
    with pytest.raises(UnknownTimeZoneError):
        codes.report_provider_metadata(lock.device_id, "Mars/Olympus")


def test_a_lock_that_is_set_up_for_a_zone_keeps_it(codes: AccessCodes, now: datetime) -> None:
    level = {
        "id": "g",
        "name": "Guest",
        "prefix": "1",
        "check_in_time": "15:00:00[Europe/Paris]",
        "check_out_time": "11:00:00[Europe/Paris]",
    }
    door = codes.register_device("Room", "oracode", options={"levels": [level]}, now=now)
    assert door.location.time_zone == "Europe/Paris"
    with pytest.raises(InvalidInputError, match="set up for Europe/Paris"):
        codes.report_provider_metadata(door.device_id, "Europe/Rome", now=now)
    with pytest.raises(InvalidInputError, match="set up for Europe/Paris"):
        codes.register_device("Room", "oracode", options={"levels": [level]}, time_zone="Europe/Rome", now=now)


def test_an_hour_of_safety_that_is_taken_back_is_taken_back_from_codes_on_their_way_too(codes: AccessCodes) -> None:
    now, starts_at, ends_at = (datetime(2026, 10, day, 10, tzinfo=UTC) for day in (20, 24, 26))  # the clocks go back on the 25th
    device = codes.register_device("Shed", None, connection="simulated", plausible_time_zones=["Europe/Berlin"], now=now)
    lock = codes.simulator(device.device_id)
    lock.configure(schedules=False, now=now)
    made = [codes.create(device.device_id, starts_at=starts_at, ends_at=ends_at, now=now) for _ in range(2)]
    half = starts_at - _HOUR / 2
    codes.report_provider_metadata(device.device_id, "Europe/Berlin", now=now)
    codes.tick(half)
    assert lock.codes(half) == ()
    codes.tick(starts_at)
    assert {there.reference for there in lock.codes(starts_at)} == {one.access_code_id for one in made}


def test_a_zone_that_is_reported_within_the_hour_of_safety_takes_the_code_from_the_lock_until_its_start(codes: AccessCodes) -> None:
    now, starts_at, ends_at = (datetime(2026, 10, day, 10, tzinfo=UTC) for day in (20, 24, 26))
    device = codes.register_device("Shed", None, connection="simulated", plausible_time_zones=["Europe/Berlin"], now=now)
    lock = codes.simulator(device.device_id)
    lock.configure(schedules=False, now=now)
    codes.create(device.device_id, starts_at=starts_at, ends_at=ends_at, now=now)
    half = starts_at - _HOUR / 2
    codes.tick(half)
    assert len(lock.codes(half)) == 1
    codes.report_provider_metadata(device.device_id, "Europe/Berlin", now=half)
    codes.tick(half)
    assert lock.codes(half) == ()
    codes.tick(starts_at)
    assert len(lock.codes(starts_at)) == 1


def test_zones_of_several_devices_are_told_all_or_none(codes: AccessCodes, now: datetime) -> None:
    one, other = (codes.register_device(name, None, connection="simulated", now=now).device_id for name in ("a", "b"))
    for wrong in ({one: "Europe/Berlin", other: "Mars/Phobos"}, {one: "Europe/Berlin", "nobody": "Europe/Berlin"}):
        with pytest.raises((UnknownTimeZoneError, DeviceNotFoundError)):
            codes.report_time_zones(wrong, now=now)
        assert codes.get_device(one).location.time_zone is None
    codes.report_time_zones({one: "Europe/Berlin", other: "UTC"}, now=now)
    assert [codes.get_device(ident).location.time_zone for ident in (one, other)] == ["Europe/Berlin", "UTC"]


def test_a_removed_device_s_codes_wait_for_nothing(codes: AccessCodes, connected: Device, now: datetime) -> None:
    begun, deleted = (codes.create(connected.device_id, now=now) for _ in range(2))
    codes.delete(deleted.access_code_id, now=now)
    codes.remove_device(connected.device_id, now=now)
    shown = codes.get(begun.access_code_id)
    assert (shown.status, shown.pending_mutations) == ("unknown", ())
    with pytest.raises(AccessCodeNotFoundError):
        codes.get(deleted.access_code_id)


@given(zones=st.lists(st.sampled_from(["Europe/Berlin", "America/New_York", "Pacific/Chatham", "UTC", "Africa/Casablanca"]), max_size=2))
def test_a_time_frame_without_a_near_end_is_as_one_of_eighty_years(zones: list[str]) -> None:
    start = datetime(2026, 7, 1, tzinfo=UTC)
    far, near = (widened(zones, start, datetime(year, 7, 1, tzinfo=UTC)) for year in (9990, 2106))
    assert (far.starts_at, far.is_widened) == (near.starts_at, near.is_widened)
    assert (far.ends_at == datetime(9990, 7, 1, tzinfo=UTC)) == (near.ends_at == datetime(2106, 7, 1, tzinfo=UTC))


def test_a_code_that_was_made_while_its_device_was_removed_goes_nowhere(
    codes: AccessCodes, store: Store, connected: Device, now: datetime
) -> None:
    """Over PostgreSQL neither waits for the other, so that the code can be kept after the device went."""
    made, deleted = (codes.create(connected.device_id, now=now) for _ in range(2))
    codes.delete(deleted.access_code_id, now=now)
    lock = codes.simulator(connected.device_id)

    def remove(work: Work) -> None:
        work.device(codes.workspace_id, connected.device_id, change=True).removed_at = now

    store.write(remove, now)
    codes.tick(now)
    assert lock.codes(now) == ()
    shown = codes.get(made.access_code_id)
    assert (shown.status, [problem.error_code for problem in shown.errors]) == ("unknown", ["device_removed"])
    with pytest.raises(AccessCodeNotFoundError):
        codes.get(deleted.access_code_id)


def test_a_code_that_was_made_while_its_device_went_to_another_workspace_goes_nowhere(
    codes: AccessCodes, store: Store, connected: Device, now: datetime
) -> None:
    made = codes.create(connected.device_id, now=now)
    other = store.create_workspace("other", now=now)

    def transfer(work: Work) -> None:
        work.device(codes.workspace_id, connected.device_id, change=True).workspace_id = other

    store.write(transfer, now)
    codes.tick(now)
    assert codes.get(made.access_code_id).status == "unknown"
    assert AccessCodes(store, other).simulator(connected.device_id).codes(now) == ()
