"""A provider reached by HTTP: one request a message, or a batch, as its template says, judged by verdict.py."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from voipsms.connectors import recipients, verdict
from voipsms.connectors.batch import Batches
from voipsms.connectors.exchange import Answer, Exchange
from voipsms.connectors.places import Unwritable
from voipsms.connectors.port import Selector
from voipsms.connectors.reachable import Reachable, look_up
from voipsms.connectors.smpp_parts import Cutter
from voipsms.connectors.template import Request, RequestTemplate, template_files
from voipsms.connectors.verdict import Outcome, Verdict
from voipsms.connectors.words import TooSlow
from voipsms.errors import (
    GatewayDown,
    OutcomeUnknown,
    RefusedHere,
    SubmitError,
    SubmitFailed,
    SubmitRefused,
    Throttled,
)
from voipsms.gateway_settings import GatewaySettings
from voipsms.log import LogMethod
from voipsms.masking import HIDDEN, mask_body, mask_headers, mask_number, mask_url
from voipsms.model import GatewayId, Message, Part, State, Submitted

SHORTEST_SECRET = 4  # characters: a shorter one is not looked for in answers
TELL_OF_RECEIPTS = frozenset({"clickatell", "routo", "generic"})  # of [gateway] inbound
ASKS_FOR_A_PAUSE = frozenset({429, 503})  # where Retry-After holds for the gateway, not for the message alone


@dataclass(frozen=True, slots=True)
class Item:
    """A message and what the keywords stand for."""

    message: Message
    named: dict[str, str]


class HttpConnector(Reachable):
    """Raises ConfigError where the gateway's settings can't be used. `folder`: where their relative paths start."""

    unverified = False  # whether the provider is asked later if it really sent what it took

    def __init__(
        self,
        gateway_id: GatewayId,
        settings: GatewaySettings,
        wake: Callable[[], None],
        *,
        folder: Path = Path(),
        selector: Selector | None = None,
        trace: LogMethod | None = None,
        mask: bool = True,
    ) -> None:
        super().__init__(gateway_id, settings, wake, selector=selector, trace=trace, mask=mask)
        self._template = RequestTemplate(settings, gateway_id=gateway_id, files=template_files(folder, gateway_id))
        self._selects = self._template.selects
        self._rules = verdict.rules(settings)
        self._exchange = Exchange(settings, folder, *self._template.origin())
        self._requests = asyncio.Semaphore(settings.connections)
        self._cutter = Cutter(settings.smpp, random.randrange(256))
        secrets = [secret for secret in (settings.password, settings.apikey) if len(secret) >= SHORTEST_SECRET]
        self._secrets = {*secrets, *(quote(secret, safe="") for secret in secrets)}
        self._batches: Batches[Item] | None = None
        if settings.smsbatch > 1:
            self._batches = Batches(settings.smsbatch, settings.smsbatchwait, self._send_all)

    def _cuts(self, message: Message) -> bool:
        """Texts are cut by the provider; octets by us, where the template has a place for each part's header."""
        return bool(message.octets) and self._template.per_part

    def split(self, message: Message) -> Sequence[Part]:
        return self._cutter.split(message) if self._cuts(message) else (Part(message, 1, 1),)

    def free(self) -> int:
        return self._settings.connections * self._settings.smsbatch - self._in_flight if self.ready else 0

    async def submit(self, part: Part) -> Submitted:
        self._in_flight += 1
        try:
            return await self._send(part.message, self._named(part.message, part))
        except GatewayDown as error:
            self._fall(error.comment)
            raise
        finally:
            self._in_flight -= 1
            if self.free() == 1:
                self._wake()

    def _named(self, message: Message, part: Part | None = None) -> dict[str, str]:
        """Raises SubmitRefused where the message can't be cut."""
        if part is None or not self._cuts(message):
            return self._template.named(message, counter=next(self._counter))
        if not part.user_data and (refusal := self._cutter.refusal(message)):
            raise refusal
        return self._template.named(message, counter=next(self._counter), part=part)

    async def _send(self, message: Message, named: dict[str, str]) -> Submitted:
        item = Item(message, named | await look_up(self._selects, named, self._selector))
        if self._batches is not None:
            # What this message's request says but for its target: only equal ones may share a request.
            said = render(self._template, item.named | {"tonum": "0"})
            return await self._batches.submit(said, message.target, item)
        (result,) = await self._send_all([item])
        if isinstance(result, SubmitError):
            raise result
        return result

    async def _send_all(self, items: Sequence[Item]) -> list[Submitted | SubmitError]:
        """What became of each; messages whose requests are the same but for the target. Raises SubmitError for all."""
        targets = [item.message.target for item in items]
        answer = await self._ask(self._exchange, self._template, items[0], targets)
        try:
            found = recipients.judge_each(answer.status, answer.text, targets, self._rules, answer.location)
        except TooSlow as error:
            raise OutcomeUnknown(f"{error}: {verdict.comment(answer.status, answer.text)}") from error
        return [self._result(item.message, one, answer) for item, one in zip(items, found, strict=True)]

    async def _ask(self, by: Exchange, template: RequestTemplate, item: Item, targets: Sequence[str] = ()) -> Answer:
        """Raises SubmitError where there is no answer."""
        request = render(template, item.named, targets)
        async with self._requests:
            began = time.monotonic()
            try:
                answer = await by.send(request)
            except SubmitError as error:
                self._trace_exchange(item, targets, began, f"{error.reason}: {error.comment}")
                raise
        self._trace_exchange(item, targets, began, answer)
        return answer

    def _result(self, message: Message, found: Verdict, answer: Answer) -> Submitted | SubmitError:
        """What a verdict means to dispatch."""
        comment = self._hide(found.comment)
        if found.outcome is Outcome.TAKEN:
            return self._taken(message, found.provider_id, comment)
        if found.outcome is Outcome.REFUSED:
            return SubmitRefused(comment)
        pause = verdict.retry_after(answer.retry_after, time.time())
        if answer.status in ASKS_FOR_A_PAUSE and pause is not None:
            return Throttled(comment, retry_after=pause)
        return SubmitFailed(comment, retry_after=pause)

    def _taken(self, message: Message, answered: str, comment: str) -> Submitted:
        """Its receipt, where one will come, names it by the id of the answer or by [smsid], our own."""
        how = self._settings.inbound_receipts
        provider_id = str(message.id) if how == "ours" else answered
        told = self._settings.inbound in TELL_OF_RECEIPTS and how != "none" and bool(provider_id)
        state = State.ENROUTE if told else State.ACCEPTED
        return Submitted(provider_id, state, comment, unverified=self.unverified)

    def _hide(self, answer: str) -> str:
        """Without our credentials, which some providers repeat."""
        for secret in self._secrets:
            answer = answer.replace(secret, HIDDEN)
        return answer

    def _trace_exchange(self, item: Item, targets: Sequence[str], began: float, answer: Answer | str) -> None:
        if self._trace is None:
            return
        told = answer if isinstance(answer, str) else f"HTTP {answer.status}\n{answer.text}"
        told = self._hide(told)
        for target in targets if self._mask else ():
            told = told.replace(target, mask_number(target))
        named = item.named
        if len(targets) > 1:
            named = named | {"tonum": ",".join(map(mask_number, targets) if self._mask else targets)}
        self._tell(item.message, named, began, told)

    def _show(self, named: dict[str, str]) -> Sequence[str]:
        return lines(self._template, named)

    async def probe(self) -> None:
        """Connects, by proxy and TLS where they are set, and sends no request. Raises GatewayDown."""
        await self._exchange.probe()

    async def close(self) -> None:
        if self._batches is not None:
            await self._batches.close()
        await self._exchange.close()


def render(template: RequestTemplate, named: dict[str, str], targets: Sequence[str] = ()) -> Request:
    """Raises RefusedHere."""
    try:
        return template.render_values(named, targets)
    except Unwritable as error:
        raise RefusedHere(f"no request can be made of it: {error}") from error


def lines(template: RequestTemplate, named: dict[str, str]) -> list[str]:
    """The request, to read."""
    request = render(template, named)
    url = mask_url(request.url).replace(quote(HIDDEN), HIDDEN)
    head = [f"{request.method} {url}", *mask_headers(request.headers).split("\r\n")]
    return [*head, "", mask_body(request.body.decode("utf-8", "replace"))] if request.body else head
