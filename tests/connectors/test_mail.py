from __future__ import annotations

import asyncio
import email.parser
import email.policy
import functools
import json
import re
import ssl
from collections.abc import AsyncIterator, Callable
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.connectors.messages import message
from tests.connectors.rig import Traces, Wakes, submit
from tests.peers import certificates
from tests.peers.mail_server import PASSWORD, USER, MailServer
from tests.peers.ports import free_port
from voipsms.connectors.mail import LONGEST_LINE, MailConnector, word, write_mail
from voipsms.connectors.template import values
from voipsms.errors import (
    ConfigError,
    GatewayDown,
    OutcomeUnknown,
    RefusedHere,
    SubmitError,
    SubmitFailed,
    SubmitRefused,
)
from voipsms.gateway_settings import GatewaySettings
from voipsms.log import LogMethod
from voipsms.model import GatewayId, Message, Part, State
from voipsms.settings import MailSettings
from voipsms.values import replace

Connect = Callable[..., MailConnector]


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    started = MailServer()
    yield started
    await started.stop()


@pytest.fixture
async def connect(tmp_path: Path, server: MailServer) -> AsyncIterator[Connect]:
    """Makes a connector to the server and closes it after the test."""
    made: list[MailConnector] = []

    def make(
        url: str = "mailto:[tonum]@sms.test", mail: dict[str, object] | None = None, wake: Wakes | None = None,
        trace: LogMethod | None = None, **fields: object,
    ) -> MailConnector:  # fmt: skip
        told = GatewaySettings(smsurl=url, **fields)  # type: ignore[arg-type]
        how = {"server": "127.0.0.1", "port": server.port, "tls": "none", "sender": "gw@acme.test", "timeout": 5.0}
        at = MailSettings(**{**how, **(mail or {})})  # type: ignore[arg-type]
        made.append(MailConnector(GatewayId(2), told, wake or Wakes(), tmp_path, at, trace=trace))
        return made[-1]

    yield make
    for connector in made:
        await connector.close()


def read(octets: bytes) -> EmailMessage:
    found = email.parser.BytesParser(policy=email.policy.SMTP).parsebytes(octets)
    assert isinstance(found, EmailMessage)
    assert found.defects == []
    return found


def text_of(mail: EmailMessage) -> str:
    payload = mail.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


# -- mails --------------------------------------------------------------------------------------------------------


async def test_a_mail(server: MailServer, connect: Connect) -> None:
    await server.start()
    taken = await submit(connect(), "hello\n.\nworld")
    assert (taken.provider_id, taken.state, taken.comment) == (
        "1.2@acme.test", State.ACCEPTED, "SMTP 250 2.0.0 OK: queued as Q1",
    )  # fmt: skip
    (mail,) = server.mails
    assert (mail.sender, mail.recipients) == ("gw@acme.test", ["36209876543@sms.test"])
    found = read(mail.octets)
    assert {name: str(value) for name, value in found.items() if name != "Date"} == {
        "From": "gw@acme.test", "To": "36209876543@sms.test", "Subject": "", "Message-ID": "<1.2@acme.test>",
        "Auto-Submitted": "auto-generated", "MIME-Version": "1.0", "Content-Type": 'text/plain; charset="utf-8"',
        "Content-Transfer-Encoding": "7bit",
    }  # fmt: skip
    assert found["Date"].datetime is not None
    assert mail.octets.endswith(b"\r\n\r\nhello\r\n.\r\nworld\r\n")


