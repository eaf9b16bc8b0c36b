"""The permutation of format 1, section 7: a ten-round Feistel network over two halves of a number, in the shape of FF1 (SP 800-38G).
The network takes its round function as a parameter, so that NIST's FF1 samples test the arithmetic that codes use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from offlinepin.engine.kdf import HmacKey

ROUNDS: Final = 10

Round = Callable[[int, int, int], int]
"""``F(i, b, m)``: round 0 to 9, the half that stays, the modulus of the half that changes. Any integer; it is reduced mod m."""


def halves(radix: int, length: int) -> tuple[int, int]:
    """``(r^u, r^v)`` with u = floor(n/2) and v = n − u, for ``length`` n symbols of ``radix`` r."""
    u = length // 2
    return radix**u, radix ** (length - u)


def encipher(x: int, low: int, high: int, f: Round) -> int:
    """Permute x, 0 ≤ x < low·high, where ``(low, high) = halves(r, n)``."""
    a, b = divmod(x, high)
    for i in range(ROUNDS):
        m = high if i & 1 else low
        a, b = b, (a + f(i, b, m)) % m
    return a * high + b


def decipher(y: int, low: int, high: int, f: Round) -> int:
    """The inverse of :func:`encipher`."""
    a, b = divmod(y, high)
    for i in reversed(range(ROUNDS)):
        m = high if i & 1 else low
        a, b = (b - f(i, a, m)) % m, a
    return a * high + b


def hmac_round(key: HmacKey) -> Round:
    """Format 1's round function under a window key: two compressions a round.

    ``F(i, b, m) = (be64 of the first 8 bytes of HMAC(W, be8(i) ‖ be64(b)) · m) >> 64``, for m up to 2^32.
    """
    digest = key.digest

    def f(i: int, b: int, m: int) -> int:
        return (int.from_bytes(digest((i << 64 | b).to_bytes(9, "big"))[:8], "big") * m) >> 64

    return f
