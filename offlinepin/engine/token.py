"""The device token: the one secret that a backend and a lock share, and all that is derived from it (format 1, section 3)."""

from __future__ import annotations

import re
from typing import Final

from offlinepin.engine.cipher import Round, hmac_round
from offlinepin.engine.kdf import HmacKey, kdf
from offlinepin.errors import DeviceIdError, KeyMaterialError

KEY_BYTES: Final = 32
_CACHED_WINDOWS: Final = 32


def key_bytes(material: object, what: str) -> bytes:
    """Check that ``material`` is 32 bytes; the error names ``what`` and the length, never the bytes."""
    if not isinstance(material, bytes | bytearray | memoryview):
        raise KeyMaterialError(f"{what} must be {KEY_BYTES} bytes, not a {type(material).__name__}")
    if len(material) != KEY_BYTES:
        raise KeyMaterialError(f"{what} must be {KEY_BYTES} bytes long, not {len(material)}")
    return bytes(material)


def key_from_hex(text: str, what: str) -> bytes:
    """32 bytes from 64 hexadecimal digits."""
    text = text.strip()
    if not re.fullmatch(f"[0-9A-Fa-f]{{{2 * KEY_BYTES}}}", text):
        raise KeyMaterialError(f"{what} must be {2 * KEY_BYTES} hexadecimal digits, not {len(text)} characters of another form")
    return bytes.fromhex(text)


class DeviceToken:
    """A device's secret at one *generation*. Immutable; never shown, never pickled.

    Args:
        secret: 32 bytes.
        generation: how often the token was stepped, 0 to 2^32 − 1.

    Raises:
        KeyMaterialError: the secret is not 32 bytes, or the generation is out of range.
    """

    __slots__ = ("_key", "_secret", "_windows", "generation")

    def __init__(self, secret: bytes, generation: int = 0) -> None:
        self._secret = key_bytes(secret, "a device token")
        if not 0 <= generation < 2**32:
            raise KeyMaterialError(f"a generation is 0 to 2^32 - 1, not {generation}")
        self.generation = generation
        self._key = HmacKey(self._secret)
        self._windows: dict[tuple[bytes, int, int], Round] = {}

    @classmethod
    def derive(cls, master: HmacKey, device_id: str, generation: int = 0) -> DeviceToken:
        """The token of ``device_id`` (1 to 64 bytes of UTF-8) under a master key, stepped ``generation`` times."""
        try:
            name = device_id.encode()
        except (UnicodeEncodeError, AttributeError) as cause:
            raise DeviceIdError(f"a device id must be text that UTF-8 can encode, not {device_id!r}") from cause
        if not 1 <= len(name) <= 64:
            raise DeviceIdError(f"a device id must be 1 to 64 bytes of UTF-8; {device_id!r} has {len(name)}")
        if not 0 <= generation < 2**32:
            raise KeyMaterialError(f"a generation is 0 to 2^32 - 1, not {generation}")
        token = cls(kdf(master, b"opin token", name))
        for _ in range(generation):
            token = token.next()
        return token

    @classmethod
    def from_hex(cls, text: str, generation: int = 0) -> DeviceToken:
        """Import a token that was provisioned by hand: 64 hexadecimal digits."""
        return cls(key_from_hex(text, "a device token"), generation)

    def next(self) -> DeviceToken:
        """The token of the next generation (the *ratchet*): lock and issuer can step it, neither can step back."""
        step = self.generation + 1
        if step >= 2**32:
            raise KeyMaterialError("a token's generation cannot exceed 2^32 - 1")
        return DeviceToken(kdf(self._key, b"opin ratchet", step.to_bytes(4, "big")), step)

    @property
    def check_value(self) -> str:
        """8 hexadecimal digits that lock and issuer may show to see that their tokens are in step."""
        return kdf(self._key, b"opin check", self.generation.to_bytes(4, "big"))[:4].hex()

    def window_key(self, digest: bytes, family: int, window: int) -> bytes:
        """The *window key* W: 32 bytes, for a profile digest (16 bytes), a family index and a window number below 2^32."""
        return kdf(self._key, b"opin window", digest + family.to_bytes(1, "big") + window.to_bytes(4, "big"))

    def window_round(self, digest: bytes, family: int, window: int) -> Round:
        """The cipher's round function under the window key; the latest few are kept, with their hash state."""
        place = (digest, family, window)
        found = self._windows.get(place)
        if found is None:
            if len(self._windows) >= _CACHED_WINDOWS:
                self._windows.clear()
            found = self._windows[place] = hmac_round(HmacKey(self.window_key(digest, family, window)))
        return found

    def tag(self, typed: str) -> bytes:
        """8 bytes by which a lock *remembers* a typed text (format 1, section 9)."""
        return kdf(self._key, b"opin remember", typed.encode())[:8]

    def export(self) -> bytes:
        """The 32 secret bytes, to be loaded into a lock. The only way out; nothing else shows them."""
        return self._secret

    def __repr__(self) -> str:
        return f"DeviceToken(…, generation={self.generation}, check_value={self.check_value!r})"

    def __reduce__(self) -> str:
        raise TypeError("a DeviceToken is a secret and cannot be pickled; use export() to provision it")
