"""Runs the example shop with all that it needs: ``make shop``, or ``python docs/examples/shop/run.py``.

Four programs: the shop, a worker that sends, a receiver of the reports that gateways push, and a gateway to send by.
The database ``shop.db`` is made in the current directory. Each program listens on its usual port, or on a free one
where that is taken; with ``--free-ports`` all take free ones. Ctrl-C ends them all, as does one that ends by itself.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.request import urlopen

import uvicorn

USUAL = (8000, 8025, 8026)
FOLDER = Path(__file__).parent
NOTIFY = (sys.executable, "-m", "notify_core")
PUSHES = "push/clinic/the-example-needs-no-secret"


def main(arguments: list[str]) -> None:
    """Start everything, say where it is, and wait for Ctrl-C, SIGTERM, or the end of any of it."""
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.default_int_handler)
    shop, gateway, receiver = (free(0 if "--free-ports" in arguments else port) for port in USUAL)
    os.environ["NOTIFY_CONFIG"] = os.path.relpath(FOLDER / "notify.yaml")
    os.environ["SANDBOX_URL"] = at(gateway)
    lost: list[str] = []
    with suppress(KeyboardInterrupt), ExitStack() as running:
        running.enter_context(program(lost, "gateway", "sandbox", "--port", str(gateway), ready="# Submissions"))
        subprocess.run([*NOTIFY, "store", "init"], check=True)  # noqa: S603 - a command of this project
        running.enter_context(program(lost, "receiver", "serve", "--port", str(receiver), ready="Serving"))
        running.enter_context(program(lost, "worker", "worker", "--verbose", ready="Sending"))
        introduce(at(gateway), f"{at(receiver)}/{PUSHES}")
        listener = socket.create_server(("127.0.0.1", shop))
        print("In another terminal, in this directory:")
        print(f"  export NOTIFY_CONFIG={os.environ['NOTIFY_CONFIG']} SANDBOX_URL={at(gateway)}")
        print(f"The shop is open at {at(shop)}. Ctrl-C closes it.", flush=True)
        open_shop(listener)
    if lost:
        raise SystemExit(f"The {lost[0]} ended by itself, so the shop is closed. Its last lines above may say why.")


def free(port: int) -> int:
    """The port; where it is taken, or 0, another below those that the system gives to whoever asks for any."""
    while True:
        port = port or random.randrange(20_000, 32_000)  # noqa: S311 - no secret
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            port = 0


def at(port: int) -> str:
    """The address of a port of this machine."""
    return f"http://127.0.0.1:{port}"


@contextmanager
def program(lost: list[str], name: str, *command: str, ready: str) -> Iterator[None]:
    """A command of ``notify`` that runs meanwhile; entered once it has written a line that begins with ``ready``.

    Where it ends before that is asked of it, it is put among the ``lost``, and this process is told as by Ctrl-C.
    """
    with subprocess.Popen(  # noqa: S603 - a command of this project
        [*NOTIFY, *command], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as started:
        assert started.stdout is not None  # noqa: S101 - for type checkers: it is a pipe
        if not any(line.startswith(ready) for line in started.stdout):
            raise SystemExit(f"{name} did not start")
        ending = threading.Event()
        teller = threading.Thread(target=tell, args=(lost, name, started.stdout, ending))
        teller.start()
        try:
            yield
        finally:
            ending.set()
            started.terminate()
            teller.join()


def tell(lost: list[str], name: str, lines: Iterable[str], ending: threading.Event) -> None:
    """Show what a program writes, with its name before it, and whether it ended before it was to."""
    for line in lines:
        print(f"{name:<8} | {line}", end="", flush=True)
    if not ending.is_set():
        lost.append(name)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def introduce(gateway: str, address: str) -> None:
    """Tell the gateway where to push reports to, as one tells a provider on paper."""
    account = json.dumps({"name": "sandbox", "push_url": address})
    with urlopen(f"{gateway}/sandbox/accounts", account.encode()):  # noqa: S310 - of this machine
        pass


def open_shop(listener: socket.socket) -> None:
    """Serve the shop until Ctrl-C or SIGTERM."""
    sys.path.insert(0, str(FOLDER))
    uvicorn.Server(uvicorn.Config("shop:app", log_level="warning")).run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1:])
