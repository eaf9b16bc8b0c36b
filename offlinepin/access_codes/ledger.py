"""The issuer's ledger on the store: a variant is handed out in the transaction that writes the access code, and is a primary key there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, cast

from sqlalchemy import Connection, Table, bindparam, insert, select
from sqlalchemy.orm import Session

from offlinepin.access_codes.schema import DeviceRow, IssueRow, VariantRow
from offlinepin.ledger import Place, RequestKey, Taken

_PLACE: Final = ("device_id", "generation", "family", "kind", "start", "duration")
_VARIANTS = cast(Table, VariantRow.__table__)
_USED = select(_VARIANTS.c.variant).where(*(_VARIANTS.c[name] == bindparam(name) for name in _PLACE))
_NEW_VARIANT = insert(_VARIANTS)
_NEW_ISSUE = insert(cast(Table, IssueRow.__table__))


class StoreLedger:
    """A :class:`offlinepin.ledger.Ledger` within one transaction of the store; nothing is handed out until that is committed.

    Where two transactions take one variant, the database refuses the second, which the store then runs anew.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._connection = cast(Connection, session.bind)

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
        where = {name: getattr(place, name) for name in _PLACE}
        used = {variant for (variant,) in self._connection.execute(_USED, where)}
        variant = next((v for v in variants if v not in used and usable(v)), None)
        if variant is None:
            return None
        self._connection.execute(_NEW_VARIANT, {**where, "variant": variant})
        if request is not None:
            asked = {"request_id": request.request_id, "asked": request.asked}
            self._connection.execute(_NEW_ISSUE, {**where, **asked, "variant": variant})
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
