"""The campaign: repeatable, over all plug-ins, and honest in what it prints and returns."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from unittest.mock import patch

import pytest

from offlinepin import Issuer, MasterKey
from offlinepin.errors import NaiveDatetimeError, VendorError
from offlinepin.keypad import KeypadPolicy
from offlinepin.lock import door
from offlinepin.lock.door import Door
from offlinepin.lock.flash import Flash, PowerCutError
from offlinepin.lock.state import State
from offlinepin.testing import campaign
from offlinepin.testing.adapter import LockFactory, tight_door
from offlinepin.testing.bench import Bench, Fault
from offlinepin.testing.choosing import RandomChooser
from offlinepin.testing.profiles import small_vendor
from offlinepin.vendor import discover, load

AT = datetime(2027, 6, 15, 9, tzinfo=UTC)


def test_a_short_campaign_over_all_plug_ins_finds_nothing() -> None:
    result = campaign.run(4_000, seed=5, per_session=100)
    assert result.findings == []
    assert set(result.state_bytes) == set(discover())
    assert all(size <= limit for size, limit in result.state_bytes.values())
    assert 0 < result.product_windows <= 3
    assert min(result.entries, result.cuts, result.sweeps, result.openings, result.writes) > 0


def test_the_same_seed_does_the_same_with_any_number_of_processes() -> None:
    one, two = (campaign.run(400, seed=3, vendors=["standard", "generated"], jobs=jobs, per_session=100) for jobs in (1, 2))
    assert one == two
    assert one != campaign.run(400, seed=4, vendors=["standard", "generated"], per_session=100)


def test_the_command_prints_the_counts_and_exits_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert campaign.main(["--entries", "300", "--seed", "2", "--vendor", "generated", "--jobs", "1"]) == 0
    printed = capsys.readouterr().out
    for line in ("single-use codes opened twice: 0", "opened outside their time: 0", "good codes refused without cause: 0"):
        assert line in printed
    for word in ("entries: ", "power cuts: ", "openings: ", "locks left unusable: 0", "flash writes per entry: ", "windows deciphered"):
        assert word in printed


def test_the_command_exits_1_and_prints_how_to_see_a_fault_again(capsys: pytest.CaptureFixture[str]) -> None:
    def generous(before: State, after: State) -> State:
        del before
        return after

    with patch.object(door, "settle", generous):
        assert campaign.main(["--entries", "300", "--seed", "2", "--vendor", "standard", "--jobs", "1"]) == 1
        again = capsys.readouterr().out.splitlines()[-1].split()
        assert campaign.main(again[3:]) == 1
    assert Fault.OTHER in capsys.readouterr().out


def test_the_campaign_needs_neither_hypothesis_nor_pytest() -> None:
    program = "import sys, offlinepin.testing.campaign; sys.exit(bool({'hypothesis', 'pytest'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    ("name", "package"), [("VendorConformance", "pytest"), ("LockMachine", "hypothesis"), ("strategies", "hypothesis")]
)
def test_without_the_extra_what_needs_it_says_in_one_sentence_what_to_install(name: str, package: str) -> None:
    program = f"import sys; sys.modules[{package!r}] = None\nfrom offlinepin.testing import {name}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    said = f"ModuleNotFoundError: offlinepin.testing.{name} needs the package {package}; install it with: pip install 'offlinepin[testing]'"
    assert done.stderr.splitlines()[-1] == said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--vendor", "nope"], "argument --vendor: invalid choice: 'nope' (choose from "),
        (["--jobs", "0"], "argument --jobs: '0' is no number from 1 up"),
        (["--entries", "-1"], "argument --entries: '-1' is no number from 1 up"),
    ],
)
def test_an_option_that_makes_no_sense_is_one_line(options: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        campaign.main(options)
    assert left.value.code == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_a_bench_takes_a_plug_ins_name_and_no_moment_without_a_zone() -> None:
    assert Bench("standard", AT).vendor.name == "standard"
    with pytest.raises(VendorError, match="not a function"):
        Bench(load, AT)  # type: ignore[arg-type]  # the function in place of what it makes
    with pytest.raises(NaiveDatetimeError, match=r"the moment 2027-06-15T09:00:00 has no time zone"):
        Bench("standard", AT.replace(tzinfo=None))


@pytest.mark.parametrize("locks", [campaign.LOCKS[0], tight_door], ids=["usual part", "smallest part"])
@pytest.mark.parametrize("kind", ["onetime", "stay"])
def test_a_cut_at_every_write_of_an_entry_is_survived(kind: str, locks: LockFactory) -> None:
    bench = Bench(load("standard"), AT, locks)
    pin = bench.issuer.issue("bench", AT, AT.replace(hour=21), one_time=kind == "onetime", kind=kind, now=AT)
    bench.pins.append(pin)
    for guess in ("000000000", "111111111"):  # fills the smallest part, so that the next commit is a snapshot
        bench.enter(guess)
    cuts = bench.sweep(pin.code)
    assert cuts >= (300 if locks is tight_door else 15)
    assert bench.counts.cuts == cuts
    assert bench.enter(pin.code) == "opened"


def test_a_cut_at_every_write_of_the_first_power_up_is_survived() -> None:
    provisioning = Issuer(MasterKey(bytes(32)), load("standard")).provision("bench")
    page = Door(provisioning, AT).flash.page_size
    cuts = 0
    while True:
        flash = Flash(page)
        flash.cut_after = cuts
        try:
            Door(provisioning, AT, flash=flash)
            break
        except PowerCutError:
            cuts += 1
            assert Door(provisioning, AT, flash=flash).state == State()
    assert cuts > 200


def test_a_generated_product_is_the_same_for_the_same_seed_and_has_a_keypad_that_types_its_codes() -> None:
    for seed in range(30):
        vendor = small_vendor(RandomChooser(seed))
        assert vendor == small_vendor(RandomChooser(seed))
        assert vendor.keypad != KeypadPolicy()
        vendor.keypad.check(vendor.profile)
