"""The YAML that users write, read into frozen settings. All faults of a file are reported at once."""

from __future__ import annotations

import os
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Annotated, Any, Literal, TypeVar, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
    WithJsonSchema,
    create_model,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from notify_core.errors import ConfigError, Fault, MissingExtra, nearest
from notify_core.names import account_of, provider_of
from notify_core.plugins import CAPABILITIES, PluginError, Plugins, assemble, installed, load, load_module
from notify_core.settings import AccountSettings, Duration, Strict, Token, address_problem
from notify_core.templates import Templates
from notify_core.yaml import Document, Place, read

Model = TypeVar("Model", bound=BaseModel)


_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


def _spans(hours: str) -> str:
    found = _HOURS.fullmatch(hours)
    if not found:
        raise ValueError("expected two times of the day such as 21:00-08:00")
    if found.groups()[:2] == found.groups()[2:]:
        raise ValueError("the two times must differ: expected a span such as 21:00-08:00")
    try:
        ZoneInfo("Asia/Shanghai")
    except ZoneInfoNotFoundError:
        raise ValueError("this machine has no table of time zones: pip install tzdata") from None
    return hours


QuietHours = Annotated[
    str, AfterValidator(_spans), WithJsonSchema({"type": "string", "pattern": f"^{_HOURS.pattern}$"})
]
"""A span of the day, ``21:00-08:00``, which may go over midnight."""


def _listed(value: object) -> object:
    if isinstance(value, list | tuple):
        return {"paths": value}
    if isinstance(value, Mapping | RouteSettings):
        return value
    raise ValueError("expected a list of paths such as [clinic.json], or a block that begins with `paths:`")


