"""A provider reached by HTTP: one request a message, or a batch, as its template says, judged by verdict.py."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from voipsms.connectors import recipients, verdict
from voipsms.connectors.batch import Batches
from voipsms.connectors.exchange import Answer, Exchange
from voipsms.connectors.places import Unwritable
from voipsms.connectors.port import Selector
from voipsms.connectors.reachable import Reachable
from voipsms.connectors.template import Request, RequestTemplate
from voipsms.connectors.verdict import Outcome, Verdict
from voipsms.connectors.words import TooSlow
from voipsms.errors import GatewayDown, OutcomeUnknown, SubmitError, SubmitFailed, SubmitRefused, Throttled
from voipsms.gateway_settings import GatewaySettings
from voipsms.log import LogMethod
from voipsms.masking import HIDDEN, mask_body, mask_headers, mask_url
from voipsms.model import GatewayId, Message, Part, State, Submitted

SHORTEST_SECRET = 4  # characters: a shorter one is not looked for in answers
ASKS_FOR_A_PAUSE = frozenset({429, 503})  # where Retry-After holds for the gateway, not for the message alone


@dataclass(frozen=True, slots=True)
class _Item:
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
        super().__init__(gateway_id, settings, wake, trace=trace, mask=mask)
        self._template = RequestTemplate(settings)
        self._rules = verdict.rules(settings)
        self._exchange = Exchange(settings, folder, *self._template.origin())
        self._requests = asyncio.Semaphore(settings.connections)
        self._batches: Batches[_Item] | None = None
        if settings.smsbatch > 1:
            self._batches = Batches(settings.smsbatch, settings.smsbatchwait, self._send_all)

    def free(self) -> int:
        return self._settings.connections * self._settings.smsbatch - self._in_flight if self.ready else 0

    async def submit(self, part: Part) -> Submitted:
        self._in_flight += 1
        try:
            return await self._submit(part)
        except GatewayDown as error:
            self._fall(error.comment)
            raise
        finally:
            self._in_flight -= 1
            if self.free() == 1:
                self._wake()

    async def _submit(self, part: Part) -> Submitted:
        return await self._send(part.message, self._named(part.message))

    async def _send(self, message: Message, named: dict[str, str]) -> Submitted:
        item = _Item(message, named)
        if self._batches is not None:
            # What this message's request says but for its target: only equal ones may share a request.
            said = render(self._template, named | {"tonum": "0"})
            return await self._batches.submit(said, message.target, item)
        (result,) = await self._send_all([item])
        if isinstance(result, SubmitError):
            raise result
        return result

    async def _send_all(self, items: Sequence[_Item]) -> list[Submitted | SubmitError]:
        """What became of each; messages whose requests are the same but for the target. Raises SubmitError for all."""
        first, named = items[0], items[0].named
        if len(items) > 1:
            named = named | {"tonum": self._settings.smsbatchseparator.join(item.named["tonum"] for item in items)}
        answer = await self._ask(self._exchange, self._template, first.message, named)
        targets = [item.message.target for item in items]
        try:
            found = recipients.judge_each(answer.status, answer.text, targets, self._rules, answer.location)
        except TooSlow as error:
            raise OutcomeUnknown(f"{error}: {verdict.comment(answer.status, answer.text)}") from error
        return [self._result(one, answer) for one in found]

    async def _ask(self, by: Exchange, template: RequestTemplate, message: Message, named: dict[str, str]) -> Answer:
        """Raises SubmitError where there is no answer."""
        request = render(template, named)
        async with self._requests:
            began = time.monotonic()
            try:
                answer = await by.send(request)
            except SubmitError as error:
                self._trace_exchange(message, named, began, f"{error.reason}: {error.comment}")
                raise
        self._trace_exchange(message, named, began, answer)
        return answer

    def _result(self, found: Verdict, answer: Answer) -> Submitted | SubmitError:
        """What a verdict means to dispatch."""
        if found.outcome is Outcome.TAKEN:
            return Submitted(found.provider_id, State.ACCEPTED, found.comment, unverified=self.unverified)
        if found.outcome is Outcome.REFUSED:
            return SubmitRefused(found.comment)
        pause = verdict.retry_after(answer.retry_after, time.time())
        if answer.status in ASKS_FOR_A_PAUSE and pause is not None:
            return Throttled(found.comment, retry_after=pause)
        return SubmitFailed(found.comment, retry_after=pause)

    def _trace_exchange(self, message: Message, named: dict[str, str], began: float, answer: Answer | str) -> None:
        if self._trace is None:
            return
        told = answer if isinstance(answer, str) else f"HTTP {answer.status}\n{answer.text}"
        for secret in (self._settings.password, self._settings.apikey):
            told = told.replace(secret, HIDDEN) if len(secret) >= SHORTEST_SECRET else told
        self._tell(message, named, began, told)

    def _show(self, named: dict[str, str]) -> Sequence[str]:
        request = render(self._template, named)
        head = [f"{request.method} {mask_url(request.url)}", *mask_headers(request.headers).split("\r\n")]
        return [*head, "", mask_body(request.body.decode("utf-8", "replace"))] if request.body else head

    async def probe(self) -> None:
        """Connects, by proxy and TLS where they are set, and sends no request. Raises GatewayDown."""
        await self._exchange.probe()

    async def close(self) -> None:
        if self._batches is not None:
            await self._batches.close()
        await self._exchange.close()


def render(template: RequestTemplate, named: dict[str, str]) -> Request:
    """Raises SubmitRefused."""
    try:
        return template.render_values(named)
    except Unwritable as error:
        raise SubmitRefused(f"no request can be made of it: {error}") from error
