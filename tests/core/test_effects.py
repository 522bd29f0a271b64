"""What rules do beside a message: real programs, a real web server, a real mail server; bounded, and told when not."""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import string
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.core.stage import settle, until
from tests.core.world import ALICE, MOBILE, message
from tests.peers.http_provider import HttpProvider
from tests.peers.mail_server import MailServer
from tests.peers.ports import free_port
from voipsms import effects as module
from voipsms import metrics
from voipsms.effects import AT_ONCE, MOST_WAITING, Effects, copy
from voipsms.errors import ConfigError, NoCredit
from voipsms.model import Submission
from voipsms.rulebook import compile_rule
from voipsms.rules import Copy, Effect, Tell
from voipsms.settings import MailSettings
from voipsms.store.rules import RuleText


def effect(**words: str) -> Effect:
    action = compile_rule(RuleText("r", True, (), (words,))).actions[0]
    assert isinstance(action, Effect)
    return action


class Copies:
    """Where copies go; refuses what `credit` doesn't pay for."""

    def __init__(self, credit: int = 1000) -> None:
        self.taken: list[Submission] = []
        self.credit = credit

    async def __call__(self, submission: Submission) -> None:
        if len(self.taken) >= self.credit:
            raise NoCredit
        self.taken.append(submission)


@asynccontextmanager
async def effects(folder: Path, *wanted: Effect, mail: MailSettings | None = None, copies: Copies | None = None) \
        -> AsyncIterator[Effects]:  # fmt: skip
    made = Effects(copies or Copies(), lambda: frozenset(wanted), folder, mail or MailSettings())
    yield made
    await made.close()


def counted(action: str, outcome: str) -> float:
    return metrics.registry.get_sample_value("voipsms_rules_total", {"action": action, "outcome": outcome}) or 0.0


@pytest.fixture(scope="module")
def web() -> Iterator[HttpProvider]:
    with HttpProvider() as running:
        yield running


def script(folder: Path, text: str) -> Path:
    path = folder / "told.sh"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


# -- copies -------------------------------------------------------------------------------------------------------


async def test_a_copy_is_a_message_of_the_operator(tmp_path: Path) -> None:
    copies, before = Copies(), counted("copy", "done")
    async with effects(tmp_path, copies=copies) as at:
        at.start([Copy("+36209998877")], message(text="Hi"))
        assert copies.taken == [], "later"
        await until(lambda: bool(copies.taken))
    assert copies.taken == [
        Submission(door="rule", payers=("admin",), sender=ALICE, target="+36209998877", text="Hi", free_sender=True)
    ]
    assert counted("copy", "done") == before + 1


def test_a_copy_of_octets_is_one() -> None:
    made = copy(Copy("1234"), message(text="", octets=b"\1", udh=b"\2\1\1", message_class=0))
    assert (made.target, made.octets, made.udh, made.message_class) == ("1234", b"\1", b"\2\1\1", 0)


async def test_a_copy_that_is_refused_is_told_and_counted(tmp_path: Path) -> None:
    before = counted("copy", "failed")
    async with effects(tmp_path, copies=Copies(0)) as at:
        at.start([Copy("+36209998877")], message())
    assert counted("copy", "failed") == before + 1


# -- programs -----------------------------------------------------------------------------------------------------


async def test_a_program_gets_the_message(tmp_path: Path) -> None:
    script(tmp_path, 'cat > stdin.json; printf "%s\\n" "$@" > argv; echo OK')
    before = counted("run", "done")
    async with effects(tmp_path) as at:
        at.start([effect(do="run", command="./told.sh --to=[tonum] -- [message]")], message(text="-rf; $(x) Hi"))
    assert (tmp_path / "argv").read_text() == f"--to={MOBILE}\n--\n-rf; $(x) Hi\n"
    told = json.loads((tmp_path / "stdin.json").read_text())
    assert (told["message"], told["tonum"], told["fromnum"]) == ("-rf; $(x) Hi", MOBILE, ALICE)
    assert counted("run", "done") == before + 1


