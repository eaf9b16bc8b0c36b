"""The known answers of code format 1 through the C lock, on this machine and on the emulated parts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from offlinepin.engine.kdf import HmacKey
from offlinepin.engine.profile import Profile
from offlinepin.engine.token import DeviceToken
from offlinepin.firmware.board import Machine
from offlinepin.firmware.build import PARTS, Builder, Toolchain
from offlinepin.firmware.emulator import EmulatedMachine
from offlinepin.firmware.host import HostMachine
from offlinepin.provisioning import Provisioning

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "format-1.json").read_text())
Provision = Callable[[str | Profile], Provisioning]


def check_all(machine_of: Callable[[Provisioning, str], Machine], provisioned: Provision) -> None:
    """Ratchet, window key, cipher, payload and text of every case, backwards from the code."""
    for number, known in enumerate(VECTORS["sets"]):
        profile = Profile.parse(known["profile"])
        machine = machine_of(provisioned(profile), f"known-{number}")
        for case in known["cases"]:
            master = HmacKey(bytes.fromhex(case["master_key"]))
            token = DeviceToken.derive(master, case["device_id"]).export()
            for following in range(1, case["generation"] + 1):
                token = machine.step(token, following)
            assert token.hex() == case["token"]
            opened = machine.open_code(token, case["code"], case["window"])
            assert opened is not None
            family = profile.family_index(case["family"])
            kind = profile.kind_index(family, case["kind"])
            assert (opened.family, opened.payload) == (family, case["payload"])
            assert opened.kind == sum(len(f.kinds) for f in profile.families[:family]) + kind
            assert (opened.start, opened.variant) == (case["start_slot"], case["variant"])
            assert opened.duration == profile.families[family].kinds[kind].duration_index(case["duration"])


def test_every_known_answer_holds_on_this_machine(host: Builder, provisioned: Provision) -> None:
    check_all(lambda made, name: HostMachine(host.build(made, name)), provisioned)


UNIT = """
#undef OPIN_SHA_HARDWARE
#define OPIN_SMALL
#define opin_compress in_software
#include "opin_sha256.h"
#undef opin_compress
void opin_compress(uint32_t state[8], uint32_t w[16]);
void opin_compress(uint32_t state[8], uint32_t w[16]) {
    in_software(state, w);
}
"""


def test_every_known_answer_holds_with_a_products_own_sha_unit(firmware: Path, provisioned: Provision, tmp_path: Path) -> None:
    sources = tmp_path / "src"
    shutil.copytree(firmware / "src", sources)
    with (sources / "number.c").open("a") as file:
        file.write(UNIT)
    builder = Builder(firmware, Toolchain.host("-DOPIN_SHA_HARDWARE"), tmp_path, sources)
    check_all(lambda made, name: HostMachine(builder.build(made, name)), provisioned)


@pytest.mark.parametrize("part", PARTS)
def test_every_known_answer_holds_on_a_part(part: str, part_builder: Callable[[str], Builder], provisioned: Provision) -> None:
    check_all(lambda made, name: EmulatedMachine(part_builder(part).build(made, name), part), provisioned)


@pytest.mark.parametrize("part", PARTS)
def test_a_code_is_opened_in_as_many_instructions_as_any_other(
    part: str, part_builder: Callable[[str], Builder], provisioned: Provision
) -> None:
    """Not one instruction depends on the token or on the number that was typed. (Finding a key's digit takes longer for later ones, which
    tells nobody anything: the codes here are of the same digits.)"""
    machine = EmulatedMachine(part_builder(part).build(provisioned("standard"), "counted"), part, counting=True)
    counts = set()
    for i in range(6):
        machine.instructions = 0
        opened = machine.open_code(bytes([i]) * 32, "123456789"[i:] + "123456789"[:i], 400 + i)
        assert opened is not None
        assert not opened.is_payload
        counts.add(machine.instructions)
    assert len(counts) == 1
