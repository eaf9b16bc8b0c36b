"""What locks would say to whole tables of typed codes: each row's reason is that of :func:`offlinepin.lock.decide.decide` with a new
state, as an auditor asks who replays a year."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from offlinepin.batch.answers import label_array, refusal_arrays
from offlinepin.batch.clocks import ClockTables
from offlinepin.batch.columns import (
    Column,
    Mask,
    Moments,
    at,
    check_schema,
    column_of,
    moment,
    secret,
    text,
    texts_of,
    transform,
    valid_of,
    whole,
)
from offlinepin.batch.devices import TokenMaker
from offlinepin.batch.drafts import windows_at
from offlinepin.batch.kernel import Shape, Texts
from offlinepin.batch.kernels import load
from offlinepin.batch.matching import KindTable, kind_tables, life_rows
from offlinepin.batch.requests import Rows, grouped, microseconds
from offlinepin.batch.sealing import Devices, Sealer, start_rows
from offlinepin.batch.single import Refusal, moment_of, token_source
from offlinepin.engine.clock import LockClock
from offlinepin.engine.profile import DAY, Action, Profile
from offlinepin.errors import DeviceIdError, KeyMaterialError, RequestError
from offlinepin.issuer import Issuer
from offlinepin.keys import TokenSource
from offlinepin.lock.decide import Reason, decide
from offlinepin.lock.state import State
from offlinepin.vendor import Vendor, resolve

I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]
COLUMNS: Final[tuple[Column, ...]] = (
    text("device_id", required=True),
    text("code", required=True),
    moment("at", required=True, nullable=False),
    secret("token"),
    whole("generation"),
    text("time_zone"),
)
_REASONS: Final = list(Reason)
_RANK: Final = {reason: rank for rank, reason in enumerate(_REASONS)}
_RESULTS: Final = ("reason", "error", "error_text")


def verify(
    table: Any, keys: TokenSource, vendor: str | Vendor | Profile, *, time_zone: str | None = None
) -> pa.Table | pa.RecordBatchReader:
    """What a lock that remembers nothing yet says to the code of every row.

    Columns in: ``device_id``, ``code`` (what was typed: text) and ``at`` (a timestamp with a zone: when), and if wanted ``generation``,
    ``token`` and ``time_zone`` as for :func:`generate`. Other columns pass through.

    Columns out: those of the input, and ``reason`` (``opened``, ``too_early``, ``unknown``, … of :class:`Reason`); for a row that no lock
    can be asked about, ``error`` and ``error_text``.

    Args:
        table: see :func:`generate`.
        keys, vendor: as for :class:`offlinepin.issuer.Issuer`.
        time_zone: of locks with a civil clock, where a row names none.

    Returns:
        A reader for a reader, otherwise a table. Rows keep their order.

    Raises:
        BatchError: a column is missing or has the wrong type.
        VendorError: the vendor is unknown.
    """
    verifier = Verifier(keys, resolve(vendor), time_zone)
    return transform(table, verifier.check, verifier.batch)


class Verifier:
    """Judges record batches one after the other. See :func:`verify`."""

    def __init__(self, keys: TokenSource, vendor: Vendor, time_zone: str | None) -> None:
        self._vendor, self._profile, self._keys = vendor, vendor.profile, keys
        self._time_zone = time_zone
        self._issuer = Issuer(keys, vendor, allow_weak=True)
        self._kernel = load()
        self._sealer = Sealer(self._kernel, self._profile)
        self._clocks = ClockTables()
        self._kinds = kind_tables(self._profile)

    def check(self, schema: pa.Schema) -> list[pa.Field]:
        """Refuse a schema, or get ready for its batches and say what is added."""
        check_schema(schema, COLUMNS, _RESULTS)
        self._tokens = TokenMaker(self._kernel, self._keys, None, own=schema.get_field_index("token") >= 0)
        return [pa.field("reason", pa.dictionary(pa.int16(), pa.string())), *(pa.field(name, pa.string()) for name in _RESULTS[1:])]

    def batch(self, batch: pa.RecordBatch) -> list[pa.Array]:
        """The added columns of one record batch."""
        n = batch.num_rows
        ranks, refusals = np.full(n, -1, np.int16), dict[int, Refusal]()
        if n:
            self._judge(batch, ranks, refusals)
        missing = ranks < 0
        return [label_array(np.maximum(ranks, 0), _REASONS, missing if missing.any() else None), *refusal_arrays(refusals, n)]

    def _judge(self, batch: pa.RecordBatch, ranks: npt.NDArray[np.int16], refusals: dict[int, Refusal]) -> None:
        """Writes each row's reason, as its place in the order of :class:`Reason`, or why it has none."""
        rows = Rows.of(batch, COLUMNS, shared=self._tokens.shares)
        typed = _Typed.of(batch)
        plain = rows.have_tokens() & typed.there
        readings = self._readings(rows, typed.moments, plain)
        chosen = np.flatnonzero(plain)
        known = self._tokens.of(rows, chosen)
        if known.failed is not None:
            plain[chosen[known.failed]] = False
        ranks[plain] = _RANK[Reason.MALFORMED]
        for index in range(len(self._profile.families)):
            numbers, claimed = self._kernel.parse(typed.texts, Shape.of(self._profile, index))
            tables = [table for table in self._kinds if table.blank.family == index]
            usual = all(table.is_small and table.kind.action in (Action.UNLOCK, Action.PASSAGE) for table in tables)
            if not usual:
                plain &= ~claimed
                continue
            some = np.flatnonzero((claimed & plain)[chosen])
            if len(some):
                these = chosen[some]
                ranks[these] = self._read(index, tables, known.devices.of(some), numbers[these], readings[these])
        for i in np.flatnonzero(~plain).tolist():
            try:
                ranks[i] = _RANK[self._single(rows, typed, i)]
            except (RequestError, DeviceIdError, KeyMaterialError) as cause:
                ranks[i], refusals[i] = -1, Refusal.of(cause)

    def _readings(self, rows: Rows, moments: Moments, plain: Mask) -> I64:
        """What each row's lock shows. Takes out of ``plain`` the rows of which no table says it."""
        seconds, readings = moments.floor(1), np.zeros(rows.count, np.int64)
        zones = np.zeros(rows.count, np.int64) if rows.time_zone is None else rows.time_zone.codes
        for code, index in grouped(np.asarray(zones, np.int64)):
            name = None if rows.time_zone is None or code < 0 else rows.time_zone.names[code]
            rest, good = slice(None) if index is None else index, at(plain, index)
            try:
                clock = self._clock(name)
            except RequestError:
                plain[rest] = False
                continue
            if good.any():
                some = at(seconds, index)
                table = self._clocks.of(clock, int(some[good].min()), int(some[good].max()))
                plain[rest] = good & (some >= table.covers[0]) & (some <= table.covers[1])
                readings[rest] = table.reading(some)
        return readings

    def _read(self, index: int, tables: list[KindTable], devices: Devices, numbers: U64, t: I64) -> npt.NDArray[np.int16]:
        """The best reason over all windows that a lock tries, for rows of one family."""
        family, tolerance = self._profile.families[index], self._profile.lock.tolerance
        best = np.full(len(t), _RANK[Reason.UNKNOWN], np.int16)
        oldest, newest = windows_at(family, tolerance, t, t)
        bases = np.array(family.bases[1:], np.uint64)
        for step in range(int((newest - oldest).max(initial=-1)) + 1):
            rows = np.flatnonzero(oldest + step <= newest)
            window = oldest[rows] + step
            payloads = self._sealer.open(devices.of(rows), index, window.astype(np.uint32), numbers[rows])
            kinds = np.searchsorted(bases, payloads, "right")
            for kind, some in grouped(kinds):
                if kind < len(tables):
                    these = rows if some is None else rows[some]
                    start, duration = start_rows(tables[kind], at(window, some), at(payloads, some))
                    reasons = _reasons(self._profile, tables[kind], start, duration, t[these])
                    best[these] = np.minimum(best[these], reasons)
        return best

    def _single(self, rows: Rows, typed: _Typed, i: int) -> Reason:
        """One row's reason by the lock's own decision."""
        row = rows.row(i)
        code, moment = typed.column[i].as_py(), microseconds(typed.moments, i, up=False)
        if code is None:
            raise RequestError("code is missing; it must be the text that was typed")
        if moment is None:
            raise RequestError("at is missing; it must be a time")
        reading = self._clock(row.time_zone).reading(moment_of(moment, "time"))
        device_id, keys, generation = token_source(row, self._keys)
        token = keys.token(device_id, generation or 0)
        decision, _ = decide(self._profile, token, State(generation=token.generation), reading, 0, code)
        return decision.reason

    def _clock(self, name: str | None) -> LockClock:
        return self._issuer.clock(name or self._time_zone)


