"""Places of variants: grouped in their order, counted exactly, in memory that is known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offlinepin.batch import tally
from offlinepin.batch.tally import Tally
from offlinepin.batch.variants import Groups, place_hashes

U64 = npt.NDArray[np.uint64]
HASHES = st.integers(1, 2**64 - 1)


@given(st.lists(st.integers(1, 9) | HASHES | st.sampled_from([2**40, 2**40 + 1, 2**40 + 2]), max_size=60))
def test_groups_hold_every_row_once_by_place_and_in_order(values: list[int]) -> None:
    """Also where two hashes differ in their last bits only, which the fast way of sorting does not see."""
    groups = Groups.of(np.array(values, np.uint64))
    assert groups.hashes.tolist() == sorted(set(values))
    assert sorted(groups.rows.tolist()) == list(range(len(values)))
    assert groups.sizes.tolist() == [values.count(value) for value in sorted(set(values))]
    for position, row in enumerate(groups.rows.tolist()):
        assert int(groups.hashes[groups.group[position]]) == values[row]
        assert groups.rank[position] == values[:row].count(values[row])
    assert [values[groups.rows[first]] for first in groups.firsts.tolist()] == sorted(set(values))


def test_more_rows_than_the_fast_way_can_sort_are_grouped_too() -> None:
    values = np.arange(70_000, dtype=np.uint64) % np.uint64(7) + np.uint64(1)
    groups = Groups.of(values)
    assert groups.sizes.tolist() == [10_000] * 7
    assert groups.rows[:3].tolist() == [0, 7, 14]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=40))
def test_places_have_equal_hashes_just_where_they_are_equal(places: list[tuple[int, int, int, int]]) -> None:
    columns = np.array(places, np.int64).T
    devices = np.random.default_rng(1).integers(0, 2**64 - 1, 4, dtype=np.uint64)  # uniform, as tokens are
    found = place_hashes(devices[columns[0]], columns[1].astype(np.int16), columns[2].copy(), columns[3].copy())
    assert len(set(found.tolist())) == len(set(places))
    assert all((found[i] == found[j]) == (places[i] == places[j]) for i in range(len(places)) for j in range(len(places)))
    assert (found > 0).all()


@pytest.fixture(params=["c", "python"])
def loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The table's loops in C, and those that stand in where there is no compiler."""
    if request.param == "python":
        monkeypatch.setattr(tally, "lib", None)
    elif tally.lib is None:
        pytest.skip("the extension was built without a C compiler")
    return str(request.param)


@pytest.mark.usefixtures("loops")
def test_a_tally_says_what_was_put_last_and_0_of_what_was_not() -> None:
    @given(
        st.lists(
            st.dictionaries(HASHES | st.integers(1, 300) | st.integers(2**64 - 300, 2**64 - 1), st.integers(1, 255), max_size=80),
            max_size=8,
        ),
        st.data(),
    )
    @settings(max_examples=60)
    def law(batches: list[dict[int, int]], data: st.DataObject) -> None:
        table, known = Tally(), dict[int, int]()
        for batch in batches:
            hashes = np.array(sorted(batch), np.uint64)
            added = np.array([batch[h] for h in sorted(batch)], np.uint8)
            if data.draw(st.booleans()):
                table.put(hashes, added)
                known |= batch
                continue
            assert table.add(hashes, added).tolist() == [known.get(h, 0) for h in sorted(batch)]
            known |= {h: 255 if known.get(h) == 255 else min(254, known.get(h, 0) + more) for h, more in batch.items()}
            assert len(table) == len(known)
        every = sorted(known)
        assert table.add(np.array(every, np.uint64), np.zeros(len(every), np.uint8)).tolist() == [known[h] for h in every]

    law()


def test_a_tally_of_many_places_is_exact_and_takes_some_twelve_bytes_a_place() -> None:
    if tally.lib is None:
        pytest.skip("a million places take too long without the extension")
    random, table, every = np.random.default_rng(1), Tally(), []
    for _ in range(20):
        hashes = np.unique(random.integers(1, 2**64 - 1, 50_000, dtype=np.uint64))
        assert not table.add(hashes, (hashes % np.uint64(254) + np.uint64(1)).astype(np.uint8)).any()
        every.append(hashes)
    seen = np.sort(np.concatenate(every))
    assert table.nbytes <= 14.1 * len(seen)
    assert (table.add(seen, np.zeros(len(seen), np.uint8)) == (seen % np.uint64(254) + np.uint64(1)).astype(np.uint8)).all()
    assert len(table) == len(seen)
