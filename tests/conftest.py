"""What all tests share: hypothesis profiles, the page's example profile, small generated profiles, and where a lock's clock stands."""

from __future__ import annotations

import copy
import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st

from offlinepin.engine.profile import Profile
from offlinepin.errors import ProfileCapacityError

# `make test` draws the same examples every time, so that it says the same to everybody; the others look for new ones (docs/testing.md).
settings.register_profile("ci", deadline=None, derandomize=True, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", parent=settings.get_profile("ci"), derandomize=False, print_blob=True, max_examples=2000)
settings.register_profile("other", parent=settings.get_profile("long"), max_examples=100)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# A suite that is started in the background ignores Ctrl-C, and so would all that the tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

QUARTER = 900
_KIND: dict[str, Any] = {
    "name": "hourly",
    "action": "unlock",
    "durations": [[1, 1, 672]],
    "variants": 3,
    "activation": 24,
    "uses": 0,
    "linger": 0,
    "opens": 0,
    "closes": 0,
    "hours": [0, 86400],
    "weekdays": 127,
    "supersedes": "",
}
_DOCUMENT: dict[str, Any] = {
    "offlinepin": 1,
    "name": "example-9",
    "alphabet": "0123456789",
    "clock": "utc",
    "families": [{"name": "access", "prefix": "", "length": 9, "slot": 3600, "window": 1008, "kinds": [_KIND]}],
    "lock": {"tolerance": 600, "capacity": 64, "lockout": {"free": 5, "delay": 30, "growth": 2, "cap": 3600, "leak": 14400}},
}


@pytest.fixture
def document() -> dict[str, Any]:
    """The example document of format 1, section 4, to be changed at will."""
    return copy.deepcopy(_DOCUMENT)


@pytest.fixture(scope="session")
def vectors() -> Callable[[str], Any]:
    """Reads a file of known answers by its name."""
    folder = Path(__file__).parent / "vectors"
    return lambda name: json.loads((folder / name).read_text())


def _ranges(durations: list[int]) -> list[list[int]]:
    """Distinct durations as [first, step, count], neighbours of one step joined."""
    ranges: list[list[int]] = []
    for duration in durations:
        if ranges and ranges[-1][2] == 1 and duration > ranges[-1][0]:
            ranges[-1] = [ranges[-1][0], duration - ranges[-1][0], 2]
        elif ranges and ranges[-1][2] > 1 and duration == ranges[-1][0] + ranges[-1][1] * ranges[-1][2]:
            ranges[-1][2] += 1
        else:
            ranges.append([duration, 0, 1])
    return ranges


@st.composite
def _kinds(draw: st.DrawFn, name: str, slot: int) -> dict[str, Any]:
    """A valid kind in which every time is a multiple of a quarter of an hour."""
    quarters = st.integers(0, min(slot, 86_400) // QUARTER).map(lambda q: q * QUARTER)
    durations = draw(st.lists(st.integers(0, 9), min_size=1, max_size=5, unique=True))
    shortest = min((d for d in durations if d), default=1)
    opens = draw(st.just(0) | quarters | quarters.map(lambda s: -s))
    closes = draw(st.just(0) | quarters | quarters.map(lambda s: -s))
    if shortest * slot + closes <= opens:
        opens = closes
    hours = draw(st.just([0, 96]) | st.lists(st.integers(0, 96), min_size=2, max_size=2, unique=True).map(sorted))
    return {
        "name": name,
        "action": draw(st.sampled_from(["unlock", "unlock", "passage", "clear", "rotate"])),
        "durations": _ranges(durations),
        "variants": draw(st.integers(1, 3)),
        "activation": draw(st.integers(1 if 0 in durations else 0, 6)),
        "uses": draw(st.integers(0, 1)),
        "linger": draw(st.sampled_from([0, 0, 1800])),
        "opens": opens,
        "closes": closes,
        "hours": [h * QUARTER for h in hours],
        "weekdays": draw(st.just(127) | st.integers(1, 127)),
        "supersedes": draw(st.sampled_from(["", "guests"])),
    }


@st.composite
def _small_profiles(draw: st.DrawFn) -> Profile:
    """A small valid profile. Every time is a multiple of a quarter of an hour, so that looking at each quarter is exhaustive."""
    alphabet = draw(st.sampled_from(["01", "0123456789", "ABCDEF", "0123456789abcdef", "147AB"]))
    families = []
    for index in range(draw(st.integers(1, 2))):
        slot = draw(st.sampled_from([900, 1800, 3600, 7200, 18_000, 43_200, 86_400]))
        names = [f"kind-{k}" for k in range(draw(st.integers(1, 2)))]
        family: dict[str, Any] = {
            "name": f"family-{index}",
            "prefix": ["", "P"][index],
            "slot": slot,
            "window": draw(st.integers(1, 20)),
            "kinds": [draw(_kinds(name, slot)) for name in names],
        }
        payloads = sum(family["window"] * k["variants"] * sum(n for _, _, n in k["durations"]) for k in family["kinds"])
        length = draw(st.integers(0, 2)) + next(n for n in range(1, 40) if len(alphabet) ** n >= payloads)
        families.append({**family, "length": length})
    try:
        return Profile.parse(
            {
                "offlinepin": 1,
                "name": "small",
                "alphabet": alphabet,
                "clock": "utc",
                "families": families,
                "lock": {
                    "tolerance": draw(st.integers(0, 8)) * QUARTER,
                    "capacity": draw(st.integers(0, 3)),
                    "lockout": {"free": 5, "delay": 30, "growth": 2, "cap": 3600, "leak": 14400},
                },
            }
        )
    except ProfileCapacityError:
        assume(False)
        raise


st.register_type_strategy(Profile, _small_profiles())
