"""Plug-ins: found by their entry points, made with their options, and refused by name when they are not what they should be."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offlinepin import Profile, Vendor
from offlinepin.errors import FamilyOverlapError, OfflinepinError, VendorError
from offlinepin.vendor import Rounding, discover, load, resolve

_MODULE = """
from offlinepin import Vendor
from offlinepin.errors import FamilyOverlapError
from offlinepin.vendor import load

def good(digits=9):
    return Vendor("good", load("standard").profile, title=f"{digits} digits")

def wrong_type():
    return {"name": "wrong"}

def breaks():
    raise RuntimeError("the catalogue is empty")

def refuses():
    raise FamilyOverlapError("families[1].prefix", "as it is")

number = 7
"""
_ENTRIES = """[offlinepin.vendors]
good = offlinepin_test_plugin:good
wrong-type = offlinepin_test_plugin:wrong_type
breaks = offlinepin_test_plugin:breaks
refuses = offlinepin_test_plugin:refuses
number = offlinepin_test_plugin:number
no-module = offlinepin_test_nowhere:vendor
no-attribute = offlinepin_test_plugin:nothing
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with plug-ins of every kind, installed for one test."""
    (tmp_path / "offlinepin_test_plugin.py").write_text(_MODULE)
    info = tmp_path / "offlinepin_test_plugin-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: offlinepin-test-plugin\nVersion: 1\n")
    (info / "entry_points.txt").write_text(_ENTRIES)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "offlinepin_test_plugin", raising=False)


def test_the_plug_ins_that_come_along_are_found_by_name() -> None:
    assert {"igloo", "oracode", "standard"} <= set(discover())
    assert list(discover()) == sorted(discover())
    for name in ("igloo", "oracode", "standard"):
        vendor = load(name)
        assert vendor.name == name
        assert vendor.title
        assert resolve(name).profile == vendor.profile


@pytest.mark.usefixtures("plugin")
def test_a_package_that_is_installed_beside_brings_its_vendors() -> None:
    assert {"good", "wrong-type", "igloo"} <= set(discover())
    assert load("good").name == "good"
    assert load("good", digits=10).title == "10 digits"


def test_a_package_that_is_installed_later_is_found_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    assert "late" not in discover()
    info = tmp_path / "late-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: late\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[offlinepin.vendors]\nlate = late:vendor\n")
    assert "late" in discover()


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("wrong-type", {}, "offlinepin_test_plugin:wrong_type returned a dict, not a Vendor"),
        ("breaks", {}, "cannot be made from offlinepin_test_plugin:breaks: the catalogue is empty"),
        ("number", {}, "'int' object is not callable"),
        ("no-module", {}, "No module named 'offlinepin_test_nowhere'"),
        ("no-attribute", {}, "has no attribute 'nothing'"),
        ("good", {"digit": 9}, "unexpected keyword argument 'digit'"),
        ("igloo", {"digits": 7}, "9 or 10 digits, not 7"),
    ],
)
def test_a_plug_in_that_cannot_be_made_is_refused_with_the_reason(name: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(VendorError, match=says) as caught:
        load(name, **options)
    assert name in str(caught.value)


@pytest.mark.usefixtures("plugin")
def test_a_plug_in_s_own_refusal_comes_through_as_it_is() -> None:
    with pytest.raises(FamilyOverlapError) as caught:
        load("refuses")
    assert caught.value.member == "families[1].prefix"


@pytest.mark.parametrize("name", ["iglo", "", "IGLOO", "igloo "])
def test_an_unknown_vendor_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(VendorError, match=r"no vendor .* is installed; there are .*igloo, .*oracode, .*standard"):
        load(name)


def test_without_any_plug_in_the_refusal_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])
    assert discover() == {}
    with pytest.raises(VendorError, match="there are none"):
        load("igloo")


@given(st.from_type(Profile))
def test_a_bare_profile_is_a_vendor_that_rounds_outward_without_a_limit(profile: Profile) -> None:
    vendor = resolve(profile)
    assert (vendor.name, vendor.profile) == (profile.name, profile)
    assert resolve(vendor) is vendor
    for family in profile.families:
        assert vendor.rounding_of(family) == Rounding(None, None, nearest=False)


@pytest.mark.parametrize("thing", [None, 7, {"name": "igloo"}, b"igloo"])
def test_what_is_no_vendor_is_refused_at_once(thing: Any) -> None:
    with pytest.raises(OfflinepinError):
        resolve(thing)


def test_a_family_may_have_a_rounding_of_its_own() -> None:
    profile = load("standard").profile
    own = Rounding(timedelta(hours=2))
    vendor = Vendor("v", profile, Rounding(timedelta(hours=1)), {"access": own})
    assert vendor.rounding_of(profile.families[0]) is own


limits = st.none() | st.timedeltas(timedelta(), timedelta(days=9))


@given(limits, limits, limits)
def test_a_limit_is_the_requests_or_the_usual_and_never_above_the_most(
    usual: timedelta | None, most: timedelta | None, asked: timedelta | None
) -> None:
    wanted = usual if asked is None else asked
    bounds = [limit for limit in (wanted, most) if limit is not None]
    assert Rounding(usual, most).limit(asked) == min(bounds, default=None)
