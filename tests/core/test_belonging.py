"""Whose a text from a phone is: the number's owner, whom it names, who wrote to that phone; on a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.core.house import NUMBER, House, house
from tests.core.stage import Carrier
from tests.core.world import MOBILE
from voipsms.automatic import Automatic
from voipsms.belonging import MOST_AT_ONCE, Belonging
from voipsms.errors import StoreError
from voipsms.model import (
    Belongs,
    GatewayId,
    Incoming,
    MessageId,
    Micros,
    Millis,
    Msisdn,
    Part,
    State,
    Submission,
    Submitted,
    UserType,
)
from voipsms.numbers_book import Tagged
from voipsms.settings import GlobalSettings
from voipsms.store.accounts import NewUser, add_user
from voipsms.store.ids import now_millis
from voipsms.store.numbers import NewNumber, add_number
from voipsms.store.reach import change_reach
from voipsms.store.reader import Reader
from voipsms.store.sqlite import SqliteEngine

OURS = Msisdn("36209999999")  # a gateway's number, which is no user's
CONFLICT = GlobalSettings().smsreceive_conflict
PEOPLE = ("bob", "carol", "Dave")


def taken(part: Part) -> Submitted:
    return Submitted(f"p{part.message.id}", State.ACCEPTED)


@asynccontextmanager
async def place(folder: Path, settings: GlobalSettings | None = None) -> AsyncIterator[tuple[House, Belonging]]:
    """Besides alice there are PEOPLE and the operator's own account, `admin`; carol reads mail at carol@example.com."""
    settings = settings or GlobalSettings()
    async with house(folder, Carrier(taken, room=100)) as at:
        with at.db.transaction():
            for name in PEOPLE:
                add_user(at.db, at.ids, NewUser(name, UserType.ENDUSER, "EUR"), Micros(1_000_000))
            add_user(at.db, at.ids, NewUser("admin", UserType.ADMIN, "EUR"))
            change_reach(at.db, "carol", {"mail": "Carol@example.com"})
        await at.accounts.refresh()
        reader = Reader(SqliteEngine(folder / "house.db", 0.2))
        automatic = Automatic(at.intake, at.directory, lambda: settings)
        try:
            yield at, Belonging(at.directory, reader, at.journal.run, lambda: settings, automatic)
        finally:
            reader.close()


def incoming(text: str = "Hello", *, source: str = MOBILE, target: str = OURS, created: int = 0) -> Incoming:
    at = Millis(created or now_millis())
    return Incoming(MessageId(at), at, GatewayId(1), Msisdn(source), Msisdn(target), text)


async def write(at: House, *users: str, target: str = MOBILE) -> None:
    for user in users:
        await at.intake.submit(Submission("test", (user,), NUMBER, target, "Hi"))


def told(at: House) -> list[tuple[str, str, str]]:
    """What phones were told automatically: (sender, target, account)."""
    names = {account.id: account.name for account in at.directory.by_id.values()}
    rows = at.rows("tb_messages", "id, door, sender, target, user_id, text")
    assert all(text == CONFLICT for _, door, *_, text in rows if door == "auto")
    return [(sender, target, names[user]) for _, door, sender, target, user, _ in rows if door == "auto"]


def name_of(at: House, found: Belongs) -> str | None:
    return at.directory.by_id[found.user_id].name if found.user_id else None


async def test_the_number_s_owner_comes_first(tmp_path: Path) -> None:
    async with place(tmp_path) as (at, belonging):
        await write(at, "bob")
        found = await belonging.whose(incoming("#carol# Hello", target=NUMBER))
        assert (name_of(at, found), found.number) == ("alice", NUMBER)


async def test_a_range_and_a_keyword_of_which_a_command_tells(tmp_path: Path) -> None:
    async with place(tmp_path) as (at, belonging):
        with at.db.transaction():
            add_number(at.db, "bob", NewNumber(Tagged(Msisdn("447771234567"), 2), callback=True))
            add_number(at.db, "Dave", NewNumber(Tagged(Msisdn("1234")), keyword="fun"))
        await at.accounts.refresh()
        found = await belonging.whose(incoming(target="44777123456701"))
        assert (name_of(at, found), found.number, found.callback) == ("bob", "447771234567[0-99]", True)
        shared = await belonging.whose(incoming("Fun please", target="1234"))
        assert (name_of(at, shared), shared.keyword) == ("Dave", "fun")
        assert await belonging.whose(incoming("What?", target="1234")) == Belongs(None, "1234")


NAMED: dict[str, tuple[str, str | None]] = {
    "a name": ("#bob# Hello world", "bob"),
    "anywhere": ("Hello #bob# world", "bob"),
    "in another case": ("#BOB#", "bob"),
    "a name in another case": ("#dave#", "Dave"),
    "a mail address": ("#carol@example.com# Hello", "carol"),
    "a mail address in another case": ("#CAROL@Example.COM# Hello", "carol"),
    "what stands before the @": ("#bob@elsewhere.example# Hello", "bob"),
    "the first that there is": ("#1 #nobody# #carol# #bob#", "carol"),
    "marks that share a #": ("#nobody#carol#", "carol"),
    "somebody else's address": ("#mallory@elsewhere.example# Hello", None),
    "not closed": ("#bob Hello", None),
    "blanks": ("#bob # # #", None),
    "empty": ("##", None),
    "a gateway": ("#carrier#", None),
    "many": ("#" * 5000, None),
    "long": ("#" + "b" * 200 + "#", None),
    "a header": ("#bob\r\nBcc:x@y.example#", None),
}


