"""HTTP as it is read off the wire: how large and how slow a request may be, and what is none."""

import re
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import eventlet
import eventlet.wsgi
from eventlet.wsgi import STATE_CLOSE, HeaderLineTooLong, HeadersTooLarge
from werkzeug.exceptions import RequestTimeout

# From the end of the last answer to the first byte of the next request.
IDLE_SECONDS = 65.0
# The whole of a request's head.
HEADER_SECONDS = 10.0
# A body may take so long, and as long again as it needs at the least pace.
BODY_SECONDS = 15.0
_BYTES_PER_SECOND = 16_384
_PIECE = 65_536
# What is left of a body after its answer is read away, so that the answer is not lost with the
# connection (RFC 9112, section 9.6), but not for ever.
_LEFT_SECONDS = 2.0
_LEFT_BYTES = 8_388_608
_MOST_HEADERS = 100
_LENGTH = re.compile(r"[0-9]{1,18}")
# RFC 9112, sections 3 and 5; a header that is folded over lines, or has a blank before its colon,
# is one that two readers may take differently.
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(
    rb"(" + _TOKEN + rb") ([^\x00-\x20\x7f]+) HTTP/([0-9])\.([0-9])\r?\n", re.ASCII
)
_HEADER = re.compile(rb"(" + _TOKEN + rb"):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*\r?\n")


class TooSlow(Exception):  # noqa: N818 - ends a wait
    """Nothing whole has come in time."""


class Headers(dict[str, str]):
    """A request's headers by their names in small letters; what came twice is joined."""

    def get(self, name: str, default: Any = None) -> Any:
        """Whatever the case of the name."""
        return super().get(name.lower(), default)


@lru_cache(512)
def _environ_name(name: str) -> str | None:
    """As PEP 3333 has it; none for what another name could be taken for."""
    if "_" in name:
        return None
    found = name.upper().replace("-", "_")
    return found if found in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{found}"


