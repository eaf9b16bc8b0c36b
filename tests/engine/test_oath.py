"""HOTP and TOTP: the RFCs' own tables, two other implementations, and what a verifier must store."""

from __future__ import annotations

import copy
import hashlib
import pickle
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import cryptography_vectors
import pyotp
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.twofactor.hotp import HOTP
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from hypothesis import example, given
from hypothesis import strategies as st

from offlinepin.engine.oath import Algorithm, Hotp, OathAccount, OathResult, Totp, parse_uri
from offlinepin.errors import NaiveDatetimeError, OathError

SECRET = b"12345678901234567890"
NOON = datetime(2027, 7, 1, 12, tzinfo=UTC)
_HASHES: dict[str, type[hashes.HashAlgorithm]] = {"sha1": hashes.SHA1, "sha256": hashes.SHA256, "sha512": hashes.SHA512}

secrets_ = st.binary(min_size=16, max_size=64)
algorithms = st.sampled_from(["sha1", "sha256", "sha512"])
hotps = st.builds(Hotp, secrets_, st.integers(6, 9), algorithms)
totps = st.builds(Totp, secrets_, st.integers(6, 9), algorithms, st.integers(1, 10_000))
# what pyotp reads: 160 bits or more, 6 to 8 digits, 120 seconds or less
common_secrets = st.binary(min_size=20, max_size=64)
common_hotps = st.builds(Hotp, common_secrets, st.integers(6, 8), algorithms)
common_totps = st.builds(Totp, common_secrets, st.integers(6, 8), algorithms, st.integers(1, 120))
moments = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive
# the key URI format: neither name holds a colon; white space at the ends is no part of a label
names = st.text(st.characters(exclude_characters=":", exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=20)


def _cases(name: str) -> list[dict[str, str]]:
    with cryptography_vectors.open_vector_file(name, "r") as file:
        blocks = str(file.read()).split("\n\n")
    return [dict(re.findall(r"^(\w+) = (\w+)$", block, re.MULTILINE)) for block in blocks if "SECRET" in block]


def test_rfc_4226_appendix_d() -> None:
    table = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"]
    assert [Hotp(SECRET).at(counter) for counter in range(10)] == table
    cases = _cases("twofactor/rfc-4226.txt")
    assert len(cases) == 10
    for case in cases:
        assert Hotp(case["SECRET"].encode()).at(int(case["COUNTER"])) == case["HOTP"]


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
def test_rfc_6238_appendix_b(algorithm: Algorithm) -> None:
    cases = [case for case in _cases("twofactor/rfc-6238.txt") if case["MODE"].lower() == algorithm]
    assert len(cases) == 6
    for case in cases:
        totp = Totp(case["SECRET"].encode(), 8, algorithm)
        assert totp.at(datetime.fromtimestamp(int(case["TIME"]), UTC)) == case["TOTP"]


@given(hotps, st.integers(0, 2**63))
def test_hotp_equals_two_other_implementations(hotp: Hotp, counter: int) -> None:
    mine = hotp.at(counter)
    peer = pyotp.HOTP(_base32(hotp.secret), digits=hotp.digits, digest=hotp.algorithm)
    assert mine == peer.at(counter)
    if hotp.digits < 9:
        other = HOTP(hotp.secret, hotp.digits, _HASHES[hotp.algorithm](), enforce_key_length=False)  # type: ignore[arg-type]
        assert mine == other.generate(counter).decode()


@given(totps, moments)
def test_totp_equals_two_other_implementations(totp: Totp, moment: datetime) -> None:
    mine = totp.at(moment)
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    peer = pyotp.HOTP(_base32(totp.secret), digits=totp.digits, digest=totp.algorithm)
    assert mine == peer.at(seconds // totp.period)
    if totp.digits < 9:
        algorithm = _HASHES[totp.algorithm]()
        other = TOTP(totp.secret, totp.digits, algorithm, totp.period, enforce_key_length=False)  # type: ignore[arg-type]
        assert mine == other.generate(seconds).decode()


def _base32(secret: bytes) -> str:
    return parse_qs(urlsplit(Hotp(secret).uri("x")).query)["secret"][0]


@given(totps, st.integers(0, 8_000))
def test_a_step_lasts_to_the_last_microsecond_of_its_period_in_every_year(totp: Totp, year: int) -> None:
    begin = totp.step(datetime(1970 + year, 6, 1, tzinfo=UTC))
    edge = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=begin * totp.period)
    assert totp.step(edge) == begin
    assert totp.step(edge + timedelta(seconds=totp.period) - timedelta(microseconds=1)) == begin
    assert totp.step(edge + timedelta(seconds=totp.period)) == begin + 1


@given(hotps, st.integers(0, 2**40), st.integers(0, 20), st.integers(0, 30))
def test_hotp_finds_a_password_within_its_look_ahead_and_never_behind_its_state(hotp: Hotp, state: int, window: int, ahead: int) -> None:
    result = hotp.verify(hotp.at(state + ahead), state, window)
    if ahead <= window:
        assert result.step is not None
        assert result.step <= state + ahead  # an equal password may come sooner
        assert result.state == result.step + 1
    elif result.step is not None:  # a collision inside the window
        assert hotp.at(result.step) == hotp.at(state + ahead)
    else:
        assert result.state == state


@given(hotps, st.integers(0, 2**40))
def test_a_password_is_refused_the_second_time_through_the_state(hotp: Hotp, state: int) -> None:
    password = hotp.at(state)
    first = hotp.verify(password, state, 0)
    assert first == OathResult(state, state + 1)
    again = hotp.verify(password, first.state, 3)
    assert again.step is None or hotp.at(again.step) == password
    assert again.step != state


@pytest.mark.parametrize(
    ("off", "drift", "found"), [(0, 0, True), (1, 0, False), (-1, 1, True), (1, 1, True), (2, 1, False), (-2, 1, False)]
)
def test_totp_allows_for_drift_to_either_side_and_no_further(off: int, drift: int, found: bool) -> None:
    totp = Totp(SECRET, 9)
    password = totp.at(NOON + off * timedelta(seconds=30))
    step = totp.step(NOON)
    result = totp.verify(password, NOON, drift=drift)
    assert result == (OathResult(step + off, step + off + 1) if found else OathResult(None, 0))


def test_totp_refuses_what_was_accepted_and_what_is_older() -> None:
    totp = Totp(SECRET, 9)
    now = totp.verify(totp.at(NOON), NOON)
    assert totp.verify(totp.at(NOON), NOON, now.state) == OathResult(None, now.state)
    assert totp.verify(totp.at(NOON - timedelta(seconds=30)), NOON, now.state) == OathResult(None, now.state)
    later = NOON + timedelta(seconds=30)
    assert totp.verify(totp.at(later), later, now.state).step == totp.step(later)


def test_the_first_step_of_all_can_be_verified() -> None:
    totp = Totp(SECRET)
    begin = datetime(1970, 1, 1, tzinfo=UTC)
    assert totp.verify(totp.at(begin), begin).step == 0


def test_totp_serves_a_clock_in_the_hour_that_happens_twice() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    for moment in (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)):
        assert Totp(SECRET).at(moment.astimezone(berlin)) == Totp(SECRET).at(moment)


