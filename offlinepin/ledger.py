"""Who was handed which variant: the issuer's only memory. One variant of a kind, start and duration is given out once per device and
generation; a request id that comes again gets the same one."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from offlinepin.errors import LedgerError, RequestIdConflictError


@dataclass(frozen=True, slots=True)
class Place:
    """What variants are counted for: a device and generation, a family and kind by name, start and duration in slots."""

    device_id: str
    generation: int
    family: str
    kind: str
    start: int
    duration: int


@dataclass(frozen=True, slots=True)
class RequestKey:
    """A request id of a device, and a text that says what was asked, so that one id cannot mean two things."""

    device_id: str
    request_id: str
    asked: str

    def refuse(self, before: str) -> RequestIdConflictError:
        """The error for an id that was used for something else."""
        return RequestIdConflictError(
            f"request id {self.request_id!r} of device {self.device_id!r} was used before for another request: "
            f"{before}, and is now used for {self.asked}"
        )


@dataclass(frozen=True, slots=True)
class Taken:
    """A variant that is handed out."""

    place: Place
    variant: int


class Ledger(Protocol):
    """The store of variants. Every method is atomic between threads and, where the store is shared, between processes."""

    def recall(self, request: RequestKey) -> Taken | None:
        """What this request id was given before. ``RequestIdConflictError`` if it asked for something else then."""
        ...

    def take(self, place: Place, variants: range, usable: Callable[[int], bool], request: RequestKey | None) -> Taken | None:
        """Hand out the first free variant of ``variants`` that ``usable`` accepts; ``None`` if there is none.

        A request id that was served before gets what it had, even when another process served it a moment ago.
        """
        ...

    def take_many(self, places: Sequence[Place], variants: Sequence[range], usable: Callable[[int, int], bool]) -> list[Taken | None]:
        """What :meth:`take` gives for each place in turn, all or none. ``usable`` gets index and variant."""
        ...

    def generation(self, device_id: str) -> int:
        """The generation of a device's token; 0 until it was stepped."""
        ...

    def step(self, device_id: str, generation: int) -> None:
        """A device's token is of ``generation`` now. A smaller one than before is ignored: nobody can step back."""
        ...


class MemoryLedger:
    """A ledger for tests and single runs: it forgets everything with the process, so a new one repeats codes. Use
    :class:`SqliteLedger` wherever codes go to people."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: dict[Place, set[int]] = {}
        self._requests: dict[tuple[str, str], tuple[str, Taken]] = {}
        self._generations: dict[str, int] = {}

    def recall(self, request: RequestKey) -> Taken | None:
        """See :meth:`Ledger.recall`."""
        before = self._requests.get((request.device_id, request.request_id))
        if before is None:
            return None
        if before[0] != request.asked:
            raise request.refuse(before[0])
        return before[1]

    def take(self, place: Place, variants: range, usable: Callable[[int], bool], request: RequestKey | None) -> Taken | None:
        """See :meth:`Ledger.take`."""
        with self._lock:
            if request is not None and (before := self.recall(request)) is not None:
                return before
            taken = self._first(place, variants, usable)
            if request is not None and taken is not None:
                self._requests[request.device_id, request.request_id] = request.asked, taken
            return taken

    def take_many(self, places: Sequence[Place], variants: Sequence[range], usable: Callable[[int, int], bool]) -> list[Taken | None]:
        """See :meth:`Ledger.take_many`."""
        with self._lock:
            taken: list[Taken | None] = []
            try:
                taken.extend(self._first(place, variants[i], partial(usable, i)) for i, place in enumerate(places))
            except BaseException:
                for each in taken:
                    if each is not None:
                        self._taken[each.place].discard(each.variant)
                raise
            return taken

    def _first(self, place: Place, variants: range, usable: Callable[[int], bool]) -> Taken | None:
        used = self._taken.setdefault(place, set())
        for variant in variants:
            if variant not in used and usable(variant):
                used.add(variant)
                return Taken(place, variant)
        return None

    def generation(self, device_id: str) -> int:
        """See :meth:`Ledger.generation`."""
        return self._generations.get(device_id, 0)

    def step(self, device_id: str, generation: int) -> None:
        """See :meth:`Ledger.step`."""
        with self._lock:
            self._generations[device_id] = max(generation, self.generation(device_id))


_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS variants (
    device_id TEXT, generation INTEGER, family TEXT, kind TEXT, start INTEGER, duration INTEGER, variant INTEGER,
    PRIMARY KEY (device_id, generation, family, kind, start, duration, variant)
) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS requests (
    device_id TEXT, request_id TEXT, asked TEXT NOT NULL,
    generation INTEGER, family TEXT, kind TEXT, start INTEGER, duration INTEGER, variant INTEGER,
    PRIMARY KEY (device_id, request_id)
) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS generations (device_id TEXT PRIMARY KEY, generation INTEGER NOT NULL) WITHOUT ROWID, STRICT;
"""


