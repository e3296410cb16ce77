"""The transport that a contract test is about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from notify_core.config import Config, from_mapping
from notify_core.names import provider_of
from notify_core.notifier import Notifier
from notify_core.plugins import load, load_module
from notify_core.settings import AccountSettings
from notify_core.testing.cases import Case
from notify_core.testing.privacy import Privacy

ACCOUNT = "contract"
"""The name of the account that the transport works for."""

_NOWHERE = "http://127.0.0.1:1"
_PATIENCE = {"connect_timeout": "10s", "read_timeout": "10s"}


class Subject:
    """A transport by its name, its module where it is not installed, an account's settings, and its table.

    What derives from them is made once: making all of it for each of a few hundred tests would take most of their time.
    """

    def __init__(self, name: str, module: str, settings: Mapping[str, Any], cases: Sequence[Case]) -> None:
        self.name = name
        self.path = f"{ACCOUNT}.{name.rpartition('.')[2]}"
        self._module = module
        self._settings = settings
        self._cases = cases

    @cached_property
    def plugin(self) -> Any:
        """The plugin, imported."""
        return load_module(self._module) if self._module else load(self.name)

    @property
    def package(self) -> str:
        """The package, or the lone module, that the plugin lives in."""
        return str(self.plugin.__name__).partition(".")[0]

    @cached_property
    def hooks(self) -> frozenset[str]:
        """The hooks that it implements. Raises ``ConfigError`` for one that is not specified."""
        return frozenset(self._config.plugins.transports[self.name].hooks)

    @property
    def account(self) -> AccountSettings:
        """The account's settings, validated."""
        return self._config.accounts[ACCOUNT]

    @cached_property
    def privacy(self) -> Privacy:
        """What must not be seen of the account and of the table."""
        return Privacy(self.account.secrets(), self._cases)

    def fields(self) -> Iterator[tuple[str, FieldInfo]]:
        """Every setting of its accounts, those of blocks inside too, by model and name."""
        return _fields(type(self.account))

    def configuration(self, url: str, **settings: Any) -> dict[str, Any]:
        """A configuration with one account at ``url``, in the shape of the YAML; ``settings`` go over its own."""
        provider = provider_of(self.name)
        account = {"provider": provider, "base_url": url, **_PATIENCE, **self._settings, **settings}
        configuration: dict[str, Any] = {"accounts": {ACCOUNT: account}, "routes": {"default": [self.path]}}
        return configuration | ({"transports": {self.name: self._module}} if self._module else {})

    def notifier(self, url: str, **settings: object) -> Notifier:
        """A notifier with that account at ``url``; ``settings`` (validated ones) go over its own."""
        account = self.account.model_copy(update={"base_url": url, **settings})
        for derived in vars(account).keys() - type(account).model_fields.keys():
            del vars(account)[derived]  # cached properties, which may derive from what is changed
        return Notifier(replace(self._config, accounts={ACCOUNT: account}))

    @cached_property
    def _config(self) -> Config:
        return from_mapping(self.configuration(_NOWHERE))


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        yield f"{model.__name__}.{name}", field
        for nested in _models_in(field.annotation):
            yield from _fields(nested)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
