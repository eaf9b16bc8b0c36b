"""Offline access codes: real codes through any vendor, which open the simulated lock in their time and at no other."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from offlinepin.access_codes import AccessCodes, Device, Store
from offlinepin.access_codes.errors import AccessCodeNotFoundError, CapabilityError, InvalidInputError, NotChangeableError
from offlinepin.engine.token import DeviceToken
from offlinepin.errors import (
    AmbiguousTimeError,
    EndBeforeStartError,
    EndInPastError,
    ExhaustedError,
    InvalidTimeRangeError,
    OfflinepinError,
    StayError,
    TimeZoneRequiredError,
)
from offlinepin.keys import MasterKey

Opens = Callable[[str, str | None, datetime], bool]
_HOUR = timedelta(hours=1)
_SECOND = timedelta(seconds=1)
BERLIN_CHECK_IN = datetime(2026, 7, 3, 13, tzinfo=UTC)  # 15:00 in Berlin
BERLIN_CHECK_OUT = datetime(2026, 7, 6, 9, tzinfo=UTC)  # 11:00 in Berlin


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ahead=st.integers(-12, 5000), hours=st.integers(1, 672), inside=st.integers(0, 24 * 3600 - 1))
def test_an_hourly_code_opens_in_its_time_and_at_no_other(
    codes: AccessCodes, opens: Opens, now: datetime, ahead: int, hours: int, inside: int
) -> None:
    device = codes.register_device("door", "igloo", now=now)
    starts_at = now.replace(minute=0, second=0, microsecond=0) + ahead * _HOUR
    ends_at = starts_at + hours * _HOUR
    if ends_at <= now:
        return
    made = codes.create(device.device_id, is_offline_access_code=True, starts_at=starts_at, ends_at=ends_at, now=now)
    assert made.starts_at is not None
    assert made.ends_at is not None
    assert (made.starts_at, made.ends_at) == (starts_at, ends_at)
    assert not opens(device.device_id, made.code, made.starts_at - _SECOND)
    first = made.starts_at + min(inside * _SECOND, ends_at - starts_at - _SECOND)
    assert opens(device.device_id, made.code, first)
    assert opens(device.device_id, made.code, made.ends_at - _SECOND)
    assert not opens(device.device_id, made.code, made.ends_at)


def test_an_offline_code_is_set_at_once(codes: AccessCodes, igloo: Device, now: datetime) -> None:
    made = codes.create(igloo.device_id, name="Ann", is_offline_access_code=True, starts_at=now + _HOUR, ends_at=now + 30 * _HOUR, now=now)
    assert made.status == "set"
    assert made.type == "time_bound"
    assert made.name == "Ann"
    assert made.is_managed
    assert made.is_offline_access_code
    assert made.is_scheduled_on_device
    assert not made.is_waiting_for_code_assignment
    assert not made.is_one_time_use
    assert made.created_at == now
    assert made.device_id == igloo.device_id
    assert made.workspace_id == codes.workspace_id
    assert codes.get(made.access_code_id) == made


def test_a_code_that_must_be_used_within_24_hours_says_so(codes: AccessCodes, igloo: Device, opens: Opens, now: datetime) -> None:
    made = codes.create(igloo.device_id, is_offline_access_code=True, starts_at=now, ends_at=now + timedelta(days=5), now=now)
    (warned,) = made.warnings
    assert warned.warning_code == "igloo_algopin_must_be_used_within_24_hours"
    assert "2026-07-02T12:00:00.000000Z" in warned.message
    assert not opens(igloo.device_id, made.code, now + timedelta(days=2))
    short = codes.create(igloo.device_id, is_offline_access_code=True, starts_at=now, ends_at=now + 20 * _HOUR, now=now)
    assert short.warnings == ()


def test_a_daily_code_and_a_one_time_code_follow_their_kinds(codes: AccessCodes, igloo: Device, opens: Opens, now: datetime) -> None:
    noon = now.replace(minute=0, second=0, microsecond=0)
    daily = codes.create(igloo.device_id, is_offline_access_code=True, starts_at=noon, ends_at=noon + timedelta(days=40), now=now)
    assert daily.ends_at == noon + timedelta(days=40)
    once = codes.create(igloo.device_id, is_offline_access_code=True, is_one_time_use=True, starts_at=noon, now=now)
    assert once.is_one_time_use
    assert once.ends_at == noon + timedelta(days=1)
    assert opens(igloo.device_id, once.code, now)
    assert not opens(igloo.device_id, once.code, now + _HOUR)
    assert opens(igloo.device_id, daily.code, now + 2 * _HOUR)


def test_a_code_without_an_end_is_ongoing(codes: AccessCodes, igloo: Device, opens: Opens, now: datetime) -> None:
    made = codes.create(igloo.device_id, is_offline_access_code=True, now=now)
    assert made.type == "ongoing"
    assert made.ends_at is None
    assert opens(igloo.device_id, made.code, now + _HOUR)
    assert opens(igloo.device_id, made.code, now + timedelta(days=800))


def test_times_are_rounded_outward_and_by_a_day_on_request_only(codes: AccessCodes, igloo: Device, now: datetime) -> None:
    made = codes.create(igloo.device_id, is_offline_access_code=True, starts_at=now, ends_at=now + 2 * _HOUR, now=now)
    assert made.starts_at == now.replace(minute=0, second=0, microsecond=0)
    assert made.ends_at == now.replace(hour=15, minute=0, second=0, microsecond=0)
    ask: dict[str, Any] = {"is_offline_access_code": True, "starts_at": now, "ends_at": now + timedelta(days=30, hours=5), "now": now}
    with pytest.raises(InvalidTimeRangeError):
        codes.create(igloo.device_id, **ask)
    wide = codes.create(igloo.device_id, max_time_rounding="1day", **ask)
    assert wide.ends_at is not None
    assert wide.ends_at - ask["ends_at"] < timedelta(days=1)
    with pytest.raises(OfflinepinError):
        codes.create(igloo.device_id, **{**ask, "max_time_rounding": "2days"})


def test_no_two_guests_get_one_code_and_a_spent_time_frame_says_so(codes: AccessCodes, igloo: Device, now: datetime) -> None:
    ask: dict[str, Any] = {"is_offline_access_code": True, "starts_at": now, "ends_at": now + _HOUR, "now": now}
    made = [codes.create(igloo.device_id, **ask).code for _ in range(3)]
    assert len(set(made)) == 3
    with pytest.raises(ExhaustedError):
        codes.create(igloo.device_id, **ask)
    assert len(codes.list(device_id=igloo.device_id).items) == 3


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"ends_at": datetime(2026, 7, 1, 11, tzinfo=UTC)}, EndInPastError),
        ({"starts_at": datetime(2026, 7, 2, tzinfo=UTC), "ends_at": datetime(2026, 7, 1, 20, tzinfo=UTC)}, EndBeforeStartError),
        ({"code": "1234"}, InvalidInputError),
        ({"use_backup_access_code_pool": True}, InvalidInputError),
        ({"user_level": "Guest"}, OfflinepinError),
        ({"name": ""}, InvalidInputError),
        ({"preferred_code_length": 99}, InvalidInputError),
        ({"starts_at": datetime(2026, 7, 2)}, OfflinepinError),  # noqa: DTZ001 - naive on purpose
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    codes: AccessCodes, igloo: Device, now: datetime, change: dict[str, Any], refusal: type[Exception]
) -> None:
    ask = {"is_offline_access_code": True, "ends_at": now + 5 * _HOUR, "now": now, **change}
    with pytest.raises(refusal):
        codes.create(igloo.device_id, **ask)
    assert codes.list(device_id=igloo.device_id).items == ()
    assert codes.list_events().items == ()


def test_a_device_without_a_vendor_has_no_offline_codes(codes: AccessCodes, connected: Device, now: datetime) -> None:
    with pytest.raises(CapabilityError, match="registered without a vendor"):
        codes.create(connected.device_id, is_offline_access_code=True, now=now)


def test_a_device_without_a_connection_has_no_online_codes(codes: AccessCodes, igloo: Device, now: datetime) -> None:
    with pytest.raises(CapabilityError, match="is_offline_access_code=true"):
        codes.create(igloo.device_id, now=now)


# --- ends, deletions, revocations -----------------------------------------------------------------------------------


def test_an_offline_code_is_gone_when_its_time_is_over(codes: AccessCodes, igloo: Device, now: datetime) -> None:
    made = codes.create(igloo.device_id, is_offline_access_code=True, starts_at=now, ends_at=now + 2 * _HOUR, now=now)
    assert made.ends_at is not None
    assert codes.tick(made.ends_at - _SECOND) == 0
    assert codes.get(made.access_code_id).status == "set"
    assert codes.tick(made.ends_at) == 1
    with pytest.raises(AccessCodeNotFoundError):
        codes.get(made.access_code_id)
    assert [e.event_type for e in codes.get_timeline(made.access_code_id)][:2] == [
        "access_code.deleted",
        "access_code.removed_from_device",
    ]


def test_deleting_gives_a_code_that_kills_it_at_the_lock(codes: AccessCodes, igloo: Device, opens: Opens, now: datetime) -> None:
    made = codes.create(igloo.device_id, is_offline_access_code=True, starts_at=now, ends_at=now + 9 * _HOUR, now=now)
    assert opens(igloo.device_id, made.code, now)
    attempt = codes.delete(made.access_code_id, now=now)
    assert attempt.status == "success"
    assert attempt.result is not None
    assert codes.get_action_attempt(attempt.action_attempt_id) == attempt
    left = codes.get(made.access_code_id)
    assert left.status == "removing"
    assert [w.warning_code for w in left.warnings] == ["being_deleted"]
    assert [m.mutation_code for m in left.pending_mutations] == ["deleting"]
    assert opens(igloo.device_id, made.code, now + _HOUR)  # the lock cannot know yet
    assert codes.delete(made.access_code_id, now=now).result == attempt.result  # asked again, it is the same
    assert not opens(igloo.device_id, attempt.result["revoke_code"]["code"], now + _HOUR)  # it kills, and does not open
    with pytest.raises(AccessCodeNotFoundError):
        codes.get(made.access_code_id)
    assert not opens(igloo.device_id, made.code, now + 2 * _HOUR)
    assert "access_code.removed_from_device" in [e.event_type for e in codes.get_timeline(made.access_code_id)]


def test_a_revocation_at_the_lock_can_be_reported(codes: AccessCodes, igloo: Device, now: datetime) -> None:
    made = codes.create(igloo.device_id, is_offline_access_code=True, starts_at=now, ends_at=now + 9 * _HOUR, now=now)
    with pytest.raises(InvalidInputError):
        codes.report_removed(made.access_code_id, now=now)
    codes.delete(made.access_code_id, now=now)
    codes.report_removed(made.access_code_id, now=now)
    with pytest.raises(AccessCodeNotFoundError):
        codes.get(made.access_code_id)


def test_a_deleted_code_that_nobody_revoked_goes_with_its_end(codes: AccessCodes, igloo: Device, now: datetime) -> None:
    made = codes.create(igloo.device_id, is_offline_access_code=True, starts_at=now, ends_at=now + 2 * _HOUR, now=now)
    codes.delete(made.access_code_id, now=now)
    codes.tick(now + 3 * _HOUR)
    with pytest.raises(AccessCodeNotFoundError):
        codes.get(made.access_code_id)


# --- user levels ----------------------------------------------------------------------------------------------------


@pytest.fixture
def oracode(codes: AccessCodes, now: datetime) -> Device:
    """A door with user levels in Berlin."""
    return codes.register_device("Room 12", "oracode", time_zone="Europe/Berlin", now=now)


def test_a_stay_gets_its_level_s_times_and_shows_its_metadata(codes: AccessCodes, oracode: Device, opens: Opens, now: datetime) -> None:
    made = codes.create(
        oracode.device_id, is_offline_access_code=True, starts_at=BERLIN_CHECK_IN + _HOUR / 2, ends_at=BERLIN_CHECK_OUT, now=now
    )
    assert (made.starts_at, made.ends_at) == (BERLIN_CHECK_IN, BERLIN_CHECK_OUT)
    stay = made.dormakaba_oracode_metadata
    assert stay is not None
    assert (stay.user_level_id, stay.user_level_name, stay.site_name) == ("guest", "Guest", "Room 12")
    assert stay.is_cancellable
    assert stay.is_extendable
    assert stay.is_early_checkin_able
    assert stay.is_overridable
    assert "dormakaba_oracode_metadata" in made.model_dump_json()
    assert opens(oracode.device_id, made.code, BERLIN_CHECK_IN)
    assert not opens(oracode.device_id, made.code, BERLIN_CHECK_OUT + timedelta(minutes=11))  # the lock allows ten


def test_only_codes_of_doors_with_levels_have_the_metadata(codes: AccessCodes, igloo: Device, now: datetime) -> None:
    made = codes.create(igloo.device_id, is_offline_access_code=True, now=now)
    assert made.dormakaba_oracode_metadata is None
    assert "dormakaba_oracode_metadata" not in made.model_dump_json()


def test_a_level_can_be_named(codes: AccessCodes, oracode: Device, now: datetime) -> None:
    midnight = datetime(2026, 7, 2, 22, tzinfo=UTC)  # in Berlin
    made = codes.create(
        oracode.device_id,
        is_offline_access_code=True,
        starts_at=midnight,
        ends_at=midnight + timedelta(days=2),
        user_level="Guest 24 h",
        now=now,
    )
    assert made.dormakaba_oracode_metadata is not None
    assert made.dormakaba_oracode_metadata.user_level_name == "Guest 24 h"
    assert made.code is not None
    assert made.code.startswith("2")


def test_a_time_frame_that_no_level_has_is_refused(codes: AccessCodes, oracode: Device, now: datetime) -> None:
    with pytest.raises(InvalidTimeRangeError):
        codes.create(
            oracode.device_id, is_offline_access_code=True, starts_at=BERLIN_CHECK_IN + 5 * _HOUR, ends_at=BERLIN_CHECK_OUT, now=now
        )


def test_another_time_frame_is_another_code_whose_first_use_ends_the_one_before(
    codes: AccessCodes, oracode: Device, opens: Opens, now: datetime
) -> None:
    made = codes.create(oracode.device_id, is_offline_access_code=True, starts_at=BERLIN_CHECK_IN, ends_at=BERLIN_CHECK_OUT, now=now)
    assert codes.update(made.access_code_id, ends_at=BERLIN_CHECK_OUT + timedelta(days=2), now=now).status == "success"
    longer = codes.get(made.access_code_id)
    assert longer.code != made.code
    assert longer.ends_at == BERLIN_CHECK_OUT + timedelta(days=2)
    assert longer.dormakaba_oracode_metadata is not None
    assert made.dormakaba_oracode_metadata is not None
    assert longer.dormakaba_oracode_metadata.stay_id == made.dormakaba_oracode_metadata.stay_id
    assert opens(oracode.device_id, made.code, BERLIN_CHECK_IN)
    assert opens(oracode.device_id, longer.code, BERLIN_CHECK_IN + _HOUR)
    assert not opens(oracode.device_id, made.code, BERLIN_CHECK_IN + 2 * _HOUR)
    assert codes.get(made.access_code_id).status == "set"  # it is the same access code
    told = {e.event_type for e in codes.get_timeline(made.access_code_id)}
    assert {"access_code.changed", "access_code.code_changed", "access_code.time_frame_changed"} <= told


def test_a_new_guest_s_first_use_replaces_the_guest_before(codes: AccessCodes, oracode: Device, opens: Opens, now: datetime) -> None:
    ask: dict[str, Any] = {"is_offline_access_code": True, "now": now}
    one = codes.create(oracode.device_id, starts_at=BERLIN_CHECK_IN, ends_at=BERLIN_CHECK_OUT, **ask)
    other = codes.create(
        oracode.device_id, starts_at=BERLIN_CHECK_IN + timedelta(days=1), ends_at=BERLIN_CHECK_OUT + timedelta(days=1), **ask
    )
    assert opens(oracode.device_id, one.code, BERLIN_CHECK_IN)
    assert opens(oracode.device_id, other.code, BERLIN_CHECK_IN + timedelta(days=1))
    replaced = codes.get(one.access_code_id)
    assert replaced.status == "unset"
    assert [e.error_code for e in replaced.errors] == ["replaced_by_newer_access_code"]
    assert codes.get(other.access_code_id).errors == ()
    assert "does not open" in codes.explain(one.access_code_id).reasons[0]


def test_an_early_check_in_is_a_code_from_the_day_before(codes: AccessCodes, oracode: Device, opens: Opens, now: datetime) -> None:
    made = codes.create(oracode.device_id, is_offline_access_code=True, starts_at=BERLIN_CHECK_IN, ends_at=BERLIN_CHECK_OUT, now=now)
    codes.update(made.access_code_id, starts_at=BERLIN_CHECK_IN - timedelta(days=1), now=now)
    early = codes.get(made.access_code_id)
    assert opens(oracode.device_id, early.code, BERLIN_CHECK_IN - timedelta(days=1))


def test_a_stay_whose_overrides_are_spent_can_be_overridden_no_more(codes: AccessCodes, now: datetime) -> None:
    level = {"id": "g", "name": "Guest", "prefix": "1", "check_in_time": "15:00:00", "check_out_time": "11:00:00", "overrides": 1}
    device = codes.register_device("Room 13", "oracode", options={"levels": [level]}, time_zone="Europe/Berlin", now=now)
    made = codes.create(device.device_id, is_offline_access_code=True, starts_at=BERLIN_CHECK_IN, ends_at=BERLIN_CHECK_OUT, now=now)
    stay = made.dormakaba_oracode_metadata
    assert stay is not None
    assert not stay.is_overridable
    assert not stay.is_early_checkin_able
    with pytest.raises((StayError, ExhaustedError)):
        codes.update(made.access_code_id, starts_at=BERLIN_CHECK_IN - timedelta(days=1), now=now)
    assert codes.get(made.access_code_id) == made


def test_what_no_later_code_supersedes_keeps_its_time_frame_but_not_its_name(codes: AccessCodes, igloo: Device, now: datetime) -> None:
    made = codes.create(igloo.device_id, is_offline_access_code=True, starts_at=now, ends_at=now + 9 * _HOUR, now=now)
    with pytest.raises(NotChangeableError, match="supersedes"):
        codes.update(made.access_code_id, ends_at=now + 19 * _HOUR, now=now)
    with pytest.raises(InvalidInputError):
        codes.update(made.access_code_id, code="1234", now=now)
    codes.update(made.access_code_id, name="Bob", now=now)
    assert codes.get(made.access_code_id).name == "Bob"
    assert codes.get(made.access_code_id).code == made.code


# --- tokens and zones -----------------------------------------------------------------------------------------------


def test_a_code_waits_for_its_device_s_token(codes: AccessCodes, opens: Opens, now: datetime) -> None:
    device = codes.register_device("Shed", "igloo", token=None, now=now)
    assert device.can_program_offline_access_codes is False
    assert [e.error_code for e in device.errors] == ["missing_device_credentials"]
    made = codes.create(device.device_id, is_offline_access_code=True, starts_at=now, ends_at=now + 9 * _HOUR, now=now)
    assert made.code is None
    assert made.is_waiting_for_code_assignment
    assert made.status == "unset"
    assert [e.error_code for e in made.errors] == ["missing_device_credentials"]
    assert "no token" in codes.explain(made.access_code_id).reasons[0]
    codes.tick(now)
    assert codes.get(made.access_code_id) == made
    codes.import_token(device.device_id, DeviceToken(bytes(range(32, 64))), now=now)
    codes.tick(now + _HOUR)
    given = codes.get(made.access_code_id)
    assert given.status == "set"
    assert not given.is_waiting_for_code_assignment
    assert given.errors == ()
    assert opens(device.device_id, given.code, now + _HOUR)
    assert codes.get_device(device.device_id).can_program_offline_access_codes is True


def test_a_waiting_code_that_no_level_fits_says_so(codes: AccessCodes, now: datetime) -> None:
    device = codes.register_device("Room 14", "oracode", time_zone="Europe/Berlin", token=None, now=now)
    made = codes.create(
        device.device_id, is_offline_access_code=True, starts_at=BERLIN_CHECK_IN + 5 * _HOUR, ends_at=BERLIN_CHECK_OUT, now=now
    )
    codes.import_token(device.device_id, DeviceToken(bytes(32)), now=now)
    codes.tick(now)
    found = codes.get(made.access_code_id)
    assert [e.error_code for e in found.errors] == ["dormakaba_oracode_invalid_time_range"]
    assert found.status == "unset"
    assert "No code could be made" in codes.explain(made.access_code_id).reasons[0]
    assert codes.tick(now + _HOUR) == 0  # it is not tried for ever
    codes.delete(made.access_code_id, now=now)
    with pytest.raises(AccessCodeNotFoundError):
        codes.get(made.access_code_id)


def test_a_waiting_code_goes_with_its_end(codes: AccessCodes, now: datetime) -> None:
    device = codes.register_device("Shed", "igloo", token=None, now=now)
    made = codes.create(device.device_id, is_offline_access_code=True, starts_at=now, ends_at=now + _HOUR, now=now)
    codes.tick(now + 2 * _HOUR)
    with pytest.raises(AccessCodeNotFoundError):
        codes.get(made.access_code_id)


def test_a_civil_lock_of_unknown_zone_gets_no_codes_until_its_zone_is_reported(codes: AccessCodes, now: datetime) -> None:
    device = codes.register_device("Room 15", "oracode", now=now)
    assert device.can_program_offline_access_codes is False
    ask: dict[str, Any] = {"is_offline_access_code": True, "starts_at": BERLIN_CHECK_IN, "ends_at": BERLIN_CHECK_OUT, "now": now}
    with pytest.raises(TimeZoneRequiredError):
        codes.create(device.device_id, **ask)
    codes.report_provider_metadata(device.device_id, "Europe/Berlin", now=now)
    assert codes.create(device.device_id, **ask).starts_at == BERLIN_CHECK_IN


def test_a_lock_that_may_be_in_two_zones_gets_an_hour_of_safety_over_a_change(codes: AccessCodes, now: datetime) -> None:
    device = codes.register_device("Gate", "netcode", plausible_time_zones=["America/Phoenix", "America/Denver"], now=now)
    starts_at = datetime(2026, 11, 1, 5, tzinfo=UTC)  # Denver's clocks go back at 08:00 UTC
    over = codes.create(device.device_id, is_offline_access_code=True, starts_at=starts_at, ends_at=starts_at + 6 * _HOUR, now=now)
    assert [w.warning_code for w in over.warnings] == ["schlage_access_code_ambiguous_timezone_dst_risk"]
    assert over.starts_at == starts_at - _HOUR
    assert over.ends_at == starts_at + 6 * _HOUR


def test_a_local_time_that_happens_twice_is_refused(codes: AccessCodes, igloo: Device, now: datetime) -> None:
    twice = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    with pytest.raises(AmbiguousTimeError):
        codes.create(igloo.device_id, is_offline_access_code=True, starts_at=twice, ends_at=twice + 9 * _HOUR, now=now)


@pytest.mark.parametrize("vendor", ["firstuse", "hotel", "igloo", "netcode", "rotating", "standard", "ttlock", "tuya", "oracode"])
def test_every_installed_vendor_s_codes_open_its_lock(codes: AccessCodes, opens: Opens, now: datetime, vendor: str) -> None:
    device = codes.register_device(vendor, vendor, time_zone="Europe/Berlin", now=now)
    by_date = vendor in ("hotel", "oracode")
    starts_at = BERLIN_CHECK_IN if by_date else now.replace(hour=16, minute=0, second=0, microsecond=0)
    ends_at = BERLIN_CHECK_OUT if by_date else starts_at + 4 * _HOUR
    ask: dict[str, Any] = {"is_offline_access_code": True, "starts_at": starts_at, "ends_at": ends_at, "now": now}
    made = codes.create(device.device_id, **ask)
    assert made.starts_at is not None
    assert opens(device.device_id, made.code, max(made.starts_at, starts_at))


_PLAIN = """
from offlinepin.engine.profile import Action, Profile
from offlinepin.vendor import Vendor, load

