"""A provider reached by a program of the operator's: started for each message, judged like an HTTP answer.

`smsurl = ./send.sh --to=[tonum] -- [message]`: the words of a shell's line, of which each is a template of its own. No
shell ever reads them, so a value stays inside its argument. The program finds the message as JSON on its stdin, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import shlex
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import Final, cast

from voipsms.connectors import places, verdict
from voipsms.connectors.escapes import Unwritable
from voipsms.connectors.pieces import Misplaced, Value
from voipsms.connectors.port import Selector
from voipsms.connectors.reachable import Reachable, selects_of
from voipsms.connectors.template import Template, compile_value
from voipsms.connectors.verdict import LONGEST_ANSWER, LONGEST_COMMENT, Outcome
from voipsms.connectors.words import TooSlow
from voipsms.errors import ConfigError, GatewayDown, OutcomeUnknown, RefusedHere, SubmitFailed, SubmitRefused
from voipsms.gateway_settings import GatewaySettings
from voipsms.log import LogMethod
from voipsms.model import GatewayId, Message, State, Submitted

# Exit status → the HTTP status that says the same; the names are those of sysexits.h. Any other is a refusal, 400.
STATUSES: Final = {
    0: 200,
    68: 503,  # EX_NOHOST
    69: 503,  # EX_UNAVAILABLE
    71: 503,  # EX_OSERR
    74: 503,  # EX_IOERR
    75: 503,  # EX_TEMPFAIL
    126: 503,  # a shell found no way to start what the program wanted
    127: 503,  # or didn't find it
}
_TIMED_OUT: Final = 124  # timeout(1) has ended what the program had begun
_LONGEST_STDERR: Final = 4096


_AFTER_OPTIONS: Final = places.Argument(begun=True)  # what begins with - is no option any more


@dataclass(frozen=True, slots=True)
class _Fixed(places.Place):
    def escape(self, piece: Value) -> str:
        raise Misplaced(piece.at, "a value can't be a part of the program's path")


@dataclass(frozen=True, slots=True)
class Argument:
    """`option`: it may begin with -, as its author wrote it so, or after `--`."""

    text: Template
    option: bool


def read_command(settings: GatewaySettings) -> tuple[str, tuple[Argument, ...]]:
    """The program's path and its arguments. Raises ConfigError."""
    try:
        path, *words = shlex.split(settings.smsurl)
    except ValueError as error:
        raise ConfigError(f"[{settings.section}] smsurl: must be words as a shell reads them: {error}") from error
    compile_value(settings.section, "smsurl", path, _Fixed(), dialect=settings.smsdialect)
    found = []
    for number, word in enumerate(words):
        ended = "--" in words[:number]
        place = _AFTER_OPTIONS if ended else places.argument
        text = compile_value(settings.section, "smsurl", word, place, dialect=settings.smsdialect)
        found.append(Argument(text, ended or word.startswith("-")))
    return path, tuple(found)


def write_arguments(arguments: Sequence[Argument], named: dict[str, str]) -> list[str]:
    """What the program gets as its arguments. Raises SubmitRefused where a value can't be, or stay, one."""
    names = frozenset[str]().union(*(argument.text.names for argument in arguments))
    if names and named["octets"] and "octets" not in names:
        raise RefusedHere("no argument has a place for a binary message")
    if arguments and any("\0" in value for value in named.values()):
        raise SubmitRefused("a program's argument can't hold the character NUL")
    try:
        written = [argument.text(named) for argument in arguments]
    except Unwritable as error:
        raise SubmitRefused(f"no argument can be made of it: {error}") from error
    if any(text.startswith("-") and not argument.option for argument, text in zip(arguments, written, strict=True)):
        raise SubmitRefused("an argument would become an option: put -- before it")
    return written


class _Run(asyncio.SubprocessProtocol):
    """One run of the program: what it is `told` on stdin, and what it has said."""

    def __init__(self, told: bytes) -> None:
        self._told = told
        self.said = {1: bytearray(), 2: bytearray()}
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stdin = cast(asyncio.WriteTransport, cast(asyncio.SubprocessTransport, transport).get_pipe_transport(0))
        if not stdin.is_closing():  # else it has ended already
            stdin.write(self._told)
            stdin.close()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        kept = self.said[fd]
        kept += data[: (LONGEST_ANSWER if fd == 1 else _LONGEST_STDERR) - len(kept)]

    def connection_lost(self, exc: Exception | None) -> None:
        """The program and all of its pipes are gone."""
        if not self.ended.done():
            self.ended.set_result(None)


