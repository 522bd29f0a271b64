"""Texts that are commands, on their way to be carried out: a row of tb_outbox each, so that a crash loses none.

Fields of such a delivery: `door`; `key`: what makes it the same one again; where a door has proven who it is, `proven`:
the account's id, and `asker`: the number that counts as the sender's; of a [sip:NAME], `account` and `uri`: whom the
answer goes to.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from voipsms import stop_words
from voipsms.accept import find
from voipsms.callback.authentication import number_of
from voipsms.callback.grammar import LONGEST, WORDS
from voipsms.config import Config
from voipsms.directory import Account, Directory
from voipsms.errors import NobodyToBill, StoreError, Unavailable
from voipsms.intake import Taken
from voipsms.model import (
    Belongs,
    Channel,
    Delivery,
    DeliveryId,
    Incoming,
    MessageId,
    Millis,
    Subject,
    Submission,
    UserId,
)
from voipsms.store.accounts import ADMIN
from voipsms.store.entries import Arrival
from voipsms.store.ids import IdSource, now_millis

DOOR: Final = "callback"  # of [callback] listen
LIFE: Final = 300_000  # milliseconds after which nobody wants to be called any more
_DOORS: Final = {DOOR: "http"}

Fields = tuple[tuple[str, str], ...]
Post = Callable[[Sequence[Delivery]], Awaitable[None]]
"""Outbox.post"""


class Arrivals:
    """What Receiving, the SIP door and Texts ask."""

    door = DOOR

    def __init__(self, directory: Directory, ids: IdSource, config: Callable[[], Config], post: Post) -> None:
        self._directory = directory
        self._ids = ids
        self._config = config
        self._post = post

    # -- from phones

    def whose(self, incoming: Incoming) -> Belongs:
        """What comes to no number of SMS callback is the operator's."""
        found = self._directory.book.find(incoming.target, incoming.text)
        if found is not None and found.callback:
            return found
        admin = self._directory.by_name.get(ADMIN)
        return Belongs(admin.id if admin else None, incoming.target, callback=True)

    def takes(self, incoming: Incoming, belongs: Belongs) -> bool:
        """All that comes there but STOP and the like, and what has no text."""
        called = belongs.callback and self._config().callback.enabled and not incoming.octets
        return called and stop_words.read(incoming.text) is None

    def delivery(self, arrival: Arrival, account: Account) -> Delivery:
        incoming, door = arrival.incoming, _DOORS.get(arrival.door, "sms")
        fields = (("door", door), ("key", str(incoming.id)))
        return self._delivery(
            incoming.id, account.id, incoming.source, incoming.target, incoming.text, incoming.created, fields
        )  # fmt: skip

    def shown(self, text: str) -> str:
        """The command's word; of the others, of which some may be passwords, how many there are."""
        words = text.split()
        if not words:
            return ""
        first = words[0].lower() if words[0].lower() in WORDS else "***"
        return " ".join([first, *("***" for _ in words[1:])])[:LONGEST]

    # -- from chat

    async def submit(self, submission: Submission) -> Taken:
        """A MESSAGE to the extension: `payers` are proven, or asserted by the softswitch. Raises Refused."""
        await self.keep(submission)
        return Taken(MessageId(0))

    async def keep(self, submission: Submission, more: Fields = ()) -> None:
        """As `submit`; `more`: fields beside those that it has in any case. Returns after the commit."""
        country = self._config().sms.country
        found = (find(self._directory, payer, country) for payer in submission.payers)
        account = next(filter(None, found), None)
        user = account or self._directory.by_name.get(ADMIN)
        if user is None:
            raise NobodyToBill
        fields = (("door", "chat"), ("key", submission.ingress_key.hex()), *more)
        if account is not None:
            fields += (("proven", str(account.id)), ("asker", self._number(submission, account)))
        delivery = self._delivery(
            MessageId(0), user.id, submission.sender, submission.target, submission.text, now_millis(), fields
        )  # fmt: skip
        try:
            await self._post((delivery,))
        except StoreError as error:
            raise Unavailable from error

    def _number(self, submission: Submission, account: Account) -> str:
        """The sender's, where it is vouched for; else the first phone of the account."""
        number = number_of(submission.sender, self._config().sms.country)
        book = self._directory.book
        if number and (submission.sender in submission.payers or number in account.numbers):
            return number
        phones = (one for one in account.numbers if number_of("+" + one, "") and not book.is_service(one))
        return next(phones, "")

    def _delivery(
        self, message_id: MessageId, user: UserId, source: str, target: str, text: str, created: Millis, fields: Fields
    ) -> Delivery:
        return Delivery(
            id=DeliveryId(self._ids.next()), message_id=message_id, user_id=user, channel=Channel.COMMAND,
            subject=Subject.TEXT, source=source, target=target, text=text, created=created,
            expires=Millis(created + LIFE), fields=fields,
        )  # fmt: skip
