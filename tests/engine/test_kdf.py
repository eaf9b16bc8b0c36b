"""HMAC-SHA-256 and the key derivation, against RFC 4231, NIST's SP 800-108 vectors and another implementation."""

from __future__ import annotations

import copy
import hmac
import pickle
import re
from collections.abc import Iterator

import cryptography_vectors
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode
from hypothesis import given
from hypothesis import strategies as st

from offlinepin.engine.kdf import HmacKey, kdf


def _read(name: str) -> str:
    with cryptography_vectors.open_vector_file(name, "r") as file:
        return str(file.read())


def _rfc_4231() -> Iterator[tuple[bytes, bytes, bytes]]:
    """(key, message, MAC) of RFC 4231, section 4."""
    for key, message, mac in re.findall(r"Key = (\w+)\s+(?:#.*\s+)?Msg = (\w+)\s+MD = (\w+)", _read("HMAC/rfc-4231-sha256.txt")):
        yield bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(mac)


def _sp_800_108() -> Iterator[tuple[bytes, bytes, bytes]]:
    """(key, fixed input, output) of NIST's counter-mode vectors for HMAC-SHA-256 with a 32-bit counter before the fixed input."""
    text = _read("KDF/nist-800-108-KBKDF-CTR.txt")
    head = re.search(r"\[PRF=HMAC_SHA256\]\s+\[CTRLOCATION=BEFORE_FIXED\]\s+\[RLEN=32_BITS\](.*?)\[PRF", text, re.DOTALL)
    assert head is not None
    for key, fixed, output in re.findall(r"KI = (\w+).*?FixedInputData = (\w+).*?KO = (\w+)", head[1], re.DOTALL):
        yield bytes.fromhex(key), bytes.fromhex(fixed), bytes.fromhex(output)


def test_rfc_4231_test_cases_with_keys_up_to_a_block() -> None:
    cases = list(_rfc_4231())
    assert [len(key) > 64 for key, _, _ in cases] == [False] * 4 + [True] * 2
    for key, message, mac in cases[:4]:
        assert HmacKey(key).digest(message) == mac


def test_a_key_longer_than_a_block_is_refused_and_its_hash_gives_the_mac_of_rfc_4231() -> None:
    for key, message, mac in list(_rfc_4231())[4:]:
        with pytest.raises(ValueError, match=f"at most 64 bytes, not {len(key)}"):
            HmacKey(key)
        hashed = hashes.Hash(hashes.SHA256())
        hashed.update(key)
        assert HmacKey(hashed.finalize()).digest(message) == mac


def test_nist_counter_mode_vectors_come_out_of_one_hmac_over_counter_and_fixed_input() -> None:
    cases = [case for case in _sp_800_108() if len(case[2]) <= 32]
    assert len(cases) >= 20
    for key, fixed, output in cases:
        assert HmacKey(key).digest((1).to_bytes(4, "big") + fixed)[: len(output)] == output


@given(st.binary(max_size=64), st.binary(max_size=300), st.binary(max_size=100))
def test_a_kept_key_gives_what_hmac_gives_again_and_again(key: bytes, first: bytes, second: bytes) -> None:
    kept = HmacKey(key)
    for message in (first, second, first):
        assert kept.digest(message) == hmac.digest(key, message, "sha256")


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=40), st.binary(max_size=100))
def test_the_derivation_is_kbkdf_in_counter_mode(key: bytes, label: bytes, context: bytes) -> None:
    peer = KBKDFHMAC(
        algorithm=hashes.SHA256(),
        mode=Mode.CounterMode,
        length=32,
        rlen=4,
        llen=4,
        location=CounterLocation.BeforeFixed,
        label=label,
        context=context,
        fixed=None,
    )
    assert kdf(HmacKey(key), label, context) == peer.derive(key)


def test_a_key_shows_nothing_and_cannot_be_copied_or_pickled() -> None:
    key = HmacKey(b"k" * 32)
    assert repr(key) == str(key) == "HmacKey(…)"
    for leave in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled"):
            leave(key)
