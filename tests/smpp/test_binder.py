"""Where the client connects, by TLS or not, how it binds, and outbind: on simulators, over loopback sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import uvloop

from tests.peers import certificates
from tests.peers.ports import free_port
from tests.smpp.rig import PATIENCE, HandSmsc, message, running, until
from voipsms.errors import ConfigError, GatewayDown
from voipsms.gateway_settings import Server, SmppSettings
from voipsms.smpp.behaviour import Options
from voipsms.smpp.binder import addresses
from voipsms.smpp.client import Client
from voipsms.smpp.codec import encode
from voipsms.smpp.faults import Strike
from voipsms.smpp.pdu import (
    BIND_TRANSCEIVER,
    OUTBIND,
    RESPONSE,
    Answer,
    Bind,
    Cancel,
    DataMessage,
    Destination,
    MultiAnswer,
    MultiMessage,
    Outbind,
    Query,
    QueryAnswer,
    Replace,
)
from voipsms.smpp.simulator import Simulator
from voipsms.smpp.states import State
from voipsms.smpp.status import ESME_RALYBND, ESME_RINVBNDSTS, ESME_RINVCMDID, ESME_ROK


def also(simulator: Simulator, secure: bool = False) -> Server:
    return Server("127.0.0.1", simulator.port, secure)


# -- addresses ------------------------------------------------------------------------------------------------------


def test_the_order_of_addresses() -> None:
    settings = SmppSettings(server="a", serverport=1, secure=True, servers=(Server("b", 2), Server("c", 3, True)))
    assert [str(address) for address in addresses(settings)] == ["ssl:a:1", "b:2", "ssl:c:3"]


async def test_the_next_address_when_one_fails() -> None:
    async with Simulator() as simulator:
        nobody = Simulator()
        nobody.port = free_port()
        settings = SmppSettings(servers=(Server("127.0.0.1", free_port()), also(simulator)))
        async with running(nobody, settings, bound=False) as esme:
            await until(lambda: esme.client.free())
            assert (await esme.submit(message())).command_status == ESME_ROK


async def test_the_next_address_when_one_drops_and_the_first_again_after_the_last() -> None:
    async with (
        Simulator() as first,
        Simulator() as second,
        running(first, SmppSettings(servers=(also(second),))) as esme,
    ):
        first.disconnect()
        await until(lambda: second.counts["binds"] == 1 and esme.client.free())
        second.disconnect()
        await until(lambda: first.counts["binds"] == 2 and esme.client.free())


async def test_the_next_address_when_a_bind_is_refused() -> None:
    async with (
        Simulator(Options(refuse_bind=0x0D)) as first,
        Simulator() as second,
        running(first, SmppSettings(servers=(also(second),)), bound=False) as esme,
    ):
        await until(lambda: esme.client.free())
        assert (first.counts["refused_binds"], second.counts["binds"]) == (1, 1)


async def test_each_session_goes_its_own_way() -> None:
    async with (
        Simulator() as first,
        Simulator() as second,
        running(first, SmppSettings(servers=(also(second),), sessions=4, window=5)) as esme,
    ):
        esme.client._links[0].abort("lost")
        await until(lambda: second.counts["binds"] == 1 and esme.client.free() == 20)
        assert first.counts["binds"] == 4


async def test_sixteen_sessions() -> None:
    async with Simulator() as simulator, running(simulator, SmppSettings(sessions=16, window=3)) as esme:
        assert esme.client.free() == 48


async def test_probe_takes_any_address() -> None:
    async with Simulator() as second:
        nobody = Simulator()
        nobody.port = free_port()
        async with running(nobody, SmppSettings(servers=(also(second),)), bound=False) as esme:
            await esme.client.probe()


async def test_probe_tells_what_is_wrong_at_each() -> None:
    async with Simulator(Options(refuse_bind=0x0D)) as second:
        nobody = Simulator()
        nobody.port = free_port()
        async with running(nobody, SmppSettings(servers=(also(second),)), bound=False) as esme:
            with pytest.raises(GatewayDown, match=r"Connection refused; 127.* refused the bind: ESME_RBINDFAIL"):
                await esme.client.probe()


# -- binds ----------------------------------------------------------------------------------------------------------


async def test_a_receiver_alone() -> None:
    """It is usable, and takes no submits."""
    async with Simulator() as simulator, running(simulator, SmppSettings(bind="rx", sessions=2), bound=False) as esme:
        await until(lambda: simulator.counts["binds"] == 2 and esme.client.ready)
        assert [link.session.state for link in esme.client._links] == [State.BOUND_RX] * 2
        assert esme.client.free() == 0
        with pytest.raises(GatewayDown):
            esme.client.submit(message())
        simulator.deliver(message(text=b"from a phone"))
        await until(lambda: esme.texts() == ["from a phone"])


async def test_bound_already_is_waited_out() -> None:
    """The SMSC has not noticed yet that the last session is gone: ESME_RALYBND until it has."""
    refused = 4
    async with HandSmsc() as server, running(server, bound=False) as esme:
        for _ in range(refused):
            smsc = await server.connections.get()
            bind = await smsc.read()
            smsc.write(encode(bind.command_id | RESPONSE, ESME_RALYBND, bind.sequence_number))
            await until(lambda: "ESME_RALYBND" in esme.client.last_error)
        smsc = await server.connections.get()
        await smsc.accept_bind()
        await until(lambda: esme.client.ready)
        assert esme.client.last_error == ""
        smsc.writer.close()


@pytest.mark.parametrize("command_status", [ESME_ROK, ESME_RINVCMDID])
async def test_a_bind_answered_by_generic_nack(command_status: int) -> None:
    async with HandSmsc() as server, running(server, bound=False) as esme:
        smsc = await server.connections.get()
        bind = await smsc.read()
        smsc.write(encode(0x80000000, command_status, bind.sequence_number))
        await until(lambda: "refused the bind" in esme.client.last_error)
        assert await smsc.reader.read() == b""
        assert not esme.client.ready


async def test_the_whole_bind_has_one_time_limit() -> None:
    """By AbsoluteTimeout: here the bind alone would have five seconds."""
    settings = SmppSettings(response=5, timeout=1, absolutetimeout=True)
    async with HandSmsc() as server, running(server, replace(settings, timeout=0.05), bound=False) as esme:
        await until(lambda: esme.client.last_error)
        assert esme.client.last_error == f"can't bind at 127.0.0.1:{server.port}: not within 0.05 s"


async def test_a_submit_has_that_limit_too() -> None:
    settings = SmppSettings(response=5, timeout=0.1, absolutetimeout=True, enquire=0.03)
    async with Simulator(Options(silence=1.0)) as simulator, running(simulator, settings) as esme:
        started = asyncio.get_running_loop().time()
        with pytest.raises(Exception, match="no answer"):
            await esme.submit(message())
        assert asyncio.get_running_loop().time() - started < 2


async def test_silence_ends_a_session() -> None:
    settings = SmppSettings(timeout=0.1, enquire=60)
    async with HandSmsc() as server, running(server, settings, bound=False) as esme:
        smsc = await server.connections.get()
        await smsc.accept_bind()
        await until(lambda: "nothing received" in esme.client.last_error)
        assert await smsc.reader.read() == b""


@pytest.mark.parametrize("policy", [asyncio.DefaultEventLoopPolicy, uvloop.EventLoopPolicy])
def test_buffers(policy: type[asyncio.AbstractEventLoopPolicy]) -> None:
    """The kernel doubles what it is asked for (socket(7))."""

    async def sizes() -> list[int]:
        settings = SmppSettings(inbuffersize=8192, outbuffersize=16384)
        async with Simulator() as simulator, running(simulator, settings) as esme:
            (link,) = esme.client._links
            assert link._transport is not None
            kernel = link._transport.get_extra_info("socket")
            return [kernel.getsockopt(socket.SOL_SOCKET, option) for option in (socket.SO_RCVBUF, socket.SO_SNDBUF)]

    with asyncio.Runner(loop_factory=policy().new_event_loop) as runner:
        assert runner.run(sizes()) == [16384, 32768]


# -- what an ESME may ask beside submit_sm ----------------------------------------------------------------------------


async def test_every_request() -> None:
    async with Simulator(Options(receipt_delay=60)) as simulator, running(simulator, SmppSettings(window=5)) as esme:
        taken = await esme.submit(message())
        assert isinstance(taken.body, Answer)
        number = taken.body.message_id
        to = Destination(1, 1, "36301234567")
        answers = [
            await esme.client.request(body)
            for body in (
                message(),
                MultiMessage("", 5, 0, "Foo", (to, to)),
                DataMessage("", 5, 0, "Foo", 1, 1, "36301234567"),
                Query(number, 5, 0, "Foo"),
                Replace(number, 5, 0, "Foo", short_message=b"other"),
                Cancel("", number, 5, 0, "Foo", 1, 1, "36301234567"),
            )
        ]
        assert [answer.name for answer in answers] == [
            f"{name}_resp" for name in ("submit_sm", "submit_multi", "data_sm", "query_sm", "replace_sm", "cancel_sm")
        ]
        assert [answer.command_status for answer in answers] == [ESME_ROK] * 6
        assert isinstance(answers[1].body, MultiAnswer)
        assert isinstance(answers[3].body, QueryAnswer)


async def test_requests_wait_for_room_as_submits_do() -> None:
    async with Simulator(Options(response_delay=0.02)) as simulator, running(simulator, SmppSettings(window=1)) as esme:
        submits = [esme.client.submit(message()), esme.client.request(DataMessage(destination_addr="361"))]
        assert esme.client.free() == 0
        waits = esme.client.request(Query("none"))
        assert [(await answer).name for answer in (*submits, waits)] == [
            "submit_sm_resp",
            "data_sm_resp",
            "query_sm_resp",
        ]


async def test_a_query_that_is_not_offered_ends_no_session() -> None:
    async with HandSmsc() as server, running(server, bound=False) as esme:
        smsc = await server.connections.get()
        await smsc.accept_bind()
        await until(lambda: esme.client.ready)
        answer = esme.client.request(Query("1"))
        asked = await smsc.read()
        smsc.write(encode(0x80000000, ESME_RINVCMDID, asked.sequence_number))
        assert (await answer).command_status == ESME_RINVCMDID
        assert esme.client.ready
        smsc.writer.close()


async def test_a_fault_that_the_gateway_calls_otherwise_ends_no_session() -> None:
    settings = SmppSettings(status=((ESME_RINVBNDSTS, "retry"),))
    async with (
        Simulator(Options(faults=(Strike("submit-on-receiver", 1, 1),))) as simulator,
        running(simulator, settings) as esme,
    ):
        assert (await esme.submit(message())).command_status == ESME_RINVBNDSTS
        assert (await esme.submit(message())).command_status == ESME_ROK
        assert simulator.counts["connections"] == 1


# -- TLS ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pki:
    folder: Path
    ca: certificates.Certificate
    smsc: certificates.Certificate

    def options(self, **more: str) -> Options:
        return Options(tls_cert=str(self.smsc.certificate), tls_key=str(self.smsc.key), **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    folder = tmp_path_factory.mktemp("pki")
    ca = certificates.authority(folder)
    smsc, esme = (certificates.server(folder, ca, name) for name in ("localhost", "esme"))
    (folder / "own.pem").write_bytes(esme.certificate.read_bytes() + esme.key.read_bytes())
    return Pki(folder, ca, smsc)


@pytest.fixture
def believed(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system believes the test's authority."""
    monkeypatch.setenv("SSL_CERT_FILE", str(pki.ca.certificate))


