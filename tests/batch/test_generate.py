"""The batch generator: each row's outcome is what the issuer gives row by row, whatever the table's shape, and nothing is lost or moved."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pa = pytest.importorskip("pyarrow", reason="the extra `batch` is not installed")

from offlinepin.batch import (  # noqa: E402
    BatchError,
    generate,
    loops,
)
from offlinepin.batch.columns import ROWS  # noqa: E402
from offlinepin.batch.kernels import ENVIRONMENT_VARIABLE, available  # noqa: E402
from offlinepin.engine.token import DeviceToken  # noqa: E402
from offlinepin.errors import DeviceIdError, KeyMaterialError, OfflinepinError, RequestError, WeakProfileError  # noqa: E402
from offlinepin.issuer import Issuer  # noqa: E402
from offlinepin.keys import ImportedTokens, MasterKey  # noqa: E402
from offlinepin.ledger import Ledger, MemoryLedger, SqliteLedger  # noqa: E402
from offlinepin.pin import AccessPin  # noqa: E402
from offlinepin.testing.choosing import Chooser, DrawChooser, RandomChooser, chance  # noqa: E402
from offlinepin.testing.profiles import small_vendor  # noqa: E402
from offlinepin.vendor import Vendor, load  # noqa: E402

KEYS = MasterKey(bytes(range(32)))
NOW = datetime(2027, 3, 27, 12, tzinfo=UTC)  # the day before Europe's clocks go forward
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "-03:00", "UTC")
RESULTS = ("code", "granted_kind", "granted_starts_at", "granted_ends_at", "use_by", "granted_variant", "notice", "error", "error_text")


@dataclass(frozen=True)
class Row:
    """A request as a row, with the names of the columns."""

    device_id: str | None
    starts_at: datetime | None
    ends_at: datetime | None = None
    kind: str | None = None
    one_time: bool | None = None
    variant: int | None = None
    level: str | None = None
    time_zone: str | None = None
    generation: int | None = None
    token: bytes | None = None


TYPES = {
    "device_id": pa.string(),
    "starts_at": pa.timestamp("us", "UTC"),
    "ends_at": pa.timestamp("us", "UTC"),
    "kind": pa.string(),
    "one_time": pa.bool_(),
    "variant": pa.int64(),
    "level": pa.string(),
    "time_zone": pa.string(),
    "generation": pa.int32(),
    "token": pa.binary(),
}


def table_of(rows: Sequence[Row], **types: Any) -> Any:
    """The rows as a table with every column, of other types where said."""
    chosen = {**TYPES, **types}
    return pa.table({name: pa.array([getattr(row, name) for row in rows], type_) for name, type_ in chosen.items()})


def in_turn(rows: Sequence[Row], vendor: Vendor, ledger: Ledger, keys: Any = KEYS, **more: Any) -> Iterator[tuple[Any, ...]]:
    """What the issuer gives for one row after the other."""
    for row in rows:
        try:
            pin = issue(row, vendor, ledger, keys, **more)
        except (RequestError, DeviceIdError, KeyMaterialError) as cause:
            yield (*(None,) * 7, cause.code, cause.message)
        else:
            notices = " ".join(dict.fromkeys(notice.code for notice in pin.notices)) or None
            yield pin.code, pin.kind, pin.starts_at, pin.ends_at, pin.use_by, pin.variant, notices, None, None


def issue(row: Row, vendor: Vendor, ledger: Ledger, keys: Any, **more: Any) -> AccessPin:
    """One row by the issuer, and before that what only a table can lack."""
    if row.starts_at is None:
        raise RequestError("starts_at is missing; it must be a time")
    if row.device_id is None:
        raise DeviceIdError("device_id is missing; it must be 1 to 64 bytes of UTF-8")
    generation = row.generation
    if row.token is not None:
        KEYS.token(row.device_id)  # refuses an id that is too short or too long
        generation = generation or 0
        keys = ImportedTokens({row.device_id: DeviceToken(row.token, generation)})
    return Issuer(keys, vendor, ledger, allow_weak=True).issue(
        row.device_id,
        row.starts_at,
        row.ends_at,
        one_time=bool(row.one_time),
        kind=row.kind,
        variant=row.variant,
        level=row.level,
        time_zone=row.time_zone or more.get("time_zone"),
        generation=generation,
        now=NOW,
        max_time_rounding=more.get("max_time_rounding"),
    )


def outcomes(table: Any) -> list[tuple[Any, ...]]:
    """The result columns, row by row."""
    return list(zip(*(table[name].to_pylist() for name in RESULTS), strict=True))


def check_equal(rows: Sequence[Row], vendor: Vendor, table: Any | None = None, **options: Any) -> None:
    """The law: a table's outcomes are those of its rows in turn."""
    made = generate(table_of(rows) if table is None else table, KEYS, vendor, now=NOW, allow_weak=True, **options)
    assert outcomes(made) == list(in_turn(rows, vendor, MemoryLedger(), **options))