@pytest.mark.parametrize("password", ["", "75522", "7552240", "755 224", "７５５２２４", "é", "\ud800", "-55224"])
def test_a_password_of_another_form_matches_nothing(password: str) -> None:
    assert Hotp(SECRET).verify(password) == OathResult(None, 0)
    assert Totp(SECRET).verify(password, NOON) == OathResult(None, 0)


def test_a_result_is_never_taken_for_a_bool() -> None:
    with pytest.raises(TypeError, match="step is None"):
        bool(Hotp(SECRET).verify("755224"))


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"secret": b"x" * 15}, "at least 16 bytes"),
        ({"secret": "text of sixteen chars"}, "at least 16 bytes"),
        ({"digits": 5}, "6 to 9, not 5"),
        ({"digits": 10}, "6 to 9, not 10"),
        ({"algorithm": "md5"}, "sha1, sha256, sha512, not 'md5'"),
        ({"algorithm": "SHA1"}, "not 'SHA1'"),
        ({"period": 0}, "at least 1 second, not 0"),
    ],
)
def test_bad_parameters_are_refused_by_name(bad: dict[str, Any], says: str) -> None:
    with pytest.raises(OathError, match=re.escape(says)):
        Totp(**{"secret": SECRET, **bad})


@pytest.mark.parametrize("counter", [-1, 2**64])
def test_a_counter_outside_eight_bytes_is_refused(counter: int) -> None:
    with pytest.raises(OathError, match=re.escape(f"not {counter}")):
        Hotp(SECRET).at(counter)


def test_a_time_before_1970_or_without_a_zone_has_no_password() -> None:
    with pytest.raises(OathError):
        Totp(SECRET).at(datetime(1969, 12, 31, tzinfo=UTC))
    with pytest.raises(NaiveDatetimeError):
        Totp(SECRET).at(datetime(2027, 7, 1))  # noqa: DTZ001 - the naive datetime is the point


# --- otpauth:// ---------------------------------------------------------------------------------------------------


@given(totps | hotps, names, names | st.none())
def test_a_uri_reads_back(otp: Hotp | Totp, account: str, issuer: str | None) -> None:
    assert parse_uri(otp.uri(account, issuer)) == OathAccount(otp, account, issuer)


