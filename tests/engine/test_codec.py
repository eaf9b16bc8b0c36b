"""Codes as text: sealing and opening invert each other, one family claims a text, and people may group what they copy."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offlinepin.engine.codec import claim, from_symbols, grouped, open_under, seal, to_symbols, ungrouped
from offlinepin.engine.payload import Grant
from offlinepin.engine.profile import Profile
from offlinepin.engine.token import DeviceToken
from offlinepin.errors import InvalidCodeError, TimeOutOfRangeError, UnknownKindError, VariantError

tokens = st.builds(DeviceToken, st.binary(min_size=32, max_size=32))
ALPHABETS = ["01", "0123456789", "ABCDEF", "147*#", " 12", "1-", "- ", '"\\]^-a', "9876543210", "0123456789abcdef"]


@st.composite
def grants(draw: st.DrawFn, profile: Profile) -> Grant:
    """Any grant of a profile."""
    f = draw(st.integers(0, len(profile.families) - 1))
    family = profile.families[f]
    k = draw(st.integers(0, len(family.kinds) - 1))
    kind = family.kinds[k]
    duration = kind.duration_at(draw(st.integers(0, kind.duration_count - 1)))
    return Grant(f, k, draw(st.integers(0, family.window * 2**32 - 1)), duration, draw(st.integers(0, kind.variants - 1)))


@given(st.from_type(Profile), tokens, st.data())
def test_what_is_sealed_is_claimed_and_opened_under_its_window_and_nothing_else_is_said(
    profile: Profile, token: DeviceToken, data: st.DataObject
) -> None:
    grant = data.draw(grants(profile))
    family = profile.families[grant.family]
    code = seal(profile, token, grant)
    assert len(code) == family.total_length
    assert code.startswith(family.prefix)
    assert set(code[len(family.prefix) :]) <= set(profile.alphabet)
    claimed = claim(profile, code)
    assert claimed is not None
    index, number = claimed
    assert index == grant.family
    assert family.prefix + to_symbols(number, profile.alphabet, family.length) == code
    assert open_under(profile, token, index, grant.start // family.window, number) == grant
    assert seal(profile, DeviceToken(token.export()), grant) == code


@given(st.from_type(Profile), tokens, st.integers(0, 10_000))
@settings(max_examples=30)
def test_distinct_grants_of_one_window_get_distinct_codes(profile: Profile, token: DeviceToken, window: int) -> None:
    for f, family in enumerate(profile.families):
        codes = [
            seal(profile, token, Grant(f, k, window * family.window + offset, kind.duration_at(d), variant))
            for k, kind in enumerate(family.kinds)
            for offset in range(min(family.window, 5))
            for d in range(kind.duration_count)
            for variant in range(kind.variants)
        ]
        assert len(set(codes)) == len(codes)


@given(st.from_type(Profile), tokens, st.data())
def test_another_token_generation_or_rule_reads_something_else(profile: Profile, token: DeviceToken, data: st.DataObject) -> None:
    """Window keys differ; at these sizes a code may mean the same by chance, but not for all grants of a family at once."""
    grant = data.draw(grants(profile))
    family = profile.families[grant.family]
    document = json.loads(profile.json_text())
    renamed = Profile.parse({**document, "name": "other"})
    keys = {
        p.name + str(t.generation): t.window_key(p.digest, grant.family, grant.start // family.window)
        for p in (profile, renamed)
        for t in (token, token.next())
    }
    assert len(set(keys.values())) == 4


@given(st.from_type(Profile), st.text("0123456789ABCDEFabcdefP147*# -", max_size=12))
def test_a_text_is_claimed_by_the_family_of_its_prefix_and_length_alone(profile: Profile, text: str) -> None:
    claimers = [
        f
        for f, family in enumerate(profile.families)
        if text.startswith(family.prefix)
        and len(text) - len(family.prefix) == family.length
        and all(c in profile.alphabet for c in text[len(family.prefix) :])
    ]
    found = claim(profile, text)
    assert ([] if found is None else [found[0]]) == claimers


@pytest.mark.parametrize(
    "typed", ["", "12345678", "1234567890", "１２３４５６７８９", "12345678a", "12345678\n", "+12345678", "1234_6789", "-12345678"]
)
def test_a_text_that_is_no_code_is_claimed_by_none(typed: str, document: dict[str, Any]) -> None:
    assert claim(Profile.parse(document), typed) is None


def test_prefixes_may_use_keys_outside_the_alphabet(document: dict[str, Any]) -> None:
    family = document["families"][0]
    document["families"] = [{**family, "name": name, "prefix": prefix} for name, prefix in (("guest", "*"), ("staff", "#"), ("both", "*#"))]
    document["families"][2]["length"] = 9
    profile = Profile.parse(document)
    token = DeviceToken(b"t" * 32)
    for f, prefix in enumerate(("*", "#", "*#")):
        code = seal(profile, token, Grant(f, 0, 500_000, 24, 0))
        assert re.fullmatch(re.escape(prefix) + r"\d{9}", code)
        assert claim(profile, code) == (f, int(code[len(prefix) :]))
        assert ungrouped(profile, f"{code[:4]}-{code[4:7]} {code[7:]}") == code
    assert claim(profile, "1" * 10) is None


@pytest.mark.parametrize(
    ("grant", "error"),
    [
        (Grant(0, 0, -1, 24, 0), TimeOutOfRangeError),
        (Grant(0, 0, 1008 * 2**32, 24, 0), TimeOutOfRangeError),
        (Grant(0, 0, 0, 673, 0), UnknownKindError),
        (Grant(0, 0, 0, 24, 3), VariantError),
    ],
)
def test_a_grant_outside_the_profile_is_not_sealed(grant: Grant, error: type[Exception], document: dict[str, Any]) -> None:
    with pytest.raises(error):
        seal(Profile.parse(document), DeviceToken(b"t" * 32), grant)


# --- symbols ------------------------------------------------------------------------------------------------------


@given(st.sampled_from(ALPHABETS), st.integers(1, 20), st.data())
def test_symbols_spell_a_number_most_significant_first(alphabet: str, length: int, data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(alphabet) ** length - 1))
    text = to_symbols(number, alphabet, length)
    assert len(text) == length
    assert sum(alphabet.index(c) * len(alphabet) ** i for i, c in enumerate(reversed(text))) == number
    assert from_symbols(text, alphabet) == number


@pytest.mark.parametrize("text", ["１", "٣", "1 2", "1\n", "x", "12é"])
def test_what_is_not_in_the_alphabet_spells_nothing(text: str) -> None:
    assert from_symbols(text, "0123456789") is None


# --- groups -------------------------------------------------------------------------------------------------------


@given(st.text("0123456789", min_size=1, max_size=20))
def test_groups_have_three_symbols_or_two_and_never_one(code: str) -> None:
    groups = grouped(code).split(" ")
    assert "".join(groups) == code
    if len(code) > 1:
        assert {len(group) for group in groups} <= {2, 3}
        assert sorted(map(len, groups), reverse=True) == list(map(len, groups))


@pytest.mark.parametrize(
    ("code", "text"), [("123456789", "123 456 789"), ("1234567", "123 45 67"), ("12345678", "123 456 78"), ("1234", "12 34"), ("1", "1")]
)
def test_groups_of_usual_lengths(code: str, text: str) -> None:
    assert grouped(code) == text


@given(st.sampled_from(ALPHABETS), st.data())
def test_a_keypad_gets_back_what_was_grouped(alphabet: str, data: st.DataObject) -> None:
    profile = _with_alphabet(alphabet)
    code = data.draw(st.text(alphabet, min_size=4, max_size=9))
    assert ungrouped(profile, code) == code
    for separator in " -":
        if separator not in alphabet:
            assert ungrouped(profile, grouped(code).replace(" ", separator) if " " not in alphabet else code) == code


def _with_alphabet(alphabet: str) -> Profile:
    kind = {"name": "k", "action": "unlock", "durations": [[1, 0, 1]], "variants": 1, "activation": 0, "uses": 0, "linger": 0}
    kind |= {"opens": 0, "closes": 0, "hours": [0, 86400], "weekdays": 127, "supersedes": ""}
    lock = {"tolerance": 0, "capacity": 0, "lockout": {"free": 0, "delay": 0, "growth": 1, "cap": 0, "leak": 1}}
    family = {"name": "f", "prefix": "", "length": 9, "slot": 60, "window": 1, "kinds": [kind]}
    return Profile.parse({"offlinepin": 1, "name": "p", "alphabet": alphabet, "clock": "utc", "families": [family], "lock": lock})


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("123\u00a0456\u00a0789", "\u00a0"),
        ("\uff11\uff12\uff13456789", "\uff11"),
        ("123  456 789", " "),
        ("123 - 456", " "),
        ("123--456", "-"),
        (" 123456789", " "),
        ("123456789 ", " "),
        ("-123456789", "-"),
        ("123456789\n", "\n"),
        ("123\t456", "\t"),
        ("123\u2013456", "\u2013"),
        ("12345678O", "O"),
        ("123,456", ","),
        ("+123", "+"),
        (" ", " "),
        ("123\u200b456", "\u200b"),
        ("\u0663", "\u0663"),
    ],
)
def test_anything_but_single_separators_between_groups_is_refused_and_named(text: str, symbol: str, document: dict[str, Any]) -> None:
    with pytest.raises(InvalidCodeError, match=re.escape(repr(symbol))):
        ungrouped(Profile.parse(document), text)


def test_an_empty_code_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(InvalidCodeError, match="empty"):
        ungrouped(Profile.parse(document), "")
