"""SHA-256 (FIPS 180-4) of many messages at once in numpy: word t of every message is one array. For machines without the C kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

Lane = npt.NDArray[np.uint32]
Word = Lane | int
"""A word that differs between messages, or one that is the same in all, which then costs nothing."""

_MASK: Final = 2**32 - 1
_PRIMES: Final = [p for p in range(2, 312) if all(p % q for q in range(2, p))]


def _root_bits(p: int, power: int) -> int:
    """The first 32 bits after the point of p's square or cube root (FIPS 180-4, sections 4.2.2 and 5.3.3)."""
    scaled = p << 32 * power
    low, high = 0, 1 << 40
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle**power <= scaled else (low, middle)
    return low & _MASK


START: Final = tuple(_root_bits(p, 2) for p in _PRIMES[:8])
_ROUND: Final = tuple(_root_bits(p, 3) for p in _PRIMES[:64])
_SCALARS: Final = tuple(np.array(i, np.uint32) for i in range(32))  # arrays of no dimension: numpy adds them fastest
_ROUND_SCALARS: Final = tuple(np.array(constant, np.uint32) for constant in _ROUND)
_SUM_A, _SUM_E, _SIGMA_0, _SIGMA_1 = (2, 13, 22), (6, 11, 25), (7, 18), (17, 19)


def _rotated(x: int, bits: int) -> int:
    return (x >> bits | x << (32 - bits)) & _MASK


class Sha256:
    """Working memory for compressions of n messages at once. Not safe in threads; make one a thread."""

    def __init__(self, n: int) -> None:
        self._slots = [np.empty(n, np.uint32) for _ in range(16)]
        self._registers = [np.empty(n, np.uint32) for _ in range(8)]
        self._sums = [np.empty(n, np.uint32) for _ in range(2)]
        self._spare, self._x, self._y = (np.empty(n, np.uint32) for _ in range(3))

    def compress(self, state: Sequence[Word], block: Sequence[Word], wanted: int = 8) -> list[Lane]:
        """The first ``wanted`` words of the state after one block: 8 words of state, 16 of the block; both are left alone."""
        for register, word in zip(self._registers, state, strict=True):
            register[...] = word
        a, b, c, d, e, f, g, h = self._registers
        ab, bc = self._x, np.bitwise_xor(b, c, self._y)
        words = list(block)
        for t in range(64):
            if t >= 16:
                words[t & 15] = self._expanded(words, t & 15)
            self._first_sum(e, f, g, h, words[t & 15], t)
            np.add(d, h, d)
            np.add(h, self._rotations(a, _SUM_A, 0, self._sums[0]), h)
            np.bitwise_and(bc, np.bitwise_xor(a, b, ab), bc)  # Maj(a, b, c) = ((a ^ b) & (b ^ c)) ^ b, and a ^ b is the next b ^ c
            np.add(h, np.bitwise_xor(bc, b, bc), h)
            ab, bc = bc, ab
            a, b, c, d, e, f, g, h = h, a, b, c, d, e, f, g
        return [after + np.asarray(before, np.uint32) for after, before in zip((a, b, c, d, e, f, g, h)[:wanted], state, strict=False)]

    def _first_sum(self, e: Lane, f: Lane, g: Lane, h: Lane, word: Word, t: int) -> None:
        """h becomes T1 of round t."""
        if isinstance(word, int):
            np.add(h, np.array(word + _ROUND[t] & _MASK, np.uint32), h)
        else:
            np.add(h, word, h)
            np.add(h, _ROUND_SCALARS[t], h)
        np.add(h, self._rotations(e, _SUM_E, 0, self._sums[0]), h)
        chosen = np.bitwise_xor(f, g, self._sums[0])
        np.bitwise_and(chosen, e, chosen)
        np.add(h, np.bitwise_xor(chosen, g, chosen), h)

    def _expanded(self, words: list[Word], t: int) -> Word:
        """The schedule's next word, in place of word t; terms that are the same in all messages are added as integers."""
        same = 0
        lanes = []
        for word in (words[t], words[t - 7]):
            if isinstance(word, int):
                same += word
            else:
                lanes.append(word)
        for word, rotations, shift, out in ((words[t - 15], _SIGMA_0, 3, self._sums[0]), (words[t - 2], _SIGMA_1, 10, self._sums[1])):
            if isinstance(word, int):
                same += _rotated(word, rotations[0]) ^ _rotated(word, rotations[1]) ^ word >> shift
            else:
                lanes.append(self._rotations(word, rotations, shift, out))
        if not lanes:
            return same & _MASK
        if same & _MASK or len(lanes) == 1:
            lanes.append(np.array(same & _MASK, np.uint32))
        total = np.add(lanes[0], lanes[1], self._slots[t])
        for lane in lanes[2:]:
            np.add(total, lane, total)
        return total

    def _rotations(self, x: Lane, rotations: tuple[int, ...], shift: int, out: Lane) -> Lane:
        """The exclusive or of x rotated, and of x shifted if ``shift`` is not 0."""
        spare = self._spare
        np.right_shift(x, _SCALARS[rotations[0]], out)
        np.bitwise_xor(out, np.left_shift(x, _SCALARS[32 - rotations[0]], spare), out)
        for bits in rotations[1:]:
            np.bitwise_xor(out, np.right_shift(x, _SCALARS[bits], spare), out)
            np.bitwise_xor(out, np.left_shift(x, _SCALARS[32 - bits], spare), out)
        if shift:
            np.bitwise_xor(out, np.right_shift(x, _SCALARS[shift], spare), out)
        return out
