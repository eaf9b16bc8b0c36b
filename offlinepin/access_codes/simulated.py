"""The simulated lock: native codes in its memory, offline codes by the lock's own decision, and faults that a test can switch on.
Its memory is a row of the store, so that it survives the process and is one lock for every worker."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from pydantic import BaseModel

from offlinepin.access_codes.code_errors import ERRORS
from offlinepin.access_codes.connections import MAKERS_WARNINGS, Caution, MakersWarning, NativeCode
from offlinepin.access_codes.errors import ConnectionFault, InvalidInputError
from offlinepin.access_codes.schema import DeviceRow, SimulatedRow
from offlinepin.access_codes.work import Work
from offlinepin.engine.payload import Grant
from offlinepin.engine.profile import Action
from offlinepin.lock.decide import Reason, decide
from offlinepin.lock.layout import Layout
from offlinepin.lock.state import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from offlinepin.access_codes.store import Store

CAPACITY: Final = 250
LENGTHS: Final = (4, 5, 6, 7, 8)
SLOW_SECONDS: Final = 1200


class Fault(StrEnum):
    """What can be wrong with a simulated lock, beside any ``error_code`` of an access code."""

    OFFLINE = "offline"
    DISCONNECTED = "disconnected"
    HUB_DISCONNECTED = "hub_disconnected"
    ACCOUNT_DISCONNECTED = "account_disconnected"
    NO_SPACE = "no_space"
    DUPLICATE = "duplicate"
    REMOVED = "removed"
    FAILING = "failing"
    SLOW = "slow"


_PROBLEMS: Final = {
    Fault.OFFLINE: "device_offline",
    Fault.DISCONNECTED: "device_disconnected",
    Fault.HUB_DISCONNECTED: "hub_disconnected",
    Fault.ACCOUNT_DISCONNECTED: "account_disconnected",
    Fault.REMOVED: "device_removed",
}
_REFUSALS: Final = {
    Fault.NO_SPACE: "no_space_for_access_code_on_device",
    Fault.DUPLICATE: "duplicate_code_on_device",
}


WORDS: Final = {
    Reason.THROTTLED: "The lock takes no entries for a while: there were too many wrong ones.",
    Reason.MALFORMED: "The lock knows no codes of this form.",
    Reason.CLOCK_LOST: "The lock has lost the time, and cannot tell whether the code is valid.",
    Reason.REVOKED: "The code was revoked at the lock.",
    Reason.SUPERSEDED: "A later code has taken this one's place.",
    Reason.USED: "The code was used up.",
    Reason.TOO_EARLY: "The code is not valid yet.",
    Reason.LAPSED: "The code was not used in time.",
    Reason.EXPIRED: "The code is over.",
    Reason.OUTSIDE_HOURS: "The code does not open at this time of day, or on this day.",
    Reason.FULL: "The lock has no room left to remember the code.",
    Reason.UNKNOWN: "The lock does not know the code.",
}
"""Why a lock does not take a code, for people."""


class _Slot(BaseModel):
    reference: str
    code: str
    name: str
    starts_at: datetime | None
    ends_at: datetime | None

    def native(self, warnings: tuple[Caution, ...]) -> NativeCode:
        return NativeCode(self.reference, self.code, self.name, self.starts_at, self.ends_at, warnings)


class _Memory(BaseModel):
    """What the lock keeps. ``image`` is its state as a real lock's flash holds it; the next two are what its RAM holds besides."""

    up_since: datetime
    image: str = ""
    charged_at: int | None = None
    refused: str = ""
    generation: int = 0
    slots: tuple[_Slot, ...] = ()
    fault: str = ""
    warns: tuple[MakersWarning, ...] = ()
    schedules: bool = True
    capacity: int = CAPACITY
    lengths: tuple[int, ...] = LENGTHS
    slow_since: dict[str, datetime] = {}

    def cautions(self) -> tuple[Caution, ...]:
        return tuple(Caution(code) for code in self.warns)


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of a code that was typed.

    Attributes:
        opened: whether the door could be opened.
        reason: the lock's own word.
        action: what an accepted code does; ``None`` for one that was not accepted.
        grant: what an offline code read as.
    """

    opened: bool
    reason: Reason
    action: Action | None = None
    grant: Grant | None = None


class SimulatedConnection:
    """A :class:`offlinepin.access_codes.connections.Connection` to the simulated lock of a device.

    Args:
        store: where the lock's memory is.
        device_id: the device; its row must be there.
    """

    def __init__(self, store: Store, device_id: str) -> None:
        self._store = store
        self.device_id = device_id

    # --- the connection ---------------------------------------------------------------------------------------------

    @property
    def schedules(self) -> bool:
        """Whether the lock itself keeps time frames."""
        return self._kind.schedules

    @property
    def code_lengths(self) -> tuple[int, ...]:
        """The lengths that native codes can have."""
        return self._kind.lengths

    @property
    def capacity(self) -> int | None:
        """How many native codes the lock holds."""
        return self._read().capacity

    def problem(self) -> str | None:
        """See :meth:`offlinepin.access_codes.connections.Connection.problem`."""
        fault = self._read().fault
        return _PROBLEMS[Fault(fault)] if fault in _PROBLEMS else None

    def program(self, code: NativeCode, now: datetime) -> tuple[Caution, ...]:
        """See :meth:`offlinepin.access_codes.connections.Connection.program`."""
        return self._change(lambda memory: _program(memory, code, now), now).cautions()

    def remove(self, reference: str, now: datetime) -> None:
        """See :meth:`offlinepin.access_codes.connections.Connection.remove`."""

        def take(memory: _Memory) -> _Memory:
            slots = tuple(slot for slot in memory.slots if slot.reference != reference)
            return _delayed(memory, f"remove {reference}", now) or memory.model_copy(update={"slots": slots, "slow_since": {}})

        self._change(take, now)

    def codes(self, now: datetime) -> tuple[NativeCode, ...]:  # noqa: ARG002 - a real lock's answer is of a time
        """See :meth:`offlinepin.access_codes.connections.Connection.codes`."""
        memory = self._read()
        _refuse_if_unreachable(memory)
        return tuple(slot.native(memory.cautions()) for slot in memory.slots)

    # --- what a test does to it -------------------------------------------------------------------------------------

    def set_fault(self, fault: Fault | str | None, now: datetime | None = None) -> None:
        """Switch a fault on, or with ``None`` all faults off. A text is an ``error_code`` that programming and removing then meet."""
        if fault is not None and fault not in list(Fault) and fault not in ERRORS:
            raise InvalidInputError("fault", f"{fault!r} is no fault; there are {', '.join(Fault)} and every error_code of an access code")
        self._configure(now, fault=fault or "", slow_since={})

    def set_warnings(self, *warnings: MakersWarning, now: datetime | None = None) -> None:
        """What the maker's side warns of from now on, at every code of the lock; nothing ends that."""
        unknown = sorted(set(warnings) - set(MAKERS_WARNINGS))
        if unknown:
            raise InvalidInputError("warnings", f"{unknown[0]!r} is no warning of a maker's; there are {', '.join(MAKERS_WARNINGS)}")
        self._configure(now, warns=warnings)

    def configure(
        self,
        *,
        schedules: bool | None = None,
        capacity: int | None = None,
        lengths: tuple[int, ...] | None = None,
        now: datetime | None = None,
    ) -> None:
        """What kind of lock it is: whether it schedules by itself, how many codes it holds, and of which lengths."""
        given = {"schedules": schedules, "capacity": capacity, "lengths": lengths}
        self._configure(now, **{name: value for name, value in given.items() if value is not None})

    def modify_outside(self, reference: str, code: str, now: datetime | None = None) -> None:
        """Somebody changes a code at the lock itself."""

        def other(slot: _Slot) -> _Slot:
            return slot.model_copy(update={"code": code}) if slot.reference == reference else slot

        self._by_hand(lambda slots: tuple(other(slot) for slot in slots), now)

    def erase_outside(self, reference: str, now: datetime | None = None) -> None:
        """Somebody removes a code at the lock itself."""
        self._by_hand(lambda slots: tuple(slot for slot in slots if slot.reference != reference), now)

    def add_outside(self, name: str, code: str, now: datetime | None = None) -> str:
        """Somebody adds a code at the lock itself; returns the reference under which the lock tells it."""
        return self._store.write(lambda work: add_outside(work, self.device_id, name, code), now).reference

    # --- the keypad -------------------------------------------------------------------------------------------------

    def enter(self, code: str, now: datetime | None = None) -> Entry:
        """Type a code at the keypad: a native one, or an offline one, which the lock reads by itself."""
        return self._store.write(lambda work: enter(work, self.device_id, code), now)

    @cached_property
    def _kind(self) -> _Memory:
        """What kind of lock it is: looked up once, as the connection to a real lock knows it."""
        return self._read()

    # --- its memory -------------------------------------------------------------------------------------------------

    def _read(self) -> _Memory:
        return self._store.read(lambda work: _load(work, self.device_id)[1])

    def _configure(self, now: datetime | None, **update: object) -> None:
        def change(work: Work) -> None:
            row, memory = _load(work, self.device_id)
            _keep(work, row, memory.model_copy(update=update))

        self._store.write(change, now)
        self.__dict__.pop("_kind", None)

    def _by_hand(self, change: Callable[[tuple[_Slot, ...]], tuple[_Slot, ...]], now: datetime | None) -> None:
        """What somebody does to the codes at the lock itself."""

        def at_lock(work: Work) -> None:
            row, memory = _load(work, self.device_id)
            _keep(work, row, memory.model_copy(update={"slots": change(memory.slots)}))

        self._store.write(at_lock, now)

    def _change(self, step: Callable[[_Memory], _Memory], now: datetime) -> _Memory:
        """One change through the connection, with the faults in its way. A delay is kept before it is told."""

        def change(work: Work) -> _Memory:
            row, memory = _load(work, self.device_id)
            _refuse_if_unreachable(memory)
            after = step(memory)
            _keep(work, row, after)
            return after

        after = self._store.write(change, now)
        if after.slow_since:
            raise ConnectionFault("august_device_programming_delay", is_pending=True)
        return after


