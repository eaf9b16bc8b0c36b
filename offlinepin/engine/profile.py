"""The profile document of format 1, section 4: the model, its canonical form and digest, and every rule that makes one valid.
A vendor's product rules are this data; issuing, checking, odds and tables are all computed from it."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from offlinepin.engine.cipher import halves
from offlinepin.errors import FamilyOverlapError, ProfileCapacityError, ProfileError, UnknownKindError

DAY: Final = 86_400
CLOCK_SLOT: Final = 300
CLOCK_WINDOW: Final = 2**22
MAX_DURATIONS: Final = 65_536
_SAFE = 2**53 - 1  # RFC 8785 writes numbers as IEEE doubles: larger integers have no canonical form


def _distinct_members(members: list[tuple[str, Any]]) -> None:
    """Refuse an object that names a member twice: it has no canonical form (RFC 8785, section 3.1)."""
    for name, count in Counter(name for name, _ in members).items():
        if count > 1:
            raise ProfileError(name, "an object names it twice")


def _printable(text: str) -> str:
    if any(not " " <= c <= "~" for c in text):
        raise ValueError("only printable ASCII characters are allowed")
    return text


Text = Annotated[str, AfterValidator(_printable)]
Name = Annotated[Text, Field(min_length=1, max_length=64)]
Count = Annotated[int, Field(ge=0, le=_SAFE)]
Positive = Annotated[int, Field(ge=1, le=_SAFE)]
Signed = Annotated[int, Field(ge=-_SAFE, le=_SAFE)]
DurationRange = tuple[Count, Count, Positive]


class Action(StrEnum):
    """What a code does when it is accepted (format 1, sections 4 and 10)."""

    UNLOCK = "unlock"
    PASSAGE = "passage"
    CLEAR = "clear"
    ROTATE = "rotate"
    SET_CLOCK = "set_clock"
    REVOKE = "revoke"


class _Document(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Kind(_Document):
    """What a code can be. Units: durations and activation in slots; linger, opens, closes and hours in seconds."""

    name: Name
    action: Annotated[Action, Field(strict=False)]
    durations: Annotated[tuple[DurationRange, ...], Field(min_length=1)]
    variants: Positive
    activation: Count
    uses: Annotated[int, Field(ge=0, le=1)]
    linger: Count
    opens: Signed
    closes: Signed
    hours: tuple[Count, Count]
    weekdays: Annotated[int, Field(ge=1, le=127)]
    supersedes: Text

    @cached_property
    def ranges(self) -> tuple[range, ...]:
        """The allowed durations as ranges, in payload order."""
        return tuple(range(a, a + (step or 1) * n, step or 1) for a, step, n in self.durations)

    @cached_property
    def duration_count(self) -> int:
        """D of format 1, section 6."""
        return sum(map(len, self.ranges))

    @cached_property
    def size_per_slot(self) -> int:
        """How many payloads of this kind start in one slot: D × variants."""
        return self.duration_count * self.variants

    def duration_at(self, index: int) -> int:
        """The duration with this payload index, 0 to D − 1."""
        for r in self.ranges:
            if index < len(r):
                return r[index]
            index -= len(r)
        raise IndexError(index)

    def duration_index(self, duration: int) -> int:
        """The payload index of a duration in slots. ``UnknownKindError`` if the kind does not have it."""
        base = 0
        for r in self.ranges:
            if duration in r:
                return base + r.index(duration)
            base += len(r)
        raise UnknownKindError(f"kind {self.name!r} has no duration of {duration} slots; it has {self.describe_durations()}")

    def shortest_from(self, slots: int) -> int | None:
        """The shortest duration with an end that is at least ``slots``; ``None`` when all are shorter."""
        return min((r[max(0, -((r.start - slots) // r.step))] for r in self._ending if r[-1] >= slots), default=None)

    def longest_to(self, slots: int) -> int | None:
        """The longest duration with an end that is at most ``slots``; ``None`` when all are longer."""
        return max((r[min(len(r) - 1, (slots - r.start) // r.step)] for r in self._ending if r.start <= slots), default=None)

    @cached_property
    def _ending(self) -> tuple[range, ...]:
        parts = (r[1:] if r.start == 0 else r for r in self.ranges)
        return tuple(r for r in parts if r)

    @property
    def endless(self) -> bool:
        """Whether a code of this kind can be without an end."""
        return any(r.start == 0 for r in self.ranges)

    def describe_durations(self) -> str:
        """The allowed durations in words, for error messages."""
        words = []
        for r in self.ranges:
            if len(r) == 1:
                words.append("no end" if r[0] == 0 else str(r[0]))
            else:
                words.append(f"{r[0]} to {r[-1]}" + (f" by {r.step}" if r.step > 1 else ""))
        return ", ".join(words)

    def lapses(self, duration: int) -> bool:
        """Whether a code of this duration is lost unless it is first used within ``activation`` slots of its start.

        A duration that is no longer than the activation rule ends first, so the rule says nothing about it.
        """
        return self.activation > 0 and (duration == 0 or duration > self.activation)

    def remembers(self, duration: int) -> bool:
        """Whether the lock must remember such a code at its first use (format 1, section 9).

        A single-use code is spent by then: its mark says all there is to know. Service codes are never remembered.
        """
        opens = self.action in (Action.UNLOCK, Action.PASSAGE)
        return opens and self.uses == 0 and (self.linger > 0 or self.lapses(duration))

    def open_at(self, t: int) -> bool:
        """Whether ``hours`` and ``weekdays`` admit t, in seconds of the profile's clock (day 0 was a Thursday)."""
        day, second = divmod(t, DAY)
        return self.hours[0] <= second < self.hours[1] and bool(self.weekdays >> (day + 3) % 7 & 1)


