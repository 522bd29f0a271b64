"""Rules, rewritten numbers and adverts in the running server, and their commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.rig import House, ask, house, ledger_holds, one, settled
from tests.peers.gateway import NUMBER, Gateway
from tests.peers.http_provider import HttpProvider
from tests.peers.phone import STRANGER, Phone, message
from tests.peers.program import wait_until
from voipsms.sip.message import Request

MOBILE = "36301112233"
RULES = """
[[rule]]
name = "no premium numbers"
when = [{ field = "to", starts = ["3690", "3691"] }]
then = [{ do = "refuse", text = "Premium numbers are blocked" }]

[[rule]]
name = "short words"
when = [{ field = "text", matches = '(?i)\\bwin\\b' }]
then = [{ do = "rewrite", field = "text", pattern = '(?i)\\bwin\\b', by = "***" }]

[[rule]]
name = "archive"
when = [{ field = "to", is = "36301110009" }]
then = [
    { do = "copy", number = "+36301110010" },
    { do = "run", command = "./archive.sh --to=[tonum]" },
    { do = "webhook", url = "http://127.0.0.1:HOOK/hook?to=[tonum]" },
]

[[rule]]
name = "busy"
when = [{ field = "method", is = "MESSAGE" }, { field = "number", starts = "999" }]
then = [{ do = "answer", code = 486, text = "Busy Here" }]

[[rule]]
name = "hidden"
when = [{ field = "method", matches = "^(OPTIONS|SUBSCRIBE)$" }]
then = [{ do = "answer", code = 200, text = "Nothing to see" }]

