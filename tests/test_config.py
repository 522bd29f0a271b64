"""config.ini → settings, and the words for what is wrong with one."""

import configparser
import ipaddress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipsms import gateway_settings, settings
from voipsms.config import Config, example_file, load, mysql_parameters, parse
from voipsms.errors import ConfigError
from voipsms.settings import Listen

FILE = Path("/etc/voipsms/config.ini")
KINDS = {
    "global": settings.GlobalSettings,
    "database": settings.DatabaseSettings,
    "sip": settings.SipSettings,
    "http": settings.HttpSettings,
    "callback": settings.CallbackSettings,
    "log": settings.LogSettings,
}


def faults(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, FILE)
    return str(caught.value).splitlines()


def at(settings: Config, path: str) -> Any:
    """`sms.smsprice`, `gateway.smpp.window` (the first gateway)."""
    value: Any = settings
    for name in path.split("."):
        value = value.gateways[0] if name == "gateway" else getattr(value, name)
    return value


# -- values -------------------------------------------------------------------------------------------------------

SMPP = "[global]\nsmsurl = SMPP;server=smsc.example;"

VALUES: dict[str, tuple[str, str, Any]] = {
    "decimal": ("[global]\nsmsprice = 0.005", "sms.smsprice", Decimal("0.005")),
    "six decimal places": ("[global]\nsmsprice = 1.0000010", "sms.smsprice", Decimal("1.000001")),
    "boolean 0": ("[global]\nsmsrefund = 0", "sms.smsrefund", False),
    "boolean Yes": ("[global]\ntransliterate = Yes", "sms.transliterate", True),
    "key in any case": ("[global]\nSmsPrice = 2", "sms.smsprice", Decimal(2)),
    "country in any case": ("[global]\ncountry = hu", "sms.country", "HU"),
    "empty country": ("[global]\ncountry =", "sms.country", ""),
    "byte order mark, spaces": ("[global]\n  \nsmstime   =   30  ", "sms.smstime", 30),
    "choice in any case": ("[log]\nlevel = DEBUG", "log.level", "debug"),
    "sip listeners": (
        "[sip]\nlisten = UDP:0.0.0.0:5070, tcp:[::1]:5070",
        "sip.listen",
        (Listen("udp", "0.0.0.0", 5070), Listen("tcp", "::1", 5070)),
    ),
    "trusted": (
        "[sip]\ntrusted = 10.0.0.5, 10.1.2.3/16, ::1,",
        "sip.trusted",
        tuple(ipaddress.ip_network(net) for net in ("10.0.0.5/32", "10.1.0.0/16", "::1/128")),
    ),
    "http listener": ("[http]\nlisten = localhost:0", "http.listen", Listen("tcp", "localhost", 0)),
    "semicolon, hash and percent": (
        "[global]\nsmsurl = http://p.example/?m=%20[message];x#y ; z",
        "gateway.smsurl",
        "http://p.example/?m=%20[message];x#y ; z",
    ),
    "equals in a value": ("[global]\nsmsurl = https://p.example/?a=b", "gateway.smsurl", "https://p.example/?a=b"),
    "whole-line comments": ("[global]\n# smstime = 1\n; smstime = 2\nsmstime = 3", "sms.smstime", 3),
    "smpp url": (SMPP + "serverport=2776", "gateway.smpp.serverport", 2776),
    "smpp url in any case": ("[global]\nSMSURL = smpp;Server=a;ServerPort=1", "gateway.smpp.serverport", 1),
    "smpp url, spaces": ("[global]\nsmsurl = SMPP ; server = a ; window = 7 ;", "gateway.smpp.window", 7),
    "smpp url, Mizu's spelling": (SMPP + "SourceTON=5", "gateway.smpp.sourceton", 5),
    "smpp url, key of the gateway": (SMPP + "tps=12.5", "gateway.tps", 12.5),
    "smpp url, timeout of the session": (SMPP + "timeout=9", "gateway.smpp.timeout", 9.0),
    "smpp url, equals in password": (SMPP + "password=a=b%1#", "gateway.smpp.password", "a=b%1#"),
    "smpp_ key": ("[global]\nsmpp_server = b\nsmpp_sourcenpi = 9", "gateway.smpp.sourcenpi", 9),
    "smpp_ key in any case": ("[global]\nSMPP_Server = b", "gateway.smpp.server", "b"),
    "smpp version": (SMPP + "version=50", "gateway.smpp.version", 50),
    "the url wins": (SMPP + "Window=5\nsmpp_window = 6", "gateway.smpp.window", 5),
    "default gateway": (SMPP, "gateway.name", "default"),
    "named gateway": ("[gateway: two ]\nsmsurl = http://b.example", "gateway.name", "two"),
    "no gateway": ("[global]\nsmstime = 1", "gateways", ()),
    "sqlite": ("[database]\nurl = sqlite:////var/lib/a.db", "database.url", "sqlite:////var/lib/a.db"),
    "mysql": ("[database]\nurl = mysql://u:p%40@db/name", "database.url", "mysql://u:p%40@db/name"),
    "folder": ("", "folder", FILE.parent),
}


