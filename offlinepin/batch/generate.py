"""Whole tables of codes: Arrow in, Arrow out. Every row's outcome is what :meth:`offlinepin.issuer.Issuer.issue` would give, row by row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from offlinepin.batch.answers import Answers, result_fields
from offlinepin.batch.clocks import ClockTables
from offlinepin.batch.columns import at, check_schema, transform
from offlinepin.batch.devices import Known, TokenMaker
from offlinepin.batch.drafts import Drafter, Drafts
from offlinepin.batch.kernels import load
from offlinepin.batch.matching import Fits, Wanted, fit_rows, kind_tables
from offlinepin.batch.requests import COLUMNS, Rows, grouped
from offlinepin.batch.sealing import Sealer
from offlinepin.batch.single import Refusal, SinglePath
from offlinepin.batch.taking import ByLedger, ByTally, Counts, Grants, Taker
from offlinepin.batch.turns import Work, alone
from offlinepin.engine.clock import EPOCH, LockClock, check_aware
from offlinepin.engine.profile import Profile
from offlinepin.errors import RequestError
from offlinepin.issuer import Issuer
from offlinepin.keys import TokenSource
from offlinepin.ledger import Ledger
from offlinepin.matching import parse_rounding
from offlinepin.security import require_safe
from offlinepin.vendor import Vendor, resolve

I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_require_safe = lru_cache(require_safe)  # it costs as much as some thousand rows
_RESULTS = ("code", "use_by", "notice", "error", "error_text")


def generate(
    table: Any,
    keys: TokenSource,
    vendor: str | Vendor | Profile,
    *,
    ledger: Ledger | None = None,
    time_zone: str | None = None,
    now: datetime | None = None,
    max_time_rounding: timedelta | str | None = None,
    allow_weak: bool = False,
) -> pa.Table | pa.RecordBatchReader:
    """Make a code for every row of a table.

    Columns in: ``device_id`` (text), ``starts_at`` and ``ends_at`` (timestamps with a zone; ``ends_at`` may be null), and if wanted
    ``kind``, ``one_time``, ``variant``, ``level``, ``time_zone``, ``generation``, which mean what they mean to :meth:`Issuer.issue`, and
    ``token`` (the device's 32 secret bytes, of that generation or 0, instead of one from ``keys``). Other columns pass through.

    Columns out: those of the input, and ``code``, ``kind``, ``starts_at``, ``ends_at``, ``use_by``, ``variant`` as granted, ``notice``
    (codes of notices, with a space between), and for a row that cannot be served ``error`` and ``error_text``. Where the input has a
    column of the name, the granted one is called ``granted_starts_at`` and so on.

    Args:
        table: a pyarrow Table, RecordBatch or RecordBatchReader, or anything with the Arrow C stream interface (Polars, pandas, DuckDB).
        keys, vendor, allow_weak: as for :class:`Issuer`.
        ledger: the memory of variants. Without one, the variants given out are remembered for this call only.
        time_zone: for rows that name none themselves.
        now: the present, for all rows; the system's clock by default.
        max_time_rounding: as for :meth:`Issuer.issue`.

    Returns:
        A reader for a reader, with its batches made as they are read, in flat memory; otherwise a table. Rows keep their order.

    Raises:
        BatchError: a column is missing or has the wrong type. Nothing was made.
        RequestError: ``max_time_rounding`` makes no sense.
        VendorError, WeakProfileError: as for :class:`Issuer`.
    """
    if isinstance(max_time_rounding, str):
        max_time_rounding = parse_rounding(max_time_rounding)
    if max_time_rounding is not None and max_time_rounding < timedelta():
        raise RequestError(f"the largest rounding must be 0 or more, not {max_time_rounding}")
    now = datetime.now(UTC) if now is None else check_aware(now, "the present")
    generator = Generator(keys, vendor, ledger, time_zone, now, max_time_rounding, allow_weak=allow_weak)
    return transform(table, generator.check, generator.batch, generator.expect)


class Generator:
    """Serves record batches one after the other, and remembers which variants it gave out. See :func:`generate`."""

    def __init__(
        self,
        keys: TokenSource,
        vendor: str | Vendor | Profile,
        ledger: Ledger | None,
        time_zone: str | None,
        now: datetime,
        max_time_rounding: timedelta | None,
        *,
        allow_weak: bool,
        counts: Counts | None = None,
    ) -> None:
        self._vendor = resolve(vendor)
        self._profile = self._vendor.profile
        if not allow_weak:
            _require_safe(self._profile)
        self._kinds = kind_tables(self._profile)
        self._numbers = {(t.family.name, t.kind.name): t.number for t in self._kinds}
        self._keys, self._ledger, self._time_zone = keys, ledger, time_zone
        self._now, self._max_time_rounding = now, max_time_rounding
        self._now_us = (now - EPOCH) // timedelta(microseconds=1)
        self._clocks = ClockTables()
        self._kernel = load()
        self._sealer = Sealer(self._kernel, self._profile)
        self._drafter = Drafter(self._profile, self._kinds)
        self._issuer = Issuer(keys, self._vendor, allow_weak=True)
        self._known_clocks: dict[str | None, LockClock | None] = {}
        self._single = SinglePath(keys, self._vendor, ledger, now, max_time_rounding, time_zone)
        self._taker: Taker = (
            ByTally(self._sealer, self._kinds, self._single, counts or Counts())
            if ledger is None
            else ByLedger(self._sealer, self._kinds, self._single, ledger)
        )
        self._fields: list[pa.Field] = []

    def expect(self, rows: int) -> None:
        """There will be so many rows."""
        self._taker.expect(rows)

    def check(self, schema: pa.Schema) -> list[pa.Field]:
        """Refuse a schema, or get ready for its batches and say what is added."""
        check_schema(schema, COLUMNS, _RESULTS)
        own = schema.get_field_index("token") >= 0
        self._tokens = TokenMaker(self._kernel, self._keys, self._ledger, own=own)
        self._fields = result_fields(schema)
        check_schema(schema, (), [f.name for f in self._fields])
        return self._fields

    def batch(self, batch: pa.RecordBatch) -> list[pa.Array]:
        """The added columns of one record batch."""
        return alone(self.work(batch))

    def work(self, batch: pa.RecordBatch) -> Work[list[pa.Array]]:
        """:meth:`batch` in steps, where other generators that share its counts work on other batches meanwhile."""
        answers = Answers(self._profile, batch.num_rows)
        if batch.num_rows:
            yield from self._serve(Rows.of(batch, COLUMNS, shared=self._tokens.shares), answers)
        return answers.arrays(self._fields)

    def _serve(self, rows: Rows, answers: Answers) -> Work[None]:
        fits = self._match(rows)
        for i in np.flatnonzero(fits.kinds < 0).tolist():
            found = self._single.place(rows.row(i))
            if isinstance(found, Refusal):
                answers.refuse(i, found)
            else:
                fits.kinds[i] = self._numbers[found.family, found.kind]
                fits.starts[i], fits.durations[i] = found.start, found.duration
        chosen, known = self._devices(rows, fits, answers)
        if chosen is not None and not len(chosen):
            return
        drafts, odd = self._drafter.drafts(fits)
        odd |= self._times(rows, fits, drafts, answers)
        grants = Grants(rows, chosen, known, at(fits.kinds, chosen), at(fits.starts, chosen), at(fits.durations, chosen))
        yield from self._taker.take(grants, drafts.of_rows(chosen), at(odd, chosen), answers)

    def _match(self, rows: Rows) -> Fits:
        """The grant of each row; kind -1 where the single path must say."""
        fits = Fits.none(rows.count)
        plain = rows.plain(self._now_us)
        starts, ends = rows.starts.floor(1), rows.ends.ceil(1)
        for group, index in rows.groups():
            clock = self._clock(group.time_zone)
            good = at(plain, index)
            if clock is None or not good.any():
                continue
            if not good.all():
                index = np.flatnonzero(good) if index is None else index[good]
            low, high = at(starts, index), at(ends if group.has_end else starts, index)
            earliest, latest = int(low.min()), int(high.max())
            table = self._clocks.of(clock, earliest, latest)
            if earliest < table.covers[0] or latest > table.covers[1]:
                good = (low >= table.covers[0]) & (high <= table.covers[1])
                if not good.any():
                    continue
                index = np.flatnonzero(good) if index is None else index[good]
                low, high = low[good], high[good]
            first, last = table.span(low, high) if group.has_end else (table.reading(low), None)
            wanted = Wanted(group.one_time, group.kind, group.level, self._max_time_rounding)
            found = fit_rows(self._vendor, self._kinds, wanted, first, last, clock.reading(self._now))
            if index is None:
                return found
            fits.kinds[index], fits.starts[index], fits.durations[index] = found.kinds, found.starts, found.durations
        return fits

    def _devices(self, rows: Rows, fits: Fits, answers: Answers) -> tuple[I64 | None, Known]:
        """The rows that have a grant (``None``: all), and their devices. Rows whose token cannot be had are refused."""
        while True:
            chosen = None if (fits.kinds >= 0).all() else np.flatnonzero(fits.kinds >= 0)
            known = self._tokens.of(rows, chosen)
            if known.failed is None:
                return chosen, known
            for i in (np.arange(rows.count) if chosen is None else chosen)[known.failed].tolist():
                found = self._single.place(rows.row(i))
                assert isinstance(found, Refusal)  # its token cannot be had
                answers.refuse(i, found)
                fits.kinds[i] = -1

    def _times(self, rows: Rows, fits: Fits, drafts: Drafts, answers: Answers) -> Mask:
        """Writes the times and notices of the rows that have a grant. Returns which rows' times lie where there is no table of their clock,
        so that the single path must give them."""
        odd = np.zeros(rows.count, np.bool_)
        labels = rows.time_zone
        zones = np.broadcast_to(np.int32(0), rows.count) if labels is None else labels.codes + 1
        if (fits.kinds < 0).any():
            zones = np.where(fits.kinds < 0, -1, zones)
        for zone, index in grouped(zones):
            if zone < 0:
                continue
            clock = self._clock(None if labels is None or not zone else labels.names[zone - 1])
            assert clock is not None  # or the row was refused
            some = drafts.of_rows(index)
            span = self._clocks.of(clock, int(some.starts.min()), int(some.starts.max()))
            odd[slice(None) if index is None else index] = some.beyond(*span.covers)
            starts, ends, use_by = span.first(some.starts), span.last(some.ends), span.last(some.use_by)
            flags = [~some.no_rule, _rounded(rows, index, starts, ends, some.no_end), some.supersedes]
            notices = flags[0].view(np.uint8) | flags[1].view(np.uint8) << 1 | flags[2].view(np.uint8) << 3
            if span.changing:
                notices |= (~some.no_end & span.changes(starts, ends)).view(np.uint8) << 2
            times = {"starts": starts, "ends": ends, "use_by": use_by, "no_end": some.no_end, "no_rule": some.no_rule}
            answers.set(index, **times, notices=notices)
        return odd

    def _clock(self, name: str | None) -> LockClock | None:
        """The clock of a zone by its name; ``None`` where the single path must say what is wrong with it."""
        if name not in self._known_clocks:
            try:
                self._known_clocks[name] = self._issuer.clock(name or self._time_zone)
            except RequestError:
                self._known_clocks[name] = None
        return self._known_clocks[name]


def _rounded(rows: Rows, index: I64 | None, starts: I64, ends: I64, no_end: Mask) -> Mask:
    """Whether the times granted are others than those asked for, to the microsecond."""
    asked = at(rows.starts.floor(1_000_000), index) != _times(starts, min(rows.starts.per_second, 1_000_000))
    late = at(rows.ends.ceil(1_000_000), index) != _times(ends, min(rows.ends.per_second, 1_000_000))
    if rows.ends.valid is not None:
        late &= at(rows.ends.valid, index)
    rounded: Mask = asked | (late & ~no_end)
    return rounded


def _times(seconds: I64, per_second: int) -> I64:
    return seconds if per_second == 1 else seconds * per_second
