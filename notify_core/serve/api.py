"""The JSON API: the outbox for programs in any language. Its numbers are whole, for they are the caller's own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from functools import partial
from json import JSONEncoder
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from notify_core import retrial
from notify_core.errors import InvalidMessage, KeyConflict, StoreError
from notify_core.narration import meaning
from notify_core.notifier import Notifier
from notify_core.phones import e164
from notify_core.redaction import located
from notify_core.replies import LARGEST
from notify_core.serve import orders
from notify_core.settings import Strict
from notify_core.states import IllegalMove, State
from notify_core.store import Filter, NoDelivery, Store, Way

log = logging.getLogger("notify")

Document = Mapping[str, Any]

_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (NoDelivery, 404),
    (StoreError, 503),
    (KeyConflict, 409),
    (IllegalMove, 409),
    (InvalidMessage, 400),
    (ClientDisconnect, 400),
)
"""The status of an error that has words for the caller: the first that fits."""


class Api:
    """The addresses under ``/api``. Each answers with one JSON document; a failure with ``{"error": words}``."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier

    @property
    def routes(self) -> list[Route]:
        """All addresses."""
        one = "/deliveries/{id:int}"
        return [
            _call("POST", "/messages", self.enqueue, orders.NewMessage),
            _call("GET", "/deliveries", self.deliveries, orders.Wanted),
            _call("GET", one, self.delivery, orders.Nothing),
            _call("POST", f"{one}/cancel", self.cancel, orders.Note),
            _call("POST", f"{one}/retry", self.retry, orders.Nothing),
            _call("POST", f"{one}/resolve", self.resolve, orders.Resolution),
            _call("GET", "/balances", self.balances, orders.Nothing),
            _call("GET", "/inbound", self.inbound, orders.WantedInbound),
        ]

    @property
    def application(self) -> Starlette:
        """All addresses, and for any other what there is."""
        return Starlette(routes=self.routes, exception_handlers={HTTPException: self._absent})

    def _absent(self, _: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        known = ", ".join(f"{min(each.methods or {''})} /api{each.path}" for each in self.routes)
        return as_json({"error": f"there is no such call: {known}"}, status)

    @property
    def _store(self) -> Store:
        return self._notifier.outbox.store

    def enqueue(self, order: orders.NewMessage) -> Document:
        """Put a message into the outbox: its id, and those of its deliveries in the order of its recipients."""
        enqueued = self._notifier.enqueue(
            order.sms(),
            route=order.route,
            via=order.via,
            key=order.key,
            priority=order.priority,
            due=order.due,
            expires_at=order.expires_at,
        )
        return {"message": enqueued.message_id, "deliveries": [*enqueued.deliveries], "new": enqueued.new}

    def deliveries(self, wanted: orders.Wanted) -> Document:
        """The newest deliveries that fit, newest first."""
        region = self._notifier.config.default_region
        found = self._store.deliveries(
            Filter(
                states=wanted.state,
                recipient=wanted.to and e164(wanted.to, region),
                way=Way(wanted.route, wanted.via) if wanted.route or wanted.via else None,
                path=wanted.path,
                key=wanted.key,
                message=wanted.message,
                task_id=wanted.task_id,
                since=wanted.since,
                until=wanted.until,
                below=wanted.below,
            ),
            most=wanted.most + 1,
        )
        return _page("deliveries", [each.document() for each in found], wanted.most)

    def delivery(self, _: orders.Nothing, number: int) -> Document:
        """One delivery with all that befell it."""
        store = self._store
        stored = store.delivery(number)
        return {
            "delivery": stored.document(),
            "meaning": meaning(stored),
            "timeline": [asdict(event) for event in store.timeline(number)],
            "tried_again_as": retrial.tried_again(store, number),
        }

    def cancel(self, order: orders.Note, number: int) -> Document:
        """Take back what is queued."""
        self._store.cancel([number], order.note)
        return self._as_it_is(number)

    def retry(self, _: orders.Nothing, number: int) -> Document:
        """Try again what surely was not sent: ``enqueued`` is the new delivery of one that was rejected."""
        retried = retrial.retry(self._notifier, [number])
        return {**self._as_it_is(number), "enqueued": retried.enqueued.get(number)}

    def resolve(self, order: orders.Resolution, number: int) -> Document:
        """Say what became of a delivery in doubt."""
        self._store.resolve([number], State(order.state), order.note)
        return self._as_it_is(number)

    def balances(self, _: orders.Nothing) -> Document:
        """The credit of each account, as it was last heard of."""
        return {"balances": {name: asdict(each) for name, each in self._store.balances().items()}}

    def inbound(self, wanted: orders.WantedInbound) -> Document:
        """The newest messages from subscribers that fit, newest first."""
        found = self._store.arrivals(wanted.account, since=wanted.since, below=wanted.below, most=wanted.most + 1)
        return _page("inbound", [each.document() for each in found], wanted.most)

    def _as_it_is(self, number: int) -> Document:
        return {"delivery": self._store.delivery(number).document()}


def _page(name: str, found: list[dict[str, Any]], most: int) -> Document:
    """The first ``most`` of what was found, and where the next page begins where there is more."""
    return {name: found[:most], "next_below": found[most - 1]["id"] if len(found) > most else None}


# --- requests and answers


def _call(method: str, path: str, work: Callable[..., Document], model: type[Strict]) -> Route:
    async def endpoint(request: Request) -> Response:
        return await _answered(request, work, model)

    return Route(path, endpoint, methods=[method])


async def _answered(request: Request, work: Callable[..., Document], model: type[Strict]) -> Response:
    """Do the work in a thread, for it waits for the store, and answer with what it gave or raised."""
    try:
        order = await _order(request, model)
        numbers = [request.path_params["id"]] if "id" in request.path_params else []
        document = await run_in_threadpool(partial(work, order, *numbers))
    except Exception as error:  # noqa: BLE001 - the one place where every error of the API ends
        return _failed(request, error)
    return as_json(document, 201 if document.get("new") else 200)


async def _order(request: Request, model: type[Strict]) -> Strict:
    if request.method != "POST":
        return orders.from_query(model, request.query_params.multi_items())
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise InvalidMessage(f"the body is larger than {LARGEST // 2**20} MiB: send several messages")
    return orders.from_json(model, bytes(body))


def _failed(request: Request, error: Exception) -> Response:
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    if status == 500:  # its text may quote what came
        facts = {"action": "api_failed"}
        log.error("%s %s failed: %s", request.method, request.scope["path"], located(error), extra=facts)
        return as_json({"error": f"notify failed by a defect of its own ({located(error)})"}, status)
    return as_json({"error": str(error)}, status)


def as_json(document: Document, status: int = 200) -> Response:
    """A document as an answer."""
    return Response(_encode(document), status, media_type="application/json")


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


_encode = JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain).encode
