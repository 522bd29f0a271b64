"""The settings of a way out: what `[global]` says of the gateway named `default`, `[gateway:NAME]` of each further one.

Names, values and defaults that the Mizu document knows are its own (seeds/002, "Configurations").
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from voipsms.ini import BadValue, host_port, key, key_name, read_section, unknown_key, words
from voipsms.networks import Network, read_networks
from voipsms.providers import missing, read_provider
from voipsms.senders import allows, read_senders

Fault = Callable[[str, str], None]  # key, and what would be right


@dataclass(frozen=True, slots=True)
class Server:
    """One address of an SMSC; `secure`: by TLS."""

    host: str
    port: int
    secure: bool = False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'ssl:' if self.secure else ''}{host}:{self.port}"


def _servers(text: str) -> tuple[Server, ...]:
    found = []
    for word in words(text):
        secure = word.lower().startswith(("ssl:", "tls:"))
        found.append(Server(*host_port(word[4:] if secure else word), secure))
    return tuple(found)


def _statuses(text: str) -> tuple[tuple[int, str], ...]:
    """`0x58:wait, 1043:refuse` → command_status and verdict."""
    found = []
    for word in words(text):
        code, colon, verdict = (piece.strip() for piece in word.partition(":"))
        try:
            number = int(code, 0)
        except ValueError:
            number = -1
        if not colon or not 0 <= number <= 0xFFFFFFFF or verdict.lower() not in VERDICTS:
            raise BadValue(f"must be STATUS:VERDICT, several by comma, verdicts being {', '.join(VERDICTS)}")
        found.append((number, verdict.lower()))
    return tuple(found)


VERDICTS: Final = ("retry", "wait", "failover", "refuse", "unknown")
SERVICE_TYPES: Final = ("", "CMT", "CPT", "VMN", "VMA", "WAP", "USSD", "CBS")  # SMPP 3.4 §5.2.11, by Mizu's numbers
MOST_RECIPIENTS: Final = 255
LONGEST_ADDRESS: Final = 20  # characters, SMPP 3.4 §5.2.8
TONUM: Final = "[tonum]"
_VERSIONS: Final = ("33", "34", "50")
_TIME: Final = re.compile(r"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)\d(\d\d)([+\-R])", re.ASCII)  # SMPP 3.4 §7.1.1
_SUBJECT: Final = re.compile(r"\*?|[A-Za-z][A-Za-z0-9.]*=[^,=]+(,\s*[A-Za-z][A-Za-z0-9.]*=[^,=]+)*")
_WINDOWS_STORES: Final = frozenset({"MY", "CA", "ROOT", "SPC"})


def _service_type(text: str) -> int:
    """Mizu's number, or the service_type itself, as in its example."""
    if text.upper() in SERVICE_TYPES[1:]:
        return SERVICE_TYPES.index(text.upper())
    if not (text.isascii() and text.isdecimal() and int(text[:2]) < len(SERVICE_TYPES)):
        raise BadValue("must be 0 to 7, or one of " + ", ".join(SERVICE_TYPES[1:]))
    return int(text)


def _time(text: str) -> str:
    """SMPP 3.4 §7.1.1: absolute, or relative where it ends in R."""
    found = _TIME.fullmatch(text.upper())
    if text and not found:
        raise BadValue("must be YYMMDDhhmmsstnnp: 15 digits, then +, - or R")
    if found and found[8] != "R":
        year, month, day, hour, minute, second, quarters = (int(digits) for digits in found.groups()[:7])
        try:
            datetime(2000 + year, month, day, hour, minute, second)
        except ValueError as error:
            raise BadValue(f"must be a time that there is ({error})") from None
        if quarters > 48:
            raise BadValue("must have nn, the quarters of an hour from UTC, at most 48")
    return text.upper()


def _recipients(text: str) -> tuple[str, ...]:
    """Several by ; and, since that ends a pair within smsurl, by comma as well."""
    found = tuple(word for word in (piece.strip().removeprefix("+") for piece in re.split("[;,]", text)) if word)
    if len(found) > MOST_RECIPIENTS:
        raise BadValue(f"must be {MOST_RECIPIENTS} recipients at the most, which {len(found)} are not")
    for word in found:
        if len(word) > LONGEST_ADDRESS and word.lower() != TONUM:
            raise BadValue(f"must have at most {LONGEST_ADDRESS} characters each, which {word[:40]!r} has not")
    return tuple(TONUM if word.lower() == TONUM else word for word in found)


