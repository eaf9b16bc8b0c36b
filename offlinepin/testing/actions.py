"""What can happen to a lock, each drawn by a :class:`Chooser`: the rules that the state machine and the campaign share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from offlinepin.engine.profile import Action, Family, Kind
from offlinepin.errors import OfflinepinError
from offlinepin.lock.decide import Reason
from offlinepin.testing.bench import DEVICE, Bench
from offlinepin.testing.choosing import Chooser, chance, symbols

_HOUR: Final = 3600
_DAY: Final = 86_400
_LATEST: Final = 36  # of the latest codes, how many are typed again
LAST_YEAR: Final = 2200  # state images hold starts before 2242

STARTS: Final = tuple(
    datetime(*day, tzinfo=UTC) for day in ((2027, 6, 15, 9), (2027, 3, 27, 20), (2027, 10, 30, 20), (2027, 11, 6, 22), (2027, 4, 3, 10))
)
"""True moments at which a bench may begin: an ordinary day, and some before clocks change in one of the zones."""


def issue(bench: Bench, choose: Chooser) -> None:
    """Issue a code that starts near the lock's time or the true time."""
    family, kind = choose.pick(_kinds(bench))
    now = bench.clock.reading(bench.at) if chance(choose, 4) else bench.time
    start = (now - kind.opens) // family.slot + choose.pick((0, 0, 0, -1, 1, -2, 3))
    duration = kind.duration_at(choose.integer(0, kind.duration_count - 1))
    if not _issue(bench, family, kind, start, duration) and bench.pins and chance(choose, 2):
        _type(bench, choose, bench.pins[-1].code)


def _kinds(bench: Bench) -> list[tuple[Family, Kind]]:
    return [(f, k) for f in bench.profile.families for k in f.kinds if k.action in (Action.UNLOCK, Action.PASSAGE)]


def _issue(bench: Bench, family: Family, kind: Kind, start: int, duration: int) -> bool:
    """Ask the issuer for a code. Whether it refused."""
    bench.note(f"issue {family.name}.{kind.name}, start {start}, duration {duration}")
    try:
        starts_at = bench.clock.first(start * family.slot + kind.opens)
        ends_at = bench.clock.last((start + duration) * family.slot + kind.closes) if duration else None
        pin = bench.issuer.issue(
            DEVICE, starts_at, ends_at, one_time=bool(kind.uses), kind=kind.name, level=family.name, now=min(bench.at, starts_at)
        )
    except OfflinepinError as refusal:
        bench.log[-1] += f": {refusal.code}"
        return True
    bench.pins.append(pin)
    bench.log[-1] += f": {pin.code}"
    return False


def type_code(bench: Bench, choose: Chooser) -> None:
    """Type one of the latest codes, perhaps after other keys, which count with masking and are nothing without it."""
    if bench.pins:
        _type(bench, choose, choose.pick(bench.pins[-_LATEST:]).code)


def type_at_a_limit(bench: Bench, choose: Chooser) -> None:
    """Wait for the first or the last second at which a code can open, or the second before or after, and type it then."""
    if chance(choose, 2):
        issue(bench, choose)
    if not bench.pins:
        return
    pin = choose.pick(bench.pins[-1 - choose.integer(0, min(5, len(bench.pins) - 1)) :])
    times, tolerance = bench.rules.times(bench.grant(pin)), bench.profile.lock.tolerance
    limits = [times.starts - tolerance]
    limits += [times.use_by] if times.use_by is not None else []
    limits += [times.ends + tolerance] if times.ends is not None else []
    limits += [k.ends + tolerance for world in bench.worlds for k in world.known if k.text == pin.code and k.ends is not None]
    limit = choose.pick(sorted(limits)) + choose.pick((0, -1, 1))
    if 0 < limit - bench.time < 40 * _DAY:
        bench.pass_time(limit - bench.time)
    bench.enter(pin.code)


def _type(bench: Bench, choose: Chooser, code: str) -> None:
    """Type a code as people do: sometimes with masking keys before it, sometimes after a false start."""
    keys = bench.profile.alphabet
    if chance(choose, 5):
        code = symbols(choose, keys, choose.integer(1, 4)) + code
    before = symbols(choose, keys, choose.integer(1, 5)) if chance(choose, 8) else ""
    if bench.wait and not chance(choose, 6):
        _wait_for_lockout(bench, choose)
    if bench.enter(code, before) is Reason.THROTTLED and not chance(choose, 4):
        bench.pass_time(bench.wait)
        bench.enter(code)


