from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from voipsms import proving
from voipsms.directory import Account, Directory
from voipsms.errors import Unavailable, UserInactive
from voipsms.networks import read_networks
from voipsms.passwords import hash_password, verify_password
from voipsms.settings import HttpSettings
from voipsms.store.api_keys import hashed
from voipsms.values import replace
from voipsms.web import access, lockouts
from voipsms.web.access import Access, Credentials, Denied, LockedOut, NotAllowed
from voipsms.web.lockouts import Lockouts

HOME, AWAY = "192.0.2.1", "198.51.100.9"
ATTEMPTS, LOCKOUT = 3, 60.0
SECRET, PASSWORD = "5ec2e7", "päss:word"
SETTINGS = HttpSettings(authkey="server-key", attempts=ATTEMPTS, lockout=LOCKOUT, allow=read_networks("192.0.2.0/24"))
GOOD = Credentials(authkey="server-key", authid="alice", authpwd=PASSWORD)


def row(number: int, name: str, kind: str = "enduser", enabled: int = 1) -> tuple[object, ...]:
    return number, name, kind, "", "", enabled, 1_000_000, 0, "USD"


@pytest.fixture(scope="module")
def stored() -> str:
    return hash_password(PASSWORD)


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Door:
    access: Access
    directory: Directory
    clock: Clock

    def load(self, password: str, secret: str = SECRET, enabled: int = 1) -> None:
        users = [row(1, "alice", enabled=enabled), row(2, "root", "admin"), row(3, "bare")]
        keys = [(1, password, secret, hashed("alice-key")), (2, password, secret, hashed("root-key"))]
        self.directory.load(users, [], [], api_keys=keys)

    async def asks(self, given: Credentials, address: str = HOME) -> str:
        """The account's name, or the refusal's code."""
        try:
            return (await self.access.prove(given, address)).account.name
        except Denied as denied:
            return denied.code

    def bears(self, token: str, address: str = HOME) -> str:
        try:
            return self.access.bearer(token, address).name
        except Denied as denied:
            return denied.code


