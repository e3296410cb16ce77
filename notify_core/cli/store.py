"""``notify store``: making the store, bringing it to the version of the code, and asking whether it can be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from notify_core.cli import exits, terminal
from notify_core.cli.command import Family
from notify_core.cli.exits import Misuse
from notify_core.cli.options import DEFAULT_CONFIG, ConfigFile, Json, load
from notify_core.errors import StoreError

if TYPE_CHECKING:
    from notify_core.config import Config, StoreSettings
    from notify_core.store import Store


def init(as_json: Json = False, config: ConfigFile = DEFAULT_CONFIG) -> None:
    """Make the store that the configuration names.

    Makes its tables, and for SQLite the file. A store that is there already is left as it is. For PostgreSQL the
    database itself must exist.

    Example:
      notify store init
    """
    from notify_core.store import Store

    settings = load(config)
    made = Store.create(_address(config, settings))
    with opened(config, settings) as store:
        said = "Made a store" if made else "Nothing to do: there is a store already"
        _tell(store, f"{said}, version {store.check()}, in {store.address}.", {"made": made}, as_json=as_json)


def upgrade(as_json: Json = False, config: ConfigFile = DEFAULT_CONFIG) -> None:
    """Bring the store to the version of this program.

    Needed after an upgrade of notify-core that says so. Stop workers and applications that use the store first, and
    copy it: there is no way back.

    Example:
      notify store upgrade
    """
    from notify_core.store import Store

    settings = load(config)
    before = Store.upgrade(_address(config, settings))
    with opened(config, settings) as store:
        now = store.check()
        said = f"Nothing to do: version {now}" if before == now else f"Upgraded from version {before} to {now}"
        _tell(store, f"{said}, in {store.address}.", {"before": before}, as_json=as_json)


def check(as_json: Json = False, config: ConfigFile = DEFAULT_CONFIG) -> None:
    """Tell whether the store can be used, and how much is open in it.

    Exit code 2: it cannot: it is not there, cannot be reached, or has another version than this program. What to do
    is said.

    Example:
      notify store check
    """
    found = find(_settings(config, load(config)))
    if found.problem:
        raise found.problem
    if as_json:
        terminal.show_json({"address": found.address, "version": found.version, "open": found.open})
    else:
        terminal.show(f"The store can be used: version {found.version}, in {found.address}. Open: {_counted(found)}.")


COMMANDS = Family("store", "Make, upgrade or check the database that messages are kept in.", (init, upgrade, check))


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found where the store should be: its version and how much is open in it, or why it cannot be used."""

    address: str
    version: str = ""
    open: Mapping[str, int] = field(default_factory=dict)
    problem: StoreError | None = None

    def words(self) -> str:
        """The finding in a line."""
        return str(self.problem) if self.problem else f"{self.address}, version {self.version}; open: {_counted(self)}."

    def document(self) -> dict[str, object]:
        """The finding as ``--json`` tells it."""
        facts = {"address": self.address, "version": self.version, "open": self.open}
        return facts | {"error": self.problem and exits.document(self.problem)}


def find(settings: StoreSettings) -> Finding:
    """Look into the store of a configuration."""
    from notify_core.store import Store

    try:
        with Store(settings.url.get_secret_value(), synchronous=settings.synchronous) as store:
            counts = {state.value: count for state, count in store.open_counts().items()}
            return Finding(store.address, store.check(), counts)
    except StoreError as error:
        return Finding("", problem=error)


def _counted(found: Finding) -> str:
    return ", ".join(f"{count:,} {state.replace('_', ' ')}" for state, count in found.open.items())


def opened(file: str, config: Config | None = None) -> Store:
    """The store of a configuration (read from ``file`` if it is not given). Raises ``ConfigError``, ``StoreError``."""
    from notify_core.store import Store

    settings = _settings(file, config or load(file))
    return Store(settings.url.get_secret_value(), synchronous=settings.synchronous)


def _address(file: str, config: Config) -> str:
    return _settings(file, config).url.get_secret_value()


def _settings(file: str, config: Config) -> StoreSettings:
    if config.store is None:
        raise Misuse(f"{file} names no store: add the line `store: sqlite:///notify.db`, then run `notify store init`")
    return config.store


def _tell(store: Store, said: str, facts: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        terminal.show_json({"address": store.address, "version": store.check(), **facts})
    else:
        terminal.show(said)
