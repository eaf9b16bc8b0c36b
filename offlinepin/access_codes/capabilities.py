"""What a device can do, computed from its profile and its connection: nobody writes constraints or time-frame options by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from offlinepin.access_codes.connections import Connection
from offlinepin.access_codes.device_models import (
    AccountProblem,
    CodeConstraint,
    Device,
    DeviceLocation,
    DeviceProblem,
    DeviceProperties,
    IgloohomeMetadata,
    OfflineTimeFrameOption,
    OracodeDeviceMetadata,
    PredefinedTimeSlot,
    TimePair,
)
from offlinepin.access_codes.products import Product
from offlinepin.access_codes.schema import DeviceRow
from offlinepin.access_codes.work import account_of
from offlinepin.engine.profile import DAY, Action, Family, Kind
from offlinepin.vendor import Vendor

_DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_LONGEST_NAME: Final = 256
_PROBLEMS: Final = {
    "device_offline": "The device is offline.",
    "device_disconnected": "The device is disconnected.",
    "device_removed": "The device has been removed.",
    "hub_disconnected": "The hub is disconnected.",
    "account_disconnected": "The account is disconnected.",
}


def duration(seconds: int) -> str:
    """A length of time as ISO 8601: ``P29D``, ``PT1H``, ``P1DT12H``."""
    days, rest = divmod(seconds, DAY)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    clock = "".join(f"{count}{unit}" for count, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if count)
    return f"P{f'{days}D' if days else ''}{f'T{clock}' if clock else ''}" if days or clock else "PT0S"


def time_frame_options(vendor: Vendor, time_zone: str | None) -> tuple[OfflineTimeFrameOption, ...]:
    """The time frames that offline codes can have, one option for each kind that a request can get without naming a level."""
    return tuple(
        _option(family, kind, time_zone if vendor.profile.clock == "civil" else None)
        for family in vendor.profile.families
        if family.name not in vendor.only_by_level
        for kind in family.kinds
        if kind.action is Action.UNLOCK
    )


def _option(family: Family, kind: Kind, time_zone: str | None) -> OfflineTimeFrameOption:
    ending = sorted({r[i] for r in kind.ranges for i in (0, -1)} - {0})
    steps = {r.step for r in kind.ranges if len(r) > 1}
    own = [kind.duration_at(i) * family.slot for i in range(kind.duration_count) if kind.duration_at(i)]
    by_day = family.slot % DAY == 0
    same = kind.opens % DAY == kind.closes % DAY and all(seconds % DAY == 0 for seconds in own) and bool(own)
    words = kind.name if len(family.kinds) > 1 else family.name

    def length(slots: int) -> str:
        return duration(slots * family.slot + kind.closes - kind.opens)

    return OfflineTimeFrameOption(
        display_name=words[:1].upper() + words[1:].replace("_", " "),
        min_duration=length(ending[0]) if ending else None,
        max_duration=length(ending[-1]) if ending and not kind.endless else None,
        duration_step=duration(steps.pop() * family.slot) if len(steps) == 1 else None,
        matching_start_end_time=same,
        is_one_time_use=bool(kind.uses),
        time_pairs=(TimePair(start_time=_time_of_day(kind.opens), end_time=_time_of_day(kind.closes)),) if by_day else (),
        start_date_recurrence_rule=_rule(family.slot, kind.opens, kind.weekdays),
        end_date_recurrence_rule=_rule(family.slot, kind.closes, 127),
        time_zone=time_zone,
    )


def _time_of_day(seconds: int) -> str:
    minutes = seconds % DAY // 60
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _rule(slot: int, shift: int, weekdays: int) -> str:
    """The RFC 5545 rule of the moments at which slots begin, ``shift`` seconds on."""
    minute, second = shift % 3600 // 60, shift % 60
    if slot % DAY == 0:
        parts = ["FREQ=DAILY", f"INTERVAL={slot // DAY}", f"BYHOUR={shift % DAY // 3600}", f"BYMINUTE={minute}", f"BYSECOND={second}"]
    elif slot % 3600 == 0:
        parts = ["FREQ=HOURLY", f"INTERVAL={slot // 3600}", f"BYMINUTE={minute}", f"BYSECOND={second}"]
    elif slot % 60 == 0:
        parts = ["FREQ=MINUTELY", f"INTERVAL={slot // 60}", f"BYSECOND={second}"]
    else:
        parts = ["FREQ=SECONDLY", f"INTERVAL={slot}"]
    if weekdays != 127:
        parts.append("BYDAY=" + ",".join(name for i, name in enumerate(_DAYS) if weekdays >> i & 1))
    return ";".join(part for part in parts if part != "INTERVAL=1")


def predefined_time_slots(product: Product) -> tuple[PredefinedTimeSlot, ...]:
    """The user levels of a product that has them."""
    return tuple(_slots(product))


def _slots(product: Product) -> Iterator[PredefinedTimeSlot]:
    for family in product.vendor.profile.families:
        level, kind = product.levels.get(family.name), family.kinds[0]
        if level is None:
            continue
        by_hours = kind.hours != (0, DAY)
        check_in, check_out = kind.hours if by_hours else (kind.opens, kind.closes)
        yield PredefinedTimeSlot(
            name=level.name,
            prefix=family.prefix,
            check_in_time=f"{_time_of_day(check_in)}:00",
            check_out_time=f"{_time_of_day(check_out)}:00",
            is_24_hour=not by_hours and kind.opens % DAY == kind.closes % DAY == 0,
            is_biweekly_mode=all(r.step == 14 for r in kind.ranges if len(r) > 1) and not kind.endless and kind.duration_count > 1,
            is_one_shot=bool(kind.uses),
            is_master=kind.endless,
            dormakaba_oracode_user_level_id=level.id,
            ext_dormakaba_oracode_user_level_prefix=family.prefix,
        )


def code_lengths(device: DeviceRow, product: Product | None, connection: Connection | None) -> tuple[int, ...]:
    """The lengths of the codes that a device takes: native ones where it is connected, otherwise its offline codes'."""
    if device.code_lengths is not None:
        return device.code_lengths
    if connection is not None:
        return connection.code_lengths
    if product is None:
        return ()
    families = product.vendor.profile.families
    return tuple(sorted({f.total_length for f in families if any(k.action is Action.UNLOCK for k in f.kinds)}))


