"""MySQL 8, MariaDB from 10.6 and what speaks their protocol (Galera, Vitess, TiDB), by PyMySQL."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

import pymysql
from pymysql.constants import CLIENT

from voipsms.errors import StoreError
from voipsms.store.database import Busy, Conflict, Misstated, Row, Unwritable

# After these the same transaction may well succeed: deadlock or certification failure, a row that changed since it was
# read (MariaDB 11.6), TiDB's write conflict.
_CONFLICT = {1213, 1020, 9007}
# Duplicate key, too long, null, no Unicode: about rows, not about the server.
_UNWRITABLE = (pymysql.IntegrityError, pymysql.DataError, UnicodeError)
_BUSY = {1205, 3572, 1969, 3024}  # lock wait timeout, NOWAIT refused, max_statement_time, max_execution_time


_MARK = re.compile(r"'(?:[^'\\]|''|\\.)*'|\"(?:[^\"\\]|\"\"|\\.)*\"|`[^`]*`|\?|%", re.DOTALL)


def _marked(sql: str) -> str:
    """`?` outside quotes → PyMySQL's `%s`; `%` → `%%`."""
    return _MARK.sub(lambda found: "%s" if found[0] == "?" else found[0].replace("%", "%%"), sql)


def _is_misstated(error: Exception) -> bool:
    """The server understood that it was asked, and can't answer: not one of those that pass by themselves."""
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    return 1000 <= code < 2000 and code not in _CONFLICT | _BUSY | {1040, 1053, 1226}


# A parameter declared INT, as Mizu's document has fromid, holds no id of ours: it gets 0 then.
_OUT_OF_RANGE, _LARGEST_INT = 1264, 2**31 - 1


def _called(connection: Any, procedure: str, values: tuple[object, ...]) -> Row | None:
    marks = ", ".join(["%s"] * len(values))
    with connection.cursor() as cursor:
        cursor.execute(f"CALL {procedure}({marks})", values)
        row: Row | None = cursor.fetchone()
        return row


class MysqlEngine:
    """One database on a server. `parameters`: host, port, user, password, database."""

    name = "mysql"
    driver = "pymysql"
    begin = "START TRANSACTION"
    gathers = False
    errors: tuple[type[Exception], ...] = (pymysql.MySQLError, OSError, RuntimeError, ValueError)

    def __init__(self, parameters: dict[str, Any], busy: float) -> None:
        self._parameters = parameters
        self._busy = busy
        self._where = f"{parameters['host']}:{parameters['port']}/{parameters['database']}"

    def connect(self) -> Any:
        # READ COMMITTED: no gap locks, so that one process's claims never stop another's inserts.
        wait = max(1, round(self._busy))  # for a lock
        patience = wait + 4 * self._busy  # for any answer
        # The variable's name differs (MariaDB before 11.1: tx_isolation), the statement does not.
        connection = pymysql.connect(
            **self._parameters,
            charset="utf8mb4",
            autocommit=True,
            client_flag=CLIENT.FOUND_ROWS | CLIENT.MULTI_STATEMENTS,
            connect_timeout=patience / 2,
            read_timeout=patience,
            write_timeout=patience,
            sql_mode="STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION",
            init_command="SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        )
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION innodb_lock_wait_timeout = %s", (wait,))
        return connection

    def translate(self, error: Exception) -> StoreError:
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        kind: type[StoreError] = Conflict if code in _CONFLICT else Busy if code in _BUSY else StoreError
        if isinstance(error, _UNWRITABLE):
            kind = Unwritable
        text = error.args[1] if len(error.args) > 1 else error
        return kind(f"{self._where}: {text} ({code or type(error).__name__})")

    def script(self, connection: Any, statements: str) -> None:
        with connection.cursor() as cursor:
            for statement in filter(None, (piece.strip() for piece in statements.split(";\n"))):
                cursor.execute(statement)

    def tidy(self, connection: Any) -> None:
        """The server sees to itself."""

    def select(self, connection: Any, sql: str, values: Sequence[str], seconds: float) -> Row | None:
        """The server stops it by MariaDB's name for the limit or by MySQL's; the other is unknown to it."""
        with connection.cursor() as cursor:
            cursor.execute(f"/*M! SET SESSION max_statement_time = {seconds:f} */")
            cursor.execute(f"/*!80000 SET SESSION max_execution_time = {round(seconds * 1000)} */")
            cursor.execute("START TRANSACTION READ ONLY")
            try:
                cursor.execute(_marked(sql), tuple(values))
                row: Row | None = cursor.fetchone()
                return row
            except (pymysql.ProgrammingError, pymysql.OperationalError, pymysql.InternalError) as error:
                if _is_misstated(error):
                    raise Misstated(str(error.args[-1])) from error
                raise
            finally:
                if connection.open:
                    connection.rollback()

    def call(self, connection: Any, procedure: str, values: Mapping[str, object], seconds: float) -> Row | None:
        """No limit of the server's stops a procedure everywhere: its silence ends it, and then it is killed."""
        connection._read_timeout = seconds  # PyMySQL has no other way to say it for one statement
        try:
            return _called(connection, procedure, tuple(values.values()))
        except pymysql.DataError as error:
            if error.args[0] != _OUT_OF_RANGE:
                raise Misstated(str(error.args[-1])) from error
            narrow = (0 if isinstance(value, int) and value > _LARGEST_INT else value for value in values.values())
            return _called(connection, procedure, tuple(narrow))
        except pymysql.OperationalError as error:
            if not connection.open:
                self._kill(connection.thread_id())
                raise Busy(f"{self._where}: {procedure} gives no answer within {seconds:g} s") from error
            raise Misstated(str(error.args[-1])) from error
        except (pymysql.ProgrammingError, pymysql.InternalError) as error:
            raise Misstated(str(error.args[-1])) from error

    def _kill(self, thread: int) -> None:
        """What nobody waits for any more shall not fill the server."""
        try:
            with closing(self.connect()) as connection, connection.cursor() as cursor:
                cursor.execute("KILL %s", (thread,))
        except pymysql.MySQLError:
            return  # it has ended by itself, or the server has

    def ready_to_post(self, connection: Any, statements: Mapping[str, str]) -> None:
        """Several statements in one packet are allowed from `connect` on."""

    def post(self, connection: Any, statements: Mapping[str, str], batches: Mapping[str, str]) -> None:
        """One packet, one round trip; each result is read, since an error may be in any."""
        text = ";\n".join(
            sql.replace("%(rows)s", f"%({name})s").rstrip().rstrip(";")
            for name, sql in statements.items() if name in batches
        )  # fmt: skip
        with connection.cursor() as cursor:
            cursor.execute(text, batches)
            while cursor.nextset():
                pass
