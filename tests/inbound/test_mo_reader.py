"""A mo.log in a folder and on a real FTP server; what is taken goes into a real store, as each process has it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from hashlib import blake2b
from pathlib import Path

import pytest

from tests.inbound.test_mo_files import url
from tests.peers.ftp_server import PASSWORD, FtpServer
from tests.store.diary import keeping, until
from tests.store.rig import House
from voipsms import metrics
from voipsms.errors import StoreError
from voipsms.gateway_settings import GatewaySettings
from voipsms.inbound import mo_reader
from voipsms.inbound.mo_reader import MoReader
from voipsms.model import Inbound, Millis
from voipsms.store.entries import Receive, Received
from voipsms.store.journal import Journal
from voipsms.store.reader import Reader
from voipsms.store.sqlite import SqliteEngine


def line(text: str, at: str = "12:26:18") -> str:
    return f"2005-01-06 {at} 279991235642\t27123456789\t{text}\n"


class Process:
    """One of several that read the same log. `texts`: those that were new to the store; `calls`: all."""

    def __init__(self, house: House, journal: Journal, reader: Reader, where: str) -> None:
        self.texts: list[str] = []
        self.calls = 0
        self.fails = 0  # so many next texts can't be stored
        self.heard = asyncio.Event()
        self._journal = journal
        settings = GatewaySettings(name="acme", inbound_log=where)
        self.log = MoReader(house.gateway(), settings, self.take, reader, journal)

    async def take(self, inbound: Inbound) -> None:
        self.calls += 1
        if self.fails:
            self.fails -= 1
            raise StoreError("out of reach")
        key = blake2b(inbound.provider_id.encode(), digest_size=16).digest()
        received: Received = await self._journal.append(Receive(inbound, Millis(1000), key, "log"))
        if received.fresh:
            self.texts.append(inbound.text)
            self.heard.set()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(SqliteEngine(tmp_path / "voipsms.db", 1.0))
    yield house
    house.db.close()


@pytest.fixture
def reader(house: House) -> Iterator[Reader]:
    reader = Reader(house.engine)
    yield reader
    reader.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


@pytest.fixture(params=["folder", "ftp"])
def where(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    if request.param == "folder":
        yield str(folder)
        return
    with FtpServer(folder) as server:
        yield url(server)


def append(folder: Path, *lines: str) -> None:
    with (folder / "mo.log").open("a", newline="") as file:
        file.writelines(lines)


async def test_each_line_is_taken_once_across_restarts(house: House, reader: Reader, folder: Path, where: str) -> None:
    async with keeping(house) as (journal, _):
        first = Process(house, journal, reader, where)
        assert await first.log.look() == 0
        append(folder, line("a"), line("b"), line("b"), line("half")[:-1])
        assert await first.log.look() == 3
        assert first.texts == ["a", "b", "b"]
        append(folder, "\n", line("c"))
        second = Process(house, journal, reader, where)
        assert await second.log.look() == 2
        assert await first.log.look() == 0
        assert second.texts == ["half", "c"]
    assert len(house.rows("SELECT id FROM tb_inbound")) == 5


async def test_two_processes_at_once_take_each_line_once(
    house: House, reader: Reader, folder: Path, where: str
) -> None:
    texts = [f"text {n}" for n in range(500)]
    append(folder, *map(line, texts))
    async with keeping(house) as (journal, _):
        both = [Process(house, journal, reader, where) for _ in range(2)]
        await asyncio.gather(*(one.log.look() for one in both))
        assert sorted(both[0].texts + both[1].texts) == sorted(texts)
        assert [await one.log.look() for one in both] == [0, 0]


async def test_what_could_not_be_stored_comes_again(house: House, reader: Reader, folder: Path, where: str) -> None:
    append(folder, line("a"), line("b"), line("c"))
    async with keeping(house) as (journal, _):
        process = Process(house, journal, reader, where)
        process.fails = 1
        with pytest.raises(StoreError):
            await process.log.look()
        await process.log.look()
        assert sorted(process.texts) == ["a", "b", "c"]


async def test_bad_lines_are_counted_and_skipped(house: House, reader: Reader, folder: Path, where: str) -> None:
    append(folder, "garbage\n", line("a"), line("b").replace("27123456789", "x"), "\n", line("c"))
    before = _counted()
    async with keeping(house) as (journal, _):
        process = Process(house, journal, reader, where)
        await process.log.look()
        assert process.texts == ["a", "c"]
    assert _counted() == before + 3


def _counted() -> float:
    return metrics.registry.get_sample_value("voipsms_malformed_total", {"door": "mo_log"}) or 0.0


async def test_a_rotated_log_is_read_to_its_end(house: House, reader: Reader, folder: Path, where: str) -> None:
    async with keeping(house) as (journal, _):
        process = Process(house, journal, reader, where)
        append(folder, line("a"))
        await process.log.look()
        append(folder, line("b"))
        (folder / "mo.log").rename(folder / "mo.log.1")
        append(folder, line("c", "12:27:18"))
        await process.log.look()
        assert process.texts == ["a", "b", "c"]


async def test_a_log_of_many_pieces(house: House, reader: Reader, folder: Path, where: str) -> None:
    append(folder, *(line(f"{n} " + "x" * 1000) for n in range(600)))
    async with keeping(house) as (journal, _):
        process = Process(house, journal, reader, where)
        assert await process.log.look() == 600
        assert [text.split()[0] for text in process.texts] == [str(n) for n in range(600)]


@asynccontextmanager
async def running(process: Process) -> AsyncIterator[None]:
    task = asyncio.create_task(process.log.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_it_goes_on_when_the_server_is_back(
    house: House, reader: Reader, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(mo_reader, "EVERY_FTP", 0.01)
    append(folder, line("a"))
    server = FtpServer(folder)
    with server:
        where = url(server)
    told = ""

    def complains() -> bool:
        nonlocal told
        told += capfd.readouterr().err
        return "can't be read" in told

    async with keeping(house) as (journal, _):
        process = Process(house, journal, reader, where)
        async with running(process):
            await until(complains, "a warning")
            with server:
                await asyncio.wait_for(process.heard.wait(), 10)
        assert process.texts == ["a"]
    assert PASSWORD not in told + capfd.readouterr().err


async def test_it_runs(house: House, reader: Reader, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mo_reader, "EVERY", 0.01)
    async with keeping(house) as (journal, _):
        process = Process(house, journal, reader, str(folder))
        async with running(process):
            append(folder, line("a"))
            await asyncio.wait_for(process.heard.wait(), 10)
        assert process.texts == ["a"]
