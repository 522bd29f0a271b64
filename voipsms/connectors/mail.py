"""A provider reached by mail: `smsurl = mailto:[tonum]@sms.example.com?subject=…`, the text as smssenddata has it.

Mail is written here octet by octet: the standard library's headers read what looks like an encoded word in a value.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.header import Header
from email.utils import formatdate
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from voipsms.connectors.escapes import Unwritable
from voipsms.connectors.header_lines import read_header_lines
from voipsms.connectors.pieces import Literal
from voipsms.connectors.places import Line
from voipsms.connectors.port import Selector
from voipsms.connectors.reachable import Reachable, selects_of
from voipsms.connectors.smtp import SmtpServer
from voipsms.connectors.template import Template, compile_value
from voipsms.errors import ConfigError, RefusedHere, SubmitRefused
from voipsms.gateway_settings import GatewaySettings
from voipsms.log import LogMethod
from voipsms.model import GatewayId, Message, State, Submitted
from voipsms.settings import MailSettings

LONGEST_LINE: Final = 998  # octets, RFC 5322 §2.1.1
_OURS: Final = frozenset({
    "to", "cc", "bcc", "subject", "date", "message-id", "mime-version", "content-type", "content-transfer-encoding",
    "sender", "return-path", "auto-submitted",
})  # fmt: skip
_FIELDS: Final = frozenset({"to", "cc", "bcc", "subject", "body"})  # of a mailto URL, RFC 6068 §2
_LOCAL: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")  # RFC 5322 §3.2.3
_DOMAIN: Final = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*|\[[0-9A-Fa-f.:]+\]")
_PLAIN: Final = re.compile(r"[\t\n\x20-\x7e]*")
_FOLDED: Final = re.compile(r"(?:[\t\x20-\x7e]|\r\n[ \t](?=[\x21-\x7e]))*")
_PRINTABLE: Final = re.compile(r"[\x20-\x7e]*")


@dataclass(frozen=True, slots=True)
class _Decoded(Line):
    """One line in a mailto URL, whose literals are written in percent encoding."""

    def after(self, piece: Literal) -> tuple[str, Line]:
        return Line.after(self, Literal(unquote(piece.text), piece.at))


@dataclass(frozen=True, slots=True)
class Recipient:
    """`local` makes what stands before the @."""

    local: Template
    domain: str

    def address(self, named: dict[str, str]) -> str:
        """Raises SubmitRefused."""
        local = self.local(named)
        if not _LOCAL.fullmatch(local) or len(local) > 64:
            raise SubmitRefused("the recipient's number can't stand before the @ of a mail address")
        return f"{local}@{self.domain}"


class MailTemplate:
    """smsurl, smssenddata and smssendheader of a mail gateway. Raises ConfigError."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._section, self._dialect = settings.section, settings.smsdialect
        path, _, query = settings.smsurl.partition(":")[2].partition("?")
        found = {"to": [path] if path else [], "cc": [], "bcc": [], "subject": [], "body": []}
        for name, value in (piece.partition("=")[::2] for piece in query.split("&") if piece):
            if name.lower() not in _FIELDS:
                raise self._wrong(f"{name} is not one of {', '.join(sorted(_FIELDS))}")
            found[name.lower()].append(value)
        self.recipients = {kind: self._recipients(found[kind]) for kind in ("to", "cc", "bcc")}
        if not self.recipients["to"]:
            raise self._wrong("must be mailto:[tonum]@host")
        self.subject = self._line("".join(found["subject"][:1]))
        body = settings.smssenddata or unquote("".join(found["body"][:1])) or "[message]"
        self.body = compile_value(self._section, "smssenddata", body, dialect=self._dialect)
        self.headers = read_header_lines(settings, _OURS)
        locals_ = [recipient.local for kind in self.recipients.values() for recipient in kind]
        self.selects = selects_of(self.subject, self.body, *locals_, *(template for _, template in self.headers))

    def _wrong(self, right: str) -> ConfigError:
        return ConfigError(f"[{self._section}] smsurl: {right}")

    def _line(self, text: str) -> Template:
        return compile_value(self._section, "smsurl", text, _Decoded(), dialect=self._dialect)

    def _recipients(self, texts: Sequence[str]) -> tuple[Recipient, ...]:
        found = []
        for text in (piece for listed in texts for piece in listed.split(",") if piece):
            local, at, domain = text.rpartition("@")
            if not at or not local or not _DOMAIN.fullmatch(domain):
                raise self._wrong("must be mailto:[tonum]@host, several by comma, without values behind the @")
            found.append(Recipient(self._line(local), domain))
        return tuple(found)


def is_address(text: str) -> bool:
    """Of RFC 5321 §4.1.2, without quotes, comments and characters beyond ASCII."""
    local, _, domain = text.rpartition("@")
    return bool(len(text) <= 254 and len(local) <= 64 and _LOCAL.fullmatch(local) and _DOMAIN.fullmatch(domain))


