"""What every account has, and the types that plugins declare their own settings with.

A plugin subclasses ``AccountSettings`` once for all its transports. The YAML's checking, the error texts, the redaction
of secrets, the generated reference and the JSON Schema all derive from that one model.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    PlainSerializer,
    SecretStr,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

__all__ = [
    "AccountSettings",
    "CreditSettings",
    "Duration",
    "Limit",
    "PullSettings",
    "PushSettings",
    "SecretStr",
    "Strict",
    "Token",
    "address_problem",
    "file_name",
    "is_loopback",
    "named_file",
]

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _seconds(value: object) -> object:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, str):
        if not (match := _DURATION.fullmatch(value.strip())):
            raise ValueError("expected a duration such as 500ms, 10s, 3m, 2h or 1d")
        return float(match[1]) * _UNITS[match[2]]
    return value


def _spelled(seconds: float) -> str:
    unit = next((u for u in ("d", "h", "m", "s") if seconds >= _UNITS[u] and not seconds % _UNITS[u]), "ms")
    return f"{seconds / _UNITS[unit]:g}{unit}"


Duration = Annotated[
    float,
    BeforeValidator(_seconds),
    Field(gt=0),
    PlainSerializer(_spelled, return_type=str),
    WithJsonSchema({"type": "string", "pattern": rf"^{_DURATION.pattern}$", "examples": ["500ms", "10s", "3m", "1d"]}),
]
"""A time span in the YAML (``10s``, ``3m``, ``1d``): a float of seconds in Python."""


def named_file(name: str, directory: Path | None = None) -> Path:
    """The file of that name, absolute: ``~`` is the home directory, what is relative stands in ``directory``.

    Without a directory that is the current one.
    """
    return (directory or Path()).absolute() / os.path.expanduser(name)  # noqa: PTH111 - Path raises for an unknown home


def file_name(*words: str) -> Any:
    """The mark of a setting that names a file, to stand in its ``Annotated[str, …]``: the model has the absolute path.

    A relative name begins in the directory of the YAML file, or in the current one where there is none. ``words`` name
    no files and stay as they are.
    """

    def absolute(name: str, where: ValidationInfo) -> str:
        return name if name in words else str(named_file(name, (where.context or {}).get("directory")))

    return AfterValidator(absolute)


class Strict(BaseModel):
    """A frozen block of the YAML in which an unknown key is a fault and no error repeats a value."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        coerce_numbers_to_str=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _absent_where_empty(cls, block: Any) -> Any:
        """A key with nothing behind it is as good as absent: its default holds, or it is missing."""
        return {key: value for key, value in block.items() if value is not None} if isinstance(block, dict) else block


class Limit(Strict):
    """At most ``count`` messages within a sliding span, for one recipient or for the whole account."""

    per: Literal["recipient", "account"]
    """What is counted: the messages to one number, or all of the account's."""
    count: int = Field(ge=1)
    """How many may leave within the span."""
    within: Duration
    """The span."""
    containing: str = ""
    """Count only messages whose text contains this (such as 验证码)."""


class PullSettings(Strict):
    """How a worker fetches what waits at the gateway. What is handed out to one reader is gone for all others."""

    reports: Duration | None = None
    """How often delivery reports are fetched; without it they are not."""
    inbound: Duration | None = None
    """How often messages from subscribers are fetched; without it they are not."""
    batch: int = Field(default=4000, ge=1)
    """How many reports one request asks for, where the gateway takes a number."""

    @model_validator(mode="after")
    def _of_something(self) -> Self:
        if self.reports is None and self.inbound is None:
            raise ValueError("say how often: a span such as 30s, or a block with `reports:`, `inbound:` or both")
        return self


def _both(value: object) -> object:
    """One span stands for both kinds."""
    return {"reports": value, "inbound": value} if isinstance(value, str | timedelta) else value


_SHORTEST_TOKEN = 16
_IN_ADDRESS = re.compile(r"[A-Za-z0-9._~-]+")


def _token(word: SecretStr) -> SecretStr:
    if len(word) < _SHORTEST_TOKEN:
        raise ValueError(f"expected {_SHORTEST_TOKEN} characters or more, such as `openssl rand -hex 16` makes")
    if not _IN_ADDRESS.fullmatch(word.get_secret_value()):
        raise ValueError("expected letters, digits and - . _ ~ only, for it stands in addresses and headers")
    return word


Token = Annotated[
    SecretStr,
    AfterValidator(_token),
    WithJsonSchema({"type": "string", "format": "password", "writeOnly": True, "minLength": _SHORTEST_TOKEN}),
]
"""An unguessable word that lets in whoever knows it."""