@pytest.mark.parametrize("text", ["exit 1", "kill -9 $$"], ids=["refuses", "dies"])
async def test_a_program_that_fails_is_counted(tmp_path: Path, text: str) -> None:
    script(tmp_path, text)
    before = counted("run", "failed")
    async with effects(tmp_path) as at:
        at.start([effect(do="run", command="./told.sh"), effect(do="run", command="./nothing.sh")], message())
    assert counted("run", "failed") == before + 2


async def test_one_that_hangs_is_ended_and_delays_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.3)
    script(tmp_path, "sleep 30")
    before, began = counted("run", "failed"), time.monotonic()
    async with effects(tmp_path) as at:
        at.start([effect(do="run", command="./told.sh")], message())
        assert counted("run", "failed") == before, "it runs, and nobody has waited"
    assert counted("run", "failed") == before + 1
    assert time.monotonic() - began < 15


async def test_only_so_many_at_once_and_so_many_wait(tmp_path: Path) -> None:
    release, running, most = asyncio.Event(), 0, 0

    async def submit(submission: Submission) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await release.wait()
        running -= 1

    before = counted("copy", "dropped"), counted("copy", "done")
    made = Effects(submit, frozenset, tmp_path, MailSettings())
    for number in range(MOST_WAITING + 7):
        made.start([Copy("+36209998877")], message(number))
    await settle()
    assert (running, most) == (AT_ONCE, AT_ONCE)
    release.set()
    await made.close()
    assert most == AT_ONCE
    assert (counted("copy", "dropped") - before[0], counted("copy", "done") - before[1]) == (7, MOST_WAITING)


# -- webhooks -----------------------------------------------------------------------------------------------------


async def test_a_webhook_gets_json(tmp_path: Path, web: HttpProvider) -> None:
    hook = effect(do="webhook", url=f"http://127.0.0.1:{web.port}/hook", headers="X-Key: secret")
    async with effects(tmp_path, hook) as at:
        at.start([hook], message(7, text='A "quoted" {text}', target="36301234501"[:-2] + "99"))
    sent = web.requests[-1]
    assert (sent.method, sent.path, sent.headers["X-Key"]) == ("POST", "/hook", "secret")
    assert json.loads(sent.body) == {
        "id": "7", "from": ALICE, "to": "36301234599", "text": 'A "quoted" {text}',
    }  # fmt: skip


async def test_a_webhook_out_of_reach_is_counted(tmp_path: Path) -> None:
    before = counted("webhook", "failed")
    async with effects(tmp_path) as at:
        at.start([effect(do="webhook", url=f"http://127.0.0.1:{free_port()}/")], message())
    assert counted("webhook", "failed") == before + 1


async def test_connections_of_rules_that_are_gone_are_closed(tmp_path: Path, web: HttpProvider) -> None:
    hooks = [effect(do="webhook", url=f"http://127.0.0.1:{web.port}/{n}") for n in range(3)]
    wanted = set(hooks[:1])
    made = Effects(Copies(), lambda: frozenset(wanted), tmp_path, MailSettings())
    for n, hook in enumerate(hooks):
        wanted = {hook}
        made.start([hook], message(target="36301234588"))
        await until(lambda n=n: web.requests[-1].path == f"/{n}")  # type: ignore[misc]
        await until(lambda: len(made._tasks) == 0)
        assert len(made._connectors) == 1
    await made.close()


# -- mail ---------------------------------------------------------------------------------------------------------


async def test_a_copy_by_mail(tmp_path: Path) -> None:
    server = MailServer()
    await server.start()
    mail = MailSettings(server="127.0.0.1", port=server.port, tls="none", sender="gateway@example.com")
    async with effects(tmp_path, mail=mail) as at:
        at.start([effect(do="copy", mail="sms+archive@example.com")], message(text="Grüße\r\n.\r\nBcc: x@y.z"))
    await server.stop()
    (delivered,) = server.mails
    read = email.message_from_bytes(delivered.octets, policy=email.policy.default)
    assert (delivered.sender, delivered.recipients) == ("gateway@example.com", ["sms+archive@example.com"])
    assert (read["To"], read["Subject"]) == ("sms+archive@example.com", f"SMS from {ALICE} to {MOBILE}")
    assert "Bcc" not in read
    assert read.get_content().replace("\r\n", "\n").strip() == "Grüße\n.\nBcc: x@y.z"


