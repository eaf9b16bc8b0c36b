"""Why an access code's status is what it is, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from offlinepin.access_codes.base import wire_time
from offlinepin.access_codes.models import AccessCodeStatus, Explanation
from offlinepin.access_codes.schema import CodeRow
from offlinepin.access_codes.work import Work


def explain(work: Work, row: CodeRow) -> Explanation:
    """The reasons of a status, most telling first, and when something happens next by itself."""
    reasons = [*_reasons(row), *(f"Error {e.error_code}: {e.message}" for e in row.errors)]
    reasons += [f"Warning {w.warning_code}: {w.message}" for w in row.warnings]
    reasons += [f"Pending {m.mutation_code}: {m.message}" for m in work.mutations(row)]
    return Explanation(
        access_code_id=row.access_code_id, status=AccessCodeStatus(row.status), reasons=tuple(reasons), next_step_at=row.due_at
    )


def _reasons(row: CodeRow) -> Iterator[str]:
    if row.is_waiting:
        waits = row.step == "assign"
        yield "It has no code yet: its device has no token, from which offline codes derive." if waits else "No code could be made for it."
    elif row.is_offline:
        yield from _offline(row)
    elif row.status == "unset":
        goes_at = row.due_at if row.step == "program" else None
        yield f"It goes to the device at {wire_time(goes_at)}." if goes_at else "It is not on the device."
    elif row.status == "setting":
        yield f"It is on its way to the device; {_tries(row)}."
    elif row.status == "set":
        yield "It is on the device." if row.step not in ("program", "withdraw") else "It is on the device; a change is on its way."
    elif row.status == "removing":
        yield f"It is being taken from the device; {_tries(row)}."
    elif any(e.error_code == "device_removed" for e in row.errors):
        yield "Its device was removed, so nobody knows what is on it."
    else:
        yield "What is on the device is not what was set there."
    if row.status == "set" and row.holds_until is not None:
        yield f"It ends at {wire_time(row.holds_until)} and is removed then."


def _offline(row: CodeRow) -> Iterator[str]:
    if row.status == "set":
        yield "The lock works it out from its token: nothing has to be sent there."
    elif row.status == "removing" and not any(w.warning_code == "being_deleted" for w in row.warnings):
        yield "Its time is over, and a code that it had before a change still opens the lock."
    elif row.status == "removing":
        cannot = any(w.warning_code == "delay_in_removing_from_device" for w in row.warnings) or bool(row.errors)
        until = "which has no revoke codes" if cannot else "until its revoke code is typed there"
        yield f"It is deleted here, and still opens the lock{', ' if cannot else ' '}{until}."
        if row.ends_at is not None:
            yield f"It ends at {wire_time(row.ends_at)}." if cannot else f"Without that it ends at {wire_time(row.ends_at)}."
    else:
        yield "The lock does not open for it any more."


def _tries(row: CodeRow) -> str:
    tries = "not tried yet" if not row.attempts else f"tried {row.attempts} time{'s' if row.attempts > 1 else ''}"
    return f"{tries}, next at {wire_time(row.due_at)}" if row.due_at else tries
