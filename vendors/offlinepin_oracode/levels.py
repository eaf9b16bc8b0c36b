"""User levels, and the profile of a door that has them: each level is a family of codes that begin with its prefix."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from offlinepin import Profile, Vendor
from offlinepin.errors import LevelError
from offlinepin.keypad import KeypadPolicy
from offlinepin.service import with_service_codes
from offlinepin.vendor import Rounding
from offlinepin_oracode.time_of_day import TimeOfDay

_DAY = 86_400
_HOUR = timedelta(hours=1)
MASTER_ACTIVATION_DAYS = 14

Privilege = Literal["passage_mode", "deadbolt_override", "personal_code", "early_check_in"]


def _readable(text: str) -> str:
    TimeOfDay.parse(text)
    return text


TimeText = Annotated[str, AfterValidator(_readable)]


class UserLevel(BaseModel):
    """A user level as an installer sets it up at a door.

    Attributes:
        id: the maker's identifier of the level.
        name: unique at the door.
        prefix: the digits with which all its codes begin.
        check_in_time, check_out_time: ``07:00:00[America/Los_Angeles]`` and the like; see :class:`TimeOfDay`.
        is_24_hour: whole days, from midnight to midnight.
        is_biweekly_mode: lengths in steps of two weeks, up to 62 weeks, instead of 1 to 31 days.
        is_one_shot: its codes open once.
        is_master: its codes have no end; they must be used within 14 days.
        is_in_hours_only: open from check-in to check-out time of each day only, as staff and maintenance levels are.
        overrides: how many codes a stay can have in turn, the first included.
        privileges: what its users may do besides.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: Annotated[str, Field(min_length=1, max_length=64)]
    prefix: Annotated[str, Field(pattern="^[0-9]{1,4}$")]
    check_in_time: TimeText = "00:00:00"
    check_out_time: TimeText = "00:00:00"
    is_24_hour: bool = False
    is_biweekly_mode: bool = False
    is_one_shot: bool = False
    is_master: bool = False
    is_in_hours_only: bool = False
    overrides: Annotated[int, Field(ge=1, le=16)] = 4
    privileges: frozenset[Privilege] = frozenset()

    @property
    def times(self) -> tuple[TimeOfDay, TimeOfDay]:
        """Check-in and check-out time."""
        return TimeOfDay.parse(self.check_in_time), TimeOfDay.parse(self.check_out_time)


DEFAULT_LEVELS = (
    UserLevel(
        id="guest", name="Guest", prefix="1", check_in_time="15:00:00", check_out_time="11:00:00", privileges=frozenset({"early_check_in"})
    ),
    UserLevel(id="guest-24", name="Guest 24 h", prefix="2", is_24_hour=True),
    UserLevel(id="long-stay", name="Long stay", prefix="3", check_in_time="15:00:00", check_out_time="11:00:00", is_biweekly_mode=True),
    UserLevel(id="one-shot", name="One-shot", prefix="4", is_24_hour=True, is_one_shot=True),
    UserLevel(id="staff", name="Staff", prefix="5", check_in_time="07:00:00", check_out_time="19:00:00", is_in_hours_only=True),
    UserLevel(id="maintenance", name="Maintenance", prefix="6", check_in_time="09:00:00", check_out_time="17:00:00", is_in_hours_only=True),
    UserLevel(id="master", name="Master", prefix="9", is_master=True),
)
"""Levels for a door that nobody has set up: what a small hotel begins with."""


def vendor(levels: Iterable[UserLevel] = DEFAULT_LEVELS, digits: int = 9) -> Vendor:
    """An Oracode-style door with these user levels.

    Each end of a request must be within one hour of a level's time, and the code gets the level's times; a 24-hour level rounds outward
    to whole days, by one day where the request allows it. Staff, maintenance and master levels serve only requests that name them.

    Args:
        levels: the door's levels. Their prefixes must not claim one another's codes.
        digits: 8 or 9, the prefix included.

    Raises:
        LevelError: a level makes no sense, or two levels name different zones.
        FamilyOverlapError: two levels could claim the same code.
    """
    if digits not in (8, 9):
        raise LevelError(f"an Oracode-style code has 8 or 9 digits, prefix included, not {digits}")
    levels = tuple(levels)
    for level in levels:
        if not level.name.isascii() or not level.name.isprintable():
            raise LevelError(f"a level's name is 1 to 64 printable ASCII characters, not {level.name!r}")
    if not levels:
        raise LevelError("a door needs at least one user level")
    zones = sorted({t.zone for level in levels for t in level.times if t.zone is not None})
    if len(zones) > 1:
        raise LevelError(f"all levels of a door share its zone, but they name {', '.join(zones)}")
    document = {
        "offlinepin": 1,
        "name": f"oracode-{digits}",
        "alphabet": "0123456789",
        "clock": "civil",
        "families": [_family(level, digits) for level in levels],
        "lock": {"tolerance": 600, "capacity": 32, "lockout": {"free": 4, "delay": 60, "growth": 2, "cap": 3600, "leak": 14400}},
    }
    profile = Profile.parse(with_service_codes(document))
    return Vendor(
        "oracode",
        profile,
        Rounding(usual=_HOUR, most=_HOUR, nearest=True),
        {level.name: Rounding(usual=_HOUR, most=timedelta(days=1)) for level in levels if level.is_24_hour or level.is_master},
        frozenset(level.name for level in levels if level.is_in_hours_only or level.is_master),
        time_zone=zones[0] if zones else None,
        keypad=KeypadPolicy(
            personal=tuple(level.name for level in levels if "personal_code" in level.privileges),
            passage=tuple(level.name for level in levels if "passage_mode" in level.privileges),
        ),
        title=f"Oracode-style user levels: {digits} digits, dates, check-in and check-out times",
    )


def _family(level: UserLevel, digits: int) -> dict[str, Any]:
    """The family of one level: day slots, and a window that no code of the level outlives more than once."""
    check_in, check_out = (t.seconds for t in level.times)
    hours, opens, closes = [0, _DAY], check_in, check_out
    if level.is_in_hours_only:
        if check_in >= check_out:
            raise LevelError(
                f"level {level.name!r} opens in its hours only, so {level.check_in_time} must be before {level.check_out_time}"
            )
        hours = [check_in, check_out]
    if level.is_24_hour or level.is_master:
        opens = closes = 0
    elif check_out > check_in:  # a day level: one day is from check-in to check-out of the same day
        closes = check_out - _DAY
    durations = [[0, 0, 1]] if level.is_master else [[14, 14, 31]] if level.is_biweekly_mode else [[1, 1, 31]]
    return {
        "name": level.name,
        "prefix": level.prefix,
        "length": digits - len(level.prefix),
        "slot": _DAY,
        "window": 512 if level.is_biweekly_mode else 64,
        "kinds": [
            {
                "name": "one-shot" if level.is_one_shot else "master" if level.is_master else "stay",
                "action": "unlock",
                "durations": durations,
                "variants": level.overrides,
                "activation": MASTER_ACTIVATION_DAYS if level.is_master else 0,
                "uses": int(level.is_one_shot),
                "linger": 0,
                "opens": opens,
                "closes": closes,
                "hours": hours,
                "weekdays": 127,
                "supersedes": "" if level.is_in_hours_only or level.is_master else level.name,
            }
        ],
    }
