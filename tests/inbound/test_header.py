from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipsms.inbound.call import Malformed
from voipsms.inbound.header import Place, read_header, read_hex


@pytest.mark.parametrize(
    "text, place",
    [
        ("", Place()),
        ("050003330201", Place(b"", 0x33, 2, 1)),  # the manual's own (seeds/000, §11.3)
        ("050003330202", Place(b"", 0x33, 2, 2)),
        ("0500033302 02", Place(b"", 0x33, 2, 2)),
        ("06080412340301", Place(b"", 0x1234, 3, 1)),
        ("0605041583158A", Place(bytes.fromhex("0605041583158a"))),
        ("0B05041583158A0003330201", Place(bytes.fromhex("0605041583158a"), 0x33, 2, 1)),
        ("050003330101", Place()),
        ("00", Place()),
    ],
    ids=["none", "part 1", "part 2", "blank", "wide", "ports", "ports and part", "one of one", "empty header"],
)
def test_read(text: str, place: Place) -> None:
    assert read_hex(text) == place


@pytest.mark.parametrize(
    "text",
    ["x", "5", "050003330307" + "0", "050003330307", "050003330300", "050003330001", "0500033302", "05000333020101",
     "FF0003330201", "040002330201", "050004330201", "ü"],
    ids=["no hex", "one digit", "odd", "part 7 of 3", "part 0", "of none", "too short", "too long", "lying length",
         "lying header", "lying element", "no ASCII"],
)  # fmt: skip
def test_what_lies_is_refused(text: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_hex(text)
    assert "udh" in str(caught.value)


@given(st.binary(max_size=20))
def test_any_octets_are_a_place_or_malformed(octets: bytes) -> None:
    try:
        place = read_header(octets)
    except Malformed:
        return
    assert 1 <= place.number <= place.total <= 255
    assert read_header(place.udh) == Place(place.udh)
