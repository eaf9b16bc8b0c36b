"""TTLock-style offline passcodes: one-time, permanent, period, and the ten cyclic types (weekend, daily, workday, each weekday).

The maker's rules: 6 to 9 digits, the more the longer a code can hold; whole hours; a period of at most a year; a one-time code holds 6
hours; permanent and period codes must be used within 24 hours. Its erase code is ``Issuer.clear``; it kills the codes that start before
the hour in which it was made. The maker gives one code for one start and end; here there are two. Nine digits are so few for all the
periods of a year that some codes read as another one, too, and are not handed out: with one code, 1 request in 13 of a year's length would
be refused, with two it is 1 in 50 (1 in 200 over all lengths), and the answer advises to shift an end by an hour.

Left out: hours of a cyclic code's own, because format 1 ties hours to a kind (here a door has one pair of hours for all of them), and
hours that pass midnight. A code without an end needs a last moment for its first use: cyclic codes have a week for it, so that every
weekday is reached from every start.
"""

import json
from datetime import timedelta
from importlib.resources import files

from offlinepin import Profile, Vendor
from offlinepin.errors import VendorError
from offlinepin.service import with_service_codes
from offlinepin.vendor import Rounding

__all__ = ["vendor"]

_HOUR = timedelta(hours=1)


def vendor(cyclic_hours: tuple[int, int] = (8, 18), time_zone: str | None = None) -> Vendor:
    """TTLock-style passcodes.

    Cyclic codes are asked for by their kind: ``issue(device, start, kind="weekend")``. A start is rounded down and an end up, to the hour.

    Args:
        cyclic_hours: from and to which hour of the day cyclic codes open, 0 to 24.
        time_zone: of the locks; otherwise every request names it.

    Raises:
        VendorError: the hours are none of one day.
    """
    first, last = cyclic_hours
    if not 0 <= first < last <= 24:
        raise VendorError(f"cyclic hours run from an hour to a later one of the same day, such as 8 to 18, not from {first} to {last}")
    document = json.loads(files(__name__).joinpath("profile.json").read_text())
    for kind in document["families"][1]["kinds"][1:]:
        kind["hours"] = [first * 3600, last * 3600]
    return Vendor(
        "ttlock",
        Profile.parse(with_service_codes(document)),
        Rounding(usual=_HOUR, most=_HOUR),
        time_zone=time_zone,
        title="TTLock-style passcodes: 6 to 9 digits, one-time, permanent, period, weekly and daily",
    )
