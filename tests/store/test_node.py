"""Whose number it is."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.store.rig import LEASE, House
from voipsms.model import Millis
from voipsms.store import node
from voipsms.store.database import Database, Engine
from voipsms.store.entries import Stage
from voipsms.store.ids import IdSource, now_millis

FAR = Millis(now_millis() + 3_600_000)


def acquire(house: House, now: Millis | None = None) -> node.Node:
    return node.acquire(house.db, now or now_millis(), FAR)


def of_process(pid: int) -> str:
    return f"{node._machine()}:{pid}:{node._started(pid)}"


def hold(house: House, holder: str, lease: int) -> None:
    """The house's own number is held by somebody else now."""
    house.db.write("take_node", node=house.node.number, holder=holder, lease=lease, held_by=house.node.holder,
        lease_was=house.rows("SELECT lease FROM tb_nodes")[0][0])  # fmt: skip


def test_the_first_number_is_one(house: House) -> None:
    assert house.node == node.Node(1, node.holder_name(), 0)
    assert not node.is_dead(node.holder_name())


def test_a_dead_process_of_this_machine_is_inherited_at_once(house: House) -> None:
    message, taken = house.accepted(), house.taken("1a")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        holder = of_process(process.pid)
        hold(house, holder, FAR)
        house.db.write("renew_lease", node=1, holder=holder, lease=FAR, mark=12345)
        assert acquire(house).number == 2
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, though nobody has reaped it
        assert node.is_dead(holder)
        assert acquire(house) == node.Node(1, node.holder_name(), 12345)
    queued = house.queued(message)
    assert queued is not None
    assert queued[:2] == (0, Stage.STARTED)
    assert house.queued(taken) is not None


def test_a_process_that_stands_still_is_alive() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        process.send_signal(signal.SIGSTOP)
        assert not node.is_dead(of_process(process.pid))
        process.kill()


@pytest.mark.parametrize(
    ("holder", "dead"),
    [
        (f"{node._machine()}:{2**22 + 1}:1", True),
        (f"{node._machine()}:{os.getpid()}:1", True),
        (f"{socket.gethostname()}:other-boot:1:{2**22 + 1}:1", False),
        ("other-machine:b00t:1:4194305:1", False),
        ("", False),
        ("command", False),
        (f"{node._machine()}:self:1", False),
    ],
    ids=["gone", "number-used-again", "another-boot", "another-machine", "empty", "no-process", "no-number"],
)  # fmt: skip
def test_who_is_surely_dead(holder: str, dead: bool) -> None:
    assert node.is_dead(holder) is dead


def test_of_another_machine_the_lease_decides(house: House) -> None:
    message = house.accepted()
    hold(house, "other-machine:b00t:1:1:1", now_millis() + LEASE)
    assert acquire(house).number == 2
    queued = house.queued(message)
    assert queued is not None
    assert queued[0] == 1
    inherited = acquire(house, Millis(now_millis() + 2 * LEASE))
    assert inherited.number == 1
    queued = house.queued(message)
    assert queued is not None
    assert queued[0] == 0


def test_numbers_given_back_are_used_again(house: House) -> None:
    house.db.write("release_node", node=1, holder=house.node.holder)
    assert acquire(house).number == 1


def test_every_process_gets_its_own(engine: Engine, house: House) -> None:
    def take(_: int) -> int:
        db = Database(engine)
        try:
            return node.acquire(db, now_millis(), FAR).number
        finally:
            db.close()

    with ThreadPoolExecutor(6) as threads:
        assert sorted(threads.map(take, range(6))) == [2, 3, 4, 5, 6, 7]


def test_ids_go_on_after_those_of_the_process_before() -> None:
    """Even where the clock was set back."""
    last = IdSource(3).next() + (10_000 << 22)
    ids = IdSource(3, newer_than=last)
    assert last < ids.next() < ids.next()


def test_ids_of_two_nodes_differ() -> None:
    one, other = IdSource(1), IdSource(2)
    ids = [source.next() for _ in range(5000) for source in (one, other)]
    assert len(set(ids)) == len(ids)
    assert all(0 < i < 1 << 63 for i in ids)
