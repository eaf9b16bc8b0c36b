"""What compilers and cppcheck say of every C source and of every product's table: nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from offlinepin.firmware.build import WARNINGS
from offlinepin.firmware.tables import tables
from offlinepin.vendor import load

# What every compiler knows beyond the warnings that the lock is always built with.
MORE: Final = (
    "-Walloca", "-Wbad-function-cast", "-Wcast-align", "-Wcast-qual", "-Wdouble-promotion", "-Wfloat-equal", "-Wformat=2",
    "-Wmissing-prototypes", "-Wnull-dereference", "-Wredundant-decls", "-Wstrict-prototypes", "-Wswitch-enum", "-Wundef", "-Wvla",
    "-Wwrite-strings",
)  # fmt: skip
GCC: Final = (*MORE, "-Wduplicated-branches", "-Wduplicated-cond", "-Wlogical-op")
CLANG: Final = (
    *MORE, "-Wassign-enum", "-Wcomma", "-Wconditional-uninitialized", "-Wcovered-switch-default", "-Wextra-semi",
    "-Wimplicit-fallthrough", "-Wloop-analysis", "-Wmissing-variable-declarations", "-Wshift-sign-overflow", "-Wthread-safety",
    "-Wtautological-compare", "-Wunreachable-code-aggressive", "-Wunused-macros",
)  # fmt: skip
COMPILERS: Final = {"gcc": (["gcc"], GCC), "clang": (["clang"], CLANG), "zig": ([sys.executable, "-m", "ziglang", "cc"], CLANG)}
CPPCHECK: Final = ("--enable=warning,style,performance,portability", "--inconclusive", "--inline-suppr", "--std=c99", "--error-exitcode=1")
ARM_ONLY: Final = ("part.c",)
POSIX: Final = ("timing.c",)


@pytest.fixture(scope="module")
def sources(firmware: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Every C source of the folder, and the tables of products that have everything."""
    made = []
    for name in ("oracode", "igloo"):
        vendor = load(name)
        made.append(tmp_path_factory.mktemp(name) / f"{name}.c")
        made[-1].write_text(tables(vendor.profile, vendor.keypad))
    return [*sorted(firmware.glob("*/*.c")), *made]


def folders(firmware: Path) -> list[str]:
    return [f"-I{firmware / name}" for name in ("include", "src", "board")]


@pytest.mark.parametrize("name", COMPILERS)
def test_no_compiler_warns(name: str, sources: list[Path], firmware: Path, tmp_path: Path) -> None:
    compiler, more = COMPILERS[name]
    if shutil.which(compiler[0]) is None:
        pytest.skip(f"{name} is not installed")
    for source in sources:
        if source.name in ARM_ONLY and name == "gcc":
            continue  # its table of calls mixes functions and data, which gcc's -Wpedantic minds and the part does not
        posix = ["-D_POSIX_C_SOURCE=200809L"] if source.name in POSIX else []
        command = [*compiler, *WARNINGS, *more, *posix, "-O2", *folders(firmware), "-c", str(source), "-o", str(tmp_path / "made.o")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), source.name


def test_cppcheck_has_nothing_to_say(sources: list[Path], firmware: Path) -> None:
    cppcheck = shutil.which("cppcheck")
    if cppcheck is None:
        pytest.skip("cppcheck is not installed")
    command = [cppcheck, *CPPCHECK, "--quiet", *folders(firmware), *map(str, sources)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_warning_and_a_finding_would_be_seen(tmp_path: Path) -> None:
    """The options do ask for something: a source with a fault of each kind is refused."""
    faulty = tmp_path / "faulty.c"
    faulty.write_text("int f(int i);\nint f(int i) { char c = i; return c; }\n")
    compiler = [*COMPILERS["zig"][0], *WARNINGS, "-c", str(faulty), "-o", str(tmp_path / "made.o")]
    assert "[-Werror,-Wimplicit-int-conversion]" in subprocess.run(compiler, capture_output=True, text=True, check=False).stderr
    cppcheck = shutil.which("cppcheck")
    if cppcheck is not None:
        faulty.write_text("int f(void);\nint f(void) { int a[2] = {0, 0}; return a[2]; }\n")
        done = subprocess.run([cppcheck, *CPPCHECK, "--quiet", str(faulty)], capture_output=True, text=True, check=False)
        assert (done.returncode, "[arrayIndexOutOfBounds]" in done.stderr) == (1, True)
