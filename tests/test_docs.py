"""The pages stay true: every Python snippet of README.md and docs/ runs, in order, one namespace for each page."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from offlinepin.cli.app import app

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
SNIPPET = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)(#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_snippet_of_the_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = page.read_text()
    namespace: dict[str, object] = {"__name__": f"page_{page.stem}"}
    for found in SNIPPET.finditer(text):
        line = text[: found.start(1)].count("\n")
        exec(compile("\n" * line + found[1], str(page), "exec"), namespace)  # noqa: S102 - the pages are ours


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_link_of_the_page_leads_to_a_file(page: Path) -> None:
    missing = [target for target, _ in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert not missing


def test_the_example_of_the_readme_opens_the_lock(capsys: pytest.CaptureFixture[str]) -> None:
    example = SNIPPET.findall((ROOT / "README.md").read_text())[0]
    assert len([line for line in example.splitlines() if line.strip()]) <= 10
    exec(compile(example, "README.md", "exec"), {"__name__": "readme"})  # noqa: S102 - the page is ours
    assert capsys.readouterr().out.splitlines()[-1] == "opened"


def test_every_command_of_the_readme_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "examples", "examples")
    Path("requests.csv").write_text("device_id,starts_at,ends_at\ndoor,2027-07-01T15:00Z,2027-07-04T11:00Z\n")
    commands = re.findall(r"^offlinepin (.*)", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert len(commands) >= 7
    for command in commands:
        words = shlex.split(command, comments=True)
        if "--firmware" not in words:  # tests/firmware/test_terminal.py has that one
            present = ["--now", "2027-06-01T00:00Z"] if words[0] in ("issue", "batch") else []
            done = CliRunner().invoke(app, [*words, *present])
            assert done.exit_code == 0, (command, done.stderr)
