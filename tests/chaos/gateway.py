"""A gateway in a process of its own, which keeps a record of all that came to it, and of what it did with that."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextvars import ContextVar
from http.client import HTTPConnection, HTTPException
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from notify_core.exchange import Request
from notify_core.sandbox import Fault, LocalGateway
from notify_core.sandbox.faults import Faults
from notify_core.sandbox.server import Wire

SIGNATURE = "腾飞"
PASSWORD = "sandbox-secret"
ENDPOINTS = ("smsJson.aspx", "sms.aspx", "ensms.ashx")
"""Those that the routes lead to."""

_met: ContextVar[list[str]] = ContextVar("met")


class _Noting(Faults):
    """Faults that tell which of them each request meets."""

    def _due(self, path: str) -> list[Fault]:
        due = super()._due(path)
        _met.get().extend(fault.kind for fault in due)
        return due


class Witness(LocalGateway):
    """A gateway that notes every submission that comes to it, the faults that it met, and when it did not listen."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._faults = _Noting()
        self._asked: list[Mapping[str, object]] = []
        self._outages: list[tuple[float, float]] = []
        self._news: list[Mapping[str, object]] = []
        self.control("GET", "asked", self._list_asked)
        self.control("GET", "outages", self._list_outages)
        self.control("POST", "outage", self._begin_outage)
        self.control("POST", "news", self._take_news)
        self.control("POST", "leave", self._leave)

    def record(self, submission: Mapping[str, object]) -> None:
        """Note a submission that was accepted."""
        super().record(submission)
        self._news.append({name: submission[name] for name in ("to", "text", "task_id")})

    def _answer(self, request: Request, wire: Wire) -> None:
        met: list[str] = []
        _met.set(met)
        at, began, whole = time.time(), time.monotonic(), False
        try:
            super()._answer(request, wire)
            whole = True
        finally:
            if said := _said(request):
                numbers, text = said
                facts = {"to": numbers, "text": text, "faults": met, "at": at, "whole": whole}
                self._asked.append({**facts, "seconds": time.monotonic() - began})

    def _list_asked(self) -> list[Mapping[str, object]]:
        """Every submission that came, taken or not."""
        return list(self._asked)

    def _list_outages(self) -> list[tuple[float, float]]:
        """When it did not listen."""
        return list(self._outages)

    def _take_news(self) -> list[Mapping[str, object]]:
        """What was accepted since the last call."""
        found = list(self._news)
        del self._news[: len(found)]
        return found

    def _leave(self, boxes: list[dict[str, str]]) -> None:
        """Let reports wait for whoever pulls them."""
        for box in boxes:
            self._control.call("PUT", "reports", box)

    def _begin_outage(self, seconds: float) -> None:
        """Stop listening for so long; what is under way is cut."""
        threading.Thread(target=self._outage, args=(seconds,)).start()

    def _outage(self, seconds: float) -> None:
        began = time.time()
        self.stop()
        time.sleep(seconds)
        self.start()
        self._outages.append((began, time.time()))


def _said(request: Request) -> tuple[tuple[str, ...], str] | None:
    """To whom a submission goes and what it says; None for any other request."""
    if request.path.strip("/").lower() not in {name.lower() for name in ENDPOINTS}:
        return None
    form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
    if "Text64" in form:
        from notify_ipyy.sandbox.ensms import decipher

        letter = decipher(form["Text64"], PASSWORD) or {}
        return tuple(letter.get("Moblie", "").split(",")), letter.get("Text", "")
    return tuple(form.get("mobile", "").split(",")), form.get("content", "")


def said(text: str) -> str:
    """A text as it was enqueued: without the signature."""
    return text.removesuffix(f"【{SIGNATURE}】")


def e164(mobile: str) -> str:
    """A number as the store has it."""
    return f"+86{mobile}"


class Gateway:
    """The same from outside: one account at one gateway, for as long as the context is open."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.gateway"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate("\n", timeout=30)

    def call(self, method: str, name: str, **members: object) -> Any:
        """Make a control call. While the gateway does not listen it is tried again, for some seconds."""
        for _ in range(100):
            try:
                return self._call(method, name, members)
            except (OSError, HTTPException):
                time.sleep(0.1)
        raise TimeoutError(f"the gateway {self.name} does not answer {method} /sandbox/{name}")

    def cut(self, seconds: float) -> None:
        """Let it stop listening for so long. The answer to this may be cut too."""
        try:
            self._call("POST", "outage", {"seconds": seconds})
        except (OSError, HTTPException):
            return

    def _call(self, method: str, name: str, members: Mapping[str, object]) -> Any:
        connection = HTTPConnection("127.0.0.1", urlsplit(self.url).port, timeout=20)
        try:
            connection.request(method, f"/sandbox/{name}", json.dumps(members) if method != "GET" else None)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError(f"{method} /sandbox/{name}: {body.decode()}")
        return json.loads(body)


def _serve() -> None:
    from notify_core.plugins import transports

    sandboxes = [module.sandbox for module in transports().values() if hasattr(module, "sandbox")]
    with Witness(sandboxes) as gateway:
        gateway.account(name="sandbox", credit=100_000_000, signature=SIGNATURE)
        sys.stdout.write(f"{gateway.url}\n")
        sys.stdout.flush()
        sys.stdin.readline()


if __name__ == "__main__":
    _serve()
