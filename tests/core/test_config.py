"""The configuration: what it may say, and each fault of it with its exact words."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import SecretStr

from notify_core import ConfigError, Notifier, Sms, plugins
from notify_core.config import Config, from_mapping, json_schema, load_config
from notify_core.hookspecs import hookimpl
from notify_core.settings import AccountSettings, is_loopback
from tests.core.conftest import TRANSPORTS
from tests.core.transports.wire import WireSettings

Load = Callable[[str], Config]

GOOD = """\
default_region: CN
transports:
  acme.json: tests.core.transports.wire
  acme.query: tests.core.transports.query
accounts:
  clinic:
    provider: acme
    base_url: https://gateway.invalid
    account: clinic-7
    password: sesame
routes:
  default: [clinic.json]
"""
"""A configuration that works; the tests change a line of it."""

ADDRESS = "expected an address such as https://sh2.ipyy.com"
NO_MODULE = "give the dotted name of a module on Python's path"
PATHS = "expected a list of paths such as [clinic.json], or a block that begins with `paths:`"
SPAN = "expected a duration such as 500ms, 10s, 3m, 2h or 1d"


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Loads a text as the file notify.yaml of the working directory."""
    monkeypatch.chdir(tmp_path)

    def loads(text: str) -> Config:
        (tmp_path / "notify.yaml").write_text(text, "utf-8")
        return load_config("notify.yaml")

    return loads


def refused(load: Load, text: str) -> list[str]:
    """The faults of a configuration, without the name of the file."""
    with pytest.raises(ConfigError) as caught:
        load(text)
    return [line.removeprefix("notify.yaml:").strip() for line in str(caught.value).splitlines()]


def changed(line: str) -> str:
    """The good configuration with ``line`` in the place of the one with the same key; a new one stands on line 11."""
    key = line.partition(":")[0]
    lines = GOOD.splitlines(keepends=True)
    number = next((number for number, each in enumerate(lines) if each.startswith(f"{key}:")), None)
    if number is None:
        lines.insert(10, line + "\n")
    else:
        lines[number] = line + "\n"
    return "".join(lines)


