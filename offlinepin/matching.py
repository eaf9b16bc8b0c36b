"""From a request to a grant: which family and kind serve it, rounded to their slots and durations. The one place that rounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from offlinepin.engine.clock import LockClock, check_moment
from offlinepin.engine.payload import Grant, life
from offlinepin.engine.profile import Action, Family, Kind
from offlinepin.errors import (
    EndBeforeStartError,
    EndInPastError,
    EndRequiredError,
    InvalidTimeRangeError,
    RequestError,
    TimeOutOfRangeError,
    TooLongError,
    UnknownKindError,
)
from offlinepin.vendor import Rounding, Vendor

_ROUNDINGS = {"1hour": timedelta(hours=1), "1h": timedelta(hours=1), "1day": timedelta(days=1), "1d": timedelta(days=1)}


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody wants of a lock.

    Attributes:
        starts_at: when the code should begin to open.
        ends_at: when it should stop; ``None`` for no end, or for the only duration of its kind.
        one_time: whether it should open once only.
        kind: a kind's name, to choose it; ``None`` takes whichever fits best.
        level: a family's name (a user level), to choose it.
        max_time_rounding: how far each end may be moved; ``None`` is the vendor's usual limit.
    """

    starts_at: datetime
    ends_at: datetime | None = None
    one_time: bool = False
    kind: str | None = None
    level: str | None = None
    max_time_rounding: timedelta | None = None

    def check(self, now: datetime) -> None:
        """Refuse times that make no request at all. Raises errors of :class:`RequestError`."""
        check_moment(self.starts_at, "the start")
        if self.ends_at is None:
            return
        check_moment(self.ends_at, "the end")
        if self.ends_at <= self.starts_at:
            raise EndBeforeStartError(f"the end {self.ends_at.isoformat()} must be later than the start {self.starts_at.isoformat()}")
        if self.ends_at <= now:
            raise EndInPastError(f"the end {self.ends_at.isoformat()} is over already; it is {now.isoformat()}")


def parse_rounding(text: str) -> timedelta:
    """``1hour``, ``1h``, ``1day`` or ``1d``, as access-code APIs write the largest rounding allowed."""
    if text not in _ROUNDINGS:
        raise RequestError(f"the largest rounding must be one of {', '.join(_ROUNDINGS)}, not {text!r}")
    return _ROUNDINGS[text]


@dataclass(frozen=True, slots=True)
class Fit:
    """How a kind would serve a request: the grant (its variant is still 0), and how far its ends lie outside the request, in seconds.

    A negative number lies inside: the guest loses that time, which only a level with fixed times does.
    """

    grant: Grant
    before: int
    after: int

    @property
    def excess(self) -> int:
        return abs(self.before) + abs(self.after)


@dataclass(frozen=True, slots=True)
class _Miss:
    kind: str
    problem: str
    too_long: bool = False


def match(vendor: Vendor, clock: LockClock, request: Request, now: datetime) -> Fit:
    """The grant that serves a request with the least change to its times; equal ones in the profile's order.

    A request that began so long ago that its code would have lapsed unused is served from ``now`` on.

    Raises:
        InvalidTimeRangeError: nothing fits within the rounding allowed; the message names what comes nearest, for each kind.
        TooLongError: it is longer than every kind allows.
        EndRequiredError: no end was given, and the profile has neither an endless nor a single duration for it.
        UnknownKindError: the profile has no such kind or level, or no one-time kind.
    """
    choices = list(_choices(vendor, request))
    if not choices:
        raise UnknownKindError(_no_choice(vendor, request))
    low, high = clock.span(request.starts_at, request.ends_at)
    present = clock.reading(now)
    fits: list[Fit] = []
    misses: list[_Miss] = []
    for grant, family, kind in choices:
        rounding = vendor.rounding_of(family)
        found = _fit(grant, family, kind, rounding, request, low, high)
        if isinstance(found, Fit):
            use_by = life(vendor.profile, found.grant).use_by
            if use_by is not None and use_by <= present:
                found = _fit(grant, family, kind, rounding, request, present, high)
        if isinstance(found, Fit):
            fits.append(found)
        else:
            misses.append(found)
    if fits:
        return min(fits, key=lambda fit: fit.excess)
    problems = "; ".join(f"{miss.kind}: {miss.problem}" for miss in misses)
    if request.ends_at is None:
        raise EndRequiredError(f"an end is required here: {problems}")
    if all(miss.too_long for miss in misses):
        raise TooLongError(f"{_words(request)} is longer than vendor {vendor.name!r} allows: {problems}")
    raise InvalidTimeRangeError(f"no kind of vendor {vendor.name!r} fits {_words(request)}: {problems}")


