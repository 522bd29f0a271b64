"""Data coding scheme octets: 3GPP TS 23.038 §4 on the air, and the data_coding of SMPP 3.4 §5.2.19."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from voipsms.model import Coding
from voipsms.sms import gsm0338
from voipsms.sms.gsm0338 import NotInAlphabet


class Indication(Enum):
    """What waits, 3GPP TS 23.038 §4: bits 1 and 0 of a message waiting group."""

    VOICEMAIL = 0
    FAX = 1
    EMAIL = 2
    OTHER = 3


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message waiting indication. `active` False: nothing waits any more; `store` False: the text may be dropped."""

    indication: Indication
    active: bool
    store: bool


@dataclass(frozen=True, slots=True)
class Scheme:
    """What a data coding scheme says. `message_class` 0–3, None: none; compressed octets are no text to us."""

    coding: Coding
    message_class: int | None = None
    compressed: bool = False
    automatic_deletion: bool = False
    waiting: Waiting | None = None


# Bits 3 and 2 of the general groups; 3 is reserved, which §4 reads as the default alphabet.
_ALPHABETS = (Coding.GSM7, Coding.BINARY, Coding.UCS2, Coding.GSM7)
# Bits 7–4 of the message waiting groups: coding, store.
_WAITING = {0xC: (Coding.GSM7, False), 0xD: (Coding.GSM7, True), 0xE: (Coding.UCS2, True)}
_WAITING_GROUPS = {meaning: group for group, meaning in _WAITING.items()}


def parse(octet: int) -> Scheme:
    """3GPP TS 23.038 §4. Reserved codings are the default alphabet, as it asks."""
    group = octet >> 4
    if group < 0x8:
        return Scheme(
            _ALPHABETS[octet >> 2 & 3],
            message_class=octet & 3 if octet & 0x10 else None,
            compressed=bool(octet & 0x20),
            automatic_deletion=bool(octet & 0x40),
        )
    if group == 0xF:
        return Scheme(Coding.BINARY if octet & 4 else Coding.GSM7, message_class=octet & 3)
    if group in _WAITING:
        coding, store = _WAITING[group]
        return Scheme(coding, waiting=Waiting(Indication(octet & 3), bool(octet & 8), store))
    return Scheme(Coding.GSM7)


def serialize(scheme: Scheme) -> int:
    """The octet of a scheme, of the general groups where it fits there. LATIN1, which the air lacks, goes as octets;
    a waiting indication that is not stored goes in the default alphabet."""
    if scheme.waiting is not None:
        waiting = scheme.waiting
        group = _WAITING_GROUPS.get((scheme.coding, waiting.store), 0xD if waiting.store else 0xC)
        return group << 4 | waiting.active << 3 | waiting.indication.value
    coding = Coding.BINARY if scheme.coding is Coding.LATIN1 else scheme.coding
    octet = _ALPHABETS.index(coding) << 2 | scheme.compressed << 5 | scheme.automatic_deletion << 6
    return octet if scheme.message_class is None else octet | 0x10 | scheme.message_class


# -- SMPP ---------------------------------------------------------------------------------------------------------

_SMPP_PLAIN = {Coding.GSM7: 0x00, Coding.LATIN1: 0x03, Coding.BINARY: 0x04, Coding.UCS2: 0x08}
# Those of GSM are SMPP's own; for UCS2 it has none, so SMSCs are given the general group of 3GPP TS 23.038.
_SMPP_CLASSED = {Coding.GSM7: 0xF0, Coding.BINARY: 0xF4, Coding.UCS2: 0x18}


def smpp_data_coding(coding: Coding, message_class: int | None = None) -> int:
    """The data_coding to submit with. LATIN1 has no room for a class: it goes without."""
    if message_class is None or coding not in _SMPP_CLASSED:
        return _SMPP_PLAIN[coding]
    return _SMPP_CLASSED[coding] | message_class & 3


def _ia5(octets: bytes) -> str:
    """ASCII; but control characters show an SMSC that says IA5 and sends the GSM alphabet."""
    if octets.isascii() and all(octet >= 0x20 or octet in b"\t\n\r" for octet in octets):
        return octets.decode("ascii")
    return gsm0338.decode(octets)


