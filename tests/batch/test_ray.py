"""The batch generator on a cluster: partitioned by device, every row gets what one machine gives it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

pa = pytest.importorskip("pyarrow", reason="the extra `batch` is not installed")

from offlinepin.batch import generate  # noqa: E402
from offlinepin.batch.partitions import serve_partition  # noqa: E402
from offlinepin.errors import RequestError  # noqa: E402
from offlinepin.keys import MasterKey  # noqa: E402

NOW = datetime(2027, 3, 27, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def keys() -> MasterKey:
    """The key, as a worker gets it."""
    return MasterKey(bytes(range(32)))


def some_table(count: int = 600) -> Any:
    """Requests of which many are equal."""
    return pa.table(
        {
            "booking": range(count),
            "device_id": [f"door-{i * i % 31}" for i in range(count)],
            "starts_at": pa.array([NOW + i % 5 * HOUR for i in range(count)], pa.timestamp("us", "UTC")),
            "ends_at": pa.array([NOW + 7 * HOUR for _ in range(count)], pa.timestamp("us", "UTC")),
        }
    )


def outcomes(table: Any) -> list[tuple[Any, ...]]:
    return [(row["booking"], row["code"], row["variant"], row["error"]) for row in table.to_pylist()]


def test_a_partition_s_batches_come_out_as_its_table_with_labels_as_text() -> None:
    table = some_table()
    made = pa.Table.from_batches(serve_partition(table.to_batches(max_chunksize=7), keys, "igloo", now=NOW))
    assert outcomes(made) == outcomes(generate(table, keys(), "igloo", now=NOW))
    assert made.schema.field("kind").type == pa.string()
    assert list(serve_partition([], keys, "igloo", now=NOW)) == []


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """Ray on a local cluster of two workers."""
    pytest.importorskip("ray.data", reason="the extra `ray` is not installed: pip install 'offlinepin[ray]'")
    module = sys.modules["ray"]
    environment = {"env_vars": {"PYTHONPATH": ":".join(sys.path)}}
    module.init(num_cpus=2, include_dashboard=False, configure_logging=False, log_to_driver=False, runtime_env=environment)
    yield module
    module.shutdown()


@pytest.mark.filterwarnings("ignore")  # a library of its own, whose warnings are not ours
def test_two_workers_give_every_row_what_one_machine_gives_it(ray: Any) -> None:
    from offlinepin.batch.ray import generate as on_ray

    table = some_table()
    dataset = ray.data.from_arrow([table.slice(start, 200) for start in range(0, 600, 200)])
    made = pa.concat_tables(ray.get(on_ray(dataset, keys, "igloo", parts=3, order_by="booking", now=NOW).to_arrow_refs()))
    want = outcomes(generate(table, keys(), "igloo", now=NOW))
    assert sorted(outcomes(made)) == want
    assert len({variant for _, _, variant, _ in want}) > 1
    with pytest.raises(RequestError, match="1 part or more"):
        on_ray(dataset, keys, "igloo", parts=0)
