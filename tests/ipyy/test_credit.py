"""The credit of an ipyy account, by every dialect, against the local gateway."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from notify_core import Mms, Notifier, Part, Sms
from notify_core.messages import Message
from notify_core.sandbox import LocalGateway
from notify_core.testing import sandbox

ONE = "+8613800000001"
TEXTS = ("xml", "gbk", "json", "ensms", "soap")
EVERY = (*TEXTS, "mms")


@pytest.fixture
def gateway() -> Iterator[LocalGateway]:
    """A gateway whose account can pay for two messages of either kind."""
    with sandbox() as running:
        running.account(credit=2, mms_credit=2)
        yield running


@pytest.fixture
def notifier(gateway: LocalGateway) -> Iterator[Notifier]:
    """A notifier with that account."""
    account = {"provider": "ipyy", "base_url": gateway.url, "account": "sandbox", "password": "sandbox-secret"}
    accounts = {"clinic": {**account, "user_id": "1001", "signature": "腾飞"}}
    with Notifier.from_mapping({"accounts": accounts, "routes": {"default": ["clinic.json"]}}) as opened:
        yield opened


def message(dialect: str) -> Message:
    """One that the dialect carries, of one unit."""
    if dialect == "mms":
        return Mms(to=ONE, subject="路线图", parts=[Part("1.txt", "三号诊室".encode())])
    return Sms(to=ONE, text="您的验证码：1439")


@pytest.mark.parametrize("dialect", EVERY)
def test_the_credit_falls_runs_out_and_is_topped_up(dialect: str, notifier: Notifier, gateway: LocalGateway) -> None:
    """Each reply tells what is left; one refusal is enough to know; a poll after the top-up lets the account send."""
    path = f"clinic.{dialect}"
    purse = notifier.paths[path].purse
    sent = [notifier.send(message(dialect), via=path) for _ in range(4)]
    assert [result.accepted for result in sent] == [True, True, False, False]
    assert [attempt.balance for result in sent for attempt in result.attempts] == [Decimal(1), Decimal(0), None]
    assert [result.error and result.error.code for result in sent[2:]] == ["1111", "no credit"]
    gateway.account(credit=10, mms_credit=10)
    notifier.balance(path)
    assert (purse.short, purse.units) == (None, Decimal(10))
    assert notifier.send(message(dialect), via=path).accepted
    assert purse.units == Decimal(9)


@pytest.mark.parametrize("dialect", TEXTS)
def test_every_dialect_of_an_account_is_passed_over(dialect: str, notifier: Notifier, gateway: LocalGateway) -> None:
    """They share its credit, pictures do not."""
    gateway.account(credit=0)
    notifier.send(message(dialect), via=f"clinic.{dialect}")
    found = [notifier.send(message(other), via=f"clinic.{other}") for other in EVERY]
    assert [result.error and result.error.code for result in found] == [*["no credit"] * len(TEXTS), None]


def test_a_postpaid_account_sends_below_zero(notifier: Notifier, gateway: LocalGateway) -> None:
    """A balance of -1 is no want of credit."""
    gateway.account(credit=0, prepaid=False)
    assert all(notifier.send(message("json")).accepted for _ in range(3))
    assert notifier.paths["clinic.json"].purse.units == Decimal(-3)
