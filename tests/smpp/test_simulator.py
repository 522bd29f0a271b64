from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from smpplib.client import Client as SmpplibClient
from smpplib.consts import SMPP_CLIENT_STATE_OPEN

from tests.smpp.rig import Esme, message, running, until
from voipsms.errors import OutcomeUnknown
from voipsms.gateway_settings import SmppSettings
from voipsms.smpp.behaviour import ENDINGS, Options
from voipsms.smpp.deliveries import mobile_originated
from voipsms.smpp.faults import Strike
from voipsms.smpp.link import Link
from voipsms.smpp.pdu import (
    ESM_UDHI,
    MESSAGE_PAYLOAD,
    MESSAGE_STATE,
    RECEIPTED_MESSAGE_ID,
    Answer,
    Cancel,
    DataMessage,
    Destination,
    DistributionList,
    MultiAnswer,
    MultiMessage,
    Pdu,
    Query,
    QueryAnswer,
    Replace,
    Unsuccess,
)
from voipsms.smpp.simulator import Simulator
from voipsms.smpp.status import ESME_RINVDSTADR, ESME_ROK, ESME_RSYSERR, ESME_RX_P_APPN, ESME_RX_T_APPN, status
from voipsms.values import replace


def words(text: str) -> str:
    return text.split("stat:")[1].split()[0]


# Ending → statuses of two submits (None: no answer), receipts' words for the two of them.
ANSWERS: dict[str, tuple[list[str | None], list[str]]] = {
    "9999": (["ESME_ROK", "ESME_ROK"], ["DELIVRD", "DELIVRD"]),
    "0001": (["ESME_RINVDSTADR", "ESME_RINVDSTADR"], []),
    "0002": (["ESME_RTHROTTLED", "ESME_ROK"], ["DELIVRD"]),
    "0003": ([None, None], []),
    "0004": ([None, None], []),
    "0005": (["ESME_ROK", "ESME_ROK"], ["UNDELIV", "UNDELIV"]),
    "0006": (["ESME_ROK", "ESME_ROK"], ["EXPIRED", "EXPIRED"]),
    "0007": (["ESME_ROK", "ESME_ROK"], ["DELIVRD", "DELIVRD"]),
    "0008": (["ESME_ROK", "ESME_ROK"], []),
    "0009": (["ESME_RSYSERR", "ESME_RSYSERR"], []),
    "0010": (["ESME_RMSGQFUL", "ESME_ROK"], ["DELIVRD"]),
    "0011": (["ESME_ROK", "ESME_ROK"], ["DELIVRD"] * 4),
    "0012": (["ESME_ROK", "ESME_ROK"], ["REJECTD", "REJECTD"]),
    "0013": ([None, None], ["DELIVRD", "DELIVRD"]),
    "0014": (["ESME_ROK", "ESME_ROK"], ["ENROUTE", "DELIVRD"] * 2),
}


@pytest.mark.parametrize("ending", ANSWERS)
async def test_endings(ending: str) -> None:
    statuses, receipts = ANSWERS[ending]
    found: list[str | None] = []
    async with Simulator() as simulator, running(simulator, SmppSettings(response=0.1)) as esme:
        for _ in statuses:
            await until(lambda: esme.client.free())
            try:
                found.append(status((await esme.submit(message("3630555" + ending))).command_status).name)
            except OutcomeUnknown:
                found.append(None)
        await until(lambda: simulator.counts["delivered"] == len(receipts))
        assert found == statuses
        assert [words(text) for text in esme.texts()] == receipts
        assert simulator.counts["disconnects"] == (2 if ending == "0004" else 0)


def test_every_ending_is_tested() -> None:
    assert set(ENDINGS) == set(ANSWERS) - {"9999"}


async def test_no_endings() -> None:
    async with Simulator(Options(endings=False)) as simulator, running(simulator) as esme:
        assert (await esme.submit(message("36305550001"))).command_status == ESME_ROK


async def test_receipts_only_where_asked_for() -> None:
    async with Simulator() as simulator, running(simulator) as esme:
        await esme.submit(message(registered=0))
        assert simulator.counts["receipts"] == 0


