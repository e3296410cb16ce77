"""Reports and inbound messages pushed to the customer's own address (gateway.md, part 1, 7)."""

from __future__ import annotations

from typing import TypedDict

from notify_core.exchange import Gateway
from notify_ipyy.sandbox.boxes import inbound_record, report_record
from notify_ipyy.sandbox.mailbox import Inbound, Report
from notify_ipyy.sandbox.spelling import Fields, Style, xml_reply

TRIES = 3


class Pushed(TypedDict):
    """What became of one push: how many records it carried, the tries it took, and whether the customer took it."""

    count: int
    tries: int
    stored: bool


def push(gateway: Gateway, style: Style, url: str, reports: list[Report], inbound: list[Inbound]) -> dict[str, Pushed]:
    """Post both boxes, each in one body; after three tries the gateway gives up, and they are lost."""
    boxes: dict[str, tuple[str, list[Fields]]] = {
        "reports": ("statusbox", [report_record(report) for report in reports]),
        "inbound": ("callbox", [inbound_record(message) for message in inbound]),
    }
    return {name: _push(gateway, style, url, box, records) for name, (box, records) in boxes.items()}


def _push(gateway: Gateway, style: Style, url: str, box: str, records: list[Fields]) -> Pushed:
    if not records:
        return Pushed(count=0, tries=0, stored=True)
    reply = xml_reply(style, [(box, records)])
    for tries in range(1, TRIES + 1):
        answer = gateway.post(url, reply.body, reply.headers["content-type"])
        # Any answer but `error`, an empty one and an error page too, counts as success; a network failure does not.
        if answer is not None and answer.strip() != b"error":
            return Pushed(count=len(records), tries=tries, stored=True)
    return Pushed(count=len(records), tries=TRIES, stored=False)
