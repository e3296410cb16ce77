"""A notifier that was made before its process forked, as servers do that load an application first."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from notify_core.testing import sandbox

CHILDREN, MESSAGES = 4, 25

# In a process of its own: this one has threads, and a child that it forked off would have their locks.
PROGRAM = """
import json, os, sys
from notify_core import Notifier, Sms

notifier = Notifier.from_mapping(json.loads(sys.argv[1]))
assert notifier.send(Sms(to="13800000001", text="the parent has a connection")).accepted

def child(name):
    for number in range(int(sys.argv[3])):
        text = f"child {name} message {number}"
        result = notifier.send(Sms(to=f"1380000{name}{number:03}", text=text))
        line = json.dumps([result.task_id, text, str(result.error or "")])
        os.write(1, f"{line}\\n".encode())  # at once, so that lines of children do not mix

for name in range(int(sys.argv[2])):
    if not os.fork():
        child(name)
        os._exit(0)
for _ in range(int(sys.argv[2])):
    os.wait()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes do not fork here")
def test_children_never_read_each_others_answers() -> None:
    """Each child has connections of its own: every message is accepted, under the task id that the gateway gave it."""
    with sandbox() as gateway:
        account = {"provider": "ipyy", "base_url": gateway.url, "account": "sandbox", "password": "sandbox-secret"}
        settings = {
            "default_region": "CN",
            "accounts": {"clinic": {**account, "signature": "腾飞"}},
            "routes": {"default": ["clinic.json"]},
        }
        arguments = [json.dumps(settings), str(CHILDREN), str(MESSAGES)]
        done = subprocess.run(  # noqa: S603  # this Python, with a program of ours
            [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True, cwd=Path.cwd()
        )
        told = [json.loads(line) for line in done.stdout.splitlines()]
        taken = {submission["task_id"]: submission["text"] for submission in gateway.received}

    assert len(told) == CHILDREN * MESSAGES
    assert [error for _, _, error in told if error] == []
    assert [(task_id, taken[task_id]) for task_id, _, _ in told] == [(t, f"{text}【腾飞】") for t, text, _ in told]
