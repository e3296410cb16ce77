"""The commands of ``notify``, and the help that lists them. What a command needs comes late: help comes at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from notify_core.cli import accounts, inspection, optout, outbox, sandbox, sending, serve, store, worker
from notify_core.cli.command import Entry, built, defaults, lined, name_of, summary
from notify_core.cli.options import DEFAULT_CONFIG

SECTIONS: Mapping[str, tuple[Entry, ...]] = {
    "Send": (sending.send, sending.mms),
    "Messages in the store": (worker.worker, serve.serve, outbox.COMMANDS, optout.COMMANDS, store.COMMANDS),
    "Ask a gateway": (accounts.balance, accounts.reports, accounts.inbound, accounts.password),
    "Set up and try out": (inspection.check, inspection.plugins, sandbox.sandbox),
}
"""The commands by the sections of the help."""


class _Commands(Mapping[str, Any]):
    """Every command by its name. One is built when it is asked for: building all takes longer than showing the help."""

    def __init__(self) -> None:
        self._entries = {name_of(entry): entry for entries in SECTIONS.values() for entry in entries}

    def __getitem__(self, name: str) -> Any:
        return built(self._entries[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def defaults(self, values: Mapping[str, object]) -> Mapping[str, object]:
        """``values`` as the defaults of the options of every command, in click's form."""
        return {name: defaults(entry, values) for name, entry in self._entries.items()}


class _Sections(TyperGroup):
    """Lists the commands of each section in its help."""

    def __init__(self, *, help: str | None = None, **settings: Any) -> None:  # noqa: A002 - typer's word
        super().__init__(help=lined(help), **settings)
        self.commands: Any = _Commands()

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        """The names of the commands."""
        return list(self.commands)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - typer's signature
        """Write the commands, each section under its name."""
        width = max(map(len, self.commands))
        for section, entries in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl([(f"{name_of(entry):<{width}}", summary(entry)) for entry in entries])


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"notify {version('notify-core')}")
        raise typer.Exit


def _begin(
    ctx: typer.Context,
    config: Annotated[
        str,
        typer.Option(
            "--config",
            envvar="NOTIFY_CONFIG",
            metavar="FILE",
            show_default=False,
            help="The configuration file; ./notify.yaml if not given. May also be written after the command.",
        ),
    ] = DEFAULT_CONFIG,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Send messages through SMS and MMS gateways: each leaves once, by the first path that can take it.

    Accounts at gateways, and the order in which they are tried, stand in one YAML file. `notify sandbox` starts a
    gateway on this machine and prints a file to begin with; `notify COMMAND --help` explains a command.

    Exit codes:
      0    accepted, or done
      1    refused or failed
      2    wrong usage or configuration; nothing was sent
      3    in doubt: it may have been sent, do not repeat it
      130  interrupted with Ctrl-C
      143  ended by SIGTERM
    """
    command: Any = ctx.command
    ctx.default_map = command.commands.defaults({"config": config})


app = typer.Typer(
    name="notify",
    cls=_Sections,
    callback=_begin,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"max_content_width": 100},
)
