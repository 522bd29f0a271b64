"""Where providers tell us of texts from phones (/mo/NAME, IceWarp's /sms/deliver.html) and of receipts (/dlr/NAME).

NAME is a gateway whose `inbound` says in which format. What can't be read, or isn't from who it should be, is refused
before anything is stored; what is taken is answered after its commit.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from voipsms import metrics
from voipsms.connectors.port import Inbox
from voipsms.errors import StoreError
from voipsms.inbound.call import Call, NotTaken, Origin, read_call
from voipsms.inbound.formats import FORMATS, Format
from voipsms.log import get_logger
from voipsms.networks import inside
from voipsms.settings import HttpSettings
from voipsms.sip.digest import Attempts
from voipsms.values import replace
from voipsms.web.peer import address_of

PENALTY: Final = 0.25  # seconds that the answer to a wrong proof is held back
RETRY_AFTER: Final = 5  # seconds, while the store is out of reach
_UNKNOWN: Final = replace(FORMATS["generic"], name="unknown")
_METHODS: Final = ["GET", "POST"]
_ICEWARP: Final = "icewarp"

_log = get_logger("mo")


class _NoSuch(NotTaken):
    """No gateway of this name takes such a thing."""

    status = 404


class _TooLong(NotTaken):
    status = 413


class _Denied(NotTaken):
    status = 403


class _LockedOut(_Denied):
    status = 429


class ProviderDoor:
    """`configure` takes the gateways by name, and forgets who was locked out."""

    def __init__(self, inbox: Inbox, clock: Callable[[], float] = time.monotonic) -> None:
        self._inbox, self._clock = inbox, clock
        self.configure({}, HttpSettings())

    def configure(self, origins: Mapping[str, Origin], settings: HttpSettings) -> None:
        self._origins, self._settings = origins, settings
        self._attempts = Attempts(settings.attempts, settings.lockout)

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/mo/{provider}", self._message, methods=_METHODS),
            Route("/dlr/{provider}", self._receipt, methods=_METHODS),
            Route("/sms/deliver.html", self._deliver, methods=_METHODS),
        ]

    # -- what each path takes

    async def _message(self, request: Request) -> Response:
        return await self._answer(request, request.path_params["provider"], self._take_message)

    async def _receipt(self, request: Request) -> Response:
        return await self._answer(request, request.path_params["provider"], self._take_receipt)

    async def _deliver(self, request: Request) -> Response:
        return await self._answer(request, "", self._take_message)

    async def _take_message(self, origin: Origin, form: Format, call: Call) -> None:
        inbound = form.message(origin, call)
        _log.debug("message", gateway=origin.gateway.name, source=inbound.source, target=inbound.target,
                   text=inbound.text, id=inbound.provider_id)  # fmt: skip
        await self._inbox.inbound(inbound)

    async def _take_receipt(self, origin: Origin, form: Format, call: Call) -> None:
        if form.receipt is None:
            raise _NoSuch("there are no receipts in this format")
        await self._inbox.receipt(form.receipt(origin, call))

    # -- one request

    async def _answer(self, request: Request, name: str, take: _Take) -> Response:
        """`name` empty: the parameter `id` names the gateway, as in IceWarp's script."""
        form = (_format(self._origins.get(name)) if name else FORMATS[_ICEWARP]) or _UNKNOWN
        if request.method == "HEAD":
            return Response()  # that there is such a path; a link checker must not send a text
        try:
            await self._take(request, name, take)
        except ClientDisconnect:
            return Response(status_code=400)  # which nobody reads
        except NotTaken as error:
            return await self._refuse(request, form, error)
        except StoreError:
            return _say(form.failed, "not now", 503, {"Retry-After": str(RETRY_AFTER)})
        return _say(form.taken)

    async def _take(self, request: Request, name: str, take: _Take) -> None:
        address = address_of(request.scope, self._settings.proxies)
        if self._attempts.locked("", address, self._clock()):
            raise _LockedOut("too many wrong requests")
        if name and _format(self._origins.get(name)) is None:
            raise _NoSuch("no such provider")
        body = await self._body(request)
        call = read_call(request.scope["query_string"], request.headers.get("content-type", ""), body)
        origin = self._origins.get(name or call.word("id"))
        form = _format(origin)
        if origin is None or form is None or (not name and origin.gateway.inbound != _ICEWARP):
            raise _Denied("not allowed")
        if not _proven(origin, form, call, address):
            raise _Denied("not allowed")
        self._attempts.right("", address)
        await take(origin, form, call)

    async def _body(self, request: Request) -> bytes:
        """Raises _TooLong as soon as that is known."""
        most, pieces, length = self._settings.body, [], 0
        told = request.headers.get("content-length", "0")
        if told.isdecimal() and int(told[:20]) > most:
            raise _TooLong(f"a body of more than {most} octets")
        async for piece in request.stream():
            pieces.append(piece)
            length += len(piece)
            if length > most:
                raise _TooLong(f"a body of more than {most} octets")
        return b"".join(pieces)

    async def _refuse(self, request: Request, form: Format, error: NotTaken) -> Response:
        address = address_of(request.scope, self._settings.proxies)
        path, more = request.url.path[:80], {}
        if isinstance(error, _LockedOut):
            metrics.count("refused", "locked_out")
            more = {"Retry-After": str(int(self._settings.lockout) + 1)}
        elif isinstance(error, _Denied):
            metrics.count("refused", "denied")
            if self._attempts.wrong("", address, self._clock()):
                _log.warning("a provider's proof was wrong too often", path=path, address=address)
            await asyncio.sleep(PENALTY)
        else:
            metrics.count("malformed", f"mo_{form.name}")
            _log.info("refused", path=path, address=address, why=str(error))
        return _say(form.failed, str(error), error.status, more)


_Take = Callable[[Origin, Format, Call], Awaitable[None]]


def _format(origin: Origin | None) -> Format | None:
    return FORMATS.get(origin.gateway.inbound) if origin else None


def _proven(origin: Origin, form: Format, call: Call, address: str) -> bool:
    """Whether everything that the operator asks for is right; nothing asked for is never right. Raises Malformed."""
    gateway = origin.gateway
    if gateway.inbound_ip and not inside(address, gateway.inbound_ip):
        return False
    if gateway.inbound_key:
        return _same(call.word(form.key), gateway.inbound_key)
    if not gateway.inbound_ip and gateway.inbound == "routo" and gateway.user and gateway.password:
        names = _same(call.word("user"), gateway.user)
        return _same(call.word("pass"), gateway.password) and names
    return bool(gateway.inbound_ip)


def _same(told: str, known: str) -> bool:
    return hmac.compare_digest(told.encode("utf-8", "replace"), known.encode("utf-8", "replace"))


def _say(word: str, why: str = "", status: int = 200, more: Mapping[str, str] | None = None) -> Response:
    text = f"{word} {why}".rstrip() + "\n"
    return Response(text, status, {"Cache-Control": "no-store", **(more or {})}, "text/plain")
