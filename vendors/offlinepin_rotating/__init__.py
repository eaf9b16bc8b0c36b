"""A rotating code, as Master Lock's temporary codes are: time is cut into slots of equal length, and each slot has one code.

The maker's rules: slots of 30 minutes to 7 days, a time of day at which they begin, and one code for everybody who may open in a slot.
Codes have 4 to 8 digits; 6 by default, and even 4 keep a guess at 1 in 5,000, since no more than two codes are live at once.

``Issuer.clear`` reaches the codes of past slots only; the code of the present one is ended by ``Issuer.revoke`` or ``Issuer.rotate``.

Left out: padlocks with four direction keys instead of digits. The alphabet can say it, but service codes of 14 such keys would be too
easy to guess.
"""

import json
from datetime import datetime, timedelta
from importlib.resources import files

from offlinepin import AccessPin, Issuer, Profile, Vendor
from offlinepin.engine.clock import EPOCH, check_aware
from offlinepin.errors import VendorError
from offlinepin.service import with_service_codes
from offlinepin.vendor import Rounding

__all__ = ["SLOTS", "code_at", "vendor"]

SLOTS = (30, 60, 120, 240, 480, 720, 1440, 10_080)
"""The lengths of slots that a door can have, in minutes."""

_MONDAY = 4 * 86_400  # 1970 began on a Thursday


def vendor(minutes: int = 240, rollover: int = 0, digits: int = 6) -> Vendor:
    """One code for each slot. A request must lie within one slot, and gets the whole of it.

    Args:
        minutes: a slot's length, one of :data:`SLOTS`. Slots of a week begin on Monday.
        rollover: minutes after midnight (UTC) at which a slot begins, 0 to 1439.
        digits: 4 to 8.

    Raises:
        VendorError: an option is none of these.
    """
    if minutes not in SLOTS:
        raise VendorError(f"a slot has {', '.join(map(str, SLOTS))} minutes, not {minutes}")
    if not 0 <= rollover < 1440:
        raise VendorError(f"the rollover is 0 to 1439 minutes after midnight, not {rollover}")
    if not 4 <= digits <= 8:
        raise VendorError(f"rotating codes have 4 to 8 digits, not {digits}")
    document = json.loads(files(__name__).joinpath("profile.json").read_text())
    (family,) = document["families"]
    (kind,) = family["kinds"]
    family["length"], family["slot"] = digits, minutes * 60
    kind["opens"] = kind["closes"] = (_MONDAY + rollover * 60) % family["slot"]
    slot = timedelta(minutes=minutes)
    return Vendor(
        "rotating",
        Profile.parse(with_service_codes(document)),
        Rounding(usual=slot, most=slot),
        title=f"A rotating code: {digits} digits, one for each slot of {slot}",
    )


def code_at(issuer: Issuer, device_id: str, at: datetime, *, now: datetime | None = None) -> AccessPin:
    """The code of the slot that holds ``at``: the same one for everybody who asks, as often as they ask."""
    family = issuer.profile.families[0]
    slot = (int((check_aware(at, "the moment") - EPOCH).total_seconds()) - family.kinds[0].opens) // family.slot
    start = EPOCH + timedelta(seconds=slot * family.slot + family.kinds[0].opens)
    end = start + timedelta(seconds=family.slot)
    return issuer.issue(device_id, start, end, request_id=f"slot {slot}", now=now)
