"""The odds: live codes against counting every one at every instant, and blind guesses at a real lock."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from importlib.resources import files
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offlinepin import DeviceToken, Profile
from offlinepin.engine.payload import Grant
from offlinepin.errors import WeakProfileError
from offlinepin.lock.decide import decide
from offlinepin.lock.state import State
from offlinepin.security import FamilyOdds, family_odds, profile_odds, require_safe

QUARTER = 900
WEEK = 604_800


def _count(profile: Profile, f: int, t: int, tolerance: int) -> int:
    """How many (start, duration, variant) a lock opens for at t that it has not seen before, one by one (format 1, section 9)."""
    family = profile.families[f]
    count = 0
    for kind in family.kinds:
        day, second = divmod(t, 86_400)
        if not (kind.hours[0] <= second < kind.hours[1] and kind.weekdays >> (day + 3) % 7 & 1):
            continue
        for duration in (first + step * i for first, step, n in kind.durations for i in range(n)):
            lasting = duration * family.slot + kind.closes + tolerance if duration else 0
            if kind.activation and (duration == 0 or duration > kind.activation):
                lasting = kind.activation * family.slot + kind.opens
            for start in range((t - lasting) // family.slot - 1, (t - kind.opens + tolerance) // family.slot + 2):
                begin = start * family.slot
                if begin + kind.opens - tolerance <= t < begin + lasting:
                    count += kind.variants
    return count


@given(st.from_type(Profile), st.none() | st.integers(0, 8).map(lambda q: q * QUARTER))
@settings(max_examples=40)
def test_live_codes_are_those_of_the_worst_instant_of_all(profile: Profile, tolerance: int | None) -> None:
    """Everything changes at quarters of an hour only, and comes again after so many slots as make whole weeks."""
    for f, family in enumerate(profile.families):
        found = family_odds(profile, family, tolerance)
        used = profile.lock.tolerance if tolerance is None else tolerance
        far = 1000 * WEEK * family.slot
        steady = all(k.hours == (0, 86_400) and k.weekdays == 127 for k in family.kinds)
        period = family.slot if steady else math.lcm(family.slot, WEEK)
        assert found.live == max(_count(profile, f, t, used) for t in range(far, far + period, QUARTER))
        assert found.live == sum(found.by_kind.values())
        assert set(found.by_kind) == {kind.name for kind in family.kinds}
        assert found.codes == profile.radix**family.length
        assert found.family == family.name
        assert [o.live for o in profile_odds(profile, used)][f] == found.live


@given(st.from_type(Profile), st.integers(0, 4 * WEEK))
@settings(max_examples=60)
def test_no_second_of_any_week_has_more_live_codes(profile: Profile, second: int) -> None:
    for f, family in enumerate(profile.families):
        t = 10_000 * WEEK + second
        assert _count(profile, f, t, profile.lock.tolerance) <= family_odds(profile, family).live


@given(st.from_type(Profile))
def test_a_lock_that_remembers_owes_as_many_more_as_it_has_room_for(profile: Profile) -> None:
    for family, found in zip(profile.families, profile_odds(profile), strict=True):
        durations = [(kind, first + step * i) for kind in family.kinds for first, step, n in kind.durations for i in range(n)]
        remembers = any(
            kind.action in ("unlock", "passage")
            and kind.uses == 0
            and (kind.linger or (kind.activation and (d == 0 or d > kind.activation)))
            for kind, d in durations
        )
        assert found.remembered == (profile.lock.capacity if remembers else 0)


def test_a_family_that_never_opens_has_no_odds_at_all(document: dict[str, Any]) -> None:
    family = document["families"][0]
    family |= {"slot": 86_400, "window": 4, "length": 4}
    family["kinds"][0] |= {"durations": [[1, 0, 1]], "activation": 0, "opens": 36_000, "closes": -43_200, "hours": [0, 3600]}
    document["lock"]["tolerance"] = 0
    profile = Profile.parse(document)
    (odds,) = profile_odds(profile)
    assert (odds.live, odds.remembered, odds.odds) == (0, 0, 0.0)
    assert odds.one_in == math.inf
    require_safe(profile)


# --- blind guesses ------------------------------------------------------------------------------------------------


def _four_digits(document: dict[str, Any]) -> Profile:
    """1 in 1,000 or worse at four digits, with codes of two windows alive at once; one guess in forty or so opens."""
    document["families"][0] |= {"length": 4, "slot": 3600, "window": 24}
    document["families"][0]["kinds"][0] |= {"durations": [[1, 1, 24]], "variants": 1, "activation": 0}
    document["lock"]["lockout"] |= {"free": 10**6}
    return Profile.parse(document)


def _openings(profile: Profile, token: DeviceToken, t: int) -> int:
    """How many of all codes of four digits a lock opens for at t."""
    return sum(decide(profile, token, State(), t, 0, f"{guess:04d}")[0].opened for guess in range(10_000))


def test_of_all_codes_a_lock_opens_for_exactly_those_alive(document: dict[str, Any]) -> None:
    """Exhaustive: M counts payloads of two windows; codes that read as valid under both are counted once, so at most M open."""
    profile = _four_digits(document)
    token = DeviceToken(b"\x05" * 32)
    live = family_odds(profile, profile.families[0]).live
    t = 500_000 * 3600 + 100  # within the tolerance of the codes just ended, none about to begin: a worst instant
    assert _count(profile, 0, t, 600) == live == 324
    opened = _openings(profile, token, t)
    assert live - 4 * math.sqrt(live) <= opened <= live  # the doubles: about M^2 / 4N = 3


def test_blind_guesses_open_with_the_probability_of_the_report(document: dict[str, Any]) -> None:
    """Over many devices and instants, within four standard deviations (the guesses are seeded, so this never flickers)."""
    profile = _four_digits(document)
    random = Random(20260701)  # noqa: S311 - a reproducible sample
    opened = expected = variance = 0.0
    for _ in range(6000):
        token = DeviceToken(random.randbytes(32))
        t = random.randrange(400_000 * 3600, 600_000 * 3600)
        p = _count(profile, 0, t, 600) / 10_000
        decision, _state = decide(profile, token, State(), t, 0, f"{random.randrange(10_000):04d}")
        opened += decision.opened
        expected += p
        variance += p * (1 - p)
    assert expected > 150
    assert abs(opened - expected) <= 4 * math.sqrt(variance)


def _vendor(name: str, digits: int) -> Profile:
    text = files(f"offlinepin_{name}").joinpath("profile.json").read_text()
    return Profile.parse(text.replace('"length": 9', f'"length": {digits}'))


def test_the_known_systems_have_the_live_codes_that_were_derived_for_them() -> None:
    igloo = _vendor("igloo", 9)
    (odds,) = profile_odds(igloo)
    assert odds.live == 72_156
    assert odds.remembered == 199
    assert 13_800 <= odds.one_in < 13_900
    standard = _vendor("standard", 9)
    assert [o.live for o in profile_odds(standard, 3600)] == [1466]
    require_safe(igloo)
    require_safe(standard)


# --- the refusal --------------------------------------------------------------------------------------------------


def _lengths(profile: Profile, lengths: dict[str, int]) -> Profile:
    document = json.loads(profile.json_text())
    for family in document["families"]:
        family["length"] = lengths.get(family["name"], family["length"])
    return Profile.parse(document)


@given(st.from_type(Profile))
@settings(max_examples=60)
def test_a_profile_is_refused_exactly_when_a_guess_opens_more_than_once_in_a_thousand(profile: Profile) -> None:
    weak = [o for o in profile_odds(profile) if (o.live + o.remembered) * 1000 > o.codes]
    if not weak:
        require_safe(profile)
        return
    with pytest.raises(WeakProfileError, match=f"family '{weak[0].family}'.*allow_weak=True"):
        require_safe(profile)


@given(st.from_type(Profile))
@settings(max_examples=60)
def test_the_length_that_a_refusal_names_would_do_and_one_less_would_not(profile: Profile) -> None:
    lengths: dict[str, int] = {}
    for name in _refused(profile, lengths):
        short = _lengths(profile, {**lengths, name: lengths[name] - 1})
        assert any(o.family == name and o.odds > 1 / 1000 for o in profile_odds(short))
    require_safe(_lengths(profile, lengths))


def _refused(profile: Profile, lengths: dict[str, int]) -> Iterator[str]:
    """Follows each refusal's advice, until there is none."""
    for family in profile.families:
        try:
            require_safe(_lengths(profile, lengths))
        except WeakProfileError as refused:
            found = re.search(r"family '([^']+)'.* (\d+) sealed symbols instead of (\d+)", str(refused))
            assert found is not None
            assert int(found[3]) == next(f.length for f in profile.families if f.name == found[1])
            lengths[found[1]] = int(found[2])
            yield found[1]
        assert family.name in {f.name for f in profile.families}


