"""The issuer's ledger on the store: a variant is handed out in the transaction that writes the access code, and is a primary key there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from sqlalchemy import Table, insert, select
from sqlalchemy.orm import Session

from offlinepin.access_codes.schema import DeviceRow, IssueRow, VariantRow
from offlinepin.ledger import Place, RequestKey, Taken

_VARIANTS = cast(Table, VariantRow.__table__)
_ISSUES = cast(Table, IssueRow.__table__)


class StoreLedger:
    """A :class:`offlinepin.ledger.Ledger` within one transaction of the store; nothing is handed out until that is committed.

    Where two transactions take one variant, the database refuses the second, which the store then runs anew.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def recall(self, request: RequestKey) -> Taken | None:
        """See :meth:`offlinepin.ledger.Ledger.recall`."""
        row = self._session.get(IssueRow, (request.device_id, request.request_id))
        if row is None:
            return None
        if row.asked != request.asked:
            raise request.refuse(row.asked)
        return Taken(Place(row.device_id, row.generation, row.family, row.kind, row.start, row.duration), row.variant)

    def take(self, place: Place, variants: range, usable: Callable[[int], bool], request: RequestKey | None) -> Taken | None:
        """See :meth:`offlinepin.ledger.Ledger.take`."""
        if request is not None and (before := self.recall(request)) is not None:
            return before
        used = set(
            self._session.scalars(
                select(VariantRow.variant).where(
                    VariantRow.device_id == place.device_id,
                    VariantRow.generation == place.generation,
                    VariantRow.family == place.family,
                    VariantRow.kind == place.kind,
                    VariantRow.start == place.start,
                    VariantRow.duration == place.duration,
                )
            )
        )
        variant = next((v for v in variants if v not in used and usable(v)), None)
        if variant is None:
            return None
        members = {
            "device_id": place.device_id,
            "generation": place.generation,
            "family": place.family,
            "kind": place.kind,
            "start": place.start,
            "duration": place.duration,
            "variant": variant,
        }
        self._session.execute(insert(_VARIANTS), members)
        if request is not None:
            self._session.execute(insert(_ISSUES), {"request_id": request.request_id, "asked": request.asked, **members})
        return Taken(place, variant)

    def take_many(self, places: Sequence[Place], variants: Sequence[range], usable: Callable[[int, int], bool]) -> list[Taken | None]:
        """See :meth:`offlinepin.ledger.Ledger.take_many`."""
        return [self.take(place, variants[i], lambda v, i=i: usable(i, v), None) for i, place in enumerate(places)]  # type: ignore[misc]

    def generation(self, device_id: str) -> int:
        """See :meth:`offlinepin.ledger.Ledger.generation`."""
        row = self._session.get(DeviceRow, device_id)
        return 0 if row is None else row.generation

    def step(self, device_id: str, generation: int) -> None:
        """See :meth:`offlinepin.ledger.Ledger.step`. A device that the store does not know is ignored."""
        row = self._session.get(DeviceRow, device_id, with_for_update=True)
        if row is not None:
            row.generation = max(row.generation, generation)
