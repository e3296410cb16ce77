"""A minimal account to vary, and the faults of a variation."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from notify_core import ConfigError, Notifier

ACCOUNT: dict[str, Any] = {
    "provider": "http",
    "base_url": "https://sms.example",
    "user": "demo",
    "password": "nobodys-password",
    "secrets": {"app_key": "key-of-nobody"},
    "send": {
        "request": {"path": "/send", "form": {"to": "{{ to | join }}", "text": "{{ text }}"}},
        "reply": {"kind": "json", "success": {"at": "code", "equals": "0"}, "code": "code"},
    },
}

MISSING = object()


def varied(changes: dict[str, Any]) -> dict[str, Any]:
    """The account with values set at dotted places, or taken away by ``MISSING``."""
    account = deepcopy(ACCOUNT)
    for place, value in changes.items():
        *way, last = place.split(".")
        block = account
        for step in way:
            block = block.setdefault(step, {})
        block.pop(last, None)
        if value is not MISSING:
            block[last] = value
    return account


def faults(changes: dict[str, Any]) -> list[str]:
    """What is wrong with the account so changed: ``place: message`` each."""
    with pytest.raises(ConfigError) as caught:
        notifier(changes)
    return [f"{fault.path.removeprefix('accounts.a.')}: {fault.message}" for fault in caught.value.faults]


def notifier(changes: dict[str, Any]) -> Notifier:
    """A notifier of the account so changed, with the path ``a.form``."""
    return Notifier.from_mapping(
        {"default_region": "CN", "accounts": {"a": varied(changes)}, "routes": {"default": ["a.form"]}}
    )
