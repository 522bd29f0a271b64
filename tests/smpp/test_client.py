from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from tests.smpp.rig import PATIENCE, HandSmsc, message, running, until
from voipsms.errors import GatewayDown, OutcomeUnknown
from voipsms.gateway_settings import SmppSettings
from voipsms.smpp import link
from voipsms.smpp.behaviour import Options
from voipsms.smpp.binder import bind_commands
from voipsms.smpp.codec import encode
from voipsms.smpp.pdu import (
    BIND_RECEIVER,
    BIND_TRANSCEIVER,
    BIND_TRANSMITTER,
    DELIVER_SM,
    MESSAGE_PAYLOAD,
    SUBMIT_SM_RESP,
    Answer,
    Pdu,
    PduError,
    ShortMessage,
)
from voipsms.smpp.simulator import Simulator
from voipsms.smpp.status import ESME_RBINDFAIL, ESME_RINVBNDSTS, ESME_ROK, ESME_RTHROTTLED, status

QUICK = SmppSettings(response=0.2)


def message_id(pdu: Pdu) -> str:
    assert isinstance(pdu.body, Answer)
    return pdu.body.message_id


BINDS = {
    "trx": (SmppSettings(), (BIND_TRANSCEIVER,)),
    "trx, 3 sessions": (SmppSettings(sessions=3), (BIND_TRANSCEIVER,) * 3),
    "tx and rx": (SmppSettings(bind="tx"), (BIND_TRANSMITTER, BIND_RECEIVER)),
    "tx and rx, 2 sessions": (SmppSettings(bind="tx", sessions=2), (BIND_TRANSMITTER,) * 2 + (BIND_RECEIVER,)),
    "SMPP 3.3": (SmppSettings(version=33), (BIND_TRANSMITTER, BIND_RECEIVER)),
    "SMPP 5.0": (SmppSettings(version=50), (BIND_TRANSCEIVER,)),
}


@pytest.mark.parametrize("settings, commands", BINDS.values(), ids=BINDS.keys())
async def test_binds(settings: SmppSettings, commands: tuple[int, ...]) -> None:
    """Every kind submits and receives."""
    assert bind_commands(settings) == commands
    seen: list[str] = []
    async with Simulator(trace=lambda direction, text: seen.append(text)) as simulator:
        async with running(simulator, settings) as esme:
            assert esme.client.ready
            assert esme.client.free() == settings.sessions * settings.window
            answer = await esme.submit(message())
            assert answer.command_status == ESME_ROK
            await until(lambda: esme.received)
            assert f"id:{message_id(answer)} " in esme.texts()[0]
        assert simulator.counts["connections"] == len(commands)
    version = f"interface_version={int(str(settings.version), 16)}"
    assert sum(version in text for text in seen) == len(commands)


async def test_tcp_nodelay() -> None:
    async with Simulator() as simulator, running(simulator) as esme:
        (bound,) = esme.client._links
        assert bound._transport is not None
        kernel = bound._transport.get_extra_info("socket")
        assert kernel.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_refused_bind_is_kept_and_tried_again() -> None:
    async with Simulator(Options(refuse_bind=ESME_RBINDFAIL)) as simulator, running(simulator, bound=False) as esme:
        await until(lambda: simulator.counts["refused_binds"] >= 3)
        expected = f"127.0.0.1:{simulator.port} refused the bind: ESME_RBINDFAIL (0x0000000d): bind failed"
        assert esme.client.last_error == expected
        assert (esme.client.free(), esme.client.ready, esme.wakes) == (0, False, 0)
        with pytest.raises(GatewayDown, match="ESME_RBINDFAIL"):
            esme.client.submit(message())


async def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        simulator = Simulator()
        simulator.port = taken.getsockname()[1]
        async with running(simulator, bound=False) as esme:
            await until(lambda: esme.client.last_error)
            assert esme.client.last_error == f"can't connect to 127.0.0.1:{simulator.port}: Connection refused"


async def test_probe() -> None:
    async with Simulator(Options(username="me", password="secret")) as simulator:
        async with running(simulator, SmppSettings(username="me", password="secret", bind="tx")) as esme:
            await esme.client.probe()
            assert simulator.counts["binds"] == 4
        wrong = SmppSettings(username="me", password="wrong")
        async with running(simulator, wrong, bound=False) as esme:
            with pytest.raises(GatewayDown, match=r"refused the bind: ESME_RINVPASWD \(0x0000000e\): wrong password"):
                await esme.client.probe()


async def test_a_username_that_no_pdu_can_carry() -> None:
    async with Simulator() as simulator, running(simulator, SmppSettings(username="Ω"), bound=False) as esme:
        with pytest.raises(GatewayDown, match="can't bind at"):
            await esme.client.probe()


