"""Every setting, one field a key. What exists in the Mizu document has its name, values and meaning from there."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from voipsms.errors import ConfigError
from voipsms.gateway_settings import Fault, GatewaySettings, SmppSettings, is_gateway_key, key_names, read_gateway
from voipsms.ini import BadValue, example, host_port, key, read_ini, read_section, unknown_key, words

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Listen:
    """Where a listener binds: transport `udp`, `tcp` or `tls`, host, port."""

    transport: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport}:{host}:{self.port}"


def _sip_listen(text: str) -> tuple[Listen, ...]:
    found = []
    for word in words(text):
        transport, _, rest = word.partition(":")
        if transport.lower() not in ("udp", "tcp", "tls"):
            raise BadValue("must be udp:host:port, tcp:host:port or tls:host:port, several by comma")
        found.append(Listen(transport.lower(), *host_port(rest)))
    return tuple(found)


def _http_listen(text: str) -> Listen:
    return Listen("tcp", *host_port(text))


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(word, strict=False) for word in words(text))
    except ValueError:
        raise BadValue("must be addresses or networks, such as 10.0.0.5, 10.1.0.0/16") from None


def _country(text: str) -> str:
    if text and not (len(text) == 2 and text.isascii() and text.isalpha()):
        raise BadValue("must be a two-letter country code such as HU, or empty")
    return text.upper()


MOST_ALERTS = 20
_ALERT = re.compile(r"mailto:[^@\s,<>\"]+@[\w.-]+|\+[0-9]{7,15}", re.ASCII)


def _is_hook(word: str) -> bool:
    try:
        url = urlsplit(word)
        return url.scheme.lower() in ("http", "https") and bool(url.hostname) and url.port != 0 and word.isprintable()
    except ValueError:
        return False


def _alerts(text: str) -> tuple[str, ...]:
    found = words(text)
    if len(found) > MOST_ALERTS or not all(
        word.isascii() and (_ALERT.fullmatch(word) or _is_hook(word)) for word in found
    ):
        raise BadValue(f"must be mailto:name@host, http(s)://host/… or +digits, up to {MOST_ALERTS} by comma")
    return found


def _lines(text: str) -> str:
    return text.replace("\\n", "\n")


def _database_url(text: str) -> str:
    try:
        url = urlsplit(text)
        whole = {"sqlite": not url.netloc, "mysql": bool(url.hostname and url.port != 0)}.get(url.scheme, False)
    except ValueError:  # brackets or a port that are none
        whole = False
    if not whole or not url.path[1:]:
        raise BadValue("must be sqlite:///FILE or mysql://user:password@host:3306/name")
    return text


def _digests(text: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(word.upper() for word in words(text)))
    if not found or not set(found) <= {"SHA-256", "MD5"}:
        raise BadValue("must be SHA-256, MD5, or both in the order in which they are offered")
    return found


@dataclass(frozen=True, slots=True)
class GlobalSettings:
    enablesms: bool = key(True, "The SMS module; false: no message is converted (404)")
    sendsmsmessages: int = key(
        1, "Convert SIP chat to SMS: 0 no, 1 to mobile numbers, 2 to all phone numbers, 3 to all destinations",
        least=0, most=3,
    )  # fmt: skip
    smsthread: int = key(
        1, "0: the sender's answer waits for the provider's; 1: it leaves as soon as the message is stored",
        least=0, most=1,
    )  # fmt: skip
    smstimeout: float = key(15.0, "How long smsthread=0 waits for the provider", unit="seconds", least=0.1, most=3600)
    smsrouting: int = key(
        -1, "Ways out: -1 routes where there are any, 0 the first gateway alone, 1 routes alone", least=-1, most=1
    )
    smsprice: Decimal = key(
        Decimal("0.05"), "Price of one message of smstime seconds where no packet has one", unit="currency", least=0
    )
    smstime: int = key(60, "Duration on the CDR of a message that a provider took", unit="seconds", least=1)
    smsbilling: str = key("message", "What a price is for: the whole message, or each of its parts",
                          choices=("message", "part"))  # fmt: skip
    smsrefund: bool = key(True, "Give the price back when a receipt says that the message was not delivered")
    currency: str = key("USD", "Currency of new accounts and of smsprice")
    country: str = key(
        "", "Country whose national numbers are understood, such as HU; empty: international numbers only",
        parse=_country,
    )  # fmt: skip
    usesmsprefixsp: bool = key(
        False, "Let the procedure v_dialplansms (on SQLite the query in v_dialplansms.sql) rewrite the target number"
    )
    smssignature: str = key("", "Text after every message; \\n: a new line", parse=_lines)
    smsadvprefix: str = key("", "Text in front of every message; \\n: a new line", parse=_lines)
    smsadv: bool = key(False, "Put an advertisement (tb_advertisement) in front of every message")
    smsadvvalue: Decimal = key(
        Decimal("0"), "Credit for the user for each advertisement, up to the message's price", unit="currency", least=0
    )
    lcr: bool = key(False, "Candidates in the order of what they cost for the number, instead of the routes' own")
    lcrshare: int = key(
        50, "With lcr, a gateway that has delivered less of the last hour's messages is held back; 0: none is",
        unit="percent", least=0, most=100,
    )  # fmt: skip
    lcrseconds: float = key(
        60.0, "With lcr, a gateway whose receipts of the last hour took longer on average is held back; 0: none is",
        unit="seconds", least=0, most=600,
    )  # fmt: skip
    lcrleast: int = key(20, "With lcr, fewer of the last hour's messages say nothing of a gateway", unit="messages",
                        least=1, most=1_000_000)  # fmt: skip
    allow_loss: bool = key(False, "Let messages go by gateways that cost more than their users pay")
    maxparts: int = key(10, "The longest text taken, in SMS parts", unit="parts", least=1, most=255)
    transliterate: bool = key(False, "Replace characters that would force UCS-2 by their nearest GSM 03.38 ones")
    smsexpire: int = key(
        7200,
        "A message is not sent after so long; one that was, and has no receipt by then, becomes UNKNOWN",
        unit="minutes",
        least=1,
    )
    alert: tuple[str, ...] = key(
        (), "Who hears of a gateway that goes or comes back: mailto:ops@example.com, https://… (JSON), +3620… by SMS",
        parse=_alerts, secret=True,
    )  # fmt: skip
    alert_after: float = key(
        30.0, "It must have gone, or be back, for so long; 0: tell at once", unit="seconds", least=0, most=86400
    )
    queue: int = key(
        20000, "Messages that may wait for a provider; above it new ones get 503", unit="messages", least=1
    )


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    url: str = key(
        "sqlite:///voipsms.db",
        "sqlite:///FILE (relative to this file's folder) or mysql://user:password@host:3306/name",
        parse=_database_url,
        secret=True,
    )
    lease: float = key(
        10.0, "Another process takes over what this one accepted when it has been silent so long", unit="seconds",
        least=2,
    )  # fmt: skip
    busy: float = key(2.0, "How long a commit waits for a lock before it is tried anew", unit="seconds", least=0.05)
    keep_text: int = key(
        0, "Texts of messages are blanked so long after they were accepted, once they are final; 0: never", unit="days",
        least=0,
    )  # fmt: skip
    keep_rows: int = key(
        0, "Messages and their receipts are deleted so long after, once they are final, their CDRs stay; 0: never",
        unit="days", least=0,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class SipSettings:
    listen: tuple[Listen, ...] = key(
        _sip_listen("udp:0.0.0.0:5060, tcp:0.0.0.0:5060"), "Listeners; tls:… needs tls_cert and tls_key",
        parse=_sip_listen,
    )  # fmt: skip
    trusted: tuple[Network, ...] = key(
        (), "Addresses and networks of the softswitch, whose P-Asserted-Identity or From is believed", parse=_networks
    )
    bill_to: str = key("", "User who pays for a trusted peer's senders that match no account; empty: they get 403")
    realm: str = key("voipsms", "Digest realm; passwords are stored for it, so set it before adding users")
    digest: tuple[str, ...] = key(
        ("SHA-256", "MD5"), "Digest algorithms offered, best first; MD5 alone for phones that stop at the other",
        parse=_digests,
    )  # fmt: skip
    tls_cert: str = key("", "PEM file with the certificate chain of the TLS listener")
    tls_key: str = key("", "PEM file with its private key")
    nonce: float = key(300.0, "A digest nonce is fresh for so long", unit="seconds", least=1)
    attempts: int = key(5, "Wrong credentials by an address for a user before 403", least=1)
    lockout: float = key(60.0, "How long that 403 lasts", unit="seconds", least=1)
    connections: int = key(1000, "TCP and TLS connections at once", least=1)
    connections_each: int = key(100, "TCP and TLS connections at once from one untrusted address", least=1)


@dataclass(frozen=True, slots=True)
class HttpSettings:
    listen: Listen = key(
        _http_listen("127.0.0.1:8080"), "Where /healthz, /readyz and /metrics are", parse=_http_listen,
        shown="127.0.0.1:8080",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class MailSettings:
    """The SMTP server that mail gateways (smsurl = mailto:…) hand their mail to."""

    server: str = key("", "Host of the SMTP server; empty: no mail can be sent")
    port: int = key(587, "Its port: 587 with starttls, 465 with ssl, 25 with none", least=1, most=65535)
    tls: str = key(
        "starttls", "How the connection is secured: not at all, after STARTTLS, from its first octet",
        choices=("none", "starttls", "ssl"),
    )  # fmt: skip
    ca: str = key("", "PEM file with the authorities that its certificate may come from; empty: the system's")
    verify_tls: bool = key(True, "Its certificate must be valid")
    user: str = key("", "Name for SMTP AUTH; empty: none")
    password: str = key("", "Its password", secret=True)
    sender: str = key("", "Address that mail is from: gateway@example.com")
    timeout: float = key(30.0, "Each answer of the server is waited for so long", unit="seconds", least=0.1)


@dataclass(frozen=True, slots=True)
class LogSettings:
    level: str = key("info", "debug shows every SIP message, PDU and HTTP exchange",
                     choices=("debug", "info", "warning", "error"))  # fmt: skip
    format: str = key("text", "Lines to read, or JSON objects", choices=("text", "json"))
    file: str = key("", "Log file; empty: standard error")
    mask: bool = key(True, "Message texts and the middle digits of numbers are replaced by * in the log")


@dataclass(frozen=True, slots=True)
class Config:
    folder: Path
    sms: GlobalSettings = GlobalSettings()
    database: DatabaseSettings = DatabaseSettings()
    sip: SipSettings = SipSettings()
    http: HttpSettings = HttpSettings()
    mail: MailSettings = MailSettings()
    log: LogSettings = LogSettings()
    gateways: tuple[GatewaySettings, ...] = ()

    def path(self, name: str) -> Path:
        """A file named in the config; relative names start at the config's folder."""
        return self.folder / name


