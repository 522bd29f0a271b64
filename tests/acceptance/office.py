"""An office: Kamailio with softphones, the gateway beside it, and an SMSC that does what the test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.rig import Rows, ask
from tests.peers.baresip import Baresip
from tests.peers.gateway import Changes, Gateway
from tests.peers.kamailio import Kamailio
from tests.peers.pjsua import Pjsua
from tests.peers.program import wait_until
from tests.peers.smsc import LiveSmsc
from voipsms.smpp.behaviour import Options
from voipsms.smpp.deliveries import mobile_originated
from voipsms.smpp.pdu import ESM_UDHI, ShortMessage
from voipsms.values import replace

ALICE, BOB = "36201110001", "36201110002"  # numbers of the accounts of these names, and of their phones
MOBILE = "36301112233"
SECRETS = {"alice": "secret-a", "bob": "secret-b", "carol": "secret-c", "voipsms": "secret-v"}  # of the proxy
CREDIT = "10"


@dataclass(frozen=True, slots=True)
class Office:
    folder: Path
    gateway: Gateway
    smsc: LiveSmsc
    proxy: Kamailio

    def baresip(self, name: str, contact: str = MOBILE) -> Baresip:
        return Baresip(self.folder, self.proxy.port, name, SECRETS[name], contact)

    def pjsua(self, name: str) -> Pjsua:
        return Pjsua(self.proxy.port, name, SECRETS[name])

    def shown_as(self, phone: str) -> str:
        """A phone's number as softphones show it."""
        return f"sip:+{phone}@127.0.0.1"


def texts_settled(gateway: Gateway, least: int = 0, seconds: float = 20.0) -> None:
    """Waits until so many texts from phones are there, and each has reached its user, or won't. Raises TimeoutError."""
    question = (
        "SELECT count(*), count(CASE WHEN state = 'QUEUED' THEN 1 END), (SELECT count(*) FROM tb_inbound),"
        " (SELECT count(*) FROM tb_outbox WHERE stage = 0) FROM tb_messages WHERE direction = 'MO'"
    )

    def settled() -> bool:
        [(count, *open_ones)] = ask(gateway, question)
        return bool(count >= least and not any(open_ones))

    wait_until(settled, f"{least} texts from phones", seconds, pause=0.05)


def held(gateway: Gateway, least: int = 1) -> Rows:
    """Waits until so many deliveries have been put off. Their texts in order, and why."""
    statement = "SELECT text, error FROM tb_outbox WHERE stage = 0 AND error <> '' ORDER BY id"
    wait_until(lambda: len(ask(gateway, statement)) >= least, f"{least} deliveries held", pause=0.05)
    return ask(gateway, statement)


def part(phone: str, number: str, text: str, place: tuple[int, int, int]) -> ShortMessage:
    """An ASCII part of a long text; `place`: reference, total, number."""
    message, _ = mobile_originated(phone, number, "")
    return replace(message, esm_class=ESM_UDHI, short_message=bytes((5, 0, 3, *place)) + text.encode())


def furnish(gateway: Gateway) -> None:
    for name, number in (("alice", ALICE), ("bob", BOB)):
        gateway.add_user(name, CREDIT, number)


@contextmanager
def office(
    folder: Path, url: str = "sqlite:///voipsms.db", *, smsc: Options | None = None, changes: Changes | None = None,
    users: Callable[[Gateway], None] = furnish,
) -> Iterator[Office]:  # fmt: skip
    with LiveSmsc(smsc) as simulator:
        gateway = Gateway(folder, simulator.port, url, level="info")
        proxy = Kamailio(folder, [gateway.sip_port], SECRETS)
        gateway.configure(_changes(proxy, changes or {}))
        users(gateway)
        with gateway, proxy:
            wait_until(gateway.ready, "the gateway is bound")
            yield Office(folder, gateway, simulator, proxy)


def _changes(proxy: Kamailio, more: Changes) -> Mapping[str, Mapping[str, object]]:
    outbound = {
        "outbound": f"sip:127.0.0.1:{proxy.port}", "outbound_user": "voipsms", "outbound_password": SECRETS["voipsms"],
    }  # fmt: skip
    return {
        **more,
        "global": {"smsprice": "0.03", "smsreceive_route": 3, **more.get("global", {})},
        "sip": {**outbound, **more.get("sip", {})},
    }
