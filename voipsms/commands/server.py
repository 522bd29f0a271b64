"""`run`, `check`, `db`: the server and what it stands on."""

from __future__ import annotations

import asyncio
import signal
import sys
from argparse import ArgumentParser, Namespace, _SubParsersAction
from pathlib import Path

from voipsms import log
from voipsms.commands import rules
from voipsms.commands.context import Nobody, config_file, read_config, run
from voipsms.commands.output import add_format, write_rows
from voipsms.config import Config
from voipsms.dead_ends import dead_ends
from voipsms.errors import ConfigError, StoreError, SubmitError
from voipsms.gateway_settings import GatewaySettings
from voipsms.inbound.mo_files import Unreachable, place
from voipsms.model import GatewayId
from voipsms.store import migrate
from voipsms.store.database import Database
from voipsms.store.open import engine_for


def add_to(parsers: _SubParsersAction[ArgumentParser]) -> None:
    parsers.add_parser("run", help="the server").set_defaults(run=_run)
    parsers.add_parser("check", help="tries config, database and gateways without sending").set_defaults(run=_check)
    db = parsers.add_parser("db", help="the database").add_subparsers(required=True, metavar="COMMAND")
    db.add_parser("upgrade", help="creates or migrates the schema").set_defaults(run=_upgrade)
    status = db.add_parser("status", help="shows which schema it has")
    add_format(status)
    status.set_defaults(run=_status)


def _run(arguments: Namespace) -> int:
    config = read_config(arguments)
    return run(_serve(config, config_file(arguments)))


async def _serve(config: Config, file: Path) -> int:
    from voipsms.gateway import Gateway  # takes a while to import, and few commands need it

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Gateway(config) as gateway:
        reloads: set[asyncio.Task[None]] = set()

        def reload() -> None:
            log.reopen()
            task = loop.create_task(gateway.reload(file))
            reloads.add(task)
            task.add_done_callback(reloads.discard)

        loop.add_signal_handler(signal.SIGHUP, reload)
        stopping, lost = asyncio.ensure_future(stop.wait()), asyncio.ensure_future(gateway.wait())
        await asyncio.wait((stopping, lost), return_when=asyncio.FIRST_COMPLETED)
        failed = lost.done()
        stopping.cancel()
        lost.cancel()
        if reloads:
            await asyncio.wait(reloads)
    return int(failed)


def _check(arguments: Namespace) -> int:
    config = read_config(arguments)
    faults = run(_faults(config))
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        print("config, database and gateways are usable")
    return 1 if faults else 0


async def _faults(config: Config) -> list[str]:
    """One line each."""
    from voipsms.connectors.registry import connector_for  # as above

    faults, names = [], [settings.name for settings in config.gateways]
    db = Database(engine_for(config))
    ids: dict[str, int] = {}
    try:
        if migrate.version(db):
            ids = {name: row[0] for name in names for row in db.read("user_by_name", username=name)}
        if migrate.version(db) == migrate.newest(db.engine.name):
            faults += rules.faults(db, config)
    except StoreError as error:
        faults.append(f"[database] url: {error}")
    finally:
        db.close()
    if not config.gateways:
        faults.append("[global] smsurl: no gateway is configured")
    faults += dead_ends(config)
    for settings in config.gateways:
        try:
            connector = connector_for(
                GatewayId(ids.get(settings.name, 0)),
                settings,
                Nobody(),
                lambda: None,
                folder=config.folder,
                mail=config.mail,
            )
            try:
                await connector.probe()
            finally:
                await connector.close()
            if settings.inbound_log:
                await asyncio.to_thread(_look_into, settings, config.folder)
        except (SubmitError, ConfigError, Unreachable) as error:
            faults.append(f"gateway {settings.name}: {error}")
    return faults


def _look_into(settings: GatewaySettings, folder: Path) -> None:
    """Its inbound_log. Raises ConfigError, Unreachable. Blocks."""
    with place(settings.inbound_log, folder).session() as files:
        files.names()


def _upgrade(arguments: Namespace) -> int:
    db = Database(engine_for(read_config(arguments)))
    try:
        done = migrate.upgrade(db)
    finally:
        db.close()
    print("\n".join(f"ran {name}" for name in done) or "nothing to do")
    return 0


def _status(arguments: Namespace) -> int:
    engine = engine_for(read_config(arguments))
    db = Database(engine)
    try:
        row = (engine.name, migrate.version(db), migrate.newest(engine.name))
    finally:
        db.close()
    write_rows(arguments.format, ("engine", "schema", "newest"), [row])
    return 0
