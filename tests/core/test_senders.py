"""Which senders a provider takes, and where the rule is applied: on the way out alone."""

from __future__ import annotations

import pytest

from tests.core.world import message
from voipsms.connectors.named import values
from voipsms.connectors.short_message import Composer
from voipsms.connectors.template import compile_value
from voipsms.errors import RefusedHere
from voipsms.gateway_settings import GatewaySettings, read_gateway
from voipsms.ini import BadValue
from voipsms.model import Part
from voipsms.senders import LONGEST, MOST, allows, read_senders, sender_for

ALLOWED = {
    "all": ("", "anything at all", True),
    "a number": ("numeric", "36201234567", True),
    "a number with +": ("numeric", "+36201234567", True),
    "a number that is none": ("numeric", "36201x34567", False),
    "a short code is no number": ("numeric", "12345", False),
    "a short code": ("short", "12345", True),
    "a number is no short code": ("short", "3620123", False),
    "letters": ("alphanumeric", "ACME", True),
    "letters and digits": ("alphanumeric", "4you", True),
    "digits are no letters": ("alphanumeric", "36201234567", False),
    "digits with + are none either": ("alphanumeric", "+36201234567", False),
    "nothing is none": ("alphanumeric", "", False),
    "one of its own": ("ACME, 3612345678", "3612345678", True),
    "with + on either side": ("+3612345678", "+3612345678", True),
    "with + in the list": ("+3612345678", "3612345678", True),
    "in another case": ("Acme", "aCME", True),
    "another than its own": ("ACME, 3612345678", "3612345679", False),
    "the beginning of its own": ("ACME", "ACM", False),
    "kinds in any case": ("Numeric, SHORT", "123", True),
    "one of several kinds": ("short, alphanumeric", "ACME", True),
}


@pytest.mark.parametrize("setting, sender, allowed", ALLOWED.values(), ids=ALLOWED)
def test_allowed(setting: str, sender: str, allowed: bool) -> None:
    senders = read_senders(setting)
    assert allows(senders, sender) is allowed
    assert sender_for(senders, "INSTEAD", sender) == (sender if allowed else "INSTEAD")


def test_none_instead() -> None:
    with pytest.raises(RefusedHere, match="not allowed here"):
        sender_for(read_senders("short"), "", "ACME")


BOUNDS = {"long": "a" * (LONGEST + 1), "many": ",".join(map(str, range(MOST + 1)))}


@pytest.mark.parametrize("text", BOUNDS.values(), ids=BOUNDS)
def test_bounds(text: str) -> None:
    with pytest.raises(BadValue, match=f"at most {MOST} senders"):
        read_senders(text)


def gateway(**keys: str) -> GatewaySettings:
    faults: list[str] = []
    found = read_gateway("g", {"smsurl": "null:", **keys}, lambda key, right: faults.append(f"{key}: {right}"))
    assert faults == []
    return found


def test_one_instead_that_is_not_allowed_is_a_fault() -> None:
    faults: list[str] = []
    keys = {"smsurl": "null:", "senders": "short", "sender_instead": "ACME"}
    read_gateway("g", keys, lambda key, right: faults.append(f"{key}: {right}"))
    assert faults == ["sender_instead: must be one of the allowed senders"]


LEAVES = {
    "its own": ({"senders": "numeric"}, "36201234567"),
    "another": ({"senders": "alphanumeric", "sender_instead": "ACME"}, "ACME"),
    "always the same, whatever is allowed": ({"senders": "short", "sender": "Always"}, "Always"),
}


@pytest.mark.parametrize("keys, sender", LEAVES.values(), ids=LEAVES)
def test_what_leaves(keys: dict[str, str], sender: str) -> None:
    settings, sent = gateway(**keys), message()
    assert values(sent, gateway=settings)["fromnum"] == sender
    composed, _ = Composer(settings).compose(Part(sent, 1, 1, b"Hi"))
    assert composed.source_addr == sender
    assert Composer(settings).source(sent)[2] == sender  # what a query_sm has to name
    assert sent.sender == "36201234567"


def test_what_does_not() -> None:
    settings = gateway(senders="short")
    with pytest.raises(RefusedHere):
        values(message(), gateway=settings)
    with pytest.raises(RefusedHere):
        Composer(settings).compose(Part(message(), 1, 1, b"Hi"))


REPLIES = {"mizu": "mo=[mo]", "jinja": "mo={{ mo }}"}


@pytest.mark.parametrize("template", REPLIES.values(), ids=REPLIES)
@pytest.mark.parametrize("setting, sent", [("true", "mo=1"), ("false", "mo=0")])
def test_replies(template: str, setting: str, sent: str) -> None:
    assert compile_value("g", "k", template)(values(message(), gateway=gateway(mo=setting))) == sent
