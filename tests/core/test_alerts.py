"""Alerts: when there is one to tell, and its ways: mail, webhook and SMS, to servers that take it and that don't."""

from __future__ import annotations

import email
import email.policy
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.core.stage import until
from tests.peers.http_provider import HttpProvider
from tests.peers.mail_server import MailServer
from tests.peers.ports import free_port
from voipsms import alerts as of_alerts
from voipsms import metrics
from voipsms.alerts import Alerts, Watch, shown
from voipsms.config import Config, parse
from voipsms.errors import ConfigError, NoGateway
from voipsms.model import GatewayId, Millis, Submission
from voipsms.settings import GlobalSettings, MailSettings
from voipsms.store.gateways import Seen

ONE, OTHER = GatewayId(50), GatewayId(51)
AT = Millis(1_700_000_000_000)
DOWN, UP, PAUSED = Seen("down", "no route to host", AT), Seen("up", "", AT), Seen("paused", "paused by hand", AT)

# (second, what it is then: gone, back or as an operator wants it) → seconds at which it was told
TURNS: dict[str, tuple[list[tuple[float, bool | None]], list[float]]] = {
    "up from the start": ([(0, False), (10, False)], []),
    "gone long enough": ([(0, True), (2, True), (3, True), (9, True)], [3]),
    "gone, not long enough": ([(0, True), (2.9, True), (3, False), (9, False)], []),
    "gone and back": ([(0, True), (3, True), (4, False), (7, False), (20, False)], [3, 7]),
    "flaps": ([(n * 1.5, bool(n % 2)) for n in range(40)], []),
    "flaps after it has gone": ([(0, True), (3, True), *((4 + n, bool(n % 2)) for n in range(40))], [3]),
    "paused meanwhile": ([(0, True), (2, None), (3, True), (5, True), (6, True)], [6]),
    "paused after it has gone": ([(0, True), (3, True), (4, None), (30, None), (31, False), (34, False)], [3, 34]),
}


@pytest.mark.parametrize("turns, told", TURNS.values(), ids=TURNS)
def test_when_it_is_told(turns: list[tuple[float, bool | None]], told: list[float]) -> None:
    watch = Watch()
    assert [now for now, gone in turns if watch.turned(ONE, gone, now, 3.0)] == told


def test_each_gateway_by_itself() -> None:
    watch = Watch()
    assert [watch.turned(one, True, now, 1.0) for now, one in ((0, ONE), (0.5, OTHER), (1, ONE), (1, OTHER))] == [
        False, False, True, False,
    ]  # fmt: skip


# -- its ways

Make = Callable[..., Alerts]


class Phones:
    """Takes alerts by SMS; `about`: of which gateway each was."""

    def __init__(self) -> None:
        self.taken: list[Submission] = []
        self.about: list[GatewayId] = []
        self.works = True

    async def __call__(self, submission: Submission, about: GatewayId) -> None:
        if not self.works:
            raise NoGateway("no gateway is usable")
        self.taken.append(submission)
        self.about.append(about)


@pytest.fixture
async def mail() -> AsyncIterator[MailServer]:
    server = MailServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def make(tmp_path: Path, mail: MailServer) -> AsyncIterator[Make]:
    made: list[Alerts] = []

    def build(*targets: str, phones: Phones | None = None, port: int = 0) -> Alerts:
        sms = GlobalSettings(alert=targets, alert_after=0.0)
        told = MailSettings(server="127.0.0.1", port=port or mail.port, tls="none", sender="gw@acme.test", timeout=2.0)
        config = Config(tmp_path, sms=sms, mail=told)
        made.append(Alerts(lambda: config, phones or Phones()))
        return made[-1]

    yield build
    for one in made:
        await one.close()


def counted(kind: str, outcome: str) -> float:
    return metrics.registry.get_sample_value("voipsms_alerts_total", {"kind": kind, "outcome": outcome}) or 0.0


async def done(alerts: Alerts) -> None:
    await until(lambda: not alerts._tasks)


async def test_mail(make: Make, mail: MailServer) -> None:
    alerts = make("mailto:ops@acme.test")
    alerts.see(ONE, "routo", DOWN, 0.0)
    await done(alerts)
    alerts.see(ONE, "routo", UP, 1.0)
    await done(alerts)
    gone, back = (email.message_from_bytes(one.octets, policy=email.policy.default) for one in mail.mails)
    assert (gone["Subject"], gone["To"], gone["From"]) == ("gateway routo is down", "ops@acme.test", "gw@acme.test")
    assert gone.get_content().strip().endswith(": no route to host")
    assert back["Subject"] == "gateway routo is back"
    assert [one.recipients for one in mail.mails] == [["ops@acme.test"]] * 2