async def test_window_and_wake() -> None:
    options = Options(response_delay=0.05, receipts=False)
    async with Simulator(options) as simulator, running(simulator, SmppSettings(window=3)) as esme:
        wakes = esme.wakes
        answers = [esme.client.submit(message()) for _ in range(3)]
        assert esme.client.free() == 0
        late = esme.client.submit(message("36300000555"))  # it waits here
        await until(lambda: simulator.counts["submits"] == 3)
        assert not late.done()
        async with asyncio.timeout(PATIENCE):
            assert [pdu.command_status for pdu in await asyncio.gather(*answers, late)] == [ESME_ROK] * 4
        assert esme.client.free() == 3
        assert esme.wakes > wakes


async def test_what_waits_here_has_not_left_when_the_session_ends() -> None:
    async with Simulator(Options(silence=1.0)) as simulator, running(simulator, SmppSettings(window=1)) as esme:
        left, waits = esme.client.submit(message()), esme.client.submit(message())
        await until(lambda: simulator.counts["submits"])
        simulator.disconnect()
        with pytest.raises(OutcomeUnknown, match="the session ended before the answer"):
            await left
        with pytest.raises(GatewayDown):
            await waits


async def test_a_cancelled_submit_is_not_sent_from_the_backlog() -> None:
    options = Options(response_delay=0.02)
    async with Simulator(options) as simulator, running(simulator, SmppSettings(window=1)) as esme:
        first, second, third = (esme.client.submit(message()) for _ in range(3))
        second.cancel()
        first.cancel()
        assert (await third).command_status == ESME_ROK
        assert simulator.counts["submits"] == 2


async def test_unwritable_submit() -> None:
    async with Simulator() as simulator, running(simulator) as esme:
        free = esme.client.free()
        with pytest.raises(PduError):
            esme.client.submit(ShortMessage(source_addr="Ω"))
        assert esme.client.free() == free


async def test_statuses_are_answers() -> None:
    async with Simulator() as simulator, running(simulator) as esme:
        assert (await esme.submit(message("36300000002"))).command_status == ESME_RTHROTTLED
        assert (await esme.submit(message("36300000002"))).command_status == ESME_ROK


async def test_silence() -> None:
    async with Simulator() as simulator, running(simulator, QUICK) as esme:
        with pytest.raises(OutcomeUnknown, match=r"no answer within 0\.2 s"):
            await esme.submit(message("36300000003"))
        assert (await esme.submit(message())).command_status == ESME_ROK  # the session lives on


async def test_disconnect_and_reconnect() -> None:
    async with Simulator() as simulator, running(simulator) as esme:
        with pytest.raises(OutcomeUnknown, match="the peer closed the connection"):
            await esme.submit(message("36300000004"))
        assert (esme.client.free(), esme.client.ready) == (0, False)
        wakes = esme.wakes
        await until(lambda: esme.client.free())
        assert esme.wakes == wakes + 1
        assert esme.client.last_error == ""
        assert (await esme.submit(message())).command_status == ESME_ROK


async def test_one_session_of_two_is_lost() -> None:
    async with Simulator() as simulator, running(simulator, SmppSettings(sessions=2, window=5)) as esme:
        esme.client._links[0].abort("lost")
        assert esme.client.free() == 5
        assert (await esme.submit(message())).command_status == ESME_ROK
        await until(lambda: esme.client.free() == 10)


async def test_one_destination_goes_through_one_session_while_it_has_room() -> None:
    async with Simulator() as simulator, running(simulator, SmppSettings(sessions=3, window=4)) as esme:
        senders = esme.client._senders
        answers = [esme.client.submit(message("36305555555")) for _ in range(4)]
        assert sorted(sender.room for sender in senders) == [0, 4, 4]
        answers += [esme.client.submit(message("36305555555"))]
        assert sorted(sender.room for sender in senders) == [0, 3, 4]
        await asyncio.gather(*answers)


async def test_destinations_are_spread_over_the_sessions() -> None:
    async with Simulator() as simulator, running(simulator, SmppSettings(sessions=3)) as esme:
        answers = [esme.client.submit(message(f"3630123{number:04}")) for number in range(1000, 1060)]
        assert all(0 < 100 - sender.room < 60 for sender in esme.client._senders)
        await asyncio.gather(*answers)


async def test_deliveries_on_the_receiver_of_a_tx_bind() -> None:
    async with Simulator() as simulator, running(simulator, SmppSettings(bind="tx")) as esme:
        simulator.deliver(message(text=b"from a phone"))
        await until(lambda: simulator.counts["delivered"])
        assert esme.texts() == ["from a phone"]


