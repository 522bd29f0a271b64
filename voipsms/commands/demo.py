"""`demo`: a phone, the gateway and an SMSC on this machine; one message goes all the way, and is shown."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from argparse import ArgumentParser, Namespace, _SubParsersAction
from collections.abc import Callable
from pathlib import Path

from voipsms import config as configuration
from voipsms import log
from voipsms.commands.context import database, run, writing
from voipsms.commands.records import CDR, cdrs
from voipsms.config import Config
from voipsms.errors import VoipSmsError
from voipsms.model import FINAL, Micros, State, UserType
from voipsms.money import decimal
from voipsms.settings import Listen, LogSettings
from voipsms.sip.connection import Peer
from voipsms.sip.digest import authorization, ha1
from voipsms.sip.endpoint import SipEndpoint
from voipsms.sip.headers import Headers
from voipsms.sip.message import Request, Response
from voipsms.smpp.behaviour import Options
from voipsms.smpp.simulator import Simulator
from voipsms.store.accounts import NewUser, add_user

USER, PASSWORD, NUMBER, MOBILE = "alice", "demo", "36201234567", "36301112233"
TEXT = "Hello from my softphone — árvíztűrő ✓"
_CALL = secrets.token_hex(12)
_EVERYTHING = Namespace(start=0, stop=1 << 62, user="", gateway="", type="")
PATIENCE = 10.0  # seconds for the whole way

CONFIG = """\
[global]
smsurl = SMPP;server=127.0.0.1;serverport={smsc};username=demo;password=demo
smsprice = 0.05
currency = EUR
[sip]
listen = udp:127.0.0.1:0
realm = demo
[http]
listen = 127.0.0.1:0
"""


class DemoFailed(VoipSmsError):
    """The message did not arrive."""


def add_to(parsers: _SubParsersAction[ArgumentParser]) -> None:
    parsers.add_parser("demo", help="shows one message's way, on this machine alone").set_defaults(run=_demo)


def _demo(arguments: Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="voipsms-demo-") as folder:
        run(_play(Path(folder)))
    return 0


async def _play(folder: Path) -> None:
    from voipsms.gateway import Gateway  # takes a while to import, and few commands need it

    async with Simulator(Options(receipt_delay=0.2)) as smsc:
        config = configuration.parse(CONFIG.format(smsc=smsc.port), folder / "config.ini")
        log.configure(LogSettings(level="warning"), folder)
        with writing(config) as (db, ids), db.transaction():
            add_user(db, ids, _alice(), Micros(10_000_000))
        say("money", f"{USER} has 10.00 EUR; a message costs 0.05")
        async with Gateway(config) as gateway:
            await _until(lambda: all(q.connector.ready for q in gateway.queues.values()), "the SMSC takes no bind")
            await _send(gateway.sip.bound[0])
            await _until(lambda: bool(smsc.submits), "nothing was submitted")
            submit = smsc.submits[0]
            say("SMSC", f"submit_sm from {submit.source} to {submit.destination}, data_coding {submit.data_coding}")
            await _until(lambda: _state(config) in FINAL, "no receipt has come")
            say("SMSC", f"receipt: id:{submit.id} stat:DELIVRD")
        _show(config)


def _alice() -> NewUser:
    return NewUser(
        USER, UserType.ENDUSER, "EUR", ha1_md5=ha1("MD5", USER, "demo", PASSWORD),
        ha1_sha256=ha1("SHA-256", USER, "demo", PASSWORD), numbers=(NUMBER,),
    )  # fmt: skip


def say(who: str, what: str) -> None:
    print(f"{who:>8}  {what}", flush=True)


async def _until(true: Callable[[], bool], complaint: str) -> None:
    """Raises DemoFailed after PATIENCE."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not true():  # noqa: ASYNC110 — three programs that know nothing of each other are watched
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise DemoFailed(complaint) from None


async def _send(at: Listen) -> None:
    """The phone: a MESSAGE, the challenge, the MESSAGE again with credentials."""
    phone = SipEndpoint((Listen("udp", "127.0.0.1", 0),), lambda incoming: incoming.respond(405))
    await phone.start()
    try:
        gateway = Peer("udp", at.host, at.port)
        request = _message(f"sip:{MOBILE}@{at.host}:{at.port}")
        say("phone", f"MESSAGE {request.uri}: {TEXT}")
        answer = await phone.request(request, gateway)
        say("gateway", f"{answer.status} {answer.reason}")
        if answer.status == 401:
            say("phone", "MESSAGE again, with the digest of its password")
            answer = await phone.request(_with_credentials(request, answer), gateway)
            say("gateway", f"{answer.status} {answer.reason}: stored, and paid")
        if answer.status != 202:
            raise DemoFailed(f"the gateway answered {answer.status} {answer.reason}")
    finally:
        await phone.close()


def _message(uri: str, cseq: int = 1, extra: tuple[tuple[str, str], ...] = ()) -> Request:
    fields = [
        ("From", f"<sip:{USER}@demo>;tag={_CALL[:8]}"), ("To", f"<{uri}>"), ("Call-ID", _CALL),
        ("CSeq", f"{cseq} MESSAGE"), ("Max-Forwards", "70"), ("Content-Type", "text/plain;charset=UTF-8"), *extra,
    ]  # fmt: skip
    return Request("MESSAGE", uri, Headers(fields), TEXT.encode())


def _with_credentials(request: Request, challenge: Response) -> Request:
    offered = challenge.headers.get_all("WWW-Authenticate")
    cnonce = secrets.token_hex(8)
    value = authorization(offered, "MESSAGE", request.uri, USER, PASSWORD, cnonce=cnonce)
    return _message(request.uri, 2, (("Authorization", value),))


def _state(config: Config) -> State:
    with database(config) as db:
        rows = list(cdrs(db, _EVERYTHING))
    return State(str(rows[0][CDR.index("state")])) if rows else State.QUEUED


def _show(config: Config) -> None:
    with database(config) as db:
        cdr = dict(zip(CDR, next(cdrs(db, _EVERYTHING)), strict=False))
        balance = next(row[4] for row in db.read("list_users") if row[1] == USER)
    say("CDR", " ".join(f"{name}={cdr[name]}" for name in ("from", "to", "duration", "parts", "price", "state")))
    say("money", f"{USER} has {decimal(balance)} EUR")
    if cdr["duration"] != 60 or balance != 9_950_000:
        raise DemoFailed("the CDR or the balance is not what it should be")
