"""The report as sections of sentences and tables, words that a hotel owner understands first, numbers after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from offlinepin.engine.profile import Lockout
from offlinepin.report.figures import about, brief, chance, count, duration, listed, one_in
from offlinepin.report.model import FamilyReport, Report
from offlinepin.security import WORST_ODDS

_FEW: Final = 0.02  # a chance that can be borne
_HARM: Final = {
    "unlock": "opens the door",
    "passage": "leaves the door unlocked",
    "revoke": "kills the one code it names, which is hardly ever one that somebody holds",
    "clear": "kills every code that began before",
    "rotate": "changes the lock's secret: all codes are dead until the backend follows",
    "set_clock": "sets the clock ahead, and with it ends what should still hold",
}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a head. All columns but the first are numbers, unless ``prose`` says that the last is words."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    prose: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, sentences, and a table or none."""

    title: str
    paragraphs: tuple[str, ...]
    table: Table | None = None


def sections(report: Report) -> list[Section]:
    """The whole report."""
    made = [Section("In words", tuple(_summary(report)))]
    if report.families:
        made += [_odds(report), _kinds(report), _tolerance(report)]
    made += [_lockout(report), _keypad(report)]
    if report.easiest is not None:
        made += [_lengths(report, report.easiest), _needed(report), _lockouts(report)]
    if report.services:
        made.append(_services(report))
    made.append(Section("What these numbers leave out", tuple(_limits(report))))
    return made


def heading(report: Report) -> str:
    """The report's title."""
    what_if = f", if codes had {report.length} sealed symbols" if report.length is not None else ""
    return f"How safe is {report.name}?{what_if}"


def _summary(report: Report) -> Iterator[str]:
    worst = report.easiest
    if worst is None:
        yield "No code of this profile opens the door."
        return
    level = f" of {worst.family!r}, the family that is the easiest to guess," if len(report.families) > 1 else ""
    weak = " That is too weak for use: at least 1 in 1,000 is required." if worst.odds > WORST_ODDS else ""
    yield (
        f"Someone who knows no code and types one{level} at random has a chance of {one_in(report.entry.opens)} to get in. "
        f"At the worst moment about {about(worst.live)} codes would open the door, out of {about(worst.codes)} that can be typed. "
        f"Nothing else decides how hard guessing is: no cipher can make it harder.{weak}"
    )
    yield _patience(report)
    day, month, year = report.entry.chances
    yield (
        f"So someone who does nothing else gets in with a chance of at most {chance(day)} in a day, {chance(month)} in a month "
        f"and {chance(year)} in a year. For comparison: three tries at a four-digit bank PIN have 1 in 3,333."
    )
    yield _verdict(report, worst)
    yield from report.notes


def _patience(report: Report) -> str:
    day, _, year = report.spans
    if day.guesses is None:
        return "The lock never makes anyone wait after a wrong entry; the numbers reckon with one entry a second, day and night."
    return (
        f"The lock slows wrong entries down: it takes at most {count(day.guesses)} in a day and {count(year.guesses)} in a year from "
        "someone who stands at the door day and night. Cutting its power does not make that more."
    )


def _verdict(report: Report, worst: FamilyReport) -> str:
    more = worst.needed_per_year - worst.length
    goal = one_in(report.target_per_year)
    if more <= 0:
        return f"That is strong: even a year at the door succeeds with less than {goal}."
    symbols = f"{worst.needed_per_year} sealed symbols instead of {worst.length}"
    day, _, year = report.entry.chances
    if year <= _FEW:
        return f"That is good for a door that people pass: nobody stands there for months unseen. For {goal} in a year it takes {symbols}."
    verdict = (
        "That holds off someone who tries for an evening, not someone who comes back for months."
        if day <= _FEW
        else "That does not hold off even someone who tries for a day."
    )
    return f"{verdict} For {goal} in a year it takes {symbols}, or fewer durations and variants, or a lockout that waits longer."


def _odds(report: Report) -> Section:
    rows = tuple(
        (
            f.family + (f" ({f.prefix}…)" if f.prefix else ""),
            count(f.live),
            count(f.remembered),
            brief(f.odds),
            *map(brief, f.chances),
        )
        for f in report.families
    )
    return Section(
        "The odds of codes that open",
        (
            "Live: codes never typed so far that the lock would accept at the worst instant. Memory: codes already used that may still "
            "hold past their use-by time, at most as many as the lock can remember. A guess opens with (live + memory) / all codes of that "
            "length. Day, month, year: the chance that the door opens if every entry is a guess at that family.",
        ),
        Table(("Family", "Live", "Memory", "A guess", "Day", "Month", "Year"), rows),
    )


def _kinds(report: Report) -> Section:
    rows = tuple((f"{f.family}: {k.kind}", count(k.live), _share(k.live, f.live)) for f in report.families for k in f.kinds)
    return Section("Live codes by kind", ("At that same instant.",), Table(("Kind", "Live codes", "Share"), rows))


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def _tolerance(report: Report) -> Section:
    tolerances = [t.tolerance for t in report.families[0].tolerances]
    head = ("Family", *(duration(t) + (" (now)" if t == report.tolerance else "") for t in tolerances))
    return Section(
        "Clock tolerance",
        (
            "A lock whose clock may be wrong must accept codes a little early and a little late, and so more codes at once. Live codes at "
            "the worst instant, by tolerance:",
        ),
        Table(head, tuple((f.family, *(count(t.live) for t in f.tolerances)) for f in report.families)),
    )


