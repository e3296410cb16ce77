"""The options that several commands have, and the configuration that they are about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from notify_core.config import Config

DEFAULT_CONFIG = "notify.yaml"


def option(name: str, metavar: str, words: str) -> Any:
    """An option that takes a value; ``words`` say what happens without it."""
    return typer.Option(name, metavar=metavar, help=words, show_default=False)


ConfigFile = Annotated[
    str, option("--config", "FILE", "The configuration; without it the file in NOTIFY_CONFIG, else ./notify.yaml.")
]
Json = Annotated[bool, typer.Option("--json", help="Answer with one JSON document.")]
To = Annotated[list[str] | None, option("--to", "NUMBER", "A recipient. For several repeat it, or write A,B,C.")]
ToFile = Annotated[
    str,
    option(
        "--to-file",
        "FILE",
        "Recipients from a file, one a line, # begins a comment; or a result (notify-result-….json): those of it who "
        "surely were not sent to. - reads stdin.",
    ),
]
Route = Annotated[str, option("--route", "ROUTE", "The route to take; without it `default`.")]
Via = Annotated[str, option("--via", "PATH", "Instead of a route: the one path to take, such as clinic.json.")]
Extension = Annotated[str, option("--ext", "DIGITS", "Digits that are appended to the sender's number.")]
At = Annotated[
    str, option("--at", "TIME", "When the provider sends it, such as 2030-01-31T09:00+08:00; without it at once.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Send nothing: say what it would cost, and by which path.")]
Enqueue = Annotated[
    bool, typer.Option("--enqueue", help="Put it into the store's outbox, for `notify worker` to send.")
]
Key = Annotated[
    str, option("--key", "KEY", "A name for this message, such as order-7-paid: the same again is not sent twice.")
]
Account = Annotated[str, typer.Argument(metavar="ACCOUNT", show_default=False, help="An account, or one path of it.")]


def load(file: str, *plugins: object) -> Config:
    """The configuration of a command. Raises ``ConfigError``."""
    from notify_core.config import load_config
    from notify_core.errors import ConfigError, Fault

    if file == DEFAULT_CONFIG and not Path(file).exists():
        words = "no such file here; name another with --config FILE, or begin with the one that `notify sandbox` prints"
        raise ConfigError([Fault(file, 0, "", words)])
    return load_config(file, others=plugins)
