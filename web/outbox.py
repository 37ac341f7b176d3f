"""The way out for events that the web itself writes: told off the request path."""

import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

import structlog

from workers.broadcast import broadcast

log = structlog.get_logger(__name__)

_MOST_KEPT = 10_000

Told = tuple[str, int, str, Any]


class Outbox:
    """Broadcasts committed events from a thread of its own.

    A frozen Redis holds a publish for a while; here it holds only this thread. What is lost is
    but a hint: the stream in the database is what makes clients whole. The thread begins with
    the first event.
    """

    def __init__(self) -> None:
        self._events: deque[Told] = deque(maxlen=_MOST_KEPT)
        self._asked = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def tell(self, events: Sequence[Told]) -> None:
        """Have these events broadcast soon, in this order; returns at once.

        Args:
            events: ``(stream, position, name, data)``, committed.
        """
        self._events.extend(events)
        self._asked.set()
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            self._asked.wait()
            self._asked.clear()
            batch = [self._events.popleft() for _ in range(len(self._events))]
            try:
                broadcast(batch)
            except Exception as error:
                log.warning("outbox_failed", error=repr(error), events=len(batch))


outbox = Outbox()