async def test_tls_with_a_valid_certificate(pki: Pki, believed: None) -> None:
    async with Simulator(pki.options()) as simulator, running(simulator, SmppSettings(secure=True)) as esme:
        assert (await esme.submit(message())).command_status == ESME_ROK
        await until(lambda: esme.received)


async def test_tls_with_a_certificate_of_nobody(pki: Pki) -> None:
    async with (
        Simulator(pki.options()) as simulator,
        running(simulator, SmppSettings(secure=True), bound=False) as esme,
    ):
        await until(lambda: esme.client.last_error)
        assert "its certificate is not valid: unable to get local issuer" in esme.client.last_error
        assert simulator.counts["binds"] == 0


async def test_tls_with_a_certificate_of_another_name(pki: Pki, believed: None) -> None:
    other = Options(tls_cert=str(pki.folder / "own.pem"))
    async with Simulator(replace(other, host="127.0.0.2")) as simulator:
        settings = SmppSettings(secure=True, server="127.0.0.2")
        async with running(simulator, settings, bound=False) as esme:
            await until(lambda: esme.client.last_error)
            assert "IP address mismatch, certificate is not valid for" in esme.client.last_error


async def test_tls_with_any_certificate(pki: Pki) -> None:
    settings = SmppSettings(secure=True, sslaccept="ANY")
    async with Simulator(pki.options()) as simulator, running(simulator, settings) as esme:
        assert esme.client.ready


