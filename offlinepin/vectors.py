"""Known answers of code format 1: files of the shape of ``format-1.json`` are checked stage by stage, and made for any profile.
An implementation in another language that agrees with such a file interoperates."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from offlinepin.engine.codec import claim, open_under, seal
from offlinepin.engine.payload import Grant, encode
from offlinepin.engine.profile import Family, Profile
from offlinepin.engine.token import DeviceToken
from offlinepin.errors import OfflinepinError, ProfileError, VectorsError
from offlinepin.keys import MasterKey

_HEX_32: Final = "^[0-9a-f]{64}$"
_DEVICE_IDS: Final = ("d", "front-door", "7b1c0f5e-8a1f-4f52-9d0e-2f6a5f0c9e11", "Zimmer 12 Süd", "x" * 64, "ü" * 32, "玄関 🔑")
_GENERATIONS: Final = (0, 1, 2, 7)
_YEARS: Final = (1_767_225_600, 2_082_758_400)  # 2026 to 2035, where ordinary cases lie
_MAX_SLOT: Final = 2**53 - 1  # beyond it, not every reader of JSON keeps an integer exact


class _Model(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Case(_Model):
    """One code, from the master key to the text that is typed, with every stage between. Bytes are in lower-case hex."""

    master_key: Annotated[str, Field(pattern=_HEX_32)]
    device_id: str
    generation: Annotated[int, Field(ge=0, lt=2**32)]
    token: Annotated[str, Field(pattern=_HEX_32)]
    family: str
    kind: str
    start_slot: int
    duration: int
    variant: int
    window: int
    offset: int
    payload: int
    window_key: Annotated[str, Field(pattern=_HEX_32)]
    code: str


class CaseSet(_Model):
    """The cases of one profile, and the profile's digest."""

    profile: dict[str, Any]
    digest: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    cases: Annotated[tuple[Case, ...], Field(min_length=1)]


class Vectors(_Model):
    """A whole file."""

    format: Literal[1]
    about: str = ""
    sets: Annotated[tuple[CaseSet, ...], Field(min_length=1)]

    @classmethod
    def parse(cls, text: str | bytes) -> Vectors:
        """Read a file's text. ``VectorsError`` names the member that is missing or malformed."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as cause:
            first = cause.errors(include_url=False, include_input=False)[0]
            member = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in first["loc"]).lstrip(".")
            raise VectorsError(f"member {member or '(document)'}: {first['msg'][:1].lower()}{first['msg'][1:]}") from None

    @classmethod
    def load(cls, path: str | Path) -> Vectors:
        """Read a file. ``VectorsError`` if it cannot be read or does not have the shape."""
        try:
            return cls.parse(Path(path).read_bytes())
        except OSError as cause:
            raise VectorsError(f"the file {str(path)!r} cannot be read: {cause.strerror}") from None

    def json_text(self) -> str:
        """The document as indented JSON in ASCII."""
        return json.dumps(self.model_dump(mode="json"), indent=1) + "\n"


@dataclass(frozen=True, slots=True)
class Difference:
    """The first stage of a case that differs.

    Attributes:
        set_index, set_name: the set, by its place from 0 and by its profile's name.
        case_index: the case's place in its set, from 0.
        stage: ``digest``, ``token``, ``family``, ``kind``, ``window``, ``offset``, ``payload``, ``window_key``, ``code`` or ``grant``
            (back from the code).
        expected: what the file says.
        got: what came out; ``error [code]: message`` where the stage cannot be computed at all.
    """

    set_index: int
    set_name: str
    case_index: int
    stage: str
    expected: str
    got: str

    def __str__(self) -> str:
        where = f"sets[{self.set_index}] {self.set_name!r}, cases[{self.case_index}]"
        return f"{where}: {self.stage} differs: expected {self.expected}, got {self.got}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many cases passed, and the first difference of each of the others."""

    passed: int
    differences: tuple[Difference, ...]


def check(vectors: Vectors) -> Outcome:
    """Recompute every stage of every case and compare. Works for any valid profile, however insecure.

    Raises:
        VectorsError: a set's profile breaks a rule; the member is named.
    """
    passed = 0
    differences: list[Difference] = []
    profiles = [_profile(i, s) for i, s in enumerate(vectors.sets)]
    for i, (cases, profile) in enumerate(zip(vectors.sets, profiles, strict=True)):
        for j, case in enumerate(cases.cases):
            found = _first_difference(profile, cases.digest, case)
            if found is None:
                passed += 1
            else:
                differences.append(Difference(i, profile.name, j, *found))
    return Outcome(passed, tuple(differences))


def _profile(index: int, cases: CaseSet) -> Profile:
    try:
        return Profile.parse(cases.profile)
    except ProfileError as cause:
        raise VectorsError(f"sets[{index}].profile: {cause}") from cause


def _first_difference(profile: Profile, digest: str, case: Case) -> tuple[str, str, str] | None:
    """``(stage, expected, got)`` of the first stage that differs. A stage that cannot be computed differs, too."""
    for stage, expected, compute in _stages(profile, digest, case):
        try:
            got = compute()
        except OfflinepinError as error:
            return stage, str(expected), f"error [{error.code}]: {error}"
        if got != expected:
            return stage, str(expected), str(got)
    return None


