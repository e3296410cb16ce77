"""``notify store``."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from notify_core.store import Store
from notify_core.store.schema import HEAD
from tests.cli.conftest import STORE, configuration
from tests.cli.shell import notify

COMMANDS = ("init", "upgrade", "check")


@pytest.fixture
def configured(folder: Path) -> Path:
    """A configuration that names a store which is not there."""
    (folder / "notify.yaml").write_text(configuration("http://127.0.0.1:9") + STORE, "utf-8")
    return folder


def place(folder: Path) -> str:
    """Where the store is, as the commands tell it: its whole path, whatever directory it is read in."""
    return f"sqlite:///{folder / 'notify.db'}"


@contextmanager
def database(folder: Path) -> Iterator[sqlite3.Connection]:
    """The file of the store, behind its back."""
    with closing(sqlite3.connect(folder / "notify.db")) as connection, connection:
        yield connection


def test_init_makes_a_store_once(configured: Path) -> None:
    """The first time it makes the store, and says where and which version; after that it changes nothing."""
    first, again = notify("store", "init"), notify("store", "init", "--json")
    assert (first.code, first.err) == (0, "")
    assert first.out == f"Made a store, version {HEAD}, in {place(configured)}.\n"
    assert (configured / "notify.db").exists()
    assert json.loads(again.out) == {"address": place(configured), "version": HEAD, "made": False}
    assert notify("store", "init").out.startswith(f"Nothing to do: there is a store already, version {HEAD}")


def test_upgrade_of_a_current_store_does_nothing(store: Store, folder: Path) -> None:
    """A store of the program's own version is left as it is."""
    shown = notify("store", "upgrade")
    assert shown.code == 0
    assert shown.out == f"Nothing to do: version {store.check()}, in {place(folder)}.\n"


@pytest.mark.usefixtures("store")
def test_check_counts_what_is_open() -> None:
    """It tells the version, the place, and how many deliveries are open."""
    shown = notify("store", "check", "--json")
    assert shown.code == 0
    assert json.loads(shown.out)["open"] == {"queued": 0, "sending": 0, "in_doubt": 0}
    assert "Open: 0 queued, 0 sending, 0 in doubt." in notify("store", "check").out


@pytest.mark.parametrize("command", ["check", "upgrade"])
def test_a_store_that_is_not_there_is_not_made_in_passing(command: str, configured: Path) -> None:
    """Only init makes a store; the others end with 2, say so, and leave no file behind."""
    shown = notify("store", command)
    assert (shown.code, shown.out) == (2, "")
    assert shown.err == f"{place(configured)}: there is no store in it: run `notify store init`\n"
    assert not (configured / "notify.db").exists()


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_newer_store_is_refused(command: str, folder: Path) -> None:
    """A store that a newer program made ends every command with 2, and the advice to upgrade the program."""
    with database(folder) as connection:
        connection.execute("UPDATE notify_alembic_version SET version_num = '9999'")
    shown = notify("store", command)
    assert (shown.code, shown.out) == (2, "")
    assert f"at 9999, which is newer than this code ({HEAD}): upgrade notify-core" in shown.err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_is_no_database_is_told(command: str, configured: Path) -> None:
    """A damaged file ends with 2 and what to do, as JSON too."""
    (configured / "notify.db").write_bytes(b"not a database at all" * 100)
    shown = notify("store", command, "--json")
    assert shown.code == 2
    assert "the file is damaged, or is no SQLite database" in shown.err
    assert json.loads(shown.out)["error"]["kind"] == "StoreError"


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize(
    "args", [*(("store", command) for command in COMMANDS), ("outbox", "list"), ("optout", "list")]
)
def test_a_configuration_without_a_store_is_told(args: tuple[str, ...]) -> None:
    """Where the configuration names no store, the line that adds one is told."""
    shown = notify(*args)
    assert (shown.code, shown.out) == (2, "")
    assert shown.err.startswith("notify.yaml names no store: add the line `store: sqlite:///notify.db`")


@pytest.mark.parametrize("args", [("store", "check"), ("outbox", "list"), ("optout", "list"), ("worker",)])
def test_what_to_run_names_the_configuration(
    args: tuple[str, ...], configured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that needs the store ends at once with the command that makes it, which works as it stands there."""
    (configured / "notify.yaml").rename(configured / "our shop.yaml")
    shown = notify(*args, "--config", "our shop.yaml")
    assert (shown.code, shown.out) == (2, "")
    assert shown.err.endswith("there is no store in it: run `notify --config 'our shop.yaml' store init`\n")
    assert notify("--config", "our shop.yaml", "store", "init").code == 0
    (configured / "notify.db").unlink()
    monkeypatch.setenv("NOTIFY_CONFIG", "our shop.yaml")
    assert notify(*args).err.endswith("run `notify store init`\n")


def test_the_configuration_may_be_named_first(configured: Path) -> None:
    """``notify --config FILE store check`` is the same as ``notify store check --config FILE``."""
    (configured / "notify.yaml").rename(configured / "other.yaml")
    assert notify("store", "init", "--config", "other.yaml").code == 0
    assert notify("--config", "other.yaml", "store", "check").code == 0
