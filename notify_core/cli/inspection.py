"""``notify check`` and ``notify plugins``: what there is, and whether it can work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from notify_core.cli import exits, terminal
from notify_core.cli.options import DEFAULT_CONFIG, ConfigFile, Json, load
from notify_core.cli.tables import Block, Table

if TYPE_CHECKING:
    from notify_core.cli.probe import Probe
    from notify_core.cli.store import Finding
    from notify_core.config import Config
    from notify_core.notifier import Notifier


def check(
    live: Annotated[bool, typer.Option("--live", help="Ask each path for its balance, too. Nothing is sent.")] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of the file, for editors, and do nothing else.")
    ] = False,
    as_json: Json = False,
    config: ConfigFile = DEFAULT_CONFIG,
) -> None:
    """Check the configuration, and explain its accounts, routes and paths.

    Every fault is told at once, each with its file and line. Where a store is configured it is looked into. Exit code
    2: the configuration cannot work. With --live, 1: some path does not, or the store cannot be used.

    Examples:
      notify check
      notify check --live
      notify check --schema > notify.schema.json
    """
    if schema:
        _show_schema()
        return
    from notify_core.cli.probe import probe
    from notify_core.cli.store import find
    from notify_core.notifier import Notifier

    settings = load(config)
    store = find(settings.store) if settings.store else None
    with Notifier(settings) as notifier:
        probes = probe(notifier, (path.name for path in notifier.paths if not path.problem)) if live else []
        if as_json:
            terminal.show_json(_document(settings, notifier, store, probes))
        else:
            terminal.show(*_blocks(config, settings, notifier, store, probes))
    failed = [*(each.failed for each in probes), live and store is not None and store.problem is not None]
    raise typer.Exit(exits.FAILED if any(failed) else exits.DONE)


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


def _blocks(
    file: str, config: Config, notifier: Notifier, store: Finding | None, probes: list[Probe]
) -> Iterator[Block]:
    from notify_core.cli import explanation
    from notify_core.cli.probe import table

    paths = list(notifier.paths)
    counts = (("account", len(config.accounts)), ("route", len(config.routes)), ("path", len(paths)))
    found = ", ".join(f"{count} {noun}{'s' * (count != 1)}" for noun, count in counts)
    yield f"{file} can work: {found}."
    told = f"Store: {exits.named(store.words(), file)}" if store else ""
    if store and not store.problem:
        yield told
    yield from explanation.blocks(config, paths)
    if probes:
        yield table("path", probes)
    if store and store.problem:
        yield told  # last, where it is seen


def _document(config: Config, notifier: Notifier, store: Finding | None, probes: list[Probe]) -> dict[str, object]:
    from notify_core.cli import explanation

    said = explanation.document(config, list(notifier.paths))
    return {**said, "store": store and store.document(), "live": [each.document() for each in probes]}
