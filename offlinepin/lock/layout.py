"""The bytes of a lock's state: one fixed layout for each profile, so that flash, firmware and simulator keep the same image.
``docs/format.md`` ("The state's bytes") describes it; everything here follows from the profile alone."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from offlinepin.engine.payload import Grant, life
from offlinepin.engine.profile import Kind, Profile
from offlinepin.errors import ProfileError, StateError
from offlinepin.lock.state import MAX_REVOKED, Remembered, State

VERSION: Final = 1
FIXED_LIMIT: Final = 256  # bytes without the remembered codes
ENTRY: Final = 16  # bytes of a remembered code: its tag and 64 bits
_HEADER: Final = 18
_PERSONAL: Final = ENTRY
_MOST_SUPERSEDING: Final = 2**24  # variants: three bytes
_TIME_BITS: Final = 33  # starts before the year 2242, whatever the slot


@dataclass(frozen=True, slots=True)
class Field:
    """The bits that a grant of one kind takes in a packed number, from the top: start, duration index, variant, and its shortened end.
    ``family`` and ``kind`` are its places in the profile."""

    family: int
    kind: int
    start_bits: int
    duration_bits: int
    variant_bits: int
    end_bits: int

    @property
    def width(self) -> int:
        """All of them."""
        return self.start_bits + self.duration_bits + self.variant_bits + self.end_bits


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks of one single-use kind, ``bits`` of them: a ring of ``starts`` slots, or for a superseding kind (``starts`` is 0) the
    newest code's durations only. ``family`` and ``kind`` are its places in the profile."""

    family: int
    kind: int
    starts: int
    bits: int


