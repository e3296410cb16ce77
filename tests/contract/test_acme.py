"""A transport with every hook passes the suite."""

from __future__ import annotations

from notify_core.testing.contract import TransportContract
from tests.contract import table


class TestAcme(TransportContract):
    """All that the suite proves holds for it."""

    transport = "acme.rest"
    module = "tests.contract.acme"
    settings = table.SETTINGS
    cases = table.CASES
