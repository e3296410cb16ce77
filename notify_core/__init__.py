"""A notification layer to embed: hand it a message, and it leaves once, by the first path that can take it.

    from notify_core import Notifier, Sms

    with Notifier.from_yaml("notify.yaml") as notifier:
        result = notifier.send(Sms(to=["13800138000"], text="您的验证码：1439"), route="otp")

Names are imported when they are first used: a process that only makes messages does not pay for HTTP or YAML.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from notify_core.errors import (
        ConfigError,
        InvalidMessage,
        KeyConflict,
        MissingExtra,
        NotifyError,
        Retry,
        Scope,
        SendError,
        Sent,
        StoreError,
        UnreadableReply,
        Unsupported,
    )
    from notify_core.hookspecs import hookimpl
    from notify_core.messages import Balance, Inbound, Mms, Part, Report, Sms
    from notify_core.notifier import Notifier
    from notify_core.receiver import Receiver
    from notify_core.results import Attempt, Delivery, Estimate, Result
    from notify_core.states import State

_HOMES = {
    "notify_core.errors": (
        "ConfigError",
        "InvalidMessage",
        "KeyConflict",
        "MissingExtra",
        "NotifyError",
        "Retry",
        "Scope",
        "SendError",
        "Sent",
        "StoreError",
        "UnreadableReply",
        "Unsupported",
    ),
    "notify_core.hookspecs": ("hookimpl",),
    "notify_core.messages": ("Balance", "Inbound", "Mms", "Part", "Report", "Sms"),
    "notify_core.notifier": ("Notifier",),
    "notify_core.receiver": ("Receiver",),
    "notify_core.results": ("Attempt", "Delivery", "Estimate", "Result"),
    "notify_core.states": ("State",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Attempt",
    "Balance",
    "ConfigError",
    "Delivery",
    "Estimate",
    "Inbound",
    "InvalidMessage",
    "KeyConflict",
    "MissingExtra",
    "Mms",
    "Notifier",
    "NotifyError",
    "Part",
    "Receiver",
    "Report",
    "Result",
    "Retry",
    "Scope",
    "SendError",
    "Sent",
    "Sms",
    "State",
    "StoreError",
    "UnreadableReply",
    "Unsupported",
    "hookimpl",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'notify_core' has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
