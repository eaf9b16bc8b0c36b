"""The words that a lock on the terminal obeys, and how it says what came of them. Nothing here reads or prints."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from offlinepin.cli.options import moment
from offlinepin.cli.show import when
from offlinepin.engine.clock import EPOCH, length_in_words
from offlinepin.engine.payload import Grant, is_time_bound, life
from offlinepin.engine.profile import Action
from offlinepin.errors import RequestError
from offlinepin.lock.anydoor import AnyDoor
from offlinepin.lock.decide import Decision, Reason
from offlinepin.lock.journal import Condition
from offlinepin.lock.session import Outcome, Session, wear_of_an_opening

COMMENT: Final = ";"
ENDURANCE: Final = 10_000  # erases that a page of a controller's own flash is good for
_OPENINGS: Final = 20  # a day
_SHOWN: Final = 12  # characters
_UNITS: Final = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LENGTH: Final = re.compile(r"(?:[0-9]{1,9} ?(?:s|min|h|d|w) ?)+", re.ASCII)
_FOUND: Final = {
    Condition.EMPTY: "new",
    Condition.SOUND: "sound",
    Condition.DAMAGED: "damaged: what was committed last may be missing, so every code that had begun is dead",
}


@dataclass(frozen=True, slots=True)
class Said:
    """One line that the lock says, and its tone, by which a terminal colours it."""

    text: str
    tone: str = ""


def obey(session: Session, line: str) -> list[Said] | None:
    """Do what a line says. What the lock says to it; ``None`` for the word that ends the session.

    Raises:
        OfflinepinError: the line makes no sense; nothing was done.
    """
    line = line.strip()
    name, _, rest = line.partition(" ")
    if not line or line.startswith(COMMENT):
        return []
    if name == "quit" and not rest:
        return None
    if name in WORDS:
        return list(WORDS[name].run(session, rest.strip()))
    return list(_keys(session, line))


# --- words --------------------------------------------------------------------------------------------------------


def _keys(session: Session, line: str) -> Iterator[Said]:
    keys = session.keys
    gaps = "".join(c for c in " -" if c not in keys)
    typed = re.sub(f"(?<=[^{gaps}])[{gaps}](?=[^{gaps}])", "", line) if gaps else line
    if not typed or typed[0] not in keys:
        shown = line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"  # a line of a wrong file may be a key
        raise RequestError(f"{shown!r} is neither keys ({keys}) nor a word; the words are {', '.join(WORDS)}")
    outcomes = session.press(typed)
    for outcome in outcomes:
        yield _outcome(session, outcome)
    if session.door is None:
        yield _dead(session)
    elif not outcomes and not typed.endswith(session.provisioning.keypad.clear):
        yield Said(f"typing   {session.provisioning.keypad.enter} ends the entry")


def _wait(session: Session, rest: str) -> Iterator[Said]:
    session.wait(_length(rest, "wait 3h"))
    yield _time(session)


def _at(session: Session, rest: str) -> Iterator[Said]:
    session.move_to(moment(rest, "at", session.provisioning.time_zone))
    yield _time(session)


def _clock(session: Session, rest: str) -> Iterator[Said]:
    if rest == "lose":
        session.clock.lose()
    elif rest == "set":
        session.clock.correct(session.at)
    elif rest[:1] in ("+", "-"):
        session.shift_clock((1 if rest[0] == "+" else -1) * _length(rest[1:], "clock +10min"))
    else:
        raise RequestError(f"clock {rest!r} is unknown; write clock +10min, clock -1h, clock lose, or clock set")
    yield _time(session)


def _drift(session: Session, rest: str) -> Iterator[Said]:
    if not re.fullmatch(r"[+-]?[0-9]{1,9}(\.[0-9]{1,9})?", rest):
        raise RequestError(f"drift {rest!r} is no number of ppm; write drift 40, or drift -3.5")
    session.drift(float(rest))
    yield Said(f"clock    runs {_ppm(session)}")


def _cut(session: Session, rest: str) -> Iterator[Said]:
    if not rest:
        session.power_up()
        yield from _powered(session, "off and on")
        return
    found = re.fullmatch(r"after ([0-9]{1,9})", rest)
    if found is None:
        raise RequestError(f"cut {rest!r} is unknown; write cut, or cut after 3")
    session.flash.cut_after = int(found[1])
    yield Said(f"power    goes after {int(found[1])} more flash writes", "power")


def _battery(session: Session, rest: str) -> Iterator[Said]:
    _nothing("battery", rest)
    session.change_battery()
    yield from _powered(session, "off for the change, and on")
    yield _time(session)


def _rot(session: Session, rest: str) -> Iterator[Said]:
    found = re.fullmatch(r"(0x[0-9a-fA-F]{1,8}|[0-9]{1,9}) ([0-9]{1,9})", rest)
    if found is None:
        raise RequestError(f"rot {rest!r} is unknown; write rot ADDRESS BIT, as in rot 0x40 7")
    address, bit = int(found[1], 0 if found[1].startswith("0x") else 10), int(found[2])
    session.rot(address, bit)
    yield Said(f"flash    bit {bit} of address 0x{address:04x} is flipped")


def _audit(session: Session, rest: str) -> Iterator[Said]:
    _nothing("audit", rest)
    for line in session.audit_lines().splitlines():
        yield Said(line)


def _wear(session: Session, rest: str) -> Iterator[Said]:
    if rest and not re.fullmatch("[0-9]{1,6}", rest):
        raise RequestError(f"wear {rest!r} is unknown; write wear, or wear 50 for 50 openings a day")
    daily = int(rest or _OPENINGS)
    flash = session.flash
    yield Said(
        f"flash    {flash.pages} pages of {flash.page_size} bytes, {flash.words} words written, erases {', '.join(map(str, flash.wear))}"
    )
    if session.door is None or not daily:
        return
    words, erases = wear_of_an_opening(session.door)
    years = max(0, ENDURANCE - max(flash.wear)) * flash.pages / erases / daily / 365.25
    yield Said(f"opening  {words:.1f} words, {erases:.3f} erases on average")
    yield Said(f"lasts    {years:,.0f} years at {daily} openings a day, if a page is good for {ENDURANCE:,} erases")


def _help(_: Session, rest: str) -> Iterator[Said]:
    _nothing("help", rest)
    width = max(len(word.usage) for word in WORDS.values())
    yield Said(f"{'123456789#'.ljust(width)}  keys, as they are typed; single spaces and hyphens between groups are no keys")
    for word in WORDS.values():
        yield Said(f"{word.usage.ljust(width)}  {word.help}")
    yield Said(f"{f'{COMMENT} …'.ljust(width)}  a comment")


def _show(session: Session, rest: str) -> Iterator[Said]:
    _nothing("show", rest)
    yield from about(session)
    if session.door is None:
        return
    door, locked = session.door, session.locked_for()
    state = door.state.forget(door.profile, door.state.floor)
    on = length_in_words(door.uptime(session.at))
    yield Said(f"power    on for {on}; the bolt has moved {_times(session.bolt_moves)}")
    if session.flash.cut_after is not None:
        yield Said(f"power    goes after {session.flash.cut_after} more flash writes", "power")
    yield Said(f"failures {state.failures}{f', locked for {length_in_words(locked)}' if locked else ''}")
    yield Said(f"floor    {_shown(session, state.floor) if state.floor else 'no code has opened yet'}")
    yield Said(f"codes    {len(state.remembered)} of {door.profile.lock.capacity} remembered")
    for held in state.remembered:
        yield Said(f"         {_name(door, held.grant)}, {_until(session, held.ends)}{', revoked' if held.grant in state.revoked else ''}")
    yield Said(f"marks    {len(state.marks)} of {door.layout.marks}")
    for grant in sorted(state.marks):
        yield Said(f"         {_grant(session, door, grant)}")
    yield Said(f"revoked  {len(state.revoked)}")
    for grant in sorted(state.revoked):
        yield Said(f"         {_grant(session, door, grant)}")
    if state.cleared:
        yield Said(f"cleared  codes that start before {_shown(session, state.cleared)}")
    for group, starts, variant in state.supersede:
        yield Said(f"newest   of {group}: from {_shown(session, starts)}, variant {variant}")
    if state.personal is not None:
        yield Said(f"personal {_name(door, state.personal.grant)}, {_until(session, state.personal.ends)}")
    yield Said(f"passage  {'on' if state.passage else 'off'}")


def _nothing(word: str, rest: str) -> None:
    if rest:
        raise RequestError(f"{word} takes nothing more, not {rest!r}")


def _length(text: str, example: str) -> int:
    """A length of time in seconds."""
    if not _LENGTH.fullmatch(text):
        raise RequestError(f"{text!r} is no length of time; write {example}, with the units {', '.join(_UNITS)}, together as in 1h 30min")
    return sum(int(count) * _UNITS[unit] for count, unit in re.findall(r"([0-9]+) ?([a-z]+)", text))


@dataclass(frozen=True, slots=True)
class Word:
    """A word: how it is written, what it does in a line, and what it does."""

    usage: str
    help: str
    run: Callable[[Session, str], Iterator[Said]]


def _quit(_: Session, rest: str) -> Iterator[Said]:
    _nothing("quit", rest)
    yield from ()


WORDS: Final = {
    word.usage.split()[0]: word
    for word in (
        Word("wait 3h", "time passes; units s, min, h, d, w", _wait),
        Word("at 2027-07-01T15:00+02:00", "time passes until then", _at),
        Word("clock +10min | -1h | lose | set", "move the lock's clock, lose it, or set it right on a visit", _clock),
        Word("drift 40", "from now on the clock runs so many ppm fast", _drift),
        Word("cut | cut after 3", "the power goes and comes back; now, or in an entry to come after so many flash writes", _cut),
        Word("battery", "a battery change: power, clock and log are lost", _battery),
        Word("rot 0x40 7", "bit 7 of the flash's byte at 0x40 flips, as age does it; seen when the power comes next", _rot),
        Word("show", "the lock's state in words", _show),
        Word("audit", "the lock's log as JSON lines", _audit),
        Word("wear 20", "what the flash has borne, and the years that it lasts at so many openings a day", _wear),
        Word("keys 123#", "type keys that could be taken for a word or a comment", _keys),
        Word("help", "this list", _help),
        Word("quit", "leave; so does the end of input", _quit),
    )
}


# --- what the lock says -------------------------------------------------------------------------------------------


def about(session: Session) -> list[Said]:
    """Who the lock is, how it found its flash, and what time it is."""
    made, door = session.provisioning, session.door
    pad = made.keypad
    token = made.token if door is None else door.token
    who = f"{made.device_id}, {made.profile.name}, generation {token.generation}, check value {token.check_value}"
    lines = [Said(f"lock     {who}"), Said(f"keypad   {pad.enter} enters, {pad.clear} clears")]
    lines.append(_dead(session) if door is None else Said(f"state    {_FOUND[door.condition]}"))
    return [*lines, _time(session)]


def _outcome(session: Session, outcome: Outcome) -> Said:
    decision, door = outcome.decision, session.door
    bolt = "the bolt moves" if outcome.moved else "the bolt stays"
    if decision is None:
        return Said(
            f"power    gone at a flash write, and back; {'the bolt had moved' if outcome.moved else 'the bolt had not moved'}", "power"
        )
    assert door is not None  # it has just decided
    if outcome.follow_up:
        return Said(f"followed {outcome.follow_up}", "followed")
    word = str(decision.reason).ljust(8)
    if decision.reason is Reason.THROTTLED:
        return Said(f"{word} wait {length_in_words(decision.wait)}; {bolt}", "refused")
    grant = "" if decision.grant is None else f" {_grant(session, door, decision.grant)};"
    if decision.opened:
        return Said(f"{word}{grant} {_effect(session, door, decision)}", "opened")
    return Said(f"{word}{grant} {bolt}", "refused")


def _effect(session: Session, door: AnyDoor, decision: Decision) -> str:
    """What an accepted code does to the lock."""
    match decision.action:
        case Action.PASSAGE:
            return f"the bolt moves, passage is {'on' if door.state.passage else 'off'}"
        case Action.CLEAR:
            return f"codes that start before {_shown(session, door.state.cleared)} are dead"
        case Action.REVOKE:
            return "that code is dead"
        case Action.ROTATE:
            return f"generation {door.token.generation}, check value {door.token.check_value}"
        case Action.SET_CLOCK:
            return f"the clock shows {_shown(session, door.state.floor)}"
        case _:
            return "the bolt moves"


def _grant(session: Session, door: AnyDoor, grant: Grant) -> str:
    _, kind = grant.of(door.profile)
    if not is_time_bound(kind.action):
        return _name(door, grant)
    held = life(door.profile, grant)
    return f"{_name(door, grant)}, from {_shown(session, held.starts)} {_until(session, held.ends)}"


def _name(door: AnyDoor, grant: Grant) -> str:
    family, kind = grant.of(door.profile)
    return f"{family.name}/{kind.name}{f', variant {grant.variant}' if kind.variants > 1 else ''}"


def _until(session: Session, ends: int | None) -> str:
    return "without an end" if ends is None else f"until {_both(session, session.provisioning.clock.last(ends))}"


def _shown(session: Session, seconds: int) -> str:
    """The moment at which the lock's clock shows so many seconds, if it is right."""
    return _both(session, session.provisioning.clock.first(seconds))


