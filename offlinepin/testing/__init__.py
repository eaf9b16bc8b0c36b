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
    "strategies": "strategies",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        home = import_module(f"{__name__}.{_HOMES[name]}")
    except ModuleNotFoundError as cause:
        if cause.name not in ("hypothesis", "pytest"):
            raise
        what = f"{__name__}.{name} needs the package {cause.name}; install it with: pip install 'offlinepin[testing]'"
        raise ModuleNotFoundError(what, name=cause.name) from None
    return home if name == _HOMES[name] else getattr(home, name)
