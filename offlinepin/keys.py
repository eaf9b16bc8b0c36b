"""The issuer's master key: made, loaded, and wrapped at rest. Device tokens come out of it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, Protocol

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap_with_padding, aes_key_wrap_with_padding
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from offlinepin.engine.kdf import HmacKey, kdf
from offlinepin.engine.token import KEY_BYTES, DeviceToken, key_bytes, key_from_hex
from offlinepin.errors import DeviceIdError, KeyMaterialError, UnwrapError

ENVIRONMENT_VARIABLE: Final = "OFFLINEPIN_MASTER_KEY"
_SCRYPT_N: Final = 2**17  # with r = 8, p = 1: 128 MiB, the cost that OWASP's password storage cheat sheet asks of scrypt
_SCRYPT_MAX_N: Final = 2**20  # a hostile file must not make us take gigabytes
_FORMAT_LABELS: Final = b"opin "  # what format 1's own labels begin with


class TokenSource(Protocol):
    """Where an issuer gets device tokens: a :class:`MasterKey`, :class:`ImportedTokens`, or a key service of your own."""

    def token(self, device_id: str, generation: int = 0) -> DeviceToken:
        """The token of a device at a generation."""
        ...


class _Wrapped(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    offlinepin_key: Literal[1]
    wrap: Literal["aes-kwp"]
    kdf: Literal["scrypt", "none"]
    salt: Annotated[str, Field(pattern="^([0-9a-f]{2})*$")] = ""
    n: Annotated[int, Field(ge=2, le=_SCRYPT_MAX_N)] = _SCRYPT_N
    key: Annotated[str, Field(pattern="^([0-9a-f]{2})+$")]


class MasterKey:
    """The issuer's secret, 32 bytes, from which every device token derives (format 1, section 3). Immutable.

    Raises:
        KeyMaterialError: ``material`` is not 32 bytes.
    """

    __slots__ = ("_key", "_material")

    def __init__(self, material: bytes) -> None:
        self._material = key_bytes(material, "a master key")
        self._key = HmacKey(self._material)

    @classmethod
    def generate(cls) -> MasterKey:
        """A new key from the operating system's random generator."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @classmethod
    def from_bytes(cls, material: bytes) -> MasterKey:
        """A key from 32 bytes."""
        return cls(material)

    @classmethod
    def from_hex(cls, text: str) -> MasterKey:
        """A key from 64 hexadecimal digits; white space around them is ignored."""
        return cls(key_from_hex(text, "a master key"))

    @classmethod
    def from_env(cls, variable: str = ENVIRONMENT_VARIABLE, *, passphrase: str | None = None) -> MasterKey:
        """A key from an environment variable that holds what :meth:`from_file` reads."""
        text = os.environ.get(variable)
        if not text:
            raise KeyMaterialError(f"the environment variable {variable} is not set; it holds a master key as 64 hexadecimal digits")
        return cls._from_text(text, passphrase)

    @classmethod
    def from_file(cls, path: str | Path, *, passphrase: str | None = None) -> MasterKey:
        """A key from a file: 64 hexadecimal digits, or a wrapped key and its passphrase."""
        try:
            text = Path(path).read_text("ascii")
        except OSError as cause:
            raise KeyMaterialError(f"the key file {str(path)!r} cannot be read: {cause.strerror}") from None
        except UnicodeDecodeError:
            raise KeyMaterialError(f"the key file {str(path)!r} is no key file: it is not text") from None
        return cls._from_text(text, passphrase)

    @classmethod
    def _from_text(cls, text: str, passphrase: str | None) -> MasterKey:
        if not text.lstrip().startswith("{"):
            return cls.from_hex(text)
        if passphrase is None:
            raise UnwrapError("the key is wrapped; give its passphrase")
        return cls.unwrap(text, passphrase=passphrase)

    def save(self, path: str | Path, *, passphrase: str | None = None) -> None:
        """Write the key to a new file that only its owner may read, wrapped if a passphrase is given. Never overwrites."""
        text = self._material.hex() + "\n" if passphrase is None else self.wrap(passphrase=passphrase)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise KeyMaterialError(f"{str(path)!r} exists already; a key file is never overwritten") from None
        except OSError as cause:
            raise KeyMaterialError(f"the key file {str(path)!r} cannot be written: {cause.strerror}") from None
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def wrap(self, *, passphrase: str | None = None, key: bytes | None = None, n: int = _SCRYPT_N) -> str:
        """The key wrapped at rest with AES-KWP (SP 800-38F, RFC 5649), as JSON text.

        Args:
            passphrase: a key-encryption key is derived from it with scrypt (RFC 7914) and a fresh salt; or
            key: the key-encryption key itself, 16, 24 or 32 bytes, from a KMS or an HSM.
            n: scrypt's cost, a power of two up to 2^20.
        """
        salt = secrets.token_bytes(16) if key is None else b""
        kek = _wrapping_key(passphrase, key, salt, n)
        document = _Wrapped(
            offlinepin_key=1,
            wrap="aes-kwp",
            kdf="scrypt" if key is None else "none",
            salt=salt.hex(),
            n=n,
            key=aes_key_wrap_with_padding(kek, self._material).hex(),
        )
        return document.model_dump_json(exclude={"salt", "n"} if key is not None else None) + "\n"

    @classmethod
    def unwrap(cls, text: str, *, passphrase: str | None = None, key: bytes | None = None) -> MasterKey:
        """Undo :meth:`wrap`. ``UnwrapError`` if the secret is wrong or the text was changed."""
        try:
            document = _Wrapped.model_validate_json(text)
        except ValidationError as cause:
            first = cause.errors(include_url=False, include_input=False)[0]
            raise UnwrapError(f"this is no wrapped key: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        if (document.kdf == "none") != (key is not None):
            raise UnwrapError(f"this key was wrapped under a {'given key' if document.kdf == 'none' else 'passphrase'}; give that")
        if document.n & (document.n - 1):
            raise UnwrapError(f"this is no wrapped key: n: scrypt's n is a power of two, not {document.n}")
        kek = _wrapping_key(passphrase, key, bytes.fromhex(document.salt), document.n)
        try:
            return cls(aes_key_unwrap_with_padding(kek, bytes.fromhex(document.key)))
        except InvalidUnwrap:
            raise UnwrapError("the key cannot be unwrapped: the passphrase or key is wrong, or the text was changed") from None

    def export(self) -> bytes:
        """The 32 secret bytes, for a kernel that derives tokens by the table. Nothing else shows them; at rest, :meth:`wrap` them."""
        return self._material

    def token(self, device_id: str, generation: int = 0) -> DeviceToken:
        """The device token of ``device_id``, 1 to 64 bytes of UTF-8, at a generation. ``DeviceIdError`` for any other id."""
        return DeviceToken.derive(self._key, device_id, generation)

    def derive(self, label: bytes, context: bytes) -> bytes:
        """32 bytes for a purpose of your own (SP 800-108r1, as format 1, section 2), which tell nothing of any token or other purpose.

        Args:
            label: names the purpose: 1 byte or more, none of them zero, and not beginning with ``opin `` as format 1's labels do.
            context: what tells keys of one purpose apart, of any length.

        Raises:
            KeyMaterialError: the label is not as it should be.
        """
        if not label or b"\0" in label or label.startswith(_FORMAT_LABELS):
            raise KeyMaterialError(
                f"a label is 1 byte or more without zeros and does not begin with 'opin ', which format 1 uses; not {label!r}"
            )
        return kdf(self._key, label, context)

    def __repr__(self) -> str:
        return "MasterKey(…)"

    def __reduce__(self) -> str:
        raise TypeError("a MasterKey is a secret and cannot be pickled; wrap() it")


def _wrapping_key(passphrase: str | None, key: bytes | None, salt: bytes, n: int) -> bytes:
    if (passphrase is None) == (key is None):
        raise KeyMaterialError("give either a passphrase or a wrapping key")
    if key is not None:
        if len(key) not in (16, 24, 32):
            raise KeyMaterialError(f"a wrapping key must be 16, 24 or 32 bytes, not {len(key)}")
        return key
    assert passphrase is not None
    if not passphrase:
        raise KeyMaterialError("the passphrase is empty")
    if n & (n - 1) or not 2 <= n <= _SCRYPT_MAX_N:
        raise KeyMaterialError(f"scrypt's n must be a power of two up to {_SCRYPT_MAX_N}, not {n}")
    try:
        secret = passphrase.encode()
    except UnicodeEncodeError:
        raise KeyMaterialError("the passphrase holds something that UTF-8 cannot encode") from None
    return Scrypt(salt=salt, length=32, n=n, r=8, p=1).derive(secret)


class ImportedTokens:
    """Device tokens that were provisioned by hand, by device id: a token source for locks that no master key covers."""

    def __init__(self, tokens: Mapping[str, DeviceToken]) -> None:
        self._tokens = dict(tokens)

    def token(self, device_id: str, generation: int = 0) -> DeviceToken:
        """The device's token, stepped forward to ``generation``; it cannot be stepped back."""
        token = self._tokens.get(device_id)
        if token is None:
            raise DeviceIdError(f"no token was imported for device {device_id!r}")
        if token.generation > generation:
            raise KeyMaterialError(f"the token of {device_id!r} is of generation {token.generation}; it cannot go back to {generation}")
        while token.generation < generation:
            token = token.next()
        return token

    def __repr__(self) -> str:
        return f"ImportedTokens({len(self._tokens)} devices)"