def plain():
    document = load("igloo").profile.model_dump()
    opens = lambda family: all(kind["action"] == Action.UNLOCK for kind in family["kinds"])
    return Vendor("plain", Profile.model_validate({**document, "families": tuple(f for f in document["families"] if opens(f))}))
"""


@pytest.fixture
def plain(codes: AccessCodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: datetime) -> Device:
    """A lock of a plug-in whose profile has no service codes, as a plug-in of somebody else's may be."""
    (tmp_path / "plain_plug_in.py").write_text(_PLAIN)
    about = tmp_path / "plain_plug_in-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: plain-plug-in\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[offlinepin.vendors]\nplain = plain_plug_in:plain\n")
    monkeypatch.syspath_prepend(tmp_path)
    return codes.register_device("Plain", "plain", now=now)


def test_a_lock_without_revoke_codes_is_said_to_open_until_the_code_ends(codes: AccessCodes, plain: Device, now: datetime) -> None:
    made = codes.create(plain.device_id, is_offline_access_code=True, starts_at=now, ends_at=now + _HOUR, now=now)
    assert codes.delete(made.access_code_id, now=now).result == {"message": "The lock cannot be told to forget the code."}
    found = codes.get(made.access_code_id)
    assert (found.status, [w.warning_code for w in found.warnings]) == ("removing", ["being_deleted", "delay_in_removing_from_device"])
    reasons = codes.explain(made.access_code_id).reasons
    assert reasons[0] == "It is deleted here, and still opens the lock, which has no revoke codes."
    assert reasons[1].startswith("It ends at 2026-07-01T14:00")
    codes.tick(now + 2 * _HOUR)
    with pytest.raises(AccessCodeNotFoundError):
        codes.get(made.access_code_id)