# --- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("    provider: acne", "7: accounts.clinic.provider: no plugin speaks to 'acne'; did you mean 'acme'?"),
        (
            "    base_url: http://gateway.invalid",
            (
                "8: accounts.clinic.base_url: http:// would send the password in clear; use https://, or set "
                "allow_insecure: true; found 'http://gateway.invalid'"
            ),
        ),
        ("    base_url: gateway", f"8: accounts.clinic.base_url: {ADDRESS}; found 'gateway'"),
        ("    base_url: ftp://gateway", f"8: accounts.clinic.base_url: {ADDRESS}; found 'ftp://gateway'"),
        ("    base_url: https://", f"8: accounts.clinic.base_url: {ADDRESS}; found 'https://'"),
        (
            "    base_url: https://clinic:sesame@gateway.invalid/?key=sesame",
            (
                "8: accounts.clinic.base_url: expected an address without credentials, query or fragment; "
                "found 'https://***@gateway.invalid/?***'"
            ),
        ),
        (
            "    base_url: https://gateway:port",
            (
                "8: accounts.clinic.base_url: not an address: Port could not be cast to integer value as 'port'; "
                "found 'https://gateway:port'"
            ),
        ),
        ("    base_url:", "8: accounts.clinic.base_url: is missing: The gateway's address, with https://."),
        ("    password:", "10: accounts.clinic.password: is missing: What proves it."),
        ("    password: [sesame]", "10: accounts.clinic.password: expected text"),
        ("    pasword: sesame", "11: accounts.clinic.pasword: unknown key; did you mean 'password'?"),
        ("    tokens: {a: [sesame]}", "11: accounts.clinic.tokens.a: expected text"),
        ("    tokens: sesame", "11: accounts.clinic.tokens: expected a block of `name: value` lines"),
        ("    number: seven", "11: accounts.clinic.number: expected a whole number; found 'seven'"),
        ("    number: 7.5", "11: accounts.clinic.number: expected a whole number; found '7.5'"),
        (
            "    max_recipients: 0",
            "11: accounts.clinic.max_recipients: expected greater than or equal to 1; found '0'",
        ),
        ("    allow_insecure: perhaps", "11: accounts.clinic.allow_insecure: expected true or false; found 'perhaps'"),
        ("    read_timeout: 30 seconds", f"11: accounts.clinic.read_timeout: {SPAN}; found '30 seconds'"),
        ("    read_timeout: 0s", "11: accounts.clinic.read_timeout: expected greater than 0; found '0s'"),
        ("    segment_alphabet: utf8", "11: accounts.clinic.segment_alphabet: expected 'ucs2' or 'gsm7'; found 'utf8'"),
        (
            "    signature: 【腾】飞】",
            "11: accounts.clinic.signature: expected one name, with or without its brackets 【】; found '【腾】飞】'",
        ),
        ("    limits: {per: recipient}", "11: accounts.clinic.limits: expected a list"),
        (
            "    limits: [{per: number, count: 3, within: 3m}]",
            "11: accounts.clinic.limits[0].per: expected 'recipient' or 'account'; found 'number'",
        ),
        (
            "default_region: cn",
            "1: default_region: expected two capital letters by ISO 3166, such as CN; did you mean 'CN'?; found 'cn'",
        ),
        (
            "default_region: China",
            "1: default_region: expected two capital letters by ISO 3166, such as CN; found 'China'",
        ),
        ("  default: [clinic.jason]", "12: routes.default[0]: acme has no transport 'jason'; did you mean 'json'?"),
        ("  default: [klinic.json]", "12: routes.default[0]: no account 'klinic'; did you mean 'clinic'?"),
        (
            "  default: [clinic]",
            "12: routes.default[0]: expected a path such as clinic.json (account, dot, dialect); found 'clinic'",
        ),
        ("  default: []", "12: routes.default.paths: expected at least one entry"),
        ("  default:", f"12: routes.default: {PATHS}"),
        ("  default: clinic.json", f"12: routes.default: {PATHS}; found 'clinic.json'"),
        ("  default: [clinic.json, clinic.json]", "12: routes.default: a path stands twice; each is tried once"),
        (
            "  default: {paths: [clinic.json], strategy: random}",
            "12: routes.default.strategy: expected 'ordered' or 'weighted'; found 'random'",
        ),
        (
            "  default: {paths: [clinic.json], in_dout: hold}",
            "12: routes.default.in_dout: unknown key; did you mean 'in_doubt'?",
        ),
        (
            "  default: {paths: [clinic.json], deadline: soon}",
            f"12: routes.default.deadline: {SPAN}; found 'soon'",
        ),
        (
            "  default: {paths: [clinic.json, clinic.query], strategy: weighted, weights: [1]}",
            "12: routes.default.weights: expected one weight for each path; found 2 paths and 1 weights",
        ),
        (
            "  default: {paths: [clinic.json], strategy: weighted, weights: [0]}",
            "12: routes.default.weights: expected at least one weight above 0",
        ),
        (
            "  default: {paths: [clinic.json], strategy: weighted, weights: [-1]}",
            "12: routes.default.weights[0]: expected greater than or equal to 0; found '-1'",
        ),
        (
            "  default: {paths: [clinic.json], weights: [1]}",
            "12: routes.default.weights: weights need `strategy: weighted`",
        ),
        ("  acme.query: no.such.module", f"4: transports.acme.query: no module 'no.such.module': {NO_MODULE}"),
        ("  acme.query: .wire", f"4: transports.acme.query: no module '.wire': {NO_MODULE}"),
        ("  acme.query:", "4: transports.acme.query: expected text"),
        ("  acme.query: pathlib", "7: accounts.clinic.provider: acme.query: the plugin has no hook `settings`"),
        (
            "  acme.query: tests.core.transports.memory",
            "7: accounts.clinic.provider: its transports disagree about the model of an account",
        ),
        (
            "  acme.query: tests.core.transports.wire",
            "plugins: acme.query is there already: each plugin needs a module of its own",
        ),
        (
            "templates: {otp: '{{ code'}",
            (
                "11: templates.otp: not a Jinja2 template: unexpected end of template, expected 'end of print "
                "statement'. (line 1 of the text)"
            ),
        ),
        (
            "templates: {otp: '{{ code | nosuch }}'}",
            "11: templates.otp: not a Jinja2 template: No filter named 'nosuch'. (line 1 of the text)",
        ),
        ("templates: {otp: [a]}", "11: templates.otp: expected text"),
        ("plugins: [no.such.module]", f"11: plugins[0]: no module 'no.such.module': {NO_MODULE}"),
        ("plugins: meter", "11: plugins: expected a list; found 'meter'"),
        ("route: {}", "11: route: unknown key; did you mean 'routes'?"),
        (
            "stores: sqlite:///notify.db",
            "11: stores: unknown key; did you mean 'store'?",
        ),
    ],
)
def test_a_fault_has_its_words(load: Load, line: str, fault: str) -> None:
    """Line, path, what was expected, what was found where it may be shown, and the nearest right name."""
    assert refused(load, changed(line)) == [fault]


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("accounts: {}\n", ["1: accounts: expected at least one entry"]),
        ("accounts:\n", ["1: accounts: is missing: Credentials at providers, by the name that paths use."]),
        ("routes: {}\n", ["accounts: is missing: Credentials at providers, by the name that paths use."]),
        ("accounts: []\n", ["1: accounts: expected a block of `name: value` lines"]),
        (
            "accounts: {clinic: sesame}\n",
            ["1: accounts.clinic: expected a block of settings that begins with `provider:`"],
        ),
        (
            "accounts: {clinic: {password: sesame}}\n",
            ["1: accounts.clinic: expected a block of settings that begins with `provider:`"],
        ),
        (
            GOOD.replace("  clinic:", "  clinic.north:"),
            [
                "6: accounts.clinic.north: an account's name has no dot: a path is written account.dialect",
                "12: routes.default[0]: no account 'clinic'; did you mean 'clinic.north'?",
            ],
        ),
        (
            GOOD.replace("acme.json", "json"),
            [
                "3: transports.json: expected a name such as acme.rest: provider, dot, dialect",
                "12: routes.default[0]: acme has no transport 'json'; known: query",
            ],
        ),
    ],
)
def test_faults_of_blocks_have_their_words(load: Load, text: str, faults: list[str]) -> None:
    """What should be a block and is none, is empty, or has a wrong name."""
    assert refused(load, text) == faults


