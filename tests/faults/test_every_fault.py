"""Every fault that the sandbox can make, against every transport: what becomes of the message, and where it has gone.

A second account at a healthy gateway stands behind each path, so that a fault which led to a second submission would
show. ``python tests/faults/test_every_fault.py`` prints the table.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from notify_core import Mms, Notifier, Part, Result, Sms
from notify_core.messages import Message
from notify_core.sandbox import KINDS, Fault, LocalGateway
from notify_core.testing import sandbox

ENDPOINTS = {
    "xml": "sms.aspx",
    "gbk": "smsGBK.aspx",
    "json": "smsJson.aspx",
    "ensms": "ensms.ashx",
    "soap": "WebService.asmx",
    "mms": "mms.aspx",
}
SURELY_NOT, DOUBT, ACCEPTED = "surely not", "in doubt", "accepted"
OUTCOMES = {
    "delay-before": DOUBT,
    "delay-after": DOUBT,
    "cut-before": DOUBT,
    "cut-after": DOUBT,
    "reset-before": DOUBT,
    "reset-after": DOUBT,
    "403": SURELY_NOT,
    "404": SURELY_NOT,
    "429": SURELY_NOT,
    "500": DOUBT,
    "500-before": DOUBT,
    "502": DOUBT,
    "502-before": DOUBT,
    "503": SURELY_NOT,
    "504": DOUBT,
    "empty": DOUBT,
    "html": DOUBT,
    "half": DOUBT,
    "truncated": DOUBT,
    "wrong-charset": ACCEPTED,
    "wrong-content-type": ACCEPTED,
    "doctype": DOUBT,
    "slow-drip": DOUBT,
    "huge-body": DOUBT,
    "short-count": DOUBT,
}
"""What becomes of a message under each fault. A late or lost answer leaves doubt, whether it was taken or not."""

READ_TIMEOUT = "300ms"
LONGER_THAN_THAT = 0.9  # seconds


class Played(NamedTuple):
    """One message under one fault, and what each gateway had of it in the end."""

    result: Result
    faulty: int
    healthy: int


def _message(transport: str) -> Message:
    to = ["13800000001", "13800000002"]
    if transport == "mms":
        return Mms(to=to, subject="路线图", parts=[Part("1.txt", "请看图".encode()), Part("2.png", b"\x89PNG picture")])
    return Sms(to=to, text="您的验证码：1439")


def _settings(faulty: str, healthy: str, transport: str, in_doubt: str) -> dict[str, object]:
    account = {"provider": "ipyy", "account": "sandbox", "password": "sandbox-secret", "user_id": "1001"}
    account |= {"signature": "腾飞", "read_timeout": READ_TIMEOUT}
    return {
        "default_region": "CN",
        "accounts": {"first": {**account, "base_url": faulty}, "second": {**account, "base_url": healthy}},
        "routes": {"default": {"paths": [f"first.{transport}", f"second.{transport}"], "in_doubt": in_doubt}},
    }


@contextmanager
def _both() -> Iterator[tuple[LocalGateway, LocalGateway]]:
    with sandbox() as faulty, sandbox() as healthy:
        yield faulty, healthy


@pytest.fixture
def gateways() -> Iterator[tuple[LocalGateway, LocalGateway]]:
    """A gateway for faults and a healthy one, new for each test: what is late must not be counted with the next."""
    with _both() as both:
        yield both


def play(gateways: tuple[LocalGateway, LocalGateway], transport: str, kind: str, in_doubt: str = "hold") -> Played:
    """Send one message by ``transport`` whose endpoint has the fault, with the healthy gateway behind it."""
    faulty, healthy = gateways
    seconds = 0.1 if kind == "slow-drip" else LONGER_THAN_THAT
    takes_seconds = "seconds" in KINDS[kind].options
    faulty.fault(
        Fault(ENDPOINTS[transport], kind, seconds=seconds) if takes_seconds else Fault(ENDPOINTS[transport], kind)
    )
    with Notifier.from_mapping(_settings(faulty.url, healthy.url, transport, in_doubt)) as notifier:
        result = notifier.send(_message(transport))
    return Played(result, len(faulty.received), len(healthy.received))


def outcome(played: Played) -> str:
    """What the first path's attempt came to, in the words of the table."""
    return {"accepted": ACCEPTED, "rejected": SURELY_NOT, "in_doubt": DOUBT}[played.result.attempts[0].state]


@pytest.mark.parametrize("transport", ENDPOINTS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_has_the_outcome_that_is_known_of_it_and_never_sends_twice(
    gateways: tuple[LocalGateway, LocalGateway], kind: str, transport: str
) -> None:
    """Under every fault of every transport the message reaches at most one gateway, and exactly one if surely not."""
    played = play(gateways, transport, kind)

    assert outcome(played) == OUTCOMES[kind], played.result.attempts
    if OUTCOMES[kind] == SURELY_NOT:
        assert (played.faulty, played.healthy, played.result.accepted) == (0, 1, True)
    else:
        assert len(played.result.attempts) == 1
        assert (played.faulty in (0, 1), played.healthy) == (True, 0)
        assert played.result.in_doubt is (OUTCOMES[kind] == DOUBT)


@pytest.mark.parametrize("transport", ENDPOINTS)
def test_a_gateway_that_cannot_be_reached_surely_has_nothing(
    gateways: tuple[LocalGateway, LocalGateway], transport: str
) -> None:
    """Where nothing listens at the first account, the message leaves by the second, once."""
    _, healthy = gateways
    with Notifier.from_mapping(_settings("http://127.0.0.1:9", healthy.url, transport, "hold")) as notifier:
        result = notifier.send(_message(transport))

    assert [attempt.state for attempt in result.attempts] == ["rejected", "accepted"]
    assert len(healthy.received) == 1


@pytest.mark.parametrize("transport", ENDPOINTS)
def test_a_route_may_ask_to_send_what_is_in_doubt_again(
    gateways: tuple[LocalGateway, LocalGateway], transport: str
) -> None:
    """With ``in_doubt: failover`` a message that was taken and not answered reaches the second gateway too."""
    played = play(gateways, transport, "cut-after", in_doubt="failover")

    assert [attempt.state for attempt in played.result.attempts] == ["in_doubt", "accepted"]
    assert (played.faulty, played.healthy) == (1, 1)


def _table() -> None:
    sys.stdout.write(f"{'fault':20}" + "".join(f"{name:>12}" for name in ENDPOINTS) + "\n")
    for kind in KINDS:
        row = (_outcome_of(transport, kind) for transport in ENDPOINTS)
        sys.stdout.write(f"{kind:20}" + "".join(f"{state:>12}" for state in row) + "\n")


def _outcome_of(transport: str, kind: str) -> str:
    with _both() as gateways:
        return outcome(play(gateways, transport, kind))


if __name__ == "__main__":
    _table()
