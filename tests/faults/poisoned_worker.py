"""The worker, with a handler that does something terrible to adjustments that ask for it.

It runs as Celery's application in the place of ``workers.app``.
"""

import os
import signal
from collections.abc import Callable
from typing import Any

from workers.app import app
from workers.book import Turn
from workers.commands import AdjustStock
from workers.registry import HANDLERS

__all__ = ["POISONS", "app"]


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
