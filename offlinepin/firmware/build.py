"""Builds the C lock for this machine, as a library, or for an ARM part, as a program for the emulator."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from offlinepin.errors import BuildError
from offlinepin.firmware.tables import tables
from offlinepin.provisioning import Provisioning

WARNINGS: Final = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wpedantic", "-Werror")
CORE: Final = ("number", "token", "payload", "image", "memory", "decide", "journal", "door")
PARTS: Final = {"cortex-m0plus": "cortex_m0plus", "cortex-m4": "cortex_m4"}


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A compiler and how it is called.

    Attributes:
        compiler: the command and what always follows it.
        flags: for every source.
        link: for the whole.
        board: the test board's sources.
    """

    compiler: tuple[str, ...]
    flags: tuple[str, ...]
    link: tuple[str, ...]
    board: tuple[str, ...] = ("board",)

    @classmethod
    def host(cls, *extra: str) -> Toolchain:
        """For this machine: its gcc or clang, else zig's clang. ``extra`` goes to every call, such as a sanitizer's option."""
        found = shutil.which("gcc") or shutil.which("clang")
        compiler = (found,) if found else _zig()
        return cls(compiler, ("-O1", "-g", "-fPIC", *extra), ("-shared", *extra))

    @classmethod
    def part(cls, part: str, firmware: Path) -> Toolchain:
        """For a Cortex-M part, as small as can be, with zig's clang.

        Args:
            part: a key of :data:`PARTS`.
            firmware: the folder of the C sources.
        """
        target = ("-target", "thumb-freestanding-eabi", f"-mcpu={PARTS[part]}")
        # zig takes -Oz for -Os, unless its clang is told again
        small = ("-Oz", "-Xclang", "-Oz", "-ffunction-sections", "-fdata-sections", "-fno-sanitize=all", "-fomit-frame-pointer")
        quiet = ("-fno-unwind-tables", "-fno-asynchronous-unwind-tables")
        flags = (*small, *quiet, "-isystem", str(firmware / "freestanding"))
        link = ("-Wl,--gc-sections", f"-Wl,-T,{firmware / 'board' / 'part.ld'}")
        return cls((*_zig(), *target), flags, link, ("board", "part"))

    @classmethod
    def gcc(cls, part: str, firmware: Path) -> Toolchain | None:
        """For the same parts, to objects only, with the Arm gcc of this machine; ``None`` if there is none."""
        found = shutil.which("arm-none-eabi-gcc")
        flags = ("-mthumb", f"-mcpu={part}", "-Os", "-isystem", str(firmware / "freestanding"))
        return cls((found,), flags, ()) if found else None


def sources() -> Path:
    """The folder of the C sources: ``firmware`` where the command is run, or beside the package in a checkout.

    Raises:
        BuildError: it is in neither place.
    """
    for place in (Path("firmware"), Path(__file__).parents[2] / "firmware"):
        if (place / "include" / "offlinepin.h").exists():
            return place.resolve()
    raise BuildError("the folder firmware of the sources is not here; run this in a checkout of offlinepin")


def _zig() -> tuple[str, ...]:
    return (sys.executable, "-m", "ziglang", "cc")


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds locks from one source with one toolchain; what they share is compiled once.

    A lock in parts is the same for every product, and its table is linked to it. A whole one is compiled with its table: what the product
    cannot use is left out.

    Args:
        firmware: the folder of the C sources.
        toolchain: see :class:`Toolchain`.
        into: a folder for what is made.
        sources: the folder of the lock's own sources, another one for a mutant.
        whole: whether to make whole locks.
    """

    firmware: Path
    toolchain: Toolchain
    into: Path
    sources: Path | None = None
    whole: bool = False

    def build(self, provisioning: Provisioning, name: str) -> Path:
        """The lock of a product on the test board: a shared library, or a program image for the emulator."""
        self.into.mkdir(exist_ok=True)
        table = self.into / f"{name}.c"
        table.write_text(tables(provisioning.profile, provisioning.keypad))
        made = self.into / f"{name}.lock"
        objects = [self._compile(table, f"{name}-whole" if self.whole else f"{name}-table")]
        objects += [self._shared(source) for source in ([] if self.whole else self._core())]
        objects += [self._shared(self.firmware / "board" / f"{part}.c") for part in self.toolchain.board]
        self._run([*self.toolchain.compiler, *self.toolchain.flags, *map(str, objects), *self.toolchain.link, "-o", str(made)])
        return made

    def object_bytes(self, provisioning: Provisioning, name: str) -> int:
        """Bytes of code and constants that a lock takes before it is linked, its table included, by the ``size`` beside the compiler."""
        self.into.mkdir(exist_ok=True)
        table = self.into / f"{name}.c"
        table.write_text(tables(provisioning.profile, provisioning.keypad))
        size = Path(self.toolchain.compiler[0]).with_name("arm-none-eabi-size")
        return int(self._run([str(size), str(self._compile(table, f"{name}-whole"))]).splitlines()[1].split()[0])

    def example(self, provisioning: Provisioning) -> Path:
        """The example product of ``firmware/example`` with a product's table, as a program (ELF) for the MPS2 board's Cortex-M4."""
        example = self.firmware / "example"
        table, made = self.into / "example.c", self.into / "example.elf"
        table.write_text(tables(provisioning.profile, provisioning.keypad))
        sources = [str(table), str(example / "main.c"), *([] if self.whole else map(str, self._core()))]
        link = ["-Wl,--gc-sections", f"-Wl,-T,{example / 'example.ld'}"]
        self._run([*self.toolchain.compiler, *self._flags(), *sources, *link, "-o", str(made)])
        return made

    def _core(self) -> list[Path]:
        return [(self.sources or self.firmware / "src") / f"{part}.c" for part in CORE]

    def _shared(self, source: Path) -> Path:
        """The object of a source that is the same for all locks."""
        made = self.into / f"{source.stem}.o"
        return made if made.exists() else self._compile(source, source.stem)

    def _compile(self, source: Path, name: str) -> Path:
        made = self.into / f"{name}.o"
        self._run([*self.toolchain.compiler, *self._flags(), "-c", str(source), "-o", str(made)])
        return made

    def _flags(self) -> list[str]:
        folders = (self.firmware / "include", self.sources or self.firmware / "src", self.firmware / "src")
        whole = ["-DOPIN_WHOLE"] if self.whole else []
        return [*WARNINGS, *self.toolchain.flags, *whole, *(f"-I{folder}" for folder in folders)]

    @staticmethod
    def _run(command: Sequence[str]) -> str:
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a compiler and its sources
        except OSError as cause:
            raise BuildError(f"{command[0]} cannot be started: {cause.strerror}") from None
        if done.returncode:
            raise BuildError(f"{' '.join(command)} failed:\n{done.stderr}")
        return done.stdout
