"""Files in and out: for any format and number of threads the rows are the table's, and a run that was cut off ends the same."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pa = pytest.importorskip("pyarrow", reason="the extra `batch` is not installed")
import pyarrow.csv  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

from offlinepin.batch import BatchError, generate, stream  # noqa: E402
from offlinepin.batch.footers import MAGIC, Piece  # noqa: E402
from offlinepin.batch.formats import FileFormat, even, format_of  # noqa: E402
from offlinepin.batch.parting import part_of_rows  # noqa: E402
from offlinepin.batch.record import Record  # noqa: E402
from offlinepin.batch.stream import Job, Summary, run  # noqa: E402
from offlinepin.errors import NaiveDatetimeError, RequestError, WeakProfileError  # noqa: E402
from offlinepin.keys import MasterKey  # noqa: E402
from offlinepin.ledger import SqliteLedger  # noqa: E402
from offlinepin.vendor import load  # noqa: E402

KEYS = MasterKey(bytes(range(32)))
NOW = datetime(2027, 3, 27, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ENDINGS = ("parquet", "csv", "arrow", "jsonl")
SMALL = 64  # rows of a chunk in these tests


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of few rows, so that a small table has many."""
    monkeypatch.setattr("offlinepin.batch.formats.CHUNK", SMALL)
    monkeypatch.setattr("offlinepin.batch.stream.CHUNK", SMALL)


