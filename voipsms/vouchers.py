"""Vouchers: a code brings its amount to an account, once, whoever uses it at the same moment in whichever process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from voipsms.errors import StoreError, Unavailable, WrongVoucher
from voipsms.log import get_logger
from voipsms.model import Micros, Millis, UserId
from voipsms.money import decimal
from voipsms.store import vouchers
from voipsms.store.ids import IdSource, now_millis
from voipsms.store.journal import Journal

TRIES: Final = 5  # where another process is in the way
PAUSE: Final = 0.05  # seconds

log = get_logger("vouchers")


class Vouchers:
    """`secret`: of all processes alike. Whoever asks limits the attempts."""

    def __init__(
        self, journal: Journal, ids: IdSource, secret: bytes, clock: Callable[[], Millis] = now_millis
    ) -> None:  # fmt: skip
        self._journal = journal
        self._ids = ids
        self._secret = secret
        self._clock = clock

    async def redeem(self, code: str, for_user: UserId) -> Micros:
        """The amount that the user has got. Raises WrongVoucher, Unavailable."""
        redeemed = await self._written(vouchers.digest(self._secret, code), for_user) if vouchers.plain(code) else None
        if redeemed is None:
            log.info("a voucher is not valid", user=for_user)
            raise WrongVoucher
        log.info("a voucher is redeemed", user=for_user, amount=str(decimal(redeemed.amount)))
        return redeemed.amount

    async def _written(self, hashed: str, user: UserId) -> vouchers.Redeemed | None:
        for tries in range(1, TRIES + 1):
            try:
                return await self._journal.run(
                    lambda db: vouchers.redeem(db, self._ids, hashed, user, self._clock())
                )  # fmt: skip
            except StoreError as error:
                if tries == TRIES:
                    raise Unavailable from error
            await asyncio.sleep(PAUSE * tries)
        raise AssertionError
