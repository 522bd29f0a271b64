"""Kannel sends us texts from phones by SMPP."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.rig import ask, ledger_holds
from tests.peers.gateway import Gateway
from tests.peers.kannel import KannelSmsc
from tests.peers.program import wait_until

COUNT = 300


def test_texts_from_kannel(tmp_path: Path) -> None:
    """By a receiver's session: each is stored, billed and given to its user once, in order."""
    (tmp_path / "texts").mkdir()
    with KannelSmsc(tmp_path, COUNT) as kannel:
        way = f"SMPP;server=127.0.0.1;serverport={kannel.port};username=kannel;password=kannel;bind=rx"
        gateway = Gateway(tmp_path, level="info", changes={"global": {"smsurl": way, "smsprice": "0.03"}})
        gateway.add_user(credit="10")
        gateway.command("number", "add", kannel.NUMBER, "--user", "bench")
        gateway.command("user", "reach", "bench", "--log", "texts")
        with gateway:
            question = "SELECT count(*) FROM tb_messages WHERE direction = 'MO' AND state = 'DELIVERED'"
            wait_until(lambda: ask(gateway, question) == [(COUNT,)], "all texts delivered", pause=0.05)
            wait_until(lambda: not kannel.running(), "Kannel's end")
            assert "Unhandled" not in kannel.said()
            lines = (tmp_path / "texts" / "mo.log").read_text().splitlines()
            expected = [f"{kannel.PHONE}\t{kannel.NUMBER}\t{number}" for number in range(1, COUNT + 1)]
            assert [line[20:] for line in lines] == expected
            assert gateway.balance() == 7
            ledger_holds(gateway)
