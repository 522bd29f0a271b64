"""SIP messages: octets ↔ requests and responses. RFC 3261 §7, §18.3, RFC 3581."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from voipsms.errors import ProtocolError
from voipsms.sip.grammar import SipParseError, parse_params, split_values
from voipsms.sip.headers import Headers
from voipsms.sip.uri import NameAddr, Via, address_parts

MAX_HEADERS = 65536  # octets from the start line to the blank line

_REQUEST_LINE = re.compile(
    r"([-.!%*_+`'~0-9A-Za-z]+) ([A-Za-z][A-Za-z0-9+.-]*:[!#-;=?-\[\]_a-z~]+) (SIP/\d+\.\d+)", re.I
)
_STATUS_LINE = re.compile(r"(SIP/\d+\.\d+) ([1-6]\d\d)(?: (.*))?", re.I)
_CSEQ = re.compile(r"(\d{1,10})[ \t]+(\S+)", re.ASCII)
NUMBER = re.compile(r"\d{1,10}", re.ASCII)
_FOLD = re.compile(r"\r\n[ \t]+")
_CONTROLS = bytes(range(32)).translate(None, b"\t\r\n") + b"\x7f"
_RPORT = re.compile(r";[ \t]*rport[ \t]*(?:=[ \t]*)?(?=;|\Z)", re.I)
_TAG = re.compile(r";\s*tag\s*=", re.I)

_ONCE = ("From", "To", "Call-ID", "CSeq")  # mandatory, and there may be one only; Via: one or more

REASONS = {
    100: "Trying", 200: "OK", 202: "Accepted", 400: "Bad Request", 401: "Unauthorized", 402: "Payment Required",
    403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout",
    413: "Request Entity Too Large", 415: "Unsupported Media Type", 416: "Unsupported URI Scheme",
    420: "Bad Extension", 480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist",
    482: "Loop Detected", 483: "Too Many Hops", 484: "Address Incomplete", 488: "Not Acceptable Here",
    500: "Server Internal Error", 501: "Not Implemented", 503: "Service Unavailable", 505: "Version Not Supported",
}  # fmt: skip


class UnsafeHeader(ProtocolError):
    """A start line or header value with CR, LF or NUL: it would change the shape of the message."""


@dataclass(slots=True)
class Request:
    """`uri` is the Request-URI as it stands; read it with `Uri.parse`."""

    method: str
    uri: str
    headers: Headers
    body: bytes = b""
    _via: Via | None = field(default=None, init=False, repr=False, compare=False)
    _from: NameAddr | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def via(self) -> Via:
        """The top Via. Raises SipParseError."""
        if self._via is None:
            self._via = Via.parse(_top(self.headers.get("Via")))
        return self._via

    @property
    def from_addr(self) -> NameAddr:
        """Raises SipParseError."""
        if self._from is None:
            self._from = NameAddr.parse(self.headers.get("From"))
        return self._from

    @property
    def cseq(self) -> int:
        return int(self.headers.get("CSeq").split(None, 1)[0])

    def to_bytes(self) -> bytes:
        """Content-Length is added where it is missing. Raises UnsafeHeader."""
        return _serialize(f"{self.method} {self.uri} SIP/2.0", self.headers, self.body)


@dataclass(slots=True)
class Response:
    status: int
    reason: str
    headers: Headers
    body: bytes = b""

    def to_bytes(self) -> bytes:
        """Content-Length is added where it is missing. Raises UnsafeHeader."""
        return _serialize(f"SIP/2.0 {self.status} {self.reason}", self.headers, self.body)


def _top(field_value: str) -> str:
    """The first of the values in one field."""
    if "," not in field_value:
        return field_value
    values = split_values(field_value)
    return values[0] if values else ""


def _serialize(start: str, headers: Headers, body: bytes) -> bytes:
    lines = [start]
    lines += [f"{name}: {value}" for name, value in headers]
    if "Content-Length" not in headers:
        lines.append(f"Content-Length: {len(body)}")
    return _joined(lines, body)


def _joined(lines: list[str], body: bytes) -> bytes:
    head = "\r\n".join(lines)
    breaks = len(lines) - 1
    if head.count("\n") != breaks or head.count("\r") != breaks or "\0" in head:
        raise UnsafeHeader("CR, LF or NUL in a header")
    return head.encode() + b"\r\n\r\n" + body


# -- reading ------------------------------------------------------------------------------------------------------


def parse_message(datagram: bytes) -> Request | Response:
    """One whole message; what follows Content-Length octets of body is dropped (RFC 3261 §18.3).

    Raises SipParseError, with `request` where the peer can be told.
    """
    if datagram[:2] == b"\r\n":  # RFC 3261 §7.5
        datagram = datagram.lstrip(b"\r\n")
    end = datagram.find(b"\r\n\r\n")
    if end < 0:
        raise SipParseError("No end of headers")
    message = parse_head(datagram[:end])
    body = datagram[end + 4 :]
    length = content_length(message.headers)
    if length is not None and length != len(body):
        if length > len(body):
            raise SipParseError("Body shorter than Content-Length", message if isinstance(message, Request) else None)
        body = body[:length]
    message.body = body
    return message


def content_length(headers: Headers) -> int | None:
    """The checked headers' Content-Length."""
    text = headers.get("Content-Length")
    return int(text) if text else None


