"""From a request to a grant: which family and kind serve it, rounded to their slots and durations. The one place that rounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, TypeVar

from offlinepin.engine.clock import LockClock, check_moment, length_in_words
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

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

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
        largest = self.max_time_rounding
        if largest is not None and (not isinstance(largest, timedelta) or largest < timedelta()):
            raise RequestError(f"the largest rounding must be a timedelta of 0 or more, or 1h or 1d, not {largest!r}")
        check_moment(self.starts_at, "the start")
        if self.ends_at is None:
            return
        check_moment(self.ends_at, "the end")
        end = self.ends_at.astimezone(UTC)  # two times of one zone would be compared as the wall shows them
        if end <= self.starts_at.astimezone(UTC):
            raise EndBeforeStartError(f"the end {self.ends_at.isoformat()} must be later than the start {self.starts_at.isoformat()}")
        if end <= now.astimezone(UTC):
            raise EndInPastError(f"the end {self.ends_at.isoformat()} is over already; it is {now.isoformat()}")


def parse_rounding(text: str) -> timedelta:
    """``1hour``, ``1h``, ``1day`` or ``1d``, as access-code APIs write the largest rounding allowed."""
    if text not in _ROUNDINGS:
        raise RequestError(f"the largest rounding must be one of {', '.join(_ROUNDINGS)}, not {text!r}")
    return _ROUNDINGS[text]


# --- the arithmetic of slots, of one request or of a column of them -----------------------------------------------

Whole = TypeVar("Whole", int, "npt.NDArray[np.int64]")
"""Integers: one, or a column. Batches round with the same functions as single requests."""


def first_slot(family: Family, kind: Kind, low: Whole, nearest: bool) -> Whole:
    """The slot in which a code for the readings from ``low`` on starts: the last that is not later, or the nearest."""
    return (low - kind.opens + (family.slot // 2 if nearest else 0)) // family.slot


def needed_slots(family: Family, kind: Kind, start: Whole, high: Whole) -> Whole:
    """How many slots a code that starts in slot ``start`` must last at least, to cover the readings below ``high``."""
    return -((start * family.slot + kind.closes - high) // family.slot)


def begins(family: Family, kind: Kind, start: Whole) -> Whole:
    """The reading at which a code of slot ``start`` begins to open (format 1, section 5)."""
    return start * family.slot + kind.opens


def closes(family: Family, kind: Kind, start: Whole, duration: Whole) -> Whole:
    """The reading at which a code with an end stops opening (format 1, section 5)."""
    return (start + duration) * family.slot + kind.closes


def limit_seconds(rounding: Rounding, requested: timedelta | None) -> int | None:
    """How far each end may be moved, in whole seconds; ``None`` is any."""
    limit = rounding.limit(requested)
    return None if limit is None else limit // timedelta(seconds=1)


# --- one request --------------------------------------------------------------------------------------------------


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
        """Seconds by which both ends together miss the request, on either side."""
        return abs(self.before) + abs(self.after)


@dataclass(frozen=True, slots=True)
class _Miss:
    kind: str
    problem: str
    why: Literal["far", "too_long", "endless", "no_end", "over"] = "far"


def match(vendor: Vendor, clock: LockClock, request: Request, now: datetime) -> Fit:
    """The grant that serves a request with the least change to its times; equal ones in the profile's order.

    A request that began so long ago that its code would have lapsed unused is served from ``now`` on.

    Raises:
        InvalidTimeRangeError: nothing fits within the rounding allowed; the message names what comes nearest, for each kind.
        EndInPastError: what fits is over already.
        TooLongError: it is longer than every kind allows.
        EndRequiredError: no end was given, and the profile has neither an endless nor a single duration for it.
        UnknownKindError: the profile has no such kind or level, or no one-time kind.
    """
    choices = list(choices_of(vendor, request))
    if not choices:
        raise UnknownKindError(_no_choice(vendor, request))
    low, high = clock.span(request.starts_at, request.ends_at)
    present = clock.reading(now)
    fits: list[Fit] = []
    misses: list[_Miss] = []
    for grant, family, kind in choices:
        found = _serve(vendor, grant, family, kind, request, low, high, present)
        if isinstance(found, Fit):
            fits.append(found)
        else:
            misses.append(found)
    if fits:
        return min(fits, key=lambda fit: fit.excess)
    raise _refusal(vendor, request, misses)


def _refusal(vendor: Vendor, request: Request, misses: list[_Miss]) -> RequestError:
    """The error that says best why no kind serves a request."""
    problems = "; ".join(f"{miss.kind}: {miss.problem}" for miss in misses)
    reasons = {miss.why for miss in misses}
    if "over" in reasons:
        return EndInPastError(f"a code for {_words(request)} would never open: {problems}")
    if reasons == {"no_end"}:
        return EndRequiredError(f"an end is required here: {problems}")
    if "too_long" in reasons and reasons <= {"too_long", "endless"}:
        return TooLongError(f"{_words(request)} is longer than vendor {vendor.name!r} allows: {problems}")
    return InvalidTimeRangeError(f"no kind of vendor {vendor.name!r} fits {_words(request)}: {problems}")


def _serve(
    vendor: Vendor, blank: Grant, family: Family, kind: Kind, request: Request, low: int, high: int | None, present: int
) -> Fit | _Miss:
    """How one kind serves a request: from its start, or from now on where a code from there would have lapsed; not with a dead code."""
    rounding = vendor.rounding_of(family)
    found = _fit(blank, family, kind, rounding, request, low, high)
    if isinstance(found, Fit):
        use_by = life(vendor.profile, found.grant).use_by
        lapsed = use_by is not None and use_by <= present
    else:
        lapsed = kind.activation > 0 and low + kind.activation * family.slot <= present
    if lapsed:
        found = _fit(blank, family, kind, rounding, request, present, high)
    if isinstance(found, Fit):
        ends = life(vendor.profile, found.grant).ends
        if ends is not None and ends <= present:
            return _Miss(
                _label(family, kind, request),
                f"its end would be {length_in_words(present - ends) if present > ends else 'now,'} past",
                "over",
            )
    return found


def choices_of(vendor: Vendor, request: Request) -> Iterator[tuple[Grant, Family, Kind]]:
    """The kinds that a request may use by its kind, level and ``one_time``, as blank grants."""
    for f, family in enumerate(vendor.profile.families):
        if request.level == family.name or (request.level is None and family.name not in vendor.only_by_level):
            for k, kind in enumerate(family.kinds):
                if request.kind is None:
                    wanted = kind.action is Action.UNLOCK and bool(kind.uses) == request.one_time
                else:
                    wanted = kind.name == request.kind and (bool(kind.uses) or not request.one_time)
                if wanted and kind.action in (Action.UNLOCK, Action.PASSAGE):
                    yield Grant(f, k, 0, 0, 0), family, kind


def _no_choice(vendor: Vendor, request: Request) -> str:
    profile = vendor.profile
    if request.level is not None:
        profile.family_index(request.level)  # names the levels if it is unknown
    names = (
        ", ".join(
            f"{k.name if len(f.kinds) > 1 else f.name + ': ' + k.name}{' (one-time)' if k.uses else ''}"
            for f in profile.families
            for k in f.kinds
            if request.level in (None, f.name) and k.action in (Action.UNLOCK, Action.PASSAGE)
        )
        or "none to ask for"
    )
    wanted = f"no kind {request.kind!r}" if request.kind else f"no {'one-time' if request.one_time else 'reusable'} kind"
    return f"vendor {vendor.name!r} has {wanted}{' that is one-time' if request.kind and request.one_time else ''}; it has {names}"


def _fit(blank: Grant, family: Family, kind: Kind, rounding: Rounding, request: Request, low: int, high: int | None) -> Fit | _Miss:
    """One kind's grant for the readings [low, high), or why it has none within the limit."""
    label = _label(family, kind, request)
    seconds = limit_seconds(rounding, request.max_time_rounding)
    start = first_slot(family, kind, low, rounding.nearest)
    if start < 0:
        raise TimeOutOfRangeError(f"the start {request.starts_at.isoformat()} is before 1970 on the lock's clock")
    before = low - begins(family, kind, start)
    duration = _duration(family, kind, start, high, rounding.nearest)
    if duration is None:
        return _no_duration(label, family, kind, high)
    after = 0 if not duration or high is None else closes(family, kind, start, duration) - high
    if rounding.nearest and seconds is not None and after < -seconds and duration == max(r[-1] for r in kind.ranges):
        return _no_duration(label, family, kind, high)
    if seconds is not None and (abs(before) > seconds or abs(after) > seconds):
        return _Miss(label, _how_far(family, kind, start, high, before, after, seconds, rounding.nearest))
    return Fit(Grant(blank.family, blank.kind, start, duration, 0), before, after)


