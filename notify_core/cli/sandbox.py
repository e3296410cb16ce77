"""``notify sandbox``: a gateway on this machine, with all dialects, to try things out against."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from notify_core.cli import terminal
from notify_core.cli.exits import Misuse
from notify_core.cli.options import option
from notify_core.cli.tables import Table
from notify_core.phones import mask

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from notify_core.plugins import Transport
    from notify_core.settings import AccountSettings

_ACCOUNT = {"account": "sandbox", "password": "sandbox-secret", "user_id": '"1001"', "signature": "腾飞"}
"""The account that the provider's side has at first, by the names of its settings."""


def sandbox(
    port: Annotated[
        int, typer.Option("--port", metavar="PORT", min=0, max=65535, help="Where to listen; 0 takes a free port.")
    ] = 8025,
    fault: Annotated[
        list[str] | None,
        option("--fault", "SPEC", "A fault, as ENDPOINT:KIND[:times=N], such as smsJson.aspx:cut-after. Repeatable."),
    ] = None,
    list_faults: Annotated[bool, typer.Option("--list-faults", help="List the kinds of faults, and exit.")] = False,
    show_texts: Annotated[bool, typer.Option("--show-texts", help="Show texts and whole numbers.")] = False,
) -> None:
    """Run a gateway on this machine that sends nothing to anybody.

    It prints a configuration to copy, then one line for each submission that it accepts. With --fault it misbehaves as
    real gateways do. Ctrl-C ends it.

    Examples:
      notify sandbox
      notify sandbox --fault smsJson.aspx:cut-after:times=1
      curl http://127.0.0.1:8025/sandbox
    """
    if list_faults:
        terminal.show(_kinds())
        return
    from notify_core import testing

    transports = _loaded()
    listener = _line_with_text if show_texts else _line
    try:
        with testing.sandbox(
            transports=transports, port=port, faults=fault or (), listener=lambda taken: terminal.copy(listener(taken))
        ) as gateway:
            terminal.copy(*_introduction(gateway.url, transports))
            _until_stopped()
    except KeyboardInterrupt:
        return
    except OSError as error:
        raise Misuse(error.strerror or str(error)) from error
    except ValueError as error:
        raise Misuse(str(error)) from error


def _until_stopped() -> None:
    """Wait for Ctrl-C or SIGTERM, which come as ``KeyboardInterrupt``."""
    for stop in (signal.SIGINT, signal.SIGTERM):  # a shell starts what runs in the background with SIGINT ignored
        signal.signal(stop, signal.default_int_handler)
    threading.Event().wait()


def _kinds() -> Table:
    from notify_core.sandbox import KINDS

    rows = [(name, kind.meaning, ", ".join(["times", *sorted(kind.options)])) for name, kind in KINDS.items()]
    return Table(("kind", "what happens", "options"), rows)


def _loaded() -> dict[str, Any]:
    """The installed transports. One that cannot be imported is left out, with the reason."""
    from notify_core.plugins import PluginError, installed, load

    found = {}
    for name in sorted(name for name in installed() if "." in name):
        try:
            found[name] = load(name)
        except PluginError as error:
            terminal.complain(f"left out: {error}")
    return found


def _introduction(url: str, plugins: Mapping[str, Any]) -> Iterator[str]:
    """A configuration to copy. All else stands in comments, so that what is printed may be copied as a whole."""
    yield f"# A gateway that sends nothing to anybody listens on {url}. Ctrl-C ends it."
    yield "# Save this as notify.yaml:"
    yield "default_region: CN"
    yield from _configuration(url, _served(plugins))
    yield "# Then, in another terminal: notify send --to 13800000001 --text 您的验证码：1439"
    yield f"# What else it can be made to do (reports, inbound messages, faults): curl {url}/sandbox"
    yield "# Submissions that it accepts:"


def _served(plugins: Mapping[str, Any]) -> dict[str, list[Transport]]:
    """The transports of each provider whose account is fully known here."""
    from notify_core.plugins import assemble

    found: dict[str, list[Transport]] = {}
    for transport in assemble(plugins).transports.values():
        if "sandbox" in transport.hooks and _required(transport) <= {"provider", "base_url", *_ACCOUNT}:
            found.setdefault(transport.provider, []).append(transport)
    return found


def _fields(transport: Transport) -> Mapping[str, FieldInfo]:
    model: type[AccountSettings] = transport.hooks["settings"]()
    return model.model_fields


def _required(transport: Transport) -> set[str]:
    return {name for name, field in _fields(transport).items() if field.is_required()}


def _configuration(url: str, served: Mapping[str, list[Transport]]) -> Iterator[str]:
    names = {provider: provider if len(served) > 1 else "clinic" for provider in served}
    yield "accounts:"
    for provider, transports in served.items():
        yield f"  {names[provider]}:"
        yield f"    provider: {provider}"
        yield f"    base_url: {url}"
        yield from (f"    {key}: {value}" for key, value in _ACCOUNT.items() if key in _fields(transports[0]))
    yield "routes:"
    yield from _routes([(f"{names[t.provider]}.{t.dialect}", t) for ts in served.values() for t in ts])


_ROUTES = {"sms": "default", "mms": "pictures"}
"""What the route for a kind of message is called, as in config/sandbox.yaml."""


def _routes(paths: list[tuple[str, Transport]]) -> Iterator[str]:
    """A route for each kind of message, through all paths that carry it."""
    for kind in sorted({kind for _, transport in paths for kind in transport.carries}, reverse=True):
        carrying = ", ".join(path for path, transport in paths if kind in transport.carries)
        yield f"  {_ROUTES.get(kind, kind)}: [{carrying}]"


def _line(taken: Mapping[str, Any]) -> str:
    """A submission on one line, its text and numbers masked."""
    numbers = [mask(str(number)) for number in taken["to"]]
    return f"{_head(taken)} to {_listed(numbers)}: {_masked(taken)}"


def _line_with_text(taken: Mapping[str, Any]) -> str:
    """A submission on one line, with all that it says."""
    said = taken.get("text") or f"{taken.get('subject', '')} {_parts(taken)}"
    return f"{_head(taken)} to {_listed(list(taken['to']))}: {said}"


def _head(taken: Mapping[str, Any]) -> str:
    return f"{datetime.now():%H:%M:%S} {taken['endpoint']} task {taken['task_id']}"  # noqa: DTZ005 - the clock on the wall


def _listed(numbers: list[str]) -> str:
    more = f" and {len(numbers) - 3:,} more" if len(numbers) > 3 else ""
    return ", ".join(numbers[:3]) + more


def _masked(taken: Mapping[str, Any]) -> str:
    if "text" in taken:
        return f"<{len(taken['text'])} characters>"
    return f"<{len(taken.get('subject', ''))} characters> {_parts(taken)}"


def _parts(taken: Mapping[str, Any]) -> str:
    return f"and {len(taken.get('parts', ()))} parts"