[[rule]]
name = "off"
enabled = false
then = [{ do = "refuse" }]
"""


def import_rules(gateway: Gateway, text: str, *options: str) -> str:
    file = gateway.file.parent / "rules.toml"
    file.write_text(text)
    return gateway.command("rule", "import", str(file), *options)


def sees(phone: Phone, target: str, status: int) -> Any:
    """Rules that a command has changed hold within a second."""
    wait_until(lambda: phone.send(target).status == status, f"{status} for {target}", 3, pause=0.05)
    return phone.send(target)


@pytest.fixture(scope="module")
def hook() -> Iterator[HttpProvider]:
    with HttpProvider() as running:
        yield running


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory, hook: HttpProvider) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("rules")
    program = folder / "archive.sh"
    program.write_text('#!/bin/sh\n{ echo "$@"; cat; } >> archived\n')
    program.chmod(0o755)
    with house(folder) as running:
        import_rules(running.gateway, RULES.replace("HOOK", str(hook.port)))
        with Phone(running.gateway.sip_port) as softswitch:
            sees(softswitch, "36901112233", 403)
        yield running


def test_a_rule_refuses_with_its_text(started: House) -> None:
    with Phone(started.gateway.sip_port) as softswitch:
        for spelled in ("36901112233", "+36911112233", "003690111-2233"):
            answer = softswitch.send(spelled)
            assert (answer.status, answer.headers.get("Reason")) == (
                403, 'SIP;cause=403;text="Premium numbers are blocked"',
            )  # fmt: skip
    assert started.gateway.metric("voipsms_messages_refused_total", code="blocked") >= 3


def test_a_rule_rewrites_the_text(started: House) -> None:
    with Phone(started.gateway.sip_port) as softswitch:
        assert softswitch.send("36301110001", "Win! You WIN a window").status == 202
    assert ask(started.gateway, "SELECT text FROM tb_messages WHERE target = '36301110001'") == [
        ("***! You *** a window",)
    ]


def test_what_is_done_beside_a_message(started: House, hook: HttpProvider) -> None:
    gateway = started.gateway
    with Phone(gateway.sip_port) as softswitch:
        assert softswitch.send("36301110009", "Keep this").status == 202
    question = "SELECT door, sender, text, user_id FROM tb_messages WHERE target = '36301110010'"
    wait_until(lambda: ask(gateway, question) != [], "the copy")
    admin = one(gateway, "SELECT id FROM tb_users WHERE username = 'admin'")
    assert ask(gateway, question) == [("rule", NUMBER, "Keep this", admin)]
    archived = gateway.file.parent / "archived"
    wait_until(lambda: archived.exists() and archived.read_text().count("\n") == 2, "the program's end")
    arguments, told = archived.read_text().splitlines()
    assert (arguments, json.loads(told)["message"]) == ("--to=36301110009", "Keep this")
    wait_until(lambda: bool(hook.requests), "the webhook")
    assert (hook.requests[0].path, json.loads(hook.requests[0].body)["text"]) == ("/hook?to=36301110009", "Keep this")
    wait_until(lambda: done(gateway) == 3, "all of it counted")


def done(gateway: Gateway) -> float:
    return sum(
        gateway.metric("voipsms_rules_total", action=action, outcome="done") for action in ("copy", "run", "webhook")
    )


def request(method: str, target: str = "x") -> Request:
    made = message(target, fields={"CSeq": f"1 {method}", "Content-Type": None})
    return Request(method, made.uri, made.headers, b"")


@pytest.mark.parametrize("host", ["127.0.0.1", STRANGER], ids=["softswitch", "stranger"])
def test_a_rule_answers_a_sip_request(started: House, host: str) -> None:
    """Whoever sends it: the rule comes before the question who that is."""
    with Phone(started.gateway.sip_port, host=host) as phone:
        busy = phone.send("999123")
        assert (busy.status, busy.reason) == (486, "Busy Here")
        assert busy.headers.get("Reason") == 'SIP;cause=486;text="Busy Here"'
        for method in ("OPTIONS", "SUBSCRIBE"):
            hidden = phone.exchange(request(method))
            assert (hidden.status, hidden.reason, hidden.headers.get_all("Allow")) == (200, "Nothing to see", ())
        assert phone.exchange(request("PUBLISH")).status == 405


def test_explain_shows_each_rule(started: House) -> None:
    def steps(target: str, text: str) -> tuple[int, dict[str, str]]:
        ran = started.gateway.run("explain", "--user", "bench", "--to", target, text, "--format", "json")
        return ran.returncode, {row["step"]: row["result"] for row in json.loads(ran.stdout)}

    code, found = steps(MOBILE, "You win")
    assert (code, found["rule no premium numbers"]) == (0, "not this: to starts ['3690', '3691']")
    assert found["rule short words"] == "matches: text rewritten"
    assert found["text now"] == "You ***"
    assert "rule off" not in found
    code, found = steps("36901112233", "Hi")
    assert (code, found["rule no premium numbers"]) == (1, "matches: refused: Premium numbers are blocked")
    assert found["refused"] == "Premium numbers are blocked (blocked, SIP 403)"
    assert steps("36301110009", "Hi")[1]["beside it"]


def test_send_goes_by_the_rules(started: House) -> None:
    ran = started.gateway.run("send", "--from", "1234", "--to", "36901112233", "Hi")
    assert (ran.returncode, ran.stderr) == (1, "voipsms: Premium numbers are blocked\n")
    ran = started.gateway.run("send", "--from", "1234", "--to", "36301110002", "You win")
    assert ran.returncode == 0
    assert ask(started.gateway, "SELECT text FROM tb_messages WHERE target = '36301110002'") == [("You ***",)]


def test_list_and_export(started: House) -> None:
    listed = started.gateway.table("rule", "list")
    assert [(row["place"], row["name"], row["enabled"]) for row in listed][-2:] == [
        (5, "hidden", True),
        (6, "off", False),
    ]
    assert listed[0]["when"] == "to starts ['3690', '3691']"
    assert listed[0]["then"] == "refused: Premium numbers are blocked"
    exported = started.gateway.command("rule", "export")
    file = started.gateway.file.parent / "exported.toml"
    assert started.gateway.command("rule", "export", str(file)) == ""
    assert file.read_text() == exported
    started.gateway.command("rule", "import", str(file))
    assert started.gateway.command("rule", "export") == exported
    single = started.gateway.command("rule", "export", "--name", "off")
    assert single.count("[[rule]]") == 1


FAULTS = {
    "cut off": (RULES[: len(RULES) // 2], "rules.toml: "),
    "a pattern": (
        "[[rule]]\nname='a'\nwhen=[{field='to',matches='a('}]\nthen=[{do='stop'}]\n",
        "rule 'a', when 1: matches: character 2",
    ),
    "a gateway that is gone": (
        "[[rule]]\nname='a'\nthen=[{do='gateway',name='gone'}]\n", "rule 'a': there is no gateway 'gone', but default",
    ),
    "mail without a server": (
        "[[rule]]\nname='a'\nthen=[{do='copy',mail='a@b.example'}]\n", "rule 'a': mail: [mail] server: must be set",
    ),
    "a template": (
        "[[rule]]\nname='a'\nthen=[{do='webhook',url='http://x.example/[tonumm]'}]\n", "rule 'a': webhook: ",
    ),
    "two of a name": ("[[rule]]\nname='a'\nthen=[{do='stop'}]\n" * 2, "rule 'a': there are two of this name"),
    "forwarded to a gateway": (
        "[[rule]]\nname='a'\nwhen=[{field='direction',is='in'}]\nthen=[{do='forward',user='default'}]\n",
        "rule 'a': there is no user 'default'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("text, fault", FAULTS.values(), ids=FAULTS)
def test_a_bad_file_changes_nothing(text: str, fault: str, started: House) -> None:
    before = started.gateway.command("rule", "export")
    file = started.gateway.file.parent / "rules.toml"
    file.write_text(text)
    ran = started.gateway.run("rule", "import", str(file))
    assert ran.returncode == 1
    assert fault in ran.stderr
    assert started.gateway.command("rule", "export") == before


@pytest.mark.parametrize(
    "words, fault",
    [
        (("import", "nowhere.toml"), "nowhere.toml: No such file or directory"),
        (("enable", "nothing"), "there is no rule 'nothing'"),
        (("export", "--name", "nothing"), "there is no rule 'nothing'"),
        (("export", "/nowhere/x.toml"), "/nowhere/x.toml: No such file or directory"),
    ],
)
def test_faults_of_commands(words: tuple[str, ...], fault: str, started: House) -> None:
    ran = started.gateway.run("rule", *words)
    assert (ran.returncode, ran.stderr) == (1, f"voipsms: {fault}\n")


def test_enable_and_disable_hold_at_once_and_import_adds(started: House) -> None:
    gateway = started.gateway
    with Phone(gateway.sip_port) as softswitch:
        gateway.command("rule", "enable", "off")
        sees(softswitch, MOBILE, 403)
        gateway.command("rule", "disable", "off")
        sees(softswitch, MOBILE, 202)
        import_rules(gateway, "[[rule]]\nname='off'\nthen=[{do='refuse',text='Last'}]\n", "--add")
        assert sees(softswitch, MOBILE, 403).headers.get("Reason") == 'SIP;cause=403;text="Last"'
        assert [row["name"] for row in gateway.table("rule", "list")][-1] == "off"
        gateway.command("rule", "disable", "off")
        sees(softswitch, MOBILE, 202)


SLOW = """
[[rule]]
name = "slow"
when = [{ field = "text", matches = '(a+)+$' }]
then = [{ do = "stop" }]

