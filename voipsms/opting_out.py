"""What STOP, START and HELP of phones do; the words of Clickatell's two-way guide §10.

The text itself always goes on to whoever it is for. A STOP holds from its commit on; the one message that confirms it
is the user's own, if that comes in time, else ours, billed to that user.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voipsms.automatic import Automatic
from voipsms.directory import Directory
from voipsms.errors import StoreError
from voipsms.log import get_logger
from voipsms.model import Belongs, Incoming, Message, MessageId, Millis, UserId
from voipsms.rounds import Rounds
from voipsms.settings import GlobalSettings
from voipsms.sms.numbers import Kind, read_number
from voipsms.stop_words import Act, Scope, Word, lifts, read
from voipsms.stops import NOBODY, covers, refuse
from voipsms.store import optout
from voipsms.store.database import Database
from voipsms.store.ids import IdSource, now_millis
from voipsms.store.journal import Journal
from voipsms.store.optout import CLAIM, Confirmation, Pending, Stop
from voipsms.store.reader import Reader

POLL = 1.0  # seconds between two looks at what other processes have changed
SWEEP = 10.0  # seconds between two looks for confirmations that are due
FORGET = 3600.0
OVERLAP = 15_000  # milliseconds that a commit may take after its ids were made, and clocks may differ
AGAIN, ATTEMPTS = 660_000, 6  # milliseconds after which a confirmation that didn't go is tried again, and how often
HOUR = 3_600_000

log = get_logger("opting_out")


class OptingOut:
    def __init__(
        self,
        directory: Directory,
        journal: Journal,
        reader: Reader,
        automatic: Automatic,
        ids: IdSource,
        settings: Callable[[], GlobalSettings],
        clock: Callable[[], Millis] = now_millis,
    ) -> None:
        self._directory = directory
        self._journal = journal
        self._reader = reader
        self._automatic = automatic
        self._ids = ids
        self._settings = settings
        self._clock = clock
        self._pending: set[Pending] = set()
        self._own: set[str] = set()  # phones that this process has changed since its last look began
        self._looked = clock()  # what was changed before is known

    # -- texts from phones

    async def take(self, incoming: Incoming, belongs: Belongs) -> None:
        """Returns after the commit of what the text says of opting out. Raises StoreError; it may be told again."""
        settings = self._settings()
        phone = read_number(incoming.source, settings.country)
        if not settings.smsstop or not incoming.text or phone.kind not in (Kind.MOBILE, Kind.PHONE):
            return
        word = read(incoming.text, belongs.keyword)
        if word is not None and word.act is Act.STOP:
            return await self._stop(incoming, belongs, phone.digits, word)
        if word is None and not self._directory.stops.of(phone.digits):
            return None  # nearly all texts
        if not self._automatic.answerable(incoming):
            return None
        lifted = await self._lift(incoming, belongs, phone.digits)
        if word is not None and (lifted or word.act is Act.HELP):
            await self._answer(incoming, belongs, phone.digits, word)

    def _number(self, incoming: Incoming) -> str:
        """Ours that it came to, as senders are spelled."""
        return read_number(incoming.target, self._settings().country).digits or incoming.target

    async def _stop(self, incoming: Incoming, belongs: Belongs, phone: str, word: Word) -> None:
        now, number = self._clock(), self._number(incoming)
        stops = self._stops(belongs, number, word)
        wait = round(self._settings().smsstop_confirm * HOUR)
        expected = None
        if wait and belongs.user_id is not None:
            expected = Confirmation(phone, belongs.user_id, number, incoming.id, Millis(now + wait))
        if await self._change(phone, lambda db: optout.record(db, self._ids, phone, stops, expected, now)):
            log.info(
                "a phone has opted out", source=phone, target=number, user=belongs.user_id, everything=len(stops) > 1
            )
            if expected is not None:
                self._pending.add((phone, expected.user_id, number))

    def _stops(self, belongs: Belongs, number: str, word: Word) -> tuple[Stop, ...]:
        """A number that is one account's own, or nobody's, sends nothing more, whoever uses it; on one that several
        use, this account doesn't."""
        user = belongs.user_id
        if user is None or self._owns(user, belongs, number):
            stop = Stop(NOBODY, belongs.number if "[" in belongs.number else number)
        else:
            stop = Stop(user, number, belongs.keyword)
        if word.scope is Scope.ACCOUNT and user is not None:
            return stop, Stop(user, "")
        return (stop,)

    def _owns(self, user: UserId, belongs: Belongs, number: str) -> bool:
        if belongs.keyword:
            return False
        owner = self._directory.by_number.get(number)
        return "[" in belongs.number or (owner is not None and owner.id == user)

    async def _lift(self, incoming: Incoming, belongs: Belongs, phone: str) -> bool:
        if not self._directory.stops.of(phone) or not lifts(incoming.text):
            return False
        number = self._number(incoming)

        def lift(db: Database) -> bool:
            lifted = [stop for stop in optout.of_phone(db, phone) if _is_lifted(stop, belongs, number)]
            return optout.lift(db, self._ids, phone, lifted)

        if not await self._change(phone, lift):
            return False
        log.info("a phone has opted in again", source=phone, target=number, user=belongs.user_id)
        return True

    async def _change(self, phone: str, work: Callable[[Database], bool]) -> bool:
        """Commits it, and has it in memory."""

        def change(db: Database) -> optout.Scopes | None:
            return optout.scopes(db, [phone]) if work(db) else None

        changed = await self._journal.run(change)
        if changed is None:
            return False
        self._own.add(phone)
        self._directory.stops.set(phone, changed[phone])
        return True

    async def _answer(self, incoming: Incoming, belongs: Belongs, phone: str, word: Word) -> None:
        settings = self._settings()
        text = settings.smsstart_text if word.act is Act.START else settings.smshelp_text
        if belongs.user_id is not None and text:
            await self._say(belongs.user_id, self._number(incoming), phone, text, incoming.id)

    async def _say(self, user: UserId, number: str, phone: str, text: str, about: MessageId) -> bool:
        return await self._automatic.send(user, number, phone, text.replace("{number}", number), b"word %d" % about)

    # -- messages to phones

    async def confirms(self, message: Message) -> bool:
        """Whether this message, to a phone that has opted out of it, is the user's confirmation of that: the first one
        within the time for it, by the number that STOP was sent to."""
        if (message.target, message.user_id, message.sender) not in self._pending:
            return False
        try:
            return bool(await self._journal.run(lambda db: optout.confirm(db, message, self._clock())))
        except StoreError as error:
            log.debug("whether a message confirms a STOP can't be seen now", why=str(error))
            return False

    # -- beside them

    async def run(self) -> None:
        """Until cancelled."""
        rounds = Rounds(_put_off, (self.look, POLL), (self.sweep, SWEEP), (self._forget, FORGET))
        while True:
            await rounds.turn()
            await asyncio.sleep(POLL)

    async def look(self) -> None:
        """What other processes have changed. Raises StoreError."""
        now = self._clock()
        self._own.clear()
        changed, pending = await self._reader.run(
            lambda db: (optout.changed(db, Millis(self._looked - OVERLAP)), optout.pending(db, now))
        )
        for phone in changed.keys() - self._own:
            self._directory.stops.set(phone, changed[phone])
        self._pending, self._looked = pending, now

    async def sweep(self) -> None:
        """Sends the confirmations that users haven't. Raises StoreError."""
        while found := await self._reader.run(lambda db: optout.due(db, self._clock())):
            for one in found:
                await self._confirm(one)

    async def _confirm(self, one: Confirmation) -> None:
        now = self._clock()
        if not await self._journal.run(lambda db: optout.claim(db, one, Millis(now + CLAIM))):
            return
        if now - one.claimed < CLAIM:
            return  # the user's own is under way
        if await self._is_settled(one) or await self._send(one):
            await self._journal.run(lambda db: optout.finish(db, one))
        elif one.attempt + 1 < ATTEMPTS:
            await self._journal.run(lambda db: optout.retry(db, one, Millis(now + AGAIN)))
        else:
            log.warning("a STOP stays unconfirmed", target=one.number, sender=one.sender, user=one.user_id)
            await self._journal.run(lambda db: optout.finish(db, one))

    async def _is_settled(self, one: Confirmation) -> bool:
        """The user has confirmed it, or the phone has opted in again."""

        def settled(db: Database) -> bool:
            scopes = optout.scopes(db, [one.number])[one.number]  # another process may know better
            return not refuse(scopes, one.sender, one.user_id) or optout.accepted(db, one.message_id)

        return await self._reader.run(settled)

    async def _send(self, one: Confirmation) -> bool:
        text = self._settings().smsstop_text
        return not text or await self._say(one.user_id, one.sender, one.number, text, one.text_id)

    async def _forget(self) -> None:
        await self._journal.run(lambda db: optout.forget_changes(db, self._clock()))


def _is_lifted(stop: Stop, belongs: Belongs, number: str) -> bool:
    """By a text to that number: on a shared one, only what has its keyword (§10.1.2)."""
    if stop.user_id == NOBODY:
        return covers(stop.sender, number)  # not '', which is the operator's: what that forbids stays forbidden
    if belongs.user_id not in (None, stop.user_id):
        return False
    if not stop.sender:
        return belongs.user_id is not None
    return stop.sender == number and stop.keyword == belongs.keyword


def _put_off(error: StoreError) -> None:
    log.debug("opt-outs have to wait", why=str(error))
