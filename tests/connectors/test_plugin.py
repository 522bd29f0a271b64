from __future__ import annotations

import asyncio
import json
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.connectors.messages import message
from tests.connectors.rig import Traces, Wakes, submit, until
from voipsms.connectors.plugin import PluginConnector
from voipsms.errors import (
    ConfigError,
    GatewayDown,
    OutcomeUnknown,
    SubmitError,
    SubmitFailed,
    SubmitRefused,
    Throttled,
)
from voipsms.gateway_settings import GatewaySettings
from voipsms.log import LogMethod, configure
from voipsms.model import GatewayId, State, Submitted
from voipsms.settings import LogSettings

HEAD = """
from __future__ import annotations
import asyncio, threading, time
from voipsms.errors import *
from voipsms.model import State, Submitted

def connector(gateway, folder):
    return Ours(gateway, folder)

"""
SENDS = """
class Ours:
    def __init__(self, gateway, folder):
        self.gateway, self.folder = gateway, folder
    {}def send(self, message):
        {}
"""


def write(folder: Path, body: str, is_async: bool = False, name: str = "ours.py") -> None:
    (folder / name).write_text(HEAD + SENDS.format("async " if is_async else "", body))


def connect(
    folder: Path, plugin: str = "ours.py", wake: Wakes | None = None, trace: LogMethod | None = None, **fields: object
) -> PluginConnector:
    told = GatewaySettings(plugin=plugin, **{"timeout": 5.0, **fields})  # type: ignore[arg-type]
    return PluginConnector(GatewayId(2), told, wake or Wakes(), folder, trace=trace)


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    yield
    for name in [name for name in sys.modules if name.startswith("voipsms_plugin_")]:
        del sys.modules[name]


# -- sending ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_async", [False, True], ids=["thread", "coroutine"])
@pytest.mark.parametrize(
    "body, taken",
    [
        ("return 'abc-1'", Submitted("abc-1", State.ACCEPTED, "taken by the plugin")),
        ("return None", Submitted("", State.ACCEPTED, "taken by the plugin")),
        ("return 'x' * 100", Submitted("x" * 64, State.ACCEPTED, "taken by the plugin")),
        ("return Submitted('a', State.ENROUTE, 'fine')", Submitted("a", State.ENROUTE, "fine")),
        ("return message.text + message.sender", Submitted("helloACME", State.ACCEPTED, "taken by the plugin")),
        (
            "return f'{self.gateway.user} {self.folder.name} {message.target}'",
            Submitted("u conf 36209876543", State.ACCEPTED, "taken by the plugin"),
        ),
    ],
    ids=["id", "nothing", "long id", "Submitted", "sender", "settings"],
)
async def test_taken(tmp_path: Path, body: str, taken: Submitted, is_async: bool) -> None:
    folder = tmp_path / "conf"
    folder.mkdir()
    write(folder, body, is_async)
    connector = connect(folder, sender="ACME", user="u")
    assert await submit(connector) == taken
    assert (connector.ready, connector.free()) == (True, 20)


@pytest.mark.parametrize("is_async", [False, True], ids=["thread", "coroutine"])
@pytest.mark.parametrize(
    "raised, error, comment",
    [
        ("SubmitFailed('again')", SubmitFailed, "again"),
        ("SubmitRefused('no such number')", SubmitRefused, "no such number"),
        ("Throttled('slow', retry_after=7)", Throttled, "slow"),
        ("OutcomeUnknown('?')", OutcomeUnknown, "?"),
        ("ValueError('secret 36201234567')", SubmitRefused, "the plugin raised ValueError"),
        ("KeyError('x')", SubmitRefused, "the plugin raised KeyError"),
        ("StopIteration", SubmitRefused, None),
        ("ConnectionRefusedError('x')", SubmitFailed, "the plugin raised ConnectionRefusedError"),
        ("ConnectionResetError('x')", OutcomeUnknown, "the plugin raised ConnectionResetError"),
        ("TimeoutError('x')", OutcomeUnknown, "no answer within 5 s"),
    ],
)
async def test_not_taken(
    tmp_path: Path, raised: str, error: type[SubmitError], comment: str | None, is_async: bool
) -> None:
    write(tmp_path, f"raise {raised}", is_async)
    connector = connect(tmp_path)
    for _ in range(2):  # it fails its message only
        with pytest.raises(error) as caught:
            await submit(connector)
        assert type(caught.value) is error
        assert comment in (None, caught.value.comment)
    assert (connector.ready, connector.free()) == (True, 20)


async def test_what_is_no_id(tmp_path: Path) -> None:
    write(tmp_path, "return 7")
    with pytest.raises(OutcomeUnknown, match="the plugin returned int, not the provider's id"):
        await submit(connect(tmp_path))


async def test_the_log_says_where_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, "raise ValueError(f'{message.text} {self.gateway.password}')")
    log = tmp_path / "log"
    configure(LogSettings(file="log"), tmp_path)
    try:
        with pytest.raises(SubmitRefused):
            await submit(connect(tmp_path, password="geheim"), "secret text")
    finally:
        configure(LogSettings(), tmp_path)
    line = log.read_text()
    told = r"plugin: a plugin has failed gateway=default id=1 error=ValueError where=\"?ours.py:[0-9]+\"?\n"
    assert re.search(told, line)
    assert "secret text" not in line
    assert "geheim" not in line


async def test_patience_in_a_coroutine(tmp_path: Path) -> None:
    write(tmp_path, "await asyncio.sleep(60)", is_async=True)
    connector = connect(tmp_path, timeout=0.1)
    with pytest.raises(OutcomeUnknown, match=r"no answer within 0\.1 s"):
        await submit(connector)
    assert connector.free() == 20


