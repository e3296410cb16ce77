"""The configurations that ship with the project work."""

from __future__ import annotations

from pathlib import Path

import pytest

from notify_core import Mms, Notifier, Part, Sms
from notify_core.config import load_config
from notify_core.sandbox import LocalGateway
from tests.docs.pages import ROOT

CONFIGURATIONS = sorted((ROOT / "config").glob("*.yaml"))


@pytest.mark.parametrize("file", CONFIGURATIONS, ids=lambda file: file.name)
def test_a_configuration_can_work(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file under config/ is free of faults once the account is in the environment, and has a default route."""
    monkeypatch.setenv("IPYY_ACCOUNT", "sandbox")
    monkeypatch.setenv("IPYY_PASSWORD", "sandbox-secret")
    assert "default" in load_config(file).routes


def test_the_configuration_of_the_sandbox_works_as_it_is(
    notify_gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every route of config/sandbox.yaml sends to the gateway, by each of its paths."""
    monkeypatch.setenv("SANDBOX_URL", notify_gateway.url)
    picture = Mms(to="13800000001", subject="路线图", parts=[Part("1.txt", "三号诊室".encode())])
    with Notifier.from_yaml(ROOT / "config/sandbox.yaml") as notifier:
        results = [
            notifier.send(picture if name == "pictures" else Sms(to="13800000001", text="测试"), via=path.name)
            for name, route in notifier.routes.items()
            for path in route.paths
        ]
    assert [result.route for result in results if not result.accepted] == []


def test_the_example_sends_once_the_account_is_put_in(
    notify_gateway: LocalGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy of config/notify.example.yaml with an account sends by its routes, and words its template."""
    monkeypatch.setenv("IPYY_ACCOUNT", "sandbox")
    monkeypatch.setenv("IPYY_PASSWORD", "sandbox-secret")
    text = (ROOT / "config/notify.example.yaml").read_text("utf-8")
    copy = tmp_path / "notify.yaml"
    copy.write_text(text.replace("https://sh2.ipyy.com", notify_gateway.url), "utf-8")
    with Notifier.from_yaml(copy) as notifier:
        message = Sms(to="13800000001", template="otp", values={"code": "1439", "minutes": 5})
        results = [notifier.send(message, route=route) for route in ("default", "otp", "notices")]
    assert [result.accepted for result in results] == [True] * 3
    assert notify_gateway.received[0]["text"] == "您的验证码：1439，5 分钟内有效。【腾飞】"
