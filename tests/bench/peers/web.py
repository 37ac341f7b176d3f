"""What the peers' web processes share: their server, and rooms for products."""

import sys

import eventlet
import eventlet.wsgi
from flask import Flask
from flask_socketio import SocketIO, join_room


def serve(application: object) -> None:
    """Serve on the port that the command line names; more connections than eventlet's 1,024."""
    listener = eventlet.listen(("127.0.0.1", int(sys.argv[1])), backlog=1024)
    eventlet.wsgi.server(listener, application, log_output=False, max_size=20_000)


def with_rooms(app: Flask, **options: object) -> SocketIO:
    """The extension, with ``subscribe_inventory`` as it is asked of ours."""
    sockets = SocketIO(app, async_mode="eventlet", **options)

    @sockets.on("subscribe_inventory")
    def subscribe(product_id: str) -> dict[str, bool]:
        join_room(product_id)
        return {"ok": True}

    return sockets
