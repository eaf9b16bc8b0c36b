"""Devices as their users see them: capabilities, constraints and time-frame options, all computed from the profile."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from offlinepin.access_codes.base import Moment, Resource


class _Problem(Resource):
    error_code: str
    message: str
    created_at: Moment


class DeviceProblem(_Problem):
    """An error of a device."""

    is_device_error: Literal[True] = True


class AccountProblem(_Problem):
    """An error of the account that a device is reached through."""

    is_connected_account_error: Literal[True] = True


class CodeConstraint(Resource):
    """A rule that names or codes on a device follow."""

    constraint_type: str
    min_length: int | None = None
    max_length: int | None = None

    @model_serializer(mode="wrap")
    def _leave_out(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value is not None}


class TimePair(Resource):
    """A start and an end time of day that go together."""

    start_time: str
    end_time: str


class OfflineTimeFrameOption(Resource):
    """A shape that the time frame of an offline code can have. Durations are ISO 8601; ``max_duration`` is ``None`` without an end.

    Attributes:
        matching_start_end_time: start and end are at the same time of day.
        time_pairs: the only times of day that start and end can have; empty where any will do.
        start_date_recurrence_rule, end_date_recurrence_rule: RFC 5545 rules that the start and the end lie on.
    """

    display_name: str
    min_duration: str | None
    max_duration: str | None
    duration_step: str | None
    matching_start_end_time: bool
    is_one_time_use: bool
    time_pairs: tuple[TimePair, ...]
    start_date_recurrence_rule: str
    end_date_recurrence_rule: str
    time_zone: str | None


class PredefinedTimeSlot(Resource):
    """A user level of an Oracode device."""

    name: str
    prefix: str
    check_in_time: str
    check_out_time: str
    is_24_hour: bool
    is_biweekly_mode: bool
    is_one_shot: bool
    is_master: bool
    dormakaba_oracode_user_level_id: str
    ext_dormakaba_oracode_user_level_prefix: str


class OracodeDeviceMetadata(Resource):
    """What an Oracode device shows of its set-up."""

    door_id: int
    door_is_wireless: bool
    door_name: str
    iana_timezone: str | None
    predefined_time_slots: tuple[PredefinedTimeSlot, ...]
    site_id: int
    site_name: str


class IgloohomeMetadata(Resource):
    """What an igloohome device shows of its set-up."""

    device_id: str
    device_name: str
    is_accessory_keypad_linked_to_bridge: bool = False


_ONLY_WHERE_PRESENT: Final = ("igloohome_metadata", "dormakaba_oracode_metadata", "max_active_codes_supported")


class DeviceProperties(Resource):
    """A device's properties."""

    online: bool
    name: str
    manufacturer: str
    model: dict[str, Any]
    code_constraints: tuple[CodeConstraint, ...]
    supported_code_lengths: tuple[int, ...]
    max_active_codes_supported: int | None
    offline_access_codes_enabled: bool
    online_access_codes_enabled: bool
    supports_backup_access_code_pool: bool
    offline_time_frame_options: tuple[OfflineTimeFrameOption, ...]
    igloohome_metadata: IgloohomeMetadata | None = None
    dormakaba_oracode_metadata: OracodeDeviceMetadata | None = None

    @model_serializer(mode="wrap")
    def _leave_out(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = handler(self)
        return {name: value for name, value in written.items() if value is not None or name not in _ONLY_WHERE_PRESENT}


class DeviceLocation(Resource):
    """Where a device is."""

    time_zone: str | None
    timezone: str | None


class Device(Resource):
    """A lock. ``can_program_…`` is true where it works now, false where it does not now, and left out where it never will."""

    device_id: str
    device_type: str
    display_name: str
    nickname: str | None
    capabilities_supported: tuple[str, ...]
    can_program_offline_access_codes: bool | None = Field(default=None)
    can_program_online_access_codes: bool | None = Field(default=None)
    can_simulate_removal: bool | None = Field(default=None)
    connected_account_id: str
    created_at: Moment
    custom_metadata: dict[str, str]
    errors: tuple[DeviceProblem | AccountProblem, ...]
    warnings: tuple[Any, ...]
    is_managed: Literal[True] = True
    location: DeviceLocation
    properties: DeviceProperties
    space_ids: tuple[str, ...] = ()
    workspace_id: str

    @model_serializer(mode="wrap")
    def _leave_out(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value is not None or not name.startswith("can_")}
