"""The lock's log: every entry with its reason, the latest ones only, and never a code."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from offlinepin import Issuer, MasterKey
from offlinepin.engine.payload import Grant
from offlinepin.lock.audit import AuditEntry, AuditLog
from offlinepin.lock.decide import Decision, Reason
from offlinepin.lock.door import Door
from offlinepin.vendor import load

NOW = datetime(2027, 7, 1, 15, 5, tzinfo=UTC)
SHOWN = int(NOW.timestamp())
HOUR = timedelta(hours=1)
KEYS = MasterKey(bytes(range(32)))


def test_an_entry_says_when_why_and_which_code_but_not_the_code() -> None:
    issuer = Issuer(KEYS, "standard")
    door = Door(issuer.provision("door"), NOW)
    pin = issuer.issue("door", NOW - NOW.minute * timedelta(minutes=1), NOW + HOUR, one_time=True, now=NOW)
    for code in (pin.code, pin.code, "000000000", "12"):
        door.enter(code, NOW)
    door.clock.lose()
    door.enter("000000001", NOW)
    start = int(pin.starts_at.timestamp())
    assert door.audit.entries() == [
        AuditEntry(SHOWN, "opened", "access.onetime", start),
        AuditEntry(SHOWN, "used", "access.onetime", start),
        AuditEntry(SHOWN, "unknown", None, None),
        AuditEntry(SHOWN, "malformed", None, None),
        AuditEntry(None, "clock_lost", None, None),
    ]
    lines = door.audit.json_lines().splitlines()
    assert json.loads(lines[0]) == {"time": SHOWN, "reason": "opened", "kind": "access.onetime", "start": start}
    assert json.loads(lines[4]) == {"time": None, "reason": "clock_lost", "kind": None, "start": None}


@given(st.lists(st.integers(0, 10**6), max_size=30), st.integers(1, 10))
def test_the_log_is_a_ring_of_the_latest_entries_oldest_first(times: list[int], size: int) -> None:
    log = AuditLog(size=size)
    for time in times:
        log.add(load("standard").profile, time, Decision(Reason.UNKNOWN))
    assert [entry.time for entry in log.entries()] == times[-size:]
    assert [json.loads(line)["time"] for line in log.json_lines().splitlines()] == times[-size:]
    assert log.json_lines() == "" or log.json_lines().endswith("}\n")


@given(st.sampled_from(list(Reason)), st.integers(400_000, 600_000))
def test_every_reason_has_its_line(reason: Reason, start: int) -> None:
    log = AuditLog()
    log.add(load("igloo").profile, 5, Decision(reason, Grant(0, 0, start, 1, 0)))
    assert json.loads(log.json_lines()) == {"time": 5, "reason": str(reason), "kind": "access.hourly", "start": start * 3600}


@given(st.data())
@settings(max_examples=25)
def test_no_code_that_was_typed_is_in_the_log(data: st.DataObject) -> None:
    issuer = Issuer(KEYS, "igloo")
    door = Door(issuer.provision("door"), NOW)
    start = NOW - NOW.minute * timedelta(minutes=1)
    pins = [issuer.issue("door", start - back * HOUR, start + 40 * HOUR, now=NOW) for back in range(2)]
    pins.append(issuer.issue("door", start, start + 24 * HOUR, one_time=True, now=NOW))
    codes = [pin.code for pin in pins]
    codes += [issuer.revoke(pins[0]).code, issuer.clear("door", now=NOW).code, issuer.set_clock("door", now=NOW).code]
    codes += [issuer.rotate("door", now=NOW).code, "135792468", "99999999999999"]
    typed = data.draw(st.lists(st.sampled_from(codes), min_size=1, max_size=12))
    at = NOW
    for code in typed:
        at += HOUR
        door.enter(data.draw(st.sampled_from(["", "37"])) + code, at)
    text = door.audit.json_lines()
    assert len(text.splitlines()) == len(typed)
    for code in codes:
        assert code not in text
        assert code.lstrip("0") not in text
    assert all(set(json.loads(line)) == {"time", "reason", "kind", "start"} for line in text.splitlines())