class Layout:
    """Where everything of a :class:`State` lies, for one profile.

    Attributes:
        size: bytes of a whole image, check value included; at most 256 + 16 × capacity.
        fixed: bytes of it that are not remembered codes.
        marks: how many marks of single-use codes can be live at once.
        fields: the bits of a packed grant, for every kind in the profile's order.
        rings: the marks of every single-use kind, in the profile's order, as they follow one another in the image.

    Raises:
        ProfileError: the profile's rules need more than 256 bytes beside its remembered codes, or more than 64 bits for one of those.
    """

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.fields = tuple(_field(profile, f, k) for f, k in _kinds(profile))
        self._kind_bits = max(1, (len(self.fields) - 1).bit_length())
        self.rings = tuple(_marks(profile, f, k) for f, k in _kinds(profile) if profile.families[f].kinds[k].uses)
        self._groups = sorted({kind.supersedes for family in profile.families for kind in family.kinds if kind.supersedes})
        self.marks = sum(m.bits for m in self.rings)
        self._mark_bytes = (self.marks + 7) // 8
        self.fixed = _HEADER + _PERSONAL + 8 * len(self._groups) + 8 * MAX_REVOKED + self._mark_bytes + 4
        self.size = self.fixed + ENTRY * profile.lock.capacity
        if self.fixed > FIXED_LIMIT:
            raise ProfileError(
                "families",
                f"the lock's state needs {self.fixed} bytes beside its remembered codes, at most {FIXED_LIMIT} are allowed; "
                f"single-use codes alone need {self._mark_bytes}: give them fewer durations or variants",
            )
        widest = max(field.width for field in self.fields)
        if widest + self._kind_bits + 1 > 64:
            raise ProfileError("families", f"a remembered code needs {widest + self._kind_bits + 1} bits, at most 64 are allowed")
        most = max((kind.variants for family in profile.families for kind in family.kinds if kind.supersedes), default=0)
        if most > _MOST_SUPERSEDING:
            raise ProfileError("families", f"a superseding kind has {most} variants, at most {_MOST_SUPERSEDING} are allowed")

    def encode(self, state: State) -> bytes:
        """The image of a state; what is volatile (the uptime of the last charge, the text refused last) is not in it."""
        state = state.forget(self.profile, state.floor)
        newest = {group: (start, variant) for group, start, variant in state.supersede}
        held = {r.grant for r in state.remembered}
        loose = state.revoked - held
        if len(loose) > MAX_REVOKED or len(state.remembered) > self.profile.lock.capacity:
            raise StateError(f"the state holds {len(loose)} revocations and {len(state.remembered)} remembered codes, more than fit")
        parts = [
            bytes([VERSION, int(state.passage)]),
            min(state.failures, 0xFFFF).to_bytes(2, "big"),
            state.generation.to_bytes(4, "big"),
            state.cleared.to_bytes(5, "big"),
            state.floor.to_bytes(5, "big"),
        ]
        for group in self._groups:
            start, variant = newest.get(group, (0, 0))
            parts += [start.to_bytes(5, "big"), variant.to_bytes(3, "big")]
        parts += [number.to_bytes(8, "big") for number in sorted(self._pack(grant, None) + 1 for grant in loose)]
        parts.append(bytes(8 * (MAX_REVOKED - len(loose))))
        parts.append(self._encode_marks(state))
        parts.append(self._encode_entry(state, state.personal) if state.personal else bytes(_PERSONAL))
        parts += [self._encode_entry(state, entry) for entry in state.remembered]
        image = b"".join(parts).ljust(self.size - 4, b"\0")
        return image + zlib.crc32(image).to_bytes(4, "big")

    def decode(self, image: bytes) -> State:
        """The state of an image. ``StateError`` if its size, version or check value is wrong."""
        if len(image) != self.size:
            raise StateError(f"a state of profile {self.profile.name!r} has {self.size} bytes, not {len(image)}")
        if zlib.crc32(image[:-4]) != int.from_bytes(image[-4:], "big"):
            raise StateError("the state's check value is wrong: its bytes were changed")
        if image[0] != VERSION:
            raise StateError(f"the state's version is {image[0]}, this library reads {VERSION}")
        at = _HEADER
        supersede = []
        for group in self._groups:
            start, variant = int.from_bytes(image[at : at + 5], "big"), int.from_bytes(image[at + 5 : at + 8], "big")
            if start or variant:
                supersede.append((group, start, variant))
            at += 8
        revoked = set()
        for _ in range(MAX_REVOKED):
            number = int.from_bytes(image[at : at + 8], "big")
            if number:
                revoked.add(self._unpack(number - 1)[0])
            at += 8
        floor = int.from_bytes(image[13:18], "big")
        marks = self._decode_marks(int.from_bytes(image[at : at + self._mark_bytes], "little"), floor, supersede)
        at += self._mark_bytes
        entries = []
        for place in range(at, at + _PERSONAL + ENTRY * self.profile.lock.capacity, ENTRY):
            entry, is_revoked = self._decode_entry(image[place : place + ENTRY])
            entries.append(entry)
            if entry is not None and is_revoked:
                revoked.add(entry.grant)
        return State(
            generation=int.from_bytes(image[4:8], "big"),
            floor=floor,
            failures=int.from_bytes(image[2:4], "big"),
            marks=frozenset(marks),
            remembered=tuple(entry for entry in entries[1:] if entry is not None),
            personal=entries[0],
            supersede=tuple(supersede),
            revoked=frozenset(revoked),
            cleared=int.from_bytes(image[8:13], "big"),
            passage=bool(image[1]),
        )

    def _encode_entry(self, state: State, entry: Remembered) -> bytes:
        number = self._pack(entry.grant, entry.ends) << 1 | (entry.grant in state.revoked)
        return entry.tag + number.to_bytes(8, "big")

    def _decode_entry(self, data: bytes) -> tuple[Remembered | None, bool]:
        """A remembered code and whether it is revoked; ``None`` where there is none."""
        if not any(data):
            return None, False
        number = int.from_bytes(data[8:], "big")
        return Remembered(data[:8], *self._unpack(number >> 1)), bool(number & 1)

    def _pack(self, grant: Grant, ends: int | None) -> int:
        """A grant, and the end that lingering gave it, as a number of at most 63 bits."""
        index = next(i for i, f in enumerate(self.fields) if (f.family, f.kind) == (grant.family, grant.kind))
        field = self.fields[index]
        _, kind = grant.of(self.profile)
        times = life(self.profile, grant)
        shortened = 0 if ends == times.ends or ends is None else ends - times.starts + self.profile.lock.tolerance + 1
        number = grant.start
        number = number << field.duration_bits | kind.duration_index(grant.duration)
        number = number << field.variant_bits | grant.variant
        number = number << field.end_bits | shortened
        return number << self._kind_bits | index

    def _unpack(self, number: int) -> tuple[Grant, int | None]:
        number, index = number >> self._kind_bits, number & (1 << self._kind_bits) - 1
        field = self.fields[index]
        number, shortened = number >> field.end_bits, number & (1 << field.end_bits) - 1
        number, variant = number >> field.variant_bits, number & (1 << field.variant_bits) - 1
        start, duration = number >> field.duration_bits, number & (1 << field.duration_bits) - 1
        kind = self.profile.families[field.family].kinds[field.kind]
        grant = Grant(field.family, field.kind, start, kind.duration_at(duration), variant)
        times = life(self.profile, grant)
        return grant, times.starts + shortened - self.profile.lock.tolerance - 1 if shortened else times.ends

    def _encode_marks(self, state: State) -> bytes:
        bits = base = 0
        for ring in self.rings:
            kind = self.profile.families[ring.family].kinds[ring.kind]
            for grant in state.marks:
                if (grant.family, grant.kind) == (ring.family, ring.kind):
                    index = kind.duration_index(grant.duration)
                    if ring.starts:
                        index = (grant.start % ring.starts * kind.duration_count + index) * kind.variants + grant.variant
                    bits |= 1 << base + index
            base += ring.bits
        return bits.to_bytes(self._mark_bytes, "little")

    def _decode_marks(self, bits: int, floor: int, supersede: list[tuple[str, int, int]]) -> Iterator[Grant]:
        newest = {group: (start, variant) for group, start, variant in supersede}
        for ring in self.rings:
            family = self.profile.families[ring.family]
            kind = family.kinds[ring.kind]
            for index in range(ring.bits):
                if not bits >> index & 1:
                    continue
                if ring.starts:
                    rest, variant = divmod(index, kind.variants)
                    place, duration = divmod(rest, kind.duration_count)
                    last = (floor + self.profile.lock.tolerance - kind.opens) // family.slot
                    start = last - (last - place) % ring.starts
                else:
                    duration, (starts, variant) = index, newest[kind.supersedes]
                    start = (starts - kind.opens) // family.slot
                yield Grant(ring.family, ring.kind, start, kind.duration_at(duration), variant)
            bits >>= ring.bits


