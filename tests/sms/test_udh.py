import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipsms.sms import udh
from voipsms.sms.udh import BadHeader, Concatenation, Element, Header, Ports, References


@pytest.mark.parametrize(
    "octets,header,concatenation,ports",
    [
        ("00", Header(), None, None),
        ("0500032a0302", Header((Element(0, b"\x2a\x03\x02"),)), Concatenation(0x2A, 3, 2), None),
        ("0608041234ff01", Header((Element(8, b"\x12\x34\xff\x01"),)), Concatenation(0x1234, 255, 1, True), None),
        ("0404020102", Header((Element(4, b"\1\2"),)), None, Ports(1, 2)),
        ("06050423f40000", Header((Element(5, b"\x23\xf4\0\0"),)), None, Ports(9204, 0, True)),
        (
            "0b05040b8423f00003010201",
            Header((Element(5, b"\x0b\x84\x23\xf0"), Element(0, b"\1\2\1"))),
            Concatenation(1, 2, 1),
            Ports(2948, 9200, True),
        ),
        (
            "0a00030102010003070302",
            Header((Element(0, b"\1\2\1"), Element(0, b"\7\3\2"))),
            Concatenation(7, 3, 2),
            None,
        ),
        ("0500032a0003", Header((Element(0, b"\x2a\0\3"),)), None, None),  # of no parts
        ("0500032a0300", Header((Element(0, b"\x2a\3\0"),)), None, None),  # part 0
        ("0500032a0304", Header((Element(0, b"\x2a\3\4"),)), None, None),  # past the total
        ("03250101", Header((Element(0x25, b"\1"),)), None, None),  # unknown to us: kept
        ("027000", Header((Element(0x70, b""),)), None, None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_header(octets: str, header: Header, concatenation: Concatenation | None, ports: Ports | None) -> None:
    wire = bytes.fromhex(octets)
    assert udh.parse(wire) == header
    assert udh.split(wire + b"body") == (header, b"body")
    assert header.concatenation == concatenation
    assert header.ports == ports
    assert udh.serialize(header.elements) == wire


@pytest.mark.parametrize("octets", ["0500032a0302", "0608041234ff01", "0b05040b8423f00003010201"])
def test_every_shorter_header_is_refused(octets: str) -> None:
    wire = bytes.fromhex(octets)
    for end in range(len(wire)):
        with pytest.raises(BadHeader):
            udh.split(wire[:end])


@pytest.mark.parametrize(
    "octets",
    [
        "01", "0100", "0500042a0302",  # an element longer than the header
        "0600032a030200",  # an identifier without a length
        "0400022a03", "0600042a030201",  # a concatenation of 2 and of 4 octets
        "0508032a0302", "03040101", "0504030b8400", "ff",
    ],
)  # fmt: skip
def test_lying_lengths(octets: str) -> None:
    with pytest.raises(BadHeader):
        udh.split(bytes.fromhex(octets))


def test_octets_behind() -> None:
    with pytest.raises(BadHeader):
        udh.parse(bytes.fromhex("0500032a030200"))


@given(st.binary(max_size=160))
def test_only_its_own_error(octets: bytes) -> None:
    try:
        header, body = udh.split(octets)
    except BadHeader:
        return
    assert len(body) + octets[0] + 1 == len(octets)
    if octets[0] < 140:
        assert udh.serialize(header.elements) + body == octets
    assert header.concatenation is None or 1 <= header.concatenation.number <= header.concatenation.total


@given(st.lists(st.builds(Element, st.integers(0x20, 0xFF), st.binary(max_size=20)), max_size=6))
def test_round_trip(elements: list[Element]) -> None:
    assert udh.parse(udh.serialize(elements)) == Header(tuple(elements))


def test_header_larger_than_a_part() -> None:
    assert len(udh.serialize([Element(0x70, bytes(137))])) == 140
    with pytest.raises(BadHeader):
        udh.serialize([Element(0x70, bytes(138))])


@pytest.mark.parametrize("wide,wrap", [(False, 0x100), (True, 0x10000)], ids=["8-bit", "16-bit"])
def test_references_wrap_and_differ(wide: bool, wrap: int) -> None:
    references = References(wrap - 2, wide=wide)
    given = [references.next("36201234567") for _ in range(wrap)]
    assert given[:3] == [wrap - 1, 0, 1]
    assert len(set(given)) == wrap
    assert references.next("36201234567") == given[0]


def test_references_count_for_each_destination() -> None:
    references = References(10)
    first = [references.next("a"), references.next("a"), references.next("b"), references.next("a")]
    assert first[0] + 1 == first[1] == first[3] - 1
    assert references.next("b") == first[2] + 1


def test_references_forget_the_longest_unused() -> None:
    references = References(0, size=2)
    a, b = references.next("a"), references.next("b")
    assert references.next("a") == a + 1
    references.next("c")  # forgets b
    assert references.next("a") == a + 2
    assert references.next("b") not in (b, b + 1)


def test_start_out_of_range_wraps() -> None:
    assert References(0x1FF).next("a") == 0
