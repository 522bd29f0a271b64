"""What carries out commands, on a real journal: two users, a number of SMS callback, and a switchboard that notes."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.core.house import House, house
from tests.core.stage import Carrier
from voipsms.callback.authentication import Asker, Authentication, number_of
from voipsms.callback.commands import Command, Commands, Outcome
from voipsms.callback.plan import Plan
from voipsms.callback.registering import Registering
from voipsms.config import Config
from voipsms.directory import Account
from voipsms.model import Micros, Millis, Msisdn, Submitted, UserId, UserType
from voipsms.numbers_book import Tagged
from voipsms.passwords import hash_password
from voipsms.proving import Passwords
from voipsms.settings import CallbackSettings, GlobalSettings
from voipsms.store import vouchers
from voipsms.store.accounts import NewUser, add_user, ensure_admin, shared_secret
from voipsms.store.ids import now_millis
from voipsms.store.numbers import NewNumber, add_number
from voipsms.store.pincodes import set_pincode
from voipsms.store.reader import Reader
from voipsms.store.terms import Changes, change
from voipsms.store.vouchers import Voucher
from voipsms.vouchers import Vouchers

OURS = "36209990000"  # the number of SMS callback
ALICE, BOB = "36201234567", "36202223344"  # their phones
STRANGER, FAR, FARTHER = "36301112233", "436641234567", "447911123456"
PASSWORD, PINCODE, VOUCHER = "s3cret", "471100", "ABCD-EFGH-12"
HASH = hash_password(PASSWORD)
SETTINGS = GlobalSettings(country="HU", callingcardauth=("number", "pincode", "password", "joined"))


class Desk:
    """`plans` were asked for, `sent` are texts of ours; `refusal`: what the switchboard says."""

    def __init__(self, home: House, reader: Reader, config: Config) -> None:
        self.home, self.reader, self.config = home, reader, config
        self.now = 1000.0
        self.plans: list[Plan] = []
        self.sent: list[tuple[UserId, str, str, str]] = []  # who pays, from, to, text
        self.begun = 0
        self.refusal: Exception | None = None
        self.passwords = Passwords()
        self.who = self.authentication()
        self.registering = Registering(
            home.directory, home.journal, self, self.secret, lambda: self.config, home.accounts.refresh
        )
        redeem = Vouchers(home.journal, home.ids, self.secret).redeem
        self.commands = Commands(self.who, self.registering, home.ids, self.call, redeem)

    def authentication(self) -> Authentication:
        """Another one: as of another process."""
        return Authentication(
            self.home.directory, self.reader, self.passwords, self.secret, lambda: self.config, lambda: self.now
        )

    @property
    def secret(self) -> bytes:
        return bytes.fromhex(self.home.db.read("setting", name="secret")[0][0])

    async def call(self, plan: Plan) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.plans.append(plan)

    async def send(
        self, payer: UserId, sender: str, target: str, text: str, key: bytes = b"", *, asked: bool = False
    ) -> bool:
        self.sent.append((payer, sender, target, text))
        return True

    async def begin(self) -> None:
        self.begun += 1

    async def take(self, text: str, sender: str = ALICE, **fields: Any) -> Outcome:
        asker = Asker(number_of(sender, "HU"))
        return await self.commands.take(Command(text, asker, OURS, **fields), self.begin)

    def account(self, name: str = "alice") -> Account:
        return self.home.directory.by_name[name]

    @property
    def calls(self) -> list[tuple[str, str, str | None]]:
        names = {account.id: account.name for account in self.home.directory.by_id.values()}
        return [(names[plan.user_id], plan.first, plan.second) for plan in self.plans]

    def set(self, **settings: Any) -> None:
        self.config = dataclasses.replace(self.config, callback=CallbackSettings(enabled=True, **settings))

    def set_sms(self, **settings: Any) -> None:
        self.config = Config(
            folder=Path(), sms=dataclasses.replace(self.config.sms, **settings), callback=self.config.callback
        )

    async def change(self, name: str, changes: Changes) -> None:
        with self.home.db.transaction():
            change(self.home.db, name, changes)
        await self.home.accounts.refresh()


def furnish(home: House) -> None:
    db, ids = home.db, home.ids
    if db.read("user_by_name", username="bob"):  # another process has done it
        return
    with db.transaction():
        ensure_admin(db, ids, "EUR")
        add_user(db, ids, NewUser("bob", UserType.ENDUSER, "EUR", HASH, numbers=(BOB,)), Micros(2_500_000))
        add_user(db, ids, NewUser("36205556677", UserType.ENDUSER, "EUR", HASH))
        add_user(db, ids, NewUser("root", UserType.ADMIN, "EUR", HASH, numbers=("36207770000",)))
        add_number(db, "admin", NewNumber(Tagged(Msisdn(OURS)), callback=True))
        set_pincode(db, "bob", PINCODE)
        set_pincode(db, "root", "999999")
        voucher = Voucher(Micros(5_000_000), "EUR", Millis(0), Millis(0))
        vouchers.add(db, ids, shared_secret(db), VOUCHER, voucher, now_millis())


@asynccontextmanager
async def desk(folder: Path, settings: GlobalSettings = SETTINGS, **callback: Any) -> AsyncIterator[Desk]:
    """Alice has ALICE, bob BOB, PINCODE and PASSWORD; root is an admin with all of these."""
    async with house(folder, Carrier(lambda part: Submitted("x")), settings) as home:
        furnish(home)
        await home.accounts.refresh()
        reader = Reader(home.db.engine)
        made = Desk(
            home, reader, Config(folder=Path(), sms=settings, callback=CallbackSettings(enabled=True, **callback))
        )
        try:
            yield made
        finally:
            made.passwords.close()
            reader.close()
        assert home.db.read("wrong_balances") == []
