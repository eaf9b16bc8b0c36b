"""HOTP and TOTP for whole tables of secrets; see :mod:`offlinepin.engine.oath` for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pyarrow as pa

from offlinepin.batch.answers import refusal_arrays
from offlinepin.batch.columns import Column, Moments, check_schema, column_of, moment, secret, transform, whole
from offlinepin.batch.single import Refusal
from offlinepin.engine.oath import Algorithm, Hotp, Totp
from offlinepin.errors import OathError

_RESULTS = ("password", "error", "error_text")


def hotp(table: Any, *, digits: int = 6, algorithm: Algorithm = "sha1") -> pa.Table | pa.RecordBatchReader:
    """The HOTP password of every row (RFC 4226).

    Columns in: ``secret`` (binary, at least 16 bytes) and ``counter`` (an integer, 0 to 2^64 − 1). Columns out: those of the input,
    ``password``, and ``error`` and ``error_text`` for a row that cannot have one. Otherwise as :func:`offlinepin.batch.generate`.

    Raises:
        BatchError: a column is missing or has the wrong type.
        OathError: digits or algorithm are outside the RFC.
    """
    Hotp(bytes(16), digits, algorithm)  # refuses what is wrong for every row

    def counters(batch: pa.RecordBatch) -> Iterator[int | None]:
        column = batch.column(batch.schema.get_field_index("counter"))
        return (value.as_py() for value in column)

    return _passwords(table, whole("counter", required=True), counters, digits, algorithm)


def totp(table: Any, *, digits: int = 6, algorithm: Algorithm = "sha1", period: int = 30) -> pa.Table | pa.RecordBatchReader:
    """The TOTP password of every row (RFC 6238).

    Columns in: ``secret`` (binary, at least 16 bytes) and ``at`` (a timestamp with a zone, from 1970 on). Otherwise as :func:`hotp`.

    Raises:
        BatchError: a column is missing or has the wrong type.
        OathError: digits, algorithm or period are outside the RFC.
    """
    Totp(bytes(16), digits, algorithm, period)

    def steps(batch: pa.RecordBatch) -> Iterator[int | None]:
        moments = Moments.of(column_of(batch, "at"), batch.num_rows)
        seconds = moments.floor(1) // period
        valid = [True] * batch.num_rows if moments.valid is None else moments.valid.tolist()
        return (step if there else None for step, there in zip(seconds.tolist(), valid, strict=True))

    return _passwords(table, moment("at", required=True, nullable=False), steps, digits, algorithm)


def _passwords(
    table: Any, column: Column, counters: Callable[[pa.RecordBatch], Iterator[int | None]], digits: int, algorithm: Algorithm
) -> pa.Table | pa.RecordBatchReader:
    def check(schema: pa.Schema) -> list[pa.Field]:
        check_schema(schema, (secret("secret", required=True), column), _RESULTS)
        return [pa.field(name, pa.string()) for name in _RESULTS]

    return transform(table, check, partial(_batch, column.name, counters, digits, algorithm))


def _batch(
    name: str, counters: Callable[[pa.RecordBatch], Iterator[int | None]], digits: int, algorithm: Algorithm, batch: pa.RecordBatch
) -> list[pa.Array]:
    passwords: list[str | None] = []
    refusals: dict[int, Refusal] = {}
    secrets = batch.column(batch.schema.get_field_index("secret"))
    for i, (key, counter) in enumerate(zip(secrets, counters(batch), strict=True)):
        try:
            if counter is None:
                raise OathError(f"{name} is missing")
            passwords.append(Hotp(key.as_py(), digits, algorithm).at(counter))
        except OathError as cause:
            passwords.append(None)
            refusals[i] = Refusal.of(cause)
    return [pa.array(passwords, pa.string()), *refusal_arrays(refusals, batch.num_rows)]
