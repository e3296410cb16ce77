"""The local gateway: the providers' sides of all dialects on one loopback port, with a record and faults on demand."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from threading import Condition, RLock
from typing import Any, Self

from notify_core.errors import nearest
from notify_core.exchange import Endpoint, Gateway, Reply, Request, State
from notify_core.sandbox.control import Control
from notify_core.sandbox.faults import EVERYWHERE, Fault, Faults, comparable
from notify_core.sandbox.kinds import Answer, taken
from notify_core.sandbox.outgoing import post
from notify_core.sandbox.server import BODY_LIMIT, IDLE_TIMEOUT, Server, Wire

log = logging.getLogger("notify.sandbox")

Sandbox = Callable[[Gateway], Mapping[str, Endpoint]]
"""The hook ``sandbox`` of a transport: the endpoints of its provider's side."""

RECORDED = 100_000


def _now() -> datetime:
    return datetime.now(UTC)


class LocalGateway:
    """The providers' side of every dialect whose ``sandbox`` hook it is given, on 127.0.0.1.

    ``port`` 0 takes a free one, and keeps it when stopped and started again. ``faults`` are set from the start.
    ``clock`` gives the time, aware. ``listener`` is told of each submission as it is accepted. The last 100,000 of them
    are kept. Usable as a context manager, and from any thread::

        with LocalGateway([notify_ipyy.json.sandbox], faults=["smsJson.aspx:cut-after:times=1"]) as gateway:
            ...  # send to gateway.url
            assert gateway.received[0]["text"] == "您的验证码：1439【腾飞】"

    Raises ``ValueError`` for a fault that cannot be, or endpoints that contradict each other.
    """

    def __init__(
        self,
        sandboxes: Iterable[Sandbox] = (),
        *,
        port: int = 0,
        faults: Iterable[Fault | str] = (),
        clock: Callable[[], datetime] = _now,
        listener: Callable[[Mapping[str, Any]], object] | None = None,
        body_limit: int = BODY_LIMIT,
        idle_timeout: float = IDLE_TIMEOUT,
    ) -> None:
        self._port = port
        self._clock = clock
        self._listener = listener
        self._body_limit = body_limit
        self._idle_timeout = idle_timeout
        self._server: Server | None = None
        self._lock = RLock()
        self._states: dict[object, Any] = {}
        self._received: deque[Mapping[str, Any]] = deque(maxlen=RECORDED)
        self._arrival = Condition(self._lock)
        self._faults = Faults()
        self._control = Control()
        self._endpoints: dict[str, Endpoint] = {}
        self._names: dict[str, str] = {}
        self._serve_own_controls()
        for sandbox in sandboxes:
            self._mount(sandbox(self))
        for fault in faults:
            self.fault(fault)

    def start(self) -> Self:
        """Listen. Raises ``OSError`` where the port is taken."""
        if self._server is None:
            self._server = Server(
                self._answer, port=self._port, body_limit=self._body_limit, idle_timeout=self._idle_timeout
            )
            self._port = self._server.port
        return self

    def stop(self) -> None:
        """End every connection and thread. What was received, and the providers' state, stay."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The base address, such as ``http://127.0.0.1:8025``. Raises ``RuntimeError`` before the first start."""
        if not self._port:
            raise RuntimeError("the gateway has no address yet: start it, or use it in a with statement")
        return f"http://127.0.0.1:{self._port}"

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The addresses that are served, as their providers spell them."""
        return tuple(sorted(self._names.values()))

    @property
    def received(self) -> list[Mapping[str, Any]]:
        """The submissions that were accepted, decoded, oldest first.

        Each has at least ``endpoint``, ``account``, ``task_id``, ``to`` (a tuple of numbers as submitted),
        ``extension``, ``send_at`` (aware, or None) and either ``text`` or ``subject`` and ``parts``.
        """
        with self._lock:
            return list(self._received)

    def wait(self, count: int, within: float = 5.0) -> list[Mapping[str, Any]]:
        """What was received once that many submissions were; for a client that gave up before the gateway answered.

        Raises ``TimeoutError`` after ``within`` seconds.
        """
        with self._arrival:
            if not self._arrival.wait_for(lambda: len(self._received) >= count, within):
                raise TimeoutError(f"{len(self._received)} of {count} submissions arrived within {within:g} s")
            return list(self._received)

    def forget(self) -> None:
        """Empty the record."""
        with self._lock:
            self._received.clear()

    def fault(self, fault: Fault | str) -> Fault:
        """Set a fault, given as a value or as ``Fault.parse`` reads it. Raises ``ValueError``."""
        fault = Fault.parse(fault) if isinstance(fault, str) else fault
        if fault.path != EVERYWHERE and fault.path not in self._endpoints:
            served = {name.strip("/") for name in self._names.values()}
            raise ValueError(f"no endpoint {fault.endpoint!r} here{nearest(fault.endpoint, served)}")
        self._faults.add(fault)
        return fault

    def heal(self) -> None:
        """Remove every fault."""
        self._faults.clear()

    def account(self, **settings: Any) -> Any:
        """Make or change an account: ``POST /sandbox/accounts``."""
        return self._control.call("POST", "accounts", settings)

    def inbound(self, **message: Any) -> Any:
        """Let a subscriber write: ``POST /sandbox/inbound``."""
        return self._control.call("POST", "inbound", message)

    def settle(self, **outcome: Any) -> Any:
        """Make delivery reports for accepted submissions: ``POST /sandbox/reports``."""
        return self._control.call("POST", "reports", outcome)

    def push(self, **which: Any) -> Any:
        """Post what is waiting to the customer's own address: ``POST /sandbox/push``."""
        return self._control.call("POST", "push", which)

    def state(self, factory: Callable[[Gateway], State]) -> State:
        """The one value that ``factory`` makes for this gateway: what all endpoints of a provider share."""
        with self._lock:
            if factory not in self._states:
                self._states[factory] = factory(self)
            found: State = self._states[factory]
            return found

    def now(self) -> datetime:
        """The time, aware."""
        return self._clock()

    def record(self, submission: Mapping[str, object]) -> None:
        """Note a submission that was accepted, and tell the listener."""
        with self._arrival:
            self._received.append(submission)
            self._arrival.notify_all()
        if self._listener is not None:
            self._tell(self._listener, submission)

    def take(self, recipients: tuple[str, ...]) -> tuple[str, ...]:
        """The recipients that are accepted of those submitted: all, or all but the last under ``short-count``."""
        return taken(recipients)

    def control(self, method: str, name: str, handler: Callable[..., object]) -> None:
        """Serve ``method /sandbox/{name}`` by ``handler``. Raises ``ValueError`` where that is taken."""
        self._control.add(method, name, handler)

    def post(self, url: str, body: bytes, content_type: str) -> bytes | None:
        """Post to a customer's address; its answer whatever its status, or None where the network failed."""
        return post(url, body, content_type)

    def _tell(self, listener: Callable[[Mapping[str, Any]], object], submission: Mapping[str, object]) -> None:
        try:
            listener(submission)
        except Exception:
            log.exception("the listener of the sandbox failed")

    def _mount(self, endpoints: Mapping[str, Endpoint]) -> None:
        for path, endpoint in endpoints.items():
            key = comparable(path)
            if self._endpoints.setdefault(key, endpoint) != endpoint:
                raise ValueError(
                    f"two transports serve {path} in different ways: share one endpoint by gateway.state()"
                )
            self._names.setdefault(key, path)

    def _serve_own_controls(self) -> None:
        self.control("GET", "received", self._list_received)
        self.control("DELETE", "received", self.forget)
        self.control("GET", "faults", self._list_faults)
        self.control("POST", "faults", self._set_fault)
        self.control("DELETE", "faults", self.heal)

    def _list_received(self) -> list[Mapping[str, Any]]:
        """What was accepted, decoded, oldest first."""
        return self.received

    def _list_faults(self) -> list[str]:
        """The faults that will still happen."""
        return [str(fault) for fault in self._faults.waiting()]

    def _set_fault(self, fault: str) -> list[str]:
        """Set a fault, such as {"fault": "smsJson.aspx:cut-after:times=1"}."""
        self.fault(fault)
        return self._list_faults()

    def _answer(self, request: Request, wire: Wire) -> None:
        path = comparable(request.path)
        if (endpoint := self._endpoints.get(path)) is not None:
            answer = self._faults.around(path, wire, partial(self._serve, endpoint, request))
        else:
            answer = Answer(self._control.answer(request) or self._nothing_there(request.path))
        log.debug("%s %s %s", request.method, request.path, answer.reply.status)
        answer.deliver(wire, answer.reply)

    def _serve(self, endpoint: Endpoint, request: Request) -> Answer:
        try:
            return Answer(endpoint(request))
        except Exception:
            log.exception("the provider's side of %s failed", request.path)
            return Answer(Reply(500, b"a defect of the sandbox: see its log", {"content-type": "text/plain"}))

    def _nothing_there(self, path: str) -> Reply:
        known = {*self._names.values(), "/sandbox"}
        return Reply(404, f"nothing at {path}{nearest(path, known)}\n".encode(), {"content-type": "text/plain"})
