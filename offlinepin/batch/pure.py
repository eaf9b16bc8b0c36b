"""The batch kernel without C: the same columns through numpy, one array operation for thousands of rows. Equal to the C kernel, and a
twentieth as fast; numpy releases the GIL, so threads help here too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from threading import local
from typing import Final

import numpy as np
import numpy.typing as npt

from offlinepin.batch import kernel as k
from offlinepin.batch.sha256 import START, Lane, Sha256, Word
from offlinepin.engine.cipher import ROUNDS, decipher, encipher
from offlinepin.engine.token import DeviceToken, key_bytes

_CHUNK: Final = 16_384  # rows at once: as many as a second-level cache holds, so that numpy's cost per call is spread
_FEW: Final = 256  # rows, for which numpy's calls alone would cost more than one row after the other does
_BIG_ENDIAN: Final = np.dtype(">u4")
_KEPT: Final = local()


def _chunks(n: int) -> Iterator[tuple[slice, Sha256]]:
    """The rows of each chunk, and working memory for them; that of whole chunks is kept for the thread's next call."""
    for start in range(0, n, _CHUNK):
        rows = slice(start, min(start + _CHUNK, n))
        if rows.stop - start < _CHUNK:
            yield rows, Sha256(rows.stop - start)
            continue
        if not hasattr(_KEPT, "sha"):
            _KEPT.sha = Sha256(_CHUNK)
        yield rows, _KEPT.sha


def _words(table: npt.NDArray[np.uint8]) -> list[Lane]:
    """Rows of bytes as big-endian words, one array a word."""
    return list(np.ascontiguousarray(table.view(_BIG_ENDIAN).T, np.uint32))


def _bytes(words: Sequence[Lane]) -> k.U8:
    """The inverse of :func:`_words`."""
    return np.stack(words, axis=1).astype(_BIG_ENDIAN).view(np.uint8)


def _ascii(text: str) -> k.U8:
    return np.frombuffer(text.encode("ascii"), np.uint8)


def _constants(text: bytes) -> list[int]:
    return [int.from_bytes(text[i : i + 4], "big") for i in range(0, len(text), 4)]


def _padded(words: list[Word], length: int) -> list[Word]:
    """One block of a message of ``length`` bytes after the key block; its end mark is in ``words`` already."""
    return [*words, *[0] * (15 - len(words)), 8 * (64 + length)]


def _hmac(sha: Sha256, state: Sequence[Word], block: list[Word], wanted: int = 8) -> list[Lane]:
    """HMAC of one block under a key's 16 state words."""
    return _hmac_end(sha, state, sha.compress(state[:8], block), wanted)


def _hmac_end(sha: Sha256, state: Sequence[Word], inner: Sequence[Word], wanted: int = 8) -> list[Lane]:
    return sha.compress(state[8:], _padded([*inner, 0x80000000], 32), wanted)


def _key_states(sha: Sha256, key: Sequence[Lane]) -> list[Lane]:
    """A key's 16 state words from its 8."""
    inner, outer = (sha.compress(START, [*(word ^ np.uint32(pad) for word in key), *[pad] * 8]) for pad in (0x36363636, 0x5C5C5C5C))
    return [*inner, *outer]


def _ratchet(sha: Sha256, state: Sequence[Lane], step: int) -> list[Lane]:
    message = (1).to_bytes(4, "big") + b"opin ratchet\0" + step.to_bytes(4, "big") + (256).to_bytes(4, "big") + b"\x80\0\0"
    return _hmac(sha, state, _padded([*_constants(message)], 25))


def _window_key(sha: Sha256, state: Sequence[Lane], digest: bytes, families: Word, windows: Lane) -> list[Lane]:
    head = _constants((1).to_bytes(4, "big") + b"opin window\0" + digest)
    first: Lane = np.asarray(families, np.uint32) << np.uint32(24) | windows >> np.uint32(8)
    return _hmac(sha, state, _padded([*head, first, windows << np.uint32(24) | np.uint32(1), 0x00800000], 41))


_HEAD: Final = (1).to_bytes(4, "big") + b"opin token\0"
_ONE_BLOCK: Final = 64 - 9 - 4 - len(_HEAD)  # the longest id whose message fits


def _tail(length: int) -> bytes:
    """What follows an id of this many bytes: be32(256), and SHA-256's padding to the end of the first block or the second."""
    message = len(_HEAD) + length + 4
    end = 64 if length <= _ONE_BLOCK else 128
    padding = b"\x80" + bytes(end - 8 - message - 1) + (8 * (64 + message)).to_bytes(8, "big")
    return (256).to_bytes(4, "big") + padding + bytes(128 - end)


def _token_messages(ids: k.Texts, rows: slice) -> k.U8:
    """be32(1), "opin token", 0, id, be32(256), padded: 128 bytes a row."""
    starts, lengths = ids.offsets[rows], ids.lengths[rows]
    messages = np.empty((len(lengths), 128), np.uint8)
    messages[:, : len(_HEAD)] = np.frombuffer(_HEAD, np.uint8)
    for length in np.flatnonzero(np.bincount(lengths)).tolist():  # 64 at most
        alike, end = np.flatnonzero(lengths == length), len(_HEAD) + length
        messages[alike, len(_HEAD) : end] = ids.blob[starts[alike, None] + np.arange(length)]
        messages[alike, end:] = np.frombuffer(_tail(length), np.uint8)
    return messages


