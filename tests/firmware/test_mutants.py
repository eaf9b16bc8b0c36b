"""What the tests are worth: each of these faults in the C source is found by the comparison with the simulated lock."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from offlinepin.firmware.build import Builder, Toolchain
from offlinepin.firmware.host import HostMachine
from offlinepin.firmware.pair import PairFactory
from offlinepin.testing.campaign import run


@dataclass(frozen=True)
class Mutant:
    """A fault: the file, what it says, and what it says instead."""

    name: str
    file: str
    old: str
    new: str
    vendors: tuple[str, ...] | None = None


MUTANTS = [
    Mutant(
        "the mark is made after the bolt moves",
        "door.c",
        "    if (decision->reason != OPIN_OPENED) {\n        return;\n    }\n    opin_commit(lock);\n",
        "    if (decision->reason != OPIN_OPENED) {\n        return;\n    }\n",
    ),
    Mutant(
        "the charge is not committed",
        "door.c",
        "length, decision)) {\n        return;\n    }\n    opin_commit(lock);\n",
        "length, decision)) {\n        return;\n    }\n",
    ),
    Mutant(
        "the charge is never given back",
        "door.c",
        "    opin_set_failures(lock, failures);\n",
        "    (void)failures;\n",
    ),
    Mutant("the moment of the charge is not restored", "door.c", "    lock->charged_at = charged_at;\n", "    (void)charged_at;\n"),
    Mutant(
        "the first candidate slot is one too early",
        "decide.c",
        "const uint32_t oldest = slots_begun(family, t, -family->earliest),",
        "const uint32_t oldest = slots_begun(family, t, -family->earliest) - 1,",
    ),
    Mutant(
        "the newest candidate window is missing",
        "decide.c",
        "window <= opin_divide(newest, family->window)",
        "window <= opin_divide(oldest, family->window)",
    ),
    Mutant("a code ends a second late", "decide.c", "if (t >= code->ends) {", "if (t > code->ends) {"),
    Mutant("a code begins a second late", "decide.c", "t + profile->tolerance < code->starts", "t + profile->tolerance <= code->starts"),
    Mutant("the tolerance is forgotten at the end", "payload.c", "(uint32_t)kind->closes + profile->tolerance;", "(uint32_t)kind->closes;"),
    Mutant("a lapsed code opens", "decide.c", "if (!is_held && code->lapses &&", "if (is_held && code->lapses &&"),
    Mutant(
        "the floor is not moved",
        "decide.c",
        "        judging->floor = floor;\n",
        "        judging->floor = opin_floor(judging->lock);\n",
    ),
    Mutant("days begin on a Friday", "decide.c", "opin_rest(day + 3, 7)", "opin_rest(day + 4, 7)"),
    Mutant("a single-use code leaves no mark", "decide.c", "        opin_mark(lock, code);\n", "        ;\n"),
    Mutant("masking digits are not taken off", "decide.c", "->masking ? length : 0;", "->masking ? 0 : 0;"),
    Mutant(
        "nothing is read back",
        "journal.c",
        "return (lock->bank.flags & (WHOLE | CLOSED)) == WHOLE &&",
        "return (lock->bank.flags & (WHOLE | CLOSED)) == WHOLE ||",
    ),
    Mutant(
        "the old snapshot is not retired",
        "journal.c",
        "    clear_word(lock, lock->bank_bytes - lock->bank.start); /* after",
        "    /* after",
    ),
    Mutant("a torn change is damage", "journal.c", "if (last > check_at + OPIN_WORD) {", "if (last > check_at) {"),
    Mutant("a round is left out", "opin_cipher.h", "i = OPIN_ROUNDS; i-- > 0;", "i = OPIN_ROUNDS - 1; i-- > 0;"),
    Mutant(
        "superseded marks stay",
        "memory.c",
        "            clear_mark(lock, kind->first_mark + bit);",
        "            ;",
        ("generated",),
    ),
    Mutant(
        "ended marks stay",
        "memory.c",
        "const bool over = code->fresh_until <= t;",
        "const bool over = code->fresh_until < t;",
        ("generated",),
    ),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_fault_in_the_c_lock_is_found(mutant: Mutant, firmware: Path, host: Builder, tmp_path: Path) -> None:
    sources = tmp_path / "src"
    shutil.copytree(firmware / "src", sources)
    changed = sources / mutant.file
    text = changed.read_text()
    assert text.count(mutant.old) == 1
    changed.write_text(text.replace(mutant.old, mutant.new))
    builder = Builder(firmware, Toolchain.host("-O0", "-Wno-error", "-w"), tmp_path, sources)
    for compiled in host.into.glob("*.o"):
        if mutant.file.endswith(".c") and compiled.stem not in (changed.stem, "board"):
            shutil.copy(compiled, tmp_path)
    factories = [PairFactory(builder, HostMachine), PairFactory(builder, HostMachine, is_tight=True)]
    result = run(12_000, 7, mutant.vendors, factories=factories, per_session=120, stop_at_first=True)
    assert result.findings
