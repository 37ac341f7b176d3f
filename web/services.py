"""What the routes work with: the database, acceptance, the waker, the waiters, the cache."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from flask import Flask, current_app

from db.session import Database
from web.settings import WebSettings

if TYPE_CHECKING:
    from web.acceptance import Acceptance
    from web.cache import ProductCache
    from web.health import Probes
    from web.waiters import Waiters
    from workers.dispatch import Waker

_NAME = "pms"


@dataclass
class Services:
    """The parts of one web process, made in `web.app` and handed to the routes."""

    settings: WebSettings
    database: Database
    acceptance: "Acceptance"
    waker: "Waker"
    waiters: "Waiters"
    cache: "ProductCache"
    probes: "Probes"


def init_services(app: Flask, services: Services) -> None:
    """Give an application its parts."""
    app.extensions[_NAME] = services


def services() -> Services:
    """The parts of the application that serves this request."""
    return cast(Services, current_app.extensions[_NAME])
