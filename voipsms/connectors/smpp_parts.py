"""A message as the parts that an SMSC is given, by a gateway's settings (docs/smpp.md, "Long texts").

A part's `udh` always says which of how many it is, unless parts stand alone: short_message.py makes SAR TLVs of it
where these are wanted. Parts are cut as if the header were there then, too, since the SMSC has to put it in.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from voipsms.errors import RefusedHere, SubmitRefused, TooLong
from voipsms.gateway_settings import SmppSettings
from voipsms.model import Coding, Message, Part
from voipsms.sms.dcs import encode_text, is_septets
from voipsms.sms.gsm0338 import NotInAlphabet
from voipsms.sms.segment import cut_octets, cut_text, room, segment
from voipsms.sms.transliterate import transliterate
from voipsms.sms.udh import (
    CONCATENATION_8,
    CONCATENATION_16,
    BadHeader,
    Concatenation,
    References,
    concatenation_element,
    parse,
    serialize,
)

NSMS: Final = "NSMS"  # the system_type of O2 accounts whose messages are all flash
_LONG_FLASH: Final = "a flash message can't be longer than one part"
_FAULTS: Final = (SubmitRefused, NotInAlphabet, TooLong, BadHeader)
_BINARY: Final = Coding.BINARY  # looking it up in an Enum takes longer than a comparison
_NUMBERS: Final = {Coding.GSM7: 0, Coding.LATIN1: 3, Coding.UCS2: 8}
_LATIN1_FIRST: Final = {0: 3, 1: 0}  # `alphabet = latin1`: what its data_codings are in SMPP's own table


class Cutter:
    """`reference`: where concatenation references begin."""

    def __init__(self, smpp: SmppSettings, reference: int) -> None:
        self._smpp = smpp
        self._octets = bytes.fromhex(smpp.hexstring)
        self._wide = smpp.reference == 16
        self._alone = smpp.longsms == "split"
        self._payload = smpp.longsms == "payload" and smpp.version != 33  # 3.3 has no TLVs
        self._all_flash = smpp.systemtype.upper() == NSMS
        self._usual = not (self._octets or self._alone or smpp.datacoding >= 0)
        self._references = References(reference, wide=self._wide)

    def split(self, message: Message) -> tuple[Part, ...]:
        """At least one part; a part without user data where there is a `refusal`."""
        try:
            if self._usual and message.coding is not _BINARY and not message.udh:  # nearly all: the quick way
                bodies = segment(message.text, coding=message.coding, wide_reference=self._wide).bodies
                return (Part(message, 1, 1, bodies[0]),) if len(bodies) == 1 else self._several(message, bodies)
            return self._parts(message)
        except NotInAlphabet:
            return self._parts_or_none(message)
        except _FAULTS:
            return (Part(message, 1, 1),)

    def _parts_or_none(self, message: Message) -> tuple[Part, ...]:
        try:
            return self._parts(message)
        except _FAULTS:
            return (Part(message, 1, 1),)

    def refusal(self, message: Message) -> SubmitRefused | None:
        """Why the message can't be sent this way."""
        try:
            self._parts(message)
        except SubmitRefused as error:
            return error
        except _FAULTS as error:
            return RefusedHere(str(error))
        return None

    def _parts(self, message: Message) -> tuple[Part, ...]:
        own = message.udh
        if self._usual and message.coding is not _BINARY and not own:
            bodies = self._usual_bodies(message)
        else:
            bodies = self._bodies(message)
        return (Part(message, 1, 1, bodies[0], own),) if len(bodies) == 1 else self._several(message, bodies)

    def _several(self, message: Message, bodies: tuple[bytes, ...]) -> tuple[Part, ...]:
        own, total = message.udh, len(bodies)
        if self._all_flash or message.message_class == 0:
            raise RefusedHere(_LONG_FLASH)
        if self._payload:
            return (Part(message, 1, 1, b"".join(bodies), own),)
        if self._alone and not (own or self._is_binary(message)):
            return tuple([Part(message, number, total, body) for number, body in enumerate(bodies, 1)])
        before, after = self._header(total, self._references.next(message.target), own)
        return tuple(
            [
                Part(message, number, total, body, b"%b%c%b" % (before, number, after))
                for number, body in enumerate(bodies, 1)
            ]
        )

    def _header(self, total: int, reference: int, own: bytes) -> tuple[bytes, bytes]:
        """The parts' header, what the message's own has included: what comes before and behind a part's number."""
        concatenation = concatenation_element(Concatenation(reference, total, 1, self._wide))
        header = serialize((concatenation, *(parse(own).elements if own else ())))
        at = 2 + len(concatenation.data)  # its last octet, behind the header's length and two octets of its own
        return header[:at], header[at + 1 :]

    def _usual_bodies(self, message: Message) -> tuple[bytes, ...]:
        """In the coding that accept chose: where the text isn't in it, it was chosen for the transliterated text."""
        try:
            return segment(message.text, coding=message.coding, wide_reference=self._wide).bodies
        except NotInAlphabet:
            text = transliterate(message.text)
            return segment(text, coding=message.coding, wide_reference=self._wide).bodies

    def _is_binary(self, message: Message) -> bool:
        return bool(self._octets) or message.coding is _BINARY

    def _bodies(self, message: Message) -> tuple[bytes, ...]:
        own = message.udh
        if own and len(own) != own[0] + 1:
            raise BadHeader("the length octet of its header is wrong")
        beside = partial(_octets_beside, own, self._wide)
        if self._is_binary(message):
            octets = message.octets if message.coding is _BINARY else self._octets
            return (octets,) if len(octets) <= room(False, len(own)) else cut_octets(octets, beside(False))
        number = self._charset(message)
        encode: Callable[[str], bytes] = partial(encode_text, number)
        text, octets = _encodable(message, encode)
        single = room(is_septets(number), len(own))
        if len(octets) <= single:
            return (octets,)
        if self._alone and not own:
            return cut_text(text, encode, single, at_words=True)
        return cut_text(text, encode, beside(is_septets(number)))

    def _charset(self, message: Message) -> int:
        """The data_coding, in SMPP's own table, whose characters the text is made of."""
        if self._smpp.datacoding < 0:
            return _NUMBERS[message.coding]
        latin1_first = self._smpp.alphabet == "latin1"
        return (
            _LATIN1_FIRST.get(self._smpp.datacoding, self._smpp.datacoding) if latin1_first else self._smpp.datacoding
        )


def _octets_beside(own: bytes, wide: bool, septets: bool) -> int:
    """Room in each of several parts. Raises BadHeader for a header of the message's own that isn't one."""
    elements = parse(own).elements if own else ()
    if any(element.iei in (CONCATENATION_8, CONCATENATION_16) for element in elements):
        raise RefusedHere("its header says that it is a part already, and it doesn't fit into one")
    free = room(septets, (len(own) or 1) + (6 if wide else 5))
    if free < 4:
        raise RefusedHere("its header leaves no room for parts")
    return free


def _encodable(message: Message, encode: Callable[[str], bytes]) -> tuple[str, bytes]:
    """The text, transliterated where accept counted it so, and its octets. Raises NotInAlphabet."""
    try:
        return message.text, encode(message.text)
    except NotInAlphabet:
        if message.coding is not Coding.GSM7:
            raise
    text = transliterate(message.text)
    return text, encode(text)