[[rule]]
name = "slow request"
when = [{ field = "number", matches = '(a+)+$' }]
then = [{ do = "answer", code = 410 }]
"""


def test_a_pattern_that_could_run_for_ever_refuses_its_message_alone(started: House) -> None:
    gateway = started.gateway
    before = gateway.command("rule", "export")
    import_rules(gateway, SLOW)
    evil = "a" * 60 + "!"
    with Phone(gateway.sip_port) as softswitch:
        sees(softswitch, "a", 410)
        answer = softswitch.send(MOBILE, evil)
        assert (answer.status, answer.headers.get("Reason")) == (
            403, 'SIP;cause=403;text="A rule takes too long on this message"',
        )  # fmt: skip
        answer = softswitch.send(evil)
        assert (answer.status, answer.headers.get("Reason")) == (
            403, 'SIP;cause=403;text="A rule takes too long on this request"',
        )  # fmt: skip
        assert softswitch.send(MOBILE).status == 202
        assert gateway.metric("voipsms_rules_total", action="match", outcome="slow") == 2
        import_rules(gateway, before)
        sees(softswitch, "36901112233", 403)


# -- numbers and texts --------------------------------------------------------------------------------------------

PROCEDURE = """CREATE PROCEDURE v_dialplansms(
    tonum VARCHAR(256), fromid BIGINT, fromnum VARCHAR(64), clientip VARCHAR(64)
) BEGIN
    IF tonum = '36301119999' THEN SELECT SLEEP(20); END IF;
    SELECT CONCAT('3670', SUBSTRING(tonum, 5));
