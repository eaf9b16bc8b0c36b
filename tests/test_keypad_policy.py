"""The policy of a keypad: which keypads can type which codes, and which conflicts are refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from offlinepin.engine.profile import Profile
from offlinepin.errors import OfflinepinError, ProfileError, UnknownKindError
from offlinepin.keypad import KeypadPolicy
from offlinepin.vendor import load


def with_family(document: dict[str, Any], **changes: Any) -> Profile:
    document["families"][0].update(changes)
    return Profile.parse(document)


def smaller(document: dict[str, Any], total: int, prefix: str = "") -> Profile:
    """The example with codes of ``total`` keys."""
    document["families"][0]["kinds"][0]["durations"] = [[1, 0, 1]]
    document["families"][0]["kinds"][0]["variants"] = 1
    return with_family(document, window=4, prefix=prefix, length=total - len(prefix))


@pytest.mark.parametrize("name", ["igloo", "standard", "oracode"])
def test_the_keypad_of_every_vendor_types_its_codes(name: str) -> None:
    vendor = load(name)
    vendor.keypad.check(vendor.profile)


def test_enter_and_clear_are_different_keys() -> None:
    with pytest.raises(ProfileError, match=r"keypad\.clear: enter and clear must be different keys, both are '#'"):
        KeypadPolicy(clear="#")


@pytest.mark.parametrize(("member", "key"), [("enter", "5"), ("clear", "0")])
def test_a_key_of_the_alphabet_can_neither_end_nor_discard_an_entry(document: dict[str, Any], member: str, key: str) -> None:
    with pytest.raises(ProfileError, match=rf"keypad\.{member}: '{key}' is a key of codes of profile 'example-9'"):
        KeypadPolicy(**{member: key}).check(Profile.parse(document))


@pytest.mark.parametrize(("member", "prefix"), [("clear", "*"), ("enter", "#")])
def test_a_key_of_a_prefix_can_neither_end_nor_discard_an_entry(document: dict[str, Any], member: str, prefix: str) -> None:
    profile = with_family(document, prefix=prefix)
    with pytest.raises(ProfileError, match=rf"keypad\.{member}"):
        KeypadPolicy().check(profile)
    KeypadPolicy(**{member: "E"}).check(profile)


def test_codes_longer_than_an_entry_are_refused(document: dict[str, Any]) -> None:
    profile = Profile.parse(document)
    with pytest.raises(ProfileError, match=r"keypad\.max_keys: codes of profile 'example-9' have up to 9 keys, not 8"):
        KeypadPolicy(max_keys=8).check(profile)
    KeypadPolicy(max_keys=9).check(profile)


@pytest.mark.parametrize("member", ["personal", "passage"])
def test_a_family_that_the_profile_does_not_have_is_refused(document: dict[str, Any], member: str) -> None:
    profile = Profile.parse(document)
    with pytest.raises(UnknownKindError, match="has no family 'Guest'"):
        KeypadPolicy(**{member: ("Guest",)}).check(profile)
    KeypadPolicy(**{member: ("access",)}).check(profile)


@pytest.mark.parametrize("prefix", ["", "A"])
def test_personal_codes_and_codes_of_six_keys_cannot_be_together(document: dict[str, Any], prefix: str) -> None:
    profile = smaller(document, 6, prefix)
    KeypadPolicy().check(profile)
    with pytest.raises(ProfileError, match=r"keypad\.personal"):
        KeypadPolicy(personal=("access",)).check(profile)


def test_personal_codes_that_no_entry_can_hold_are_refused(document: dict[str, Any]) -> None:
    profile = smaller(document, 4)
    with pytest.raises(OfflinepinError, match="keypad"):
        KeypadPolicy(max_keys=5, personal=("access",)).check(profile)


def test_personal_codes_behind_which_masking_would_see_a_shorter_code_are_refused(document: dict[str, Any]) -> None:
    """Six keys that end in a code of four are that code, so no personal code would ever be looked at."""
    profile = smaller(document, 4)
    KeypadPolicy(masking=True).check(profile)
    with pytest.raises(OfflinepinError, match="keypad"):
        KeypadPolicy(masking=True, personal=("access",)).check(profile)


@pytest.mark.parametrize(
    "wrong", [{"enter": ""}, {"enter": "ab"}, {"timeout": 0}, {"timeout": 601}, {"max_keys": 3}, {"max_keys": 65}, {"beep": True}]
)
def test_members_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        KeypadPolicy(**wrong)


def test_a_policy_is_data_that_comes_back_from_json() -> None:
    policy = KeypadPolicy(enter="E", clear="C", timeout=20, max_keys=12, masking=True, personal=("a",), passage=("b", "c"))
    assert KeypadPolicy.model_validate_json(policy.model_dump_json()) == policy
