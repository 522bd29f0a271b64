"""Receipts as SMPP 3.4 appendix B has them, and as vendors write them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipsms.model import State
from voipsms.sms.receipt import (
    MESSAGE_STATES,
    ReceiptText,
    canonical_id,
    id_forms,
    looks_like_receipt,
    other_base,
    parse_receipt,
    read_date,
    read_state,
)

SUBMITTED = datetime(2026, 11, 20, 18, 20, tzinfo=UTC)
DONE = datetime(2026, 11, 20, 18, 21, tzinfo=UTC)
STANDARD = "id:0123456789 sub:001 dlvrd:001 submit date:2611201820 done date:2611201821 stat:DELIVRD err:000 text:Hello"
WHOLE = ReceiptText("0123456789", State.DELIVERED, "000", SUBMITTED, DONE, 1, 1, "Hello")

SHAPES = {
    "appendix B": (STANDARD, WHOLE),
    "upper case": (STANDARD.upper(), ReceiptText("0123456789", State.DELIVERED, "000", SUBMITTED, DONE, 1, 1, "HELLO")),
    "Text: ": (STANDARD.replace("text:", "Text: "), WHOLE),
    "Submit Date, Done Date": (STANDARD.replace("submit date", "Submit Date").replace("done date", "Done Date"), WHOLE),
    "submit_date, done_date": (STANDARD.replace(" date:", "_date:"), WHOLE),
    "dlvrld": (STANDARD.replace("dlvrd", "dlvrld"), WHOLE),
    "spaces after colons": (STANDARD.replace(":", ": "), WHOLE),
    "spaces about colons": (STANDARD.replace(":", " : "), WHOLE),
    "equals signs": (STANDARD.replace(":", "="), WHOLE),
    "two spaces": (STANDARD.replace(" sub", "  sub").replace(" stat", "  stat"), WHOLE),
    "lines": (
        "id:0123456789\r\nsub:001\r\ndlvrd:001\r\nsubmit date:2611201820\r\ndone date:2611201821\r\n"
        "stat:DELIVRD\r\nerr:000\r\ntext:Hello\r\n",
        WHOLE,
    ),
    "commas": (
        "id:0123456789,sub:001,dlvrd:001,submit date:2611201820,done date:2611201821,stat:DELIVRD,err:000,text:Hello",
        WHOLE,
    ),
    "a NUL behind": (STANDARD + "\0", WHOLE),
    "no text field": (
        STANDARD.removesuffix(" text:Hello"),
        ReceiptText("0123456789", State.DELIVERED, "000", SUBMITTED, DONE, 1, 1),
    ),
    "empty text": (
        STANDARD.removesuffix("Hello"),
        ReceiptText("0123456789", State.DELIVERED, "000", SUBMITTED, DONE, 1, 1),
    ),
    "seconds": (
        STANDARD.replace("2611201820", "261120182007").replace("2611201821", "261120182108"),
        ReceiptText(
            "0123456789", State.DELIVERED, "000", SUBMITTED.replace(second=7), DONE.replace(second=8), 1, 1, "Hello"
        ),
    ),
    "century and seconds": (
        STANDARD.replace("2611201820", "20261120182007").replace("2611201821", "20261120182108"),
        ReceiptText(
            "0123456789", State.DELIVERED, "000", SUBMITTED.replace(second=7), DONE.replace(second=8), 1, 1, "Hello"
        ),
    ),
    "ISO dates": (
        STANDARD.replace("2611201820", "2026-11-20 18:20:00").replace("2611201821", "2026-11-20T18:21:00"),
        WHOLE,
    ),
    "garbage dates": (
        STANDARD.replace("2611201820", "0000000000").replace("2611201821", "N/A"),
        ReceiptText("0123456789", State.DELIVERED, "000", None, None, 1, 1, "Hello"),
    ),
    "garbage counts": (
        STANDARD.replace("sub:001", "sub:").replace("dlvrd:001", "dlvrd:x"),
        ReceiptText("0123456789", State.DELIVERED, "000", SUBMITTED, DONE, None, None, "Hello"),
    ),
    "hexadecimal id": (
        STANDARD.replace("0123456789", "00A1B2C3"),
        ReceiptText("00A1B2C3", State.DELIVERED, "000", SUBMITTED, DONE, 1, 1, "Hello"),
    ),
    "GUID": (
        STANDARD.replace("0123456789", "6f9619ff-8b86-d011-b42d-00cf4fc964ff"),
        ReceiptText("6f9619ff-8b86-d011-b42d-00cf4fc964ff", State.DELIVERED, "000", SUBMITTED, DONE, 1, 1, "Hello"),
    ),
    "error in hexadecimal": (
        STANDARD.replace("DELIVRD", "UNDELIV").replace("err:000", "err:00A5"),
        ReceiptText("0123456789", State.UNDELIVERABLE, "00A5", SUBMITTED, DONE, 1, 1, "Hello"),
    ),
    "error as a word": (
        STANDARD.replace("DELIVRD", "REJECTD").replace("err:000", "err:SPAM"),
        ReceiptText("0123456789", State.REJECTED, "SPAM", SUBMITTED, DONE, 1, 1, "Hello"),
    ),
    "no error code": (
        STANDARD.replace("err:000", "err:"),
        ReceiptText("0123456789", State.DELIVERED, "", SUBMITTED, DONE, 1, 1, "Hello"),
    ),
    "a state of two words": (
        STANDARD.replace("DELIVRD", "DELIVERY UNKNOWN"),
        ReceiptText("0123456789", State.UNKNOWN, "000", SUBMITTED, DONE, 1, 1, "Hello"),
    ),
    "a state nobody knows": (
        STANDARD.replace("DELIVRD", "MAYBE"),
        ReceiptText("0123456789", None, "000", SUBMITTED, DONE, 1, 1, "Hello"),
    ),
    "a state as a number": (
        STANDARD.replace("DELIVRD", "5"),
        ReceiptText("0123456789", State.UNDELIVERABLE, "000", SUBMITTED, DONE, 1, 1, "Hello"),
    ),
    "another order": (
        "stat:EXPIRED err:027 id:77 done date:2611201821 submit date:2611201820 dlvrd:000 sub:001",
        ReceiptText("77", State.EXPIRED, "027", SUBMITTED, DONE, 1, 0),
    ),
    "text first": ("text:Hello there id:77 stat:DELIVRD", ReceiptText("77", State.DELIVERED, text="Hello there")),
    "only id and stat": ("id:77 stat:ACCEPTD", ReceiptText("77", State.ACCEPTED)),
    "only stat": ("stat:DELIVRD", ReceiptText("", State.DELIVERED)),
    "only id": ("id:77", ReceiptText("77", None)),
    "other names": ("ID:77 STATUS:Delivered ERROR CODE:0", ReceiptText("77", State.DELIVERED, "0")),
    "a field of the vendor's own": (
        "id:77 network:21630 stat:DELIVRD mccmnc:21630 err:0 price:0.1",
        ReceiptText("77", State.DELIVERED, "0"),
    ),
    "field words in the text": (
        STANDARD.replace("Hello", "id:9 stat:REJECTD err:5 text:no"),
        ReceiptText("0123456789", State.DELIVERED, "000", SUBMITTED, DONE, 1, 1, "id:9 stat:REJECTD err:5 text:no"),
    ),
    "field words in the text of a bent one": (
        "id: 77 stat: DELIVRD text: id:9 stat:REJECTD err:5",
        ReceiptText("77", State.DELIVERED, text="id:9 stat:REJECTD err:5"),
    ),
    "words that end like fields": ("id:77 valid:9 mystat:x stat:DELIVRD", ReceiptText("77", State.DELIVERED)),
    "lines in the text": (
        STANDARD + "\nthere",
        ReceiptText("0123456789", State.DELIVERED, "000", SUBMITTED, DONE, 1, 1, "Hello\nthere"),
    ),
}


@pytest.mark.parametrize("text,receipt", SHAPES.values(), ids=SHAPES.keys())
def test_shapes(text: str, receipt: ReceiptText) -> None:
    assert parse_receipt(text) == receipt


@pytest.mark.parametrize("text", ["", "Hello", "text:Hello", "idea: stat", "sub:001 dlvrd:001", "\0", "kid:5"])
def test_no_receipt(text: str) -> None:
    assert parse_receipt(text) is None


@pytest.mark.parametrize("end", range(len(STANDARD)))
def test_cut_short(end: int) -> None:
    receipt = parse_receipt(STANDARD[:end])
    if end < len("id:"):
        assert receipt is None
    else:
        assert receipt is not None
        assert WHOLE.id.startswith(receipt.id)
        assert receipt.state in (None, State.DELIVERED)


@pytest.mark.parametrize(
    "word,state",
    [
        ("DELIVRD", State.DELIVERED), ("delivrd", State.DELIVERED), ("DELIVERED", State.DELIVERED),
        ("EXPIRED", State.EXPIRED), ("DELETED", State.DELETED), ("UNDELIV", State.UNDELIVERABLE),
        ("UNDELIVERABLE", State.UNDELIVERABLE), ("Undelivered", State.UNDELIVERABLE), ("FAILED", State.UNDELIVERABLE),
        ("ACCEPTD", State.ACCEPTED), ("ACCEPTED", State.ACCEPTED), ("UNKNOWN", State.UNKNOWN),
        ("DELIVERY UNKNOWN", State.UNKNOWN), ("REJECTD", State.REJECTED), ("REJECTED", State.REJECTED),
        ("ENROUTE", State.ENROUTE), ("EN_ROUTE", State.ENROUTE),
        ("BUFFERED", State.ENROUTE), ("BUFFRED", State.ENROUTE),
        ("DELIVERY PENDING", State.ENROUTE), ("DELIVERY FAILED", State.UNDELIVERABLE),
        ("NOT DELIVERED", State.UNDELIVERABLE), ("FAILED (absent)", State.UNDELIVERABLE),
        (" DELIVRD\0", State.DELIVERED),
        ("2", State.DELIVERED), ("08", State.REJECTED), ("99", None), ("", None), ("DELIVERY", None), ("\u0662", None),
    ],
)  # fmt: skip
def test_words(word: str, state: State | None) -> None:
    assert read_state(word) is state


@pytest.mark.parametrize(
    "number,state",
    [(1, "ENROUTE"), (2, "DELIVERED"), (3, "EXPIRED"), (4, "DELETED"), (5, "UNDELIVERABLE"), (6, "ACCEPTED"),
     (7, "UNKNOWN"), (8, "REJECTED")],
)  # fmt: skip
def test_message_states(number: int, state: str) -> None:
    assert MESSAGE_STATES[number] is State(state)


@pytest.mark.parametrize(
    "text,date",
    [
        ("2611201820", datetime(2026, 11, 20, 18, 20, tzinfo=UTC)),
        ("261120182033", datetime(2026, 11, 20, 18, 20, 33, tzinfo=UTC)),
        ("20261120182033", datetime(2026, 11, 20, 18, 20, 33, tzinfo=UTC)),
        ("202611201820", datetime(2026, 11, 20, 18, 20, tzinfo=UTC)),  # 2020-26-11 is none
        ("26/11/20 18:20", datetime(2026, 11, 20, 18, 20, tzinfo=UTC)),
        ("2613201820", None),
        ("2611312500", None),
        ("0000000000", None),
        ("26112018", None),
        ("", None),
        ("yesterday", None),
        ("²²²²²²²²²²", None),
        ("٢٦١١٢٠١٨٢٠", None),
        ("9" * 400, None),
    ],
)
def test_dates(text: str, date: datetime | None) -> None:
    assert read_date(text) == date


@pytest.mark.parametrize(
    "text",
    [text for name, (text, _) in SHAPES.items() if not name.startswith(("only", "text", "other", "a field", "words",
     "field words in the text of", "a state nobody"))],
)  # fmt: skip
def test_receipts_are_seen(text: str) -> None:
    assert looks_like_receipt(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hello",
        "id: 5",
        "id:5 stat:?",
        "ID: my passport, stat: lost, text: call me",
        "id:5 stat:DELIVRD",
        "Look at what I got: " + STANDARD,
        "sub: none err: none stat: DELIVRD",
        "What is id:1 sub:001 dlvrd:001 stat:DELIVRD err:000?",
        STANDARD.replace("DELIVRD", "MAYBE"),
        STANDARD.replace("id:0123456789", "id:"),
    ],
)
def test_people_are_not_receipts(text: str) -> None:
    assert not looks_like_receipt(text)


@pytest.mark.parametrize(
    "provider_id,forms",
    [
        ("77", ("77", "4d", "119")),
        ("4D", ("4d", "77")),
        ("0000000077", ("77", "4d", "119")),
        (" 0x4D\0", ("4d", "77")),
        ("5", ("5",)),
        ("0", ("0",)),
        ("000", ("0",)),
        ("", ("",)),
        ("18446744073709551615", ("18446744073709551615", "ffffffffffffffff")),
        ("ffffffffffffffff", ("ffffffffffffffff", "18446744073709551615")),
        ("1ffffffffffffffff", ("1ffffffffffffffff",)),
        ("6F9619FF-8B86-D011-B42D-00CF4FC964FF", ("6f9619ff-8b86-d011-b42d-00cf4fc964ff",)),
        ("msg_001", ("msg_001",)),
        ("٧٧", ("٧٧",)),
    ],
)
def test_id_forms(provider_id: str, forms: tuple[str, ...]) -> None:
    assert id_forms(provider_id) == forms
    assert canonical_id(provider_id) == forms[0]


@given(st.integers(0, 2**64 - 1))
def test_decimal_and_hexadecimal_meet(number: int) -> None:
    assert canonical_id(str(number)) in id_forms(f"{number:016X}")
    assert canonical_id(f"{number:08x}") in id_forms(f"{number:020}")


@given(st.text())
def test_ids_never_raise_and_are_stable(provider_id: str) -> None:
    assert id_forms(provider_id)[0] == canonical_id(provider_id)


FIELD = st.sampled_from(
    ["id", "sub", "dlvrd", "dlvrld", "submit date", "done date", "stat", "err", "text", "Text", "STATUS", " ", ""]
)
PIECE = st.builds("{}{}{}{}".format, FIELD, st.sampled_from([":", ": ", "=", " "]), st.text(max_size=14), st.just(" "))


@given(st.one_of(st.text(), st.lists(PIECE, max_size=12).map("".join)))
def test_never_raises(text: str) -> None:
    receipt = parse_receipt(text)
    assert receipt is None or " " not in receipt.id
    if looks_like_receipt(text):
        assert receipt is not None
        assert receipt.id


@given(st.text(max_size=80))
def test_any_text_of_a_person(text: str) -> None:
    receipt = parse_receipt(STANDARD.removesuffix("Hello") + text)
    assert receipt == ReceiptText(
        WHOLE.id, WHOLE.state, WHOLE.error, WHOLE.submitted, WHOLE.done, 1, 1, text.strip(" \t\r\n\0")
    )


@pytest.mark.parametrize("written, answers, spelled", [
    ("1234", "hex", "4d2"), ("0001234", "hex", "4d2"), ("4d2", "hex", "4d2"), ("4D2", "dec", "1234"),
    ("0x04d2", "dec", "1234"), ("1234", "dec", "4660"), ("guid-1", "dec", "guid-1"), ("9" * 30, "hex", "9" * 30),
    ("f" * 17, "dec", "f" * 17), ("0", "hex", "0"),
])  # fmt: skip
def test_other_base(written: str, answers: str, spelled: str) -> None:
    assert other_base(written, answers) == spelled


def test_the_word_as_it_was_written() -> None:
    found = [parse_receipt(text) for text in (STANDARD, STANDARD.replace("DELIVRD", " 253 "), "id:1")]
    assert [receipt and receipt.word for receipt in found] == ["DELIVRD", "253", ""]