@dataclass(frozen=True, slots=True)
class _Typed:
    """The columns ``code`` and ``at``; ``there`` says which rows have both."""

    column: Any = field(repr=False)
    texts: Texts = field(repr=False)
    moments: Moments
    there: Mask

    @classmethod
    def of(cls, batch: pa.RecordBatch) -> _Typed:
        """The columns of a batch."""
        column = batch.column(batch.schema.get_field_index("code"))
        column = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        column = column.cast(pa.string()) if pa.types.is_null(column.type) else column
        moments = Moments.of(column_of(batch, "at"), batch.num_rows)
        there = np.ones(batch.num_rows, np.bool_)
        for valid in (moments.valid, valid_of(column)):
            if valid is not None:
                there &= valid
        return cls(column, texts_of(column), moments, there)


def _reasons(profile: Profile, table: KindTable, start: I64, duration: I64, t: I64) -> npt.NDArray[np.int16]:
    """Reasons of readings for a lock that remembers nothing, in the page's order; see :mod:`offlinepin.lock.decide`."""
    kind, tolerance = table.kind, profile.lock.tolerance
    lapses = table.lapses(duration)
    lives = life_rows(table.family, kind, lapses, start, duration)
    day, second = t // DAY, t % DAY
    open_now = (kind.hours[0] <= second) & (second < kind.hours[1]) & (kind.weekdays >> (day + 3) % 7 & 1).astype(np.bool_)
    remembers = (lapses | bool(kind.linger)) & (kind.uses == 0)
    full = remembers & (profile.lock.capacity == 0)
    cases = [
        (lives.starts < State().cleared, Reason.REVOKED),
        (t < lives.starts - tolerance, Reason.TOO_EARLY),
        (~lives.no_rule & (t >= lives.use_by), Reason.LAPSED),
        (~lives.no_end & (t >= lives.ends + tolerance), Reason.EXPIRED),
        (~open_now, Reason.OUTSIDE_HOURS),
        (full, Reason.FULL),
    ]
    return np.select([case for case, _ in cases], [_RANK[reason] for _, reason in cases], _RANK[Reason.OPENED]).astype(np.int16)
