"""A lock's own clock, as far off as real ones are: a crystal that drifts, a battery change that loses it, visits that set it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from offlinepin.engine.clock import LockClock, check_aware


@dataclass(frozen=True, slots=True)
class ClockSetting:
    """A clock as it can be written down: at the true moment ``at`` it was set to ``to``, and has run ``drift_ppm`` fast since.

    ``offset`` is the offset from UTC, in seconds, that a civil clock without DST rules was set with; ``None`` for any other.
    """

    at: datetime
    to: datetime
    drift_ppm: float
    lost: bool
    follows_dst: bool
    offset: int | None


class DoorClock:
    """The clock of a simulated lock.

    Args:
        clock: what it is meant to show (:class:`LockClock` of the provisioning).
        at: the true moment at which it is set right.
        drift_ppm: how much faster than the truth it runs, in parts per million; a wrist-watch crystal does within ±20, and about
            −0.034 · (T − 25 °C)² more at other temperatures.
        follows_dst: whether a civil clock changes with its zone. One without such rules keeps the offset it was set with.
    """

    def __init__(self, clock: LockClock, at: datetime, *, drift_ppm: float = 0.0, follows_dst: bool = True) -> None:
        self._clock = clock
        self._follows_dst = follows_dst
        self._drift_ppm = drift_ppm
        self.correct(at)

    @classmethod
    def resume(cls, clock: LockClock, setting: ClockSetting) -> DoorClock:
        """The clock as it was written down."""
        made = cls(clock, setting.at, drift_ppm=setting.drift_ppm, follows_dst=setting.follows_dst)
        made._set(setting.at, setting.to)
        made._lost = setting.lost
        if setting.offset is not None:
            made._shown = LockClock("civil", timezone(timedelta(seconds=setting.offset)))
        return made

    @property
    def setting(self) -> ClockSetting:
        """What to write down."""
        where = None if self._follows_dst else self._shown.where
        offset = int(where.utcoffset(None).total_seconds()) if isinstance(where, timezone) else None
        return ClockSetting(self._set_at, self._set_to, self._drift_ppm, self._lost, self._follows_dst, offset)

    def correct(self, at: datetime) -> None:
        """A visit: the clock is set to the true moment ``at``."""
        self._show(at, at)

    def set_reading(self, seconds: int, at: datetime) -> None:
        """Set the clock to show ``seconds`` at the true moment ``at``, as a ``set_clock`` code does."""
        self._show(at, self._clock.first(seconds))

    def shift(self, by: timedelta, at: datetime) -> None:
        """Set the clock back (negative) or ahead by hand."""
        self._set(at, self._believes(at) + by)

    def drift(self, ppm: float, at: datetime) -> None:
        """From ``at`` on the clock runs ``ppm`` parts per million fast: a temperature step."""
        self._set(at, self._believes(at))
        self._drift_ppm = ppm

    def lose(self) -> None:
        """A battery change without a backup: the clock shows nothing until it is set."""
        self._lost = True

    def reading(self, at: datetime) -> int | None:
        """What the clock shows at the true moment ``at``, in seconds; ``None`` when it is lost."""
        return None if self._lost else self._shown.reading(self._believes(check_aware(at, "the moment")))

    def _believes(self, at: datetime) -> datetime:
        """The moment that the clock takes ``at`` for."""
        return self._set_to + (at.astimezone(UTC) - self._set_at) * (1 + self._drift_ppm * 1e-6)

    def _set(self, at: datetime, to: datetime) -> None:
        self._set_at, self._set_to = check_aware(at, "the moment").astimezone(UTC), to.astimezone(UTC)

    def _show(self, at: datetime, to: datetime) -> None:
        """Set it anew, whatever it showed: only this brings back a clock that was lost, and chooses the offset of one without rules."""
        self._set(at, to)
        self._lost = False
        self._shown = self._clock
        if self._clock.mode == "civil" and not self._follows_dst:
            offset = to.astimezone(self._clock.where).utcoffset() or timedelta()
            self._shown = LockClock("civil", timezone(offset))
