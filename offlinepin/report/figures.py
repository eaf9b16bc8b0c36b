"""How the report writes odds, chances, counts and times, for people."""

from __future__ import annotations

_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_BIG = ((10**12, " trillion", "T"), (10**9, " billion", "G"), (10**6, " million", "M"))


def about(number: float, short: bool = False) -> str:
    """A count to two significant digits: ``72,000``, ``1.1 million``, in short ``1.1M``."""
    rounded = float(f"{number:.1e}")
    for size, word, letter in _BIG:
        if rounded >= 1000 * size:
            return f"{rounded:.1e}"
        if rounded >= size:
            return f"{rounded / size:.3g}{letter if short else word}"
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:.2g}"


def one_in(odds: float, short: bool = False) -> str:
    """A probability as ``1 in 14,000``; ``never`` for 0."""
    return f"1 in {about(1 / odds, short)}" if odds > 0 else "never"


def chance(probability: float, short: bool = False) -> str:
    """A probability as a percentage where it is 1 % or more, else as :func:`one_in`."""
    if probability < 0.01:
        return one_in(probability, short)
    if probability >= 0.995:
        return "over 99 %"
    return f"{100 * probability:.0f} %" if probability >= 0.1 else f"{100 * probability:.1f} %"


def brief(probability: float) -> str:
    """:func:`chance` as it stands in a table: M for millions, G for thousands of millions, T for millions of millions."""
    return chance(probability, short=True)


def duration(seconds: int) -> str:
    """A span in its largest whole unit: ``10 minutes``, ``1 hour``, ``90 seconds``."""
    for size, unit in _UNITS:
        if seconds and seconds % size == 0:
            return f"{seconds // size:,} {unit}{'' if seconds == size else 's'}"
    return "none"


def count(number: int | None) -> str:
    """A count in full; ``no limit`` for ``None``."""
    return "no limit" if number is None else f"{number:,}"


def listed(words: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else ""
