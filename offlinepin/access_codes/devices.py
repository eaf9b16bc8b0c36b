"""The calls about devices: registering locks, their tokens, zones and constraints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4

from sqlalchemy import Select, select

from offlinepin.access_codes import capabilities, lifecycle, native, simulated, verification
from offlinepin.access_codes.calls import Calls, page
from offlinepin.access_codes.code_warnings import warning
from offlinepin.access_codes.device_models import Device
from offlinepin.access_codes.errors import DeviceNotFoundError, InvalidInputError, WorkspaceError
from offlinepin.access_codes.models import Page
from offlinepin.access_codes.offline import DST_WARNING
from offlinepin.access_codes.products import Product, describe
from offlinepin.access_codes.schema import CodeRow, DeviceRow, ProductRow, WorkspaceRow
from offlinepin.access_codes.simulated import SimulatedConnection
from offlinepin.access_codes.work import Work
from offlinepin.engine.clock import zone
from offlinepin.engine.token import DeviceToken
from offlinepin.provisioning import Provisioning


class DeviceCalls(Calls):
    """The calls about devices."""

    def register_device(
        self,
        name: str,
        vendor: str | None,
        *,
        options: dict[str, Any] | None = None,
        device_id: str | None = None,
        time_zone: str | None = None,
        plausible_time_zones: Sequence[str] = (),
        token: DeviceToken | Literal["derived"] | None = "derived",  # noqa: S107 - no secret
        connection: str | None = None,
        now: datetime | None = None,
    ) -> Device:
        """Register a lock.

        Args:
            name: what people call it, 1 to 256 characters.
            vendor: the plug-in whose offline codes it takes, with its ``options``; ``None`` for a lock without offline codes.
            device_id: a UUID; a new one by default. Its token derives from it.
            time_zone: the zone that its clock keeps, where it is known.
            plausible_time_zones: where it is not: all that it may be. Time frames then get an hour of safety.
            token: ``"derived"`` from the master key, an imported one, or ``None`` for one that is imported later.
            connection: ``"simulated"``, or one that the store was given; ``None`` for a lock that is never reached.

        Raises:
            VendorError, WeakProfileError, UnknownTimeZoneError: as they say.
            InvalidInputError: the id is no UUID or is taken, or the lock has neither vendor nor connection.
        """
        if not 1 <= len(name) <= 256:
            raise InvalidInputError("name", f"a name is 1 to 256 characters, not {len(name)}")
        if vendor is None and connection is None:
            raise InvalidInputError("vendor", "a lock needs a vendor, whose offline codes it takes, or a connection, or both")
        for text in (*plausible_time_zones, *([time_zone] if time_zone is not None else [])):
            zone(text)
        if connection not in (None, "simulated", *self.store.connections):
            raise InvalidInputError("connection", f"there is no connection {connection!r}")
        product = None if vendor is None else describe(vendor, options or {})
        row = DeviceRow(
            device_id=str(uuid4()) if device_id is None else _uuid(device_id),
            workspace_id=self.workspace_id,
            name=name,
            product_id=None if product is None else product[0],
            time_zone=time_zone,
            plausible_time_zones=tuple(plausible_time_zones),
            connection=connection,
            created_at=self.store.moment(now),
            token_generation=0,
            generation=0,
        )
        self._write(lambda work: _register(work, row, product, token), now)
        return self.get_device(row.device_id)

    def import_token(self, device_id: str, token: DeviceToken, *, now: datetime | None = None) -> None:
        """Give a device the token that its lock was provisioned with. Access codes that waited for it get their codes at the next tick."""

        def give(work: Work) -> None:
            device = work.device(self.workspace_id, device_id, change=True)
            if device.credentials != "missing":
                raise InvalidInputError("token", f"device {device_id!r} has its token already")
            _import(work, device, token)
            for row in work.session.scalars(_codes_of(device_id).where(CodeRow.is_waiting)):
                row.due_at = work.now

        self._write(give, now)

    def provision(self, device_id: str) -> Provisioning:
        """What is loaded into the lock of a device once: secret token included."""

        def make(work: Work) -> Provisioning:
            device = work.device(self.workspace_id, device_id)
            if device.product_id is None:
                raise InvalidInputError("device_id", "the device has no offline codes, so nothing is loaded into its lock")
            return work.issuer(device).provision(device_id, time_zone=device.time_zone)

        return self._read(make)

    def simulator(self, device_id: str) -> SimulatedConnection:
        """The simulated lock of a device, whose faults a test can switch on."""
        self._read(lambda work: work.device(self.workspace_id, device_id))
        return SimulatedConnection(self.store, device_id)

    def remove_device(self, device_id: str, *, now: datetime | None = None) -> None:
        """Remove a device. Its access codes stay to be read, with the error ``device_removed``; nothing is sent to it any more."""

        def remove(work: Work) -> None:
            device = work.device(self.workspace_id, device_id, change=True)
            device.removed_at, device.verify_at = work.now, None
            for row in work.session.scalars(_codes_of(device_id)):
                lifecycle.lose(work, row)

        self._write(remove, now)

    def transfer_device(self, device_id: str, workspace_id: str, *, now: datetime | None = None) -> None:
        """Give a device to another workspace. This one's access codes of it stay readable, with the warning ``management_transferred``.
        What is on the lock goes from there at its end, or when it is deleted; nothing new goes there."""

        def transfer(work: Work) -> None:
            device = work.device(self.workspace_id, device_id, change=True)
            if workspace_id == self.workspace_id or work.session.get(WorkspaceRow, workspace_id) is None:
                raise WorkspaceError(f"a device is transferred to another workspace that exists, not to {workspace_id!r}")
            device.workspace_id = workspace_id
            for row in work.session.scalars(_codes_of(device_id)):
                row.warnings = (*row.warnings, warning("management_transferred", work.now))
                if row.step in ("program", "withdraw"):
                    lifecycle.leave(work, row, "unset" if lifecycle.is_untouched(row) else "unknown")
                    if row.status == "unknown" and row.holds_until is not None:
                        row.step, row.due_at, row.step_since = "expire", row.holds_until, row.holds_until

        self._write(transfer, now)

    def get_device(self, device_id: str | None = None, *, name: str | None = None) -> Device:
        """A device by its id or its name. ``DeviceNotFoundError`` if there is none."""

        def find(work: Work) -> DeviceRow:
            if device_id is not None:
                return work.device(self.workspace_id, device_id)
            if name is None:
                raise InvalidInputError("device_id", "give device_id or name")
            wanted = select(DeviceRow).where(
                DeviceRow.workspace_id == self.workspace_id, DeviceRow.name == name, DeviceRow.removed_at.is_(None)
            )
            row = work.session.scalars(wanted.order_by(DeviceRow.created_at)).first()
            if row is None:
                raise DeviceNotFoundError(f"there is no device named {name!r} in this workspace")
            return row

        return self._read(lambda work: _view(work, find(work)))

    def list_devices(
        self,
        *,
        device_ids: Iterable[str] | None = None,
        device_type: str | None = None,
        device_types: Iterable[str] | None = None,
        manufacturer: str | None = None,
        search: str | None = None,
        limit: int = 500,
        page_cursor: str | None = None,
    ) -> Page[Device]:
        """The devices of the workspace, oldest first. ``search`` is looked for in names and ids."""
        wanted = select(DeviceRow).where(DeviceRow.workspace_id == self.workspace_id, DeviceRow.removed_at.is_(None))
        if device_ids is not None:
            wanted = wanted.where(DeviceRow.device_id.in_(list(device_ids)))
        if search:
            wanted = wanted.where(DeviceRow.name.icontains(search, autoescape=True) | (DeviceRow.device_id == search))
        kinds = set(device_types or ()) | ({device_type} if device_type else set())
        if manufacturer is not None:
            kinds = {kind for kind in kinds or {f"{manufacturer}_lock"} if kind == f"{manufacturer}_lock"} or {""}

        def find(work: Work) -> Page[Device]:
            narrowed = wanted
            if kinds:
                every = work.session.scalars(wanted).all()
                fitting = [row.device_id for row in every if _view(work, row).device_type in kinds]
                narrowed = wanted.where(DeviceRow.device_id.in_(fitting))
            rows, cursor = page(work, narrowed, DeviceRow.created_at, DeviceRow.device_id, limit, page_cursor)
            return Page(items=tuple(_view(work, row) for row in rows), next_page_cursor=cursor)

        return self._read(find)

    def report_provider_metadata(self, device_id: str, time_zone: str, *, now: datetime | None = None) -> None:
        """Tell a device's zone. The hour of safety of its native codes is taken back; offline codes that were issued keep theirs."""
        self.report_time_zones({device_id: time_zone}, now=now)

    def report_time_zones(self, zones: Mapping[str, str], *, now: datetime | None = None) -> None:
        """Tell several devices' zones, by the devices' ids: all or none; see :meth:`report_provider_metadata`."""
        for name in zones.values():
            zone(name)

        def report(work: Work) -> None:
            for device_id, name in sorted(zones.items()):
                _settle(work, work.device(self.workspace_id, device_id, change=True), name)

        self._write(report, now)

    def report_device_constraints(
        self,
        device_id: str,
        *,
        supported_code_lengths: Sequence[int] | None = None,
        min_code_length: int | None = None,
        max_code_length: int | None = None,
        now: datetime | None = None,
    ) -> None:
        """Tell which code lengths a connected device takes: a list of them, or the shortest and the longest, each 4 to 20."""
        if (supported_code_lengths is None) == (min_code_length is None or max_code_length is None):
            raise InvalidInputError(
                "supported_code_lengths", "give either supported_code_lengths or both min_code_length and max_code_length"
            )
        if supported_code_lengths is not None:
            lengths = tuple(sorted(set(supported_code_lengths)))
        else:
            assert min_code_length is not None
            assert max_code_length is not None
            if not 4 <= min_code_length <= max_code_length <= 20:
                raise InvalidInputError("min_code_length", "lengths are 4 to 20, the shortest no longer than the longest")
            lengths = tuple(range(min_code_length, max_code_length + 1))
        if not lengths or lengths[0] < 4 or lengths[-1] > 20:
            raise InvalidInputError("supported_code_lengths", f"at least one length, each 4 to 20, not {list(lengths)}")

        def report(work: Work) -> None:
            device = work.device(self.workspace_id, device_id, change=True)
            native.need_connection(self.store, device)
            device.code_lengths = lengths

        self._write(report, now)

    def look_at(self, device_id: str, *, now: datetime | None = None) -> None:
        """Look at what is on a connected lock now, instead of at its next turn."""
        device = self._read(lambda work: work.device(self.workspace_id, device_id))
        verification.look_at(self.store, device, self.store.moment(now))