def some_rows(choose: Chooser, vendor: Vendor, count: int) -> list[Row]:
    """Requests of few devices near now; most can be served, many want the same, and anything may be odd."""
    families = vendor.profile.families
    zones = (vendor.time_zone,) if vendor.time_zone else ZONES[: choose.integer(1, len(ZONES))]
    near = choose.pick(("any", "same"))
    base = NOW + choose.integer(-4, 40) * HOUR

    def one() -> Row:
        family = choose.pick(families)
        kind = choose.pick(family.kinds)
        unit = timedelta(seconds=choose.pick((family.slot, 3600, 1800, 60, 1)))
        start = base + choose.integer(0, 3) * HOUR if near == "same" else NOW + choose.integer(-30, 60) * unit
        length = (
            choose.pick([d for r in kind.ranges for d in (r[0], r[-1])]) * timedelta(seconds=family.slot) or choose.integer(1, 50) * HOUR
        )
        end = None if chance(choose, 5) else start + length + timedelta(seconds=kind.closes - kind.opens)
        if chance(choose, 12):
            end = start + choose.integer(-3, 400) * HOUR + timedelta(microseconds=choose.integer(0, 1_000_000))
        return Row(
            device_id=None if chance(choose, 30) else choose.pick(("", "é" * 40)) if chance(choose, 30) else f"door-{choose.integer(0, 3)}",
            starts_at=None if chance(choose, 40) else start + (timedelta(microseconds=1) if chance(choose, 10) else timedelta()),
            ends_at=end,
            kind=kind.name if chance(choose, 2) else "nothing" if chance(choose, 20) else None,
            one_time=None if chance(choose, 9) else bool(kind.uses),
            variant=choose.integer(-1, kind.variants) if chance(choose, 8) else None,
            level=family.name if chance(choose, 2) else "nobody" if chance(choose, 20) else None,
            time_zone=None if chance(choose, 30) else "Nowhere/Land" if chance(choose, 30) else choose.pick(zones),
            generation=choose.integer(0, 3) if chance(choose, 6) else None,
            token=bytes([choose.integer(1, 2)]) * choose.pick((32, 32, 32, 31)) if chance(choose, 25) else None,
        )

    return [one() for _ in range(count)]


# --- the law ------------------------------------------------------------------------------------------------------


@given(st.data())
@settings(max_examples=100)
def test_a_table_s_rows_come_out_as_the_issuer_gives_them_one_by_one(data: st.DataObject) -> None:
    choose = DrawChooser(data.draw)
    vendor = small_vendor(choose)
    rows = some_rows(choose, vendor, data.draw(st.integers(0, 8)))
    check_equal(rows, vendor, max_time_rounding=data.draw(st.sampled_from([None, timedelta(), HOUR, DAY])))


@pytest.mark.parametrize("seed", range(60))
def test_so_do_longer_tables_of_made_up_products(seed: int) -> None:
    choose = RandomChooser(seed)
    vendor = small_vendor(choose)
    rows = some_rows(choose, vendor, 120)
    check_equal(rows, vendor, time_zone=choose.pick((None, *ZONES)) if not vendor.time_zone else None)


@pytest.mark.parametrize("name", ["igloo", "standard", "oracode"])
def test_so_do_those_of_the_vendors_that_are_installed(name: str) -> None:
    vendor = load(name)
    choose = RandomChooser(name)
    rows = some_rows(choose, vendor, 400)
    check_equal(rows, vendor)