class Family(_Document):
    """Codes of one prefix and one length, which one permutation covers. Slots are in seconds, windows in slots."""

    name: Name
    prefix: Text
    length: Positive
    slot: Positive
    window: Positive
    kinds: Annotated[tuple[Kind, ...], Field(min_length=1)]

    @cached_property
    def total_length(self) -> int:
        """How many keys a code of this family has, prefix included."""
        return len(self.prefix) + self.length

    @cached_property
    def bases(self) -> tuple[int, ...]:
        """The first payload of each kind, and at the end P, the number of payloads (format 1, section 6)."""
        return tuple(itertools.accumulate((self.window * k.size_per_slot for k in self.kinds), initial=0))

    @cached_property
    def sets_clock(self) -> bool:
        """Whether this is the clock family (format 1, section 10)."""
        return self.kinds[0].action is Action.SET_CLOCK


class Lockout(_Document):
    """How wrong entries slow a lock down (format 1, section 9). Times in seconds of uptime."""

    free: Count
    delay: Count
    growth: Positive
    cap: Count
    leak: Positive

    def wait(self, failures: int) -> int:
        """Seconds that the lock stays locked after the last of ``failures`` charges; 0 up to ``free``."""
        over = failures - self.free
        if over <= 0:
            return 0
        wait = self.delay
        for _ in range(over - 1 if self.growth > 1 else 0):
            if not 0 < wait < self.cap:
                break
            wait *= self.growth
        return min(self.cap, wait)


class LockPolicy(_Document):
    """The lock's own policy, outside the digest: it may differ between doors and change without changing a code."""

    tolerance: Count
    capacity: Count
    lockout: Lockout


