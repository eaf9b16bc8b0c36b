"""Codes and tokens at rest: sealed with AES-256-GCM under keys that derive from the master key, and found again by a keyed index."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from offlinepin.access_codes.errors import StoreError
from offlinepin.engine.kdf import HmacKey
from offlinepin.keys import MasterKey

_LABEL: Final = b"offlinepin vault"
_FORM: Final = b"\x01"
_NONCE: Final = 12


class Vault:
    """Seals and indexes under a master key. What is sealed for one place cannot be opened as another's.

    Args:
        keys: the issuer's master key.
    """

    def __init__(self, keys: MasterKey) -> None:
        self._cipher = AESGCM(keys.derive(_LABEL, b"seal"))
        self._index = HmacKey(keys.derive(_LABEL, b"index"))
        self._api_keys = HmacKey(keys.derive(_LABEL, b"api-key"))
        self.check = keys.derive(_LABEL, b"check")[:16]

    def seal(self, plain: bytes, place: str) -> bytes:
        """``plain`` sealed for a place, which names the row and column that it is kept in."""
        nonce = secrets.token_bytes(_NONCE)
        return _FORM + nonce + self._cipher.encrypt(nonce, plain, place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """Undo :meth:`seal`. ``StoreError`` if it was sealed for another place or under another key, or was changed."""
        if sealed[:1] != _FORM:
            raise StoreError(f"what is kept at {place} is not in a form that this version knows")
        try:
            return self._cipher.decrypt(sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :], place.encode())
        except InvalidTag:
            raise StoreError(f"what is kept at {place} cannot be opened: it was changed, or is from under another master key") from None

    def index(self, workspace_id: str, code: str) -> bytes:
        """16 bytes by which a workspace's code is found; without the key they tell nothing."""
        return self._index.digest(f"{workspace_id}/{code}".encode())[:16]

    def digest(self, text: str) -> bytes:
        """32 bytes that stand for a text which may hold a code."""
        return self._index.digest(b"request/" + hashlib.sha256(text.encode()).digest())

    def key_hash(self, api_key: str) -> bytes:
        """32 bytes that stand for an API key."""
        return self._api_keys.digest(hashlib.sha256(api_key.encode(errors="surrogatepass")).digest())

    def is_same(self, check: bytes) -> bool:
        """Whether a store with this check value was made under this key."""
        return hmac.compare_digest(check, self.check)

    def __repr__(self) -> str:
        return "Vault(…)"
