from __future__ import annotations

import asyncio
import json
import re
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.connectors.messages import message
from tests.connectors.rig import Traces, Wakes, submit, until
from tests.sip.loops import on_both_loops
from voipsms.connectors.program import STATUSES, ProgramConnector, read_command, write_arguments
from voipsms.connectors.template import values
from voipsms.errors import (
    ConfigError,
    GatewayDown,
    OutcomeUnknown,
    RefusedHere,
    SubmitError,
    SubmitFailed,
    SubmitRefused,
)
from voipsms.gateway_settings import GatewaySettings
from voipsms.log import LogMethod
from voipsms.model import GatewayId, Part, State, Submitted
from voipsms.values import replace

HERE = Path().absolute()


def write(folder: Path, text: str, name: str = "send.sh") -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def connect(
    folder: Path, arguments: str = "", wake: Wakes | None = None, trace: LogMethod | None = None, **fields: object
) -> ProgramConnector:
    told = GatewaySettings(smsurl=f"./send.sh {arguments}", **{"timeout": 5.0, **fields})  # type: ignore[arg-type]
    return ProgramConnector(GatewayId(2), told, wake or Wakes(), folder, trace=trace)


# -- what the program is given ------------------------------------------------------------------------------------

TELL = f"""exec {shlex.quote(sys.executable)} -S -c '
import json, os, sys
told = {{"argv": sys.argv[1:], "stdin": sys.stdin.read(), "cwd": os.getcwd(), "env": dict(os.environ)}}
open("told.json", "w").write(json.dumps(told))' "$@"
"""


def told(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "told.json").read_text())
    return found


async def test_arguments_stdin_folder_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET", "s3")
    write(tmp_path, TELL)
    text = "$(touch x) `id` 'a' \"b\" \\ *\né\U0001f600"
    connector = connect(tmp_path, "-t [tonum] '--text=<[message]>' \"a b\" [smscounter] --", sender="ACME", user="u")
    assert await submit(connector, text) == Submitted("", State.ACCEPTED, "exit 0")
    found = told(tmp_path)
    assert found["argv"] == ["-t", "36209876543", f"--text=<{text}>", "a b", "1", "--"]
    assert json.loads(str(found["stdin"])) == {
        "tonum": "36209876543", "fromnum": "ACME", "fromid": "1", "message": text, "smsid": "1", "smscounter": "1",
        "gatewayid": "2", "clientip": "", "user": "u", "password": "", "apikey": "", "option": "", "parts": "1",
        "dcs": "0", "unicode": "", "binary": "", "octets": "", "udh": "", "mo": "0",
    }  # fmt: skip
    assert found["cwd"] == str(tmp_path)
    environment = found["env"]
    assert isinstance(environment, dict)
    assert environment.keys() - {"LC_CTYPE", "PWD", "SHLVL", "_", "OLDPWD"} == {"PATH", "LANG"}  # sh adds the others


ODD = st.text(st.one_of(st.sampled_from("\n\r\t '\"\\$`()[]{}%&;|<>*?-=~#!\0\U0001f600"), st.characters())) | (
    st.sampled_from(["$(touch x)", "`id`", "-x", "--", "--help", "a b", "[tonum]", "{{tonum}}", "{SELECT 1}", "%data%"])
)


def spaced(value: str) -> str:
    """At the beginning of an argument, where it could be an option."""
    return " " + value if value.startswith("-") else value


VECTOR = "./p -t '[tonum]' --from=[fromnum] 'a [message]z' [message] '[fromnum] x' -- [message]"


@given(text=ODD, sender=ODD)
@settings(max_examples=300)
def test_no_value_changes_the_vector(text: str, sender: str) -> None:
    _, arguments = read_command(GatewaySettings(smsurl=VECTOR))
    named = values(message(text, sender=sender))
    if "\0" in text + sender:
        with pytest.raises(SubmitRefused):
            write_arguments(arguments, named)
        return
    text, sender = (value.encode("utf-8", "replace").decode() for value in (text, sender))
    expected = ["-t", "36209876543", f"--from={sender}", f"a {text}z", spaced(text), f"{spaced(sender)} x", "--", text]
    assert write_arguments(arguments, named) == expected


