"""Whether the time that the C lock takes to open a code tells anything of it, on this machine: ``python -m offlinepin.firmware.timing``.
``firmware/timing/timing.c`` says how. The emulated parts are asked exactly, by instructions, in the tests."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from offlinepin.errors import BuildError
from offlinepin.firmware.build import CORE, WARNINGS, Toolchain, sources
from offlinepin.firmware.tables import tables
from offlinepin.vendor import load

LEAK: Final = 4.5  # of Welch's t; with the number of measurements a real leak's grows without bound


def welch_t(firmware: Path, into: Path, measurements: int, *, planted: bool = False) -> float:
    """The greatest t over all crops.

    Args:
        firmware: the folder of the C sources.
        into: a folder for what is made.
        measurements: how many codes are opened.
        planted: whether a leak is planted, to see that it is found.
    """
    table, program = into / "timed.c", into / f"timing{'-planted' * planted}"
    vendor = load("standard")
    table.write_text(tables(vendor.profile, vendor.keypad))
    files = [table, firmware / "timing" / "timing.c", *(firmware / "src" / f"{part}.c" for part in CORE)]
    compiler = [*Toolchain.host().compiler, *WARNINGS, "-std=gnu99", "-O2", *(["-DPLANTED_LEAK"] if planted else [])]
    folders = [f"-I{firmware / 'include'}", f"-I{firmware / 'src'}"]
    done = subprocess.run([*compiler, *folders, *map(str, files), "-lm", "-o", str(program)], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise BuildError(done.stderr)
    ran = subprocess.run([str(program), str(measurements)], capture_output=True, text=True, check=True)  # noqa: S603
    return float(ran.stdout)


def main() -> int:
    """The command. Exit status 1 if there is a leak, or if a planted one is not found."""
    parser = argparse.ArgumentParser(prog="python -m offlinepin.firmware.timing", description=__doc__)
    parser.add_argument("--measurements", type=int, default=1_000_000, help="default %(default)s")
    options = parser.parse_args()
    firmware = sources()
    with tempfile.TemporaryDirectory() as into:
        t = welch_t(firmware, Path(into), options.measurements)
        planted = welch_t(firmware, Path(into), min(options.measurements, 50_000), planted=True)
    print(
        f"opening a code, {options.measurements:,} measurements: t = {t:.2f}, a leak from {LEAK} on; with a planted leak: t = {planted:.0f}"
    )
    return 0 if t < LEAK < planted else 1


if __name__ == "__main__":
    sys.exit(main())
