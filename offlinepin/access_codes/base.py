"""What all models of the resource share: strict frozen bases, and moments as the resource writes them (UTC, microseconds, ``Z``)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, PlainSerializer


def wire_time(moment: datetime) -> str:
    """A moment as the resource writes it: ``2025-06-14T16:54:17.946242Z``."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


Moment = Annotated[
    AwareDatetime,
    AfterValidator(lambda moment: moment.astimezone(UTC)),
    PlainSerializer(wire_time, return_type=str, when_used="json"),
]
"""An aware moment, kept in UTC."""


class Resource(BaseModel):
    """The base of every resource model: frozen; unknown members of newer versions are ignored when it is read back."""

    model_config = ConfigDict(frozen=True, extra="ignore", serialize_by_alias=True)