def enter(work: Work, device_id: str, code: str) -> Entry:
    """Somebody types a code at the keypad."""
    row, memory = _load(work, device_id)
    entry, after = _typed(work, memory, device_id, code)
    _keep(work, row, after)
    return entry


def add_outside(work: Work, device_id: str, name: str, code: str) -> NativeCode:
    """Somebody adds a code at the lock itself: as the lock tells it."""
    row, memory = _load(work, device_id)
    slot = _Slot(reference=f"outside-{uuid4()}", code=code, name=name, starts_at=None, ends_at=None)
    _keep(work, row, memory.model_copy(update={"slots": (*memory.slots, slot)}))
    return slot.native(memory.cautions())


def _refuse_if_unreachable(memory: _Memory) -> None:
    if memory.fault in _PROBLEMS:
        raise ConnectionFault(_PROBLEMS[Fault(memory.fault)])


def _delayed(memory: _Memory, what: str, now: datetime) -> _Memory | None:
    """The memory of a slow lock that has not done it yet; ``None`` if it is done."""
    if memory.fault != Fault.SLOW:
        if memory.fault == Fault.FAILING:
            raise ConnectionFault("failed_to_remove_from_device" if what.startswith("remove") else "failed_to_set_on_device")
        if memory.fault in ERRORS:
            raise ConnectionFault(memory.fault)
        return None
    since = memory.slow_since.get(what, now)
    if (now - since).total_seconds() >= SLOW_SECONDS:
        return None
    return memory.model_copy(update={"slow_since": {**memory.slow_since, what: since}})


