"""What a transport does while it works beside its task: whom it connects to, what it logs, whose clock it reads."""

from __future__ import annotations

import io
import logging
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from datetime import date
from types import FrameType, ModuleType
from typing import Any, Self

import pytest

from notify_core.settings import is_loopback
from notify_core.testing.privacy import Privacy

_FORMATTER = logging.Formatter("%(message)s")
_BORING = frozenset(vars(logging.makeLogRecord({})))


class Watch:
    """Notes every connection, every log record at DEBUG and everything printed while the context lasts."""

    def __init__(self, privacy: Privacy) -> None:
        self._privacy = privacy
        self._log = _Log()
        self._printed = io.StringIO()
        self._sockets = _Sockets()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._log)
        self._stack.enter_context(self._sockets)
        self._stack.enter_context(redirect_stdout(self._printed))
        self._stack.enter_context(redirect_stderr(self._printed))
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def complaints(self) -> list[str]:
        """What was done that no transport may do."""
        return [*self._strays(), *self._leaks(), *self._prints(), *self._left_open()]

    def _strays(self) -> list[str]:
        return [
            f"it connected to {address}, which is not this machine: speak only through the `http` that hooks are handed"
            for address in self._sockets.strays
        ]

    def _leaks(self) -> list[str]:
        found = ((record, self._privacy.exposed(_everything(record))) for record in self._log.records)
        return [
            f"the logger {record.name!r} shows {exposed} at {record.levelname} ({record.pathname}:{record.lineno}): "
            "log ids and counts, and numbers through phones.mask"
            for record, exposed in found
            if exposed
        ]

    def _prints(self) -> list[str]:
        if not self._printed.getvalue():
            return []
        return [f"it printed {len(self._printed.getvalue())} characters: a plugin logs, or says nothing"]

    def _left_open(self) -> list[str]:
        if not (still := [opened for opened in self._sockets.opened if opened.fileno() != -1]):
            return []
        return [f"{len(still)} connections are still open after the notifier was closed: close what a hook opens"]


def _everything(record: logging.LogRecord) -> str:
    """The record as any handler could show it: its text, its traceback, and what came by ``extra``."""
    extra = {name: value for name, value in vars(record).items() if name not in _BORING}
    return f"{_FORMATTER.format(record)} {record.args!r} {extra!r}"


class _Log(logging.Handler):
    """Every record that reaches the root, whatever the application's level."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def __enter__(self) -> Self:
        root = logging.getLogger()
        self._level = root.level
        root.setLevel(logging.DEBUG)
        root.addHandler(self)
        return self

    def __exit__(self, *exception: object) -> None:
        root = logging.getLogger()
        root.removeHandler(self)
        root.setLevel(self._level)


class _Sockets:
    """Refuses and notes every connection and name look-up that would leave this machine."""

    def __init__(self) -> None:
        self.opened: list[socket.socket] = []
        self.strays: list[str] = []
        self._patch = pytest.MonkeyPatch()

    def __enter__(self) -> Self:
        for name in ("connect", "connect_ex"):
            self._patch.setattr(socket.socket, name, self._connecting(getattr(socket.socket, name)))
        self._patch.setattr(socket.socket, "sendto", self._sending(socket.socket.sendto))
        self._patch.setattr(socket, "getaddrinfo", self._looking_up(socket.getaddrinfo))
        return self

    def __exit__(self, *exception: object) -> None:
        self._patch.undo()

    def _connecting(self, connect: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(own: socket.socket, address: Any) -> Any:
            self._admit(address)
            self.opened.append(own)
            return connect(own, address)

        return guarded

    def _sending(self, sendto: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(own: socket.socket, data: Any, *flags_and_address: Any) -> Any:
            self._admit(flags_and_address[-1])
            return sendto(own, data, *flags_and_address)

        return guarded

    def _looking_up(self, getaddrinfo: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(host: Any, *arguments: Any, **keywords: Any) -> Any:
            self._admit((host,))
            return getaddrinfo(host, *arguments, **keywords)

        return guarded

    def _admit(self, address: Any) -> None:
        """Let an address of this machine pass: host and port, or the path of a local socket."""
        if isinstance(address, tuple) and not is_loopback(str(address[0])):
            self.strays.append(str(address[0]))
            raise PermissionError(f"the contract suite lets nothing leave this machine: {address[0]}")


class WallClock:
    """Notes each place in ``package`` that asks Python for the time while the context lasts (in this thread)."""

    def __init__(self, package: str) -> None:
        self.readings: list[str] = []
        self._package = package
        self._before: Any = None

    def __enter__(self) -> Self:
        self._before = sys.getprofile()
        sys.setprofile(self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        sys.setprofile(self._before if callable(self._before) else None)  # cProfile's cannot be set again

    def _note(self, frame: FrameType, event: str, called: Any) -> None:
        if event == "c_call" and _is_clock(called) and self._owns(str(frame.f_globals.get("__name__"))):
            self.readings.append(f"{frame.f_globals['__name__']}:{frame.f_lineno}")

    def _owns(self, module: str) -> bool:
        return module == self._package or module.startswith(f"{self._package}.")


def _is_clock(called: Any) -> bool:
    owner, name = getattr(called, "__self__", None), getattr(called, "__name__", "")
    if isinstance(owner, ModuleType):
        return owner.__name__ == "time" and name in ("time", "time_ns")
    return isinstance(owner, type) and issubclass(owner, date) and name in ("now", "utcnow", "today")
