"""A journal that keeps one image in flash: two banks, of which one holds a snapshot and the changes since. A commit is whole or it is not
there, wherever the power goes; what age has changed is noticed. ``docs/format.md`` ("The state in flash") describes the bytes."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from offlinepin.errors import StateError
from offlinepin.lock.flash import WORD, Flash

_MAGIC: Final = b"oPj\x01"
_HEAD: Final = 3 * WORD  # magic, sequence, and the image's size
_ROOM: Final = 64  # bytes that must be left for changes
_MOST: Final = 0xFF00  # bytes of an image: places and lengths in a record have two bytes
_DONE: Final = bytes(WORD)  # behind a record's check value: a bit of that which is wrong is then age, not a cut


class Condition(StrEnum):
    """What a journal found in flash."""

    EMPTY = "empty"
    SOUND = "sound"
    DAMAGED = "damaged"  # bits have changed that no power cut explains: the image may be older than what was committed last


@dataclass(slots=True)
class _Bank:
    """What a scan of one bank found.

    ``end`` is where the next record goes; ``closed`` says that nothing more can be written there; ``retired`` that a newer snapshot
    took over; ``unfinished`` that its snapshot may never have been completed; ``undone`` where the latest record's last word is missing.
    """

    sequence: int = -1
    image: bytes = b""
    end: int = 0
    closed: bool = False
    retired: bool = False
    unfinished: bool = False
    undone: int | None = None
    damaged: bool = False

    def keeps(self, image: bytes, sequence: int) -> bool:
        """Whether this is what was to be written, and can be gone on with."""
        return self.image == image and self.sequence == sequence and not self.closed


class Journal:
    """Keeps an image of ``size`` bytes in a flash part of which it has every page.

    Attributes:
        image: what is committed; empty before the first commit.
        condition: what was found when the journal was opened.

    Raises:
        StateError: the part is too small for a snapshot of that size, with room for changes, in each half.
    """

    def __init__(self, flash: Flash, size: int) -> None:
        if size > _MOST:
            raise StateError(f"a journal keeps at most {_MOST} bytes, not {size}")
        self._flash = flash
        self._size = size
        self._bank_pages = flash.pages // 2
        self._bank_bytes = self._bank_pages * flash.page_size
        needed = _HEAD + _padded(size) + WORD + _ROOM
        if needed > self._bank_bytes:
            raise StateError(f"a state of {size} bytes needs two banks of at least {needed} bytes each, not {self._bank_bytes}")
        banks = [self._scan(bank) for bank in (0, 1)]
        self._bank = 0 if banks[0].sequence >= banks[1].sequence else 1
        self._now = banks[self._bank]
        self.image = self._now.image
        self.condition = Condition.DAMAGED if self._now.damaged else Condition.SOUND
        if self._now.sequence < 0:
            self.condition = Condition.EMPTY if all(bank.unfinished for bank in banks) else Condition.DAMAGED
            return
        if not banks[1 - self._bank].retired:
            self._retire(1 - self._bank)  # the power went before this was done
        if self._now.undone is not None:
            self._flash.write(self._now.undone, _DONE)  # nor was this

    def commit(self, image: bytes) -> None:
        """Make ``image`` what is kept, and read it back. It is kept once this returns; after a power cut it is kept whole or not at all.

        Raises:
            StateError: it does not read back as written; the part is worn out.
        """
        if len(image) != self._size:
            raise StateError(f"this journal keeps {self._size} bytes, not {len(image)}")
        if image == self.image and not self._now.closed:
            return
        record = _record(self._now.image, image) if self._now.sequence >= 0 else b""
        fits = record and not self._now.closed and self._now.end + len(record) + 2 * WORD <= self._bank_bytes
        if not (fits and self._append(record, image)) and not self._snapshot(image):
            raise StateError("the state does not read back as it was written; the flash is worn out")
        self.image = image

    def _append(self, record: bytes, image: bytes) -> bool:
        end = self._now.end
        self._now.closed = True  # until it is whole: a driver that fails half-way must start a new snapshot
        sequence = self._now.sequence
        self._write(self._bank * self._bank_bytes + end, record + _check(record, sequence, end) + _DONE)
        self._now = self._scan(self._bank)
        return self._now.keeps(image, sequence)

    def _snapshot(self, image: bytes) -> bool:
        """Write the whole image into the other bank. The one in use stays valid until the new one's last word is written."""
        first = self._now.sequence < 0
        bank, sequence = (0 if first else 1 - self._bank), self._now.sequence + 1
        for page in range(self._bank_pages):
            self._flash.erase(bank * self._bank_pages + page)
        head = _MAGIC + sequence.to_bytes(WORD, "big") + self._size.to_bytes(WORD, "big")
        body = head + image.ljust(_padded(self._size), b"\0")
        self._write(bank * self._bank_bytes, body + zlib.crc32(body).to_bytes(WORD, "big"))
        found = self._scan(bank)
        if not found.keeps(image, sequence):
            self._now.closed = True  # what is there stays in use for reading
            return False
        self._bank, self._now = bank, found
        self._retire(1 - bank)  # the first snapshot too: it says that there has been one
        return True

    def _retire(self, bank: int) -> None:
        """Make a bank's snapshot invalid, so that it can never be taken for the newest when that one ages."""
        self._flash.write(bank * self._bank_bytes, bytes(WORD))

    def _write(self, at: int, data: bytes) -> None:
        for i in range(0, len(data), WORD):
            self._flash.write(at + i, data[i : i + WORD])

    def _scan(self, bank: int) -> _Bank:
        """Read a bank: its snapshot, then its records up to the first that is not whole."""
        data = self._flash.read(bank * self._bank_bytes, self._bank_bytes)
        end = _HEAD + _padded(self._size)
        body, check = data[:end], int.from_bytes(data[end : end + WORD], "big")
        end += WORD
        if not body.startswith(_MAGIC) or check != zlib.crc32(body):
            retired = not any(data[:WORD])
            return _Bank(closed=True, retired=retired, unfinished=not retired and len(data.rstrip(b"\xff")) <= end)
        found = _Bank(int.from_bytes(body[WORD : 2 * WORD], "big"), image=body[_HEAD : _HEAD + self._size])
        last = len(data.rstrip(b"\xff"))  # what is written ends here
        while end < last:
            record = _whole(data, end, found.sequence)
            if record is None:
                found.closed = True
                found.damaged = not _is_torn(data, end, last)
                break
            found.image = _changed(found.image, record)
            end += len(record) + 2 * WORD
            if any(data[end - WORD : end]) and last <= end:
                found.undone = bank * self._bank_bytes + end - WORD
        found.end = end
        return found


