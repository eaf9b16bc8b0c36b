"""The profile document: its canonical form and digest, every rule that makes one valid, and the arithmetic of durations and lockouts."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from offlinepin.engine.profile import Action, Family, Kind, Lockout, Profile
from offlinepin.errors import FamilyOverlapError, ProfileCapacityError, ProfileError, UnknownKindError

Document = dict[str, Any]
KIND = "families[0].kinds[0]"


def _steps(path: str) -> list[str | int]:
    return [int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", path)]


def _at(document: Any, path: str) -> Any:
    for step in _steps(path):
        document = document[step]
    return document


def _with(document: Document, changes: dict[str, Any]) -> Document:
    """A copy with members changed, each named by its path."""
    changed = copy.deepcopy(document)
    for path, value in changes.items():
        *way, last = _steps(path)
        place: Any = changed
        for step in way:
            place = place[step]
        if isinstance(place, list) and last == len(place):
            place.append(value)
        else:
            place[last] = value
    return changed


def _rfc_8785(value: Any) -> str:
    """RFC 8785 for what a profile can hold, written from its text: sorted names, no white space, the shortest escapes."""
    if isinstance(value, dict):
        ordered = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(_rfc_8785(name) + ":" + _rfc_8785(value[name]) for name in ordered) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_rfc_8785, value)) + "]"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert type(value) is int
    return str(value)


# --- canonical form and digest ------------------------------------------------------------------------------------


@given(st.from_type(Profile), st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=12))
def test_the_digest_is_of_the_canonical_document_without_its_lock(profile: Profile, name: str) -> None:
    document = {**json.loads(profile.json_text()), "name": name}
    written = Profile.parse(document)
    del document["lock"]
    assert written.canonical == _rfc_8785(document).encode("ascii")
    assert written.digest == hashlib.sha256(_rfc_8785(document).encode("ascii")).digest()[:16]


@given(st.from_type(Profile))
def test_a_profile_reads_back_from_its_text_in_any_order_and_spacing(profile: Profile) -> None:
    text = profile.json_text()
    assert Profile.parse(text) == profile
    assert Profile.parse(text.encode()) == profile
    other = Profile.parse(json.dumps(json.loads(text), sort_keys=True, indent=7))
    assert (other, other.digest) == (profile, profile.digest)


def _leaves(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _leaves(member, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _leaves(member, f"{path}[{index}]")
    else:
        yield path


@given(st.data(), st.from_type(Profile))
def test_a_change_of_any_member_but_lock_changes_the_digest(data: st.DataObject, profile: Profile) -> None:
    document = json.loads(profile.json_text())
    path = data.draw(st.sampled_from(sorted(p for p in _leaves(document) if p != "offlinepin")))
    old = _at(document, path)
    new = data.draw(
        st.integers(0, 2**20) | st.integers(-5, 5).map(lambda d: old + d) if isinstance(old, int) else st.text("PQ01*", max_size=4)
    )
    assume(new != old)
    try:
        other = Profile.parse(_with(document, {path: new}))
    except ProfileError:
        assume(False)
    assert (other.digest == profile.digest) == path.startswith("lock.")


CHANGES: dict[str, Any] = {
    "name": "other",
    "alphabet": "9876543210",
    "clock": "civil",
    "families[0].name": "other",
    "families[0].prefix": "1",
    "families[0].length": 10,
    "families[0].slot": 1800,
    "families[0].window": 1007,
    f"{KIND}.name": "other",
    f"{KIND}.action": "passage",
    f"{KIND}.durations[0][0]": 2,
    f"{KIND}.durations[0][1]": 2,
    f"{KIND}.durations[0][2]": 671,
    f"{KIND}.durations": [[1, 1, 671], [672, 0, 1]],  # the same durations, written another way
    f"{KIND}.variants": 2,
    f"{KIND}.activation": 0,
    f"{KIND}.uses": 1,
    f"{KIND}.linger": 1,
    f"{KIND}.opens": -1,
    f"{KIND}.closes": 1,
    f"{KIND}.hours[0]": 1,
    f"{KIND}.hours[1]": 86_399,
    f"{KIND}.weekdays": 126,
    f"{KIND}.supersedes": "group",
}


def test_each_member_by_itself_changes_the_digest(document: Document) -> None:
    members = {f for model in (Profile, Family, Kind) for f in model.model_fields} - {"offlinepin", "families", "kinds", "lock"}
    assert {_name(path) for path in CHANGES} == members
    digests = [Profile.parse(_with(document, {path: value})).digest for path, value in CHANGES.items()]
    assert len({Profile.parse(document).digest, *digests}) == len(CHANGES) + 1


def _name(path: str) -> str:
    return next(step for step in reversed(_steps(path)) if isinstance(step, str))


def test_the_lock_member_is_outside_the_digest(document: Document) -> None:
    changes = {"lock.tolerance": 1, "lock.capacity": 1} | {f"lock.lockout.{m}": 9 for m in Lockout.model_fields}
    assert len({Profile.parse(_with(document, {path: value})).digest for path, value in changes.items()}) == 1


def test_a_changed_copy_has_a_digest_of_its_own(document: Document) -> None:
    profile = Profile.parse(document)
    before = profile.digest
    try:
        changed = profile.model_copy(update={"name": "other"})
    except (TypeError, ProfileError):
        return
    assert changed.digest != before


# --- every rule, and the member that its error names --------------------------------------------------------------

BIG = 2**53
BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"offlinepin": 2}, "offlinepin"),
    ({"offlinepin": "1"}, "offlinepin"),
    ({"offlinepin": 1.5}, "offlinepin"),
    ({"name": ""}, "name"),
    ({"name": "naïve"}, "name"),
    ({"name": "a\nb"}, "name"),
    ({"name": "x" * 65}, "name"),
    ({"name": 7}, "name"),
    ({"name": None}, "name"),
    ({"alphabet": "0"}, "alphabet"),
    ({"alphabet": ""}, "alphabet"),
    ({"alphabet": "0123456789abcdefg"}, "alphabet"),
    ({"alphabet": "0123456780"}, "alphabet"),
    ({"alphabet": "０１２３"}, "alphabet"),
    ({"alphabet": "0\t"}, "alphabet"),
    ({"clock": "local"}, "clock"),
    ({"clock": "UTC"}, "clock"),
    ({"families": []}, "families"),
    ({"families": {}}, "families"),
    ({"families[0].name": ""}, "families[0].name"),
    ({"families[0].prefix": "é"}, "families[0].prefix"),
    ({"families[0].length": 0}, "families[0].length"),
    ({"families[0].length": 19}, "families[0].length"),  # 10^10 is above 2^32
    ({"families[0].length": BIG - 1}, "families[0].length"),
    ({"families[0].length": 9.0}, "families[0].length"),
    ({"families[0].length": True}, "families[0].length"),
    ({"families[0].slot": 0}, "families[0].slot"),
    ({"families[0].slot": -3600}, "families[0].slot"),
    ({"families[0].slot": BIG}, "families[0].slot"),
    ({"families[0].slot": 10**400}, "families[0].slot"),
    ({"families[0].slot": "3600"}, "families[0].slot"),
    ({"families[0].window": 0}, "families[0].window"),
    ({"families[0].kinds": []}, "families[0].kinds"),
    ({"families[0].extra": 1}, "families[0].extra"),
    ({"extra": 1}, "extra"),
    ({f"{KIND}.extra": 1}, f"{KIND}.extra"),
    ({f"{KIND}.name": ""}, f"{KIND}.name"),
    ({f"{KIND}.action": "open"}, f"{KIND}.action"),
    ({f"{KIND}.action": 1}, f"{KIND}.action"),
    ({f"{KIND}.durations": []}, f"{KIND}.durations"),
    ({f"{KIND}.durations[0]": [1, 1]}, f"{KIND}.durations[0][2]"),
    ({f"{KIND}.durations[0]": [1, 1, 0]}, f"{KIND}.durations[0][2]"),
    ({f"{KIND}.durations[0]": [-1, 1, 3]}, f"{KIND}.durations[0][0]"),
    ({f"{KIND}.durations[0]": [1, -1, 1]}, f"{KIND}.durations[0][1]"),
    ({f"{KIND}.durations[0]": [1, 1, 1, 1]}, f"{KIND}.durations[0]"),
    ({f"{KIND}.durations[0]": [1, 0, 2]}, f"{KIND}.durations"),
    ({f"{KIND}.durations": [[1, 1, 3], [3, 1, 2]]}, f"{KIND}.durations"),
    ({f"{KIND}.durations": [[5, 0, 1], [1, 2, 3]]}, f"{KIND}.durations"),
    ({f"{KIND}.durations[0]": [1, 1, 65_537]}, f"{KIND}.durations"),
    ({f"{KIND}.durations[0]": [1, BIG - 1, BIG - 1]}, f"{KIND}.durations"),
    ({f"{KIND}.durations": [[0, 0, 1]], f"{KIND}.activation": 0}, f"{KIND}.activation"),
    ({f"{KIND}.durations": [[1, 1, 5], [0, 0, 1]], f"{KIND}.activation": 0}, f"{KIND}.activation"),
    ({f"{KIND}.activation": -1}, f"{KIND}.activation"),
    ({f"{KIND}.variants": 0}, f"{KIND}.variants"),
    ({f"{KIND}.uses": 2}, f"{KIND}.uses"),
    ({f"{KIND}.uses": -1}, f"{KIND}.uses"),
    ({f"{KIND}.linger": -1}, f"{KIND}.linger"),
    ({f"{KIND}.opens": 3600}, f"{KIND}.closes"),  # one slot would end at its start
    ({f"{KIND}.closes": -3600}, f"{KIND}.closes"),
    ({f"{KIND}.opens": BIG}, f"{KIND}.opens"),
    ({f"{KIND}.hours": [0, 0]}, f"{KIND}.hours"),
    ({f"{KIND}.hours": [3600, 60]}, f"{KIND}.hours"),
    ({f"{KIND}.hours": [0, 86_401]}, f"{KIND}.hours"),
    ({f"{KIND}.hours": [-1, 60]}, f"{KIND}.hours[0]"),
    ({f"{KIND}.weekdays": 0}, f"{KIND}.weekdays"),
    ({f"{KIND}.weekdays": 128}, f"{KIND}.weekdays"),
    ({f"{KIND}.supersedes": None}, f"{KIND}.supersedes"),
    ({f"{KIND}.supersedes": "ü"}, f"{KIND}.supersedes"),
    ({f"{KIND}.action": "set_clock"}, f"{KIND}.action"),  # neither its slot nor its window
    ({f"{KIND}.action": "set_clock", "families[0].slot": 300}, f"{KIND}.action"),
    ({f"{KIND}.action": "revoke"}, f"{KIND}.name"),  # it names no <family>.<kind>
    ({f"{KIND}.action": "revoke", f"{KIND}.name": "access.none"}, f"{KIND}.name"),
    ({"lock.tolerance": -1}, "lock.tolerance"),
    ({"lock.capacity": -1}, "lock.capacity"),
    ({"lock.lockout.growth": 0}, "lock.lockout.growth"),
    ({"lock.lockout.leak": 0}, "lock.lockout.leak"),
    ({"lock.lockout.free": None}, "lock.lockout.free"),
    ({"lock": 5}, "lock"),
]


@pytest.mark.parametrize(("changes", "member"), BROKEN, ids=lambda v: str(v)[:60])
def test_a_broken_rule_is_named_by_its_member(changes: dict[str, Any], member: str, document: Document) -> None:
    with pytest.raises(ProfileError) as caught:
        Profile.parse(_with(document, changes))
    assert caught.value.member == member
    assert member in str(caught.value)
    assert len(str(caught.value)) < 500


def test_every_member_must_be_there(document: Document) -> None:
    for path in {re.sub(r"\[\d\]$", "", re.sub(r"(\[\d\])+$", "", p)) for p in _leaves(document)}:
        *way, last = _steps(path)
        short = copy.deepcopy(document)
        place: Any = short
        for step in way:
            place = place[step]
        del place[last]
        with pytest.raises(ProfileError) as caught:
            Profile.parse(short)
        assert caught.value.member == path


def test_two_families_or_two_kinds_of_one_name_are_refused(document: Document) -> None:
    family, kind = _at(document, "families[0]"), _at(document, KIND)
    with pytest.raises(ProfileError) as caught:
        Profile.parse(_with(document, {"families[1]": {**family, "length": 10}}))
    assert caught.value.member == "families[1].name"
    with pytest.raises(ProfileError) as caught:
        Profile.parse(_with(document, {"families[0].kinds[1]": kind}))
    assert caught.value.member == "families[0].kinds[1].name"


def test_more_families_than_a_byte_can_number_are_refused(document: Document) -> None:
    family = _at(document, "families[0]")
    symbols = [a + b for a in "ABCDEFGHIJKLMNOPQ" for b in "ABCDEFGHIJKLMNOP"]
    many = [{**family, "name": s, "prefix": s} for s in symbols]
    assert len(Profile.parse({**document, "families": many[:256]}).families) == 256
    with pytest.raises(ProfileError) as caught:
        Profile.parse({**document, "families": many[:257]})
    assert caught.value.member == "families"


def test_a_profile_may_fill_its_codes_to_the_last_and_no_further(document: Document) -> None:
    full = _with(document, {"families[0].length": 3, "families[0].window": 10, f"{KIND}.durations": [[1, 1, 50]], f"{KIND}.variants": 2})
    assert Profile.parse(full).families[0].bases == (0, 1000)
    with pytest.raises(ProfileCapacityError, match=r"1020 payloads do not fit into 10\^3 = 1000 codes") as caught:
        Profile.parse(_with(full, {f"{KIND}.durations": [[1, 1, 51]]}))
    assert caught.value.member == "families[0].kinds"


@pytest.mark.parametrize(("radix", "longest"), [(2, 62), (3, 40), (10, 18), (16, 14)])
def test_a_code_may_be_as_long_as_its_half_stays_below_2_to_the_32(radix: int, longest: int, document: Document) -> None:
    small = _with(document, {"alphabet": "0123456789abcdef"[:radix], "families[0].window": 1, f"{KIND}.durations": [[1, 0, 1]]})
    assert radix ** ((longest + 1) // 2) < 2**32 <= radix ** ((longest + 2) // 2)
    assert Profile.parse(_with(small, {"families[0].length": longest})).families[0].length == longest
    with pytest.raises(ProfileError) as caught:
        Profile.parse(_with(small, {"families[0].length": longest + 1}))
    assert caught.value.member == "families[0].length"


@pytest.mark.parametrize("value", [True, 1.0])
def test_the_version_has_one_canonical_form(value: object, document: Document) -> None:
    """JSON's 1.0 is 1 in RFC 8785; a reader may refuse it, but not derive other keys from it."""
    with suppress(ProfileError):
        assert Profile.parse({**document, "offlinepin": value}).digest == Profile.parse(document).digest


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", '"x"', "\ud800", b"\xff\xfe", b"", "[" * 5000])
def test_what_is_no_document_is_refused_as_one(text: str | bytes) -> None:
    with pytest.raises(ProfileError, match="profile member \\("):
        Profile.parse(text)


def test_a_mapping_of_any_type_is_read(document: Document) -> None:
    assert Profile.parse(MappingProxyType(document)) == Profile.parse(document)
    with pytest.raises(ProfileError, match="no JSON"):
        Profile.parse({**document, "name": object()})
    document["families"] = document
    with pytest.raises(ProfileError, match="no JSON"):
        Profile.parse(document)


def test_a_document_that_names_a_member_twice_is_refused(document: Document) -> None:
    text = json.dumps(document)
    with pytest.raises(ProfileError, match="name"):
        Profile.parse(text[:-1] + ', "name": "another"}')


def test_a_profile_is_read_from_a_file(document: Document, tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(document))
    assert Profile.load(path) == Profile.load(str(path)) == Profile.parse(document)


# --- families that overlap ----------------------------------------------------------------------------------------

prefixes = st.text("01#", max_size=3)


@given(st.lists(st.tuples(prefixes, st.integers(1, 4)), min_size=2, max_size=3))
def test_a_profile_is_refused_exactly_when_some_text_has_two_families(shapes: list[tuple[str, int]]) -> None:
    def claims(shape: tuple[str, int], text: str) -> bool:
        prefix, length = shape
        sealed = text[len(prefix) :]
        return text.startswith(prefix) and len(sealed) == length and set(sealed) <= set("01")

    texts = ["".join(t) for n in {len(p) + n for p, n in shapes} for t in itertools.product("01#", repeat=n)]
    shared = any(sum(claims(shape, text) for shape in shapes) > 1 for text in texts)
    kind = {"name": "k", "action": "unlock", "durations": [[1, 0, 1]], "variants": 1, "activation": 0, "uses": 0, "linger": 0}
    kind |= {"opens": 0, "closes": 0, "hours": [0, 86400], "weekdays": 127, "supersedes": ""}
    families = [{"name": f"f{i}", "prefix": p, "length": n, "slot": 60, "window": 1, "kinds": [kind]} for i, (p, n) in enumerate(shapes)]
    lock = {"tolerance": 0, "capacity": 0, "lockout": {"free": 0, "delay": 0, "growth": 1, "cap": 0, "leak": 1}}
    document = {"offlinepin": 1, "name": "p", "alphabet": "01", "clock": "utc", "families": families, "lock": lock}
    if shared:
        with pytest.raises(FamilyOverlapError) as caught:
            Profile.parse(document)
        assert re.fullmatch(r"families\[\d\]\.prefix", caught.value.member)
    else:
        assert len(Profile.parse(document).families) == len(shapes)


# --- service codes ------------------------------------------------------------------------------------------------


def _service(document: Document, **kind: Any) -> Document:
    """The document with a second, longer family that holds one service kind."""
    family = _at(document, "families[0]")
    changed = {**family["kinds"][0], "name": "access.hourly", **kind}
    return _with(document, {"families[1]": {**family, "name": "service", "length": 12, "kinds": [changed]}})


def test_a_revoke_kind_copies_the_kind_it_is_about(document: Document) -> None:
    profile = Profile.parse(_service(document, action="revoke"))
    assert profile.revocable(profile.families[1].kinds[0]) == (0, 0)
    for member, value in (("durations", [[1, 1, 671]]), ("variants", 2)):
        with pytest.raises(ProfileError) as caught:
            Profile.parse(_service(document, action="revoke", **{member: value}))
        assert caught.value.member == f"families[1].kinds[0].{member}"
    for member, value in (("slot", 1800), ("window", 1000)):
        with pytest.raises(ProfileError, match=member) as caught:
            Profile.parse(_with(_service(document, action="revoke"), {f"families[1].{member}": value}))
        assert caught.value.member == "families[1].kinds[0].action"


def test_a_set_clock_family_has_slots_of_300_s_one_window_of_2_to_the_22_and_nothing_else(document: Document) -> None:
    clock = {"action": "set_clock", "durations": [[1, 0, 1]], "variants": 1, "activation": 0}
    good = _with(_service(document, **clock), {"families[1].slot": 300, "families[1].window": 2**22})
    assert Profile.parse(good).families[1].sets_clock
    assert not Profile.parse(good).families[0].sets_clock
    for member in ("slot", "window"):
        with pytest.raises(ProfileError, match="300 s and a window of 4194304") as caught:
            Profile.parse(_with(good, {f"families[1].{member}": 600}))
        assert caught.value.member == "families[1].kinds[0].action"
    clear = {**_at(good, "families[1].kinds[0]"), "name": "clear", "action": "clear"}
    with pytest.raises(ProfileError, match="cannot share a family") as caught:
        Profile.parse(_with(good, {"families[1].kinds[1]": clear}))
    assert caught.value.member == "families[1].kinds[1].action"


def test_names_that_are_not_there_are_refused_with_those_that_are(document: Document) -> None:
    profile = Profile.parse(document)
    assert profile.family_index("access") == profile.kind_index(0, "hourly") == 0
    with pytest.raises(UnknownKindError, match="no family 'acces'; it has access"):
        profile.family_index("acces")
    with pytest.raises(UnknownKindError, match="no kind 'daily'; it has hourly"):
        profile.kind_index(0, "daily")


# --- durations ----------------------------------------------------------------------------------------------------

_KIND_OF_PROFILE = st.from_type(Profile).map(lambda profile: profile.families[0].kinds[0])


@given(_KIND_OF_PROFILE, st.integers(-3, 60))
def test_durations_are_found_as_a_plain_list_finds_them(kind: Kind, slots: int) -> None:
    durations = [first + step * i for first, step, count in kind.durations for i in range(count)]
    ending = [d for d in durations if d]
    assert kind.duration_count == len(durations)
    assert [kind.duration_at(i) for i in range(len(durations))] == durations
    assert [kind.duration_index(d) for d in durations] == list(range(len(durations)))
    assert kind.shortest_from(slots) == min((d for d in ending if d >= slots), default=None)
    assert kind.longest_to(slots) == max((d for d in ending if d <= slots), default=None)
    assert kind.endless == (0 in durations)
    with pytest.raises(IndexError):
        kind.duration_at(len(durations))
    if slots not in durations:
        with pytest.raises(UnknownKindError, match=f"no duration of {slots} slots"):
            kind.duration_index(slots)


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 6), st.integers(1, 9)), min_size=1, max_size=3),
    st.integers(-3, 120),
)
def test_durations_in_steps_are_found_as_a_plain_list_finds_them(ranges: list[tuple[int, int, int]], slots: int) -> None:
    durations = [first + step * i for first, step, count in ranges for i in range(count)]
    ending = [d for d in durations if d]
    kind = Kind.model_construct(name="k", durations=tuple(ranges))  # type: ignore[call-arg]
    assert kind.shortest_from(slots) == min((d for d in ending if d >= slots), default=None)
    assert kind.longest_to(slots) == max((d for d in ending if d <= slots), default=None)
    assert [kind.duration_at(i) for i in range(len(durations))] == durations


