"""The sandbox gateway in a process of its own, so that its CPU is not counted as the client's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

ACCOUNT = {"account": "sandbox", "password": "sandbox-secret", "user_id": "1001", "signature": "腾飞"}
"""The account that the sandbox has from the start (plugins/notify_ipyy/sandbox)."""


@contextmanager
def running(*faults: str) -> Iterator[str]:
    """The base address of a sandbox gateway, with these faults, while the context is open."""
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, __file__, *faults], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.communicate("\n")


def _serve(faults: list[str]) -> None:
    from notify_core.plugins import transports
    from notify_core.sandbox import LocalGateway

    sandboxes = [module.sandbox for module in transports().values() if hasattr(module, "sandbox")]
    with LocalGateway(sandboxes, faults=faults) as gateway:
        gateway.account(name=ACCOUNT["account"], credit=100_000_000)
        print(gateway.url, flush=True)
        sys.stdin.readline()


if __name__ == "__main__":
    _serve(sys.argv[1:])
