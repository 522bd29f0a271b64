"""A user's own program, told by one HTTP request; any 2xx says that it has it (peers: no magic body)."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from voipsms import __version__
from voipsms.carriers import clickatell, hook_json
from voipsms.carriers.port import NotCarried, Recipient
from voipsms.connectors.exchange import Answer, Connections
from voipsms.connectors.template import Request
from voipsms.connectors.verdict import comment, retry_after
from voipsms.errors import RefusedHere, SubmitError
from voipsms.model import Delivery, Reach, Subject

SECONDS: Final = 10.0  # that an exchange may take
SCHEDULES: Final[dict[str, tuple[float, ...]]] = {
    "clickatell": (120.0, 240.0, 480.0, 960.0, 1500.0),  # seeds/000 §11.3.1
    "routo": (0.0, 0.0, 0.0),  # seeds/001 §7.1: "another 3 consecutive attempts"
}
GONE: Final = 410  # the one answer that says "and it will stay so" (RFC 9110 §15.5.11)
_JSON: Final = "application/json"

Write = Callable[[Delivery], bytes]

_TEXTS: Final[dict[str, Write]] = {
    "get": clickatell.mo_form, "post": clickatell.mo_form, "xml": clickatell.mo_xml, "soap": clickatell.mo_soap,
}  # fmt: skip
FORMATS: Final = ("json", *_TEXTS)


def request(delivery: Delivery, reach: Reach, now: float) -> Request:
    """What asks the webhook to take it. `now`: Unix time, for the signature. Raises NotCarried."""
    if not is_hook(reach.hook):
        raise NotCarried("no webhook is set" if not reach.hook else "the webhook's address is none", lasting=True)
    url = reach.hook.partition("#")[0]
    headers = [
        ("User-Agent", f"voipsms/{__version__}"), ("Accept", "*/*"), ("Accept-Encoding", "identity"),
        ("X-VoipSMS-Delivery", str(delivery.id)),
    ]  # fmt: skip
    body = _writer(delivery, reach)(delivery)
    if reach.hook_format == "get":
        return Request("GET", f"{url}{'&' if '?' in url else '?'}{body.decode()}", tuple(headers), None)
    if reach.hook_format != "json":
        return Request("POST", url, (*headers, ("Content-Type", clickatell.FORM)), body)
    if reach.hook_secret:
        headers.append((hook_json.SIGNATURE, hook_json.signature(reach.hook_secret, int(now), body)))
    return Request("POST", url, (*headers, ("Content-Type", _JSON)), body)


def _writer(delivery: Delivery, reach: Reach) -> Write:
    """Raises NotCarried."""
    if reach.hook_format not in FORMATS:
        raise NotCarried(f"{reach.hook_format!r} is no format of webhooks", lasting=True)
    if reach.hook_format == "json":
        return hook_json.body
    if delivery.subject is Subject.NOTICE:
        raise NotCarried("of the webhook's formats only JSON has a word for a notice", lasting=True)
    if delivery.subject is Subject.RECEIPT:
        return clickatell.routo_receipt_form if reach.hook_retry == "routo" else clickatell.receipt_form
    return _TEXTS[reach.hook_format]


@lru_cache(maxsize=1000)
def is_hook(url: str) -> bool:
    """An http(s) address of ASCII characters that may stand in a request's first line."""
    try:
        parts = urlsplit(url)
        whole = parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return whole and all("!" <= c <= "~" for c in url)


class WebhookCarrier:
    """`clock`: Unix time. Addresses are the operator's alone, and redirects from them are not followed."""

    def __init__(self, clock: Callable[[], float] = time.time, timeout: float = SECONDS) -> None:
        self._clock = clock
        self._connections = Connections(timeout)

    async def carry(self, delivery: Delivery, to: Recipient) -> str:
        asked = request(delivery, to.reach, self._clock())
        try:
            answer = await self._connections.send(asked)
        except SubmitError as error:
            raise NotCarried(error.comment, lasting=isinstance(error, RefusedHere)) from error
        return self._judge(answer)

    def _judge(self, answer: Answer) -> str:
        said = comment(answer.status, answer.text)
        if 200 <= answer.status < 300:
            return said
        pause = retry_after(answer.retry_after, self._clock())
        raise NotCarried(said, lasting=answer.status == GONE, after=pause)

    def pause(self, delivery: Delivery, to: Recipient) -> float | None:
        schedule = SCHEDULES.get(to.reach.hook_retry, SCHEDULES["clickatell"])
        return schedule[delivery.attempt - 1] if 0 < delivery.attempt <= len(schedule) else None

    async def close(self) -> None:
        await self._connections.close()
