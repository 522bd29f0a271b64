"""/api/v1: JSON over HTTP, a bearer key for each account. The only importer of FastAPI; what it does is in web/rest."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, FastAPI, Header, Query
from fastapi import Request as HttpRequest
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from fastapi.security import HTTPBearer

from voipsms import __version__, metrics
from voipsms.directory import Account
from voipsms.errors import Refused, StoreError
from voipsms.model import State
from voipsms.web.rest import schemas
from voipsms.web.rest.desk import Desk, problem_of
from voipsms.web.rest.docs_page import page
from voipsms.web.rest.guard import PREFIX, Application, Guard, internal_error
from voipsms.web.rest.idempotency import Request
from voipsms.web.rest.problems import NOT_FOUND, PROBLEM, Answer, Problem

_WORDS: Final = {
    400: "No JSON", 401: "No key, or a wrong one", 402: "Not enough credit", 403: "Refused", 404: "Not found",
    409: "Not now, or too late", 413: "Too long", 415: "No JSON", 422: "A field is wrong", 429: "Too many wrong keys",
    500: "A fault of this server", 503: "Not now",
}  # fmt: skip
_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": words, "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    for status, words in _WORDS.items()
}

Time = Annotated[schemas.Time | None, Query()]
Key = Annotated[
    str | None,
    Header(max_length=255, description="The same request with the same key is done once; the answer is kept 24 h"),
]


def rest(
    desk: Desk,
    bearer: Callable[[str, str], Account],
    address: Callable[[Mapping[str, Any]], str],
    limit: Callable[[], int],
) -> Application:
    """The ASGI application to be mounted at PREFIX. `bearer`, `address`: Access's; `limit`: [http] body."""
    app = FastAPI(
        title="voipsms", version=__version__, docs_url=None, redoc_url=None, openapi_url="/openapi.json",
        description="Messages, their stories, CDRs and money. Errors are problem objects (RFC 9457).",
        servers=[{"url": PREFIX}], root_path_in_servers=False,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )  # fmt: skip
    for kind, answered in _HANDLERS.items():
        app.add_exception_handler(kind, answered)
    app.include_router(_sending(desk))
    app.include_router(_looking(desk))
    app.include_router(_signing_up(desk))
    app.add_api_route("/docs", lambda: HTMLResponse(page(app.openapi())), include_in_schema=False)
    plain = app.openapi

    def described() -> dict[str, Any]:
        found = plain()
        found["components"]["schemas"].setdefault(
            "Problem", schemas.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        )
        return found

    app.openapi = described  # type: ignore[method-assign]
    return Guard(app, bearer, address, limit)


def _router() -> APIRouter:
    return APIRouter(dependencies=[Depends(HTTPBearer(auto_error=False))], responses=_PROBLEMS)


def _said(answer: Answer) -> Response:
    return Response(answer.body, answer.status, dict(answer.headers), answer.media_type)


def _account(request: HttpRequest) -> Account:
    account: Account = request.state.account
    return account


def _keyed(request: HttpRequest, key: str | None) -> Request | None:
    """Raises Problem."""
    return None if key is None else Request(_account(request).id, key, request.url.path, request.state.body)


def _sending(desk: Desk) -> APIRouter:
    router = _router()

    @router.post(
        "/messages", status_code=202, response_model=schemas.Accepted,
        responses={207: {"model": schemas.Verdicts, "description": "Of several targets: a verdict each"}},
    )  # fmt: skip
    async def send(request: HttpRequest, asked: schemas.Messages, idempotency_key: Key = None) -> Response:
        """Accepts a message: it is committed and charged when the answer comes."""
        keyed = _keyed(request, idempotency_key)
        return _said(await desk.send(_account(request), request.state.address, asked, keyed))

    @router.post("/messages/batch", status_code=207, response_model=schemas.Verdicts)
    async def send_batch(request: HttpRequest, asked: schemas.Batch, idempotency_key: Key = None) -> Response:
        """Up to 1,000 messages, each with a verdict of its own, in their order."""
        keyed = _keyed(request, idempotency_key)
        return _said(await desk.send_batch(_account(request), request.state.address, asked, keyed))

    @router.post("/quote", response_model=schemas.Quote)
    async def quote(request: HttpRequest, asked: schemas.Message) -> Response:
        """What a message would cost, and how it would go. Nothing is sent; what would be refused is refused."""
        return _said(await desk.quote(_account(request), request.state.address, asked))

    @router.delete(
        "/messages/{id}", response_model=schemas.Cancelled,
        responses={202: {"model": schemas.Cancelled, "description": "Another process has been asked"}},
    )  # fmt: skip
    async def cancel(request: HttpRequest, id: schemas.Id) -> Response:
        """Withdraws and refunds a message that has not left, or has its provider forget it; else 409."""
        return _said(await desk.cancel(_account(request), id))

    return router


