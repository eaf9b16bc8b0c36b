"""Service codes (format 1, section 10): the families that a product's own families need for them, so that no plug-in writes them down.
They are longer than the product's codes, so that their odds are their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from offlinepin.engine.profile import CLOCK_SLOT, CLOCK_WINDOW, DAY
from offlinepin.errors import ProfileError

CODES: Final = 10**13  # at least so many codes has a family of service codes: a revocation can be read under every remembered window
VALID_SECONDS: Final = DAY  # how long a clear or rotate code can be typed, at least
_OPENING: Final = ("unlock", "passage")


def with_service_codes(document: Mapping[str, Any]) -> dict[str, Any]:
    """A profile document with the families of its service codes added.

    There is one family for each pair of slot and window that the product uses, with a ``revoke`` kind for each of its unlock and
    passage kinds; the first also holds ``clear`` and ``rotate``. The family ``clock`` sets the clock. A code has one key that tells the
    families apart, and as many sealed symbols as make 10^13 codes: 14 digits in all.

    Args:
        document: a profile document whose families are the product's own.
    """
    alphabet = document["alphabet"]
    families = list(document["families"])
    opening = [family for family in families if any(kind["action"] in _OPENING for kind in family["kinds"])]
    grids = list(dict.fromkeys((family["slot"], family["window"]) for family in opening))
    if len(grids) >= len(alphabet):
        raise ProfileError(
            "families", f"service codes of {len(grids)} pairs of slot and window need {len(grids) + 1} keys, not {len(alphabet)}"
        )
    length = next(n for n in range(1, 64) if len(alphabet) ** n >= CODES)
    added = []
    for i, (slot, window) in enumerate(grids):
        kinds = [_kind(action, action, [[VALID_SECONDS // slot + 1, 0, 1]]) for action in ("clear", "rotate")] if i == 0 else []
        kinds += [
            _kind(f"{family['name']}.{kind['name']}", "revoke", kind["durations"], kind["variants"], kind["activation"])
            for family in families
            if (family["slot"], family["window"]) == (slot, window)
            for kind in family["kinds"]
            if kind["action"] in _OPENING
        ]
        name = "service" if i == 0 else f"service-{i + 1}"
        added.append(_family(name, alphabet[i], length, slot, window, kinds))
    clock = [_kind("clock", "set_clock", [[1, 0, 1]])]
    added.append(_family("clock", alphabet[len(grids)], length, CLOCK_SLOT, CLOCK_WINDOW, clock))
    return {**document, "families": [*families, *added]}


def _family(name: str, prefix: str, length: int, slot: int, window: int, kinds: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "prefix": prefix, "length": length, "slot": slot, "window": window, "kinds": kinds}


def _kind(name: str, action: str, durations: Any, variants: int = 1, activation: int = 0) -> dict[str, Any]:
    """A service kind. It may be typed again: clearing and revoking twice changes nothing, and the others end what they were sealed for."""
    return {
        "name": name,
        "action": action,
        "durations": durations,
        "variants": variants,
        "activation": activation,
        "uses": 0,
        "linger": 0,
        "opens": 0,
        "closes": 0,
        "hours": [0, DAY],
        "weekdays": 127,
        "supersedes": "",
    }