def _codes_of(device_id: str) -> Select[CodeRow]:
    """A device's access codes, which nobody else changes meanwhile."""
    return select(CodeRow).where(CodeRow.device_id == device_id, CodeRow.deleted_at.is_(None)).with_for_update()


def _settle(work: Work, device: DeviceRow, time_zone: str) -> None:
    """A device's zone is known now: its native codes get their own time frame back."""
    _check_zone(work.product(device), time_zone)
    device.time_zone = time_zone
    wanted = _codes_of(device.device_id).where(CodeRow.workspace_id == device.workspace_id, CodeRow.is_offline.is_(False))
    for row in work.session.scalars(wanted):
        if not any(w.warning_code == DST_WARNING for w in row.warnings):
            continue
        native.set_frame(work, device, row, row.starts_at, row.ends_at)
        work.claim(row)
        connection = native.need_connection(work.store, device)
        if lifecycle.is_untouched(row):
            native.plan(work, row, connection)
        elif row.status in ("setting", "set"):
            lifecycle.tell_anew(work, row, connection)


def _view(work: Work, row: DeviceRow) -> Device:
    return capabilities.describe(row, work.product(row), native.connection_of(work.store, row))


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise InvalidInputError("device_id", f"a device id is a UUID, not {text!r}") from None


