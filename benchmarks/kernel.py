"""The batch kernel beside ``openssl speed``: SHA-256 compressions a second on one core while sealing, and codes a second.
Both count processor time and take turns on one core, so that the ratios hold on a busy machine too."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.table import Table

from offlinepin.batch.kernel import Kernel, Requests, Shape, Texts
from offlinepin.batch.kernels import available, load

TURNS = 7
ROWS = 16_384
SHAPE = Shape("0123456789", 9)
REQUESTS = Requests(
    master=bytes(range(32)),
    ids=Texts.of(f"7b1c0f5e-8a1f-4f52-9d0e-{i:012x}" for i in range(ROWS)),
    generations=np.zeros(ROWS, np.uint32),
    digest=bytes(16),
    family=0,
    windows=np.full(ROWS, 566, np.uint32),
    payloads=np.arange(ROWS, dtype=np.uint64) * np.uint64(50_021),
)
EACH_ANOTHER, SHARED = 28, 20  # compressions a code: every row another device; rows that share window keys
LIMITS = {"avx512": 1.4, "sha": 0.9, "avx2": 0.5}


def openssl() -> float:
    """OpenSSL's compressions a second."""
    command = ["openssl", "speed", "-seconds", "1", "-bytes", "16384", "sha256"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"^sha256\s+([\d.]+)k", output, re.MULTILINE)
    if found is None:
        raise SystemExit(f"openssl speed printed no rate: {output!r}")
    return float(found[1]) * 1000 / 64


def rate(work: Callable[[], object], seconds: float = 0.25) -> float:
    """Rows a second of processor time."""
    start, rows = time.thread_time(), 0
    while (spent := time.thread_time() - start) < seconds:
        work()
        rows += ROWS
    return rows / spent


def measure(kernel: Kernel, states: np.ndarray, index: np.ndarray) -> tuple[float, float]:
    """Codes a second: every row another device, and 100 window keys shared by all rows."""

    def shared() -> None:
        kernel.format(kernel.seal(states, index, REQUESTS.payloads, SHAPE), SHAPE)

    return rate(lambda: kernel.seal_rows(REQUESTS, SHAPE)), rate(shared)


def main() -> int:
    """Print the table; 1 if a limit that the project sets itself is missed."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    kernels = [load(name) for name in available()]
    states = kernels[0].midstates(np.arange(3200, dtype=np.uint32).astype(np.uint8).reshape(100, 32))
    index = (np.arange(ROWS) % 100).astype(np.uint32)
    floors: list[float] = []
    each: dict[str, list[float]] = {kernel.name: [] for kernel in kernels}
    shared: dict[str, list[float]] = {kernel.name: [] for kernel in kernels}
    for _ in range(TURNS):
        floors.append(openssl())
        for kernel in kernels:
            first, second = measure(kernel, states, index)
            each[kernel.name].append(first)
            shared[kernel.name].append(second)
    floor = statistics.median(floors)
    table = Table(title=f"One core, medians of {TURNS} turns; openssl speed -bytes 16384 sha256: {floor / 1e6:.1f} million compressions/s")
    for heading in ("kernel", "codes/s, each another device", "× openssl", "codes/s, shared windows", "× openssl", "at least"):
        table.add_column(heading, justify="left" if heading == "kernel" else "right")
    missed = False
    for name in each:
        ratios = [
            statistics.median(rows * work / turn for rows, turn in zip(rates[name], floors, strict=True))
            for rates, work in ((each, EACH_ANOTHER), (shared, SHARED))
        ]
        limit = LIMITS.get(name)
        missed |= limit is not None and min(ratios) < limit
        codes = [f"{statistics.median(rates[name]):,.0f}" for rates in (each, shared)]
        table.add_row(name, codes[0], f"{ratios[0]:.2f}", codes[1], f"{ratios[1]:.2f}", f"{limit}" if limit else "")
    Console(width=120).print(table)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
