"""``tools/packages``: what Debian has for the tests is installed where root tests, asked for once each, and never stands in the way."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

PACKAGES = Path(__file__).parents[1] / "tools" / "packages"
NEEDED = ("sh", "find", "head", "ls", "timeout")
WANTED = ["qemu-system-arm", "cppcheck", "clang", "libclang-rt-dev"]

pytestmark = pytest.mark.skipif(shutil.which("timeout") is None, reason="needs the usual commands")


def run(folder: Path, *, user: int = 0, apt: str | None = "exit 0", there: tuple[str, ...] = ()) -> tuple[int, str, list[str]]:
    """Status, stderr, and what apt-get was asked for, on a machine that has these commands and no others."""
    for name in NEEDED:
        (folder / name).symlink_to(str(shutil.which(name)))
    asked = folder / "asked"
    programs = {"id": f"echo {user}", **dict.fromkeys(there, "echo /nowhere")}
    if apt is not None:
        programs["apt-get"] = f'echo "$@" >>{asked}; {apt}'
    for name, does in programs.items():
        (folder / name).write_text(f"#!{folder / 'sh'}\n{does}\n")
        (folder / name).chmod(0o755)
    done = subprocess.run([PACKAGES], env={"PATH": str(folder)}, capture_output=True, text=True, check=False)
    assert done.stdout == ""
    return done.returncode, done.stderr, asked.read_text().splitlines() if asked.exists() else []


def test_each_missing_package_is_installed_once(tmp_path: Path) -> None:
    status, said, asked = run(tmp_path)
    assert (status, said.count("\n")) == (0, 1)
    assert all(f" {name}" in said for name in WANTED)
    assert asked[0].endswith(" update")
    installed = [line.split()[-1] for line in asked[1:]]
    assert installed[:4] == WANTED
    assert all(" install --no-install-recommends " in line for line in asked[1:])


def test_what_is_there_is_not_asked_for(tmp_path: Path) -> None:
    _, _, asked = run(tmp_path, there=("qemu-system-arm", "cppcheck"))
    assert [line.split()[-1] for line in asked[1:]][:2] == ["clang", "libclang-rt-dev"]


def test_without_network_it_says_what_will_be_skipped_and_goes_on(tmp_path: Path) -> None:
    status, said, _ = run(tmp_path, apt="echo no network >&2; exit 100")
    assert status == 0
    assert all(f"{name} cannot be installed here; its tests will skip\n" in said for name in WANTED)
    assert "no network" not in said


def test_nothing_is_done_without_root_or_without_apt(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    assert run(tmp_path / "a", user=1000) == (0, "", [])
    assert run(tmp_path / "b", apt=None) == (0, "", [])
