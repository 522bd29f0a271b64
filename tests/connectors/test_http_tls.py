from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.connectors.http_rig import Connect, closed_port, submit
from tests.connectors.provider import Provider
from tests.peers import certificates
from tests.peers.certificates import Certificate
from tests.peers.http_provider import HttpProvider
from tests.peers.program import binary
from tests.peers.proxy import PASSWORD, USER, HttpProxy
from voipsms.errors import ConfigError, GatewayDown, OutcomeUnknown

CREDENTIALS = "proxy%20user:p%3Aroxy%40%C3%9F"


@dataclass(frozen=True, slots=True)
class Pki:
    """Files in one folder: who vouches, for the server and for us; a stranger that nobody vouches for."""

    folder: Path
    ca: Certificate
    server: Certificate
    client: Certificate
    stranger: Certificate


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    folder = tmp_path_factory.mktemp("pki")
    ca, other = certificates.authority(folder), certificates.authority(folder, "other")
    names = ("localhost", "client")
    server, client = (certificates.server(folder, ca, name) for name in names)
    both = client.certificate.read_text() + client.key.read_text()
    (folder / "both.pem").write_text(both)
    locked = folder / "locked.key"
    words = ("pkcs8", "-topk8", "-in", client.key, "-passout", "pass:hush", "-out", locked)
    subprocess.run([binary("openssl"), *map(str, words)], check=True, capture_output=True)
    return Pki(folder, ca, server, client, certificates.server(folder, other, "stranger"))


def server_context(pki: Pki, *, demanding: bool, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=pki.ca.certificate)
    context.load_cert_chain(pki.server.certificate, pki.server.key)
    context.maximum_version = version
    if demanding:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def demanding(pki: Pki, request: pytest.FixtureRequest) -> Iterator[HttpProvider]:
    """Asks for a client certificate."""
    with HttpProvider(tls=server_context(pki, demanding=True, version=request.param)) as started:
        yield started


@pytest.fixture
async def secure(pki: Pki) -> AsyncIterator[Provider]:
    started = Provider()
    await started.start(server_context(pki, demanding=False, version=ssl.TLSVersion.TLSv1_3))
    yield started
    await started.stop()


def https(provider: Provider | HttpProvider) -> str:
    return f"https://127.0.0.1:{provider.port}/ok"


# -- whom we believe ----------------------------------------------------------------------------------------------


async def test_the_system_s_authorities(
    pki: Pki, secure: Provider, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(pki.ca.certificate))
    connector = connect(https(secure))
    await connector.probe()
    assert await submit(connector)


async def test_an_authority_of_our_own_by_a_relative_path(pki: Pki, secure: Provider, connect: Connect) -> None:
    connector = connect(https(secure), ca="ca.pem", options={"folder": pki.folder})
    await connector.probe()
    assert await submit(connector)


@pytest.mark.parametrize("ca", ["", "other.pem"], ids=["the system's", "another"])
async def test_nothing_is_sent_to_a_server_that_nobody_vouches_for(
    pki: Pki, secure: Provider, connect: Connect, ca: str
) -> None:
    connector = connect(https(secure), ca=ca, options={"folder": pki.folder})
    for attempt in (connector.probe(), submit(connector)):
        with pytest.raises(GatewayDown, match="certificate verify failed"):
            await attempt
    assert secure.requests == []
    assert not connector.ready


async def test_any_server_is_believed_where_that_is_wanted(secure: Provider, connect: Connect) -> None:
    connector = connect(https(secure), verify_tls=False)
    await connector.probe()
    assert await submit(connector)


# -- what we show -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "certificate, key", [("client.pem", "client.key"), ("both.pem", "")], ids=["two files", "one file"]
)
async def test_our_certificate(pki: Pki, demanding: HttpProvider, connect: Connect, certificate: str, key: str) -> None:
    connector = connect(
        https(demanding), ca="ca.pem", certificate=certificate, certificatekey=key, options={"folder": pki.folder}
    )
    await connector.probe()
    assert await submit(connector)