def test_an_endless_code_that_nothing_revokes_cannot_be_removed(codes: AccessCodes, plain: Device, now: datetime) -> None:
    made = codes.create(plain.device_id, is_offline_access_code=True, starts_at=now, now=now)
    assert made.type == "ongoing"
    codes.delete(made.access_code_id, now=now)
    found = codes.get(made.access_code_id)
    assert (found.status, [e.error_code for e in found.errors]) == ("removing", ["failed_to_remove_from_device"])
    assert codes.list_events(event_type="access_code.failed_to_remove_from_device").items[0].access_code_id == made.access_code_id
    assert "no revoke codes" in codes.explain(made.access_code_id).reasons[0]
    codes.tick(now + 9999 * _HOUR)
    assert codes.get(made.access_code_id).status == "removing"


def test_an_offline_code_never_has_the_digits_of_a_native_one(
    codes: AccessCodes, keys: MasterKey, tmp_path: Path, opens: Opens, now: datetime
) -> None:
    device = codes.register_device("door", "igloo", connection="simulated", now=now)
    codes.report_device_constraints(device.device_id, supported_code_lengths=[9], now=now)
    ends_at = now + 4 * _HOUR
    with closing(Store.open(tmp_path / "twin.db", keys)) as store:  # tells what would come
        twin = AccessCodes(store, store.create_workspace("twin", now=now))
        twin.register_device("door", "igloo", device_id=device.device_id, now=now)
        coming = twin.create(device.device_id, is_offline_access_code=True, starts_at=now, ends_at=ends_at, now=now).code
    codes.create(device.device_id, code=coming, now=now)
    made = codes.create(device.device_id, is_offline_access_code=True, starts_at=now, ends_at=ends_at, now=now)
    assert made.code != coming
    assert opens(device.device_id, made.code, now)


