"""Builds the fuzz targets of ``firmware/fuzz`` and runs them: ``python -m offlinepin.firmware.fuzzing --seconds 600``, which ``make fuzz``
does. With clang and its runtime libFuzzer looks for inputs by what they cover; otherwise gcc runs the corpus, changed at random."""

from __future__ import annotations

import argparse
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from offlinepin.errors import BuildError
from offlinepin.firmware.build import CORE, WARNINGS, sources
from offlinepin.firmware.tables import tables
from offlinepin.lock.layout import Layout
from offlinepin.testing.choosing import RandomChooser
from offlinepin.testing.profiles import small_vendor
from offlinepin.vendor import Vendor, load

TARGETS: Final = {"typed": 300, "flash": 1600, "table": 80}
"""The targets, and how many bytes an input of each has at most."""
_VENDORS: Final = ("standard", "oracode", "hotel", "ttlock")
_GENERATED: Final = 12
_MOST_STATE: Final = 1200  # bytes; fuzz.h has room for so much
_SANITIZERS: Final = ("-g", "-O2", "-fno-omit-frame-pointer", "-fno-sanitize-recover=all")


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a run.

    Attributes:
        executions: inputs that were run.
        covered: edges of the program that they reached, as libFuzzer counts; 0 without it.
        corpus: inputs that are worth keeping.
        failure: what the program said when it failed; empty if it did not.
    """

    executions: int
    covered: int
    corpus: int
    failure: str


def products() -> list[Vendor]:
    """Whose locks are fuzzed: vendors', and generated products whose codes are so dense that typed text opens."""
    generated = (small_vendor(RandomChooser(f"fuzz {number}")) for number in range(_GENERATED))
    return [vendor for vendor in (*map(load, _VENDORS), *generated) if Layout(vendor.profile).size <= _MOST_STATE]


