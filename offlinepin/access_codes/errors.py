"""Refusals of the access-code resource, each with a stable ``code``, and the HTTP status that any error of the library goes with."""

from __future__ import annotations

from typing import ClassVar

from offlinepin.errors import LedgerError, OfflinepinError, RequestError


class ResourceError(OfflinepinError):
    """The resource refuses a call. Nothing was changed."""

    code = "access_code_problem"
    status: ClassVar[int] = 400


class InvalidInputError(ResourceError):
    """A parameter is missing or makes no sense. ``field`` is its name."""

    code = "invalid_input"

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        self.problem = problem
        super().__init__(f"{field}: {problem}")


class NotFoundError(ResourceError):
    """There is no such thing in this workspace."""

    code = "not_found"
    status = 404


class AccessCodeNotFoundError(NotFoundError):
    """There is no such access code in this workspace."""

    code = "access_code_not_found"


class DeviceNotFoundError(NotFoundError):
    """There is no such device in this workspace."""

    code = "device_not_found"


class EventNotFoundError(NotFoundError):
    """There is no such event in this workspace."""

    code = "event_not_found"


class ActionAttemptNotFoundError(NotFoundError):
    """There is no such action attempt in this workspace."""

    code = "action_attempt_not_found"


class WebhookNotFoundError(NotFoundError):
    """There is no such webhook in this workspace."""

    code = "webhook_not_found"


class CapabilityError(ResourceError):
    """The device cannot do what is asked of it."""

    code = "device_cannot_do_that"


class DuplicateCodeError(ResourceError):
    """Another access code of the device has this code at an overlapping time."""

    code = "duplicate_code_on_device"
    status = 409


class CodeLengthError(ResourceError):
    """The device does not take a code of this length."""

    code = "code_constraints_violated"


class NotShareableError(ResourceError):
    """The devices cannot share one code."""

    code = "code_cannot_be_shared"


class NoBackupError(ResourceError):
    """The device's pool of backup codes has none that is free."""

    code = "empty_backup_access_code_pool"
    status = 409


class NotChangeableError(ResourceError):
    """The access code cannot be changed that way, or not now."""

    code = "access_code_not_changeable"


class RequestConflictError(ResourceError):
    """A request id was used before for another request."""

    code = "request_conflict"
    status = 409


class ApiKeyError(ResourceError):
    """The API key is unknown or revoked."""

    code = "unauthorized"
    status = 401


class WorkspaceError(ResourceError):
    """A workspace is unknown, or what is asked crosses its border."""

    code = "workspace_problem"


class StoreError(OfflinepinError):
    """The store cannot be used, was made under another key, or is of another version. Nothing was changed."""

    code = "store_unusable"


class ConnectionFault(OfflinepinError):  # noqa: N818 - a fault of a device, raised by a connection and never by a call
    """A connection could not do what was asked. ``error_code`` is that of an error of access codes.

    Args:
        error_code: ``device_offline``, ``no_space_for_access_code_on_device`` and so on.
        message: what happened; the error's own words by default.
        is_pending: the lock is still at it: nothing is wrong yet.
    """

    code = "connection_fault"

    def __init__(self, error_code: str, message: str = "", *, is_pending: bool = False) -> None:
        self.error_code = error_code
        self.is_pending = is_pending
        super().__init__(message or error_code)


def http_status(error: OfflinepinError) -> int:
    """The HTTP status of an error: 4xx where the call was wrong, 503 where the store or the ledger cannot be used, otherwise 500."""
    if isinstance(error, ResourceError):
        return error.status
    if isinstance(error, RequestError):
        return 400
    return 503 if isinstance(error, StoreError | LedgerError) else 500
