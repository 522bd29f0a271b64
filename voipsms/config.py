"""Every setting, one field a key. What exists in the Mizu document has its name, values and meaning from there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from voipsms.errors import ConfigError
from voipsms.gateway_settings import Fault, GatewaySettings, SmppSettings, is_gateway_key, key_names, read_gateway
from voipsms.ini import BadValue, example, read_ini, read_section, unknown_key
from voipsms.settings import (
    CallbackSettings,
    DatabaseSettings,
    GlobalSettings,
    HttpSettings,
    LogSettings,
    MailSettings,
    SipAccount,
    SipSettings,
)


@dataclass(frozen=True, slots=True)
class Config:
    folder: Path
    sms: GlobalSettings = field(default_factory=GlobalSettings)
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    sip: SipSettings = field(default_factory=SipSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    callback: CallbackSettings = field(default_factory=CallbackSettings)
    mail: MailSettings = field(default_factory=MailSettings)
    log: LogSettings = field(default_factory=LogSettings)
    gateways: tuple[GatewaySettings, ...] = ()
    accounts: Mapping[str, SipAccount] = field(default_factory=dict)  # by the names of their sections

    def path(self, name: str) -> Path:
        """A file named in the config; relative names start at the config's folder."""
        return self.folder / name


_SECTIONS = {
    "database": DatabaseSettings, "sip": SipSettings, "http": HttpSettings, "callback": CallbackSettings,
    "mail": MailSettings, "log": LogSettings,
}  # fmt: skip
_MEANINGS = {
    "global": "The gateway named `default`, from smsurl to the last smpp_ key, and what holds for every message.",
    "database": "Where everything is kept.",
    "sip": "The door for SIP MESSAGE.",
    "http": "The API, what providers send us, health and metrics.",
    "callback": "Texts that make calls: docs/callback.md.",
    "mail": "The SMTP server of mail gateways, and of texts that users get by mail.",
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
    accounts: dict[str, SipAccount] = {}
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
        elif section.startswith("sip:") and section[4:].strip():
            account = accounts[section[4:].strip()] = read_section(SipAccount, values, faults.of(section))
            if not (account.registrar and account.user):
                faults.add(section, "registrar", "must be set, and user too")
        else:
            faults.add(section, "section", unknown_key(section, [*_SECTIONS, "global"]).replace("key", "section"))
    _check_whole(found, gateways, faults)
    callback = found.get("callback", CallbackSettings())
    assert isinstance(callback, CallbackSettings)
    if callback.account and callback.account not in accounts:
        faults.add("callback", "account", f"there is no section [sip:{callback.account}]")
    faults.check()
    return Config(folder=folder, gateways=tuple(gateways), accounts=accounts, **found)  # type: ignore[arg-type]


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
    lines += [
        "# An extension of the softswitch that is ours: calls leave by it, and texts to it come in.",
        "#[sip:NAME]",
    ]
    lines += [f"#{line}" if line and not line.startswith("#") else line for line in example(SipAccount)] + [""]
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
