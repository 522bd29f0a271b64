"""A provider reached by HTTP: one request a message, as its template says, judged by verdict.py.

The request is handed to httpx's aiohttp transport itself: no client between, which would add cookies, redirects and
half of the time. What was certainly never sent is GatewayDown; what may have been sent and got no answer is
OutcomeUnknown, and nothing below us may repeat it.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Sequence

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from voipsms.connectors import verdict
from voipsms.connectors.places import Unwritable
from voipsms.connectors.template import Request, RequestTemplate, values
from voipsms.connectors.verdict import LONGEST_ANSWER, Outcome, Verdict
from voipsms.errors import GatewayDown, OutcomeUnknown, SubmitError, SubmitFailed, SubmitRefused, Throttled
from voipsms.gateway_settings import GatewaySettings
from voipsms.log import LogMethod
from voipsms.masking import mask_body, mask_headers, mask_number, mask_text, mask_url
from voipsms.model import GatewayId, Message, Part, State, Submitted

FIRST_PROBE, LAST_PROBE = 0.5, 30.0  # seconds between looks at a gateway that is down
LONGEST_CONNECT = 10.0  # seconds
IDLE = 15.0  # seconds that an unused connection is kept: servers close theirs after that, and a race costs an outcome

_NOTHING_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


class HttpConnector:
    """Raises ConfigError where the gateway's template can't be used."""

    def __init__(
        self,
        gateway_id: GatewayId,
        settings: GatewaySettings,
        wake: Callable[[], None],
        *,
        trace: LogMethod | None = None,
        mask: bool = True,
    ) -> None:
        """`trace` gets every exchange, without secrets, and with `mask` without texts and whole numbers."""
        self.gateway_id, self.name = gateway_id, settings.name
        self._settings, self._wake, self._trace, self._mask = settings, wake, trace, mask
        self._template = RequestTemplate(settings)
        self._success = verdict.alternatives(settings.smssuccessstring)
        self._fail = verdict.alternatives(settings.smsfailstring)
        self._in_flight = 0
        self._down, self._fault = asyncio.Event(), ""
        scheme, self._host, self._port = self._template.origin()
        self._tls = ssl.create_default_context() if scheme == "https" else None
        # A connect that takes longer than the whole answer may must end first, so that it is known to be one.
        self._connect = min(settings.timeout * 0.75, LONGEST_CONNECT)
        timeouts = {"connect": self._connect, "pool": self._connect, "read": settings.timeout}
        self._extensions = {"timeout": timeouts}
        self._transport = AiohttpTransport(verify=self._tls or False, client=self._session)

    def _session(self) -> aiohttp.ClientSession:
        pool = aiohttp.TCPConnector(
            limit=self._settings.connections, keepalive_timeout=IDLE, ssl=self._tls if self._tls else True
        )
        session = aiohttp.ClientSession(connector=pool, cookie_jar=aiohttp.DummyCookieJar())
        # aiohttp repeats a GET whose connection broke before the answer: here that would be a second SMS. It has no
        # other switch for this; test_http.py shows that nothing is repeated.
        session._retry_connection = False
        return session

    @property
    def ready(self) -> bool:
        return not self._down.is_set()

    @property
    def last_error(self) -> str:
        return self._fault if self._down.is_set() else ""

    def split(self, message: Message) -> Sequence[Part]:
        return (Part(message, 1, 1),)

    def free(self) -> int:
        return self._settings.connections - self._in_flight if self.ready else 0

    async def submit(self, part: Part) -> Submitted:
        request = self._build(part.message)
        began = time.monotonic()
        self._in_flight += 1
        try:
            status, pause, body = await self._exchange(request)
        except SubmitError as error:
            self._tell(part.message, began, f"{error.reason}: {error.comment}")
            raise
        finally:
            self._in_flight -= 1
            if self.free() == 1:
                self._wake()
        found = verdict.judge(status, body, self._success, self._fail)
        self._tell(part.message, began, f"HTTP {status}\r\n\r\n{body.decode('utf-8', 'replace')}", found)
        return _submitted(found, status, verdict.retry_after(pause, time.time()))

    def _build(self, message: Message) -> httpx.Request:
        try:
            request = self._template.render(message)
            return httpx.Request(
                request.method, request.url, headers=request.headers, content=request.body, extensions=self._extensions
            )
        except (Unwritable, httpx.InvalidURL) as error:
            raise SubmitRefused(f"no request can be made of it: {error}") from error

    async def _exchange(self, request: httpx.Request) -> tuple[int, str | None, bytes]:
        """Status, Retry-After and body of the answer. Raises GatewayDown and OutcomeUnknown."""
        try:
            async with asyncio.timeout(self._settings.timeout):
                response = await self._transport.handle_async_request(request)
                return response.status_code, response.headers.get("retry-after"), await _read(response)
        except TimeoutError as error:
            raise OutcomeUnknown(f"no answer within {self._settings.timeout:g} s") from error
        except (httpx.TransportError, aiohttp.ClientError) as error:
            cause = error.__cause__ or error
            if isinstance(cause, _NOTHING_SENT):
                self._fault = str(cause)
                self._down.set()
                raise GatewayDown(self._fault) from error
            raise OutcomeUnknown(f"the connection ended before the answer: {cause}") from error

    def _tell(self, message: Message, began: float, answer: str, found: Verdict | None = None) -> None:
        if self._trace is None:
            return
        shown = mask_body(answer)
        named = values(message)
        if self._mask:
            for key, mask in (("message", mask_text), ("tonum", mask_number), ("fromnum", mask_number)):
                whole, named[key] = named[key], mask(named[key])
                shown = shown.replace(whole, named[key]) if whole else shown
        request = _shown(self._template.render_values(named))
        outcome = found.outcome.value if found else None
        shared: dict[str, object] = {"gateway": self.name, "id": message.id, "outcome": outcome}
        milliseconds = round((time.monotonic() - began) * 1000, 1)
        self._trace("http exchange", **shared, request=request, answer=shown, ms=milliseconds)

    async def run(self) -> None:
        """Looks at a gateway that is down until it can be reached again."""
        delay = FIRST_PROBE
        while True:
            await self._down.wait()
            await asyncio.sleep(delay)
            try:
                await self.probe()
            except GatewayDown as error:
                self._fault, delay = error.comment, min(delay * 2, LAST_PROBE)
                continue
            delay = FIRST_PROBE
            self._down.clear()
            self._wake()

    async def probe(self) -> None:
        """Connects, by TLS where the URL says so, and sends no request. Raises GatewayDown."""
        try:
            async with asyncio.timeout(self._connect):
                _, writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls)
                writer.close()
                await writer.wait_closed()
        except TimeoutError as error:
            raise GatewayDown(f"{self._host}:{self._port}: no connection within {self._connect:g} s") from error
        except OSError as error:
            raise GatewayDown(f"{self._host}:{self._port}: {error.strerror or error}") from error

    async def close(self) -> None:
        await self._transport.aclose()


async def _read(response: httpx.Response) -> bytes:
    """The answer's body, LONGEST_ANSWER octets of it at the most; a longer one costs the connection."""
    body = b""
    try:
        async for piece in response.stream:  # type: ignore[union-attr]  # the transport is an asynchronous one
            body += piece
            if len(body) >= LONGEST_ANSWER:
                break
    finally:
        await response.aclose()
    return body[:LONGEST_ANSWER]


def _submitted(found: Verdict, status: int, pause: float | None) -> Submitted:
    """Raises what the verdict means to dispatch."""
    if found.outcome is Outcome.TAKEN:
        return Submitted(found.provider_id, State.ACCEPTED, found.comment)
    if found.outcome is Outcome.REFUSED:
        raise SubmitRefused(found.comment)
    if status in (429, 503) and pause is not None:
        raise Throttled(found.comment, retry_after=pause)
    raise SubmitFailed(found.comment, retry_after=pause)


def _shown(request: Request) -> str:
    body = mask_body(request.body.decode("utf-8", "replace")) if request.body else ""
    return f"{request.method} {mask_url(request.url)}\r\n{mask_headers(request.headers)}\r\n\r\n{body}"
