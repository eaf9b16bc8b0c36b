"""Master keys and imported tokens: made, loaded, wrapped, and never shown."""

from __future__ import annotations

import copy
import json
import os
import pickle
import re
import stat
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode
from hypothesis import given, settings
from hypothesis import strategies as st

from offlinepin import DeviceToken, ImportedTokens, MasterKey
from offlinepin.errors import DeviceIdError, KeyMaterialError, OfflinepinError, UnwrapError

MATERIAL = bytes(range(32))
materials = st.binary(min_size=32, max_size=32)
passphrases = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


def _same(key: MasterKey, material: bytes) -> bool:
    return key.token("door").export() == MasterKey(material).token("door").export()


@given(materials, passphrases)
@settings(max_examples=25)
def test_a_key_comes_back_from_its_wrapping_under_a_passphrase(material: bytes, passphrase: str) -> None:
    wrapped = MasterKey(material).wrap(passphrase=passphrase, n=2)
    assert _same(MasterKey.unwrap(wrapped, passphrase=passphrase), material)
    assert material.hex() not in wrapped
    with pytest.raises(UnwrapError, match="cannot be unwrapped"):
        MasterKey.unwrap(wrapped, passphrase=passphrase + " ")


@given(materials, st.sampled_from([16, 24, 32]), st.data())
@settings(max_examples=25)
def test_a_key_comes_back_from_its_wrapping_under_a_key(material: bytes, size: int, data: st.DataObject) -> None:
    kek = data.draw(st.binary(min_size=size, max_size=size))
    wrapped = MasterKey(material).wrap(key=kek)
    assert _same(MasterKey.unwrap(wrapped, key=kek), material)
    with pytest.raises(UnwrapError, match="cannot be unwrapped"):
        MasterKey.unwrap(wrapped, key=bytes([kek[0] ^ 1]) + kek[1:])


def test_each_wrapping_has_a_salt_of_its_own() -> None:
    key = MasterKey(MATERIAL)
    assert len({json.loads(key.wrap(passphrase="p", n=2))["salt"] for _ in range(8)}) == 8


@given(st.data())
@settings(max_examples=60)
def test_a_wrapped_key_that_was_changed_anywhere_is_refused(data: st.DataObject) -> None:
    document = json.loads(MasterKey(MATERIAL).wrap(passphrase="p", n=4))
    member = data.draw(st.sampled_from(sorted(document)))
    old = document[member]
    if isinstance(old, int):
        changed: Any = data.draw(st.integers(-5, 70).filter(lambda v: v != old) | st.sampled_from([2**63, 2**70, None, "4"]))
    elif member in ("salt", "key"):
        at = data.draw(st.integers(0, len(old) - 1))
        changed = old[:at] + data.draw(st.sampled_from("0123456789abcdefG").filter(lambda c: c != old[at])) + old[at + 1 :]
        changed = data.draw(st.sampled_from([changed, old[:-2], old + "00", "", old.upper() + "A"]))
    else:
        changed = data.draw(st.sampled_from(["", "aes", "none", None, 1]))
    with pytest.raises(UnwrapError):
        MasterKey.unwrap(json.dumps({**document, member: changed}), passphrase="p")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"offlinepin_key": 2}', MATERIAL.hex(), "\ud800"])
def test_what_is_no_wrapped_key_is_refused(text: str) -> None:
    with pytest.raises(UnwrapError):
        MasterKey.unwrap(text, passphrase="p")


@pytest.mark.parametrize("n", [2**21, 2**40, 2**62])
def test_a_wrapped_key_cannot_make_its_reader_take_gigabytes(n: int) -> None:
    document = {**json.loads(MasterKey(MATERIAL).wrap(passphrase="p", n=2)), "n": n}
    with pytest.raises(UnwrapError, match=r"n: .*1048576"):
        MasterKey.unwrap(json.dumps(document), passphrase="p")
    with pytest.raises(KeyMaterialError, match=re.escape(f"not {n}")):
        MasterKey(MATERIAL).wrap(passphrase="p", n=n)


@pytest.mark.parametrize("secret", [{}, {"passphrase": "p", "key": b"k" * 32}])
def test_exactly_one_secret_wraps_and_unwraps(secret: dict[str, Any]) -> None:
    wrapped = MasterKey(MATERIAL).wrap(passphrase="p", n=2)
    for call in (MasterKey(MATERIAL).wrap, lambda **options: MasterKey.unwrap(wrapped, **options)):
        with pytest.raises(KeyMaterialError):
            call(**secret)


