"""python-socketio alone: one emit to a room of all clients, as soon as it is asked for."""

# ruff: noqa: E402
import eventlet

eventlet.monkey_patch()

from collections.abc import Callable, Iterable

import socketio

from tests.bench.peers.web import serve

_ROOM = "everybody"
server = socketio.Server(async_mode="eventlet")
# As long as ours is.
_EVENT = {
    "productId": "0" * 36,
    "stock": 999_999_999,
    "onHand": 999_999_999,
    "reserved": 0,
    "version": 1,
    "reason": "adjustment",
    "operationId": "0" * 36,
    "cursor": "0" * 60,
    "position": 1,
}


@server.on("subscribe_inventory")
def subscribe(sid: str, product_id: str) -> dict[str, bool]:
    """Every client is in the one room."""
    server.enter_room(sid, _ROOM)
    return {"ok": True}


def emit(environ: dict[str, str], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Any other request: tell everybody."""
    server.emit("inventory_update", _EVENT, to=_ROOM)
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", "2")])
    return [b"{}"]


if __name__ == "__main__":
    serve(socketio.WSGIApp(server, emit))
