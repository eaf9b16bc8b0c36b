"""NetCode-style codes: 1 to 12 hours from the hour or 1 to 7 days from midnight, for many openings or for one.

The maker's rules: 7 digits; the lock's clock shows local time without daylight saving; 15 minutes of grace, which is the clock tolerance
here and so holds before the start as well as after the end. Where the door blocks the previous code, the first use of a code ends those
that start earlier. The first digit tells hour codes (1) from day codes (2), so that a day code cannot start but at midnight.

Left out: the rental modes. Their codes have no end, and the caller chooses by when they must first be used; format 1 ties that time to a
kind, so each choice would be a kind of its own.
"""

import json
from datetime import timedelta, timezone
from importlib.resources import files

from offlinepin import Profile, Vendor
from offlinepin.engine.clock import zone
from offlinepin.errors import VendorError
from offlinepin.service import with_service_codes
from offlinepin.vendor import Rounding

__all__ = ["vendor"]

_HOUR = timedelta(hours=1)


def vendor(utc_offset: str | None = None, block_previous: bool = False) -> Vendor:
    """NetCode-style codes.

    Hour codes are rounded to the hour, day codes to midnight by an hour at most, or by a day where the request allows that.

    Args:
        utc_offset: what the locks' clocks keep all year, such as ``+01:00``; otherwise every request names it as its time zone.
        block_previous: whether a newer code ends the older ones.

    Raises:
        VendorError: the offset is none; a zone with daylight saving would be an hour off for half of the year.
    """
    if utc_offset is not None and not isinstance(zone(utc_offset), timezone):
        raise VendorError(f"these locks know no daylight saving: give a fixed offset such as +01:00, not {utc_offset!r}")
    document = json.loads(files(__name__).joinpath("profile.json").read_text())
    for family in document["families"] if block_previous else ():
        for kind in family["kinds"]:
            kind["supersedes"] = "previous"
    return Vendor(
        "netcode",
        Profile.parse(with_service_codes(document)),
        Rounding(usual=_HOUR, most=_HOUR),
        {"days": Rounding(usual=_HOUR, most=timedelta(days=1))},
        time_zone=utc_offset,
        title="NetCode-style codes: 7 digits, 1 to 12 hours or 1 to 7 days",
    )
