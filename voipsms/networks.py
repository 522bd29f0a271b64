"""Addresses and networks that settings name, and whether an address is in one of them."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from voipsms.ini import BadValue, words

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def read_networks(text: str) -> tuple[Network, ...]:
    """`10.0.0.5, 10.1.0.0/16`. Raises BadValue."""
    try:
        return tuple(ipaddress.ip_network(word, strict=False) for word in words(text))
    except ValueError:
        raise BadValue("must be addresses or networks, such as 10.0.0.5, 10.1.0.0/16") from None


def inside(address: str, networks: Sequence[Network]) -> bool:
    """An IPv4 address that came mapped into IPv6 is itself; what is no address is in no network."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return any((mapped or ip) in network for network in networks)