@pytest.mark.parametrize("body", ["", "to=[tonum]"], ids=["GET", "POST"])
@pytest.mark.parametrize("name", ["", "stranger"], ids=["none", "a stranger's"])
async def test_a_server_that_doesn_t_accept_us_gets_nothing(
    pki: Pki, demanding: HttpProvider, connect: Connect, name: str, body: str
) -> None:
    files: dict[str, Any] = {"certificate": f"{name}.pem", "certificatekey": f"{name}.key"} if name else {}
    connector = connect(
        https(demanding), ca="ca.pem", smssenddata=body, options={"folder": pki.folder}, **files
    )  # fmt: skip
    for attempt in (connector.probe(), submit(connector)):
        with pytest.raises(GatewayDown):
            await attempt
    assert demanding.requests == []


async def test_a_server_that_leaves_without_a_word(pki: Pki, connect: Connect) -> None:
    """As asyncio's own does with TLS 1.3: a look at it tells, a request that has left doesn't."""
    silent = Provider()
    await silent.start(server_context(pki, demanding=True, version=ssl.TLSVersion.TLSv1_3))
    connector = connect(https(silent), ca="ca.pem", options={"folder": pki.folder})
    with pytest.raises(GatewayDown, match=r"our certificate\?"):
        await connector.probe()
    with pytest.raises(OutcomeUnknown):
        await submit(connector)
    assert silent.requests == []
    await silent.stop()


@pytest.mark.parametrize(
    "fields, right",
    [
        ({"certificate": "nothing.pem"}, r"certificate: \S+nothing\.pem: there is no such file"),
        ({"certificate": "client.pem", "certificatekey": "nothing.key"},
         r"certificatekey: \S+nothing\.key: there is no such file"),
        ({"certificate": "client.pem"}, r"certificate: \S+client\.pem: must be PEM"),
        ({"certificate": "client.key", "certificatekey": "client.key"}, r"certificate: \S+ and \S+: must be PEM"),
        ({"certificate": "client.pem", "certificatekey": "localhost.key"}, r"certificate: .*\(key values mismatch\)"),
        ({"certificate": "client.pem", "certificatekey": "locked.key"}, r"certificate: .* the key without a password"),
        ({"certificatekey": "client.key"}, r"certificatekey: there must be a certificate, too"),
        ({"ca": "nothing.pem"}, r"ca: \S+nothing\.pem: No such file or directory"),
        ({"ca": "client.key"}, r"ca: \S+client\.key: must be PEM"),
        ({"proxy": "proxy.test:3128"}, r"proxy: must be http://user:password@host:port"),
        ({"proxy": "https://proxy.test:3128"}, r"proxy: must be http://user"),
        ({"proxy": "http://proxy.test:99999"}, r"proxy: must be http://user"),
        ({"proxy": "http://u:hush@proxy.test/path"}, r"proxy: must be http://user"),
        ({"proxy": "http://"}, r"proxy: must be http://user"),
    ],
)  # fmt: skip
async def test_a_bad_file_or_proxy_stops_the_start(
    pki: Pki, connect: Connect, fields: dict[str, Any], right: str
) -> None:
    with pytest.raises(ConfigError, match=r"^\[gateway:acme\] " + right) as caught:
        connect("https://a.test/", name="acme", options={"folder": pki.folder}, **fields)
    assert "hush" not in str(caught.value)


