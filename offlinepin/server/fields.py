"""The kinds of value that a parameter can have. Each refusal says what would be right and repeats nothing that was sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final, TypeVar
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema


def _id(value: object) -> str:
    try:
        return str(UUID(value if isinstance(value, str) else ""))
    except ValueError:
        raise ValueError("Invalid uuid") from None


def _moment(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(value.upper() if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("Expected a date and time in ISO 8601, such as 2027-07-01T15:00:00Z") from None
    if moment.tzinfo is None:
        raise ValueError("The date and time has no zone: end it with Z or an offset such as +02:00")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("The date and time lies outside the years 1 to 9999") from None


def _whole(value: object) -> object:
    """6.0 is 6: today's SDKs declare every number a float."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Id = Annotated[str, BeforeValidator(_id), WithJsonSchema({"type": "string", "format": "uuid"})]
Moment = Annotated[datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
Whole = Annotated[int, BeforeValidator(_whole)]
_NO_NUL: Final = r"^[^\x00]*$"  # PostgreSQL keeps no text with one
_CODE: Final = r"^[0-9]{4,12}$"
IN_WORDS: Final = {_NO_NUL: "Expected a text without the character NUL", _CODE: "Expected 4 to 12 digits"}
"""What each pattern asks for."""
Name = Annotated[str, Field(min_length=1, max_length=256, pattern=_NO_NUL)]
Code = Annotated[str, Field(pattern=_CODE, description="4 to 12 digits")]
Typed = Annotated[str, Field(min_length=1, max_length=40, description="the keys in the order in which they are pressed")]
Limit = Annotated[Whole, Field(ge=1, le=1000)]
CodeLength = Annotated[Whole, Field(ge=4, le=20)]
Ids = Annotated[list[Id], Field(min_length=1, max_length=1000)]
Words = Annotated[str, Field(min_length=1, max_length=500, pattern=_NO_NUL)]


T = TypeVar("T")
Old = Annotated[T | None, Field(json_schema_extra={"deprecated": True})]
_NEW_NAMES: Final = {
    "allow_external_modification": "is_external_modification_allowed",
    "use_offline_access_code": "is_offline_access_code",
    "unstable_offset": "offset",
}


class Parameters(BaseModel):
    """The base of all requests: frozen, and an unknown name is refused, for what is misspelt must not be left out in silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    null_counts: ClassVar[bool] = False
    """Whether null says something, as in an update; otherwise it is as good as nothing."""

    of_no_effect: ClassVar[frozenset[str]] = frozenset()
    """What SDKs may send and what makes no difference here."""

    of_others: ClassVar[frozenset[str]] = frozenset()
    """What a list can be narrowed to elsewhere and nothing here belongs to: it finds nothing then."""

    def arguments(self) -> dict[str, Any]:
        """What was given, under the service's names: an old name stands for its new one."""
        given = {name: getattr(self, name) for name in sorted(self.model_fields_set - self.of_no_effect - self.of_others)}
        given = {name: value for name, value in given.items() if self.null_counts or value is not None}
        for old in _NEW_NAMES.keys() & given.keys():
            given.setdefault(_NEW_NAMES[old], given.pop(old))
        return given
