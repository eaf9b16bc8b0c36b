"""SHA-256 (FIPS 180-4) of many messages at once in numpy: word t of every message is one array, and a compression is a list of array
operations, made once and gone through as often as wanted. For machines without the C kernel."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Lane: TypeAlias = npt.NDArray[np.uint32]
Word: TypeAlias = Lane | int
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
_SUM_A, _SUM_E, _SIGMA_0, _SIGMA_1 = (2, 13, 22), (6, 11, 25), (7, 18), (17, 19)
_TERMS: Final = ((0, ()), (9, ()), (1, (*_SIGMA_0, 3)), (14, (*_SIGMA_1, 10)))
"""Word t of the schedule is a sum of four: how far each stands behind word t - 16, with the amounts of its sigma (6.2.2, step 1)."""

Step: TypeAlias = tuple[np.ufunc, int, int, int]
"""An array operation: of what two arrays, and where the result goes, all by their places in :class:`Sha256`."""
_REGISTERS, _SUM, _SPARE, _X, _Y = 16, 24, 25, 26, 27  # after the 16 words
_BITS: Final = 28  # 0 to 31, as arrays of no dimension, which numpy takes fastest
_ADDED: Final = 60  # what round t adds that is the same in all messages
_MIXED: Final = 124  # what the schedule does
_LINE: Final = 16  # words that a processor's cache fetches at once; arrays that begin with one are a tenth faster


class Sha256:
    """Working memory for compressions of n messages at once. Not safe in threads; make one a thread."""

    def __init__(self, n: int) -> None:
        self.n = n
        pitch = n + -n % _LINE
        memory = np.empty(_BITS * pitch + _LINE, np.uint32)
        start = -memory.ctypes.data % (4 * _LINE) // 4
        self._arrays = list(memory[start : start + _BITS * pitch].reshape(_BITS, pitch)[:, :n])
        self._constants = np.arange(32 + 64 + 64, dtype=np.uint32)
        self._arrays += [self._constants[i, ...] for i in range(len(self._constants))]
        self._bound: dict[tuple[bool, ...], list[tuple[np.ufunc, Lane, Lane, Lane]]] = {}

    def compress(self, state: Sequence[Word], block: Sequence[Word], wanted: int = 8) -> list[Lane]:
        """The first ``wanted`` words of the state after one block: 8 words of state, 16 of the block; both are left alone."""
        registers = self._arrays[_REGISTERS:_SUM]
        for register, word in zip(registers, state, strict=True):
            register[...] = word
        same = tuple(word if isinstance(word, int) else None for word in block)
        for place, word in zip(self._arrays[:16], block, strict=True):
            if not isinstance(word, int):
                place[...] = word
        self._constants[32:] = _constants(same)
        for operate, x, y, out in self._steps(tuple(word is None for word in same)):
            operate(x, y, out)
        return [after + np.asarray(before, np.uint32) for after, before in zip(registers[:wanted], state, strict=False)]

    def _steps(self, varies: tuple[bool, ...]) -> list[tuple[np.ufunc, Lane, Lane, Lane]]:
        if varies not in self._bound:
            arrays = self._arrays
            self._bound[varies] = [(operate, arrays[x], arrays[y], arrays[out]) for operate, x, y, out in _compression(varies)]
        return self._bound[varies]


def _rotated(x: int, bits: int) -> int:
    return (x >> bits | x << (32 - bits)) & _MASK


@lru_cache(256)
def _constants(block: tuple[int | None, ...]) -> Lane:
    """What the 64 rounds, and then the 64 words of the schedule, add that is the same in all messages; ``None`` is a word that is not."""
    varies, words = [word is None for word in block], [word or 0 for word in block]
    added, mixed = list(_ROUND), [0] * 64
    for t in range(64):
        here = t & 15
        if t >= 16:
            for ahead, amounts in _TERMS:
                word = words[t + ahead & 15]
                if amounts:
                    word = _rotated(word, amounts[0]) ^ _rotated(word, amounts[1]) ^ word >> amounts[2]
                mixed[t] += word
            varies[here] = any(varies[t + ahead & 15] for ahead, _ in _TERMS)
            words[here] = 0 if varies[here] else mixed[t] & _MASK
        added[t] += words[here]
    return np.array([each & _MASK for each in added + mixed], np.uint32)


@cache
def _compression(varies: tuple[bool, ...]) -> list[Step]:
    """A compression of blocks in which these words vary (6.2.2)."""
    steps: list[Step] = []
    words = list(varies)
    a, b, c, d, e, f, g, h = range(_REGISTERS, _SUM)
    ab, bc = _X, _Y
    steps.append((np.bitwise_xor, b, c, bc))
    for t in range(64):
        here = t & 15
        if t >= 16:
            words[here] = _expand(steps, words, t)
        if words[here]:
            steps.append((np.add, h, here, h))
        steps.append((np.add, h, _ADDED + t, h))
        _rotate(steps, e, _SUM_E)
        steps.append((np.add, h, _SUM, h))
        steps += [(np.bitwise_xor, f, g, _SUM), (np.bitwise_and, _SUM, e, _SUM), (np.bitwise_xor, _SUM, g, _SUM)]  # Ch(e, f, g)
        steps += [(np.add, h, _SUM, h), (np.add, d, h, d)]  # h is T1
        _rotate(steps, a, _SUM_A)
        steps.append((np.add, h, _SUM, h))
        # Maj(a, b, c) = ((a ^ b) & (b ^ c)) ^ b, and a ^ b is the next b ^ c
        steps += [(np.bitwise_xor, a, b, ab), (np.bitwise_and, bc, ab, bc), (np.bitwise_xor, bc, b, bc), (np.add, h, bc, h)]
        ab, bc = bc, ab
        a, b, c, d, e, f, g, h = h, a, b, c, d, e, f, g
    return steps


def _expand(steps: list[Step], varies: list[bool], t: int) -> bool:
    """The schedule's next word, in place of word t - 16. Returns whether it varies."""
    here = t & 15
    terms = [(t + ahead & 15, amounts) for ahead, amounts in _TERMS if varies[t + ahead & 15]]
    begun = varies[here]
    if begun and len(terms) < len(_TERMS):
        steps.append((np.add, here, _MIXED + t, here))
    for word, amounts in terms[1:] if begun else terms:
        if amounts:
            _rotate(steps, word, amounts[:2], amounts[2])
            word = _SUM
        steps.append((np.add, word, here if begun else _MIXED + t, here))
        begun = True
    return begun


def _rotate(steps: list[Step], x: int, rotations: tuple[int, ...], shift: int = 0) -> None:
    """The exclusive or of x rotated right, and of x shifted right if ``shift`` is not 0: what of it moves right, each amount on top of the
    next smaller, and likewise what moves left."""
    right = sorted((*rotations, *([shift] if shift else [])), reverse=True)
    left = sorted((32 - bits for bits in rotations), reverse=True)
    for operate, amounts, out in ((np.right_shift, right, _SUM), (np.left_shift, left, _SPARE)):
        source = x
        for bits, smaller in zip(amounts, (*amounts[1:], 0), strict=True):
            steps.append((operate, source, _BITS + bits - smaller, out))
            if smaller:
                steps.append((np.bitwise_xor, out, x, out))
            source = out
    steps.append((np.bitwise_xor, _SUM, _SPARE, _SUM))
