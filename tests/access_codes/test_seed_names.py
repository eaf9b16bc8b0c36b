"""Every name of the resource's description stands in the table of docs/access-codes.md, with a test that exists and exercises it."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from offlinepin.access_codes.code_errors import error
from offlinepin.access_codes.code_warnings import warning
from offlinepin.access_codes.events import EVENTS

_HERE = Path(__file__).parent
_PAGE = _HERE.parent.parent / "docs" / "access-codes.md"
_ROW = re.compile(r"\| `([^`]+)` \| [^|]* \| `([a-z_]+\.py)::(test_\w+)` \|")
_SECTIONS = ("properties", "statuses", "types", "errors", "warnings", "events", "endpoints")


def _table(section: str) -> dict[str, tuple[str, str]]:
    """The page's rows of a section: name → (file, test)."""
    page = _PAGE.read_text()
    part = page.split(f"### {section.capitalize()}\n")[1].split("\n### ")[0]
    rows = [row for row in part.splitlines() if row.startswith("| `")]
    found = [_ROW.fullmatch(row) for row in rows]
    assert all(found), rows
    return {match[1]: (match[2], match[3]) for match in found if match}


@pytest.mark.parametrize("section", _SECTIONS)
def test_every_name_of_the_description_is_in_the_table_and_no_other(section: str, vectors: Callable[[str], Any]) -> None:
    names = vectors("seed-names.json")[section]
    assert len(names) == len(set(names)) > 1
    assert list(_table(section)) == names


@pytest.mark.parametrize("section", _SECTIONS)
def test_every_name_has_a_test_that_exists_and_says_it_or_goes_through_all_of_them(section: str) -> None:
    for name, (file, test) in _table(section).items():
        tree = ast.parse((_HERE / file).read_text())
        function = next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == test)
        text = ast.unparse(function)
        word = name.removeprefix("access_code.").rsplit("/", 1)[-1]
        through_all = "ERRORS" in text or "WARNINGS" in text
        if section in ("errors", "warnings", "events", "statuses"):
            assert re.search(rf"\b{word}\b", text) or through_all, (name, test)
        else:
            assert re.search(rf"\b{word}\b", text), (name, test)


def test_every_problem_and_event_says_what_the_description_says() -> None:
    said = json.loads((_HERE / "seed-messages.json").read_text())
    now = datetime(2026, 7, 1, tzinfo=UTC)
    assert {name: error(name, now).message for name in said["errors"]} == said["errors"]
    assert {name: warning(name, now).message for name in said["warnings"]} == said["warnings"]
    assert {name: EVENTS[name].__doc__ for name in said["events"]} == said["events"]
