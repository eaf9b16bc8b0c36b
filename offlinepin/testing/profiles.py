"""Small products, valid by construction, that use every word of the profile's vocabulary: what the harness tests locks with beside
the vendors that are installed."""

from __future__ import annotations

from typing import Any, Final

from offlinepin.engine.profile import DAY, Profile
from offlinepin.keypad import KeypadPolicy
from offlinepin.service import CODES, with_service_codes
from offlinepin.testing.choosing import Chooser, chance
from offlinepin.vendor import Vendor

ZONES: Final = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "-03:00")
"""Zones with and without daylight saving time; one shifts by half an hour."""

ALPHABETS: Final = ("0123456789", "1234", "13579", "ABCDEF", "0123456789abcdef", "01")
_PREFIXES: Final = ("", "X", "XY")
_SERVICE_RADIX: Final = 4  # below, service codes would have more keys than a keypad takes


def small_vendor(choose: Chooser) -> Vendor:
    """A vendor of a small profile, with a zone and a keypad."""
    profile = small_profile(choose)
    names = tuple(family.name for family in profile.families if family.name.startswith("product"))
    masking = chance(choose, 3)
    personal = not masking and all(family.total_length != 6 for family in profile.families) and chance(choose, 2)
    keypad = KeypadPolicy(
        masking=masking, max_keys=24, personal=names if personal else (), passage=names[:1] if not masking and chance(choose, 2) else ()
    )
    zone = choose.pick(ZONES) if profile.clock == "civil" else None
    return Vendor("small", profile, time_zone=zone, keypad=keypad, title="A generated product")


def small_profile(choose: Chooser) -> Profile:
    """A small valid profile: one to three families of one to three kinds, with service codes if its alphabet has room for them."""
    alphabet = choose.pick(ALPHABETS)
    count = choose.integer(1, 3)
    document: dict[str, Any] = {
        "offlinepin": 1,
        "name": "small",
        "alphabet": alphabet,
        "clock": choose.pick(("utc", "civil")),
        "families": [_family(choose, alphabet, index) for index in range(count)],
        "lock": {
            "tolerance": choose.pick((600, 0, 60, 3600)),
            "capacity": choose.integer(0, 4),
            "lockout": {
                "free": choose.integer(2, 6),
                "delay": choose.pick((30, 300)),
                "growth": choose.integer(1, 3),
                "cap": choose.pick((300, 3600)),
                "leak": choose.pick((14_400, 1800)),
            },
        },
    }
    if len(alphabet) >= _SERVICE_RADIX and not chance(choose, 5):
        document = with_service_codes(document)
    return Profile.parse(document)


def _family(choose: Chooser, alphabet: str, index: int) -> dict[str, Any]:
    slot = choose.pick((3600, 900, 7200, DAY))
    kinds = [_kind(choose, slot, f"kind-{k}") for k in range(choose.integer(1, 3))]
    window = choose.integer(24, 40)
    payloads = window * sum(kind["variants"] * sum(count for _, _, count in kind["durations"]) for kind in kinds)
    room = payloads * choose.pick((20, 2, 1))
    length = next(n for n in range(2, 40) if len(alphabet) ** n >= room)
    prefix = _PREFIXES[index]
    if len(alphabet) ** (length + len(prefix) - 1) >= CODES > len(alphabet) ** (length + len(prefix) - 2):
        length += 1  # as long as service codes, which have a key of the alphabet for their prefix
    return {"name": f"product-{index}", "prefix": prefix, "length": length, "slot": slot, "window": window, "kinds": kinds}


def _kind(choose: Chooser, slot: int, name: str) -> dict[str, Any]:
    durations = sorted({choose.integer(0, 8) for _ in range(choose.integer(1, 4))})
    opens, closes = (choose.pick((0, 0, slot // 4, -slot // 4)) for _ in range(2))
    if chance(choose, 3):
        first, last = sorted((choose.integer(0, 23), choose.integer(1, 24)))
        hours = [first * 3600, max(last, first + 1) * 3600]
    else:
        hours = [0, DAY]
    return {
        "name": name,
        "action": choose.pick(("unlock", "unlock", "unlock", "passage")),
        "durations": [[duration, 0, 1] for duration in durations],
        "variants": choose.integer(1, 3),
        "activation": choose.integer(1 if 0 in durations else 0, 5),
        "uses": choose.integer(0, 1),
        "linger": choose.pick((0, 0, 1800, 7200)),
        "opens": opens,
        "closes": closes,
        "hours": hours,
        "weekdays": choose.pick((127, 127, 0b0011111, 0b1100000)),
        "supersedes": choose.pick(("", "", "guests", "staff")),
    }