def _told(codes: AccessCodes, access_code_id: str) -> list[str]:
    return [event.event_type.removeprefix("access_code.") for event in reversed(codes.get_timeline(access_code_id))]


@pytest.mark.parametrize("end", ["expired", "deleted"])
def test_a_code_that_opened_its_once_is_no_more_set_and_goes_without_another_word(
    codes: AccessCodes, igloo: Device, opens: Opens, now: datetime, end: str
) -> None:
    once = codes.create(igloo.device_id, is_offline_access_code=True, is_one_time_use=True, starts_at=now, now=now)
    assert once.ends_at is not None
    assert opens(igloo.device_id, once.code, now)
    used = codes.get(once.access_code_id)
    assert (used.status, used.is_scheduled_on_device, used.errors) == ("unset", False, ())
    if end == "deleted":
        codes.delete(once.access_code_id, now=now)
    else:
        codes.tick(once.ends_at)
    assert _told(codes, once.access_code_id) == ["created", "scheduled_on_device", "set_on_device", "removed_from_device", "deleted"]


def test_a_deleted_code_that_the_lock_has_done_away_with_is_gone(codes: AccessCodes, igloo: Device, opens: Opens, now: datetime) -> None:
    once = codes.create(igloo.device_id, is_offline_access_code=True, is_one_time_use=True, starts_at=now, now=now)
    codes.delete(once.access_code_id, now=now)
    assert codes.get(once.access_code_id).status == "removing"
    assert opens(igloo.device_id, once.code, now)  # its revoke code was not typed
    with pytest.raises(AccessCodeNotFoundError):
        codes.get(once.access_code_id)