@pytest.mark.parametrize(
    "form, spell",
    [("same", "{:x}"), ("decimal", "{}"), ("upper", "{:X}"), ("padded", "{:020X}")],
)
async def test_id_forms(form: str, spell: str) -> None:
    async with Simulator(Options(ids=form)) as simulator, running(simulator) as esme:
        answer = await esme.submit(message())
        assert isinstance(answer.body, Answer)
        await until(lambda: esme.received)
        assert esme.texts()[0].split()[0] == "id:" + spell.format(int(answer.body.message_id, 16))


async def test_receipt_tlvs() -> None:
    async with Simulator(Options(tlvs=True, state="UNDELIV")) as simulator, running(simulator) as esme:
        answer = await esme.submit(message())
        assert isinstance(answer.body, Answer)
        await until(lambda: esme.received)
        (receipt,) = esme.received
        assert receipt.tlv(RECEIPTED_MESSAGE_ID) == answer.body.message_id.encode() + b"\0"
        assert receipt.tlv(MESSAGE_STATE) == b"\x05"


async def test_receipt_delay() -> None:
    async with Simulator(Options(receipt_delay=0.05)) as simulator, running(simulator) as esme:
        loop = asyncio.get_running_loop()
        await esme.submit(message())
        started = loop.time()
        await until(lambda: esme.received)
        assert loop.time() - started >= 0.04


async def test_receipts_elsewhere() -> None:
    """On another session than the submit's."""
    seen: dict[Link, int] = {}

    def answer(link: Link, pdu: Pdu) -> None:
        seen[link] = seen.get(link, 0) + 1
        link.respond(pdu, ESME_ROK, Answer())

    settings = SmppSettings(sessions=2)
    async with Simulator(Options(elsewhere=True)) as simulator, running(simulator, settings) as esme:
        esme.answer = answer
        submits = [esme.client.submit(message("36307777777")) for _ in range(3)]  # one destination, one session
        (sender,) = (link for link in esme.client._links if link.session.outstanding)
        await asyncio.gather(*submits)
        await until(lambda: simulator.counts["delivered"] == 3)
        assert set(seen) == set(esme.client._links) - {sender}


async def test_a_receipt_waits_for_somebody_to_receive_it() -> None:
    async with Simulator(Options(silence=0.0)) as simulator:
        simulator.deliver(message(text=b"early"))
        async with running(simulator) as esme:
            await until(lambda: esme.texts() == ["early"])


async def test_a_delivery_without_an_answer_comes_again_on_the_next_session() -> None:
    async with Simulator() as simulator, running(simulator) as esme:
        esme.answer = lambda link, pdu: link.abort("lost before the answer")
        simulator.deliver(message(text=b"again"))
        await until(lambda: esme.received)
        esme.answer = lambda link, pdu: link.respond(pdu, ESME_ROK, Answer())
        await until(lambda: simulator.counts["delivered"])
        assert set(esme.texts()) == {"again"}


@pytest.mark.parametrize("refusal, comes_again", [(ESME_RX_T_APPN, True), (ESME_RX_P_APPN, False)])
async def test_a_refused_delivery(refusal: int, comes_again: bool) -> None:
    async with Simulator(Options(redeliver=0.01)) as simulator, running(simulator) as esme:
        refusals = [refusal]
        esme.answer = lambda link, pdu: link.respond(pdu, refusals.pop() if refusals else ESME_ROK, Answer())
        simulator.deliver(message(text=b"text"))
        await until(lambda: simulator.counts["delivered" if comes_again else "delivery_refused"])
        assert len(esme.received) == 1 + comes_again


async def submit_all(options: Options, count: int) -> dict[str, int]:
    """How often each answer came; "none": no answer."""
    found: dict[str, int] = {}
    async with Simulator(options) as simulator, running(simulator, SmppSettings(response=0.3)) as esme:
        for answer in await asyncio.gather(
            *(esme.client.submit(message()) for _ in range(count)), return_exceptions=True
        ):
            name = status(answer.command_status).name if isinstance(answer, Pdu) else "none"
            found[name] = found.get(name, 0) + 1
    return found


