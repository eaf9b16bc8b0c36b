"""Ledgers: one variant once, one request one answer, between threads and processes and over sudden deaths."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from offlinepin import MemoryLedger, SqliteLedger
from offlinepin.errors import LedgerError, RequestIdConflictError
from offlinepin.ledger import Ledger, Place, RequestKey, Taken

PLACE = Place("door", 0, "access", "hourly", 500_000, 24)
MakeLedger = Callable[[], Ledger]


def _any(_: int) -> bool:
    return True


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> MakeLedger:
    """Makes a fresh ledger of each kind."""
    if request.param == "memory":
        return MemoryLedger
    counter = iter(range(10**9))
    return lambda: SqliteLedger(tmp_path / f"{next(counter)}.db")


places = st.builds(
    Place,
    st.sampled_from(["a", "A", "a ", "ü", "a\0b"]),
    st.integers(0, 1),
    st.sampled_from(["f", "g"]),
    st.just("k"),
    st.integers(0, 1),
    st.integers(0, 1),
)
steps = st.lists(
    st.tuples(
        places, st.integers(0, 3), st.integers(1, 4), st.frozensets(st.integers(0, 5), max_size=3), st.none() | st.sampled_from("xyz")
    ),
    max_size=25,
)


@given(steps=steps)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_smallest_usable_variant_is_handed_out_and_never_again(
    make: MakeLedger, steps: list[tuple[Place, int, int, frozenset[int], str | None]]
) -> None:
    """Against a model that is a set and a dict."""
    ledger = make()
    gone: set[tuple[Place, int]] = set()
    answers: dict[tuple[str, str], Taken] = {}
    for place, first, count, unusable, request_id in steps:
        key = None if request_id is None else RequestKey(place.device_id, request_id, "the same")
        variants = range(first, first + count)
        free = [v for v in variants if (place, v) not in gone and v not in unusable]
        expected = Taken(place, free[0]) if free else None
        if key is not None:
            expected = answers.get((key.device_id, key.request_id), expected)
            assert ledger.recall(key) == answers.get((key.device_id, key.request_id))
        assert ledger.take(place, variants, lambda v, bad=unusable: v not in bad, key) == expected  # type: ignore[misc]
        if expected is not None:
            gone.add((expected.place, expected.variant))
            if key is not None:
                answers[key.device_id, key.request_id] = expected


def test_variants_run_out_and_never_repeat(make: MakeLedger) -> None:
    ledger = make()
    taken = [ledger.take(PLACE, range(3), _any, None) for _ in range(5)]
    assert taken == [Taken(PLACE, 0), Taken(PLACE, 1), Taken(PLACE, 2), None, None]


def test_variants_are_tried_in_the_order_asked_for_and_only_while_needed(make: MakeLedger) -> None:
    ledger, tried = make(), []

    def usable(variant: int) -> bool:
        tried.append(variant)
        return variant == 2

    assert ledger.take(PLACE, range(10), usable, None) == Taken(PLACE, 2)
    assert tried == [0, 1, 2]
    assert ledger.take(PLACE, range(2**53), _any, None) == Taken(PLACE, 0)  # what was unusable then is free now


def test_a_request_id_is_answered_once_and_refused_for_anything_else(make: MakeLedger) -> None:
    ledger = make()
    key = RequestKey("door", "booking-7", "three nights")
    assert ledger.recall(key) is None
    first = ledger.take(PLACE, range(3), _any, key)
    assert ledger.take(PLACE, range(3), _any, key) == ledger.recall(key) == first == Taken(PLACE, 0)
    other = RequestKey("door", "booking-7", "four nights")
    for ask in (partial(ledger.recall, other), partial(ledger.take, PLACE, range(3), _any, other)):
        with pytest.raises(RequestIdConflictError, match=r"'booking-7' of device 'door' .* three nights, and is now used for four nights"):
            ask()
    assert ledger.recall(RequestKey("gate", "booking-7", "four nights")) is None  # another door's ids are its own
    assert ledger.take(PLACE, range(3), _any, None) == Taken(PLACE, 1)  # a refusal spends nothing


def test_a_request_that_found_nothing_is_not_remembered(make: MakeLedger) -> None:
    ledger = make()
    key = RequestKey("door", "r", "asked")
    assert ledger.take(PLACE, range(2), lambda _: False, key) is None
    assert ledger.recall(key) is None
    assert ledger.take(PLACE, range(2), _any, key) == Taken(PLACE, 0)


def test_a_failing_check_hands_nothing_out_and_leaves_the_ledger_usable(make: MakeLedger) -> None:
    ledger = make()

    def fail(_: int) -> bool:
        raise RuntimeError("no")

    for error in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(error):
            ledger.take(PLACE, range(2), fail if error is RuntimeError else _interrupt, RequestKey("door", "r", "a"))
    assert ledger.take(PLACE, range(2), _any, None) == Taken(PLACE, 0)


def _interrupt(_: int) -> bool:
    raise KeyboardInterrupt


@pytest.mark.parametrize("request_id", ["", "ü" * 1000, "a\0b", "\ud800"])
def test_any_text_is_a_request_id(make: MakeLedger, request_id: str) -> None:
    ledger = make()
    key = RequestKey("door", request_id, "asked")
    try:
        taken = ledger.take(PLACE, range(2), _any, key)
    except LedgerError:  # a text that no store can hold may be refused, as an error of the tree
        assert request_id == "\ud800"
    else:
        assert ledger.recall(key) == taken


def test_threads_get_disjoint_variants(make: MakeLedger) -> None:
    ledger = make()
    barrier = threading.Barrier(8)

    def work(_: int) -> list[int]:
        barrier.wait()
        taken = [ledger.take(PLACE, range(100), _any, None) for _ in range(10)]
        return [t.variant for t in taken if t is not None]

    with ThreadPoolExecutor(8) as pool:
        got = [v for part in pool.map(work, range(8)) for v in part]
    assert sorted(got) == list(range(80))


def test_threads_with_one_request_id_get_one_variant(make: MakeLedger) -> None:
    ledger = make()
    barrier = threading.Barrier(8)
    key = RequestKey("door", "r", "asked")

    def work(_: int) -> Taken | None:
        barrier.wait()
        return ledger.take(PLACE, range(100), _any, key)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(work, range(8))) == {Taken(PLACE, 0)}
    assert ledger.take(PLACE, range(100), _any, None) == Taken(PLACE, 1)


# --- the file: processes, deaths, and files that are none -----------------------------------------------------------


_TAKE = """
import sys
from offlinepin import SqliteLedger
from offlinepin.ledger import Place, RequestKey
place = Place("door", 0, "access", "hourly", 500_000, 24)
key = RequestKey("door", "r", "asked") if sys.argv[3] == "one-request" else None
print("ready", flush=True)
sys.stdin.readline()
ledger = SqliteLedger(sys.argv[1])
for _ in range(int(sys.argv[2])):
    print(ledger.take(place, range(1000), lambda v: True, key).variant)
