"""A second dialect of the test provider: everything stands in the query of a GET. It can send, and nothing else."""

from __future__ import annotations

import json
from urllib.parse import urlencode

from notify_core.exchange import Http
from notify_core.hookspecs import hookimpl
from notify_core.messages import Accepted, Sms, Submission
from tests.core.transports import wire

carries = wire.carries
settings = wire.settings


@hookimpl
def send(settings: wire.WireSettings, http: Http, submission: Submission) -> Accepted:
    """Get one submission."""
    message = submission.message
    assert isinstance(message, Sms)
    secret = settings.password.get_secret_value()
    query = urlencode({"password": secret, "to": ",".join(message.to), "text": message.text})
    return Accepted(task_id=json.loads(http.get(f"/send?{query}").body)["id"])
