"""Commands as MESSAGEs of softphones behind Kamailio: to the gateway's extension, and to an account of ours there."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from tests.acceptance.office import ALICE, BOB, CREDIT, MOBILE, SECRETS, Office
from tests.acceptance.rig import ledger_holds
from tests.peers.gateway import Gateway
from tests.peers.kamailio import Kamailio
from tests.peers.phone import Phone, message
from tests.peers.pjsua import Pjsua
from tests.peers.program import wait_until
from tests.peers.smsc import LiveSmsc
from voipsms.sip.digest import authorization
from voipsms.sip.headers import Headers
from voipsms.sip.message import Request
from voipsms.smpp.behaviour import Options

EXTENSION = "36209991111"  # Kamailio gives us what looks like a number
ACCOUNT = "carol"  # of Kamailio's; a caller process of ours registers it
STRANGER = "dave"  # has a softphone, and no account with us
PASSWORDS = {**SECRETS, STRANGER: "secret-d"}


@dataclass(frozen=True, slots=True)
class Chat(Office):
    codes: list[str]  # of vouchers of 5.00

    def pjsua(self, name: str) -> Pjsua:
        return Pjsua(self.proxy.port, name, PASSWORDS[name])

    def balance_of(self, user: str) -> str:
        return f"Your balance is {self.gateway.balance(user):.2f} USD."

    def diverted(self, user: str, target: str, text: str) -> int:
        """A MESSAGE for a number that the softswitch sends to our account: `To` says still whom it was for."""
        sender = f"<sip:{user}@127.0.0.1:{self.proxy.port}>;tag={secrets.token_hex(4)}"
        request = message(ACCOUNT, text, user, {"From": sender, "To": f"<sip:{target}@127.0.0.1>"})
        request = Request("MESSAGE", f"sip:{ACCOUNT}@127.0.0.1:{self.proxy.port}", request.headers, request.body)
        with Phone(self.proxy.port) as phone:
            asked = phone.exchange(request).headers.get_all("Proxy-Authenticate")
            proof = authorization(asked, "MESSAGE", request.uri, user, PASSWORDS[user], cnonce=secrets.token_hex(8))
            headers = Headers([
                *((name, "2 MESSAGE" if name == "CSeq" else value) for name, value in request.headers),
                ("Proxy-Authorization", proof),
            ])  # fmt: skip
            return phone.exchange(Request("MESSAGE", request.uri, headers, request.body)).status


@contextmanager
def chat(folder: Path) -> Iterator[Chat]:
    with LiveSmsc(Options(endings=False)) as smsc:
        gateway = Gateway(folder, smsc.port, level="debug")
        proxy = Kamailio(folder, [gateway.sip_port], PASSWORDS)
        switch = f"sip:127.0.0.1:{proxy.port}"
        gateway.configure({
            "global": {"smsprice": "0.03", "country": "HU"},
            "sip": {"outbound": switch, "outbound_user": "voipsms", "outbound_password": SECRETS["voipsms"]},
            "callback": {
                "enabled": "true", "listen": "127.0.0.1:0", "extension": EXTENSION, "account": "pbx",
                "rtp": "32000-32063",
            },
            "sip:pbx": {"registrar": switch, "user": ACCOUNT, "password": SECRETS[ACCOUNT]},
        })  # fmt: skip
        gateway.add_user("alice", CREDIT, ALICE)
        gateway.add_user("bob", "0", BOB)
        codes = gateway.command("voucher", "add", "--amount", "5", "--count", "2").split()
        with proxy, gateway:
            wait_until(gateway.ready, "the account is registered")
            yield Chat(folder, gateway, smsc, proxy, codes)


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chat]:
    with chat(tmp_path_factory.mktemp("chat")) as running:
        yield running
        ledger_holds(running.gateway)


def test_to_the_extension(at: Chat) -> None:
    """Whom Kamailio has let in needs no credentials; answered by MESSAGEs, which cost nothing."""
    code = at.codes.pop()
    with at.baresip("alice", EXTENSION) as alice:
        alice.write("balance")
        wait_until(lambda: len(alice.received()) == 1, "answered")
        alice.write(f"c {code}")
        wait_until(lambda: len(alice.received()) == 2, "credited")
        alice.write("p 112")
        wait_until(lambda: len(alice.received()) == 3, "refused")
        alice.write("what do you want")
        wait_until(lambda: len(alice.received()) == 4, "not understood")
        told = [text for _, text in alice.received()]
        assert all(EXTENSION in sender for sender, _ in alice.received())
    assert told == [
        "Your balance is 10.00 USD.", "5.00 USD were added. Balance: 15.00 USD.",
        "Not done: Emergency numbers can't be called this way.",
        "Not accepted. Check the command, the number that you send from, and your credentials.",
    ]  # fmt: skip
    assert at.gateway.balance("alice") == 15
    assert at.smsc.submits() == []
    assert code not in at.gateway.log.read_text()


def test_to_the_account(at: Chat) -> None:
    with at.pjsua("alice") as alice:
        for count, (text, answer) in enumerate(
            (
                ("balance", at.balance_of("alice")),
                ("cli", f"Your numbers: +{ALICE}"),
                (f"p {EXTENSION} 112", "Not done: Emergency numbers can't be called this way."),
            ),
            1,
        ):
            alice.write(ACCOUNT, text)
            wait_until(lambda count=count: len(alice.received()) == count, text)  # type: ignore[misc]
            sender, told = alice.received()[-1]
            assert (told, f"sip:{ACCOUNT}@" in sender) == (answer, True)
        assert alice.answers() == [200, 200, 200]


def test_a_text_through_the_account(at: Chat) -> None:
    """To a mobile: it becomes an SMS of its sender, who pays."""
    before = at.gateway.balance("alice")
    assert at.diverted("alice", MOBILE, "Szép napot!") == 200
    wait_until(lambda: bool(at.smsc.submits(MOBILE)), "the SMS")
    (sms,) = at.smsc.submits(MOBILE)
    assert (sms.source, at.gateway.balance("alice")) == (ALICE, before - Decimal("0.03"))


REFUSED = {
    "nobody to bill": (STRANGER, MOBILE, "Nobody to bill for this sender"),
    "no credit": ("bob", MOBILE, "Not enough credit"),
    "no mobile": ("alice", "3612345678", "Messages to this target are not sent as SMS"),
}


@pytest.mark.parametrize("user, target, why", REFUSED.values(), ids=REFUSED)
def test_what_is_not_accepted_is_answered(at: Chat, user: str, target: str, why: str) -> None:
    """The library has answered 200 before we knew."""
    before = len(at.smsc.submits())
    with at.pjsua(user) as phone:
        assert at.diverted(user, target, "Hello") == 200
        wait_until(lambda: bool(phone.received()), "told")
        assert [text for _, text in phone.received()] == [f"Your message was not sent: {why}."]
    assert len(at.smsc.submits()) == before
