"""A server that is killed at random moments: what it acknowledged is there afterwards, whole, and nothing else is half made."""

from __future__ import annotations

import multiprocessing
import random
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from offlinepin.access_codes.service import AccessCodes
from offlinepin.access_codes.store import Store
from offlinepin.cli.serve import serve
from offlinepin.keys import MasterKey

KILLS = 20
CLIENTS = 3


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Clients:
    """Guests who keep asking for codes, native and offline ones in turn, and remember what they were given."""

    def __init__(self, endpoint: str, key: str, native: str, igloo: str) -> None:
        self._ask = {"endpoint": endpoint, "key": key}
        self._devices = (native, igloo)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(CLIENTS)]
        self.given: list[dict[str, Any]] = []

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number: int) -> None:
        hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        turn = 0
        with httpx.Client(base_url=self._ask["endpoint"], headers={"authorization": f"Bearer {self._ask['key']}"}) as http:
            while not self._stop.is_set():
                turn += 1
                native, igloo = self._devices
                start = hour + timedelta(hours=1 + turn % 500)
                window = {"starts_at": start.isoformat(), "ends_at": (start + timedelta(hours=1 + turn // 500 + 3 * number)).isoformat()}
                asked = {"device_id": igloo, "is_offline_access_code": True, **window} if turn % 2 else {"device_id": native, **window}
                try:
                    answer = http.post("/access_codes/create", json=asked, timeout=5)
                except httpx.TransportError:
                    time.sleep(0.01)  # it was killed, and is not up again
                    continue
                if answer.status_code == 200:
                    self.given.append(answer.json()["access_code"])


def test_twenty_kills_lose_no_acknowledged_code_and_leave_none_half_made(tmp_path: Path) -> None:
    chance = random.Random(20)  # noqa: S311 - when to kill is no secret
    database, key_file = tmp_path / "codes.db", tmp_path / "master.key"
    MasterKey.generate().save(key_file)
    store = Store.open(database, MasterKey.from_file(key_file))
    workspace_id = store.create_workspace("ours")
    codes = AccessCodes(store, workspace_id)
    native = codes.register_device("Side door", None, connection="simulated").device_id
    igloo = codes.register_device("Front door", "igloo", connection="simulated").device_id
    key, port = store.create_api_key(workspace_id), _free_port()
    how = {"database": str(database), "key_file": key_file, "port": port, "limits": ["create=0"], "tick": 0.05}

    start = multiprocessing.get_context("forkserver")
    start.set_forkserver_preload(["offlinepin.cli.serve", "offlinepin.server.app", "uvicorn"])
    with Clients(f"http://127.0.0.1:{port}", key, native, igloo) as clients:
        for _ in range(KILLS):
            known = len(clients.given)
            server = start.Process(target=serve, kwargs=how)
            server.start()
            while len(clients.given) <= known:
                assert server.is_alive()
                time.sleep(0.005)
            time.sleep(chance.uniform(0, 0.25))
            server.kill()
            server.join()
    made = {code.access_code_id: code for device_id in (native, igloo) for code in _all(codes, device_id)}
    created = [access_code_id for device_id in (native, igloo) for access_code_id in _created(codes, device_id)]
    store.close()

    assert len(clients.given) > KILLS
    for given in clients.given:
        assert made[given["access_code_id"]].code == given["code"]
    assert sorted(created) == sorted(made), "each code has its event, and each event its code"
    offline = [code.code for code in made.values() if code.device_id == igloo]
    assert len(set(offline)) == len(offline), "no variant is handed out twice"
    assert all(code.code for code in made.values())


def _all(codes: AccessCodes, device_id: str) -> list[Any]:
    found: list[Any] = []
    cursor = None
    while True:
        page = codes.list(device_id=device_id, page_cursor=cursor)
        found.extend(page.items)
        if not page.has_next_page:
            return found
        cursor = page.next_page_cursor


def _created(codes: AccessCodes, device_id: str) -> list[str]:
    """The access codes whose creation is told, each once for each event."""
    told: list[str] = []
    cursor = None
    while True:
        page = codes.list_events(device_id=device_id, event_type="access_code.created", page_cursor=cursor)
        told.extend(event.access_code_id for event in page.items)
        if not page.has_next_page:
            return told
        cursor = page.next_page_cursor