async def test_receipt_before_the_answer() -> None:
    async with Simulator(Options(response_delay=0.05)) as simulator, running(simulator) as esme:
        answer = esme.client.submit(message("36300000007"))
        await until(lambda: esme.received)
        assert not answer.done()
        assert f"id:{message_id(await answer)} " in esme.texts()[0]


async def test_close_unbinds() -> None:
    seen: list[str] = []
    async with Simulator() as simulator:
        async with running(simulator, SmppSettings(sessions=2), trace=lambda way, text: seen.append(text)) as esme:
            await esme.client.close()
            assert not esme.client.ready
        assert [text.split()[0] for text in seen].count("unbind_resp") == 2


# -- an SMSC that is written out by hand --------------------------------------------------------------------------


async def test_enquire_link_both_ways() -> None:
    settings = SmppSettings(enquire=0.05)
    async with HandSmsc() as server, running(server, settings, bound=False) as esme:
        smsc = await server.connections.get()
        await smsc.accept_bind()
        asked = await smsc.read()
        assert asked.name == "enquire_link"
        smsc.write(encode(0x80000015, 0, asked.sequence_number))
        smsc.write(encode(0x15, 0, 77))
        answers = [await smsc.read(), await smsc.read()]
        assert ("enquire_link_resp", 77) in [(pdu.name, pdu.sequence_number) for pdu in answers]
        assert esme.client.ready
        smsc.writer.close()


async def test_no_answer_to_enquire_link() -> None:
    settings = SmppSettings(enquire=0.05, response=0.1)
    async with HandSmsc() as server, running(server, settings, bound=False) as esme:
        smsc = await server.connections.get()
        await smsc.accept_bind()
        await until(lambda: esme.client.last_error)
        assert esme.client.last_error == "no answer to enquire_link"


async def test_no_answer_to_the_bind() -> None:
    async with HandSmsc() as server, running(server, SmppSettings(response=0.1), bound=False) as esme:
        await until(lambda: esme.client.last_error)
        assert "no answer within 0.1 s" in esme.client.last_error


async def test_unknown_command_and_status() -> None:
    """generic_nack, a vendor's status, and the session lives on."""
    async with HandSmsc() as server, running(server, bound=False) as esme:
        smsc = await server.connections.get()
        await smsc.accept_bind()
        smsc.write(struct.pack(">IIII", 20, 0x00010200, 0, 5) + b"what")
        nack = await smsc.read()
        assert (nack.name, nack.command_status, nack.sequence_number) == ("generic_nack", 3, 5)
        await until(lambda: esme.client.ready)
        answer = esme.client.submit(message())
        asked = await smsc.read()
        smsc.write(encode(SUBMIT_SM_RESP, 0x4FF, asked.sequence_number, Answer()))
        assert (await answer).command_status == 0x4FF
        assert esme.client.ready
        smsc.writer.close()


async def test_lying_length() -> None:
    async with HandSmsc() as server, running(server, bound=False) as esme:
        smsc = await server.connections.get()
        await smsc.accept_bind()
        smsc.write(struct.pack(">IIII", 0x7FFFFFFF, DELIVER_SM, 0, 5))
        assert (await smsc.read()).name == "generic_nack"
        assert await smsc.reader.read() == b""
        await until(lambda: esme.client.last_error)
        assert "command_length 2147483647 is impossible" in esme.client.last_error
        again = await server.connections.get()
        await again.accept_bind()
        await until(lambda: esme.client.ready)
        again.writer.close()


async def test_a_faulty_session_is_given_up() -> None:
    """A submit that gets ESME_RINVBNDSTS: the two ends disagree on whether they are bound."""
    async with HandSmsc() as server, running(server, bound=False) as esme:
        smsc = await server.connections.get()
        await smsc.accept_bind()
        await until(lambda: esme.client.ready)
        answer = esme.client.submit(message())
        asked = await smsc.read()
        smsc.write(encode(SUBMIT_SM_RESP, ESME_RINVBNDSTS, asked.sequence_number, Answer()))
        assert (await answer).command_status == ESME_RINVBNDSTS
        assert await smsc.reader.read() == b""
        await until(lambda: "ESME_RINVBNDSTS" in esme.client.last_error)


