"""From grants to codes, for whole columns: tokens, window keys, the cipher, and the look at what else a code could be read as.
Work is shared between rows of one device, and of one device and window, where there are such rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from offlinepin.batch import loops
from offlinepin.batch.drafts import Drafts
from offlinepin.batch.kernel import Fused, Kernel, Shape, States, TokenRows
from offlinepin.batch.matching import KindTable
from offlinepin.engine.payload import Life, decode, life
from offlinepin.engine.profile import Profile

U8 = npt.NDArray[np.uint8]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_LAST_WINDOW = 2**32 - 1
_BLOCK = 8192
"""Rows whose keys are in memory at once where each has its own: a few hundred bytes a row, which a processor's cache holds."""


@dataclass(frozen=True, slots=True)
class Devices:
    """Tokens, 32 bytes each, and which of them each row has; ``None``: row i has token i."""

    tokens: U8 = field(repr=False)
    of_row: U32 | None

    def of(self, rows: I64 | None) -> Devices:
        """The devices of some rows; ``None`` for all."""
        if rows is None:
            return self
        return Devices(self.tokens[rows], None) if self.of_row is None else Devices(self.tokens, self.of_row[rows])

    def blocks(self, n: int) -> Iterator[tuple[slice, Devices]]:
        """The rows in parts whose keys a cache can hold; all at once where tokens are shared."""
        if self.of_row is not None:
            yield slice(0, n), self
            return
        for start in range(0, n, _BLOCK):
            part = slice(start, min(start + _BLOCK, n))
            yield part, Devices(self.tokens[part], None)


@dataclass(frozen=True, slots=True)
class _Keys:
    """The window keys' states of some tokens in windows ``low`` to ``low`` + ``width`` - 1 of a family, device by device."""

    tokens: U8 = field(repr=False)
    family: int
    low: int
    width: int
    states: States = field(repr=False)

    def have(self, devices: Devices, family: int, first: int, last: int) -> bool:
        """Whether these are those of some devices in some windows."""
        return self.tokens is devices.tokens and self.family == family and self.low <= first and last < self.low + self.width


class Sealer:
    """The kernel at work for one profile."""

    def __init__(self, kernel: Kernel, profile: Profile) -> None:
        self._kernel = kernel
        self._fused = kernel if isinstance(kernel, Fused) else None
        self._profile = profile
        self._kept: _Keys | None = None
        self._shapes = [Shape.of(profile, f) for f in range(len(profile.families))]

    def keys(self, devices: Devices, family: int, windows: U32) -> tuple[States, U32 | None]:
        """The window keys' states, and which of them each row takes."""
        if devices.of_row is None:
            return self._window_states(self._kernel.midstates(devices.tokens), None, family, windows), None
        kept = self._all_keys(devices, family, windows)
        if kept is not None:
            return kept.states, devices.of_row * np.uint32(kept.width) + (windows - np.uint32(kept.low))
        device, window, index = pairs_of(devices.of_row, windows)
        return self._window_states(self._kernel.midstates(devices.tokens), device, family, window), index

    def _all_keys(self, devices: Devices, family: int, windows: U32) -> _Keys | None:
        """The keys of every device in every window from the first to the last; ``None`` where that is many beside the rows. One window
        more on either side is where their codes are looked at next."""
        first, last = int(windows.min(initial=_LAST_WINDOW)), int(windows.max(initial=0))
        if self._kept is not None and self._kept.have(devices, family, first, last):
            return self._kept
        low, count = max(first - 1, 0), len(devices.tokens)
        width = min(last + 1, _LAST_WINDOW) - low + 1
        if width <= 0 or count * width > len(windows) // 8:
            return None
        device, window = (column.reshape(-1).astype(np.uint32) for column in np.indices((count, width)))
        states = self._window_states(self._kernel.midstates(devices.tokens), device, family, window + np.uint32(low))
        self._kept = _Keys(devices.tokens, family, low, width, states)
        return self._kept

    def _window_states(self, tokens: States, index: U32 | None, family: int, windows: U32) -> States:
        families = np.full(len(windows), family, np.uint8)
        return self._kernel.midstates(self._kernel.window_keys(tokens, index, self._profile.digest, families, windows))

    def seal(self, devices: Devices, family: int, windows: U32, payloads: U64) -> U64:
        """The sealed number of each row."""
        if devices.of_row is None and self._fused is not None:
            rows = TokenRows(devices.tokens, None, self._profile.digest, family, windows)
            return self._fused.seal_tokens(rows, payloads, self._shapes[family])
        numbers = np.empty(len(payloads), np.uint64)
        for part, some in devices.blocks(len(payloads)):
            states, index = self.keys(some, family, windows[part])
            numbers[part] = self._kernel.seal(states, index, payloads[part], self._shapes[family])
        return numbers

    def open(self, devices: Devices, family: int, windows: U32, numbers: U64) -> U64:
        """What numbers mean under a window's key; payloads from P up mean nothing."""
        if devices.of_row is None and self._fused is not None:
            rows = TokenRows(devices.tokens, None, self._profile.digest, family, windows)
            return self._fused.open_tokens(rows, numbers, self._shapes[family])
        payloads = np.empty(len(numbers), np.uint64)
        for part, some in devices.blocks(len(numbers)):
            states, index = self.keys(some, family, windows[part])
            payloads[part] = self._kernel.open(states, index, numbers[part], self._shapes[family])
        return payloads

    def texts(self, numbers: U64, family: int) -> U8:
        """The codes of a family's numbers, one a row."""
        return self._kernel.format(numbers, self._shapes[family])

    def unambiguous(self, devices: Devices, family_index: int, drafts: Drafts, numbers: U64) -> Mask:
        """Whether no second reading of each code is valid while it is alive (format 1, section 8); see ``Issuer.issue``."""
        family = self._profile.families[family_index]
        good = np.ones(len(numbers), np.bool_)
        for rows, windows in looks(drafts):
            payloads = self.open(devices.of(rows), family_index, windows, numbers[rows])
            for i in np.flatnonzero(payloads < np.uint64(family.bases[-1])).tolist():
                other = decode(family, family_index, int(windows[i]), int(payloads[i]))
                assert other is not None  # below P
                good[rows[i]] &= not self._overlaps(drafts, int(rows[i]), life(self._profile, other))
        return good

    def _overlaps(self, drafts: Drafts, row: int, second: Life) -> bool:
        """Whether a lock could take a second reading at a time at which it could take the first."""
        tolerance = self._profile.lock.tolerance
        over = int(drafts.use_by[row] if drafts.no_end[row] else drafts.ends[row])
        return second.starts - tolerance < over + tolerance and int(drafts.starts[row]) - tolerance < second.fresh_until(tolerance)


