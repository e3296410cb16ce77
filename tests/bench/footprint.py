"""What the package costs when nothing is sent: the core's own share, imports, help, memory."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from notify_core import Notifier
from notify_core.hookspecs import hookimpl
from notify_core.messages import Accepted
from notify_core.settings import AccountSettings
from tests.bench.direct import message, settings
from tests.bench.rounds import Row, below, interleaved, process_cpu


def own_share(rounds: int) -> list[Row]:
    """CPU of validation, routing, hooks and result per message, with a transport that answers without a network.

    The least of many short rounds, of 50 messages each: an absolute time is no ratio that noise cancels out of, and
    what others do on the machine (its caches, its clock) can only add to it.
    """
    sys.modules["bench_null"] = _null_transport()
    account = {"provider": "null", "base_url": "http://127.0.0.1:9", "signature": "腾飞"}
    configuration = {
        "default_region": "CN",
        "transports": {"null.null": "bench_null"},
        "accounts": {"null": account},
        "routes": {"default": ["null.null"]},
    }
    with Notifier.from_mapping(configuration) as notifier:
        times = interleaved({"own": lambda number: notifier.send(message(number))}, rounds=20 * rounds, calls=50)
    return [below("own share of the core per message", min(times["own"]) * 1e6, 60, " µs")]


def _null_transport() -> ModuleType:
    module: Any = ModuleType("bench_null")

    @hookimpl
    def settings() -> type[AccountSettings]:
        return AccountSettings

    @hookimpl
    def carries() -> frozenset[str]:
        return frozenset({"sms"})

    @hookimpl
    def send() -> Accepted:
        return Accepted(task_id="1504080852350206", count=1)

    module.settings, module.carries, module.send = settings, carries, send
    return module  # type: ignore[no-any-return]


def processes() -> list[Row]:
    """CPU of importing the package over a bare Python, and of printing the command's help."""
    bare = process_cpu("-c", "pass")
    imported = process_cpu("-c", "import notify_core") - bare
    used = process_cpu("-c", "from notify_core import Sms") - bare
    helped = process_cpu("-m", "notify_core", "--help")
    return [
        below(
            "import notify_core, CPU over bare Python", imported * 1000, 60, " ms", f" (with Sms {used * 1000:.0f} ms)"
        ),
        below("notify --help, CPU", helped * 1000, 200, " ms"),
    ]


def memory() -> list[Row]:
    """Resident memory of a process with an idle notifier and all transports bound."""
    done = subprocess.run([sys.executable, __file__], check=True, capture_output=True, text=True)  # noqa: S603
    return [below("resident memory, idle, all transports bound", float(done.stdout), 60, " MB")]


def _idle() -> None:
    configuration = settings("http://127.0.0.1:9")
    configuration["routes"]["mms"] = ["bench.mms"]
    with Notifier.from_mapping(configuration):
        print(_resident_megabytes())


def _resident_megabytes() -> float:
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 / 1024  # macOS counts bytes


if __name__ == "__main__":
    _idle()
