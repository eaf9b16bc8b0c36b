"""How issued codes are printed: for people, as JSON, and as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

import typer
from rich.table import Table

from offlinepin.bookings import Skipped, Stay
from offlinepin.cli.show import complain, fill, show, table, when
from offlinepin.errors import OfflinepinError, RequestError
from offlinepin.pin import AccessPin, ClockChange, MustBeUsedBy, Notice, Rounded

_COLUMNS = (
    "device_id",
    "uid",
    "name",
    "code",
    "starts_at",
    "ends_at",
    "use_by",
    "family",
    "kind",
    "variant",
    "one_time",
    "notices",
    "error",
)


class Form(Enum):
    """What is printed."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class Served:
    """A stay and its code, with a remark of the command's own."""

    stay: Stay
    pin: AccessPin
    remark: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A stay or an entry that got no code, and why."""

    entry: str
    line: int
    name: str
    error: OfflinepinError


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a calendar."""

    served: tuple[Served, ...]
    failed: tuple[Failed, ...]
    skipped: tuple[Skipped, ...]


def form_of(as_json: bool, as_csv: bool) -> Form:
    """The form that the options ask for."""
    if as_json and as_csv:
        raise RequestError("give --json or --csv, not both")
    return Form.JSON if as_json else Form.CSV if as_csv else Form.TEXT


def print_one(pin: AccessPin, form: Form) -> None:
    """One code."""
    if form is Form.JSON:
        show(_json(pin.model_dump(mode="json")))
    elif form is Form.CSV:
        _print_csv([_row(pin)])
    else:
        show(pin.grouped, f"kind     {pin.family}/{pin.kind}, variant {pin.variant}{', opens once' if pin.one_time else ''}")
        show(f"opens    {when(pin.starts_at)}", f"until    {when(pin.ends_at)}")
        if pin.use_by is not None:
            show(f"use by   {when(pin.use_by)}")
        for notice in pin.notices:
            show(f"note     {notice.message}")


def print_all(done: Done, form: Form) -> None:
    """The codes of a calendar on stdout; what got none also on stderr, a line each."""
    if form is Form.JSON:
        show(_json(_document(done)))
    elif form is Form.CSV:
        rows = [_row(s.pin, uid=s.stay.uid, name=s.stay.name, remark=s.remark) for s in done.served]
        _print_csv(rows + [{"uid": f.entry, "name": f.name, "error": f"[{f.error.code}] {f.error}"} for f in done.failed])
    else:
        show(_table(done.served))
        for skipped in done.skipped:
            show(f"no stay: {skipped.summary or skipped.entry} (line {skipped.line}): {skipped.why}")
        show(f"{len(done.served)} served, {len(done.failed)} not served, {len(done.skipped)} no stays")
    for failed in done.failed:
        complain(failed.error, f"{failed.name or failed.entry} (line {failed.line}): ")


def _table(served: Iterable[Served]) -> Table:
    """Times stand under one another, so that it stays readable at 80 columns."""
    rows = []
    for s in served:
        times = [f"opens  {when(s.pin.starts_at)}", f"until  {when(s.pin.ends_at)}"]
        if s.pin.use_by is not None:
            times.append(f"use by {when(s.pin.use_by)}")
        asked = f"{s.stay.starts_at:%Y-%m-%d} to\n{s.stay.ends_at:%Y-%m-%d}"
        words = [*(word for notice in s.pin.notices for word in _short(notice)), *filter(None, [s.remark])]
        rows.append((f"{s.stay.name}\n{asked}", s.pin.grouped, "\n".join(times), "\n".join(words)))
    return fill(table("Stay", "Code!", "Times!", "Notices"), rows)


def _short(notice: Notice) -> Iterator[str]:
    """A notice in a few words; the use-by time stands among the times."""
    match notice:
        case MustBeUsedBy():
            return
        case Rounded():
            for end, amount, word in (("begins", notice.starts_early, "early"), ("ends", notice.ends_late, "late")):
                if amount:
                    yield f"{end} {abs(amount)} {word if amount > timedelta() else 'late' if word == 'early' else 'early'}"
        case ClockChange():
            yield f"clocks change {notice.at:%Y-%m-%d}"
        case _:
            yield f"ends earlier {notice.group} codes"


def _row(pin: AccessPin, uid: str = "", name: str = "", remark: str = "") -> dict[str, str]:
    return {
        "device_id": pin.device_id,
        "uid": uid,
        "name": name,
        "code": pin.code,
        "starts_at": _iso(pin.starts_at),
        "ends_at": _iso(pin.ends_at),
        "use_by": _iso(pin.use_by),
        "family": pin.family,
        "kind": pin.kind,
        "variant": str(pin.variant),
        "one_time": str(pin.one_time).lower(),
        "notices": " ".join([*(notice.message for notice in pin.notices), *filter(None, [remark])]),
        "error": "",
    }


def _iso(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat()


def _print_csv(rows: Iterable[dict[str, str]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    typer.echo(text.getvalue(), nl=False)


def _document(done: Done) -> dict[str, Any]:
    return {
        "served": [
            {"uid": s.stay.uid, "line": s.stay.line, "name": s.stay.name, "remark": s.remark, "pin": s.pin.model_dump(mode="json")}
            for s in done.served
        ],
        "failed": [{"entry": f.entry, "line": f.line, "name": f.name, "error": f.error.code, "message": str(f.error)} for f in done.failed],
        "skipped": [{"entry": s.entry, "line": s.line, "summary": s.summary, "why": s.why} for s in done.skipped],
    }


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False)
