"""A user's mailbox. A mail is from an address that makes a reply possible, where the operator has one (seeds/003,
"E-mail From" and "Reply-To"); its To is the final recipient."""

from __future__ import annotations

import asyncio
import re
from email.utils import formatdate
from pathlib import Path
from typing import Final

from voipsms.carriers.clickatell import field, state_of
from voipsms.carriers.port import NotCarried, Recipient
from voipsms.connectors.mail import is_address, word, write_mail
from voipsms.connectors.smtp import SmtpServer
from voipsms.errors import ConfigError, SubmitError, SubmitRefused
from voipsms.model import Delivery, Subject
from voipsms.settings import MailSettings

AT_ONCE: Final = 8  # mails under way, each on a connection of its own
FIRST, LONGEST = 60.0, 3600.0  # seconds between attempts: doubled up to the second
_NUMBER: Final = re.compile(r"[0-9]{1,20}", re.ASCII)
_ADDRESSED: Final = 7  # digits from which a number is shown with +, not as a short code
_QUOTABLE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,62}")  # in a quoted local part, RFC 5322 §3.4.1
_SPECIAL: Final = re.compile(r'(["\\])')
_MISSING: Final = "\n\n[A part of this text is missing.]"
_SUBJECTS: Final = {
    Subject.TEXT: "SMS from {source}",
    Subject.RECEIPT: "Your SMS to {target}: {state}",
    Subject.NOTICE: "Notice of the SMS gateway",
}


class MailCarrier:
    """`folder`: where relative paths start. Raises ConfigError where there is a server and no address to write from.

    Without a server every mail is given up at once: the operator sees it in `outbox list --failed`.
    """

    def __init__(self, settings: MailSettings, folder: Path) -> None:
        self._settings = settings
        self._server: SmtpServer | None = None
        self._domain = settings.sender.rpartition("@")[2]
        self._sending = asyncio.Semaphore(AT_ONCE)
        if not settings.server:
            return
        if not is_address(settings.sender):
            raise ConfigError("[mail] sender: must be an address such as gateway@example.com")
        if settings.reply and not _reply(settings.reply, "36301112233"):
            raise ConfigError("[mail] reply: must be an address such as sms+%s@example.com")
        self._server = SmtpServer(settings, folder)

    async def carry(self, delivery: Delivery, to: Recipient) -> str:
        if self._server is None:
            raise NotCarried("[mail] server: no mail can be sent without", lasting=True)
        recipient = delivery.address or to.reach.mail
        if not is_address(recipient):
            raise NotCarried("no mail address is set" if not recipient else "the mail address is none", lasting=True)
        try:
            mail = self._write(delivery, recipient)
            async with self._sending:
                return await self._server.deliver(self._settings.sender, [recipient], mail)
        except SubmitError as error:
            raise NotCarried(error.comment, lasting=isinstance(error, SubmitRefused)) from error

    def _write(self, delivery: Delivery, recipient: str) -> bytes:
        """Raises SubmitRefused. The Message-ID is that of the delivery, so that a repeat is known for one."""
        named = {"source": _shown(delivery.source), "target": _shown(delivery.target), "state": state_of(delivery)}
        subject = _SUBJECTS[delivery.subject].format(**named)
        headers = [
            ("From", self._from(delivery)), ("To", recipient),
            ("Subject", word(subject)), ("Date", formatdate(delivery.created / 1000)),
            ("Message-ID", f"<{delivery.id}@{self._domain}>"), _automatic(delivery),
            ("MIME-Version", "1.0"), ("Content-Type", "text/plain; charset=utf-8"),
        ]  # fmt: skip
        return write_mail(headers, _body(delivery))

    def _from(self, delivery: Delivery) -> str:
        address = self._settings.sender
        if delivery.subject is Subject.TEXT and _NUMBER.fullmatch(delivery.source):
            address = _reply(self._settings.reply, delivery.source) or address
        return f"{_phrase(_shown(delivery.source))} <{address}>"

    def pause(self, delivery: Delivery, to: Recipient) -> float | None:
        return min(FIRST * 2.0 ** min(delivery.attempt - 1, 10), LONGEST)

    async def close(self) -> None:
        if self._server is not None:
            await self._server.close()


def _reply(pattern: str, number: str) -> str:
    """`sms+%s@example.com` with the number in it; IceWarp's `sms:%s@…` needs quotes. Empty: it makes no address."""
    local, _, domain = pattern.rpartition("@")
    local = local.replace("%s", number)
    if is_address(f"{local}@{domain}"):
        return f"{local}@{domain}"
    return f'"{local}"@{domain}' if _QUOTABLE.fullmatch(local) and is_address(f"x@{domain}") else ""


def _automatic(delivery: Delivery) -> tuple[str, str]:
    """RFC 3834 §5. A text is a person's own; but who is away shall not answer it, since that would be an SMS."""
    if delivery.subject is Subject.TEXT:
        return "X-Auto-Response-Suppress", "OOF, AutoReply"
    return "Auto-Submitted", "auto-generated"


def _shown(number: str) -> str:
    return f"+{number}" if _NUMBER.fullmatch(number) and len(number) >= _ADDRESSED else number


def _phrase(name: str) -> str:
    """A display name, RFC 5322 §3.4: quoted, or as encoded words."""
    written = word(name)
    return '"' + _SPECIAL.sub(r"\\\1", name) + '"' if written == name else written


def _body(delivery: Delivery) -> str:
    text = delivery.text or field(delivery, "octets")
    return text + (_MISSING if field(delivery, "complete") == "no" else "")
