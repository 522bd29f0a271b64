"""One connection, named statements, and the kinds of trouble, whatever the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import aiosql

from voipsms.errors import StoreError
from voipsms.resources import resource
from voipsms.values import from_json, to_json

Row = tuple[Any, ...]
T = TypeVar("T")


# Statements that a commit may need, in the order in which `post` runs them.
POSTED = (
    "insert_ingress", "answer_ingress", "insert_messages", "insert_options", "insert_queue", "insert_parts",
    "insert_spellings", "settle_parts", "move_queue", "reroute_messages", "keep_states", "update_messages",
    "insert_cdrs", "update_cdrs", "insert_events", "insert_charges", "refund_charges", "insert_ledger",
    "apply_balances", "update_counters", "delete_queue", "insert_receipts", "delete_receipts", "insert_imdn",
    "insert_outbox", "defer_outbox", "divert_outbox", "give_up_outbox", "delete_outbox", "insert_inbound",
    "hold_inbound", "delete_inbound", "insert_joining", "update_joining",
)  # fmt: skip


# What a commit reads: on SQLite each is one JSON value, see there.
GATHERED = frozenset(
    {
        "find_ingress", "lock_accounts", "lock_counters", "charges_of", "match_receipts", "match_receipts_again",
        "match_doubts", "parts_of", "lost_texts", "asked",
        "find_inbound", "find_joining",
    }
)  # fmt: skip


class Conflict(StoreError):
    """Another transaction was in the way (deadlock, certification failure): try again now."""


class Unwritable(Conflict):
    """These rows are refused, as another transaction made an unlucky key unique, or for good: too long, no Unicode."""


class Busy(StoreError):
    """Somebody holds the lock that this needs: try again a little later."""


class Misstated(StoreError):
    """An operator's own statement is wrong: no such column, no right to read, no question."""


class Engine(Protocol):
    """What differs between SQLite and MySQL, next to the statements in `sql/queries.<name>.sql`."""

    name: str
    driver: str  # aiosql's adapter
    begin: str
    gathers: bool  # the statements in GATHERED give one JSON value instead of rows
    errors: tuple[type[Exception], ...]  # what the driver raises

    def connect(self) -> Any: ...

    def translate(self, error: Exception) -> StoreError: ...

    def script(self, connection: Any, statements: str) -> None: ...

    def ready_to_post(self, connection: Any, statements: Mapping[str, str]) -> None: ...

    def post(self, connection: Any, statements: Mapping[str, str], batches: Mapping[str, str]) -> None: ...

    def tidy(self, connection: Any) -> None: ...

    def select(self, connection: Any, sql: str, values: Sequence[str], seconds: float) -> Row | None: ...

    def call(self, connection: Any, procedure: str, values: Mapping[str, object], seconds: float) -> Row | None: ...


def load_queries(engine: Engine) -> Any:
    """The named statements of `sql/`, for one engine."""
    texts = [resource(f"sql/queries{suffix}.sql").read_text("utf-8") for suffix in ("", f".{engine.name}")]
    return aiosql.from_str("\n".join(texts), engine.driver, mandatory_parameters=False)


def as_rows(rows: Sequence[Sequence[Any]]) -> str:
    """A batch as the one JSON parameter that batch statements take. Raises Unwritable."""
    try:
        return to_json(rows)
    except UnicodeEncodeError as error:
        raise Unwritable(str(error)) from error


class Database:
    """A connection that opens itself again after trouble. For one thread at a time.

    Every method raises StoreError, or its kinds Conflict, Unwritable and Busy.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._queries = load_queries(engine)
        self._posted = {name: str(getattr(self._queries, name).sql) for name in POSTED}
        self._connection: Any = None
        self._posts = False  # this connection is ready to

    def open(self) -> None:
        self._run(lambda connection: None)

    def read(self, name: str, /, **parameters: Any) -> list[Row]:
        query = getattr(self._queries, name)
        return self._run(lambda connection: list(query(connection, **parameters)))

    def write(self, name: str, /, **parameters: Any) -> int:
        """The number of rows that the statement found."""
        query = getattr(self._queries, name)
        return self._run(lambda connection: int(query(connection, **parameters)))

    def write_batch(self, name: str, rows: Sequence[Sequence[Any]]) -> int:
        return self.write(name, rows=as_rows(rows))

    def read_batch(self, name: str, rows: Sequence[Sequence[Any]], **parameters: Any) -> list[Row]:
        """As lists where a statement is GATHERED, and then in no order."""
        found = self.read(name, rows=as_rows(rows), **parameters)
        return from_json(found[0][0]) if self.engine.gathers and name in GATHERED else found

    def post(self, batches: Mapping[str, Sequence[Sequence[Any]]]) -> None:
        """The batches of a commit in one call, each by its name in POSTED. Each call of a statement costs a wait for
        the interpreter lock or a round trip to the server; so it is one for all."""
        rows = {name: as_rows(batch) for name, batch in batches.items() if batch}
        if rows:
            self._run(lambda connection: self._post(connection, rows))

    def _post(self, connection: Any, rows: Mapping[str, str]) -> None:
        if not self._posts:
            self.engine.ready_to_post(connection, self._posted)
            self._posts = True
        self.engine.post(connection, self._posted, rows)

    def script(self, statements: str) -> None:
        """Runs schema statements; not within a transaction, since MySQL has none for them."""
        self._run(lambda connection: self.engine.script(connection, statements))

    def tidy(self) -> None:
        """What an engine wants done every now and then, beside the journal."""
        self._run(self.engine.tidy)

    def select(self, sql: str, values: Sequence[str], seconds: float) -> Row | None:
        """The first row of an operator's statement, `?` standing for each value; it can't write, and is stopped after
        so long. Raises Misstated, too."""
        return self._run(lambda connection: self.engine.select(connection, sql, values, seconds))

    def call(self, procedure: str, values: Mapping[str, object], seconds: float) -> Row | None:
        """The first row that an operator's procedure gives, or on SQLite a query with named parameters, which is
        stopped after so long. Raises Misstated and Busy, too."""
        return self._run(lambda connection: self.engine.call(connection, procedure, values, seconds))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits at the end; anything raised inside rolls back and goes on."""
        self._execute(self.engine.begin)
        try:
            yield
            self._execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    def close(self) -> None:
        if self._connection is not None:
            connection, self._connection, self._posts = self._connection, None, False
            try:
                connection.close()
            except self.engine.errors:
                return  # it was broken already

    def _execute(self, statement: str) -> None:
        def run(connection: Any) -> None:
            cursor = connection.cursor()
            cursor.execute(statement)
            cursor.close()

        self._run(run)

    def _run(self, work: Callable[[Any], T]) -> T:
        try:
            if self._connection is None:
                self._connection = self.engine.connect()
            return work(self._connection)
        except self.engine.errors as error:
            raise self.engine.translate(error) from error

    def _roll_back(self) -> None:
        """A connection that can't roll back is given up: the server does it then."""
        self._posts = False  # what made it ready may be rolled back, too
        try:
            self._execute("ROLLBACK")
        except StoreError:
            self.close()
