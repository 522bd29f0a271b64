"""What an SMSC sees of a gateway's messages, over a real connection; what it answers to query, cancel and replace."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.connectors.messages import message
from tests.connectors.test_smpp import Inbox, connector, running, submit
from tests.smpp.rig import PATIENCE, until
from voipsms.connectors.port import Querier
from voipsms.errors import OutcomeUnknown, RefusedHere, SubmitError, SubmitFailed, SubmitRefused, Throttled
from voipsms.model import Coding, Message, Millis, State
from voipsms.smpp.behaviour import Options
from voipsms.smpp.simulator import Simulator
from voipsms.smpp.submits import Submit
from voipsms.values import field_names, replace

TO = "36301234567"
USUAL: dict[str, Any] = {
    "command": "submit_sm", "source": "36301234567", "destination": TO, "esm_class": 0, "data_coding": 0,
    "registered": 1, "source_ton_npi": "1/1", "dest_ton_npi": "1/1", "service_type": "", "protocol_id": 0,
    "priority_flag": 1, "schedule_delivery_time": "", "validity_period": "", "tlvs": {}, "user_data": b"hello".hex(),
}  # fmt: skip
GSM_153, GSM_8 = b"a" * 153, b"b" * 8


def text(words: str = "hello", **more: Any) -> Message:
    return replace(message(words, target=TO), **more)


def octets(value: bytes, **more: Any) -> Message:
    return text("", coding=Coding.BINARY, octets=value, **more)


def udh(number: int, body: bytes, first: bytes = b"\5\0\3") -> dict[str, Any]:
    return {"esm_class": 0x40, "user_data": first + b"REF" + bytes((2, number)) + body}


def sar(number: int, body: bytes) -> dict[str, Any]:
    tlvs = {"020c": b"REF", "020e": "02", "020f": f"{number:02x}"}
    return {"user_data": body.hex(), "tlvs": tlvs}


def seen(submits: list[Submit]) -> list[dict[str, Any]]:
    """Every field that is about the message."""
    return [{name: getattr(submit, name) for name in field_names(submit) if name in USUAL} for submit in submits]


def expected(rows: list[dict[str, Any]], reference: bytes) -> list[dict[str, Any]]:
    """REF in the rows is the concatenation reference, one and the same in all parts."""

    def filled(value: Any) -> Any:
        if isinstance(value, bytes):
            return value.replace(b"REF", reference).hex()
        return {tag: filled(octets) for tag, octets in value.items()} if isinstance(value, dict) else value

    return [{name: filled(value) for name, value in (USUAL | row).items()} for row in rows]


WIRE: dict[str, tuple[dict[str, Any], Message, list[dict[str, Any]]]] = {  # settings, message, what the SMSC saw
    "usual": ({}, text(), [{}]),
    "servicetype": ({"servicetype": 1}, text(), [{"service_type": "CMT"}]),
    "msgpriority": ({"msgpriority": 3}, text(), [{"priority_flag": 3}]),
    "msgexpire": ({"msgexpire": "000003000000000R"}, text(), [{"validity_period": "000003000000000R"}]),
    "valid": ({}, text(valid=3600), [{"validity_period": "000000010000000R"}]),
    "due, absolute": ({}, text(due=Millis(4_070_908_800_100)), [{"schedule_delivery_time": "990101000000100+"}]),
    "SenderAddress, TON, NPI": (
        {"senderaddress": "Company", "destinationton": 2, "destinationnpi": 8},
        text(),
        [{"source": "Company", "source_ton_npi": "5/0", "dest_ton_npi": "2/8"}],
    ),
    "a local sender": ({}, text(sender="06301234567"), [{"source": "06301234567", "source_ton_npi": "2/1"}]),
    "a short code": ({}, text(sender="12345"), [{"source": "12345", "source_ton_npi": "3/1"}]),
    "no receipts": ({"receipts": False}, text(), [{"registered": 0}]),
    "the GSM alphabet": ({}, text("@€"), [{"user_data": "001b65"}]),
    "UCS-2": ({}, text("ű😀", coding=Coding.UCS2), [{"data_coding": 8, "user_data": "0171d83dde00"}]),
    "DataCoding 3": ({"datacoding": 3}, text("á@"), [{"data_coding": 3, "user_data": "e140"}]),
    "DataCoding 6": ({"datacoding": 6}, text("Ж", coding=Coding.UCS2), [{"data_coding": 6, "user_data": "b6"}]),
    "HexString": ({"hexstring": "00ff"}, text(), [{"data_coding": 4, "user_data": "00ff"}]),
    "Routo's alphabet": ({"alphabet": "latin1"}, text("@"), [{"data_coding": 1, "user_data": "00"}]),
    "flash": ({}, text(message_class=0), [{"data_coding": 0xF0}]),
    "flash by NSMS": ({"flash": "nsms", "systemtype": "NSMS"}, text(message_class=0), [{}]),
    "udh": ({}, text("a" * 153 + "b" * 8), [udh(1, GSM_153), udh(2, GSM_8)]),
    "udh of 16 bits": (
        {"reference": 16}, text("a" * 152 + "b" * 9), [udh(1, b"a" * 152, b"\6\x08\4"), udh(2, b"b" * 9, b"\6\x08\4")],
    ),
    "udh, a pair at the cut": ({}, text("a" * 152 + "€" + "b" * 8), [udh(1, b"a" * 152), udh(2, b"\x1be" + b"b" * 8)]),
    "sar": ({"longsms": "sar"}, text("a" * 153 + "b" * 8), [sar(1, GSM_153), sar(2, GSM_8)]),
    "sar in 3.3": ({"longsms": "sar", "version": 33}, text("a" * 153 + "b" * 8), [udh(1, GSM_153), udh(2, GSM_8)]),
    "payload": ({"longsms": "payload"}, text("a" * 161), [{"user_data": b"a" * 161}]),
    "split": (
        {"longsms": "split"}, text("a" * 150 + " " + "b" * 20), [{"user_data": b"a" * 150}, {"user_data": b"b" * 20}],
    ),
    "binary with UDH": (
        {},
        octets(b"\1\2", udh=b"\6\5\4\x0b\x84\x23\xf0"),
        [{"esm_class": 0x40, "data_coding": 4, "user_data": "0605040b8423f00102"}],
    ),
    "long binary": (
        {},
        octets(bytes(140) + b"\1"),
        [udh(1, bytes(134)) | {"data_coding": 4}, udh(2, bytes(6) + b"\1") | {"data_coding": 4}],
    ),
    "data_sm": ({"isdata": True}, text(), [{"command": "data_sm", "priority_flag": 0}]),
    "data_sm, valid": (
        {"isdata": True}, text(valid=60), [{"command": "data_sm", "priority_flag": 0, "tlvs": {"0017": "0000003c"}}],
    ),
    "another recipient": ({"recipients": ("123",)}, text(), [{"destination": "123", "dest_ton_npi": "3/1"}]),
    "submit_multi": (
        {"recipients": ("[tonum]", "36209999999")},
        text(),
        [{"command": "submit_multi"}, {"command": "submit_multi", "destination": "36209999999"}],
    ),
}  # fmt: skip


@pytest.mark.parametrize("settings, what, rows", WIRE.values(), ids=WIRE)
async def test_wire(settings: dict[str, Any], what: Message, rows: list[dict[str, Any]]) -> None:
    async with Simulator() as simulator, running(simulator, **settings) as gateway:
        told = await gateway.describe(what)
        submitted = await submit(gateway, what)
        submits = list(simulator.submits)
    user_data = bytes.fromhex(submits[0].user_data)
    wide = settings.get("reference") == 16
    if submits[0].tlvs.get("020c"):
        reference = bytes.fromhex(submits[0].tlvs["020c"])
    else:
        reference = user_data[3:5] if wide else user_data[3:4]
    assert seen(submits) == expected(rows, reference)
    assert {one.provider_id for one in submitted} == {one.id for one in submits}
    assert [line.partition(" ")[0] for line in told] == [submits[0].command] * len(submitted)


# -- submit_multi -------------------------------------------------------------------------------------------------


async def test_taken_for_some() -> None:
    recipients = ("36301234567", "36301230001")  # the last one is refused
    async with Simulator() as simulator, running(simulator, recipients=recipients) as gateway:
        (submitted,) = await submit(gateway, text())
        assert (submitted.provider_id, submitted.state) == (simulator.submits[0].id, State.ENROUTE)
    assert submitted.comment == (
        "not taken for 1 of 2 recipients: ESME_RINVDSTADR (0x0000000b): destination address not valid"
    )


async def test_taken_for_none() -> None:
    async with Simulator() as simulator, running(simulator, recipients=("36301230001", "36201230001")) as gateway:
        with pytest.raises(SubmitRefused, match="none of 2 recipients was taken"):
            await submit(gateway, text())


# -- statuses -----------------------------------------------------------------------------------------------------

OVERRIDES: dict[str, type[SubmitError]] = {
    "wait": Throttled, "retry": SubmitFailed, "failover": RefusedHere, "unknown": OutcomeUnknown,
}  # fmt: skip


@pytest.mark.parametrize("verdict, kind", OVERRIDES.items())
async def test_a_gateways_own_verdict(verdict: str, kind: type[SubmitError]) -> None:
    async with Simulator() as simulator, running(simulator, status=((0x0B, verdict),)) as gateway:
        with pytest.raises(SubmitError) as raised:
            await submit(gateway, message(target="36301230001"))
        assert type(raised.value) is kind


async def test_what_is_refused_here_never_leaves() -> None:
    async with Simulator() as simulator, running(simulator, datacoding=3) as gateway:
        with pytest.raises(RefusedHere, match="U\\+0416 is not in latin-1, data_coding 3"):
            await submit(gateway, text("Ж", coding=Coding.UCS2))
        with pytest.raises(RefusedHere, match="a flash message can't be longer than one part"):
            await submit(gateway, text("x" * 200, message_class=0))
        assert not simulator.submits
        assert gateway.free() == 100


# -- query, cancel, replace ---------------------------------------------------------------------------------------


async def ask(port: Querier, what: Message, provider_id: str) -> State | None:
    async with asyncio.timeout(PATIENCE):
        receipt = await port.query(what, provider_id)
    return receipt.state if receipt else None


@pytest.mark.parametrize("ending, state", [
    ("4567", State.DELIVERED), ("0005", State.UNDELIVERABLE), ("0006", State.EXPIRED), ("0012", State.REJECTED),
    ("0008", State.DELIVERED),  # no receipt ever comes
])  # fmt: skip
async def test_query(ending: str, state: State) -> None:
    what = message(target="3630123" + ending, sender="Company")
    async with Simulator() as simulator, running(simulator) as gateway:
        (submitted,) = await submit(gateway, what)
        receipt = await gateway.query(what, submitted.provider_id)
    assert receipt is not None
    assert (receipt.provider_id, receipt.state, receipt.gateway_id) == (submitted.provider_id, state, 7)
    assert (receipt.sender, receipt.target) == ("Company", what.target)


async def test_query_before_the_end_and_of_what_nobody_knows() -> None:
    async with Simulator(Options(receipt_delay=60.0)) as simulator, running(simulator) as gateway:
        (submitted,) = await submit(gateway, text())
        assert await ask(gateway, text(), submitted.provider_id) is None
        assert await ask(gateway, text(), "ffff") is None


@pytest.mark.parametrize("settings", [{}, {"senderaddress": "Company"}], ids=["own sender", "SenderAddress"])
async def test_cancel(settings: dict[str, Any]) -> None:
    inbox = Inbox()
    async with Simulator(Options(receipt_delay=60.0)) as simulator, running(simulator, inbox, **settings) as gateway:
        (submitted,) = await submit(gateway, text())
        await gateway.cancel(text(), submitted.provider_id)
        assert await ask(gateway, text(), submitted.provider_id) is State.DELETED
        await until(lambda: inbox.receipts)
        assert [receipt.state for receipt in inbox.receipts] == [State.DELETED]


async def test_too_late_to_cancel() -> None:
    async with Simulator() as simulator, running(simulator) as gateway:
        (submitted,) = await submit(gateway, text())
        with pytest.raises(SubmitRefused, match="ESME_RCANCELFAIL"):
            await gateway.cancel(text(), submitted.provider_id)
        with pytest.raises(SubmitRefused, match="ESME_RINVMSGID"):
            await gateway.cancel(text(), "ffff")


async def test_of_another_sender() -> None:
    async with Simulator(Options(receipt_delay=60.0)) as simulator, running(simulator) as gateway:
        (submitted,) = await submit(gateway, text())
        other = text(sender="36700000000")
        assert await ask(gateway, other, submitted.provider_id) is None
        with pytest.raises(SubmitRefused, match="ESME_RINVMSGID"):
            await gateway.cancel(other, submitted.provider_id)


@pytest.mark.parametrize("new, coding, octets", [
    ("good bye", Coding.GSM7, b"good bye"), ("@", Coding.GSM7, b"\0"), ("“hi”", Coding.GSM7, b'"hi"'),
    ("ű", Coding.UCS2, b"\1\x71"),
])  # fmt: skip
async def test_replace(new: str, coding: Coding, octets: bytes) -> None:
    async with Simulator(Options(receipt_delay=60.0)) as simulator, running(simulator) as gateway:
        what = text(coding=coding)
        (submitted,) = await submit(gateway, what)
        await gateway.replace(what, submitted.provider_id, new)
        kept = simulator._kept._find(submitted.provider_id, "")
        assert kept is not None
        assert kept.message.short_message == octets


NOT_REPLACED = {
    "too long": (text(), "x" * 161, "only a text of one part can be replaced, and by one of one part"),
    "several parts": (text("x" * 161), "x", "only a text of one part can be replaced, and by one of one part"),
    "another coding": (text(), "漢", "U\\+6F22 is not in the GSM alphabet"),
}


@pytest.mark.parametrize("what, new, words", NOT_REPLACED.values(), ids=NOT_REPLACED)
async def test_not_replaced(what: Message, new: str, words: str) -> None:
    with pytest.raises(RefusedHere, match=words):
        await connector().replace(what, "1", new)


async def test_too_late_to_replace() -> None:
    async with Simulator() as simulator, running(simulator) as gateway:
        (submitted,) = await submit(gateway, text())
        with pytest.raises(SubmitRefused, match="ESME_RREPLACEFAIL"):
            await gateway.replace(text(), submitted.provider_id, "good bye")


@pytest.mark.parametrize("call", ["query", "cancel", "replace"])
async def test_an_id_that_no_pdu_can_carry(call: str) -> None:
    async with Simulator() as simulator, running(simulator) as gateway:
        arguments = ("ű",) if call != "replace" else ("ű", "text")
        with pytest.raises(RefusedHere):
            await getattr(gateway, call)(text(), *arguments)
        assert gateway.free() == 100
