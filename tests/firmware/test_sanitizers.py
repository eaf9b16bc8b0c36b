"""The C lock under the address and undefined-behaviour sanitizers: sessions with power cuts, and flash parts that hold anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

GCC = shutil.which("gcc")
CHECK = """
import random, sys
from pathlib import Path
from datetime import UTC, datetime
from functools import partial
from offlinepin.errors import StateError
from offlinepin.firmware.board import BoardLock
from offlinepin.firmware.build import Builder, Toolchain
from offlinepin.firmware.host import HostMachine
from offlinepin.firmware.pair import PairFactory
from offlinepin.lock.flash import Flash
from offlinepin.testing.campaign import run

firmware, into = map(Path, sys.argv[1:])
sanitize = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")
builder = Builder(firmware, Toolchain.host(*sanitize), into)
factories = [PairFactory(builder, HostMachine), PairFactory(builder, HostMachine, is_tight=True)]
result = run(800, 31, factories=factories, per_session=80)
assert not result.findings, result.findings[0].message

from offlinepin.engine.token import DeviceToken
from offlinepin.provisioning import Provisioning
from offlinepin.vendor import load

at, chance = datetime(2027, 6, 15, 9, tzinfo=UTC), random.Random(5)
made = Provisioning("door", DeviceToken(bytes(range(32))), load("standard").profile, None, load("standard").keypad)
library = builder.build(made, "anything")
part = Flash(4096)
lock = BoardLock(made, at, partial(HostMachine, library), part)
for code in ("123456789#", "1#", "9" * 40 + "#", "0" + "7" * 13 + "#"):
    lock.press(code, at)
for _ in range(300):
    aged = part.copy()
    for _ in range(chance.randint(1, 40)):
        aged.rot(chance.randrange(1500 if chance.random() < 0.9 else 8192), chance.randrange(8))
    try:
        BoardLock(made, at, partial(HostMachine, library), aged).press("123456789#", at)
    except StateError:
        pass
print("clean")
"""


@pytest.mark.skipif(GCC is None or sys.platform != "linux", reason="needs gcc's sanitizer libraries")
def test_nothing_is_read_or_written_out_of_place_and_nothing_is_undefined(firmware: Path, tmp_path: Path) -> None:
    assert GCC is not None
    asan = subprocess.run([GCC, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True).stdout.strip()
    # gcc's library must be there before the interpreter's own memory is; the interpreter's leaks are not our matter
    environment = os.environ | {"LD_PRELOAD": asan, "ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run(
        [sys.executable, "-c", CHECK, str(firmware), str(tmp_path)], capture_output=True, text=True, check=False, env=environment
    )
    assert done.stdout.strip() == "clean", done.stderr[-3000:]