def test_a_replaced_code_is_removed_once(codes: AccessCodes, oracode: Device, opens: Opens, now: datetime) -> None:
    one, other = (
        codes.create(
            oracode.device_id,
            is_offline_access_code=True,
            starts_at=BERLIN_CHECK_IN + timedelta(days=day),
            ends_at=BERLIN_CHECK_OUT + timedelta(days=day),
            now=now,
        )
        for day in range(2)
    )
    assert opens(oracode.device_id, other.code, BERLIN_CHECK_IN + timedelta(days=1))
    codes.tick(BERLIN_CHECK_OUT)
    assert _told(codes, one.access_code_id).count("removed_from_device") == 1


@pytest.mark.parametrize("first_used", [True, False])
@pytest.mark.parametrize("order", [1, -1])
def test_a_code_that_was_changed_and_deleted_opens_in_no_form_once_all_revoke_codes_are_typed(
    codes: AccessCodes, oracode: Device, opens: Opens, now: datetime, first_used: bool, order: int
) -> None:
    made = codes.create(oracode.device_id, is_offline_access_code=True, starts_at=BERLIN_CHECK_IN, ends_at=BERLIN_CHECK_OUT, now=now)
    if first_used:
        assert opens(oracode.device_id, made.code, BERLIN_CHECK_IN)
    codes.update(made.access_code_id, ends_at=BERLIN_CHECK_OUT + timedelta(days=1), now=BERLIN_CHECK_IN)
    later = codes.get(made.access_code_id)
    result = codes.delete(made.access_code_id, now=BERLIN_CHECK_IN).result
    assert result is not None
    for revoke in [result["revoke_code"], *result["earlier_revoke_codes"]][::order]:
        assert codes.get(made.access_code_id).status == "removing"
        codes.simulate_keypad_code_entry(oracode.device_id, revoke["code"], now=BERLIN_CHECK_IN + _HOUR)
    with pytest.raises(AccessCodeNotFoundError):
        codes.get(made.access_code_id)
    for code in (made.code, later.code):
        assert not opens(oracode.device_id, code, BERLIN_CHECK_IN + 2 * _HOUR)


