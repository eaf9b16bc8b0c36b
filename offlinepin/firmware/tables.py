"""A product's table for the C lock: any profile and keypad as constant data, so that no vendor has C code of its own.
``firmware/include/offlinepin.h`` says what each field means."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from offlinepin.engine.cipher import halves
from offlinepin.engine.payload import reach
from offlinepin.engine.profile import Action, DurationRange, Family, Kind, Profile
from offlinepin.errors import ProfileError
from offlinepin.keypad import KeypadPolicy
from offlinepin.lock.layout import Layout

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
        self._fields = {(field.family, field.kind): field for field in self._layout._fields}
        self._rings = {(marks.family, marks.kind): marks for marks in self._layout._marks}
        self._groups = sorted({kind.supersedes for family in profile.families for kind in family.kinds if kind.supersedes})
        self._ranges: list[tuple[DurationRange, ...]] = []
        for f, k in self._kinds:
            if self._kind(f, k).durations not in self._ranges:
                self._ranges.append(self._kind(f, k).durations)

    def _kind(self, f: int, k: int) -> Kind:
        return self._profile.families[f].kinds[k]

    def lines(self) -> Iterator[str]:
        """The source, line by line."""
        yield f"/* The table of product {_comment(self._profile.name)}, made from its profile document. Do not change it by hand. */"
        yield '#include "offlinepin.h"'
        yield ""
        for i, durations in enumerate(self._ranges):
            yield f"static const opin_range ranges_{i}[] = {{{', '.join(map(self._range, durations))}}};"
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

    def _range(self, duration_range: DurationRange) -> str:
        first, step, count = duration_range
        _fits("durations", first + (step or 1) * count)
        return f"{{{first}U, {step or 1}U, {count}U}}"

    def _kind_lines(self, f: int, k: int, first_mark: int) -> Iterator[str]:
        profile, family, kind = self._profile, self._profile.families[f], self._kind(f, k)
        member = f"families[{f}].kinds[{k}]"
        earliest, latest = (0, 0) if family.sets_clock else reach(family, kind, profile.lock.tolerance)
        field, ring = self._fields[f, k], self._rings.get((f, k))
        about = self._kinds.index(profile.revocable(kind)) if kind.action is Action.REVOKE else 0
        group = self._groups.index(kind.supersedes) + 1 if kind.supersedes else 0
        for name in ("activation", "variants", "linger"):
            _fits(f"{member}.{name}", getattr(kind, name))
        for name, value in (("opens", kind.opens), ("closes", kind.closes), ("durations", earliest), ("opens", latest)):
            _fits_signed(f"{member}.{name}", value)
        _fits_bits(f"{member}.linger", field.end_bits)
        yield f"    {{.base = UINT64_C({family.bases[k]}), .ranges = ranges_{self._ranges.index(kind.durations)},"
        yield f"     .duration_count = {kind.duration_count}U, .variants = {kind.variants}U, .activation = {kind.activation}U,"
        yield f"     .linger = {kind.linger}U, .opens = {kind.opens}, .closes = {kind.closes},"
        yield f"     .hours_from = {kind.hours[0]}U, .hours_to = {kind.hours[1]}U, .earliest = {earliest}, .latest = {latest},"
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
        if family.slot < 2:
            raise ProfileError(f"{member}.slot", "the firmware counts slots in 32 bits, so a slot must have at least 2 seconds, not 1")
        first = self._kinds.index((index, 0))
        flags = (family.sets_clock, family.name in self._keypad.personal, family.name in self._keypad.passage)
        sets_clock, personal, passage = (str(flag).lower() for flag in flags)
        return (
            f"    {{.prefix = {_literal(family.prefix)}, .payloads = UINT64_C({family.bases[-1]}), .low = {low}U, .high = {high}U,\n"
            f"     .slot = {family.slot}U, .window = {family.window}U, .first_kind = {first}U, .kind_count = {len(family.kinds)}U,\n"
            f"     .prefix_length = {len(family.prefix)}U, .length = {family.length}U, .sets_clock = {sets_clock}, "
            f".has_personal = {personal}, .has_passage = {passage}}}, /* {_comment(family.name)} */"
        )

    def _product_lines(self) -> Iterator[str]:
        profile, keypad, lockout = self._profile, self._keypad, self._profile.lock.lockout
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
        yield f"    .masking = {str(keypad.masking).lower()},"
        yield "};"
        yield ""
        sizes = f"{len(self._groups)}, {mark_bytes}, {profile.lock.capacity}, {keypad.max_keys}"
        yield f"uint8_t opin_product_memory[OPIN_MEMORY_BYTES({sizes})];"


def _fits(member: str, value: int) -> None:
    if not 0 <= value < 2**32:
        raise ProfileError(member, f"the firmware has 32 bits for it, and {value} does not fit")


def _fits_signed(member: str, value: int) -> None:
    if not -(2**31) <= value < 2**31:
        raise ProfileError(member, f"the firmware counts it in 32 bits, so that times of about 68 years fit, but not {value} seconds")


def _fits_bits(member: str, bits: int) -> None:
    if bits > 32:
        raise ProfileError(member, f"the firmware has 32 bits for a shortened end, and this kind needs {bits}")


def _literal(text: str) -> str:
    return '"' + "".join(f"\\{c}" if c in '"\\?' else c for c in text) + '"'


def _character(key: str) -> str:
    return f"'\\{key}'" if key in "'\\" else f"'{key}'"


def _comment(text: str) -> str:
    return text.replace("*/", "* /").replace("/*", "/ *").replace("\\", "/")
