"""``notify worker``: sends what lies in the outbox until it is told to stop."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from notify_core.cli import terminal
from notify_core.cli.options import DEFAULT_CONFIG, ConfigFile, load
from notify_core.cli.running import Runnable, run_until_stopped

if TYPE_CHECKING:
    from notify_core.notifier import Notifier


def worker(
    processes: Annotated[
        int, typer.Option("--processes", metavar="N", min=1, help="How many processes, each of which uses one CPU.")
    ] = 1,
    threads: Annotated[
        int, typer.Option("--threads", metavar="N", min=1, help="How many requests each has under way at a time.")
    ] = 16,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show what became of each delivery, its number masked.")
    ] = False,
    config: ConfigFile = DEFAULT_CONFIG,
) -> None:
    """Send what lies in the outbox, fetch what waits at the gateways, and tell the application what happened.

    It goes on until Ctrl-C or SIGTERM. Then it begins nothing new, and waits up to 30 s for the requests that are under
    way; what had not begun to leave stays in the outbox. A second Ctrl-C does not wait: what is under way is in doubt.
    Any number of workers may run at a time, with PostgreSQL on any number of machines.

    Examples:
      notify worker
      notify worker --processes 2 --threads 32
    """
    from notify_core.worker import Processes, Worker

    opened = partial(_notifier, config, verbose)
    with opened() as notifier:
        address = notifier.outbox.store.address
        if processes == 1:
            _run(Worker(notifier, threads=threads), f"1 process, {threads} threads", address)
            return
    _run(Processes(opened, processes, threads=threads), f"{processes} processes, {threads} threads each", address)


def _run(work: Runnable, size: str, address: str) -> None:
    words = f"Sending what is enqueued in {address}: {size}. Ctrl-C stops it."
    run_until_stopped(work, words, stopping=_STOPPING, at_once=AT_ONCE)


_STOPPING = "Stopping: waiting up to 30 s for the requests that are under way. A second Ctrl-C does not wait."
AT_ONCE = (
    "Stopped at once. What was under way becomes in doubt when its lease lapses, which the next worker notices: "
    "`notify outbox list --state sending in_doubt` shows it."
)
"""What a worker says that does not wait for what it has under way."""


def _notifier(config: str, verbose: bool) -> Notifier:
    """What a worker works with; each process makes its own, and shows its own complaints."""
    from notify_core.cli.logs import watch
    from notify_core.notifier import Notifier

    terminal.prepare()
    watch()
    if not verbose:
        return Notifier(load(config))
    from notify_core.cli.following import Teller, tell_endings

    tell_endings()
    return Notifier(load(config, Teller()))
