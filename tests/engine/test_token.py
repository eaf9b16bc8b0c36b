"""The device token: every derivation of format 1, section 3, written out once more, and a secret that stays one."""

from __future__ import annotations

import copy
import hmac
import json
import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offlinepin.engine.kdf import HmacKey
from offlinepin.engine.token import DeviceToken
from offlinepin.errors import DeviceIdError, KeyMaterialError

secrets_ = st.binary(min_size=32, max_size=32)
generations = st.integers(0, 2**32 - 1)
device_ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64).filter(lambda t: len(t.encode()) <= 64)


def _kdf(key: bytes, label: str, context: bytes) -> bytes:
    """Format 1, section 2, spelled out."""
    return hmac.digest(key, b"\0\0\0\1" + label.encode() + b"\0" + context + b"\0\0\1\0", "sha256")


@given(secrets_, device_ids, st.integers(0, 5))
def test_a_token_derives_from_the_master_key_and_steps_as_the_page_says(master: bytes, device_id: str, generation: int) -> None:
    expected = _kdf(master, "opin token", device_id.encode())
    for g in range(1, generation + 1):
        expected = _kdf(expected, "opin ratchet", g.to_bytes(4, "big"))
    token = DeviceToken.derive(HmacKey(master), device_id, generation)
    assert (token.export(), token.generation) == (expected, generation)
    assert token.next().export() == _kdf(expected, "opin ratchet", (generation + 1).to_bytes(4, "big"))


@given(secrets_, generations, st.binary(min_size=16, max_size=16), st.integers(0, 255), generations, st.text("0123456789*#", max_size=20))
def test_what_a_token_gives_is_what_the_page_says(
    secret: bytes, generation: int, digest: bytes, family: int, window: int, typed: str
) -> None:
    token = DeviceToken(secret, generation)
    assert token.check_value == _kdf(secret, "opin check", generation.to_bytes(4, "big"))[:4].hex()
    key = _kdf(secret, "opin window", digest + bytes([family]) + window.to_bytes(4, "big"))
    assert token.window_key(digest, family, window) == key
    assert token.tag(typed) == _kdf(secret, "opin remember", typed.encode())[:8]
    for _ in range(2):  # the second time from the cache
        mac = hmac.digest(key, b"\3" + (12345).to_bytes(8, "big"), "sha256")
        assert token.window_round(digest, family, window)(3, 12345, 1000) == (int.from_bytes(mac[:8], "big") * 1000) >> 64


def test_more_windows_than_are_kept_still_give_their_own_keys() -> None:
    token, digest = DeviceToken(b"s" * 32), bytes(16)
    first = [token.window_round(digest, 0, w)(0, 0, 2**32 - 1) for w in range(100)]
    assert [token.window_round(digest, 0, w)(0, 0, 2**32 - 1) for w in range(100)] == first
    assert len(set(first)) == 100
    assert first == [DeviceToken(b"s" * 32).window_round(digest, 0, w)(0, 0, 2**32 - 1) for w in range(100)]


@pytest.mark.parametrize("device_id", ["", "x" * 65, "é" * 33, "\ud800", None, 7])
def test_a_device_id_that_is_not_1_to_64_bytes_of_utf_8_is_refused(device_id: str) -> None:
    with pytest.raises(DeviceIdError):
        DeviceToken.derive(HmacKey(b"m" * 32), device_id)


def test_device_ids_that_look_alike_get_tokens_of_their_own() -> None:
    master = HmacKey(b"m" * 32)
    ids = ["\u00e9", "e\u0301", "door", "Door", "door ", "door\0"]
    assert len({DeviceToken.derive(master, i).export() for i in ids}) == len(ids)


@pytest.mark.parametrize("generation", [-1, -(2**40), 2**32])
def test_a_generation_outside_four_bytes_is_refused_wherever_it_is_given(generation: int) -> None:
    with pytest.raises(KeyMaterialError, match=re.escape(f"not {generation}")):
        DeviceToken(b"s" * 32, generation)
    if generation < 2**32:  # beyond, the derivation counts up to it before it refuses
        with pytest.raises(KeyMaterialError):
            DeviceToken.derive(HmacKey(b"m" * 32), "door", generation)


def test_the_last_generation_has_no_next() -> None:
    with pytest.raises(KeyMaterialError, match="cannot exceed"):
        DeviceToken(b"s" * 32, 2**32 - 1).next()


@pytest.mark.parametrize("secret", [b"", b"s" * 31, b"s" * 33, "s" * 32, None, 32, [0] * 32])
def test_a_secret_of_another_length_or_type_is_refused(secret: bytes) -> None:
    with pytest.raises(KeyMaterialError, match="a device token must be 32 bytes"):
        DeviceToken(secret)


def test_a_mutable_secret_is_copied() -> None:
    secret = bytearray(b"s" * 32)
    token = DeviceToken(secret)  # type: ignore[arg-type]
    secret[0] = 0
    assert token.export() == b"s" * 32


@given(secrets_, generations)
def test_hex_imports_what_was_exported(secret: bytes, generation: int) -> None:
    for text in (secret.hex(), secret.hex().upper(), f"\n {secret.hex()} \n"):
        assert DeviceToken.from_hex(text, generation).export() == secret


@pytest.mark.parametrize("text", ["", "ab" * 31, "ab" * 33, "g" * 64, "ab " * 21 + "a", "ａ" * 64, "0x" + "ab" * 31])
def test_hex_of_another_form_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(KeyMaterialError) as caught:
        DeviceToken.from_hex(text)
    assert not text or text not in str(caught.value)


@given(secrets_)
def test_no_way_of_showing_a_token_shows_its_secret(secret: bytes) -> None:
    token = DeviceToken(secret, 3)
    shown = f"{token!r} {token} {[token]} {[token]!r}"
    assert secret.hex() not in shown
    assert secret.hex().upper() not in shown
    assert repr(secret)[2:-1] not in shown
    assert "generation=3" in shown
    assert token.check_value in shown
    for leave in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled"):
            leave(token)
    with pytest.raises(TypeError):
        json.dumps(token)
    with pytest.raises(TypeError):
        vars(token)