@given(text=ODD.filter(lambda text: "\0" not in text))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_the_program_gets_that_vector(tmp_path: Path, text: str) -> None:
    script = write(tmp_path, 'printf "%s\\0" "$#" "$@" >argv')
    assert script.exists()
    asyncio.run(submit_once(tmp_path, text))
    written = text.encode("utf-8", "replace")
    assert (tmp_path / "argv").read_bytes() == b"3\0--\0" + written + b"\0x" + written + b"\0"
    assert {path.name for path in tmp_path.iterdir()} == {"send.sh", "argv"}


async def submit_once(folder: Path, text: str) -> None:
    await submit(connect(folder, "-- [message] x[message]"), text)


@pytest.mark.parametrize(
    "arguments, written",
    [("[message]", " -rf"), ("-- [message]", "-rf"), ("-m[message]", "-m-rf"), ("-e [message]", " -rf")],
)
def test_no_message_becomes_an_option(arguments: str, written: str) -> None:
    _, compiled = read_command(GatewaySettings(smsurl=f"./p {arguments}"))
    assert write_arguments(compiled, values(message("-rf")))[-1] == written


@pytest.mark.parametrize(
    "arguments, text, reason",
    [
        ("[message]", "a\0b", "NUL"),
        ("--text=[message]", "\0", "NUL"),
        ("[fromnum]-x", "hi", "would become an option"),
        ("[message]", "x" * 200_000, "longer than the system takes"),
    ],
)
@on_both_loops
async def test_what_cannot_be_an_argument_is_refused(tmp_path: Path, arguments: str, text: str, reason: str) -> None:
    write(tmp_path, "touch started")
    with pytest.raises(SubmitRefused, match=reason):
        await submit(connect(tmp_path, arguments), text, sender="")
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(
    "url, fault",
    [
        ("./a 'b", r"\[global\] smsurl: must be words as a shell reads them: No closing quotation"),
        ("./[tonum]/send", r"smsurl: character 3: a value can't be a part of the program's path"),
        ("./a [nothing]", r"smsurl: character 1: unknown keyword \[nothing\]"),
    ],
)
async def test_faults_stop_the_start(tmp_path: Path, url: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        ProgramConnector(GatewayId(2), GatewaySettings(smsurl=url), Wakes(), tmp_path)


async def test_binary_messages_need_a_place(tmp_path: Path) -> None:
    write(tmp_path, TELL)
    binary = Part(replace(message(""), octets=b"\1\xff", udh=b"\2\0\0"), 1, 1)
    with pytest.raises(RefusedHere, match="no argument has a place"):
        await connect(tmp_path, "[tonum] [message]").submit(binary)
    await connect(tmp_path, "send").submit(binary)  # its stdin is a place
    stdin = json.loads(str(told(tmp_path)["stdin"]))
    assert (stdin["octets"], stdin["udh"]) == ("01FF", "020000")
    await connect(tmp_path, "'{{ octets }}'", smsdialect="jinja").submit(binary)
    assert told(tmp_path)["argv"] == ["01FF"]


async def test_looked_up(tmp_path: Path) -> None:
    class Book:
        async def select(self, sql: str, values: Sequence[str]) -> str:
            assert (" ".join(sql.split()), values) == ("SELECT name FROM book WHERE number = ?", ["36209876543"])
            return "-x $(id)"

    write(tmp_path, TELL)
    url = "./send.sh '{SELECT name FROM book WHERE number = [tonum]}'"
    connector = ProgramConnector(GatewayId(2), GatewaySettings(smsurl=url), Wakes(), tmp_path, selector=Book())
    await submit(connector)
    assert told(tmp_path)["argv"] == [" -x $(id)"]
    assert json.loads(str(told(tmp_path)["stdin"])).keys() == values(message()).keys()
    assert (await connector.describe(message()))[0].endswith("send.sh ' -x $(id)'")
    lonely = ProgramConnector(GatewayId(2), GatewaySettings(smsurl=url), Wakes(), tmp_path)
    with pytest.raises(SubmitRefused, match="no database"):
        await submit(lonely)


# -- what it says -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script, taken",
    [
        ("exit 0", ("", "exit 0")),
        ("echo OK", ("", "exit 0: OK")),
        ("echo 'ID: abc-123'; echo warned >&2; echo twice >&2", ("abc-123", "exit 0: ID: abc-123 (warned)")),
        ('echo \'{"messageId": "m-7"}\'', ("m-7", 'exit 0: {"messageId": "m-7"}')),
        ("cat >/dev/null; head -c 200000 /dev/zero | tr '\\0' x", ("", "exit 0: " + "x" * 192)),
        ("exec 0<&-; echo OK", ("", "exit 0: OK")),
    ],
    ids=["silence", "word", "id, stderr", "JSON", "200 kB", "reads nothing"],
)
@on_both_loops
async def test_taken(tmp_path: Path, script: str, taken: tuple[str, str]) -> None:
    write(tmp_path, script)
    provider_id, comment = taken
    wakes = Wakes()
    connector = connect(tmp_path, wake=wakes, connections=1)
    for _ in range(2):
        assert await submit(connector) == Submitted(provider_id, State.ACCEPTED, comment)
    assert (connector.free(), wakes.count) == (1, 2)


