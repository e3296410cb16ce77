"""``notify balance``, ``reports``, ``inbound`` and ``password``: what one asks of an account at its gateway."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from notify_core.cli import exits, recipients, salvage, terminal
from notify_core.cli.exits import Misuse
from notify_core.cli.options import DEFAULT_CONFIG, Account, ConfigFile, Json, load, option
from notify_core.cli.tables import Table
from notify_core.errors import ConfigError, SendError, Sent, Unsupported

if TYPE_CHECKING:
    from notify_core.messages import Inbound, Report
    from notify_core.notifier import Notifier

_LOST = "In doubt: the gateway may have handed something out that did not arrive here. It does not do so again."


def balance(
    account: Annotated[
        str, typer.Argument(metavar="ACCOUNT", show_default=False, help="An account, or one path; without it all.")
    ] = "",
    as_json: Json = False,
    config: ConfigFile = DEFAULT_CONFIG,
) -> None:
    """Show the credit that is left, of one account or of all.

    Units are the provider's own; those of a postpaid account can be negative. What is low by the account's settings
    (`credit`) is marked; where there is a store it is told how long the credit lasts, and that is noted. Exit code 1:
    a gateway did not answer.

    Examples:
      notify balance
      notify balance clinic --json
    """
    from notify_core.cli.probe import probe, table

    with _notifier(config) as notifier:
        probes = probe(notifier, [account] if account else notifier.paths.accounts)
    if account and isinstance(probes[0].problem, Unsupported | ConfigError):
        raise probes[0].problem
    if as_json:
        terminal.show_json({"balances": [each.document() for each in probes]})
    else:
        terminal.show(table("account", probes))
    raise typer.Exit(exits.FAILED if any(each.failed for each in probes) else exits.DONE)


def reports(
    account: Account,
    task_id: Annotated[str, option("--task-id", "ID", "Only those of one submission; without it all.")] = "",
    as_json: Json = False,
    config: ConfigFile = DEFAULT_CONFIG,
) -> None:
    """Fetch the delivery reports that are waiting.

    They tell what became of messages that the gateway took. It hands each report out once, so numbers are shown whole:
    keep what is printed. An answer that cannot be read is kept in a file.

    Example:
      notify reports clinic --json > reports.json
    """
    with _notifier(config) as notifier, _once():
        found = notifier.reports(account, task_id)
    facts = ("recipient", "state", "code", "task_id", "at")
    document = {"reports": [{fact: getattr(report, fact) for fact in facts} for report in found]}
    _hand_over(document, _reports(found), f"No reports are waiting for {account}.", as_json=as_json)


def inbound(account: Account, as_json: Json = False, config: ConfigFile = DEFAULT_CONFIG) -> None:
    """Fetch the messages from subscribers that are waiting.

    The gateway hands each message out once, so numbers are shown whole: keep what is printed. An answer that cannot be
    read is kept in a file.

    Example:
      notify inbound clinic --json > inbound.json
    """
    with _notifier(config) as notifier, _once():
        found = notifier.inbound(account)
    facts = ("sender", "text", "extension", "task_id", "at")
    document = {"inbound": [{fact: getattr(message, fact) for fact in facts} for message in found]}
    _hand_over(document, _inbound(found), f"No messages are waiting for {account}.", as_json=as_json)


def password(
    account: Account,
    stdin: Annotated[bool, typer.Option("--stdin", help="Read the new password from stdin instead of asking.")] = False,
    as_json: Json = False,
    config: ConfigFile = DEFAULT_CONFIG,
) -> None:
    """Change an account's password at the provider.

    Asks for the new password twice and does not show it. The configuration is not changed: what to write there is said
    afterwards. Exit code 3: either password may be the valid one now.

    Example:
      notify password clinic
    """
    with _notifier(config) as notifier:
        name = notifier.paths.able(account, "change_password").account.name
        new = _from_stdin() if stdin else _asked(name)
        with _noted(
            f"In doubt: either password of {name!r} may be valid now. Try `notify balance {name}` with the old one, "
            "then with the new one."
        ):
            notifier.change_password(account, new)
    if as_json:
        terminal.show_json({"account": name, "changed": True})
    else:
        terminal.show(*_afterwards(name, config))


def _notifier(config: str) -> Notifier:
    from notify_core.notifier import Notifier

    return Notifier(load(config))


@contextmanager
def _once() -> Iterator[None]:
    """Around asking for what is handed out only once."""
    with _noted(_LOST), salvage.unreadable():
        yield


@contextmanager
def _noted(doubt: str) -> Iterator[None]:
    """Explain a doubt where there is one and nothing was saved from it."""
    try:
        yield
    except SendError as error:
        if error.sent is Sent.UNKNOWN and not getattr(error, "__notes__", ()):
            error.add_note(doubt)
        raise


def _hand_over(document: Mapping[str, object], table: Table, nothing: str, *, as_json: bool) -> None:
    """Show what was fetched, and keep it where it cannot be shown."""
    shown = table if table.rows else nothing
    arrived = terminal.show_json(document) if as_json else terminal.show(shown)
    if table.rows and not arrived:
        salvage.unshown(document)


def _reports(found: Sequence[Report]) -> Table:
    rows = [(r.recipient, r.state.replace("_", " "), r.code, r.task_id, _time(r.at)) for r in found]
    return Table(("recipient", "state", "carrier's word", "task id", "time"), rows)


def _inbound(found: Sequence[Inbound]) -> Table:
    rows = [(m.sender, m.text, m.extension, m.task_id, _time(m.at)) for m in found]
    return Table(("sender", "text", "extension", "task id", "time"), rows)


def _time(at: datetime | None) -> str:
    return at.isoformat(" ", "seconds") if at else ""


def _from_stdin() -> str:
    new = recipients.read_text("-").rstrip("\r\n")
    if not new or "\n" in new:
        raise Misuse("stdin must hold the new password on one line")
    return new


def _asked(name: str) -> str:
    if not sys.stdin.isatty():
        raise Misuse("stdin is no terminal to ask at: write the new password to stdin and add --stdin")
    return str(typer.prompt(f"New password of {name}", hide_input=True, confirmation_prompt="The same again", err=True))


def _afterwards(name: str, config: str) -> Iterator[str]:
    """What to do once the password has changed: the old one still stands in the configuration."""
    from notify_core.yaml import read

    lines = read(config).lines
    line = lines.get(("accounts", name, "password")) or lines.get(("accounts", name), 0)
    yield f"The password of {name!r} is changed at the provider, and the old one does not work any more. So now:"
    yield f"1. Write the new one where {config}:{line} takes it from: that line, or the variable or file it names."
    yield "2. Restart every program that sends by this account."
    yield f"3. `notify balance {name}` shows whether it works."