@pytest.mark.parametrize("text, path, value", VALUES.values(), ids=VALUES)
def test_value(text: str, path: str, value: Any) -> None:
    assert at(parse(text, FILE), path) == value


# -- faults -------------------------------------------------------------------------------------------------------

WHOLE = "must be a whole number, not "
LISTENER = "must be host:port, an IPv6 host in brackets, not "
DATABASE = "must be sqlite:///FILE or mysql://user:password@host:3306/name"

FAULTS: dict[str, tuple[str, str]] = {
    "unknown key": ("[global]\nsmsprise = 1", "[global] smsprise: unknown key; did you mean 'smsprice'?"),
    "unknown key, nothing near": ("[log]\nqqqq = 1", "[log] qqqq: unknown key"),
    "unknown smpp_ key": (
        "[global]\nsmpp_servr = a",
        "[global] smpp_servr: unknown key; did you mean 'server'?",
    ),
    "unknown key in smpp url": (SMPP + "widnow=1", "[global] smpp_widnow: unknown key; did you mean 'window'?"),
    "unknown section": ("[databse]\nurl = x", "[databse] section: unknown section; did you mean 'database'?"),
    "gateway without a name": ("[gateway:]\nsmsurl = http://a", "[gateway:] section: unknown section"),
    "no section for all": ("[DEFAULT]\nlevel = debug", "[DEFAULT] section: unknown section"),
    "calls by no account": (
        "[sip:one]\nregistrar = sip:pbx\nuser = 7\n[callback]\naccount = two",
        "[callback] account: there is no section [sip:two]",
    ),
    "gateway without a way": ("[gateway:a]\ntps = 1", "[gateway:a] smsurl: must be set"),
    "gateway's inner field": (
        "[gateway:a]\nsmsurl = http://a\nname = b",
        "[gateway:a] name: unknown key",
    ),
    "two of a name": (
        "[global]\nsmsurl = http://a\n[gateway:default]\nsmsurl = http://b",
        "[gateway:default] section: must be named otherwise: this name is taken",
    ),
    "boolean": ("[global]\nenablesms = maybe", "[global] enablesms: must be true or false, not 'maybe'"),
    "integer": ("[global]\nsmstime = 1m", f"[global] smstime: {WHOLE}'1m'"),
    "integer empty": ("[global]\nsmstime =", f"[global] smstime: {WHOLE}''"),
    "too small": ("[global]\nsmstime = 0", "[global] smstime: must be at least 1, not '0'"),
    "out of range": (
        "[global]\nsendsmsmessages = 4",
        "[global] sendsmsmessages: must be at least 0 and at most 3, not '4'",
    ),
    "real": ("[global]\nsmstimeout = soon", "[global] smstimeout: must be a number, not 'soon'"),
    "real not finite": ("[global]\nsmstimeout = nan", "[global] smstimeout: must be a finite number, not 'nan'"),
    "decimal": ("[global]\nsmsprice = 0,05", "[global] smsprice: must be a decimal number such as 0.05, not '0,05'"),
    "decimal too fine": (
        "[global]\nsmsprice = 0.0000001",
        "[global] smsprice: must have six decimal places at the most, not '0.0000001'",
    ),
    "decimal too large": (
        "[global]\nsmsprice = 1e40",
        "[global] smsprice: must be less than 1000000000000, not '1e40'",
    ),
    "decimal not finite": ("[global]\nsmsprice = inf", "[global] smsprice: must be a finite number, not 'inf'"),
    "negative price": ("[global]\nsmsprice = -1", "[global] smsprice: must be at least 0, not '-1'"),
    "country": (
        "[global]\ncountry = Hungary",
        "[global] country: must be a two-letter country code such as HU, or empty, not 'Hungary'",
    ),
    "digest": (
        "[sip]\ndigest = SHA-512",
        "[sip] digest: must be SHA-256, MD5, or both in the order in which they are offered, not 'SHA-512'",
    ),
    "choice": ("[log]\nformat = xml", "[log] format: must be one of text, json, not 'xml'"),
    "smpp version": (SMPP + "version=35", "[global] smpp_version: must be one of 33, 34, 50, not '35'"),
    "transport": (
        "[sip]\nlisten = ws:0.0.0.0:1",
        "[sip] listen: must be udp:host:port, tcp:host:port or tls:host:port, several by comma, not 'ws:0.0.0.0:1'",
    ),
    "listener without port": ("[sip]\nlisten = udp:0.0.0.0", f"[sip] listen: {LISTENER}'udp:0.0.0.0'"),
    "port out of range": ("[http]\nlisten = a:65536", f"[http] listen: {LISTENER}'a:65536'"),
    "endless port": ("[http]\nlisten = a:" + "1" * 5000, f"[http] listen: {LISTENER}'a:{'1' * 5000}'"),
    "bare IPv6 host": ("[http]\nlisten = ::1:80", f"[http] listen: {LISTENER}'::1:80'"),
    "no host": ("[http]\nlisten = :80", f"[http] listen: {LISTENER}':80'"),
    "tls without files": (
        "[sip]\nlisten = tls:0.0.0.0:5061\ntls_cert = a.pem",
        "[sip] tls_key: must name a PEM file, since listen has tls:…",
    ),
    "trusted": (
        "[sip]\ntrusted = pbx",
        "[sip] trusted: must be addresses or networks, such as 10.0.0.5, 10.1.0.0/16, not 'pbx'",
    ),
    "smsurl of another kind": (
        "[global]\nsmsurl = ftp://a",
        "[global] smsurl: must be http(s)://…, SMPP;key=value;…, sip:…, mailto:…, null:… or the path of a program",
    ),
    "smsurl nearly SMPP": (
        "[global]\nsmsurl = SMPPS;server=a",
        "[global] smsurl: must be http(s)://…, SMPP;key=value;…, sip:…, mailto:…, null:… or the path of a program",
    ),
    "smpp url without value": (
        SMPP + "window",
        "[global] smsurl: must be key=value;…, and piece 2 has no value",
    ),
    "smpp url without server": (
        "[global]\nsmsurl = SMPP;window=1",
        "[global] smsurl: must name the SMSC: SMPP;server=…",
    ),
    "database of another kind": ("[database]\nurl = postgres://a/b", f"[database] url: {DATABASE}"),
    "sqlite with a host": ("[database]\nurl = sqlite://voipsms.db", f"[database] url: {DATABASE}"),
    "sqlite without a file": ("[database]\nurl = sqlite:///", f"[database] url: {DATABASE}"),
    "mysql without a name": ("[database]\nurl = mysql://u:p@h/", f"[database] url: {DATABASE}"),
    "mysql port": ("[database]\nurl = mysql://u:p@h:99999/n", f"[database] url: {DATABASE}"),
    "mysql brackets": ("[database]\nurl = mysql://u:p@[h/n", f"[database] url: {DATABASE}"),
}  # fmt: skip


