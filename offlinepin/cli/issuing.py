"""``issue``: one code for one request, or a code for every stay of a calendar."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from offlinepin import bookings
from offlinepin.cli import answers, options
from offlinepin.cli.show import FAILED, plainly
from offlinepin.errors import OfflinepinError, RequestError, RequestIdConflictError, TimeZoneRequiredError
from offlinepin.pin import AccessPin

Ask = Callable[..., AccessPin]  # Issuer.issue with all but times and request id filled in

_ROUNDING_HELP = "How far each end may be moved, 1h or 1d. Default: the vendor's usual limit."


@plainly
def issue(
    device: Annotated[str, typer.Option("--device", help="The lock's device id.")],
    start: Annotated[
        str | None, typer.Option("--start", help="When it shall begin: ISO 8601 with an offset, or local with --zone.")
    ] = None,
    end: Annotated[str | None, typer.Option("--end", help="When it shall stop. Left out for a code without an end.")] = None,
    calendar: Annotated[
        Path | None, typer.Option("--calendar", help="An .ics file: a code for every stay in it, for the same lock.")
    ] = None,
    check_in: Annotated[str, typer.Option("--check-in", help="With --calendar: when all-day stays begin.")] = "15:00",
    check_out: Annotated[str, typer.Option("--check-out", help="With --calendar: when all-day stays end.")] = "11:00",
    closed_is_stay: Annotated[
        bool, typer.Option("--closed-is-stay", help="With --calendar: Booking.com's 'CLOSED - Not available' is a stay, not closed dates.")
    ] = False,
    one_time: Annotated[bool, typer.Option("--one-time", help="A code that opens once.")] = False,
    kind: Annotated[str | None, typer.Option("--kind", help="A kind by name, instead of the best fit.")] = None,
    level: Annotated[str | None, typer.Option("--level", help="A user level (a family) by name.")] = None,
    variant: Annotated[
        int | None, typer.Option("--variant", help="A variant of your own choice, from 0. Default: the next free one.")
    ] = None,
    rounding: Annotated[str | None, typer.Option("--rounding", help=_ROUNDING_HELP)] = None,
    request_id: Annotated[str | None, typer.Option("--request-id", help="The same id gives the same code again, never a second.")] = None,
    vendor: options.VendorName = None,
    key_file: options.KeyFile = None,
    ledger: options.LedgerFile = None,
    time_zone: options.Zone = None,
    generation: options.Generation = None,
    now: options.Now = None,
    allow_weak: options.AllowWeak = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one line for a code.")] = False,
) -> None:
    """Make a code for a time, or one for every stay of a calendar. Prints its true times and what its receiver must know.

    A calendar is one that Airbnb, Vrbo or Booking.com exports. Each stay's code belongs to its entry's UID: the same calendar gives the
    same codes again. A stay that cannot be served, or an entry that cannot be read, is named on stderr and costs no other.

    Exit status: 0 all served, 2 something could not be.

    Example: offlinepin issue --vendor igloo --key-file my.key --device front --start 2027-07-01T15:00Z --end 2027-07-04T11:00Z

    Example: offlinepin issue --vendor igloo --key-file my.key --device front --zone Europe/Berlin --calendar bookings.ics
    """
    form = answers.form_of(json, csv)
    at = options.present(now, time_zone)
    with options.opened(key_file, vendor, ledger, allow_weak) as issuer:
        ask = partial(issuer.issue, device, one_time=one_time, kind=kind, level=level, variant=variant, max_time_rounding=rounding)
        ask = partial(ask, time_zone=time_zone, generation=generation, now=at)
        if calendar is None:
            answers.print_one(_serve_one(ask, start, end, time_zone, request_id), form)
            return
        if any(given is not None for given in (start, end, request_id, variant)):
            raise RequestError("--calendar brings the times and request ids; leave out --start, --end, --request-id and --variant")
        found = _read(calendar, check_in, check_out, time_zone, closed_is_stay)
        done = _serve_all(ask, found, at)
        answers.print_all(done, form)
        if done.failed:
            raise typer.Exit(FAILED)


def _serve_one(ask: Ask, start: str | None, end: str | None, time_zone: str | None, request_id: str | None) -> AccessPin:
    if start is None:
        raise RequestError("give --start and --end for one code, or --calendar for many")
    starts_at = options.moment(start, "--start", time_zone)
    return ask(starts_at, None if end is None else options.moment(end, "--end", time_zone), request_id=request_id)


def _read(path: Path, check_in: str, check_out: str, time_zone: str | None, closed_is_stay: bool) -> bookings.Calendar:
    if time_zone is None:
        raise TimeZoneRequiredError("--calendar needs --zone, since days have no offset; give Europe/Berlin or the like")
    return bookings.load(
        path,
        time_zone=time_zone,
        check_in=options.time_of_day(check_in, "--check-in"),
        check_out=options.time_of_day(check_out, "--check-out"),
        closed_is_stay=closed_is_stay,
    )


def _serve_all(ask: Ask, calendar: bookings.Calendar, now: datetime) -> answers.Done:
    """A code for every stay that is not over. What cannot be served is kept with its error."""
    served: list[answers.Served] = []
    failed = [answers.Failed(broken.entry, broken.line, "", broken.error) for broken in calendar.errors]
    skipped = list(calendar.skipped)
    for stay in calendar.stays:
        if stay.ends_at <= now:
            skipped.append(bookings.Skipped(stay.uid, stay.line, stay.name, "it is over"))
            continue
        try:
            served.append(_serve(ask, stay))
        except OfflinepinError as error:
            failed.append(answers.Failed(stay.uid, stay.line, stay.name, error))
    failed.sort(key=lambda f: f.line)
    skipped.sort(key=lambda s: s.line)
    return answers.Done(tuple(served), tuple(failed), tuple(skipped))


def _serve(ask: Ask, stay: bookings.Stay) -> answers.Served:
    """The code of a stay, by its UID. A booking whose dates changed has its first code on record; it gets another for the new dates."""
    try:
        return answers.Served(stay, ask(stay.starts_at, stay.ends_at, request_id=stay.uid), "")
    except RequestIdConflictError:
        dates = f"{stay.starts_at.astimezone(UTC).isoformat()}/{stay.ends_at.astimezone(UTC).isoformat()}"
        pin = ask(stay.starts_at, stay.ends_at, request_id=f"{stay.uid} {dates}")
        return answers.Served(stay, pin, "dates changed; the code for the old ones still opens at its time")
