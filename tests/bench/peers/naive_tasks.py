"""The naive queue's worker: one Celery task an adjustment, one transaction a task, one emit."""

import os

import psycopg2
from celery import Celery
from flask_socketio import SocketIO

from tests.bench.peers.shelves import ADJUST

_REDIS = os.environ["REDIS_URL"]

app = Celery("naive", broker=_REDIS)
app.conf.update(
    task_ignore_result=True,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
    worker_prefetch_multiplier=16,
)
_kept: dict[str, object] = {}


def _connection():
    """One connection a process, opened after the fork."""
    if "database" not in _kept:
        _kept["database"] = psycopg2.connect(os.environ["DATABASE_URL"])
        _kept["sockets"] = SocketIO(message_queue=_REDIS)
    return _kept["database"]


@app.task
def adjust(operation_id: str, product_id: str, change: int) -> None:
    """Apply one adjustment and tell it."""
    values = {"operation": operation_id, "product": product_id, "change": change}
    with _connection() as connection, connection.cursor() as cursor:
        cursor.execute(ADJUST, values)
        row = cursor.fetchone()
    if row is None:
        event = {"operationId": operation_id, "error": "insufficient-stock"}
    else:
        event = {"productId": product_id, "stock": row[0], "operationId": operation_id}
    _kept["sockets"].emit("inventory_update", event, to=product_id)
