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


class Condition(StrEnum):
    """What a journal found in flash."""

    EMPTY = "empty"
    SOUND = "sound"
    DAMAGED = "damaged"  # bits have changed that no power cut explains: the image may be older than what was committed last


@dataclass(slots=True)
class _Bank:
    """What a scan of one bank found.

    ``end`` is where the next record goes; ``closed`` says that nothing more can be written there; ``unfinished`` that its snapshot
    was never completed.
    """

    sequence: int = -1
    image: bytes = b""
    end: int = 0
    closed: bool = False
    unfinished: bool = False
    damaged: bool = False


class Journal:
    """Keeps an image of ``size`` bytes in a flash part of which it has every page.

    Attributes:
        image: what is committed; empty before the first commit.
        condition: what was found when the journal was opened.

    Raises:
        StateError: the part is too small for a snapshot of that size, with room for changes, in each half.
    """

    def __init__(self, flash: Flash, size: int) -> None:
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
        elif banks[1 - self._bank].sequence >= 0:
            self._retire(1 - self._bank)  # the power went before this was done

    def commit(self, image: bytes) -> None:
        """Make ``image`` what is kept, and read it back. It is kept once this returns; after a power cut it is kept whole or not at all.

        Raises:
            StateError: it does not read back as written; the part is worn out.
        """
        if len(image) != self._size:
            raise StateError(f"this journal keeps {self._size} bytes, not {len(image)}")
        if image == self.image and not self._now.closed:
            return
        record = _record(self.image, image) if self._now.sequence >= 0 else b""
        fits = record and not self._now.closed and self._now.end + len(record) + WORD <= self._bank_bytes
        if not (fits and self._append(record, image)) and not self._snapshot(image):
            raise StateError("the state does not read back as it was written; the flash is worn out")
        self.image = image

    def _append(self, record: bytes, image: bytes) -> bool:
        end = self._now.end
        self._now.closed = True  # until it is whole: a driver that fails half-way must start a new snapshot
        self._write(self._bank * self._bank_bytes + end, record + _check(record, self._now.sequence, end))
        return self._reads_back(self._bank, self._now.sequence, image)

    def _snapshot(self, image: bytes) -> bool:
        """Write the whole image into the other bank. The one in use stays valid until the new one's last word is written."""
        first = self._now.sequence < 0
        bank, sequence = (0 if first else 1 - self._bank), self._now.sequence + 1
        for page in range(self._bank_pages):
            self._flash.erase(bank * self._bank_pages + page)
        head = _MAGIC + sequence.to_bytes(WORD, "big") + self._size.to_bytes(WORD, "big")
        body = head + image.ljust(_padded(self._size), b"\0")
        self._write(bank * self._bank_bytes, body + zlib.crc32(body).to_bytes(WORD, "big"))
        old, self._bank = self._bank, bank
        if not self._reads_back(bank, sequence, image):
            return False
        if not first:
            self._retire(old)
        return True

    def _reads_back(self, bank: int, sequence: int, image: bytes) -> bool:
        self._now = self._scan(bank)
        return self._now.image == image and self._now.sequence == sequence and not self._now.closed

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
            return _Bank(unfinished=_may_be_torn(check, zlib.crc32(body)), closed=True)
        found = _Bank(int.from_bytes(body[WORD : 2 * WORD], "big"), image=body[_HEAD : _HEAD + self._size])
        last = len(data.rstrip(b"\xff"))  # what is written ends here
        while end < last:
            record = _whole(data, end, found.sequence)
            if record is None:
                found.closed = True
                found.damaged = not _is_torn(data, end, last, found.sequence)
                break
            found.image = _changed(found.image, record)
            end += len(record) + WORD
        found.end = end
        return found


def _padded(size: int) -> int:
    return -(-size // WORD) * WORD


def _may_be_torn(found: int, meant: int) -> bool:
    """Whether a word is blank, or one whose writing was cut: no bit is clear that should be set."""
    return found & meant == meant


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


def _is_torn(data: bytes, at: int, last: int, sequence: int) -> bool:
    """Whether a power cut explains a record that is not whole: nothing is written behind the word that was being written."""
    if last <= at + WORD:
        return True
    length = int.from_bytes(data[at : at + 2], "big")
    if length < WORD or data[at : at + WORD] != _head(length):
        return False
    if last <= at + length:
        return True
    check = int.from_bytes(data[at + length : at + length + WORD], "big")
    meant = int.from_bytes(_check(data[at : at + length], sequence, at), "big")
    return last <= at + length + WORD and _may_be_torn(check, meant)


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
