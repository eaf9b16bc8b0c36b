"""Events of access codes: one typed variant for each ``event_type`` of the resource's description, and the newer ones at the end."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from offlinepin.access_codes.base import Moment, Resource
from offlinepin.access_codes.code_errors import AccessCodeError
from offlinepin.access_codes.code_warnings import AccessCodeWarning


class ChangedProperty(Resource):
    """A property's value before and after, as the resource writes it. ``repr`` does not show it, for it may be a code."""

    property: str
    before: str | None = Field(alias="from", repr=False)
    after: str | None = Field(alias="to", repr=False)


class _Event(Resource):
    event_id: str
    event_type: str
    workspace_id: str
    created_at: Moment
    occurred_at: Moment
    access_code_id: str
    device_id: str
    connected_account_id: str


class _FailureEvent(_Event):
    """What went wrong, on the access code, its device and its account: the latter two are told apart by the errors' own marks."""

    access_code_errors: tuple[AccessCodeError, ...] = ()
    access_code_warnings: tuple[AccessCodeWarning, ...] = ()
    device_errors: tuple[AccessCodeError, ...] = Field(default_factory=lambda event: _marked(event, "is_device_error"))
    device_warnings: tuple[AccessCodeWarning, ...] = ()
    connected_account_errors: tuple[AccessCodeError, ...] = Field(
        default_factory=lambda event: _marked(event, "is_connected_account_error")
    )
    connected_account_warnings: tuple[AccessCodeWarning, ...] = ()


def _marked(event: dict[str, Any], mark: str) -> tuple[Any, ...]:
    return tuple(problem for problem in event["access_code_errors"] if getattr(problem, mark, False))


class _ChangeEvent(_Event):
    """The changed members' values before and after, and the change in words."""

    description: str
    before: dict[str, str | None] = Field(alias="from", repr=False)
    after: dict[str, str | None] = Field(alias="to", repr=False)


class CreatedEvent(_Event):
    """An access code was created."""

    event_type: Literal["access_code.created"] = "access_code.created"


class ChangedEvent(_Event):
    """An access code was changed."""

    event_type: Literal["access_code.changed"] = "access_code.changed"
    changed_properties: tuple[ChangedProperty, ...] = ()


class ScheduledOnDeviceEvent(_Event):
    """An access code was scheduled natively on a device."""

    event_type: Literal["access_code.scheduled_on_device"] = "access_code.scheduled_on_device"
    code: str = Field(repr=False)


class SetOnDeviceEvent(_Event):
    """An access code was set on a device."""

    event_type: Literal["access_code.set_on_device"] = "access_code.set_on_device"
    code: str = Field(repr=False)


class RemovedFromDeviceEvent(_Event):
    """An access code was removed from a device."""

    event_type: Literal["access_code.removed_from_device"] = "access_code.removed_from_device"
    code: str | None = Field(default=None, repr=False)


class DelayInSettingOnDeviceEvent(_FailureEvent):
    """There was an unusually long delay in setting an access code on a device."""

    event_type: Literal["access_code.delay_in_setting_on_device"] = "access_code.delay_in_setting_on_device"


class FailedToSetOnDeviceEvent(_FailureEvent):
    """An access code failed to be set on a device."""

    event_type: Literal["access_code.failed_to_set_on_device"] = "access_code.failed_to_set_on_device"


class DeletedEvent(_Event):
    """An access code was deleted."""

    event_type: Literal["access_code.deleted"] = "access_code.deleted"
    code: str | None = Field(default=None, repr=False)


class DelayInRemovingFromDeviceEvent(_FailureEvent):
    """There was an unusually long delay in removing an access code from a device."""

    event_type: Literal["access_code.delay_in_removing_from_device"] = "access_code.delay_in_removing_from_device"


class FailedToRemoveFromDeviceEvent(_FailureEvent):
    """An access code failed to be removed from a device."""

    event_type: Literal["access_code.failed_to_remove_from_device"] = "access_code.failed_to_remove_from_device"


class ModifiedExternalToSeamEvent(_Event):
    """An access code was modified outside of Seam."""

    event_type: Literal["access_code.modified_external_to_seam"] = "access_code.modified_external_to_seam"


class DeletedExternalToSeamEvent(_Event):
    """An access code was deleted outside of Seam."""

    event_type: Literal["access_code.deleted_external_to_seam"] = "access_code.deleted_external_to_seam"


class BackupAccessCodePulledEvent(_Event):
    """A backup access code was pulled from the backup access code pool and set on a device."""

    event_type: Literal["access_code.backup_access_code_pulled"] = "access_code.backup_access_code_pulled"
    backup_access_code_id: str


# --- newer than the description ---


class NameChangedEvent(_ChangeEvent):
    """An access code's name was changed."""

    event_type: Literal["access_code.name_changed"] = "access_code.name_changed"


class CodeChangedEvent(_ChangeEvent):
    """An access code's code was changed."""

    event_type: Literal["access_code.code_changed"] = "access_code.code_changed"


class TimeFrameChangedEvent(_ChangeEvent):
    """An access code's time frame was changed."""

    event_type: Literal["access_code.time_frame_changed"] = "access_code.time_frame_changed"


class UnmanagedCreatedEvent(_Event):
    """An unmanaged access code was found on a device."""

    event_type: Literal["access_code.unmanaged.created"] = "access_code.unmanaged.created"


class UnmanagedRemovedEvent(_Event):
    """An unmanaged access code was removed from a device."""

    event_type: Literal["access_code.unmanaged.removed"] = "access_code.unmanaged.removed"


class UnmanagedConvertedToManagedEvent(_Event):
    """An unmanaged access code was converted to a managed one."""

    event_type: Literal["access_code.unmanaged.converted_to_managed"] = "access_code.unmanaged.converted_to_managed"


class UnmanagedFailedToConvertToManagedEvent(_FailureEvent):
    """An unmanaged access code could not be converted to a managed one."""

    event_type: Literal["access_code.unmanaged.failed_to_convert_to_managed"] = "access_code.unmanaged.failed_to_convert_to_managed"


Event = Annotated[
    CreatedEvent
    | ChangedEvent
    | ScheduledOnDeviceEvent
    | SetOnDeviceEvent
    | RemovedFromDeviceEvent
    | DelayInSettingOnDeviceEvent
    | FailedToSetOnDeviceEvent
    | DeletedEvent
    | DelayInRemovingFromDeviceEvent
    | FailedToRemoveFromDeviceEvent
    | ModifiedExternalToSeamEvent
    | DeletedExternalToSeamEvent
    | BackupAccessCodePulledEvent
    | NameChangedEvent
    | CodeChangedEvent
    | TimeFrameChangedEvent
    | UnmanagedCreatedEvent
    | UnmanagedRemovedEvent
    | UnmanagedConvertedToManagedEvent
    | UnmanagedFailedToConvertToManagedEvent,
    Field(discriminator="event_type"),
]
"""Any event of an access code, told apart by ``event_type``."""


_ADAPTER: TypeAdapter[Event] = TypeAdapter(Event)
EVENTS: dict[str, type[Resource]] = {kind.model_fields["event_type"].default: kind for kind in Event.__origin__.__args__}  # type: ignore[attr-defined]
"""Every variant by its ``event_type``."""


def event_from(members: dict[str, Any]) -> Event:
    """The event with these members, read back from the store."""
    return _ADAPTER.validate_python(members)


def event_from_json(text: bytes) -> Event:
    """The event that this JSON text holds."""
    return _ADAPTER.validate_json(text)
