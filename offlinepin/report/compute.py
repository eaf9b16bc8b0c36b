"""Computes a security report from a product's profile and keypad. All arithmetic is in :mod:`offlinepin.security`."""

from __future__ import annotations

from typing import Final

from offlinepin.engine.cipher import halves
from offlinepin.engine.profile import DAY, Action, Family, Lockout, Profile
from offlinepin.errors import FamilyOverlapError, ProfileError
from offlinepin.report.model import EntryOdds, FamilyReport, KindCount, LengthOdds, LockoutOdds, Report, Span, ToleranceCount
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
from offlinepin.vendor import Vendor, resolve

MONTH: Final = 30 * DAY
YEAR: Final = 365 * DAY
SPANS: Final = (("day", DAY), ("month", MONTH), ("year", YEAR))
TOLERANCES: Final = (0, 600, 3600)
PER_GUESS: Final = 1 / 1_000_000
PER_YEAR: Final = 1 / 10_000


def report(
    source: str | Vendor | Profile, *, length: int | None = None, tolerance: int | None = None, lockout: Lockout | None = None
) -> Report:
    """The security report of a product.

    Args:
        source: an installed vendor's name, a vendor, or a bare profile (whose keypad is taken to have no masking).
        length: what if the sealed part of every code that opens had this many symbols, instead of the profile's.
        tolerance: what if the clock tolerance were this many seconds.
        lockout: what if the lockout were another.

    Raises:
        VendorError: no vendor of that name is installed.
        ProfileError: the profile cannot have that length; the message says why.
    """
    vendor = resolve(source)
    profile = vendor.profile
    asked = profile.lock.model_copy(
        update={
            "tolerance": profile.lock.tolerance if tolerance is None else _not_negative(tolerance),
            "lockout": profile.lock.lockout if lockout is None else lockout,
        }
    )
    profile = profile.model_copy(update={"lock": asked})
    notes: list[str] = []
    if length is not None:
        profile, notes = _with_length(profile, length)
    spans = tuple(Span(name, seconds, most_guesses(asked.lockout, seconds)) for name, seconds in SPANS)
    pairs = list(zip(profile.families, profile_odds(profile), strict=True))
    opening = [(family, odds) for family, odds in pairs if opens(family)]
    entry = _entry(vendor, source, pairs, opening, spans)
    return Report(
        name=vendor.name,
        title=vendor.title,
        profile=profile.name,
        radix=profile.radix,
        length=length,
        tolerance=asked.tolerance,
        lockout=asked.lockout,
        spans=spans,
        families=tuple(_family(profile, family, odds, spans) for family, odds in opening),
        services=tuple(_family(profile, family, odds, spans) for family, odds in pairs if not opens(family)),
        entry=entry,
        lockouts=tuple(_lockouts(asked.lockout, entry.opens)),
        target_per_guess=PER_GUESS,
        target_per_year=PER_YEAR,
        notes=tuple(notes),
    )


def opens(family: Family) -> bool:
    """Whether some code of a family opens the door."""
    return any(kind.action in (Action.UNLOCK, Action.PASSAGE) for kind in family.kinds)


def tries(guesses: int | None, seconds: int) -> int:
    """The guesses to reckon with: one a second where the lockout sets no limit."""
    return seconds if guesses is None else guesses


def _not_negative(tolerance: int) -> int:
    if tolerance < 0:
        raise ProfileError("lock.tolerance", f"seconds, at least 0, not {tolerance}")
    return tolerance


def _with_length(profile: Profile, length: int) -> tuple[Profile, list[str]]:
    """The profile with another sealed length of every code that opens, and what has to be said about it."""
    families = [family.model_dump(mode="json") | ({"length": length} if opens(family) else {}) for family in profile.families]
    document = profile.model_dump(mode="json") | {"families": families}
    try:
        return Profile.parse(document), []
    except FamilyOverlapError as cause:
        opening = [dumped for dumped, family in zip(families, profile.families, strict=True) if opens(family)]
        if len(opening) == len(families):
            raise
        alone = Profile.parse(document | {"families": opening})
        note = f"At this length a code could be taken for a service code, so those would need another length ({cause})."
        return alone, [note]