def _hex(text: str) -> str:
    digits = re.sub(r"\s|^0[xX]", "", text)
    if len(digits) % 2 or not re.fullmatch("[0-9A-Fa-f]*", digits):
        raise BadValue("must be octets in hexadecimal, two digits each")
    return digits.lower()


def _short(most: int) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if len(text) > most or not text.isascii():
            raise BadValue(f"must be at most {most} characters, all of them ASCII")
        return text

    return parse


def _accepted(text: str) -> str:
    if text.upper() not in ("", "-", "ANY", "ALL"):
        raise BadValue("must be ANY, ALL, - or empty")
    return text.upper()


def _certificate(text: str) -> str:
    """PEM or its base64 alone; both are kept as they are."""
    body = re.sub(r"-----[^-]*-----|\\n|\s", "", text)  # \n: as one line of a file may spell a line end
    try:
        base64.b64decode(body, validate=True)
    except ValueError:
        raise BadValue("must be a certificate: PEM, or its base64") from None
    return text


def _store(text: str) -> str:
    if text.upper() in _WINDOWS_STORES:
        raise BadValue("must be a file: there are no Windows certificate stores here")
    return text


def _subject(text: str) -> str:
    if not _SUBJECT.fullmatch(text):
        raise BadValue("must be * or NAME=value, several by comma, such as CN=client, O=Example")
    return text


