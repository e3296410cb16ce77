"""The door for applications: one ``Notifier`` serves a whole process, from any of its threads."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, overload

from notify_core import routing
from notify_core.config import Config, RouteSettings, from_mapping, load_config
from notify_core.errors import ConfigError, Fault, InvalidMessage, StoreError, nearest
from notify_core.messages import Balance, Inbound, Message, Report, Sms
from notify_core.quiet import QuietHours
from notify_core.results import Estimate, Result
from notify_core.routing import Route
from notify_core.transports import Path, Paths

if TYPE_CHECKING:  # SQLAlchemy comes with the store, when one is configured
    from sqlalchemy import Connection

    from notify_core.mailbox import Mailbox
    from notify_core.outbox import Outbox, Terms
    from notify_core.store import Enqueued, Way
    from notify_core.store.store import Session

log = logging.getLogger("notify")

_ASYNC_THREADS = 64


class Notifier:
    """Sends messages along routes, and asks accounts for balance, reports and inbound messages.

    Make one per process, use it from any thread, and close it (or use ``with``). Reading the configuration binds every
    path that a route uses, so that one which cannot work does not start: ``ConfigError``.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self.paths = Paths(config, _now)
        self.routes = {name: self._route(name) for name in config.routes}
        self._outbox: Outbox | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._process = os.getpid()
        self._parents: list[object] = []
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
        with self._own_process():
            threads, outbox = self._threads, self._outbox
        if threads is not None:
            threads.shutdown()
        if outbox is not None:
            outbox.close()
        self.paths.close()

    @contextmanager
    def _own_process(self) -> Iterator[None]:
        """The lock, with nothing kept of a parent process: a child has no threads of it and must not use its store.

        Nor may a child close what it shares, which would end the parent's connections too.
        """
        with self._lock:
            if self._process != os.getpid():
                self._parents.append((self._threads, self._outbox))
                self._process, self._threads, self._outbox = os.getpid(), None, None
            yield

    @property
    def config(self) -> Config:
        """The configuration that it was made from."""
        return self._config

    @property
    def outbox(self) -> Outbox:
        """The outbox, its store opened at the first use. Raises ``StoreError``, ``ConfigError`` without one."""
        self._check_open()
        with self._own_process():
            if self._outbox is None:
                self._outbox = self._opened()
            return self._outbox

    def send(self, message: Message, *, route: str = "", via: str = "", key: str = "") -> Result:
        """Send ``message`` along ``route`` (``default`` where none is named), or by the one path ``via``.

        It leaves once, through the first path that can take it. What the gateways did is in the result, never raised;
        ``InvalidMessage`` is raised before anything leaves for a message, route or path that cannot work, and
        ``RuntimeError`` once the notifier is closed.

        With a store it is recorded, and ``StoreError`` raised before anything leaves where that cannot be. A ``key``
        (with a store only) that was used for the same message gives the first result and sends nothing; for another
        message it raises ``KeyConflict``.
        """
        way = self._way(route, via)
        ready = self._timed(message, way)
        if self._config.store is None and not key:
            return routing.send(way, ready, now=_now, tell=self._config.plugins.tell)
        return self.outbox.send(ready, _named(route, via), key)

    @overload
    def enqueue(
        self,
        message: Message,
        *,
        route: str = "",
        via: str = "",
        key: str = "",
        connection: Connection | Session | None = None,
        priority: int | None = None,
        due: datetime | None = None,
        expires_at: datetime | None = None,
    ) -> Enqueued: ...

    @overload
    def enqueue(
        self,
        message: Iterable[Message],
        *,
        route: str = "",
        via: str = "",
        key: str = "",
        connection: Connection | Session | None = None,
        priority: int | None = None,
        due: datetime | None = None,
        expires_at: datetime | None = None,
    ) -> list[Enqueued]: ...

    def enqueue(
        self,
        message: Message | Iterable[Message],
        *,
        route: str = "",
        via: str = "",
        key: str = "",
        connection: Connection | Session | None = None,
        priority: int | None = None,
        due: datetime | None = None,
        expires_at: datetime | None = None,
    ) -> Enqueued | list[Enqueued]:
        """Put a message, or many at once, into the outbox: a worker sends what is there.

        With ``connection`` (SQLAlchemy's, or an ORM session) it is part of the caller's transaction: it leaves when
        that is committed, and is gone with it. ``key``: the same message again gives the first ids, another raises
        ``KeyConflict``. ``priority`` and ``expires_at`` are the route's where they are left out; it does not leave
        before ``due``. Raises ``InvalidMessage``, ``StoreError``; ``ConfigError`` without a store.
        """
        outbox = self.outbox
        from notify_core.outbox import Posting

        messages = [message] if isinstance(message, Message) else list(message)
        if key and len(messages) > 1:
            raise InvalidMessage("a key is one message's: enqueue messages with keys one by one")
        posting = Posting(key=key, priority=priority, due=due, expires_at=expires_at)
        ready = [self._ready(each) for each in messages]
        enqueued = outbox.enqueue(ready, _named(route, via), posting, connection)
        return enqueued[0] if isinstance(message, Message) else enqueued

    async def asend(self, message: Message, *, route: str = "", via: str = "", key: str = "") -> Result:
        """``send`` in a thread of the notifier's own. A send that has begun is not stopped by cancelling the task."""
        call = partial(self.send, message, route=route, via=via, key=key)
        return await asyncio.get_running_loop().run_in_executor(self._executor(), call)

    def estimate(self, message: Message, *, route: str = "", via: str = "") -> Estimate:
        """What ``message`` costs by the first path that can carry it, for those whom it reaches; nothing is sent.

        Raises ``InvalidMessage``.
        """
        fit = routing.first_fit(self._way(route, via).paths, self._ready(message))
        return Estimate(path=fit.path, segments=fit.segments, recipients=len(fit.recipients))

    def balance(self, account: str) -> Balance:
        """The credit of ``account``, or as the path of that name tells it. Raises ``SendError``, ``Unsupported``.

        An account that was without credit is used again where this shows that it has some. With a store it is noted.
        """
        balance = self._able(account, "balance").balance()
        if self._config.store is not None:
            self._note_credit()
        return balance

    def _note_credit(self) -> None:
        """What the gateway said is told, whatever the store says."""
        try:
            self.outbox.note_credit()
            self.outbox.read_credit()
        except StoreError as error:
            log.warning("a balance was not noted: %s", error, extra={"action": "balance_unnoted"})

    @property
    def mailbox(self) -> Mailbox:
        """What came from the gateways, in the store. Raises ``StoreError``, ``ConfigError`` without one."""
        from notify_core.mailbox import Mailbox

        return Mailbox(self.outbox.store, self.paths, self._config)

    def reports(self, account: str, task_id: str = "") -> list[Report]:
        """Delivery reports waiting for ``account`` (or of one submission). The gateway hands each out once.

        Raises ``SendError``, ``Unsupported``; an ``UnreadableReply`` has the bytes that came in ``payload``.

        With a store they are kept, and applied to their deliveries; those that were news are returned, and a worker
        tells the listeners. What came is in the store then, or in ``payloads`` of an ``Unkept`` (a ``StoreError``).
        """
        if self._config.store is not None:
            self._check_open()
            return self.mailbox.pull_reports(account, task_id).news
        path = self._able(account, "status")
        reports = path.reports(task_id)
        for report in reports:
            self._config.plugins.tell("reported", account=path.account.name, report=report, delivery=None)
        return reports

    def inbound(self, account: str) -> list[Inbound]:
        """Messages from subscribers waiting for ``account``. The gateway hands each out once. Raises as ``reports``."""
        if self._config.store is not None:
            self._check_open()
            return self.mailbox.pull_inbound(account).news
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

    def _timed(self, message: Message, way: Route) -> Message:
        """The message as it goes to the paths at once, with a time that the provider keeps."""
        message = self._ready(message)
        if message.send_at is not None:
            if way.name in self._config.routes and self._config.routes[way.name].schedule == "local":
                raise InvalidMessage(
                    f"route {way.name!r} has schedule: local, so the outbox holds what leaves at a time: enqueue it "
                    "(`notify send --enqueue`), or leave send_at out"
                )
            way.check_time(message)
        return message

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
            known = nearest(name, self.routes) or f": add `{name}:` under `routes:`, or name one path"
            raise InvalidMessage(f"no route {name!r}{known}")
        return self.routes[name]

    def _route(self, name: str) -> Route:
        settings = self._config.routes[name]
        paths: tuple[Path, ...] = tuple(self.paths[path] for path in settings.paths)
        quiet = settings.quiet_hours and QuietHours.parse(settings.quiet_hours, self._config.default_region)
        return Route(name, paths, settings.weights, settings.deadline, settings.in_doubt == "failover", quiet or None)

    def _opened(self) -> Outbox:
        settings = self._config.store
        if settings is None:
            words = (
                "is missing: enqueueing, keys and workers need it: add the line `store: sqlite:///notify.db`, then run "
                "`notify store init`"
            )
            raise ConfigError([Fault(self._config.file, 0, "store", words)])
        from notify_core.outbox import Outbox
        from notify_core.store import Store

        store = Store(settings.url.get_secret_value(), synchronous=settings.synchronous)
        config = self._config
        return Outbox(store, self._terms, _now, config.plugins.tell, self.paths.purses, config.targets)

    def _terms(self, way: Way) -> Terms:
        from notify_core.outbox import Terms

        route = self._way(way.route, way.via)
        return Terms(way, route, self._config.routes[way.route] if way.route else RouteSettings(paths=(way.via,)))

    def _executor(self) -> ThreadPoolExecutor:
        with self._own_process():
            if self._threads is None:
                self._threads = ThreadPoolExecutor(_ASYNC_THREADS, thread_name_prefix="notify-asend")
            return self._threads


def _named(route: str, via: str) -> Way:
    """The way that is meant. Raises ``InvalidMessage``."""
    from notify_core.store import Way

    return Way("" if via and not route else route or "default", via)


def _now() -> datetime:
    return datetime.now(UTC)
