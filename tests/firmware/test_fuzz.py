"""The fuzz target, a bounded run: a corpus of real flash contents and typed texts, and seeded changes of those, under the sanitizers."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from offlinepin.firmware.board import BoardLock
from offlinepin.firmware.build import CORE, WARNINGS, Builder
from offlinepin.firmware.host import HostMachine
from offlinepin.firmware.tables import tables
from offlinepin.lock.flash import Flash
from offlinepin.provisioning import Provisioning

GCC = shutil.which("gcc")
AT = datetime(2027, 6, 15, 9, tzinfo=UTC)
CASES = 400


@pytest.mark.skipif(GCC is None, reason="needs gcc's sanitizer libraries")
def test_neither_typed_text_nor_flash_content_leads_the_lock_astray(
    firmware: Path, host: Builder, provisioned: Callable[[str], Provisioning], tmp_path: Path
) -> None:
    assert GCC is not None
    made = provisioned("standard")
    (tmp_path / "table.c").write_text(tables(made.profile, made.keypad))
    sources = [tmp_path / "table.c", firmware / "fuzz" / "fuzz.c", *(firmware / "src" / f"{part}.c" for part in CORE)]
    sanitize = ["-O1", "-g", "-DFUZZ_MAIN", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    folders = [f"-I{firmware / 'include'}", f"-I{firmware / 'src'}"]
    program = tmp_path / "fuzz"
    subprocess.run([GCC, *WARNINGS, *sanitize, *folders, *map(str, sources), "-o", str(program)], check=True)
    paths = []
    for i, data in enumerate(corpus(made, host)):
        paths.append(tmp_path / f"case-{i}")
        paths[-1].write_bytes(data)
    done = subprocess.run([str(program), *map(str, paths)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def corpus(made: Provisioning, host: Builder) -> list[bytes]:
    """Inputs of both targets."""
    chance = random.Random(3)  # noqa: S311 - cases that can be made again
    flash = Flash(4096)
    lock = BoardLock(made, AT, partial(HostMachine, host.build(made, "fuzzed")), flash)
    for code in ("123456789#", "923456789#", "00000000000000#"):
        lock.press(code, AT)
    seeds = [b"\1" + flash.read(0, 4095), b"\0" + b"123456789#\xff987654321#" * 9, b"\0" + b"0" * 40 + b"#*#*2#3#"]
    made_from = []
    for _ in range(CASES):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 30)):
            at = chance.randrange(min(len(data), 1500))
            way = chance.randrange(3)
            if way == 0:
                data[at] ^= 1 << chance.randrange(8)
            elif way == 1:
                data[at : at + 4] = chance.randbytes(4)
            else:
                data[at : at + 2] = chance.choice((b"\0\0", b"\xff\xff", b"\xff\xf8", b"\0\4"))
        made_from.append(bytes(data[:4096]))
    return [*seeds, *made_from]
