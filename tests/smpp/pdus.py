"""PDUs as octets, written by hand from SMPP 3.4 chapters 4 and 5, with what they mean."""

from __future__ import annotations

from voipsms.smpp.pdu import (
    Alert,
    Answer,
    Bind,
    BindAnswer,
    Cancel,
    DataMessage,
    Destination,
    DistributionList,
    MultiAnswer,
    MultiMessage,
    Nothing,
    Outbind,
    Pdu,
    Query,
    QueryAnswer,
    Replace,
    ShortMessage,
    Unsuccess,
)


def octets(*words: str) -> bytes:
    """Hexadecimal words; those that begin with ' are ASCII, spaces written as _."""
    return b"".join(word[1:].replace("_", " ").encode() if word[0] == "'" else bytes.fromhex(word) for word in words)


_TO = ("01 01", "'36301234567", "00")

PDUS: dict[str, tuple[bytes, Pdu]] = {
    "generic_nack": (octets("00000010 80000000 00000003 00000007"), Pdu(0x80000000, 3, 7, Nothing())),
    "bind_receiver": (
        octets("00000022 00000001 00000000 00000001", "'me", "00", "'secret", "00", "'VMS", "00 34 01 01", "00"),
        Pdu(1, 0, 1, Bind("me", "secret", "VMS", 0x34, 1, 1, "")),
    ),
    "bind_transmitter": (
        octets("00000018 00000002 00000000 00000001", "'a", "00", "00", "00 33 00 00", "00"),
        Pdu(2, 0, 1, Bind("a", "", "", 0x33)),
    ),
    "bind_transmitter_resp": (
        octets("0000001A 80000002 00000000 00000001", "'smsc", "00", "0210 0001 34"),
        Pdu(0x80000002, 0, 1, BindAnswer("smsc"), ((0x0210, b"\x34"),)),
    ),
    "bind_transceiver": (
        octets("00000022 00000009 00000000 0000ABCD", "'me", "00", "'secret", "00", "'VMS", "00 50 00 00", "00"),
        Pdu(9, 0, 0xABCD, Bind("me", "secret", "VMS", 0x50)),
    ),
    "bind_transceiver_resp refused": (
        octets("00000010 80000009 0000000E 00000001"),
        Pdu(0x80000009, 0x0E, 1, Nothing()),
    ),
    "query_sm": (
        octets("0000001A 00000003 00000000 00000002", "'1f2e", "00 01 01", "'36", "00"),
        Pdu(3, 0, 2, Query("1f2e", 1, 1, "36")),
    ),
    "query_sm_resp": (
        octets("00000018 80000003 00000000 00000002", "'1f2e", "00", "00", "02 00"),
        Pdu(0x80000003, 0, 2, QueryAnswer("1f2e", "", 2, 0)),
    ),
    "submit_sm": (
        octets(
            "00000034 00000004 00000000 7FFFFFFF",
            *("00 05 00", "'Foo", "00", *_TO, "00 00 00 00 00 01 00 00 00 05", "'hello"),
        ),
        Pdu(
            4, 0, 0x7FFFFFFF,
            ShortMessage("", 5, 0, "Foo", 1, 1, "36301234567", registered_delivery=1, short_message=b"hello"),
        ),
    ),
    "submit_sm of a part": (
        octets(
            "00000042 00000004 00000000 00000002",
            *("'CMT", "00 01 01", "'361", "00", *_TO, "40 00 02", "'020610", "00 00 01 00 08 00 0A"),
            *("05 00 03 2A 02 01", "D83D DE00"),
        ),
        Pdu(
            4, 0, 2,
            ShortMessage(
                "CMT", 1, 1, "361", 1, 1, "36301234567", 0x40, 0, 2, "020610", "", 1, 0, 8, 0,
                bytes.fromhex("0500032A0201D83DDE00"),
            ),
        ),
    ),
    "submit_sm with message_payload": (
        octets(
            "00000038 00000004 00000000 00000003",
            *("00 05 00", "'Foo", "00", *_TO, "00 00 00 00 00 00 00 00 00 00", "0424 0005", "'hello"),
        ),
        Pdu(4, 0, 3, ShortMessage("", 5, 0, "Foo", 1, 1, "36301234567"), ((0x0424, b"hello"),)),
    ),
    "submit_sm_resp": (
        octets("00000015 80000004 00000000 00000002", "'1f2e", "00"),
        Pdu(0x80000004, 0, 2, Answer("1f2e")),
    ),
    "submit_sm_resp refused, without a body": (
        octets("00000010 80000004 00000058 00000002"),
        Pdu(0x80000004, 0x58, 2, Answer("")),
    ),
    "submit_sm_resp with a vendor's status": (
        octets("00000011 80000004 00000417 00000002", "00"),
        Pdu(0x80000004, 0x417, 2, Answer("")),
    ),
    "deliver_sm": (
        octets(
            "0000004D 00000005 00000000 00000009",
            *("00 01 01", "'36301234567", "00 01 01", "'361", "00 04 00 00 00 00 00 00 00 00 0F"),
            *("'id:1_stat:DELIV", "001E 0002", "'1", "00", "0427 0001 02", "1400 0000"),
        ),
        Pdu(
            5, 0, 9,
            ShortMessage("", 1, 1, "36301234567", 1, 1, "361", 4, short_message=b"id:1 stat:DELIV"),
            ((0x001E, b"1\0"), (0x0427, b"\x02"), (0x1400, b"")),
        ),
    ),
    "deliver_sm_resp": (octets("00000011 80000005 00000064 00000009", "00"), Pdu(0x80000005, 0x64, 9, Answer(""))),
    "unbind": (octets("00000010 00000006 00000000 00000005"), Pdu(6, 0, 5, Nothing())),
    "unbind_resp": (octets("00000010 80000006 00000000 00000005"), Pdu(0x80000006, 0, 5, Nothing())),
    "enquire_link": (octets("00000010 00000015 00000000 00000006"), Pdu(0x15, 0, 6, Nothing())),
    "enquire_link_resp": (octets("00000010 80000015 00000000 00000006"), Pdu(0x80000015, 0, 6, Nothing())),
    "alert_notification": (
        octets("0000001D 00000102 00000000 00000001", "01 01", "'3630", "00 01 01", "'361", "00"),
        Pdu(0x102, 0, 1, Alert(1, 1, "3630", 1, 1, "361")),
    ),
    "data_sm": (
        octets(
            "00000027 00000103 00000000 00000004",
            *("00 01 01", "'3630", "00 01 01", "'361", "00 04 01 00", "0424 0002", "'hi"),
        ),
        Pdu(0x103, 0, 4, DataMessage("", 1, 1, "3630", 1, 1, "361", 4, 1, 0), ((0x0424, b"hi"),)),
    ),
    "data_sm_resp": (octets("00000013 80000103 00000000 00000004", "'7a", "00"), Pdu(0x80000103, 0, 4, Answer("7a"))),
    "data_sm_resp with TLVs": (
        octets("0000001C 80000103 00000000 00000004", "'7a", "00", "0425 0001 02", "0428 0000"),
        Pdu(0x80000103, 0, 4, Answer("7a"), ((0x0425, b"\x02"), (0x0428, b""))),
    ),
    "submit_multi": (
        octets(
            "00000038 00000021 00000000 00000008",
            *("00 05 00", "'Foo", "00", "03", "01 01 01", "'361", "00", "02", "'friends", "00", "01 00 00", "00"),
            *("00 00 00 00 00 01 00 00 00 02", "'hi"),
        ),
        Pdu(
            0x21, 0, 8,
            MultiMessage(
                "", 5, 0, "Foo", (Destination(1, 1, "361"), DistributionList("friends"), Destination()),
                registered_delivery=1, short_message=b"hi",
            ),
        ),
    ),
    "submit_multi with message_payload": (
        octets(
            "00000029 00000021 00000000 00000008",
            *("00 00 00 00", "01", "02", "'all", "00", "00 00 00 00 00 00 00 00 00 00", "0424 0001", "'x"),
        ),
        Pdu(0x21, 0, 8, MultiMessage(dest_addresses=(DistributionList("all"),)), ((0x0424, b"x"),)),
    ),
    "submit_multi_resp": (
        octets(
            "00000025 80000021 00000000 00000008",
            *("'1f", "00", "02", "01 01", "'361", "00", "0000000B", "00 00 00", "00000417"),
        ),
        Pdu(0x80000021, 0, 8, MultiAnswer("1f", (Unsuccess(1, 1, "361", 0x0B), Unsuccess(0, 0, "", 0x417)))),
    ),
    "submit_multi_resp, all taken, with a TLV": (
        octets("00000019 80000021 00000000 00000008", "'1f", "00", "00", "0428 0001 63"),
        Pdu(0x80000021, 0, 8, MultiAnswer("1f"), ((0x0428, b"\x63"),)),
    ),
    "submit_multi_resp refused, without a body": (
        octets("00000010 80000021 00000033 00000008"),
        Pdu(0x80000021, 0x33, 8, MultiAnswer()),
    ),
    "cancel_sm": (
        octets(
            "00000023 00000008 00000000 00000009",
            *("'CMT", "00", "'1f", "00 05 00", "'Foo", "00 01 01", "'361", "00"),
        ),
        Pdu(8, 0, 9, Cancel("CMT", "1f", 5, 0, "Foo", 1, 1, "361")),
    ),
    "cancel_sm_resp": (octets("00000010 80000008 00000011 00000009"), Pdu(0x80000008, 0x11, 9, Nothing())),
    "replace_sm": (
        octets(
            "00000030 00000007 00000000 0000000A",
            *("'1f", "00 05 00", "'Foo", "00", "00", "'000001000000000R", "00 01 00 02", "'hi"),
        ),
        Pdu(7, 0, 10, Replace("1f", 5, 0, "Foo", "", "000001000000000R", 1, 0, b"hi")),
    ),
    "replace_sm_resp": (octets("00000010 80000007 00000000 0000000A"), Pdu(0x80000007, 0, 10, Nothing())),
    "outbind": (
        octets("0000001C 0000000B 00000000 00000001", "'smsc", "00", "'secret", "00"),
        Pdu(0x0B, 0, 1, Outbind("smsc", "secret")),
    ),
}  # fmt: skip