def looks(drafts: Drafts) -> Iterator[tuple[I64, U32]]:
    """The rows that could be read in a window that is not their own, and that window; each row at most once in a step."""
    n = len(drafts.own)
    most = int((drafts.newest.astype(np.int64) - drafts.oldest).max(initial=-1))
    for step in range(most + 1):
        if loops.lib is None:
            window = drafts.oldest + np.int64(step)
            rows = np.flatnonzero((window <= drafts.newest) & (window != drafts.own))
            windows = window[rows].astype(np.uint32)
        else:
            rows, windows = np.empty(n, np.int64), np.empty(n, np.uint32)
            spans = (loops.pointer(drafts.own), loops.pointer(drafts.oldest), loops.pointer(drafts.newest))
            count = loops.lib.opin_looks(*spans, n, step, loops.pointer(rows), loops.pointer(windows))
            rows, windows = rows[:count], windows[:count]
        if len(rows):
            yield rows, windows


def pairs_of(devices: U32, windows: U32) -> tuple[U32, U32, U32]:
    """The distinct pairs of a device and a window (or a generation), in any order, and which of them each row is."""
    n = len(devices)
    if not n:
        return devices, windows, devices
    windows = np.ascontiguousarray(windows)
    low = int(windows.min())
    width = int(windows.max()) - low + 1
    size = (int(devices.max()) + 1) * width
    if loops.lib is not None and size <= 4 * n + 1024:
        most, index = min(n, size), np.empty(n, np.uint32)
        distinct = np.empty(most, np.uint32), np.empty(most, np.uint32)
        columns = (loops.pointer(np.zeros(size, np.uint32)), *map(loops.pointer, distinct), loops.pointer(index))
        count = loops.lib.opin_pairs(loops.pointer(devices), loops.pointer(windows), n, low, width, *columns)
        return distinct[0][:count], distinct[1][:count], index
    pairs, found = np.unique(devices.astype(np.int64) * width + (windows.astype(np.int64) - low), return_inverse=True)
    return (pairs // width).astype(np.uint32), (pairs % width + low).astype(np.uint32), found.astype(np.uint32)


def start_rows(table: KindTable, windows: I64, payloads: U64) -> tuple[I64, I64]:
    """Start and duration of payloads that are of this kind; see :func:`offlinepin.engine.payload.decode`."""
    kind = table.kind
    index = ((payloads - np.uint64(table.family.bases[table.blank.kind])) // np.uint64(kind.variants)).astype(np.int64)
    offset = index // kind.duration_count
    return windows * table.family.window + offset, table.listed[index - offset * kind.duration_count]
