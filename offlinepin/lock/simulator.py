"""A lock in memory: it turns aware datetimes into what its clock shows, keeps its state, and steps its token when told to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from offlinepin.engine.clock import check_aware
from offlinepin.engine.codec import ungrouped
from offlinepin.engine.profile import Action
from offlinepin.errors import InvalidCodeError, ProvisioningError
from offlinepin.lock.decide import Decision, decide
from offlinepin.lock.state import State
from offlinepin.provisioning import Provisioning

_SECOND = timedelta(seconds=1)


class Lock:
    """A simulated lock.

    Args:
        provisioning: what a backend loads into it once; ``Issuer.provision`` makes it.
    """

    def __init__(self, provisioning: Provisioning) -> None:
        if not isinstance(provisioning, Provisioning):
            raise ProvisioningError(
                f"a lock is made of a Provisioning, which Issuer.provision makes, not of type {type(provisioning).__name__}"
            )
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
        if not isinstance(code, str):
            raise InvalidCodeError(f"a code is text, as a leading zero is a digit like any other, not of type {type(code).__name__}")
        now = datetime.now(UTC) if now is None else check_aware(now, "the present").astimezone(UTC)
        reading = self.provisioning.clock.reading(now)
        gone = timedelta() if self._seen is None else max(timedelta(), now - self._seen)
        self._uptime = self._uptime + gone // _SECOND if uptime is None else uptime
        self._seen = now - gone % _SECOND
        profile = self.provisioning.profile
        try:
            typed = ungrouped(profile, code)
        except InvalidCodeError:
            typed = ""  # no family claims it
        decision, self.state = decide(profile, self.token, self.state, None if clock_lost else reading, self._uptime, typed)
        if decision.action is Action.ROTATE:
            self.token = self.token.next()
        return decision

    def cut_power(self) -> None:
        """The power goes and comes back: what is volatile is lost, and the uptime starts anew."""
        self.state = self.state.after_power_cut()
        self._uptime, self._seen = 0, None
