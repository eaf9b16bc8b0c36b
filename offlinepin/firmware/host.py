"""The C lock as a shared library on this machine."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

from offlinepin.firmware.board import READING_BYTES, Ask, Opened
from offlinepin.lock.flash import Flash

_ASK = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32)


class HostMachine:
    """Runs the C lock of a library.

    Args:
        library: made by :class:`offlinepin.firmware.build.Builder` for the host.
    """

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library))
        for name in ("bytes", "memory_bytes", "power_up", "press", "check_value", "answer", "status", "charged_at", "step", "open"):
            getattr(self._library, f"board_{name}").restype = ctypes.c_uint32
        self._board = ctypes.create_string_buffer(self._library.board_bytes())
        self._memory = ctypes.create_string_buffer(self._library.board_memory_bytes())
        self._raised: BaseException | None = None

    def power_up(self, flash: Flash, token: bytes, generation: int, ask: Ask) -> int:
        """See :class:`offlinepin.firmware.board.Machine`."""
        size = flash.page_size * flash.pages
        self._flash = ctypes.create_string_buffer(flash.read(0, size), size)
        self._callback = _ASK(self._guarded(ask))
        return self._call(
            "power_up", self._memory, self._flash, flash.page_size, flash.pages, self._callback, token, ctypes.c_uint32(generation)
        )

    def press(self, key: str) -> tuple[int, ...] | None:
        """See :class:`offlinepin.firmware.board.Machine`."""
        if not self._call("press", ord(key)):
            return None
        return tuple(self._call("answer", which) for which in range(8))

    def status(self) -> int:
        """See :class:`offlinepin.firmware.board.Machine`."""
        return self._call("status")

    def check_value(self) -> int:
        """See :class:`offlinepin.firmware.board.Machine`."""
        return self._call("check_value")

    def charged_at(self) -> int:
        """See :class:`offlinepin.firmware.board.Machine`."""
        return self._call("charged_at")

    def step(self, token: bytes, following: int) -> bytes:
        """See :class:`offlinepin.firmware.board.Machine`."""
        changed = ctypes.create_string_buffer(token, len(token))
        self._library.board_step(changed, ctypes.c_uint32(following))
        return changed.raw

    def open_code(self, token: bytes, code: str, window: int) -> Opened | None:
        """See :class:`offlinepin.firmware.board.Machine`."""
        reading = ctypes.create_string_buffer(READING_BYTES)
        answer = self._library.board_open(token, code.encode(), ctypes.c_uint32(window), reading)
        return Opened.of(answer, reading.raw)

    def image(self, size: int) -> bytes:
        """See :class:`offlinepin.firmware.board.Machine`."""
        return self._memory.raw[:size]

    def show(self, at: int, data: bytes) -> None:
        """See :class:`offlinepin.firmware.board.Machine`."""
        ctypes.memmove(ctypes.byref(self._flash, at), data, len(data))

    def _call(self, name: str, *arguments: Any) -> int:
        done: int = getattr(self._library, f"board_{name}")(self._board, *arguments)
        if self._raised is not None:
            raised, self._raised = self._raised, None
            raise raised
        return done

    def _guarded(self, ask: Ask) -> Ask:
        """``ask``, whose exceptions come out of :meth:`_call`: the lock is told that the flash failed, and does nothing more."""

        def guarded(question: int, first: int, second: int) -> int:
            try:
                return ask(question, first, second) if self._raised is None else 0
            except BaseException as raised:
                self._raised = raised
                return 0

        return guarded
