"""A text that is a command: what it means, who says so, and what is done about it. Seeds/002, "SMS callback"."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from voipsms import metrics
from voipsms.callback.authentication import PHONES, Asker, Authentication, LockedOut, NotProven, Proven
from voipsms.callback.grammar import Action, Reading, readings
from voipsms.callback.limits import check
from voipsms.callback.plan import Plan
from voipsms.callback.rates import fees, minute
from voipsms.callback.registering import Registering
from voipsms.callback.replies import MOST_NUMBERS, say
from voipsms.directory import Account
from voipsms.errors import ImpossibleNumber, NoPrice, NotCalled, Refused, StoreError, Unavailable, WrongVoucher
from voipsms.log import get_logger
from voipsms.model import MessageId, Micros, Msisdn, UserId
from voipsms.money import decimal
from voipsms.sms.numbers import Kind, read_number
from voipsms.store.ids import IdSource, now_millis
from voipsms.tariffs import price
from voipsms.values import Value, replace

NOBODY: Final = UserId(0)

Call = Callable[[Plan], Awaitable[None]]
"""Takes a pair of calls into its queue. Raises Refused."""
Redeem = Callable[[str, UserId], Awaitable[Micros]]
"""The voucher with this code, for this user, once: its amount. Raises WrongVoucher, StoreError."""
Begin = Callable[[], Awaitable[None]]
"""Returns once for a command, before anything is done about it."""

log = get_logger("callback")


class Command(Value, frozen=True):
    """`ours`: the number that it came to, '' where that is no number; `door`: sms, chat or http; `message_id`: of the
    text; 0: none is kept."""

    text: str
    asker: Asker
    ours: str
    door: str = "sms"
    message_id: MessageId = MessageId(0)


class Outcome(Value, frozen=True):
    """`code`: what was done, or the refusal's; `reply` empty: nothing is to be said; `user_id`: who was proven, and
    `action`: of what."""

    code: str
    reply: str = ""
    user_id: UserId = NOBODY
    action: str = "none"


class Commands:
    def __init__(
        self, authentication: Authentication, registering: Registering, ids: IdSource, call: Call, redeem: Redeem
    ) -> None:
        self._who = authentication
        self._registering = registering
        self._ids = ids
        self._call = call
        self._redeem = redeem

    async def take(self, command: Command, begin: Begin) -> Outcome:
        """Raises Unavailable and StoreError while nothing was begun, and what `begin` raises."""
        outcome = await self._take(command, begin)
        metrics.count("commands", outcome.action, outcome.code)
        log.info("command", door=command.door, id=command.message_id, sender=command.asker.number or "hidden",
                 user=outcome.user_id, outcome=outcome.code)  # fmt: skip
        return outcome

    async def _take(self, command: Command, begin: Begin) -> Outcome:
        found = readings(command.text)
        try:
            if (confirmed := await self._confirm(command, found)) is not None:
                return confirmed
            proven = await self._who.prove(sorted(found, key=self._strange), command.asker)
        except LockedOut:
            return Outcome("locked_out")
        except NotProven:
            return Outcome("wrong", say("wrong"))
        except Refused as refusal:
            if not refusal.lasting:
                raise
            return _refused(refusal)
        await begin()
        return replace(await self._carry_out(command, proven), action=str(proven.reading.action))

    async def _carry_out(self, command: Command, proven: Proven) -> Outcome:
        try:
            return await _ACTIONS[proven.reading.action](self, command, proven)
        except Refused as refusal:
            return _refused(refusal, proven.account.id)
        except StoreError as error:
            log.error("a command may not have been carried out", id=command.message_id, why=str(error))
            return Outcome("interrupted", say("interrupted"), proven.account.id)

    # -- calls

    async def _connect(self, command: Command, proven: Proven) -> Outcome:
        reading = proven.reading
        first, second = pair(reading.action, [self._number(raw) for raw in reading.numbers], command.asker.number)
        config, book = self._who.config(), self._who.directory.book
        for number in (first, second) if second is not None else (first,):
            check(number, config.callback, book, config.sms.country)
        plan = Plan(
            MessageId(self._ids.next()), proven.account.id, first, second, command.door, now_millis(),
            command.message_id,
        )  # fmt: skip
        await self._call(plan)
        code = "callback" if second is None else "p2p"
        return Outcome(code, say(code, first=_shown(first), second=_shown(second or "")), proven.account.id)

    def _strange(self, reading: Reading) -> bool:
        """Whether its numbers are no phones: `1234` is rather a pincode."""
        country = self._who.config().sms.country
        return any(read_number(raw, country).kind not in PHONES for raw in reading.numbers)

    def _number(self, raw: str) -> Msisdn:
        """Raises ImpossibleNumber."""
        number = read_number(raw, self._who.config().sms.country)
        if number.kind in (Kind.NAME, Kind.IMPOSSIBLE):
            raise ImpossibleNumber
        return number.digits

    # -- numbers

    async def _register(self, command: Command, proven: Proven) -> Outcome:
        account, number = proven.account, self._number(proven.reading.numbers[0])
        sender = command.ours or next(iter(account.numbers), account.name)
        code = await self._registering.start(account, number, sender)
        return Outcome(code, say(code, number=_shown(number)), account.id)

    async def _confirm(self, command: Command, found: Sequence[Reading]) -> Outcome | None:
        """A code that has come back, from its number or beside it."""
        if self._who.locks.sender(command.asker.number, self._who.clock()):
            return None  # `prove` says so
        for number, code in _codes(command, found):
            digits = read_number(number, self._who.config().sms.country).digits
            if await self._registering.confirm(digits, code):
                return Outcome("registered", say("registered", number=_shown(digits)))
        return None

    async def _list_numbers(self, command: Command, proven: Proven) -> Outcome:
        numbers = proven.account.numbers
        if not numbers:
            return Outcome("cli", say("no_cli"), proven.account.id)
        told = " ".join(map(_shown, numbers[:MOST_NUMBERS])) + (" ..." if len(numbers) > MOST_NUMBERS else "")
        return Outcome("cli", say("cli", numbers=told), proven.account.id)

    # -- money

    async def _credit(self, command: Command, proven: Proven) -> Outcome:
        account, number = self._credited(proven)
        name, locks = proven.account.name, self._who.locks
        if locks.vouchers(name, self._who.clock()):
            return Outcome("locked_out", "", proven.account.id)
        try:
            amount = await self._redeem(proven.reading.code, account.id)
        except Unavailable:  # it may have been redeemed
            return Outcome("interrupted", say("interrupted"), proven.account.id)
        except WrongVoucher:
            locks.wrong_voucher(name, self._who.clock())
            raise
        locks.right_voucher(name)
        if account.id != proven.account.id:
            said = say("given", amount=decimal(amount), currency=account.currency, number=_shown(number))
            return Outcome("credited", said, proven.account.id)
        balance = decimal(account.balance)
        said = say("credited", amount=decimal(amount), balance=balance, currency=account.currency)
        return Outcome("credited", said, account.id)

    def _credited(self, proven: Proven) -> tuple[Account, str]:
        """Who gets it. Raises Refused."""
        if not proven.reading.numbers:
            return proven.account, ""
        number = self._number(proven.reading.numbers[0])
        account = self._who.owner(number)
        if account is None:
            raise Refused("This number is not registered")
        return account, number

    async def _tell_balance(self, command: Command, proven: Proven) -> Outcome:
        account = proven.account
        said = say("balance", balance=decimal(account.balance), currency=account.currency)
        return Outcome("balance", said, account.id)

    async def _tell_prices(self, command: Command, proven: Proven) -> Outcome:
        account, number, now = proven.account, self._number(proven.reading.numbers[0]), now_millis()
        directory, settings = self._who.directory, self._who.config().sms
        sms = price(directory, settings, account, number, 1, now).amount
        told = {"number": _shown(number), "sms": decimal(sms), "currency": account.currency}
        try:
            said = say("rating", call=decimal(minute(fees(directory, account, number, now)[0])), **told)
        except NoPrice:
            said = say("rating_sms", **told)
        return Outcome("rating", said, account.id)


_ACTIONS: Final[Mapping[Action, Callable[[Commands, Command, Proven], Awaitable[Outcome]]]] = {
    Action.CALL: Commands._connect,
    Action.CALLBACK: Commands._connect,
    Action.PHONE_TO_PHONE: Commands._connect,
    Action.REGISTER: Commands._register,
    Action.CREDIT: Commands._credit,
    Action.BALANCE: Commands._tell_balance,
    Action.RATING: Commands._tell_prices,
    Action.CLI: Commands._list_numbers,
}


def pair(action: Action, numbers: Sequence[Msisdn], own: str) -> tuple[Msisdn, Msisdn | None]:
    """Who is called first, and who then; None: nobody yet. `own`: the sender's number, '' where it is hidden. Raises
    Refused.

    Two numbers are connected; one is, with the sender's; a lone one is called back, but for `p`, which needs two.
    """
    known = list(dict.fromkeys(numbers))
    if len(known) < len(numbers):
        raise NotCalled("A number can't be connected with itself")
    if len(known) < 2 and own and own not in known:
        known.insert(0, Msisdn(own))
    if not known:
        raise NotCalled("The number to be called is missing")
    if len(known) == 1 and action is Action.PHONE_TO_PHONE:
        raise NotCalled("Two numbers are needed")
    return known[0], known[1] if len(known) > 1 else None


def _codes(command: Command, found: Sequence[Reading]) -> list[tuple[str, str]]:
    """Numbers and what may be their codes: the whole text, or `n NUMBER CODE`, which the grammar reads as a pincode
    and a number."""
    beside = [
        (reading.pincode, reading.numbers[0])
        for reading in found if reading.action is Action.REGISTER and reading.pincode
    ]  # fmt: skip
    return [*beside, (command.asker.number, command.text.strip())]


def _refused(refusal: Refused, user_id: UserId = NOBODY) -> Outcome:
    return Outcome(refusal.code, say("refused", why=str(refusal).rstrip(".")), user_id)


def _shown(number: str) -> str:
    return f"+{number}" if len(number) > 6 else number
