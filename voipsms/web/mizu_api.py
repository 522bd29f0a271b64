"""The Mizu API (seeds/002, "API"): /mvapireq/?apientry=…, answered by lines that begin with OK or ERROR.

A raw ASGI application: at a thousand requests a second, a framework's share of each would be the largest.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

from voipsms import metrics
from voipsms.directory import Account, Directory
from voipsms.errors import ImpossibleNumber, Refused, StoreError, Unavailable, VoipSmsError
from voipsms.intake import Intake, Taken
from voipsms.log import get_logger
from voipsms.model import FAILED, MessageId, Submission
from voipsms.money import decimal
from voipsms.settings import GlobalSettings, HttpSettings
from voipsms.sms.numbers import Kind, read_number
from voipsms.store.entries import Remember
from voipsms.store.ids import now_millis
from voipsms.store.journal import Journal
from voipsms.store.reader import Reader
from voipsms.tariffs import price
from voipsms.values import Value
from voipsms.verifying import Verifying
from voipsms.web.access import Access, Credentials, Denied
from voipsms.web.outcomes import Outcomes, Standing
from voipsms.web.query import BadQuery, Parameters, header

PATHS: Final = ("/mvapireq", "/mvapireq/")
MOST_TARGETS: Final = 100
SHOWN: Final = 32  # characters of a target, 255 of a reason, that an answer repeats
# The document's own spellings of each parameter, its slip included.
_SPELLINGS: Final = {"from": "anum", "to": "bnum", "bnun": "bnum", "txt": "message"}

log = get_logger("api")


class Request(Value, frozen=True):
    """A call of `smsreceive`, whose parameters and body the operator's settings take apart."""

    query: bytes
    content_type: str
    body: bytes
    address: str


class Receives(Protocol):
    """Takes a message from a phone; returns after its commit. Raises VoipSmsError."""

    async def __call__(self, request: Request) -> None: ...


class _Asked(Value, frozen=True):
    account: Account
    address: str
    parameters: Mapping[str, str]
    once: bytes

    def needed(self, name: str) -> str:
        if not (value := self.parameters.get(name)):
            raise BadQuery(f"{name} is missing")
        return value


