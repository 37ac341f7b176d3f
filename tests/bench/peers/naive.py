"""The naive queue's web process: ``.delay()`` in every request."""

# ruff: noqa: E402
import eventlet

eventlet.monkey_patch()

import os
from uuid import uuid4

from flask import Flask, request

from tests.bench.peers.naive_tasks import adjust
from tests.bench.peers.web import serve, with_rooms

app = Flask(__name__)
app.json.compact = True
with_rooms(app, message_queue=os.environ["REDIS_URL"])


@app.post("/api/inventory/adjust")
def queue_adjustment() -> tuple[dict[str, str], int]:
    """Queue it and forget it."""
    body = request.get_json()
    change = body["quantity"] if body["type"] == "increment" else -body["quantity"]
    operation_id = str(uuid4())
    adjust.delay(operation_id, body["productId"], change)
    return {"id": operation_id, "status": "queued"}, 202


if __name__ == "__main__":
    serve(app)