async def test_tls_with_the_certificate_that_is_pinned(pki: Pki) -> None:
    settings = SmppSettings(secure=True, sslencodig=pki.smsc.certificate.read_text())
    async with Simulator(pki.options()) as simulator, running(simulator, settings) as esme:
        assert esme.client.ready


async def test_tls_with_another_one_than_that(pki: Pki, believed: None) -> None:
    """Valid or not: nothing is said to it."""
    settings = SmppSettings(secure=True, sslencodig=(pki.folder / "esme.pem").read_text())
    async with Simulator(pki.options()) as simulator, running(simulator, settings, bound=False) as esme:
        await until(lambda: esme.client.last_error)
        assert esme.client.last_error == "the SMSC's certificate is not the one in smpp_sslencodig"
        assert simulator.counts["binds"] + simulator.counts["refused_binds"] == 0


async def test_our_certificate_is_shown(pki: Pki) -> None:
    settings = SmppSettings(secure=True, sslaccept="ANY", sslcertstore=str(pki.folder / "own.pem"))
    async with (
        Simulator(pki.options(tls_ca=str(pki.ca.certificate))) as simulator,
        running(simulator, settings) as esme,
    ):
        assert esme.client.ready
        without = replace(settings, sslcertstore="")
        async with running(simulator, without, bound=False) as esme:
            await until(lambda: esme.client.last_error)
            assert not esme.client.ready


