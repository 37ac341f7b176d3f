"""Live events for the command line: in order, over one connection that comes back by itself."""

import queue
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import engineio
import socketio
from socketio.exceptions import SocketIOError

from web.cli_errors import FAILED, KEY, UNKNOWN, AwayError, CommandError
from web.cli_output import printable
from web.cli_target import Target

_PATIENCE = 15.0
_LOOK_SECONDS = 1.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0
_FOR_GOOD = {"unauthorized": KEY, "too-many-connections": FAILED}
# What events say of the thing that they tell about, and of which subscription they are.
_NAMED_BY = {
    "inventory": ("inventory_update", "productId"),
    "product": ("product_update", "productId"),
    "order": ("order_status", "orderId"),
    "operations": ("operation_update", ""),
    "system": ("system_alert", ""),
}


class _InOrder(engineio.Client):  # type: ignore[misc]
    """Hands on messages one after the other; the library's own takes a thread for each."""

    def _trigger_event(self, event: str, *args: Any, **options: Any) -> Any:
        return super()._trigger_event(event, *args, **{**options, "run_async": False})


class _Client(socketio.Client):  # type: ignore[misc]
    def _engineio_client_class(self) -> type[engineio.Client]:
        return _InOrder


@dataclass(slots=True)
class Topic:
    """A subscription.

    Attributes:
        name: ``inventory``, ``product``, ``order``, ``operations`` or ``system``.
        thing: the id of what it is about, if it is about one.
        cursor: how far its events have come.
        position: the same as a number.
        answer: the latest acknowledgement.
    """

    name: str
    thing: str = ""
    cursor: str | None = None
    position: int = -1
    answer: dict[str, Any] = field(default_factory=dict)
    answered: threading.Event = field(default_factory=threading.Event)

    @property
    def key(self) -> tuple[str, str]:
        """What its events are known by: their name, and the thing."""
        return (_NAMED_BY[self.name][0], self.thing)

    def request(self) -> dict[str, str]:
        """What the service is asked."""
        wanted = {_NAMED_BY[self.name][1]: self.thing} if self.thing else {}
        return {**wanted, "since": self.cursor} if self.cursor else wanted


@dataclass(frozen=True, slots=True)
class Told:
    """Something that happened.

    Attributes:
        event: an event's name; ``snapshot`` for the state at the beginning, and again if what
            was missed cannot be told; ``disconnected`` and ``reconnected``.
        data: the event's; for a snapshot the thing's state.
        topic: whose it is; None for what concerns the connection.
        late: a snapshot that an event has overtaken on the way, which is the newer one then.
        at: when it came.
    """

    event: str
    data: dict[str, Any]
    topic: Topic | None
    late: bool = False
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


