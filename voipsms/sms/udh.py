"""The user data header: information elements, concatenation, ports. 3GPP TS 23.040 §9.2.3.24."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from voipsms.errors import ProtocolError

CONCATENATION_8 = 0x00
CONCATENATION_16 = 0x08
PORTS_8 = 0x04
PORTS_16 = 0x05
MAX_OCTETS = 139  # of a part's 140, without the header's own length octet
_LENGTHS = {CONCATENATION_8: 3, CONCATENATION_16: 4, PORTS_8: 2, PORTS_16: 4}  # octets of data


class BadHeader(ProtocolError):
    """A length in a user data header is not true, or a header is too long to be one."""


@dataclass(frozen=True, slots=True)
class Concatenation:
    """§9.2.3.24.1 and, where wide, §9.2.3.24.8. `number` counts from 1."""

    reference: int
    total: int
    number: int
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Ports:
    """§9.2.3.24.3 and, where wide, §9.2.3.24.4."""

    destination: int
    source: int
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Element:
    """One information element: its identifier and its data. Raises BadHeader for a length that can't be."""

    iei: int
    data: bytes

    def __post_init__(self) -> None:
        if len(self.data) != _LENGTHS.get(self.iei, len(self.data)):
            raise BadHeader(f"information element 0x{self.iei:02x} can't have {len(self.data)} octets")


@dataclass(frozen=True, slots=True)
class Header:
    elements: tuple[Element, ...] = ()

    def _last(self, *ieis: int) -> Element | None:
        """Where an element comes twice, or in both its widths, the last one counts."""
        return next((element for element in reversed(self.elements) if element.iei in ieis), None)

    @property
    def concatenation(self) -> Concatenation | None:
        """None also where the part's number is 0 or past the total: such an element is to be ignored."""
        element = self._last(CONCATENATION_8, CONCATENATION_16)
        if element is None:
            return None
        *reference, total, number = element.data
        if not 1 <= number <= total:
            return None
        return Concatenation(int.from_bytes(reference), total, number, element.iei == CONCATENATION_16)

    @property
    def lies(self) -> bool:
        """Whether it says that this is part 0, or 7 of 3."""
        return self.concatenation is None and self._last(CONCATENATION_8, CONCATENATION_16) is not None

    @property
    def rest(self) -> bytes:
        """The header as octets without concatenation; empty where nothing else is in it."""
        others = [element for element in self.elements if element.iei not in (CONCATENATION_8, CONCATENATION_16)]
        return _octets(others) if others else b""

    @property
    def ports(self) -> Ports | None:
        element = self._last(PORTS_8, PORTS_16)
        if element is None:
            return None
        half = len(element.data) // 2
        destination, source = int.from_bytes(element.data[:half]), int.from_bytes(element.data[half:])
        return Ports(destination, source, element.iei == PORTS_16)


NO_HEADER = Header()


def split(user_data: bytes) -> tuple[Header, bytes]:
    """User data that has a header → the header, and what follows it. Raises BadHeader."""
    if not user_data:
        raise BadHeader("no octet for the header's length")
    end = 1 + user_data[0]
    if end > len(user_data):
        raise BadHeader(f"the header says {user_data[0]} octets and has {len(user_data) - 1}")
    elements = []
    at = 1
    while at < end:
        data = at + 2
        if data > end or (after := data + user_data[at + 1]) > end:
            raise BadHeader("an information element reaches past its header")
        elements.append(Element(user_data[at], user_data[data:after]))
        at = after
    return Header(tuple(elements)), user_data[end:]


def parse(octets: bytes) -> Header:
    """A header by itself, its length octet included. Raises BadHeader, also where octets follow it."""
    header, rest = split(octets)
    if rest:
        raise BadHeader(f"{len(rest)} octets behind the header")
    return header


def serialize(elements: Iterable[Element]) -> bytes:
    """The header with its length octet. Raises BadHeader where it doesn't fit into the 140 octets of a part."""
    elements = tuple(elements)
    if sum(2 + len(element.data) for element in elements) > MAX_OCTETS:
        raise BadHeader("a header that doesn't fit into a part")
    return _octets(elements)


def _octets(elements: Iterable[Element]) -> bytes:
    body = b"".join(bytes((element.iei, len(element.data))) + element.data for element in elements)
    return bytes((len(body),)) + body


def concatenation_element(part: Concatenation) -> Element:
    """The reference wraps. Raises BadHeader for a number or a total that can't be."""
    if not 1 <= part.number <= part.total <= 255:
        raise BadHeader(f"there is no part {part.number} of {part.total}")
    octets = 2 if part.wide else 1
    reference = (part.reference % (1 << 8 * octets)).to_bytes(octets)
    return Element(CONCATENATION_16 if part.wide else CONCATENATION_8, reference + bytes((part.total, part.number)))


class References:
    """Concatenation references, each the one after the last to the same destination.

    So two texts to one phone share a reference only after 256 (wide: 65,536) others. At most `size` destinations are
    remembered, those used last; `start` is random, so that a restart does not go on where phones still hold parts.
    """

    def __init__(self, start: int, *, wide: bool = False, size: int = 10_000) -> None:
        self._mask = 0xFFFF if wide else 0xFF
        self._start = start & self._mask
        self._size = size
        self._last: OrderedDict[str, int] = OrderedDict()

    def next(self, destination: str) -> int:
        last = self._last.pop(destination, None)
        if last is None:
            # A forgotten destination begins elsewhere than it did before.
            reference = self._start = (self._start + 1) & self._mask
        else:
            reference = (last + 1) & self._mask
        self._last[destination] = reference
        if len(self._last) > self._size:
            self._last.popitem(last=False)
        return reference