async def test_throttle() -> None:
    found = await submit_all(Options(tps=10), 50)
    assert 30 <= found["ESME_RTHROTTLED"] <= 40  # the second may change meanwhile


@pytest.mark.parametrize(
    "options, name",
    [
        (Options(refuse=0.5), "ESME_RSUBMITFAIL"),
        (Options(refuse=0.5, refuse_status=8), "ESME_RSYSERR"),
        (Options(silence=0.5), "none"),
    ],
)
async def test_shares(options: Options, name: str) -> None:
    found = await submit_all(options, 60)
    assert 15 < found[name] < 45
    assert found[name] + found["ESME_ROK"] == 60


async def test_disconnect_every_so_many_submits() -> None:
    async with Simulator(Options(disconnect=3)) as simulator, running(simulator) as esme:
        for number in range(1, 5):
            assert (await esme.submit(message())).command_status == ESME_ROK
            assert simulator.counts["disconnects"] == number // 3
            await until(lambda: simulator.counts["binds"] == 1 + simulator.counts["disconnects"])
            await until(esme.client.free)


@pytest.mark.parametrize(
    "text, coding, octets",
    [
        ("hello", 0, b"hello"),
        ("árvíz", 8, "árvíz".encode("utf-16-be")),
        ("a@b", 8, "a@b".encode("utf-16-be")),  # @ is 0x00 in the GSM alphabet
        ("x" * 300, 0, b"x" * 300),
    ],
)
def test_mobile_originated(text: str, coding: int, octets: bytes) -> None:
    pdu, tlvs = mobile_originated("361", "362", text)
    assert (pdu.source_addr, pdu.destination_addr, pdu.data_coding, pdu.esm_class) == ("361", "362", coding, 0)
    assert (pdu.short_message or dict(tlvs)[MESSAGE_PAYLOAD]) == octets


async def test_mo_traffic() -> None:
    options = Options(mo_count=3, mo_rate=500, mo_from="36301", mo_to="36302", mo_text="number %d")
    async with Simulator(options) as simulator, running(simulator) as esme:
        await until(lambda: simulator.counts["delivered"] == 3)
        assert esme.texts() == ["number 0", "number 1", "number 2"]


async def test_phones_answer() -> None:
    """A message of several parts once."""
    async with Simulator(Options(mo_reply="Yes?", receipts=False)) as simulator, running(simulator) as esme:
        await esme.submit(message())
        for number in (b"\x02", b"\x01"):
            part = message(text=b"\x05\x00\x03\x01\x02" + number + b"part")
            await esme.submit(replace(part, esm_class=ESM_UDHI))
        await esme.submit(message("36305550001"))  # refused
        await until(lambda: simulator.counts["delivered"] == 2)
        assert esme.texts() == ["Yes?", "Yes?"]
        assert simulator.counts["mo"] == 2


async def test_log(tmp_path: Path) -> None:
    file = tmp_path / "submits"
    async with Simulator(Options(log=str(file))) as simulator, running(simulator) as esme:
        answer = await esme.submit(message(text=b"\x05\x00\x03\x01\x02\x01text"))
        await esme.submit(message("36305550001"))
        assert isinstance(answer.body, Answer)
        await until(lambda: len(file.read_text().splitlines()) == 2)
    taken, refused = (json.loads(line) for line in file.read_text().splitlines())
    assert taken.pop("time") > 1.7e9
    assert taken == {
        "source": "Foo", "destination": "36301234567", "esm_class": 0, "data_coding": 0, "registered": 1,
        "user_data": "050003010201" + b"text".hex(), "id": answer.body.message_id, "status": "ESME_ROK",
        "command": "submit_sm", "source_ton_npi": "5/0", "dest_ton_npi": "1/1", "service_type": "", "protocol_id": 0,
        "priority_flag": 0, "schedule_delivery_time": "", "validity_period": "", "tlvs": {},
    }  # fmt: skip
    assert (refused["id"], refused["status"]) == ("", "ESME_RINVDSTADR")
    assert [submit.id for submit in simulator.submits] == [answer.body.message_id, ""]


