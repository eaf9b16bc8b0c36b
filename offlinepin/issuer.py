"""From a request to a code that a lock will open for: match, take a variant, seal, and say what the receiver must know."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from offlinepin.engine.clock import LockClock, check_aware, zone
from offlinepin.engine.codec import from_symbols, open_under, seal
from offlinepin.engine.payload import Grant, Life, candidate_windows, is_time_bound, life
from offlinepin.engine.profile import Action, Profile
from offlinepin.engine.token import DeviceToken
from offlinepin.errors import (
    AmbiguousTimeError,
    ExhaustedError,
    KeyMaterialError,
    LedgerError,
    RequestError,
    StayError,
    TokenOutOfStepError,
    UnknownKindError,
    VariantError,
    VariantTakenError,
)
from offlinepin.keys import TokenSource
from offlinepin.ledger import Ledger, MemoryLedger, Place, RequestKey, Taken
from offlinepin.matching import Request, match, parse_rounding
from offlinepin.pin import AccessPin, ClockChange, MustBeUsedBy, Notice, Rounded, ServiceCode, Supersedes
from offlinepin.provisioning import Provisioning
from offlinepin.security import require_safe
from offlinepin.vendor import Vendor, resolve

_CACHED_TOKENS = 4096
_Moments = tuple[datetime, datetime | None, datetime | None]


class Issuer:
    """Issues codes for the locks of one vendor.

    Args:
        keys: where device tokens come from: a master key, imported tokens, or a source of your own.
        vendor: a plug-in's name, a :class:`Vendor`, or a bare :class:`Profile`.
        ledger: the memory of variants handed out. The default lives in this process only; give an :class:`SqliteLedger` in earnest.
        allow_weak: issue even where a blind guess opens more often than once in 1,000.

    Raises:
        VendorError: the vendor is unknown.
        KeyMaterialError, LedgerError: the keys or the ledger are nothing of that kind.
        WeakProfileError: its odds are worse than 1 in 1,000.
    """

    def __init__(
        self, keys: TokenSource, vendor: str | Vendor | Profile, ledger: Ledger | None = None, *, allow_weak: bool = False
    ) -> None:
        self.vendor = resolve(vendor)
        if not hasattr(keys, "token"):
            raise KeyMaterialError(f"the keys are a MasterKey, ImportedTokens or a source of your own, not of type {type(keys).__name__}")
        if ledger is not None and not hasattr(ledger, "take"):
            raise LedgerError(f"a ledger is a SqliteLedger, a MemoryLedger or one of your own, not of type {type(ledger).__name__}")
        self.ledger = MemoryLedger() if ledger is None else ledger
        self._keys = keys
        self._tokens: dict[tuple[str, int], DeviceToken] = {}
        if not allow_weak:
            require_safe(self.profile)

    @property
    def profile(self) -> Profile:
        """The vendor's profile."""
        return self.vendor.profile

    def issue(
        self,
        device_id: str,
        starts_at: datetime,
        ends_at: datetime | None = None,
        *,
        one_time: bool = False,
        kind: str | None = None,
        level: str | None = None,
        variant: int | None = None,
        max_time_rounding: timedelta | str | None = None,
        supersedes: AccessPin | None = None,
        time_zone: str | None = None,
        request_id: str | None = None,
        generation: int | None = None,
        now: datetime | None = None,
    ) -> AccessPin:
        """Make a code.

        Args:
            device_id: the lock, 1 to 64 bytes of UTF-8.
            starts_at, ends_at: aware datetimes; no ``ends_at`` asks for a code without an end, or for its kind's only duration.
            one_time: for a code that opens once.
            kind, level: a kind's and a family's name, to choose them; otherwise the best fit is taken.
            variant: a variant of your own choice, 0 or more; otherwise the ledger gives the next.
            max_time_rounding: how far each end may be moved: a timedelta, ``1h`` or ``1d``; otherwise the vendor's usual limit.
            supersedes: an earlier code of the same group, which the new one's first use shall end.
            time_zone: the lock's zone, required where its clock is civil and the vendor does not say it.
            request_id: the same id gives the same code again, and never a second one.
            generation: of the lock's token; by default the one that the ledger knows.
            now: the present; the system's clock by default.

        Raises:
            RequestError: one of its kinds; each says what is wrong and what would be right. Nothing is handed out then.
            DeviceIdError: the device id is empty or too long.
        """
        now = datetime.now(UTC) if now is None else check_aware(now, "the present")
        if isinstance(max_time_rounding, str):
            max_time_rounding = parse_rounding(max_time_rounding)
        request = Request(starts_at, ends_at, one_time, kind, level, max_time_rounding)
        request.check(now)
        clock = self.clock(time_zone)
        token = self._token(device_id, generation)
        key = None if request_id is None else RequestKey(device_id, request_id, self._asked(request, clock, variant, supersedes))
        taken = None if key is None else self.ledger.recall(key)
        grant = match(self.vendor, clock, request, now).grant if taken is None else self._grant(taken)
        shown = clock if clock.where is not None else LockClock(clock.mode, starts_at.tzinfo)
        moments = _moments(shown, life(self.profile, grant))  # refuses what no calendar can write, before a variant is spent
        if taken is None:
            taken = self._take(device_id, token, grant, moments, variant, self._variants(device_id, token, grant, variant, supersedes), key)
        return self._answer(taken, moments, shown, request)

    def provision(self, device_id: str, *, time_zone: str | None = None, generation: int | None = None) -> Provisioning:
        """What is loaded into the lock: its token, the profile, its zone and its keypad."""
        token = self._token(device_id, generation)
        return Provisioning(device_id, token, self.profile, self._zone(time_zone), self.vendor.keypad)

    def revoke(self, pin: AccessPin) -> ServiceCode:
        """A code that kills one code, whenever it is typed while that one could open. ``UnknownKindError`` if the profile has none."""
        old = self._grant(Taken(_place(pin), pin.variant))
        name = f"{pin.family}.{pin.kind}"
        grant = replace(self._service(Action.REVOKE, name), start=old.start, duration=old.duration, variant=old.variant)
        return self._service_code(pin.device_id, self._token(pin.device_id, pin.generation), grant, None)

    def clear(self, device_id: str, *, time_zone: str | None = None, now: datetime | None = None) -> ServiceCode:
        """A code that kills every code which starts before the present slot. It can be typed for a day."""
        return self._timed(device_id, Action.CLEAR, time_zone, now)

    def rotate(self, device_id: str, *, time_zone: str | None = None, now: datetime | None = None) -> ServiceCode:
        """A code that steps the lock's token: every code and every mark of the old generation is void. It can be typed for a day.

        Tell :meth:`confirm` what check value the lock shows; from then on codes are of the new generation.
        """
        return self._timed(device_id, Action.ROTATE, time_zone, now)

    def set_clock(self, device_id: str, *, time_zone: str | None = None, now: datetime | None = None) -> ServiceCode:
        """A code that sets the lock's clock to ``now``, to the nearest five minutes. Let it be typed then."""
        return self._timed(device_id, Action.SET_CLOCK, time_zone, now)

    def confirm(self, device_id: str, check_value: str, ahead: int = 16) -> int:
        """Find the generation that a lock is in by the check value that it shows, and issue for that from now on.

        Raises:
            TokenOutOfStepError: it is neither the generation that the ledger knows nor one of the next ``ahead``.
        """
        known = self.ledger.generation(device_id)
        for generation in range(known, known + ahead + 1):
            if self._token(device_id, generation).check_value == check_value.strip().lower():
                self.ledger.step(device_id, generation)
                return generation
        raise TokenOutOfStepError(
            f"check value {check_value!r} belongs to none of the generations {known} to {known + ahead} of device {device_id!r}"
        )

    def _timed(self, device_id: str, action: Action, time_zone: str | None, now: datetime | None) -> ServiceCode:
        now = datetime.now(UTC) if now is None else check_aware(now, "the present")
        clock, token = self.clock(time_zone), self._token(device_id, None)
        blank = self._service(action)
        family, kind = blank.of(self.profile)
        half = timedelta(seconds=family.slot // 2 if action is Action.SET_CLOCK else 0)
        start = clock.reading(now.astimezone(UTC) + half) // family.slot
        if action is Action.SET_CLOCK:
            either = [moment(start * family.slot + 1).astimezone(UTC) for moment in (clock.first, clock.last)]
            if either[0] != either[1]:
                raise AmbiguousTimeError(
                    f"the lock's clock shows {clock.first(start * family.slot):%H:%M} twice today, and a code cannot say which it "
                    f"means; make one {either[1] - either[0]} later"
                )
        return self._service_code(device_id, token, replace(blank, start=start, duration=kind.duration_at(0)), clock)

    def _service(self, action: Action, name: str | None = None) -> Grant:
        """The service kind with an action, as a blank grant."""
        for f, family in enumerate(self.profile.families):
            for k, kind in enumerate(family.kinds):
                if kind.action is action and name in (None, kind.name):
                    return Grant(f, k, 0, 0, 0)
        about = "" if name is None else f" for {name!r}"
        raise UnknownKindError(f"profile {self.profile.name!r} has no {action} code{about}")

    def _service_code(self, device_id: str, token: DeviceToken, grant: Grant, clock: LockClock | None) -> ServiceCode:
        _, kind = grant.of(self.profile)
        held = life(self.profile, grant)
        timed = clock if is_time_bound(kind.action) else None
        return ServiceCode(
            code=seal(self.profile, token, grant),
            device_id=device_id,
            action=kind.action,
            starts_at=timed and timed.first(held.starts),
            ends_at=None if timed is None or held.ends is None else timed.last(held.ends),
            check_value=(token.next() if kind.action is Action.ROTATE else token).check_value,
        )

    def _zone(self, time_zone: str | None) -> str | None:
        """The zone's name: the vendor's, where its set-up says one, and then no other."""
        if time_zone is not None and self.vendor.time_zone not in (None, time_zone):
            raise RequestError(f"vendor {self.vendor.name!r} is set up for time zone {self.vendor.time_zone}, not for {time_zone}")
        return time_zone or self.vendor.time_zone

    def clock(self, time_zone: str | None) -> LockClock:
        """The clock of a lock in a zone; the vendor's own zone where none is given. ``TimeZoneRequiredError`` if it needs one."""
        name = self._zone(time_zone)
        return LockClock(self.profile.clock, None if name is None else zone(name))

    def _token(self, device_id: str, generation: int | None) -> DeviceToken:
        if generation is None:
            generation = self.ledger.generation(device_id)
        found = self._tokens.get((device_id, generation))
        if found is None:
            if len(self._tokens) >= _CACHED_TOKENS:
                self._tokens.clear()
            found = self._tokens[device_id, generation] = self._keys.token(device_id, generation)
        return found

    def _variants(self, device_id: str, token: DeviceToken, grant: Grant, chosen: int | None, supersedes: AccessPin | None) -> range:
        """The variants that may be handed out for a grant."""
        _, kind = grant.of(self.profile)
        if chosen is not None and not 0 <= chosen < kind.variants:
            raise VariantError(f"kind {kind.name!r} has the variants 0 to {kind.variants - 1}, not {chosen}")
        variants = range(kind.variants) if chosen is None else range(chosen, chosen + 1)
        if supersedes is None:
            return variants
        if (supersedes.device_id, supersedes.generation) != (device_id, token.generation):
            raise StayError(
                f"a code of device {device_id!r}, generation {token.generation}, supersedes no code of device "
                f"{supersedes.device_id!r}, generation {supersedes.generation}"
            )
        old = self._grant(Taken(_place(supersedes), supersedes.variant))
        _, old_kind = old.of(self.profile)
        if not kind.supersedes or old_kind.supersedes != kind.supersedes:
            raise StayError(f"a code of kind {kind.name!r} supersedes no code of kind {supersedes.kind!r}: they share no group")
        before = life(self.profile, old).starts
        starts = life(self.profile, grant).starts
        if starts < before:
            raise StayError(f"a code that starts at {starts} s on the lock's clock cannot supersede one that starts later, at {before} s")
        later = range(supersedes.variant + 1, kind.variants) if starts == before else range(kind.variants)
        if chosen is not None and chosen not in later:
            raise VariantError(f"variant {chosen} does not come after variant {supersedes.variant}, which it shall supersede")
        return variants if chosen is not None else later

    def _take(
        self,
        device_id: str,
        token: DeviceToken,
        grant: Grant,
        moments: _Moments,
        chosen: int | None,
        variants: range,
        key: RequestKey | None,
    ) -> Taken:
        family, kind = grant.of(self.profile)
        place = Place(device_id, token.generation, family.name, kind.name, grant.start, grant.duration)
        taken = self.ledger.take(place, variants, lambda v: self._unambiguous(token, replace(grant, variant=v)), key)
        if taken is not None:
            return taken
        until = "without an end" if moments[1] is None else f"to {moments[1].isoformat()}"
        what = f"kind {kind.name!r} from {moments[0].isoformat()} {until} on device {device_id!r}"
        if chosen is not None and kind.variants > 1:
            raise VariantTakenError(f"variant {variants[0]} of {what} is handed out already, or reads as another code; ask for another")
        which = f"all {kind.variants} variants" if len(variants) == kind.variants else "all variants after the one to supersede"
        raise ExhaustedError(f"{which} of {what} are handed out, or read as another code too; change the start or the end by one slot")

    def _unambiguous(self, token: DeviceToken, grant: Grant) -> bool:
        """Whether no second reading of the code is valid while the code is alive (format 1, section 8).

        A code without an end is looked at until it must be used; from then on the lock knows it by its tag.
        """
        profile, tolerance = self.profile, self.profile.lock.tolerance
        family, kind = grant.of(profile)
        held = life(profile, grant)
        over = held.ends if held.ends is not None else held.use_by
        if not is_time_bound(kind.action) or over is None:
            return True
        first, last = held.starts - tolerance, over + tolerance
        windows = candidate_windows(family, first, last, tolerance)
        own = grant.start // family.window
        if len(windows) == 1 and own in windows:
            return True
        code = seal(profile, token, grant)
        number = from_symbols(code[len(family.prefix) :], profile.alphabet)
        assert number is not None  # sealed a line above
        for window in windows:
            other = None if window == own else open_under(profile, token, grant.family, window, number)
            if other is not None:
                second = life(profile, other)
                if second.starts - tolerance < last and first < second.fresh_until(tolerance):
                    return False
        return True

    def _asked(self, request: Request, clock: LockClock, variant: int | None, supersedes: AccessPin | None) -> str:
        """What a request asks for, in a text that is the same for the same question."""
        parts = [moment.astimezone(UTC).isoformat() if moment else "-" for moment in (request.starts_at, request.ends_at)]
        parts.append(f"profile={self.profile.name}/{self.profile.digest.hex()[:8]}")
        options = {"kind": request.kind, "level": request.level, "variant": variant, "zone": clock.where if clock.mode == "civil" else None}
        parts += [f"{name}={value}" for name, value in options.items() if value is not None]
        if request.one_time:
            parts.append("one-time")
        if supersedes is not None:
            parts.append(f"supersedes={supersedes.kind}/{supersedes.start_slot}/{supersedes.duration}/{supersedes.variant}")
        return " ".join(parts)

    def _grant(self, taken: Taken) -> Grant:
        place = taken.place
        family = self.profile.family_index(place.family)
        return Grant(family, self.profile.kind_index(family, place.kind), place.start, place.duration, taken.variant)

    def _answer(self, taken: Taken, moments: _Moments, clock: LockClock, request: Request) -> AccessPin:
        place = taken.place
        grant = self._grant(taken)
        _, kind = grant.of(self.profile)
        starts_at, ends_at, use_by = moments
        return AccessPin(
            code=seal(self.profile, self._token(place.device_id, place.generation), grant),
            device_id=place.device_id,
            generation=place.generation,
            vendor=self.vendor.name,
            family=place.family,
            kind=place.kind,
            variant=taken.variant,
            starts_at=starts_at,
            ends_at=ends_at,
            use_by=use_by,
            one_time=bool(kind.uses),
            start_slot=place.start,
            duration=place.duration,
            notices=tuple(_notices(request, clock, starts_at, ends_at, use_by, kind.supersedes)),
        )


def _place(pin: AccessPin) -> Place:
    return Place(pin.device_id, pin.generation, pin.family, pin.kind, pin.start_slot, pin.duration)


def _moments(clock: LockClock, held: Life) -> _Moments:
    """Start, end and use-by time of a grant. ``TimeOutOfRangeError`` beyond the year 9999."""
    return (
        clock.first(held.starts),
        None if held.ends is None else clock.last(held.ends),
        None if held.use_by is None else clock.last(held.use_by),
    )


def _notices(
    request: Request, clock: LockClock, starts_at: datetime, ends_at: datetime | None, use_by: datetime | None, group: str
) -> Iterator[Notice]:
    if use_by is not None:
        yield MustBeUsedBy(use_by=use_by)
    # Two datetimes of one zone would be subtracted as the wall shows them.
    early = request.starts_at.astimezone(UTC) - starts_at.astimezone(UTC)
    late = ends_at.astimezone(UTC) - request.ends_at.astimezone(UTC) if ends_at is not None and request.ends_at is not None else timedelta()
    if early or late:
        yield Rounded(starts_early=early, ends_late=late)
    if clock.mode == "civil" and ends_at is not None:
        for change in clock.changes(starts_at, ends_at):
            yield ClockChange(at=change.at.astimezone(clock.where), shift=timedelta(seconds=change.after - change.before))
    if group:
        yield Supersedes(group=group)
