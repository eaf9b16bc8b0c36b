"""One-time passwords for tables: each is what the single generator gives."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pa = pytest.importorskip("pyarrow", reason="the extra `batch` is not installed")

from offlinepin.batch import BatchError, hotp, totp  # noqa: E402
from offlinepin.engine.oath import Hotp, Totp  # noqa: E402
from offlinepin.errors import OathError  # noqa: E402

SECRETS = st.binary(min_size=16, max_size=64)
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
ALGORITHMS = st.sampled_from(["sha1", "sha256", "sha512"])


@given(st.lists(st.tuples(SECRETS, st.integers(0, 2**64 - 1)), max_size=20), st.integers(6, 9), ALGORITHMS)
@settings(max_examples=40)
def test_a_table_s_hotp_passwords_are_those_of_the_single_generator(rows: list[tuple[bytes, int]], digits: int, algorithm: Any) -> None:
    table = pa.table({"secret": pa.array([s for s, _ in rows], pa.binary()), "counter": pa.array([c for _, c in rows], pa.uint64())})
    made = hotp(table, digits=digits, algorithm=algorithm)
    assert made["password"].to_pylist() == [Hotp(secret, digits, algorithm).at(counter) for secret, counter in rows]


@given(st.lists(st.tuples(SECRETS, MOMENTS), max_size=20), st.integers(1, 100), ALGORITHMS, st.sampled_from(["us", "ns"]))
@settings(max_examples=40)
def test_so_are_its_totp_passwords(rows: list[tuple[bytes, datetime]], period: int, algorithm: Any, unit: str) -> None:
    table = pa.table(
        {"secret": pa.array([s for s, _ in rows], pa.large_binary()), "at": pa.array([m for _, m in rows], pa.timestamp(unit, "UTC"))}
    )
    made = totp(table, algorithm=algorithm, period=period)
    assert made["password"].to_pylist() == [Totp(secret, 6, algorithm, period).at(moment) for secret, moment in rows]


def test_the_rfc_s_answers_come_out_of_a_stream() -> None:
    """RFC 4226, appendix D."""
    known = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"]
    table = pa.table({"secret": [b"12345678901234567890"] * 10, "counter": list(range(10))})
    made = hotp(table.to_reader(max_chunksize=3))
    assert isinstance(made, pa.RecordBatchReader)
    assert made.read_all()["password"].to_pylist() == known


def test_a_row_that_cannot_have_a_password_says_why() -> None:
    made = hotp(pa.table({"secret": [b"short", None, bytes(20), bytes(20), bytes(20)], "counter": [1, 1, -1, None, 1]}))
    assert made["error"].to_pylist() == ["invalid_oath"] * 4 + [None]
    assert "at least 16 bytes" in made["error_text"][0].as_py()
    assert "not -1" in made["error_text"][2].as_py()
    assert "counter is missing" in made["error_text"][3].as_py()
    before = totp(pa.table({"secret": [bytes(20)], "at": pa.array([-1], pa.timestamp("s", "UTC"))}))
    assert before["error"].to_pylist() == ["invalid_oath"]


def test_parameters_and_tables_that_are_wrong_as_a_whole_are_one_error() -> None:
    table = pa.table({"secret": [bytes(20)], "counter": [1]})
    with pytest.raises(OathError, match="digits"):
        hotp(table, digits=3)
    with pytest.raises(OathError, match="period"):
        totp(table, period=0)
    with pytest.raises(BatchError, match="no column 'at'"):
        totp(table)
    with pytest.raises(BatchError, match="'secret' must hold binary"):
        hotp(pa.table({"secret": ["text"], "counter": [1]}))
