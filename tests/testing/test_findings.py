"""What the campaign once found in the simulated lock, each as the shortest session that shows it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from offlinepin import AccessPin, Reason
from offlinepin.testing.bench import DEVICE, Bench
from offlinepin.vendor import load

AT = datetime(2027, 6, 15, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = 86_400


def _bench() -> Bench:
    return Bench(load("standard"), AT)


def _issue(bench: Bench, hours: int, *, one_time: bool = False) -> AccessPin:
    pin = bench.issuer.issue(DEVICE, bench.at, bench.at + hours * HOUR, one_time=one_time, now=bench.at)
    bench.pins.append(pin)
    return pin


def test_a_revocation_under_a_clock_that_runs_wild_forgets_nothing() -> None:
    bench = _bench()
    once, other, stay = _issue(bench, 12, one_time=True), _issue(bench, 12), _issue(bench, 240)
    assert bench.enter(once.code) == bench.enter(stay.code) == "opened"
    bench.shift_clock(30 * DAY)
    assert bench.enter(bench.issuer.revoke(other).code) == "opened"
    bench.set_clock_right()
    assert bench.enter(once.code) == "used"
    bench.pass_time(2 * DAY)
    assert bench.enter(stay.code) == "opened"


def test_a_revoke_code_takes_no_place_among_the_remembered() -> None:
    standard = load("standard")
    policy = standard.profile.lock.model_copy(update={"capacity": 1})
    bench = Bench(replace(standard, profile=standard.profile.model_copy(update={"lock": policy})), AT)
    first, second = _issue(bench, 72), _issue(bench, 72)
    assert bench.enter(first.code) == "opened"
    assert bench.enter(second.code) == "full"
    assert bench.enter(bench.issuer.revoke(second).code) == "opened"
    assert bench.enter(second.code) == "revoked"


def test_a_change_of_temperature_does_not_bring_a_lost_clock_back() -> None:
    bench = _bench()
    bench.change_battery(keeps_clock=False)
    bench.drift_clock(20)
    assert bench.shown is None
    assert bench.enter(_issue(bench, 1).code) == "clock_lost"


def test_revocations_of_codes_that_a_clear_code_frees_from_memory_never_overfill_the_state() -> None:
    bench = _bench()
    held = [_issue(bench, hours) for hours in (48, 48, 72)]
    assert {bench.enter(pin.code) for pin in held} == {Reason.OPENED}
    loose = [_issue(bench, 1 + i // 2) for i in range(8)]
    for pin in (*held, *loose):
        assert bench.enter(bench.issuer.revoke(pin).code) == "opened"
    bench.pass_time(3600)
    assert bench.enter(bench.issuer.clear(DEVICE, now=bench.at).code) == "opened"
    assert {bench.enter(pin.code) for pin in held} == {Reason.REVOKED}
    assert bench.enter(_issue(bench, 1).code) == "opened"


def test_a_code_that_lingered_and_ended_does_not_open_anew() -> None:
    bench = Bench(load("firstuse"), AT)
    family = bench.profile.families[0]
    kind = next(kind for kind in family.kinds if kind.linger)
    starts = bench.clock.first(bench.time // family.slot * family.slot + kind.opens)
    duration = kind.duration_at(kind.duration_count - 1)
    ends = starts + timedelta(seconds=duration * family.slot) if duration else None
    pin = bench.issuer.issue(DEVICE, starts, ends, kind=kind.name, level=family.name, now=AT)
    assert bench.enter(pin.code) == "opened"
    bench.pass_time(kind.linger + bench.profile.lock.tolerance)
    assert bench.enter(pin.code) == "expired"
    other = bench.issuer.issue(DEVICE, starts, ends, kind=kind.name, level=family.name, now=AT)
    assert bench.enter(other.code) == "opened"
    assert bench.enter(pin.code) == "expired"
