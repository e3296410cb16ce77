"""A test transport whose reports come in pages, as words; a header says that there is another page."""

from __future__ import annotations

from typing import Any

from notify_core.exchange import Http
from notify_core.hookspecs import hookimpl
from notify_core.messages import Report
from notify_core.settings import AccountSettings
from notify_core.states import State


@hookimpl
def settings() -> type[AccountSettings]:
    """What every account has."""
    return AccountSettings


@hookimpl
def carries() -> frozenset[str]:
    """Text messages."""
    return frozenset({"sms"})


@hookimpl
def send() -> None:
    """Nothing is sent in these tests."""


AT_HAND: list[str] = []
"""Reports that are handed out without a request, as a provider's own client does."""


@hookimpl
def status(http: Http) -> list[Any]:
    """Pull every page."""
    if AT_HAND:
        return [_report(AT_HAND.pop())]
    found: list[str] = []
    more = True
    while more:
        reply = http.get(f"/page?{len(found)}")
        found += reply.body.decode().split()
        more = "x-more" in reply.headers
    if found[0] == "nonsense":
        nonsense: dict[str, list[Any]] = {"nothing": [None], "a": ["a text"], "no": [_report(7)]}
        return nonsense[found[1]]
    return list(map(_report, found))


def _report(word: Any) -> Report:
    return Report(recipient=word, task_id="T1", state=State.DELIVERED)
