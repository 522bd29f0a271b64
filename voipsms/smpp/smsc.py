"""`voipsms smsc`: the SMSC simulator as a command."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from dataclasses import fields

from voipsms.ini import BadValue, host_port
from voipsms.smpp.behaviour import DEFAULT_BIND_REFUSAL, ENDINGS, ID_FORMS, Options
from voipsms.smpp.faults import FAULTS, Strike
from voipsms.smpp.simulator import Simulator
from voipsms.smpp.status import STATUSES

_NUMBERS = {known.name: known.number for known in STATUSES.values()}


def _status(text: str) -> int:
    """A command_status by its name, with or without ESME_, or by its number."""
    name = text.upper()
    known = _NUMBERS.get(name, _NUMBERS.get(f"ESME_{name}"))
    try:
        return int(text, 0) if known is None else known
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no SMPP status, such as ESME_RSYSERR or 0x8") from None


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share from 0 to 1")
    return share


def _strike(text: str) -> Strike:
    """NAME[:SHARE[:TIMES]]."""
    name, _, rest = text.partition(":")
    share, _, most = rest.partition(":")
    if name not in FAULTS or not (most.isdecimal() or not most):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME[:SHARE[:TIMES]], NAME being one of {', '.join(FAULTS)}")
    return Strike(name, _share(share or "1"), int(most or "0"))


def _address(text: str) -> str:
    try:
        if text:
            host_port(text)
    except BadValue as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from None
    return text


def _milliseconds(text: str) -> float:
    try:
        return max(0.0, float(text) / 1000)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of milliseconds") from None


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command; `run` understands what they parse to."""
    usual = Options()
    add = parser.add_argument
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "\n".join(
        (
            "Destinations that end in these digits provoke:",
            *(f"  …{ending}  {behaviour.meaning}" for ending, behaviour in ENDINGS.items()),
            "\nFaults, and what they strike:",
            *(f"  {name:<22} {fault.place.value:<7} {fault.meaning}" for name, fault in FAULTS.items()),
        )
    )
    add("--host", default=usual.host, help="address to listen on (%(default)s)")
    add("--port", type=int, default=2775, help="port to listen on (%(default)s); 0: any free one")
    add("--username", default="", help="the only system_id taken; default: any")
    add("--password", default="", help="the only password taken; default: any")
    add("--refuse-bind", type=_status, nargs="?", const=DEFAULT_BIND_REFUSAL, default=0, metavar="STATUS",
        help="refuse every bind, with ESME_RBINDFAIL or STATUS")  # fmt: skip
    add("--no-endings", dest="endings", action="store_false", help="treat every destination alike")
    add("--no-receipts", dest="receipts", action="store_false", help="never send receipts")
    add("--receipt-delay", type=_milliseconds, default=0.0, metavar="MS", help="receipts leave so long after")
    add("--state", default=usual.state, help="stat of the receipts (%(default)s)")
    add("--ids", choices=ID_FORMS, default=usual.ids, help="form of the id in receipts; answers have it in hexadecimal")
    add("--tlvs", action="store_true", help="receipts carry receipted_message_id and message_state")
    add("--early", action="store_true", help="receipts leave before the answers")
    add("--elsewhere", action="store_true", help="receipts come on another session than the submit's")
    add("--redeliver", type=_milliseconds, default=usual.redeliver, metavar="MS",
        help="a delivery that got a temporary error comes again after so long (1000)")  # fmt: skip
    add("--tps", type=float, default=0.0, help="submits a second above which ESME_RTHROTTLED is answered")
    add("--refuse", type=_share, default=0.0, metavar="SHARE", help="share of submits to refuse, 0 to 1")
    add("--refuse-status", type=_status, default=usual.refuse_status, metavar="STATUS", help="ESME_RSUBMITFAIL")
    add("--silence", type=_share, default=0.0, metavar="SHARE", help="share of submits to leave unanswered, 0 to 1")
    add("--disconnect", type=int, default=0, metavar="N", help="end the connection after every N submits")
    add("--response-delay", type=_milliseconds, default=0.0, metavar="MS", help="answers leave so long after")
    add("--window", type=int, default=usual.window, help="deliveries without an answer, a session (%(default)s)")
    add("--enquire", type=float, default=usual.enquire, help="seconds of silence before enquire_link (%(default)s)")
    add("--log", default="", metavar="FILE", help="append one JSON line a submit")
    add("--mo-count", type=int, default=0, metavar="N", help="send so many MO messages")
    add("--mo-rate", type=_positive, default=usual.mo_rate, metavar="N", help="MO messages a second (%(default)s)")
    add("--mo-from", default=usual.mo_from, metavar="NUMBER", help="their sender (%(default)s)")
    add("--mo-to", default=usual.mo_to, metavar="NUMBER", help="their target (%(default)s)")
    add("--mo-text", default=usual.mo_text, metavar="TEXT", help="their text; %%d becomes their number")
    add("--mo-reply", default="", metavar="TEXT", help="the phones answer each message that reaches them")
    add("--fault", type=_strike, action="append", dest="faults", default=[], metavar="NAME[:SHARE[:TIMES]]",
        help="strike a share of the requests (1: all), so often at most; see below")  # fmt: skip
    add("--tls-cert", default="", metavar="FILE", help="PEM file: sessions go by TLS")
    add("--tls-key", default="", metavar="FILE", help="PEM file with its key, unless that is in --tls-cert")
    add("--tls-ca", default="", metavar="FILE", help="PEM file: clients must show a certificate of this authority")
    add("--outbind", type=_address, default="", metavar="HOST:PORT", help="ask an ESME there for a session")
    add("--outbind-password", default="", metavar="WORD", help="password of that outbind")
    add("--seed", type=int, default=usual.seed, help="of the shares' dice (%(default)s)")


def options(arguments: argparse.Namespace) -> Options:
    values = {field.name: getattr(arguments, field.name) for field in fields(Options)}
    return Options(**values | {"faults": tuple(arguments.faults)})


async def run(arguments: argparse.Namespace) -> int:
    """Prints `listening on host:port`, serves until SIGTERM or SIGINT, prints the counts as one JSON line.

    Raises OSError when it can't listen.
    """
    simulator = Simulator(options(arguments))
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with simulator:
        print(f"listening on {simulator.options.host}:{simulator.port}", flush=True)
        await stop.wait()
    print(json.dumps(dict(simulator.counts)), flush=True)
    return 0
