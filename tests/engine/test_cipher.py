"""The cipher: a permutation for every radix and length, in the shape of FF1, whose NIST samples its core gives."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from offlinepin.engine.cipher import ROUNDS, Round, decipher, encipher, halves, hmac_round
from offlinepin.engine.kdf import HmacKey

RADICES = range(2, 17)
LENGTHS = {r: [n for n in range(1, 64) if r ** ((n + 1) // 2) < 2**32] for r in RADICES}
_SYMBOLS = "0123456789abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize("radix", RADICES)
def test_it_is_a_permutation_that_deciphering_inverts_for_every_small_space(radix: int) -> None:
    f = hmac_round(HmacKey(bytes(range(32))))
    for length in (n for n in range(1, 13) if radix**n <= 5000):
        low, high = halves(radix, length)
        space = range(radix**length)
        images = [encipher(x, low, high, f) for x in space]
        assert sorted(images) == list(space)
        assert [decipher(y, low, high, f) for y in images] == list(space)


@given(st.data())
def test_deciphering_inverts_enciphering_for_every_radix_and_length(data: st.DataObject) -> None:
    radix = data.draw(st.sampled_from(RADICES))
    length = data.draw(st.sampled_from(LENGTHS[radix]))
    x = data.draw(st.integers(0, radix**length - 1))
    f = hmac_round(HmacKey(data.draw(st.binary(min_size=32, max_size=32))))
    low, high = halves(radix, length)
    y = encipher(x, low, high, f)
    assert 0 <= y < radix**length
    assert decipher(y, low, high, f) == x
    assert encipher(decipher(x, low, high, f), low, high, f) == x


@given(st.data())
def test_any_round_function_makes_a_permutation(data: st.DataObject) -> None:
    radix, length = data.draw(st.sampled_from([(2, 5), (3, 4), (10, 2), (10, 3), (16, 1)]))
    table = data.draw(st.lists(st.integers(-(2**70), 2**70), min_size=7, max_size=7))

    def f(i: int, b: int, m: int) -> int:
        return table[(i * 5 + b * 3 + m) % 7]

    low, high = halves(radix, length)
    space = range(radix**length)
    images = [encipher(x, low, high, f) for x in space]
    assert sorted(images) == list(space)
    assert [decipher(y, low, high, f) for y in images] == list(space)


@pytest.mark.parametrize(("radix", "length"), [(10, 9), (10, 8), (2, 62), (16, 1), (16, 15), (3, 5)])
def test_each_round_calls_its_function_once_with_the_modulus_of_the_page(radix: int, length: int) -> None:
    u, v = length // 2, length - length // 2
    calls: list[tuple[int, int, int]] = []
    inner = hmac_round(HmacKey(b"\x07" * 32))

    def f(i: int, b: int, m: int) -> int:
        calls.append((i, b, m))
        return inner(i, b, m)

    y = encipher(radix**length - 1, *halves(radix, length), f)
    there = calls[:]
    calls.clear()
    decipher(y, *halves(radix, length), f)
    assert [(i, m) for i, _, m in there] == [(i, radix ** (v if i % 2 else u)) for i in range(ROUNDS)]
    assert calls == there[::-1]  # the same halves and moduli, backwards
    assert ROUNDS == 10


@given(st.binary(min_size=32, max_size=32), st.integers(0, 9), st.integers(0, 2**32 - 1), st.integers(1, 2**32 - 1))
def test_the_round_function_is_that_of_the_page(key: bytes, i: int, b: int, m: int) -> None:
    mac = hmac.digest(key, i.to_bytes(1, "big") + b.to_bytes(8, "big"), "sha256")
    assert hmac_round(HmacKey(key))(i, b, m) == (int.from_bytes(mac[:8], "big") * m) >> 64 < m


def _ff1_round(key: bytes, tweak: bytes, radix: int, length: int) -> Round:
    """FF1's step 6 (SP 800-38G, algorithm 7), i to iv: the number y of the block P ‖ Q."""
    u, v = length // 2, length - length // 2
    size = (int(radix**v - 1).bit_length() + 7) // 8
    wide = 4 * ((size + 3) // 4) + 4
    p = bytes([1, 2, 1]) + radix.to_bytes(3, "big") + bytes([10, u % 256]) + length.to_bytes(4, "big") + len(tweak).to_bytes(4, "big")

    def prf(block: bytes, mode: modes.CBC | modes.ECB) -> bytes:
        encryptor = Cipher(algorithms.AES(key), mode).encryptor()
        return (encryptor.update(block) + encryptor.finalize())[-16:]

    def f(i: int, b: int, _m: int) -> int:
        q = tweak + bytes((-len(tweak) - size - 1) % 16) + bytes([i]) + b.to_bytes(size, "big")
        r = prf(p + q, modes.CBC(bytes(16)))
        counters = ((int.from_bytes(r, "big") ^ j).to_bytes(16, "big") for j in range(1, (wide + 15) // 16))
        s = r + b"".join(prf(block, modes.ECB()) for block in counters)  # noqa: S305 - single blocks, as the standard says
        return int.from_bytes(s[:wide], "big")

    return f


@pytest.mark.parametrize("number", range(1, 10))
def test_with_aes_rounds_it_gives_the_ff1_samples_of_nist(number: int, vectors: Callable[[str], Any]) -> None:
    sample = next(s for s in vectors("ff1-samples.json")["samples"] if s["sample"] == number)
    radix, plain, sealed = sample["radix"], sample["plaintext"], sample["ciphertext"]
    f = _ff1_round(bytes.fromhex(sample["key"]), bytes.fromhex(sample["tweak"]), radix, len(plain))
    low, high = halves(radix, len(plain))
    y = encipher(int(plain, radix), low, high, f)
    digits = []
    for _ in plain:
        y, digit = divmod(y, radix)
        digits.append(_SYMBOLS[digit])
    assert "".join(reversed(digits)) == sealed
    assert decipher(int(sealed, radix), low, high, f) == int(plain, radix)