def _family(profile: Profile, family: Family, odds: FamilyOdds, spans: tuple[Span, ...]) -> FamilyReport:
    tolerances = sorted({*TOLERANCES, profile.lock.tolerance}) if opens(family) else [profile.lock.tolerance]
    live = odds.live + odds.remembered
    year = tries(most_guesses(profile.lock.lockout, YEAR), YEAR)
    lengths = [n for n in range(family.length - 2, family.length + 4) if _possible(profile, family, n)] if opens(family) else []
    return FamilyReport(
        family=family.name,
        opens=opens(family),
        prefix=family.prefix,
        length=family.length,
        keys=family.total_length,
        codes=odds.codes,
        live=odds.live,
        remembered=odds.remembered,
        odds=odds.odds,
        kinds=tuple(KindCount(kind.name, kind.action.value, odds.by_kind[kind.name]) for kind in family.kinds),
        chances=_chances(odds.odds, spans),
        retyping=retyping_odds(family, odds, YEAR),
        tolerances=tuple(ToleranceCount(t, family_odds(profile, family, t).live) for t in tolerances),
        lengths=tuple(_length(n, min(1.0, live / profile.radix**n), spans) for n in lengths),
        needed_per_guess=length_needed(profile.radix, live, PER_GUESS),
        needed_per_year=length_needed(profile.radix, live, odds_allowed(PER_YEAR, year)),
    )


def _possible(profile: Profile, family: Family, length: int) -> bool:
    """Whether format 1 allows this length for the family's payloads."""
    return length > 0 and max(halves(profile.radix, length)) < 2**32 and family.bases[-1] <= profile.radix**length


def _length(length: int, odds: float, spans: tuple[Span, ...]) -> LengthOdds:
    return LengthOdds(length, odds, _chances(odds, spans))


def _chances(odds: float, spans: tuple[Span, ...]) -> tuple[float, ...]:
    return tuple(hit_chance(odds, tries(span.guesses, span.seconds)) for span in spans)


def _entry(
    vendor: Vendor,
    source: str | Vendor | Profile,
    pairs: list[tuple[Family, FamilyOdds]],
    opening: list[tuple[Family, FamilyOdds]],
    spans: tuple[Span, ...],
) -> EntryOdds:
    masking = vendor.keypad.masking
    opens_now = entry_odds(opening, masking)
    return EntryOdds(
        masking=masking,
        lengths=tuple(sorted({family.total_length for family, _ in pairs})),
        max_keys=None if isinstance(source, Profile) else vendor.keypad.max_keys,
        opens=opens_now,
        opens_unmasked=entry_odds(opening, False),
        hits=entry_odds(pairs, masking),
        hits_unmasked=entry_odds(pairs, False),
        chances=_chances(opens_now, spans),
        personal=vendor.keypad.personal,
    )


def _lockouts(own: Lockout, odds: float) -> list[LockoutOdds]:
    """The profile's lockout, then others that a product could have."""
    others = {
        "a flat 30 s": own.model_copy(update={"delay": 30, "growth": 1, "cap": 30}),
        "a flat 5 min": own.model_copy(update={"delay": 300, "growth": 1, "cap": 300}),
        "doubling, up to 1 h": own.model_copy(update={"delay": 30, "growth": 2, "cap": 3600, "leak": max(own.leak, 3600)}),
        "doubling, up to 1 day": own.model_copy(update={"delay": 30, "growth": 2, "cap": DAY, "leak": DAY}),
    }
    unlike = {name: lockout for name, lockout in others.items() if (lockout.cap, lockout.growth) != (own.cap, own.growth)}
    compared = {"this product's": own} | unlike
    made = []
    for name, lockout in compared.items():
        spans = tuple(Span(span, seconds, most_guesses(lockout, seconds)) for span, seconds in SPANS)
        made.append(LockoutOdds(name, lockout, tuple(span.guesses for span in spans), _chances(odds, spans)))
    return made
