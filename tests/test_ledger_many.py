"""Taking many variants at once: what taking them one by one gives, and nothing at all when it fails on the way."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offlinepin.ledger import Ledger, MemoryLedger, Place, SqliteLedger

PLACES = st.builds(
    Place, st.sampled_from(["door", "gate"]), st.just(0), st.just("access"), st.just("hourly"), st.integers(0, 1), st.just(3)
)
WANTS = st.lists(st.tuples(PLACES, st.integers(0, 2).map(range) | st.integers(0, 3).map(lambda v: range(v, v + 1))), max_size=12)
MAKERS: dict[str, Callable[[Path], Ledger]] = {"memory": lambda _: MemoryLedger(), "sqlite": SqliteLedger}


@pytest.mark.parametrize("kind", MAKERS)
def test_many_at_once_get_what_each_in_turn_would(kind: str) -> None:
    @given(WANTS, WANTS, st.sets(st.tuples(st.integers(0, 11), st.integers(0, 3)), max_size=6))
    @settings(max_examples=40)
    def law(before: list[tuple[Place, range]], wants: list[tuple[Place, range]], refused: set[tuple[int, int]]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            one, other = (MAKERS[kind](Path(folder) / f"{n}.db") for n in range(2))
            for ledger in (one, other):
                for place, variants in before:
                    ledger.take(place, variants, lambda _: True, None)
            found = one.take_many([p for p, _ in wants], [v for _, v in wants], lambda i, v: (i, v) not in refused)
            single = [other.take(p, r, lambda v, i=i: (i, v) not in refused, None) for i, (p, r) in enumerate(wants)]  # type: ignore[misc]
            assert found == single

    law()


@pytest.mark.parametrize("kind", MAKERS)
def test_nothing_is_taken_when_it_fails_on_the_way(kind: str, tmp_path: Path) -> None:
    ledger = MAKERS[kind](tmp_path / "ledger.db")
    place = Place("door", 0, "access", "hourly", 1, 1)

    def usable(index: int, variant: int) -> bool:
        if index:
            raise RuntimeError("the power went")
        return variant == 0

    with pytest.raises(RuntimeError, match="the power went"):
        ledger.take_many([place, place], [range(3), range(3)], usable)
    taken = ledger.take(place, range(3), lambda _: True, None)
    assert taken is not None
    assert taken.variant == 0