def test_a_changed_code_whose_use_ended_the_one_before_needs_one_revoke_code(
    codes: AccessCodes, oracode: Device, opens: Opens, now: datetime
) -> None:
    made = codes.create(oracode.device_id, is_offline_access_code=True, starts_at=BERLIN_CHECK_IN, ends_at=BERLIN_CHECK_OUT, now=now)
    codes.update(made.access_code_id, ends_at=BERLIN_CHECK_OUT + timedelta(days=1), now=BERLIN_CHECK_IN)
    assert opens(oracode.device_id, codes.get(made.access_code_id).code, BERLIN_CHECK_IN)
    result = codes.delete(made.access_code_id, now=BERLIN_CHECK_IN).result
    assert result is not None
    assert "earlier_revoke_codes" not in result


def test_a_stay_that_was_shortened_is_not_over_while_its_first_code_opens(
    codes: AccessCodes, oracode: Device, opens: Opens, now: datetime
) -> None:
    made = codes.create(oracode.device_id, is_offline_access_code=True, starts_at=BERLIN_CHECK_IN, ends_at=BERLIN_CHECK_OUT, now=now)
    early = BERLIN_CHECK_OUT - timedelta(days=1)
    codes.update(made.access_code_id, ends_at=early, now=BERLIN_CHECK_IN)
    codes.tick(early)
    shown = codes.get(made.access_code_id)
    assert (shown.status, shown.code, shown.ends_at) == ("removing", made.code, BERLIN_CHECK_OUT)
    assert [w.warning_code for w in shown.warnings] == ["delay_in_removing_from_device"]
    assert "had before a change" in codes.explain(made.access_code_id).reasons[0]
    assert opens(oracode.device_id, made.code, early)
    codes.tick(BERLIN_CHECK_OUT)
    with pytest.raises(AccessCodeNotFoundError):
        codes.get(made.access_code_id)
    assert _told(codes, made.access_code_id)[-3:] == ["delay_in_removing_from_device", "removed_from_device", "deleted"]