def _check_zone(product: Product | None, time_zone: str | None) -> None:
    own = None if product is None else product.vendor.time_zone
    if time_zone is not None and own not in (None, time_zone):
        raise InvalidInputError("time_zone", f"the lock is set up for {own}, not for {time_zone}")


def _register(work: Work, row: DeviceRow, product: tuple[str, str] | None, token: DeviceToken | str | None) -> None:
    if work.session.get(DeviceRow, row.device_id) is not None:
        raise InvalidInputError("device_id", f"{row.device_id} is registered already")
    if product is not None and work.session.get(ProductRow, product[0]) is None:
        work.session.add(ProductRow(product_id=product[0], document=product[1]))
        work.session.flush()
    kept = work.product(row)
    if kept is not None:
        _check_zone(kept, row.time_zone)
        row.time_zone = row.time_zone or kept.vendor.time_zone
    row.credentials = "missing" if token is None else "derived"
    row.verify_at = work.now if row.connection is not None else None
    work.session.add(row)
    if isinstance(token, DeviceToken):
        _import(work, row, token)
    work.session.flush()
    simulated.install(work, row)


def _import(work: Work, device: DeviceRow, token: DeviceToken) -> None:
    device.token = work.store.vault.seal(token.export(), f"token/{device.device_id}")
    device.credentials, device.token_generation = "imported", token.generation
    device.generation = max(device.generation, token.generation)
