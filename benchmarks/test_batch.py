"""The table path beside its peers, in one run: what a table of codes costs when every row is another device and when devices repeat,
what verifying one costs, and what other libraries take for a new key per code. ``extra_info["rows"]`` says how many codes a round makes."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyotp
import pytest

from offlinepin import Issuer, MasterKey
from offlinepin.batch import generate, totp, verify

KEYS = MasterKey(bytes(range(32)))
NOW = datetime(2027, 6, 1, tzinfo=UTC)
FIRST = int(NOW.timestamp()) + 86_400
ROWS = 200_000
MILLION = 1_000_000
FEW = 5_000

Benchmark = Callable[..., Any]


def table_of(rows: int, devices: int, vendor: str = "igloo") -> pa.Table:
    """Stays of one to eight days within a year, at the hours that the vendor's doors know."""
    random = np.random.default_rng(7)
    day = 86_400 if vendor == "oracode" else 3600
    starts = FIRST + random.integers(0, 365 * 86_400 // day, rows) * day + (14 * 3600 if vendor == "oracode" else 0)
    ends = starts + random.integers(86_400 // day, 8 * 86_400 // day, rows) * day
    ids = pa.array([f"door-{i:07d}" for i in range(devices)]).take(pa.array(np.arange(rows) % devices))
    moment = pa.timestamp("s", "UTC")
    return pa.table({"device_id": ids, "starts_at": pa.array(starts, moment), "ends_at": pa.array(ends, moment)})


def _rounds(benchmark: Benchmark, work: Callable[[], Any], rows: int, rounds: int = 5) -> Any:
    benchmark.extra_info["rows"] = rows  # type: ignore[attr-defined]
    return benchmark.pedantic(work, rounds=rounds, iterations=1, warmup_rounds=1)  # type: ignore[attr-defined]


@pytest.mark.parametrize("devices", [MILLION, 100], ids=["every-row-another-device", "100-devices"])
@pytest.mark.parametrize("vendor", ["igloo", "standard"])
def test_generate(benchmark: Benchmark, vendor: str, devices: int) -> None:
    table = table_of(MILLION, devices)
    made = _rounds(benchmark, lambda: generate(table, KEYS, vendor, now=NOW), MILLION)
    assert made["error"].null_count > 0.99 * MILLION


def test_generate_on_a_civil_clock(benchmark: Benchmark) -> None:
    """Rows over a year, some of which hold a change of the clocks."""
    table = table_of(ROWS, 1000, "oracode")
    made = _rounds(
        benchmark, lambda: generate(table, KEYS, "oracode", now=NOW, time_zone="Europe/Berlin", max_time_rounding="1d"), ROWS, rounds=3
    )
    assert made.num_rows == ROWS


def test_generate_as_a_stream(benchmark: Benchmark) -> None:
    table = table_of(ROWS, ROWS)
    assert _rounds(benchmark, lambda: sum(b.num_rows for b in generate(table.to_reader(16_384), KEYS, "igloo", now=NOW)), ROWS) == ROWS


def test_verify(benchmark: Benchmark) -> None:
    made = generate(table_of(ROWS, 1000), KEYS, "igloo", now=NOW)
    table = made.select(["device_id", "code"]).append_column("at", made["granted_starts_at"])
    reasons = _rounds(benchmark, lambda: verify(table, KEYS, "igloo"), ROWS)["reason"]
    assert reasons.to_pylist()[:3] == ["opened"] * 3


def test_totp_of_a_table(benchmark: Benchmark) -> None:
    at = pa.array([NOW] * FEW, pa.timestamp("s", "UTC"))
    table = pa.table({"secret": [i.to_bytes(32, "big") for i in range(FEW)], "at": at})
    assert _rounds(benchmark, lambda: totp(table, algorithm="sha256"), FEW).num_rows == FEW


def test_single_path_with_a_new_device_per_code(benchmark: Benchmark) -> None:
    rows = table_of(FEW, FEW).to_pylist()

    def work() -> None:
        issuer = Issuer(KEYS, "igloo")
        for row in rows:
            issuer.issue(row["device_id"], row["starts_at"], row["ends_at"], now=NOW)

    _rounds(benchmark, work, FEW, rounds=3)


def test_pyotp_with_a_new_key_per_code(benchmark: Benchmark) -> None:
    keys = [base64.b32encode(i.to_bytes(32, "big")).decode() for i in range(FEW)]

    def work() -> None:
        for key in keys:
            pyotp.TOTP(key, digest=hashlib.sha256).at(FIRST)

    _rounds(benchmark, work, FEW, rounds=3)
