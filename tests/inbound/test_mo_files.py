from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.peers.ftp_server import PASSWORD, USER, FtpServer
from tests.peers.ports import free_port
from voipsms.errors import ConfigError
from voipsms.inbound import mo_files
from voipsms.inbound.mo_files import Unreachable, place


def url(server: FtpServer, folder: str = "", password: str = PASSWORD) -> str:
    return f"ftp://{USER}:{quote(password, safe='')}@127.0.0.1:{server.port}/{folder}"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FtpServer]:
    with FtpServer(tmp_path) as started:
        yield started


@pytest.fixture(params=["folder", "ftp", "ftp folder"])
def files(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[mo_files.Folder | mo_files.FtpServer, Path]]:
    if request.param == "folder":
        yield place("logs", tmp_path), _made(tmp_path / "logs")
        return
    server: FtpServer = request.getfixturevalue("server")
    inside = "Jó logs/in" if request.param == "ftp folder" else ""
    yield place(url(server, quote(inside)), tmp_path), _made(tmp_path / inside)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_reading(files: tuple[mo_files.Folder | mo_files.FtpServer, Path]) -> None:
    where, folder = files
    octets = bytes(range(256)) * 4000
    (folder / "mo.log").write_bytes(octets)
    (folder / "mo.log.1").write_bytes(b"")
    with where.session() as found:
        assert set(found.names()) >= {"mo.log", "mo.log.1"}
        assert [found.size(name) for name in ("mo.log", "mo.log.1", "mo.log.2")] == [len(octets), 0, 0]
        for offset, most in ((0, 10), (5, 300_000), (5, 2_000_000), (len(octets), 10), (len(octets) + 1, 10)):
            assert found.read("mo.log", offset, most) == octets[offset : offset + most]
        assert found.read("mo.log.1", 0, 10) == found.read("mo.log.2", 0, 10) == b""


def test_a_folder_that_is_not_there_is_unreachable(server: FtpServer, tmp_path: Path) -> None:
    for where in (place("nowhere", tmp_path), place(url(server, "nowhere"), tmp_path)):
        with pytest.raises(Unreachable), where.session() as found:
            found.size("mo.log")


@pytest.mark.parametrize("command, answer", [("RETR", "451 Local error"), ("SIZE", "421 Closing"), ("PASS", "530 No")])
def test_what_the_server_says_is_told_without_the_password(server: FtpServer, command: str, answer: str) -> None:
    (server.folder / "mo.log").write_bytes(b"x\n")
    server.refuse[command] = answer
    with pytest.raises(Unreachable) as caught, place(url(server), server.folder).session() as found:
        found.read("mo.log", 0, 10)
    assert answer in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_no_server(tmp_path: Path) -> None:
    where = place(f"ftp://user:secret@127.0.0.1:{free_port()}/", tmp_path)
    with pytest.raises(Unreachable) as caught, where.session():
        pass
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["ftp://", "ftp://:21/", "http://host/x", "ftp://host:port/", "ftp://host/a%0d%0aDELE%20x", "ftp://u%0a:p@host/",
     "ftp://[host/"],
)  # fmt: skip
def test_what_is_no_place(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="inbound_log"):
        place(text, tmp_path)