def some_table(count: int = 1000, devices: int = 7) -> Any:
    """Requests of which many are equal, some want a variant of their own, and some cannot be served."""
    rows = range(count)
    starts = [NOW + (i // 50 % 6) * HOUR for i in rows]
    ends = [s + (1 + i % 3) * HOUR if i % 41 else NOW - HOUR for i, s in zip(rows, starts, strict=True)]
    return pa.table(
        {
            "booking": [f"00{i}" for i in rows],
            "device_id": [f"door-{i * i % devices}" if i % 97 else None for i in rows],
            "starts_at": pa.array(starts, pa.timestamp("us", "UTC")),
            "ends_at": pa.array(ends, pa.timestamp("us", "UTC")),
            "variant": pa.array([1 if i % 29 == 0 else None for i in rows], pa.int64()),
        }
    )


def write(table: Any, path: Path) -> Path:
    """A table as a file, by its ending."""
    match path.suffix:
        case ".parquet":
            pq.write_table(table, path, row_group_size=333)
        case ".arrow":
            with pa.ipc.new_file(str(path), table.schema) as writer:
                writer.write_table(table, max_chunksize=101)
        case ".csv":
            pyarrow.csv.write_csv(table, path)
        case _:
            lines = (json.dumps({k: v for k, v in row.items() if v is not None}, default=datetime.isoformat) for row in table.to_pylist())
            path.write_text("".join(f"{line}\n" for line in lines))
    return path


def read(path: Path) -> list[tuple[Any, ...]]:
    """Booking, code, variant, start and error of each row of a result."""
    match path.suffix:
        case ".parquet":
            rows = pq.read_table(path).to_pylist()
        case ".arrow":
            rows = pa.ipc.open_file(str(path)).read_all().to_pylist()
        case ".csv":
            types = {"booking": pa.string(), "code": pa.string(), "granted_variant": pa.int64()}
            options = pyarrow.csv.ConvertOptions(column_types=types, strings_can_be_null=True)
            rows = pyarrow.csv.read_csv(path, convert_options=options).to_pylist()
        case _:
            rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [(r["booking"], r["code"], r["granted_variant"], _instant(r["granted_starts_at"]), r["error"]) for r in rows]


def _instant(value: Any) -> datetime | None:
    value = datetime.fromisoformat(value) if isinstance(value, str) else value
    return None if value is None else value.astimezone(UTC)


def expected(table: Any) -> list[tuple[Any, ...]]:
    """The same of the table at once."""
    made = generate(table, KEYS, "igloo", now=NOW).to_pylist()
    return [(r["booking"], r["code"], r["granted_variant"], r["granted_starts_at"], r["error"]) for r in made]


def job(source: Path, target: Path, **more: Any) -> Job:
    return Job(source=source, target=target, **{"keys": KEYS, "vendor": load("igloo"), "now": NOW, **more})


def quietly(job: Job, **more: Any) -> Summary:
    return run(job, lambda _: None, **more)


# --- what comes out -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ENDINGS)
@pytest.mark.parametrize("start", ENDINGS)
def test_a_file_s_rows_come_out_as_the_table_s_in_any_format(start: str, end: str, tmp_path: Path) -> None:
    table = some_table()
    source = write(table, tmp_path / f"in.{start}")
    done = quietly(job(source, tmp_path / f"out.{end}", refused=tmp_path / f"refused.{end}", jobs=2))
    want = expected(table)
    assert read(tmp_path / f"out.{end}") == want
    assert read(tmp_path / f"refused.{end}") == [row for row in want if row[-1] is not None]
    assert done.rows == len(want)
    assert done.refused == sum(done.errors.values()) == sum(row[-1] is not None for row in want) > 50
    assert set(done.errors) == {"end_before_start", "invalid_device_id", "exhausted", "variant_taken"}


@pytest.mark.parametrize("end", ENDINGS)
def test_the_file_is_the_same_to_the_byte_for_any_number_of_threads(end: str, tmp_path: Path) -> None:
    source = write(some_table(), tmp_path / "in.parquet")
    for jobs in (1, 2, 5):
        quietly(job(source, tmp_path / f"{jobs}.{end}", refused=tmp_path / f"{jobs}-refused.{end}", jobs=jobs))
    assert (tmp_path / f"1.{end}").read_bytes() == (tmp_path / f"2.{end}").read_bytes() == (tmp_path / f"5.{end}").read_bytes()
    assert (tmp_path / f"1-refused.{end}").read_bytes() == (tmp_path / f"5-refused.{end}").read_bytes()


def test_rows_that_bring_their_own_tokens_come_out_the_same_for_any_number_of_threads(tmp_path: Path) -> None:
    tokens = pa.array([bytes([i % 7]) * 32 if i % 3 else None for i in range(1000)], pa.binary(32))
    source = write(some_table().append_column("token", tokens), tmp_path / "in.parquet")
    for jobs in (1, 3):
        quietly(job(source, tmp_path / f"{jobs}.csv", jobs=jobs))
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "3.csv").read_bytes()


@pytest.mark.parametrize("rows", [-(2**40), 0, 5, 10**12, 2**63 - 1])
def test_what_a_parquet_file_says_of_its_rows_does_not_matter(rows: int, tmp_path: Path) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(some_table(100), sink)
    piece = Piece.of(memoryview(sink.getvalue()))
    source = tmp_path / "in.parquet"
    source.write_bytes(MAGIC + bytes(piece.pages) + piece.closed(piece.moved(len(MAGIC), 0), rows))
    assert quietly(job(source, tmp_path / "out.csv")).rows == 100
    assert read(tmp_path / "out.csv") == expected(some_table(100))


@pytest.mark.parametrize("end", ENDINGS)
def test_a_table_without_rows_or_refusals_gives_files_that_can_be_read(end: str, tmp_path: Path) -> None:
    source = write(some_table(0), tmp_path / "in.parquet")
    assert quietly(job(source, tmp_path / f"out.{end}", refused=tmp_path / f"refused.{end}")) == Summary(0, {}, 0)
    assert read(tmp_path / f"out.{end}") == read(tmp_path / f"refused.{end}") == []


def test_other_readers_of_parquet_read_the_result_too(tmp_path: Path) -> None:
    duckdb, polars = pytest.importorskip("duckdb"), pytest.importorskip("polars")
    quietly(job(write(some_table(), tmp_path / "in.parquet"), tmp_path / "out.parquet", jobs=2))
    codes = [row[1] for row in read(tmp_path / "out.parquet")]
    assert polars.read_parquet(tmp_path / "out.parquet")["code"].to_list() == codes
    found = duckdb.sql(f"SELECT code FROM '{tmp_path / 'out.parquet'}'").fetchall()  # noqa: S608
    assert [code for (code,) in found] == codes


def test_every_column_of_a_parquet_file_is_compressed_but_the_code_which_is_random(tmp_path: Path) -> None:
    table = some_table().append_column("within", pa.array([[{"a": str(i)}] for i in range(1000)]))
    quietly(job(write(table, tmp_path / "in.parquet"), tmp_path / "out.parquet"))
    group = pq.ParquetFile(tmp_path / "out.parquet").metadata.row_group(0)
    found = {column.path_in_schema: column.compression for column in map(group.column, range(group.num_columns))}
    assert found.pop("code") == "UNCOMPRESSED"
    assert set(found.values()) == {"SNAPPY"}
    assert any(path.startswith("within.") for path in found)


def test_columns_of_any_kind_pass_through(tmp_path: Path) -> None:
    table = some_table(200).append_column("list", pa.array([[i, None] for i in range(200)]))
    table = table.append_column("word", pa.array([f"w{i % 3}" for i in range(200)]).dictionary_encode())
    table = table.append_column("raw", pa.array([bytes([i]) for i in range(200)]))
    source = write(table, tmp_path / "in.parquet")
    quietly(job(source, tmp_path / "out.parquet", jobs=2))
    assert pq.read_table(tmp_path / "out.parquet").select(table.column_names).to_pylist() == table.to_pylist()
    quietly(job(source, tmp_path / "out.arrow"))
    assert pa.ipc.open_file(str(tmp_path / "out.arrow")).read_all().select(table.column_names).to_pylist() == table.to_pylist()
    quietly(job(source, tmp_path / "out.jsonl"))
    row = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[7])
    assert (row["list"], row["word"], row["raw"], row["starts_at"]) == ([7, None], "w1", "07", "2027-03-27T12:00:00Z")
    with pytest.raises(BatchError, match="CSV file cannot hold column 'list'"):
        quietly(job(source, tmp_path / "out.csv"))


