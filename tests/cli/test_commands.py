"""The other commands: keys, what there is to choose from, known answers, the help, and the sentence when the extra is missing."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from offlinepin import MasterKey, Profile, __version__, security, vectors
from offlinepin.cli.app import app
from offlinepin.report import report
from offlinepin.vendor import discover, load

OFFLINEPIN = Path(sys.executable).with_name("offlinepin")
FORMAT_1 = Path(__file__).parents[1] / "vectors" / "format-1.json"
COMMANDS = [
    *("", "key", "key new", "vendors", "profile", "report", "provision", "issue", "check", "batch", "lock"),
    *("vectors", "vectors check", "vectors make", "firmware tables"),
]


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OFFLINEPIN_MASTER_KEY", "OFFLINEPIN_KEY_FILE", "OFFLINEPIN_PASSPHRASE", "OFFLINEPIN_VENDOR"):
        monkeypatch.delenv(name, raising=False)


def run(*args: str, stdin: str = "", **env: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, list(args), input=stdin, env=env)
    return done.exit_code, done.stdout, done.stderr


def at_no_terminal(*args: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """A process of its own with no terminal at all, its output read as UTF-8."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OFFLINEPIN_")} | env
    encoding = env.get("PYTHONIOENCODING", "utf-8")
    return subprocess.run(
        [OFFLINEPIN, *args],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding=encoding,
        env=environment,
        cwd=cwd,
        check=False,
        start_new_session=True,
    )