def _program(memory: _Memory, code: NativeCode, now: datetime) -> _Memory:
    others = tuple(slot for slot in memory.slots if slot.reference != code.reference)
    if memory.fault in _REFUSALS:
        raise ConnectionFault(_REFUSALS[Fault(memory.fault)])
    if any(slot.code == code.code and _overlap(slot, code) for slot in others):
        raise ConnectionFault("duplicate_code_on_device")
    if len(others) >= memory.capacity:
        raise ConnectionFault("no_space_for_access_code_on_device")
    slot = _Slot(reference=code.reference, code=code.code, name=code.name, starts_at=code.starts_at, ends_at=code.ends_at)
    return _delayed(memory, f"program {code.reference}", now) or memory.model_copy(update={"slots": (*others, slot), "slow_since": {}})


def _overlap(slot: _Slot, code: NativeCode) -> bool:
    before = slot.ends_at is not None and code.starts_at is not None and slot.ends_at <= code.starts_at
    after = slot.starts_at is not None and code.ends_at is not None and code.ends_at <= slot.starts_at
    return not (before or after)


def _load(work: Work, device_id: str) -> tuple[SimulatedRow | None, _Memory]:
    row = work.session.get(SimulatedRow, device_id, with_for_update=True)
    if row is None:
        return None, _Memory(up_since=work.now)
    return row, _Memory.model_validate_json(work.store.vault.open(row.memory, f"lock/{device_id}"))


