"""The store: an SQLite file or a PostgreSQL database, transactions that are run anew when a constraint says so, workspaces and API keys."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import uuid4

from sqlalchemy import URL, Connection, Engine, bindparam, create_engine, event, insert, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from offlinepin.access_codes import schema
from offlinepin.access_codes.connections import ConnectionFactory
from offlinepin.access_codes.errors import ApiKeyError, StoreError, WorkspaceError
from offlinepin.access_codes.products import Product
from offlinepin.access_codes.retention import Retention
from offlinepin.access_codes.transactions import Writers, said
from offlinepin.access_codes.vault import Vault
from offlinepin.access_codes.work import Work
from offlinepin.engine.clock import check_aware
from offlinepin.engine.token import DeviceToken
from offlinepin.keys import MasterKey

T = TypeVar("T")
_CACHED: Final = 4096
_TRUSTED: Final = 1.0
"""Seconds for which an API key that was looked up needs no other look."""
_CONNECTIONS: Final = 16
"""To the database that are kept open: for a server's threads and its work in the background. More are made where they are needed."""
_KEY_PREFIX: Final = "seam_key_"  # SDKs refuse keys that begin with seam_at, seam_cst or seam_pk
_SHOWN: Final = len(_KEY_PREFIX) + 8
_KEY: Final = select(schema.ApiKeyRow.workspace_id, schema.ApiKeyRow.revoked_at).where(schema.ApiKeyRow.key_hash == bindparam("key_hash"))


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace: devices and codes of one are invisible to every other."""

    workspace_id: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of an API key: not the key. ``shown`` is its beginning, by which it can be told and revoked."""

    shown: str
    name: str
    workspace_id: str
    created_at: datetime
    revoked_at: datetime | None


