"""Offline access codes: issued through a vendor's plug-in, superseded where its kind can be, revoked by a code typed at the lock."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from pydantic import BaseModel

from offlinepin.access_codes.base import wire_time
from offlinepin.access_codes.code_errors import error
from offlinepin.access_codes.code_warnings import AccessCodeWarning, warning
from offlinepin.access_codes.daylight import Frame, widened
from offlinepin.access_codes.errors import NotChangeableError
from offlinepin.access_codes.models import DeletingMutation, OracodeMetadata
from offlinepin.access_codes.schema import CodeRow, DeviceRow
from offlinepin.access_codes.work import Work
from offlinepin.engine.payload import Grant, life
from offlinepin.engine.profile import Kind, Profile
from offlinepin.errors import InvalidTimeRangeError, OfflinepinError, UnknownKindError
from offlinepin.pin import AccessPin, ServiceCode

DST_WARNING: Final = "schlage_access_code_ambiguous_timezone_dst_risk"
USE_BY_WARNING: Final = "igloo_algopin_must_be_used_within_24_hours"


class Wish(BaseModel):
    """What was asked of an offline code: kept while its device has no token."""

    starts_at: datetime
    ends_at: datetime | None
    one_time: bool
    max_time_rounding: str | None
    user_level: str | None


def start(work: Work, device: DeviceRow, row: CodeRow, wish: Wish) -> None:
    """Give a new offline access code its code, or let it wait while its device has no token."""
    if device.credentials == "missing":
        row.wish = wish.model_dump_json()
        row.starts_at, row.ends_at, row.is_one_time_use = wish.starts_at, wish.ends_at, wish.one_time
        row.holds_from, row.holds_until = wish.starts_at, wish.ends_at
        row.is_waiting, row.status, row.step, row.due_at = True, "unset", "assign", wish.ends_at
        row.errors = (error("missing_device_credentials", work.now),)
        work.add(row)
        work.event(row, "access_code.created")
        return
    _issue(work, device, row, wish)
    work.event(row, "access_code.created")
    _announce(work, row)


def assign(work: Work, row: CodeRow) -> bool:
    """Give a waiting access code its code, now that its device has a token; ``False`` where it has none yet, or the code is over."""
    device = work.device_of(row)
    assert row.wish is not None  # as every waiting code
    if device.credentials == "missing":
        return False
    try:
        with work.session.begin_nested():
            _issue(work, device, row, Wish.model_validate_json(row.wish))
    except OfflinepinError as cause:
        product = work.product(device)
        is_level = isinstance(cause, InvalidTimeRangeError) and product is not None and bool(product.levels)
        row.errors = (error("dormakaba_oracode_invalid_time_range" if is_level else "failed_to_issue", work.now, cause.message),)
        row.step = row.due_at = None
        work.event(row, "access_code.failed_to_set_on_device", access_code_errors=row.errors)
        return True
    row.errors, row.is_waiting, row.wish = (), False, None
    _announce(work, row)
    return True


def _issue(work: Work, device: DeviceRow, row: CodeRow, wish: Wish) -> None:
    frame, name = _frame(work, device, wish.starts_at, wish.ends_at)
    assert frame.starts_at is not None
    issue = partial(
        work.issuer(device).issue,
        device.device_id,
        frame.starts_at,
        frame.ends_at,
        one_time=wish.one_time,
        level=wish.user_level,
        max_time_rounding=wish.max_time_rounding,
        time_zone=name,
        now=work.now,
    )
    pin = _apart(work, device, row, issue)
    work.set_pin(row, pin)
    product = work.product(device)
    if product is not None and product.levels:
        first = f"{pin.device_id}/{pin.generation}/{pin.family}/{pin.start_slot}/{pin.duration}/{pin.variant}"
        row.stay_id = int.from_bytes(hashlib.sha256(first.encode()).digest()[:4], "big") >> 1
    row.warnings = tuple(_warnings(work, pin, frame))
    row.status, row.is_scheduled = "set", True
    _expire_at_end(row)
    work.claim(row)


def _expire_at_end(row: CodeRow) -> None:
    """All that is still due of an offline code is its end, if it has one."""
    row.step, row.due_at = ("expire", row.ends_at) if row.ends_at is not None else (None, None)


def _apart(work: Work, device: DeviceRow, row: CodeRow, issue: Callable[[], AccessPin]) -> AccessPin:
    """A code with digits of its own: a variant that reads as a native code of the device is passed over. Its issuer keeps offline codes
    apart from each other, and ends with ``ExhaustedError`` where there are no variants left."""
    pin = issue()
    while device.connection is not None and work.claimant(device, pin.code, pin.starts_at, pin.ends_at, beside=row) is not None:
        pin = issue()
    return pin


def _frame(work: Work, device: DeviceRow, starts_at: datetime, ends_at: datetime | None) -> tuple[Frame, str | None]:
    """The time frame to issue for, and the zone to read it in: where that is unknown, the first that it may be, and an hour of safety."""
    product = work.product(device)
    if device.time_zone is not None or product is None or product.vendor.profile.clock == "utc" or not device.plausible_time_zones:
        return Frame(starts_at, ends_at), device.time_zone
    return widened(device.plausible_time_zones, starts_at, ends_at), device.plausible_time_zones[0]


def _warnings(work: Work, pin: AccessPin, frame: Frame) -> list[AccessCodeWarning]:
    found: list[AccessCodeWarning] = []
    if pin.use_by is not None:
        text = f"The code must be used for the first time before {wire_time(pin.use_by)}; otherwise it never opens."
        found.append(warning(USE_BY_WARNING, work.now, text))
    if frame.is_widened:
        found.append(warning(DST_WARNING, work.now))
    return found


def _announce(work: Work, row: CodeRow) -> None:
    code = work.shown_code(row)
    work.event(row, "access_code.scheduled_on_device", code=code)
    work.event(row, "access_code.set_on_device", code=code)


# --- changes ------------------------------------------------------------------------------------------------------


def change(work: Work, row: CodeRow, starts_at: datetime | None, ends_at: datetime | None) -> None:
    """Give an offline code another time frame by a code that supersedes it.

    Raises:
        NotChangeableError: its kind supersedes nothing, or it has no code yet.
        StayError, ExhaustedError and others of :class:`offlinepin.errors.RequestError`: as the issuer finds.
    """
    device = work.device_of(row)
    pin = work.pin(row)
    if pin is None:
        raise NotChangeableError("the access code waits for its device's token; delete it and create another")
    if row.status == "removing":
        raise NotChangeableError("the access code is being deleted")
    kind = _kind(work, device, pin)
    if not kind.supersedes:
        raise NotChangeableError(
            f"an offline code of kind {pin.kind!r} cannot get another time frame: no later code supersedes it at the lock. "
            "Create another access code, and delete this one"
        )
    frame, name = _frame(work, device, starts_at or work.now, ends_at)
    assert frame.starts_at is not None
    product = work.product(device)
    level = product.levels.get(pin.family) if product is not None else None
    earlier = frame.starts_at < pin.starts_at - timedelta(hours=1)
    follows = not (earlier and level is not None and level.early_check_in)  # a code that starts earlier cannot supersede a later one
    issue = partial(
        work.issuer(device).issue,
        device.device_id,
        frame.starts_at,
        frame.ends_at,
        one_time=pin.one_time,
        level=pin.family,
        generation=pin.generation,
        supersedes=pin if follows else None,
        time_zone=name,
        now=work.now,
    )
    new = _apart(work, device, row, issue)
    work.set_earlier_pins(row, (*work.earlier_pins(row), pin))
    work.set_pin(row, new)
    row.errors = ()
    row.warnings = tuple(_warnings(work, new, frame))
    row.status, row.is_scheduled = "set", True
    _expire_at_end(row)
    work.claim(row, keep=True)
    work.event(row, "access_code.set_on_device", code=new.code)


def remove(work: Work, row: CodeRow) -> tuple[ServiceCode, ...]:
    """Begin to remove an offline code: the code that kills it at the lock, and one for each earlier code of it that may still open; none
    where the profile has no such codes."""
    device = work.device_of(row)
    pin = work.pin(row)
    assert pin is not None
    try:
        revokes = tuple(work.issuer(device).revoke(one) for one in (pin, *work.earlier_pins(row)))
    except UnknownKindError:
        revokes = ()
    if row.status != "removing":
        row.status, row.step_since = "removing", work.now
        kept = tuple(w for w in row.warnings if w.warning_code != "being_deleted")
        text = "Type the revoke code at the lock; until then the code can still open it." if revokes else None
        row.warnings = (*kept, warning("being_deleted", work.now, text))
        work.set_mutations(row, DeletingMutation(message="Waiting for the lock to forget the code.", created_at=work.now))
        _expire_at_end(row)
        if not revokes:
            _cannot_remove(work, row)
    return revokes


def fall_back(work: Work, row: CodeRow, pins: Sequence[AccessPin]) -> None:
    """An offline code's PIN is dead or over, and these before it are not: the access code tells what opens."""
    *earlier, last = pins
    work.set_pin(row, last)
    work.set_earlier_pins(row, earlier)
    _expire_at_end(row)


