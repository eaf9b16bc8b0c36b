"""What the C lock costs on each part, measured on the emulator: ``python -m offlinepin.firmware.measure``, which ``make firmware`` runs.
Its exit status is 1 if a limit of docs/firmware.md is broken."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from offlinepin.engine.profile import Profile
from offlinepin.firmware.board import BoardLock
from offlinepin.firmware.build import PARTS, Builder, Toolchain, sources
from offlinepin.firmware.emulator import CodeSize, EmulatedMachine
from offlinepin.issuer import Issuer
from offlinepin.keys import MasterKey
from offlinepin.lock.decide import Reason
from offlinepin.lock.flash import Flash
from offlinepin.provisioning import Provisioning
from offlinepin.vendor import Vendor, load

CAPACITY: Final = 32
MOST_CODE: Final = 6_144  # of the standard product's codes alone, with what the compiler adds; as all of these
MOST_CODE_WITH_SERVICE: Final = 6_464  # with all service codes, as the plug-in ships it
MOST_RAM: Final = 1_504
MOST_INSTRUCTIONS: Final = 1_500_000
LIVE_CODES: Final = 72_000  # that a lock of an igloo-style product searches which keeps a list of what is live: one HMAC each
LEAST_RATIO: Final = 1_000  # times that searching takes more
_AT: Final = datetime(2027, 6, 15, 9, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Cost:
    """What the lock of the standard product costs on one part, made whole as the plug-in ships it.

    Attributes:
        code: of that lock.
        plain: of one without service codes.
        parts: of the lock that is the same for every product.
        gcc: bytes of code and table with gcc instead, without and with service codes, where Arm's gcc is there.
        state: bytes of the state and the token, the keys typed and the lock's variables.
        stack: bytes of stack at the deepest.
        wrong, opening, service, power_up: the most instructions that one of each took; ``service`` is a wrong service code.
        search: instructions of one HMAC for each of :data:`LIVE_CODES`, as a lock does that keeps a list of what may open it.
    """

    part: str
    code: CodeSize
    plain: CodeSize
    parts: CodeSize
    gcc: tuple[int, int] | None
    state: int
    stack: int
    wrong: int
    opening: int
    service: int
    power_up: int
    search: int


def product(capacity: int = CAPACITY, name: str = "standard") -> Vendor:
    """A vendor with another number of remembered codes."""
    vendor = load(name)
    policy = vendor.profile.lock.model_copy(update={"capacity": capacity})
    profile = vendor.profile.model_copy(update={"lock": policy})
    assert isinstance(profile, Profile)
    return Vendor(vendor.name, profile, time_zone=vendor.time_zone, keypad=vendor.keypad, title=vendor.title)


def without_service(provisioning: Provisioning) -> Provisioning:
    """A provisioning whose profile has its first family only, which is that of the standard product's codes."""
    document = provisioning.profile.model_dump(mode="json")
    profile = Profile.parse(document | {"families": document["families"][:1]})
    return Provisioning(provisioning.device_id, provisioning.token, profile, provisioning.time_zone, provisioning.keypad)


def sizes(builder: Builder, provisioning: Provisioning) -> tuple[CodeSize, CodeSize]:
    """The lock without service codes, and the lock for any product's table; ``builder`` makes whole ones."""
    plain = builder.build(without_service(provisioning), "plain")
    parts = replace(builder, into=builder.into.with_name("parts"), whole=False).build(provisioning, "measured")
    return EmulatedMachine(plain).code, EmulatedMachine(parts).code


def gcc_bytes(builder: Builder, provisioning: Provisioning, part: str) -> tuple[int, int] | None:
    """Code and table without and with service codes as Arm's gcc makes them; ``None`` where it is not there."""
    toolchain = Toolchain.gcc(part, builder.firmware)
    if toolchain is None:
        return None
    other = replace(builder, toolchain=toolchain, into=builder.into.with_name("gcc"))
    return other.object_bytes(without_service(provisioning), "plain"), other.object_bytes(provisioning, "measured")


