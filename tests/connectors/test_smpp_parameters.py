"""Every SMPP parameter of the Mizu document (seeds/002), in every place where it may stand, in whatever case."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from voipsms.config import parse
from voipsms.errors import ConfigError
from voipsms.gateway_settings import GatewaySettings, key_names
from voipsms.ini import key_name

FILE = Path("/etc/voipsms/config.ini")
PEM = "MIIBszCCAVmgAwIBAgIUQ2hlcnJ5"  # base64, as an operator would paste it

# name as the document spells it: text, value
MIZU: dict[str, tuple[str, Any]] = {
    "server": ("55.66.77.88", "55.66.77.88"),
    "username": ("smppuser", "smppuser"),
    "password": ("x=x", "x=x"),
    "serverport": ("2785", 2785),
    "version": ("50", 50),
    "secure": ("1", True),
    "systemtype": ("NSMS", "NSMS"),
    "servicetype": ("CMT", 1),
    "msgpriority": ("3", 3),
    "msgexpire": ("000003000000000R", "000003000000000R"),
    "timeout": ("30", 30.0),
    "recipients": ("+36301234567, [TONUM],36207654321", ("36301234567", "[tonum]", "36207654321")),
    "recipienttype": ("1", 1),
    "isdata": ("1", True),
    "SenderAddress": ("Company", "Company"),
    "SourceTON": ("5", 5),
    "SourceNPI": ("18", 18),
    "DestinationTON": ("2", 2),
    "DestinationNPI": ("8", 8),
    "DataCoding": ("8", 8),
    "HexString": ("0xDEADbeef", "deadbeef"),
    "InBufferSize": ("65536", 65536),
    "OutBufferSize": ("4096", 4096),
    "AbsoluteTimeout": ("true", True),
    "sslaccept": ("any", "ANY"),
    "sslencodig": (PEM, PEM),
    "sslcertstore": ("client.pfx", "client.pfx"),
    "sslpwd": ("secret", "secret"),
    "sslstoretype": ("2", 2),
    "sslsubject": ("CN=client, O=Example", "CN=client, O=Example"),
}
OURS: dict[str, tuple[str, Any]] = {
    "bind": ("TX", "tx"),
    "sessions": ("4", 4),
    "window": ("7", 7),
    "enquire": ("9", 9.0),
    "msgid": ("hex", "hex"),
    "longsms": ("sar", "sar"),
    "reference": ("16", 16),
    "flash": ("dcs", "dcs"),
    "receipts": ("no", False),
    "scheduletime": ("relative", "relative"),
    "alphabet": ("latin1", "latin1"),
    "receiptcodes": ("routo", "routo"),
    "status": ("0x58:wait,1043:failover", ((0x58, "wait"), (1043, "failover"))),
}
NEEDED = {  # what a parameter asks for beside itself
    "recipienttype": ("recipients=friends",),
    "sslcertstore": ("sslstoretype=2",),
}
ODD: dict[str, Callable[[str], str]] = {
    "lower": str.lower,
    "upper": str.upper,
    "as it is": str,
    "swapped": str.swapcase,
}


def _smsurl(pairs: tuple[str, ...]) -> str:
    return "smsurl = smpp;" + ";".join(pairs)


def _settings(pairs: tuple[str, ...]) -> str:
    return "\n".join("SMPP_" + pair.replace("=", " = ", 1) for pair in pairs)


def _allparameters(pairs: tuple[str, ...]) -> str:
    return "smpp_AllParameters = SMPP;" + ";".join(pairs) + ";"


def _extraconfig(pairs: tuple[str, ...]) -> str:
    return "smpp_extraconfig = " + ";".join(pairs)


def _extraconfig_in_url(pairs: tuple[str, ...]) -> str:
    return "smsurl = SMPP;ExtraConfig=" + ";".join(pairs)


PLACES = {
    "smsurl": _smsurl, "settings": _settings, "allparameters": _allparameters, "extraconfig": _extraconfig,
    "extraconfig in smsurl": _extraconfig_in_url,
}  # fmt: skip


def gateway(text: str) -> GatewaySettings:
    (found,) = parse("[global]\n" + text, FILE).gateways
    return found


def faults(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse("[global]\n" + text, FILE)
    return [line.removeprefix(f"{FILE}: [global] ") for line in str(caught.value).splitlines()]


@pytest.mark.parametrize("name", [*MIZU, *OURS])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("case", ODD)
def test_everywhere(name: str, place: str, case: str) -> None:
    text, value = (MIZU | OURS)[name]
    server = () if name == "server" else ("server=a",)
    pairs = (*server, *NEEDED.get(name, ()), f"{ODD[case](name)}={text}")
    assert getattr(gateway(PLACES[place](pairs)).smpp, name.lower()) == value


def test_nothing_of_the_document_is_missing() -> None:
    smpp = {key_name(field).lower() for field in type(GatewaySettings().smpp).__dataclass_fields__.values()}
    assert {name.lower() for name in MIZU} | {"allparameters", "extraconfig"} <= smpp
    assert {"tps", "on_unknown"} <= key_names(GatewaySettings)


DOCUMENTED = {
    "basic": (
        "SMPP;server=11.22.33.44;username=smppuser;password=xxx;serverport=2775",
        {"server": "11.22.33.44", "username": "smppuser", "password": "xxx", "serverport": 2775, "version": 34},
    ),
    "advanced": (
        "SMPP;server=55.66.77.88;username=smppuser;password=xxx;serverport=2785;version=50;timeout=30;msgpriority=3;"
        "servicetype=CMT;SourceTON=1",
        {"serverport": 2785, "version": 50, "timeout": 30.0, "msgpriority": 3, "servicetype": 1, "sourceton": 1},
    ),
}


@pytest.mark.parametrize("url, expected", DOCUMENTED.values(), ids=DOCUMENTED)
@pytest.mark.parametrize("key", ["smsurl", "smpp_allparameters"])
def test_the_documents_examples(url: str, expected: dict[str, Any], key: str) -> None:
    smpp = gateway(f"{key} = {url}").smpp
    assert {name: getattr(smpp, name) for name in expected} == expected


def test_the_documents_defaults() -> None:
    smpp = gateway("smsurl = SMPP;server=a").smpp
    assert (smpp.serverport, smpp.version, smpp.servicetype, smpp.msgpriority) == (2775, 34, 0, 1)
    assert (smpp.timeout, smpp.absolutetimeout, smpp.systemtype, smpp.msgexpire) == (60.0, False, "", "")


PRECEDENCE = {
    "a setting alone": ("smpp_window = 1", 1),
    "extraconfig over a setting": ("smpp_window = 1\nsmpp_extraconfig = window=2", 2),
    "allparameters over extraconfig": ("smpp_extraconfig = window=2\nsmpp_allparameters = SMPP;window=3", 3),
    "smsurl over all": (
        "smpp_window = 1\nsmpp_extraconfig = window=2\nsmpp_allparameters = SMPP;window=3\nsmsurl = SMPP;window=4", 4,
    ),
    "a pair over the extraconfig beside it": ("smsurl = SMPP;window=4;extraconfig=window=5", 4),
    "extraconfig in smsurl over allparameters": (
        "smpp_allparameters = window=3\nsmsurl = SMPP;extraconfig=window=5", 5,
    ),
}  # fmt: skip


@pytest.mark.parametrize("text, window", PRECEDENCE.values(), ids=PRECEDENCE)
def test_precedence(text: str, window: int) -> None:
    assert gateway("smpp_server = a\n" + text).smpp.window == window


UNKNOWN = {
    "SeverPort=1": "smpp_severport: unknown key; did you mean 'serverport'?",
    "SourceTOM=1": "smpp_sourcetom: unknown key; did you mean 'sourceton'?",
    "sslencoding=x": "smpp_sslencoding: unknown key; did you mean 'sslencodig'?",
    "DataCodings=1": "smpp_datacodings: unknown key; did you mean 'datacoding'?",
    "smpp_timeout=1": "smpp_smpp_timeout: unknown key; did you mean 'timeout'?",
}


@pytest.mark.parametrize("pair, words", UNKNOWN.items())
@pytest.mark.parametrize("place", PLACES)
def test_unknown(pair: str, words: str, place: str) -> None:
    assert faults(PLACES[place](("server=a", pair))) == [words]


TIME = "must be YYMMDDhhmmsstnnp: 15 digits, then +, - or R, not "
SUBJECT = "must be * or NAME=value, several by comma, such as CN=client, O=Example, not "
BAD: dict[str, str] = {
    "version=35": "must be one of 33, 34, 50, not '35'",
    "serverport=0": "must be at least 1 and at most 65535, not '0'",
    "secure=tls": "must be true or false, not 'tls'",
    "systemtype=ABCDEFGHIJKLM": "must be at most 12 characters, all of them ASCII, not 'ABCDEFGHIJKLM'",
    "servicetype=8": "must be 0 to 7, or one of CMT, CPT, VMN, VMA, WAP, USSD, CBS, not '8'",
    "servicetype=SMS": "must be 0 to 7, or one of CMT, CPT, VMN, VMA, WAP, USSD, CBS, not 'SMS'",
    "msgpriority=4": "must be at least -1 and at most 3, not '4'",
    "msgexpire=3 days": TIME + "'3 days'",
    "msgexpire=261120182000000": TIME + "'261120182000000'",
    "msgexpire=261320182000000+": "must be a time that there is (month must be in 1..12), not '261320182000000+'",
    "msgexpire=261120182000049+": "must have nn, the quarters of an hour from UTC, at most 48, "
    "not '261120182000049+'",
    "recipienttype=2": "must be at least 0 and at most 1, not '2'",
    "isdata=2": "must be true or false, not '2'",
    "SenderAddress=123456789012345678901": "must be at most 20 characters, all of them ASCII, "
    "not '123456789012345678901'",
    "SourceTON=7": "must be at least -1 and at most 6, not '7'",
    "DestinationNPI=19": "must be at least -1 and at most 18, not '19'",
    "DataCoding=256": "must be at least -1 and at most 255, not '256'",
    "HexString=abc": "must be octets in hexadecimal, two digits each, not 'abc'",
    "HexString=xy": "must be octets in hexadecimal, two digits each, not 'xy'",
    "InBufferSize=-1": "must be at least 0, not '-1'",
    "AbsoluteTimeout=maybe": "must be true or false, not 'maybe'",
    "sslaccept=SOME": "must be ANY, ALL, - or empty, not 'SOME'",
    "sslencodig=certificate!": "must be a certificate: PEM, or its base64, not 'certificate!'",
    "sslcertstore=MY": "must be a file: there are no Windows certificate stores here, not 'MY'",
    "sslstoretype=5": "must be at least 0 and at most 4, not '5'",
    "sslsubject=client": SUBJECT + "'client'",
    "sslsubject=CN=": SUBJECT + "'CN='",
    "status=0x58:ignore": "must be STATUS:VERDICT, several by comma, verdicts being retry, wait, failover, refuse, "
    "unknown, not '0x58:ignore'",
}  # fmt: skip


@pytest.mark.parametrize("pair, words", BAD.items())
def test_bad_value(pair: str, words: str) -> None:
    name = pair.partition("=")[0].lower()
    assert faults(f"smsurl = SMPP;server=a;{pair}") == [f"smpp_{name}: {words}"]


def test_too_many_recipients() -> None:
    numbers = ",".join(str(36301000000 + number) for number in range(256))
    assert (
        gateway(f"smsurl = SMPP;server=a;recipients={numbers.rpartition(',')[0]}").smpp.recipients[-1] == "36301000254"
    )
    (line,) = faults(f"smsurl = SMPP;server=a;recipients={numbers}")
    assert line.startswith("smpp_recipients: must be 255 recipients at the most, which 256 are not")


def test_recipients_by_semicolon() -> None:
    assert gateway("smpp_server = a\nsmpp_recipients = 361; 362 ;").smpp.recipients == ("361", "362")


CONFLICTS = {
    "data_sm to several": ("isdata=1;recipients=361,362", "smpp_isdata: must be 0 with several recipients or a list of "
                           "them: data_sm has one"),
    "data_sm to a list": ("isdata=1;recipients=a;recipienttype=1", "smpp_isdata: must be 0 with several recipients or "
                          "a list of them: data_sm has one"),
    "data_sm in 3.3": ("isdata=1;version=33", "smpp_isdata: must be 0 with version=33, which has no data_sm"),
    "lists without names": ("recipienttype=1", "smpp_recipients: must name the distribution lists, since recipienttype "
                            "is 1"),
    "flash by an account that isn't one": ("flash=nsms", "smpp_flash: must be dcs, or systemtype NSMS"),
    "a Windows store": ("sslcertstore=a.pfx;sslstoretype=0", "smpp_sslstoretype: must be 2, 3 or 4: there are no "
                        "Windows certificate stores here"),
}  # fmt: skip


@pytest.mark.parametrize("pairs, line", CONFLICTS.values(), ids=CONFLICTS)
def test_conflicts(pairs: str, line: str) -> None:
    assert faults(f"smsurl = SMPP;server=a;{pairs}") == [line]


@pytest.mark.parametrize("key", ["smpp_allparameters = SMPP;server=a;hunter2", "smpp_extraconfig = hunter2"])
def test_what_is_no_pair_stays_secret(key: str) -> None:
    (line,) = faults("smpp_server = a\n" + key)
    assert line.startswith(key.partition(" ")[0] + ": must be key=value;…, and piece ")
    assert "hunter2" not in line


# -- docs/smpp.md -------------------------------------------------------------------------------------------------

GUIDE = (Path(__file__).parents[2] / "docs" / "smpp.md").read_text(encoding="utf-8")


def test_the_guides_recipes_are_settings() -> None:
    recipes = re.findall(r"```ini\n(.*?)```", GUIDE, re.DOTALL)
    found = {gateway.name: gateway.smpp for recipe in recipes for gateway in parse(recipe, FILE).gateways}
    assert set(found) == {"acme", "o2", "routo", "local"}
    assert [str(server) for server in found["o2"].servers] == [
        "smpp2.smstools.sk:8888", "ssl:smpp-ssl.smstools.sk:8887",
    ]  # fmt: skip
    assert (found["o2"].sessions, found["o2"].timeout, found["o2"].scheduletime) == (4, 30.0, "relative")
    assert (found["routo"].alphabet, found["routo"].receiptcodes) == ("latin1", "routo")


def test_the_guide_names_every_setting_of_ours() -> None:
    assert [name for name in OURS if f"`{name}" not in GUIDE and name not in GUIDE] == []