def test_durations_are_told_in_words(document: Document) -> None:
    durations = [[0, 0, 1], [1, 1, 6], [8, 2, 3], [20, 0, 1]]
    kind = Profile.parse(_with(document, {f"{KIND}.durations": durations})).families[0].kinds[0]
    assert kind.describe_durations() == "no end, 1 to 6, 8 to 12 by 2, 20"


@given(_KIND_OF_PROFILE, st.integers(0, 30))
def test_a_code_lapses_only_if_it_would_outlive_its_activation_rule(kind: Kind, duration: int) -> None:
    assert kind.lapses(duration) == (kind.activation > 0 and (duration == 0 or duration > kind.activation))
    opens = kind.action in (Action.UNLOCK, Action.PASSAGE)
    assert kind.remembers(duration) == (opens and kind.uses == 0 and (kind.linger > 0 or kind.lapses(duration)))


def test_hours_and_weekdays_are_those_of_the_calendar(document: Document) -> None:
    night = {f"{KIND}.hours": [3600, 7200], f"{KIND}.weekdays": 0b1000001}  # Mondays and Sundays, from 1 to 2
    kind = Profile.parse(_with(document, night)).families[0].kinds[0]
    sunday = 1_783_814_400  # 2026-07-12T00:00:00Z
    opened = [day for day in range(-7, 14) if kind.open_at(sunday + day * 86_400 + 3600)]
    assert opened == [-7, -6, 0, 1, 7, 8]
    assert [kind.open_at(sunday + second) for second in (3599, 3600, 7199, 7200)] == [False, True, True, False]
    assert kind.action is Action.UNLOCK


# --- lockout ------------------------------------------------------------------------------------------------------

numbers = st.integers(0, 50)


@given(numbers, st.integers(0, 10_000), st.integers(1, 9), st.integers(0, 100_000), st.integers(0, 300))
def test_the_wait_is_the_formula_of_the_page(free: int, delay: int, growth: int, cap: int, failures: int) -> None:
    lockout = Lockout(free=free, delay=delay, growth=growth, cap=cap, leak=1)
    expected = min(cap, delay * growth ** (failures - free - 1)) if failures > free else 0
    assert lockout.wait(failures) == expected


@given(st.integers(1, 2**53 - 1), st.integers(1, 2**53 - 1), st.integers(10**9, 10**30))
def test_the_wait_after_countless_failures_is_known_at_once(delay: int, growth: int, failures: int) -> None:
    lockout = Lockout(free=3, delay=delay, growth=growth, cap=2**53 - 1, leak=1)
    assert lockout.wait(failures) == (delay if growth == 1 else 2**53 - 1)
    assert Lockout(free=3, delay=0, growth=growth, cap=9, leak=1).wait(failures) == 0
    assert Lockout(free=3, delay=delay, growth=1, cap=2**53 - 1, leak=1).wait(failures) == delay
