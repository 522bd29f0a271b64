"""The sections of config.ini as frozen dataclasses: every key with its default, unit and meaning."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urlsplit

from voipsms.ini import BadValue, host_port, key, words
from voipsms.networks import Network, read_networks


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


PROOFS = ("number", "pincode", "password", "joined")
CODECS = ("PCMA", "PCMU", "G722", "GSM", "ILBC", "SPEEX")


def _proofs(text: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(word.lower() for word in words(text)))
    if not found or not set(found) <= set(PROOFS):
        raise BadValue("must be one or more of " + ", ".join(PROOFS))
    return found


def _prefixes(text: str) -> tuple[str, ...]:
    found = tuple(word.removeprefix("+") for word in words(text))
    if not all(word.isascii() and word.isdecimal() for word in found):
        raise BadValue("must be prefixes of international numbers, such as 36, 4366")
    return found


def _codecs(text: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(word.upper() for word in words(text)))
    if not found or not set(found) <= set(CODECS):
        raise BadValue("must be one or more of " + ", ".join(CODECS))
    return found


def _ports(text: str) -> str:
    first, _, last = text.partition("-")
    good = first.isdecimal() and last.isdecimal() and 1024 <= int(first) < int(last) <= 65535
    if not good or int(last) - int(first) < 7:
        raise BadValue("must be two ports of which the second is at least 7 higher, such as 30000-30999")
    return text


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
        "A message is not sent after so long, or its own validity; one that was, and has no receipt by then, becomes "
        "UNKNOWN",
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
    smsreceive_route: int = key(
        0, "Where texts from phones go: 0 nowhere, 1 chat, 2 mail, 3 chat or mail, 4 chat and mail",
        least=0, most=4,
    )  # fmt: skip
    smsreceive_ip: tuple[Network, ...] = key(
        (),
        "Addresses that smsreceive may be called from; empty: from anywhere with [http] authkey",
        parse=read_networks,
    )
    smsreceive_check: str = key("", "Words that a call of smsreceive must have in it, else it is dropped")
    smsreceive_from: str = key(
        "from", "Where smsreceive finds the sender: a parameter's name, or from1,from2,to1,to2: between these words"
    )
    smsreceive_to: str = key("to", "Where it finds our number, in the same way")
    smsreceive_message: str = key("message", "Where it finds the text, in the same way")
    smsreceive_reply: int = key(
        1440, "A text to nobody's number goes to the user who wrote to that phone within so long; 0: to none",
        unit="minutes", least=0,
    )  # fmt: skip
    smsreceive_conflict: str = key(
        "Several people have written to you. Please send your text again, with #name# of the one it is for.",
        "SMS to a phone whose text may be for several users, once; empty: none", parse=_lines,
    )  # fmt: skip
    smsreceive_parts: float = key(
        300.0, "Parts of a long text are waited for so long; then what is there is delivered", unit="seconds", least=1
    )
    smsreceive_hold: int = key(
        1440, "Chat is tried for so long; then it goes by mail where there is an address", unit="minutes", least=1
    )
    smsreceive_price: Decimal = key(
        Decimal("-1"), "What a user pays for a text from a phone; -1: a third of smsprice", unit="currency", least=-1
    )
    smsnotify: str = key(
        "fail", "What phones hear by chat of their messages: what failed, all that is final, or nothing",
        choices=("fail", "all", "none"),
    )  # fmt: skip
    smswarn: int = key(
        50, "The sender is warned when a message is not delivered after this share of its time; 0: not", unit="percent",
        least=0, most=99,
    )  # fmt: skip
    smsstop: bool = key(True, "Texts of STOP and the like stop messages to that phone")
    smsstop_confirm: float = key(
        6.0, "A user's own confirmation of a STOP is waited for so long, then ours is sent and billed; 0: none is sent",
        unit="hours", least=0,
    )  # fmt: skip
    smsstop_text: str = key(
        "You will no longer receive messages from {number}.", "Our confirmation; {number}: where STOP was sent to",
        parse=_lines,
    )  # fmt: skip
    smsstart_text: str = key(
        "You will receive messages from {number} again. Send STOP to end them.", "Answer to START; empty: none",
        parse=_lines,
    )  # fmt: skip
    smshelp_text: str = key(
        "Messages from {number}: send STOP to end them, START to get them again.", "Answer to HELP; empty: none",
        parse=_lines,
    )  # fmt: skip
    uauthverify: str = key(
        "", "User who pays for sign-up codes; empty: uauthverify is off", name="uauthverify",
    )  # fmt: skip
    uauthverify_text: str = key("Your code is {code}", "The SMS with a sign-up code", parse=_lines)
    uauthverify_minutes: int = key(10, "A sign-up code holds for so long", unit="minutes", least=1, most=1440)
    uauthverify_tries: int = key(5, "Wrong codes until one is void", least=1, most=20)
    uauthverify_each: int = key(
        5, "Sign-up codes an hour for one number; ten times as many for one address", unit="codes", least=1
    )
    callingcardauth: tuple[str, ...] = key(
        ("number", "pincode", "password"),
        "What proves who texts a command: number (the sender's is the user's), pincode, password (with a username), "
        "joined (both in one word)", parse=_proofs,
    )  # fmt: skip
    defcallbackivr: str = key("default", "The prompts that who is called back hears: a folder with campaign.ini")
    httpsmcallbackip: tuple[Network, ...] = key(
        (),
        "Addresses that may ask for callbacks at [callback] listen; empty: this machine's",
        parse=read_networks,
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
        (),
        "Addresses and networks of the softswitch, whose P-Asserted-Identity or From is believed",
        parse=read_networks,
    )
    bill_to: str = key("", "User who pays for a trusted peer's senders that match no account; empty: they get 403")
    realm: str = key("voipsms", "Digest realm; passwords are stored for it, so set it before adding users")
    digest: tuple[str, ...] = key(
        ("SHA-256", "MD5"), "Digest algorithms offered, best first; MD5 alone for phones that stop at the other",
        parse=_digests,
    )  # fmt: skip
    outbound: str = key(
        "", "Where MESSAGEs to users go: the softswitch, e.g. sip:pbx.example.com:5060;transport=tcp; empty: nowhere"
    )
    outbound_user: str = key("", "Name for its digest; empty: none")
    outbound_password: str = key("", "Password for its digest", secret=True)
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
        _http_listen("127.0.0.1:8080"), "API, providers' requests, /healthz, /readyz and /metrics", parse=_http_listen,
        shown="127.0.0.1:8080",
    )  # fmt: skip
    authkey: str = key("", "The server key that authkey= must equal; empty: the Mizu API is off", secret=True)
    allow: tuple[Network, ...] = key(
        (), "Addresses that admins may use the API from; empty: from anywhere", parse=read_networks
    )
    proxies: tuple[Network, ...] = key((), "Reverse proxies, whose X-Forwarded-For is believed", parse=read_networks)
    body: int = key(1_048_576, "The longest body of a request", unit="octets", least=1024, most=100_000_000)
    attempts: int = key(5, "Wrong credentials by an address for a user before both are locked out", least=1)
    lockout: float = key(60.0, "How long that lasts", unit="seconds", least=1)
    sync: float = key(30.0, "How long sendsmssync and asendsmssync wait for the final state", unit="seconds", least=0.1,
                      most=600)  # fmt: skip


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
    reply: str = key(
        "", "Address that texts from phones are from, %s being the phone's number: sms+%s@example.com; empty: sender"
    )
    timeout: float = key(30.0, "Each answer of the server is waited for so long", unit="seconds", least=0.1)


@dataclass(frozen=True, slots=True)
class CallbackSettings:
    """SMS callback, and the calls that it makes."""

    enabled: bool = key(False, "Texts of the grammar in docs/callback.md make calls")
    listen: Listen = key(
        _http_listen("127.0.0.1:8084"), "Where providers send such texts by HTTP", parse=_http_listen,
        shown="127.0.0.1:8084",
    )  # fmt: skip
    extension: str = key("", "A MESSAGE to this user is a command, not an SMS; empty: none is")
    callbackreply: bool = key(True, "Commands are answered, by SMS or MESSAGE as they came")
    callbackconfirm: bool = key(True, "A number to be registered gets a code, and is the user's when that comes back")
    account: str = key("", "The [sip:NAME] that calls leave by; empty: routes of type CALL, else [sip] outbound")
    caller: str = key("", "Number that calls are from; empty: each leg sees the other's")
    ring: float = key(45.0, "An unanswered call is given up after so long", unit="seconds", least=5, most=300)
    longest: int = key(7200, "A call is cut after so long, whatever credit is left", unit="seconds", least=60,
                       most=86_400)  # fmt: skip
    calls: int = key(50, "Connected pairs at once; more wait their turn", least=1, most=500)
    calls_each: int = key(2, "Pairs at once of one user", least=1, most=500)
    cooldown: float = key(10.0, "Between two calls to one number", unit="seconds", least=0, most=3600)
    wait: float = key(120.0, "A call that has found no free line is given up after so long", unit="seconds", least=1)
    allow: tuple[str, ...] = key((), "Prefixes that may be called, such as 36, 43; empty: all", parse=_prefixes)
    block: tuple[str, ...] = key(
        (), "Prefixes that are never called, beside emergency and premium numbers", parse=_prefixes
    )
    premium: bool = key(False, "Premium-rate and shared-cost numbers may be called")
    emergency: bool = key(False, "Emergency numbers may be called")
    attempts: int = key(5, "Wrong commands of a sender before it is locked out; twice as many for an account", least=1)
    lockout: float = key(900.0, "How long that lasts", unit="seconds", least=1)
    rtp: str = key("30000-30999", "UDP ports of audio, first-last", parse=_ports)
    public: str = key("", "Address that SDP shows; empty: the local one")
    stun: str = key("", "STUN server that tells it, host or host:port")
    codecs: tuple[str, ...] = key(
        ("PCMA", "PCMU", "G722"), "Codecs offered, best first: PCMA, PCMU, G722, GSM, ILBC, SPEEX", parse=_codecs
    )
    srtp: str = key("no", "Audio is encrypted", choices=("no", "optional", "mandatory"))
    minimum: int = key(60, "Credit for so long must be there for a call to start", unit="seconds", least=1, most=3600)


@dataclass(frozen=True, slots=True)
class SipAccount:
    """A [sip:NAME] section: an extension of the softswitch that is ours."""

    registrar: str = key("", "Where it registers, e.g. sip:pbx.example.com:5060;transport=tcp")
    user: str = key("", "Its user name")
    password: str = key("", "Its password", secret=True)
    expires: int = key(600, "A registration lasts so long; 0: calls leave by it, nothing is registered", unit="seconds",
                       least=0, most=86_400)  # fmt: skip
    proxy: str = key("", "SIP URI that all its requests go by; empty: the registrar")
    srtp: str = key("no", "Audio is encrypted", choices=("no", "optional", "mandatory"))
    bill_to: str = key("", "Who pays for texts that reach it from senders without an account; empty: nobody")


@dataclass(frozen=True, slots=True)
class LogSettings:
    level: str = key("info", "debug shows every SIP message, PDU and HTTP exchange",
                     choices=("debug", "info", "warning", "error"))  # fmt: skip
    format: str = key("text", "Lines to read, or JSON objects", choices=("text", "json"))
    file: str = key("", "Log file; empty: standard error")
    mask: bool = key(True, "Message texts and the middle digits of numbers are replaced by * in the log")