def linger(work: Work, row: CodeRow, pins: Sequence[AccessPin]) -> None:
    """An offline code is over by its PIN, and these before it are not: it is not gone yet."""
    fall_back(work, row, pins)
    if row.status != "removing":
        row.status, row.step_since = "removing", work.now
        until = "for ever" if row.ends_at is None else f"until {wire_time(row.ends_at)}"
        text = f"An earlier code, which no use of the later one has ended, opens the lock {until}; delete the access code to end it."
        row.warnings = (*row.warnings, warning("delay_in_removing_from_device", work.now, text))
        work.event(row, "access_code.delay_in_removing_from_device", access_code_warnings=row.warnings)


def _cannot_remove(work: Work, row: CodeRow) -> None:
    if row.ends_at is None:
        row.errors = (error("failed_to_remove_from_device", work.now, "The lock has no revoke codes, and the code has no end."),)
        work.event(row, "access_code.failed_to_remove_from_device", access_code_errors=row.errors)
        return
    text = f"The lock has no revoke codes; the code opens until {wire_time(row.ends_at)}."
    row.warnings = (*row.warnings, warning("delay_in_removing_from_device", work.now, text))
    work.event(row, "access_code.delay_in_removing_from_device", access_code_warnings=row.warnings)


# --- what the lock tells ------------------------------------------------------------------------------------------


