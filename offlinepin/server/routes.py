"""The table of endpoints: path, verbs, parameters, answer, and the one call of the service that serves it. Every path answers POST, which
older SDKs send for all, and the verbs that today's send."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlencode

from offlinepin.access_codes.attempts import creation
from offlinepin.access_codes.errors import AccessCodeNotFoundError
from offlinepin.access_codes.models import Page
from offlinepin.access_codes.service import AccessCodes
from offlinepin.access_codes.work import account_of
from offlinepin.server import answers, requests
from offlinepin.server.fields import Parameters

Asked = TypeVar("Asked", bound=Parameters)
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Call(Generic[Asked]):
    """A request that passed the door: the workspace's service, what is asked, and the present.

    ``url`` is the endpoint's own; ``once`` is the request's Idempotency-Key: what comes with the same one is done once.
    """

    codes: AccessCodes
    asked: Asked
    now: datetime
    url: str
    once: str | None = None

    @property
    def devices(self) -> list[str]:
        """The devices that the request writes to."""
        named = getattr(self.asked, "device_ids", None) or getattr(self.asked, "device_id", None)
        if named:
            return [named] if isinstance(named, str) else named
        if isinstance(self.asked, requests.UpdateMultiple):
            return [code.device_id for code in self.codes.list(common_code_key=self.asked.common_code_key).items]
        assert isinstance(self.asked, requests.OneAccessCode | requests.Delete | requests.Update)
        for find in (self.codes.get, self.codes.get_unmanaged):
            with suppress(AccessCodeNotFoundError):
                return [find(self.asked.access_code_id).device_id]
        return []  # the service says what is wrong

    @property
    def arguments(self) -> dict[str, Any]:
        """What was asked, under the service's names, and the present."""
        return {**self.asked.arguments(), "now": self.now}

    def found(self, find: Callable[..., Page[Item]]) -> Page[Item]:
        """The page that a list's ``find`` gives; an empty one for what is asked of others' things, or of another account than the one that
        stands for a workspace's locks."""
        accounts = {getattr(self.asked, "connected_account_id", None), *(getattr(self.asked, "connected_account_ids", None) or ())} - {None}
        if any(getattr(self.asked, name) is not None for name in self.asked.of_others):
            return Page(items=())
        if accounts and account_of(self.codes.workspace_id) not in accounts:
            return Page(items=())
        wanted = {name: value for name, value in self.asked.arguments().items() if not name.startswith("connected_account_id")}
        return find(**wanted)

    def pagination(self, page: Page[Any]) -> answers.Pagination:
        """Where the list behind ``page`` goes on."""
        query = {**self.asked.model_dump(mode="json", exclude_none=True), "page_cursor": page.next_page_cursor}
        return answers.pagination(page, f"{self.url}?{urlencode(query, doseq=True)}")


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint. ``counts`` names the limit that it counts against, on the devices that it writes to."""

    path: str
    verbs: tuple[str, ...]
    asks: type[Parameters]
    serve: Callable[[Call[Any]], answers.Answer]
    answers: type[answers.Answer]
    counts: str | None = None


def _create(call: Call[requests.Create]) -> answers.Answer:
    code = call.codes.create(**call.arguments, request_id=call.once)
    return answers.OfCreated(access_code=code, action_attempt=creation(code))


def _create_multiple(call: Call[requests.CreateMultiple]) -> answers.Answer:
    return answers.OfAccessCodes(access_codes=call.codes.create_multiple(**call.arguments, request_id=call.once))


def _delete(call: Call[requests.Delete]) -> answers.Answer:
    return answers.OfActionAttempt(action_attempt=call.codes.delete(**call.arguments))


def _generate_code(call: Call[requests.OneDevice]) -> answers.Answer:
    return answers.OfGeneratedCode(generated_code=call.codes.generate_code(**call.arguments))


def _get(call: Call[requests.Get]) -> answers.Answer:
    return answers.OfAccessCode(access_code=call.codes.get(**call.asked.arguments()))


def _list(call: Call[requests.List]) -> answers.Answer:
    page = call.found(call.codes.list)
    return answers.PageOfAccessCodes(access_codes=page.items, pagination=call.pagination(page))


def _pull_backup(call: Call[requests.OneAccessCode]) -> answers.Answer:
    pulled = call.codes.pull_backup_access_code(**call.arguments)
    return answers.OfPulledBackup(access_code=pulled.access_code, backup_access_code=pulled.backup_access_code)


def _report_device_constraints(call: Call[requests.DeviceConstraints]) -> answers.Answer:
    call.codes.report_device_constraints(**call.arguments)
    return answers.Ok()


def _update(call: Call[requests.Update]) -> answers.Answer:
    return answers.OfActionAttempt(action_attempt=call.codes.update(**call.arguments))


def _update_multiple(call: Call[requests.UpdateMultiple]) -> answers.Answer:
    call.codes.update_multiple(**call.arguments)
    return answers.Ok()


def _get_timeline(call: Call[requests.GetTimeline]) -> answers.Answer:
    return answers.OfTimeline(timeline_events=call.codes.get_timeline(**call.asked.arguments()))


def _unmanaged_get(call: Call[requests.Get]) -> answers.Answer:
    return answers.OfUnmanagedAccessCode(access_code=call.codes.get_unmanaged(**call.asked.arguments()))


def _unmanaged_list(call: Call[requests.UnmanagedList]) -> answers.Answer:
    page = call.found(call.codes.list_unmanaged)
    return answers.PageOfUnmanagedAccessCodes(access_codes=page.items, pagination=call.pagination(page))


def _convert_to_managed(call: Call[requests.ConvertToManaged]) -> answers.Answer:
    call.codes.convert_to_managed(**call.arguments)
    return answers.Ok()


def _unmanaged_delete(call: Call[requests.OneAccessCode]) -> answers.Answer:
    return answers.OfActionAttempt(action_attempt=call.codes.delete_unmanaged(**call.arguments))


def _create_unmanaged(call: Call[requests.CreateUnmanaged]) -> answers.Answer:
    return answers.OfUnmanagedAccessCode(access_code=call.codes.simulate_unmanaged(**call.arguments))


def _keypad_code_entry(call: Call[requests.KeypadCodeEntry]) -> answers.Answer:
    return answers.OfActionAttempt(action_attempt=call.codes.simulate_keypad_code_entry(**call.arguments))


def _get_device(call: Call[requests.GetDevice]) -> answers.Answer:
    return answers.OfDevice(device=call.codes.get_device(**call.asked.arguments()))


def _list_devices(call: Call[requests.ListDevices]) -> answers.Answer:
    page = call.found(call.codes.list_devices)
    return answers.PageOfDevices(devices=page.items, pagination=call.pagination(page))


def _get_lock(call: Call[requests.GetDevice]) -> answers.Answer:
    device = call.codes.get_device(**call.asked.arguments())
    return answers.OfLock(device=device, lock=device)


def _list_locks(call: Call[requests.ListDevices]) -> answers.Answer:
    page = call.found(call.codes.list_devices)
    return answers.PageOfLocks(devices=page.items, locks=page.items, pagination=call.pagination(page))


def _report_provider_metadata(call: Call[requests.ReportProviderMetadata]) -> answers.Answer:
    call.codes.report_time_zones({known.device_id: known.time_zone for known in call.asked.devices}, now=call.now)
    return answers.Ok()


def _list_events(call: Call[requests.ListEvents]) -> answers.Answer:
    page = call.found(call.codes.list_events)
    return answers.PageOfEvents(events=page.items, pagination=call.pagination(page))


def _get_event(call: Call[requests.GetEvent]) -> answers.Answer:
    return answers.OfEvent(event=call.codes.get_event(**call.asked.arguments()))


def _get_action_attempt(call: Call[requests.GetActionAttempt]) -> answers.Answer:
    return answers.OfActionAttempt(action_attempt=call.codes.get_action_attempt(**call.asked.arguments()))


def _list_action_attempts(call: Call[requests.ListActionAttempts]) -> answers.Answer:
    page = call.found(call.codes.list_action_attempts)
    return answers.PageOfActionAttempts(action_attempts=page.items, pagination=call.pagination(page))


_GET, _POST, _PUT, _PATCH, _DELETE = ("GET", "POST"), ("POST",), ("PUT", "POST"), ("PATCH", "PUT", "POST"), ("DELETE", "POST")

ROUTES: Final[tuple[Route, ...]] = (
    Route("/access_codes/create", _POST, requests.Create, _create, answers.OfCreated, "create"),
    Route("/access_codes/create_multiple", _PUT, requests.CreateMultiple, _create_multiple, answers.OfAccessCodes, "create"),
    Route("/access_codes/delete", _DELETE, requests.Delete, _delete, answers.OfActionAttempt, "delete"),
    Route("/access_codes/generate_code", _GET, requests.OneDevice, _generate_code, answers.OfGeneratedCode),
    Route("/access_codes/get", _GET, requests.Get, _get, answers.OfAccessCode),
    Route("/access_codes/list", _GET, requests.List, _list, answers.PageOfAccessCodes),
    Route("/access_codes/pull_backup_access_code", _POST, requests.OneAccessCode, _pull_backup, answers.OfPulledBackup, "update"),
    Route("/access_codes/report_device_constraints", _POST, requests.DeviceConstraints, _report_device_constraints, answers.Ok),
    Route("/access_codes/update", _PATCH, requests.Update, _update, answers.OfActionAttempt, "update"),
    Route("/access_codes/update_multiple", _PATCH, requests.UpdateMultiple, _update_multiple, answers.Ok, "update"),
    Route("/access_codes/get_timeline", _GET, requests.GetTimeline, _get_timeline, answers.OfTimeline),
    Route("/access_codes/unmanaged/get", _GET, requests.Get, _unmanaged_get, answers.OfUnmanagedAccessCode),
    Route("/access_codes/unmanaged/list", _GET, requests.UnmanagedList, _unmanaged_list, answers.PageOfUnmanagedAccessCodes),
    Route("/access_codes/unmanaged/convert_to_managed", _PATCH, requests.ConvertToManaged, _convert_to_managed, answers.Ok, "update"),
    Route("/access_codes/unmanaged/update", _PATCH, requests.UnmanagedUpdate, _convert_to_managed, answers.Ok, "update"),
    Route("/access_codes/unmanaged/delete", _DELETE, requests.OneAccessCode, _unmanaged_delete, answers.OfActionAttempt, "delete"),
    Route(
        "/access_codes/simulate/create_unmanaged_access_code",
        _POST,
        requests.CreateUnmanaged,
        _create_unmanaged,
        answers.OfUnmanagedAccessCode,
        "create",
    ),
    Route("/locks/simulate/keypad_code_entry", _POST, requests.KeypadCodeEntry, _keypad_code_entry, answers.OfActionAttempt),
    Route("/devices/get", _GET, requests.GetDevice, _get_device, answers.OfDevice),
    Route("/devices/list", _GET, requests.ListDevices, _list_devices, answers.PageOfDevices),
    Route("/devices/report_provider_metadata", _POST, requests.ReportProviderMetadata, _report_provider_metadata, answers.Ok),
    Route("/locks/get", _GET, requests.GetDevice, _get_lock, answers.OfLock),
    Route("/locks/list", _GET, requests.ListDevices, _list_locks, answers.PageOfLocks),
    Route("/events/list", _GET, requests.ListEvents, _list_events, answers.PageOfEvents),
    Route("/events/get", _GET, requests.GetEvent, _get_event, answers.OfEvent),
    Route("/action_attempts/get", _GET, requests.GetActionAttempt, _get_action_attempt, answers.OfActionAttempt),
    Route("/action_attempts/list", _GET, requests.ListActionAttempts, _list_action_attempts, answers.PageOfActionAttempts),
)