def _stages(profile: Profile, digest: str, case: Case) -> Iterator[tuple[str, Any, Callable[[], Any]]]:
    """The stages in order. Each starts from what the file says of the stages before it, which by then is known to be right."""

    def token() -> DeviceToken:
        return DeviceToken.from_hex(case.token, case.generation)

    yield "digest", digest, profile.digest.hex
    yield "token", case.token, lambda: MasterKey.from_hex(case.master_key).token(case.device_id, case.generation).export().hex()
    yield "family", case.family, lambda: profile.families[profile.family_index(case.family)].name
    index = profile.family_index(case.family)
    family = profile.families[index]
    yield "kind", case.kind, lambda: family.kinds[profile.kind_index(index, case.kind)].name
    grant = Grant(index, profile.kind_index(index, case.kind), case.start_slot, case.duration, case.variant)
    yield "window", case.window, lambda: encode(family, grant)[0]
    yield "offset", case.offset, lambda: case.start_slot - case.window * family.window
    yield "payload", case.payload, lambda: encode(family, grant)[1]
    yield "window_key", case.window_key, lambda: token().window_key(profile.digest, index, case.window).hex()
    yield "code", case.code, lambda: seal(profile, token(), grant)
    yield "grant", grant, lambda: _read_back(profile, token(), case)


def _read_back(profile: Profile, token: DeviceToken, case: Case) -> Grant | None:
    """The grant that a lock reads in the code under the case's window; ``None`` if no family claims it or it deciphers to nothing."""
    claimed = claim(profile, case.code)
    return None if claimed is None else open_under(profile, token, claimed[0], case.window, claimed[1])


def make(profiles: Iterable[Profile], count: int, seed: int) -> Vectors:
    """Known answers for profiles, the same for the same arguments: first the first and the last payload of every kind at the edges
    of windows (one of these years, window 0, and the last one), then cases drawn from the seed.

    Args:
        profiles: one set is made for each.
        count: cases in each set, at least 1.
        seed: any integer from 0.

    Raises:
        VectorsError: ``count`` or ``seed`` is too small.
    """
    if count < 1 or seed < 0:
        raise VectorsError(f"vectors are made with a count of at least 1 and a seed of at least 0, not {count} and {seed}")
    return Vectors(
        format=1,
        about=f"code format 1: every stage of issuing; made with seed {seed}",
        sets=tuple(_make_set(profile, count, _Draw(f"{seed} {i}")) for i, profile in enumerate(profiles)),
    )


class _Draw:
    """Numbers out of SHA-256 in counter mode: the same in every version of Python and easy to repeat in another language."""

    def __init__(self, seed: str) -> None:
        self._seed = seed.encode()
        self._count = 0

    def bytes(self) -> bytes:
        """The next 32 bytes."""
        self._count += 1
        return hashlib.sha256(b"offlinepin vectors " + self._seed + self._count.to_bytes(8, "big")).digest()

    def below(self, limit: int) -> int:
        """A number from 0 to ``limit`` − 1."""
        return int.from_bytes(self.bytes(), "big") % limit


def _make_set(profile: Profile, count: int, draw: _Draw) -> CaseSet:
    grants = itertools.chain(_corners(profile, draw), _random_grants(profile, draw))
    cases = []
    for i, grant in enumerate(itertools.islice(grants, count)):
        device_id, generation = _DEVICE_IDS[i % len(_DEVICE_IDS)], _GENERATIONS[i % len(_GENERATIONS)]
        cases.append(_make_case(profile, draw.bytes(), device_id, generation, grant))
    return CaseSet(profile=profile.model_dump(mode="json"), digest=profile.digest.hex(), cases=tuple(cases))


def _make_case(profile: Profile, master_key: bytes, device_id: str, generation: int, grant: Grant) -> Case:
    family, kind = grant.of(profile)
    token = MasterKey(master_key).token(device_id, generation)
    window, payload = encode(family, grant)
    return Case(
        master_key=master_key.hex(),
        device_id=device_id,
        generation=generation,
        token=token.export().hex(),
        family=family.name,
        kind=kind.name,
        start_slot=grant.start,
        duration=grant.duration,
        variant=grant.variant,
        window=window,
        offset=grant.start - window * family.window,
        payload=payload,
        window_key=token.window_key(profile.digest, grant.family, window).hex(),
        code=seal(profile, token, grant),
    )


def _corners(profile: Profile, draw: _Draw) -> Iterator[Grant]:
    """The first and the last payload of every kind, at the edges of a window of these years, of window 0 and of the last one."""
    for which in ("these years", "first", "last"):
        for f, family in enumerate(profile.families):
            last = min(2**32 - 1, _MAX_SLOT // family.window - 1)
            window = {"first": 0, "last": last}.get(which, _start(family, draw) // family.window)
            first_slot = window * family.window
            for k, kind in enumerate(family.kinds):
                yield Grant(f, k, first_slot, kind.duration_at(0), 0)
                yield Grant(f, k, first_slot + family.window - 1, kind.duration_at(kind.duration_count - 1), kind.variants - 1)


def _random_grants(profile: Profile, draw: _Draw) -> Iterator[Grant]:
    while True:
        f = draw.below(len(profile.families))
        family = profile.families[f]
        k = draw.below(len(family.kinds))
        kind = family.kinds[k]
        yield Grant(f, k, _start(family, draw), kind.duration_at(draw.below(kind.duration_count)), draw.below(kind.variants))


def _start(family: Family, draw: _Draw) -> int:
    """A slot of these years."""
    low, high = (t // family.slot for t in _YEARS)
    return low + draw.below(max(1, high - low))