@given(common_totps, names, names | st.none())
def test_other_readers_read_a_totp_uri_the_same(totp: Totp, account: str, issuer: str | None) -> None:
    uri = totp.uri(account, issuer)
    peer = pyotp.parse_uri(uri)
    assert isinstance(peer, pyotp.TOTP)
    assert (peer.name, peer.issuer, peer.interval, peer.digits) == (account, issuer, totp.period, totp.digits)
    assert peer.at(NOON) == totp.at(NOON)


@given(common_hotps, names, names | st.none(), st.integers(0, 2**63))
def test_other_readers_read_an_hotp_uri_the_same(hotp: Hotp, account: str, issuer: str | None, counter: int) -> None:
    uri = hotp.uri(account, issuer, counter)
    assert parse_uri(uri) == OathAccount(hotp, account, issuer, counter)
    peer = pyotp.parse_uri(uri)
    assert isinstance(peer, pyotp.HOTP)
    assert (peer.name, peer.issuer, peer.initial_count) == (account, issuer, counter)
    assert peer.at(0) == hotp.at(counter)


@given(names, names | st.none())
@example("/", "//")
def test_uris_of_other_writers_are_read(account: str, issuer: str | None) -> None:
    secret = _base32(SECRET)
    uri = pyotp.TOTP(secret, digits=8, digest=hashlib.sha256, interval=60).provisioning_uri(name=account, issuer_name=issuer)
    assert parse_uri(uri) == OathAccount(Totp(SECRET, 8, "sha256", 60), account, issuer)


def test_the_usual_short_uri_means_the_defaults() -> None:
    uri = "otpauth://totp/Example:%20alice@example.com?secret=gezdgnbv%20GY3TQOJQ%20gezdgnbvgy3tqojq===="
    assert parse_uri(uri) == OathAccount(Totp(SECRET), "alice@example.com", "Example")


@pytest.mark.parametrize(("account", "issuer"), [("a:b", None), ("a:b", "door"), ("a", "do:or")])
def test_a_name_with_a_colon_is_refused_or_reads_back(account: str, issuer: str | None) -> None:
    try:
        uri = Totp(SECRET).uri(account, issuer)
    except OathError:
        return
    assert parse_uri(uri) == OathAccount(Totp(SECRET), account, issuer)


_GOOD = "secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("https://totp/a?" + _GOOD, "begins with otpauth://"),
        ("otpauth://motp/a?" + _GOOD, "begins with otpauth://"),
        ("otpauth://[totp/a?" + _GOOD, "OATH URI"),
        ("", "begins with otpauth://"),
        ("otpauth://totp/a", "has no secret"),
        ("otpauth://totp/a?secret=", "has no secret"),
        ("otpauth://totp/a?secret=GEZDGNBVGY3TQOJ0GEZDGNBVGY3TQOJQ", "not base32"),
        ("otpauth://totp/a?secret=GEZDGNBVGY3TQOJ%C3%A9GEZDGNBVGY3TQOJQ", "not base32"),
        ("otpauth://totp/a?secret=%C3%9F%C3%9FGEZDGNBVGY3TQOJQGEZDGNBV", "not base32"),  # two sharp s, whose capitals are SSSS
        ("otpauth://totp/a?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQO", "not base32"),  # no byte string has this length
        ("otpauth://totp/a?secret=GEZDGNBV", "at least 16 bytes"),
        ("otpauth://totp/a?digits=six&" + _GOOD, "digits in an OATH URI must be a whole number, not 'six'"),
        ("otpauth://totp/a?digits=4&" + _GOOD, "not 4"),
        ("otpauth://totp/a?period=%D9%A3&" + _GOOD, "period"),
        ("otpauth://totp/a?period=0&" + _GOOD, "not 0"),
        ("otpauth://totp/a?algorithm=MD5&" + _GOOD, "not 'md5'"),
        ("otpauth://hotp/a?counter=-1&" + _GOOD, "counter"),
        ("otpauth://hotp/a?counter=18446744073709551616&" + _GOOD, "counter"),
    ],
)
def test_a_bad_uri_is_refused_and_its_secret_not_repeated(uri: str, says: str) -> None:
    with pytest.raises(OathError, match=re.escape(says)) as caught:
        parse_uri(uri)
    assert "GEZDGNBV" not in str(caught.value)


@given(st.text(max_size=80))
def test_no_text_makes_the_reader_fail_otherwise(text: str) -> None:
    for uri in (text, f"otpauth://totp/{text}", f"otpauth://{text}/a?{_GOOD}", f"otpauth://totp/a?secret={text}"):
        with suppress(OathError):
            parse_uri(uri)


@pytest.mark.parametrize("otp", [Hotp(SECRET), Totp(SECRET), OathAccount(Totp(SECRET), "a")])
def test_secrets_are_not_shown_pickled_or_copied(otp: object) -> None:
    assert "1234" not in repr(otp)
    for leave in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled"):
            leave(otp)