def word(value: str) -> str:
    """A header's value in ASCII, whatever it is: RFC 2047 where it must be, folded."""
    value = value.encode("utf-8", "replace").decode()
    if _PRINTABLE.fullmatch(value) and "=?" not in value and len(value) < LONGEST_LINE - 30:
        return value
    return Header(value, "utf-8", header_name="Subject").encode(linesep="\r\n")


def write_mail(headers: Sequence[tuple[str, str]], text: str) -> bytes:
    """RFC 5322 with one text in UTF-8: 7bit where it is ASCII of short lines, else base64. Header values must be
    ASCII already. Raises SubmitRefused where a header has a line that would be another header, or is too long."""
    text = text.encode("utf-8", "replace").decode().replace("\r\n", "\n")
    plain = _PLAIN.fullmatch(text) and all(len(line) <= LONGEST_LINE for line in text.split("\n"))
    if plain:
        coding, body = "7bit", text.replace("\n", "\r\n").encode() + b"\r\n"
    else:
        coding, body = "base64", base64.encodebytes(text.encode()).replace(b"\n", b"\r\n")
    fields = [*headers, ("Content-Transfer-Encoding", coding)]
    if not all(_FOLDED.fullmatch(value) for _, value in fields):
        raise SubmitRefused("a header can't hold it")
    lines = "\r\n".join(f"{name}: {value}" for name, value in fields)
    if any(len(line) > LONGEST_LINE for line in lines.split("\r\n")):
        raise SubmitRefused("a header would be too long")
    return lines.encode("ascii") + b"\r\n\r\n" + body


@dataclass(frozen=True, slots=True)
class Mail:
    recipients: tuple[str, ...]
    message_id: str
    octets: bytes


class MailConnector(Reachable):
    """Raises ConfigError where smsurl, a template or `[mail]` can't be used. `folder`: where relative paths start."""

    def __init__(
        self,
        gateway_id: GatewayId,
        settings: GatewaySettings,
        wake: Callable[[], None],
        folder: Path,
        mail: MailSettings,
        *,
        selector: Selector | None = None,
        trace: LogMethod | None = None,
        mask: bool = True,
    ) -> None:
        super().__init__(gateway_id, settings, wake, selector=selector, trace=trace, mask=mask)
        self._template = MailTemplate(settings)
        self._selects = self._template.selects
        if not mail.server:
            raise ConfigError(f"[mail] server: must be set, since gateway {settings.name} sends mail")
        self._domain = mail.sender.rpartition("@")[2]
        if not is_address(mail.sender):
            raise ConfigError("[mail] sender: must be an address such as gateway@example.com")
        self._sender = mail.sender
        self._server = SmtpServer(mail, folder)

    async def _send(self, message: Message, named: dict[str, str]) -> Submitted:
        if message.octets:
            raise RefusedHere("mail takes texts alone")
        mail = self._write(named, time.time())
        answer = await self._server.deliver(self._sender, mail.recipients, mail.octets)
        return Submitted(mail.message_id, State.ACCEPTED, answer)

    def _write(self, named: dict[str, str], now: float) -> Mail:
        """Raises SubmitRefused."""
        try:
            to, cc, bcc = (
                [recipient.address(named) for recipient in self._template.recipients[kind]]
                for kind in ("to", "cc", "bcc")
            )
            subject, text = self._template.subject(named), self._template.body(named)
            further = [(name, template(named)) for name, template in self._template.headers]
        except Unwritable as error:
            raise SubmitRefused(f"no mail can be made of it: {error}") from error
        message_id = f"{named['smsid']}.{self.gateway_id}@{self._domain}"  # a repeat is known as one
        sender = [] if any(name.lower() == "from" for name, _ in further) else [("From", self._sender)]
        copies = [("Cc", ", ".join(cc))] if cc else []
        headers = [
            *sender, ("To", ", ".join(to)), *copies, ("Subject", word(subject)), ("Date", formatdate(now)),
            ("Message-ID", f"<{message_id}>"), ("Auto-Submitted", "auto-generated"),  # RFC 3834 §5
            *further, ("MIME-Version", "1.0"), ("Content-Type", "text/plain; charset=utf-8"),
        ]  # fmt: skip
        return Mail((*to, *cc, *bcc), message_id, write_mail(headers, text))

    async def probe(self) -> None:
        await self._server.greet()

    def _show(self, named: dict[str, str]) -> Sequence[str]:
        mail = self._write(named, time.time())
        envelope = [f"MAIL FROM:<{self._sender}>", *(f"RCPT TO:<{recipient}>" for recipient in mail.recipients)]
        return [*envelope, *mail.octets.decode().removesuffix("\r\n").split("\r\n")]

    async def close(self) -> None:
        await self._server.close()