def clang() -> str | None:
    """The clang of this machine, if libFuzzer and the sanitizers come with it."""
    found = shutil.which("clang")
    if found is None:
        return None
    resources = subprocess.run([found, "-print-resource-dir"], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    return found if any(Path(resources).rglob("libclang_rt.fuzzer*.a")) else None


class Fuzzer:
    """Builds the targets; what they share is compiled once.

    Args:
        firmware: the folder of the C sources.
        into: a folder for programs.
        inputs: a folder for inputs, to go on from those that are there; ``into`` by default.
        is_guided: whether libFuzzer runs them; by default where it can.

    Raises:
        BuildError: there is neither clang with libFuzzer nor gcc.
    """

    def __init__(self, firmware: Path, into: Path, inputs: Path | None = None, is_guided: bool | None = None) -> None:
        guided = clang() if is_guided is not False else None
        compiler = guided or (shutil.which("gcc") if not is_guided else None)
        if compiler is None:
            raise BuildError("fuzzing needs clang with libFuzzer (Debian's packages clang and libclang-rt-14-dev), or gcc")
        self.is_guided, self._compiler = guided is not None, compiler
        self._firmware, self._into, self._inputs = firmware, into, inputs or into

    def build(self, target: str) -> Path:
        """The program of one of :data:`TARGETS`."""
        made = self._into / target
        sanitize = f"-fsanitize={'fuzzer,' * self.is_guided}address,undefined"
        objects = [*self._products(), *self._shared()]
        main = [] if self.is_guided else [str(self._firmware / "fuzz" / "replay.c")]
        source = str(self._firmware / "fuzz" / f"{target}.c")
        self._run([*self._command(), sanitize, source, *main, *map(str, objects), "-o", str(made)])
        return made

    def corpus(self, target: str) -> Path:
        """The inputs that are kept with the sources."""
        return self._firmware / "fuzz" / "corpus" / target

    def run(self, target: str, *, seconds: int = 0, runs: int = 0, seed: int = 1) -> Run:
        """Build and run a target over its corpus and what comes of it, for so many seconds or so many inputs."""
        program, work = self.build(target), self._inputs / f"{target}-inputs"
        work.mkdir(parents=True, exist_ok=True)
        if self.is_guided:
            return self._guided(program, work, target, [f"-max_total_time={seconds}", f"-runs={runs or -1}", f"-seed={seed}"])
        made = [*(path.read_bytes() for path in sorted(self.corpus(target).iterdir())), *self._changed(target, runs or 200 * seconds, seed)]
        for number, data in enumerate(made):
            (work / f"{number:06}").write_bytes(data)
        done = subprocess.run([program, *sorted(work.iterdir())], capture_output=True, text=True, check=False)  # noqa: S603
        return Run(len(made), 0, len(made), _failure(done))

    def _guided(self, program: Path, work: Path, target: str, options: list[str]) -> Run:
        command = [
            str(program),
            *options,
            f"-max_len={TARGETS[target]}",
            f"-artifact_prefix={self._inputs}/{target}-",
            str(work),
            str(self.corpus(target)),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, errors="replace")  # noqa: S603
        counted = re.search(r"^#(\d+)\s+DONE\s+cov: (\d+) .*?corp: (\d+)", done.stderr, re.MULTILINE)
        executions, covered, corpus = map(int, counted.groups()) if counted else (0, 0, 0)
        return Run(executions, covered, corpus, _failure(done))

    def _changed(self, target: str, count: int, seed: int) -> Iterator[bytes]:
        """Inputs of the corpus with some bytes changed."""
        chance = random.Random(seed)  # noqa: S311 - inputs that can be made again
        seeds = [path.read_bytes() for path in sorted(self.corpus(target).iterdir())]
        for _ in range(count):
            data = bytearray(chance.choice(seeds))
            data[0] = chance.randrange(256)
            for _ in range(chance.randint(1, 30)):
                at = chance.randrange(len(data))
                way = chance.randrange(3)
                if way == 0:
                    data[at] ^= 1 << chance.randrange(8)
                elif way == 1:
                    data[at : at + 4] = chance.randbytes(4)
                else:
                    data[at:at] = bytes(data[chance.randrange(len(data)) :][: chance.randint(1, 20)])
            yield bytes(data[: TARGETS[target]])

    def _products(self) -> list[Path]:
        made, names = [], []
        for number, vendor in enumerate(products()):
            table = self._into / f"product_{number}.c"
            if not table.exists():
                table.write_text(tables(vendor.profile, vendor.keypad))
            names.append(f"product_{number}")
            made.append(self._object(table, f"-Dopin_product={names[-1]}", f"-Dopin_product_memory=memory_{number}"))
        listing = self._into / "products.c"
        declared = "".join(f"extern const opin_profile {name};\n" for name in names)
        listed = ", ".join(f"&{name}" for name in names)
        listing.write_text(
            f'#include "fuzz.h"\n{declared}const opin_profile *const fuzz_products[] = {{{listed}}};\n'
            f"const uint32_t fuzz_product_count = {len(names)};\n"
        )
        return [*made, self._object(listing)]

    def _shared(self) -> list[Path]:
        core = (self._firmware / "src" / f"{part}.c" for part in CORE)
        return [self._object(source) for source in (*core, self._firmware / "fuzz" / "door.c")]

    def _object(self, source: Path, *more: str) -> Path:
        made = self._into / f"{'fuzz_' * (source.parent.name == 'fuzz')}{source.stem}.o"
        if not made.exists():
            instrument = f"-fsanitize={'fuzzer-no-link,' * self.is_guided}address,undefined"
            self._run([*self._command(), instrument, *more, "-c", str(source), "-o", str(made)])
        return made

    def _command(self) -> list[str]:
        folders = (f"-I{self._firmware / name}" for name in ("include", "src", "fuzz"))
        return [self._compiler, *WARNINGS, *_SANITIZERS, *folders]

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a compiler and its sources
        if done.returncode:
            raise BuildError(f"{' '.join(command)} failed:\n{done.stderr}")


def _failure(done: subprocess.CompletedProcess[str]) -> str:
    if not done.returncode:
        return ""
    found = re.search(r"^.*(it must be true that|ERROR: |runtime error: )", done.stderr, re.MULTILINE)
    return done.stderr[found.start() :][:3000] if found else done.stderr[-3000:]


def main() -> int:
    """The command. Exit status 1 if a property does not hold; the input that shows it is then in ``--inputs``."""
    parser = argparse.ArgumentParser(prog="python -m offlinepin.firmware.fuzzing", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="for all targets together (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="where the search begins (default %(default)s)")
    parser.add_argument("--inputs", type=Path, help="a folder that keeps them, to go on from; by default none")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fuzzer = Fuzzer(sources(), Path(folder), options.inputs)
        failures = 0
        for target in TARGETS:
            ran = fuzzer.run(target, seconds=options.seconds // len(TARGETS), seed=options.seed)
            how = (
                f"{ran.covered:,} edges covered, {ran.corpus:,} inputs kept"
                if fuzzer.is_guided
                else "not guided: clang's libFuzzer is not here"
            )
            print(f"{target:6} {ran.executions:10,} executions, {how}: {'FAILED' if ran.failure else 'nothing found'}", flush=True)
            print(ran.failure, end="", file=sys.stderr)
            failures += bool(ran.failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