async def test_a_thread_that_hangs_keeps_its_place(tmp_path: Path) -> None:
    write(tmp_path, "self.gate.wait(5)\n        return 'late'")
    wakes = Wakes()
    connector = connect(tmp_path, wake=wakes, timeout=0.1, connections=1)
    gate = threading.Event()
    connector._plugin.gate = gate  # type: ignore[attr-defined]
    with pytest.raises(OutcomeUnknown, match="no answer"):
        await submit(connector)
    assert connector.free() == 0
    wakes.called.clear()
    gate.set()
    async with asyncio.timeout(5):
        await wakes.called.wait()
    assert connector.free() == 1
    assert (await submit(connector)).provider_id == "late"


async def test_threads_are_as_many_as_the_settings_say(tmp_path: Path) -> None:
    write(tmp_path, "self.together.wait(5)\n        return 'ok'")
    connector = connect(tmp_path, connections=3)
    connector._plugin.together = threading.Barrier(3)  # type: ignore[attr-defined]
    tasks = [asyncio.ensure_future(submit(connector)) for _ in range(3)]
    await asyncio.sleep(0)
    assert connector.free() == 0
    assert [one.provider_id for one in await asyncio.gather(*tasks)] == ["ok"] * 3


# -- loading ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, fault",
    [
        ("x = ", r"\[global\] plugin: ours\.py: SyntaxError: "),
        ("import no_such_thing", r"ModuleNotFoundError: No module named 'no_such_thing'"),
        ("raise ValueError('two\\nlines')", r"ValueError: two lines\Z"),
        ("", r"AttributeError: .* has no attribute 'connector'"),
        ("def connector(gateway): ...", r"TypeError: connector\(\) takes 1 positional argument"),
        ("def connector(gateway, folder): raise KeyError(gateway.password)", r"KeyError: '\*\*\*'"),
        ("def connector(gateway, folder): return 7", r"what connector\(\) gives must have send\(message\)"),
    ],
)
async def test_a_plugin_that_cannot_be_loaded_stops_the_start(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "ours.py").write_text(text)
    with pytest.raises(ConfigError, match=fault) as caught:
        connect(tmp_path, password="geheim")
    assert "\n" not in str(caught.value)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("name", ["nowhere.py", "no_such.package"])
async def test_a_plugin_that_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=f"plugin: {name}: "):
        connect(tmp_path, plugin=name)


async def test_a_package_s_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "acme").mkdir()
    write(tmp_path / "acme", "return 'by package'", name="gateway.py")
    monkeypatch.syspath_prepend(tmp_path)
    connector = connect(tmp_path, plugin="acme.gateway")
    assert (await submit(connector)).provider_id == "by package"


async def test_dataclasses_work_in_a_plugin(tmp_path: Path) -> None:
    text = "from __future__ import annotations\nfrom dataclasses import dataclass, field\n@dataclass(slots=True)\n"
    text += "class Ours:\n    n: int = field(default=7)\n    def send(self, message): return str(self.n)\n"
    (tmp_path / "ours.py").write_text(text + "def connector(gateway, folder): return Ours()\n")
    assert (await submit(connect(tmp_path))).provider_id == "7"


# -- the rest of the port -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_async", ["", "async "], ids=["thread", "coroutine"])
async def test_probe_close_and_describe(tmp_path: Path, is_async: str) -> None:
    further = f"""
    fault = None
    closed = False
    {is_async}def probe(self):
        if self.fault:
            raise self.fault
    {is_async}def close(self):
        self.closed = True
        raise ValueError("too late")
    {is_async}def describe(self, message):
        return [f"{{message.sender}}: {{message.text}}", f"token={{self.gateway.password}}"]
"""
    write(tmp_path, "raise GatewayDown('off')" + further)
    wakes = Wakes()
    connector = connect(tmp_path, wake=wakes, password="geheim")
    await connector.probe()
    assert await connector.describe(message("hi")) == ["36301234567: hi", "token=***"]
    plugin = connector._plugin
    plugin.fault = OSError("no way to geheim")  # type: ignore[attr-defined]
    with pytest.raises(GatewayDown, match=r"OSError: no way to \*\*\*"):
        await connector.probe()
    plugin.fault = None  # type: ignore[attr-defined]
    with pytest.raises(GatewayDown, match="off"):
        await submit(connector)
    assert (connector.ready, connector.free(), connector.last_error) == (False, 0, "off")
    watch = asyncio.create_task(connector.run())
    wakes.called.clear()
    async with asyncio.timeout(5):
        await wakes.called.wait()
    watch.cancel()
    assert connector.ready
    await connector.close()
    await until(lambda: plugin.closed)  # type: ignore[attr-defined]


async def test_without_them(tmp_path: Path) -> None:
    write(tmp_path, "return 'x'")
    connector = connect(tmp_path)
    await connector.probe()
    assert await connector.describe(message("hi")) == ["plugin ours.py: from 36301234567 to 36209876543: hi"]
    await connector.close()


async def test_traced(tmp_path: Path) -> None:
    write(tmp_path, "return Submitted('a', State.ACCEPTED, message.text + self.gateway.password)")
    traces = Traces()
    await submit(connect(tmp_path, trace=traces, password="geheim"), "secret text")
    shown = json.dumps(traces.lines)
    for hidden in ("secret text", "36209876543", "geheim"):
        assert hidden not in shown
