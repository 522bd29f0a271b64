"""Conversations as lines of text: `when  what is told | what is to be done`."""

from __future__ import annotations

import itertools

from voipsms.callback import wire
from voipsms.callback.acts import Act, Answer, Close, Declined, Extended, Input, Lost, Open, Opened, Stop, Tick
from voipsms.callback.campaign import Campaign, Menu, Prompt
from voipsms.callback.conversation import Conversation
from voipsms.callback.plan import LegEnd, Plan, Way
from voipsms.model import GatewayId, MessageId, Millis, Msisdn, UserId

FIRST, SECOND = Msisdn("36301234567"), Msisdn("36209876543")
WAYS = (Way("sip:one", "pbx", "3612345", "no", GatewayId(7)), Way("sip:two"), Way("sip:three"))
CAMPAIGN = Campaign(Menu(), {str(prompt): str(prompt) for prompt in Prompt})
BEGAN, SINCE = Millis(1_000_000), 1000.0
RING, LONGEST = 45.0, 7200.0


_PLAIN: dict[str, Input] = {"tick": Tick(), "late": Tick(), "lost": Lost(), "ringing": wire.Ringing(1)}


def plan(second: Msisdn | None = SECOND) -> Plan:
    return Plan(MessageId(5), UserId(1), FIRST, second)


def conversation(second: Msisdn | None = SECOND, longest: float = LONGEST) -> Conversation:
    return Conversation(
        plan(second), CAMPAIGN, itertools.count(1), since=SINCE, began=BEGAN, ring=RING, longest=longest,
        country="HU", balance=("balance",),
    )  # fmt: skip


def show(act: Act) -> str:
    match act:
        case wire.Dial():
            return f"dial {act.call} {act.uri}"
        case wire.Hangup():
            return f"hangup {act.call}"
        case wire.Play():
            return " ".join(("loop" if act.loop else "play", *act.files))
        case wire.Bridge() | wire.Part():
            return f"{type(act).__name__.lower()} {act.one} {act.two}"
        case Open():
            return " ".join(("open", *act.numbers))
    return type(act).__name__.lower()


class Played:
    """Plays a script; remembers the last token, so that `played` is of what plays."""

    def __init__(self, conversation: Conversation, seconds: int = 60) -> None:
        self.conversation = conversation
        self.acts = list(conversation.begin(Opened(seconds, WAYS[:2])))
        self.closed: list[tuple[LegEnd, ...]] = []
        self.token = 0

    def told(self, words: str) -> Input:
        kind, *rest = words.split()
        match kind, rest:
            case "opened", [seconds]:
                return Opened(int(seconds), WAYS[:2])
            case "answered", [call, *codec]:
                return wire.Answered(int(call), *codec)
            case "ended", [call, code, *reason]:
                return wire.Ended(int(call), int(code), " ".join(reason), "by_us" in reason)
            case "digit", [call, digit]:
                return wire.Digit(int(call), digit, "rfc4733")
            case "played", []:
                return wire.Played(1, self.token)
            case "declined", [code]:
                return Declined(code)
            case "extended", [seconds]:
                return Extended(int(seconds))
            case "stop", [reason]:
                return Stop(reason)
        return _PLAIN[kind]

    def take(self, told: Input, now: float) -> list[str]:
        acts = self.conversation.take(told, now)
        self.acts += acts
        for act in acts:
            if isinstance(act, wire.Play):
                self.token = act.token
            elif isinstance(act, Close):
                self.closed.append(act.legs)
        return [show(act) for act in acts if not isinstance(act, Answer)]

    def play(self, script: str) -> None:
        """Every line is held to. `tick`: just in time, `late`: overdue; `digits 0612#` are several in one line."""
        for line in filter(None, map(str.strip, script.splitlines())):
            told, _, wanted = line.partition("|")
            at, _, words = told.partition(" ")
            now, words = SINCE + float(at), words.strip()
            if words.startswith("digits"):
                shown = [
                    act for digit in words.split()[1] for act in self.take(wire.Digit(1, digit, "inband"), now)
                ]  # fmt: skip
            else:
                if words in ("tick", "late"):
                    due = self.conversation.next_timeout()
                    assert due is not None, line
                    assert due == now if words == "tick" else due < now, line
                shown = self.take(self.told(words), now)
            assert "; ".join(shown) == wanted.strip(), line

    @property
    def ends(self) -> list[str]:
        """`number started seconds code reason`, of a conversation that is over."""
        (legs,) = self.closed
        assert self.conversation.next_timeout() is None
        return [
            f"{leg.number} {(leg.started - BEGAN) / 1000:g} {leg.seconds} {leg.code} {leg.reason}".strip()
            for leg in legs
        ]  # fmt: skip
