"""The security report: its arithmetic against the real lock, its numbers against known ones, and that people can read it."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offlinepin import DeviceToken, Profile, Reason, Vendor
from offlinepin.engine.profile import DAY, Lockout
from offlinepin.errors import FamilyOverlapError, OfflinepinError, ProfileCapacityError, ProfileError, VendorError
from offlinepin.keypad import KeypadPolicy
from offlinepin.lock.decide import admit, decide
from offlinepin.lock.state import State
from offlinepin.report import Report, plot, report
from offlinepin.report.compute import YEAR, opens
from offlinepin.report.figures import about, chance, duration, listed, one_in
from offlinepin.report.render import _lines
from offlinepin.report.words import Table
from offlinepin.security import (
    FamilyOdds,
    entry_odds,
    family_odds,
    hit_chance,
    length_needed,
    most_guesses,
    odds_allowed,
    profile_odds,
    retyping_odds,
)
from offlinepin.vendor import load

TOKEN = DeviceToken(bytes(32))
NOW = 1_800_000_000
VENDORS = ("igloo", "standard", "oracode")

lockouts = st.builds(
    Lockout,
    free=st.integers(0, 6),
    delay=st.integers(0, 40),
    growth=st.integers(1, 4),
    cap=st.integers(0, 150),
    leak=st.integers(1, 120),
)


def _profile(lockout: Lockout) -> Profile:
    standard = load("standard").profile
    return standard.model_copy(update={"lock": standard.lock.model_copy(update={"lockout": lockout})})


# --- the most guesses: the closed form against the lock itself ----------------------------------------------------------


def _best_play(lockout: Lockout, seconds: int) -> int:
    """The most entries that the real ``admit`` charges within a span, over every way to space them: a search over what a lock can hold.

    Only the end of a wait and the moments of a leak are worth waiting for, so those are tried at every level of failures.
    """
    profile = _profile(lockout)

    @cache
    def after(failures: int, elapsed: int) -> tuple[int, int]:
        """(seconds still to wait, failures after an entry) ``elapsed`` seconds after the last charge."""
        refusal, state = admit(profile, TOKEN, State(failures=failures, charged_at=0), NOW, elapsed, "0" * 9)
        return (refusal.wait, failures) if refusal is not None else (0, state.failures)

    soonest = {1: 0}  # failures after n entries → the first second at which that can be
    assert after(0, 0) == (0, 1)
    guesses = 0
    while soonest:
        guesses += 1
        reached: dict[int, int] = {}
        for failures, at in soonest.items():
            wait, _ = after(failures, 0)
            for elapsed in {wait, *(max(wait, k * lockout.leak) for k in range(1, failures + 1))}:
                still, level = after(failures, elapsed)
                assert not still
                if at + elapsed < seconds:
                    reached[level] = min(reached.get(level, seconds), at + elapsed)
        soonest = reached
    return guesses


@settings(max_examples=60)
@given(lockouts.filter(lambda lockout: lockout.wait(lockout.free + 1) > 0), st.integers(1, 900))
def test_nobody_can_make_more_entries_than_the_closed_form_says_and_someone_can_make_as_many(lockout: Lockout, seconds: int) -> None:
    assert most_guesses(lockout, seconds) == _best_play(lockout, seconds)


def _impatient(lockout: Lockout, seconds: int, cut: Callable[[int, bool], bool] = lambda _at, _charged: False) -> int:
    """How many entries the whole lock charges for someone who tries something new every second.

    ``cut(second, charged)`` says whether the power goes after that second's try, which was charged or not.
    """
    profile, state, power_up, guesses = _profile(lockout), State(), 0, 0
    for second in range(seconds):
        before = state
        refusal, state = admit(profile, TOKEN, state, NOW + second, second - power_up, f"{second:09d}")
        charged = refusal is None
        if refusal is not None:
            assert refusal.reason is Reason.THROTTLED
            assert state is before
        guesses += charged
        if cut(second, charged):
            state, power_up = state.after_power_cut(), second
    return guesses


@settings(max_examples=60)
@given(lockouts.filter(lambda lockout: lockout.wait(lockout.free + 1) > 0 and lockout.cap <= lockout.leak), st.integers(1, 900))
def test_where_the_wait_never_exceeds_the_leak_hurrying_is_best(lockout: Lockout, seconds: int) -> None:
    hurried = _impatient(lockout, seconds)
    bound = most_guesses(lockout, seconds)
    # one try a second: the free ones take a second each, where the bound has them all at once
    assert bound is not None
    assert hurried <= bound <= hurried + lockout.free
    assert hurried == min(seconds, lockout.free + 1) + max(0, (most_guesses(lockout, seconds - lockout.free) or 0) - lockout.free - 1)


@settings(max_examples=60)
@given(lockouts.filter(lambda lockout: lockout.wait(lockout.free + 1) > 0), st.integers(1, 600), st.sets(st.integers(0, 600)))
def test_no_power_cut_makes_more_entries_possible(lockout: Lockout, seconds: int, cuts: set[int]) -> None:
    bound = most_guesses(lockout, seconds)
    assert bound is not None
    assert _impatient(lockout, seconds, lambda at, _: at in cuts) <= bound


@settings(max_examples=40)
@given(lockouts.filter(lambda lockout: lockout.wait(lockout.free + 1) > 0), st.integers(1, 600))
def test_a_power_cut_before_every_guess_gains_nothing(lockout: Lockout, seconds: int) -> None:
    assert _impatient(lockout, seconds, lambda _, charged: charged) == _impatient(lockout, seconds)  # at once: the wait runs anyhow


@pytest.mark.parametrize("name", VENDORS)
def test_a_cut_at_the_end_of_every_wait_halves_the_guesses(name: str) -> None:
    lockout = load(name).profile.lock.lockout
    profile, state, at, guesses = _profile(lockout), State(), 0, 0
    while at < DAY:
        refusal, _ = admit(profile, TOKEN, state, NOW, 0, "0" * 9)
        waited = refusal.wait if refusal is not None else 0
        state = state.after_power_cut()  # just before the guess, when the wait is over
        at += 2 * waited
        refusal, state = admit(profile, TOKEN, state, NOW, waited, f"{guesses:09d}")
        assert refusal is None
        guesses += at < DAY
    whole = most_guesses(lockout, DAY)
    assert whole is not None
    assert whole / 2 <= guesses < 0.7 * whole


@pytest.mark.parametrize("name", VENDORS)
def test_a_day_at_the_door_of_a_product_is_what_the_report_says(name: str) -> None:
    """Jumping from the end of one wait to the end of the next, through the whole decision, with a new wrong code each time."""
    profile = load(name).profile
    said = report(name).spans[0]
    state, uptime, charged = State(), 0, 0
    while uptime < DAY:
        decision, state = decide(profile, TOKEN, state, NOW + uptime, uptime, f"{charged * 7919:014d}")
        if decision.reason is Reason.THROTTLED:
            uptime += decision.wait
        else:
            assert not decision.opened
            charged += 1
    assert (said.name, said.seconds, said.guesses) == ("day", DAY, charged)


@given(lockouts, st.integers(0, 10**9), st.integers(0, 10**6))
def test_more_time_never_means_fewer_guesses(lockout: Lockout, seconds: int, more: int) -> None:
    few, many = most_guesses(lockout, seconds), most_guesses(lockout, seconds + more)
    assert many is None or (few is not None and few <= many)
    assert (many is None) == (lockout.wait(lockout.free + 1) == 0 and seconds + more > 0)


def test_the_guesses_of_a_huge_policy_are_counted_at_once() -> None:
    huge = 2**53 - 1
    assert most_guesses(Lockout(free=huge, delay=1, growth=2, cap=huge, leak=huge), 4) == huge + 3
    assert most_guesses(Lockout(free=0, delay=1, growth=1, cap=1, leak=1), huge) == huge


# --- chances and lengths ------------------------------------------------------------------------------------------------


@given(st.integers(1, 10**6), st.integers(0, 400), st.integers(1, 10**3))
def test_the_chance_of_a_hit_is_exact(codes: int, guesses: int, live: int) -> None:
    live = min(live, codes)
    exact = 1 - (1 - Fraction(live, codes)) ** guesses
    assert math.isclose(hit_chance(live / codes, guesses), float(exact), rel_tol=1e-9)


@given(st.floats(1e-12, 0.5), st.integers(1, 10**7))
def test_the_odds_allowed_give_just_the_chance(target: float, guesses: int) -> None:
    assert math.isclose(hit_chance(odds_allowed(target, guesses), guesses), target, rel_tol=1e-9)


@given(st.integers(2, 16), st.integers(1, 10**9), st.floats(1e-12, 1))
def test_the_length_needed_is_enough_and_no_longer(radix: int, codes: int, odds: float) -> None:
    length = length_needed(radix, codes, odds)
    assert codes <= odds * radix**length
    assert length == 1 or codes > odds * radix ** (length - 1)


@given(st.from_type(Profile), st.booleans())
def test_an_entry_is_worth_one_family_or_one_of_each_length(profile: Profile, masking: bool) -> None:
    pairs = list(zip(profile.families, profile_odds(profile), strict=True))
    found = entry_odds(pairs, masking)
    each = [odds.odds for _, odds in pairs]
    lengths = {family.total_length for family in profile.families}
    assert max(each) <= found <= sum(each)
    if not masking or len(lengths) == 1:
        assert found == max(each)
    elif len(lengths) == len(each):
        assert math.isclose(found, min(1, sum(each)))


def _rigid(document: dict[str, Any], **lock: Any) -> Profile:
    """One code of one hour that begins in each hour, in two digits."""
    document["families"][0] |= {"length": 2, "window": 50}
    document["families"][0]["kinds"][0] |= {"durations": [[1, 0, 1]], "variants": 1, "activation": 0}
    document["lock"] |= {"tolerance": 0} | lock
    return Profile.parse(document)


def test_no_more_texts_open_when_typed_again_and_again_than_the_bound_says(document: dict[str, Any]) -> None:
    """Every text there is, each typed once an hour for 30 hours at a lock of its own: only the first try is charged."""
    profile = _rigid(document, lockout={"free": 1, "delay": DAY, "growth": 1, "cap": DAY, "leak": DAY})
    family = profile.families[0]
    hits = 0
    for number in range(100):
        state = State()
        for hour in range(30):
            decision, state = decide(profile, TOKEN, state, NOW + hour * 3600, hour * 3600, f"{number:02d}")
            assert state.failures <= 1
            assert decision.reason is not Reason.THROTTLED
            if decision.opened:
                hits += 1
                break
    bound = retyping_odds(family, family_odds(profile, family), 30 * 3600)
    assert 15 <= hits <= 100 * bound < 35


# --- the report's numbers -----------------------------------------------------------------------------------------------


def test_igloo_has_about_72_000_live_codes_and_one_guess_in_14_000_opens() -> None:
    """vendors.md: "Live codes at an instant ≈ 72,000: 7·10⁻⁵ a guess at 9 digits"."""
    made = report("igloo")
    (access,) = made.families
    assert 71_500 <= access.live < 72_500
    assert access.codes == 10**9
    assert 13_500 <= 1 / access.odds < 14_500
    summary = " ".join(made.text().split())
    assert "about 72,000 codes" in summary
    assert "a chance of 1 in 14,000" in summary


def test_standard_has_1_400_to_1_600_live_codes_at_one_hour_of_tolerance() -> None:
    """vendors.md: "Live codes at ±1 h ≈ 1,400"; the issue: 1,400 to 1,600."""
    made = report("standard", tolerance=3600)
    (access,) = made.families
    assert 1400 <= access.live <= 1600
    assert 1400 <= access.live + access.remembered <= 1600
    assert "about 1,500 codes" in " ".join(made.text().split())


def test_oracode_is_reported_level_by_level() -> None:
    made = report("oracode")
    profile = load("oracode").profile
    assert [f.family for f in made.families] == ["Guest", "Guest 24 h", "Long stay", "One-shot", "Staff", "Maintenance", "Master"]
    for found in made.families:
        odds = family_odds(profile, profile.families[profile.family_index(found.family)])
        assert (found.live, found.codes, found.odds) == (odds.live, odds.codes, odds.odds)
    assert made.easiest is not None
    assert made.easiest.family == "Long stay"
    assert made.entry.opens == max(f.odds for f in made.families)
    assert {f.family for f in made.services} == {"service", "service-2", "clock"}


@settings(max_examples=40)
@given(st.from_type(Profile))
def test_the_report_says_of_every_profile_what_its_odds_are(profile: Profile) -> None:
    made = report(profile)
    assert [f.family for f in made.families] == [f.name for f in profile.families if opens(f)]
    for found in (*made.families, *made.services):
        family = profile.families[profile.family_index(found.family)]
        odds = family_odds(profile, family)
        assert (found.live, found.remembered, found.odds) == (odds.live, odds.remembered, odds.odds)
        assert sum(kind.live for kind in found.kinds) == found.live
        assert [t.live for t in found.tolerances if t.tolerance == profile.lock.tolerance] == [found.live]
        assert list(found.chances) == sorted(found.chances)
        year = made.spans[-1].guesses
        assert year is not None
        live = found.live + found.remembered
        assert hit_chance(live / profile.radix**found.needed_per_year, year) <= made.target_per_year * (1 + 1e-9)
        assert live / profile.radix**found.needed_per_guess <= made.target_per_guess
        for other in found.lengths:
            assert other.odds == min(1.0, live / profile.radix**other.length)
    for width in (72, 100):
        text = made.text(width)
        assert max(map(len, text.splitlines())) <= width
        assert all(f.family in text for f in made.families)


@pytest.mark.parametrize("name", VENDORS)
def test_a_larger_tolerance_never_makes_fewer_codes_live(name: str) -> None:
    for found in report(name).families:
        counts = [t.live for t in found.tolerances]
        assert counts == sorted(counts)
        assert {t.tolerance for t in found.tolerances} >= {0, 600, 3600}


def test_masking_costs_one_guess_at_each_other_length() -> None:
    igloo = load("igloo")
    masked = report(igloo).entry
    assert masked.masking
    assert masked.lengths == tuple(sorted({family.total_length for family in igloo.profile.families}))
    assert masked.max_keys == 16
    assert masked.opens == masked.opens_unmasked  # only 9 keys open the door
    found = [*report(igloo).families, *report(igloo).services]
    assert math.isclose(masked.hits, sum(max(f.odds for f in found if f.keys == length) for length in masked.lengths))
    assert masked.hits > masked.hits_unmasked == max(f.odds for f in found)
    text = " ".join(report(igloo).text().split())
    assert f"{one_in(masked.hits)} instead of {one_in(masked.hits_unmasked)}" in text
    assert "up to 8 guesses in one entry" in text
    plain = report(Vendor("plain", igloo.profile)).entry
    assert not plain.masking
    assert plain.hits == masked.hits_unmasked


def test_a_masked_entry_no_longer_than_a_code_has_room_for_one_code_only(document: dict[str, Any]) -> None:
    made = report(Vendor("tight", Profile.parse(document), keypad=KeypadPolicy(masking=True, max_keys=9)))
    assert made.entry.opens == made.entry.opens_unmasked == made.entry.hits
    assert "guesses in one entry" not in made.text()


def test_masking_two_lengths_that_open_adds_their_odds(document: dict[str, Any]) -> None:
    document["families"].append(document["families"][0] | {"name": "long", "length": 11})
    profile = Profile.parse(document)
    made = report(Vendor("two", profile, keypad=KeypadPolicy(masking=True)))
    assert made.entry.opens == sum(f.odds for f in made.families) > made.entry.opens_unmasked
    assert f"instead of {one_in(made.entry.opens_unmasked)}" in " ".join(made.text().split())


def test_personal_codes_are_reported_with_their_own_odds() -> None:
    oracode = load("oracode")
    made = report(Vendor("personal", oracode.profile, keypad=KeypadPolicy(personal=("Guest",))))
    assert made.entry.personal == ("Guest",)
    assert "1 in 1 million if they are random" in " ".join(made.text().split())


# --- what if ------------------------------------------------------------------------------------------------------------


def test_another_length_changes_how_many_codes_there_are_and_not_how_many_are_live() -> None:
    now, longer = report("igloo"), report("igloo", length=11)
    assert longer.families[0].live == now.families[0].live
    assert longer.families[0].codes == 100 * now.families[0].codes
    assert math.isclose(longer.entry.opens, now.entry.opens / 100)
    assert longer.services == now.services
    assert longer.length == 11
    assert "11 sealed symbols" in longer.text().splitlines()[0]


def test_a_length_that_service_codes_have_is_reported_with_a_remark() -> None:
    clock = next(family for family in load("igloo").profile.families if family.sets_clock)
    made = report("igloo", length=clock.total_length)
    assert made.families[0].codes == 10**clock.total_length
    assert made.services == ()
    (note,) = made.notes
    assert "service code" in note
    assert note.split(" (")[0] in " ".join(made.text().split())


def test_a_length_that_the_rules_do_not_fit_into_is_refused() -> None:
    with pytest.raises(ProfileCapacityError, match="do not fit into"):
        report("igloo", length=6)
    with pytest.raises(ProfileError, match="greater than or equal to 1"):
        report("igloo", length=0)
    with pytest.raises(ProfileError, match=r"lock\.tolerance.*-1"):
        report("igloo", tolerance=-1)
    with pytest.raises(VendorError, match="no vendor 'nobody'"):
        report("nobody")


def test_a_length_at_which_two_families_that_open_are_taken_for_one_another_is_refused(document: dict[str, Any]) -> None:
    document["families"].append(document["families"][0] | {"name": "long", "length": 11})
    with pytest.raises(FamilyOverlapError, match="could claim the same"):
        report(Profile.parse(document), length=9)


def test_another_lockout_changes_the_chances_over_time_alone() -> None:
    strict = Lockout(free=2, delay=DAY, growth=1, cap=DAY, leak=DAY)
    now, slow = report("igloo"), report("igloo", lockout=strict)
    assert slow.entry.opens == now.entry.opens
    assert [s.guesses for s in slow.spans] == [3, 3 + 29, 3 + 364]
    assert all(a < b for a, b in zip(slow.entry.chances, now.entry.chances, strict=True))


def test_a_lock_that_never_waits_is_said_to_be_one(document: dict[str, Any]) -> None:
    document["lock"]["lockout"] |= {"delay": 0}
    made = report(Profile.parse(document))
    assert [s.guesses for s in made.spans] == [None] * 3
    assert made.entry.chances[0] == hit_chance(made.entry.opens, DAY)
    assert "never makes anyone wait" in made.text()


def test_a_weak_profile_is_called_too_weak_and_a_strong_one_strong(document: dict[str, Any]) -> None:
    weak = report(_rigid(document, capacity=0))
    assert weak.entry.opens == 1 / 100
    assert "too weak for use" in weak.text()
    strong = report("standard", length=12)
    assert strong.easiest is not None
    assert strong.easiest.chances[-1] < strong.target_per_year
    assert "That is strong" in strong.text()
    assert "too weak" not in strong.text()


@pytest.mark.parametrize(
    "change",
    [{"action": "clear"}, {"durations": [[1, 0, 1]], "opens": 1800, "activation": 0, "hours": [0, 1800]}],
    ids=["service", "never"],
)
def test_a_profile_that_opens_no_door_has_a_report_and_no_plot(document: dict[str, Any], tmp_path: Path, change: dict[str, Any]) -> None:
    document["families"][0]["kinds"][0] |= change
    document["lock"] |= {"tolerance": 0}
    made = report(Profile.parse(document))
    assert made.easiest is None
    assert "No code of this profile opens the door." in made.text()
    assert "<svg" not in made.html()
    with pytest.raises(OfflinepinError, match="opens the door"):
        plot(made, tmp_path / "none.png")


# --- its forms ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VENDORS)
def test_the_json_holds_the_members_of_the_report(name: str) -> None:
    made = report(name)
    read = json.loads(made.json())
    assert set(read) == set(Report.__slots__)
    assert read["families"][0]["live"] == made.families[0].live
    assert read["entry"]["chances"] == list(made.entry.chances)
    assert read["spans"][2] == {"name": "year", "seconds": YEAR, "guesses": made.spans[2].guesses}
    assert read["lockout"] == made.lockout.model_dump()


def test_names_of_any_length_fit_into_the_text(document: dict[str, Any]) -> None:
    document["families"][0]["name"] = "f" * 64
    document["families"][0]["kinds"][0]["name"] = "k" * 64
    document["families"][0]["kinds"][0]["variants"] = 200
    lines = report(Profile.parse(document), length=15).text().splitlines()
    assert max(map(len, lines)) <= 80
    assert "f" * 60 in "".join(lines)


def test_a_table_without_room_for_its_columns_is_written_row_by_row() -> None:
    wide = Table(("Name", "Odds", "More"), (("first", "1 in " + "9" * 40, "8" * 40), ("second", "never", "0")))
    assert _lines(wide, 72) == ["first", "  Odds  1 in " + "9" * 40, "  More  " + "8" * 40, "second", "  Odds  never", "  More  0"]


class _Page(HTMLParser):
    """Which elements are open, what is linked, and all text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_page_is_well_formed_needs_nothing_beside_it_and_says_the_same_as_the_text() -> None:
    igloo = load("igloo")
    made = report(Vendor("<script>&co", igloo.profile, keypad=igloo.keypad, title='"a" < b'))
    page = _Page()
    page.feed(made.html())
    page.close()
    assert page.open == []
    assert {"svg", "table", "h1"} <= page.tags
    assert not {"script", "img", "link"} & page.tags
    assert all(link.startswith("#") for link in page.links)
    words = " ".join(" ".join(page.words).split())
    assert "How safe is <script>&co?" in words
    assert "a chance of 1 in 14,000" in words
    assert "72,156" in words