def test_a_code_that_is_deleted_at_its_end_still_tells_of_the_code_before_it(codes: AccessCodes, oracode: Device, now: datetime) -> None:
    made = codes.create(oracode.device_id, is_offline_access_code=True, starts_at=BERLIN_CHECK_IN, ends_at=BERLIN_CHECK_OUT, now=now)
    early = BERLIN_CHECK_OUT - timedelta(days=1)
    codes.update(made.access_code_id, ends_at=early, now=BERLIN_CHECK_IN)
    result = codes.delete(made.access_code_id, now=early).result
    assert result is not None
    assert len(result["earlier_revoke_codes"]) == 1
    assert codes.get(made.access_code_id).status == "removing"


def test_a_guest_who_came_early_and_goes_on_with_the_first_code_keeps_the_stay(
    codes: AccessCodes, oracode: Device, opens: Opens, now: datetime
) -> None:
    made = codes.create(oracode.device_id, is_offline_access_code=True, starts_at=BERLIN_CHECK_IN, ends_at=BERLIN_CHECK_OUT, now=now)
    codes.update(made.access_code_id, starts_at=BERLIN_CHECK_IN - timedelta(days=1), now=now)
    early = codes.get(made.access_code_id)
    assert opens(oracode.device_id, early.code, BERLIN_CHECK_IN - timedelta(days=1))
    assert opens(oracode.device_id, made.code, BERLIN_CHECK_IN + _HOUR)
    assert not opens(oracode.device_id, early.code, BERLIN_CHECK_IN + _HOUR)
    shown = codes.get(made.access_code_id)
    assert (shown.status, shown.code, shown.errors) == ("set", made.code, ())
