"""An account at a gateway that is described by the YAML alone."""

from __future__ import annotations

import re
from functools import cached_property
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from notify_core.settings import AccountSettings, Strict, is_loopback
from notify_http import rehearsal
from notify_http.codes import Entry
from notify_http.faults import Problem, below, refuse
from notify_http.reply import BalanceReply, SendReply
from notify_http.request import RequestSettings


class SendSettings(Strict):
    """How a message is submitted."""

    request: RequestSettings
    """What is asked."""
    reply: SendReply
    """How the answer is read."""


class BalanceSettings(Strict):
    """How the credit is asked for."""

    request: RequestSettings
    """What is asked. It can use all names but those of a message."""
    reply: BalanceReply
    """How the answer is read."""


class HttpSettings(AccountSettings):
    """An account at a simple HTTP gateway."""

    user: str = ""
    """The account's name, for templates."""
    password: SecretStr = SecretStr("")
    """The account's password, for templates. Shown nowhere."""
    sender: str = ""
    """The sender's number or name, for templates."""
    named_secrets: dict[str, SecretStr] = Field(default_factory=dict, alias="secrets")
    """Keys and tokens by name, for templates: {{ secrets.app_key }}. Shown nowhere."""
    country: str = ""
    """The country code (86) that all recipients must have: numbers elsewhere are refused, the others go on."""
    send: SendSettings
    """How a message is submitted, and how the answer is read."""
    balance: BalanceSettings | None = None
    """How the credit is asked for, where the gateway tells it."""
    codes: dict[str, Entry] = Field(default_factory=dict)
    """What the gateway's error codes mean. A code ending in * stands for all that begin so."""

    @field_validator("country")
    @classmethod
    def _calling_code(cls, country: str) -> str:
        if not re.fullmatch(r"([1-9]\d{0,2})?", country, re.ASCII):
            raise ValueError("expected the digits of a country code, such as 86")
        return country

    @model_validator(mode="after")
    def _rehearsed(self) -> HttpSettings:
        """Try the requests out with the account's own values: what cannot work is a fault where it stands."""
        sending = rehearsal.of_send(self.send.request, self.fixed, several=self.max_recipients > 1)
        problems = below(("send", "request"), [*self._insecure(self.send.request), *sending])
        if self.balance is not None:
            asking = rehearsal.of_balance(self.balance.request, self.fixed)
            problems += below(("balance", "request"), [*self._insecure(self.balance.request), *asking])
        refuse(problems)
        return self

    def _insecure(self, request: RequestSettings) -> list[Problem]:
        parts = urlsplit(request.path.source)
        if parts.scheme != "http" or self.allow_insecure or is_loopback(parts.hostname or ""):
            return []
        return [(("path",), "http:// would send the password in clear; use https://, or set allow_insecure: true")]

    @cached_property
    def fixed(self) -> dict[str, object]:
        """What templates may use of the account."""
        return {
            "user": self.user,
            "password": self.password.get_secret_value(),
            "sender": self.sender,
            "country": self.country,
            "secrets": {name: secret.get_secret_value() for name, secret in self.named_secrets.items()},
        }