class Feed:
    """Iterate over it for what happens, until it is closed.

    Whoever iterates also brings back a connection that was lost.

    Args:
        target: the service and the key.
        topics: what to be told of.
    """

    def __init__(self, target: Target, topics: list[Topic]) -> None:
        self._target = target
        self._topics = {topic.key: topic for topic in topics}
        self._queue: queue.Queue[Told] = queue.Queue()
        self._closing = threading.Event()
        self._guard = threading.RLock()
        self._refused = ""
        self._client = self._new_client()

    def connect(self) -> None:
        """Connect, and ask for all topics; what was missed since the last time comes first.

        Raises:
            CommandError: it cannot be had.
        """
        with self._guard:
            # One that was given up may still tell what the next one is told again.
            self._client.disconnect()
            self._client = self._new_client()
            self._refused = ""
            try:
                self._client.connect(
                    self._target.url,
                    # Nothing new may come before what was missed has been asked for.
                    auth={"token": self._target.key(), "unasked": False},
                    transports=["websocket"],
                    wait_timeout=_PATIENCE,
                )
            except (SocketIOError, ValueError, OSError):
                raise self._not_connected() from None
            for topic in list(self._topics.values()):
                self._ask(topic)

    def subscribe(self, topic: Topic) -> None:
        """Ask for one more topic, while another thread iterates.

        Raises:
            CommandError: it cannot be had.
        """
        with self._guard:
            self._topics[topic.key] = topic
            try:
                self._ask(topic)
            except AwayError:
                # The one who iterates asks again, for all topics.
                self._queue.put(Told("lost", {}, None))
        if not topic.answered.wait(4 * _PATIENCE):
            raise AwayError(f"the events of {self._target.url} cannot be had any more")

    def close(self) -> None:
        """End the connection, and the iteration after what has already come."""
        self._closing.set()
        with self._guard:
            self._client.disconnect()
        self._queue.put(Told("closed", {}, None))

    def __iter__(self) -> Iterator[Told]:
        while True:
            try:
                told = self._queue.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                told = Told("" if self._client.connected else "lost", {}, None)
            if told.event == "closed":
                return
            if told.event == "lost":
                if self._client.connected or self._closing.is_set():
                    continue
                yield Told("disconnected", {}, None)
                self._come_back()
                yield Told("reconnected", {}, None)
            elif told.event:
                yield told

    def _come_back(self) -> None:
        pause = _FIRST_PAUSE
        while not self._closing.is_set():
            try:
                self.connect()
            except AwayError:
                # Not all clients of a service that starts again are to come at once.
                time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                return

    def _new_client(self) -> _Client:
        client = _Client(reconnection=False, handle_sigint=False)
        client.on("*", self._on_event)
        client.on("connect_error", self._on_refusal)
        client.on("disconnect", lambda *_: self._queue.put(Told("lost", {}, None)))
        return client

    def _on_refusal(self, data: Any = None) -> None:
        self._refused = str(data.get("message", "")) if isinstance(data, dict) else ""

    def _on_event(self, event: str, data: Any = None) -> None:
        if not isinstance(data, dict):
            return
        name = next((field for known, field in _NAMED_BY.values() if known == event), "")
        topic = self._topics.get((event, str(data.get(name, "")) if name else ""))
        if topic is not None:
            topic.cursor, topic.position = data["cursor"], data["position"]
            self._queue.put(Told(event, data, topic))

    def _ask(self, topic: Topic) -> None:
        deadline = time.monotonic() + 4 * _PATIENCE
        while "error" in (answer := self._call(topic)):
            seconds = answer.get("retryAfter")
            if seconds is None or time.monotonic() + seconds > deadline:
                raise self._not_subscribed(topic, answer)
            time.sleep(seconds)

    def _call(self, topic: Topic) -> dict[str, Any]:
        """Send the request; its answer is taken in between the events, where it belongs."""
        answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

        def take(answer: dict[str, Any]) -> None:
            if answer.get("ok"):
                self._begin(topic, answer)
            answers.put(answer)

        try:
            self._client.emit(f"subscribe_{topic.name}", topic.request(), callback=take)
            return answers.get(timeout=_PATIENCE)
        except (SocketIOError, OSError, queue.Empty):
            raise AwayError(f"the connection to {self._target.url} was lost") from None

    def _begin(self, topic: Topic, answer: dict[str, Any]) -> None:
        """The stream goes on from here, unless an event has already led beyond."""
        missed = answer.get("recovered") is False
        late = answer["position"] < topic.position and not missed
        if not late:
            topic.cursor, topic.position = answer["cursor"], answer["position"]
        topic.answer = answer
        if answer.get("recovered") is not True:
            self._queue.put(Told("snapshot", answer["snapshot"], topic, late))
        topic.answered.set()

    def _not_connected(self) -> CommandError:
        url, code = self._target.url, _FOR_GOOD.get(self._refused)
        if self._refused == "unauthorized":
            return CommandError(self._target.refusal("read"), KEY)
        if code is not None:
            return CommandError(f"{url} refuses the connection: {self._refused}", code)
        return AwayError(
            f"no events to be had at {url}: start the service with `pms up`, or say where it is "
            "with --url, or with HOST and PORT"
        )

    @staticmethod
    def _not_subscribed(topic: Topic, answer: dict[str, Any]) -> CommandError:
        error = printable(answer["error"])
        if error.startswith("unknown-"):
            what = error.removeprefix("unknown-")
            return CommandError(f"there is no {what} {topic.thing}".rstrip(), UNKNOWN)
        code = KEY if error == "forbidden" else FAILED
        return CommandError(f"{topic.name}: {error} {printable(answer.get('detail', ''))}", code)
