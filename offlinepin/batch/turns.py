"""Work in steps on numbered batches: some steps are done in the order of the batches, one after the other, and all else on all threads.
No thread waits for a batch's turn: it does another batch's next step meanwhile."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator
from enum import Enum, auto
from threading import Condition, Thread
from types import TracebackType
from typing import Generic, Self, TypeAlias, TypeVar

T = TypeVar("T")


class Step(Enum):
    """When the next step of a batch's work may be done: when all batches before have done as many steps in turn or are
    served, or at any time."""

    IN_TURN = auto()
    ANY_TIME = auto()


Work: TypeAlias = Generator[Step, None, T]
"""A batch's work, which says before each step but the first when it may be done, and returns what came of it. A batch may end with fewer
steps in turn than others."""


def alone(work: Work[T]) -> T:
    """Do all of the work on a batch that has none beside it."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            found: T = end.value
            return found


class _Batch(Generic[T]):
    """A batch that is under way, and how many steps in turn it has done."""

    def __init__(self, work: Work[T]) -> None:
        self._work = work
        self._next = Step.ANY_TIME
        self._result: list[T] = []
        self._error: BaseException | None = None
        self.turns = 0
        self.is_taken = False

    @property
    def is_served(self) -> bool:
        """Whether there is a result."""
        return bool(self._result)

    @property
    def is_over(self) -> bool:
        """Whether there is a result or an error."""
        return self.is_served or self._error is not None

    def may_go_on(self, least: float) -> bool:
        """Whether a thread may take it, where all batches before are served or have done so many steps in turn at least."""
        return not self.is_taken and not self.is_over and (self._next is Step.ANY_TIME or least > self.turns)

    def go_on(self) -> None:
        """Do the next step."""
        try:
            step = next(self._work)
        except StopIteration as end:
            self._result.append(end.value)
        except BaseException as cause:
            self._error = cause
        else:
            self.turns += self._next is Step.IN_TURN
            self._next = step

    def result(self) -> T:
        """What came of it, once it is over."""
        if self._error is not None:
            raise self._error
        return self._result[0]


class Workers(Generic[T]):
    """Threads that do the work on batches, the earliest first. Leaving the context ends them after the step that each is at."""

    def __init__(self, threads: int) -> None:
        self._changed = Condition()
        self._under_way: deque[_Batch[T]] = deque()
        self._ending = False
        self._most, self._threads = threads, list[Thread]()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, cause: BaseException | None, trace: TracebackType | None) -> None:
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def __len__(self) -> int:
        return len(self._under_way)

    def add(self, work: Work[T]) -> None:
        """The work on the next batch."""
        with self._changed:
            self._under_way.append(_Batch(work))
            self._changed.notify_all()
        if len(self._threads) < self._most:
            thread = Thread(target=self._work, daemon=True)
            thread.start()
            self._threads.append(thread)

    def first(self) -> T:
        """What came of the earliest batch, which is waited for; or its error."""
        with self._changed:
            batch = self._under_way[0]
            self._changed.wait_for(lambda: batch.is_over)
            found = batch.result()
            self._under_way.popleft()  # one that failed stays, and keeps those after it waiting
        return found

    def _work(self) -> None:
        while (batch := self._take()) is not None:
            batch.go_on()
            with self._changed:
                batch.is_taken = False
                self._changed.notify_all()

    def _take(self) -> _Batch[T] | None:
        """The earliest batch that may go on, once there is one; ``None`` when all is over."""
        with self._changed:
            while not self._ending:
                least = math.inf  # after a batch that failed, no turn comes any more
                for batch in self._under_way:
                    if batch.may_go_on(least):
                        batch.is_taken = True
                        return batch
                    if not batch.is_served:
                        least = min(least, batch.turns)
                self._changed.wait()
        return None