def _label(family: Family, kind: Kind, request: Request) -> str:
    return family.name if len(family.kinds) == 1 and request.kind is None else kind.name


def _duration(family: Family, kind: Kind, start: int, high: int | None, nearest: bool) -> int | None:
    """The duration for an end; without one, the endless duration or the only one. ``None`` when there is none."""
    if high is None:
        return 0 if kind.endless else kind.duration_at(0) if kind.duration_count == 1 else None
    needed = needed_slots(family, kind, start, high)
    up, down = kind.shortest_from(needed), kind.longest_to(needed - 1)
    if not nearest or up is None or down is None:
        return down if up is None and nearest else up
    over = closes(family, kind, start, up) - high
    under = high - closes(family, kind, start, down)
    return up if over <= under else down


def _no_duration(label: str, family: Family, kind: Kind, high: int | None) -> _Miss:
    if high is None:
        return _Miss(label, f"it needs an end; its durations in {_unit(family)} are {kind.describe_durations()}", "no_end")
    longest = max(r[-1] for r in kind.ranges)
    if not longest:
        return _Miss(label, "only without an end", "endless")
    return _Miss(label, f"at most {longest} {_unit(family)} ({length_in_words(longest * family.slot)})", "too_long")


def _how_far(family: Family, kind: Kind, start: int, high: int | None, before: int, after: int, limit: int, nearest: bool) -> str:
    """What a kind offers next to a request that it cannot serve."""
    parts = []
    if nearest:
        times = f"from {_time_of_day(kind.opens)} to {_time_of_day(kind.closes)}"
        parts.append(f"its times are {times}, the start is {length_in_words(abs(before))} off and the end {length_in_words(abs(after))}")
    else:
        if before > limit:
            parts.append(f"it would begin {length_in_words(before)} early")
        if after > limit and high is not None:
            needed = needed_slots(family, kind, start, high)
            shorter, longer = kind.longest_to(needed - 1), kind.shortest_from(needed)
            names = [
                f"{word} {length_in_words(d * family.slot)}"
                for word, d in (("the next shorter is", shorter), ("the next longer", longer))
                if d
            ]
            parts.append(f"{' and '.join(names)}, which would end {length_in_words(after)} late")
    return f"{', '.join(parts)}; at most {length_in_words(limit)} is allowed"


def _unit(family: Family) -> str:
    return {3600: "hours", 86_400: "days"}.get(family.slot, f"slots of {family.slot} s")


def _time_of_day(seconds: int) -> str:
    minutes = seconds % 86_400 // 60
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _words(request: Request) -> str:
    end = request.ends_at.isoformat() if request.ends_at else "no end"
    return f"{request.starts_at.isoformat()} to {end}"