def test_the_plot_is_written_as_png_and_svg_and_is_the_same_every_time(tmp_path: Path) -> None:
    made = report("igloo")
    png, svg = plot(made, tmp_path / "chance.png")
    assert (png, svg) == (tmp_path / "chance.png", tmp_path / "chance.svg")
    assert png.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    drawn = svg.read_text()
    assert "1 in 14,000 a guess (now)" in drawn
    assert "10 years" in drawn
    again = plot(made, tmp_path / "again")[1]
    assert again.read_text() == drawn
    assert drawn[drawn.index("<svg") :] in made.html()


def test_no_plotting_library_is_loaded_until_something_is_drawn() -> None:
    script = (
        "import sys; sys.modules['matplotlib'] = None\n"  # as if it were not installed
        "from offlinepin.report import report\n"
        "from offlinepin.errors import OfflinepinError\n"
        "made = report('standard'); made.text(); made.json()\n"
        "try:\n    made.html()\nexcept OfflinepinError as error:\n    print(error)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "pip install 'offlinepin[report]'" in ran.stdout


@pytest.mark.parametrize("name", VENDORS)
@pytest.mark.parametrize("length", [7, 8, 9, 11])
def test_an_evening_is_held_off_only_where_a_day_hardly_ever_succeeds(name: str, length: int) -> None:
    made = report(name, length=length)
    text = " ".join(made.text(80).split())
    assert ("holds off someone who tries for an evening" in text) <= (made.entry.chances[0] <= 0.02)
    assert ("not hold off even someone who tries for a day" in text) is (made.entry.chances[0] > 0.02)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1.04, "1"),
        (9.96, "10"),
        (72_156, "72,000"),
        (999_999, "1 million"),
        (1.06e8, "110 million"),
        (4.2e9, "4.2 billion"),
        (5e15, "5.0e+15"),
    ],
)
def test_counts_are_written_to_two_digits(number: float, words: str) -> None:
    assert about(number) == words


