"""A user's mailbox, reached by a real SMTP server."""

from __future__ import annotations

import email.policy
from collections.abc import AsyncIterator, Callable
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.carriers.deliveries import delivery, user
from tests.connectors.http_rig import closed_port
from tests.peers.mail_server import MailServer
from voipsms.carriers.mail import MailCarrier
from voipsms.carriers.port import NotCarried
from voipsms.errors import ConfigError
from voipsms.model import Channel, Delivery, DeliveryId, Subject
from voipsms.settings import MailSettings

Make = Callable[..., MailCarrier]
TEXT = delivery("Szia! Árvíztűrő 🎉", Channel.MAIL)
SENDER, REPLY = "gateway@acme.test", "sms+%s@acme.test"


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    started = MailServer()
    await started.start()
    yield started
    await started.stop()


@pytest.fixture
async def make(server: MailServer) -> AsyncIterator[Make]:
    made: list[MailCarrier] = []

    def carrier(**settings: object) -> MailCarrier:
        how: dict[str, object] = {
            "server": "127.0.0.1", "port": server.port, "tls": "none", "sender": SENDER, "reply": REPLY,
        }  # fmt: skip
        made.append(MailCarrier(MailSettings(**how | settings), Path()))  # type: ignore[arg-type]
        return made[-1]

    yield carrier
    for one in made:
        await one.close()


def read(octets: bytes) -> EmailMessage:
    found = BytesParser(policy=email.policy.SMTP).parsebytes(octets)
    assert isinstance(found, EmailMessage)
    assert not found.defects
    return found


async def one_mail(server: MailServer, carrier: MailCarrier, told: Delivery) -> EmailMessage:
    await carrier.carry(told, user(mail="alice@example.com"))
    (mail,) = server.mails
    assert mail.sender == SENDER  # what bounces must not become an SMS
    return read(mail.octets)


async def refusal(carrier: MailCarrier, told: Delivery = TEXT, mail: str = "alice@example.com") -> NotCarried:
    with pytest.raises(NotCarried) as caught:
        await carrier.carry(told, user(mail=mail))
    return caught.value


# -- what arrives


async def test_a_text_can_be_answered(server: MailServer, make: Make) -> None:
    said = await make().carry(TEXT, user(mail="alice@example.com"))
    assert said == "SMTP 250 2.0.0 OK: queued as Q1"
    (mail,) = server.mails
    found = read(mail.octets)
    assert (mail.sender, mail.recipients) == (SENDER, ["alice@example.com"])
    assert mail.octets.startswith(b'From: "+36301112233" <sms+36301112233@acme.test>\r\n')
    assert (found["To"], found["Subject"]) == ("alice@example.com", "SMS from +36301112233")
    assert found["Message-ID"] == "<7000000000000000001@acme.test>"
    assert found["X-Auto-Response-Suppress"] == "OOF, AutoReply"
    assert "Auto-Submitted" not in found
    assert found["Date"] == "Mon, 26 Feb 2007 12:36:50 -0000"
    assert found.get_content() == "Szia! Árvíztűrő 🎉"


@pytest.mark.parametrize(
    ("reply", "source", "address"),
    [
        (REPLY, "36301112233", "sms+36301112233@acme.test"),
        (REPLY, "1234", "sms+1234@acme.test"),
        ("sms:%s@icewarpdemo.test", "36301112233", '"sms:36301112233"@icewarpdemo.test'),
        ("sms@acme.test", "36301112233", "sms@acme.test"),
        ("", "36301112233", SENDER),
        (REPLY, "Vodafone", SENDER),
        (REPLY, "", SENDER),
        (REPLY, "a@b.test>, <c", SENDER),
        (REPLY, "٣٦٣٠", SENDER),
    ],
    ids=["by number", "a short code", "IceWarp's", "one for all", "none", "a name", "nobody", "a forged one", "digits"],
)  # fmt: skip
async def test_who_a_text_is_from(server: MailServer, make: Make, reply: str, source: str, address: str) -> None:
    found = await one_mail(server, make(reply=reply), delivery(source=source))
    (sender,) = found["From"].addresses
    shown = f"+{source}" if source == "36301112233" else source
    assert (sender.addr_spec, sender.display_name) == (address, shown)


async def test_another_recipient(server: MailServer, make: Make) -> None:
    await make().carry(delivery(address="demo@icewarpdemo.test"), user(mail="alice@example.com"))
    (mail,) = server.mails
    assert (mail.recipients, read(mail.octets)["To"]) == (["demo@icewarpdemo.test"], "demo@icewarpdemo.test")