@pytest.mark.parametrize("seed", range(12))
def test_so_they_do_against_a_ledger_of_earlier_codes_which_they_fill_alike(seed: int, tmp_path: Path) -> None:
    choose = RandomChooser(f"ledger {seed}")
    vendor = small_vendor(choose)
    one, other = (SqliteLedger(tmp_path / f"{n}.db") if seed % 2 else MemoryLedger() for n in range(2))
    for ledger in (one, other):
        ledger.step("door-1", 2)
    for _ in range(3):
        rows = some_rows(choose, vendor, 40)
        made = generate(table_of(rows), KEYS, vendor, ledger=one, now=NOW, allow_weak=True)
        assert outcomes(made) == list(in_turn(rows, vendor, other))


def test_tokens_of_another_source_serve_as_those_of_a_master_key_do() -> None:
    vendor = load("igloo")
    rows = [Row(f"door-{i % 5}", NOW + i % 7 * HOUR, NOW + 30 * HOUR, generation=i % 2 or None) for i in range(40)]
    keys = ImportedTokens({f"door-{i}": KEYS.token(f"door-{i}") for i in range(4)})
    made = generate(table_of(rows), keys, vendor, now=NOW)
    assert outcomes(made) == list(in_turn(rows, vendor, MemoryLedger(), keys))
    assert made["error"].to_pylist().count("invalid_device_id") == 8


# --- variants -----------------------------------------------------------------------------------------------------


def test_equal_requests_get_different_codes_until_none_is_left_across_the_batches_of_a_stream() -> None:
    row = Row("door", NOW, NOW + 3 * HOUR)
    batch = table_of([row, row]).to_batches()[0]
    reader = pa.RecordBatchReader.from_batches(batch.schema, [batch, batch])
    made = generate(reader, KEYS, "igloo", now=NOW)
    assert isinstance(made, pa.RecordBatchReader)
    found = outcomes(made.read_all())
    assert [each[5] for each in found] == [0, 1, 2, None]
    assert len({each[0] for each in found}) == 4
    assert found[3][7] == "exhausted"


def test_a_stream_gives_what_its_table_gives() -> None:
    choose = RandomChooser("stream")
    vendor = small_vendor(choose)
    rows = some_rows(choose, vendor, 300)
    table = table_of(rows)
    reader = table.combine_chunks().to_reader(max_chunksize=7)
    assert outcomes(generate(reader, KEYS, vendor, now=NOW, allow_weak=True).read_all()) == list(in_turn(rows, vendor, MemoryLedger()))


def test_a_place_with_more_variants_than_a_tally_counts_is_kept_exactly(document: dict[str, Any]) -> None:
    from offlinepin.engine.profile import Profile

    document["families"][0]["kinds"][0].update(variants=400, durations=[[1, 1, 24]])
    vendor = Vendor("many", Profile.parse(document))
    rows = [Row("door", NOW, NOW + HOUR) for _ in range(405)]
    batches = table_of(rows).to_batches(max_chunksize=90)
    made = generate(pa.RecordBatchReader.from_batches(batches[0].schema, batches), KEYS, vendor, now=NOW, allow_weak=True).read_all()
    assert made["granted_variant"].to_pylist() == [*range(400), *[None] * 5]


def test_variants_that_read_as_another_code_are_passed_over_as_the_issuer_does_and_the_place_goes_on_after_them(
    document: dict[str, Any],
) -> None:
    from offlinepin.engine.profile import Profile

    document["families"][0].update(length=4, prefix="", window=12)
    document["families"][0]["kinds"] = [{**document["families"][0]["kinds"][0], "variants": 400, "durations": [[12, 1, 1]]}]
    vendor = Vendor("dense", Profile.parse(document))
    rows = [Row(f"door-{i % 2}", NOW + HOUR, NOW + 13 * HOUR) for i in range(440)]
    batches = table_of(rows).to_batches(max_chunksize=40)
    reader = pa.RecordBatchReader.from_batches(batches[0].schema, batches)
    made = outcomes(generate(reader, KEYS, vendor, now=NOW, allow_weak=True).read_all())
    assert made == list(in_turn(rows, vendor, MemoryLedger()))
    given_out = [variant for *_, variant, _, _, _ in made if variant is not None]
    assert max(given_out) > 254
    assert len(given_out) < len(rows)
    assert len(set(given_out)) < max(given_out)


