"""`send`: one message as the admin, through the running server where there is one, else by itself."""

from __future__ import annotations

import asyncio
import time
from argparse import ArgumentParser, Namespace, _SubParsersAction
from datetime import UTC, datetime

from voipsms.accept import accept
from voipsms.commands.context import database, directory_for, read_config, run, writing
from voipsms.commands.prepare import prepare, run_effects
from voipsms.config import Config
from voipsms.errors import BadUserData, Refused
from voipsms.model import FAILED, FINAL, Message, MessageId, Millis, State, Submission
from voipsms.preparation import Preparation, Ready, chosen_first
from voipsms.store.accounts import ADMIN, ensure_gateways
from voipsms.store.commit import Commit
from voipsms.store.database import Database
from voipsms.store.entries import Accept
from voipsms.store.gateways import unusable
from voipsms.store.ids import IdSource, now_millis
from voipsms.store.node import is_dead
from voipsms.store.orphans import Orphans
from voipsms.ways import Idle, Ways

LONGEST_VALIDITY = 63 * 7 * 86400  # seconds, 3GPP TS 23.040 §9.2.3.12.1
LOOK = 0.1  # seconds between two looks at the message


def add_to(parsers: _SubParsersAction[ArgumentParser]) -> None:
    send = parsers.add_parser("send", help="sends one message as the admin")
    send.add_argument("--from", dest="sender", required=True, metavar="A")
    send.add_argument("--to", dest="target", required=True, metavar="B")
    send.add_argument("--wait", action="store_true", help="until its final state, not only the provider's answer")
    send.add_argument("--flash", action="store_true", help="shown at once and not kept (message class 0)")
    send.add_argument("--at", type=_time, default=Millis(0), metavar="T", help="not before: 2030-01-31T08:00 (UTC)")
    send.add_argument("--valid", type=_seconds, default=0, metavar="S", help="seconds that the provider shall try")
    send.add_argument("--hex", action="store_true", help="TEXT is a binary message in hexadecimal")
    send.add_argument("--udh", type=_octets, default=b"", metavar="HEX", help="its header, length octet first")
    send.add_argument("--timeout", type=float, default=60.0, help="seconds to wait; default %(default)s")
    send.add_argument("text")
    send.set_defaults(run=_send)


def _octets(text: str) -> bytes:
    return bytes.fromhex(text)


def _seconds(text: str) -> int:
    seconds = int(text)
    if not 0 < seconds <= LONGEST_VALIDITY:
        raise ValueError
    return seconds


def _time(text: str) -> Millis:
    at = datetime.fromisoformat(text)
    return Millis(round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000))


def _submission(arguments: Namespace) -> Submission:
    """Raises BadUserData."""
    try:
        octets = _octets(arguments.text) if arguments.hex else b""
    except ValueError as error:
        raise BadUserData("TEXT is not hexadecimal") from error
    return Submission(
        door="cli", payers=(ADMIN,), sender=arguments.sender, target=arguments.target, text=arguments.text,
        message_class=0 if arguments.flash else None, octets=octets, udh=arguments.udh, due=arguments.at,
        valid=arguments.valid,
    )  # fmt: skip


def _send(arguments: Namespace) -> int:
    config, submission = read_config(arguments), _submission(arguments)
    with writing(config) as (db, ids):
        message_id = submit(db, ids, config, submission)
        served = any(_is_server(row) for row in db.read("nodes") if row[0] != ids.node)
    print(message_id)
    enough = FINAL if arguments.wait else frozenset(State) - {State.QUEUED}
    deadline = time.monotonic() + arguments.timeout
    state, words = run(_outcome(config, message_id, enough, deadline, served))
    print(" ".join(filter(None, (state, *words))))
    return 1 if state in FAILED or state not in enough else 0


def _is_server(row: tuple[object, ...]) -> bool:
    _, holder, lease, _ = row
    return isinstance(lease, int) and lease >= now_millis() and not is_dead(str(holder))


def submit(db: Database, ids: IdSource, config: Config, submission: Submission) -> MessageId:
    """Stores the message for whoever is or will be running, and does what rules want beside it. Raises Refused,
    StoreError, ConfigError."""
    ready = _prepared(db, ids, config, submission)
    message = _store(db, ids, config, ready)
    if ready.effects:
        copies: list[Submission] = []
        run(run_effects(config, ready.effects, message, copies))
        for copy in copies:
            _store(db, ids, config, Ready(copy))
    return message.id


def _prepared(db: Database, ids: IdSource, config: Config, submission: Submission) -> Ready:
    with db.transaction():
        gateways = ensure_gateways(db, ids, [g.name for g in config.gateways], config.sms.currency)
        directory = directory_for(db, config, submission.target, gateways)
    ready, _ = run(prepare(config, directory, submission))
    if isinstance(ready, Refused):
        raise ready
    return ready


def _store(db: Database, ids: IdSource, config: Config, ready: Ready) -> Message:
    with db.transaction():
        gateways = ensure_gateways(db, ids, [g.name for g in config.gateways], config.sms.currency)
        directory = directory_for(db, config, ready.submission.target, gateways)
        away = unusable(db)
        known = {gateway_id: Idle(gateway_id not in away) for gateway_id in gateways.values()}
        ways = chosen_first(Ways(directory, known, config.sms), ready.gateway, known)
        message = accept(ready.submission, directory, config.sms, ways, "", MessageId(ids.next()), now_millis())
        message, credit = Preparation(directory, config.sms, "").credited(ready, message)
        commit = Commit(db, ids, now_millis(), 0, config.sms.smsrefund, Orphans())
        result = commit.write([Accept(message, started=False, ours=False, credit=credit)]).results[0]
    if isinstance(result, Exception):
        raise result
    return message


async def _outcome(
    config: Config, message_id: MessageId, enough: frozenset[State], deadline: float, served: bool
) -> tuple[State, tuple[str, str]]:
    """Waits until the message has one of the states, or the deadline has passed."""
    if served:
        return await _watch(config, message_id, enough, deadline)
    from voipsms.gateway import Gateway  # takes a while to import, and few commands need it

    async with Gateway(config, doors=False):
        return await _watch(config, message_id, enough, deadline)


async def _watch(
    config: Config, message_id: MessageId, enough: frozenset[State], deadline: float
) -> tuple[State, tuple[str, str]]:
    with database(config) as db:
        while True:
            row = db.read("message", id=message_id)[0]
            state = State(row[2])
            if state in enough or time.monotonic() > deadline:
                return state, (row[3], row[4])
            await asyncio.sleep(LOOK)
