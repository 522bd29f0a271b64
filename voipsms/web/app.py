"""The HTTP side of the house: alive, ready, counted. Further paths come as routes from the modules that answer them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from voipsms import metrics
from voipsms.web.server import Application

Parts = Callable[[], Mapping[str, str | None]]  # part → what is wrong with it; None: usable. Sets their gauges, too


def _healthz(request: Request) -> Response:
    return PlainTextResponse("alive\n")


def _metrics(parts: Parts) -> Route:
    async def exposition(request: Request) -> Response:
        parts()
        body, content_type = metrics.exposition()
        return Response(body, headers={"Content-Type": content_type})

    return Route("/metrics", exposition)


def _readyz(parts: Parts) -> Route:
    async def readyz(request: Request) -> Response:
        found = parts()
        ready = not any(found.values())
        body = {"ready": ready, "parts": {name: fault or "usable" for name, fault in found.items()}}
        return JSONResponse(body, 200 if ready else 503, headers={"Cache-Control": "no-store"})

    return Route("/readyz", readyz)


def build(
    parts: Parts,
    routes: Sequence[BaseRoute] = (),
    paths: Mapping[str, Application] | None = None,
    below: Mapping[str, Application] | None = None,
) -> Application:
    """The application: /healthz, /readyz and /metrics, then `routes`. `paths`: what answers by itself at these;
    `below`: at these and all paths below them."""
    mounts = [Mount(at, mounted) for at, mounted in (below or {}).items()]
    app = Starlette(routes=[Route("/healthz", _healthz), _readyz(parts), _metrics(parts), *routes, *mounts])
    if not paths:
        return app
    find = dict(paths).get

    async def dispatch(scope: Any, receive: Any, send: Any) -> None:
        await find(scope["path"], app)(scope, receive, send)

    return dispatch
