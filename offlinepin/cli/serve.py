"""``serve`` and ``api-key``: the server over a store, and the keys that open it. Without the extra ``server`` they say what is missing."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from offlinepin.cli import options
from offlinepin.cli.show import fill, note, plainly, show, table, when
from offlinepin.errors import OfflinepinError
from offlinepin.keys import MasterKey

if TYPE_CHECKING:
    from offlinepin.access_codes.store import Store

group = typer.Typer(help="Make, list and revoke the API keys of the server.", no_args_is_help=True)

Database = Annotated[
    str,
    typer.Option(
        "--database",
        envvar="OFFLINEPIN_DATABASE",
        help="The store: an SQLite file, or an address such as postgresql+psycopg://host/name. It is made if it is not there.",
    ),
]
Demo = Annotated[
    Path | None,
    typer.Option(help="Keep a master key and a store in this folder, with a workspace, two simulated locks, and a new API key each time."),
]
Limits = Annotated[
    list[str] | None,
    typer.Option("--limit", help="Requests per device and minute: create=10, update=10, delete=20; 0 is none.", metavar="ACTION=NUMBER"),
]
_STOP_SECONDS: Final = 10
_DEMO_LOCKS: Final = {"Front door": ("igloo", None), "Room 12": ("oracode", "Europe/Berlin")}


class _SettingError(OfflinepinError):
    """A setting of the server makes no sense, or the packages that it needs are not installed."""

    code = "invalid_setting"


@plainly
def serve(
    database: Database = "offlinepin.db",
    key_file: options.KeyFile = None,
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen at.", min=1, max=65535)] = 8000,
    limits: Limits = None,
    tick: Annotated[float, typer.Option(help="Seconds between two looks at what is due; 0 leaves that to another process.", min=0)] = 1.0,
    threads: Annotated[int, typer.Option(help="Requests worked on at one time.", min=1, max=64)] = 8,
    keep_events: Annotated[
        int, typer.Option(help="Days that events, action attempts and deleted access codes are kept.", min=1, max=36500)
    ] = 90,
    demo: Demo = None,
) -> None:
    """Serve access codes over HTTP, as today's SDKs speak of them. SIGTERM and Ctrl-C let the requests under way finish.

    Example: offlinepin serve --database codes.db --key-file master.key
    """
    if demo is not None:
        demo.mkdir(parents=True, exist_ok=True)
        database, key_file = str(demo / "codes.db"), demo / "master.key"
        if not key_file.exists():
            MasterKey.generate().save(key_file)
    with _opened(database, key_file) as store:
        import uvicorn

        from offlinepin.access_codes.retention import Retention
        from offlinepin.server.app import create_app
        from offlinepin.server.settings import Settings
        from offlinepin.server.watching import log_as_json

        store.keep = Retention(events=timedelta(days=keep_events), attempts=timedelta(days=keep_events))
        app = create_app(store, Settings(per_minute=_limits(limits or ()), tick_seconds=tick, threads=threads))
        if demo is not None:
            _show_demo(store, f"http://{host}:{port}")
        log_as_json()
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # uvicorn raises it again when it has stopped, and the store is to be closed
        uvicorn.run(app, host=host, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=_STOP_SECONDS)


@group.callback()
def _group() -> None:
    """Make, list and revoke the API keys of the server."""


@group.command("new")
@plainly
def new(
    workspace: Annotated[str, typer.Argument(help="The workspace's name. It is made if there is none.")],
    name: Annotated[str, typer.Option(help="What the key is for.")] = "",
    database: Database = "offlinepin.db",
    key_file: options.KeyFile = None,
) -> None:
    """Make an API key of a workspace and print it. It is shown this once: only its hash is kept.

    Example: offlinepin api-key new hotel --key-file master.key
    """
    with _opened(database, key_file) as store:
        workspace_id = _workspace(store, workspace)
        typer.echo(store.create_api_key(workspace_id, name))
    note(f"This key opens the workspace {workspace!r} ({workspace_id}). Keep it as you keep a password.")


@group.command("list")
@plainly
def listed(database: Database = "offlinepin.db", key_file: options.KeyFile = None) -> None:
    """Show each API key's beginning, its workspace, and whether it was revoked."""
    _must_be_there(database)
    with _opened(database, key_file) as store:
        names = {workspace.workspace_id: workspace.name for workspace in store.workspaces()}
        rows = [
            (f"{key.shown}…", names[key.workspace_id], key.name, when(key.created_at), when(key.revoked_at) if key.revoked_at else "")
            for key in store.api_keys()
        ]
    show(fill(table("key!", "workspace", "for", "made!", "revoked!"), rows))


@group.command("revoke")
@plainly
def revoke(
    beginning: Annotated[str, typer.Argument(help="The key's beginning, as the list shows it.")],
    database: Database = "offlinepin.db",
    key_file: options.KeyFile = None,
) -> None:
    """Revoke an API key: within a second it opens nothing."""
    _must_be_there(database)
    with _opened(database, key_file) as store:
        store.revoke_api_key(beginning.rstrip("…"))
    note("The key is revoked.")


def _must_be_there(database: str) -> None:
    """Where keys are looked up, a file that is not there is a wrong name, and no new store."""
    if "://" not in database and not Path(database).exists():
        raise _SettingError(f"there is no store {database!r}; name it with --database")


@contextmanager
def _opened(database: str, key_file: Path | None) -> Iterator[Store]:
    """The store that the options name; it is closed in the end."""
    try:
        from offlinepin.access_codes.store import Store
    except ModuleNotFoundError as cause:
        raise _SettingError(f"this needs the package {cause.name}; install it with: pip install 'offlinepin[server]'") from None
    store = Store.open(database, options.master_key(key_file))
    try:
        yield store
    finally:
        store.close()


def _limits(given: Iterable[str]) -> dict[str, int]:
    from offlinepin.server.limits import DEFAULTS

    limits = dict(DEFAULTS)
    for text in given:
        action, _, number = text.partition("=")
        if action not in limits or not number.isdecimal():
            raise _SettingError(f"--limit {text!r} is no limit; write create=10, update=10 or delete=20, or 0 for none")
        limits[action] = int(number)
    return limits


def _workspace(store: Store, name: str) -> str:
    for workspace in store.workspaces():
        if workspace.name == name:
            return workspace.workspace_id
    return store.create_workspace(name)


def _show_demo(store: Store, endpoint: str) -> None:
    """Put the two locks where they are missing, and say how an SDK gets in."""
    from offlinepin.access_codes.service import AccessCodes

    workspace_id = _workspace(store, "demo")
    codes = AccessCodes(store, workspace_id)
    devices = {device.display_name: device.device_id for device in codes.list_devices().items}
    for name, (vendor, zone) in _DEMO_LOCKS.items():
        if name not in devices:
            devices[name] = codes.register_device(name, vendor, time_zone=zone, connection="simulated").device_id
    show(f"SEAM_ENDPOINT={endpoint}", f"SEAM_API_KEY={store.create_api_key(workspace_id, 'demo')}")
    show(*(f"{name}: device_id {device_id}" for name, device_id in devices.items()))
