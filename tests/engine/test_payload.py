"""Payloads and times: the numbering of format 1, section 6, and the windows in which a lock must look, against counting them out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offlinepin.engine.payload import Grant, candidate_windows, decode, encode, life, most_windows
from offlinepin.engine.profile import Action, Kind, Profile
from offlinepin.errors import TimeOutOfRangeError, UnknownKindError, VariantError

QUARTER = 900


def _durations(kind: Kind) -> list[int]:
    return [first + step * i for first, step, count in kind.durations for i in range(count)]


def _grants(profile: Profile, f: int, window: int) -> Iterator[Grant]:
    """Every grant of a family's window, in the order of format 1, section 6."""
    family = profile.families[f]
    for k, kind in enumerate(family.kinds):
        for offset in range(family.window):
            for duration in _durations(kind):
                for variant in range(kind.variants):
                    yield Grant(f, k, window * family.window + offset, duration, variant)


@given(st.from_type(Profile), st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_the_grants_of_a_window_are_numbered_in_the_order_of_the_page(profile: Profile, window: int) -> None:
    for f, family in enumerate(profile.families):
        grants = list(_grants(profile, f, window))
        assert [encode(family, grant) for grant in grants] == [(window, number) for number in range(len(grants))]
        assert [decode(family, f, window, number) for number in range(len(grants))] == grants
        assert len(grants) == family.bases[-1] <= profile.radix**family.length
        for number in {len(grants), len(grants) + 1, profile.radix**family.length}:
            assert decode(family, f, window, number) is None


def test_a_grant_that_no_code_can_hold_is_refused(document: dict[str, Any]) -> None:
    family = Profile.parse(document).families[0]
    good = Grant(0, 0, 5, 672, 2)
    assert encode(family, good) == (0, (5 * 672 + 671) * 3 + 2)
    assert encode(family, replace(good, start=1008 * 2**32 - 1)) == (2**32 - 1, 1008 * 672 * 3 - 1)
    for start in (-1, 1008 * 2**32):
        with pytest.raises(TimeOutOfRangeError, match=f"slot {start}"):
            encode(family, replace(good, start=start))
    for variant in (-1, 3):
        with pytest.raises(VariantError, match=f"0 to 2, not {variant}"):
            encode(family, replace(good, variant=variant))
    for duration in (-1, 0, 673):
        with pytest.raises(UnknownKindError, match=f"no duration of {duration} slots; it has 1 to 672"):
            encode(family, replace(good, duration=duration))


def _fresh(profile: Profile, grant: Grant, t: int) -> bool:
    """Whether a lock that has not remembered this code takes it for one of this time (format 1, sections 5 and 9), hours apart."""
    family, kind = grant.of(profile)
    tolerance = profile.lock.tolerance
    starts = grant.start * family.slot + kind.opens
    ends = (grant.start + grant.duration) * family.slot + kind.closes
    if t < starts - tolerance:
        return False
    if kind.activation and (grant.duration == 0 or grant.duration > kind.activation):
        return t < starts + kind.activation * family.slot
    return t < ends + tolerance


@given(st.from_type(Profile), st.integers(50, 400), st.data())
def test_a_life_is_what_the_page_says(profile: Profile, start: int, data: st.DataObject) -> None:
    f = data.draw(st.integers(0, len(profile.families) - 1))
    family = profile.families[f]
    k = data.draw(st.integers(0, len(family.kinds) - 1))
    kind = family.kinds[k]
    duration = data.draw(st.sampled_from(_durations(kind)))
    grant = Grant(f, k, start, duration, 0)
    held = life(profile, grant)
    assert held.starts == start * family.slot + kind.opens
    assert held.ends == ((start + duration) * family.slot + kind.closes if duration else None)
    until = held.fresh_until(profile.lock.tolerance)
    for t in range(held.starts - 20 * QUARTER, until + 20 * QUARTER, QUARTER):
        assert _fresh(profile, grant, t) == (held.starts - profile.lock.tolerance <= t < until)


@given(st.from_type(Profile), st.integers(0, 200_000), st.integers(0, QUARTER - 1), st.integers(0, 40))
@settings(max_examples=150)
def test_every_window_of_a_fresh_code_is_looked_at(profile: Profile, quarter: int, second: int, length: int) -> None:
    first = quarter * QUARTER + second
    last = first + length * QUARTER
    for f, family in enumerate(profile.families):
        windows = candidate_windows(family, first, last, profile.lock.tolerance)
        around = range(max(0, windows.start - 3), windows.stop + 3)
        instants = sorted({first, last, *range(first - first % QUARTER + QUARTER, last, QUARTER)})
        for window in around:
            fresh = any(_fresh(profile, grant, t) for grant in _grants(profile, f, window) if grant.variant == 0 for t in instants)
            assert window in windows or not fresh


@given(st.from_type(Profile), st.integers(1000, 200_000), st.integers(0, QUARTER - 1))
@settings(max_examples=150)
def test_the_first_and_the_last_window_looked_at_can_hold_a_fresh_code(profile: Profile, quarter: int, second: int) -> None:
    t = quarter * QUARTER + second
    for f, family in enumerate(profile.families):
        windows = candidate_windows(family, t, t, profile.lock.tolerance)
        for window in (*windows[:1], *windows[-1:]):
            assert any(_fresh(profile, grant, t) for grant in _grants(profile, f, window))


@given(st.from_type(Profile))
@settings(max_examples=50)
def test_the_bound_on_windows_is_reached(profile: Profile) -> None:
    for family in profile.families:
        tolerance = profile.lock.tolerance
        base = 50 * family.slot * family.window
        counts = (len(candidate_windows(family, t, t, tolerance)) for t in range(base, base + family.slot * family.window, QUARTER))
        assert max(counts) <= most_windows(family, tolerance)


def test_the_windows_looked_at_stay_within_32_bits_and_after_1970(document: dict[str, Any]) -> None:
    document["families"][0] |= {"slot": 1, "window": 1}
    document["families"][0]["kinds"][0] |= {"durations": [[1, 1, 20]], "activation": 0}
    family = Profile.parse(document).families[0]
    assert candidate_windows(family, 0, 0, 0) == range(1)
    assert candidate_windows(family, 3, 3, 0) == range(4)
    assert candidate_windows(family, 2**32 - 1, 2**32 + 5, 10)[-1] == 2**32 - 1
    assert len(candidate_windows(family, 2**40, 2**40, 0)) == 0


def test_a_day_with_a_late_check_in_needs_no_window_that_has_not_opened(document: dict[str, Any]) -> None:
    document["families"][0] |= {"slot": 86_400, "window": 1}
    document["families"][0]["kinds"][0] |= {"durations": [[1, 0, 1]], "activation": 0, "opens": 54_000, "closes": 39_600}
    family = Profile.parse(document).families[0]
    morning = 20_000 * 86_400 + 8 * 3600
    assert list(candidate_windows(family, morning, morning, 600)) == [19_999]


def test_a_clock_family_looks_at_the_window_of_the_floor_and_the_next(document: dict[str, Any]) -> None:
    document["families"][0] |= {"slot": 300, "window": 2**22}
    document["families"][0]["kinds"][0] |= {"action": "set_clock", "durations": [[1, 0, 1]], "variants": 1}
    family = Profile.parse(document).families[0]
    span = 300 * 2**22
    assert family.kinds[0].action is Action.SET_CLOCK
    for t, windows in ((0, [0, 1]), (span - 1, [0, 1]), (span, [1, 2])):
        assert list(candidate_windows(family, t, t, 600)) == windows
        assert len(windows) == most_windows(family, 600)


def test_an_entry_at_the_example_costs_two_windows_at_most(document: dict[str, Any]) -> None:
    assert most_windows(Profile.parse(document).families[0], 600) == 2