def test_chances_times_and_lists_are_written_for_people() -> None:
    assert [chance(p) for p in (0.0, 1 / 450, 0.0123, 0.4697, 0.9951, 1.0)] == [
        "never",
        "1 in 450",
        "1.2 %",
        "47 %",
        "over 99 %",
        "over 99 %",
    ]
    assert [duration(s) for s in (0, 1, 90, 600, 3600, 2 * DAY)] == ["none", "1 second", "90 seconds", "10 minutes", "1 hour", "2 days"]
    assert [listed(w) for w in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]


def test_odds_of_nothing_live_are_reported_as_never() -> None:
    nothing = FamilyOdds("none", 0, {}, 0, 1000)
    assert nothing.odds == 0
    assert one_in(nothing.odds) == "never"
    assert hit_chance(nothing.odds, 10**6) == 0


# --- the page -----------------------------------------------------------------------------------------------------------


def test_the_numbers_on_the_page_are_what_its_snippets_print(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (Path(__file__).parent.parent / "docs" / "security.md").read_text()
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {}
    shown = re.findall(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", page, re.MULTILINE | re.DOTALL)
    assert sum(bool(output) for _, output in shown) >= 3
    for code, output in shown:
        exec(code, namespace)  # noqa: S102 - the page is ours
        assert capsys.readouterr().out == output