def _kinds(profile: Profile) -> Iterator[tuple[int, int]]:
    for f, family in enumerate(profile.families):
        for k in range(len(family.kinds)):
            yield f, k


def _extremes(kind: Kind) -> set[int]:
    """Durations of which one can be fresh for as long as any: the ends of the ranges, and the longest that does not lapse."""
    longest = kind.longest_to(kind.activation)
    return {d for r in kind.ranges for d in (r[0], r[-1])} | ({longest} if longest is not None else set())


def _field(profile: Profile, f: int, k: int) -> Field:
    family, kind = profile.families[f], profile.families[f].kinds[k]
    longest = max(life(profile, Grant(f, k, 0, d, 0)).fresh_until(0) for d in _extremes(kind)) - kind.opens
    end = longest + kind.linger + 2 * profile.lock.tolerance + 2 if kind.linger else 0
    return Field(
        f,
        k,
        max(1, (2**_TIME_BITS // family.slot).bit_length()),
        (kind.duration_count - 1).bit_length(),
        (kind.variants - 1).bit_length(),
        end.bit_length(),
    )


def _marks(profile: Profile, f: int, k: int) -> Marks:
    family, kind = profile.families[f], profile.families[f].kinds[k]
    if kind.supersedes:
        return Marks(f, k, 0, kind.duration_count)
    tolerance = profile.lock.tolerance
    lives = [life(profile, Grant(f, k, 0, d, 0)).fresh_until(tolerance) for d in _extremes(kind)]
    starts = (max(lives) + tolerance - kind.opens - 1) // family.slot + 1
    return Marks(f, k, starts, starts * kind.size_per_slot)
