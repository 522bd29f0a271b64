"""A provider's SIP trunk on loopback: the text of a MESSAGE says how it is answered."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Sequence

from voipsms.settings import Listen
from voipsms.sip.digest import DigestServer, Outcome, ha1
from voipsms.sip.endpoint import IncomingRequest, SipEndpoint
from voipsms.sip.message import Request

USER, PASSWORD, REALM = "trunk-7", "s3cret", "trunk.example"

ANSWERS: dict[str, tuple[int, str, tuple[tuple[str, str], ...]]] = {
    "refused": (403, "Forbidden", (("Reason", 'SIP;cause=403;text="Not your number"'),)),
    "gone": (480, "Temporarily Unavailable", ()),
    "busy": (503, "Service Unavailable", (("Retry-After", "7;duration=60"),)),
    "broken": (500, "Server Internal Error", ()),
    "late": (408, "Request Timeout", ()),
    "moved": (302, "Moved Temporarily", (("Contact", "<sip:elsewhere@127.0.0.1>"),)),
    "everywhere": (603, "Decline", ()),
}


class SipTrunk:
    """`requests` are those that arrived, in order. `algorithms`: of the digest that it asks for; none: it doesn't."""

    def __init__(self, algorithms: Sequence[str] = (), status: int = 401) -> None:
        self.requests: list[Request] = []
        self.sources: list[tuple[str, int]] = []
        self.transports: list[str] = []
        self.arrived = asyncio.Event()
        self.mute: set[str] = set()  # methods that get no answer
        self._algorithms, self._status = algorithms, status
        self._digest = DigestServer(REALM, b"seal", algorithms=algorithms)
        self.endpoint: SipEndpoint | None = None

    async def start(self, *transports: str, ports: Sequence[int] = (), tls: ssl.SSLContext | None = None) -> None:
        listen = [Listen(kind, "127.0.0.1", port) for kind, port in zip(transports, ports or (0, 0, 0), strict=False)]
        self.endpoint = SipEndpoint(listen, self._answer, tls=tls)
        await self.endpoint.start()

    async def stop(self) -> None:
        if self.endpoint is not None:
            await self.endpoint.close()

    def port(self, transport: str) -> int:
        assert self.endpoint is not None
        return next(at.port for at in self.endpoint.bound if at.transport == transport)

    @property
    def messages(self) -> list[Request]:
        return [request for request in self.requests if request.method == "MESSAGE"]

    def forget_nonces(self) -> None:
        """As after a restart: every nonce given so far is stale."""
        self._digest = DigestServer(REALM, b"another seal", algorithms=self._algorithms)

    def _answer(self, incoming: IncomingRequest) -> None:
        request = incoming.request
        self.requests.append(request)
        self.sources.append(incoming.source)
        self.transports.append(incoming.transport)
        self.arrived.set()
        if request.method in self.mute or request.body == b"silence":
            return
        if request.method == "OPTIONS":
            incoming.respond(405, headers=[("Allow", "MESSAGE")])
        elif not self._algorithms or self._known(request):
            status, reason, headers = ANSWERS.get(request.body.decode(), (202, "Accepted", ()))
            incoming.respond(status, reason, headers)
        else:
            asked = [(self._asks, value) for _, value in self._digest.challenges(time.time())]
            incoming.respond(self._status, headers=asked)

    @property
    def _asks(self) -> str:
        return "WWW-Authenticate" if self._status == 401 else "Proxy-Authenticate"

    def _known(self, request: Request) -> bool:
        header = "Authorization" if self._status == 401 else "Proxy-Authorization"
        verdict = self._digest.verify(
            request.headers.get_all(header), request.method, request.uri,
            lambda user, algorithm: ha1(algorithm, user, REALM, PASSWORD) if user == USER else None, time.time(),
        )  # fmt: skip
        return verdict.outcome is Outcome.OK
