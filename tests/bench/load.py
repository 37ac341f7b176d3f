"""The load generator: pre-built requests over keep-alive connections, nothing parsed in vain."""

import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.bench.loop import Loop, connect

Taker = Callable[[int, bytes], None]


def build_request(
    method: str, path: str, body: object = None, headers: dict[str, str] | None = None
) -> bytes:
    """A request as it goes over the wire; bytes are sent as they are, all else as JSON."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    data = b""
    if body is not None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


class Connection:
    """One keep-alive connection, with at most one request on its way."""

    def __init__(self, loop: Loop, port: int) -> None:
        self._loop = loop
        self._sock = connect(port)
        self._parts = b""
        self._take: Taker | None = None
        loop.add(self._sock, self._readable)

    def send(self, request: bytes, take: Taker) -> None:
        """Send a request; ``take`` is called with the status and the answer, head and body."""
        self._take = take
        self._sock.send(request)

    def close(self) -> None:
        """Leave."""
        self._loop.remove(self._sock)

    def _readable(self) -> None:
        data = self._sock.recv(262_144)
        if not data:
            raise ConnectionError("the server closed a connection")
        if self._parts:
            data = self._parts + data
        end = data.find(b"\r\n\r\n")
        if end < 0 or len(data) < end + 4 + _length(data, end):
            self._parts = data
            return
        self._parts = b""
        assert self._take is not None
        self._take(int(data[9:12]), data)


def _length(data: bytes, end: int) -> int:
    begin = data.find(b"ontent-Length: ", 0, end)
    if begin < 0:
        begin = data.find(b"ontent-length: ", 0, end)
    return int(data[begin + 15 : data.find(b"\r", begin)]) if begin >= 0 else 0


@contextmanager
def connections(loop: Loop, *ports: int, each: int) -> Iterator[list[Connection]]:
    """So many connections to each of some servers, taking turns."""
    found = [Connection(loop, port) for _ in range(each) for port in ports]
    try:
        yield found
    finally:
        for connection in found:
            connection.close()


@dataclass
class Answers:
    """What came of a run.

    Attributes:
        expected: the only status that is no failure.
        seconds: how long it took.
        latencies: seconds of each answer.
    """

    expected: int
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def note(self, status: int, answer: bytes, seconds: float) -> None:
        """Count one.

        Raises:
            AssertionError: it is not what was expected.
        """
        assert status == self.expected, answer[:600].decode(errors="replace")
        self.latencies.append(seconds)


def press(
    loop: Loop, doors: list[Connection], requests: Iterator[bytes], seconds: float, expected: int
) -> Answers:
    """Closed loop: every connection sends its next request when it has the answer to the last.

    Args:
        loop: the loop of the connections.
        doors: how many requests are on their way at any time.
        requests: what to send; endless.
        seconds: for how long.
        expected: the status that each answer must have.
    """
    found = Answers(expected)
    waiting = 0
    began = time.perf_counter()
    deadline = began + seconds

    def begin(door: Connection) -> None:
        nonlocal waiting
        waiting += 1
        sent = time.perf_counter()

        def take(status: int, answer: bytes) -> None:
            nonlocal waiting
            now = time.perf_counter()
            waiting -= 1
            found.note(status, answer, now - sent)
            if now < deadline:
                begin(door)

        door.send(next(requests), take)

    for door in doors:
        begin(door)
    assert loop.run(seconds + 30, lambda: not waiting), "answers are missing"
    found.seconds = time.perf_counter() - began
    return found


def ask(loop: Loop, door: Connection, request: bytes, seconds: float = 60) -> tuple[int, bytes]:
    """One request and its answer: status and body."""
    answers: deque[tuple[int, bytes]] = deque()
    door.send(request, lambda status, answer: answers.append((status, answer)))
    assert loop.run(seconds, lambda: answers), "no answer"
    status, answer = answers.pop()
    return status, answer[answer.index(b"\r\n\r\n") + 4 :]
