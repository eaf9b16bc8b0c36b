"""What a lock's clock should show, reckoned a second time from what was done to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - wall time is meant


@dataclass(frozen=True, slots=True)
class ModelClock:
    """A clock that was set, at ``set_at``, to believe that it is ``shows``, and runs ``ppm`` parts per million fast since.

    Attributes:
        where: the zone whose wall time it shows; UTC for a ``utc`` clock.
        follows_dst: whether it changes with its zone. Otherwise it keeps the offset that it was set right with.
        chosen: the moment of which it keeps the offset; ``shows`` where it is not said.
    """

    where: tzinfo
    set_at: datetime
    shows: datetime
    ppm: float = 0.0
    is_lost: bool = False
    follows_dst: bool = True
    chosen: datetime | None = None

    def reading(self, at: datetime) -> int | None:
        """What it shows at the true moment ``at``, in seconds; ``None`` when it is lost."""
        return None if self.is_lost else self._wall(self._believes(at))

    def correct(self, at: datetime) -> ModelClock:
        """Set right by a visit."""
        return replace(self, set_at=at, shows=at.astimezone(UTC), is_lost=False, chosen=None)

    def shift(self, by: timedelta, at: datetime) -> ModelClock:
        """Set ahead or back by hand; one that is lost shows nothing still."""
        return replace(self, set_at=at, shows=self._believes(at) + by, chosen=self.chosen or self.shows)

    def drift(self, ppm: float, at: datetime) -> ModelClock:
        """A temperature step."""
        return replace(self, set_at=at, shows=self._believes(at), ppm=ppm, chosen=self.chosen or self.shows)

    def lose(self) -> ModelClock:
        """A battery change."""
        return replace(self, is_lost=True)

    def set_reading(self, seconds: int, at: datetime) -> ModelClock:
        """Set to show ``seconds``; of a wall time that happens twice, the first is taken."""
        shown = (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=self.where).astimezone(UTC)
        return replace(self, set_at=at, shows=shown, is_lost=False, chosen=None)

    def _believes(self, at: datetime) -> datetime:
        return self.shows + (at.astimezone(UTC) - self.set_at.astimezone(UTC)) * (1 + self.ppm * 1e-6)

    def _wall(self, moment: datetime) -> int:
        zone = self.where
        if not self.follows_dst:
            zone = timezone((self.chosen or self.shows).astimezone(self.where).utcoffset() or timedelta())
        return int((moment.astimezone(zone).replace(tzinfo=None) - _EPOCH) // timedelta(seconds=1))