class RouteSettings(Strict):
    """A named, ordered list of paths, and how it is walked."""

    paths: tuple[str, ...] = Field(min_length=1)
    """The paths, written account.dialect, in the order in which they are tried."""
    strategy: Literal["ordered", "weighted"] = "ordered"
    """ordered: always from the first. weighted: the first is drawn by weight, the others follow as failover."""
    weights: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """One weight for each path, for strategy: weighted."""
    deadline: Duration | None = None
    """How long the whole walk may take, failover included."""
    in_doubt: Literal["hold", "failover"] = "hold"
    """hold: a message in doubt is not sent again. failover: it is, and may arrive (and be billed) twice."""
    attempts: int = Field(default=5, ge=1)
    """How often a worker walks the route for a message that surely was not sent. Needs a store, as all that follows."""
    expires: Duration | None = None
    """The time after which a message that has not left is not sent any more, counted from when it was enqueued."""
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    """Which messages leave first: those of the higher number."""
    transactional: bool = False
    """Send to recipients who opted out too: for codes and appointments, never for advertising."""
    wipe_texts: Literal["never", "final"] = "never"
    """final: the text is removed from the store once nothing can become of the message any more."""
    quiet_hours: QuietHours | None = None
    """Hours, such as 21:00-08:00 by the recipient's own clock, in which nothing leaves: it waits for their end."""
    schedule: Literal["provider", "local"] = "provider"
    """Who holds a message with a time to leave. provider: the gateway. local: the outbox, where it can be cancelled."""

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The block, or the list of its paths alone."""
        block = handler(schema)
        paths = handler.resolve_ref_schema(block)["properties"]["paths"]
        return {"anyOf": [paths, block]}


def _addressed(value: object) -> object:
    if isinstance(value, str):
        return {"url": value}
    if isinstance(value, Mapping | StoreSettings):
        return value
    raise ValueError("expected an address such as sqlite:///notify.db, or a block that begins with `url:`")


class StoreSettings(Strict):
    """Where messages and what became of them are kept: SQLite for one machine, PostgreSQL for any number."""

    url: SecretStr
    """The address, such as sqlite:///notify.db or postgresql+psycopg://user:password@host/database."""
    synchronous: Literal["full", "normal"] = "full"
    """SQLite only. full: what is committed is on the disk. normal: faster; a power cut may lose or repeat a message."""

    @field_validator("url")
    @classmethod
    def _usable(cls, url: SecretStr) -> SecretStr:
        kind = url.get_secret_value().partition(":")[0]
        if kind not in _NEEDS:
            raise ValueError(
                "expected sqlite:///notify.db or postgresql+psycopg://user@host/database"
                f"{nearest(kind, _NEEDS) if kind.isidentifier() else ''}"
            )
        if kind == "sqlite" and not url.get_secret_value().startswith("sqlite:///"):
            raise ValueError("expected three slashes before the file's name: sqlite:///notify.db")
        for extra, package, module in _NEEDS[kind]:
            if find_spec(module) is None:
                raise ValueError(str(MissingExtra(extra, package)))
        return url

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The block, or its address alone."""
        block = handler(schema)
        url = handler.resolve_ref_schema(block)["properties"]["url"]
        return {"anyOf": [url, block]}


_SQLALCHEMY = (("store", "SQLAlchemy", "sqlalchemy"), ("store", "alembic", "alembic"))
_POSTGRESQL = (*_SQLALCHEMY, ("postgres", "psycopg", "psycopg"))
_NEEDS = {"sqlite": _SQLALCHEMY, "postgresql": _POSTGRESQL, "postgresql+psycopg": _POSTGRESQL}
"""What an address needs, by how it begins: the extra, the package and its module."""


Event = Literal["reported", "received", "balance_low", "balance_recovered"]
"""What a webhook can be told."""


_IN_CLEAR = "http:// would show phone numbers and texts to the network; use https://"
_KEY = "expected whsec_ and base64 of 24 to 64 bytes, such as `echo whsec_$(openssl rand -base64 32)` makes"


def _signing_key(secret: SecretStr) -> SecretStr:
    try:
        length = len(key_of(secret))
    except ValueError:
        length = 0
    if not 24 <= length <= 64 or not secret.get_secret_value().startswith(_PREFIX):
        raise ValueError(_KEY)
    return secret


_PREFIX = "whsec_"


def key_of(secret: SecretStr) -> bytes:
    """The bytes with which a webhook's messages are signed (standardwebhooks.com, "Signature scheme")."""
    return b64decode(secret.get_secret_value().removeprefix(_PREFIX), validate=True)


class WebhookSettings(Strict):
    """An address of the application's that is told what happens, signed by the rules of standardwebhooks.com."""

    url: str
    """The address, with https://; http:// to this machine only."""
    secrets: tuple[Annotated[SecretStr, AfterValidator(_signing_key)], ...] = Field(min_length=1)
    """Keys of the signature, as whsec_ and base64 of 24 to 64 bytes. Several while one replaces another."""
    events: tuple[Event, ...] = get_args(Event)
    """What it is told."""
    accounts: tuple[str, ...] = ()
    """Of which accounts it is told; all of them where none is named."""
    timeout: Duration = 10.0
    """How long it may take to answer; any status 2xx means that it has it."""
    expires: Duration = 259200.0
    """How long an event is offered again and again (3d) before it is given up."""

    @field_validator("url")
    @classmethod
    def _private_address(cls, url: str) -> str:
        address, _, query = url.partition("?")
        if problem := address_problem(address, _IN_CLEAR):
            raise ValueError(problem)
        if "#" in query:
            raise ValueError("expected an address without fragment")
        return url


class ServerSettings(Strict):
    """What `notify serve` offers beside the addresses for pushes."""

    tokens: tuple[Token, ...] = ()
    """Who knows one of these may use the API, the dashboard and the metrics. Without them only pushes are served."""
    proxies: tuple[IPvAnyNetwork, ...] = ()
    """Reverse proxies whose X-Forwarded-For is believed."""


