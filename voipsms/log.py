"""One line an event, to read or as JSON, on standard error or in a file.

The field's name decides what is masked, so that no caller can forget it: `text` shows its length, numbers their
ends, passwords nothing. No value can begin a line of its own: control characters are written as escapes.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import time
import traceback
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any, Protocol

import structlog

from voipsms.errors import ConfigError
from voipsms.masking import HIDDEN, is_secret, mask_number, mask_text
from voipsms.settings import LogSettings

_MASKS: dict[str, Callable[[str], str]] = {
    "text": mask_text,
    **dict.fromkeys(("number", "sender", "target", "source", "payer"), mask_number),
}
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_SHOWN_LEVEL = {"debug": "debug  ", "info": "info   ", "warning": "warning", "error": "error  "}

# C0 and C1 controls, line and paragraph separators, bidirectional overrides, lone surrogates; and our own quoting.
_ESCAPED = re.compile('[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff"\\\\]')
_BARE = re.compile('[^\\s\x00-\x20\x7f-\xa0\u2028-\u202e\u2066-\u2069\ud800-\udfff"\\\\=]+').fullmatch


class LogMethod(Protocol):
    def __call__(self, event: str, /, **fields: object) -> None: ...


class Log:
    """A named logger. `configure` rebinds its methods, so that a reload changes those that modules keep.

    `exception` is `error` with the traceback of the exception being handled.
    """

    __slots__ = ("debug", "debugging", "error", "exception", "info", "name", "warning")
    debug: LogMethod
    info: LogMethod
    warning: LogMethod
    error: LogMethod
    exception: LogMethod
    debugging: bool  # whether debug lines go anywhere: ask before costly fields are made

    def __init__(self, name: str) -> None:
        self.name = name
        self.bind()

    def bind(self) -> None:
        wrapper = structlog.make_filtering_bound_logger(_LEVELS[_sink.settings.level])
        processors = [_sink.json if _sink.settings.format == "json" else _sink.text]
        bound = structlog.wrap_logger(_sink, processors=processors, wrapper_class=wrapper).bind(logger=self.name)
        self.debug, self.info, self.warning = bound.debug, bound.info, bound.warning
        self.error, self.exception = bound.error, bound.exception
        self.debugging = _sink.settings.level == "debug"


class _Sink:
    """Renders an event and writes it with one system call, so that nothing is lost when the process is killed."""

    def __init__(self) -> None:
        self.settings = LogSettings()
        self.path: Path | None = None
        self.fd = 2
        self._second, self._clock = -1, ""
        self._encode = json.JSONEncoder(default=str).encode
        self.debug = self.info = self.warning = self.error = self.write

    def open(self, settings: LogSettings, path: Path | None) -> None:
        fd = 2
        if path is not None:
            try:
                fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
            except OSError as error:
                raise ConfigError(f"[log] file: {path}: can't be written: {error.strerror}") from error
        self.close()
        self.settings, self.path, self.fd = settings, path, fd

    def close(self) -> None:
        if self.fd != 2:
            os.close(self.fd)
            self.fd = 2

    def write(self, line: str) -> None:
        with contextlib.suppress(OSError):  # a full disk or a closed terminal must not stop messages
            os.write(self.fd, line.encode("utf-8", "backslashreplace"))

    def now(self) -> str:
        seconds = time.time()
        second = int(seconds)
        if second != self._second:
            self._second, self._clock = second, time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
        return f"{self._clock}{int((seconds - second) * 1000):03d}Z"

    def mask(self, name: str, value: Any) -> Any:
        if self.settings.mask and name in _MASKS:
            return _MASKS[name](str(value))
        return HIDDEN if _secret(name) else value

    def text(self, logger: Any, level: str, event: MutableMapping[str, Any]) -> str:
        raised = _traceback(event)
        line = [self.now(), _SHOWN_LEVEL[level], event.pop("logger") + ":", _one_line(event.pop("event"))]
        for name, value in event.items():
            if name in _MASKS or _secret(name):
                value = self.mask(name, value)
            line.append(f"{name}={value if type(value) is int else _quoted(str(value))}")
        if raised:
            line += ["\n    | " + _one_line(row) for row in raised.splitlines()]
        return " ".join(line) + "\n"

    def json(self, logger: Any, level: str, event: MutableMapping[str, Any]) -> str:
        raised = _traceback(event)
        fields = {"time": self.now(), "level": level, "logger": event.pop("logger"), "event": event.pop("event")}
        for name, value in event.items():
            fields[name] = self.mask(name, value)
        if raised:
            fields["exception"] = raised
        return self._encode(fields) + "\n"


_secrets: dict[str, bool] = {}  # field names are the program's own words, so there are only so many


def _secret(name: str) -> bool:
    known = _secrets.get(name)
    if known is None:
        known = _secrets[name] = is_secret(name)
    return known


def _escape(found: re.Match[str]) -> str:
    char = found[0]
    short = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}.get(char)
    return short or (f"\\x{ord(char):02x}" if ord(char) < 256 else f"\\u{ord(char):04x}")


def _one_line(text: str) -> str:
    return _ESCAPED.sub(_escape, text)


def _quoted(text: str) -> str:
    return text if _BARE(text) else f'"{_one_line(text)}"'


def _traceback(event: MutableMapping[str, Any]) -> str:
    info = event.pop("exc_info", None)
    if not info:
        return ""
    if isinstance(info, BaseException):
        return "".join(traceback.format_exception(info))
    return traceback.format_exc()


class _Libraries(logging.Handler):
    """Warnings of asyncio, uvicorn and aiohttp, which use the standard library's logging."""

    def emit(self, record: logging.LogRecord) -> None:
        log = get_logger("library")
        tell = log.error if record.levelno >= logging.ERROR else log.warning
        raised = record.exc_info[1] if record.exc_info else None
        tell(record.getMessage(), source_name=record.name, exc_info=raised)


_sink = _Sink()
_logs: dict[str, Log] = {}
_libraries = _Libraries(logging.WARNING)


def configure(settings: LogSettings, folder: Path) -> None:
    """Sends every logger's lines where `settings` says; `folder` is where a relative file name starts.

    Raises ConfigError where the file can't be written; then everything stays as it was.
    """
    _sink.open(settings, folder / settings.file if settings.file else None)
    for log in _logs.values():
        log.bind()
    if _libraries not in logging.root.handlers:
        logging.root.addHandler(_libraries)


def reopen() -> None:
    """Opens the log file anew after logrotate has moved it. Raises ConfigError."""
    _sink.open(_sink.settings, _sink.path)


def get_logger(name: str) -> Log:
    """The logger of that name, made once; `name` is a part of the program, such as `sip`."""
    if name not in _logs:
        _logs[name] = Log(name)
    return _logs[name]


def masking() -> bool:
    """Whether texts and numbers are to be hidden, for those who log whole messages and PDUs."""
    return _sink.settings.mask
