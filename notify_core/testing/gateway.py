"""The local gateway with every installed transport on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # every pytest run imports this package, for the fixture; what it needs comes when it is used
    import pluggy

    from notify_core.exchange import Endpoint, Gateway
    from notify_core.sandbox import Fault, LocalGateway


def _now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def sandbox(
    *,
    faults: Iterable[Fault | str] = (),
    transports: Mapping[str, Any] | None = None,
    port: int = 0,
    clock: Callable[[], datetime] = _now,
    listener: Callable[[Mapping[str, Any]], object] | None = None,
) -> Iterator[LocalGateway]:
    """A running gateway that speaks every dialect, on a free port of loopback.

    ::

        with notify_core.testing.sandbox(faults=["smsJson.aspx:cut-after:times=1"]) as gateway:
            ...  # base_url: gateway.url, account: sandbox, password: sandbox-secret
            gateway.received, gateway.fault(…), gateway.settle(…), gateway.inbound(…)

    ``transports`` are plugins by name, all that are installed where it is left out; one without a hook ``sandbox`` has
    nothing to say here. The other arguments are those of ``LocalGateway``. Raises ``ValueError`` for a fault that
    cannot be, ``PluginError`` for a plugin that cannot, and ``OSError`` where the port is taken.
    """
    from notify_core.sandbox import LocalGateway

    with LocalGateway(_sandboxes(transports), faults=faults, port=port, clock=clock, listener=listener) as gateway:
        yield gateway


def _sandboxes(transports: Mapping[str, Any] | None) -> list[Callable[[Gateway], Mapping[str, Endpoint]]]:
    from notify_core import plugins

    found = plugins.assemble(plugins.transports() if transports is None else transports).transports.values()
    return [partial(_served, transport.hooks["sandbox"]) for transport in found if "sandbox" in transport.hooks]


def _served(hook: pluggy.HookCaller, gateway: Gateway) -> Mapping[str, Endpoint]:
    return {path: endpoint for served in hook(gateway=gateway) for path, endpoint in served.items()}
