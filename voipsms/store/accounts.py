"""Users, their numbers and their money, and the rows of gateways, as commands change them. Inside a transaction."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from voipsms.errors import VoipSmsError
from voipsms.model import GatewayId, Micros, Msisdn, UserId, UserType
from voipsms.numbers_book import Tagged
from voipsms.store.database import Database
from voipsms.store.ids import IdSource, now_millis
from voipsms.store.numbers import conflicts

NOTHING = Micros(0)
ADMIN = "admin"  # the account that the operator's own messages are booked on


class AccountError(VoipSmsError):
    """No such user, or a name or number that is taken."""


@dataclass(frozen=True, slots=True)
class NewUser:
    """`password` and the ha1s are hashes already; '' : cannot log in."""

    name: str
    type: UserType
    currency: str
    password: str = ""
    ha1_md5: str = ""
    ha1_sha256: str = ""
    credit_limit: Micros = NOTHING
    numbers: tuple[str, ...] = ()


def user_id(db: Database, name: str) -> UserId:
    rows = db.read("user_by_name", username=name)
    if not rows:
        raise AccountError(f"there is no user {name!r}")
    return UserId(rows[0][0])


def add_user(db: Database, ids: IdSource, user: NewUser, credit: Micros = NOTHING) -> UserId:
    """Raises AccountError where the name or a number is taken."""
    if db.read("user_by_name", username=user.name):
        raise AccountError(f"the name {user.name!r} is taken")
    new_id = UserId(ids.next())
    db.write(
        "insert_user", id=new_id, username=user.name, type=str(user.type), password=user.password,
        ha1_md5=user.ha1_md5, ha1_sha256=user.ha1_sha256, credit_limit=user.credit_limit, currency=user.currency,
        created=now_millis(),
    )  # fmt: skip
    for number in dict.fromkeys(user.numbers):
        if db.read("number_owner", number=number) or conflicts(db, new_id, Tagged(Msisdn(number))):
            raise AccountError(f"the number {number} belongs to another user")
        db.write("insert_number", number=number, user_id=new_id)
    if credit:
        _book(db, ids, new_id, credit, "opening credit")
    db.write("bump_revision")
    return new_id


def credit_user(db: Database, ids: IdSource, name: str, amount: Micros, comment: str = "") -> Micros:
    """Books an amount, negative ones too, and returns the new balance. Raises AccountError."""
    _book(db, ids, user_id(db, name), amount, comment)
    db.write("bump_revision")
    return Micros(db.read("user_by_name", username=name)[0][1])


def _book(db: Database, ids: IdSource, user: UserId, amount: Micros, comment: str) -> None:
    db.write("credit_user", id=user, amount=amount)
    db.write(
        "insert_movement", id=ids.next(), user_id=user, kind="credit", amount=amount, created=now_millis(),
        comment=comment,
    )  # fmt: skip


def set_options(db: Database, name: str, group: str | None, packet: str | None) -> tuple[str, str]:
    """A user's group and packet of prices, '' taking one away, None leaving it; returns what is so. Raises
    AccountError."""
    user = user_id(db, name)
    before = db.read("options_of", user_id=user)
    own_group, own_packet = before[0] if before else ("", "")
    own_group = own_group if group is None else group
    own_packet = own_packet if packet is None else packet
    if group and not db.read("group_by_name", name=group):
        raise AccountError(f"there is no group {group!r}: `voipsms group set` makes one")
    if before:
        db.write("update_user_options", user_id=user, user_group=own_group, packet=own_packet)
    elif own_group or own_packet:
        db.write("insert_user_options", user_id=user, user_group=own_group, packet=own_packet)
    db.write("bump_revision")
    return own_group, own_packet


def set_group(db: Database, name: str, packet: str) -> None:
    """Makes the group where there is none."""
    if not db.write("update_group", name=name, packet=packet):
        db.write("insert_group", name=name, packet=packet)
    db.write("bump_revision")


def ensure_admin(db: Database, ids: IdSource, currency: str) -> None:
    if not db.read("user_by_name", username=ADMIN):
        add_user(db, ids, NewUser(ADMIN, UserType.ADMIN, currency))


def ensure_gateways(db: Database, ids: IdSource, names: Iterable[str], currency: str) -> dict[str, GatewayId]:
    """The ids of the gateways with these names; new names get a row. Raises AccountError where a user has one."""
    found = {}
    for name in names:
        row = next(iter(db.read("user_by_name", username=name)), None)
        if row is None:
            found[name] = GatewayId(add_user(db, ids, NewUser(name, UserType.SMSGW, currency)))
        elif row[3] != UserType.SMSGW:
            raise AccountError(f"the gateway name {name!r} is the name of a user")
        else:
            found[name] = GatewayId(row[0])
    return found


def shared_secret(db: Database) -> bytes:
    """Random, made once, the same for every process on this database."""
    rows = db.read("setting", name="secret")
    if not rows:
        db.write("insert_setting", name="secret", value=secrets.token_hex(32))
        rows = db.read("setting", name="secret")
    return bytes.fromhex(rows[0][0])
