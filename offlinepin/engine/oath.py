"""One-time passwords for doors with a shared secret and no profile: HOTP (RFC 4226), TOTP (RFC 6238) and their ``otpauth://`` URIs.
Verifying returns the step that matched and the state to store, so that no password is accepted twice."""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal, cast
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from offlinepin.engine.clock import EPOCH, check_aware
from offlinepin.errors import OathError

Algorithm = Literal["sha1", "sha256", "sha512"]
_ALGORITHMS: Final = ("sha1", "sha256", "sha512")


@dataclass(frozen=True, slots=True)
class OathResult:
    """The outcome of a verification.

    Attributes:
        step: the counter (HOTP) or time step (TOTP) that the password matched; ``None`` if it matched none.
        state: what to store and to pass to the next verification: the lowest step that is still acceptable.
    """

    step: int | None
    state: int

    def __bool__(self) -> bool:
        raise TypeError("test result.step is None, and store result.state")


@dataclass(frozen=True, slots=True)
class Hotp:
    """HOTP, RFC 4226.

    Args:
        secret: at least 16 bytes (RFC 4226, section 4, R6).
        digits: 6 to 9 (RFC 4226, section 5.3; the truncated number has 31 bits).
        algorithm: ``sha1``, or ``sha256`` and ``sha512`` as in RFC 6238.
    """

    secret: bytes = field(repr=False)
    digits: int = 6
    algorithm: Algorithm = "sha1"

    def __post_init__(self) -> None:
        if not isinstance(self.secret, bytes) or len(self.secret) < 16:
            raise OathError("the secret must be at least 16 bytes (RFC 4226, section 4, R6)")
        if not 6 <= self.digits <= 9:
            raise OathError(f"digits must be 6 to 9, not {self.digits}")
        if self.algorithm not in _ALGORITHMS:
            raise OathError(f"the algorithm must be one of {', '.join(_ALGORITHMS)}, not {self.algorithm!r}")

    def __reduce__(self) -> str:
        raise TypeError("a one-time-password secret cannot be pickled")

    def at(self, counter: int) -> str:
        """The password of a counter, 0 to 2^64 − 1 (RFC 4226, section 5.3)."""
        if not 0 <= counter < 2**64:
            raise OathError(f"a counter is 0 to 2^64 - 1, not {counter}")
        mac = hmac.digest(self.secret, counter.to_bytes(8, "big"), self.algorithm)
        offset = mac[-1] & 15
        number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFFFFFF
        return f"{number % 10**self.digits:0{self.digits}d}"

    def verify(self, password: str, state: int = 0, look_ahead: int = 10) -> OathResult:
        """Look for a password at the counters ``state`` to ``state + look_ahead`` (RFC 4226, section 7.4)."""
        return self._search(password, state, range(state, state + look_ahead + 1))

    def _search(self, password: str, state: int, steps: range) -> OathResult:
        """Compare with every step, in constant time each, so that the time taken tells nothing."""
        matched, typed = None, password.encode(errors="replace")
        for step in steps:
            if hmac.compare_digest(self.at(step).encode(), typed) and matched is None:
                matched = step
        return OathResult(matched, state if matched is None else matched + 1)

    def uri(self, account: str, issuer: str | None = None, counter: int = 0) -> str:
        """The ``otpauth://hotp/`` URI that authenticator apps read."""
        return _uri(self, "hotp", account, issuer, {"counter": str(counter)})


