"""What a configuration means, account by account, route by route and path by path, for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from notify_core.cli.abilities import USED, marks, sends
from notify_core.cli.tables import Block, Table
from notify_core.config import Config, RouteSettings, WebhookSettings
from notify_core.names import account_of
from notify_core.settings import AccountSettings, Limit
from notify_core.transports import Path


def blocks(config: Config, paths: Sequence[Path]) -> Iterator[Block]:
    """The tables, and what is remarkable."""
    columns = ("account", "provider", "gateway", "TLS", "signature", "reports", "inbound", "credit", "limits")
    yield Table(columns, [_account_row(name, account) for name, account in config.accounts.items()])
    if config.routes:
        yield Table(("route", "tries", "rules"), [_route_row(name, route) for name, route in config.routes.items()])
    yield Table(("path", "sends", *USED.values(), "routes"), [_path_row(path, config) for path in paths])
    if config.webhooks:
        rows = [_webhook_row(name, webhook) for name, webhook in config.webhooks.items()]
        yield Table(("webhook", "address", "is told of", "of accounts"), rows)
    yield from remarks(config, paths)


def document(config: Config, paths: Sequence[Path]) -> dict[str, object]:
    """The same for programs, without secrets."""
    return {
        "default_region": config.default_region,
        "accounts": {name: _account_document(account) for name, account in config.accounts.items()},
        "routes": {name: route.model_dump(mode="json") for name, route in config.routes.items()},
        "paths": [
            {"name": path.name, "carries": sorted(path.transport.carries), "can": _can(path), "problem": path.problem}
            for path in paths
        ],
        "webhooks": {name: _webhook_document(webhook) for name, webhook in config.webhooks.items()},
        "remarks": list(remarks(config, paths)),
    }


def remarks(config: Config, paths: Sequence[Path]) -> Iterator[str]:
    """What works, but is perhaps not meant; and which paths, used by no route, do not work."""
    if not config.default_region:
        yield "No default_region: numbers need + and the country code."
    if "default" not in config.routes:
        yield "No route is named `default`: each send must name its route or path."
    yield from _unused(config)
    yield from _unheard(config, paths)
    yield from _served(config)
    for problem in dict.fromkeys(path.problem for path in paths if path.problem):
        names = ", ".join(path.name for path in paths if path.problem == problem)
        yield f"{names} cannot be used: {problem}"


# --- accounts --------------------------------------------------------------------------------------------------------


def _account_row(name: str, account: AccountSettings) -> tuple[str, ...]:
    limits = ", ".join(map(_limit, account.limits))
    signature = f"【{account.signature}】" if account.signature else ""
    comes = (_comes(account, "reports"), _comes(account, "inbound"))
    return (name, account.provider, _host(account.base_url), _tls(account), signature, *comes, _credit(account), limits)


def _host(address: str) -> str:
    return urlsplit(address).netloc


def _tls(account: AccountSettings) -> str:
    if account.base_url.startswith("https://"):
        return "verified"
    return "off" if account.allow_insecure else "loopback"


def _comes(account: AccountSettings, what: str) -> str:
    """The ways by which reports, or inbound messages, come in."""
    pull = account.pull.model_dump(mode="json")[what] if account.pull else None
    return ", ".join([*([f"pull {pull}"] if pull else []), *(["push"] if account.push else [])])


def _credit(account: AccountSettings) -> str:
    credit = account.credit
    every = credit.model_dump(mode="json")["every"]
    words = [f"asked every {every}"] if every else []
    words += [f"low below {credit.low:,f}"] if credit.low is not None else []
    words += [f"low below {credit.low_days:g} days"] if credit.low_days else []
    return ", ".join(words)


def _limit(limit: Limit) -> str:
    facts = limit.model_dump(mode="json")
    containing = f" with {limit.containing}" if limit.containing else ""
    return f"{limit.count} per {limit.per} in {facts['within']}{containing}"


def _account_document(account: AccountSettings) -> dict[str, Any]:
    """The settings that every account has; what a provider adds may be secret."""
    return account.model_dump(mode="json", include=set(AccountSettings.model_fields))


# --- routes, paths, webhooks -----------------------------------------------------------------------------------------


def _route_row(name: str, route: RouteSettings) -> tuple[str, ...]:
    return (name, ", then ".join(route.paths), "; ".join(_rules(route)))


def _rules(route: RouteSettings) -> Iterator[str]:
    """What holds on a route beside its order."""
    facts = route.model_dump(mode="json")
    if route.weights:
        yield f"first by weight {', '.join(map(str, route.weights))}"
    if route.deadline:
        yield f"deadline {facts['deadline']}"
    if route.in_doubt == "failover":
        yield "sends again in doubt"
    if route.expires:
        yield f"expires after {facts['expires']}"
    if route.priority:
        yield f"priority {route.priority}"
    if route.quiet_hours:
        yield f"quiet {route.quiet_hours}"
    if route.schedule == "local":
        yield "held here until their time"
    if route.transactional:
        yield "to those who opted out too"
    if route.wipe_texts == "final":
        yield "texts wiped when final"


def _path_row(path: Path, config: Config) -> tuple[str, ...]:
    used = [name for name, route in config.routes.items() if path.name in route.paths]
    can = _can(path)
    return (path.name, sends(path.transport.carries, can), *marks(USED, can), ", ".join(used))


def _can(path: Path) -> tuple[str, ...]:
    return () if path.problem else path.capabilities


def _webhook_row(name: str, webhook: WebhookSettings) -> tuple[str, ...]:
    return (name, _shown(webhook.url), ", ".join(webhook.events), ", ".join(webhook.accounts) or "all")


def _webhook_document(webhook: WebhookSettings) -> dict[str, Any]:
    return webhook.model_dump(mode="json", exclude={"secrets"}) | {"url": _shown(webhook.url)}


def _shown(url: str) -> str:
    """An address without what may be a password in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


# --- what is remarkable ----------------------------------------------------------------------------------------------


def _unused(config: Config) -> Iterator[str]:
    for name, account in config.accounts.items():
        if name not in _in_routes(config):
            yield f"No route uses account {name!r} ({account.provider})."


def _in_routes(config: Config) -> set[str]:
    return {account_of(path) for route in config.routes.values() for path in route.paths}


def _unheard(config: Config, paths: Sequence[Path]) -> Iterator[str]:
    """With a store, accounts whose reports could come in and do not."""
    if not config.store:
        return
    for name in filter(_in_routes(config).__contains__, config.accounts):
        can = {hook for path in paths if account_of(path.name) == name for hook in _can(path)}
        ways = [way for way, hook in (("`pull: 30s`", "status"), ("`push:`", "push")) if hook in can]
        if ways and not _comes(config.accounts[name], "reports"):
            yield (
                f"Nobody takes in the reports of account {name!r}, so no delivery goes beyond accepted: "
                f"give it {' or '.join(ways)}."
            )


def _served(config: Config) -> Iterator[str]:
    """What `notify serve` is there for."""
    pushes = [name for name, account in config.accounts.items() if account.push]
    if pushes:
        yield f"`notify serve` takes pushes of {', '.join(pushes)}, at /push/ACCOUNT/TOKEN."
    if config.server.tokens:
        yield "`notify serve` offers its API, dashboard and metrics to those who know a token of `server:`."