class FileSettings(Strict):
    """A configuration file."""

    default_region: str = ""
    """How to read a number without + and country code (ISO 3166, such as CN). Without it such numbers are refused."""
    accounts: dict[str, Any] = Field(min_length=1)
    """Credentials at providers, by the name that paths use."""
    routes: dict[str, Annotated[RouteSettings, BeforeValidator(_listed)]] = Field(default_factory=dict)
    """Ordered lists of paths, by name. `default` is used where none is named."""
    store: Annotated[StoreSettings, BeforeValidator(_addressed)] | None = None
    """The store (an address, or a block): messages can be enqueued then, and what is sent is recorded."""
    webhooks: dict[str, WebhookSettings] = Field(default_factory=dict)
    """Addresses of applications that are told of reports, inbound messages and low balances, by name. Need a store."""
    server: ServerSettings = ServerSettings()
    """What `notify serve` offers, and to whom."""
    templates: dict[str, str] = Field(default_factory=dict)
    """Named texts with {{ values }}, in Jinja2."""
    transports: dict[str, str] = Field(default_factory=dict)
    """Transports that are not installed as entry points: provider.dialect, and the dotted name of the module."""
    plugins: tuple[str, ...] = ()
    """Dotted names of modules with wrappers around send, or listeners to events."""

    @field_validator("default_region")
    @classmethod
    def _known_region(cls, region: str) -> str:
        from phonenumbers import SUPPORTED_REGIONS

        if region and region not in SUPPORTED_REGIONS:
            raise ValueError(
                f"expected two capital letters by ISO 3166, such as CN{nearest(region.upper(), SUPPORTED_REGIONS)}"
            )
        return region


@dataclass(frozen=True, kw_only=True)
class Config:
    """A configuration that can work: every name in it is known, every setting has its type, every route is bound.

    ``file`` and ``lines`` (of each account) say where it stands, for faults that show later.
    """

    default_region: str
    accounts: Mapping[str, AccountSettings] = field(repr=False)
    routes: Mapping[str, RouteSettings]
    templates: Templates = field(repr=False)
    plugins: Plugins = field(repr=False)
    store: StoreSettings | None = None
    webhooks: Mapping[str, WebhookSettings] = field(default_factory=dict)
    server: ServerSettings = field(default_factory=ServerSettings)
    file: str
    lines: Mapping[str, int] = field(repr=False)

    def targets(self, account: str) -> dict[str, list[str]]:
        """By event, the webhooks that are told of it where ``account`` (or a path of it) is concerned."""
        named = account if account in self.accounts else account_of(account)
        wanting = {name: each for name, each in self.webhooks.items() if named in (each.accounts or (named,))}
        return {event: [name for name, each in wanting.items() if event in each.events] for event in get_args(Event)}

    def unbound(self, account: str, path: str, problem: str) -> ConfigError:
        """The error for a path that no route uses and that cannot be used, at its account."""
        fault = Fault(self.file, self.lines.get(account, 0), f"accounts.{account}", _unbound(path, problem))
        return ConfigError([fault])


def _unbound(path: str, problem: str) -> str:
    return f"{path} cannot be used: {problem}"


def load_config(path: str | os.PathLike[str], *, others: tuple[object, ...] = ()) -> Config:
    """Read and check a configuration file; ``others`` are wrappers and listeners of the application's own.

    Raises ``ConfigError`` with every fault of the file.
    """
    return _Check(read(path)).config(others)


def from_mapping(data: Mapping[str, Any], *, others: tuple[object, ...] = ()) -> Config:
    """The same from a mapping as the YAML would give it. Raises ``ConfigError``; its faults have no lines."""
    return _Check(Document("configuration", data=_keyed(data))).config(others)


