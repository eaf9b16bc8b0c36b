"""Codes as text: sealing a grant into one, finding which family claims a text, opening it under a window, and how people write it."""

from __future__ import annotations

import re

from offlinepin.engine.cipher import decipher, encipher, halves
from offlinepin.engine.payload import Grant, decode, encode
from offlinepin.engine.profile import Profile
from offlinepin.engine.token import DeviceToken
from offlinepin.errors import InvalidCodeError


def seal(profile: Profile, token: DeviceToken, grant: Grant) -> str:
    """The code of a grant: prefix and sealed part (format 1, section 7).

    Raises:
        TimeOutOfRangeError, UnknownKindError, VariantError: the grant is none of this profile.
    """
    family = profile.families[grant.family]
    window, payload = encode(family, grant)
    f = token.window_round(profile.digest, grant.family, window)
    return family.prefix + to_symbols(encipher(payload, *halves(profile.radix, family.length), f), profile.alphabet, family.length)


def claim(profile: Profile, typed: str) -> tuple[int, int] | None:
    """``(family index, number)`` of the one family that claims a typed text, or ``None`` if none does (``malformed``)."""
    for i, family in enumerate(profile.families):
        if len(typed) == family.total_length and typed.startswith(family.prefix):
            number = from_symbols(typed[len(family.prefix) :], profile.alphabet)
            if number is not None:
                return i, number
    return None


def open_under(profile: Profile, token: DeviceToken, family_index: int, window: int, number: int) -> Grant | None:
    """The grant that a claimed number means under one window, or ``None`` if it deciphers to no payload."""
    family = profile.families[family_index]
    f = token.window_round(profile.digest, family_index, window)
    return decode(family, family_index, window, decipher(number, *halves(profile.radix, family.length), f))


def to_symbols(number: int, alphabet: str, length: int) -> str:
    """``number`` in ``length`` symbols, most significant first. A leading zero is a symbol like any other."""
    if alphabet == "0123456789":
        return f"{number:0{length}d}"
    symbols = []
    for _ in range(length):
        number, digit = divmod(number, len(alphabet))
        symbols.append(alphabet[digit])
    return "".join(reversed(symbols))


def from_symbols(text: str, alphabet: str) -> int | None:
    """The number that symbols spell, or ``None`` if one of them is not in the alphabet."""
    number = 0
    for symbol in text:
        digit = alphabet.find(symbol)
        if digit < 0:
            return None
        number = number * len(alphabet) + digit
    return number


def grouped(code: str) -> str:
    """A code for reading aloud: groups of three, with no group of one (``123 456 789``, ``123 45 67``, ``12 34``)."""
    tail = {0: 0, 1: 4 if len(code) >= 4 else len(code), 2: 2}[len(code) % 3]
    head = len(code) - tail
    groups = [code[i : i + 3] for i in range(0, head, 3)] + [code[i : i + 2] for i in range(head, len(code), 2)]
    return " ".join(groups)


def ungrouped(profile: Profile, text: str) -> str:
    """What a keypad would get of a pasted code: single spaces or hyphens between groups are dropped, nothing else is.

    Raises:
        InvalidCodeError: the text is empty or holds something that is no key of this profile (a full-width digit, a letter, …).
    """
    keys = set(profile.alphabet).union(*(f.prefix for f in profile.families))
    separators = "".join(s for s in " -" if s not in keys)
    code = re.sub(f"(?<=[^{separators}])[{separators}](?=[^{separators}])", "", text) if separators else text
    for position, symbol in enumerate(code):
        if symbol not in keys:
            raise InvalidCodeError(
                f"{symbol!r} (character {position + 1} without separators) is no key of profile {profile.name!r}; its keys are "
                f"{''.join(sorted(keys))!r}, with single spaces or hyphens between groups"
            )
    if not code:
        raise InvalidCodeError("the code is empty")
    return code
