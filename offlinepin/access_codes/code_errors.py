"""Errors of an access code: one typed variant for each ``error_code`` of the resource's description, and the newer ones at the end.
The first sentence of a variant's docstring is the message that it carries unless another is given."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from offlinepin.access_codes.base import Moment, Resource


class _Problem(Resource):
    error_code: str
    message: str
    created_at: Moment


class _AccessCodeProblem(_Problem):
    is_access_code_error: Literal[True] = True


class _DeviceProblem(_Problem):
    is_device_error: Literal[True] = True


class _AccountProblem(_Problem):
    is_connected_account_error: Literal[True] = True


class WyzePotentialDuplicateCodeError(_AccessCodeProblem):
    """Potential duplicate access code detected."""

    error_code: Literal["wyze_potential_duplicate_code"] = "wyze_potential_duplicate_code"


class WyzeDuplicateCodeNameError(_AccessCodeProblem):
    """Duplicate access code name detected."""

    error_code: Literal["wyze_duplicate_code_name"] = "wyze_duplicate_code_name"


class SmartthingsNoFreeSlotsAvailableError(_AccessCodeProblem):
    """No free slots available on the device."""

    error_code: Literal["smartthings_no_free_slots_available"] = "smartthings_no_free_slots_available"


class SmartthingsFailedToSetAfterMultipleRetriesError(_AccessCodeProblem):
    """Failed to set code after multiple retries."""

    error_code: Literal["smartthings_failed_to_set_after_multiple_retries"] = "smartthings_failed_to_set_after_multiple_retries"


class SmartthingsFailedToSetAccessCodeError(_AccessCodeProblem):
    """Failed to set code on SmartThings device."""

    error_code: Literal["smartthings_failed_to_set_access_code"] = "smartthings_failed_to_set_access_code"


class SaltoKsUserNotSubscribedError(_AccessCodeProblem):
    """Salto site user is not subscribed."""

    error_code: Literal["salto_ks_user_not_subscribed"] = "salto_ks_user_not_subscribed"


class ReplacedByNewerAccessCodeError(_AccessCodeProblem):
    """This access code was overridden on the device by a newer access code programmed to the same slot."""

    error_code: Literal["replaced_by_newer_access_code"] = "replaced_by_newer_access_code"


class NoSpaceForAccessCodeOnDeviceError(_AccessCodeProblem):
    """No space for access code on device."""

    error_code: Literal["no_space_for_access_code_on_device"] = "no_space_for_access_code_on_device"


class KwiksetUnableToConfirmDeletionError(_AccessCodeProblem):
    """Unable to confirm the deletion of the access code on Kwikset device."""

    error_code: Literal["kwikset_unable_to_confirm_deletion"] = "kwikset_unable_to_confirm_deletion"


class KwiksetUnableToConfirmCodeError(_AccessCodeProblem):
    """Unable to confirm that the access code is set on Kwikset device."""

    error_code: Literal["kwikset_unable_to_confirm_code"] = "kwikset_unable_to_confirm_code"


class KwiksetInsufficientPermissionsError(_AccessCodeProblem):
    """Admin role required—insufficient permissions to manage PINs on this Kwikset device. Please have a Home Admin update your role in
    the Kwikset app, or ask them to set the PIN.
    """

    error_code: Literal["kwikset_insufficient_permissions"] = "kwikset_insufficient_permissions"


class KeynestUnsupportedThirdPartyLockerError(_AccessCodeProblem):
    """KeyNest locker is not supported."""

    error_code: Literal["keynest_unsupported_third_party_locker"] = "keynest_unsupported_third_party_locker"


class FailedToSetOnDeviceError(_AccessCodeProblem):
    """Failed to set code on device."""

    error_code: Literal["failed_to_set_on_device"] = "failed_to_set_on_device"


class FailedToRemoveFromDeviceError(_AccessCodeProblem):
    """Failed to remove code from device."""

    error_code: Literal["failed_to_remove_from_device"] = "failed_to_remove_from_device"


class DuplicateCodeOnDeviceError(_AccessCodeProblem):
    """Duplicate access code detected on device."""

    error_code: Literal["duplicate_code_on_device"] = "duplicate_code_on_device"


class DuplicateCodeAttemptPreventedError(_AccessCodeProblem):
    """An attempt to modify this access code was prevented."""

    error_code: Literal["duplicate_code_attempt_prevented"] = "duplicate_code_attempt_prevented"


class DormakabaOracodeInvalidTimeRangeError(_AccessCodeProblem):
    """No Dormakaba Oracode user levels configured for the requested time range."""

    error_code: Literal["dormakaba_oracode_invalid_time_range"] = "dormakaba_oracode_invalid_time_range"


class CodeModifiedExternalToSeamError(_AccessCodeProblem):
    """Code was modified or removed externally after Seam successfully set it on the device."""

    error_code: Literal["code_modified_external_to_seam"] = "code_modified_external_to_seam"


class AugustLockTemporarilyOfflineError(_AccessCodeProblem):
    """August lock is temporarily offline."""

    error_code: Literal["august_lock_temporarily_offline"] = "august_lock_temporarily_offline"


class AugustLockMissingKeypadError(_AccessCodeProblem):
    """August lock is missing a keypad."""

    error_code: Literal["august_lock_missing_keypad"] = "august_lock_missing_keypad"


class AugustLockInvalidCodeLengthError(_AccessCodeProblem):
    """Invalid code length for August lock."""

    error_code: Literal["august_lock_invalid_code_length"] = "august_lock_invalid_code_length"


class AugustDeviceProgrammingDelayError(_AccessCodeProblem):
    """Access code has not yet been fully moved to the device."""

    error_code: Literal["august_device_programming_delay"] = "august_device_programming_delay"


class AccountDisconnectedError(_AccountProblem):
    """Indicates that the account is disconnected."""

    error_code: Literal["account_disconnected"] = "account_disconnected"


class AugustLockMissingBridgeError(_DeviceProblem):
    """Indicates that the lock is not connected to a bridge."""

    error_code: Literal["august_lock_missing_bridge"] = "august_lock_missing_bridge"


class AugustLockNotAuthorizedError(_DeviceProblem):
    """Indicates that the user is not authorized to use the August lock."""

    error_code: Literal["august_lock_not_authorized"] = "august_lock_not_authorized"


class BridgeDisconnectedError(_DeviceProblem):
    """Indicates that the Seam API cannot communicate with Seam Bridge, for example, if the Seam Bridge executable has stopped or if the
    computer running the Seam Bridge executable is offline. See also Troubleshooting Your Access Control System.
    """

    error_code: Literal["bridge_disconnected"] = "bridge_disconnected"


class DeviceDisconnectedError(_DeviceProblem):
    """Indicates that the device is disconnected."""

    error_code: Literal["device_disconnected"] = "device_disconnected"


class DeviceOfflineError(_DeviceProblem):
    """Indicates that the device is offline."""

    error_code: Literal["device_offline"] = "device_offline"


class DeviceRemovedError(_DeviceProblem):
    """Indicates that the device has been removed."""

    error_code: Literal["device_removed"] = "device_removed"


class EmptyBackupAccessCodePoolError(_DeviceProblem):
    """Indicates that the backup access code pool is empty."""

    error_code: Literal["empty_backup_access_code_pool"] = "empty_backup_access_code_pool"


class HubDisconnectedError(_DeviceProblem):
    """Indicates that the hub is disconnected."""

    error_code: Literal["hub_disconnected"] = "hub_disconnected"


class LocklyMissingWifiBridgeError(_DeviceProblem):
    """Indicates that the Lockly lock is not connected to a Wi-Fi bridge."""

    error_code: Literal["lockly_missing_wifi_bridge"] = "lockly_missing_wifi_bridge"


class MissingDeviceCredentialsError(_DeviceProblem):
    """Indicates that device credentials are missing."""

    error_code: Literal["missing_device_credentials"] = "missing_device_credentials"


class SaltoKsSubscriptionLimitExceededError(_AccountProblem):
    """Indicates that the Salto site user limit has been reached."""

    error_code: Literal["salto_ks_subscription_limit_exceeded"] = "salto_ks_subscription_limit_exceeded"


class SubscriptionRequiredError(_DeviceProblem):
    """Indicates that a subscription is required to connect."""

    error_code: Literal["subscription_required"] = "subscription_required"


class TtlockLockNotPairedToGatewayError(_DeviceProblem):
    """Indicates that the lock is not paired with a gateway."""

    error_code: Literal["ttlock_lock_not_paired_to_gateway"] = "ttlock_lock_not_paired_to_gateway"


# --- newer than the description ---


class ProviderIssueError(_AccessCodeProblem):
    """The maker's service reported a problem that has no name of its own."""

    error_code: Literal["provider_issue"] = "provider_issue"


