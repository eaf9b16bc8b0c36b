"""The journal against everything that flash does to it: cuts at every operation, cuts while it recovers, aged bits, cells that stick."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from offlinepin.errors import StateError
from offlinepin.lock.flash import WORD, Flash, FlashError, PowerCutError
from offlinepin.lock.journal import Condition, Journal

SIZE, PAGE = 30, 160
COMMITS = 15  # with these sizes, three of them need a new snapshot


def images(count: int, seed: int = 0, size: int = SIZE) -> list[bytes]:
    """Images that follow one another by small changes, now and then by a large one."""
    chance = random.Random(seed)  # noqa: S311 - test images, no secret
    image, out = bytearray(chance.randbytes(size)), []
    for _ in range(count):
        for _ in range(chance.choice([1, 1, 2, 3, size])):
            image[chance.randrange(size)] ^= chance.randrange(1, 256)
        out.append(bytes(image))
    return out


def kept(flash: Flash, size: int = SIZE) -> tuple[Condition, bytes]:
    """What a lock that is switched on would find, without touching the part."""
    journal = Journal(flash.copy(), size)
    return journal.condition, journal.image


def run(flash: Flash, sequence: list[bytes]) -> int:
    """Commit until the power goes; how many were committed."""
    done = 0
    try:
        journal = Journal(flash, SIZE)
        for image in sequence:
            journal.commit(image)
            done += 1
    except PowerCutError:
        pass
    return done


def operations(sequence: list[bytes]) -> int:
    """How many writes and erases a sequence of commits takes."""
    flash = Flash(PAGE)
    run(flash, sequence)
    return flash.words + sum(flash.wear)


def check_after_cut(flash: Flash, sequence: list[bytes], done: int) -> bytes:
    """The law of the cut: the image is that of the last commit or of the one that was cut, whole, and nothing looks like damage."""
    condition, image = kept(flash)
    allowed = [sequence[done - 1] if done else b"", *sequence[done : done + 1]]
    assert image in allowed
    assert condition is (Condition.SOUND if image else Condition.EMPTY)
    return image


def test_the_latest_commit_is_what_is_found() -> None:
    flash = Flash(PAGE)
    journal = Journal(flash, SIZE)
    assert (journal.condition, journal.image) == (Condition.EMPTY, b"")
    for image in images(200):
        journal.commit(image)
        assert journal.image == image
        assert kept(flash) == (Condition.SOUND, image)


@pytest.mark.parametrize("seed", range(4))
def test_a_cut_at_any_operation_leaves_the_old_image_or_the_new_one_and_a_journal_that_works(seed: int) -> None:
    sequence = images(COMMITS, seed)
    probe = Flash(PAGE)
    assert run(probe, sequence) == COMMITS
    assert min(probe.wear) >= 1  # there was a compaction
    for position in range(operations(sequence)):
        flash = Flash(PAGE, seed=1000 * seed + position)
        flash.cut_after = position
        done = run(flash, sequence)
        assert done < COMMITS
        check_after_cut(flash, sequence, done)
        assert run(flash, sequence[done:]) == COMMITS - done
        assert kept(flash) == (Condition.SOUND, sequence[-1])


@pytest.mark.parametrize("seed", range(3))
def test_a_second_cut_at_any_operation_of_the_recovery_changes_nothing_of_that(seed: int) -> None:
    sequence = images(COMMITS, seed)
    for position in range(operations(sequence)):
        first = Flash(PAGE, seed=100 * seed + position)
        first.cut_after = position
        done = run(first, sequence)
        for second in range(25):  # opening writes one word at most, a snapshot is an erase and twelve words
            flash = first.copy()
            flash.cut_after = second
            more = done + run(flash, sequence[done:])
            check_after_cut(flash, sequence, more)
            flash.cut_after = None
            assert run(flash, sequence[more:]) == COMMITS - more
            assert kept(flash) == (Condition.SOUND, sequence[-1])


@given(st.lists(st.integers(0, 40), max_size=40), st.integers(0, 2**32), st.integers(0, 100))
@example([12, 0], 0, 0)
@example([12, 0], 1, 0)  # the first snapshot's check word torn, and then the erase that begins its repetition
def test_any_number_of_cuts_leaves_a_journal_that_works(cuts: list[int], seed: int, which: int) -> None:
    sequence = images(40, which)
    flash = Flash(PAGE, seed=seed)
    done = 0
    for cut in cuts:
        flash.cut_after = cut
        done += run(flash, sequence[done:])
        flash.cut_after = None
        image = check_after_cut(flash, sequence, done)
        done += done < len(sequence) and image == sequence[done]
        if done == len(sequence):
            break
    assert run(flash, sequence[done:]) == len(sequence) - done
    assert kept(flash) == (Condition.SOUND, sequence[-1])


def written(count: int) -> Callable[[], tuple[Flash, bytes]]:
    """A part after that many commits, and the image that it keeps."""

    def make() -> tuple[Flash, bytes]:
        flash = Flash(PAGE)
        sequence = images(count)
        assert run(flash, sequence) == count
        return flash, sequence[-1]

    return make


def just_compacted() -> tuple[Flash, bytes]:
    """A part whose last commit was a snapshot, so that no record follows it."""
    flash = Flash(PAGE)
    journal = Journal(flash, SIZE)
    for image in images(100):
        wear = sum(flash.wear)
        journal.commit(image)
        if sum(flash.wear) > wear and sum(flash.wear) > 3:
            return flash, image
    raise AssertionError("no compaction")


AGES = {
    "one commit": written(1),
    "two commits": written(2),
    "before the first compaction": written(4),
    "after many commits": written(60),
    "after many more": written(97),
    "just compacted": just_compacted,
}


def harmless_or_noticed(flash: Flash, newest: bytes) -> bool:
    """The law of the aged bit: the newest image is found, or the journal says that it is damaged. Never silently an older one."""
    condition, image = kept(flash)
    return condition is Condition.DAMAGED or (condition is Condition.SOUND and image == newest)


@pytest.mark.parametrize("age", AGES)
def test_an_aged_bit_anywhere_is_harmless_or_noticed(age: str) -> None:
    flash, newest = AGES[age]()
    silent = []
    for at in range(2 * PAGE):
        for bit in range(8):
            flash.rot(at, bit)
            if not harmless_or_noticed(flash, newest):
                silent.append((at, bit, *kept(flash)))
            flash.rot(at, bit)
    assert not silent


@given(st.sampled_from(sorted(AGES)), st.integers(0, 2 * PAGE // WORD - 1), st.integers(1, 2**32 - 1))
@settings(max_examples=300)
def test_any_change_of_one_word_is_harmless_or_noticed(age: str, word: int, flips: int) -> None:
    flash, newest = AGES[age]()
    for bit in range(32):
        if flips >> bit & 1:
            flash.rot(WORD * word + bit // 8, bit % 8)
    assert harmless_or_noticed(flash, newest)


def test_a_damaged_journal_that_still_has_an_image_is_sound_after_the_next_commit() -> None:
    flash, newest = written(60)()
    noticed = 0
    for at in range(2 * PAGE):
        aged = flash.copy()
        aged.rot(at, at % 8)
        journal = Journal(aged, SIZE)
        if journal.condition is Condition.DAMAGED and journal.image:
            noticed += 1
            journal.commit(journal.image)  # the same image, and yet it must be written
            assert kept(aged) == (Condition.SOUND, journal.image)
            journal.commit(newest)
            assert kept(aged) == (Condition.SOUND, newest)
    assert noticed


@pytest.mark.parametrize("position", range(14))
def test_a_cut_while_damage_is_mended_leaves_it_noticed_or_mended(position: int) -> None:
    flash, _ = written(60)()
    for at in range(2 * PAGE):
        aged = flash.copy()
        aged.rot(at, 3)
        journal = Journal(aged, SIZE)
        if journal.condition is Condition.DAMAGED and journal.image:
            mended = bytes([journal.image[0] ^ 1]) + journal.image[1:]
            aged.cut_after = position
            with pytest.raises(PowerCutError):
                journal.commit(mended)
            assert kept(aged) in ((Condition.DAMAGED, journal.image), (Condition.SOUND, mended))


class WornFlash(Flash):
    """A part with cells that no longer change, forever or for a while, and a driver that does not notice."""

    def __init__(self, stuck: frozenset[int] = frozenset(), failing: range = range(0)) -> None:
        super().__init__(PAGE)
        self.stuck = stuck  # words that cannot be programmed
        self.failing = failing  # the writes and erases, by number, that do nothing
        self.count = 0

    def _fails(self) -> bool:
        self.count += 1
        return self.count - 1 in self.failing

    def write(self, at: int, word: bytes) -> None:
        old = self.read(at, WORD)
        new = bytes(a & b for a, b in zip(old, word, strict=True))  # what was not erased cannot be set
        super().write(at, old if self._fails() or at in self.stuck else new)

    def erase(self, page: int) -> None:
        if not self._fails():
            super().erase(page)

    def copy(self) -> Flash:
        twin = WornFlash()
        twin._cells[:] = self._cells
        return twin


def commit_or_raise(journal: Journal, image: bytes) -> bool:
    try:
        journal.commit(image)
    except (StateError, FlashError):
        return False
    return True


@pytest.mark.parametrize("stuck", range(2 * PAGE // WORD))
def test_a_word_that_sticks_is_never_believed(stuck: int) -> None:
    flash = WornFlash(frozenset({WORD * stuck}))
    journal = Journal(flash, SIZE)
    before = b""
    for image in images(40):
        if commit_or_raise(journal, image):
            before = image
        condition, found = kept(flash)
        assert found == before or (found == image and journal.image == before)
        if before:
            assert condition is Condition.SOUND


@pytest.mark.parametrize("length", [1, 3, 20])
def test_writes_that_fail_for_a_while_lose_nothing_and_the_journal_heals(length: int) -> None:
    sequence = images(24, seed=3)
    total = operations(sequence)
    for first in range(total):
        flash = WornFlash(failing=range(first, first + length))
        journal = Journal(flash, SIZE)
        before = b""
        for image in sequence:
            for _ in range(25):
                if commit_or_raise(journal, image):
                    break
                assert kept(flash)[1] in (before, image)
            else:
                raise AssertionError("it did not heal")
            before = image
            assert kept(flash) == (Condition.SOUND, image)


def test_a_commit_of_the_image_that_is_kept_writes_nothing() -> None:
    flash, newest = written(5)()
    journal = Journal(flash, SIZE)
    words = flash.words
    journal.commit(newest)
    assert flash.words == words


def test_both_banks_wear_alike() -> None:
    for pages in (2, 4, 5):
        flash = Flash(PAGE if pages == 2 else 96, pages)
        journal = Journal(flash, SIZE)
        for image in images(500):
            journal.commit(image)
        used = flash.wear[: pages // 2 * 2]
        assert max(used) - min(used) <= 1
        assert max(used) > 5
        assert flash.wear[pages // 2 * 2 :] == [0] * (pages % 2)
        assert kept(flash) == (Condition.SOUND, journal.image)


def pairs() -> Iterator[tuple[bytes, bytes]]:
    yield bytes(SIZE), b"\xff" * SIZE
    yield b"\xff" * SIZE, bytes(SIZE)
    yield b"\xff" * SIZE, b"\xff" * (SIZE - 1) + b"\0"


@pytest.mark.parametrize(("old", "new"), list(pairs()))
def test_images_that_look_like_blank_flash_are_kept_too(old: bytes, new: bytes) -> None:
    flash = Flash(PAGE)
    journal = Journal(flash, SIZE)
    for image in (old, new, old, new):
        journal.commit(image)
        assert kept(flash) == (Condition.SOUND, image)


@given(st.data(), st.integers(1, 90))
def test_any_change_of_any_image_is_kept(data: st.DataObject, size: int) -> None:
    flash = Flash(256)
    journal = Journal(flash, size)
    for image in data.draw(st.lists(st.binary(min_size=size, max_size=size), max_size=8)):
        journal.commit(image)
        assert kept(flash, size) == (Condition.SOUND, image)


def test_a_part_that_is_too_small_and_an_image_of_another_size_are_refused() -> None:
    with pytest.raises(StateError, match=r"30 bytes needs two banks of at least 112 bytes each, not 96"):
        Journal(Flash(96), SIZE)
    journal = Journal(Flash(112), SIZE)
    with pytest.raises(StateError, match="keeps 30 bytes, not 29"):
        journal.commit(bytes(29))