def test_all_faults_are_told_at_once(load: Load) -> None:
    """In the order of the file, whatever finds them: the reader, the models, the plugins, the routes."""
    text = (
        changed("    base_url: http://gateway.invalid").replace("sesame", "${NOWHERE}").replace("[clinic.", "[klinic.")
    )
    assert [fault.partition(": ")[0] + " " + fault.split(": ")[1] for fault in refused(load, text)] == [
        "8 accounts.clinic.base_url",
        "10 accounts.clinic.password",
        "12 routes.default[0]",
    ]


def test_a_fault_carries_its_parts(load: Load) -> None:
    """Tools that show faults need not read the text."""
    with pytest.raises(ConfigError) as caught:
        load(changed("    number: seven"))
    (fault,) = caught.value.faults
    assert (fault.file, fault.line, fault.path) == ("notify.yaml", 11, "accounts.clinic.number")


@pytest.mark.parametrize(
    "line",
    [
        "    password: [sesame]",
        "    password: {a: sesame}",
        "    pasword: sesame",
        "    tokens: {a: [sesame]}",
        "    tokens: sesame",
        "    base_url: https://a:sesame@gateway.invalid",
        "    base_url: https://gateway.invalid/?password=sesame",
        "    number: ${NUMBER}",
    ],
)
def test_no_fault_shows_a_secret(load: Load, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    """Neither the error's text nor its traceback, nor what it was raised from, repeats a secret's value."""
    monkeypatch.setenv("NUMBER", "sesame")
    with pytest.raises(ConfigError) as caught:
        load(changed(line))
    shown = "".join(map(repr, (caught.value, caught.value.faults, caught.value.__cause__, caught.value.__context__)))
    assert "sesame" not in f"{caught.value}{shown}"


def test_no_repr_shows_a_secret(load: Load) -> None:
    """A configuration can be printed, and so can its accounts."""
    config = load(changed("    tokens: {a: sesame}"))
    assert "sesame" not in f"{config}{config!r}{config.accounts}{config.accounts['clinic'].model_dump_json()}"


def test_secrets_are_found_however_deep() -> None:
    """Every SecretStr of an account is known to its redaction."""
    account = WireSettings(
        provider="acme", base_url="https://a.invalid", password=SecretStr("one"), tokens={"a": SecretStr("two")}
    )
    assert set(account.secrets()) == {"one", "two"}


# --- plugins ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Installs a distribution named acme-sms with one transport, ``acme.rest``."""

    def installed(module: str, *requirements: str) -> None:
        (tmp_path / "acme_rest.py").write_text(module)
        info = tmp_path / "acme_sms-1.0.dist-info"
        info.mkdir()
        required = "".join(f"Requires-Dist: {requirement}\n" for requirement in requirements)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: acme-sms\nVersion: 1.0\n{required}")
        (info / "entry_points.txt").write_text("[notify]\nacme.rest = acme_rest\n")
        monkeypatch.syspath_prepend(tmp_path)
        plugins.installed.cache_clear()

    yield installed
    plugins.installed.cache_clear()


REST = GOOD.replace("  acme.json: tests.core.transports.wire\n  acme.query: tests.core.transports.query\n", "").replace(
    "transports:\n", ""
)


@pytest.mark.parametrize(
    ("requirements", "remedy"),
    [
        (['no-such-client>=2; extra == "rest"'], "pip install 'acme-sms[rest]'"),
        (["no-such-client>=2", 'pytest; extra == "dev"'], "pip install no_such_client"),
        (['no-such-client-two; extra == "two"'], "pip install no_such_client"),
        ([], "pip install no_such_client"),
    ],
)
def test_a_missing_extra_is_named(
    load: Load, distribution: Callable[..., None], requirements: list[str], remedy: str
) -> None:
    """A transport that lacks a package says which line installs it."""
    distribution("import no_such_client", *requirements)
    assert refused(load, REST)[0] == (
        f"4: accounts.clinic.provider: plugin 'acme.rest' needs 'no_such_client', which is not installed: {remedy}"
    )


def test_a_plugin_that_cannot_be_imported_is_a_fault(load: Load, distribution: Callable[..., None]) -> None:
    """Whatever it raises, it is told with its place."""
    distribution("1 / 0")
    (fault, *_) = refused(load, REST)
    assert fault.startswith("4: accounts.clinic.provider: plugin 'acme.rest' cannot be imported: ZeroDivisionError at ")
    assert fault.endswith("acme_rest.py:1"), "its text may quote a secret"


def test_a_plugin_with_a_slip_in_its_syntax_is_a_fault(load: Load, distribution: Callable[..., None]) -> None:
    """Where Python cannot read it is told, and the line itself is not."""
    distribution("password = 'sesame'\nclass:\n")
    (fault, *_) = refused(load, REST)
    assert fault.startswith("4: accounts.clinic.provider: plugin 'acme.rest' cannot be imported: SyntaxError at ")
    assert fault.endswith("acme_rest.py:2")


def test_a_module_that_no_account_uses_is_imported(load: Load) -> None:
    """What stands under transports: and cannot be imported is told once, whichever accounts there are."""
    (fault,) = refused(load, GOOD.replace("accounts:\n", "  other.rest: no_such_module\naccounts:\n"))
    assert fault == f"5: transports.other.rest: no module 'no_such_module': {NO_MODULE}"


def test_a_module_that_cannot_be_imported_is_told_once(load: Load) -> None:
    """However many accounts there are of its provider."""
    text = changed("  acme.query: no_such_module")
    account = text[text.index("  clinic:") : text.index("routes:")]
    (fault,) = refused(load, text.replace(account, account + account.replace("clinic", "backup")))
    assert fault == f"4: transports.acme.query: no module 'no_such_module': {NO_MODULE}"


def test_an_unknown_provider_hides_nothing(load: Load) -> None:
    """What can be known of such an account is told, and what is wrong with the routes."""
    text = changed("    provider: amce").replace("https:", "http:").replace("[clinic.json]", "[klinic.json]")
    faults = refused(load, text.replace("    account: clinic-7", "    connections: many"))
    assert [fault.split(": ")[1] for fault in faults] == [
        "accounts.clinic.provider",
        "accounts.clinic.base_url",
        "accounts.clinic.connections",
        "routes.default[0]",
    ]


def test_an_unknown_key_of_the_file_does_not_hide_the_routes(load: Load) -> None:
    """Each route is looked at by itself."""
    text = GOOD.replace("default_region", "defualt_region").replace("[clinic.json]", "[clinic.jsno]")
    faults = refused(load, text)
    assert faults[1] == "12: routes.default[0]: acme has no transport 'jsno'; did you mean 'json'?"


# --- binding ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The good configuration, and a route with a transport ``acme.bound``, whose accounts need a number."""
    (tmp_path / "acme_bound.py").write_text(
        "from notify_core.hookspecs import hookimpl\n"
        "from tests.core.transports.query import carries, send, settings\n"
        "asked = []\n"
        "@hookimpl\n"
        "def bind(settings):\n"
        "    asked.append(settings.account)\n"
        "    if not settings.number:\n"
        "        raise ValueError('give it a number')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    text = GOOD.replace("accounts:\n", "  acme.bound: acme_bound\naccounts:\n")
    return text.replace("[clinic.json]", "[clinic.json, clinic.bound]")


def asked() -> list[str]:
    """The accounts that ``acme.bound`` was bound for."""
    found: list[str] = sys.modules["acme_bound"].asked
    return found


def test_what_binding_finds_is_told_with_all_else(load: Load, bound: str) -> None:
    """It stands where the route names the path, among the other faults."""
    text = bound.replace("routes:\n", "routes:\n  more: {paths: [clinic.bound], weights: [1]}\n")
    assert sorted(refused(load, text)) == [
        "13: routes.more.paths[0]: clinic.bound cannot be used: give it a number",
        "13: routes.more.weights: weights need `strategy: weighted`",
    ]
    assert asked() == ["clinic-7"]


def test_what_is_not_read_is_not_bound(load: Load, bound: str) -> None:
    """A variable that is not set is the fault, and not what follows from it."""
    faults = refused(load, bound.replace("account: clinic-7", "account: ${NOWHERE}"))
    assert [fault.split(": ")[1] for fault in faults] == ["accounts.clinic.account"]
    assert asked() == []


def test_a_path_of_no_route_is_bound_before_its_first_use(load: Load, bound: str) -> None:
    """Once, and what is wrong is told with the account's line whenever the path is to be used."""
    config = load(bound.replace(", clinic.bound]", "]"))
    assert asked() == []
    with Notifier(config) as notifier:
        for _ in range(2):
            with pytest.raises(ConfigError) as caught:
                notifier.send(Sms(to="13800000001", text="你好"), via="clinic.bound")
            assert str(caught.value) == (
                "notify.yaml:7: accounts.clinic: clinic.bound cannot be used: give it a number"
            )
        assert notifier.paths.able("clinic", "send").name == "clinic.json"
    assert asked() == ["clinic-7"]


def test_an_error_of_binding_is_told_by_its_place(load: Load, bound: str, tmp_path: Path) -> None:
    """A defect of a plugin is a fault with its type and place; its text may quote a secret."""
    module = tmp_path / "acme_bound.py"
    module.write_text(module.read_text().replace("asked.append(settings.account)", "raise KeyError('sesame')"))
    (fault,) = refused(load, bound)
    assert "clinic.bound cannot be used: cannot be bound: KeyError at " in fault
    assert "sesame" not in fault


# --- names of files --------------------------------------------------------------------------------------------------


def test_a_file_is_named_from_the_directory_of_the_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the current directory is; without a YAML it is that one."""
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    account = {"provider": "ipyy", "base_url": "https://a.invalid", "account": "a", "password": "b", "wsdl": "own.wsdl"}
    data = {"accounts": {"clinic": account}}
    (tmp_path / "there/notify.yaml").write_text(yaml.safe_dump(data), "utf-8")
    assert wsdl(load_config("../there/notify.yaml")) == str(tmp_path / "here/../there/own.wsdl")
    assert wsdl(from_mapping(data)) == str(tmp_path / "here/own.wsdl")


@pytest.mark.parametrize(
    ("written", "found"),
    [("live", "live"), ("bundled", "bundled"), ("/own.wsdl", "/own.wsdl"), ("~/own.wsdl", "/home/somebody/own.wsdl")],
)
def test_what_is_no_relative_name_stays(monkeypatch: pytest.MonkeyPatch, written: str, found: str) -> None:
    """Words that name no file, absolute names, and names in the home directory."""
    monkeypatch.setenv("HOME", "/home/somebody")
    account = {"provider": "ipyy", "base_url": "https://a.invalid", "account": "a", "password": "b", "wsdl": written}
    assert wsdl(from_mapping({"accounts": {"clinic": account}})) == found


def wsdl(config: Config) -> str:
    """The account's WSDL."""
    found: str = getattr(config.accounts["clinic"], "wsdl")  # noqa: B009 - a setting of the plugin's own
    return found


def test_an_installed_plugin_is_found_by_its_name(load: Load, distribution: Callable[..., None]) -> None:
    """An entry point is all that a transport needs to be there."""
    distribution("from tests.core.transports.memory import *\nfrom tests.core.transports.memory import send, settings")
    text = REST.replace("account: clinic-7", "gateway: a").replace("    password: sesame\n", "").replace("json", "rest")
    assert list(load(text).plugins.transports) == ["acme.rest"]


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        ("def sned(self): ...", "Meter: unknown hook 'sned'"),
        (
            "def sent(self, resutl): ...",
            "plugins: Meter: its sent takes 'resutl', which the hook does not have; did you mean 'result'?",
        ),
        ("def carries(self, message): ...", "its carries takes 'message', which the hook does not have; it has no arg"),
        ("def send(self): ...", "Meter: its send would replace every transport's: make it a wrapper"),
        ("def balance(self): ...", "Meter: its balance would replace every transport's: make it a wrapper"),
    ],
)
def test_a_wrong_plugin_does_not_start(plugin: str, words: str) -> None:
    """A hook that nobody specified, an argument that it does not have, an answer in every transport's place."""
    namespace: dict[str, Any] = {"hookimpl": hookimpl}
    exec(f"class Meter:\n    @hookimpl\n    {plugin}", namespace)  # noqa: S102 - a class for each line above
    with pytest.raises(ConfigError) as caught:
        from_mapping(mapping(), others=(namespace["Meter"](),))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        (object(), "plugins: object: no function of it is marked @hookimpl, so nothing would ever call it"),
        (json, "plugins: json: no function of it is marked @hookimpl, so nothing would ever call it"),
    ],
)
def test_a_plugin_that_implements_nothing_does_not_start(plugin: object, words: str) -> None:
    """Somebody forgot to mark the functions of a listener, or handed over something else."""
    with pytest.raises(ConfigError, match=words):
        from_mapping(mapping(), others=(plugin,))


