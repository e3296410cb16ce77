"""Commands that go on until they are told to stop."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any, Protocol

from notify_core.cli import exits, terminal


class Runnable(Protocol):
    """What such a command does: ``stop`` returns at once, and lets ``run`` come to its end."""

    def run(self) -> None:
        """Work in this thread until ``stop``."""

    def stop(self) -> None:
        """May be called by a signal handler."""


def run_until_stopped(work: Runnable, *words: str, stopping: str, at_once: str) -> None:
    """Show ``words`` and run until SIGTERM or Ctrl-C; after a second Ctrl-C end without waiting.

    ``stopping`` and ``at_once`` say what the first and the second Ctrl-C mean.
    """

    def stop(number: int, _frame: Any) -> None:
        work.stop()
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, end_at_once)
            # In a thread, because the one that was interrupted may be in the middle of writing there.
            threading.Thread(target=terminal.complain, args=(stopping,)).start()

    def end_at_once(_number: int, _frame: object) -> None:
        """End without waiting: an ordinary end would wait for the threads that still ask a gateway."""
        terminal.complain(at_once)
        sys.stdout.flush()
        os._exit(exits.INTERRUPTED)

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, stop)
    terminal.copy(*words)
    work.run()
    terminal.copy("Stopped.")