def parse_head(head: bytes) -> Request | Response:
    """The start line and headers, without the blank line. Raises SipParseError."""
    if head.translate(None, _CONTROLS) != head:
        raise SipParseError("Control character in the headers")
    try:
        text = head.decode()
    except UnicodeDecodeError:
        text = head.decode("latin-1")  # not as RFC 3261 §7.3.1 wants it, but old phones do
    lines = text.split("\r\n")
    if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1:
        raise SipParseError("Bare CR or LF in the headers")
    if "\r\n " in text or "\r\n\t" in text:
        lines = _FOLD.sub(" ", text).split("\r\n")
    headers = Headers()
    start = lines.pop(0)
    fault = headers.read(lines)
    if start[:4].upper() == "SIP/":
        return _response(start, headers, fault)
    return _request(start, headers, fault)


def _response(start: str, headers: Headers, fault: str) -> Response:
    match = _STATUS_LINE.fullmatch(start)
    fault = fault or ("" if match else "Malformed status line") or _fault(headers, "")
    if match is None or fault:
        raise SipParseError(fault)
    if match[1].upper() != "SIP/2.0":
        raise SipParseError("Version not supported")
    return Response(int(match[2]), match[3] or "", headers)


def _request(start: str, headers: Headers, fault: str) -> Request:
    match = _REQUEST_LINE.fullmatch(start)
    method, uri, version = match.groups() if match else (start.partition(" ")[0], "", "SIP/2.0")
    request = Request(method, uri, headers)
    if version.upper() != "SIP/2.0":
        raise SipParseError("Version not supported", _answerable(request), 505)
    if match is None:
        fault = "Malformed request line"
    fault = fault or _fault(headers, method)
    if not fault:
        try:
            request.via  # noqa: B018  # kept for the transaction layer
            request.from_addr  # noqa: B018
            has_tag(headers.get("To"))
        except SipParseError as error:
            fault = str(error)
    if fault:
        raise SipParseError(fault, _answerable(request))
    return request


def _answerable(request: Request) -> Request | None:
    try:
        return request if request.via else None
    except SipParseError:
        return None


def _fault(headers: Headers, method: str) -> str:
    """What is wrong with the headers that every message has, or "". `method` is "" for a response."""
    for name in _ONCE:
        values = headers.get_all(name)
        if len(values) != 1 or not values[0]:
            return f"Missing {name}" if not values else f"Bad {name}"
    if not headers.get("Via"):
        return "Missing Via"
    cseq = _CSEQ.fullmatch(headers.get("CSeq"))
    if cseq is None or int(cseq[1]) >= 1 << 31 or (method and cseq[2] != method):
        return "Bad CSeq"
    lengths = headers.get_all("Content-Length")
    if lengths and (not NUMBER.fullmatch(lengths[0]) or any(text != lengths[0] for text in lengths)):
        return "Bad Content-Length"
    hops = headers.get_all("Max-Forwards")
    if hops and (len(hops) > 1 or not NUMBER.fullmatch(hops[0]) or int(hops[0]) > 255):
        return "Bad Max-Forwards"
    return ""


# -- answering ----------------------------------------------------------------------------------------------------


def received_from(request: Request, ip: str, port: int) -> None:
    """Writes the true source into the top Via: RFC 3261 §18.2.1, RFC 3581 §4. Raises SipParseError."""
    via = request.via
    wants_port = via.params.get("rport") == ""
    if not wants_port and via.host == ip and "received" not in via.params:
        return
    params = {**via.params, "received": ip}
    if wants_port:
        params["rport"] = str(port)
    request._via = top = Via(via.transport, via.host, via.port, params)
    value = request.headers.get("Via")
    if '"' in value or "," in value or "received" in via.params:
        value = ", ".join([str(top), *split_values(value)[1:]])
    else:  # the usual case, at a fifth of the cost
        value = f"{_with_port(value, port) if wants_port else value};received={ip}"
    request.headers.replace_first("Via", value)


def _with_port(via: str, port: int) -> str:
    before, plain, after = via.partition(";rport")
    if plain and (not after or after[0] == ";") and ";rport" not in after:  # as nearly everybody spells it
        return f"{before};rport={port}{after}"
    return _RPORT.sub(f";rport={port}", via)


def has_tag(address: str) -> bool:
    """Whether a From or To value has a tag. Raises SipParseError."""
    params = address_parts(address)[2]
    if not params:
        return False
    return "tag" in parse_params(params) if '"' in params else _TAG.search(params) is not None


def answer_to(
    request: Request,
    status: int,
    reason: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    to_tag: str = "",
) -> bytes:
    """The octets of a response, RFC 3261 §8.2.6.2: Via, From, To, Call-ID and CSeq are the request's; `to_tag` where To
    has none. `reason` None: the usual phrase. What the request lacks is left out. Raises UnsafeHeader.
    """
    values = request.headers.get_all
    lines = [f"SIP/2.0 {status} {REASONS.get(status, '') if reason is None else reason}"]
    lines += [f"Via: {via}" for via in values("Via")]
    lines += [f"From: {sender}" for sender in values("From")]
    for n, to in enumerate(values("To")):
        tagged = n or not (to_tag and to and status > 100) or _tagged(to)
        lines.append(f"To: {to}" if tagged else f"To: {to};tag={to_tag}")
    lines += [f"Call-ID: {call}" for call in values("Call-ID")]
    lines += [f"CSeq: {number}" for number in values("CSeq")]
    lines += [f"{name}: {value}" for name, value in headers]
    lines.append(f"Content-Length: {len(body)}")
    return _joined(lines, body)


def _tagged(to: str) -> bool:
    try:
        return has_tag(to)
    except SipParseError:
        return True  # a malformed To goes back as it came, in a 400
