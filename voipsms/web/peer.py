"""Who a request is from."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any, Final

from voipsms.networks import Network, inside

MOST_HOPS: Final = 20  # names of X-Forwarded-For that are looked at, the nearest ones
_HEADER: Final = b"x-forwarded-for"


def address_of(scope: Mapping[str, Any], proxies: Sequence[Network]) -> str:
    """The address that an ASGI request came from, an IPv4 one as itself; empty: not known.

    X-Forwarded-For is believed as far as `proxies` have written it: from the right, up to the first address that is
    none of them. What stands before that may be anybody's invention. An entry that is no address ends it, too: then
    it is the proxy's own address that counts.
    """
    address = _plain(scope["client"][0]) if scope.get("client") else ""
    if not inside(address, proxies):
        return address
    told = b",".join(value for name, value in scope["headers"] if name == _HEADER).decode("latin-1")
    for hop in reversed(told.rsplit(",", MOST_HOPS)[-MOST_HOPS:]):
        if not (before := _plain(hop)):
            break
        address = before
        if not inside(address, proxies):
            break
    return address


def _plain(text: str) -> str:
    """`203.0.113.9`, `203.0.113.9:4711`, `[2001:db8::1]:4711` → the address alone; empty where it is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        ip = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return str(mapped or ip)