def _keyed(value: Any) -> Any:
    """Mappings with their keys as text, as YAML gives them, all the way down."""
    if isinstance(value, Mapping):
        return {str(key): _keyed(inner) for key, inner in value.items()}
    return [_keyed(inner) for inner in value] if isinstance(value, list | tuple) else value


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the file for editors, with the settings of every installed transport."""
    models = {provider_of(name): _model(load(name), name) for name in installed() if "." in name}
    accounts: Any = tuple(_tagged(provider, model) for provider, model in sorted(models.items()))
    union: Any = accounts[0]
    for model in accounts[1:]:
        union = union | model
    file = create_model("NotifyConfiguration", __base__=FileSettings, accounts=(dict[str, union], Field(min_length=1)))
    schema: dict[str, Any] = _referable(file.model_json_schema())
    return schema


_REFERENCE = {"type": "string", "pattern": r"\$\{.+\}"}
"""``${NAME}``, ``${NAME:-default}``, ``${file:/run/secrets/ipyy}``, which may stand for any value."""


def _referable(shape: Any) -> Any:
    """A JSON Schema in which a reference may stand wherever not every text may."""
    if isinstance(shape, list):
        return [_referable(each) for each in shape]
    if not isinstance(shape, dict):
        return shape
    inner = {key: _referable(value) for key, value in shape.items()}
    if not _is_narrow(inner):
        return inner
    about = {key: inner.pop(key) for key in ("title", "description", "default", "examples") if key in inner}
    return {**about, "anyOf": [inner, _REFERENCE]}


def _is_narrow(shape: Mapping[str, Any]) -> bool:
    """Whether some texts do not fit; a mapping of properties by their names is no shape itself."""
    texts = (("pattern", str), ("enum", list), ("minLength", int))
    narrowed = any(isinstance(shape.get(key), kind) for key, kind in texts)
    return narrowed or shape.get("type") in ("integer", "number", "boolean")


def _tagged(provider: str, model: type[AccountSettings]) -> type[BaseModel]:
    """The model of one provider's accounts, recognised by the word in ``provider:``."""
    word: Any = Literal[provider]
    return create_model(model.__name__, __base__=model, provider=(word, Field(description="The provider.")))


def _model(plugin: Any, name: str) -> type[AccountSettings]:
    try:
        model = plugin.settings()
    except AttributeError:
        raise PluginError(f"{name}: the plugin has no hook `settings`") from None
    if not (isinstance(model, type) and issubclass(model, AccountSettings)):
        raise PluginError(f"{name}: the hook `settings` must return a subclass of AccountSettings")
    return model


