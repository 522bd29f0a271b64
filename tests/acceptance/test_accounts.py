"""Accounts as an operator sets them up: resellers, ends, months, gateways; what phones, balances and the ledger say."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.acceptance.rig import ask, ledger_holds, one, taken_at_last
from tests.peers.gateway import Changes, Gateway
from tests.peers.phone import Phone
from tests.peers.program import wait_until

TARGET = "36301112233"
ALICE, BOB = "36201110001", "36201110002"
WAYS: Changes = {"global": {"smsurl": "null:", "smsprice": "0.05"}, "gateway:refusing": {"smsurl": "null:refuse=1"}}


def furnish(gateway: Gateway) -> None:
    """alice buys from small, and small from big; a message costs them 0.05, 0.03 and 0.02. bob buys from nobody."""
    gateway.command("price", "add", "", "0.03", "--packet", "thirty")
    gateway.command("price", "add", "", "0.02", "--packet", "twenty")
    for name, credit, *more in (
        ("big", "100", "--type", "reseller", "--packet", "twenty"),
        ("small", "100", "--type", "reseller", "--packet", "thirty", "--reseller", "big"),
        ("alice", "100", "--number", ALICE, "--reseller", "small"),
        ("bob", "100", "--number", BOB),
    ):
        gateway.add_user(name, credit, "", *more)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp("accounts"), changes=WAYS, level="info")
    furnish(gateway)
    with gateway:
        yield gateway
        ledger_holds(gateway)


@pytest.fixture
def phone(gateway: Gateway) -> Iterator[Phone]:
    with Phone(gateway.sip_port) as phone:
        yield phone


def balances(gateway: Gateway) -> tuple[Decimal, ...]:
    rows = {row["name"]: row["balance"] for row in gateway.table("user", "list")}
    return tuple(rows[name] for name in ("alice", "small", "big"))


def account(gateway: Gateway, name: str) -> dict[str, object]:
    return next(row for row in gateway.table("user", "list") if row["name"] == name)


def refused_at_last(phone: Phone, status: int, reason: str, sender: str = ALICE) -> None:
    """Sends until a message is refused: what a command changes is known after half a second."""

    def refused() -> bool:
        answer = phone.send(TARGET, sender=sender)
        return answer.status == status and reason in answer.headers.get("Reason")

    wait_until(refused, f"a refusal with {status} {reason}", 5, pause=0.1)


def final(gateway: Gateway) -> None:
    wait_until(lambda: one(gateway, "SELECT count(*) FROM tb_queue") == 0, "all final")


def test_every_level_pays_its_price(gateway: Gateway, phone: Phone) -> None:
    before = balances(gateway)
    assert phone.send(TARGET, sender=ALICE).status == 202
    final(gateway)
    spent = tuple(was - now for was, now in zip(before, balances(gateway), strict=True))
    assert spent == (Decimal("0.05"), Decimal("0.03"), Decimal("0.02"))
    cdr = gateway.cdrs("--user", "alice")[-1]
    assert (cdr["price"], cdr["duration"]) == (Decimal("0.05"), 60)
    paid = [row for row in ask(gateway, "SELECT msgid, kind, user_id FROM tb_ledger") if str(row[0]) == cdr["msgid"]]
    assert len(paid) == len(set(paid)) == 3
    ledger_holds(gateway)


def test_explain_says_what_each_level_pays(gateway: Gateway) -> None:
    steps = {row["step"]: row["result"] for row in gateway.table("explain", "--user", "alice", "--to", TARGET, "Hello")}
    found = [(step, result.split()[0]) for step, result in steps.items() if step.startswith("reseller")]
    assert found == [("reseller small", "0.03"), ("reseller big", "0.02")]


def test_a_gateway_of_its_own_and_what_a_failure_gives_back(gateway: Gateway, phone: Phone) -> None:
    """The one that refuses everything."""
    gateway.command("user", "set", "alice", "--gateway", "refusing")

    def sent_by_it() -> bool:
        assert phone.send(TARGET, sender=ALICE).status == 202
        return any(cdr["gateway"] == "refusing" for cdr in gateway.cdrs())

    wait_until(sent_by_it, "the gateway of the account known", pause=0.2)
    final(gateway)
    before = balances(gateway)
    assert phone.send(TARGET, sender=ALICE).status == 202
    final(gateway)
    assert gateway.cdrs("--user", "alice")[-1]["state"] == "REJECTED"
    assert balances(gateway) == before
    gateway.command("user", "set", "alice", "--gateway", "")
    ledger_holds(gateway)


def test_a_reseller_without_credit(gateway: Gateway, phone: Phone) -> None:
    credit = balances(gateway)[2]
    gateway.command("user", "credit", "big", f"-{credit}")
    refused_at_last(phone, 402, "A reseller of this account has not enough credit")
    assert balances(gateway)[2] == 0
    gateway.command("user", "credit", "big", "100")
    taken_at_last(phone, TARGET, ALICE)


@pytest.mark.parametrize(
    ("who", "how", "undo", "reason"),
    [
        ("alice", ("--inactive",), ("--active",), "The account is inactive"),
        ("big", ("--inactive",), ("--active",), "A reseller of this account is inactive"),
        ("alice", ("--expires", "2020-01-01"), ("--expires", ""), "The account has expired"),
        ("small", ("--expires", "2020-01-01T00:00:00+01:00"), ("--expires", "2099-01-01"),
         "A reseller of this account has expired"),
        ("alice", ("--monthly", "1", "--sent", "1"), ("--monthly", "0"), "No more messages this month"),
        ("big", ("--monthly", "3", "--sent", "3"), ("--monthly", "999", "--sent", "0"), "No more messages this month"),
    ],
    ids=["inactive", "inactive reseller", "expired", "expired reseller", "month", "reseller's month"],
)  # fmt: skip
def test_refused_until_it_is_undone(
    gateway: Gateway, phone: Phone, who: str, how: tuple[str, ...], undo: tuple[str, ...], reason: str
) -> None:
    gateway.command("user", "set", who, *how)
    refused_at_last(phone, 403, reason)
    assert phone.send(TARGET, sender=BOB).status == 202
    gateway.command("user", "set", who, *undo)
    wait_until(lambda: phone.send(TARGET, sender=ALICE).status == 202, "taken", 5, pause=0.1)


def test_a_month_is_counted_and_shown(gateway: Gateway, phone: Phone) -> None:
    gateway.command("user", "set", "bob", "--monthly", "3", "--sent", "0", "--expires", "2099-06-30")
    refused_at_last(phone, 403, "No more messages this month", BOB)
    row = account(gateway, "bob")
    assert (row["monthly"], row["sent"], row["previous"]) == (3, 3, 0)
    assert row["expires"] == "2099-06-30T00:00:00.000Z"
    assert str(row["lastsent"]).startswith("20")
    gateway.command("user", "set", "bob", "--monthly", "0")


def test_currencies_mixed_by_hand(gateway: Gateway, phone: Phone) -> None:
    """The table says what no command would write."""
    currency = one(gateway, "SELECT currency FROM tb_users WHERE username = 'small'")
    ask(gateway, "UPDATE tb_users SET currency = 'JPY' WHERE username = 'small'")
    ask(gateway, "UPDATE tb_settings SET value = value + 1 WHERE name = 'revision'")
    refused_at_last(phone, 403, "The account is not set up rightly")
    assert f"alice pays in {currency}, its reseller small in JPY" in gateway.log.read_text()
    assert phone.send(TARGET, sender=BOB).status == 202
    ask(gateway, f"UPDATE tb_users SET currency = '{currency}' WHERE username = 'small'")  # noqa: S608 — three letters
    ask(gateway, "UPDATE tb_settings SET value = value + 1 WHERE name = 'revision'")
    wait_until(lambda: phone.send(TARGET, sender=ALICE).status == 202, "taken", 5, pause=0.1)


FAULTS = {
    "another currency": (("set", "alice", "--reseller", "yen"), 1, "alice pays in USD, its reseller yen in JPY"),
    "of a new one": (
        ("add", "new", "--password", "p", "--reseller", "yen"), 1, "new pays in USD, its reseller yen in JPY",
    ),
    "a ring": (("set", "big", "--reseller", "small"), 1, "would be its own reseller"),
    "no reseller": (("set", "alice", "--reseller", "bob"), 1, "bob is no reseller, but enduser"),
    "nobody": (("set", "alice", "--reseller", "nobody"), 1, "there is no user 'nobody'"),
    "no such user": (("set", "nobody", "--active"), 1, "there is no user 'nobody'"),
    "no such gateway": (("set", "alice", "--gateway", "nowhere"), 1, "there is no gateway 'nowhere'"),
    "a month of less than nothing": (("set", "alice", "--monthly", "-1"), 2, "'-1' is no number from 0 to"),
    "no time": (("set", "alice", "--expires", "soon"), 2, "'soon' is no time such as"),
    "no currency": (("add", "x", "--password", "p", "--currency", "euro"), 2, "'euro' is no currency such as EUR"),
    "both": (("set", "alice", "--active", "--inactive"), 2, "not allowed with argument"),
}  # fmt: skip


@pytest.mark.parametrize(("words", "code", "why"), FAULTS.values(), ids=FAULTS)
def test_faults(gateway: Gateway, words: tuple[str, ...], code: int, why: str) -> None:
    if not ask(gateway, "SELECT id FROM tb_users WHERE username = 'yen'"):
        gateway.add_user("yen", "1", "", "--type", "reseller", "--currency", "JPY")
    before = tables(gateway)
    ran = gateway.run("user", *words)
    assert ran.returncode == code
    assert why in ran.stderr
    assert code == 2 or ran.stderr.count("\n") == 1
    assert tables(gateway) == before


def tables(gateway: Gateway) -> tuple[object, ...]:
    return (
        ask(gateway, "SELECT * FROM tb_terms ORDER BY user_id"),
        ask(gateway, "SELECT * FROM tb_user_options ORDER BY user_id"),
        ask(gateway, "SELECT id, type, enabled, credit_limit, currency FROM tb_users ORDER BY id"),
    )


def test_ledger_check_names_the_reseller(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, changes=WAYS)
    furnish(gateway)
    with gateway, Phone(gateway.sip_port) as phone:
        assert phone.send(TARGET, sender=ALICE).status == 202
        final(gateway)
        message = gateway.cdrs()[0]["msgid"]
    ask(gateway, "UPDATE tb_charges SET refunded = 1 WHERE level = 1")
    ran = gateway.run("ledger", "check", "--format", "csv")
    assert ran.returncode == 1
    assert ran.stdout.splitlines()[1:] == [
        f'charge,{message},"ledger of reseller small 0.03, 1 charges with 0.00"',
        f'charge,{message},"reseller small has the money back, unlike the user"',
    ]


def test_two_processes_spend_a_reseller_s_last_credit(mysql_url: str, tmp_path: Path) -> None:
    """big can pay for 50 of 160 messages, half of which come to each process."""
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    first, second = (Gateway(folder, url=mysql_url, changes=WAYS) for folder in folders)
    furnish(first)
    first.command("user", "credit", "big", "-99")
    with first, second:
        answers: list[Counter[int]] = [Counter(), Counter()]

        def send(n: int, gateway: Gateway) -> None:
            with Phone(gateway.sip_port, "tcp") as phone:
                answers[n].update(phone.send(TARGET, sender=ALICE).status for _ in range(80))

        threads = [threading.Thread(target=send, args=pair) for pair in enumerate((first, second))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sum(answers, Counter()) == {202: 50, 402: 110}
        assert balances(first) == (Decimal("97.5"), Decimal("98.5"), Decimal(0))
        final(first)
    ledger_holds(first)