def describe(device: DeviceRow, product: Product | None, connection: Connection | None) -> Device:
    """A device as its users see it."""
    problem = None if connection is None else connection.problem()
    offline_works = None if product is None else device.credentials != "missing" and _knows_zone(device, product)
    return Device(
        device_id=device.device_id,
        device_type=f"{product.vendor.name}_lock" if product is not None else f"{device.connection}_lock",
        display_name=device.name,
        nickname=None,
        capabilities_supported=("access_code",),
        can_program_offline_access_codes=offline_works,
        can_program_online_access_codes=None if connection is None else problem is None,
        connected_account_id=account_of(device.workspace_id),
        created_at=device.created_at,
        custom_metadata={},
        errors=tuple(_problems(device, problem)),
        warnings=(),
        location=DeviceLocation(time_zone=device.time_zone, timezone=device.time_zone),
        properties=_properties(device, product, connection, problem),
        workspace_id=device.workspace_id,
    )


def _knows_zone(device: DeviceRow, product: Product) -> bool:
    return product.vendor.profile.clock == "utc" or device.time_zone is not None or bool(device.plausible_time_zones)


def _problems(device: DeviceRow, problem: str | None) -> Iterator[DeviceProblem | AccountProblem]:
    if problem is not None:
        kind = AccountProblem if problem == "account_disconnected" else DeviceProblem
        yield kind(error_code=problem, message=_PROBLEMS.get(problem, problem), created_at=device.created_at)
    if device.credentials == "missing" and device.product_id is not None:
        text = "There is no token for the device, from which offline codes derive."
        yield DeviceProblem(error_code="missing_device_credentials", message=text, created_at=device.created_at)


def _properties(device: DeviceRow, product: Product | None, connection: Connection | None, problem: str | None) -> DeviceProperties:
    vendor = None if product is None else product.vendor
    constraints = [CodeConstraint(constraint_type="name_length", min_length=1, max_length=_LONGEST_NAME)]
    if connection is None:
        constraints.append(CodeConstraint(constraint_type="cannot_specify_pin_code"))
    maker = vendor.name if vendor is not None else device.connection or ""
    igloo = IgloohomeMetadata(device_id=device.device_id, device_name=device.name) if maker == "igloo" else None
    capacity = connection.capacity if connection is not None else vendor.profile.lock.capacity if vendor is not None else None
    return DeviceProperties(
        online=problem is None and connection is not None,
        name=device.name,
        manufacturer=maker,
        model={"display_name": vendor.title or vendor.name if vendor is not None else maker, "manufacturer_display_name": maker},
        code_constraints=tuple(constraints),
        supported_code_lengths=code_lengths(device, product, connection),
        max_active_codes_supported=capacity,
        offline_access_codes_enabled=product is not None,
        online_access_codes_enabled=connection is not None,
        supports_backup_access_code_pool=connection is not None,
        offline_time_frame_options=() if vendor is None else time_frame_options(vendor, device.time_zone),
        igloohome_metadata=igloo,
        dormakaba_oracode_metadata=_oracode(device, product) if product is not None and product.levels else None,
    )


def _oracode(device: DeviceRow, product: Product) -> OracodeDeviceMetadata:
    def number(text: str) -> int:
        return uuid5(NAMESPACE_URL, f"offlinepin:{text}").int >> 97

    return OracodeDeviceMetadata(
        door_id=number(device.device_id),
        door_is_wireless=False,
        door_name=device.name,
        iana_timezone=device.time_zone,
        predefined_time_slots=predefined_time_slots(product),
        site_id=number(device.workspace_id),
        site_name=device.name,
    )
