"""The rows of tb_vouchers: amounts that whoever knows a code may have, once. Inside a transaction.

Only a keyed hash of a code is kept, so that nobody who sees the table can spend it; who has a code finds its row by it.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Iterator
from typing import Final

from voipsms.errors import VoipSmsError
from voipsms.model import Micros, Millis, UserId
from voipsms.store.database import Conflict, Database
from voipsms.store.entries import Moved
from voipsms.store.ids import IdSource
from voipsms.values import Value

ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # without what is taken for another: 0 O, 1 I L
LENGTH, GROUP = 16, 4  # characters of a code that is made here: 79 bits
SHOWN: Final = 4  # characters of such a code that stay visible
_CODE: Final = re.compile("[0-9A-Z]{6,32}")


class VoucherError(VoipSmsError):
    """A voucher that can't be made, or isn't there."""


class Voucher(Value, frozen=True):
    amount: Micros
    currency: str
    valid_from: Millis
    valid_to: Millis = Millis(0)  # not included; 0: for ever


class Listed(Value, frozen=True):
    """`tail`: last characters of the code. `redeemed_at`: 0 not yet."""

    id: int
    tail: str
    amount: Micros
    currency: str
    valid_from: Millis
    valid_to: Millis
    made: Millis
    redeemed_at: Millis
    redeemed_by: str | None


class Redeemed(Moved, frozen=True):
    amount: Micros


def new_code() -> str:
    """As it is read to somebody: ABCD-EFGH-JKMN-PQRS."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    return "-".join(letters[at : at + GROUP] for at in range(0, LENGTH, GROUP))


def plain(code: str) -> str:
    """Without hyphens, in capitals; '' where it can't be a code."""
    found = code.replace("-", "").upper()
    return found if _CODE.fullmatch(found) else ""


def digest(secret: bytes, code: str) -> str:
    return hmac.digest(secret, b"voucher " + plain(code).encode(), "sha256").hex()


def add(db: Database, ids: IdSource, secret: bytes, code: str, voucher: Voucher, now: Millis) -> int:
    """Raises VoucherError where the code is there already, or can't be one."""
    if not plain(code):
        raise VoucherError("a code is 6 to 32 letters and digits, with hyphens or without")
    shown = plain(code)[-SHOWN:] if len(plain(code)) >= LENGTH else ""
    voucher_id = ids.next()
    try:
        db.write(
            "insert_voucher", id=voucher_id, hash=digest(secret, code), tail=shown, amount=voucher.amount,
            currency=voucher.currency, valid_from=voucher.valid_from, valid_to=voucher.valid_to, made=now,
        )  # fmt: skip
    except Conflict:
        raise VoucherError("there is a voucher of this code already") from None
    return voucher_id


def redeem(db: Database, ids: IdSource, hashed: str, user: UserId, now: Millis) -> Redeemed | None:
    """Books its amount. None: it is not there, not valid now, redeemed before, or of another currency."""
    db.read_batch("lock_accounts", [(user,)])
    if not db.write("redeem_voucher", hash=hashed, user_id=user, now=now):
        return None
    ((voucher_id, amount),) = db.read("voucher_by_hash", hash=hashed)
    db.write("credit_user", id=user, amount=amount)
    db.write(
        "insert_movement", id=ids.next(), user_id=user, kind="voucher", amount=amount, created=now,
        comment=f"voucher {voucher_id}",
    )  # fmt: skip
    db.write("bump_revision")  # other processes may think that the user has no credit
    ((_, balance, *_),) = db.read_batch("lock_accounts", [(user,)])
    return Redeemed({user: Micros(balance)}, Micros(amount))


def listed(db: Database, hashed: str = "") -> Iterator[Listed]:
    """Oldest first; `hashed`: that one alone."""
    after = 0
    while page := db.read("vouchers", after=after, hash=hashed):
        yield from (Listed(*row) for row in page)
        after = page[-1][0]


def delete(db: Database, voucher_id: int) -> None:
    """Raises VoucherError where there is none, or it was redeemed."""
    if not db.write("delete_voucher", id=voucher_id):
        raise VoucherError(f"there is no voucher {voucher_id} that is still to be redeemed")
