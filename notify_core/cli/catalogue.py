"""The installed plugins: where each comes from, what it can do, or why it cannot be used."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint

from notify_core.cli.abilities import KNOWN, marks, sends
from notify_core.names import provider_of
from notify_core.plugins import PluginError, Transport, assemble, installed, load

columns = ("plugin", "from", "sends", *KNOWN.values(), "problem")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry point of the group ``notify``. One without a dot in its name is a wrapper or listener, no transport."""

    name: str
    distribution: str
    version: str
    carries: tuple[str, ...] = ()
    can: tuple[str, ...] = ()
    problem: str = ""

    @property
    def provider(self) -> str:
        """The family of gateways that it speaks to."""
        return provider_of(self.name)

    def row(self) -> tuple[str, ...]:
        """The entry as a line of a table under ``columns``."""
        source = f"{self.distribution} {self.version}".strip()
        return (self.name, source, sends(self.carries, self.can), *marks(KNOWN, self.can), self.problem)

    def document(self) -> dict[str, object]:
        """The entry as ``--json`` tells it."""
        facts = ("name", "provider", "distribution", "version", "carries", "can", "problem")
        return {fact: getattr(self, fact) for fact in facts}


def entries() -> list[Entry]:
    """Every installed plugin, by name."""
    return [_entry(name, point) for name, point in sorted(installed().items())]


def _entry(name: str, point: EntryPoint) -> Entry:
    source = (point.dist.name, point.dist.version) if point.dist else ("", "")
    try:
        plugin = load(name)
        transport = _transport(name, plugin) if "." in name else None
    except PluginError as error:
        return Entry(name, *source, problem=str(error))
    if transport is None:
        return Entry(name, *source)
    return Entry(name, *source, carries=tuple(sorted(transport.carries)), can=transport.capabilities)


def _transport(name: str, plugin: object) -> Transport:
    return assemble({name: plugin}).transports[name]
