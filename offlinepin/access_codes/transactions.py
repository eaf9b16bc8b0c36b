"""Transactions that write: one for each call over PostgreSQL; over SQLite, where writers take turns anyway, one for all calls that wait at
the same time, so that one write to the disk serves them all."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from offlinepin.access_codes.errors import StoreError

T = TypeVar("T")
_TRIES: Final = 12
_LARGEST: Final = 64
"""Calls in one transaction at most: the first to come must not wait for all that come after it."""


@dataclass(slots=True)
class _Waiting:
    """A call that waits for its turn, and what came of it once it is served."""

    work: Callable[[Session], Any]
    result: Any = None
    error: Exception | None = None
    is_served: bool = False

    def serve(self, run: Callable[[Callable[[Session], Any]], Any]) -> None:
        """Run the work and keep what came of it."""
        try:
            self.result, self.error = run(self.work), None
        except Exception as error:
            self.error = error


@dataclass(slots=True)
class Writers:
    """Those who write to a database. Safe between threads."""

    engine: Engine
    _line: deque[_Waiting] = field(default_factory=deque)
    _turn: Lock = field(default_factory=Lock)

    @property
    def _takes_turns(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._line)

    def run(self, work: Callable[[Session], T]) -> T:
        """Run ``work`` in a transaction; its result once that is committed. What it raises is raised, and then it has changed nothing.

        It is run anew when another transaction came first, so it must touch nothing else; it may run in another caller's thread.

        Raises:
            StoreError: the database cannot be used. Nothing was changed.
        """
        if not self._takes_turns:
            return self._alone(work)
        mine = _Waiting(work)
        self._line.append(mine)
        while not mine.is_served:
            with self._turn:  # whoever has it serves all that wait; most find themselves served when they get it
                if not mine.is_served:
                    self._serve([self._line.popleft() for _ in range(min(len(self._line), _LARGEST))])
        if mine.error is not None:
            raise mine.error
        result: T = mine.result
        return result

    def _serve(self, group: list[_Waiting]) -> None:
        """Serve a group in one transaction, or, where the database refused one of them there, each alone."""
        try:
            if len(group) == 1 or not self._together(group):
                for one in group:
                    one.serve(self._alone)
        except BaseException:
            for one in group:
                one.error = StoreError("the thread that wrote was interrupted; whether this was written is not known")
            raise
        finally:
            for one in group:
                one.is_served = True

    def _together(self, group: list[_Waiting]) -> bool:
        """Serve a group in one transaction; ``False`` if nothing came of it."""
        try:
            with self.engine.begin() as connection:
                for one in group:
                    one.serve(partial(_in_savepoint, connection))
                    if isinstance(one.error, SQLAlchemyError):
                        raise one.error
        except SQLAlchemyError:
            return False
        return True

    def _alone(self, work: Callable[[Session], T]) -> T:
        for attempt in range(1, _TRIES + 1):
            try:
                with self.engine.begin() as connection:
                    return _at(connection, work)
            except (IntegrityError, OperationalError) as cause:
                if attempt == _TRIES or not self._passes(cause):
                    raise StoreError(f"nothing was changed: {said(cause)}") from cause
                time.sleep(0.002 * attempt * secrets.randbelow(4))
            except SQLAlchemyError as cause:
                raise StoreError(f"nothing was changed: {said(cause)}") from cause
        raise AssertionError

    def _passes(self, cause: DBAPIError) -> bool:
        """Whether the same work may well succeed when it is run anew: not where it was alone with the database, as in SQLite."""
        came_second = isinstance(cause, IntegrityError) and not self._takes_turns
        return came_second or any(word in str(cause.orig) for word in ("locked", "deadlock", "serialize"))


def _at(connection: Connection, work: Callable[[Session], T]) -> T:
    """Run ``work``, which flushes, in the connection's transaction; the session leaves it open."""
    with Session(connection, join_transaction_mode="rollback_only") as session:
        return work(session)


def _in_savepoint(connection: Connection, work: Callable[[Session], T]) -> T:
    """Run ``work`` so that nothing stays of it if it refuses."""
    connection.exec_driver_sql("SAVEPOINT one")
    try:
        result = _at(connection, work)
    except SQLAlchemyError:
        raise  # the database may have rolled all of it back: the group is over
    except Exception:
        connection.exec_driver_sql("ROLLBACK TO one")
        raise
    connection.exec_driver_sql("RELEASE one")
    return result


def said(cause: SQLAlchemyError) -> str:
    """What the database said, without the statement and its values: those are nobody's to see."""
    return str(cause.orig).splitlines()[0] if isinstance(cause, DBAPIError) else type(cause).__name__
