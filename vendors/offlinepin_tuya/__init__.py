"""Tuya-style offline passwords: period, one-time, and the dynamic password of five minutes.

The maker's rules: whole hours; a period password must be used within 24 hours; a one-time password holds 6 hours; a dynamic password holds
5 minutes and opens any number of times. "Clear one" is ``Issuer.revoke`` and "clear all" is ``Issuer.clear``, which can be typed for a day
and kills the passwords that start before the hour in which it was made. The maker hands out 10 passwords an hour: here 10 variants of a
one-time password's hour, and 10 of one period (a few less where a period of months makes some of them read as another code, too).

Left out: a limit on all passwords of an hour together, which binds the issuing server and no lock. The maker rounds a period's end down,
which takes time from the guest; here it is rounded up.
"""

import json
from datetime import timedelta
from importlib.resources import files

from offlinepin import Profile, Vendor
from offlinepin.service import with_service_codes
from offlinepin.vendor import Rounding

__all__ = ["vendor"]

_HOUR = timedelta(hours=1)
_FIVE_MINUTES = timedelta(minutes=5)


def vendor() -> Vendor:
    """Tuya-style passwords: 10 digits, and 6 for the dynamic one.

    The dynamic password is the one of a stretch of five minutes by the clock, the same for all who ask, and served only where it is asked
    for: ``issue(device, now, level="dynamic", request_id=…)``; with one request id for each stretch everybody gets it.
    """
    document = json.loads(files(__name__).joinpath("profile.json").read_text())
    return Vendor(
        "tuya",
        Profile.parse(with_service_codes(document)),
        Rounding(usual=_HOUR, most=_HOUR),
        {"dynamic": Rounding(usual=_FIVE_MINUTES, most=_FIVE_MINUTES)},
        frozenset({"dynamic"}),
        title="Tuya-style passwords: 10 digits, period, one-time, and 6 digits for five minutes",
    )