async def test_tls_at_one_address_of_two(pki: Pki) -> None:
    async with Simulator() as plain, Simulator(pki.options()) as secure:
        settings = SmppSettings(servers=(also(secure, secure=True),), sslaccept="ALL")
        async with running(plain, settings) as esme:
            plain.disconnect()
            await until(lambda: secure.counts["binds"] == 1 and esme.client.free())


async def test_plain_smpp_where_tls_is_awaited(pki: Pki) -> None:
    async with Simulator(pki.options()) as simulator, running(simulator, bound=False) as esme:
        await until(lambda: esme.client.last_error)
        assert not esme.client.ready


async def test_tls_where_plain_smpp_is_awaited() -> None:
    async with (
        Simulator() as simulator,
        running(simulator, SmppSettings(secure=True, response=0.3), bound=False) as esme,
    ):
        await until(lambda: "can't connect" in esme.client.last_error)


def test_settings_of_tls_are_looked_at_only_where_there_is_tls() -> None:
    wrong = SmppSettings(server="a", sslaccept="what")

    def client(settings: SmppSettings) -> Client:
        return Client(settings, on_request=lambda link, pdu: None, on_room=lambda: None)

    client(wrong)
    for settings in (replace(wrong, secure=True), replace(wrong, servers=(Server("b", 1, True),))):
        with pytest.raises(ConfigError, match="smpp_sslaccept"):
            client(settings)


# -- outbind --------------------------------------------------------------------------------------------------------

OUTBOUND = SmppSettings(outbind="127.0.0.1:0", outbindpassword="knock", username="me", password="secret")


async def ended(reader: asyncio.StreamReader) -> None:
    """The connection ends, one way or another, without a word."""
    async with asyncio.timeout(PATIENCE):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""