def measure(part: str, firmware: Path, into: Path, openings: int = 2) -> Cost:
    """Build the standard product's lock for a part and work it: wrong entries, codes, single-use codes, service codes, snapshots."""
    issuer = Issuer(MasterKey(bytes(range(32))), product(), allow_weak=True)
    provisioning = issuer.provision("measured")
    builder = Builder(firmware, Toolchain.part(part, firmware), into / "whole", whole=True)
    program = builder.build(provisioning, "measured")
    machine = EmulatedMachine(program, part, counting=True)
    lock = BoardLock(provisioning, _AT, lambda: machine, Flash(2048, 2))
    at, most = _AT, {Reason.UNKNOWN: 0, Reason.OPENED: 0}
    service = 0

    def enter(code: str) -> tuple[Reason, int]:
        nonlocal at
        at += timedelta(hours=1)
        lock.press(code, at)
        machine.instructions = 0
        (reason,) = lock.press("#", at)
        return reason, machine.instructions

    for i in range(openings):
        pin = issuer.issue("measured", at, at + timedelta(days=3 + i), now=at)
        once = issuer.issue("measured", at, at + timedelta(hours=4), one_time=True, now=at)
        wrong = f"{(int(pin.code) + 1) % 10**9:09d}"
        for code in (wrong, pin.code, once.code, pin.code, wrong):
            reason, count = enter(code)
            most[reason] = max(most.get(reason, 0), count)
        service = max(service, enter("0" + "7" * 13)[1])
        enter(issuer.revoke(once).code)
    reason, _ = enter(issuer.rotate("measured", now=at).code)
    assert reason is Reason.OPENED
    machine.instructions = 0
    machine.check_value()  # one HMAC, and two compressions for its key, which a search does once
    search = machine.instructions // 2 * LIVE_CODES
    machine.instructions = 0
    lock.power_up(at)
    state = len(lock.image) + provisioning.keypad.max_keys + machine.lock_bytes
    plain, parts = sizes(builder, provisioning)
    return Cost(
        part=part,
        code=machine.code,
        plain=plain,
        parts=parts,
        gcc=gcc_bytes(builder, provisioning, part),
        state=state,
        stack=machine.stack_bytes,
        wrong=most[Reason.UNKNOWN],
        opening=most[Reason.OPENED],
        service=service,
        power_up=machine.instructions,
        search=search,
    )


def whole_code(size: CodeSize) -> int:
    """Bytes of the lock's code and of what the compiler adds to it."""
    return size.core + size.runtime


def lines(costs: list[Cost]) -> Iterator[str]:
    """One table."""
    names = ["", *(cost.part for cost in costs)]
    rows = [
        ("code without service codes, bytes", [whole_code(cost.plain) for cost in costs]),
        ("code with all service codes, bytes", [whole_code(cost.code) for cost in costs]),
        ("code for any product's table, bytes", [whole_code(cost.parts) for cost in costs]),
        ("the compiler's runtime in the first of these", [cost.plain.runtime for cost in costs]),
        ("the compiler's runtime in the other two", [cost.code.runtime for cost in costs]),
        ("table without service codes, bytes", [cost.plain.product for cost in costs]),
        ("table with all service codes, bytes", [cost.code.product for cost in costs]),
        *gcc_rows(costs),
        (f"memory for {CAPACITY} codes, bytes", [cost.state for cost in costs]),
        ("stack, bytes", [cost.stack for cost in costs]),
        ("memory and stack, bytes", [cost.state + cost.stack for cost in costs]),
        ("instructions of a wrong entry, at most", [cost.wrong for cost in costs]),
        ("instructions of an opening, at most", [cost.opening for cost in costs]),
        ("instructions of a wrong service code, at most", [cost.service for cost in costs]),
        ("instructions of a power-up", [cost.power_up for cost in costs]),
        (f"instructions of searching {LIVE_CODES:,} live codes", [cost.search for cost in costs]),
        ("that is so many times a wrong entry", [cost.search // cost.wrong for cost in costs]),
    ]
    yield f"{names[0]:<48}" + "".join(f"{name:>16}" for name in names[1:])
    for label, values in rows:
        yield f"{label:<48}" + "".join(f"{value:>16,}" for value in values)


def gcc_rows(costs: list[Cost]) -> Iterator[tuple[str, list[int]]]:
    """What Arm's gcc makes of it, where it is there."""
    for place, codes in enumerate(("without service codes", "with all service codes")):
        found = [cost.gcc[place] for cost in costs if cost.gcc is not None]
        if len(found) == len(costs):
            yield f"gcc: code and table {codes}, bytes", found


def broken(cost: Cost) -> Iterator[str]:
    """The limits that a cost breaks, in words."""
    limits = (
        (whole_code(cost.plain), MOST_CODE, "bytes of code without service codes"),
        (whole_code(cost.code), MOST_CODE_WITH_SERVICE, "bytes of code with all service codes"),
        (cost.state + cost.stack, MOST_RAM, "bytes of memory and stack"),
        (cost.wrong, MOST_INSTRUCTIONS, "instructions of a wrong entry"),
    )
    for value, limit, what in limits:
        if value > limit:
            yield f"{cost.part}: {value:,} {what}, at most {limit:,} are allowed"
    if cost.search < LEAST_RATIO * cost.wrong:
        yield f"{cost.part}: searching takes {cost.search // cost.wrong:,} times as long, {LEAST_RATIO:,} are wanted"


def main() -> int:
    """Print the table; exit status 1 if a limit is broken."""
    firmware = sources()
    costs = []
    for part in PARTS:
        with tempfile.TemporaryDirectory() as into:
            costs.append(measure(part, firmware, Path(into)))
    print(f"standard, capacity {CAPACITY}, instructions as emulated; a part takes 1 to 2 cycles for each")
    print("\n".join(lines(costs)))
    found = [line for cost in costs for line in broken(cost)]
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
