"""What an issuer answers: the access PIN with its true times, and the notices that its receiver should read."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, computed_field

from offlinepin.engine.clock import length_in_words
from offlinepin.engine.codec import grouped


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")  # its own JSON holds computed members, which are computed again


class Rounded(_Answer):
    """The code's times differ from the times asked for. Positive: the code holds longer. Negative: it holds less."""

    code: Literal["rounded"] = "rounded"
    starts_early: timedelta
    ends_late: timedelta

    @computed_field  # type: ignore[prop-decorator]
    @property
    def message(self) -> str:
        """The notice in words."""
        parts = []
        for verb, amount, more, less in (("begins", self.starts_early, "before", "after"), ("ends", self.ends_late, "after", "before")):
            if amount:
                words = length_in_words(abs(amount) // timedelta(seconds=1)) if abs(amount) >= timedelta(seconds=1) else "less than 1 s"
                parts.append(f"{verb} {words} {more if amount > timedelta() else less} the time asked for")
        return f"The code {' and '.join(parts)}."


class MustBeUsedBy(_Answer):
    """The code is lost unless it is first used by this time."""

    code: Literal["must_be_used_by"] = "must_be_used_by"
    use_by: datetime

    @computed_field  # type: ignore[prop-decorator]
    @property
    def message(self) -> str:
        """The notice in words."""
        return f"The code must be used for the first time before {self.use_by:%Y-%m-%d %H:%M %Z}; otherwise it never opens."


class ClockChange(_Answer):
    """The clocks of the lock's zone change while the code is valid. Its times are those of the clock on the wall."""

    code: Literal["clock_change"] = "clock_change"
    at: datetime
    shift: timedelta

    @computed_field  # type: ignore[prop-decorator]
    @property
    def message(self) -> str:
        """The notice in words."""
        way = "forward" if self.shift > timedelta() else "back"
        by = length_in_words(abs(self.shift) // timedelta(seconds=1))
        return f"The clocks go {way} by {by} on {self.at:%Y-%m-%d}; the lock's clock must follow."


class Supersedes(_Answer):
    """The first use of the code ends every earlier code of its group."""

    code: Literal["supersedes"] = "supersedes"
    group: str

    @computed_field  # type: ignore[prop-decorator]
    @property
    def message(self) -> str:
        """The notice in words."""
        return f"Its first use ends every earlier code of {self.group!r} on this lock."


Notice = Annotated[Rounded | MustBeUsedBy | ClockChange | Supersedes, Field(discriminator="code")]


class ServiceCode(_Answer):
    """A code that is typed at a lock to change the lock (format 1, section 10), not to open it.

    Attributes:
        code: what is typed. Not shown by ``repr``.
        action: ``clear``, ``revoke``, ``rotate`` or ``set_clock``.
        starts_at, ends_at: when it can be typed; ``None`` where no such rule holds.
        check_value: what the lock shows of its token afterwards.
    """

    code: str = Field(repr=False)
    device_id: str
    action: str
    starts_at: datetime | None
    ends_at: datetime | None
    check_value: str

    @computed_field(repr=False)  # type: ignore[prop-decorator]
    @property
    def grouped(self) -> str:
        """The code for reading aloud: groups of three."""
        return grouped(self.code)


class AccessPin(_Answer):
    """A code and what it permits.

    Attributes:
        code: what is typed. Text: a leading zero counts. Not shown by ``repr``.
        device_id, generation: the lock, and the generation of its token.
        vendor, family, kind, variant: which rule the code follows.
        starts_at, ends_at: when the lock opens for it, exactly; ``ends_at`` is ``None`` without an end. Aware, in the lock's zone if it
            is known, otherwise in the request's.
        use_by: when it must first have been used; ``None`` without such a rule.
        one_time: whether it opens once only.
        start_slot, duration: the grant in the family's slots, as in the format.
        notices: what its receiver should read.
    """

    code: str = Field(repr=False)
    device_id: str
    generation: int
    vendor: str
    family: str
    kind: str
    variant: int
    starts_at: datetime
    ends_at: datetime | None
    use_by: datetime | None
    one_time: bool
    start_slot: int
    duration: int
    notices: tuple[Notice, ...]

    @computed_field(repr=False)  # type: ignore[prop-decorator]
    @property
    def grouped(self) -> str:
        """The code for reading aloud: groups of three."""
        return grouped(self.code)