@pytest.mark.parametrize(
    "username, password, bound", [("me", "secret", True), ("me", "x", False), ("x", "secret", False)]
)
async def test_credentials(username: str, password: str, bound: bool) -> None:
    settings, options = SmppSettings(username=username, password=password), Options(username="me", password="secret")
    async with Simulator(options) as simulator, running(simulator, settings, bound=False) as esme:
        await until(lambda: simulator.counts["binds" if bound else "refused_binds"])
        await until(lambda: esme.client.ready or esme.client.last_error)
        assert esme.client.ready is bound


# -- beside submit_sm -----------------------------------------------------------------------------------------------


def number_of(pdu: Pdu) -> str:
    assert isinstance(pdu.body, Answer)
    return pdu.body.message_id


async def test_data_sm() -> None:
    """As a submit: endings, receipts, log."""
    async with Simulator() as simulator, running(simulator) as esme:
        body = DataMessage("", 5, 0, "Foo", 1, 1, "36301234567", registered_delivery=1, data_coding=8)
        answer = await esme.client.request(body, ((MESSAGE_PAYLOAD, b"\0h\0i"), (0x0204, b"\0\1")))
        await until(lambda: esme.received)
        assert esme.texts()[0].startswith(f"id:{number_of(answer)} ")
        refused = await esme.client.request(DataMessage(destination_addr="36305550001"))
        assert status(refused.command_status).name == "ESME_RINVDSTADR"
        submit, _ = simulator.submits
        assert (submit.command, submit.user_data, submit.tlvs) == ("data_sm", "00680069", {"0204": "0001"})
        assert (submit.data_coding, submit.source_ton_npi, submit.dest_ton_npi) == (8, "5/0", "1/1")


async def test_submit_multi() -> None:
    """One id, a result and a receipt for each destination."""
    numbers = "36301234567", "36305550001", "36305550005", "36305550009"
    async with Simulator() as simulator, running(simulator) as esme:
        to: list[Destination | DistributionList] = [Destination(1, 1, number) for number in numbers]
        to.append(DistributionList("friends"))
        body = MultiMessage("", 5, 0, "Foo", tuple(to), registered_delivery=1, short_message=b"hello")
        answer = await esme.client.request(body)
        assert isinstance(answer.body, MultiAnswer)
        assert answer.command_status == ESME_ROK
        assert answer.body.unsuccess_sme == (
            Unsuccess(1, 1, "36305550001", ESME_RINVDSTADR),
            Unsuccess(1, 1, "36305550009", ESME_RSYSERR),
        )
        await until(lambda: simulator.counts["delivered"] == 3)
        assert [words(text) for text in esme.texts()] == ["DELIVRD", "UNDELIV", "DELIVRD"]
        assert {text.split()[0] for text in esme.texts()} == {f"id:{answer.body.message_id}"}
        assert [submit.destination for submit in simulator.submits] == [*numbers, "friends"]
        assert {submit.command for submit in simulator.submits} == {"submit_multi"}


async def state_of(esme: Esme, number: str) -> int:
    answer = await esme.client.request(Query(number, 5, 0, "Foo"))
    assert isinstance(answer.body, QueryAnswer)
    return answer.body.message_state


async def test_query() -> None:
    async with Simulator(Options(receipt_delay=0.05)) as simulator, running(simulator) as esme:
        number = number_of(await esme.submit(message("36305550005")))
        assert await state_of(esme, number) == 1
        await until(lambda: esme.received)
        assert await state_of(esme, number) == 5
        unknown = await esme.client.request(Query("none", 5, 0, "Foo"))
        assert status(unknown.command_status).name == "ESME_RINVMSGID"
        assert simulator.counts["queries"] == 3


