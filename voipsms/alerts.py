"""Tells the operator that a gateway has gone, and that it is back: by mail, by webhook, by SMS through another gateway.

What flaps faster than `alert_after` is not told. Nothing waits for an alert; one that fails is logged and counted.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import formatdate, make_msgid
from typing import Final
from urllib.parse import urlsplit

from voipsms import metrics
from voipsms.conditions import GONE
from voipsms.config import Config
from voipsms.connectors import webhook
from voipsms.connectors.mail import word, write_mail
from voipsms.connectors.smtp import SmtpServer
from voipsms.errors import ConfigError, Refused, StoreError, SubmitError
from voipsms.log import get_logger
from voipsms.masking import HIDDEN, mask_number
from voipsms.model import GatewayId, Millis, Submission
from voipsms.store.accounts import ADMIN
from voipsms.store.gateways import Seen
from voipsms.values import Value

MOST: Final = 100  # alerts under way
SECONDS: Final = 10.0  # that one may take
DOOR: Final = "alert"
SENDER: Final = "voipsms"
_LONGEST: Final = 160  # characters of an SMS

log = get_logger("alerts")

SendSms = Callable[[Submission, GatewayId], Awaitable[object]]  # the gateway of which it tells


class Alert(Value, frozen=True):
    """`at`: UTC milliseconds when it went or came back."""

    gateway_id: GatewayId
    gateway: str
    gone: bool
    state: str
    reason: str
    at: Millis
    host: str

    @property
    def title(self) -> str:
        return f"gateway {self.gateway} is {self.state if self.gone else 'back'}"

    @property
    def text(self) -> str:
        return f"{self.title} ({self.host})" + (f": {self.reason}" if self.gone and self.reason else "")


@dataclass(slots=True)
class _Told:
    gone: bool = False  # as it was told last
    since: float | None = None  # when it became otherwise


class Watch:
    """What there is to tell: whoever has been otherwise than was told, for so long without a break."""

    def __init__(self) -> None:
        self._told: dict[GatewayId, _Told] = {}

    def turned(self, gateway_id: GatewayId, gone: bool | None, now: float, after: float) -> bool:
        """`gone` None: it is as an operator wants it, which is nothing to tell."""
        told = self._told.setdefault(gateway_id, _Told())
        if gone is None or gone == told.gone:
            told.since = None
            return False
        if told.since is None:
            told.since = now
        if now - told.since < after:
            return False
        told.gone, told.since = gone, None
        return True


class Alerts:
    """Listens to conditions. `send_sms`: a message as the admin, by another gateway; raises Refused and StoreError."""

    def __init__(self, config: Callable[[], Config], send_sms: SendSms) -> None:
        self._config = config
        self._send_sms = send_sms
        self._watch = Watch()
        self._tasks: set[asyncio.Task[None]] = set()

    def see(self, gateway_id: GatewayId, name: str, seen: Seen, now: float) -> None:
        settings = self._config().sms
        gone = None if seen.state == "paused" else seen.state in GONE
        if not self._watch.turned(gateway_id, gone, now, settings.alert_after):
            return
        alert = Alert(gateway_id, name, bool(gone), seen.state, seen.reason, seen.since, socket.gethostname())
        log.warning("a gateway has gone" if gone else "a gateway is back", gateway=name, why=seen.reason)
        for target in settings.alert:
            self._start(target, alert)

    def _start(self, target: str, alert: Alert) -> None:
        if len(self._tasks) >= MOST:
            return _tell(target, "dropped", "too many are under way")
        task = asyncio.get_running_loop().create_task(self._send(target, alert))
        self._tasks.add(task)
        return task.add_done_callback(self._tasks.discard)

    async def _send(self, target: str, alert: Alert) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                await _KINDS[kind_of(target)](self, target, alert)
        except TimeoutError:
            _tell(target, "failed", f"not done within {SECONDS:g} s")
        except (SubmitError, Refused, StoreError, ConfigError) as error:
            _tell(target, "failed", str(error))
        except Exception:
            log.exception("an alert can't be sent", to=shown(target))
            metrics.count("alerts", kind_of(target), "failed")
        else:
            _tell(target, "sent")

    async def _mail(self, target: str, alert: Alert) -> None:
        config = self._config()
        server = SmtpServer(config.mail, config.folder)
        sender, recipient = config.mail.sender, target.partition(":")[2]
        headers = [
            ("From", sender), ("To", recipient), ("Subject", word(alert.title)), ("Date", formatdate(alert.at / 1000)),
            ("Message-ID", make_msgid(domain=sender.rpartition("@")[2])), ("Auto-Submitted", "auto-generated"),
            ("MIME-Version", "1.0"), ("Content-Type", "text/plain; charset=utf-8"),
        ]  # fmt: skip
        try:
            await server.deliver(sender, [recipient], write_mail(headers, alert.text + "\n"))
        finally:
            await server.close()

    async def _hook(self, target: str, alert: Alert) -> None:
        await webhook.post(target, in_json(alert), SECONDS)

    async def _sms(self, target: str, alert: Alert) -> None:
        submission = Submission(door=DOOR, payers=(ADMIN,), sender=SENDER, target=target, text=alert.text[:_LONGEST])
        await self._send_sms(submission, alert.gateway_id)

    async def close(self) -> None:
        """Waits for those under way, not for long."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2.0)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


_KINDS: Final[dict[str, Callable[[Alerts, str, Alert], Awaitable[None]]]] = {
    "mail": Alerts._mail, "webhook": Alerts._hook, "sms": Alerts._sms,
}  # fmt: skip


def kind_of(target: str) -> str:
    if target.startswith("mailto:"):
        return "mail"
    return "sms" if target.startswith("+") else "webhook"


def in_json(alert: Alert) -> bytes:
    told = {
        "event": "gone" if alert.gone else "back", "gateway": alert.gateway, "state": alert.state,
        "reason": alert.reason, "at": alert.at, "host": alert.host, "text": alert.text,
    }  # fmt: skip
    return json.dumps(told).encode()


def shown(target: str) -> str:
    """For the log: of a URL its host alone, since its path and its query may be secrets."""
    if kind_of(target) == "webhook":
        url = urlsplit(target)
        return f"{url.scheme}://{url.hostname}/{HIDDEN}"
    return mask_number(target) if target.startswith("+") else target


def _tell(target: str, outcome: str, why: str = "") -> None:
    metrics.count("alerts", kind_of(target), outcome)
    if outcome != "sent":
        log.warning("an alert is not sent", to=shown(target), why=why)
