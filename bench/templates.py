"""How long one request takes to render, message and all, by dialect. No network, no database."""

from __future__ import annotations

from functools import partial
from time import perf_counter, process_time
from typing import Final

from bench.measure import Figures
from voipsms.connectors.template import RequestTemplate
from voipsms.gateway_settings import GatewaySettings
from voipsms.model import Coding, GatewayId, Message, MessageId, Micros, Millis, Msisdn, UserId

TEXT: Final = "Your code is 123456. Don't share it, please! Valid for 10 minutes: https://example.com/a?b=c"
TEMPLATES: Final = {
    "mizu": GatewaySettings(
        smsurl="https://api.test/send?user=[user]&password=[password]&to=[tonum]&from=[fromnum]&id=[smsid]&text=[message]",
        user="me", password="secret",
    ),
    "icewarp": GatewaySettings(
        smsurl="https://api.test/http/sendmsg?user=me&password=secret&api_id=1&to=%number%&udh=%udh;len;hex%"
        "&data=%data;isascii%%data;isunicode;unicode;value=&unicode=1%&concat=%parts%"
    ),
    "jinja": GatewaySettings(
        smsurl="https://api.test/send", smssendheader="Authorization: Basic {{ (user ~ ':' ~ password)|b64 }}",
        smssenddata='{"to":"{{ tonum|e164 }}","from":"{{ fromnum }}","text":{{ message|json }}'
        '{% if parts > 1 %},"long":true{% endif %}}',
        user="me", password="secret",
    ),
}  # fmt: skip


def message(number: int) -> Message:
    return Message(
        id=MessageId(number), created=Millis(0), door="sip", user_id=UserId(1), gateway_id=GatewayId(2),
        sender="36301234567", target=Msisdn("36209876543"), text=TEXT, coding=Coding.GSM7, parts=1, duration=60,
        price=Micros(50_000), cost=Micros(0), currency="USD",
    )  # fmt: skip


def _measured(dialect: str, messages: int) -> Figures:
    """`cpu_us` is what a request costs."""
    compiled = RequestTemplate(TEMPLATES[dialect])
    found = [message(number) for number in range(1, 101)]
    for one in found:
        compiled.render(one)
    began, spent = perf_counter(), process_time()
    for count in range(messages):
        compiled.render(found[count % 100], counter=count)
    seconds, used = perf_counter() - began, process_time() - spent
    return Figures(dialect, messages, messages / seconds, used / messages * 1e6, 0.0, 0.0, 0.0, {})


mizu: Final = partial(_measured, "mizu")
icewarp: Final = partial(_measured, "icewarp")
jinja: Final = partial(_measured, "jinja")
