"""How a command ends: the words, the advice and the exit code of every error, in one place."""

from __future__ import annotations

import os
import shlex
import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from math import ceil
from pathlib import Path
from typing import Any, NoReturn

from notify_core.cli import terminal
from notify_core.cli.options import DEFAULT_CONFIG
from notify_core.errors import ConfigError, NotifyError, Retry, Scope, SendError, Sent
from notify_core.narration import ended

DONE = 0
FAILED = 1
USAGE = 2
IN_DOUBT = 3
INTERRUPTED = 130  # 128 and SIGINT, as shells count
TERMINATED = 143  # 128 and SIGTERM


class Misuse(NotifyError):
    """What the command line was given cannot work; the text says what to write."""


class Terminated(KeyboardInterrupt):
    """SIGTERM came: whoever stops the command otherwise than with Ctrl-C."""


@contextmanager
def terminable() -> Iterator[None]:
    """Within it SIGTERM breaks off as Ctrl-C does, so that a command says what it did; a second one is ignored."""
    if threading.current_thread() is not threading.main_thread():  # only that one may say what signals do
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(*_: Any) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # timeout(1) sends it twice
    raise Terminated


def code(error: BaseException) -> int:
    """The exit code of a command that an error ended."""
    if isinstance(error, KeyboardInterrupt):
        return TERMINATED if isinstance(error, Terminated) else INTERRUPTED
    if isinstance(error, SendError):
        return IN_DOUBT if error.sent is Sent.UNKNOWN else FAILED
    return USAGE if isinstance(error, NotifyError) else FAILED


def report(error: BaseException, *, as_json: bool, config: str = DEFAULT_CONFIG) -> None:
    """Say what went wrong with the configuration ``config``: on stderr for people, and on stdout for programs."""
    if os.environ.get("NOTIFY_DEBUG"):
        terminal.complain("".join(traceback.format_exception(error)))
    terminal.complain(*(named(words, config) for words in (*_words(error), *_notes(error))))
    if as_json:
        terminal.show_json({"error": document(error)})


def named(words: str, config: str) -> str:
    """``words`` with the configuration in each `notify …` that they say to run, where it is not found by itself."""
    if config in (DEFAULT_CONFIG, os.environ.get("NOTIFY_CONFIG")):
        return words
    return words.replace("`notify ", f"`notify --config {shlex.quote(config)} ")


def document(error: BaseException) -> dict[str, object]:
    """An error as ``--json`` tells it."""
    kind: dict[str, object] = {"kind": type(error).__name__}
    if notes := _notes(error):
        kind["notes"] = notes
    if isinstance(error, SendError):
        return kind | {fact: getattr(error, fact) for fact in _VERDICT}
    if isinstance(error, ConfigError):
        return kind | {"faults": [asdict(fault) for fault in error.faults]}
    return kind | {"description": str(error) if isinstance(error, NotifyError) else ""}


_VERDICT = ("description", "code", "sent", "scope", "retry", "after")


def advised(error: SendError) -> str:
    """What went wrong and what to do: for a request that surely had no effect, or a question that got no answer."""
    return f"{ended(str(error))} {_advice(error)}."


def _advice(error: SendError) -> str:
    if error.retry is Retry.NOW:
        return "Try again"
    if error.after:
        return f"Try again in {_span(error.after)}"
    if error.code in _ADVICE_BY_STATUS:
        return _ADVICE_BY_STATUS[error.code]
    if error.retry is Retry.LATER:
        return "Top up the account, or ask the provider" if error.scope is Scope.ACCOUNT else "Try again later"
    return _ADVICE[error.scope]


def _span(seconds: float) -> str:
    """Seconds, rounded up to a unit that people count in."""
    for unit, size in (("hours", 3600), ("minutes", 60)):
        if seconds > 2 * size:
            return f"{ceil(seconds / size)} {unit}"
    return f"{ceil(seconds)} s"


_ADVICE = {
    Scope.MESSAGE: "Change what you send: no gateway would take it",
    Scope.RECIPIENT: "Check the number, or ask the provider about it",
    Scope.TRANSPORT: "Check base_url and what this transport needs, or take another path",
    Scope.ACCOUNT: "Check the account in the configuration, and with the provider",
    Scope.PROVIDER: "Ask the provider",
}


_ADVICE_BY_STATUS = {
    "HTTP 401": "Check account and password, and with the provider whether this machine's IP address is bound",
    "HTTP 403": "Check base_url, and with the provider whether this machine's IP address is bound to the account",
    "HTTP 404": "Check base_url: there is no such address at this gateway",
    "HTTP 413": "Make the parts smaller, or set max_recipients lower",
}
"""What a status of HTTP says that trying again does not change."""


def _words(error: BaseException) -> list[str]:
    if isinstance(error, ConfigError):
        count = len(error.faults)
        return [*map(str, error.faults), f"{count} fault{'s' * (count != 1)} in the configuration; nothing was started"]
    if isinstance(error, SendError) and error.sent is Sent.NO:
        return [advised(error)]
    if isinstance(error, KeyboardInterrupt):
        return ["Terminated." if isinstance(error, Terminated) else "Interrupted."]
    if isinstance(error, NotifyError):
        return [str(error)]
    return [_bug(error)]


def _notes(error: BaseException) -> list[str]:
    """What a command added to the error: what it means here, and what was saved."""
    return list(getattr(error, "__notes__", ()))


def _bug(error: BaseException) -> str:
    """A defect of the program in one line. The error's text is left out: it may quote a secret or what was sent."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"notify failed by a defect of its own ({type(error).__name__}{place}); NOTIFY_DEBUG=1 shows the traceback"
