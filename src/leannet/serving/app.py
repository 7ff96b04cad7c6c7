"""The ASGI application: its routes and what they return."""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from leannet import __version__
from leannet.serving.body import Bodies
from leannet.serving.guard import Guard
from leannet.serving.limits import Refused
from leannet.serving.metrics import CONTENT_TYPE
from leannet.serving.openapi import openapi_document
from leannet.serving.page import page
from leannet.serving.replies import NOTHING, error, reply
from leannet.serving.service import Service
from leannet.serving.site import Site

PATHS = ("/predict", "/health", "/metrics", "/model", "/openapi.json")


class Cors(CORSMiddleware):
    """Starlette's middleware, with refusals in the form of all others."""

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        allowed = ", ".join(self.allow_origins)
        return error(Refused(400, f"expected a request from {allowed} with GET or POST, found another"))


def application(
    service: Service, site: Path | None = None, cors: Sequence[str] = (), log: Callable[[str], None] | None = None
) -> ASGIApp:
    """The server as an ASGI application, which starts and stops the service.

    site: a folder to serve as well. cors: origins whose pages may send requests. log: called with a line per request.
    """
    routes = _routes(service, site)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Any]]:
        service.start()
        try:
            yield {"limits": service.limits}  # for the protocol
        finally:
            service.stop()

    handlers = {Refused: _refused, HTTPException: _http, Exception: _broken}
    inner = Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan)  # type: ignore[arg-type]  # handlers of narrower errors
    inner.router.redirect_slashes = False
    wrapped: ASGIApp = Cors(inner, allow_origins=cors, allow_methods=("GET", "POST")) if cors else inner
    return Guard(wrapped, service.limits, service.metrics, _label(site is not None), log)


def _routes(service: Service, site: Path | None) -> list[BaseRoute]:
    bodies = Bodies(service.limits)
    document = openapi_document(service.limits, __version__, service.artifact.task)

    async def predict(request: Request) -> Response:
        top = _top(request)
        try:
            async with bodies.files(request) as files:
                return reply(await service.predict(files, top))
        except ClientDisconnect:
            return Response(status_code=400)  # the client has gone: nobody reads this

    async def health(_: Request) -> Response:
        ready = service.ready
        health = {"ready": ready, "model": service.facts["name"], "digest": service.facts["digest"]}
        return reply(health, 200 if ready else 503, {} if ready else {"retry-after": "1"})

    async def metrics(_: Request) -> Response:
        facts = {name: str(service.facts[name]) for name in ("name", "digest", "precision")}
        text = service.metrics.text(service.waiting, bodies.held_bytes, facts)
        return Response(text, headers={"cache-control": "no-store", "content-security-policy": NOTHING,
                                       "content-type": CONTENT_TYPE})  # fmt: skip

    async def model(_: Request) -> Response:
        return reply(service.facts)

    async def openapi(_: Request) -> Response:
        return reply(document)

    endpoints = (predict, health, metrics, model, openapi)
    routes: list[BaseRoute] = [
        Route(path, endpoint, methods=["POST" if endpoint is predict else "GET"])
        for path, endpoint in zip(PATHS, endpoints, strict=True)
    ]
    if site is not None:
        return [*routes, Mount("/", Site(site))]
    return [*routes, Route("/", page(service.facts, service.limits))]


def _top(request: Request) -> int | None:
    """What a request asks for; None: what is usual."""
    values = request.query_params.getlist("top")
    if not values:
        return None
    if (
        len(values) == 1
        and values[0].isascii()
        and values[0].isdecimal()
        and len(values[0]) < 10
        and int(values[0]) > 0
    ):
        return int(values[0])
    found = "several values" if len(values) > 1 else repr(values[0][:40])
    raise Refused(422, f"top: expected how many to return, 1 or more, found {found}")


def _label(with_site: bool) -> Callable[[str], str]:
    """The label of a path in the metrics: one of a fixed few, whatever paths clients ask for."""
    known_paths, other = {*PATHS, "/"}, "site" if with_site else "other"
    return lambda path: path if path in known_paths else other


async def _refused(_: Request, refused: Refused) -> Response:
    return error(refused)


async def _http(request: Request, exception: HTTPException) -> Response:
    headers = dict(exception.headers or {})
    if exception.status_code == 405:
        allowed = headers.get("Allow") or headers.get("allow")
        return error(Refused(405, f"expected {allowed}, found {request.method[:20]}"), headers)
    if exception.status_code == 404:
        return error(Refused(404, f"expected / or one of {', '.join(PATHS)}, found another path"))
    return error(Refused(exception.status_code, str(exception.detail)), headers)


async def _broken(_: Request, __: Exception) -> Response:
    return error(
        Refused(500, "an error in the server, which its own output shows in full: report it to whoever runs the server")
    )