def at_a_terminal(*args: str | Path) -> tuple[int, str]:
    """Exit status and stdout of a process at whose terminal the passphrase is typed."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OFFLINEPIN_")}
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            [OFFLINEPIN, *args],
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
            start_new_session=True,
        )
        while process.poll() is None:  # what is typed before the prompt is thrown away, so type until it is taken
            os.write(ours, b"correct horse\n")
            time.sleep(0.1)
        out = process.communicate()[0]
    finally:
        os.close(ours)
        os.close(theirs)
    return process.returncode, out


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_says_what_it_does_and_shows_an_example(command: str) -> None:
    status, out, err = run(*command.split(), "--help", COLUMNS="100")
    assert (status, err) == (0, "")
    assert "Usage:" in out
    if command not in ("", "key", "vectors"):
        assert f"Example: offlinepin {command}" in out.replace("| offlinepin", "Example: offlinepin")


def test_the_version_is_the_packages() -> None:
    assert run("--version") == (0, f"{__version__}\n", "")


def test_no_option_takes_a_secret() -> None:
    options = {o for command in COMMANDS for o in re.findall(r"--[a-z-]+", run(*command.split(), "--help", COLUMNS="200")[1])}
    assert options & {"--key", "--master-key", "--token", "--secret"} == set()


def test_a_new_key_is_for_its_owner_only_is_not_shown_and_never_replaces_a_file(tmp_path: Path) -> None:
    path = tmp_path / "my.key"
    status, out, err = run("key", "new", str(path))
    written = path.read_text()
    assert (status, out) == (0, "")
    assert path.stat().st_mode & 0o777 == 0o600
    assert written.strip() not in err
    assert MasterKey.from_file(path).token("d").check_value
    status, _, err = run("key", "new", str(path))
    assert status == 2
    assert err.startswith("error [invalid_key]: ")
    assert path.read_text() == written


def test_two_new_keys_differ(tmp_path: Path) -> None:
    for name in "ab":
        assert run("key", "new", str(tmp_path / name))[0] == 0
    assert (tmp_path / "a").read_text() != (tmp_path / "b").read_text()


def test_a_passphrase_of_the_environment_wraps_a_new_key(tmp_path: Path) -> None:
    path = tmp_path / "my.key"
    status, _, err = run("key", "new", str(path), "--passphrase", OFFLINEPIN_PASSPHRASE="correct horse")
    assert status == 0
    assert "correct horse" not in path.read_text() + err
    assert MasterKey.from_file(path, passphrase="correct horse").token("d").check_value


def test_a_passphrase_that_cannot_be_asked_for_is_one_line_and_makes_no_key(tmp_path: Path) -> None:
    path = tmp_path / "my.key"
    done = at_no_terminal("key", "new", str(path), "--passphrase")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error [unwrap_failed]: the key's passphrase is missing; give it in OFFLINEPIN_PASSPHRASE, or at a terminal\n"
    assert not path.exists()


def test_a_passphrase_typed_twice_at_a_terminal_wraps_a_new_key(tmp_path: Path) -> None:
    path = tmp_path / "my.key"
    status, out = at_a_terminal("key", "new", path, "--passphrase")
    assert (status, out) == (0, "")
    assert MasterKey.from_file(path, passphrase="correct horse").token("d").check_value


def test_a_wrapped_key_asks_for_its_passphrase_at_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "my.key"
    path.write_text(MasterKey(bytes(32)).wrap(passphrase="correct horse", n=2**10))
    status, out = at_a_terminal("provision", "d", "--vendor", "igloo", "--key-file", path)
    assert status == 0
    assert json.loads(out)["token"] == MasterKey(bytes(32)).token("d").export().hex()


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8"])
def test_a_name_that_the_output_cannot_show_costs_no_code(tmp_path: Path, encoding: str) -> None:
    stay = "BEGIN:VEVENT\nUID:1\nDTSTART;VALUE=DATE:20270701\nSUMMARY:Reserved - Nguyễn\nEND:VEVENT\n"
    (tmp_path / "stays.ics").write_text(f"BEGIN:VCALENDAR\n{stay}END:VCALENDAR\n", encoding="utf-8")
    MasterKey(bytes(32)).save(tmp_path / "my.key")
    command = ("issue", "--device", "d", "--vendor", "igloo", "--key-file", "my.key", "--calendar", "stays.ics", "--zone", "UTC")
    for form in ((), ("--csv",)):
        done = at_no_terminal(*command, *form, "--now", "2027-01-01T00:00Z", cwd=tmp_path, PYTHONIOENCODING=encoding)
        assert done.returncode == 0, done.stderr
        assert ("Nguyễn" if encoding == "utf-8" else "Nguy\\u1ec5n") in done.stdout


def test_a_full_disk_is_one_line_without_a_name_that_there_is_not() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([OFFLINEPIN, "report", "igloo"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "error [file]: No space left on device\n")


def test_the_vendors_are_listed_with_title_clock_and_families() -> None:
    status, out, err = run("vendors", COLUMNS="400")
    assert (status, err) == (0, "")
    for name in discover():
        vendor = load(name)
        (line,) = [line for line in out.splitlines() if line.strip().startswith(f"{name} ")]
        assert vendor.title in line
        assert vendor.profile.clock in line
        assert all(family.name in line for family in vendor.profile.families)


@pytest.mark.parametrize("name", ["igloo", "oracode", "standard"])
def test_a_profile_is_shown_as_its_own_document_or_as_a_table_of_every_kind(name: str) -> None:
    profile = load(name).profile
    status, out, _ = run("profile", name, "--json")
    assert status == 0
    assert Profile.parse(out) == profile
    table = run("profile", name, COLUMNS="600")[1]
    assert profile.digest.hex() in table
    for family in profile.families:
        assert f"{family.name}: " in table
        assert all(kind.describe_durations() in table for kind in family.kinds)


def test_every_rule_of_a_kind_is_in_the_table(tmp_path: Path) -> None:
    document = json.loads(FORMAT_1.read_text())["sets"][0]["profile"]
    document["families"][0]["kinds"][0] |= {"linger": 3600, "opens": 54_000, "closes": -1800, "hours": [25_200, 68_400], "weekdays": 31}
    document["families"][0]["kinds"][0] |= {"supersedes": "guests", "durations": [[20, 1, 653]]}
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(document))
    table = run("profile", str(path), COLUMNS="250")[1]
    for words in (
        "first use within 24 slots",
        "ends 3600 s after first use",
        "start +15:00, end -00:30",
        "from 07:00 to 19:00",
        "on Mo Tu We Th Fr",
        "supersedes earlier of guests",
        "opens once",
    ):
        assert words in table


@pytest.mark.parametrize("name", ["igloo", "oracode", "standard"])
def test_the_report_shows_the_live_codes_and_odds_of_every_family_as_the_library_reckons_them(name: str) -> None:
    status, out, _ = run("report", name, "--format", "json")
    assert status == 0
    shown = {family["family"]: family for family in (*json.loads(out)["families"], *json.loads(out)["services"])}
    for odds in security.profile_odds(load(name).profile):
        found = shown[odds.family]
        assert (found["live"], found["remembered"], found["codes"]) == (odds.live, odds.remembered, odds.codes)
        assert found["odds"] == pytest.approx(odds.odds)


@pytest.mark.parametrize("options", [(), ("--length", "11"), ("--tolerance", "60"), ("--format", "html")])
def test_the_report_is_what_the_library_makes_of_the_same_question(options: tuple[str, ...]) -> None:
    status, out, _ = run("report", "igloo", *options, COLUMNS="80")
    asked = dict(zip(options[::2], options[1::2], strict=True))
    made = report("igloo", length=11 if "--length" in asked else None, tolerance=60 if "--tolerance" in asked else None)
    assert status == 0
    assert out.strip() == (made.html() if "--format" in asked else made.text(80)).strip()


def test_the_report_of_a_weak_profile_says_what_length_would_do(tmp_path: Path) -> None:
    document = json.loads(FORMAT_1.read_text())["sets"][0]["profile"]
    document["families"][0] |= {"length": 6, "window": 100}
    path = tmp_path / "weak.json"
    path.write_text(json.dumps(document))
    status, out, _ = run("report", str(path))
    assert status == 0
    assert re.search(r"it takes\s+\d+\s+sealed\s+symbols\s+instead\s+of\s+6", out)


@pytest.mark.parametrize("command", ["profile", "report"])
@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("profile_over_capacity", {"length": 3}),
        ("families_overlap", {"length": 12}),
        ("invalid_profile", {"slot": 0}),
        ("invalid_profile", {"surplus": 1}),
    ],
)
def test_a_profile_that_breaks_a_rule_is_one_line_that_names_the_member(
    tmp_path: Path, command: str, code: str, change: dict[str, Any]
) -> None:
    document = json.loads(FORMAT_1.read_text())["sets"][0]["profile"]
    document["families"][0] |= change
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(document))
    status, out, err = run(command, str(path))
    assert (status, out) == (2, "")
    assert err.startswith(f"error [{code}]: profile member families[")
    assert err.count("\n") == 1


def test_the_contracts_vectors_pass() -> None:
    status, out, err = run("vectors", "check", str(FORMAT_1))
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == "72 passed, 0 failed"


def test_a_difference_is_named_with_its_stage_and_exits_with_1(tmp_path: Path) -> None:
    document = json.loads(FORMAT_1.read_text())
    document["sets"][1]["cases"][5] |= {"window_key": "00" * 32, "code": "0"}
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(document))
    status, out, err = run("vectors", "check", str(path))
    assert (status, out) == (1, "71 passed, 1 failed\n")
    assert err.startswith("sets[1] 'example-levels', cases[5]: window_key differs: expected 0000")


def test_many_differences_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    document = json.loads(FORMAT_1.read_text())
    document["sets"][0]["digest"] = "00" * 16
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(document))
    status, out, err = run("vectors", "check", str(path))
    assert (status, out) == (1, "48 passed, 24 failed\n")
    assert err.splitlines()[-1] == "… and 4 more"


@pytest.mark.parametrize("content", [None, "{}", "no json"])
def test_a_file_that_is_no_vectors_file_exits_with_2(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "bad.json"
    if content is not None:
        path.write_text(content)
    status, out, err = run("vectors", "check", str(path))
    assert (status, out) == (2, "")
    assert err.startswith("error [invalid_vectors]: ")


def test_vectors_that_are_made_pass_and_are_the_same_for_the_same_seed(tmp_path: Path) -> None:
    status, out, _ = run("vectors", "make", "--vendor", "igloo", "--profile", "standard", "--count", "30", "--seed", "5")
    assert status == 0
    path = tmp_path / "made.json"
    path.write_text(out)
    assert run("vectors", "check", str(path)) == (0, "60 passed, 0 failed\n", "")
    assert out == vectors.make([load("igloo").profile, load("standard").profile], 30, 5).json_text()


def test_vectors_are_made_for_every_installed_vendor_by_default() -> None:
    made = vectors.Vectors.parse(run("vectors", "make", "--count", "2")[1])
    assert [s.profile["name"] for s in made.sets] == [load(name).profile.name for name in discover()]


def test_the_plug_in_that_cannot_be_loaded_is_named_and_the_others_are_listed(tmp_path: Path) -> None:
    package = tmp_path / "broken-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[offlinepin.vendors]\nbroken = no_such_module:vendor\n")
    environment = dict(os.environ) | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run([OFFLINEPIN, "vendors"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error [unknown_vendor]: vendor 'broken'")
    assert "igloo" in done.stdout


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra_the_command_says_in_one_sentence_what_to_install(missing: str) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; from offlinepin.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "pip install 'offlinepin[cli]'" in done.stderr


def test_without_icalendar_only_calendars_are_out_of_reach() -> None:
    program = (
        "import sys; sys.modules['icalendar'] = None\n"
        "from offlinepin import bookings\n"
        "text = 'BEGIN:VCALENDAR\\nBEGIN:VEVENT\\nUID:a\\nEND:VEVENT\\nEND:VCALENDAR\\n'\n"
        "bookings.read(text, time_zone='UTC')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "pip install 'offlinepin[cli]'" in done.stderr.splitlines()[-1]


def test_the_demo_opens_every_door_in_time_and_only_then() -> None:
    demo = Path(__file__).parents[2] / "examples" / "run.py"
    done = subprocess.run([sys.executable, demo], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count(" too_early ") == 30
    assert done.stdout.splitlines()[-1] == "30 codes typed 120 times: 59 opened, 30 too_early, 29 expired, 2 superseded"