def _padded(size: int) -> int:
    return -(-size // WORD) * WORD


def _check(record: bytes, sequence: int, place: int) -> bytes:
    """A record's check value: over its bytes, the bank's sequence and its place, so that no old record can stand in for a new one."""
    return zlib.crc32(record + sequence.to_bytes(4, "big") + place.to_bytes(4, "big")).to_bytes(WORD, "big")


def _head(length: int) -> bytes:
    return length.to_bytes(2, "big") + (length ^ 0xFFFF).to_bytes(2, "big")


def _whole(data: bytes, at: int, sequence: int) -> bytes | None:
    """The record at a place, if it is whole."""
    length = int.from_bytes(data[at : at + 2], "big")
    record, check = data[at : at + length], data[at + length : at + length + WORD]
    whole = length >= WORD and record[:WORD] == _head(length) and check == _check(record, sequence, at)
    return record if whole else None


def _is_torn(data: bytes, at: int, last: int) -> bool:
    """Whether a power cut explains a record that is not whole: nothing is written behind the word that was being written."""
    if last <= at + WORD:
        return True
    length = int.from_bytes(data[at : at + 2], "big")
    if length < WORD or data[at : at + WORD] != _head(length):
        return False
    return last <= at + length + WORD  # the word behind the check value says that the check value was written in full


def _record(old: bytes, new: bytes) -> bytes:
    """A change from one image to another: a head, the stretches that differ (offset and length, 2 bytes each, and the bytes), zeros."""
    body = b"".join(at.to_bytes(2, "big") + len(piece).to_bytes(2, "big") + piece for at, piece in _differences(old, new))
    length = _padded(WORD + len(body))
    return (_head(length) + body).ljust(length, b"\0")


def _changed(image: bytes, record: bytes) -> bytes:
    """An image after a record's change."""
    changed = bytearray(image)
    at = WORD
    while at + 4 <= len(record) and (length := int.from_bytes(record[at + 2 : at + 4], "big")):
        offset = int.from_bytes(record[at : at + 2], "big")
        changed[offset : offset + length] = record[at + 4 : at + 4 + length]
        at += 4 + length
    return bytes(changed)


def _differences(old: bytes, new: bytes) -> Iterator[tuple[int, bytes]]:
    """The stretches in which two images of one length differ; a gap of up to the four bytes of a stretch's head is carried along."""
    start = last = -1
    for i, (a, b) in enumerate(zip(old, new, strict=True)):
        if a != b:
            if start >= 0 and i - last > 4:
                yield start, new[start : last + 1]
                start = i
            elif start < 0:
                start = i
            last = i
    if start >= 0:
        yield start, new[start : last + 1]