@dataclass(frozen=True, slots=True)
class SmppSettings:
    """SMPP parameters, as `smpp_NAME` settings, or `NAME=value` in `smpp_allparameters` or `smsurl = SMPP;…`."""

    allparameters: str = key("", "Any of the parameters below in one: SMPP;key=value;…", secret=True)
    server: str = key("", "Address of the SMSC; empty: this gateway does not speak SMPP")
    serverport: int = key(2775, "Port of the SMSC", least=1, most=65535)
    servers: tuple[Server, ...] = key((), "Further addresses, tried in turn: b:2775, ssl:c:8887", parse=_servers)
    username: str = key("", "system_id of the bind")
    password: str = key("", "Password of the bind", secret=True)
    version: int = key(34, "SMPP version: 33, 34 or 50", choices=_VERSIONS)
    secure: bool = key(False, "SMPP over TLS")
    systemtype: str = key(
        "", "system_type of the bind, 12 characters at most; NSMS: this account sends flash messages", parse=_short(12)
    )
    servicetype: int = key(
        0, "service_type: 0 default, 1 CMT, 2 CPT, 3 VMN, 4 VMA, 5 WAP, 6 USSD, 7 CBS; or that word",
        parse=_service_type,
    )  # fmt: skip
    msgpriority: int = key(1, "priority_flag: -1 default, 0 low, 1 normal, 2 high, 3 urgent", least=-1, most=3)
    msgexpire: str = key("", "validity_period, as YYMMDDhhmmsstnnp: absolute (p + or -) or relative (p R)", parse=_time)
    timeout: float = key(60.0, "No PDU for so long: the session is dropped", unit="seconds", least=1)
    absolutetimeout: bool = key(
        False, "timeout bounds the whole of an operation (bind, submit), not silence alone", name="AbsoluteTimeout"
    )
    recipients: tuple[str, ...] = key(
        (), "Who gets each message, several by ; or comma (at most 255); empty: its target, which [tonum] is, too",
        parse=_recipients,
    )  # fmt: skip
    recipienttype: int = key(0, "0: recipients are numbers; 1: names of distribution lists", least=0, most=1)
    isdata: bool = key(False, "Send by data_sm instead of submit_sm, to one recipient")
    extraconfig: str = key("", "Further parameters, key=value;key2=value2;", secret=True)
    senderaddress: str = key(
        "", "source_addr of every message; empty: its sender", name="SenderAddress", parse=_short(LONGEST_ADDRESS)
    )
    sourceton: int = key(
        -1, "source_addr_ton; -1: 5 for letters, 3 for short codes, 2 for numbers that begin with 0, 1 for others",
        name="SourceTON", least=-1, most=6,
    )  # fmt: skip
    sourcenpi: int = key(-1, "source_addr_npi; -1: 0 for letters, 1 for numbers", name="SourceNPI", least=-1, most=18)
    destinationton: int = key(-1, "dest_addr_ton; -1: as SourceTON", name="DestinationTON", least=-1, most=6)
    destinationnpi: int = key(-1, "dest_addr_npi; -1: as SourceNPI", name="DestinationNPI", least=-1, most=18)
    datacoding: int = key(
        -1, "data_coding of every message; -1: as its text needs. The text is coded as the number says",
        name="DataCoding", least=-1, most=255,
    )  # fmt: skip
    hexstring: str = key("", "Octets in hexadecimal that are sent instead of every text", name="HexString", parse=_hex)
    inbuffersize: int = key(
        0, "SO_RCVBUF of the connection; 0: the system's", name="InBufferSize", unit="octets", least=0
    )
    outbuffersize: int = key(
        0, "SO_SNDBUF of the connection; 0: the system's", name="OutBufferSize", unit="octets", least=0
    )
    sslaccept: str = key(
        "", "ANY or ALL: any certificate of the SMSC is accepted; empty or -: it must be a valid one", parse=_accepted
    )
    sslencodig: str = key(
        "", "The SMSC's certificate, PEM or base64: this one is accepted and no other", parse=_certificate
    )
    sslcertstore: str = key(
        "", "File with our certificate and key (sslstoretype says which), or the blob itself", parse=_store
    )
    sslpwd: str = key("", "Password of sslcertstore", secret=True)
    sslstoretype: int = key(
        4, "What sslcertstore is: 2 PFX file, 3 PFX blob in base64, 4 PEM with certificate and key", least=0, most=4
    )
    sslsubject: str = key("*", "Subject that our certificate must have, such as CN=client; *: any", parse=_subject)
    bind: str = key(
        "trx", "Kind of session: transceiver, transmitters and one receiver, or receiver alone",
        choices=("trx", "tx", "rx"),
    )  # fmt: skip
    sessions: int = key(1, "Sessions that submit", least=1, most=16)
    window: int = key(100, "Submits that may wait for their answer, a session", unit="PDUs", least=1, most=2000)
    enquire: float = key(25.0, "enquire_link after so much silence", unit="seconds", least=1)
    response: float = key(
        30.0, "A submit without an answer for so long has an unknown outcome", unit="seconds", least=0.1
    )
    longsms: str = key(
        "udh", "Long texts: UDH in each part, SAR TLVs, one message_payload, or parts that stand alone",
        choices=("udh", "sar", "payload", "split"),
    )  # fmt: skip
    reference: int = key(8, "Bits of the reference in the UDH of a long text's parts", choices=("8", "16"))
    flash: str = key(
        "dcs", "Flash messages: by data_coding class 0, or by systemtype NSMS alone", choices=("dcs", "nsms")
    )
    scheduletime: str = key(
        "absolute", "schedule_delivery_time of messages for later: absolute (UTC), relative, or none: we keep them",
        choices=("absolute", "relative", "none"),
    )  # fmt: skip
    alphabet: str = key(
        "gsm", "What data_coding 0 means to this SMSC: gsm, or latin1, and 1 is the GSM alphabet (Routo)",
        choices=("gsm", "latin1"),
    )  # fmt: skip
    receipts: bool = key(True, "Ask the SMSC for delivery receipts")
    receiptcodes: str = key(
        "smpp", "What a number as the state of a receipt means: smpp (message_state) or routo (its manual's codes)",
        choices=("smpp", "routo"),
    )  # fmt: skip
    msgid: str = key(
        "auto", "Message ids: hex in answers and decimal in receipts (hex), the other way round (dec), or any (auto)",
        choices=("auto", "hex", "dec"),
    )  # fmt: skip
    status: tuple[tuple[int, str], ...] = key(
        (), "What single statuses mean here: 0x58:wait, 1043:refuse (retry, wait, failover, refuse, unknown)",
        parse=_statuses,
    )  # fmt: skip
    outbind: str = key("", "host:port where the SMSC may connect and ask by outbind for a session; empty: nowhere")
    outbindpassword: str = key("", "Password that its outbind must bring", secret=True)


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """One way out. `[global]` describes the gateway named `default`, `[gateway:NAME]` each further one."""

    smsurl: str = key(
        "", "http(s)://… with [tonum] [message] …, SMPP;key=value;…, sip:[tonum]@…, mailto:…, null:, or a program",
        secret=True,
    )  # fmt: skip
    provider: str = key(
        "", "Name of a file in plugins/providers, or path.ini, whose keys hold where this section has none"
    )
    plugin: str = key("", "A coded connector: path.py or package.module")
    smssenddata: str = key(
        "", "Body of an HTTP POST; empty: smssenddata_ID.txt, smssenddata.txt, else GET", secret=True
    )
    smssendheader: str = key(
        "", "Further HTTP headers, `Name: value`, several by |; empty: smssendheader_ID.txt, smssendheader.txt",
        secret=True,
    )  # fmt: skip
    smsmethod: str = key("auto", "auto: POST with a body, else GET", choices=("auto", "get", "post", "put"))
    smsdialect: str = key(
        "auto", "Language of the templates; auto: {{ }} is jinja, %number% is icewarp, else mizu",
        choices=("auto", "mizu", "icewarp", "jinja"),
    )  # fmt: skip
    smssuccessstring: str = key("", "The answer means success where it contains this; several by |; re:PATTERN")
    smsfailstring: str = key("", "The answer means failure where it contains this; several by |; re:PATTERN")
    smsidregex: str = key("", "Pattern whose first group is the message's id in the answer; empty: the common shapes")
    smsverifyurl: str = key("", "Asked later whether a message was sent; [messageId] is the answer's id", secret=True)
    smssenddataverify: str = key("", "Body of that request as a POST; empty: GET", secret=True)
    smsverifydelay: int = key(6000, "Wait before asking", unit="milliseconds", least=0, most=600000)
    smsbatch: int = key(1, "Recipients of the same text in one request", least=1, most=1000)
    smsbatchseparator: str = key(",", "What stands between them in [tonum]")
    smsbatchwait: float = key(0.05, "How long a request waits for more of them", unit="seconds", least=0, most=10)
    sender: str = key("", "Sender of every message; empty: its own")
    timeout: float = key(
        20.0, "The provider's answer, a program or a plugin is waited for so long", unit="seconds", least=0.1
    )
    connections: int = key(20, "Requests, programs, mails or calls of a plugin at once", least=1, most=1000)
    certificate: str = key("", "PEM file with our certificate, and its key where it is in it")
    certificatekey: str = key("", "PEM file with its private key")
    ca: str = key("", "PEM file with the authorities that the server's certificate may come from; empty: the system's")
    verify_tls: bool = key(True, "The server's certificate must be valid")
    proxy: str = key("", "http://user:password@host:port of the HTTP proxy", secret=True)
    user: str = key("", "[user] in templates; the name for a SIP provider's digest")
    password: str = key("", "[password] in templates; the password for a SIP provider's digest", secret=True)
    apikey: str = key("", "[apikey] in templates", secret=True)
    option: str = key("", "[option] in templates: what a provider's file says it is")
    tps: float = key(0.0, "Parts a second; 0: as many as the provider takes", unit="parts/s", least=0)
    cap: int = key(0, "Parts a day (UTC); at it the gateway is out until the next one; 0: any number", unit="parts",
                   least=0)  # fmt: skip
    faults: int = key(
        10, "Failures in a row (no refusals) that take the gateway out for a while; 0: none do", unit="submits", least=0
    )
    senders: tuple[str, ...] = key(
        (), "Senders that this provider takes: numeric, short, alphanumeric, and single ones; empty: all",
        parse=read_senders,
    )  # fmt: skip
    sender_instead: str = key("", "Sender in place of one that is not allowed; empty: the message goes by another way")
    inbound: str = key(
        "none", "How the provider tells us of texts from phones, and of receipts, at /mo/NAME and /dlr/NAME",
        choices=("none", "clickatell", "routo", "icewarp", "generic"),
    )  # fmt: skip
    inbound_ip: tuple[Network, ...] = key((), "Addresses that it does so from", parse=read_networks)
    inbound_key: str = key(
        "",
        "What ?key= (icewarp: pass=) must say; without it and inbound_ip, routo's user and pass must be ours",
        secret=True,
    )
    inbound_log: str = key("", "Folder or ftp://user:password@host/folder where its mo.log is read", secret=True)
    inbound_repeats: bool = key(
        False, "Texts without an id of the provider are never taken for repeats (trackers send the same one again)"
    )
    inbound_receipts: str = key(
        "answer",
        "Receipts at /dlr/NAME have the id of the answer to the message, or ours ([smsid]), or there are none",
        choices=("answer", "ours", "none"),
    )
    mo: bool = key(False, "[mo] in templates is 1: the provider is to be told that people may reply")
    on_unknown: str = key(
        "resend", "A submit without an answer: wait for its receipt, send it once more, or fail it",
        choices=("wait", "resend", "fail"),
    )  # fmt: skip
    retries: int = key(5, "Attempts before a temporary failure becomes final", least=1)
    retrydelay: float = key(5.0, "Delay before the second attempt; doubles each time", unit="seconds", least=0.01)
    costpacket: str = key("", "Price packet with what messages by this gateway cost us; empty: nothing")
    costbilling: str = key("part", "What the gateway's price is for", choices=("message", "part"))
    name: str = field(default="default", metadata={"hidden": True})
    smpp: SmppSettings = field(default_factory=SmppSettings, metadata={"hidden": True})

    @property
    def section(self) -> str:
        """Where they stand in the file, for whoever says what is wrong with them."""
        return "global" if self.name == "default" else f"gateway:{self.name}"


