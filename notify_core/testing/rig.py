"""A transport at work: in a real notifier with one account, watched."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from notify_core.errors import NotifyError
from notify_core.http import Session
from notify_core.messages import Message
from notify_core.notifier import Notifier
from notify_core.results import Result
from notify_core.testing.calls import Call
from notify_core.testing.subject import Subject
from notify_core.testing.watch import Watch
from notify_core.transports import Path


class Rig:
    """A notifier with the transport, against a gateway. What the transport gives back is kept in ``shown``."""

    def __init__(self, notifier: Notifier, path: str) -> None:
        self.notifier = notifier
        self.path: Path = notifier.paths[path]
        self.shown: list[str] = [repr(self.path.account.settings)]
        self.asked = 0
        """Requests that were made through the account's session."""
        self._count(self.path.account.session)

    def outcome(self, call: Call) -> object:
        """What a call comes to: its value, or the error that the core raises for it."""
        try:
            found = call.make(self.path)
        except NotifyError as error:
            self._show_error(error)
            return error
        self.shown += [repr(call), repr(found), str(getattr(found, "raw", ""))]
        return found

    def send(self, message: Message) -> Result:
        """What a message comes to by the door for applications."""
        result = self.notifier.send(message, via=self.path.name)
        self.shown += [repr(message), repr(result), *(attempt.raw for attempt in result.attempts)]
        for attempt in result.attempts:
            if attempt.error is not None:
                self._show_error(attempt.error)
        return result

    def _count(self, session: Session) -> None:
        address = session.address

        def counted(method: str, path: str) -> Any:
            self.asked += 1
            return address(method, path)

        session.address = counted  # type: ignore[method-assign]  # every request looks its address up, once

    def _show_error(self, error: NotifyError) -> None:
        self.shown += [repr(error), str(error), str(getattr(error, "raw", "")), *_causes(error)]


def _causes(error: BaseException) -> list[str]:
    """The texts of all errors underneath: a traceback prints them."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return [str(cause), *_causes(cause)] if cause is not None else []


@contextmanager
def rigged(subject: Subject, url: str, clock: datetime, **settings: Any) -> Iterator[Rig]:
    """The transport at work against the gateway at ``url``, at the time ``clock``, with nothing left to chance.

    Raises ``AssertionError`` at the end where the transport did, or showed, what it may not.
    """
    with _no_chance(), Watch(subject.privacy) as watch, subject.notifier(url, **settings) as notifier:
        rig = Rig(notifier, subject.path)
        rig.path.account.session.now = lambda: clock
        yield rig
    exposed = sorted({found for shown in rig.shown if (found := subject.privacy.exposed(shown))})
    leaks = [f"a repr, an error or a recorded reply shows {found}" for found in exposed]
    if complaints := [*watch.complaints(), *leaks]:
        raise AssertionError("; ".join(complaints))


@contextmanager
def _no_chance() -> Iterator[None]:
    """``secrets``, ``uuid.uuid4`` and ``random.SystemRandom`` give zeros: a nonce is the same each time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "urandom", bytes)
        patch.setattr(random, "_urandom", bytes)
        yield