def test_a_wrapper_that_does_not_yield_does_not_start() -> None:
    """It would never let the transport run."""

    class Meter:
        @hookimpl(wrapper=True)
        def send(self) -> None:
            """Do nothing."""

    with pytest.raises(ConfigError, match="Meter: its send is marked as a wrapper and has no `yield`"):
        from_mapping(mapping(), others=(Meter(),))


# --- what works ------------------------------------------------------------------------------------------------------


def mapping(**account: Any) -> dict[str, Any]:
    """The good configuration as Python."""
    settings = {"provider": "acme", "base_url": "https://gateway.invalid", "password": "sesame", **account}
    return {"transports": TRANSPORTS, "accounts": {"clinic": settings}, "routes": {"default": ["clinic.json"]}}


def test_a_good_configuration_has_its_types(load: Load) -> None:
    """Text becomes what the models say."""
    config = load(changed("    limits: [{per: recipient, count: 3, within: 3m, containing: 验证码}]"))
    account = config.accounts["clinic"]
    assert isinstance(account, WireSettings)
    assert (config.default_region, account.password.get_secret_value()) == ("CN", "sesame")
    assert (account.connect_timeout, account.read_timeout, account.max_recipients) == (3.0, 30.0, 500)
    assert [(limit.count, limit.within, limit.containing) for limit in account.limits] == [(3, 180.0, "验证码")]
    assert (config.routes["default"].paths, config.routes["default"].in_doubt) == (("clinic.json",), "hold")


