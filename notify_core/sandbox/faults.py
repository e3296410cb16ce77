"""Faults on demand: which fault is set where, for how many requests, and how people write it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from threading import Lock
from typing import Any

from notify_core.errors import nearest
from notify_core.sandbox.kinds import KINDS, Answer, Serve
from notify_core.sandbox.server import Wire

EVERYWHERE = "*"


def comparable(path: str) -> str:
    """A path as paths are compared: letter case and a last slash do not matter, as with IIS."""
    return "/" + path.strip("/").lower()


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault at one endpoint (``smsJson.aspx``) or at all (``*``), for so many requests or, with None, for ever.

    Several at one endpoint act together, the first set outermost. ``charset`` empty: GB18030 where the reply is in
    UTF-8, else UTF-8. Raises ``ValueError`` for what cannot be.
    """

    endpoint: str
    kind: str
    times: int | None = None
    seconds: float = 1.0
    charset: str = ""
    size: int = 256 * 1024 * 1024

    def __post_init__(self) -> None:
        if not self.endpoint.strip("/"):
            raise ValueError("a fault needs an endpoint such as smsJson.aspx, or * for all")
        if self.kind not in KINDS:
            raise ValueError(f"no kind of fault {self.kind!r}{nearest(self.kind, KINDS)}")
        if self.times is not None and self.times < 1:
            raise ValueError(f"times={self.times}: expected 1 or more; leave it out for ever")
        if not 0 <= self.seconds < math.inf:
            raise ValueError(f"seconds={self.seconds}: expected 0 or more")
        if self.size < 1:
            raise ValueError(f"size={self.size}: expected 1 byte or more")
        if self.charset:
            _check_charset(self.charset)

    @property
    def path(self) -> str:
        """The endpoint as paths are compared, or ``*`` for all."""
        return EVERYWHERE if self.endpoint == EVERYWHERE else comparable(self.endpoint)

    @classmethod
    def parse(cls, text: str) -> Fault:
        """The fault that ``ENDPOINT:KIND[:option=value…]`` names, such as ``smsJson.aspx:cut-after:times=1``.

        Options: ``times``, and what the kind takes (see ``KINDS``). Raises ``ValueError`` saying what to write instead.
        """
        endpoint, _, rest = text.partition(":")
        if not rest:
            raise ValueError(f"fault {text!r}: expected ENDPOINT:KIND, such as smsJson.aspx:cut-after:times=1")
        kind, *options = rest.split(":")
        try:
            return replace(cls(endpoint, kind), **dict(_option(kind, option) for option in options))
        except ValueError as error:
            raise ValueError(f"fault {text!r}: {error}") from None

    def __str__(self) -> str:
        changed = (f.name for f in fields(self)[2:] if getattr(self, f.name) != f.default)
        return ":".join([self.endpoint, self.kind, *(f"{name}={getattr(self, name)}" for name in changed)])


_READERS: Mapping[str, Callable[[str], object]] = {"times": int, "seconds": float, "charset": str, "size": int}


def _option(kind: str, text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    known = KINDS[kind].options | {"times"}
    if name not in known:
        raise ValueError(f"{kind} takes no option {name!r}{nearest(name, known)}")
    try:
        return name, _READERS[name](value)
    except ValueError:
        found = f"found {value!r}" if equals else "found nothing"
        raise ValueError(f"{name}: expected a number, as in {name}=2; {found}") from None


def _check_charset(charset: str) -> None:
    try:
        "".encode(charset)
    except LookupError:
        raise ValueError(f"no charset {charset!r}: expected one that Python knows, such as gbk") from None


@dataclass(slots=True)
class _Armed:
    fault: Fault
    left: int | None


class Faults:
    """The faults that are set at a gateway, and how often each still happens. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._armed: tuple[_Armed, ...] = ()

    def add(self, fault: Fault) -> None:
        """Set a fault, inside of those that are set already."""
        with self._lock:
            self._armed = (*self._armed, _Armed(fault, fault.times))

    def clear(self) -> None:
        """Remove every fault."""
        with self._lock:
            self._armed = ()

    def waiting(self) -> list[Fault]:
        """The faults that will still happen, each with the times that are left to it."""
        with self._lock:
            return [replace(armed.fault, times=armed.left) for armed in self._armed]

    def around(self, path: str, wire: Wire, serve: Serve) -> Answer:
        """Serve a request to ``path`` amid the faults that are set there, each counted down by one."""
        if not self._armed:  # without the lock: the tuple is replaced as a whole
            return serve()
        for fault in reversed(self._due(path)):
            serve = partial(KINDS[fault.kind].act, fault, wire, serve)
        return serve()

    def _due(self, path: str) -> list[Fault]:
        with self._lock:
            due = [armed for armed in self._armed if armed.fault.path in (path, EVERYWHERE)]
            for armed in due:
                armed.left = None if armed.left is None else armed.left - 1
            self._armed = tuple(armed for armed in self._armed if armed.left != 0)
            return [armed.fault for armed in due]
