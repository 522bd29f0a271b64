"""Connections to one SMTP server (RFC 5321), kept for the next mail. The only importer of aiosmtplib."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from aiosmtplib import SMTP, SMTPException, SMTPResponseException

from voipsms.connectors.verdict import LONGEST_COMMENT
from voipsms.errors import ConfigError, GatewayDown, OutcomeUnknown, SubmitError, SubmitFailed, SubmitRefused
from voipsms.settings import MailSettings

_FAREWELL: Final = 2.0  # seconds that the answer to QUIT may take
_CLOSING: Final = 421  # RFC 5321 §3.8: the server ends the connection, perhaps since it was idle


class _Ended(Exception):
    """The connection is gone, and nothing of the mail was taken."""


def client_context(settings: MailSettings, folder: Path) -> ssl.SSLContext:
    """Raises ConfigError."""
    file = folder / settings.ca if settings.ca else None
    try:
        context = ssl.create_default_context(cafile=file)
    except OSError as error:
        raise ConfigError(f"[mail] ca: {file}: {error.strerror or 'must be PEM certificates'}") from error
    if not settings.verify_tls:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class SmtpServer:
    """`folder`: where relative paths start. Raises ConfigError."""

    def __init__(self, settings: MailSettings, folder: Path) -> None:
        self._settings = settings
        self._tls = None if settings.tls == "none" else client_context(settings, folder)
        self._idle: list[SMTP] = []

    async def deliver(self, sender: str, recipients: Sequence[str], mail: bytes) -> str:
        """The server's answer. Raises SubmitError: every recipient is taken, or none is known to be."""
        if self._idle:
            try:
                return await self._mail(self._idle.pop(), sender, recipients, mail)
            except _Ended:
                pass  # servers end what is idle; nothing was lost
        try:
            return await self._mail(await self._connect(), sender, recipients, mail)
        except _Ended as error:
            raise GatewayDown(str(error)) from error

    async def greet(self) -> None:
        """Connects, by TLS and with credentials as the settings say. Raises GatewayDown."""
        await _quit(await self._connect())

    async def close(self) -> None:
        while self._idle:
            await _quit(self._idle.pop())

    async def _connect(self) -> SMTP:
        """Raises GatewayDown."""
        told = self._settings
        smtp = SMTP(
            hostname=told.server, port=told.port, username=told.user or None, password=told.password or None,
            local_hostname=socket.gethostname(), timeout=told.timeout, use_tls=told.tls == "ssl",
            start_tls=told.tls == "starttls", tls_context=self._tls,
        )  # fmt: skip
        try:
            await smtp.connect()
        except (SMTPException, OSError, ValueError) as error:
            smtp.close()
            raise GatewayDown(f"{told.server}:{told.port}: {_words(error)}") from error
        return smtp

    async def _mail(self, smtp: SMTP, sender: str, recipients: Sequence[str], mail: bytes) -> str:
        """Raises _Ended, SubmitFailed, SubmitRefused, OutcomeUnknown."""
        begun = False
        try:
            await smtp.mail(sender)
            for recipient in recipients:
                await smtp.rcpt(recipient)
            begun = True
            answer = await smtp.data(mail)
        except SMTPResponseException as error:
            if error.code == _CLOSING and not begun:
                smtp.close()
                raise _Ended(_words(f"SMTP {error.code} {error.message}")) from error
            await self._keep(smtp)
            raise _refusal(error) from error
        except (SMTPException, OSError) as error:
            smtp.close()
            if begun:  # RFC 5321 §4.5.3.2.6: it may have taken the mail, or be about to
                raise OutcomeUnknown(f"the connection ended before the answer to DATA: {_words(error)}") from error
            raise _Ended(_words(error)) from error
        except BaseException:
            smtp.close()
            raise
        self._idle.append(smtp)
        return _words(f"SMTP {answer.code} {answer.message}")

    async def _keep(self, smtp: SMTP) -> None:
        """After a refusal, which leaves half a transaction behind."""
        try:
            await smtp.rset()
        except (SMTPException, OSError):
            smtp.close()
        else:
            self._idle.append(smtp)


async def _quit(smtp: SMTP) -> None:
    try:
        await smtp.quit(timeout=_FAREWELL)
    except (SMTPException, OSError):
        smtp.close()


def _refusal(error: SMTPResponseException) -> SubmitError:
    """RFC 5321 §4.2.1: 4yz may be tried again, 5yz not."""
    comment = _words(f"SMTP {error.code} {error.message}")
    return SubmitFailed(comment) if 400 <= error.code < 500 else SubmitRefused(comment)


def _words(said: object) -> str:
    """On one line, for the CDR."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(said)).split())
    return line[:LONGEST_COMMENT] or type(said).__name__
