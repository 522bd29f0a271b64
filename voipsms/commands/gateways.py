"""`gateway list`, `gateway pause`, `gateway resume`: the ways out and how they fare."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, _SubParsersAction
from collections.abc import Sequence

from voipsms.commands.context import database, gateways_by_id, read_config, writing
from voipsms.commands.output import add_format, moment, write_rows
from voipsms.errors import VoipSmsError
from voipsms.gateway_settings import GatewaySettings
from voipsms.model import GatewayId
from voipsms.store import gateways
from voipsms.store.gateways import Known

NAMES = ("name", "id", "kind", "state", "reason", "since", "waiting", "in_flight", "sent", "cap")
_WORST = ("up", "out", "down", "paused")  # of several processes the worst is shown


class NoGateway(VoipSmsError):
    """There is none of this name in the config."""


def add_to(parsers: _SubParsersAction[ArgumentParser]) -> None:
    family = parsers.add_parser("gateway", help="the ways out").add_subparsers(required=True, metavar="COMMAND")
    listing = family.add_parser("list", help="shows the gateways and how they fare")
    add_format(listing)
    listing.set_defaults(run=_list)
    for word, pause, meaning in (
        ("pause", True, "gives the gateway nothing new until it is resumed"), ("resume", False, "ends a pause"),
    ):  # fmt: skip
        one = family.add_parser(word, help=meaning)
        one.add_argument("name")
        one.set_defaults(run=_order, pause=pause)


def _list(arguments: Namespace) -> int:
    config = read_config(arguments)
    with database(config) as db:
        found, known = gateways_by_id(db, config), gateways.known(db)
    rows = [_row(gateway_id, settings, known[gateway_id]) for gateway_id, settings in found.items()]
    write_rows(arguments.format, NAMES, rows)
    return 0


def _row(gateway_id: GatewayId, settings: GatewaySettings, known: Known) -> Sequence[object]:
    from voipsms.connectors.registry import kind_of  # takes a while to import, and few commands need it

    state, reason, since = state_of(known)
    counts = (known.waiting, known.in_flight, known.sent, settings.cap or None)
    shown_id = gateway_id if gateway_id > 0 else None  # it has never run
    return settings.name, shown_id, kind_of(settings), state, reason, since, *counts


def state_of(known: Known) -> tuple[str, str, str | None]:
    """State, reason and since when. `stopped`: no process runs it."""
    if not known.seen:
        return ("paused", "paused by hand", None) if known.paused else ("stopped", "no process runs it", None)
    node, worst = max(known.seen, key=lambda one: _WORST.index(one[1].state))
    alike = all(one.state == worst.state for _, one in known.seen)
    return worst.state, worst.reason if alike else f"in process {node}: {worst.reason}", moment(worst.since)


def _order(arguments: Namespace) -> int:
    config = read_config(arguments)
    with writing(config) as (db, _), db.transaction():
        ids = {settings.name: gateway_id for gateway_id, settings in gateways_by_id(db, config).items()}
        if arguments.name not in ids:
            raise NoGateway(f"there is no gateway {arguments.name!r}")
        gateways.order(db, ids[arguments.name], arguments.pause)
    print(f"gateway {arguments.name} {'paused' if arguments.pause else 'resumed'}")
    return 0