# --- the table's shape --------------------------------------------------------------------------------------------

PLAIN = [Row(f"door-{i % 13}", NOW + i % 9 * HOUR, NOW + (i % 9 + 1 + i % 4) * HOUR, one_time=False) for i in range(150)]


@pytest.fixture(scope="module")
def plain() -> list[tuple[Any, ...]]:
    """What the rows of ``PLAIN`` come out as."""
    return list(in_turn(PLAIN, load("igloo"), MemoryLedger()))


@pytest.mark.parametrize(
    "types",
    [
        {"device_id": pa.large_string()},
        {"device_id": pa.string_view()},
        {"device_id": pa.dictionary(pa.int8(), pa.string())},
        {"device_id": pa.dictionary(pa.uint32(), pa.large_string())},
        {"kind": pa.dictionary(pa.int16(), pa.string()), "time_zone": pa.large_string()},
        {"kind": pa.null(), "level": pa.null(), "ends_at": pa.timestamp("s", "Europe/Berlin")},
        {"starts_at": pa.timestamp("ns", "UTC"), "ends_at": pa.timestamp("ms", "America/New_York")},
        {"starts_at": pa.timestamp("s", "UTC"), "ends_at": pa.timestamp("ns", "UTC")},
        {"variant": pa.uint64(), "generation": pa.uint8(), "token": pa.binary(32)},
    ],
    ids=str,
)
def test_any_type_that_arrow_has_for_a_column_gives_the_same(types: dict[str, Any], plain: list[tuple[Any, ...]]) -> None:
    assert outcomes(generate(table_of(PLAIN, **types), KEYS, "igloo", now=NOW)) == plain


def test_slices_chunks_and_record_batches_give_the_same(plain: list[tuple[Any, ...]]) -> None:
    table = table_of(PLAIN)
    padded = pa.concat_tables([table_of([Row("x", NOW, NOW + DAY)] * 3), table, table.slice(0, 5)]).combine_chunks().slice(3, len(PLAIN))
    chunks = pa.concat_tables([table.slice(0, 1), table.slice(1, 0), table.slice(1, 70), table.slice(71)])
    batch = table.combine_chunks().to_batches()[0]
    for each in (padded, chunks, batch):
        assert outcomes(generate(each, KEYS, "igloo", now=NOW)) == plain
    uneven = pa.table(
        {
            name: pa.chunked_array([table[name].slice(0, i).chunk(0), table[name].slice(i).chunk(0)])
            for i, name in enumerate(table.column_names, 20)
        }
    )
    assert outcomes(generate(uneven, KEYS, "igloo", now=NOW)) == plain


@pytest.mark.parametrize("count", [0, 1, 15, 17])
def test_tables_of_a_few_rows_come_out_whole(count: int, plain: list[tuple[Any, ...]]) -> None:
    made = generate(table_of(PLAIN[:count]), KEYS, "igloo", now=NOW)
    assert outcomes(made) == plain[:count]
    made.validate(full=True)


def test_only_the_three_columns_are_needed_and_all_others_pass_through() -> None:
    table = pa.table(
        {
            "note": pa.array([["a"], None]),
            "device_id": ["door", "gate"],
            "starts_at": pa.array([NOW] * 2, pa.timestamp("s", "Europe/Berlin")),
            "ends_at": pa.array([NOW + HOUR] * 2, pa.timestamp("s", "Europe/Berlin")),
        }
    ).replace_schema_metadata({"origin": "here"})
    made = generate(table, KEYS, "igloo", now=NOW)
    assert made.select(table.column_names).equals(table)
    assert made.schema.metadata == {b"origin": b"here"}
    assert made.column_names[4:] == [
        "code",
        "kind",
        "granted_starts_at",
        "granted_ends_at",
        "use_by",
        "variant",
        "notice",
        "error",
        "error_text",
    ]
    assert made.schema.field("granted_starts_at").type == pa.timestamp("us", "Europe/Berlin")
    assert made["kind"].to_pylist() == ["hourly", "hourly"]
    assert generate(table.to_reader(), KEYS, "igloo", now=NOW).read_all().equals(made)


