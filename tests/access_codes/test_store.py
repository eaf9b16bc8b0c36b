"""The store: sealed at rest, unique by constraints, one change in one transaction, keys and workspaces."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import datetime, timedelta
from pathlib import Path
from time import sleep

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, text

from offlinepin.access_codes import AccessCodes, Device, Store, schema
from offlinepin.access_codes.errors import ApiKeyError, DuplicateCodeError, NoBackupError, StoreError, WorkspaceError, http_status
from offlinepin.access_codes.ledger import StoreLedger
from offlinepin.access_codes.vault import Vault
from offlinepin.access_codes.work import Work
from offlinepin.engine.token import DeviceToken
from offlinepin.errors import ExhaustedError, LedgerError, OfflinepinError, ProfileError, RequestIdConflictError
from offlinepin.keys import MasterKey
from offlinepin.ledger import Ledger, Place, RequestKey, Taken

_HOUR = timedelta(hours=1)
_KEYS = MasterKey(bytes(range(32)))


# --- at rest --------------------------------------------------------------------------------------------------------


@pytest.mark.skipif("OFFLINEPIN_TEST_POSTGRESQL" in os.environ, reason="it reads the SQLite file")
def test_no_code_and_no_token_is_in_the_file(codes: AccessCodes, store: Store, tmp_path: Path, now: datetime) -> None:
    token = DeviceToken(bytes(range(100, 132)))
    lock = codes.register_device("Door", "igloo", token=token, connection="simulated", now=now)
    native = codes.create(lock.device_id, code="48213957", use_backup_access_code_pool=True, sync=True, now=now)
    offline = codes.create(lock.device_id, is_offline_access_code=True, now=now)
    codes.tick(now)
    codes.update(native.access_code_id, code="73914826", now=now)
    attempt = codes.delete(offline.access_code_id, now=now)
    codes.create_multiple([lock.device_id], code="50505059", now=now)
    key = store.create_api_key(codes.workspace_id, now=now)
    assert attempt.result is not None
    secrets = ["48213957", "73914826", "50505059", offline.code or "", attempt.result["revoke_code"]["code"], key]
    secrets += [kept.code for kept in codes.simulator(lock.device_id).codes(now) if len(kept.code) > 6]
    store.close()
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"access_code.created" in written
    for secret in secrets:
        assert secret.encode() not in written
    assert token.export() not in written
    assert token.export().hex().encode() not in written


@given(plain=st.binary(max_size=100), place=st.text(max_size=20), other=st.text(max_size=20))
def test_what_is_sealed_is_opened_at_its_place_only(plain: bytes, place: str, other: str) -> None:
    vault = Vault(_KEYS)
    sealed = vault.seal(plain, place)
    assert vault.open(sealed, place) == plain
    assert vault.seal(plain, place) != sealed
    if other != place:
        with pytest.raises(StoreError):
            vault.open(sealed, other)
    with pytest.raises(StoreError):
        Vault(MasterKey(bytes(32))).open(sealed, place)
    with pytest.raises(StoreError):
        vault.open(sealed[:-1] + bytes([sealed[-1] ^ 1]), place)
    with pytest.raises(StoreError):
        vault.open(b"\x02" + sealed[1:], place)


def test_one_code_has_another_index_in_another_workspace_and_under_another_key() -> None:
    vault = Vault(_KEYS)
    assert vault.index("a", "1234") == vault.index("a", "1234")
    assert (
        len({vault.index("a", "1234"), vault.index("b", "1234"), vault.index("a", "1235"), Vault(MasterKey(bytes(32))).index("a", "1234")})
        == 4
    )
    assert repr(vault) == "Vault(…)"


def test_a_store_is_opened_under_its_own_key_only(where: str) -> None:
    Store.open(where, _KEYS).close()
    Store.open(where, _KEYS).close()
    with pytest.raises(StoreError, match="another master key"):
        Store.open(where, MasterKey(bytes(32)))


def test_a_file_that_is_no_store_or_of_another_version_is_refused(store: Store, where: str, tmp_path: Path) -> None:
    (tmp_path / "no.db").write_text("this is no database, and long enough to be seen as none " * 20)
    with pytest.raises(StoreError):
        Store.open(tmp_path / "no.db", _KEYS)
    with pytest.raises(StoreError):
        Store.open(tmp_path / "no" / "such" / "folder.db", _KEYS)
    store.write(lambda work: work.session.execute(text("UPDATE alembic_version SET version_num = '99'")))
    with pytest.raises(StoreError, match="version 99"):
        Store.open(where, _KEYS)


def test_errors_of_the_database_show_no_values(store: Store) -> None:
    with pytest.raises(StoreError) as caught:
        store.write(lambda work: work.session.execute(text("SELECT :secret FROM nowhere"), {"secret": "123456789"}))
    assert "123456789" not in str(caught.value)


def test_a_file_s_name_can_hold_any_sign(tmp_path: Path) -> None:
    name = tmp_path / "50% of #1?mode=ro.db"
    Store.open(name, _KEYS).close()
    assert name.exists()


# --- constraints ----------------------------------------------------------------------------------------------------


CodeOf = tuple[str, str]


def _claim(work: Work, code: CodeOf, starts: int, ends: int) -> None:
    members = {"access_code_id": code[0], "device_id": code[1], "code_index": b"i" * 16, "starts": starts, "ends": ends}
    work.session.execute(insert(schema.ClaimRow), members)


@pytest.mark.parametrize(
    ("starts", "ends", "fits"), [(0, 10, True), (20, 30, True), (5, 11, False), (19, 25, False), (0, 99, False), (12, 13, False)]
)
def test_the_database_itself_keeps_claims_apart(
    codes: AccessCodes, store: Store, connected: Device, now: datetime, starts: int, ends: int, fits: bool
) -> None:
    one, other = (codes.create(connected.device_id, now=now).access_code_id for _ in range(2))
    store.write(lambda work: _claim(work, (one, connected.device_id), 10, 20))
    store.write(lambda work: _claim(work, (one, connected.device_id), 10, 20))  # one's own may overlap
    if fits:
        store.write(lambda work: _claim(work, (other, connected.device_id), starts, ends))
    else:
        with pytest.raises(StoreError, match="claims overlap"):
            store.write(lambda work: _claim(work, (other, connected.device_id), starts, ends))


def test_the_database_itself_gives_a_variant_and_a_backup_once(codes: AccessCodes, store: Store, connected: Device, now: datetime) -> None:
    variant = {"device_id": "d", "generation": 0, "family": "f", "kind": "k", "start": 1, "duration": 1, "variant": 0}
    store.write(lambda work: work.session.execute(insert(schema.VariantRow), variant))
    with pytest.raises(StoreError):
        store.write(lambda work: work.session.execute(insert(schema.VariantRow), variant))
    made = [codes.create(connected.device_id, use_backup_access_code_pool=True, now=now).access_code_id for _ in range(2)]
    codes.tick(now)
    codes.pull_backup_access_code(made[0], now=now)

    def steal(work: Work) -> None:
        row, other = work.code(codes.workspace_id, made[0]), work.code(codes.workspace_id, made[1])
        other.pulled_backup_id = row.pulled_backup_id

    with pytest.raises(StoreError):
        store.write(steal)


def test_two_stores_at_once_give_no_variant_and_no_code_twice(codes: AccessCodes, where: str, now: datetime) -> None:
    lock = codes.register_device("Door", "igloo", connection="simulated", now=now)
    stores = [Store.open(where, _KEYS) for _ in range(4)]

    def work(store: Store) -> list[str]:
        own, got = AccessCodes(store, codes.workspace_id), []
        for hours in range(1, 6):
            with suppress(ExhaustedError):
                made = own.create(lock.device_id, is_offline_access_code=True, starts_at=now, ends_at=now + hours * _HOUR, now=now)
                got.append(made.code or "")
            with suppress(DuplicateCodeError):
                got.append(own.create(lock.device_id, code=f"777{hours}", now=now).code or "")
        return got

    with ThreadPoolExecutor(4) as pool:
        got = [code for codes_got in pool.map(work, stores) for code in codes_got]
    assert len(got) == len(set(got)) == 5 * 3 + 5
    assert len(codes.list_events(event_type="access_code.created").items) == 20
    for store in stores:
        store.close()


def test_two_that_pull_at_once_get_two_backups(codes: AccessCodes, connected: Device, now: datetime) -> None:
    made = [codes.create(connected.device_id, use_backup_access_code_pool=True, now=now).access_code_id for _ in range(6)]
    codes.tick(now)

    def pull(access_code_id: str) -> str | None:
        try:
            return codes.pull_backup_access_code(access_code_id, now=now).backup_access_code.access_code_id
        except NoBackupError:
            return None

    with ThreadPoolExecutor(6) as pool:
        pulled = [ident for ident in pool.map(pull, made) if ident is not None]
    assert len(pulled) == len(set(pulled)) == 3


def test_a_repeated_group_is_created_once_also_at_the_same_moment(codes: AccessCodes, now: datetime) -> None:
    doors = [codes.register_device(f"Door {i}", None, connection="simulated", now=now).device_id for i in range(2)]
    with ThreadPoolExecutor(4) as pool:
        made = set(pool.map(lambda _: codes.create_multiple(doors, name="Cleaner", now=now), range(4)))
    assert len(made) == 1
    assert len(codes.list().items) == 2


_KILLED = """
import os, sys
from datetime import UTC, datetime, timedelta
from offlinepin.access_codes import AccessCodes, Store
from offlinepin.keys import MasterKey
store = Store.open(sys.argv[1], MasterKey(bytes(range(32))))
codes = AccessCodes(store, sys.argv[2])
now = datetime(2026, 7, 1, 12, tzinfo=UTC)
for hours in range(1, 500):
    made = codes.create(sys.argv[3], is_offline_access_code=True, starts_at=now, ends_at=now + timedelta(hours=hours), now=now)
    os.write(1, f"{made.access_code_id} {made.code}\\n".encode())