@pytest.fixture
def door(stored: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    monkeypatch.setattr(access, "PENALTY", 0.0)
    directory, clock = Directory(), Clock()
    found = Door(Access(directory, SETTINGS, clock), directory, clock)
    found.load(stored)
    yield found
    found.access.close()


def signed(
    authid: str = "alice", authsalt: str = "s1", secret: str = SECRET, authkey: str = "server-key"
) -> Credentials:
    words = f"{authid}:{authkey}:{secret}:{authsalt}"
    return Credentials(
        authkey=authkey, authid=authid, authsalt=authsalt, authmd5=hashlib.md5(words.encode()).hexdigest()
    )


@pytest.mark.parametrize(
    "given, answer",
    [
        (GOOD, "alice"),
        (signed(), "alice"),
        (replace(signed(), authmd5=signed().authmd5.upper()), "alice"),
        (replace(signed(), authpwd="wrong"), "alice"),
        (Credentials(), "denied"),
        (replace(GOOD, authkey=""), "denied"),
        (replace(GOOD, authkey="server-keY"), "denied"),
        (replace(GOOD, authkey="schlüssel"), "denied"),
        (replace(GOOD, authid="bob"), "denied"),
        (replace(GOOD, authid="bare"), "denied"),
        (replace(GOOD, authpwd="wrong"), "denied"),
        (replace(GOOD, authpwd=""), "denied"),
        (replace(GOOD, authpwd="x" * (proving.LONGEST + 1)), "denied"),
        (signed(secret="another"), "denied"),
        (signed(authid="bob"), "denied"),
        (signed(authid="bare", secret=""), "denied"),
        (signed(authkey="another"), "denied"),
        (signed(authsalt=""), "denied"),
        (signed(authsalt="s" * (proving.LONGEST + 1)), "denied"),
        (replace(signed(), authsalt="s2"), "denied"),
        (replace(signed(), authmd5="ümlaut"), "denied"),
    ],
    ids=["password", "authmd5", "in capitals", "authmd5 counts", "nothing", "no server key", "wrong server key",
         "server key in no ASCII", "nobody", "no password stored", "wrong password", "no password", "endless password",
         "wrong secret", "nobody signs", "no secret stored", "signed with another server key", "no salt",
         "endless salt", "another salt", "authmd5 in no ASCII"],
)  # fmt: skip
async def test_proof(door: Door, given: Credentials, answer: str) -> None:
    assert await door.asks(given) == answer


async def test_without_a_server_key_there_is_no_mizu_api(door: Door) -> None:
    door.access.configure(HttpSettings())
    assert await door.asks(replace(GOOD, authkey="")) == "denied"
    assert door.bears("alice-key") == "alice"


# -- salts


async def test_a_salt_is_good_once_for_each_user(door: Door) -> None:
    first = await door.access.prove(signed(), HOME)
    assert len(first.once) == 16
    assert await door.asks(signed()) == "denied"
    assert await door.asks(signed(authid="root")) == "root"
    second = await door.access.prove(signed(authsalt="s2"), HOME)
    assert second.once != first.once


async def test_what_makes_a_salt_the_same_is_the_same_in_every_process(door: Door) -> None:
    other = Access(door.directory, SETTINGS, door.clock)
    assert (await other.prove(signed(), AWAY)).once == (await door.access.prove(signed(), HOME)).once
    other.close()


async def test_a_wrong_proof_spends_no_salt(door: Door) -> None:
    assert await door.asks(signed(secret="another")) == "denied"
    assert await door.asks(signed()) == "alice"


async def test_a_used_salt_locks_nobody_out(door: Door) -> None:
    for _ in range(ATTEMPTS + 2):
        await door.asks(signed())
    assert await door.asks(GOOD) == "alice"


async def test_salts_at_hand_are_bounded(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "MOST_SALTS", 2)
    for n in range(5):
        assert await door.asks(signed(authsalt=f"s{n}")) == "alice"
    assert len(door.access._salts) == 2


# -- passwords


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The stored hashes that passwords were compared with."""
    seen: list[str] = []

    def verify(stored: str, password: str) -> bool:
        seen.append(stored)
        return verify_password(stored, password)

    monkeypatch.setattr(proving, "verify_password", verify)
    return seen


async def test_a_right_password_is_hashed_once_in_minutes(door: Door, hashes: list[str]) -> None:
    assert await asyncio.gather(*(door.asks(GOOD) for _ in range(5))) == ["alice"] * 5
    door.clock.now += proving.REMEMBERED - 1
    assert await door.asks(GOOD) == "alice"
    assert len(hashes) == 1
    door.clock.now += 1
    assert await door.asks(GOOD) == "alice"
    assert len(hashes) == 2


async def test_a_changed_password_holds_at_once(door: Door, stored: str) -> None:
    assert await door.asks(GOOD) == "alice"
    door.load(hash_password("new"))
    assert await door.asks(GOOD) == "denied"
    assert await door.asks(replace(GOOD, authpwd="new")) == "alice"
    door.load(stored)
    assert await door.asks(GOOD) == "alice"


async def test_nobody_s_password_is_hashed_too(door: Door, hashes: list[str]) -> None:
    """The time of the answer does not tell who there is."""
    for name in ("bob", "bare"):
        await door.asks(replace(GOOD, authid=name))
    assert len(hashes) == 2


async def test_remembered_passwords_are_bounded(door: Door, hashes: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proving, "MOST_REMEMBERED", 1)
    for name in ("alice", "root", "alice"):
        assert await door.asks(replace(GOOD, authid=name)) == name
    assert len(hashes) == 3


async def test_passwords_that_wait_are_bounded(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proving, "MOST_VERIFYING", 1)
    first = asyncio.create_task(door.asks(GOOD))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await door.access.prove(replace(GOOD, authid="root"), HOME)
    assert await first == "alice"


# -- keys and kinds of accounts


@pytest.mark.parametrize(
    "token, address, answer",
    [("alice-key", AWAY, "alice"), ("root-key", HOME, "root"), ("root-key", AWAY, "not_allowed"),
     ("", HOME, "denied"), ("alice-keY", HOME, "denied"), ("\udcff", HOME, "denied")],
    ids=["user", "admin", "admin from elsewhere", "none", "wrong", "no text"],
)  # fmt: skip
def test_bearer(door: Door, token: str, address: str, answer: str) -> None:
    assert door.bears(token, address) == answer


async def test_admins_come_from_allowed_addresses(door: Door) -> None:
    given = replace(GOOD, authid="root")
    assert [await door.asks(given, address) for address in (HOME, AWAY)] == ["root", "not_allowed"]


@pytest.mark.parametrize("name, allowed", [("alice", False), ("root", True)])
def test_who_is_an_admin(door: Door, name: str, allowed: bool) -> None:
    account: Account = door.directory.by_name[name]
    if allowed:
        door.access.check_admin(account)
    else:
        with pytest.raises(NotAllowed):
            door.access.check_admin(account)


async def test_inactive_accounts(door: Door, stored: str) -> None:
    door.load(stored, enabled=0)
    for ask in (
        lambda: door.access.prove(GOOD, HOME),
        lambda: asyncio.to_thread(door.access.bearer, "alice-key", HOME),
    ):
        with pytest.raises(UserInactive):
            await ask()


def test_the_server_key_alone(door: Door) -> None:
    door.access.check_server_key("server-key", HOME)
    for _ in range(ATTEMPTS):
        with pytest.raises(Denied):
            door.access.check_server_key("wrong", HOME)
    with pytest.raises(LockedOut):
        door.access.check_server_key("server-key", HOME)


@pytest.mark.parametrize(
    "client, headers, address",
    [(HOME, [], HOME), ("10.0.0.1", [(b"x-forwarded-for", b"203.0.113.7")], "203.0.113.7"),
     (HOME, [(b"x-forwarded-for", b"203.0.113.7")], HOME), ("::ffff:192.0.2.1", [], HOME)],
    ids=["direct", "by a proxy", "forged", "mapped"],
)  # fmt: skip
def test_address(door: Door, client: str, headers: list[tuple[bytes, bytes]], address: str) -> None:
    door.access.configure(HttpSettings(proxies=read_networks("10.0.0.0/8")))
    for _ in range(2):
        assert door.access.address({"client": (client, 1), "headers": headers}) == address


# -- wrong ones


WRONG: dict[str, Credentials] = {
    "password": replace(GOOD, authpwd="wrong"), "authmd5": signed(secret="x"), "server key": replace(GOOD, authkey="x"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
async def test_wrong_ones_lock_the_account_for_the_address(door: Door, wrong: Credentials) -> None:
    assert [await door.asks(wrong) for _ in range(ATTEMPTS + 1)] == ["denied"] * ATTEMPTS + ["locked_out"]
    assert await door.asks(GOOD) == "locked_out"
    assert await door.asks(GOOD, AWAY) == "alice"
    door.clock.now += LOCKOUT
    assert await door.asks(GOOD) == "alice"


async def test_many_at_once_are_not_more_attempts(door: Door) -> None:
    """Of those that were under way when the account was locked, the right one is refused, too."""
    guesses = [replace(GOOD, authpwd=f"guess {n}") for n in range(ATTEMPTS + 5)] + [GOOD]
    answers = await asyncio.gather(*map(door.asks, guesses))
    assert answers == ["denied"] * ATTEMPTS + ["locked_out"] * 6


async def test_a_wrong_answer_comes_late(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "PENALTY", 0.1)
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await door.asks(signed(secret="x")) == "denied"
    assert loop.time() - began >= 0.1


def test_keys_are_counted_by_address(door: Door) -> None:
    for n in range(ATTEMPTS):
        assert door.bears(f"guess {n}") == "denied"
    assert [door.bears("alice-key", address) for address in (HOME, AWAY)] == ["locked_out", "alice"]


async def test_nothing_secret_is_logged(door: Door, capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(ATTEMPTS):
        await door.asks(replace(GOOD, authpwd="hunter2", authid="al\nice"))
    told = capfd.readouterr().err
    assert "wrong credentials too often" in told
    assert "hunter2" not in told
    assert "server-key" not in told
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize(
    "attempts, name, address, locked",
    [
        ([("a", "x")] * 2, "a", "x", False),
        ([("a", "x")] * 3, "a", "x", True),
        ([("a", "x")] * 3, "a", "y", False),
        ([("a", "x")] * 3, "b", "x", False),
        ([(f"u{n}", "x") for n in range(3 * lockouts.ADDRESS)], "b", "x", True),
        ([("a", f"x{n}") for n in range(3 * lockouts.ACCOUNT - 1)], "a", "new", False),
        ([("a", f"x{n}") for n in range(3 * lockouts.ACCOUNT)], "a", "new", True),
        ([("a", f"x{n}") for n in range(3 * lockouts.ACCOUNT)], "a", "friend", False),
        ([("a" * 100, "x")] * 3, "a" * 200, "x", True),
    ],
    ids=["fewer", "the pair", "another address", "another account", "the address for all", "not yet the account",
         "the account for all", "but for a known address", "endless names"],
)  # fmt: skip
def test_lockouts(attempts: list[tuple[str, str]], name: str, address: str, locked: bool) -> None:
    found = Lockouts(3, 60.0)
    found.right("a", "friend")
    for one in attempts:
        found.wrong(*one, now=5.0)
    assert found.locked(name, address, 6.0) is locked
    assert not found.locked(name, address, 65.0)


def test_lockouts_forget_after_a_right_one() -> None:
    found = Lockouts(3, 60.0)
    steps: list[Callable[[], object]] = [lambda: found.wrong("a", "x", 5.0)] * 2 + [lambda: found.right("a", "x")]
    for step in steps * 3:
        step()
    assert not found.locked("a", "x", 6.0)