def test_families_of_several_lengths_and_prefixes_stand_in_one_column() -> None:
    vendor = load("oracode")
    levels = [family.name for family in vendor.profile.families]
    choose = RandomChooser("levels")
    rows = [Row(f"door-{i}", NOW + DAY, NOW + 3 * DAY, level=choose.pick(levels), time_zone="Europe/Berlin") for i in range(60)]
    check_equal(rows, vendor, max_time_rounding=DAY)


def test_more_rows_than_are_worked_on_at_once_keep_their_order() -> None:
    count = ROWS + 1000
    starts = pa.array([1_806_000_000 + i % 50 * 3600 for i in range(count)], pa.timestamp("s", "UTC"))
    ends = pa.array([1_806_400_000 + i % 50 * 3600 for i in range(count)], pa.timestamp("s", "UTC"))
    made = generate(pa.table({"device_id": [f"d{i}" for i in range(count)], "starts_at": starts, "ends_at": ends}), KEYS, "igloo", now=NOW)
    assert made.num_rows == count
    assert made["error"].null_count == count
    for i in (0, 1, ROWS - 1, ROWS, count - 1):
        start, end = starts[i].as_py(), ends[i].as_py()
        assert made["code"][i].as_py() == Issuer(KEYS, "igloo").issue(f"d{i}", start, end, now=NOW).code


@pytest.mark.parametrize("name", available())
def test_every_kernel_that_this_machine_has_gives_the_same(
    name: str, plain: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, name)
    monkeypatch.setattr(loops, "lib", None if name == "pure" else loops.lib)
    assert outcomes(generate(table_of(PLAIN), KEYS, "igloo", now=NOW)) == plain


@pytest.mark.parametrize("library", ["polars", "pandas", "duckdb"])
def test_frames_of_other_libraries_are_taken_as_they_are(library: str, plain: list[tuple[Any, ...]]) -> None:
    module = pytest.importorskip(library, reason=f"{library} is not installed")
    table = table_of(PLAIN).drop_columns(["kind", "variant", "level", "time_zone", "generation", "token"])
    if library == "polars":
        frame = module.from_arrow(table)
    elif library == "pandas":
        frame = table.to_pandas()
    else:
        frame = module.from_arrow(table)
    made = generate(frame, KEYS, "igloo", now=NOW)
    assert made["code"].to_pylist() == [each[0] for each in plain]


