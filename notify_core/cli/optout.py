"""``notify optout``: who wants no more messages of an account."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

import typer

from notify_core.cli import recipients, terminal
from notify_core.cli.command import Family
from notify_core.cli.exits import Misuse
from notify_core.cli.options import DEFAULT_CONFIG, ConfigFile, Json, To, ToFile, load, option
from notify_core.cli.store import opened
from notify_core.cli.tables import Table
from notify_core.phones import mask
from notify_core.times import shown

Owner = Annotated[str, typer.Argument(metavar="ACCOUNT", show_default=False, help="An account of the configuration.")]


def list_(
    account: Annotated[
        str, typer.Argument(metavar="ACCOUNT", show_default=False, help="An account; without it all.")
    ] = "",
    as_json: Json = False,
    config: ConfigFile = DEFAULT_CONFIG,
) -> None:
    """List who opted out, by account.

    Numbers are masked; with --json they are whole.

    Examples:
      notify optout list
      notify optout list clinic --json
    """
    settings = load(config)
    with opened(config, settings) as store:
        found = store.opt_outs(account)
    if account and not found:
        _check_account(account, settings.accounts)
    if as_json:
        facts = ("account", "recipient", "since", "word")
        terminal.show_json({"opt_outs": [{fact: getattr(each, fact) for fact in facts} for each in found]})
    elif found:
        rows = [(each.account, mask(each.recipient), shown(each.since), each.word) for each in found]
        terminal.show(Table(("account", "recipient", "since", "word"), rows))
    else:
        terminal.show(f"Nobody opted out{f' of {account}' if account else ''}.")


def add(
    *,
    account: Owner,
    to: To = None,
    to_file: ToFile = "",
    word: Annotated[str, option("--word", "TEXT", "How they said it, kept with them.")] = "by hand",
    as_json: Json = False,
    config: ConfigFile = DEFAULT_CONFIG,
) -> None:
    """Send these recipients no more messages of an account.

    Messages along routes that are marked transactional go to them all the same.

    Examples:
      notify optout add clinic --to 13800000001 --word "by telephone"
      notify optout add clinic --to-file numbers.txt
    """
    settings = load(config)
    _check_account(account, settings.accounts)
    numbers = recipients.numbers(to or (), to_file, settings.default_region)
    with opened(config, settings) as store:
        store.opt_out(account, numbers, word)
    if as_json:
        terminal.show_json({"account": account, "opted_out": len(numbers)})
    else:
        terminal.show(f"{_counted(len(numbers))} on the opt-out list of {account}.")


def remove(
    *,
    account: Owner,
    to: To = None,
    to_file: ToFile = "",
    as_json: Json = False,
    config: ConfigFile = DEFAULT_CONFIG,
) -> None:
    """Send these recipients messages of an account again.

    Do so only because they asked for it.

    Example:
      notify optout remove clinic --to 13800000001
    """
    settings = load(config)
    numbers = recipients.numbers(to or (), to_file, settings.default_region)
    with opened(config, settings) as store:
        count = store.opt_in(account, numbers)
    if not count:
        _check_account(account, settings.accounts)
    if as_json:
        terminal.show_json({"account": account, "opted_in": count, "were_not_on_it": len(numbers) - count})
    else:
        others = f"; {len(numbers) - count:,} had not been on it" if count < len(numbers) else ""
        terminal.show(f"{count:,} taken off the opt-out list of {account}{others}.")


COMMANDS = Family("optout", "See and change who wants no more messages of an account.", (list_, add, remove))


def _check_account(name: str, known: Collection[str]) -> None:
    from notify_core.errors import nearest

    if name not in known:
        raise Misuse(f"no account {name!r}{nearest(name, known)}")


def _counted(count: int) -> str:
    return "1 number is" if count == 1 else f"{count:,} numbers are"
