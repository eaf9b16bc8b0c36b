"""The access-code resource: access codes with their lives, events and devices, in SQLite or PostgreSQL; offline codes of any vendor."""

from offlinepin.access_codes.changes import UNSET
from offlinepin.access_codes.connections import Caution, Connection, NativeCode
from offlinepin.access_codes.device_models import Device
from offlinepin.access_codes.models import (
    AccessCode,
    AccessCodeStatus,
    AccessCodeType,
    ActionAttempt,
    Event,
    Explanation,
    GeneratedCode,
    Page,
    PulledBackup,
    UnmanagedAccessCode,
)
from offlinepin.access_codes.retention import Retention
from offlinepin.access_codes.service import AccessCodes
from offlinepin.access_codes.simulated import Fault, SimulatedConnection
from offlinepin.access_codes.store import ApiKey, Store, Workspace

__all__ = [
    "UNSET",
    "AccessCode",
    "AccessCodeStatus",
    "AccessCodeType",
    "AccessCodes",
    "ActionAttempt",
    "ApiKey",
    "Caution",
    "Connection",
    "Device",
    "Event",
    "Explanation",
    "Fault",
    "GeneratedCode",
    "NativeCode",
    "Page",
    "PulledBackup",
    "Retention",
    "SimulatedConnection",
    "Store",
    "UnmanagedAccessCode",
    "Workspace",
]