@pytest.mark.parametrize("end", ENDINGS)
def test_texts_and_bytes_as_polars_writes_them_are_read_as_any_others(end: str, tmp_path: Path) -> None:
    table = some_table(200)
    raw = pa.array([None if i % 9 == 0 else bytes([i]) * 20 for i in range(200)], pa.binary())
    views = [pa.array(column.to_pylist(), pa.string_view()) if column.type == pa.string() else column for column in table.columns]
    source = write(pa.table([*views, raw.cast(pa.binary_view())], [*table.column_names, "raw"]), tmp_path / "in.arrow")
    plain = write(table.append_column("raw", raw), tmp_path / "plain.arrow")
    for each in (source, plain):
        quietly(job(each, tmp_path / f"{each.stem}-out.{end}", refused=tmp_path / f"{each.stem}-refused.{end}"))
    for name in ("out", "refused"):
        assert (tmp_path / f"in-{name}.{end}").read_bytes() == (tmp_path / f"plain-{name}.{end}").read_bytes()


def test_what_a_format_cannot_hold_is_one_error_that_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    table = some_table(100).append_column("gap", pa.array([pa.MonthDayNano([1, 2, 3])] * 100))
    source = write(table, tmp_path / "in.arrow")
    for end, words in {"parquet": "a file of kind parquet cannot hold the columns", "csv": "rows 0 to 63.* cannot be .* written"}.items():
        with pytest.raises(BatchError, match=words):
            quietly(job(source, tmp_path / f"out.{end}", jobs=2))
    (tmp_path / "in.csv").write_text("device_id,starts_at,ends_at,note,note\nd,2027-07-01T15:00Z,2027-07-01T16:00Z,a,b\n")
    with pytest.raises(BatchError, match="two columns 'note'"):
        quietly(job(tmp_path / "in.csv", tmp_path / "out.jsonl"))
    assert left(tmp_path) == {"in.arrow", "in.csv"}


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_times_are_written_as_text_with_their_offset_and_parts_of_seconds(zone: str, tmp_path: Path) -> None:
    table = some_table(70)
    moments = pa.array([NOW + timedelta(days=3, microseconds=i % 2 * 1500) for i in range(70)], pa.timestamp("us", zone))
    source = write(table.set_column(2, "starts_at", moments), tmp_path / "in.parquet")
    quietly(job(source, tmp_path / "out.csv"))
    made = pyarrow.csv.read_csv(tmp_path / "out.csv", convert_options=pyarrow.csv.ConvertOptions(column_types={"starts_at": pa.string()}))
    texts = made["starts_at"].to_pylist()
    assert [datetime.fromisoformat(text) for text in texts] == moments.to_pylist()
    assert texts[1] == ("2027-03-30T12:00:00.001500Z" if zone == "UTC" else "2027-03-30T14:00:00.001500+0200")


