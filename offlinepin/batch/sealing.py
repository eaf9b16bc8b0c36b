"""From grants to codes, for whole columns: tokens, window keys, the cipher, and the look at what else a code could be read as.
Work is shared between rows of one device, and of one device and window, where there are such rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from offlinepin.batch.kernel import Kernel, Shape, States
from offlinepin.batch.matching import KindTable, Lives
from offlinepin.engine.payload import decode, life, reach
from offlinepin.engine.profile import Family, Profile

U8 = npt.NDArray[np.uint8]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
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


class Sealer:
    """The kernel at work for one profile."""

    def __init__(self, kernel: Kernel, profile: Profile) -> None:
        self._kernel = kernel
        self._profile = profile
        self._shapes = [Shape.of(profile, f) for f in range(len(profile.families))]

    def keys(self, devices: Devices, family: int, windows: U32) -> tuple[States, U32 | None]:
        """The window keys' states, and which of them each row takes."""
        tokens = self._kernel.midstates(devices.tokens)
        if devices.of_row is None:
            return self._window_states(tokens, None, family, windows), None
        device, window, index = pairs_of(devices.of_row, windows)
        return self._window_states(tokens, device, family, window), index

    def _window_states(self, tokens: States, index: U32 | None, family: int, windows: U32) -> States:
        families = np.full(len(windows), family, np.uint8)
        return self._kernel.midstates(self._kernel.window_keys(tokens, index, self._profile.digest, families, windows))

    def seal(self, devices: Devices, family: int, windows: U32, payloads: U64) -> U64:
        """The sealed number of each row."""
        numbers = np.empty(len(payloads), np.uint64)
        for part, some in devices.blocks(len(payloads)):
            states, index = self.keys(some, family, windows[part])
            numbers[part] = self._kernel.seal(states, index, payloads[part], self._shapes[family])
        return numbers

    def open(self, devices: Devices, family: int, windows: U32, numbers: U64) -> U64:
        """What numbers mean under a window's key; payloads from P up mean nothing."""
        payloads = np.empty(len(numbers), np.uint64)
        for part, some in devices.blocks(len(numbers)):
            states, index = self.keys(some, family, windows[part])
            payloads[part] = self._kernel.open(states, index, numbers[part], self._shapes[family])
        return payloads

    def length(self, family: int) -> int:
        """Bytes of a family's codes."""
        return self._shapes[family].total_length

    def write(self, numbers: U64, family: int, out: U8) -> None:
        """Codes as text into the first columns of ``out``."""
        self._kernel.format(numbers, self._shapes[family], out)

    def unambiguous(self, devices: Devices, family_index: int, grants: Windows, numbers: U64) -> Mask:
        """Whether no second reading of each code is valid while it is alive (format 1, section 8); see ``Issuer.issue``."""
        family, tolerance = self._profile.families[family_index], self._profile.lock.tolerance
        good = np.ones(len(numbers), np.bool_)
        most = int((grants.newest - grants.oldest).max(initial=-1))
        for step in range(most + 1):
            window = grants.oldest + step
            rows = np.flatnonzero((window <= grants.newest) & (window != grants.own) & good)
            if not len(rows):
                continue
            windows = window[rows]
            payloads = self.open(devices.of(rows), family_index, windows.astype(np.uint32), numbers[rows])
            for i in np.flatnonzero(payloads < np.uint64(family.bases[-1])).tolist():
                other = decode(family, family_index, int(windows[i]), int(payloads[i]))
                assert other is not None  # below P
                second, row = life(self._profile, other), rows[i]
                if second.starts - tolerance < grants.last[row] and grants.first[row] < second.fresh_until(tolerance):
                    good[row] = False
        return good


