"""What comes back: reports and subscribers' messages, pushed several times and in any order, or left to be pulled."""

from __future__ import annotations

import heapq
import json
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from random import Random
from xml.sax.saxutils import escape

from notify_core import State
from notify_core.exchange import Request
from notify_core.mailbox import Mailbox
from tests.chaos.facts import Came, Name, Told
from tests.chaos.gateway import Gateway, e164, said
from tests.chaos.traffic import dice

CHINA = timezone(timedelta(hours=8))
MOST = 40
"""Boxes in one push."""
STRAY = 2.5
"""Seconds within which the copies of a report are pushed, in any order, the first perhaps before it is recorded."""
_SILENT, _PULLED, _PUSHED = 0.1, 0.3, 1.0
"""A tenth of the recipients is never reported, a fifth left to be pulled; the rest is pushed one to three times."""


@dataclass(order=True, slots=True)
class _Copy:
    """One copy of a box on its way to us."""

    at: float
    serial: int
    account: str = field(compare=False)
    box: str = field(compare=False)


class Postman:
    """Makes reports of what the gateways accepted, and carries them, until it is told to stop."""

    def __init__(self, gateways: Sequence[Gateway], mailbox: Mailbox, seed: int) -> None:
        self.told: list[Told] = []
        self.came: list[Came] = []
        self.calls: Counter[str] = Counter()
        self._gateways = gateways
        self._mailbox = mailbox
        self._random: Random = dice("post", seed)
        self._bag: list[_Copy] = []
        self._serial = 0
        self._ending = threading.Event()
        self._trouble: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, name="postman")
        self._thread.start()

    @property
    def idle(self) -> bool:
        """Whether nothing is on its way. Raises what went wrong."""
        if self._trouble:
            raise self._trouble[0]
        return not self._bag

    def close(self) -> None:
        """Stop."""
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._ending.wait(0.2):
                for gateway in self._gateways:
                    self._fetch(gateway)
                    self._deliver(gateway.name)
        except BaseException as error:  # noqa: BLE001 - raised again by who looks whether it is idle
            self._trouble.append(error)

    def _fetch(self, gateway: Gateway) -> None:
        """Decide about what the gateway accepted since the last time."""
        left: list[Mapping[str, object]] = []
        for each in gateway.call("POST", "news"):
            for mobile in each["to"]:
                self._report(gateway.name, mobile, each["task_id"], said(each["text"]), left)
        if left:
            gateway.call("POST", "leave", boxes=left)

    def _report(self, account: str, mobile: str, task_id: str, text: str, left: list[Mapping[str, object]]) -> None:
        draw, state = self._random.random(), State.DELIVERED if self._random.random() < 0.85 else State.UNDELIVERED
        if draw < _SILENT:
            return
        at = datetime.now(CHINA).strftime("%Y-%m-%d %H:%M:%S")
        self.told.append(Told(account, (e164(mobile), text), task_id, state))
        if draw < _PULLED:
            outcome = "delivered" if state is State.DELIVERED else "failed"
            left.append({"mobile": mobile, "task_id": task_id, "outcome": outcome, "at": at})
        else:
            self._post(account, _report_box(mobile, task_id, state, at))
        if self._random.random() < 0.03:
            self._write_back(account, mobile, at)

    def _write_back(self, account: str, mobile: str, at: str) -> None:
        """The subscriber answers."""
        words = f"收到{len(self.came) + 1}"
        self.came.append(Came(account, e164(mobile), words))
        self._post(account, _inbound_box(mobile, words, at))

    def _post(self, account: str, box: str) -> None:
        for _ in range(self._random.randint(1, 3)):
            self._serial += 1
            copy = _Copy(time.monotonic() + STRAY * self._random.random(), self._serial, account, box)
            heapq.heappush(self._bag, copy)

    def _deliver(self, account: str) -> None:
        """Push what is due; what could not be stored is pushed again, as a gateway does."""
        now = time.monotonic()
        due = [copy for copy in self._bag if copy.account == account and copy.at <= now]
        self._random.shuffle(due)
        for begin in range(0, len(due), MOST):
            copies = due[begin : begin + MOST]
            if self._push(account, [copy.box for copy in copies]):
                gone = {copy.serial for copy in copies}
                self._bag = [copy for copy in self._bag if copy.serial not in gone]
        heapq.heapify(self._bag)

    def _push(self, account: str, boxes: Sequence[str]) -> bool:
        body = f'<?xml version="1.0" encoding="utf-8"?><returnsms>{"".join(boxes)}</returnsms>'.encode()
        request = Request("POST", f"/push/{account}", "", {"content-type": "text/xml; charset=utf-8"}, body)
        answer = self._mailbox.take(account, request)
        self.calls["pushes"] += 1
        self.calls["refused"] += answer == b"error"
        return answer != b"error"


def _report_box(mobile: str, task_id: str, state: State, at: str) -> str:
    status, word = (10, "DELIVRD") if state is State.DELIVERED else (20, "MY:0001")
    return (
        f"<statusbox><mobile>{mobile}</mobile><taskid>{task_id}</taskid><status>{status}</status>"
        f"<receivetime>{at}</receivetime><errorcode>{word}</errorcode></statusbox>"
    )


def _inbound_box(mobile: str, words: str, at: str) -> str:
    return (
        f"<callbox><mobile>{mobile}</mobile><taskid></taskid><content>{escape(words)}</content>"
        f"<receivetime>{at}</receivetime><extno></extno></callbox>"
    )


def heard(path: Path) -> Counter[Name]:
    """What the listeners of all workers wrote down: how often each report and each message was told."""
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return Counter((account, what, whom) for account, what, whom in map(json.loads, lines))
