"""The parameters of each endpoint, as today's SDKs name them. Only their shape is judged here; what they mean is the service's to say."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from offlinepin.server.fields import Code, CodeLength, Id, Ids, Limit, Moment, Name, Old, Parameters, Typed, Whole, Words


class Nothing(Parameters):
    """No parameters."""


class _Paged(Parameters):
    limit: Limit | None = None
    page_cursor: Words | None = None


class _OfAccount(Parameters):
    of_others: ClassVar[frozenset[str]] = frozenset({"customer_key", "connect_webview_id", "space_id", "user_identifier_key"})

    connected_account_id: Id | None = None
    customer_key: Words | None = None
    connect_webview_id: Words | None = None
    space_id: Words | None = None
    user_identifier_key: Words | None = None


class _Creation(Parameters):
    name: Name | None = None
    code: Code | None = None
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    preferred_code_length: CodeLength | None = None
    prefer_native_scheduling: bool | None = None
    use_backup_access_code_pool: bool | None = None
    is_external_modification_allowed: bool | None = None
    allow_external_modification: Old[bool] = None
    attempt_for_offline_device: bool | None = None


class Create(_Creation):
    """One access code on one device."""

    device_id: Id
    is_offline_access_code: bool | None = None
    use_offline_access_code: Old[bool] = None
    is_one_time_use: bool | None = None
    max_time_rounding: Literal["1hour", "1h", "1day", "1d"] | None = None
    common_code_key: Name | None = None
    sync: bool | None = None


class CreateMultiple(_Creation):
    """Access codes on several devices, with one code if they can share it."""

    device_ids: Ids
    behavior_when_code_cannot_be_shared: Literal["throw", "create_random_code"] | None = None


class Delete(Parameters):
    """An access code to be deleted."""

    access_code_id: Id
    device_id: Id | None = None
    sync: bool | None = None


class OneDevice(Parameters):
    """A device."""

    device_id: Id


class Get(Parameters):
    """An access code by its id, or by its device and code."""

    access_code_id: Id | None = None
    device_id: Id | None = None
    code: Typed | None = None

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if self.access_code_id is None and (self.device_id is None or self.code is None):
            raise ValueError("Specify access_code_id, or both device_id and code")
        return self


class List(_Paged):
    """Which access codes to list."""

    of_others: ClassVar[frozenset[str]] = frozenset(
        {"customer_key", "user_identifier_key", "access_grant_id", "access_grant_key", "access_method_id"}
    )

    device_id: Id | None = None
    access_code_ids: Ids | None = None
    search: Words | None = None
    customer_key: Words | None = None
    user_identifier_key: Words | None = None
    access_grant_id: Words | None = None
    access_grant_key: Words | None = None
    access_method_id: Words | None = None

    @model_validator(mode="after")
    def _names_some(self) -> Self:
        if not self.model_dump(exclude={"limit", "page_cursor"}, exclude_none=True):
            raise ValueError(f"Specify at least one of device_id, access_code_ids, search, {', '.join(sorted(self.of_others))}")
        return self


class OneAccessCode(Parameters):
    """An access code."""

    access_code_id: Id


class DeviceConstraints(Parameters):
    """Which lengths a device's codes may have."""

    device_id: Id
    supported_code_lengths: Annotated[list[CodeLength], Field(min_length=1, max_length=17)] | None = None
    min_code_length: CodeLength | None = None
    max_code_length: CodeLength | None = None

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        bounds = (self.min_code_length, self.max_code_length)
        if (self.supported_code_lengths is None) == (bounds == (None, None)) or (None in bounds and bounds != (None, None)):
            raise ValueError("Specify supported_code_lengths, or both min_code_length and max_code_length")
        if self.min_code_length is not None and self.max_code_length is not None and self.min_code_length > self.max_code_length:
            raise ValueError("min_code_length is larger than max_code_length")
        return self


