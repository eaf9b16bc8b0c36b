"""The whole lock with its power cut at every write and erase: what opens twice (nothing), what a guess costs, what damage does."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offlinepin import AccessPin, Issuer, MasterKey, Vendor
from offlinepin.engine.payload import Grant
from offlinepin.engine.profile import Profile
from offlinepin.engine.token import KEY_BYTES, DeviceToken
from offlinepin.errors import StateError
from offlinepin.lock import door as door_module
from offlinepin.lock.decide import Decision, Reason, judge
from offlinepin.lock.door import Door
from offlinepin.lock.flash import WORD, Flash, PowerCutError
from offlinepin.lock.journal import Condition, Journal
from offlinepin.lock.layout import Layout
from offlinepin.lock.state import State
from offlinepin.lock.timekeeping import DoorClock
from offlinepin.provisioning import Provisioning
from offlinepin.service import with_service_codes

DAY = 86_400
NOW = datetime(2027, 7, 1, 15, 5, tzinfo=UTC)
SLOT = NOW.replace(minute=0)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
KEYS = MasterKey(bytes(range(32)))
FREE = 3


def kind(name: str, durations: list[list[int]], **changes: Any) -> dict[str, Any]:
    plain = {"action": "unlock", "variants": 9, "activation": 0, "uses": 0, "linger": 0, "opens": 0, "closes": 0}
    return {"name": name, "durations": durations, **plain, "hours": [0, DAY], "weekdays": 127, "supersedes": "", **changes}


DOCUMENT = {
    "offlinepin": 1,
    "name": "door",
    "alphabet": "0123456789",
    "clock": "utc",
    "families": [
        {
            "name": "access",
            "prefix": "",
            "length": 7,
            "slot": 3600,
            "window": 24,
            "kinds": [
                kind("stay", [[6, 0, 1]], activation=3),
                kind("once", [[2, 0, 1]], uses=1),
                kind("visit", [[4, 0, 1]], linger=1800),
                kind("guest", [[3, 0, 1]], supersedes="room"),
                kind("hold", [[5, 0, 1]], action="passage"),
            ],
        }
    ],
    "lock": {"tolerance": 60, "capacity": 3, "lockout": {"free": FREE, "delay": 30, "growth": 2, "cap": 3600, "leak": 14400}},
}
RULES = Profile.parse(with_service_codes(DOCUMENT))
VENDOR = Vendor("door", RULES)


class WatchedDoor(Door):
    """A lock that looks into its flash at the very moment at which the bolt moves, as a second reader would."""

    def __init__(self, provisioning: Provisioning, at: datetime, **options: Any) -> None:
        self.seen: list[State] = []
        super().__init__(provisioning, at, **options)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "bolt_moves" and value:
            self.seen.append(stored(self.flash))
        super().__setattr__(name, value)


def stored(flash: Flash) -> State:
    """The state in a part, read by a new journal and left as it is."""
    layout = Layout(RULES)
    return layout.decode(Journal(flash.copy(), layout.size + KEY_BYTES).image[: layout.size])


class House:
    """An issuer and a lock whose power can be cut, which counts what opened."""

    def __init__(self) -> None:
        self.issuer = Issuer(KEYS, VENDOR, allow_weak=True)
        self.door = WatchedDoor(self.issuer.provision("door"), NOW)

    def pin(self, of: str, start: datetime = SLOT, **options: Any) -> AccessPin:
        hours = next(k["durations"][0][0] for k in DOCUMENT["families"][0]["kinds"] if k["name"] == of)  # type: ignore[index]
        return self.issuer.issue("door", start, start + hours * HOUR, kind=of, one_time=of == "once", now=NOW, **options)

    def again(self, flash: Flash, at: datetime = NOW) -> WatchedDoor:
        """A lock with a part in which something is already."""
        return WatchedDoor(self.issuer.provision("door"), at, flash=flash)


def grant(pin: AccessPin) -> Grant:
    return Grant(0, RULES.kind_index(0, pin.kind), pin.start_slot, pin.duration, pin.variant)


def cut_entry(door: Door, code: str, position: int, at: datetime = NOW) -> Decision | None:
    """Type a code while the power goes after ``position`` writes and erases; ``None`` if it went. The lock is switched on again."""
    door.flash.cut_after = position
    try:
        return door.enter(code, at)
    except PowerCutError:
        door.power_up(at)
        return None
    finally:
        door.flash.cut_after = None


def positions(house: House, flash: Flash, code: str, at: datetime = NOW) -> int:
    """How many writes and erases an entry takes."""
    part = flash.copy()
    door = house.again(part, at)
    before = part.words + sum(part.wear)
    door.enter(code, at)
    return part.words + sum(part.wear) - before


def fillings() -> list[Flash]:
    """Parts filled so far that an entry's first, second or third commit needs a new snapshot, and one of which none does."""
    house = House()
    flash = house.door.flash.copy()
    once = house.pin("once").code
    found: dict[tuple[int, ...], Flash] = {}
    for n in range(120):
        door = house.again(flash)
        part = flash.copy()
        probe = house.again(part)
        wears: list[int] = []
        real = probe._journal.commit

        def commit(image: bytes, real: Callable[[bytes], None] = real, part: Flash = part, wears: list[int] = wears) -> None:
            before = sum(part.wear)
            real(image)
            wears.append(sum(part.wear) - before)

        probe._journal.commit = commit  # type: ignore[method-assign]
        if probe.enter(once, NOW).opened:
            found.setdefault(tuple(wears), flash.copy())
        if len(found) == 4:
            break
        image = Journal(flash, door.layout.size + KEY_BYTES)
        state = replace(stored(flash), cleared=n)  # long before any code
        image.commit(door.layout.encode(state) + door.token.export())
    return list(found.values())


