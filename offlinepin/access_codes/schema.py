"""The store's tables. What must be unique is a constraint here and no check elsewhere, so that two workers cannot hand out one thing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import TypeAdapter
from sqlalchemy import BigInteger, Dialect, ForeignKey, Index, Integer, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from offlinepin.access_codes.code_errors import AccessCodeError
from offlinepin.access_codes.code_warnings import AccessCodeWarning

VERSION: Final = "0002"
"""The newest of ``migrations/versions``."""
FOREVER: Final = 2**62
"""An end that never comes, and negated a start that always was."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)


def micros(moment: datetime) -> int:
    """A moment in microseconds since 1970."""
    return (moment - _EPOCH) // _TICK


def from_micros(count: int) -> datetime:
    """The moment that :func:`micros` counted."""
    return _EPOCH + count * _TICK


class Instant(TypeDecorator[datetime]):
    """An aware moment, kept as microseconds since 1970: exact, and compared alike by every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """To the database."""
        return None if value is None else micros(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """From the database."""
        return None if value is None else from_micros(value)


class Typed(TypeDecorator[Any]):
    """A value of one type, kept as JSON text."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.kind = kind
        self._adapter: TypeAdapter[Any] = TypeAdapter(kind)

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002
        """To the database."""
        return None if value is None else self._adapter.dump_json(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002
        """From the database."""
        return None if value is None else self._adapter.validate_json(value)


class Table(DeclarativeBase):
    """The base of every table."""

    type_annotation_map = {datetime: Instant, bytes: LargeBinary, str: String, int: BigInteger}  # noqa: RUF012 - as SQLAlchemy asks


class Meta(Table):
    """What is known of the store itself: under ``key_check``, a value by which its master key is known."""

    __tablename__ = "meta"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[bytes]


class WorkspaceRow(Table):
    """A workspace."""

    __tablename__ = "workspaces"

    workspace_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    created_at: Mapped[datetime]


class ApiKeyRow(Table):
    """An API key: only its hash is kept."""

    __tablename__ = "api_keys"

    key_hash: Mapped[bytes] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.workspace_id"))
    name: Mapped[str]
    shown: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class ProductRow(Table):
    """A vendor's product as it was when its first lock was registered: a lock in a door does not change with a plug-in's next version."""

    __tablename__ = "products"

    product_id: Mapped[str] = mapped_column(primary_key=True)
    document: Mapped[str] = mapped_column(Text)


class DeviceRow(Table):
    """A lock."""

    __tablename__ = "devices"

    device_id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.workspace_id"), index=True)
    name: Mapped[str]
    product_id: Mapped[str | None] = mapped_column(ForeignKey("products.product_id"))
    time_zone: Mapped[str | None]
    plausible_time_zones: Mapped[tuple[str, ...]] = mapped_column(Typed(tuple[str, ...]))
    credentials: Mapped[str]  # derived, imported, missing
    token: Mapped[bytes | None]
    token_generation: Mapped[int]
    generation: Mapped[int]
    connection: Mapped[str | None]
    code_lengths: Mapped[tuple[int, ...] | None] = mapped_column(Typed(tuple[int, ...]))
    created_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]
    verify_at: Mapped[datetime | None] = mapped_column(index=True)