def _wait_for_lockout(bench: Bench, choose: Chooser) -> None:
    """Wait until the lock takes entries again, or to the second before."""
    if bench.wait:
        bench.pass_time(bench.wait - int(chance(choose, 4)))


def guess(bench: Bench, choose: Chooser) -> None:
    """Type a text of a family's form, a code with one wrong key, or something that is no code."""
    if not chance(choose, 3):
        _wait_for_lockout(bench, choose)
    family = choose.pick(bench.profile.families)
    alphabet = bench.profile.alphabet
    way = choose.integer(0, 3)
    if way == 0 and bench.pins:
        code = choose.pick(bench.pins[-_LATEST:]).code
        at = choose.integer(0, len(code) - 1)
        text = code[:at] + choose.pick(alphabet) + code[at + 1 :]
    elif way == 1:
        text = symbols(choose, alphabet, choose.integer(1, bench.keypad.max_keys + 1))
    else:
        text = family.prefix + symbols(choose, alphabet, family.length)
    bench.enter(text)


def follow(bench: Bench, choose: Chooser) -> None:
    """After a code that opened: a passage command or a personal code; at other times these are wrong entries."""
    if not bench.keypad.personal and not bench.keypad.passage:
        return
    opened = [text for text in bench.typed[-3:] if any(world.personal and world.personal.text == text for world in bench.worlds)]
    bench.enter(choose.pick((*opened, "2", "3", symbols(choose, bench.profile.alphabet, 6))))


def repeat(bench: Bench, choose: Chooser) -> None:
    """Type what was typed a moment ago."""
    if bench.typed:
        bench.enter(bench.typed[-choose.integer(1, min(3, len(bench.typed)))])


def begin(bench: Bench, choose: Chooser) -> None:
    """Leave an entry unfinished; the keypad must forget it."""
    bench.begin(symbols(choose, bench.profile.alphabet, choose.integer(1, 4)))


def wait(bench: Bench, choose: Chooser) -> None:
    """Let seconds to weeks go by, or a lockout."""
    if bench.at.year >= LAST_YEAR:
        return
    if bench.wait and not chance(choose, 4):
        _wait_for_lockout(bench, choose)
        return
    unit = choose.pick((1, 60, _HOUR, _HOUR, bench.profile.lock.lockout.leak, _DAY, 7 * _DAY))
    bench.pass_time(unit * choose.integer(1, 4) - choose.integer(0, 1))


def disturb_clock(bench: Bench, choose: Chooser) -> None:
    """A temperature step, a hand that sets the clock, or a visit that sets it right."""
    way = choose.integer(0, 3)
    if way <= 1:
        bench.set_clock_right()
    elif way == 2:
        bench.drift_clock(choose.integer(-200, 200))
    elif bench.at.year < LAST_YEAR:
        unit = choose.pick((60, 600, _HOUR, _DAY, 30 * _DAY))
        bench.shift_clock(unit * choose.pick((1, -1, 3, -3)))


def change_battery(bench: Bench, choose: Chooser) -> None:
    """New batteries; the clock is lost now and then."""
    bench.change_battery(not chance(choose, 2))


def cut_now(bench: Bench, choose: Chooser) -> None:
    """The power goes between two entries, and now and then once more while the lock comes up."""
    bench.cut_power(choose.integer(0, 3) if chance(choose, 3) else None)


def cut_later(bench: Bench, choose: Chooser) -> None:
    """The power goes at a write to come, wherever that is; then something is typed."""
    bench.arm(choose.integer(0, choose.pick((12, 30, 80))))
    type_code(bench, choose)


def lose_a_write(bench: Bench, choose: Chooser) -> None:
    """One write to come is lost without a word."""
    bench.arm(choose.integer(0, 30), silently=True)
    type_code(bench, choose)


