"""sipp: scripted SIP phones and softswitches, from the scenarios in tests/peers/sipp/."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from tests.peers.kamailio import answers_options
from tests.peers.ports import free_port
from tests.peers.program import Program, binary, tcp_open

_SCENARIOS = Path(__file__).with_name("sipp")


@dataclass(frozen=True, slots=True)
class Sent:
    """How a scenario went. Response times are of the request that counts, in milliseconds."""

    successful: int
    failed: int
    retransmitted: int
    p50_ms: float
    p99_ms: float


def credentials(user: str, password: str) -> str:
    """The field that answers a digest challenge."""
    return f"[authentication username={user} password={password}]"


def _scenario(folder: Path, name: str, status: int, challenge: int = 401) -> Path:
    text = (_SCENARIOS / f"{name}.xml").read_text()
    reason = HTTPStatus(status).phrase if status in list(HTTPStatus) else "Other"
    file = folder / f"{name}-{status}.xml"
    places = {"@STATUS@": str(status), "@REASON@": reason, "@CHALLENGE@": str(challenge)}
    for place, value in places.items():
        text = text.replace(place, value)
    file.write_text(text)
    return file


def _statistics(file: Path) -> dict[str, str]:
    """The last line of sipp's statistics, by column."""
    head, *lines = file.read_text().splitlines()
    return dict(zip(head.split(";"), lines[-1].split(";"), strict=False))


def _response_times(folder: Path) -> list[float]:
    """Milliseconds, in order of size."""
    lines = [line for file in folder.glob("*_rtt.csv") for line in file.read_text().splitlines()[1:]]
    return sorted(float(line.split(";")[1]) for line in lines)


def send(
    folder: Path, port: int, scenario: str, rows: Sequence[Sequence[str]], *,
    expect: int = 202, challenge: int = 401, rate: int = 100, transport: str = "udp", seconds: float = 60.0,
    options: Sequence[str] = (),
) -> Sent:  # fmt: skip
    """Runs a scenario once for each row against 127.0.0.1:port, `rate` a second; fields may hold no semicolon.

    A row whose answer is not `expect` counts as failed; `challenge` is what asks for credentials: 401 a gateway or
    registrar, 407 a proxy; `options` are further ones of sipp. Raises RuntimeError where sipp itself could not work.
    """
    work = folder / f"sipp-{free_port()}"
    work.mkdir()
    (work / "rows.csv").write_text("\n".join(["SEQUENTIAL", *(";".join(row) + ";" for row in rows)]) + "\n")
    command = [
        binary("sipp"), f"127.0.0.1:{port}", "-sf", _scenario(work, scenario, expect, challenge), "-inf", "rows.csv",
        "-m", len(rows), "-r", rate, "-l", 1000, "-t", {"udp": "u1", "tcp": "t1"}[transport],
        "-i", "127.0.0.1", "-p", free_port(), "-nostdin", "-default_behaviors", "all,-bye",
        "-timeout", f"{seconds:g}s", "-timeout_error", "-trace_stat", "-stf", "stat.csv", "-fd", "1",
        "-trace_rtt", "-rtt_freq", "1", "-trace_err", "-error_file", "errors.log", *options,
    ]  # fmt: skip
    ran = subprocess.run(
        [str(word) for word in command], cwd=work, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds + 30
    )
    if ran.returncode not in (0, 1):  # 1: at least one call failed
        errors = work / "errors.log"
        raise RuntimeError(f"sipp: {ran.returncode}: {errors.read_text() if errors.exists() else ran.stderr.decode()}")
    counted, times = _statistics(work / "stat.csv"), _response_times(work)
    return Sent(
        successful=int(counted["SuccessfulCall(C)"]), failed=int(counted["FailedCall(C)"]),
        retransmitted=int(counted["Retransmissions(C)"]),
        p50_ms=times[len(times) // 2] if times else 0.0, p99_ms=times[len(times) * 99 // 100] if times else 0.0,
    )  # fmt: skip


def messages(
    count: int, sender: str = "36201234567", text: str = "Message {}", first: int = 0
) -> list[tuple[str, str, str]]:
    """Rows for the scenario `message`, each to another mobile number."""
    return [(f"3630{1_000_000 + number}", sender, text.format(number)) for number in range(first, first + count)]


class Answerer(Program):
    """Answers every MESSAGE with `status`: a phone, or a gateway that another one stands in for."""

    def __init__(self, folder: Path, status: int = 200, transport: str = "udp") -> None:
        self.port, self.transport = free_port(), transport
        self.work = folder / f"answerer-{self.port}"
        self.work.mkdir()
        scenario = _scenario(self.work, "receive", status)
        options = ["-i", "127.0.0.1", "-p", str(self.port), "-t", {"udp": "u1", "tcp": "t1"}[transport], "-nostdin"]
        logs = ["-trace_logs", "-log_file", "received.log"]
        super().__init__(f"answerer-{self.port}", ["sipp", "-sf", scenario, *options, *logs], folder, cwd=self.work)

    def ready(self) -> bool:
        return answers_options(self.port) if self.transport == "udp" else tcp_open(self.port)

    def received(self) -> list[tuple[str, str]]:
        """P-Asserted-Identity and text of each MESSAGE, in order of arrival."""
        log = self.work / "received.log"
        lines = log.read_text().splitlines() if log.exists() else []
        pairs = (line.partition(" | ") for line in lines if line)
        return [(identity.strip(), text.strip()) for identity, _, text in pairs]

    def register(self, registrar: int, user: str, password: str) -> None:
        """Registers this phone's address. Raises RuntimeError."""
        row = (user, str(self.port), self.transport, credentials(user, password))
        sent = send(self.work, registrar, "register", [row], expect=200)
        if sent.successful != 1:
            raise RuntimeError(f"{user} could not register: {sent}")
