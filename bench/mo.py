"""Texts from phones: SMPP deliver_sm → SIP MESSAGE, or → HTTP, and Kannel's deliver_sm → HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from bench.load import Load, generate
from bench.load_mo import USERS, number_of
from bench.measure import Figures
from bench.ours import folder_of_its_own
from tests.peers.gateway import Changes, Gateway
from tests.peers.kannel import Kannel
from tests.peers.ports import free_ports


@contextmanager
def _loading(*words: object) -> Iterator[Future[Load]]:
    """It begins a while after a gateway has bound, which waits for it to be there."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(generate, "load_mo", *words)


def _measured(name: str, gateway: Gateway | Kannel, loading: Future[Load]) -> Figures:
    before = gateway.cpu_seconds()
    done = loading.result()
    spent = gateway.cpu_seconds() - before
    return Figures(
        name=name, messages=done.accepted, rate=done.accepted / (done.ended - done.started),
        cpu_us=spent / done.accepted * 1e6, load_us=done.cpu_seconds / done.accepted * 1e6,
        p50_ms=done.p50_ms, p99_ms=done.p99_ms, answers=done.answers,
    )  # fmt: skip


def _add_users(gateway: Gateway, *reach: str) -> None:
    for user in range(USERS):
        gateway.add_user(f"user{user}", number=number_of(user))
        if reach:
            gateway.command("user", "reach", f"user{user}", *reach)


def chat(messages: int) -> Figures:
    smsc_port, sink_port = free_ports(2)
    changes: Changes = {"global": {"smsreceive_route": 1}, "sip": {"outbound": f"sip:127.0.0.1:{sink_port}"}}
    with folder_of_its_own() as folder:
        gateway = Gateway(folder, smsc_port, changes=changes)
        _add_users(gateway)
        with _loading(smsc_port, sink_port, messages, "sip") as loading, gateway:
            return _measured("mo_chat", gateway, loading)


def webhook(messages: int) -> Figures:
    smsc_port, sink_port = free_ports(2)
    with folder_of_its_own() as folder:
        gateway = Gateway(folder, smsc_port)
        _add_users(gateway, "--hook", f"http://127.0.0.1:{sink_port}/")
        with _loading(smsc_port, sink_port, messages, "http") as loading, gateway:
            return _measured("mo_webhook", gateway, loading)


def kannel(messages: int) -> Figures:
    """Its smsbox asks a URL for each text."""
    smsc_port, sink_port = free_ports(2)
    url = f"http://127.0.0.1:{sink_port}/?text=%a"
    with (
        folder_of_its_own() as folder,
        _loading(smsc_port, sink_port, messages, "http") as loading,
        Kannel(folder, smsc_port, get_url=url) as gateway,
    ):
        return _measured("kannel_mo", gateway, loading)


MEASUREMENTS = {"kannel_mo": kannel, "mo_chat": chat, "mo_webhook": webhook}