@pytest.mark.parametrize("password", ["NO", "0123", "1e5", "0x1F", "1_000", "12:30", "true", "'#!: {[&*'", '"\\""'])
def test_a_password_stays_what_is_written(load: Load, password: str) -> None:
    """What looks like a number or a truth is text where text is wanted."""
    account = load(changed(f"    password: {password}")).accounts["clinic"]
    assert isinstance(account, WireSettings)
    assert account.password.get_secret_value() == yaml.load(password, yaml.BaseLoader)  # noqa: S506 - text only


def test_an_account_may_be_merged_from_another(load: Load) -> None:
    """YAML's own way of not repeating oneself works."""
    text = GOOD.replace("  clinic:", "  clinic: &clinic").replace(
        "routes:", "  north: {<<: *clinic, account: north-8}\nroutes:"
    )
    accounts = load(text).accounts
    assert [vars(accounts[name])["account"] for name in ("clinic", "north")] == ["clinic-7", "north-8"]


@pytest.mark.parametrize(
    ("written", "seconds"), [("500ms", 0.5), ("10s", 10), ("1.5m", 90), ("2h", 7200), ("1d", 86400), (7, 7), (0.5, 0.5)]
)
def test_a_duration_is_in_seconds(written: object, seconds: float) -> None:
    """With its unit in YAML, in seconds from Python."""
    assert from_mapping(mapping(read_timeout=written)).accounts["clinic"].read_timeout == seconds


