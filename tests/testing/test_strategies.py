"""What the strategies give is what they promise, and reaches every corner that they name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offlinepin.engine.clock import LockClock, zone
from offlinepin.engine.codec import claim, seal
from offlinepin.engine.payload import encode
from offlinepin.engine.profile import Action, Profile
from offlinepin.engine.token import DeviceToken
from offlinepin.lock.keypad import Keypad
from offlinepin.lock.layout import Layout
from offlinepin.lock.timekeeping import DoorClock
from offlinepin.matching import Request
from offlinepin.testing import strategies as ours
from offlinepin.testing.choosing import RandomChooser
from offlinepin.testing.clocks import ModelClock
from offlinepin.testing.profiles import small_profile
from offlinepin.vendor import Vendor

TOKEN = DeviceToken(bytes(range(32)))
AT = datetime(2027, 3, 27, 20, tzinfo=UTC)


@settings(max_examples=40, deadline=None)
@given(ours.profiles())
def test_a_generated_profile_is_valid_and_its_state_fits(profile: Profile) -> None:
    assert Profile.parse(profile.json_text()) == profile
    assert Layout(profile).size <= 256 + 16 * profile.lock.capacity


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_generated_grant_is_one_of_its_profile(data: st.DataObject) -> None:
    profile = data.draw(ours.profiles())
    grant = data.draw(ours.grants(profile))
    window, payload = encode(profile.families[grant.family], grant)
    assert payload < profile.families[grant.family].bases[-1]
    claimed = claim(profile, seal(profile, TOKEN, grant))
    assert window >= 0
    assert claimed is not None
    assert claimed[0] == grant.family


def test_the_profiles_use_every_word_of_the_vocabulary() -> None:
    corners: dict[str, Callable[[Profile], bool]] = {
        "service codes": lambda p: any(k.action is Action.ROTATE for f in p.families for k in f.kinds),
        "linger": lambda p: any(k.linger for f in p.families for k in f.kinds),
        "civil": lambda p: p.clock == "civil",
        "no end": lambda p: any(k.endless for f in p.families for k in f.kinds),
        "groups": lambda p: any(k.supersedes for f in p.families for k in f.kinds),
        "weekdays": lambda p: any(k.weekdays != 127 for f in p.families for k in f.kinds),
        "no room": lambda p: p.lock.capacity == 0,
        "prefix": lambda p: any(f.prefix == "X" for f in p.families),
    }
    made = [small_profile(RandomChooser(seed)) for seed in range(60)]
    assert [name for name, corner in corners.items() if not any(corner(profile) for profile in made)] == []


@settings(max_examples=40, deadline=None)
@given(ours.requests())
def test_a_generated_request_ends_after_it_starts(request: Request) -> None:
    assert request.starts_at.tzinfo is not None
    assert request.ends_at is None or request.ends_at.astimezone(UTC) > request.starts_at.astimezone(UTC)


@settings(max_examples=60, deadline=None)
@given(ours.zones(), st.booleans(), ours.clock_histories(), st.integers(0, 86_400))
def test_the_models_clock_shows_what_the_doors_clock_shows(
    where: tzinfo, follows_dst: bool, history: list[ours.ClockEvent], after: int
) -> None:
    at = AT
    door, model = DoorClock(LockClock("civil", where), at, follows_dst=follows_dst), ModelClock(where, at, at, follows_dst=follows_dst)
    for event in history:
        at = event.happen(door, at)
        if event.drift_ppm is not None:
            model = model.drift(event.drift_ppm, at)
        elif event.shift is not None:
            model = model.shift(timedelta(seconds=event.shift), at)
        elif event.is_lost:
            model = model.lose()
        else:
            model = model.correct(at)
        assert door.reading(at) == model.reading(at)
    later = at + timedelta(seconds=after)
    assert door.reading(later) == model.reading(later)


def test_a_clock_that_is_set_to_an_hour_that_comes_twice_shows_the_first() -> None:
    at = datetime(2027, 10, 31, 1, 30, tzinfo=UTC)
    clock = LockClock("civil", zone("Europe/Berlin"))
    shown = clock.reading(at)
    door, model = DoorClock(clock, at), ModelClock(zone("Europe/Berlin"), at, at).set_reading(shown, at)
    door.set_reading(shown, at)
    assert door.reading(at + timedelta(hours=1)) == model.reading(at + timedelta(hours=1)) == shown


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_keypad_takes_every_generated_session(data: st.DataObject) -> None:
    vendor: Vendor = data.draw(ours.vendors())
    keypad = Keypad(vendor.keypad, vendor.profile)
    uptime, entries = 0, 0
    presses = data.draw(ours.keypad_sessions(vendor))
    for press in presses:
        uptime += press.after
        entry = keypad.press(press.key, uptime)
        entries += entry is not None
    assert entries <= sum(press.key == vendor.keypad.enter for press in presses)


@pytest.mark.parametrize("name", ["VendorConformance", "LockMachine", "Bench", "DoorUnderTest"])
def test_the_rooms_face_names_what_it_has(name: str) -> None:
    import offlinepin.testing as room

    assert getattr(room, name).__name__ == name
    with pytest.raises(AttributeError):
        _ = room.Nothing
