"""The web application: only wiring, so that each room can be read alone."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import structlog
from apiflask import APIFlask
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.routing import UUIDConverter

from db.session import web_database
from web import (
    activity,
    alerts,
    analytics,
    bulk,
    documents,
    health,
    integrity,
    inventory,
    keys,
    operations,
    orders,
    products,
    refused,
    screen,
)
from web.acceptance import Acceptance
from web.auth import authenticate, guard, init_auth, register_first_key
from web.cache import ProductCache
from web.envelope import WSGI, Envelope
from web.errors import init_errors
from web.health import Probes
from web.limits import init_limits
from web.neighbours import Neighbours
from web.openapi import init_openapi
from web.queries import init_queries
from web.services import Services, init_services
from web.settings import WebSettings, web_settings
from web.sockets import Sockets, init_sockets
from web.waiters import Waiters
from workers.dispatch import Waker
from workers.settings import worker_settings

log = structlog.get_logger(__name__)

_ROOMS = (
    products,
    inventory,
    bulk,
    integrity,
    orders,
    operations,
    refused,
    analytics,
    activity,
    alerts,
    keys,
    health,
    documents,
    screen,
)


class _App(APIFlask):
    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Nothing here is asynchronous, which the framework would look for at each step."""
        return func


@dataclass
class Web:
    """One web process, and what runs beside it.

    Attributes:
        app: the application, which is a WSGI callable.
        pages: the same without its sockets: a shorter way for all else.
    """

    app: APIFlask
    pages: WSGI
    services: Services
    sockets: Sockets
    neighbours: Neighbours

    def start(self) -> None:
        """Register the operator's key and begin what runs in the background."""
        services = self.services
        if services.settings.pms_api_key:
            threading.Thread(target=self._register_first_key, daemon=True).start()
        services.waker.start()
        services.waiters.start()
        services.cache.start()
        self.sockets.start()
        services.probes.start()
        self.neighbours.start()

    def _register_first_key(self) -> None:
        """As soon as the database is there: until then `/health` says that it is not."""
        secret = self.services.settings.pms_api_key
        assert secret is not None
        while True:
            try:
                register_first_key(self.services.database, secret)
            except SQLAlchemyError as error:
                log.warning("first_key_waits_for_the_database", error=repr(error).splitlines()[0])
                time.sleep(1)
            else:
                return

    def stop(self) -> None:
        """Tell clients to come again elsewhere, answer those who wait, end the background."""
        self.services.waiters.release_all()
        self.sockets.stop()
        self.services.cache.stop()
        self.services.probes.stop()
        self.neighbours.stop()


def create_web(async_mode: str = "eventlet") -> Web:
    """A web process with all its rooms; nothing runs yet.

    Args:
        async_mode: how the server that will run it waits, as Flask-SocketIO names it.
    """
    settings = web_settings()
    app = _create_app(settings)
    pages = app.wsgi_app
    database = web_database()
    waker = Waker()
    waiters = Waiters(database)
    sockets = init_sockets(
        app,
        database=database,
        waiters=waiters,
        settings=settings,
        authenticate=authenticate,
        async_mode=async_mode,
    )
    redis_url = worker_settings().redis_url
    services = Services(
        settings=settings,
        database=database,
        acceptance=Acceptance(database),
        waker=waker,
        waiters=waiters,
        cache=ProductCache(redis_url, database),
        probes=Probes(database, redis_url, sockets.total_connections, waker),
    )
    init_services(app, services)
    return Web(app, pages, services, sockets, Neighbours(database))


def _create_app(settings: WebSettings) -> APIFlask:
    app = _App(
        "web",
        title="Backend PMS",
        version=version("backend-pms"),
        spec_path="/openapi.json",
        docs_path=None,
        static_folder=None,
    )
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.url_map.converters["id"] = UUIDConverter
    app.url_map.strict_slashes = False
    # The order in which a request meets them: its envelope, its key, the limits, the guard.
    app.wsgi_app = Envelope(app.wsgi_app)  # type: ignore[method-assign]
    init_errors(app)
    init_auth(app)
    init_limits(app)
    app.before_request(guard)
    init_queries(app)
    init_openapi(app)
    for room in _ROOMS:
        app.register_blueprint(room.blueprint)
    return app