async def test_templates(server: MailServer, connect: Connect) -> None:
    await server.start()
    connector = connect(
        "mailto:%2B[tonum]@sms.test,log@acme.test?subject=SMS%20from%20[fromnum]:%20[message]&cc=c@x.test&bcc=b@x.test",
        smssenddata="[message]\nfrom [fromnum]", smssendheader="From: [fromnum]@acme.test|X-Id: [smsid] [message]",
    )  # fmt: skip
    await submit(connector, "árvíz\r\nBcc: evil@x.test", sender="Acme")
    (mail,) = server.mails
    recipients = ["+36209876543@sms.test", "log@acme.test", "c@x.test", "b@x.test"]
    assert (mail.sender, mail.recipients) == ("gw@acme.test", recipients)
    found = read(mail.octets)
    assert str(found["Subject"]) == "SMS from Acme: árvíz  Bcc: evil@x.test"
    assert (str(found["From"]), str(found["Cc"]), found["Bcc"]) == ("Acme@acme.test", "c@x.test", None)
    assert str(found["To"]) == "+36209876543@sms.test, log@acme.test"
    assert str(found["X-Id"]) == "1 %C3%A1rv%C3%ADz%0D%0ABcc:%20evil@x.test"
    assert text_of(found).split() == ["árvíz", "Bcc:", "evil@x.test", "from", "Acme"]


async def test_the_body_may_stand_in_the_url(server: MailServer, connect: Connect) -> None:
    await server.start()
    await submit(connect("mailto:[tonum]@sms.test?body=%3C[message]%3E&subject=hi"), "x")
    assert server.mails[0].octets.endswith(b"\r\n\r\n<x>\r\n")


ODD = st.text(
    st.one_of(st.sampled_from("\r\n\t\0 <>\"';,@?:%\\=.\u2028\u0085\U0001f600"), st.characters()), max_size=60
) | st.sampled_from(
    ["=?utf-8?q?=0D=0ABcc:_x@y?=", "=?x", "\r\n.\r\nQUIT", "x" * 2000, "é" * 500, "[tonum]", "{{1}}", "%data%"]
)


@functools.cache
def odd_mail() -> MailConnector:
    told = GatewaySettings(
        smsurl="mailto:[tonum]@sms.test?subject=a%20[message]", smssendheader="From: [fromnum]@acme.test"
    )
    mail = MailSettings(server="127.0.0.1", tls="none", sender="gw@acme.test")
    return MailConnector(GatewayId(2), told, lambda: None, Path(), mail)


@given(text=ODD, sender=ODD, target=ODD)
@settings(max_examples=250)
def test_no_value_changes_the_mail(text: str, sender: str, target: str) -> None:
    if not re.fullmatch(r"[!#-'*+\-/-9=?A-Z^-~]{1,64}", target) or ".." in f".{target}.":
        target = "36201234567"  # the others are refused: see below
    try:
        mail = odd_mail()._write(values(message(text, sender=sender, target=target)), 0.0)
    except SubmitRefused as error:
        assert "would be too long" in str(error)  # noqa: PT017
        assert len(sender) > 100
        return
    assert mail.recipients == (f"{target}@sms.test",)
    head, _, body = mail.octets.partition(b"\r\n\r\n")
    lines = head.decode("ascii").split("\r\n")
    names = [line.partition(":")[0] for line in lines if not line.startswith(" ")]
    assert names == [
        "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "From", "MIME-Version", "Content-Type",
        "Content-Transfer-Encoding",
    ]  # fmt: skip
    assert all(len(line) <= LONGEST_LINE for line in lines)
    assert b"\r" not in mail.octets.replace(b"\r\n", b"")
    assert b"\n" not in mail.octets.replace(b"\r\n", b"")
    assert b"\0" not in body
    assert all(len(line) <= LONGEST_LINE for line in body.split(b"\r\n"))
    said = text_of(email.parser.BytesParser(policy=email.policy.SMTP).parsebytes(mail.octets))
    expected = text.encode("utf-8", "replace").decode().replace("\r\n", "\n")
    assert said.replace("\r\n", "\n").removesuffix("\n") in (expected, expected.removesuffix("\n"))


@pytest.mark.parametrize(
    "value, written",
    [
        ("plain text", "plain text"),
        ("é", "=?utf-8?b?w6k=?="),
        ("=?utf-8?q?x?=", "=?utf-8?b?PT91dGYtOD9xP3g/PQ==?="),
        ("half \ud800 pair", "half ? pair"),
        ("a\r\nBcc: x", "=?utf-8?b?YQpCY2M6IHg=?="),
    ],
)
def test_words(value: str, written: str) -> None:
    found = word(value)
    assert "\r\n" not in found.replace("\r\n ", "")
    if value != "a\r\nBcc: x":
        assert found == written


