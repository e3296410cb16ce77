"""``notify worker``, in processes of its own."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from notify_core.sandbox import LocalGateway
from notify_core.store import Store
from tests.cli.shell import TEXT, ended, notify, running, stopped

A, B, C = "13800000001", "13800000002", "13800000003"


def enqueue(*args: str) -> None:
    """Put a message into the outbox."""
    assert notify("send", "--enqueue", "--text", TEXT, *args).code == 0


def states() -> dict[int, str]:
    """The state of each delivery."""
    found = json.loads(notify("outbox", "list", "--json").out)["deliveries"]
    return {each["id"]: each["state"] for each in found}


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_sends_and_stops_cleanly(outbox: LocalGateway, folder: Path, by: signal.Signals) -> None:
    """It sends what is enqueued, and by SIGTERM or Ctrl-C records what it sent and ends with 0."""
    enqueue("--to", A, B)
    with running("worker") as started:
        outbox.wait(1, within=60)
        shown = stopped(started, by)
    assert shown.code == 0
    assert bool(shown.err) == (by is signal.SIGINT)
    assert shown.out.splitlines() == [
        f"Sending what is enqueued in sqlite:///{folder / 'notify.db'}: 1 process, 16 threads. Ctrl-C stops it.",
        "Stopped.",
    ]
    assert set(states().values()) == {"accepted"}


def test_a_second_interrupt_does_not_wait(outbox: LocalGateway) -> None:
    """The first Ctrl-C says that it waits for what is under way; the second ends with 130, and says what that means."""
    outbox.fault("smsJson.aspx:delay-after:seconds=60")
    enqueue("--to", A, "--via", "clinic.json")
    with running("worker") as started:
        outbox.wait(1, within=60)
        started.send_signal(signal.SIGINT)
        assert started.stderr is not None
        assert started.stderr.readline().startswith(b"Stopping: waiting up to 30 s")
        shown = stopped(started, signal.SIGINT)
    assert shown.code == 130
    assert shown.err.startswith("Stopped at once. What was under way becomes in doubt")
    assert list(states().values()) == ["sending"]


def test_several_processes_send_each_message_once(outbox: LocalGateway) -> None:
    """Two processes share the outbox; both stop when the first is told to, and nothing is sent twice."""
    first, second = ([f"13{prefix}{number:08}" for number in range(20)] for prefix in (8, 9))
    enqueue("--to", *first, "--via", "single.json")
    with running("worker", "--processes", "2", "--threads", "2") as started:
        outbox.wait(1, within=60)
        enqueue("--to", *second, "--via", "single.json")
        outbox.wait(40, within=60)
        shown = stopped(started)
    assert (shown.code, shown.err) == (0, "")
    assert "2 processes, 2 threads each" in shown.out
    assert sorted(number for each in outbox.received for number in each["to"]) == first + second
    assert set(states().values()) == {"accepted"}


def test_a_verbose_worker_tells_of_each_delivery(outbox: LocalGateway) -> None:
    """With --verbose every delivery has a line: its id, masked number, state and path, and neither number nor text."""
    outbox.account(black_list=[B])
    enqueue("--to", A, B, "--via", "clinic.json")
    with running("worker", "--verbose") as started:
        outbox.wait(1, within=60)
        shown = stopped(started)
    lines = [line.partition(" ")[2] for line in shown.out.splitlines()[1:-1]]
    assert "delivery 2 to +86138****0001: accepted by clinic.json" in lines
    assert any(line.startswith("delivery 3 to +86138****0002: surely not sent") for line in lines)
    assert A not in shown.out + shown.err
    assert "1439" not in shown.out + shown.err


def test_a_worker_says_what_fails_and_what_works_again(outbox: LocalGateway, folder: Path) -> None:
    """A pull that fails has one line on stderr, not one in each round, and another one when it works again."""
    text = (folder / "notify.yaml").read_text("utf-8")
    pull = "max_recipients: 1, pull: {reports: 20ms}"
    (folder / "notify.yaml").write_text(text.replace("max_recipients: 1", pull), "utf-8")
    outbox.account(may_pull=False)
    with running("worker") as started:
        assert started.stderr is not None
        failed = started.stderr.readline().decode().partition(" ")[2]
        outbox.account(may_pull=True)
        works = started.stderr.readline().decode().partition(" ")[2]
        shown = stopped(started)
    assert failed.startswith("reports of single: ")
    assert "again in" in failed
    assert works.startswith("reports of single: works again, after ")
    assert (shown.code, shown.err) == (0, "")


@pytest.mark.usefixtures("outbox")
def test_a_verbose_worker_tells_of_what_it_does_not_send() -> None:
    """With --verbose what ends without being sent has a line like the others, such as who opted out."""
    with Store("sqlite:///notify.db") as store:
        store.opt_out("clinic", [f"+86{A}"], "TD")
    enqueue("--to", A, "--via", "clinic.json")
    with running("worker", "--verbose") as started:
        assert started.stdout is not None
        shown = [started.stdout.readline().decode().rstrip() for _ in range(2)]
        assert stopped(started).err == ""
    assert shown[1].partition(" ")[2] == "delivery 2 to +86138****0001: suppressed: the recipient opted out"


def test_what_a_killed_worker_had_is_in_doubt(outbox: LocalGateway) -> None:
    """A worker killed in mid-send leaves a delivery that nobody sends again, and the outbox says what to do."""
    outbox.fault("smsJson.aspx:delay-after:seconds=60")
    enqueue("--to", A, "--via", "clinic.json")
    with running("worker") as started:
        outbox.wait(1, within=60)
        started.kill()
        ended(started)
    assert list(states().values()) == ["sending"]
    told = notify("outbox", "show", "2").out
    assert "Sending by clinic.json began." in told
    assert "If its worker stopped, it becomes in doubt" in told
    assert "delivery 2 is sending" in notify("outbox", "retry", "2").err
    with Store("sqlite:///notify.db", clock=lambda: 4e9) as later:
        assert later.lapse() == [2]
    told = notify("outbox", "show", "2").out
    assert "Sending by clinic.json began." in told
    assert "Became in doubt: the process that had it stopped" in told
    assert len(outbox.received) == 1


def test_a_worker_without_a_store_does_not_start(gateway: LocalGateway, folder: Path) -> None:
    """Where the store is not configured, or not there, it ends with 2 and says what to do, in every process count."""
    assert gateway.received == []
    for count in ("1", "2"):
        without = notify("worker", "--processes", count)
        assert (without.code, without.out) == (2, "")
        assert "store: sqlite:///notify.db" in without.err
    with (folder / "notify.yaml").open("a", encoding="utf-8") as file:
        file.write("store: sqlite:///notify.db\n")
    for count in ("1", "2"):
        absent = notify("worker", "--processes", count)
        assert (absent.code, absent.out) == (2, "")
        assert "run `notify store init`" in absent.err
