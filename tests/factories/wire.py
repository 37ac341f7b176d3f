"""A wire between a client and a real server, which a test can cut or hold."""

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit


class Wire:
    """Forwards one local port to a server.

    Args:
        url: of the server; `url` of the wire leads through it.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        user, at, _ = parts.netloc.rpartition("@")
        port = self._listener.getsockname()[1]
        self.url = urlunsplit(parts._replace(netloc=f"{user}{at}127.0.0.1:{port}"))
        self._flowing = threading.Event()
        self._flowing.set()
        self._broken = False
        self._ends: list[socket.socket] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break every connection and refuse new ones, as a server that is gone does."""
        with self._lock:
            self._broken = True
            for end in self._ends:
                _close(end)
            self._ends.clear()

    def hold(self) -> None:
        """Let nothing through, and tell nobody, as a frozen server does."""
        self._flowing.clear()

    def mend(self) -> None:
        """Be a good wire again."""
        with self._lock:
            self._broken = False
        self._flowing.set()

    def close(self) -> None:
        """End for good."""
        self._flowing.set()
        self.cut()
        _close(self._listener)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._broken:
                    _close(near)
                    continue
                far = socket.create_connection(self._target)
                self._ends += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                self._flowing.wait()
                sink.sendall(data)
        except OSError:
            pass
        finally:
            _close(source)
            _close(sink)


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
