"""The recommended profile for new locks: short lists of durations make blind guesses a thousand times rarer than whole-hour systems do.
A plug-in needs no more than this file and its profile."""

import json
from importlib.resources import files

from offlinepin import Profile, Vendor
from offlinepin.service import with_service_codes

__all__ = ["vendor"]


def vendor() -> Vendor:
    """Nine digits, hour slots, 32 durations from 1 hour to 365 days, one-time codes of 1, 4, 12 and 24 hours.

    A request is rounded outward to the nearest duration, however far that is, and the answer says so.
    """
    document = json.loads(files(__name__).joinpath("profile.json").read_text())
    profile = Profile.parse(with_service_codes(document))
    return Vendor("standard", profile, title="Recommended for new locks: 9 digits, 32 durations, 1 hour to 365 days")
