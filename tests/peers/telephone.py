"""Telephones with audio: baresip with a WAV file for a mouth and another one for an ear, and scripted ones on sipp."""

from __future__ import annotations

import math
import wave
from array import array
from collections.abc import Iterable
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Final

from tests.peers import sipp
from tests.peers.baresip import Softphone
from tests.peers.certificates import Certificate
from tests.peers.ports import free_ports, taken
from tests.peers.program import Program

RATE: Final = 8000
SPOKEN: Final = 60.0  # seconds of what a telephone says; it is silent when they are over
TONES: Final = (440, 620, 770, 1000, 1336, 1700)  # what is looked for, and what the telephones of tests say
_KEYS: Final = ("123A", "456B", "789C", "*0#D")
_ROWS: Final = (697, 770, 852, 941)
_COLUMNS: Final = (1209, 1336, 1477, 1633)
_AUDIO: Final = """\
{codecs}module aufile.so
module aubridge.so
module sndfile.so
snd_path {own}
audio_source aufile,{mouth}
audio_player aubridge,{name}
audio_alert aufile,{mouth}
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
"""


def wave_of(*frequencies: float, seconds: float, loud: float = 8000) -> array[int]:
    """Samples of these tones together; of none: silence."""
    steps = [2 * math.pi * frequency / RATE for frequency in frequencies]
    each = loud / max(1, len(steps))
    return array("h", (round(sum(each * math.sin(step * n) for step in steps)) for n in range(round(seconds * RATE))))


