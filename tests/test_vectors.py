"""Known answers: the contract's own file, and the laws that what is made passes and what is changed is caught at its stage."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offlinepin import Profile, vectors
from offlinepin.errors import VectorsError
from offlinepin.vendor import discover, load

FORMAT_1 = Path(__file__).parent / "vectors" / "format-1.json"
DOCUMENT: dict[str, Any] = json.loads(FORMAT_1.read_bytes())
PROFILES = [load(name).profile for name in discover()] + [Profile.parse(s["profile"]) for s in DOCUMENT["sets"]]


def insecure() -> Profile:
    """Two digits, half of them live: no issuer takes it, the checker must."""
    document = copy.deepcopy(DOCUMENT["sets"][0]["profile"])
    family = document["families"][0]
    family |= {"length": 2, "window": 8, "kinds": [family["kinds"][0] | {"durations": [[1, 1, 4]], "variants": 1}]}
    return Profile.parse(document | {"name": "insecure", "families": [family]})


def checked(document: dict[str, Any]) -> vectors.Outcome:
    return vectors.check(vectors.Vectors.parse(json.dumps(document)))


def test_every_case_of_the_contract_passes_every_stage() -> None:
    assert vectors.check(vectors.Vectors.load(FORMAT_1)) == vectors.Outcome(72, ())


def test_the_contract_file_is_written_back_byte_for_byte() -> None:
    assert vectors.Vectors.load(FORMAT_1).json_text() == FORMAT_1.read_text("ascii")


@given(
    st.lists(st.sampled_from([*PROFILES, insecure()]) | st.from_type(Profile), min_size=1, max_size=3),
    st.integers(1, 60),
    st.integers(0, 2**70),
)
@settings(max_examples=25, deadline=None)
def test_what_is_made_passes_and_is_the_same_for_the_same_seed(profiles: list[Profile], count: int, seed: int) -> None:
    made = vectors.make(profiles, count, seed)
    assert vectors.check(vectors.Vectors.parse(made.json_text())) == vectors.Outcome(count * len(profiles), ())
    assert vectors.make(profiles, count, seed) == made


def test_another_seed_makes_other_keys() -> None:
    first, second = (vectors.make([insecure()], 10, seed).sets[0].cases for seed in (0, 1))
    assert not {c.master_key for c in first} & {c.master_key for c in second}


@pytest.mark.parametrize("profile", [*PROFILES, insecure()], ids=lambda p: p.name)
def test_made_cases_hold_the_edges_of_windows_the_outer_payloads_and_all_sorts_of_ids(profile: Profile) -> None:
    cases = vectors.make([profile], 120, 7).sets[0].cases
    assert {len(c.device_id.encode()) for c in cases} >= {1, 64}
    assert any(not c.device_id.isascii() for c in cases)
    assert {c.generation for c in cases} >= {0, 1, 2}
    for family in profile.families:
        assert {c.offset for c in cases if c.family == family.name} >= {0, family.window - 1}
        assert 0 in {c.window for c in cases if c.family == family.name}
        for i, kind in enumerate(family.kinds):
            payloads = {c.payload for c in cases if (c.family, c.kind) == (family.name, kind.name)}
            assert payloads >= {family.bases[i], family.bases[i + 1] - 1}


OTHER_HEX = st.integers(0, 2**256 - 1).map(lambda n: f"{n:064x}")
CHANGES: dict[str, tuple[st.SearchStrategy[Any], set[str]]] = {
    "master_key": (OTHER_HEX, {"token"}),
    "device_id": (st.text(st.characters(codec="utf-8"), max_size=80), {"token"}),
    "generation": (st.integers(0, 20), {"token"}),
    "token": (OTHER_HEX, {"token"}),
    "family": (st.text(max_size=8), {"family"}),
    "kind": (st.text(max_size=8), {"kind"}),
    "start_slot": (st.integers(-(2**60), 2**60), {"window", "offset"}),
    "duration": (st.integers(-5, 2000), {"window", "payload"}),
    "variant": (st.integers(-5, 20), {"window", "payload"}),
    "window": (st.integers(-(2**60), 2**60), {"window"}),
    "offset": (st.integers(-(2**60), 2**60), {"offset"}),
    "payload": (st.integers(-(2**60), 2**60), {"payload"}),
    "window_key": (OTHER_HEX, {"window_key"}),
    "code": (st.text(max_size=12), {"code"}),
}


@given(st.sampled_from(sorted(CHANGES)), st.integers(0, 2), st.integers(0, 23), st.data())
@settings(max_examples=120, deadline=None)
def test_a_change_of_any_member_is_caught_at_the_first_stage_it_touches(member: str, s: int, c: int, data: st.DataObject) -> None:
    values, stages = CHANGES[member]
    value = data.draw(values.filter(lambda v: v != DOCUMENT["sets"][s]["cases"][c][member]))
    document = copy.deepcopy(DOCUMENT)
    document["sets"][s]["cases"][c][member] = value
    outcome = checked(document)
    assert outcome.passed == 71
    (difference,) = outcome.differences
    assert (difference.set_index, difference.case_index) == (s, c)
    assert difference.stage in stages
    assert difference.expected != difference.got
    assert difference.stage in str(difference)


def test_a_wrong_digest_fails_every_case_of_its_set_and_no_other() -> None:
    document = copy.deepcopy(DOCUMENT)
    document["sets"][1]["digest"] = "0" * 32
    outcome = checked(document)
    assert outcome.passed == 48
    assert {(d.set_index, d.stage, d.expected) for d in outcome.differences} == {(1, "digest", "0" * 32)}


def test_a_changed_rule_of_a_profile_is_caught_at_the_digest() -> None:
    document = copy.deepcopy(DOCUMENT)
    document["sets"][0]["profile"]["families"][0]["kinds"][0]["weekdays"] = 31
    assert {d.stage for d in checked(document).differences} == {"digest"}


def test_the_locks_own_policy_is_no_part_of_the_known_answers() -> None:
    document = copy.deepcopy(DOCUMENT)
    document["sets"][0]["profile"]["lock"]["tolerance"] = 0
    assert checked(document).passed == 72


def changed(path: list[str | int], value: object) -> str:
    """The contract's file with one member replaced, or removed where the value is ``...``."""
    document = copy.deepcopy(DOCUMENT)
    target: Any = document
    for step in path[:-1]:
        target = target[step]
    if value is ...:
        del target[path[-1]]
    else:
        target[path[-1]] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("path", "value", "member"),
    [
        (["format"], 2, "format"),
        (["sets"], ..., "sets"),
        (["sets"], [], "sets"),
        (["sets", 0, "cases"], [], "sets[0].cases"),
        (["sets", 1, "digest"], "short", "sets[1].digest"),
        (["sets", 0, "cases", 3, "token"], "AB", "sets[0].cases[3].token"),
        (["sets", 0, "cases", 3, "token"], ..., "sets[0].cases[3].token"),
        (["sets", 2, "cases", 0, "payload"], "12", "sets[2].cases[0].payload"),
        (["sets", 2, "cases", 0, "payload"], 1.5, "sets[2].cases[0].payload"),
        (["sets", 2, "cases", 0, "extra"], 1, "sets[2].cases[0].extra"),
        (["sets", 2, "cases", 0, "generation"], -1, "sets[2].cases[0].generation"),
        (["sets", 0, "profile", "families", 0, "slot"], 0, "sets[0].profile: profile member families[0].slot"),
        (["sets", 0, "profile", "alphabet"], "0011", "sets[0].profile: profile member alphabet"),
    ],
)
def test_a_file_of_another_shape_is_refused_and_the_member_is_named(path: list[str | int], value: object, member: str) -> None:
    with pytest.raises(VectorsError) as caught:
        vectors.check(vectors.Vectors.parse(changed(path, value)))
    assert member in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", b"\xff\xfe"])
def test_what_is_no_document_is_refused(text: str | bytes) -> None:
    with pytest.raises(VectorsError):
        vectors.Vectors.parse(text)


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(VectorsError, match="nothing-here"):
        vectors.Vectors.load(tmp_path / "nothing-here")


@pytest.mark.parametrize(("count", "seed"), [(0, 0), (1, -1)])
def test_making_needs_a_count_and_a_seed_that_are_not_negative(count: int, seed: int) -> None:
    with pytest.raises(VectorsError):
        vectors.make([insecure()], count, seed)