def test_a_stream_in_arrow_s_other_form_is_read_as_well(tmp_path: Path) -> None:
    table = some_table(200)
    with pa.ipc.new_stream(str(tmp_path / "in.arrow"), table.schema) as writer:
        writer.write_table(table)
    quietly(job(tmp_path / "in.arrow", tmp_path / "out.parquet"))
    assert read(tmp_path / "out.parquet") == expected(table)


@pytest.mark.parametrize("end", ENDINGS)
def test_the_watcher_sees_rows_and_part_rise_to_all_of_them(end: str, tmp_path: Path) -> None:
    seen: list[stream.Progress] = []
    run(job(write(some_table(), tmp_path / f"in.{end}"), tmp_path / "out.csv"), seen.append)
    assert [p.rows for p in seen] == [*range(SMALL, 1000, SMALL), 1000]
    parts = [p.part for p in seen]
    assert parts == sorted(parts)
    assert (seen[-1].total, parts[-1]) == (1000 if end == "parquet" else None, 1.0)


# --- cut off and gone on ------------------------------------------------------------------------------------------


def kept_of_runs(ledger: Path) -> int:
    """How many rows a ledger still knows by their run."""
    with closing(sqlite3.connect(ledger)) as connection:
        return int(connection.execute("SELECT count(*) FROM batch_takes").fetchone()[0])


class Stop(BaseException):
    """Ends a run as a signal would."""


def cut_off(job: Job, after: int) -> None:
    """A run that ends after some chunks."""

    def watch(progress: stream.Progress) -> None:
        if progress.rows >= after * SMALL:
            raise Stop

    with pytest.raises(Stop):
        run(job, watch, record_every=0)


@pytest.mark.parametrize("end", ENDINGS)
@pytest.mark.parametrize("with_ledger", [False, True])
def test_a_run_that_was_cut_off_ends_with_the_same_bytes(end: str, with_ledger: bool, tmp_path: Path) -> None:
    source = write(some_table(), tmp_path / "in.parquet")
    whole, parts = (
        job(
            source,
            tmp_path / f"{name}.{end}",
            refused=tmp_path / f"{name}-refused.{end}",
            ledger=tmp_path / f"{name}.ledger" if with_ledger else None,
        )
        for name in ("whole", "parts")
    )
    quietly(whole)
    cut_off(parts, 2)
    assert not parts.target.exists()
    again = Job(**{name: getattr(parts, name) for name in Job.__dataclass_fields__} | {"resume": True, "jobs": 2, "now": None})
    cut_off(again, 9)
    with (tmp_path / f".parts.{end}.part").open("ab") as file:  # what was written after the last record does not count
        file.write(b"torn")
    with (tmp_path / f".parts.{end}.part.run").open("ab") as file:
        file.write(b'{"chunks": 12, "err')
    done = quietly(again)
    assert done.before == 9 * SMALL
    assert done.rows == 1000
    for one, other in ((whole.target, parts.target), (whole.refused, parts.refused)):
        assert one is not None
        assert other is not None
        assert one.read_bytes() == other.read_bytes()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_what_a_ledger_handed_out_before_there_was_a_record_is_handed_out_again(tmp_path: Path) -> None:
    source = write(some_table(), tmp_path / "in.parquet")
    whole, parts = (job(source, tmp_path / f"{name}.csv", ledger=tmp_path / f"{name}.ledger", resume=True) for name in ("whole", "parts"))

    def stop(_: stream.Progress) -> None:
        raise Stop

    quietly(whole)
    for _ in range(2):
        with pytest.raises(Stop):
            run(parts, stop)
    assert quietly(parts).before == 0
    assert parts.target.read_bytes() == whole.target.read_bytes()
    assert kept_of_runs(tmp_path / "parts.ledger") == 0


