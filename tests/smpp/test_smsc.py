"""`voipsms smsc` as a process."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from types import SimpleNamespace
from typing import cast

import pytest

from tests.smpp.rig import PATIENCE, message, running, until
from voipsms.smpp import smsc
from voipsms.smpp.behaviour import ENDINGS, Options
from voipsms.smpp.faults import FAULTS, Strike
from voipsms.smpp.simulator import Simulator

MAIN = """
import argparse, asyncio, sys
from voipsms.smpp import smsc
parser = argparse.ArgumentParser()
smsc.add_arguments(parser)
sys.exit(asyncio.run(smsc.run(parser.parse_args())))
"""


def parse(*words: str) -> Options:
    parser = argparse.ArgumentParser()
    smsc.add_arguments(parser)
    return smsc.options(parser.parse_args(words))


ARGUMENTS = {
    "defaults": ([], Options(port=2775)),
    "milliseconds": (["--receipt-delay", "250"], Options(port=2775, receipt_delay=0.25)),
    "a status by name": (["--refuse-status", "rsyserr"], Options(port=2775, refuse_status=8)),
    "a status by number": (["--refuse-status", "0x417"], Options(port=2775, refuse_status=0x417)),
    "binds refused": (["--refuse-bind"], Options(port=2775, refuse_bind=0x0D)),
    "binds refused otherwise": (["--refuse-bind", "ESME_RINVPASWD"], Options(port=2775, refuse_bind=0x0E)),
    "switches": (
        ["--no-endings", "--no-receipts", "--early", "--elsewhere", "--tlvs"],
        Options(port=2775, endings=False, receipts=False, early=True, elsewhere=True, tlvs=True),
    ),
    "faults": (
        ["--fault", "black-hole", "--fault", "error:0.5", "--fault", "nack::3", "--fault", "alert:0.1:2"],
        Options(
            port=2775,
            faults=(Strike("black-hole"), Strike("error", 0.5), Strike("nack", 1.0, 3), Strike("alert", 0.1, 2)),
        ),
    ),
    "TLS": (
        ["--tls-cert", "a", "--tls-key", "b", "--tls-ca", "c"],
        Options(port=2775, tls_cert="a", tls_key="b", tls_ca="c"),
    ),
    "outbind": (
        ["--outbind", "127.0.0.1:2776", "--outbind-password", "knock"],
        Options(port=2775, outbind="127.0.0.1:2776", outbind_password="knock"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("words, expected", ARGUMENTS.values(), ids=ARGUMENTS.keys())
def test_arguments(words: list[str], expected: Options) -> None:
    assert parse(*words) == expected


@pytest.mark.parametrize(
    "words",
    [
        ["--refuse", "2"],
        ["--refuse", "x"],
        ["--refuse-status", "WHAT"],
        ["--receipt-delay", "x"],
        ["--mo-rate", "0"],
        ["--fault", "what"],
        ["--fault", "error:2"],
        ["--fault", "error:1:x"],
        ["--outbind", "nowhere"],
    ],
)
def test_wrong_arguments(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(*words)
    assert words[-1].removeprefix("error:") in capsys.readouterr().err


def test_help_names_every_ending() -> None:
    parser = argparse.ArgumentParser()
    smsc.add_arguments(parser)
    text = parser.format_help()
    assert all(f"…{ending}  {behaviour.meaning}" in text for ending, behaviour in ENDINGS.items())
    assert all(name in text and fault.meaning in text for name, fault in FAULTS.items())


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
async def test_process(end: signal.Signals) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", MAIN, "--port", "0", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        said = (await process.stdout.readline()).decode()
        assert said.startswith("listening on 127.0.0.1:")
        peer = cast(Simulator, SimpleNamespace(port=int(said.rsplit(":", 1)[1])))
        async with running(peer, bound=False) as esme:
            await until(lambda: esme.client.free())
            await esme.submit(message())
            await until(lambda: esme.received)
        process.send_signal(end)
        summary = json.loads((await process.stdout.read()).decode())
        assert await process.wait() == 0
    assert summary["submits"] == summary["accepted"] == summary["receipts"] == 1
