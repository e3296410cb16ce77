"""A listener, as an application has one: it writes down what it is told, and fails now and then."""

from __future__ import annotations

import json
import os
from itertools import count

from notify_core import hookimpl
from notify_core.messages import Inbound, Report

FILE = "CHAOS_HEARD"
"""The environment's name of the file, which all workers share."""
_FAILS = 97
"""Of so many calls one fails before it has done anything."""

_calls = count(1)


@hookimpl
def reported(account: str, report: Report) -> None:
    """A report came."""
    _note(account, report.task_id, report.recipient)


@hookimpl
def received(account: str, inbound: Inbound) -> None:
    """A subscriber wrote."""
    _note(account, inbound.text, inbound.sender)


def _note(*facts: str) -> None:
    if next(_calls) % _FAILS == 0:
        raise RuntimeError("the application is not at its best")
    file = os.open(os.environ[FILE], os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    try:
        os.write(file, (json.dumps(facts) + "\n").encode())  # at once: lines of several workers do not mix
    finally:
        os.close(file)
