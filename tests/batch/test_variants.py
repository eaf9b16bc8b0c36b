"""Places of variants: told apart by a hash, counted exactly, in memory that is known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offlinepin.batch import loops
from offlinepin.batch.tally import Tally
from offlinepin.batch.variants import first_of_each, of_the_same_place, place_hashes

U64 = npt.NDArray[np.uint64]
HASHES = st.integers(1, 2**64 - 1)


@given(st.lists(st.integers(1, 5), max_size=40), st.data())
def test_rows_of_the_same_place_are_found_and_the_first_of_each(values: list[int], data: st.DataObject) -> None:
    hashes = np.array(values, np.uint64)
    some = np.array(data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values))), np.bool_)
    found = of_the_same_place(hashes, some).tolist()
    assert found == [value in set(hashes[some].tolist()) for value in values]
    rows = np.flatnonzero(some)
    assert first_of_each(hashes, rows).tolist() == [i for i in rows.tolist() if values[i] not in hashes[rows[rows < i]].tolist()]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=40))
def test_places_have_equal_hashes_just_where_they_are_equal(places: list[tuple[int, int, int, int]]) -> None:
    columns = np.array(places, np.int64).T
    devices = np.random.default_rng(1).integers(0, 2**64 - 1, 4, dtype=np.uint64)  # uniform, as tokens are
    found = place_hashes(devices[columns[0]], columns[1].astype(np.int16), columns[2].copy(), columns[3].copy())
    assert len(set(found.tolist())) == len(set(places))
    assert all((found[i] == found[j]) == (places[i] == places[j]) for i in range(len(places)) for j in range(len(places)))
    assert (found > 0).all()


@pytest.fixture(params=["c", "python"])
def in_c(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The table's loops in C, and those that stand in where there is no compiler."""
    if request.param == "python":
        monkeypatch.setattr(loops, "lib", None)
    elif loops.lib is None:
        pytest.skip("the extension was built without a C compiler")
    return str(request.param)


@pytest.mark.usefixtures("in_c")
@given(st.integers(2**63 + 2**62, 2**64 - 1), st.integers(0, 63))  # never near 0, which is no hash
def test_a_tally_tells_places_apart_by_just_the_part_that_it_names(hash_: int, bit: int) -> None:
    pair = np.array([hash_, hash_ ^ 1 << bit], np.uint64)
    told = Tally.told(pair)
    assert (Tally().count(pair)[1] == 0) == (told[0] != told[1])


@pytest.mark.usefixtures("in_c")
def test_a_tally_says_how_often_each_hash_came_before_and_keeps_what_was_put() -> None:
    hashes = st.integers(1, 40).map(lambda n: n << 4) | st.integers(2**64 - 40, 2**64 - 1).map(lambda n: n * 16 % 2**64 or 16) | HASHES
    batch = st.lists(hashes, max_size=60)

    @given(st.lists(st.tuples(batch, st.booleans(), st.integers(1, 255)), max_size=8), st.integers(0, 300))
    @settings(max_examples=60)
    def law(batches: list[tuple[list[int], bool, int]], expected: int) -> None:
        table, known = Tally(), dict[int, int]()
        table.expect(expected)
        for listed, put, value in batches:
            added = np.array(listed, np.uint64)
            if put:
                table.put(added, np.full(len(added), value, np.uint8))
                known |= dict.fromkeys(map(kept, listed), value)
                continue
            before = []
            for each in map(kept, listed):
                before.append(known.get(each, 0))
                known[each] = before[-1] + (before[-1] < 254)
            assert table.count(added).tolist() == before
            assert len(table) == len(known)

    law()


def kept(hash_: int) -> int:
    """What a tally keeps of a hash: all but four bits, of which the last are taken as the least likely to tell places apart."""
    return hash_ >> 4


@pytest.mark.usefixtures("in_c")
def test_a_count_stays_at_254_and_at_255() -> None:
    table = Tally()
    assert table.count(np.full(300, 7 << 32, np.uint64)).tolist() == [*range(254), *[254] * 46]
    table.put(np.array([9], np.uint64), np.array([255], np.uint8))
    assert table.count(np.full(3, 9, np.uint64)).tolist() == [255] * 3


def test_a_tally_of_many_places_is_exact_and_takes_eleven_to_seventeen_bytes_a_place() -> None:
    if loops.lib is None:
        pytest.skip("a million places take too long without the extension")
    random, table, every = np.random.default_rng(1), Tally(), []
    for _ in range(20):
        hashes = np.unique(random.integers(1, 2**64 - 1, 50_000, dtype=np.uint64))
        assert not table.count(hashes).any()
        every.append(hashes)
    seen = np.concatenate(every)
    assert table.nbytes <= 14.1 * len(seen)
    assert (table.count(seen) == 1).all()
    assert len(table) == len(seen)
    whole = Tally()
    whole.expect(len(seen))
    whole.count(seen)
    assert whole.nbytes <= 16.6 * len(seen)
