"""A process of its own that redeems codes: `python -m tests.store.redeemer FILE NODE USER`, codes on standard input.

It says whether each was its own, a line each.
"""

from __future__ import annotations

import sys
from pathlib import Path

from voipsms.model import UserId
from voipsms.store import vouchers
from voipsms.store.database import Database
from voipsms.store.ids import IdSource, now_millis
from voipsms.store.sqlite import SqliteEngine


def main(file: str, node: str, user: str) -> None:
    db, ids = Database(SqliteEngine(Path(file), 10.0)), IdSource(int(node))
    db.open()
    print("ready", flush=True)
    for line in sys.stdin:
        with db.transaction():
            found = vouchers.redeem(db, ids, line.strip(), UserId(int(user)), now_millis())
        print("won" if found else "lost", flush=True)
    db.close()


main(*sys.argv[1:])
