"""The web process, with every message to the workers published ``FAULT_COPIES`` times.

It runs in the place of ``web.server``.
"""

import os
from typing import Any

from web.server import serve
from workers import dispatch
from workers.app import app

_send, _call = app.send_task, dispatch.call
_TIMES = int(os.environ["FAULT_COPIES"])


def _repeat(*arguments: Any, **options: Any) -> None:
    for _ in range(_TIMES):
        _send(*arguments, **options)


def _call_again_and_again() -> bool:
    return sum(_call() for _ in range(_TIMES)) > 0


app.send_task = _repeat
dispatch.call = _call_again_and_again

if __name__ == "__main__":
    serve()
