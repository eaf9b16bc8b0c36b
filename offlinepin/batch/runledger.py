"""A ledger for a run that may be cut off: what it hands out is written down by row, in the transaction that hands it out, so that a run
that goes on is given the same again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import astuple
from functools import partial
from pathlib import Path
from typing import Final

from offlinepin.ledger import Place, RequestKey, SqliteLedger, Taken, first_free

_RUNS: Final = """
CREATE TABLE IF NOT EXISTS batch_takes (
    run TEXT, chunk INTEGER, device_id TEXT, generation INTEGER, family TEXT, kind TEXT, start INTEGER, duration INTEGER, nth INTEGER,
    variant INTEGER NOT NULL,
    PRIMARY KEY (run, chunk, device_id, generation, family, kind, start, duration, nth)
) WITHOUT ROWID, STRICT;
"""


class RunLedger(SqliteLedger):
    """An :class:`SqliteLedger` for one run.

    Args:
        path: the ledger's file.
        run: the run's name; no two runs have the same.
    """

    def __init__(self, path: str | Path, run: str) -> None:
        super().__init__(path)
        self._run, self._chunk, self._asked = run, 0, Counter[Place]()
        with self._errors():
            self._connection().executescript(_RUNS)

    def begin(self, chunk: int) -> None:
        """What is taken from now on belongs to this part of the table. Its rows must come in the same order each time."""
        self._chunk, self._asked = chunk, Counter()

    def take(self, place: Place, variants: range, usable: Callable[[int], bool], request: RequestKey | None) -> Taken | None:
        """See :meth:`Ledger.take`."""
        if request is not None:
            return super().take(place, variants, usable, request)
        with self._transaction():
            return self._again(place, variants, usable)

    def take_many(self, places: Sequence[Place], variants: Sequence[range], usable: Callable[[int, int], bool]) -> list[Taken | None]:
        """See :meth:`Ledger.take_many`."""
        with self._transaction():
            return [self._again(place, variants[i], partial(usable, i)) for i, place in enumerate(places)]

    def forget(self) -> None:
        """Forget how the run went, once it is over; what it handed out stays handed out."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM batch_takes WHERE run = ?", (self._run,))

    def _again(self, place: Place, variants: range, usable: Callable[[int], bool]) -> Taken | None:
        """What this row was given before the run was cut off, or a variant that is free."""
        connection = self._connection()
        key = (self._run, self._chunk, *astuple(place), self._asked[place])
        self._asked[place] += 1
        row = connection.execute(
            "SELECT variant FROM batch_takes WHERE (run, chunk, device_id, generation, family, kind, start, duration, nth) "
            "= (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            key,
        ).fetchone()
        if row is not None:
            return Taken(place, row[0])
        taken = first_free(connection, place, variants, usable)
        if taken is not None:
            connection.execute("INSERT INTO batch_takes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*key, taken.variant))
        return taken