def is_of(pin: AccessPin, profile: Profile, grant: Grant) -> bool:
    """Whether an offline code is this grant."""
    family, kind = grant.of(profile)
    return (pin.family, pin.kind, pin.start_slot, pin.duration, pin.variant) == (
        family.name,
        kind.name,
        grant.start,
        grant.duration,
        grant.variant,
    )


def is_ended_by(pin: AccessPin, profile: Profile, grant: Grant) -> bool:
    """Whether the first use of a grant ended this offline code: it is an earlier one of the same group."""
    _, kind = grant.of(profile)
    f = profile.family_index(pin.family)
    own = Grant(f, profile.kind_index(f, pin.kind), pin.start_slot, pin.duration, pin.variant)
    _, own_kind = own.of(profile)
    if not kind.supersedes or own_kind.supersedes != kind.supersedes:
        return False
    return (life(profile, own).starts, own.variant) < (life(profile, grant).starts, grant.variant)


def _kind(work: Work, device: DeviceRow, pin: AccessPin) -> Kind:
    product = work.product(device)
    assert product is not None
    profile = product.vendor.profile
    f = profile.family_index(pin.family)
    return profile.families[f].kinds[profile.kind_index(f, pin.kind)]


def oracode_metadata(work: Work, row: CodeRow, device: DeviceRow) -> OracodeMetadata | None:
    """What an access code of a product with user levels shows of its stay; ``None`` for any other."""
    product = work.product(device)
    pin = work.pin(row) if product is not None and product.levels else None
    if pin is None or product is None or row.stay_id is None:
        return None
    level = product.levels[pin.family]
    over = row.status == "removing"
    can_follow = not over and not level.is_shared and pin.variant < _kind(work, device, pin).variants - 1
    return OracodeMetadata(
        stay_id=row.stay_id,
        user_level_id=level.id,
        user_level_name=level.name,
        site_name=device.name,
        is_cancellable=can_follow,
        is_extendable=can_follow and pin.ends_at is not None and not pin.one_time,
        is_early_checkin_able=not over and level.early_check_in,
        is_overridable=can_follow,
    )