def _keep(work: Work, row: SimulatedRow | None, memory: _Memory, device_id: str = "") -> None:
    name = device_id if row is None else row.device_id
    sealed = work.store.vault.seal(memory.model_dump_json().encode(), f"lock/{name}")
    if row is None:
        work.session.add(SimulatedRow(device_id=name, memory=sealed))
    else:
        row.memory = sealed


def install(work: Work, device: DeviceRow) -> None:
    """Give a new device its simulated lock, with the token's generation that it is provisioned with."""
    _keep(work, None, _Memory(up_since=work.now, generation=device.generation), device.device_id)


def _typed(work: Work, memory: _Memory, device_id: str, code: str) -> tuple[Entry, _Memory]:
    for slot in memory.slots:
        if (
            slot.code == code
            and (slot.starts_at is None or slot.starts_at <= work.now)
            and (slot.ends_at is None or work.now < slot.ends_at)
        ):
            return Entry(True, Reason.OPENED, Action.UNLOCK), memory
    device = work.session.get(DeviceRow, device_id)
    assert device is not None  # a foreign key
    if device.product_id is None or device.credentials == "missing":
        return Entry(False, Reason.UNKNOWN), memory
    issuer = work.issuer(device)
    name = device.time_zone or next(iter(device.plausible_time_zones), None)
    door = issuer.provision(device_id, time_zone=name, generation=memory.generation)
    layout = Layout(door.profile)
    state = layout.decode(bytes.fromhex(memory.image)) if memory.image else State(generation=door.token.generation)
    state = replace(state, charged_at=memory.charged_at, refused=bytes.fromhex(memory.refused) or None)
    uptime = max(0, int((work.now - memory.up_since).total_seconds()))
    decision, after = decide(door.profile, door.token, state, door.clock.reading(work.now), uptime, code, masked=door.keypad.masking)
    kept = memory.model_copy(
        update={
            "image": layout.encode(after).hex(),
            "charged_at": after.charged_at,
            "refused": (after.refused or b"").hex(),
            "generation": memory.generation + (decision.action is Action.ROTATE),
        }
    )
    return Entry(decision.bolt_moves, decision.reason, decision.action, decision.grant), kept
