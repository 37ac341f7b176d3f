"""HTTP as it is read off the wire: how large and how slow a request may be, and what is none."""

import re
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import eventlet
import eventlet.wsgi
from eventlet.wsgi import STATE_CLOSE, HeaderLineTooLong, HeadersTooLarge
from werkzeug.exceptions import RequestTimeout

# From the end of the last answer to the end of the next request line.
IDLE_SECONDS = 65.0
# The whole of a request's headers.
HEADER_SECONDS = 10.0
# A body may take so long, and as long again as it needs at the least pace.
BODY_SECONDS = 15.0
_BYTES_PER_SECOND = 16_384
_PIECE = 65_536
# What is left of a body after its answer is read away, so that the answer is not lost with the
# connection (RFC 9112, section 9.6), but not for ever.
_LEFT_SECONDS = 2.0
_LEFT_BYTES = 8_388_608
_LENGTH = re.compile(r"[0-9]{1,18}")


class TooSlow(Exception):  # noqa: N818 - ends a wait
    """Nothing whole has come in time."""


class Body(eventlet.wsgi.Input):  # type: ignore[misc]
    """A request's body that has to keep a pace.

    Args:
        made: the body as the server would read it.
        close: called when the connection cannot be used for another request.
    """

    def __init__(self, made: eventlet.wsgi.Input, close: Callable[[], None]) -> None:
        super().__init__(
            made.rfile,
            made.content_length,
            made.get_socket(),
            wfile=made.wfile,
            wfile_line=made.wfile_line,
            chunked_input=made.chunked_input,
        )
        self._close = close
        self._deadline = 0.0

    def read(self, length: int | None = None) -> bytes:
        """Up to so many bytes; all that is left without a number.

        Raises:
            RequestTimeout: the body comes too slowly.
        """
        if length is None or length < 0:
            return b"".join(iter(lambda: self.read(_PIECE), b""))
        return self._paced(lambda: super(Body, self).read(min(length, _PIECE)))

    def readline(self, size: int | None = None) -> bytes:
        """Up to the end of the line, likewise."""
        return self._paced(lambda: super(Body, self).readline(size))

    def discard(self, buffer_size: int = _PIECE) -> None:
        """Read away what the application has left, as far as it is worth it."""
        left = _LEFT_BYTES
        try:
            with eventlet.Timeout(_LEFT_SECONDS, TooSlow()):
                while left > 0:
                    piece = super().read(buffer_size)
                    if not piece:
                        return
                    left -= len(piece)
        except (TooSlow, OSError, ValueError):
            pass
        self._close()

    def _paced(self, read: Callable[[], bytes]) -> bytes:
        if not self._deadline:
            self._deadline = time.monotonic() + BODY_SECONDS
        left = max(self._deadline - time.monotonic(), 0.001)
        with eventlet.Timeout(left, RequestTimeout("The body came too slowly.")):
            data = read()
        self._deadline += len(data) / _BYTES_PER_SECOND
        return data


class Protocol(eventlet.wsgi.HttpProtocol):  # type: ignore[misc]
    """Reads requests, and closes on those that are too slow, too large, or ambiguous.

    The server's own deadline is for each read: a client that sends a byte a minute would be
    served for ever. A websocket is beyond all this once it has been taken over.
    """

    _refused = False

    def _read_request_line(self) -> Any:
        try:
            with eventlet.Timeout(IDLE_SECONDS, TooSlow()):
                line = super()._read_request_line()
        except (TooSlow, TimeoutError):
            return b""
        if self.conn_state[2] == STATE_CLOSE:
            # The process is stopping and has shut this connection: an answer could not go out,
            # so nothing shall be done.
            return b""
        # The server itself refuses such a line.
        self._refused = len(line) >= self.server.url_length_limit
        return line

    def parse_request(self) -> bool:
        """Read the headers.

        Returns:
            False if the request was answered already.
        """
        try:
            with eventlet.Timeout(HEADER_SECONDS, TooSlow()):
                if not super().parse_request():
                    return False
        except (TooSlow, TimeoutError):
            return self._refuse(408, "Request Timeout")
        except (HeaderLineTooLong, HeadersTooLarge):
            return self._refuse(431, "Request Header Fields Too Large")
        fault = self._fault()
        return self._refuse(*fault) if fault else True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no HTTP, without a page that repeats it."""
        self._refuse(code, "Bad Request" if code == 400 else "Refused")

    def _fault(self) -> tuple[int, str] | None:
        """What would let two readers disagree where a request ends (RFC 9112, section 6)."""
        lengths = self.headers.get_all("content-length") or []
        codings = [one.strip().lower() for one in self.headers.get_all("transfer-encoding") or []]
        if len(lengths) > 1 or not all(_LENGTH.fullmatch(one.strip()) for one in lengths):
            return 400, "Bad Request"
        if codings and (lengths or self.request_version == "HTTP/1.0"):
            return 400, "Bad Request"
        if codings and codings != ["chunked"]:
            return 501, "Not Implemented"
        return None

    def _refuse(self, status: int, reason: str) -> bool:
        lines = (f"HTTP/1.1 {status} {reason}", "Connection: close", "Content-Length: 0", "", "")
        self.wfile.write("\r\n".join(lines).encode())
        self.close_connection = self._refused = True
        return False

    def finish(self) -> None:
        """Close; what was refused is read away for a while, or its answer would be lost with it."""
        if self._refused:
            with suppress(TooSlow, OSError, ValueError), eventlet.Timeout(_LEFT_SECONDS, TooSlow()):
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_WR)
                for _ in range(_LEFT_BYTES // _PIECE):
                    if not self.connection.recv(_PIECE):
                        break
        super().finish()

    def get_environ(self) -> dict[str, Any]:
        """As the application sees the request."""
        environ: dict[str, Any] = super().get_environ()
        body = Body(environ["eventlet.input"], self._close)
        environ["wsgi.input"] = environ["eventlet.input"] = body
        if body.chunked_input:
            # Chunks have their own end, which the application may read up to.
            environ["wsgi.input_terminated"] = True
        return environ

    def _close(self) -> None:
        self.close_connection = True
