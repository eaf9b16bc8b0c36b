"""The single path beside its peers, in one run: one code issued, one entry decided, and what TOTP libraries take to verify one password.
Every figure is read as a multiple of one ``hmac.digest(key, message, "sha256")``; ``benchmarks/ratios.py`` prints them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyotp
import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.twofactor import InvalidToken
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from offlinepin import Issuer, Lock, MasterKey, Totp
from offlinepin.lock.decide import Reason, decide
from offlinepin.lock.state import State

KEY = bytes(range(32))
START = datetime(2027, 7, 1, 15, tzinfo=UTC)
NOW = int(START.timestamp())
VENDORS = ("igloo", "standard", "oracode")

Benchmark = Callable[..., Any]


def test_floor_hmac_digest(benchmark: Benchmark) -> None:
    benchmark(hmac.digest, KEY, b"123456789", "sha256")


@pytest.mark.parametrize("vendor", VENDORS)
def test_issue(benchmark: Benchmark, vendor: str) -> None:
    """One code for a three-day stay on a known device; every call asks for other dates, as a booking system does."""
    issuer = Issuer(MasterKey(KEY), vendor)
    days = itertools.count()

    def issue() -> None:
        start = START + timedelta(days=next(days) % 20_000)
        end = start + timedelta(days=2, hours=20)
        issuer.issue("front-door", start, end, time_zone="UTC", now=START, generation=0)

    benchmark.pedantic(issue, rounds=3000, iterations=1, warmup_rounds=50)  # type: ignore[attr-defined]


@pytest.mark.parametrize("vendor", VENDORS)
def test_issue_for_a_new_device(benchmark: Benchmark, vendor: str) -> None:
    """The same where every code is for another device: the token is derived too."""
    issuer = Issuer(MasterKey(KEY), vendor)
    doors = itertools.count()

    def issue() -> None:
        issuer.issue(f"door-{next(doors)}", START, START + timedelta(days=2, hours=20), time_zone="UTC", now=START)

    benchmark.pedantic(issue, rounds=3000, iterations=1, warmup_rounds=50)  # type: ignore[attr-defined]


@pytest.mark.parametrize("vendor", VENDORS)
def test_decide_on_a_wrong_code(benchmark: Benchmark, vendor: str) -> None:
    provisioning = Issuer(MasterKey(KEY), vendor).provision("front-door", time_zone="UTC")
    profile, token, state = provisioning.profile, provisioning.token, State()
    decision, _ = benchmark(decide, profile, token, state, NOW, 5, "123456789")
    assert decision.reason is Reason.UNKNOWN


@pytest.mark.parametrize("vendor", VENDORS)
def test_decide_on_a_right_code(benchmark: Benchmark, vendor: str) -> None:
    issuer = Issuer(MasterKey(KEY), vendor)
    pin = issuer.issue("front-door", START, START + timedelta(days=2, hours=20), time_zone="UTC", now=START)
    lock = Lock(issuer.provision("front-door", time_zone="UTC"))
    profile, token, state = lock.provisioning.profile, lock.token, lock.state
    decision, _ = benchmark(decide, profile, token, state, NOW, 5, pin.code)
    assert decision.opened


def test_totp_verify_of_a_wrong_password_offlinepin(benchmark: Benchmark) -> None:
    otp = Totp(KEY, algorithm="sha256")
    result = benchmark(otp.verify, "000000", START)
    assert result.step is None


def test_totp_verify_of_a_wrong_password_pyotp(benchmark: Benchmark) -> None:
    otp = pyotp.TOTP(base64.b32encode(KEY).decode(), digest=hashlib.sha256)
    assert benchmark(otp.verify, "000000", for_time=START, valid_window=1) is False


def test_totp_verify_of_a_wrong_password_cryptography(benchmark: Benchmark) -> None:
    """cryptography verifies one step a call; three steps make the window that the others look at."""
    otp = TOTP(KEY, 6, SHA256(), 30)

    def verify() -> int:
        refused = 0
        for drift in (-30, 0, 30):
            try:
                otp.verify(b"000000", NOW + drift)
            except InvalidToken:
                refused += 1
        return refused

    assert benchmark(verify) == 3