@pytest.mark.parametrize(("text", "expected"), NAMED.values(), ids=NAMED)
async def test_named(tmp_path: Path, text: str, expected: str | None) -> None:
    async with place(tmp_path) as (at, belonging):
        found = await belonging.whose(incoming(text))
        assert (name_of(at, found), found.recipient, found.number) == (expected, "", OURS)


async def test_two_accounts_of_one_name_but_for_case(tmp_path: Path) -> None:
    async with place(tmp_path) as (at, belonging):
        with at.db.transaction():
            add_user(at.db, at.ids, NewUser("BOB", UserType.ENDUSER, "EUR"))
        await at.accounts.refresh()
        assert [name_of(at, await belonging.whose(incoming(f"#{word}#"))) for word in ("bob", "BOB", "Bob")] == [
            "bob", "BOB", None,
        ]  # fmt: skip


async def test_who_wrote_to_the_phone(tmp_path: Path) -> None:
    async with place(tmp_path) as (at, belonging):
        assert await belonging.whose(incoming()) == Belongs(None, OURS)
        await write(at, "bob", "bob")
        assert name_of(at, await belonging.whose(incoming())) == "bob"
        assert await belonging.whose(incoming(source="36301110000")) == Belongs(None, OURS)
        assert told(at) == []


async def test_the_window(tmp_path: Path) -> None:
    async with place(tmp_path, GlobalSettings(smsreceive_reply=10)) as (at, belonging):
        await write(at, "bob")
        now = now_millis()
        assert name_of(at, await belonging.whose(incoming(created=now + 590_000))) == "bob"
        assert name_of(at, await belonging.whose(incoming(created=now + 610_000))) is None


async def test_no_window(tmp_path: Path) -> None:
    async with place(tmp_path, GlobalSettings(smsreceive_reply=0)) as (at, belonging):
        await write(at, "bob")
        assert await belonging.whose(incoming()) == Belongs(None, OURS)


async def test_what_the_operator_sent_is_no_rival(tmp_path: Path) -> None:
    async with place(tmp_path) as (at, belonging):
        await write(at, "admin")
        assert name_of(at, await belonging.whose(incoming())) == "admin"
        await write(at, "bob", "admin")
        assert name_of(at, await belonging.whose(incoming())) == "bob"


async def test_rivals_and_one_question_back(tmp_path: Path) -> None:
    async with place(tmp_path) as (at, belonging):
        await write(at, "bob", "carol")
        by_name = at.directory.by_name
        for _ in range(3):
            found = await belonging.whose(incoming())
            assert found == Belongs(None, OURS, rivals=(by_name["carol"].id, by_name["bob"].id))
        assert told(at) == [(OURS, MOBILE, "carol")]
        assert name_of(at, await belonging.whose(incoming("#bob# Hello"))) == "bob"
        await write(at, "bob", "carol", target="36301110000")
        await belonging.whose(incoming(source="36301110000"))
        assert len(told(at)) == 2


async def test_one_question_back_across_processes(tmp_path: Path) -> None:
    async with place(tmp_path) as (at, belonging):
        await write(at, "bob", "carol")
        reader = Reader(SqliteEngine(tmp_path / "house.db", 0.2))
        automatic = Automatic(at.intake, at.directory, GlobalSettings)
        other = Belonging(at.directory, reader, at.journal.run, GlobalSettings, automatic)
        await asyncio.gather(*(one.whose(incoming()) for one in (belonging, other) * 5))
        reader.close()
        assert len(told(at)) == 1


@pytest.mark.parametrize(
    ("settings", "text"),
    [(GlobalSettings(smsreceive_conflict=""), "Hello"), (GlobalSettings(), "Undeliverable: Hello"),
     (GlobalSettings(), f"> {CONFLICT}"), (GlobalSettings(), "Stop!")],
    ids=["no text", "a program's", "our own", "STOP"],
)  # fmt: skip
async def test_no_question_back(tmp_path: Path, settings: GlobalSettings, text: str) -> None:
    async with place(tmp_path, settings) as (at, belonging):
        await write(at, "bob", "carol")
        assert len((await belonging.whose(incoming(text))).rivals) == 2
        assert told(at) == []


async def test_many_at_once_are_few_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place(tmp_path) as (at, belonging):
        await write(at, "bob", target="36301110001")
        await write(at, "carol", target="36301110002")
        asked = 0
        run = Reader.run

        async def counted(reader: Reader, work: object) -> object:
            nonlocal asked
            asked += 1
            return await run(reader, work)  # type: ignore[arg-type]

        monkeypatch.setattr(Reader, "run", counted)
        phones = [f"3630111{n % 3:04}" for n in range(MOST_AT_ONCE + 100)]
        found = await asyncio.gather(*(belonging.whose(incoming(source=phone)) for phone in phones))
        assert {(phone, name_of(at, one)) for phone, one in zip(phones, found, strict=True)} == {
            ("36301110000", None), ("36301110001", "bob"), ("36301110002", "carol"),
        }  # fmt: skip
        assert asked <= 3


async def test_the_store_is_away(tmp_path: Path) -> None:
    async with place(tmp_path) as (at, belonging):
        at.db.script("ALTER TABLE tb_messages RENAME TO away;")
        results = await asyncio.gather(*(belonging.whose(incoming()) for _ in range(3)), return_exceptions=True)
        assert all(isinstance(result, StoreError) for result in results)
        at.db.script("ALTER TABLE away RENAME TO tb_messages;")
        assert await belonging.whose(incoming()) == Belongs(None, OURS)