class SqliteLedger:
    """A ledger in an SQLite file: safe between threads and processes, and on disk before a code is handed out.

    Args:
        path: the file; made if it is not there.
        timeout: seconds to wait for another process that writes.

    Raises:
        LedgerError: the file cannot be opened, or is no such ledger.
    """

    def __init__(self, path: str | Path, timeout: float = 30) -> None:
        self._path = str(path)
        self._timeout = timeout
        self._local = threading.local()
        with self._errors():
            self._connection().executescript(_SCHEMA)

    def recall(self, request: RequestKey) -> Taken | None:
        """See :meth:`Ledger.recall`."""
        with self._errors():
            row = (
                self._connection()
                .execute(
                    "SELECT asked, generation, family, kind, start, duration, variant FROM requests WHERE device_id = ? AND request_id = ?",
                    (request.device_id, request.request_id),
                )
                .fetchone()
            )
        if row is None:
            return None
        asked, generation, family, kind, start, duration, variant = row
        if asked != request.asked:
            raise request.refuse(asked)
        return Taken(Place(request.device_id, generation, family, kind, start, duration), variant)

    def take(self, place: Place, variants: range, usable: Callable[[int], bool], request: RequestKey | None) -> Taken | None:
        """See :meth:`Ledger.take`."""
        with self._transaction() as connection:
            if request is not None and (before := self.recall(request)) is not None:
                return before
            taken = first_free(connection, place, variants, usable)
            if request is not None and taken is not None:
                connection.execute(
                    "INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (place.device_id, request.request_id, request.asked, *_values(place)[1:], taken.variant),
                )
            return taken

    def take_many(self, places: Sequence[Place], variants: Sequence[range], usable: Callable[[int, int], bool]) -> list[Taken | None]:
        """See :meth:`Ledger.take_many`."""
        with self._transaction() as connection:
            return [first_free(connection, place, variants[i], partial(usable, i)) for i, place in enumerate(places)]

    def generation(self, device_id: str) -> int:
        """See :meth:`Ledger.generation`."""
        with self._errors():
            rows = self._connection().execute("SELECT generation FROM generations WHERE device_id = ?", (device_id,))
            return max((generation for (generation,) in rows), default=0)

    def step(self, device_id: str, generation: int) -> None:
        """See :meth:`Ledger.step`."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO generations VALUES (?, ?) ON CONFLICT DO UPDATE SET generation = max(generation, excluded.generation)",
                (device_id, generation),
            )

    def close(self) -> None:
        """Close this thread's connection. The ledger opens another when it is used again."""
        held = self._local.__dict__.pop("held", None)
        if held is not None:
            held[1].close()

    def _connection(self) -> sqlite3.Connection:
        """This thread's connection; a forked child opens its own, since SQLite's must not cross a fork."""
        held: tuple[int, sqlite3.Connection] | None = getattr(self._local, "held", None)
        if held is None or held[0] != os.getpid():
            held = self._local.held = os.getpid(), self._open()
        return held[1]

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=self._timeout, isolation_level=None)
        give_up = time.monotonic() + self._timeout
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                return connection
            except sqlite3.OperationalError as cause:  # where two make the change to WAL at once, SQLite refuses one without waiting
                if cause.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                    connection.close()
                    raise
                time.sleep(0.01)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._errors():
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # a full disk has rolled it back already
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeEncodeError) as cause:
            raise LedgerError(f"the ledger {self._path!r} cannot be used: {cause}; no code was handed out") from cause


def _values(place: Place) -> tuple[str | int, ...]:
    return place.device_id, place.generation, place.family, place.kind, place.start, place.duration


def first_free(connection: sqlite3.Connection, place: Place, variants: range, usable: Callable[[int], bool]) -> Taken | None:
    """Take the first free and usable variant, within a transaction."""
    values = _values(place)
    rows = connection.execute(
        "SELECT variant FROM variants WHERE (device_id, generation, family, kind, start, duration) = (?, ?, ?, ?, ?, ?)", values
    )
    used = {variant for (variant,) in rows}
    for variant in variants:
        if variant not in used and usable(variant):
            connection.execute("INSERT INTO variants VALUES (?, ?, ?, ?, ?, ?, ?)", (*values, variant))
            return Taken(place, variant)
    return None