async def test_webhook(make: Make) -> None:
    with HttpProvider() as hooks:
        alerts = make(f"http://127.0.0.1:{hooks.port}/hook?token=s3cret")
        alerts.see(ONE, 'ro"u\nto', DOWN, 0.0)
        await done(alerts)
    (request,) = hooks.requests
    assert (request.method, request.path, request.content_type) == ("POST", "/hook?token=s3cret", "application/json")
    body = json.loads(request.body)
    assert set(body) == {"event", "gateway", "state", "reason", "at", "host", "text"}
    assert (body["event"], body["gateway"], body["state"], body["at"]) == ("gone", 'ro"u\nto', "down", AT)


async def test_sms(make: Make) -> None:
    phones = Phones()
    alerts = make("+36201234567", phones=phones)
    alerts.see(ONE, "routo", Seen("out", "x" * 500, AT), 0.0)
    await done(alerts)
    (sent,) = phones.taken
    assert (sent.payers, sent.target, len(sent.text)) == (("admin",), "+36201234567", 160)
    assert sent.text.startswith("gateway routo is out")
    assert phones.about == [ONE]


async def test_nobody_is_told_of_a_pause(make: Make) -> None:
    phones = Phones()
    alerts = make("+36201234567", phones=phones)
    for seen in (PAUSED, UP, PAUSED):
        alerts.see(ONE, "routo", seen, 0.0)
    await done(alerts)
    assert phones.taken == []


async def test_one_that_fails_leaves_the_others(make: Make) -> None:
    """A mail server that is away, a hook that answers 500, no gateway for an SMS; the last way works."""
    phones = Phones()
    phones.works = False
    before = {kind: counted(kind, "failed") for kind in ("mail", "webhook", "sms")}
    sent = counted("webhook", "sent")
    with HttpProvider() as broken, HttpProvider() as works:
        broken.usual = ((500, "oops"),)
        hooks = [f"http://127.0.0.1:{at.port}/x?token=s3cret" for at in (broken, works)]
        alerts = make("mailto:ops@acme.test", hooks[0], "+36201234567", hooks[1], phones=phones, port=free_port())
        alerts.see(ONE, "routo", DOWN, 0.0)
        await done(alerts)
    assert {kind: counted(kind, "failed") - n for kind, n in before.items()} == {"mail": 1, "webhook": 1, "sms": 1}
    assert counted("webhook", "sent") - sent == 1
    assert len(works.requests) == 1


async def test_a_server_that_never_answers(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_alerts, "SECONDS", 0.1)
    before = counted("webhook", "failed")
    with HttpProvider() as silent:
        silent.usual = (None,)
        alerts = make(f"http://127.0.0.1:{silent.port}/x")
        alerts.see(ONE, "routo", DOWN, 0.0)
        await done(alerts)
        silent.released.set()
    assert counted("webhook", "failed") - before == 1


async def test_so_many_at_once(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_alerts, "MOST", 2)
    phones, before = Phones(), counted("sms", "dropped")
    alerts = make("+36201234567", phones=phones)
    for number in range(5):
        alerts.see(GatewayId(number), "routo", DOWN, 0.0)
    await done(alerts)
    assert (len(phones.taken), counted("sms", "dropped") - before) == (2, 3)


SHOWN = {
    "https://user:pw@hooks.example.com/T0/s3cret?token=x": "https://hooks.example.com/***",
    "+36201234567": "+362******67",
    "mailto:ops@example.com": "mailto:ops@example.com",
}


@pytest.mark.parametrize("target, log", SHOWN.items())
def test_what_the_log_shows(target: str, log: str) -> None:
    assert shown(target) == log


# -- settings

WRONG = ("ops@example.com", "mailto:ops", "ftp://example.com", "https://", "http://[::1", "36201234567", "+123",
         "+a" * 8, "https://a/\x01", ",".join(["+36201234567"] * 21))  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_target(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[global\] alert: must be mailto:name@host") as raised:
        parse(f"[global]\nalert = {text}\n", tmp_path / "config.ini")
    assert text not in str(raised.value)


def test_mail_needs_a_server(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[mail\] server: must be set, and sender too"):
        parse("[global]\nalert = mailto:ops@example.com\n", tmp_path / "config.ini")
    text = "[global]\nalert = mailto:ops@example.com, https://h.example/x, +36201234567\n[mail]\nserver=m\nsender=a@b\n"
    assert len(parse(text, tmp_path / "config.ini").sms.alert) == 3