def replay(bench: Bench, choose: Chooser) -> None:
    """Issue a code for now and type it; let something happen that may make a lock forget; and type it again."""
    bench.pass_time(bench.wait)
    family, kind = choose.pick(_kinds(bench))
    start = (bench.time - kind.opens) // family.slot
    if _issue(bench, family, kind, start, kind.duration_at(choose.integer(0, kind.duration_count - 1))):
        return
    code = bench.pins[-1].code
    bench.enter(code)
    choose.pick((service, service, cut_now, cut_later, disturb_clock, wait, lose_a_write))(bench, choose)
    bench.pass_time(bench.wait)
    bench.enter(code)


def sweep(bench: Bench, choose: Chooser) -> None:
    """Issue a code and type it with the power cut at each write in turn, on twins of the lock; then type it."""
    bench.pass_time(bench.wait)
    if chance(choose, 3):
        code = _service_code(bench, choose)
    else:
        family, kind = choose.pick(_kinds(bench))
        start, duration = (bench.time - kind.opens) // family.slot, kind.duration_at(choose.integer(0, kind.duration_count - 1))
        code = None if _issue(bench, family, kind, start, duration) else bench.pins[-1].code
    if code is not None:
        bench.sweep(code, closely=100, stride=choose.integer(5, 11))
        bench.enter(code)
        bench.confirm()


def crowd(bench: Bench, choose: Chooser) -> None:
    """Fill the lock: many codes are issued, some of them used, and all revoked; then a clear code ends them, or a newer one is typed."""
    if not any(kind.action is Action.REVOKE for family in bench.profile.families for kind in family.kinds):
        return
    for _ in range(choose.integer(1, 12)):
        family, kind = choose.pick(_kinds(bench))
        start = (bench.time - kind.opens) // family.slot + choose.integer(0, 1)
        if not _issue(bench, family, kind, start, kind.duration_at(choose.integer(0, kind.duration_count - 1))):
            if chance(choose, 2):
                bench.pass_time(bench.wait)
                bench.enter(bench.pins[-1].code)
            _enter_service(bench, bench.issuer.revoke(bench.pins[-1]).code)
    bench.pass_time(bench.wait + 2 * max(family.slot for family in bench.profile.families))
    _enter_service(bench, bench.issuer.clear(DEVICE, now=bench.clock.first(bench.time)).code)
    replay(bench, choose)


def service(bench: Bench, choose: Chooser) -> None:
    """Issue a service code and type it, or type an old one."""
    if bench.services and chance(choose, 4):
        _enter_service(bench, choose.pick(bench.services[-6:]).code)
        return
    code = _service_code(bench, choose)
    if code is not None and not chance(choose, 6):
        _enter_service(bench, code)


def _service_code(bench: Bench, choose: Chooser) -> str | None:
    """Issue a service code; ``None`` if the product has none."""
    action = choose.pick((Action.REVOKE, Action.CLEAR, Action.SET_CLOCK, Action.ROTATE, Action.REVOKE, Action.CLEAR))
    now = bench.at if chance(choose, 3) else bench.clock.first(bench.time)
    try:
        if action is Action.REVOKE:
            if not bench.pins:
                return None
            code = bench.issuer.revoke(choose.pick(bench.pins[-12:]))
        elif action is Action.CLEAR:
            code = bench.issuer.clear(DEVICE, now=now)
        elif action is Action.SET_CLOCK:
            code = bench.issuer.set_clock(DEVICE, now=bench.at + timedelta(seconds=choose.pick((0, 0, 0, 300, -300))))
        else:
            code = bench.issuer.rotate(DEVICE, now=now)
    except OfflinepinError as refusal:
        bench.note(f"no {action} code: {refusal.code}")
        return None
    bench.note(f"issue {action}: {code.code}")
    bench.services.append(code)
    return code.code


def _enter_service(bench: Bench, code: str) -> None:
    """Type a service code when the lock takes entries, and tell the issuer what the lock shows then."""
    bench.pass_time(bench.wait)
    bench.enter(code)
    bench.confirm()


ActionRule = Callable[[Bench, Chooser], None]

WEIGHTS: Final[dict[ActionRule, int]] = {
    issue: 22,
    type_code: 28,
    type_at_a_limit: 10,
    replay: 8,
    guess: 4,
    follow: 2,
    repeat: 8,
    begin: 1,
    wait: 12,
    disturb_clock: 4,
    change_battery: 1,
    cut_now: 4,
    cut_later: 12,
    lose_a_write: 1,
    service: 7,
    crowd: 1,
}
"""Every rule and how often a campaign applies it; sweeps are counted apart."""