class MizuApi:
    """`receives`: None where there is nothing that texts from phones could be given to. `verifying`: of uauthverify."""

    def __init__(
        self,
        access: Access,
        intake: Intake,
        directory: Directory,
        journal: Journal,
        reader: Reader,
        outcomes: Outcomes,
        settings: HttpSettings,
        receives: Receives | None = None,
        verifying: Verifying | None = None,
    ) -> None:
        self._access = access
        self._intake = intake
        self._directory = directory
        self._journal = journal
        self._reader = reader
        self._outcomes = outcomes
        self._receives = receives
        self._verifying = verifying
        self.settings = settings

    @property
    def _sms(self) -> GlobalSettings:
        return self._intake.settings

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            status, text = 200, await self._answer(scope, receive)
        except BadQuery as error:
            metrics.count("malformed", "http")
            status, text = error.http_status, _error(error)
        except StoreError as error:
            log.warning("a request could not be served", why=str(error))
            status, text = 200, _error(Unavailable())
        except VoipSmsError as error:
            status, text = 200, _error(error)
        except Exception:
            log.exception("a request could not be served")
            status, text = 500, "ERROR internal Internal error"
        body = text.encode() + b"\n"
        await send({"type": "http.response.start", "status": status, "headers": _headers(body)})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Any, receive: Any) -> str:
        if (method := scope["method"]) not in ("GET", "POST"):
            raise BadQuery("the method must be GET or POST", 405)
        query, content_type = scope["query_string"], ""
        body = b""
        if method == "POST":
            content_type = header(scope, b"content-type")
            body = await _read_body(receive, self.settings.body)
        if b"smsreceive" in query.lower() and _SMSRECEIVE.search(query):
            return await self._smsreceive(Request(query, content_type, body, self._access.address(scope)))
        parameters = Parameters(_SPELLINGS)
        parameters.add_form(query)
        if method == "POST":
            parameters.add_body(content_type, body)
        return await self._serve(scope, parameters.found)

    async def _serve(self, scope: Any, found: Mapping[str, str]) -> str:
        name, address = found.get("apientry", "").strip().lower(), self._access.address(scope)
        if name == _VERIFY and self._verifying is not None:
            self._access.check_server_key(found.get("authkey", ""), address)
            return await self._verifying.entry(found, address)
        entry = _ENTRIES.get(name)
        if entry is None:
            raise BadQuery(f"apientry must be one of {', '.join(_ENTRIES)}, {_VERIFY}, or in the URL smsreceive")
        proven = await self._access.prove(Credentials(*(found.get(name, "") for name in _CREDENTIALS)), address)
        return await entry(self, _Asked(proven.account, address, found, proven.once))

    # -- sending

    async def _sendsms(self, asked: _Asked) -> str:
        return _taken(await self._send(asked))

    async def _sendsmssync(self, asked: _Asked) -> str:
        answers = await self._send(asked)
        messages = [taken.message_id for taken in answers.values() if isinstance(taken, Taken)]
        found = await self._outcomes.wait(messages, self.settings.sync) if messages else {}
        lines = [_final(taken.message_id, found) for taken in answers.values() if isinstance(taken, Taken)]
        return "\n".join([*sorted(lines, reverse=True), *_refusals(answers)])  # OK comes before ERROR

    async def _asendsms(self, asked: _Asked) -> str:
        self._access.check_admin(asked.account)
        return await self._sendsms(asked)

    async def _asendsmssync(self, asked: _Asked) -> str:
        self._access.check_admin(asked.account)
        return await self._sendsmssync(asked)

    async def _send(self, asked: _Asked) -> Mapping[str, Taken | Refused]:
        """Each target's message by itself: one that is refused stops no other."""
        targets = _targets(asked.needed("bnum"))
        text = asked.needed("message")
        client_id = asked.parameters.get("clientid", "")
        if len(targets) == 1 and asked.once and not client_id:
            return {targets[0]: await self._submit_once(asked, targets[0], text)}
        if asked.once:
            await self._spend(asked.once)
        keys = [_key(asked.account, client_id, target) if client_id else b"" for target in targets]
        if len(targets) == 1:
            return {targets[0]: await self._submit(asked, targets[0], text, keys[0])}
        each = (self._submit(asked, target, text, key) for target, key in zip(targets, keys, strict=True))
        return dict(zip(targets, await asyncio.gather(*each), strict=True))

    async def _submit(self, asked: _Asked, target: str, text: str, key: bytes) -> Taken | Refused:
        account = asked.account
        sender = asked.parameters.get("anum") or (account.numbers[0] if account.numbers else account.name)
        try:
            return await self._intake.submit(
                Submission("mizu", (account.name,), sender, target, text, key, client_ip=asked.address)
            )
        except Refused as refusal:
            return refusal

    async def _submit_once(self, asked: _Asked, target: str, text: str) -> Taken | Refused:
        """The salt is written down by the message's own commit. Raises Denied where another process knew it."""
        answer = await self._submit(asked, target, text, asked.once)
        if isinstance(answer, Taken) and answer.repeated:
            raise Denied
        return answer

    async def _spend(self, once: bytes) -> None:
        """The same for a request that is no message, or several. Raises Denied, Unavailable, StoreError."""
        if await self._journal.append(Remember(once, Denied.code, Denied.text)) is not None:
            raise Denied

    # -- asking

    async def _balance(self, asked: _Asked) -> str:
        """As the tables have it: other processes spend, too."""
        if asked.once:
            await self._spend(asked.once)
        rows = await self._reader.run(lambda db: db.read("user_by_name", username=asked.account.name))
        _, balance, currency, _ = rows[0]
        return f"OK {decimal(balance)} {currency}"

    async def _rating(self, asked: _Asked) -> str:
        """What a message (with smsbilling=part: each of its parts) costs, and the prefix whose price that is."""
        number = read_number(asked.needed("bnum"), self._sms.country)
        if number.kind in (Kind.NAME, Kind.IMPOSSIBLE):
            raise ImpossibleNumber
        if asked.once:
            await self._spend(asked.once)
        quote = price(self._directory, self._sms, asked.account, number.digits, 1, now_millis())
        return f"OK {decimal(quote.amount)} {asked.account.currency} {quote.prefix}".rstrip()

    # -- receiving

    async def _smsreceive(self, request: Request) -> str:
        """From the addresses of smsreceive_ip; where there are none, by authkey. Its parameters may be in any
        character set, so that only authkey is looked for here."""
        if self._sms.smsreceive_route == 0 or self._receives is None:
            raise _Disabled
        if self._sms.smsreceive_ip:
            self._access.check_address(request.address, self._sms.smsreceive_ip)
        else:
            self._access.check_server_key(_authkey(request.query), request.address)
        await self._receives(request)
        return "OK"