def _lockout(report: Report) -> Section:
    rows = tuple((f"1 {span.name}", count(span.guesses), chance(hit)) for span, hit in zip(report.spans, report.entry.chances, strict=True))
    return Section(
        "The lockout",
        (
            f"{_policy(report.lockout)} The most that anyone can type, however the tries are spaced; a power cut starts the wait and the "
            "forgiving again in full, so it gains nothing.",
            "The price: whoever stands at the keypad can keep guests waiting as well.",
        ),
        Table(("At the door for", "Entries at most", "Door opens"), rows),
    )


def _policy(lockout: Lockout) -> str:
    first = lockout.wait(lockout.free + 1)
    if first == 0:
        return "The lock never waits."
    grows = f", growing {lockout.growth}-fold with each further one up to {duration(lockout.cap)}" if lockout.growth > 1 else ""
    return (
        f"{lockout.free} wrong entries are free; after the next the lock waits {duration(first)}{grows}. "
        f"One wrong entry is forgiven for each {duration(lockout.leak)} without one."
    )


def _keypad(report: Report) -> Section:
    entry = report.entry
    lengths = listed([str(n) for n in entry.lengths])
    if entry.masking:
        dearer = "as before" if entry.opens == entry.opens_unmasked else f"instead of {one_in(entry.opens_unmasked)}"
        keys = f" of up to {entry.max_keys} keys" if entry.max_keys is not None else ""
        words = [
            f"Digits may be typed before a code to hide it, so the end of an entry{keys} counts. One entry is then a guess at one code of "
            f"each length ({lengths} keys): its chance to open the door is {one_in(entry.opens)}, {dearer}; to hit anything at all, "
            f"service codes included, {one_in(entry.hits)} instead of {one_in(entry.hits_unmasked)}."
        ]
        shortest = entry.lengths[0]
        if entry.max_keys is not None and entry.max_keys > shortest:
            words.append(
                f"It is only the end that counts. A lock that looked for a code anywhere in {entry.max_keys} keys would take up to "
                f"{entry.max_keys - shortest + 1} guesses in one entry."
            )
    else:
        words = [
            f"The whole entry must be a code ({lengths} keys), so one entry is one guess at one family. Its chance to hit anything at "
            f"all, service codes included, is {one_in(entry.hits)} at best."
        ]
    if entry.personal:
        words.append(
            f"Guests of {listed(list(entry.personal))} may choose six digits of their own: each of those can be guessed with 1 in "
            f"{about(report.radix**6)} if they are random, and far more easily if they are a date."
        )
    return Section("One entry at the keypad", tuple(words))


def _lengths(report: Report, worst: FamilyReport) -> Section:
    rows = tuple(
        (
            f"{row.length}{' (now)' if row.length == worst.length else ''}",
            str(row.length + len(worst.prefix)),
            brief(row.odds),
            *map(brief, row.chances),
        )
        for row in worst.lengths
    )
    return Section(
        f"Other lengths of {worst.family!r}",
        (f"The same rules and the same lockout; each symbol more makes a guess {report.radix} times rarer.",),
        Table(("Sealed symbols", "Keys", "A guess", "Day", "Month", "Year"), rows),
    )


def _needed(report: Report) -> Section:
    rows = tuple((f.family, str(f.keys), str(f.length), str(f.needed_per_guess), str(f.needed_per_year)) for f in report.families)
    head = ("Family", "Keys now", "Sealed", f"{one_in(report.target_per_guess)} a guess", f"{one_in(report.target_per_year)} a year")
    return Section("Sealed symbols needed", ("The fewest with which guessing stays at or below a target.",), Table(head, rows))


def _lockouts(report: Report) -> Section:
    year = len(report.spans) - 1
    rows = tuple((row.name, count(row.guesses[0]), count(row.guesses[year]), *map(brief, row.chances)) for row in report.lockouts)
    return Section(
        "Other lockouts",
        ("The same codes behind another lockout: entries at most in a day and a year, and the chance that the door opens.",),
        Table(("Waits", "A day", "A year", "Day", "Month", "Year"), rows),
    )


def _services(report: Report) -> Section:
    rows = []
    for family in report.services:
        for action in dict.fromkeys(k.action for k in family.kinds):
            live = sum(k.live for k in family.kinds if k.action == action)
            rows.append((f"{family.family}: {action}", str(family.keys), count(live), brief(live / family.codes), _HARM[action]))
    return Section(
        "Service codes",
        ("They are longer and have odds of their own. None of them opens the door; a lucky guess would do this:",),
        Table(("Code", "Keys", "Live", "A guess", "What a hit does"), tuple(rows), prose=True),
    )


def _limits(report: Report) -> Iterator[str]:
    yield (
        "All of this is about guessing. Whoever watches a code being typed, or is told it, can use it until it ends; whoever opens the "
        "lock up can read its secret and make codes for that door."
    )
    worst = report.easiest
    if worst is not None and report.lockout.free:
        yield (
            "The text refused last may be typed again without a charge, so that a guest who is early is not locked out. Someone who types "
            f"one text for a whole year, waiting for a code to begin that equals it, adds at most {chance(worst.retyping)}."
        )
    yield "The worst instant is meant throughout; at most instants fewer codes are live. A month has 30 days, a year 365."
