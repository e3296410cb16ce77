"""Direct sending: CPU per message against plain loops over the same fields, and the rate of many threads."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import requests

from notify_core import Notifier, Sms
from tests.bench.gateway import ACCOUNT, running
from tests.bench.rounds import Call, Row, above, below, interleaved, ratio

TRANSPORTS = ("json", "xml", "ensms", "soap")


def settings(base_url: str) -> dict[str, Any]:
    """A configuration with one account of the sandbox, all transports in routes of their own."""
    return {
        "default_region": "CN",
        "accounts": {"bench": {"provider": "ipyy", "base_url": base_url, "connections": 128, **ACCOUNT}},
        "routes": {name: [f"bench.{name}"] for name in ("json", "xml", "gbk", "ensms", "soap")},
    }


def message(number: int) -> Sms:
    """A message that differs from all others in recipient and text."""
    return Sms(to=f"138{number % 100_000_000:08d}", text=f"您的验证码：{number:07d}，五分钟内有效。")


@contextmanager
def _notifier(base_url: str) -> Iterator[Notifier]:
    with Notifier.from_mapping(settings(base_url)) as notifier:
        yield notifier


def by(notifier: Notifier, transport: str) -> Call:
    """A send by one transport that fails the bench where it is not accepted."""

    def send(number: int) -> None:
        notifier.send(message(number), route=transport).raise_for_failure()

    return send


def _plain_post(base_url: str) -> Call:
    """The loop that people write by hand, over the same fields."""
    session = requests.Session()
    password = hashlib.md5(ACCOUNT["password"].encode(), usedforsecurity=False).hexdigest().upper()

    def post(number: int) -> None:
        fields = {
            "action": "send",
            "userid": "",
            "account": ACCOUNT["account"],
            "password": password,
            "mobile": f"138{number % 100_000_000:08d}",
            "content": f"您的验证码：{number:07d}，五分钟内有效。【腾飞】",
            "sendTime": "",
            "extno": "",
        }
        reply = session.post(f"{base_url}/smsJson.aspx", data=fields, timeout=(3, 30)).json()
        assert reply["returnstatus"] == "Success"

    return post


def _plain_zeep(base_url: str) -> Call:
    """The call that zeep's documentation shows, on its default transport."""
    import zeep

    client: Any = zeep.Client
    client = client(f"{base_url}/WebService.asmx?wsdl")
    service = client.create_service(next(iter(client.wsdl.bindings)), f"{base_url}/WebService.asmx")

    def call(number: int) -> None:
        text = f"您的验证码：{number:07d}，五分钟内有效。【腾飞】"
        sms = {"Msisdns": f"138{number % 100_000_000:08d}", "SMSContent": text, "ExtNumber": "", "PlanSendTime": None}
        reply = service.SendSms(userName=ACCOUNT["account"], password=ACCOUNT["password"], sms=sms)
        assert reply.StatusCode == "OK"

    return call


def cpu(rounds: int) -> list[Row]:
    """CPU per message of the whole pipeline, by transport, against the plain loops."""
    with running() as base_url, _notifier(base_url) as notifier:
        contenders = {name: by(notifier, name) for name in TRANSPORTS}
        contenders |= {"plain requests": _plain_post(base_url), "plain zeep": _plain_zeep(base_url)}
        times = interleaved(contenders, rounds=rounds, calls=100)
    return [
        below("send by json : plain requests loop, CPU", ratio(times, "json", "plain requests"), 0.65),
        below("send by xml : by json, CPU", ratio(times, "xml", "json"), 1.10),
        below("send by ensms : by json, CPU", ratio(times, "ensms", "json"), 1.10),
        below("send by soap : plain zeep call, CPU", ratio(times, "soap", "plain zeep"), 0.60),
    ]


def threads(rounds: int, seconds_each: float = 0.05, workers: int = 64, seconds: float = 1.5) -> list[Row]:
    """The rate of 64 threads against a gateway that takes 50 ms, over the ideal rate up to the CPU's limit.

    The limit is what the same threads reach against the same gateway without the delay, since client and gateway
    share the machine's cores. Both take turns; the figure is the median of the rounds.
    """
    found: list[tuple[float, float, float]] = []
    with running() as at_once, running(seconds_each) as slow, _notifier(at_once) as free, _notifier(slow) as waiting:
        for _ in range(rounds + 1):
            limit = _rate(by(free, "json"), workers, seconds)
            rate = _rate(by(waiting, "json"), workers, seconds)
            found.append((rate / min(workers / seconds_each, limit), rate, limit))
    share, rate, limit = sorted(found[1:])[rounds // 2]  # the first round warms up
    note = f" ({rate:.0f}/s; ideal {workers / seconds_each:.0f}/s, CPU's limit {limit:.0f}/s on {os.cpu_count()} cores)"
    return [above(f"{workers} threads, gateway takes 50 ms : ideal rate", share, 0.9, note=note)]


def _rate(send: Callable[[int], object], workers: int, seconds: float) -> float:
    """Calls a second that so many threads finish; the time begins when all of them run."""
    numbers, counts, failures = count(), [0] * workers, []
    begin = threading.Barrier(workers + 1)
    ends = 0.0

    def work(index: int) -> None:
        try:
            begin.wait()
            while time.monotonic() < ends:
                send(next(numbers))
                counts[index] += 1
        except Exception as error:  # noqa: BLE001 - a thread has nobody to raise to
            failures.append(error)

    running_threads = [threading.Thread(target=work, args=(index,)) for index in range(workers)]
    for thread in running_threads:
        thread.start()
    started = time.monotonic()
    ends = started + seconds
    begin.wait()
    for thread in running_threads:
        thread.join()
    if failures:
        raise failures[0]
    return sum(counts) / (time.monotonic() - started)
