"""``notify serve``: takes what gateways push, and serves the API, the dashboard and the metrics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from notify_core.cli.exits import Misuse
from notify_core.cli.options import DEFAULT_CONFIG, ConfigFile, load
from notify_core.cli.running import run_until_stopped
from notify_core.cli.worker import AT_ONCE

if TYPE_CHECKING:
    from notify_core.config import Config
    from notify_core.receiver import Receiver


def serve(
    host: Annotated[
        str, typer.Option("--host", metavar="HOST", help="The address of this machine to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", metavar="PORT", min=0, max=65535, help="Where to listen; 0 takes a free port.")
    ] = 8026,
    worker: Annotated[
        bool, typer.Option("--worker", help="Send what lies in the outbox too, as `notify worker` does.")
    ] = False,
    config: ConfigFile = DEFAULT_CONFIG,
) -> None:
    """Take what gateways push, and serve the API, the dashboard and the metrics.

    Pushes are taken for the accounts that have `push:`; the rest is served where `server:` has tokens. It speaks plain
    HTTP: put a reverse proxy with TLS before it. It goes on until Ctrl-C or SIGTERM, and then lets the requests that
    are under way come to their end. With --worker one process does all that a small installation needs.

    Examples:
      notify serve
      notify serve --worker --port 8000
    """
    from notify_core.notifier import Notifier
    from notify_core.receiver import Receiver
    from notify_core.serve import Server, Service, application
    from notify_core.worker import Worker

    settings = load(config)
    with Notifier(settings) as notifier:
        pushed = any(account.push for account in settings.accounts.values())
        receiver = Receiver(notifier) if pushed else None
        app = application(notifier, receiver)
        address = notifier.outbox.store.address
        _listen()
        try:
            server = Server(app, host, port)
        except OSError as error:
            raise Misuse(error.strerror) from None
        with closing(server):
            work = Service(server, Worker(notifier)) if worker else server
            words = _introduction(server.url, settings, receiver, address, working=worker)
            run_until_stopped(work, *words, stopping=_STOPPING, at_once=AT_ONCE if worker else _AT_ONCE)
        if receiver is not None:
            receiver.close()


_STOPPING = "Stopping: waiting up to 10 s for the requests that are under way. A second Ctrl-C does not wait."
_AT_ONCE = "Stopped at once. A push that was not answered is pushed again by the gateway."


def _introduction(url: str, config: Config, receiver: Receiver | None, store: str, *, working: bool) -> Iterator[str]:
    """What is served where; of a token, that there is one."""
    yield f"Serving {url}, with the store {store}. Ctrl-C stops it."
    for account, tokens in (receiver.accounts if receiver else {}).items():
        yield f"  POST {url}/push/{account}/…  takes pushes ({tokens} token{'s' * (tokens != 1)} valid)"
    if config.server.tokens:
        yield f"  {url}/  the dashboard; {url}/api and {url}/metrics"
    yield f"  {url}/healthz  whether the store can be used"
    yield from _remarks(url, config, receiver, working=working)


def _remarks(url: str, config: Config, receiver: Receiver | None, *, working: bool) -> Iterator[str]:
    from notify_core.settings import is_loopback

    if receiver is None:
        yield "No account has `push:`, so pushes are not taken."
    if not config.server.tokens:
        yield "`server:` has no tokens, so the API, the dashboard and the metrics are not served."
    if not is_loopback(urlsplit(url).hostname or ""):
        yield "Others reach this address, in clear: put a reverse proxy with TLS before it, which alone reaches it."
    if working:
        yield "A worker sends what is enqueued."


def _listen() -> None:
    """Show what an operator has to know, with the time; of the server itself errors alone, each in one line."""
    from notify_core.cli.logs import listen, watch

    watch()
    for logger in ("uvicorn.error", "asyncio"):
        listen(logger)
