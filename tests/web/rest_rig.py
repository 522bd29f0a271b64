"""The API over a real SQLite store, journal, intake and dispatch, with a scripted carrier."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.core.house import House, house
from tests.core.stage import Carrier, Script
from voipsms.cancelling import Cancelling
from voipsms.directory import Account
from voipsms.model import Micros, State, Submitted, UserType
from voipsms.settings import GlobalSettings
from voipsms.store.accounts import NewUser, add_user
from voipsms.store.reader import Reader
from voipsms.verifying import Verifying
from voipsms.web.access import Denied
from voipsms.web.rest.desk import Desk
from voipsms.web.rest_api import rest
from voipsms.web.server import Application

NUMBER, TARGET = "36201234567", "36301112233"
TEXT = {"to": TARGET, "text": "Hello"}
KEYS = {"alice-key": "alice", "bob-key": "bob", "shop-key": "shop", "root-key": "root"}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def object(self) -> Any:
        return json.loads(self.body)


@dataclass
class Api:
    app: Application
    house: House
    carrier: Carrier
    cancelling: Cancelling

    async def __call__(self, method: str, path: str, body: Any = None, user: str = "alice", **headers: str) -> Answer:
        """`headers`: with `_` for `-`. A body that is no octets goes as JSON."""
        given = {"Authorization": f"Bearer {user}-key", "Content-Type": "application/json"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        octets = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        return await ask(self.app, method, path, octets, given)

    async def sent(self, **fields: Any) -> str:
        found = await self("POST", "/messages", TEXT | fields)
        assert found.status == 202, found.body
        return str(found.object["id"])


async def ask(app: Application, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    path, _, query = path.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": "/api/v1" + path, "raw_path": ("/api/v1" + path).encode(), "query_string": query.encode(),
        "root_path": "", "client": ("192.0.2.7", 4711), "server": ("127.0.0.1", 8080),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
    }  # fmt: skip
    events: list[Any] = []
    pieces = [body[i : i + 1000] for i in range(0, len(body), 1000)] or [b""]

    async def receive() -> Any:
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(event: Any) -> None:
        events.append(event)

    await app(scope, receive, send)
    found = {name.decode(): value.decode("latin-1") for name, value in events[0]["headers"]}
    return Answer(events[0]["status"], found, b"".join(event.get("body", b"") for event in events[1:]))


def taken(part: object) -> Submitted:
    return Submitted("ABC1", State.ACCEPTED)


@asynccontextmanager
async def api(
    folder: Path, script: Script = taken, settings: GlobalSettings | None = None, carrier: Carrier | None = None
) -> AsyncIterator[Api]:
    """alice, with 1.00 and NUMBER, buys from `shop`; bob buys from nobody; `root` is an admin."""
    carrier = carrier or Carrier(script)
    async with house(folder, carrier, settings) as at:
        with at.db.transaction():
            shop = NewUser("shop", UserType.RESELLER, "EUR")
            for new in (shop, NewUser("bob", UserType.ENDUSER, "EUR"), NewUser("root", UserType.ADMIN, "EUR")):
                add_user(at.db, at.ids, new, Micros(1_000_000))
            alice, reseller = at.db.read("user_by_name", username="alice"), at.db.read("user_by_name", username="shop")
            at.db.write(
                "insert_terms", user_id=alice[0][0], reseller_id=reseller[0][0], expires=0, monthly=0, gateway_id=None
            )
        await at.accounts.refresh()
        reader = Reader(at.db.engine)
        cancelling = Cancelling(at.journal, reader, at.queues, at.ids.node)

        def bearer(token: str, address: str) -> Account:
            if token not in KEYS:
                raise Denied
            return at.directory.by_name[KEYS[token]]

        verifying = Verifying(at.intake, at.journal, b"shared secret", lambda: at.intake.settings)
        desk = Desk(at.intake, at.journal, reader, at.ids, at.directory, at.queues, cancelling, verifying)
        try:
            yield Api(rest(desk, bearer, lambda scope: scope["client"][0], lambda: 100_000), at, carrier, cancelling)
        finally:
            reader.close()