def test_a_run_that_is_killed_in_the_middle_of_its_work_goes_on_as_well(tmp_path: Path) -> None:
    source = write(some_table(4000, 300), tmp_path / "in.parquet")
    whole, parts = tmp_path / "whole.parquet", tmp_path / "parts.parquet"
    quietly(job(source, whole, jobs=2))
    program = f"""
import sys, time
sys.path[:0] = {sys.path!r}
from datetime import datetime
from pathlib import Path
import offlinepin.batch.formats as formats, offlinepin.batch.stream as stream
from offlinepin.keys import MasterKey
from offlinepin.vendor import load
formats.CHUNK = stream.CHUNK = {SMALL}
now = datetime.fromisoformat({NOW.isoformat()!r})
job = stream.Job(Path({str(source)!r}), Path({str(parts)!r}), MasterKey(bytes(range(32))), load("igloo"), now=now, jobs=2)
stream.run(job, lambda p: (print(p.rows, flush=True), time.sleep(0.02)), record_every=0)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 10 * SMALL:
                process.kill()
                break
    assert process.returncode == -9
    assert not parts.exists()
    assert quietly(job(source, parts, resume=True)).before >= 9 * SMALL
    assert parts.read_bytes() == whole.read_bytes()


def test_a_run_that_was_cut_off_while_its_files_got_their_names_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(some_table(300), tmp_path / "in.parquet")
    made = job(source, tmp_path / "out.arrow", refused=tmp_path / "refused.csv", resume=True)
    settle = stream._Output.settle

    def stop(output: Any) -> None:
        if output.path.name == "refused.csv":
            raise Stop
        settle(output)

    with monkeypatch.context() as patched:
        patched.setattr(stream._Output, "settle", stop)
        with pytest.raises(Stop):
            quietly(made)
    assert not (tmp_path / "refused.csv").exists()
    assert quietly(made).rows == 300
    want = expected(some_table(300))
    assert read(tmp_path / "out.arrow") == want
    assert read(tmp_path / "refused.csv") == [row for row in want if row[-1]]


def test_a_run_goes_on_only_as_it_was_begun(tmp_path: Path) -> None:
    source = write(some_table(), tmp_path / "in.parquet")
    made = job(source, tmp_path / "out.parquet", resume=True)
    cut_off(made, 3)
    changes: list[tuple[dict[str, Any], str]] = [
        ({"keys": MasterKey(bytes(32))}, "the key"),
        ({"vendor": load("standard")}, "the vendor's profile"),
        ({"time_zone": "UTC"}, "--zone"),
        ({"rounding": "1h"}, "--rounding"),
        ({"now": NOW + HOUR}, "the present"),
        ({"refused": tmp_path / "refused.csv"}, "the formats"),
        ({"ledger": tmp_path / "ledger"}, "--ledger"),
    ]
    for change, words in changes:
        with pytest.raises(RequestError, match=words):
            quietly(job(source, made.target, resume=True, **change))
    write(some_table(999), source)
    with pytest.raises(RequestError, match="the table"):
        quietly(made)
    assert quietly(job(source, made.target)).rows == 999  # without resume it starts over


def test_two_runs_do_not_write_one_file(tmp_path: Path) -> None:
    source = write(some_table(), tmp_path / "in.parquet")
    inside, go = threading.Event(), threading.Event()

    def watch(_: stream.Progress) -> None:
        inside.set()
        go.wait(20)

    first = threading.Thread(target=run, args=(job(source, tmp_path / "out.csv"), watch))
    first.start()
    assert inside.wait(20)
    with pytest.raises(RequestError, match="another run"):
        quietly(job(source, tmp_path / "out.csv"))
    go.set()
    first.join()
    assert read(tmp_path / "out.csv") == expected(some_table())


# --- the ledger ---------------------------------------------------------------------------------------------------


def test_a_ledger_keeps_codes_apart_from_earlier_ones_and_from_later_ones(tmp_path: Path) -> None:
    table = some_table(60, 60).set_column(4, "variant", pa.nulls(60, pa.int64()))
    source, ledger = write(table, tmp_path / "in.parquet"), tmp_path / "ledger"
    for number in range(2):
        quietly(job(source, tmp_path / f"{number}.csv", ledger=ledger, jobs=2))
    first, second = (read(tmp_path / f"{number}.csv") for number in range(2))
    given = [(row[1], row[3]) for row in (*first, *second) if row[1]]
    assert len(given) > 60
    other = tmp_path / "other"
    made = [generate(table, KEYS, "igloo", now=NOW, ledger=SqliteLedger(other)) for _ in range(2)]
    assert [[row["code"] for row in each.to_pylist()] for each in made] == [[row[1] for row in each] for each in (first, second)]


# --- refusals of the whole ----------------------------------------------------------------------------------------


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("in.csv", "device_id,starts_at\nd,2027-07-01T15:00Z\n", "no column 'ends_at'"),
        ("in.csv", "device_id,starts_at,ends_at\nd,2027-07-01T15:00,\n", "'starts_at'.*2027-07-01T15:00.*with its offset"),
        ("in.csv", "device_id,starts_at,ends_at\nd,soon,\n", "'starts_at'.*soon"),
        ("in.csv", "device_id,starts_at,ends_at,variant\nd,2027-07-01T15:00Z,,many\n", "many"),
        ("in.csv", "device_id,starts_at,ends_at\nd,2027-07-01T15:00Z,,,\n", "3 columns"),
        ("in.csv", "", "cannot be read as csv"),
        ("in.jsonl", '{"device_id": "d", "starts_at": "2027-07-01T15:00", "ends_at": null}\n', "'starts_at'.*with its offset"),
        ("in.jsonl", '{"device_id": 5, "starts_at": "2027-07-01T15:00Z", "ends_at": null}\n', "cannot be read as jsonl"),
        ("in.jsonl", "{", "cannot be read as jsonl"),
        ("in.parquet", "PAR1 no", "cannot be read as parquet"),
        ("in.arrow", "no", "cannot be read as arrow"),
        ("in.txt", "", "does not say what kind of file"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_error_and_leaves_nothing(name: str, content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(BatchError, match=words):
        quietly(job(tmp_path / name, tmp_path / "out.parquet", jobs=2))
    assert left(tmp_path) == {name}


def test_naive_times_and_wrong_types_are_one_error_and_leave_nothing(tmp_path: Path) -> None:
    table = some_table(10)
    naive = table.set_column(2, "starts_at", pa.array([NOW.replace(tzinfo=None)] * 10))
    with pytest.raises(BatchError, match="without a time zone"):
        quietly(job(write(naive, tmp_path / "in.parquet"), tmp_path / "out.parquet"))
    numbers = table.set_column(1, "device_id", pa.array(range(10)))
    with pytest.raises(BatchError, match="'device_id' must hold text"):
        quietly(job(write(numbers, tmp_path / "in.parquet"), tmp_path / "out.parquet"))
    assert left(tmp_path) == {"in.parquet"}


def test_a_row_that_cannot_be_read_far_into_the_file_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"d{i},2027-07-01T15:00Z,2027-07-01T16:00Z\n" for i in range(400_000)] + ["d,x,x,x\n"]
    (tmp_path / "in.csv").write_text("device_id,starts_at,ends_at\n" + "".join(lines))
    for module in ("formats", "stream"):
        monkeypatch.setattr(f"offlinepin.batch.{module}.CHUNK", 65_536)
    with pytest.raises(BatchError, match="got 4"):
        quietly(job(tmp_path / "in.csv", tmp_path / "out.parquet"), record_every=0)
    assert left(tmp_path) == {"in.csv"}


@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize("with_ledger", [False, True])
def test_a_table_that_ends_in_the_middle_leaves_nothing_but_the_ledger(jobs: int, with_ledger: bool, tmp_path: Path) -> None:
    table = some_table()
    source, ledger = tmp_path / "in.arrow", tmp_path / "ledger" if with_ledger else None
    with pa.ipc.new_stream(str(source), table.schema) as writer:
        writer.write_table(table, max_chunksize=101)
    source.write_bytes(source.read_bytes()[: source.stat().st_size * 2 // 3])
    with pytest.raises(BatchError, match="cannot be read as arrow"):
        quietly(job(source, tmp_path / "out.csv", refused=tmp_path / "refused.csv", jobs=jobs, ledger=ledger), record_every=0)
    if ledger is not None:
        assert kept_of_runs(ledger) == 0
    assert left(tmp_path) == {path.name for path in (source, ledger) if path is not None}


@pytest.mark.parametrize(("start", "text"), [("parquet", b"door-"), ("arrow", b"door-"), ("jsonl", b"door-"), ("jsonl", b"booking")])
def test_text_that_is_no_utf_8_is_one_error_and_leaves_nothing(start: str, text: bytes, tmp_path: Path) -> None:
    source = write(some_table(100), tmp_path / f"in.{start}")
    source.write_bytes(source.read_bytes().replace(text, b"\xff" + text[1:]))
    with pytest.raises(BatchError, match=f"cannot be read as {start}"):
        quietly(job(source, tmp_path / "out.csv", jobs=2))
    assert left(tmp_path) == {source.name}


def test_an_arrow_file_whose_texts_lie_outside_of_it_is_one_error_and_leaves_nothing(tmp_path: Path) -> None:
    table = some_table(100)
    source = write(table, tmp_path / "in.arrow")
    offsets = table["booking"].chunk(0).buffers()[1].to_pybytes()[:400]
    assert source.read_bytes().count(offsets) == 1
    source.write_bytes(source.read_bytes().replace(offsets, offsets[:40] + bytes([0, 0, 0, 1]) + offsets[44:]))
    with pytest.raises(BatchError, match="cannot be read as arrow"):
        quietly(job(source, tmp_path / "out.csv"))
    assert left(tmp_path) == {source.name}


def test_jobs_that_make_no_sense_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    source = write(some_table(10), tmp_path / "in.parquet")
    out = tmp_path / "out.parquet"
    refusals: list[tuple[dict[str, Any], type[Exception]]] = [
        ({"target": source}, RequestError),
        ({"refused": out}, RequestError),
        ({"jobs": 0}, RequestError),
        ({"rounding": "2h"}, RequestError),
        ({"now": NOW.replace(tzinfo=None)}, NaiveDatetimeError),
        ({"source": tmp_path / "missing.parquet"}, FileNotFoundError),
        ({"target": tmp_path / "missing" / "out.parquet"}, FileNotFoundError),
        ({"target": tmp_path, "kinds": (None, FileFormat.CSV, None)}, IsADirectoryError),
    ]
    for change, error in refusals:
        with pytest.raises(error):
            quietly(job(**{"source": source, "target": out, **change}))
    assert left(tmp_path) == {"in.parquet"}


def test_a_weak_product_is_refused(tmp_path: Path, document: dict[str, Any]) -> None:
    from offlinepin.engine.profile import Profile
    from offlinepin.vendor import Vendor

    document["families"][0].update(length=4, window=24)
    document["families"][0]["kinds"][0]["durations"] = [[1, 1, 24]]
    source = write(some_table(10), tmp_path / "in.parquet")
    with pytest.raises(WeakProfileError):
        quietly(job(source, tmp_path / "out.csv", vendor=Vendor("weak", Profile.parse(document))))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits the size of files as POSIX systems can")
@pytest.mark.parametrize(("size", "full"), [(100, ".out.jsonl.part.run"), (100_000, ".out.jsonl.part")])
def test_a_disk_that_takes_no_more_is_an_error_and_the_run_can_go_on(size: int, full: str, tmp_path: Path) -> None:
    import resource

    source = write(some_table(), tmp_path / "in.parquet")
    quietly(job(source, tmp_path / "whole.jsonl"))
    made = job(source, tmp_path / "out.jsonl", resume=True, jobs=3)
    threads, limits = threading.active_count(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        with pytest.raises(OSError, match="too large") as caught:
            quietly(made, record_every=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.filename == str(tmp_path / full)
    assert threading.active_count() == threads  # though the error still holds what was there
    assert not made.target.exists()
    assert (0 < quietly(made).before < 1000) == (size > 100)
    assert made.target.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


# --- the parts ----------------------------------------------------------------------------------------------------


@given(st.lists(st.none() | st.text(max_size=20), max_size=40), st.integers(1, 7), st.integers(0, 5))
def test_a_device_s_rows_are_all_in_one_part_in_every_type_of_text(ids: list[str | None], parts: int, skip: int) -> None:
    found = part_of_rows(pa.array(ids, pa.string()), parts)
    assert ((found >= 0) & (found < parts)).all()
    assert len({(each, int(part)) for each, part in zip(ids, found, strict=True)}) == len(set(ids))
    for each in (pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())):
        assert part_of_rows(pa.array(ids, each).slice(skip), parts).tolist() == found[skip:].tolist()


@given(st.lists(st.integers(0, 30), max_size=12), st.integers(1, 20))
def test_even_batches_hold_the_same_rows_in_one_size(sizes: list[int], rows: int) -> None:
    numbers = iter(range(sum(sizes)))
    batches = [pa.record_batch({"n": pa.array([next(numbers) for _ in range(size)], pa.int64())}) for size in sizes]
    made = list(even(batches, rows))
    assert [n for batch in made for n in batch["n"].to_pylist()] == list(range(sum(sizes)))
    assert all(batch.num_rows == rows for batch in made[:-1])
    assert all(0 < batch.num_rows <= rows for batch in made)


@given(st.lists(st.lists(st.none() | st.integers(-(2**62), 2**62), max_size=5), min_size=1, max_size=20))
@settings(max_examples=30)
def test_parquet_pieces_joined_are_a_file_of_all_their_rows(groups: list[list[int | None]]) -> None:
    tables = [pa.table({"n": pa.array(g, pa.int64()), "t": pa.array([str(n) for n in g], pa.string())}) for g in groups]
    data, rows = bytearray(MAGIC), 0
    found: list[bytes] = []
    for table in tables:
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, write_page_index=True)
        piece = Piece.of(memoryview(sink.getvalue()))
        found += piece.moved(len(data), len(found))
        data += piece.pages
        rows += piece.rows
    data += piece.closed(found, rows)
    assert pq.read_table(pa.BufferReader(bytes(data))).to_pylist() == pa.concat_tables(tables).to_pylist()


def test_what_is_no_parquet_file_is_no_piece() -> None:
    for data in (b"", b"PAR1", b"PAR1" + bytes(8) + b"PAR2"):
        with pytest.raises(BatchError):
            Piece.of(data)


def test_a_format_is_read_off_a_name_or_chosen() -> None:
    assert [format_of(Path(f"x.{end}")) for end in ("PARQUET", "pq", "csv", "ipc", "ndjson")] == [
        "parquet",
        "parquet",
        "csv",
        "arrow",
        "jsonl",
    ]
    assert format_of(Path("x"), FileFormat.CSV) is FileFormat.CSV


def test_an_empty_record_is_none(tmp_path: Path) -> None:
    record = Record(tmp_path / "x")
    assert record.read() is None
    record.remove()
    assert left(tmp_path) == set()