_HIDDEN: Final = frozenset({"name", "smpp"})
_OURS_IN_URL: Final = frozenset({"tps", "on_unknown"})  # keys of the gateway itself that may stand in smsurl = SMPP;…


def key_names(kind: type) -> set[str]:
    """The keys of a section, as a file may spell them, in lower case."""
    return {key_name(field).lower() for field in fields(kind) if not field.metadata.get("hidden")}


def is_gateway_key(name: str) -> bool:
    return name.startswith("smpp_") or name in key_names(GatewaySettings)


def speaks_smpp(url: str) -> bool:
    return kind_of_url(url) == "smpp"


_KINDS: Final = (
    ("http", re.compile(r"https?://", re.IGNORECASE)),
    ("smpp", re.compile(r"SMPP\s*(?:;|\Z)", re.IGNORECASE)),
    ("sip", re.compile(r"sips?:", re.IGNORECASE)),
    ("mail", re.compile(r"mailto:", re.IGNORECASE)),
    ("null", re.compile(r"null:", re.IGNORECASE)),
    ("program", re.compile(r"[\"']?\.{0,2}/")),
)
_RIGHT_URL: Final = "must be http(s)://…, SMPP;key=value;…, sip:…, mailto:…, null:… or the path of a program"


def kind_of_url(url: str) -> str:
    """What kind of gateway an smsurl is for; empty: of none."""
    return next((kind for kind, pattern in _KINDS if pattern.match(url)), "")


