"""SIP MESSAGE in (RFC 3428): who asks, what it says, and the answer by the table in contract.md."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Protocol

from voipsms import metrics
from voipsms.carriers.chat import HOP, hop_mark
from voipsms.directory import Directory
from voipsms.errors import Refused
from voipsms.intake import Intake, Taken
from voipsms.log import get_logger
from voipsms.model import Imdn, Submission
from voipsms.networks import inside
from voipsms.rules import Slow, apply
from voipsms.settings import SipSettings
from voipsms.sip.body import ACCEPT, BadBody, Ignored, UnsupportedBody, read_body
from voipsms.sip.digest import Attempts, DigestServer, Outcome
from voipsms.sip.endpoint import IncomingRequest
from voipsms.sip.grammar import SipParseError
from voipsms.sip.message import Request
from voipsms.sip.uri import NameAddr, Uri, Via

ALLOW = "MESSAGE, OPTIONS"
LONGEST_FACT = 256  # characters of a user part that a rule sees
_REGISTERED = "3600"  # seconds, where a REGISTER doesn't say: RFC 3261 §10.2.1.1
PATIENCE = "5"  # seconds that Retry-After asks for where nothing better is known

log = get_logger("sip")


class Answer(Exception):
    """What a request gets at once."""

    def __init__(self, status: int, text: str = "", headers: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(status, text)
        self.status = status
        self.text = text
        self.headers = headers


class Takes(Protocol):
    """Intake, or what takes commands."""

    async def submit(self, submission: Submission) -> Taken: ...


class SipDoor:
    """`on_request` is what the endpoint calls."""

    def __init__(
        self,
        settings: SipSettings,
        intake: Intake,
        directory: Directory,
        secret: bytes,
        seen: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._intake = intake
        self._commands: tuple[str, Takes] = ("", intake)
        self._directory = directory
        self._secret = secret
        self._mark = hop_mark(secret)
        self._seen = seen  # gets names and numbers of users who are there now
        self._own: frozenset[tuple[str, int]] = frozenset()
        self._tasks: set[asyncio.Task[None]] = set()
        self.configure(settings)

    def configure(self, settings: SipSettings) -> None:
        """Takes new settings; listeners stay as they are."""
        self._is_trusted = lru_cache(maxsize=1000)(lambda address: inside(address, settings.trusted))
        self._digest = DigestServer(
            settings.realm, self._secret, fresh=settings.nonce, algorithms=settings.digest, since=time.time()
        )  # fmt: skip
        self._attempts = Attempts(settings.attempts, settings.lockout)

    def give_commands(self, extension: str, commands: Takes) -> None:
        """What comes to this user from now on is a command; '' : nothing is."""
        self._commands = (extension, commands)

    def listens_at(self, addresses: frozenset[tuple[str, int]]) -> None:
        """Our own addresses: a request that has been there comes round in a loop."""
        self._own = addresses

    def trusts(self, address: str) -> bool:
        """Whether this address is the softswitch's."""
        return self._is_trusted(address)

    def on_request(self, incoming: IncomingRequest) -> None:
        if self._directory.rules.of_requests and self._ruled(incoming):
            return
        reader = _METHODS.get(incoming.request.method)
        if reader is None:
            self._answer(incoming, Answer(405, f"{incoming.request.method} is not understood", (("Allow", ALLOW),)))
            return
        try:
            reader(self, incoming)
        except Answer as answer:
            self._answer(incoming, answer)
        except SipParseError as error:
            self._answer(incoming, Answer(400, str(error)))

    async def drain(self) -> None:
        """Waits for the answers to what has been taken in."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _ruled(self, incoming: IncomingRequest) -> bool:
        """Whether a rule of the operator has answered it."""
        try:
            answer = apply(self._directory.rules.of_requests, _facts(incoming.request)).answer
        except Slow as error:
            metrics.count("rules", "match", "slow")
            log.error("a request is refused, since a rule takes too long on it", rule=error.rule)
            answer = (403, "A rule takes too long on this request")
        if answer is None:
            return False
        metrics.count("rules", "answer", "done")
        code, text = answer
        headers = _reason(code, text) if text and code >= 300 else ()
        incoming.respond(code, text or None, headers)
        return True

    # -- methods

    def _options(self, incoming: IncomingRequest) -> None:
        raise Answer(200, headers=(("Allow", ALLOW), ("Accept", ACCEPT)))

    def _message(self, incoming: IncomingRequest) -> None:
        request = incoming.request
        self._check_loop(request)
        sender = request.from_addr.uri
        payers = self._payers(incoming, sender)
        target = _target(request)
        text, imdn = _text(request)
        submission = Submission(
            door="sip",
            payers=payers,
            sender=sender.user or payers[0],
            target=target,
            text=text,
            ingress_key=ingress_key(request),
            client_ip=incoming.source[0],
            imdn=imdn,
        )
        extension, commands = self._commands
        taker = commands if extension and target == extension else self._intake
        task = asyncio.get_running_loop().create_task(self._submit(incoming, submission, taker))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _submit(self, incoming: IncomingRequest, submission: Submission, taker: Takes) -> None:
        try:
            taken = await taker.submit(submission)
        except Refused as refusal:
            self._answer(incoming, _refusal(refusal))
        except Exception:
            log.exception("a MESSAGE could not be served", call_id=incoming.request.headers.get("Call-ID"))
            self._answer(incoming, Answer(500, "Internal error"))
        else:
            self._answer(incoming, _taken(taken))
            for name in submission.payers:
                self._seen(name)

    def _register(self, incoming: IncomingRequest) -> None:
        """RFC 3261 §10: a registrar tells whose phone is there. We keep no bindings, so the answer repeats them."""
        request = incoming.request
        if not self._is_trusted(incoming.source[0]):
            raise Answer(405, "REGISTER is not understood", (("Allow", ALLOW),))
        user, contacts = NameAddr.parse(request.headers.get("To")).uri.user, request.headers.values("Contact")
        expires = request.headers.get("Expires", _REGISTERED)
        if user and not _leaves(contacts, expires):
            self._seen(user)
        raise Answer(200, headers=[*(("Contact", contact) for contact in contacts), ("Expires", expires)])

    # -- who asks

    def _check_loop(self, request: Request) -> None:
        """RFC 3261 §16.3 items 3 and 4: we send the message on, so we are a hop like a proxy."""
        if request.headers.get("Max-Forwards", "70").strip() == "0":
            raise Answer(483)
        if any(self._mark in mark for mark in request.headers.get_all(HOP)):
            raise Answer(482, "The request comes from here")
        hops = request.headers.values("Via")
        if len(hops) > 1 and any(self._is_ours(Via.parse(hop)) for hop in hops[1:]):
            raise Answer(482, "The request has been here before")

    def _is_ours(self, via: Via) -> bool:
        return (via.host, via.port or 5060) in self._own

    def _payers(self, incoming: IncomingRequest, sender: Uri) -> tuple[str, ...]:
        """Names and numbers that may be billed, best first: what a trusted peer asserts, or who proved it."""
        if not self._is_trusted(incoming.source[0]):
            return (self._authenticated(incoming),)
        asserted = (NameAddr.parse(value).uri for value in incoming.request.headers.values("P-Asserted-Identity"))
        return tuple(uri.user for uri in (*asserted, sender) if uri.user) or ("",)

    def _authenticated(self, incoming: IncomingRequest) -> str:
        """The user whose digest is right. Raises Answer 401 or 403."""
        request, address, now = incoming.request, incoming.source[0], time.time()
        given = request.headers.get_all("Authorization")
        verdict = self._digest.verify(given, request.method, request.uri, self._stored, now)
        user = verdict.username
        if verdict.outcome is not Outcome.MISSING and self._attempts.locked(user, address, now):
            raise Answer(403, "Too many wrong credentials")
        if verdict.outcome is Outcome.OK:
            self._attempts.right(user, address)
            return user
        if verdict.outcome is Outcome.WRONG and self._attempts.wrong(user, address, now):
            log.warning("wrong credentials too often", user=user, address=address)
            raise Answer(403, "Too many wrong credentials")
        stale = verdict.outcome is Outcome.STALE
        raise Answer(401, headers=self._digest.challenges(now, stale=stale))

    def _stored(self, username: str, algorithm: str) -> str | None:
        account = self._directory.by_name.get(username)
        return account.ha1.get(algorithm) if account else None

    # -- the answer

    def _answer(self, incoming: IncomingRequest, answer: Answer) -> None:
        headers = list(answer.headers)
        if answer.text and answer.status >= 300:
            headers += _reason(answer.status, answer.text)
        incoming.respond(answer.status, headers=headers)


_METHODS: Mapping[str, Callable[[SipDoor, IncomingRequest], None]] = {
    "MESSAGE": SipDoor._message,
    "OPTIONS": SipDoor._options,
    "REGISTER": SipDoor._register,
}


def _facts(request: Request) -> dict[str, str]:
    """What rules for SIP requests look at; what can't be read is empty."""
    return {
        "method": request.method,
        "number": _user(lambda: Uri.parse(request.uri)),
        "from": _user(lambda: request.from_addr.uri),
    }


