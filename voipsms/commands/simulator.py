"""`smsc`: the SMSC simulator."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, _SubParsersAction

from voipsms.commands.context import run
from voipsms.errors import ConfigError
from voipsms.smpp import smsc


def add_to(parsers: _SubParsersAction[ArgumentParser]) -> None:
    parser = parsers.add_parser("smsc", help="an SMSC to try things against")
    smsc.add_arguments(parser)
    parser.set_defaults(run=_smsc)


def _smsc(arguments: Namespace) -> int:
    try:
        return run(smsc.run(arguments))
    except OSError as error:
        raise ConfigError(f"--host, --port, --log, --tls-…: {error.strerror or error}") from error
