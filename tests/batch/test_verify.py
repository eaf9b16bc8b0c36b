"""Verification of tables: each row's reason is that of the lock's own decision with a new state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pa = pytest.importorskip("pyarrow", reason="the extra `batch` is not installed")

from offlinepin.batch import BatchError, generate, verify  # noqa: E402
from offlinepin.engine.clock import LockClock, zone  # noqa: E402
from offlinepin.engine.codec import seal  # noqa: E402
from offlinepin.engine.payload import Grant  # noqa: E402
from offlinepin.keys import ImportedTokens, MasterKey  # noqa: E402
from offlinepin.lock.decide import decide  # noqa: E402
from offlinepin.lock.state import State  # noqa: E402
from offlinepin.testing.choosing import Chooser, DrawChooser, RandomChooser, chance, symbols  # noqa: E402
from offlinepin.testing.profiles import ZONES, small_vendor  # noqa: E402
from offlinepin.vendor import Vendor, load  # noqa: E402

KEYS = MasterKey(bytes(range(32)))
NOW = datetime(2027, 3, 27, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Entry:
    """A row of a table to verify."""

    device_id: str
    code: str
    at: datetime
    time_zone: str
    generation: int


def table_of(entries: Sequence[Entry], unit: str = "us") -> Any:
    return pa.table(
        {
            "device_id": pa.array([e.device_id for e in entries], pa.string()),
            "code": pa.array([e.code for e in entries], pa.string()),
            "at": pa.array([e.at for e in entries], pa.timestamp(unit, "UTC")),
            "time_zone": pa.array([e.time_zone for e in entries], pa.string()),
            "generation": pa.array([e.generation for e in entries], pa.int64()),
        }
    )


def decided(entry: Entry, vendor: Vendor) -> str:
    """What a new lock decides."""
    token = KEYS.token(entry.device_id, entry.generation)
    reading = LockClock(vendor.profile.clock, zone(entry.time_zone)).reading(entry.at)
    decision, _ = decide(vendor.profile, token, State(generation=entry.generation), reading, 0, entry.code)
    return str(decision.reason)


def some_entries(choose: Chooser, vendor: Vendor, count: int) -> list[Entry]:
    """Codes of every family and kind, typed in their time or near it, and guesses."""
    profile, entries = vendor.profile, []
    for _ in range(count):
        device, generation = f"door-{choose.integer(0, 2)}", choose.integer(0, 1)
        f = choose.integer(0, len(profile.families) - 1)
        family = profile.families[f]
        k = choose.integer(0, len(family.kinds) - 1)
        kind = family.kinds[k]
        at = NOW + choose.integer(-100, 100) * HOUR / 4
        start = int(at.timestamp()) // family.slot - choose.integer(-2, 12)
        duration = kind.duration_at(choose.integer(0, kind.duration_count - 1))
        code = seal(profile, KEYS.token(device, generation), Grant(f, k, start, duration, choose.integer(0, kind.variants - 1)))
        if chance(choose, 4):
            code = family.prefix + symbols(choose, profile.alphabet, family.length)
        if chance(choose, 10):
            code = choose.pick(("", code[:-1], code + profile.alphabet[0], "?" * len(code), "é", f" {code}"))
        where = vendor.time_zone or choose.pick(ZONES)
        entries.append(Entry(device, code, at, where, generation))
    return entries


@given(st.data())
@settings(max_examples=60)
def test_a_table_s_reasons_are_those_that_a_new_lock_gives(data: st.DataObject) -> None:
    choose = DrawChooser(data.draw)
    vendor = small_vendor(choose)
    entries = some_entries(choose, vendor, data.draw(st.integers(0, 8)))
    made = verify(table_of(entries), KEYS, vendor)
    assert made["reason"].to_pylist() == [decided(entry, vendor) for entry in entries]
    assert made["error"].null_count == len(entries)


@pytest.mark.parametrize("seed", range(40))
def test_so_are_those_of_longer_tables(seed: int) -> None:
    choose = RandomChooser(seed)
    vendor = small_vendor(choose)
    entries = some_entries(choose, vendor, 150)
    assert verify(table_of(entries, "ns"), KEYS, vendor)["reason"].to_pylist() == [decided(entry, vendor) for entry in entries]


@pytest.mark.parametrize("name", ["igloo", "standard", "oracode"])
def test_what_was_generated_opens_and_a_stream_says_so_too(name: str) -> None:
    vendor = load(name)
    starts = [NOW + i % 24 * HOUR for i in range(200)]
    table = pa.table(
        {
            "device_id": [f"door-{i % 20}" for i in range(200)],
            "starts_at": pa.array(starts, pa.timestamp("s", "UTC")),
            "ends_at": pa.array([start + 20 * HOUR for start in starts], pa.timestamp("s", "UTC")),
        }
    )
    made = generate(table, KEYS, vendor, now=NOW, time_zone="Europe/Berlin", max_time_rounding="1d")
    table = made.filter(made["error"].is_null()).append_column("at", made.filter(made["error"].is_null())["granted_starts_at"])
    table = table.drop_columns(["error", "error_text"])
    assert table.num_rows > 50
    assert set(verify(table, KEYS, vendor, time_zone="Europe/Berlin")["reason"].to_pylist()) == {"opened"}
    reader = verify(table.to_reader(max_chunksize=11), KEYS, vendor, time_zone="Europe/Berlin")
    assert isinstance(reader, pa.RecordBatchReader)
    assert set(reader.read_all()["reason"].to_pylist()) == {"opened"}


def test_a_row_that_no_lock_can_be_asked_about_says_why_and_the_others_are_judged() -> None:
    table = pa.table(
        {
            "device_id": pa.array(["door", None, "", "door", "door", "door", "door", "other"]),
            "code": pa.array(["123456789", "1", "1", None, "123456789", "1", "1", "123456789"]).dictionary_encode(),
            "at": pa.array([NOW, NOW, NOW, NOW, None, NOW, NOW, NOW], pa.timestamp("s", "UTC")),
            "time_zone": [None] * 5 + ["Nowhere/Land", None, None],
            "generation": [0, 0, 0, 0, 0, 0, -1, 0],
        }
    )
    made = verify(table, ImportedTokens({"door": KEYS.token("door")}), "igloo")
    lost = "invalid_device_id"
    assert made["error"].to_pylist() == [None, lost, lost, "invalid_request", "invalid_request", "unknown_time_zone", "invalid_key", lost]
    assert made["reason"].to_pylist() == ["unknown"] + [None] * 7


def test_tokens_may_stand_in_the_table() -> None:
    token = KEYS.token("door")
    code = generate(
        pa.table(
            {
                "device_id": ["door"],
                "starts_at": pa.array([NOW], pa.timestamp("s", "UTC")),
                "ends_at": pa.array([NOW + HOUR], pa.timestamp("s", "UTC")),
                "token": [token.export()],
            }
        ),
        MasterKey(bytes(32)),
        "igloo",
        now=NOW,
    )["code"]
    at = pa.array([NOW], pa.timestamp("s", "UTC"))
    table = pa.table({"device_id": ["door"], "code": code, "at": at, "token": [token.export()]})
    assert verify(table, MasterKey(bytes(32)), "igloo")["reason"].to_pylist() == ["opened"]
    assert verify(table.drop_columns(["token"]), KEYS, "igloo")["reason"].to_pylist() == ["opened"]


def test_a_table_without_its_columns_is_one_error() -> None:
    with pytest.raises(BatchError, match="no column 'at'"):
        verify(pa.table({"device_id": ["door"], "code": ["1"]}), KEYS, "igloo")
