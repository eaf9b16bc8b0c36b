"""How the cost of a table grows with its rows, its devices, and the windows that they fall into: prints the figures, and draws them as
``docs/performance.png``. Counts processor time on one core, so that a busy machine does not bend the lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pyarrow as pa
from matplotlib.figure import Figure

from offlinepin import MasterKey
from offlinepin.batch import generate
from offlinepin.vendor import load

KEYS = MasterKey(bytes(range(32)))
NOW = datetime(2027, 6, 1, tzinfo=UTC)
FIRST = int(NOW.timestamp()) + 86_400
ROWS = 300_000
WINDOW = load("igloo").profile.families[0]


def table_of(rows: int, devices: int, hours: int) -> pa.Table:
    """Stays of one to eight days that begin within some hours from tomorrow on."""
    random = np.random.default_rng(7)
    starts = FIRST + random.integers(0, hours, rows) * 3600
    ends = starts + random.integers(24, 8 * 24, rows) * 3600
    ids = pa.array([f"door-{i:07d}" for i in range(devices)]).take(pa.array(np.arange(rows) % devices))
    moment = pa.timestamp("s", "UTC")
    return pa.table({"device_id": ids, "starts_at": pa.array(starts, moment), "ends_at": pa.array(ends, moment)})


def rate(table: pa.Table) -> float:
    """Codes a second of processor time, the best of three."""
    best = float("inf")
    for _ in range(3):
        start, rounds = time.thread_time(), 0
        while rounds == 0 or time.thread_time() - start < 0.1:
            made = generate(table, KEYS, "igloo", now=NOW)
            rounds += 1
        best = min(best, (time.thread_time() - start) / rounds)
    assert made["error"].null_count > 0.98 * len(table)
    return len(table) / best


def main(path: str) -> None:
    """Measure and draw."""
    year = 365 * 24
    by_rows = [10**n for n in range(6)] + [1_000_000]
    by_devices = [10, 100, 1_000, 10_000, 100_000, ROWS]
    by_windows = [1, 2, 4, 8, 16]
    hours = WINDOW.window * WINDOW.slot // 3600
    panels: list[tuple[str, Sequence[int], list[float]]] = [
        ("rows, each another device", by_rows, [rate(table_of(n, n, year)) for n in by_rows]),
        (f"devices in {ROWS:,} rows", by_devices, [rate(table_of(ROWS, n, year)) for n in by_devices]),
        (
            f"windows in {ROWS:,} rows of 10,000 devices",
            by_windows,
            [rate(table_of(ROWS, 10_000, n * hours)) for n in by_windows],
        ),
    ]
    for name, sizes, rates in panels:
        print(name)
        for size, each in zip(sizes, rates, strict=True):
            print(f"  {size:>9,} {each:>12,.0f} codes/s {1e6 / each:8.2f} µs a code")
    draw(panels, Path(path))


def draw(panels: Sequence[tuple[str, Sequence[int], list[float]]], path: Path) -> None:
    """One panel each, with one scale of rates."""
    mpl.rcParams.update({"font.size": 10, "svg.hashsalt": "offlinepin"})
    figure = Figure(figsize=(11, 3.8), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True)
    top = 1.1 * max(each for _, _, rates in panels for each in rates) / 1e6
    for place, (axis, (name, sizes, rates)) in enumerate(zip(axes, panels, strict=True)):
        axis.plot(sizes, [each / 1e6 for each in rates], marker="o", color="#1f5a96")
        axis.set_xscale("log", base=2 if max(sizes) < 100 else 10)
        if max(sizes) < 100:
            axis.set_xticks(sizes, [str(size) for size in sizes])
        axis.set_xlabel(name)
        axis.set_ylim(0, top)
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
        if not place:
            axis.set_ylabel("million codes a second and core")
    figure.savefig(path, dpi=110, metadata={"Software": ""})


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "docs/performance.png")
