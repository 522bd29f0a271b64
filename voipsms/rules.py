"""Rules in order: what an operator wants changed, refused, sent another way, copied or told. Pure.

A rule matches where each of its conditions does. Its actions are done in their order, and the next rule sees what they
have changed; `stop` and `refuse` end it all. Each rule is looked at once, so none can feed itself.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from voipsms.patterns import TooSlow, bounded, searches

# A message's and a SIP request's. `number`: the user part of the request URI.
MESSAGE_FIELDS: Final = ("from", "to", "text", "user", "direction")
REQUEST_FIELDS: Final = ("method", "number", "from")
CHANGEABLE: Final = ("from", "to", "text")
LONGEST_TEXT: Final = 40_000  # characters: longer ones are no message of 255 parts
COPIES: Final = "rule"  # the door of copies: no rule looks at what comes from there
MOST_EFFECTS: Final = 20  # of one message

Facts = Mapping[str, str]  # field → value; numbers as E.164 digits without +


class Slow(TooSlow):
    """The pattern of the rule with this name takes too long."""

    def __init__(self, rule: str) -> None:
        super().__init__(f"rule {rule!r}: its pattern takes too long on this text")
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Condition:
    """`holds` is asked of the field's value; where it `folds` of the value without the difference of a and A."""

    field: str
    holds: Callable[[str], object]
    negated: bool = False
    folds: bool = True
    said: str = ""  # as the operator wrote it


@dataclass(slots=True)
class Outcome:
    """What is to become of a message. `gateway`: the name of the first one to be tried, '' : as routes say; `forward`:
    the account that gets a text from a phone, '' : whose it is.

    `answer`: of a SIP request. `matched`: names of rules. `changed`: fields that differ from what came.
    """

    facts: dict[str, str]
    gateway: str = ""
    forward: str = ""
    refusal: str | None = None
    answer: tuple[int, str] | None = None
    effects: list[Effect] = field(default_factory=list)
    matched: list[str] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)

    def change(self, name: str, value: str) -> None:
        """One that is too long stays so, and is refused as that; it doesn't grow on."""
        if value != self.facts[name]:
            self.facts[name] = value[: LONGEST_TEXT + 1]
            self.changed.add(name)