async def test_outbind() -> None:
    """The SMSC connects, asks, and delivers through the session that we bind."""
    async with Simulator() as usual, running(usual, OUTBOUND) as esme:
        await until(lambda: esme.client.outbind_port)
        asking = Options(
            outbind=f"127.0.0.1:{esme.client.outbind_port}", outbind_password="knock", username="me", password="secret"
        )
        async with Simulator(asking) as smsc:
            smsc.deliver(message(text=b"by outbind"))
            await until(lambda: esme.texts() == ["by outbind"])
            assert (smsc.counts["outbinds"], smsc.counts["binds"]) == (1, 1)
            assert [link.session.state for link in esme.client._links] == [State.BOUND_TRX, State.BOUND_RX]
            assert esme.client.free() == 100  # through the usual session alone
        await until(lambda: len(esme.client._links) == 1)


async def test_outbind_with_a_wrong_password() -> None:
    async with Simulator() as usual, running(usual, OUTBOUND) as esme:
        await until(lambda: esme.client.outbind_port)
        reader, writer = await asyncio.open_connection("127.0.0.1", esme.client.outbind_port)
        writer.write(encode(OUTBIND, 0, 1, Outbind("smsc", "guess")))
        assert await reader.read() == b""  # not a word, least of all our password
        writer.close()
        await writer.wait_closed()


async def test_nothing_but_outbind_is_heard_there() -> None:
    async with Simulator() as usual, running(usual, OUTBOUND) as esme:
        await until(lambda: esme.client.outbind_port)
        reader, writer = await asyncio.open_connection("127.0.0.1", esme.client.outbind_port)
        writer.write(encode(BIND_TRANSCEIVER, 0, 1, Bind("me", "secret")))
        answer = await reader.readexactly(16)
        assert int.from_bytes(answer[8:12], "big") == ESME_RINVBNDSTS
        writer.close()
        await writer.wait_closed()


async def test_an_outbind_that_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voipsms.smpp.outbind.PATIENCE", 0.05)
    async with Simulator() as usual, running(usual, OUTBOUND) as esme:
        await until(lambda: esme.client.outbind_port)
        reader, writer = await asyncio.open_connection("127.0.0.1", esme.client.outbind_port)
        await ended(reader)
        writer.close()


async def test_more_connections_than_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voipsms.smpp.outbind.MOST", 1)
    async with Simulator() as usual, running(usual, OUTBOUND) as esme:
        await until(lambda: esme.client.outbind_port)
        _, first = await asyncio.open_connection("127.0.0.1", esme.client.outbind_port)
        reader, second = await asyncio.open_connection("127.0.0.1", esme.client.outbind_port)
        await ended(reader)
        for writer in (first, second):
            writer.close()


async def test_an_smsc_that_does_not_let_us_bind_after_its_outbind() -> None:
    async with Simulator() as usual, running(usual, OUTBOUND) as esme:
        await until(lambda: esme.client.outbind_port)
        asking = Options(outbind=f"127.0.0.1:{esme.client.outbind_port}", outbind_password="knock", refuse_bind=0x0D)
        async with Simulator(asking) as smsc:
            await until(lambda: smsc.counts["refused_binds"])
            assert len(esme.client._links) == 1


async def test_an_address_that_another_has_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voipsms.smpp.outbind.AGAIN", 0.01)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        async with Simulator() as usual, running(usual, replace(OUTBOUND, outbind=f"127.0.0.1:{port}")) as esme:
            assert esme.client.outbind_port == 0
            other.close()
            await until(lambda: esme.client.outbind_port == port)


REFUSED = {
    "no port": (replace(OUTBOUND, outbind="here"), "smpp_outbind: must be host:port"),
    "no password": (replace(OUTBOUND, outbindpassword=""), "smpp_outbindpassword: must be set"),
    "beside TLS": (replace(OUTBOUND, servers=(Server("b", 1, True),)), "smpp_outbind: must be empty with TLS"),
}


@pytest.mark.parametrize("settings, why", REFUSED.values(), ids=REFUSED.keys())
def test_settings_of_outbind_that_can_not_be_used(settings: SmppSettings, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        Client(replace(settings, server="a"), on_request=lambda link, pdu: None, on_room=lambda: None)


async def test_an_outbind_on_our_own_session_means_nothing() -> None:
    async with HandSmsc() as server, running(server, bound=False) as esme:
        smsc = await server.connections.get()
        smsc.write(encode(OUTBIND, 0, 9, Outbind("smsc", "knock")))
        await smsc.accept_bind()
        await until(lambda: esme.client.ready)
        smsc.writer.close()
