"""The one thing that crosses from a backend to a lock: token, profile and generation, as a value and as a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from offlinepin.engine.clock import LockClock, zone
from offlinepin.engine.profile import Profile
from offlinepin.engine.token import DeviceToken
from offlinepin.errors import KeyMaterialError, ProvisioningError
from offlinepin.keypad import KeypadPolicy


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    offlinepin_provisioning: Literal[1]
    device_id: str
    token: str
    generation: int
    check_value: str
    time_zone: str | None
    keypad: KeypadPolicy
    profile: Profile


class Provisioning:
    """What is loaded into a lock once.

    Args:
        device_id: the lock's name.
        token: its secret; its generation goes with it.
        profile: its rules.
        time_zone: the zone that its clock keeps, by name; required where the profile's clock is civil.
        keypad: how its keypad is worked.

    Raises:
        UnknownTimeZoneError, TimeZoneRequiredError: the zone is unknown, or missing.
        ProfileError: the keypad cannot type the profile's codes.
    """

    __slots__ = ("clock", "device_id", "keypad", "profile", "time_zone", "token")

    def __init__(
        self, device_id: str, token: DeviceToken, profile: Profile, time_zone: str | None = None, keypad: KeypadPolicy | None = None
    ) -> None:
        self.device_id = device_id
        self.token = token
        self.profile = profile
        self.time_zone = time_zone
        self.keypad = KeypadPolicy() if keypad is None else keypad
        self.keypad.check(profile)
        self.clock = LockClock(profile.clock, None if time_zone is None else zone(time_zone))

    def to_json(self) -> str:
        """The document, secret token included: keep it as you keep the token."""
        return (
            _Document(
                offlinepin_provisioning=1,
                device_id=self.device_id,
                token=self.token.export().hex(),
                generation=self.token.generation,
                check_value=self.token.check_value,
                time_zone=self.time_zone,
                keypad=self.keypad,
                profile=self.profile,
            ).model_dump_json(indent=1)
            + "\n"
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> Provisioning:
        """Read a document. ``ProvisioningError`` if it is malformed or its token does not give its check value."""
        try:
            document = _Document.model_validate_json(text)
        except ValidationError as cause:
            first = cause.errors(include_url=False, include_input=False)[0]
            raise ProvisioningError(f"provisioning member {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        try:
            token = DeviceToken.from_hex(document.token, document.generation)
        except KeyMaterialError as cause:
            raise ProvisioningError(f"provisioning member token or generation: {cause}") from None
        if token.check_value != document.check_value:
            raise ProvisioningError(f"the token's check value is {token.check_value}, not {document.check_value!r} as the document says")
        return cls(document.device_id, token, document.profile, document.time_zone, document.keypad)

    def save(self, path: str | Path) -> None:
        """Write the document to a file that only its owner may read; an older one of that name is replaced."""
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        except OSError as cause:
            raise ProvisioningError(f"the provisioning file {str(path)!r} cannot be written: {cause.strerror}") from None
        Path(path).chmod(0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(self.to_json())

    @classmethod
    def load(cls, path: str | Path) -> Provisioning:
        """Read a document from a file."""
        try:
            text = Path(path).read_bytes()
        except OSError as cause:
            raise ProvisioningError(f"the provisioning file {str(path)!r} cannot be read: {cause.strerror}") from None
        return cls.from_json(text)

    def __repr__(self) -> str:
        return f"Provisioning({self.device_id!r}, {self.token!r}, profile={self.profile.name!r}, time_zone={self.time_zone!r})"

    def __reduce__(self) -> str:
        raise TypeError("a Provisioning holds a device token and cannot be pickled; use to_json() or save()")
