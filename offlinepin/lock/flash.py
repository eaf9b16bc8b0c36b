"""A simulated NOR flash part: bits only clear, erase is by page, writes are by word, and the power may go at any of them."""

from __future__ import annotations

import random
from typing import Final

WORD: Final = 4
_BLANK: Final = 0xFF


class PowerCutError(Exception):
    """The power went in the middle of a write or an erase. What was being changed is left in between."""


class FlashError(Exception):
    """The driver did what the part cannot do: set a bit without an erase, write off a word's edge, or beyond the part."""


class Flash:
    """A part of ``pages`` pages of ``page_size`` bytes, blank (all ones) at first.

    Attributes:
        wear: how often each page was erased.
        words: how many words were written.
        cut_after: how many more writes and erases complete before the power goes; ``None`` for no cut.

    Args:
        page_size, pages: bytes in a page, and pages.
        seed: of the chance that decides what a torn write leaves.
    """

    def __init__(self, page_size: int = 2048, pages: int = 2, seed: int = 0) -> None:
        if page_size % WORD or page_size <= 0 or pages < 2:
            raise FlashError(f"a flash needs at least 2 pages of whole words, not {pages} of {page_size} bytes")
        self.page_size = page_size
        self.pages = pages
        self.wear = [0] * pages
        self.words = 0
        self.cut_after: int | None = None
        self._cells = bytearray([_BLANK]) * (page_size * pages)
        self._aged: set[int] = set()  # words that age has changed since their page was erased: no driver can know of it
        self._chance = random.Random(seed)  # noqa: S311 - what a torn write leaves, no secret

    def read(self, at: int, length: int) -> bytes:
        """``length`` bytes from ``at``."""
        if at < 0 or at + length > len(self._cells):
            raise FlashError(f"a read of {length} bytes at {at} goes beyond the part's {len(self._cells)} bytes")
        return bytes(self._cells[at : at + length])

    def write(self, at: int, word: bytes) -> None:
        """Program one aligned word. ``FlashError`` if that would set a bit, unless age has cleared it, which only reading back can tell;
        ``PowerCutError``, some bits cleared, if the power goes."""
        if at % WORD or len(word) != WORD:
            raise FlashError(f"a write is one aligned word of {WORD} bytes, not {len(word)} bytes at {at}")
        old = int.from_bytes(self.read(at, WORD), "big")
        new = int.from_bytes(word, "big")
        if new & ~old and at not in self._aged:
            raise FlashError(f"the write at {at} would set bits that only an erase can set")
        new &= old
        torn = self._spend()
        if torn:
            new |= old & self._chance.getrandbits(8 * WORD)
        self._cells[at : at + WORD] = new.to_bytes(WORD, "big")
        if torn:
            raise PowerCutError(f"the power went while the word at {at} was written")
        self.words += 1

    def erase(self, page: int) -> None:
        """Set all bits of a page. ``PowerCutError`` if the power goes, with only some bits set."""
        if not 0 <= page < self.pages:
            raise FlashError(f"the part has pages 0 to {self.pages - 1}, not {page}")
        start = page * self.page_size
        self.wear[page] += 1
        if self._spend():
            for at in range(start, start + self.page_size):
                self._cells[at] |= self._chance.getrandbits(8)
            raise PowerCutError(f"the power went while page {page} was erased")
        self._cells[start : start + self.page_size] = bytes([_BLANK]) * self.page_size
        self._aged -= set(range(start, start + self.page_size, WORD))

    def rot(self, at: int, bit: int) -> None:
        """Flip one bit, as age does."""
        self._cells[at] ^= 1 << bit
        self._aged.add(at // WORD * WORD)

    def copy(self) -> Flash:
        """A part in the same condition."""
        twin = Flash(self.page_size, self.pages)
        twin.wear, twin.words, twin.cut_after = list(self.wear), self.words, self.cut_after
        twin._cells[:] = self._cells
        twin._aged = set(self._aged)
        twin._chance.setstate(self._chance.getstate())
        return twin

    def _spend(self) -> bool:
        """Whether the power goes at this operation."""
        if self.cut_after is None:
            return False
        self.cut_after -= 1
        if self.cut_after < 0:
            self.cut_after = None
            return True
        return False
