"""Prints what one `make bench` saved: whole tables as codes a second and core beside their peers, then single codes as multiples of one
``hmac.digest``, then the batch kernel beside OpenSSL."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import kernel
from rich.console import Console
from rich.table import Table

FLOOR = "test_floor_hmac_digest"
OPENSSL = "test_floor_openssl_speed"
PYOTP = "test_pyotp_with_a_new_key_per_code"
FILES = "test_file_to_file[parquet-"
SINGLE_LIMITS = {"test_issue[": 100.0, "test_decide_on_a_wrong_code[": 120.0}
PEER_AIMS = {"test_generate[igloo-every-row-another-device]": "20"}
"""So many times pyotp's rate, whatever the machine."""
AIMS = {
    "test_generate[igloo-every-row-another-device]": 1_200_000,
    "test_generate[igloo-100-devices]": 2_000_000,
    f"{FILES}1-core]": 800_000,
    "test_generate_without_c": 60_000,
}
"""Codes a second and core on the project's reference machine, an idle one with AVX-512; elsewhere only a measure."""


@dataclass(frozen=True, slots=True)
class Run:
    """One benchmark: its median round in seconds (of processor time for tables), the codes of a round, its fastest round by the clock on
    the wall, and OpenSSL's own figure."""

    name: str
    median: float
    rows: int | None
    wall: float | None
    compressions: float | None

    @property
    def words(self) -> str:
        """Its name for people."""
        return self.name.removeprefix("test_").replace("_", " ").replace("[", " (").replace("]", ")")

    @property
    def rate(self) -> float:
        """Codes a second of processor time."""
        return self.compressions or (self.rows or 1) / self.median


def load(path: str) -> dict[str, Run]:
    """The runs of a file of pytest-benchmark's."""
    found = {}
    for run in json.loads(Path(path).read_text())["benchmarks"]:
        extra = run["extra_info"]
        made = Run(run["name"], run["stats"]["median"], extra.get("rows"), extra.get("wall"), extra.get("compressions"))
        found[made.name] = made
    return found


def main(*paths: str) -> int:
    """Print the tables; return 1 if a limit is missed. An aim is only shown beside what was reached."""
    runs = {name: run for path in paths for name, run in load(path).items()}
    tables = {name: run for name, run in runs.items() if run.rows or name in (FLOOR, OPENSSL)}
    batches(tables)
    missed = singles([run for name, run in runs.items() if name not in tables or name == FLOOR])
    return int(missed | bool(kernel.main()))


def batches(runs: dict[str, Run]) -> None:
    """Whole tables and their peers."""
    peer, openssl = runs[PYOTP], runs[OPENSSL]
    table = Table(title=f"Codes a second of processor time, one run, Python {platform.python_version()}: medians")
    for heading in ("what", "codes a second", "× pyotp", "× openssl's rate", "aim", "aim × pyotp"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for name, run in sorted(runs.items(), key=lambda item: item[1].rate):
        share = f"{run.rate * kernel.EACH_ANOTHER / openssl.rate:.2f}" if name.startswith("test_kernel[") else ""
        aim = f"{AIMS[name]:,}" if name in AIMS else ""
        words = f"{run.words}, compressions" if name == OPENSSL else f"{run.words}, digests" if name == FLOOR else run.words
        table.add_row(words, f"{run.rate:,.0f}", f"{run.rate / peer.rate:.1f}", share, aim, PEER_AIMS.get(name, ""))
    Console(width=130).print(table)
    _all_cores(runs)


def _all_cores(runs: dict[str, Run]) -> None:
    """What more cores are worth by the clock on the wall, which only an idle machine can say."""
    walls = {name: run.wall for name, run in runs.items() if name.startswith(FILES) and run.wall}
    one = walls[f"{FILES}1-core]"]
    for name, wall in walls.items():
        if wall is not one:
            print(
                f"Parquet to Parquet, {runs[name].words}: {one / wall:.2f} times as fast as one by the clock (aim for 2 idle cores: 1.8)\n"
            )


def singles(runs: Iterable[Run]) -> bool:
    """Single codes, in microseconds and as multiples of the floor."""
    runs = sorted(runs, key=lambda run: run.median)
    floor = next(run.median for run in runs if run.name == FLOOR)
    table = Table(title="Single codes and entries, one core, the same run: medians")
    for heading in ("what", "µs", "× hmac.digest", "at most"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    exceeded = False
    for run in runs:
        limit = next((most for start, most in SINGLE_LIMITS.items() if run.name.startswith(start)), None)
        exceeded |= limit is not None and run.median / floor > limit
        table.add_row(run.words, f"{run.median * 1e6:.1f}", f"{run.median / floor:.1f}", f"{limit:.0f}" if limit else "")
    Console(width=100).print(table)
    return exceeded


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
