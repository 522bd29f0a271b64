from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipsms.model import Coding
from voipsms.sms import gsm0338
from voipsms.sms.dcs import smpp_data_coding
from voipsms.sms.joining import join, part_text

GSM = st.text(st.sampled_from(sorted(set(gsm0338.DEFAULT) - {"\x1b"}) + list(gsm0338.EXTENSION.values())), max_size=20)
ANY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x1b"), max_size=20)


@pytest.mark.parametrize("texts, whole", [
    ([], ""),
    (["one"], "one"),
    (["one ", "two"], "one two"),
    (["\ud83d", "\ude00"], "😀"),
    (["\ude00", "\ud83d"], "\ufffd\ufffd"),
    (["a\ud83d", None, "\ude00b"], "a\ufffd[…]\ufffdb"),
    (["\x1b", "e"], "€"),
    (["\x1b", "", "e"], "€"),
    (["\x1b", "A"], "A"),
    (["a\x1b", None, "e"], "a […]e"),
    (["a\x1b"], "a "),
    ([None, None, "c", None, "e", None], "[…]c[…]e[…]"),
])  # fmt: skip
def test_join(texts: list[str | None], whole: str) -> None:
    assert join(texts) == whole


@pytest.mark.parametrize("coding, octets, text", [
    (0, b"a\x1b", "a\x1b"), (0, b"\x1b\x1b", " "), (0, b"a\x1be", "a€"), (0, b"", ""), (8, b"\xd8\x3d", "\ud83d"),
    (8, b"\0aX", "a\ufffd"), (3, b"\xe1\x1b", "á\x1b"), (4, b"\1", None), (0x18, b"\xde\0", "\ude00"),
])  # fmt: skip
def test_part_text(coding: int, octets: bytes, text: str | None) -> None:
    assert part_text(coding, octets) == text


@given(GSM, st.integers(1, 6))
def test_septets_cut_anywhere(text: str, size: int) -> None:
    octets = gsm0338.encode(text)
    cut = [octets[at : at + size] for at in range(0, len(octets), size)]
    assert join([part_text(0, one) for one in cut]) == text


@given(ANY, st.integers(1, 6))
def test_utf16_cut_between_units(text: str, size: int) -> None:
    octets = text.encode("utf-16-be")
    cut = [octets[at : at + 2 * size] for at in range(0, len(octets), 2 * size)]
    assert join([part_text(smpp_data_coding(Coding.UCS2), one) for one in cut]) == text