class Profile(_Document):
    """A whole profile document. Constructing one checks every rule; :class:`ProfileError` names the member that breaks one."""

    offlinepin: Literal[1]
    name: Name
    alphabet: Annotated[Text, Field(min_length=2, max_length=16)]
    clock: Literal["utc", "civil"]
    families: Annotated[tuple[Family, ...], Field(min_length=1, max_length=256)]
    lock: LockPolicy

    @classmethod
    def parse(cls, document: str | bytes | Mapping[str, Any]) -> Profile:
        """Read a profile document from JSON text or from a mapping of the same shape.

        Raises:
            ProfileError: the document is no JSON, has the wrong shape, or breaks a rule; ``member`` is the path.
        """
        try:
            if isinstance(document, Mapping):
                document = json.dumps(dict(document))
            json.loads(document, object_pairs_hook=_distinct_members)
        except (TypeError, ValueError, RecursionError) as cause:
            raise ProfileError("", f"the document is no JSON: {cause}") from None
        try:
            return cls.model_validate_json(document)
        except ValidationError as cause:
            first = cause.errors(include_url=False)[0]
            member = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in first["loc"]).lstrip(".")
            shown = first["input"]
            value = f" (here {shown!r})" if isinstance(shown, str | int | float | bool) and len(repr(shown)) <= 80 else ""
            raise ProfileError(member, first["msg"][:1].lower() + first["msg"][1:] + value) from None

    @classmethod
    def load(cls, path: str | Path) -> Profile:
        """Read a profile document from a file of JSON. ``ProfileError`` if it cannot be read."""
        try:
            text = Path(path).read_bytes()
        except OSError as cause:
            raise ProfileError("", f"the file {str(path)!r} cannot be read: {cause.strerror}") from None
        return cls.parse(text)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Profile:  # noqa: ARG002 - nothing is mutable
        """A copy with members changed, checked as any document is, and with a digest of its own."""
        return Profile(**{**{name: getattr(self, name) for name in Profile.model_fields}, **(update or {})})

    @model_validator(mode="after")
    def _valid(self) -> Profile:
        _check(self)
        return self

    @property
    def radix(self) -> int:
        """r: the number of symbols."""
        return len(self.alphabet)

    @cached_property
    def canonical(self) -> bytes:
        """The document without its ``lock`` member in canonical JSON (RFC 8785)."""
        return json.dumps(self.model_dump(mode="json", exclude={"lock"}), sort_keys=True, separators=(",", ":")).encode()

    @cached_property
    def digest(self) -> bytes:
        """16 bytes that bind every window key to every rule of this profile (format 1, section 3)."""
        return hashlib.sha256(self.canonical).digest()[:16]

    def json_text(self) -> str:
        """The whole document as indented JSON, members in the page's order."""
        return json.dumps(self.model_dump(mode="json"), indent=1) + "\n"

    def family_index(self, name: str) -> int:
        """The index of the family with this name, or ``UnknownKindError``."""
        for i, family in enumerate(self.families):
            if family.name == name:
                return i
        raise UnknownKindError(f"profile {self.name!r} has no family {name!r}; it has {', '.join(f.name for f in self.families)}")

    def kind_index(self, family: int, name: str) -> int:
        """The index of the kind with this name in a family, or ``UnknownKindError``."""
        kinds = self.families[family].kinds
        for i, kind in enumerate(kinds):
            if kind.name == name:
                return i
        raise UnknownKindError(f"family {self.families[family].name!r} has no kind {name!r}; it has {', '.join(k.name for k in kinds)}")

    def revocable(self, kind: Kind) -> tuple[int, int]:
        """The family and kind index that a ``revoke`` kind, named ``<family>.<kind>``, is about; ``UnknownKindError`` if none."""
        for f, family in enumerate(self.families):
            for k, candidate in enumerate(family.kinds):
                if f"{family.name}.{candidate.name}" == kind.name:
                    return f, k
        raise UnknownKindError(f"{kind.name!r} names no <family>.<kind> of the profile {self.name!r}")


def _check(profile: Profile) -> None:
    """Every rule of the page that the shape alone does not hold. Raises the first broken one."""
    if len(set(profile.alphabet)) != profile.radix:
        raise ProfileError("alphabet", f"symbols must be distinct, in {profile.alphabet!r} one is repeated")
    _check_distinct("families", [f.name for f in profile.families])
    for i, family in enumerate(profile.families):
        _check_family(profile, family, f"families[{i}]")
    for i, j in itertools.combinations(range(len(profile.families)), 2):
        if _overlap(profile, profile.families[i], profile.families[j]):
            a, b = profile.families[i], profile.families[j]
            raise FamilyOverlapError(
                f"families[{j}].prefix",
                f"{b.name!r} (prefix {b.prefix!r}, {b.length} symbols) could claim the same typed text as {a.name!r} "
                f"(prefix {a.prefix!r}, {a.length} symbols); give them another total length or prefixes that differ",
            )


