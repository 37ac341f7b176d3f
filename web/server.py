"""The web process: the one place that knows its server, eventlet."""

# ruff: noqa: E402 - the standard library must be made cooperative before all else
import warnings

warnings.filterwarnings("ignore", message=r"(?s).*[Ee]ventlet", category=DeprecationWarning)

import eventlet

eventlet.monkey_patch()

import signal
import socket
import sys

import eventlet.wsgi
import structlog

from web.app import create_web
from web.settings import web_settings
from workers.logs import configure_logs

log = structlog.get_logger(__name__)

# Connections that may be open at once: eventlet's own 1,024 would let sockets starve requests.
_MAX_CONNECTIONS = 20_000
_MAX_HEADER_BYTES = 16_384
# Less than what a supervisor gives before it kills.
_GRACE_SECONDS = 3.0


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        OSError: the port is taken. `eventlet.listen` would share it in silence.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = eventlet.green.socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind((host, port))
    found.listen(1024)
    return found  # type: ignore[no-any-return]


def serve() -> None:
    """Serve until SIGTERM or SIGINT, then finish what runs and go."""
    configure_logs()
    settings = web_settings()
    try:
        door = listen(settings.host, settings.port)
    except OSError as error:
        sys.exit(f"PORT={settings.port}: cannot listen on {settings.host}: {error.strerror}")
    web = create_web()
    web.start()
    stopping = eventlet.event.Event()

    def stop(*_: object) -> None:
        if not stopping.ready():
            stopping.send(None)

    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, stop)
    pool = eventlet.GreenPool(_MAX_CONNECTIONS)
    server = eventlet.spawn(
        eventlet.wsgi.server,
        door,
        web.app,
        custom_pool=pool,
        log_output=False,
        socket_timeout=60,
        debug=False,
        url_length_limit=_MAX_HEADER_BYTES,
    )
    log.info("listening", host=settings.host, port=settings.port)
    stopping.wait()
    _finish(door, server, pool, web)


def _finish(door: socket.socket, server: object, pool: object, web: object) -> None:
    """Refuse what is new, answer what runs, tell sockets to come again elsewhere."""
    log.info("stopping")
    server.kill()  # type: ignore[attr-defined]
    door.close()
    web.stop()  # type: ignore[attr-defined]
    with eventlet.Timeout(_GRACE_SECONDS, False):
        pool.waitall()  # type: ignore[attr-defined]


if __name__ == "__main__":
    serve()
