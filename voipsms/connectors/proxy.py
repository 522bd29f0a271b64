"""An HTTP proxy on the way (RFC 9110 §9.3.6), and how a gateway is looked at without a request."""

from __future__ import annotations

import asyncio
import base64
import ssl
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from voipsms.errors import ConfigError
from voipsms.gateway_settings import GatewaySettings

LATE_ALERT: Final = 0.25  # seconds in which a TLS 1.3 server tells that it doesn't accept our certificate
LONGEST_HEAD: Final = 16_384  # octets


@dataclass(frozen=True, slots=True)
class Proxy:
    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def read(cls, settings: GatewaySettings) -> Proxy | None:
        """Raises ConfigError, without the value: it may hold a password."""
        if not settings.proxy:
            return None
        try:
            parts = urlsplit(settings.proxy)
            host, port = parts.hostname, parts.port or 80
        except ValueError:
            host = None
        if not host or parts.scheme.lower() != "http" or parts.path.strip("/") or parts.query:
            raise ConfigError(f"[{settings.section}] proxy: must be http://user:password@host:port")
        return cls(host, port, unquote(parts.username or ""), unquote(parts.password or ""))

    @property
    def url(self) -> str:
        """Without the credentials."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        """What a request to it needs beside its own headers."""
        if not self.user:
            return {}
        credentials = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return {"Proxy-Authorization": f"Basic {credentials}"}

    def connect(self, host: str, port: int) -> bytes:
        """The CONNECT request for a tunnel to `host`."""
        target = f"{f'[{host}]' if ':' in host else host}:{port}"
        lines = [f"{name}: {value}" for name, value in {"Host": target, **self.headers}.items()]
        return "\r\n".join([f"CONNECT {target} HTTP/1.1", *lines, "", ""]).encode()


async def reach(host: str, port: int, tls: ssl.SSLContext | None, proxy: Proxy | None) -> None:
    """Connects as a request would, and leaves. Raises OSError (ssl.SSLError is one) and EOFError."""
    if proxy is None:
        reader, writer = await asyncio.open_connection(host, port, ssl=tls)
    else:
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port, limit=LONGEST_HEAD)
    try:
        if proxy is not None and tls is not None:
            await _tunnel(reader, writer, proxy, host, port)
            await writer.start_tls(tls, server_hostname=host)
        if tls is not None:
            await _await_alert(reader)
    finally:
        writer.transport.abort()


async def _tunnel(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, proxy: Proxy, host: str, port: int
) -> None:
    writer.write(proxy.connect(host, port))
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise ConnectionAbortedError("the proxy's answer has no end") from error
    status = head.split(None, 2)[1:2]
    if not status or not status[0].startswith(b"2"):
        answer = head.partition(b"\r\n")[0].decode("ascii", "replace")
        raise ConnectionRefusedError(f"the proxy answers {answer[:100]}")


async def _await_alert(reader: asyncio.StreamReader) -> None:
    """See `_certificate_refused` of exchange.py. A server that has nothing against us says nothing, and stays."""
    try:
        async with asyncio.timeout(LATE_ALERT):
            said = await reader.read(1)
    except TimeoutError:
        return
    if not said:
        raise ConnectionAbortedError("the server ended the connection after the TLS handshake: our certificate?")
