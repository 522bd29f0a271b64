"""Brings a database to the newest schema: numbered scripts in `sql/migrations/<engine>/`, each run once.

MySQL commits after each statement of a schema, so a script may be run again after it was cut off in the middle, or by
two processes that start at once: it must bear that (`IF NOT EXISTS`).
"""

from __future__ import annotations

from pathlib import Path

from voipsms.errors import StoreError
from voipsms.resources import resource
from voipsms.store.database import Busy, Database


def scripts(engine: str) -> list[Path]:
    """In order; the number in front of a name is the version that it leads to."""
    return sorted(resource(f"sql/migrations/{engine}").glob("[0-9]*.sql"))


def _number(script: Path) -> int:
    return int(script.name.partition("_")[0])


def version(db: Database) -> int:
    """0: an empty database. Raises StoreError where the server can't be reached."""
    db.open()
    try:
        rows = db.read("setting", name="schema")
    except Busy:
        raise
    except StoreError:
        return 0
    return int(rows[0][0]) if rows else 0


def newest(engine: str) -> int:
    return _number(scripts(engine)[-1])


def upgrade(db: Database) -> list[str]:
    """Runs what is missing and returns its names. Raises StoreError, also for a schema newer than this program."""
    current = version(db)
    if current > newest(db.engine.name):
        raise StoreError(f"the database has schema {current}, this program knows {newest(db.engine.name)}: upgrade it")
    done = []
    for script in scripts(db.engine.name):
        if _number(script) <= current:
            continue
        db.script(script.read_text("utf-8"))
        with db.transaction():
            db.write("delete_setting", name="schema")
            db.write("insert_setting", name="schema", value=str(_number(script)))
            if not db.read("setting", name="revision"):
                db.write("insert_setting", name="revision", value="1")
        done.append(script.name)
    return done
