"""What each endpoint answers: the resource under its key, beside ``"ok": true``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from offlinepin.access_codes.device_models import Device
from offlinepin.access_codes.events import Event
from offlinepin.access_codes.models import AccessCode, ActionAttempt, GeneratedCode, Page, UnmanagedAccessCode


class Answer(BaseModel):
    """The base of all answers."""

    model_config = ConfigDict(frozen=True)


class Ok(Answer):
    """It is done."""

    ok: Literal[True] = True


class OfAccessCode(Answer):
    """An access code."""

    access_code: AccessCode
    ok: Literal[True] = True


class OfCreated(OfAccessCode):
    """A new access code, and what became of its creation."""

    action_attempt: ActionAttempt


class OfPulledBackup(Answer):
    """An access code, and the backup that stands in for it."""

    access_code: AccessCode
    backup_access_code: AccessCode
    ok: Literal[True] = True


class OfAccessCodes(Answer):
    """Access codes."""

    access_codes: tuple[AccessCode, ...]
    ok: Literal[True] = True


class Pagination(BaseModel):
    """Where a list goes on. ``next_page_url`` is for a GET with the same key."""

    has_next_page: bool
    next_page_cursor: str | None
    next_page_url: str | None


class PageOfAccessCodes(OfAccessCodes):
    """A page of access codes."""

    pagination: Pagination


class OfUnmanagedAccessCode(Answer):
    """An unmanaged access code."""

    access_code: UnmanagedAccessCode
    ok: Literal[True] = True


class PageOfUnmanagedAccessCodes(Answer):
    """A page of unmanaged access codes."""

    access_codes: tuple[UnmanagedAccessCode, ...]
    pagination: Pagination
    ok: Literal[True] = True


class OfActionAttempt(Answer):
    """What became of an action."""

    action_attempt: ActionAttempt
    ok: Literal[True] = True


class PageOfActionAttempts(Answer):
    """A page of action attempts."""

    action_attempts: tuple[ActionAttempt, ...]
    pagination: Pagination
    ok: Literal[True] = True


class OfGeneratedCode(Answer):
    """A code that is free on a device."""

    generated_code: GeneratedCode
    ok: Literal[True] = True


class OfTimeline(Answer):
    """An access code's events, newest first."""

    timeline_events: tuple[Event, ...]
    ok: Literal[True] = True


class OfDevice(Answer):
    """A device."""

    device: Device
    ok: Literal[True] = True


class PageOfDevices(Answer):
    """A page of devices."""

    devices: tuple[Device, ...]
    pagination: Pagination
    ok: Literal[True] = True


class OfLock(OfDevice):
    """A lock, under both names that SDKs read."""

    lock: Device


class PageOfLocks(PageOfDevices):
    """A page of locks, under both names that SDKs read."""

    locks: tuple[Device, ...]


class OfEvent(Answer):
    """An event."""

    event: Event
    ok: Literal[True] = True


class PageOfEvents(Answer):
    """A page of events, oldest first."""

    events: tuple[Event, ...]
    pagination: Pagination
    ok: Literal[True] = True


class ErrorBody(BaseModel):
    """Why a request was refused. ``type`` is for programs, ``message`` for people."""

    type: str
    message: str
    data: dict[str, Any] | None = None
    validation_errors: dict[str, Any] | None = None


class Refused(BaseModel):
    """The envelope of every error."""

    error: ErrorBody
    ok: Literal[False] = Field(default=False)


def pagination(page: Page[Any], url: str) -> Pagination:
    """Where the list behind ``page`` goes on; ``url`` is the next page's."""
    return Pagination(
        has_next_page=page.has_next_page, next_page_cursor=page.next_page_cursor, next_page_url=url if page.has_next_page else None
    )
