"""Digest as a client (RFC 3261 §22.2): what a peer has asked for once, later requests answer at once."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from voipsms.sip.digest import NoUsableChallenge, authorization
from voipsms.sip.headers import Headers
from voipsms.sip.message import Request, Response

_CHALLENGES: Final = {401: ("WWW-Authenticate", "Authorization"), 407: ("Proxy-Authenticate", "Proxy-Authorization")}

Exchange = Callable[[Request], Awaitable[Response]]


@dataclass(slots=True)
class _Challenge:
    """`count`: answers given."""

    header: str
    values: Sequence[str]
    count: int = 0


class Credentials:
    """Of one user at one peer; without a name there are none, and a challenge is the answer."""

    def __init__(self, user: str, password: str) -> None:
        self._user = user
        self._password = password
        self._challenge: _Challenge | None = None

    async def converse(self, request: Request, exchange: Exchange) -> Response:
        """The answer, after one more attempt with credentials where the peer asks for them.

        Raises NoUsableChallenge, and what `exchange` raises.
        """
        response = await exchange(self._authorized(request, self._challenge))
        if response.status not in _CHALLENGES or not self._user:
            return response
        asked, header = _CHALLENGES[response.status]
        self._challenge = _Challenge(header, response.headers.get_all(asked))
        response = await exchange(self._authorized(request, self._challenge, again=True))
        if response.status in _CHALLENGES:
            self._challenge = None
        return response

    def _authorized(self, request: Request, challenge: _Challenge | None, again: bool = False) -> Request:
        if challenge is None:
            return request
        challenge.count += 1
        try:
            credentials = authorization(
                challenge.values, request.method, request.uri, self._user, self._password,
                cnonce=secrets.token_hex(8), nc=challenge.count,
            )  # fmt: skip
        except NoUsableChallenge:
            self._challenge = None
            raise
        headers = Headers([*request.headers, (challenge.header, credentials)])
        if again:
            headers.replace_first("CSeq", f"2 {request.method}")
        return Request(request.method, request.uri, headers, request.body)
