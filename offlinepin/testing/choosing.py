"""One way to make choices, so that the same code draws from a seeded generator in a campaign and from hypothesis in a test."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

T = TypeVar("T")


class Chooser(Protocol):
    """Makes choices. What comes first is the simplest, for those that can look for the simplest case."""

    def integer(self, low: int, high: int) -> int:
        """An integer, both ends included."""
        ...

    def pick(self, options: Sequence[T]) -> T:
        """One of the options."""
        ...


class RandomChooser:
    """Chooses by a seeded generator."""

    def __init__(self, seed: str | int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - test cases that can be made again, no secret

    def integer(self, low: int, high: int) -> int:
        """See :meth:`Chooser.integer`."""
        return self._random.randint(low, high)

    def pick(self, options: Sequence[T]) -> T:
        """See :meth:`Chooser.pick`."""
        return options[self._random.randrange(len(options))]


class DrawChooser:
    """Chooses by hypothesis: give it the ``draw`` of a composite strategy or of ``st.data()``."""

    def __init__(self, draw: Callable[[SearchStrategy[Any]], Any]) -> None:
        from hypothesis import strategies as st

        self._draw, self._st = draw, st

    def integer(self, low: int, high: int) -> int:
        """See :meth:`Chooser.integer`."""
        return int(self._draw(self._st.integers(low, high)))

    def pick(self, options: Sequence[T]) -> T:
        """See :meth:`Chooser.pick`."""
        return options[self.integer(0, len(options) - 1)]


def chance(choose: Chooser, one_in: int) -> bool:
    """True once in ``one_in`` times."""
    return choose.integer(1, one_in) == one_in


def symbols(choose: Chooser, alphabet: str, length: int) -> str:
    """A text of ``length`` symbols."""
    return "".join(choose.pick(alphabet) for _ in range(length))
