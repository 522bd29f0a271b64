"""What comes before every path of the API, in ASGI itself: who asks, and bodies that are JSON and not too long.

So nobody's body is read before the key is known to be right, and no body is ever more than [http] body in memory.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from voipsms import metrics
from voipsms.directory import Account
from voipsms.errors import Refused
from voipsms.log import get_logger
from voipsms.web.access import Denied
from voipsms.web.query import header
from voipsms.web.rest.problems import JSON, Answer, Problem, of_refusal

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]

PREFIX: Final = "/api/v1"
OPEN: Final = frozenset({"/docs", "/openapi.json"})  # for anybody
_SCHEME: Final = "bearer "

log = get_logger("api")


class Guard:
    """`app` finds the account in scope["state"]["account"]. `limit`: octets of a body."""

    def __init__(
        self,
        app: Application,
        bearer: Callable[[str, str], Account],
        address: Callable[[Mapping[str, Any]], str],
        limit: Callable[[], int],
    ) -> None:
        self._app = app
        self._bearer = bearer
        self._address = address
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def watched(event: Mapping[str, Any]) -> None:
            nonlocal begun
            begun = True
            await send(event)

        state = scope["state"] = {"id": secrets.token_hex(8)}
        try:
            await self._guarded(scope, receive, watched)
        except Problem as problem:
            await send_answer(watched, problem.answer())
        except Exception:  # a task's root
            log.exception("a request has failed", id=state["id"], path=scope["path"])
            if not begun:
                await send_answer(watched, internal_error(state["id"]).answer())

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["root_path"] = PREFIX
        if scope["path"].removeprefix(PREFIX) not in OPEN:
            scope["state"] |= {"account": self._account(scope), "address": self._address(scope)}
        body = await self._body(scope, receive)
        scope["state"]["body"] = body
        told = False

        async def again() -> Mapping[str, Any]:
            nonlocal told
            if told:
                return await receive()
            told = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, again, send)

    def _account(self, scope: Scope) -> Account:
        given = header(scope, b"authorization")
        token = given[len(_SCHEME) :].strip() if given.lower().startswith(_SCHEME) else ""
        try:
            return self._bearer(token, self._address(scope))
        except Denied as denied:
            raise Problem(denied.http_status, denied.code, str(denied), lasting=False) from denied
        except Refused as refusal:
            raise of_refusal(refusal) from refusal

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        limit, found = self._limit(), bytearray()
        declared = header(scope, b"content-length")
        if declared.isdecimal() and len(declared) < 20 and int(declared) > limit:
            raise _too_long(limit)
        more = True
        while more:
            event = await receive()
            found += event.get("body", b"")
            more = event["type"] == "http.request" and event.get("more_body", False)
            if len(found) > limit:
                raise _too_long(limit)
        if found and header(scope, b"content-type").partition(";")[0].strip().lower() != JSON:
            metrics.count("malformed", "http")
            raise Problem(415, "media_type", f"The body has to be {JSON}")
        return bytes(found)


def _too_long(limit: int) -> Problem:
    metrics.count("malformed", "http")
    return Problem(413, "body_too_long", f"The body is longer than {limit} octets")


def internal_error(request_id: str) -> Problem:
    return Problem(500, "internal_error", "A fault of this server; its log has more", lasting=False, id=request_id)


async def send_answer(send: Send, found: Answer) -> None:
    body = found.body.encode()
    headers = [(b"content-type", found.media_type.encode()), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in found.headers]
    await send({"type": "http.response.start", "status": found.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
