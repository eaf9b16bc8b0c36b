"""Turns: parts of the work on numbered batches that are done in the order of their numbers, while all else runs on all threads."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from threading import Condition
from typing import Final


class Turns:
    """The turns of one part of the work: a batch's comes when every one before it has had its own. Numbers count from 0."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._next = 0
        self._failed: int | None = None

    @contextmanager
    def of(self, number: int) -> Iterator[None]:
        """Wait for a batch's turn, and let the next one have its own afterwards. ``CancelledError`` if one before it failed."""
        with self._changed:
            self._changed.wait_for(lambda: self._next >= number or self._hopeless(number))
            if self._hopeless(number):
                raise CancelledError
        yield
        self._pass(number)

    def through(self, number: int) -> None:
        """A batch that had no turn needs none."""
        if self._next <= number:
            with self.of(number):
                pass

    def fail(self, number: int) -> None:
        """A batch failed; those after it need not wait."""
        with self._changed:
            self._failed = number if self._failed is None else min(number, self._failed)
            self._changed.notify_all()

    def _hopeless(self, number: int) -> bool:
        return self._failed is not None and self._failed < number

    def _pass(self, number: int) -> None:
        with self._changed:
            self._next = number + 1
            self._changed.notify_all()


@dataclass(frozen=True, slots=True)
class Turn:
    """A batch's turns: to count the places that it takes variants from, and to settle what turned out otherwise than was counted on."""

    counting: AbstractContextManager[None]
    settling: AbstractContextManager[None]


ALONE: Final = Turn(nullcontext(), nullcontext())
"""For batches that are served one after the other."""
