"""Reports and inbound messages as they are pulled in XML or JSON, and pushed in XML (gateway.md, part 1, 5 to 7)."""

from __future__ import annotations

from notify_ipyy.sandbox.mailbox import Inbound, Report
from notify_ipyy.sandbox.spelling import Fields


def report_record(report: Report) -> Fields:
    """One report of the XML form."""
    return (
        ("mobile", report.mobile),
        ("taskid", report.task_id),
        ("status", report.status),
        ("receivetime", report.at),
        ("errorcode", report.code),
    )


def statusless_record(report: Report) -> Fields:
    """One report of the JSON form, which carries no status (part 2)."""
    return tuple(field for field in report_record(report) if field[0] != "status")


def inbound_record(inbound: Inbound) -> Fields:
    """One inbound message, of either form."""
    return (
        ("mobile", inbound.mobile),
        ("taskid", inbound.task_id),
        ("content", inbound.text),
        ("receivetime", inbound.at),
        ("extno", inbound.extension),
    )