"""


@pytest.mark.parametrize("after", [1, 7, 23])
def test_a_kill_loses_no_code_that_was_told_and_leaves_no_half_made_one(codes: AccessCodes, igloo: Device, where: str, after: int) -> None:
    command = [sys.executable, "-c", _KILLED, where, codes.workspace_id, igloo.device_id]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        told = [process.stdout.readline().split() for _ in range(after)]
        process.kill()
        told += [line.split() for line in process.stdout if line.endswith(b"\n")]
    kept = {one.access_code_id: one for one in codes.list(device_id=igloo.device_id, limit=1000).items}
    for ident, code in told:
        assert kept[ident.decode()].code == code.decode()
    assert len(kept) - len(told) in (0, 1)  # the last was made, and its maker killed before it could tell
    assert len(codes.list_events(event_type="access_code.created").items) == len(kept)
    assert len(codes.list_events(limit=1000).items) == 3 * len(kept)


# --- the ledger -----------------------------------------------------------------------------------------------------


def test_the_store_is_a_ledger(store: Store) -> None:
    place = Place("device", 0, "family", "kind", 5, 1)
    key = RequestKey("device", "r", "a code")

    def use(work: Work) -> None:
        ledger: Ledger = StoreLedger(work.session)
        assert ledger.recall(key) is None
        assert ledger.take(place, range(3), lambda v: v > 0, key) == Taken(place, 1)
        assert ledger.take(place, range(3), lambda _: True, key) == Taken(place, 1)
        assert ledger.take(place, range(3), lambda _: True, None) == Taken(place, 0)
        assert ledger.take_many([place, place], [range(3), range(3)], lambda _, __: True) == [Taken(place, 2), None]
        with pytest.raises(RequestIdConflictError):
            ledger.recall(RequestKey("device", "r", "something else"))
        assert ledger.generation("device") == 0
        ledger.step("device", 3)  # it does not know the device

    store.write(use)


def test_a_device_s_token_steps_forward_only(codes: AccessCodes, store: Store, igloo: Device, now: datetime) -> None:
    before = codes.create(igloo.device_id, is_offline_access_code=True, now=now)
    store.write(lambda work: StoreLedger(work.session).step(igloo.device_id, 2))
    store.write(lambda work: StoreLedger(work.session).step(igloo.device_id, 1))
    after = codes.create(igloo.device_id, is_offline_access_code=True, now=now)
    assert codes.provision(igloo.device_id).token.generation == 2
    assert before.code != after.code


def test_a_refused_call_takes_no_variant(codes: AccessCodes, store: Store, igloo: Device, now: datetime) -> None:
    class _StopError(Exception):
        pass

    def half(work: Work) -> None:
        work.issuer(work.device(codes.workspace_id, igloo.device_id)).issue(igloo.device_id, now, now + _HOUR, now=now)
        raise _StopError

    with pytest.raises(_StopError):
        store.write(half)
    made = [codes.create(igloo.device_id, is_offline_access_code=True, starts_at=now, ends_at=now + _HOUR, now=now) for _ in range(3)]
    assert len({one.code for one in made}) == 3


# --- workspaces and API keys ----------------------------------------------------------------------------------------


def test_an_api_key_opens_its_workspace_until_it_is_revoked(store: Store, codes: AccessCodes, now: datetime) -> None:
    key = store.create_api_key(codes.workspace_id, "backend", now=now)
    assert key.startswith("seam_")
    assert len(key) > 40
    assert store.workspace_of_key(key) == codes.workspace_id
    (known,) = store.api_keys(codes.workspace_id)
    assert (known.name, known.revoked_at) == ("backend", None)
    assert key.startswith(known.shown)
    assert store.api_keys() == (known,)
    store.revoke_api_key(known.shown, now=now)
    for wrong in (key, key + "x", "", "seam_", "\udcff"):
        with pytest.raises(ApiKeyError):
            store.workspace_of_key(wrong)
    with pytest.raises(ApiKeyError):
        store.revoke_api_key("seam_nothing")
    with pytest.raises(WorkspaceError):
        store.create_api_key("nowhere")


def test_an_api_key_that_another_process_revokes_opens_nothing_before_long(store: Store, codes: AccessCodes, where: str) -> None:
    key = store.create_api_key(codes.workspace_id)
    assert store.workspace_of_key(key) == codes.workspace_id
    with closing(Store.open(where, _KEYS)) as other:
        other.revoke_api_key(key[:17])
        with pytest.raises(ApiKeyError):
            other.workspace_of_key(key)
    for _ in range(100):
        try:
            store.workspace_of_key(key)
        except ApiKeyError:
            return
        sleep(0.05)
    raise AssertionError("it still opens")


def test_workspaces_are_listed(store: Store, codes: AccessCodes) -> None:
    assert [(w.workspace_id, w.name) for w in store.workspaces()] == [(codes.workspace_id, "house")]
    store.ping()
    assert codes.workspace_id in repr(codes)


def test_every_error_has_its_http_status() -> None:
    cases: list[tuple[OfflinepinError, int]] = [
        (ApiKeyError("x"), 401),
        (DuplicateCodeError("x"), 409),
        (ExhaustedError("x"), 400),
        (StoreError("x"), 503),
        (LedgerError("x"), 503),
        (ProfileError("x", "y"), 500),
    ]
    assert [http_status(error) for error, _ in cases] == [status for _, status in cases]


# --- the schema -----------------------------------------------------------------------------------------------------


def test_the_migrations_make_the_tables_that_the_models_name(store: Store) -> None:
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, schema.Table.metadata)
    assert [d for d in differences if d[0] != "modify_type"] == []


def test_a_store_of_an_earlier_version_is_brought_up_to_date_once(where: str) -> None:
    with ThreadPoolExecutor(3) as pool:
        stores = list(pool.map(lambda _: Store.open(where, _KEYS), range(3)))
    for opened in stores:
        assert (
            opened.read(lambda work: work.session.execute(text("SELECT version_num FROM alembic_version")).scalar_one()) == schema.VERSION
        )
        opened.close()


def test_a_store_of_the_first_version_is_brought_up_to_date_with_all_that_is_in_it(
    codes: AccessCodes, store: Store, where: str, connected: Device, now: datetime
) -> None:
    made = codes.create(connected.device_id, now=now)

    def undo(work: Work) -> None:
        for statement in (
            "DROP INDEX ix_access_codes_deleted_at",
            "ALTER TABLE access_codes DROP COLUMN leased_until",
            "ALTER TABLE access_codes DROP COLUMN earlier_pins",
            "UPDATE alembic_version SET version_num = '0001'",
        ):
            work.session.execute(text(statement))

    store.write(undo, now)
    store.close()
    again = Store.open(where, _KEYS)
    newer = AccessCodes(again, codes.workspace_id)
    newer.tick(now)
    assert (newer.get(made.access_code_id).code, newer.get(made.access_code_id).status) == (made.code, "set")
    again.close()