def pairs(text: str) -> dict[str, str]:
    """`key=value;…` → its pairs. Raises BadValue, without the text: it may be the rest of a password."""
    found = {}
    for place, piece in enumerate(piece.strip() for piece in text.split(";")):
        name, equals, value = piece.partition("=")
        if piece and not equals:
            raise BadValue(f"must be key=value;…, and piece {place + 1} has no value")
        if piece:
            found[name.strip().lower()] = value.strip()
    return found


def _without_kind(text: str) -> str:
    return text.partition(";")[2] if speaks_smpp(text) else text


_TEXTS_OF_PAIRS: Final = ("extraconfig", "allparameters")


def _all_pairs(text: str) -> dict[str, str]:
    """The pairs of a text, and those that stand in its extraconfig, over which its own win. Raises BadValue."""
    found = pairs(_without_kind(text))
    inner: dict[str, str] = {}
    for name in _TEXTS_OF_PAIRS:
        inner |= pairs(_without_kind(found.pop(name, "")))
    return inner | found


def _smpp_values(own: Mapping[str, str], smpp: dict[str, str], fault: Fault) -> dict[str, str]:
    """Every SMPP parameter of a section, wherever it stands: a later one of `places` wins over an earlier one, and
    each of them over a setting of its own."""
    url = own.get("smsurl", "")
    places = {f"smpp_{name}": smpp.get(name, "") for name in _TEXTS_OF_PAIRS}
    places["smsurl"] = url if speaks_smpp(url) else ""
    found: dict[str, str] = {}
    for name, text in places.items():
        try:
            found |= _all_pairs(text)
        except BadValue as error:
            fault(name, str(error))
            found.setdefault("server", "?")
    return smpp | found


