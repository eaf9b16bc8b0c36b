"""Igloo-style algoPINs: the kinds and limits of the product, the maker's request shape, and one PIN for one request."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from offlinepin_igloo import AlgoPin, AlgoPinApi, vendor

from offlinepin import Issuer, Lock, MasterKey, Reason
from offlinepin.errors import (
    EndRequiredError,
    ExhaustedError,
    InvalidTimeRangeError,
    RequestError,
    TooLongError,
    VariantError,
    VariantTakenError,
    VendorError,
)
from offlinepin.pin import MustBeUsedBy
from offlinepin.vendor import load

KEYS = MasterKey.from_bytes(bytes(range(32)))
NOW = datetime(2027, 7, 1, 12, tzinfo=UTC)
HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
START = "2027-07-01T14:00:00+02:00"


@pytest.fixture
def issuer() -> Issuer:
    return Issuer(KEYS, "igloo")


@pytest.fixture
def api(issuer: Issuer) -> AlgoPinApi:
    return AlgoPinApi(issuer)


def text(moment: datetime) -> str:
    return moment.isoformat()


def serve(api: AlgoPinApi, kind: str = "hourly", **changes: Any) -> AlgoPin:
    end = {"endDate": text(NOW + (3 * HOUR if kind == "hourly" else 30 * DAY))} if kind in ("hourly", "daily") else {}
    asked = {"startDate": START, "accessName": "Ada", "now": NOW, **end, **changes}
    answer: AlgoPin = getattr(api, kind)("door", **asked)
    return answer


# --- the product --------------------------------------------------------------------------------------------------


def test_the_profile_is_the_products() -> None:
    family = vendor().profile.families[0]
    found = {k.name: (k.ranges[0][0], k.ranges[-1][-1], k.variants, k.activation, k.uses) for k in family.kinds}
    assert found == {
        "hourly": (1, 672, 3, 24, 0),
        "daily": (29 * 24, 367 * 24, 3, 24, 0),
        "onetime": (24, 24, 5, 0, 1),
        "permanent": (0, 0, 3, 24, 0),
    }
    assert all(d % 24 == 0 for d in family.kinds[1].ranges[0])
    assert vendor().profile.lock.capacity == 199


@given(st.integers(1, 380 * 24))
@settings(max_examples=150, deadline=None)
def test_whole_hours_up_to_672_and_whole_days_from_29_to_367_are_served_exactly_and_nothing_else(hours: int) -> None:
    issuer = Issuer(KEYS, "igloo")
    if hours <= 672 or (29 * 24 <= hours <= 367 * 24 and hours % 24 == 0):
        pin = issuer.issue("door", NOW, NOW + hours * HOUR, now=NOW)
        assert (pin.kind, pin.duration) == ("hourly" if hours <= 672 else "daily", hours)
        assert pin.use_by == (NOW + DAY if hours > 24 else None)
    elif hours > 367 * 24:
        with pytest.raises(TooLongError, match=r"672 hours.*367 d"):
            issuer.issue("door", NOW, NOW + hours * HOUR, now=NOW)
    elif hours % 24 == 23:
        assert issuer.issue("door", NOW, NOW + hours * HOUR, now=NOW).duration == hours + 1
    else:
        with pytest.raises(InvalidTimeRangeError, match=r"hourly: at most 672 hours .*daily: the next"):
            issuer.issue("door", NOW, NOW + hours * HOUR, now=NOW)


def test_between_672_hours_and_29_days_both_neighbours_are_named(issuer: Issuer) -> None:
    with pytest.raises(InvalidTimeRangeError) as refusal:
        issuer.issue("door", NOW, NOW + 680 * HOUR, now=NOW)
    assert "hourly: at most 672 hours (28 d); daily: the next longer 29 d, which would end 16 h late; at most 1 h" in str(refusal.value)
    assert issuer.issue("door", NOW, NOW + 680 * HOUR, max_time_rounding="1d", now=NOW).duration == 29 * 24


def test_rounding_is_an_hour_a_day_on_request_and_never_more(issuer: Issuer) -> None:
    with pytest.raises(InvalidTimeRangeError, match="27 d 21 h late; at most 1 d is allowed"):
        issuer.issue("door", NOW, NOW + 27 * HOUR, kind="daily", max_time_rounding=timedelta(days=99), now=NOW)
    pin = issuer.issue("door", NOW + 20 * MINUTE, NOW + HOUR + MINUTE, now=NOW)
    assert (pin.starts_at, pin.ends_at) == (NOW, NOW + 2 * HOUR)


def test_a_one_time_code_lasts_24_hours_and_dies_on_first_use(issuer: Issuer) -> None:
    pin = issuer.issue("door", NOW, one_time=True, now=NOW)
    assert (pin.kind, pin.ends_at, pin.one_time, pin.use_by) == ("onetime", NOW + DAY, True, None)
    lock = Lock(issuer.provision("door"))
    late = NOW + DAY - MINUTE
    assert [lock.enter(pin.code, late).reason for _ in range(2)] == [Reason.OPENED, Reason.USED]


def test_a_permanent_code_must_be_used_within_24_hours_and_never_ends(issuer: Issuer) -> None:
    pin = issuer.issue("door", NOW, now=NOW)
    assert (pin.kind, pin.ends_at) == ("permanent", None)
    assert MustBeUsedBy(use_by=NOW + DAY) in pin.notices
    assert Lock(issuer.provision("door")).enter(pin.code, NOW + DAY).reason is Reason.LAPSED
    lock = Lock(issuer.provision("door"))
    assert lock.enter(pin.code, NOW + DAY - MINUTE).opened
    assert lock.enter(pin.code, NOW + 3000 * DAY).opened


def test_a_code_with_the_wrong_sort_of_end_is_refused(issuer: Issuer) -> None:
    for kind in ("hourly", "daily"):
        with pytest.raises(EndRequiredError, match=kind):
            issuer.issue("door", NOW, kind=kind, now=NOW)


def test_five_wrong_entries_lock_the_lock_for_five_minutes(issuer: Issuer) -> None:
    lock = Lock(issuer.provision("door"))
    entered = 0
    while not lock.enter(f"{entered:09d}", NOW).wait:
        entered += 1
    assert entered == 5
    assert lock.enter("999999999", NOW).wait == 300


def test_ten_digits_are_an_option_and_other_lengths_are_refused() -> None:
    ten = vendor(digits=10)
    assert (ten.profile.name, ten.profile.families[0].total_length) == ("igloo-10", 10)
    assert ten.profile.digest != vendor().profile.digest
    issuer = Issuer(KEYS, ten)
    pin = issuer.issue("door", NOW, NOW + HOUR, now=NOW)
    assert len(pin.code) == 10
    assert Lock(issuer.provision("door")).enter(pin.code, NOW).opened
    for digits in (8, 11):
        with pytest.raises(VendorError, match=f"9 or 10 digits, not {digits}"):
            vendor(digits)
    assert load("igloo", digits=10).profile == ten.profile
    with pytest.raises(VendorError, match="colour"):
        load("igloo", colour="red")


# --- the maker's request shape ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "variants"), [("hourly", 3), ("daily", 3), ("onetime", 5), ("permanent", 3)])
def test_the_same_request_gives_the_same_pin_and_another_variance_another(api: AlgoPinApi, kind: str, variants: int) -> None:
    answers = [serve(api, kind, variance=v) for v in range(1, variants + 1)]
    again = [serve(api, kind, variance=v, now=NOW + HOUR, accessName="Bob") for v in range(1, variants + 1)]
    assert [a.pin for a in again] == [a.pin for a in answers]
    assert [a.pinId for a in again] == [a.pinId for a in answers]
    assert len({a.pin for a in answers}) == len({a.pinId for a in answers}) == variants
    assert [a.access.variant for a in answers] == list(range(variants))
    assert answers[0].access.kind == kind
    with pytest.raises(ExhaustedError):
        serve(api, kind)


def test_the_same_moment_in_another_offset_is_the_same_request(api: AlgoPinApi) -> None:
    assert serve(api, variance=2).pin == serve(api, variance=2, startDate="2027-07-01T12:00:00+00:00").pin


def test_without_a_variance_no_two_requests_share_a_pin(api: AlgoPinApi) -> None:
    assert len({serve(api).pin for _ in range(3)}) == 3


def test_a_pin_that_the_ledger_gave_is_not_given_again_by_its_variance(api: AlgoPinApi) -> None:
    serve(api)
    with pytest.raises(VariantTakenError):
        serve(api, variance=1)


@pytest.mark.parametrize(("kind", "most"), [("hourly", 3), ("daily", 3), ("onetime", 5), ("permanent", 3)])
def test_the_variance_is_no_length_of_time(api: AlgoPinApi, kind: str, most: int) -> None:
    for variance in (0, most + 1, 24, -1):
        with pytest.raises(VariantError, match=f"'{kind}' is 1 to {most}, not {variance}; it is no length of time"):
            serve(api, kind, variance=variance)
    first, second = (serve(api, kind, variance=v).access for v in (1, 2))
    assert (first.starts_at, first.ends_at) == (second.starts_at, second.ends_at)


@pytest.mark.parametrize(
    "date",
    [
        "2027-07-01",
        "2027-07-01T14:00:00",
        "2027-07-01T14:00:00Z",
        "2027-07-01T14:30:00+02:00",
        "2027-07-01T14:00:00+0200",
        "2027-07-01T14:00:00.0+02:00",
        "2027-13-01T14:00:00+02:00",
        "2027-02-30T14:00:00+02:00",
        "2027-07-01T25:00:00+02:00",
        "2027-07-01T14:00:00+99:00",
        "２０２７-07-01T14:00:00+02:00",
        "2027-07-01T14:00:00+02:00\n",
        "",
    ],
)
def test_a_date_of_another_form_is_refused_by_its_member(api: AlgoPinApi, date: str) -> None:
    for member in ("startDate", "endDate"):
        with pytest.raises(RequestError, match=rf"{member} .*") as refusal:
            serve(api, **{member: date})
        assert refusal.value.code == "invalid_request"
        assert repr(date) in str(refusal.value)


@pytest.mark.parametrize("name", ["", "x" * 61])
def test_an_access_name_is_1_to_60_characters(api: AlgoPinApi, name: str) -> None:
    with pytest.raises(RequestError, match=f"accessName must be 1 to 60 characters, not {len(name)}"):
        serve(api, accessName=name)
    assert serve(api, accessName="Zoë 愛" * 12).accessName == "Zoë 愛" * 12


def test_a_half_hour_zone_is_rounded_outward_and_told(api: AlgoPinApi) -> None:
    answer = serve(api, startDate="2027-07-01T18:00:00+05:30", endDate="2027-07-01T20:00:00+05:30")
    assert answer.access.starts_at.astimezone(UTC) == NOW
    assert answer.access.duration == 3
    assert any(n.code == "rounded" for n in answer.access.notices)


def test_a_daily_pin_holds_from_a_time_of_day_to_the_same_time_of_day_over_a_clock_change(api: AlgoPinApi) -> None:
    """Forty days at 15:00 local: the clocks go back in between, so that they have 961 hours."""
    answer = serve(api, "daily", startDate="2027-10-01T15:00:00+02:00", endDate="2027-11-10T15:00:00+01:00")
    assert answer.access.kind == "daily"


def test_an_answer_shows_no_pin(api: AlgoPinApi) -> None:
    answer = serve(api)
    assert answer.pin == answer.access.code
    assert answer.pin not in repr(answer)
    assert answer.access.grouped not in repr(answer)


def test_an_answer_opens_the_lock(api: AlgoPinApi, issuer: Issuer) -> None:
    assert Lock(issuer.provision("door")).enter(serve(api).pin, NOW + HOUR).opened
