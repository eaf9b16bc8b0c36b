"""Builders of the C lock, one for this machine and one for each emulated part; what they make is shared by all tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from offlinepin.engine.profile import Profile
from offlinepin.engine.token import DeviceToken
from offlinepin.firmware.build import Builder, Toolchain
from offlinepin.keypad import KeypadPolicy
from offlinepin.provisioning import Provisioning
from offlinepin.vendor import load

FIRMWARE = Path(__file__).parents[2] / "firmware"


@pytest.fixture(scope="session")
def firmware() -> Path:
    """The folder of the C sources."""
    return FIRMWARE


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    """Builds for this machine."""
    return Builder(FIRMWARE, Toolchain.host(), tmp_path_factory.mktemp("host"))


@pytest.fixture(scope="session")
def host_whole(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    """Builds for this machine, each lock with its product's table in one source."""
    return Builder(FIRMWARE, Toolchain.host(), tmp_path_factory.mktemp("whole"), whole=True)


@pytest.fixture(scope="session")
def part_builder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Builder]:
    """Builds for a part."""
    made: dict[str, Builder] = {}

    def builder(part: str) -> Builder:
        if part not in made:
            made[part] = Builder(FIRMWARE, Toolchain.part(part, FIRMWARE), tmp_path_factory.mktemp(part))
        return made[part]

    return builder


@pytest.fixture(scope="session")
def provisioned() -> Callable[[str | Profile], Provisioning]:
    """A provisioning of a vendor's product, or of a profile."""

    def provision(product: str | Profile) -> Provisioning:
        token = DeviceToken(bytes(range(32)))
        if isinstance(product, Profile):
            longest = max(family.total_length for family in product.families)
            zone = "UTC" if product.clock == "civil" else None
            return Provisioning("door", token, product, zone, KeypadPolicy(max_keys=max(16, longest)))
        vendor = load(product)
        zone = vendor.time_zone or ("Europe/Berlin" if vendor.profile.clock == "civil" else None)
        return Provisioning("door", token, vendor.profile, zone, vendor.keypad)

    return provision