@pytest.mark.parametrize("seconds", [0.5, 10.0, 180.0, 86400.0, 90000.0])
def test_a_duration_is_written_as_it_is_read(seconds: float) -> None:
    """What a dump shows can be read again."""
    account = AccountSettings(provider="acme", base_url="https://a.invalid", read_timeout=seconds)
    assert AccountSettings.model_validate(json.loads(account.model_dump_json())).read_timeout == seconds


@pytest.mark.parametrize(
    "base_url",
    [
        "https://sh2.ipyy.com",
        "https://10.0.0.1:8443/gateway",
        "http://localhost:8080",
        "http://127.0.0.1",
        "http://[::1]",
    ],
)
def test_an_address_that_is_safe_is_taken(base_url: str) -> None:
    """TLS anywhere, plain HTTP on this machine."""
    assert from_mapping(mapping(base_url=f"{base_url}/")).accounts["clinic"].base_url == base_url


def test_http_elsewhere_can_be_allowed() -> None:
    """Somebody who wants it says so; the order of the two lines does not matter."""
    account = from_mapping(mapping(base_url="http://10.0.0.1", allow_insecure=True)).accounts["clinic"]
    assert account.base_url == "http://10.0.0.1"


@pytest.mark.parametrize("host", ["localhost.evil.invalid", "127.0.0.1.evil.invalid", "10.0.0.1", "0.0.0.0", ""])  # noqa: S104
def test_what_only_looks_like_this_machine_is_not(host: str) -> None:
    """A name that begins like loopback is another machine."""
    assert not is_loopback(host)