def _user(read: Callable[[], Uri]) -> str:
    try:
        return read().user.removeprefix("+")[:LONGEST_FACT]
    except SipParseError:
        return ""


def ingress_key(request: Request) -> bytes:
    """What makes a MESSAGE the same one again: Call-ID, CSeq, From tag."""
    words = (request.headers.get("Call-ID"), str(request.cseq), request.from_addr.tag)
    return hashlib.blake2b("\0".join(words).encode("utf-8", "surrogateescape"), digest_size=16).digest()


def _leaves(contacts: Sequence[str], expires: str) -> bool:
    """Whether a REGISTER takes all bindings away: RFC 3261 §10.2.2. Raises SipParseError."""
    if "*" in contacts:
        return True
    return bool(contacts) and all(
        NameAddr.parse(contact).params.get("expires", expires).strip("0") == "" for contact in contacts
    )  # fmt: skip


def _target(request: Request) -> str:
    try:
        return Uri.parse(request.uri).user
    except SipParseError as error:
        raise Answer(400, "The request URI can't be read") from error


def _text(request: Request) -> tuple[str, Imdn | None]:
    try:
        body = read_body(request.headers, request.body)
    except UnsupportedBody as error:
        raise Answer(415, str(error), error.headers) from error
    except BadBody as error:
        raise Answer(400, str(error)) from error
    if isinstance(body, Ignored):
        raise Answer(200)
    return body.text, body.imdn


def _taken(taken: Taken) -> Answer:
    return Answer(200 if taken.sent else 202)


def _refusal(refusal: Refused) -> Answer:
    headers = (("Retry-After", str(refusal.retry_after or PATIENCE)),) if refusal.sip_code == 503 else ()
    return Answer(refusal.sip_code, str(refusal), headers)


def _reason(status: int, text: str) -> tuple[tuple[str, str], ...]:
    """RFC 3326"""
    return (("Reason", f'SIP;cause={status};text="{_quotable(text)}"'),)


def _quotable(text: str) -> str:
    """As the inside of a quoted-string: our own words, and those of providers."""
    return "".join(c if c.isprintable() and c not in '"\\' else " " for c in text)
