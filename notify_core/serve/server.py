"""The HTTP server of ``notify serve``, and a worker beside it."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from notify_core.worker import Worker

_GRACE = 10
"""Seconds that requests have to come to their end once the server is told to stop."""
_SILENCE = 10.0
"""Seconds that a connection may be held without asking anything: a process has room for some hundred of them."""


class Server:
    """Listens from the moment it is made; ``run`` serves in the calling thread until ``stop``.

    It writes no access log, for the addresses of pushes hold their tokens. ``port`` 0 takes a free one. Raises
    ``OSError`` where the address is taken or not this machine's.
    """

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        self._listener = _listener(host, port)
        logging.getLogger("uvicorn.access").disabled = True  # access_log=False yields to handlers that others add
        self._server = _Uvicorn(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                proxy_headers=False,  # whom to believe is said by server.proxies
                server_header=False,
                lifespan="off",
                http="h11",
                ws="none",
                loop="asyncio",
                timeout_graceful_shutdown=_GRACE,
            )
        )
        host, port = self._listener.getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def run(self) -> None:
        """Serve until ``stop``; once only."""
        try:
            self._server.run(sockets=[self._listener])
        finally:
            self._listener.close()

    def stop(self) -> None:
        """Let ``run`` come to its end. Returns at once; any thread or signal handler may call it."""
        self._server.should_exit = True

    def close(self) -> None:
        """Listen no more, where ``run`` never was."""
        self._listener.close()


class _Uvicorn(uvicorn.Server):
    """Leaves signals to whoever runs it, and hangs up on who holds a connection and asks nothing."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._silent: dict[Any, tuple[object, float]] = {}

    async def on_tick(self, counter: int) -> bool:
        """See, once a second, who is silent; uvicorn itself calls this ten times as often."""
        if counter % 10 == 0:
            self._hang_up(time.monotonic())
        return await super().on_tick(counter)

    def _hang_up(self, now: float) -> None:
        """Uvicorn has a limit only between two requests, and none once a byte of the next one came."""
        before, self._silent = self._silent, {}
        connections: set[Any] = {*self.server_state.connections}
        for each in connections:
            if each.cycle is None or each.cycle.response_complete:  # what was asked before is answered
                asked, since = before.get(each, (None, now))
                self._silent[each] = each.cycle, since if asked is each.cycle else now
                if now - self._silent[each][1] > _SILENCE:
                    each.transport.close()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class Service:
    """A server with a worker beside it, which end together; an error that ends the worker is raised by ``run``."""

    def __init__(self, server: Server, worker: Worker) -> None:
        self._server = server
        self._worker = worker
        self._failure: Exception | None = None

    def stop(self) -> None:
        """Let ``run`` come to its end. Returns at once."""
        self._server.stop()
        self._worker.stop()

    def run(self) -> None:
        """Serve and work until ``stop``; once only."""
        thread = threading.Thread(target=self._work, name="notify-worker")
        thread.start()
        try:
            self._server.run()
        finally:
            self._worker.stop()
            thread.join()
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        try:
            self._worker.run()
        except Exception as error:  # noqa: BLE001 - raised where the thread is waited for
            self._failure = error
        finally:
            self._server.stop()


def _listener(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=512)
    except OSError as error:
        why = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        reason = f"cannot listen on {host}:{port}: {why}; give another host or port"
        raise OSError(error.errno, reason) from error
