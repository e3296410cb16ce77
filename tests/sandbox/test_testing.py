"""The gateway as other people's tests get it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest

from notify_core.exchange import Endpoint, Gateway
from notify_core.hookspecs import hookimpl
from notify_core.sandbox import LocalGateway
from notify_core.testing import sandbox
from notify_ipyy import sandbox as ipyy
from tests.sandbox.caller import Caller


class JsonAlone:
    """A transport that is nothing but its provider's side."""

    @hookimpl
    def sandbox(self, gateway: Gateway) -> Mapping[str, Endpoint]:
        """The addresses of ``ipyy.json``."""
        return ipyy.json_endpoints(gateway)


def test_the_context_manager_runs_a_gateway_with_the_transports_given() -> None:
    """Only they are served; faults and clock are handed on; one without the hook has nothing to say."""
    now = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    transports: dict[str, Any] = {"ipyy.json": JsonAlone(), "other.mute": ModuleType("mute")}
    with sandbox(transports=transports, faults=["smsJson.aspx:503:times=1"], clock=lambda: now) as gateway:
        caller = Caller(gateway)
        assert (caller.sms().status, caller.sms().status) == (503, 200)
        assert gateway.received[0]["at"] == now
        assert gateway.endpoints == ("/callJsonApi.aspx", "/pwd.aspx", "/smsJson.aspx", "/statusJsonApi.aspx")
    with pytest.raises(ConnectionRefusedError):
        caller.sms()


def test_the_fixture_is_a_running_gateway_with_everything(notify_gateway: LocalGateway) -> None:
    """Every installed transport with the hook is on it, as the tests of any project see it."""
    assert {"/sms.aspx", "/smsGBK.aspx", "/smsJson.aspx", "/ensms.ashx", "/WebService.asmx", "/mms.aspx"} <= set(
        notify_gateway.endpoints
    )
    Caller(notify_gateway).sms()
    assert len(notify_gateway.received) == 1