END"""
QUERY = "SELECT '3670' || substr(:tonum, 5) WHERE :fromid > 0 AND :fromnum <> '' AND :clientip <> ''\n"


@pytest.fixture(params=["sqlite", "mariadb"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "mariadb":
        return str(request.getfixturevalue("mysql_url"))
    (tmp_path / "v_dialplansms.sql").write_text(QUERY)
    return "sqlite:///voipsms.db"


def test_numbers_are_rewritten_and_adverts_credited(tmp_path: Path, url: str) -> None:
    with house(tmp_path, url) as running:
        gateway = running.gateway
        if url.startswith("mysql"):
            ask(gateway, PROCEDURE)
        gateway.command("advert", "add", "Buy now!", "--weight", "3")
        gateway.command("advert", "add", "Gone", "--to", "2020-01-01")
        texts = {"smsadv": "true", "smsadvvalue": "0.004", "smssignature": "\\n--\\nACME"}
        gateway.reconfigure({"global": {"usesmsprefixsp": "true", **texts}})
        with Phone(gateway.sip_port) as softswitch:
            assert softswitch.send(MOBILE, "x" * 141).status == 202
        assert ask(gateway, "SELECT target, text, parts, price FROM tb_messages") == [
            ("36701112233", f"Buy now! {'x' * 141}\n--\nACME", 1, 6_000)
        ]
        settled(gateway, 1)
        assert gateway.metric("voipsms_rewritings_total", outcome="changed") == 1
        assert ask(gateway, "SELECT kind, amount FROM tb_ledger WHERE msgid IS NOT NULL ORDER BY id") == [
            ("reserve", -10_000), ("advert", 4_000),
        ]  # fmt: skip
        ledger_holds(gateway)
        explained = {
            row["step"]: row["result"] for row in gateway.table("explain", "--user", "bench", "--to", MOBILE, "Hi")
        }
        if url.startswith("mysql"):
            assert explained["to now"] == "+36701112233"
            with Phone(gateway.sip_port) as softswitch:
                assert softswitch.send("36301119999").status == 202
            assert ask(gateway, "SELECT target FROM tb_messages ORDER BY id DESC LIMIT 1") == [("36301119999",)]
            assert gateway.metric("voipsms_rewritings_total", outcome="slow") == 1
        assert explained["credit"] == "0.004 USD for the advertisement"
        gateway.reconfigure({})
        with Phone(gateway.sip_port) as softswitch:
            assert softswitch.send("36301112244").status == 202
        assert ask(gateway, "SELECT text FROM tb_messages WHERE target = '36301112244'") == [("Hello",)]


def test_adverts_by_command(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    gateway.command(
        "advert", "add", "Buy", "--from", "2026-01-01", "--to", "2026-02-01", "--group", "gold", "--group", "a"
    )
    (row,) = gateway.table("advert", "list")
    assert row == {
        "id": row["id"], "text": "Buy", "weight": 1, "groups": "gold,a",
        "from": "2026-01-01T00:00:00.000Z", "to": "2026-02-01T00:00:00.000Z",
    }  # fmt: skip
    ran = gateway.run("advert", "add", "x", "--from", "2026-01-02", "--to", "2026-01-01")
    assert (ran.returncode, ran.stderr) == (1, "voipsms: --to: must be after --from\n")
    for words in (
        ("",),
        ("x", "--weight", "0"),
        ("x", "--weight", "1e3"),
        ("x", "--group", "a,b"),
        ("x", "--to", "soon"),
    ):
        assert gateway.run("advert", "add", *words).returncode == 2
    gateway.command("advert", "del", row["id"])
    assert gateway.table("advert", "list") == []
    assert gateway.run("advert", "del", row["id"]).stderr == f"voipsms: there is no advertisement {row['id']}\n"


def test_check_names_what_a_rule_misses(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    import_rules(gateway, "[[rule]]\nname='a'\nthen=[{do='gateway',name='default'}]\n")
    gateway.configure({"global": {"smsurl": None, "usesmsprefixsp": "true"}, "gateway:other": {"smsurl": "null:"}})
    ran = gateway.run("check")
    assert ran.returncode == 1
    lines = ran.stderr.splitlines()
    assert lines[0] == "rule 'a': there is no gateway 'default', but other"
    assert lines[1] == f"[global] usesmsprefixsp: {tmp_path}/v_dialplansms.sql: No such file or directory"


def test_a_query_that_is_missing_keeps_the_old_settings(tmp_path: Path) -> None:
    with house(tmp_path) as running:
        running.gateway.reconfigure({"global": {"usesmsprefixsp": "true", "smssignature": "ACME"}})
        assert "usesmsprefixsp" in running.gateway.log.read_text()
        with Phone(running.gateway.sip_port) as softswitch:
            assert softswitch.send(MOBILE).status == 202
        assert ask(running.gateway, "SELECT text FROM tb_messages") == [("Hello",)]
