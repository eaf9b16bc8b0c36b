"""What a server takes: creates a second from two client processes on loopback, their slowest hundredth, and what was lost or doubled.
Beside them, so that another machine's figures can be judged: how fast the same server answers GET /health, and how fast the disk is.

Run: python benchmarks/server_load.py [--database URL] [--seconds 10]. Exits with 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from offlinepin.access_codes.service import AccessCodes
from offlinepin.access_codes.store import Store
from offlinepin.keys import MasterKey

PROCESSES, THREADS, DOORS = 2, 4, 40
WARM_UP = 2.0
GOAL_RATE, GOAL_P99 = 300, 0.250
HOUR = timedelta(hours=1)
HOURS = 600  # of starts, visited by a stride, so that at any time the same share of the native codes is due at once
STRIDE = 37


@dataclass(frozen=True)
class Target:
    """The server, and what the clients ask of it."""

    port: int
    key: str
    doors: list[str]


@dataclass(frozen=True)
class Answer:
    """When an answer came (seconds of the machine's steady clock), how long it took, and its body."""

    at: float
    seconds: float
    body: bytes


class Client:
    """As much of HTTP as a load needs: a client that takes a processor's time takes it from the server."""

    def __init__(self, target: Target) -> None:
        self._socket = socket.create_connection(("127.0.0.1", target.port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = f"HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {target.key}\r\ncontent-type: application/json\r\n"

    def ask(self, verb: str, path: str, body: bytes = b"") -> Answer:
        """The answer; one that is not 200 ends the run."""
        began = time.perf_counter()
        self._socket.sendall(f"{verb} {path} {self._head}content-length: {len(body)}\r\n\r\n".encode() + body)
        got = b""
        while (end := got.find(b"\r\n\r\n")) < 0:
            got += self._more()
        head = got[:end].lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        while len(got) < end + 4 + length:
            got += self._more()
        if not head.startswith(b"http/1.1 200 "):
            raise SystemExit(got.decode(errors="replace"))
        now = time.perf_counter()
        return Answer(now, now - began, got[end + 4 :])

    def _more(self) -> bytes:
        part = self._socket.recv(65536)
        if not part:
            raise SystemExit("the server hung up")
        return part


def creations(doors: list[str], number: int) -> Iterator[bytes]:
    """What a client asks for, no two the same: offline codes, and every third a native one."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    for turn in itertools.count(1):
        start = hour + HOUR * (1 + turn * STRIDE % HOURS)
        end = start + HOUR * (1 + number + PROCESSES * THREADS * (turn // HOURS))
        asked = {"device_id": doors[(turn + number * 7) % len(doors)], "starts_at": start.isoformat(), "ends_at": end.isoformat()}
        yield json.dumps({**asked, "is_offline_access_code": turn % 3 != 0}).encode()


def create(target: Target, number: int, until: float, given: list[Answer]) -> None:
    """Create codes over one connection until the time is over."""
    client = Client(target)
    for asked in creations(target.doors, number):
        given.append(client.ask("POST", "/access_codes/create", asked))
        if given[-1].at > until:
            return


def look(target: Target, _: int, until: float, given: list[Answer]) -> None:
    """Ask for the server's health, which looks into the store, until the time is over."""
    client = Client(target)
    while not given or given[-1].at <= until:
        given.append(client.ask("GET", "/health"))


def _process(does: Any, target: Target, first: int, until: float, results: Any) -> None:
    """One client process, of several connections."""
    given: list[list[Answer]] = [[] for _ in range(THREADS)]
    threads = [threading.Thread(target=does, args=(target, first + n, until, given[n])) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put([answer for answers in given for answer in answers])


def load(does: Any, target: Target, until: float) -> list[Answer]:
    """What all clients were answered until a moment of the steady clock."""
    results: Any = multiprocessing.Queue()
    clients = [multiprocessing.Process(target=_process, args=(does, target, n * THREADS, until, results)) for n in range(PROCESSES)]
    for process in clients:
        process.start()
    given = [one for _ in clients for one in results.get(timeout=until - time.perf_counter() + 60)]
    for process in clients:
        process.join()
    return given


@contextmanager
def serving(arguments: list[str], port: int) -> Iterator[int]:
    """A server that answers; its process id."""
    command = [str(Path(sys.executable).with_name("offlinepin")), "serve", "--port", str(port), "--limit", "create=0", *arguments]
    with Path(os.devnull).open("w") as nowhere, subprocess.Popen(command, stderr=nowhere) as server:
        try:
            wait_until_up(port)
            yield server.pid
        finally:
            server.terminate()


def wait_until_up(port: int) -> None:
    """Until the server answers."""
    for _ in range(400):
        try:
            Client(Target(port, "", [])).ask("GET", "/health")
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server did not start")


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def processor_time(pid: int) -> float:
    """Seconds of processor time that a process has used; not a number where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def writes_a_second(folder: Path) -> float:
    """How often a second this disk makes a write of 4 KiB last, one after the other."""
    with (folder / "disk").open("wb", buffering=0) as file:
        until, count, began = time.perf_counter() + 1, 0, time.perf_counter()
        while time.perf_counter() < until:
            file.write(bytes(4096))
            os.fsync(file.fileno())
            count += 1
        return count / (time.perf_counter() - began)


@dataclass(frozen=True)
class Measured:
    """What came of the load after the warm-up, and all codes that were given."""

    latencies: list[float]
    seconds: float
    processor_seconds: float
    health_a_second: float
    codes: list[dict[str, Any]]


def measure(target: Target, pid: int, seconds: float) -> Measured:
    """Look at the server's health for two seconds, then create for the warm-up and for ``seconds``."""
    began = time.perf_counter()
    looks = load(look, target, began + WARM_UP)
    health = sum(answer.at > began + WARM_UP / 2 for answer in looks) / (WARM_UP / 2)
    used: list[float] = []
    start = time.perf_counter() + WARM_UP
    watch = threading.Timer(WARM_UP, lambda: used.append(processor_time(pid)))
    watch.start()
    given = load(create, target, start + seconds)
    took = processor_time(pid) - used[0]
    counted = [answer for answer in given if start <= answer.at <= start + seconds]
    codes = [json.loads(answer.body)["access_code"] for answer in given]
    return Measured(sorted(answer.seconds for answer in counted), seconds, took, health, codes)


def doubles(given: list[dict[str, Any]]) -> int:
    """How often two guests could open one door with the same digits at one time."""
    found = 0
    for _, same in itertools.groupby(sorted(given, key=_digits), key=_digits):
        windows = sorted((code["starts_at"], code["ends_at"]) for code in same)
        found += sum(after[0] < before[1] for before, after in itertools.pairwise(windows))
    return found


def _digits(code: dict[str, Any]) -> tuple[str, str]:
    return code["device_id"], code["code"]


def untold(codes: AccessCodes, given: list[dict[str, Any]]) -> int:
    """How many of these access codes have no event that tells of them."""
    ids = [code["access_code_id"] for code in given]
    batches = [ids[first : first + 500] for first in range(0, len(ids), 500)]
    told = [codes.list_events(access_code_ids=batch, event_type="access_code.created", limit=1000).items for batch in batches]
    return len(ids) - len({event.access_code_id for events in told for event in events})


def judge(codes: AccessCodes, found: Measured) -> int:
    """Print the figures; 1 where one misses its goal."""
    count = len(found.latencies)
    rate, p99 = count / found.seconds, statistics.quantiles(found.latencies, n=100)[98]
    doubled, lost = doubles(found.codes), untold(codes, found.codes)
    print(f"{count} codes in {found.seconds:g} s: {rate:.0f}/s; p50 {found.latencies[count // 2] * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms")
    print(f"the server's processor time: {found.processor_seconds / count * 1000:.2f} ms a code")
    print(f"GET /health: {found.health_a_second:.0f}/s, {found.health_a_second / rate:.1f} times as many")
    print(f"codes given twice: {doubled}; codes without their event: {lost}; of {len(found.codes)}")
    return int(rate < GOAL_RATE or p99 > GOAL_P99 or doubled > 0 or lost > 0)


def main() -> int:
    """Run the load and print what came of it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--database", help="an address such as postgresql+psycopg://…; default: a new SQLite file")
    options.add_argument("--seconds", type=float, default=10)
    options.add_argument("serve", nargs="*", help="options for `offlinepin serve`, after --")
    told = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        key_file = Path(folder) / "master.key"
        MasterKey.generate().save(key_file)
        database = told.database or str(Path(folder) / "codes.db")
        print(f"the disk: {writes_a_second(Path(folder)):.0f} lasting writes/s; processors: {os.cpu_count()}")
        store = Store.open(database, MasterKey.from_file(key_file))
        workspace_id = store.create_workspace("load")
        codes = AccessCodes(store, workspace_id)
        doors = [codes.register_device(f"door {n}", "igloo", connection="simulated").device_id for n in range(DOORS)]
        target = Target(free_port(), store.create_api_key(workspace_id), doors)
        with serving(["--database", database, "--key-file", str(key_file), *told.serve], target.port) as pid:
            found = measure(target, pid, told.seconds)
        return judge(codes, found)


if __name__ == "__main__":
    sys.exit(main())