def _both(session: Session, moment: datetime) -> str:
    """A moment in the lock's zone, and for a civil clock in UTC as well."""
    where = session.provisioning.clock.where
    utc = when(moment.astimezone(UTC).replace(microsecond=0)).replace("+00:00", "Z")
    local = when(moment.astimezone(where or UTC).replace(microsecond=0)).replace("+00:00", "Z")
    return f"{local} ({utc})" if session.provisioning.clock.mode == "civil" else local


def _time(session: Session) -> Said:
    """The true time, and how far off the lock's clock is."""
    at = session.at
    reading = session.clock.reading(at)
    if reading is None:
        clock = "the clock is lost"
    else:
        off = reading - session.provisioning.clock.reading(at)
        shows = (EPOCH + timedelta(seconds=reading)).replace(tzinfo=None).isoformat()
        shows += "Z" if session.provisioning.clock.mode == "utc" else ""
        way = "ahead" if off > 0 else "behind"
        clock = f"the clock shows {shows}, {length_in_words(abs(off))} {way}" if off else "the clock is right"
    return Said(f"time     {_both(session, at)}, {clock}")


def _powered(session: Session, how: str) -> Iterator[Said]:
    yield Said(f"power    {how}", "power")
    if session.door is None:
        yield _dead(session)
    elif session.door.condition is not Condition.SOUND:
        yield Said(f"state    {_FOUND[session.door.condition]}")


def _dead(session: Session) -> Said:
    return Said(f"dead     {session.trouble}", "dead")


def _ppm(session: Session) -> str:
    ppm = session.clock.setting.drift_ppm
    return f"{abs(ppm):g} ppm {'fast' if ppm >= 0 else 'slow'}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