def test_signatures_lose_their_brackets() -> None:
    """With or without: the same."""
    assert from_mapping(mapping(signature=" 【腾飞】")).accounts["clinic"].signature == "腾飞"


def test_python_values_are_taken() -> None:
    """A mapping may hold numbers, truths, nothing, tuples and keys that are no text."""
    data = mapping(password=123456, number=7, allow_insecure=True, account=None, limits=())
    config = from_mapping({**data, "accounts": {1: data["accounts"]["clinic"]}, "routes": {2: ("1.json",)}})
    account = config.accounts["1"]
    assert isinstance(account, WireSettings)
    assert (account.password.get_secret_value(), account.number, account.account) == ("123456", 7, "")
    assert config.routes["2"].paths == ("1.json",)


def test_a_mapping_is_checked_like_a_file() -> None:
    """The same words, without lines, and without values: these may come from anywhere."""
    with pytest.raises(ConfigError) as caught:
        from_mapping(mapping(number="sesame", numbr=1))
    assert str(caught.value).splitlines() == [
        "configuration: accounts.clinic.number: expected a whole number",
        "configuration: accounts.clinic.numbr: unknown key; did you mean 'number'?",
    ]


def test_settings_cannot_be_changed() -> None:
    """An account is what was checked."""
    account = from_mapping(mapping()).accounts["clinic"]
    with pytest.raises(ValueError, match="frozen"):
        account.base_url = "https://elsewhere.invalid"


