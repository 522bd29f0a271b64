"""SIP messages of the tests, written line by line."""

from __future__ import annotations

TYPICAL = (
    "MESSAGE sip:+36201234567@gw.example.com;user=phone SIP/2.0",
    "Via: SIP/2.0/UDP 10.0.0.5:5070;branch=z9hG4bK776asdhds;rport",
    "Max-Forwards: 70",
    'From: "Alice" <sip:alice@example.com>;tag=49583',
    "To: <sip:+36201234567@gw.example.com>",
    "Call-ID: asd88asd77a@1.2.3.4",
    "CSeq: 1 MESSAGE",
    "P-Asserted-Identity: <sip:alice@example.com>",
    "User-Agent: Phone 1.0",
    "Allow: INVITE, ACK, BYE, MESSAGE",
    "Date: Sat, 13 Nov 2010 23:29:00 GMT",
    "Content-Type: text/plain;charset=UTF-8",
    "Content-Length: 160",
)


def octets(*lines: str, body: bytes = b"") -> bytes:
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


TYPICAL_OCTETS = octets(*TYPICAL, body=b"x" * 160)


def changed(start: str = "", body: bytes = b"", **fields: str | None) -> bytes:
    """A small MESSAGE with lines changed or added; None leaves one out. `from_` stands for From."""
    base = {
        "via": "SIP/2.0/UDP 10.0.0.5:5070;branch=z9hG4bK1",
        "from_": "<sip:alice@example.com>;tag=1",
        "to": "<sip:bob@example.com>",
        "call_id": "c1",
        "cseq": "1 MESSAGE",
        "content_length": str(len(body)),
    }
    base |= {name: value for name, value in fields.items() if value is not None}
    lines = [f"{n.rstrip('_').replace('_', '-')}: {v}" for n, v in base.items() if fields.get(n, "") is not None]
    return octets(start or "MESSAGE sip:bob@example.com SIP/2.0", *lines, body=body)
