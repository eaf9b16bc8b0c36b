"""The server from the command line: a demo that is ready for an SDK, keys that open it until they are revoked, and a graceful stop."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from offlinepin.cli.app import app


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Runs a command over the test's own store."""
    told = CliRunner().invoke(app, ["key", "new", str(tmp_path / "master.key")])
    assert told.exit_code == 0
    where = ["--database", str(tmp_path / "codes.db"), "--key-file", str(tmp_path / "master.key")]
    return lambda *words: CliRunner().invoke(app, [*words, *where])


def test_a_demo_is_ready_for_an_sdk_and_stops_when_told(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).with_name("offlinepin")), "serve", "--demo", str(tmp_path / "demo"), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        endpoint = server.stdout.readline().strip().removeprefix("SEAM_ENDPOINT=")
        key = server.stdout.readline().strip().removeprefix("SEAM_API_KEY=")
        for line in server.stderr:
            if "Uvicorn running" in line:
                break
        answer = httpx.get(f"{endpoint}/devices/list", headers={"authorization": f"Bearer {key}"})
        server.send_signal(signal.SIGTERM)
        said = server.stdout.read()
        log = server.stderr.read()
    assert [device["display_name"] for device in answer.json()["devices"]] == ["Front door", "Room 12"]
    assert "Front door: device_id" in said
    assert "Application shutdown complete." in log
    assert key not in log


def test_a_key_is_shown_once_and_listed_by_its_beginning(run: Any) -> None:
    key = run("api-key", "new", "hotel", "--name", "booking").stdout.strip()
    listed = run("api-key", "list").stdout
    assert key.startswith("seam_")
    assert key not in listed
    assert key[:8] in listed
    assert "hotel" in listed
    again = run("api-key", "new", "hotel").stdout.strip()
    assert again != key


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
