"""A real server on loopback whose clock the test moves, and the three SDKs that speak to it, each in a process of its own."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from offlinepin.access_codes.service import AccessCodes
from offlinepin.access_codes.store import Store
from offlinepin.keys import MasterKey
from offlinepin.server.app import create_app
from offlinepin.server.settings import Settings

HERE = Path(__file__).parent
CACHE = HERE.parent.parent / "out" / "sdks"
OLD_PYTHON_SDK = "2.2.0"
JAVASCRIPT_SDK = "@seamapi/http@1"
DAWN = datetime(2027, 7, 1, 9, 0, tzinfo=UTC)


@dataclass
class Clock:
    """The present of a server under test."""

    now: datetime = DAWN

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> datetime:
        """Let time pass."""
        self.now += timedelta(**by)
        return self.now


@dataclass
class Served:
    """A running server, and the inside of it that a test may look at."""

    endpoint: str
    store: Store
    clock: Clock
    workspace_id: str
    key: str = field(repr=False)

    @property
    def codes(self) -> AccessCodes:
        """The service of the first workspace."""
        return AccessCodes(self.store, self.workspace_id)

    def tick(self, **by: float) -> None:
        """Let time pass, and let what became due happen."""
        self.codes.tick(self.clock.forward(**by))

    def another_workspace(self) -> tuple[str, str]:
        """The id and a key of a workspace of somebody else."""
        workspace_id = self.store.create_workspace("somebody else", now=self.clock())
        return workspace_id, self.store.create_api_key(workspace_id, "theirs", now=self.clock())


class Running:
    """uvicorn in a thread, on a port that the system chose."""

    def __init__(self, app: Any) -> None:
        self._server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False))
        self._thread = threading.Thread(target=self._server.run)

    def __enter__(self) -> str:
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive(), "the server did not start"
            time.sleep(0.005)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()


@pytest.fixture(scope="session")
def master_key() -> MasterKey:
    """The key of every store under test."""
    return MasterKey(bytes(range(32)))


@pytest.fixture(scope="session")
def start_server(master_key: MasterKey) -> Callable[..., AbstractContextManager[Served]]:
    """Serves a new store at a path or an address until the end of a ``with``; no limits, and no ticks, unless the settings say so."""

    @contextmanager
    def start(where: str | Path, **settings: Any) -> Iterator[Served]:
        clock = Clock()
        with closing(Store.open(where, master_key)) as store:
            workspace_id = store.create_workspace("ours", now=clock())
            key = store.create_api_key(workspace_id, "tests", now=clock())
            told = {"per_minute": {}, "tick_seconds": 0.0, **settings}
            with Running(create_app(store, Settings(clock=clock, **told))) as endpoint:
                yield Served(endpoint, store, clock, workspace_id, key)

    return start


@pytest.fixture
def serve(tmp_path: Path, start_server: Callable[..., AbstractContextManager[Served]]) -> Iterator[Callable[..., Served]]:
    """Starts a server with settings of its own; it is stopped in the end."""
    with ExitStack() as running:
        yield lambda **settings: running.enter_context(start_server(tmp_path / "codes.db", **settings))


@pytest.fixture
def served(serve: Callable[..., Served]) -> Served:
    """A server without limits, whose time passes only when the test says so."""
    return serve()


# --- PostgreSQL ---------------------------------------------------------------------------------------------------

PG_ACCOUNT = "postgres"
"""Whom it runs as where the tests run as root, whom PostgreSQL refuses to serve."""


def _pg_programs() -> Path | None:
    """The folder of ``initdb`` and ``pg_ctl``; None if there is none."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "pg_ctl").exists()), None)