def _looking(desk: Desk) -> APIRouter:
    router = _router()

    def wanted(
        request: HttpRequest,
        cursor: Annotated[schemas.Id | None, Query(description="`next` of the page before")] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        since: Time = None,
        until: Time = None,
        sender: Annotated[str, Query(alias="from", max_length=64)] = "",
        to: Annotated[str, Query(max_length=64)] = "",
        state: Annotated[State | None, Query()] = None,
        direction: Annotated[Literal["MT", "MO"] | None, Query()] = None,
    ) -> Any:
        return desk.wanted(
            _account(request), cursor or "", limit, since or "", until or "", sender, to, state or "", direction or ""
        )

    page_of = Depends(wanted)

    @router.get("/messages", response_model=schemas.ListedMessages)
    async def messages(request: HttpRequest, asked: Any = page_of) -> Response:
        """Newest first, a page at a time."""
        return _said(await desk.messages(_account(request), asked))

    @router.get("/messages/{id}", response_model=schemas.Whole)
    async def message(request: HttpRequest, id: schemas.Id) -> Response:
        """A message and its whole story."""
        return _said(await desk.message(_account(request), id))

    @router.get("/messages/{id}/events", response_model=schemas.Events)
    async def events(request: HttpRequest, id: schemas.Id) -> Response:
        """What has happened to a message, in order."""
        return _said(await desk.events(_account(request), id))

    @router.get("/cdrs", response_model=schemas.ListedCdrs)
    async def cdrs(request: HttpRequest, asked: Any = page_of) -> Response:
        """Newest first, a page at a time."""
        return _said(await desk.cdrs(_account(request), asked))

    @router.get("/balance", response_model=schemas.Balance)
    async def balance(
        request: HttpRequest,
        user: Annotated[str, Query(max_length=64, description="An account below; default: one's own")] = "",
    ) -> Response:
        return _said(await desk.balance(_account(request), user))

    return router


def _signing_up(desk: Desk) -> APIRouter:
    """For admins' keys, e.g. a website's: `[global] uauthverify` pays."""
    router = _router()

    @router.post("/verifications", status_code=202, response_model=schemas.Started)
    async def start(request: HttpRequest, asked: schemas.SignUp) -> Response:
        """Sends a code to a phone; earlier ones of that number are void."""
        return _said(await desk.start(_account(request), request.state.address, asked))

    @router.post("/verifications/{id}/check", response_model=schemas.Verified)
    async def check(request: HttpRequest, id: schemas.VerificationId, asked: schemas.Code) -> Response:
        """Whether the code is right: once, with few tries."""
        return _said(await desk.check(_account(request), request.state.address, id, asked))

    return router


# -- errors


async def _problem(request: HttpRequest, error: Exception) -> Response:
    return _said(error.answer() if isinstance(error, Problem) else NOT_FOUND.answer())


async def _refused(request: HttpRequest, error: Exception) -> Response:
    assert isinstance(error, Refused | StoreError)
    return _said(problem_of(error).answer())


async def _malformed(request: HttpRequest, error: Exception) -> Response:
    """No JSON, no UTF-8, or nested too deep."""
    metrics.count("malformed", "http")
    return _said(Problem(400, "malformed", "The body is no JSON").answer())


async def _invalid(request: HttpRequest, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    if any(one["type"] == "json_invalid" for one in error.errors()):
        return await _malformed(request, error)
    metrics.count("malformed", "http")
    found = schemas.faults(error.errors())
    detail = "; ".join(f"{fault['at']}: {fault['what']}" for fault in found)
    return _said(Problem(422, "invalid_request", detail, errors=found).answer())


async def _no_method(request: HttpRequest, error: Exception) -> Response:
    said = _said(Problem(405, "method_not_allowed", "The path knows other methods").answer())
    path, known = request.url.path.removeprefix(PREFIX), request.app.openapi()["paths"]
    allowed = next(methods for name, methods in known.items() if _like(name).fullmatch(path))
    said.headers["Allow"] = ", ".join(method.upper() for method in allowed)
    return said


@cache
def _like(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{\w+\}", "[^/]+", path))


async def _failed(request: HttpRequest, error: Exception) -> Response:
    """The guard has it in the log."""
    return _said(internal_error(request.state.id).answer())


_HANDLERS: Final[dict[int | type[Exception], Any]] = {
    Problem: _problem, Refused: _refused, StoreError: _refused, RequestValidationError: _invalid, 400: _malformed,
    404: _problem, 405: _no_method, Exception: _failed,
}  # fmt: skip
