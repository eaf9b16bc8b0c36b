"""The access-code resource as its users see it: the access code with every property in the description's order, and what goes with it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from offlinepin.access_codes.base import Moment, Resource
from offlinepin.access_codes.code_errors import AccessCodeError
from offlinepin.access_codes.code_warnings import AccessCodeWarning
from offlinepin.access_codes.events import Event as Event


class AccessCodeStatus(StrEnum):
    """Where an access code stands in its life."""

    SETTING = "setting"
    SET = "set"
    UNSET = "unset"
    REMOVING = "removing"
    UNKNOWN = "unknown"


class AccessCodeType(StrEnum):
    """``time_bound`` codes have an end, ``ongoing`` ones have none."""

    TIME_BOUND = "time_bound"
    ONGOING = "ongoing"


# --- pending mutations --------------------------------------------------------------------------------------------


class _Mutation(Resource):
    mutation_code: str
    message: str
    created_at: Moment


class CreatingMutation(_Mutation):
    """The code is being put on the device."""

    mutation_code: Literal["creating"] = "creating"


class DeferringCreationMutation(_Mutation):
    """The code will be put on the device later."""

    mutation_code: Literal["deferring_creation"] = "deferring_creation"
    scheduled_at: Moment


class DeletingMutation(_Mutation):
    """The code is being taken from the device."""

    mutation_code: Literal["deleting"] = "deleting"


class CodeValue(Resource):
    """A code, before or after a change."""

    code: str | None = Field(repr=False)


class NameValue(Resource):
    """A name, before or after a change."""

    name: str | None


class TimeFrameValue(Resource):
    """A time frame, before or after a change."""

    starts_at: Moment | None
    ends_at: Moment | None


class UpdatingCodeMutation(_Mutation):
    """The code on the device is being changed."""

    mutation_code: Literal["updating_code"] = "updating_code"
    before: CodeValue = Field(alias="from")
    after: CodeValue = Field(alias="to")


class UpdatingNameMutation(_Mutation):
    """The name on the device is being changed."""

    mutation_code: Literal["updating_name"] = "updating_name"
    before: NameValue = Field(alias="from")
    after: NameValue = Field(alias="to")


class UpdatingTimeFrameMutation(_Mutation):
    """The time frame on the device is being changed."""

    mutation_code: Literal["updating_time_frame"] = "updating_time_frame"
    before: TimeFrameValue = Field(alias="from")
    after: TimeFrameValue = Field(alias="to")


PendingMutation = Annotated[
    CreatingMutation
    | DeferringCreationMutation
    | DeletingMutation
    | UpdatingCodeMutation
    | UpdatingNameMutation
    | UpdatingTimeFrameMutation,
    Field(discriminator="mutation_code"),
]
"""A change that is on its way to the device, told apart by ``mutation_code``."""


# --- access codes -------------------------------------------------------------------------------------------------


class OracodeMetadata(Resource):
    """What an access code of an Oracode device shows of its stay."""

    stay_id: int
    user_level_id: str
    user_level_name: str | None
    site_name: str
    is_cancellable: bool
    is_extendable: bool
    is_early_checkin_able: bool
    is_overridable: bool


class Appearance(Resource):
    """The name as the lock shows it, where that is another than ``name``."""

    name: str
    first_name: str | None = None
    last_name: str | None = None


_ONLY_WHERE_PRESENT: Final = ("dormakaba_oracode_metadata", "appearance", "display_status")


class AccessCode(Resource):
    """An access code: exactly the properties of the resource's description, in its order; newer ones at the end.

    ``dormakaba_oracode_metadata``, ``appearance`` and ``display_status`` are left out of the JSON where there is nothing to say.
    """

    access_code_id: str
    code: str | None = Field(repr=False)
    common_code_key: str | None
    created_at: Moment
    device_id: str
    dormakaba_oracode_metadata: OracodeMetadata | None = None
    ends_at: Moment | None
    errors: tuple[AccessCodeError, ...]
    pending_mutations: tuple[PendingMutation, ...] = Field(repr=False)
    is_backup: bool
    is_backup_access_code_available: bool
    is_external_modification_allowed: bool
    is_managed: Literal[True] = True
    is_offline_access_code: bool
    is_one_time_use: bool
    is_scheduled_on_device: bool
    is_waiting_for_code_assignment: bool
    name: str | None
    pulled_backup_access_code_id: str | None
    starts_at: Moment | None
    status: AccessCodeStatus
    type: AccessCodeType
    warnings: tuple[AccessCodeWarning, ...]
    workspace_id: str
    appearance: Appearance | None = None
    display_status: str | None = None

    @model_serializer(mode="wrap")
    def _leave_out(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = handler(self)
        return {name: value for name, value in written.items() if value is not None or name not in _ONLY_WHERE_PRESENT}


class UnmanagedAccessCode(Resource):
    """A code on a device that this system did not put there."""

    access_code_id: str
    code: str | None = Field(repr=False)
    created_at: Moment
    device_id: str
    ends_at: Moment | None
    errors: tuple[AccessCodeError, ...]
    is_managed: Literal[False] = False
    name: str | None
    starts_at: Moment | None
    status: Literal["set", "unset"]
    type: AccessCodeType
    warnings: tuple[AccessCodeWarning, ...]
    workspace_id: str
    display_status: str


class GeneratedCode(Resource):
    """A code that is free on a device."""

    device_id: str
    code: str = Field(repr=False)


class PulledBackup(Resource):
    """An access code, and the backup that stands in for it now."""

    access_code: AccessCode
    backup_access_code: AccessCode


# --- what the calls give back -------------------------------------------------------------------------------------


class ActionError(Resource):
    """Why an action failed."""

    type: str
    message: str


class ActionAttempt(Resource):
    """What became of an action: ``success`` when it was accepted and kept, which its access code's ``status`` then follows.

    Attributes:
        action_type: ``CREATE_ACCESS_CODE``, ``UPDATE_ACCESS_CODE``, ``DELETE_ACCESS_CODE`` or ``SIMULATE_KEYPAD_CODE_ENTRY``.
        result: ``None`` for an error. Of a creation and an update ``access_code``, as it is when the attempt is asked for; of a deleted
            offline code ``revoke_code``, which is typed at the lock to kill the code there; of a keypad entry ``opened``, and the
            ``action`` that the lock took.
        error: ``None`` for a success.
    """

    action_attempt_id: str
    action_type: str
    status: Literal["pending", "success", "error"]
    result: dict[str, Any] | None = Field(repr=False)
    error: ActionError | None


T = TypeVar("T")


class Page(Resource, Generic[T]):
    """A page of a list. ``next_page_cursor`` gets the next one; ``None`` on the last."""

    items: tuple[T, ...]
    next_page_cursor: str | None = None

    @property
    def has_next_page(self) -> bool:
        """Whether there is another page."""
        return self.next_page_cursor is not None


class Explanation(Resource):
    """Why an access code's status is what it is."""

    access_code_id: str
    status: AccessCodeStatus
    reasons: tuple[str, ...]
    next_step_at: Moment | None