class ConflictingExternalModificationError(_AccessCodeProblem):
    """The code was changed outside of this system while a change of ours was under way."""

    error_code: Literal["conflicting_external_modification"] = "conflicting_external_modification"


class AccessCodeInactiveError(_AccessCodeProblem):
    """The access code is not active on the device."""

    error_code: Literal["access_code_inactive"] = "access_code_inactive"


class CodeConstraintsViolatedError(_AccessCodeProblem):
    """The code breaks a constraint of the device, such as its length."""

    error_code: Literal["code_constraints_violated"] = "code_constraints_violated"


class FailedToIssueError(_AccessCodeProblem):
    """The access code could not be issued."""

    error_code: Literal["failed_to_issue"] = "failed_to_issue"


class FailedToUpdateError(_AccessCodeProblem):
    """A change of the access code could not be carried out."""

    error_code: Literal["failed_to_update"] = "failed_to_update"


class FailedToDeleteError(_AccessCodeProblem):
    """The access code could not be deleted."""

    error_code: Literal["failed_to_delete"] = "failed_to_delete"


AccessCodeError = Annotated[
    WyzePotentialDuplicateCodeError
    | WyzeDuplicateCodeNameError
    | SmartthingsNoFreeSlotsAvailableError
    | SmartthingsFailedToSetAfterMultipleRetriesError
    | SmartthingsFailedToSetAccessCodeError
    | SaltoKsUserNotSubscribedError
    | ReplacedByNewerAccessCodeError
    | NoSpaceForAccessCodeOnDeviceError
    | KwiksetUnableToConfirmDeletionError
    | KwiksetUnableToConfirmCodeError
    | KwiksetInsufficientPermissionsError
    | KeynestUnsupportedThirdPartyLockerError
    | FailedToSetOnDeviceError
    | FailedToRemoveFromDeviceError
    | DuplicateCodeOnDeviceError
    | DuplicateCodeAttemptPreventedError
    | DormakabaOracodeInvalidTimeRangeError
    | CodeModifiedExternalToSeamError
    | AugustLockTemporarilyOfflineError
    | AugustLockMissingKeypadError
    | AugustLockInvalidCodeLengthError
    | AugustDeviceProgrammingDelayError
    | AccountDisconnectedError
    | AugustLockMissingBridgeError
    | AugustLockNotAuthorizedError
    | BridgeDisconnectedError
    | DeviceDisconnectedError
    | DeviceOfflineError
    | DeviceRemovedError
    | EmptyBackupAccessCodePoolError
    | HubDisconnectedError
    | LocklyMissingWifiBridgeError
    | MissingDeviceCredentialsError
    | SaltoKsSubscriptionLimitExceededError
    | SubscriptionRequiredError
    | TtlockLockNotPairedToGatewayError
    | ProviderIssueError
    | ConflictingExternalModificationError
    | AccessCodeInactiveError
    | CodeConstraintsViolatedError
    | FailedToIssueError
    | FailedToUpdateError
    | FailedToDeleteError,
    Field(discriminator="error_code"),
]
"""Any error of an access code, told apart by ``error_code``."""


_ADAPTER: TypeAdapter[AccessCodeError] = TypeAdapter(AccessCodeError)
ERRORS: dict[str, type[Resource]] = {kind.model_fields["error_code"].default: kind for kind in AccessCodeError.__origin__.__args__}  # type: ignore[attr-defined]
"""Every variant by its ``error_code``."""


def error(error_code: str, now: Any, message: str | None = None) -> AccessCodeError:
    """An error of this code; ``KeyError`` for a code that has no variant."""
    text = message or " ".join((ERRORS[error_code].__doc__ or "").split())
    return _ADAPTER.validate_python({"error_code": error_code, "message": text, "created_at": now})
