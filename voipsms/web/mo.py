"""Where providers tell us of texts from phones (/mo/NAME, IceWarp's /sms/deliver.html) and of receipts (/dlr/NAME).

NAME is a gateway whose `inbound` says in which format. What can't be read, or isn't from who it should be, is refused
before anything is stored; what is taken is answered after its commit.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

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
from voipsms.web.query import header

DELIVER: Final = "/sms/deliver.html"
PENALTY: Final = 0.25  # seconds that the answer to a wrong proof is held back
RETRY_AFTER: Final = 5  # seconds, while the store is out of reach
_UNKNOWN: Final = replace(FORMATS["generic"], name="unknown")
_ICEWARP: Final = "icewarp"

_log = get_logger("mo")


class _NoSuch(NotTaken):
    """No gateway of this name takes such a thing."""

    status = 404


class _Method(NotTaken):
    status = 405


class _TooLong(NotTaken):
    status = 413


class _Denied(NotTaken):
    status = 403


class _LockedOut(_Denied):
    status = 429


class _Gone(Exception):
    """The peer has hung up: there is nobody to answer."""


class ProviderDoor:
    """A raw ASGI application for /mo/…, /dlr/… and DELIVER. `configure` takes the gateways by name, and forgets who was
    locked out."""

    def __init__(
        self,
        inbox: Inbox,
        clock: Callable[[], float] = time.monotonic,
        formats: Mapping[str, Format] = FORMATS,
    ) -> None:
        self._inbox, self._clock, self._formats = inbox, clock, formats
        self.configure({}, HttpSettings())

    def configure(self, origins: Mapping[str, Origin], settings: HttpSettings) -> None:
        self._origins, self._settings = origins, settings
        self._attempts = Attempts(settings.attempts, settings.lockout)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            status, text, more = await self._answer(scope, receive)
        except _Gone:
            return
        except Exception:  # noqa: BLE001 — a request's root
            _log.exception("a provider's request could not be served", path=scope["path"])
            status, text, more = 500, "internal error", {}
        body = b"" if scope["method"] == "HEAD" else f"{text}\n".encode()
        headers = {"content-type": "text/plain; charset=utf-8", "content-length": str(len(body)), **more}
        coded = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": [*coded, _NO_STORE]})
        await send({"type": "http.response.body", "body": body})

    def _format(self, origin: Origin | None) -> Format | None:
        return self._formats.get(origin.gateway.inbound) if origin else None

    # -- what is taken

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

    async def _answer(self, scope: Any, receive: Any) -> _Answer:
        kind, name = _place(scope["path"])
        form = (self._format(self._origins.get(name)) if name else FORMATS[_ICEWARP]) or _UNKNOWN
        address = address_of(scope, self._settings.proxies)
        try:
            if scope["method"] not in _METHODS:
                raise _Method("the method must be GET or POST")
            if scope["method"] == "HEAD":  # a link checker must not send a text
                return 200, "", {}
            await self._take(scope, receive, address, kind, name)
        except NotTaken as error:
            return await self._refuse(scope["path"][:80], address, form, error)
        except StoreError:
            return 503, f"{form.failed} not now", {"retry-after": str(RETRY_AFTER)}
        return 200, form.taken, {}

    async def _take(self, scope: Any, receive: Any, address: str, kind: str, name: str) -> None:
        """`name` empty: the parameter `id` names the gateway, as in IceWarp's script."""
        if self._attempts.locked("", address, self._clock()):
            raise _LockedOut("too many wrong requests")
        take: _Take | None = {"mo": self._take_message, "dlr": self._take_receipt}.get(kind)
        if take is None or (name and self._format(self._origins.get(name)) is None):
            raise _NoSuch("no such provider")
        body = await self._body(scope, receive)
        call = read_call(scope["query_string"], header(scope, b"content-type"), body)
        origin = self._origins.get(name or call.word("id"))
        form = self._format(origin)
        if origin is None or form is None or (not name and form.name != _ICEWARP):
            raise _Denied("not allowed")
        if not _proven(origin, form, call, address):
            raise _Denied("not allowed")
        self._attempts.right("", address)
        try:
            await take(origin, form, call)
        except NotTaken as error:  # of those that nobody believes the count is enough
            _log.info("refused", gateway=origin.gateway.name, address=address, why=str(error))
            raise

    async def _body(self, scope: Any, receive: Any) -> bytes:
        """Raises _TooLong as soon as that is known."""
        most, body = self._settings.body, bytearray()
        told = header(scope, b"content-length")
        if told.isdecimal() and int(told[:20]) > most:
            raise _TooLong(f"a body of more than {most} octets")
        while True:
            event = await receive()
            if event["type"] == "http.disconnect":
                raise _Gone
            body += event.get("body", b"")
            if len(body) > most:
                raise _TooLong(f"a body of more than {most} octets")
            if not event.get("more_body"):
                return bytes(body)

    async def _refuse(self, path: str, address: str, form: Format, error: NotTaken) -> _Answer:
        more = {}
        if isinstance(error, _LockedOut):
            metrics.count("refused", "locked_out")
            more = {"retry-after": str(int(self._settings.lockout) + 1)}
        elif isinstance(error, _Denied):
            metrics.count("refused", "denied")
            if self._attempts.wrong("", address, self._clock()):
                _log.warning("a provider's proof was wrong too often", path=path, address=address)
            await asyncio.sleep(PENALTY)
        else:
            metrics.count("malformed", f"mo_{form.name}")
            more = {"allow": ", ".join(_METHODS)} if isinstance(error, _Method) else more
        return error.status, f"{form.failed} {error}", more


_Take = Callable[[Origin, Format, Call], Awaitable[None]]
_Answer = tuple[int, str, Mapping[str, str]]
_METHODS: Final = ("GET", "HEAD", "POST")
_NO_STORE: Final = (b"cache-control", b"no-store")


def _place(path: str) -> tuple[str, str]:
    """`/mo/NAME` → mo, NAME."""
    if path == DELIVER:
        return "mo", ""
    _, kind, name = (*path.split("/", 2), "", "")[:3]
    return (kind, name) if name else ("", "")


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
