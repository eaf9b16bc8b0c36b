"""The example product boots on a board and opens for a code that was typed on its terminal: on the emulator, and on qemu where it is."""

from __future__ import annotations

import shutil
import struct
import subprocess
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import unicorn
from unicorn import arm_const

from offlinepin.engine.codec import seal
from offlinepin.engine.payload import Grant
from offlinepin.firmware.build import Builder
from offlinepin.provisioning import Provisioning

QEMU = shutil.which("qemu-system-arm")
AT = datetime(2027, 6, 15, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def program(part_builder: Callable[[str], Builder], provisioned: Callable[[str], Provisioning]) -> Path:
    return part_builder("cortex-m4").example(provisioned("standard"))


@pytest.fixture(scope="module")
def typed(provisioned: Callable[[str], Provisioning]) -> str:
    """A code before the clock is set, then the clock, a code that opens once, the same again, and a wrong one."""
    made = provisioned("standard")
    start = int((AT - timedelta(hours=1)).timestamp()) // 3600
    once = seal(made.profile, made.token, Grant(0, 1, start, 4, 0))
    return f"{once}#@{int(AT.timestamp())}\r{once}#{once}#123456789#"


ANSWERS = ["ready", "the clock is not set", "the clock is set", "[the bolt moves]", "opened", "used", "unknown"]


class Board:
    """As much of the MPS2 board as the example touches."""

    def __init__(self, program: bytes, typed: str) -> None:
        self._uc = cast(Any, unicorn).Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        self._uc.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M4)
        self._uc.mem_map(0, 0x10_0000)
        self._uc.mem_map(0x2000_0000, 0x1_0000)
        self._uc.mem_map(0xE000_E000, 0x1000)
        self._uc.mmio_map(0x4000_4000, 0x1000, self._read, None, self._write, None)
        self._typed, self.said, self._idle = list(typed), "", 0
        for place in range(struct.unpack_from("<H", program, 44)[0]):  # the ELF file's program headers
            at = struct.unpack_from("<I", program, 28)[0] + 32 * place
            kind, offset, _, load, size = struct.unpack_from("<5I", program, at)
            if kind == 1 and size:
                self._uc.mem_write(load, program[offset : offset + size])

    def run(self) -> None:
        """From reset until everything was typed and answered."""
        stack, start = struct.unpack("<II", self._uc.mem_read(0, 8))
        self._uc.reg_write(arm_const.UC_ARM_REG_SP, stack)
        self._uc.emu_start(start | 1, 0xFFFF_FFF0, count=100_000_000)

    def _read(self, uc: Any, at: int, _size: int, _data: object) -> int:
        if at == 4:
            self._idle += 1
            if not self._typed and self._idle > 100:  # it waits for a key
                uc.emu_stop()
            return 2 if self._typed else 0
        return ord(self._typed.pop(0))

    def _write(self, _uc: Any, at: int, _size: int, value: int, _data: object) -> None:
        if at == 0:
            self.said += chr(value)
            self._idle = 0


def test_the_example_opens_once_for_a_single_use_code_typed_on_its_terminal(program: Path, typed: str) -> None:
    board = Board(program.read_bytes(), typed)
    board.run()
    assert board.said.splitlines() == ANSWERS


@pytest.mark.skipif(QEMU is None, reason="qemu-system-arm is not installed")
def test_the_example_does_the_same_on_qemu(program: Path, typed: str) -> None:
    assert QEMU is not None
    command = [QEMU, "-M", "mps2-an386", "-nographic", "-monitor", "none", "-serial", "stdio", "-kernel", str(program)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        end = threading.Timer(120, running.kill)  # a board that says nothing would be waited for without an end
        end.start()
        said = [running.stdout.readline().strip()]
        running.stdin.write(typed)
        running.stdin.flush()
        said += [running.stdout.readline().strip() for _ in ANSWERS[1:]]
        end.cancel()
        running.kill()
    assert said == ANSWERS
