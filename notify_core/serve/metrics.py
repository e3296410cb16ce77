"""What monitors collect, in the text format of Prometheus. Needs the extra ``metrics``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from notify_core import narration
from notify_core.errors import ConfigError, MissingExtra, StoreError
from notify_core.notifier import Notifier
from notify_core.receiver import Receiver
from notify_core.store import Backlog

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
                *_of_store(self._notifier),
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


def _of_store(notifier: Notifier) -> Iterator[Any]:
    store = notifier.outbox.store
    gauges, standings = store.gauges(), store.balances()
    yield _by("state", "deliveries", "Deliveries that are open, by state.", gauges.open)
    yield _gauge("queue_late_seconds", "Seconds that the oldest queued delivery is overdue.", gauges.late)
    yield _gauge("workers", "Workers that live, in all processes and on all machines.", gauges.workers)
    yield _by("state", "payloads", "Payloads kept and not applied, by state.", gauges.payloads)
    yield from _untold(gauges.untold, notifier.config.webhooks)
    units = {account: float(each.units) for account, each in standings.items()}
    yield _by("account", "balance_units", "Credit, in the provider's units.", units)
    low = {account: int(each.low) for account, each in standings.items()}
    yield _by("account", "balance_low", "Whether the credit is low.", low)


def _untold(found: Mapping[str, Backlog], webhooks: Iterable[str]) -> Iterator[Any]:
    """A webhook for which nothing waits is shown too: what is missing raises no alarm."""
    waiting = {**dict.fromkeys(webhooks, Backlog(0, 0.0)), **found}
    counts = {narration.audience(target): each.count for target, each in waiting.items()}
    yield _by("target", "untold", "Notices that listeners and each webhook are still to be told of.", counts)
    ages = {narration.audience(target): each.age for target, each in waiting.items()}
    yield _by("target", "untold_age_seconds", "Seconds that the oldest of these has waited.", ages)


def _by(label: str, name: str, words: str, values: Mapping[Any, float]) -> Any:
    """One gauge for each value of a label."""
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(f"notify_{name}", words, labels=[label])
    for key, value in values.items():
        family.add_metric([f"{key}"], value)
    return family


def _gauge(name: str, words: str, value: float) -> Any:
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily(f"notify_{name}", words, value=value)
