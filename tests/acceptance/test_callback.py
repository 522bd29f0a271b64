"""SMS callback through the whole program: texts in, telephones behind Kamailio called, CDRs and money."""

from __future__ import annotations

import os
import signal
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.rig import House, house, ledger_holds
from tests.peers.gateway import NUMBER, Gateway
from tests.peers.kamailio import Kamailio
from tests.peers.ports import free_port
from tests.peers.program import wait_until
from tests.peers.telephone import SPOKEN, Scripted, Telephone, keys

HER, HIM = NUMBER, "36301112233"  # hers is the number of the user who pays
SAID_BY_HER, SAID_BY_HIM = 440, 1000
SECRET = "secret-1"
PRICE = Decimal("0.06")  # a minute


def _users(gateway: Gateway) -> None:
    gateway.add_user(credit="10")
    gateway.command("price", "add", "36", str(PRICE), "--service", "CALL")


@dataclass
class Exchange:
    """A gateway whose calls go by Kamailio."""

    house: House
    proxy: Kamailio
    door: int
    folder: Path
    open: ExitStack

    def telephone(self, number: str, says: int | Path | None = None, **options: Any) -> Telephone:
        made = Telephone(self.folder, number, says, proxy=self.proxy.port, password=SECRET, **options)
        return self.open.enter_context(made)

    def scripted(self, number: str, scenario: str, places: dict[str, str | int]) -> Scripted:
        """A telephone on sipp, which Kamailio knows by the contact that is registered for it."""
        made = self.open.enter_context(Scripted(self.folder, scenario, trace=True, **places))
        made.register(self.proxy.port, number, SECRET)
        return made

    def text(self, words: str, sender: str = HER) -> str:
        """By HTTP, as a provider posts it; returns the answer."""
        fields = {"from": sender, "to": "36209990000", "text": words}
        body = urllib.parse.urlencode(fields).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.door}/", body, timeout=10) as answer:
            return str(answer.read(), "utf-8").strip()

    def cdrs(self, count: int = 2) -> dict[str, dict[str, Any]]:
        """By the number that was called, when there are so many."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            found[:] = self.house.gateway.cdrs("--type", "CALL")
            return len(found) >= count

        wait_until(there, f"{count} CDRs", 30, pause=0.2)
        return {row["to"].lstrip("+"): row for row in found}


@contextmanager
def exchange(folder: Path) -> Iterator[Exchange]:
    door, numbers = free_port(), {HER: SECRET, HIM: SECRET, "7000": SECRET}
    with ExitStack() as stack:
        proxy = stack.enter_context(Kamailio(folder, [], numbers))
        changes = {
            "callback": {
                "enabled": "true", "listen": f"127.0.0.1:{door}", "account": "pbx", "rtp": "32000-32767",
                "ring": "5", "cooldown": "0", "callbackreply": "false",
            },
            "sip:pbx": {"registrar": f"sip:127.0.0.1:{proxy.port}", "user": "7000", "password": SECRET},
        }  # fmt: skip
        running = stack.enter_context(house(folder, changes=changes, users=_users))
        wait_until(lambda: running.gateway.get("/readyz")[0] == 200, "registered")
        yield Exchange(running, proxy, door, folder, stack)


def hear_each_other(her: Telephone, him: Telephone) -> None:
    wait_until(lambda: (her.hears(), him.hears()) == (SAID_BY_HIM, SAID_BY_HER), "each hears the other", 20)


def proper(exchange: Exchange) -> None:
    ledger_holds(exchange.house.gateway)


@pytest.mark.parametrize("who", [HER, HIM], ids=["the first", "the second"])
def test_phone_to_phone(tmp_path: Path, who: str) -> None:
    with exchange(tmp_path) as it:
        her, him = it.telephone(HER, SAID_BY_HER), it.telephone(HIM, SAID_BY_HIM)
        assert it.text(f"p {HIM}") == "OK"
        hear_each_other(her, him)
        (her if who == HER else him).hang_up()
        cdrs = it.cdrs()
        wait_until(lambda: her.told("CALL_CLOSED") == him.told("CALL_CLOSED") == 1, "both have ended")
        assert {row["state"] for row in cdrs.values()} == {"DELIVERED"}
        assert all(row["duration"] >= 1 and row["price"] > 0 for row in cdrs.values())
        assert len({row["msgid"] for row in cdrs.values()}) == 1
        spent = sum(row["price"] for row in cdrs.values())
        assert it.house.gateway.balance() == 10 - spent
        proper(it)


def test_called_back_and_asked_by_prompts(tmp_path: Path) -> None:
    """She is called, enters his number by tones of her own, and talks to him."""
    with exchange(tmp_path) as it:
        her = it.telephone(HER, SAID_BY_HER)
        it.telephone(HIM, SAID_BY_HIM)
        it.text("b")
        wait_until(lambda: len(her.ear()) > 8000, "she hears the prompts")
        her.say(keys(tmp_path / "keys.wav", f"{HIM}#"))
        wait_until(lambda: her.hears() == SAID_BY_HIM, "she hears him", SPOKEN)
        her.hang_up()
        assert {row["state"] for row in it.cdrs().values()} == {"DELIVERED"}
        proper(it)


def test_digits_as_events(tmp_path: Path) -> None:
    with exchange(tmp_path) as it:
        her, him = it.telephone(HER, SAID_BY_HER), it.telephone(HIM, SAID_BY_HIM)
        it.text("b")
        wait_until(lambda: len(her.ear()) > 8000, "she hears the prompts")
        her.press(f"{HIM}#")
        hear_each_other(her, him)
        him.hang_up()
        wait_until(lambda: her.hears() == 0, "she hears prompts again")
        her.hang_up()
        it.cdrs()
        proper(it)


ENDS = {  # his telephone, the reason on his CDR
    "busy": ("telephone-refuses", {"status": 486}, "busy"),
    "declined": ("telephone-refuses", {"status": 603}, "declined"),
    "no codec": ("telephone-refuses", {"status": 488}, "no_codec"),
    "no answer": ("telephone-rings", {}, "no_answer"),
}


@pytest.mark.parametrize("scenario, places, reason", ENDS.values(), ids=ENDS)
def test_he_does_not_answer(tmp_path: Path, scenario: str, places: dict[str, str | int], reason: str) -> None:
    """His leg costs nothing; she is told why, and her leg ends."""
    with exchange(tmp_path) as it:
        her = it.telephone(HER, SAID_BY_HER)
        it.scripted(HIM, scenario, places)
        it.text(f"p {HIM}")
        cdrs = it.cdrs()
        assert (cdrs[HIM]["state"], cdrs[HIM]["reason"]) == ("UNDELIVERABLE", reason)
        assert (cdrs[HIM]["duration"], cdrs[HIM]["price"]) == (0, 0)
        assert cdrs[HER]["state"] == "DELIVERED"
        wait_until(lambda: her.told("CALL_CLOSED") == 1, "she is hung up on")
        proper(it)


def test_a_number_that_is_not_registered(tmp_path: Path) -> None:
    with exchange(tmp_path) as it:
        it.telephone(HER, SAID_BY_HER)
        it.text(f"p {HIM}")
        assert it.cdrs()[HIM]["reason"] == "not_found"
        proper(it)


def test_answered_without_audio(tmp_path: Path) -> None:
    sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 8\r\na=inactive"
    with exchange(tmp_path) as it:
        it.telephone(HER, SAID_BY_HER)
        it.scripted(HIM, "telephone-odd", {"sdp": sdp})
        it.text(f"p {HIM}")
        assert it.cdrs()[HIM]["reason"] == "no_audio"
        proper(it)


def _callers(gateway: Gateway) -> list[int]:
    """The caller processes of a gateway."""
    children = Path(f"/proc/{gateway.pid}/task/{gateway.pid}/children").read_text().split()
    return [int(pid) for pid in children if "callback.caller" in Path(f"/proc/{pid}/cmdline").read_text()]


def test_a_caller_that_dies_in_the_middle(tmp_path: Path) -> None:
    """Its calls have CDRs with a reason, and the next text is carried out by another one."""
    with exchange(tmp_path) as it:
        her, him = it.telephone(HER, SAID_BY_HER, silence=2), it.telephone(HIM, SAID_BY_HIM, silence=2)
        it.text(f"p {HIM}")
        hear_each_other(her, him)
        for pid in _callers(it.house.gateway):
            os.kill(pid, signal.SIGKILL)
        assert {row["reason"] for row in it.cdrs().values()} == {"caller_lost"}
        wait_until(lambda: her.told("CALL_CLOSED") == him.told("CALL_CLOSED") == 1, "both hang up by themselves", 20)
        wait_until(lambda: it.house.gateway.get("/readyz")[0] == 200, "registered again")
        it.text(f"p +{HIM}")
        wait_until(lambda: her.told("CALL_ESTABLISHED") == him.told("CALL_ESTABLISHED") == 2, "both called again")
        hear_each_other(her, him)
        her.hang_up()
        it.cdrs(4)
        proper(it)
        her.kill()  # they still wait for the answers to the BYEs of their first call
        him.kill()


def test_credit_runs_out(tmp_path: Path) -> None:
    """Nobody is called without credit for the minimum."""
    with exchange(tmp_path) as it:
        her = it.telephone(HER, SAID_BY_HER)
        it.house.gateway.command("user", "credit", "bench", "-9.99")
        it.text(f"p {HIM}")
        wait_until(lambda: "no_credit" in it.house.gateway.said(), "refused", 10)
        assert her.told("CALL_ESTABLISHED") == 0
        assert it.house.gateway.balance() == Decimal("0.01")
        proper(it)
