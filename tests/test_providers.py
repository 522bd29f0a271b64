"""Every provider's file against its cases: what leaves for a message, and what the documented answers mean."""

from __future__ import annotations

import base64
import re
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.peers.http_provider import HttpProvider
from voipsms import cli, config
from voipsms.connectors import verdict
from voipsms.connectors.http import HttpConnector
from voipsms.connectors.template import RequestTemplate
from voipsms.connectors.template_files import TemplateFile, TemplateFiles
from voipsms.connectors.verdict import Outcome, Verdict
from voipsms.errors import ConfigError, SubmitError, SubmitFailed, SubmitRefused, Throttled
from voipsms.gateway_settings import GatewaySettings
from voipsms.masking import mask_body, mask_headers, mask_url
from voipsms.model import GatewayId, Message, MessageId, Micros, Millis, Msisdn, Part, Submitted, UserId
from voipsms.providers import CREDENTIALS, TEMPLATES, provider_files, read_provider
from voipsms.sms.segment import segment

Case = dict[str, Any]

FILES = provider_files()
NAMED_BY_THE_ISSUE = (
    "clickatell", "sinch", "infobip", "messagingbay", "routomessaging", "hqsms", "tm4b", "smsbts", "bulksms",
    "smsxchange", "textmagic", "truesenses", "txtlocal", "sight", "vonage", "telnyx", "plivo", "messagebird",
    "sms-gate.app",
)  # fmt: skip
MOST_LINES = 40
SENT_BY_US = {"user-agent", "accept-encoding"}


def cases_of(name: str) -> Path:
    return FILES[name].with_suffix(".cases.toml")


CASES = {name: tomllib.loads(cases_of(name).read_text("utf-8")) for name in FILES if cases_of(name).exists()}
UNTESTED = sorted(FILES.keys() - CASES)


def each(kind: str) -> list[Any]:
    return [
        pytest.param(name, case, id=f"{name}: {case['name']}") for name, cases in CASES.items() for case in cases[kind]
    ]


def gateway(provider: str, folder: Path, **own: str) -> GatewaySettings:
    """As `[gateway:x]` with these keys would be."""
    lines = [f"{key} = {value}" for key, value in {"provider": provider, **own}.items()]
    return config.parse("\n".join(["[gateway:x]", *lines]), folder / "config.ini").gateways[0]


def settings(name: str) -> GatewaySettings:
    return gateway(name, Path("/etc/voipsms"), **CASES[name]["settings"])


def message(text: str, target: str = "36209876543", sender: str = "36301234567") -> Message:
    segments = segment(text)
    return Message(
        id=MessageId(1001), created=Millis(0), door="sip", user_id=UserId(1), gateway_id=GatewayId(2), sender=sender,
        target=Msisdn(target), text=text, coding=segments.coding, parts=segments.parts, duration=60,
        price=Micros(50_000), cost=Micros(0), currency="USD",
    )  # fmt: skip


# -- the cases ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, case", each("request"))
def test_a_message_becomes_the_documented_request(name: str, case: Case) -> None:
    request = RequestTemplate(settings(name)).render(message(case["message"], case["tonum"], case["fromnum"]))
    headers = {key: value for key, value in request.headers if key.lower() not in SENT_BY_US}
    assert (request.method, request.url) == (case["method"], case["url"])
    assert {"Accept": "*/*", **case.get("headers", {})} == headers
    assert (request.body or b"").decode() == case.get("body", "")


@pytest.mark.parametrize("name", CASES)
def test_no_log_shows_a_provider_s_secrets(name: str) -> None:
    known = settings(name)
    request = RequestTemplate(known).render(message("hi"))
    shown = f"{mask_url(request.url)} {mask_headers(request.headers)} {mask_body((request.body or b'').decode())}"
    for secret in filter(None, (known.password, known.apikey)):
        basic = base64.b64encode(f"{known.user}:{secret}".encode()).decode()
        assert not {text for text in (secret, quote(secret, safe=""), basic) if text in shown}


@pytest.mark.parametrize("name", CASES)
def test_the_files_of_other_gateways_add_nothing_to_a_provider_s_request(name: str) -> None:
    files = TemplateFiles(TemplateFile("smssenddata.txt", "x=[tonum]"), TemplateFile("smssendheader.txt", "X-Key: k"))
    alone, beside = RequestTemplate(settings(name)), RequestTemplate(settings(name), files=files)
    assert beside.render(message("hi")) == alone.render(message("hi"))


def judged(case: Case, known: GatewaySettings) -> Verdict:
    return verdict.judge(case["status"], case["body"], verdict.rules(known))


