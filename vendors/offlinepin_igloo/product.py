"""The igloo-style product: its profile, at 9 or 10 digits, and its rounding."""

from __future__ import annotations

import json
from datetime import timedelta
from importlib.resources import files

from offlinepin import Profile, Vendor
from offlinepin.errors import VendorError
from offlinepin.keypad import KeypadPolicy
from offlinepin.service import with_service_codes
from offlinepin.vendor import Rounding


def vendor(digits: int = 9) -> Vendor:
    """Igloo-style algoPINs.

    A request's start is rounded down and its end up, by an hour at most, or by a day where it asks for that.

    Args:
        digits: 9, or 10 where guesses must be ten times rarer.
    """
    if digits not in (9, 10):
        raise VendorError(f"vendor 'igloo' makes codes of 9 or 10 digits, not {digits}")
    text = files(__package__).joinpath("profile.json").read_text()
    if digits == 10:
        text = text.replace('"igloo-9"', '"igloo-10"').replace('"length": 9', '"length": 10')
    rounding = Rounding(usual=timedelta(hours=1), most=timedelta(days=1))
    title = f"Igloo-style algoPINs: {digits} digits, hourly, daily, one-time, permanent"
    profile = Profile.parse(with_service_codes(json.loads(text)))
    return Vendor("igloo", profile, rounding, keypad=KeypadPolicy(masking=True), title=title)
