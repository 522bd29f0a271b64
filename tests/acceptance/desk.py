"""A gateway with an SMSC that does what the test says, a SIP phone of each user, and no softswitch."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.acceptance.rig import ask, one
from tests.peers.gateway import Changes, Gateway
from tests.peers.phone import Phone
from tests.peers.program import wait_until
from tests.peers.smsc import LiveSmsc
from voipsms.sip.message import Response
from voipsms.smpp.behaviour import Options


@dataclass(frozen=True, slots=True)
class Desk:
    gateway: Gateway
    smsc: LiveSmsc
    sip: Phone
    _mobiles: Iterator[int] = field(default_factory=lambda: itertools.count(36301200001, 11))

    def mobile(self) -> str:
        """Another one each time; it does nothing special."""
        return next(number for number in map(str, self._mobiles) if number[-4:-2] != "00")

    def send(self, user: str, target: str, text: str = "Hello", sender: str = "") -> Response:
        """As a softswitch that asserts who it is."""
        return self.sip.send(target, text, sender or user, {"P-Asserted-Identity": f"<sip:{user}@example.com>"})

    def sent(self, user: str, target: str, text: str = "Hello", sender: str = "") -> None:
        assert self.send(user, target, text, sender).status == 202

    def quiet(self, texts: int) -> None:
        """Waits until the SMSC has brought so many texts from phones, and all that they have led to is done; held
        ones don't count."""
        question = (
            "SELECT count(*), (SELECT count(*) FROM tb_inbound WHERE stage = 0), (SELECT count(*) FROM tb_queue)"
            " FROM tb_messages WHERE direction = 'MO'"
        )
        wait_until(lambda: ask(self.gateway, question) == [(texts, 0, 0)], f"{texts} texts settled", pause=0.05)

    def wrote(self, phone: str, number: str, text: str) -> dict[str, Any]:
        """A phone writes; what has become of it, as its CDR says."""
        before = one(self.gateway, "SELECT count(*) FROM tb_messages WHERE direction = 'MO'")
        self.smsc.text(phone, number, text)
        self.quiet(before + 1)
        return next(cdr for cdr in reversed(self.gateway.cdrs()) if (cdr["direction"], cdr["from"]) == ("MO", phone))

    def reached(self, phone: str, count: int = 1) -> list[tuple[str, str]]:
        """Waits until so many messages have been submitted to it: who each is from, and what it says."""
        wait_until(lambda: len(self.smsc.submits(phone)) >= count, f"{count} submits to {phone}")
        return [(s.source, bytes.fromhex(s.user_data).decode()) for s in self.smsc.submits(phone)]


@contextmanager
def desk(
    folder: Path, users: Callable[[Gateway], None], changes: Changes | None = None, *,
    url: str = "sqlite:///voipsms.db", smsc: Options | None = None,
) -> Iterator[Desk]:  # fmt: skip
    with LiveSmsc(smsc) as simulator:
        gateway = Gateway(folder, simulator.port, url, level="info", changes=changes)
        users(gateway)
        with gateway, Phone(gateway.sip_port) as phone:
            yield Desk(gateway, simulator, phone)