async def test_nothing_was_sent_where_the_handshake_is_cut(connect: Connect) -> None:
    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.transport.abort()

    server = await asyncio.start_server(leave, "127.0.0.1", 0)
    connector = connect(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    for attempt in (connector.probe(), submit(connector)):
        with pytest.raises(GatewayDown):
            await attempt
    server.close()
    await server.wait_closed()


# -- proxies ------------------------------------------------------------------------------------------------------


@pytest.fixture
async def proxy() -> AsyncIterator[HttpProxy]:
    started = HttpProxy()
    await started.start()
    yield started
    await started.stop()


def by(proxy: HttpProxy, credentials: str = CREDENTIALS) -> str:
    return f"http://{credentials}@127.0.0.1:{proxy.port}"


async def test_a_request_by_a_proxy(provider: Provider, proxy: HttpProxy, connect: Connect) -> None:
    connector = connect(provider.url("x/[message]/ok?t=[message]"), proxy=by(proxy))
    await connector.probe()
    assert await submit(connector, "a b/é")
    assert provider.requests[0][1] == "/x/a%20b%2F%C3%A9/ok?t=a%20b%2F%C3%A9"
    assert proxy.requests == [(f"GET {provider.url(provider.requests[0][1][1:])} HTTP/1.1", True)]
    assert "Proxy-Authorization" not in provider.requests[0][2]


async def test_a_tunnel_with_our_certificate(
    pki: Pki, demanding: HttpProvider, proxy: HttpProxy, connect: Connect
) -> None:
    connector = connect(
        https(demanding), proxy=by(proxy), ca="ca.pem", certificate="both.pem", options={"folder": pki.folder}
    )
    await connector.probe()
    for _ in range(2):
        assert await submit(connector)
    assert proxy.requests == [(f"CONNECT 127.0.0.1:{demanding.port} HTTP/1.1", True)] * 2  # one of them the probe's
    assert len(demanding.requests) == 2


async def test_a_tunnel_to_a_server_that_nobody_vouches_for(
    secure: Provider, proxy: HttpProxy, connect: Connect
) -> None:
    connector = connect(https(secure), proxy=by(proxy))
    for attempt in (connector.probe(), submit(connector)):
        with pytest.raises(GatewayDown, match="certificate verify failed"):
            await attempt
    assert secure.requests == []


@pytest.mark.parametrize("tls", [False, True], ids=["forwarded", "tunnel"])
@pytest.mark.parametrize("credentials", ["", "proxy%20user:wrong"], ids=["none", "wrong"])
async def test_a_proxy_that_wants_other_credentials(
    provider: Provider, proxy: HttpProxy, connect: Connect, credentials: str, tls: bool
) -> None:
    url = https(provider) if tls else provider.url("ok")
    with pytest.raises(GatewayDown, match="proxy") as caught:
        await submit(connect(url, proxy=by(proxy, credentials)))
    assert "wrong" not in caught.value.comment
    assert provider.requests == []


@pytest.mark.parametrize(
    "answer, why",
    [
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "the proxy answers .*403"),
        (b"", "127"),
        (b"what?\r\n\r\n", "127"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000, "127"),
        (b"HTTP/1.1 200 OK\r\n\r\nno TLS", "127"),
    ],
    ids=["refuses", "hangs up", "garbage", "endless", "no tunnel"],
)
async def test_nothing_was_sent_where_there_is_no_tunnel(
    secure: Provider, proxy: HttpProxy, connect: Connect, answer: bytes, why: str
) -> None:
    proxy.answer = answer
    connector = connect(https(secure), proxy=by(proxy), timeout=1.0)
    for attempt in (connector.probe(), submit(connector)):
        with pytest.raises(GatewayDown, match=why):
            await attempt
    assert secure.requests == []


async def test_nothing_was_sent_where_there_is_no_proxy(provider: Provider, connect: Connect) -> None:
    connector = connect(provider.url("ok"), proxy=f"http://127.0.0.1:{closed_port()}")
    for attempt in (connector.probe(), submit(connector)):
        with pytest.raises(GatewayDown, match="Connect call failed"):
            await attempt
    assert provider.requests == []


async def test_a_proxy_that_loses_the_request_leaves_the_outcome_unknown(
    provider: Provider, proxy: HttpProxy, connect: Connect
) -> None:
    proxy.answer = b""
    with pytest.raises(OutcomeUnknown):
        await submit(connect(provider.url("ok"), proxy=by(proxy)))


def test_credentials_of_the_peer_are_those_of_the_url() -> None:
    assert (USER, PASSWORD) == ("proxy user", "p:roxy@ß")
