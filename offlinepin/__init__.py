"""offlinepin: the open way to open a door with a code when the lock has no network.

A backend and a lock share a device token. The backend computes a PIN from it; the lock works out from the digits alone who may enter
and when. ``docs/format.md`` is the contract, :class:`Issuer` and :class:`Lock` are the two sides of it.
"""

from offlinepin.engine.oath import Hotp, Totp
from offlinepin.engine.profile import Profile
from offlinepin.engine.token import DeviceToken
from offlinepin.errors import OfflinepinError
from offlinepin.issuer import Issuer
from offlinepin.keys import ImportedTokens, MasterKey
from offlinepin.ledger import MemoryLedger, SqliteLedger
from offlinepin.lock.decide import Decision, Reason
from offlinepin.lock.simulator import Lock
from offlinepin.pin import AccessPin
from offlinepin.provisioning import Provisioning
from offlinepin.vendor import Vendor

__version__ = "0.1.0"

__all__ = [
    "AccessPin",
    "Decision",
    "DeviceToken",
    "Hotp",
    "ImportedTokens",
    "Issuer",
    "Lock",
    "MasterKey",
    "MemoryLedger",
    "OfflinepinError",
    "Profile",
    "Provisioning",
    "Reason",
    "SqliteLedger",
    "Totp",
    "Vendor",
    "__version__",
]
