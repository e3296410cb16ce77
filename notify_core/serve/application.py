"""The whole of ``notify serve`` as one ASGI application."""

from __future__ import annotations

import asyncio
import re

from anyio import to_thread
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, request_response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from notify_core.errors import ConfigError, Fault, MissingExtra, StoreError
from notify_core.notifier import Notifier
from notify_core.proxies import Proxies
from notify_core.receiver import Receiver
from notify_core.serve.api import Api, as_json
from notify_core.serve.dashboard import Dashboard
from notify_core.serve.entrance import Bearer
from notify_core.serve.metrics import CONTENT_TYPE, Metrics
from notify_core.tokens import Tokens

_PATIENCE = 5.0
"""Seconds after which a store that does not answer counts as one that cannot be used."""


def application(notifier: Notifier, receiver: Receiver | None) -> Starlette:
    """What the configuration offers: pushes where there is a ``receiver``, all else where ``server.tokens`` are given.

    Raises ``ConfigError`` where that is nothing.
    """
    config = notifier.config
    tokens, proxies = Tokens(config.server.tokens), Proxies(config.server.proxies)
    if receiver is None and not tokens:
        raise ConfigError([Fault(config.file, 0, "server", _NOTHING)])
    routes: list[BaseRoute] = [Route("/healthz", Health(notifier).answer)]
    if receiver is not None:
        routes.append(Mount("/push", receiver))
    if tokens:
        routes.append(Mount("/api", Bearer(Api(notifier).application, tokens)))
        routes.append(Route("/metrics", Bearer(request_response(_Scrape(Metrics(notifier, receiver)).answer), tokens)))
        routes += Dashboard(notifier, tokens, proxies).routes
    app = Starlette(routes=routes)
    app.add_middleware(_Unstored)
    return app


_NOTHING = (
    'there is nothing to serve: give an account `push: {tokens: ["${PUSH_TOKEN}"]}` to take what its gateway pushes, '
    'or `server: {tokens: ["${SERVER_TOKEN}"]}` for the API, the dashboard and the metrics'
)


class Health:
    """Whether the store can be used, for whoever asks: it says nothing that is anybody's business."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier

    async def answer(self, _: Request) -> Response:
        """200 and the version of the store's tables, or 503 and why it cannot be used."""
        try:
            async with asyncio.timeout(_PATIENCE):
                version = await to_thread.run_sync(self._check, abandon_on_cancel=True)
        except TimeoutError:
            return as_json({"status": "unavailable", "store": f"it does not answer within {_PATIENCE:g} s"}, 503)
        except (StoreError, ConfigError) as error:
            return as_json({"status": "unavailable", "store": _without_address(str(error))}, 503)
        return as_json({"status": "ok", "store": version})

    def _check(self) -> str:
        return self._notifier.outbox.store.check()


def _without_address(words: str) -> str:
    return re.sub(r"^[\w+]+://.*?: ", "", words)


class _Scrape:
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def answer(self, _: Request) -> Response:
        try:
            text = await run_in_threadpool(self._metrics.text)
        except MissingExtra as error:
            return as_json({"error": str(error)}, 501)
        return Response(text, headers={"content-type": CONTENT_TYPE})


class _Unstored:
    """Sees to it that nothing of ours is kept by browsers and proxies, or taken for what it is not."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("cache-control", "no-store")
                headers.setdefault("x-content-type-options", "nosniff")
                headers.setdefault("referrer-policy", "same-origin")
            await send(message)

        await self._app(scope, receive, noted)