class Update(Parameters):
    """What to change of an access code; what is left out stays, and null takes away."""

    null_counts: ClassVar[bool] = True
    of_no_effect: ClassVar[frozenset[str]] = frozenset({"attempt_for_offline_device"})

    access_code_id: Id
    device_id: Id | None = None
    name: Name | None = None
    code: Code | None = None
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    type: Literal["ongoing", "time_bound"] | None = None
    is_managed: bool | None = None
    is_external_modification_allowed: bool | None = None
    allow_external_modification: Old[bool] = None
    attempt_for_offline_device: Old[bool] = None
    sync: bool | None = None

    @field_validator("code", mode="before")
    @classmethod
    def _stays(cls, code: object) -> object:
        if code is None:
            raise ValueError("A code can be changed and not be taken away; leave it out")
        return code


class UpdateMultiple(Parameters):
    """What to change of all access codes that share a code; what is left out stays, and null takes away."""

    null_counts: ClassVar[bool] = True

    common_code_key: Name
    name: Name | None = None
    starts_at: Moment | None = None
    ends_at: Moment | None = None


class GetTimeline(Parameters):
    """Which part of an access code's history to show."""

    access_code_id: Id
    limit: Limit | None = None
    before: Moment | None = None
    after: Moment | None = None
    event_types: Annotated[list[Words], Field(min_length=1, max_length=100)] | None = None


class UnmanagedList(_Paged):
    """A device's unmanaged access codes."""

    of_others: ClassVar[frozenset[str]] = frozenset({"user_identifier_key"})

    device_id: Id
    search: Words | None = None
    user_identifier_key: Words | None = None


class ConvertToManaged(OneAccessCode):
    """Take an unmanaged access code under management."""

    of_no_effect: ClassVar[frozenset[str]] = frozenset({"sync", "is_managed"})

    is_external_modification_allowed: bool | None = None
    allow_external_modification: Old[bool] = None
    force: bool | None = None
    sync: bool | None = None


class UnmanagedUpdate(ConvertToManaged):
    """The same, in the words of an update."""

    is_managed: Literal[True]


class CreateUnmanaged(Parameters):
    """A code that somebody programmed at the lock itself."""

    device_id: Id
    name: Name
    code: Code


class KeypadCodeEntry(Parameters):
    """Keys pressed at a simulated lock."""

    device_id: Id
    code: Typed


class GetDevice(Parameters):
    """A device by its id or its name."""

    device_id: Id | None = None
    name: Name | None = None

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if self.device_id is None and self.name is None:
            raise ValueError("Specify device_id or name")
        return self


class ListDevices(_Paged, _OfAccount):
    """Which devices to list; all, if nothing is said."""

    connected_account_ids: Ids | None = None
    device_ids: Ids | None = None
    device_type: Words | None = None
    device_types: Annotated[list[Words], Field(min_length=1, max_length=100)] | None = None
    manufacturer: Words | None = None
    search: Words | None = None


class DeviceMetadata(Parameters):
    """What the owner knows about a device."""

    device_id: Id
    time_zone: Annotated[str, Field(min_length=1, max_length=100, description="an IANA name, such as Europe/Berlin")]


class ReportProviderMetadata(Parameters):
    """What the owner knows about devices."""

    devices: Annotated[list[DeviceMetadata], Field(min_length=1, max_length=1000)]


class ListEvents(_Paged, _OfAccount):
    """Which events to list, by time and by what they are about; all, if nothing is said. Pages go on by ``page_cursor``, or, for an SDK
    that sends none, by ``unstable_offset``."""

    since: Moment | None = None
    between: Annotated[list[Moment], Field(min_length=2, max_length=2)] | None = None
    event_type: Words | None = None
    event_types: Annotated[list[Words], Field(min_length=1, max_length=100)] | None = None
    event_ids: Ids | None = None
    access_code_id: Id | None = None
    access_code_ids: Ids | None = None
    device_id: Id | None = None
    device_ids: Ids | None = None
    unstable_offset: Annotated[Whole, Field(ge=0, le=2**31)] | None = None


class GetEvent(Parameters):
    """An event by its id, or the latest of a device, of a type, or of both."""

    event_id: Id | None = None
    device_id: Id | None = None
    event_type: Words | None = None

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.event_id, self.device_id, self.event_type) == (None, None, None):
            raise ValueError("Specify event_id, device_id or event_type")
        return self


class GetActionAttempt(Parameters):
    """One action attempt."""

    action_attempt_id: Id


class ListActionAttempts(_Paged):
    """Which action attempts to list; all, if nothing is said."""

    action_attempt_ids: Ids | None = None
    device_id: Id | None = None
