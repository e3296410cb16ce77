"""A third dialect of the test provider: it carries multimedia messages only."""

from __future__ import annotations

from notify_core.exchange import Http
from notify_core.hookspecs import hookimpl
from notify_core.messages import Accepted, Mms, Submission
from tests.core.transports import wire

settings = wire.settings


@hookimpl
def carries() -> frozenset[str]:
    """Multimedia messages."""
    return frozenset({"mms"})


@hookimpl
def send(http: Http, submission: Submission) -> Accepted:
    """Post the parts, one after the other."""
    message = submission.message
    assert isinstance(message, Mms)
    content = b"".join(part.content for part in message.parts)
    return Accepted(task_id=http.post("/mms", content, "application/octet-stream").body.decode())