def _check_distinct(member: str, names: list[str]) -> None:
    for i, name in enumerate(names):
        if name in names[:i]:
            raise ProfileError(f"{member}[{i}].name", f"{name!r} is used twice")


def _overlap(profile: Profile, a: Family, b: Family) -> bool:
    """Whether some text is claimed by both: equal lengths, and one prefix goes on where the other's sealed part begins."""
    if a.total_length != b.total_length:
        return False
    short, long = sorted((a.prefix, b.prefix), key=len)
    return long.startswith(short) and all(c in profile.alphabet for c in long[len(short) :])


def _check_family(profile: Profile, family: Family, path: str) -> None:
    if max(halves(profile.radix, min(family.length, 64))) >= 2**32:
        raise ProfileError(f"{path}.length", f"r^ceil(n/2) must be below 2^32; {profile.radix}^{(family.length + 1) // 2} is not")
    _check_distinct(f"{path}.kinds", [k.name for k in family.kinds])
    for j, kind in enumerate(family.kinds):
        for member, problem in _kind_problems(profile, family, kind):
            raise ProfileError(f"{path}.kinds[{j}].{member}", problem)
    space = profile.radix**family.length
    if family.bases[-1] > space:
        raise ProfileCapacityError(
            f"{path}.kinds",
            f"{family.bases[-1]} payloads do not fit into {profile.radix}^{family.length} = {space} codes; "
            "use a longer code, a smaller window, fewer durations or fewer variants",
        )


def _kind_problems(profile: Profile, family: Family, kind: Kind) -> Iterator[tuple[str, str]]:
    """(member, problem) for every rule that one kind breaks."""
    if kind.duration_count > MAX_DURATIONS:
        yield "durations", f"at most {MAX_DURATIONS} durations are allowed, not {kind.duration_count}"
    elif len(set(itertools.chain.from_iterable(kind.ranges))) < kind.duration_count or any(
        step == 0 and count > 1 for _, step, count in kind.durations
    ):
        yield "durations", "a duration is listed twice, so a code could not tell which it has"
    if kind.endless and not kind.activation:
        yield "activation", "a kind with a duration of 0 (no end) needs an activation of at least 1 slot"
    for r in kind._ending:
        if r.start * family.slot + kind.closes <= kind.opens:
            yield "closes", f"a code of {r.start} slots would end at or before its start (opens {kind.opens}, closes {kind.closes})"
    if not kind.hours[0] < kind.hours[1] <= DAY:
        yield "hours", f"must be [from, to) with 0 <= from < to <= {DAY}, not {list(kind.hours)}"
    clock_kind = kind.action is Action.SET_CLOCK
    if clock_kind and (family.slot, family.window) != (CLOCK_SLOT, CLOCK_WINDOW):
        yield "action", f"set_clock needs slots of {CLOCK_SLOT} s and a window of {CLOCK_WINDOW} slots"
    if clock_kind != family.sets_clock:
        yield "action", "a set_clock kind cannot share a family with kinds that need the clock"
    if kind.action is Action.REVOKE:
        yield from _revoke_problems(profile, family, kind)


def _revoke_problems(profile: Profile, family: Family, kind: Kind) -> Iterator[tuple[str, str]]:
    try:
        f, k = profile.revocable(kind)
    except UnknownKindError as cause:
        yield "name", f"a revoke kind is named <family>.<kind> after the kind it is about; {cause}"
        return
    target = profile.families[f]
    about = target.kinds[k]
    for member in ("durations", "variants"):
        if getattr(kind, member) != getattr(about, member):
            yield member, f"must equal those of {kind.name!r}, the kind it is about"
    for member in ("slot", "window"):
        if getattr(family, member) != getattr(target, member):
            yield "action", f"a revoke kind's family must have the {member} of family {target.name!r}"