@pytest.mark.parametrize("name, case", each("answer"))
def test_a_documented_answer_has_its_outcome(name: str, case: Case) -> None:
    found = judged(case, settings(name))
    assert (found.outcome, found.provider_id) == (Outcome(case["outcome"]), case.get("id", ""))


@pytest.mark.parametrize("name, case", each("answer"))
def test_the_guess_alone_tells_it_or_the_case_says_that_it_can_not(name: str, case: Case) -> None:
    found = judged(case, replace(settings(name), smssuccessstring="", smsfailstring=""))
    right = (found.outcome, found.provider_id) == (Outcome(case["outcome"]), case.get("id", ""))
    assert right == (case.get("guess", "yes") == "yes")


# -- the files ----------------------------------------------------------------------------------------------------


def test_every_provider_has_a_file() -> None:
    assert sorted(FILES) == sorted(NAMED_BY_THE_ISSUE)
    assert UNTESTED == ["messagingbay", "sight", "smsbts"]


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_short_and_says_where_it_is_from_and_what_it_needs(name: str) -> None:
    text = FILES[name].read_text("utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    assert ("# untested: no public manual found" if name in UNTESTED else "# Source: ") in text
    templates = " ".join(read_provider(name, Path()).get(key, "") for key in TEMPLATES)
    used = {word for word in CREDENTIALS if re.search(rf"\b{word}\b", templates)}
    explained = set(re.findall(rf"^# ({'|'.join(CREDENTIALS)})  +\S", text, re.MULTILINE))
    assert used <= explained
    if name not in UNTESTED:
        assert used == explained == CASES[name]["settings"].keys()


@pytest.mark.parametrize("name", CASES)
def test_a_file_of_cases_is_whole(name: str) -> None:
    assert {case["message"].isascii() for case in CASES[name]["request"]} == {True, False}
    assert {"taken", "refused"} <= {case["outcome"] for case in CASES[name]["answer"]}


@pytest.mark.parametrize("name", UNTESTED)
def test_a_provider_without_a_manual_wants_an_address(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[gateway:x\] smsurl: must be set"):
        gateway(name, tmp_path)
    assert gateway(name, tmp_path, smsurl="http://sms.test/?to=[tonum]").provider == name


def test_the_documentation_names_them_all() -> None:
    documented = (Path(__file__).parent.parent / "docs" / "providers.md").read_text("utf-8")
    rows = {row[0]: row[1] for row in re.findall(r"^\| `([\w.-]+)` \|(.*)\|$", documented, re.MULTILINE)}
    assert rows.keys() == FILES.keys()
    for name, row in rows.items():
        assert ("untested" in row) == (name in UNTESTED)
        assert all(f"`{word}`" in row for word in CASES.get(name, {}).get("settings", {}))


# -- the settings -------------------------------------------------------------------------------------------------

ACME = """\
# A fictitious provider.
[provider]
smsurl = http://api.acme.test/send?key={{ apikey }}&to={{ tonum }}&text={{ message }}
smssuccessstring = DONE
tps = 5
"""


def faults(folder: Path, provider: str, **own: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        gateway(provider, folder, **own)
    return [line.removeprefix(f"{folder / 'config.ini'}: ") for line in str(caught.value).splitlines()]


def test_the_section_s_own_keys_stand_before_the_provider_s(tmp_path: Path) -> None:
    (tmp_path / "acme.ini").write_text(ACME)
    found = gateway("acme.ini", tmp_path, apikey="k", tps="9")
    assert (found.name, found.provider, found.apikey, found.tps, found.smssuccessstring) == (
        "x", "acme.ini", "k", 9.0, "DONE",
    )  # fmt: skip


def test_the_default_gateway_may_have_one(tmp_path: Path) -> None:
    (found,) = config.parse("[global]\nprovider = vonage\nuser = a\npassword = b", tmp_path / "config.ini").gateways
    assert (found.name, found.smsurl) == ("default", "https://rest.nexmo.com/sms/json")


def test_a_provider_may_speak_smpp(tmp_path: Path) -> None:
    (tmp_path / "acme.ini").write_text(
        "[provider]\nsmsurl = SMPP;server=smsc.acme.test\nsmpp_window = 5\nsmpp_bind = tx\n"
    )
    found = gateway("acme.ini", tmp_path, smpp_username="u", smpp_window="7").smpp
    assert (found.server, found.username, found.window, found.bind) == ("smsc.acme.test", "u", 7, "tx")


@pytest.mark.parametrize(
    "provider, near", [("clickatel", "clickatell"), ("Nexmo/vonage", "vonage"), ("../clickatell", "clickatell")]
)
def test_an_unknown_provider_is_one_line_with_the_nearest(tmp_path: Path, provider: str, near: str) -> None:
    assert faults(tmp_path, provider) == [
        f"[gateway:x] provider: unknown provider {provider!r}; did you mean {near!r}? A file of your own ends in .ini"
    ]


def test_check_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.ini"
    file.write_text("[gateway:x]\nprovider = telnix\napikey = k\n")
    assert cli.main(["--config", str(file), "check"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("unknown provider 'telnix'; did you mean 'telnyx'? A file of your own ends in .ini")


def test_credentials_that_the_requests_hold_must_be_set(tmp_path: Path) -> None:
    assert faults(tmp_path, "sinch", apikey=" ") == [
        "[gateway:x] apikey: must be set: the requests of sinch hold it",
        "[gateway:x] option: must be set: the requests of sinch hold it",
    ]


@pytest.mark.parametrize(
    "text, fault",
    [
        (None, "{file}: can't be read: No such file or directory"),
        ("[provider]\nsmsurl\n", "{file}: line 2: must be key = value"),
        ("smsurl = x\n", "{file}: line 1: must come after a [section]"),
        ("[gateway]\nsmsurl = x\n", "{file}: must be one section, [provider]"),
        ("[provider]\nprovider = vonage\n", "{file}: can't stand on another provider"),
        ("[provider]\nsmsurll = x\n", "acme.ini: smsurll: unknown key; did you mean 'smsurl'?"),
        ("[provider]\ntps = many\n", "acme.ini: tps: must be a number, not 'many'"),
    ],
    ids=["absent", "no value", "no section", "another section", "chained", "unknown key", "bad value"],
)
def test_a_provider_s_file_that_is_wrong(tmp_path: Path, text: str | None, fault: str) -> None:
    file = tmp_path / "acme.ini"
    if text is not None:
        file.write_text(text)
    assert faults(tmp_path, "acme.ini") == ["[gateway:x] provider: " + fault.format(file=file)]


# -- over a real connection ---------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[HttpProvider]:
    with HttpProvider() as started:
        yield started


ERRORS: dict[str, type[SubmitError] | tuple[type[SubmitError], ...]] = {
    "refused": SubmitRefused,
    "temporary": (SubmitFailed, Throttled),
}


async def submit(settings: GatewaySettings, text: str) -> Submitted:
    connector = HttpConnector(GatewayId(1), settings, lambda: None)
    try:
        return await connector.submit(Part(message(text), 1, 1))
    finally:
        await connector.close()


def moved(settings: GatewaySettings, port: int) -> GatewaySettings:
    """The same requests to a server of ours."""
    host = urlsplit(settings.smsurl)
    path = settings.smsurl.removeprefix(f"{host.scheme}://{host.netloc}")
    return replace(settings, smsurl=f"http://127.0.0.1:{port}{path}")


@pytest.mark.parametrize("name", ["vonage", "telnyx", "routomessaging", "sms-gate.app"])
@pytest.mark.parametrize("kind", ["ascii", "unicode"])
async def test_a_provider_over_http(server: HttpProvider, name: str, kind: str) -> None:
    case = next(case for case in CASES[name]["request"] if case["name"] == kind)
    known = moved(settings(name), server.port)
    for answer in CASES[name]["answer"]:
        server.usual = ((answer["status"], answer["body"]),)
        error = ERRORS.get(answer["outcome"])
        if error is None:
            own = "1001" if known.inbound_receipts == "ours" else answer.get("id", "")
            assert (await submit(known, case["message"])).provider_id == own
        else:
            with pytest.raises(error):
                await submit(known, case["message"])
    url = urlsplit(case["url"])
    for request in server.requests:
        assert (request.method, request.body.decode()) == (case["method"], case.get("body", ""))
        assert request.path == url.path + (f"?{url.query}" if url.query else "")
        sent = {key.lower(): value for key, value in request.headers.items()}
        assert {key.lower(): value for key, value in case.get("headers", {}).items()}.items() <= sent.items()


async def test_a_new_provider_is_one_file(server: HttpProvider, tmp_path: Path) -> None:
    (tmp_path / "acme.ini").write_text(ACME.replace("api.acme.test", f"127.0.0.1:{server.port}"))
    server.usual = ((200, "DONE id=a-1"),)
    taken = await submit(gateway("acme.ini", tmp_path, apikey="k&1"), "a & b")
    assert taken.provider_id == "a-1"
    assert [request.path for request in server.requests] == ["/send?key=k%261&to=36209876543&text=a%20%26%20b"]
    server.usual = ((200, "no"),)
    with pytest.raises(SubmitRefused):
        await submit(gateway("acme.ini", tmp_path, apikey="k&1"), "a & b")
