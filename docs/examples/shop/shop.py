"""A shop that tells its customers of their orders: an order and its notification are written together, or neither is.

``run.py`` beside it runs it with all that it needs; docs/tutorial-durable.md walks through both.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import escape
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel
from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, String, Table, create_engine, insert, select
from sqlalchemy import update as change

from notify_core import InvalidMessage, Notifier, Sms

CONFIG = os.environ.get("NOTIFY_CONFIG") or Path(__file__).with_name("notify.yaml")

notifier = Notifier.from_yaml(CONFIG)
store = notifier.outbox.store
assert notifier.config.store is not None  # noqa: S101 - for type checkers: without one the line above has ended this
engine = create_engine(notifier.config.store.url.get_secret_value(), connect_args={"timeout": 30})

tables = MetaData()
orders = Table(
    "orders",
    tables,
    Column("number", Integer, primary_key=True),
    Column("item", String, nullable=False),
    Column("delivery", BigInteger),
)
stock = Table("stock", tables, Column("item", String, primary_key=True), Column("pieces", Integer, nullable=False))


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Fill the shelves of a new shop, and close what is open in the end."""
    tables.create_all(engine)
    with engine.begin() as connection:
        if connection.scalar(select(stock.c.item)) is None:
            connection.execute(insert(stock), [{"item": "tea", "pieces": 1000}, {"item": "vase", "pieces": 1}])
    yield
    notifier.close()
    engine.dispose()


app = FastAPI(title="A shop", lifespan=lifespan)


class Wanted(BaseModel):
    """What a customer sends: an item, and the number of a mobile phone."""

    item: str
    phone: str


@app.post("/orders", status_code=201)
def place(wanted: Wanted) -> dict[str, int]:
    """Take an order. Whatever fails on the way takes the notification back too."""
    with engine.begin() as connection:
        number = int(connection.scalar(insert(orders).values(item=wanted.item).returning(orders.c.number)) or 0)
        told = Sms(to=wanted.phone, text=f"订单 {number} 已收到：{wanted.item}。")
        [delivery] = notifier.enqueue(told, key=f"order-{number}", connection=connection).deliveries
        connection.execute(change(orders).where(orders.c.number == number).values(delivery=delivery))
        take_from_shelf(connection, wanted.item)
    return {"order": number, "delivery": delivery}


def take_from_shelf(connection: Connection, item: str) -> None:
    """One piece less. Raises ``HTTPException`` where there is none."""
    left = stock.c.pieces > 0
    taken = connection.execute(change(stock).where(stock.c.item == item, left).values(pieces=stock.c.pieces - 1))
    if not taken.rowcount:
        raise HTTPException(409, f"no {item} on the shelf; nothing was ordered, and nobody is told of it")


@app.get("/orders/{number}")
def show(number: int) -> dict[str, Any]:
    """An order, and what became of telling the customer."""
    with engine.connect() as connection:
        order = connection.execute(select(orders).where(orders.c.number == number)).one_or_none()
    if order is None:
        raise HTTPException(404, "no such order")
    delivery = store.delivery(order.delivery)
    steps = [event.what for event in store.timeline(order.delivery)]
    return {"order": order.number, "item": order.item, "notification": delivery.state, "steps": steps}


@app.get("/", response_class=HTMLResponse)
def page() -> str:
    """The newest orders on a page, each with what became of telling the customer."""
    with engine.connect() as connection:
        newest = connection.execute(select(orders).order_by(orders.c.number.desc()).limit(20)).all()
    told = [(order.number, escape(order.item), store.delivery(order.delivery).state) for order in newest]
    rows = "".join(f"<tr><td>{number}<td>{item}<td>{state}" for number, item, state in told)
    return f"<!doctype html><title>Orders</title><table><tr><th>order<th>item<th>customer told?{rows}</table>"


@app.exception_handler(InvalidMessage)
def refuse(_request: Request, error: Exception) -> JSONResponse:
    """A number that cannot take messages is the customer's mistake: no order is written."""
    return JSONResponse({"detail": str(error)}, 422)
