"""What transports can do, in the words that people are shown."""

from __future__ import annotations

from collections.abc import Collection, Iterable

USED = {
    "balance": "balance",
    "status": "reports",
    "inbound": "inbound",
    "push": "push",
    "change_password": "password",
}
"""The hooks that a path may have beside ``send``, and what they are called on the command line."""

KNOWN = {**USED, "sandbox": "sandbox"}
"""The same, and whether the local gateway can play the provider's side."""


def sends(carries: Iterable[str], capabilities: Collection[str]) -> str:
    """The kinds of message that go out."""
    return ", ".join(sorted(carries)) if "send" in capabilities else ""


def marks(hooks: Iterable[str], capabilities: Collection[str]) -> list[str]:
    """A cell for each of the hooks: marked where it is there."""
    return ["✓" if hook in capabilities else "" for hook in hooks]
