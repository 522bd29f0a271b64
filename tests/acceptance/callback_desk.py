"""A desk whose gateway takes commands: users with phones, prices of calls, vouchers; a softswitch notes calls."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.acceptance.desk import Desk
from tests.acceptance.rig import ask, one
from tests.peers.gateway import Gateway
from tests.peers.http_client import Said, ask_http, coded
from tests.peers.phone import Phone
from tests.peers.ports import free_port
from tests.peers.program import wait_until
from tests.peers.smsc import LiveSmsc
from voipsms.sip.headers import Headers
from voipsms.sip.message import Request, Response, parse_message
from voipsms.smpp.behaviour import Options

OURS = "3622222222"  # texts to it are commands
ALICE, BOB = "36201110001", "36201110002"
IDLE, POOR = "36201110003", "36201110004"  # of accounts that are inactive, and without credit
PINCODE = "471188620533"  # alice's; so long that no id has it in it
VOUCHERS, AMOUNT = 12, 5
ATTEMPTS, LOCKOUT = 3, 4  # seconds

Settings = dict[str, dict[str, object]]


class Softswitch:
    """Says nothing to calls until `busy()`."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.port = int(self._socket.getsockname()[1])
        self._heard: list[tuple[Request, tuple[str, int]]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def called(self) -> set[str]:
        """The numbers that INVITEs have come for."""
        try:
            while True:
                octets, peer = self._socket.recvfrom(65536)
                request = parse_message(octets)
                if isinstance(request, Request) and request.method == "INVITE":
                    self._heard.append((request, peer))
        except BlockingIOError:
            return {request.uri.partition(":")[2].partition("@")[0] for request, _ in self._heard}

    def busy(self) -> None:
        """Answers all that came."""
        for request, peer in self._heard:
            told = [(name, request.headers.get(name)) for name in ("Via", "From", "Call-ID", "CSeq")]
            headers = Headers([*told, ("To", request.headers.get("To") + ";tag=busy")])
            self._socket.sendto(Response(486, "Busy Here", headers).to_bytes(), peer)
        self._heard.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackDesk(Desk):
    door: int  # of [callback] listen
    softswitch: Softswitch
    codes: list[str]  # of vouchers; each test takes its own
    settings: Settings

    def quiet(self, texts: int) -> None:
        """Waits until so many texts from phones are there, and what they have led to is done."""
        question = (
            "SELECT count(*), (SELECT count(*) FROM tb_inbound WHERE stage = 0), (SELECT count(*) FROM tb_queue),"
            " (SELECT count(*) FROM tb_outbox WHERE stage = 0) FROM tb_messages WHERE direction = 'MO'"
        )
        wait_until(lambda: ask(self.gateway, question) == [(texts, 0, 0, 0)], f"{texts} commands done", 6, pause=0.02)

    def texts(self) -> int:
        return int(one(self.gateway, "SELECT count(*) FROM tb_messages WHERE direction = 'MO'"))

    def outcome(self) -> str:
        """Of the last command."""
        return str(one(self.gateway, "SELECT comment FROM tb_messages WHERE direction = 'MO' ORDER BY id DESC LIMIT 1"))

    def command(self, text: str, phone: str = ALICE) -> str:
        """A phone writes; what has come of it, when all is done."""
        before = self.texts()
        self.smsc.text(phone, OURS, text)
        self.quiet(before + 1)
        return self.outcome()

    def answer(self, text: str, phone: str = ALICE) -> str:
        """A phone writes a command; the one text that it gets for that, from the number that it wrote to."""
        before = len(self.smsc.submits(phone))
        self.command(text, phone)
        (told,) = self.reached(phone, before + 1)[before:]
        assert told[0] == OURS
        return told[1]

    def request(self, fields: dict[str, str | bytes], path: str = "/") -> Said:
        return ask_http(self.door, path, coded(fields))

    @contextmanager
    def changed(self, section: str, **values: object) -> Iterator[None]:
        """With other settings, for a while."""
        self.gateway.reconfigure({**self.settings, section: {**self.settings.get(section, {}), **values}})
        yield
        self.gateway.reconfigure(self.settings)


def furnish(gateway: Gateway) -> None:
    gateway.add_user("alice", "10", ALICE)
    gateway.add_user("bob", "10", BOB)
    gateway.add_user("idle", "10", IDLE)
    gateway.add_user("poor", "0", POOR)
    gateway.command("user", "set", "alice", "--pincode", PINCODE)
    gateway.command("user", "set", "idle", "--inactive")
    gateway.command("number", "add", OURS, "--user", "admin", "--callback")
    gateway.command("price", "add", "36", "0.06", "--service", "CALL")


@contextmanager
def callback_desk(
    folder: Path, users: Callable[[Gateway], None] = furnish, level: str = "debug"
) -> Iterator[CallbackDesk]:
    door = free_port()
    with LiveSmsc(Options(endings=False)) as smsc, Softswitch() as softswitch:
        settings: Settings = {
            "global": {
                "smsprice": "0.01", "country": "HU", "callingcardauth": "number, pincode, password, joined",
            },
            "sip": {"outbound": f"sip:127.0.0.1:{softswitch.port}"},
            "callback": {
                "enabled": "true", "listen": f"127.0.0.1:{door}", "block": "3670", "attempts": ATTEMPTS,
                "lockout": LOCKOUT, "rtp": "32000-32063",
            },
            "log": {"level": level},
        }  # fmt: skip
        gateway = Gateway(folder, smsc.port, level=level, changes=settings)
        users(gateway)
        codes = gateway.command("voucher", "add", "--amount", str(AMOUNT), "--count", str(VOUCHERS)).split()
        with gateway, Phone(gateway.sip_port) as phone:
            yield CallbackDesk(
                gateway, smsc, phone, door=door, softswitch=softswitch, codes=codes, settings=settings
            )  # fmt: skip