def write_wav(file: Path, samples: array[int]) -> Path:
    with wave.open(str(file), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(RATE)
        wav.writeframes(samples.tobytes())
    return file


@lru_cache
def _long_tone(frequency: float) -> array[int]:
    return wave_of(frequency, seconds=1.0) * round(SPOKEN)  # whole periods, so that seconds go into each other


def tone(file: Path, frequency: int, seconds: float = SPOKEN) -> Path:
    """A tone of whole hertz."""
    return write_wav(file, _long_tone(frequency)[: round(seconds * RATE)])


def keys(file: Path, digits: str, before: float = 0.3) -> Path:
    """DTMF tones as a telephone sends them in its audio: 100 ms each, 100 ms between."""
    samples = wave_of(seconds=before)
    for digit in digits:
        row = next(number for number, row in enumerate(_KEYS) if digit in row)
        samples += wave_of(_ROWS[row], _COLUMNS[_KEYS[row].index(digit)], seconds=0.1) + wave_of(seconds=0.1)
    return write_wav(file, samples + wave_of(seconds=SPOKEN))


def _power(samples: array[int], frequency: float) -> float:
    """Goertzel: of one frequency, as a share of the mean square's."""
    once = 2 * math.cos(2 * math.pi * frequency / RATE)
    before = last = 0.0
    for sample in samples:
        before, last = last, sample + once * last - before
    return 2 * (before * before + last * last - once * before * last) / len(samples)


def loudest(samples: array[int], among: Iterable[int] = TONES) -> int:
    """The frequency that holds most of the power; 0 where there is silence, noise or a mixture."""
    total = sum(sample * sample for sample in samples)
    if len(samples) < RATE // 10 or total < 100**2 * len(samples):
        return 0
    best = max(among, key=lambda frequency: _power(samples, frequency))
    return best if _power(samples, best) > 0.7 * total else 0


class Telephone(Softphone):
    """`says`: a tone's frequency, or a WAV file; None: it is silent. `answers`: auto or manual. With a `proxy` (its
    port) it registers there. `srtp`: empty, srtp or srtp-mand, as baresip has it. `silence`: it hangs up after so many
    seconds without RTP; 0: it never does."""

    def __init__(
        self, folder: Path, name: str, says: int | Path | None = None, *, answers: str = "auto", srtp: str = "",
        codecs: tuple[str, ...] = ("g711",), proxy: int = 0, password: str = "", certificate: Certificate | None = None,
        silence: int = 0,
    ) -> None:  # fmt: skip
        mouth = folder / f"{name}-says.wav"
        if isinstance(says, Path):
            mouth = says
        elif says is None:
            write_wav(mouth, wave_of(seconds=SPOKEN))
        else:
            tone(mouth, says)
        own = folder / f"baresip-{name}"
        modules = "".join(f"module {module}.so\n" for module in (*codecs, *(["srtp"] if srtp else [])))
        place = f"127.0.0.1:{proxy}" if proxy else "127.0.0.1"
        registers = f";auth_user={name};auth_pass={password};regint=600" if proxy else ";regint=0"
        account = f"<sip:{name}@{place}>{registers};answermode={answers}{f';mediaenc={srtp}' if srtp else ''}\n"
        self._registers = bool(proxy)
        config = _AUDIO.format(codecs=modules, own=own, mouth=mouth, name=name)
        if silence:
            config += f"rtp_timeout {silence}\n"
        if certificate is not None:  # without one it takes no TLS
            both = folder / f"{name}-certificate.pem"
            both.write_text(certificate.certificate.read_text() + certificate.key.read_text())
            config += f"sip_certificate {both}\n"
        super().__init__(folder, name, config, account)

    def ready(self) -> bool:
        return super().ready() and (not self._registers or "OK" in self.command("reginfo"))

    def uri(self, transport: str = "udp") -> str:
        port = self.sip_port + 1 if transport == "tls" else self.sip_port
        return f"sip:{self.user}@127.0.0.1:{port};transport={transport}"

    def told(self, kind: str) -> int:
        """How often it has told that: CALL_INCOMING, CALL_ESTABLISHED, CALL_CLOSED …"""
        return sum(event.get("type") == kind for event in self.events)

    def caller(self) -> str:
        """The URI of who has called last."""
        called = (event for event in reversed(self.events) if event.get("direction") == "incoming")
        return next(str(event["peeruri"]) for event in called)

    def answer(self) -> None:
        self.command("accept")

    def hang_up(self) -> None:
        self.command("hangup")

    def press(self, digits: str) -> None:
        """By RFC 4733."""
        self.command("sndcode", digits)

    def pressed(self) -> str:
        """The digits that it has got as events."""
        return "".join(str(event["param"]) for event in self.events if event.get("type") == "CALL_DTMF_START")

    def say(self, file: Path) -> None:
        """From now on; the file's end is silence."""
        self.command("ausrc", f"aufile,{file}")

    def ear(self) -> array[int]:
        """What it has heard in its last call until now."""
        files = sorted(self.own.glob("dump-*-dec.wav"))
        octets = files[-1].read_bytes() if files else b""
        step = int.from_bytes(octets[24:28], "little") // RATE  # G.722 is recorded at 16,000 Hz
        return array("h", octets[44 : len(octets) // 2 * 2])[:: step or 1]  # the length in the head is not right yet

    def hears(self) -> int:
        """The frequency that it hears now: in the last 200 ms."""
        return loudest(self.ear()[-RATE // 5 :])


class Scripted(Program):
    """A telephone on sipp: a scenario of tests/peers/sipp/, with its places filled in. Gives RTP back."""

    def __init__(self, folder: Path, scenario: str, *, trace: bool = True, **places: str | int) -> None:
        self.port, media = free_ports(2)
        own = folder / f"sipp-{scenario}-{self.port}"
        own.mkdir()
        text = (Path(__file__).with_name("sipp") / f"{scenario}.xml").read_text()
        status = int(places.get("status", 200))
        known = HTTPStatus(status).phrase if status in list(HTTPStatus) else "Other"
        for place, value in {"reason": known, **places}.items():
            text = text.replace(f"@{place.upper()}@", str(value))
        (own / "scenario.xml").write_text(text)
        options = ["-i", "127.0.0.1", "-p", str(self.port), "-mp", str(media), "-rtp_echo", "-nostdin", "-aa"]
        logs = ["-trace_err", "-error_file", "errors", "-trace_msg", "-message_file", "messages"] if trace else []
        self._messages = own / "messages"
        super().__init__(f"sipp-{scenario}-{self.port}", ["sipp", "-sf", "scenario.xml", *options, *logs], folder, own)

    def ready(self) -> bool:
        return taken(self.port)

    def uri(self, user: str = "scripted") -> str:
        return f"sip:{user}@127.0.0.1:{self.port}"

    def register(self, registrar: int, user: str, password: str) -> None:
        """Registers its address. Raises RuntimeError."""
        row = (user, str(self.port), "udp", sipp.credentials(user, password))
        sent = sipp.send(self.cwd, registrar, "register", [row], expect=200)
        if sent.successful != 1:
            raise RuntimeError(f"{user} could not register: {sent}")

    def messages(self) -> str:
        """All that it has got and sent."""
        return self._messages.read_text(errors="replace") if self._messages.exists() else ""
