"""The gateway with the whole ipyy family on it, and a customer who speaks plain HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from notify_core.sandbox import LocalGateway
from notify_ipyy import sandbox as ipyy
from tests.sandbox.caller import Caller


@pytest.fixture
def gateway() -> Iterator[LocalGateway]:
    """A running gateway."""
    families = (
        *(ipyy.xml_endpoints, ipyy.gbk_endpoints, ipyy.json_endpoints),
        *(ipyy.ensms_endpoints, ipyy.soap_endpoints, ipyy.mms_endpoints),
    )
    with LocalGateway(families) as gateway:
        yield gateway


@pytest.fixture
def caller(gateway: LocalGateway) -> Caller:
    """Its customer."""
    return Caller(gateway)
