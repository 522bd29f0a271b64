"""MESSAGEs that have reached a [sip:NAME]: those to the account itself are commands, all others submissions.

The library has answered each of them 200 before it comes here, so that what can't be accepted is answered by a MESSAGE.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from voipsms import metrics
from voipsms.callback import wire
from voipsms.callback.arrivals import Arrivals
from voipsms.callback.carrier import Write
from voipsms.callback.replies import say
from voipsms.config import Config
from voipsms.errors import Refused
from voipsms.log import get_logger
from voipsms.model import Submission, UserId
from voipsms.networks import inside
from voipsms.rate_guard import RateGuard
from voipsms.settings import SipAccount
from voipsms.sip.body import BadBody, Ignored, UnsupportedBody, read_body
from voipsms.sip.grammar import SipParseError
from voipsms.sip.headers import Headers
from voipsms.sip.uri import NameAddr, Uri
from voipsms.store.ids import now_millis
from voipsms.values import replace

MOST: Final = 1000  # under way
A_MINUTE: Final = 60  # of one sender to one account
_ANYBODY: Final = UserId(0)

log = get_logger("callback")


class Submits(Protocol):
    async def submit(self, submission: Submission, /) -> object: ...


class Texts:
    """`heard` is what Callers call. `write`: Callers.write."""

    def __init__(
        self,
        accounts: Mapping[str, SipAccount],
        arrivals: Arrivals,
        intake: Submits,
        write: Write,
        config: Callable[[], Config],
    ) -> None:
        self._accounts = accounts
        self._arrivals = arrivals
        self._intake = intake
        self._write = write
        self._config = config
        self._guard = RateGuard(A_MINUTE)
        self._tasks: set[asyncio.Task[None]] = set()

    def heard(self, text: wire.Text) -> None:
        account = self._accounts.get(text.account)
        if account is None or len(self._tasks) >= 2 * MOST:
            log.error("a text to an account is lost", account=text.account, under_way=len(self._tasks))
            return
        full = len(self._tasks) >= MOST
        work = self._refuse(text, "too many are waiting") if full else self._run_through(text, account)
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _run_through(self, text: wire.Text, account: SipAccount) -> None:
        try:
            await self._take(text, account)
        except (SipParseError, UnsupportedBody, BadBody) as error:
            metrics.count("malformed", "sip_account")
            log.info("a text to an account can't be read", account=text.account, why=str(error))
        except Exception:  # a task's root
            log.exception("a text to an account could not be served", account=text.account, call_id=text.call_id)

    async def _take(self, text: wire.Text, account: SipAccount) -> None:
        """Raises SipParseError, UnsupportedBody, BadBody."""
        sender, target = NameAddr.parse(text.sender).uri, NameAddr.parse(text.target).uri
        if not await self._is_believed(text.source, account):
            metrics.count("refused", "untrusted")
            log.warning("a text to an account comes from elsewhere", account=text.account, address=text.source)
            return
        body = read_body(Headers([("Content-Type", text.content_type)]), text.text.encode("utf-8", "replace"))
        if isinstance(body, Ignored) or not sender.user or sender.user == account.user:
            return  # from itself it would come round and round
        now = now_millis()
        if self._guard.opens((_ANYBODY, f"{text.account} {sender.user}"), now) > now:
            log.warning("a sender writes too much to an account", account=text.account, sender=sender.user)
            return
        await self._hand_on(_submission(text, sender, target, body.text), text, account)

    async def _hand_on(self, submission: Submission, text: wire.Text, account: SipAccount) -> None:
        command = submission.target == account.user and self._config().callback.enabled
        try:
            if command:
                uri = str(NameAddr.parse(text.sender).uri)
                await self._arrivals.keep(submission, (("account", text.account), ("uri", uri)))
            else:
                payers = (*submission.payers, *filter(None, (account.bill_to,)))
                await self._intake.submit(replace(submission, payers=payers))
        except Refused as refusal:
            await self._refuse(text, str(refusal).rstrip("."))

    async def _refuse(self, text: wire.Text, why: str) -> None:
        try:
            uri = str(NameAddr.parse(text.sender).uri)
        except SipParseError:
            return
        await self._write(text.account, uri, say("message_refused", why=why))

    async def _is_believed(self, source: str, account: SipAccount) -> bool:
        """From the softswitch: anybody may send to the port of a caller process."""
        if inside(source, self._config().sip.trusted):
            return True
        host = Uri.parse(account.proxy or account.registrar).host
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, None)
        except OSError:
            return False
        return bool(source) and source in {address[0] for *_, address in found}


def _submission(text: wire.Text, sender: Uri, target: Uri, said: str) -> Submission:
    words = f"{text.account}\0{text.call_id}\0{sender.user}\0{said}".encode("utf-8", "replace")
    return Submission(
        door="sip",
        payers=(sender.user,),
        sender=sender.user,
        target=target.user,
        text=said,
        ingress_key=hashlib.blake2b(words, digest_size=16, person=b"sip account").digest(),
        client_ip=text.source,
    )