@pytest.mark.parametrize(
    ("secret", "says"),
    [({"passphrase": ""}, "empty"), ({"key": b"k" * 31}, "16, 24 or 32 bytes, not 31"), ({"passphrase": "p", "n": 3}, "power of two")],
)
def test_a_secret_that_cannot_wrap_is_refused(secret: dict[str, Any], says: str) -> None:
    with pytest.raises(KeyMaterialError, match=says):
        MasterKey(MATERIAL).wrap(**secret)


def test_the_wrong_kind_of_secret_says_which_is_needed() -> None:
    key = MasterKey(MATERIAL)
    with pytest.raises(UnwrapError, match="under a passphrase"):
        MasterKey.unwrap(key.wrap(passphrase="p", n=2), key=b"k" * 32)
    with pytest.raises(UnwrapError, match="under a given key"):
        MasterKey.unwrap(key.wrap(key=b"k" * 32), passphrase="p")


def test_a_passphrase_that_utf_8_cannot_hold_is_refused_and_not_repeated() -> None:
    with pytest.raises(KeyMaterialError) as caught:
        MasterKey(MATERIAL).wrap(passphrase="opensesame\udcff", n=2)
    assert "opensesame" not in f"{caught.value} {caught.value!r}"


# --- where keys come from -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("material", [b"", b"x" * 31, b"x" * 33, "x" * 32, None, 5])
def test_a_master_key_has_32_bytes(material: bytes) -> None:
    for make in (MasterKey, MasterKey.from_bytes):
        with pytest.raises(KeyMaterialError, match="a master key must be 32 bytes"):
            make(material)


def test_generated_keys_differ() -> None:
    assert len({MasterKey.generate().token("door").export() for _ in range(16)}) == 16


@given(materials)
def test_hex_in_either_case_and_with_white_space_around_is_read(material: bytes) -> None:
    for text in (material.hex(), f"  {material.hex().upper()}\n"):
        assert _same(MasterKey.from_hex(text), material)


@pytest.mark.parametrize("text", ["", "00" * 31, "00" * 33, "zz" * 32, "00 " * 32, "０" * 64])
def test_hex_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(KeyMaterialError, match="64 hexadecimal digits"):
        MasterKey.from_hex(text)


def test_an_environment_variable_holds_hex_or_a_wrapped_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OFFLINEPIN_MASTER_KEY", MATERIAL.hex())
    assert _same(MasterKey.from_env(), MATERIAL)
    monkeypatch.setenv("OTHER", MasterKey(MATERIAL).wrap(passphrase="p", n=2))
    assert _same(MasterKey.from_env("OTHER", passphrase="p"), MATERIAL)
    with pytest.raises(UnwrapError, match="give its passphrase"):
        MasterKey.from_env("OTHER")
    for value in ("", " ", "0x00"):
        monkeypatch.setenv("OTHER", value)
        with pytest.raises(KeyMaterialError):
            MasterKey.from_env("OTHER")
    monkeypatch.delenv("OTHER")
    with pytest.raises(KeyMaterialError, match="OTHER is not set"):
        MasterKey.from_env("OTHER")


@pytest.mark.parametrize("passphrase", [None, "correct horse"])
def test_a_saved_key_is_read_back_and_only_its_owner_may_read_it(passphrase: str | None, tmp_path: Path) -> None:
    path = tmp_path / "key"
    before = os.umask(0)
    try:
        MasterKey(MATERIAL).save(path, passphrase=passphrase)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert _same(MasterKey.from_file(path, passphrase=passphrase), MATERIAL)
    assert (MATERIAL.hex() in path.read_text()) == (passphrase is None)


def test_a_key_file_is_never_overwritten_not_even_through_a_link(tmp_path: Path) -> None:
    path = tmp_path / "key"
    MasterKey(MATERIAL).save(path)
    (tmp_path / "link").symlink_to(path)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for place in (path, tmp_path / "link", tmp_path / "dangling"):
        with pytest.raises(KeyMaterialError, match="never overwritten"):
            MasterKey.generate().save(place)
    assert path.read_text() == MATERIAL.hex() + "\n"
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(KeyMaterialError, match="cannot be written: No such file"):
        MasterKey.generate().save(tmp_path / "no" / "key")


def test_a_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00" + MATERIAL)
    (tmp_path / "empty").write_bytes(b"")
    for name, says in (("binary", "not text"), ("empty", "64 hexadecimal"), ("none", "No such file"), (".", "directory")):
        with pytest.raises(KeyMaterialError, match=says):
            MasterKey.from_file(tmp_path / name)


# --- secrets stay secret ------------------------------------------------------------------------------------------


