"""``notify check`` and ``notify plugins``: what there is, and whether it can work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from notify_core.cli import exits, terminal
from notify_core.cli.abilities import USED, marks, sends
from notify_core.cli.options import DEFAULT_CONFIG, ConfigFile, Json, load
from notify_core.cli.tables import Block, Table

if TYPE_CHECKING:
    from notify_core.cli.probe import Probe
    from notify_core.config import Config
    from notify_core.notifier import Notifier
    from notify_core.settings import AccountSettings, Limit
    from notify_core.transports import Path


def check(
    live: Annotated[bool, typer.Option("--live", help="Ask each path for its balance. Nothing is sent.")] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of the file, for editors, and do nothing else.")
    ] = False,
    as_json: Json = False,
    config: ConfigFile = DEFAULT_CONFIG,
) -> None:
    """Check the configuration, and explain its accounts, routes and paths.

    Every fault is told at once, each with its file and line. Exit code 2: the configuration cannot work. With --live,
    1: some path does not.

    Examples:
      notify check
      notify check --live
      notify check --schema > notify.schema.json
    """
    if schema:
        _show_schema()
        return
    from notify_core.cli.probe import probe
    from notify_core.notifier import Notifier

    settings = load(config)
    with Notifier(settings) as notifier:
        probes = probe(notifier, (path.name for path in notifier.paths if not path.problem)) if live else []
        if as_json:
            terminal.show_json(_document(settings, notifier, probes))
        else:
            terminal.show(*_blocks(config, settings, notifier, probes))
    raise typer.Exit(exits.FAILED if any(each.failed for each in probes) else exits.DONE)


def plugins(as_json: Json = False) -> None:
    """List the transports that are installed, and what each can do.

    A transport is one dialect of a provider's gateway; the account's `provider:` chooses the provider, a route's paths
    the dialects. A plugin that cannot be used is listed with the reason.

    Example:
      notify plugins
    """
    from notify_core.cli.catalogue import columns, entries

    found = entries()
    if as_json:
        terminal.show_json({"plugins": [entry.document() for entry in found]})
    elif found:
        terminal.show(Table(columns, [entry.row() for entry in found]))
    else:
        terminal.show("No plugins are installed.")


def _show_schema() -> None:
    from notify_core.config import json_schema
    from notify_core.plugins import PluginError

    try:
        terminal.show_json(json_schema())
    except PluginError as error:
        raise exits.Misuse(str(error)) from error


def _blocks(file: str, config: Config, notifier: Notifier, probes: list[Probe]) -> Iterator[Block]:
    from notify_core.cli.probe import table

    paths = list(notifier.paths)
    counts = (("account", len(config.accounts)), ("route", len(config.routes)), ("path", len(paths)))
    found = ", ".join(f"{count} {noun}{'s' * (count != 1)}" for noun, count in counts)
    yield f"{file} can work: {found}."
    columns = ("account", "provider", "gateway", "TLS", "signature", "limits")
    yield Table(columns, [_account_row(name, account) for name, account in config.accounts.items()])
    if config.routes:
        yield Table(("route", "tries", "rules"), [_route_row(name, config) for name in config.routes])
    yield Table(("path", "sends", *USED.values(), "routes"), [_path_row(path, config) for path in paths])
    yield from _remarks(config, paths)
    if probes:
        yield table("path", probes)


def _account_row(name: str, account: AccountSettings) -> tuple[str, ...]:
    limits = ", ".join(map(_limit, account.limits))
    signature = f"【{account.signature}】" if account.signature else ""
    host = urlsplit(account.base_url).netloc
    return (name, account.provider, host, _tls(account), signature, limits)


def _tls(account: AccountSettings) -> str:
    if account.base_url.startswith("https://"):
        return "verified"
    return "off" if account.allow_insecure else "loopback"


def _limit(limit: Limit) -> str:
    facts = limit.model_dump(mode="json")
    containing = f" with {limit.containing}" if limit.containing else ""
    return f"{limit.count} per {limit.per} in {facts['within']}{containing}"


def _route_row(name: str, config: Config) -> tuple[str, ...]:
    route = config.routes[name]
    facts = route.model_dump(mode="json")
    rules = [f"first by weight {', '.join(map(str, route.weights))}"] if route.weights else []
    rules += [f"deadline {facts['deadline']}"] if route.deadline else []
    rules += ["sends again in doubt"] if route.in_doubt == "failover" else []
    return (name, ", then ".join(route.paths), "; ".join(rules))


def _path_row(path: Path, config: Config) -> tuple[str, ...]:
    used = [name for name, route in config.routes.items() if path.name in route.paths]
    can = _can(path)
    return (path.name, sends(path.transport.carries, can), *marks(USED, can), ", ".join(used))


def _can(path: Path) -> tuple[str, ...]:
    return () if path.problem else path.capabilities


def _remarks(config: Config, paths: list[Path]) -> Iterator[str]:
    """What works, but is perhaps not meant; and which paths, used by no route, do not work."""
    if not config.default_region:
        yield "No default_region: numbers need + and the country code."
    if "default" not in config.routes:
        yield "No route is named `default`: each send must name its route or path."
    for name, account in config.accounts.items():
        if not any(path.rpartition(".")[0] == name for route in config.routes.values() for path in route.paths):
            yield f"No route uses account {name!r} ({account.provider})."
    for problem in dict.fromkeys(path.problem for path in paths if path.problem):
        names = ", ".join(path.name for path in paths if path.problem == problem)
        yield f"{names} cannot be used: {problem}"


def _document(config: Config, notifier: Notifier, probes: list[Probe]) -> dict[str, object]:
    """What the configuration says, without secrets."""
    paths = [
        {
            "name": path.name,
            "carries": sorted(path.transport.carries),
            "can": _can(path),
            "problem": path.problem,
        }
        for path in notifier.paths
    ]
    return {
        "default_region": config.default_region,
        "accounts": {name: _account_document(account) for name, account in config.accounts.items()},
        "routes": {name: route.model_dump(mode="json") for name, route in config.routes.items()},
        "paths": paths,
        "remarks": list(_remarks(config, list(notifier.paths))),
        "live": [each.document() for each in probes],
    }


def _account_document(account: AccountSettings) -> dict[str, Any]:
    """The settings that every account has; what a provider adds may be secret."""
    from notify_core.settings import AccountSettings

    return account.model_dump(mode="json", include=set(AccountSettings.model_fields))
