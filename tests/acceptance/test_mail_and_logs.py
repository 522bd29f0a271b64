"""Texts from phones by mail, by swaks back to it, and in mo.log: read and written, in folders and by FTP."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.acceptance.rig import ask, house, ledger_holds, run_here
from tests.peers.ftp_server import PASSWORD as FTP_PASSWORD
from tests.peers.ftp_server import USER as FTP_USER
from tests.peers.ftp_server import FtpServer
from tests.peers.gateway import PASSWORD, Gateway
from tests.peers.http_client import ask_http, coded
from tests.peers.mail_server import MailPeer
from tests.peers.program import binary, wait_until

PHONE = "36301112233"
NUMBERS = {"mailed": "36201110001", "both": "36201110002", "logged": "36201110003", "uploaded": "36201110004"}
TIME = "2008-08-06 09:43:50"


@dataclass(frozen=True, slots=True)
class At:
    gateway: Gateway
    mail: MailPeer
    folder: Path  # in/, out/: of mo.log; ftp/in, ftp/out: on the server

    def take(self, user: str, text: str, phone: str = PHONE) -> None:
        fields = {"from": phone, "to": NUMBERS[user], "text": text, "charset": "UTF-8", "timestamp": TIME}
        assert ask_http(self.gateway.http_port, "/mo/click?" + coded(fields)).status == 200

    def states(self, text: str) -> list[str]:
        return [row[0] for row in ask(self.gateway, "SELECT state, text FROM tb_messages") if row[1] == text]

    def becomes(self, text: str, state: str = "DELIVERED") -> None:
        wait_until(lambda: self.states(text) == [state], f"{text!r}: {state}", 45, pause=0.05)


@pytest.fixture(scope="module", params=["sqlite", "mariadb"])
def at(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[At]:
    url, folder = "sqlite:///voipsms.db", tmp_path_factory.mktemp("mail")
    for name in ("in", "out", "ftp/in", "ftp/out"):
        (folder / name).mkdir(parents=True)
    for name in ("in", "ftp/in"):  # a first look is at once, the next one at an FTP server after half a minute
        (folder / name / "mo.log").write_text(_lines("logged", f"{name} line 0", f"{name} line 1"))
    with ExitStack() as stack:
        if request.param == "mariadb":
            server = request.getfixturevalue("mariadb")
            url = server.new_database()
            stack.callback(server.drop_database, url)
        mail, ftp = stack.enter_context(MailPeer()), stack.enter_context(FtpServer(folder / "ftp"))
        remote = f"ftp://{FTP_USER}:{quote(FTP_PASSWORD, safe='')}@127.0.0.1:{ftp.port}"
        ways = {
            "mailed": ("--route", "2", "--mail", "mailed@example.com"),
            "both": ("--route", "4", "--mail", "both@example.com"),
            "logged": ("--route", "0", "--log", "out"), "uploaded": ("--route", "0", "--log", f"{remote}/out"),
        }  # fmt: skip
        changes: dict[str, dict[str, object]] = {
            "global": {"smsprice": "0.03"},
            "mail": {**mail.settings, "reply": "sms+%s@example.com"},
            "gateway:click": {"smsurl": "http://127.0.0.1:9/", "inbound": "clickatell", "inbound_ip": "127.0.0.1",
                              "inbound_log": "in"},
            "gateway:far": {"smsurl": "http://127.0.0.1:9/", "inbound_log": f"{remote}/in"},
        }  # fmt: skip

        def users(gateway: Gateway) -> None:
            for name, number in NUMBERS.items():
                run_here(gateway, "user", "add", name, "--password", PASSWORD, "--credit", "10", "--number", number)
                run_here(gateway, "user", "reach", name, *ways[name])

        running = stack.enter_context(house(folder, url, changes=changes, users=users))
        yield At(running.gateway, mail, folder)
        ledger_holds(running.gateway)


# -- mail


def test_a_text_by_mail_that_can_be_answered(at: At) -> None:
    """swaks sends the answer to where From says, by the same server: the address is one."""
    at.take("mailed", "Szia ✓, & on\r\nBcc: all@example.com")
    wait_until(lambda: len(at.mail.mails("mailed@example.com")) == 1, "the mail")
    (mail,) = at.mail.mails("mailed@example.com")
    assert (mail["To"], mail["Subject"], mail["Bcc"]) == ("mailed@example.com", f"SMS from +{PHONE}", None)
    assert mail.get_content().splitlines() == ["Szia ✓, & on", "Bcc: all@example.com"]
    (sender,) = mail["From"].addresses
    assert sender.addr_spec == f"sms+{PHONE}@example.com"
    port = str(at.mail.settings["port"])
    command = [binary("swaks"), "--server", "127.0.0.1", "--port", port, "--from", "mailed@example.com"]
    ran = subprocess.run(
        [*command, "--to", sender.addr_spec, "--body", "My answer", "--h-In-Reply-To", mail["Message-ID"]],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout
    (answer,) = at.mail.mails(sender.addr_spec)
    assert (answer["In-Reply-To"], answer.get_content().strip()) == (mail["Message-ID"], "My answer")


def test_chat_and_mail(at: At) -> None:
    """smsreceive_route 4: without a softswitch there is no chat; the mail goes all the same."""
    at.take("both", "by both ways")
    at.becomes("by both ways")
    assert [mail.get_content().strip() for mail in at.mail.mails("both@example.com")] == ["by both ways"]


@pytest.mark.parametrize(
    "name", ['Ann" <all@example.com>', "BANK,x@example.com", "é <a@b.test>"], ids=["quotes", "a list", "no ASCII"]
)
def test_no_sender_changes_the_header(at: At, name: str) -> None:
    count = len(at.mail.mails("mailed@example.com"))
    at.take("mailed", f"from {name}", name[:20])
    wait_until(lambda: len(at.mail.mails("mailed@example.com")) == count + 1, "the mail")
    mail = at.mail.mails("mailed@example.com")[-1]
    (sender,) = mail["From"].addresses
    assert (sender.addr_spec, sender.display_name) == ("gateway@example.com", name[:20])
    assert mail["To"] == "mailed@example.com"


# -- mo.log


def _lines(user: str, *texts: str) -> str:
    return "".join(f"{TIME} {PHONE}\t{NUMBERS[user]}\t{text}\n" for text in texts)


@pytest.mark.parametrize("place", ["in", "ftp/in"])
def test_each_line_is_taken_once(at: At, place: str) -> None:
    """Whatever is written, restarted and rotated in between; what can't be read is counted, and skipped."""
    file = at.folder / place / "mo.log"
    one, two, three, four, five = (f"{place} line {n}" for n in range(5))
    for text in (one, two):
        at.becomes(text)
    at.gateway.stop()
    with file.open("a") as log:
        log.write("no line at all\n" + _lines("logged", three))
    at.gateway.start()
    at.becomes(three)
    assert at.gateway.metric("voipsms_malformed_total", door="mo_log") == 1
    at.gateway.stop()
    with file.open("a") as log:
        log.write(_lines("logged", four))
    file.rename(file.with_name("mo.log.1"))
    file.write_text(_lines("logged", five))
    at.gateway.start()
    for text in (one, two, three, four, five):
        at.becomes(text)
    written = (at.folder / "out/mo.log").read_text()
    assert [written.count(f"\t{text}\n") for text in (one, two, three, four, five)] == [1] * 5


@pytest.mark.parametrize(("user", "place"), [("logged", "out"), ("uploaded", "ftp/out")])
def test_a_users_own_log(at: At, user: str, place: str) -> None:
    at.take(user, f"{user}: tab\there, and\r\nmore ✓")
    at.becomes(f"{user}: tab\there, and\r\nmore ✓")
    lines = (at.folder / place / "mo.log").read_text().splitlines()
    assert lines[-1] == f"{TIME} {PHONE}\t{NUMBERS[user]}\t{user}: tab here, and more ✓"


def test_no_password_is_in_the_log(at: At) -> None:
    said = at.gateway.log.read_text()
    assert not [word for word in (FTP_PASSWORD, quote(FTP_PASSWORD, safe=""), "Traceback") if word in said]
