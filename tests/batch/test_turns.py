"""Turns: order, failure, and that batches which overlap come to what they come to one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pa = pytest.importorskip("pyarrow")

from offlinepin.batch.generate import Generator  # noqa: E402
from offlinepin.batch.taking import Counts  # noqa: E402
from offlinepin.batch.turns import Turn, Turns  # noqa: E402
from offlinepin.keys import MasterKey  # noqa: E402

NOW = datetime(2027, 3, 27, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ROWS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.none() | st.integers(0, 5)), min_size=1, max_size=12)
"""Device, start and wished variant: so few that most places are in several batches, and run out."""


def generator(counts: Counts, schema: Any) -> Generator:
    made = Generator(MasterKey(bytes(range(32))), "igloo", None, None, NOW, None, allow_weak=False, counts=counts)
    made.check(schema)
    return made


def batch_of(rows: list[tuple[int, int, int | None]]) -> Any:
    starts = [NOW + start * HOUR for _, start, _ in rows]
    moment = pa.timestamp("us", "UTC")
    columns = {
        "device_id": [f"door-{device}" for device, _, _ in rows],
        "starts_at": pa.array(starts, moment),
        "ends_at": pa.array([start + HOUR for start in starts], moment),
        "variant": pa.array([variant for _, _, variant in rows], pa.int64()),
    }
    return pa.record_batch(columns)


@settings(max_examples=40, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=5))
def test_batches_that_all_count_before_the_first_has_settled_come_to_the_same_as_one_after_the_other(tables: Any) -> None:
    batches = [batch_of(rows) for rows in tables]
    alone = generator(Counts(), batches[0].schema)
    want = [alone.batch(batch) for batch in batches]

    counting, settling, all_counted = Turns(), Turns(), Event()
    counts = Counts(len(batches))

    @contextmanager
    def count(number: int) -> Iterator[None]:
        with counting.of(number):
            yield
        if number == len(batches) - 1:
            all_counted.set()

    @contextmanager
    def settle(number: int) -> Iterator[None]:
        assert all_counted.wait(30)
        with settling.of(number):
            yield

    def serve(number: int) -> Any:
        return generator(counts, batches[0].schema).batch(batches[number], Turn(count(number), settle(number)))

    with ThreadPoolExecutor(len(batches)) as pool:
        assert list(pool.map(serve, range(len(batches)))) == want


@given(st.permutations(range(6)), st.sets(st.integers(0, 5)))
def test_turns_come_by_number_whoever_is_there_first_and_some_may_need_none(arrivals: list[int], without: set[int]) -> None:
    turns, seen = Turns(), list[int]()

    def work(number: int) -> None:
        if number not in without:
            with turns.of(number):
                seen.append(number)
        turns.through(number)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, arrivals))
    assert seen == [number for number in range(6) if number not in without]


def test_a_failure_ends_the_waiting_of_those_after_it_and_of_no_other() -> None:
    turns = Turns()
    with ThreadPoolExecutor(2) as pool:
        later, earlier = pool.submit(turns.through, 3), pool.submit(turns.through, 1)
        turns.fail(2)
        with pytest.raises(CancelledError):
            later.result(30)
        turns.through(0)
        assert earlier.result(30) is None
