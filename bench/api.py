"""The Mizu API: HTTP asendsms → the same SMSC, with receipts, price, ledger and CDR, durable at every OK."""

from __future__ import annotations

import re

from bench.load import Load, generate
from bench.measure import Figures, measure
from bench.ours import PACE, PACED_SECONDS, folder_of_its_own
from tests.peers.gateway import PASSWORD, Gateway
from tests.peers.smscsim import Smsc

AUTHKEY, USER = "bench-key", "bench"
CONNECTIONS = 200  # fewer wait for commits more than for the processor: measured with 100, 200 and 300
PACED_CONNECTIONS = 200


def password(messages: int) -> Figures:
    return _run("api", messages, CONNECTIONS)


def salted(messages: int) -> Figures:
    """By authmd5, as in the document's example: each request has a salt of its own, which is written down."""
    return _run("api_md5", messages, CONNECTIONS, secret=True)


def paced(_: int) -> Figures:
    """1,000 requests a second, whatever the gateway does."""
    return _run("api_paced", PACE * PACED_SECONDS, PACED_CONNECTIONS, PACE, secret=True)


def _run(name: str, messages: int, connections: int, *rate: int, secret: bool = False) -> Figures:
    with folder_of_its_own() as folder, Smsc(folder) as smsc:
        gateway = Gateway(folder, smsc.port, changes={"http": {"authkey": AUTHKEY}})
        gateway.add_user(USER, "0", "", "--type", "admin")
        proof = f"secret:{api_secret(gateway, USER)}" if secret else f"password:{PASSWORD}"

        def load(messages: int, connections: int, *rate: int) -> Load:
            return generate(
                "load_api", gateway.http_port, messages, connections, "asendsms", AUTHKEY, USER, proof, *rate
            )  # fmt: skip

        with gateway:
            measure("warm-up", smsc, gateway.cpu_seconds, lambda: load(500, 20))
            return measure(name, smsc, gateway.cpu_seconds, lambda: load(messages, connections, *rate))


def api_secret(gateway: Gateway, user: str) -> str:
    """A new one."""
    found = re.search(r"API secret (\w+)", gateway.command("user", "secret", user))
    assert found is not None
    return found[1]


MEASUREMENTS = {"api": password, "api_md5": salted, "api_paced": paced}
