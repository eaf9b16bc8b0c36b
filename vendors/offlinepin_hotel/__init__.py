"""Hotel room codes: the first use of a newer code ends the older ones of the room, whatever their kind.

The makers' rules: a stay runs from the hotel's check-in time to its check-out time, 1 to 30 nights; its code must be used within a day
of check-in; a code for day use is of one day. "Newer" is the later start; of two codes with the same start it is the greater variant, so
a second code for a stay is issued with ``supersedes=`` the first.

Left out: staff and master codes, which other guests' codes do not end; they need families of their own, as Oracode's levels have.
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


def vendor(
    check_in: int = 15, check_out: int = 11, day_use: tuple[int, int] = (9, 17), digits: int = 6, time_zone: str | None = None
) -> Vendor:
    """Codes of a hotel's rooms. The times of a request must be within one hour of the hotel's, and the code gets the hotel's.

    Args:
        check_in, check_out: hours of the day, check-out the earlier one.
        day_use: from and to which hour of one day a day-use code opens.
        digits: 6 to 8.
        time_zone: of the hotel; otherwise every request names it.

    Raises:
        VendorError: an option is none of these.
    """
    first, last = day_use
    if not 0 <= check_out <= check_in < 24:
        raise VendorError(f"check-out is earlier in the day than check-in, such as 11 and 15, not {check_out} and {check_in}")
    if not 0 <= first < last <= 24:
        raise VendorError(f"day use runs from an hour to a later one of the same day, such as 9 to 17, not from {first} to {last}")
    if not 6 <= digits <= 8:
        raise VendorError(f"room codes have 6 to 8 digits, not {digits}")
    document = json.loads(files(__name__).joinpath("profile.json").read_text())
    (family,) = document["families"]
    stay, day = family["kinds"]
    family["length"] = digits
    stay["opens"], stay["closes"] = check_in * 3600, check_out * 3600
    day["opens"], day["closes"] = first * 3600, (last - 24) * 3600
    return Vendor(
        "hotel",
        Profile.parse(with_service_codes(document)),
        Rounding(usual=_HOUR, most=_HOUR, nearest=True),
        time_zone=time_zone,
        title=f"Hotel room codes: {digits} digits, a newer code ends the older",
    )
