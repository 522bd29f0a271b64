"""What happens to a submission before accept measures it: rules, v_dialplansms, adverts and signature."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Container

from voipsms import adverts, metrics
from voipsms.accept import find, sender_of
from voipsms.directory import Account, Directory
from voipsms.errors import Blocked, TooLong
from voipsms.log import get_logger
from voipsms.model import GatewayId, Message, Micros, Submission, UserId
from voipsms.rewriting import DialPlan
from voipsms.routing import Ways
from voipsms.rules import COPIES, LONGEST_TEXT, Effect, Outcome, Slow, apply
from voipsms.settings import GlobalSettings
from voipsms.sms.numbers import Kind, read_number
from voipsms.store.ids import now_millis
from voipsms.values import Value, replace

log = get_logger("rules")


class Ready(Value, frozen=True):
    """`gateway`: the first one to be tried. `effects`: for after the commit. `advert`: there is one in the text."""

    submission: Submission
    gateway: GatewayId | None = None
    effects: tuple[Effect, ...] = ()
    advert: bool = False


async def _as_it_is() -> bool:
    return False


class Preparation:
    """`start`: does what rules want beside the message. `plan`: None where numbers are not to be rewritten."""

    def __init__(
        self,
        directory: Directory,
        settings: GlobalSettings,
        bill_to: str,
        refresh: Callable[[], Awaitable[bool]] = _as_it_is,
        start: Callable[[tuple[Effect, ...], Message], None] = lambda effects, message: None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._directory, self._refresh, self._draw = directory, refresh, draw
        self.start = start
        self.configure(settings, bill_to, None)

    def configure(self, settings: GlobalSettings, bill_to: str, plan: DialPlan | None) -> None:
        self._settings, self._bill_to, self.plan = settings, bill_to, plan
        self._adds = bool(settings.smssignature or settings.smsadvprefix or settings.smsadv)
        self._always = self._adds or plan is not None

    @property
    def active(self) -> bool:
        """Whether there is anything to do."""
        return self._always or bool(self._directory.rules.of_messages)

    async def prepare(self, submission: Submission, trace: list[tuple[str, str]] | None = None) -> Ready:
        """`trace` gets each rule's name and what it did, or why not. Raises Refused."""
        if submission.door == COPIES:  # a copy has been through all this
            return Ready(submission)
        account = self._account(submission)
        if account is None and await self._refresh():
            account = self._account(submission)
        ready = self.ruled(submission, account, trace)
        if self.plan is not None:
            ready = replace(ready, submission=await self._rewritten(ready.submission, account, self.plan))
        return self.adorned(ready, account) if self._adds else ready

    def _account(self, submission: Submission) -> Account | None:
        names = (*submission.payers, self._bill_to)
        found = (find(self._directory, name, self._settings.country) for name in names if name)
        return next((account for account in found if account), None)

    # -- rules

    def facts(self, submission: Submission, account: Account | None) -> dict[str, str]:
        """Numbers as the message will have them, so that no other spelling gets past a rule."""
        return {
            "from": self._sender(submission, account),
            "to": self._digits(submission.target),
            "text": "" if submission.octets else submission.text,
            "user": account.name if account else "",
            "direction": "out",
        }

    def _digits(self, raw: str) -> str:
        return read_number(raw, self._settings.country).digits or raw

    def _sender(self, submission: Submission, account: Account | None) -> str:
        if account is None:
            return self._digits(submission.sender)
        return sender_of(submission, account, self._bill_to, self._settings.country)

    def ruled(
        self, submission: Submission, account: Account | None, trace: list[tuple[str, str]] | None = None
    ) -> Ready:
        """Raises Blocked and TooLong."""
        rules = self._directory.rules.of_messages
        if not rules:
            return Ready(submission)
        if len(submission.text) > LONGEST_TEXT:
            raise TooLong
        try:
            outcome = apply(rules, self.facts(submission, account), trace)
        except Slow as error:
            metrics.count("rules", "match", "slow")
            log.error("a message is refused, since a rule takes too long on it", rule=error.rule)
            raise Blocked("A rule takes too long on this message") from error
        if outcome.refusal is not None:
            raise Blocked(outcome.refusal)
        changed = self._changed(submission, outcome) if outcome.changed else submission
        return Ready(changed, self._gateway(outcome), tuple(outcome.effects))

    def _changed(self, submission: Submission, outcome: Outcome) -> Submission:
        new: dict[str, object] = {}
        if "to" in outcome.changed:
            new["target"] = _international(outcome.facts["to"])
        if "from" in outcome.changed:
            new |= {"sender": _international(outcome.facts["from"]), "free_sender": True}
        if "text" in outcome.changed and not submission.octets:
            new["text"] = outcome.facts["text"]
        return replace(submission, **new)

    def _gateway(self, outcome: Outcome) -> GatewayId | None:
        if not outcome.gateway:
            return None
        gateway = self._directory.gateways.get(outcome.gateway)
        if gateway is None:
            metrics.count("rules", "gateway", "failed")
            log.warning("a rule names a gateway that there isn't; routes decide", gateway=outcome.gateway)
        return gateway

    # -- numbers and texts

    async def _rewritten(self, submission: Submission, account: Account | None, plan: DialPlan) -> Submission:
        asked = self._digits(submission.target)
        fromid = account.id if account else UserId(0)
        found = await plan.rewrite(asked, fromid, self._sender(submission, account), submission.client_ip)
        return submission if found == asked else replace(submission, target=_international(found))

    def adorned(self, ready: Ready, account: Account | None) -> Ready:
        """A text that is empty stays so, and binary messages have none."""
        submission, settings = ready.submission, self._settings
        if submission.octets or not submission.text:
            return ready
        advert = ""
        if settings.smsadv and self._directory.adverts:
            group = account.group if account else ""
            advert = adverts.choose(self._directory.adverts, group, now_millis(), self._draw())
        text = adverts.adorn(submission.text, settings, advert)
        if text == submission.text:
            return ready
        return replace(ready, submission=replace(submission, text=text), advert=bool(advert))

    def credited(self, ready: Ready, message: Message) -> tuple[Message, Micros]:
        """The message at what is left to pay, and the credit for the advertisement in it."""
        credit = adverts.credit(self._settings, message.price) if ready.advert else Micros(0)
        return (replace(message, price=Micros(message.price - credit)) if credit else message), credit


def changes(before: Submission, after: Submission) -> str:
    """What rules and the rest have made of it, for the message's story: numbers as they were, of texts the lengths."""
    if before is after:
        return ""
    was = {name: (getattr(before, name), getattr(after, name)) for name in ("target", "sender")}
    said = [f"{name} was {old!r}" for name, (old, new) in was.items() if old != new]
    if before.text != after.text:
        said.append(f"text had {len(before.text)} characters, has {len(after.text)}")
    return "; ".join(said)


def chosen_first(ways: Ways, gateway: GatewayId | None, known: Container[GatewayId]) -> Ways:
    """The gateway that a rule has chosen comes before those that routes choose."""
    if gateway is None or gateway not in known:
        return ways
    return lambda asked: (gateway, *(other for other in ways(asked) if other != gateway))


def _international(number: str) -> str:
    """Digits that are a whole international number are one, whatever they might be within a country."""
    whole = (
        number.isascii() and number.isdecimal() and read_number(f"+{number}").kind not in (Kind.IMPOSSIBLE, Kind.NAME)
    )
    return f"+{number}" if whole else number
