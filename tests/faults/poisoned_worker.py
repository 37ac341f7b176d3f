"""The worker, with handlers that do something terrible to operations that ask for it.

It runs as Celery's application in the place of ``workers.app``.
"""

import os
import signal
from collections.abc import Callable
from datetime import date
from typing import Any

from sqlalchemy import Connection, text

from tasks import analytics
from workers.app import app
from workers.book import Turn
from workers.commands import AdjustStock, RebuildRollups
from workers.registry import HANDLERS

__all__ = ["LONG_DAY", "POISONED_DAY", "POISONS", "app"]

# A recomputation from this day on kills its process.
POISONED_DAY = date(1970, 1, 13)
# One from this day on takes longer than a worker that is asked to end waits for it.
LONG_DAY = date(1970, 1, 14)
_LONG_SECONDS = 12


def _raise() -> None:
    raise RuntimeError("poison")


def _loop() -> None:
    while True:
        pass


def _eat() -> None:
    eaten = []
    while True:
        eaten.append("x" * 1000 + str(len(eaten)))


def _exit() -> None:
    os._exit(1)


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


POISONS: dict[str, Callable[[], None]] = {
    "raises": _raise,
    "loops": _loop,
    "eats memory": _eat,
    "exits": _exit,
    "kills its process": _kill,
}

app.loader.import_default_modules()
_good = HANDLERS[AdjustStock]


def _adjust(command: AdjustStock, turn: Turn) -> dict[str, Any]:
    poison = POISONS.get(command.reference or "")
    if poison is not None:
        poison()
    return _good(command, turn)


HANDLERS[AdjustStock] = _adjust

_rebuild_well = analytics.rebuild


def _rebuild(connection: Connection, command: RebuildRollups) -> dict[str, Any]:
    if command.start_date == POISONED_DAY:
        _exit()
    if command.start_date == LONG_DAY:
        connection.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": _LONG_SECONDS})
    return _rebuild_well(connection, command)


analytics.rebuild = _rebuild
