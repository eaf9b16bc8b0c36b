"""The C lock on an emulated Cortex-M part, instruction by instruction, with its flash, memory and stack measured on the way."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import unicorn
from unicorn import UC_ARCH_ARM, UC_HOOK_CODE, UC_HOOK_MEM_WRITE, UC_MODE_MCLASS, UC_MODE_THUMB
from unicorn.arm_const import (
    UC_ARM_REG_LR,
    UC_ARM_REG_R0,
    UC_ARM_REG_R1,
    UC_ARM_REG_R2,
    UC_ARM_REG_R3,
    UC_ARM_REG_SP,
    UC_CPU_ARM_CORTEX_M0,
    UC_CPU_ARM_CORTEX_M4,
)

from offlinepin.firmware.board import READING_BYTES, Ask, Opened
from offlinepin.lock.flash import Flash

_UC: Final = cast(Any, unicorn).Uc  # it has no types
CPUS: Final = {"cortex-m0plus": UC_CPU_ARM_CORTEX_M0, "cortex-m4": UC_CPU_ARM_CORTEX_M4}
_PROGRAM, _FLASH, _RAM, _REGISTERS, _STOP = 0x0, 0x0800_0000, 0x2000_0000, 0x4000_0000, 0x1_FF00
_PROGRAM_BYTES, _FLASH_BYTES, _RAM_BYTES = 0x2_0000, 0x2_0000, 0x1_0000
_TOKEN = _RAM + _RAM_BYTES - 64
_READING = _TOKEN - 64
_STACK_TOP = _READING
_STACK_BYTES: Final = 0x2000
_PAINT: Final = b"\xa5"
_POWER_UP, _PRESS, _CHECK_VALUE, _ANSWER, _STATUS, _LOCK_BYTES, _MEMORY = range(7)
_STEP, _OPEN, _CHARGED_AT = 11, 12, 13
_ENTRIES = 14  # words in the table at address 0


@dataclass(frozen=True, slots=True)
class CodeSize:
    """Bytes of flash.

    Attributes:
        core: the lock's code and its constants.
        runtime: what the compiler adds: memcpy and memset.
        product: the product's table.
    """

    core: int
    runtime: int
    product: int


class EmulatedMachine:
    """Runs the C lock of a program image on an emulated part.

    Args:
        program: made by :class:`offlinepin.firmware.build.Builder` for a part.
        part: a key of :data:`CPUS`; one that runs the program.
        counting: whether instructions are counted, which takes longer.

    Attributes:
        instructions: that ran since the count was last set to 0.
    """

    def __init__(self, program: Path, part: str = "cortex-m0plus", counting: bool = False) -> None:
        self._uc = _UC(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
        self._uc.ctl_set_cpu_model(CPUS[part])
        image = program.read_bytes()
        for start, size in ((_PROGRAM, _PROGRAM_BYTES), (_FLASH, _FLASH_BYTES), (_RAM, _RAM_BYTES), (_REGISTERS, 0x1000)):
            self._uc.mem_map(start, size)
        self._uc.mem_write(_PROGRAM, image)
        self._uc.mem_write(_STACK_TOP - _STACK_BYTES, _PAINT * _STACK_BYTES)
        self._table = [int.from_bytes(image[i : i + 4], "little") for i in range(0, 4 * _ENTRIES, 4)]
        self._uc.hook_add(UC_HOOK_MEM_WRITE, self._rung, begin=_REGISTERS, end=_REGISTERS + 3)
        self.instructions = 0
        if counting:
            self._uc.hook_add(UC_HOOK_CODE, self._count)
        self._ask: Ask | None = None
        self._raised: BaseException | None = None

    def power_up(self, flash: Flash, token: bytes, generation: int, ask: Ask) -> int:
        """See :class:`offlinepin.firmware.board.Machine`."""
        self._ask = ask
        self._uc.mem_write(_RAM, bytes(_RAM_BYTES // 2))  # what was in memory is gone
        self.show(0, flash.read(0, flash.page_size * flash.pages))
        self._uc.mem_write(_TOKEN, token)
        self._uc.mem_write(_REGISTERS + 4, generation.to_bytes(4, "little"))
        return self._call(_POWER_UP, _FLASH, flash.page_size, flash.pages, _TOKEN)

    def press(self, key: str) -> tuple[int, ...] | None:
        """See :class:`offlinepin.firmware.board.Machine`."""
        if not self._call(_PRESS, ord(key)):
            return None
        return tuple(self._call(_ANSWER, which) for which in range(8))

    def status(self) -> int:
        """See :class:`offlinepin.firmware.board.Machine`."""
        return self._call(_STATUS)

    def check_value(self) -> int:
        """See :class:`offlinepin.firmware.board.Machine`."""
        return self._call(_CHECK_VALUE)

    def charged_at(self) -> int:
        """See :class:`offlinepin.firmware.board.Machine`."""
        return self._call(_CHARGED_AT)

    def step(self, token: bytes, following: int) -> bytes:
        """See :class:`offlinepin.firmware.board.Machine`."""
        self._uc.mem_write(_TOKEN, token)
        self._call(_STEP, _TOKEN, following)
        return bytes(self._uc.mem_read(_TOKEN, len(token)))

    def open_code(self, token: bytes, code: str, window: int) -> Opened | None:
        """See :class:`offlinepin.firmware.board.Machine`."""
        self._uc.mem_write(_TOKEN, token)
        self._uc.mem_write(_FLASH, code.encode() + b"\0")
        answer = self._call(_OPEN, _TOKEN, _FLASH, window, _READING)
        return Opened.of(answer, bytes(self._uc.mem_read(_READING, READING_BYTES)))

    def image(self, size: int) -> bytes:
        """See :class:`offlinepin.firmware.board.Machine`."""
        return bytes(self._uc.mem_read(self._table[_MEMORY], size))

    def show(self, at: int, data: bytes) -> None:
        """See :class:`offlinepin.firmware.board.Machine`."""
        self._uc.mem_write(_FLASH + at, data)

    @property
    def code(self) -> CodeSize:
        """What the program's flash holds."""
        start, core, runtime, product = self._table[_MEMORY + 1 : _STEP]
        return CodeSize(core - start, runtime - core, product - runtime)

    @property
    def lock_bytes(self) -> int:
        """The size of an ``opin_lock``."""
        return self._call(_LOCK_BYTES)

    @property
    def stack_bytes(self) -> int:
        """How far the stack ever reached down: the high-water mark of everything that ran."""
        stack = bytes(self._uc.mem_read(_STACK_TOP - _STACK_BYTES, _STACK_BYTES))
        return len(stack.lstrip(_PAINT))

    def _call(self, place: int, *arguments: int) -> int:
        registers = (UC_ARM_REG_R0, UC_ARM_REG_R1, UC_ARM_REG_R2, UC_ARM_REG_R3)
        for register, argument in zip(registers, arguments, strict=False):
            self._uc.reg_write(register, argument)
        self._uc.reg_write(UC_ARM_REG_SP, _STACK_TOP)
        self._uc.reg_write(UC_ARM_REG_LR, _STOP | 1)
        self._uc.emu_start(self._table[place] | 1, _STOP)
        if self._raised is not None:
            raised, self._raised = self._raised, None
            raise raised
        return int(self._uc.reg_read(UC_ARM_REG_R0))

    def _rung(self, uc: Any, _access: int, _at: int, _size: int, question: int, _data: object) -> None:
        first, second = (int.from_bytes(uc.mem_read(_REGISTERS + at, 4), "little") for at in (4, 8))
        try:
            assert self._ask is not None
            uc.mem_write(_REGISTERS + 12, self._ask(question, first, second).to_bytes(4, "little"))
        except BaseException as raised:
            self._raised = raised
            uc.emu_stop()  # the power is gone: not one instruction more

    def _count(self, _uc: Any, _at: int, _size: int, _data: object) -> None:
        self.instructions += 1
