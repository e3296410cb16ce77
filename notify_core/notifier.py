"""The door for applications: one ``Notifier`` serves a whole process, from any of its threads."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Any, Self

from notify_core import routing
from notify_core.config import Config, from_mapping, load_config
from notify_core.errors import InvalidMessage, nearest
from notify_core.messages import Balance, Inbound, Message, Report, Sms
from notify_core.results import Estimate, Result
from notify_core.routing import Route
from notify_core.transports import Path, Paths

_ASYNC_THREADS = 64


class Notifier:
    """Sends messages along routes, and asks accounts for balance, reports and inbound messages.

    Make one per process, use it from any thread, and close it (or use ``with``). Reading the
    configuration binds every path that a route uses, so that one which cannot work does not start: ``ConfigError``.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self.paths = Paths(config, _now)
        self.routes = {name: self._route(name) for name in config.routes}
        self._threads: ThreadPoolExecutor | None = None
        self._process = os.getpid()
        self._closed = False
        self._lock = threading.Lock()

    @classmethod
    def from_yaml(cls, path: str | os.PathLike[str], *plugins: object) -> Self:
        """Read the configuration at ``path``; ``plugins`` are wrappers and listeners of the application's own.

        Raises ``ConfigError`` with every fault of the file.
        """
        return cls(load_config(path, others=plugins))

    @classmethod
    def from_mapping(cls, settings: Mapping[str, Any], *plugins: object) -> Self:
        """The same from a mapping of the YAML's shape. Raises ``ConfigError``."""
        return cls(from_mapping(settings, others=plugins))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Wait for what ``asend`` has under way, and close every connection. Nothing is sent after that."""
        self._closed = True
        if self._threads is not None and self._process == os.getpid():
            self._threads.shutdown()
        self.paths.close()

    def send(self, message: Message, *, route: str = "", via: str = "") -> Result:
        """Send ``message`` along ``route`` (``default`` where none is named), or by the one path ``via``.

        It leaves once, through the first path that can take it. What the gateways did is in the result, never raised;
        ``InvalidMessage`` is raised before anything leaves for a message, route or path that cannot work, and
        ``RuntimeError`` once the notifier is closed.
        """
        way = self._way(route, via)
        return routing.send(way, self._ready(message), now=_now, tell=self._config.plugins.tell)

    async def asend(self, message: Message, *, route: str = "", via: str = "") -> Result:
        """``send`` in a thread of the notifier's own. A send that has begun is not stopped by cancelling the task."""
        call = partial(self.send, message, route=route, via=via)
        return await asyncio.get_running_loop().run_in_executor(self._executor(), call)

    def estimate(self, message: Message, *, route: str = "", via: str = "") -> Estimate:
        """What ``message`` costs by the first path that can carry it; nothing is sent. Raises ``InvalidMessage``."""
        message = self._ready(message)
        reasons = []
        for path in self._way(route, via).paths:
            worded = path.worded(message)
            try:
                path.check(worded)
            except InvalidMessage as error:
                reasons.append(str(error))
            else:
                return Estimate(path=path.name, segments=path.segments(worded), recipients=len(worded.to))
        raise InvalidMessage(f"no path can carry the message: {'; '.join(dict.fromkeys(reasons))}")

    def balance(self, account: str) -> Balance:
        """The credit of ``account``, or as the path of that name tells it. Raises ``SendError``, ``Unsupported``."""
        return self._able(account, "balance").balance()

    def reports(self, account: str, task_id: str = "") -> list[Report]:
        """Delivery reports waiting for ``account`` (or of one submission). The gateway hands each out once.

        Raises ``SendError``, ``Unsupported``; an ``UnreadableReply`` has the bytes that came in ``payload``.
        """
        path = self._able(account, "status")
        reports = path.reports(task_id)
        for report in reports:
            self._config.plugins.tell("reported", account=path.account.name, report=report)
        return reports

    def inbound(self, account: str) -> list[Inbound]:
        """Messages from subscribers waiting for ``account``. The gateway hands each out once. Raises as ``reports``."""
        path = self._able(account, "inbound")
        messages = path.inbound()
        for message in messages:
            self._config.plugins.tell("received", account=path.account.name, inbound=message)
        return messages

    def change_password(self, account: str, new_password: str) -> None:
        """Change the password at the provider; write the new one into the configuration afterwards.

        Raises ``SendError``; where its ``sent`` is unknown, either password may be the valid one now.
        """
        self._able(account, "change_password").change_password(new_password)

    def _ready(self, message: Message) -> Message:
        """The message as it goes to the paths: rendered, addressed, and not in the past."""
        if not isinstance(message, Message):
            raise InvalidMessage(f"expected a message such as Sms(to=…, text=…); found {type(message).__name__}")
        if message.send_at is not None and message.send_at <= _now():
            raise InvalidMessage(f"send_at={message.send_at.isoformat()} is past: leave it out to send at once")
        if isinstance(message, Sms) and message.template:
            message = message.worded(self._config.templates.render(message.template, message.values))
        return message.addressed(self._config.default_region)

    def _able(self, account: str, hook: str) -> Path:
        self._check_open()
        return self.paths.able(account, hook)

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the notifier is closed: make another, or keep this one for as long as the process runs")

    def _way(self, route: str, via: str) -> Route:
        self._check_open()
        if via:
            if route:
                raise InvalidMessage("give either a route or via, not both")
            return Route(via, (self.paths[via],))
        name = route or "default"
        if name not in self.routes:
            raise InvalidMessage(f"no route {name!r}{nearest(name, self.routes)}")
        return self.routes[name]

    def _route(self, name: str) -> Route:
        settings = self._config.routes[name]
        paths: tuple[Path, ...] = tuple(self.paths[path] for path in settings.paths)
        return Route(name, paths, settings.weights, settings.deadline, settings.in_doubt == "failover")

    def _executor(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._threads is None or self._process != os.getpid():  # threads are not forked with their process
                self._process = os.getpid()
                self._threads = ThreadPoolExecutor(_ASYNC_THREADS, thread_name_prefix="notify-asend")
            return self._threads


def _now() -> datetime:
    return datetime.now(UTC)
