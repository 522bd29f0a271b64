"""Brings texts to phones: one SIP MESSAGE (RFC 3428) each, through the softswitch that `[sip] outbound` names."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from voipsms.carriers.port import NotCarried, Recipient
from voipsms.errors import ConfigError
from voipsms.model import Delivery
from voipsms.settings import SipSettings
from voipsms.sip.credentials import Credentials
from voipsms.sip.digest import NoUsableChallenge
from voipsms.sip.endpoint import DEFAULT_PORTS, Peer, RequestTimeout, Unreachable
from voipsms.sip.grammar import SipParseError
from voipsms.sip.headers import Headers
from voipsms.sip.imdn import notification
from voipsms.sip.message import Request, Response, UnsafeHeader
from voipsms.sip.uri import Uri

HOP: Final = "X-VoipSMS-Hop"
PAUSES: Final = (5.0, 15.0, 60.0, 300.0, 900.0)  # seconds after each attempt; the last one from then on
ADDRESSED: Final = 7  # digits from which a number is written with +, not as a short code
# Answers that another attempt would get again (RFC 3261 §21); all others say that it is too early.
_LASTING: Final = frozenset(
    {400, 403, 405, 410, 413, 414, 415, 416, 420, 482, 483, 484, 485, 488, 493, 501, 505, 513, 603, 604, 606}
)
_ANYWHERE: Final = frozenset({"0.0.0.0", "::", ""})  # what no URI can name
_SECONDS: Final = re.compile(r"\s*(\d{1,9})")  # of Retry-After, RFC 3261 §20.33

Ask = Callable[[Request, Peer], Awaitable[Response]]
"""SipEndpoint.request"""


def hop_mark(secret: bytes) -> str:
    """What a MESSAGE of ours bears, so that it is known when it comes back. All processes of one database share it."""
    return hashlib.blake2b(b"hop", key=secret, digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True)
class _Way:
    """`[sip] outbound`, and the host of our own addresses."""

    uri: Uri
    peer: Peer
    host: str

    def to(self, user: str) -> Uri:
        return Uri(self.uri.scheme, user, self.uri.host, self.uri.port, self.uri.params)

    def address(self, user: str) -> Uri:
        """For To, whose URI has neither port nor transport: RFC 3261 §19.1.1, table 1."""
        return Uri(self.uri.scheme, user, self.uri.host)

    def own(self, source: str) -> Uri:
        plus = "+" if source.isascii() and source.isdigit() and len(source) >= ADDRESSED else ""
        return Uri(self.uri.scheme, f"{plus}{source}" or "anonymous", self.host)


class ChatCarrier:
    """Sends from the gateway's own endpoint, whose listener is where the softswitch expects us. Raises ConfigError."""

    def __init__(self, settings: SipSettings, request: Ask, mark: str) -> None:
        self._request = request
        self._mark = mark
        self.configure(settings)

    def configure(self, settings: SipSettings) -> None:
        """Takes new settings. Raises ConfigError."""
        self._way = _read(settings)
        self._credentials = Credentials(settings.outbound_user, settings.outbound_password)

    @property
    def usable(self) -> bool:
        """Whether chat goes anywhere."""
        return self._way is not None

    async def carry(self, delivery: Delivery, to: Recipient) -> str:
        if self._way is None:
            raise NotCarried("[sip] outbound is empty", lasting=True)
        peer = self._way.peer
        request = self._message(delivery, self._way, to.reach.chat or to.name)
        try:
            response = await self._credentials.converse(request, lambda asked: self._request(asked, peer))
        except UnsafeHeader as error:
            raise NotCarried(f"no request can be made of it: {error}", lasting=True) from error
        except NoUsableChallenge as error:
            raise NotCarried(f"401: {error}") from error
        except (Unreachable, RequestTimeout) as error:
            raise NotCarried(str(error)) from error
        if response.status >= 300:
            raise _refusal(response)
        return f"{response.status} {response.reason}".strip()

    def _message(self, delivery: Delivery, way: _Way, user: str) -> Request:
        uri, to, own = str(way.to(user)), str(way.address(user)), str(way.own(delivery.source))
        kind, body = _body(delivery, own, to)
        headers = Headers([
            ("Max-Forwards", "70"),
            ("From", f"<{own}>;tag={secrets.token_hex(4)}"),
            ("To", f"<{to}>"),
            ("Call-ID", secrets.token_hex(12)),
            ("CSeq", "1 MESSAGE"),
            (HOP, self._mark),
            ("Content-Type", kind),
        ])  # fmt: skip
        return Request("MESSAGE", uri, headers, body)

    def pause(self, delivery: Delivery, to: Recipient) -> float | None:
        return PAUSES[min(delivery.attempt, len(PAUSES)) - 1]

    async def close(self) -> None:
        """The endpoint is the gateway's."""


def _read(settings: SipSettings) -> _Way | None:
    if not settings.outbound:
        return None
    place = "[sip] outbound"
    try:
        uri = Uri.parse(settings.outbound)
    except SipParseError as error:
        raise ConfigError(f"{place}: {error}") from error
    if uri.scheme not in ("sip", "sips") or not uri.host or uri.user or uri.headers or uri.port == 0:
        raise ConfigError(f"{place}: must be sip:host, with :port and ;transport=tcp where it needs them")
    transport = "tls" if uri.scheme == "sips" else uri.params.get("transport", "udp").lower()
    if transport not in DEFAULT_PORTS:
        raise ConfigError(f"{place}: transport must be one of {', '.join(DEFAULT_PORTS)}, not {transport!r}")
    peer = Peer(transport, uri.params.get("maddr") or uri.host, uri.port or DEFAULT_PORTS[transport])
    host = next((listen.host for listen in settings.listen if listen.host not in _ANYWHERE), uri.host)
    return _Way(uri, peer, host)


def _body(delivery: Delivery, own: str, to: str) -> tuple[str, bytes]:
    """Content-Type and octets: a text, or the notification that the phone asked for."""
    fields = dict(delivery.fields)
    if disposition := fields.get("disposition"):
        octets = notification(
            fields.get("imdn", ""), fields.get("sent", ""), disposition, recipient=own, to=to,
            own_id=secrets.token_hex(8),
        )  # fmt: skip
        return "message/cpim", octets
    return "text/plain;charset=UTF-8", delivery.text.encode("utf-8", "replace")


def _refusal(response: Response) -> NotCarried:
    asked = _SECONDS.match(response.headers.get("Retry-After"))
    return NotCarried(
        f"{response.status} {response.reason}".strip(),
        lasting=response.status in _LASTING,
        after=float(asked[1]) if asked and response.status not in (401, 407) else None,
    )