def _charset(name: str) -> Callable[[bytes], str]:
    return lambda octets: octets.decode(name, "replace")


_UTF16 = _charset("utf-16-be")
_TEXTS: dict[Coding, Callable[[bytes], str]] = {
    Coding.GSM7: gsm0338.decode,
    Coding.LATIN1: _charset("latin-1"),
    Coding.UCS2: _UTF16,
}
# SMPP 3.4 §5.2.19, 0–15; what is not here is octets, pictograms or reserved.
_CHARSETS = {
    3: "latin-1",
    5: "shift_jis",  # JIS X 0208
    6: "iso8859-5",
    7: "iso8859-8",
    8: "utf-16-be",
    10: "iso2022_jp",
    13: "euc_jp",  # JIS X 0212
    14: "euc_kr",  # KS C 5601
}
_SMPP_TEXTS: dict[int, Callable[[bytes], str]] = {
    0: gsm0338.decode,  # "SMSC default alphabet"
    1: _ia5,
    **{number: _charset(name) for number, name in _CHARSETS.items()},
}
_SMPP_CODINGS = {0: Coding.GSM7, 1: Coding.GSM7, 3: Coding.LATIN1, 8: Coding.UCS2}


def smpp_scheme(data_coding: int) -> Scheme:
    """The scheme of a received data_coding: SMPP's table to 15, from there as on the air.

    Character sets that Coding has no word for are BINARY here; decode_user_data reads them all the same.
    """
    if data_coding < 0x10:
        return Scheme(_SMPP_CODINGS.get(data_coding, Coding.BINARY))
    return parse(data_coding)


def decode_user_data(data_coding: int, octets: bytes) -> str | None:
    """The text of received user data, joined and without header; None: octets that are no text (binary, compressed).

    What a character set does not have becomes U+FFFD; nothing is raised.
    """
    if data_coding < 0x10:
        read = _SMPP_TEXTS.get(data_coding)
    else:
        scheme = parse(data_coding)
        read = None if scheme.compressed else _TEXTS.get(scheme.coding)
    return None if read is None else read(octets)


def encode_text(data_coding: int, text: str) -> bytes:
    """The octets of a text in the character set that a data_coding stands for; octets (2, 4) take each of
    U+0000–U+00FF as one. Raises NotInAlphabet where the set lacks a character, or where there is no set."""
    if is_septets(data_coding):
        return gsm0338.encode(text)
    charset = _CHARSETS.get(data_coding) if data_coding < 0x10 else _ON_THE_AIR.get(parse(data_coding).coding)
    charset = "latin-1" if is_octets(data_coding) else charset
    if charset is None or (data_coding >= 0x10 and parse(data_coding).compressed):
        raise NotInAlphabet(f"no text can be coded for data_coding {data_coding}")
    if charset == "iso2022_jp" and (shift := _SHIFTS.search(text)):
        raise NotInAlphabet(f"U+{ord(shift[0]):04X} would change the character set of {charset}")
    try:
        return text.encode(charset)
    except UnicodeEncodeError as error:
        raise NotInAlphabet(f"U+{ord(text[error.start]):04X} is not in {charset}, data_coding {data_coding}") from None


_SHIFTS = re.compile("[\x1b\x0e\x0f]")  # ISO/IEC 2022: ESC, SO, SI
_ON_THE_AIR = {Coding.UCS2: "utf-16-be"}


def is_septets(data_coding: int) -> bool:
    """Whether its text is in the GSM alphabet, of which 160 characters fit where else 140 octets do."""
    if data_coding < 0x10:
        return data_coding <= 1
    scheme = parse(data_coding)
    return scheme.coding is Coding.GSM7 and not scheme.compressed


def is_octets(data_coding: int) -> bool:
    """Whether what it marks is no text (SMPP's 2 and 4, and 8-bit data on the air)."""
    if data_coding < 0x10:
        return data_coding in (2, 4)
    scheme = parse(data_coding)
    return scheme.coding is Coding.BINARY and not scheme.compressed
