"""Work in steps: whatever the order in which threads come, steps in turn are done in the order of the batches, and batches which overlap
come to what they come to one after the other."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from threading import Barrier, Lock
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pa = pytest.importorskip("pyarrow")

from offlinepin.batch.generate import Generator  # noqa: E402
from offlinepin.batch.taking import Counts  # noqa: E402
from offlinepin.batch.turns import Step, Work, Workers, alone  # noqa: E402
from offlinepin.keys import MasterKey  # noqa: E402

NOW = datetime(2027, 3, 27, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ROWS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.none() | st.integers(0, 5)), max_size=12)
"""Device, start and wished variant: so few that most places are in several batches, and run out."""


def generator(counts: Counts, schema: Any) -> Generator:
    made = Generator(MasterKey(bytes(range(32))), "igloo", None, None, NOW, None, allow_weak=False, counts=counts)
    made.check(schema)
    return made


def batch_of(rows: list[tuple[int, int, int | None]]) -> Any:
    starts = [NOW + start * HOUR for _, start, _ in rows]
    moment = pa.timestamp("us", "UTC")
    columns = {
        "device_id": pa.array([f"door-{device}" for device, _, _ in rows], pa.string()),
        "starts_at": pa.array(starts, moment),
        "ends_at": pa.array([start + HOUR for start in starts], moment),
        "variant": pa.array([variant for _, _, variant in rows], pa.int64()),
    }
    return pa.record_batch(columns)


@settings(max_examples=60, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=5), st.data())
def test_batches_that_overlap_in_any_way_come_to_the_same_as_one_after_the_other(tables: Any, data: st.DataObject) -> None:
    batches = [batch_of(rows) for rows in tables]
    one = generator(Counts(), batches[0].schema)
    want = [one.batch(batch) for batch in batches]

    counts = Counts(len(batches))
    works = [generator(counts, batches[0].schema).work(batch) for batch in batches]
    after: list[Step] = [Step.ANY_TIME] * len(works)
    turns, found = [0] * len(works), dict[int, Any]()

    def may_go_on(i: int) -> bool:
        return i not in found and (after[i] is Step.ANY_TIME or all(j in found or turns[j] > turns[i] for j in range(i)))

    while len(found) < len(works):
        i = data.draw(st.sampled_from([i for i in range(len(works)) if may_go_on(i)]))
        turns[i] += after[i] is Step.IN_TURN
        try:
            after[i] = next(works[i])
        except StopIteration as end:
            found[i] = end.value
    assert [found[i] for i in range(len(works))] == want


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.sampled_from(Step), max_size=4), min_size=1, max_size=8), st.integers(1, 4), st.data())
def test_steps_in_turn_come_by_number_and_a_batch_may_end_before(steps: list[list[Step]], threads: int, data: st.DataObject) -> None:
    most = data.draw(st.integers(1, len(steps)))
    seen: list[list[int]] = [[] for _ in range(5)]  # for each turn, which batches had it
    lock = Lock()

    def work(number: int) -> Work[int]:
        turn = 0
        for step in steps[number]:
            yield step
            if step is Step.IN_TURN:
                with lock:
                    seen[turn].append(number)
                turn += 1
            time.sleep(0)
        return number

    found = []
    with Workers[int](threads) as workers:
        for number in range(len(steps)):
            workers.add(work(number))
            if len(workers) == most:
                found.append(workers.first())
        while len(workers):
            found.append(workers.first())
    assert found == list(range(len(steps)))
    for turn, numbers in enumerate(seen):
        assert numbers == [n for n in range(len(steps)) if steps[n].count(Step.IN_TURN) > turn]


def test_no_thread_waits_for_a_turn() -> None:
    """Two threads, and three batches of which the first is only over when the last has begun: a thread that waited would never begin it."""
    both = Barrier(2, timeout=30)

    def first() -> Work[str]:
        yield Step.ANY_TIME
        both.wait()
        yield Step.IN_TURN
        return "first"

    def second() -> Work[str]:
        yield Step.IN_TURN
        return "second"

    def third() -> Work[str]:
        both.wait()
        yield Step.IN_TURN
        return "third"

    with Workers[str](2) as workers:
        for work in (first, second, third):
            workers.add(work())
        assert [workers.first() for _ in range(3)] == ["first", "second", "third"]


def test_an_error_comes_where_its_batch_would_and_ends_the_turns_after_it() -> None:
    had_turns = []

    def good(number: int) -> Work[int]:
        yield Step.IN_TURN
        had_turns.append(number)
        return number

    def bad() -> Work[int]:
        yield Step.ANY_TIME
        raise OSError("a full disk")

    with Workers[int](2) as workers:
        for work in (good(0), bad(), good(2)):
            workers.add(work)
        assert workers.first() == 0
        with pytest.raises(OSError, match="a full disk"):
            workers.first()
    assert had_turns == [0]


def test_alone_needs_no_threads() -> None:
    assert alone(generator(Counts(), batch_of([]).schema).work(batch_of([(0, 0, None)])))[0].to_pylist() != [None]
