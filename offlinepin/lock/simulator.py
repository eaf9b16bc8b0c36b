"""A lock in memory: it turns aware datetimes into what its clock shows, keeps its state, and steps its token when told to."""

from __future__ import annotations

from datetime import UTC, datetime

from offlinepin.engine.clock import check_aware
from offlinepin.engine.codec import ungrouped
from offlinepin.engine.profile import Action
from offlinepin.errors import InvalidCodeError
from offlinepin.lock.decide import Decision, decide
from offlinepin.lock.state import State
from offlinepin.provisioning import Provisioning


class Lock:
    """A simulated lock.

    Args:
        provisioning: what a backend loads into it once; ``Issuer.provision`` makes it.
    """

    def __init__(self, provisioning: Provisioning) -> None:
        self.provisioning = provisioning
        self.token = provisioning.token
        self.state = State(generation=self.token.generation)
        self._uptime = 0
        self._seen: datetime | None = None

    @property
    def check_value(self) -> str:
        """What the lock shows of its token: 8 hexadecimal digits."""
        return self.token.check_value

    def enter(self, code: str, now: datetime | None = None, *, uptime: int | None = None, clock_lost: bool = False) -> Decision:
        """Type a code and decide on it. Single spaces and hyphens between groups are dropped, as nobody can type them.

        Args:
            code: what is typed.
            now: the true time, aware; the system's by default.
            uptime: seconds since power-up; by default it advances with ``now``.
            clock_lost: whether the lock has lost its clock.
        """
        now = datetime.now(UTC) if now is None else now
        reading = self.provisioning.clock.reading(check_aware(now, "the present"))
        if uptime is None:
            uptime = self._uptime + (max(0, int((now - self._seen).total_seconds())) if self._seen else 0)
        self._uptime, self._seen = uptime, now
        profile = self.provisioning.profile
        try:
            typed = ungrouped(profile, code)
        except InvalidCodeError:
            typed = ""  # no family claims it
        decision, self.state = decide(profile, self.token, self.state, None if clock_lost else reading, uptime, typed)
        if decision.action is Action.ROTATE:
            self.token = self.token.next()
        return decision

    def cut_power(self) -> None:
        """The power goes and comes back: what is volatile is lost, and the uptime starts anew."""
        self.state = self.state.after_power_cut()
        self._uptime, self._seen = 0, None
