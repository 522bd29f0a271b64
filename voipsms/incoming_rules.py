"""What rules make of a text from a phone, before STOP is looked for and its user is.

Only rules that ask for the direction look at it, so that those of messages that go out stay what they were.
"""

from __future__ import annotations

from typing import Final

from voipsms import metrics
from voipsms.directory import Directory
from voipsms.log import get_logger
from voipsms.model import Belongs, Incoming, Msisdn
from voipsms.rules import Effect, Outcome, Slow, apply
from voipsms.values import Value, replace

EMPTY: Final = "The message has no text"
SLOW: Final = "A rule takes too long on this message"

log = get_logger("rules")


class Ruled(Value, frozen=True):
    """`refusal`: why it goes nowhere; `belongs`: whose a rule has made it; `effects`: for after the commit."""

    incoming: Incoming
    refusal: str | None = None
    belongs: Belongs | None = None
    effects: tuple[Effect, ...] = ()


def apply_in(directory: Directory, incoming: Incoming) -> Ruled:
    if not incoming.text and not incoming.octets:
        return Ruled(incoming, EMPTY)
    rules = directory.rules.of_incoming
    if not rules:
        return Ruled(incoming)
    try:
        outcome = apply(rules, facts(directory, incoming))
    except Slow as error:
        metrics.count("rules", "match", "slow")
        log.error("a text from a phone is refused, since a rule takes too long on it", rule=error.rule)
        return Ruled(incoming, SLOW)
    changed = _changed(incoming, outcome) if outcome.changed else incoming
    if outcome.refusal is not None:
        return Ruled(changed, outcome.refusal)
    return Ruled(changed, None, _forwarded(directory, changed, outcome.forward), tuple(outcome.effects))


def facts(directory: Directory, incoming: Incoming) -> dict[str, str]:
    """`user`: the owner of the number that it came to."""
    found = directory.book.find(incoming.target, incoming.text)
    owner = directory.by_id.get(found.user_id) if found and found.user_id else None
    return {
        "from": incoming.source,
        "to": incoming.target,
        "text": incoming.text,
        "user": owner.name if owner else "",
        "direction": "in",
    }


def _changed(incoming: Incoming, outcome: Outcome) -> Incoming:
    """A binary message's text stays empty."""
    said = outcome.facts
    text = incoming.text if incoming.octets else said["text"]
    return replace(incoming, source=Msisdn(said["from"]), target=Msisdn(said["to"]), text=text)


def _forwarded(directory: Directory, incoming: Incoming, user: str) -> Belongs | None:
    if not user:
        return None
    account = directory.by_name.get(user)
    if account is None:
        metrics.count("rules", "forward", "failed")
        log.warning("a rule names a user that there isn't; the text goes to whose it is", user=user, id=incoming.id)
        return None
    return Belongs(account.id, incoming.target)
