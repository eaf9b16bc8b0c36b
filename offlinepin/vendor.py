"""What a plug-in is, and how plug-ins are found. A vendor is a profile, a rounding rule for requests, and nothing else; a package offers
one by an entry point in the group ``offlinepin.vendors``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final

from offlinepin.engine.profile import Family, Profile
from offlinepin.errors import OfflinepinError, VendorError
from offlinepin.keypad import KeypadPolicy

ENTRY_POINT_GROUP: Final = "offlinepin.vendors"


@dataclass(frozen=True, slots=True)
class Rounding:
    """How far a grant may differ from the request, at each end.

    Attributes:
        usual: the limit when the request names none; ``None`` is any.
        most: the limit that no request can exceed; ``None`` is any.
        nearest: ``False`` rounds outward (start down, end up), so that the guest never loses time. ``True`` takes the nearest times of
            the lock on either side, as user levels with fixed times do.
    """

    usual: timedelta | None = None
    most: timedelta | None = None
    nearest: bool = False

    def limit(self, requested: timedelta | None) -> timedelta | None:
        """The limit in force for a request that asks for ``requested``."""
        limit = self.usual if requested is None else requested
        if self.most is not None and (limit is None or limit > self.most):
            return self.most
        return limit


@dataclass(frozen=True, slots=True)
class Vendor:
    """A vendor's product: what its codes can be (the profile) and how requests are rounded to them.

    Attributes:
        name: as in ``Issuer(keys, vendor="igloo")``.
        profile: the rules of its codes and locks.
        rounding: for every family, unless ``family_rounding`` has another.
        family_rounding: by family name.
        only_by_level: families that serve a request only when it names them, such as staff levels.
        time_zone: the zone of a civil clock, when the vendor's set-up says it.
        keypad: how the keypads of its locks are worked.
        title: one line for lists.
    """

    name: str
    profile: Profile
    rounding: Rounding = Rounding()
    family_rounding: Mapping[str, Rounding] = field(default_factory=dict)
    only_by_level: frozenset[str] = frozenset()
    time_zone: str | None = None
    keypad: KeypadPolicy = field(default_factory=KeypadPolicy)
    title: str = ""

    def rounding_of(self, family: Family) -> Rounding:
        """The rounding rule of one family."""
        return self.family_rounding.get(family.name, self.rounding)


VendorFactory = Callable[..., Vendor]
"""What an entry point names: a function that makes a :class:`Vendor`; its keyword arguments are the product's options."""


def discover() -> dict[str, EntryPoint]:
    """The installed plug-ins by name. Nothing is imported yet."""
    return dict(_discover(tuple((folder, _changed(folder)) for folder in sys.path)))


@lru_cache(1)
def _discover(_: tuple[tuple[str, int | None], ...]) -> dict[str, EntryPoint]:
    """The plug-ins in the folders of the path, each with the time of its last change: to read all packages anew takes milliseconds."""
    return {entry.name: entry for entry in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda e: e.name)}


def _changed(folder: str) -> int | None:
    """When something was last put into a folder or removed from it, in nanoseconds; ``None`` if it is not there."""
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return None


def load(name: str, **options: Any) -> Vendor:
    """Make the vendor of an installed plug-in.

    Raises:
        VendorError: there is none of that name, it cannot be imported, or it does not take these options.
    """
    found = discover()
    if name not in found:
        raise VendorError(f"no vendor {name!r} is installed; there are {', '.join(found) or 'none'}")
    try:
        vendor = found[name].load()(**options)
    except OfflinepinError:
        raise
    except Exception as cause:
        raise VendorError(f"vendor {name!r} cannot be made from {found[name].value}: {cause}") from cause
    if not isinstance(vendor, Vendor):
        raise VendorError(f"vendor {name!r}: {found[name].value} returned a {type(vendor).__name__}, not a Vendor")
    return vendor


def resolve(vendor: str | Vendor | Profile) -> Vendor:
    """A vendor from its name, from a bare profile (requests are rounded outward without a limit), or as it is."""
    if isinstance(vendor, str):
        return load(vendor)
    if isinstance(vendor, Profile):
        return Vendor(vendor.name, vendor)
    if not isinstance(vendor, Vendor):
        raise VendorError(f"a vendor is a plug-in's name, a Vendor or a Profile, not a {type(vendor).__name__}")
    return vendor