async def test_without_a_mail_server_it_is_counted(tmp_path: Path) -> None:
    before = counted("mail", "failed")
    async with effects(tmp_path) as at:
        at.start([effect(do="copy", mail="archive@example.com")], message())
    assert counted("mail", "failed") == before + 1


@pytest.mark.parametrize(
    "words, right",
    [
        ({"do": "webhook", "url": "https://[tonum].example.com/"}, "before the path"),
        ({"do": "webhook", "url": "https://x.example/", "headers": "no colon"}, "Name: value"),
        ({"do": "webhook", "url": "https://x.example/?a=[tonumm]"}, "tonum"),
        ({"do": "run", "command": "./[tonum].sh"}, "program's path"),
        ({"do": "run", "command": "./x 'open"}, "as a shell reads them"),
        ({"do": "copy", "mail": "a@b.example"}, r"\[mail\] server: must be set"),
    ],
    ids=["host", "header", "keyword", "path", "quotes", "no mail server"],
)
def test_what_is_wrong_is_known_before_the_first_message(words: dict[str, str], right: str, tmp_path: Path) -> None:
    told = effect(**words)
    assert isinstance(told, Tell)
    with pytest.raises(ConfigError, match=right):
        module.connector(told, tmp_path, MailSettings())


# -- no value changes anything ------------------------------------------------------------------------------------

values = st.text(
    st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("\r\n\0'\"&=?#%/\\$`|;{}[]")), max_size=40
)
SENDERS = st.text(string.ascii_letters + string.digits + " .-&=\"'", max_size=11)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=values, sender=SENDERS)
async def test_no_value_changes_a_url_a_header_or_a_body(
    text: str, sender: str, tmp_path: Path, web: HttpProvider
) -> None:
    hook = effect(
        do="webhook", url=f"http://127.0.0.1:{web.port}/in?text=[message]&from=[fromnum]&end=1",
        headers="X-From: [fromnum] | X-End: 1",
    )  # fmt: skip
    before = len(web.requests)
    async with effects(tmp_path, hook) as at:
        at.start([hook], message(text=text, sender=sender, target="36301234577"))
    if len(web.requests) == before:
        return  # refused as a whole, since the value can't stand there
    sent = web.requests[-1]
    url = urlsplit(sent.path)
    query = parse_qsl(url.query, keep_blank_values=True, strict_parsing=True)
    assert (url.path, [name for name, _ in query]) == ("/in", ["text", "from", "end"])
    assert (dict(query)["text"], dict(query)["end"]) == (text, "1")
    assert sent.headers["X-End"] == "1"
    assert sorted(name for name in sent.headers if name.startswith("X-")) == ["X-End", "X-From"]
    told = json.loads(sent.body)
    assert (told.keys(), told["text"]) == ({"id", "from", "to", "text"}, text)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=values, sender=SENDERS)
async def test_no_value_changes_a_command_line(text: str, sender: str, tmp_path: Path) -> None:
    script(tmp_path, 'printf "%s\\0" "$@" > argv; cat > /dev/null')
    (tmp_path / "argv").unlink(missing_ok=True)
    async with effects(tmp_path) as at:
        at.start([effect(do="run", command="./told.sh --text=[message] -- [fromnum] end")],
                 message(text=text, sender=sender))  # fmt: skip
    if not (tmp_path / "argv").exists():
        assert "\0" in text, "nothing else is refused"
        return
    assert (tmp_path / "argv").read_bytes().decode().split("\0") == [f"--text={text}", "--", sender, "end", ""]
