"""The batch kernels: every lane width and the numpy path are equal to the single path, row for row, and stay inside their columns."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offlinepin.batch import kernels, pure
from offlinepin.batch.kernel import U32, U64, Kernel, Requests, Shape, Texts, Texts8, TokenRows
from offlinepin.engine.cipher import decipher, encipher, hmac_round
from offlinepin.engine.codec import from_symbols, to_symbols
from offlinepin.engine.kdf import HmacKey
from offlinepin.engine.profile import Profile
from offlinepin.engine.token import DeviceToken
from offlinepin.errors import DeviceIdError, KernelError, KeyMaterialError

ROOT = Path(__file__).parents[2]
NAMES = kernels.available()
NATIVE = NAMES[:-1]
PRINTABLE = "".join(map(chr, range(32, 127)))
FASTEST = kernels.load()
DIGITS = Shape("0123456789", 9)

every_kernel = pytest.mark.parametrize("name", NAMES)


def u32(*values: int) -> U32:
    return np.array(values, np.uint32)


def u64(*values: int) -> U64:
    return np.array(values, np.uint64)


def codes(table: Texts8) -> list[str]:
    return [row.tobytes().decode() for row in table]


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    """Every radix and length of format 1, any alphabet and prefix."""
    alphabet = "".join(draw(st.permutations(PRINTABLE)))[: draw(st.integers(2, 16))]
    longest = max(n for n in range(1, 63) if len(alphabet) ** ((n + 1) // 2) < 2**32)
    return Shape(alphabet, draw(st.integers(1, longest)), draw(st.text(PRINTABLE, max_size=4)))


def requests(shape: Shape) -> st.SearchStrategy[Requests]:
    device = st.text(st.characters(codec="utf-8"), min_size=1, max_size=64).filter(lambda name: len(name.encode()) <= 64)
    row = st.tuples(
        device | st.integers(1, 64).map("x".__mul__), st.integers(0, 3), st.integers(0, 2**32 - 1), st.integers(0, shape.space - 1)
    )

    def made(master: bytes, rows: list[tuple[str, int, int, int]], digest: bytes, family: int) -> Requests:
        names, generations, windows, payloads = zip(*rows, strict=True) if rows else ((), (), (), ())
        return Requests(master, Texts.of(names), u32(*generations), digest, family, u32(*windows), u64(*payloads))

    key = st.binary(min_size=32, max_size=32)
    return st.builds(made, key, st.lists(row, max_size=20), st.binary(min_size=16, max_size=16), st.integers(0, 255))


def names_of(texts: Texts) -> list[str]:
    return [texts.blob[a:b].tobytes().decode() for a, b in zip(texts.offsets, texts.offsets[1:], strict=False)]


def check_against_the_single_path(fast: Kernel, rows: Requests, shape: Shape) -> None:
    """Every stage of every row, as the engine does it one by one."""
    n = len(rows.ids)
    tokens = fast.derive_tokens(rows.master, rows.ids, rows.generations)
    families = np.full(n, rows.family, np.uint8)
    keys = fast.window_keys(fast.midstates(tokens), None, rows.digest, families, rows.windows)
    states = fast.midstates(keys)
    numbers = fast.seal(states, None, rows.payloads, shape)
    opened = fast.open(states, None, rows.payloads, shape)
    text, fused = fast.format(numbers, shape), fast.seal_rows(rows, shape)
    turned = np.arange(n, dtype=np.uint32)[::-1].copy()
    for at_once in (
        TokenRows(tokens, None, rows.digest, rows.family, rows.windows),
        TokenRows(tokens[::-1].copy(), turned, rows.digest, rows.family, rows.windows),
    ):
        assert fast.seal_tokens(at_once, rows.payloads, shape).tolist() == numbers.tolist()
        assert fast.open_tokens(at_once, rows.payloads, shape).tolist() == opened.tolist()
    master = HmacKey(rows.master)
    for i, name in enumerate(names_of(rows.ids)):
        token = DeviceToken.derive(master, name, int(rows.generations[i]))
        assert tokens[i].tobytes() == token.export()
        key = token.window_key(rows.digest, rows.family, int(rows.windows[i]))
        assert keys[i].tobytes() == key
        f = hmac_round(HmacKey(key))
        number = encipher(int(rows.payloads[i]), *shape.halves, f)
        assert numbers[i] == number
        assert opened[i] == decipher(int(rows.payloads[i]), *shape.halves, f)
        assert text[i].tobytes().decode() == fused[i].tobytes().decode() == shape.prefix + to_symbols(number, shape.alphabet, shape.length)


@pytest.mark.skipif(not NATIVE, reason="the C kernel is not built here")
@given(st.data())
@settings(max_examples=60, deadline=None)
def test_every_lane_width_is_equal_to_the_single_path(data: st.DataObject) -> None:
    shape = data.draw(shapes())
    rows = data.draw(requests(shape))
    for name in NATIVE:
        check_against_the_single_path(kernels.load(name), rows, shape)


@pytest.mark.parametrize("few", [0, pure._FEW])
@given(st.data())
@settings(max_examples=8, deadline=None)
def test_the_numpy_path_is_equal_to_the_single_path(few: int, data: st.DataObject) -> None:
    """Also where a few rows would go one by one."""
    shape = data.draw(shapes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pure, "_FEW", few)
        check_against_the_single_path(kernels.load("pure"), data.draw(requests(shape)), shape)


@every_kernel
def test_the_vectors_of_format_1_come_out_at_every_lane_width(name: str, vectors: Callable[[str], Any]) -> None:
    fast = kernels.load(name)
    for known in vectors("format-1.json")["sets"]:
        profile = Profile.parse(known["profile"])
        for index, family in enumerate(profile.families):
            shape = Shape.of(profile, index)
            cases = [c for c in known["cases"] if c["family"] == family.name]
            n = len(cases)
            numbers, claimed = fast.parse(Texts.of(c["code"] for c in cases), shape)
            keys = np.frombuffer(bytes.fromhex("".join(c["window_key"] for c in cases)), np.uint8).reshape(n, 32)
            payloads = u64(*(c["payload"] for c in cases))
            assert claimed.all()
            assert (fast.open(fast.midstates(keys), None, numbers, shape) == payloads).all()
            tokens = np.frombuffer(bytes.fromhex("".join(c["token"] for c in cases)), np.uint8).reshape(n, 32)
            windows = u32(*(c["window"] for c in cases))
            made = fast.window_keys(fast.midstates(tokens), None, profile.digest, np.full(n, index, np.uint8), windows)
            assert (made == keys).all()
            assert codes(fast.format(fast.seal(fast.midstates(made), None, payloads, shape), shape)) == [c["code"] for c in cases]
            for c in cases if name != "pure" else cases[:2]:
                ids, generation = Texts.of([c["device_id"]]), u32(c["generation"])
                master = bytes.fromhex(c["master_key"])
                one = Requests(master, ids, generation, profile.digest, index, u32(c["window"]), u64(c["payload"]))
                assert codes(fast.seal_rows(one, shape)) == [c["code"]]
                assert fast.derive_tokens(master, ids, generation).tobytes().hex() == c["token"]


def table(n: int, seed: int = 1) -> Requests:
    """n rows with ids of every length and generations 0 to 2."""
    random = np.random.default_rng(seed)
    ids = Texts.of("x" * (1 + i * 29 % 64) for i in range(n))
    generations = (np.arange(n) % 3).astype(np.uint32)
    windows = random.integers(0, 2**32, n, dtype=np.uint32)
    return Requests(bytes(range(32)), ids, generations, b"d" * 16, 7, windows, random.integers(0, DIGITS.space, n, dtype=np.uint64))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 20_001])
def test_row_counts_around_the_lane_widths_and_the_chunks_give_what_numpy_gives(n: int) -> None:
    rows = table(n)
    expected = kernels.load("pure").seal_rows(rows, DIGITS)
    for name in NATIVE:
        assert (kernels.load(name).seal_rows(rows, DIGITS) == expected).all()


@every_kernel
def test_rows_that_share_a_key_through_an_index_are_sealed_as_if_each_had_its_own(name: str) -> None:
    fast = kernels.load(name)
    states = FASTEST.midstates(np.arange(5 * 32, dtype=np.uint8).reshape(5, 32))
    index = u32(*([4, 0, 0, 3, 2] * 7))
    payloads = np.arange(35, dtype=np.uint64) * np.uint64(28_571_000)
    sealed = fast.seal(states, index, payloads, DIGITS)
    assert (sealed == FASTEST.seal(np.ascontiguousarray(states[index]), None, payloads, DIGITS)).all()
    assert (fast.open(states, index, sealed, DIGITS) == payloads).all()
    windows, families = np.arange(35, dtype=np.uint32), np.zeros(35, np.uint8)
    keys = fast.window_keys(states, index, bytes(16), families, windows)
    assert (keys == FASTEST.window_keys(np.ascontiguousarray(states[index]), None, bytes(16), families, windows)).all()


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_typed_text_is_claimed_and_read_exactly_as_the_single_path_does(data: st.DataObject) -> None:
    shape = data.draw(shapes())
    sound = st.integers(0, shape.space - 1).map(lambda x: shape.prefix + to_symbols(x, shape.alphabet, shape.length))
    near = st.tuples(sound, st.integers(0, 70), st.text(max_size=2)).map(lambda t: t[0][: t[1]] + t[2] + t[0][t[1] + len(t[2]) :])
    typed = data.draw(st.lists(sound | near | st.text(max_size=20), max_size=12))
    whole = Texts.of(typed)
    texts = Texts.wrap(b"??" + whole.blob.tobytes() + b"9", whole.offsets + 2)  # a slice of a longer buffer
    for name in NAMES:
        numbers, claimed = kernels.load(name).parse(texts, shape)
        for text, number, mine in zip(typed, numbers.tolist(), claimed.tolist(), strict=True):
            expected = from_symbols(text[len(shape.prefix) :], shape.alphabet)
            sound_text = len(text) == shape.total_length and text.startswith(shape.prefix) and expected is not None
            assert (number, mine) == ((expected, True) if sound_text else (0, False))


@every_kernel
def test_codes_go_into_the_first_columns_of_a_wider_table_and_leave_the_others_alone(name: str) -> None:
    fast = kernels.load(name)
    shape = Shape("0123456789", 9, "*7")
    out = np.full((17, 14), ord("?"), np.uint8)
    rows = table(17)
    assert fast.seal_rows(rows, shape, out) is out
    assert (out[:, :11] == fast.seal_rows(rows, shape)).all()
    assert (out[:, 11:] == ord("?")).all()
    numbers = u64(0, shape.space - 1)
    wide = np.full((2, 14), ord("?"), np.uint8)
    assert codes(fast.format(numbers, shape, wide)) == ["*7000000000???", "*7999999999???"]


@every_kernel
def test_a_kernel_may_be_used_by_several_threads_at_once(name: str) -> None:
    fast = kernels.load(name)
    tables = [table(60, seed) for seed in range(4)]
    expected = [fast.seal_rows(rows, DIGITS) for rows in tables]
    with ThreadPoolExecutor(4) as pool:
        for made, single in zip(pool.map(lambda rows: fast.seal_rows(rows, DIGITS), tables), expected, strict=True):
            assert (made == single).all()


STATES = FASTEST.midstates(np.zeros((2, 32), np.uint8))
REFUSALS: dict[str, Callable[[Kernel], object]] = {
    "keys of 31 bytes": lambda fast: fast.midstates(np.zeros((2, 31), np.uint8)),
    "a table that is not contiguous": lambda fast: fast.midstates(np.zeros((4, 32), np.uint8)[::2]),
    "payloads of another type": lambda fast: fast.seal(STATES, None, np.zeros(2, np.int64), DIGITS),
    "a payload beyond the codes": lambda fast: fast.seal(STATES, None, u64(0, 10**9), DIGITS),
    "a number beyond the codes": lambda fast: fast.open(STATES, None, u64(10**9, 0), DIGITS),
    "a number too long for its text": lambda fast: fast.format(u64(10**9), DIGITS),
    "fewer states than rows": lambda fast: fast.seal(STATES, None, u64(0, 0, 0), DIGITS),
    "an index beyond the states": lambda fast: fast.seal(STATES, u32(1, 2), u64(0, 0), DIGITS),
    "an index of another length": lambda fast: fast.open(STATES, u32(1), u64(0, 0), DIGITS),
    "states of another width": lambda fast: fast.seal(np.zeros((1, 8), np.uint32), None, u64(0), DIGITS),
    "a half of 2^32": lambda fast: fast.seal(STATES, None, u64(0, 0), Shape("0123456789abcdef", 15)),
    "a half of 2^32 to parse": lambda fast: fast.parse(Texts.of([]), Shape("0123456789abcdef", 15)),
    "one symbol": lambda fast: fast.seal(STATES, None, u64(0, 0), Shape("0", 9)),
    "no length": lambda fast: fast.seal(STATES, None, u64(0, 0), Shape("01", 0)),
    "a digest of 15 bytes": lambda fast: fast.window_keys(STATES, None, bytes(15), np.zeros(2, np.uint8), u32(0, 0)),
    "families of another length": lambda fast: fast.window_keys(STATES, None, bytes(16), np.zeros(3, np.uint8), u32(0, 0)),
    "a family of 256": lambda fast: fast.seal_rows(Requests(bytes(32), Texts.of(["d"]), u32(0), bytes(16), 256, u32(0), u64(0)), DIGITS),
    "windows of another length": lambda fast: fast.seal_rows(
        Requests(bytes(32), Texts.of(["d"]), u32(0), bytes(16), 0, u32(), u64(0)), DIGITS
    ),
    "a table too narrow": lambda fast: fast.format(u64(0), DIGITS, np.zeros((1, 8), np.uint8)),
    "a table of other rows": lambda fast: fast.format(u64(0), DIGITS, np.zeros((2, 9), np.uint8)),
}


@every_kernel
@pytest.mark.parametrize("refusal", REFUSALS)
def test_columns_that_do_not_fit_are_refused_before_any_memory_is_touched(name: str, refusal: str) -> None:
    with pytest.raises(ValueError, match=r".{20}"):
        REFUSALS[refusal](kernels.load(name))


@every_kernel
@pytest.mark.parametrize("bad", ["", "x" * 65, "é" * 33])
def test_a_device_id_that_is_not_1_to_64_bytes_is_refused_with_its_row(name: str, bad: str) -> None:
    with pytest.raises(DeviceIdError, match="row 1 has"):
        kernels.load(name).derive_tokens(bytes(32), Texts.of(["d", bad, bad]), u32(0, 0, 0))


@every_kernel
def test_a_master_key_of_another_length_is_refused(name: str) -> None:
    with pytest.raises(KeyMaterialError, match="32 bytes"):
        kernels.load(name).derive_tokens(bytes(31), Texts.of(["d"]), u32(0))


@pytest.mark.parametrize("offsets", [[0, 3], [-1, 0], [0, 2, 1], [], [[0, 1]]])
def test_offsets_that_leave_their_buffer_are_refused(offsets: list[Any]) -> None:
    with pytest.raises(ValueError, match="offsets"):
        Texts.wrap(b"ab", np.array(offsets, np.int64))


def test_the_fastest_kernel_is_taken_unless_the_environment_or_the_caller_names_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kernels.load().name == NAMES[0]
    monkeypatch.setenv(kernels.ENVIRONMENT_VARIABLE, "pure")
    assert kernels.load().name == "pure"
    assert kernels.load(NAMES[0]).name == NAMES[0]
    monkeypatch.setenv(kernels.ENVIRONMENT_VARIABLE, "avx1024")
    with pytest.raises(KernelError, match=r"'avx1024' on this machine; it has .*pure"):
        kernels.load()


@pytest.fixture
def without_the_extension(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "offlinepin.batch._native", None)
    monkeypatch.delitem(sys.modules, "offlinepin.batch.native", raising=False)
    kernels._native_names.cache_clear()
    yield
    kernels._native_names.cache_clear()


@pytest.mark.usefixtures("without_the_extension")
def test_without_the_extension_the_numpy_path_serves() -> None:
    assert kernels.available() == ("pure",)
    assert codes(kernels.load().format(u64(42), DIGITS)) == ["000000042"]


def test_secrets_are_not_in_the_repr_of_requests() -> None:
    shown = repr(table(1))
    assert "master" not in shown
    assert str(bytes(range(32))) not in shown


# --- the C source itself, under the sanitizers --------------------------------------------------------------------

WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wpedantic", "-Werror"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1", "-g"]


def compiled(place: Path, *sources: Path) -> Path:
    """A program from C sources, with every warning an error, under ASan and UBSan. Skips where there is no gcc."""
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("gcc is not installed, so the C source cannot be checked by itself")
    trial = place / "trial.c"
    trial.write_text("int main(void) { return 0; }\n")
    program = place / "program"
    if subprocess.run([gcc, *SANITIZERS, trial, "-o", program], capture_output=True, check=False).returncode:
        pytest.skip("this gcc has no AddressSanitizer library")
    include = [f"-I{ROOT / folder}" for folder in ("offlinepin/batch", "firmware/src")]
    made = subprocess.run(
        [gcc, "-std=c99", *WARNINGS, *SANITIZERS, *include, *sources, "-o", program], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    return program


def test_the_kernel_stays_inside_its_columns_at_every_lane_width(tmp_path: Path) -> None:
    sources = sorted((ROOT / "offlinepin/batch").glob("_kernel*.c"))
    assert len(sources) == 6
    program = compiled(tmp_path, Path(__file__).with_name("kernel_harness.c"), *sources)
    ran = subprocess.run([program], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.split("\n") == [*(f"{name} sound" for name in NATIVE or ran.stdout.split()[::2]), ""]


def test_the_loops_stay_inside_their_columns(tmp_path: Path) -> None:
    sources = sorted((ROOT / "offlinepin/batch").glob("_loops*.c"))
    assert len(sources) == 3
    program = compiled(tmp_path, Path(__file__).with_name("loops_harness.c"), *sources)
    ran = subprocess.run([program], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr, ran.stdout) == (0, "", "4096 batches\n")


def test_the_same_source_one_lane_wide_and_small_is_equal_to_the_single_path(tmp_path: Path, vectors: Callable[[str], Any]) -> None:
    program = compiled(tmp_path, Path(__file__).with_name("small_harness.c"))
    lines, expected = [], []
    for known in vectors("format-1.json")["sets"]:
        profile = Profile.parse(known["profile"])
        for c in known["cases"]:
            family = profile.family_index(c["family"])
            shape = Shape.of(profile, family)
            number = from_symbols(c["code"][len(shape.prefix) :], shape.alphabet)
            where = f"{c['generation']} {known['digest']} {family} {c['window']} {shape.radix} {shape.length}"
            lines.append(f"{c['token']} {where} {number}")
            after = DeviceToken.from_hex(c["token"], c["generation"]).next().export().hex()
            expected.append(f"{after} {c['window_key']} {c['payload']} {number}")
    ran = subprocess.run([program], input="\n".join(lines), capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == expected
