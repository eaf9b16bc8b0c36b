"""Many random sessions at many locks, fast and repeatable: ``python -m offlinepin.testing.campaign --entries 200000 --seed 1``.
It counts what must never happen, and exits 1 if it did."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from offlinepin.testing.actions import STARTS, WEIGHTS, sweep
from offlinepin.testing.adapter import DoorUnderTest, LockFactory, counted_windows, tight_door
from offlinepin.testing.bench import Bench, Counts, Fault, LockStoppedError, WrongLockError
from offlinepin.testing.choosing import RandomChooser, chance
from offlinepin.testing.profiles import small_vendor
from offlinepin.vendor import Vendor, discover, load

GENERATED: Final = "generated"
PER_SESSION: Final = 250
LOCKS: Final[tuple[LockFactory, ...]] = (*[DoorUnderTest] * 7, tight_door)
_WORLDS: Final = 400  # a session with more possible conditions tells too little, and ends
_RULES: Final = [rule for rule, weight in WEIGHTS.items() for _ in range(weight)]


@dataclass(frozen=True, slots=True)
class Finding:
    """A law that was broken, and where: the session and step from which it can be seen again."""

    fault: Fault
    vendor: str
    session: int
    step: int
    message: str


@dataclass(slots=True)
class Result:
    """What a campaign, or a part of one, has counted.

    Attributes:
        product_windows, service_windows: the greatest number of windows deciphered for one entry in one family of the product, and in
            one family of service codes.
        state_bytes: the size of the state by vendor, and its bound.
    """

    sessions: int = 0
    entries: int = 0
    cuts: int = 0
    sweeps: int = 0
    openings: int = 0
    writes: int = 0
    product_windows: int = 0
    service_windows: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    state_bytes: dict[str, tuple[int, int]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def add(self, other: Result) -> None:
        """Add another part."""
        for name in ("sessions", "entries", "cuts", "sweeps", "openings", "writes"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("product_windows", "service_windows"):
            setattr(self, name, max(getattr(self, name), getattr(other, name)))
        self.reasons.update(other.reasons)
        self.state_bytes.update(other.state_bytes)
        self.findings.extend(other.findings)

    def lines(self) -> Iterator[str]:
        """The counts in words."""
        yield f"sessions: {self.sessions:,}"
        yield f"entries: {self.entries:,}"
        yield f"power cuts: {self.cuts:,} ({self.sweeps:,} of them in sweeps over every write of an entry)"
        yield f"openings: {self.openings:,}"
        yield "answers: " + ", ".join(f"{reason} {count:,}" for reason, count in self.reasons.most_common())
        found = Counter(finding.fault for finding in self.findings)
        for fault in Fault:
            yield f"{fault}: {found[fault]}"
        yield f"flash writes per entry: {self.writes / max(1, self.entries):.1f} words"
        yield f"greatest number of windows deciphered per entry and family: {self.product_windows}, of service codes {self.service_windows}"
        for vendor, (size, limit) in sorted(self.state_bytes.items()):
            yield f"state of {vendor}: {size:,} bytes, at most {limit:,}"


def run(
    entries: int,
    seed: int,
    vendors: Sequence[str] | None = None,
    jobs: int = 1,
    factories: Sequence[LockFactory] = LOCKS,
    per_session: int = PER_SESSION,
    stop_at_first: bool = False,
) -> Result:
    """Run a campaign.

    Args:
        entries: about how many entries are typed; the last session is finished.
        seed: the same seed does the same.
        vendors: names of plug-ins, and ``generated`` for generated products; by default all of them, and as many generated ones.
        jobs: processes. Factories that cannot cross to another process need 1.
        factories: make the locks; each session takes one of them.
        per_session: entries typed at one lock.
        stop_at_first: end at the first finding.
    """
    names = tuple(vendors) if vendors else (*discover(), *[GENERATED] * max(1, len(discover())))
    whole = Result()
    sessions = range(max(1, -(-entries // per_session)))
    if jobs == 1:
        for session in sessions:
            whole.add(run_session(seed, session, names[session % len(names)], factories, per_session))
            if (stop_at_first and whole.findings) or whole.entries >= entries:
                break
        return whole
    with ProcessPoolExecutor(jobs) as pool:
        parts = [pool.submit(run_session, seed, s, names[s % len(names)], factories, per_session) for s in sessions]
        for part in parts:
            whole.add(part.result())
            if stop_at_first and whole.findings:
                pool.shutdown(cancel_futures=True)
                break
    return whole


def run_session(
    seed: int,
    session: int,
    vendor: str,
    factories: Sequence[LockFactory] = LOCKS,
    per_session: int = PER_SESSION,
    log: list[str] | None = None,
) -> Result:
    """One lock's session. ``log`` gets what was done, line by line."""
    choose = RandomChooser(f"{seed}/{session}")
    product = small_vendor(choose) if vendor == GENERATED else _vendor(vendor)
    result = Result(sessions=1)
    key = hashlib.sha256(f"{seed}/{session}".encode()).digest()
    step = 0
    bench: Bench | None = None
    with counted_windows() as windows:
        try:
            bench = Bench(product, choose.pick(STARTS), choose.pick(factories), key, follows_dst=not chance(choose, 4))
            if vendor != GENERATED:
                result.state_bytes[vendor] = bench.lock.state_bytes, 256 + 16 * bench.profile.lock.capacity
            sweep_at = choose.integer(1, per_session // 2) if chance(choose, 3) else -1
            while bench.counts.entries < per_session and len(bench.worlds) <= _WORLDS:
                step += 1
                windows.clear()
                typed = bench.counts.entries
                choose.pick(_RULES)(bench, choose)
                if bench.counts.entries == typed + 1:
                    _count_windows(result, windows, product)
                if sweep_at >= 0 and bench.counts.entries >= sweep_at and bench.pins:
                    sweep_at, cuts = -1, bench.counts.cuts
                    sweep(bench, choose)
                    result.sweeps += bench.counts.cuts - cuts
        except LockStoppedError:
            pass
        except WrongLockError as wrong:
            result.findings.append(Finding(wrong.fault, vendor, session, step, str(wrong)))
    if bench is not None:
        _take(result, bench.counts)
        result.writes = bench.lock.writes
        if log is not None:
            log.extend(bench.log)
    return result


def _take(result: Result, counts: Counts) -> None:
    result.entries, result.cuts, result.openings = counts.entries, counts.cuts, counts.openings
    result.reasons.update(counts.reasons)


def _count_windows(result: Result, windows: Counter[int], vendor: Vendor) -> None:
    for index, count in windows.items():
        actions = {kind.action for kind in vendor.profile.families[index].kinds}
        if actions <= {"unlock", "passage"}:
            result.product_windows = max(result.product_windows, count)
        else:
            result.service_windows = max(result.service_windows, count)


@lru_cache
def _vendor(name: str) -> Vendor:
    return load(name)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 up")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Exit status 1 if a law was broken."""
    parser = argparse.ArgumentParser(prog="python -m offlinepin.testing.campaign", description=__doc__)
    parser.add_argument("--entries", type=_positive, default=20_000, help="how many entries are typed (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed does the same (default %(default)s)")
    parser.add_argument(
        "--vendor",
        action="append",
        choices=(*discover(), GENERATED),
        metavar="VENDOR",
        help=f"a plug-in's name, or {GENERATED}; may be given again; all by default",
    )
    parser.add_argument("--jobs", type=_positive, default=2, help="processes (default %(default)s)")
    parser.add_argument("--session", type=int, help="do this one session again, and print what was done at the lock")
    options = parser.parse_args(arguments)
    if options.session is not None:
        if not options.vendor or len(options.vendor) != 1:
            parser.error("--session needs the --vendor that was printed with it")
        log: list[str] = []
        result = run_session(options.seed, options.session, options.vendor[0], log=log)
        print("\n".join(log))
    else:
        result = run(options.entries, options.seed, options.vendor, options.jobs)
    print("\n".join(result.lines()))
    for finding in result.findings[:10]:
        print(f"\n{finding.message}\n  {finding.vendor}, session {finding.session}, step {finding.step}; see it again with")
        print(f"  python -m offlinepin.testing.campaign --seed {options.seed} --vendor {finding.vendor} --session {finding.session}")
    return 1 if result.findings else 0


if __name__ == "__main__":
    sys.exit(main())
