"""Codes that end some hours after their first use, as SentriLock's one-day codes (1 hour) and CodeBox's access codes (2 hours) do.

The makers' rules: a code is of one date, first opens within the box's showing hours of that day, and ends 1 or 2 hours after its first
use, at the end of the showing hours at the latest. SentriLock's codes have 7 digits. CodeBox's have 4, which is weaker than this
library allows for 8 codes a day and 16 remembered ones (1 in 417); 5 are the least here.

Left out: codes that are set at the box and hold until somebody changes them there, such as SentriLock's contractor codes; no issuer
computes those.
"""

import json
from datetime import timedelta
from importlib.resources import files

from offlinepin import Profile, Vendor
from offlinepin.errors import VendorError
from offlinepin.service import with_service_codes
from offlinepin.vendor import Rounding

__all__ = ["vendor"]

_DAY = timedelta(days=1)


def vendor(hours: int = 1, showing: tuple[int, int] = (8, 22), digits: int = 7, time_zone: str | None = None) -> Vendor:
    """Codes of one date that end ``hours`` after their first use. A request gets the whole of its day.

    Args:
        hours: 1 or 2.
        showing: from and to which hour of the day the box opens, 0 to 24.
        digits: 5 to 7.
        time_zone: of the boxes; otherwise every request names it.

    Raises:
        VendorError: an option is none of these.
    """
    first, last = showing
    if hours not in (1, 2):
        raise VendorError(f"a code ends 1 or 2 hours after its first use, not {hours}")
    if not 0 <= first < last <= 24:
        raise VendorError(f"showing hours run from an hour to a later one of the same day, such as 8 to 22, not from {first} to {last}")
    if not 5 <= digits <= 7:
        raise VendorError(f"first-use codes have 5 to 7 digits, not {digits}")
    document = json.loads(files(__name__).joinpath("profile.json").read_text())
    (family,) = document["families"]
    (kind,) = family["kinds"]
    family["length"], kind["linger"], kind["hours"] = digits, hours * 3600, [first * 3600, last * 3600]
    return Vendor(
        "firstuse",
        Profile.parse(with_service_codes(document)),
        Rounding(usual=_DAY, most=_DAY),
        time_zone=time_zone,
        title=f"First-use codes: {digits} digits, one date, {hours} h from the first use",
    )