async def test_cancel() -> None:
    """The receipt says so, and no other one comes."""
    async with Simulator(Options(receipt_delay=0.05)) as simulator, running(simulator) as esme:
        number = number_of(await esme.submit(message()))
        kept = number_of(await esme.submit(message()))
        assert (await esme.client.request(Cancel("", number, 5, 0, "Foo"))).command_status == ESME_ROK
        await until(lambda: len(esme.received) == 2)
        assert [(text.split()[0], words(text)) for text in esme.texts()] == [
            (f"id:{number}", "DELETED"),
            (f"id:{kept}", "DELIVRD"),
        ]
        assert await state_of(esme, number) == 4
        again = await esme.client.request(Cancel("", kept, 5, 0, "Foo"))
        assert status(again.command_status).name == "ESME_RCANCELFAIL"


async def test_cancel_without_receipt() -> None:
    async with Simulator(Options(receipt_delay=5)) as simulator, running(simulator) as esme:
        await esme.submit(message(registered=0))
        assert (await esme.client.request(Cancel("", "", 5, 0, "Foo", 1, 1, "36301234567"))).command_status == ESME_ROK
        assert simulator.counts["receipts"] == 0


async def test_replace() -> None:
    async with Simulator(Options(receipt_delay=5)) as simulator, running(simulator) as esme:
        number = number_of(await esme.submit(message()))
        answers = [
            (await esme.client.request(Replace(one, 5, 0, "Foo", short_message=b"other"))).command_status
            for one in (number, "none")
        ]
        assert [status(answer).name for answer in answers] == ["ESME_ROK", "ESME_RINVMSGID"]


async def test_faults_can_change() -> None:
    async with Simulator(Options(faults=(Strike("error", most=1),))) as simulator, running(simulator) as esme:
        assert (await esme.submit(message())).command_status == ESME_RSYSERR
        assert (await esme.submit(message())).command_status == ESME_ROK
        simulator.strike(Strike("nack"))
        assert (await esme.submit(message())).name == "generic_nack"
        assert {name: simulator.counts[name] for name in ("fault error", "fault nack")} == {
            "fault error": 1,
            "fault nack": 1,
        }


async def test_what_can_not_be_delivered_to_an_esme_that_knows_no_tlvs() -> None:
    """SMPP 3.3: the receipt goes without them, its text says it all."""
    async with Simulator(Options(tlvs=True)) as simulator, running(simulator, SmppSettings(version=33)) as esme:
        await esme.submit(message())
        await until(lambda: esme.received)
        assert esme.received[0].tlvs == ()


# -- smpplib's own client, which knows nothing of ours ---------------------------------------------------------------


def smpplib_conversation(port: int) -> list[Any]:
    """Binds, submits, waits for the answer and the receipt, unbinds. Blocks."""
    seen: list[Any] = []
    client = SmpplibClient("127.0.0.1", port, timeout=5, allow_unknown_opt_params=True)
    client.set_message_sent_handler(lambda pdu: seen.append(pdu.message_id))
    client.set_message_received_handler(lambda pdu: seen.append(pdu.short_message))
    client.connect()
    try:
        client.bind_transceiver(system_id="me", password="secret")
        client.send_message(
            source_addr_ton=5, source_addr="Foo", dest_addr_ton=1, dest_addr_npi=1, destination_addr="36301234567",
            short_message=b"hello", registered_delivery=1,
        )  # fmt: skip
        while len(seen) < 2:
            client.read_once()
        client.unbind()
    finally:
        if client.state != SMPP_CLIENT_STATE_OPEN:
            client.state = SMPP_CLIENT_STATE_OPEN
        client.disconnect()
    return seen


async def test_smpplibs_client() -> None:
    talk: Callable[[int], list[Any]] = smpplib_conversation
    async with Simulator(Options(username="me", password="secret")) as simulator:
        message_id, receipt = await asyncio.to_thread(talk, simulator.port)
        assert receipt.startswith(b"id:" + message_id + b" sub:001 dlvrd:001")
        (submit,) = simulator.submits
        assert (submit.source, submit.user_data) == ("Foo", b"hello".hex())
