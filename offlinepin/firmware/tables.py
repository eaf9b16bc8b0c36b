"""A product's table for the C lock: any profile and keypad as constant data, so that no vendor has C code of its own.
``firmware/include/offlinepin.h`` says what each field means."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Final

from offlinepin.engine.cipher import halves
from offlinepin.engine.payload import reach
from offlinepin.engine.profile import DAY, Action, Family, Kind, Profile
from offlinepin.errors import ProfileError
from offlinepin.keypad import KeypadPolicy
from offlinepin.lock.layout import Layout

_EVERY_DAY: Final = 0b1111111
_ACTIONS: Final = {action: f"OPIN_{action.name}" for action in Action}


def tables(profile: Profile, keypad: KeypadPolicy | None = None) -> str:
    """The C source of a product's table, for the standard output of ``offlinepin firmware tables``.

    Args:
        profile: the product's rules.
        keypad: how its keypad is worked; the usual one by default.

    Raises:
        ProfileError: the profile has a number that the firmware has no room for, or the keypad cannot type its codes.
    """
    keypad = KeypadPolicy() if keypad is None else keypad
    keypad.check(profile)
    return "\n".join(_Writer(profile, keypad).lines()) + "\n"


class _Writer:
    def __init__(self, profile: Profile, keypad: KeypadPolicy) -> None:
        self._profile, self._keypad, self._layout = profile, keypad, Layout(profile)
        self._kinds = [(f, k) for f, family in enumerate(profile.families) for k in range(len(family.kinds))]
        self._fields = {(field.family, field.kind): field for field in self._layout.fields}
        self._rings = {(marks.family, marks.kind): marks for marks in self._layout.rings}
        self._groups = sorted({kind.supersedes for family in profile.families for kind in family.kinds if kind.supersedes})
        self._ranges = {(f, k): tuple(self._kind_ranges(f, k)) for f, k in self._kinds}
        self._lists = list(dict.fromkeys(self._ranges.values()))

    def _kind(self, f: int, k: int) -> Kind:
        return self._profile.families[f].kinds[k]

    def lines(self) -> Iterator[str]:
        """The source, line by line."""
        yield f"/* The table of product {_comment(self._profile.name)}, made from its profile document. Do not change it by hand. */"
        yield '#include "offlinepin.h"'
        yield ""
        for i, ranges in enumerate(self._lists):
            yield f"static const opin_range ranges_{i}[] = {{{', '.join(ranges)}}};"
        yield ""
        yield "static const opin_kind kinds[] = {"
        first_mark = 0
        for f, k in self._kinds:
            yield from self._kind_lines(f, k, first_mark)
            first_mark += self._rings[f, k].bits if (f, k) in self._rings else 0
        yield "};"
        yield ""
        yield "static const opin_family families[] = {"
        for i, family in enumerate(self._profile.families):
            yield self._family_line(i, family)
        yield "};"
        yield ""
        yield from self._product_lines()

    def _kind_ranges(self, f: int, k: int) -> Iterator[str]:
        """The durations of a kind in seconds, each range in parts that lapse or do not."""
        kind, slot = self._kind(f, k), self._profile.families[f].slot
        for durations in kind.ranges:
            _fits_signed(f"families[{f}].kinds[{k}].durations", (durations[-1] + durations.step) * slot)
            for lapses, part in [(lapses, list(part)) for lapses, part in groupby(durations, kind.lapses)]:
                yield f"{{{part[0] * slot}U, {durations.step * slot}U, {len(part)}U, {_flag(lapses)}}}"

    def _kind_lines(self, f: int, k: int, first_mark: int) -> Iterator[str]:
        profile, family, kind = self._profile, self._profile.families[f], self._kind(f, k)
        member = f"families[{f}].kinds[{k}]"
        field, ring = self._fields[f, k], self._rings.get((f, k))
        about = self._kinds.index(profile.revocable(kind)) if kind.action is Action.REVOKE else 0
        group = self._groups.index(kind.supersedes) + 1 if kind.supersedes else 0
        for name, value in (("activation", kind.activation * family.slot), ("variants", kind.variants), ("linger", kind.linger)):
            _fits(f"{member}.{name}", value)
        for name in ("opens", "closes"):
            _fits_signed(f"{member}.{name}", getattr(kind, name))
        _fits_bits(f"{member}.linger", field.end_bits)
        _fits_bits(f"{member}.variants", field.variant_bits)
        yield f"    {{.base = {family.bases[k]}U, .ranges = ranges_{self._lists.index(self._ranges[f, k])},"
        yield f"     .duration_count = {kind.duration_count}U, .variants = {kind.variants}U, .slot = {family.slot}U,"
        yield f"     .activation = {kind.activation * family.slot}U, .linger = {kind.linger}U,"
        yield f"     .opens = {kind.opens}, .closes = {kind.closes},"
        yield f"     .hours_from = {kind.hours[0]}U, .hours_to = {kind.hours[1]}U,"
        yield f"     .ring = {ring.starts if ring else 0}U, .first_mark = {first_mark if ring else 0}U, .about = {about}U,"
        yield f"     .family = {f}U, .action = {_ACTIONS[kind.action]}, .uses = {kind.uses}U, .weekdays = {kind.weekdays}U,"
        yield f"     .group = {group}U,"
        yield (
            f"     .duration_bits = {field.duration_bits}U, .variant_bits = {field.variant_bits}U, .end_bits = {field.end_bits}U}},"
            f" /* {_comment(kind.name)} */"
        )

    def _family_line(self, index: int, family: Family) -> str:
        low, high = halves(self._profile.radix, family.length)
        member = f"families[{index}]"
        _fits(f"{member}.slot", family.slot)
        _fits(f"{member}.window", family.window)
        _fits(f"{member}.kinds", family.bases[-1])
        if family.slot < 2:
            raise ProfileError(f"{member}.slot", "the firmware counts slots in 32 bits, so a slot must have at least 2 seconds, not 1")
        first = self._kinds.index((index, 0))
        earliest, latest = self._reach(family, member)
        flags = (family.sets_clock, family.name in self._keypad.personal, family.name in self._keypad.passage)
        sets_clock, personal, passage = map(_flag, flags)
        return (
            f"    {{.prefix = {_literal(family.prefix)}, .payloads = {family.bases[-1]}U, .low = {low}U, .high = {high}U,\n"
            f"     .slot = {family.slot}U, .window = {family.window}U, .earliest = {earliest}, .latest = {latest},\n"
            f"     .first_kind = {first}U, .kind_count = {len(family.kinds)}U,\n"
            f"     .prefix_length = {len(family.prefix)}U, .length = {family.length}U, .sets_clock = {sets_clock}, "
            f".has_personal = {personal}, .has_passage = {passage}}}, /* {_comment(family.name)} */"
        )

    def _reach(self, family: Family, member: str) -> tuple[int, int]:
        """``(earliest, latest)`` of all kinds together: one stretch of time, of which each kind has its own part. A clock code is tried in
        the window at hand and the next."""
        if family.sets_clock:
            return family.slot, family.slot * family.window
        reaches = [reach(family, kind, self._profile.lock.tolerance) for kind in family.kinds]
        stretches = sorted((-earliest, latest) for earliest, latest in reaches)
        first, last = stretches[0]
        for begin, end in stretches[1:]:
            if begin > last:
                raise ProfileError(
                    f"{member}.kinds",
                    f"the firmware looks at one stretch of starts for a family, and {begin - last} seconds lie between those of its kinds: "
                    "put them into families of their own",
                )
            last = max(last, end)
        _fits_signed(f"{member}.kinds.durations", -first)
        _fits_signed(f"{member}.kinds.opens", last)
        return -first, last

    def _product_lines(self) -> Iterator[str]:
        profile, keypad, lockout = self._profile, self._keypad, self._profile.lock.lockout
        kinds = [self._kind(f, k) for f, k in self._kinds]
        mark_bytes, kind_bits = (self._layout.marks + 7) // 8, max(1, (len(self._kinds) - 1).bit_length())
        for name in ("free", "delay", "growth", "cap", "leak"):
            _fits(f"lock.lockout.{name}", getattr(lockout, name))
        _fits_signed("lock.tolerance", profile.lock.tolerance)
        if profile.lock.capacity > 0xFFFE:
            raise ProfileError("lock.capacity", f"the firmware remembers at most 65,534 codes, not {profile.lock.capacity}")
        yield "const opin_profile opin_product = {"
        yield f"    .digest = {{{', '.join(f'0x{byte:02x}' for byte in profile.digest)}}},"
        yield f"    .alphabet = {_literal(profile.alphabet)}, .families = families, .kinds = kinds, .tolerance = {profile.lock.tolerance}U,"
        yield f"    .free = {lockout.free}U, .delay = {lockout.delay}U, .growth = {lockout.growth}U, .cap = {lockout.cap}U,"
        yield f"    .leak = {lockout.leak}U, .key_timeout = {keypad.timeout}U, .capacity = {profile.lock.capacity}U,"
        yield f"    .mark_bytes = {mark_bytes}U, .family_count = {len(profile.families)}U, .kind_count = {len(self._kinds)}U,"
        yield f"    .radix = {profile.radix}U, .group_count = {len(self._groups)}U, .kind_bits = {kind_bits}U,"
        yield f"    .most_keys = {keypad.max_keys}U, .enter = {_character(keypad.enter)}, .clear = {_character(keypad.clear)},"
        yield f"    .masking = {_flag(keypad.masking)}, .actions = {self._actions()}U, .has_marks = {_flag(bool(self._rings))},"
        remembers = any(kind.remembers(r[-1]) or kind.remembers(r[0]) for kind in kinds for r in kind.ranges)
        yield f"    .has_memory = {_flag(remembers)},"
        yield f"    .has_linger = {_flag(any(kind.linger for kind in kinds))}, .has_hours = {_flag(any(map(_has_hours, kinds)))},"
        yield f"    .has_personal = {_flag(bool(keypad.personal))}, .has_passage = {_flag(bool(keypad.passage))},"
        yield "};"
        yield ""
        sizes = f"{len(self._groups)}, {mark_bytes}, {profile.lock.capacity}, {keypad.max_keys}"
        yield f"uint8_t opin_product_memory[OPIN_MEMORY_BYTES({sizes})];"
        yield ""
        yield "#if defined(OPIN_WHOLE)"
        yield '#include "opin_whole.h" /* the lock itself, made for this product */'
        yield "#endif"

    def _actions(self) -> int:
        """A bit for each action that a kind has, by its place in ``opin_action``."""
        return sum(1 << place for place, action in enumerate(Action) if any(self._kind(f, k).action is action for f, k in self._kinds))


def _flag(value: bool) -> str:
    return str(value).lower()


def _has_hours(kind: Kind) -> bool:
    return kind.hours != (0, DAY) or kind.weekdays != _EVERY_DAY


def _fits(member: str, value: int) -> None:
    if not 0 <= value < 2**32:
        raise ProfileError(member, f"the firmware has 32 bits for it, and {value} does not fit")


def _fits_signed(member: str, value: int) -> None:
    if not -(2**31) <= value < 2**31:
        raise ProfileError(member, f"the firmware counts it in 32 bits, so that times of about 68 years fit, but not {value} seconds")


def _fits_bits(member: str, bits: int) -> None:
    if bits > 31:
        raise ProfileError(member, f"the firmware has 31 bits for it in a packed grant, and this kind needs {bits}")


def _literal(text: str) -> str:
    return '"' + "".join(f"\\{c}" if c in '"\\?' else c for c in text) + '"'


def _character(key: str) -> str:
    return f"'\\{key}'" if key in "'\\" else f"'{key}'"


def _comment(text: str) -> str:
    return text.replace("*/", "* /").replace("/*", "/ *").replace("\\", "/")
