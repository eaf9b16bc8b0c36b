"""Igloo-style algoPINs: whole hours up to 672, whole days from 29 to 367, one-time and permanent codes, and the maker's own request shape.
The product rules are igloohome's as its documents and integrators give them; the derivation is offlinepin's."""

from offlinepin_igloo.api import AlgoPin, AlgoPinApi
from offlinepin_igloo.product import vendor

__all__ = ["AlgoPin", "AlgoPinApi", "vendor"]
