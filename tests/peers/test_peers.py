"""Each peer starts, does its work and ends."""

from __future__ import annotations

import socket
import ssl
import threading
import urllib.request
from pathlib import Path

import pymysql
import pytest

from tests.peers import certificates, sipp
from tests.peers.kamailio import Kamailio
from tests.peers.kannel import Kannel
from tests.peers.mariadb import PASSWORD, USER, MariaDb
from tests.peers.ports import free_ports
from tests.peers.program import binary, wait_until
from tests.peers.smscsim import Smsc
from voipsms.config import mysql_parameters


def test_ports_differ_and_are_free() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    for port in ports:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", port))


def test_missing_program_is_an_error() -> None:
    with pytest.raises(FileNotFoundError, match="install-debian"):
        binary("no-such-program")


def _one(url: str, statement: str) -> object:
    with pymysql.connect(**mysql_parameters(url)) as connection, connection.cursor() as cursor:  # type: ignore[call-overload]
        cursor.execute(statement)
        return cursor.fetchone()[0]


def test_mariadb_gives_an_empty_database(mysql_url: str) -> None:
    assert mysql_url.startswith(f"mysql://{USER}:{PASSWORD}@127.0.0.1:")
    assert _one(mysql_url, "SELECT count(*) FROM information_schema.tables WHERE table_schema = database()") == 0


def test_mariadb_keeps_what_it_has_when_killed(mariadb: MariaDb, mysql_url: str) -> None:
    _one(mysql_url, "SELECT 1")
    mariadb.execute(f"CREATE TABLE {mysql_url.rpartition('/')[2]}.t AS SELECT 7 AS n")
    mariadb.kill()
    with pytest.raises(pymysql.err.OperationalError):
        _one(mysql_url, "SELECT 1")
    mariadb.start()
    assert _one(mysql_url, "SELECT n FROM t") == 7


def test_mariadb_paused_is_silent(mariadb: MariaDb, mysql_url: str) -> None:
    mariadb.pause()
    try:
        with pytest.raises(pymysql.err.OperationalError):
            pymysql.connect(read_timeout=1, connect_timeout=1, **mysql_parameters(mysql_url))  # type: ignore[call-overload]
    finally:
        mariadb.resume()
    assert _one(mysql_url, "SELECT 1") == 1


def test_certificates_are_trusted_through_their_authority(tmp_path: Path) -> None:
    ca = certificates.authority(tmp_path)
    own = certificates.server(tmp_path, ca)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.certificate, own.key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with context.wrap_socket(connection, server_side=True) as secured:
                secured.sendall(b"hello")

        thread = threading.Thread(target=answer)
        thread.start()
        trust = ssl.create_default_context(cafile=str(ca.certificate))
        with (
            socket.create_connection(listener.getsockname()) as plain,
            trust.wrap_socket(plain, server_hostname="localhost") as secured,
        ):
            assert secured.recv(5) == b"hello"
        thread.join()


def test_kannel_sends_through_the_smsc(tmp_path: Path) -> None:
    with Smsc(tmp_path) as smsc, Kannel(tmp_path, smsc.port) as kannel:
        query = "username=bench&password=bench&from=36201234567&to=36301234567&text=hello&dlr-mask=3"
        with urllib.request.urlopen(f"http://127.0.0.1:{kannel.http_port}/cgi-bin/sendsms?{query}") as answer:
            assert answer.status == 202
        smsc.settled(1, 10)
        assert kannel.counts() == {
            "sms_received": 0, "sms_sent": 1, "dlr_received": 1, "dlr_sent": 0, "store_size": 0,
        }  # fmt: skip
        assert kannel.cpu_seconds() > 0


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_sipp_sends_and_answers(transport: str, tmp_path: Path) -> None:
    with sipp.Answerer(tmp_path, 202, transport) as peer:
        rows = [("36301234567", "36201234567", "Árvíztűrő"), ("36301234568", "36201234567", "two")]
        sent = sipp.send(tmp_path, peer.port, "message", rows, transport=transport)
        assert (sent.successful, sent.failed) == (2, 0)
        wait_until(lambda: len(peer.received()) == 2, "both texts logged")
        assert [text for _, text in peer.received()] == ["Árvíztűrő", "two"]


def test_sipp_tells_another_answer(tmp_path: Path) -> None:
    with sipp.Answerer(tmp_path, 402) as peer:
        sent = sipp.send(tmp_path, peer.port, "message", sipp.messages(3))
        assert (sent.successful, sent.failed) == (0, 3)


USERS = {"alice": "secret-a", "36201234567": "secret-b"}


def test_kamailio_carries_messages_to_phones_and_to_the_gateway(tmp_path: Path) -> None:
    own = sipp.credentials("36201234567", USERS["36201234567"])
    with (
        sipp.Answerer(tmp_path, 202) as gateway,
        sipp.Answerer(tmp_path, 200) as phone,
        Kamailio(tmp_path, [gateway.port], USERS) as proxy,
    ):
        phone.register(proxy.port, "alice", USERS["alice"])
        rows = [(target, sender, text, own) for target, sender, text in sipp.messages(5)]
        assert sipp.send(tmp_path, proxy.port, "message-digest", rows, challenge=407).successful == 5
        inner = [("alice", "36201234567", "Hi", own)]
        assert sipp.send(tmp_path, proxy.port, "message-digest", inner, expect=200, challenge=407).successful == 1
        wait_until(lambda: len(gateway.received()) == 5 and len(phone.received()) == 1, "all texts logged")
        assert gateway.received() == [("<sip:36201234567@127.0.0.1>", f"Message {n}") for n in range(5)]
        assert phone.received() == [("", "Hi")]


def test_kamailio_asks_for_credentials(tmp_path: Path) -> None:
    with sipp.Answerer(tmp_path, 202) as gateway, Kamailio(tmp_path, [gateway.port], USERS) as proxy:
        rows = [("36301234567", "36201234567", "stolen", sipp.credentials("36201234567", "wrong"))]
        assert sipp.send(tmp_path, proxy.port, "message-digest", rows, expect=407, challenge=407).successful == 1
        assert gateway.received() == []


def test_kamailio_turns_to_the_next_gateway(tmp_path: Path) -> None:
    own = sipp.credentials("36201234567", USERS["36201234567"])
    with (
        sipp.Answerer(tmp_path, 503) as draining,
        sipp.Answerer(tmp_path, 202) as usable,
        Kamailio(tmp_path, [draining.port, usable.port], USERS) as proxy,
    ):
        rows = [(target, sender, text, own) for target, sender, text in sipp.messages(6)]
        assert sipp.send(tmp_path, proxy.port, "message-digest", rows, challenge=407).successful == 6
        wait_until(lambda: len(usable.received()) == 6, "all texts logged")
        assert len(draining.received()) == 3  # its turn every other time