class _Check:
    """Walks one document, noting every fault, and makes the configuration where there is none."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._modules: dict[str, Any] = {}

    def config(self, others: tuple[object, ...]) -> Config:
        file = self._validated(FileSettings, self._document.data, ())
        accounts = self._accounts(self._mapping("accounts"), self._mapping("transports"))
        templates = self._templates(self._mapping("templates"))
        modules = self._listeners(file.plugins if file else ())
        plugins = self._assembled((*modules, *others))
        routes = self._routes()
        self._check_routes(routes)
        if plugins is not None:
            self._bind(routes, accounts, plugins)
            self._check_duties(accounts, plugins)
        self._check_webhooks()
        self._check_store(accounts, routes)
        if self._document.faults or file is None or templates is None or plugins is None:
            raise ConfigError(self._document.faults)
        return Config(
            default_region=file.default_region,
            accounts=accounts,
            routes=file.routes,
            templates=templates,
            plugins=plugins,
            store=file.store,
            webhooks=file.webhooks,
            server=file.server,
            file=self._document.file,
            lines={name: self._document.lines.get(("accounts", name), 0) for name in accounts},
        )

    def _mapping(self, key: str) -> dict[str, Any]:
        value = self._document.data.get(key)
        return value if isinstance(value, dict) else {}

    def _accounts(self, accounts: dict[str, Any], dotted: dict[str, Any]) -> dict[str, AccountSettings]:
        for name, module in dotted.items():
            place: Place = ("transports", name)
            if not all(name.rpartition(".")[::2]):
                self._document.fault(place, "expected a name such as acme.rest: provider, dot, dialect")
            elif isinstance(module, str):
                self._import(name, module, place)
        checked = {name: self._account(name, block, dotted) for name, block in accounts.items()}
        return {name: account for name, account in checked.items() if account is not None}

    def _account(self, name: str, block: Any, dotted: dict[str, Any]) -> AccountSettings | None:
        place: Place = ("accounts", name)
        if "." in name:
            self._document.fault(place, "an account's name has no dot: a path is written account.dialect")
        if not isinstance(block, dict) or not isinstance(block.get("provider"), str):
            self._document.fault(place, "expected a block of settings that begins with `provider:`")
            return None
        model = self._account_model(block["provider"], (*place, "provider"), dotted)
        if model is None:
            known = {key: value for key, value in block.items() if key in AccountSettings.model_fields}
            self._validated(AccountSettings, known, place)
            return None
        return self._validated(model, block, place)

    def _account_model(self, provider: str, place: Place, dotted: dict[str, Any]) -> type[AccountSettings] | None:
        """The model of a provider's accounts, as its transports tell it."""
        modules = self._provider(provider, place, dotted)
        try:
            models = {_model(module, transport) for transport, module in modules.items()}
        except PluginError as error:
            self._document.fault(place, str(error))
            return None
        if len(models) > 1:
            self._document.fault(place, "its transports disagree about the model of an account")
            return None
        return models.pop() if models else None

    def _provider(self, provider: str, place: Place, dotted: dict[str, Any]) -> dict[str, Any]:
        """The transports of a provider, imported."""
        known = {*dotted, *(name for name in installed() if "." in name)}
        names = sorted(name for name in known if provider_of(name) == provider)
        if not names:
            providers = {provider_of(name) for name in known}
            self._document.fault(place, f"no plugin speaks to {provider!r}{nearest(provider, providers)}")
        for name in names:
            if name not in dotted and name not in self._modules:
                self._import(name, "", place)
        return {name: self._modules[name] for name in names if name in self._modules}

    def _import(self, name: str, dotted: str, place: Place) -> None:
        try:
            self._modules[name] = load_module(dotted) if dotted else load(name)
        except PluginError as error:
            self._document.fault(place, str(error))

    def _templates(self, texts: dict[str, Any]) -> Templates | None:
        for name, text in texts.items():
            try:
                Templates({name: str(text)})
            except ValueError as error:
                self._document.fault(("templates", name), str(error))
        return None if self._document.faults else Templates({name: str(text) for name, text in texts.items()})

    def _listeners(self, dotted: tuple[str, ...]) -> list[Any]:
        found = [load(name) for name in installed() if "." not in name]
        for number, name in enumerate(dotted):
            try:
                found.append(load_module(name))
            except PluginError as error:
                self._document.fault(("plugins", number), str(error))
        return found

    def _assembled(self, others: tuple[object, ...]) -> Plugins | None:
        try:
            return assemble(self._modules, others)
        except PluginError as error:
            self._document.fault(("plugins",), str(error))
            return None

    def _routes(self) -> dict[str, RouteSettings]:
        """The routes that can be read, whatever is wrong with the others and elsewhere in the file."""
        found = {}
        for name, block in self._mapping("routes").items():
            with suppress(ValueError):  # told already, by the model of the file
                found[name] = RouteSettings.model_validate(_listed(block))
        return found

    def _check_routes(self, routes: Mapping[str, RouteSettings]) -> None:
        blocks = self._mapping("accounts")
        for name, route in routes.items():
            place = self._paths_of(name)
            for number, path in enumerate(route.paths):
                if problem := self._path_problem(path, blocks):
                    self._document.fault((*place, number), problem)
            self._check_weights(route, ("routes", name))
            if len(set(route.paths)) < len(route.paths):
                self._document.fault(place, "a path stands twice; each is tried once")

    def _paths_of(self, route: str) -> Place:
        listed = isinstance(self._mapping("routes")[route], list | tuple)
        return ("routes", route) if listed else ("routes", route, "paths")

    def _bind(
        self, routes: Mapping[str, RouteSettings], accounts: Mapping[str, AccountSettings], plugins: Plugins
    ) -> None:
        """Let each path of the routes load and check what sending needs; a fault stands where the path does first."""
        places: dict[str, Place] = {}
        for name, route in routes.items():
            for number, path in enumerate(route.paths):
                places.setdefault(path, (*self._paths_of(name), number))
        unread = {place[1] for place in self._document.spoilt if place[:1] == ("accounts",) and len(place) > 1}
        for path, place in places.items():
            account, _, dialect = path.rpartition(".")
            if account in accounts and account not in unread:
                transport = plugins.transports.get(f"{accounts[account].provider}.{dialect}")
                if transport and (problem := transport.bind(account, accounts[account])):
                    self._document.fault(place, _unbound(path, problem))

    def _check_duties(self, accounts: Mapping[str, AccountSettings], plugins: Plugins) -> None:
        """What an account wants to be done needs a transport of its provider that can do it."""
        for name, account in accounts.items():
            own = [each for each in plugins.transports.values() if each.provider == account.provider]
            able = {hook for transport in own for hook in transport.hooks}
            for key, hook in _duties(account):
                if own and hook not in able:
                    self._document.fault(
                        ("accounts", name, *key), f"no transport of {account.provider} can {CAPABILITIES[hook]}"
                    )

    def _check_webhooks(self) -> None:
        accounts = self._mapping("accounts")
        for name, webhook in self._mapping("webhooks").items():
            if name in ("", "listeners"):  # the store and the metrics would take it for the listeners of a worker
                self._document.fault(("webhooks", name), "needs another name: this one is that of the listeners")
            named = webhook.get("accounts") if isinstance(webhook, dict) else None
            for number, account in enumerate(named if isinstance(named, list | tuple) else ()):
                if account not in accounts:
                    words = f"no account {account!r}{nearest(str(account), accounts)}"
                    self._document.fault(("webhooks", name, "accounts", number), words)

    def _check_store(self, accounts: Mapping[str, AccountSettings], routes: Mapping[str, RouteSettings]) -> None:
        """What is fetched, taken, told and held until its time is kept first."""
        if self._document.data.get("store") is not None:
            return
        wanting = {("accounts", name, key[0]) for name, each in accounts.items() for key, *_ in _duties(each)}
        wanting |= {("routes", name, "schedule") for name, each in routes.items() if each.schedule == "local"}
        for place in [*sorted(wanting), *([("webhooks",)] if self._mapping("webhooks") else [])]:
            self._document.fault(place, "needs a store: add `store: sqlite:///notify.db`, or one on PostgreSQL")

    def _path_problem(self, path: str, accounts: dict[str, Any]) -> str:
        account, _, dialect = path.rpartition(".")
        if not account:
            return f"expected a path such as clinic.json (account, dot, dialect); found {path!r}"
        if account not in accounts:
            return f"no account {account!r}{nearest(account, accounts)}"
        provider = accounts[account].get("provider") if isinstance(accounts[account], dict) else None
        dialects = {name.rpartition(".")[2] for name in self._modules if provider_of(name) == provider}
        if dialects and dialect not in dialects:
            return f"{provider} has no transport {dialect!r}{nearest(dialect, dialects)}"
        return ""

    def _check_weights(self, route: RouteSettings, place: Place) -> None:
        if route.strategy == "weighted" and len(route.weights) != len(route.paths):
            found = f"{len(route.paths)} paths and {len(route.weights)} weights"
            self._document.fault((*place, "weights"), f"expected one weight for each path; found {found}")
        if route.strategy == "weighted" and route.weights and not any(route.weights):
            self._document.fault((*place, "weights"), "expected at least one weight above 0")
        if route.strategy == "ordered" and route.weights:
            self._document.fault((*place, "weights"), "weights need `strategy: weighted`")

    def _validated(self, model: type[Model], data: Any, place: Place) -> Model | None:
        try:
            return model.model_validate(data, context={"directory": self._document.directory})
        except ValidationError as error:
            faults = error.errors(include_url=False, include_context=False)
            within = {tuple(each["loc"][:-1]) for each in faults}
            for found in faults:
                inner = tuple(found["loc"])
                if found["type"] == "too_short" and inner in within:
                    continue  # its entries are there, and wrong
                message = _sentence(model, inner, found["type"], found["msg"])
                shown = "" if _is_secret(model, inner) else self._found((*place, *inner), found["type"])
                self._document.fault((*place, *inner), message + shown)
            return None

    def _found(self, place: Place, kind: str) -> str:
        """The value that is wrong, where it may be shown: it is written in the file itself."""
        if kind in ("missing", "extra_forbidden") or place not in self._document.written:
            return ""
        value: Any = self._document.data
        for step in place:
            value = value[step]
        return f"; found {_IN_ADDRESS.sub('***', value)!r}"


