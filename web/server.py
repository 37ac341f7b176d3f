"""The web process: the one place that knows its server, eventlet."""

# ruff: noqa: E402 - the standard library must be made cooperative before all else
import warnings

warnings.filterwarnings("ignore", message=r"(?s).*[Ee]ventlet")

import eventlet

eventlet.monkey_patch()

import resource
import signal
import socket
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import eventlet.wsgi
import psycopg2
import structlog
from psycopg2 import extensions
from werkzeug.exceptions import RequestTimeout

from web.app import create_web
from web.browsers import unsniffed
from web.envelope import WSGI
from web.server_protocol import Protocol
from web.settings import web_settings
from workers.collector import spare_the_collector
from workers.logs import configure_logs

log = structlog.get_logger(__name__)

# Connections that may be open at once: eventlet's own 1,024 would let sockets starve requests.
_MAX_CONNECTIONS = 20_000
_MAX_HEADER_BYTES = 16_384
# A little more than the statement time-out of a web process.
_ANSWER_SECONDS = 11.0
# The largest upload takes some seconds; less than what supervisors give before they kill.
_GRACE_SECONDS = 8.0


def wait_for_postgresql(connection: Any) -> None:
    """psycopg2 waits here, and other requests go on; a server that stands still is given up.

    Its kernel goes on acknowledging what is sent, so that no time-out of TCP would notice.
    Source: psycopg documentation, "Support for coroutine libraries".

    Raises:
        psycopg2.OperationalError: no answer within what any statement may take.
    """
    while True:
        state = connection.poll()
        if state == extensions.POLL_OK:
            return
        eventlet.hubs.trampoline(
            connection.fileno(),
            read=state == extensions.POLL_READ,
            write=state == extensions.POLL_WRITE,
            timeout=_ANSWER_SECONDS,
            timeout_exc=psycopg2.OperationalError("the database does not answer"),
        )


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


def allow_many_files() -> None:
    """Each connection is a file; many systems allow 1,024 unless they are asked for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * _MAX_CONNECTIONS
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def serve() -> None:
    """Serve until SIGTERM or SIGINT, then finish what runs and go."""
    settings = web_settings()
    configure_logs(settings.pms_api_key, process="web")
    extensions.set_wait_callback(wait_for_postgresql)
    allow_many_files()
    try:
        door = listen(settings.host, settings.port)
    except OSError as error:
        sys.exit(f"PORT={settings.port}: cannot listen on {settings.host}: {error.strerror}")
    web = create_web()
    web.start()
    spare_the_collector()
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
        _front(web.app, web.pages),
        protocol=Protocol,
        custom_pool=pool,
        log_output=False,
        socket_timeout=60,
        debug=False,
        url_length_limit=_MAX_HEADER_BYTES,
        # They are sent as they are written; no client may care, and it is a third of the sending.
        capitalize_response_headers=False,
    )
    log.info("listening", host=settings.host, port=settings.port)
    stopping.wait()
    _finish(door, server, pool, web)


def _front(sockets: WSGI, pages: WSGI) -> WSGI:
    """Sends each request its way; sockets read bodies without Flask, and are told here if slow."""

    def serve_one(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if not environ["PATH_INFO"].startswith("/socket.io"):
            return pages(environ, start_response)
        start_response = unsniffed(start_response)
        try:
            return sockets(environ, start_response)
        except RequestTimeout as slow:
            return slow(environ, start_response)

    return serve_one


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
