"""From grants to codes, for whole columns: tokens, window keys, the cipher, and the look at what else a code could be read as.
Work is shared between rows of one device, and of one device and window, where there are such rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from offlinepin.batch import loops
from offlinepin.batch.drafts import Drafts
from offlinepin.batch.kernel import Kernel, Shape, States, TokenRows
from offlinepin.batch.matching import KindTable
from offlinepin.engine.payload import Life, decode, life
from offlinepin.engine.profile import Profile

U8 = npt.NDArray[np.uint8]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_LAST_WINDOW = 2**32 - 1


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
        self._profile = profile
        self._kept: _Keys | None = None
        self._shapes = [Shape.of(profile, f) for f in range(len(profile.families))]

    def _keys(self, devices: Devices, index: U32, family: int, windows: U32) -> tuple[States, U32]:
        """The window keys' states, and which of them each row takes."""
        kept = self._all_keys(devices, family, windows)
        if kept is not None:
            return kept.states, index * np.uint32(kept.width) + (windows - np.uint32(kept.low))
        device, window, pairs = pairs_of(index, windows)
        return self._window_states(self._kernel.midstates(devices.tokens), device, family, window), pairs

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

    def _window_states(self, tokens: States, index: U32, family: int, windows: U32) -> States:
        families = np.full(len(windows), family, np.uint8)
        return self._kernel.midstates(self._kernel.window_keys(tokens, index, self._profile.digest, families, windows))

    def seal(self, devices: Devices, family: int, windows: U32, payloads: U64) -> U64:
        """The sealed number of each row."""
        if devices.of_row is None or len(windows) < len(devices.tokens):
            return self._kernel.seal_tokens(self._rows(devices, family, windows), payloads, self._shapes[family])
        states, index = self._keys(devices, devices.of_row, family, windows)
        return self._kernel.seal(states, index, payloads, self._shapes[family])

    def open(self, devices: Devices, family: int, windows: U32, numbers: U64) -> U64:
        """What numbers mean under a window's key; payloads from P up mean nothing."""
        if devices.of_row is None or len(windows) < len(devices.tokens):
            return self._kernel.open_tokens(self._rows(devices, family, windows), numbers, self._shapes[family])
        states, index = self._keys(devices, devices.of_row, family, windows)
        return self._kernel.open(states, index, numbers, self._shapes[family])

    def _rows(self, devices: Devices, family: int, windows: U32) -> TokenRows:
        """Rows that share nothing with each other, or that are so few that it would not pay."""
        return TokenRows(devices.tokens, devices.of_row, self._profile.digest, family, windows)

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
    several = np.flatnonzero(drafts.several)
    own, oldest, newest = (column[several].astype(np.int64) for column in (drafts.own, drafts.oldest, drafts.newest))
    for step in range(int((newest - oldest).max(initial=-1)) + 1):
        window = oldest + step
        some = np.flatnonzero((window <= newest) & (window != own))
        if len(some):
            yield several[some], window[some].astype(np.uint32)


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
