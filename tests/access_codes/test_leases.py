"""One worker at a time tells a lock of an access code: what is asked meanwhile comes after it, and after a kill once the lease is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from offlinepin.access_codes import AccessCodes, Store, lifecycle
from offlinepin.access_codes.connections import Caution, NativeCode
from offlinepin.access_codes.errors import AccessCodeNotFoundError
from offlinepin.access_codes.lifecycle import LEASE
from offlinepin.keys import MasterKey


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Door:
    """A lock without time frames, to which every way is long: something else can happen before it hears what it is told."""

    there: dict[str, str] = field(default_factory=dict)
    meanwhile: Callable[[], object] | None = None
    schedules: bool = False
    code_lengths: tuple[int, ...] = (4,)
    capacity: int | None = None

    def problem(self) -> str | None:
        return None

    def program(self, code: NativeCode, now: datetime) -> tuple[Caution, ...]:  # noqa: ARG002
        happens, self.meanwhile = self.meanwhile, None
        if happens is not None:
            happens()
        self.there[code.reference] = code.code
        return ()

    def remove(self, reference: str, now: datetime) -> None:  # noqa: ARG002
        self.there.pop(reference, None)

    def codes(self, now: datetime) -> tuple[NativeCode, ...]:  # noqa: ARG002
        return tuple(NativeCode(reference, code, "") for reference, code in self.there.items())


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def codes(where: str, keys: MasterKey, door: Door, now: datetime) -> Iterator[AccessCodes]:
    store = Store.open(where, keys, {"door": lambda _: door})
    yield AccessCodes(store, store.create_workspace("house", now=now))
    store.close()


@pytest.fixture
def device_id(codes: AccessCodes, now: datetime) -> str:
    return codes.register_device("Back door", None, connection="door", now=now).device_id


def test_a_code_that_is_deleted_while_it_is_being_set_does_not_stay_on_the_lock(
    codes: AccessCodes, door: Door, device_id: str, now: datetime
) -> None:
    made = codes.create(device_id, now=now)
    door.meanwhile = lambda: codes.delete(made.access_code_id, sync=True, now=now)
    for _ in range(2):
        codes.tick(now)
    assert door.there == {}
    with pytest.raises(AccessCodeNotFoundError):
        codes.get(made.access_code_id)
    events = [event.event_type.removeprefix("access_code.") for event in reversed(codes.get_timeline(made.access_code_id))]
    assert events == ["created", "removed_from_device", "deleted"]


def test_of_two_changes_at_once_the_lock_has_the_later(codes: AccessCodes, door: Door, device_id: str, now: datetime) -> None:
    made = codes.create(device_id, code="1111", now=now)
    door.meanwhile = lambda: codes.update(made.access_code_id, code="2222", sync=True, now=now)
    for _ in range(2):
        codes.tick(now)
    assert door.there == {made.access_code_id: "2222"}
    shown = codes.get(made.access_code_id)
    assert (shown.code, shown.status, shown.pending_mutations) == ("2222", "set", ())


def test_a_removed_device_s_code_is_no_more_told(codes: AccessCodes, door: Door, device_id: str, now: datetime) -> None:
    made = codes.create(device_id, now=now)
    door.meanwhile = lambda: codes.remove_device(device_id, now=now)
    for _ in range(2):
        codes.tick(now)
    shown = codes.get(made.access_code_id)
    assert (shown.status, shown.pending_mutations) == ("unknown", ())


def test_after_a_kill_the_lock_is_told_again_once_the_lease_is_over(codes: AccessCodes, door: Door, device_id: str, now: datetime) -> None:
    made = codes.create(device_id, now=now)

    def kill() -> None:
        raise Killed

    door.meanwhile = kill
    with pytest.raises(Killed):
        codes.tick(now)
    codes.update(made.access_code_id, code="2222", now=now)
    codes.tick(now + LEASE - timedelta(seconds=1))
    assert door.there == {}
    codes.tick(now + LEASE)
    assert door.there == {made.access_code_id: "2222"}
    assert codes.get(made.access_code_id).status == "set"


def test_steps_that_took_long_leave_the_rest_to_the_next_tick(
    codes: AccessCodes, door: Door, device_id: str, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "_PATIENCE", 0.0)
    for _ in range(3):
        codes.create(device_id, now=now)
    for number in range(3):
        assert codes.tick(now) == 1
        assert len(door.there) == number + 1
