"""The bytes are those of ``docs/format.md``: the state's image (section 12) and the flash (section 13), as the page alone has them."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from offlinepin.engine.codec import seal
from offlinepin.engine.payload import Grant
from offlinepin.engine.profile import Profile
from offlinepin.engine.token import DeviceToken
from offlinepin.errors import ProfileError
from offlinepin.lock.decide import choose_personal, decide
from offlinepin.lock.flash import Flash
from offlinepin.lock.journal import Journal
from offlinepin.lock.layout import Layout
from offlinepin.lock.state import Remembered, State
from offlinepin.testing.strategies import grants
from offlinepin.vendor import load

NOW = 1_800_000_000
TOKEN = DeviceToken(bytes(range(32)))
VENDORS = ("firstuse", "hotel", "igloo", "netcode", "oracode", "rotating", "standard", "ttlock", "tuya")


class Page:
    """Section 12 for one profile, from its document."""

    def __init__(self, rules: Profile) -> None:
        document = rules.model_dump(mode="json")
        self.lock: dict[str, Any] = document["lock"]
        self.kinds = [
            (f, k, family["slot"], kind, [first + step * i for first, step, count in kind["durations"] for i in range(count)])
            for f, family in enumerate(document["families"])
            for k, kind in enumerate(family["kinds"])
        ]

    def times(self, number: int, start: int, duration: int) -> tuple[int, int | None, int | None]:
        """Start, end, and the moment before which the code must first be used, as section 5 has them."""
        _, _, slot, kind, _ = self.kinds[number]
        starts = start * slot + kind["opens"]
        binds = kind["activation"] > 0 and (duration == 0 or duration > kind["activation"])
        return (
            starts,
            (start + duration) * slot + kind["closes"] if duration else None,
            starts + kind["activation"] * slot if binds else None,
        )

    def fresh(self, number: int, duration: int, tolerance: int) -> int:
        """For how many seconds from its start on a code is fresh."""
        starts, ends, use_by = self.times(number, 0, duration)
        return use_by - starts if use_by is not None else (ends or 0) + tolerance - starts

    def packed(self, grant: Grant, ends: int | None) -> int:
        number = next(i for i, (f, k, *_) in enumerate(self.kinds) if (f, k) == (grant.family, grant.kind))
        _, _, _, kind, durations = self.kinds[number]
        starts, own, _ = self.times(number, grant.start, grant.duration)
        shortened = 0 if ends == own else (ends or 0) - starts + self.lock["tolerance"] + 1
        longest = max(self.fresh(number, d, 0) for d in durations)
        most = longest + kind["linger"] + 2 * self.lock["tolerance"] + 2 if kind["linger"] else 0
        packed = grant.start
        for value, largest in (
            (durations.index(grant.duration), len(durations) - 1),
            (grant.variant, kind["variants"] - 1),
            (shortened, most),
            (number, max(1, len(self.kinds) - 1)),
        ):
            packed = packed << largest.bit_length() | value
        return packed

    def marks(self, marks: frozenset[Grant]) -> bytes:
        bits: list[bool] = []
        for number, (f, k, slot, kind, durations) in enumerate(self.kinds):
            if not kind["uses"]:
                continue
            here = {(g.start, g.duration, g.variant) for g in marks if (g.family, g.kind) == (f, k)}
            if kind["supersedes"]:
                bits += [any(d == used for _, used, _ in here) for d in durations]
                continue
            tolerance = self.lock["tolerance"]
            ring = -(-max(self.fresh(number, d, tolerance) + tolerance for d in durations) // slot)
            bits += [
                (p, d, v) in {(s % ring, *rest) for s, *rest in here}
                for p in range(ring)
                for d in durations
                for v in range(kind["variants"])
            ]
        return sum(bit << i for i, bit in enumerate(bits)).to_bytes((len(bits) + 7) // 8, "little")

    def entry(self, held: Remembered | None, state: State) -> bytes:
        if held is None:
            return bytes(16)
        return held.tag + (self.packed(held.grant, held.ends) * 2 + (held.grant in state.revoked)).to_bytes(8, "big")

    def image(self, state: State) -> bytes:
        newest = {group: start << 24 | variant for group, start, variant in state.supersede}
        groups = sorted({kind["supersedes"] for *_, kind, _ in self.kinds} - {""})
        loose = sorted(self.packed(g, self.end(g)) + 1 for g in state.revoked - {held.grant for held in state.remembered})
        image = bytes([1, state.passage]) + state.failures.to_bytes(2, "big") + state.generation.to_bytes(4, "big")
        image += state.cleared.to_bytes(5, "big") + state.floor.to_bytes(5, "big")
        image += b"".join(newest.get(group, 0).to_bytes(8, "big") for group in groups)
        image += b"".join(number.to_bytes(8, "big") for number in [*loose, *[0] * 8][:8])
        image += self.marks(state.marks) + self.entry(state.personal, state)
        image += b"".join(self.entry(held, state) for held in [*state.remembered, *[None] * self.lock["capacity"]][: self.lock["capacity"]])
        return image + zlib.crc32(image).to_bytes(4, "big")

    def end(self, grant: Grant) -> int | None:
        number = next(i for i, (f, k, *_) in enumerate(self.kinds) if (f, k) == (grant.family, grant.kind))
        return self.times(number, grant.start, grant.duration)[1]


def check_entries(rules: Profile, layout: Layout, data: st.DataObject) -> None:
    page, token, state, t, uptime = Page(rules), TOKEN, State(), NOW, 0
    for _ in range(8):
        t += data.draw(st.sampled_from((0, 60, 3600, 20_000, 90_000)))
        uptime += 20 * rules.lock.lockout.leak
        grant = data.draw(grants(rules, t))
        decision, state = decide(rules, token, state, t, uptime, seal(rules, token, grant))
        if decision.action == "rotate":
            token = token.next()
        if decision.bolt_moves and decision.grant is not None and data.draw(st.booleans()):
            state = choose_personal(rules, token, state, decision.grant, data.draw(st.text(rules.alphabet, min_size=6, max_size=6)))
        assert layout.encode(state) == page.image(state)


@given(st.data(), st.from_type(Profile))
@settings(max_examples=150)
def test_an_image_has_the_bytes_of_the_page_on_any_profile(data: st.DataObject, rules: Profile) -> None:
    try:
        layout = Layout(rules)
    except ProfileError:
        assume(False)
        raise
    check_entries(rules, layout, data)


@pytest.mark.parametrize("name", VENDORS)
@given(data=st.data())
@settings(max_examples=8)
def test_an_image_has_the_bytes_of_the_page_for_every_vendor(name: str, data: st.DataObject) -> None:
    rules = load(name).profile
    check_entries(rules, Layout(rules), data)


def newest_image(cells: bytes, size: int) -> bytes:
    """What section 13 says is kept in a part that no cut and no age has touched."""
    found: list[tuple[int, bytes]] = []
    for bank in (cells[: len(cells) // 2], cells[len(cells) // 2 :]):
        at = 12 + -(-size // 4) * 4
        if bank[:4] != bytes.fromhex("6f506a01") or bank[at : at + 4] != zlib.crc32(bank[:at]).to_bytes(4, "big"):
            continue
        assert int.from_bytes(bank[8:12], "big") == size
        image, at = bytearray(bank[12 : 12 + size]), at + 4
        while at < len(bank) and bank[at : at + 4] != b"\xff" * 4:
            length = int.from_bytes(bank[at : at + 2], "big")
            assert bank[at + 2 : at + 4] == (length ^ 0xFFFF).to_bytes(2, "big")
            change, rest = bank[at : at + length], bank[at + length : at + length + 8]
            assert rest == zlib.crc32(change + bank[4:8] + at.to_bytes(4, "big")).to_bytes(4, "big") + bytes(4)
            here = 4
            while here + 4 <= length and (count := int.from_bytes(change[here + 2 : here + 4], "big")):
                offset = int.from_bytes(change[here : here + 2], "big")
                image[offset : offset + count] = change[here + 4 : here + 4 + count]
                here += 4 + count
            assert not any(change[here:])
            at += length + 8
        found.append((int.from_bytes(bank[4:8], "big"), bytes(image)))
    (_, image_kept), *others = sorted(found, reverse=True)
    assert not others  # the first word of the other bank is cleared
    return image_kept


@given(st.integers(1, 90), st.data())
@settings(max_examples=60)
def test_flash_has_the_bytes_of_the_page(size: int, data: st.DataObject) -> None:
    flash = Flash(256)
    journal = Journal(flash, size)
    image = bytearray(size)
    for _ in range(data.draw(st.integers(1, 20))):
        for _ in range(data.draw(st.integers(0, 3))):
            image[data.draw(st.integers(0, size - 1))] = data.draw(st.integers(0, 255))
        journal.commit(bytes(image))
        assert newest_image(flash.read(0, flash.page_size * flash.pages), size) == bytes(image)