class Store:
    """All that the resource keeps. Safe between threads and processes; a child process opens its own.

    Args:
        url: an SQLAlchemy URL, ``sqlite:///codes.db`` or ``postgresql+psycopg://…``.
        keys: the master key, from which device tokens and the keys at rest derive.
        connections: how locks are reached that are no simulated ones, by the name that devices are registered with.
        keep: how long the tick leaves what only grows.

    Raises:
        StoreError: it cannot be opened, was made under another master key, or is of another version.
    """

    def __init__(
        self,
        url: str | URL,
        keys: MasterKey,
        connections: Mapping[str, ConnectionFactory] | None = None,
        *,
        keep: Retention | None = None,
    ) -> None:
        self.keys = keys
        self.keep = keep or Retention()
        self.vault = Vault(keys)
        self.connections = dict(connections or {})
        self.products: dict[str, Product] = {}
        self.tokens: dict[tuple[str, int], DeviceToken] = {}
        self._good_keys: dict[bytes, tuple[str, float]] = {}
        try:
            self.engine = _engine(url)
        except (SQLAlchemyError, ImportError) as cause:
            raise StoreError(f"the store cannot be opened: {cause}") from None
        self._writers = Writers(self.engine)
        try:
            self._prepare()
        except SQLAlchemyError as cause:
            self.close()
            raise StoreError(f"the store cannot be opened: {said(cause)}") from cause
        except StoreError:
            self.close()
            raise

    @classmethod
    def open(
        cls,
        where: str | Path,
        keys: MasterKey,
        connections: Mapping[str, ConnectionFactory] | None = None,
        *,
        keep: Retention | None = None,
    ) -> Store:
        """The store in an SQLite file, made if it is not there, or at an SQLAlchemy URL."""
        name = str(where)
        url = name if "://" in name else URL.create("sqlite", database=name)
        return cls(url, keys, connections, keep=keep)

    def close(self) -> None:
        """Give the database's connections back."""
        self.engine.dispose()

    def __repr__(self) -> str:
        return f"Store({self.engine.dialect.name})"

    # --- transactions -----------------------------------------------------------------------------------------------

    def write(self, work: Callable[[Work], T], now: datetime | None = None) -> T:
        """Run ``work`` in one transaction; see :meth:`offlinepin.access_codes.transactions.Writers.run`.

        Raises:
            StoreError: the database cannot be used. Nothing was changed.
        """
        moment = self.moment(now)

        def run(session: Session) -> T:
            at_work = Work(session, self, moment)
            result = work(at_work)
            at_work.finish()
            return result

        return self._writers.run(run)

    def read(self, work: Callable[[Work], T], now: datetime | None = None) -> T:
        """Run ``work`` on one state of the database, and change nothing."""
        moment = self.moment(now)
        try:
            with (
                self.engine.connect().execution_options(offlinepin_reads=True) as connection,
                Session(connection) as session,
            ):
                return work(Work(session, self, moment))
        except SQLAlchemyError as cause:
            raise StoreError(f"the store cannot be read: {said(cause)}") from cause

    @staticmethod
    def moment(now: datetime | None) -> datetime:
        """The present in UTC: the given one, or the system's."""
        return datetime.now(UTC) if now is None else check_aware(now, "the present").astimezone(UTC)

    def ping(self) -> None:
        """Ask the database for an answer. ``StoreError`` if none comes."""
        self.read(lambda work: work.session.execute(text("SELECT 1")).scalar_one())

    def remember_token(self, device_id: str, token: DeviceToken) -> DeviceToken:
        """Keep a derived token at hand."""
        if len(self.tokens) >= _CACHED:
            self.tokens.clear()
        self.tokens[device_id, token.generation] = token
        return token

    # --- workspaces and API keys ------------------------------------------------------------------------------------

    def create_workspace(self, name: str, *, now: datetime | None = None) -> str:
        """A new workspace; returns its id."""
        workspace_id = str(uuid4())

        def add(work: Work) -> str:
            work.session.add(schema.WorkspaceRow(workspace_id=workspace_id, name=name, created_at=work.now))
            return workspace_id

        return self.write(add, now)

    def workspaces(self) -> tuple[Workspace, ...]:
        """All workspaces, oldest first."""
        rows = self.read(lambda work: work.session.scalars(select(schema.WorkspaceRow).order_by(schema.WorkspaceRow.created_at)).all())
        return tuple(Workspace(row.workspace_id, row.name, row.created_at) for row in rows)

    def create_api_key(self, workspace_id: str, name: str = "", *, now: datetime | None = None) -> str:
        """A new API key of a workspace. It is shown this once: only its hash is kept."""
        key = _KEY_PREFIX + secrets.token_urlsafe(32).replace("-", "x").replace("_", "y")

        def add(work: Work) -> None:
            if work.session.get(schema.WorkspaceRow, workspace_id) is None:
                raise WorkspaceError(f"there is no workspace {workspace_id!r}")
            row = schema.ApiKeyRow(
                key_hash=self.vault.key_hash(key), workspace_id=workspace_id, name=name, shown=key[:_SHOWN], created_at=work.now
            )
            work.session.add(row)

        self.write(add, now)
        return key

    def workspace_of_key(self, key: str) -> str:
        """The workspace that an API key opens. ``ApiKeyError`` if it is unknown or revoked.

        A key that was good is taken for good for a second: where another process revokes it, it opens until then.
        """
        key_hash = self.vault.key_hash(key)
        known = self._good_keys.get(key_hash)
        if known is not None and time.monotonic() < known[1]:
            return known[0]
        looked_at = time.monotonic()
        row = self.read(lambda work: work.connection.execute(_KEY, {"key_hash": key_hash}).first())
        if row is None or row.revoked_at is not None:
            raise ApiKeyError("the API key is unknown, or was revoked")
        if len(self._good_keys) >= _CACHED:
            self._good_keys.clear()
        self._good_keys[key_hash] = (str(row.workspace_id), looked_at + _TRUSTED)
        return str(row.workspace_id)

    def api_keys(self, workspace_id: str | None = None) -> tuple[ApiKey, ...]:
        """What is known of the API keys, oldest first."""
        wanted = select(schema.ApiKeyRow).order_by(schema.ApiKeyRow.created_at)
        if workspace_id is not None:
            wanted = wanted.where(schema.ApiKeyRow.workspace_id == workspace_id)
        rows = self.read(lambda work: work.session.scalars(wanted).all())
        return tuple(ApiKey(row.shown, row.name, row.workspace_id, row.created_at, row.revoked_at) for row in rows)

    def revoke_api_key(self, shown: str, *, now: datetime | None = None) -> None:
        """Revoke the API key whose beginning is ``shown``: within a second it opens nothing. ``ApiKeyError`` if there is none."""

        def revoke(work: Work) -> None:
            row = work.session.scalars(select(schema.ApiKeyRow).where(schema.ApiKeyRow.shown == shown)).first()
            if row is None:
                raise ApiKeyError(f"no API key begins with {shown!r}")
            row.revoked_at = row.revoked_at or work.now

        self.write(revoke, now)
        self._good_keys.clear()

    # --- the schema -------------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Bring the schema up to date, and refuse a store of a later version or another key."""
        with self.engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(7321464)"))  # two that start at once make the tables once
            known = inspect(connection).has_table("alembic_version")
            version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar() if known else None
            if version != schema.VERSION:
                _migrate(connection, version)
            check = connection.execute(select(schema.Meta.value).where(schema.Meta.name == "key_check")).scalar()
            if check is None:
                check = self.vault.check
                connection.execute(insert(schema.Meta), {"name": "key_check", "value": check})
        if not self.vault.is_same(check):
            raise StoreError("the store was made under another master key")


def _migrate(connection: Connection, version: str | None) -> None:
    from alembic import command  # only where there is something to do: it is slow to load
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    try:
        command.upgrade(config, "head")
    except CommandError:
        raise StoreError(f"the store is of version {version}, and this is version {schema.VERSION}") from None


def _engine(url: str | URL) -> Engine:
    engine = create_engine(url, pool_size=_CONNECTIONS, max_overflow=3 * _CONNECTIONS)
    if engine.dialect.name not in schema.TRIGGERS:
        raise StoreError(f"a store is in SQLite or PostgreSQL, not in {engine.dialect.name}")
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _sqlite_connects)
        event.listen(engine, "begin", _sqlite_begins)
    return engine


def _sqlite_connects(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's BEGIN below, and no other
    cursor = connection.cursor()
    for pragma in ("busy_timeout = 30000", "journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "wal_autocheckpoint = 4000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_begins(connection: Any) -> None:
    """A transaction that writes waits for its turn at its beginning: one that had read before could no longer write."""
    reads = connection.get_execution_options().get("offlinepin_reads")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