@pytest.mark.parametrize("value", ["a\nX: y", "a\r\nX", "a\rX", "a\0", "é", "x" * 1000])
def test_headers_that_cannot_be_written(value: str) -> None:
    with pytest.raises(SubmitRefused):
        write_mail([("X-A", value)], "text")


@pytest.mark.parametrize("target", ["a b", "a@evil.test,b", "", "x" * 65, "a\r\n", "<a>", "a..b"])
async def test_no_recipient_can_be_made_of_it(server: MailServer, connect: Connect, target: str) -> None:
    await server.start()
    with pytest.raises(SubmitRefused, match="before the @ of a mail address"):
        await submit(connect(), target=target)
    assert server.sessions == 0


async def test_a_binary_message_is_for_another_gateway(server: MailServer, connect: Connect) -> None:
    binary: Message = replace(message(""), octets=b"\1\2")
    with pytest.raises(RefusedHere):
        await connect(mail={"port": 1}).submit(Part(binary, 1, 1))


# -- settings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url, mail, fault",
    [
        ("mailto:", {}, r"\[global\] smsurl: must be mailto:\[tonum\]@host"),
        ("mailto:[tonum]", {}, "must be mailto:"),
        ("mailto:[tonum]@[tonum].test", {}, "must be mailto:"),
        ("mailto:x@a.test?from=y", {}, "smsurl: from is not one of bcc, body, cc, subject, to"),
        ("mailto:x@a.test?subject=[nothing]", {}, r"character 1: unknown keyword \[nothing\]"),
        ("mailto:x@a.test?subject=a%0Ab", {}, r"smsurl: character 2: '\\n' is not allowed here"),
        ("mailto:x@a.test", {"server": ""}, r"\[mail\] server: must be set"),
        ("mailto:x@a.test", {"sender": "nobody"}, r"\[mail\] sender: must be an address"),
        ("mailto:x@a.test", {"tls": "ssl", "ca": "none.pem"}, r"\[mail\] ca: .*none\.pem: No such file"),
    ],
)
async def test_faults_stop_the_start(connect: Connect, url: str, mail: dict[str, object], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        connect(url, mail={"port": 1, **mail})


async def test_headers_of_ours_stay_ours(connect: Connect) -> None:
    with pytest.raises(ConfigError, match="smssendheader: Bcc is set by the connector itself"):
        connect(mail={"port": 1}, smssendheader="Bcc: x@y")


# -- the server ---------------------------------------------------------------------------------------------------


@pytest.fixture
def vouched(tmp_path: Path) -> tuple[ssl.SSLContext, str]:
    """A server's TLS and the file of the authority that vouches for it."""
    ca = certificates.authority(tmp_path)
    made = certificates.server(tmp_path, ca)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.certificate, made.key)
    return context, ca.certificate.name


@pytest.mark.parametrize("tls", ["starttls", "ssl"])
async def test_tls_and_login(
    server: MailServer, connect: Connect, vouched: tuple[ssl.SSLContext, str], tls: str
) -> None:
    context, ca = vouched
    await server.start(tls=context, implicit=tls == "ssl", login=True)
    told = {"tls": tls, "ca": ca, "user": USER, "password": PASSWORD}
    connector = connect(mail=told)
    await connector.probe()
    for _ in range(2):
        await submit(connector)
    assert len(server.mails) == 2
    await submit(connect(mail={**told, "ca": "", "verify_tls": False}))
    with pytest.raises(GatewayDown, match="certificate verify failed"):
        await connect(mail={**told, "ca": ""}).probe()
    wrong = connect(mail={**told, "password": "geheim"})
    with pytest.raises(GatewayDown, match="535"):
        await submit(wrong)
    assert not wrong.ready
    assert "geheim" not in wrong.last_error
    assert len(server.mails) == 3


async def test_no_mail_leaves_in_the_clear_where_starttls_is_asked_for(server: MailServer, connect: Connect) -> None:
    await server.start()
    with pytest.raises(GatewayDown, match="STARTTLS"):
        await submit(connect(mail={"tls": "starttls"}))
    assert server.mails == []


