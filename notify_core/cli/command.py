"""What every command of ``notify`` does alike: reading its arguments, showing its help, ending on an error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from notify_core.cli import exits
from notify_core.cli.options import DEFAULT_CONFIG


class Command(TyperCommand):
    """A command that no error leaves with a traceback: it ends with the error's words and exit code.

    Where no argument could follow, an option that may be repeated takes several values at once: ``--to A B``.
    """

    def __init__(self, name: str | None, *, help: str | None = None, **settings: Any) -> None:  # noqa: A002 - typer's word
        super().__init__(name, help=lined(help), **settings)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command's arguments."""
        return super().parse_args(ctx, spread(args, self._repeatable()))

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        from notify_core.cli.logs import listen

        listen()
        try:
            return super().invoke(ctx)
        except typer.Exit:
            raise
        except KeyboardInterrupt as error:
            raise typer.Exit(exits.code(error)) from None
        except typer.Abort:
            raise typer.Exit(exits.INTERRUPTED) from None
        except Exception as error:  # noqa: BLE001 - the one place where every error ends
            config = ctx.params.get("config", DEFAULT_CONFIG)
            exits.report(error, as_json=ctx.params.get("as_json", False), config=config)
            raise typer.Exit(exits.code(error)) from None

    def _repeatable(self) -> set[str]:
        if any(param.param_type_name == "argument" for param in self.params):
            return set()
        return {name for param in self.params if getattr(param, "multiple", False) for name in param.opts}


class _Group(TyperGroup):
    """The commands of a family, in the order in which they are given."""

    def __init__(self, *, help: str | None = None, **settings: Any) -> None:  # noqa: A002 - typer's word
        super().__init__(help=lined(help), **settings)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - typer's signature
        """Write the commands, each with all of its first sentence."""
        with formatter.section("Commands"):
            rows = [(name, command.get_short_help_str(200).rstrip(".")) for name, command in self.commands.items()]
            formatter.write_dl(rows)


Function = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Family:
    """Commands that share their first word, such as ``notify outbox list``; ``help`` is about all of them."""

    name: str
    help: str
    functions: tuple[Function, ...]


Entry = Function | Family
"""What the list of commands has: one command, which is a function, or a family of them."""


def name_of(entry: Entry) -> str:
    """The word for it on the command line. A function whose name would hide one of Python's ends in ``_``."""
    return entry.name if isinstance(entry, Family) else entry.__name__.rstrip("_")


def summary(entry: Entry) -> str:
    """What it is for, in a line without a full stop."""
    text = entry.help if isinstance(entry, Family) else entry.__doc__ or ""
    return text.partition("\n")[0].rstrip(".")


def built(entry: Entry) -> Any:
    """The command that click runs."""
    settings: Any = {"add_completion": False, "rich_markup_mode": None}
    if not isinstance(entry, Family):
        alone = typer.Typer(**settings)
        alone.command(name_of(entry), cls=Command)(entry)
        return get_command(alone)
    several = typer.Typer(name=entry.name, help=entry.help, cls=_Group, no_args_is_help=True, **settings)
    several.callback()(_nothing_first)
    for function in entry.functions:
        several.command(name_of(function), cls=Command)(function)
    return get_command(several)


def defaults(entry: Entry, values: Mapping[str, object]) -> Mapping[str, object]:
    """``values`` as the defaults of the options of every command in it, in click's form."""
    return {name_of(f): values for f in entry.functions} if isinstance(entry, Family) else values


def _nothing_first() -> None:
    """A family has no options of its own; this keeps one with a single command from becoming that command."""


def spread(args: list[str], repeatable: set[str]) -> list[str]:
    """``--to A B`` as ``--to A --to B``, for the options in ``repeatable``."""
    found: list[str] = []
    option = ""
    for arg in args:
        if arg.startswith("-") and arg != "-":
            name = arg.partition("=")[0]
            option = name if name in repeatable else ""
        elif option and found[-1] != option:
            found.append(option)
        found.append(arg)
    return found


def lined(text: str | None) -> str | None:
    """A help text whose lists keep their lines: typer would fill them into one paragraph."""
    for word in ("Example", "Exit codes"):
        text = text and text.replace(f"\n\n{word}", f"\n\n\b\n{word}")
    return text
