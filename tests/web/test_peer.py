from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipsms.networks import read_networks
from voipsms.web.peer import MOST_HOPS, address_of

PROXIES = read_networks("10.0.0.0/8, 2001:db8:ffff::/48")


def scope(client: str, *forwarded: str) -> dict[str, object]:
    return {
        "client": (client, 4711) if client else None,
        "headers": [(b"host", b"x"), *((b"x-forwarded-for", value.encode()) for value in forwarded)],
    }


@pytest.mark.parametrize(
    "client, forwarded, address",
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("::ffff:203.0.113.9", [], "203.0.113.9"),
        ("", ["198.51.100.7"], ""),
        ("203.0.113.9", ["198.51.100.7"], "203.0.113.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("::ffff:10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["192.0.2.1, 198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["198.51.100.7, 10.0.0.2"], "198.51.100.7"),
        ("10.0.0.1", ["192.0.2.1", "198.51.100.7, 10.0.0.2", "10.0.0.3"], "198.51.100.7"),
        ("10.0.0.1", ["198.51.100.7:4711"], "198.51.100.7"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("2001:db8:ffff::1", ["2001:db8::1"], "2001:db8::1"),
        ("10.0.0.1", ["10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7, <script>"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7" + ", 10.0.0.2" * MOST_HOPS], "10.0.0.2"),
    ],
    ids=[
        "direct", "mapped", "no client", "forged without a proxy", "a proxy itself", "by a proxy", "by a mapped proxy",
        "forged before the proxy", "two proxies", "three headers", "with a port", "IPv6 with a port", "IPv6 proxy",
        "from a proxy", "no address", "no address after one", "empty", "more hops than are looked at",
    ],
)  # fmt: skip
def test_address_of(client: str, forwarded: list[str], address: str) -> None:
    assert address_of(scope(client, *forwarded), PROXIES) == address


@given(st.lists(st.text(max_size=40), max_size=3))
def test_anything_forwarded_is_an_address_or_the_proxy(values: list[str]) -> None:
    found = address_of(scope("10.0.0.1", *values), PROXIES)
    assert address_of(scope(found), ()) == found
