"""Which of the running processes this one is: a number in tb_nodes, held by a lease."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

from voipsms.errors import StoreError
from voipsms.model import Millis
from voipsms.store.database import Conflict, Database
from voipsms.store.ids import NODES

_TRIES = 20


@dataclass(frozen=True, slots=True)
class Node:
    number: int
    holder: str
    mark: int  # the newest id that an earlier holder of this number may have used


def _started(pid: int) -> str:
    """When a process of this machine was started, in clock ticks since boot; '' where none runs (proc(5))."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in "ZX" else fields[18]


def _machine() -> str:
    """Where process numbers mean the same: containers of one name on one kernel may each have their own."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
        space = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        boot, space = "", 0
    return f"{socket.gethostname()[:64]}:{boot}:{space}"


def holder_name() -> str:
    return f"{_machine()}:{os.getpid()}:{_started(os.getpid())}"


def is_dead(holder: str) -> bool:
    """Whether a holder surely runs no more: only processes of this machine and boot can be told."""
    machine, _, process = holder.rpartition(":")[0].rpartition(":")
    started = holder.rpartition(":")[2]
    return machine == _machine() and process.isdecimal() and _started(int(process)) != started


def acquire(db: Database, now: Millis, lease: Millis) -> Node:
    """Takes the number of a dead process, or a new one; its unfinished work becomes nobody's, to be claimed.

    Raises StoreError.
    """
    holder = holder_name()
    for _ in range(_TRIES):
        with db.transaction():
            rows = db.read("nodes")
            for number, held_by, until, mark in rows:
                if until >= now and not is_dead(held_by):
                    continue
                if db.write("take_node", node=number, holder=holder, lease=lease, held_by=held_by, lease_was=until):
                    db.write("disown", node=number)
                    db.write_batch("disown_outbox", [(number,)])
                    return Node(number, holder, mark)
            free = next((number for number in NODES if number not in {row[0] for row in rows}), None)
            if free is None:
                raise StoreError("every node number is in use")
            try:
                db.write("insert_node", node=free, holder=holder, lease=lease, mark=0)
            except Conflict:
                continue  # another process took it first
            return Node(free, holder, 0)
    raise StoreError("no node number could be taken")
