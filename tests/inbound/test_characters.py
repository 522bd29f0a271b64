from __future__ import annotations

import contextlib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from voipsms.inbound.call import Malformed
from voipsms.inbound.characters import decode, whole

TEXT = "Jó, 你好 😀 €"


@pytest.mark.parametrize(
    "octets, charset, text",
    [
        (b"caf\xe9", "ISO-8859-1", "café"),
        (b"\xa4 100", "iso-8859-15", "€ 100"),
        (b"\x80", "windows-1252", "€"),
        (TEXT.encode(), "UTF-8", TEXT),
        (TEXT.encode("utf-16-be"), "UTF-16BE", TEXT),
        (TEXT.encode("utf-16-le"), "UTF-16LE", TEXT),
        (b"\xff\xfe" + TEXT.encode("utf-16-le"), "UTF-16", TEXT),
        (TEXT.encode("utf-16-be").hex().encode(), "UTF-16BE", TEXT),
        (TEXT.encode("utf-16-be").hex().upper().encode(), "UCS2", TEXT),
        (b"", "UTF-16BE", ""),
        (b"\xd8\x3d", "UTF-16BE", "\ud83d"),
        (b"plain", "", "plain"),
        (TEXT.encode(), "", TEXT),
        (b"caf\xe9", "", "café"),
    ],
    ids=["latin-1", "latin-9", "windows", "UTF-8", "UTF-16BE", "UTF-16LE", "byte order mark", "hex", "upper hex",
         "empty", "half a pair", "none", "none, UTF-8", "none, latin-1"],
)  # fmt: skip
def test_decode(octets: bytes, charset: str, text: str) -> None:
    assert decode(octets, charset) == text


@pytest.mark.parametrize(
    "octets, charset",
    [(b"x", "xyz"), (b"x", "rot13"), (b"x", "unicode_escape"), (b"x", "idna"), (b"x", "hex"), (b"\xe9", "UTF-8"),
     (b"\xe9", "US-ASCII"), (b"abc", "UTF-16BE"), (b"\x81", "windows-1252")],
)  # fmt: skip
def test_other_sets_and_octets_are_refused(octets: bytes, charset: str) -> None:
    with pytest.raises(Malformed):
        decode(octets, charset)


def test_text_of_xml_is_unicode_already() -> None:
    assert decode("é€".encode(), "ISO-8859-1", unicode=True) == "é€"
    assert decode("é€".encode(), "UTF-16BE", unicode=True) == "é€"
    assert decode(b"00e920AC", "UTF-16BE", unicode=True) == "é€"
    with pytest.raises(Malformed):
        decode(b"x", "xyz", unicode=True)


@pytest.mark.parametrize(
    "text, of_a_part, of_a_whole",
    [
        ("😀", "😀", "😀"),
        ("a\ud83d", "a\ud83d", "a\ufffd"),
        ("\ude00b", "\ude00b", "\ufffdb"),
        ("\ude00\ud83d", "\ude00\ud83d", "\ufffd\ufffd"),
        ("\ud83da\ude00", "\ufffda\ufffd", "\ufffda\ufffd"),
        ("\ud83d", "\ud83d", "\ufffd"),
    ],
)
def test_halves_of_pairs(text: str, of_a_part: str, of_a_whole: str) -> None:
    assert (whole(text, part=True), whole(text, part=False)) == (of_a_part, of_a_whole)


@given(st.text(), st.sampled_from(["utf-8", "utf-16be", "utf-16le", "iso-8859-1", "iso-8859-2", "windows-1251", "gbk"]))
def test_any_text_survives_its_charset(text: str, charset: str) -> None:
    name = {"iso-8859-1": "latin-1", "windows-1251": "cp1251"}.get(charset, charset)
    octets = text.encode(name, "replace")
    assume(not ("16" in charset and all(octet in b"0123456789abcdefABCDEF" for octet in octets)))
    assume(octets[:2] not in (b"\xfe\xff", b"\xff\xfe"))
    assert decode(octets, charset) == octets.decode(name)


@given(st.text(st.characters(codec="utf-16") | st.sampled_from("\ud83d\ude00")), st.booleans())
def test_a_whole_text_can_be_written_and_parts_can_be_joined(text: str, part: bool) -> None:
    found = whole(text, part=part)
    found[1:-1].encode()
    assert len(found) == len(text)
    whole(text, part=False).encode()


@given(st.binary(max_size=60), st.text(max_size=12))
def test_any_octets_of_any_set_are_text_or_malformed(octets: bytes, charset: str) -> None:
    with contextlib.suppress(Malformed):
        whole(decode(octets, charset), part=False).encode()
