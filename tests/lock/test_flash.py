"""The simulated flash part: what real NOR cells do and refuse to do, and what a power cut leaves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offlinepin.lock.flash import WORD, Flash, FlashError, PowerCutError

WORDS = st.binary(min_size=WORD, max_size=WORD)


def number(word: bytes) -> int:
    return int.from_bytes(word, "big")


@given(st.lists(st.tuples(st.integers(0, 15), WORDS), max_size=60))
def test_a_write_only_clears_bits_and_a_write_that_would_set_one_changes_nothing(writes: list[tuple[int, bytes]]) -> None:
    flash = Flash(page_size=32, pages=2)
    cells = [0xFFFF_FFFF] * 16
    written = 0
    for place, word in writes:
        if number(word) & ~cells[place]:
            with pytest.raises(FlashError, match="only an erase can set"):
                flash.write(WORD * place, word)
        else:
            flash.write(WORD * place, word)
            cells[place] = number(word)
            written += 1
    assert flash.read(0, 64) == b"".join(cell.to_bytes(WORD, "big") for cell in cells)
    assert flash.words == written


@given(WORDS, WORDS, st.integers(0, 2**32))
def test_a_torn_write_clears_nothing_but_bits_that_were_to_be_cleared(old: bytes, new: bytes, seed: int) -> None:
    new = (number(old) & number(new)).to_bytes(WORD, "big")
    flash = Flash(page_size=32, seed=seed)
    flash.write(8, old)
    flash.cut_after = 0
    with pytest.raises(PowerCutError):
        flash.write(8, new)
    left = number(flash.read(8, WORD))
    assert left & ~number(old) == 0
    assert number(new) & ~left == 0
    assert flash.read(0, 8) + flash.read(12, 52) == b"\xff" * 60
    assert flash.words == 1
    flash.write(8, new)
    assert flash.read(8, WORD) == new


def test_a_torn_write_may_leave_any_of_the_bits_that_were_to_be_cleared() -> None:
    cleared = set()
    for seed in range(100):
        flash = Flash(page_size=32, seed=seed)
        flash.cut_after = 0
        with pytest.raises(PowerCutError):
            flash.write(0, bytes(WORD))
        left = number(flash.read(0, WORD))
        cleared |= {(bit, left >> bit & 1) for bit in range(32)}
    assert len(cleared) == 64


@given(st.binary(min_size=64, max_size=64), st.integers(0, 1), st.integers(0, 2**32))
def test_a_torn_erase_sets_some_bits_of_its_page_and_touches_no_other(content: bytes, page: int, seed: int) -> None:
    flash = Flash(page_size=32, pages=2, seed=seed)
    for at in range(0, 64, WORD):
        flash.write(at, content[at : at + WORD])
    flash.cut_after = 0
    with pytest.raises(PowerCutError):
        flash.erase(page)
    for p in (0, 1):
        before, after = content[32 * p : 32 * p + 32], flash.read(32 * p, 32)
        assert after == before if p != page else all(b & ~a == 0 for b, a in zip(before, after, strict=True))
    flash.erase(page)
    assert flash.read(32 * page, 32) == b"\xff" * 32


@given(st.lists(st.integers(0, 3), max_size=30))
def test_wear_counts_the_erases_of_each_page(pages: list[int]) -> None:
    flash = Flash(page_size=32, pages=4)
    for page in pages:
        flash.erase(page)
    assert flash.wear == [pages.count(page) for page in range(4)]


@given(st.integers(0, 20))
def test_the_power_goes_after_the_operations_that_were_allowed_and_then_is_back(operations: int) -> None:
    flash = Flash(page_size=32)
    flash.cut_after = operations
    for _ in range(operations):
        flash.write(0, b"\xff" * WORD)
    with pytest.raises(PowerCutError):
        flash.erase(0)
    assert flash.cut_after is None
    flash.erase(0)
    assert flash.wear[0] == 2


def test_an_operation_that_the_part_refuses_is_no_place_for_a_cut() -> None:
    flash = Flash(page_size=32)
    flash.write(0, bytes(WORD))
    flash.cut_after = 0
    with pytest.raises(FlashError, match="would set bits"):
        flash.write(0, b"\xff" * WORD)
    assert flash.cut_after == 0


def test_writes_off_a_word_and_places_beyond_the_part_are_refused() -> None:
    flash = Flash(page_size=32, pages=2)
    for at, word in ((2, bytes(WORD)), (0, bytes(3)), (0, bytes(8))):
        with pytest.raises(FlashError, match="one aligned word"):
            flash.write(at, word)
    for at, length in ((64, 1), (60, 5), (-4, 4)):
        with pytest.raises(FlashError, match="beyond the part's 64 bytes"):
            flash.read(at, length)
    with pytest.raises(FlashError, match="beyond"):
        flash.write(64, bytes(WORD))
    for page in (-1, 2):
        with pytest.raises(FlashError, match="pages 0 to 1"):
            flash.erase(page)
    for size, pages in ((30, 2), (0, 2), (32, 1)):
        with pytest.raises(FlashError, match="at least 2 pages of whole words"):
            Flash(size, pages)


def test_a_copy_is_in_the_same_condition_and_apart() -> None:
    flash = Flash(page_size=32, seed=5)
    flash.write(4, bytes(WORD))
    flash.erase(1)
    flash.cut_after = 3
    twin = flash.copy()
    assert (twin.wear, twin.words, twin.cut_after) == ([0, 1], 1, 3)
    torn = []
    for part in (flash, twin):
        part.cut_after = 0
        with pytest.raises(PowerCutError):
            part.write(8, bytes(WORD))
        torn.append(part.read(0, 64))
    assert torn[0] == torn[1]
    twin.erase(0)
    assert flash.read(0, 64) == torn[0]
    assert flash.wear == [0, 1]


@given(st.integers(0, 63), st.integers(0, 7))
def test_rot_flips_one_bit_and_twice_is_nothing(at: int, bit: int) -> None:
    flash = Flash(page_size=32)
    flash.rot(at, bit)
    assert [i for i, byte in enumerate(flash.read(0, 64)) if byte != 0xFF] == [at]
    assert flash.read(at, 1)[0] == 0xFF ^ 1 << bit
    flash.rot(at, bit)
    assert flash.read(0, 64) == b"\xff" * 64


@given(st.integers(0, 63), st.integers(0, 7))
def test_what_age_has_cleared_stays_clear_until_the_erase(at: int, bit: int) -> None:
    flash = Flash(page_size=32)
    flash.rot(at, bit)
    for part in (flash, flash.copy()):
        aged = part.read(at // 4 * 4, 4)
        part.write(at // 4 * 4, b"\xff" * 4)
        assert part.read(at // 4 * 4, 4) == aged
        part.erase(at // 32)
        part.write(at // 4 * 4, bytes(4))
        with pytest.raises(FlashError, match="only an erase"):
            part.write(at // 4 * 4, b"\xff" * 4)
