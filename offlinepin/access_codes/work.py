"""One transaction's work: rows by id within a workspace, events beside their changes, and what is sealed read and written."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast
from uuid import NAMESPACE_URL, uuid4, uuid5

from pydantic import TypeAdapter
from sqlalchemy import Table, delete, insert, select
from sqlalchemy.orm import Session

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

_CLAIMS = cast(Table, ClaimRow.__table__)
_EVENTS = cast(Table, EventRow.__table__)
_MUTATIONS: TypeAdapter[tuple[PendingMutation, ...]] = TypeAdapter(tuple[PendingMutation, ...])


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

    # --- rows -------------------------------------------------------------------------------------------------------

    def device(self, workspace_id: str, device_id: str, *, change: bool = False) -> DeviceRow:
        """A device of a workspace. ``DeviceNotFoundError`` if there is none, or it was removed."""
        row = self.session.get(DeviceRow, device_id, with_for_update=True if change else None)
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

    def code_of(self, row: CodeRow) -> CodeRow:
        """The same row, locked and fresh."""
        found = self.session.get(CodeRow, row.access_code_id, with_for_update=True, populate_existing=True)
        assert found is not None
        return found

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

    # --- codes and claims -------------------------------------------------------------------------------------------

    def shown_code(self, row: CodeRow) -> str | None:
        """The code itself."""
        return None if row.code is None else self.store.vault.open(row.code, f"code/{row.access_code_id}").decode()

    def set_code(self, row: CodeRow, code: str) -> None:
        """Give an access code its code."""
        row.code = self.store.vault.seal(code.encode(), f"code/{row.access_code_id}")
        row.code_index = self.store.vault.index(row.workspace_id, code)

    def claim(self, row: CodeRow, *, keep: bool = False) -> None:
        """Claim an access code's digits for its time, and keep the row.

        ``keep`` leaves its earlier claim, of a code that the lock may still open for.
        """
        assert row.code_index is not None
        if row in self.session and not keep:
            self.release(row)
        self.session.add(row)
        self.session.flush()
        starts = -FOREVER if row.holds_from is None else micros(row.holds_from)
        ends = FOREVER if row.holds_until is None else micros(row.holds_until)
        claim = {
            "access_code_id": row.access_code_id,
            "device_id": row.device_id,
            "code_index": row.code_index,
            "starts": starts,
            "ends": ends,
        }
        self.session.execute(insert(_CLAIMS), claim)

    def release(self, row: CodeRow) -> None:
        """Give an access code's digits free."""
        self.session.execute(delete(ClaimRow).where(ClaimRow.access_code_id == row.access_code_id))

    def claimant(
        self, device: DeviceRow, code: str, starts_at: datetime | None, ends_at: datetime | None, beside: CodeRow | None = None
    ) -> str | None:
        """The id of an access code of the device that claims these digits in [starts_at, ends_at); ``None`` if they are free."""
        wanted = select(ClaimRow.access_code_id).where(
            ClaimRow.device_id == device.device_id,
            ClaimRow.code_index == self.store.vault.index(device.workspace_id, code),
            ClaimRow.starts < (FOREVER if ends_at is None else micros(ends_at)),
            ClaimRow.ends > (-FOREVER if starts_at is None else micros(starts_at)),
        )
        if beside is not None:
            wanted = wanted.where(ClaimRow.access_code_id != beside.access_code_id)
        return self.session.scalars(wanted.limit(1)).first()

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
        if self.events:
            self.session.flush()
            self.session.execute(insert(_EVENTS), self.events)


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
