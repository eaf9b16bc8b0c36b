"""One transaction's work: rows by id within a workspace, events beside their changes, and what is sealed read and written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast
from uuid import NAMESPACE_URL, uuid4, uuid5

from pydantic import TypeAdapter
from sqlalchemy import Connection, Table, bindparam, delete, insert, select
from sqlalchemy.orm import Session, make_transient_to_detached

from offlinepin.access_codes.errors import AccessCodeNotFoundError, DeviceNotFoundError
from offlinepin.access_codes.events import event_from
from offlinepin.access_codes.ledger import StoreLedger
from offlinepin.access_codes.models import PendingMutation
from offlinepin.access_codes.products import Product
from offlinepin.access_codes.schema import FOREVER, ClaimRow, CodeRow, DeviceRow, EventRow, ProductRow, micros
from offlinepin.engine.token import DeviceToken
from offlinepin.errors import DeviceIdError
from offlinepin.issuer import Issuer
from offlinepin.pin import AccessPin

if TYPE_CHECKING:
    from offlinepin.access_codes.store import Store

# What every new access code runs, made once: to build a statement takes longer than to execute it.
_DEVICE = select(DeviceRow).where(DeviceRow.device_id == bindparam("device_id"))
_CODES = cast(Table, CodeRow.__table__)
_NEW_CODE = insert(_CODES)
_NEW_CLAIM = insert(cast(Table, ClaimRow.__table__))
_RELEASE = delete(ClaimRow).where(ClaimRow.access_code_id == bindparam("access_code_id"))
_NEW_EVENTS = insert(cast(Table, EventRow.__table__))
_CLAIMANT = select(ClaimRow.access_code_id).where(
    ClaimRow.device_id == bindparam("device_id"),
    ClaimRow.code_index == bindparam("code_index"),
    ClaimRow.starts < bindparam("ends"),
    ClaimRow.ends > bindparam("starts"),
    ClaimRow.access_code_id != bindparam("beside"),
)
_PINS: TypeAdapter[tuple[AccessPin, ...]] = TypeAdapter(tuple[AccessPin, ...])
_MUTATIONS: TypeAdapter[tuple[PendingMutation, ...]] = TypeAdapter(tuple[PendingMutation, ...])


@lru_cache(maxsize=1024)
def account_of(workspace_id: str) -> str:
    """The id of the one account that stands for a workspace's locks."""
    return str(uuid5(NAMESPACE_URL, f"offlinepin:account:{workspace_id}"))