FILLINGS = fillings()


def test_the_fillings_put_a_snapshot_at_every_commit_of_an_opening() -> None:
    assert len(FILLINGS) == 4


# --- commit, read back, then the bolt ------------------------------------------------------------------------------


@pytest.mark.parametrize("filling", range(4))
def test_when_the_bolt_moves_everything_that_the_opening_changes_is_in_flash(filling: int) -> None:
    house = House()
    flash = FILLINGS[filling].copy()
    once, stay, guest, visit = (house.pin(name) for name in ("once", "stay", "guest", "visit"))
    for count, pin in enumerate((once, stay, guest, visit), start=1):
        door = house.again(flash)
        assert door.enter(pin.code, NOW).opened
        (seen,) = door.seen
        assert seen.floor == int(NOW.timestamp())
        assert seen.failures == door.state.failures + 1  # the charge is given back afterwards only
        assert grant(once) in seen.marks
        assert len(seen.remembered) == {1: 0, 2: 1, 3: 1, 4: 2}[count]
        assert bool(seen.supersede) == (count >= 3)
        assert stored(flash) == door.state.after_power_cut()


def test_a_service_code_moves_no_bolt() -> None:
    house = House()
    house.door.enter(house.issuer.clear("door", now=NOW).code, NOW)
    assert house.door.bolt_moves == 0
    assert house.door.enter(house.pin("hold").code, NOW).opened
    assert house.door.bolt_moves == 1


