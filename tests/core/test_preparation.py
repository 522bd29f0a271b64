"""Before accept: what rules and v_dialplansms make of a submission, and what becomes of it then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.core.house import NUMBER, House, house
from tests.core.stage import Carrier, until
from tests.core.world import ALICE, BOB, CARRIER, FIXED, MOBILE, directory, submission
from voipsms.errors import Blocked, ImpossibleNumber, NotConverted, TooLong
from voipsms.intake import Taken
from voipsms.model import GatewayId, Part, State, Submission, Submitted, UserId
from voipsms.preparation import Preparation, chosen_first
from voipsms.rewriting import DialPlan
from voipsms.rulebook import compile_rules
from voipsms.rules import LONGEST_TEXT
from voipsms.settings import GlobalSettings
from voipsms.store.accounts import ensure_admin
from voipsms.store.rules import RuleText, enable_rule, read_rules, write_rules
from voipsms.values import replace

HU = GlobalSettings(country="HU")
ASKED = Submission(door="test", payers=("alice",), sender="alice", target=MOBILE, text="Hi")


def rule(when: list[Any], *then: dict[str, Any], name: str = "r") -> RuleText:
    return RuleText(name, True, tuple(when), then)


def prepared(*rules: RuleText, settings: GlobalSettings = HU, bill_to: str = "") -> Preparation:
    known = directory()
    known.rules = compile_rules(rules)
    return Preparation(known, settings, bill_to)


# -- what rules see -----------------------------------------------------------------------------------------------

SEEN: dict[str, tuple[dict[str, Any], str, str]] = {
    "a number with +": ({"target": "+36201112233"}, "to", MOBILE),
    "with 00": ({"target": "0036 20 111-2233"}, "to", MOBILE),
    "national": ({"target": "06201112233"}, "to", MOBILE),
    "a short code": ({"target": "1750"}, "to", "1750"),
    "a name": ({"target": "bob"}, "to", "bob"),
    "no number": ({"target": "+99"}, "to", "+99"),
    "the number that the message leaves from": ({"sender": "alice"}, "from", ALICE),
    "a stranger's number": ({"payers": ("x",), "sender": "+36309876543"}, "from", BOB),
    "the text": ({"text": "Hi"}, "text", "Hi"),
    "octets": ({"octets": b"\1"}, "text", ""),
    "the user": ({}, "user", "alice"),
    "the user by a number": ({"payers": ("+36309876543",)}, "user", "bob"),
    "the second payer": ({"payers": ("nobody", "bob")}, "user", "bob"),
    "nobody": ({"payers": ("nobody",)}, "user", ""),
    "the direction": ({}, "direction", "out"),
}


@pytest.mark.parametrize("changes, field, value", SEEN.values(), ids=SEEN)
def test_facts(changes: dict[str, Any], field: str, value: str) -> None:
    at, asked = prepared(), submission(**changes)
    assert at.facts(asked, at._account(asked))[field] == value


def test_who_pays_for_strangers_is_the_user() -> None:
    at, asked = prepared(bill_to="pbx"), submission(payers=("nobody",))
    assert at.facts(asked, at._account(asked))["user"] == "pbx"


CHANGED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a number": ({"do": "rewrite", "field": "to", "pattern": "^3620", "by": "3630"}, {"target": "+36301112233"}),
    "a national number": ({"do": "rewrite", "field": "to", "pattern": "^36", "by": "06"}, {"target": "06201112233"}),
    "a prefix": ({"do": "prefix", "field": "to", "text": "99"}, {"target": "9936201112233"}),
    "a short code": ({"do": "rewrite", "field": "to", "pattern": "^.*$", "by": "1750"}, {"target": "1750"}),
    "a sender's name": (
        {"do": "rewrite", "field": "from", "pattern": "^.*$", "by": "ACME"}, {"sender": "ACME", "free_sender": True},
    ),
    "a sender's number": (
        {"do": "rewrite", "field": "from", "pattern": "^3620", "by": "3670"},
        {"sender": "+36701234567", "free_sender": True},
    ),
    "a text": ({"do": "prefix", "field": "text", "text": "ACME: "}, {"text": "ACME: Hi"}),
    "nothing": ({"do": "rewrite", "field": "to", "pattern": "^44", "by": ""}, {}),
}  # fmt: skip


@pytest.mark.parametrize("action, changes", CHANGED.values(), ids=CHANGED)
async def test_changes(action: dict[str, Any], changes: dict[str, Any]) -> None:
    at = prepared(rule([], action))
    assert (await at.prepare(submission())).submission == submission(**changes)


async def test_octets_have_no_text_to_change() -> None:
    at = prepared(
        rule([], {"do": "prefix", "field": "text", "text": "x"}), settings=GlobalSettings(smssignature="ACME")
    )
    asked = submission(octets=b"\1", text="")
    assert (await at.prepare(asked)).submission == asked


async def test_a_copy_is_not_looked_at() -> None:
    at = prepared(rule([], {"do": "refuse"}), settings=GlobalSettings(smssignature="ACME"))
    asked = submission(door="rule")
    assert (await at.prepare(asked)).submission == asked


async def test_a_text_too_long_for_any_message_meets_no_pattern() -> None:
    with pytest.raises(TooLong):
        await prepared(rule([], {"do": "stop"})).prepare(submission(text="x" * (LONGEST_TEXT + 1)))


async def test_a_rule_that_takes_too_long_harms_only_its_message() -> None:
    at = prepared(rule([{"field": "text", "matches": "(a+)+$"}], {"do": "refuse"}))
    with pytest.raises(Blocked, match="A rule takes too long on this message"):
        await at.prepare(submission(text="a" * 3000 + "b"))
    assert (await at.prepare(submission())).submission == submission()


async def test_an_account_that_is_new_is_known_to_rules() -> None:
    """Else a rule for a user would not hold for the first message."""
    known = directory()
    known.rules = compile_rules([rule([{"field": "user", "is": "alice"}], {"do": "refuse", "text": "no"})])
    alice = known.by_name.pop("alice")

    async def refresh() -> bool:
        known.by_name["alice"] = alice
        return True

    with pytest.raises(Blocked):
        await Preparation(known, HU, "", refresh).prepare(submission(payers=("alice",)))


GATEWAYS = {
    "one that there is": ("carrier", (CARRIER, GatewayId(7))),
    "one that is gone": ("gone", (GatewayId(7),)),
}


@pytest.mark.parametrize("name, order", GATEWAYS.values(), ids=GATEWAYS)
async def test_the_gateway_that_a_rule_chooses_comes_first(name: str, order: tuple[GatewayId, ...]) -> None:
    ready = await prepared(rule([], {"do": "gateway", "name": name})).prepare(submission())
    ways = chosen_first(lambda asked: (GatewayId(7),), ready.gateway, {CARRIER: None, GatewayId(7): None})
    assert tuple(ways(None)) == order  # type: ignore[arg-type]


def test_a_chosen_gateway_is_tried_once_and_only_where_it_runs() -> None:
    def routed(asked: object) -> tuple[GatewayId, ...]:
        return (GatewayId(7), CARRIER)

    assert tuple(chosen_first(routed, CARRIER, {CARRIER})(None)) == (CARRIER, GatewayId(7))  # type: ignore[arg-type]
    assert chosen_first(routed, CARRIER, {GatewayId(7)}) is routed


ACTIVE = {
    "nothing": (GlobalSettings(), (), False),
    "a credit without adverts": (GlobalSettings(smsadvvalue=1), (), False),  # type: ignore[arg-type]
    "a rule": (GlobalSettings(), (rule([], {"do": "stop"}),), True),
    "a rule for SIP requests": (GlobalSettings(), (rule([], {"do": "answer", "code": 200}),), False),
    "a signature": (GlobalSettings(smssignature="x"), (), True),
    "a prefix": (GlobalSettings(smsadvprefix="x"), (), True),
    "adverts": (GlobalSettings(smsadv=True), (), True),
}


@pytest.mark.parametrize("settings, rules, active", ACTIVE.values(), ids=ACTIVE)
def test_what_is_off_takes_no_part(settings: GlobalSettings, rules: tuple[RuleText, ...], active: bool) -> None:
    assert prepared(*rules, settings=settings).active is active


# -- v_dialplansms ------------------------------------------------------------------------------------------------


class Plan(DialPlan):
    def __init__(self, answer: str) -> None:
        self.answer, self.asked = answer, ("", 0, "", "")

    async def rewrite(self, tonum: str, fromid: UserId, fromnum: str, clientip: str) -> str:
        self.asked = (tonum, fromid, fromnum, clientip)
        return self.answer or tonum


@pytest.mark.parametrize(
    "answer, target",
    [("", "06201112233"), ("36709998877", "+36709998877"), ("06709998877", "06709998877"), ("*100#", "*100#")],
)
async def test_numbers_are_rewritten_after_the_rules(answer: str, target: str) -> None:
    at, plan = prepared(rule([], {"do": "prefix", "field": "text", "text": "x"})), Plan(answer)
    at.configure(HU, "", plan)
    asked = submission(target="06201112233", client_ip="192.0.2.1")
    assert (await at.prepare(asked)).submission == replace(asked, target=target, text="xHi")
    assert plan.asked == (MOBILE, 1, ALICE, "192.0.2.1")


# -- in the house -------------------------------------------------------------------------------------------------


def taken(part: Part) -> Submitted:
    return Submitted(f"p{part.message.id}", State.ACCEPTED)


async def changed(at: House, *rules: RuleText) -> None:
    with at.db.transaction():
        write_rules(at.db, rules)
    assert await at.accounts.refresh()


async def test_a_rule_of_another_process_holds_at_once_and_ends(tmp_path: Path) -> None:
    refuse = rule([{"field": "to", "starts": "3620"}], {"do": "refuse", "text": "Not there"})
    async with house(tmp_path, Carrier(taken)) as at:
        assert isinstance(await at.intake.submit(ASKED), Taken)
        await changed(at, refuse)
        with pytest.raises(Blocked, match="Not there") as found:
            await at.intake.submit(replace(ASKED, target="+36 20 111 2233"))
        assert (found.value.sip_code, found.value.http_status) == (403, 403)
        with at.db.transaction():
            enable_rule(at.db, "r", enabled=False)
        await at.accounts.refresh()
        assert read_rules(at.db) == [replace_enabled(refuse)]
        assert isinstance(await at.intake.submit(ASKED), Taken)
        assert len(at.rows("tb_messages")) == 2


def replace_enabled(text: RuleText) -> RuleText:
    return RuleText(text.name, False, text.when, text.then)


async def test_a_refusal_is_remembered(tmp_path: Path) -> None:
    asked = replace(ASKED, ingress_key=b"k" * 16)
    async with house(tmp_path, Carrier(taken)) as at:
        await changed(at, rule([], {"do": "refuse", "text": "Not there"}))
        with pytest.raises(Blocked):
            await at.intake.submit(asked)
        await changed(at)
    async with house(tmp_path, Carrier(taken)) as at:
        with pytest.raises(Blocked, match="Not there"):
            await at.intake.submit(asked)


async def test_a_rewritten_message_is_what_is_stored(tmp_path: Path) -> None:
    async with house(tmp_path, Carrier(taken)) as at:
        await changed(
            at,
            rule([{"field": "to", "starts": "3620"}],
                 {"do": "rewrite", "field": "to", "pattern": "^3620", "by": "3630"},
                 {"do": "rewrite", "field": "from", "pattern": "^.*$", "by": "ACME"}, name="1"),
            rule([{"field": "from", "is": "acme"}], {"do": "prefix", "field": "text", "text": "A: "}, name="2"),
        )  # fmt: skip
        await at.intake.submit(ASKED)
        assert at.rows("tb_messages", "sender, target, text") == [("ACME", "36301112233", "A: Hi")]


@pytest.mark.parametrize("by, error", [("", ImpossibleNumber), ("99", ImpossibleNumber), (FIXED, NotConverted)])
async def test_a_rewritten_number_has_to_be_one(tmp_path: Path, by: str, error: type[Exception]) -> None:
    async with house(tmp_path, Carrier(taken)) as at:
        await changed(at, rule([], {"do": "rewrite", "field": "to", "pattern": "^.*$", "by": by}))
        with pytest.raises(error):
            await at.intake.submit(ASKED)


async def test_copies_are_messages_of_the_operator_and_never_copied_again(tmp_path: Path) -> None:
    """Each of the two numbers is copied to the other: that makes one copy, not a flood."""
    one, other = "36209990001", "36209990002"
    async with house(tmp_path, Carrier(taken)) as at:
        with at.db.transaction():
            ensure_admin(at.db, at.ids, "EUR")
        await changed(
            at,
            rule([{"field": "to", "is": one}], {"do": "copy", "number": f"+{other}"}, name="there"),
            rule([{"field": "to", "is": other}], {"do": "copy", "number": f"+{one}"}, name="and back"),
        )
        asked = replace(ASKED, target=one, ingress_key=b"k" * 16)
        await at.intake.submit(asked)
        await at.intake.submit(asked)
        await until(lambda: len(at.rows("tb_cdrs")) == 2)
    async with house(tmp_path, Carrier(taken)) as at:
        rows = at.rows("tb_messages", "id, door, sender, target, text, price")
        assert [row[1:] for row in rows] == [
            ("test", NUMBER, one, "Hi", 50_000), ("rule", NUMBER, other, "Hi", 50_000),
        ]  # fmt: skip
        assert at.balance() == 950_000, "the user pays for what was asked"
        assert at.db.read("user_by_name", username="admin")[0][1] == -50_000
        assert all(at.db.read(name) == [] for name in ("wrong_balances", "wrong_charges", "missing_cdrs"))


async def test_what_is_refused_is_not_copied(tmp_path: Path) -> None:
    async with house(tmp_path, Carrier(taken)) as at:
        with at.db.transaction():
            ensure_admin(at.db, at.ids, "EUR")
        await changed(at, rule([], {"do": "copy", "number": "+36209990002"}, {"do": "refuse"}))
        with pytest.raises(Blocked):
            await at.intake.submit(ASKED)
    async with house(tmp_path, Carrier(taken)) as at:
        assert at.rows("tb_messages") == []