@dataclass(frozen=True, slots=True)
class Work:
    """What is done in one transaction."""

    session: Session
    store: Store
    now: datetime
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def connection(self) -> Connection:
        """The transaction's connection, for statements that touch no row of the session."""
        return cast(Connection, self.session.bind)

    # --- rows -------------------------------------------------------------------------------------------------------

    def device(self, workspace_id: str, device_id: str, *, change: bool = False) -> DeviceRow:
        """A device of a workspace. ``DeviceNotFoundError`` if there is none, or it was removed."""
        if change:
            row = self.session.get(DeviceRow, device_id, with_for_update=True)
        else:
            row = self.session.scalars(_DEVICE, {"device_id": device_id}).first()
        if row is None or row.workspace_id != workspace_id or row.removed_at is not None:
            raise DeviceNotFoundError(f"there is no device {device_id!r} in this workspace")
        return row

    def code(self, workspace_id: str, access_code_id: str, *, managed: bool = True, change: bool = False) -> CodeRow:
        """An access code of a workspace. ``AccessCodeNotFoundError`` if there is none, or it is gone."""
        row = self.session.get(CodeRow, access_code_id, with_for_update=True if change else None)
        if row is None or row.workspace_id != workspace_id or row.deleted_at is not None or row.is_managed != managed:
            kind = "access code" if managed else "unmanaged access code"
            raise AccessCodeNotFoundError(f"there is no {kind} {access_code_id!r} in this workspace")
        return row

    def device_of(self, row: CodeRow) -> DeviceRow:
        """The device of an access code."""
        device = self.session.get(DeviceRow, row.device_id)
        assert device is not None  # a foreign key
        return device

    def product(self, device: DeviceRow) -> Product | None:
        """The product of a device; ``None`` for one that has no offline codes."""
        if device.product_id is None:
            return None
        kept = self.store.products.get(device.product_id)
        if kept is None:
            row = self.session.get(ProductRow, device.product_id)
            assert row is not None  # a foreign key
            kept = self.store.products[device.product_id] = Product.read(row.product_id, row.document)
        return kept

    # --- offline codes ----------------------------------------------------------------------------------------------

    def issuer(self, device: DeviceRow) -> Issuer:
        """The issuer of a device's codes; its ledger is this transaction."""
        product = self.product(device)
        assert product is not None
        return Issuer(Tokens(self), product.vendor, StoreLedger(self.session), allow_weak=True)  # its odds were judged when it was kept

    def pin(self, row: CodeRow) -> AccessPin | None:
        """What an offline code permits; ``None`` before it has a code."""
        return None if row.pin is None else AccessPin.model_validate_json(self.store.vault.open(row.pin, f"pin/{row.access_code_id}"))

    def set_pin(self, row: CodeRow, pin: AccessPin) -> None:
        """An access code's PIN, and with it its code, its times, and its claim."""
        row.pin = self.store.vault.seal(pin.model_dump_json().encode(), f"pin/{row.access_code_id}")
        self.set_code(row, pin.code)
        row.starts_at, row.ends_at, row.is_one_time_use = pin.starts_at, pin.ends_at, pin.one_time
        row.holds_from, row.holds_until = pin.starts_at, pin.ends_at

    def earlier_pins(self, row: CodeRow) -> tuple[AccessPin, ...]:
        """What an offline code permitted before it was changed, and its lock may still open for; oldest first."""
        if row.earlier_pins is None:
            return ()
        pins = _PINS.validate_json(self.store.vault.open(row.earlier_pins, f"earlier/{row.access_code_id}"))
        return tuple(pin for pin in pins if pin.ends_at is None or pin.ends_at > self.now)

    def set_earlier_pins(self, row: CodeRow, pins: Sequence[AccessPin]) -> None:
        """Replace them."""
        text = _PINS.dump_json(tuple(pins))
        row.earlier_pins = self.store.vault.seal(text, f"earlier/{row.access_code_id}") if pins else None

    # --- codes and claims -------------------------------------------------------------------------------------------

    def shown_code(self, row: CodeRow) -> str | None:
        """The code itself."""
        return None if row.code is None else self.store.vault.open(row.code, f"code/{row.access_code_id}").decode()

    def set_code(self, row: CodeRow, code: str) -> None:
        """Give an access code its code."""
        row.code = self.store.vault.seal(code.encode(), f"code/{row.access_code_id}")
        row.code_index = self.store.vault.index(row.workspace_id, code)

    def add(self, row: CodeRow) -> None:
        """Keep a new access code, which has all its columns. By one statement: the session would take three times as long."""
        self.connection.execute(_NEW_CODE, {name: getattr(row, name) for name in _CODES.c.keys()})  # noqa: SIM118 - columns, by name
        make_transient_to_detached(row)
        self.session.add(row)

    def claim(self, row: CodeRow, *, keep: bool = False) -> None:
        """Claim an access code's digits for its time, and keep the row.

        ``keep`` leaves its earlier claim, of a code that the lock may still open for.
        """
        assert row.code_index is not None
        if row not in self.session:
            self.add(row)
        elif not keep:
            self.release(row)
        self.session.flush()
        claim = {
            "access_code_id": row.access_code_id,
            "device_id": row.device_id,
            "code_index": row.code_index,
            **_span(row.holds_from, row.holds_until),
        }
        self.connection.execute(_NEW_CLAIM, claim)

    def release(self, row: CodeRow) -> None:
        """Give an access code's digits free."""
        self.connection.execute(_RELEASE, {"access_code_id": row.access_code_id})

    def claimant(
        self, device: DeviceRow, code: str, starts_at: datetime | None, ends_at: datetime | None, beside: CodeRow | None = None
    ) -> str | None:
        """The id of an access code of the device that claims these digits in [starts_at, ends_at); ``None`` if they are free."""
        wanted = {
            "device_id": device.device_id,
            "code_index": self.store.vault.index(device.workspace_id, code),
            "beside": "" if beside is None else beside.access_code_id,
            **_span(starts_at, ends_at),
        }
        self.session.flush()
        found = self.connection.execute(_CLAIMANT, wanted).first()
        return None if found is None else str(found.access_code_id)

    # --- pending mutations ------------------------------------------------------------------------------------------

    def mutations(self, row: CodeRow) -> tuple[PendingMutation, ...]:
        """The changes that are on their way to the device. They can hold codes, so they are sealed."""
        if row.mutations is None:
            return ()
        return _MUTATIONS.validate_json(self.store.vault.open(row.mutations, f"mutations/{row.access_code_id}"))

    def set_mutations(self, row: CodeRow, *mutations: PendingMutation) -> None:
        """Replace them."""
        text = _MUTATIONS.dump_json(mutations, by_alias=True)
        row.mutations = self.store.vault.seal(text, f"mutations/{row.access_code_id}") if mutations else None

    # --- events -----------------------------------------------------------------------------------------------------

    def event(self, row: CodeRow, event_type: str, **members: Any) -> None:
        """Write an event of an access code, in this transaction. Its payload can hold codes, so it is sealed."""
        event_id = str(uuid4())
        made = event_from(
            {
                "event_id": event_id,
                "event_type": event_type,
                "workspace_id": row.workspace_id,
                "created_at": self.now,
                "occurred_at": self.now,
                "access_code_id": row.access_code_id,
                "device_id": row.device_id,
                "connected_account_id": account_of(row.workspace_id),
                **members,
            }
        )
        self.events.append(
            {
                "event_id": event_id,
                "workspace_id": row.workspace_id,
                "event_type": event_type,
                "access_code_id": row.access_code_id,
                "device_id": row.device_id,
                "occurred_at": self.now,
                "payload": self.store.vault.seal(made.model_dump_json(by_alias=True).encode(), f"event/{event_id}"),
                "is_dispatched": False,
            }
        )

    def finish(self) -> None:
        """Write the events down, in the order in which they happened."""
        self.session.flush()
        if self.events:
            self.connection.execute(_NEW_EVENTS, self.events)


def _span(starts_at: datetime | None, ends_at: datetime | None) -> dict[str, int]:
    """A time frame as claims keep it."""
    return {"starts": -FOREVER if starts_at is None else micros(starts_at), "ends": FOREVER if ends_at is None else micros(ends_at)}


class Tokens:
    """The device tokens of a transaction: derived from the master key, or imported and kept sealed."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def token(self, device_id: str, generation: int = 0) -> DeviceToken:
        """See :class:`offlinepin.keys.TokenSource`. ``DeviceIdError`` for a device without a token."""
        store = self._work.store
        device = self._work.session.get(DeviceRow, device_id)
        if device is None or device.credentials == "missing":
            raise DeviceIdError(f"there is no token for device {device_id!r}")
        found = store.tokens.get((device_id, generation))
        if found is not None:
            return found
        if device.token is None:
            return store.remember_token(device_id, store.keys.token(device_id, generation))
        token = DeviceToken(store.vault.open(device.token, f"token/{device_id}"), device.token_generation)
        while token.generation < generation:
            token = token.next()
        return store.remember_token(device_id, token)