class _Disabled(VoipSmsError):
    code = "disabled"

    def __str__(self) -> str:
        return "smsreceive_route is 0"


_SMSRECEIVE: Final = re.compile(rb"(?:^|&)apientry=smsreceive(?:&|$)", re.IGNORECASE)
_CREDENTIALS: Final = ("authkey", "authid", "authpwd", "authmd5", "authsalt")
_VERIFY: Final = "uauthverify"  # for a website that signs people up, so that the server's key is all it needs
_Entry = Callable[[MizuApi, _Asked], Awaitable[str]]
_ENTRIES: Final[Mapping[str, _Entry]] = {
    "sms": MizuApi._sendsms,  # deprecated
    "sendsms": MizuApi._sendsms,
    "sendsmssync": MizuApi._sendsmssync,
    "asendsms": MizuApi._asendsms,
    "asendsmssync": MizuApi._asendsmssync,
    "balance": MizuApi._balance,
    "rating": MizuApi._rating,
}


# -- requests


async def _read_body(receive: Any, longest: int) -> bytes:
    """Raises BadQuery where it is longer."""
    body = bytearray()
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise BadQuery("the request ended early")
        body += event.get("body", b"")
        if len(body) > longest:
            raise BadQuery(f"the body is longer than {longest} octets", 413)
        if not event.get("more_body"):
            return bytes(body)


def _authkey(query: bytes) -> str:
    for piece in query.split(b"&"):
        if piece[:8].lower() == b"authkey=":
            parameters = Parameters({})
            parameters.add_form(piece)
            return parameters.found["authkey"]
    return ""


def _targets(told: str) -> list[str]:
    """Each once. Raises BadQuery."""
    if "," not in told:
        return [told.strip()]
    targets = list(dict.fromkeys(word for word in map(str.strip, told.split(",")) if word))
    if not 1 <= len(targets) <= MOST_TARGETS:
        raise BadQuery(f"bnum must have 1 to {MOST_TARGETS} numbers")
    return targets


def _key(account: Account, client_id: str, target: str) -> bytes:
    """What makes a request of this account the same one again."""
    words = f"{account.id}\0{client_id}\0{target}".encode()
    return hashlib.blake2b(words, digest_size=16, person=b"clientid").digest()


# -- answers


def _headers(body: bytes) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]


def _error(error: VoipSmsError, *words: str) -> str:
    """`ERROR [target] code reason`, whatever a provider or the request put into it, in one line."""
    code = getattr(error, "code", "error")
    return _line("ERROR", *words, code, str(error))


def _line(*words: object) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in str(word))[:255] for word in words if word != "")


def _taken(answers: Mapping[str, Taken | Refused]) -> str:
    """`OK id,id`, then a line for each target that was refused."""
    taken = ",".join(str(answer.message_id) for answer in answers.values() if isinstance(answer, Taken))
    return "\n".join([*([f"OK {taken}"] if taken else []), *_refusals(answers)])


def _refusals(answers: Mapping[str, Taken | Refused]) -> list[str]:
    several = len(answers) > 1
    return [
        _error(refusal, target[:SHOWN] if several else "")
        for target, refusal in answers.items()
        if isinstance(refusal, Refused)
    ]


def _final(message: MessageId, found: Mapping[MessageId, Standing]) -> str:
    standing = found[message]
    word = "ERROR" if standing.state in FAILED else "OK"
    return _line(word, message, standing.state, standing.reason, standing.comment)
