"""Limits: in no minute more than so many, and never a refusal that the limit does not call for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from offlinepin.server.envelope import ApiError
from offlinepin.server.limits import Limits

START = datetime(2027, 7, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def refusal(limits: Limits, now: datetime, *devices: str, action: str = "create", workspace: str = "ours") -> ApiError | None:
    """What the limit says."""
    try:
        limits.take(action, workspace, devices or ("door",), now)
    except ApiError as error:
        return error
    return None


def took(limits: Limits, now: datetime, *devices: str, action: str = "create", workspace: str = "ours") -> bool:
    """Whether the limit let it pass; a refusal must be the documented one."""
    said = refusal(limits, now, *devices, action=action, workspace=workspace)
    assert said is None or (said.status, said.kind) == (429, "too_many_requests")
    return said is None


@given(st.lists(st.integers(0, 200), min_size=1, max_size=60).map(sorted), st.integers(1, 5))
def test_exactly_the_requests_that_would_be_too_many_in_a_minute_are_refused(seconds: list[int], limit: int) -> None:
    limits = Limits({"create": limit})
    passed: list[datetime] = []
    for second in seconds:
        now = START + timedelta(seconds=second)
        recent = [then for then in passed if then > now - MINUTE]
        assert took(limits, now) == (len(recent) < limit)
        if len(recent) < limit:
            passed.append(now)


@given(st.lists(st.integers(0, 59), min_size=1, max_size=20).map(sorted))
def test_a_request_is_taken_again_after_the_seconds_that_its_refusal_names(seconds: list[int]) -> None:
    limits = Limits({"create": 1})
    now = START + timedelta(seconds=seconds[-1])
    assert took(limits, START)
    said = refusal(limits, now)
    assert said is not None
    assert said.headers is not None
    assert took(limits, now + timedelta(seconds=int(said.headers["retry-after"])))


def test_what_is_refused_on_one_device_is_counted_on_none() -> None:
    limits = Limits({"create": 1})
    assert took(limits, START, "full")
    assert not took(limits, START, "free", "full")
    assert took(limits, START, "free")


def test_devices_actions_and_workspaces_are_counted_apart() -> None:
    limits = Limits({"create": 1, "delete": 1})
    assert took(limits, START)
    assert took(limits, START, "other door")
    assert took(limits, START, action="delete")
    assert took(limits, START, workspace="theirs")
    assert not took(limits, START)


def test_no_limit_is_no_limit() -> None:
    assert all(took(Limits({"create": 0}), START) for _ in range(100))
    assert all(took(Limits({}), START) for _ in range(100))


def test_a_device_named_twice_is_written_to_once() -> None:
    limits = Limits({"create": 2})
    assert took(limits, START, "door", "door")
    assert took(limits, START)
    assert not took(limits, START)


def test_devices_of_long_ago_are_forgotten() -> None:
    limits = Limits({"create": 1})
    for number in range(10_000):
        assert took(limits, START, f"door {number}")
    later = START + 2 * MINUTE
    assert took(limits, later, "one more")
    assert len(limits) == 1