def pairs_of(devices: U32, windows: U32) -> tuple[U32, U32, U32]:
    """The distinct pairs of a device and a window (or a generation), and which of them each row is."""
    if not len(devices):
        return devices, windows, devices
    low = int(windows.min())
    width = int(windows.max()) - low + 1
    pairs = devices.astype(np.int64) * width + (windows.astype(np.int64) - low)
    size = (int(devices.max()) + 1) * width
    if size <= 4 * len(pairs) + 1024:
        there = np.zeros(size, np.bool_)
        there[pairs] = True
        distinct = np.flatnonzero(there)
        places = np.empty(size, np.uint32)
        places[distinct] = np.arange(len(distinct), dtype=np.uint32)
        index = places[pairs]
    else:
        distinct, found = np.unique(pairs, return_inverse=True)
        index = found.astype(np.uint32)
    return (distinct // width).astype(np.uint32), (distinct % width + low).astype(np.uint32), index


@dataclass(frozen=True, slots=True)
class Windows:
    """The span [first, last) of readings in which a lock could take a code, its own window, and all that the lock could try then."""

    first: I64
    last: I64
    own: I64
    oldest: I64
    newest: I64

    @classmethod
    def of(cls, profile: Profile, family: Family, start: I64, lives: Lives) -> Windows:
        """The windows of grants that must come in their time; see :func:`offlinepin.engine.payload.candidate_windows`."""
        tolerance = profile.lock.tolerance
        own = start // family.window
        over = np.where(lives.no_end, lives.use_by, lives.ends)
        first, last = lives.starts - tolerance, over + tolerance
        oldest, newest = windows_at(family, tolerance, first, last)
        return cls(first, last, own, oldest, newest)

    @property
    def several(self) -> Mask:
        """Where there is another window to look at than the own one."""
        several: Mask = ~((self.oldest == self.newest) & (self.own == self.oldest))
        return several

    def of_rows(self, rows: I64 | None) -> Windows:
        """The windows of some rows."""
        return self if rows is None else Windows(*(column[rows] for column in self._columns()))

    def put(self, rows: I64 | slice, some: Windows) -> None:
        """Set the windows of some rows."""
        for column, values in zip(self._columns(), some._columns(), strict=True):
            column[rows] = values

    def _columns(self) -> tuple[I64, ...]:
        return self.first, self.last, self.own, self.oldest, self.newest


def windows_at(family: Family, tolerance: int, first: I64, last: I64) -> tuple[I64, I64]:
    """The first and last of :func:`offlinepin.engine.payload.candidate_windows`, for a family that does not set clocks."""
    reaches = sorted({reach(family, kind, tolerance) for kind in family.kinds})
    oldest, newest = np.full_like(first, np.iinfo(np.int64).max), np.full_like(first, -1)
    for earliest, latest in reaches:
        low, high = np.maximum((first - earliest) // family.slot + 1, 0), (last + latest) // family.slot
        some = low <= high
        if len(reaches) == 1 and some.all():
            oldest, newest = low, high
            break
        np.minimum(oldest, low, out=oldest, where=some)
        np.maximum(newest, high, out=newest, where=some)
    return oldest // family.window, np.minimum(newest // family.window, 2**32 - 1)


def payload_rows(table: KindTable, start: I64, durations: I64, variants: I64) -> tuple[U32, U64]:
    """Window and payload of grants; see :func:`offlinepin.engine.payload.encode`."""
    family, kind = table.family, table.kind
    windows = start // family.window
    index = (start - windows * family.window).astype(np.uint64) * np.uint64(kind.duration_count)
    index += table.duration_index(durations).astype(np.uint64)
    payloads = np.uint64(family.bases[table.blank.kind]) + index * np.uint64(kind.variants) + variants.astype(np.uint64)
    return windows.astype(np.uint32), payloads


def start_rows(table: KindTable, windows: I64, payloads: U64) -> tuple[I64, I64]:
    """Start and duration of payloads that are of this kind; see :func:`offlinepin.engine.payload.decode`."""
    kind = table.kind
    index = ((payloads - np.uint64(table.family.bases[table.blank.kind])) // np.uint64(kind.variants)).astype(np.int64)
    offset = index // kind.duration_count
    return windows * table.family.window + offset, table.durations_at(index - offset * kind.duration_count)
