"""The server from the command line: a demo that is ready for an SDK, keys that open it until they are revoked, and a graceful stop."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from offlinepin.access_codes import AccessCodes, Store
from offlinepin.access_codes.base import wire_time
from offlinepin.cli.app import app
from offlinepin.keys import MasterKey

README = Path(__file__).parent.parent.parent / "README.md"


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Runs a command over the test's own store."""
    told = CliRunner().invoke(app, ["key", "new", str(tmp_path / "master.key")])
    assert told.exit_code == 0
    where = ["--database", str(tmp_path / "codes.db"), "--key-file", str(tmp_path / "master.key")]
    return lambda *words: CliRunner().invoke(app, [*words, *where])


@dataclass
class Demo:
    """A demo server that runs in a process of its own, and what it printed."""

    process: subprocess.Popen[str]
    endpoint: str
    key: str = field(repr=False)

    def get(self, path: str, **params: Any) -> Any:
        """What it answers."""
        return httpx.get(self.endpoint + path, params=params, headers={"authorization": f"Bearer {self.key}"}).json()

    def stop(self, how: signal.Signals) -> tuple[str, str]:
        """Stop it; the rest of what it printed, and its log."""
        self.process.send_signal(how)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        return self.process.stdout.read(), self.process.stderr.read()


@contextmanager
def running_demo(folder: Path, *options: str) -> Iterator[Demo]:
    """A demo server over the folder, until the end of the ``with``."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).with_name("offlinepin")), "serve", "--demo", str(folder), "--port", str(port), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        endpoint = server.stdout.readline().strip().removeprefix("SEAM_ENDPOINT=")
        key = server.stdout.readline().strip().removeprefix("SEAM_API_KEY=")
        for line in server.stderr:
            if "Uvicorn running" in line:
                break
        try:
            yield Demo(server, endpoint, key)
        finally:
            server.kill()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_is_ready_for_an_sdk_and_stops_when_told(tmp_path: Path, how: signal.Signals) -> None:
    with running_demo(tmp_path / "demo") as demo:
        devices = demo.get("/devices/list")["devices"]
        said, log = demo.stop(how)
    assert demo.process.returncode == 0
    assert [device["display_name"] for device in devices] == ["Front door", "Room 12"]
    assert [f"{device['display_name']}: device_id {device['device_id']}" for device in devices] == said.splitlines()
    assert "Application shutdown complete." in log
    assert demo.key not in log
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == ["codes.db", "master.key"]  # it was closed: no journal is left


def test_the_snippet_of_the_readme_opens_the_demo_s_door_and_all_is_there_after_a_restart(tmp_path: Path) -> None:
    (snippet,) = re.findall(r"^```py\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
    assert len([line for line in snippet.splitlines() if line.strip()]) <= 10
    with running_demo(tmp_path / "demo") as demo:
        env = {**os.environ, "SEAM_ENDPOINT": demo.endpoint, "SEAM_API_KEY": demo.key}
        ran = subprocess.run([sys.executable, "-c", snippet], env=env, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        devices = demo.get("/devices/list")["devices"]
        made = demo.get("/access_codes/list", device_id=devices[0]["device_id"])["access_codes"]
        demo.stop(signal.SIGINT)
    assert [code["code"] for code in made] == [ran.stdout.split()[0]]
    assert ran.stdout.splitlines()[-1].split()[0] == "success"
    with running_demo(tmp_path / "demo") as again:
        assert again.key != demo.key
        assert again.get("/devices/list")["devices"] == devices
        again.key = demo.key  # the one of before opens the same workspace
        assert again.get("/access_codes/list", device_id=devices[0]["device_id"])["access_codes"] == made


def test_events_are_kept_for_as_many_days_as_the_server_is_told(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    with running_demo(tmp_path) as demo:
        demo.stop(signal.SIGINT)
    store = Store.open(tmp_path / "codes.db", MasterKey.from_file(tmp_path / "master.key"))
    codes = AccessCodes(store, store.workspaces()[0].workspace_id)
    door = codes.list_devices().items[1].device_id
    for days in (51, 49):
        codes.create(door, now=now - timedelta(days=days))
    store.close()
    with running_demo(tmp_path, "--keep-events", "50", "--tick", "0.05") as demo:
        for _ in range(1000):
            events = demo.get("/events/list", event_type="access_code.created")["events"]
            if len(events) == 1:
                break
            time.sleep(0.02)
    assert [event["occurred_at"] for event in events] == [wire_time(now - timedelta(days=49))]


def test_a_key_is_shown_once_and_listed_by_its_beginning(run: Any) -> None:
    key = run("api-key", "new", "hotel", "--name", "booking").stdout.strip()
    listed = run("api-key", "list").stdout
    assert key.startswith("seam_")
    assert key not in listed
    assert key[:8] in listed
    assert "hotel" in listed
    again = run("api-key", "new", "hotel").stdout.strip()
    assert again != key


@pytest.mark.parametrize("words", [["list"], ["revoke", "seam_key_x"]])
def test_a_store_that_is_not_there_is_told_and_not_made_where_keys_are_looked_up(run: Any, words: list[str], tmp_path: Path) -> None:
    done = run("api-key", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error [invalid_setting]: there is no store ")
    assert not (tmp_path / "codes.db").exists()


def test_a_revoked_key_is_marked(run: Any) -> None:
    key = run("api-key", "new", "hotel").stdout.strip()
    assert run("api-key", "revoke", key[:17]).exit_code == 0
    assert str(time.gmtime().tm_year) in run("api-key", "list").stdout
    assert run("api-key", "revoke", "seam_nobody").exit_code == 2


@pytest.mark.parametrize("limit", ["create", "create=", "create=-1", "create=many", "open=1"])
def test_a_limit_that_makes_no_sense_is_refused(run: Any, limit: str) -> None:
    told = run("serve", "--limit", limit)
    assert told.exit_code == 2
    assert "invalid_limit" in told.stderr or "invalid_setting" in told.stderr
