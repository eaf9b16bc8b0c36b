"""The recommended profile: a request is rounded outward to the nearest duration, however far that is, and the answer says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from offlinepin_standard import vendor

from offlinepin import Issuer, Lock, MasterKey, Reason
from offlinepin.errors import EndRequiredError, TooLongError
from offlinepin.pin import Rounded
from offlinepin.security import profile_odds

KEYS = MasterKey.from_bytes(bytes(range(32)))
NOW = datetime(2027, 7, 1, 12, tzinfo=UTC)
HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
# vendors.md, "The recommended profile": every hour to 6 h ... 31 days, then 60, 90, 180, 365; one-time codes of 1, 4, 12, 24 h
DURATIONS = [r for kind_range in vendor().profile.families[0].kinds[0].ranges for r in kind_range]
ONE_TIME = [1, 4, 12, 24]


def test_the_durations_are_those_of_the_page() -> None:
    stay, once = vendor().profile.families[0].kinds
    assert sorted(DURATIONS) == DURATIONS
    assert len(DURATIONS) == 32
    assert DURATIONS[:6] == [1, 2, 3, 4, 5, 6]
    assert [d // 24 for d in DURATIONS[-5:]] == [31, 60, 90, 180, 365]
    assert [d for r in once.ranges for d in r] == ONE_TIME
    assert (stay.variants, once.variants, stay.activation, stay.uses, once.uses) == (2, 4, 24, 0, 1)


def test_the_live_codes_are_few() -> None:
    """vendors.md: live codes at ±1 h about 1,400."""
    found = profile_odds(vendor().profile)[0]
    assert 1_300 <= found.live <= 1_600
    assert found.codes == 10**9


@given(st.integers(0, 10**5), st.integers(1, 365 * 24 * 60), st.booleans())
@settings(max_examples=150, deadline=None)
def test_a_request_gets_the_shortest_duration_that_covers_it_and_is_told_the_difference(start: int, minutes: int, one_time: bool) -> None:
    issuer = Issuer(KEYS, "standard")
    begin = NOW + start * MINUTE
    end = begin + minutes * MINUTE
    slot = begin.replace(minute=0)
    fitting = [d for d in (ONE_TIME if one_time else DURATIONS) if slot + d * HOUR >= end]
    if not fitting:
        with pytest.raises(TooLongError, match=r"365 d|24 hours"):
            issuer.issue("door", begin, end, one_time=one_time, now=NOW)
        return
    pin = issuer.issue("door", begin, end, one_time=one_time, now=NOW)
    assert (pin.starts_at, pin.duration) == (slot, fitting[0])
    early, late = begin - slot, slot + fitting[0] * HOUR - end
    told = [n for n in pin.notices if isinstance(n, Rounded)]
    assert told == ([Rounded(starts_early=early, ends_late=late)] if early or late else [])


def test_a_wish_to_be_rounded_less_is_heard() -> None:
    issuer = Issuer(KEYS, "standard")
    with pytest.raises(
        Exception, match="the next shorter is 31 d and the next longer 60 d, which would end 20 d late; at most 1 d"
    ) as refusal:
        issuer.issue("door", NOW, NOW + 40 * DAY, max_time_rounding="1d", now=NOW)
    assert getattr(refusal.value, "code", None) == "invalid_time_range"


def test_there_is_no_code_without_an_end() -> None:
    with pytest.raises(EndRequiredError, match="1 to 6, 8 to 12 by 2"):
        Issuer(KEYS, "standard").issue("door", NOW, now=NOW)


def test_a_clock_an_hour_off_still_opens() -> None:
    issuer = Issuer(KEYS, "standard")
    pin = issuer.issue("door", NOW, NOW + 3 * HOUR, now=NOW)
    for moment, reason in (
        (NOW - HOUR - MINUTE, Reason.TOO_EARLY),
        (NOW - HOUR, Reason.OPENED),
        (NOW + 4 * HOUR - MINUTE, Reason.OPENED),
        (NOW + 4 * HOUR, Reason.EXPIRED),
    ):
        assert Lock(issuer.provision("door")).enter(pin.code, moment).reason is reason