def _smpp_conflicts(smpp: SmppSettings) -> Iterator[tuple[str, str]]:
    """What no single parameter can tell: key, and what would be right."""
    if smpp.isdata and (len(smpp.recipients) > 1 or smpp.recipienttype):
        yield "isdata", "must be 0 with several recipients or a list of them: data_sm has one"
    if smpp.isdata and smpp.version == 33:
        yield "isdata", "must be 0 with version=33, which has no data_sm"
    if smpp.recipienttype and not smpp.recipients:
        yield "recipients", "must name the distribution lists, since recipienttype is 1"
    if smpp.flash == "nsms" and smpp.systemtype.upper() != "NSMS":
        yield "flash", "must be dcs, or systemtype NSMS"
    if smpp.sslcertstore and smpp.sslstoretype < 2:
        yield "sslstoretype", "must be 2, 3 or 4: there are no Windows certificate stores here"


def _with_provider(values: Mapping[str, str], fault: Fault, folder: Path) -> Mapping[str, str]:
    """The section's keys, and those of its provider's file where it has none."""
    provider = values.get("provider", "").strip()
    if not provider:
        return values
    faults: list[str] = []
    try:
        theirs = read_provider(provider, folder)
        read_gateway(provider, theirs, lambda key, right: faults.append(f"{provider}: {key}: {right}"))
    except BadValue as error:
        faults, theirs = [str(error)], {}
    for line in faults:
        fault("provider", line)
    if faults:
        return {"smsurl": "null:", **values}  # so that what is wrong with the file is said once
    merged = {**theirs, **values}
    for word in missing(merged):
        fault(word, f"must be set: the requests of {provider} hold it")
    return merged


def read_gateway(name: str, values: Mapping[str, str], fault: Fault, folder: Path | None = None) -> GatewaySettings:
    """A gateway from the keys of its section. `folder`: where the path of a provider's file starts; None: here."""
    values = _with_provider(values, fault, folder or Path())
    own = {k: v for k, v in values.items() if not k.startswith("smpp_")}
    smpp = _smpp_values(own, {k[5:]: v for k, v in values.items() if k.startswith("smpp_")}, fault)
    own |= {k: smpp.pop(k) for k in _OURS_IN_URL & smpp.keys()}
    settings = read_section(SmppSettings, smpp, lambda k, right: fault(f"smpp_{k}", right))
    for bad in _HIDDEN & own.keys():
        fault(bad, unknown_key(bad, key_names(GatewaySettings)))
        del own[bad]
    gateway = read_section(GatewaySettings, own, fault)
    if gateway.senders and gateway.sender_instead and not allows(gateway.senders, gateway.sender_instead):
        fault("sender_instead", "must be one of the allowed senders")
    if gateway.smsurl and not kind_of_url(gateway.smsurl):
        fault("smsurl", _RIGHT_URL)
    if gateway.inbound_receipts == "ours" and gateway.smsverifyurl:
        fault("inbound_receipts", "must be answer or none with smsverifyurl, which asks by the id of the answer")
    if speaks_smpp(gateway.smsurl) and not settings.server:
        fault("smsurl", "must name the SMSC: SMPP;server=…")
    for bad, right in _smpp_conflicts(settings):
        fault(f"smpp_{bad}", right)
    return replace(gateway, name=name, smpp=settings)