class CodeRow(Table):
    """An access code, managed or not. Its code is sealed; ``code_index`` finds it."""

    __tablename__ = "access_codes"
    __table_args__ = (Index("access_codes_found", "workspace_id", "device_id", "created_at"),)

    access_code_id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.workspace_id"))
    device_id: Mapped[str] = mapped_column(ForeignKey("devices.device_id"))
    is_managed: Mapped[bool] = mapped_column(default=True)
    name: Mapped[str | None]
    code: Mapped[bytes | None]
    code_index: Mapped[bytes | None] = mapped_column(index=True)
    common_code_key: Mapped[str | None] = mapped_column(index=True)
    created_at: Mapped[datetime]
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    holds_from: Mapped[datetime | None]
    holds_until: Mapped[datetime | None]
    status: Mapped[str]
    errors: Mapped[tuple[AccessCodeError, ...]] = mapped_column(Typed(tuple[AccessCodeError, ...]), default=())
    warnings: Mapped[tuple[AccessCodeWarning, ...]] = mapped_column(Typed(tuple[AccessCodeWarning, ...]), default=())
    mutations: Mapped[bytes | None]
    is_backup: Mapped[bool] = mapped_column(default=False)
    uses_backup_pool: Mapped[bool] = mapped_column(default=False)
    backup_place: Mapped[int | None]
    pulled_backup_id: Mapped[str | None] = mapped_column(unique=True)
    is_external_modification_allowed: Mapped[bool] = mapped_column(default=False)
    is_offline: Mapped[bool]
    is_one_time_use: Mapped[bool] = mapped_column(default=False)
    is_scheduled: Mapped[bool] = mapped_column(default=False)
    is_waiting: Mapped[bool] = mapped_column(default=False)
    prefers_native_scheduling: Mapped[bool] = mapped_column(default=True)
    pin: Mapped[bytes | None]
    earlier_pins: Mapped[bytes | None]  # which its PIN takes the place of, and which the lock may still open for
    wish: Mapped[str | None] = mapped_column(Text)  # of an offline code that waits for its code
    reference: Mapped[str | None]  # by which the lock tells a code that was found on it
    stay_id: Mapped[int | None]
    step: Mapped[str | None]  # what comes next: assign, program, expire, remove
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    step_since: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    told_at: Mapped[datetime | None]  # when the lock last took it; None where it has nothing of it
    deleted_at: Mapped[datetime | None] = mapped_column(index=True)
    leased_until: Mapped[datetime | None]  # while a worker tells the lock

    __mapper_args__ = {"eager_defaults": False}  # noqa: RUF012 - as SQLAlchemy asks


_AT_FIRST: Final = {column.key: getattr(column.default, "arg", None) for column in CodeRow.__table__.columns}


def new_code(**given: Any) -> CodeRow:
    """An access code with all its columns: those given, and the others as they are at first."""
    return CodeRow(**{**_AT_FIRST, **given})


Index("backup_pool_places", CodeRow.device_id, CodeRow.backup_place, unique=True)


class ClaimRow(Table):
    """A code's digits on a device for a time. Two access codes cannot claim the same digits at overlapping times: a trigger refuses it."""

    __tablename__ = "claims"
    __table_args__ = (Index("claims_found", "device_id", "code_index"),)

    claim_id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    access_code_id: Mapped[str] = mapped_column(ForeignKey("access_codes.access_code_id"), index=True)
    device_id: Mapped[str]
    code_index: Mapped[bytes]
    starts: Mapped[int]
    ends: Mapped[int]


class VariantRow(Table):
    """A variant that was handed out."""

    __tablename__ = "variants"

    device_id: Mapped[str] = mapped_column(primary_key=True)
    generation: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    family: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    start: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    duration: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    variant: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class IssueRow(Table):
    """What a request id of a device was given by the ledger."""

    __tablename__ = "issues"

    device_id: Mapped[str] = mapped_column(primary_key=True)
    request_id: Mapped[str] = mapped_column(primary_key=True)
    asked: Mapped[str] = mapped_column(Text)
    generation: Mapped[int]
    family: Mapped[str]
    kind: Mapped[str]
    start: Mapped[int]
    duration: Mapped[int]
    variant: Mapped[int]


class RequestRow(Table):
    """A call that was served, so that its repetition gives the same and creates nothing."""

    __tablename__ = "requests"

    workspace_id: Mapped[str] = mapped_column(primary_key=True)
    request_id: Mapped[str] = mapped_column(primary_key=True)
    asked: Mapped[bytes]
    access_code_ids: Mapped[tuple[str, ...]] = mapped_column(Typed(tuple[str, ...]))
    created_at: Mapped[datetime] = mapped_column(index=True)


