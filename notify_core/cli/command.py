"""What every command of ``notify`` does alike: reading its arguments, showing its help, ending on an error."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand

from notify_core.cli import exits


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
            exits.report(error, as_json=ctx.params.get("as_json", False))
            raise typer.Exit(exits.code(error)) from None

    def _repeatable(self) -> set[str]:
        if any(param.param_type_name == "argument" for param in self.params):
            return set()
        return {name for param in self.params if getattr(param, "multiple", False) for name in param.opts}


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