async def test_a_session_that_may_be_dead_gets_no_more_submits_until_it_answers() -> None:
    settings = SmppSettings(response=0.1, enquire=60)
    async with HandSmsc() as server, running(server, settings, bound=False) as esme:
        smsc = await server.connections.get()
        await smsc.accept_bind()
        await until(lambda: esme.client.ready)
        unanswered = esme.client.submit(message())
        assert (await smsc.read()).name == "submit_sm"
        with pytest.raises(OutcomeUnknown):
            await unanswered
        assert (esme.client.free(), esme.client.ready) == (0, True)
        waits, wakes = esme.client.submit(message()), esme.wakes
        enquiry = await smsc.read()
        assert enquiry.name == "enquire_link"
        smsc.write(encode(0x80000015, 0, enquiry.sequence_number))
        asked = await smsc.read()
        smsc.write(encode(SUBMIT_SM_RESP, 0, asked.sequence_number, Answer()))
        assert (await waits).command_status == ESME_ROK
        assert (esme.client.free(), esme.wakes) == (100, wakes + 1)
        smsc.writer.close()


async def test_what_waits_for_a_session_that_is_dead_has_not_left() -> None:
    settings = SmppSettings(response=0.1, enquire=60)
    async with HandSmsc() as server, running(server, settings, bound=False) as esme:
        smsc = await server.connections.get()
        await smsc.accept_bind()
        await until(lambda: esme.client.ready)
        with pytest.raises(OutcomeUnknown):
            await esme.client.submit(message())
        with pytest.raises(GatewayDown, match="no answer to enquire_link"):
            await esme.client.submit(message())


async def test_the_peer_unbinds() -> None:
    async with HandSmsc() as server, running(server, bound=False) as esme:
        smsc = await server.connections.get()
        await smsc.accept_bind()
        smsc.write(encode(6, 0, 9))
        answer = await smsc.read()
        assert (answer.name, answer.sequence_number) == ("unbind_resp", 9)
        await until(lambda: esme.client.last_error == "the peer unbound")


async def test_a_peer_that_does_not_read() -> None:
    """Nothing more is submitted than what the buffers take, and when it reads again that is told, asked or not."""
    async with HandSmsc() as server, running(server, SmppSettings(window=2000), bound=False) as esme:
        smsc = await server.connections.get()
        await smsc.accept_bind()
        await until(lambda: esme.client.ready)
        (bound,) = esme.client._links
        answers = [esme.client.submit(message(), ((MESSAGE_PAYLOAD, b"x" * 60_000),)) for _ in range(300)]
        await until(lambda: not bound.room)
        wakes = esme.wakes
        for _ in answers:
            asked = await smsc.read()
            smsc.write(encode(SUBMIT_SM_RESP, 0, asked.sequence_number, Answer()))
        await asyncio.gather(*answers)
        assert esme.wakes == wakes + 1
        assert esme.client.free() == 2000
        smsc.writer.close()


async def test_a_peer_that_never_reads_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection ends all the same."""
    monkeypatch.setattr(link, "LINGER", 0.05)
    async with HandSmsc() as server, running(server, SmppSettings(window=2000), bound=False) as esme:
        smsc = await server.connections.get()
        await smsc.accept_bind()
        await until(lambda: esme.client.ready)
        answers = []
        while esme.client.free():
            answers.append(esme.client.submit(message(), ((MESSAGE_PAYLOAD, b"x" * 60_000),)))
            await asyncio.sleep(0)
        (bound,) = esme.client._links
        bound.close("enough")
        assert all(isinstance(end, OutcomeUnknown) for end in await asyncio.gather(*answers, return_exceptions=True))
        await until(bound.lost.done)


@pytest.mark.parametrize(
    "settings", [SmppSettings(), SmppSettings(sessions=3, bind="tx", window=7)], ids=["one", "four"]
)
async def test_every_submit_has_an_outcome_whatever_the_smsc_does(settings: SmppSettings) -> None:
    """Sessions end in the middle, submits are throttled and refused; what was taken is what is known to be taken,
    or unknown, and no place in a window is lost."""
    options = Options(disconnect=150, refuse=0.1, tps=900, receipt_delay=0.001)
    outcomes: dict[str, int] = {}
    count, left = 2000, 0
    async with Simulator(options) as simulator, running(simulator, settings) as esme:

        async def submit() -> None:
            nonlocal left
            while True:
                await until(esme.client.free)
                try:
                    left += 1
                    answer = await esme.client.submit(message())
                    outcome = status(answer.command_status).name
                except OutcomeUnknown:
                    outcome = "unknown"
                except GatewayDown:
                    left -= 1
                    continue
                outcomes[outcome] = outcomes.get(outcome, 0) + 1
                return

        await asyncio.gather(*(submit() for _ in range(count)))
        assert sum(outcomes.values()) == left == count
        assert outcomes["ESME_ROK"] <= simulator.counts["accepted"] <= outcomes["ESME_ROK"] + outcomes["unknown"]
        assert simulator.counts["disconnects"] >= 5
        await until(lambda: simulator.counts["delivered"] == simulator.counts["accepted"])
        await until(lambda: esme.client.free() == settings.sessions * settings.window)