class Body(eventlet.wsgi.Input):  # type: ignore[misc]
    """A request's body that has to keep a pace.

    Args:
        close: called when the connection cannot be used for another request.
        here: how much of it has come already; that needs no clock.
    """

    def __init__(self, *args: Any, close: Callable[[], None], here: int, **more: Any) -> None:
        super().__init__(*args, **more)
        self._close = close
        self._here = here
        self._deadline = 0.0

    def read(self, length: int | None = None) -> bytes:
        """Up to so many bytes; all that is left without a number.

        Raises:
            RequestTimeout: the body comes too slowly.
        """
        if length is None or length < 0:
            return b"".join(iter(lambda: self.read(_PIECE), b""))
        if not self.chunked_input and self.content_length <= self._here:
            return super().read(length)  # type: ignore[no-any-return]
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
    served for ever. What has come in one piece, as nearly all requests do, needs no clock. A
    websocket is beyond all this once it has been taken over.
    """

    _refused = False
    # How much of what follows the head has come with it; None if the head is not whole yet.
    _here: int | None = None

    def setup(self) -> None:
        """Remember what is the same for all requests of the connection."""
        super().setup()
        with suppress(OSError):
            # The head of a large answer goes out by itself; its body would wait for the client's
            # acknowledgement, which is delayed by 40 ms (RFC 1122, sections 4.2.3.2 and 4.2.3.4).
            self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        host, port = self.request.getsockname()[:2]
        self._same = {
            **self.server.get_environ(),
            "SCRIPT_NAME": "",
            "SERVER_NAME": host,
            "SERVER_PORT": str(port),
            "REMOTE_ADDR": self.client_address[0],
            "REMOTE_PORT": str(self.client_address[1]),
            "GATEWAY_INTERFACE": "CGI/1.1",
            # A websocket says so when it has nothing to do.
            "eventlet.set_idle": self._set_idle,
        }

    def _read_request_line(self) -> bytes:
        try:
            self.connection.settimeout(IDLE_SECONDS)
            begun = self.rfile.peek()
            self.connection.settimeout(self.server.socket_timeout)
            end = begun.find(b"\r\n\r\n")
            self._here = len(begun) - end - 4 if end >= 0 else None
            line = self._in_time(lambda: self.rfile.readline(self.server.url_length_limit))
        except (TooSlow, OSError, ValueError):
            return b""
        if self.conn_state[2] == STATE_CLOSE:
            # The process is stopping and has shut this connection: an answer could not go out,
            # so nothing shall be done.
            return b""
        # The server itself refuses such a line.
        self._refused = len(line) >= self.server.url_length_limit
        return line  # type: ignore[no-any-return]

    def _in_time(self, read: Callable[[], Any]) -> Any:
        """What is read of the head; with a clock if it has not come yet."""
        if self._here is not None:
            return read()
        with eventlet.Timeout(HEADER_SECONDS, TooSlow()):
            return read()

    def parse_request(self) -> bool:
        """Read the head.

        Returns:
            False if the request was answered already.
        """
        self.close_connection = True
        line = _REQUEST_LINE.fullmatch(self.raw_requestline)
        if line is None:
            return self._refuse(400, "Bad Request")
        if line[3] != b"1":
            return self._refuse(505, "HTTP Version Not Supported")
        self.command = line[1].decode()
        # Clients take an address that begins with two slashes for one on another host.
        path = line[2].decode("latin-1")
        self.path = "/" + path.lstrip("/") if path.startswith("//") else path
        self.requestline = f"{self.command} {self.path}"
        self.request_version = "HTTP/1.0" if line[4] == b"0" else "HTTP/1.1"
        try:
            self._pairs = self._in_time(lambda: list(self._read_headers()))
        except (TooSlow, TimeoutError):
            return self._refuse(408, "Request Timeout")
        except (HeaderLineTooLong, HeadersTooLarge):
            return self._refuse(431, "Request Header Fields Too Large")
        except ValueError:
            return self._refuse(400, "Bad Request")
        self.headers = Headers()
        for name, value in self._pairs:
            low = name.lower()
            known = self.headers.get(low)
            self.headers[low] = value if known is None else f"{known},{value}"
        wish = self.headers.get("connection", "").lower()
        self.close_connection = wish == "close" or (
            wish != "keep-alive" and self.request_version == "HTTP/1.0"
        )
        fault = self._fault()
        return self._refuse(*fault) if fault else True

    def _read_headers(self) -> Iterable[tuple[str, str]]:
        for _ in range(_MOST_HEADERS + 1):
            line = self.rfile.readline()
            if line in (b"\r\n", b"\n"):
                return
            found = _HEADER.fullmatch(line)
            if found is None:
                raise ValueError(line)
            yield found[1].decode(), found[2].decode("latin-1")
        raise HeadersTooLarge

    def _fault(self) -> tuple[int, str] | None:
        """What would let two readers disagree where a request ends (RFC 9112, section 6)."""
        length = self.headers.get("content-length")
        coding = self.headers.get("transfer-encoding")
        if length is not None and not _LENGTH.fullmatch(length):
            return 400, "Bad Request"
        if coding is None:
            return None
        if length is not None or self.request_version == "HTTP/1.0":
            return 400, "Bad Request"
        return None if coding.lower() == "chunked" else (501, "Not Implemented")

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
        """As the application sees the request (PEP 3333)."""
        path, _, query = self.path.partition("?")
        environ: dict[str, Any] = {
            **self._same,
            "REQUEST_METHOD": self.command,
            "RAW_PATH_INFO": path,
            "PATH_INFO": unquote(path, encoding="latin-1") if "%" in path else path,
            "QUERY_STRING": query,
            "SERVER_PROTOCOL": self.request_version,
            "headers_raw": tuple(self._pairs),
            "eventlet.posthooks": [],
        }
        for name, value in self._pairs:
            key = _environ_name(name)
            if key is not None:
                known = environ.get(key)
                environ[key] = value if known is None else f"{known},{value}"
        environ["wsgi.input"] = environ["eventlet.input"] = body = self._body()
        if body.chunked_input:
            # Chunks have their own end, which the application may read up to.
            environ["wsgi.input_terminated"] = True
        return environ

    def _body(self) -> Body:
        chunked = "transfer-encoding" in self.headers
        continues = self.headers.get("expect", "").lower() == "100-continue"
        return Body(
            self.rfile,
            None if chunked else self.headers.get("content-length", "0"),
            self.connection,
            wfile=self.wfile if continues else None,
            wfile_line=b"HTTP/1.1 100 Continue\r\n" if continues else None,
            chunked_input=chunked,
            close=self._close,
            here=self._here or 0,
        )

    def _set_idle(self) -> None:
        self.conn_state[2] = eventlet.wsgi.STATE_IDLE

    def _close(self) -> None:
        self.close_connection = True
