"""End to end: from the ``POST`` of an adjustment to the socket event that tells it."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.bench.load import Connection
from tests.bench.loop import Loop

_IN_ANSWER, _IN_EVENT, _ID = b'"id":"', b'"operationId":"', 36
# What comes later than this counts as lost.
_PATIENCE = 30.0
_TOO_LATE = 1.0


@dataclass
class Journeys:
    """Adjustments on their way, each until a subscriber has seen its event.

    Attributes:
        loop: of the connections and the subscriber.
        requests: what to send; endless.
        expected: the status of the answers.
        latencies: seconds from when each was due to its event.
        accepted: how many were answered.
        seconds: how long it took.
    """

    loop: Loop
    requests: Iterator[bytes]
    expected: int
    latencies: list[float] = field(default_factory=list)
    accepted: int = 0
    seconds: float = 0.0
    _due: dict[bytes, tuple[float, Connection]] = field(default_factory=dict)
    _early: dict[bytes, float] = field(default_factory=dict)
    _on_their_way: int = 0
    _answered: Callable[[Connection], object] = lambda door: None
    _arrived: Callable[[Connection], object] = lambda door: None

    @property
    def rate(self) -> float:
        """Arrivals a second."""
        return len(self.latencies) / self.seconds

    def see(self, packet: bytes) -> None:
        """A subscriber was sent an event."""
        begin = packet.find(_IN_EVENT)
        if begin < 0:
            return
        begin += len(_IN_EVENT)
        operation_id = packet[begin : begin + _ID]
        now = time.perf_counter()
        found = self._due.pop(operation_id, None)
        if found is None:
            self._early[operation_id] = now
        else:
            self._arrive(*found, now)

    def _send(self, door: Connection, due: float) -> None:
        self._on_their_way += 1

        def take(status: int, answer: bytes) -> None:
            assert status == self.expected, answer[:600].decode(errors="replace")
            self.accepted += 1
            begin = answer.index(_IN_ANSWER) + len(_IN_ANSWER)
            operation_id = answer[begin : begin + _ID]
            self._answered(door)
            seen = self._early.pop(operation_id, None)
            if seen is None:
                self._due[operation_id] = (due, door)
            else:
                self._arrive(due, door, seen)

        door.send(next(self.requests), take)

    def _arrive(self, due: float, door: Connection, now: float) -> None:
        self.latencies.append(now - due)
        self._on_their_way -= 1
        self._arrived(door)

    def outstanding(self, doors: list[Connection], seconds: float) -> "Journeys":
        """As many on their way as there are connections, for so long."""
        began = time.perf_counter()
        deadline = began + seconds

        def go_on(door: Connection) -> None:
            now = time.perf_counter()
            if now < deadline:
                self._send(door, now)

        self._arrived = go_on
        for door in doors:
            self._send(door, time.perf_counter())
        self._finish(seconds)
        self.seconds = time.perf_counter() - began
        return self

    def at_rate(self, doors: list[Connection], rate: float, seconds: float) -> "Journeys":
        """One every ``1 / rate`` seconds, whatever becomes of those before.

        What cannot be sent in time for want of a connection is late all the same: its time runs
        from when it was due; and when that is a second ago, the load is not held, and it ends.
        """
        free = deque(doors)
        self._answered = free.append
        began = time.perf_counter()
        for number in range(int(rate * seconds)):
            due = began + number / rate
            while (early := due - time.perf_counter()) > 0:
                self.loop.once(early)
            self.loop.once(0)
            while not free:
                self.loop.once(0.05)
            if time.perf_counter() - due > _TOO_LATE:
                break
            self._send(free.popleft(), due)
        self._finish(0)
        self.seconds = time.perf_counter() - began
        return self

    def _finish(self, seconds: float) -> None:
        """Wait for the last.

        Raises:
            AssertionError: some never came.
        """
        came = self.loop.run(seconds + _PATIENCE, lambda: not self._on_their_way)
        assert came, f"{self._on_their_way} of {self.accepted} adjustments were never told"