@pytest.mark.parametrize(
    ("told", "subject", "body"),
    [
        (delivery("", fields=(("octets", "00ff"),)), "SMS from +36301112233", "00ff\n"),
        (delivery("Half", fields=(("complete", "no"),)), "SMS from +36301112233",
         "Half\n\n[A part of this text is missing.]\n"),
        (delivery("Your message to +36201234567 was delivered", subject=Subject.RECEIPT,
                  fields=(("state", "DELIVERED"),)), "Your SMS to +36201234567: DELIVERED",
         "Your message to +36201234567 was delivered\n"),
        (delivery("Your balance is 1.00", subject=Subject.NOTICE, source="voipsms", target=""),
         "Notice of the SMS gateway", "Your balance is 1.00\n"),
    ],
    ids=["binary", "a part is missing", "receipt", "notice"],
)  # fmt: skip
async def test_other_mails(server: MailServer, make: Make, told: Delivery, subject: str, body: str) -> None:
    found = await one_mail(server, make(), told)
    assert (found["Subject"], found.get_content().replace("\r\n", "\n")) == (subject, body)
    assert (found["Auto-Submitted"] == "auto-generated") is (told.subject is not Subject.TEXT)


async def test_a_repeat_is_known_for_one(server: MailServer, make: Make) -> None:
    carrier = make()
    for told in (TEXT, delivery("Szia!", Channel.MAIL, attempt=3), delivery(id=DeliveryId(8))):
        await carrier.carry(told, user(mail="alice@example.com"))
    first, again, other = [read(mail.octets)["Message-ID"] for mail in server.mails]
    assert first == again != other
    assert server.sessions == 1


@given(st.text(st.characters()), st.text(st.characters()), st.text(st.characters()))
def test_no_value_changes_the_mail(text: str, source: str, target: str) -> None:
    """Lone surrogates among them; a header with what should be another can't be written at all."""
    carrier = MailCarrier(MailSettings(server="127.0.0.1", tls="none", sender=SENDER, reply=REPLY), Path())
    for subject in Subject:
        told = delivery(text, subject=subject, source=source, target=target)
        octets = carrier._write(told, "alice@example.com")
        names = [name for name, _ in read(octets).items()]
        assert sorted(names) == sorted([
            "From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
            "X-Auto-Response-Suppress" if subject is Subject.TEXT else "Auto-Submitted",
        ])  # fmt: skip


# -- what does not


@pytest.mark.parametrize(
    ("mail", "why", "lasting"),
    [
        ("unknown@example.com", "SMTP 550 5.1.1 No such user", True),
        ("greylisted@example.com", "SMTP 451 4.7.1 Greylisted, try again later", False),
        ("spam@example.com", "SMTP 554 5.7.1 Rejected as spam", True),
        ("full@example.com", "SMTP 452 4.3.1 Disk full", False),
        ("", "no mail address is set", True),
        ("alice", "the mail address is none", True),
        ("a@b.test, c@d.test", "the mail address is none", True),
        ("a@b.test\r\nBcc: c@d.test", "the mail address is none", True),
        ("x" * 65 + "@example.com", "the mail address is none", True),
    ],
    ids=["unknown", "greylisted", "spam", "full", "none", "half", "two", "a header", "too long"],
)
async def test_refusals(server: MailServer, make: Make, mail: str, why: str, lasting: bool) -> None:
    error = await refusal(make(), mail=mail)
    assert (error.why, error.lasting) == (why, lasting)
    assert server.mails == []


async def test_a_lost_connection(make: Make) -> None:
    error = await refusal(make(), mail="lost@example.com")
    assert not error.lasting
    assert error.why.startswith("the connection ended before the answer to DATA")


async def test_nobody_there(make: Make) -> None:
    port = closed_port()
    error = await refusal(make(port=port))
    assert (error.lasting, error.why.startswith(f"127.0.0.1:{port}: ")) == (False, True)


async def test_no_server(make: Make) -> None:
    error = await refusal(make(server="", sender=""))
    assert (error.lasting, error.why) == (True, "[mail] server: no mail can be sent without")


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"sender": ""}, "sender: must be an address"),
        ({"sender": "a@b.test\r\nX: y"}, "sender: must be an address"),
        ({"reply": "%s"}, "reply: must be an address"),
        ({"reply": 'a"b%s@acme.test'}, "reply: must be an address"),
        ({"reply": "sms@%s"}, "reply: must be an address"),
    ],
    ids=["no sender", "two lines", "a number alone", "quotes", "the number as a host"],
)
def test_settings(make: Make, settings: dict[str, str], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        make(**settings)


def test_again(make: Make) -> None:
    told = [make().pause(delivery(attempt=n), user()) for n in (1, 2, 3, 6, 7, 5000)]
    assert told == [60.0, 120.0, 240.0, 1920.0, 3600.0, 3600.0]