class Action(ABC):
    """`said`: in words, for `explain`."""

    __slots__ = ()
    ends: bool = False  # no further action or rule is looked at

    @abstractmethod
    def act(self, outcome: Outcome) -> None: ...

    @property
    @abstractmethod
    def said(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Rewrite(Action):
    """`pieces`: texts, and numbers of the pattern's groups. What they hold is never read as anything else again."""

    field: str
    pattern: re.Pattern[str]
    pieces: tuple[str | int, ...]

    @searches
    def act(self, outcome: Outcome) -> None:
        room = LONGEST_TEXT

        def written(found: re.Match[str]) -> str:
            nonlocal room
            if room < 0:
                return ""
            text = "".join(piece if isinstance(piece, str) else found[piece] or "" for piece in self.pieces)
            room -= len(text)
            return text

        outcome.change(self.field, self.pattern.sub(written, outcome.facts[self.field]))

    @property
    def said(self) -> str:
        return f"{self.field} rewritten"


@dataclass(frozen=True, slots=True)
class Prefix(Action):
    field: str
    text: str

    def act(self, outcome: Outcome) -> None:
        outcome.change(self.field, self.text + outcome.facts[self.field])

    @property
    def said(self) -> str:
        return f"{self.text!r} in front of {self.field}"


@dataclass(frozen=True, slots=True)
class Choose(Action):
    gateway: str

    def act(self, outcome: Outcome) -> None:
        outcome.gateway = self.gateway

    @property
    def said(self) -> str:
        return f"gateway {self.gateway}"


@dataclass(frozen=True, slots=True)
class Forward(Action):
    """Of a text from a phone."""

    user: str

    def act(self, outcome: Outcome) -> None:
        outcome.forward = self.user

    @property
    def said(self) -> str:
        return f"forwarded to {self.user}"


@dataclass(frozen=True, slots=True)
class Refuse(Action):
    text: str
    ends = True

    def act(self, outcome: Outcome) -> None:
        outcome.refusal = self.text

    @property
    def said(self) -> str:
        return f"refused: {self.text}"


@dataclass(frozen=True, slots=True)
class Answer(Action):
    """Of a SIP request."""

    code: int
    text: str
    ends = True

    def act(self, outcome: Outcome) -> None:
        outcome.answer = (self.code, self.text)

    @property
    def said(self) -> str:
        return f"answered {self.code} {self.text}".rstrip()


@dataclass(frozen=True, slots=True)
class Stop(Action):
    ends = True

    def act(self, outcome: Outcome) -> None:
        return None

    @property
    def said(self) -> str:
        return "no further rule"


class Effect(Action):
    """Done when the message is committed, and never if it isn't."""

    __slots__ = ()

    def act(self, outcome: Outcome) -> None:
        if len(outcome.effects) < MOST_EFFECTS and self not in outcome.effects:
            outcome.effects.append(self)


@dataclass(frozen=True, slots=True)
class Copy(Effect):
    """To another number, as a message of its own, which no rule looks at."""

    number: str

    @property
    def said(self) -> str:
        return f"copied to {self.number}"


@dataclass(frozen=True, slots=True)
class Tell(Effect):
    """By mail, a program or a webhook: `url`, `body` and `headers` are templates as those of gateways."""

    kind: str
    url: str
    body: str = ""
    headers: str = ""

    @property
    def said(self) -> str:
        return {"mail": "copied by mail", "run": "a program is run", "webhook": "a webhook is told"}[self.kind]


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    conditions: tuple[Condition, ...]
    actions: tuple[Action, ...]

    @property
    def of_requests(self) -> bool:
        return any(isinstance(action, Answer) for action in self.actions)

    @property
    def of_incoming(self) -> bool:
        """A text from a phone is looked at only by rules that ask for the direction."""
        return any(condition.field == "direction" for condition in self.conditions) and self.meant_for("in")

    def meant_for(self, direction: str) -> bool:
        asked = [condition for condition in self.conditions if condition.field == "direction"]
        return all(bool(condition.holds(direction)) is not condition.negated for condition in asked)


class Rules:
    """Those in force: of messages, of them those that look at texts from phones, and of SIP requests."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        found = tuple(rules)
        self.of_messages = tuple(rule for rule in found if not rule.of_requests)
        self.of_incoming = tuple(rule for rule in self.of_messages if rule.of_incoming)
        self.of_requests = tuple(rule for rule in found if rule.of_requests)

    def effects(self) -> frozenset[Effect]:
        """All that may ever be asked for."""
        return frozenset(
            action for rule in self.of_messages for action in rule.actions if isinstance(action, Effect)
        )  # fmt: skip


def apply(rules: Sequence[Rule], facts: Facts, trace: list[tuple[str, str]] | None = None) -> Outcome:
    """Raises Slow: all rules together take `patterns.LONGEST_SEARCH` of CPU time at the most, and get it twice, since
    the process may have been busy with something else.

    `trace` gets each rule's name and what it did, or why not.
    """
    try:
        return _apply(rules, facts, trace)
    except Slow:
        if trace is not None:
            trace.clear()
        return _apply(rules, facts, trace)


def _apply(rules: Sequence[Rule], facts: Facts, trace: list[tuple[str, str]] | None) -> Outcome:
    outcome, rule = Outcome(dict(facts)), None
    try:
        with bounded:
            folded = {name: value.casefold() for name, value in facts.items()}
            for rule in rules:
                differs = _differs(rule, outcome.facts, folded)
                if trace is not None:
                    trace.append((rule.name, _why(rule, differs)))
                if differs is None and _act(rule, outcome, folded):
                    break
    except TooSlow as error:
        raise Slow(rule.name if rule else "") from error
    return outcome


@searches
def _differs(rule: Rule, facts: Facts, folded: Facts) -> Condition | None:
    """The first condition that does not hold; None: all do."""
    for condition in rule.conditions:
        value = (folded if condition.folds else facts)[condition.field]
        if bool(condition.holds(value)) is condition.negated:
            return condition
    return None


def _act(rule: Rule, outcome: Outcome, folded: dict[str, str]) -> bool:
    """Whether that was all."""
    outcome.matched.append(rule.name)
    for action in rule.actions:
        action.act(outcome)
        if action.ends:
            return True
    for name in outcome.changed:
        folded[name] = outcome.facts[name].casefold()
    return False


def _why(rule: Rule, differs: Condition | None) -> str:
    if differs is not None:
        return f"not this: {differs.said}"
    return "matches: " + ", ".join(action.said for action in rule.actions)
