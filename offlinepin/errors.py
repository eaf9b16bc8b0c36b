"""Every error that offlinepin raises, as one tree. Each class has a stable ``code`` for programs; each message says
what was wrong, with which value, and what would be right."""

from __future__ import annotations

from typing import ClassVar


class OfflinepinError(Exception):
    """The root of the tree: catch it to catch everything that this library refuses.

    It is deliberately no ``ValueError``: pydantic would swallow those and wrap them in its own error.
    """

    code: ClassVar[str] = "error"

    @property
    def message(self) -> str:
        """The sentence for people, without the code."""
        return str(self)


# --- profiles and vendors -----------------------------------------------------------------------------------------


class ProfileError(OfflinepinError):
    """A profile document breaks a rule of format 1. ``member`` is the path of the member, as ``families[0].slot``."""

    code = "invalid_profile"

    def __init__(self, member: str, problem: str) -> None:
        self.member = member
        super().__init__(f"profile member {member or '(document)'}: {problem}")


class ProfileCapacityError(ProfileError):
    """A family has more payloads than codes (format 1, section 6: P must not exceed r^n)."""

    code = "profile_over_capacity"


class FamilyOverlapError(ProfileError):
    """Two families of a profile could claim one typed text (format 1, section 4)."""

    code = "families_overlap"


class WeakProfileError(OfflinepinError):
    """A blind guess would open more often than once in 1,000 (:mod:`offlinepin.security`)."""

    code = "weak_profile"


class VendorError(OfflinepinError):
    """A plug-in is unknown, cannot be loaded, or was given options that it does not have."""

    code = "unknown_vendor"


class LevelError(OfflinepinError):
    """A user level's set-up makes no sense (its times, its prefix, or its zone)."""

    code = "invalid_level"


# --- keys ---------------------------------------------------------------------------------------------------------


class KeyMaterialError(OfflinepinError):
    """A key has the wrong length or form. The message never holds key bytes."""

    code = "invalid_key"


class UnwrapError(KeyMaterialError):
    """A wrapped key could not be unwrapped: the passphrase or the key is wrong, or the file was changed."""

    code = "unwrap_failed"


class DeviceIdError(OfflinepinError):
    """A device id is not 1 to 64 bytes of UTF-8 (format 1, section 3)."""

    code = "invalid_device_id"


class ProvisioningError(OfflinepinError):
    """A provisioning document is malformed, or its check value does not fit its token."""

    code = "invalid_provisioning"


# --- requests -----------------------------------------------------------------------------------------------------


class RequestError(OfflinepinError):
    """A request for a code cannot be served as it is."""

    code = "invalid_request"


class NaiveDatetimeError(RequestError):
    """A datetime has no zone, so it names no instant."""

    code = "naive_datetime"


class UnknownTimeZoneError(RequestError):
    """A zone is neither an IANA name, nor ``UTC``, nor an offset such as ``+02:00``."""

    code = "unknown_time_zone"


class TimeZoneRequiredError(RequestError):
    """A lock with a civil clock needs its zone, and none was given."""

    code = "time_zone_required"


class NonexistentTimeError(RequestError):
    """A local time is skipped when the clocks go forward."""

    code = "nonexistent_time"


class AmbiguousTimeError(RequestError):
    """A local time happens twice when the clocks go back, and nothing says which is meant."""

    code = "ambiguous_time"


class TimeOutOfRangeError(RequestError):
    """A time lies outside what format 1 can express (before 1970, or beyond the last window or the year 9999)."""

    code = "time_out_of_range"


class EndBeforeStartError(RequestError):
    """The end is not later than the start."""

    code = "end_before_start"


class EndInPastError(RequestError):
    """The end is already over: the code would never open."""

    code = "end_in_past"


class EndRequiredError(RequestError):
    """No end was given, and no single kind of the profile says what that means."""

    code = "end_required"


class TooLongError(RequestError):
    """The request is longer than every kind allows."""

    code = "too_long"


class InvalidTimeRangeError(RequestError):
    """No kind or user level fits the request within the rounding allowed; the message names the nearest."""

    code = "invalid_time_range"


class UnknownKindError(RequestError):
    """The profile has no such kind, family or user level, or none that the request may use."""

    code = "unknown_kind"


class RequestIdConflictError(RequestError):
    """A request id was used before for another request."""

    code = "request_id_conflict"


class VariantError(RequestError):
    """A variant is outside the kind's range."""

    code = "invalid_variant"


class VariantTakenError(RequestError):
    """The variant asked for was handed out before: giving it again would give two people one code."""

    code = "variant_taken"


class ExhaustedError(RequestError):
    """Every variant of this kind, start and duration is handed out. Never a repeat."""

    code = "exhausted"


class StayError(RequestError):
    """A stay cannot be changed that way (its level does not allow it, or it is spent)."""

    code = "stay_not_changeable"


class TokenOutOfStepError(RequestError):
    """A lock's check value belongs to none of the generations that its token can be in."""

    code = "token_out_of_step"


class LedgerError(OfflinepinError):
    """The ledger's file cannot be used. No code was handed out."""

    code = "ledger_unusable"


class StateError(OfflinepinError):
    """A lock's stored state cannot be read, or does not fit."""

    code = "invalid_state"


# --- codes, calendars, files --------------------------------------------------------------------------------------


class InvalidCodeError(OfflinepinError):
    """A typed or pasted code holds something that is no key of the keypad."""

    code = "invalid_code"


class OathError(OfflinepinError):
    """HOTP or TOTP parameters, or an ``otpauth://`` URI, are outside RFC 4226, RFC 6238 or the key URI format."""

    code = "invalid_oath"


class BatchError(OfflinepinError):
    """A table of requests lacks a column, or a column has the wrong type. Nothing was made."""

    code = "invalid_table"


class KernelError(OfflinepinError):
    """The batch kernel asked for does not exist, or this machine cannot run it."""

    code = "kernel_unavailable"


class BuildError(OfflinepinError):
    """The lock in C cannot be built here: its sources or a compiler are missing, or the compiler refused."""

    code = "build_failed"


class CalendarError(OfflinepinError):
    """A calendar, or one entry of it, cannot be read."""

    code = "invalid_calendar"


class VectorsError(OfflinepinError):
    """A file of known answers does not have the shape of ``format-1.json``."""

    code = "invalid_vectors"
