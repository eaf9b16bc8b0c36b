"""Warnings of an access code: one typed variant for each ``warning_code`` of the resource's description, and the newer ones at the end."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from offlinepin.access_codes.base import Moment, Resource


class _Warning(Resource):
    warning_code: str
    message: str
    created_at: Moment


class AugustDeviceProgrammingDelayWarning(_Warning):
    """Access code has not yet been fully moved to the device."""

    warning_code: Literal["august_device_programming_delay"] = "august_device_programming_delay"


class AugustLockTemporarilyOfflineWarning(_Warning):
    """August lock is temporarily offline."""

    warning_code: Literal["august_lock_temporarily_offline"] = "august_lock_temporarily_offline"


class BeingDeletedWarning(_Warning):
    """Access code is being deleted."""

    warning_code: Literal["being_deleted"] = "being_deleted"


class CodeModifiedExternalToSeamWarning(_Warning):
    """Code was modified or removed externally after Seam successfully set it on the device."""

    warning_code: Literal["code_modified_external_to_seam"] = "code_modified_external_to_seam"


class DelayInRemovingFromDeviceWarning(_Warning):
    """Delay in removing code from device."""

    warning_code: Literal["delay_in_removing_from_device"] = "delay_in_removing_from_device"


class DelayInSettingOnDeviceWarning(_Warning):
    """Delay in setting code on device."""

    warning_code: Literal["delay_in_setting_on_device"] = "delay_in_setting_on_device"


class IglooAlgopinMustBeUsedWithin24HoursWarning(_Warning):
    """Algopins must be used within 24 hours."""

    warning_code: Literal["igloo_algopin_must_be_used_within_24_hours"] = "igloo_algopin_must_be_used_within_24_hours"


class KwiksetUnableToConfirmCodeWarning(_Warning):
    """Unable to confirm that the access code is set on Kwikset device."""

    warning_code: Literal["kwikset_unable_to_confirm_code"] = "kwikset_unable_to_confirm_code"


class ManagementTransferredWarning(_Warning):
    """Management was transferred to another workspace."""

    warning_code: Literal["management_transferred"] = "management_transferred"


class SchlageAccessCodeAmbiguousTimezoneDstRiskWarning(_Warning):
    """The Schlage device’s timezone is ambiguous and this code’s schedule crosses a daylight-saving transition in at least one plausible
    timezone. A 1-hour safety buffer has been applied to the side of the schedule affected by the transition (ends_at for
    spring-forward, starts_at for fall-back) so the code stays active through the shift — the code may be usable up to 1 hour beyond
    your requested window. Set the device’s timezone via /devices/report_provider_metadata to clear the buffer and guarantee exact
    DST handling.
    """

    warning_code: Literal["schlage_access_code_ambiguous_timezone_dst_risk"] = "schlage_access_code_ambiguous_timezone_dst_risk"


class SchlageCreationOutageWarning(_Warning):
    """Received an error when attempting to create this code."""

    warning_code: Literal["schlage_creation_outage"] = "schlage_creation_outage"


class SchlageDetectedDuplicateWarning(_Warning):
    """Duplicate access code detected."""

    warning_code: Literal["schlage_detected_duplicate"] = "schlage_detected_duplicate"


class SmartthingsFailedToSetAccessCodeWarning(_Warning):
    """Failed to set code on SmartThings device."""

    warning_code: Literal["smartthings_failed_to_set_access_code"] = "smartthings_failed_to_set_access_code"


class ThirdPartyIntegrationDetectedWarning(_Warning):
    """Third-party integration detected that may cause access codes to fail."""

    warning_code: Literal["third_party_integration_detected"] = "third_party_integration_detected"


class UltraloqAccessCodeDisabledWarning(_Warning):
    """Access code is disabled on Ultraloq device. Re-enable through the Ultraloq mobile app."""

    warning_code: Literal["ultraloq_access_code_disabled"] = "ultraloq_access_code_disabled"


class UsingBackupAccessCodeWarning(_Warning):
    """A backup access code has been pulled and is being used in place of this access code."""

    warning_code: Literal["using_backup_access_code"] = "using_backup_access_code"


# --- newer than the description ---


class CodeRotatesPeriodicallyWarning(_Warning):
    """The code changes by itself from time to time."""

    warning_code: Literal["code_rotates_periodically"] = "code_rotates_periodically"


class TimeFrameAdjustedForUnknownTimeZoneWarning(_Warning):
    """The time frame was widened because the device's time zone is unknown."""

    warning_code: Literal["time_frame_adjusted_for_unknown_time_zone"] = "time_frame_adjusted_for_unknown_time_zone"


class ExternalModificationInEffectWarning(_Warning):
    """A change that was made outside of this system is in effect."""

    warning_code: Literal["external_modification_in_effect"] = "external_modification_in_effect"


class DelayInIssuingWarning(_Warning):
    """There is a delay in issuing the access code."""

    warning_code: Literal["delay_in_issuing"] = "delay_in_issuing"


class UnknownIssueWithAccessCodeWarning(_Warning):
    """There is a problem with the access code that has no name of its own."""

    warning_code: Literal["unknown_issue_with_access_code"] = "unknown_issue_with_access_code"


AccessCodeWarning = Annotated[
    AugustDeviceProgrammingDelayWarning
    | AugustLockTemporarilyOfflineWarning
    | BeingDeletedWarning
    | CodeModifiedExternalToSeamWarning
    | DelayInRemovingFromDeviceWarning
    | DelayInSettingOnDeviceWarning
    | IglooAlgopinMustBeUsedWithin24HoursWarning
    | KwiksetUnableToConfirmCodeWarning
    | ManagementTransferredWarning
    | SchlageAccessCodeAmbiguousTimezoneDstRiskWarning
    | SchlageCreationOutageWarning
    | SchlageDetectedDuplicateWarning
    | SmartthingsFailedToSetAccessCodeWarning
    | ThirdPartyIntegrationDetectedWarning
    | UltraloqAccessCodeDisabledWarning
    | UsingBackupAccessCodeWarning
    | CodeRotatesPeriodicallyWarning
    | TimeFrameAdjustedForUnknownTimeZoneWarning
    | ExternalModificationInEffectWarning
    | DelayInIssuingWarning
    | UnknownIssueWithAccessCodeWarning,
    Field(discriminator="warning_code"),
]
"""Any warning of an access code, told apart by ``warning_code``."""


_ADAPTER: TypeAdapter[AccessCodeWarning] = TypeAdapter(AccessCodeWarning)
WARNINGS: dict[str, type[Resource]] = {kind.model_fields["warning_code"].default: kind for kind in AccessCodeWarning.__origin__.__args__}  # type: ignore[attr-defined]
"""Every variant by its ``warning_code``."""


def warning(warning_code: str, now: Any, message: str | None = None) -> AccessCodeWarning:
    """A warning of this code; ``KeyError`` for a code that has no variant."""
    text = message or " ".join((WARNINGS[warning_code].__doc__ or "").split())
    return _ADAPTER.validate_python({"warning_code": warning_code, "message": text, "created_at": now})
