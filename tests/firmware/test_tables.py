"""The tables: any product becomes constant data that a compiler takes without a warning, and that fits the profile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from offlinepin.engine.codec import seal
from offlinepin.engine.payload import Grant, encode
from offlinepin.engine.profile import Profile
from offlinepin.engine.token import DeviceToken
from offlinepin.errors import ProfileError
from offlinepin.firmware.build import Builder
from offlinepin.firmware.host import HostMachine
from offlinepin.firmware.tables import tables
from offlinepin.keypad import KeypadPolicy
from offlinepin.provisioning import Provisioning
from offlinepin.testing.choosing import DrawChooser, RandomChooser
from offlinepin.testing.profiles import small_profile
from offlinepin.vendor import discover, load

Provision = Callable[[str | Profile], Provisioning]


def document(**changes: Any) -> dict[str, Any]:
    """The standard profile's document with members of its first kind, its first family, its lock or its lockout changed."""
    whole: dict[str, Any] = load("standard").profile.model_dump(mode="json")
    whole["families"] = whole["families"][:1]
    family = whole["families"][0]
    family["kinds"] = family["kinds"][:1]
    for name, value in changes.items():
        next(part for part in (family["kinds"][0], family, whole["lock"], whole["lock"]["lockout"]) if name in part)[name] = value
    return whole


def check_every_kind(profile: Profile, machine: HostMachine) -> None:
    """The first and the last code of every kind opens in C to the payload and grant that it was sealed for."""
    token = DeviceToken(bytes(range(32)))
    place = 0
    for f, family in enumerate(profile.families):
        for k, kind in enumerate(family.kinds):
            first = 40 * family.window if family.slot * family.window < 10**7 else 0
            for start, index, variant in ((first, 0, 0), (first + family.window - 1, kind.duration_count - 1, kind.variants - 1)):
                grant = Grant(f, k, start, kind.duration_at(index), variant)
                window, payload = encode(family, grant)
                opened = machine.open_code(token.export(), seal(profile, token, grant), window)
                assert opened is not None
                assert opened.is_payload
                assert (opened.family, opened.payload, opened.kind) == (f, payload, place)
                assert (opened.start, opened.duration, opened.variant) == (start, index, variant)
            place += 1


@pytest.mark.parametrize("name", discover())
def test_the_table_of_every_vendor_opens_the_vendors_codes(name: str, host: Builder, provisioned: Provision) -> None:
    made = provisioned(name)
    check_every_kind(made.profile, HostMachine(host.build(made, f"table-{name}")))


@given(seed=st.integers(0, 10**6))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_table_of_any_profile_opens_its_codes(seed: int, host: Builder, provisioned: Provision) -> None:
    profile = small_profile(RandomChooser(seed))
    check_every_kind(profile, HostMachine(host.build(provisioned(profile), f"seed-{seed}")))


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_table_is_the_same_for_the_same_profile(data: st.DataObject) -> None:
    profile = small_profile(DrawChooser(data.draw))
    keypad = KeypadPolicy(max_keys=64)
    assert tables(profile, keypad) == tables(Profile.parse(profile.json_text()), keypad)


def test_names_and_keys_that_c_gives_a_meaning_are_written_out(host: Builder, provisioned: Provision) -> None:
    whole = document()
    whole["name"] = '*/ ??/ \\ "odd" %s'
    whole["alphabet"] = "\\\"'?01234/5"
    whole["families"][0]["prefix"] = '"\\'
    whole["families"][0]["kinds"][0]["name"] = "*/"
    profile = Profile.parse(whole)
    check_every_kind(profile, HostMachine(host.build(provisioned(profile), "odd")))


@pytest.mark.parametrize(
    ("changes", "member"),
    [
        ({"slot": 1}, "families[0].slot"),
        ({"slot": 2**32, "durations": [[1, 0, 1]], "activation": 0}, "families[0].kinds[0].durations"),
        ({"durations": [[1, 0, 1]], "closes": 2**31}, "families[0].kinds[0].closes"),
        ({"delay": 2**32}, "lock.lockout.delay"),
    ],
)
def test_a_number_that_the_firmware_has_no_room_for_is_refused(changes: dict[str, Any], member: str) -> None:
    with pytest.raises(ProfileError) as refused:
        tables(Profile.parse(document(**changes)))
    assert refused.value.member == member


def test_a_keypad_that_cannot_type_the_codes_is_refused() -> None:
    with pytest.raises(ProfileError, match="max_keys"):
        tables(load("standard").profile, KeypadPolicy(max_keys=8))
