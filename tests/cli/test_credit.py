"""What ``notify balance`` says of an account that is low, and ``notify send`` of a time that the outbox keeps."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from notify_core.sandbox import LocalGateway
from notify_core.store import Store
from tests.cli.shell import TEXT, at_terminal, notify


def set_low(folder: Path, units: int) -> None:
    """Let an account be low below so many units."""
    file = folder / "notify.yaml"
    text = file.read_text("utf-8")
    file.write_text(
        text.replace("    signature: 腾飞\n", f"    signature: 腾飞\n    credit: {{low: {units}}}\n"), "utf-8"
    )


def test_a_low_balance_is_marked(gateway: LocalGateway, folder: Path) -> None:
    """In a column of its own, with a colour at a terminal, and in the JSON."""
    set_low(folder, 500)
    gateway.account(credit=499)
    assert " low " in notify("balance", "clinic").out
    assert "\x1b[1;33mlow" in at_terminal("balance", "clinic").out
    (found,) = json.loads(notify("balance", "clinic", "--json").out)["balances"]
    assert (found["units"], found["low"], found["days"]) == (499, True, None)


def test_one_that_suffices_is_not(gateway: LocalGateway, folder: Path) -> None:
    """The column is left out."""
    set_low(folder, 500)
    gateway.account(credit=500)
    assert " low" not in notify("balance", "clinic").out


def test_with_a_store_it_is_noted(outbox: LocalGateway, folder: Path) -> None:
    """Workers tell it, and other processes learn it."""
    set_low(folder, 500)
    outbox.account(credit=499)
    assert notify("balance", "clinic").code == 0
    with Store("sqlite:///notify.db") as store:
        standing = store.balances()["clinic"]
        assert (standing.units, standing.low) == (Decimal(499), True)
        assert [notice.kind for notice in store.notices([""])] == ["balance_low"]


@pytest.mark.usefixtures("outbox")
def test_how_long_it_lasts_is_told(outbox: LocalGateway) -> None:
    """By what was sent lately: 1 segment today."""
    assert notify("send", "--to", "13800000001", "--text", TEXT).code == 0
    outbox.account(credit=14)
    assert "14.0 days" in notify("balance", "clinic").out


@pytest.mark.usefixtures("outbox")
def test_a_time_that_the_outbox_keeps(folder: Path) -> None:
    """--at with --enqueue waits in the outbox, where it can be cancelled; without --enqueue the command says so."""
    text = (folder / "notify.yaml").read_text("utf-8")
    route = "routes:\n  later: {paths: [clinic.json], schedule: local}\n"
    (folder / "notify.yaml").write_text(text.replace("routes:\n", route), "utf-8")
    at = (datetime.now(UTC) + timedelta(hours=3)).replace(microsecond=0)
    words = ["send", "--to", "13800000001", "--text", TEXT, "--route", "later", "--at", at.isoformat()]
    refused = notify(*words)
    assert refused.code == 2
    assert "route 'later' has schedule: local" in refused.err
    assert notify(*words, "--enqueue").code == 0
    with Store("sqlite:///notify.db") as store:
        (waiting,) = store.deliveries()
        assert waiting.due == at
        assert notify("outbox", "cancel", str(waiting.id)).code == 0
