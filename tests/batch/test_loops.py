"""The loops in C: each gives what numpy or Python gives in its place, and stays inside its columns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pa = pytest.importorskip("pyarrow", reason="the extra `batch` is not installed")

from offlinepin.batch import loops  # noqa: E402
from offlinepin.batch.columns import Names  # noqa: E402
from offlinepin.batch.drafts import Drafter, Drafts  # noqa: E402
from offlinepin.batch.matching import Fits, KindTable, Wanted, fit_rows, kind_tables  # noqa: E402
from offlinepin.batch.sealing import looks, pairs_of  # noqa: E402
from offlinepin.batch.variants import place_hashes  # noqa: E402
from offlinepin.testing.choosing import DrawChooser  # noqa: E402
from offlinepin.testing.profiles import small_vendor  # noqa: E402
from offlinepin.vendor import Vendor, load  # noqa: E402

pytestmark = pytest.mark.skipif(loops.lib is None, reason="the extension was built without a C compiler")
PRESENT = 1_806_148_800
SECONDS = st.integers(-3, 40).map(lambda n: PRESENT + n * 21_600) | st.integers(PRESENT - 10**6, PRESENT + 10**7) | st.integers(-10, 2**37)


@contextmanager
def without_c() -> Iterator[None]:
    """What happens where there was no compiler."""
    lib, loops.lib = loops.lib, None
    try:
        yield
    finally:
        loops.lib = lib


@st.composite
def vendors(draw: st.DrawFn) -> Vendor:
    """Those that are installed, and products made up."""
    name = draw(st.sampled_from(["igloo", "standard", "oracode", None, None, None]))
    return small_vendor(DrawChooser(draw)) if name is None else load(name)


def alike(one: object, other: object) -> None:
    """Two dataclasses of columns hold the same."""
    for column in fields(one):  # type: ignore[arg-type]
        a, b = getattr(one, column.name), getattr(other, column.name)
        assert (a.dtype, a.tolist()) == (b.dtype, b.tolist()), column.name


@given(vendors(), st.data())
@settings(max_examples=150, deadline=None)
def test_the_best_fit_of_every_row_is_that_of_numpy(vendor: Vendor, data: st.DataObject) -> None:
    tables = kind_tables(vendor.profile)
    spans = data.draw(
        st.lists(st.tuples(SECONDS, st.integers(1, 9).map(lambda n: n * 43_200) | st.integers(1, 10**7)), min_size=1, max_size=20)
    )
    low = np.array([start for start, _ in spans], np.int64)
    high = low + np.array([length for _, length in spans], np.int64) if data.draw(st.booleans()) else None
    level = data.draw(st.sampled_from([None, *(family.name for family in vendor.profile.families)]))
    wanted = Wanted(data.draw(st.booleans()), None, level, data.draw(st.sampled_from([None, timedelta(), timedelta(days=1)])))
    found = fit_rows(vendor, tables, wanted, low, high, PRESENT)
    with without_c():
        expected = fit_rows(vendor, tables, wanted, low, high, PRESENT)
    assert found.kinds.tolist() == expected.kinds.tolist()
    served = found.kinds >= 0
    assert found.starts[served].tolist() == expected.starts[served].tolist()
    assert found.durations[served].tolist() == expected.durations[served].tolist()


def some_fits(data: st.DataObject, tables: list[KindTable]) -> Fits:
    """Grants of any kinds, and rows without one."""
    rows = data.draw(st.lists(st.tuples(st.sampled_from(tables) | st.none(), st.integers(0, 10**6), st.integers(0, 10**6)), max_size=20))
    numbers = [-1 if table is None else table.number for table, _, _ in rows]
    lengths = [0 if table is None else int(table.listed[i % len(table.listed)]) for table, _, i in rows]
    return Fits(np.array(numbers, np.int16), np.array([start for _, start, _ in rows], np.int64), np.array(lengths, np.int64))


def drafted(data: st.DataObject, vendor: Vendor) -> tuple[Drafts, Drafts]:
    """The drafts of some grants, by C and by numpy."""
    tables = kind_tables(vendor.profile)
    fits = some_fits(data, [table for table in tables if table.is_small and table.kind.action in ("unlock", "passage")])
    made, odd = Drafter(vendor.profile, tables).drafts(fits)
    with without_c():
        expected, odd_too = Drafter(vendor.profile, tables).drafts(fits)
    assert odd.tolist() == odd_too.tolist()
    return made, expected


@given(vendors(), st.data())
@settings(max_examples=150, deadline=None)
def test_the_times_windows_and_payloads_of_grants_are_those_of_numpy(vendor: Vendor, data: st.DataObject) -> None:
    made, expected = drafted(data, vendor)
    alike(made, expected)
    found = sorted((row, window) for rows, windows in looks(made) for row, window in zip(rows.tolist(), windows.tolist(), strict=True))
    spans = zip(made.own.tolist(), made.oldest.tolist(), made.newest.tolist(), strict=True)
    assert found == [(i, window) for i, (own, oldest, newest) in enumerate(spans) for window in range(oldest, newest + 1) if window != own]


IDS = st.text("aß-", max_size=30) | st.sampled_from(["door-0000001", "door-0000002", "door-000", "x" * 65])


@given(st.lists(IDS, min_size=10, max_size=60), st.integers(0, 9))
def test_every_device_id_is_there_once_in_the_order_of_arrow_s_own_dictionary(ids: list[str], cut: int) -> None:
    array = pa.array(ids, pa.string())[cut:]
    found = Names.of(array, shared=True)
    with without_c():
        expected = Names.of(array, shared=True)
    assert found.values.equals(expected.values)
    for mine, theirs in ((found.of_row, expected.of_row), (found.sound, expected.sound)):
        assert (mine is None) == (theirs is None)
        if mine is not None and theirs is not None:
            assert (mine.dtype, mine.tolist()) == (theirs.dtype, theirs.tolist())


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 8).map(lambda n: 2**32 - 9 + n)), max_size=40), st.booleans())
def test_every_row_has_its_pair_and_every_pair_is_there_once(rows: list[tuple[int, int]], in_c: bool) -> None:
    columns = np.array(rows, np.uint32).reshape(-1, 2).T.copy()
    if in_c:
        devices, windows, index = pairs_of(*columns)
    else:
        with without_c():
            devices, windows, index = pairs_of(*columns)
    pairs = list(zip(devices.tolist(), windows.tolist(), strict=True))
    assert [pairs[i] for i in index.tolist()] == rows
    assert sorted(pairs) == sorted(set(rows))


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 300), st.integers(0, 2**40), st.integers(0, 2**20)), max_size=40))
def test_the_hashes_of_places_are_those_of_numpy(places: list[tuple[int, int, int, int]]) -> None:
    types = (np.uint64, np.int16, np.int64, np.int64)
    columns = [np.array([place[i] for place in places], dtype) for i, dtype in enumerate(types)]
    found = place_hashes(*columns)
    with without_c():
        assert found.tolist() == place_hashes(*columns).tolist()
