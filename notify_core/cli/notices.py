"""``notify outbox notices|tell``: what the application was not told, and telling it again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from notify_core import narration
from notify_core.cli import exits, terminal
from notify_core.cli.exits import Misuse
from notify_core.cli.options import DEFAULT_CONFIG, ConfigFile, Json
from notify_core.cli.store import opened
from notify_core.cli.tables import Block, Table
from notify_core.times import clock

if TYPE_CHECKING:
    from notify_core.store import Refused

_ALL = 10_000
"""The most notices that are told again at once."""


def notices(
    *,
    most: Annotated[int, typer.Option("--most", metavar="N", min=1, help="How many, at most.")] = 50,
    as_json: Json = False,
    config: ConfigFile = DEFAULT_CONFIG,
) -> None:
    """List what listeners and webhooks were told and did not hear, the newest first, with why.

    What is given up is not told any more; the rest is told again by a worker at the time that is shown. What it is
    about is not shown.

    Examples:
      notify outbox notices
      notify outbox notices --most 500 --json
    """
    with opened(config) as store:
        found = store.refused_notices(most=most)
    if as_json:
        facts = ("id", "kind", "target", "account", "at", "again", "tries", "error")
        terminal.show_json({"notices": [{fact: getattr(each, fact) for fact in facts} for each in found]})
    else:
        terminal.show(*_listed(found))


def tell(
    ids: Annotated[
        list[int] | None, typer.Argument(metavar="ID", show_default=False, help="Notices, by their ids.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every notice that was not heard.")] = False,
    as_json: Json = False,
    config: ConfigFile = DEFAULT_CONFIG,
) -> None:
    """Let a worker tell notices again at once that were not heard, those that were given up too.

    Exit code 1: one of the ids is none of these.

    Examples:
      notify outbox tell 17 18
      notify outbox tell --all
    """
    if bool(ids) is every:
        raise Misuse("give either ids of notices or --all: `notify outbox notices` shows those there are")
    with opened(config) as store:
        wanted = ids or [each.id for each in store.refused_notices(most=_ALL)]
        found = set(store.tell_again(wanted)) if wanted else set()
    strange = [number for number in wanted if number not in found]
    if as_json:
        terminal.show_json({"told": sorted(found), "unknown": strange})
    else:
        terminal.show(*_outcome(len(found), strange))
    if strange:
        raise typer.Exit(exits.FAILED)


def _listed(found: Sequence[Refused]) -> Iterator[Block]:
    if not found:
        yield "Everything that was told was heard."
        return
    yield Table(("id", "event", "account", "to", "since", "tries", "again", "why"), [_row(each) for each in found])
    yield "`notify outbox tell ID` lets a worker tell one at once."


def _row(each: Refused) -> tuple[str, ...]:
    target = narration.audience(each.target)
    again = "given up" if each.again is None else clock(each.again)
    return (str(each.id), each.kind, each.account, target, clock(each.at), f"{each.tries}", again, each.error)


def _outcome(told: int, strange: Sequence[int]) -> Iterator[str]:
    if told:
        yield f"{told:,} {'notice' if told == 1 else 'notices'} will be told at once by the next worker."
    elif not strange:
        yield "Everything that was told was heard."
    for number in strange:
        yield f"Notice {number} is none that was not heard: `notify outbox notices` shows those there are."