def _first_tokens(sha: Sha256, master: Sequence[int], ids: k.Texts, rows: slice) -> list[Lane]:
    """KDF(MK, "opin token", id): one block or two inside, by the id's length."""
    messages, two = _token_messages(ids, rows), ids.lengths[rows] > _ONE_BLOCK
    inner = sha.compress(master[:8], _words(messages[:, :64]))
    if two.any():
        longer = sha.compress(inner, _words(messages[:, 64:]))
        inner = [np.where(two, long, short) for long, short in zip(longer, inner, strict=True)]
    return _hmac_end(sha, master, inner)


def _stepped(sha: Sha256, tokens: list[Lane], generations: Lane) -> list[Lane]:
    """Tokens of generation 0, each stepped to its own generation."""
    for g in range(int(generations.max())):
        stepped = _ratchet(sha, _key_states(sha, tokens), g + 1)
        tokens = [np.where(generations > g, new, old) for new, old in zip(stepped, tokens, strict=True)]
    return tokens


def _cipher_round(sha: Sha256, state: Sequence[Lane], i: int, b: Lane, m: int) -> Lane:
    """F(i, b, m) of format 1, section 7."""
    block = _padded([i << 24, b >> np.uint32(8), b << np.uint32(24) | np.uint32(0x800000)], 9)
    upper, lower = (word.astype(np.uint64) for word in _hmac(sha, state, block, wanted=2))
    wide = np.uint64(m)
    return ((upper * wide + (lower * wide >> np.uint64(32))) >> np.uint64(32)).astype(np.uint32)


def _permuted(sha: Sha256, state: Sequence[Lane], numbers: k.U64, shape: k.Shape, *, back: bool) -> k.U64:
    """Numbers enciphered, or deciphered."""
    low, high = shape.halves
    upper, lower = np.divmod(numbers, np.uint64(high))
    a, b = upper.astype(np.uint32), lower.astype(np.uint32)
    for i in reversed(range(ROUNDS)) if back else range(ROUNDS):
        m = high if i & 1 else low
        modulus = np.uint32(m)
        if back:
            f = _cipher_round(sha, state, i, a, m)
            a, b = b - f + modulus * (b < f), a
        else:
            gap = modulus - _cipher_round(sha, state, i, b, m)  # a + F mod m is a - gap, which cannot overflow
            a, b = b, a - gap + modulus * (a < gap)
    return a.astype(np.uint64) * np.uint64(high) + b


