"""The file path, the pure-Python path and the peers that make one code at a time, in the same run as :mod:`test_batch`: codes a second of
processor time by ``extra_info["rows"]``, and for files by the clock on the wall too. ``benchmarks/ratios.py`` prints them as one table."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from kernel import REQUESTS, ROWS, SHAPE, openssl

from offlinepin import MasterKey
from offlinepin.batch import generate, loops
from offlinepin.batch.kernels import ENVIRONMENT_VARIABLE, available, load
from offlinepin.batch.stream import Job, run
from offlinepin.vendor import load as load_vendor

KEYS = MasterKey(bytes(range(32)))
NOW = datetime(2027, 6, 1, tzinfo=UTC)
FIRST = int(NOW.timestamp()) + 86_400
ROWS_OF = {"parquet": 4_000_000, "csv": 1_000_000}
"""Rows of each file: enough chunks that opening, the last chunk and putting all on disk, which no thread shares, hardly count."""
FEW = 5_000
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

Benchmark = Callable[..., Any]


def table_of(rows: int) -> pa.Table:
    """Every row another device, named as a booking system would; stays of one to eight days within a year."""
    random = np.random.default_rng(7)
    starts = FIRST + random.integers(0, 365 * 24, rows) * 3600
    ends = starts + random.integers(24, 8 * 24, rows) * 3600
    ids = pa.array([f"door-{i:07d}" for i in range(rows)])
    moment = pa.timestamp("s", "UTC")
    return pa.table({"device_id": ids, "starts_at": pa.array(starts, moment), "ends_at": pa.array(ends, moment)})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tables in two formats."""
    made = tmp_path_factory.mktemp("files")
    pq.write_table(table_of(ROWS_OF["parquet"]), made / "in.parquet")
    pyarrow.csv.write_csv(table_of(ROWS_OF["csv"]), made / "in.csv")
    return made


def _rounds(benchmark: Benchmark, work: Callable[[], Any], rows: int, rounds: int = 5) -> Any:
    benchmark.extra_info["rows"] = rows  # type: ignore[attr-defined]
    return benchmark.pedantic(work, rounds=rounds, iterations=1, warmup_rounds=1)  # type: ignore[attr-defined]


@pytest.mark.parametrize("jobs", [1, CORES] if CORES > 1 else [1], ids=lambda jobs: f"{jobs}-cores" if jobs > 1 else "1-core")
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_file_to_file(benchmark: Benchmark, folder: Path, ending: str, jobs: int) -> None:
    job = Job(folder / f"in.{ending}", folder / f"out.{ending}", KEYS, load_vendor("igloo"), now=NOW, jobs=jobs)
    walls: list[float] = []

    def work() -> int:
        job.target.unlink(missing_ok=True)
        start = time.perf_counter()
        refused = run(job, lambda _: None).refused
        walls.append(time.perf_counter() - start)
        return refused

    assert _rounds(benchmark, work, ROWS_OF[ending], rounds=3) == 0
    benchmark.extra_info["wall"] = min(walls)  # type: ignore[attr-defined]


def test_file_to_file_beside_a_ledger(benchmark: Benchmark, folder: Path) -> None:
    """Each row's variant is kept on disk, which is what this costs."""
    table = pq.read_table(folder / "in.parquet").slice(0, 20_000)
    pq.write_table(table, folder / "few.parquet")
    job = Job(folder / "few.parquet", folder / "out.parquet", KEYS, load_vendor("igloo"), now=NOW, jobs=1)
    ledgers = (folder / f"{i}.ledger" for i in range(100))
    _rounds(benchmark, lambda: run(replace(job, ledger=next(ledgers)), lambda _: None), 20_000, rounds=3)


def test_generate_without_c(benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "pure")
    monkeypatch.setattr(loops, "lib", None)
    table = table_of(65_536)
    _rounds(benchmark, lambda: generate(table, KEYS, "igloo", now=NOW), len(table), rounds=3)


@pytest.mark.parametrize("name", available())
def test_kernel(benchmark: Benchmark, name: str) -> None:
    """The kernel alone: token, window key, cipher and digits, every row another device."""
    kernel = load(name)
    _rounds(benchmark, lambda: kernel.seal_rows(REQUESTS, SHAPE), ROWS, rounds=20)


def test_cryptography_totp_with_a_new_key_per_code(benchmark: Benchmark) -> None:
    keys = [i.to_bytes(32, "big") for i in range(FEW)]

    def work() -> None:
        for key in keys:
            TOTP(key, 6, SHA256(), 30).generate(FIRST)

    _rounds(benchmark, work, FEW, rounds=3)


def test_django_otp_hotp_with_a_new_key_per_code(benchmark: Benchmark) -> None:
    hotp = _oath().hotp
    keys = [i.to_bytes(32, "big") for i in range(FEW)]

    def work() -> None:
        for key in keys:
            hotp(key, FIRST // 30)

    _rounds(benchmark, work, FEW, rounds=3)


def _oath() -> ModuleType:
    """django-otp's module of RFC 4226, which needs no Django; its package does."""
    package = importlib.util.find_spec("django_otp")
    if package is None or not package.submodule_search_locations:
        pytest.skip("django-otp is not installed")
    spec = importlib.util.spec_from_file_location("django_otp_oath", Path(package.submodule_search_locations[0]) / "oath.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_floor_openssl_speed(benchmark: Benchmark) -> None:
    """Not a code but a compression of SHA-256: what OpenSSL itself says that it does in a second at 16 KiB blocks."""
    rates: list[float] = []
    benchmark.pedantic(lambda: rates.append(openssl()), rounds=3, iterations=1)  # type: ignore[attr-defined]
    benchmark.extra_info["compressions"] = sorted(rates)[1]  # type: ignore[attr-defined]
