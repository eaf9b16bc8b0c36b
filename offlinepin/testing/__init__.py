"""The harness that proves a lock right: strategies, a plain model, a state machine, a campaign, and the conformance kit for plug-ins.
``docs/testing.md`` says how. The campaign and the model need neither hypothesis nor pytest, so nothing is imported before it is used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from offlinepin.testing.adapter import DoorUnderTest, LockUnderTest
    from offlinepin.testing.bench import Bench, WrongLockError
    from offlinepin.testing.conformance import VendorConformance
    from offlinepin.testing.machine import LockMachine

__all__ = ["Bench", "DoorUnderTest", "LockMachine", "LockUnderTest", "VendorConformance", "WrongLockError"]

_HOMES = {
    "Bench": "bench",
    "DoorUnderTest": "adapter",
    "LockMachine": "machine",
    "LockUnderTest": "adapter",
    "VendorConformance": "conformance",
    "WrongLockError": "bench",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
