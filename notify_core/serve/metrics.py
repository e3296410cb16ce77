"""What monitors collect, in the text format of Prometheus. Needs the extra ``metrics``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from notify_core.errors import ConfigError, MissingExtra, StoreError
from notify_core.notifier import Notifier
from notify_core.receiver import Receiver

if TYPE_CHECKING:
    from notify_core.store import Store

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Reads everything from the store when it is asked; pushes are counted by this process alone."""

    def __init__(self, notifier: Notifier, receiver: Receiver | None) -> None:
        self._notifier = notifier
        self._receiver = receiver

    def text(self) -> bytes:
        """The metrics now. Where the store cannot be used, ``notify_store_up`` says so. Raises ``MissingExtra``."""
        try:
            from prometheus_client import CollectorRegistry, generate_latest
        except ModuleNotFoundError as error:
            raise MissingExtra("metrics", "prometheus-client") from error
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> Iterator[Any]:
        """The families of metrics, as prometheus_client asks for them."""
        yield from self._pushes()
        try:
            families = [
                *_of_store(self._notifier.outbox.store),
                _gauge("store_up", "Whether the store can be used.", 1),
            ]
        except (StoreError, ConfigError):
            families = [_gauge("store_up", "Whether the store can be used.", 0)]
        yield from families

    def _pushes(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily

        if self._receiver is None:
            return
        words = "Pushes by what became of them: stored, again (told to come again) or refused (wrong token or address)."
        family = CounterMetricFamily("notify_pushes", words, labels=["account", "outcome"])
        for labels, count in sorted(self._receiver.outcomes.items()):
            family.add_metric(labels, count)
        yield family


def _of_store(store: Store) -> Iterator[Any]:
    from prometheus_client.core import GaugeMetricFamily

    gauges, standings = store.gauges(), store.balances()
    deliveries = GaugeMetricFamily("notify_deliveries", "Deliveries that are open, by state.", labels=["state"])
    for state, count in gauges.open.items():
        deliveries.add_metric([state.value], count)
    payloads = GaugeMetricFamily("notify_payloads", "Payloads kept and not applied, by state.", labels=["state"])
    for kind, count in gauges.payloads.items():
        payloads.add_metric([kind], count)
    units = GaugeMetricFamily("notify_balance_units", "Credit, in the provider's units.", labels=["account"])
    low = GaugeMetricFamily("notify_balance_low", "Whether the credit is low.", labels=["account"])
    for account, standing in standings.items():
        units.add_metric([account], float(standing.units))
        low.add_metric([account], int(standing.low))
    late = _gauge("queue_late_seconds", "Seconds that the oldest queued delivery is overdue.", gauges.late)
    yield from (deliveries, late, payloads, units, low)


def _gauge(name: str, words: str, value: float) -> Any:
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily(f"notify_{name}", words, value=value)
