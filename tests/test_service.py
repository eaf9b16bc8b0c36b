"""The families of service codes that a product gets: which, for what, how long, and when they do not fit."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from offlinepin.engine.profile import Profile
from offlinepin.errors import FamilyOverlapError, OfflinepinError, ProfileError
from offlinepin.service import with_service_codes
from offlinepin.vendor import load

OPENING = ("unlock", "passage")


def family(document: dict[str, Any], name: str, **changes: Any) -> dict[str, Any]:
    """Another family like the example's."""
    return {**copy.deepcopy(document["families"][0]), "name": name, **changes}


@pytest.mark.parametrize("name", ["igloo", "standard", "oracode"])
def test_every_kind_that_opens_has_a_kind_that_revokes_it(name: str) -> None:
    profile = load(name).profile
    kinds = {kind.name: (family, kind) for family in profile.families for kind in family.kinds}
    for of in profile.families:
        for kind in of.kinds:
            if kind.action in OPENING:
                there, revoke = kinds[f"{of.name}.{kind.name}"]
                assert revoke.action == "revoke"
                assert (revoke.durations, revoke.variants, there.slot, there.window) == (kind.durations, kind.variants, of.slot, of.window)
    actions = [kind.action for family in profile.families for kind in family.kinds]
    assert [actions.count(action) for action in ("clear", "rotate", "set_clock")] == [1, 1, 1]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["igloo", "standard", "oracode"])
def test_service_codes_are_longer_than_the_product_s_and_told_apart_by_their_first_key(name: str) -> None:
    profile = load(name).profile
    service = [f for f in profile.families if f.name.startswith("service") or f.sets_clock]
    assert len({(f.prefix, f.total_length) for f in service}) == len(service)
    assert min(profile.radix**f.length for f in service) >= 10**11
    assert max(f.total_length for f in profile.families if f not in service) < min(f.total_length for f in service)


def test_the_product_s_own_families_stay_as_they_are_and_the_document_too(document: dict[str, Any]) -> None:
    before = copy.deepcopy(document)
    after = with_service_codes(document)
    assert document == before
    assert after["families"][:1] == document["families"]
    assert {key: value for key, value in after.items() if key != "families"} == {k: v for k, v in before.items() if k != "families"}
    assert [f["name"] for f in after["families"]] == ["access", "service", "clock"]
    Profile.parse(after)


def test_families_with_other_slots_or_windows_get_a_service_family_each(document: dict[str, Any]) -> None:
    document["families"] = [
        family(document, "a", prefix="1"),
        family(document, "b", prefix="2"),
        family(document, "c", prefix="3", window=504),
        family(document, "d", prefix="4", slot=7200),
    ]
    profile = Profile.parse(with_service_codes(document))
    added = {f.name: (f.prefix, f.slot, f.window, [k.name for k in f.kinds]) for f in profile.families[4:-1]}
    assert added == {
        "service": ("0", 3600, 1008, ["clear", "rotate", "a.hourly", "b.hourly"]),
        "service-2": ("1", 3600, 504, ["c.hourly"]),
        "service-3": ("2", 7200, 1008, ["d.hourly"]),
    }


def test_kinds_that_do_not_open_get_no_revoke_kind(document: dict[str, Any]) -> None:
    kinds = document["families"][0]["kinds"]
    kinds.append({**kinds[0], "name": "hold", "action": "passage"})
    kinds.append({**kinds[0], "name": "wipe", "action": "clear", "durations": [[1, 0, 1]]})
    profile = Profile.parse(with_service_codes(document))
    assert [k.name for k in profile.families[1].kinds] == ["clear", "rotate", "access.hourly", "access.hold"]


def test_a_family_without_a_kind_that_opens_needs_no_service_family(document: dict[str, Any]) -> None:
    wipe = {**document["families"][0]["kinds"][0], "name": "wipe", "action": "clear", "durations": [[1, 0, 1]]}
    document["families"].append(family(document, "cleaners", prefix="A", slot=86_400, window=64, kinds=[wipe]))
    profile = Profile.parse(with_service_codes(document))
    assert [f.name for f in profile.families] == ["access", "cleaners", "service", "clock"]


def test_the_digest_binds_the_service_codes(document: dict[str, Any]) -> None:
    assert Profile.parse(document).digest != Profile.parse(with_service_codes(document)).digest


def test_a_product_that_already_has_such_codes_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ProfileError):
        Profile.parse(with_service_codes(with_service_codes(document)))
    long = family(document, "long", length=Profile.parse(with_service_codes(document)).families[1].total_length)
    with pytest.raises(FamilyOverlapError):
        Profile.parse(with_service_codes({**document, "families": [long]}))


@pytest.mark.parametrize("keys", range(2, 17))
def test_a_keypad_of_any_number_of_keys_gets_service_codes(document: dict[str, Any], keys: int) -> None:
    document["alphabet"] = "0123456789ABCDEF"[:keys]
    document["families"] = [family(document, "access", length=18 if keys < 6 else 9, window=24)]
    profile = Profile.parse(with_service_codes(document))
    assert {f.prefix for f in profile.families[1:]} <= {"", *profile.alphabet}


@pytest.mark.parametrize("grids", [4, 5])
def test_more_grids_than_keys_are_refused_for_a_reason(document: dict[str, Any], grids: int) -> None:
    """The first key tells the service families and the clock's apart, so there cannot be more of them than keys."""
    document["alphabet"] = "0123"
    document["families"] = [family(document, f"f{i}", length=16, prefix="ABCDEF"[i], window=24 + i) for i in range(grids)]
    Profile.parse(document)
    with pytest.raises(OfflinepinError):
        Profile.parse(with_service_codes(document))
