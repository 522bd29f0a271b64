"""Errors as problem objects (RFC 9457), and answers as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from voipsms.errors import Refused, VoipSmsError
from voipsms.values import Value

PROBLEM: Final = "application/problem+json"
JSON: Final = "application/json"
TYPES: Final = "/api/v1/docs#"  # where each code is explained


class Answer(Value, frozen=True):
    """`lasting`: the same Idempotency-Key gets it again."""

    status: int
    body: str
    lasting: bool = True
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def media_type(self) -> str:
        return PROBLEM if self.status >= 400 else JSON


class Problem(VoipSmsError):
    """`code`: the stable word; `more`: further members of the object."""

    def __init__(
        self, status: int, code: str, detail: str, *, retry_after: int | None = None, lasting: bool = True, **more: Any
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.retry_after, self.lasting, self.more = retry_after, lasting, more

    def object(self) -> dict[str, Any]:
        title = HTTPStatus(self.status).phrase
        return {
            "type": TYPES + self.code, "title": title, "status": self.status, "detail": self.detail, "code": self.code,
            **self.more,
        }  # fmt: skip

    def answer(self) -> Answer:
        headers = [("Cache-Control", "no-store")]
        if self.retry_after is not None:
            headers.append(("Retry-After", str(self.retry_after)))
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers.append(("WWW-Authenticate", 'Bearer realm="voipsms"'))
        return Answer(self.status, written(self.object()), self.lasting, tuple(headers))


def of_refusal(refusal: Refused) -> Problem:
    return Problem(
        refusal.http_status, refusal.code, str(refusal), retry_after=refusal.retry_after, lasting=refusal.lasting
    )


def written(body: Mapping[str, Any]) -> str:
    """In ASCII, so that halves of surrogate pairs that somebody sent don't matter."""
    return json.dumps(body, separators=(",", ":"))


def answer(status: int, body: Mapping[str, Any], *headers: tuple[str, str], lasting: bool = True) -> Answer:
    return Answer(status, written(body), lasting, (("Cache-Control", "no-store"), *headers))


NOT_FOUND: Final = Problem(404, "not_found", "There is no such thing here, or it isn't yours")
EXPLAINED: Final = {  # codes that aren't those of a refused message
    "malformed": "The body is no JSON.",
    "invalid_request": "A field or parameter is missing, unknown or wrong; `errors` says which.",
    "denied": "The key is wrong or missing.",
    "locked_out": "Too many wrong keys from this address; come again later.",
    "not_allowed": "This account may not do this, or not from this address.",
    "not_found": "There is nothing here, or it isn't yours.",
    "method_not_allowed": "`Allow` says which methods there are.",
    "body_too_long": "The body is longer than [http] body.",
    "media_type": "The body has to be application/json.",
    "key_reused": "This Idempotency-Key belongs to another request.",
    "still_running": "The request with this Idempotency-Key is still at work; come again.",
    "too_late": "The message can't be cancelled any more.",
    "internal_error": "A fault of this server; its log has the `id`.",
}