def _showings(secret: Any) -> list[str]:
    return [repr(secret), str(secret), f"{secret}", repr([secret]), repr({"k": secret})]


def _hidden(material: bytes, shown: str) -> bool:
    return not any(form in shown for form in (material.hex(), material.hex().upper(), repr(material)[2:-1], material.decode("latin-1")))


@given(materials.filter(lambda m: len(set(m)) > 4))
def test_no_way_of_showing_a_key_shows_its_bytes(material: bytes) -> None:
    key = MasterKey(material)
    token = DeviceToken(material)
    for secret in (key, token, ImportedTokens({"door": token})):
        assert all(_hidden(material, shown) for shown in _showings(secret))
        leaves: list[Callable[[Any], Any]] = [pickle.dumps, copy.deepcopy, json.dumps]
        for leave in leaves:
            with pytest.raises(TypeError) as caught:
                leave(secret)
            assert _hidden(material, "".join(traceback.format_exception(caught.value)))


@given(materials.filter(lambda m: len(set(m)) > 4), st.sampled_from(["hex", "wrapped"]))
@settings(max_examples=30)
def test_no_error_shows_key_bytes_not_even_in_what_it_was_raised_over(material: bytes, form: str) -> None:
    text = material.hex() if form == "hex" else MasterKey(material).wrap(passphrase="secret words", n=2)
    errors: list[BaseException] = []
    for attempt in (
        lambda: MasterKey(material + b"x"),
        lambda: MasterKey.from_hex(material.hex() + "0"),
        lambda: DeviceToken.from_hex(material.hex()[:-1]),
        lambda: DeviceToken(material, -1),
        lambda: MasterKey(material).token(""),
        lambda: MasterKey(material).wrap(passphrase="secret words", key=b"x"),
        lambda: MasterKey.unwrap(text, passphrase="secret word"),
        lambda: MasterKey.unwrap(text[:-3], passphrase="secret words"),
        lambda: MasterKey.unwrap(json.dumps({"key": material.hex()}), passphrase="secret words"),
    ):
        with pytest.raises(OfflinepinError) as caught:
            attempt()
        errors.append(caught.value)
    while errors:
        error = errors.pop()
        assert _hidden(material, f"{error} {error!r} {error.args}")
        assert "secret words" not in f"{error} {error!r}"
        errors.extend(e for e in (error.__cause__, error.__context__) if e is not None)


# --- imported tokens ----------------------------------------------------------------------------------------------


@given(materials, st.integers(0, 5), st.integers(0, 5))
def test_imported_tokens_step_forward_and_never_back(material: bytes, given_at: int, asked: int) -> None:
    token = DeviceToken(material)
    for _ in range(given_at):
        token = token.next()
    source = ImportedTokens({"door": token})
    if asked < given_at:
        with pytest.raises(KeyMaterialError, match=f"generation {given_at}; it cannot go back to {asked}"):
            source.token("door", asked)
    else:
        expected = DeviceToken(material)
        for _ in range(asked):
            expected = expected.next()
        assert (source.token("door", asked).export(), source.token("door", asked).generation) == (expected.export(), asked)


def test_imported_tokens_know_only_their_devices_and_are_not_changed_from_outside() -> None:
    tokens = {"door": DeviceToken(MATERIAL)}
    source = ImportedTokens(tokens)
    tokens["gate"] = DeviceToken(MATERIAL)
    with pytest.raises(DeviceIdError, match="no token was imported for device 'gate'"):
        source.token("gate")


# --- keys of one's own purposes -------------------------------------------------------------------------------------

labels = st.binary(min_size=1, max_size=40).filter(lambda label: b"\0" not in label and not label.startswith(b"opin "))


@given(materials, labels, st.binary(max_size=100))
def test_a_key_of_a_purpose_is_kbkdf_under_the_master_key(material: bytes, label: bytes, context: bytes) -> None:
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
    assert MasterKey(material).derive(label, context) == peer.derive(material)


@given(labels, st.text(min_size=1, max_size=16), labels)
def test_no_purpose_gets_the_key_of_a_device_or_of_another_purpose(label: bytes, device_id: str, other: bytes) -> None:
    key = MasterKey(MATERIAL)
    context = device_id.encode()
    assert key.derive(label, context) != key.token(device_id).export()
    assert (key.derive(label, context) == key.derive(other, context)) == (label == other)


@pytest.mark.parametrize("label", [b"", b"a\0b", b"opin token", b"opin vault"])
def test_a_label_that_is_ambiguous_or_format_1_s_own_is_refused(label: bytes) -> None:
    with pytest.raises(KeyMaterialError, match="a label"):
        MasterKey(MATERIAL).derive(label, b"")
