"""The conformance kit: what every product promises, as a class of tests that a plug-in author subclasses in three lines.
Each failure begins with the rule that is broken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import ClassVar, Final

import pytest

from offlinepin.engine.payload import most_windows
from offlinepin.engine.profile import DAY, Action, Family, Kind, Profile
from offlinepin.errors import ExhaustedError, OfflinepinError
from offlinepin.lock.decide import Reason
from offlinepin.lock.layout import Layout
from offlinepin.lock.state import State
from offlinepin.pin import AccessPin
from offlinepin.security import WORST_ODDS, profile_odds
from offlinepin.testing.bench import DEVICE, Bench, WrongLockError
from offlinepin.testing.profiles import ZONES
from offlinepin.vendor import ENTRY_POINT_GROUP, Vendor, discover, load, resolve

WINDOWS: Final = 3
_BEGIN: Final = datetime(2027, 1, 12, 9, tzinfo=UTC)  # a Tuesday, far from any change of clocks
_ACCESS: Final = (Action.UNLOCK, Action.PASSAGE)


@dataclass(frozen=True, slots=True)
class _Case:
    """A code of one kind and duration, on a bench of its own, and an instant at which it must open."""

    bench: Bench
    pin: AccessPin
    kind: Kind
    opens_at: int

    @property
    def name(self) -> str:
        return f"kind {self.pin.family}.{self.pin.kind}, {self.pin.duration} slots, zone {self.bench.clock.where or 'UTC'}"

    def enter_at(self, seconds: int) -> Reason | None:
        """Type the code when the lock's clock shows ``seconds``, or as soon as it can after that."""
        moment = self.bench.clock.first(seconds).astimezone(UTC)
        self.bench.pass_time(max(0, int((moment - self.bench.at).total_seconds())))
        return self.bench.enter(self.pin.code)


