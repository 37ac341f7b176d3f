"""One loop over many sockets: cheap enough not to be what is measured."""

import selectors
import socket
import time
from collections.abc import Callable


class Loop:
    """Calls whoever owns a socket that has something to read.

    ``selectors`` and plain callbacks: a request costs the generator about as little as Python
    allows, and the whole of it is one process on one core.
    """

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def add(self, sock: socket.socket, readable: Callable[[], None]) -> None:
        """Call ``readable`` whenever there is something to read."""
        sock.setblocking(False)
        self._selector.register(sock, selectors.EVENT_READ, readable)

    def remove(self, sock: socket.socket) -> None:
        """Forget a socket and close it."""
        self._selector.unregister(sock)
        sock.close()

    def once(self, seconds: float) -> None:
        """Serve what is ready, waiting at most so long for the first."""
        for key, _ in self._selector.select(max(0.0, seconds)):
            key.data()

    def run(self, seconds: float, done: Callable[[], object] = lambda: False) -> bool:
        """Serve for so long, or until something is so; whether it came to be so."""
        deadline = time.perf_counter() + seconds
        while not done():
            left = deadline - time.perf_counter()
            if left <= 0:
                return False
            self.once(min(left, 0.05))
        return True


def connect(port: int) -> socket.socket:
    """A connection to a server on this machine that sends at once."""
    found = socket.create_connection(("127.0.0.1", port), timeout=30)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found