def test_a_wrong_guess_is_charged_in_flash_before_anything_is_deciphered(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    seen = []

    def watched(*arguments: Any, **options: Any) -> tuple[Decision, State]:
        seen.append(stored(house.door.flash).failures)
        return judge(*arguments, **options)

    monkeypatch.setattr(door_module, "judge", watched)
    for code in ("1111111", "2222222", house.pin("once").code):
        house.door.enter(code, NOW)
    assert seen == [1, 2, 3]
    assert stored(house.door.flash).failures == house.door.state.failures == 2


# --- the power goes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("filling", range(4))
def test_a_single_use_code_never_opens_twice_wherever_the_power_goes(filling: int) -> None:
    house = House()
    pin, other = house.pin("once"), house.pin("once")
    for position in range(positions(house, FILLINGS[filling], pin.code)):
        door = house.again(FILLINGS[filling].copy())
        assert cut_entry(door, pin.code, position) is None
        first = door.bolt_moves
        assert door.condition is Condition.SOUND
        second = door.enter(pin.code, NOW + MINUTE)
        assert second.reason in (Reason.OPENED, Reason.USED)
        assert door.bolt_moves == first + second.opened <= 1
        door.power_up(NOW + 2 * MINUTE)
        assert door.enter(pin.code, NOW + 2 * MINUTE).reason is Reason.USED
        assert door.enter(other.code, NOW + 2 * MINUTE).opened  # the lock goes on as before


@pytest.mark.parametrize("filling", range(4))
def test_two_cuts_do_not_help_either(filling: int) -> None:
    house = House()
    pin = house.pin("once")
    total = positions(house, FILLINGS[filling], pin.code)
    for first in range(0, total, 1 if total < 60 else 7):
        for second in range(0, total + 20, 3 if total < 60 else 17):
            door = house.again(FILLINGS[filling].copy())
            cut_entry(door, pin.code, first)
            cut_entry(door, pin.code, second, NOW + MINUTE)
            door.enter(pin.code, NOW + 2 * MINUTE)
            assert door.bolt_moves <= 1


@pytest.mark.parametrize("of", ["stay", "visit", "guest", "hold"])
def test_a_code_that_is_no_single_use_code_loses_nothing_by_a_cut(of: str) -> None:
    house = House()
    pin = house.pin(of)
    for filling in FILLINGS:
        for position in range(0, positions(house, filling, pin.code), 3):
            door = house.again(filling.copy())
            cut_entry(door, pin.code, position)
            assert door.enter(pin.code, NOW + MINUTE).opened
            assert [held.grant for held in door.state.remembered] in ([], [grant(pin)])


@pytest.mark.parametrize("filling", range(4))
def test_no_cut_gives_a_free_guess(filling: int, monkeypatch: pytest.MonkeyPatch) -> None:
    judged = 0

    def counting(*arguments: Any, **options: Any) -> tuple[Decision, State]:
        nonlocal judged
        judged += 1
        return judge(*arguments, **options)

    monkeypatch.setattr(door_module, "judge", counting)
    house = House()
    for position in range(positions(house, FILLINGS[filling], "7777777") + 1):
        door = house.again(FILLINGS[filling].copy())
        before, judged = door.state.failures, 0
        for _ in range(8):  # the same guess again and again, the power cut each time
            known = door.state.failures
            cut_entry(door, "7777777", position)
            door.power_up(NOW)
            assert door.state.failures >= known
            assert door.state.failures - before >= judged
        assert before + judged <= FREE + 1


def test_a_good_code_between_guesses_never_wipes_what_they_cost() -> None:
    house = House()
    guesses = ["1111111", "2222222"]
    for filling in FILLINGS:
        pin = house.pin("once")
        for position in range(0, positions(house, filling, pin.code) + 1, 2):
            door = house.again(filling.copy())
            start = door.state.failures
            for guess in guesses[: FREE - start]:
                door.enter(guess, NOW)
            charged = door.state.failures
            cut_entry(door, pin.code, position)
            assert charged <= door.state.failures <= charged + 1


def test_the_lockout_survives_cuts_and_starts_anew_with_the_power() -> None:
    house = House()
    door = house.door
    for guess in range(FREE + 1):
        assert door.enter(f"{guess:07d}", NOW).reason is Reason.UNKNOWN
    pin = house.pin("stay")
    assert door.enter(pin.code, NOW + 20 * SECOND).wait == 10
    for again in range(1, 4):
        at = NOW + again * 25 * SECOND
        door.power_up(at)
        assert door.enter(pin.code, at).wait == 30
        assert door.enter(pin.code, at + 24 * SECOND).reason is Reason.THROTTLED
    at += 30 * SECOND
    assert door.enter(pin.code, at).opened
    assert door.state.failures == FREE + 1  # a success takes back its own charge and no more
    assert door.enter("7777777", at).reason is Reason.UNKNOWN
    assert door.enter(pin.code, at).wait == 60


def test_a_throttled_entry_writes_nothing() -> None:
    house = House()
    for guess in range(FREE + 1):
        house.door.enter(f"{guess:07d}", NOW)
    words = house.door.flash.words
    assert house.door.enter("1234567", NOW).reason is Reason.THROTTLED
    assert house.door.enter("12", NOW + HOUR).reason is Reason.MALFORMED
    assert house.door.flash.words == words


def test_the_same_wrong_text_again_is_charged_once_and_after_a_cut_again() -> None:
    house = House()
    for _ in range(5):
        assert house.door.enter("7777777", NOW).reason is Reason.UNKNOWN
    assert house.door.state.failures == 1
    house.door.power_up(NOW)
    house.door.enter("7777777", NOW)
    assert house.door.state.failures == 2


@pytest.mark.parametrize("filling", range(4))
def test_a_rotation_changes_token_and_generation_in_one_commit(filling: int) -> None:
    house = House()
    tokens = {g: house.issuer.provision("door", generation=g).token for g in (0, 1)}
    rotate = house.issuer.rotate("door", now=NOW)
    pins = [house.pin("stay", generation=g) for g in (0, 1)]
    once = house.pin("once")
    used = FILLINGS[filling].copy()
    assert house.again(used).enter(once.code, NOW).opened
    outcomes = set()
    for position in range(positions(house, used, rotate.code)):
        door = house.again(used.copy())
        cut_entry(door, rotate.code, position)
        generation = door.state.generation
        outcomes.add(generation)
        assert door.condition is Condition.SOUND
        assert door.token.generation == generation
        assert door.token.export() == tokens[generation].export()
        assert door.token.check_value == (rotate.check_value if generation else tokens[0].check_value)
        assert bool(door.state.marks) == (generation == 0)  # replay memory goes only together with its key
        assert door.enter(pins[1 - generation].code, NOW).reason is Reason.UNKNOWN
        assert door.enter(pins[generation].code, NOW).opened
        assert door.enter(once.code, NOW).reason is (Reason.UNKNOWN if generation else Reason.USED)
    assert outcomes == {0, 1}


@pytest.mark.parametrize("filling", range(4))
def test_a_clock_code_that_was_cut_has_set_the_clock_or_a_later_one_can(filling: int) -> None:
    house = House()
    code = house.issuer.set_clock("door", now=NOW + HOUR)
    shown = int((NOW + HOUR).timestamp())
    for position in range(positions(house, FILLINGS[filling], code.code)):
        door = house.again(FILLINGS[filling].copy())
        door.clock.lose()
        cut_entry(door, code.code, position, NOW + HOUR)
        if door.clock.reading(NOW + HOUR) is None:
            later = house.issuer.set_clock("door", now=NOW + HOUR + 5 * MINUTE)
            again = [door.enter(c, NOW + HOUR).opened for c in (code.code, later.code)]
            assert any(again)
        reading = door.clock.reading(NOW + HOUR)
        assert reading is not None
        assert abs(reading - shown) <= 450


@given(st.lists(st.tuples(st.sampled_from(["once", "stay", "visit", "guest"]), st.integers(0, 60), st.integers(0, 90)), max_size=12))
@settings(max_examples=40)
def test_random_cuts_open_no_single_use_code_twice_and_leave_no_lock_unusable(session: list[tuple[str, int, int]]) -> None:
    house = House()
    at = NOW
    opened: dict[str, int] = {}
    for of, cut, minutes in session:
        at += minutes * MINUTE
        pin = house.pin(of, at.replace(minute=0))
        for code in (pin.code, *opened):
            before = house.door.bolt_moves
            cut_entry(house.door, code, cut, at)
            if of == "once" or code in opened:
                opened[code] = opened.get(code, 0) + house.door.bolt_moves - before
        assert all(n <= 1 for n in opened.values())
        if of != "once":
            opened.pop(pin.code, None)
    house.door.power_up(at)
    last = house.pin("guest", at.replace(minute=0))
    assert house.door.enter(last.code, at + 2 * HOUR).opened


def test_a_cut_while_the_lock_is_switched_on_for_the_first_time_does_no_harm() -> None:
    house = House()
    total = house.door.flash.words + sum(house.door.flash.wear)
    code = house.pin("stay").code
    for first in range(total):
        for second in (None, 0, 1, first, total - 1):
            flash = Flash(house.door.flash.page_size, seed=first)
            for cut in (first, second):
                flash.cut_after = cut
                try:
                    house.again(flash)
                except PowerCutError:
                    continue
            flash.cut_after = None
            assert house.again(flash).enter(code, NOW).opened


# --- lingering codes ----------------------------------------------------------------------------------------------


def test_a_lingering_code_ends_after_its_time_for_good() -> None:
    """Also when the lock has a reason to tidy up: another code that opens later."""
    house = House()
    visit, stay = house.pin("visit"), house.pin("stay")
    assert house.door.enter(visit.code, NOW).opened
    assert house.door.enter(visit.code, NOW + 30 * MINUTE).opened
    assert house.door.enter(visit.code, NOW + 31 * MINUTE).reason is Reason.EXPIRED
    assert house.door.enter(stay.code, NOW + 40 * MINUTE).opened
    assert house.door.enter(visit.code, NOW + 41 * MINUTE).reason is Reason.EXPIRED
    house.door.power_up(NOW + 50 * MINUTE)
    assert house.door.enter(visit.code, NOW + 50 * MINUTE).reason is Reason.EXPIRED


def test_revocations_of_lingering_codes_that_have_ended_leave_the_lock_usable() -> None:
    """Eight places for codes that are not remembered are taken; the codes remembered and revoked end; then the lock tidies up."""
    house = House()
    visits = [house.pin("visit") for _ in range(3)]
    for visit in visits:
        assert house.door.enter(visit.code, NOW).opened
        assert house.door.enter(house.issuer.revoke(visit).code, NOW).opened
    for _ in range(8):
        assert house.door.enter(house.issuer.revoke(house.pin("once")).code, NOW).opened
    later = NOW + 45 * MINUTE
    assert house.door.enter(house.pin("guest").code, later).opened
    assert all(house.door.enter(visit.code, later).reason is Reason.REVOKED for visit in visits)


@pytest.mark.parametrize("by", ["clear", "supersede"])
def test_revocations_of_remembered_codes_that_are_dead_for_another_reason_leave_the_lock_usable(by: str) -> None:
    """Such a code need not be remembered any more, and its revocation takes none of the eight places then."""
    document = copy.deepcopy(DOCUMENT)
    kinds = document["families"][0]["kinds"]  # type: ignore[index]
    kinds[0]["supersedes"] = "room"
    rules = Profile.parse(with_service_codes(document))
    issuer = Issuer(KEYS, Vendor("door", rules), allow_weak=True)
    door = Door(issuer.provision("door"), NOW)

    def pin(of: str, start: datetime, hours: int) -> AccessPin:
        return issuer.issue("door", start, start + hours * HOUR, kind=of, one_time=of == "once", now=NOW)

    stay = pin("stay", SLOT, 6)
    assert door.enter(stay.code, NOW).opened
    assert door.enter(issuer.revoke(stay).code, NOW).opened
    for start in (SLOT, SLOT + HOUR):
        for _ in range(4):
            assert door.enter(issuer.revoke(pin("once", start, 2)).code, SLOT + 59 * MINUTE).opened
    at = SLOT + HOUR
    assert door.enter(issuer.clear("door", now=at).code if by == "clear" else pin("stay", at, 6).code, at).opened
    assert door.enter(pin("visit", at, 4).code, at).opened
    assert door.enter(stay.code, at).reason in (Reason.REVOKED, Reason.SUPERSEDED)


# --- damage -------------------------------------------------------------------------------------------------------


def damaged(house: House) -> Flash:
    """A part whose last record has an aged bit in its middle."""
    flash = house.door.flash.copy()
    last = len(flash.read(0, 2 * flash.page_size).rstrip(b"\xff"))
    bank_end = len(flash.read(0, flash.page_size).rstrip(b"\xff")) if last <= flash.page_size else last
    flash.rot(bank_end - 3 * WORD, 0)
    return flash


def test_after_damage_every_code_that_has_begun_is_dead_and_new_ones_work() -> None:
    house = House()
    begun = [house.pin(name) for name in ("once", "stay", "visit", "guest", "hold")]
    early = house.pin("once", SLOT + HOUR)
    for pin in begun[:3]:
        assert house.door.enter(pin.code, NOW).opened
    unused = house.pin("once")
    flash = damaged(house)
    at = SLOT + HOUR - MINUTE  # the next hour's codes open from now on
    for pin in [*begun, unused, early]:
        door = house.again(flash.copy(), at)
        assert door.condition is Condition.DAMAGED
        assert door.enter(pin.code, at).reason is Reason.REVOKED
        door.power_up(at)
        assert str(door.condition) == "sound"
        assert door.enter(pin.code, at).reason is Reason.REVOKED
    door = house.again(flash, at)
    fresh = house.pin("once", SLOT + 2 * HOUR)
    assert door.enter(fresh.code, SLOT + 2 * HOUR).opened
    assert door.enter(fresh.code, SLOT + 2 * HOUR).reason is Reason.USED
    assert stored(flash).cleared == int(at.timestamp()) + 61


def test_any_aged_bit_of_a_lock_in_use_is_harmless_or_kills_what_has_begun() -> None:
    house = House()
    used, stay = house.pin("once"), house.pin("stay")
    for code in (used.code, "1111111", stay.code, "2222222"):
        house.door.enter(code, NOW)
    fresh = house.pin("guest", SLOT + HOUR)
    lost = 0
    end = len(house.door.flash.read(0, house.door.flash.page_size).rstrip(b"\xff")) + 8
    for at in range(0, end, 3):
        flash = house.door.flash.copy()
        flash.rot(at, at % 8)
        try:
            door = house.again(flash)
        except StateError:
            lost += 1
            continue
        if door.condition is Condition.SOUND:
            assert door.state == house.door.state.after_power_cut()
            assert door.enter(used.code, NOW).reason is Reason.USED
        else:
            assert door.enter(used.code, NOW).reason is Reason.REVOKED
            assert house.again(flash.copy()).enter(stay.code, NOW).reason is Reason.REVOKED
        assert door.enter(fresh.code, SLOT + HOUR).opened
    assert lost < end // 3


def test_a_bit_that_ages_where_the_next_record_goes_opens_no_code_twice() -> None:
    house = House()
    house.door.enter("1111111", NOW)
    pin = house.pin("once")
    end = len(house.door.flash.read(0, house.door.flash.page_size).rstrip(b"\xff"))
    for at in range(end, end + 10 * WORD):
        door = house.again(house.door.flash.copy())
        door.flash.rot(at, at % 8)
        assert door.enter(pin.code, NOW).opened
        assert door.enter(pin.code, NOW).reason is Reason.USED
        assert house.again(door.flash.copy()).enter(pin.code, NOW).reason in (Reason.USED, Reason.REVOKED)


def test_a_damaged_state_and_a_lost_clock_need_a_new_provisioning() -> None:
    house = House()
    house.door.enter(house.pin("once").code, NOW)
    flash = damaged(house)
    clock = DoorClock(house.issuer.provision("door").clock, NOW)
    clock.lose()
    for _ in range(2):
        with pytest.raises(StateError, match="damaged and its clock is lost; it must be provisioned again"):
            Door(house.issuer.provision("door"), NOW, flash=flash, clock=clock)
    clock.correct(NOW)
    assert (
        Door(house.issuer.provision("door"), NOW, flash=flash, clock=clock).enter(house.pin("guest", SLOT + HOUR).code, SLOT + HOUR).opened
    )


def test_a_snapshot_that_has_aged_needs_a_new_provisioning() -> None:
    house = House()
    for guess in range(3):
        house.door.enter(f"{guess:07d}", NOW)
    for word in (0, 3, 20):
        flash = house.door.flash.copy()
        flash.rot(WORD * word, 5)
        with pytest.raises(StateError, match="lost; it must be provisioned again"):
            house.again(flash)


def test_a_cut_while_damage_is_dealt_with_leaves_it_to_the_next_time() -> None:
    house = House()
    used = house.pin("once")
    house.door.enter(used.code, NOW)
    flash = damaged(house)
    probe = flash.copy()
    house.again(probe)
    total = probe.words + sum(probe.wear) - flash.words - sum(flash.wear)
    assert total > 10
    for position in range(total):
        part = flash.copy()
        part.cut_after = position
        with pytest.raises(PowerCutError):
            house.again(part)
        part.cut_after = None
        assert house.again(part).enter(used.code, NOW).reason is Reason.REVOKED


def test_a_lock_that_can_write_no_more_does_not_open() -> None:
    class DeadFlash(Flash):
        dead = False

        def write(self, at: int, word: bytes) -> None:
            super().write(at, self.read(at, WORD) if self.dead else word)

    house = House()
    flash = DeadFlash(house.door.flash.page_size)
    door = house.again(flash)
    flash.dead = True
    for _ in range(3):
        with pytest.raises(StateError, match="worn out"):
            door.enter(house.pin("once").code, NOW)
    assert door.bolt_moves == 0


# --- the clock ----------------------------------------------------------------------------------------------------


def test_a_lock_without_a_clock_refuses_for_nothing_and_opens_after_a_clock_code() -> None:
    house = House()
    pin = house.pin("stay")
    house.door.clock.lose()
    assert house.door.enter(pin.code, NOW).reason is Reason.CLOCK_LOST
    assert house.door.state.failures == 0
    assert house.door.enter(house.issuer.set_clock("door", now=NOW).code, NOW).action == "set_clock"
    assert house.door.enter(pin.code, NOW).opened


def test_a_clock_set_back_never_brings_back_what_has_ended() -> None:
    house = House()
    first, second = house.pin("once"), house.pin("stay", SLOT + 3 * HOUR)
    assert house.door.enter(second.code, SLOT + 3 * HOUR).opened
    house.door.clock.shift(-3 * HOUR, SLOT + 3 * HOUR)
    assert house.door.enter(first.code, SLOT + 3 * HOUR).reason is Reason.EXPIRED


@pytest.mark.parametrize("ppm", [-20, 20])
def test_a_drift_within_the_tolerance_does_not_matter(ppm: float) -> None:
    issuer = Issuer(KEYS, VENDOR, allow_weak=True)
    provisioning = issuer.provision("door")
    door = Door(provisioning, NOW, clock=DoorClock(provisioning.clock, NOW, drift_ppm=ppm))
    month = SLOT + timedelta(days=30)  # 52 s by then, and the tolerance is 60 s
    pin = issuer.issue("door", month, month + 2 * HOUR, kind="once", one_time=True, now=NOW)
    assert door.enter(pin.code, month).opened
    pin = issuer.issue("door", month, month + 2 * HOUR, kind="once", one_time=True, now=NOW)
    assert door.enter(pin.code, month + 2 * HOUR - SECOND).opened


def test_the_wait_of_a_lockout_is_in_true_seconds_across_a_change_of_the_zone() -> None:
    """01:59:55 and 03:00:05 on the wall are ten seconds apart on the day on which the clocks go forward."""
    berlin = ZoneInfo("Europe/Berlin")
    first = datetime(2027, 3, 28, 1, 59, 55, tzinfo=berlin)
    issuer = Issuer(KEYS, VENDOR, allow_weak=True)
    door = Door(issuer.provision("door"), first)
    for guess in range(FREE + 1):
        door.enter(f"{guess:07d}", first)
    decision = door.enter("7777777", datetime(2027, 3, 28, 3, 0, 5, tzinfo=berlin))
    assert (decision.reason, decision.wait) == (Reason.THROTTLED, 20)


# --- provisioning and wear ----------------------------------------------------------------------------------------


def test_a_lock_goes_on_with_the_state_in_its_flash() -> None:
    house = House()
    once, stay = house.pin("once"), house.pin("stay")
    for code in (once.code, stay.code, "1111111"):
        house.door.enter(code, NOW)
    house.door.enter(house.issuer.rotate("door", now=NOW).code, NOW)
    twin = house.again(house.door.flash.copy())
    assert twin.state == house.door.state.after_power_cut()
    assert twin.token.export() == house.door.token.export()
    assert (twin.condition, twin.bolt_moves) == (Condition.SOUND, 0)


def test_a_lock_begins_in_the_generation_it_was_provisioned_with() -> None:
    issuer = Issuer(KEYS, VENDOR, allow_weak=True)
    door = Door(issuer.provision("door", generation=3), NOW)
    assert (door.state.generation, door.condition) == (3, Condition.EMPTY)
    assert door.token.check_value == DeviceToken(door.token.export(), 3).check_value
    assert door.enter(issuer.issue("door", SLOT, SLOT + 6 * HOUR, kind="stay", generation=3, now=NOW).code, NOW).opened


def test_a_flash_that_is_too_small_is_refused() -> None:
    issuer = Issuer(KEYS, VENDOR, allow_weak=True)
    with pytest.raises(StateError, match="needs two banks of at least"):
        Door(issuer.provision("door"), NOW, flash=Flash(128))


@pytest.mark.parametrize("name", ["igloo", "standard", "oracode"])
def test_the_flash_outlives_the_lock_at_a_hundred_entries_a_day(name: str) -> None:
    """A page of a usual part takes 10,000 erases."""
    issuer = Issuer(KEYS, name)
    zone = "UTC" if name == "oracode" else None
    door = Door(issuer.provision("door", time_zone=zone), NOW)
    start, end, level = (SLOT, SLOT - 4 * HOUR + timedelta(days=20), "Guest") if zone else (SLOT, SLOT + timedelta(days=20), None)
    pin = issuer.issue("door", start, end, level=level, time_zone=zone, now=NOW)
    before = door.flash.words
    for n in range(300):  # all of them openings, with three commits each
        assert door.enter(pin.code, NOW + n * HOUR).opened
    assert max(door.flash.wear) - min(door.flash.wear) <= 1
    per_entry = sum(door.flash.wear) / door.flash.pages / 300
    years = 10_000 / per_entry / 100 / 365
    assert 8 < years < 60
    assert 10 < (door.flash.words - before) / 300 < 60
