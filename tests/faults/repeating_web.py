"""The web process, with every message to the workers published ``FAULT_COPIES`` times.

It runs in the place of ``web.server``.
"""

import os
from typing import Any

from web.server import serve
from workers.app import app

_send = app.send_task


def _repeat(*arguments: Any, **options: Any) -> None:
    for _ in range(int(os.environ["FAULT_COPIES"])):
        _send(*arguments, **options)


app.send_task = _repeat

if __name__ == "__main__":
    serve()