@pytest.mark.parametrize("text, line", FAULTS.values(), ids=FAULTS)
def test_fault(text: str, line: str) -> None:
    assert faults(text) == [f"{FILE}: {line}"]


NOT_INI: dict[str, tuple[str, list[str]]] = {
    "no section": ("smstime = 1\n", ["line 1: must come after a [section]"]),
    "no value": ("[log]\nlevel\n[sip]\nrealm\n", ["line 2: must be key = value", "line 4: must be key = value"]),
    "section twice": ("[log]\n[sip]\n[log]\n", ["[log] section: stands twice (line 3)"]),
    "key twice": ("[log]\nlevel = debug\nLEVEL = info\n", ["[log] level: stands twice (line 3)"]),
}


@pytest.mark.parametrize("text, lines", NOT_INI.values(), ids=NOT_INI)
def test_not_ini(text: str, lines: list[str]) -> None:
    assert faults(text) == [f"{FILE}: {line}" for line in lines]


def test_several_faults_at_once() -> None:
    text = "[global]\nsmstime = x\nsmsprise = 1\n[sip]\ntrusted = pbx\n[gateway:a]\ntps = -1\n"
    keys = {line.split(": ")[1] for line in faults(text)}
    assert keys == {
        "[gateway:a] smsurl", "[gateway:a] tps", "[global] smsprise", "[global] smstime", "[sip] trusted",
    }  # fmt: skip


SECRETS = {
    "password in a database url": "[database]\nurl = mysql://u:hunter2@h:port/n",
    "smsurl without scheme": "[global]\nsmsurl = p.example/send?password=hunter2",
    "rest of a password with a semicolon": SMPP + "password=a;hunter2",
    "key without equals": "[global]\nsmsurl: http://u:hunter2@a",
    "before any section": "password = hunter2",
}


