"""The Mizu API on a real SQLite file, asked as an ASGI server asks."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.core.house import House, house
from tests.core.stage import Carrier
from voipsms.errors import VoipSmsError
from voipsms.model import UserType
from voipsms.passwords import hash_password
from voipsms.settings import GlobalSettings, HttpSettings
from voipsms.store.accounts import NewUser, add_user
from voipsms.store.api_keys import new_secret
from voipsms.store.reader import Reader
from voipsms.verifying import Verifying
from voipsms.web.access import Access
from voipsms.web.mizu_api import MizuApi, Request
from voipsms.web.outcomes import Outcomes

AUTHKEY, PASSWORD, HOME = "server-key", "pass word", "192.0.2.1"
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


class Phones:
    """What smsreceive was given; `fault` is raised instead."""

    def __init__(self) -> None:
        self.seen: list[Request] = []
        self.fault: VoipSmsError | None = None

    async def __call__(self, request: Request) -> None:
        if self.fault is not None:
            raise self.fault
        self.seen.append(request)


@dataclass
class Desk:
    """`salts` numbers the requests that `signed` makes."""

    house: House
    api: MizuApi
    access: Access
    phones: Phones
    secrets: Mapping[str, str]
    salts: itertools.count[int]

    async def asks(self, entry: str, user: str = "alice", /, **fields: object) -> str:
        """By password; the body of the answer."""
        proof = {"authkey": AUTHKEY, "authid": user, "authpwd": PASSWORD}
        return (await self.get({"apientry": entry, **proof, **fields}))[1]

    def signed(self, user: str = "alice", salt: str = "") -> dict[str, str]:
        salt = salt or f"salt {next(self.salts)}"
        words = f"{user}:{AUTHKEY}:{self.secrets[user]}:{salt}"
        return {
            "authkey": AUTHKEY, "authid": user, "authsalt": salt, "authmd5": hashlib.md5(words.encode()).hexdigest()
        }  # fmt: skip

    async def get(self, fields: Mapping[str, object], address: str = HOME) -> tuple[int, str]:
        return await self.request("GET", urlencode(fields).encode(), address=address)

    async def post(self, fields: Mapping[str, object], kind: str = FORM) -> tuple[int, str]:
        body = json.dumps(fields) if kind == JSON else urlencode(fields)
        return await self.request("POST", b"", body.encode(), kind)

    async def request(
        self, method: str, query: bytes, body: bytes = b"", kind: str = "", *, address: str = HOME, ends: bool = True
    ) -> tuple[int, str]:
        """Status and body; the body comes an octet at a time. `ends`: False, the peer goes away before its end."""
        events = [{"type": "http.request", "body": body[n : n + 1], "more_body": True} for n in range(len(body))]
        events.append({"type": "http.request", "body": b""} if ends else {"type": "http.disconnect"})
        pending, sent = iter(events), []

        async def receive() -> Any:
            return next(pending)

        async def send(event: Any) -> None:
            sent.append(event)

        headers = [(b"content-type", kind.encode())] if kind else []
        scope = {
            "type": "http", "method": method, "query_string": query, "headers": headers, "client": (address, 4711)
        }  # fmt: skip
        await self.api(scope, receive, send)
        start, last = sent
        assert dict(start["headers"])[b"content-length"] == str(len(last["body"])).encode()
        text = str(last["body"], "utf-8")
        assert text.startswith(("OK", "ERROR"))
        assert text.endswith("\n")
        return start["status"], text.removesuffix("\n")


@asynccontextmanager
async def desk(
    folder: Path, carrier: Carrier, sms: GlobalSettings | None = None, http: HttpSettings | None = None
) -> AsyncIterator[Desk]:
    """`alice`, as in the house, and the admin `root`; a second desk on the folder is another process."""
    http = http or HttpSettings(authkey=AUTHKEY, sync=0.3)
    async with house(folder, carrier, sms) as at:
        secrets = _furnish(at)
        await at.accounts.refresh()
        access, reader = Access(at.directory, http), Reader(at.db.engine)
        outcomes, phones = Outcomes(reader), Phones()
        looking = asyncio.create_task(outcomes.run())
        verifying = Verifying(at.intake, at.journal, b"shared secret", lambda: at.intake.settings)
        api = MizuApi(access, at.intake, at.directory, at.journal, reader, outcomes, http, phones, verifying)
        try:
            yield Desk(at, api, access, phones, secrets, itertools.count(1))
        finally:
            outcomes.close()
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            access.close()
            reader.close()


@cache
def _hashed() -> str:
    return hash_password(PASSWORD)


def _furnish(at: House) -> dict[str, str]:
    """The secrets of both."""
    stored = _hashed()
    with at.db.transaction():
        if not at.db.read("user_by_name", username="root"):
            add_user(at.db, at.ids, NewUser("root", UserType.ADMIN, "EUR"))
            at.db._connection.execute("UPDATE tb_users SET password = ?", (stored,))
            for name in ("alice", "root"):
                new_secret(at.db, name)
    secrets = at.db._connection.execute("SELECT u.username, a.secret FROM tb_api a JOIN tb_users u ON u.id = a.user_id")
    return dict(secrets.fetchall())