class EventRow(Table):
    """An event, written in the transaction of the change it tells of."""

    __tablename__ = "events"
    __table_args__ = (Index("events_found", "workspace_id", "occurred_at"),)

    sequence: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    event_id: Mapped[str] = mapped_column(unique=True)
    workspace_id: Mapped[str]
    event_type: Mapped[str]
    access_code_id: Mapped[str] = mapped_column(index=True)
    device_id: Mapped[str]
    occurred_at: Mapped[datetime]
    payload: Mapped[bytes]
    is_dispatched: Mapped[bool] = mapped_column(default=False)


Index("events_new", EventRow.sequence, sqlite_where=text("is_dispatched = 0"), postgresql_where=text("NOT is_dispatched"))


class AttemptRow(Table):
    """What became of an action."""

    __tablename__ = "action_attempts"
    __table_args__ = (Index("action_attempts_found", "workspace_id", "created_at"),)

    action_attempt_id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str]
    device_id: Mapped[str]
    access_code_id: Mapped[str | None]
    action_type: Mapped[str]
    status: Mapped[str]
    payload: Mapped[bytes]
    created_at: Mapped[datetime]


class SimulatedRow(Table):
    """The memory of a simulated lock, sealed, and its faults."""

    __tablename__ = "simulated_locks"

    device_id: Mapped[str] = mapped_column(ForeignKey("devices.device_id"), primary_key=True)
    memory: Mapped[bytes]


class EndpointRow(Table):
    """Where a workspace's events are sent."""

    __tablename__ = "webhook_endpoints"

    endpoint_id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.workspace_id"), index=True)
    url: Mapped[str] = mapped_column(Text)
    secret: Mapped[bytes]
    event_types: Mapped[tuple[str, ...]] = mapped_column(Typed(tuple[str, ...]))
    created_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]


class DeliveryRow(Table):
    """An event on its way to an endpoint: the outbox."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (UniqueConstraint("endpoint_id", "event_id"),)

    delivery_id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    endpoint_id: Mapped[str] = mapped_column(ForeignKey("webhook_endpoints.endpoint_id"))
    event_id: Mapped[str]
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    delivered_at: Mapped[datetime | None]
    problem: Mapped[str | None] = mapped_column(Text)


_OVERLAPS: Final = (
    "SELECT 1 FROM claims WHERE device_id = NEW.device_id AND code_index = NEW.code_index "
    "AND access_code_id <> NEW.access_code_id AND starts < NEW.ends AND NEW.starts < ends"
)
TRIGGERS: Final = {
    "sqlite": tuple(
        f"CREATE TRIGGER IF NOT EXISTS claims_apart_{word} BEFORE {word} ON claims "
        f"BEGIN SELECT RAISE(ABORT, 'claims overlap') WHERE EXISTS ({_OVERLAPS}); END"
        for word in ("INSERT", "UPDATE")
    ),
    "postgresql": (
        # The lock makes two transactions that claim the same digits wait for each other; the look comes after it, so it sees both.
        "CREATE OR REPLACE FUNCTION claims_apart() RETURNS trigger AS $$ BEGIN "
        "PERFORM pg_advisory_xact_lock(hashtextextended(NEW.device_id || encode(NEW.code_index, 'hex'), 0)); "
        f"IF EXISTS ({_OVERLAPS}) THEN RAISE EXCEPTION 'claims overlap' USING ERRCODE = 'exclusion_violation'; END IF; "
        "RETURN NEW; END $$ LANGUAGE plpgsql",
        "CREATE OR REPLACE TRIGGER claims_apart BEFORE INSERT OR UPDATE ON claims FOR EACH ROW EXECUTE FUNCTION claims_apart()",
    ),
}
"""What no portable constraint can say: claims of the same digits on a device do not overlap."""