@pytest.mark.parametrize(
    "script, error, comment",
    [
        ("echo ERR: 114", SubmitRefused, "exit 0: ERR: 114"),
        ("echo try again later", SubmitFailed, "exit 0: try again later"),
        ("exit 1", SubmitRefused, "exit 1"),
        ("echo OK; echo bad number >&2; exit 65", SubmitRefused, "exit 65: OK (bad number)"),
        *((f"exit {status}", SubmitFailed, f"exit {status}") for status, http in STATUSES.items() if http == 503),
        ("exit 124", OutcomeUnknown, "exit 124"),
        ("kill -SEGV $$", OutcomeUnknown, "killed by signal 11"),
        ("printf 'a\\001\\nb\\377' >&2; exit 2", SubmitRefused, "exit 2: (a )"),
    ],
)
@on_both_loops
async def test_not_taken(tmp_path: Path, script: str, error: type[SubmitError], comment: str) -> None:
    write(tmp_path, script)
    connector = connect(tmp_path)
    with pytest.raises(error) as caught:
        await submit(connector)
    assert (type(caught.value), caught.value.comment) == (error, comment)
    assert (connector.ready, connector.free()) == (True, 20)


def test_the_manual_has_the_table() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "connectors.md").read_text()
    (row,) = (line.split("|")[1] for line in manual.splitlines() if line.endswith("| 503: tried again |"))
    retried = {status for status, http in STATUSES.items() if http == 503}
    assert {int(number) for number in re.findall(r"[0-9]+", row)} == retried


async def test_the_operator_s_words(tmp_path: Path) -> None:
    write(tmp_path, "echo ERR: 114; exit 3")
    assert await submit(connect(tmp_path, smssuccessstring="114"))
    write(tmp_path, "echo OK")
    with pytest.raises(SubmitRefused):
        await submit(connect(tmp_path, smsfailstring="OK"))


# -- faults -------------------------------------------------------------------------------------------------------


def child(folder: Path) -> int:
    """The process that the program has started, 0 where it hasn't yet."""
    file = folder / "child"
    return int(file.read_text().strip() or 0) if file.exists() else 0


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@on_both_loops
async def test_the_whole_group_is_killed(tmp_path: Path) -> None:
    write(tmp_path, "sleep 60 & echo $! >child; sleep 60")
    with pytest.raises(OutcomeUnknown, match=r"killed, since it had no end within 0\.5 s"):
        await submit(connect(tmp_path, timeout=0.5))
    await until(lambda: not alive(child(tmp_path)))


@on_both_loops
async def test_cancelled(tmp_path: Path) -> None:
    write(tmp_path, "sleep 60 & echo $! >child; sleep 60")
    task = asyncio.ensure_future(submit(connect(tmp_path)))
    await until(lambda: bool(child(tmp_path)))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not alive(child(tmp_path)))


