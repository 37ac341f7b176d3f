"""The demo's witness: keeps what the socket events told, and whether any was missed."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from web.cli_errors import CommandError
from web.cli_feed import Feed, Topic


@dataclass
class Story:
    """What one stream told.

    Attributes:
        begin: the position of the snapshot, after which the events come.
        positions: of the events, in the order in which they came.
        last: the latest event's data.
        lost: whether events were missed that could not be told again.
    """

    begin: int = 0
    positions: list[int] = field(default_factory=list)
    last: dict[str, Any] = field(default_factory=dict)
    lost: bool = False

    @property
    def whole(self) -> bool:
        """Whether every event came, in order and once."""
        first = self.begin + 1
        return not self.lost and self.positions == list(range(first, first + len(self.positions)))

    @property
    def reached(self) -> int:
        """The position of the last event."""
        return self.positions[-1] if self.positions else self.begin


class Witness:
    """Listens to a feed in a thread of its own.

    Args:
        feed: connected.
    """

    def __init__(self, feed: Feed) -> None:
        self.stories: dict[tuple[str, str], Story] = {}
        self.ends: dict[str, dict[str, Any]] = {}
        self.alerts: Counter[tuple[str, str]] = Counter()
        self.repeated_ends = 0
        self.reconnects = 0
        self._feed = feed
        self._news = threading.Condition()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._listen, name="witness", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def follow(self, topic: Topic) -> None:
        """Listen to one thing more."""
        self._feed.subscribe(topic)

    def stop(self) -> None:
        """Listen no more; what has come until now is kept."""
        self._feed.close()
        self._thread.join(10)

    @property
    def events(self) -> int:
        """How many came, altogether."""
        return sum(len(story.positions) for story in self.stories.values())

    def wait_for_ends(self, operations: Collection[str], seconds: float) -> bool:
        """Wait until these operations have ended, as events tell it."""
        return self.wait_until(lambda: self.ends.keys() >= set(operations), seconds)

    def wait_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until what was told makes a condition true.

        Raises:
            CommandError: the events cannot be had any more.
        """
        deadline = time.monotonic() + seconds
        with self._news:
            while not condition():
                if self._error is not None:
                    raise CommandError(f"the events stopped: {self._error}")
                if not self._news.wait(deadline - time.monotonic()):
                    return condition()
        return True

    def _listen(self) -> None:
        try:
            for told in self._feed:
                with self._news:
                    if told.topic is None:
                        self.reconnects += told.event == "reconnected"
                    else:
                        self._take(told.topic, told.event, told.data)
                    self._news.notify_all()
        except BaseException as error:
            with self._news:
                self._error = error
                self._news.notify_all()

    def _take(self, topic: Topic, event: str, data: dict[str, Any]) -> None:
        story = self.stories.get(topic.key)
        if event == "snapshot":
            position = topic.answer["position"]
            story = self.stories.setdefault(topic.key, Story(begin=position))
            # An event may overtake the snapshot, but none between the two may be missing.
            story.begin = min(story.begin, position)
            story.lost = story.lost or topic.answer.get("recovered") is False
            return
        if story is None:
            story = self.stories[topic.key] = Story(begin=data["position"] - 1)
        story.positions.append(data["position"])
        story.last = data
        if event == "operation_update" and data["status"] != "queued":
            self.repeated_ends += data["operationId"] in self.ends
            self.ends[data["operationId"]] = data
        elif event == "system_alert":
            self.alerts[(data.get("productId", ""), data["type"])] += 1
