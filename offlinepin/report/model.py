"""What a security report holds: plain numbers, frozen. Times are in seconds, odds are probabilities, lengths are in symbols."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import TypeAdapter

from offlinepin.engine.profile import Lockout


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time at the door and the most entries that the lockout lets anyone make in it; ``None`` where it sets no limit."""

    name: str
    seconds: int
    guesses: int | None


@dataclass(frozen=True, slots=True)
class KindCount:
    """How many codes of one kind are live at the family's worst instant, and what a code of it does."""

    kind: str
    action: str
    live: int


@dataclass(frozen=True, slots=True)
class ToleranceCount:
    """How many codes are live at the worst instant under another clock tolerance."""

    tolerance: int
    live: int


@dataclass(frozen=True, slots=True)
class LengthOdds:
    """A family's odds if its sealed part had another length. ``chances`` has one probability for each span of the report."""

    length: int
    odds: float
    chances: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class FamilyReport:
    """The numbers of one family of codes.

    Attributes:
        family: its name.
        opens: whether its codes open the door; those of service families only change the lock.
        prefix: the keys that its codes begin with.
        length: sealed symbols; ``keys`` with the prefix.
        codes: N, how many codes there are.
        live: M, how many would be accepted at the worst instant without ever having been typed; ``kinds`` adds up to it.
        remembered: how many more a lock can owe to its memory.
        odds: the probability that a guess is accepted, (live + remembered) / codes.
        chances: the probability of a hit within each span of the report.
        retyping: the probability that one refused text, typed again for a year, is accepted at last.
        tolerances: M under other clock tolerances.
        lengths: the family at other lengths.
        needed_per_guess, needed_per_year: the sealed symbols with which the report's two targets are met.
    """

    family: str
    opens: bool
    prefix: str
    length: int
    keys: int
    codes: int
    live: int
    remembered: int
    odds: float
    kinds: tuple[KindCount, ...]
    chances: tuple[float, ...]
    retyping: float
    tolerances: tuple[ToleranceCount, ...]
    lengths: tuple[LengthOdds, ...]
    needed_per_guess: int
    needed_per_year: int


@dataclass(frozen=True, slots=True)
class EntryOdds:
    """What one entry at the keypad is worth to someone who chooses best what to type.

    Attributes:
        masking: whether the end of an entry counts, so that one entry is a guess at a code of every length.
        lengths: the distinct numbers of keys that codes have.
        max_keys: the most keys of an entry; ``None`` where the keypad is not known (a bare profile).
        opens: the probability that one entry opens the door; ``opens_unmasked`` if the whole entry had to be the code.
        hits: the probability that one entry does anything at all, service codes included; ``hits_unmasked`` likewise.
        chances: the probability that the door opens within each span of the report.
        personal: families whose codes a guest may replace by six digits of his own.
    """

    masking: bool
    lengths: tuple[int, ...]
    max_keys: int | None
    opens: float
    opens_unmasked: float
    hits: float
    hits_unmasked: float
    chances: tuple[float, ...]
    personal: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LockoutOdds:
    """A lockout to compare with: the most guesses in each span, and the probability that the door opens."""

    name: str
    lockout: Lockout
    guesses: tuple[int | None, ...]
    chances: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """A security report.

    Attributes:
        name: the vendor's or the profile's name.
        title: one line about it.
        profile: the profile's name.
        radix: how many symbols the keypad has.
        length: the other sealed length that was asked about; ``None`` for the profile's own.
        tolerance: the clock tolerance that the numbers reckon with.
        lockout: the policy that they reckon with.
        spans: a day, a month of 30 days, a year of 365 days.
        families: those whose codes open the door.
        services: those whose codes only change the lock.
        entry: one entry at the keypad.
        lockouts: the profile's lockout among others; ``lockouts[0]`` is the profile's.
        target_per_guess, target_per_year: the probabilities that ``needed_per_guess`` and ``needed_per_year`` are about.
        notes: what else must be said.
    """

    name: str
    title: str
    profile: str
    radix: int
    length: int | None
    tolerance: int
    lockout: Lockout
    spans: tuple[Span, ...]
    families: tuple[FamilyReport, ...]
    services: tuple[FamilyReport, ...]
    entry: EntryOdds
    lockouts: tuple[LockoutOdds, ...]
    target_per_guess: float
    target_per_year: float
    notes: tuple[str, ...]

    @property
    def easiest(self) -> FamilyReport | None:
        """The family whose codes are the easiest to guess among those that open; ``None`` if none ever does."""
        return max((f for f in self.families if f.odds), key=lambda f: f.odds, default=None)

    def text(self, width: int = 80) -> str:
        """The report as plain text. ``width`` in columns, at least 72."""
        from offlinepin.report.render import as_text

        return as_text(self, width)

    def json(self) -> str:
        """The report as a JSON document with the members of this class."""
        return TypeAdapter(Report).dump_json(self, indent=1).decode() + "\n"

    def html(self) -> str:
        """The report as one self-contained HTML page, the plot in it.

        Raises:
            OfflinepinError: matplotlib, of the extra ``report``, is missing.
        """
        from offlinepin.report.render import as_html

        return as_html(self)