def _duties(account: AccountSettings) -> Iterator[tuple[Place, str]]:
    """What an account's settings want beside sending: where they say so, and the hook that it takes."""
    if account.pull and account.pull.reports is not None:
        yield ("pull", "reports"), "status"
    if account.pull and account.pull.inbound is not None:
        yield ("pull", "inbound"), "inbound"
    if account.push:
        yield ("push",), "push"
    if account.credit.every is not None:
        yield ("credit", "every"), "balance"


# Where an address may hold a password that does not belong there: before the host, and in its query.
_IN_ADDRESS = re.compile(r"(?<=//)[^/]*(?=@)|(?<=[?#]).+", re.DOTALL)


_EXPECTED = {
    "int_parsing": "expected a whole number",
    "float_parsing": "expected a number",
    "bool_parsing": "expected true or false",
    "string_type": "expected text",
    "dict_type": "expected a block of `name: value` lines",
    "model_type": "expected a block of `name: value` lines",
    "tuple_type": "expected a list",
    "list_type": "expected a list",
}


def _sentence(model: type[BaseModel], inner: Place, kind: str, text: str) -> str:
    """Pydantic's finding in the words of this project: what was expected, and the nearest right name."""
    if kind == "missing":
        return f"is missing: {_description(model, inner)}"
    if kind == "extra_forbidden":
        return f"unknown key{nearest(str(inner[-1]), _fields(_model_at(model, inner[:-1])))}"
    if kind in ("too_short", "too_long"):
        return "expected at least one entry"
    return _EXPECTED.get(kind) or text.removeprefix("Value error, ").replace("Input should be", "expected")


def _description(model: type[BaseModel], inner: Place) -> str:
    field = _fields(_model_at(model, inner[:-1])).get(str(inner[-1]))
    return (field.description if field else "") or "give it a value"


def _is_secret(model: type[BaseModel], inner: Place) -> bool:
    """Whether the value at ``inner``, or one that it is a part of, is declared with a ``SecretStr``."""
    fields = (_fields(_model_at(model, inner[:depth])).get(str(step)) for depth, step in enumerate(inner))
    return any(field is not None and SecretStr in _named_in(field.annotation) for field in fields)


def _named_in(annotation: Any) -> Iterator[Any]:
    yield annotation
    for argument in get_args(annotation):
        yield from _named_in(argument)


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a block by the names that they have in the YAML."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _model_at(model: type[BaseModel], inner: Place) -> type[BaseModel]:
    """The model of the block at ``inner``: followed through the annotations of the fields on the way."""
    for step in inner:
        if isinstance(step, str) and (field := _fields(model).get(step)):
            model = next(_models_in(field.annotation), model)
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    return (each for each in _named_in(annotation) if isinstance(each, type) and issubclass(each, BaseModel))
