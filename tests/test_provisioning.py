"""What crosses from a backend to a lock: a document that reads back whole, or is refused."""

from __future__ import annotations

import copy
import json
import os
import pickle
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offlinepin import DeviceToken, Profile, Provisioning
from offlinepin.errors import OfflinepinError, ProvisioningError, TimeZoneRequiredError, UnknownTimeZoneError

SECRET = bytes(range(100, 132))


@pytest.fixture
def provisioning(document: dict[str, Any]) -> Provisioning:
    return Provisioning("front-door", DeviceToken(SECRET, 3), Profile.parse(document), "Europe/Berlin")


@given(
    st.from_type(Profile),
    st.binary(min_size=32, max_size=32),
    st.integers(0, 2**32 - 1),
    st.sampled_from([None, "UTC", "+02:00", "Asia/Kathmandu"]),
)
@settings(max_examples=30)
def test_a_document_reads_back_whole(profile: Profile, secret: bytes, generation: int, time_zone: str | None) -> None:
    before = Provisioning("Tür 1", DeviceToken(secret, generation), profile, time_zone)
    for text in (before.to_json(), before.to_json().encode()):
        after = Provisioning.from_json(text)
        assert (after.device_id, after.profile, after.time_zone) == ("Tür 1", profile, time_zone)
        assert (after.token.export(), after.token.generation) == (secret, generation)
        assert after.profile.digest == profile.digest
        assert after.clock == before.clock
        assert after.to_json() == before.to_json()


def test_the_document_shows_the_check_value_and_the_profile_as_they_are(provisioning: Provisioning, document: dict[str, Any]) -> None:
    written = json.loads(provisioning.to_json())
    assert written["profile"] == document
    assert written["check_value"] == provisioning.token.check_value
    assert written["token"] == SECRET.hex()


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("check_value", "00000000"),
        ("check_value", ""),
        ("token", bytes(32).hex()),
        ("generation", 2),
        ("offlinepin_provisioning", 2),
        ("device_id", 7),
        ("time_zone", 1),
        ("extra", 1),
    ],
)
def test_a_document_that_does_not_fit_together_is_refused(member: str, value: object, provisioning: Provisioning) -> None:
    with pytest.raises(
        ProvisioningError, match=member.replace("token", "check value").replace("generation", "check value").replace("_", "[_ ]")
    ):
        Provisioning.from_json(json.dumps({**json.loads(provisioning.to_json()), member: value}))


@pytest.mark.parametrize(
    ("member", "value"), [("token", "zz" * 32), ("token", SECRET.hex()[:-2]), ("generation", -1), ("generation", 2**32)]
)
def test_a_token_of_another_form_makes_the_document_malformed(member: str, value: object, provisioning: Provisioning) -> None:
    with pytest.raises(ProvisioningError):
        Provisioning.from_json(json.dumps({**json.loads(provisioning.to_json()), member: value}))


def test_a_broken_profile_in_a_document_is_refused(provisioning: Provisioning) -> None:
    written = json.loads(provisioning.to_json())
    written["profile"]["families"][0]["kinds"][0]["hours"] = [5, 4]
    with pytest.raises(OfflinepinError, match="hours"):
        Provisioning.from_json(json.dumps(written))
    written["profile"]["families"][0]["slot"] = "3600"
    with pytest.raises(OfflinepinError, match="slot"):
        Provisioning.from_json(json.dumps(written))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", b"\xff", "null"])
def test_what_is_no_document_is_refused(text: str | bytes) -> None:
    with pytest.raises(ProvisioningError):
        Provisioning.from_json(text)


def test_a_civil_clock_needs_a_zone_that_exists(document: dict[str, Any]) -> None:
    civil = Profile.parse({**document, "clock": "civil"})
    with pytest.raises(TimeZoneRequiredError):
        Provisioning("door", DeviceToken(SECRET), civil)
    with pytest.raises(UnknownTimeZoneError):
        Provisioning("door", DeviceToken(SECRET), civil, "Mars/Olympus")
    assert str(Provisioning("door", DeviceToken(SECRET), civil, "Europe/Berlin").clock.where) == "Europe/Berlin"


def test_a_saved_document_is_read_back_and_only_its_owner_may_read_it(provisioning: Provisioning, tmp_path: Path) -> None:
    path = tmp_path / "door.json"
    before = os.umask(0)
    try:
        provisioning.save(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o644)  # as a file that was there already may be
        provisioning.save(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Provisioning.load(path).to_json() == provisioning.to_json()


def test_a_file_that_is_not_there_or_cannot_be_written_is_named(provisioning: Provisioning, tmp_path: Path) -> None:
    with pytest.raises(ProvisioningError, match="No such file"):
        Provisioning.load(tmp_path / "none.json")
    with pytest.raises(ProvisioningError, match="cannot be written"):
        provisioning.save(tmp_path / "no" / "door.json")


def test_the_token_is_not_shown_pickled_or_copied(provisioning: Provisioning) -> None:
    shown = f"{provisioning!r} {provisioning}"
    assert "front-door" in shown
    assert SECRET.hex()[:8] not in shown
    for leave in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled"):
            leave(provisioning)


def test_no_error_shows_the_token_not_even_in_part_or_in_what_it_was_raised_over(provisioning: Provisioning) -> None:
    written = json.loads(provisioning.to_json())
    broken = [{**written, m: v} for m, v in (("generation", "3"), ("check_value", "0"), ("extra", 1), ("token", [SECRET.hex()]))]
    broken += [{"token": SECRET.hex()}, {"token": SECRET.hex(), "device_id": "d"}]
    for document in broken:
        with pytest.raises(OfflinepinError) as caught:
            Provisioning.from_json(json.dumps(document))
        error: BaseException | None = caught.value
        while error is not None:
            assert not any(SECRET.hex()[i : i + 8] in str(error) for i in range(0, 64, 8))
            error = error.__cause__ or error.__context__
