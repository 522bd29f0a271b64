"""One HTTP request and its answer, over a pool of connections; the only module that knows aiohttp.

What surely never left is GatewayDown, what may have left and got no whole answer is OutcomeUnknown, and nothing in here
repeats a request. aiohttp tells when it begins to write one: that is the border between the two.
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
from yarl import URL

from voipsms.connectors import http_tls
from voipsms.connectors.proxy import Proxy, reach
from voipsms.connectors.template import Request
from voipsms.connectors.verdict import LONGEST_ANSWER
from voipsms.errors import GatewayDown, OutcomeUnknown, RefusedHere, SubmitError
from voipsms.gateway_settings import GatewaySettings

LONGEST_CONNECT: Final = 10.0  # seconds
IDLE: Final = 15.0  # seconds that an unused connection is kept: servers close theirs after that, and a race costs much
LONGEST_URL: Final = 65_536  # octets; few servers take more than 8,000
PROXY_AUTHENTICATION_REQUIRED: Final = 407

_ZLIB_OR_GZIP: Final = 32 + zlib.MAX_WBITS
_COMPRESSED: Final = frozenset({"gzip", "x-gzip", "deflate"})
_CHARSET: Final = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_NO_TEXT: Final = frozenset({"idna", "punycode", "raw_unicode_escape", "unicode_escape", "undefined", "mbcs", "oem"})


@dataclass(frozen=True, slots=True)
class Answer:
    """`body`: unpacked, LONGEST_ANSWER octets of it at the most."""

    status: int
    body: bytes
    content_type: str = ""
    retry_after: str | None = None
    location: str = ""

    @property
    def text(self) -> str:
        """In the charset that its Content-Type says, else UTF-8; what is wrong in it becomes U+FFFD."""
        said = _CHARSET.search(self.content_type)
        name = said[1].lower().replace("-", "_") if said else "utf_8"
        try:
            return self.body.decode("utf_8" if name in _NO_TEXT else name, "replace")
        except (LookupError, ValueError):
            return self.body.decode("utf_8", "replace")


class Connections:
    """To any server. `timeout`: seconds for an exchange. `tls`: None for the usual one where a URL asks for it."""

    def __init__(self, timeout: float, tls: ssl.SSLContext | None = None, proxy: Proxy | None = None) -> None:
        self._tls, self._proxy = tls, proxy
        credentials = proxy.headers if proxy else {}
        # They stand in the CONNECT for a tunnel, else in the request itself, of which the proxy takes them out.
        self._tunnel_headers = credentials if credentials and tls else None
        self._headers = () if tls else tuple(credentials.items())
        self._timeout = timeout
        # A connect that takes longer than the whole answer may must end first, so that it is known to be one.
        self._connect = min(timeout * 0.75, LONGEST_CONNECT)
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is not None:
            return self._session
        tracing = aiohttp.TraceConfig()
        tracing.on_request_headers_sent.append(_leaves)
        session = self._session = aiohttp.ClientSession(
            # How many there are at once is the connector's matter: here nothing waits for a free one.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE, ssl=self._tls or True),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, connect=self._connect, sock_connect=self._connect),
            trace_configs=[tracing],
            proxy=self._proxy.url if self._proxy else None,
        )
        # aiohttp repeats a GET whose connection broke before the answer: here that would be a second SMS. It has no
        # other switch for this; test_http.py shows that nothing is repeated.
        session._retry_connection = False
        return session

    async def send(self, request: Request) -> Answer:
        """Raises GatewayDown, OutcomeUnknown, and RefusedHere for what can't be sent at all."""
        if len(request.url) > LONGEST_URL:
            raise RefusedHere(f"no request can be made of it: a URL of {len(request.url)} characters")
        left: dict[str, bool] = {}
        try:
            async with asyncio.timeout(self._timeout):
                return await self._send(request, left)
        except TimeoutError as error:
            if left:
                raise OutcomeUnknown(f"no answer within {self._timeout:g} s") from error
            raise GatewayDown(f"{_place(request.url)}: no connection within {self._connect:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise _fault(error, bool(left), _place(request.url)) from error

    async def _send(self, request: Request, left: dict[str, bool]) -> Answer:
        async with self._open().request(
            request.method, URL(request.url, encoded=True), headers=request.headers + self._headers, data=request.body,
            allow_redirects=False, proxy_headers=self._tunnel_headers, trace_request_ctx=left,
        ) as response:  # fmt: skip
            headers, body = response.headers, await _read(response)
        if response.status == PROXY_AUTHENTICATION_REQUIRED and self._proxy:
            raise GatewayDown("the proxy wants other credentials")
        if headers.get("Content-Encoding", "").lower() in _COMPRESSED:
            body = _unpack(body)
        return Answer(
            response.status, body, headers.get("Content-Type", ""), headers.get("Retry-After"),
            headers.get("Location", ""),
        )  # fmt: skip

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


class Exchange(Connections):
    """The connections of one gateway. `scheme`, `host`, `port`: of its smsurl. Raises ConfigError."""

    def __init__(self, settings: GatewaySettings, folder: Path, scheme: str, host: str, port: int) -> None:
        named = settings.certificate or settings.certificatekey or settings.ca  # whose faults are told in any case
        context = http_tls.client_context(settings, folder) if scheme == "https" or named else None
        super().__init__(settings.timeout, context if scheme == "https" else None, Proxy.read(settings))
        self._host, self._port = host, port

    async def probe(self) -> None:
        """Connects, by the proxy and by TLS where they are set, and sends no request. Raises GatewayDown."""
        try:
            async with asyncio.timeout(self._connect):
                await reach(self._host, self._port, self._tls, self._proxy)
        except TimeoutError as error:
            raise GatewayDown(f"{self._host}:{self._port}: no connection within {self._connect:g} s") from error
        except (OSError, EOFError) as error:
            why = getattr(error, "strerror", None) or error
            raise GatewayDown(f"{self._host}:{self._port}: {why}") from error


async def _leaves(session: aiohttp.ClientSession, context: object, what: object) -> None:
    """The request's first octet is about to be written."""
    context.trace_request_ctx["left"] = True  # type: ignore[attr-defined]


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """LONGEST_ANSWER octets of the body at the most; a longer one costs the connection."""
    body = b""
    async for piece in response.content.iter_any():
        body += piece
        if len(body) >= LONGEST_ANSWER:
            break
    return body[:LONGEST_ANSWER]


def _unpack(body: bytes) -> bytes:
    """Whatever we accept, some servers compress. A damaged body stays as it is."""
    try:
        return zlib.decompressobj(_ZLIB_OR_GZIP).decompress(body, LONGEST_ANSWER)
    except zlib.error:
        return body


def _place(url: str) -> str:
    """The rest of a URL may be secret."""
    parts = URL(url, encoded=True)
    return f"{parts.host}:{parts.port}"


def _fault(error: aiohttp.ClientError | OSError, left: bool, where: str) -> SubmitError:
    """Only what aiohttp says of a connection goes into the text: its other words repeat the URL."""
    if isinstance(error, aiohttp.InvalidURL):
        return RefusedHere("no request can be made of it: a URL that is none")
    if _certificate_refused(error):
        return GatewayDown(f"{where}: the server does not accept our certificate")
    if left:
        return OutcomeUnknown(f"the connection ended before the answer: {_name(error)}")
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return GatewayDown(f"{where}: the proxy answers {error.status}")
    return GatewayDown(str(error) if isinstance(error, aiohttp.ClientConnectorError) else f"{where}: {_name(error)}")


def _name(error: aiohttp.ClientError | OSError) -> str:
    number = getattr(error, "errno", None)
    return os.strerror(number) if number and number > 0 else type(error).__name__


def _certificate_refused(error: BaseException | None) -> bool:
    """A TLS 1.3 server judges our certificate when we believe the handshake over (RFC 8446 §4.4.2.4, §6.2): its alert
    comes instead of an answer, and it has read nothing of the request."""
    while error is not None:
        reason = str(getattr(error, "reason", "")) if isinstance(error, ssl.SSLError) else ""
        if "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason or "ACCESS_DENIED" in reason):
            return True
        error = error.__cause__ or error.__context__
    return False