def test_swapping_two_lines_swaps_the_transport(tmp_path: Path) -> None:
    """The order of a route's paths is all that decides."""
    text = GOOD.replace("https://gateway.invalid", "http://localhost:1")
    for order in (["clinic.json", "clinic.query"], ["clinic.query", "clinic.json"]):
        (tmp_path / "notify.yaml").write_text(text.replace("[clinic.json]", f"[{', '.join(order)}]"))
        with Notifier.from_yaml(tmp_path / "notify.yaml") as notifier:
            result = notifier.send(Sms(to="13800138000", text="hello"))
            assert [attempt.path for attempt in result.attempts] == order


@pytest.mark.parametrize(
    ("account", "fault"),
    [
        ("{provider: acme, base_url: 'https://acme.invalid', password: '${NOWHERE}'}", "NOWHERE is not set"),
        ("{provider: acme, base_url: 'https://acme.invalid', password: a, password: b, number: 1}", "stands twice"),
    ],
)
def test_one_cause_is_one_fault(load: Load, account: str, fault: str) -> None:
    """What only follows from a value that could not be read is not told beside it."""
    found = refused(load, f"transports: {{acme.json: tests.core.transports.wire}}\naccounts: {{clinic: {account}}}\n")
    assert len(found) == 1
    assert fault in found[0]


# --- the JSON Schema -------------------------------------------------------------------------------------------------

CONFIGURATIONS = sorted((Path(__file__).parents[2] / "config").glob("*.yaml"))


@pytest.fixture(scope="module")
def validator() -> Any:
    """What an editor makes of the schema."""
    return Draft202012Validator(json_schema())


def test_the_schema_is_one(validator: Any) -> None:
    """Editors can use it."""
    validator.check_schema(validator.schema)


@pytest.mark.parametrize("file", CONFIGURATIONS, ids=lambda file: file.stem)
def test_the_schema_takes_our_examples(validator: Any, file: Path) -> None:
    """What we publish has no fault in an editor."""
    assert [error.message for error in validator.iter_errors(yaml.safe_load(file.read_text("utf-8")))] == []


@pytest.mark.parametrize(
    "change",
    [
        {"routes": {"default": []}},
        {"routes": {"default": {"paths": ["a.json"], "in_doubt": "resend"}}},
        {"acounts": {}},
        {"accounts": {"a": {"provider": "nobody"}}},
        {"default_region": ["CN"]},
    ],
)
def test_the_schema_finds_faults(validator: Any, change: dict[str, Any]) -> None:
    """What the core refuses is underlined in an editor."""
    good = yaml.safe_load((CONFIGURATIONS[0].parent / "notify.example.yaml").read_text("utf-8"))
    assert not validator.is_valid({**good, **change})


@pytest.mark.parametrize(
    ("key", "value", "wrong"),
    [
        ("max_recipients", "${MOST:-100}", "many"),
        ("read_timeout", "${PATIENCE}", "soon"),
        ("allow_insecure", "${INSECURE:-false}", "perhaps"),
        ("password_format", "${FORMAT}", "rot13"),
        ("push", {"tokens": ["${file:/run/secrets/token}"]}, {"tokens": ["short"]}),
        ("limits", [{"per": "recipient", "count": "${COUNT}", "within": "1d"}], [{"per": "recipient", "count": "few"}]),
    ],
)
def test_the_schema_takes_references(validator: Any, key: str, value: object, wrong: object) -> None:
    """Where a number or a word of a kind is wanted an editor takes ``${…}`` too, and underlines other texts still."""
    good = yaml.safe_load((CONFIGURATIONS[0].parent / "notify.example.yaml").read_text("utf-8"))
    account = good["accounts"]["clinic"]
    assert validator.is_valid({**good, "accounts": {"clinic": {**account, key: value}}})
    assert not validator.is_valid({**good, "accounts": {"clinic": {**account, key: wrong}}})