def test_odds_are_never_above_one() -> None:
    assert FamilyOdds("f", 50, {"k": 50}, 100, 100).odds == 1.0
    assert FamilyOdds("f", 5, {"k": 5}, 5, 1000).one_in == 100


# --- service codes ------------------------------------------------------------------------------------------------


def test_a_revocation_is_live_in_every_window_that_the_lock_would_try_for_it(document: dict[str, Any]) -> None:
    """Format 1, section 10: its windows are those of the code's family and those of all remembered codes, at most one for each."""
    family = document["families"][0]
    kind = {**family["kinds"][0], "name": "access.hourly", "action": "revoke"}
    document["families"].append({**family, "name": "service", "length": 12, "kinds": [kind]})
    profile = Profile.parse(document)
    odds = family_odds(profile, profile.families[1])
    per_window = 1008 * 672 * 3
    assert odds.by_kind["access.hourly"] >= (2 + profile.lock.capacity) * per_window


def test_a_clock_code_is_live_in_two_windows(document: dict[str, Any]) -> None:
    kind = {**document["families"][0]["kinds"][0], "action": "set_clock", "durations": [[1, 0, 1]], "variants": 2, "activation": 0}
    document["families"][0] |= {"slot": 300, "window": 2**22, "length": 12, "kinds": [kind]}
    profile = Profile.parse(document)
    (odds,) = profile_odds(profile)
    assert odds.live == 2 * 2**22 * 2
    assert Grant(0, 0, 2**22 - 1, 1, 1).of(profile)[1].name == "hourly"


@pytest.mark.parametrize("slot", [1001, 5400, 50_400])
def test_a_slot_that_fits_into_no_day_or_week_has_its_odds_counted_over_its_own_rhythm(slot: int, document: dict[str, Any]) -> None:
    document["families"][0] |= {"slot": slot, "window": 8}
    document["families"][0]["kinds"][0] |= {"durations": [[1, 1, 3]], "variants": 1, "activation": 0, "weekdays": 31}
    profile = Profile.parse(document)
    assert profile_odds(profile, 0)[0].live == 1 + 2 + 3
