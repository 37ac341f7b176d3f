"""No queue at all: the request applies the adjustment by one statement, emits, and answers."""

# ruff: noqa: E402
import eventlet

eventlet.monkey_patch()

import os
from uuid import uuid4

import psycopg2
from eventlet.queue import LifoQueue
from flask import Flask, request
from psycopg2 import extensions

from tests.bench.peers.shelves import ADJUST
from tests.bench.peers.web import serve, with_rooms

_CONNECTIONS = 16


def _wait(connection: object) -> None:
    """psycopg2 waits here, and other requests go on."""
    while (state := connection.poll()) != extensions.POLL_OK:
        reads = state == extensions.POLL_READ
        eventlet.hubs.trampoline(connection.fileno(), read=reads, write=not reads)


extensions.set_wait_callback(_wait)
app = Flask(__name__)
app.json.compact = True
sockets = with_rooms(app)
_pool: LifoQueue = LifoQueue()


@app.post("/api/inventory/adjust")
def adjust() -> tuple[dict[str, object], int]:
    """Apply it, tell it, answer."""
    body = request.get_json()
    change = body["quantity"] if body["type"] == "increment" else -body["quantity"]
    operation_id, product_id = str(uuid4()), body["productId"]
    values = {"operation": operation_id, "product": product_id, "change": change}
    connection = _pool.get()
    try:
        with connection.cursor() as cursor:
            cursor.execute(ADJUST, values)
            row = cursor.fetchone()
    finally:
        _pool.put(connection)
    if row is None:
        return {"error": "insufficient-stock"}, 409
    event = {"productId": product_id, "stock": row[0], "operationId": operation_id}
    sockets.emit("inventory_update", event, to=product_id)
    return {"id": operation_id, "stock": row[0]}, 200


if __name__ == "__main__":
    for _ in range(_CONNECTIONS):
        kept = psycopg2.connect(os.environ["DATABASE_URL"])
        kept.autocommit = True
        _pool.put(kept)
    serve(app)
