"""HMAC-SHA-256 with its keyed state kept, and the key derivation of format 1, sections 2 and 3 (SP 800-108r1, counter mode)."""

from __future__ import annotations

import hashlib
from typing import Final

_IPAD: Final = bytes(b ^ 0x36 for b in range(256))
_OPAD: Final = bytes(b ^ 0x5C for b in range(256))


class HmacKey:
    """A key with HMAC's inner and outer hash state after the key block (RFC 2104, FIPS 198-1).

    A message of up to 55 bytes then costs two SHA-256 compressions instead of four, and OpenSSL's set-up per call is
    paid once. Holds key material: its repr shows none, and it cannot be pickled.

    Args:
        key: 0 to 64 bytes. Format 1 uses 32.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        if len(key) > 64:
            raise ValueError(f"an HMAC key here has at most 64 bytes, not {len(key)}")
        block = key.ljust(64, b"\0")
        self._inner = hashlib.sha256(block.translate(_IPAD))
        self._outer = hashlib.sha256(block.translate(_OPAD))

    def digest(self, message: bytes) -> bytes:
        """HMAC-SHA-256 of ``message``: 32 bytes."""
        inner = self._inner.copy()
        inner.update(message)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()

    def __repr__(self) -> str:
        return "HmacKey(…)"

    def __reduce__(self) -> str:
        raise TypeError("an HmacKey holds key material and cannot be pickled")


_COUNTER: Final = (1).to_bytes(4, "big")
_LENGTH: Final = (256).to_bytes(4, "big")


def kdf(key: HmacKey, label: bytes, context: bytes) -> bytes:
    """``KDF(key, label, context)`` of format 1, section 2: SP 800-108r1, section 4.1, with r = 32 and L = 256.

    Returns:
        32 bytes: ``HMAC(key, be32(1) ‖ label ‖ 00 ‖ context ‖ be32(256))``.
    """
    return key.digest(_COUNTER + label + b"\0" + context + _LENGTH)