@pytest.mark.parametrize("text", SECRETS.values(), ids=SECRETS)
def test_faults_keep_secrets(text: str) -> None:
    assert "hunter2" not in "\n".join(faults(text))


def test_repr_keeps_secrets() -> None:
    text = (
        SMPP
        + "password=hunter2\nsmssendheader = Key: hunter2\nsmssenddata = hunter2\n[database]\nurl = mysql://u:hunter2@h/n"
    )
    assert "hunter2" not in repr(parse(text, FILE))


def told(text: str) -> str:
    """What parse() says of it; empty: nothing is wrong."""
    try:
        parse(text, FILE)
    except ConfigError as error:
        return str(error)
    return ""


@given(st.text(max_size=200))
def test_any_text_is_settings_or_config_error(text: str) -> None:
    assert all(line.startswith(f"{FILE}: ") for line in told(text).splitlines()[:1])


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc", "Z"]), max_size=30))
def test_any_value_is_taken_or_config_error(value: str) -> None:
    for section, kind in KINDS.items():
        for name in gateway_settings.key_names(kind):
            words = told(f"[{section}]\n{name} = {value}")
            assert not words or words.startswith(f"{FILE}: [{section}] ")


# -- files --------------------------------------------------------------------------------------------------------

UNREADABLE: dict[str, tuple[bytes | None, str]] = {
    "missing": (None, "can't be read: No such file or directory"),
    "not UTF-8": (b"[log]\nlevel = \xff", "must be UTF-8 text (byte 14 is not)"),
    "UTF-16": ("[log]".encode("utf-16"), "must be UTF-8 text (byte 0 is not)"),
}


@pytest.mark.parametrize("content, words", UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable(content: bytes | None, words: str, tmp_path: Path) -> None:
    file = tmp_path / "config.ini"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert str(caught.value) == f"{file}: {words}"


def test_load(tmp_path: Path) -> None:
    file = tmp_path / "config.ini"
    file.write_text("\ufeff[log]\nfile = gateway.log\n", encoding="utf-8")
    settings = load(file)
    assert settings.path(settings.log.file) == tmp_path / "gateway.log"
    assert settings.path("/var/log/a") == Path("/var/log/a")


# -- the sample file ----------------------------------------------------------------------------------------------


def sample() -> configparser.ConfigParser:
    """The sample with every setting's comment sign taken away."""
    lines = [line[1:] if line.startswith("#") and line[1:2] != " " else line for line in example_file().splitlines()]
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    parser.read_string("\n".join(lines))
    return parser


@pytest.mark.parametrize("section", KINDS)
def test_sample_has_every_key(section: str) -> None:
    assert gateway_settings.key_names(KINDS[section]) <= set(sample()[section])


def test_sample_has_every_key_of_a_gateway() -> None:
    smpp = {f"smpp_{name}" for name in gateway_settings.key_names(gateway_settings.SmppSettings)}
    assert gateway_settings.key_names(gateway_settings.GatewaySettings) | smpp <= set(sample()["global"])
    assert set(sample()["gateway:NAME"]) == {"smsurl"}
    assert set(sample()["sip:NAME"]) == gateway_settings.key_names(settings.SipAccount)


def test_sample_gives_the_defaults() -> None:
    bare = parse(example_file(), FILE)
    assert bare == Config(folder=FILE.parent)
    shown = sample()
    shown.remove_section("gateway:NAME")
    shown.remove_section("sip:NAME")
    text = "\n".join(
        f"[{name}]\n" + "\n".join(f"{k} = {v}" for k, v in shown[name].items()) for name in shown.sections()
    )
    assert parse(text, FILE) == bare


# -- database addresses -------------------------------------------------------------------------------------------

ADDRESSES: dict[str, tuple[str, dict[str, object]]] = {
    "whole": ("mysql://u:p@h:1/n", {"host": "h", "port": 1, "user": "u", "password": "p", "database": "n"}),
    "defaults": ("mysql://h/n", {"host": "h", "port": 3306, "user": "", "password": "", "database": "n"}),
    "escaped": (
        "mysql://u%40x:p%2F%3A@[::1]:2/n%20m",
        {"host": "::1", "port": 2, "user": "u@x", "password": "p/:", "database": "n m"},
    ),
}


@pytest.mark.parametrize("url, parameters", ADDRESSES.values(), ids=ADDRESSES)
def test_mysql_parameters(url: str, parameters: dict[str, object]) -> None:
    assert mysql_parameters(url) == parameters
