"""Oracode-style user levels: the installer sets up levels per door, callers give dates, and the level's times hold.
The product rules are dormakaba's as its documents and integrators give them; the derivation is offlinepin's."""

from offlinepin_oracode.levels import DEFAULT_LEVELS, Privilege, UserLevel, vendor
from offlinepin_oracode.stays import Stay, StayMetadata, Stays
from offlinepin_oracode.time_of_day import TimeOfDay

__all__ = ["DEFAULT_LEVELS", "Privilege", "Stay", "StayMetadata", "Stays", "TimeOfDay", "UserLevel", "vendor"]
