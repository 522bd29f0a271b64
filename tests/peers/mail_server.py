"""An SMTP server on loopback, aiosmtpd; the local part of a mail's recipient says what it does with it."""

from __future__ import annotations

import asyncio
import ssl
import threading
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "gateway", "s3cret"

RCPT = {"unknown": "550 5.1.1 No such user", "greylisted": "451 4.7.1 Greylisted, try again later"}
DATA = {"spam": "554 5.7.1 Rejected as spam", "full": "452 4.3.1 Disk full"}


@dataclass(frozen=True, slots=True)
class Delivered:
    sender: str
    recipients: list[str]
    octets: bytes


class MailServer:
    """`mails` are those that were taken; `sessions` counts connections."""

    def __init__(self) -> None:
        self.mails: list[Delivered] = []
        self.sessions = 0
        self.port = 0
        self.release = asyncio.Event()  # lets answers to DATA go that hang
        self._login = False
        self._server: asyncio.Server | None = None
        self._open: list[SMTP] = []

    async def start(self, *, tls: ssl.SSLContext | None = None, implicit: bool = False, login: bool = False) -> None:
        """`implicit`: TLS from the first octet, else by STARTTLS."""

        self._login = login

        def session() -> SMTP:
            self.sessions += 1
            one = SMTP(
                self, hostname="mail.test", tls_context=None if implicit else tls, authenticator=_check,
                require_starttls=bool(tls) and not implicit, auth_require_tls=not implicit,
                loop=asyncio.get_running_loop(),
            )  # fmt: skip
            self._open.append(one)
            return one

        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(session, "127.0.0.1", self.port, ssl=tls if implicit else None)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self.release.set()
        self.hang_up()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def hang_up(self) -> None:
        """As a server that restarts."""
        for one in self._open:
            if one.transport is not None:
                one.transport.close()
        self._open.clear()

    # -- aiosmtpd's hooks, whose names are its own

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._login and not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        local = address.partition("@")[0]
        if local == "vanish":
            assert server.transport is not None
            server.transport.close()
        if local in RCPT:
            return RCPT[local]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        local = envelope.rcpt_tos[0].partition("@")[0]
        if local == "late":
            await self.release.wait()
        if local == "lost":
            assert server.transport is not None
            server.transport.close()
        if local in DATA:
            return DATA[local]
        assert isinstance(envelope.original_content, bytes)
        assert envelope.mail_from is not None
        self.mails.append(Delivered(envelope.mail_from, list(envelope.rcpt_tos), envelope.original_content))
        return f"250 2.0.0 OK: queued as Q{len(self.mails)}"


class MailPeer:
    """The server on a loop and a thread of its own, between `with` and its end."""

    def __init__(self) -> None:
        self._server = MailServer()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._server.start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def settings(self) -> dict[str, object]:
        """Of the gateway's section [mail]."""
        return {"server": "127.0.0.1", "port": self._server.port, "tls": "none", "sender": "gateway@example.com"}

    def mails(self, to: str) -> list[EmailMessage]:
        """Those that were taken for that address, in order."""
        found = [mail for mail in tuple(self._server.mails) if to in mail.recipients]
        return [message_from_bytes(mail.octets, policy=default) for mail in found]


def _check(server: SMTP, session: Session, envelope: Envelope, mechanism: str, told: LoginPassword) -> AuthResult:
    known = (told.login, told.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=known, handled=False)  # aiosmtpd gives the answer
