"""Two gateways on one MariaDB, one of which is killed under load: the other one takes its work over."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path

from tests.acceptance.rig import ask, ledger_holds, messages, one
from tests.acceptance.test_crash import LOAD, Load, loaded
from tests.peers.gateway import Gateway
from tests.peers.program import wait_until
from tests.peers.smsc import SmscCommand

COUNT, RATE = 10_000, 900  # of each
LEASE = 2  # seconds


def test_one_of_two_is_killed(mysql_url: str, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    with SmscCommand(tmp_path, *LOAD) as smsc:
        changes: dict[str, dict[str, object]] = {"database": {"lease": LEASE}}
        first, second = (Gateway(folder, smsc.port, mysql_url, changes=changes) for folder in folders)
        first.add_user()
        with first, second:
            loads = [Load(folders[n], g.sip_port, COUNT, RATE, n * COUNT) for n, g in enumerate((first, second))]
            with loaded(loads[0]), loaded(loads[1]):
                wait_until(lambda: messages(second) > COUNT, "a half is stored", 60, pause=0.1)
                _dies(first, second)
                first.start()  # its phones repeat what has no answer
            wait_until(lambda: one(second, "SELECT count(*) FROM tb_queue") == 0, "all final", 60, pause=0.2)
            assert [(load.sent[0].successful, load.sent[0].failed) for load in loads] == [(COUNT, 0)] * 2
            _all_is_well(second, smsc)


def _dies(first: Gateway, second: Gateway) -> None:
    """What it was working on is the other one's when the lease has run out."""
    node = one(second, "SELECT MIN(node) FROM tb_nodes WHERE lease > 0")
    first.kill()
    owned = "SELECT count(*) FROM tb_queue WHERE stage IN (0, 1, 4) AND node = "
    assert one(second, f"{owned}{node}") > 0, "it left nothing to take over"
    wait_until(lambda: one(second, f"{owned}{node}") == 0, "taken over", LEASE + 3, pause=0.1)


def _all_is_well(gateway: Gateway, smsc: SmscCommand) -> None:
    assert ask(gateway, "SELECT count(*), count(DISTINCT msgid) FROM tb_cdrs") == [(2 * COUNT, 2 * COUNT)]
    assert messages(gateway) == 2 * COUNT
    ledger_holds(gateway)
    assert gateway.balance() == 1_000_000 - Decimal("0.01") * 2 * COUNT
    submits = Counter(submit["destination"] for submit in smsc.submits())
    assert len(submits) == 2 * COUNT
    assert max(submits.values()) <= 2  # a submit whose answer was lost is sent once more
    assert submits.total() - 2 * COUNT <= 100  # as many as the window holds
