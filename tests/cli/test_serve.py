"""``notify serve``, in processes of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from notify_core.sandbox import LocalGateway
from tests.cli.shell import TEXT, notify, running, stopped
from tests.serve.house import until

A = "13800000001"
PUSHED, PEOPLE = "an-unguessable-word-1", "a-token-of-the-house-1"
HEADERS = {"authorization": f"Bearer {PEOPLE}"}


@contextmanager
def serving(*args: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A server on a free port and its address; it is ended when the block ends however it ends."""
    with running("serve", "--port", "0", *args) as started:
        assert started.stdout is not None
        out = started.stdout.fileno()
        first = "".join(iter(lambda: os.read(out, 1).decode("latin-1"), "\n"))  # and no more: `ended` reads the rest
        found = re.match(r"Serving (http://127\.0\.0\.1:\d+), with the store sqlite:///.*notify\.db\.", first)
        assert found, first
        yield started, found[1]


@pytest.fixture
def house(outbox: LocalGateway, folder: Path) -> LocalGateway:
    """A gateway, and ``notify.yaml`` with a store, tokens for people and an account that takes pushes."""
    text = (folder / "notify.yaml").read_text("utf-8")
    push = f"provider: ipyy\n    push: {{tokens: [{PUSHED}]}}"
    text = text.replace("provider: ipyy", push, 1) + f"server: {{tokens: [{PEOPLE}]}}\n"
    (folder / "notify.yaml").write_text(text, "utf-8")
    return outbox


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_and_stops_cleanly(house: LocalGateway, by: signal.Signals) -> None:
    """It says what it serves, takes pushes, and ends with 0 by SIGTERM or Ctrl-C; no token is written anywhere."""
    house.inbound(sender=A, text="收到")
    with serving() as (started, url):
        house.account(push_url=f"{url}/push/clinic/{PUSHED}")
        assert house.push()["inbound"]["stored"]
        assert requests.post(f"{url}/push/clinic/{PUSHED}x", b"<x/>", timeout=30).content == b"error"
        found = requests.get(f"{url}/api/inbound", headers=HEADERS, timeout=30).json()["inbound"]
        assert [each["text"] for each in found] == ["收到"]
        shown = stopped(started, by)
    assert shown.code == 0
    assert f"POST {url}/push/clinic/…  takes pushes (1 token valid)" in shown.out
    assert f"{url}/  the dashboard" in shown.out
    assert shown.out.endswith("Stopped.\n")
    assert "its token is not one of accounts.clinic.push.tokens" in shown.err
    assert ("Stopping" in shown.err) == (by is signal.SIGINT)
    for secret in (PUSHED, PEOPLE, A):
        assert secret not in shown.out + shown.err


def test_with_a_worker_one_process_does_it_all(house: LocalGateway) -> None:
    """With --worker what is enqueued over the API is sent, and a push tells what became of it."""
    with serving("--worker") as (started, url):
        order = {"to": A, "text": TEXT, "via": "clinic.json"}
        enqueued = requests.post(f"{url}/api/messages", json=order, headers=HEADERS, timeout=30).json()
        delivery = f"{url}/api/deliveries/{enqueued['deliveries'][0]}"
        until(lambda: _state(delivery) == "accepted")
        house.settle()
        house.account(push_url=f"{url}/push/clinic/{PUSHED}")
        house.push()
        assert _state(delivery) == "delivered"
        shown = stopped(started)
    assert (shown.code, shown.err) == (0, "")
    assert "A worker sends what is enqueued." in shown.out


def _state(delivery: str) -> object:
    return requests.get(delivery, headers=HEADERS, timeout=30).json()["delivery"]["state"]


def test_only_what_is_configured_is_served(outbox: LocalGateway, folder: Path) -> None:
    """Without accounts that take pushes, or without tokens, it says what is not served; without both it ends with 2."""
    assert outbox.received == []
    nothing = notify("serve", "--port", "0")
    assert (nothing.code, nothing.out) == (2, "")
    assert 'there is nothing to serve: give an account `push: {tokens: ["${PUSH_TOKEN}"]}`' in nothing.err
    with (folder / "notify.yaml").open("a", encoding="utf-8") as file:
        file.write(f"server: {{tokens: [{PEOPLE}]}}\n")
    with serving() as (started, url):
        assert requests.post(f"{url}/push/clinic/{PUSHED}", timeout=30).status_code == 404
        shown = stopped(started)
    assert "No account has `push:`, so pushes are not taken." in shown.out


def test_what_cannot_be_does_not_start(house: LocalGateway, folder: Path) -> None:
    """A port that is taken, an address of another machine or a store that is not there end it with 2 and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        taken = notify("serve", "--port", str(port))
    assert (taken.code, taken.out) == (2, "")
    assert taken.err.startswith(f"cannot listen on 127.0.0.1:{port}: ")
    assert "give another host or port" in notify("serve", "--host", "192.0.2.1").err
    assert house.received == []
    (folder / "notify.db").unlink()
    absent = notify("serve")
    assert (absent.code, "run `notify store init`" in absent.err) == (2, True)


@pytest.mark.parametrize("package", ["starlette", "uvicorn"])
def test_without_the_extra(house: LocalGateway, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Where a package of the extra is missing, it says by which line it is installed."""
    assert house.received == []
    for name in [name for name in sys.modules if name.startswith("notify_core.serve")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    without = notify("serve")
    assert (without.code, without.out) == (2, "")
    assert without.err == f"{package} is not installed: pip install 'notify-core[server]', or '.[server]' in a clone\n"