# --- refusals of the whole table ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.drop_columns(["device_id"]), "no column 'device_id'"),
        (lambda t: t.drop_columns(["ends_at"]), "no column 'ends_at'"),
        (lambda t: t.set_column(0, "device_id", pa.array([1])), "'device_id' must hold text"),
        (lambda t: t.set_column(1, "starts_at", pa.array([NOW.replace(tzinfo=None)])), "without a time zone"),
        (lambda t: t.set_column(1, "starts_at", pa.nulls(1)), "'starts_at' must hold timestamps"),
        (lambda t: t.set_column(2, "ends_at", pa.array(["2027-07-01"])), "'ends_at' must hold timestamps"),
        (lambda t: t.set_column(4, "one_time", pa.array([1])), "'one_time' must hold booleans"),
        (lambda t: t.set_column(5, "variant", pa.array([1.0])), "'variant' must hold integers"),
        (lambda t: t.append_column("device_id", pa.array(["d"])), "2 columns 'device_id'"),
        (lambda t: t.append_column("code", pa.array(["1"])), "has a column 'code' already"),
        (lambda t: t.append_column("granted_kind", pa.array(["1"])), "has a column 'granted_kind' already"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_table_that_cannot_be_used_is_one_error_before_anything_is_made(change: Any, words: str) -> None:
    ledger = MemoryLedger()
    table = change(table_of([Row("door", NOW, NOW + HOUR)]))
    for source in (table, table.to_reader()):
        with pytest.raises(BatchError, match=words) as caught:
            generate(source, KEYS, "igloo", ledger=ledger, now=NOW)
        assert caught.value.code == "invalid_table"


def test_what_is_no_table_or_no_rounding_or_too_weak_is_refused() -> None:
    table = table_of([Row("door", NOW, NOW + HOUR)])
    with pytest.raises(BatchError, match="must be Arrow data"):
        generate([1, 2], KEYS, "igloo", now=NOW)
    with pytest.raises(RequestError, match="rounding"):
        generate(table, KEYS, "igloo", now=NOW, max_time_rounding=-HOUR)
    with pytest.raises(RequestError, match="rounding"):
        generate(table, KEYS, "igloo", now=NOW, max_time_rounding="2h")
    with pytest.raises(OfflinepinError, match="no time zone"):
        generate(table, KEYS, "igloo", now=NOW.replace(tzinfo=None))


def test_a_weak_profile_is_refused_unless_it_is_allowed(document: dict[str, Any]) -> None:
    from offlinepin.engine.profile import Profile

    document["families"][0].update(length=4, window=24)
    document["families"][0]["kinds"][0]["durations"] = [[1, 1, 24]]
    table = table_of([Row("door", NOW, NOW + HOUR)])
    with pytest.raises(WeakProfileError):
        generate(table, KEYS, Profile.parse(document), now=NOW)
    assert generate(table, KEYS, Profile.parse(document), now=NOW, allow_weak=True)["error"].null_count == 1


# --- times that few tables hold -----------------------------------------------------------------------------------


def test_a_time_that_no_calendar_can_write_is_an_error_of_its_row() -> None:
    far = [-(2**62), -62_200_000_000, -1, 0, 253_402_300_799, 2**62]
    starts = pa.array(far, pa.timestamp("s", "UTC"))
    ends = pa.array([None] * len(far), pa.timestamp("s", "UTC"))
    made = generate(pa.table({"device_id": ["door"] * len(far), "starts_at": starts, "ends_at": ends}), KEYS, "igloo", now=NOW)
    assert made["error"].to_pylist()[0] == made["error"].to_pylist()[-1] == "time_out_of_range"
    assert set(made["error"].to_pylist()) <= {"time_out_of_range", "invalid_time_range", "end_in_past", "exhausted", "end_required", None}


@pytest.mark.parametrize("zone", [z for z in ZONES if z != "-03:00"])
def test_a_civil_clock_s_changes_are_those_of_the_single_path(zone: str) -> None:
    vendor = next(
        v for v in (small_vendor(RandomChooser(f"civil {n}")) for n in range(200)) if v.profile.clock == "civil" and v.time_zone == zone
    )
    where = ZoneInfo(zone)
    choose = RandomChooser(zone)
    start = datetime(2027, 1, 1, tzinfo=where).astimezone(UTC)
    rows = []
    for _ in range(300):
        begin = start + choose.integer(0, 2 * 365 * 96) * timedelta(minutes=15)
        rows.append(Row(f"d{choose.integer(0, 9)}", begin, begin + choose.integer(1, 100) * HOUR, time_zone=zone))
    check_equal(rows, vendor)


def test_rows_far_from_now_are_served_as_others_are() -> None:
    vendor = load("oracode")
    moments = [datetime(year, 7, 1, 16, tzinfo=UTC) for year in (2028, 2149, 2150, 2160, 3000, 9990, 9998)]
    rows = [Row("door", start, start + 2 * DAY, time_zone="Europe/Berlin") for start in moments]
    check_equal(rows, vendor, max_time_rounding=DAY)


# --- memory -------------------------------------------------------------------------------------------------------


def test_a_stream_is_served_in_memory_that_does_not_grow_with_it() -> None:
    def batches(count: int) -> Iterator[Any]:
        for k in range(count):
            ids = pa.array([f"door-{i % 100}" for i in range(4096)])
            start = pa.array([1_806_000_000 + (k * 41 + i // 100) * 3600 for i in range(4096)], pa.timestamp("s", "UTC"))
            end = pa.array([1_806_000_000 + (k * 41 + i // 100 + 2) * 3600 for i in range(4096)], pa.timestamp("s", "UTC"))
            yield pa.record_batch({"device_id": ids, "starts_at": start, "ends_at": end})

    def most(count: int) -> int:
        schema = next(batches(1)).schema
        made = generate(pa.RecordBatchReader.from_batches(schema, batches(count)), KEYS, "igloo", now=NOW)
        before = pa.total_allocated_bytes()
        tracemalloc.start()
        rows = sum(batch.num_rows for batch in made)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert rows == count * 4096
        return peak + int(pa.total_allocated_bytes() - before)

    random.seed(0)
    few, many = most(3), most(24)
    assert many < few + 21 * 4096 * 16  # a place that is remembered takes some 12 bytes, a row more than 100
