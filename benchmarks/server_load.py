"""What a server takes: creates a second from two client processes on loopback, their slowest hundredth, and what was lost or doubled.

Run: python benchmarks/server_load.py [--database URL] [--seconds 10]. Exits with 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from offlinepin.access_codes.service import AccessCodes
from offlinepin.access_codes.store import Store
from offlinepin.keys import MasterKey

PROCESSES, THREADS, DOORS = 2, 4, 40
PORT = 8765
GOAL_RATE, GOAL_P99 = 300, 0.250
HOUR = timedelta(hours=1)

Given = tuple[float, dict[str, Any]]
"""Seconds to the answer, and the access code."""


def ask(key: str, doors: list[str], number: int, seconds: float, given: list[Given]) -> None:
    """Create codes over one connection until the time is over: offline ones, a third of them native."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    until = time.monotonic() + seconds
    turn = 0
    while time.monotonic() < until:
        turn += 1
        start = hour + HOUR * (1 + turn % 600)
        asked: dict[str, Any] = {"device_id": doors[(turn + number * 7) % len(doors)], "starts_at": start.isoformat()}
        asked |= {"ends_at": (start + HOUR * (1 + number + 8 * (turn // 600))).isoformat(), "is_offline_access_code": turn % 3 != 0}
        began = time.perf_counter()
        connection.request("POST", "/access_codes/create", json.dumps(asked), headers)
        answer = connection.getresponse()
        body = json.loads(answer.read())
        if answer.status != 200:
            raise SystemExit(f"{answer.status}: {body}")
        given.append((time.perf_counter() - began, body["access_code"]))
    connection.close()


def client(key: str, doors: list[str], first: int, seconds: float, results: Any) -> None:
    """One client process."""
    given: list[Given] = []
    threads = [threading.Thread(target=ask, args=(key, doors, first + n, seconds, given)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put(given)


def load(key: str, doors: list[str], seconds: float) -> list[Given]:
    """What all clients were given."""
    results: Any = multiprocessing.Queue()
    clients = [multiprocessing.Process(target=client, args=(key, doors, n * THREADS, seconds, results)) for n in range(PROCESSES)]
    for process in clients:
        process.start()
    given = [one for _ in clients for one in results.get()]
    for process in clients:
        process.join()
    return given


def wait_until_up() -> None:
    """Until the server answers."""
    for _ in range(200):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=1)
            connection.request("GET", "/health")
            connection.getresponse()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server did not start")


def main() -> int:
    """Run the load and print what came of it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--database", help="an address such as postgresql+psycopg://…; default: a new SQLite file")
    options.add_argument("--seconds", type=float, default=10)
    options.add_argument("--threads", type=int, default=1, help="the server's")
    options.add_argument("--tick", type=float, default=1, help="the server's")
    told = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        key_file = Path(folder) / "master.key"
        MasterKey.generate().save(key_file)
        database = told.database or str(Path(folder) / "codes.db")
        store = Store.open(database, MasterKey.from_file(key_file))
        workspace_id = store.create_workspace("load")
        codes = AccessCodes(store, workspace_id)
        doors = [codes.register_device(f"door {n}", "igloo", connection="simulated").device_id for n in range(DOORS)]
        key = store.create_api_key(workspace_id)
        command = [str(Path(sys.executable).with_name("offlinepin")), "serve", "--database", database, "--key-file", str(key_file)]
        command += ["--port", str(PORT), "--limit", "create=0", "--threads", str(told.threads), "--tick", str(told.tick)]
        with Path(os.devnull).open("w") as nowhere, subprocess.Popen(command, stderr=nowhere) as server:
            try:
                wait_until_up()
                given = load(key, doors, told.seconds)
            finally:
                server.terminate()
        return judge(codes, doors, given, told.seconds)


def doubles(given: list[dict[str, Any]]) -> int:
    """How often two guests could open one door with the same digits at one time."""
    found = 0
    for _, same in itertools.groupby(sorted(given, key=_digits), key=_digits):
        windows = sorted((code["starts_at"], code["ends_at"]) for code in same)
        found += sum(after[0] < before[1] for before, after in itertools.pairwise(windows))
    return found


def untold(codes: AccessCodes, given: list[dict[str, Any]]) -> int:
    """How many of these access codes have no event that tells of them."""
    ids = [code["access_code_id"] for code in given]
    batches = [ids[first : first + 500] for first in range(0, len(ids), 500)]
    told = [codes.list_events(access_code_ids=batch, event_type="access_code.created", limit=1000) for batch in batches]
    return len(ids) - len({event.access_code_id for events in told for event in events})


def _digits(code: dict[str, Any]) -> tuple[str, str]:
    return code["device_id"], code["code"]


def judge(codes: AccessCodes, doors: list[str], given: list[Given], seconds: float) -> int:
    """Print the figures; 1 where one misses its goal."""
    latencies = sorted(one[0] for one in given)
    rate, p99 = len(given) / seconds, statistics.quantiles(latencies, n=100)[98]
    doubled = doubles([code for _, code in given])
    lost = sum(untold(codes, [code for _, code in given if code["device_id"] == door]) for door in doors)
    print(f"{len(given)} codes in {seconds:g} s: {rate:.0f}/s; p50 {latencies[len(latencies) // 2] * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms")
    print(f"codes given twice: {doubled}; codes without their event: {lost}")
    return int(rate < GOAL_RATE or p99 > GOAL_P99 or doubled > 0 or lost > 0)


if __name__ == "__main__":
    sys.exit(main())