"""


def _race(path: Path, count: int, how: str) -> list[int]:
    """What four processes get that open the ledger at the same moment, none of them before."""
    command = [sys.executable, "-c", _TAKE, str(path), str(count), how]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    return [int(variant) for answer in answers for variant in answer.split()]


def test_processes_that_open_a_new_file_at_once_get_disjoint_variants(tmp_path: Path) -> None:
    assert sorted(_race(tmp_path / "ledger.db", 15, "many")) == list(range(60))


def test_processes_with_one_request_id_get_one_variant(tmp_path: Path) -> None:
    assert Counter(_race(tmp_path / "ledger.db", 3, "one-request")) == {0: 12}


def test_threads_that_open_a_new_file_at_once_all_can(tmp_path: Path) -> None:
    for attempt in range(20):
        barrier = threading.Barrier(8)
        path = tmp_path / f"{attempt}.db"

        def work(_: int, barrier: threading.Barrier = barrier, path: Path = path) -> int:
            barrier.wait()
            return _variant(SqliteLedger(path).take(PLACE, range(100), _any, None))

        with ThreadPoolExecutor(8) as pool:
            assert sorted(pool.map(work, range(8))) == list(range(8))


_FORKS = """
import os, sys, time
from offlinepin import SqliteLedger
from offlinepin.ledger import Place
place = Place("door", 0, "access", "hourly", 500_000, 24)

def take(ledger, count):
    return [ledger.take(place, range(100), lambda v: True, None).variant for _ in range(count)]

def in_child(work):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, bytes(work()))
        finally:
            os._exit(0)
    os.close(writer)
    return child, reader

def results(children):
    got = []
    for child, reader in children:
        with os.fdopen(reader, "rb") as pipe:
            got += pipe.read()
        os.waitpid(child, 0)
    return got

if sys.argv[2] == "open-before":
    ledger = SqliteLedger(sys.argv[1])
    got = take(ledger, 1)
    for _ in range(4):
        children = [in_child(lambda: take(ledger, 5))]
        got += take(ledger, 5) + results(children)
    assert sorted(got) == list(range(41)), got
else:
    for n in range(25):
        path, start = f"{sys.argv[1]}-{n}", time.monotonic() + 0.01

        def open_at_once():
            while time.monotonic() < start:
                pass
            return take(SqliteLedger(path), 2)

        got = results([in_child(open_at_once) for _ in range(4)])
        assert sorted(got) == list(range(8)), (n, got)
"""


@pytest.mark.parametrize("how", ["open-before", "open-at-once"])
def test_forked_children_and_their_parent_get_disjoint_variants(how: str, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", _FORKS, str(path), how], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for file in tmp_path.glob("ledger.db*"):
        if not file.name.endswith(("-wal", "-shm", "-journal")):
            raw = sqlite3.connect(file)
            assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            raw.close()


def _variant(taken: Taken | None) -> int:
    assert taken is not None
    return taken.variant


_DIE = """
import os, signal, sys
from offlinepin import SqliteLedger
from offlinepin.ledger import Place, RequestKey
ledger = SqliteLedger(sys.argv[1])
place = Place("door", 0, "access", "hourly", 500_000, 24)
for n in range(5):
    print(ledger.take(place, range(100), lambda v: True, RequestKey("door", str(n), "asked")).variant, flush=True)
