"""`voipsms COMMAND`: reads the command line and says in one line what is wrong."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence

from voipsms import __version__
from voipsms.commands import (
    accounts,
    adverts,
    archive,
    console,
    demo,
    explain,
    gateways,
    message,
    numbers,
    optout,
    outbox,
    prices,
    records,
    reports,
    routes,
    rules,
    sending,
    server,
    simulator,
    vouchers,
)
from voipsms.errors import VoipSmsError

_FAMILIES = (
    server, accounts, sending, console, explain, prices, vouchers, numbers, optout, outbox, routes, gateways, rules,
    adverts, records, message, reports, archive, simulator, demo,
)  # fmt: skip


def parser() -> ArgumentParser:
    top = ArgumentParser(prog="voipsms", description="An SMS gateway for VoIP softswitches.")
    top.add_argument("--config", metavar="FILE", help="default: $VOIPSMS_CONFIG, else ./config.ini")
    top.add_argument("--version", action="version", version=f"voipsms {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for family in _FAMILIES:
        family.add_to(commands)
    return top


def main(words: Sequence[str] | None = None) -> int:
    """0: done. 1: not done, and why in one line each. 2: the command line can't be understood."""
    arguments = parser().parse_args(words)
    try:
        return int(arguments.run(arguments))
    except VoipSmsError as error:
        print(f"voipsms: {error}", file=sys.stderr)
        return 1
    except (BrokenPipeError, KeyboardInterrupt):
        return 1