def _choices(vendor: Vendor, request: Request) -> Iterator[tuple[Grant, Family, Kind]]:
    """The kinds that a request may use, as blank grants."""
    for f, family in enumerate(vendor.profile.families):
        if request.level == family.name or (request.level is None and family.name not in vendor.only_by_level):
            for k, kind in enumerate(family.kinds):
                if request.kind is None:
                    wanted = kind.action is Action.UNLOCK and bool(kind.uses) == request.one_time
                else:
                    wanted = kind.name == request.kind and (bool(kind.uses) or not request.one_time)
                if wanted:
                    yield Grant(f, k, 0, 0, 0), family, kind


def _no_choice(vendor: Vendor, request: Request) -> str:
    profile = vendor.profile
    if request.level is not None:
        profile.family_index(request.level)  # names the levels if it is unknown
    names = ", ".join(
        f"{k.name}{' (one-time)' if k.uses else ''}" for f in profile.families for k in f.kinds if request.level in (None, f.name)
    )
    wanted = f"no kind {request.kind!r}" if request.kind else f"no {'one-time' if request.one_time else 'reusable'} kind"
    return f"vendor {vendor.name!r} has {wanted}{' that is one-time' if request.kind and request.one_time else ''}; it has {names}"


def _fit(blank: Grant, family: Family, kind: Kind, rounding: Rounding, request: Request, low: int, high: int | None) -> Fit | _Miss:
    """One kind's grant for the readings [low, high), or why it has none within the limit."""
    label = kind.name if len(family.kinds) > 1 else family.name if request.kind is None else kind.name
    limit = rounding.limit(request.max_time_rounding)
    seconds = None if limit is None else limit // timedelta(seconds=1)
    half = family.slot // 2 if rounding.nearest else 0
    start = (low - kind.opens + half) // family.slot
    if start < 0:
        raise TimeOutOfRangeError(f"the start {request.starts_at.isoformat()} is before 1970 on the lock's clock")
    before = low - (start * family.slot + kind.opens)
    duration = _duration(family, kind, start, high, rounding.nearest)
    if duration is None:
        return _no_duration(label, family, kind, high)
    after = 0 if not duration or high is None else (start + duration) * family.slot + kind.closes - high
    if seconds is not None and (abs(before) > seconds or abs(after) > seconds):
        return _Miss(label, _how_far(family, kind, start, high, before, after, seconds, rounding.nearest))
    return Fit(Grant(blank.family, blank.kind, start, duration, 0), before, after)


def _duration(family: Family, kind: Kind, start: int, high: int | None, nearest: bool) -> int | None:
    """The duration for an end; without one, the endless duration or the only one. ``None`` when there is none."""
    if high is None:
        return 0 if kind.endless else kind.duration_at(0) if kind.duration_count == 1 else None
    needed = -((start * family.slot + kind.closes - high) // family.slot)
    up, down = kind.shortest_from(needed), kind.longest_to(needed - 1)
    if not nearest or up is None or down is None:
        return down if up is None and nearest else up
    over = (start + up) * family.slot + kind.closes - high
    under = high - ((start + down) * family.slot + kind.closes)
    return up if over <= under else down


def _no_duration(label: str, family: Family, kind: Kind, high: int | None) -> _Miss:
    if high is None:
        return _Miss(label, f"it needs an end; its durations in {_unit(family)} are {kind.describe_durations()}")
    longest = max(r[-1] for r in kind.ranges)
    most = f"at most {longest} {_unit(family)} ({_length(longest * family.slot)})" if longest else "only without an end"
    return _Miss(label, most, too_long=True)


def _how_far(family: Family, kind: Kind, start: int, high: int | None, before: int, after: int, limit: int, nearest: bool) -> str:
    """What a kind offers next to a request that it cannot serve."""
    parts = []
    if nearest:
        times = f"from {_time_of_day(kind.opens)} to {_time_of_day(kind.closes)}"
        parts.append(f"its times are {times}, the start is {_length(abs(before))} off and the end {_length(abs(after))}")
    else:
        if before > limit:
            parts.append(f"it would begin {_length(before)} early")
        if after > limit and high is not None:
            needed = -((start * family.slot + kind.closes - high) // family.slot)
            shorter, longer = kind.longest_to(needed), kind.shortest_from(needed)
            names = [
                f"{word} {_length(d * family.slot)}" for word, d in (("the next shorter is", shorter), ("the next longer", longer)) if d
            ]
            parts.append(f"{' and '.join(names)}, which would end {_length(after)} late")
    return f"{', '.join(parts)}; at most {_length(limit)} is allowed"


def _unit(family: Family) -> str:
    return {3600: "hours", 86_400: "days"}.get(family.slot, f"slots of {family.slot} s")


def _time_of_day(seconds: int) -> str:
    minutes = seconds % 86_400 // 60
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _length(seconds: int) -> str:
    """A length of time in the largest units that express it exactly."""
    parts = []
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts) or "0 s"


def _words(request: Request) -> str:
    end = request.ends_at.isoformat() if request.ends_at else "no end"
    return f"{request.starts_at.isoformat()} to {end}"
