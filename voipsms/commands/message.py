"""`message`: the whole story of one message, and what a gateway would be sent for it."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace, _SubParsersAction
from collections.abc import Iterator

from voipsms.commands.context import database, gateways_by_id, read_config, run
from voipsms.commands.output import moment, write_rows
from voipsms.commands.requests import requests
from voipsms.errors import StoreError
from voipsms.money import decimal
from voipsms.store import story
from voipsms.store.story import Story

Line = tuple[str, str, str]


def add_to(parsers: _SubParsersAction[ArgumentParser]) -> None:
    message = parsers.add_parser("message", help="tells the whole story of one message")
    message.add_argument("id", type=int, metavar="ID", help="as `send`, the API or a CDR gives it")
    message.add_argument("--format", choices=("table", "json"), default="table", help="default: %(default)s")
    message.set_defaults(run=_message)


def _message(arguments: Namespace) -> int:
    config = read_config(arguments)
    with database(config) as db:
        found = story.read(db, arguments.id) if 0 < arguments.id < 1 << 63 else None
        if found is None:
            raise StoreError(f"there is no message {arguments.id} (any more)")
        gateway = gateways_by_id(db, config).get(found.message.gateway_id) if found.direction == "MT" else None
    sent = run(requests(config, found.message, gateway)) if gateway is not None else []
    if arguments.format == "json":
        json.dump([_object(found, sent)], sys.stdout, indent=2)
        print()
    else:
        write_rows("table", ("at", "what", "detail"), _lines(found, sent))
    return 0


def _lines(found: Story, sent: list[str]) -> Iterator[Line]:
    m = found.message
    yield "", "message", f"{m.id} {found.direction} {found.state}, {m.sender} to {m.target}, of {found.user}"
    yield "", "text", m.text or m.octets.hex()
    for event in found.events:
        yield moment(event.at), event.kind, event.detail
    if found.waits:
        yield "", "waits", found.waits
    if found.cdr is not None:
        duration, parts, price, cost, currency = found.cdr[9:14]
        margin = f"price {decimal(price)}, cost {decimal(cost)} {currency}"
        yield "", "cdr", f"{found.cdr[14]}, {duration} s, {parts} parts, {margin}"
    for request in sent:
        yield "", "would be sent", request


def _object(found: Story, sent: list[str]) -> dict[str, object]:
    """`would_be_sent`: rebuilt from the message as it is now, with today's settings; nobody keeps what has left."""
    m = found.message
    return {
        "id": str(m.id), "direction": found.direction, "state": found.state, "reason": found.reason,
        "comment": found.comment, "created": moment(m.created), "changed": moment(found.changed), "user": found.user,
        "gateway": found.gateway, "from": m.sender, "to": m.target, "text": m.text, "octets": m.octets.hex(),
        "udh": m.udh.hex(), "coding": m.coding, "parts": m.parts, "price": str(decimal(m.price)),
        "cost": str(decimal(m.cost)), "currency": m.currency, "door": m.door, "client_ip": m.client_ip,
        "waits": found.waits, "cdr": None if found.cdr is None else str(found.cdr[0]),
        "events": [{"at": moment(event.at), "kind": event.kind, "detail": event.detail} for event in found.events],
        "would_be_sent": sent,
    }  # fmt: skip
