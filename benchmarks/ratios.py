"""Prints a saved benchmark run as one table: microseconds, and how many plain ``hmac.digest`` calls each thing costs."""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

FLOOR = "test_floor_hmac_digest"
LIMITS = {"test_issue[": 100.0, "test_decide_on_a_wrong_code[": 120.0}


def main(path: str) -> int:
    """Print the table; return 1 if a limit that the project sets itself is exceeded."""
    runs = {run["name"]: run["stats"]["median"] for run in json.loads(Path(path).read_text())["benchmarks"]}
    floor = runs[FLOOR]
    table = Table(title=f"One core, one run, Python {platform.python_version()}: medians")
    for heading in ("what", "µs", "× hmac.digest", "at most"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    exceeded = False
    for name, median in sorted(runs.items(), key=lambda item: item[1]):
        limit = next((most for start, most in LIMITS.items() if name.startswith(start)), None)
        exceeded |= limit is not None and median / floor > limit
        words = name.removeprefix("test_").replace("_", " ").replace("[", " (").replace("]", ")")
        table.add_row(words, f"{median * 1e6:.1f}", f"{median / floor:.1f}", f"{limit:.0f}" if limit else "")
    Console(width=100).print(table)
    return int(exceeded)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
