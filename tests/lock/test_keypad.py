"""The simulated keypad: keys in, entries out; and what masking, personal codes and passage commands do at the door."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offlinepin import AccessPin, Issuer, MasterKey, Vendor
from offlinepin.engine.profile import Profile
from offlinepin.errors import ProfileError
from offlinepin.keypad import KeypadPolicy
from offlinepin.lock.decide import Decision, Reason
from offlinepin.lock.door import Door
from offlinepin.lock.keypad import Entry, Keypad
from offlinepin.service import with_service_codes
from offlinepin.vendor import load

DAY = 86_400
NOW = datetime(2027, 7, 1, 15, 5, tzinfo=UTC)
KEYS = MasterKey(bytes(range(32)))
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def kind(name: str, durations: list[list[int]], **changes: Any) -> dict[str, Any]:
    plain = {"action": "unlock", "variants": 2, "activation": 0, "uses": 0, "linger": 0, "opens": 0, "closes": 0}
    return {"name": name, "durations": durations, **plain, "hours": [0, DAY], "weekdays": 127, "supersedes": "", **changes}


def rules(total: int = 8, prefix: str = "", kinds: Sequence[dict[str, Any]] = (), window: int = 24, free: int = 5) -> Profile:
    access = {"name": "access", "prefix": prefix, "length": total - len(prefix), "slot": 3600, "window": window}
    document = {
        "offlinepin": 1,
        "name": "keys",
        "alphabet": "0123456789",
        "clock": "utc",
        "families": [{**access, "kinds": list(kinds) or [kind("stay", [[1, 0, 1], [6, 0, 1]], activation=3, variants=1)]}],
        "lock": {"tolerance": 60, "capacity": 4, "lockout": {"free": free, "delay": 30, "growth": 2, "cap": 3600, "leak": 14400}},
    }
    return Profile.parse(with_service_codes(document) if total < 12 else document)


def built(profile: Profile, **policy: Any) -> tuple[Issuer, Door]:
    issuer = Issuer(KEYS, Vendor("keys", profile, keypad=KeypadPolicy(**policy)), allow_weak=True)
    return issuer, Door(issuer.provision("door"), NOW)


def pin(issuer: Issuer, hours: int = 6, **changes: Any) -> AccessPin:
    return issuer.issue("door", NOW.replace(minute=0), NOW.replace(minute=0) + hours * HOUR, now=NOW, **changes)


def wrong(code: str, by: int = 1) -> str:
    """A code with another last digit: what a slip gives."""
    return code[:-1] + str((int(code[-1]) + by) % 10)


# --- keys and entries ---------------------------------------------------------------------------------------------


PLAIN = load("standard").profile


@given(st.lists(st.sampled_from("0123456789#*AB"), max_size=80), st.integers(4, 6))
def test_an_entry_is_what_was_typed_since_the_last_enter_or_clear(keys: list[str], most: int) -> None:
    keypad = Keypad(KeypadPolicy(max_keys=14 + most), PLAIN)
    entries = [entry.text for key in keys if (entry := keypad.press(key, 0)) is not None]
    parts = "".join(keys).split("#")[:-1]
    expected = [part.rsplit("*", 1)[-1] for part in parts]
    assert entries == [text if len(text) <= 14 + most else "" for text in expected if text]


@given(st.lists(st.tuples(st.sampled_from("123"), st.integers(0, 15)), min_size=1, max_size=14))
def test_a_pause_longer_than_the_time_out_discards_what_was_typed(presses: list[tuple[str, int]]) -> None:
    keypad = Keypad(KeypadPolicy(timeout=10), PLAIN)
    uptime, typed = 0, ""
    for key, pause in presses:
        uptime += pause
        typed = key if pause > 10 else typed + key
        assert keypad.press(key, uptime) is None
    assert keypad.press("#", uptime + 10) == Entry(typed)
    for key in "12":
        keypad.press(key, uptime + 10)
    assert keypad.press("#", uptime + 21) is None


def test_enter_alone_and_enter_after_clear_are_no_entries() -> None:
    keypad = Keypad(KeypadPolicy(), PLAIN)
    assert [keypad.press(key, 0) for key in "#12*#"] == [None] * 5


def test_a_keypad_that_cannot_type_the_codes_is_refused() -> None:
    with pytest.raises(ProfileError, match=r"keypad\.max_keys"):
        Keypad(KeypadPolicy(max_keys=8), PLAIN)


def test_other_enter_and_clear_keys_work() -> None:
    keypad = Keypad(KeypadPolicy(enter="E", clear="C"), PLAIN)
    assert [keypad.press(key, 0) for key in "9C#1*E"][-1] == Entry("#1*")


# --- at the door --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("total", range(4, 13))
@pytest.mark.parametrize("prefix", ["", "7", "42"])
def test_codes_of_every_length_and_prefix_open(total: int, prefix: str) -> None:
    few = [kind("stay", [[1, 0, 1]], variants=1)] if total < 6 else []
    issuer, door = built(rules(total, prefix, few, window=4 if total < 6 else 24))
    code = pin(issuer, 1).code
    assert len(code) == total
    assert code.startswith(prefix)
    assert door.enter(code, NOW).opened
    assert door.press(code + "#", NOW)[0].opened
    for other in (code[:-1], code + "0"):
        assert door.enter(other, NOW).reason is Reason.MALFORMED


def test_what_no_family_claims_is_malformed_and_not_charged() -> None:
    issuer, door = built(rules())
    for typed in ("1", "1234567", "123456789", "9" * 17, "12345A78", "ABC"):
        assert door.enter(typed, NOW).reason is Reason.MALFORMED
    assert door.enter("", NOW).reason is Reason.MALFORMED
    assert door.state.failures == 0
    assert door.enter(pin(issuer).code, NOW).opened


def test_too_many_keys_lose_the_entry_and_the_next_one_counts() -> None:
    issuer, door = built(rules(), masking=True)
    code = pin(issuer).code
    decisions = door.press("0" * 9 + code + "#" + code + "#", NOW)
    assert [d.reason for d in decisions] == [Reason.MALFORMED, Reason.OPENED]
    assert door.state.failures == 0


def test_a_code_is_typed_in_time_or_not_at_all() -> None:
    issuer, door = built(rules(), timeout=10)
    code = pin(issuer).code
    assert door.press(code[:4], NOW) == []
    assert door.press(code[4:] + "#", NOW + 10 * SECOND)[0].opened
    assert door.press(code[:4], NOW + 20 * SECOND) == []
    assert door.press(code[4:] + "#", NOW + 31 * SECOND)[0].reason is Reason.MALFORMED
    assert door.press(code[:4] + "*" + code + "#", NOW + 40 * SECOND)[0].opened


def test_what_was_typed_before_a_power_cut_is_forgotten() -> None:
    issuer, door = built(rules())
    code = pin(issuer).code
    door.press(code[:4], NOW)
    door.power_up(NOW + SECOND)
    assert door.press(code[4:] + "#", NOW + SECOND)[0].reason is Reason.MALFORMED
    assert door.enter(code, NOW + SECOND).opened


IGLOO = Issuer(KEYS, "igloo")


@given(st.text("0123456789", max_size=7))
@settings(max_examples=40)
def test_masking_digits_before_a_code_do_not_matter(mask: str) -> None:
    door = Door(IGLOO.provision("door"), NOW)
    code = IGLOO.issue("door", NOW.replace(minute=0), NOW.replace(minute=0) + 72 * HOUR, variant=0, now=NOW, request_id="one").code
    assert door.enter(mask + code, NOW).opened
    assert door.enter(code, NOW).opened
    assert door.enter(mask + code, NOW + 40 * HOUR).opened
    assert door.state.failures == 0
    assert len(door.state.remembered) == 1


def test_digits_behind_a_code_are_no_masking() -> None:
    door = Door(IGLOO.provision("door"), NOW)
    code = IGLOO.issue("door", NOW.replace(minute=0), NOW.replace(minute=0) + 3 * HOUR, now=NOW).code
    assert door.enter(code + "1", NOW).reason is Reason.UNKNOWN


@pytest.mark.parametrize("mask", range(8))
def test_a_wrong_entry_is_charged_once_however_many_masking_digits_it_has(mask: int) -> None:
    """With many it ends in a code of a service family, too."""
    door = Door(IGLOO.provision("door"), NOW)
    assert door.enter("0" * mask + "123456789", NOW).reason is Reason.UNKNOWN
    assert door.state.failures == 1
    door.enter("0" * mask + "123456789", NOW)
    assert door.state.failures == 1
    door.enter("1" * mask + "123456788", NOW)
    assert door.state.failures == 2


def test_without_masking_digits_before_a_code_make_it_malformed() -> None:
    issuer, door = built(rules())
    assert door.enter("1" + pin(issuer).code, NOW).reason is Reason.MALFORMED


def test_a_service_code_may_be_masked_too() -> None:
    issuer, door = built(rules(), masking=True)
    code = pin(issuer).code
    assert door.enter("99" + issuer.clear("door", now=NOW + HOUR).code, NOW + HOUR).action == "clear"
    assert door.enter("99" + code, NOW + HOUR).reason is Reason.REVOKED


# --- personal codes -----------------------------------------------------------------------------------------------


def personal_door(hours: int = 6, **changes: Any) -> tuple[Door, str]:
    issuer, door = built(rules(), personal=("access",), **changes)
    return door, pin(issuer, hours).code


def reasons(decisions: list[Decision]) -> list[Reason]:
    return [d.reason for d in decisions]


def test_a_personal_code_stands_in_for_the_code_which_goes_on_working() -> None:
    door, code = personal_door()
    assert reasons(door.press(f"{code}#246802#", NOW)) == [Reason.OPENED, Reason.OPENED]
    assert door.bolt_moves == 1
    assert door.enter("246802", NOW + HOUR).opened
    assert door.enter(code, NOW + HOUR).opened
    assert door.bolt_moves == 3
    assert door.state.failures == 0


def test_only_the_last_personal_code_holds() -> None:
    door, code = personal_door()
    door.press(f"{code}#246802#", NOW)
    door.press(f"{code}#135791#", NOW)
    assert door.enter("246802", NOW).reason is Reason.UNKNOWN
    assert door.enter("135791", NOW).opened


def test_a_personal_code_may_be_changed_after_a_personal_code() -> None:
    door, code = personal_door()
    door.press(f"{code}#246802#", NOW)
    door.press("246802#135791#", NOW)
    assert door.enter("246802", NOW).reason is Reason.UNKNOWN
    assert door.enter("135791", NOW).opened
    assert door.enter(code, NOW).opened


@pytest.mark.parametrize("hours", [1, 6])
def test_a_personal_code_ends_with_the_code(hours: int) -> None:
    door, code = personal_door(hours)
    door.press(f"{code}#246802#", NOW)
    end = NOW.replace(minute=0) + hours * HOUR + MINUTE
    assert door.enter("246802", end - SECOND).opened
    assert door.enter(code, end).reason is not Reason.OPENED
    assert door.enter("246802", end).reason is not Reason.OPENED


@pytest.mark.parametrize("follow_up", ["12345", "1234567", "12345A", "2", "3"])
def test_what_is_no_six_digits_is_no_personal_code(follow_up: str) -> None:
    door, code = personal_door()
    assert reasons(door.press(f"{code}#{follow_up}#", NOW)) == [Reason.OPENED, Reason.MALFORMED]
    assert door.state.personal is None


def test_six_digits_that_are_nobody_s_are_charged_where_there_is_a_personal_code() -> None:
    door, code = personal_door()
    assert door.enter("111111", NOW).reason is Reason.MALFORMED
    assert door.state.failures == 0
    door.press(f"{code}#246802#", NOW)
    for failures, guess in enumerate(("111111", "222222", "333333"), start=1):
        assert door.enter(guess, NOW + MINUTE).reason is Reason.UNKNOWN
        assert door.state.failures == failures


def test_guesses_of_a_personal_code_lead_to_the_lockout() -> None:
    door, code = personal_door()
    door.press(f"{code}#246802#", NOW)
    for guess in range(6):
        door.enter(f"{guess}" * 6, NOW + MINUTE)
    assert door.enter("246802", NOW + MINUTE).reason is Reason.THROTTLED


def test_a_personal_code_is_kept_over_a_power_cut() -> None:
    door, code = personal_door()
    door.press(f"{code}#246802#", NOW)
    door.power_up(NOW + HOUR)
    assert door.enter("246802", NOW + HOUR).opened


def test_a_personal_code_must_follow_within_the_time_out_and_at_once() -> None:
    door, code = personal_door(timeout=10)
    door.enter(code, NOW)
    door.press("246802#", NOW + 10 * SECOND)
    assert door.enter("246802", NOW + MINUTE).opened
    door.enter(code, NOW + HOUR)
    door.press("135791#", NOW + HOUR + 11 * SECOND)
    assert door.enter("135791", NOW + HOUR + MINUTE).reason is Reason.UNKNOWN
    door.press(f"{code}#1#975310#", NOW + 2 * HOUR)
    assert door.enter("975310", NOW + 2 * HOUR).reason is Reason.UNKNOWN


def test_a_power_cut_ends_the_time_in_which_a_personal_code_may_follow() -> None:
    door, code = personal_door()
    door.enter(code, NOW)
    door.power_up(NOW)
    assert door.enter("246802", NOW).reason is Reason.MALFORMED


def test_a_family_without_the_privilege_takes_no_personal_code() -> None:
    issuer, door = built(rules())
    door.press(f"{pin(issuer).code}#246802#", NOW)
    assert door.state.personal is None


def test_a_code_that_was_refused_gives_no_right_to_a_personal_code() -> None:
    door, code = personal_door()
    door.press(f"{wrong(code)}#246802#", NOW)
    assert door.state.personal is None


def test_a_revoked_or_cleared_code_takes_its_personal_code_with_it() -> None:
    for clear in (False, True):
        issuer, door = built(rules(), personal=("access",))
        guest = pin(issuer)
        door.press(f"{guest.code}#246802#", NOW)
        later = NOW + HOUR
        assert door.enter((issuer.clear("door", now=later) if clear else issuer.revoke(guest)).code, later).opened
        assert door.enter("246802", later).reason is Reason.REVOKED
        door.power_up(later)
        assert door.enter("246802", later).reason is Reason.REVOKED


@pytest.mark.parametrize("duration", [1, 6])
def test_a_single_use_code_opens_once_and_so_does_nothing_that_stands_in_for_it(duration: int) -> None:
    issuer, door = built(rules(kinds=[kind("once", [[1, 0, 1], [6, 0, 1]], activation=3, uses=1)], free=50), personal=("access",))
    code = pin(issuer, duration, one_time=True).code
    door.press(f"{code}#246802#", NOW)
    assert door.bolt_moves == 1
    for later in range(8):
        at = NOW + later * HOUR
        for typed in ("246802", code):
            assert door.enter(typed, at).reason not in (Reason.OPENED, Reason.THROTTLED)
    assert door.bolt_moves == 1


def test_a_personal_code_of_a_lingering_code_ends_with_it() -> None:
    issuer, door = built(rules(kinds=[kind("visit", [[6, 0, 1]], linger=1800)]), personal=("access",))
    door.press(f"{pin(issuer).code}#246802#", NOW)
    assert door.enter("246802", NOW + 30 * MINUTE).opened
    assert door.enter("246802", NOW + 31 * MINUTE).reason is Reason.EXPIRED


# --- passage ------------------------------------------------------------------------------------------------------


def test_two_after_a_code_holds_the_door_open_and_three_ends_that() -> None:
    issuer, door = built(rules(), passage=("access",))
    code = pin(issuer).code
    assert reasons(door.press(f"{code}#2#", NOW)) == [Reason.OPENED, Reason.OPENED]
    assert door.state.passage
    door.power_up(NOW)
    assert door.state.passage
    door.press(f"{code}#2#", NOW)
    assert door.state.passage
    door.press(f"{code}#", NOW)
    assert door.state.passage
    door.press(f"{code}#3#", NOW)
    assert not door.state.passage
    door.press(f"{code}#3#", NOW)
    assert not door.state.passage
    assert door.state.failures == 0


@pytest.mark.parametrize("suffix", ["1", "4", "22", "23"])
def test_other_suffixes_do_nothing(suffix: str) -> None:
    issuer, door = built(rules(), passage=("access",))
    assert reasons(door.press(f"{pin(issuer).code}#{suffix}#", NOW)) == [Reason.OPENED, Reason.MALFORMED]
    assert not door.state.passage


def test_the_suffix_needs_the_privilege_a_code_that_opened_and_haste() -> None:
    issuer, door = built(rules())
    door.press(f"{pin(issuer).code}#2#", NOW)
    assert not door.state.passage
    issuer, door = built(rules(), passage=("access",), timeout=10)
    code = pin(issuer).code
    door.press(f"{wrong(code)}#2#", NOW)
    door.press("2#", NOW)
    door.press(f"{code}#", NOW)
    door.press("2#", NOW + 11 * SECOND)
    assert not door.state.passage
    door.press(f"{code}#1#2#", NOW + MINUTE)
    assert not door.state.passage


def test_a_level_may_have_both_privileges() -> None:
    issuer, door = built(rules(), passage=("access",), personal=("access",))
    code = pin(issuer).code
    door.press(f"{code}#246802#", NOW)
    door.press("246802#2#", NOW)
    assert door.state.passage
    door.press("246802#3#", NOW)
    assert not door.state.passage
