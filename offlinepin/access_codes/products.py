"""A vendor's product as data: what a lock was registered with is kept, so that a plug-in's next version changes no lock in a door."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, validate_call

from offlinepin.engine.profile import Profile
from offlinepin.errors import OfflinepinError, VendorError
from offlinepin.keypad import KeypadPolicy
from offlinepin.security import require_safe
from offlinepin.vendor import Rounding, Vendor, discover


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True, extra="ignore")


class Level(_Data):
    """A user level of a product that has them: the maker's id for it, and what its users may do besides.

    ``is_shared``: its codes are several people's, so that none ends another.
    """

    id: str
    name: str
    prefix: str
    is_shared: bool = False
    early_check_in: bool = False


class _Rounding(_Data):
    usual: timedelta | None
    most: timedelta | None
    nearest: bool

    def rule(self) -> Rounding:
        return Rounding(self.usual, self.most, self.nearest)


class ProductDocument(_Data):
    """All that is kept of a product."""

    name: str
    title: str
    profile: Profile
    rounding: _Rounding
    family_rounding: dict[str, _Rounding]
    only_by_level: tuple[str, ...]
    time_zone: str | None
    keypad: KeypadPolicy
    levels: tuple[Level, ...]


@dataclass(frozen=True, slots=True)
class Product:
    """A vendor and its user levels, with the id under which they are kept."""

    product_id: str
    vendor: Vendor
    levels: Mapping[str, Level]

    @classmethod
    def read(cls, product_id: str, document: str) -> Product:
        """The product that was kept."""
        kept = ProductDocument.model_validate_json(document)
        vendor = Vendor(
            kept.name,
            kept.profile,
            kept.rounding.rule(),
            {name: rounding.rule() for name, rounding in kept.family_rounding.items()},
            frozenset(kept.only_by_level),
            kept.time_zone,
            kept.keypad,
            kept.title,
        )
        return cls(product_id, vendor, {level.name: level for level in kept.levels})


def describe(name: str, options: Mapping[str, Any]) -> tuple[str, str]:
    """The id and document of a plug-in's product with these options, as JSON gives them.

    Raises:
        VendorError: there is no such plug-in, or it does not take these options.
        WeakProfileError: a blind guess would open more often than once in 1,000.
    """
    found = discover()
    if name not in found:
        raise VendorError(f"no vendor {name!r} is installed; there are {', '.join(found) or 'none'}")
    factory = found[name].load()
    try:
        vendor = validate_call(factory)(**options)
    except OfflinepinError:
        raise
    except (ValidationError, TypeError) as cause:
        problem = cause.errors(include_url=False, include_input=False)[0]["msg"] if isinstance(cause, ValidationError) else str(cause)
        fault = f"does not take the options {', '.join(map(repr, options))}" if options else "cannot be made"
        raise VendorError(f"vendor {name!r} {fault}: {problem}") from None
    require_safe(vendor.profile)
    document = ProductDocument(
        name=vendor.name,
        title=vendor.title,
        profile=vendor.profile,
        rounding=_Rounding.model_validate(vendor.rounding),
        family_rounding={family: _Rounding.model_validate(rounding) for family, rounding in vendor.family_rounding.items()},
        only_by_level=tuple(sorted(vendor.only_by_level)),
        time_zone=vendor.time_zone,
        keypad=vendor.keypad,
        levels=_levels(factory, options),
    ).model_dump_json()
    return hashlib.sha256(document.encode()).hexdigest()[:32], document


def _levels(factory: Any, options: Mapping[str, Any]) -> tuple[Level, ...]:
    """The user levels of a plug-in that is made from ``levels``: those given, or its usual ones."""
    parameter = inspect.signature(factory).parameters.get("levels")
    if parameter is None:
        return ()
    levels = []
    for given in options.get("levels", parameter.default):
        members = given if isinstance(given, Mapping) else given.model_dump()
        levels.append(
            Level(
                id=members["id"],
                name=members["name"],
                prefix=members["prefix"],
                is_shared=bool(members.get("is_in_hours_only") or members.get("is_master")),
                early_check_in="early_check_in" in members.get("privileges", ()),
            )
        )
    return tuple(levels)