def die(variant):
    if sys.argv[2] == "exit":
        os._exit(9)
    os.kill(os.getpid(), signal.SIGKILL)
ledger.take(place, range(100), die, RequestKey("door", "lost", "asked"))
"""


@pytest.mark.parametrize("death", ["exit", "kill"])
def test_a_process_that_dies_in_the_middle_loses_nothing_acknowledged_and_leaves_no_lock(death: str, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    died = subprocess.run([sys.executable, "-c", _DIE, str(path), death], capture_output=True, text=True, check=False)
    assert died.returncode in (9, -9), died.stderr
    assert died.stdout.split() == ["0", "1", "2", "3", "4"]
    ledger = SqliteLedger(path, timeout=0.5)
    assert [_variant(ledger.recall(RequestKey("door", str(n), "asked"))) for n in range(5)] == list(range(5))
    assert ledger.recall(RequestKey("door", "lost", "asked")) is None
    assert ledger.take(PLACE, range(100), _any, None) == Taken(PLACE, 5)


def test_a_token_s_generation_only_rises(make: MakeLedger) -> None:
    ledger = make()
    assert ledger.generation("door") == 0
    for step, now in ((1, 1), (5, 5), (3, 5), (6, 6), (0, 6)):
        ledger.step("door", step)
        assert ledger.generation("door") == now
    assert ledger.generation("gate") == 0


def test_what_was_handed_out_is_there_for_the_next_run(tmp_path: Path) -> None:
    key = RequestKey("door", "r", "asked")
    first = SqliteLedger(tmp_path / "ledger.db")
    first.take(PLACE, range(9), _any, key)
    first.close()
    first.close()
    second = SqliteLedger(str(tmp_path / "ledger.db"))
    assert second.recall(key) == Taken(PLACE, 0)
    assert second.take(PLACE, range(9), _any, None) == Taken(PLACE, 1)
    assert first.take(PLACE, range(9), _any, None) == Taken(PLACE, 2)  # a closed one opens again


def test_a_ledger_that_another_process_holds_is_an_error_after_the_timeout(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.db", timeout=0.05)
    holder = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerError, match="locked; no code was handed out"):
        ledger.take(PLACE, range(3), _any, None)
    holder.execute("ROLLBACK")
    holder.close()
    assert ledger.take(PLACE, range(3), _any, None) == Taken(PLACE, 0)


def test_a_full_disk_hands_nothing_out_and_the_ledger_goes_on_when_there_is_room(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.db")
    pages = ledger._connection().execute("PRAGMA page_count").fetchone()[0]
    ledger._connection().execute(f"PRAGMA max_page_count = {pages}")
    long = Place("d" * 20_000, 0, "f", "k", 0, 1)
    with pytest.raises(LedgerError, match="full; no code was handed out"):
        ledger.take(long, range(3), _any, None)
    ledger._connection().execute("PRAGMA max_page_count = 100000")
    assert ledger.take(long, range(3), _any, None) == Taken(long, 0)


@pytest.mark.parametrize(
    "content", [b"this is no database, only text that somebody left here", b"SQLite format 3\0" + b"\xff" * 4096, bytes(5000)]
)
def test_a_file_that_is_no_database_is_refused_and_left_alone(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(content)
    with pytest.raises(LedgerError, match="cannot be used"):
        SqliteLedger(path)
    assert path.read_bytes() == content


def test_a_database_of_something_else_is_refused_before_or_at_the_first_code(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE variants (colour TEXT)")
    other.close()
    with pytest.raises(LedgerError):
        SqliteLedger(tmp_path / "other.db").take(PLACE, range(3), _any, None)


def test_a_place_where_no_file_can_be_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no" / "ledger.db", Path("/proc/ledger.db")):
        with pytest.raises(LedgerError, match="cannot be used"):
            SqliteLedger(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_directory_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(LedgerError, match="cannot be used"):
        SqliteLedger(tmp_path / "ledger.db")


def test_a_read_only_file_hands_nothing_out(tmp_path: Path) -> None:
    SqliteLedger(tmp_path / "ledger.db").close()
    uri = f"file:{tmp_path / 'ledger.db'}?mode=ro"
    ledger = SqliteLedger(tmp_path / "ledger.db")
    ledger.close()
    readonly = sqlite3.connect(uri, uri=True, isolation_level=None)
    ledger._local.held = os.getpid(), readonly
    with pytest.raises(LedgerError, match="readonly"):
        ledger.take(PLACE, range(3), _any, None)
    ledger.close()


def test_a_file_that_was_taken_away_is_an_error_and_not_an_empty_memory(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger(path)
    ledger.take(PLACE, range(3), _any, None)
    ledger.close()
    path.unlink()
    with pytest.raises(LedgerError, match="no such table"):
        ledger.take(PLACE, range(3), _any, None)
