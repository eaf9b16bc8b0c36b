"""Every plug-in conforms, and plug-ins made wrong fail with the rule that they break."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from offlinepin.engine.profile import Profile
from offlinepin.errors import VendorError
from offlinepin.keypad import KeypadPolicy
from offlinepin.testing import VendorConformance
from offlinepin.vendor import Rounding, Vendor, discover, load


def _class_for(name: str) -> type[VendorConformance]:
    return type(f"Test{name.title()}", (VendorConformance,), {"vendor": load(name), "__module__": __name__})


globals().update({f"Test{name.title()}": _class_for(name) for name in discover()})


def _standard(change: Callable[[dict[str, Any]], object]) -> Vendor:
    """The standard vendor without its entry point's name, its document changed."""
    document = json.loads(load("standard").profile.json_text())
    change(document)
    return Vendor("broken", Profile.parse(document))


def _rules_broken(vendor: Vendor) -> set[str]:
    """The rules that the kit names, running all of it as pytest does."""
    kit: Any = type("Kit", (VendorConformance,), {"vendor": vendor})()
    rules = set()
    for name in dir(kit):
        if name.startswith("test_"):
            try:
                getattr(kit, name)()
            except pytest.fail.Exception as failure:
                rules.add(str(failure.msg).split(": ", 1)[1].split(". ")[0])
    return rules


def test_a_plug_in_with_short_codes_fails_by_name() -> None:
    def shorten(document: dict[str, Any]) -> None:
        document["families"] = document["families"][:1]
        document["families"][0]["length"] = 6

    assert "a blind guess opens at most once in 1,000" in _rules_broken(_standard(shorten))


def test_a_plug_in_with_small_windows_fails_by_name() -> None:
    def narrow(document: dict[str, Any]) -> None:
        document["families"] = document["families"][:1]
        document["families"][0]["window"] = 6

    assert _rules_broken(_standard(narrow)) == {"an entry costs a lock at most 3 windows"}


def test_a_plug_in_with_too_many_marks_fails_by_name() -> None:
    def crowd(document: dict[str, Any]) -> None:
        document["families"] = document["families"][:1]
        document["families"][0]["kinds"][1]["variants"] = 400
        document["families"][0]["length"] = 12

    assert "a lock's state fits into 256 bytes and 16 more for each remembered code" in _rules_broken(_standard(crowd))


def test_a_plug_in_whose_keypad_cannot_type_its_codes_fails_by_name() -> None:
    broken = replace(load("standard"), name="broken", keypad=KeypadPolicy(enter="0"))
    assert "a keypad can type every code" in _rules_broken(broken)


def test_a_plug_in_that_cannot_issue_a_kind_fails_by_name() -> None:
    broken = replace(load("standard"), name="broken", rounding=Rounding(usual=None), only_by_level=frozenset())

    def never_open(document: dict[str, Any]) -> None:
        document["families"] = document["families"][:1]
        kind = document["families"][0]["kinds"][1]
        kind.update(durations=[[1, 0, 1]], opens=0, closes=-3599, hours=[1, 2])

    assert _rules_broken(broken) == set()
    assert "every kind can be issued, and opens at some time" in _rules_broken(_standard(never_open))


def test_what_is_no_vendor_is_told_where_the_class_is_made() -> None:
    assert type("Named", (VendorConformance,), {"vendor": "standard"}).vendor.name == "standard"  # type: ignore[attr-defined]
    with pytest.raises(VendorError, match="not a function"):
        type("Uncalled", (VendorConformance,), {"vendor": load})