class PureKernel:
    """The numpy implementation of :class:`~offlinepin.batch.kernel.Kernel`."""

    name = "pure"

    def midstates(self, keys: k.Keys) -> k.States:
        """See :meth:`Kernel.midstates`."""
        k.check_table(keys, np.uint8, 32, "keys")
        states = np.empty((len(keys), 16), np.uint32)
        for rows, sha in _chunks(len(keys)):
            states[rows] = np.stack(_key_states(sha, _words(keys[rows])), axis=1)
        return states

    def derive_tokens(self, master: bytes, ids: k.Texts, generations: k.U32) -> k.Keys:
        """See :meth:`Kernel.derive_tokens`."""
        n = len(ids)
        k.check_ids(ids)
        k.check_column(generations, np.uint32, n, "generations")
        state = self._master(master)
        tokens = np.empty((n, 32), np.uint8)
        for rows, sha in _chunks(n):
            tokens[rows] = _bytes(_stepped(sha, _first_tokens(sha, state, ids, rows), generations[rows]))
        return tokens

    def window_keys(self, tokens: k.States, index: k.U32 | None, digest: bytes, families: k.U8, windows: k.U32) -> k.Keys:
        """See :meth:`Kernel.window_keys`."""
        n = len(windows)
        k.check_states(tokens, index, n)
        k.check_column(windows, np.uint32, n, "windows")
        k.check_column(families, np.uint8, n, "families")
        k.check_digest(digest)
        keys = np.empty((n, 32), np.uint8)
        for rows, sha in _chunks(n):
            state = _gathered(tokens, index, rows)
            keys[rows] = _bytes(_window_key(sha, state, digest, families[rows].astype(np.uint32), windows[rows]))
        return keys

    def seal(self, keys: k.States, index: k.U32 | None, payloads: k.U64, shape: k.Shape) -> k.U64:
        """See :meth:`Kernel.seal`."""
        return self._permute(keys, index, payloads, shape, back=False)

    def open(self, keys: k.States, index: k.U32 | None, numbers: k.U64, shape: k.Shape) -> k.U64:
        """See :meth:`Kernel.open`."""
        return self._permute(keys, index, numbers, shape, back=True)

    def seal_tokens(self, rows: k.TokenRows, payloads: k.U64, shape: k.Shape) -> k.U64:
        """See :meth:`Kernel.seal_tokens`."""
        return self._permute_tokens(rows, payloads, shape, back=False)

    def open_tokens(self, rows: k.TokenRows, numbers: k.U64, shape: k.Shape) -> k.U64:
        """See :meth:`Kernel.open_tokens`."""
        return self._permute_tokens(rows, numbers, shape, back=True)

    def format(self, numbers: k.U64, shape: k.Shape, out: k.Texts8 | None = None) -> k.Texts8:
        """See :meth:`Kernel.format`."""
        n = len(numbers)
        k.check_numbers(numbers, n, shape)
        table = k.code_table(out, n, shape)
        alphabet = _ascii(shape.alphabet)
        start = len(shape.prefix)
        table[:, :start] = _ascii(shape.prefix)
        for place in reversed(range(start, shape.total_length)):
            numbers, digits = np.divmod(numbers, np.uint64(shape.radix))
            table[:, place] = alphabet[digits.astype(np.intp)]
        return table

    def parse(self, typed: k.Texts, shape: k.Shape) -> tuple[k.U64, npt.NDArray[np.bool_]]:
        """See :meth:`Kernel.parse`."""
        numbers = np.zeros(len(typed), np.uint64)
        k.check_numbers(numbers[:0], 0, shape)
        values = np.full(256, 0xFF, np.uint8)
        values[_ascii(shape.alphabet)] = np.arange(shape.radix)
        rows = np.flatnonzero(typed.lengths == shape.total_length)
        symbols = typed.blob[typed.offsets[rows][:, None] + np.arange(shape.total_length)]
        start = len(shape.prefix)
        digits = values[symbols[:, start:]]
        mine = (digits != 0xFF).all(axis=1) & (symbols[:, :start] == _ascii(shape.prefix)).all(axis=1)
        total = np.zeros(len(rows), np.uint64)
        for place in range(shape.length):
            total = total * np.uint64(shape.radix) + digits[:, place]
        numbers[rows[mine]] = total[mine]
        known = np.zeros(len(typed), np.bool_)
        known[rows] = mine
        return numbers, known

    def seal_rows(self, requests: k.Requests, shape: k.Shape, out: k.Texts8 | None = None) -> k.Texts8:
        """See :meth:`Kernel.seal_rows`."""
        n = k.check_requests(requests, shape)
        table = k.code_table(out, n, shape)
        master = self._master(requests.master)
        numbers = np.empty(n, np.uint64)
        for rows, sha in _chunks(n):
            tokens = _stepped(sha, _first_tokens(sha, master, requests.ids, rows), requests.generations[rows])
            keys = _window_key(sha, _key_states(sha, tokens), requests.digest, requests.family, requests.windows[rows])
            numbers[rows] = _permuted(sha, _key_states(sha, keys), requests.payloads[rows], shape, back=False)
        return self.format(numbers, shape, table)

    def _master(self, master: bytes) -> list[int]:
        state = self.midstates(np.frombuffer(key_bytes(master, "a master key"), np.uint8).reshape(1, 32))
        return [int(word) for word in state[0]]

    def _permute(self, keys: k.States, index: k.U32 | None, numbers: k.U64, shape: k.Shape, *, back: bool) -> k.U64:
        n = len(numbers)
        k.check_states(keys, index, n)
        k.check_numbers(numbers, n, shape)
        result = np.empty(n, np.uint64)
        for rows, sha in _chunks(n):
            result[rows] = _permuted(sha, _gathered(keys, index, rows), numbers[rows], shape, back=back)
        return result

    def _permute_tokens(self, rows: k.TokenRows, numbers: k.U64, shape: k.Shape, *, back: bool) -> k.U64:
        n = len(numbers)
        k.check_token_rows(rows, n)
        k.check_numbers(numbers, n, shape)
        if n <= _FEW:
            return _one_by_one(rows, numbers, shape, back=back)
        result = np.empty(n, np.uint64)
        for part, sha in _chunks(n):
            tokens = _words(rows.tokens[part if rows.index is None else rows.index[part]])
            keys = _window_key(sha, _key_states(sha, tokens), rows.digest, rows.family, rows.windows[part])
            result[part] = _permuted(sha, _key_states(sha, keys), numbers[part], shape, back=back)
        return result


def _one_by_one(rows: k.TokenRows, numbers: k.U64, shape: k.Shape, *, back: bool) -> k.U64:
    permute, result = decipher if back else encipher, np.empty(len(numbers), np.uint64)
    for i, number in enumerate(numbers.tolist()):
        token = DeviceToken(rows.tokens[i if rows.index is None else rows.index[i]].tobytes())
        result[i] = permute(number, *shape.halves, token.window_round(rows.digest, rows.family, int(rows.windows[i])))
    return result


def _gathered(states: k.States, index: k.U32 | None, rows: slice) -> list[Lane]:
    """Each row's 16 state words, one array a word."""
    mine = states[rows] if index is None else states[index[rows]]
    return list(np.ascontiguousarray(mine.T))
