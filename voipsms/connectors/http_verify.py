"""A provider by HTTP that is asked by a second request whether it has really sent what it took (smsverifyurl)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from voipsms.connectors import verdict
from voipsms.connectors.exchange import Exchange
from voipsms.connectors.http import HttpConnector, Item, lines
from voipsms.connectors.port import Selector
from voipsms.connectors.reachable import look_up
from voipsms.connectors.template import RequestTemplate, template_files
from voipsms.connectors.words import TooSlow
from voipsms.errors import OutcomeUnknown, SubmitError, SubmitFailed
from voipsms.gateway_settings import GatewaySettings
from voipsms.log import LogMethod
from voipsms.model import GatewayId, Message, Submitted


class VerifyingHttpConnector(HttpConnector):
    """A connectors.port.Verifier. The second answer is judged by the same strings as the first."""

    unverified = True

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
        super().__init__(gateway_id, settings, wake, folder=folder, selector=selector, trace=trace, mask=mask)
        self.verify_delay = settings.smsverifydelay / 1000
        files = template_files(folder, gateway_id)  # whose headers hold here, too
        self._question = RequestTemplate(settings, gateway_id=gateway_id, files=files, verify=True)
        self._asked = Exchange(settings, folder, *self._question.origin())

    async def verify(self, message: Message, provider_id: str) -> Submitted:
        """Raises SubmitRefused where the provider says that it was not sent, another SubmitError where it says
        nothing."""
        if not provider_id and "messageid" in self._question.names:
            raise SubmitFailed("the first answer had no message id to ask for")
        named = self._question.named(message, messageid=provider_id)
        named |= await look_up(self._question.selects, named, self._selector)
        answer = await self._ask(self._asked, self._question, Item(message, named))
        try:
            found = verdict.judge(answer.status, answer.text, self._rules, answer.location)
        except TooSlow as error:
            raise OutcomeUnknown(str(error)) from error
        result = self._result(message, replace(found, provider_id=provider_id), answer)
        if isinstance(result, SubmitError):
            raise result
        return Submitted(provider_id, result.state, result.comment)

    def _show(self, named: dict[str, str]) -> Sequence[str]:
        return lines(self._question if "messageid" in named else self._template, named)

    async def close(self) -> None:
        await super().close()
        await self._asked.close()