class PushSettings(Strict):
    """Who may push reports and inbound messages to `notify serve`, at /push/{account}/{token}."""

    tokens: tuple[Token, ...] = Field(min_length=1)
    """Unguessable words of 16 characters or more, such as `openssl rand -hex 16` makes; each of them is valid."""
    allow: tuple[IPvAnyNetwork, ...] = ()
    """The addresses and networks that may push, such as 203.0.113.0/24; without them any may that knows a token."""


class CreditSettings(Strict):
    """When an account's credit is looked at, and from where it is low."""

    every: Duration | None = None
    """How often a worker asks for the balance; without it the credit is known from replies only."""
    low: Decimal | None = None
    """The units (the provider's own) below which `balance_low` is told."""
    low_days: float | None = Field(default=None, gt=0)
    """The same in days: `balance_low` is told when the credit lasts less long at the pace of recent traffic."""


class AccountSettings(Strict):
    """An account at a provider: credentials, address, signature, limits."""

    provider: str
    """The family of plugins that speaks to the gateway, such as ipyy."""
    allow_insecure: bool = False
    """Allow http:// to a host that is not this machine. Passwords then travel in clear."""
    base_url: str
    """The gateway's address, with https://."""
    signature: str = ""
    """The signature 【…】 that the gateway wants, with or without its brackets; appended where a text has none."""
    limits: tuple[Limit, ...] = ()
    """The provider's limits, kept before anything is sent. Without a store they hold within one process."""
    max_recipients: int = Field(default=500, ge=1)
    """The most recipients of one submission; a longer list leaves in several."""
    max_segments: int = Field(default=15, ge=1, le=255)
    """The longest text, in segments, that leaves by this account."""
    segment_alphabet: Literal["ucs2", "gsm7"] = "ucs2"
    """How the provider counts segments: always 70/67 characters, or 160/153 where GSM-7 can write the text."""
    connect_timeout: Duration = 3.0
    """How long a connection may take to be made: the look-up of the name, all addresses that it has, TLS."""
    read_timeout: Duration = 30.0
    """How long the gateway may take to read the request, and then to answer; after that the message is in doubt."""
    keep_alive: Duration = 4.0
    """How long an idle connection is kept. Shorter than the gateway keeps it, so that none is found cut."""
    connections: int = Field(default=64, ge=1)
    """The most connections that are kept open for the next message."""

    pull: Annotated[PullSettings, BeforeValidator(_both)] | None = None
    """Fetch reports and inbound messages in the worker: a span such as 30s, or a block. Needs a store."""
    push: PushSettings | None = None
    """Take reports and inbound messages that the gateway pushes to `notify serve`. Needs a store."""
    credit: CreditSettings = CreditSettings()
    """How the balance is watched."""
    opt_out_words: tuple[str, ...] = ("退订", "TD", "T", "N", "0000")
    """An inbound message that says one of these, in either case, puts its sender on the account's opt-out list."""

    @field_validator("signature")
    @classmethod
    def _without_brackets(cls, signature: str) -> str:
        signature = signature.strip().removeprefix("【").removesuffix("】")
        if "【" in signature or "】" in signature:
            raise ValueError("expected one name, with or without its brackets 【】")
        return signature

    @field_validator("base_url")
    @classmethod
    def _secure_address(cls, base_url: str, others: ValidationInfo) -> str:
        allowed = others.data.get("allow_insecure", False)
        if problem := address_problem(base_url, "" if allowed else _IN_CLEAR):
            raise ValueError(problem)
        return base_url.rstrip("/")

    def secrets(self) -> tuple[str, ...]:
        """The values that appear in no log, error or record: every ``SecretStr`` of the model."""
        return tuple(_secrets(self))


def _secrets(value: object) -> Iterator[str]:
    """Every secret in a setting's value, however deep."""
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for _, inner in value:
            yield from _secrets(inner)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _secrets(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from _secrets(inner)


_IN_CLEAR = "http:// would send the password in clear; use https://, or set allow_insecure: true"


def address_problem(address: str, insecure: str) -> str:
    """What is wrong with an address, or nothing. ``insecure`` says it of http:// to other machines; empty allows it."""
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError as error:
        return f"not an address: {error}"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "expected an address such as https://sh2.ipyy.com"
    if parts.username or parts.password or parts.query or parts.fragment:
        return "expected an address without credentials, query or fragment"
    return insecure if parts.scheme == "http" and not is_loopback(parts.hostname) else ""


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