class VendorConformance:
    """Subclass it in a test module and say which vendor::

    class TestMine(VendorConformance):
        vendor = my_vendor()
    """

    vendor: ClassVar[Vendor]

    def __init_subclass__(cls) -> None:
        """A plug-in's name or a bare profile will do. ``VendorError`` for anything else."""
        if "vendor" in vars(cls):
            cls.vendor = resolve(vars(cls)["vendor"])

    def test_its_profile_is_valid_and_is_data(self) -> None:
        """The document that is written is the document that is read, with the same digest."""
        with _rule("a profile is a valid document"):
            again = Profile.parse(self.vendor.profile.json_text())
        if again != self.vendor.profile or again.digest != self.vendor.profile.digest:
            raise _broken("a profile is a valid document", "it changes when it is written and read again")

    def test_a_blind_guess_is_hopeless(self) -> None:
        """At most 1 in 1,000, for each family."""
        for found in profile_odds(self.vendor.profile):
            if found.odds > WORST_ODDS:
                raise _broken("a blind guess opens at most once in 1,000", f"family {found.family!r} opens once in {found.one_in:.0f}")

    def test_its_state_fits_into_a_lock(self) -> None:
        """256 bytes and 16 for each remembered code, the empty state and back."""
        rule = "a lock's state fits into 256 bytes and 16 more for each remembered code"
        with _rule(rule):
            layout = Layout(self.vendor.profile)
            empty = State()
            if layout.decode(layout.encode(empty)) != empty:
                raise _broken(rule, "an empty state does not come back from its bytes")
        limit = 256 + 16 * self.vendor.profile.lock.capacity
        if layout.size > limit:
            raise _broken(rule, f"it needs {layout.size} bytes, and {limit} are allowed")

    def test_an_entry_costs_a_lock_little(self) -> None:
        """At most three windows are deciphered for an entry, in each family of the product."""
        for family, _ in self._kinds():
            windows = most_windows(family, self._tolerance)
            if windows > WINDOWS:
                raise _broken(
                    f"an entry costs a lock at most {WINDOWS} windows",
                    f"family {family.name!r} can cost {windows}; a window of more slots would do, {family.window} are too few",
                )

    def test_its_keypad_can_type_its_codes(self) -> None:
        """Enter and clear are no keys of a code, and a code is not longer than an entry."""
        with _rule("a keypad can type every code"):
            self.vendor.keypad.check(self.vendor.profile)

    def test_a_code_opens_in_its_time(self) -> None:
        """Every kind, its shortest, middle and longest duration, in zones of every sort; not before its start."""
        rule = "a code opens in its time, and not before"
        for case in self._cases():
            times, tolerance = case.bench.rules.times(case.bench.grant(case.pin)), self._tolerance
            with _rule(rule, case.name):
                early = case.enter_at(times.starts - tolerance - 1)
                reason = case.enter_at(case.opens_at)
                again = case.bench.enter(case.pin.code)
            if early is Reason.OPENED:
                raise _broken(rule, f"{case.name}: it opened a second too early")
            if reason is not Reason.OPENED:
                raise _broken(rule, f"{case.name}: in its time the lock says {reason}")
            if again is not (Reason.USED if case.kind.uses else Reason.OPENED):
                raise _broken("a single-use code opens once, and another one again", f"{case.name}: the second time the lock says {again}")

    def test_a_code_is_refused_after_its_time(self) -> None:
        """Fresh ones are, and so are those that the lock remembers."""
        rule = "a code is refused after its time"
        for was_used in (False, True):
            for case in self._cases():
                times = case.bench.rules.times(case.bench.grant(case.pin))
                if times.ends is None and was_used:
                    continue
                last = times.ends + self._tolerance if times.ends is not None else times.use_by
                assert last is not None  # a code without an end has an activation rule
                with _rule(rule, case.name):
                    if was_used:
                        case.enter_at(case.opens_at)
                    reason = case.enter_at(last)
                if reason is Reason.OPENED:
                    raise _broken(rule, f"{case.name}: it opened after its end")

    def test_no_two_codes_are_alike(self) -> None:
        """Each variant is another code, and when all are handed out the answer is an error."""
        rule = "no two codes of a start and duration are alike"
        for case in self._cases(zones=1):
            codes = {case.pin.code}
            with _rule(rule, case.name):
                for _ in range(min(case.kind.variants, 16) - 1):
                    codes.add(self._again(case).code)
            if len(codes) < min(case.kind.variants, 16):
                raise _broken(rule, f"{case.name}: {min(case.kind.variants, 16)} variants gave {len(codes)} codes")
            if case.kind.variants <= 16:
                with pytest.raises(ExhaustedError):
                    self._again(case)

    def test_its_service_codes_work(self) -> None:
        """Revoke, clear and rotate kill what they should; set_clock brings a clock back. Where the profile has them."""
        rule = "service codes do what they say"
        actions = {kind.action for family in self.vendor.profile.families for kind in family.kinds}
        for action in sorted(actions - {*_ACCESS}):
            for case in self._cases(zones=1):
                with _rule(rule, f"{action}, {case.name}"):
                    self._serve(case, action)

    def test_rounding_keeps_its_limits(self) -> None:
        """A code's times differ from the times asked for by no more than the vendor's limit, and outward unless it says nearest."""
        for case in self._cases(zones=1):
            family = self.vendor.profile.families[self.vendor.profile.family_index(case.pin.family)]
            for seconds in (1, family.slot // 3, family.slot - 1):
                self._check_rounding(case, family, seconds)

    def test_its_errors_are_the_librarys(self) -> None:
        """Requests that make no sense get an error of the library with a code and words."""
        rule = "errors are OfflinepinErrors with a code and a message"
        issuer = _bench(self.vendor).issuer
        naive = _BEGIN.replace(tzinfo=None)
        for start, end in ((naive, None), (_BEGIN, _BEGIN), (_BEGIN, naive), (_BEGIN, datetime(2200, 1, 1, tzinfo=UTC))):
            try:
                issuer.issue(DEVICE, start, end, now=_BEGIN)
            except OfflinepinError as refusal:
                if not refusal.code or not str(refusal):
                    raise _broken(rule, f"{type(refusal).__name__} has no code or no message") from refusal
            except Exception as cause:
                raise _broken(rule, f"a request from {start} to {end} gives {cause!r}") from cause

    def test_it_is_found_by_its_name(self) -> None:
        """If it has an entry point."""
        if self.vendor.name in discover():
            rule = f"a vendor is what the entry point of its name in {ENTRY_POINT_GROUP} makes"
            with _rule(rule):
                found = load(self.vendor.name)
            if found.name != self.vendor.name:
                raise _broken(rule, f"{self.vendor.name!r} makes a vendor named {found.name!r}")

    @property
    def _tolerance(self) -> int:
        return self.vendor.profile.lock.tolerance

    def _kinds(self) -> Iterator[tuple[Family, Kind]]:
        for family in self.vendor.profile.families:
            for kind in family.kinds:
                if kind.action in _ACCESS:
                    yield family, kind

    def _cases(self, zones: int | None = None) -> Iterator[_Case]:
        """A code for each kind and its shortest, middle and longest duration, each on a new bench."""
        choices = ZONES if self.vendor.profile.clock == "civil" and self.vendor.time_zone is None else (self.vendor.time_zone,)
        for family, kind in self._kinds():
            durations = sorted({kind.duration_at(i) for i in (0, kind.duration_count // 2, kind.duration_count - 1)})
            for duration in durations:
                for name in choices[:zones]:
                    yield self._case(replace(self.vendor, time_zone=name), family, kind, duration)

    def _case(self, vendor: Vendor, family: Family, kind: Kind, duration: int) -> _Case:
        """The first code from the next slot on that can open at all, on its weekdays and in its hours."""
        rule = "every kind can be issued, and opens at some time"
        where = f"{family.name}.{kind.name} of {duration} slots"
        bench = _bench(vendor)
        first = (bench.time + self._tolerance + 1 - kind.opens) // family.slot + 1
        for start in range(first, first + max(1, 8 * DAY // family.slot) + 1):
            opens_at = _first_opening(family, kind, start, duration)
            if opens_at is None:
                continue
            with _rule(rule, where):
                pin = _issue(bench, family, kind, start, duration)
            bench.pins.append(pin)
            if (pin.start_slot, pin.duration) != (start, duration):
                raise _broken(rule, f"{where}: asked for its times from slot {start}, it gives {pin.duration} from {pin.start_slot}")
            return _Case(bench, pin, kind, opens_at)
        raise _broken(rule, f"{where} opens at no time of eight days")

    def _again(self, case: _Case) -> AccessPin:
        profile = self.vendor.profile
        family = profile.families[profile.family_index(case.pin.family)]
        return _issue(case.bench, family, case.kind, case.pin.start_slot, case.pin.duration)

    def _serve(self, case: _Case, action: Action) -> None:
        """One service code at a lock at which a code of this kind has opened."""
        bench = case.bench
        opened = case.enter_at(case.opens_at)
        assert opened is Reason.OPENED, f"the code itself gives {opened}"
        if action is Action.REVOKE:
            code = bench.issuer.revoke(case.pin)
        elif action is Action.CLEAR:
            bench.pass_time(2 * max(family.slot for family in self.vendor.profile.families) + DAY)
            code = bench.issuer.clear(DEVICE, now=bench.at)
        elif action is Action.ROTATE:
            code = bench.issuer.rotate(DEVICE, now=bench.at)
        else:
            bench.change_battery(keeps_clock=False)
            bench.pass_time(600)
            code = bench.issuer.set_clock(DEVICE, now=bench.at)
        accepted = bench.enter(code.code)
        assert accepted is Reason.OPENED, f"the {action} code gives {accepted}"
        if action is Action.SET_CLOCK:
            shown, true = bench.shown, bench.clock.reading(bench.at)
            assert shown is not None, "the clock is still lost"
            assert abs(shown - true) <= 300, f"the clock shows {shown} and it is {true}"
            return
        assert bench.lock.check_value == code.check_value, "the lock's check value is not the one announced"
        after = bench.enter(case.pin.code)
        assert after is not Reason.OPENED, f"after {action} the code still opens"

    def _check_rounding(self, case: _Case, family: Family, seconds: int) -> None:
        rule = "a code's times keep to the vendor's rounding"
        rounding = self.vendor.rounding_of(family)
        starts_at = case.pin.starts_at + timedelta(seconds=seconds)
        ends_at = None if case.pin.ends_at is None else case.pin.ends_at - timedelta(seconds=seconds)
        if ends_at is not None and ends_at <= starts_at:
            return
        try:
            pin = case.bench.issuer.issue(
                DEVICE, starts_at, ends_at, one_time=bool(case.kind.uses), kind=case.kind.name, level=family.name, now=case.bench.at
            )
        except OfflinepinError:
            return  # refused in time, with a reason; that is a vendor's right
        limit = rounding.limit(None)
        ends = [(pin.starts_at, starts_at, pin.starts_at <= starts_at)]
        if pin.ends_at is not None and ends_at is not None:
            ends.append((pin.ends_at, ends_at, pin.ends_at >= ends_at))
        for given, asked, is_outward in ends:
            if limit is not None and abs(given - asked) > limit:
                raise _broken(rule, f"{case.name}: {asked.isoformat()} became {given.isoformat()}, and the limit is {limit}")
            if not rounding.nearest and not is_outward:
                raise _broken(rule, f"{case.name}: {asked.isoformat()} became {given.isoformat()}, so that the guest loses time")


def _bench(vendor: Vendor) -> Bench:
    with _rule("a lock of the product can be provisioned and switched on"):
        return Bench(vendor, _BEGIN)


def _first_opening(family: Family, kind: Kind, start: int, duration: int) -> int | None:
    """The first quarter of an hour, within eight days, in which a fresh code can open."""
    starts = start * family.slot + kind.opens
    use_by = starts + kind.activation * family.slot
    must_be_early = duration == 0 or 0 < kind.activation < duration
    end = use_by if must_be_early else (start + duration) * family.slot + kind.closes
    quarters = range(-(-starts // 900) * 900, min(end, starts + 8 * DAY), 900)
    return next((t for t in chain((starts,), quarters) if t < end and kind.open_at(t)), None)


def _issue(bench: Bench, family: Family, kind: Kind, start: int, duration: int) -> AccessPin:
    """Ask for a code by its exact times."""
    starts_at = bench.clock.first(start * family.slot + kind.opens)
    ends_at = bench.clock.last((start + duration) * family.slot + kind.closes) if duration else None
    return bench.issuer.issue(
        DEVICE, starts_at, ends_at, one_time=bool(kind.uses), kind=kind.name, level=family.name, now=min(bench.at, starts_at)
    )


@contextmanager
def _rule(rule: str, where: str = "") -> Iterator[None]:
    """Whatever goes wrong inside breaks this rule."""
    try:
        yield
    except (OfflinepinError, WrongLockError, AssertionError) as cause:
        raise _broken(rule, f"{where}: {cause}" if where else str(cause)) from cause


def _broken(rule: str, what: str) -> BaseException:
    return pytest.fail.Exception(f"this rule is broken: {rule}. {what}", pytrace=False)