@dataclass(frozen=True, slots=True)
class Totp:
    """TOTP, RFC 6238, with the time steps counted from 1970.

    Args:
        secret, digits, algorithm: as for :class:`Hotp`.
        period: seconds in a step (RFC 6238, section 4.1: 30 by default).
    """

    secret: bytes = field(repr=False)
    digits: int = 6
    algorithm: Algorithm = "sha1"
    period: int = 30

    def __post_init__(self) -> None:
        _ = self.hotp
        if self.period < 1:
            raise OathError(f"the period must be at least 1 second, not {self.period}")

    def __reduce__(self) -> str:
        raise TypeError("a one-time-password secret cannot be pickled")

    @property
    def hotp(self) -> Hotp:
        """The HOTP generator that a time step is the counter of."""
        return Hotp(self.secret, self.digits, self.algorithm)

    def step(self, moment: datetime) -> int:
        """The time step of an aware datetime."""
        return (check_aware(moment, "the time") - EPOCH) // timedelta(seconds=1) // self.period

    def at(self, moment: datetime) -> str:
        """The password at an aware datetime."""
        return self.hotp.at(self.step(moment))

    def verify(self, password: str, moment: datetime, state: int = 0, drift: int = 1) -> OathResult:
        """Look for a password at the steps within ``drift`` of the moment's (RFC 6238, section 5.2), none before ``state``."""
        step = self.step(moment)
        return self.hotp._search(password, state, range(max(state, step - drift, 0), step + drift + 1))

    def uri(self, account: str, issuer: str | None = None) -> str:
        """The ``otpauth://totp/`` URI that authenticator apps read."""
        return _uri(self, "totp", account, issuer, {"period": str(self.period)})


def _uri(otp: Hotp | Totp, kind: str, account: str, issuer: str | None, more: dict[str, str]) -> str:
    if ":" in account + (issuer or ""):
        raise OathError("neither the account nor the issuer of an OATH URI can hold a colon: it is what stands between them")
    label = quote(f"{issuer}:{account}" if issuer else account, safe="@:")
    secret = base64.b32encode(otp.secret).decode().rstrip("=")
    query = {"secret": secret, **({"issuer": issuer} if issuer else {}), "algorithm": otp.algorithm.upper()}
    return f"otpauth://{kind}/{label}?{urlencode({**query, 'digits': str(otp.digits), **more}, quote_via=quote)}"


@dataclass(frozen=True, slots=True)
class OathAccount:
    """What an ``otpauth://`` URI holds: the generator, the account's name, the issuer, and for HOTP the counter to go on with."""

    otp: Hotp | Totp
    account: str
    issuer: str | None = None
    counter: int = 0


def parse_uri(uri: str) -> OathAccount:
    """Read an ``otpauth://`` URI. ``OathError`` says which part is wrong; it never repeats the secret."""
    try:
        parts = urlsplit(uri)
    except ValueError as cause:
        raise OathError(f"this is no OATH URI: {cause}") from None
    if parts.scheme != "otpauth" or parts.netloc not in ("hotp", "totp"):
        raise OathError("an OATH URI begins with otpauth://hotp/ or otpauth://totp/")
    query = {name.lower(): values[-1] for name, values in parse_qs(parts.query).items()}
    label_issuer, _, account = unquote(parts.path.removeprefix("/")).rpartition(":")
    algorithm = query.get("algorithm", "SHA1").lower()
    digits, period = _number(query, "digits", 6), _number(query, "period", 30)
    secret = _secret(query.get("secret", ""))
    otp: Hotp | Totp
    if parts.netloc == "hotp":
        otp = Hotp(secret, digits, cast(Algorithm, algorithm))
    else:
        otp = Totp(secret, digits, cast(Algorithm, algorithm), period)
    counter = _number(query, "counter", 0)
    if counter >= 2**64:
        raise OathError(f"counter in an OATH URI is 0 to 2^64 - 1, not {counter}")
    return OathAccount(otp, account.strip(), query.get("issuer") or label_issuer or None, counter)


def _number(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdecimal()) or len(text) > 20:
        raise OathError(f"{name} in an OATH URI must be a whole number, not {text[:40]!r}")
    return int(text)


def _secret(text: str) -> bytes:
    if not text:
        raise OathError("the OATH URI has no secret")
    plain = text.replace(" ", "").rstrip("=")
    try:
        return base64.b32decode(plain + "=" * (-len(plain) % 8), casefold=True)
    except ValueError:  # binascii.Error is one, and so is the refusal of what is not ASCII
        raise OathError("the secret in the OATH URI is not base32 (A to Z and 2 to 7)") from None
