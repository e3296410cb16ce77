"""What holds for every test: nothing of the developer's environment, no traffic off this machine, logs that format."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests import postgresql
from tests.core.gateway import Gateway, accepts

ENVIRONMENT = (
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "NOTIFY_CONFIG"),
)
"""What would change where requests go and whom they trust."""

# Shared machines are slow at times, so no example has a time to keep; the fixtures below do not mind many examples.
settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
settings.register_profile("ci", settings.get_profile("local"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The address of the one server of all tests, its database ``postgres``, which stays empty."""
    with postgresql.running(without=postgresql.UNSAFE) as address:
        yield address


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A gateway that takes everything until it is given another script."""
    with Gateway(script=[accepts("first")]) as running:
        yield running


@pytest.fixture
def backup() -> Iterator[Gateway]:
    """Another one."""
    with Gateway(script=[accepts("second")]) as running:
        yield running


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No socket leaves this machine, no name is looked up elsewhere: whatever tries is refused, and fails the test."""
    strays: list[object] = []
    connect, resolve = socket.socket.connect, socket.getaddrinfo

    def connected(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and not _is_loopback(address[0]):
            strays.append(address)
            raise ConnectionRefusedError(f"a test tried to reach {address}")
        connect(self, address)

    def resolved(host: Any, *arguments: Any, **keywords: Any) -> Any:
        if host is not None and not _is_loopback(host):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, *arguments, **keywords)

    monkeypatch.setattr(socket.socket, "connect", connected)
    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    yield
    assert strays == []


def _is_loopback(host: str | bytes) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    try:
        return ip_address(name).is_loopback or ip_address(name).is_unspecified
    except ValueError:
        return name in ("", "localhost") or name.endswith(".localhost")


@pytest.fixture(autouse=True)
def _no_module_outlives_its_test(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a test wrote and imported is forgotten: another test writes another module of that name."""
    before = set(sys.modules)
    yield
    written = str(tmp_path_factory.getbasetemp())
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", "") or "").startswith(written):
            del sys.modules[name]


@pytest.fixture(autouse=True)
def _every_log_record_formats(caplog: pytest.LogCaptureFixture) -> None:
    """All loggers write at DEBUG: a record that cannot be formatted fails its test (pytest's handler raises)."""
    caplog.set_level(logging.DEBUG)
