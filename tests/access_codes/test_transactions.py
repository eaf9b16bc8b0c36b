"""Transactions that write: who waits at the same time is served by one, and what became of each is its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.orm import Session

from offlinepin.access_codes.errors import StoreError
from offlinepin.access_codes.store import Store
from offlinepin.access_codes.transactions import Writers
from offlinepin.keys import MasterKey


class _RefusedError(Exception):
    """What a call raises by itself."""


def _keeps(number: int) -> Callable[[Session], int]:
    def work(session: Session) -> int:
        session.execute(text("INSERT INTO things VALUES (:number)"), {"number": number})
        return number

    return work


def _refuses(number: int) -> Callable[[Session], int]:
    def work(session: Session) -> int:
        _keeps(number)(session)
        raise _RefusedError(number)

    return work


def _doubles(number: int) -> Callable[[Session], int]:
    """What a constraint refuses at once."""

    def work(session: Session) -> int:
        _keeps(number)(session)
        return _keeps(number)(session)

    return work


def _dangles(number: int) -> Callable[[Session], int]:
    """What a constraint refuses when all of it is to be committed."""

    def work(session: Session) -> int:
        session.execute(text("PRAGMA defer_foreign_keys = ON"))
        session.execute(text("INSERT INTO parts VALUES (:nothing)"), {"nothing": -number})
        return _keeps(number)(session)

    return work


_KINDS = {"keeps": _keeps, "refuses": _refuses, "doubles": _doubles, "dangles": _dangles}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A store's database, with two tables for these tests. What hypothesis draws shares it."""
    where: Path = tmp_path_factory.mktemp("transactions") / "things.db"
    store = Store.open(where, MasterKey(bytes(32)))
    with store.engine.begin() as connection:
        connection.execute(text("CREATE TABLE things (number INTEGER PRIMARY KEY)"))
        connection.execute(text("CREATE TABLE parts (of_thing INTEGER REFERENCES things (number) DEFERRABLE)"))
    yield store.engine
    store.close()


@pytest.fixture
def commits(engine: Engine) -> Iterator[list[None]]:
    """One entry for each commit."""
    seen: list[None] = []

    def note(_: object) -> None:
        seen.append(None)

    event.listen(engine, "commit", note)
    yield seen
    event.remove(engine, "commit", note)


def _at_once(writers: Writers, works: list[Callable[[Session], int]]) -> list[Future[int]]:
    """Let all of them wait while another writes, and then write."""
    begun, may_end = Event(), Event()

    def holds_up(_: Session) -> int:
        begun.set()
        assert may_end.wait(60)
        return -1

    with ThreadPoolExecutor(len(works) + 1) as pool:
        first = pool.submit(writers.run, holds_up)
        assert begun.wait(60)
        given = [pool.submit(writers.run, work) for work in works]
        while writers.waiting < len(works):
            assert not first.done()
        may_end.set()
    assert first.result() == -1
    return given


def _kept(engine: Engine) -> set[int]:
    with engine.connect() as connection:
        return set(connection.scalars(text("SELECT number FROM things")))


def test_who_waits_at_the_same_time_is_served_by_one_commit(engine: Engine, commits: list[None]) -> None:
    assert [one.result() for one in _at_once(Writers(engine), [_keeps(1_000_000 + n) for n in range(8)])] == [*range(1_000_000, 1_000_008)]
    assert len(commits) == 2  # of the one they waited for, and theirs
    assert _kept(engine) >= {*range(1_000_000, 1_000_008)}


_numbers = iter(range(1, 1_000_000))


@settings(max_examples=20, deadline=None)
@given(kinds=st.lists(st.sampled_from(["keeps", "keeps", "refuses", "doubles", "dangles"]), min_size=1, max_size=6))
def test_each_of_a_group_gets_its_own_answer_and_what_was_refused_leaves_nothing(engine: Engine, kinds: list[str]) -> None:
    asked = [(kind, next(_numbers)) for kind in kinds]
    before = _kept(engine)
    given = _at_once(Writers(engine), [_KINDS[kind](number) for kind, number in asked])
    for (kind, number), future in zip(asked, given, strict=True):
        if kind == "keeps":
            assert future.result() == number
        else:
            with pytest.raises(_RefusedError if kind == "refuses" else StoreError):
                future.result()
    assert _kept(engine) - before == {number for kind, number in asked if kind == "keeps"}


def test_a_writer_that_is_interrupted_leaves_nobody_waiting(engine: Engine) -> None:
    def interrupts(session: Session) -> int:
        _keeps(2_000_001)(session)
        raise KeyboardInterrupt

    writers = Writers(engine)
    kept, interrupted, other = _at_once(writers, [_keeps(2_000_000), interrupts, _keeps(2_000_002)])
    raised = {type(one.exception()) for one in (kept, interrupted, other)}
    assert raised == {KeyboardInterrupt, StoreError}
    assert not _kept(engine) & {2_000_000, 2_000_001, 2_000_002}
    assert writers.run(_keeps(2_000_003)) == 2_000_003


def test_a_larger_crowd_is_served_group_by_group(engine: Engine, commits: list[None]) -> None:
    numbers = [*range(3_000_000, 3_000_070)]
    assert [one.result() for one in _at_once(Writers(engine), [_keeps(number) for number in numbers])] == numbers
    assert len(commits) == 3


def test_what_cannot_be_opened_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nothing was changed"):
        Writers(create_engine(f"sqlite:///{tmp_path}/none/none.db")).run(_keeps(1))
