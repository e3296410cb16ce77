"""The table of acme.rest, by which the suite is tried out."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from notify_core.errors import InvalidMessage, Retry, Scope, SendError, Sent
from notify_core.exchange import Reply
from notify_core.messages import Accepted, Balance, Inbound, Report, Sms
from notify_core.states import State
from notify_core.testing import calls
from notify_core.testing.contract import Asked, Case

SETTINGS = {"token": "token-of-nobody"}
TOKEN = {"x-token": "token-of-nobody"}
CODE = Sms(to="+4915100000001", text="Your code is 1439", send_at=datetime(2031, 3, 1, 8, tzinfo=UTC))
FIELDS = {"to": ["+4915100000001"], "text": CODE.text, "stamp": "20310203050506", "at": "20310301090000"}
BOX = b'{"to": "+4915100000001", "id": "a-17", "state": "delivered", "at": "20251101090000"}'
DELIVERED = Report(
    recipient="+4915100000001",
    task_id="a-17",
    state=State.DELIVERED,
    code="delivered",
    at=datetime(2025, 11, 1, 8, tzinfo=UTC),
)

ACCEPTED = Case(
    "accepted",
    calls.Send(CODE),
    asked=Asked.json("/messages", FIELDS, headers=TOKEN),
    reply=Reply(body=b'{"id": "a-17", "count": 1}', headers={"content-type": "application/json"}),
    outcome=Accepted(task_id="a-17", count=1),
)
REFUSED = Case(
    "no credit",
    calls.Send(CODE),
    asked=Asked.json("/messages", FIELDS),
    reply=Reply(body=b'{"error": "no_credit"}'),
    outcome=SendError("", scope=Scope.ACCOUNT, retry=Retry.LATER, code="no_credit"),
)
SHORT = Case(
    "one too few",
    calls.Send(CODE),
    asked=Asked.json("/messages", FIELDS),
    reply=Reply(body=b'{"id": "a-18", "count": 0}'),
    outcome=SendError("0 of 1", sent=Sent.UNKNOWN, scope=Scope.RECIPIENT, code="short count"),
)
INVALID = Case(
    "an extension",
    calls.Send(Sms(to="+4915100000001", text="Your code is 1439", extension="12")),
    outcome=InvalidMessage("no extensions"),
)
CREDIT = Case(
    "credit",
    calls.Balance(),
    asked=Asked.query("/credit", {}, headers=TOKEN),
    reply=Reply(body=b'{"credit": "12.5"}'),
    outcome=Balance(units=Decimal("12.5")),
)
REPORTS = Case(
    "reports",
    calls.Status("a-17"),
    asked=Asked.query("/reports", {"of": "a-17"}),
    reply=Reply(body=b'{"reports": [' + BOX + b"]}"),
    outcome=[DELIVERED],
)
WRITTEN = Case(
    "what subscribers wrote",
    calls.Inbound(),
    asked=Asked.query("/inbound", {}),
    reply=Reply(body=b'{"inbound": [{"from": "+4915100000002", "text": "please stop"}]}'),
    outcome=[Inbound(sender="+4915100000002", text="please stop")],
)
PUSHED = Case("a report", calls.Push.body(BOX, "application/json"), outcome=[DELIVERED])
CHANGED = Case(
    "another token",
    calls.ChangePassword("the-next-token"),
    asked=Asked.json("/token", {"new": "the-next-token"}),
    reply=Reply(body=b"{}"),
    outcome=None,
)

CASES = (ACCEPTED, REFUSED, SHORT, INVALID, CREDIT, REPORTS, WRITTEN, PUSHED, CHANGED)