@on_both_loops
async def test_cancelled_while_it_starts(tmp_path: Path) -> None:
    write(tmp_path, "sleep 60 & echo $! >child; sleep 60")
    connector = connect(tmp_path)
    for turns in range(6):
        task = asyncio.ensure_future(submit(connector))
        for _ in range(turns):
            await asyncio.sleep(0)
        time.sleep(0.02)  # noqa: ASYNC251 — the program runs, and this loop does not know yet
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: not alive(child(tmp_path)))
    assert connector.free() == 20


@on_both_loops
async def test_whoever_it_leaves_behind_does_not_hide_its_end(tmp_path: Path) -> None:
    write(tmp_path, "setsid sleep 5 & echo ID: abc-123")
    began = time.monotonic()
    assert (await submit(connect(tmp_path, timeout=1.0))).provider_id == "abc-123"
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("case", ["missing", "not executable", "no program", "no folder"])
@on_both_loops
async def test_not_started(tmp_path: Path, case: str) -> None:
    if case != "missing":
        write(tmp_path, "exit 0")
    if case == "not executable":
        (tmp_path / "send.sh").chmod(0o644)
    if case == "no program":
        (tmp_path / "send.sh").write_text("#!/no/such/interpreter\n")
    connector = connect(tmp_path / "nowhere" if case == "no folder" else tmp_path)
    with pytest.raises(GatewayDown, match=r"send\.sh: "):
        await submit(connector)
    assert not connector.ready
    assert connector.free() == 0
    assert connector.last_error.startswith(str(tmp_path))


async def test_up_again(tmp_path: Path) -> None:
    wakes = Wakes()
    connector = connect(tmp_path, wake=wakes)
    with pytest.raises(GatewayDown):
        await submit(connector)
    with pytest.raises(GatewayDown, match="there is no such file"):
        await connector.probe()
    script = write(tmp_path, "exit 0")
    script.chmod(0o644)
    with pytest.raises(GatewayDown, match="may not be executed"):
        await connector.probe()
    script.chmod(0o755)
    watch = asyncio.create_task(connector.run())
    async with asyncio.timeout(5):
        await wakes.called.wait()
    watch.cancel()
    assert connector.ready
    assert await submit(connector)


async def test_as_many_at_once_as_the_settings_say(tmp_path: Path) -> None:
    write(tmp_path, "read line; exit 0")
    connector = connect(tmp_path, connections=2)
    tasks = [asyncio.ensure_future(submit(connector)) for _ in range(2)]
    await asyncio.sleep(0)
    assert connector.free() == 0
    await asyncio.gather(*tasks)
    assert connector.free() == 2


# -- what is shown ------------------------------------------------------------------------------------------------


async def test_described(tmp_path: Path) -> None:
    connector = connect(tmp_path, "-p [password] 'a [message]'", password="geheim")
    line, stdin = await connector.describe(message("it's"))
    assert shlex.split(line) == [str(tmp_path / "send.sh"), "-p", "***", "a it's"]
    assert stdin.startswith('stdin: {"tonum": "36209876543", ')
    assert "geheim" not in stdin
    with pytest.raises(SubmitRefused):
        await connector.describe(message("\0"))


async def test_traced_without_texts_and_secrets(tmp_path: Path) -> None:
    write(tmp_path, 'echo "$1 to $2 by $3"')
    traces = Traces()
    connector = connect(tmp_path, "[message] [tonum] [password]", trace=traces, password="geheim")
    await submit(connector, "secret text")
    (line,) = traces.lines
    shown = json.dumps(line)
    assert "secret text" not in shown
    assert "36209876543" not in shown
    assert "geheim" not in shown
    assert line["answer"] == "exit 0: *** (11) to 3620*****43 by ***"
    with pytest.raises(SubmitRefused):
        await submit(connector, "\0")
    assert str(traces.lines[1]["answer"]).startswith("refused_by_provider: a program's argument can't hold")


async def test_the_path_is_the_config_s_folder_s() -> None:
    at = ProgramConnector(GatewayId(2), GatewaySettings(smsurl="/bin/true x"), lambda: None, Path("conf"))
    assert (await at.describe(message()))[0] == "/bin/true x"
    relative = ProgramConnector(GatewayId(2), GatewaySettings(smsurl="./a"), lambda: None, Path("conf"))
    assert (await relative.describe(message()))[0] == str(HERE / "conf/a")