@contextmanager
def _pg_running(folder_of_programs: Path) -> Iterator[str]:
    """The address of a server that listens at a socket in a folder of its own and nowhere else."""
    account = PG_ACCOUNT if os.geteuid() == 0 else None

    def run(program: str, *arguments: str) -> None:
        command = [str(folder_of_programs / program), *arguments]
        subprocess.run(
            command, user=account, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", env={"LC_ALL": "C"}
        )

    with tempfile.TemporaryDirectory(prefix="offlinepin-pg-") as folder:
        if account:
            shutil.chown(folder, account)
        data, log = f"{folder}/data", f"{folder}/log"
        run("initdb", "--pgdata", data, "--auth", "trust", "--username", PG_ACCOUNT, "--no-sync", "--encoding", "UTF8")
        settings = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        run("pg_ctl", "start", "--wait", "--pgdata", data, "--log", log, "--options", settings)
        try:
            yield f"postgresql+psycopg://{PG_ACCOUNT}@/postgres?host={folder}"
        finally:
            run("pg_ctl", "stop", "--wait", "--pgdata", data, "--mode", "immediate")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of a PostgreSQL server that runs for these tests."""
    pytest.importorskip("psycopg", reason="PostgreSQL needs the package psycopg")
    folder = _pg_programs()
    if folder is None:
        pytest.skip("there is no PostgreSQL here; Debian's package postgresql has it")
    with _pg_running(folder) as address:
        yield address


# --- the SDKs -----------------------------------------------------------------------------------------------------


class SdkError(Exception):
    """What an SDK raised: its class's name, and what it knows."""

    def __init__(self, raised: dict[str, Any]) -> None:
        self.raised: str = raised["raised"]
        self.code = raised.get("code")
        self.status = raised.get("status_code")
        self.request_id = raised.get("request_id")
        self.validation_errors = raised.get("validation_errors")
        super().__init__(f"{raised['raised']}: {raised['message']}")


class Driver:
    """One SDK in a process of its own."""

    def __init__(self, argv: list[str], env: dict[str, str]) -> None:
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        assert self._process.stdout is not None
        self.version: str = json.loads(self._process.stdout.readline())["sdk"]

    def ask(self, line: dict[str, Any]) -> Any:
        """What the SDK gave; raises SdkError for what it raised."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "raised" in answer:
            raise SdkError(answer)
        return answer["result"]

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


class Sdk:
    """An SDK that is pointed at a server: ``sdk("access_codes.get", access_code_id=…)``."""

    def __init__(self, driver: Driver, name: str, served: Served) -> None:
        self.name = name
        self.version = driver.version
        self._driver = driver
        self._served = served

    def __call__(self, call: str, /, *, key: str | None = None, pages: bool = False, **params: Any) -> Any:
        where = {"endpoint": self._served.endpoint, "key": key or self._served.key}
        return self._driver.ask({**where, "call": call, "params": params, "pages": pages})


def _environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SEAM_", "PYTHON", "COV"))}
    return {**kept, **more}


def _installed(name: str, command: list[str]) -> Path:
    """The cache folder that ``command`` installs an SDK into, once for all test processes."""
    folder = CACHE / name
    folder.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / ".done"
        if not done.exists():
            told = subprocess.run([*command], cwd=folder, capture_output=True, text=True, check=False, env=_environment())
            if told.returncode:
                pytest.skip(
                    f"{name} cannot be installed here: {(told.stderr or told.stdout or 'no reason given').strip().splitlines()[-1]}"
                )
            done.touch()
    return folder


def _old_python() -> Driver:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", "."]
    folder = _installed(f"seam-{OLD_PYTHON_SDK}", [*pip, f"seam=={OLD_PYTHON_SDK}"])
    return Driver([sys.executable, str(HERE / "python_sdk.py")], _environment(PYTHONPATH=str(folder)))


def _new_python() -> Driver:
    return Driver([sys.executable, str(HERE / "python_sdk.py")], _environment())


def _javascript() -> Driver:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("the JavaScript SDK needs node and npm, and this machine has not both")
    folder = _installed("javascript", [npm, "install", "--loglevel=error", "--no-audit", "--no-fund", "--prefix", ".", JAVASCRIPT_SDK])
    return Driver([node, str(HERE / "javascript_sdk.mjs"), str(folder)], _environment())


_DRIVERS = {"python": _new_python, f"python-{OLD_PYTHON_SDK}": _old_python, "javascript": _javascript}


@pytest.fixture(scope="session", params=list(_DRIVERS))
def driver(request: pytest.FixtureRequest) -> Iterator[tuple[str, Driver]]:
    """Each SDK's process, once for all tests."""
    made = _DRIVERS[request.param]()
    yield request.param, made
    made.close()


@pytest.fixture
def sdk(driver: tuple[str, Driver], served: Served) -> Sdk:
    """Each SDK, pointed at the test's server."""
    name, process = driver
    return Sdk(process, name, served)


@pytest.fixture(scope="session")
def sdk_error() -> type[SdkError]:
    """What an SDK's refusals are raised as here."""
    return SdkError