_SECTIONS = {
    "database": DatabaseSettings, "sip": SipSettings, "http": HttpSettings, "mail": MailSettings, "log": LogSettings,
}  # fmt: skip
_MEANINGS = {
    "global": "The gateway named `default`, from smsurl to the last smpp_ key, and what holds for every message.",
    "database": "Where everything is kept.",
    "sip": "The door for SIP MESSAGE.",
    "http": "Health and metrics.",
    "mail": "The SMTP server of mail gateways.",
    "log": "What is logged, and where.",
}


class _Faults:
    """Gathers what is wrong, so that an operator sees all of it at once."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.lines: list[str] = []

    def add(self, section: str, name: str, right: str) -> None:
        self.lines.append(f"{self.file}: [{section}] {name}: {right}")

    def of(self, section: str) -> Fault:
        return partial(self.add, section)

    def check(self) -> None:
        if self.lines:
            raise ConfigError("\n".join(self.lines))


def _is_one(gateway: GatewaySettings) -> bool:
    return bool(gateway.smsurl or gateway.smpp.server or gateway.plugin)


def _read_global(
    values: dict[str, str], faults: _Faults, folder: Path
) -> tuple[GlobalSettings, GatewaySettings | None]:
    gateway = {name: text for name, text in values.items() if is_gateway_key(name)}
    sms = {name: text for name, text in values.items() if name not in gateway}
    for name in sms.keys() - key_names(GlobalSettings):
        faults.add("global", name, unknown_key(name, key_names(GlobalSettings) | key_names(GatewaySettings)))
        del sms[name]
    settings = read_section(GlobalSettings, sms, faults.of("global"))
    default = read_gateway("default", gateway, faults.of("global"), folder)
    return settings, default if _is_one(default) else None


def _parse(file: Path, text: str) -> dict[str, dict[str, str]]:
    try:
        return read_ini(text)
    except BadValue as error:
        raise ConfigError("\n".join(f"{file}: {line}" for line in str(error).splitlines())) from None


def parse(text: str, file: Path) -> Config:
    """The settings in `text`; `file` is what faults name and whose folder relative paths start at.

    Raises ConfigError with one line per fault.
    """
    sections, faults, folder = _parse(file, text), _Faults(file), file.resolve().parent
    gateways: list[GatewaySettings] = []
    found: dict[str, object] = {}
    for section, values in sections.items():
        if section == "global":
            found["sms"], default = _read_global(values, faults, folder)
            gateways += [default] if default else []
        elif section in _SECTIONS:
            found[section] = read_section(_SECTIONS[section], values, faults.of(section))
        elif section.startswith("gateway:") and section[8:].strip():
            gateway = read_gateway(section[8:].strip(), values, faults.of(section), folder)
            if not _is_one(gateway):
                faults.add(section, "smsurl", "must be set")
            gateways.append(gateway)
        else:
            faults.add(section, "section", unknown_key(section, [*_SECTIONS, "global"]).replace("key", "section"))
    _check_whole(found, gateways, faults)
    faults.check()
    return Config(folder=folder, gateways=tuple(gateways), **found)  # type: ignore[arg-type]


def _check_whole(found: dict[str, object], gateways: list[GatewaySettings], faults: _Faults) -> None:
    """What no single key can tell."""
    sip = found.get("sip")
    if isinstance(sip, SipSettings) and any(at.transport == "tls" for at in sip.listen):
        for name in ("tls_cert", "tls_key"):
            if not getattr(sip, name):
                faults.add("sip", name, "must name a PEM file, since listen has tls:…")
    sms, mail = found.get("sms", GlobalSettings()), found.get("mail", MailSettings())
    assert isinstance(sms, GlobalSettings)
    assert isinstance(mail, MailSettings)
    if any(target.startswith("mailto:") for target in sms.alert) and not (mail.server and "@" in mail.sender):
        faults.add("mail", "server", "must be set, and sender too, since [global] alert sends mail")
    names = [gateway.name for gateway in gateways]
    for name in {name for name in names if names.count(name) > 1}:
        faults.add(f"gateway:{name}", "section", "must be named otherwise: this name is taken")


def load(file: Path) -> Config:
    """Reads the config file. Raises ConfigError."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{file}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: must be UTF-8 text (byte {error.start} is not)") from error
    return parse(text, file)


def example_file() -> str:
    """config.ini.example: every key with its default, unit and meaning."""
    lines = ["# Every setting of voipsms with its default. Made by `make config.ini.example`;"]
    lines += ["# `voipsms check` tells what is wrong with yours.", ""]
    gateway = [*example(GatewaySettings), *example(SmppSettings, "smpp_")]
    lines += [f"# {_MEANINGS['global']}", "[global]", *gateway, "", *example(GlobalSettings), ""]
    for section, kind in _SECTIONS.items():
        lines += [f"# {_MEANINGS[section]}", f"[{section}]", *example(kind), ""]
    lines += ["# One more way out, with the keys that come first in [global], from smsurl to the last smpp_ one."]
    lines += ["#[gateway:NAME]", "#smsurl =", ""]
    return "\n".join(lines)


def mysql_parameters(url: str) -> dict[str, object]:
    """`mysql://user:password@host:port/name` → host, port, user, password, database."""
    parts = urlsplit(url)
    return {
        "host": parts.hostname or "127.0.0.1",
        "port": parts.port or 3306,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "database": unquote(parts.path[1:]),
    }