async def test_connections_are_kept(server: MailServer, connect: Connect) -> None:
    await server.start()
    connector = connect()
    for _ in range(3):
        await submit(connector)
    assert server.sessions == 1
    server.hang_up()  # what is idle may end at any time
    await submit(connector)
    assert (server.sessions, len(server.mails)) == (2, 4)


async def test_several_at_once(server: MailServer, connect: Connect) -> None:
    await server.start()
    wakes = Wakes()
    connector = connect(wake=wakes, connections=3)
    tasks = [asyncio.ensure_future(submit(connector)) for _ in range(3)]
    await asyncio.sleep(0)
    assert connector.free() == 0
    await asyncio.gather(*tasks)
    assert (connector.free(), wakes.count, server.sessions, len(server.mails)) == (3, 1, 3, 3)


@pytest.mark.parametrize(
    "target, error, comment",
    [
        ("unknown", SubmitRefused, "SMTP 550 5.1.1 No such user"),
        ("greylisted", SubmitFailed, "SMTP 451 4.7.1 Greylisted, try again later"),
        ("spam", SubmitRefused, "SMTP 554 5.7.1 Rejected as spam"),
        ("full", SubmitFailed, "SMTP 452 4.3.1 Disk full"),
    ],
)
async def test_not_taken(
    server: MailServer, connect: Connect, target: str, error: type[SubmitError], comment: str
) -> None:
    await server.start()
    connector = connect()
    with pytest.raises(error) as caught:
        await submit(connector, target=target)
    assert (type(caught.value), caught.value.comment) == (error, comment)
    await submit(connector)
    assert (server.sessions, len(server.mails), connector.ready) == (1, 1, True)


async def test_one_recipient_refused_is_no_mail_at_all(server: MailServer, connect: Connect) -> None:
    await server.start()
    with pytest.raises(SubmitRefused):
        await submit(connect("mailto:[tonum]@sms.test?cc=unknown@x.test"))
    assert server.mails == []


@pytest.mark.parametrize("target", ["lost", "late"])
async def test_after_data_nobody_knows(server: MailServer, connect: Connect, target: str) -> None:
    await server.start()
    connector = connect(mail={"timeout": 0.3})
    with pytest.raises(OutcomeUnknown, match="the connection ended before the answer to DATA"):
        await submit(connector, target=target)
    assert connector.ready
    await submit(connector)
    assert server.mails[-1].recipients == ["36209876543@sms.test"]
    assert server.sessions == 2


async def test_before_data_nothing_was_sent(server: MailServer, connect: Connect) -> None:
    await server.start()
    connector = connect()
    with pytest.raises(GatewayDown):
        await submit(connector, target="vanish")
    assert (connector.ready, server.mails) == (False, [])


async def test_up_again(server: MailServer, connect: Connect) -> None:
    server.port = free_port()
    wakes = Wakes()
    connector = connect(wake=wakes)
    with pytest.raises(GatewayDown, match=f"127.0.0.1:{server.port}: "):
        await submit(connector)
    assert connector.free() == 0
    watch = asyncio.create_task(connector.run())
    await server.start()
    wakes.called.clear()
    async with asyncio.timeout(5):
        await wakes.called.wait()
    watch.cancel()
    await submit(connector)
    assert connector.last_error == ""


# -- what is shown ------------------------------------------------------------------------------------------------


async def test_described_and_traced(server: MailServer, connect: Connect) -> None:
    await server.start()
    traces = Traces()
    connector = connect("mailto:[tonum]@sms.test?subject=[message]&bcc=b@x.test", trace=traces)
    described = await connector.describe(message("hi"))
    assert described[:3] == ["MAIL FROM:<gw@acme.test>", "RCPT TO:<36209876543@sms.test>", "RCPT TO:<b@x.test>"]
    assert "Subject: hi" in described
    assert described[-2:] == ["", "hi"]
    await submit(connector, "secret text")
    shown = json.dumps(traces.lines)
    assert "Subject: *** (11)" in shown
    for hidden in ("secret text", "36209876543"):
        assert hidden not in shown
