"""Codes for one partition of a table that is too large for one machine: record batches in, record batches out. Whatever splits the table
must put all rows of a device into one partition, so that equal requests get different variants."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import chain

import pyarrow as pa

from offlinepin.batch.generate import generate
from offlinepin.engine.profile import Profile
from offlinepin.keys import TokenSource
from offlinepin.vendor import Vendor


def serve_partition(
    batches: Iterable[pa.RecordBatch],
    keys: Callable[[], TokenSource],
    vendor: str | Vendor | Profile,
    *,
    now: datetime,
    time_zone: str | None = None,
    max_time_rounding: timedelta | str | None = None,
    allow_weak: bool = False,
) -> Iterator[pa.RecordBatch]:
    """The batches with a code for every row; see :func:`offlinepin.batch.generate`.

    Args:
        batches: one partition's, all of one schema.
        keys: called where the work is done, as ``MasterKey.from_env``: no key travels.
        now: the present, the same for all partitions.
        vendor, time_zone, max_time_rounding, allow_weak: as for :func:`offlinepin.batch.generate`.

    Yields:
        The result's columns, labels as plain text, which every receiver knows.
    """
    rest = iter(batches)
    first = next(rest, None)
    if first is None:
        return
    made = generate(
        pa.RecordBatchReader.from_batches(first.schema, chain([first], rest)),
        keys(),
        vendor,
        now=now,
        time_zone=time_zone,
        max_time_rounding=max_time_rounding,
        allow_weak=allow_weak,
    )
    for batch in made:
        columns = [each.dictionary_decode() if pa.types.is_dictionary(each.type) else each for each in batch.columns]
        yield pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