class ProgramConnector(Reachable):
    """Raises ConfigError where smsurl can't be used. `folder`: where relative paths start, and the program runs."""

    def __init__(
        self,
        gateway_id: GatewayId,
        settings: GatewaySettings,
        wake: Callable[[], None],
        folder: Path,
        *,
        selector: Selector | None = None,
        trace: LogMethod | None = None,
        mask: bool = True,
    ) -> None:
        super().__init__(gateway_id, settings, wake, selector=selector, trace=trace, mask=mask)
        path, self._arguments = read_command(settings)
        self._selects = selects_of(*(argument.text for argument in self._arguments))
        self._folder, self._path = folder.absolute(), folder.absolute() / path
        self._rules = verdict.rules(settings)
        self._environment = {
            "PATH": os.environ.get("PATH", os.defpath), "LANG": os.environ.get("LANG", "C.UTF-8"),
        }  # fmt: skip

    async def _send(self, message: Message, named: dict[str, str]) -> Submitted:
        arguments = [text.encode("utf-8", "replace") for text in write_arguments(self._arguments, named)]
        status, out, err = await self._run(arguments, self._told(named).encode() + b"\n")
        return self._judge(status, out, err)

    async def _run(self, arguments: Sequence[bytes], told: bytes) -> tuple[int, bytes, bytes]:
        """Exit status (minus a signal's number), stdout and stderr."""
        transport, run = await self._start(arguments, told)
        try:
            async with asyncio.timeout(self._settings.timeout):
                await asyncio.shield(run.ended)
        except TimeoutError as error:
            if transport.get_returncode() is None:  # else it has left somebody behind who holds its pipes
                raise OutcomeUnknown(f"killed, since it had no end within {self._settings.timeout:g} s") from error
        finally:
            await _end(transport, run)
        return cast(int, transport.get_returncode()), bytes(run.said[1]), bytes(run.said[2])

    async def _start(self, arguments: Sequence[bytes], told: bytes) -> tuple[asyncio.SubprocessTransport, _Run]:
        """Raises GatewayDown and SubmitRefused. Cancelled, it leaves nothing behind: a loop would kill the program
        alone, without what that has started."""
        starting = asyncio.ensure_future(
            asyncio.get_running_loop().subprocess_exec(
                lambda: _Run(told), str(self._path), *arguments, stdin=PIPE, stdout=PIPE, stderr=PIPE, cwd=self._folder,
                env=self._environment, start_new_session=True,
            )
        )  # fmt: skip
        try:
            return await asyncio.shield(starting)
        except OSError as error:
            if error.errno == errno.E2BIG:
                raise SubmitRefused("its arguments are longer than the system takes") from error
            raise GatewayDown(f"{self._path}: {error.strerror}") from error
        except asyncio.CancelledError:
            with contextlib.suppress(OSError):
                await _end(*await starting)
            raise

    def _judge(self, status: int, out: bytes, err: bytes) -> Submitted:
        """Raises SubmitError."""
        comment = _comment(status, out, err)
        if status < 0 or status == _TIMED_OUT:
            raise OutcomeUnknown(comment)
        try:
            found = verdict.judge(STATUSES.get(status, 400), out.decode("utf-8", "replace"), self._rules)
        except TooSlow as error:
            raise OutcomeUnknown(f"{error}: {comment}") from error
        if found.outcome is Outcome.TAKEN:
            return Submitted(found.provider_id, State.ACCEPTED, comment)
        raise (SubmitRefused if found.outcome is Outcome.REFUSED else SubmitFailed)(comment)

    async def probe(self) -> None:
        """Raises GatewayDown where the program is missing or may not be run; it is not started."""
        if not self._path.is_file():
            raise GatewayDown(f"{self._path}: there is no such file")
        if not os.access(self._path, os.X_OK):
            raise GatewayDown(f"{self._path}: it may not be executed (chmod +x)")

    def _show(self, named: dict[str, str]) -> Sequence[str]:
        words = [str(self._path), *write_arguments(self._arguments, named)]
        return [shlex.join(words), f"stdin: {self._told(named)}"]

    def _told(self, named: dict[str, str]) -> str:
        """What the program reads on stdin: every keyword, as a JSON object of strings in ASCII."""
        looked_up = {select.name for select in self._selects}
        return json.dumps({name: value for name, value in named.items() if name not in looked_up})


async def _end(transport: asyncio.SubprocessTransport, run: _Run) -> None:
    """Kills the program, and whatever it has started and left behind."""
    try:
        os.killpg(transport.get_pid(), signal.SIGKILL)
    except ProcessLookupError:
        pass
    except PermissionError:  # it runs as somebody else, and ends when it wants
        transport.close()
        return
    transport.close()
    await run.ended


def _comment(status: int, out: bytes, err: bytes) -> str:
    """`exit 1: ERR 114 (no route)`, on one line: what was said on stdout, and the first line of stderr."""
    head = f"killed by signal {-status}" if status < 0 else f"exit {status}"
    said = out[: 4 * LONGEST_COMMENT].decode("utf-8", "replace")
    complaint = err.decode("utf-8", "replace").strip().partition("\n")[0]
    text = f"{said} ({complaint})" if complaint else said
    words = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return f"{head}: {words}"[:LONGEST_COMMENT] if words else head
