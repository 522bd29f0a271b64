"""`explain`: what would become of a message, and what exactly would leave. Nothing is stored, charged or sent."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, _SubParsersAction
from collections.abc import Callable, Iterator, Mapping, Sequence

from voipsms.accept import accept
from voipsms.commands.candidates import Candidates, Line, measured
from voipsms.commands.context import database, directory_for, gateways_by_id, read_config, run
from voipsms.commands.output import add_format, write_rows
from voipsms.commands.prepare import prepare
from voipsms.commands.prices import reason
from voipsms.commands.requests import requests
from voipsms.config import Config
from voipsms.directory import Directory
from voipsms.errors import Refused
from voipsms.gateway_settings import GatewaySettings
from voipsms.model import Coding, GatewayId, Message, MessageId, Submission
from voipsms.money import decimal
from voipsms.preparation import Preparation, Ready, chosen_first
from voipsms.quality import Windows
from voipsms.routing import Asked
from voipsms.settings import GlobalSettings
from voipsms.sms.numbers import read_number
from voipsms.store import gateways
from voipsms.store.ids import now_millis
from voipsms.tariffs import cost, price
from voipsms.ways import Idle, Ways

_CHARACTERS = {Coding.GSM7: "GSM 03.38", Coding.UCS2: "UCS-2", Coding.LATIN1: "ISO 8859-1", Coding.BINARY: "octets"}


def add_to(parsers: _SubParsersAction[ArgumentParser]) -> None:
    explain = parsers.add_parser("explain", help="says what would become of a message, without sending it")
    explain.add_argument("--user", required=True, metavar="U", help="who pays")
    explain.add_argument("--from", dest="sender", default="", metavar="A", help="default: the user")
    explain.add_argument("--to", dest="target", required=True, metavar="B")
    explain.add_argument("text")
    add_format(explain)
    explain.set_defaults(run=_explain)


def _explain(arguments: Namespace) -> int:
    config = read_config(arguments)
    submission = Submission(
        door="cli", payers=(arguments.user,), sender=arguments.sender or arguments.user, target=arguments.target,
        text=arguments.text,
    )  # fmt: skip
    with database(config) as db:
        known = gateways_by_id(db, config)
        ids = {settings.name: gateway_id for gateway_id, settings in known.items()}
        directory = directory_for(db, config, submission.target, ids)
        ready, before = run(prepare(config, directory, submission))
        if isinstance(ready, Ready) and ready.submission.target != submission.target:
            directory = directory_for(db, config, ready.submission.target, ids)
        windows, away = measured(db, config), gateways.unusable(db)
    lines, refused = run(_lines(config, ready, directory, known, windows, away))
    write_rows(arguments.format, ("step", "result"), [*before, *lines])
    return int(refused)


def _refused(refusal: Refused) -> Line:
    return "refused", f"{refusal} ({refusal.code}, SIP {refusal.sip_code})"


async def _lines(
    config: Config, ready: Ready | Refused, directory: Directory, known: dict[GatewayId, GatewaySettings],
    windows: Windows, away: Mapping[int, str],
) -> tuple[list[Line], bool]:  # fmt: skip
    """And whether it would be refused."""
    if isinstance(ready, Refused):
        return [_refused(ready)], True
    submission = ready.submission
    number = read_number(submission.target, config.sms.country)
    lines = [("target", f"{number.digits or submission.target}: {number.kind.value}")]
    idle = {gateway_id: Idle(gateway_id not in away) for gateway_id in known}
    routed = Ways(directory, idle, config.sms, draw=lambda: 0.5, held=windows.held)
    candidates = Candidates(directory, config.sms, known, windows, ready.gateway)
    ways = _Shown(chosen_first(routed, ready.gateway, known), candidates)
    try:
        message = accept(submission, directory, config.sms, ways, "", MessageId(0), now_millis())
    except Refused as refusal:
        return [*lines, *ways.lines(None), _refused(refusal)], True
    lines += [("beside it", effect.said) for effect in ready.effects]
    _, credit = Preparation(directory, config.sms, "").credited(ready, message)
    lines += [("credit", f"{decimal(credit)} {message.currency} for the advertisement")] if credit else []
    lines += [*_decisions(message, directory, config.sms), *ways.lines(message.gateway_id)]
    lines += _gateways(message, known, away)
    lines += [("request", sent) for sent in await requests(config, message, known[message.gateway_id])]
    return lines, False


class _Shown:
    """Ways that remember what was asked of them."""

    def __init__(self, ways: Callable[[Asked], Sequence[GatewayId]], candidates: Candidates) -> None:
        self._ways = ways
        self._candidates = candidates
        self._asked: Asked | None = None
        self._order: Sequence[GatewayId] = ()

    def __call__(self, asked: Asked) -> Sequence[GatewayId]:
        self._asked, self._order = asked, self._ways(asked)
        return self._order

    def lines(self, chosen: GatewayId | None) -> Iterator[Line]:
        if self._asked is not None:
            yield from self._candidates.routes(self._asked)
            yield from self._candidates.in_order(self._asked, self._order, chosen)


def _decisions(message: Message, directory: Directory, settings: GlobalSettings) -> Iterator[Line]:
    account = directory.by_id[message.user_id]
    yield "payer", f"{account.name}: balance {decimal(account.balance)} {account.currency}"
    yield "sender", message.sender
    yield "encoding", _CHARACTERS[message.coding]
    yield "parts", str(message.parts)
    units = f"{message.parts} parts of " if settings.smsbilling == "part" and message.parts > 1 else ""
    paid = price(directory, settings, account, message.target, message.parts, message.created)
    amount = f"{decimal(message.price)} {message.currency}"
    yield "price", f"{amount} for {units}{message.duration} s ({reason(paid)})"
    for reseller, charged in zip(account.levels, message.charges, strict=True):
        paid = price(directory, settings, reseller, message.target, message.parts, message.created)
        yield f"reseller {reseller.name}", f"{decimal(charged[1])} {message.currency} ({reason(paid)})"
    owed = cost(directory, settings, message.gateway_id, message.target, message.parts, message.created)
    yield "cost", f"{decimal(message.cost)} {message.currency} ({reason(owed, 'nothing')})"


def _gateways(message: Message, known: dict[GatewayId, GatewaySettings], away: Mapping[int, str]) -> Iterator[Line]:
    for gateway_id, settings in known.items():
        why = f", takes nothing now: {away[gateway_id]}" if gateway_id in away else ""
        yield f"gateway {settings.name}", ("chosen" if gateway_id == message.gateway_id else "not chosen") + why
