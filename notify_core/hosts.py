"""A connection to a host, within a time that bounds all of it: the look-up of its name, and every address that it has.

``socket.create_connection`` gives the whole time to each address, and none of it to the look-up, which ends when the
resolver gives up: by default after 5 s for each name server, twice (resolv.conf(5)).
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from urllib3.util.connection import allowed_gai_family

_Address = tuple[Any, ...]
"""As getaddrinfo gives it: family, type, protocol, canonical name, and what connect takes."""


def connected(host: str, port: int, seconds: float, options: Iterable[tuple[Any, ...]]) -> socket.socket:
    """A socket that is connected to ``host``, with the socket ``options``, and with what is left as its timeout.

    Raises ``socket.gaierror`` where the name is not found in time, ``UnicodeError`` where it cannot be one,
    ``TimeoutError`` and other ``OSError`` where its last address cannot be reached.
    """
    ends = time.monotonic() + seconds
    failed: OSError | None = None
    addresses = _addresses(host.strip("[]"), port, seconds)
    for number, address in enumerate(addresses):
        share = _left(ends) / (len(addresses) - number)
        try:
            made = _made(address, share, options)
        except OSError as error:
            failed = error
        else:
            made.settimeout(_left(ends))
            return made
    raise failed or OSError("the host has no address")


def _left(ends: float) -> float:
    return max(ends - time.monotonic(), 0.001)  # 0 would not wait at all, whatever is there


def _made(address: _Address, seconds: float, options: Iterable[tuple[Any, ...]]) -> socket.socket:
    family, kind, protocol, _, place = address
    made = socket.socket(family, kind, protocol)
    try:
        for option in options:
            made.setsockopt(*option)
        made.settimeout(seconds)
        made.connect(place)
    except BaseException:
        made.close()
        raise
    return made


# --- names -----------------------------------------------------------------------------------------------------------

_Key = tuple[int, str, int]
_under_way: dict[_Key, Future[Sequence[_Address]]] = {}


def _addresses(host: str, port: int, seconds: float) -> Sequence[_Address]:
    try:
        return _found(host, port, socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass
    try:
        return _look_up(host, port).result(seconds)
    except TimeoutError:
        raise socket.gaierror(socket.EAI_AGAIN, "no answer in time") from None


def _found(host: str, port: int, flags: int = 0) -> Sequence[_Address]:
    return socket.getaddrinfo(host, port, allowed_gai_family(), socket.SOCK_STREAM, flags=flags)


def _look_up(host: str, port: int) -> Future[Sequence[_Address]]:
    """The look-up of a name, in a thread of its own: nothing ends getaddrinfo before it returns.

    Those that want one that is under way share it, so that a resolver that is silent holds one thread for each host. A
    process that is forked off has none of those threads, so it begins anew.
    """
    key = (os.getpid(), host, port)
    fresh: Future[Sequence[_Address]] = Future()
    sought = _under_way.setdefault(key, fresh)
    if sought is fresh:
        try:
            threading.Thread(target=_seek, args=(key, fresh), name="notify-look-up", daemon=True).start()
        except BaseException:  # no thread more can be had, or Ctrl-C came: nobody would ever answer
            _under_way.pop(key, None)
            raise
    return sought


def _seek(key: _Key, sought: Future[Sequence[_Address]]) -> None:
    try:
        tell = partial(sought.set_result, _found(key[1], key[2]))
    except Exception as error:  # noqa: BLE001 - whoever waits for it raises it
        tell = partial(sought.set_exception, error)
    _under_way.pop(key, None)  # first, so that nobody who comes after a failure is told of it
    tell()
