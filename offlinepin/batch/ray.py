"""Tables on a Ray cluster: the rows of each device together on one worker, so that equal requests get different variants. Needs the extra
``ray``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from offlinepin.batch.columns import check_schema
from offlinepin.batch.parting import part_of_rows
from offlinepin.batch.partitions import serve_partition
from offlinepin.batch.requests import COLUMNS
from offlinepin.engine.profile import Profile
from offlinepin.errors import RequestError
from offlinepin.keys import TokenSource
from offlinepin.vendor import Vendor

if TYPE_CHECKING:
    from ray.data import Dataset

_PART: Final = "offlinepin_part"


def generate(
    dataset: Dataset,
    keys: Callable[[], TokenSource],
    vendor: str | Vendor | Profile,
    *,
    parts: int = 64,
    order_by: str | None = None,
    now: datetime | None = None,
    time_zone: str | None = None,
    max_time_rounding: timedelta | str | None = None,
    allow_weak: bool = False,
) -> Dataset:
    """Make a code for every row of a dataset; see :func:`offlinepin.batch.generate`.

    Args:
        dataset: as the table there.
        keys: called on the workers, as ``MasterKey.from_env``: no key travels.
        parts: how many parts the devices are split into, 1 or more. A part's rows are in one worker's memory at once.
        order_by: a column by which equal requests get their variants, so that a second run gives each row the same; without it, they get
            them as Ray brings the rows.
        now: the present, for all rows; this machine's clock by default.
        vendor, time_zone, max_time_rounding, allow_weak: as there.

    Returns:
        The dataset to be. Its rows come part by part.

    Raises:
        RequestError: ``parts`` is below 1.
    """
    if parts < 1:
        raise RequestError(f"there must be 1 part or more, not {parts}")
    serve = partial(
        serve_partition,
        keys=keys,
        vendor=vendor,
        now=now or datetime.now(UTC),
        time_zone=time_zone,
        max_time_rounding=max_time_rounding,
        allow_weak=allow_weak,
    )
    numbered = dataset.map_batches(_numbered, batch_format="pyarrow", fn_kwargs={"parts": parts})
    return numbered.groupby(_PART).map_groups(_served, batch_format="pyarrow", fn_kwargs={"serve": serve, "order_by": order_by})


def _numbered(table: pa.Table, parts: int) -> pa.Table:
    """The table with each row's part."""
    check_schema(table.schema, COLUMNS, ())
    ids = table.column("device_id").combine_chunks()
    ids = ids if isinstance(ids, pa.Array) else pa.concat_arrays(ids.chunks)
    return table.append_column(_PART, pa.array(part_of_rows(ids, parts)))


def _served(table: pa.Table, serve: Callable[..., object], order_by: str | None) -> pa.Table:
    """A part's rows with their codes."""
    table = table.drop_columns([_PART])
    if order_by is not None:
        table = table.sort_by(order_by)
    return pa.Table.from_batches(serve(table.combine_chunks().to_batches()))
